/* SPDX-License-Identifier: MIT */
/*
 * The one decision of the pool, as a pure and total function over a small value: what happens next
 * for an origin, and why. The pool gathers the situation, asks, carries the answer out, and asks
 * again until the answer is WAIT.
 *
 * Everything that the pool will ever do on its own account is in here: it leases, dials, and evicts
 * for no other reason. Which of several connections with room is leased is the order of the
 * origin's lists (slot.h).
 */
#ifndef WEIR_POOL_DECIDE_H
#define WEIR_POOL_DECIDE_H

#include "pool/pool.h"

typedef struct weir_situation {
    /* the origin */
    weir_protocol protocol; /* pinned, or learned; ANY: only the handshake will tell */
    uint32_t waiting;       /* tickets */
    uint32_t warm; /* exchanges that the first wish for warm connections wants room for; 0: there is
                      none */
    uint32_t warm_dials;        /* that it may still cause */
    uint32_t available;         /* connections with room for one more exchange */
    uint32_t dialing;           /* dials in flight */
    uint32_t ready;             /* connections that take exchanges, with room or without */
    uint32_t connections;       /* all, from the decision to dial until GONE */
    uint32_t closing;           /* of these: about to be GONE */
    uint32_t connections_limit; /* of these */
    uint32_t h2_limit;          /* of HTTP/2 connections that are dialling or ready */
    uint32_t streams;           /* what an HTTP/2 connection is expected to take; at least 1 */
    bool backing_off;           /* dials failed lately */
    /* the whole pool */
    uint32_t total; /* connections of all origins until GONE */
    uint32_t total_limit;
    uint32_t idle;   /* connections of any origin that could be closed */
    uint32_t coming; /* places that will be free soon: closing, or draining to make room */
    uint64_t wanted_by_others; /* dials that wait for such a place */
    bool others_first;         /* the next free place is another origin's */
} weir_situation;

typedef enum weir_decision_kind {
    WEIR_DECIDE_WAIT = 0,
    WEIR_DECIDE_LEASE,  /* the first ticket gets a connection with room */
    WEIR_DECIDE_DIAL,   /* a connection is dialled */
    WEIR_DECIDE_WARM,   /* a connection is dialled that nobody will ask for yet */
    WEIR_DECIDE_WARMED, /* the first wish for warm connections has what it wants, or (a reason) can
                           have */
    WEIR_DECIDE_EVICT   /* the longest idle connection is closed; its place will be dialled in */
} weir_decision_kind;

typedef struct weir_decision {
    weir_decision_kind kind;
    weir_reason reason; /* why it waits, or how the ticket is served */
} weir_decision;

weir_decision weir_decide(const weir_situation *situation);

/*
 * The first lines of the decision, which need no more than the origin's own queues and connections:
 * false if they do not apply. weir_decide() begins with them; whoever has not gathered a situation
 * yet may ask them first. No dial is wanted when they do. `is_wished`: a wish for warm connections
 * is there.
 */
static inline bool weir_decide_at_once(uint32_t waiting, uint32_t available, bool is_wished,
                                       weir_decision *decision)
{
    if (waiting > 0 && available > 0) {
        *decision = (weir_decision){WEIR_DECIDE_LEASE, WEIR_REASON_REUSED};
        return true;
    }
    if (waiting == 0 && !is_wished) {
        *decision = (weir_decision){WEIR_DECIDE_WAIT, WEIR_REASON_NONE};
        return true;
    }
    return false;
}

/* How many more dials the origin's tickets are worth, whatever the whole pool's limit says. */
uint32_t weir_decide_dials(const weir_situation *situation);

/* How many exchanges the dials in flight are expected to take. */
uint64_t weir_decide_expected(const weir_situation *situation);

#endif
