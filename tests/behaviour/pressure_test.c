/* SPDX-License-Identifier: MIT */
/*
 * Back-pressure: what the caller does not read, or the peer does not take, is waited for and not
 * stored. Memory is what the allocator of the world has out; it is held against the limits that the
 * client was given.
 */
#include "support/stuck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KIB   1024u
/* What a client and one connection take besides content: seats, receive buffers, spare chunks. */
#define SLACK (512 * KIB)

static size_t live(weir_world *world)
{
    return atomic_load(&world->memory.live_octets);
}

/* Small reads of a large answer: no more than the inbox waits for the reader, however fast the
 * server is. */
static void slow_reader(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/30000000");
    weir_exchange *exchange = NULL;
    uint8_t room[5000];
    uint64_t seen = 0;
    size_t most = 0;

    world->limits.inbox_octets = 128 * KIB;
    (void)weir_world_user(world);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    for (int i = 0; i < 200; i++) {
        size_t octets = 0;
        assert_int_equal(weir_user_read(world->user, exchange, room, sizeof(room), &octets),
                         WEIR_OK);
        for (size_t at = 0; at < octets; at++) {
            assert_int_equal(room[at], weir_pattern_at(seen + at));
        }
        seen += octets;
        if (world->way.kind == WEIR_USER_LOOP) {
            weir_user_settle(world->user); /* all that may come, comes */
        }
        most = live(world) > most ? live(world) : most;
    }
    assert_true(most < 128 * KIB + SLACK);
    weir_world_drop(world, exchange);
}

/* Twelve answers that nobody reads, and one after the other that are read: over HTTP/2 on the same
 * connection. */
static void unread_streams(weir_world *world)
{
    enum { UNREAD = 12 };
    weir_exchange *unread[UNREAD];

    world->limits.h2_connections = 1;
    (void)weir_world_user(world);
    for (size_t i = 0; i < UNREAD; i++) {
        weir_ask ask = weir_world_ask(world, "/octets/3000000");
        assert_int_equal(weir_world_call(world, &ask, &unread[i]), WEIR_OK);
    }
    for (int i = 0; i < 30; i++) {
        weir_ask ask = weir_world_ask(world, "/octets/100000");
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.octets, 100000);
    }
    assert_true(live(world) < UNREAD * 256 * KIB + SLACK);
    for (size_t i = 0; i < UNREAD; i++) {
        weir_fetched fetched = {0};
        weir_world_drain(world, unread[i], &fetched);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.octets, 3000000);
        assert_true(fetched.is_pattern);
        weir_world_drop(world, unread[i]);
    }
    assert_true(live(world) < SLACK + 256 * KIB);
}

/* A source is asked for no more than can go: the wire stalls, and most of a gigabyte is never made.
 */
static void stalled_source(weir_world *world)
{
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    stuck.upload.octets = UINT64_C(1) << 30;
    stuck.ask.call.write_ns = 50 * WEIR_NS_PER_MS;
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_WRITE);
    /* The sockets on the way hold some megabytes. */
    assert_true(stuck.upload.taken < UINT64_C(32) << 20);
    assert_true(live(world) < SLACK + 256 * KIB);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

/* Over the loop a writer is told AGAIN when the queue is full, and WRITABLE when it is not; nothing
 * piles up meanwhile. */
static void stalled_writer(weir_world *world)
{
    weir_stuck stuck;
    weir_exchange *exchange = NULL;
    weir_loop_event events[8];
    static uint8_t octets[100000];
    uint64_t written = 0;
    weir_status status = WEIR_OK;

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    stuck.ask.call.observer = NULL;
    stuck.ask.request.method = WEIR_SPAN("POST");
    stuck.ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_loop_submit(loop, &stuck.ask.request, &stuck.ask.call, NULL, &exchange),
                     WEIR_OK);
    while (weir_exchange_phase(exchange) != WEIR_PHASE_SEND) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        (void)weir_loop_turn(loop, events, 8);
    }
    /* Writes until two turns in a row could place nothing more in the sockets. */
    for (int quiet = 0; quiet < 2;) {
        const uint64_t before = written;
        do {
            size_t taken = 0;
            status = weir_write(exchange, (weir_span){octets, sizeof(octets)}, &taken);
            written += taken;
        } while (status == WEIR_OK);
        assert_int_equal(status, WEIR_AGAIN);
        weir_loop_wait(loop, weir_now() + 20 * WEIR_NS_PER_MS);
        (void)weir_loop_turn(loop, events, 8);
        quiet = written == before ? quiet + 1 : 0;
    }
    assert_true(written < UINT64_C(32) << 20);
    assert_true(live(world) < SLACK + 256 * KIB);
    weir_exchange_free(exchange);
    weir_stuck_end(world, &stuck);
}

static const weir_behaviour behaviours[] = {
    {"a slow reader keeps memory bounded", slow_reader, 0, NULL},
    {"unread streams keep to their windows, and hold up nobody", unread_streams, WEIR_ONLY_H2,
     NULL},
    {"a source is not read ahead of a wire that stalls", stalled_source, 0, NULL},
    {"a writer is told to wait by a wire that stalls", stalled_writer, WEIR_ONLY_LOOP, NULL},
};

int main(void)
{
    return weir_world_run("pressure", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
