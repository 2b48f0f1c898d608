/* SPDX-License-Identifier: MIT */
/*
 * The record that is coming in: gathered by its header, kept while it is torn, and read by the TLS
 * library when it is whole.
 *
 * Memory: a chunk or two of the bin while a body is torn; nothing while only a header is. Thread
 * rule: none.
 */
#ifndef WEIR_ENGINE_TLS_IN_H
#define WEIR_ENGINE_TLS_IN_H

#include "proto/buf.h"

#define WEIR_TLS_HEADER_OCTETS     5
/* TLSCiphertext.length (RFC 8446 s5.2); TLS 1.2 with the suites that are offered needs less. */
#define WEIR_TLS_BODY_LIMIT_OCTETS (16384 + 256)

typedef enum weir_tls_in_state {
    WEIR_TLS_IN_TORN = 0,
    WEIR_TLS_IN_WHOLE,
    WEIR_TLS_IN_NOT_TLS,  /* the header is none of TLS */
    WEIR_TLS_IN_TOO_LONG, /* the body would be longer than TLS allows */
    WEIR_TLS_IN_NOMEM
} weir_tls_in_state;

typedef struct weir_tls_in {
    weir_tls_in_state state;
    uint8_t header[WEIR_TLS_HEADER_OCTETS];
    uint8_t header_octets; /* gathered */
    size_t body_octets;    /* as the header says */
    size_t given_octets;   /* header and body, to the library */
    weir_buf held;         /* the body's beginning, when it came in pieces */
    weir_span tail;        /* the body's end: *borrowed* from the caller of feed */
} weir_tls_in;

void weir_tls_in_init(weir_tls_in *in, weir_bin *bin);
void weir_tls_in_clear(weir_tls_in *in);

/* Takes octets up to the end of the record; how many. Only while TORN. */
size_t weir_tls_in_feed(weir_tls_in *in, weir_span octets);
/* Octets taken and not yet part of a whole record. */
size_t weir_tls_in_torn(const weir_tls_in *in);

/* When WHOLE: copies the next octets of the record; 0: all were given. */
size_t weir_tls_in_give(weir_tls_in *in, uint8_t *to, size_t room);
bool weir_tls_in_is_given(const weir_tls_in *in);
/* The record was dealt with: the next one may come. Before the caller's octets go away. */
void weir_tls_in_done(weir_tls_in *in);

void weir_tls_in_check(const weir_tls_in *in);

#endif
