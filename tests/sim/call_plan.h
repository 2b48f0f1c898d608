/* SPDX-License-Identifier: MIT */
/*
 * What a call is, before it is made: method, origin, protocol, body and limits. What a call of the
 * calm is says its `calm` and `rests`.
 */
#ifndef WEIR_SIM_CALL_PLAN_H
#define WEIR_SIM_CALL_PLAN_H

#include "client.h"

void sim_call_plan(sim_world *world, sim_call *call);

#endif
