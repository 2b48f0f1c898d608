/* SPDX-License-Identifier: MIT */
/*
 * A slot on its way to READY, without a driver: what needs a look-up and what does not, the phases
 * and their limits, what is remembered, what is told.
 */
#include "dialing_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void dialing__goes_from_name_to_ready(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test:8080/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->port, 8080);
    bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_DNS);
    bench->now_ns += 5 * MS;
    bench_answer(bench, 6, 1);
    bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    const size_t index = bench_starts(bench);
    bench->now_ns += 5 * MS;
    weir_dialing_attempt_ended(bench->dialing, index, 0, bench->now_ns);
    bench_assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
    assert_true(weir_link_is_open(bench->link));
    assert_int_equal(bench->exchange->phase,
                     WEIR_PHASE_CONNECT); /* in the clear there is no handshake */
    assert_int_equal(bench->exchange->phase_ns[WEIR_PHASE_DNS], 5 * MS);
    assert_int_equal(bench->exchange->phase_ns[WEIR_PHASE_CONNECT], 5 * MS);
}

static void dialing__needs_no_look_up_for_numbers(void **state)
{
    static const struct {
        const char *url;
        const char *address;
    } cases[] = {{"http://192.0.2.7/", "192.0.2.7"},
                 {"http://[2001:db8::7]/", "2001:db8::7"},
                 {"http://[fe80::7%25lo]/", "fe80::7"}};
    dialing_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        bench_dial(bench, cases[i].url);
        assert_false(weir_dialing_needs_lookup(bench->dialing));
        bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
        bench_assert_starts_at(bench, cases[i].address);
    }
    assert_int_equal(bench->dialing->dial.addresses[0].address.scope,
                     weir_os_zone_index(WEIR_SPAN("lo")));
}

static void dialing__knows_localhost_by_itself(void **state)
{
    static const char *const urls[] = {"http://localhost/", "http://LocalHost./",
                                       "http://a.localhost/", "http://a.b.localhost./"};
    dialing_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(urls); i++) {
        bench_dial(bench, urls[i]);
        assert_false(weir_dialing_needs_lookup(bench->dialing));
        bench_assert_starts_at(bench, "::1");
        bench->now_ns += 250 * MS;
        bench_assert_starts_at(bench, "127.0.0.1");
    }
    bench_dial(bench, "http://notlocalhost/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
    bench_dial(bench, "http://localhost.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void dialing__goes_where_connect_to_says(void **state)
{
    dialing_bench *bench = *state;

    bench->call.connect_to = WEIR_SPAN("192.0.2.9");
    bench->call.connect_port = 99;
    bench_dial(bench, "http://name.test/");
    assert_false(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->port, 99);
    bench_assert_starts_at(bench, "192.0.2.9");
}

static void dialing__remembers_answers_for_the_next(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 6, 2);
    bench_answer(bench, 4, 1);
    bench->now_ns += 59 * WEIR_NS_PER_SECOND;
    bench_dial(bench, "http://name.test/");
    assert_false(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->dial.count, 3);
    bench->now_ns += WEIR_NS_PER_SECOND;
    bench_dial(bench, "http://name.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void answer_none(dialing_bench *bench, uint8_t family, weir_status status)
{
    const weir_answer none = {.family = family, .status = status};

    weir_dialing_answer(bench->dialing, &none, bench->now_ns);
}

static void dialing__remembers_absence_but_no_failure(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://none.test/");
    answer_none(bench, 6, WEIR_E_DNS_NOT_FOUND);
    answer_none(bench, 4, WEIR_E_DNS_NOT_FOUND);
    bench_assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
    bench_dial(bench, "http://none.test/");
    bench_assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
    bench_dial(bench, "http://broken.test/");
    answer_none(bench, 6, WEIR_E_DNS_FAILED);
    answer_none(bench, 4, WEIR_E_DNS_NOT_FOUND);
    bench_assert_failed(bench, WEIR_E_DNS_FAILED, WEIR_PHASE_DNS);
    bench_dial(bench, "http://broken.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void dialing__fails_with_the_limit_of_its_phase(void **state)
{
    dialing_bench *bench = *state;
    const weir_time begun_ns = bench->now_ns;

    bench->call.dns_ns = 700 * MS;
    bench->call.connect_ns = 900 * MS;
    bench_dial(bench, "http://name.test/");
    bench_expire(bench, WEIR_WHY_DNS);
    assert_int_equal(bench->now_ns, begun_ns + 700 * MS);
    bench_assert_failed(bench, WEIR_E_DEADLINE_DNS, WEIR_PHASE_DNS);
    bench_dial(bench, "http://192.0.2.1/");
    const weir_time connecting_ns = bench->now_ns;
    (void)bench_starts(bench);
    bench_expire(bench, WEIR_WHY_CONNECT);
    assert_int_equal(bench->now_ns, connecting_ns + 900 * MS);
    bench_assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

/* IPv4 is answered, IPv6 never: once the resolution delay is over, what takes time is the connect.
 */
static void dialing__leaves_the_look_up_with_the_resolution_delay(void **state)
{
    dialing_bench *bench = *state;

    bench->call.dns_ns = 300 * MS;
    bench->call.connect_ns = 400 * MS;
    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 4, 1);
    bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_DNS);
    bench_expire(bench, WEIR_WHY_RESOLUTION_DELAY);
    (void)bench_starts(bench);
    const weir_time connecting_ns = bench->now_ns;
    bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    bench_expire(bench, WEIR_WHY_CONNECT);
    assert_int_equal(bench->now_ns, connecting_ns + 400 * MS);
    bench_assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

static void dialing__names_the_attempt_delay_while_addresses_wait(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 6, 2);
    (void)bench_starts(bench);
    bench_expire(bench, WEIR_WHY_ATTEMPT_DELAY);
    bench_assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    (void)bench_starts(bench);
}

static void dialing__starts_nothing_after_it_failed(void **state)
{
    dialing_bench *bench = *state;
    size_t index = 0;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 6, 2);
    (void)bench_starts(bench);
    bench->now_ns += 3600 * WEIR_NS_PER_SECOND;
    weir_dialing_expire(bench->dialing, bench->now_ns);
    assert_false(weir_dialing_next(bench->dialing, bench->now_ns, &index));
    bench_assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

static void dialing__tells_each_step_and_each_address(void **state)
{
    static const weir_event_kind wanted[] = {WEIR_EVENT_DNS_STARTED,     WEIR_EVENT_DNS_DONE,
                                             WEIR_EVENT_CONNECT_STARTED, WEIR_EVENT_CONNECT_DONE,
                                             WEIR_EVENT_CONNECT_STARTED, WEIR_EVENT_DNS_DONE,
                                             WEIR_EVENT_CONNECT_DONE};
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    bench_answer(bench, 6, 2);
    const size_t lost = bench_starts(bench);
    weir_dialing_attempt_ended(bench->dialing, lost, ECONNREFUSED, bench->now_ns);
    const size_t won = bench_starts(bench);
    bench_answer(bench, 4, 1);
    weir_dialing_attempt_ended(bench->dialing, won, 0, bench->now_ns);
    weir_events_tell(&bench->exchange->events);
    size_t first = 0;
    while (first < bench->told_count && bench->told[first] != WEIR_EVENT_DNS_STARTED) {
        first++;
    }
    assert_int_equal(bench->told_count - first, WEIR_COUNT_OF(wanted));
    for (size_t i = 0; i < WEIR_COUNT_OF(wanted); i++) {
        assert_int_equal(bench->told[first + i], wanted[i]);
    }
    assert_string_equal(bench->address[first + 2], "a00:1::");
    assert_string_equal(bench->address[first + 6], "a00:2::");
}

static void dialing__goes_on_without_the_call_that_caused_it(void **state)
{
    dialing_bench *bench = *state;

    bench_dial(bench, "http://name.test/");
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    bench->now_ns += 5 * MS;
    bench_answer(bench, 6, 1);
    assert_int_equal(bench->exchange->phase, WEIR_PHASE_DNS); /* it is not told any more */
    bench->now_ns += 5 * MS;
    weir_dialing_adopt(bench->dialing, bench->exchange, bench->now_ns);
    assert_int_equal(bench->exchange->phase, WEIR_PHASE_CONNECT);
    weir_dialing_attempt_ended(bench->dialing, bench_starts(bench), 0, bench->now_ns);
    bench_assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
}

static void assert_limit(dialing_bench *bench, weir_time wanted_ns)
{
    weir_why why = WEIR_WHY_NONE;

    assert_int_equal(weir_dialing_deadline(bench->dialing, &why), wanted_ns);
}

static void dialing__has_the_limits_of_who_it_goes_on_for(void **state)
{
    dialing_bench *bench = *state;
    const weir_time begun_ns = bench->now_ns;

    bench->call.dns_ns = 3 * MS;
    bench->call.connect_ns = 4 * MS;
    bench_dial(bench, "http://name.test/");
    assert_limit(bench, begun_ns + 3 * MS);
    bench->now_ns += MS;
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    assert_limit(bench, begun_ns + WEIR_DNS_DEFAULT_NS);
    weir_dialing_adopt(bench->dialing, bench->exchange, bench->now_ns);
    assert_limit(bench, begun_ns + 3 * MS);
    bench->now_ns += MS;
    bench_answer(bench, 4, 0);
    bench_answer(bench, 6, 1);
    (void)bench_starts(bench);
    assert_limit(bench, begun_ns + 6 * MS);
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    assert_limit(bench, begun_ns + 2 * MS + WEIR_CONNECT_DEFAULT_NS);
}

/* A connection that is made before anybody asked for it. */
static void dialing__of_nobody_has_the_default_limits(void **state)
{
    dialing_bench *bench = *state;
    const weir_time begun_ns = bench->now_ns;

    bench->call.dns_ns = WEIR_NEVER;
    bench_dial(bench, "http://name.test/");
    weir_dialing_free(bench->dialing);
    bench->dialing = weir_dialing_new(&bench->core, bench->link, NULL, bench->now_ns);
    assert_non_null(bench->dialing);
    assert_limit(bench, begun_ns + WEIR_DNS_DEFAULT_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(dialing__goes_from_name_to_ready),
        BENCHED(dialing__needs_no_look_up_for_numbers),
        BENCHED(dialing__knows_localhost_by_itself),
        BENCHED(dialing__goes_where_connect_to_says),
        BENCHED(dialing__remembers_answers_for_the_next),
        BENCHED(dialing__remembers_absence_but_no_failure),
        BENCHED(dialing__fails_with_the_limit_of_its_phase),
        BENCHED(dialing__leaves_the_look_up_with_the_resolution_delay),
        BENCHED(dialing__names_the_attempt_delay_while_addresses_wait),
        BENCHED(dialing__starts_nothing_after_it_failed),
        BENCHED(dialing__tells_each_step_and_each_address),
        BENCHED(dialing__goes_on_without_the_call_that_caused_it),
        BENCHED(dialing__has_the_limits_of_who_it_goes_on_for),
        BENCHED(dialing__of_nobody_has_the_default_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
