/* SPDX-License-Identifier: MIT */
/*
 * Records that weir fills, of every size that a caller may say: of no size nothing is written, of
 * any other no octet behind its end, and what was filled is said in it.
 */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UNTOUCHED 0xa5
#define BEHIND    64 /* octets of a newer header */

/* Fills the record; false: it was not, or the function cannot say so. */
typedef bool fill_record(const void *from, void *record);

static void assert_untouched(const uint8_t *record, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        assert_int_equal(record[i], UNTOUCHED);
    }
}

/* One that says that it has `size` octets, in memory of exactly `room`. */
static void fill_one(fill_record *fill, const void *from, size_t octets, size_t size, size_t room)
{
    const bool has_size = size >= sizeof(size_t);
    const size_t filled = has_size ? weir_min(size, octets) : sizeof(size_t);
    uint8_t *record = malloc(room);
    size_t says = 0;

    assert_non_null(record);
    memset(record, UNTOUCHED, room);
    memcpy(record, &size, sizeof(size));
    assert_int_equal(fill(from, record), has_size);
    memcpy(&says, record, sizeof(says));
    assert_int_equal(says, has_size ? filled : size);
    assert_untouched(record, filled, room);
    free(record);
}

static void fill_all(fill_record *fill, const void *from, size_t octets)
{
    for (size_t size = 0; size < sizeof(size_t); size++) {
        fill_one(fill, from, octets, size, octets);
        fill_one(fill, from, octets, size, sizeof(size_t));
    }
    for (size_t size = sizeof(size_t); size <= octets; size++) {
        fill_one(fill, from, octets, size, size);
    }
    fill_one(fill, from, octets, octets + BEHIND, octets + BEHIND);
    fill_one(fill, from, octets, SIZE_MAX, octets);
}

/* What a function without an answer would have said. */
static bool has_size(const void *record)
{
    size_t size = 0;

    memcpy(&size, record, sizeof(size));
    return size >= sizeof(size);
}

static bool counts(const void *from, void *record)
{
    const weir_world *world = from;

    if (world->way.kind == WEIR_USER_LOOP) {
        weir_loop_counts(weir_user_loop(world->user), record);
    } else {
        weir_client_counts(weir_user_client(world->user), record);
    }
    return has_size(record);
}

static bool metrics(const void *from, void *record)
{
    const weir_world *world = from;

    if (world->way.kind == WEIR_USER_LOOP) {
        weir_loop_metrics(weir_user_loop(world->user), record);
    } else {
        weir_client_metrics(weir_user_client(world->user), record);
    }
    return has_size(record);
}

static bool sample(const void *from, void *record)
{
    return weir_metrics_at(from, 0, record);
}

static void of_a_front_end(weir_world *world)
{
    (void)weir_world_user(world);
    fill_all(counts, world, sizeof(weir_counts));
    fill_all(metrics, world, sizeof(weir_metrics));
    const weir_metrics all = weir_user_metrics(world->user);
    fill_all(sample, &all, sizeof(weir_metric_sample));
    const weir_metrics none = {0};
    weir_metric_sample first = WEIR_METRIC_SAMPLE_INIT;
    assert_false(weir_metrics_at(&none, 0, &first));
}

static bool attempt(const void *from, void *record)
{
    return weir_exchange_attempt_at(from, 0, record);
}

static bool candidate(const void *from, void *record)
{
    return weir_exchange_candidate_at(from, 0, record);
}

static bool connect_attempt(const void *from, void *record)
{
    return weir_exchange_connect_attempt_at(from, 0, record);
}

static bool stalls(const void *from, void *record)
{
    weir_exchange_stalls(from, record);
    return has_size(record);
}

static bool waits(const void *from, void *record)
{
    weir_exchange_waits(from, record);
    return has_size(record);
}

static void of_an_exchange(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    ask.call.explain = true;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    fill_all(attempt, exchange, sizeof(weir_attempt));
    fill_all(connect_attempt, exchange, sizeof(weir_connect_attempt));
    fill_all(stalls, exchange, sizeof(weir_stalls));
    fill_all(waits, exchange, sizeof(weir_waits));
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    fill_all(candidate, exchange, sizeof(weir_candidate));
    weir_world_drain(world, exchange, &fetched);
    weir_world_drop(world, exchange);
}

static bool pool(const void *from, void *record)
{
    weir_snapshot_pool_of(from, record);
    return has_size(record);
}

static bool origin(const void *from, void *record)
{
    return weir_snapshot_origin_at(from, 0, record);
}

static bool connection(const void *from, void *record)
{
    return weir_snapshot_connection_at(from, 0, record);
}

static bool call(const void *from, void *record)
{
    return weir_snapshot_call_at(from, 0, record);
}

static bool call_waits(const void *from, void *record)
{
    return weir_snapshot_waits_at(from, 0, record);
}

static void of_a_snapshot(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *waiting = NULL;

    if (world->way.kind == WEIR_USER_LOOP) { /* one that waits for its dial */
        weir_loop *loop = weir_user_loop(weir_world_user(world));
        weir_loop_event told;
        ask.call.observer = NULL; /* it is dropped behind the back of who counts them */
        assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &waiting), WEIR_OK);
        assert_int_equal(weir_loop_turn(loop, &told, 1), 0);
    } else {
        assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    }
    weir_snapshot *snapshot = weir_user_snapshot(world->user, NULL);
    assert_non_null(snapshot);
    fill_all(pool, snapshot, sizeof(weir_snapshot_pool));
    fill_all(origin, snapshot, sizeof(weir_snapshot_origin));
    fill_all(connection, snapshot, sizeof(weir_snapshot_connection));
    if (waiting != NULL) {
        fill_all(call, snapshot, sizeof(weir_snapshot_call));
        fill_all(call_waits, snapshot, sizeof(weir_waits));
    }
    weir_snapshot_free(snapshot);
    weir_exchange_free(waiting);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {"records of a front end are filled as far as they go", of_a_front_end, 0, NULL},
        {"records of an exchange are filled as far as they go", of_an_exchange, 0, NULL},
        {"records of a snapshot are filled as far as they go", of_a_snapshot, 0, NULL},
    };

    return weir_world_run("records", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
