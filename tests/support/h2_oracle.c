/* SPDX-License-Identifier: MIT */
/*
 * nghttp2 as the oracle.
 *
 * What nghttp2 thinks is read off what it does: the callbacks that tell its user, and the frames
 * that it wants to send (RST_STREAM and GOAWAY carry its verdicts). Its own protections against
 * floods are turned off as far as they can be: ours are tested by themselves.
 */
#include "support/h2_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "proto/head_rules.h"
#include "support/h2_difference.h"
#include "support/h2_wire.h"

#define MOST_STREAMS  WEIR_H2_PLAYED_MOST
#define MOST_SETTINGS 16
#define NO_LIMIT      1000000

struct weir_h2_oracle {
    nghttp2_session *session;
    weir_h2_seen streams[MOST_STREAMS];
    size_t count;
    bool failed; /* GOAWAY with an error, or a fatal error */
    uint32_t failed_code;
    bool is_acknowledged;     /* our SETTINGS */
    bool is_over;             /* nothing is compared any more */
    weir_h2_frame_head frame; /* the last one that was fed */
    weir_span payload;
    size_t compared; /* frames */
    const char *difference;
    weir_text report;
    weir_text message; /* nghttp2's own words for its last error */
};

static void opened(const weir_head *head, uint32_t id, void *user);
static void cancelled(uint32_t id, uint32_t code, void *user);
static void sent(weir_h2_player *player, weir_span frame, void *user);
static void fed(weir_h2_player *player, weir_span octets, void *user);
static void mirror_settings(weir_h2_oracle *oracle, weir_span payload);
static void mirror_data(weir_h2_oracle *oracle, uint32_t id, size_t octets, bool end);
static void flush(weir_h2_oracle *oracle);
static void compare(weir_h2_oracle *oracle, weir_h2_player *player);
static void judge(weir_h2_oracle *oracle, const weir_h2_point *p, const char *text);
static bool same_stream(const weir_h2_played *played, const weir_h2_seen *stream, weir_text *text);
static weir_h2_act weir_stream_act(const weir_h2_played *played);
static weir_h2_act nghttp2_stream_act(const weir_h2_seen *stream);
static weir_h2_seen *find(const weir_h2_oracle *oracle, int32_t id);

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user);
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_length, const uint8_t *value,
                             size_t value_length, uint8_t flags, void *user);
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *octets,
                   size_t length, void *user);
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user);
static int on_error(nghttp2_session *session, int code, const char *message, size_t length,
                    void *user);
static ssize_t provide(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *user);

weir_h2_oracle *weir_h2_oracle_new(const weir_conn_limits *limits)
{
    weir_h2_oracle *oracle = calloc(1, sizeof(*oracle));
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    assert_non_null(oracle);
    assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    assert_int_equal(nghttp2_option_new(&option), 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_outbound_ack(option, NO_LIMIT);
    nghttp2_option_set_max_settings(option, NO_LIMIT);
    assert_int_equal(nghttp2_session_client_new2(&oracle->session, callbacks, oracle, option), 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (limits->first_stream > 1) {
        nghttp2_session_set_next_stream_id(oracle->session, (int32_t)limits->first_stream);
    }
    return oracle;
}

void weir_h2_oracle_free(weir_h2_oracle *oracle)
{
    nghttp2_session_del(oracle->session);
    for (size_t i = 0; i < oracle->count; i++) {
        weir_text_clear(&oracle->streams[i].fields);
        weir_text_clear(&oracle->streams[i].section);
        weir_text_clear(&oracle->streams[i].body);
    }
    weir_text_clear(&oracle->report);
    weir_text_clear(&oracle->message);
    free(oracle);
}

weir_h2_watch weir_h2_oracle_watch(weir_h2_oracle *oracle)
{
    return (weir_h2_watch){oracle, opened, cancelled, sent, fed};
}

const char *weir_h2_oracle_difference(const weir_h2_oracle *oracle)
{
    return oracle->difference;
}

size_t weir_h2_oracle_compared(const weir_h2_oracle *oracle)
{
    return oracle->compared;
}

const char *weir_h2_oracle_report(const weir_h2_oracle *oracle)
{
    return weir_text_string(&oracle->report);
}

/* ---- what the conn does, done again ---- */

static nghttp2_nv nv(const char *name, weir_span value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.at, strlen(name),
                        value.length, NGHTTP2_NV_FLAG_NONE};
}

static void opened(const weir_head *head, uint32_t id, void *user)
{
    weir_h2_oracle *oracle = user;
    if (oracle->is_over) {
        return;
    }
    nghttp2_nv nva[4];
    size_t count = 0;
    nva[count++] = nv(":method", head->method);
    nva[count++] = nv(":authority", head->authority);
    if (!head->is_connect) {
        nva[count++] = nv(":scheme", weir_span_of("http"));
        nva[count++] = nv(":path", head->path);
    }
    bool has_body = head->body.framing != WEIR_FRAMING_NONE;
    nghttp2_data_provider provider = {.read_callback = provide};
    oracle->streams[oracle->count++] =
        (weir_h2_seen){.id = id, .ends = !has_body, .is_connect = head->is_connect};
    int32_t submitted = nghttp2_submit_request(oracle->session, NULL, nva, count,
                                               has_body ? &provider : NULL, NULL);
    assert_int_equal(submitted, id);
    flush(oracle);
}

static void cancelled(uint32_t id, uint32_t code, void *user)
{
    weir_h2_oracle *oracle = user;
    weir_h2_seen *stream = find(oracle, (int32_t)id);
    if (oracle->is_over || !stream) {
        return;
    }
    stream->cancelled = true;
    nghttp2_submit_rst_stream(oracle->session, NGHTTP2_FLAG_NONE, (int32_t)id, code);
    flush(oracle);
}

static void sent(weir_h2_player *player, weir_span frame, void *user)
{
    weir_h2_oracle *oracle = user;
    (void)player;
    uint32_t length = (uint32_t)frame.at[0] << 16 | (uint32_t)frame.at[1] << 8 | frame.at[2];
    uint8_t type = frame.at[3];
    uint8_t flags = frame.at[4];
    uint32_t id = weir_h2_get32(frame.at + 5);
    weir_span payload = weir_span_from(frame, WEIR_H2_FRAME_HEAD_OCTETS);
    if (oracle->is_over) {
        return;
    }
    if (type == WEIR_H2_SETTINGS && !(flags & WEIR_H2_FLAG_ACK)) {
        mirror_settings(oracle, payload);
    } else if (type == WEIR_H2_WINDOW_UPDATE) {
        nghttp2_submit_window_update(oracle->session, NGHTTP2_FLAG_NONE, (int32_t)id,
                                     (int32_t)weir_h2_get32(payload.at));
    } else if (type == WEIR_H2_DATA) {
        mirror_data(oracle, id, length, (flags & WEIR_H2_FLAG_END_STREAM) != 0);
    } else if (type == WEIR_H2_HEADERS && flags & WEIR_H2_FLAG_END_STREAM) {
        /* Trailers, or a head that ends its request: for the oracle both are an end. */
        mirror_data(oracle, id, 0, true);
    }
    flush(oracle);
}

static void mirror_settings(weir_h2_oracle *oracle, weir_span payload)
{
    nghttp2_settings_entry entries[MOST_SETTINGS];
    size_t count = payload.length / WEIR_H2_SETTING_OCTETS;
    assert_true(count <= MOST_SETTINGS);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *at = payload.at + i * WEIR_H2_SETTING_OCTETS;
        entries[i] = (nghttp2_settings_entry){at[0] << 8 | at[1], weir_h2_get32(at + 2)};
    }
    assert_int_equal(nghttp2_submit_settings(oracle->session, NGHTTP2_FLAG_NONE, entries, count),
                     0);
}

static void mirror_data(weir_h2_oracle *oracle, uint32_t id, size_t octets, bool end)
{
    weir_h2_seen *stream = find(oracle, (int32_t)id);
    if (stream && !stream->ends) {
        stream->to_send += octets;
        stream->ends = end;
        nghttp2_session_resume_data(oracle->session, (int32_t)id);
    }
}

/* Lets nghttp2 send; what it sends is weir_h2_seen by on_sent(). */
static void flush(weir_h2_oracle *oracle)
{
    const uint8_t *octets;
    while (nghttp2_session_mem_send(oracle->session, &octets) > 0) {
    }
}

static void fed(weir_h2_player *player, weir_span octets, void *user)
{
    weir_h2_oracle *oracle = user;
    weir_status status = weir_conn_failure(player->conn).status;
    if (status == WEIR_E_H2_SETTINGS || status == WEIR_E_H2_PING) {
        /* A timer of ours ended it, and nghttp2 has none. */
        oracle->is_over = true;
    }
    if (!nghttp2_session_want_read(oracle->session)) {
        /* After GOAWAY and without streams it ignores everything. */
        oracle->is_over = true;
    }
    if (oracle->is_over) {
        return;
    }
    if (octets.length >= WEIR_H2_FRAME_HEAD_OCTETS) {
        oracle->frame = (weir_h2_frame_head){
            .length = (uint32_t)octets.at[0] << 16 | (uint32_t)octets.at[1] << 8 | octets.at[2],
            .type = octets.at[3],
            .flags = octets.at[4],
            .stream = weir_h2_get32(octets.at + 5) & WEIR_H2_STREAM_ID_MASK};
    }
    oracle->payload = weir_span_from(octets, weir_min(octets.length, WEIR_H2_FRAME_HEAD_OCTETS));
    ssize_t taken = nghttp2_session_mem_recv(oracle->session, octets.at, octets.length);
    if (taken < 0) {
        oracle->failed = true;
        oracle->failed_code = WEIR_H2_INTERNAL_ERROR;
    }
    flush(oracle);
    bool in_block =
        (oracle->frame.type == WEIR_H2_HEADERS || oracle->frame.type == WEIR_H2_CONTINUATION) &&
        !(oracle->frame.flags & WEIR_H2_FLAG_END_HEADERS);
    if (in_block && !oracle->failed && weir_conn_failure(player->conn).status == WEIR_OK) {
        /* nghttp2 judges fields as they come, we judge the section when it is complete. */
        return;
    }
    compare(oracle, player);
}

/* ---- comparing ---- */

static void compare(weir_h2_oracle *oracle, weir_h2_player *player)
{
    oracle->compared++;
    weir_failure failure = weir_conn_failure(player->conn);
    bool weir_failed = failure.status != WEIR_OK;
    weir_h2_point p = {.frame = oracle->frame,
                       .payload = oracle->payload,
                       .frame_stream = find(oracle, (int32_t)oracle->frame.stream),
                       .is_acknowledged = oracle->is_acknowledged,
                       .nghttp2_failed = oracle->failed,
                       .message = &oracle->message,
                       .failure = failure};
    weir_text text = {.at = NULL};
    bool same = true;
    if (weir_failed) {
        p.weir = (weir_h2_act){WEIR_H2_ACT_CONNECTION_ERROR, failure.h2_code};
    }
    if (oracle->failed) {
        p.nghttp2 = (weir_h2_act){WEIR_H2_ACT_CONNECTION_ERROR, oracle->failed_code};
    }
    if (p.weir.kind != p.nghttp2.kind || p.weir.code != p.nghttp2.code) {
        same = false;
        weir_text_printf(&text, "connection: weir %s %s, nghttp2 %s %s\n",
                         weir_failed ? "failed" : "goes on", weir_h2_code_name(p.weir.code),
                         oracle->failed ? "failed" : "goes on", weir_h2_code_name(p.nghttp2.code));
    }
    for (size_t i = 0; i < player->count; i++) {
        weir_h2_played *played = &player->played[i];
        const weir_h2_seen *stream = find(oracle, (int32_t)played->id);
        if (!stream || stream->cancelled || played->cancelled) {
            continue;
        }
        if (weir_failed && oracle->failed) {
            break;
        }
        size_t before = text.length;
        if (!same_stream(played, stream, &text) && before == text.length) {
            continue;
        }
        if (text.length > before) {
            if (!p.played) {
                p.played = played;
                p.stream = stream;
                if (p.weir.kind == WEIR_H2_ACT_NOTHING) {
                    p.weir = weir_stream_act(played);
                    p.failure = played->failure;
                }
                if (p.nghttp2.kind == WEIR_H2_ACT_NOTHING) {
                    p.nghttp2 = nghttp2_stream_act(stream);
                }
            }
            same = false;
        }
    }
    if (!same) {
        judge(oracle, &p, weir_text_string(&text));
    }
    if (!same || weir_failed) {
        /* Nothing is fed to nghttp2 after a fatal error. */
        oracle->is_over = true;
    }
    weir_text_clear(&text);
}

static void judge(weir_h2_oracle *oracle, const weir_h2_point *p, const char *text)
{
    oracle->difference = weir_h2_difference_of(p);
    if (oracle->difference) {
        return;
    }
    weir_text_printf(&oracle->report,
                     "after %s flags 0x%x stream %u of %u octets:\n%sweir says: %s %s\n"
                     "nghttp2 says: %s\n",
                     weir_h2_type_name(oracle->frame.type), oracle->frame.flags,
                     oracle->frame.stream, oracle->frame.length, text,
                     weir_status_name(p->failure.status), p->failure.what ? p->failure.what : "",
                     weir_text_string(&oracle->message));
}

/* Adds to the text what differs. */
static bool same_stream(const weir_h2_played *played, const weir_h2_seen *stream, weir_text *text)
{
    weir_h2_act weir = weir_stream_act(played);
    weir_h2_act theirs = nghttp2_stream_act(stream);
    size_t before = text->length;
    if (weir.kind != theirs.kind || weir.code != theirs.code) {
        weir_text_printf(text, "stream %u: weir %s %s (%s), nghttp2 %s %s\n", played->id,
                         weir.kind ? "error" : "goes on", weir_h2_code_name(weir.code),
                         weir_status_name(played->failure.status),
                         theirs.kind ? "error" : "goes on", weir_h2_code_name(theirs.code));
    }
    if (strcmp(weir_text_string(&played->fields), weir_text_string(&stream->fields)) != 0) {
        weir_text_printf(text, "stream %u: fields\nweir\n%snghttp2\n%s", played->id,
                         weir_text_string(&played->fields), weir_text_string(&stream->fields));
    }
    size_t held = played->stream ? played->stream->inbox.octets : 0;
    size_t length = played->body.length + held;
    /* nghttp2 delivers the content of a frame that broke the window; we do not. */
    bool same_length = length == stream->body.length ||
                       (weir.kind == WEIR_H2_ACT_STREAM_ERROR &&
                        weir.code == WEIR_H2_FLOW_CONTROL_ERROR && length < stream->body.length);
    bool same_body =
        same_length && (played->body.length == 0 ||
                        memcmp(played->body.at, stream->body.at, played->body.length) == 0);
    if (!same_body) {
        weir_text_printf(text, "stream %u: content of %zu octets, nghttp2 %zu\n", played->id,
                         played->body.length + held, stream->body.length);
    }
    if (played->ended != stream->ended) {
        weir_text_printf(text, "stream %u: weir %s, nghttp2 %s\n", played->id,
                         played->ended ? "ended" : "goes on", stream->ended ? "ended" : "goes on");
    }
    bool weir_peer = played->stopped ||
                     (played->failed && !played->failure.local_h2_code &&
                      played->failure.status != WEIR_E_H2_GOAWAY && played->failure.has_h2_code);
    if (weir_peer != stream->peer_reset) {
        weir_text_printf(text, "stream %u: reset by the peer: weir %d, nghttp2 %d\n", played->id,
                         weir_peer, stream->peer_reset);
    }
    if ((played->failure.status == WEIR_E_H2_GOAWAY) != stream->refused) {
        weir_text_printf(text, "stream %u: below GOAWAY: weir %d, nghttp2 %d\n", played->id,
                         played->failure.status == WEIR_E_H2_GOAWAY, stream->refused);
    }
    return text->length == before;
}

static weir_h2_act weir_stream_act(const weir_h2_played *played)
{
    if (played->failed && played->failure.local_h2_code) {
        return (weir_h2_act){WEIR_H2_ACT_STREAM_ERROR, played->failure.h2_code};
    }
    return (weir_h2_act){WEIR_H2_ACT_NOTHING, 0};
}

static weir_h2_act nghttp2_stream_act(const weir_h2_seen *stream)
{
    if (stream->reset) {
        return (weir_h2_act){WEIR_H2_ACT_STREAM_ERROR, stream->reset_code};
    }
    return (weir_h2_act){WEIR_H2_ACT_NOTHING, 0};
}

static weir_h2_seen *find(const weir_h2_oracle *oracle, int32_t id)
{
    for (size_t i = 0; i < oracle->count; i++) {
        if (oracle->streams[i].id == (uint32_t)id) {
            return (weir_h2_seen *)(uintptr_t)&oracle->streams[i];
        }
    }
    return NULL;
}

/* ---- nghttp2's callbacks ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    weir_h2_seen *stream = find(user, frame->hd.stream_id);
    if (stream) {
        weir_text_reset(&stream->section);
        stream->code = 0;
        stream->says_length = false;
    }
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    (void)session;
    weir_h2_seen *stream = find(user, frame->hd.stream_id);
    if (!stream) {
        return 0;
    }
    weir_span name_span = {name, name_length};
    if (name_length > 0 && name[0] == ':') {
        stream->code = atoi((const char *)value);
        return 0;
    }
    if (weir_span_equal(name_span, WEIR_SPAN("content-length"))) {
        stream->says_length = true;
    }
    if (stream->code == 0 && !weir_field_fits_trailers(name_span)) {
        /* RFC 9110 s6.5.1: weir drops it. */
        return 0;
    }
    weir_text_append(&stream->section, WEIR_SPAN(" "));
    weir_text_escape(&stream->section, name_span);
    weir_text_append(&stream->section, WEIR_SPAN("="));
    weir_text_escape(&stream->section, (weir_span){value, value_length});
    if (flags & NGHTTP2_NV_FLAG_NO_INDEX) {
        weir_text_append(&stream->section, WEIR_SPAN("(never)"));
    }
    return 0;
}

/* nghttp2 would only drop the field; RFC 9113 s8.2.1 has the message malformed. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_length, const uint8_t *value,
                             size_t value_length, uint8_t flags, void *user)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_length;
    (void)value;
    (void)value_length;
    (void)flags;
    (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    weir_h2_oracle *oracle = user;
    if (frame->hd.type == NGHTTP2_SETTINGS && frame->hd.flags & NGHTTP2_FLAG_ACK) {
        oracle->is_acknowledged = true;
    }
    weir_h2_seen *stream = find(oracle, frame->hd.stream_id);
    if (!stream) {
        return 0;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) {
        weir_text_printf(&stream->fields, "%u ", stream->id);
        if (stream->code == 0) {
            weir_text_append(&stream->fields, WEIR_SPAN("trailers"));
        } else {
            weir_text_printf(&stream->fields, "%s %d",
                             stream->code < 200 ? "informational" : "head", stream->code);
        }
        weir_text_append(&stream->fields, weir_text_span(&stream->section));
        weir_text_append(&stream->fields, WEIR_SPAN("\n"));
    }
    if (frame->hd.type == NGHTTP2_RST_STREAM && !stream->closed) {
        stream->peer_reset = true;
    }
    if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
        frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        stream->ended = true;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *octets,
                   size_t length, void *user)
{
    (void)session;
    (void)flags;
    weir_h2_seen *stream = find(user, id);
    if (stream) {
        weir_text_append(&stream->body, (weir_span){octets, length});
    }
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    weir_h2_oracle *oracle = user;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        oracle->failed = true;
        oracle->failed_code = frame->goaway.error_code;
    }
    weir_h2_seen *stream = find(oracle, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_RST_STREAM && stream && !stream->cancelled) {
        stream->reset = true;
        stream->reset_code = frame->rst_stream.error_code;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)session;
    weir_h2_seen *stream = find(user, id);
    if (!stream) {
        return 0;
    }
    stream->closed = true;
    if (code == NGHTTP2_REFUSED_STREAM && !stream->peer_reset && !stream->reset) {
        stream->refused = true;
    }
    return 0;
}

static int on_error(nghttp2_session *session, int code, const char *message, size_t length,
                    void *user)
{
    weir_h2_oracle *oracle = user;
    (void)session;
    (void)code;
    weir_text_reset(&oracle->message);
    weir_text_append(&oracle->message, (weir_span){(const uint8_t *)message, length});
    return 0;
}

/* As much as the conn has sent already. */
static ssize_t provide(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
                       uint32_t *flags, nghttp2_data_source *source, void *user)
{
    (void)session;
    (void)source;
    weir_h2_seen *stream = find(user, id);
    size_t length = weir_min(stream->to_send, room);
    memset(to, 'x', length);
    stream->to_send -= length;
    if (stream->to_send == 0 && stream->ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)length;
    }
    return length > 0 ? (ssize_t)length : NGHTTP2_ERR_DEFERRED;
}
