/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 peer: a strict reader of requests (peer_h1.c) and a writer of responses as a script
 * of octets (h1_script.c), both written for the simulator and sharing nothing with proto/.
 *
 *   reading:    HEAD -> COUNTED | CHUNK_LINE -> CHUNK -> CHUNK_END -> ... TRAILERS -> HEAD
 *   answering:  IDLE -(head, or whole request)-> THINKING -> SENDING, piece by piece -> IDLE
 *
 * A request that is malformed in any way is a violation: the library wrote it.
 */
#ifndef WEIR_SIM_PEER_H1_H
#define WEIR_SIM_PEER_H1_H

#include "peer.h"

/* A response as octets, and what will be done with them. */
typedef struct sim_script {
    uint8_t *octets;
    size_t length;
    size_t room;
    size_t head_end;
    size_t cut;          /* only so many are sent, then the peer ends or resets */
    size_t valid_end;    /* where the response ends; what follows is surplus */
    weir_time keeps_ns;  /* Keep-Alive: timeout=, 0: not said */
    bool resets;         /* at the cut */
    bool closes;         /* after it: the connection is not kept */
    bool closes_content; /* its end is that of the content */
    bool half_closes;    /* ... and the peer goes on reading */
} sim_script;

/* Writes the planned response, with the faults that the dice bring. */
void sim_script_write(sim_peer *peer, sim_request *request, sim_script *script);
/* "HTTP/1.1 100 Continue" as its own script. */
void sim_script_continue(sim_peer *peer, sim_request *request, sim_script *script);

#endif
