/* SPDX-License-Identifier: MIT */
/*
 * Timing by many short samples: each is the time of a batch of operations, divided by their number.
 * The median says what it costs, the tenth and the ninetieth percentile how sure that is; a sample
 * that another process or an interrupt fell into is one among hundreds.
 */
#ifndef WEIR_BENCH_SAMPLE_H
#define WEIR_BENCH_SAMPLE_H

#include <stddef.h>

enum { BENCH_SAMPLES_LIMIT = 4096 };

typedef struct bench_samples {
    double ns[BENCH_SAMPLES_LIMIT]; /* of one operation */
    size_t count;
} bench_samples;

/* Nanoseconds of a clock that only goes forward. */
double bench_now_ns(void);
/* Above the limit a sample is dropped. */
void bench_samples_add(bench_samples *samples, double total_ns, size_t operations);
/* 0.5: the median. Sorts. */
double bench_samples_at(bench_samples *samples, double share);

#endif
