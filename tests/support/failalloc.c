/* SPDX-License-Identifier: MIT */
/*
 * Each block begins with its length, so that live octets can be counted down again.
 */
#include "support/failalloc.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEADER     alignof(max_align_t)
/* More runs than this is a run that never gets through. */
#define RUNS_LIMIT 100000

static void *give(size_t octets, void *user);
static void *give_again(void *at, size_t octets, void *user);
static void take_back(void *at, void *user);
static size_t every_from(weir_failalloc_run *run, void *user, bool and_after);

_Static_assert(LEADER >= sizeof(size_t), "a block's length lies before it");

void weir_failalloc_init(weir_failalloc *failalloc, size_t fail_at)
{
    memset(failalloc, 0, sizeof(*failalloc));
    failalloc->fail_at = fail_at;
    failalloc->allocator = (weir_allocator){.size = sizeof(weir_allocator),
                                            .user = failalloc,
                                            .alloc = give,
                                            .resize = give_again,
                                            .release = take_back};
}

void weir_failalloc_finish(weir_failalloc *failalloc)
{
    if (atomic_load(&failalloc->live) != 0) {
        fail_msg("%zu blocks of %zu octets leaked (failing call: %zu)",
                 atomic_load(&failalloc->live), atomic_load(&failalloc->live_octets),
                 failalloc->fail_at);
    }
    assert_int_equal(atomic_load(&failalloc->live_octets), 0);
}

size_t weir_failalloc_every(weir_failalloc_run *run, void *user)
{
    size_t failed = every_from(run, user, false);
    every_from(run, user, true);
    return failed;
}

static size_t every_from(weir_failalloc_run *run, void *user, bool and_after)
{
    for (size_t k = 1; k < RUNS_LIMIT; k++) {
        weir_failalloc failalloc;
        weir_failalloc_init(&failalloc, k);
        failalloc.and_after = and_after;
        run(&failalloc, user);
        weir_failalloc_finish(&failalloc);
        if (atomic_load(&failalloc.failures) == 0) {
            return k - 1;
        }
    }
    fail_msg("a run asked for memory more than %d times", RUNS_LIMIT);
    return 0;
}

static void *give(size_t octets, void *user)
{
    weir_failalloc *failalloc = user;
    size_t call = atomic_fetch_add(&failalloc->calls, 1) + 1;
    if (call == failalloc->fail_at ||
        (failalloc->and_after && failalloc->fail_at > 0 && call > failalloc->fail_at)) {
        atomic_fetch_add(&failalloc->failures, 1);
        return NULL;
    }
    uint8_t *block = malloc(LEADER + octets);
    if (!block) {
        fail_msg("the machine is out of memory");
    }
    memcpy(block, &octets, sizeof(octets));
    /* What nobody wrote must not look like zeroes. */
    memset(block + LEADER, 0xa5, octets);
    atomic_fetch_add(&failalloc->live, 1);
    atomic_fetch_add(&failalloc->live_octets, octets);
    return block + LEADER;
}

static void *give_again(void *at, size_t octets, void *user)
{
    uint8_t *moved = give(octets, user);
    if (moved && at) {
        size_t before;
        memcpy(&before, (uint8_t *)at - LEADER, sizeof(before));
        memcpy(moved, at, weir_min(before, octets));
        take_back(at, user);
    }
    return moved;
}

static void take_back(void *at, void *user)
{
    weir_failalloc *failalloc = user;
    if (!at) {
        return;
    }
    uint8_t *block = (uint8_t *)at - LEADER;
    size_t octets;
    memcpy(&octets, block, sizeof(octets));
    atomic_fetch_sub(&failalloc->live, 1);
    atomic_fetch_sub(&failalloc->live_octets, octets);
    free(block);
}
