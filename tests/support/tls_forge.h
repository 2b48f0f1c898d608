/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.3 records that no honest server sends, sealed with the keys of a real one.
 *
 * Made from the key log of a server that has sent nothing since the handshake (tickets: 1, which
 * means none). Afterwards the server itself must not send any more: the record numbers are ours.
 */
#ifndef WEIR_TESTS_TLS_FORGE_H
#define WEIR_TESTS_TLS_FORGE_H

#include "support/tls_pair.h"

/* Content types (RFC 8446 s5.1). */
enum { FORGE_CCS = 20, FORGE_ALERT = 21, FORGE_HANDSHAKE = 22, FORGE_DATA = 23 };

typedef struct weir_tls_forge {
    uint8_t secret[32];
    uint8_t key[16];
    uint8_t iv[12];
    uint64_t number; /* of the next record */
} weir_tls_forge;

/* A server whose records can be forged. */
void weir_tls_forge_prepare(weir_tls_server_options *options);
void weir_tls_forge_init(weir_tls_forge *forge, const weir_tls_server *server);
/* After a KeyUpdate was sent. */
void weir_tls_forge_update(weir_tls_forge *forge);

/* One sealed record into `to`; how long it is. */
size_t weir_tls_forge_record(weir_tls_forge *forge, uint8_t type, weir_span content, size_t padding,
                             uint8_t *to, size_t room);
/* The same, given to the filter at once. */
void weir_tls_forge_send(weir_tls_forge *forge, weir_tls_pair *pair, uint8_t type,
                         weir_span content, size_t padding);

#endif
