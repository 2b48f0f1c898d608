/* SPDX-License-Identifier: MIT */
/*
 * What must hold after every turn, at the close of every connection, and at the end; what must hold
 * of each call is in check_call.h. Whatever does not is a violation.
 */
#ifndef WEIR_SIM_CHECK_H
#define WEIR_SIM_CHECK_H

#include "client.h"

void sim_check_turn(sim_world *world);

/* A connection's account, just before its socket is closed. */
void sim_check_account(sim_world *world, const weir_port *port, const weir_account *account);
/* Everything was freed. */
void sim_check_end(sim_world *world);

#endif
