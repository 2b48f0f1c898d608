/* SPDX-License-Identifier: MIT */
/*
 * Who waits for the only place at an origin is served in turn. Callers enter one after the other,
 * each when the one before is seen to wait; the place is given back when all do.
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
} queue;

static weir_counts counts_of(weir_world *world)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    weir_user_counts(world->user, &counts);
    return counts;
}

/* Threads wait for each other; over a loop callers enter in the order of their numbers anyway. */
static void await_waiting(const queue *all, size_t count)
{
    while (all->world->way.kind == WEIR_USER_BLOCKING && counts_of(all->world).waiting < count) {
        (void)sched_yield();
    }
}

/* Exchanges are numbered as they are made. */
static void look_at_places(queue *all)
{
    weir_user *user = all->world->user;
    weir_snapshot *snapshot = weir_user_loop(user) != NULL
                                  ? weir_loop_snapshot(weir_user_loop(user), NULL)
                                  : weir_client_snapshot(weir_user_client(user), NULL);
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

    (void)user;
    await_waiting(all, index);
    if (index == CALLERS) {
        if (all->world->way.kind == WEIR_USER_BLOCKING) {
            look_at_places(all);
        }
        read_to_end(all, all->holder, &fetched);
        return;
    }
    fetched.ended = weir_world_call(all->world, &all->ask, &exchange);
    /* Nobody else is served before this one is read. */
    all->turn[index] = atomic_fetch_add(&all->served, 1) + 1;
    if (exchange != NULL && fetched.ended == WEIR_OK) {
        read_to_end(all, exchange, &fetched);
    }
    all->ended[index] = fetched.ended;
}

static void who_waits_is_served_in_turn(weir_world *world)
{
    queue all = {.world = world};

    /* Longer than what is taken of it unread: its place is held until it is read. */
    all.ask = weir_world_ask(world, "/octets/1000000");
    world->limits.connections_per_origin = 1;
    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    assert_int_equal(weir_world_call(world, &all.ask, &all.holder), WEIR_OK);
    weir_user_together(world->user, CALLERS + 1, one_of_the_queue, &all);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
        assert_int_equal(all.turn[i], i + 1);
    }
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(all.places, CALLERS);
        assert_int_equal(all.exchanges, CALLERS);
    }
    assert_int_equal(counts_of(world).dials, 1);
}

/* -- the line of the origins -- */

enum { SECOND_ORIGIN = 0, FIRST_AGAIN, RELEASER, PLAYERS };

typedef struct line {
    queue queue; /* of the holder */
    weir_status ended[PLAYERS];
    weir_waits waits[PLAYERS];
} line;

static void one_of_the_line(weir_user *user, size_t index, void *shared)
{
    line *all = shared;
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
    }
    fetched.ended = weir_world_call(world, &ask, &exchange);
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
    assert_int_equal(counts_of(world).dials, 3);
}

static const weir_behaviour behaviours[] = {
    {"who waits is served in turn", who_waits_is_served_in_turn, 0, NULL},
    {"the place goes to who asked first", the_place_goes_to_who_asked_first, 0, NULL},
};

int main(void)
{
    return weir_world_run("queue", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
