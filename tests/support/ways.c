/* SPDX-License-Identifier: MIT */
/* See ways.h. */
#include "support/ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t hash_of(const weir_ways *ways, const uint8_t *state);
static void make_room(weir_ways *ways);

void weir_ways_open(weir_ways *ways, size_t octets, unsigned bits, const void *first)
{
    *ways = (weir_ways){.octets = octets, .mask = (1u << bits) - 1};
    ways->table = calloc((size_t)1 << bits, sizeof(*ways->table));
    assert_non_null(ways->table);
    weir_ways_visit(ways, first, (weir_way){.from = 0});
}

void weir_ways_close(weir_ways *ways)
{
    free(ways->states);
    free(ways->ways);
    free(ways->table);
}

void weir_ways_visit(weir_ways *ways, const void *state, weir_way way)
{
    uint32_t slot = hash_of(ways, state) & ways->mask;

    for (; ways->table[slot] != 0; slot = (slot + 1) & ways->mask) {
        if (memcmp(weir_ways_state(ways, ways->table[slot] - 1), state, ways->octets) == 0) {
            return;
        }
    }
    if (ways->count == ways->room) {
        make_room(ways);
    }
    assert_true(ways->count < ways->mask / 2);
    memcpy(ways->states + ways->count * ways->octets, state, ways->octets);
    ways->ways[ways->count++] = way;
    ways->table[slot] = ways->count;
}

const void *weir_ways_state(const weir_ways *ways, uint32_t number)
{
    return ways->states + number * ways->octets;
}

size_t weir_ways_to(const weir_ways *ways, uint32_t number, uint32_t to[WEIR_WAYS_STEPS])
{
    size_t count = 0;

    for (uint32_t at = number; at != 0 && count < WEIR_WAYS_STEPS; at = ways->ways[at].from) {
        to[count++] = at;
    }
    return count;
}

static uint32_t hash_of(const weir_ways *ways, const uint8_t *state)
{
    uint32_t hash = 2166136261u; /* FNV-1a: nobody chooses these states but the model */

    for (size_t i = 0; i < ways->octets; i++) {
        hash = (hash ^ state[i]) * 16777619u;
    }
    return hash;
}

static void make_room(weir_ways *ways)
{
    ways->room = ways->room > 0 ? 2 * ways->room : 1024;
    ways->states = realloc(ways->states, ways->room * ways->octets);
    ways->ways = realloc(ways->ways, ways->room * sizeof(*ways->ways));
    assert_non_null(ways->states);
    assert_non_null(ways->ways);
}
