/* SPDX-License-Identifier: MIT */
/*
 * The candidates of a request: each connection with the reason why it was passed over.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

enum { ROOM = 16 };

/* "2 reused 0/1, 1 busy 1/1, 3 evicted closed" */
static const char *explain_to(rig *r, const weir_asker *asker)
{
    static char text[RIG_TEXT];
    weir_candidate found[ROOM];
    const size_t count = weir_pool_explain(r->pool, asker, r->now_ns, found, ROOM);
    size_t at = 0;
    text[0] = '\0';
    assert_true(count <= ROOM);
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%d %s", i > 0 ? ", " : "",
                               (int)found[i].conn, weir_reason_name(found[i].reason));
        if (found[i].limit > 0) {
            at += (size_t)snprintf(text + at, sizeof text - at, " %u/%u", found[i].used,
                                   found[i].limit);
        }
        if (found[i].closed) {
            at += (size_t)snprintf(text + at, sizeof text - at, " closed");
        }
    }
    return text;
}

static const char *explain_key(rig *r, const weir_origin_key *key)
{
    weir_pool_check(r->pool);
    return explain_to(r, &(weir_asker){.key = key});
}

static const char *explain(rig *r, const char *name)
{
    const weir_origin_key key = rig_key(name);
    return explain_key(r, &key);
}

static void explain__one_without_a_past_finds_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    assert_string_equal(explain(&r, "one"), "");
    rig_close(&r);
}

static void explain__the_one_that_is_taken_comes_first(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 4});
    rig_ask_all(&r, "abcd", "one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_ready(&r, 3, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'a');
    rig_actions(&r); /* d has it */
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    rig_actions(&r);
    assert_string_equal(explain(&r, "one"), "3 reused 0/1, 1 busy 1/1, 2 spare 0/1, 4 dialing");
    assert_int_equal(rig_ask(&r, 'e', "one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'e')->slot), 3);
    rig_close(&r);
}

static void explain__http2_is_full_drains_and_refuses(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 3});
    rig_lease_h2(&r, "abc", 2);
    assert_string_equal(explain(&r, "h2.one"), "1 at_max_streams 2/2, 2 dialing");
    rig_ready(&r, 2, WEIR_H2, 1);
    rig_actions(&r);
    rig_tell(&r, 1, 0);
    assert_string_equal(explain(&r, "h2.one"), "1 draining_goaway, 2 at_max_streams 1/1");
    /* A connection that refuses although it has room, and does not say why. */
    weir_facts facts = rig_facts(&r, WEIR_H2, 5);
    weir_pool_facts(r.pool, rig_slot(&r, 2), &facts, r.now_ns);
    rig_ask_all(&r, "d", "h2.one");
    rig_actions(&r);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'd'), NULL, r.now_ns);
    rig_actions(&r);
    assert_string_equal(explain(&r, "h2.one"), "1 draining_goaway, 2 refusing 1/5, 3 dialing");
    rig_close(&r);
}

static void explain__one_in_use_with_room_comes_before_an_idle_one(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "ab", 1);
    rig_ready(&r, 2, WEIR_H2, 1);
    rig_actions(&r);
    rig_release(&r, 'b');
    rig_tell(&r, 1, 3);
    assert_string_equal(explain(&r, "h2.one"), "1 reused 1/3, 2 spare 0/1");
    assert_int_equal(rig_ask(&r, 'c', "h2.one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'c')->slot), 1);
    rig_close(&r);
}

static void explain__a_probe_says_that_alpn_is_not_known(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    assert_string_equal(explain(&r, "tls.one"), "1 alpn_unknown_wait");
    rig_close(&r);
}

/* It is said although nothing has closed it yet: it would be passed over. */
static void explain__what_is_too_old_says_how(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 5 * WEIR_NS_PER_SECOND});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    assert_string_equal(explain(&r, "one"), "1 reused 0/1");
    r.now_ns += 6 * WEIR_NS_PER_SECOND;
    assert_string_equal(explain(&r, "one"), "1 expired_idle 0/1");
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "close 1 expired_idle, dial 2 for b");
    assert_string_equal(explain(&r, "one"), "1 expired_idle 0/1, 2 dialing");
    rig_gone(&r, 1);
    assert_string_equal(explain(&r, "one"), "2 dialing, 1 expired_idle closed");
    rig_close(&r);
}

/* ... also when the origin itself was forgotten. */
static void explain__what_was_closed_lately_is_remembered(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.reusable = false;
    facts.unfit = WEIR_UNFIT_CLOSE;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 connection_close");
    rig_gone(&r, 1);
    assert_int_equal(weir_pool_count(r.pool).origins, 0);
    r.now_ns += WEIR_NS_PER_SECOND;
    assert_string_equal(explain(&r, "one"), "1 connection_close closed");
    assert_string_equal(explain(&r, "two"), "");
    weir_candidate found;
    const weir_origin_key key = rig_key("one");
    assert_int_equal(weir_pool_explain(r.pool, &(weir_asker){.key = &key}, r.now_ns, &found, 1), 1);
    assert_int_equal(found.closed_ns, WEIR_NS_PER_SECOND);
    assert_int_equal(found.uses, 1);
    rig_close(&r);
}

static void explain__a_bounce_says_why_it_was_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    const weir_origin_key key = rig_key("one");
    weir_candidate found;
    assert_int_equal(weir_pool_explain(r.pool, &(weir_asker){.key = &key}, r.now_ns, &found, 1), 1);
    assert_int_equal(found.reason, WEIR_REASON_REUSED);
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.reusable = false;
    facts.accepting = false;
    facts.unfit = WEIR_UNFIT_LEFT_OVER;
    weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), &facts, r.now_ns);
    weir_pool_explain_bounce(r.pool, &key, 1, r.now_ns, &found);
    assert_int_equal(found.reason, WEIR_REASON_OCTETS_LEFT_OVER);
    rig_actions(&r);
    rig_close(&r);
}

static void explain__who_may_not_share_says_what_differs(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_ask_all(&r, "b", "tls.two"); /* another host: no candidate at all */
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_release(&r, 'a');
    rig_actions(&r);
    weir_origin_key key = rig_key("tls.one");
    assert_string_equal(explain_key(&r, &key), "1 reused 0/1");
    key.tls++;
    assert_string_equal(explain_key(&r, &key), "1 tls_identity_differs 0/1");
    key = rig_key("tls.one");
    key.pin = WEIR_H2;
    assert_string_equal(explain_key(&r, &key), "1 protocol_differs 0/1");
    key = rig_key("tls.one");
    key.address = weir_span_of("elsewhere");
    assert_string_equal(explain_key(&r, &key), "1 route_differs 0/1");
    key = rig_key("tls.one");
    key.port = 444;
    assert_string_equal(explain_key(&r, &key), "");
    rig_close(&r);
}

static void explain__what_does_not_fit_is_counted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 6});
    rig_ask_all(&r, "abcdef", "one");
    rig_actions(&r);
    rig_ready(&r, 6, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'a'); /* b had asked for it */
    rig_actions(&r);
    const weir_origin_key key = rig_key("one");
    weir_candidate found[2];
    assert_int_equal(weir_pool_explain(r.pool, &(weir_asker){.key = &key}, r.now_ns, found, 2), 6);
    assert_int_equal(found[1].conn, 2);
    assert_int_equal(weir_pool_explain(r.pool, &(weir_asker){.key = &key}, r.now_ns, NULL, 0), 6);
    rig_close(&r);
}

/* Released, to ask again: what it finds then. */
static const char *explain_again(rig *r, char letter, const char *name)
{
    const weir_origin_key key = rig_key(name);
    weir_ticket *ticket = rig_ticket(r, letter);
    ticket->refused++;
    ticket->keeps_order = true;
    weir_pool_release(r->pool, ticket, NULL, r->now_ns);
    return explain_to(r, &(weir_asker){&key, ticket});
}

/* What c gives back is for b, which asked before it. */
static void explain__who_asks_again_finds_what_others_left(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "abc", 3);
    rig_tell(&r, 1, 1);
    assert_string_equal(explain_again(&r, 'b', "h2.one"), "1 at_max_streams 2/1");
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN);
    rig_release(&r, 'a');
    assert_string_equal(explain_again(&r, 'c', "h2.one"), "1 at_max_streams 1/1");
    assert_int_equal(rig_ask(&r, 'c', "h2.one"), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    assert_string_equal(explain_again(&r, 'b', "h2.one"), "1 refused_lately 0/1");
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN); /* it is given a pause */
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explain__one_without_a_past_finds_nothing),
        cmocka_unit_test(explain__the_one_that_is_taken_comes_first),
        cmocka_unit_test(explain__http2_is_full_drains_and_refuses),
        cmocka_unit_test(explain__one_in_use_with_room_comes_before_an_idle_one),
        cmocka_unit_test(explain__a_probe_says_that_alpn_is_not_known),
        cmocka_unit_test(explain__what_is_too_old_says_how),
        cmocka_unit_test(explain__what_was_closed_lately_is_remembered),
        cmocka_unit_test(explain__a_bounce_says_why_it_was_refused),
        cmocka_unit_test(explain__who_may_not_share_says_what_differs),
        cmocka_unit_test(explain__what_does_not_fit_is_counted),
        cmocka_unit_test(explain__who_asks_again_finds_what_others_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
