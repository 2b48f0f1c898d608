/* SPDX-License-Identifier: MIT */
/*
 * The peer's side of the stand-in for TLS: between the network and the HTTP peer of a connection.
 * It has the faults of TLS servers, and counts its records.
 *
 *   HELLO -client hello-> FINISHED -client finished-> OPEN -> OVER
 */
#ifndef WEIR_SIM_TLS_PEER_H
#define WEIR_SIM_TLS_PEER_H

#include "peer.h"
#include "tls_wire.h"

typedef enum sim_tls_peer_state {
    SIM_TLS_PEER_HELLO = 0,
    SIM_TLS_PEER_FINISHED,
    SIM_TLS_PEER_OPEN,
    SIM_TLS_PEER_OVER
} sim_tls_peer_state;

typedef struct sim_tls_peer {
    sim_peer *peer;
    sim_tls_peer_state state;
    sim_tls_key from_client;
    sim_tls_key to_client;
    uint8_t chosen;
    bool resumed;
    uint8_t *in; /* of a record that is not whole */
    size_t in_octets;
    size_t in_room;
    uint64_t got_octets; /* by its own count of records */
    uint64_t got_plain;
    uint64_t got_handshake;
    uint64_t sent_handshake;
    bool corrupt_next;
    bool silent;     /* the hello is not answered */
    uint8_t offer;   /* of the hello */
    uint64_t client; /* its random number */
} sim_tls_peer;

void sim_tls_peer_open(sim_peer *peer);
/* The faults are off: a hello that was not answered is. */
void sim_tls_peer_calm(sim_tls_peer *tls);
void sim_tls_peer_got(sim_tls_peer *tls, weir_span octets);
void sim_tls_peer_send(sim_tls_peer *tls, weir_span octets);
/* close_notify, or not. True: it was said. */
bool sim_tls_peer_end(sim_tls_peer *tls);

#endif
