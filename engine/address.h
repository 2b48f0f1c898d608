/* SPDX-License-Identifier: MIT */
/*
 * Addresses as values: a family of 4 or 6, its octets, and the zone of a link-local one. And an
 * answer: what was said of one family of a name.
 */
#ifndef WEIR_ENGINE_ADDRESS_H
#define WEIR_ENGINE_ADDRESS_H

#include <string.h>

#include "weir/shared.h"

#define WEIR_IPV4_OCTETS 4
#define WEIR_IPV6_OCTETS 16

typedef struct weir_answer {
    uint8_t family;                /* 4 or 6 */
    weir_status status;            /* not WEIR_OK: why there is no address */
    const weir_address *addresses; /* borrowed */
    size_t count;
} weir_answer;

/* Of the octets, those that count. */
static inline size_t weir_address_octets(const weir_address *address)
{
    return address->family == 4 ? WEIR_IPV4_OCTETS : WEIR_IPV6_OCTETS;
}

static inline bool weir_address_equal(const weir_address *a, const weir_address *b)
{
    return a->family == b->family && a->scope == b->scope &&
           memcmp(a->octets, b->octets, weir_address_octets(a)) == 0;
}

/* Where what is known of a family stands among the two. */
static inline size_t weir_family_index(uint8_t family)
{
    return family == 4 ? 0 : 1;
}

#endif
