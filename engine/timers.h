/* SPDX-License-Identifier: MIT */
/*
 * Deadlines in order: a binary heap of intrusive timers, stable for equal times (first armed, first
 * due), so that the same inputs always give the same order.
 *
 * Ownership: the heap keeps pointers to timers that live in their owners; an owner disarms before
 * it dies. Room for a timer is reserved when its owner is born (weir_timers_reserve), so arming
 * never fails.
 */
#ifndef WEIR_ENGINE_TIMERS_H
#define WEIR_ENGINE_TIMERS_H

#include "proto/alloc.h"

typedef struct weir_timer {
    weir_time at_ns;
    uint64_t order;
    uint32_t place; /* index in the heap + 1; 0: not armed */
    bool is_port;   /* what it is in: a port, else an exchange */
} weir_timer;

typedef struct weir_timers {
    const weir_allocator *allocator;
    weir_timer **heap;
    size_t count;
    size_t room;
    size_t reserved;
    uint64_t next_order;
} weir_timers;

void weir_timers_init(weir_timers *timers, const weir_allocator *allocator);
void weir_timers_clear(weir_timers *timers);
/* Room for one more timer; false: no memory. Given back by weir_timers_unreserve(). */
bool weir_timers_reserve(weir_timers *timers);
void weir_timers_unreserve(weir_timers *timers);
/* Arms, moves or (WEIR_NEVER) disarms. Moving to the same time keeps its order. */
void weir_timers_set(weir_timers *timers, weir_timer *timer, weir_time at_ns);
weir_time weir_timers_first(const weir_timers *timers);
/* The first timer that is due, disarmed; NULL: none. */
weir_timer *weir_timers_pop(weir_timers *timers, weir_time now_ns);
void weir_timers_check(const weir_timers *timers);

#endif
