/* SPDX-License-Identifier: MIT */
/*
 * Idle HTTP/2 connections whose peer is gone without a word: with limits.ping_idle the loop finds
 * out by itself, and the blocking client in weir_client_maintain(); the connection is closed with
 * WEIR_E_H2_PING, and the next call dials anew.
 *
 * The peer is a thread: it answers each request with an empty 200, acknowledges SETTINGS, and lets
 * PING go unanswered.
 */
#include "support/listener.h"
#include "support/world.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    PREFACE_OCTETS = 24,
    HEAD_OCTETS = 9,
    FRAME_SETTINGS = 4,
    FRAME_HEADERS = 1,
    ACK = 1,
    CONNECTIONS = 2
};

typedef struct mute_peer {
    int listener;
    uint16_t port;
    pthread_t thread;
} mute_peer;

static bool read_all(int fd, uint8_t *to, size_t octets)
{
    for (size_t at = 0; at < octets;) {
        const ssize_t got = recv(fd, to + at, octets - at, 0);
        if (got <= 0) {
            return false;
        }
        at += (size_t)got;
    }
    return true;
}

static void say(int fd, const uint8_t *octets, size_t count)
{
    (void)send(fd, octets, count, MSG_NOSIGNAL);
}

/* To the end of the connection. */
static void serve(int fd)
{
    static const uint8_t settings[] = {0, 0, 0, FRAME_SETTINGS, 0, 0, 0, 0, 0};
    static const uint8_t ack[] = {0, 0, 0, FRAME_SETTINGS, ACK, 0, 0, 0, 0};
    uint8_t octets[16384];

    say(fd, settings, sizeof(settings));
    if (!read_all(fd, octets, PREFACE_OCTETS)) {
        return;
    }
    while (read_all(fd, octets, HEAD_OCTETS)) {
        const size_t length = (size_t)octets[0] << 16 | (size_t)octets[1] << 8 | octets[2];
        const uint8_t type = octets[3];
        const uint8_t flags = octets[4];
        /* END_STREAM and END_HEADERS; the indexed field ":status: 200" */
        const uint8_t answer[] = {0,         0,         1,         FRAME_HEADERS, 5,
                                  octets[5], octets[6], octets[7], octets[8],     0x88};
        if (length > sizeof(octets) || !read_all(fd, octets, length)) {
            return;
        }
        if (type == FRAME_SETTINGS && (flags & ACK) == 0) {
            say(fd, ack, sizeof(ack));
        } else if (type == FRAME_HEADERS) {
            say(fd, answer, sizeof(answer));
        }
    }
}

static void *run_peer(void *user)
{
    const mute_peer *peer = user;

    for (int i = 0; i < CONNECTIONS; i++) {
        const int fd = accept(peer->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        serve(fd);
        (void)close(fd);
    }
    return NULL;
}

static void start(mute_peer *peer)
{
    peer->listener = weir_listener_open(&peer->port, CONNECTIONS);
    assert_int_equal(pthread_create(&peer->thread, NULL, run_peer, peer), 0);
}

static void stop(mute_peer *peer)
{
    (void)shutdown(peer->listener, SHUT_RDWR);
    assert_int_equal(pthread_join(peer->thread, NULL), 0);
    (void)close(peer->listener);
}

static void get(weir_world *world, const mute_peer *peer)
{
    char url[64];
    weir_ask ask = weir_world_ask(world, "/");

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer->port);
    ask.request.url = weir_span_of(url);
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

/* Waits until no connection is idle any more: the loop is turned when it asks for it, and the
 * client is maintained. */
static void await_no_idle(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_loop *loop = weir_user_loop(user);

    while (weir_world_counts(world).connections_idle > 0) {
        struct pollfd fd = {.fd = loop != NULL ? weir_loop_fd(loop) : -1, .events = POLLIN};
        (void)poll(&fd, 1, loop != NULL ? -1 : 2);
        weir_user_settle(user);
    }
}

static void silence_is_found_out(weir_world *world)
{
    mute_peer peer;

    start(&peer);
    world->limits.ping_ns = 200 * WEIR_NS_PER_MS;
    world->limits.ping_timeout_ns = 200 * WEIR_NS_PER_MS;
    world->limits.ping_idle = true;
    get(world, &peer);
    await_no_idle(world);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 1);
    assert_string_equal(weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0)->why,
                        "WEIR_E_H2_PING");
    get(world, &peer);
    assert_int_equal(weir_world_counts(world).dials, 2);
    weir_world_close(world);
    stop(&peer);
}

static const weir_behaviour behaviours[] = {
    {"an idle connection whose peer is silent is closed, and the next call dials anew",
     silence_is_found_out, WEIR_ONLY_H2 | WEIR_ONLY_CLEAR, NULL},
};

int main(void)
{
    return weir_world_run("ping_idle", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
