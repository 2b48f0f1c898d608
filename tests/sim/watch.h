/* SPDX-License-Identifier: MIT */
/*
 * The observers of a run: one for each call that has one, one for connections. They check what they
 * are told against what they were told before: order, times, octets that only grow, one DONE and
 * nothing after it.
 */
#ifndef WEIR_SIM_WATCH_H
#define WEIR_SIM_WATCH_H

#include "weir/observe.h"
#include "world.h"

struct sim_call;

typedef struct sim_watch {
    weir_observer observer;
    struct sim_call *call;
    weir_time last_ns;
    uint64_t conn; /* of the attempt under way */
    uint64_t sent_octets;
    uint64_t received_octets;
    unsigned attempts;
    bool connecting;
    bool done;
} sim_watch;

void sim_watch_open(sim_watch *watch, struct sim_call *call);
/* Of connections: counts what was closed. */
void sim_watch_connections(sim_world *world, weir_observer *observer);

#endif
