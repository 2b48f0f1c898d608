/* SPDX-License-Identifier: MIT */
/*
 * SETTINGS (RFC 9113 s6.5): what we offer, and what the peer asks for.
 *
 * The size of a stream's window when it opens. A window that we announce is memory that the peer
 * may fill, so the sum of the announced windows must stay below limits.conn_inbox_octets whatever
 * the number of streams. SETTINGS_INITIAL_WINDOW_SIZE is therefore a fair share of it (16 MiB over
 * 1000 streams: 16,777 octets), and a stream that turns out to need more is raised to
 * limits.inbox_octets by one WINDOW_UPDATE of its own, if the sum allows it at that moment:
 *
 *   - when its final head declares more content than the window holds, or
 *   - when half of the first window has been used.
 *
 * Cost: nothing for a response that fits its share, 13 octets for one that does not, and for a long
 * response on a warm connection up to one round trip in which the server waits (on a new one TCP
 * itself begins with about as much). The other ways cost more. A full window in SETTINGS breaks the
 * bound; WINDOW_UPDATE with every request costs 13 octets for each of the many small ones; changing
 * SETTINGS_INITIAL_WINDOW_SIZE while streams are open makes windows negative, which servers get
 * wrong.
 */
#include "proto/h2_session.h"

typedef enum setting_id {
    HEADER_TABLE_SIZE = 0x1,
    ENABLE_PUSH = 0x2,
    MAX_CONCURRENT_STREAMS = 0x3,
    INITIAL_WINDOW_SIZE = 0x4,
    MAX_FRAME_SIZE = 0x5,
    MAX_HEADER_LIST_SIZE = 0x6,
    ENABLE_CONNECT_PROTOCOL = 0x8,
    NO_RFC7540_PRIORITIES = 0x9
} setting_id;

/* A smaller first window than this would make every second response wait. */
#define LEAST_WINDOW_OCTETS UINT32_C(4096)

static uint32_t initial_window(const weir_conn_limits *limits);
static void refuse(weir_h2_session *session, weir_h2_code code, const char *what);
static void take_switch(weir_h2_session *session, uint32_t value, bool *is_on, const char *what);
static void move_windows(weir_h2_session *session, int64_t delta);

bool weir_h2_settings_queue(weir_h2_session *session)
{
    const weir_conn_limits *limits = session->conn.limits;
    weir_h2_setting settings[5];
    size_t count = 0;
    settings[count++] = (weir_h2_setting){ENABLE_PUSH, 0};
    settings[count++] = (weir_h2_setting){MAX_HEADER_LIST_SIZE, limits->head_octets};
    settings[count++] = (weir_h2_setting){NO_RFC7540_PRIORITIES, 1};
    session->initial_window = initial_window(limits);
    settings[count++] = (weir_h2_setting){INITIAL_WINDOW_SIZE, session->initial_window};
    if (limits->header_table_octets != WEIR_H2_TABLE_OCTETS) {
        settings[count++] = (weir_h2_setting){HEADER_TABLE_SIZE, limits->header_table_octets};
    }
    return weir_h2_queue_settings(session->conn.out, settings, count);
}

void weir_h2_settings_begin(weir_h2_session *session)
{
    session->peer_next = session->peer;
    session->scratch_count = 0;
    if (!session->preface_seen) {
        /* Until now we assumed a limit; not to say one means that there is none. */
        session->peer_next.streams = UINT32_MAX;
    }
}

void weir_h2_settings_take(weir_h2_session *session, const uint8_t *at)
{
    weir_h2_peer *next = &session->peer_next;
    unsigned id = (unsigned)at[0] << 8 | at[1];
    uint32_t value = weir_h2_get32(at + 2);
    switch (id) {
    case HEADER_TABLE_SIZE:
        /* Each value counts, not only the last: the smallest must be announced (RFC 7541 s4.2). */
        if (!weir_h2_hpack_limit_encoder(session->hpack, value)) {
            weir_h2_session_fail_nomem(session);
        }
        break;
    case ENABLE_PUSH:
        if (value != 0) {
            refuse(session, WEIR_H2_PROTOCOL_ERROR, "SETTINGS_ENABLE_PUSH from a server");
        }
        break;
    case MAX_CONCURRENT_STREAMS:
        next->streams = value;
        break;
    case INITIAL_WINDOW_SIZE:
        next->initial_window_octets = value;
        if (value > WEIR_WINDOW_MAX_OCTETS) {
            refuse(session, WEIR_H2_FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE over 2^31-1");
        }
        break;
    case MAX_FRAME_SIZE:
        next->max_frame_octets = value;
        if (value < WEIR_H2_MIN_FRAME_OCTETS || value > WEIR_H2_MAX_FRAME_OCTETS) {
            refuse(session, WEIR_H2_PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range");
        }
        break;
    case ENABLE_CONNECT_PROTOCOL:
        /* RFC 8441 s3: once on, it stays on. */
        if (session->peer.connect_protocol && value == 0) {
            refuse(session, WEIR_H2_PROTOCOL_ERROR, "SETTINGS_ENABLE_CONNECT_PROTOCOL taken back");
        }
        take_switch(session, value, &next->connect_protocol,
                    "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1");
        break;
    case NO_RFC7540_PRIORITIES:
        if (session->preface_seen && (value != 0) != session->peer.no_priorities) {
            refuse(session, WEIR_H2_PROTOCOL_ERROR, "SETTINGS_NO_RFC7540_PRIORITIES changed");
        }
        take_switch(session, value, &next->no_priorities,
                    "SETTINGS_NO_RFC7540_PRIORITIES is neither 0 nor 1");
        break;
    default:
        /* MAX_HEADER_LIST_SIZE is advice that a request may go against; the rest is unknown. */
        break;
    }
}

void weir_h2_settings_commit(weir_h2_session *session)
{
    bool is_moved = session->peer_next.initial_window_octets != session->peer.initial_window_octets;
    int64_t delta = (int64_t)session->peer_next.initial_window_octets -
                    (int64_t)session->peer.initial_window_octets;
    session->peer = session->peer_next;
    session->preface_seen = true;
    weir_h2_session_answered(session, weir_h2_queue_settings_ack(session->conn.out));
    if (is_moved) {
        move_windows(session, delta);
    }
}

void weir_h2_settings_acknowledged(weir_h2_session *session)
{
    if (session->settings_due_ns == WEIR_NEVER) {
        refuse(session, WEIR_H2_PROTOCOL_ERROR, "SETTINGS acknowledged twice");
        return;
    }
    session->settings_due_ns = WEIR_NEVER;
    uint32_t octets = session->conn.limits->header_table_octets;
    if (octets == WEIR_H2_TABLE_OCTETS) {
        return;
    }
    session->coded_ns = session->conn.ledger.now_ns; /* it may have been put away */
    if (!weir_h2_hpack_limit_decoder(session->hpack, octets)) {
        weir_h2_session_fail_nomem(session);
    }
}

/* A fair share of the memory for all inboxes. */
static uint32_t initial_window(const weir_conn_limits *limits)
{
    uint32_t share = limits->conn_inbox_octets / limits->streams;
    if (share > WEIR_WINDOW_DEFAULT_OCTETS) {
        share = WEIR_WINDOW_DEFAULT_OCTETS;
    }
    if (share < LEAST_WINDOW_OCTETS) {
        share = LEAST_WINDOW_OCTETS;
    }
    return share < limits->inbox_octets ? share : limits->inbox_octets;
}

static void refuse(weir_h2_session *session, weir_h2_code code, const char *what)
{
    weir_status status =
        code == WEIR_H2_FLOW_CONTROL_ERROR ? WEIR_E_H2_FLOW_CONTROL : WEIR_E_H2_PROTOCOL;
    weir_h2_session_fail(session, (weir_h2_fault){status, code, what});
}

static void take_switch(weir_h2_session *session, uint32_t value, bool *is_on, const char *what)
{
    if (value > 1) {
        refuse(session, WEIR_H2_PROTOCOL_ERROR, what);
    }
    *is_on = value == 1;
}

/* RFC 9113 s6.9.2: every stream's sending window moves, below zero if need be. */
static void move_windows(weir_h2_session *session, int64_t delta)
{
    weir_list *at = session->streams.next;
    for (; at != &session->streams && !weir_h2_session_has_failed(session); at = at->next) {
        weir_h2_stream *stream = WEIR_CONTAINER_OF(at, weir_h2_stream, all);
        int64_t window = stream->send_window + delta;
        if (weir_h2_stream_is_closed(stream)) {
            continue;
        }
        if (window > (int64_t)WEIR_WINDOW_MAX_OCTETS) {
            refuse(session, WEIR_H2_FLOW_CONTROL_ERROR, "SETTINGS makes a window overflow");
            return;
        }
        stream->send_window = (int32_t)window;
        weir_h2_send_unblock(session, stream);
    }
    weir_h2_send_wake(session);
}
