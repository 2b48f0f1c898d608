/* SPDX-License-Identifier: MIT */
/*
 * The bench of dialing*_test.c; see dialing_bench.h.
 */
#include "dialing_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

static void tell(const weir_event *event, void *user)
{
    dialing_bench *bench = user;

    assert_true(bench->told_count < TOLD_LIMIT);
    if (event->address != NULL) {
        (void)snprintf(bench->address[bench->told_count], WEIR_ADDRESS_TEXT_OCTETS, "%s",
                       event->address);
    }
    if (event->kind == WEIR_EVENT_DNS_DONE || event->kind == WEIR_EVENT_CONNECT_DONE) {
        assert_int_equal(event->failure.tls_alert, -1);
        assert_true(event->failure.offset == WEIR_UNKNOWN);
    }
    bench->told[bench->told_count++] = event->kind;
}

int bench_setup(void **state)
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

void bench_end(dialing_bench *bench)
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

int bench_teardown(void **state)
{
    dialing_bench *bench = *state;

    bench_end(bench);
    weir_bin_clear(&bench->bin);
    weir_core_clear(&bench->core);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

void bench_dial(dialing_bench *bench, const char *url)
{
    const weir_exchange_options options = {.allocator = &bench->memory.allocator,
                                           .now_ns = bench->now_ns};
    weir_request request = WEIR_REQUEST_INIT;
    weir_status status = WEIR_E_STATE;
    weir_action action;

    bench_end(bench);
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

weir_address bench_address(uint8_t family, uint8_t n)
{
    weir_address made = {.family = family, .octets = {10, 0, 0, n}, .ttl_seconds = 60};

    return made;
}

void bench_answer(dialing_bench *bench, uint8_t family, uint8_t count)
{
    weir_address addresses[8];

    for (uint8_t i = 0; i < count; i++) {
        addresses[i] = bench_address(family, (uint8_t)(i + 1));
    }
    const weir_answer answer = {.family = family, .addresses = addresses, .count = count};
    weir_dialing_answer(bench->dialing, &answer, bench->now_ns);
}

size_t bench_starts(dialing_bench *bench)
{
    size_t index = 0;

    assert_true(weir_dialing_next(bench->dialing, bench->now_ns, &index));
    return index;
}

void bench_assert_starts_at(dialing_bench *bench, const char *wanted)
{
    const size_t index = bench_starts(bench);
    char text[WEIR_ADDRESS_TEXT_OCTETS];

    weir_os_address_text(&bench->dialing->dial.addresses[index].address, text, sizeof(text));
    assert_string_equal(text, wanted);
}

void bench_assert_stands(dialing_bench *bench, weir_dialing_outcome outcome, weir_phase phase)
{
    assert_int_equal(weir_dialing_outcome_of(bench->dialing, bench->now_ns), outcome);
    assert_int_equal(bench->dialing->phase, phase);
}

void bench_assert_failed(dialing_bench *bench, weir_status status, weir_phase phase)
{
    bench_assert_stands(bench, WEIR_DIALING_FAILED, phase);
    assert_int_equal(bench->dialing->failure.status, status);
    assert_int_equal(bench->dialing->failure.phase, phase);
}

void bench_expire(dialing_bench *bench, weir_why wanted)
{
    weir_why why = WEIR_WHY_NONE;

    bench->now_ns = weir_dialing_deadline(bench->dialing, &why);
    assert_int_equal(why, wanted);
    assert_int_not_equal(bench->now_ns, WEIR_NEVER);
    weir_dialing_expire(bench->dialing, bench->now_ns);
}
