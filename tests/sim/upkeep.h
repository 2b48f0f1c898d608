/* SPDX-License-Identifier: MIT */
/*
 * What a user does to the whole client at random moments of the storm, in one run of three: drains
 * of one origin or of all, other TLS settings, another network. No law of check.h is relaxed for
 * it.
 */
#ifndef WEIR_SIM_UPKEEP_H
#define WEIR_SIM_UPKEEP_H

#include "world.h"

void sim_upkeep_open(sim_world *world);

#endif
