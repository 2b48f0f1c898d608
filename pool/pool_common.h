/* SPDX-License-Identifier: MIT */
/*
 * The pool itself, for the files of this folder. Nothing to the right of pool/ includes it.
 *
 * Each list has one order and each number one place where it changes; weir_pool_check() recounts
 * them all. Tickets and wishes are their callers' and linked here, all else is the pool's own.
 */
#ifndef WEIR_POOL_POOL_COMMON_H
#define WEIR_POOL_POOL_COMMON_H

#include "pool/idle.h"
#include "pool/record.h"

/* A connection that was closed lately: weir_pool_explain() knows it. */
typedef struct weir_closed {
    uint64_t origin_hash;
    uint64_t conn;
    weir_time at_ns;
    weir_time since_ns;
    uint64_t uses;
    weir_reason reason;
    weir_protocol protocol;
} weir_closed;
enum { WEIR_CLOSED_REMEMBERED = 64 };

struct weir_pool {
    const weir_allocator *allocator;
    weir_pool_options options; /* with the defaults filled in */
    weir_time now_ns;          /* the latest that any call brought */
    uint64_t random;
    uint64_t order; /* grows with every ticket and dial: who came first */
    uint64_t slot_ids;
    bool is_shut;
    uint64_t tls; /* the configuration that the last one was replaced by; 0: none was */
    weir_table table;
    weir_slabs records; /* of origins */
    weir_slabs seldoms; /* ... and their other pieces */
    weir_list origins;
    weir_list remembered;
    uint32_t remembered_origins;
    weir_list hungry; /* origins, in turn */
    uint64_t wanted;  /* the sum of theirs */
    weir_list slots;  /* in order of creation, until GONE */
    weir_list ghosts; /* GONE with leases left */
    weir_idle idle;
    uint32_t connections; /* slots until GONE: what the limit is about */
    uint32_t slots_in[WEIR_SLOT_STATES];
    weir_list unawaited; /* origins with dials that nobody waits for */
    uint64_t unawaited_dials;
    weir_list unsettled; /* origins to be settled before the call ends */
    uint32_t yielding;   /* DRAINING to make room */
    uint32_t drained;    /* that some drain was told of, until GONE */
    uint32_t tickets;    /* waiting in queues */
    uint32_t paused;     /* tickets that wait outside of them */
    uint32_t wishes;     /* for warm connections, waiting */
    weir_list warmed;    /* those that ended, to be pulled */
    weir_agenda agenda;
    weir_list told;   /* tickets with a GRANT or REFUSE to be pulled */
    weir_list orders; /* slots with a DIAL or CLOSE to be pulled */
    uint64_t closes;  /* ever; the last of them: */
    weir_closed closed[WEIR_CLOSED_REMEMBERED];
    weir_pool_counts counts; /* those that only grow, and leases and origins */
};

/* Each call begins with it. Two threads may have read the clock in one order and come here in the
 * other: time never goes back. */
static inline void weir_pool_begin(weir_pool *pool, weir_time now_ns)
{
    if (now_ns > pool->now_ns) {
        pool->now_ns = now_ns;
    }
}

/* splitmix64, from the seed: jitter must repeat in the simulator. */
uint64_t weir_pool_random(weir_pool *pool);
/* `span_ns` give or take up to a tenth. */
weir_time weir_pool_jitter(weir_pool *pool, weir_time span_ns);

/* Retires all connections of an origin, and gives up dials that nobody waits for. */
void weir_drain_origin(weir_pool *pool, weir_origin *origin, weir_reason reason);

/* After each call, in builds that check: everything if it is little, else only what is O(1). */
void weir_pool_check_some(const weir_pool *pool);

#endif
