/* SPDX-License-Identifier: MIT */
/*
 * An allocator that knows what was asked for and not given back. Each block has a header of its own
 * for that, which is not counted.
 */
#ifndef WEIR_BENCH_COUNTED_H
#define WEIR_BENCH_COUNTED_H

#include <stdbool.h>
#include <stddef.h>

#include "weir/base.h"

typedef struct bench_counted {
    weir_allocator allocator;
    size_t octets; /* live */
    size_t blocks;
    size_t large_octets; /* of these, in blocks of 16 KiB and more: buffers */
} bench_counted;

void bench_counted_init(bench_counted *counted);
/* The same by hand, for libraries that take three functions. */
void *bench_counted_give(size_t octets, bench_counted *counted);
void *bench_counted_resize(void *block, size_t octets, bench_counted *counted);
void bench_counted_take(void *block, bench_counted *counted);

#endif
