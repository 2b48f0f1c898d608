/* SPDX-License-Identifier: MIT */
/*
 * The allocator, threaded by pointer; nothing is global.
 */
#ifndef WEIR_PROTO_ALLOC_H
#define WEIR_PROTO_ALLOC_H

#include "proto/base.h"

/* Zeroed memory, or NULL. */
void *weir_alloc_zeroed(const weir_allocator *allocator, size_t octets);

static inline void *weir_alloc(const weir_allocator *allocator, size_t octets)
{
    return allocator->alloc(octets, allocator->user);
}

static inline void *weir_resize(const weir_allocator *allocator, void *at, size_t octets)
{
    return allocator->resize(at, octets, allocator->user);
}

static inline void weir_release(const weir_allocator *allocator, void *at)
{
    allocator->release(at, allocator->user);
}

#endif
