/* SPDX-License-Identifier: MIT */
/*
 * Reasons that no other behaviour is about, as a user is told them: why a connection was closed,
 * why it was passed over, what a call waited for.
 */
#include "support/conn_limits.h"
#include "support/world.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Two streams before the last id (RFC 9113 s5.1.1). */
#define LATE_STREAM 0x7ffffffdU
/* A head, and then nothing for as long as a test runs. */
#define QUIET       "/drip/100000000?ms=100000"

static void begin_late(weir_conn_limits *filled, weir_protocol protocol)
{
    filled->first_stream = protocol == WEIR_H2 ? LATE_STREAM : filled->first_stream;
}

static weir_fetched get(weir_world *world, const char *path)
{
    const weir_ask ask = weir_world_ask(world, path);

    return weir_world_fetch(world, &ask);
}

static weir_exchange *begin(weir_world *world, const char *path)
{
    const weir_ask ask = weir_world_ask(world, path);
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    return exchange;
}

/* The only connection that was closed so far, and what was told of it. */
static void assert_closed_for(const weir_world *world, const char *why)
{
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 1);
    const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
    assert_int_equal(closed->conn, 1);
    assert_string_equal(closed->why, why);
}

/* -- why a connection was closed -- */

static void closed_with_its_owner(weir_world *world)
{
    assert_int_equal(get(world, "/octets/10").ended, WEIR_END);
    weir_world_close(world);
    assert_closed_for(world, "shutdown");
}

/* More is left of the response than anybody reads for the sake of the connection. */
static void given_up_in_the_middle(weir_world *world)
{
    weir_world_drop(world, begin(world, "/octets/100000000"));
    weir_user_settle(world->user);
    assert_closed_for(world, "unfinished");
}

static void delimited_by_the_close(weir_world *world)
{
    assert_int_equal(get(world, "/close/1000").ended, WEIR_END);
    weir_user_settle(world->user);
    assert_closed_for(world, "until_close");
}

/* Nine octets of 0: no status line, and DATA of no stream. The close is told with the failure
 * itself, the next call is told that it failed. */
static void broken_by_its_peer(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_candidate candidate = WEIR_CANDIDATE_INIT;
    weir_exchange *exchange = NULL;

    const weir_fetched broken = get(world, "/raw?then=keep&b64=AAAAAAAAAAAA");
    assert_int_equal(broken.ended,
                     world->way.protocol == WEIR_H1 ? WEIR_E_H1_SYNTAX : WEIR_E_H2_PROTOCOL);
    weir_user_settle(world->user);
    assert_closed_for(world, weir_status_name(broken.ended));
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 1);
    assert_true(weir_exchange_candidate_at(exchange, 0, &candidate));
    assert_int_equal(candidate.reason, WEIR_REASON_FAILED);
    assert_int_equal(candidate.conn, 1);
    assert_true(candidate.closed);
    weir_world_drop(world, exchange);
}

/* The server is not the one that was meant; another connection of the same origin may be. */
static void of_a_server_that_is_another(weir_world *world)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "/misdirect?id=reasons-%d-%d-%d", world->way.kind,
                   world->way.protocol, world->way.tls);
    assert_int_equal(get(world, "/octets/10").ended, WEIR_END);
    assert_int_equal(get(world, path).code, 200);
    weir_user_settle(world->user);
    assert_closed_for(world, "misdirected");
    assert_int_equal(weir_world_counts(world).dials, 2);
}

/* The third request has no id left there. */
static void out_of_stream_ids(weir_world *world)
{
    weir_conn_limits_are_changed(begin_late);
    for (int i = 0; i < 3; i++) {
        const weir_fetched fetched = get(world, "/octets/10");
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.code, 200);
    }
    weir_conn_limits_are_changed(NULL);
    assert_closed_for(world, "stream_ids_used_up");
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_int_equal(weir_world_counts(world).reuses, 1);
    assert_int_equal(weir_world_counts(world).requests, 3); /* none was sent twice */
}

/* -- why a dial was given up -- */

typedef struct dialer {
    weir_world *world;
    weir_tls_config *to; /* NULL: they stay */
    size_t lookups;      /* the first is never answered */
    pthread_mutex_t lock;
    weir_status warmed;
    weir_status fetched;
} dialer;

static void answer_all_but_the_first(weir_lookup *lookup, weir_span host, void *user)
{
    dialer *d = user;

    (void)host;
    (void)pthread_mutex_lock(&d->lock);
    const bool first = d->lookups++ == 0;
    (void)pthread_mutex_unlock(&d->lock);
    if (!first) {
        weir_world_answer(lookup);
    }
}

static void let_go(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

static bool has_begun(dialer *d)
{
    (void)pthread_mutex_lock(&d->lock);
    const bool begun = d->lookups > 0;
    (void)pthread_mutex_unlock(&d->lock);
    return begun;
}

static weir_ask ask_by_name(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.observer = NULL;
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    return ask;
}

static void warm_or_swap(weir_user *user, size_t index, void *shared)
{
    dialer *d = shared;
    const weir_ask ask = ask_by_name(d->world);

    if (index == 0) {
        d->warmed = weir_user_preconnect(user, &ask.request, &ask.call, 1);
        return;
    }
    while (!has_begun(d)) {
        if (d->world->way.kind == WEIR_USER_LOOP) {
            weir_user_settle(user);
        } else {
            (void)sched_yield();
        }
    }
    (void)weir_shared_set_tls(d->world->shared, d->to);
    const weir_ask other = weir_world_ask(d->world, "/octets/10"); /* who enters sees it */
    d->fetched = weir_world_fetch(d->world, &other).ended;
}

/* What it would bring is of no use any more. */
static void given_up_for_other_settings(weir_world *world)
{
    dialer d = {.world = world, .to = weir_world_tls_settings(true)};
    const weir_resolver resolver = {sizeof(resolver), &d, answer_all_but_the_first, let_go};

    (void)pthread_mutex_init(&d.lock, NULL);
    world->options.resolver = &resolver;
    weir_user_together(weir_world_user(world), 2, warm_or_swap, &d);
    assert_int_equal(d.warmed, WEIR_OK);
    assert_int_equal(d.fetched, WEIR_END);
    assert_int_equal(weir_world_counts(world).connections_idle, 2);
    assert_closed_for(world, "tls_replaced");
    weir_world_close(world);
    weir_tls_config_release(d.to);
    (void)pthread_mutex_destroy(&d.lock);
}

/* Its only caller leaves: a client has nobody who would go on with it, a loop goes on by itself. */
static void given_up_for_want_of_a_caller(weir_world *world)
{
    dialer d = {.world = world};
    const weir_resolver resolver = {sizeof(resolver), &d, answer_all_but_the_first, let_go};
    weir_ask ask = ask_by_name(world);
    weir_exchange *exchange = NULL;

    (void)pthread_mutex_init(&d.lock, NULL);
    world->options.resolver = &resolver;
    ask.call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_MS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_TOTAL);
    weir_world_drop(world, exchange);
    const bool goes_on = world->way.kind == WEIR_USER_LOOP;
    assert_int_equal(weir_world_counts(world).connections_dialing, goes_on ? 1 : 0);
    weir_world_close(world);
    assert_closed_for(world, goes_on ? "shutdown" : "unawaited");
    (void)pthread_mutex_destroy(&d.lock);
}

/* -- why one was passed over -- */

/* Two are idle, and one is enough. */
static void not_needed(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *held[2] = {NULL, NULL};
    weir_exchange *exchange = NULL;
    size_t spare = 0;
    size_t reused = 0;

    world->limits.streams_per_connection = 1;
    world->limits.h2_connections = 2;
    for (size_t i = 0; i < WEIR_COUNT_OF(held); i++) {
        held[i] = begin(world, "/octets/1000000");
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(held); i++) {
        weir_fetched fetched = {0};
        weir_world_drain(world, held[i], &fetched);
        assert_int_equal(fetched.ended, WEIR_END);
        weir_world_drop(world, held[i]);
    }
    assert_int_equal(weir_world_counts(world).connections_idle, 2);
    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_candidate_count(exchange), 2);
    for (size_t i = 0; i < 2; i++) {
        weir_candidate candidate = WEIR_CANDIDATE_INIT;
        assert_true(weir_exchange_candidate_at(exchange, i, &candidate));
        reused += candidate.reason == WEIR_REASON_REUSED ? 1 : 0;
        spare += candidate.reason == WEIR_REASON_SPARE ? 1 : 0;
    }
    assert_int_equal(reused, 1);
    assert_int_equal(spare, 1);
    assert_int_equal(weir_world_counts(world).dials, 2);
    weir_world_drop(world, exchange);
}

/* -- what a call waited for -- */

typedef struct short_of_memory {
    bool told;
    weir_waits waits;
} short_of_memory;

static void note_no_memory(const weir_event *event, void *user)
{
    short_of_memory *all = user;

    all->told =
        all->told || (event->kind == WEIR_EVENT_WAITING && strcmp(event->why, "no_memory") == 0);
}

/*
 * One connection is in use, another is allowed, and there is no memory for its record: the call
 * waits for the one that there is. Which of its allocations that is, is found by failing each.
 */
static void no_memory_for_another(weir_world *world)
{
    short_of_memory all = {.waits = WEIR_WAITS_INIT};
    const weir_observer observer = {sizeof(observer), &all, note_no_memory};

    world->limits.streams_per_connection = 1;
    world->limits.h2_connections = 2;
    world->limits.connections_per_origin = 2;
    for (size_t k = 1; !all.told; k++) {
        weir_exchange *holder = begin(world, QUIET);
        weir_ask ask = weir_world_ask(world, "/octets/10");
        weir_exchange *exchange = NULL;
        ask.call.observer = &observer;
        ask.call.queue_ns = 20 * WEIR_NS_PER_MS;
        const size_t calls = atomic_load(&world->memory.calls);
        world->memory.fail_at = calls + k;
        const weir_status status = weir_user_call(world->user, &ask.request, &ask.call, &exchange);
        assert_true(atomic_load(&world->memory.calls) >= calls + k); /* it did fail */
        world->memory.fail_at = 0;
        if (all.told) {
            assert_int_equal(status, WEIR_E_DEADLINE_QUEUE);
            weir_exchange_waits(exchange, &all.waits);
        }
        weir_user_drop(world->user, exchange);
        weir_world_drop(world, holder);
        weir_world_close(world); /* what that failure has left behind is another test's */
    }
    assert_int_equal(all.waits.ns[WEIR_REASON_NO_MEMORY], all.waits.total_ns);
    assert_true(all.waits.total_ns >= 20 * WEIR_NS_PER_MS);
}

/* What the events say of a call that asked for that path; DONE behind them says nothing. */
static void assert_events(weir_world *world, const char *path, weir_reason acquired,
                          weir_reason released)
{
    weir_ask ask = weir_world_ask(world, path);
    const size_t calls = weir_world_told(world, WEIR_EVENT_DONE);

    ask.call.idle_ns = 50 * WEIR_NS_PER_MS;
    (void)weir_world_fetch(world, &ask);
    assert_int_equal(weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, calls)->reason,
                     acquired);
    const weir_event *event = weir_world_event(world, WEIR_EVENT_RELEASED, calls);
    assert_int_equal(event->reason, released);
    assert_string_equal(event->why, weir_reason_name(released));
    event = weir_world_event(world, WEIR_EVENT_DONE, calls);
    assert_int_equal(event->reason, WEIR_REASON_NONE);
    assert_null(event->why);
}

/* No program has to read a text to know what happened. */
static void told_as_such(weir_world *world)
{
    const bool is_h1 = world->way.protocol == WEIR_H1;

    assert_events(world, "/octets/10", WEIR_REASON_DIALED, WEIR_REASON_NONE);
    const weir_event *waiting = weir_world_event(world, WEIR_EVENT_WAITING, 0);
    assert_int_equal(waiting->reason, WEIR_REASON_DIALING);
    assert_string_equal(waiting->why, "dialing");
    /* Its limit ends it in the middle of its response. */
    assert_events(world, "/drip/100000000?ms=100000", WEIR_REASON_REUSED,
                  is_h1 ? WEIR_REASON_UNFINISHED : WEIR_REASON_NONE);
    if (is_h1) {
        assert_events(world, "/close/10", WEIR_REASON_DIALED, WEIR_REASON_UNTIL_CLOSE);
    }
    weir_world_close(world);
    const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
    assert_int_equal(closed->reason, is_h1 ? WEIR_REASON_UNFINISHED : WEIR_REASON_SHUTDOWN);
    closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 1);
    assert_int_equal(closed != NULL ? closed->reason : WEIR_REASON_UNTIL_CLOSE,
                     WEIR_REASON_UNTIL_CLOSE);
}

static const weir_behaviour behaviours[] = {
    {"events tell their reasons as such", told_as_such, 0, NULL},
    {"a client or loop that is freed closes what is idle", closed_with_its_owner, 0, NULL},
    {"a response that is given up in the middle ends its connection", given_up_in_the_middle,
     WEIR_ONLY_H1, NULL},
    {"a response until the close is the last", delimited_by_the_close, WEIR_ONLY_H1, NULL},
    {"a connection whose peer breaks the protocol has failed", broken_by_its_peer, 0, NULL},
    {"a connection to the wrong server is closed", of_a_server_that_is_another, 0, NULL},
    {"a connection without stream ids is closed", out_of_stream_ids, WEIR_ONLY_H2, NULL},
    {"a dial that is given up for other TLS settings says so", given_up_for_other_settings,
     WEIR_ONLY_TLS, NULL},
    {"a dial that nobody waits for any more says so", given_up_for_want_of_a_caller, 0, NULL},
    {"an idle connection that was not needed is said to be spare", not_needed, 0, NULL},
    {"a call that there is no memory to dial for waits", no_memory_for_another, WEIR_ONLY_CLEAR,
     NULL},
};

int main(void)
{
    return weir_world_run("reasons", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
