/* SPDX-License-Identifier: MIT */
/*
 * What must hold: after every turn, of every answer that a call gets, at the close of every
 * connection, and at the end. Whatever does not is a violation. The numbers are those of
 * threats.md's list of invariants where there is one.
 */
#ifndef WEIR_SIM_CHECK_H
#define WEIR_SIM_CHECK_H

#include "client.h"

void sim_check_turn(sim_world *world);

void sim_check_informational(sim_call *call);
void sim_check_head(sim_call *call);
void sim_check_read(sim_call *call, weir_status status, weir_span octets);
/* Is its inbox full, so that the peer cannot send? */
bool sim_check_is_full(const sim_call *call);
void sim_check_done(sim_call *call);
/* Everything readable was read. */
void sim_check_all_read(sim_call *call);

/* A connection's account, just before its socket is closed. */
void sim_check_account(sim_world *world, const weir_port *port, const weir_account *account);
/* Everything was freed. */
void sim_check_end(sim_world *world);

#endif
