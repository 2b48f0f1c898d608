/* SPDX-License-Identifier: MIT */
/*
 * Frames judged by their 9-octet header (RFC 9113 s4, s6): whose they are, whether they may come
 * now, on that stream, of that length, and whether they are one too many.
 *
 * Scope of an error. What breaks the connection's state (framing, compression, its window,
 * SETTINGS) is a connection error. What breaks one message or one window is a stream error. A frame
 * for a stream that is closed is neither: the peer may not know yet. It is LATE, it still goes
 * through the decoder (s4.3) and still gives connection credit back (s6.9), and so that this does
 * not become a way to send without end, DATA beyond what was on its way counts as a frame without
 * progress.
 *
 * An id of ours that was never opened is idle, and every even id is (push is off): PROTOCOL_ERROR.
 *
 * All of this happens when the header is complete, so it cannot depend on how the input is split.
 */
#include "proto/h2_session.h"

/* A header block on the wire may take this many times what its fields may take decoded, and one
 * CONTINUATION for so many octets of it; both are far beyond what an encoder needs. */
#define BLOCK_OCTETS_FACTOR 2
#define CONTINUATION_OCTETS 1024
#define LEAST_CONTINUATIONS 8

#define RST_STREAM_OCTETS    4
#define WINDOW_UPDATE_OCTETS 4
#define PRIORITY_OCTETS      5
#define PING_OCTETS          8
#define GOAWAY_OCTETS        8

_Static_assert(PING_OCTETS <= WEIR_H2_SCRATCH_OCTETS, "a PING fits the scratch");
_Static_assert(GOAWAY_OCTETS <= WEIR_H2_SCRATCH_OCTETS, "a GOAWAY fits the scratch");

static weir_h2_account account_of(weir_h2_session *session, weir_h2_stream **stream);
static weir_h2_account account_of_stream(weir_h2_stream *stream, weir_h2_frame_head head);
static bool is_idle(const weir_h2_session *session, uint32_t id);
static void judge_type(weir_h2_session *session, weir_h2_frame_head head);
static bool check_frame(weir_h2_session *session, weir_h2_frame_head head);
static bool check_length(weir_h2_session *session, weir_h2_frame_head head);
static bool check_stream(weir_h2_session *session, weir_h2_frame_head head);
static bool check_block(weir_h2_session *session, weir_h2_frame_head head);
static void judge_data(weir_h2_session *session, weir_h2_frame_head head);
static void judge_late_data(weir_h2_session *session, weir_h2_frame_head head);
static void judge_headers(weir_h2_session *session, weir_h2_frame_head head);
static void judge_continuation(weir_h2_session *session, weir_h2_frame_head head);

void weir_h2_judge(weir_h2_session *session)
{
    weir_h2_frame_head head = session->reader.head;
    weir_h2_stream *stream = NULL;
    weir_h2_reader_account(&session->reader, account_of(session, &stream));
    session->frame_stream = stream;
    session->scratch_count = 0;
    if (check_frame(session, head)) {
        judge_type(session, head);
    }
    if (weir_h2_session_has_failed(session)) {
        weir_h2_reader_abandon(&session->reader);
    }
}

/* The rules of the frame's type that need the stream or count something. */
static void judge_type(weir_h2_session *session, weir_h2_frame_head head)
{
    switch (head.type) {
    case WEIR_H2_DATA:
        judge_data(session, head);
        break;
    case WEIR_H2_HEADERS:
        judge_headers(session, head);
        break;
    case WEIR_H2_CONTINUATION:
        judge_continuation(session, head);
        break;
    case WEIR_H2_SETTINGS:
        if (!(head.flags & WEIR_H2_FLAG_ACK)) {
            weir_h2_settings_begin(session);
            weir_h2_session_spend(session);
        }
        break;
    case WEIR_H2_PING:
        if (!(head.flags & WEIR_H2_FLAG_ACK) || session->ping_sent_ns == WEIR_NEVER) {
            weir_h2_session_spend(session);
        }
        break;
    default:
        weir_h2_session_spend(session);
        break;
    }
}

/* Whose the frame is; *stream is set only if it is open and may have this frame. */
static weir_h2_account account_of(weir_h2_session *session, weir_h2_stream **stream)
{
    weir_h2_frame_head head = session->reader.head;
    if (!session->preface_seen && head.type != WEIR_H2_SETTINGS) {
        return weir_h2_account_of_conn(WEIR_ROW_OTHER);
    }
    switch (head.type) {
    case WEIR_H2_SETTINGS:
        return weir_h2_account_of_conn(WEIR_ROW_SETTINGS);
    case WEIR_H2_PING:
        return weir_h2_account_of_conn(WEIR_ROW_PING);
    case WEIR_H2_GOAWAY:
        return weir_h2_account_of_conn(WEIR_ROW_GOAWAY);
    case WEIR_H2_CONTINUATION:
        if (head.stream != session->block.stream_id || head.stream == 0) {
            return weir_h2_account_of_conn(WEIR_ROW_OTHER);
        }
        *stream = session->block.stream;
        return session->block.account;
    case WEIR_H2_WINDOW_UPDATE:
    case WEIR_H2_DATA:
    case WEIR_H2_HEADERS:
    case WEIR_H2_RST_STREAM:
        break;
    default:
        return weir_h2_account_of_conn(WEIR_ROW_OTHER);
    }
    if (head.stream == 0) {
        return weir_h2_account_of_conn(head.type == WEIR_H2_WINDOW_UPDATE ? WEIR_ROW_WINDOW
                                                                          : WEIR_ROW_OTHER);
    }
    if (is_idle(session, head.stream)) {
        return weir_h2_account_of_conn(WEIR_ROW_OTHER);
    }
    weir_h2_stream *found = weir_h2_table_get(&session->table, head.stream);
    if (!found || weir_h2_stream_is_closed(found)) {
        return weir_h2_account_of_conn(WEIR_ROW_LATE);
    }
    *stream = found;
    return account_of_stream(found, head);
}

static weir_h2_account account_of_stream(weir_h2_stream *stream, weir_h2_frame_head head)
{
    weir_h2_account account = {&stream->base.owner, WEIR_ROW_FRAMING, WEIR_ROW_FRAMING};
    if (head.type != WEIR_H2_DATA && head.type != WEIR_H2_HEADERS) {
        return account;
    }
    if (!weir_h2_stream_is_receiving(stream)) {
        return weir_h2_account_of_conn(WEIR_ROW_LATE);
    }
    bool is_head = stream->receiving == WEIR_H2_RECEIVE_HEAD;
    account.content = is_head ? WEIR_ROW_HEAD : WEIR_ROW_TRAILERS;
    if (head.type == WEIR_H2_DATA) {
        account.content = WEIR_ROW_BODY;
    }
    return account;
}

static bool is_idle(const weir_h2_session *session, uint32_t id)
{
    /* The first stream that is opened closes every lower one (RFC 9113 s5.1.1). */
    bool none_opened = session->next_id == session->conn.limits->first_stream;
    return none_opened || id % 2 == 0 || id >= session->next_id;
}

/* The rules that need no more than the frame header. False: the connection has failed. */
static bool check_frame(weir_h2_session *session, weir_h2_frame_head head)
{
    bool is_preface = head.type == WEIR_H2_SETTINGS && !(head.flags & WEIR_H2_FLAG_ACK);
    if (!session->preface_seen && !is_preface) {
        /* RFC 9113 s3.4. A server that speaks HTTP/1.1 ends here too. */
        return weir_h2_session_refuse(session, WEIR_E_H2_PREFACE, WEIR_H2_PROTOCOL_ERROR, NULL);
    }
    if (!check_block(session, head)) {
        return false;
    }
    if (head.length > WEIR_H2_MIN_FRAME_OCTETS) {
        return weir_h2_session_refuse(session, WEIR_E_H2_FRAME, WEIR_H2_FRAME_SIZE_ERROR,
                                      "a frame is longer than we allow");
    }
    return check_length(session, head) && check_stream(session, head);
}

/* RFC 9113 s4.3, s6.10: nothing comes between the frames of a header block. */
static bool check_block(weir_h2_session *session, weir_h2_frame_head head)
{
    bool is_continuation = head.type == WEIR_H2_CONTINUATION;
    if (session->block.stream_id == 0) {
        return !is_continuation ||
               weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                      "CONTINUATION without HEADERS");
    }
    return (is_continuation && head.stream == session->block.stream_id) ||
           weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                  "a frame inside a header block");
}

static bool check_stream(weir_h2_session *session, weir_h2_frame_head head)
{
    bool of_stream = false;
    switch (head.type) {
    case WEIR_H2_SETTINGS:
    case WEIR_H2_PING:
    case WEIR_H2_GOAWAY:
        return head.stream == 0 ||
               weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                      "a connection's frame on a stream");
    case WEIR_H2_PUSH_PROMISE:
        /* RFC 9113 s8.4: we said that we take none. */
        return weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                      "PUSH_PROMISE");
    case WEIR_H2_DATA:
    case WEIR_H2_HEADERS:
    case WEIR_H2_RST_STREAM:
        of_stream = true;
        break;
    case WEIR_H2_PRIORITY:
        /* RFC 9113 s6.3: allowed on any stream, idle ones too. */
        return head.stream != 0 ||
               weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                      "a stream's frame on the connection");
    case WEIR_H2_WINDOW_UPDATE:
        of_stream = head.stream != 0;
        break;
    default:
        return true;
    }
    if (of_stream && head.stream == 0) {
        return weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                      "a stream's frame on the connection");
    }
    return !of_stream || !is_idle(session, head.stream) ||
           weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                  "a frame on an idle stream");
}

static bool check_length(weir_h2_session *session, weir_h2_frame_head head)
{
    bool is_right = true;
    if (weir_h2_frame_is_short(head)) {
        return weir_h2_session_refuse(session, WEIR_E_H2_FRAME, WEIR_H2_FRAME_SIZE_ERROR,
                                      "a frame is too short for its flags");
    }
    switch (head.type) {
    case WEIR_H2_RST_STREAM:
        is_right = head.length == RST_STREAM_OCTETS;
        break;
    case WEIR_H2_WINDOW_UPDATE:
        is_right = head.length == WINDOW_UPDATE_OCTETS;
        break;
    case WEIR_H2_PRIORITY:
        /* RFC 9113 s6.3 asks for a stream error; a stream that is not open can have none. */
        if (head.length != PRIORITY_OCTETS) {
            weir_h2_stream *stream = weir_h2_table_get(&session->table, head.stream);
            is_right = stream && !weir_h2_stream_is_closed(stream);
            if (is_right) {
                weir_h2_session_fail_stream(session, stream,
                                            (weir_h2_fault){WEIR_E_H2_FRAME,
                                                            WEIR_H2_FRAME_SIZE_ERROR,
                                                            "PRIORITY of a wrong length"});
            }
        }
        break;
    case WEIR_H2_PING:
        is_right = head.length == PING_OCTETS;
        break;
    case WEIR_H2_GOAWAY:
        is_right = head.length >= GOAWAY_OCTETS;
        break;
    case WEIR_H2_SETTINGS:
        is_right = head.flags & WEIR_H2_FLAG_ACK ? head.length == 0
                                                 : head.length % WEIR_H2_SETTING_OCTETS == 0;
        break;
    default:
        break;
    }
    return is_right || weir_h2_session_refuse(session, WEIR_E_H2_FRAME, WEIR_H2_FRAME_SIZE_ERROR,
                                              "a frame of a wrong length for its type");
}

/* Flow control counts the whole payload (RFC 9113 s6.9.1), before any of it has come. */
static void judge_data(weir_h2_session *session, weir_h2_frame_head head)
{
    if (!weir_window_take(&session->window, head.length)) {
        weir_h2_session_refuse(session, WEIR_E_H2_FLOW_CONTROL, WEIR_H2_FLOW_CONTROL_ERROR,
                               "more DATA than the connection's window");
        return;
    }
    weir_h2_stream *stream = session->frame_stream;
    if (!stream) {
        judge_late_data(session, head);
    } else if (!weir_h2_stream_is_receiving(stream)) {
        /* RFC 9113 s5.1, half-closed (remote) */
        weir_h2_session_fail_stream(
            session, stream,
            (weir_h2_fault){WEIR_E_H2_PROTOCOL, WEIR_H2_STREAM_CLOSED, "DATA after END_STREAM"});
    } else if (!weir_window_take(&stream->window, head.length)) {
        weir_h2_session_fail_stream(session, stream,
                                    (weir_h2_fault){WEIR_E_H2_FLOW_CONTROL,
                                                    WEIR_H2_FLOW_CONTROL_ERROR,
                                                    "more DATA than the stream's window"});
    }
}

static void judge_late_data(weir_h2_session *session, weir_h2_frame_head head)
{
    if (head.length > 0 && head.length <= session->late_octets) {
        session->late_octets -= head.length;
    } else {
        weir_h2_session_spend(session);
    }
}

static void judge_headers(weir_h2_session *session, weir_h2_frame_head head)
{
    weir_h2_stream *stream = session->frame_stream;
    session->block.stream_id = head.stream;
    session->block.stream = stream;
    session->block.account = session->reader.account;
    session->block.end_stream = (head.flags & WEIR_H2_FLAG_END_STREAM) != 0;
    session->block.continuations = 0;
    session->block.octets = head.length;
    if (!stream) {
        weir_h2_session_spend(session);
    }
}

static void judge_continuation(weir_h2_session *session, weir_h2_frame_head head)
{
    uint32_t limit = session->conn.limits->head_octets;
    session->block.continuations++;
    session->block.octets += head.length;
    if (session->block.continuations > LEAST_CONTINUATIONS + limit / CONTINUATION_OCTETS) {
        weir_h2_session_refuse(session, WEIR_E_LIMIT_HEAD, WEIR_H2_ENHANCE_YOUR_CALM,
                               "too many CONTINUATION frames");
    } else if (session->block.octets > (uint64_t)BLOCK_OCTETS_FACTOR * limit) {
        weir_h2_session_refuse(session, WEIR_E_LIMIT_HEAD, WEIR_H2_ENHANCE_YOUR_CALM,
                               "a header block without end");
    } else if (head.length == 0) {
        weir_h2_session_spend(session);
    }
}
