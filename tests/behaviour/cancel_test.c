/* SPDX-License-Identifier: MIT */
/*
 * A call is cancelled in every phase, in every way there is, and freed in every phase: it ends with
 * CANCELLED, soon; its place is given back; the client works; and who shares its connection does
 * not notice.
 *
 * How soon is asserted loosely here, because machines are busy; tests/behaviour/cancel_storm_test.c
 * measures it.
 */
#include "support/asleep.h"
#include "support/stuck.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SOON_NS (500 * WEIR_NS_PER_MS)

typedef struct canceller {
    weir_stuck *stuck;
    weir_token *token;
    pthread_t thread;
    weir_time cancelled_ns;
} canceller;

static const weir_phase queued = WEIR_PHASE_QUEUE;
static const weir_phase resolving = WEIR_PHASE_DNS;
static const weir_phase connecting = WEIR_PHASE_CONNECT;
static const weir_phase handshake = WEIR_PHASE_TLS;
static const weir_phase sending = WEIR_PHASE_SEND;
static const weir_phase waiting = WEIR_PHASE_HEAD;
static const weir_phase reading = WEIR_PHASE_BODY;

/* Cancels once the thread of the call sleeps and nothing more will wake it. */
static void *cancel_when_stuck(void *user)
{
    canceller *c = user;

    while (atomic_load(&c->stuck->thread) == 0) {
    }
    weir_await_asleep(atomic_load(&c->stuck->thread), 3 * WEIR_NS_PER_MS);
    c->cancelled_ns = weir_now();
    if (c->token != NULL) {
        weir_token_cancel(c->token);
    } else {
        weir_cancel(c->stuck->uploading.exchange);
    }
    return NULL;
}

/* The same client, and the same origin. */
static void assert_works_again(weir_world *world, weir_stuck *stuck)
{
    weir_world_drop(world, stuck->holder);
    stuck->holder = NULL;
    weir_ask ask = weir_world_ask(world, "/octets/1000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 1000);
}

/* HTTP/1.1 can only be broken off, which is no failure of the connection. */
static void assert_told_unfinished(weir_world *world, const weir_stuck *stuck)
{
    if (world->way.protocol == WEIR_H1 &&
        (stuck->phase == WEIR_PHASE_HEAD || stuck->phase == WEIR_PHASE_BODY)) {
        const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
        assert_non_null(closed);
        assert_string_equal(closed->why, "unfinished");
        assert_int_equal(closed->failure.status, WEIR_OK);
    }
}

static void end_cancelled(weir_world *world, canceller *c)
{
    const weir_status status = weir_stuck_go(world, c->stuck);
    const weir_time now_ns = weir_now();

    (void)pthread_join(c->thread, NULL);
    assert_int_equal(status, WEIR_E_CANCELLED);
    assert_true(now_ns - c->cancelled_ns < SOON_NS);
    const weir_failure failure = weir_exchange_failure(c->stuck->uploading.exchange);
    assert_int_equal(failure.status, WEIR_E_CANCELLED);
    assert_int_equal(failure.phase, c->stuck->phase);
    assert_int_equal(failure.processed,
                     c->stuck->phase < WEIR_PHASE_SEND ? WEIR_NOT_SENT : WEIR_MAYBE_PROCESSED);
    weir_stuck_drop(world, c->stuck);
    assert_works_again(world, c->stuck);
    assert_told_unfinished(world, c->stuck);
    weir_stuck_end(world, c->stuck);
}

static void by_token(weir_world *world)
{
    const weir_phase *phase = world->with;
    weir_stuck stuck;
    canceller c = {.stuck = &stuck, .token = weir_token_new(NULL)};

    weir_stuck_prepare(world, &stuck, *phase);
    stuck.ask.call.token = c.token;
    assert_int_equal(pthread_create(&c.thread, NULL, cancel_when_stuck, &c), 0);
    end_cancelled(world, &c);
    weir_token_free(c.token);
}

/* Only where the caller has the exchange already: while it reads. */
static void by_exchange(weir_world *world)
{
    weir_stuck stuck;
    canceller c = {.stuck = &stuck};

    weir_stuck_prepare(world, &stuck, WEIR_PHASE_BODY);
    assert_int_equal(pthread_create(&c.thread, NULL, cancel_when_stuck, &c), 0);
    end_cancelled(world, &c);
}

/* On the thread of the call itself, between two of its calls; and again; and when it is done. */
static void by_its_own_thread(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/drip/1000?ms=5");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_cancel(exchange);
    weir_cancel(exchange);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_E_CANCELLED);
    assert_true(weir_exchange_is_done(exchange));
    weir_cancel(exchange);
    weir_world_drop(world, exchange);
    ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    fetched = (weir_fetched){0};
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_cancel(exchange);
    assert_int_equal(weir_exchange_failure(exchange).status, WEIR_OK);
    weir_world_drop(world, exchange);
}

/* The loop's caller has the exchange from the start: it is freed in the phase in which it is stuck.
 */
static void freed(weir_world *world)
{
    const weir_phase *phase = world->with;
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_stuck stuck;
    weir_exchange *exchange = NULL;
    weir_loop_event events[4];

    weir_world_close(world);
    weir_stuck_prepare(world, &stuck, *phase);
    loop = weir_user_loop(weir_world_user(world));
    stuck.ask.call.observer = NULL;
    if (*phase == WEIR_PHASE_SEND) {
        static uint8_t octets[8 << 20];
        stuck.ask.request.method = WEIR_SPAN("POST");
        stuck.ask.request.body =
            (weir_body){.kind = WEIR_BODY_SPAN, .span = {octets, sizeof(octets)}};
    }
    assert_int_equal(weir_loop_submit(loop, &stuck.ask.request, &stuck.ask.call, NULL, &exchange),
                     WEIR_OK);
    while (weir_exchange_phase(exchange) != *phase) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        (void)weir_loop_turn(loop, events, 4);
    }
    weir_exchange_free(exchange);
    assert_works_again(world, &stuck);
    weir_stuck_end(world, &stuck);
}

/* Before the first turn saw it, and right after the turn that did. */
static void freed_at_once(weir_world *world)
{
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_loop_event events[4];

    for (int turns = 0; turns < 6; turns++) {
        weir_ask ask = weir_world_ask(world, "/octets/100000");
        weir_exchange *exchange = NULL;
        ask.call.observer = NULL;
        assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
        for (int i = 0; i < turns; i++) {
            weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_MS);
            (void)weir_loop_turn(loop, events, 4);
        }
        weir_exchange_free(exchange);
    }
    weir_ask ask = weir_world_ask(world, "/octets/100");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* What a caller frees while it still comes: the blocking one after its head, and in the middle of
 * an upload. */
static void freed_half_way(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/drip/1000?ms=5");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drop(world, exchange);
    ask = weir_world_ask(world, "/sink");
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    size_t taken = 0;
    assert_int_equal(weir_user_write(weir_world_user(world), exchange, WEIR_SPAN("half"), &taken),
                     WEIR_OK);
    weir_world_drop(world, exchange);
    ask = weir_world_ask(world, "/octets/100");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* Twelve calls share what connections there are; every third is cancelled while it hangs. The
 * others are whole. */
typedef struct shared_calls {
    weir_world *world;
    weir_token *token;
    atomic_size_t over;
    weir_status ended[12];
    uint64_t octets[12];
} shared_calls;

static void one_that_shares(weir_user *user, size_t index, void *shared)
{
    shared_calls *all = shared;
    weir_ask ask = weir_world_ask(all->world, index % 3 == 0 ? "/hang" : "/octets/200000");

    (void)user;
    if (index % 3 == 0) {
        ask.call.token = all->token;
    }
    const weir_fetched fetched = weir_world_fetch(all->world, &ask);
    all->ended[index] = fetched.ended;
    all->octets[index] = fetched.is_pattern ? fetched.octets : 0;
    /* The last whole one cancels those that hang. */
    if (index % 3 != 0 && atomic_fetch_add(&all->over, 1) + 1 == 8) {
        weir_token_cancel(all->token);
    }
}

static void others_are_unharmed(weir_world *world)
{
    shared_calls all = {.world = world, .token = weir_token_new(NULL)};
    weir_counts counts = WEIR_COUNTS_INIT;

    world->limits.h2_connections = 1;
    world->limits.connections_per_origin = 12;
    weir_user_together(weir_world_user(world), 12, one_that_shares, &all);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(all.ended[i], i % 3 == 0 ? WEIR_E_CANCELLED : WEIR_END);
        assert_int_equal(all.octets[i], i % 3 == 0 ? 0 : 200000);
    }
    weir_ask ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_user_counts(weir_world_user(world), &counts);
    if (world->way.protocol == WEIR_H2) {
        assert_int_equal(counts.dials, 1);
    }
    weir_token_free(all.token);
}

/* It never held it: what it gave back would be another's. */
static void refused_with_a_token(weir_world *world)
{
    weir_token *token = weir_token_new(NULL);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_span good = ask.request.url;

    assert_non_null(token);
    ask.call.token = token;
    for (int i = 0; i < 3; i++) {
        ask.request.url = WEIR_SPAN("ftp://refused.test/");
        assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_URL_SCHEME);
        ask.request.url = good;
        assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    }
    weir_token_cancel(token);
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_CANCELLED);
    ask.request.url = WEIR_SPAN("ftp://refused.test/");
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_URL_SCHEME);
    assert_true(weir_token_is_cancelled(token));
    weir_token_free(token);
    /* What was cancelled before it began is given no connection, nor is one lost for it. */
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_ACQUIRED), 3);
    ask.request.url = good;
    ask.call.token = NULL;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(weir_world_counts(world).dials, 1);
}

static const weir_behaviour behaviours[] = {
    {"a call that is refused lets go of its token once", refused_with_a_token, 0, NULL},
    {"a token cancels a call that waits for a place", by_token, 0, &queued},
    {"a token cancels a call whose name is resolved", by_token, 0, &resolving},
    {"a token cancels a call that connects", by_token, 0, &connecting},
    {"a token cancels a call in its handshake", by_token, WEIR_ONLY_TLS, &handshake},
    {"a token cancels a call that sends", by_token, 0, &sending},
    {"a token cancels a call that waits for its head", by_token, 0, &waiting},
    {"a token cancels a call that reads", by_token, 0, &reading},
    {"another thread cancels a call that reads", by_exchange, 0, NULL},
    {"a call is cancelled by its own thread, twice, and when it is done", by_its_own_thread, 0,
     NULL},
    {"a call that waits for a place is freed", freed, WEIR_ONLY_LOOP, &queued},
    {"a call whose name is resolved is freed", freed, WEIR_ONLY_LOOP, &resolving},
    {"a call that connects is freed", freed, WEIR_ONLY_LOOP, &connecting},
    {"a call in its handshake is freed", freed, WEIR_ONLY_LOOP | WEIR_ONLY_TLS, &handshake},
    {"a call that sends is freed", freed, WEIR_ONLY_LOOP, &sending},
    {"a call that waits for its head is freed", freed, WEIR_ONLY_LOOP, &waiting},
    {"a call that reads is freed", freed, WEIR_ONLY_LOOP, &reading},
    {"a call is freed after any number of turns", freed_at_once, WEIR_ONLY_LOOP, NULL},
    {"a call is freed half way", freed_half_way, 0, NULL},
    {"calls that are cancelled do not harm the others", others_are_unharmed, 0, NULL},
};

int main(void)
{
    return weir_world_run("cancel", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
