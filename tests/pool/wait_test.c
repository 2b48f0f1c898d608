/* SPDX-License-Identifier: MIT */
/*
 * How long tickets wait for what: sums that are exact, whatever happens in between, and what is
 * told when the reason changes.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

#define MS WEIR_NS_PER_MS

/* "total: reason ms, reason ms" */
static const char *waited(const rig *r, const weir_ticket *ticket)
{
    static char text[RIG_TEXT];
    weir_waits waits;
    weir_pool_waited(ticket, r->now_ns, &waits);
    size_t at =
        (size_t)snprintf(text, sizeof text, "%llu:", (unsigned long long)(waits.total_ns / MS));
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        if (waits.ns[i] > 0) {
            at += (size_t)snprintf(text + at, sizeof text - at, " %s %llu",
                                   weir_reason_name((weir_reason)i),
                                   (unsigned long long)(waits.ns[i] / MS));
        }
    }
    return text;
}

static const char *waited_by(rig *r, char letter)
{
    return waited(r, rig_ticket(r, letter));
}

static void wait__one_served_at_once_waited_for_nothing(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    rig_tick(&r, MS);
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    rig_tick(&r, MS);
    assert_string_equal(waited_by(&r, 'b'), "0:");
    assert_false(rig_ticket(&r, 'b')->has_waited);
    rig_close(&r);
}

static void wait__each_reason_has_its_own_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_ask_all(&r, "abc", "tls.one");
    assert_string_equal(rig_told(&r), "dial 1 for a");
    rig_tick(&r, 5 * MS);
    rig_ready(&r, 1, WEIR_H1, 1); /* a has it, b gets a dial, c finds both places taken */
    assert_string_equal(rig_told(&r),
                        "grant a 1 dialed, b waits: dialing, c waits: busy, dial 2 for b");
    rig_tick(&r, 7 * MS);
    assert_string_equal(waited_by(&r, 'a'), "5: dialing 5");
    assert_string_equal(waited_by(&r, 'b'), "12: alpn_unknown_wait 5 dialing 7");
    assert_string_equal(waited_by(&r, 'c'), "12: busy 7 alpn_unknown_wait 5");
    rig_release(&r, 'a'); /* b takes it, and its dial goes on for c */
    assert_string_equal(rig_told(&r), "grant b 1 reused, c waits: dialing");
    rig_tick(&r, 3 * MS);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_told(&r), "grant c 2 dialed");
    rig_tick(&r, MS);
    assert_string_equal(waited_by(&r, 'b'), "12: alpn_unknown_wait 5 dialing 7");
    assert_string_equal(waited_by(&r, 'c'), "15: busy 7 alpn_unknown_wait 5 dialing 3");
    assert_int_equal(rig_ticket(&r, 'c')->waited_ns, 15 * MS);
    rig_close(&r);
}

static void wait__bounces_keep_the_sum(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "abc", "h2.one");
    rig_tick(&r, 2 * MS);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 3);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, grant b 1 reused, grant c 1 reused");
    rig_tick(&r,
             3 * MS); /* c is leased and has not opened its stream; the peer shrinks its limit */
    const weir_facts facts = rig_facts(&r, WEIR_H2, 2);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'c'), &facts, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_told(&r), "c waits: at_max_streams");
    rig_tick(&r, 4 * MS);
    rig_release(&r, 'a');
    assert_string_equal(rig_told(&r), "grant c 1 reused");
    assert_string_equal(waited_by(&r, 'c'), "9: at_max_streams 4 dialing 2 refusing 3");
    assert_int_equal(rig_ticket(&r, 'c')->waited_ns, 9 * MS);
    weir_waits waits;
    weir_pool_waited(rig_ticket(&r, 'c'), r.now_ns, &waits);
    assert_int_equal(waits.bounces, 1);
    rig_close(&r);
}

static void wait__a_ticket_sums_over_its_requests(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_tick(&r, 2 * MS);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    rig_ask_all(&r, "b", "one");
    rig_tick(&r, 4 * MS);
    rig_abandon(&r, 'b'); /* left the queue: what it waited stays */
    assert_string_equal(waited_by(&r, 'b'), "4: busy 4");
    rig_tick(&r, 8 * MS);
    rig_ask_all(&r, "b", "one");
    rig_tick(&r, MS);
    assert_string_equal(waited_by(&r, 'b'), "5: busy 5");
    rig_release(&r, 'a');
    rig_actions(&r);
    assert_int_equal(rig_ticket(&r, 'b')->waited_ns, MS);
    assert_string_equal(waited_by(&r, 'b'), "5: busy 5");
    rig_close(&r);
}

static void wait__a_failed_dial_and_a_pause_are_counted(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_tick(&r, 2 * MS);
    rig_ask_all(&r, "b", "one"); /* asked after the dial began: gets one of its own */
    rig_tick(&r, 2 * MS);
    rig_fail(&r, 1);
    assert_string_equal(rig_told(&r), "refuse a WEIR_E_CONNECT_REFUSED, b waits: back_off");
    assert_string_equal(waited_by(&r, 'a'), "4: dialing 4");
    assert_int_equal(rig_ticket(&r, 'a')->waited_ns, 4 * MS);
    rig_tick(&r, 100 * MS);
    assert_string_equal(rig_told(&r), "b waits: dialing, dial 2 for b");
    rig_tick(&r, MS);
    assert_string_equal(waited_by(&r, 'b'), "103: origin_limit 2 dialing 1 back_off 100");
    rig_close(&r);
}

static void wait__a_deep_queue_costs_nothing_while_it_waits(void **state)
{
    (void)state;
    enum { DEEP = 20000, CHANGES = 2000 };
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1,
                                     .waiting_per_origin = DEEP + 8,
                                     .waiting = DEEP + 8});
    weir_ticket *deep = calloc(DEEP, sizeof *deep);
    const weir_origin_key key = rig_key("h2.one");
    rig_lease_h2(&r, "a", 1);
    for (int i = 0; i < DEEP; i++) {
        assert_int_equal(weir_pool_request(r.pool, &key, &deep[i], r.now_ns), WEIR_AGAIN);
    }
    /* The reason of all changes over and over: at most the first is told. */
    for (int i = 0; i < CHANGES; i++) {
        weir_action action;
        r.now_ns += MS;
        weir_facts facts = rig_facts(&r, WEIR_H2, 1);
        facts.accepting = i % 2 == 1;
        weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
        int told = 0;
        while (weir_pool_next_action(r.pool, &action)) {
            assert_int_equal(action.kind, WEIR_ACTION_TELL);
            assert_ptr_equal(action.ticket, &deep[0]);
            told++;
        }
        assert_int_equal(told, 1);
    }
    assert_string_equal(waited(&r, &deep[DEEP - 1]), "2000: at_max_streams 1000 closing 1000");
    assert_int_equal(weir_pool_waits_for(&deep[DEEP - 1]), WEIR_REASON_AT_MAX_STREAMS);
    for (int i = 0; i < DEEP; i++) {
        weir_pool_abandon(r.pool, &deep[i], r.now_ns);
        assert_int_equal(deep[i].waited_ns, CHANGES * MS);
    }
    free(deep);
    rig_close(&r);
}

static void wait__a_dial_that_is_handed_over_is_its_heirs(void **state)
{
    (void)state;
    rig r;
    weir_waits waits;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "ab", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    r.now_ns += 10;
    /* a lets b run it: from now on it is a that waits behind the origin's limit. */
    weir_pool_adopt(r.pool, rig_slot(&r, 1), rig_ticket(&r, 'b'), r.now_ns);
    weir_pool_check(r.pool);
    r.now_ns += 5;
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    weir_pool_waited(rig_ticket(&r, 'a'), r.now_ns, &waits);
    assert_true(waits.total_ns == 15);
    assert_true(waits.ns[WEIR_REASON_DIALING] == 10);
    weir_pool_waited(rig_ticket(&r, 'b'), r.now_ns, &waits);
    assert_true(waits.ns[WEIR_REASON_DIALING] == 5);
    rig_close(&r);
}

static void wait__no_memory_is_a_reason(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    r.memory.fail_at = r.memory.calls + 1;
    rig_ask_all(&r, "b", "one"); /* no memory for a second connection: it waits for the first */
    r.memory.fail_at = 0;
    rig_tick(&r, MS);
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_NO_MEMORY);
    assert_string_equal(waited_by(&r, 'b'), "1: no_memory 1");
    rig_close(&r);
}

/* Without the time under the present reason, whoever has made the reason last, and since when. */
static void wait__of_the_present_reason_nothing_is_said_without_a_time(void **state)
{
    (void)state;
    rig r;
    weir_waits waits;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_tick(&r, 2 * MS);
    rig_ask_all(&r, "b", "one");
    rig_tick(&r, 3 * MS);
    rig_ask_all(&r, "c", "one"); /* the reason is older than its wait */
    for (char letter = 'b'; letter <= 'c'; letter++) {
        weir_pool_waited(rig_ticket(&r, letter), 0, &waits);
        assert_int_equal(waits.ns[WEIR_REASON_BUSY], 0);
        assert_int_equal(waits.total_ns, 0);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait__one_served_at_once_waited_for_nothing),
        cmocka_unit_test(wait__of_the_present_reason_nothing_is_said_without_a_time),
        cmocka_unit_test(wait__each_reason_has_its_own_time),
        cmocka_unit_test(wait__bounces_keep_the_sum),
        cmocka_unit_test(wait__a_ticket_sums_over_its_requests),
        cmocka_unit_test(wait__a_failed_dial_and_a_pause_are_counted),
        cmocka_unit_test(wait__a_deep_queue_costs_nothing_while_it_waits),
        cmocka_unit_test(wait__a_dial_that_is_handed_over_is_its_heirs),
        cmocka_unit_test(wait__no_memory_is_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
