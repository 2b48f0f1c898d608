/* SPDX-License-Identifier: MIT */
/*
 * MAX_CONCURRENT_STREAMS that the server changes while calls have streams and others wait for one
 * (RFC 9113 s5.1.2): raised, those who wait go out at once; lowered, nothing is ended, and there is
 * no new stream until fewer are open. And what a call does that was answered 421 where no other
 * connection is allowed: it waits, as any call would.
 */
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SHORT_NS (50 * WEIR_NS_PER_MS)

enum { JOBS = 4 };

static void get(weir_world *world, const char *path)
{
    const weir_ask ask = weir_world_ask(world, path);
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

/* A call that may wait for a moment finds no stream: it waited for nothing else. */
static void assert_no_stream(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_waits waits = WEIR_WAITS_INIT;

    ask.call.queue_ns = SHORT_NS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_QUEUE);
    weir_exchange_waits(exchange, &waits);
    assert_true(waits.ns[WEIR_REASON_AT_MAX_STREAMS] >= SHORT_NS / 2);
    weir_world_drop(world, exchange);
}

static void lowered_below_what_is_open(weir_world *world)
{
    world->limits.h2_connections = 1;
    weir_exchange *first = weir_world_begin_long(world);
    weir_exchange *second = weir_world_begin_long(world);
    get(world, "/settings?max_streams=1");
    assert_no_stream(world);
    weir_world_end_long(world, first);
    assert_no_stream(world); /* one is open, and one is allowed */
    weir_world_end_long(world, second);
    get(world, "/octets/10");
    assert_int_equal(weir_world_counts(world).dials, 1);
}

typedef struct crowd {
    weir_world *world;
    weir_status ended[JOBS];
    const weir_exchange *raises; /* no more than a name after its end */
} crowd;

static void one_of_a_crowd(weir_user *user, size_t index, void *shared)
{
    crowd *all = shared;

    (void)user;
    const weir_ask ask =
        weir_world_ask(all->world, index == 0 ? "/settings?max_streams=5" : "/delay/400");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.ended = weir_world_call(all->world, &ask, &exchange)};
    if (index == 0) {
        all->raises = exchange;
    }
    if (exchange != NULL) {
        weir_world_drain(all->world, exchange, &fetched);
        weir_world_drop(all->world, exchange);
    }
    all->ended[index] = fetched.ended;
}

/* Two streams are allowed and one is open: whoever has the other raises the limit, sooner or later.
 */
static void raised_while_calls_wait(weir_world *world)
{
    crowd all = {.world = world};

    world->limits.h2_connections = 1;
    get(world, "/settings?max_streams=2");
    weir_exchange *first = weir_world_begin_long(world);
    const size_t sent = weir_world_told(world, WEIR_EVENT_HEAD_SENT);
    const size_t got = weir_world_told(world, WEIR_EVENT_HEAD_RECEIVED);
    weir_user_together(weir_world_user(world), JOBS, one_of_a_crowd, &all);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
    }
    weir_time raised_ns = WEIR_NEVER;
    for (size_t i = got + JOBS; i-- > got;) {
        const weir_event *event = weir_world_event(world, WEIR_EVENT_HEAD_RECEIVED, i);
        raised_ns = event->exchange == all.raises ? event->at_ns : raised_ns;
    }
    assert_true(raised_ns != WEIR_NEVER);
    /* Of those who went out after that the last is sent before the first is answered. */
    weir_time last_sent_ns = 0;
    size_t answered_between = 0;
    for (size_t i = sent; i < sent + JOBS; i++) {
        const weir_time at_ns = weir_world_event(world, WEIR_EVENT_HEAD_SENT, i)->at_ns;
        last_sent_ns = at_ns >= raised_ns && at_ns > last_sent_ns ? at_ns : last_sent_ns;
    }
    for (size_t i = got; i < got + JOBS; i++) {
        const weir_time at_ns = weir_world_event(world, WEIR_EVENT_HEAD_RECEIVED, i)->at_ns;
        answered_between += at_ns > raised_ns && at_ns < last_sent_ns;
    }
    assert_int_equal(answered_between, 0);
    assert_int_equal(weir_world_counts(world).dials, 1);
    weir_world_end_long(world, first);
}

/* A peer of one connection: it allows one stream and keeps the first open, until it has allowed two
 * and the second came. */
typedef struct peer {
    bool at_once; /* two, with the head of the first answer */
    sem_t may_raise;
    unsigned requests;
    atomic_uint acks; /* of SETTINGS */
    bool raised;
} peer;

#define ALLOW(streams) 0, 0, 6, WEIR_SCOLD_SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, (streams)
/* The indexed field ":status: 200". */
#define OK_HEAD(stream, flags)                                                                     \
    0, 0, 1, WEIR_SCOLD_HEADERS, WEIR_SCOLD_END_HEADERS | (flags), 0, 0, 0, (stream), 0x88

static void raise_limit(weir_scold_line *line, peer *p)
{
    static const uint8_t head_and_two[] = {ALLOW(2), OK_HEAD(1, 0)};
    static const uint8_t head[] = {OK_HEAD(1, 0)};
    static const uint8_t two[] = {ALLOW(2)};

    p->raised = true;
    if (p->at_once) {
        weir_scold_write(line, head_and_two, sizeof(head_and_two));
        return;
    }
    weir_scold_write(line, head, sizeof(head));
    (void)sem_wait(&p->may_raise);
    weir_scold_write(line, two, sizeof(two));
}

static void play(weir_scold_line *line, void *user)
{
    static const uint8_t one[] = {ALLOW(1)};
    static const uint8_t end_of_both[] = {
        OK_HEAD(3, WEIR_SCOLD_END_STREAM), 0, 0, 0, 0, WEIR_SCOLD_END_STREAM, 0, 0, 0, 1};
    peer *p = user;
    weir_scold_frame frame;

    weir_scold_write(line, one, sizeof(one));
    if (!weir_scold_h2_preface(line)) {
        return;
    }
    while (weir_scold_h2_read(line, &frame)) {
        p->requests += frame.type == WEIR_SCOLD_HEADERS ? 1 : 0;
        atomic_fetch_add(&p->acks, weir_scold_h2_is_ack(&frame, WEIR_SCOLD_SETTINGS) ? 1 : 0);
        if (frame.type == WEIR_SCOLD_HEADERS && p->requests == 2) {
            weir_scold_write(line, end_of_both, sizeof(end_of_both));
        } else if (p->requests == 1 && atomic_load(&p->acks) == 1 && !p->raised) {
            raise_limit(line, p); /* that it is one is known */
        }
    }
}

static weir_scold *start(weir_world *world, peer *p, weir_ask *ask)
{
    assert_int_equal(sem_init(&p->may_raise, 0, 0), 0);
    world->limits.h2_connections = 1;
    weir_scold *server = weir_scold_way_start(world, play, p);
    *ask = weir_scold_way_ask(world, server);
    return server;
}

static void stop(weir_world *world, peer *p, weir_scold *server)
{
    assert_int_equal(weir_world_counts(world).dials, 1);
    weir_world_close(world);
    weir_scold_stop(server);
    (void)sem_destroy(&p->may_raise);
}

/* The raise is read together with the head of an answer that its caller does not read on. */
static void raised_by_an_answer_that_stays_open(weir_world *world)
{
    peer p = {.at_once = true};
    weir_ask ask;
    weir_exchange *first = NULL;
    weir_fetched fetched = {0};

    weir_scold *server = start(world, &p, &ask);
    assert_int_equal(weir_world_call(world, &ask, &first), WEIR_OK);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_world_drain(world, first, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_world_drop(world, first);
    stop(world, &p, server);
}

typedef struct readers {
    weir_world *world;
    weir_ask ask;
    weir_exchange *first;
    peer peer;
    weir_fetched fetched[2];
} readers;

static void reads_waits_or_raises(weir_user *user, size_t index, void *shared)
{
    readers *all = shared;

    if (index == 0) {
        weir_world_drain(all->world, all->first, &all->fetched[0]);
    } else if (index == 1) {
        all->fetched[1] = weir_world_fetch(all->world, &all->ask);
    } else {
        weir_user_await_waiting(user, 1);
        (void)sem_post(&all->peer.may_raise);
    }
}

/* No call ends, and none asks: who reads for its own sake learns it for who waits. */
static void raised_while_a_call_reads(weir_world *world)
{
    readers all = {.world = world};

    weir_scold *server = start(world, &all.peer, &all.ask);
    assert_int_equal(weir_world_call(world, &all.ask, &all.first), WEIR_OK);
    weir_user_together(weir_world_user(world), 3, reads_waits_or_raises, &all);
    weir_world_drop(world, all.first);
    assert_int_equal(all.fetched[0].ended, WEIR_END);
    assert_int_equal(all.fetched[1].ended, WEIR_END);
    stop(world, &all.peer, server);
}

/* The only exchange is its caller's to read, who is away, and nobody waits. A loop reads all the
 * same; of a client it is who looks after it. Who comes then need not wait. */
static void raised_while_nobody_reads(weir_world *world)
{
    peer p = {.at_once = false};
    weir_ask ask;
    weir_exchange *first = NULL;
    weir_exchange *second = NULL;
    weir_fetched fetched[2] = {{0}, {0}};
    weir_waits waits = WEIR_WAITS_INIT;

    weir_scold *server = start(world, &p, &ask);
    assert_int_equal(weir_world_call(world, &ask, &first), WEIR_OK);
    (void)sem_post(&p.may_raise);
    while (atomic_load(&p.acks) < 2) {
        weir_user_settle(weir_world_user(world));
    }
    assert_int_equal(weir_world_call(world, &ask, &second), WEIR_OK);
    weir_exchange_waits(second, &waits);
    assert_int_equal(waits.total_ns, 0);
    weir_world_drain(world, second, &fetched[1]);
    weir_world_drop(world, second);
    assert_int_equal(fetched[1].ended, WEIR_END);
    weir_world_drain(world, first, &fetched[0]);
    assert_int_equal(fetched[0].ended, WEIR_END);
    weir_world_drop(world, first);
    stop(world, &p, server);
}

/* 421 with one connection to the origin, on which another exchange goes on: the call waits for its
 * end, within its own limits. */
static void misdirected_waits_for_its_turn(weir_world *world)
{
    char path[96];
    weir_exchange *exchange = NULL;
    weir_attempt attempt = WEIR_ATTEMPT_INIT;
    weir_waits waits = WEIR_WAITS_INIT;

    world->limits.connections_per_origin = 1;
    weir_exchange *first = weir_world_begin_long(world);
    (void)snprintf(path, sizeof(path), "/misdirect?id=turn-%d-%d", world->way.kind, world->way.tls);
    weir_ask ask = weir_world_ask(world, path);
    ask.call.queue_ns = SHORT_NS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_QUEUE);
    assert_int_equal(weir_exchange_attempt_count(exchange), 1);
    assert_true(weir_exchange_attempt_at(exchange, 0, &attempt));
    assert_int_equal(attempt.failure.status, WEIR_E_MISDIRECTED);
    weir_exchange_waits(exchange, &waits);
    assert_true(waits.ns[WEIR_REASON_CLOSING] >= SHORT_NS / 2);
    weir_world_drop(world, exchange);
    weir_world_end_long(world, first);
    get(world, path);
    assert_int_equal(weir_world_counts(world).dials, 2);
}

static const weir_behaviour behaviours[] = {
    {"MAX_CONCURRENT_STREAMS below what is open ends nothing", lowered_below_what_is_open,
     WEIR_ONLY_H2, NULL},
    {"MAX_CONCURRENT_STREAMS raised lets those go who wait", raised_while_calls_wait, WEIR_ONLY_H2,
     NULL},
    {"MAX_CONCURRENT_STREAMS raised by an answer that stays open",
     raised_by_an_answer_that_stays_open, WEIR_ONLY_H2, NULL},
    {"MAX_CONCURRENT_STREAMS raised while a call reads", raised_while_a_call_reads, WEIR_ONLY_H2,
     NULL},
    {"MAX_CONCURRENT_STREAMS raised while nobody reads", raised_while_nobody_reads, WEIR_ONLY_H2,
     NULL},
    {"421 where no other connection may be: the call waits", misdirected_waits_for_its_turn,
     WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("max_streams", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
