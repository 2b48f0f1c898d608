/* SPDX-License-Identifier: MIT */
/*
 * What every file of weir includes first: assertions and three tiny helpers.
 *
 * weir_assert_fail() is declared only: printing and aborting are not pure, so its definition is the
 * engine's (engine/assert.c) or the tests' (tests/support/assert.c).
 *
 * Two kinds of assertion. WEIR_ASSERT is O(1), guards our own logic, and stays on in release
 * builds: going on with a broken invariant would make the ledger lie. WEIR_CHECK_ASSERT belongs in
 * the weir_<noun>_check() walks and exists only where WEIR_CHECK is 1 (debug, simulator, fuzzers).
 * Peer input never reaches an assertion unchecked.
 */
#ifndef WEIR_PROTO_BASE_H
#define WEIR_PROTO_BASE_H

#include "weir/base.h"

_Noreturn void weir_assert_fail(const char *what, const char *file, int line);

#define WEIR_ASSERT(fact) ((fact) ? (void)0 : weir_assert_fail(#fact, __FILE__, __LINE__))

/* WEIR_CHECKING: 1 where the walks run, for `if (WEIR_CHECKING)`; 0 lets the compiler drop them. */
#if defined(WEIR_CHECK) && WEIR_CHECK
#    define WEIR_CHECKING           1
#    define WEIR_CHECK_ASSERT(fact) WEIR_ASSERT(fact)
#else
#    define WEIR_CHECKING           0
#    define WEIR_CHECK_ASSERT(fact) ((void)sizeof(!(fact)))
#endif

#define WEIR_CONTAINER_OF(pointer, type, member)                                                   \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
/* The same for a pointer to const. */
#define WEIR_CONST_CONTAINER_OF(pointer, type, member)                                             \
    ((const type *)(const void *)((const char *)(pointer)-offsetof(type, member)))
#define WEIR_COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline size_t weir_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline weir_span weir_span_from(weir_span span, size_t skip)
{
    WEIR_ASSERT(skip <= span.length);
    return (weir_span){span.at ? span.at + skip : NULL, span.length - skip};
}

static inline weir_span weir_span_head(weir_span span, size_t length)
{
    return (weir_span){span.at, weir_min(span.length, length)};
}

#endif
