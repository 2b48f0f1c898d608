/* SPDX-License-Identifier: MIT */
/* The HTTP/2 peer reads requests: see peer_h2.h. */
#include "peer_h2.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PREFACE_OCTETS 24

static void connected(sim_peer *peer);
static void got(sim_peer *peer, weir_span octets);
static void saw_end(sim_peer *peer, bool reset);
static void meddle(sim_peer *peer);
static void calm(sim_peer *peer);
static bool rest_ends(sim_peer *peer);
static bool is_at_rest(const sim_h2_peer *h2);
static void begin_settings(sim_h2_peer *h2);
static void take_frame(sim_h2_peer *h2, const sim_h2_frame *frame, weir_span octets);
static void feed(sim_h2_peer *h2, weir_span octets);
static sim_h2_stream *open_stream(sim_h2_peer *h2, uint32_t id);
static sim_rows *rows_of(sim_h2_stream *stream);
static void request_head(sim_h2_stream *stream);
static void request_complete(sim_h2_stream *stream);
static void refuse(sim_h2_stream *stream);
static void give_back(sim_world *world, void *what, uint64_t unused);

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user);
static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user);
static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                   const uint8_t *octets, size_t length, void *user);
static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user);
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user);
static ssize_t select_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most,
                              void *user);

const sim_peer_kind sim_peer_h2 = {connected, got, saw_end, meddle, calm, rest_ends};

sim_h2_stream *sim_h2_stream_of(sim_h2_peer *h2, uint32_t id)
{
    sim_h2_stream *stream = h2->streams;

    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

static void connected(sim_peer *peer)
{
    sim_h2_peer *h2 = sim_room(peer->world, sizeof(*h2));
    nghttp2_mem memory = sim_h2_memory(peer->world);
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;

    peer->own = h2;
    h2->peer = peer;
    h2->preface_left = PREFACE_OCTETS;
    h2->last = UINT32_MAX;
    h2->refuses = sim_fault(peer->world, SIM_FAULT_H2_REFUSES_ALL, &peer->world->for_peers);
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        abort();
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, select_padding);
    if (nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory) != 0) {
        abort();
    }
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    begin_settings(h2);
    sim_h2_pump(h2);
}

static void begin_settings(sim_h2_peer *h2)
{
    static const uint32_t windows[] = {0, 1, 100, 65535, 65535, 65535, 1000000, 0x7fffffff};
    static const uint32_t tables[] = {0, 100, 4096, 4096, 65536};
    sim_dice *dice = &h2->peer->world->for_peers;
    const bool calm_now = h2->peer->world->calm;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)sim_between(dice, 1, 3)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
         calm_now ? 65535 : windows[sim_below(dice, WEIR_COUNT_OF(windows))]},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, tables[sim_below(dice, WEIR_COUNT_OF(tables))]},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, (uint32_t)sim_between(dice, 16384, 100000)},
    };

    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries,
                                  sim_below(dice, WEIR_COUNT_OF(entries) + 1));
}

static void got(sim_peer *peer, weir_span octets)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    sim_h2_peer *h2 = peer->own;
    sim_h2_frame frame;
    weir_span whole;

    const size_t of_preface = weir_min(h2->preface_left, octets.length);
    if (of_preface > 0) {
        const char *expected = preface + PREFACE_OCTETS - h2->preface_left;
        SIM_MUST(peer->world, memcmp(octets.at, expected, of_preface) == 0, "a wrong preface");
        h2->preface_left -= of_preface;
        peer->got_octets += of_preface;
        feed(h2, (weir_span){octets.at, of_preface});
        octets = weir_span_from(octets, of_preface);
    }
    if (octets.length > 0) {
        sim_h2_walk(peer->world, &h2->in, octets);
        peer->got_octets += octets.length;
    }
    while (!peer->over && sim_h2_next(&h2->in, &frame, &whole)) {
        take_frame(h2, &frame, whole);
    }
    sim_h2_pump(h2);
}

/* Closed by the client: what was cut short is nobody's fault. */
static void saw_end(sim_peer *peer, bool reset)
{
    if (!reset) {
        (void)sim_peer_end(peer, true);
    }
}

static void meddle(sim_peer *peer)
{
    sim_h2_peer *h2 = peer->own;

    if (h2->preface_left > 0) {
        return;
    }
    if (sim_below(&peer->world->for_peers, 2) == 0 && h2->streams != NULL) {
        sim_h2_go_away(h2);
    } else {
        sim_h2_change_settings(h2);
    }
    sim_h2_pump(h2);
}

static void calm(sim_peer *peer)
{
    sim_h2_peer *h2 = peer->own;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
    };

    sim_h2_acknowledge(peer->world, h2, 0);
    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, WEIR_COUNT_OF(entries));
    h2->silent = false;
    h2->refuses = false;
    for (sim_h2_stream *stream = h2->streams; stream != NULL; stream = stream->next) {
        give_back(peer->world, stream, 0);
        sim_h2_resume(peer->world, stream, 0);
        if (!stream->planned && stream->request != NULL &&
            (stream->early || stream->request->complete)) {
            sim_h2_answer(stream);
        }
    }
    sim_h2_pump(h2);
}

static bool rest_ends(sim_peer *peer)
{
    sim_h2_peer *h2 = peer->own;
    const bool rests = !h2->mute && is_at_rest(h2);

    if (rests) {
        sim_h2_end(h2);
    }
    return rests;
}

static bool is_at_rest(const sim_h2_peer *h2)
{
    const sim_h2_stream *stream = h2->streams;

    while (stream != NULL && stream->closed) {
        stream = stream->next;
    }
    return stream == NULL;
}

/* -- from the client -- */

static void take_frame(sim_h2_peer *h2, const sim_h2_frame *frame, weir_span octets)
{
    const bool begins =
        frame->type == SIM_H2_HEADERS && sim_h2_stream_of(h2, frame->stream) == NULL;
    sim_h2_stream *stream =
        begins ? open_stream(h2, frame->stream) : sim_h2_stream_of(h2, frame->stream);

    if (stream != NULL) {
        sim_rows *rows = rows_of(stream);
        rows->framing += octets.length - frame->fragment_octets;
        if (frame->type == SIM_H2_DATA) {
            rows->body += frame->fragment_octets;
        } else if (frame->type == SIM_H2_HEADERS || frame->type == SIM_H2_CONTINUATION) {
            *(stream->head_seen ? &rows->trailers : &rows->head) += frame->fragment_octets;
            stream->head_seen = stream->head_seen || (frame->flags & SIM_H2_END_HEADERS) != 0;
        }
    }
    if (frame->type == SIM_H2_SETTINGS && (frame->flags & SIM_H2_ACK) != 0 && !h2->mute) {
        SIM_MUST(h2->peer->world, h2->foreign_count > 0,
                 "SETTINGS acknowledged that were not sent");
        const bool foreign = h2->foreign[h2->foreign_first++ % SIM_H2_SETTINGS_TRACKED];
        h2->foreign_count--;
        if (foreign) {
            return; /* the session knows nothing of them */
        }
    }
    feed(h2, octets);
}

static void feed(sim_h2_peer *h2, weir_span octets)
{
    if (h2->peer->over || h2->mute) {
        return;
    }
    const ssize_t taken = nghttp2_session_mem_recv(h2->session, octets.at, octets.length);
    SIM_MUST(h2->peer->world, taken == (ssize_t)octets.length,
             "socket %d: the peer's session refuses octets: %s", h2->peer->socket->fd,
             nghttp2_strerror((int)taken));
}

static sim_h2_stream *open_stream(sim_h2_peer *h2, uint32_t id)
{
    sim_h2_stream *stream = sim_room(h2->peer->world, sizeof(*stream));

    SIM_MUST(h2->peer->world, id % 2 == 1 && (h2->streams == NULL || h2->streams->id < id),
             "stream %u: ids are odd and rise", id);
    stream->h2 = h2;
    stream->id = id;
    stream->content_length = WEIR_UNKNOWN;
    stream->next = h2->streams;
    h2->streams = stream;
    return stream;
}

static sim_rows *rows_of(sim_h2_stream *stream)
{
    return stream->request != NULL ? &stream->request->rows : &stream->rows;
}

/* -- what the session tells -- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)session;
    (void)frame;
    (void)user;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags,
                     void *user)
{
    sim_h2_peer *h2 = user;
    sim_h2_stream *stream = sim_h2_stream_of(h2, (uint32_t)frame->hd.stream_id);
    char text[64] = "";

    (void)session;
    (void)flags;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    memcpy(text, value, weir_min(value_length, sizeof(text) - 1));
    if (name_length == 7 && memcmp(name, ":method", 7) == 0) {
        memcpy(stream->method, text, sizeof(stream->method) - 1);
    } else if (name_length == 5 && memcmp(name, ":path", 5) == 0) {
        SIM_MUST(h2->peer->world, strncmp(text, "/c/", 3) == 0, "a request for nothing of ours: %s",
                 text);
        stream->call = strtoull(text + 3, NULL, 10);
    } else if (name_length == 14 && memcmp(name, "content-length", 14) == 0) {
        stream->content_length = strtoull(text, NULL, 10);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    sim_h2_peer *h2 = user;
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool is_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;

    (void)session;
    if (!is_message) {
        return 0;
    }
    sim_h2_stream *stream = sim_h2_stream_of(h2, (uint32_t)frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        request_head(stream);
    }
    if (ends && stream->request != NULL) {
        request_complete(stream);
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                   const uint8_t *octets, size_t length, void *user)
{
    sim_h2_peer *h2 = user;
    sim_world *world = h2->peer->world;
    sim_h2_stream *stream = sim_h2_stream_of(h2, (uint32_t)stream_id);
    const size_t wrong =
        sim_body_compare(SIM_BODY_OF_CALL | stream->call, stream->body_at, octets, length);

    (void)session;
    (void)flags;
    SIM_MUST(world, wrong == SIZE_MAX,
             "call %" PRIu64 ": octet %" PRIu64 " of the request's content is wrong", stream->call,
             stream->body_at + wrong);
    stream->body_at += length;
    if (world->plan.withholds_of_all && !world->calm) {
        if (stream->withheld_of_all == 0) {
            sim_at(world, world->now_ns + sim_spread(&world->for_peers, 20 * WEIR_NS_PER_SECOND),
                   give_back, stream, 0);
        }
        stream->withheld_of_all += length;
        (void)nghttp2_session_consume_stream(session, stream_id, length);
        return 0;
    }
    stream->withheld += length;
    if (!sim_fault(world, SIM_FAULT_H2_WINDOW, &world->for_peers)) {
        give_back(world, stream, 0);
    } else {
        sim_at(world, world->now_ns + sim_spread(&world->for_peers, 60 * WEIR_NS_PER_SECOND),
               give_back, stream, 0);
    }
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    sim_h2_stream *stream = sim_h2_stream_of(user, (uint32_t)stream_id);

    (void)session;
    (void)code;
    if (stream != NULL) {
        stream->closed = true;
        if (is_at_rest(stream->h2)) {
            sim_peer_rests(stream->h2->peer);
        }
    }
    return 0;
}

/* The client sent something that the session does not allow. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    sim_h2_peer *h2 = user;

    (void)session;
    if (error == NGHTTP2_ERR_REFUSED_STREAM) {
        /* A limit that the client had not acknowledged yet. */
        sim_h2_stream_of(h2, (uint32_t)frame->hd.stream_id)->closed = true;
        return 0;
    }
    sim_violation(h2->peer->world, "socket %d: frame of type %d on stream %d: %s",
                  h2->peer->socket->fd, frame->hd.type, frame->hd.stream_id,
                  nghttp2_strerror(error));
}

static ssize_t select_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most,
                              void *user)
{
    sim_h2_peer *h2 = user;
    sim_world *world = h2->peer->world;
    const size_t least = frame->hd.length;

    (void)session;
    if (most <= least || !sim_fault(world, SIM_FAULT_H2_PADS, &world->for_peers)) {
        return (ssize_t)least;
    }
    return (ssize_t)(least + sim_below(&world->for_peers, weir_min(most - least, 256) + 1));
}

/* Credit for what was received, at once or after a while. */
static void give_back(sim_world *world, void *what, uint64_t unused)
{
    sim_h2_stream *stream = what;
    const size_t octets = stream->withheld;
    const size_t of_all = octets + stream->withheld_of_all;

    (void)world;
    (void)unused;
    if (of_all == 0 || stream->h2->peer->over) {
        return;
    }
    stream->withheld = 0;
    stream->withheld_of_all = 0;
    (void)nghttp2_session_consume_connection(stream->h2->session, of_all);
    if (!stream->closed && octets > 0) {
        (void)nghttp2_session_consume_stream(stream->h2->session, (int32_t)stream->id, octets);
    }
    sim_h2_pump(stream->h2);
}

/* -- requests -- */

static void request_head(sim_h2_stream *stream)
{
    sim_h2_peer *h2 = stream->h2;
    sim_world *world = h2->peer->world;
    sim_dice *dice = &world->for_peers;
    const sim_call *call = sim_call_of(world, stream->call);

    sim_request *request = sim_peer_request(h2->peer, stream->call, stream->id);
    SIM_MUST(world, strcmp(call->method, stream->method) == 0, "call %" PRIu64 ": method %s",
             stream->call, stream->method);
    request->rows = stream->rows;
    request->is_head_method = strcmp(stream->method, "HEAD") == 0;
    stream->request = request;
    if (stream->id > h2->last) {
        request->refused = true; /* it came with what made the peer go away */
        stream->planned = true;
        return;
    }
    if (h2->refuses || sim_fault(world, SIM_FAULT_H2_REFUSES, dice)) {
        refuse(stream);
        return;
    }
    if (sim_fault(world, SIM_FAULT_H2_GOAWAY, dice)) {
        sim_h2_go_away(h2);
    }
    if (sim_fault(world, SIM_FAULT_H2_SHUTDOWN, dice) && !h2->goes) {
        sim_h2_shut_down(h2);
    }
    if (sim_fault(world, SIM_FAULT_H2_SETTINGS, dice)) {
        sim_h2_change_settings(h2);
    }
    if (sim_fault(world, SIM_FAULT_H2_PING, dice)) {
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    }
    if (!request->refused && sim_fault(world, SIM_FAULT_PEER_EARLY, dice)) {
        stream->early = true;
        request->answered_early = true;
        sim_h2_answer(stream);
    }
}

static void request_complete(sim_h2_stream *stream)
{
    sim_world *world = stream->h2->peer->world;
    sim_request *request = stream->request;
    const sim_call *call = sim_call_of(world, stream->call);
    const uint64_t expected = call->body_kind == WEIR_BODY_NONE ? 0 : call->body_octets;

    SIM_MUST(world, stream->body_at == expected,
             "call %" PRIu64 ": %" PRIu64 " octets of content instead of %" PRIu64, stream->call,
             stream->body_at, expected);
    SIM_MUST(world, stream->content_length == WEIR_UNKNOWN || stream->content_length == expected,
             "call %" PRIu64 ": content-length %" PRIu64, stream->call, stream->content_length);
    request->complete = true;
    if (!stream->planned) {
        sim_h2_answer(stream);
    }
}

static void refuse(sim_h2_stream *stream)
{
    stream->request->refused = true;
    stream->request->refused_ns = stream->h2->peer->world->now_ns;
    stream->planned = true;
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                    NGHTTP2_REFUSED_STREAM);
}
