/* SPDX-License-Identifier: MIT */
/*
 * A slot on its way to READY, without a driver: what needs a look-up and what does not, the phases
 * and their limits, what is remembered, what is told.
 */
#include "engine/dialing.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define MS         WEIR_NS_PER_MS
#define TOLD_LIMIT 64

typedef struct dialing_bench {
    weir_failalloc memory;
    weir_core core;
    weir_observer observer;
    weir_exchange *exchange;
    weir_slot *slot;
    weir_bin bin;
    weir_link *link;
    weir_dialing *dialing;
    weir_time now_ns;
    weir_call call;
    weir_event_kind told[TOLD_LIMIT];
    char address[TOLD_LIMIT][WEIR_ADDRESS_TEXT_OCTETS];
    size_t told_count;
} dialing_bench;

static void tell(const weir_event *event, void *user)
{
    dialing_bench *bench = user;

    assert_true(bench->told_count < TOLD_LIMIT);
    if (event->address != NULL) {
        (void)snprintf(bench->address[bench->told_count], WEIR_ADDRESS_TEXT_OCTETS, "%s",
                       event->address);
    }
    bench->told[bench->told_count++] = event->kind;
}

static int setup(void **state)
{
    static dialing_bench bench;
    weir_shared_options shared_options = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_E_STATE;

    memset(&bench, 0, sizeof(bench));
    bench.now_ns = 1000 * MS;
    weir_failalloc_init(&bench.memory, 0);
    weir_bin_init(&bench.bin, &bench.memory.allocator, 0);
    bench.observer = (weir_observer){.size = sizeof(weir_observer), .user = &bench, .tell = tell};
    bench.call = (weir_call)WEIR_CALL_INIT;
    bench.call.observer = &bench.observer;
    shared_options.allocator = &bench.memory.allocator;
    weir_shared *shared = weir_shared_new(&shared_options, &status);
    assert_non_null(shared);
    const weir_core_options options = {
        .allocator = &bench.memory.allocator, .shared = shared, .seed = 1};
    assert_int_equal(weir_core_init(&bench.core, &options), WEIR_OK);
    weir_shared_release(shared);
    *state = &bench;
    return 0;
}

/* Ends the dial and the exchange that caused it. */
static void end(dialing_bench *bench)
{
    weir_action action;

    if (bench->exchange == NULL) {
        return;
    }
    weir_dialing_free(bench->dialing);
    weir_link_free(bench->link);
    weir_core_leave(&bench->core, bench->exchange, bench->now_ns);
    weir_pool_gone(bench->core.pool, bench->slot, bench->now_ns);
    while (weir_pool_next_action(bench->core.pool, &action)) {
    }
    weir_events_clear(&bench->exchange->events);
    weir_exchange_destroy(bench->exchange);
    bench->exchange = NULL;
}

static int teardown(void **state)
{
    dialing_bench *bench = *state;

    end(bench);
    weir_bin_clear(&bench->bin);
    weir_core_clear(&bench->core);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

/* A dial that a call to this URL caused. */
static void dial(dialing_bench *bench, const char *url)
{
    const weir_exchange_options options = {.allocator = &bench->memory.allocator,
                                           .now_ns = bench->now_ns};
    weir_request request = WEIR_REQUEST_INIT;
    weir_status status = WEIR_E_STATE;
    weir_action action;

    end(bench);
    request.url = (weir_span){(const uint8_t *)url, strlen(url)};
    bench->exchange = weir_exchange_new(&options, &request, &bench->call, &status);
    assert_non_null(bench->exchange);
    assert_int_equal(status, WEIR_OK);
    weir_core_place(&bench->core, bench->exchange, bench->now_ns);
    assert_true(weir_pool_next_action(bench->core.pool, &action));
    assert_int_equal(action.kind, WEIR_ACTION_DIAL);
    bench->slot = action.slot;
    bench->link = weir_core_link(&bench->core, action.slot, &bench->bin, bench->exchange, &status);
    assert_non_null(bench->link);
    bench->dialing = weir_dialing_new(&bench->core, bench->link, bench->exchange, bench->now_ns);
    assert_non_null(bench->dialing);
}

static weir_address address(uint8_t family, uint8_t n)
{
    weir_address made = {.family = family, .octets = {10, 0, 0, n}, .ttl_seconds = 60};

    return made;
}

static void answer(dialing_bench *bench, uint8_t family, uint8_t count)
{
    weir_address addresses[8];

    for (uint8_t i = 0; i < count; i++) {
        addresses[i] = address(family, (uint8_t)(i + 1));
    }
    weir_dialing_answer(bench->dialing, family, WEIR_OK, addresses, count, bench->now_ns);
}

static size_t starts(dialing_bench *bench)
{
    size_t index = 0;

    assert_true(weir_dialing_next(bench->dialing, bench->now_ns, &index));
    return index;
}

static void assert_starts_at(dialing_bench *bench, const char *wanted)
{
    const size_t index = starts(bench);
    char text[WEIR_ADDRESS_TEXT_OCTETS];

    weir_os_address_text(&bench->dialing->dial.addresses[index].address, text, sizeof(text));
    assert_string_equal(text, wanted);
}

static void assert_stands(dialing_bench *bench, weir_dialing_outcome outcome, weir_phase phase)
{
    assert_int_equal(weir_dialing_outcome_of(bench->dialing, bench->now_ns), outcome);
    assert_int_equal(bench->dialing->phase, phase);
}

static void assert_failed(dialing_bench *bench, weir_status status, weir_phase phase)
{
    assert_stands(bench, WEIR_DIALING_FAILED, phase);
    assert_int_equal(bench->dialing->failure.status, status);
    assert_int_equal(bench->dialing->failure.phase, phase);
}

/* The clock goes to the next deadline, which has this reason. */
static void expire(dialing_bench *bench, weir_why wanted)
{
    weir_why why = WEIR_WHY_NONE;

    bench->now_ns = weir_dialing_deadline(bench->dialing, &why);
    assert_int_equal(why, wanted);
    assert_int_not_equal(bench->now_ns, WEIR_NEVER);
    weir_dialing_expire(bench->dialing, bench->now_ns);
}

static void dialing__goes_from_name_to_ready(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://name.test:8080/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->port, 8080);
    assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_DNS);
    bench->now_ns += 5 * MS;
    answer(bench, 6, 1);
    assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    const size_t index = starts(bench);
    bench->now_ns += 5 * MS;
    weir_dialing_attempt_ended(bench->dialing, index, 0, bench->now_ns);
    assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
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
        dial(bench, cases[i].url);
        assert_false(weir_dialing_needs_lookup(bench->dialing));
        assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
        assert_starts_at(bench, cases[i].address);
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
        dial(bench, urls[i]);
        assert_false(weir_dialing_needs_lookup(bench->dialing));
        assert_starts_at(bench, "::1");
        bench->now_ns += 250 * MS;
        assert_starts_at(bench, "127.0.0.1");
    }
    dial(bench, "http://notlocalhost/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
    dial(bench, "http://localhost.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void dialing__goes_where_connect_to_says(void **state)
{
    dialing_bench *bench = *state;

    bench->call.connect_to = WEIR_SPAN("192.0.2.9");
    bench->call.connect_port = 99;
    dial(bench, "http://name.test/");
    assert_false(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->port, 99);
    assert_starts_at(bench, "192.0.2.9");
}

static void dialing__finds_no_name_that_cannot_be_one(void **state)
{
    static char name[1000];
    dialing_bench *bench = *state;

    memset(name, 'a', sizeof(name));
    bench->call.connect_to = (weir_span){(const uint8_t *)name, sizeof(name)};
    dial(bench, "http://name.test/");
    assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
    bench->call.connect_to = WEIR_SPAN("192.0.2.9\0.test");
    dial(bench, "http://name.test/");
    assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
}

static void dialing__remembers_answers_for_the_next(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://name.test/");
    answer(bench, 6, 2);
    answer(bench, 4, 1);
    bench->now_ns += 59 * WEIR_NS_PER_SECOND;
    dial(bench, "http://name.test/");
    assert_false(weir_dialing_needs_lookup(bench->dialing));
    assert_int_equal(bench->dialing->dial.count, 3);
    bench->now_ns += WEIR_NS_PER_SECOND;
    dial(bench, "http://name.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void dialing__remembers_absence_but_no_failure(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://none.test/");
    weir_dialing_answer(bench->dialing, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0, bench->now_ns);
    weir_dialing_answer(bench->dialing, 4, WEIR_E_DNS_NOT_FOUND, NULL, 0, bench->now_ns);
    assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
    dial(bench, "http://none.test/");
    assert_failed(bench, WEIR_E_DNS_NOT_FOUND, WEIR_PHASE_DNS);
    dial(bench, "http://broken.test/");
    weir_dialing_answer(bench->dialing, 6, WEIR_E_DNS_FAILED, NULL, 0, bench->now_ns);
    weir_dialing_answer(bench->dialing, 4, WEIR_E_DNS_NOT_FOUND, NULL, 0, bench->now_ns);
    assert_failed(bench, WEIR_E_DNS_FAILED, WEIR_PHASE_DNS);
    dial(bench, "http://broken.test/");
    assert_true(weir_dialing_needs_lookup(bench->dialing));
}

static void dialing__fails_with_the_limit_of_its_phase(void **state)
{
    dialing_bench *bench = *state;
    const weir_time begun_ns = bench->now_ns;

    bench->call.dns_ns = 700 * MS;
    bench->call.connect_ns = 900 * MS;
    dial(bench, "http://name.test/");
    expire(bench, WEIR_WHY_DNS);
    assert_int_equal(bench->now_ns, begun_ns + 700 * MS);
    assert_failed(bench, WEIR_E_DEADLINE_DNS, WEIR_PHASE_DNS);
    dial(bench, "http://192.0.2.1/");
    const weir_time connecting_ns = bench->now_ns;
    (void)starts(bench);
    expire(bench, WEIR_WHY_CONNECT);
    assert_int_equal(bench->now_ns, connecting_ns + 900 * MS);
    assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

/* IPv4 is answered, IPv6 never: once the resolution delay is over, what takes time is the connect.
 */
static void dialing__leaves_the_look_up_with_the_resolution_delay(void **state)
{
    dialing_bench *bench = *state;

    bench->call.dns_ns = 300 * MS;
    bench->call.connect_ns = 400 * MS;
    dial(bench, "http://name.test/");
    answer(bench, 4, 1);
    assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_DNS);
    expire(bench, WEIR_WHY_RESOLUTION_DELAY);
    (void)starts(bench);
    const weir_time connecting_ns = bench->now_ns;
    assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    expire(bench, WEIR_WHY_CONNECT);
    assert_int_equal(bench->now_ns, connecting_ns + 400 * MS);
    assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

static void dialing__names_the_attempt_delay_while_addresses_wait(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://name.test/");
    answer(bench, 6, 2);
    (void)starts(bench);
    expire(bench, WEIR_WHY_ATTEMPT_DELAY);
    assert_stands(bench, WEIR_DIALING_GOING, WEIR_PHASE_CONNECT);
    (void)starts(bench);
}

static void dialing__starts_nothing_after_it_failed(void **state)
{
    dialing_bench *bench = *state;
    size_t index = 0;

    dial(bench, "http://name.test/");
    answer(bench, 6, 2);
    (void)starts(bench);
    bench->now_ns += 3600 * WEIR_NS_PER_SECOND;
    weir_dialing_expire(bench->dialing, bench->now_ns);
    assert_false(weir_dialing_next(bench->dialing, bench->now_ns, &index));
    assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
}

static void dialing__tells_each_step_and_each_address(void **state)
{
    static const weir_event_kind wanted[] = {WEIR_EVENT_DNS_STARTED,     WEIR_EVENT_DNS_DONE,
                                             WEIR_EVENT_CONNECT_STARTED, WEIR_EVENT_CONNECT_DONE,
                                             WEIR_EVENT_CONNECT_STARTED, WEIR_EVENT_DNS_DONE,
                                             WEIR_EVENT_CONNECT_DONE};
    dialing_bench *bench = *state;

    dial(bench, "http://name.test/");
    answer(bench, 6, 2);
    const size_t lost = starts(bench);
    weir_dialing_attempt_ended(bench->dialing, lost, ECONNREFUSED, bench->now_ns);
    const size_t won = starts(bench);
    answer(bench, 4, 1);
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

    dial(bench, "http://name.test/");
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    bench->now_ns += 5 * MS;
    answer(bench, 6, 1);
    assert_int_equal(bench->exchange->phase, WEIR_PHASE_DNS); /* it is not told any more */
    bench->now_ns += 5 * MS;
    weir_dialing_adopt(bench->dialing, bench->exchange, bench->now_ns);
    assert_int_equal(bench->exchange->phase, WEIR_PHASE_CONNECT);
    weir_dialing_attempt_ended(bench->dialing, starts(bench), 0, bench->now_ns);
    assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
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
    dial(bench, "http://name.test/");
    assert_limit(bench, begun_ns + 3 * MS);
    bench->now_ns += MS;
    weir_dialing_orphan(bench->dialing, bench->now_ns);
    assert_limit(bench, begun_ns + WEIR_DNS_DEFAULT_NS);
    weir_dialing_adopt(bench->dialing, bench->exchange, bench->now_ns);
    assert_limit(bench, begun_ns + 3 * MS);
    bench->now_ns += MS;
    answer(bench, 4, 0);
    answer(bench, 6, 1);
    (void)starts(bench);
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
    dial(bench, "http://name.test/");
    weir_dialing_free(bench->dialing);
    bench->dialing = weir_dialing_new(&bench->core, bench->link, NULL, bench->now_ns);
    assert_non_null(bench->dialing);
    assert_limit(bench, begun_ns + WEIR_DNS_DEFAULT_NS);
}

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

    dial(bench, "http://name.test:8080/");
    answer(bench, 6, 3);
    answer(bench, 4, 3);
    const size_t lost = starts(bench);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 0);
    bench->now_ns += 5 * MS;
    weir_dialing_attempt_ended(bench->dialing, lost, ECONNREFUSED, bench->now_ns);
    (void)starts(bench);
    bench->now_ns += 250 * MS;
    const size_t won = starts(bench);
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
    dial(bench, "http://name.test/");
    answer(bench, 4, 0);
    answer(bench, 6, 1);
    (void)starts(bench);
    expire(bench, WEIR_WHY_CONNECT);
    assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 1);
    assert_true(attempt_at(bench, 0).unfinished);
    assert_int_equal(attempt_at(bench, 0).took_ns, 300 * MS);
}

/* Each has what was tried up to when it left, and nothing twice. */
static void dialing__leaves_its_attempts_to_who_leaves_and_to_who_takes_over(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://name.test/");
    answer(bench, 4, 0);
    answer(bench, 6, 1);
    const size_t index = starts(bench);
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

    dial(bench, "http://name.test/");
    answer(bench, 4, 0);
    for (uint8_t i = 0; i < 20; i++) {
        addresses[i] = address(6, (uint8_t)(i + 1));
    }
    weir_dialing_answer(bench->dialing, 6, WEIR_OK, addresses, 20, bench->now_ns);
    for (size_t i = 0; i < 19; i++) {
        weir_dialing_attempt_ended(bench->dialing, starts(bench), EHOSTUNREACH, bench->now_ns);
    }
    weir_dialing_attempt_ended(bench->dialing, starts(bench), 0, bench->now_ns);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 16);
    assert_int_equal(weir_exchange_connect_attempts_left_out(bench->exchange), 4);
    assert_int_equal(attempt_at(bench, 14).sys_errno, EHOSTUNREACH);
    assert_string_equal(attempt_at(bench, 15).address, "a00:14::");
    assert_true(attempt_at(bench, 15).won);
}

static void dialing__goes_on_when_there_is_no_memory_for_its_attempts(void **state)
{
    dialing_bench *bench = *state;

    dial(bench, "http://name.test/");
    answer(bench, 4, 0);
    answer(bench, 6, 2);
    const size_t index = starts(bench);
    bench->memory.fail_at = bench->memory.calls + 1;
    weir_dialing_attempt_ended(bench->dialing, index, 0, bench->now_ns);
    assert_int_equal(bench->memory.failures, 1);
    assert_stands(bench, WEIR_DIALING_READY, WEIR_PHASE_TLS);
    assert_int_equal(weir_exchange_connect_attempt_count(bench->exchange), 0);
    assert_int_equal(weir_exchange_connect_attempts_left_out(bench->exchange), 0);
}

static void dialing__names_the_zone_of_an_address(void **state)
{
    dialing_bench *bench = *state;
    char wanted[WEIR_CONNECT_ADDRESS_OCTETS];

    dial(bench, "http://[fe80::7%25lo]/");
    weir_dialing_attempt_ended(bench->dialing, starts(bench), ENETUNREACH, bench->now_ns);
    (void)snprintf(wanted, sizeof(wanted), "fe80::7%%%u",
                   (unsigned)weir_os_zone_index(WEIR_SPAN("lo")));
    assert_string_equal(attempt_at(bench, 0).address, wanted);
}

/* The first address of a dial to name.test, of 6.1, 6.2 and 4.1, which is then lost as `sys_errno`
 * says or won (0). */
static void assert_first(dialing_bench *bench, const char *wanted, int sys_errno)
{
    dial(bench, "http://name.test/");
    if (weir_dialing_needs_lookup(bench->dialing)) {
        answer(bench, 6, 2);
        answer(bench, 4, 1);
    }
    const size_t index = starts(bench);
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
    dial(bench, "http://name.test/");
    answer(bench, 6, 2);
    answer(bench, 4, 1);
    assert_starts_at(bench, "a00:1::");
    bench->now_ns += 250 * MS;
    assert_starts_at(bench, "10.0.0.1"); /* has 50 ms: no time to answer */
    expire(bench, WEIR_WHY_CONNECT);
    assert_failed(bench, WEIR_E_DEADLINE_CONNECT, WEIR_PHASE_CONNECT);
    assert_first(bench, "a00:2::", ECONNREFUSED);
    assert_first(bench, "10.0.0.1", 0);
}

/* What is refused at one port says nothing of another. */
static void dialing__keeps_losses_of_ports_apart(void **state)
{
    dialing_bench *bench = *state;

    assert_first(bench, "a00:1::", ECONNREFUSED);
    dial(bench, "http://name.test:8080/");
    assert_starts_at(bench, "a00:1::");
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(dialing__goes_from_name_to_ready),
        BENCHED(dialing__needs_no_look_up_for_numbers),
        BENCHED(dialing__knows_localhost_by_itself),
        BENCHED(dialing__goes_where_connect_to_says),
        BENCHED(dialing__finds_no_name_that_cannot_be_one),
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
