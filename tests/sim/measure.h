/* SPDX-License-Identifier: MIT */
/*
 * What must hold of measures: where the time of each call went, and the client's counters.
 */
#ifndef WEIR_SIM_MEASURE_H
#define WEIR_SIM_MEASURE_H

#include "check.h"

/* A call that is done: its stalls against the time it took, and against what its user saw. */
void sim_measure_stalls(const sim_call *call);

/* After every turn: what was begun is over or under way. */
void sim_measure_counters(sim_world *world);
/* After some of them: all series together are the totals. */
void sim_measure_series(sim_world *world);
/* At the end, when nothing is under way. */
void sim_measure_end(sim_world *world);

/* A reason that a user was told by its word; the name of a status is one of a failure. */
void sim_measure_reason(sim_world *world, const weir_event *event);
/* What a call waits for now, counted when it is something else than before. */
void sim_measure_waiting(sim_call *call);
/* Those of a call that is done: its candidates. */
void sim_measure_candidates(const sim_call *call);

/* The stall of that number, SIM_STALLS of them, for totals; and what it is called. */
#define SIM_STALLS 7
weir_time sim_measure_stall_at(const weir_stalls *stalls, size_t i);
const char *sim_measure_stall_name(size_t i);

#endif
