/* SPDX-License-Identifier: MIT */
/*
 * Which connections a user means who speaks of a whole client or loop: those to one origin, or all.
 *
 * Ownership: whoever inits it clears it; what it points to is its own. Thread rule: a value.
 */
#ifndef WEIR_ENGINE_UPKEEP_H
#define WEIR_ENGINE_UPKEEP_H

#include "pool/pool.h"

typedef struct weir_whereabouts {
    const weir_allocator *allocator;
    weir_drain drain; /* what the pool is asked for */
    weir_origin_key key;
    uint8_t *storage;
} weir_whereabouts;

/* Of a URL, whose path does not matter; the empty one: all. WEIR_OK, WEIR_E_NOMEM or a
 * WEIR_E_URL_*. */
weir_status weir_whereabouts_init(weir_whereabouts *where, weir_span url,
                                  const weir_allocator *allocator);
void weir_whereabouts_clear(weir_whereabouts *where);

#endif
