/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a place is told why while it waits, on its own thread, with no lock held: the
 * observer itself, or another thread that it told, ends what is waited for. Told at the end of the
 * call these would hang. Nobody sleeps: one waits for what the other was told.
 */
#include "support/mutexes.h"
#include "support/peer.h"
#include "support/world.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { WAITED_FOR = 512 };

/* What the observer of the call that waits was told. */
typedef struct watch {
    weir_world *world;
    weir_exchange *holder;
    const char *why[WAITED_FOR]; /* of each WAITING */
    atomic_size_t told;
    size_t held; /* mutexes that were held when it was told */
    size_t dones;
    bool last_is_done;
    bool alternates; /* no two neighbours of `why` are the same */
    /* what it does when it is told that it waits */
    bool drops;
    bool cancels;
    bool frees;
    weir_time stays_until_ns;
    weir_status read; /* of its own exchange, in the middle of the wait */
    weir_waits waits; /* asked for there */
    uint64_t shown;   /* calls that wait, in a snapshot that was taken there */
} watch;

static uint64_t waiting_in_snapshot(const weir_world *world)
{
    weir_user *user = world->user;
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);
    uint64_t waiting = 0;

    for (size_t i = 0; i < weir_snapshot_call_count(snapshot); i++) {
        weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
        waiting += weir_snapshot_call_at(snapshot, i, &call) && call.waiting ? 1 : 0;
    }
    weir_snapshot_free(snapshot);
    return waiting;
}

static void ask_itself(watch *w, weir_exchange *exchange)
{
    uint8_t octet = 0;
    size_t octets = 0;

    w->read = weir_read(exchange, &octet, 1, &octets);
    w->waits.size = sizeof(w->waits);
    weir_exchange_waits(exchange, &w->waits);
    w->shown = waiting_in_snapshot(w->world);
}

static void note(const weir_event *event, void *user)
{
    watch *w = user;

    w->held += weir_mutexes_held() != 0;
    w->dones += event->kind == WEIR_EVENT_DONE;
    w->last_is_done = event->kind == WEIR_EVENT_DONE;
    if (event->kind != WEIR_EVENT_WAITING) {
        return;
    }
    const size_t told = atomic_load(&w->told);
    w->alternates = w->alternates && (told == 0 || strcmp(w->why[told - 1], event->why) != 0);
    if (told < WAITED_FOR) {
        w->why[told] = event->why;
    }
    if (told == 0) {
        ask_itself(w, event->exchange);
    }
    if (w->drops && told == 0) {
        weir_world_drop(w->world, w->holder);
    }
    if (w->cancels) {
        weir_cancel(event->exchange);
    }
    if (w->frees) {
        weir_exchange_free(event->exchange);
    }
    while (weir_now() < w->stays_until_ns) {
        (void)sched_yield();
    }
    atomic_store(&w->told, told + 1);
}

/* The only place is taken until its holder is read to the end or dropped. */
static void hold_the_place(watch *w)
{
    w->alternates = true;
    w->world->limits.connections_per_origin = 1;
    w->world->limits.h2_connections = 1;
    w->world->limits.streams_per_connection = 1;
    w->holder = weir_world_begin_long(w->world);
}

/* What hangs is a failure, soon. */
static weir_ask ask_watched(watch *w, const weir_observer *observer)
{
    weir_ask ask = weir_world_ask(w->world, "/octets/100");

    ask.call.observer = observer;
    ask.call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
    return ask;
}

static const char *why_first(const weir_world *world)
{
    return world->way.protocol == WEIR_H2 ? "at_max_streams" : "busy";
}

static void assert_was_asked(const watch *w)
{
    assert_int_equal(w->read, w->world->way.kind == WEIR_USER_BLOCKING ? WEIR_E_STATE : WEIR_AGAIN);
    assert_int_equal(w->waits.bounces, 0);
    assert_int_equal(w->shown, 1);
}

static void assert_told_well(const watch *w)
{
    assert_string_equal(w->why[0], why_first(w->world));
    assert_true(w->alternates);
    assert_int_equal(w->held, 0);
    assert_int_equal(w->dones, 1);
    assert_true(w->last_is_done);
}

static void an_observer_ends_what_its_call_waits_for(weir_world *world)
{
    watch w = {.world = world, .drops = true};
    const weir_observer observer = {sizeof(observer), &w, note};

    hold_the_place(&w);
    const weir_ask ask = ask_watched(&w, &observer);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_was_asked(&w);
    assert_told_well(&w);
}

/* -- the reason changes while it is waited -- */

enum { CALLER = 0, CHANGER, PLAYERS };

typedef struct play {
    watch *watch;
    const weir_ask *ask;
    weir_token *token; /* the changer cancels it; NULL: it lets the call have its place */
    weir_fetched fetched;
    weir_fetched held;
} play;

static void await_told(const watch *w, size_t count)
{
    while (atomic_load(&w->told) < count) {
        if (w->world->way.kind == WEIR_USER_LOOP) {
            weir_user_settle(w->world->user);
        } else {
            (void)sched_yield();
        }
    }
}

static void one_of_the_play(weir_user *user, size_t index, void *shared)
{
    play *p = shared;
    watch *w = p->watch;

    if (index == CALLER) {
        p->fetched = weir_world_fetch(w->world, p->ask);
        return;
    }
    await_told(w, 1);
    (void)weir_user_drain(user, (weir_span){NULL, 0});
    await_told(w, 2);
    if (p->token != NULL) {
        weir_token_cancel(p->token);
    }
    weir_world_drain(w->world, w->holder, &p->held);
    weir_world_drop(w->world, w->holder);
}

static void run_play(play *p)
{
    hold_the_place(p->watch);
    weir_user_together(p->watch->world->user, PLAYERS, one_of_the_play, p);
    assert_int_equal(p->held.ended, WEIR_END);
    assert_was_asked(p->watch);
    assert_told_well(p->watch);
    assert_string_equal(p->watch->why[1], "closing");
}

static void each_change_is_told_while_it_waits(weir_world *world)
{
    watch w = {.world = world};
    const weir_observer observer = {sizeof(observer), &w, note};
    const weir_ask ask = ask_watched(&w, &observer);
    play p = {.watch = &w, .ask = &ask};

    run_play(&p);
    assert_int_equal(p.fetched.ended, WEIR_END);
    assert_int_equal(atomic_load(&w.told), 3);
    assert_string_equal(w.why[2], "dialing");
}

static void who_was_told_is_cancelled(weir_world *world)
{
    watch w = {.world = world};
    const weir_observer observer = {sizeof(observer), &w, note};
    weir_ask ask = ask_watched(&w, &observer);
    play p = {.watch = &w, .ask = &ask, .token = weir_token_new(NULL)};

    ask.call.token = p.token;
    run_play(&p);
    assert_int_equal(p.fetched.ended, WEIR_E_CANCELLED);
    assert_int_equal(atomic_load(&w.told), 2);
    weir_token_free(p.token);
}

static void an_observer_cancels_its_own_wait(weir_world *world)
{
    watch w = {.world = world, .cancels = true};
    const weir_observer observer = {sizeof(observer), &w, note};

    hold_the_place(&w);
    const weir_ask ask = ask_watched(&w, &observer);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_E_CANCELLED);
    assert_int_equal(atomic_load(&w.told), 1);
    assert_told_well(&w);
    weir_world_end_long(world, w.holder);
}

/* Nothing more is told, and the call ends. */
static void an_observer_frees_its_own_wait(weir_world *world)
{
    watch w = {.world = world, .frees = true};
    const weir_observer observer = {sizeof(observer), &w, note};
    weir_exchange *exchange = NULL;

    hold_the_place(&w);
    const weir_ask ask = ask_watched(&w, &observer);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(
            weir_client_call(weir_user_client(world->user), &ask.request, &ask.call, &exchange),
            WEIR_E_CANCELLED);
        assert_null(exchange);
    } else {
        assert_int_equal(
            weir_loop_submit(weir_user_loop(world->user), &ask.request, &ask.call, NULL, &exchange),
            WEIR_OK);
        await_told(&w, 1);
    }
    assert_int_equal(weir_world_counts(world).waiting, 0);
    assert_int_equal(atomic_load(&w.told), 1);
    assert_int_equal(w.dones, 0);
    weir_world_end_long(world, w.holder);
}

/* -- it has its place, and waits for the response -- */

typedef struct await {
    weir_world *world;
    size_t told[WEIR_EVENT_COUNT];
    size_t held; /* mutexes that were held when it was told */
    bool cold;
    bool frees;
    bool calls;
    bool acts; /* it was told that its request was sent */
    bool knew; /* ... and before that of the connection */
    weir_fetched fetched;
} await;

/* Its request is sent, and the origin will never answer: it ends that itself. */
static void note_sent(const weir_event *event, void *user)
{
    await *a = user;

    a->held += weir_mutexes_held() != 0;
    a->told[event->kind]++;
    if (event->kind != WEIR_EVENT_REQUEST_SENT || !event->last || a->acts) {
        return;
    }
    a->acts = true;
    a->knew = a->told[WEIR_EVENT_CONNECTION_ACQUIRED] == 1 &&
              a->told[WEIR_EVENT_CONNECT_DONE] == (a->cold ? 1 : 0) &&
              a->told[WEIR_EVENT_TLS_DONE] == (a->cold && a->world->way.tls ? 1 : 0);
    if (a->calls) {
        weir_ask ask = weir_world_ask(a->world, "/octets/100");
        a->fetched = weir_world_fetch(a->world, &ask);
    }
    if (a->frees) {
        weir_exchange_free(event->exchange);
    } else {
        weir_cancel(event->exchange);
    }
}

static weir_ask ask_for_nothing(await *a, const weir_observer *observer)
{
    weir_ask ask = weir_world_ask(a->world, "/hang");

    ask.call.observer = observer;
    ask.call.first_octet_ns = 10 * WEIR_NS_PER_SECOND; /* told at its end, this ends it */
    return ask;
}

static void hang(await *a)
{
    const weir_observer observer = {sizeof(observer), a, note_sent};

    if (!a->cold) {
        const weir_ask first = weir_world_ask(a->world, "/octets/10");
        assert_int_equal(weir_world_fetch(a->world, &first).ended, WEIR_END);
    }
    const weir_ask ask = ask_for_nothing(a, &observer);
    assert_int_equal(weir_world_fetch(a->world, &ask).called, WEIR_E_CANCELLED);
    assert_true(a->knew);
    assert_int_equal(a->held, 0);
    assert_int_equal(a->told[WEIR_EVENT_DONE], 1);
}

static void who_waits_for_the_head_is_told_of_its_connection(weir_world *world)
{
    await cold = {.world = world, .cold = true};
    await warm = {.world = world};

    hang(&cold);
    hang(&warm);
}

/* Over HTTP/2 on the same connection, which nobody reads while the observer is at it. */
static void an_observer_calls_while_its_call_waits_for_the_head(weir_world *world)
{
    await a = {.world = world, .calls = true};

    hang(&a);
    assert_int_equal(a.fetched.ended, WEIR_END);
    assert_int_equal(a.fetched.octets, 100);
    if (world->way.protocol == WEIR_H2) {
        assert_int_equal(weir_world_counts(world).dials, 1);
    }
}

static void an_observer_frees_what_waits_for_the_head(weir_world *world)
{
    await a = {.world = world, .cold = true, .frees = true};
    const weir_observer observer = {sizeof(observer), &a, note_sent};
    const weir_ask ask = ask_for_nothing(&a, &observer);
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_client_call(weir_user_client(weir_world_user(world)), &ask.request,
                                      &ask.call, &exchange),
                     WEIR_E_CANCELLED);
    assert_null(exchange);
    assert_true(a.knew);
    assert_int_equal(a.told[WEIR_EVENT_DONE], 0);
}

/* The observer returns when the call's deadline has passed. */
static void an_observer_takes_longer_than_its_call(weir_world *world)
{
    watch w = {.world = world};
    const weir_observer observer = {sizeof(observer), &w, note};

    hold_the_place(&w);
    weir_ask ask = ask_watched(&w, &observer);
    ask.call.deadline_ns = weir_now() + WEIR_NS_PER_SECOND / 50;
    w.stays_until_ns = ask.call.deadline_ns;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_E_DEADLINE_TOTAL);
    assert_int_equal(atomic_load(&w.told), 1);
    assert_told_well(&w);
    weir_world_end_long(world, w.holder);
}

/* -- many changes in a short time -- */

/*
 * One dial is allowed, and hangs; its connection would take two. So the second in the queue waits
 * for `dialing`, and for `origin_limit` as long as there is a third.
 */
enum { DIALER = 0, WATCHED, STORM, STAYS, STORMERS, GUSTS = 400 };

typedef struct storm {
    watch watch;
    weir_ask ask;
    weir_token *token;
    atomic_bool over;
    weir_time took_ns;
    size_t told; /* until it was over */
    size_t sleeps;
    weir_status gust;
    weir_status ended[STORMERS];
} storm;

static _Thread_local bool counts_sleeps;
static atomic_size_t sleeps; /* of the thread that is watched */

int __real_pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
int __wrap_pthread_cond_timedwait(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    atomic_fetch_add(&sleeps, counts_sleeps ? 1 : 0);
    return __real_pthread_cond_timedwait(condition, mutex, until);
}

static void await_last(const watch *w, const char *why)
{
    for (size_t told = 0; told == 0 || strcmp(w->why[told - 1], why) != 0;
         told = atomic_load(&w->told)) {
        (void)sched_yield();
    }
}

static void blow(storm *s)
{
    const weir_time began_ns = weir_now();
    weir_ask gust = s->ask;

    gust.call.queue_ns = 1;
    await_last(&s->watch, "dialing");
    for (size_t i = 0; i < GUSTS; i++) {
        s->gust = weir_world_fetch(s->watch.world, &gust).ended;
    }
    s->took_ns = weir_now() - began_ns;
    s->told = atomic_load(&s->watch.told);
    s->sleeps = atomic_load(&sleeps);
    atomic_store(&s->over, true);
    /* What it waits for in the end is told, however much was told before. */
    await_last(&s->watch, "origin_limit");
    weir_token_cancel(s->token);
}

static void one_of_the_storm(weir_user *user, size_t index, void *shared)
{
    storm *s = shared;
    const weir_observer observer = {sizeof(observer), &s->watch, note};
    weir_ask ask = s->ask;

    ask.call.token = s->token;
    if (index == STORM) {
        blow(s);
        return;
    }
    if (index == WATCHED) {
        counts_sleeps = true;
        ask.call.observer = &observer;
        weir_user_await_waiting(user, 1);
    }
    while (index == STAYS && !atomic_load(&s->over)) {
        (void)sched_yield();
    }
    s->ended[index] = weir_world_fetch(s->watch.world, &ask).ended;
}

static void a_storm_of_changes_is_told_in_few(weir_world *world)
{
    storm s = {.watch = {.world = world, .alternates = true}, .token = weir_token_new(NULL)};
    weir_full_port full;

    weir_full_port_open(&full);
    world->limits.connections_per_origin = 1;
    world->limits.streams_per_connection = 2;
    s.ask = weir_world_ask(world, "/octets/100");
    s.ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    s.ask.call.connect_port = full.port;
    s.ask.call.connect_ns = 30 * WEIR_NS_PER_SECOND;
    atomic_store(&sleeps, 0);
    weir_user_together(weir_world_user(world), STORMERS, one_of_the_storm, &s);
    assert_int_equal(s.gust, WEIR_E_DEADLINE_QUEUE);
    for (size_t i = 0; i < STORMERS; i++) {
        assert_int_equal(s.ended[i], i == STORM ? WEIR_OK : WEIR_E_CANCELLED);
    }
    const size_t allowed = 18 + s.took_ns / (10 * WEIR_NS_PER_MS);
    assert_true(s.told <= allowed);
    /* Each gust changes the reason twice, and may be over when the thread that was woken for it
     * looks: then there is nothing to tell, and it sleeps on. */
    assert_true(s.sleeps <= allowed + (size_t)2 * GUSTS);
    assert_true(s.watch.alternates);
    assert_int_equal(s.watch.held, 0);
    assert_int_equal(s.watch.dones, 1);
    assert_true(s.watch.last_is_done);
    weir_world_close(world);
    weir_full_port_close(&full);
    weir_token_free(s.token);
}

static const weir_behaviour behaviours[] = {
    {"an observer ends what its call waits for", an_observer_ends_what_its_call_waits_for, 0, NULL},
    {"each change is told while the call waits", each_change_is_told_while_it_waits, 0, NULL},
    {"who was told why it waits is cancelled", who_was_told_is_cancelled, 0, NULL},
    {"an observer cancels its own wait", an_observer_cancels_its_own_wait, 0, NULL},
    {"an observer frees its own wait", an_observer_frees_its_own_wait, 0, NULL},
    {"who waits for the head is told of its connection",
     who_waits_for_the_head_is_told_of_its_connection, 0, NULL},
    {"an observer calls while its call waits for the head",
     an_observer_calls_while_its_call_waits_for_the_head, WEIR_ONLY_BLOCKING, NULL},
    {"an observer frees what waits for the head", an_observer_frees_what_waits_for_the_head,
     WEIR_ONLY_BLOCKING, NULL},
    {"an observer takes longer than its call", an_observer_takes_longer_than_its_call, 0, NULL},
    {"a storm of changes is told in few", a_storm_of_changes_is_told_in_few,
     WEIR_ONLY_H2 | WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("waiting", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
