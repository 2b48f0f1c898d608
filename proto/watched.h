/* SPDX-License-Identifier: MIT */
/*
 * What AddressSanitizer is told of memory that weir hands out in pieces by itself, so that it
 * watches each piece as it would watch memory of its own. Where it does not run, nothing.
 */
#ifndef WEIR_PROTO_WATCHED_H
#define WEIR_PROTO_WATCHED_H

#include "proto/base.h"

#if defined(__SANITIZE_ADDRESS__)
#    define WEIR_WATCHED 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define WEIR_WATCHED 1
#    endif
#endif

#ifdef WEIR_WATCHED
#    include <sanitizer/asan_interface.h>
#endif

/* Nobody may touch it. */
static inline void weir_watched_close(const void *at, size_t octets)
{
    (void)at;
    (void)octets;
#ifdef WEIR_WATCHED
    __asan_poison_memory_region(at, octets);
#endif
}

/* It is in use. */
static inline void weir_watched_open(const void *at, size_t octets)
{
    (void)at;
    (void)octets;
#ifdef WEIR_WATCHED
    __asan_unpoison_memory_region(at, octets);
#endif
}

#endif
