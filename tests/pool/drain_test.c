/* SPDX-License-Identifier: MIT */
/*
 * What is done to many connections at once: whom it meets, whom it leaves alone, and what is left.
 */
#include "rig.h"

#include "pool/pool_common.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const weir_drain everything;

static void drain(rig *r, const weir_drain *what)
{
    weir_pool_drain(r->pool, what, r->now_ns);
    weir_pool_check(r->pool);
}

static void replace_tls(rig *r, uint64_t old, uint64_t now)
{
    weir_pool_tls_replaced(r->pool, old, now, r->now_ns);
    weir_pool_check(r->pool);
}

static void change_network(rig *r)
{
    weir_pool_network_changed(r->pool, r->now_ns);
    weir_pool_check(r->pool);
}

/* As rig_ask(), with a TLS configuration of that number. */
static weir_status ask_with(rig *r, char letter, uint64_t tls)
{
    weir_origin_key key = rig_key("tls.one");
    key.tls = tls;
    const weir_status status = weir_pool_request(r->pool, &key, rig_ticket(r, letter), r->now_ns);
    weir_pool_check(r->pool);
    return status;
}

static void drain__meets_every_identity_of_a_host(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    const weir_origin_key one = rig_key("tls.one");
    const weir_drain of_one = {.origin = &one};
    assert_int_equal(ask_with(&r, 'a', 1), WEIR_AGAIN);
    assert_int_equal(ask_with(&r, 'b', 2), WEIR_AGAIN);
    rig_ask_all(&r, "c", "tls.two");
    rig_actions(&r);
    for (uint64_t id = 1; id <= 3; id++) {
        rig_ready(&r, id, WEIR_H1, 1);
    }
    rig_actions(&r);
    rig_release(&r, 'b');
    drain(&r, &of_one);
    assert_string_equal(rig_actions(&r), "close 2 draining");
    assert_int_equal(weir_pool_left(r.pool, &of_one), 2);
    rig_gone(&r, 2);
    assert_int_equal(weir_pool_left(r.pool, &of_one), 1);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 draining");
    assert_int_equal(weir_pool_left(r.pool, &everything), 1);
    rig_gone(&r, 1);
    assert_int_equal(weir_pool_left(r.pool, &of_one), 0);
    assert_int_equal(weir_pool_left(r.pool, &everything), 0);
    drain(&r, &everything);
    assert_int_equal(weir_pool_left(r.pool, &everything), 1);
    assert_int_equal(weir_pool_left(r.pool, &of_one), 0);
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "close 3 draining");
    rig_gone(&r, 3);
    assert_int_equal(weir_pool_left(r.pool, &everything), 0);
    rig_close(&r);
}

static void drain__lets_streams_end_and_dials_anew_for_others(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_ask_all(&r, "a", "h2.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 100);
    rig_ask_all(&r, "b", "h2.one");
    rig_actions(&r);
    drain(&r, &everything);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_left(r.pool, &everything), 1);
    rig_ask_all(&r, "c", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 draining");
    rig_gone(&r, 1);
    assert_int_equal(weir_pool_left(r.pool, &everything), 0);
    rig_close(&r);
}

static void drain__leaves_a_dial_that_somebody_waits_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "ab", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for b");
    rig_abandon(&r, 'b');
    drain(&r, &everything);
    assert_int_equal(weir_pool_left(r.pool, &everything), 0);
    rig_abandon(&r, 'a');
    drain(&r, &everything);
    assert_string_equal(rig_actions(&r), "close 1 draining, close 2 draining");
    assert_int_equal(weir_pool_left(r.pool, &everything), 2);
    rig_close(&r);
}

/* The list of origins changes under the walk: one that is remembered makes another forgotten. */
static void drain__walks_origins_that_are_forgotten_meanwhile(void **state)
{
    (void)state;
    rig r;
    static const char *const names[] = {"h2.a", "h2.b", "h2.c", "h2.d"};
    rig_open(&r, (weir_pool_options){.origins_remembered = 1});
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        rig_ask_all(&r, (char[]){(char)('a' + (char)i), '\0'}, names[i]);
        rig_actions(&r);
        rig_ready(&r, i + 1, WEIR_H2, 10);
        rig_actions(&r);
        rig_release(&r, (char)('a' + (char)i));
        rig_gone(&r, i + 1);
        drain(&r, &everything);
        change_network(&r);
    }
    /* Dials that were not begun yet are forgotten with their slots, inside the walk. */
    rig_ask_all(&r, "abcd", "h2.e");
    rig_ask_all(&r, "e", "h2.f");
    for (const char *letter = "abcde"; *letter; letter++) {
        rig_abandon(&r, *letter);
    }
    drain(&r, &everything);
    rig_close(&r);
}

static void tls__that_is_replaced_ends_its_connections(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    assert_int_equal(ask_with(&r, 'a', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_int_equal(ask_with(&r, 'b', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'b');
    rig_lease_h1(&r, 'x', "clear", 3);
    rig_release(&r, 'x');
    replace_tls(&r, 1, 2);
    assert_string_equal(rig_actions(&r), "close 2 tls_replaced");
    rig_gone(&r, 2);
    assert_int_equal(ask_with(&r, 'c', 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 4 for c");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced");
    rig_close(&r);
}

/* Who asked before the swap is served, and what was dialled for it is not kept. */
static void tls__that_is_replaced_serves_those_who_wait_and_no_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    assert_int_equal(ask_with(&r, 'a', 1), WEIR_AGAIN);
    assert_int_equal(ask_with(&r, 'b', 1), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    replace_tls(&r, 1, 2);
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced");
    rig_gone(&r, 1);
    /* A dial whose ticket has left brings a connection that nobody will ask for. */
    assert_int_equal(ask_with(&r, 'c', 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    replace_tls(&r, 2, 3);
    rig_abandon(&r, 'c');
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "close 2 tls_replaced");
    rig_close(&r);
}

static void tls__that_comes_back_is_as_good_as_before(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    assert_int_equal(ask_with(&r, 'a', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    replace_tls(&r, 1, 2);
    replace_tls(&r, 2, 1);
    assert_int_equal(ask_with(&r, 'b', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(ask_with(&r, 'c', 1), WEIR_OK);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced");
    rig_close(&r);
}

/* ... and follows. */
static weir_status ask_along(rig *r, char letter, uint64_t tls)
{
    rig_ticket(r, letter)->follows = true;
    return ask_with(r, letter, tls);
}

static uint64_t tls_of(rig *r, char letter)
{
    for (uint64_t tls = 1; tls <= 3; tls++) {
        const weir_ticket *at = weir_pool_next_follower(r->pool, tls, NULL);
        while (at && at != rig_ticket(r, letter)) {
            at = weir_pool_next_follower(r->pool, tls, at);
        }
        if (at) {
            return tls;
        }
    }
    return 0;
}

/* Who follows and is not being dialled for is dialled with the new one, in the order in which they
 * asked; the others are served by what there is. */
static void tls__that_is_replaced_takes_followers_along(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    assert_int_equal(ask_along(&r, 'a', 1), WEIR_AGAIN);
    assert_int_equal(ask_along(&r, 'b', 1), WEIR_AGAIN);
    assert_int_equal(ask_with(&r, 'c', 1), WEIR_AGAIN);
    assert_int_equal(ask_along(&r, 'd', 1), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    assert_int_equal(ask_along(&r, 'e', 2), WEIR_AGAIN); /* it was quicker than the swap */
    rig_tick(&r, WEIR_NS_PER_MS);
    replace_tls(&r, 1, 2);
    assert_int_equal(tls_of(&r, 'a'), 1);
    assert_int_equal(tls_of(&r, 'b'), 2);
    assert_int_equal(tls_of(&r, 'd'), 2);
    assert_string_equal(rig_actions(&r), "dial 2 for e");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant b 2 dialed, dial 3 for d");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, dial 4 for c");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant d 2 reused");
    weir_waits waits;
    weir_pool_waited(rig_ticket(&r, 'd'), r.now_ns, &waits);
    assert_int_equal(waits.total_ns, rig_ticket(&r, 'd')->waited_ns);
    rig_close(&r);
}

/* A wish has no use for what it began to dial: all of it is dialled with the new one. */
static void tls__that_is_replaced_takes_wishes_along(void **state)
{
    (void)state;
    rig r;
    weir_warmth wishes[2] = {{.follows = true}, {.follows = false}};
    weir_origin_key key = rig_key("tls.one");
    key.tls = 1;
    rig_open(&r, (weir_pool_options){0});
    for (size_t i = 0; i < 2; i++) {
        weir_warmth_init(&wishes[i]);
        assert_int_equal(weir_pool_warm(r.pool, &key, 2, &wishes[i], r.now_ns), WEIR_AGAIN);
    }
    assert_string_equal(rig_actions(&r), "dial 1 to warm");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    replace_tls(&r, 1, 2);
    assert_ptr_equal(weir_pool_next_following_wish(r.pool, 2, NULL), &wishes[0]);
    assert_null(weir_pool_next_following_wish(r.pool, 2, &wishes[0]));
    assert_null(weir_pool_next_following_wish(r.pool, 1, NULL));
    /* The one that brought its settings has the second still, and wants another. */
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced, dial 3 to warm, dial 4 to warm");
    assert_int_equal(weir_slot_key(rig_slot(&r, 3))->tls, 2);
    assert_int_equal(weir_slot_key(rig_slot(&r, 4))->tls, 1);
    rig_ready(&r, 3, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "dial 5 to warm");
    rig_ready(&r, 5, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    assert_int_equal(wishes[0].state, WEIR_WARMTH_ENDED);
    weir_pool_cool(r.pool, &wishes[1], r.now_ns);
    rig_close(&r);
}

/* ... and what is in flight for nobody else is given up. */
static void tls__that_is_replaced_ends_the_dials_of_wishes(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish = {.follows = true};
    weir_origin_key key = rig_key("tls.one");
    key.tls = 1;
    rig_open(&r, (weir_pool_options){0});
    weir_warmth_init(&wish);
    assert_int_equal(weir_pool_warm(r.pool, &key, 1, &wish, r.now_ns), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm");
    replace_tls(&r, 1, 2);
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced, dial 2 to warm");
    rig_fail(&r, 1); /* it was about to, and the wish has nothing to do with it any more */
    assert_int_equal(wish.state, WEIR_WARMTH_WAITING);
    replace_tls(&r, 2, 3);
    assert_string_equal(rig_actions(&r), "close 2 tls_replaced, dial 3 to warm");
    weir_pool_cool(r.pool, &wish, r.now_ns);
    rig_close(&r);
}

/* A dial that was decided and not begun is not begun with the old one. */
static void tls__that_is_replaced_is_not_dialed_with_any_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    assert_int_equal(ask_along(&r, 'a', 1), WEIR_AGAIN);
    replace_tls(&r, 1, 2);
    assert_int_equal(tls_of(&r, 'a'), 2);
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_close(&r);
}

/* Nor for who was refused by a connection made with it, at once or lately. */
static void tls__that_is_replaced_serves_nobody_again(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    assert_int_equal(ask_along(&r, 'a', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 2);
    rig_actions(&r);
    assert_int_equal(ask_along(&r, 'b', 1), WEIR_OK);
    rig_ticket(&r, 'b')->refused = 2;
    rig_release(&r, 'b');
    assert_int_equal(ask_along(&r, 'b', 1), WEIR_AGAIN); /* after a pause */
    replace_tls(&r, 1, 2);
    assert_int_equal(tls_of(&r, 'b'), 2);
    const weir_facts facts = rig_facts(&r, WEIR_H2, 0);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    weir_pool_check(r.pool);
    assert_int_equal(tls_of(&r, 'a'), 2);
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced, dial 2 for a");
    rig_ready(&r, 2, WEIR_H2, 2);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed");
    rig_tick(&r, 60 * WEIR_NS_PER_MS);
    assert_string_equal(rig_actions(&r), "grant b 2 reused");
    rig_close(&r);
}

static void fill_slab_of_origins(rig *r)
{
    weir_origin_key key = rig_key("tls.one");
    for (bool is_full = false; !is_full;) {
        key.tls = key.tls < 10 ? 10 : key.tls + 1;
        r->memory.fail_at = r->memory.calls + 1;
        is_full = !weir_record_get(r->pool, &key);
    }
}

/* Rather than to be dialled with the old one. */
static void tls__without_memory_for_another_origin_followers_are_refused(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    assert_int_equal(ask_along(&r, 'a', 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    assert_int_equal(ask_along(&r, 'b', 1), WEIR_AGAIN);
    fill_slab_of_origins(&r);
    r.memory.fail_at = r.memory.calls + 1;
    replace_tls(&r, 1, 2);
    r.memory.fail_at = 0;
    assert_string_equal(rig_actions(&r), "refuse b WEIR_E_NOMEM");
    rig_close(&r);
}

static void tls__without_memory_for_another_origin_a_wish_ends(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish = {.follows = true};
    weir_origin_key key = rig_key("tls.one");
    key.tls = 1;
    rig_open(&r, (weir_pool_options){0});
    weir_warmth_init(&wish);
    assert_int_equal(weir_pool_warm(r.pool, &key, 1, &wish, r.now_ns), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm");
    fill_slab_of_origins(&r);
    r.memory.fail_at = r.memory.calls + 1;
    replace_tls(&r, 1, 2);
    r.memory.fail_at = 0;
    assert_string_equal(rig_actions(&r), "close 1 tls_replaced, warmed failed WEIR_E_NOMEM");
    rig_close(&r);
}

static void network__that_changed_drains_all_and_ends_pauses(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "a", "one");
    rig_ask_all(&r, "b", "two");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'a');
    rig_slot(&r, 1)->origin->horizon.first_ns = 1;
    /* An origin that pauses: who asked after the dial began waits for the end of the pause. */
    rig_ask_all(&r, "c", "bad");
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    rig_ask_all(&r, "d", "bad");
    rig_fail(&r, 3);
    assert_string_equal(rig_actions(&r), "refuse c WEIR_E_CONNECT_REFUSED");
    assert_int_equal(rig_ticket(&r, 'd')->reason, WEIR_REASON_BACK_OFF);
    change_network(&r);
    assert_string_equal(rig_actions(&r), "close 1 network_changed, dial 4 for d");
    assert_true(rig_slot(&r, 1)->origin->horizon.first_ns == 0);
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 2 network_changed");
    rig_close(&r);
}

/* One that wants a place now is settled before the one whose dial was just given up, and must not
 * be offered that. */
static void network__that_changed_leaves_no_dial_to_evict(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    rig_ask_all(&r, "a", "bad");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_ask_all(&r, "bd", "bad");
    rig_fail(&r, 1);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_BACK_OFF);
    rig_ask_all(&r, "c", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_abandon(&r, 'c');
    change_network(&r);
    assert_string_equal(rig_actions(&r), "close 2 network_changed");
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 3 for b");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drain__meets_every_identity_of_a_host),
        cmocka_unit_test(drain__lets_streams_end_and_dials_anew_for_others),
        cmocka_unit_test(drain__leaves_a_dial_that_somebody_waits_for),
        cmocka_unit_test(drain__walks_origins_that_are_forgotten_meanwhile),
        cmocka_unit_test(tls__that_is_replaced_ends_its_connections),
        cmocka_unit_test(tls__that_is_replaced_serves_those_who_wait_and_no_more),
        cmocka_unit_test(tls__that_comes_back_is_as_good_as_before),
        cmocka_unit_test(tls__that_is_replaced_takes_followers_along),
        cmocka_unit_test(tls__that_is_replaced_takes_wishes_along),
        cmocka_unit_test(tls__that_is_replaced_ends_the_dials_of_wishes),
        cmocka_unit_test(tls__that_is_replaced_is_not_dialed_with_any_more),
        cmocka_unit_test(tls__that_is_replaced_serves_nobody_again),
        cmocka_unit_test(tls__without_memory_for_another_origin_followers_are_refused),
        cmocka_unit_test(tls__without_memory_for_another_origin_a_wish_ends),
        cmocka_unit_test(network__that_changed_drains_all_and_ends_pauses),
        cmocka_unit_test(network__that_changed_leaves_no_dial_to_evict),
    };
    return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
