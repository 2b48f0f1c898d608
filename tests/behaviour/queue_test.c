/* SPDX-License-Identifier: MIT */
/*
 * Who waits for the only place at an origin is served in turn. Callers enter one after the other,
 * each when the one before is seen to wait; the place is given back when all do. And a line of
 * origins, for the only place in the pool.
 */
#include "support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { CALLERS = 8 };

typedef struct queue {
    weir_world *world;
    weir_exchange *holder;
    weir_ask ask;
    atomic_size_t served;
    size_t turn[CALLERS]; /* at which each was served, from 1 */
    weir_status ended[CALLERS];
    uint32_t places;    /* that a snapshot shows, when all wait */
    uint64_t exchanges; /* ... of those, whose numbers grow with their places */
    weir_token *leaves; /* of those who give up when all wait; NULL: nobody does */
} queue;

/* The first of the line, two in its middle that are neighbours, and the last. */
static bool gives_up(const queue *all, size_t index)
{
    return all->leaves != NULL && (index == 0 || index == 3 || index == 4 || index == CALLERS - 1);
}

/* Threads wait for each other; over a loop callers enter in the order of their numbers anyway. */
static void await_waiting(const queue *all, size_t count)
{
    while (all->world->way.kind == WEIR_USER_BLOCKING &&
           weir_world_counts(all->world).waiting < count) {
        (void)sched_yield();
    }
}

/* Exchanges are numbered as they are made. */
static void look_at_places(queue *all)
{
    weir_user *user = all->world->user;
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);
    uint64_t last = 0;

    for (size_t i = 0; i < weir_snapshot_call_count(snapshot); i++) {
        weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
        if (weir_snapshot_call_at(snapshot, i, &call) && call.waiting) {
            all->places += call.place == all->places + 1 ? 1 : 0;
            all->exchanges += call.exchange > last ? 1 : 0;
            last = call.exchange;
        }
    }
    weir_snapshot_free(snapshot);
}

/* All wait, and some leave: those who stay keep their order. */
static void some_leave(queue *all)
{
    size_t staying = 0;

    for (size_t i = 0; i < CALLERS; i++) {
        staying += gives_up(all, i) ? 0 : 1;
    }
    weir_token_cancel(all->leaves);
    weir_user_await_waiting(all->world->user, staying);
    all->places = 0;
    all->exchanges = 0;
}

static void read_to_end(queue *all, weir_exchange *exchange, weir_fetched *fetched)
{
    weir_world_drain(all->world, exchange, fetched);
    weir_world_drop(all->world, exchange);
}

static void one_of_the_queue(weir_user *user, size_t index, void *shared)
{
    queue *all = shared;
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.ended = WEIR_OK};
    weir_ask ask = all->ask;

    (void)user;
    await_waiting(all, index);
    if (index == CALLERS) {
        if (all->leaves != NULL) {
            weir_user_await_waiting(all->world->user, CALLERS);
            some_leave(all);
        }
        if (all->world->way.kind == WEIR_USER_BLOCKING) {
            look_at_places(all);
        }
        read_to_end(all, all->holder, &fetched);
        return;
    }
    ask.call.token = gives_up(all, index) ? all->leaves : NULL;
    fetched.ended = weir_world_call(all->world, &ask, &exchange);
    if (fetched.ended == WEIR_OK) {
        /* Nobody else is served before this one is read. */
        all->turn[index] = atomic_fetch_add(&all->served, 1) + 1;
        read_to_end(all, exchange, &fetched);
    } else {
        weir_world_drop(all->world, exchange);
    }
    all->ended[index] = fetched.ended;
}

static void run_queue(queue *all)
{
    weir_world *world = all->world;
    size_t turn = 0;

    /* Longer than what is taken of it unread: its place is held until it is read. */
    all->ask = weir_world_ask(world, "/octets/1000000");
    world->limits.connections_per_origin = 1;
    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    assert_int_equal(weir_world_call(world, &all->ask, &all->holder), WEIR_OK);
    weir_user_together(world->user, CALLERS + 1, one_of_the_queue, all);
    for (size_t i = 0; i < CALLERS; i++) {
        if (gives_up(all, i)) {
            assert_int_equal(all->ended[i], WEIR_E_CANCELLED);
        } else {
            assert_int_equal(all->ended[i], WEIR_END);
            assert_int_equal(all->turn[i], ++turn);
        }
    }
    assert_int_equal(all->served, turn);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(all->places, turn);
        assert_int_equal(all->exchanges, turn);
    }
    assert_int_equal(weir_world_counts(world).dials, 1);
}

static void who_waits_is_served_in_turn(weir_world *world)
{
    queue all = {.world = world};

    run_queue(&all);
    assert_int_equal(all.served, CALLERS);
}

static void who_leaves_the_queue_changes_no_order(weir_world *world)
{
    queue all = {.world = world, .leaves = weir_token_new(NULL)};

    run_queue(&all);
    assert_int_equal(all.served, CALLERS - 4);
    weir_token_free(all.leaves);
}

/* -- the line of the origins -- */

enum { SECOND_ORIGIN = 0, FIRST_AGAIN, RELEASER, PLAYERS };

typedef struct line {
    queue queue; /* of the holder */
    weir_status ended[PLAYERS];
    weir_waits waits[PLAYERS];
    bool told; /* that it is behind others */
    weir_snapshot_call shown;
    char text[4096];
} line;

static void note_behind_others(const weir_event *event, void *user)
{
    line *all = user;

    if (event->kind == WEIR_EVENT_WAITING &&
        strcmp(event->why, weir_reason_name(WEIR_REASON_BEHIND_OTHERS)) == 0) {
        all->told = true;
    }
}

/* The call that waits; false: none does. */
static bool look_once(line *all)
{
    weir_user *user = all->queue.world->user;
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);
    bool waits = false;

    for (size_t i = 0; i < weir_snapshot_call_count(snapshot) && !waits; i++) {
        weir_snapshot_call call = WEIR_SNAPSHOT_CALL_INIT;
        waits = weir_snapshot_call_at(snapshot, i, &call) && call.waiting;
        all->shown = call;
    }
    (void)weir_snapshot_text(snapshot, all->text, sizeof(all->text));
    weir_snapshot_free(snapshot);
    return waits;
}

/* The second origin has the place and keeps it for so long. */
static void look_behind(line *all)
{
    weir_user *user = all->queue.world->user;

    while (!look_once(all) || all->shown.reason != WEIR_REASON_BEHIND_OTHERS) {
        if (weir_user_loop(user) != NULL) {
            weir_user_settle(user);
        } else {
            (void)sched_yield();
        }
    }
}

static void one_of_the_line(weir_user *user, size_t index, void *shared)
{
    line *all = shared;
    const weir_observer observer = {sizeof(observer), all, note_behind_others};
    weir_world *world = all->queue.world;
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.ended = WEIR_OK};
    weir_ask ask = all->queue.ask;

    (void)user;
    await_waiting(&all->queue, index);
    if (index == RELEASER) {
        read_to_end(&all->queue, all->queue.holder, &fetched);
        return;
    }
    if (index == SECOND_ORIGIN) {
        ask.call.connect_to = WEIR_SPAN("localhost");
    } else {
        ask.call.observer = &observer;
    }
    fetched.ended = weir_world_call(world, &ask, &exchange);
    if (index == SECOND_ORIGIN) {
        look_behind(all);
    }
    if (exchange != NULL) {
        all->waits[index].size = sizeof(all->waits[index]);
        weir_exchange_waits(exchange, &all->waits[index]);
        read_to_end(&all->queue, exchange, &fetched);
    }
    all->ended[index] = fetched.ended;
}

/*
 * One connection is all that the pool may have, and it serves one request. When it is gone its
 * origin has a caller who waits, but another origin asked for the place before: the place goes
 * there, and the caller is told that he waits for that.
 */
static void the_place_goes_to_who_asked_first(weir_world *world)
{
    line all = {.queue = {.world = world}};

    all.queue.ask = weir_world_ask(world, "/octets/1000000");
    all.queue.ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    all.queue.ask.call.connect_port =
        world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    world->limits.connections = 1;
    world->limits.requests_per_connection = 1;
    assert_int_equal(weir_world_call(world, &all.queue.ask, &all.queue.holder), WEIR_OK);
    weir_user_together(world->user, PLAYERS, one_of_the_line, &all);
    assert_int_equal(all.ended[SECOND_ORIGIN], WEIR_END);
    assert_int_equal(all.ended[FIRST_AGAIN], WEIR_END);
    assert_int_equal(all.waits[SECOND_ORIGIN].ns[WEIR_REASON_BEHIND_OTHERS], 0);
    assert_true(all.waits[FIRST_AGAIN].ns[WEIR_REASON_BEHIND_OTHERS] > 0);
    assert_true(all.told);
    assert_int_equal(all.shown.place, 1);
    assert_non_null(strstr(all.text, "waits at place 1 (behind_others), waited "));
    assert_int_equal(weir_world_counts(world).dials, 3);
}

static const weir_behaviour behaviours[] = {
    {"who waits is served in turn", who_waits_is_served_in_turn, 0, NULL},
    {"who leaves the queue changes no order", who_leaves_the_queue_changes_no_order, 0, NULL},
    {"the place goes to who asked first", the_place_goes_to_who_asked_first, 0, NULL},
};

int main(void)
{
    return weir_world_run("queue", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
