/* SPDX-License-Identifier: MIT */
/*
 * A field section that is being received, and the rules that it must keep (RFC 9113 s8.2, s8.3).
 *
 * A connection decodes one section at a time (RFC 9113 s4.3), so there is one of these in it and
 * none in a stream. Fields are judged one by one as the decoder finds them. After the first
 * violation nothing more is stored, but the fields go on coming: the decoder must see the block to
 * its end.
 *
 *   begin -> field* -> end -> take (or drop)
 *
 * Ownership: owns the message until it is taken.
 */
#ifndef WEIR_PROTO_H2_MESSAGE_H
#define WEIR_PROTO_H2_MESSAGE_H

#include "proto/stream.h"

/* Where the section stands, and how long it may be. */
typedef struct weir_h2_section_options {
    bool is_trailers;
    bool is_connect;               /* a 2xx has a length that means nothing (RFC 9110 s9.3.6) */
    uint32_t octets;               /* of the section: name + value + 32 for each field */
    uint32_t informational_octets; /* the same, if it turns out to be a 1xx */
    uint32_t fields;
} weir_h2_section_options;

typedef struct weir_h2_section {
    weir_message *message; /* NULL: nobody wants the fields */
    weir_h2_section_options options;
    uint64_t octets;
    uint32_t fields;
    bool regular_seen;  /* no pseudo-header field may follow (RFC 9113 s8.3) */
    weir_status status; /* the first violation */
    const char *what;
} weir_h2_section;

/* A section whose fields go nowhere. */
void weir_h2_section_begin_unwanted(weir_h2_section *section);
/* No memory for the message is a violation like any other. */
void weir_h2_section_begin(weir_h2_section *section, const weir_allocator *allocator,
                           const weir_h2_section_options *options);
void weir_h2_section_field(weir_h2_section *section, const weir_field *field);
/*
 * The block is complete: WEIR_OK, WEIR_E_H2_MESSAGE, WEIR_E_LIMIT_HEAD, WEIR_E_LIMIT_FIELDS or
 * WEIR_E_NOMEM; section->what says more. The message's code, and its length as declared, are set.
 */
weir_status weir_h2_section_end(weir_h2_section *section);
weir_message *weir_h2_section_take(weir_h2_section *section);
void weir_h2_section_drop(weir_h2_section *section);

#endif
