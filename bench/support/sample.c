/* SPDX-License-Identifier: MIT */
/* Samples, their order and their percentiles: see sample.h. */
#include "bench/support/sample.h"

#include <stdlib.h>
#include <time.h>

static int compare(const void *a, const void *b);

double bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

void bench_samples_add(bench_samples *samples, double total_ns, size_t operations)
{
    if (samples->count < BENCH_SAMPLES_LIMIT) {
        samples->ns[samples->count++] = total_ns / (double)operations;
    }
}

double bench_samples_at(bench_samples *samples, double share)
{
    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->ns, samples->count, sizeof samples->ns[0], compare);
    return samples->ns[(size_t)(share * (double)(samples->count - 1) + 0.5)];
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}
