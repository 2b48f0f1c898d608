/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 client connection behind conn.h: one exchange at a time, request and response each a
 * half machine of its own, and one rule that says whether the connection may carry another.
 *
 *   sending     IDLE --open--> BODY --write(end), write_trailers--> ENDED --close--> IDLE
 *               IDLE --open, no content--> ENDED
 *               BODY --final head of 300 or more, or the end of the response--> ANSWERED
 *               ANSWERED --close, if a counted body was all queued--> IDLE
 *
 *   receiving   IDLE --open--> HEAD --final head--> BODY --last octet--> ENDED --close--> IDLE
 *
 *               BODY --cancel, the rest is counted and little--> ENDED
 *
 *   any but IDLE --cancel otherwise, failure, close while unfinished--> ABANDONED and CLOSED
 *
 * ABANDONED and CLOSED are for good. Octets are read while receiving is HEAD or BODY; at any other
 * time they are charged to UNREAD and make the connection unfit. The rest of a response that was
 * given up is charged to UNREAD too; until it has come the connection has no capacity, and behind
 * it the connection is as good as before.
 *
 * What belongs to an exchange, the send queue too, is allocated by open and given back by close: an
 * idle connection is the struct below and nothing else. A queue that an exchange leaves behind,
 * which nothing follows, stays until the connection is freed.
 *
 * Functions: conn_common.h. The struct is open for the tests.
 */
#ifndef WEIR_PROTO_H1_H
#define WEIR_PROTO_H1_H

#include "proto/conn_common.h"
#include "proto/h1_decode.h"
#include "proto/h1_encode.h"

typedef enum weir_h1_sending {
    WEIR_H1_SENDING_IDLE = 0,
    WEIR_H1_SENDING_BODY,     /* the head is queued, content may follow */
    WEIR_H1_SENDING_ENDED,    /* the whole request is queued */
    WEIR_H1_SENDING_ANSWERED, /* the final answer came first: the rest is not wanted (s9.5) */
    WEIR_H1_SENDING_ABANDONED,
    WEIR_H1_SENDING_COUNT
} weir_h1_sending;

typedef enum weir_h1_receiving {
    WEIR_H1_RECEIVING_IDLE = 0,
    WEIR_H1_RECEIVING_HEAD,  /* the final head is not complete */
    WEIR_H1_RECEIVING_BODY,  /* it is, the response is not */
    WEIR_H1_RECEIVING_ENDED, /* the response is complete */
    WEIR_H1_RECEIVING_CLOSED,
    WEIR_H1_RECEIVING_COUNT
} weir_h1_receiving;

/* Of a response that was given up: how much may be left, and how long it may take, for the
 * connection to be used again. */
#define WEIR_H1_REST_OCTETS ((uint32_t)65536)
#define WEIR_H1_REST_NS     (WEIR_NS_PER_SECOND)

typedef struct weir_h1_stream {
    weir_stream stream; /* first: weir_stream * is what users hold */
    weir_h1_encode encode;
    weir_h1_decode decode;
    weir_out out; /* conn.out */
    weir_ledger_owners owners;
    bool awaits_room; /* a write was answered AGAIN */
    bool is_duplex;   /* no head stops the request */
    bool is_given_up; /* cancelled, and the rest of its response is little: receiving is ENDED
                         before its end */
} weir_h1_stream;

typedef struct weir_h1 {
    weir_conn conn;       /* first */
    weir_h1_stream *open; /* NULL: no exchange */
    weir_time rest_until_ns;
    uint32_t rest_octets; /* of a response that was given up: still to come, and dropped */
    uint32_t last_id;
    weir_h1_sending sending : 8;
    weir_h1_receiving receiving : 8;
    /* Of octets that answer nothing, how many in a row begin a 408, up to all of its status line. */
    uint8_t timeout_octets;
    /* What the reuse rule looks at besides the two states; none is ever taken back. */
    bool closes : 1; /* a head said that this is the last response, or HTTP/1.0 did not say more */
    bool is_until_close : 1; /* the content, or a tunnel, goes on until the close */
    bool has_left_over : 1;  /* octets came that answer nothing */
    bool has_ended : 1;      /* the peer's end of input */
    bool is_shut_down : 1;
    bool has_abandoned_rest : 1;
} weir_h1;

const char *weir_h1_sending_name(weir_h1_sending sending);
const char *weir_h1_receiving_name(weir_h1_receiving receiving);

#endif
