/* SPDX-License-Identifier: MIT */
/* The clock, randomness and malloc of the operating system. */
#define _GNU_SOURCE
#include "engine/os.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "weir/request.h"

/* A large page of most machines. */
enum { LARGE_PAGE_OCTETS = 2 << 20 };

static void *heap_alloc(size_t octets, void *user);
static void *large_alloc(size_t octets);
static void *heap_resize(void *at, size_t octets, void *user);
static void heap_release(void *at, void *user);

weir_time weir_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (weir_time)now.tv_sec * WEIR_NS_PER_SECOND + (weir_time)now.tv_nsec;
}

void weir_os_random(void *to, size_t octets)
{
    uint8_t *at = to;

    while (octets > 0) {
        const ssize_t got = getrandom(at, octets, 0);
        WEIR_ASSERT(got >= 0 || errno == EINTR); /* without randomness nothing may go on */
        if (got > 0) {
            at += got;
            octets -= (size_t)got;
        }
    }
}

const weir_allocator *weir_os_allocator(void)
{
    static const weir_allocator heap = {
        .size = sizeof(heap),
        .alloc = heap_alloc,
        .resize = heap_resize,
        .release = heap_release,
    };
    return &heap;
}

static void *heap_alloc(size_t octets, void *user)
{
    (void)user;
    return octets < LARGE_PAGE_OCTETS ? malloc(octets) : large_alloc(octets);
}

/* What is large enough for large pages asks for them: with very many origins half of the time of a
 * look at a random one is the search for its page (docs/bench.md). */
static void *large_alloc(size_t octets)
{
    void *at = NULL;

    if (posix_memalign(&at, LARGE_PAGE_OCTETS, octets) != 0) {
        return NULL;
    }
    /* A wish: where there are none it fails, and all is as it was. */
    (void)madvise(at, octets - octets % LARGE_PAGE_OCTETS, MADV_HUGEPAGE);
    return at;
}

static void *heap_resize(void *at, size_t octets, void *user)
{
    (void)user;
    return realloc(at, octets);
}

static void heap_release(void *at, void *user)
{
    (void)user;
    free(at);
}
