/* SPDX-License-Identifier: MIT */
/*
 * Tickets whose request the peer refused unprocessed more than once: each waits for its time, in no
 * queue, and then asks like a new one. Others are not held up by it.
 *
 * A pause lives in its ticket, which is the caller's; the agenda of the pool says when it ends.
 */
#ifndef WEIR_POOL_PAUSE_H
#define WEIR_POOL_PAUSE_H

#include "pool/place.h"

/* The first refusal is followed at once by another attempt: it may have been a race. */
bool weir_pause_is_due(const weir_ticket *ticket);
/* The ticket, which is IDLE, WAITS outside the queue. */
void weir_pause_begin(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);
/* Whatever it was for: it is IDLE again. */
void weir_pause_leave(weir_pool *pool, weir_ticket *ticket);
/* Its time has come: into the queue, and served if there is something for it. */
void weir_pause_end(weir_pool *pool, weir_ticket *ticket);

void weir_pause_check(const weir_pool *pool);

#endif
