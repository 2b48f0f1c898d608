/* SPDX-License-Identifier: MIT */
/*
 * A pool with as many origins and slots as are wanted, whose actions are carried out at once: a
 * dial is ready, a connection to be closed is gone. No time passes but what the caller gives.
 */
#ifndef WEIR_BENCH_BED_H
#define WEIR_BENCH_BED_H

#include "bench/support/counted.h"
#include "pool/pool.h"

typedef struct bed_key {
    char host[24];
    weir_origin_key key; /* its host is the one above: not to be copied */
} bed_key;

typedef struct bed {
    bench_counted memory;
    weir_pool *pool;
    weir_time now_ns;
} bed;

/* What every connection says of itself. */
extern const weir_facts bed_ready;

typedef struct bed_limits {
    uint32_t connections;
    uint32_t connections_per_origin;
    uint32_t tickets;
} bed_limits;

void bed_open(bed *b, bed_limits limits);
void bed_close(bed *b);

/* Clear HTTP/1.1, each number another origin. */
void bed_key_make(bed_key *key, uint32_t number);
/* Asks, and is LEASED afterwards, by a dial if need be. */
void bed_lease(bed *b, const bed_key *key, weir_ticket *ticket);
void bed_release(bed *b, weir_ticket *ticket);
/* `count` origins from 0 on with one idle slot each. */
void bed_origins(bed *b, uint32_t count);
/* Origin 0 with so many slots; all are idle but those that `leased` of the tickets hold. */
void bed_slots(bed *b, weir_ticket *tickets, uint32_t count, uint32_t leased);
/* What the pool wants is done, until it wants no more; how many actions. */
size_t bed_act(bed *b);
/* A number from 0 to below `limit`, from a sequence that is the same in every run. */
uint32_t bed_random(uint32_t limit);
/* Stops the program if it is not so: a bench of a pool that does something else measures nothing.
 */
void bed_must(bool so, const char *what);

#endif
