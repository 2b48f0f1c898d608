/* SPDX-License-Identifier: MIT */
/*
 * A TLS filter and an OpenSSL server, joined in memory, with the two laws of engine/tls.h asserted
 * after every step: octets moved == wire octets of the records told + torn.
 */
#ifndef WEIR_TESTS_TLS_PAIR_H
#define WEIR_TESTS_TLS_PAIR_H

#include "engine/tls.h"
#include "support/failalloc.h"
#include "support/tls_server.h"

/* What was told of one direction. */
typedef struct weir_tls_told {
    size_t octets; /* that crossed */
    size_t wire[WEIR_TLS_CLOSE_NOTIFY + 1];
    size_t records[WEIR_TLS_CLOSE_NOTIFY + 1];
    size_t plain;
} weir_tls_told;

typedef struct weir_tls_pair {
    weir_tls *tls;
    weir_tls_server *server;
    weir_bin *bin;
    size_t in_piece;  /* the most that is fed at once; 0: all that there is */
    size_t out_piece; /* the most that the kernel takes at once; 0: all */
    weir_tls_told sent;
    weir_tls_told received;
    uint8_t got[1 << 20]; /* plaintext from the server */
    size_t got_octets;
    uint8_t kept[1 << 18]; /* from the server, not yet fed */
    size_t kept_octets;
} weir_tls_pair;

/* Takes both; starts the filter unless it was not made. */
weir_tls_pair *weir_tls_pair_new(weir_tls *tls, weir_tls_server *server);
void weir_tls_pair_free(weir_tls_pair *pair);

/* One way, all that there is. True: something moved. */
bool weir_tls_pair_send(weir_tls_pair *pair);
bool weir_tls_pair_receive(weir_tls_pair *pair);
/* Both ways until nothing moves. */
void weir_tls_pair_run(weir_tls_pair *pair);

/* Octets that are not the server's. */
void weir_tls_pair_inject(weir_tls_pair *pair, const void *octets, size_t count);

/* Seals and delivers it; the server must get it. */
void weir_tls_pair_write(weir_tls_pair *pair, const void *plain, size_t octets);

#endif
