/* SPDX-License-Identifier: MIT */
/* Addresses that were lost lately: see shunned.h. */
#include "engine/shunned.h"

#include <string.h>

#include "engine/address.h"
#include "proto/alloc.h"

static weir_shunned_address *at(const weir_shunned *shunned, size_t i);
static weir_shunned_address *find(const weir_shunned *shunned, const weir_address *address,
                                  uint16_t port);
static void drop_old(weir_shunned *shunned, weir_time now_ns);

void weir_shunned_clear(weir_shunned *shunned, const weir_allocator *allocator)
{
    weir_release(allocator, shunned->ring);
    *shunned = (weir_shunned){.ring = NULL};
}

void weir_shunned_forget(weir_shunned *shunned)
{
    shunned->first = 0;
    shunned->count = 0;
}

void weir_shunned_add(weir_shunned *shunned, const weir_allocator *allocator,
                      const weir_address *address, uint16_t port, weir_time now_ns)
{
    WEIR_ASSERT(address->family == 4 || address->family == 6);
    if (shunned->ring == NULL) {
        shunned->ring = weir_alloc(allocator, WEIR_SHUNNED_LIMIT * sizeof(*shunned->ring));
    }
    if (shunned->ring == NULL) {
        return; /* forgetting is always allowed */
    }
    weir_shunned_strike(shunned, address, port); /* its place is that of the last loss */
    drop_old(shunned, now_ns);
    if (shunned->count == WEIR_SHUNNED_LIMIT) {
        shunned->first = (shunned->first + 1) % WEIR_SHUNNED_LIMIT;
        shunned->count--;
    }
    weir_shunned_address *to = at(shunned, shunned->count++);
    memset(to, 0, sizeof(*to));
    memcpy(to->octets, address->octets, weir_address_octets(address));
    to->scope = address->scope;
    to->port = port;
    to->family = address->family;
    to->until_ns = weir_time_add(now_ns, WEIR_SHUNNED_NS);
}

void weir_shunned_strike(weir_shunned *shunned, const weir_address *address, uint16_t port)
{
    weir_shunned_address *known = find(shunned, address, port);

    if (known != NULL) {
        known->family = 0;
    }
}

bool weir_shunned_has(const weir_shunned *shunned, const weir_address *address, uint16_t port,
                      weir_time now_ns)
{
    const weir_shunned_address *known = find(shunned, address, port);

    return known != NULL && known->until_ns > now_ns;
}

static weir_shunned_address *at(const weir_shunned *shunned, size_t i)
{
    return &shunned->ring[(shunned->first + i) % WEIR_SHUNNED_LIMIT];
}

/* At most WEIR_SHUNNED_LIMIT steps, when somebody dials: a dial is a thousand times dearer. */
static weir_shunned_address *find(const weir_shunned *shunned, const weir_address *address,
                                  uint16_t port)
{
    for (size_t i = 0; i < shunned->count; i++) {
        weir_shunned_address *known = at(shunned, i);
        if (known->family == address->family && known->port == port &&
            known->scope == address->scope &&
            memcmp(known->octets, address->octets, weir_address_octets(address)) == 0) {
            return known;
        }
    }
    return NULL;
}

/* From the front: what is struck out, and what has run out. */
static void drop_old(weir_shunned *shunned, weir_time now_ns)
{
    while (shunned->count > 0 &&
           (at(shunned, 0)->family == 0 || at(shunned, 0)->until_ns <= now_ns)) {
        shunned->first = (shunned->first + 1) % WEIR_SHUNNED_LIMIT;
        shunned->count--;
    }
}
