/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of an origin, whom a failed dial refuses, and the pause before the next.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

static const weir_time ms = WEIR_NS_PER_MS;

static weir_time pause_ns(const rig *r)
{
    weir_why why;
    const weir_time at = weir_pool_deadline(r->pool, &why);
    assert_int_equal(why, WEIR_WHY_ATTEMPT_DELAY);
    return at - r->now_ns;
}

/* Opens a connection, uses it once and lets it go for good. */
static void visit(rig *r, const char *name, weir_protocol protocol, uint32_t capacity)
{
    weir_ticket ticket = {0};
    const weir_origin_key key = rig_key(name);
    weir_action action;
    assert_int_equal(weir_pool_request(r->pool, &key, &ticket, r->now_ns), WEIR_AGAIN);
    assert_true(weir_pool_next_action(r->pool, &action));
    const uint64_t id = weir_slot_id(action.slot);
    rig_ready(r, id, protocol, capacity);
    assert_true(weir_pool_next_action(r->pool, &action));
    assert_int_equal(action.kind, WEIR_ACTION_GRANT);
    weir_pool_release(r->pool, &ticket, NULL, r->now_ns);
    rig_gone(r, id);
}

static void record__remembers_what_alpn_chose(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    visit(&r, "tls.one", WEIR_H1, 1);
    rig_ask_all(&r, "ab", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 2 for a, dial 3 for b");
    assert_int_equal(weir_slot_protocol_hint(rig_slot(&r, 2)), WEIR_H1);
    rig_close(&r);
}

static void record__remembers_the_limit_of_streams(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    visit(&r, "tls.one", WEIR_H2, 2);
    rig_ask_all(&r, "abcde", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 2 for a, dial 3 for b, dial 4 for c");
    assert_int_equal(weir_slot_protocol_hint(rig_slot(&r, 2)), WEIR_H2);
    /* It has changed: the memory follows. */
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed, dial 5 for d, dial 6 for e");
    rig_close(&r);
}

/* Before its SETTINGS a connection does not know what the peer will take: what it took before is a
 * better guess than a hundred, of which the peer refuses ninety-eight. */
static void record__holds_a_new_connection_to_the_last_limit_until_it_is_told(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1});
    visit(&r, "h2.one", WEIR_H2, 2);
    rig_ask_all(&r, "abcdef", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    weir_facts facts = rig_facts(&r, WEIR_H2, 100);
    facts.capacity_assumed = true;
    weir_pool_ready(r.pool, rig_slot(&r, 2), &facts, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "grant a 2 dialed, grant b 2 reused");
    rig_tell(&r, 2, 3); /* SETTINGS */
    assert_string_equal(rig_actions(&r), "grant c 2 reused");
    rig_close(&r);
}

/* An assumption is not remembered. */
static void record__learns_no_limit_that_was_not_told(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1});
    (void)rig_ask(&r, 'a', "h2.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    weir_facts facts = rig_facts(&r, WEIR_H2, 5);
    facts.capacity_assumed = true;
    weir_pool_ready(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    facts = rig_facts(&r, WEIR_H2, 7);
    facts.capacity_assumed = true;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    rig_ask_all(&r, "bcdefgh", "h2.one");
    assert_int_equal(weir_slot_leases(rig_slot(&r, 1)), 7);
    rig_close(&r);
}

static void record__forgets_a_clear_origin_that_it_knows_nothing_of(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    visit(&r, "one", WEIR_H1, 1);
    assert_int_equal(weir_pool_count(r.pool).origins, 0);
    rig_close(&r);
}

static void record__remembers_so_many_and_forgets_the_oldest(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.origins_remembered = 2});
    visit(&r, "tls.one", WEIR_H2, 7);
    visit(&r, "tls.two", WEIR_H2, 7);
    visit(&r, "tls.one", WEIR_H2, 7); /* now two is the oldest */
    visit(&r, "tls.three", WEIR_H2, 7);
    assert_int_equal(weir_pool_count(r.pool).origins, 2);
    rig_ask_all(&r, "a", "tls.one");
    rig_ask_all(&r, "b", "tls.two");
    rig_actions(&r);
    assert_int_equal(weir_slot_protocol_hint(rig_ticket(&r, 'a')->dial), WEIR_H2);
    assert_int_equal(weir_slot_protocol_hint(rig_ticket(&r, 'b')->dial), WEIR_PROTOCOL_ANY);
    rig_close(&r);
}

static void record__refuses_those_that_asked_before_a_dial_that_failed(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    rig_ask_all(&r, "bc", "tls.one"); /* asked after the probe began */
    rig_fail(&r, 1);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    assert_int_equal(rig_ticket(&r, 'a')->failure.phase, WEIR_PHASE_CONNECT);
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_BACK_OFF);
    rig_tick(&r, pause_ns(&r));
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_fail(&r, 2);
    assert_string_equal(rig_actions(&r),
                        "refuse b WEIR_E_CONNECT_REFUSED, refuse c WEIR_E_CONNECT_REFUSED");
    assert_int_equal(weir_pool_count(r.pool).refusals, 3);
    assert_int_equal(weir_pool_count(r.pool).dial_failures, 2);
    rig_close(&r);
}

static void record__refuses_nobody_who_can_hope_for_a_busy_connection(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_ask_all(&r, "b", "one");
    rig_actions(&r);
    rig_fail(&r, 2);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_WAITING);
    assert_null(rig_ticket(&r, 'b')->dial);
    rig_tick(&r, pause_ns(&r));
    assert_string_equal(rig_actions(&r), "dial 3 for b");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_close(&r);
}

static void record__one_of_several_dials_takes_only_its_own_ticket_along(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 3});
    rig_ask_all(&r, "abc", "one");
    rig_actions(&r);
    rig_ask_all(&r, "de", "one");
    rig_fail(&r, 2);
    assert_string_equal(rig_actions(&r), "refuse b WEIR_E_CONNECT_REFUSED");
    rig_fail(&r, 1);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    rig_fail(&r, 3); /* the last hope of those that asked before it began */
    assert_string_equal(rig_actions(&r), "refuse c WEIR_E_CONNECT_REFUSED");
    rig_tick(&r, pause_ns(&r));
    assert_string_equal(rig_actions(&r), "dial 4 for d, dial 5 for e");
    rig_close(&r);
}

static void record__a_fresh_request_dials_at_once_when_nobody_was_left_waiting(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    for (uint64_t id = 1; id <= 9; id++) {
        rig_ask_all(&r, "a", "one");
        char expected[32];
        snprintf(expected, sizeof expected, "dial %d for a", (int)id);
        assert_string_equal(rig_actions(&r), expected);
        rig_fail(&r, id);
        assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    }
    rig_close(&r);
}

static void record__a_request_joins_a_pause_that_others_wait_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    rig_ask_all(&r, "b", "tls.one");
    rig_fail(&r, 1);
    rig_actions(&r);
    rig_ask_all(&r, "c", "tls.one");
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(rig_ticket(&r, 'c')->reason, WEIR_REASON_BACK_OFF);
    /* When all who waited for it have left, the pause is over too. */
    rig_abandon(&r, 'b');
    rig_abandon(&r, 'c');
    weir_why why;
    assert_true(weir_pool_deadline(r.pool, &why) == WEIR_NEVER);
    rig_ask_all(&r, "d", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 2 for d");
    rig_close(&r);
}

/* One ticket always stays behind, so that the pool goes on dialling by itself. */
static void record__pauses_double_up_to_five_seconds(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    weir_time expected = 50 * ms;
    for (uint64_t id = 1; id <= 12; id++) {
        rig_ask_all(&r, id % 2 ? "b" : "a", "tls.one");
        rig_fail(&r, id);
        rig_actions(&r);
        const weir_time pause = pause_ns(&r);
        assert_in_range(pause, expected - expected / 10, expected + expected / 10);
        assert_memory_equal(rig_actions_after(&r, pause), "dial", 4);
        expected = expected * 2 < 5000 * ms ? expected * 2 : 5000 * ms;
    }
    rig_close(&r);
}

static void record__dials_that_fail_together_are_one_failure(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abcdef", "one");
    rig_actions(&r);
    rig_ask_all(&r, "g", "one");
    for (uint64_t id = 1; id <= 6; id++) {
        rig_fail(&r, id);
    }
    rig_actions(&r);
    assert_in_range(pause_ns(&r), 45 * ms, 55 * ms);
    rig_close(&r);
}

static void record__a_served_exchange_ends_the_series(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    for (uint64_t id = 1; id <= 4; id++) {
        rig_ask_all(&r, id % 2 ? "b" : "a", "tls.one");
        rig_fail(&r, id);
        rig_actions(&r);
        rig_tick(&r, pause_ns(&r));
        rig_actions(&r);
    }
    rig_ready(&r, 5, WEIR_H2, 10);
    rig_actions(&r);
    rig_release(&r, 'a');
    rig_gone(&r, 5);
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    rig_ask_all(&r, "b", "tls.one");
    rig_fail(&r, 6);
    rig_actions(&r);
    assert_in_range(pause_ns(&r), 45 * ms, 55 * ms);
    rig_close(&r);
}

/* A server that accepts and hangs up: each handshake succeeds, no exchange ever does. */
static void record__a_handshake_alone_does_not_end_the_series(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "one");
    weir_time expected = 50 * ms;
    for (uint64_t id = 1; id <= 8; id++) {
        assert_memory_equal(rig_actions(&r), "dial", 4);
        rig_ready(&r, id, WEIR_H1, 1);
        rig_actions(&r);
        weir_facts dead = rig_facts(&r, WEIR_H1, 1);
        dead.accepting = false;
        dead.reusable = false;
        weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &dead, r.now_ns);
        weir_pool_check(r.pool);
        assert_int_equal(rig_ticket(&r, 'a')->reason, WEIR_REASON_BACK_OFF);
        rig_gone(&r, id);
        rig_actions(&r);
        assert_in_range(pause_ns(&r), expected - expected / 10, expected + expected / 10);
        rig_tick(&r, pause_ns(&r));
        expected = expected * 2 < 5000 * ms ? expected * 2 : 5000 * ms;
    }
    assert_int_equal(rig_ticket(&r, 'a')->bounces, 8);
    rig_close(&r);
}

/* The last ticket left with the failure, so there is no pause; the failure itself is not forgotten.
 */
static void record__remembers_a_failure_of_an_origin_that_nobody_waits_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_fail(&r, 1);
    rig_actions(&r);
    assert_int_equal(weir_pool_count(r.pool).origins, 1);
    rig_ask_all(&r, "a", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_ask_all(&r, "b", "one");
    rig_actions(&r);
    rig_fail(&r, 3);
    rig_fail(&r, 2);
    assert_string_equal(rig_actions(&r),
                        "refuse b WEIR_E_CONNECT_REFUSED, refuse a WEIR_E_CONNECT_REFUSED");
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    rig_ask_all(&r, "b", "tls.one");
    rig_fail(&r, 4);
    rig_actions(&r);
    assert_in_range(pause_ns(&r), 45 * ms, 55 * ms); /* another origin: its own series */
    rig_ask_all(&r, "c", "one");
    rig_actions(&r);
    weir_facts dead = rig_facts(&r, WEIR_H1, 1);
    dead.accepting = false;
    rig_abandon(&r, 'b');
    weir_pool_ready(r.pool, rig_slot(&r, 5), &dead, r.now_ns);
    rig_actions(&r);
    assert_in_range(pause_ns(&r), 180 * ms, 220 * ms);
    rig_close(&r);
}

static void record__a_connection_ends_the_pause_of_the_others(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_ask_all(&r, "ab", "one");
    rig_actions(&r);
    rig_ask_all(&r, "c", "one");
    rig_fail(&r, 1);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CONNECT_REFUSED");
    assert_int_equal(rig_ticket(&r, 'c')->reason, WEIR_REASON_BACK_OFF);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant b 2 dialed, dial 3 for c");
    rig_close(&r);
}

static void record__a_connection_that_dies_unused_is_a_failure(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "a", "h2.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 0);
    assert_string_equal(rig_actions(&r), "");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "");
    assert_in_range(pause_ns(&r), 45 * ms, 55 * ms);
    rig_close(&r);
}

/* Leases the connection of one of many long names, which is dialled if there is none, and answers
 * its number. */
static uint64_t lease_long(rig *r, unsigned number)
{
    char name[80];
    snprintf(name, sizeof name, "a.name.whose.first.forty.octets.and.more.are.one.%u", number);
    weir_ticket ticket = {0};
    weir_action action;
    const weir_origin_key key = rig_key(name);
    if (weir_pool_request(r->pool, &key, &ticket, r->now_ns) == WEIR_AGAIN) {
        const weir_facts facts = rig_facts(r, WEIR_H1, 1);
        assert_true(weir_pool_next_action(r->pool, &action));
        weir_pool_ready(r->pool, action.slot, &facts, r->now_ns);
        assert_true(weir_pool_next_action(r->pool, &action));
    }
    assert_int_equal(ticket.state, WEIR_TICKET_LEASED);
    const uint64_t id = weir_slot_id(ticket.slot);
    weir_pool_release(r->pool, &ticket, NULL, r->now_ns);
    return id;
}

/* So many names, alike in all the words of them that a record has at hand, that the table, which
 * knows eight bits of each hash, offers the wrong one often. */
static void record__tells_long_names_apart(void **state)
{
    enum { NAMES = 6000 };
    (void)state;
    rig r;
    weir_action action;
    rig_open(&r, (weir_pool_options){.connections = NAMES});
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < NAMES; i++) {
            assert_int_equal(lease_long(&r, i), i + 1);
        }
    }
    weir_pool_shutdown(r.pool, r.now_ns);
    while (weir_pool_next_action(r.pool, &action)) {
        weir_pool_gone(r.pool, action.slot, r.now_ns);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record__remembers_what_alpn_chose),
        cmocka_unit_test(record__remembers_the_limit_of_streams),
        cmocka_unit_test(record__holds_a_new_connection_to_the_last_limit_until_it_is_told),
        cmocka_unit_test(record__learns_no_limit_that_was_not_told),
        cmocka_unit_test(record__forgets_a_clear_origin_that_it_knows_nothing_of),
        cmocka_unit_test(record__remembers_so_many_and_forgets_the_oldest),
        cmocka_unit_test(record__refuses_those_that_asked_before_a_dial_that_failed),
        cmocka_unit_test(record__refuses_nobody_who_can_hope_for_a_busy_connection),
        cmocka_unit_test(record__one_of_several_dials_takes_only_its_own_ticket_along),
        cmocka_unit_test(record__a_fresh_request_dials_at_once_when_nobody_was_left_waiting),
        cmocka_unit_test(record__a_request_joins_a_pause_that_others_wait_for),
        cmocka_unit_test(record__pauses_double_up_to_five_seconds),
        cmocka_unit_test(record__dials_that_fail_together_are_one_failure),
        cmocka_unit_test(record__a_served_exchange_ends_the_series),
        cmocka_unit_test(record__a_handshake_alone_does_not_end_the_series),
        cmocka_unit_test(record__remembers_a_failure_of_an_origin_that_nobody_waits_for),
        cmocka_unit_test(record__a_connection_ends_the_pause_of_the_others),
        cmocka_unit_test(record__a_connection_that_dies_unused_is_a_failure),
        cmocka_unit_test(record__tells_long_names_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
