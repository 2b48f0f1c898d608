/* SPDX-License-Identifier: MIT */
/* The HTTP/2 peer's answers to requests: see peer_h2.h. */
#include "peer_h2.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MOST (SIM_FIELDS_LIMIT + 5)

static void answer(sim_world *world, void *what, uint64_t unused);
static void submit(sim_h2_stream *stream);
static size_t build_head(sim_h2_stream *stream, nghttp2_nv *fields, char texts[][32],
                         bool malformed);
static void spoil_head(sim_h2_stream *stream, nghttp2_nv *fields, size_t *count);
static nghttp2_nv field_of(const char *name, const char *value);
static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *to, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *user);
static void submit_trailers(sim_h2_stream *stream);
static void after_answer(sim_h2_stream *stream);

void sim_h2_answer(sim_h2_stream *stream)
{
    sim_h2_peer *h2 = stream->h2;
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

void sim_h2_resume(sim_world *world, void *what, uint64_t unused)
{
    sim_h2_stream *stream = what;

    (void)world;
    (void)unused;
    if (stream->paused && !stream->closed && !stream->h2->peer->over) {
        stream->paused = false;
        (void)nghttp2_session_resume_data(stream->h2->session, (int32_t)stream->id);
        sim_h2_pump(stream->h2);
    }
}

static void answer(sim_world *world, void *what, uint64_t unused)
{
    sim_h2_stream *stream = what;
    sim_h2_peer *h2 = stream->h2;
    sim_dice *dice = &world->for_peers;

    (void)unused;
    if (h2->peer->over || h2->mute || stream->closed || stream->request->refused) {
        return;
    }
    if (sim_fault(world, SIM_FAULT_H2_RST, dice)) {
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                        sim_below(dice, 2) == 0 ? NGHTTP2_INTERNAL_ERROR
                                                                : NGHTTP2_CANCEL);
        sim_h2_pump(h2);
        return;
    }
    submit(stream);
    sim_h2_pump(h2);
    if (sim_fault(world, SIM_FAULT_PEER_ENDS, dice)) {
        h2->mute = true;
        (void)sim_peer_end(h2->peer, true);
    } else if (sim_fault(world, SIM_FAULT_PEER_RESETS, dice)) {
        h2->mute = true;
        sim_peer_reset(h2->peer);
    }
    if (sim_fault(world, SIM_FAULT_IDLE_CLOSE, dice)) {
        sim_at(world, world->now_ns + sim_spread(dice, 30 * WEIR_NS_PER_SECOND),
               sim_h2_idle_time_out, h2, h2->streams->id);
    }
}

static void submit(sim_h2_stream *stream)
{
    sim_h2_peer *h2 = stream->h2;
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

static size_t build_head(sim_h2_stream *stream, nghttp2_nv *fields, char texts[][32],
                         bool malformed)
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
static void spoil_head(sim_h2_stream *stream, nghttp2_nv *fields, size_t *count)
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
    sim_h2_stream *stream = source->ptr;
    sim_world *world = stream->h2->peer->world;
    sim_dice *dice = &world->for_peers;
    const sim_response *response = &stream->request->response;
    const uint64_t left = response->body_octets - stream->sent;

    (void)session;
    (void)stream_id;
    (void)user;
    if (left > 0 && sim_fault(world, SIM_FAULT_H2_PAUSES, dice)) {
        stream->paused = true;
        sim_at(world, world->now_ns + sim_spread(dice, 10 * WEIR_NS_PER_SECOND), sim_h2_resume,
               stream, 0);
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

static void submit_trailers(sim_h2_stream *stream)
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
static void after_answer(sim_h2_stream *stream)
{
    sim_world *world = stream->h2->peer->world;

    if (!stream->request->complete && sim_fault(world, SIM_FAULT_H2_NO_ERROR, &world->for_peers)) {
        (void)nghttp2_submit_rst_stream(stream->h2->session, NGHTTP2_FLAG_NONE, (int32_t)stream->id,
                                        NGHTTP2_NO_ERROR);
    }
}
