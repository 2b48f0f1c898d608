/* SPDX-License-Identifier: MIT */
/*
 * What frames do (RFC 9113 s6, s8), once they were judged: their payload as it comes, and their
 * end.
 *
 * Content is passed on in the pieces it comes in. Everything else takes effect at the end of its
 * frame, and a header section at the end of its block, so that what is told does not depend on how
 * the input is split.
 */
#include "proto/failure.h"
#include "proto/h2_session.h"

_Static_assert(WEIR_H2_SETTING_OCTETS <= WEIR_H2_SCRATCH_OCTETS, "a setting fits the scratch");

static void begin_frame(weir_h2_session *session);
static void begin_data(weir_h2_session *session);
static void begin_section(weir_h2_session *session);
static void take_content(weir_h2_session *session, weir_span content);
static void take_data(weir_h2_session *session, weir_span content);
static void take_fragment(weir_h2_session *session, weir_span fragment, bool last);
static void take_settings(weir_h2_session *session, weir_span content);
static void collect(weir_h2_session *session, weir_span *content, uint32_t needed);
static void end_frame(weir_h2_session *session);
static void end_data(weir_h2_session *session, weir_h2_frame_head head);
static void end_block(weir_h2_session *session);
static void act_on_section(weir_h2_session *session, weir_h2_stream *stream);
static void end_settings(weir_h2_session *session, weir_h2_frame_head head);
static void end_rst_stream(weir_h2_session *session);
static void end_ping(weir_h2_session *session, weir_h2_frame_head head);
static void end_goaway(weir_h2_session *session);
static void end_window_update(weir_h2_session *session, weir_h2_frame_head head);

static void fail_message(weir_h2_session *session, weir_h2_stream *stream, weir_status status,
                         const char *what);

void weir_h2_receive_part(weir_h2_session *session, weir_h2_part_kind kind, weir_span content)
{
    switch (kind) {
    case WEIR_H2_PART_HEAD:
        weir_h2_judge(session);
        break;
    case WEIR_H2_PART_BEGIN:
        begin_frame(session);
        break;
    case WEIR_H2_PART_CONTENT:
        take_content(session, content);
        break;
    case WEIR_H2_PART_END:
        end_frame(session);
        break;
    case WEIR_H2_PART_BAD_PADDING:
        weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                               "padding longer than its frame");
        break;
    case WEIR_H2_PART_NONE:
        break;
    }
}

static void begin_frame(weir_h2_session *session)
{
    switch (session->reader.head.type) {
    case WEIR_H2_DATA:
        begin_data(session);
        break;
    case WEIR_H2_HEADERS:
        begin_section(session);
        break;
    default:
        break;
    }
}

/* The content of the frame is known: judged as a whole, so that the split cannot matter. */
static void begin_data(weir_h2_session *session)
{
    weir_h2_stream *stream = session->frame_stream;
    uint32_t octets = session->reader.content_left;
    if (!stream) {
        return;
    }
    const char *what = NULL;
    weir_status status = weir_h2_stream_content(stream, octets, &what);
    if (status != WEIR_OK) {
        fail_message(session, stream, status, what);
    } else if (octets > 0) {
        weir_h2_budget_give_back(&session->budget, WEIR_H2_BACK_FOR_DATA);
    } else if (!(session->reader.head.flags & WEIR_H2_FLAG_END_STREAM)) {
        weir_h2_session_spend(session);
    }
}

static void begin_section(weir_h2_session *session)
{
    weir_h2_inbound_block *block = &session->block;
    weir_h2_stream *stream = block->stream;
    if (!stream || !weir_h2_stream_is_receiving(stream)) {
        weir_h2_section_begin_unwanted(&block->section);
        return;
    }
    const weir_conn_limits *limits = session->conn.limits;
    weir_h2_section_options options = {
        .is_trailers = stream->receiving == WEIR_H2_RECEIVE_BODY,
        .is_connect = stream->is_connect,
        .octets = limits->head_octets,
        .informational_octets = limits->head_octets - stream->informational_octets,
        .fields = limits->fields,
    };
    weir_h2_section_begin(&block->section, session->conn.bin->allocator, &options);
}

static void take_content(weir_h2_session *session, weir_span content)
{
    switch (session->reader.head.type) {
    case WEIR_H2_DATA:
        take_data(session, content);
        break;
    case WEIR_H2_HEADERS:
    case WEIR_H2_CONTINUATION:
        take_fragment(session, content, false);
        break;
    case WEIR_H2_SETTINGS:
        take_settings(session, content);
        break;
    case WEIR_H2_RST_STREAM:
    case WEIR_H2_WINDOW_UPDATE:
    case WEIR_H2_PING:
    case WEIR_H2_GOAWAY:
        /* What is longer than its fixed part is debug data of GOAWAY, and of no use. */
        collect(session, &content, WEIR_H2_SCRATCH_OCTETS);
        break;
    default:
        break;
    }
}

static void take_data(weir_h2_session *session, weir_span content)
{
    weir_h2_stream *stream = session->frame_stream;
    if (!stream) {
        return;
    }
    if (!weir_buf_append(&stream->base.inbox, content)) {
        fail_message(session, stream, WEIR_E_NOMEM, NULL);
        return;
    }
    weir_stream_tell(&stream->base, &session->conn.ready, WEIR_CONN_BODY);
}

/* Decodes a piece of a header block, whether or not anybody wants its fields. */
static void take_fragment(weir_h2_session *session, weir_span fragment, bool last)
{
    weir_h2_inbound_block *block = &session->block;
    weir_field field;
    bool found = true;
    while (found) {
        weir_status status = weir_h2_hpack_decode(session->hpack, &fragment, last, &field, &found);
        if (status == WEIR_E_NOMEM) {
            weir_h2_session_fail_nomem(session);
            return;
        }
        if (status != WEIR_OK) {
            weir_h2_session_refuse(session, status, WEIR_H2_COMPRESSION_ERROR, NULL);
            return;
        }
        if (found) {
            weir_h2_section_field(&block->section, &field);
        }
    }
}

static void take_settings(weir_h2_session *session, weir_span content)
{
    while (content.length > 0 && !weir_h2_session_has_failed(session)) {
        collect(session, &content, WEIR_H2_SETTING_OCTETS);
        if (session->scratch_count == WEIR_H2_SETTING_OCTETS) {
            session->scratch_count = 0;
            weir_h2_settings_take(session, session->scratch);
        }
    }
}

/* Moves octets to the scratch until it holds `needed`. */
static void collect(weir_h2_session *session, weir_span *content, uint32_t needed)
{
    while (content->length > 0 && session->scratch_count < needed) {
        session->scratch[session->scratch_count++] = content->at[0];
        *content = weir_span_from(*content, 1);
    }
}

static void end_frame(weir_h2_session *session)
{
    weir_h2_frame_head head = session->reader.head;
    switch (head.type) {
    case WEIR_H2_DATA:
        end_data(session, head);
        break;
    case WEIR_H2_HEADERS:
    case WEIR_H2_CONTINUATION:
        if (head.flags & WEIR_H2_FLAG_END_HEADERS) {
            end_block(session);
        }
        break;
    case WEIR_H2_SETTINGS:
        end_settings(session, head);
        break;
    case WEIR_H2_RST_STREAM:
        end_rst_stream(session);
        break;
    case WEIR_H2_PING:
        end_ping(session, head);
        break;
    case WEIR_H2_GOAWAY:
        end_goaway(session);
        break;
    case WEIR_H2_WINDOW_UPDATE:
        end_window_update(session, head);
        break;
    default:
        break;
    }
    session->frame_stream = NULL;
}

/* The connection's credit is given back on receipt; the stream's for padding only, yet. */
static void end_data(weir_h2_session *session, weir_h2_frame_head head)
{
    weir_window_release(&session->window, head.length);
    uint32_t increment = weir_window_credit(&session->window, 0);
    if (increment > 0) {
        weir_h2_session_answered(session,
                                 weir_h2_queue_window_update(session->conn.out, NULL, increment));
    }
    weir_h2_stream *stream = session->frame_stream;
    if (!stream) {
        return;
    }
    size_t unheld = stream->window.held_octets - stream->base.inbox.octets;
    weir_window_release(&stream->window, (uint32_t)unheld);
    if (!(head.flags & WEIR_H2_FLAG_END_STREAM)) {
        weir_h2_send_credit(session, stream);
        weir_h2_session_note_unread(session, stream);
        return;
    }
    weir_status status = weir_h2_stream_end(stream, &session->conn.ready);
    if (status != WEIR_OK) {
        fail_message(session, stream, status, NULL);
    } else {
        weir_h2_session_settle(session, stream);
    }
}

static void end_block(weir_h2_session *session)
{
    weir_h2_inbound_block *block = &session->block;
    take_fragment(session, (weir_span){NULL, 0}, true);
    session->coded_ns = session->conn.ledger.now_ns;
    weir_h2_stream *stream = block->stream;
    if (stream && !weir_h2_session_has_failed(session)) {
        act_on_section(session, stream);
    }
    weir_h2_section_drop(&block->section);
    block->stream_id = 0;
    block->stream = NULL;
}

static void act_on_section(weir_h2_session *session, weir_h2_stream *stream)
{
    weir_h2_section *section = &session->block.section;
    if (!weir_h2_stream_is_receiving(stream)) {
        weir_h2_session_fail_stream(
            session, stream,
            (weir_h2_fault){WEIR_E_H2_PROTOCOL, WEIR_H2_STREAM_CLOSED, "HEADERS after END_STREAM"});
        return;
    }
    bool was_head = stream->receiving == WEIR_H2_RECEIVE_HEAD;
    const char *what = section->what;
    weir_status status = weir_h2_section_end(section);
    if (status == WEIR_OK) {
        weir_h2_section_place place = {&session->conn.ready, session->block.end_stream,
                                       session->conn.limits->informational};
        status = weir_h2_stream_section(stream, section, &place, &what);
    } else {
        what = section->what;
    }
    if (status != WEIR_OK) {
        fail_message(session, stream, status, what);
        return;
    }
    if (was_head && stream->receiving != WEIR_H2_RECEIVE_HEAD) {
        weir_h2_budget_give_back(&session->budget, WEIR_H2_BACK_FOR_HEAD);
        weir_h2_send_raise(session, stream);
    }
    weir_h2_session_settle(session, stream);
}

static void end_settings(weir_h2_session *session, weir_h2_frame_head head)
{
    if (head.flags & WEIR_H2_FLAG_ACK) {
        weir_h2_settings_acknowledged(session);
    } else {
        weir_h2_settings_commit(session);
    }
}

static void end_rst_stream(weir_h2_session *session)
{
    weir_h2_stream *stream = session->frame_stream;
    if (!stream) {
        return;
    }
    uint32_t code = weir_h2_get32(session->scratch);
    weir_failure failure = weir_failure_bare(WEIR_E_H2_RESET);

    failure.phase = weir_h2_stream_phase(stream);
    failure.h2_code = code;
    failure.has_h2_code = true;
    if (stream->receiving == WEIR_H2_RECEIVE_ENDED && code == WEIR_H2_NO_ERROR) {
        /* RFC 9113 s8.1: the response stands, the rest of the request is not wanted. */
        stream->base.failure = failure;
        weir_stream_tell(&stream->base, &session->conn.ready, WEIR_CONN_STOP);
        weir_h2_stream_reset(stream);
        weir_h2_session_settle(session, stream);
        return;
    }
    if (stream->receiving == WEIR_H2_RECEIVE_HEAD && code == WEIR_H2_REFUSED_STREAM) {
        /* RFC 9113 s8.7; after a head it would be a contradiction, and is a reset like others. */
        failure.status = WEIR_E_REFUSED;
        failure.processed = WEIR_REFUSED_BY_PEER;
    }
    weir_h2_session_lose_stream(session, stream, &failure);
}

static void end_ping(weir_h2_session *session, weir_h2_frame_head head)
{
    if (head.flags & WEIR_H2_FLAG_ACK) {
        session->ping_sent_ns = WEIR_NEVER;
        return;
    }
    weir_h2_session_answered(session,
                             weir_h2_queue_ping(session->conn.out, true, session->scratch));
}

/* RFC 9113 s6.8 */
static void end_goaway(weir_h2_session *session)
{
    uint32_t last_id = weir_h2_get32(session->scratch) & WEIR_H2_STREAM_ID_MASK;
    uint32_t code = weir_h2_get32(session->scratch + 4);
    bool is_ours = last_id == 0 || last_id % 2 == 1;
    if (last_id > session->goaway_last_id || !is_ours) {
        weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                               "GOAWAY names a stream that it cannot name");
        return;
    }
    session->goaway_seen = true;
    session->goaway_last_id = last_id;
    session->goaway_code = code;
    weir_failure failure = weir_failure_bare(WEIR_E_H2_GOAWAY);

    failure.h2_code = code;
    failure.has_h2_code = true;
    for (weir_list *at = session->streams.next; at != &session->streams; at = at->next) {
        weir_h2_stream *stream = WEIR_CONTAINER_OF(at, weir_h2_stream, all);
        if (stream->base.owner.id > last_id && !weir_h2_stream_is_closed(stream)) {
            /* One that it has answered already it cannot have refused. */
            failure.processed = stream->receiving == WEIR_H2_RECEIVE_HEAD ? WEIR_REFUSED_BY_PEER
                                                                          : WEIR_MAYBE_PROCESSED;
            weir_h2_session_lose_stream(session, stream, &failure);
        }
    }
}

static void end_window_update(weir_h2_session *session, weir_h2_frame_head head)
{
    uint32_t increment = weir_h2_get32(session->scratch) & WEIR_WINDOW_MAX_OCTETS;
    if (head.stream == 0) {
        if (increment == 0) {
            weir_h2_session_refuse(session, WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                   "WINDOW_UPDATE of nothing");
        } else if (increment > (uint32_t)(INT32_MAX - session->send_window)) {
            weir_h2_session_refuse(session, WEIR_E_H2_FLOW_CONTROL, WEIR_H2_FLOW_CONTROL_ERROR,
                                   "the connection's window overflows");
        } else {
            weir_h2_send_window(session, increment);
            weir_h2_send_wake(session);
        }
        return;
    }
    weir_h2_stream *stream = session->frame_stream;
    if (!stream) {
        return;
    }
    if (increment == 0) {
        weir_h2_session_fail_stream(session, stream,
                                    (weir_h2_fault){WEIR_E_H2_PROTOCOL, WEIR_H2_PROTOCOL_ERROR,
                                                    "WINDOW_UPDATE of nothing"});
    } else if (stream->send_window + (int64_t)increment > INT32_MAX) {
        weir_h2_session_fail_stream(session, stream,
                                    (weir_h2_fault){WEIR_E_H2_FLOW_CONTROL,
                                                    WEIR_H2_FLOW_CONTROL_ERROR,
                                                    "the stream's window overflows"});
    } else {
        stream->send_window += (int32_t)increment;
        weir_h2_send_unblock(session, stream);
        weir_h2_send_wake(session);
    }
}

/* A malformed message (RFC 9113 s8.1.1), a limit of ours, or no memory: of one stream. */
static void fail_message(weir_h2_session *session, weir_h2_stream *stream, weir_status status,
                         const char *what)
{
    weir_h2_code code = WEIR_H2_PROTOCOL_ERROR;
    if (status == WEIR_E_H2_LENGTH && !what) {
        what = "less content than the head declared";
    }
    if (status == WEIR_E_NOMEM) {
        code = WEIR_H2_INTERNAL_ERROR;
    } else if (status != WEIR_E_H2_MESSAGE && status != WEIR_E_H2_LENGTH) {
        code = WEIR_H2_ENHANCE_YOUR_CALM;
    }
    weir_h2_session_fail_stream(session, stream, (weir_h2_fault){status, code, what});
}
