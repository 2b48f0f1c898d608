/* SPDX-License-Identifier: MIT */
/*
 * Slots: what facts do to a connection, and how long it may live.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const weir_time second = WEIR_NS_PER_SECOND;

static void expect_deadline(const rig *r, weir_time at_ns, weir_why why)
{
    weir_why given = WEIR_WHY_COUNT;
    assert_true(weir_pool_deadline(r->pool, &given) == at_ns);
    assert_int_equal(given, why);
}

static void slot__takes_no_lease_beyond_its_capacity(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "abcd", 2);
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_LEASED);
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_WAITING);
    assert_int_equal(rig_ticket(&r, 'c')->reason, WEIR_REASON_AT_MAX_STREAMS);
    /* Less than what is leased is legal (RFC 9113 s5.1.2): none until it is below. */
    rig_tell(&r, 1, 1);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "grant c 1 reused");
    rig_tell(&r, 1, 2); /* a changed limit counts at once */
    assert_string_equal(rig_actions(&r), "grant d 1 reused");
    rig_close(&r);
}

static void slot__is_dry_while_all_of_its_streams_are_leased(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "abc", 2);
    assert_true(weir_slot_is_dry(rig_slot(&r, 1)));
    assert_ptr_equal(weir_pool_next_dry(rig_ticket(&r, 'c'), NULL), rig_slot(&r, 1)); /* waits */
    assert_ptr_equal(weir_pool_next_dry(rig_ticket(&r, 'a'), NULL), rig_slot(&r, 1)); /* has one */
    assert_null(weir_pool_next_dry(rig_ticket(&r, 'a'), rig_slot(&r, 1)));
    rig_tell(&r, 1, 9);
    assert_string_equal(rig_actions(&r), "grant c 1 reused");
    assert_false(weir_slot_is_dry(rig_slot(&r, 1)));
    assert_null(weir_pool_next_dry(rig_ticket(&r, 'a'), NULL));
    rig_tell(&r, 1, 0); /* what takes no more, ever, is not worth waiting for */
    assert_false(weir_slot_is_dry(rig_slot(&r, 1)));
    rig_close(&r);
}

static void slot__ignores_facts_that_are_not_newer(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_lease_h2(&r, "abc", 2);
    weir_facts old = rig_facts(&r, WEIR_H2, 9);
    old.version = 1;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &old, r.now_ns);
    assert_string_equal(rig_actions(&r), "");
    weir_facts late = rig_facts(&r, WEIR_H2, 9);
    late.version = 0;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &late, r.now_ns);
    assert_string_equal(rig_actions(&r), "grant c 1 reused");
    assert_int_equal(weir_slot_leases(rig_slot(&r, 1)), 2);
    rig_close(&r);
}

static void slot__drains_when_it_accepts_no_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "ab", 10);
    rig_tell(&r, 1, 0);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 1);
    rig_ask_all(&r, "c", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 draining_goaway");
    rig_close(&r);
}

static void slot__is_closed_when_an_idle_one_accepts_no_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "a", 10);
    rig_release(&r, 'a');
    rig_tell(&r, 1, 0);
    assert_string_equal(rig_actions(&r), "close 1 draining_goaway");
    rig_tell(&r, 1, 5); /* too late */
    rig_ask_all(&r, "b", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_close(&r);
}

static void slot__is_closed_when_the_last_release_says_unfit(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.reusable = false;
    facts.unfit = WEIR_UNFIT_LEFT_OVER;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 octets_left_over");
    rig_close(&r);
}

static void slot__may_say_no_in_the_middle_and_yes_at_the_end(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.accepting = false;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    facts = rig_facts(&r, WEIR_H1, 1);
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    rig_close(&r);
}

static void slot__is_closed_after_the_idle_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 10 * second});
    expect_deadline(&r, WEIR_NEVER, WEIR_WHY_NONE);
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    expect_deadline(&r, WEIR_NEVER, WEIR_WHY_NONE);
    rig_release(&r, 'a');
    expect_deadline(&r, r.now_ns + 10 * second, WEIR_WHY_IDLE_CONNECTION);
    rig_tick(&r, 4 * second);
    rig_release(&r, 'b');
    assert_string_equal(rig_actions_after(&r, 6 * second), "close 1 expired_idle");
    expect_deadline(&r, r.now_ns + 4 * second, WEIR_WHY_IDLE_CONNECTION);
    assert_int_equal(weir_pool_count(r.pool).closed_idle, 1);
    rig_close(&r);
}

static void slot__is_passed_over_when_no_tick_came_in_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 10 * second});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    r.now_ns += 10 * second;
    rig_ask_all(&r, "c", "one");
    assert_string_equal(rig_actions(&r),
                        "close 2 expired_idle, close 1 expired_idle, dial 3 for c");
    rig_close(&r);
}

static void slot__is_never_too_idle_without_an_idle_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = WEIR_NEVER});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    expect_deadline(&r, WEIR_NEVER, WEIR_WHY_NONE);
    r.now_ns = WEIR_NEVER - 1;
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    rig_close(&r);
}

static void slot__heeds_what_the_server_says_of_keep_alive(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 60 * second});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = 5 * second;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    /* A second earlier than the server. */
    expect_deadline(&r, r.now_ns + 4 * second, WEIR_WHY_IDLE_CONNECTION);
    r.now_ns += 4 * second - 1;
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    rig_release(&r, 'b');
    /* Used again: the old time is only a look. */
    rig_tick(&r, 1);
    assert_string_equal(rig_actions(&r), "");
    expect_deadline(&r, r.now_ns + 4 * second - 1, WEIR_WHY_IDLE_CONNECTION);
    rig_tick(&r, 4 * second - 1);
    assert_string_equal(rig_actions(&r), "close 1 expired_keep_alive");
    assert_int_equal(weir_pool_count(r.pool).closed_idle, 1);
    rig_close(&r);
}

static void slot__heeds_a_hint_that_got_shorter(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = 60 * second;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = second;
    weir_pool_release(r.pool, rig_ticket(&r, 'b'), &facts, r.now_ns);
    expect_deadline(&r, r.now_ns + second / 2, WEIR_WHY_IDLE_CONNECTION);
    r.now_ns += second / 2;
    rig_ask_all(&r, "c", "one");
    assert_string_equal(rig_actions(&r), "close 1 expired_keep_alive, dial 2 for c");
    rig_close(&r);
}

static void slot__lives_no_longer_than_its_lifetime_give_or_take_a_tenth(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.lifetime_ns = 100 * second,
                                     .connections_per_origin = 20,
                                     .idle_ns = WEIR_NEVER});
    rig_ask_all(&r, "abcdefghijklmnop", "one");
    rig_actions(&r);
    weir_time first = WEIR_NEVER;
    for (uint64_t id = 1; id <= 16; id++) {
        rig_ready(&r, id, WEIR_H1, 1);
        weir_why why;
        first = weir_pool_deadline(r.pool, &why);
        assert_int_equal(why, WEIR_WHY_LIFETIME);
    }
    rig_actions(&r);
    for (char letter = 'a'; letter <= 'p'; letter++) {
        rig_release(&r, letter);
    }
    const weir_time begun_ns = r.now_ns;
    assert_in_range(first - begun_ns, 90 * second, 110 * second);
    rig_tick(&r, 90 * second - 1);
    assert_string_equal(rig_actions(&r), "");
    rig_tick(&r, first - r.now_ns);
    assert_non_null(rig_actions(&r));
    /* Not all at once: the jitter is there to spread them. */
    const uint64_t left = weir_pool_count(r.pool).slots_idle;
    assert_in_range(left, 10, 15);
    rig_tick(&r, begun_ns + 110 * second - r.now_ns);
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 0);
    assert_int_equal(weir_pool_count(r.pool).closed_idle, 0);
    rig_close(&r);
}

static void slot__drains_when_its_lifetime_ends_in_use(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.lifetime_ns = 100 * second});
    rig_lease_h2(&r, "ab", 10);
    r.now_ns += 111 * second;
    rig_ask_all(&r, "c", "h2.one"); /* no tick came: it is passed over */
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "close 1 expired_lifetime");
    rig_ready(&r, 2, WEIR_H2, 10);
    rig_actions(&r);
    rig_tick(&r, 111 * second);
    assert_int_equal(weir_pool_count(r.pool).slots_draining, 2);
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "close 2 expired_lifetime");
    rig_close(&r);
}

/* For what the engine knows: its address left DNS, its TLS settings were replaced. */
static void slot__retires_at_a_random_moment_of_the_span(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 20, .idle_ns = WEIR_NEVER});
    rig_ask_all(&r, "abcdefghijklmnop", "one");
    rig_actions(&r);
    for (uint64_t id = 1; id <= 16; id++) {
        rig_ready(&r, id, WEIR_H1, 1);
    }
    rig_actions(&r);
    for (char letter = 'a'; letter <= 'p'; letter++) {
        rig_release(&r, letter);
    }
    for (uint64_t id = 1; id <= 16; id++) {
        weir_pool_retire(r.pool, rig_slot(&r, id), WEIR_REASON_ADDRESS_LEFT_DNS, 10 * second,
                         r.now_ns);
    }
    rig_tick(&r, 5 * second);
    assert_in_range(weir_pool_count(r.pool).slots_idle, 3, 13);
    assert_non_null(strstr(rig_actions(&r), "address_left_dns"));
    rig_tick(&r, 5 * second);
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 0);
    rig_close(&r);
}

static void slot__drains_when_it_retires_in_use(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = WEIR_NEVER});
    rig_lease_h2(&r, "ab", 10);
    weir_pool_retire(r.pool, rig_slot(&r, 1), WEIR_REASON_ADDRESS_LEFT_DNS, second, r.now_ns);
    rig_ask_all(&r, "c", "h2.one"); /* until then it is used */
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_LEASED);
    r.now_ns += second;
    rig_ask_all(&r, "d", "h2.one"); /* no tick came: it is passed over */
    assert_string_equal(rig_actions(&r), "dial 2 for d");
    rig_ready(&r, 2, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "grant d 2 dialed");
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    assert_string_equal(rig_actions(&r), "");
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "close 1 address_left_dns");
    rig_close(&r);
}

static void slot__retires_no_later_than_it_would_have_ended(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.lifetime_ns = 100 * second, .idle_ns = WEIR_NEVER});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    rig_release(&r, 'a');
    rig_release(&r, 'b');
    r.now_ns += 89 * second;
    weir_pool_retire(r.pool, rig_slot(&r, 1), WEIR_REASON_ADDRESS_LEFT_DNS, 0, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 1 address_left_dns");
    weir_pool_retire(r.pool, rig_slot(&r, 1), WEIR_REASON_ADDRESS_LEFT_DNS, 0, r.now_ns);
    assert_string_equal(rig_actions(&r), ""); /* it is on its way already */
    weir_pool_retire(r.pool, rig_slot(&r, 2), WEIR_REASON_ADDRESS_LEFT_DNS, WEIR_NEVER, r.now_ns);
    rig_tick(&r, 21 * second);
    assert_string_equal(rig_actions(&r), "close 2 expired_lifetime");
    rig_close(&r);
}

/* It drains for it has had its last request, which is taken back: what was told meanwhile holds. */
static void slot__retires_while_it_has_its_last_request(void **state)
{
    (void)state;
    for (weir_time within_ns = 0; within_ns <= second; within_ns += second) {
        rig r;
        rig_open(&r, (weir_pool_options){.requests_per_connection = 2,
                                         .connections_per_origin = 1,
                                         .idle_ns = WEIR_NEVER});
        rig_lease_h1(&r, 'a', "one", 1);
        rig_ask_all(&r, "b", "one");
        rig_release(&r, 'a'); /* b has it now, and was not told */
        weir_pool_retire(r.pool, rig_slot(&r, 1), WEIR_REASON_ADDRESS_LEFT_DNS, within_ns,
                         r.now_ns);
        rig_abandon(&r, 'b');
        if (within_ns > 0) {
            assert_string_equal(rig_actions(&r), "");
            rig_tick(&r, within_ns);
        }
        assert_string_equal(rig_actions(&r), "close 1 address_left_dns");
        rig_close(&r);
    }
}

static void slot__does_not_mind_time_that_goes_back(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 10 * second});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    rig_release(&r, 'a');
    weir_pool_release(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns - second);
    weir_pool_check(r.pool);
    expect_deadline(&r, r.now_ns + 10 * second, WEIR_WHY_IDLE_CONNECTION);
    rig_tick(&r, 10 * second);
    assert_string_equal(rig_actions(&r), "close 1 expired_idle, close 2 expired_idle");
    rig_close(&r);
}

static void slot__that_is_unfit_at_birth_serves_nobody(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.accepting = false;
    weir_pool_ready(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    weir_pool_check(r.pool);
    /* And is not dialled again without a pause. */
    assert_string_equal(rig_actions(&r), "close 1 unfit");
    assert_int_equal(rig_ticket(&r, 'a')->state, WEIR_TICKET_WAITING);
    assert_int_equal(rig_ticket(&r, 'a')->reason, WEIR_REASON_BACK_OFF);
    rig_tick(&r, 60 * WEIR_NS_PER_MS);
    assert_string_equal(rig_actions(&r), "dial 2 for a");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slot__takes_no_lease_beyond_its_capacity),
        cmocka_unit_test(slot__is_dry_while_all_of_its_streams_are_leased),
        cmocka_unit_test(slot__ignores_facts_that_are_not_newer),
        cmocka_unit_test(slot__drains_when_it_accepts_no_more),
        cmocka_unit_test(slot__is_closed_when_an_idle_one_accepts_no_more),
        cmocka_unit_test(slot__is_closed_when_the_last_release_says_unfit),
        cmocka_unit_test(slot__may_say_no_in_the_middle_and_yes_at_the_end),
        cmocka_unit_test(slot__is_closed_after_the_idle_time),
        cmocka_unit_test(slot__is_passed_over_when_no_tick_came_in_time),
        cmocka_unit_test(slot__is_never_too_idle_without_an_idle_time),
        cmocka_unit_test(slot__heeds_what_the_server_says_of_keep_alive),
        cmocka_unit_test(slot__heeds_a_hint_that_got_shorter),
        cmocka_unit_test(slot__lives_no_longer_than_its_lifetime_give_or_take_a_tenth),
        cmocka_unit_test(slot__drains_when_its_lifetime_ends_in_use),
        cmocka_unit_test(slot__retires_at_a_random_moment_of_the_span),
        cmocka_unit_test(slot__drains_when_it_retires_in_use),
        cmocka_unit_test(slot__retires_no_later_than_it_would_have_ended),
        cmocka_unit_test(slot__retires_while_it_has_its_last_request),
        cmocka_unit_test(slot__does_not_mind_time_that_goes_back),
        cmocka_unit_test(slot__that_is_unfit_at_birth_serves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
