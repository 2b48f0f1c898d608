/* SPDX-License-Identifier: MIT */
/*
 * The blocking client has no thread of its own, so who waits keeps the pool's time: what falls due
 * while all others are away is done by a thread that is parked, also if it fell asleep before
 * anybody knew of it.
 */
#include "support/asleep.h"
#include "support/peer.h"
#include "support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define MS WEIR_NS_PER_MS

typedef struct pair {
    weir_world *world;
    _Atomic pid_t second; /* the thread that waits behind the first; 0: not yet */
    atomic_bool over;     /* it does not wait any more */
    uint16_t port;        /* where nobody listens; 0: the origin's */
    weir_status called;
    weir_time took_ns;
} pair;

static weir_ask ask_for(const pair *p, const char *path)
{
    return p->port != 0 ? weir_world_ask_at(p->world, path, p->port)
                        : weir_world_ask(p->world, path);
}

/* The first dials, and goes no further before the second sleeps. */
static void let_the_second_sleep(const weir_event *event, void *user)
{
    pair *p = user;

    if (event->kind == WEIR_EVENT_WAITING && atomic_load(&p->second) == 0) {
        while (atomic_load(&p->second) == 0) {
            (void)sched_yield();
        }
        weir_user_await_waiting(p->world->user, 2);
        weir_await_asleep(atomic_load(&p->second), 20 * MS);
    }
}

static void hold(pair *p)
{
    const weir_observer observer = {sizeof(observer), p, let_the_second_sleep};
    weir_ask ask = ask_for(p, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;

    ask.call.observer = &observer;
    (void)weir_user_call(p->world->user, &ask.request, &ask.call, &exchange);
    while (!atomic_load(&p->over)) {
        (void)sched_yield();
    }
    weir_user_drop(p->world->user, exchange);
}

static void wait_behind(pair *p)
{
    weir_ask ask = ask_for(p, "/octets/10");
    weir_exchange *exchange = NULL;

    ask.call.observer = NULL; /* nobody wakes it to tell why it waits */
    ask.call.queue_ns = 10 * WEIR_NS_PER_SECOND;
    weir_user_await_waiting(p->world->user, 1);
    atomic_store(&p->second, (pid_t)gettid());
    const weir_time began_ns = weir_now();
    p->called = weir_user_call(p->world->user, &ask.request, &ask.call, &exchange);
    p->took_ns = weir_now() - began_ns;
    atomic_store(&p->over, true);
    weir_user_drop(p->world->user, exchange);
}

static void first_or_second(weir_user *user, size_t index, void *shared)
{
    (void)user;
    if (index == 0) {
        hold(shared);
    } else {
        wait_behind(shared);
    }
}

/* The only stream is taken for long, and a connection of its age takes no more: it is replaced when
 * its time comes, and not when its exchange ends. */
static void lifetime_that_began_meanwhile(weir_world *world)
{
    pair p = {.world = world};

    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    world->limits.lifetime_ns = 200 * MS;
    weir_user_together(weir_world_user(world), 2, first_or_second, &p);
    assert_int_equal(p.called, WEIR_OK);
    assert_true(p.took_ns < 5 * WEIR_NS_PER_SECOND); /* 0.2 s, and not queue_ns */
    assert_int_equal(weir_world_counts(world).dials, 2);
}

/* The dial of the first fails, and the second, who asked later, has one of its own behind a pause. */
static void pause_that_began_meanwhile(weir_world *world)
{
    pair p = {.world = world, .port = weir_free_port()};

    world->limits.connections_per_origin = 1;
    weir_user_together(weir_world_user(world), 2, first_or_second, &p);
    assert_int_equal(p.called, WEIR_E_CONNECT_REFUSED);
    assert_true(p.took_ns < 5 * WEIR_NS_PER_SECOND);
    assert_int_equal(weir_world_counts(world).dial_failures, 2);
}

static const weir_behaviour behaviours[] = {
    {"who parks sees the end of a lifetime that began meanwhile", lifetime_that_began_meanwhile,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
    {"who parks sees the end of a pause that began meanwhile", pause_that_began_meanwhile,
     WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("parked", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
