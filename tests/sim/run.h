/* SPDX-License-Identifier: MIT */
/*
 * One run: a world from its seed to its end, and what is kept of it.
 */
#ifndef WEIR_SIM_RUN_H
#define WEIR_SIM_RUN_H

#include "world.h"

/* What many runs came to. */
typedef struct sim_totals {
    uint64_t runs;
    uint64_t violations;
    uint64_t hash; /* of all traces in order */
    uint64_t calls;
    uint64_t calm_calls;
    uint64_t freed_early;
    uint64_t sockets;
    uint64_t links;
    uint64_t links_agreed;
    uint64_t turns;
    uint64_t events;
    uint64_t octets;
    uint64_t allocations;
    weir_time simulated_ns;
    uint64_t statuses[256]; /* by -status */
    uint64_t faults[SIM_FAULT_COUNT];
} sim_totals;

/* True: nothing was violated. Otherwise it was printed, with the last of the trace if asked. */
bool sim_run(uint64_t seed, bool verbose, sim_totals *totals);

#endif
