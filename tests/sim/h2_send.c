/* SPDX-License-Identifier: MIT */
/*
 * What the HTTP/2 peer sends: the frames of its session, counted on their way, and those that the
 * session would never send between them. See peer_h2.h.
 */
#include "peer_h2.h"

#define FLOOD_FRAMES 3000

static void send_frame(sim_h2_peer *h2, const sim_h2_frame *frame, weir_span octets);
static void count_sent(sim_h2_peer *h2, const sim_h2_frame *frame);
static void send_split(sim_h2_peer *h2, const sim_h2_frame *frame);
static void send_octets(sim_h2_peer *h2, const uint8_t *at, size_t octets);
static void disturb(sim_h2_peer *h2);
static void send_flood(sim_h2_peer *h2);
static void note_settings(sim_h2_peer *h2, bool foreign);

/* Everything that the session wants to send, frame by frame. */
void sim_h2_pump(sim_h2_peer *h2)
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

void sim_h2_acknowledge(sim_world *world, void *what, uint64_t unused)
{
    sim_h2_peer *h2 = what;
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

static void send_frame(sim_h2_peer *h2, const sim_h2_frame *frame, weir_span octets)
{
    sim_world *world = h2->peer->world;

    if (frame->type == SIM_H2_SETTINGS) {
        if ((frame->flags & SIM_H2_ACK) == 0) {
            note_settings(h2, false);
        } else if (sim_fault(world, SIM_FAULT_H2_UNACKED, &world->for_peers)) {
            h2->acks_kept++;
            sim_at(world, world->now_ns + sim_spread(&world->for_peers, 30 * WEIR_NS_PER_SECOND),
                   sim_h2_acknowledge, h2, 0);
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
static void count_sent(sim_h2_peer *h2, const sim_h2_frame *frame)
{
    sim_h2_stream *stream = sim_h2_stream_of(h2, frame->stream);

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
static void send_split(sim_h2_peer *h2, const sim_h2_frame *frame)
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

static void send_octets(sim_h2_peer *h2, const uint8_t *at, size_t octets)
{
    if (!h2->mute) {
        sim_peer_send(h2->peer, (weir_span){at, octets});
    }
}

/* Between two frames: one that is odd, one that is wrong, or very many. */
static void disturb(sim_h2_peer *h2)
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
static void send_flood(sim_h2_peer *h2)
{
    static uint8_t frames[FLOOD_FRAMES * (SIM_H2_FRAME_HEAD + 8)];
    size_t length = 0;

    for (size_t i = 0; i < FLOOD_FRAMES; i++) {
        length += sim_h2_write_idle(&h2->peer->world->for_peers, frames + length);
    }
    send_octets(h2, frames, length);
    h2->mute = true;
}

static void note_settings(sim_h2_peer *h2, bool foreign)
{
    SIM_MUST(h2->peer->world, h2->foreign_count < SIM_H2_SETTINGS_TRACKED || h2->mute,
             "too many SETTINGS at once");
    h2->foreign[(h2->foreign_first + h2->foreign_count++) % SIM_H2_SETTINGS_TRACKED] = foreign;
}
