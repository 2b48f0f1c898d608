/* SPDX-License-Identifier: MIT */
/*
 * What held a call up, by both front ends: each cause is made, and the time goes there and nowhere
 * else. Time passes by what a server does, never by sleeping.
 */
#include "support/stuck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT_NS (50 * WEIR_NS_PER_MS)
/* Of a limit: a stall begins a system call or two after the limit does. */
#define MOST_NS  (LIMIT_NS / 2)

static weir_stalls stalls_of(const weir_exchange *exchange)
{
    weir_stalls stalls = WEIR_STALLS_INIT;

    weir_exchange_stalls(exchange, &stalls);
    return stalls;
}

/* The i-th of the record. */
enum {
    STREAM_WINDOW = 0,
    CONNECTION_WINDOW,
    MAX_STREAMS,
    SOCKET,
    TLS,
    CALLER_READING,
    CALLER_SUPPLYING,
    CAUSES
};

/* That cause held it up, and for longer than any other: those that cannot be here are nothing at
 * all, the others a system call or two. How long its handshake took is the machine's business. */
static void assert_mostly(const weir_world *world, weir_stalls stalls, size_t cause)
{
    const weir_time ns[CAUSES] = {
        stalls.stream_window_ns,
        stalls.connection_window_ns,
        stalls.max_streams_ns,
        stalls.socket_ns,
        stalls.tls_ns,
        stalls.caller_reading_ns,
        stalls.caller_supplying_ns,
    };

    assert_true(ns[cause] >= MOST_NS);
    for (size_t i = 0; i < CAUSES; i++) {
        const bool of_h2 = i <= MAX_STREAMS;
        const bool possible = of_h2 ? world->way.protocol == WEIR_H2 : i != TLS || world->way.tls;
        if (i != cause && (possible ? i != TLS && ns[i] >= ns[cause] : ns[i] > 0)) {
            fail_msg("cause %zu: %llu ns, %zu: %llu ns", cause, (unsigned long long)ns[cause], i,
                     (unsigned long long)ns[i]);
        }
    }
}

/* At least so long passes, and the exchange under test is left alone. */
static void pass_time(weir_world *world, unsigned ms)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/delay/%u", ms);
    weir_ask ask = weir_world_ask(world, path);
    const weir_time since_ns = weir_now();
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_true(weir_now() - since_ns >= ms * WEIR_NS_PER_MS);
}

static void nothing(weir_world *world)
{
    weir_fetched fetched = {.is_pattern = true};
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    const weir_stalls stalls = stalls_of(exchange);
    assert_int_equal(stalls.stream_window_ns, 0);
    assert_int_equal(stalls.connection_window_ns, 0);
    assert_int_equal(stalls.max_streams_ns, 0);
    assert_int_equal(stalls.socket_ns, 0);
    assert_int_equal(stalls.caller_supplying_ns, 0);
    assert_true((stalls.tls_ns > 0) == world->way.tls); /* it dialled */
    assert_true((weir_exchange_phase_ns(exchange, WEIR_PHASE_TLS) > 0) == world->way.tls);
    weir_world_drop(world, exchange);
}

/* The wire takes nothing more: over HTTP/1.1 the socket is full, over HTTP/2 a window is used up
 * long before. */
static void stalled_wire(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    stuck.upload.octets = UINT64_C(1) << 30;
    stuck.ask.call.write_ns = LIMIT_NS;
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_WRITE);
    const weir_stalls stalls = stalls_of(stuck.uploading.exchange);
    if (world->way.protocol == WEIR_H1) {
        assert_true(stalls.socket_ns >= MOST_NS);
        assert_int_equal(stalls.stream_window_ns, 0);
    } else {
        assert_true(stalls.stream_window_ns >= MOST_NS);
        assert_true(stalls.socket_ns < MOST_NS);
    }
    assert_int_equal(stalls.connection_window_ns, 0);
    assert_mostly(world, stalls, world->way.protocol == WEIR_H1 ? SOCKET : STREAM_WINDOW);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

/* Neither window is in the way, of what is sent on any stream. */
static void open_windows(weir_world *world, const weir_ask *ask)
{
    static const char *const paths[] = {"/settings?window=1000000000", "/windows?conn=1000000000"};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        weir_ask opening = *ask;
        opening.request.url = weir_world_url(world, paths[i]);
        assert_int_equal(weir_world_fetch(world, &opening).code, 200);
    }
}

/* HTTP/2 may send a lot, and the wire takes nothing. */
static void stalled_socket(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    weir_relay_set(stuck.relay, WEIR_RELAY_PASS);
    open_windows(world, &stuck.ask);
    weir_relay_set(stuck.relay, WEIR_RELAY_STALL);
    stuck.upload.octets = UINT64_C(1) << 30;
    stuck.ask.call.write_ns = LIMIT_NS;
    stuck.ask.request.url = weir_world_url(world, "/sink");
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_WRITE);
    assert_mostly(world, stalls_of(stuck.uploading.exchange), SOCKET);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

/* Streams may send a lot, the connection may not. */
static void stalled_connection_window(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    weir_relay_set(stuck.relay, WEIR_RELAY_PASS);
    weir_ask first = stuck.ask;
    first.request.url = weir_world_url(world, "/settings?window=10000000");
    assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
    weir_relay_set(stuck.relay, WEIR_RELAY_STALL);
    stuck.upload.octets = UINT64_C(1) << 30;
    stuck.ask.call.write_ns = LIMIT_NS;
    stuck.ask.request.url = weir_world_url(world, "/sink");
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_WRITE);
    const weir_stalls stalls = stalls_of(stuck.uploading.exchange);
    assert_true(stalls.connection_window_ns >= MOST_NS);
    assert_int_equal(stalls.stream_window_ns, 0);
    assert_mostly(world, stalls, CONNECTION_WINDOW);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

static void max_streams(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_QUEUE);
    stuck.ask.call.queue_ns = LIMIT_NS;
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_QUEUE);
    const weir_stalls stalls = stalls_of(stuck.uploading.exchange);
    if (world->way.protocol == WEIR_H2) {
        assert_mostly(world, stalls, MAX_STREAMS);
    } else {
        assert_int_equal(stalls.max_streams_ns, 0); /* it waits because the connection is busy */
    }
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

static void handshake(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_TLS);
    stuck.ask.call.tls_ns = LIMIT_NS;
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_TLS);
    assert_mostly(world, stalls_of(stuck.uploading.exchange), TLS);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

static void unread_response(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/30000000");
    weir_exchange *exchange = NULL;
    uint8_t room[100];
    weir_stalls stalls = WEIR_STALLS_INIT;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    /* How soon the inbox is full is the server's and the machine's business. */
    for (int i = 0; i < 500 && stalls.caller_reading_ns < 20 * WEIR_NS_PER_MS; i++) {
        size_t octets = 0;
        pass_time(world, 10);
        assert_int_equal(weir_user_read(world->user, exchange, room, sizeof(room), &octets),
                         WEIR_OK);
        stalls = stalls_of(exchange);
    }
    assert_true(stalls.caller_reading_ns >= 20 * WEIR_NS_PER_MS);
    assert_int_equal(stalls.caller_supplying_ns, 0);
    assert_int_equal(stalls.max_streams_ns + stalls.stream_window_ns + stalls.connection_window_ns,
                     0);
    weir_world_drop(world, exchange);
}

static void unwritten_request(weir_world *world)
{
    weir_fetched fetched = {.is_pattern = true};
    weir_ask ask = weir_world_ask(world, "/sink");
    weir_exchange *exchange = NULL;
    size_t taken = 0;

    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    pass_time(world, 20);
    const weir_time until_ns = weir_now() + 20 * WEIR_NS_PER_MS;
    while (world->way.kind == WEIR_USER_LOOP && weir_now() < until_ns) {
        /* The program has other things to wait for, and no turn tells the loop how late it is. */
        weir_loop_wait(weir_user_loop(world->user), until_ns);
    }
    assert_int_equal(weir_user_write(world->user, exchange, WEIR_SPAN("hello"), &taken), WEIR_OK);
    weir_stalls stalls = stalls_of(exchange);
    assert_true(stalls.caller_supplying_ns >=
                (world->way.kind == WEIR_USER_LOOP ? 40 : 20) * WEIR_NS_PER_MS);
    pass_time(world, 20);
    assert_int_equal(weir_user_finish(world->user, exchange, NULL, 0), WEIR_OK);
    stalls = stalls_of(exchange);
    assert_true(stalls.caller_supplying_ns >= 40 * WEIR_NS_PER_MS);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(stalls_of(exchange).caller_supplying_ns, stalls.caller_supplying_ns);
    assert_int_equal(stalls.socket_ns + stalls.stream_window_ns + stalls.connection_window_ns, 0);
    weir_world_drop(world, exchange);
}

static const weir_behaviour behaviours[] = {
    {"a call that nothing holds up has no stalls", nothing, 0, NULL},
    {"a wire that takes nothing is the socket's or the stream window's", stalled_wire, 0, NULL},
    {"a wire that takes nothing while windows are open is the socket's", stalled_socket,
     WEIR_ONLY_H2, NULL},
    {"the window of the connection is told from that of the stream", stalled_connection_window,
     WEIR_ONLY_H2, NULL},
    {"waiting for a stream of a full connection counts", max_streams, 0, NULL},
    {"a handshake that is not answered counts", handshake, WEIR_ONLY_TLS, NULL},
    {"a response that is not read counts", unread_response, 0, NULL},
    {"a request that is not written counts", unwritten_request, 0, NULL},
};

int main(void)
{
    return weir_world_run("stalls", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
