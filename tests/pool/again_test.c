/* SPDX-License-Identifier: MIT */
/*
 * What the pool does for requests that are sent again: a pause for those that the peer refuses, and
 * another connection for those that it calls misdirected.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const weir_time ms = WEIR_NS_PER_MS;

/* The peer refused it: released, and asked for again. */
static weir_status again(rig *r, char letter)
{
    weir_ticket *ticket = rig_ticket(r, letter);
    ticket->refused++;
    ticket->keeps_order = ticket->refused == 1;
    weir_pool_release(r->pool, ticket, NULL, r->now_ns);
    return rig_ask(r, letter, "h2.one");
}

static void again__the_first_refusal_has_no_pause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "a", 10);
    assert_int_equal(again(&r, 'a'), WEIR_OK);
    rig_close(&r);
}

/* Three were leased when the peer allowed one, and two asked after them. Whoever the peer refused
 * is served before those who asked later, in the order in which they asked. */
static void again__who_is_refused_once_keeps_its_order(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "abc", 3);
    assert_int_equal(rig_ask(&r, 'd', "h2.one"), WEIR_AGAIN);
    assert_int_equal(rig_ask(&r, 'e', "h2.one"), WEIR_AGAIN);
    rig_tell(&r, 1, 1);
    assert_int_equal(again(&r, 'c'), WEIR_AGAIN); /* refused in any order */
    assert_int_equal(again(&r, 'b'), WEIR_AGAIN);
    rig_actions(&r);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant c 1 reused");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "grant d 1 reused");
    rig_release(&r, 'd');
    assert_string_equal(rig_actions(&r), "grant e 1 reused");
    rig_close(&r);
}

/* The connection died under it, and others wait for the next one. */
static void again__whose_connection_died_keeps_its_order(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1, .waiting = 2});
    rig_lease_h2(&r, "a", 1);
    rig_ask_all(&r, "bc", "h2.one");
    rig_tell(&r, 1, 0);
    rig_release(&r, 'a');
    rig_ticket(&r, 'a')->keeps_order = true;
    assert_int_equal(rig_ask(&r, 'a', "h2.one"), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "close 1 draining_goaway");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_ready(&r, 2, WEIR_H2, 1);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 2 reused");
    assert_int_equal(rig_ask(&r, 'a', "h2.one"), WEIR_AGAIN); /* it is a new one */
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant c 2 reused");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "grant a 2 reused");
    rig_close(&r);
}

/* What it gives back is its own, though others wait for just that. */
static void again__nobody_slips_in_before_who_is_refused_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "a", 1);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN);
    rig_actions(&r);
    assert_int_equal(again(&r, 'a'), WEIR_OK);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(again(&r, 'a'), WEIR_AGAIN); /* the second time it has no place to keep */
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_close(&r);
}

/* It was cancelled meanwhile: others need not wait for a call about their origin. */
static void again__who_does_not_ask_after_all_leaves_its_room(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "a", 1);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN);
    rig_actions(&r);
    rig_ticket(&r, 'a')->keeps_order = true;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), NULL, r.now_ns);
    rig_abandon(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    assert_int_equal(rig_ask(&r, 'a', "h2.one"), WEIR_AGAIN); /* as a new one */
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant a 1 reused");
    rig_close(&r);
}

/* It asks elsewhere: the configuration was replaced, say. */
static void again__who_asks_elsewhere_leaves_its_room(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "a", 1);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN);
    rig_actions(&r);
    rig_ticket(&r, 'a')->keeps_order = true;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), NULL, r.now_ns);
    assert_int_equal(rig_ask(&r, 'a', "h2.two"), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "grant b 1 reused, dial 2 for a");
    rig_close(&r);
}

/* Nor does one that has a pause before it, and is turned away because as many wait: what it gave
 * back is theirs. */
static void again__who_is_turned_away_leaves_its_room(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1, .waiting = 1});
    rig_lease_h2(&r, "a", 1);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_AGAIN);
    rig_actions(&r);
    rig_ticket(&r, 'a')->refused = 2;
    rig_ticket(&r, 'a')->keeps_order = true;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), NULL, r.now_ns);
    assert_int_equal(rig_ask(&r, 'a', "h2.one"), WEIR_E_QUEUE_FULL);
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_close(&r);
}

/* It was let in: a queue that is full meanwhile does not turn it away. */
static void again__who_is_refused_once_is_not_turned_away(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1, .waiting = 1});
    rig_lease_h2(&r, "a", 2);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_OK);
    assert_int_equal(rig_ask(&r, 'c', "h2.one"), WEIR_AGAIN);
    rig_tell(&r, 1, 1);
    assert_int_equal(again(&r, 'b'), WEIR_AGAIN);
    assert_int_equal(rig_ask(&r, 'd', "h2.one"), WEIR_E_QUEUE_FULL);
    rig_actions(&r);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_close(&r);
}

static void again__later_ones_have_a_growing_pause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "az", 10);
    assert_int_equal(again(&r, 'a'), WEIR_OK);
    weir_time span_ns = 50 * ms;
    for (int i = 0; i < 9; i++) {
        assert_int_equal(again(&r, 'a'), WEIR_AGAIN);
        assert_int_equal(weir_pool_waits_for(rig_ticket(&r, 'a')), WEIR_REASON_REFUSED_LATELY);
        assert_int_equal(weir_pool_count(r.pool).tickets_waiting, 1);
        weir_why why;
        const weir_time pause_ns = weir_pool_deadline(r.pool, &why) - r.now_ns;
        assert_int_equal(why, WEIR_WHY_PAUSE);
        assert_in_range(pause_ns, span_ns - span_ns / 10, span_ns + span_ns / 10);
        assert_string_equal(rig_actions_after(&r, pause_ns), "grant a 1 reused");
        weir_waits waits;
        weir_pool_waited(rig_ticket(&r, 'a'), r.now_ns, &waits);
        assert_true(waits.ns[WEIR_REASON_REFUSED_LATELY] >= pause_ns);
        span_ns = span_ns * 2 < 5000 * ms ? span_ns * 2 : 5000 * ms;
    }
    rig_close(&r);
}

/* Its pause is nobody else's. */
static void again__a_pause_holds_nobody_up(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "a", 1);
    rig_ticket(&r, 'a')->refused = 1;
    assert_int_equal(again(&r, 'a'), WEIR_AGAIN);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_OK);
    assert_int_equal(rig_ask(&r, 'c', "h2.one"), WEIR_AGAIN);
    rig_tick(&r, 100 * ms); /* now it is in the queue, behind those that asked meanwhile */
    assert_int_equal(weir_pool_waits_for(rig_ticket(&r, 'a')), WEIR_REASON_AT_MAX_STREAMS);
    rig_actions(&r);
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant c 1 reused");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "grant a 1 reused");
    rig_close(&r);
}

static void again__a_pause_ends_early_for_who_leaves(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "ab", 10);
    rig_ticket(&r, 'a')->refused = 1;
    rig_ticket(&r, 'b')->refused = 1;
    assert_int_equal(again(&r, 'a'), WEIR_AGAIN);
    assert_int_equal(again(&r, 'b'), WEIR_AGAIN);
    rig_abandon(&r, 'a');
    weir_pool_shutdown(r.pool, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "refuse b WEIR_E_CLOSED, close 1 shutdown");
    rig_close(&r);
}

/* The queue's limits hold for those that pause, too. */
static void again__who_pauses_counts_as_waiting(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1, .waiting = 1});
    rig_lease_h2(&r, "a", 2);
    assert_int_equal(rig_ask(&r, 'b', "h2.one"), WEIR_OK);
    rig_ticket(&r, 'a')->refused = 1;
    rig_ticket(&r, 'b')->refused = 1;
    assert_int_equal(again(&r, 'a'), WEIR_AGAIN);
    assert_int_equal(again(&r, 'b'), WEIR_E_QUEUE_FULL);
    rig_close(&r);
}

/* An origin lives while somebody pauses at it, though it has nothing else. */
static void again__the_origin_waits_for_who_pauses(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.origins_remembered = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    rig_ticket(&r, 'a')->refused = 2;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_AGAIN);
    rig_gone(&r, 1);
    rig_tick(&r, 100 * ms);
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_close(&r);
}

static void again__what_is_misdirected_gets_a_new_connection(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 3});
    rig_ask_all(&r, "abc", "one");
    rig_actions(&r);
    for (uint64_t id = 1; id <= 3; id++) {
        rig_ready(&r, id, WEIR_H1, 1);
    }
    rig_actions(&r);
    rig_release(&r, 'a');
    weir_pool_misdirected(r.pool, rig_ticket(&r, 'b'), r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "close 1 misdirected");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 2 misdirected");
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), ""); /* the limit holds */
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 4 for b");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "close 3 misdirected");
    rig_close(&r);
}

/* Strictly one HTTP/2 connection: the old one drains with what it has, and is replaced. */
static void again__what_is_misdirected_is_let_end(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1});
    rig_lease_h2(&r, "ab", 10);
    weir_pool_misdirected(r.pool, rig_ticket(&r, 'a'), r.now_ns);
    rig_release(&r, 'a');
    rig_ask_all(&r, "a", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_ready(&r, 2, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 misdirected");
    rig_close(&r);
}

/* One that takes nothing for the moment does not take more later either. */
static void again__what_is_misdirected_stays_so(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 2});
    rig_lease_h2(&r, "ab", 10);
    rig_tell(&r, 1, 0);
    weir_pool_misdirected(r.pool, rig_ticket(&r, 'a'), r.now_ns);
    rig_tell(&r, 1, 10);
    rig_ask_all(&r, "c", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again__the_first_refusal_has_no_pause),
        cmocka_unit_test(again__who_is_refused_once_keeps_its_order),
        cmocka_unit_test(again__whose_connection_died_keeps_its_order),
        cmocka_unit_test(again__nobody_slips_in_before_who_is_refused_once),
        cmocka_unit_test(again__who_does_not_ask_after_all_leaves_its_room),
        cmocka_unit_test(again__who_asks_elsewhere_leaves_its_room),
        cmocka_unit_test(again__who_is_turned_away_leaves_its_room),
        cmocka_unit_test(again__who_is_refused_once_is_not_turned_away),
        cmocka_unit_test(again__later_ones_have_a_growing_pause),
        cmocka_unit_test(again__a_pause_holds_nobody_up),
        cmocka_unit_test(again__a_pause_ends_early_for_who_leaves),
        cmocka_unit_test(again__who_pauses_counts_as_waiting),
        cmocka_unit_test(again__the_origin_waits_for_who_pauses),
        cmocka_unit_test(again__what_is_misdirected_gets_a_new_connection),
        cmocka_unit_test(again__what_is_misdirected_is_let_end),
        cmocka_unit_test(again__what_is_misdirected_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
