/* SPDX-License-Identifier: MIT */
/*
 * An idle HTTP/2 connection still answers: its peer sends SETTINGS and PING while no call is open.
 * The loop answers at once, the blocking client in weir_client_maintain(); where nobody looked, both
 * are answered before the next request goes out on the same connection.
 */
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define PATIENCE_NS (20 * WEIR_NS_PER_SECOND)

enum { HEAD_OCTETS = 9, PING_OCTETS = 8 };

/* SETTINGS with MAX_CONCURRENT_STREAMS 3, and PING. */
static const uint8_t asks[] = {0, 0, 6, WEIR_SCOLD_SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3,
                               0, 0, 8, WEIR_SCOLD_PING,     0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6,
                               7, 8};

/* What the peer does with the only connection, and what it saw. */
typedef struct script {
    sem_t may_ask; /* posted by the test, when the connection is idle */
    sem_t has_asked;
    sem_t answered; /* by both acknowledgements */
    unsigned requests;
    unsigned acks; /* of SETTINGS */
    bool pong;     /* with the octets of the PING */
    bool in_order; /* all was answered when the second request came */
} script;

static void answer(weir_scold_line *line, script *s, const uint8_t *stream)
{
    /* WEIR_SCOLD_END_STREAM and WEIR_SCOLD_END_HEADERS; the indexed field ":status: 200" */
    const uint8_t ok[] = {0,         0,         1,         WEIR_SCOLD_HEADERS, 5,
                          stream[0], stream[1], stream[2], stream[3],          0x88};

    s->in_order = s->acks == 2 && s->pong;
    weir_scold_write(line, ok, sizeof(ok));
    if (++s->requests == 1) {
        (void)sem_wait(&s->may_ask);
        weir_scold_write(line, asks, sizeof(asks));
        (void)sem_post(&s->has_asked);
    }
}

static void play(weir_scold_line *line, void *user)
{
    script *s = user;
    weir_scold_frame frame;
    const int on = 1;

    /* What was said is in the client's kernel, and not kept back by Nagle. */
    (void)setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (!weir_scold_h2_begin(line)) {
        return;
    }
    while (weir_scold_h2_read(line, &frame)) {
        s->acks += weir_scold_h2_is_ack(&frame, WEIR_SCOLD_SETTINGS) ? 1 : 0;
        s->pong = s->pong ||
                  (weir_scold_h2_is_ack(&frame, WEIR_SCOLD_PING) && frame.length == PING_OCTETS &&
                   memcmp(frame.payload, asks + sizeof(asks) - PING_OCTETS, PING_OCTETS) == 0);
        if (frame.type == WEIR_SCOLD_HEADERS) {
            answer(line, s, frame.stream);
        } else if (s->requests == 1 && s->acks == 2 && s->pong) {
            (void)sem_post(&s->answered);
        }
    }
}

static weir_scold *start(weir_world *world, script *s, weir_ask *ask)
{
    assert_int_equal(sem_init(&s->may_ask, 0, 0), 0);
    assert_int_equal(sem_init(&s->has_asked, 0, 0), 0);
    assert_int_equal(sem_init(&s->answered, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, play, s);
    *ask = weir_scold_way_ask(world, server);
    return server;
}

/* The second finds the connection of the first. */
static void get(weir_world *world, const weir_ask *ask, bool again)
{
    const weir_fetched fetched = weir_world_fetch(world, ask);

    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
    const weir_event *acquired =
        weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, again ? 1 : 0);
    assert_int_equal(acquired->reused, again);
    assert_int_equal(acquired->conn, 1);
}

/* How many streams the peer allows, as far as the pool was told. */
static uint32_t streams_of(weir_world *world)
{
    weir_user *user = world->user;
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);
    weir_snapshot_connection connection = WEIR_SNAPSHOT_CONNECTION_INIT;

    assert_non_null(snapshot);
    assert_true(weir_snapshot_connection_at(snapshot, 0, &connection));
    weir_snapshot_free(snapshot);
    return connection.limit;
}

/* The peer has said it: it is in the client's kernel. */
static void ask_while_idle(script *s)
{
    (void)sem_post(&s->may_ask);
    (void)sem_wait(&s->has_asked);
}

static void end(weir_world *world, weir_scold *server, script *s)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    assert_int_equal(streams_of(world), 3);
    weir_user_counts(world->user, &counts);
    assert_int_equal(counts.dials, 1);
    assert_int_equal(counts.reuses, 1);
    weir_world_close(world);
    weir_scold_stop(server);
    assert_int_equal(s->requests, 2);
    assert_true(s->in_order);
    const weir_octets *rows = world->last_account.rows;
    assert_int_equal(rows[WEIR_ROW_PING].received, HEAD_OCTETS + PING_OCTETS);
    assert_int_equal(rows[WEIR_ROW_PING].sent, HEAD_OCTETS + PING_OCTETS);
    assert_int_equal(rows[WEIR_ROW_SETTINGS].received,
                     sizeof(asks) - HEAD_OCTETS - PING_OCTETS + 2 * HEAD_OCTETS);
    (void)sem_destroy(&s->may_ask);
    (void)sem_destroy(&s->has_asked);
    (void)sem_destroy(&s->answered);
}

static bool is_answered(script *s, const weir_loop *loop)
{
    struct pollfd fd = {.fd = loop != NULL ? weir_loop_fd(loop) : -1, .events = POLLIN};

    if (loop != NULL) {
        (void)poll(&fd, 1, 5);
    }
    return sem_trywait(&s->answered) == 0;
}

/* No call is open, and the answers come. */
static void while_idle(weir_world *world)
{
    const weir_time limit_ns = weir_now() + PATIENCE_NS;
    weir_ask ask;
    script s = {0};
    weir_scold *server = start(world, &s, &ask);
    bool answered = false;

    get(world, &ask, false);
    ask_while_idle(&s);
    while (!answered && weir_now() < limit_ns) {
        weir_user_settle(world->user);
        answered = is_answered(&s, weir_user_loop(world->user));
    }
    assert_true(answered);
    assert_int_equal(streams_of(world), 3);
    get(world, &ask, true);
    end(world, server, &s);
}

/* Nobody is inside of the library before the next call. */
static void before_the_next_request(weir_world *world)
{
    weir_ask ask;
    script s = {0};
    weir_scold *server = NULL;

    world->options.probe_after_ns = WEIR_PROBE_ALWAYS;
    server = start(world, &s, &ask);
    get(world, &ask, false);
    ask_while_idle(&s);
    get(world, &ask, true);
    end(world, server, &s);
}

static const weir_behaviour behaviours[] = {
    {"an idle connection answers its peer", while_idle, WEIR_ONLY_H2, NULL},
    {"what came while nobody looked is answered before the next request", before_the_next_request,
     WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("idle_answers", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
