/* SPDX-License-Identifier: MIT */
/*
 * The table of allowed differences, and how each is recognised: as narrowly as the two sides' acts
 * and the frame allow.
 */
#include "support/h2_difference.h"

#include <string.h>

typedef struct difference {
    const char *name;
    const char *clause;
    bool (*is)(const weir_h2_point *p);
} difference;

static bool is_our_limit(const weir_h2_point *p);
static bool is_their_limit(const weir_h2_point *p);
static bool is_status_below_100(const weir_h2_point *p);
static bool is_data_before_head(const weir_h2_point *p);
static bool is_after_end_stream(const weir_h2_point *p);
static bool is_window_update_of_nothing(const weir_h2_point *p);
static bool is_priority_length(const weir_h2_point *p);
static bool is_too_short(const weir_h2_point *p);
static bool is_length_in_trailers(const weir_h2_point *p);
static bool is_length_said_again(const weir_h2_point *p);
static bool is_length_without_content(const weir_h2_point *p);
static bool is_length_of_tunnel(const weir_h2_point *p);
static bool is_priority_on_connection(const weir_h2_point *p);
static bool is_settings_overflow(const weir_h2_point *p);
static bool is_settings_in_order(const weir_h2_point *p);
static bool is_window_before_ack(const weir_h2_point *p);
static bool is_length_of_refused_connect(const weir_h2_point *p);
static bool is_window_before_content(const weir_h2_point *p);
static bool is_push_promise(const weir_h2_point *p);
static bool is_padding_of_closed_stream(const weir_h2_point *p);

static const difference differences[] = {
    {"our-limit", "RFC 9113 s10.5", is_our_limit},
    {"their-limit", "RFC 9113 s10.5", is_their_limit},
    {"status-below-100", "RFC 9110 s15", is_status_below_100},
    {"data-before-head", "RFC 9113 s8.1.1", is_data_before_head},
    {"after-end-stream", "RFC 9113 s5.1", is_after_end_stream},
    {"window-update-of-nothing", "RFC 9113 s6.9", is_window_update_of_nothing},
    {"priority-length", "RFC 9113 s6.3", is_priority_length},
    {"too-short-for-flags", "RFC 9113 s4.2", is_too_short},
    {"content-length-in-trailers", "RFC 9110 s6.5.1", is_length_in_trailers},
    {"content-length-said-again", "RFC 9110 s8.6", is_length_said_again},
    {"content-length-without-content", "RFC 9113 s8.1.1", is_length_without_content},
    {"content-length-of-a-tunnel", "RFC 9110 s9.3.6", is_length_of_tunnel},
    {"priority-on-the-connection", "RFC 9113 s6.3", is_priority_on_connection},
    {"settings-overflow", "RFC 9113 s6.9.2", is_settings_overflow},
    {"settings-in-order", "RFC 9113 s6.5.3", is_settings_in_order},
    {"window-before-ack", "RFC 9113 s6.5.3", is_window_before_ack},
    {"content-length-of-a-refused-connect", "RFC 9113 s8.1.1", is_length_of_refused_connect},
    {"window-before-content", "RFC 9113 s6.9.1", is_window_before_content},
    {"push-promise", "RFC 9113 s8.4", is_push_promise},
    {"padding-of-a-closed-stream", "RFC 9113 s6.1", is_padding_of_closed_stream},
};

static bool acts(const weir_h2_act *act, weir_h2_act_kind kind, uint32_t code);
static bool says(const weir_h2_point *p, const char *what);
static const char *last_line(const weir_text *text);

const char *weir_h2_difference_of(const weir_h2_point *point)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(differences); i++) {
        if (differences[i].is(point)) {
            return differences[i].name;
        }
    }
    return NULL;
}

bool weir_h2_difference_at(size_t i, const char **name, const char **clause)
{
    if (i >= WEIR_COUNT_OF(differences)) {
        return false;
    }
    *name = differences[i].name;
    *clause = differences[i].clause;
    return true;
}

static bool acts(const weir_h2_act *a, weir_h2_act_kind kind, uint32_t code)
{
    return a->kind == kind && a->code == code;
}

static bool says(const weir_h2_point *p, const char *what)
{
    return p->failure.what && strcmp(p->failure.what, what) == 0;
}

/* What we limit and nghttp2 does not, or not at that number. */
static bool is_our_limit(const weir_h2_point *p)
{
    return p->weir.kind != WEIR_H2_ACT_NOTHING &&
           (int)p->failure.status <= (int)WEIR_E_LIMIT_HEAD &&
           (int)p->failure.status >= (int)WEIR_E_LIMIT_FLOOD;
}

/* nghttp2 takes eight CONTINUATION frames in a block; ours depend on the limit of the head. */
static bool is_their_limit(const weir_h2_point *p)
{
    return p->weir.kind == WEIR_H2_ACT_NOTHING && p->frame.type == WEIR_H2_CONTINUATION &&
           acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_INTERNAL_ERROR);
}

static bool is_status_below_100(const weir_h2_point *p)
{
    return acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           says(p, ":status is no status code") && p->nghttp2.kind == WEIR_H2_ACT_NOTHING &&
           p->stream && p->stream->code < 100;
}

/* It may break the stream's window as well, which is a stream error too. */
static bool is_data_before_head(const weir_h2_point *p)
{
    return p->weir.kind == WEIR_H2_ACT_STREAM_ERROR && p->frame.type == WEIR_H2_DATA &&
           (says(p, "DATA before the final response head") ||
            (p->weir.code == WEIR_H2_FLOW_CONTROL_ERROR && p->failure.phase != WEIR_PHASE_BODY)) &&
           acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_PROTOCOL_ERROR);
}

/* In a block of several frames nghttp2 says so at the first, weir at the last. */
static bool is_after_end_stream(const weir_h2_point *p)
{
    bool goes_on = p->weir.kind == WEIR_H2_ACT_NOTHING && p->frame.type == WEIR_H2_HEADERS &&
                   !(p->frame.flags & WEIR_H2_FLAG_END_HEADERS);
    if (goes_on && acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_STREAM_CLOSED)) {
        return true;
    }
    return acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_STREAM_CLOSED) &&
           acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_STREAM_CLOSED);
}

static bool is_window_update_of_nothing(const weir_h2_point *p)
{
    return acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           says(p, "WINDOW_UPDATE of nothing") &&
           acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_PROTOCOL_ERROR);
}

static bool is_priority_length(const weir_h2_point *p)
{
    return acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_FRAME_SIZE_ERROR) &&
           says(p, "PRIORITY of a wrong length") &&
           acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_FRAME_SIZE_ERROR);
}

static bool is_too_short(const weir_h2_point *p)
{
    return acts(&p->weir, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_FRAME_SIZE_ERROR) &&
           says(p, "a frame is too short for its flags") &&
           (acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_PROTOCOL_ERROR) ||
            acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_STREAM_CLOSED));
}

/* weir drops it, so that only nghttp2 can tell that it was there. */
static bool is_length_in_trailers(const weir_h2_point *p)
{
    return p->weir.kind == WEIR_H2_ACT_NOTHING && p->played &&
           acts(&p->nghttp2, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           strstr(last_line(&p->played->fields), " trailers") &&
           (p->stream->says_length || strstr(weir_text_string(p->message), "[content-length]"));
}

/* In several fields, or in one as a list. */
static bool is_length_said_again(const weir_h2_point *p)
{
    return p->weir.kind == WEIR_H2_ACT_NOTHING && p->played &&
           acts(&p->nghttp2, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           strstr(last_line(&p->played->fields), " head ") &&
           !strstr(last_line(&p->played->fields), " head 204 ") &&
           strstr(weir_text_string(p->message), "[content-length]");
}

/* Of 1xx and 204: nghttp2 refuses one, or takes the field away if it is 0. */
static bool is_length_without_content(const weir_h2_point *p)
{
    if (p->weir.kind != WEIR_H2_ACT_NOTHING || !p->played || p->frame.type == WEIR_H2_DATA) {
        return false;
    }
    const char *line = last_line(&p->played->fields);
    bool has_none = strstr(line, " informational ") || strstr(line, " head 204 ");
    return has_none && strstr(line, " content-length=") &&
           (p->nghttp2.kind == WEIR_H2_ACT_NOTHING ||
            acts(&p->nghttp2, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR));
}

/* The length of a tunnel means nothing; nghttp2 takes the field away. */
static bool is_length_of_tunnel(const weir_h2_point *p)
{
    return p->weir.kind == WEIR_H2_ACT_NOTHING && p->nghttp2.kind == WEIR_H2_ACT_NOTHING &&
           p->stream && p->stream->is_connect && p->stream->code / 100 == 2 &&
           strstr(last_line(&p->played->fields), " content-length=");
}

/* nghttp2 ignores every PRIORITY frame once it has sent NO_RFC7540_PRIORITIES. */
static bool is_priority_on_connection(const weir_h2_point *p)
{
    return p->frame.type == WEIR_H2_PRIORITY && p->frame.stream == 0 &&
           acts(&p->weir, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           p->nghttp2.kind == WEIR_H2_ACT_NOTHING;
}

/* nghttp2 resets the streams that overflow. */
static bool is_settings_overflow(const weir_h2_point *p)
{
    return acts(&p->weir, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_FLOW_CONTROL_ERROR) &&
           says(p, "SETTINGS makes a window overflow") && !p->nghttp2_failed;
}

/*
 * Values take effect in their order. nghttp2 keeps only the last of each setting in a frame, and
 * looks at them in an order of its own, so that of two bad ones it may find the other.
 */
static bool is_settings_in_order(const weir_h2_point *p)
{
    const weir_span payload = p->payload;
    const char *what = p->failure.what;
    if (p->frame.type != WEIR_H2_SETTINGS || p->weir.kind != WEIR_H2_ACT_CONNECTION_ERROR ||
        !what || strncmp(what, "SETTINGS_", 9) != 0) {
        return false;
    }
    bool repeats = false;
    for (size_t i = 0; i < payload.length; i += WEIR_H2_SETTING_OCTETS) {
        for (size_t j = 0; j < i; j += WEIR_H2_SETTING_OCTETS) {
            repeats = repeats || memcmp(payload.at + i, payload.at + j, 2) == 0;
        }
    }
    return repeats || (p->nghttp2.kind == WEIR_H2_ACT_CONNECTION_ERROR &&
                       payload.length > WEIR_H2_SETTING_OCTETS);
}

/* Our SETTINGS came before the request: the server knew the window, acknowledged or not. */
static bool is_window_before_ack(const weir_h2_point *p)
{
    return p->frame.type == WEIR_H2_DATA && !p->is_acknowledged &&
           acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_FLOW_CONTROL_ERROR) &&
           p->nghttp2.kind == WEIR_H2_ACT_NOTHING;
}

/* nghttp2 holds no response to CONNECT to its length. */
static bool is_length_of_refused_connect(const weir_h2_point *p)
{
    return p->stream && p->stream->is_connect && p->failure.status == WEIR_E_H2_LENGTH &&
           acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR) &&
           p->nghttp2.kind == WEIR_H2_ACT_NOTHING;
}

/* As window-before-ack, for DATA that breaks the message too. */
static bool is_window_before_content(const weir_h2_point *p)
{
    return p->frame.type == WEIR_H2_DATA && !p->is_acknowledged &&
           acts(&p->weir, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_FLOW_CONTROL_ERROR) &&
           acts(&p->nghttp2, WEIR_H2_ACT_STREAM_ERROR, WEIR_H2_PROTOCOL_ERROR);
}

/* nghttp2 may find another fault in it first. */
static bool is_push_promise(const weir_h2_point *p)
{
    return p->frame.type == WEIR_H2_PUSH_PROMISE && says(p, "PUSH_PROMISE") &&
           acts(&p->weir, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_PROTOCOL_ERROR);
}

/* nghttp2 does not look into DATA of a stream that it has forgotten, or that had ended. */
static bool is_padding_of_closed_stream(const weir_h2_point *p)
{
    const weir_h2_seen *stream = p->frame_stream;
    bool is_closed =
        !stream || stream->closed || stream->reset || stream->cancelled || stream->ended;
    bool has_padding_fault =
        says(p, "a frame is too short for its flags") || says(p, "padding longer than its frame");
    return p->frame.type == WEIR_H2_DATA && is_closed && has_padding_fault &&
           p->weir.kind == WEIR_H2_ACT_CONNECTION_ERROR &&
           (!p->nghttp2_failed ||
            acts(&p->nghttp2, WEIR_H2_ACT_CONNECTION_ERROR, WEIR_H2_STREAM_CLOSED));
}

static const char *last_line(const weir_text *text)
{
    const char *at = weir_text_string(text);
    for (const char *end = strchr(at, '\n'); end && end[1]; end = strchr(at, '\n')) {
        at = end + 1;
    }
    return at;
}
