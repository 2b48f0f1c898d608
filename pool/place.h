/* SPDX-License-Identifier: MIT */
/*
 * The queues, and the carrying out of decisions: gather the situation of an origin, decide, act,
 * until it is WAIT.
 */
#ifndef WEIR_POOL_PLACE_H
#define WEIR_POOL_PLACE_H

#include "pool/decide.h"
#include "pool/wait.h"

/* Into the queue, at the place that its order gives it; the ticket is WAITING. */
void weir_place_enter(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);
/* Out of the queue, for whatever reason; the ticket is IDLE. */
void weir_place_leave(weir_pool *pool, weir_ticket *ticket);

/*
 * A ticket that need not queue: nobody is in front of it and a connection has room. That is what
 * entering and settling would come to, of which nothing else would be left. False: it has to.
 */
bool weir_place_take_at_once(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);

/*
 * The origin where a ticket of this one is to wait: another if its TLS configuration was replaced
 * and the ticket follows. NULL: no memory.
 */
weir_origin *weir_place_of(weir_pool *pool, weir_origin *origin, const weir_ticket *ticket);

/* Does all that is to be done for an origin. The answer is why the first ticket without a dial
 * waits. */
weir_reason weir_place_settle(weir_pool *pool, weir_origin *origin);
/* Serves the origins that wait for a place in the whole pool's limit. `current` is not forgotten,
 * others may be. */
void weir_place_balance(weir_pool *pool, const weir_origin *current);

/* A connection said that the origin speaks HTTP/2, of which dials in flight knew nothing: those that
 * are more than may be are given up, the last begun first. */
void weir_place_give_up_surplus(weir_pool *pool, weir_origin *origin);

/* Another's decision has changed its situation: it is settled before the call ends. */
void weir_place_unsettle(weir_pool *pool, weir_origin *origin);

/* Counts anew the dials of an origin that nobody waits for, which may be evicted: to be told when
 * one of them is closed and other origins may be settled before this one. */
void weir_place_note_unawaited(weir_pool *pool, weir_origin *origin);

/* Closes what is too old at the front of the lists: nobody should count on it. */
void weir_place_pass_over(weir_pool *pool, weir_origin *origin);

/* The dial is this ticket's from now on; the one that it was for, if it still waits, is without. */
void weir_place_adopt(weir_pool *pool, weir_slot *slot, weir_ticket *ticket);

void weir_place_refuse(weir_pool *pool, weir_ticket *ticket, const weir_failure *failure);
/*
 * A dial failed: refuses those that asked before it began and have nothing left to hope for, first
 * of all the ticket that it was for. While other dials are in flight, no more than the failed one
 * would have served: one bad address must not end a whole queue. The last dial to fail refuses them
 * all.
 */
void weir_place_refuse_hopeless(weir_pool *pool, const weir_slot *failed,
                                const weir_failure *failure);
/* The failure of a ticket that never left the queue. */
weir_failure weir_place_failure(weir_status status);

/* Nothing is left undone for this origin: asked again, the decision is to wait. */
void weir_place_check(const weir_pool *pool, const weir_origin *origin);

/* Does anybody wait for the place of a slot that is CLOSING? */
bool weir_place_is_missed(const weir_pool *pool, const weir_slot *slot);

/* Another origin has waited too long for a place: this connection should make room for it. */
bool weir_place_must_yield(const weir_pool *pool, const weir_slot *slot);

#endif
