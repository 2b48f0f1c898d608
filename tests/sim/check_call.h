/* SPDX-License-Identifier: MIT */
/*
 * What must hold of every answer that a call gets: its heads, its content, and how it ended.
 */
#ifndef WEIR_SIM_CHECK_CALL_H
#define WEIR_SIM_CHECK_CALL_H

#include "client.h"

void sim_check_call_informational(sim_call *call);
void sim_check_call_head(sim_call *call);
void sim_check_call_read(sim_call *call, weir_status status, weir_span octets);
/* Is its inbox full, so that the peer cannot send? */
bool sim_check_call_is_full(const sim_call *call);
void sim_check_call_done(sim_call *call);
/* Everything readable was read. */
void sim_check_call_all_read(sim_call *call);

#endif
