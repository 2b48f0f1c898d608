/* SPDX-License-Identifier: MIT */
/* What the HTTP/2 peer does to a connection as a whole: see peer_h2.h. */
#include "peer_h2.h"

static void finish_shutdown(sim_world *world, void *what, uint64_t unused);
static void mark_refused(sim_h2_peer *h2, uint32_t last);

/* RFC 9113 s6.8: the last stream that was or might be processed; 0, one of now, or the newest. */
void sim_h2_go_away(sim_h2_peer *h2)
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

void sim_h2_shut_down(sim_h2_peer *h2)
{
    sim_world *world = h2->peer->world;

    h2->goes = true;
    (void)nghttp2_submit_shutdown_notice(h2->session);
    sim_at(world, world->now_ns + sim_spread(&world->for_peers, WEIR_NS_PER_SECOND),
           finish_shutdown, h2, 0);
}

void sim_h2_change_settings(sim_h2_peer *h2)
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

void sim_h2_end(sim_h2_peer *h2)
{
    h2->peer->says_end = sim_below(&h2->peer->world->for_peers, 2) == 0;
    if (h2->peer->says_end) {
        (void)nghttp2_session_terminate_session(h2->session, NGHTTP2_NO_ERROR);
        sim_h2_pump(h2);
    }
    h2->mute = true;
    (void)sim_peer_end(h2->peer, true);
}

void sim_h2_idle_time_out(sim_world *world, void *what, uint64_t last_stream)
{
    sim_h2_peer *h2 = what;

    (void)world;
    if (!h2->peer->over && !h2->mute && h2->streams->id == last_stream) {
        sim_h2_end(h2);
    }
}

static void finish_shutdown(sim_world *world, void *what, uint64_t unused)
{
    sim_h2_peer *h2 = what;

    (void)world;
    (void)unused;
    if (h2->peer->over || h2->mute) {
        return;
    }
    const int32_t last = nghttp2_session_get_last_proc_stream_id(h2->session);
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    mark_refused(h2, (uint32_t)last);
    sim_h2_pump(h2);
}

/* What the peer says it has not processed, and has not answered, may be sent again. */
static void mark_refused(sim_h2_peer *h2, uint32_t last)
{
    h2->last = last;
    for (sim_h2_stream *stream = h2->streams; stream != NULL; stream = stream->next) {
        if (stream->id > last && stream->request != NULL && !stream->request->response.complete) {
            stream->request->refused = true;
        }
    }
}
