/* SPDX-License-Identifier: MIT */
/*
 * The server answers before the upload has ended, and the caller goes on writing without reading.
 * When the inbox is full and the server takes no more, neither would ever move: the blocking
 * weir_write() says so instead of waiting. And when sending fails then, what the server said before
 * is read first.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define INBOX_OCTETS  16384
#define ANSWER_OCTETS ((size_t)8 << 20) /* more than both ends' sockets hold */
#define UPLOAD_OCTETS ((size_t)16 << 20)
#define LAST_OCTETS   40000 /* more than the inbox, less than the least window of a socket */

static const uint8_t content[65536];
static uint8_t got_content[65536];

static weir_ask ask_to_write(weir_world *world, const weir_scold *server)
{
    weir_ask ask = weir_scold_way_ask(world, server);

    world->limits.inbox_octets = INBOX_OCTETS;
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = UPLOAD_OCTETS};
    return ask;
}

/* Everything of the answer first; the upload is read when that is gone. */
static void answer_all(weir_scold_line *line, void *user)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n";
    uint8_t room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, head, sizeof(head) - 1);
    for (size_t said = 0; said < ANSWER_OCTETS; said += sizeof(content)) {
        weir_scold_write(line, content, sizeof(content));
    }
}

/* Writes what is left of it; the last status. */
static weir_status write_on(weir_world *world, weir_exchange *exchange, size_t *written)
{
    weir_status status = WEIR_OK;

    while (status == WEIR_OK && *written < UPLOAD_OCTETS) {
        const size_t left = UPLOAD_OCTETS - *written;
        const size_t step = left < sizeof(content) ? left : sizeof(content);
        size_t taken = 0;
        status =
            weir_user_write(weir_world_user(world), exchange, (weir_span){content, step}, &taken);
        *written += taken;
    }
    return status;
}

static void neither_moves(weir_world *world)
{
    weir_scold *server = weir_scold_way_start(world, answer_all, NULL);
    const weir_ask ask = ask_to_write(world, server);
    weir_exchange *exchange = NULL;
    size_t written = 0;
    size_t again = 0;
    size_t got = 0;
    size_t read = 0;
    weir_status status = WEIR_OK;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    while (status == WEIR_OK) {
        const weir_status wrote = write_on(world, exchange, &written);
        assert_true(wrote == WEIR_AGAIN || wrote == WEIR_ANSWERED || wrote == WEIR_OK);
        again += wrote == WEIR_AGAIN ? 1 : 0;
        status = weir_user_read(weir_world_user(world), exchange, got_content, sizeof(got_content),
                                &got);
        read += got;
    }
    assert_int_equal(status, WEIR_END);
    assert_int_equal(read, ANSWER_OCTETS);
    assert_true(again > 0);
    assert_true(written > 0);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_scold_stop(server);
}

/* HTTP/2: the inbox is filled, and no window is given. */
static void answer_h2(weir_scold_line *line, void *user)
{
    static const uint8_t begin[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88};
    static const uint8_t data[] = {0, INBOX_OCTETS >> 8, 0, 0, 0, 0, 0, 0, 1};
    uint8_t room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, begin, sizeof(begin));
    weir_scold_write(line, data, sizeof(data));
    weir_scold_write(line, content, INBOX_OCTETS);
}

static void no_window_is_given(weir_world *world)
{
    weir_scold *server = weir_scold_way_start(world, answer_h2, NULL);
    const weir_ask ask = ask_to_write(world, server);
    weir_exchange *exchange = NULL;
    size_t written = 0;
    size_t got = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(write_on(world, exchange, &written), WEIR_AGAIN);
    assert_true(written >= 65535);
    assert_int_equal(
        weir_user_read(weir_world_user(world), exchange, got_content, INBOX_OCTETS, &got), WEIR_OK);
    assert_true(got > 0);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_scold_stop(server);
}

/* A whole answer, and a reset. */
static void answer_and_reset(weir_scold_line *line, void *user)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n";
    uint8_t room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, head, sizeof(head) - 1);
    weir_scold_write(line, content, LAST_OCTETS);
    line->resets = true;
}

static void sending_fails(weir_world *world)
{
    weir_scold *server = weir_scold_way_start(world, answer_and_reset, NULL);
    const weir_ask ask = ask_to_write(world, server);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    size_t written = 0;
    size_t read = 0;
    size_t got = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_user_response(weir_world_user(world), exchange), WEIR_OK);
    (void)weir_scold_await(server, 1);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(write_on(world, exchange, &written), WEIR_AGAIN);
    } else {
        (void)weir_write(exchange, (weir_span){content, sizeof(content)}, &written);
        weir_user_settle(weir_world_user(world));
    }
    while (status == WEIR_OK) {
        status = weir_user_read(weir_world_user(world), exchange, got_content, sizeof(got_content),
                                &got);
        read += status == WEIR_OK ? got : 0;
    }
    assert_int_equal(status, WEIR_END);
    assert_int_equal(read, LAST_OCTETS);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_scold_stop(server);
}

static const weir_behaviour behaviours[] = {
    {"who writes and does not read is told to read", neither_moves,
     WEIR_ONLY_H1 | WEIR_ONLY_BLOCKING, NULL},
    {"who writes without a window and does not read is told to read", no_window_is_given,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
    {"what lies behind a full inbox is read before sending has failed", sending_fails, WEIR_ONLY_H1,
     NULL},
};

int main(void)
{
    return weir_world_run("full_inbox", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
