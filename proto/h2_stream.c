/* SPDX-License-Identifier: MIT */
/*
 * The half machines of a stream, and the message rules that need to know where in the response a
 * section or a DATA frame stands.
 *
 * Both tables are closed by default: an edge that is not in them is a defect of the session, which
 * asks before it moves; the peer cannot reach them.
 */
#include "proto/h2_stream.h"

static void send_enter(weir_h2_stream *stream, weir_h2_sending state);
static void receive_enter(weir_h2_stream *stream, weir_h2_receiving state);
static weir_status informational(weir_h2_stream *stream, weir_h2_section *section,
                                 const weir_h2_section_place *place, const char **what);
static weir_status final_head(weir_h2_stream *stream, weir_h2_section *section,
                              const weir_h2_section_place *place);
static weir_status trailers(weir_h2_stream *stream, weir_h2_section *section,
                            const weir_h2_section_place *place, const char **what);
static bool is_bodiless(const weir_h2_stream *stream, int code);

#define EDGE(to) (1u << (to))

static const unsigned send_edges[] = {
    [WEIR_H2_SEND_RESET] = 0,
    [WEIR_H2_SEND_ENDED] = 0,
    [WEIR_H2_SEND_BODY] = EDGE(WEIR_H2_SEND_RESET) | EDGE(WEIR_H2_SEND_ENDED),
};

static const unsigned receive_edges[] = {
    [WEIR_H2_RECEIVE_RESET] = 0,
    [WEIR_H2_RECEIVE_ENDED] = 0,
    [WEIR_H2_RECEIVE_HEAD] = EDGE(WEIR_H2_RECEIVE_RESET) | EDGE(WEIR_H2_RECEIVE_BODY),
    [WEIR_H2_RECEIVE_BODY] = EDGE(WEIR_H2_RECEIVE_RESET) | EDGE(WEIR_H2_RECEIVE_ENDED),
};

void weir_h2_stream_init(weir_h2_stream *stream, const weir_h2_stream_options *options)
{
    const weir_head *head = options->head;
    weir_framing framing = head->body.framing;
    weir_stream_init(&stream->base, options->user, options->bin, options->inbox_octets);
    weir_list_init(&stream->all);
    weir_list_init(&stream->waiting);
    stream->sending = framing == WEIR_FRAMING_NONE ? WEIR_H2_SEND_ENDED : WEIR_H2_SEND_BODY;
    stream->receiving = WEIR_H2_RECEIVE_HEAD;
    stream->is_head = head->is_head;
    stream->is_connect = head->is_connect;
    stream->send_window = options->send_window;
    stream->queue_octets = options->queue_octets;
    weir_window_init(&stream->window, options->window_octets);
    stream->send_left = framing == WEIR_FRAMING_LENGTH ? head->body.length_octets : WEIR_UNKNOWN;
    stream->content_left = WEIR_UNKNOWN;
}

void weir_h2_stream_clear(weir_h2_stream *stream)
{
    WEIR_ASSERT(weir_list_is_empty(&stream->all));
    WEIR_ASSERT(weir_list_is_empty(&stream->waiting));
    weir_stream_clear(&stream->base);
}

bool weir_h2_stream_is_closed(const weir_h2_stream *stream)
{
    return !weir_h2_stream_is_sending(stream) && !weir_h2_stream_is_receiving(stream);
}

bool weir_h2_stream_is_receiving(const weir_h2_stream *stream)
{
    return stream->receiving == WEIR_H2_RECEIVE_HEAD || stream->receiving == WEIR_H2_RECEIVE_BODY;
}

bool weir_h2_stream_is_sending(const weir_h2_stream *stream)
{
    return stream->sending == WEIR_H2_SEND_BODY;
}

weir_status weir_h2_stream_section(weir_h2_stream *stream, weir_h2_section *section,
                                   const weir_h2_section_place *place, const char **what)
{
    WEIR_ASSERT(weir_h2_stream_is_receiving(stream));
    *what = NULL;
    if (section->options.is_trailers) {
        WEIR_ASSERT(stream->receiving == WEIR_H2_RECEIVE_BODY);
        return trailers(stream, section, place, what);
    }
    WEIR_ASSERT(stream->receiving == WEIR_H2_RECEIVE_HEAD);
    if (section->message->code < 200) {
        return informational(stream, section, place, what);
    }
    return final_head(stream, section, place);
}

weir_status weir_h2_stream_content(weir_h2_stream *stream, uint32_t octets, const char **what)
{
    *what = NULL;
    if (stream->receiving == WEIR_H2_RECEIVE_HEAD) {
        *what = "DATA before the final response head";
        return WEIR_E_H2_MESSAGE;
    }
    WEIR_ASSERT(stream->receiving == WEIR_H2_RECEIVE_BODY);
    if (stream->content_left == WEIR_UNKNOWN) {
        return WEIR_OK;
    }
    if (octets > stream->content_left) {
        *what = "more content than the head declared or allows";
        return WEIR_E_H2_LENGTH;
    }
    stream->content_left -= octets;
    return WEIR_OK;
}

weir_status weir_h2_stream_end(weir_h2_stream *stream, weir_list *ready)
{
    WEIR_ASSERT(stream->receiving == WEIR_H2_RECEIVE_BODY);
    if (stream->content_left != WEIR_UNKNOWN && stream->content_left > 0) {
        return WEIR_E_H2_LENGTH;
    }
    receive_enter(stream, WEIR_H2_RECEIVE_ENDED);
    weir_stream_tell(&stream->base, ready, WEIR_CONN_END);
    return WEIR_OK;
}

void weir_h2_stream_sent_end(weir_h2_stream *stream)
{
    send_enter(stream, WEIR_H2_SEND_ENDED);
}

void weir_h2_stream_reset(weir_h2_stream *stream)
{
    if (weir_h2_stream_is_sending(stream)) {
        send_enter(stream, WEIR_H2_SEND_RESET);
    }
    if (weir_h2_stream_is_receiving(stream)) {
        receive_enter(stream, WEIR_H2_RECEIVE_RESET);
    }
}

weir_phase weir_h2_stream_phase(const weir_h2_stream *stream)
{
    if (stream->receiving == WEIR_H2_RECEIVE_HEAD) {
        return weir_h2_stream_is_sending(stream) ? WEIR_PHASE_SEND : WEIR_PHASE_HEAD;
    }
    return WEIR_PHASE_BODY;
}

void weir_h2_stream_check(const weir_h2_stream *stream)
{
    const weir_window *window = &stream->window;
    weir_window_check(window);
    weir_buf_check(&stream->base.inbox);
    WEIR_CHECK_ASSERT(stream->counted == !weir_h2_stream_is_closed(stream));
    WEIR_CHECK_ASSERT(stream->base.inbox.octets <= window->held_octets ||
                      stream->receiving == WEIR_H2_RECEIVE_RESET);
    WEIR_CHECK_ASSERT(window->limit_octets <= stream->base.inbox.limit_octets);
    WEIR_CHECK_ASSERT(
        (stream->waits == WEIR_H2_WAITS_SHARED || stream->waits == WEIR_H2_WAITS_OWN_QUEUE) ==
        !weir_list_is_empty(&stream->waiting));
    WEIR_CHECK_ASSERT(stream->waits == WEIR_H2_WAITS_NOT || weir_h2_stream_is_sending(stream));
    WEIR_CHECK_ASSERT(weir_stopwatch_runs(&stream->own_window) ==
                      (stream->waits == WEIR_H2_WAITS_OWN_WINDOW));
    (void)window;
}

static void send_enter(weir_h2_stream *stream, weir_h2_sending state)
{
    WEIR_ASSERT(send_edges[stream->sending] & EDGE(state));
    stream->sending = state;
}

static void receive_enter(weir_h2_stream *stream, weir_h2_receiving state)
{
    WEIR_ASSERT(receive_edges[stream->receiving] & EDGE(state));
    stream->receiving = state;
}

/* RFC 9113 s8.1: any number of them, none with END_STREAM; how many is our limit. */
static weir_status informational(weir_h2_stream *stream, weir_h2_section *section,
                                 const weir_h2_section_place *place, const char **what)
{
    if (place->end_stream) {
        *what = "a 1xx response ends the stream";
        return WEIR_E_H2_MESSAGE;
    }
    if (stream->informational >= place->informational_limit) {
        return WEIR_E_LIMIT_INFORMATIONAL;
    }
    stream->informational++;
    stream->informational_octets += (uint32_t)section->octets;
    weir_message *message = weir_h2_section_take(section);
    /* A length means nothing here: a 1xx has no content (RFC 9110 s15.2). */
    message->length_octets = WEIR_UNKNOWN;
    weir_stream_tell_message(&stream->base, place->ready, WEIR_CONN_INFORMATIONAL, message);
    return WEIR_OK;
}

static weir_status final_head(weir_h2_stream *stream, weir_h2_section *section,
                              const weir_h2_section_place *place)
{
    weir_message *message = section->message;
    bool is_empty = is_bodiless(stream, message->code) || message->length_octets == 0;
    stream->content_left = is_empty ? 0 : message->length_octets;
    message->has_content = !is_empty && !place->end_stream;
    if (place->end_stream && stream->content_left != WEIR_UNKNOWN && stream->content_left > 0) {
        return WEIR_E_H2_LENGTH;
    }
    receive_enter(stream, WEIR_H2_RECEIVE_BODY);
    weir_stream_tell_message(&stream->base, place->ready, WEIR_CONN_HEAD,
                             weir_h2_section_take(section));
    return place->end_stream ? weir_h2_stream_end(stream, place->ready) : WEIR_OK;
}

/* RFC 9113 s8.1: a second section is the last thing of a message. */
static weir_status trailers(weir_h2_stream *stream, weir_h2_section *section,
                            const weir_h2_section_place *place, const char **what)
{
    if (!place->end_stream) {
        *what = "a second header section does not end the stream";
        return WEIR_E_H2_MESSAGE;
    }
    if (stream->content_left != WEIR_UNKNOWN && stream->content_left > 0) {
        return WEIR_E_H2_LENGTH;
    }
    weir_stream_tell_message(&stream->base, place->ready, WEIR_CONN_TRAILERS,
                             weir_h2_section_take(section));
    return weir_h2_stream_end(stream, place->ready);
}

/* RFC 9110 s6.4.1 */
static bool is_bodiless(const weir_h2_stream *stream, int code)
{
    return stream->is_head || code == 204 || code == 304;
}
