/* SPDX-License-Identifier: MIT */
/*
 * The oracle of HTTP/2 over the traces of a run: what each conn was given is written down, and
 * when the conn is freed it is given again, frame by frame, to a player with the oracle beside it
 * (support/h2_oracle.h), as the fuzz target does. A difference that may not be is a violation, and so
 * is an oracle that compares nothing.
 *
 * In one run of SIM_ORACLE_SHARE, and in none with a plant.
 */
#ifndef WEIR_SIM_ORACLE_H
#define WEIR_SIM_ORACLE_H

#include "world.h"

#define SIM_ORACLE_SHARE 8

/* Forgets what an earlier run left. */
void sim_oracle_open(sim_world *world);

#endif
