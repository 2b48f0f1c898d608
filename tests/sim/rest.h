/* SPDX-License-Identifier: MIT */
/*
 * The end of some runs: calls to a server that closes what rested for too long, one after the other
 * with rests between them, while nothing else goes wrong. The pool learns the horizon
 * (docs/pool.md, "The learned horizon"), and from then on
 *
 *   - no request ends because its connection was closed as idle;
 *   - no connection is used again that rested for longer than the horizon;
 *   - a connection that rested for less is used again.
 *
 *   sim_rest_open -> (all calls of the calm are over) -> [ step: one call or two -> rest ]* -> over
 *
 * What the horizon is follows from what the server does and from the times at which calls began and
 * ended; nothing of pool/horizon.c is asked. Before the first step the network changes, so that
 * what the storm taught is forgotten.
 */
#ifndef WEIR_SIM_REST_H
#define WEIR_SIM_REST_H

#include "client.h"

typedef struct sim_rest {
    size_t step;
    sim_call *calls[2]; /* of this step */
    size_t call_count;
    size_t done;
    unsigned closes;       /* that were seen and are news */
    weir_time closed_ns;   /* when the last of them was made */
    weir_time survived_ns; /* the longest rest after which a call was answered */
    bool must_be_reused;   /* by what is known of the step before */
    bool is_over;
    uint64_t reuses; /* attempts on connections that had rested, when the horizon was known */
    uint64_t passed; /* calls after rests that were too long, likewise */
} sim_rest;

/* Begins when the calls that there are have ended. */
void sim_rest_open(sim_world *world);
/* The pool has seen enough to know the horizon. */
bool sim_rest_is_known(const sim_rest *rest);
/* A call of a step is done: what must hold of it. */
void sim_rest_check(sim_call *call);
/* ... and was checked: the next rest begins with the last of the step. */
void sim_rest_done(sim_call *call);

#endif
