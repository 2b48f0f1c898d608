/* SPDX-License-Identifier: MIT */
/*
 * Records of one size, side by side (Bonwick 1994). A record begins where a cache line begins, and
 * of very many most lie in few large pieces of memory, for which an allocator can have large pages:
 * a look at a random record then costs one wait for memory and not one for its page too.
 *
 * A slab is as large as all that are in use, and at most WEIR_SLAB_OCTETS, which is a large page of
 * most machines: who has five records pays for eight at most. One with no record in use is given
 * back, but for the last one that has room: a record that comes and goes allocates nothing.
 *
 * What is not in use is poisoned for AddressSanitizer, so that it watches each record as it would
 * watch memory of its own.
 */
#ifndef WEIR_POOL_SLAB_H
#define WEIR_POOL_SLAB_H

#include "proto/alloc.h"
#include "proto/list.h"

enum { WEIR_SLAB_OCTETS = 2 << 20, WEIR_SLAB_FEWEST = 2 };

typedef struct weir_slab weir_slab;

typedef struct weir_slabs {
    const weir_allocator *allocator;
    size_t record_octets; /* a multiple of a cache line */
    weir_list open;       /* slabs with room, the one to take from first */
    size_t records;       /* in use */
} weir_slabs;

/* Allocates nothing. The allocator is *kept*. */
void weir_slabs_init(weir_slabs *slabs, const weir_allocator *allocator, size_t record_octets);
/* No record may be in use. */
void weir_slabs_clear(weir_slabs *slabs);

/* A zeroed record, and the slab that it is of; NULL: no memory. */
void *weir_slabs_take(weir_slabs *slabs, weir_slab **slab);
void weir_slabs_give(weir_slabs *slabs, weir_slab *slab, void *record);

#endif
