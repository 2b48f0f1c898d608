/* SPDX-License-Identifier: MIT */
/*
 * Origins that share the places of one pool. Each calls the same server by a name of its own, so
 * that to the pool they are strangers.
 */
#include "support/asleep.h"
#include "support/listener.h"
#include "support/stuck.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define QUEUE_NS    (50 * WEIR_NS_PER_MS)
#define PATIENCE_NS (20 * WEIR_NS_PER_SECOND)

static weir_ask ask_at(weir_world *world, const char *host, const char *path)
{
    static _Thread_local char urls[4][128];
    static _Thread_local unsigned next;
    char *url = urls[next++ % 4];
    weir_ask ask = weir_world_ask(world, "");

    (void)snprintf(url, sizeof(urls[0]), "%s://%s%s", world->way.tls ? "https" : "http", host,
                   path);
    ask.request.url = weir_span_of(url);
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    return ask;
}

/* A call whose body is left unread: it has the connection, and that the only place. */
static weir_exchange *hold(weir_world *world, const char *host)
{
    const weir_ask ask = ask_at(world, host, "/octets/1000000");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    return exchange;
}

/* An idle connection of one makes room for the other, and that one's for the first. */
static void idle_makes_room(weir_world *world)
{
    static const char *const hosts[] = {"a.test", "b.test", "a.test"};

    world->limits.connections = 1;
    for (size_t i = 0; i < 3; i++) {
        const weir_ask ask = ask_at(world, hosts[i], "/octets/10");
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(weir_world_told_why(world, WEIR_EVENT_CONNECTION_CLOSED, "evicted"), i);
        assert_int_equal(weir_world_counts(world).connections_idle, 1);
        assert_int_equal(weir_world_counts(world).dials, i + 1);
    }
}

/* Nothing is idle: the other waits, and is told for what. */
static void in_use_makes_none(weir_world *world)
{
    weir_waits waits = WEIR_WAITS_INIT;
    weir_exchange *exchange = NULL;

    world->limits.connections = 1;
    weir_exchange *holder = hold(world, "a.test");
    weir_ask ask = ask_at(world, "b.test", "/octets/10");
    ask.call.queue_ns = QUEUE_NS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_QUEUE);
    weir_exchange_waits(exchange, &waits);
    assert_true(waits.total_ns >= QUEUE_NS);
    assert_int_equal(waits.ns[WEIR_REASON_TOTAL_LIMIT], waits.total_ns);
    assert_int_equal(weir_world_told_why(world, WEIR_EVENT_WAITING, "total_limit"), 1);
    assert_int_equal(weir_world_counts(world).dials, 1);
    weir_world_drop(world, exchange);
    weir_world_drop(world, holder);
}

typedef struct two {
    weir_world *world;
    weir_status ended[2];
    weir_failure failures[2];
} two;

static void one_of_two(weir_user *user, size_t index, void *shared)
{
    two *both = shared;
    weir_ask ask = ask_at(both->world, index == 0 ? "a.test" : "b.test", "/octets/10");
    weir_exchange *exchange = NULL;

    (void)user;
    ask.call.queue_ns = WEIR_NS_PER_SECOND; /* so long that the other comes meanwhile */
    both->ended[index] = weir_world_call(both->world, &ask, &exchange);
    both->failures[index] = weir_exchange_failure(exchange);
    weir_world_drop(both->world, exchange);
}

/* One may wait in the whole pool, and two would, at two origins: one of them is refused at once. */
static void all_that_wait_are_limited(weir_world *world)
{
    two both = {.world = world};

    world->limits.connections = 1;
    world->limits.waiting = 1;
    weir_exchange *holder = hold(world, "localhost");
    weir_user_together(world->user, 2, one_of_two, &both);
    const size_t full = both.ended[0] == WEIR_E_QUEUE_FULL ? 0 : 1;
    assert_int_equal(both.ended[full], WEIR_E_QUEUE_FULL);
    assert_int_equal(both.failures[full].phase, WEIR_PHASE_QUEUE);
    assert_string_equal(both.failures[full].what,
                        "as many calls wait, for all origins, as waiting allows");
    assert_int_equal(both.ended[1 - full], WEIR_E_DEADLINE_QUEUE);
    weir_world_drop(world, holder);
}

/* Whoever has the only place takes no octet any more, so that nothing can be said to it at the end:
 * its place is not kept for that. */
static void nobody_waits_for_a_goodbye(weir_world *world)
{
    weir_stuck stuck;

    world->limits.connections = 1;
    weir_stuck_prepare(world, &stuck, WEIR_PHASE_SEND);
    stuck.ask.call.write_ns = QUEUE_NS;
    assert_int_equal(weir_stuck_go(world, &stuck), WEIR_E_DEADLINE_WRITE);
    weir_stuck_drop(world, &stuck);
    weir_user_settle(world->user); /* HTTP/1.1 says goodbye before anybody waits, HTTP/2 after */
    weir_ask ask = ask_at(world, "b.test", "/octets/10");
    ask.call.queue_ns = WEIR_NS_PER_SECOND / 2; /* half of what a goodbye is given */
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_stuck_end(world, &stuck);
}

enum { BUSY_CALLERS = 4 };

typedef struct crowd {
    weir_world *world;
    atomic_bool served; /* who came from another origin */
    atomic_size_t wrong;
    atomic_size_t calls; /* of the crowd */
    weir_status ended;
    weir_waits waits;
    size_t calls_before; /* of the crowd, until the other was served */
} crowd;

/* Of a crowd's calls nothing is kept; closes are told to the world. */
static void note_nothing(const weir_event *event, void *user)
{
    (void)event;
    (void)user;
}

/* The last comes from another origin, and calls when the others are there. */
static void one_of_a_crowd(weir_user *user, size_t index, void *shared)
{
    static const weir_observer nobody = {sizeof(nobody), NULL, note_nothing};
    crowd *all = shared;

    (void)user;
    if (index < BUSY_CALLERS) {
        while (!atomic_load(&all->served)) {
            weir_ask ask = ask_at(all->world, "a.test", "/delay/5");
            ask.call.observer = &nobody;
            all->wrong += weir_world_fetch(all->world, &ask).ended != WEIR_END;
            all->calls++;
        }
        return;
    }
    while (all->world->way.kind == WEIR_USER_BLOCKING &&
           weir_world_counts(all->world).waiting < BUSY_CALLERS - 1) {
        (void)sched_yield();
    }
    weir_ask ask = ask_at(all->world, "b.test", "/octets/10");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    ask.call.observer = &nobody;
    ask.call.queue_ns = PATIENCE_NS;
    all->ended = weir_world_call(all->world, &ask, &exchange);
    if (all->ended == WEIR_OK) {
        weir_exchange_waits(exchange, &all->waits);
        all->calls_before = atomic_load(&all->calls);
        weir_world_drain(all->world, exchange, &fetched);
        all->ended = fetched.ended;
    }
    atomic_store(&all->served, true);
    weir_user_drop(all->world->user, exchange);
}

/*
 * Four callers of one origin leave its connection never idle, and no other is allowed. Who calls
 * another origin is served all the same: after a second the connection yields its place.
 */
static void who_is_never_idle_yields(weir_world *world)
{
    crowd all = {.world = world, .waits = WEIR_WAITS_INIT};

    world->limits.connections = 1;
    world->limits.streams_per_connection = 1;
    weir_user_together(weir_world_user(world), BUSY_CALLERS + 1, one_of_a_crowd, &all);
    assert_int_equal(all.wrong, 0);
    assert_int_equal(all.ended, WEIR_END);
    assert_true(all.calls_before >= BUSY_CALLERS);
    assert_true(all.waits.ns[WEIR_REASON_TOTAL_LIMIT] > 0);
    assert_true(weir_world_told_why(world, WEIR_EVENT_CONNECTION_CLOSED, "evicted") >= 1);
}

/* -- a dial that nobody waits for any more, and whose thread sleeps -- */

typedef struct warmer {
    weir_world *world;
    uint16_t port;
    _Atomic pid_t thread;
    weir_status ended;
} warmer;

/* Two dials, of which one is lost: the wish knows its answer, and the other dial goes on. */
static void *warm_two(void *user)
{
    warmer *w = user;
    const weir_ask ask = weir_world_ask_at(w->world, "/", w->port);

    atomic_store(&w->thread, (pid_t)gettid());
    w->ended = weir_user_preconnect(w->world->user, &ask.request, &ask.call, 2);
    return NULL;
}

static void one_that_sleeps_is_given_up(weir_world *world)
{
    warmer w = {.world = world};
    pthread_t thread;

    world->limits.connections = 2;
    (void)weir_world_user(world);
    const int listener = weir_listener_open(&w.port, 4);
    assert_int_equal(pthread_create(&thread, NULL, warm_two, &w), 0);
    const int lost = accept(listener, NULL, NULL);
    assert_true(lost >= 0);
    (void)close(lost);
    while (weir_world_counts(world).dial_failures == 0) {
        (void)sched_yield();
    }
    weir_await_asleep(atomic_load(&w.thread), 5 * WEIR_NS_PER_MS);
    weir_exchange *holder = weir_world_begin_long(world);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    ask.call.queue_ns = 5 * WEIR_NS_PER_SECOND; /* less than the dial would take */
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_world_end_long(world, holder);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_not_equal(w.ended, WEIR_OK);
    world->begun++; /* the wish */
    (void)close(listener);
    weir_world_close(world);
}

static const weir_behaviour behaviours[] = {
    {"a dial that nobody waits for is given up though its thread sleeps",
     one_that_sleeps_is_given_up, WEIR_ONLY_H1 | WEIR_ONLY_TLS | WEIR_ONLY_BLOCKING, NULL},
    {"an idle connection makes room for another origin", idle_makes_room, 0, NULL},
    {"a connection in use makes no room for another origin", in_use_makes_none, 0, NULL},
    {"all that wait are limited, wherever they wait", all_that_wait_are_limited, 0, NULL},
    {"a goodbye that nobody reads keeps no place", nobody_waits_for_a_goodbye, 0, NULL},
    {"an origin that is never idle yields a place to another", who_is_never_idle_yields, 0, NULL},
};

int main(void)
{
    static const char *const arguments[] = {"--window", "1000000000",
                                            NULL}; /* an upload fills the wire */

    return weir_world_run("places", behaviours, WEIR_COUNT_OF(behaviours), arguments);
}
