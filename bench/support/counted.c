/* SPDX-License-Identifier: MIT */
/* The allocator that counts: see counted.h. */
#include "bench/support/counted.h"

#include "engine/os.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LARGE_OCTETS = 16384 };

/* In front of each block; as long as malloc aligns. */
typedef struct header {
    _Alignas(16) size_t octets;
} header;

static void count(bench_counted *counted, size_t octets, bool given);
static void *give(size_t octets, void *user);
static void *resize(void *block, size_t octets, void *user);
static void take(void *block, void *user);

void bench_counted_init(bench_counted *counted)
{
    *counted = (bench_counted){.allocator = {.size = sizeof counted->allocator,
                                             .user = counted,
                                             .alloc = give,
                                             .resize = resize,
                                             .release = take}};
}

void *bench_counted_give(size_t octets, bench_counted *counted)
{
    const weir_allocator *allocator = weir_os_allocator();
    header *at = allocator->alloc(sizeof *at + octets, allocator->user);

    if (at == NULL) {
        return NULL;
    }
    at->octets = octets;
    count(counted, octets, true);
    return at + 1;
}

void *bench_counted_resize(void *block, size_t octets, bench_counted *counted)
{
    void *moved = bench_counted_give(octets, counted);

    if (moved != NULL && block != NULL) {
        const size_t before = ((header *)block - 1)->octets;
        memcpy(moved, block, before < octets ? before : octets);
        bench_counted_take(block, counted);
    }
    return moved;
}

void bench_counted_take(void *block, bench_counted *counted)
{
    if (block != NULL) {
        header *at = (header *)block - 1;
        count(counted, at->octets, false);
        weir_os_allocator()->release(at, NULL);
    }
}

static void count(bench_counted *counted, size_t octets, bool given)
{
    const size_t large = octets >= LARGE_OCTETS ? octets : 0;

    counted->octets += given ? octets : (size_t)0 - octets;
    counted->large_octets += given ? large : (size_t)0 - large;
    counted->blocks += given ? 1 : SIZE_MAX;
}

static void *give(size_t octets, void *user)
{
    return bench_counted_give(octets, user);
}

static void *resize(void *block, size_t octets, void *user)
{
    return bench_counted_resize(block, octets, user);
}

static void take(void *block, void *user)
{
    bench_counted_take(block, user);
}
