/* SPDX-License-Identifier: MIT */
/*
 * Queues and places: FIFO, bounces, bounded queues, the whole pool's limit and the turns that
 * origins take.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "weir/status.h"

static void place__grants_in_the_order_of_asking(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "abcde", "one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    rig_abandon(&r, 'c'); /* from the middle: nobody is delayed */
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant d 1 reused");
    rig_abandon(&r, 'e'); /* the last */
    rig_release(&r, 'd');
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_count(r.pool).tickets_waiting, 0);
    rig_close(&r);
}

static void place__abandoning_the_first_delays_nobody(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "abc", "one");
    rig_actions(&r);
    rig_abandon(&r, 'a'); /* its dial is for b now */
    assert_string_equal(rig_actions(&r), "");
    assert_true(weir_pool_is_awaited(r.pool, rig_slot(&r, 1)));
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant b 1 dialed");
    rig_close(&r);
}

static void bounce(rig *r, char letter, uint64_t id, uint32_t capacity)
{
    weir_facts facts = rig_facts(r, WEIR_H2, capacity);
    facts.accepting = capacity > 0;
    facts.reusable = capacity > 0;
    assert_int_equal(weir_slot_id(rig_ticket(r, letter)->slot), id);
    weir_pool_bounce(r->pool, rig_ticket(r, letter), &facts, r->now_ns);
    weir_pool_check(r->pool);
}

static void place__bounced_tickets_go_first_in_their_old_order(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "abc", "h2.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 3);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, grant b 1 reused, grant c 1 reused");
    r.now_ns += 9;
    rig_ask_all(&r, "d", "h2.one");
    const weir_time since_ns = rig_ticket(&r, 'b')->since_ns;
    /* c is bounced last, but b asked before c. */
    bounce(&r, 'b', 1, 1);
    bounce(&r, 'c', 1, 1);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_WAITING);
    assert_int_equal(rig_ticket(&r, 'b')->bounces, 1);
    assert_true(rig_ticket(&r, 'b')->since_ns == since_ns);
    r.now_ns += 1;
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    assert_true(rig_ticket(&r, 'b')->waited_ns == 10);
    rig_tell(&r, 1, 9);
    assert_string_equal(rig_actions(&r), "grant c 1 reused, grant d 1 reused");
    assert_int_equal(weir_pool_count(r.pool).bounces, 2);
    rig_close(&r);
}

static void place__a_bounce_can_be_leased_elsewhere_at_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_release(&r, 'b');
    const uint64_t reuses = weir_pool_count(r.pool).reuses;
    weir_facts dead = rig_facts(&r, WEIR_H1, 1);
    dead.accepting = false;
    dead.reusable = false;
    dead.unfit = WEIR_UNFIT_ENDED;
    weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &dead, r.now_ns);
    /* LEASED, so no action tells of it. */
    assert_int_equal(rig_ticket(&r, 'a')->state, WEIR_TICKET_LEASED);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'a')->slot), 2);
    assert_string_equal(rig_actions(&r), "close 1 peer_closed");
    assert_int_equal(weir_pool_count(r.pool).reuses, reuses + 1);
    rig_close(&r);
}

static void place__facts_that_refused_a_ticket_are_not_tried_again(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "ab", 10);
    /* It refuses and tells nothing that would explain it: it still looks open. */
    weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns);
    weir_pool_check(r.pool);
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_WAITING);
    assert_string_equal(rig_actions(&r), "");
    rig_ask_all(&r, "c", "h2.one");
    assert_string_equal(rig_actions(&r), "");
    /* Newer facts: now it may be asked again. */
    rig_tell(&r, 1, 10);
    assert_string_equal(rig_actions(&r), "grant b 1 reused, grant c 1 reused");
    /* Without any, it is closed as soon as nobody uses it, or the tickets would wait for ever. */
    weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns);
    rig_release(&r, 'c');
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 refusing");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_close(&r);
}

/* b is bounced by a full connection, gets the next lease that ends there, and stands before it
 * again. */
static void bounce_by_a_full_one(rig *r)
{
    rig_open(r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(r, "abc", "h2.one");
    rig_actions(r);
    rig_ready(r, 1, WEIR_H2, 3);
    rig_actions(r);
    bounce(r, 'b', 1, 2);
    rig_release(r, 'a');
    assert_string_equal(rig_actions(r), "grant b 1 reused");
}

static void place__a_connection_that_contradicts_itself_is_a_defect(void **state)
{
    (void)state;
    rig r;
    bounce_by_a_full_one(&r);
    if (WEIR_CHECKING) {
        expect_assert_failure(weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns));
    } else {
        weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns);
        assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_WAITING);
        rig_release(&r, 'c');
        assert_string_equal(rig_actions(&r), "close 1 refusing");
    }
    rig_close(&r);
}

static void place__a_bounce_off_a_dead_connection_is_none_of_its_facts(void **state)
{
    (void)state;
    rig r;
    bounce_by_a_full_one(&r);
    rig_gone(&r, 1);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns);
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    assert_int_equal(rig_ticket(&r, 'b')->bounces, 2);
    rig_close(&r);
}

static void place__a_queue_is_bounded_for_each_origin_and_in_all(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){
                     .connections_per_origin = 1, .waiting_per_origin = 2, .waiting = 3});
    rig_ask_all(&r, "ab", "one");
    assert_int_equal(rig_ask(&r, 'c', "one"), WEIR_E_QUEUE_FULL);
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_IDLE);
    assert_int_equal(rig_ticket(&r, 'c')->failure.status, WEIR_E_QUEUE_FULL);
    assert_int_equal(rig_ticket(&r, 'c')->failure.phase, WEIR_PHASE_QUEUE);
    assert_string_equal(rig_ticket(&r, 'c')->failure.what,
                        "as many calls wait for this origin as waiting_per_origin allows");
    rig_ask_all(&r, "d", "two");
    assert_int_equal(rig_ask(&r, 'e', "three"), WEIR_E_QUEUE_FULL);
    assert_string_equal(rig_ticket(&r, 'e')->failure.what,
                        "as many calls wait, for all origins, as waiting allows");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for d");
    assert_int_equal(weir_pool_count(r.pool).origins, 2);
    rig_abandon(&r, 'b');
    rig_ask_all(&r, "e", "three");
    assert_string_equal(rig_actions(&r), "dial 3 for e");
    rig_close(&r);
}

static void place__a_full_queue_elsewhere_does_not_forbid_reuse(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1, .waiting = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    rig_ask_all(&r, "b", "two");
    assert_int_equal(rig_ask(&r, 'c', "two"), WEIR_E_QUEUE_FULL);
    assert_int_equal(rig_ask(&r, 'd', "one"), WEIR_OK);
    rig_close(&r);
}

static void place__evicts_the_longest_idle_and_dials_when_it_is_gone(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 3});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    rig_lease_h1(&r, 'c', "three", 3);
    r.now_ns += 1;
    rig_release(&r, 'b');
    r.now_ns += 1;
    rig_release(&r, 'a');
    assert_int_equal(rig_ask(&r, 'd', "four"), WEIR_AGAIN);
    assert_int_equal(rig_ticket(&r, 'd')->reason, WEIR_REASON_TOTAL_LIMIT);
    /* No dial before the place is free: the limit holds at every moment. */
    assert_string_equal(rig_actions(&r), "close 2 evicted");
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 4 for d");
    assert_int_equal(weir_pool_count(r.pool).evictions, 1);
    rig_close(&r);
}

static void place__evicts_no_more_than_are_wanted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 3});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    rig_lease_h1(&r, 'c', "three", 3);
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    rig_ask_all(&r, "d", "four");
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_ask_all(&r, "e", "five");
    assert_string_equal(rig_actions(&r), "close 2 evicted");
    rig_abandon(&r, 'e');
    rig_ask_all(&r, "f", "five"); /* 2 is on its way out already */
    assert_string_equal(rig_actions(&r), "");
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 4 for d");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 5 for f");
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 1);
    rig_close(&r);
}

static void place__a_released_connection_is_for_its_own_origin_first(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_ask_all(&r, "x", "two");
    rig_ask_all(&r, "b", "one");
    assert_int_equal(rig_ticket(&r, 'x')->reason, WEIR_REASON_TOTAL_LIMIT);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    /* Nobody of its own is left: it makes room. */
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 for x");
    rig_close(&r);
}

static void place__a_busy_origin_yields_to_one_that_waited_too_long(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_ask_all(&r, "x", "two");
    rig_ask_all(&r, "bc", "one");
    r.now_ns += WEIR_NS_PER_SECOND - 1;
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    r.now_ns += 1;
    rig_release(&r, 'b'); /* c waits, but x has waited for a second */
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_gone(&r, 1);
    /* One place, and whoever has stood in the line for longer gets it. */
    assert_string_equal(rig_actions(&r), "dial 2 for x");
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'x');
    assert_string_equal(rig_actions(&r), "close 2 evicted");
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    rig_close(&r);
}

static void place__a_shared_connection_that_is_never_idle_yields_too(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    rig_lease_h2(&r, "ab", 100);
    rig_ask_all(&r, "x", "two");
    r.now_ns += 2 * WEIR_NS_PER_SECOND;
    rig_release(&r, 'a');
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 1);
    assert_int_equal(rig_ask(&r, 'c', "h2.one"), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 for x");
    rig_close(&r);
}

static void place__no_more_connections_yield_than_are_wanted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 2, .connections_per_origin = 1});
    rig_ask_all(&r, "ab", "h2.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 100);
    rig_ask_all(&r, "cd", "h2.two");
    rig_actions(&r);
    rig_ready(&r, 2, WEIR_H2, 100);
    rig_ask_all(&r, "x", "three");
    rig_actions(&r);
    r.now_ns += 2 * WEIR_NS_PER_SECOND;
    rig_release(&r, 'a');
    rig_release(&r, 'c');
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 1);
    assert_int_equal(rig_ask(&r, 'e', "h2.two"), WEIR_OK);
    rig_release(&r, 'e');
    rig_release(&r, 'd'); /* idle now, but 1 is on its way out for x */
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_close(&r);
}

static void place__origins_take_turns_at_free_places(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 3});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_lease_h1(&r, 'c', "one", 3);
    rig_ask_all(&r, "uvw", "two");
    rig_ask_all(&r, "xyz", "three");
    assert_string_equal(rig_actions(&r), "");
    for (uint64_t id = 1; id <= 3; id++) {
        rig_gone(&r, id);
    }
    assert_string_equal(rig_actions(&r), "dial 4 for u, dial 5 for x, dial 6 for v");
    rig_fail(&r, 4); /* its place is three's */
    assert_string_equal(rig_actions(&r), "refuse u WEIR_E_CONNECT_REFUSED, dial 7 for y");
    rig_close(&r);
}

static void place__gives_up_a_dial_that_nobody_waits_for_when_others_need_its_place(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 2});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_abandon(&r, 'a');
    assert_string_equal(rig_actions(&r), "");
    rig_ask_all(&r, "b", "two");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_ask_all(&r, "c", "three");
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_fail(&r, 1); /* the given up dial ends as it likes */
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    rig_close(&r);
}

/* With more tickets than places and connections that end all the time, everybody is served in
 * bounded steps. */
/* Its socket may still have an alert to send: until it is closed nobody dials in its place. */
static void place__a_dial_that_failed_keeps_its_place_until_it_is_gone(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    rig_ask_all(&r, "a", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_fail_only(&r, 1);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    rig_ask_all(&r, "b", "one");
    rig_ask_all(&r, "c", "two");
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_waits_for(rig_ticket(&r, 'b')), WEIR_REASON_TOTAL_LIMIT);
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_close(&r);
}

static void place__starves_nobody_among_many_origins(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 2});
    for (char letter = 'a'; letter <= 'z'; letter++) {
        char name[8];
        snprintf(name, sizeof name, "o%d", (letter - 'a') % 5);
        rig_ask_all(&r, (const char[]){letter, '\0'}, name);
    }
    size_t served = 0;
    weir_action action;
    for (int steps = 0; steps < 200 && weir_pool_next_action(r.pool, &action); steps++) {
        const weir_facts facts = rig_facts(&r, WEIR_H1, 1);
        if (action.kind == WEIR_ACTION_DIAL) {
            weir_pool_ready(r.pool, action.slot, &facts, r.now_ns);
        } else if (action.kind == WEIR_ACTION_CLOSE) {
            weir_pool_gone(r.pool, action.slot, r.now_ns);
        } else if (action.kind != WEIR_ACTION_TELL) {
            assert_int_equal(action.kind, WEIR_ACTION_GRANT);
            weir_pool_release(r.pool, action.ticket, NULL, r.now_ns);
            served++;
        }
        weir_pool_check(r.pool);
    }
    assert_int_equal(served, 26);
    rig_close(&r);
}

/* Of those that close, no more than somebody waits for. */
static void place__of_who_closes_is_missed_by_its_own_origin(void **state)
{
    (void)state;
    rig r;
    const weir_drain all = {0};
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_lease_h1(&r, 'c', "two", 3);
    assert_false(weir_pool_is_missed(r.pool, rig_slot(&r, 1))); /* it is in use */
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    weir_pool_drain(r.pool, &all, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 draining, close 2 draining, close 3 draining");
    assert_false(weir_pool_is_asked(r.pool));
    assert_false(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    rig_ask_all(&r, "d", "one");
    assert_true(weir_pool_is_asked(r.pool));
    assert_true(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    assert_true(weir_pool_is_missed(r.pool, rig_slot(&r, 2)));
    assert_false(
        weir_pool_is_missed(r.pool, rig_slot(&r, 3))); /* another has its place for "two" */
    rig_abandon(&r, 'd');
    assert_false(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    rig_ask_all(&r, "d", "one");
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "dial 4 for d");
    assert_false(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    rig_close(&r);
}

static void place__of_who_closes_is_missed_by_any_origin(void **state)
{
    (void)state;
    rig r;
    const weir_drain all = {0};
    rig_open(&r, (weir_pool_options){.connections = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    weir_pool_drain(r.pool, &all, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 draining, close 2 draining");
    rig_ask_all(&r, "c", "three");
    assert_true(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    assert_true(weir_pool_is_missed(r.pool, rig_slot(&r, 2)));
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    assert_false(weir_pool_is_missed(r.pool, rig_slot(&r, 2)));
    rig_close(&r);
}

static void place__of_who_closes_is_missed_by_a_wish(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish = {0};
    const weir_drain all = {0};
    const weir_origin_key key = rig_key("one");
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    weir_warmth_init(&wish);
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    weir_pool_drain(r.pool, &all, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 draining");
    assert_int_equal(weir_pool_warm(r.pool, &key, 1, &wish, r.now_ns), WEIR_AGAIN);
    assert_true(weir_pool_is_asked(r.pool));
    assert_true(weir_pool_is_missed(r.pool, rig_slot(&r, 1)));
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    weir_pool_cool(r.pool, &wish, r.now_ns);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(place__grants_in_the_order_of_asking),
        cmocka_unit_test(place__abandoning_the_first_delays_nobody),
        cmocka_unit_test(place__bounced_tickets_go_first_in_their_old_order),
        cmocka_unit_test(place__a_bounce_can_be_leased_elsewhere_at_once),
        cmocka_unit_test(place__facts_that_refused_a_ticket_are_not_tried_again),
        cmocka_unit_test(place__a_connection_that_contradicts_itself_is_a_defect),
        cmocka_unit_test(place__a_bounce_off_a_dead_connection_is_none_of_its_facts),
        cmocka_unit_test(place__a_queue_is_bounded_for_each_origin_and_in_all),
        cmocka_unit_test(place__a_full_queue_elsewhere_does_not_forbid_reuse),
        cmocka_unit_test(place__evicts_the_longest_idle_and_dials_when_it_is_gone),
        cmocka_unit_test(place__evicts_no_more_than_are_wanted),
        cmocka_unit_test(place__a_released_connection_is_for_its_own_origin_first),
        cmocka_unit_test(place__a_busy_origin_yields_to_one_that_waited_too_long),
        cmocka_unit_test(place__a_shared_connection_that_is_never_idle_yields_too),
        cmocka_unit_test(place__no_more_connections_yield_than_are_wanted),
        cmocka_unit_test(place__origins_take_turns_at_free_places),
        cmocka_unit_test(place__gives_up_a_dial_that_nobody_waits_for_when_others_need_its_place),
        cmocka_unit_test(place__a_dial_that_failed_keeps_its_place_until_it_is_gone),
        cmocka_unit_test(place__starves_nobody_among_many_origins),
        cmocka_unit_test(place__of_who_closes_is_missed_by_its_own_origin),
        cmocka_unit_test(place__of_who_closes_is_missed_by_any_origin),
        cmocka_unit_test(place__of_who_closes_is_missed_by_a_wish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
