/* SPDX-License-Identifier: MIT */
/*
 * What a client or loop counts by series, by both front ends: with which attributes, how many
 * series there are at most, and that all of them together are the totals whenever they are read.
 */
#include "support/series.h"
#include "support/world.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DURATION "http.client.request.duration"
#define STARTED  "weir.client.requests.started"
#define OPEN     "http.client.open_connections"
#define REST     "otel.metric.overflow=true"

static weir_metrics_reading *read_series(weir_world *world)
{
    weir_status status = WEIR_E_STATE;
    weir_metrics_reading *reading = weir_user_reading(weir_world_user(world), &status);

    assert_int_equal(status, WEIR_OK);
    const char *wrong = weir_series_wrong(reading);
    assert_string_equal(wrong != NULL ? wrong : "nothing", "nothing");
    return reading;
}

/* The attributes of the origin, and of this world's protocol if `version`, and more. */
static const char *attributes(const weir_world *world, const char *method, bool version,
                              const char *more)
{
    static char text[4][256];
    static unsigned next;
    char *to = text[next++ % 4];

    (void)snprintf(
        to, sizeof(text[0]), "server.address=127.0.0.1 server.port=%u url.scheme=%s%s%s%s%s",
        world->way.tls ? world->origin->tls_port : world->origin->clear_port,
        world->way.tls ? "https" : "http", *method != '\0' ? " http.request.method=" : "", method,
        !version                         ? ""
        : world->way.protocol == WEIR_H1 ? " network.protocol.version=1.1"
                                         : " network.protocol.version=2",
        more);
    return to;
}

static weir_series_sample find(const weir_metrics_reading *reading, const char *name,
                               const char *with)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;

    if (!weir_series_find(reading, name, with, &sample)) {
        char text[256];
        for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
            if (strcmp(sample.name, name) == 0) {
                weir_series_text(&sample, text, sizeof(text));
                print_message("there is {%s}\n", text);
            }
        }
        fail_msg("no %s{%s}", name, with);
    }
    return sample;
}

static void fetch(weir_world *world, const char *method, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);

    ask.request.method = weir_span_of(method);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static void by_attributes(weir_world *world)
{
    const char *ok = " http.response.status_code=200";
    const char *gone = " http.response.status_code=410 error.type=410";

    world->options.metrics_series = 100;
    fetch(world, "GET", "/octets/1000");
    fetch(world, "GET", "/octets/500");
    fetch(world, "HEAD", "/octets/500");
    fetch(world, "GET", "/status/410");
    fetch(world, "REPORT", "/status/200");
    weir_ask ask = weir_world_ask(world, "/octets/10");
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = 1; /* nothing listens there */
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_CONNECT_REFUSED);
    weir_metrics_reading *reading = read_series(world);
    const char *get = attributes(world, "GET", true, ok);
    assert_int_equal(find(reading, DURATION, get).count, 2);
    assert_true(find(reading, DURATION, get).sum > 0);
    assert_true(find(reading, "http.client.response.body.size", get).sum == 1500);
    assert_int_equal(find(reading, DURATION, attributes(world, "HEAD", true, ok)).count, 1);
    assert_int_equal(find(reading, DURATION, attributes(world, "GET", true, gone)).count, 1);
    assert_int_equal(find(reading, DURATION, attributes(world, "_OTHER", true, ok)).count, 1);
    /* It is the server that was asked for, wherever the call connects to. */
    const char *refused = attributes(world, "GET", false, " error.type=WEIR_E_CONNECT_REFUSED");
    assert_int_equal(find(reading, DURATION, refused).count, 1);
    assert_int_equal(weir_series_count(reading, DURATION), 5);
    assert_int_equal(find(reading, STARTED, attributes(world, "GET", false, "")).value, 4);
    assert_int_equal(
        find(reading, "http.client.request.time_in_queue", attributes(world, "GET", true, ""))
            .count,
        3);
    assert_int_equal(
        find(reading, "weir.client.connections.opened", attributes(world, "", true, "")).value, 1);
    weir_metrics_reading_free(reading);
}

static void open_connections(weir_world *world)
{
    const char *active = attributes(world, "", true, " http.connection.state=active");
    const char *idle = attributes(world, "", true, " http.connection.state=idle");
    weir_ask ask = weir_world_ask(world, "/drip/100000000?ms=100000");
    weir_exchange *exchange = NULL;

    world->options.metrics_series = 100;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_metrics_reading *reading = read_series(world);
    assert_int_equal(find(reading, OPEN, active).value, 1);
    assert_int_equal(find(reading, OPEN, idle).value, 0);
    assert_int_equal(
        find(reading, "http.client.active_requests", attributes(world, "GET", false, "")).value, 1);
    weir_metrics_reading_free(reading);
    weir_world_drop(world, exchange);
    weir_user_settle(world->user);
    fetch(world, "GET", "/octets/10");
    reading = read_series(world);
    assert_int_equal(find(reading, OPEN, active).value, 0);
    assert_int_equal(find(reading, OPEN, idle).value, 1);
    assert_int_equal(
        find(reading, "http.client.active_requests", attributes(world, "GET", false, "")).value, 0);
    /* Its response had come when it was cancelled. */
    const char *cancelled = attributes(
        world, "GET", true, " http.response.status_code=200 error.type=WEIR_E_CANCELLED");
    assert_int_equal(find(reading, DURATION, cancelled).count, 1);
    assert_int_equal(
        find(reading, "http.client.connection.duration", attributes(world, "", true, "")).count,
        world->way.protocol == WEIR_H1 ? 1 : 0);
    weir_metrics_reading_free(reading);
}

/* It is counted once, with the answer to its last attempt; each attempt waited for a connection. */
static void resent(weir_world *world)
{
    char path[96];

    world->options.metrics_series = 100;
    (void)snprintf(path, sizeof(path), "/misdirect?id=series-%d-%d-%d", world->way.kind,
                   world->way.protocol, world->way.tls);
    fetch(world, "GET", "/octets/10"); /* a 421 on a new connection would be an answer */
    fetch(world, "GET", path);
    weir_metrics_reading *reading = read_series(world);
    const char *get = attributes(world, "GET", true, " http.response.status_code=200");
    assert_int_equal(find(reading, "weir.client.requests.resent", get).value, 1);
    assert_int_equal(find(reading, "weir.client.requests.ended", get).value, 2);
    assert_int_equal(
        find(reading, "http.client.request.time_in_queue", attributes(world, "GET", true, ""))
            .count,
        3);
    weir_metrics_reading_free(reading);
}

static void over_the_limit(weir_world *world)
{
    char path[32];

    world->options.metrics_series = 2;
    for (int code = 400; code < 410; code++) {
        (void)snprintf(path, sizeof(path), "/status/%d", code);
        fetch(world, "GET", path);
    }
    fetch(world, "PUT", "/octets/10");
    fetch(world, "HEAD", "/octets/10");
    weir_metrics_reading *reading = read_series(world);
    assert_int_equal(weir_series_count(reading, DURATION), 3);
    assert_int_equal(find(reading, DURATION, REST).count, 10);
    assert_int_equal(weir_series_count(reading, STARTED), 3);
    assert_int_equal(find(reading, STARTED, REST).value, 1);
    weir_metrics_reading_free(reading);
}

/* What is over the limit has no state either: those of both are told as one. */
static void connections_over_the_limit(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    char url[96];

    world->options.metrics_series = 1;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    (void)snprintf(url, sizeof(url), "http://b.example:%u/octets/10", world->origin->clear_port);
    ask.request.url = weir_span_of(url);
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_metrics_reading *reading = read_series(world);
    assert_int_equal(find(reading, OPEN, REST).value, 1);
    assert_int_equal(
        find(reading, OPEN, attributes(world, "", true, " http.connection.state=idle")).value, 1);
    assert_int_equal(weir_series_count(reading, OPEN), 3);
    weir_metrics_reading_free(reading);
}

static void not_by_default(weir_world *world)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    weir_metrics totals = WEIR_METRICS_INIT;

    fetch(world, "GET", "/octets/10");
    if (world->options.metrics_series > 0) {
        return; /* the environment wants them everywhere */
    }
    weir_metrics_reading *reading = weir_user_reading(weir_world_user(world), NULL);
    assert_non_null(reading);
    assert_false(weir_metrics_reading_at(reading, 0, &sample));
    weir_metrics_reading_totals(reading, &totals);
    assert_int_equal(totals.requests_started, 1);
    assert_int_equal(totals.idle_connections, 1);
    weir_metrics_reading_free(reading);
}

static void methods_of_their_own(weir_world *world)
{
    world->options.metrics_series = 100;
    world->options.metrics_methods = "REPORT,GET";
    fetch(world, "REPORT", "/status/200");
    fetch(world, "HEAD", "/octets/10");
    weir_metrics_reading *reading = read_series(world);
    assert_int_equal(find(reading, STARTED, attributes(world, "REPORT", false, "")).value, 1);
    assert_int_equal(find(reading, STARTED, attributes(world, "_OTHER", false, "")).value, 1);
    weir_metrics_reading_free(reading);
}

static void without_memory(weir_world *world)
{
    weir_status status = WEIR_OK;

    world->options.metrics_series = 100;
    fetch(world, "GET", "/octets/10");
    world->memory.fail_at = atomic_load(&world->memory.calls) + 1;
    assert_null(weir_user_reading(weir_world_user(world), &status));
    assert_int_equal(status, WEIR_E_NOMEM);
    world->memory.fail_at = 0;
    weir_metrics_reading_free(read_series(world));
}

/* -- read while calls are made -- */

#define TO_CANCEL     "/octets/200000" /* is not read to its end */
#define CALLERS       6
#define CALLS_OF_EACH 20

typedef struct watched {
    weir_world *world;
    atomic_uint over;  /* callers that have made their calls */
    atomic_uint whole; /* calls that were answered */
    atomic_uint looks;
    atomic_uint wrong; /* readings whose series are not the totals, or that went back */
} watched;

static bool call(weir_user *user, const char *method, const char *path, const watched *w)
{
    weir_ask ask = weir_world_ask(w->world, path);
    weir_exchange *exchange = NULL;

    ask.call.observer = NULL;
    ask.request.method = weir_span_of(method);
    weir_status status = weir_user_call(user, &ask.request, &ask.call, &exchange);
    if (status == WEIR_OK && strcmp(path, TO_CANCEL) != 0) {
        status = weir_user_read_on(user, exchange);
    }
    weir_user_drop(user, exchange);
    return status == WEIR_END;
}

static void make_calls(weir_user *user, size_t index, watched *w)
{
    static const char *const methods[] = {"GET", "HEAD", "REPORT", "PUT"};
    static const char *const paths[] = {"/octets/1000", "/status/404", "/status/500", TO_CANCEL,
                                        "/octets/100000"};

    for (size_t i = 0; i < CALLS_OF_EACH; i++) {
        atomic_fetch_add(&w->whole, call(user, methods[i % 4], paths[(i + index) % 5], w));
    }
    atomic_fetch_add(&w->over, 1);
}

static void look(weir_user *user, watched *w)
{
    uint64_t started_before = 0;

    for (bool last = false; !last;) {
        last = atomic_load(&w->over) == CALLERS;
        weir_metrics metrics = WEIR_METRICS_INIT;
        weir_metrics_reading *reading = weir_user_reading(user, NULL);
        if (reading == NULL || weir_series_wrong(reading) != NULL) {
            atomic_fetch_add(&w->wrong, 1);
        } else {
            weir_metrics_reading_totals(reading, &metrics);
            atomic_fetch_add(&w->wrong, metrics.requests_started < started_before);
            started_before = metrics.requests_started;
        }
        weir_metrics_reading_free(reading);
        atomic_fetch_add(&w->looks, 1);
        if (weir_user_client(user) != NULL) {
            (void)sched_yield();
        } else {
            call(user, "GET", "/octets/10", w); /* the others go on while it waits */
        }
    }
}

static void look_or_call(weir_user *user, size_t index, void *shared)
{
    if (index == 0) {
        look(user, shared);
    } else {
        make_calls(user, index, shared);
    }
}

static void read_while_others_call(weir_world *world)
{
    watched w = {.world = world};

    world->options.metrics_series = *(const uint32_t *)world->with;
    weir_user_together(weir_world_user(world), CALLERS + 1, look_or_call, &w);
    assert_true(atomic_load(&w.whole) > 0);
    assert_int_equal(atomic_load(&w.wrong), 0);
    assert_true(atomic_load(&w.looks) > 0);
    weir_metrics_reading_free(read_series(world));
    const weir_metrics metrics = weir_user_metrics(weir_world_user(world));
    assert_true(metrics.requests_started >= CALLERS * CALLS_OF_EACH);
    assert_int_equal(metrics.active_requests, 0);
}

static const uint32_t few = 3;
static const uint32_t many = 1000;

static const weir_behaviour behaviours[] = {
    {"a series for each set of attributes", by_attributes, 0, NULL},
    {"connections are told by their server and state", open_connections, 0, NULL},
    {"what was resent is told with its last answer", resent, 0, NULL},
    {"over the limit they are one", over_the_limit, 0, NULL},
    {"connections over the limit are one", connections_over_the_limit, WEIR_ONLY_CLEAR, NULL},
    {"nothing is counted by series unless it is asked for", not_by_default, 0, NULL},
    {"methods are those that the program knows", methods_of_their_own, 0, NULL},
    {"a reading without memory is refused, and nothing is lost", without_memory, 0, NULL},
    {"series are the totals while others call", read_while_others_call, 0, &many},
    {"series are the totals while others call, most over the limit", read_while_others_call, 0,
     &few},
};

int main(void)
{
    return weir_world_run("series", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
