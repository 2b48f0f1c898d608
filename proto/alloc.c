/* SPDX-License-Identifier: MIT */
/*
 * The allocator's one function that is more than a call: zeroed memory.
 *
 * There is no calloc in the record: pieces that want zeroes are few and small, and a record of
 * three functions is all that a binding has to provide.
 */
#include "proto/alloc.h"

#include <string.h>

void *weir_alloc_zeroed(const weir_allocator *allocator, size_t octets)
{
    WEIR_ASSERT(octets > 0);
    void *at = weir_alloc(allocator, octets);
    if (at) {
        memset(at, 0, octets);
    }
    return at;
}
