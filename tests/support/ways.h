/* SPDX-License-Identifier: MIT */
/*
 * The search of a model small enough to try every interleaving of it: the states that were found,
 * each once and in the order in which they were, and the step that led to each. Breadth first, so
 * that the first stuck state is one of the nearest, and the way there one of the shortest.
 *
 * A state is a value without pointers, compared octet by octet: padding must be zero in all.
 */
#ifndef WEIR_TESTS_SUPPORT_WAYS_H
#define WEIR_TESTS_SUPPORT_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What led to a state: from which, by its number, whose step, and which. */
typedef struct weir_way {
    uint32_t from;
    uint8_t who;
    uint8_t what;
} weir_way;

typedef struct weir_ways {
    size_t octets; /* of a state */
    uint8_t *states;
    weir_way *ways;
    uint32_t count;
    uint32_t room;
    uint32_t *table; /* open addressing; number + 1 */
    uint32_t mask;
    uint32_t stuck; /* the first that was found; 0: none */
} weir_ways;

enum { WEIR_WAYS_STEPS = 64 };

/* Of states of so many octets, of which there are fewer than half of 2^bits. The first has no step
 * that leads to it. */
void weir_ways_open(weir_ways *ways, size_t octets, unsigned bits, const void *first);
void weir_ways_close(weir_ways *ways);

/* It may be there already. Not to be called with a state that lies in `ways`. */
void weir_ways_visit(weir_ways *ways, const void *state, weir_way way);
/* Until the next visit. */
const void *weir_ways_state(const weir_ways *ways, uint32_t number);
/* The numbers of the states on the way to one, that one first and without the first of all. */
size_t weir_ways_to(const weir_ways *ways, uint32_t number, uint32_t to[WEIR_WAYS_STEPS]);

#endif
