/* SPDX-License-Identifier: MIT */
/*
 * Who is idle, about in the order in which they became so: who to close first.
 *
 * With very many connections the two neighbours of one in that list are used at other times: neither
 * is in a cache, and to move it would mean to wait for both. So a connection keeps its place while
 * it is leased, and when it is released as well if it got that place lately: in this tick of the
 * list's clock or in the one before. A tick is at most a 64th of the idle time-out and about a
 * second. One that is used all the time is moved once in two ticks.
 *
 * Invariants:
 *  - whoever is idle is in the list; who is leased may be, but before the first idle one are fewer
 *    than WEIR_IDLE_LOOKED_AT of them;
 *  - places were got in the order of the list, each in the tick `listed_at`;
 *  - who is idle has been so since its tick or the one after it, or *displaced*: longer. So of those
 *    behind one place nobody else has been idle since before its tick.
 *
 * Displaced is who came to a place that is not its own because to find that would cost a look at all
 * that were used since: given back unused when it had lost its place meanwhile, or put off by
 * weir_idle_put_off(). Its own time-out is then in the agenda (slot_age.c).
 *
 * Ownership: the pool's. Thread rule: the core's lock.
 */
#ifndef WEIR_POOL_IDLE_H
#define WEIR_POOL_IDLE_H

#include "pool/slot.h"

/* So many places from the first on are looked at for the longest idle one: in the same ticks there
 * may be any number of them. */
enum { WEIR_IDLE_LOOKED_AT = 8 };

typedef struct weir_idle {
    weir_list list;
    uint32_t slots; /* that are idle */
    uint32_t shift; /* a tick is 2^shift ns */
} weir_idle;

typedef struct weir_idle_view {
    weir_slot *first;   /* the longest idle one, but for two ticks; NULL: none is idle */
    weir_time since_ns; /* nobody who is not displaced has been idle since before */
} weir_idle_view;

void weir_idle_init(weir_idle *idle, weir_time time_out_ns);

/* It is idle, since idle_since_ns: that is now, or before if it was leased and not used. */
void weir_idle_rest(weir_idle *idle, weir_slot *slot, weir_time now_ns);
/* It was leased, and may soon be idle again. */
void weir_idle_leave(weir_idle *idle, weir_slot *slot, weir_time now_ns);
/* It will not be idle again: `queue` is free. */
void weir_idle_forget(weir_idle *idle, weir_slot *slot);

/* Constant time. Of those that are not displaced it is the longest idle one exactly, if no more have a
 * place than are looked at: who is leased and keeps its place is looked at too. */
weir_idle_view weir_idle_look(const weir_idle *idle);
/* Where the first may have been idle for too long, and none that was looked at has: the one in the
 * first place is put last, displaced, so that the next come into view. */
weir_slot *weir_idle_put_off(weir_idle *idle, weir_time now_ns);

void weir_idle_check(const weir_idle *idle);

#endif
