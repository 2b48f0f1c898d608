/* SPDX-License-Identifier: MIT */
/*
 * Is the server who it should be? wolfSSL builds and checks the chain of signatures; this adds what
 * it does not ask.
 *
 * One weir_tls_verify belongs to one filter and lives in it. Thread rule: none.
 */
#ifndef WEIR_ENGINE_TLS_VERIFY_H
#define WEIR_ENGINE_TLS_VERIFY_H

#include "engine/tls.h"

struct WOLFSSL;

typedef struct weir_tls_verify {
    const weir_allocator *allocator;
    weir_host_kind kind;
    weir_span host; /* a copy, without its final dot */
    uint8_t address[16];
    weir_status status; /* what was wrong, WEIR_OK: nothing */
    const char *what;
    bool done; /* the server's own certificate was looked at and is good */
} weir_tls_verify;

/* Copies host and address. False: no memory. */
bool weir_tls_verify_init(weir_tls_verify *verify, const weir_tls_filter_options *options);
void weir_tls_verify_clear(weir_tls_verify *verify);

/* wolfSSL will ask it about each certificate of that connection. */
void weir_tls_verify_attach(weir_tls_verify *verify, struct WOLFSSL *ssl);

#endif
