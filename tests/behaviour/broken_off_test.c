/* SPDX-License-Identifier: MIT */
/*
 * A peer resets while octets of its answer lie unread in our socket. What we take from the kernel
 * then is in the ledger, in whichever way it was taken; the kernel agrees, and so does the peer,
 * which knows how much our kernel had.
 */
#include "support/scold.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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
    const weir_scold_options options = {
        .certificate = world->way.tls ? "good.pem" : NULL,
        .protocol = "http/1.1",
        .play = break_off,
    };
    weir_scold *server = weir_scold_start(&options);
    weir_ask ask = weir_world_ask(world, "/");
    weir_exchange *exchange = NULL;

    world->limits.inbox_octets = INBOX_OCTETS;
    ask.request.url = weir_span_of(world->way.tls ? "https://localhost/" : "http://localhost/");
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = weir_scold_port(server);
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

static const weir_behaviour behaviours[] = {
    {"octets that lay unread at a reset are in the ledger", reset_behind_unread_octets,
     WEIR_ONLY_H1, NULL},
};

int main(void)
{
    return weir_world_run("broken_off", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
