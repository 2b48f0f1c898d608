/* SPDX-License-Identifier: MIT */
/*
 * How content is framed, as a value (RFC 9112 s6.3, RFC 9113 s8.1), and a part of it.
 */
#ifndef WEIR_PROTO_BODY_H
#define WEIR_PROTO_BODY_H

#include "proto/base.h"

typedef enum weir_framing {
    WEIR_FRAMING_NONE = 0,   /* no content */
    WEIR_FRAMING_LENGTH,     /* Content-Length octets */
    WEIR_FRAMING_CHUNKED,    /* chunked coding; on HTTP/2 DATA frames without content-length */
    WEIR_FRAMING_UNTIL_CLOSE /* responses only */
} weir_framing;

typedef struct weir_body_framing {
    weir_framing framing;
    uint64_t length_octets; /* for WEIR_FRAMING_LENGTH */
} weir_body_framing;

/* What is sent of a body at once. */
typedef struct weir_body_part {
    weir_span octets; /* borrowed */
    bool end;         /* the body ends with them; without octets: it has ended */
} weir_body_part;

#endif
