/* SPDX-License-Identifier: MIT */
/*
 * The other end of a TLS connection: OpenSSL over two queues in memory. It shares no code with the
 * library under test.
 *
 * Octets for the server go in with feed(); what it says comes out of take(). It never blocks.
 */
#ifndef WEIR_TESTS_TLS_SERVER_H
#define WEIR_TESTS_TLS_SERVER_H

#include "support/pki.h"

#include <openssl/ssl.h>

typedef struct weir_tls_server_options {
    const weir_pki *leaf;
    const weir_pki *chain[4]; /* sent after it, up to the first NULL */
    int oldest;               /* TLS1_2_VERSION ...; 0: any */
    int newest;
    const char *protocols; /* ALPN, in its order: "h2", "http/1.1", "h2 http/1.1"; NULL: none */
    const char *lie;       /* ALPN answer that is given whatever was offered */
    const char *suites13;  /* TLS 1.3 suites */
    const char *suites;    /* TLS 1.2 cipher list */
    const char *groups;
    int fragment_octets; /* the longest plaintext of a record; 0: 16384 */
    bool asks_certificate;
    int tickets;        /* after a TLS 1.3 handshake, +1; 0: two, as OpenSSL has it */
    SSL_CTX *context;   /* of an earlier server, for resumption; NULL: a new one */
    int security_level; /* +1; 0: 0, so that weak certificates can be shown */
} weir_tls_server_options;

typedef struct weir_tls_server {
    SSL *ssl;
    BIO *in;
    BIO *out;
    weir_tls_server_options options;
    bool open; /* the handshake is over */
    bool failed;
    bool closed;       /* the client said close_notify */
    char got[1 << 20]; /* plaintext received */
    size_t got_octets;
    char server_name[256];
    char secrets[2048]; /* key log lines */
    size_t secrets_octets;
} weir_tls_server;

weir_tls_server *weir_tls_server_new(const weir_tls_server_options *options);
void weir_tls_server_free(weir_tls_server *server);

/* Octets from the client; then the server goes as far as it can. */
void weir_tls_server_feed(weir_tls_server *server, weir_span octets);
/* Up to `room` octets for the client; how many. */
size_t weir_tls_server_take(weir_tls_server *server, uint8_t *to, size_t room);
size_t weir_tls_server_waiting(weir_tls_server *server);

/* One record each (at most 16384 octets). */
void weir_tls_server_say(weir_tls_server *server, const void *plain, size_t octets);
void weir_tls_server_close(weir_tls_server *server);
void weir_tls_server_update_keys(weir_tls_server *server, bool ask_client);

#endif
