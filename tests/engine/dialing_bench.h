/* SPDX-License-Identifier: MIT */
/*
 * A dial on a bench, for dialing*_test.c: a core, the exchange that caused the dial, its link, a
 * clock that stands still until it is told, and an observer that writes down what it is told. No
 * driver.
 */
#ifndef WEIR_TESTS_DIALING_BENCH_H
#define WEIR_TESTS_DIALING_BENCH_H

#include "engine/dialing.h"
#include "support/failalloc.h"

#define MS            WEIR_NS_PER_MS
#define TOLD_LIMIT    64
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

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

int bench_setup(void **state);
/* Ends the dial and the exchange that caused it. */
void bench_end(dialing_bench *bench);
int bench_teardown(void **state);
/* A dial that a call to this URL caused. */
void bench_dial(dialing_bench *bench, const char *url);
weir_address bench_address(uint8_t family, uint8_t n);
void bench_answer(dialing_bench *bench, uint8_t family, uint8_t count);
size_t bench_starts(dialing_bench *bench);
void bench_assert_starts_at(dialing_bench *bench, const char *wanted);
void bench_assert_stands(dialing_bench *bench, weir_dialing_outcome outcome, weir_phase phase);
void bench_assert_failed(dialing_bench *bench, weir_status status, weir_phase phase);
/* The clock goes to the next deadline, which has this reason. */
void bench_expire(dialing_bench *bench, weir_why wanted);

#endif
