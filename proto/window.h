/* SPDX-License-Identifier: MIT */
/*
 * A receiving flow-control window (RFC 9113 s5.2, s6.9), and the policy of when credit is given
 * back. Pure arithmetic: it knows neither frames nor streams. A value; init only.
 *
 *     limit_octets         the advertised window when nothing is outstanding
 *     remaining_octets     what the peer may still send
 *     held_octets          received, and not yet released: read by the caller, or thrown away
 *
 * Invariant: remaining + held <= limit. What is missing from the limit is credit not yet given.
 *
 * Policy: credit is given when half of the limit or more can be given at once and the peer has used
 * half of its allowance. Earlier would cost a frame (13 octets) for little; later would let a fast
 * peer run dry. A window can be raised at the same moment: `target` above the limit is the size
 * wanted from now on, and nothing is sent for a stream that never needs it.
 */
#ifndef WEIR_PROTO_WINDOW_H
#define WEIR_PROTO_WINDOW_H

#include "proto/base.h"

#define WEIR_WINDOW_DEFAULT_OCTETS UINT32_C(65535) /* RFC 9113 s6.9.2 */
#define WEIR_WINDOW_MAX_OCTETS     UINT32_C(0x7fffffff)

typedef struct weir_window {
    uint32_t limit_octets;
    uint32_t remaining_octets;
    uint32_t held_octets;
} weir_window;

void weir_window_init(weir_window *window, uint32_t limit_octets);

/* The peer sent so much. False: more than it was allowed to, and nothing has changed. */
bool weir_window_take(weir_window *window, uint32_t octets);

/* So much of what is held was read or thrown away. */
void weir_window_release(weir_window *window, uint32_t octets);

/* The credit that is due by the policy, now given: the increment to tell the peer, 0: none. */
uint32_t weir_window_credit(weir_window *window, uint32_t target_octets);

/* All the credit there is up to the target, now given, whatever the policy says. */
uint32_t weir_window_raise(weir_window *window, uint32_t target_octets);

void weir_window_check(const weir_window *window);

#endif
