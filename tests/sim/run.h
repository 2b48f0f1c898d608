/* SPDX-License-Identifier: MIT */
/*
 * One run: a world from its seed to its end, and what is kept of it.
 */
#ifndef WEIR_SIM_RUN_H
#define WEIR_SIM_RUN_H

#include "measure.h"
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
    uint64_t reuses;
    uint64_t bounces;
    uint64_t evictions;
    uint64_t closed_idle;
    uint64_t unstowed;
    uint64_t horizons; /* that could be learned, of servers that close what rests */
    uint64_t rest_reuses;
    uint64_t rests_passed;
    uint64_t replays;
    uint64_t turns;
    uint64_t events;
    uint64_t octets;
    uint64_t allocations;
    sim_oracle_sums oracle;
    weir_time simulated_ns;
    uint64_t statuses[256]; /* by -status */
    uint64_t faults[SIM_FAULT_COUNT];
    weir_time stalls_ns[SIM_STALLS];
    uint64_t reasons[WEIR_REASON_COUNT]; /* that users were told */
    char what[256];                      /* the last violation */
} sim_totals;

typedef struct sim_run_options {
    bool verbose; /* print all that happens */
    bool quiet;   /* print nothing of a violation */
    sim_plant plant;
} sim_run_options;

/* True: nothing was violated. Otherwise it was printed, with the last of what happened. */
bool sim_run(uint64_t seed, const sim_run_options *options, sim_totals *totals);

#endif
