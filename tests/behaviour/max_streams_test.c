/* SPDX-License-Identifier: MIT */
/*
 * MAX_CONCURRENT_STREAMS that the server changes while calls have streams and others wait for one
 * (RFC 9113 s5.1.2): raised, those who wait go out at once; lowered, nothing is ended, and there is
 * no new stream until fewer are open. And what a call does that was answered 421 where no other
 * connection is allowed: it waits, as any call would.
 */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
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
    assert_true(waits.ns[WEIR_REASON_DRAINING] >= SHORT_NS / 2);
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
    {"421 where no other connection may be: the call waits", misdirected_waits_for_its_turn,
     WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("max_streams", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
