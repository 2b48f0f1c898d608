/* SPDX-License-Identifier: MIT */
/*
 * How many frames without progress a peer may send (RFC 9113 s10.5).
 *
 * Every frame that moves nothing forward (SETTINGS, PING, RST_STREAM, WINDOW_UPDATE, PRIORITY,
 * GOAWAY, unknown types, DATA and CONTINUATION without content, frames of closed streams) spends
 * one; what makes progress gives some back, and so does time, slowly, because a keep-alive PING
 * every few seconds is no flood. What we do ourselves gives back too: each request that we open and
 * each DATA frame that we send may rightly cause frames.
 *
 * One budget for all kinds, because an attacker would mix them. A value; init only.
 */
#ifndef WEIR_PROTO_H2_BUDGET_H
#define WEIR_PROTO_H2_BUDGET_H

#include "proto/clock.h"

typedef struct weir_h2_budget {
    uint32_t limit;
    uint32_t spent;
    weir_time refilled_ns; /* until when time has been counted as give-back */
} weir_h2_budget;

/* What progress gives back, in frames. */
enum {
    WEIR_H2_BACK_FOR_DATA = 8,   /* a DATA frame with content, in either direction */
    WEIR_H2_BACK_FOR_STREAM = 8, /* a stream that we opened */
    WEIR_H2_BACK_FOR_HEAD = 32   /* a final response head */
};

void weir_h2_budget_init(weir_h2_budget *budget, uint32_t limit, weir_time now_ns);
/* One frame without progress. False: it was one too many. */
bool weir_h2_budget_spend(weir_h2_budget *budget, weir_time now_ns);
void weir_h2_budget_give_back(weir_h2_budget *budget, uint32_t frames);

#endif
