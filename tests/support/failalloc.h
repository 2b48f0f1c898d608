/* SPDX-License-Identifier: MIT */
/*
 * An allocator that fails when it is told to, and knows what was not given back.
 *
 * The k-th call that asks for memory answers NULL: that one alone, or it and every later one. A
 * resize always moves, so that a pointer kept across it is found by AddressSanitizer. Counts are
 * atomic: the allocator may be shared by threads, as the engine's is.
 *
 *   weir_failalloc_every(run, user) calls `run` with k = 1, 2, 3, ... until a run asks for fewer
 *   than k allocations, and fails the test when a run leaves anything allocated.
 */
#ifndef WEIR_TESTS_FAILALLOC_H
#define WEIR_TESTS_FAILALLOC_H

#include <stdatomic.h>

#include "proto/alloc.h"

typedef struct weir_failalloc {
    weir_allocator allocator;  /* what the code under test is given */
    size_t fail_at;            /* the call that fails, counted from 1; 0: none */
    bool and_after;            /* every later call fails too */
    atomic_size_t calls;       /* that asked for memory */
    atomic_size_t failures;    /* answered NULL */
    atomic_size_t live;        /* blocks not given back */
    atomic_size_t live_octets; /* and what was asked for in them */
} weir_failalloc;

void weir_failalloc_init(weir_failalloc *failalloc, size_t fail_at);
/* Fails the test if anything is still allocated. */
void weir_failalloc_finish(weir_failalloc *failalloc);

/* Something that allocates and must clean up whether it succeeds or not. */
typedef void weir_failalloc_run(weir_failalloc *failalloc, void *user);

/* How many allocations were failed one by one; the same is then done with all later ones failing.
 */
size_t weir_failalloc_every(weir_failalloc_run *run, void *user);

#endif
