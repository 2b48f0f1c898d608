/* SPDX-License-Identifier: MIT */
/*
 * The descriptors that a client holds, as bits, so that the child of a fork can close them.
 *
 * Why not from the client's lists: at the fork another thread may have been inside of any of them,
 * and in the child it never comes out. A bit is set or not, whatever else was half done.
 *
 * A descriptor is noted right after it was had and struck out right before it is closed: in
 * between, the child may keep one open, until it ends or executes another program, but it never
 * closes a stranger's.
 *
 * Thread rule: any, without a lock. Ownership: whoever inits it clears it.
 */
#ifndef WEIR_ENGINE_HELD_H
#define WEIR_ENGINE_HELD_H

#include <stdatomic.h>

#include "proto/alloc.h"

enum { WEIR_HELD_PAGES = 256, WEIR_HELD_WORDS = 64 }; /* descriptors up to 2^20, 4096 to a page */

typedef struct weir_held_page {
    atomic_uint_least64_t words[WEIR_HELD_WORDS];
} weir_held_page;

typedef struct weir_held {
    const weir_allocator *allocator;
    _Atomic(weir_held_page *) pages[WEIR_HELD_PAGES];
} weir_held;

void weir_held_init(weir_held *held, const weir_allocator *allocator);
void weir_held_clear(weir_held *held);
/* Without memory, or above 2^20, it is not noted. */
void weir_held_note(weir_held *held, int fd);
void weir_held_strike(weir_held *held, int fd);
/* The lowest one that is noted and not below `from`; -1: none. */
int weir_held_next(weir_held *held, int from);

#endif
