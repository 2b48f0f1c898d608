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
} bench_run;

/* speed.c */
void bench_speed(const bench_run *run);
/* A random one of the origins each time, all of which are there and idle. */
void bench_random_origins(bed *b, const bench_run *run, uint32_t origins, bench_samples *samples);
/* pages.c: how much of the memory of these origins came in large pages. */
void bench_pages_share(const bed *b, uint32_t origins);
/* A random one of so many, without any. */
void bench_small_pages(const bench_run *run, uint32_t origins);
/* queue.c: a long queue, and connections that have been idle too long. */
void bench_queue(const bench_run *run);
/* memory.c: of the pool's own records. */
void bench_memory(const bench_run *run);
/* connections.c: of idle connections, with all that belongs to them. */
void bench_connections(const bench_run *run);

#endif
