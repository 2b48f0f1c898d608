/* SPDX-License-Identifier: MIT */
/*
 * A record in three parts: header | held | tail. A record that comes in one piece is not copied
 * here at all: its body is `tail`, in the caller's memory, until the library has read it.
 *
 * Invariants, checked by weir_tls_in_check(): a body is held only after a whole header; there is a
 * tail only while WHOLE; held and tail together are what was not given yet.
 */
#include "engine/tls_in.h"

#include <string.h>

_Static_assert(WEIR_TLS_BODY_LIMIT_OCTETS <= UINT16_MAX, "the header can say so");

static size_t gather_header(weir_tls_in *in, weir_span octets);
static void read_header(weir_tls_in *in);
static size_t gather_body(weir_tls_in *in, weir_span octets);

void weir_tls_in_init(weir_tls_in *in, weir_bin *bin)
{
    memset(in, 0, sizeof(*in));
    weir_buf_init(&in->held, bin, WEIR_TLS_BODY_LIMIT_OCTETS);
}

void weir_tls_in_clear(weir_tls_in *in)
{
    weir_buf_clear(&in->held);
}

size_t weir_tls_in_feed(weir_tls_in *in, weir_span octets)
{
    size_t taken;

    WEIR_ASSERT(in->state == WEIR_TLS_IN_TORN);
    taken = gather_header(in, octets);
    if (in->header_octets == WEIR_TLS_HEADER_OCTETS && in->state == WEIR_TLS_IN_TORN) {
        taken += gather_body(in, weir_span_from(octets, taken));
    }
    weir_tls_in_check(in);
    return taken;
}

size_t weir_tls_in_torn(const weir_tls_in *in)
{
    return in->header_octets + in->held.octets;
}

size_t weir_tls_in_give(weir_tls_in *in, uint8_t *to, size_t room)
{
    size_t given = 0;

    WEIR_ASSERT(in->state == WEIR_TLS_IN_WHOLE);
    if (in->given_octets < WEIR_TLS_HEADER_OCTETS) {
        given = weir_min(room, WEIR_TLS_HEADER_OCTETS - in->given_octets);
        memcpy(to, in->header + in->given_octets, given);
    }
    given += weir_buf_take(&in->held, to + given, room - given);
    if (given < room && in->tail.length > 0) {
        size_t step = weir_min(room - given, in->tail.length);
        memcpy(to + given, in->tail.at, step);
        in->tail = weir_span_from(in->tail, step);
        given += step;
    }
    in->given_octets += given;
    weir_tls_in_check(in);
    return given;
}

bool weir_tls_in_is_given(const weir_tls_in *in)
{
    return in->given_octets == WEIR_TLS_HEADER_OCTETS + in->body_octets;
}

void weir_tls_in_done(weir_tls_in *in)
{
    weir_buf_clear(&in->held);
    in->tail = (weir_span){NULL, 0};
    in->state = WEIR_TLS_IN_TORN;
    in->header_octets = 0;
    in->body_octets = 0;
    in->given_octets = 0;
}

void weir_tls_in_check(const weir_tls_in *in)
{
    weir_buf_check(&in->held);
    WEIR_CHECK_ASSERT(in->held.octets == 0 || in->header_octets == WEIR_TLS_HEADER_OCTETS);
    WEIR_CHECK_ASSERT(in->tail.length == 0 || in->state == WEIR_TLS_IN_WHOLE);
    WEIR_CHECK_ASSERT(in->given_octets == 0 || in->state == WEIR_TLS_IN_WHOLE);
    if (in->state == WEIR_TLS_IN_WHOLE) {
        size_t header = weir_min(in->given_octets, WEIR_TLS_HEADER_OCTETS);
        WEIR_CHECK_ASSERT(in->given_octets - header + in->held.octets + in->tail.length ==
                          in->body_octets);
    }
}

static size_t gather_header(weir_tls_in *in, weir_span octets)
{
    size_t step = weir_min(WEIR_TLS_HEADER_OCTETS - (size_t)in->header_octets, octets.length);

    if (step == 0) {
        return 0;
    }
    memcpy(in->header + in->header_octets, octets.at, step);
    in->header_octets = (uint8_t)(in->header_octets + step);
    if (in->header_octets == WEIR_TLS_HEADER_OCTETS) {
        read_header(in);
    }
    return step;
}

/* RFC 8446 s5.1: one of four types, and a version that begins with 3. What does not look so is not
 * given to the library. */
static void read_header(weir_tls_in *in)
{
    in->body_octets = (size_t)in->header[3] << 8 | in->header[4];
    if (in->header[0] < 20 || in->header[0] > 23 || in->header[1] != 3) {
        in->state = WEIR_TLS_IN_NOT_TLS;
    } else if (in->body_octets > WEIR_TLS_BODY_LIMIT_OCTETS) {
        in->state = WEIR_TLS_IN_TOO_LONG;
    }
}

static size_t gather_body(weir_tls_in *in, weir_span octets)
{
    size_t missing = in->body_octets - in->held.octets;

    if (octets.length >= missing) {
        in->tail = weir_span_head(octets, missing);
        in->state = WEIR_TLS_IN_WHOLE;
        return missing;
    }
    if (octets.length > 0 && !weir_buf_append(&in->held, octets)) {
        in->state = WEIR_TLS_IN_NOMEM;
        return 0;
    }
    return octets.length;
}
