/* SPDX-License-Identifier: MIT */
/*
 * One stream: two half machines (RFC 9113 s5.1) and the rules of a response that span several
 * frames (RFC 9113 s8.1).
 *
 *   sending                                  receiving
 *
 *   BODY --end_stream sent--> ENDED          HEAD --final head--> BODY --END_STREAM--> ENDED
 *     |                                       |  \---------END_STREAM on the head------^
 *     +------reset----------> RESET           +--reset--> RESET <--reset-- BODY
 *
 * A request without content begins in ENDED. A stream is closed when neither half goes on; a half
 * that has ended stays ended, so that a response that was complete before a reset is still known to
 * be. The two halves are coupled by the session alone: resetting a stream resets both.
 *
 * Ownership: the session owns its streams. Thread rule: none inside.
 */
#ifndef WEIR_PROTO_H2_STREAM_H
#define WEIR_PROTO_H2_STREAM_H

#include "proto/h2_message.h"
#include "proto/head.h"
#include "proto/window.h"

typedef enum weir_h2_sending {
    WEIR_H2_SEND_RESET = 0,
    WEIR_H2_SEND_ENDED,
    WEIR_H2_SEND_BODY
} weir_h2_sending;

typedef enum weir_h2_receiving {
    WEIR_H2_RECEIVE_RESET = 0,
    WEIR_H2_RECEIVE_ENDED,
    WEIR_H2_RECEIVE_HEAD,
    WEIR_H2_RECEIVE_BODY
} weir_h2_receiving;

/* Why weir_h2_write() took less than it was given. */
typedef enum weir_h2_waiting {
    WEIR_H2_WAITS_NOT = 0,
    WEIR_H2_WAITS_OWN_WINDOW, /* for a WINDOW_UPDATE of this stream */
    WEIR_H2_WAITS_OWN_QUEUE,  /* for what it has queued to be sent; linked in a list */
    WEIR_H2_WAITS_SHARED,     /* for the connection's window or for room; linked in a list */
    WEIR_H2_WAITS_TOLD        /* WRITABLE was told and it has not written since */
} weir_h2_waiting;

typedef struct weir_h2_stream {
    weir_stream base;  /* first: the conn's face knows only this */
    weir_list all;     /* in session.streams, in the order of ids */
    weir_list waiting; /* in session.hungry, session.fed or session.queued */
    weir_h2_sending sending;
    weir_h2_receiving receiving;
    weir_h2_waiting waits;
    bool counted;           /* among the session's active streams */
    bool is_head;           /* HEAD: the response has no content */
    bool is_connect;        /* a successful response is a tunnel */
    uint32_t informational; /* 1xx responses so far, and their octets */
    uint32_t informational_octets;
    uint64_t turn_octets;      /* that it has sent since it was told WRITABLE, or ever */
    int32_t send_window;       /* may be negative (RFC 9113 s6.9.2) */
    uint32_t queue_octets;     /* that it may have queued for sending; UINT32_MAX: all the room */
    weir_stopwatch own_window; /* content waits for a WINDOW_UPDATE of this stream */
    /* it waited for one of the connection, without the wait under way */
    weir_time connection_window_ns;
    weir_time connection_mark_ns; /* what session.no_window showed when the wait began */
    weir_window window;           /* of receiving */
    uint64_t send_left;           /* of the declared content, WEIR_UNKNOWN: not declared */
    uint64_t content_left; /* of the response's declared content, WEIR_UNKNOWN: not declared */
} weir_h2_stream;

typedef struct weir_h2_stream_options {
    void *user;
    weir_bin *bin;
    const weir_head *head;
    uint32_t inbox_octets; /* the most that the inbox may hold */
    uint32_t window_octets;
    int32_t send_window;
    uint32_t queue_octets;
} weir_h2_stream_options;

void weir_h2_stream_init(weir_h2_stream *stream, const weir_h2_stream_options *options);
void weir_h2_stream_clear(weir_h2_stream *stream);

bool weir_h2_stream_is_closed(const weir_h2_stream *stream);
/* May the peer still send HEADERS or DATA? */
bool weir_h2_stream_is_receiving(const weir_h2_stream *stream);
bool weir_h2_stream_is_sending(const weir_h2_stream *stream);

/* Whether a whole section is allowed here. What it means is told through `ready`. */
typedef struct weir_h2_section_place {
    weir_list *ready;
    bool end_stream;
    uint32_t informational_limit;
} weir_h2_section_place;
/*
 * A complete section that kept its own rules: *takes* its message and tells it. WEIR_OK,
 * WEIR_E_H2_MESSAGE, WEIR_E_H2_LENGTH, WEIR_E_LIMIT_INFORMATIONAL, with *what.
 */
weir_status weir_h2_stream_section(weir_h2_stream *stream, weir_h2_section *section,
                                   const weir_h2_section_place *place, const char **what);

/* A DATA frame begins, of so much content: is it allowed here? WEIR_E_H2_MESSAGE, _LENGTH. */
weir_status weir_h2_stream_content(weir_h2_stream *stream, uint32_t octets, const char **what);
/* END_STREAM: WEIR_E_H2_LENGTH if content is missing, else END is told. */
weir_status weir_h2_stream_end(weir_h2_stream *stream, weir_list *ready);

void weir_h2_stream_sent_end(weir_h2_stream *stream);
/* Both halves, as far as they have not ended. */
void weir_h2_stream_reset(weir_h2_stream *stream);

/* Where the exchange is, for a failure. */
weir_phase weir_h2_stream_phase(const weir_h2_stream *stream);

void weir_h2_stream_check(const weir_h2_stream *stream);

#endif
