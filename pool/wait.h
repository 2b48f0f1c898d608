/* SPDX-License-Identifier: MIT */
/*
 * How long tickets wait, and for what.
 *
 *   NONE -begin-> ORIGIN <-dialed, undialed-> DIAL
 *     ^------------ end -----------'-----------'
 *
 * The tickets of an origin that have no dial of their own all wait for the same reason, the answer
 * of the origin's last decision. So the origin has one clock, which sums the time under each
 * reason, and a ticket that begins to wait subtracts what the clock shows and one that ends adds
 * it: a queue of any length costs nothing while it waits. A ticket whose own dial is in flight is
 * off that clock and waits for `dialing`; one that is given a pause, for `refused_lately`.
 *
 * A request that is served at once touches none of it.
 */
#ifndef WEIR_POOL_WAIT_H
#define WEIR_POOL_WAIT_H

#include "pool/pool_common.h"

/* The ticket waits on after the call that it came with. */
void weir_wait_begin(const weir_pool *pool, weir_ticket *ticket);
/* A dial was started for it, or is over: for tickets that have begun to wait, and for others
 * nothing. */
void weir_wait_dialed(const weir_pool *pool, weir_ticket *ticket);
void weir_wait_undialed(const weir_pool *pool, weir_ticket *ticket);
/* It leaves the queue. */
void weir_wait_end(const weir_pool *pool, weir_ticket *ticket);
/* The time from its lease until now, when the connection refused it. */
void weir_wait_bounced(const weir_pool *pool, weir_ticket *ticket);
/* After ticket->waited_ns was set: the reasons of this request add up to it. */
void weir_wait_check_sum(const weir_ticket *ticket);

/* What a ticket waited for until now_ns, densely; and the same by reason. */
void weir_wait_read(const weir_ticket *ticket, weir_time now_ns, weir_time ns[WEIR_WAITS]);
void weir_wait_spread(const weir_time ns[WEIR_WAITS], weir_waits *waits);

/* Whoever waits at this origin without a dial waits for this from now on. */
void weir_wait_set_reason(const weir_pool *pool, weir_origin *origin, weir_reason reason);
weir_reason weir_wait_reason(const weir_origin *origin);

#endif
