/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 connection of a client (RFC 9113): what its parts share. Private to the h2_*.c files;
 * the rest of weir knows only conn.h.
 *
 *   h2_session.c   birth and death, the ends of streams and of the connection, facts, timers
 *   h2_settings.c  SETTINGS, ours and the peer's
 *   h2_judge.c     the frames that come, when their header is complete
 *   h2_receive.c   their payload and what they do
 *   h2_send.c      requests, and whose turn it is to send
 *
 * The connection:
 *
 *                  first SETTINGS           GOAWAY either way, ids used up, encoder lost
 *   AWAIT_PREFACE ---------------> OPEN ---------------------------------> (facts: not accepting)
 *         |                          |
 *         +-----> FAILED <-----------+    connection error: GOAWAY queued, every stream told; the
 *                                         rest of the input is charged and not parsed
 *
 * Ownership: owns its streams. Thread rule: none inside.
 */
#ifndef WEIR_PROTO_H2_SESSION_H
#define WEIR_PROTO_H2_SESSION_H

#include "proto/conn_common.h"
#include "proto/h2_budget.h"
#include "proto/h2_frame.h"
#include "proto/h2_hpack.h"
#include "proto/h2_stream.h"
#include "proto/h2_table.h"

/* The longest fixed-length payload (or piece of one) that is put together before it is read. */
#define WEIR_H2_SCRATCH_OCTETS   8
/* A queue that could not hold half of itself and a frame would never have room. */
#define WEIR_H2_LEAST_OUT_OCTETS 64

/* The peer's SETTINGS (RFC 9113 s6.5.2). */
typedef struct weir_h2_peer {
    uint32_t streams;
    uint32_t initial_window_octets;
    uint32_t max_frame_octets;
    bool connect_protocol; /* RFC 8441 s3 */
    bool no_priorities;    /* RFC 9218 s2.1 */
} weir_h2_peer;

/* The header block that is coming in: HEADERS and its CONTINUATION frames (RFC 9113 s4.3). */
typedef struct weir_h2_inbound_block {
    uint32_t stream_id;      /* 0: no block is open */
    weir_h2_stream *stream;  /* NULL: nobody wants it, it is decoded and dropped */
    weir_h2_account account; /* of its content, also in CONTINUATION */
    bool end_stream;
    uint32_t continuations;
    uint64_t octets; /* of its frames' payloads */
    weir_h2_section section;
} weir_h2_inbound_block;

typedef struct weir_h2_session {
    weir_conn conn; /* first */
    weir_ledger_annex annex;
    weir_out out;
    weir_h2_hpack *hpack;
    weir_h2_reader reader;
    weir_h2_table table;
    weir_list streams; /* all of them, in the order of ids */
    weir_list hungry; /* blocked senders that got nothing when last told, first come first served */
    weir_list fed;    /* blocked senders that got something */
    weir_list queued; /* senders that have queued as much as they may, though there is room */
    size_t told;      /* streams that wait in WEIR_H2_WAITS_TOLD */

    weir_h2_peer peer;
    weir_h2_peer peer_next;       /* with what the SETTINGS frame under way says */
    weir_h2_stream *frame_stream; /* of the frame under way; NULL: none, or it is LATE */
    weir_h2_inbound_block block;
    uint8_t scratch[WEIR_H2_SCRATCH_OCTETS];
    uint32_t scratch_count;

    uint32_t next_id;        /* of the next stream that we open; every lower odd one is not idle */
    uint32_t active;         /* streams that are not closed: what the peer's limit is about */
    uint32_t initial_window; /* SETTINGS_INITIAL_WINDOW_SIZE, ours */
    uint32_t goaway_last_id; /* the peer's; it may only fall */
    uint32_t goaway_code;
    int32_t send_window;
    weir_stopwatch no_window;  /* send_window is used up */
    weir_window window;        /* of the connection, receiving */
    uint64_t committed_octets; /* sum of the limits of all stream windows */
    uint64_t answer_octets;    /* queued because of the peer, less what has left since */
    uint64_t late_octets; /* DATA that closed streams may still get, because it was on its way */
    weir_h2_budget budget;

    weir_time settings_due_ns; /* when ours must be acknowledged; WEIR_NEVER: it was */
    weir_time received_ns;     /* when the peer was last heard of */
    weir_time ping_sent_ns;    /* WEIR_NEVER: none is out */
    weir_time coded_ns; /* when a header block was coded last, or a stream closed; WEIR_NEVER:
                                  the coders are put away since */
    uint64_t pings;

    bool preface_seen; /* the peer's first SETTINGS */
    bool goaway_seen;
    bool shut_down; /* we said GOAWAY, or will take nothing more */
    bool ended;     /* the end of input */
    bool choked;    /* too much is queued to take another request */
} weir_h2_session;

static inline weir_h2_session *weir_h2_session_of(weir_conn *conn)
{
    return WEIR_CONTAINER_OF(conn, weir_h2_session, conn);
}

static inline const weir_h2_session *weir_h2_session_of_const(const weir_conn *conn)
{
    return WEIR_CONST_CONTAINER_OF(conn, weir_h2_session, conn);
}

static inline weir_h2_stream *weir_h2_stream_of(weir_stream *stream)
{
    return WEIR_CONTAINER_OF(stream, weir_h2_stream, base);
}

static inline bool weir_h2_session_has_failed(const weir_h2_session *session)
{
    return session->conn.failed;
}

/* What went wrong and what the peer is told of it. */
typedef struct weir_h2_fault {
    weir_status status;
    weir_h2_code code;
    const char *what;
} weir_h2_fault;

/* A connection error (RFC 9113 s5.4.1): queues GOAWAY, fails every open stream. Once. */
void weir_h2_session_fail(weir_h2_session *session, weir_h2_fault fault);
/* The same in one line, for checks: false always. */
bool weir_h2_session_refuse(weir_h2_session *session, weir_status status, weir_h2_code code,
                            const char *what);
/* The same for a failure that the peer is told INTERNAL_ERROR of. */
void weir_h2_session_fail_nomem(weir_h2_session *session);
/* A stream error (RFC 9113 s5.4.2): queues RST_STREAM, fails the stream. */
void weir_h2_session_fail_stream(weir_h2_session *session, weir_h2_stream *stream,
                                 weir_h2_fault fault);
/* The stream ends without RST_STREAM of ours: the peer's doing. Tells it. */
void weir_h2_session_lose_stream(weir_h2_session *session, weir_h2_stream *stream,
                                 const weir_failure *failure);
/* After a half of the stream has changed: takes a closed stream out of everything but the table. */
void weir_h2_session_settle(weir_h2_session *session, weir_h2_stream *stream);
/* Whether octets of the exchange left, as far as the ledger of this connection knows. */
weir_processed weir_h2_session_processed(const weir_h2_stream *stream);

/* Recomputes the facts from the state. */
void weir_h2_session_update_facts(weir_h2_session *session);
uint32_t weir_h2_session_capacity(const weir_h2_session *session);

/* One frame without progress; over the budget the connection fails. */
void weir_h2_session_spend(weir_h2_session *session);
/* Something was queued in answer to the peer; a peer that reads none of it is flooding. */
void weir_h2_session_answered(weir_h2_session *session, bool queued);

/* h2_settings.c */
bool weir_h2_settings_queue(weir_h2_session *session);
void weir_h2_settings_begin(weir_h2_session *session);
/* One setting of 6 octets. */
void weir_h2_settings_take(weir_h2_session *session, const uint8_t *at);
/* The frame is complete: it takes effect as a whole and is acknowledged. */
void weir_h2_settings_commit(weir_h2_session *session);
void weir_h2_settings_acknowledged(weir_h2_session *session);

/* h2_judge.c: the header of a frame is complete. Accounts for the frame. */
void weir_h2_judge(weir_h2_session *session);

/* The inbox or the window of receiving changed: is it the caller whom the peer waits for? */
void weir_h2_session_note_unread(weir_h2_session *session, weir_h2_stream *stream);

/* h2_receive.c: one part of the input. */
void weir_h2_receive_part(weir_h2_session *session, weir_h2_part_kind kind, weir_span content);

/* h2_send.c */
/* Gives credit of the stream back if it is due. */
void weir_h2_send_credit(weir_h2_session *session, weir_h2_stream *stream);
/* Raises the stream's window to its full size at once: more than it holds is announced. */
void weir_h2_send_raise(weir_h2_session *session, weir_h2_stream *stream);
/* The stream's own window opened. */
void weir_h2_send_unblock(weir_h2_session *session, weir_h2_stream *stream);
/* The connection's window grew or shrank by so much. */
void weir_h2_send_window(weir_h2_session *session, int64_t octets);
/* Tells the blocked senders, in turn, if there is room and window to share. */
void weir_h2_send_wake(weir_h2_session *session);
/* The response is complete: who waits to send more of the request need not wait any longer. */
void weir_h2_send_answered(weir_h2_session *session, weir_h2_stream *stream);
/* Takes the stream out of the waiting lists. */
void weir_h2_send_forget(weir_h2_session *session, weir_h2_stream *stream);

#endif
