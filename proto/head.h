/* SPDX-License-Identifier: MIT */
/*
 * A request head, checked and normalised once for both protocols (RFC 9110 s5, s6, s7, s9).
 *
 * weir_head_build() is the only door: what passes it can be written as HTTP/1.1 or as HTTP/2
 * without looking again. It refuses, before anything is sent: a method that is no token; a name
 * that is no token (so none begins with a colon); CR, LF, NUL or other control octets in a value
 * (HTAB and obs-text are allowed), leading or trailing white space is trimmed; Connection,
 * Keep-Alive, Proxy-Connection, Transfer-Encoding, Upgrade, HTTP2-Settings and TE other than
 * "trailers"; a second Host or one that differs from the target; a Content-Length that contradicts
 * the body, or one at all when there is no body framing of that length; Expect other than
 * 100-continue, or without content (RFC 9110 s10.1.1); content in TRACE and CONNECT, and
 * credentials in TRACE (s9.3.8); the target "*" for a method other than OPTIONS.
 *
 * The engine adds: Host/:authority, Content-Length or Transfer-Encoding as the body asks, Trailer
 * never, TE never, no User-Agent and no Accept: what the caller did not say is not said. "expect:
 * 100-continue" is added here: it stands in `fields`, once, when expect_continue is true.
 *
 * Ownership: the head owns copies (or keeps, WEIR_KEEP) until weir_head_clear().
 *
 * Failures. failure->offset is the octet of the method for WEIR_E_METHOD, and the index of the
 * field in the caller's array for a status about a field; failure->what says which rule it broke.
 */
#ifndef WEIR_PROTO_HEAD_H
#define WEIR_PROTO_HEAD_H

#include "proto/body.h"
#include "proto/fields.h"
#include "proto/target.h"
#include "weir/request.h"

typedef struct weir_head_parts {
    weir_span method; /* empty: GET */
    const weir_target *target;
    const weir_field *fields;
    size_t field_count;
    weir_body_framing body; /* what the request will carry */
    bool expect_continue;   /* add "expect: 100-continue" if there is content (so does an Expect
                               field) */
    weir_hint hint;
    size_t limit_octets; /* of names, values, method and target together; 0: 65536 */
} weir_head_parts;

typedef struct weir_head {
    weir_span method;
    bool https;
    weir_span authority; /* for CONNECT always with its port (RFC 9112 s3.2.3) */
    weir_span path;      /* empty for CONNECT, "*" for OPTIONS of the whole server */
    weir_fields fields;  /* lower-cased names, without host and content-length */
    weir_body_framing body;
    bool says_length; /* write content-length: body.length_octets. With WEIR_FRAMING_LENGTH, and as
                         0 without content where the method leads one to expect some (RFC 9110 s8.6)
                         or the caller said so */
    bool expect_continue;
    bool idempotent; /* RFC 9110 s9.2.2 */
    bool is_head;    /* HEAD: the response has no content */
    bool is_connect;
    weir_hint hint; /* what kind of exchange it is: says nothing to the peer */
} weir_head;

/*
 * Checks and copies. On failure the head holds nothing, as after weir_head_clear(). Returns
 * WEIR_OK, or WEIR_E_METHOD, _FIELD_NAME, _FIELD_VALUE, _FIELD_FORBIDDEN, _FIELD_HOST,
 * _FIELD_LENGTH, _HEAD_LARGE, WEIR_E_INVALID (method, target and body do not go together),
 * WEIR_E_NOMEM.
 */
weir_status weir_head_build(weir_head *head, const weir_head_parts *parts,
                            const weir_allocator *allocator, weir_failure *failure);
void weir_head_clear(weir_head *head);

/*
 * Trailer fields (RFC 9110 s6.5.1): the same checks; fields for framing, routing, request
 * modifiers, credentials and content processing are refused, and more than 65536 octets
 * (WEIR_E_TRAILER). On failure `trailers` is empty.
 */
weir_status weir_trailers_build(weir_fields *trailers, const weir_field *fields, size_t count,
                                const weir_allocator *allocator, weir_failure *failure);

#endif
