/* SPDX-License-Identifier: MIT */
/*
 * weir_client_maintain() looks after idle connections while other threads use the client: no system
 * call of it is made with the lock that they all need, no two locks are held at once but for a leaf
 * (what was learned of the origin goes to the weir_shared), and a connection that somebody wants
 * closed meanwhile is closed when it is done.
 */
#include "support/mutexes.h"
#include "support/stopped_recv.h"
#include "support/world.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

typedef struct maintenance {
    weir_client *client;
    bool was_in_time;
    int most_held;
} maintenance;

static void *maintain(void *user)
{
    maintenance *m = user;

    weir_recv_stop_next();
    weir_mutexes_forget();
    (void)weir_client_maintain(m->client);
    m->was_in_time = weir_recv_was_let_go();
    m->most_held = weir_mutexes_most_held();
    return NULL;
}

/* One connection that is idle, and a thread that stopped in the middle of looking after it. */
static pthread_t begin(weir_world *world, maintenance *m)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    pthread_t thread;

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    m->client = weir_user_client(weir_world_user(world));
    weir_recv_stops_open();
    assert_int_equal(pthread_create(&thread, NULL, maintain, m), 0);
    weir_recv_stopped_await();
    return thread;
}

static void end(pthread_t thread, const maintenance *m, unsigned most_held_allowed)
{
    weir_recv_let_go();
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(m->was_in_time);
    assert_in_range(m->most_held, 1, most_held_allowed);
    weir_recv_stops_close();
}

/* A call to another origin, which has a connection of its own. */
static void others_go_on(weir_world *world)
{
    maintenance m = {.client = NULL};
    const pthread_t thread = begin(world, &m);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_counts counts;

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    ask.request.url =
        weir_span_of(world->way.tls ? "https://localhost/octets/10" : "http://localhost/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.connections_idle, 2);
    end(thread, &m, 1);
}

static void closed_when_it_is_done(weir_world *world)
{
    maintenance m = {.client = NULL};
    const pthread_t thread = begin(world, &m);
    uint64_t left = 0;
    weir_counts counts;

    assert_int_equal(weir_client_drain(m.client, (weir_span){NULL, 0}, 0, &left),
                     WEIR_E_DEADLINE_TOTAL);
    assert_int_equal(left, 1);
    end(thread, &m, 2);
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.connections_idle + counts.connections_draining, 0);
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static const weir_behaviour behaviours[] = {
    {"other threads go on while one maintains", others_go_on, WEIR_ONLY_BLOCKING, NULL},
    {"a connection that is looked after is closed when that is done", closed_when_it_is_done,
     WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("maintain", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
