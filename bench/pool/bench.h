/* SPDX-License-Identifier: MIT */
/* What the parts of the pool's bench share. Each adds its figures. */
#ifndef WEIR_BENCH_POOL_BENCH_H
#define WEIR_BENCH_POOL_BENCH_H

#include "bench/pool/bed.h"
#include "bench/support/figures.h"

#define ACQUIRE_LIMIT_NS 200

typedef struct bench_run {
    bool quick;     /* small sizes, few samples: to see that it works */
    size_t samples; /* of each figure */
    /* The embedded origin, with one stream to a connection; 0: no figures of real connections. */
    unsigned clear_port;
    unsigned tls_port;
    const char *ca;
    const char *large; /* a file that bench_large_measure() wrote; NULL: there is none */
} bench_run;

/* speed.c */
void bench_speed(const bench_run *run);
/* A random one of the origins each time, all of which are there and idle. */
void bench_random_origins(bed *b, const bench_run *run, uint32_t origins, bench_samples *samples);
/* large.c: measures into a file; false: it could not, or large pages are not to be had. */
bool bench_large_measure(const bench_run *run, const char *path);
/* Takes that as a figure. */
bool bench_large_add(const char *path);
/* queue.c: a long queue, and connections that have been idle too long. */
void bench_queue(const bench_run *run);
/* memory.c: of the pool's own records. */
void bench_memory(const bench_run *run);
/* connections.c: of idle connections, with all that belongs to them. */
void bench_connections(const bench_run *run);

#endif
