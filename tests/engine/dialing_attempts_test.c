/* SPDX-License-Identifier: MIT */
/*
 * What comes of each address that a dial tries: what the call is left with, who keeps it when the
 * dial changes hands, and which addresses are tried last because others lost there lately.
 */
#include "dialing_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static weir_connect_attempt attempt_at(const dialing_bench *bench, size_t i)
{
    weir_connect_attempt attempt = WEIR_CONNECT_ATTEMPT_INIT;

    assert_true(weir_exchange_connect_attempt_at(bench->exchange, i, &attempt));
    assert_int_equal(attempt.conn, bench->link->id);
    assert_int_equal(attempt.port, bench->dialing->port);
    return attempt;
}

static void dialing__leaves_the_call_what_came_of_each_address(void **state)
{
    dialing_bench *bench = *state;
    const weir_time begun_ns = bench->now_ns;

    bench_dial(bench, "http://name.test:8080/");
    bench_answer(bench, 6, 3);
    bench_answer(bench, 4, 3);
    const size_t lost = bench_starts(bench);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 0);
    bench->now_ns += 5 * MS;
    weir_dialing_attempt_ended(bench->dialing, lost, ECONNREFUSED, bench->now_ns);
    (void)bench_starts(bench);
    bench->now_ns += 250 * MS;
    const size_t won = bench_starts(bench);
    bench->now_ns += 2 * MS;
    weir_dialing_attempt_ended(bench->dialing, won, 0, bench->now_ns);

    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 3);
    assert_int_equal(weir_exchange_connect_attempts_left_out(bench->exchange), 0);
    const weir_connect_attempt first = attempt_at(bench, 0);
    assert_string_equal(first.address, "a00:1::");
    assert_int_equal(first.family, 6);
    assert_int_equal(first.sys_errno, ECONNREFUSED);
    assert_int_equal(first.began_ns, begun_ns);
    assert_int_equal(first.took_ns, 5 * MS);
    assert_false(first.won || first.unfinished);
    const weir_connect_attempt second = attempt_at(bench, 1);
    assert_string_equal(second.address, "10.0.0.1");
    assert_int_equal(second.family, 4);
    assert_true(second.unfinished);
    assert_false(second.won);
    assert_int_equal(second.sys_errno, 0);
    assert_int_equal(second.took_ns, 252 * MS);
    const weir_connect_attempt third = attempt_at(bench, 2);
    assert_string_equal(third.address, "a00:2::");
    assert_true(third.won);
    assert_false(third.unfinished);
    assert_int_equal(third.took_ns, 2 * MS);
    weir_connect_attempt none = WEIR_CONNECT_ATTEMPT_INIT;
    assert_false(weir_exchange_connect_attempt_at(bench->exchange, 3, &none));
}

static void dialing__says_of_what_ran_at_its_limit_that_it_is_unfinished(void **state)
{
    dialing_bench *bench = *state;

    bench->call.connect_ns = 300 * MS;
    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 4, 0);
    bench_answer(bench, 6, 1);
    (void)bench_starts(bench);
    bench_expire(bench, WEIR_WHY_CONNECT);
    bench_assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 1);
    assert_true(attempt_at(bench, 0).unfinished);
    assert_int_equal(attempt_at(bench, 0).took_ns, 300 * MS);
}

/* Each has what was tried up to when it left, and nothing twice. */
static void dialing__leaves_its_attempts_to_who_leaves_and_to_who_takes_over(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 4, 0);
    bench_answer(bench, 6, 1);
    const size_t index = bench_starts(bench);
    bench->now_ns += MS;
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 1);
    assert_true(attempt_at(bench, 0).unfinished);
    bench->now_ns += MS;
    weir_dialing_attempt_ended(bench->dialing, index, 0, bench->now_ns); /* nobody is told */
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 1);
    weir_dialing_adopt(bench->dialing, bench->exchange, bench->now_ns);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 2);
    assert_true(attempt_at(bench, 1).won);
    assert_int_equal(attempt_at(bench, 1).took_ns, 2 * MS);
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 2);
}

static void dialing__keeps_sixteen_attempts_and_the_one_that_won(void **state)
{
    dialing_bench *bench = *state;
    weir_address addresses[20];

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 4, 0);
    for (uint8_t i = 0; i < 20; i++) {
        addresses[i] = bench_address(6, (uint8_t)(i + 1));
    }
    const weir_answer answer = {.family = 6, .addresses = addresses, .count = 20};
    weir_dialing_answer(bench->dialing, &answer, bench->now_ns);
    for (size_t i = 0; i < 19; i++) {
        weir_dialing_attempt_ended(bench->dialing, bench_starts(bench), EHOSTUNREACH,
                                   bench->now_ns);
    }
    weir_dialing_attempt_ended(bench->dialing, bench_starts(bench), 0, bench->now_ns);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 16);
    assert_int_equal(weir_exchange_connect_attempts_left_out(bench->exchange), 4);
    assert_int_equal(attempt_at(bench, 14).sys_errno, EHOSTUNREACH);
    assert_string_equal(attempt_at(bench, 15).address, "a00:14::");
    assert_true(attempt_at(bench, 15).won);
}

static void dialing__goes_on_when_there_is_no_memory_for_its_attempts(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 4, 0);
    bench_answer(bench, 6, 2);
    const size_t index = bench_starts(bench);
    bench->memory.fail_at = bench->memory.calls + 1;
    weir_dialing_attempt_ended(bench->dialing, index, 0, bench->now_ns);
    assert_int_equal(bench->memory.failures, 1);
    bench_assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 0);
    assert_int_equal(weir_exchange_connect_attempts_left_out(bench->exchange), 0);
}

static void dialing__names_the_zone_of_an_address(void **state)
{
    dialing_bench *bench = *state;
    char wanted[WEIR_CONNECT_ADDRESS_OCTETS];

    bench_dial(bench, "http://[fe80::7%25lo]/");
    weir_dialing_attempt_ended(bench->dialing, bench_starts(bench), ENETUNREACH, bench->now_ns);
    (void)snprintf(wanted, sizeof(wanted), "fe80::7%%%u",
                   (unsigned)weir_os_zone_index(WEIR_SPAN("lo")));
    assert_string_equal(attempt_at(bench, 0).address, wanted);
}

/* The first address of a dial to name.test, of 6.1, 6.2 and 4.1, which is then lost as `sys_errno`
 * says or won (0). */
static void assert_first(dialing_bench *bench, const char *wanted, int sys_errno)
{
    bench_dial(bench, "http://name.test/");
    if (weir_dialing_needs_lookup(bench->dialing)) {
        bench_answer(bench, 6, 2);
        bench_answer(bench, 4, 1);
    }
    const size_t index = bench_starts(bench);
    char text[WEIR_ADDRESS_TEXT_OCTETS];
    weir_os_address_text(&bench->dialing->dial.addresses[index].address, text, sizeof(text));
    assert_string_equal(text, wanted);
    weir_dialing_attempt_ended(bench->dialing, index, sys_errno, bench->now_ns);
}

static void dialing__tries_last_what_others_lost_lately(void **state)
{
    dialing_bench *bench = *state;
    const weir_time lost_ns = bench->now_ns;

    assert_first(bench, "a00:1::", EMFILE); /* says nothing of the address */
    assert_first(bench, "a00:1::", ECONNREFUSED);
    assert_first(bench, "a00:2::", EHOSTUNREACH);
    assert_first(bench, "10.0.0.1", ETIMEDOUT);
    bench->now_ns = lost_ns + WEIR_SHUNNED_NS / 2;
    assert_first(bench, "a00:1::", ECONNREFUSED); /* all have failed: as if none had */
    assert_first(bench, "a00:1::", 0);
    bench->now_ns = lost_ns + WEIR_SHUNNED_NS;
    assert_first(bench,
                 "a00:1::", ECONNREFUSED); /* of it nothing is held against it since it answered */
    assert_first(bench, "a00:2::", 0);     /* of this since it is long ago */
}

static void dialing__forgets_losses_when_the_network_changed(void **state)
{
    dialing_bench *bench = *state;

    assert_first(bench, "a00:1::", ECONNREFUSED);
    assert_first(bench, "a00:2::", EMFILE);
    weir_core_network_changed(&bench->core, bench->now_ns);
    assert_first(bench, "a00:1::", 0);
}

static void dialing__takes_silence_until_its_limit_for_a_loss(void **state)
{
    dialing_bench *bench = *state;

    bench->call.connect_ns = 300 * MS;
    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 6, 2);
    bench_answer(bench, 4, 1);
    bench_assert_starts_at(bench, "a00:1::");
    bench->now_ns += 250 * MS;
    bench_assert_starts_at(bench, "10.0.0.1"); /* has 50 ms: no time to answer */
    bench_expire(bench, WEIR_WHY_CONNECT);
    bench_assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
    assert_first(bench, "a00:2::", ECONNREFUSED);
    assert_first(bench, "10.0.0.1", 0);
}

/* What is refused at one port says nothing of another. */
static void dialing__keeps_losses_of_ports_apart(void **state)
{
    dialing_bench *bench = *state;

    assert_first(bench, "a00:1::", ECONNREFUSED);
    bench_dial(bench, "http://name.test:8080/");
    bench_assert_starts_at(bench, "a00:1::");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(dialing__leaves_the_call_what_came_of_each_address),
        BENCHED(dialing__says_of_what_ran_at_its_limit_that_it_is_unfinished),
        BENCHED(dialing__leaves_its_attempts_to_who_leaves_and_to_who_takes_over),
        BENCHED(dialing__keeps_sixteen_attempts_and_the_one_that_won),
        BENCHED(dialing__goes_on_when_there_is_no_memory_for_its_attempts),
        BENCHED(dialing__names_the_zone_of_an_address),
        BENCHED(dialing__tries_last_what_others_lost_lately),
        BENCHED(dialing__forgets_losses_when_the_network_changed),
        BENCHED(dialing__takes_silence_until_its_limit_for_a_loss),
        BENCHED(dialing__keeps_losses_of_ports_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
