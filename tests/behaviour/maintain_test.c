/* SPDX-License-Identifier: MIT */
/*
 * weir_client_maintain() looks after idle connections while other threads use the client: no system
 * call of it is made with the lock that they all need, no two locks are held at once but for a leaf
 * (what was learned of the origin goes to the weir_shared), and a connection that somebody wants
 * closed meanwhile is closed when it is done.
 */
#include "support/mutexes.h"
#include "support/world.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

#define PATIENCE_S 10

/* Where the maintaining thread stops: in the place of the system's recv(). */
static _Thread_local bool stops;
static _Thread_local bool was_in_time;
static sem_t is_there;
static sem_t may_go_on;

ssize_t __real_recv(int fd, void *to, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t room, int flags);

ssize_t __wrap_recv(int fd, void *to, size_t room, int flags)
{
    if (stops) {
        struct timespec until;
        stops = false;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += PATIENCE_S;
        (void)sem_post(&is_there);
        was_in_time = sem_timedwait(&may_go_on, &until) == 0;
    }
    return __real_recv(fd, to, room, flags);
}

typedef struct maintenance {
    weir_client *client;
    bool was_in_time;
    int most_held;
} maintenance;

static void *maintain(void *user)
{
    maintenance *m = user;

    stops = true;
    weir_mutexes_forget();
    (void)weir_client_maintain(m->client);
    m->was_in_time = was_in_time;
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
    assert_int_equal(sem_init(&is_there, 0, 0), 0);
    assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, maintain, m), 0);
    assert_int_equal(sem_wait(&is_there), 0);
    return thread;
}

static void end(pthread_t thread, const maintenance *m, unsigned most_held_allowed)
{
    assert_int_equal(sem_post(&may_go_on), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(m->was_in_time);
    assert_in_range(m->most_held, 1, most_held_allowed);
    (void)sem_destroy(&is_there);
    (void)sem_destroy(&may_go_on);
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
