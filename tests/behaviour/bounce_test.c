/* SPDX-License-Identifier: MIT */
/*
 * A lease that was stale when it was used: the peer has lowered MAX_CONCURRENT_STREAMS, and its
 * SETTINGS lie in the client's kernel when a call is given the connection. The blocking client
 * finds them in the look between the lease and the request, the loop in the same turn. The call
 * goes back to the front of the queue and waits for a stream; it is served first, and no place is
 * lost.
 */
#include "support/scold_h2.h"
#include "support/scold_way.h"
#include "support/stopped_recv.h"
#include "support/world.h"

#include <linux/sockios.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cmocka.h>

/* -- the peer -- */

/* Its only connection: the first request, then SETTINGS with a lower limit, then, when it is told
 * to, a place again: by SETTINGS, or because the first response ends. */
typedef struct script {
    bool holds_first; /* the first response ends when there shall be a place */
    uint8_t lower;    /* the limit */
    sem_t may_lower;
    sem_t has_lowered; /* it is in the client's kernel */
    sem_t may_allow;
    unsigned requests;
} script;

static void say_limit(weir_scold_line *line, uint8_t streams)
{
    const uint8_t settings[] = {0, 0, 6,      WEIR_SCOLD_SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0,
                                0, 0, streams};
    int queued = 1;

    weir_scold_write(line, settings, sizeof(settings));
    while (queued > 0 && ioctl(line->fd, SIOCOUTQ, &queued) == 0) {
        (void)sched_yield();
    }
}

static void answer(weir_scold_line *line, const uint8_t *stream, bool ends)
{
    /* the indexed field ":status: 200" */
    const uint8_t ok[] = {0,
                          0,
                          1,
                          WEIR_SCOLD_HEADERS,
                          WEIR_SCOLD_END_HEADERS | (ends ? WEIR_SCOLD_END_STREAM : 0),
                          stream[0],
                          stream[1],
                          stream[2],
                          stream[3],
                          0x88};

    weir_scold_write(line, ok, sizeof(ok));
}

static void dry_up(weir_scold_line *line, script *s, const uint8_t *stream)
{
    const uint8_t end[] = {0,         0,         0,         WEIR_SCOLD_DATA, WEIR_SCOLD_END_STREAM,
                           stream[0], stream[1], stream[2], stream[3]};

    (void)sem_wait(&s->may_lower);
    say_limit(line, s->lower);
    (void)sem_post(&s->has_lowered);
    (void)sem_wait(&s->may_allow);
    if (s->holds_first) {
        weir_scold_write(line, end, sizeof(end));
    } else {
        say_limit(line, 1);
    }
}

static void play(weir_scold_line *line, void *user)
{
    script *s = user;
    weir_scold_frame frame;

    if (!weir_scold_h2_begin(line)) {
        return;
    }
    while (weir_scold_h2_read(line, &frame)) {
        if (frame.type == WEIR_SCOLD_HEADERS) {
            const bool first = s->requests++ == 0;
            answer(line, frame.stream, !first || !s->holds_first);
            if (first) {
                dry_up(line, s, frame.stream);
            }
        }
    }
}

/* -- the calls -- */

enum { STALE = 0, BEHIND, CHIEF, PLAYERS };

typedef struct stage {
    weir_world *world;
    weir_ask ask;
    script script;
    weir_scold *server;
    weir_exchange *first; /* whose response is not over; NULL: none */
    weir_status ended[PLAYERS];
    weir_waits waits[PLAYERS];
    const weir_exchange *names[PLAYERS]; /* no more than that after their end */
    weir_reason candidate;               /* of the first connection, as STALE was told */
    uint64_t places[2];                  /* exchanges that wait, from the front */
    uint64_t numbers[PLAYERS];
} stage;

static bool is_blocking(const stage *all)
{
    return all->world->way.kind == WEIR_USER_BLOCKING;
}

static void open_stage(stage *all, bool holds_first)
{
    weir_world *world = all->world;

    weir_recv_stops_open();
    assert_int_equal(sem_init(&all->script.may_lower, 0, 0), 0);
    assert_int_equal(sem_init(&all->script.has_lowered, 0, 0), 0);
    assert_int_equal(sem_init(&all->script.may_allow, 0, 0), 0);
    all->script.holds_first = holds_first;
    all->script.lower = holds_first ? 1 : 0;
    all->server = weir_scold_way_start(world, play, &all->script);
    world->options.probe_after_ns = WEIR_PROBE_ALWAYS;
    world->limits.h2_connections = 1;
    all->ask = weir_scold_way_ask(world, all->server);
    all->ask.call.explain = true;
}

/* The peer says it while nobody is inside of the library. */
static void lower(stage *all)
{
    (void)sem_post(&all->script.may_lower);
    (void)sem_wait(&all->script.has_lowered);
}

static void look_at_places(stage *all, weir_user *user)
{
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);

    for (size_t i = 0; i < weir_snapshot_call_count(snapshot); i++) {
        weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
        if (weir_snapshot_call_at(snapshot, i, &call) && call.waiting && call.place >= 1 &&
            call.place <= 2) {
            all->places[call.place - 1] = call.exchange;
        }
    }
    weir_snapshot_free(snapshot);
}

static void call(stage *all, size_t index)
{
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.ended = weir_world_call(all->world, &all->ask, &exchange)};

    if (exchange != NULL) {
        weir_candidate candidate = WEIR_CANDIDATE_INIT;
        all->names[index] = exchange;
        all->numbers[index] = weir_exchange_id(exchange);
        all->waits[index].size = sizeof(all->waits[index]);
        weir_exchange_waits(exchange, &all->waits[index]);
        if (index == STALE && weir_exchange_candidate_at(exchange, 0, &candidate)) {
            all->candidate = candidate.reason;
        }
        weir_world_drain(all->world, exchange, &fetched);
        weir_world_drop(all->world, exchange);
    }
    all->ended[index] = fetched.ended;
}

/* One has the connection and is about to look at it, another waits behind; then the first looks. */
static void one_of_them(weir_user *user, size_t index, void *shared)
{
    stage *all = shared;

    if (index == STALE) {
        if (is_blocking(all)) {
            weir_recv_stop_next(); /* before it looks */
        }
        call(all, STALE);
        return;
    }
    if (index == BEHIND) {
        if (is_blocking(all)) {
            weir_recv_stopped_await();
        }
        call(all, BEHIND);
        return;
    }
    if (is_blocking(all)) {
        weir_user_await_waiting(user, 1);
        weir_recv_let_go();
    }
    weir_user_await_waiting(user, 2);
    look_at_places(all, user);
    (void)sem_post(&all->script.may_allow);
}

static weir_time sent_at(const weir_world *world, const weir_exchange *exchange)
{
    const weir_event *event = NULL;

    for (size_t i = 0; (event = weir_world_event(world, WEIR_EVENT_HEAD_SENT, i)) != NULL; i++) {
        if (event->exchange == exchange) {
            return event->at_ns;
        }
    }
    return WEIR_NEVER;
}

static void assert_bounced(const stage *all)
{
    const weir_waits *waits = &all->waits[STALE];

    assert_int_equal(all->ended[STALE], WEIR_END);
    assert_int_equal(waits->bounces, 1);
    /* Within a turn of the loop no time passes. */
    assert_int_equal(waits->ns[WEIR_REASON_REFUSING] > 0, is_blocking(all));
    assert_true(waits->ns[WEIR_REASON_AT_MAX_STREAMS] > 0);
    assert_int_equal(waits->ns[WEIR_REASON_REFUSING] + waits->ns[WEIR_REASON_AT_MAX_STREAMS],
                     waits->total_ns);
    assert_int_equal(all->candidate, WEIR_REASON_AT_MAX_STREAMS);
}

/* Another call finds the connection free: nothing was lost. */
static void close_stage(stage *all, unsigned requests)
{
    weir_world *world = all->world;

    assert_int_equal(weir_world_fetch(world, &all->ask).ended, WEIR_END);
    assert_int_equal(weir_world_counts(world).bounces, 1);
    assert_int_equal(weir_world_counts(world).leases, 0);
    assert_int_equal(weir_world_counts(world).waiting, 0);
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
    assert_int_equal(weir_world_counts(world).dials, 1);
    weir_world_close(world);
    weir_scold_stop(all->server);
    assert_int_equal(all->script.requests, requests + 1);
    weir_recv_stops_close();
    (void)sem_destroy(&all->script.may_lower);
    (void)sem_destroy(&all->script.has_lowered);
    (void)sem_destroy(&all->script.may_allow);
}

static void goes_to_the_front(weir_world *world)
{
    stage all = {.world = world};

    world->limits.streams_per_connection = 1;
    open_stage(&all, false);
    assert_int_equal(weir_world_fetch(world, &all.ask).ended, WEIR_END);
    lower(&all);
    weir_user_together(world->user, PLAYERS, one_of_them, &all);
    assert_bounced(&all);
    assert_int_equal(all.ended[BEHIND], WEIR_END);
    assert_int_equal(all.waits[BEHIND].bounces, 0);
    assert_int_equal(all.places[0], all.numbers[STALE]);
    assert_int_equal(all.places[1], all.numbers[BEHIND]);
    assert_true(sent_at(world, all.names[STALE]) < sent_at(world, all.names[BEHIND]));
    close_stage(&all, 3);
}

static void stale_or_reader(weir_user *user, size_t index, void *shared)
{
    stage *all = shared;
    weir_fetched fetched = {0};

    if (index == STALE) {
        call(all, STALE);
        return;
    }
    weir_user_await_waiting(user, 1);
    (void)sem_post(&all->script.may_allow);
    weir_world_drain(all->world, all->first, &fetched);
    weir_world_drop(all->world, all->first);
    all->ended[BEHIND] = fetched.ended;
}

/* One stream is open, and one is what the peer now allows. */
static void waits_for_what_is_open(weir_world *world)
{
    stage all = {.world = world};

    open_stage(&all, true);
    assert_int_equal(weir_world_call(world, &all.ask, &all.first), WEIR_OK);
    lower(&all);
    weir_user_together(world->user, 2, stale_or_reader, &all);
    assert_bounced(&all);
    assert_int_equal(all.ended[BEHIND], WEIR_END);
    close_stage(&all, 2);
}

static const weir_behaviour behaviours[] = {
    {"a stale lease goes back to the front of the queue", goes_to_the_front, WEIR_ONLY_H2, NULL},
    {"a stale lease beside an open stream waits for its end", waits_for_what_is_open, WEIR_ONLY_H2,
     NULL},
};

int main(void)
{
    return weir_world_run("bounce", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
