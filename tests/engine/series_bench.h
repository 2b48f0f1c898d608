/* SPDX-License-Identifier: MIT */
/*
 * A core that counts by series on a bench, for series_*_test.c: whatever is counted is counted in the
 * totals and in a series at the same moment, and each reading is held against the totals.
 */
#ifndef WEIR_TESTS_SERIES_BENCH_H
#define WEIR_TESTS_SERIES_BENCH_H

#include "engine/reading.h"
#include "support/failalloc.h"

#define MS(n) ((weir_time)(n)*WEIR_NS_PER_MS)

typedef struct series_bench {
    weir_failalloc memory;
    weir_core core;
    const char *methods;
} series_bench;

/* False: no memory. */
bool bench_try(series_bench *b, uint32_t limit);
void bench_open(series_bench *b, uint32_t limit);
void bench_close(series_bench *b);

weir_server_key bench_server(const char *host, uint16_t port);
/* A request of the host's port 8080, as core.c does it. */
weir_series *bench_begin(series_bench *b, const char *host, const char *method);
void bench_queued(series_bench *b, const weir_series *asked, weir_protocol protocol, weir_time ns);
void bench_end(series_bench *b, weir_series *asked, const weir_metrics_request *request);
/* A whole one, of two attempts. */
void bench_answered(series_bench *b, const char *host, const char *method, int code);
void bench_opened(series_bench *b, const char *host, weir_protocol protocol);
void bench_closed(series_bench *b, const char *host, weir_protocol protocol);

/* To be freed. */
weir_metrics_reading *bench_read(series_bench *b);
/* Fails if there is no such. */
weir_series_sample bench_find(const weir_metrics_reading *reading, const char *name,
                              const char *attributes);

#endif
