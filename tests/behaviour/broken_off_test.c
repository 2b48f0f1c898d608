/* SPDX-License-Identifier: MIT */
/*
 * A peer resets while octets of its answer lie unread in our socket. What we take from the kernel
 * then is in the ledger, in whichever way it was taken; the kernel agrees, and so does the peer,
 * which knows how much our kernel had. What is told of it does not hang on who met it first: the
 * kernel says of a reset once that it was one, and afterwards only that the input has ended.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define INBOX_OCTETS 16384
#define BODY_OCTETS  48000 /* more than the inbox, less than the least window of a socket */

/* A head that promises more than comes. */
static void break_off(weir_scold_line *line, void *user)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
    static uint8_t body[BODY_OCTETS];
    uint8_t room[4096];

    (void)user;
    (void)weir_scold_read(line, room, sizeof(room));
    weir_scold_write(line, head, sizeof(head) - 1);
    weir_scold_write(line, body, sizeof(body));
    line->resets = true;
}

static void reset_behind_unread_octets(weir_world *world)
{
    weir_scold *server = weir_scold_way_start(world, break_off, NULL);
    const weir_ask ask = weir_scold_way_ask(world, server);
    weir_exchange *exchange = NULL;

    world->limits.inbox_octets = INBOX_OCTETS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    const weir_scold_heard heard = weir_scold_await(server, 1);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_scold_stop(server);
    assert_int_equal(world->last_account.verdict.agreement, WEIR_AGREE);
    if (world->way.tls) {
        /* The goodbye met the reset, and what lay behind it stays where it is. */
        assert_true(world->last_account.wire.received <= heard.given);
    } else {
        assert_int_equal(world->last_account.wire.received, heard.given);
        assert_true(world->last_account.rows[WEIR_ROW_UNREAD].received > 1000);
    }
}

/* -- in the middle of an upload: the next thing that we do is to write -- */

typedef struct half {
    bool h2;
    bool ends; /* with a FIN */
    bool resets;
    weir_status status;
} half;

static const half is_reset = {.resets = true, .status = WEIR_E_RESET};
static const half is_ended = {.ends = true, .status = WEIR_E_TRUNCATED};
static const half is_ended_and_reset = {.ends = true, .resets = true, .status = WEIR_E_TRUNCATED};

/* Reads until the request's head is there: HEADERS, or the empty line. */
static void hear_head(weir_scold_line *line, bool h2)
{
    uint8_t room[4096];
    size_t count = 0;
    size_t at = 24; /* behind the preface */

    for (;;) {
        const size_t got = weir_scold_read(line, room + count, sizeof(room) - 1 - count);
        if (got == 0) {
            return;
        }
        count += got;
        room[count] = 0;
        if (!h2 && strstr((const char *)room, "\r\n\r\n") != NULL) {
            return;
        }
        while (h2 && at + 9 <= count) {
            if (room[at + 3] == 1) {
                return;
            }
            at += 9 + ((size_t)room[at] << 16 | (size_t)room[at + 1] << 8 | room[at + 2]);
        }
    }
}

static void answer_half(weir_scold_line *line, void *user)
{
    static const char h1[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf";
    /* SETTINGS, ":status: 200", DATA. */
    static const char h2[] = "\0\0\0\4\0\0\0\0\0"
                             "\0\0\1\1\4\0\0\0\1\x88"
                             "\0\0\4\0\0\0\0\0\1half";
    const half *as = user;

    hear_head(line, as->h2);
    if (as->h2) {
        weir_scold_write(line, h2, sizeof(h2) - 1);
    } else {
        weir_scold_write(line, h1, sizeof(h1) - 1);
    }
    if (as->ends) {
        assert_int_equal(shutdown(line->fd, SHUT_WR), 0);
    }
    line->resets = as->resets;
}

static void a_write_meets_the_end(weir_world *world)
{
    static uint8_t piece[16384];
    half as = *(const half *)world->with;
    as.h2 = world->way.protocol == WEIR_H2;
    weir_scold *server = weir_scold_way_start(world, answer_half, &as);
    weir_ask ask = weir_scold_way_ask(world, server);
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.ended = WEIR_OK};
    size_t taken = 0;

    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (as.resets) {
        (void)weir_scold_await(server, 1);
    }
    (void)weir_user_write(world->user, exchange, (weir_span){piece, sizeof(piece)}, &taken);
    weir_world_drain(world, exchange, &fetched);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_scold_stop(server);
    assert_int_equal(fetched.ended, as.status);
    assert_int_equal(fetched.octets, 4);
    assert_int_equal(fetched.failure.status, as.status);
    assert_int_equal(fetched.failure.sys_errno, as.status == WEIR_E_RESET ? ECONNRESET : 0);
}

static const weir_behaviour behaviours[] = {
    {"octets that lay unread at a reset are in the ledger", reset_behind_unread_octets,
     WEIR_ONLY_H1, NULL},
    {"a reset that a write meets is told as a reset", a_write_meets_the_end, 0, &is_reset},
    {"an end that a write meets is told as an end", a_write_meets_the_end, 0, &is_ended},
    {"an end with a reset behind it is told as an end", a_write_meets_the_end, 0,
     &is_ended_and_reset},
};

int main(void)
{
    return weir_world_run("broken_off", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
