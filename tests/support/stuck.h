/* SPDX-License-Identifier: MIT */
/*
 * Calls that cannot get past a phase: what deadlines and cancels are tested with, in every phase
 * over every way.
 *
 *   QUEUE    the only place at the origin is held by an answer that nobody reads
 *   DNS      the resolver never answers
 *   CONNECT  the listening socket's queue is full
 *   TLS      the peer accepts and says nothing
 *   SEND     the wire takes no more of the request
 *   HEAD     the origin never answers
 *   BODY     the answer stops after its head
 */
#ifndef WEIR_TESTS_STUCK_H
#define WEIR_TESTS_STUCK_H

#include "support/peer.h"
#include "support/relay.h"
#include "support/upload.h"

#include <stdatomic.h>

typedef struct weir_stuck {
    weir_phase phase;
    weir_ask ask; /* limits, token and observer may be changed before weir_stuck_go() */
    weir_upload upload;
    weir_uploading uploading; /* its exchange is the one that is stuck */
    weir_exchange *holder;    /* QUEUE: holds the place */
    weir_full_port full;
    weir_relay *relay;
    weir_resolver resolver;
    atomic_size_t lookups; /* begun and not cancelled */
    atomic_int thread;     /* that is in the operation which will not return; 0: not yet */
} weir_stuck;

/* Which phases there are over this way: TLS needs TLS. */
bool weir_stuck_is_possible(const weir_world *world, weir_phase phase);
/* Before the world's first call. `stuck` must stay where it is. */
void weir_stuck_prepare(weir_world *world, weir_stuck *stuck, weir_phase phase);
/* Makes the call and answers what it ended with; NULL exchange: it was refused. */
weir_status weir_stuck_go(weir_world *world, weir_stuck *stuck);
/* Drops the exchange of the last go. */
void weir_stuck_drop(weir_world *world, weir_stuck *stuck);
/* Gives everything back, and closes the world. */
void weir_stuck_end(weir_world *world, weir_stuck *stuck);

#endif
