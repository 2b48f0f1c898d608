/* SPDX-License-Identifier: MIT */
/*
 * How the end of an idle connection is told: as what the peer did, whichever way it went and
 * however much of it came at once. A close is told to the observer, and to the next call that asks
 * why it does not have that connection.
 */
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * WEIR_NS_PER_SECOND)

typedef struct ending {
    bool goaway;
    bool announced; /* under TLS, with close_notify */
    bool resets;
    weir_reason h1; /* why the next call does not have it */
    weir_reason h2;
    const char *why; /* of the event; NULL: the same */
} ending;

typedef struct script {
    const ending *ending;
    sem_t may_end; /* posted by the test, when the connection is idle */
    sem_t has_ended;
    bool h2;
    bool is_second; /* the connection is: it is left to the client */
} script;

/* SETTINGS are taken, the first request is answered. */
static bool answer_h2(weir_scold_line *line)
{
    /* WEIR_SCOLD_END_STREAM and WEIR_SCOLD_END_HEADERS; the indexed field ":status: 200" */
    static const uint8_t ok[] = {0, 0, 1, WEIR_SCOLD_HEADERS, 5, 0, 0, 0, 1, 0x88};
    weir_scold_frame frame;
    bool has_acked = false;
    bool has_asked = false;

    if (!weir_scold_h2_begin(line)) {
        return false;
    }
    while (!has_acked || !has_asked) {
        if (!weir_scold_h2_read(line, &frame)) {
            return false;
        }
        has_acked = has_acked || weir_scold_h2_is_ack(&frame, WEIR_SCOLD_SETTINGS);
        has_asked = has_asked || frame.type == WEIR_SCOLD_HEADERS;
    }
    weir_scold_write(line, ok, sizeof(ok));
    return true;
}

static bool answer_h1(weir_scold_line *line)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char octets[4096];
    size_t at = 0;

    do {
        const size_t got = weir_scold_read(line, octets + at, sizeof(octets) - 1 - at);
        if (got == 0) {
            return false;
        }
        at += got;
        octets[at] = '\0';
    } while (strstr(octets, "\r\n\r\n") == NULL);
    weir_scold_write(line, ok, sizeof(ok) - 1);
    return true;
}

static void play(weir_scold_line *line, void *user)
{
    /* Its last stream is 1, its code NO_ERROR. */
    static const uint8_t goaway[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0};
    script *s = user;

    if (!(s->h2 ? answer_h2(line) : answer_h1(line)) || s->is_second) {
        return;
    }
    s->is_second = true;
    (void)sem_wait(&s->may_end);
    if (s->ending->goaway) {
        weir_scold_write(line, goaway, sizeof(goaway));
    }
    if (line->ssl != NULL && s->ending->announced) {
        (void)SSL_shutdown(line->ssl);
    }
    line->resets = s->ending->resets;
    if (!line->resets) {
        (void)shutdown(line->fd, SHUT_WR);
    }
    (void)sem_post(&s->has_ended);
}

static weir_scold *start(weir_world *world, script *s, weir_ask *ask)
{
    assert_int_equal(sem_init(&s->may_end, 0, 0), 0);
    assert_int_equal(sem_init(&s->has_ended, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, play, s);
    *ask = weir_scold_way_ask(world, server);
    return server;
}

/* What was told of the only connection that there was. */
static void assert_told(weir_world *world, const ending *how)
{
    const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
    const weir_reason reason = world->way.protocol == WEIR_H2 ? how->h2 : how->h1;

    assert_non_null(closed);
    assert_int_equal(closed->conn, 1);
    assert_string_equal(closed->why, how->why != NULL ? how->why : weir_reason_name(reason));
}

/* Why the next call does not have it. */
static void assert_passed_over(weir_world *world, const weir_ask *asked, const ending *how)
{
    weir_candidate candidate = WEIR_CANDIDATE_INIT;
    weir_exchange *exchange = NULL;
    weir_ask ask = *asked;

    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    assert_true(weir_exchange_candidate_at(exchange, 0, &candidate));
    assert_int_equal(candidate.conn, 1);
    assert_true(candidate.closed);
    assert_int_equal(candidate.reason, world->way.protocol == WEIR_H2 ? how->h2 : how->h1);
    weir_world_drop(world, exchange);
}

/* All of it is in the client's kernel before anybody looks. */
static void ends_while_idle(weir_world *world)
{
    const weir_time limit_ns = weir_now() + PATIENCE_NS;
    script s = {.ending = world->with, .h2 = world->way.protocol == WEIR_H2};
    weir_ask ask;
    weir_scold *server = start(world, &s, &ask);

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_user_settle(world->user);
    (void)sem_post(&s.may_end);
    (void)sem_wait(&s.has_ended);
    if (s.ending->resets) {
        (void)weir_scold_await(server, 1);
    }
    while (weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED) == 0 && weir_now() < limit_ns) {
        weir_user_settle(world->user);
    }
    assert_told(world, s.ending);
    assert_passed_over(world, &ask, s.ending);
    weir_world_close(world);
    weir_scold_stop(server);
    (void)sem_destroy(&s.may_end);
    (void)sem_destroy(&s.has_ended);
}

#define PEER_CLOSED .h1 = WEIR_REASON_PEER_CLOSED, .h2 = WEIR_REASON_PEER_CLOSED
#define GOAWAY      .goaway = true, .h2 = WEIR_REASON_DRAINING_GOAWAY

static const ending orderly = {.announced = true, PEER_CLOSED};
static const ending unannounced = {PEER_CLOSED};
static const ending with_goaway = {.announced = true, GOAWAY};
static const ending reset = {
    .resets = true,
    .h1 = WEIR_REASON_FAILED,
    .h2 = WEIR_REASON_PEER_CLOSED,
    .why = "WEIR_E_RESET",
};
static const ending reset_behind_goaway = {.resets = true, GOAWAY};
static const ending reset_behind_notify = {.announced = true, .resets = true, PEER_CLOSED};

static const weir_behaviour behaviours[] = {
    {"a FIN is told as the peer's", ends_while_idle, 0, &orderly},
    {"a FIN without close_notify is told as the peer's", ends_while_idle, WEIR_ONLY_TLS,
     &unannounced},
    {"a FIN behind GOAWAY is told as GOAWAY", ends_while_idle, WEIR_ONLY_H2, &with_goaway},
    {"a reset is told as one", ends_while_idle, 0, &reset},
    {"a reset behind GOAWAY is told as GOAWAY", ends_while_idle, WEIR_ONLY_H2,
     &reset_behind_goaway},
    {"a reset behind close_notify is told as the peer's close", ends_while_idle, WEIR_ONLY_TLS,
     &reset_behind_notify},
};

int main(void)
{
    return weir_world_run("idle_ends", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
