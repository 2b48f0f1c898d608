/* SPDX-License-Identifier: MIT */
/*
 * What clients and loops tell each other of origins: protocol, limit of streams, horizon. Values,
 * by the pool's key; what was not used longest makes room. Asked when an origin is dialled, told
 * when something was learned: never on the warm path.
 *
 * Thread rule: locked inside; its lock is a leaf, and may be taken under any other.
 */
#ifndef WEIR_ENGINE_SHARED_ORIGINS_H
#define WEIR_ENGINE_SHARED_ORIGINS_H

#include "pool/pool.h"

typedef struct weir_origins weir_origins;

/* NULL: no memory. The allocator is *kept*. The seed is that of the hash. */
weir_origins *weir_origins_new(const weir_allocator *allocator, size_t limit, uint64_t seed);
/* NULL-safe. */
void weir_origins_free(weir_origins *origins);

/* False: nothing is known. The key is *borrowed*. */
bool weir_origins_recall(weir_origins *origins, const weir_origin_key *key, weir_memory *memory);
/* Instead of what was known. Without memory for it nothing is remembered. */
void weir_origins_remember(weir_origins *origins, const weir_origin_key *key,
                           const weir_memory *memory);
/* The network is another: after how long connections were closed is not known any more. */
void weir_origins_forget_horizons(weir_origins *origins);
/* In the child of a fork, before any other call: the lock is made new; what another thread was in
 * the middle of is left as it is. */
void weir_origins_forked(weir_origins *origins);

#endif
