/* SPDX-License-Identifier: MIT */
/*
 * What a client or loop counts, by both front ends: each request and connection once, where it
 * belongs, and gauges that return.
 */
#include "support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static weir_metrics metrics_of(weir_world *world)
{
    weir_metrics metrics = WEIR_METRICS_INIT;
    weir_user *user = weir_world_user(world);

    if (world->way.kind == WEIR_USER_LOOP) {
        weir_loop_metrics(weir_user_loop(user), &metrics);
    } else {
        weir_client_metrics(weir_user_client(user), &metrics);
    }
    return metrics;
}

static void fetch(weir_world *world, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static void requests(weir_world *world)
{
    const weir_protocol protocol = world->way.protocol;

    fetch(world, "/octets/1000");
    fetch(world, "/octets/500");
    const weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.requests_started, 2);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_SUCCEEDED], 2);
    assert_int_equal(metrics.requests_resent, 0);
    assert_int_equal(metrics.active_requests, 0);
    assert_int_equal(metrics.connections_opened, 1);
    assert_int_equal(metrics.idle_connections, 1);
    assert_int_equal(metrics.active_connections, 0);
    assert_int_equal(metrics.request_duration[protocol][WEIR_OUTCOME_SUCCEEDED].count, 2);
    assert_true(metrics.request_duration[protocol][WEIR_OUTCOME_SUCCEEDED].sum_ns > 0);
    assert_int_equal(metrics.time_in_queue[protocol].count, 2);
    assert_true(metrics.time_in_queue[protocol].sum_ns > 0); /* the first waited for its dial */
    assert_int_equal(metrics.response_body[protocol].count, 2);
    assert_int_equal(metrics.response_body[protocol].sum_octets, 1500);
    assert_true(metrics.response[protocol].sum_octets > 1500);
    assert_int_equal(metrics.request_body[protocol].sum_octets, 0);
    assert_int_equal(metrics.connection_duration[protocol].count, 0); /* it is open */
}

static void under_way(weir_world *world)
{
    /* So much is left that nobody reads it to its end for the sake of the connection. */
    weir_ask ask = weir_world_ask(world, "/drip/100000000?ms=100000");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.active_requests, 1);
    assert_int_equal(metrics.active_connections, 1);
    assert_int_equal(metrics.idle_connections, 0);
    weir_world_drop(world, exchange);
    weir_user_settle(world->user);
    metrics = metrics_of(world);
    assert_int_equal(metrics.active_requests, 0);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_CANCELLED], 1);
    if (world->way.protocol == WEIR_H1) {
        /* A connection in the middle of a response is closed. */
        assert_int_equal(metrics.connections_closed, 1);
        assert_int_equal(metrics.connection_duration[WEIR_H1].count, 1);
        assert_int_equal(metrics.active_connections + metrics.idle_connections, 0);
    }
}

/* The duration ends with the head, however late the content comes. */
static void until_the_head(weir_world *world)
{
    const weir_protocol protocol = world->way.protocol;

    const weir_time since_ns = weir_now();
    fetch(world, "/drip/5?ms=50");
    const weir_time took_ns = weir_now() - since_ns;
    weir_metrics metrics = metrics_of(world);
    const weir_time head_ns = metrics.request_duration[protocol][WEIR_OUTCOME_SUCCEEDED].sum_ns;
    assert_true(took_ns - head_ns >= 50 * WEIR_NS_PER_MS);
    fetch(world, "/delay/20");
    metrics = metrics_of(world);
    assert_true(metrics.request_duration[protocol][WEIR_OUTCOME_SUCCEEDED].sum_ns - head_ns >=
                20 * WEIR_NS_PER_MS);
    assert_int_equal(metrics.request_duration[protocol][WEIR_OUTCOME_SUCCEEDED].count, 2);
}

static void failures(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = 1; /* nothing listens there */
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_CONNECT_REFUSED);
    weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.requests_started, 1);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_FAILED], 1);
    assert_int_equal(metrics.request_duration[WEIR_PROTOCOL_ANY][WEIR_OUTCOME_FAILED].count, 1);
    assert_int_equal(metrics.connections_opened, 0);
    assert_int_equal(metrics.time_in_queue[WEIR_PROTOCOL_ANY].count, 0);
    /* What is refused for what it says is no request. */
    ask = weir_world_ask(world, "/octets/10");
    ask.request.method = WEIR_SPAN("G T");
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_METHOD);
    metrics = metrics_of(world);
    assert_int_equal(metrics.requests_started, 1);
}

static void pre_connecting(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_user *user = weir_world_user(world);

    ask.call.observer = NULL; /* the world counts DONE */
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 1), WEIR_OK);
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = 1;
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 1),
                     WEIR_E_CONNECT_REFUSED);
    const weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.requests_started, 0);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_SUCCEEDED], 0);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_FAILED], 0);
    assert_int_equal(metrics.active_requests, 0);
    assert_int_equal(metrics.request_duration[WEIR_PROTOCOL_ANY][WEIR_OUTCOME_SUCCEEDED].count, 0);
    assert_int_equal(metrics.request_duration[WEIR_PROTOCOL_ANY][WEIR_OUTCOME_FAILED].count, 0);
    assert_int_equal(metrics.response_body[WEIR_PROTOCOL_ANY].count, 0);
    assert_int_equal(metrics.connections_opened, 1);
    assert_int_equal(metrics.idle_connections, 1);
}

typedef struct watched {
    weir_world *world;
    atomic_uint over;  /* threads that have made their calls */
    atomic_uint whole; /* calls that were answered */
    unsigned looks;
    unsigned torn; /* looks at numbers that were never true together */
} watched;

#define CALLERS       8
#define CALLS_OF_EACH 20

static void make_calls(weir_user *user, watched *w)
{
    for (unsigned i = 0; i < CALLS_OF_EACH; i++) {
        weir_ask ask = weir_world_ask(w->world, "/octets/1000");
        weir_exchange *exchange = NULL;
        uint8_t room[2048];
        size_t octets = 0;
        ask.call.observer = NULL;
        weir_status status = weir_user_call(user, &ask.request, &ask.call, &exchange);
        while (status == WEIR_OK) {
            status = weir_user_read(user, exchange, room, sizeof(room), &octets);
        }
        atomic_fetch_add(&w->whole, status == WEIR_END);
        weir_user_drop(user, exchange);
    }
    atomic_fetch_add(&w->over, 1);
}

/* What is read is as of one moment: what was started has ended or is under way, and nothing goes
 * back. */
static void look_at_metrics(weir_user *user, watched *w)
{
    uint64_t ended_before = 0;

    while (atomic_load(&w->over) < CALLERS) {
        weir_metrics metrics = WEIR_METRICS_INIT;
        weir_counts counts = WEIR_COUNTS_INIT;
        uint64_t ended = 0;
        weir_client_metrics(weir_user_client(user), &metrics);
        weir_user_counts(user, &counts);
        weir_snapshot_free(weir_client_snapshot(weir_user_client(user), NULL));
        for (size_t i = 0; i < sizeof(metrics.requests_ended) / sizeof(metrics.requests_ended[0]);
             i++) {
            ended += metrics.requests_ended[i];
        }
        w->torn += metrics.requests_started != ended + metrics.active_requests;
        w->torn += metrics.active_requests > CALLERS;
        w->torn += metrics.connections_opened != metrics.connections_closed +
                                                     metrics.active_connections +
                                                     metrics.idle_connections;
        w->torn += ended < ended_before;
        ended_before = ended;
        w->looks++;
        (void)sched_yield();
    }
}

static void look_or_call(weir_user *user, size_t index, void *shared)
{
    if (index == 0) {
        look_at_metrics(user, shared);
    } else {
        make_calls(user, shared);
    }
}

static void read_while_others_call(weir_world *world)
{
    watched w = {.world = world};

    weir_user_together(weir_world_user(world), CALLERS + 1, look_or_call, &w);
    assert_int_equal(atomic_load(&w.whole), CALLERS * CALLS_OF_EACH);
    assert_int_equal(w.torn, 0);
    assert_true(w.looks > 0);
    const weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.requests_ended[WEIR_OUTCOME_SUCCEEDED], CALLERS * CALLS_OF_EACH);
    assert_int_equal(metrics.active_requests, 0);
}

static const weir_behaviour behaviours[] = {
    {"each request is counted once, with its octets", requests, 0, NULL},
    {"gauges say what is under way, and return", under_way, 0, NULL},
    {"a duration ends with the head", until_the_head, 0, NULL},
    {"failures are counted apart", failures, 0, NULL},
    {"to pre-connect is no request", pre_connecting, 0, NULL},
    {"they are read while others call", read_while_others_call, WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("metrics", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
