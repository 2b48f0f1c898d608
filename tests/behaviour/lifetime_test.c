/* SPDX-License-Identifier: MIT */
/*
 * How long a connection lives, and what ends it between two calls.
 */
#include "support/relay.h"
#include "support/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void get(weir_world *world, const char *path)
{
    const weir_ask ask = weir_world_ask(world, path);
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

static weir_counts counts_of(weir_world *world)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_user_counts(weir_world_user(world), &counts);
    return counts;
}

/* Connections told closed with this word. */
static size_t closed_for(const weir_world *world, const char *why)
{
    size_t closed = 0;
    for (size_t i = 0; i < weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED); i++) {
        closed += strcmp(weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, i)->why, why) == 0;
    }
    return closed;
}

static void requests_are_limited(weir_world *world)
{
    world->limits.requests_per_connection = 3;
    for (int i = 0; i < 7; i++) {
        get(world, "/octets/10");
    }
    const weir_counts counts = counts_of(world);
    assert_int_equal(counts.dials, 3);
    assert_int_equal(counts.reuses, 4);
    assert_int_equal(closed_for(world, "expired_requests"), 2);
}

typedef struct many {
    weir_world *world;
    weir_status ended[12];
} many;

static void one_of_many(weir_user *user, size_t index, void *shared)
{
    many *all = shared;

    (void)user;
    const weir_ask ask = weir_world_ask(all->world, "/delay/30");
    all->ended[index] = weir_world_fetch(all->world, &ask).ended;
}

/* The origin would take a hundred at once. */
static void streams_are_limited(weir_world *world)
{
    many all = {.world = world};

    world->limits.streams_per_connection = 4;
    world->limits.h2_connections = 3;
    weir_user_together(weir_world_user(world), 12, one_of_many, &all);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
    }
    assert_int_equal(counts_of(world).dials, 3);
}

/* Waits until no connection is idle any more, whoever closed it. */
static void await_no_idle(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_loop *loop = weir_user_loop(user);

    while (counts_of(world).connections_idle > 0) {
        struct pollfd fd = {.fd = loop != NULL ? weir_loop_fd(loop) : -1, .events = POLLIN};
        (void)poll(&fd, 1, 5);
        weir_user_settle(user);
    }
}

/* Twice the server is seen to close what was idle; then we are the first. */
static void horizon_is_learned(weir_world *world)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(closed_for(world, "expired_horizon"), 0);
        get(world, "/close-after?ms=300");
        await_no_idle(world);
    }
    assert_int_equal(closed_for(world, "expired_horizon"), 1);
    assert_int_equal(counts_of(world).dials, 3);
}

/* Reuse within the horizon goes on. */
static void horizon_allows_reuse(weir_world *world)
{
    for (int i = 0; i < 2; i++) {
        get(world, "/close-after?ms=100");
        await_no_idle(world);
    }
    for (int i = 0; i < 3; i++) {
        get(world, "/octets/10");
    }
    assert_int_equal(counts_of(world).dials, 3);
}

static weir_time horizon_of(weir_world *world)
{
    weir_snapshot *snapshot = weir_client_snapshot(weir_user_client(world->user), NULL);
    weir_snapshot_origin origin = WEIR_SNAPSHOT_ORIGIN_INIT;

    assert_non_null(snapshot);
    assert_int_equal(weir_snapshot_origin_count(snapshot), 1);
    assert_true(weir_snapshot_origin_at(snapshot, 0, &origin));
    weir_snapshot_free(snapshot);
    return origin.horizon_ns;
}

/*
 * Nobody looks after the blocking client: what it learns is what the look finds that comes before a
 * connection is used again. How long each rested by then lies between two spans that the test
 * measures, and so does the horizon, half of the second shortest.
 */
static void the_look_teaches_the_horizon(weir_world *world)
{
    weir_relay *relay =
        weir_relay_start(world->way.tls ? world->origin->tls_port : world->origin->clear_port);
    weir_ask ask = weir_world_ask(world, "/close-after?ms=40");
    weir_time least_ns = 0;
    weir_time most_ns = 0;
    weir_time began_ns = 0;
    weir_time ended_ns = 0;

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = weir_relay_port(relay);
    for (size_t i = 0; i < 3; i++) {
        const weir_time again_ns = weir_now();
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        const weir_time now_ns = weir_now();
        assert_int_equal(fetched.ended, WEIR_END);
        if (i > 0 && again_ns - ended_ns > least_ns) {
            least_ns = again_ns - ended_ns;
        }
        if (i > 0 && now_ns - began_ns > most_ns) {
            most_ns = now_ns - began_ns;
        }
        began_ns = again_ns;
        ended_ns = now_ns;
        assert_int_equal(closed_for(world, "peer_closed") + closed_for(world, "draining_goaway"),
                         i);
        assert_true(i == 2 || horizon_of(world) == WEIR_NEVER);
        weir_relay_await_ended(relay, i + 1);
    }
    assert_in_range(horizon_of(world), least_ns / 2, most_ns / 2);
    /* What rested for longer is not looked at: it is closed. */
    while (weir_now() - ended_ns <= horizon_of(world)) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(closed_for(world, "expired_horizon"), 1);
    /* No call met the end of a connection. */
    assert_int_equal(counts_of(world).dials, 4);
    assert_int_equal(counts_of(world).requests, 4);
    weir_world_close(world);
    weir_relay_stop(relay);
}

static void one_of_a_herd(weir_user *user, size_t index, void *shared)
{
    many *all = shared;

    (void)user;
    weir_ask ask = weir_world_ask(all->world, "/octets/10");
    ask.call.pin = WEIR_PROTOCOL_ANY;
    all->ended[index] = weir_world_fetch(all->world, &ask).ended;
}

static size_t waited_for(const weir_world *world, const char *why)
{
    size_t waited = 0;
    for (size_t i = 0; i < weir_world_told(world, WEIR_EVENT_WAITING); i++) {
        waited += strcmp(weir_world_event(world, WEIR_EVENT_WAITING, i)->why, why) == 0;
    }
    return waited;
}

/* Twelve calls at once to an origin of which nothing is known are one handshake. Another client or
 * loop that shares with the first knows what it learned, and has none of them wait for a probe. */
static void herd_is_one_handshake(weir_world *world)
{
    for (int i = 0; i < 2; i++) {
        many all = {.world = world};
        const size_t before = waited_for(world, "alpn_unknown_wait");
        weir_user_together(weir_world_user(world), 12, one_of_a_herd, &all);
        for (size_t k = 0; k < 12; k++) {
            assert_int_equal(all.ended[k], WEIR_END);
        }
        assert_int_equal(counts_of(world).dials, 1);
        /* A loop is told of all twelve before it dials, and asks what others know when it does. */
        if (i > 0 && world->way.kind == WEIR_USER_BLOCKING) {
            assert_int_equal(waited_for(world, "alpn_unknown_wait"), before);
        }
        weir_world_close(world);
    }
}

static const weir_behaviour behaviours[] = {
    {"a herd is one handshake, and is remembered by those who share", herd_is_one_handshake,
     WEIR_ONLY_TLS | WEIR_ONLY_H2, NULL},
    {"when a server closes what is idle is learned", horizon_is_learned, 0, NULL},
    {"the look before a reuse teaches when a server closes", the_look_teaches_the_horizon,
     WEIR_ONLY_BLOCKING, NULL},
    {"what is idle for less than was learned is used again", horizon_allows_reuse, 0, NULL},
    {"a connection serves no more requests than it may", requests_are_limited, 0, NULL},
    {"streams at once are limited by us too", streams_are_limited, WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("lifetime", behaviours, COUNT_OF(behaviours), NULL);
}
