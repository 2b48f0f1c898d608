/* SPDX-License-Identifier: MIT */
/*
 * The learned horizon of an origin: after how long its server closes an idle connection, as far as
 * that was seen. A pure value; docs/pool.md, "The learned horizon", says why it is what it is.
 *
 * Two things are evidence: the peer closed a connection that had been idle for so long, and an
 * exchange was answered on one that had been. The horizon is the second shortest idle time at which
 * the peer closed, less a margin, and never less than what was survived.
 *
 * Thread rule: none; a value of its record.
 */
#ifndef WEIR_POOL_HORIZON_H
#define WEIR_POOL_HORIZON_H

#include "proto/clock.h"

/* A close sooner than this after the last exchange is no idle time-out: the server keeps nothing
 * alive. */
#define WEIR_HORIZON_LEAST_NS  (10 * WEIR_NS_PER_MS)
/* Without news for so long, one connection is let live to be seen closing again. */
#define WEIR_HORIZON_FORGET_NS (600 * WEIR_NS_PER_SECOND)
/* A close earlier than what was survived is taken for something else, but not so often in a row. */
#define WEIR_HORIZON_DOUBTS    3

typedef struct weir_horizon {
    weir_time first_ns;    /* the shortest idle time at which the peer closed; 0: none was seen */
    weir_time second_ns;   /* the second shortest, of another moment; 0: none */
    weir_time survived_ns; /* the longest after which an exchange was answered */
    weir_time doubted_ns;  /* the shortest of the closes that contradict it, while there are some */
    /* of the last close that counted: others that were idle then are no news */
    weir_time seen_at_ns;
    uint32_t doubts; /* closes in a row that contradict what was survived */
} weir_horizon;

/* How much earlier than its peer a connection is given up, when that would close after `span_ns`: a
 * second, or half the time if that is less. A request takes a round trip of it. */
weir_time weir_horizon_margin(weir_time span_ns);

/* Longest time for which an idle connection is worth keeping; WEIR_NEVER: nothing was learned. */
weir_time weir_horizon_span(const weir_horizon *horizon, weir_time now_ns);

/* The peer closed a connection that had been idle for `idle_ns`, or it was found closed then. */
void weir_horizon_closed(weir_horizon *horizon, weir_time idle_ns, weir_time now_ns);
/* An exchange was answered on a connection that had been idle for `idle_ns`. */
void weir_horizon_survived(weir_horizon *horizon, weir_time idle_ns);

#endif
