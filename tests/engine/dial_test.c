/* SPDX-License-Identifier: MIT */
/* Happy Eyeballs (RFC 8305) under a virtual clock: what is tried when, and what a failure is
 * called. */
#include "engine/dial.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS   WEIR_NS_PER_MS
#define PORT 443

typedef struct dial_bench {
    weir_dial dial;
    weir_time now_ns;
} dial_bench;

/* 2001:db8::n or 192.0.2.n, with n over 16 bits. */
static weir_address address(uint8_t family, unsigned n)
{
    weir_address made = {.family = family, .ttl_seconds = 60};

    if (family == 4) {
        const uint8_t octets[] = {192, 0, (uint8_t)(n >> 8), (uint8_t)n};
        memcpy(made.octets, octets, sizeof(octets));
    } else {
        const uint8_t octets[] = {0x20, 0x01, 0x0d, 0xb8};
        memcpy(made.octets, octets, sizeof(octets));
        made.octets[14] = (uint8_t)(n >> 8);
        made.octets[15] = (uint8_t)n;
    }
    return made;
}

/* Answers a family with addresses 1 to count. */
static void answer_with(dial_bench *bench, uint8_t family, const weir_address *addresses,
                        size_t count)
{
    const weir_answer answer = {.family = family, .addresses = addresses, .count = count};

    weir_dial_answer(&bench->dial, &answer, bench->now_ns);
}

static void answer(dial_bench *bench, uint8_t family, unsigned count)
{
    weir_address addresses[WEIR_DIAL_ADDRESSES];

    assert_true(count <= WEIR_DIAL_ADDRESSES);
    for (unsigned i = 0; i < count; i++) {
        addresses[i] = address(family, i + 1);
    }
    answer_with(bench, family, addresses, count);
}

static void answer_none(dial_bench *bench, uint8_t family, weir_status status)
{
    const weir_answer none = {.family = family, .status = status};

    weir_dial_answer(&bench->dial, &none, bench->now_ns);
}

static void assert_nothing_starts(dial_bench *bench)
{
    size_t index = 0;

    assert_false(weir_dial_next(&bench->dial, bench->now_ns, &index));
}

/* The next to start now is address n of the family; its index. */
static size_t assert_starts(dial_bench *bench, uint8_t family, unsigned n)
{
    const weir_address wanted = address(family, n);
    size_t index = SIZE_MAX;

    assert_true(weir_dial_next(&bench->dial, bench->now_ns, &index));
    assert_true(index < bench->dial.count);
    assert_int_equal(bench->dial.addresses[index].address.family, family);
    assert_memory_equal(bench->dial.addresses[index].address.octets, wanted.octets, 16);
    assert_int_equal(bench->dial.addresses[index].begun_ns, bench->now_ns);
    return index;
}

static void ends(dial_bench *bench, size_t index, int sys_errno)
{
    weir_dial_attempt_ended(&bench->dial, index, sys_errno, bench->now_ns);
}

/* The dial names a deadline `after_ns` from now for the reason; the clock goes there. */
static void assert_waits(dial_bench *bench, weir_time after_ns, weir_why wanted)
{
    weir_why why = WEIR_WHY_NONE;
    const weir_time deadline_ns = weir_dial_deadline(&bench->dial, &why);

    assert_int_equal(why, wanted);
    assert_int_equal(deadline_ns - bench->now_ns, after_ns);
    bench->now_ns = deadline_ns - 1;
    assert_nothing_starts(bench);
    bench->now_ns = deadline_ns;
}

static void assert_no_deadline(const dial_bench *bench)
{
    weir_why why = WEIR_WHY_QUEUE;

    assert_int_equal(weir_dial_deadline(&bench->dial, &why), WEIR_NEVER);
}

static void assert_fails(const dial_bench *bench, weir_status status, int sys_errno)
{
    assert_int_equal(bench->dial.state, WEIR_DIAL_FAILED);
    assert_int_equal(bench->dial.failure.status, status);
    assert_int_equal(bench->dial.failure.sys_errno, sys_errno);
    assert_int_equal(bench->dial.failure.processed, WEIR_NOT_SENT);
}

static int setup(void **state)
{
    static dial_bench bench;

    memset(&bench, 0, sizeof(bench));
    bench.now_ns = 1000 * MS;
    weir_dial_begin(&bench.dial, PORT, 0, 0, bench.now_ns);
    *state = &bench;
    return 0;
}

static void dial__starts_nothing_without_an_answer(void **state)
{
    dial_bench *bench = *state;

    assert_nothing_starts(bench);
    assert_no_deadline(bench);
}

static void dial__starts_ipv6_as_soon_as_it_is_answered(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    (void)assert_starts(bench, 6, 1);
    assert_int_equal(bench->dial.resolved_ns, bench->now_ns);
    assert_no_deadline(bench);
}

static void dial__gives_ipv6_50_ms_when_ipv4_comes_first(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 4, 1);
    assert_waits(bench, 50 * MS, WEIR_WHY_RESOLUTION_DELAY);
    (void)assert_starts(bench, 4, 1);
}

static void dial__starts_ipv6_when_it_comes_within_the_resolution_delay(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 4, 1);
    bench->now_ns += 49 * MS;
    assert_nothing_starts(bench);
    answer(bench, 6, 1);
    (void)assert_starts(bench, 6, 1);
    assert_waits(bench, 250 * MS, WEIR_WHY_ATTEMPT_DELAY);
    (void)assert_starts(bench, 4, 1);
}

static void dial__ends_the_resolution_delay_when_there_is_no_ipv6(void **state)
{
    dial_bench *bench = *state;

    for (int i = 0; i < 3; i++) {
        const weir_status status[] = {WEIR_OK, WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_FAILED};
        weir_dial_begin(&bench->dial, PORT, 0, 0, bench->now_ns);
        answer(bench, 4, 1);
        answer_none(bench, 6, status[i]);
        (void)assert_starts(bench, 4, 1);
    }
}

static void dial__begins_no_delay_for_an_ipv4_answer_without_addresses(void **state)
{
    dial_bench *bench = *state;

    answer_none(bench, 4, WEIR_E_DNS_NOT_FOUND);
    assert_no_deadline(bench);
    answer(bench, 6, 1);
    (void)assert_starts(bench, 6, 1);
}

static void dial__reaches_live_ipv4_behind_dead_ipv6(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 2);
    answer(bench, 4, 1);
    (void)assert_starts(bench, 6, 1);
    assert_waits(bench, 250 * MS, WEIR_WHY_ATTEMPT_DELAY);
    const size_t live = assert_starts(bench, 4, 1);
    assert_int_equal(bench->now_ns, 1250 * MS);
    ends(bench, live, 0);
    assert_int_equal(bench->dial.state, WEIR_DIAL_CONNECTED);
    assert_int_equal(bench->dial.winner, live);
    assert_nothing_starts(bench);
}

static void dial__reaches_live_ipv6_behind_dead_ipv4(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 4, 2);
    assert_waits(bench, 50 * MS, WEIR_WHY_RESOLUTION_DELAY);
    (void)assert_starts(bench, 4, 1);
    bench->now_ns += 10 * MS;
    answer(bench, 6, 1);
    assert_waits(bench, 240 * MS, WEIR_WHY_ATTEMPT_DELAY);
    const size_t live = assert_starts(bench, 6, 1);
    ends(bench, live, 0);
    assert_int_equal(bench->dial.winner, live);
}

static void dial__tries_the_next_at_once_after_a_loss(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 2);
    answer(bench, 4, 1);
    const size_t first = assert_starts(bench, 6, 1);
    bench->now_ns += 3 * MS;
    assert_nothing_starts(bench);
    ends(bench, first, ECONNREFUSED);
    const size_t second = assert_starts(bench, 4, 1);
    assert_waits(bench, 250 * MS, WEIR_WHY_ATTEMPT_DELAY);
    (void)assert_starts(bench, 6, 2);
    ends(bench, second, 0);
    assert_int_equal(bench->dial.winner, second);
}

static void dial__alternates_families_beginning_with_ipv6(void **state)
{
    static const struct {
        uint8_t family;
        unsigned n;
    } order[] = {{6, 1}, {4, 1}, {6, 2}, {4, 2}, {6, 3}, {6, 4}};
    dial_bench *bench = *state;

    answer(bench, 4, 2);
    answer(bench, 6, 4);
    for (size_t i = 0; i < WEIR_COUNT_OF(order); i++) {
        ends(bench, assert_starts(bench, order[i].family, order[i].n), ETIMEDOUT);
    }
    assert_fails(bench, WEIR_E_CONNECT_UNREACHABLE, ETIMEDOUT);
}

static void dial__sorts_a_late_answer_among_what_waits(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 3);
    ends(bench, assert_starts(bench, 6, 1), ECONNREFUSED);
    const size_t running = assert_starts(bench, 6, 2);
    answer(bench, 4, 2);
    ends(bench, running, ECONNREFUSED);
    ends(bench, assert_starts(bench, 4, 1), ECONNREFUSED);
    ends(bench, assert_starts(bench, 6, 3), ECONNREFUSED);
    ends(bench, assert_starts(bench, 4, 2), ECONNREFUSED);
    assert_fails(bench, WEIR_E_CONNECT_REFUSED, ECONNREFUSED);
}

static void dial__waits_for_the_other_family_when_all_attempts_were_lost(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    ends(bench, assert_starts(bench, 6, 1), ENETUNREACH);
    assert_int_equal(bench->dial.state, WEIR_DIAL_CONNECTING);
    assert_no_deadline(bench);
    bench->now_ns += 700 * MS;
    answer(bench, 4, 1);
    ends(bench, assert_starts(bench, 4, 1), 0);
    assert_int_equal(bench->dial.state, WEIR_DIAL_CONNECTED);
}

static void dial__bounds_and_counts_thousands_of_addresses(void **state)
{
    static weir_address many[4000];
    dial_bench *bench = *state;

    for (unsigned i = 0; i < WEIR_COUNT_OF(many); i++) {
        many[i] = address(6, i + 1);
    }
    answer_with(bench, 6, many, WEIR_COUNT_OF(many));
    assert_int_equal(bench->dial.count, WEIR_DIAL_FAMILY_ADDRESSES);
    assert_int_equal(bench->dial.ignored, WEIR_COUNT_OF(many) - WEIR_DIAL_FAMILY_ADDRESSES);
    /* The other family still has its place, and its turn is the second. */
    answer(bench, 4, 1);
    ends(bench, assert_starts(bench, 6, 1), ECONNREFUSED);
    ends(bench, assert_starts(bench, 4, 1), ECONNREFUSED);
    for (unsigned i = 2; i <= WEIR_DIAL_FAMILY_ADDRESSES; i++) {
        ends(bench, assert_starts(bench, 6, i), ECONNREFUSED);
    }
    assert_fails(bench, WEIR_E_CONNECT_REFUSED, ECONNREFUSED);
}

static void dial__has_at_most_eight_attempts_under_way(void **state)
{
    dial_bench *bench = *state;
    size_t index = 0;

    answer(bench, 6, 12);
    answer_none(bench, 4, WEIR_OK);
    for (unsigned i = 1; i <= WEIR_DIAL_ATTEMPTS; i++) {
        index = assert_starts(bench, 6, i);
        if (i < WEIR_DIAL_ATTEMPTS) {
            assert_waits(bench, 250 * MS, WEIR_WHY_ATTEMPT_DELAY);
        }
    }
    bench->now_ns += 1000 * MS;
    assert_nothing_starts(bench);
    assert_no_deadline(bench);
    ends(bench, index, ECONNREFUSED);
    (void)assert_starts(bench, 6, WEIR_DIAL_ATTEMPTS + 1);
    assert_nothing_starts(bench);
}

static void dial__tries_an_address_once(void **state)
{
    dial_bench *bench = *state;
    weir_address twice[] = {address(6, 1), address(6, 1), address(6, 1), address(6, 2)};

    twice[2].scope = 2; /* another zone is another address */
    answer_with(bench, 6, twice, WEIR_COUNT_OF(twice));
    assert_int_equal(bench->dial.count, 3);
    assert_int_equal(bench->dial.ignored, 1);
}

static void dial__takes_one_answer_of_a_family(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    answer(bench, 6, 2);
    assert_int_equal(bench->dial.count, 1);
    assert_true(bench->dial.awaiting[0]);
}

static void dial__ignores_addresses_of_a_family_not_asked(void **state)
{
    dial_bench *bench = *state;
    weir_address odd[] = {address(4, 1), {.family = 0}, address(6, 1), {.family = 7}};

    answer_with(bench, 6, odd, WEIR_COUNT_OF(odd));
    assert_int_equal(bench->dial.count, 1);
    assert_int_equal(bench->dial.ignored, 3);
    (void)assert_starts(bench, 6, 1);
}

static void dial__ignores_addresses_of_a_failed_answer(void **state)
{
    dial_bench *bench = *state;
    const weir_address one = address(6, 1);
    const weir_answer failed = {
        .family = 6, .status = WEIR_E_DNS_FAILED, .addresses = &one, .count = 1};

    weir_dial_answer(&bench->dial, &failed, bench->now_ns);
    answer_none(bench, 4, WEIR_E_DNS_NOT_FOUND);
    assert_fails(bench, WEIR_E_DNS_FAILED, 0);
}

static void dial__has_one_winner(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    answer(bench, 4, 1);
    const size_t slow = assert_starts(bench, 6, 1);
    bench->now_ns += 250 * MS;
    const size_t fast = assert_starts(bench, 4, 1);
    ends(bench, fast, 0);
    /* The driver closes the others; one that connected in the same instant is lost all the same. */
    assert_int_equal(bench->dial.addresses[slow].state, WEIR_ATTEMPT_RUNNING);
    ends(bench, slow, 0);
    assert_int_equal(bench->dial.winner, fast);
    assert_int_equal(bench->dial.addresses[fast].state, WEIR_ATTEMPT_WON);
    assert_int_equal(bench->dial.addresses[slow].state, WEIR_ATTEMPT_LOST);
    assert_int_equal(bench->dial.running, 0);
}

static void dial__ignores_an_answer_after_it_connected(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    ends(bench, assert_starts(bench, 6, 1), 0);
    answer(bench, 4, 3);
    assert_int_equal(bench->dial.count, 1);
    assert_int_equal(bench->dial.state, WEIR_DIAL_CONNECTED);
    assert_nothing_starts(bench);
}

static void dial__uses_one_family_when_the_other_could_not_be_asked(void **state)
{
    dial_bench *bench = *state;

    answer_none(bench, 6, WEIR_E_DNS_FAILED);
    answer(bench, 4, 1);
    ends(bench, assert_starts(bench, 4, 1), ECONNREFUSED);
    assert_fails(bench, WEIR_E_CONNECT_REFUSED, ECONNREFUSED);
}

static void dial__says_not_found_only_if_both_say_so(void **state)
{
    static const struct {
        weir_status v4, v6, wanted;
    } cases[] = {
        {WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_NOT_FOUND},
        {WEIR_OK, WEIR_OK, WEIR_E_DNS_NOT_FOUND},
        {WEIR_E_DNS_FAILED, WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_FAILED},
        {WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_FAILED, WEIR_E_DNS_FAILED},
        {WEIR_E_DNS_FAILED, WEIR_E_DNS_FAILED, WEIR_E_DNS_FAILED},
        {WEIR_E_NOMEM, WEIR_E_DNS_NOT_FOUND, WEIR_E_NOMEM},
    };
    dial_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        weir_dial_begin(&bench->dial, PORT, 0, 0, bench->now_ns);
        answer_none(bench, 6, cases[i].v6);
        assert_int_equal(bench->dial.state, WEIR_DIAL_RESOLVING);
        answer_none(bench, 4, cases[i].v4);
        assert_fails(bench, cases[i].wanted, 0);
        assert_int_equal(bench->dial.failure.phase, WEIR_PHASE_DNS);
    }
}

static void dial__tells_the_first_errno_when_they_differ(void **state)
{
    dial_bench *bench = *state;

    answer(bench, 6, 1);
    answer(bench, 4, 1);
    const size_t first = assert_starts(bench, 6, 1);
    bench->now_ns += 250 * MS;
    ends(bench, assert_starts(bench, 4, 1), ECONNREFUSED);
    ends(bench, first, ENETUNREACH);
    assert_fails(bench, WEIR_E_CONNECT_FAILED, ENETUNREACH);
    assert_int_equal(bench->dial.failure.phase, WEIR_PHASE_CONNECT);
    assert_non_null(bench->dial.failure.what);
}

static void dial__tells_the_status_that_all_attempts_share(void **state)
{
    static const struct {
        int a, b;
        weir_status wanted;
    } cases[] = {
        {ECONNREFUSED, ECONNREFUSED, WEIR_E_CONNECT_REFUSED},
        {ENETUNREACH, ETIMEDOUT, WEIR_E_CONNECT_UNREACHABLE},
        {EMFILE, ENFILE, WEIR_E_DESCRIPTORS},
        {ENOMEM, ENOMEM, WEIR_E_NOMEM},
        {EACCES, EACCES, WEIR_E_CONNECT_FAILED},
    };
    dial_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        weir_dial_begin(&bench->dial, PORT, 0, 0, bench->now_ns);
        answer(bench, 6, 1);
        answer(bench, 4, 1);
        ends(bench, assert_starts(bench, 6, 1), cases[i].a);
        ends(bench, assert_starts(bench, 4, 1), cases[i].b);
        assert_fails(bench, cases[i].wanted, cases[i].a);
    }
}

static void dial__takes_other_delays_but_none_below_10_ms(void **state)
{
    dial_bench *bench = *state;

    weir_dial_begin(&bench->dial, PORT, 100 * MS, 20 * MS, bench->now_ns);
    answer(bench, 4, 2);
    assert_waits(bench, 20 * MS, WEIR_WHY_RESOLUTION_DELAY);
    (void)assert_starts(bench, 4, 1);
    assert_waits(bench, 100 * MS, WEIR_WHY_ATTEMPT_DELAY);
    weir_dial_begin(&bench->dial, PORT, 1, 0, bench->now_ns);
    answer(bench, 6, 2);
    (void)assert_starts(bench, 6, 1);
    assert_waits(bench, 10 * MS, WEIR_WHY_ATTEMPT_DELAY);
}

/* The i-th address of the dial as it stands. */
static void assert_place(const dial_bench *bench, size_t i, uint8_t family, unsigned n)
{
    const weir_address wanted = address(family, n);

    assert_true(i < bench->dial.count);
    assert_int_equal(bench->dial.addresses[i].address.family, family);
    assert_memory_equal(bench->dial.addresses[i].address.octets, wanted.octets, 16);
}

static void dial__puts_last_what_failed_lately(void **state)
{
    dial_bench *bench = *state;
    bool failed[WEIR_DIAL_ADDRESSES] = {false};

    answer(bench, 6, 4); /* 6.1 6.2 6.3 6.4 */
    answer(bench, 4, 2); /* 6.1 4.1 6.2 4.2 6.3 6.4 */
    failed[0] = true;
    failed[1] = true;
    failed[4] = true;
    weir_dial_put_last(&bench->dial, failed);
    assert_place(bench, 0, 6, 2);
    assert_place(bench, 1, 4, 2);
    assert_place(bench, 2, 6, 4);
    assert_place(bench, 3, 4, 1); /* these alternate too, and keep their order */
    assert_place(bench, 4, 6, 1);
    assert_place(bench, 5, 6, 3);
    (void)assert_starts(bench, 6, 2);
}

static void dial__tries_ipv4_first_when_all_of_ipv6_failed_lately(void **state)
{
    dial_bench *bench = *state;
    const bool failed[WEIR_DIAL_ADDRESSES] = {true, false, true, false};

    answer(bench, 6, 2);
    answer(bench, 4, 2);
    weir_dial_put_last(&bench->dial, failed);
    assert_place(bench, 0, 4, 1);
    assert_place(bench, 1, 4, 2);
    assert_place(bench, 2, 6, 1);
    assert_place(bench, 3, 6, 2);
    ends(bench, assert_starts(bench, 4, 1), 111);
    ends(bench, assert_starts(bench, 4, 2), 111);
    ends(bench, assert_starts(bench, 6, 1), 0); /* last is not never */
    assert_int_equal(bench->dial.state, WEIR_DIAL_CONNECTED);
}

static void dial__leaves_what_was_tried_in_its_place(void **state)
{
    dial_bench *bench = *state;
    const bool failed[WEIR_DIAL_ADDRESSES] = {true, true, false};

    answer(bench, 6, 3);
    const size_t running = assert_starts(bench, 6, 1);
    weir_dial_put_last(&bench->dial, failed);
    assert_place(bench, running, 6, 1);
    assert_place(bench, 1, 6, 3);
    assert_place(bench, 2, 6, 2);
    answer(bench, 4, 1); /* comes late, and before what failed */
    assert_place(bench, 1, 4, 1);
    assert_place(bench, 2, 6, 3);
    assert_place(bench, 3, 6, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(dial__starts_nothing_without_an_answer, setup),
        cmocka_unit_test_setup(dial__starts_ipv6_as_soon_as_it_is_answered, setup),
        cmocka_unit_test_setup(dial__gives_ipv6_50_ms_when_ipv4_comes_first, setup),
        cmocka_unit_test_setup(dial__starts_ipv6_when_it_comes_within_the_resolution_delay, setup),
        cmocka_unit_test_setup(dial__ends_the_resolution_delay_when_there_is_no_ipv6, setup),
        cmocka_unit_test_setup(dial__begins_no_delay_for_an_ipv4_answer_without_addresses, setup),
        cmocka_unit_test_setup(dial__reaches_live_ipv4_behind_dead_ipv6, setup),
        cmocka_unit_test_setup(dial__reaches_live_ipv6_behind_dead_ipv4, setup),
        cmocka_unit_test_setup(dial__tries_the_next_at_once_after_a_loss, setup),
        cmocka_unit_test_setup(dial__alternates_families_beginning_with_ipv6, setup),
        cmocka_unit_test_setup(dial__sorts_a_late_answer_among_what_waits, setup),
        cmocka_unit_test_setup(dial__waits_for_the_other_family_when_all_attempts_were_lost, setup),
        cmocka_unit_test_setup(dial__bounds_and_counts_thousands_of_addresses, setup),
        cmocka_unit_test_setup(dial__has_at_most_eight_attempts_under_way, setup),
        cmocka_unit_test_setup(dial__tries_an_address_once, setup),
        cmocka_unit_test_setup(dial__takes_one_answer_of_a_family, setup),
        cmocka_unit_test_setup(dial__ignores_addresses_of_a_family_not_asked, setup),
        cmocka_unit_test_setup(dial__ignores_addresses_of_a_failed_answer, setup),
        cmocka_unit_test_setup(dial__has_one_winner, setup),
        cmocka_unit_test_setup(dial__ignores_an_answer_after_it_connected, setup),
        cmocka_unit_test_setup(dial__uses_one_family_when_the_other_could_not_be_asked, setup),
        cmocka_unit_test_setup(dial__says_not_found_only_if_both_say_so, setup),
        cmocka_unit_test_setup(dial__tells_the_first_errno_when_they_differ, setup),
        cmocka_unit_test_setup(dial__tells_the_status_that_all_attempts_share, setup),
        cmocka_unit_test_setup(dial__takes_other_delays_but_none_below_10_ms, setup),
        cmocka_unit_test_setup(dial__puts_last_what_failed_lately, setup),
        cmocka_unit_test_setup(dial__tries_ipv4_first_when_all_of_ipv6_failed_lately, setup),
        cmocka_unit_test_setup(dial__leaves_what_was_tried_in_its_place, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
