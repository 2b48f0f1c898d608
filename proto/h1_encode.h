/* SPDX-License-Identifier: MIT */
/*
 * A request as HTTP/1.1 octets in a send queue, each tagged with the row of the ledger that it will
 * be charged to (RFC 9112 s3, s5, s6, s7).
 *
 *   head      request line, fields and the empty line
 *   body      content
 *   framing   chunk lines, the CRLF behind a chunk, the last chunk, the CRLF that ends the trailers
 *   trailers  trailer field lines
 *
 * Each function queues all of what it is given or nothing: a request never stops in the middle of a
 * line because memory ran out. What may be sent when is the business of h1.c.
 *
 * Ownership: the queue and the owner are *kept*; everything else is borrowed.
 */
#ifndef WEIR_PROTO_H1_ENCODE_H
#define WEIR_PROTO_H1_ENCODE_H

#include "proto/head.h"
#include "proto/out.h"

typedef struct weir_h1_encode {
    weir_out *out;
    weir_owner *owner;
    weir_framing framing;
    uint64_t left_octets; /* of a counted body, that were not queued yet */
} weir_h1_encode;

void weir_h1_encode_init(weir_h1_encode *encode, weir_out *out, weir_owner *owner);

/* The whole head. False: no memory. */
bool weir_h1_encode_head(weir_h1_encode *encode, const weir_head *head);

/*
 * Content, not empty and within the declared length; chunked, it becomes one chunk. False: no
 * memory.
 */
bool weir_h1_encode_body(weir_h1_encode *encode, weir_span octets);

/*
 * The end of the content, with trailers (chunked only) or NULL. A counted body has nothing to say
 * here. False: no memory.
 */
bool weir_h1_encode_end(weir_h1_encode *encode, const weir_fields *trailers);

/* Is the request complete on the wire as it stands, though nobody has said that it ends? */
bool weir_h1_encode_is_whole(const weir_h1_encode *encode);

#endif
