/* SPDX-License-Identifier: MIT */
/*
 * A cancel that crosses what the peer says, or what the call itself still has to say: what becomes
 * of the connection, and in whose account the last octets are.
 */
#include "support/scold_way.h"
#include "support/stopped_recv.h"
#include "support/world.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define RST_STREAM_OCTETS 13
#define CANCEL            8 /* RFC 9113 s7 */

/* -- the answer is there when the cancel comes -- */

typedef struct crossing {
    weir_token *token;
    sem_t answered;
} crossing;

static void answer(weir_scold_line *line, void *user)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole";
    crossing *c = user;
    char room[4096];

    while (weir_scold_read(line, room, sizeof(room)) > 0) {
        weir_scold_write(line, whole, sizeof(whole) - 1);
        (void)sem_post(&c->answered);
    }
}

/* The thread of the call is about to receive what has come. */
static void *cancel_then_let_receive(void *user)
{
    crossing *c = user;

    weir_recv_stopped_await();
    (void)sem_wait(&c->answered);
    weir_token_cancel(c->token);
    weir_recv_let_go();
    return NULL;
}

/* The call has its answer, and its connection is shut for reading: nobody is given it. */
static void behind_the_last_octet(weir_world *world)
{
    crossing c = {.token = weir_token_new(NULL)};
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    pthread_t thread;

    assert_int_equal(sem_init(&c.answered, 0, 0), 0);
    weir_recv_stops_open();
    world->options.probe_after_ns = 3600 * WEIR_NS_PER_SECOND;
    world->limits.connections_per_origin = 1;
    weir_scold *server = weir_scold_way_start(world, answer, &c);
    weir_ask ask = weir_scold_way_ask(world, server);
    ask.call.token = c.token;
    assert_int_equal(pthread_create(&thread, NULL, cancel_then_let_receive, &c), 0);
    weir_recv_stop_next();
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END); /* it was done already */
    assert_string_equal(fetched.text, "whole");
    weir_world_drop(world, exchange);
    ask.call.token = NULL;
    assert_string_equal(weir_world_fetch(world, &ask).text, "whole");
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 0);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_ACQUIRED), 2);
    assert_false(weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 1)->reused);
    assert_string_equal(weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0)->why,
                        "unfinished");
    (void)weir_scold_way_end(world, server, 2);
    weir_recv_stops_close();
    weir_token_free(c.token);
    (void)sem_destroy(&c.answered);
}

/* -- whose octets the RST_STREAM is of -- */

/* Of a call that was cancelled, or freed, in the middle of its answer. */
static void account_of(weir_world *world, bool is_freed)
{
    weir_ask ask = weir_world_ask(world, "/drip/1000?ms=5");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    weir_tally tally = {0};

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    const uint64_t before = weir_exchange_tally(exchange).framing.sent;
    assert_int_equal(before, 0); /* of an attempt that goes on */
    if (!is_freed) {
        weir_cancel(exchange);
        weir_world_drain(world, exchange, &fetched);
        assert_int_equal(fetched.ended, WEIR_E_CANCELLED);
        tally = weir_exchange_tally(exchange);
        assert_int_equal(tally.framing.sent, 9 + RST_STREAM_OCTETS); /* HEADERS before it */
    }
    weir_world_drop(world, exchange);
    weir_world_close(world);
    assert_int_equal(world->last_account.exchanges.framing.sent, 9 + RST_STREAM_OCTETS);
    assert_int_equal(world->last_account.rows[WEIR_ROW_LATE].sent, 0);
}

static void account_of_cancelled(weir_world *world)
{
    account_of(world, false);
}

static void account_of_freed(weir_world *world)
{
    account_of(world, true);
}

/* -- the call is over, and its request is not -- */

typedef struct early {
    bool ends; /* its answer, with the head */
    sem_t was_reset;
    uint8_t code; /* of the RST_STREAM */
} early;

/* Answers before the end of the request, and reads until the client gives it up. */
static void answer_early(weir_scold_line *line, void *user)
{
    /* SETTINGS; ":status: 200", with END_STREAM. */
    static const char whole[] = "\0\0\0\4\0\0\0\0\0"
                                "\0\0\1\1\5\0\0\0\1\x88";
    static const char half[] = "\0\0\0\4\0\0\0\0\0"
                               "\0\0\1\1\4\0\0\0\1\x88";
    uint8_t room[16384 + 9];
    early *e = user;

    if (!weir_scold_read_all(line, room, 24)) {
        return;
    }
    while (weir_scold_read_all(line, room, 9)) {
        const size_t octets = (size_t)room[0] << 16 | (size_t)room[1] << 8 | room[2];
        const uint8_t type = room[3];
        if (!weir_scold_read_all(line, room, octets)) {
            return;
        }
        if (type == 1) {
            weir_scold_write(line, e->ends ? whole : half, sizeof(whole) - 1);
        } else if (type == 3) {
            e->code = room[3];
            (void)sem_post(&e->was_reset);
        }
    }
}

/* A peer that would go on waiting for the rest learns of it at once, not with the next call. */
static void rest_is_reset_at_once(weir_world *world)
{
    early e = {.ends = true};
    struct timespec until;
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    assert_int_equal(sem_init(&e.was_reset, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, answer_early, &e);
    weir_ask ask = weir_scold_way_ask(world, server);
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_user_response(weir_world_user(world), exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(sem_timedwait(&e.was_reset, &until), 0);
    assert_int_equal(e.code, CANCEL);
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
    (void)sem_destroy(&e.was_reset);
}

static void says_cancel(weir_world *world)
{
    early e = {.ends = false};
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    assert_int_equal(sem_init(&e.was_reset, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, answer_early, &e);
    const weir_ask ask = weir_scold_way_ask(world, server);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_cancel(exchange);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_E_CANCELLED);
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
    assert_int_equal(sem_trywait(&e.was_reset), 0);
    assert_int_equal(e.code, CANCEL);
    (void)sem_destroy(&e.was_reset);
}

/* A free between two turns leaves something to do: the next is due at once, and says it. */
static void a_free_is_said_in_the_next_turn(weir_world *world)
{
    early e = {.ends = false};
    struct timespec until;
    weir_exchange *exchange = NULL;
    weir_loop_event event;

    assert_int_equal(sem_init(&e.was_reset, 0, 0), 0);
    weir_scold *server = weir_scold_way_start(world, answer_early, &e);
    const weir_ask ask = weir_scold_way_ask(world, server);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_loop *loop = weir_user_loop(world->user);
    while (weir_loop_deadline(loop) == 0) {
        (void)weir_loop_turn(loop, &event, 1);
    }
    weir_world_drop(world, exchange);
    struct pollfd due = {.fd = weir_loop_fd(loop), .events = POLLIN};
    assert_int_equal(poll(&due, 1, 0), 1);
    (void)weir_loop_turn(loop, &event, 1);
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    assert_int_equal(sem_timedwait(&e.was_reset, &until), 0);
    (void)weir_scold_way_end(world, server, 1);
    (void)sem_destroy(&e.was_reset);
}

/* -- its own observer frees it, while it waits -- */

static void free_it(const weir_event *event, void *user)
{
    const weir_event_kind *at = user;

    if (event->kind == *at) {
        weir_exchange_free(event->exchange);
    }
}

static void freed_by_its_observer(weir_world *world)
{
    weir_event_kind at = *(const weir_event_kind *)world->with;
    const weir_observer observer = {sizeof(observer), &at, free_it};
    weir_exchange *exchange = NULL;
    weir_exchange *holder = NULL;

    world->limits.connections_per_origin = 1;
    world->limits.streams_per_connection = 1;
    if (at == WEIR_EVENT_WAITING) {
        holder = weir_world_begin_long(world);
    }
    weir_ask ask = weir_world_ask(world, "/hang");
    ask.call.observer = &observer;
    ask.call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
    assert_int_equal(weir_user_call(weir_world_user(world), &ask.request, &ask.call, &exchange),
                     WEIR_E_CANCELLED);
    assert_null(exchange);
    if (holder != NULL) {
        weir_world_end_long(world, holder);
    }
    ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).octets, 10);
}

static const weir_event_kind while_waiting = WEIR_EVENT_WAITING;
static const weir_event_kind when_sent = WEIR_EVENT_REQUEST_SENT;

static const weir_behaviour behaviours[] = {
    {"a call that waits for a place ends when its observer frees it", freed_by_its_observer,
     WEIR_ONLY_BLOCKING, &while_waiting},
    {"a call that waits for its head ends when its observer frees it", freed_by_its_observer,
     WEIR_ONLY_BLOCKING, &when_sent},
    {"a cancel behind the last octet leaves a connection that nobody is given",
     behind_the_last_octet, WEIR_ONLY_H1 | WEIR_ONLY_CLEAR | WEIR_ONLY_BLOCKING, NULL},
    {"what a cancel sends is in the account of its call", account_of_cancelled, WEIR_ONLY_H2, NULL},
    {"what a free sends is in the account of its call", account_of_freed,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
    {"a cancelled stream is reset with CANCEL", says_cancel, WEIR_ONLY_H2, NULL},
    {"a free between two turns is said in the next", a_free_is_said_in_the_next_turn,
     WEIR_ONLY_H2 | WEIR_ONLY_LOOP, NULL},
    {"the rest of a request is reset when its answer is over", rest_is_reset_at_once, WEIR_ONLY_H2,
     NULL},
};

int main(void)
{
    return weir_world_run("cancel_crossed", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
