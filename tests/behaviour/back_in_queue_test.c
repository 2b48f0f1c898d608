/* SPDX-License-Identifier: MIT */
/*
 * A dial that fails does not end its call when a connection of the origin is in use: the call is in
 * the queue again, and what it waits for there is no part of the dial.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS WEIR_NS_PER_MS

/* It answers half and holds the rest back. The server has one thread: meanwhile others are
 * connected and nobody shakes their hands. */
static void answer_half(weir_scold_line *line, void *user)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na";
    char request[4096];

    if (weir_scold_read(line, request, sizeof(request)) > 0) {
        weir_scold_write(line, half, sizeof(half) - 1);
        (void)sem_wait(user);
        weir_scold_write(line, "b", 1);
    }
}

static void the_pause_after_a_dial_is_no_handshake(weir_world *world)
{
    sem_t may_end;
    weir_exchange *holder = NULL;
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    weir_waits waits = WEIR_WAITS_INIT;
    weir_stalls stalls = WEIR_STALLS_INIT;

    assert_int_equal(sem_init(&may_end, 0, 0), 0);
    world->limits.connections_per_origin = 2;
    weir_scold *server = weir_scold_way_start(world, answer_half, &may_end);
    weir_ask ask = weir_scold_way_ask(world, server);
    assert_int_equal(weir_world_call(world, &ask, &holder), WEIR_OK);
    ask.call.tls_ns = 20 * MS;
    ask.call.queue_ns = 170 * MS; /* ends in the third pause, of 200 ms */
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_QUEUE);
    assert_int_equal(weir_exchange_failure(exchange).phase, WEIR_PHASE_QUEUE);
    weir_exchange_waits(exchange, &waits);
    weir_exchange_stalls(exchange, &stalls);
    assert_true(waits.ns[WEIR_REASON_BACK_OFF] >= 170 * MS);
    assert_true(stalls.tls_ns <= waits.ns[WEIR_REASON_DIALING]);
    assert_true(weir_exchange_phase_ns(exchange, WEIR_PHASE_QUEUE) >= 170 * MS);
    weir_world_drop(world, exchange);
    assert_int_equal(sem_post(&may_end), 0);
    weir_world_drain(world, holder, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_world_drop(world, holder);
    weir_world_close(world);
    weir_scold_stop(server);
    (void)sem_destroy(&may_end);
}

static const weir_behaviour behaviours[] = {
    {"the pause after a failed dial is no part of it", the_pause_after_a_dial_is_no_handshake,
     WEIR_ONLY_H1 | WEIR_ONLY_TLS, NULL},
};

int main(void)
{
    return weir_world_run("back_in_queue", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
