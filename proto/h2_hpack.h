/* SPDX-License-Identifier: MIT */
/*
 * Header compression of one HTTP/2 connection (RFC 7541), both directions.
 *
 * This and h2_hpack.c are the only files that know nghttp2, and of it only the public deflater and
 * inflater. A header block is decoded as it comes, in any pieces; a block that was begun must be
 * decoded to its end, whatever becomes of its fields, because the tables of the two sides advance
 * together (RFC 9113 s4.3). For the same reason what was encoded must be sent.
 *
 * nghttp2 keeps an entry of a table in two to four times the octets that RFC 7541 s4.1 counts. A
 * connection that rests can have its coders put away: what is left is each table written down
 * (h2_literal.h) in no more octets than are counted. They are made anew when they are used next,
 * with the same tables, and then encode and decode as if nothing had been.
 *
 * Ownership: the allocator is *kept*. Thread rule: none inside.
 *
 *   decoder:  (decode* with last=false) ... (decode* with last=true until it answers no field)
 *             any failure is final: the tables have parted ways
 */
#ifndef WEIR_PROTO_H2_HPACK_H
#define WEIR_PROTO_H2_HPACK_H

#include "proto/fields.h"
#include "weir/status.h"

/* The table that both sides begin with (RFC 9113 s6.5.2), and the most that our encoder uses. */
#define WEIR_H2_TABLE_OCTETS UINT32_C(4096)

typedef struct weir_h2_hpack weir_h2_hpack;

/* NULL: no memory. */
weir_h2_hpack *weir_h2_hpack_new(const weir_allocator *allocator);
void weir_h2_hpack_free(weir_h2_hpack *hpack);

/*
 * The fields of a section: the `lead` ones first (pseudo-header fields), then those of `rest`,
 * which may be NULL. Names must be lower-cased.
 */
typedef struct weir_h2_section_fields {
    const weir_field *lead;
    size_t lead_count;
    const weir_fields *rest;
} weir_h2_section_fields;

/* The most octets that the section can be encoded into. */
size_t weir_h2_hpack_bound(const weir_h2_section_fields *section);

/*
 * Encodes into `to`, which has room for the bound; WEIR_OK with *length, or WEIR_E_NOMEM: before
 * anything was encoded if weir_h2_hpack_can_encode() still holds, else the encoder is lost.
 */
weir_status weir_h2_hpack_encode(weir_h2_hpack *hpack, const weir_h2_section_fields *section,
                                 uint8_t *to, size_t *length);
bool weir_h2_hpack_can_encode(const weir_h2_hpack *hpack);

/* The peer's SETTINGS_HEADER_TABLE_SIZE: how large a table our encoder may use. False: no memory.
 */
bool weir_h2_hpack_limit_encoder(weir_h2_hpack *hpack, uint32_t octets);
/* Our own one, once the peer has acknowledged it. Between blocks only. False: no memory. */
bool weir_h2_hpack_limit_decoder(weir_h2_hpack *hpack, uint32_t octets);

/*
 * Decodes up to one field from the front of *block, which moves on. WEIR_OK with *found: a field,
 * its spans *borrowed* until the next call; without: all octets were used, and if `last` was said
 * the block is complete. WEIR_E_H2_COMPRESSION or WEIR_E_NOMEM: nothing can be decoded any more.
 */
weir_status weir_h2_hpack_decode(weir_h2_hpack *hpack, weir_span *block, bool last,
                                 weir_field *field, bool *found);

/*
 * Puts both coders away until they are used next. One of which that cannot be done stays as it is:
 * there is no memory for what is written down, the decoder is in a block or waits for the table
 * size that the peer has to announce (RFC 7541 s4.2), the encoder is lost.
 */
void weir_h2_hpack_stow(weir_h2_hpack *hpack);

/* For tests: what is written down of the encoder's table; empty: it is not put away, or empty. */
weir_span weir_h2_hpack_stowed_encoder(const weir_h2_hpack *hpack);
/* For tests: which coders there are. */
bool weir_h2_hpack_has_encoder(const weir_h2_hpack *hpack);
bool weir_h2_hpack_has_decoder(const weir_h2_hpack *hpack);

#endif
