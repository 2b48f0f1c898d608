/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 response that its caller gives up in the middle: when little of it is left the
 * connection is used again, behind its last octet and not before; else it is closed. The call ends
 * at once either way.
 */
#include "support/asleep.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST_OCTETS 9000 /* more than the inbox */
#define REST_OCTETS  1000

static uint8_t content[FIRST_OCTETS];

/* What the server says to the first request, and when. */
typedef struct script {
    const char *length;
    bool says_rest;
    sem_t has_begun;
    sem_t may_go_on;
    unsigned connections;
} script;

static void play(weir_scold_line *line, void *user)
{
    static const char last[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast";
    script *s = user;
    char head[128];
    char room[4096];

    if (s->connections++ == 0) {
        (void)weir_scold_read(line, room, sizeof(room));
        (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
                       s->length);
        weir_scold_write(line, head, strlen(head));
        weir_scold_write(line, content, FIRST_OCTETS);
        (void)sem_post(&s->has_begun);
        (void)sem_wait(&s->may_go_on);
        if (!s->says_rest) {
            return;
        }
        weir_scold_write(line, content, REST_OCTETS);
        (void)sem_post(&s->has_begun);
    }
    if (weir_scold_read(line, room, sizeof(room)) > 0) {
        weir_scold_write(line, last, sizeof(last) - 1);
    }
}

static weir_ask ask_for(weir_world *world, const weir_scold *server)
{
    const weir_ask ask = weir_scold_way_ask(world, server);

    world->limits.inbox_octets = 4096;
    world->limits.connections_per_origin = 1; /* the next call waits for it, or for its end */
    return ask;
}

/* Gives up the first response, then calls once more; was it over the same connection? */
static bool is_used_again(weir_world *world, script *s)
{
    weir_exchange *exchange = NULL;

    assert_int_equal(sem_init(&s->has_begun, 0, 0), 0);
    assert_int_equal(sem_init(&s->may_go_on, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, play, s);
    const weir_ask ask = ask_for(world, server);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    (void)sem_wait(&s->has_begun);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        /* Nobody is inside later: only what is there already is read. */
        (void)sem_post(&s->may_go_on);
        if (s->says_rest) {
            (void)sem_wait(&s->has_begun);
        }
    } else {
        weir_cancel(exchange);
        assert_int_equal(weir_user_await(weir_world_user(world), exchange, WEIR_TOLD_DONE),
                         WEIR_TOLD_DONE);
        assert_int_equal(weir_exchange_failure(exchange).status, WEIR_E_CANCELLED);
    }
    weir_world_drop(world, exchange);
    if (world->way.kind == WEIR_USER_LOOP) {
        (void)sem_post(&s->may_go_on);
    }
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_string_equal(fetched.text, "last");
    const weir_event *first = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0);
    const weir_event *second = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 1);
    const bool same = first->conn == second->conn;
    assert_int_equal(second->reused, same);
    weir_world_close(world);
    weir_scold_stop(server);
    (void)sem_destroy(&s->has_begun);
    (void)sem_destroy(&s->may_go_on);
    return same;
}

static void little_is_left(weir_world *world)
{
    script s = {.length = "10000", .says_rest = true};

    assert_true(is_used_again(world, &s));
    assert_true(world->last_account.rows[WEIR_ROW_UNREAD].received >= REST_OCTETS);
}

/* -- weir_cancel() and the blocking client -- */

typedef struct canceller {
    pid_t sleeper;
    weir_exchange *exchange;
} canceller;

static void *cancel_when_asleep(void *user)
{
    canceller *c = user;

    weir_await_asleep(c->sleeper, 3 * WEIR_NS_PER_MS);
    weir_cancel(c->exchange);
    return NULL;
}

/* Cancelled by another thread while it waits for the rest, or by its own between two reads, when
 * the rest has come. */
static bool is_used_after_cancel(weir_world *world, bool waits)
{
    script s = {.length = "10000", .says_rest = !waits};
    canceller c = {.sleeper = gettid()};
    uint8_t room[FIRST_OCTETS];
    size_t octets = 0;
    weir_status status = WEIR_OK;
    pthread_t thread;

    assert_int_equal(sem_init(&s.has_begun, 0, 0), 0);
    assert_int_equal(sem_init(&s.may_go_on, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, play, &s);
    const weir_ask ask = ask_for(world, server);
    assert_int_equal(weir_world_call(world, &ask, &c.exchange), WEIR_OK);
    (void)sem_wait(&s.has_begun);
    if (waits) {
        assert_int_equal(pthread_create(&thread, NULL, cancel_when_asleep, &c), 0);
    } else {
        (void)sem_post(&s.may_go_on);
        (void)sem_wait(&s.has_begun);
        weir_cancel(c.exchange);
    }
    for (uint64_t sum = 0; status == WEIR_OK; sum += octets) {
        assert_true(sum < FIRST_OCTETS + REST_OCTETS);
        status = weir_user_read(weir_world_user(world), c.exchange, room, sizeof(room), &octets);
    }
    assert_int_equal(status, WEIR_E_CANCELLED);
    if (waits) {
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    weir_world_drop(world, c.exchange);
    if (waits) {
        (void)sem_post(&s.may_go_on);
    }
    assert_string_equal(weir_world_fetch(world, &ask).text, "last");
    const uint64_t first = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0)->conn;
    const uint64_t second = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 1)->conn;
    weir_world_close(world);
    weir_scold_stop(server);
    (void)sem_destroy(&s.has_begun);
    (void)sem_destroy(&s.may_go_on);
    return first == second;
}

static void cancelled_while_it_waits(weir_world *world)
{
    assert_false(is_used_after_cancel(world, true));
}

static void cancelled_between_reads(weir_world *world)
{
    assert_true(is_used_after_cancel(world, false));
    assert_true(world->last_account.rows[WEIR_ROW_UNREAD].received >= REST_OCTETS);
}

static void much_is_left(weir_world *world)
{
    script s = {.length = "10000000"};

    assert_false(is_used_again(world, &s));
}

/* The loop waits for it for a second, the blocking client not at all. */
static void rest_does_not_come(weir_world *world)
{
    script s = {.length = "10000"};

    assert_false(is_used_again(world, &s));
}

static const weir_behaviour behaviours[] = {
    {"a connection is used again behind the little that was left", little_is_left, WEIR_ONLY_H1,
     NULL},
    {"a connection with much left of a response is closed", much_is_left, WEIR_ONLY_H1, NULL},
    {"a connection whose rest does not come is closed", rest_does_not_come, WEIR_ONLY_H1, NULL},
    {"a cancel that finds a thread waiting for the rest closes the connection",
     cancelled_while_it_waits, WEIR_ONLY_H1 | WEIR_ONLY_BLOCKING, NULL},
    {"a cancel between two reads keeps the connection whose rest has come", cancelled_between_reads,
     WEIR_ONLY_H1 | WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("given_up", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
