/* SPDX-License-Identifier: MIT */
/*
 * A scold in the place of a world's origin.
 */
#include "support/scold_way.h"

#define PATIENCE_NS (20 * WEIR_NS_PER_SECOND)

weir_scold *weir_scold_way_start(const weir_world *world, weir_scold_play *play, void *user)
{
    const weir_scold_options options = {
        .certificate = world->way.tls ? "good.pem" : NULL,
        .protocol = world->way.protocol == WEIR_H2 ? "h2" : "http/1.1",
        .play = play,
        .user = user,
    };
    return weir_scold_start(&options);
}

weir_ask weir_scold_way_ask(weir_world *world, const weir_scold *server)
{
    weir_ask ask = weir_world_ask_at(world, "/", weir_scold_port(server));

    ask.request.url = weir_span_of(world->way.tls ? "https://localhost/" : "http://localhost/");
    ask.call.deadline_ns = weir_now() + PATIENCE_NS;
    return ask;
}

weir_scold_heard weir_scold_way_end(weir_world *world, weir_scold *server, size_t connections)
{
    weir_world_close(world);
    const weir_scold_heard heard = weir_scold_await(server, connections);
    weir_scold_stop(server);
    return heard;
}
