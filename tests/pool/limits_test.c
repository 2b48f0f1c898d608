/* SPDX-License-Identifier: MIT */
/*
 * What one connection may carry: requests in all, streams at once; and how long any number of them
 * may be idle.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void limits__serves_no_more_requests_than_it_may(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.requests_per_connection = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK); /* the second is its last */
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 expired_requests");
    rig_close(&r);
}

/* The last lease is given back unused, which makes room for another, but not on one that drains. */
static void limits__of_requests_do_not_undo_a_drain(void **state)
{
    (void)state;
    rig r;
    const weir_drain all = {0};
    rig_open(&r, (weir_pool_options){.requests_per_connection = 2, .connections_per_origin = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_ask_all(&r, "b", "one");
    rig_release(&r, 'a'); /* b has it now, and was not told */
    weir_pool_drain(r.pool, &all, r.now_ns);
    rig_abandon(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 draining");
    rig_close(&r);
}

static void limits__of_streams_drains_at_its_last_request(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.requests_per_connection = 3, .h2_connections = 1});
    /* Five that wait are two connections' worth, however many streams the peer allows. */
    rig_lease_h2(&r, "abcde", 100);
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_LEASED);
    assert_int_equal(rig_ticket(&r, 'd')->state, WEIR_TICKET_WAITING);
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 1);
    assert_int_equal(weir_pool_count(r.pool).slots_dialing, 1);
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "close 1 expired_requests");
    rig_ready(&r, 2, WEIR_H2, 100);
    assert_string_equal(rig_actions(&r), "grant d 2 dialed, grant e 2 reused");
    rig_close(&r);
}

/* Three were dialled for one exchange each when the first of them turned out to take them all. */
static void limits__of_h2_end_dials_that_knew_of_none(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 4, .h2_connections = 2});
    rig_lease_h1(&r, 'a', "tls.one", 1);
    rig_ask_all(&r, "bcd", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 2 for b, dial 3 for c, dial 4 for d");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_gone(&r, 1);
    rig_ready(&r, 3, WEIR_H2, 2);
    assert_string_equal(rig_actions(&r),
                        "grant c 3 dialed, grant d 3 reused, close 4 origin_limit");
    rig_ready(&r, 4, WEIR_H2, 2); /* too late */
    rig_gone(&r, 4);
    rig_ask_all(&r, "e", "tls.one");
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 2, WEIR_H2, 2);
    assert_string_equal(rig_actions(&r), "grant e 2 dialed");
    rig_close(&r);
}

/* It takes nothing for a while, and is not one more when it takes exchanges again: another has its
 * place. */
static void limits__of_h2_outlast_a_pause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1});
    rig_lease_h2(&r, "a", 10);
    weir_facts facts = rig_facts(&r, WEIR_H2, 10);
    facts.accepting = false;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    rig_tell(&r, 1, 10);
    rig_ask_all(&r, "b", "h2.one");
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_LEASED); /* nobody has its place yet */
    facts = rig_facts(&r, WEIR_H2, 10);
    facts.accepting = false;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    rig_ask_all(&r, "c", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_tell(&r, 1, 10);
    rig_ask_all(&r, "d", "h2.one");
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 2, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "grant c 2 dialed, grant d 2 reused");
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 origin_limit");
    rig_close(&r);
}

/* Its last request was taken back, and it was replaced meanwhile. */
static void limits__of_h2_outlast_a_request_that_was_not_served(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1, .requests_per_connection = 1});
    rig_lease_h2(&r, "ab", 10);
    const weir_facts facts = rig_facts(&r, WEIR_H2, 0);
    rig_actions(&r);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "close 1 origin_limit");
    rig_ready(&r, 2, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed, dial 3 for b");
    rig_close(&r);
}

/* A grant that was not used is no request: the connection may serve one more. */
static void limits__counts_the_requests_that_it_served(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.requests_per_connection = 1});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 1);
    rig_abandon(&r, 'a');
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 1);
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 expired_requests");
    rig_close(&r);
}

static void limits__expects_no_more_streams_than_our_own_limit(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.streams_per_connection = 2});
    rig_ask_all(&r, "abcde", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for b, dial 3 for c");
    rig_close(&r);
}

enum { IDLERS = 20 };

/* Of so many, each used twice, the second time in another order. The idle time-out is 64 ticks. */
static void use_twice(rig *r, weir_time idle_since_ns[IDLERS + 1])
{
    for (uint32_t i = 0; i < IDLERS; i++) {
        const char letter = (char)('a' + i);
        rig_lease_h1(r, letter, (const char[]){letter, '\0'}, i + 1);
        r->now_ns += 3;
        rig_release(r, letter);
    }
    for (uint32_t i = 0; i < IDLERS; i++) {
        const uint32_t number = i * 7 % IDLERS;
        const char letter = (char)('a' + number);
        assert_int_equal(rig_ask(r, letter, (const char[]){letter, '\0'}), WEIR_OK);
        r->now_ns += 50;
        rig_release(r, letter);
        idle_since_ns[number + 1] = r->now_ns;
    }
}

/* Each is closed at its own time exactly, whatever places they have in the list of idle ones, and
 * nobody is woken much more often than that. */
static void limits__of_idle_time_hold_for_any_number(void **state)
{
    (void)state;
    const weir_time idle_ns = 64 * 1024;
    weir_time idle_since_ns[IDLERS + 1];
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = idle_ns});
    use_twice(&r, idle_since_ns);
    uint32_t closes = 0;
    uint32_t turns = 0;
    for (; closes < IDLERS; turns++) {
        weir_why why;
        const weir_time at_ns = weir_pool_deadline(r.pool, &why);
        assert_int_equal(why, WEIR_WHY_IDLE_CONNECTION);
        assert_true(at_ns > r.now_ns);
        rig_tick(&r, at_ns - r.now_ns);
        weir_action action;
        while (weir_pool_next_action(r.pool, &action)) {
            assert_int_equal(action.kind, WEIR_ACTION_CLOSE);
            assert_int_equal(action.reason, WEIR_REASON_EXPIRED_IDLE);
            const uint64_t id = weir_slot_id(action.slot);
            assert_int_equal(r.now_ns, idle_since_ns[id] + idle_ns);
            rig_gone(&r, id);
            closes++;
        }
    }
    assert_true(turns <= IDLERS + IDLERS / 2);
    rig_close(&r);
}

/* More have places in the same tick than are looked at: nearly the longest idle one goes. */
static void limits__of_all_close_one_that_is_idle_nearly_the_longest(void **state)
{
    (void)state;
    weir_time idle_since_ns[IDLERS + 1];
    rig r;
    rig_open(&r, (weir_pool_options){.connections = IDLERS, .idle_ns = 64 * 1024});
    use_twice(&r, idle_since_ns);
    rig_ask_all(&r, "z", "other");
    weir_action action;
    assert_true(weir_pool_next_action(r.pool, &action));
    assert_int_equal(action.kind, WEIR_ACTION_CLOSE);
    assert_int_equal(action.reason, WEIR_REASON_EVICTED);
    weir_time first_ns = WEIR_NEVER;
    for (size_t i = 1; i <= IDLERS; i++) {
        first_ns = weir_time_earlier(first_ns, idle_since_ns[i]);
    }
    assert_true(idle_since_ns[weir_slot_id(action.slot)] < first_ns + 2 * 1024);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits__serves_no_more_requests_than_it_may),
        cmocka_unit_test(limits__of_requests_do_not_undo_a_drain),
        cmocka_unit_test(limits__of_streams_drains_at_its_last_request),
        cmocka_unit_test(limits__of_h2_end_dials_that_knew_of_none),
        cmocka_unit_test(limits__of_h2_outlast_a_pause),
        cmocka_unit_test(limits__of_h2_outlast_a_request_that_was_not_served),
        cmocka_unit_test(limits__counts_the_requests_that_it_served),
        cmocka_unit_test(limits__expects_no_more_streams_than_our_own_limit),
        cmocka_unit_test(limits__of_idle_time_hold_for_any_number),
        cmocka_unit_test(limits__of_all_close_one_that_is_idle_nearly_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
