/* SPDX-License-Identifier: MIT */
/*
 * Addresses that a connect to was lost lately: refused, unreachable, not answered. A dial tries
 * them last, so that a service with a dead machine, or a network without IPv6, is not found out
 * about anew at each dial. Nothing is refused because of it.
 *
 * A ring in the order of the losses: the oldest makes room, and after WEIR_SHUNNED_NS it is as if
 * it had not been. A lost address is known with its port: nobody at one port says nothing about
 * another.
 *
 * Ownership: a value inside of its owner. Thread rule: its owner's lock (shared.c).
 */
#ifndef WEIR_ENGINE_SHUNNED_H
#define WEIR_ENGINE_SHUNNED_H

#include "proto/clock.h"
#include "weir/shared.h"

#define WEIR_SHUNNED_LIMIT 256
#define WEIR_SHUNNED_NS    (60 * WEIR_NS_PER_SECOND)

typedef struct weir_shunned_address {
    uint8_t octets[16];
    uint32_t scope;
    uint16_t port;
    uint8_t family; /* 0: struck out */
    weir_time until_ns;
} weir_shunned_address;

typedef struct weir_shunned {
    weir_shunned_address *ring; /* NULL: nothing was ever lost */
    size_t first;               /* the oldest */
    size_t count;               /* those struck out included */
} weir_shunned;

void weir_shunned_clear(weir_shunned *shunned, const weir_allocator *allocator);
/* Everything is forgotten. */
void weir_shunned_forget(weir_shunned *shunned);
/* It was lost now. Without memory for it nothing is remembered. */
void weir_shunned_add(weir_shunned *shunned, const weir_allocator *allocator,
                      const weir_address *address, uint16_t port, weir_time now_ns);
/* It answered. */
void weir_shunned_strike(weir_shunned *shunned, const weir_address *address, uint16_t port);
bool weir_shunned_has(const weir_shunned *shunned, const weir_address *address, uint16_t port,
                      weir_time now_ns);

#endif
