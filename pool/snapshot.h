/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of the pool: everything that it knows, copied. What the engine alone knows (which
 * exchange a ticket is, when a connection was last read) it fills in before anything changes; then
 * the links to what was copied are cut.
 *
 * Ownership: the caller's, one block of memory.
 */
#ifndef WEIR_POOL_SNAPSHOT_H
#define WEIR_POOL_SNAPSHOT_H

#include "pool/wait.h"
#include "weir/snapshot.h"

typedef struct weir_snapshot_line {
    weir_snapshot_connection connection;
    size_t first_seat; /* of those that hold it */
    size_t seats;
    const weir_slot *slot; /* until it is sealed */
} weir_snapshot_line;

typedef struct weir_snapshot_seat {
    weir_snapshot_call call;
    weir_time ns[WEIR_WAITS]; /* what it waited for: weir_snapshot_waits_at() spreads it */
    uint64_t bounces;
    const weir_ticket *ticket; /* until it is sealed */
} weir_snapshot_seat;

struct weir_snapshot {
    const weir_allocator *allocator;
    weir_snapshot_pool pool;
    weir_snapshot_origin *origins;
    weir_snapshot_line *lines;
    weir_snapshot_seat *seats;
    size_t origin_count;
    size_t line_count;
    size_t seat_count;
};

/* NULL: no memory. */
weir_snapshot *weir_pool_snapshot(const weir_pool *pool, weir_time now_ns);
/* Nothing of the pool is looked at any more. */
void weir_snapshot_seal(weir_snapshot *snapshot);

#endif
