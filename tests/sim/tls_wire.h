/* SPDX-License-Identifier: MIT */
/*
 * The wire of the stand-in for TLS: real record framing (RFC 8446 s5), and inside it a toy that is
 * deterministic and protects nothing. Shared by what takes the place of engine/tls_wolfssl.c
 * (tls_stand_in.c) and by the peer's side (tls_peer.c).
 *
 *   client  hello                                     finished   data ...
 *   server         hello, extensions, certificate, finished   tickets, data ...
 *
 * A protected record ends in the type of its content and a tag over the content and the record's
 * number: an octet that is lost, doubled or out of place between the two sides is seen.
 */
#ifndef WEIR_SIM_TLS_WIRE_H
#define WEIR_SIM_TLS_WIRE_H

#include "proto/base.h"

enum { SIM_TLS_ALERT = 21, SIM_TLS_HANDSHAKE = 22, SIM_TLS_DATA = 23 };

/* The first octet of a handshake message. */
typedef enum sim_tls_message {
    SIM_TLS_CLIENT_HELLO = 1,
    SIM_TLS_SERVER_HELLO,
    SIM_TLS_EXTENSIONS,
    SIM_TLS_CERTIFICATE,
    SIM_TLS_FINISHED,
    SIM_TLS_TICKET,
    SIM_TLS_KEY_UPDATE
} sim_tls_message;

/* Bits of the ALPN offer, and what was chosen. */
enum { SIM_TLS_NO_ALPN = 0, SIM_TLS_ALPN_H1 = 1, SIM_TLS_ALPN_H2 = 2 };

enum {
    SIM_TLS_CLOSE_NOTIFY = 0,
    SIM_TLS_BAD_RECORD_MAC = 20,
    SIM_TLS_HANDSHAKE_FAILURE = 40,
    SIM_TLS_UNKNOWN_CA = 48,
    SIM_TLS_NO_APPLICATION_PROTOCOL = 120
};

#define SIM_TLS_HEAD_OCTETS     5
#define SIM_TLS_TAG_OCTETS      8
#define SIM_TLS_OVERHEAD_OCTETS (SIM_TLS_HEAD_OCTETS + 1 + SIM_TLS_TAG_OCTETS)
#define SIM_TLS_PLAIN_MOST      16384

typedef struct sim_tls_key {
    uint64_t key;
    uint64_t number; /* of the next record */
} sim_tls_key;

sim_tls_key sim_tls_key_of(uint64_t client, uint64_t server, bool to_server);
/* After a KeyUpdate. */
void sim_tls_key_next(sim_tls_key *key);

/* Writes a record in the clear; how long it is. */
size_t sim_tls_write(uint8_t *to, uint8_t type, weir_span content);
/* Writes a protected one: at most SIM_TLS_PLAIN_MOST octets and the overhead. */
size_t sim_tls_seal(sim_tls_key *key, uint8_t *to, uint8_t type, weir_span content);
/* Opens the body of a protected record in place; false: it is not what was sealed. */
bool sim_tls_open(sim_tls_key *key, uint8_t *body, size_t length, uint8_t *type,
                  weir_span *content);

#endif
