/* SPDX-License-Identifier: MIT */
/*
 * What must hold of requests that are sent again (docs/replay.md), by the attempts of a call and by
 * what the peers saw of them.
 */
#ifndef WEIR_SIM_AGAIN_H
#define WEIR_SIM_AGAIN_H

#include "client.h"

/* A call is told of a 421: it must be one that is not asked for elsewhere. */
void sim_again_shown(const sim_call *call);
/* A call is over: after each answer or refusal came the attempt that may follow it, where and when
 * it may. */
void sim_again_done(const sim_call *call);

#endif
