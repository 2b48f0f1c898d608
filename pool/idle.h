/* SPDX-License-Identifier: MIT */
/*
 * Who is idle, the longest idle first.
 *
 * With very many connections the two neighbours of one in that list are used at other times: neither
 * is in a cache, and to take it out means to wait for both. So a connection that is leased keeps its
 * place for a while. It is *late*: one of the few whose place is put in order later, when as many
 * others have become late after it and its neighbours have come from memory meanwhile. A connection
 * that is leased and released once more before that is touched once.
 *
 * Invariants: whoever is in the list and not late is idle, and they are in the order in which they
 * became idle. Those that are late and idle became so after all of them, and are in that order among
 * themselves. So the first is known at any time, at the price of a look at those that are late.
 *
 * Excepted are the *displaced*: who is given back unused has been idle all the time, and keeps its
 * place if it still has it, else it is the last, for to find it the place of old would cost a look
 * at all that were used since. Its own time-out is then in the agenda (slot_age.c).
 *
 * Ownership: the pool's. Thread rule: the core's lock.
 */
#ifndef WEIR_POOL_IDLE_H
#define WEIR_POOL_IDLE_H

#include "pool/slot.h"

enum { WEIR_IDLE_LATE = 4 };

typedef struct weir_idle {
    weir_list list;
    weir_slot *late[WEIR_IDLE_LATE]; /* the first that became idle, or was leased, first */
    uint32_t lates;
    uint32_t slots; /* that are idle */
} weir_idle;

void weir_idle_init(weir_idle *idle);

/* It has become idle: the last to be closed. */
void weir_idle_rest(weir_idle *idle, weir_slot *slot);
/* It was leased, and may soon be idle again. */
void weir_idle_leave(weir_idle *idle, weir_slot *slot);
/* It was leased and not used: in its place, or displaced. */
void weir_idle_return(weir_idle *idle, weir_slot *slot);
/* It will not be idle again: `queue` is free. */
void weir_idle_forget(weir_idle *idle, weir_slot *slot);

/* The longest idle one; NULL: none is idle. */
weir_slot *weir_idle_first(const weir_idle *idle);

void weir_idle_check(const weir_idle *idle);

#endif
