/* SPDX-License-Identifier: MIT */
/*
 * What a complete response head says about the octets behind it and about the connection
 * (RFC 9112 s6.3, s9.3).
 *
 * A pure decision over the fields, apart from the parser that found them: the parser is asked where
 * a field begins and ends, never what it means. The fields are borrowed; the answer is a value.
 */
#ifndef WEIR_PROTO_H1_FRAMING_H
#define WEIR_PROTO_H1_FRAMING_H

#include "proto/body.h"
#include "proto/stream.h"

/* What the request was, as far as it shapes the response. */
typedef struct weir_h1_asked {
    bool is_head;
    bool is_connect;
} weir_h1_asked;

typedef struct weir_h1_framing {
    weir_body_framing body;
    bool is_tunnel;          /* 2xx to CONNECT: what follows is not HTTP */
    bool closes;             /* the connection ends with this response */
    weir_time keep_alive_ns; /* Keep-Alive: timeout=, 0: not said */
    const char *what;        /* of a refusal: which rule was broken */
} weir_h1_framing;

/*
 * Decides, and fills in length_octets and has_content of the message. `minor` is the one of
 * HTTP/1.minor. WEIR_OK, WEIR_E_H1_CODING (any Transfer-Encoding but "chunked" alone, one beside
 * Content-Length, or one in HTTP/1.0), WEIR_E_H1_LENGTH (Content-Length is not a number below 2^63,
 * or says two things).
 */
weir_status weir_h1_framing_decide(weir_h1_framing *framing, weir_message *message, unsigned minor,
                                   weir_h1_asked asked);

#endif
