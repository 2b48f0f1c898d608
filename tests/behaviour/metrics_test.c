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
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static weir_metrics metrics_of(weir_world *world)
{
    return weir_user_metrics(weir_world_user(world));
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
    assert_int_equal(metrics.time_in_queue[WEIR_PROTOCOL_ANY].count, 1); /* for its dial */
    assert_true(metrics.time_in_queue[WEIR_PROTOCOL_ANY].sum_ns > 0);
    /* What is refused for what it says is no request. */
    ask = weir_world_ask(world, "/octets/10");
    ask.request.method = WEIR_SPAN("G T");
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_METHOD);
    metrics = metrics_of(world);
    assert_int_equal(metrics.requests_started, 1);
}

enum { CANCELLED = 0, CANCELLER, WAITERS };

typedef struct waiters {
    weir_world *world;
    weir_token *token;
    weir_status called[WAITERS];
} waiters;

/* One waits until it is cancelled; meanwhile the queue has no place for another. */
static void waits_in_vain(weir_user *user, size_t index, void *shared)
{
    waiters *all = shared;
    weir_exchange *exchange = NULL;
    weir_ask ask = weir_world_ask(all->world, "/octets/10");

    if (index == CANCELLED) {
        ask.call.token = all->token;
    } else {
        weir_user_await_waiting(user, 1);
    }
    all->called[index] = weir_world_call(all->world, &ask, &exchange);
    if (index == CANCELLER) {
        weir_token_cancel(all->token);
    }
    weir_world_drop(all->world, exchange);
}

/* The queue is told with those whom it served and with those whom it did not. */
static void left_in_the_queue(weir_world *world)
{
    const weir_protocol protocol = world->way.protocol;
    waiters all = {.world = world, .token = weir_token_new(NULL)};

    world->limits.connections_per_origin = 1;
    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    world->limits.waiting_per_origin = 1;
    weir_exchange *holder = weir_world_begin_long(world);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    ask.call.queue_ns = 20 * WEIR_NS_PER_MS;
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_DEADLINE_QUEUE);
    weir_metrics metrics = metrics_of(world);
    assert_int_equal(metrics.time_in_queue[WEIR_PROTOCOL_ANY].count, 1);
    assert_true(metrics.time_in_queue[WEIR_PROTOCOL_ANY].sum_ns >= 20 * WEIR_NS_PER_MS);
    weir_user_together(world->user, WAITERS, waits_in_vain, &all);
    assert_int_equal(all.called[CANCELLED], WEIR_E_CANCELLED);
    assert_int_equal(all.called[CANCELLER], WEIR_E_QUEUE_FULL);
    metrics = metrics_of(world);
    assert_int_equal(metrics.time_in_queue[WEIR_PROTOCOL_ANY].count, 2);
    assert_int_equal(metrics.time_in_queue[protocol].count, 0); /* the holder has its place still */
    weir_world_end_long(world, holder);
    metrics = metrics_of(world);
    assert_int_equal(metrics.time_in_queue[protocol].count, 1);
    assert_int_equal(metrics.time_in_queue[WEIR_PROTOCOL_ANY].count, 2);
    weir_token_free(all.token);
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
        ask.call.observer = NULL;
        weir_status status = weir_user_call(user, &ask.request, &ask.call, &exchange);
        if (status == WEIR_OK) {
            status = weir_user_read_on(user, exchange);
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

/* -- as an exporter has them -- */

#define CONTENT_OCTETS 700

/* What the test counted itself. */
typedef struct own_count {
    weir_octets plain; /* of all requests over a connection */
    weir_octets body;
    weir_time least_ns; /* that their heads took, and at most */
    weir_time most_ns;
    weir_time queued_ns;
    size_t attempts; /* that had a connection */
} own_count;

static const char *attribute(const weir_metric_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->attribute_count; i++) {
        if (strcmp(sample->attributes[i].name, name) == 0) {
            return sample->attributes[i].value;
        }
    }
    return "";
}

/* The sample of that name, and with these words among the values of its attributes; "": no such
 * attribute. */
static weir_metric_sample sample_of(const weir_metrics *metrics, const char *name,
                                    const char *version, const char *word)
{
    weir_metric_sample sample = WEIR_METRIC_SAMPLE_INIT;

    for (size_t i = 0; weir_metrics_at(metrics, i, &sample); i++) {
        const char *state = attribute(&sample, "http.connection.state");
        const char *of = *state != '\0' ? state : attribute(&sample, "error.type");
        if (strcmp(sample.name, name) == 0 && strcmp(of, word) == 0 &&
            strcmp(attribute(&sample, "network.protocol.version"), version) == 0) {
            return sample;
        }
    }
    fail_msg("no %s{%s, %s}", name, version, word);
    return sample;
}

static uint64_t number_of(const weir_metrics *metrics, const char *name, const char *word)
{
    const weir_metric_sample sample = sample_of(metrics, name, "", word);

    assert_int_not_equal(sample.kind, WEIR_METRIC_HISTOGRAM);
    return sample.value;
}

/* A call that the test counts, too. */
static void counted(weir_world *world, const weir_ask *ask, own_count *own)
{
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    weir_waits waits = WEIR_WAITS_INIT;

    const weir_time before_ns = weir_now();
    assert_int_equal(weir_world_call(world, ask, &exchange), WEIR_OK);
    own->most_ns += weir_now() - before_ns; /* its head is here */
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
    const weir_tally tally = weir_exchange_tally(exchange);
    own->plain.sent += tally.head.sent + tally.body.sent + tally.trailers.sent + tally.framing.sent;
    own->plain.received += tally.head.received + tally.body.received + tally.trailers.received +
                           tally.framing.received;
    own->body.sent += tally.body.sent;
    own->body.received += tally.body.received;
    own->attempts += weir_exchange_attempt_count(exchange);
    weir_exchange_waits(exchange, &waits);
    own->queued_ns += waits.total_ns;
    weir_world_drop(world, exchange);
}

static void assert_sizes(const weir_metrics *metrics, const char *version, const own_count *own)
{
    const struct {
        const char *name;
        uint64_t octets;
    } all[] = {
        {"http.client.request.body.size", own->body.sent},
        {"http.client.response.body.size", own->body.received},
        {"weir.client.request.size", own->plain.sent},
        {"weir.client.response.size", own->plain.received},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const weir_metric_sample sample = sample_of(metrics, all[i].name, version, "");
        assert_int_equal(sample.kind, WEIR_METRIC_HISTOGRAM);
        assert_string_equal(sample.unit, "By");
        assert_int_equal(sample.count, 3);
        assert_int_equal((uint64_t)sample.sum, all[i].octets);
    }
}

static uint64_t in_buckets(const weir_metric_sample *sample)
{
    uint64_t all = 0;

    for (size_t i = 0; i <= sample->boundary_count; i++) {
        all += sample->buckets[i];
    }
    return all;
}

static void assert_durations(weir_world *world, const weir_metrics *metrics, const char *version,
                             const own_count *own)
{
    weir_metric_sample sample = sample_of(metrics, "http.client.request.duration", version, "");
    assert_string_equal(sample.unit, "s");
    assert_int_equal(sample.count, 3);
    assert_int_equal(in_buckets(&sample), 3);
    assert_true(sample.sum >= (double)own->least_ns / 1e9);
    assert_true(sample.sum <= (double)own->most_ns / 1e9);
    sample = sample_of(metrics, "http.client.request.duration", "", "failed");
    assert_int_equal(sample.count, 1);
    sample = sample_of(metrics, "http.client.request.time_in_queue", version, "");
    assert_int_equal(sample.count, own->attempts);
    assert_int_equal(in_buckets(&sample), own->attempts);
    assert_true(sample.sum > (double)own->queued_ns / 1e9 - 1e-6);
    assert_true(sample.sum < (double)own->queued_ns / 1e9 + 1e-6);
    /* The one connection that is closed was dialled behind its call's beginning, and lasted until
     * its close was told; its server waited that long before it answered. */
    const weir_event *began = weir_world_event(world, WEIR_EVENT_SUBMITTED, 0);
    const weir_event *ended = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
    sample = sample_of(metrics, "http.client.connection.duration", version, "");
    assert_int_equal(sample.count, 1);
    assert_true(sample.sum >= (double)own->least_ns / 1e9);
    assert_true(sample.sum <= (double)(ended->at_ns - began->at_ns) / 1e9);
}

static void by_their_names(weir_world *world)
{
    const char *version = world->way.protocol == WEIR_H1 ? "1.1" : "2";
    static uint8_t content[CONTENT_OCTETS];
    own_count own = {.least_ns = 20 * WEIR_NS_PER_MS};
    weir_exchange *exchange = NULL;
    char path[96];

    weir_ask ask = weir_world_ask(world, "/delay/20");
    counted(world, &ask, &own);
    ask = weir_world_ask(world, "/sink");
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body =
        (weir_body){.kind = WEIR_BODY_SPAN, .span = (weir_span){content, CONTENT_OCTETS}};
    counted(world, &ask, &own);
    assert_int_equal(own.body.sent, CONTENT_OCTETS);
    /* Asked once more, on another connection. */
    (void)snprintf(path, sizeof(path), "/misdirect?id=names-%d-%d-%d", world->way.kind,
                   world->way.protocol, world->way.tls);
    ask = weir_world_ask(world, path);
    counted(world, &ask, &own);
    assert_int_equal(own.attempts, 4);
    weir_user_settle(world->user);
    ask = weir_world_ask(world, "/octets/10");
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = 1; /* nothing listens there */
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_CONNECT_REFUSED);
    weir_metrics metrics = metrics_of(world);
    assert_sizes(&metrics, version, &own);
    assert_durations(world, &metrics, version, &own);
    assert_int_equal(number_of(&metrics, "weir.client.requests.started", ""), 4);
    assert_int_equal(number_of(&metrics, "weir.client.requests.ended", ""), 3);
    assert_int_equal(number_of(&metrics, "weir.client.requests.ended", "failed"), 1);
    assert_int_equal(number_of(&metrics, "weir.client.requests.ended", "cancelled"), 0);
    assert_int_equal(number_of(&metrics, "weir.client.requests.resent", ""), 1);
    assert_int_equal(number_of(&metrics, "weir.client.connections.opened", ""), 2);
    assert_int_equal(number_of(&metrics, "weir.client.connections.closed", ""), 1);
    assert_int_equal(number_of(&metrics, "http.client.open_connections", "active"), 0);
    assert_int_equal(number_of(&metrics, "http.client.open_connections", "idle"), 1);
    assert_int_equal(number_of(&metrics, "http.client.active_requests", ""), 0);

    ask = weir_world_ask(world, "/drip/100000000?ms=100000");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    metrics = metrics_of(world);
    assert_int_equal(number_of(&metrics, "http.client.active_requests", ""), 1);
    assert_int_equal(number_of(&metrics, "http.client.open_connections", "active"), 1);
    assert_int_equal(number_of(&metrics, "http.client.open_connections", "idle"), 0);
    weir_world_drop(world, exchange);
    weir_user_settle(world->user);
    metrics = metrics_of(world);
    assert_int_equal(number_of(&metrics, "weir.client.requests.ended", "cancelled"), 1);
    assert_int_equal(
        sample_of(&metrics, "http.client.request.duration", version, "cancelled").count, 1);
}

static const weir_behaviour behaviours[] = {
    {"each request is counted once, with its octets", requests, 0, NULL},
    {"gauges say what is under way, and return", under_way, 0, NULL},
    {"a duration ends with the head", until_the_head, 0, NULL},
    {"failures are counted apart", failures, 0, NULL},
    {"who leaves the queue without a place was in it", left_in_the_queue, 0, NULL},
    {"to pre-connect is no request", pre_connecting, 0, NULL},
    {"an exporter is told them by OpenTelemetry's names", by_their_names, 0, NULL},
    {"they are read while others call", read_while_others_call, WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    return weir_world_run("metrics", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
