/* SPDX-License-Identifier: MIT */
/*
 * The records that a TLS filter wants to send: their octets, and beside them what each record is.
 *
 * Whatever the TLS library emits is walked by its record headers, in pieces of any shape. A record
 * is told by weir_tls_out_next() when the kernel has taken its last octet, never earlier.
 *
 * Memory: chunks of the bin while there are octets; a few record descriptors inline, more from the
 * allocator while they are needed. Thread rule: none.
 */
#ifndef WEIR_ENGINE_TLS_OUT_H
#define WEIR_ENGINE_TLS_OUT_H

#include "engine/tls.h"
#include "engine/tls_in.h"

#define WEIR_TLS_OUT_INLINE 4

typedef struct weir_tls_sealed {
    uint32_t wire_octets; /* 5 + length */
    uint16_t plain_octets;
    uint16_t kind; /* weir_tls_record_kind */
} weir_tls_sealed;

typedef struct weir_tls_out {
    weir_buf octets;
    weir_tls_sealed *records; /* a ring of `room` (a power of two): `few`, or from the allocator */
    size_t room;
    size_t first;
    size_t count;
    size_t plain_octets; /* in the records in the ring */
    size_t taken_octets; /* of the records in the ring, by the kernel */
    size_t left_octets;  /* of the record that is being emitted, after its header */
    uint8_t header[WEIR_TLS_HEADER_OCTETS];
    uint8_t header_octets; /* gathered of the next header */
    weir_tls_sealed few[WEIR_TLS_OUT_INLINE];
} weir_tls_out;

void weir_tls_out_init(weir_tls_out *out, weir_bin *bin, size_t limit_octets);
void weir_tls_out_clear(weir_tls_out *out);

/* Queues the whole span or nothing; records that begin in it are of that kind. False: no memory. */
bool weir_tls_out_append(weir_tls_out *out, weir_tls_record_kind kind, weir_span octets);
/* Is the last octet that was queued the last of its record? */
bool weir_tls_out_is_whole(const weir_tls_out *out);
/* The record that was queued last holds this plaintext. */
void weir_tls_out_set_plain(weir_tls_out *out, size_t plain_octets);
/* The record that was queued last is no part of the handshake, though the handshake is not over: an
 * alert. */
void weir_tls_out_set_control(weir_tls_out *out);

void weir_tls_out_sent(weir_tls_out *out, size_t octets);
bool weir_tls_out_next(weir_tls_out *out, weir_tls_record *record);
/* Octets taken of the first record that is not taken whole. */
size_t weir_tls_out_torn(const weir_tls_out *out);

void weir_tls_out_check(const weir_tls_out *out);

#endif
