/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 peer: an nghttp2 server session between two walkers.
 *
 *   client -> walker: counts, keeps back acknowledgements of SETTINGS that the session does not
 * know -> session session -> walker: counts, splits header blocks, adds frames -> client
 *
 * The session checks all that the library sends (framing, HPACK, flow control, stream states,
 * messages): whatever it refuses is a violation. What the session would never do itself, odd frames
 * and wrong ones, is added behind it.
 */
#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "h2_frames.h"

#define PREFACE_OCTETS   24
#define FLOOD_FRAMES     3000
#define FIELDS_MOST      (SIM_FIELDS_LIMIT + 5)
#define SETTINGS_TRACKED 64

struct h2_peer;

typedef struct h2_stream {
    struct h2_stream *next;
    struct h2_peer *h2;
    uint32_t id;
    sim_request *request; /* NULL: its head is not complete */
    sim_rows rows;        /* sent by the client before there was a request */
    uint64_t call;
    char method[16];
    uint64_t content_length; /* WEIR_UNKNOWN: not said */
    uint64_t body_at;
    bool head_seen; /* header blocks from now on are trailers */
    bool early;
    bool planned;    /* an answer is planned, or refused */
    bool answered;   /* handed to the session */
    bool final_sent; /* header blocks to the client from now on are trailers */
    bool closed;
    uint64_t sent;          /* of the response's content */
    uint64_t promised;      /* so much of it is sent before what the dice had in mind */
    size_t withheld;        /* octets whose window was not given back */
    size_t withheld_of_all; /* ... that of the connection; the stream's was */
    bool paused;
} h2_stream;

typedef struct h2_peer {
    sim_peer *peer;
    nghttp2_session *session;
    size_t preface_left;
    sim_h2_walker in;
    sim_h2_walker out;
    h2_stream *streams;             /* newest first */
    uint32_t block_stream_in;       /* whose header block is being received */
    bool foreign[SETTINGS_TRACKED]; /* SETTINGS sent and not acknowledged: not the session's? */
    size_t foreign_first;
    size_t foreign_count;
    uint8_t acks_kept; /* acknowledgements of the client's SETTINGS that are kept back */
    size_t withheld;
    bool mute;     /* it sends nothing any more */
    uint32_t last; /* of the GOAWAY that was submitted */
    bool goes;     /* GOAWAY was sent */
    bool silent;   /* requests are not answered */
    bool refuses;  /* every stream */
} h2_peer;

static void connected(sim_peer *peer);
static void got(sim_peer *peer, weir_span octets);
static void saw_end(sim_peer *peer, bool reset);
static void meddle(sim_peer *peer);
static void calm(sim_peer *peer);
static void begin_settings(h2_peer *h2);
static void take_frame(h2_peer *h2, const sim_h2_frame *frame, weir_span octets);
static void feed(h2_peer *h2, weir_span octets);
static h2_stream *stream_of(h2_peer *h2, uint32_t id);
static h2_stream *open_stream(h2_peer *h2, uint32_t id);
static sim_rows *rows_of(h2_stream *stream);
static void pump(h2_peer *h2);
static void send_frame(h2_peer *h2, const sim_h2_frame *frame, weir_span octets);
static void count_sent(h2_peer *h2, const sim_h2_frame *frame);
static void send_split(h2_peer *h2, const sim_h2_frame *frame);
static void send_octets(h2_peer *h2, const uint8_t *at, size_t octets);
static void disturb(h2_peer *h2);
static void send_flood(h2_peer *h2);
static void note_settings(h2_peer *h2, bool foreign);
static void request_head(h2_stream *stream);
static void request_complete(h2_stream *stream);
static void begin_answer(h2_stream *stream);
static void refuse(h2_stream *stream);
static void answer(sim_world *world, void *what, uint64_t unused);
static void submit(h2_stream *stream);
static size_t build_head(h2_stream *stream, nghttp2_nv *fields, char texts[][32], bool malformed);
static void spoil_head(h2_stream *stream, nghttp2_nv *fields, size_t *count);
static nghttp2_nv field_of(const char *name, const char *value);
static void submit_trailers(h2_stream *stream);
static void after_answer(h2_stream *stream);
static void go_away(h2_peer *h2);
static void finish_shutdown(sim_world *world, void *what, uint64_t unused);
static void mark_refused(h2_peer *h2, uint32_t last);
static void change_settings(h2_peer *h2);
static void resume(sim_world *world, void *what, uint64_t unused);
static void give_back(sim_world *world, void *what, uint64_t unused);
static void acknowledge(sim_world *world, void *what, uint64_t unused);
static void idle_time_out(sim_world *world, void *what, uint64_t last_stream);

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
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user);
static void *session_alloc(size_t octets, void *user);
static void session_release(void *at, void *user);
static void *session_zeroed(size_t count, size_t octets, void *user);
static void *session_resize(void *at, size_t octets, void *user);

const sim_peer_kind sim_peer_h2 = {connected, got, saw_end, meddle, calm};

static void connected(sim_peer *peer)
{
    h2_peer *h2 = sim_room(peer->world, sizeof(*h2));
    nghttp2_mem memory = {peer->world, session_alloc, session_release, session_zeroed,
                          session_resize};
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
    pump(h2);
}

static void begin_settings(h2_peer *h2)
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
    h2_peer *h2 = peer->own;
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
    pump(h2);
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
    h2_peer *h2 = peer->own;

    if (h2->preface_left > 0) {
        return;
    }
    if (sim_below(&peer->world->for_peers, 2) == 0 && h2->streams != NULL) {
        go_away(h2);
    } else {
        change_settings(h2);
    }
    pump(h2);
}

static void calm(sim_peer *peer)
{
    h2_peer *h2 = peer->own;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
    };

    acknowledge(peer->world, h2, 0);
    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, WEIR_COUNT_OF(entries));
    h2->silent = false;
    h2->refuses = false;
    for (h2_stream *stream = h2->streams; stream != NULL; stream = stream->next) {
        give_back(peer->world, stream, 0);
        resume(peer->world, stream, 0);
        if (!stream->planned && stream->request != NULL &&
            (stream->early || stream->request->complete)) {
            begin_answer(stream);
        }
    }
    pump(h2);
}

/* -- from the client -- */

static void take_frame(h2_peer *h2, const sim_h2_frame *frame, weir_span octets)
{
    const bool begins = frame->type == SIM_H2_HEADERS && stream_of(h2, frame->stream) == NULL;
    h2_stream *stream = begins ? open_stream(h2, frame->stream) : stream_of(h2, frame->stream);

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
        const bool foreign = h2->foreign[h2->foreign_first++ % SETTINGS_TRACKED];
        h2->foreign_count--;
        if (foreign) {
            return; /* the session knows nothing of them */
        }
    }
    feed(h2, octets);
}

static void feed(h2_peer *h2, weir_span octets)
{
    if (h2->peer->over || h2->mute) {
        return;
    }
    const ssize_t taken = nghttp2_session_mem_recv(h2->session, octets.at, octets.length);
    SIM_MUST(h2->peer->world, taken == (ssize_t)octets.length,
             "socket %d: the peer's session refuses octets: %s", h2->peer->socket->fd,
             nghttp2_strerror((int)taken));
}

static h2_stream *stream_of(h2_peer *h2, uint32_t id)
{
    h2_stream *stream = h2->streams;

    while (stream != NULL && stream->id != id) {
        stream = stream->next;
    }
    return stream;
}

static h2_stream *open_stream(h2_peer *h2, uint32_t id)
{
    h2_stream *stream = sim_room(h2->peer->world, sizeof(*stream));

    SIM_MUST(h2->peer->world, id % 2 == 1 && (h2->streams == NULL || h2->streams->id < id),
             "stream %u: ids are odd and rise", id);
    stream->h2 = h2;
    stream->id = id;
    stream->content_length = WEIR_UNKNOWN;
    stream->next = h2->streams;
    h2->streams = stream;
    return stream;
}

static sim_rows *rows_of(h2_stream *stream)
{
    return stream->request != NULL ? &stream->request->rows : &stream->rows;
}

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
    h2_peer *h2 = user;
    h2_stream *stream = stream_of(h2, (uint32_t)frame->hd.stream_id);
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
    h2_peer *h2 = user;
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    const bool is_message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;

    (void)session;
    if (!is_message) {
        return 0;
    }
    h2_stream *stream = stream_of(h2, (uint32_t)frame->hd.stream_id);
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
    h2_peer *h2 = user;
    sim_world *world = h2->peer->world;
    h2_stream *stream = stream_of(h2, (uint32_t)stream_id);
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
    h2_stream *stream = stream_of(user, (uint32_t)stream_id);

    (void)session;
    (void)code;
    if (stream != NULL) {
        stream->closed = true;
    }
    return 0;
}

/* The client sent something that the session does not allow. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
    h2_peer *h2 = user;

    (void)session;
    if (error == NGHTTP2_ERR_REFUSED_STREAM) {
        return 0; /* a limit that the client had not acknowledged yet */
    }
    sim_violation(h2->peer->world, "socket %d: frame of type %d on stream %d: %s",
                  h2->peer->socket->fd, frame->hd.type, frame->hd.stream_id,
                  nghttp2_strerror(error));
}

/* Credit for what was received, at once or after a while. */
static void give_back(sim_world *world, void *what, uint64_t unused)
{
    h2_stream *stream = what;
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
    pump(stream->h2);
}

/* -- to the client -- */

/* Everything that the session wants to send, frame by frame. */
static void pump(h2_peer *h2)
{
    const uint8_t *octets = NULL;
    sim_h2_frame frame;
    weir_span whole;

    for (ssize_t length = nghttp2_session_mem_send(h2->session, &octets); length > 0;
         length = nghttp2_session_mem_send(h2->session, &octets)) {
        sim_h2_walk(h2->peer->world, &h2->out, (weir_span){octets, (size_t)length});
    }
    while (sim_h2_next(&h2->out, &frame, &whole)) {
        send_frame(h2, &frame, whole);
    }
    if (!h2->mute && !h2->peer->over && !nghttp2_session_want_read(h2->session) &&
        !nghttp2_session_want_write(h2->session)) {
        h2->mute = true;
        (void)sim_peer_end(h2->peer, true);
    }
}

static void send_frame(h2_peer *h2, const sim_h2_frame *frame, weir_span octets)
{
    sim_world *world = h2->peer->world;

    if (frame->type == SIM_H2_SETTINGS) {
        if ((frame->flags & SIM_H2_ACK) == 0) {
            note_settings(h2, false);
        } else if (sim_fault(world, SIM_FAULT_H2_UNACKED, &world->for_peers)) {
            h2->acks_kept++;
            sim_at(world, world->now_ns + sim_spread(&world->for_peers, 30 * WEIR_NS_PER_SECOND),
                   acknowledge, h2, 0);
            return;
        }
    }
    count_sent(h2, frame);
    if (frame->type == SIM_H2_HEADERS && frame->length > 2 &&
        (frame->flags & (SIM_H2_PADDED | SIM_H2_WITH_PRIORITY)) == 0 &&
        sim_fault(world, SIM_FAULT_H2_CONTINUES, &world->for_peers)) {
        send_split(h2, frame);
    } else {
        send_octets(h2, octets.at, octets.length);
    }
    disturb(h2);
}

/* The second book: which octets of which stream are what. */
static void count_sent(h2_peer *h2, const sim_h2_frame *frame)
{
    h2_stream *stream = stream_of(h2, frame->stream);

    if (stream == NULL || stream->request == NULL || h2->mute) {
        return;
    }
    sim_response *response = &stream->request->response;
    if (frame->type == SIM_H2_DATA) {
        response->rows.body += frame->fragment_octets;
    } else if (frame->type == SIM_H2_HEADERS || frame->type == SIM_H2_CONTINUATION) {
        *(stream->final_sent ? &response->rows.trailers : &response->rows.head) +=
            frame->fragment_octets;
        /* The session sends the 1xx heads first, one HEADERS frame each. */
        if (frame->type == SIM_H2_HEADERS && stream->promised > 0) {
            stream->promised--;
        } else {
            if (response->code == SIM_MISDIRECTED && !stream->final_sent) {
                stream->request->misdirected_ns = h2->peer->world->now_ns;
            }
            stream->final_sent = true;
        }
    }
    if ((frame->type == SIM_H2_DATA || frame->type == SIM_H2_HEADERS) &&
        (frame->flags & SIM_H2_END_STREAM) != 0) {
        response->complete = true;
    }
}

/* The same header block in several frames (RFC 9113 s6.10). */
static void send_split(h2_peer *h2, const sim_h2_frame *frame)
{
    sim_dice *dice = &h2->peer->world->for_peers;
    uint8_t head[SIM_H2_FRAME_HEAD];
    size_t at = 0;

    while (at < frame->length || at == 0) {
        const size_t left = frame->length - at;
        const size_t step =
            left > 1 && sim_below(dice, 4) != 0 ? 1 + sim_spread(dice, left - 1) : left;
        const size_t length = weir_min(step, left);
        const bool last = at + length == frame->length;
        const uint8_t ends = at == 0 ? frame->flags & SIM_H2_END_STREAM : 0;
        sim_h2_write_head(head, length, at == 0 ? SIM_H2_HEADERS : SIM_H2_CONTINUATION,
                          (uint8_t)(ends | (last ? SIM_H2_END_HEADERS : 0)), frame->stream);
        send_octets(h2, head, sizeof(head));
        send_octets(h2, frame->payload + at, length);
        at += length;
    }
}

static void send_octets(h2_peer *h2, const uint8_t *at, size_t octets)
{
    if (!h2->mute) {
        sim_peer_send(h2->peer, (weir_span){at, octets});
    }
}

/* Between two frames: one that is odd, one that is wrong, or very many. */
static void disturb(h2_peer *h2)
{
    sim_world *world = h2->peer->world;
    sim_dice *dice = &world->for_peers;
    const uint32_t last = h2->streams != NULL ? h2->streams->id : 1;
    uint8_t frame[64];

    if (h2->mute || h2->preface_left > 0) {
        return; /* the server's preface is SETTINGS and nothing before it */
    }
    if (sim_fault(world, SIM_FAULT_H2_ODD, dice)) {
        const size_t octets = sim_h2_write_odd(dice, frame, last);
        if (frame[3] == SIM_H2_SETTINGS) {
            note_settings(h2, true);
        }
        send_octets(h2, frame, octets);
    }
    if (sim_fault(world, SIM_FAULT_H2_FRAME, dice)) {
        const size_t octets = sim_h2_write_wrong(dice, frame, last);
        send_octets(h2, frame, octets);
        h2->mute = true;
    }
    if (sim_fault(world, SIM_FAULT_H2_FLOOD, dice)) {
        send_flood(h2);
    }
}

/* More than any client should bear. */
static void send_flood(h2_peer *h2)
{
    static uint8_t frames[FLOOD_FRAMES * (SIM_H2_FRAME_HEAD + 8)];
    size_t length = 0;

    for (size_t i = 0; i < FLOOD_FRAMES; i++) {
        length += sim_h2_write_idle(&h2->peer->world->for_peers, frames + length);
    }
    send_octets(h2, frames, length);
    h2->mute = true;
}

static void note_settings(h2_peer *h2, bool foreign)
{
    SIM_MUST(h2->peer->world, h2->foreign_count < SETTINGS_TRACKED || h2->mute,
             "too many SETTINGS at once");
    h2->foreign[(h2->foreign_first + h2->foreign_count++) % SETTINGS_TRACKED] = foreign;
}

static void acknowledge(sim_world *world, void *what, uint64_t unused)
{
    h2_peer *h2 = what;
    uint8_t frame[SIM_H2_FRAME_HEAD];

    (void)world;
    (void)unused;
    if (h2->peer->over) {
        return;
    }
    for (; h2->acks_kept > 0; h2->acks_kept--) {
        sim_h2_write_head(frame, 0, SIM_H2_SETTINGS, SIM_H2_ACK, 0);
        send_octets(h2, frame, sizeof(frame));
    }
}

/* -- requests -- */

static void request_head(h2_stream *stream)
{
    h2_peer *h2 = stream->h2;
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
        go_away(h2);
    }
    if (sim_fault(world, SIM_FAULT_H2_SHUTDOWN, dice) && !h2->goes) {
        h2->goes = true;
        (void)nghttp2_submit_shutdown_notice(h2->session);
        sim_at(world, world->now_ns + sim_spread(dice, WEIR_NS_PER_SECOND), finish_shutdown, h2, 0);
    }
    if (sim_fault(world, SIM_FAULT_H2_SETTINGS, dice)) {
        change_settings(h2);
    }
    if (sim_fault(world, SIM_FAULT_H2_PING, dice)) {
        (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL);
    }
    if (!request->refused && sim_fault(world, SIM_FAULT_PEER_EARLY, dice)) {
        stream->early = true;
        request->answered_early = true;
        begin_answer(stream);
    }
}

static void request_complete(h2_stream *stream)
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
        begin_answer(stream);
    }
}

static void refuse(h2_stream *stream)
{
    stream->request->refused = true;
    stream->request->refused_ns = stream->h2->peer->world->now_ns;
    stream->planned = true;
    (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                    NGHTTP2_REFUSED_STREAM);
}

/* -- answers -- */

static void begin_answer(h2_stream *stream)
{
    h2_peer *h2 = stream->h2;
    sim_world *world = h2->peer->world;

    if (stream->request->refused) {
        stream->planned = true;
        return;
    }
    if (h2->silent || sim_fault(world, SIM_FAULT_PEER_SILENT, &world->for_peers)) {
        h2->silent = true;
        return;
    }
    stream->planned = true;
    sim_peer_plan_response(h2->peer, stream->request);
    sim_at(world, world->now_ns + sim_peer_pause(h2->peer), answer, stream, 0);
}

static void answer(sim_world *world, void *what, uint64_t unused)
{
    h2_stream *stream = what;
    h2_peer *h2 = stream->h2;
    sim_dice *dice = &world->for_peers;

    (void)unused;
    if (h2->peer->over || h2->mute || stream->closed || stream->request->refused) {
        return;
    }
    if (sim_fault(world, SIM_FAULT_H2_RST, dice)) {
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                        sim_below(dice, 2) == 0 ? NGHTTP2_INTERNAL_ERROR
                                                                : NGHTTP2_CANCEL);
        pump(h2);
        return;
    }
    submit(stream);
    pump(h2);
    if (sim_fault(world, SIM_FAULT_PEER_ENDS, dice)) {
        h2->mute = true;
        (void)sim_peer_end(h2->peer, true);
    } else if (sim_fault(world, SIM_FAULT_PEER_RESETS, dice)) {
        h2->mute = true;
        sim_peer_reset(h2->peer);
    }
    if (sim_fault(world, SIM_FAULT_IDLE_CLOSE, dice)) {
        sim_at(world, world->now_ns + sim_spread(dice, 30 * WEIR_NS_PER_SECOND), idle_time_out, h2,
               h2->streams->id);
    }
}

static void submit(h2_stream *stream)
{
    h2_peer *h2 = stream->h2;
    sim_world *world = h2->peer->world;
    sim_response *response = &stream->request->response;
    nghttp2_nv fields[FIELDS_MOST];
    char texts[3][32];

    for (size_t i = 0; i < response->informational_count; i++) {
        (void)snprintf(texts[0], sizeof(texts[0]), "%d", response->informational[i]);
        const nghttp2_nv head[] = {field_of(":status", texts[0]), field_of("x-hint", "yes")};
        (void)nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id, NULL,
                                     head, 2, NULL);
    }
    stream->promised = response->informational_count;
    const bool malformed = sim_fault(world, SIM_FAULT_H2_MESSAGE, &world->for_peers);
    const size_t count = build_head(stream, fields, texts, malformed);
    const nghttp2_data_provider body = {.source = {.ptr = stream}, .read_callback = read_body};
    const bool has_more = response->body_octets > 0 || response->trailer_count > 0;
    (void)nghttp2_submit_response(h2->session, (int32_t)stream->id, fields, count,
                                  has_more ? &body : NULL);
    stream->answered = true;
    if (!has_more) {
        after_answer(stream);
    }
}

static size_t build_head(h2_stream *stream, nghttp2_nv *fields, char texts[][32], bool malformed)
{
    const sim_response *response = &stream->request->response;
    size_t count = 0;

    (void)snprintf(texts[0], sizeof(texts[0]), "%d", response->code);
    (void)snprintf(texts[1], sizeof(texts[1]), "%" PRIu64, response->serial);
    (void)snprintf(texts[2], sizeof(texts[2]), "%" PRIu64, response->body_octets);
    fields[count++] = field_of(":status", texts[0]);
    fields[count++] = field_of("x-serial", texts[1]);
    for (size_t i = 0; i < response->field_count; i++) {
        fields[count++] = field_of(response->fields[i].name, response->fields[i].value);
    }
    if (response->body_octets > 0 && sim_below(&stream->h2->peer->world->for_peers, 2) == 0) {
        fields[count++] = field_of("content-length", texts[2]);
    }
    if (malformed) {
        spoil_head(stream, fields, &count);
    }
    return count;
}

/* RFC 9113 s8.2, s8.3: each of these makes the message malformed. */
static void spoil_head(h2_stream *stream, nghttp2_nv *fields, size_t *count)
{
    static const struct {
        const char *name;
        const char *value;
    } wrong[] = {
        {"connection", "close"},
        {"transfer-encoding", "chunked"},
        {":scheme", "http"},
        {"content-length", "12345678"},
        {"x y", "z"},
        {"content-length", "+1"},
        {"x-f9", "a\rb"},
    };
    static const char *const codes[] = {"2x0", "101", "20", "", "099"};
    sim_dice *dice = &stream->h2->peer->world->for_peers;

    stream->request->response.valid = false;
    if (sim_below(dice, 2) == 0) {
        fields[0] = field_of(":status", codes[sim_below(dice, WEIR_COUNT_OF(codes))]);
        return;
    }
    const size_t pick = sim_below(dice, WEIR_COUNT_OF(wrong));
    if (strcmp(wrong[pick].name, "content-length") == 0 &&
        stream->request->response.body_octets == 0) {
        /* A HEAD response may say any length. */
        fields[0] = field_of(":status", "2x0");
        return;
    }
    fields[(*count)++] = field_of(wrong[pick].name, wrong[pick].value);
}

static nghttp2_nv field_of(const char *name, const char *value)
{
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name,
        .namelen = strlen(name),
        .value = (uint8_t *)(uintptr_t)value,
        .valuelen = strlen(value),
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    h2_stream *stream = source->ptr;
    sim_world *world = stream->h2->peer->world;
    sim_dice *dice = &world->for_peers;
    const sim_response *response = &stream->request->response;
    const uint64_t left = response->body_octets - stream->sent;

    (void)session;
    (void)stream_id;
    (void)user;
    if (left > 0 && sim_fault(world, SIM_FAULT_H2_PAUSES, dice)) {
        stream->paused = true;
        sim_at(world, world->now_ns + sim_spread(dice, 10 * WEIR_NS_PER_SECOND), resume, stream, 0);
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t step = weir_min(left, length);
    if (step > 1 && sim_below(dice, 4) == 0) {
        step = 1 + weir_min(sim_spread(dice, step - 1), step - 1);
    }
    sim_body_fill(response->serial, stream->sent, to, step);
    stream->sent += step;
    if (stream->sent == response->body_octets) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (response->trailer_count > 0) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(stream);
        }
        after_answer(stream);
    }
    return (ssize_t)step;
}

static void submit_trailers(h2_stream *stream)
{
    const sim_response *response = &stream->request->response;
    nghttp2_nv fields[WEIR_COUNT_OF(response->trailers)];

    for (size_t i = 0; i < response->trailer_count; i++) {
        fields[i] = field_of(response->trailers[i].name, response->trailers[i].value);
    }
    (void)nghttp2_submit_trailer(stream->h2->session, (int32_t)stream->id, fields,
                                 response->trailer_count);
}

/* RFC 9113 s8.1: the whole response, and no more of the request is wanted. */
static void after_answer(h2_stream *stream)
{
    sim_world *world = stream->h2->peer->world;

    if (!stream->request->complete && sim_fault(world, SIM_FAULT_H2_NO_ERROR, &world->for_peers)) {
        (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                        NGHTTP2_NO_ERROR);
    }
}

static void resume(sim_world *world, void *what, uint64_t unused)
{
    h2_stream *stream = what;

    (void)world;
    (void)unused;
    if (stream->paused && !stream->closed && !stream->h2->peer->over) {
        stream->paused = false;
        (void)nghttp2_session_resume_data(stream->h2->session, (int32_t)stream->id);
        pump(stream->h2);
    }
}

/* -- the connection -- */

/* RFC 9113 s6.8: the last stream that was or might be processed; 0, one of now, or the newest. */
static void go_away(h2_peer *h2)
{
    sim_dice *dice = &h2->peer->world->for_peers;
    const uint32_t newest = h2->streams->id;
    const uint32_t last = sim_below(dice, 3) == 0 ? newest
                          : sim_below(dice, 2) == 0
                              ? 0
                              : (uint32_t)sim_below(dice, newest / 2 + 1) * 2 + 1;

    if (h2->goes) {
        return;
    }
    h2->goes = true;
    (void)nghttp2_submit_goaway(
        h2->session, NGHTTP2_FLAG_NONE, (int32_t)weir_min(last, newest),
        sim_below(dice, 4) == 0 ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR, NULL, 0);
    mark_refused(h2, last);
}

static void finish_shutdown(sim_world *world, void *what, uint64_t unused)
{
    h2_peer *h2 = what;

    (void)world;
    (void)unused;
    if (h2->peer->over || h2->mute) {
        return;
    }
    const int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    mark_refused(h2, (uint32_t)last);
    pump(h2);
}

/* What the peer says it has not processed, and has not answered, may be sent again. */
static void mark_refused(h2_peer *h2, uint32_t last)
{
    h2->last = last;
    for (h2_stream *stream = h2->streams; stream != NULL; stream = stream->next) {
        if (stream->id > last && stream->request != NULL && !stream->request->response.complete) {
            stream->request->refused = true;
        }
    }
}

static void change_settings(h2_peer *h2)
{
    static const uint32_t windows[] = {0, 1, 1000, 65535, 0x7fffffff};
    sim_dice *dice = &h2->peer->world->for_peers;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)sim_below(dice, 4)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows[sim_below(dice, WEIR_COUNT_OF(windows))]},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, (uint32_t)sim_spread(dice, 8192)},
    };
    const size_t first = sim_below(dice, WEIR_COUNT_OF(entries));

    (void)nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries + first,
                                  sim_between(dice, 1, WEIR_COUNT_OF(entries) - first));
}

static void idle_time_out(sim_world *world, void *what, uint64_t last_stream)
{
    h2_peer *h2 = what;

    if (h2->peer->over || h2->mute || h2->streams->id != last_stream) {
        return;
    }
    if (sim_below(&world->for_peers, 2) == 0) {
        (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
        pump(h2);
    }
    h2->mute = true;
    (void)sim_peer_end(h2->peer, true);
}

static ssize_t select_padding(nghttp2_session *session, const nghttp2_frame *frame, size_t most,
                              void *user)
{
    h2_peer *h2 = user;
    sim_world *world = h2->peer->world;
    const size_t least = frame->hd.length;

    (void)session;
    if (most <= least || !sim_fault(world, SIM_FAULT_H2_PADS, &world->for_peers)) {
        return (ssize_t)least;
    }
    return (ssize_t)(least + sim_below(&world->for_peers, weir_min(most - least, 256) + 1));
}

/* -- the session's memory: the simulator's own, which is given back when the run ends -- */

typedef struct block {
    size_t octets;
    max_align_t at[];
} block;

static void *session_alloc(size_t octets, void *user)
{
    block *made = sim_room(user, sizeof(*made) + octets);

    made->octets = octets;
    return made->at;
}

static void session_release(void *at, void *user)
{
    (void)at;
    (void)user;
}

static void *session_zeroed(size_t count, size_t octets, void *user)
{
    return session_alloc(count * octets, user);
}

static void *session_resize(void *at, size_t octets, void *user)
{
    if (at == NULL) {
        return session_alloc(octets, user);
    }
    const block *old = WEIR_CONTAINER_OF(at, block, at);
    if (octets <= old->octets) {
        return at;
    }
    void *grown = session_alloc(octets, user);
    memcpy(grown, at, old->octets);
    return grown;
}
