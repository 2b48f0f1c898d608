/* SPDX-License-Identifier: MIT */
/*
 * Eight coroutines on one thread, over one client, through the wait hooks: what a green-thread
 * runtime does. The scheduler is forty lines: who waits for descriptors is in one poll(2), who
 * parks is woken by name.
 *
 *   RUNNING -wait-> WAITING -ready, deadline-> RUNNING
 *           -park-> PARKED  -wake,  deadline-> RUNNING
 *
 * The name is resolved by a script that answers later, its first address is a listening socket that
 * accepts nobody, so that the second is tried beside it (RFC 8305), and over HTTP/2 all eight share
 * one connection and pass the baton.
 *
 * pthread_mutex_lock() is wrapped by the linker: no hook may be called while this thread holds any
 * mutex.
 */
#include "support/coroutine.h"
#include "support/mutexes.h"
#include "support/peer.h"
#include "support/world.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COROUTINES 8
#define CROWD      40 /* more than are woken in one go */
#define CALLS      12
#define POLLS      64

typedef enum state { RUNNING = 0, WAITING, PARKED, OVER } state;

typedef struct scheduler scheduler;

typedef struct green {
    scheduler *home;
    size_t index;
    weir_coroutine *coroutine;
    state state;
    weir_poll *fds;
    size_t fd_count;
    int ready;
    weir_time deadline_ns;
    bool woken;
    size_t whole;      /* calls that were answered as they should */
    weir_status ended; /* what the others ended with */
} green;

struct scheduler {
    weir_world *world;
    size_t count;
    green all[CROWD];
    size_t waits;
    size_t parks;
    size_t wakes;
    size_t held; /* hooks that were called with a mutex held */
    weir_lookup *lookup;
    size_t lookups;
    uint16_t port;
    weir_token *token;
    size_t over;
    bool is_going; /* cancels and lets everybody run from within the next wake */
};

/* What a seat remembers when it was woken before it parked. */
static green woken_already;

/* -- the hooks -- */

static green *running(scheduler *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->all[i].coroutine == weir_coroutine_current()) {
            return &s->all[i];
        }
    }
    return NULL; /* the thread itself: nothing else runs, it waits as threads do */
}

static void answer_lookup(scheduler *s);
static void run_all(scheduler *s);
static int wait_for(weir_poll *fds, size_t count, weir_time deadline_ns, void *user)
{
    scheduler *s = user;
    green *g = running(s);

    s->waits++;
    s->held += weir_mutexes_held() != 0;
    g->fds = fds;
    g->fd_count = count;
    g->deadline_ns = deadline_ns;
    g->ready = 0;
    g->state = WAITING;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = 0;
    }
    weir_coroutine_yield();
    return g->ready;
}

static void park(void **parked, weir_time deadline_ns, void *user)
{
    scheduler *s = user;
    green *g = running(s);

    s->parks++;
    s->held += weir_mutexes_held() != 0;
    if (*parked == NULL) {
        *parked = g;
        g->deadline_ns = deadline_ns;
        g->state = PARKED;
        weir_coroutine_yield();
    }
    *parked = NULL;
}

static void wake(void **parked, void *user)
{
    scheduler *s = user;

    s->wakes++;
    s->held += weir_mutexes_held() != 0;
    if (*parked == NULL) {
        *parked = &woken_already;
    } else if (*parked != &woken_already) {
        ((green *)*parked)->state = RUNNING;
    }
    if (s->is_going) {
        s->is_going = false;
        weir_token_cancel(s->token);
        run_all(s);
    }
}

/* -- the scheduler -- */

/* One poll for all that wait. */
static void poll_once(scheduler *s, weir_time until_ns)
{
    struct pollfd fds[POLLS];
    size_t count = 0;
    const weir_time now_ns = weir_now();
    const weir_time left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

    for (size_t i = 0; i < s->count; i++) {
        const green *g = &s->all[i];
        for (size_t f = 0; g->state == WAITING && f < g->fd_count && count < POLLS; f++) {
            fds[count++] = (struct pollfd){.fd = g->fds[f].fd, .events = g->fds[f].events};
        }
    }
    (void)poll(fds, count, (int)((left_ns + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS));
    count = 0;
    for (size_t i = 0; i < s->count; i++) {
        green *g = &s->all[i];
        for (size_t f = 0; g->state == WAITING && f < g->fd_count && count < POLLS; f++) {
            g->fds[f].revents = fds[count++].revents;
            g->ready += g->fds[f].revents != 0;
        }
    }
    for (size_t i = 0; i < s->count; i++) {
        green *g = &s->all[i];
        if ((g->state == WAITING && g->ready > 0) ||
            (g->state != RUNNING && g->state != OVER && g->deadline_ns <= weir_now())) {
            g->state = RUNNING;
        }
    }
}

/* Everybody but who is running already: it may be a hook that lets them. */
static void run_all(scheduler *s)
{
    const green *self = running(s);

    for (size_t i = 0; i < s->count; i++) {
        green *g = &s->all[i];
        if (g != self && g->state == RUNNING) {
            weir_coroutine_resume(g->coroutine);
            if (weir_coroutine_is_over(g->coroutine)) {
                g->state = OVER;
            }
        }
    }
}

/* Everybody runs as far as they can; then one poll. False: all are over. */
static bool turn(scheduler *s)
{
    weir_time until_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;
    bool somebody_runs = false;
    bool somebody_is = false;

    run_all(s);
    for (size_t i = 0; i < s->count; i++) {
        const green *g = &s->all[i];
        somebody_is = somebody_is || g->state != OVER;
        somebody_runs = somebody_runs || g->state == RUNNING;
        if (g->state != OVER && g->deadline_ns < until_ns) {
            until_ns = g->deadline_ns;
        }
    }
    answer_lookup(s); /* whoever asked waits by now */
    if (somebody_is) {
        poll_once(s, somebody_runs ? 0 : until_ns);
    }
    return somebody_is;
}

/* -- the name -- */

static void begin_lookup(weir_lookup *lookup, weir_span host, void *user)
{
    scheduler *s = user;

    (void)host;
    s->lookup = lookup;
    s->lookups++;
}

static void end_lookup(weir_lookup *lookup, void *user)
{
    scheduler *s = user;

    (void)lookup;
    s->lookup = NULL;
}

/* ::1 accepts nobody, 127.0.0.1 is the origin. */
static void answer_lookup(scheduler *s)
{
    const weir_address v6 = {.family = 6, .octets = {[15] = 1}, .ttl_seconds = 60};
    const weir_address v4 = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 60};
    weir_lookup *lookup = s->lookup;

    if (lookup != NULL) {
        s->lookup = NULL;
        weir_resolver_answer(lookup, 4, WEIR_OK, &v4, 1);
        weir_resolver_answer(lookup, 6, WEIR_OK, &v6, 1);
    }
}

/* -- the calls -- */

static void run_calls(void *user)
{
    green *g = user;
    scheduler *s = g->home;

    for (size_t i = 0; i < CALLS; i++) {
        char path[64];
        const uint64_t octets = (g->index + 1) * 3000 + i;
        (void)snprintf(path, sizeof(path), i % 4 == 3 ? "/drip/%llu?ms=1" : "/octets/%llu",
                       (unsigned long long)(i % 4 == 3 ? 5 + i : octets));
        weir_ask ask = weir_world_ask(s->world, path);
        ask.call.connect_to = WEIR_SPAN("name.test");
        ask.call.connect_port = s->port;
        ask.call.deadline_ns = weir_now() + 15 * WEIR_NS_PER_SECOND;
        const weir_fetched fetched = weir_world_fetch(s->world, &ask);
        if (fetched.ended != WEIR_END) {
            g->ended = fetched.ended;
        }
        g->whole += fetched.ended == WEIR_END && fetched.is_pattern &&
                    fetched.octets == (i % 4 == 3 ? 5 + i : octets);
    }
}

static void eight_on_one_thread(weir_world *world)
{
    static scheduler s;
    weir_resolver resolver = {sizeof(resolver), &s, begin_lookup, end_lookup};
    weir_wait_hooks hooks = {sizeof(hooks), &s, wait_for, park, wake};
    weir_full_port blocked;
    weir_counts counts = WEIR_COUNTS_INIT;

    memset(&s, 0, sizeof(s));
    s.world = world;
    s.count = COROUTINES;
    s.port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    const bool has_v6 = weir_full_port_open_v6(&blocked, s.port);
    world->options.hooks = &hooks;
    world->options.resolver = &resolver;
    world->limits.h2_connections = 1;
    (void)weir_world_user(world);
    for (size_t i = 0; i < COROUTINES; i++) {
        s.all[i] = (green){.home = &s, .index = i};
        s.all[i].coroutine = weir_coroutine_new(run_calls, &s.all[i]);
    }
    while (turn(&s)) {
    }
    for (size_t i = 0; i < COROUTINES; i++) {
        if (s.all[i].whole != CALLS) {
            fail_msg("coroutine %zu: %zu of %d calls, %s", i, s.all[i].whole, CALLS,
                     weir_status_name(s.all[i].ended));
        }
        weir_coroutine_free(s.all[i].coroutine);
    }
    weir_user_counts(world->user, &counts);
    assert_int_equal(s.held, 0);
    assert_int_equal(weir_mutexes_held(), 0);
    assert_true(s.waits > 0);
    assert_true(s.lookups >= 1);
    if (world->way.protocol == WEIR_H2) {
        assert_int_equal(counts.dials, 1);
        assert_int_equal(s.lookups, 1);
        assert_true(s.parks > 0); /* seven of eight wait for one that reads */
        assert_true(s.wakes > 0);
    }
    if (has_v6) {
        /* Both addresses were tried, and the one that was tried first did not win. */
        assert_true(weir_world_told(world, WEIR_EVENT_CONNECT_STARTED) >
                    weir_world_told(world, WEIR_EVENT_CONNECT_DONE));
    }
    weir_world_close(world);
    if (has_v6) {
        weir_full_port_close(&blocked);
    }
}

/* One hangs, another reads what never comes, six are done soon; the last of them cancels both: by
 * hook, with no mutex held. */
static void run_or_hang(void *user)
{
    green *g = user;
    scheduler *s = g->home;
    weir_ask ask = weir_world_ask(s->world, g->index == 0   ? "/hang"
                                            : g->index == 1 ? "/drip/10?ms=100000"
                                                            : "/octets/1000");

    ask.call.token = g->index < 2 ? s->token : NULL;
    g->ended = weir_world_fetch(s->world, &ask).ended;
    if (g->index >= 2 && ++s->over == COROUTINES - 2) {
        weir_token_cancel(s->token);
    }
}

static void cancelled_by_hook(weir_world *world)
{
    static scheduler s;
    weir_wait_hooks hooks = {sizeof(hooks), &s, wait_for, park, wake};

    memset(&s, 0, sizeof(s));
    s.world = world;
    s.count = COROUTINES;
    s.token = weir_token_new(NULL);
    world->options.hooks = &hooks;
    world->limits.h2_connections = 1;
    world->limits.connections_per_origin = COROUTINES;
    (void)weir_world_user(world);
    for (size_t i = 0; i < COROUTINES; i++) {
        s.all[i] = (green){.home = &s, .index = i};
        s.all[i].coroutine = weir_coroutine_new(run_or_hang, &s.all[i]);
    }
    while (turn(&s)) {
    }
    for (size_t i = 0; i < COROUTINES; i++) {
        assert_int_equal(s.all[i].ended, i < 2 ? WEIR_E_CANCELLED : WEIR_END);
        weir_coroutine_free(s.all[i].coroutine);
    }
    assert_int_equal(s.held, 0);
    weir_token_free(s.token);
}

/* One drains and parks, another has the connection, and goes on only when the first has parked: by
 * hook, with no mutex held. */
static void drain_or_hold(void *user)
{
    green *g = user;
    scheduler *s = g->home;
    const weir_ask ask = weir_world_ask(s->world, "/octets/3000000");
    weir_client *client = weir_user_client(s->world->user);
    weir_exchange *exchange = NULL;
    weir_counts counts = WEIR_COUNTS_INIT;
    uint64_t left = 7;

    if (g->index == 0) {
        g->ended = weir_world_call(s->world, &ask, &exchange);
        while (s->all[1].state != PARKED) {
            weir_coroutine_yield();
        }
        weir_user_counts(s->world->user, &counts);
        g->whole = counts.connections_draining;
        weir_fetched fetched = {0};
        weir_world_drain(s->world, exchange, &fetched);
        g->ended = fetched.ended;
        weir_world_drop(s->world, exchange);
        return;
    }
    do {
        weir_coroutine_yield();
        weir_user_counts(s->world->user, &counts);
    } while (counts.connections_active == 0);
    g->ended = weir_client_drain(client, (weir_span){NULL, 0}, WEIR_NEVER, &left);
    g->whole = left;
}

static void drained_by_hook(weir_world *world)
{
    static scheduler s;
    weir_wait_hooks hooks = {sizeof(hooks), &s, wait_for, park, wake};

    memset(&s, 0, sizeof(s));
    s.world = world;
    s.count = COROUTINES;
    world->options.hooks = &hooks;
    (void)weir_world_user(world);
    for (size_t i = 0; i < COROUTINES; i++) {
        s.all[i] = (green){.home = &s, .index = i, .state = i < 2 ? RUNNING : OVER};
        s.all[i].coroutine = i < 2 ? weir_coroutine_new(drain_or_hold, &s.all[i]) : NULL;
    }
    while (turn(&s)) {
    }
    assert_int_equal(s.all[0].ended, WEIR_END);
    assert_int_equal(s.all[0].whole, 1);
    assert_int_equal(s.all[1].ended, WEIR_OK);
    assert_int_equal(s.all[1].whole, 0);
    assert_true(s.parks > 0);
    assert_true(s.wakes > 0);
    assert_int_equal(s.held, 0);
    weir_coroutine_free(s.all[0].coroutine);
    weir_coroutine_free(s.all[1].coroutine);
    weir_world_close(world);
}

static bool all_others_wait(const scheduler *s)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    bool wait = true;

    for (size_t i = 1; i < s->count; i++) {
        wait = wait && s->all[i].state != RUNNING;
    }
    weir_user_counts(s->world->user, &counts);
    return wait && counts.leases == s->count - 1;
}

/* All but one wait on one connection, until that one makes the peer refuse all of them at once. */
static void wait_to_be_refused(void *user)
{
    green *g = user;
    scheduler *s = g->home;

    while (g->index == 0 && !all_others_wait(s)) {
        weir_coroutine_yield();
    }
    s->is_going = g->index == 0;
    weir_ask ask = weir_world_ask(s->world, g->index == 0 ? "/goaway?last=0" : "/hang");
    ask.call.token = s->token;
    ask.call.replay = WEIR_REPLAY_NEVER;
    g->ended = weir_world_fetch(s->world, &ask).ended;
}

/* More than are woken in one go. What wakes the first of them lets all of them leave, and frees their
 * exchanges, before it goes on to the next. */
static void a_crowd_leaves_while_it_is_woken(weir_world *world)
{
    static scheduler s;
    weir_wait_hooks hooks = {sizeof(hooks), &s, wait_for, park, wake};
    size_t refused = 0;

    memset(&s, 0, sizeof(s));
    s.world = world;
    s.count = CROWD;
    s.token = weir_token_new(NULL);
    world->options.hooks = &hooks;
    world->limits.h2_connections = 1;
    (void)weir_world_user(world);
    for (size_t i = 0; i < CROWD; i++) {
        s.all[i] = (green){.home = &s, .index = i};
        s.all[i].coroutine = weir_coroutine_new(wait_to_be_refused, &s.all[i]);
    }
    while (turn(&s)) {
    }
    for (size_t i = 0; i < CROWD; i++) {
        refused += s.all[i].ended == WEIR_E_H2_GOAWAY;
        weir_coroutine_free(s.all[i].coroutine);
    }
    assert_int_equal(refused, CROWD);
    assert_false(s.is_going);
    assert_int_equal(s.held, 0);
    weir_token_free(s.token);
}

static const weir_behaviour behaviours[] = {
    {"a coroutine cancels others that wait", cancelled_by_hook, WEIR_ONLY_BLOCKING, NULL},
    {"a coroutine drains while another reads", drained_by_hook, WEIR_ONLY_BLOCKING, NULL},
    {"a crowd of coroutines leaves while it is being woken", a_crowd_leaves_while_it_is_woken,
     WEIR_ONLY_BLOCKING | WEIR_ONLY_H2, NULL},
    {"eight coroutines on one thread are all answered", eight_on_one_thread, WEIR_ONLY_BLOCKING,
     NULL},
};

int main(void)
{
    return weir_world_run("coroutines", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
