/* SPDX-License-Identifier: MIT */
/*
 * Counting by series: the attributes of each metric, the limit and what is over it, no memory,
 * hashes that collide, and that all series together are always the totals.
 */
#include "engine/reading.h"
#include "support/failalloc.h"
#include "support/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS(n) ((weir_time)(n)*WEIR_NS_PER_MS)

#define WHERE "server.address=a.example server.port=8080 url.scheme=http"

typedef struct bench {
    weir_failalloc memory;
    weir_core core;
    const char *methods;
} bench;

static bool try_open(bench *b, uint32_t limit)
{
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    options.allocator = &b->memory.allocator;
    weir_shared *shared = weir_shared_new(&options, &status);
    if (shared == NULL) {
        return false;
    }
    const weir_core_options core = {
        .allocator = &b->memory.allocator,
        .shared = shared,
        .seed = 1,
        .metrics_series = limit,
        .metrics_methods = b->methods,
    };
    status = weir_core_init(&b->core, &core);
    weir_shared_release(shared);
    assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
    return status == WEIR_OK;
}

static void open_bench(bench *b, uint32_t limit)
{
    memset(b, 0, sizeof(*b));
    weir_failalloc_init(&b->memory, 0);
    assert_true(try_open(b, limit));
}

static void close_bench(bench *b)
{
    weir_series_account_check(b->core.series);
    weir_core_clear(&b->core);
    weir_failalloc_finish(&b->memory);
}

static weir_server_key server(const char *host, uint16_t port)
{
    return (weir_server_key){.port = port, .host = weir_span_of(host)};
}

/* As core.c does: totals and series at the same moment. */
static weir_series *begin(bench *b, const char *host, const char *method)
{
    const weir_server_key key = server(host, 8080);

    weir_metrics_started(&b->core.metrics);
    return weir_series_started(b->core.series, &key, weir_span_of(method));
}

static void queued(bench *b, const weir_series *asked, weir_protocol protocol, weir_time ns)
{
    weir_metrics_queued(&b->core.metrics, protocol, ns);
    weir_series_queued(b->core.series, asked, protocol, ns);
}

static void end(bench *b, weir_series *asked, const weir_metrics_request *request)
{
    weir_metrics_ended(&b->core.metrics, request);
    weir_series_ended(b->core.series, asked, request);
}

static void answered(bench *b, const char *host, const char *method, int code)
{
    const weir_metrics_request request = {
        .protocol = WEIR_H1,
        .code = code,
        .duration_ns = MS(3),
        .attempts = 2,
        .tally = {.head = {10, 20}, .body = {100, 200}},
    };
    weir_series *asked = begin(b, host, method);

    queued(b, asked, WEIR_H1, MS(1));
    queued(b, asked, WEIR_H1, MS(2));
    end(b, asked, &request);
}

static void opened(bench *b, const char *host, weir_protocol protocol)
{
    const weir_server_key key = server(host, 8080);

    weir_metrics_opened(&b->core.metrics);
    weir_series_opened(b->core.series, &key, protocol);
}

static void closed(bench *b, const char *host, weir_protocol protocol)
{
    const weir_server_key key = server(host, 8080);

    weir_metrics_closed(&b->core.metrics, protocol, MS(7));
    weir_series_closed(b->core.series, &key, protocol, MS(7));
}

static weir_metrics_reading *read_bench(bench *b)
{
    weir_metrics_reading *reading =
        weir_reading_new(&b->memory.allocator, weir_reading_octets(&b->core));

    assert_non_null(reading);
    assert_true(weir_reading_fill(reading, &b->core));
    reading = weir_reading_taken(reading, NULL);
    const char *wrong = weir_series_wrong(reading);
    assert_string_equal(wrong != NULL ? wrong : "nothing", "nothing");
    return reading;
}

static weir_series_sample find(const weir_metrics_reading *reading, const char *name,
                               const char *attributes)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;

    if (!weir_series_find(reading, name, attributes, &sample)) {
        fail_msg("no %s{%s}", name, attributes);
    }
    return sample;
}

static void series__have_the_attributes_that_are_required(void **state)
{
    bench b;

    (void)state;
    open_bench(&b, 10);
    opened(&b, "a.example", WEIR_H1);
    answered(&b, "a.example", "GET", 200);
    (void)begin(&b, "a.example", "POST");
    weir_metrics_reading *reading = read_bench(&b);
    const char *get = WHERE " http.request.method=GET";
    const char *queue = WHERE " http.request.method=GET network.protocol.version=1.1";
    const char *ok = WHERE " http.request.method=GET network.protocol.version=1.1 "
                           "http.response.status_code=200";
    const char *conn = WHERE " network.protocol.version=1.1";
    assert_int_equal(find(reading, "http.client.active_requests", get).value, 0);
    assert_int_equal(
        find(reading, "http.client.active_requests", WHERE " http.request.method=POST").value, 1);
    assert_int_equal(find(reading, "weir.client.requests.started", get).value, 1);
    assert_int_equal(find(reading, "http.client.request.time_in_queue", queue).count, 2);
    assert_int_equal(find(reading, "weir.client.requests.ended", ok).value, 1);
    assert_int_equal(find(reading, "weir.client.requests.resent", ok).value, 1);
    weir_series_sample sample = find(reading, "http.client.request.duration", ok);
    assert_int_equal(sample.count, 1);
    assert_int_equal(sample.buckets[0], 1);
    assert_int_equal(sample.boundary_count, 14);
    assert_string_equal(sample.unit, "s");
    assert_int_equal(sample.attributes[1].type, WEIR_ATTRIBUTE_INTEGER);
    assert_int_equal(sample.attributes[1].number, 8080);
    assert_int_equal(sample.attributes[5].type, WEIR_ATTRIBUTE_INTEGER);
    assert_int_equal(sample.attributes[5].number, 200);
    assert_int_equal(sample.attributes[0].type, WEIR_ATTRIBUTE_STRING);
    assert_true(find(reading, "http.client.request.body.size", ok).sum == 100);
    assert_true(find(reading, "http.client.response.body.size", ok).sum == 200);
    assert_true(find(reading, "weir.client.request.size", ok).sum == 110);
    assert_true(find(reading, "weir.client.response.size", ok).sum == 220);
    assert_int_equal(find(reading, "weir.client.connections.opened", conn).value, 1);
    assert_int_equal(find(reading, "weir.client.connections.closed", conn).value, 0);
    assert_int_equal(find(reading, "http.client.connection.duration", conn).count, 0);
    assert_int_equal(find(reading, "http.client.open_connections",
                          WHERE " network.protocol.version=1.1 http.connection.state=active")
                         .value,
                     1);
    assert_int_equal(find(reading, "http.client.open_connections",
                          WHERE " network.protocol.version=1.1 http.connection.state=idle")
                         .value,
                     0);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* A status code from 400 up is an error, as is whatever ends an exchange without success. */
static void series__an_error_has_its_type(void **state)
{
    const weir_metrics_request none = {.outcome = WEIR_OUTCOME_FAILED,
                                       .status = WEIR_E_DNS_NOT_FOUND};
    const weir_metrics_request cut = {.outcome = WEIR_OUTCOME_FAILED,
                                      .status = WEIR_E_TRUNCATED,
                                      .code = 503,
                                      .protocol = WEIR_H2};
    bench b;

    (void)state;
    open_bench(&b, 10);
    answered(&b, "a.example", "GET", 399);
    answered(&b, "a.example", "GET", 400);
    answered(&b, "a.example", "GET", 500);
    end(&b, begin(&b, "a.example", "GET"), &none);
    end(&b, begin(&b, "a.example", "GET"), &cut);
    weir_metrics_reading *reading = read_bench(&b);
    const char *const expected[] = {
        " network.protocol.version=1.1 http.response.status_code=399",
        " network.protocol.version=1.1 http.response.status_code=400 error.type=400",
        " network.protocol.version=1.1 http.response.status_code=500 error.type=500",
        " error.type=WEIR_E_DNS_NOT_FOUND",
        " network.protocol.version=2 http.response.status_code=503 error.type=WEIR_E_TRUNCATED",
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(expected); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "%s http.request.method=GET%s", WHERE, expected[i]);
        assert_int_equal(find(reading, "http.client.request.duration", text).count, 1);
    }
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 5);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* Methods are told by name only if they are known, exactly as they are written. */
static void series__other_methods_are_one(void **state)
{
    const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                 "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    bench b;

    (void)state;
    open_bench(&b, 20);
    for (size_t i = 0; i < WEIR_COUNT_OF(known); i++) {
        char text[128];
        (void)begin(&b, "a.example", known[i]);
        weir_metrics_reading *reading = read_bench(&b);
        (void)snprintf(text, sizeof(text), "%s http.request.method=%s", WHERE, known[i]);
        assert_int_equal(find(reading, "weir.client.requests.started", text).value, 1);
        weir_metrics_reading_free(reading);
    }
    (void)begin(&b, "a.example", "get");
    (void)begin(&b, "a.example", "GETS");
    (void)begin(&b, "a.example", "PROPFIND");
    weir_metrics_reading *reading = read_bench(&b);
    assert_int_equal(
        find(reading, "weir.client.requests.started", WHERE " http.request.method=_OTHER").value,
        3);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

static void series__know_the_methods_they_are_given(void **state)
{
    bench b;

    (void)state;
    memset(&b, 0, sizeof(b));
    weir_failalloc_init(&b.memory, 0);
    b.methods = ",GET, PROPFIND\t,,MKCOL";
    assert_true(try_open(&b, 10));
    (void)begin(&b, "a.example", "PROPFIND");
    (void)begin(&b, "a.example", "MKCOL");
    (void)begin(&b, "a.example", "POST");
    (void)begin(&b, "a.example", "");
    weir_metrics_reading *reading = read_bench(&b);
    const char *name = "weir.client.requests.started";
    assert_int_equal(find(reading, name, WHERE " http.request.method=PROPFIND").value, 1);
    assert_int_equal(find(reading, name, WHERE " http.request.method=MKCOL").value, 1);
    assert_int_equal(find(reading, name, WHERE " http.request.method=_OTHER").value, 2);
    weir_metrics_reading_free(reading);
    /* Another account, of a process that was forked, knows the same. */
    weir_series_account *anew = weir_series_account_anew(b.core.series, 2);
    assert_non_null(anew);
    assert_int_equal(anew->method_count, 3);
    assert_int_equal(anew->limit, 10);
    assert_int_equal(anew->count[WEIR_SERIES_ASKED], 0);
    assert_string_equal((const char *)anew->methods[2].at, "MKCOL");
    weir_series_account_free(anew);
    close_bench(&b);
}

/* Scheme, port and zone make another server. */
static void series__tell_servers_apart(void **state)
{
    const weir_server_key keys[] = {
        {.port = 80, .host = WEIR_SPAN("a.example")},
        {.port = 81, .host = WEIR_SPAN("a.example")},
        {.https = true, .port = 80, .host = WEIR_SPAN("a.example")},
        {.port = 80, .host = WEIR_SPAN("a.example.")},
        {.port = 80, .host = WEIR_SPAN("fe80::1")},
        {.port = 80, .host = WEIR_SPAN("fe80::1"), .zone = WEIR_SPAN("eth0")},
        {.port = 80, .host = WEIR_SPAN("fe80::1"), .zone = WEIR_SPAN("eth1")},
    };
    bench b;

    (void)state;
    open_bench(&b, 20);
    b.core.series->hash_bits = 0; /* it is not the hash alone that tells them apart */
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
            weir_metrics_started(&b.core.metrics);
            (void)weir_series_started(b.core.series, &keys[i], WEIR_SPAN("GET"));
        }
    }
    weir_metrics_reading *reading = read_bench(&b);
    assert_int_equal(weir_series_count(reading, "weir.client.requests.started"),
                     WEIR_COUNT_OF(keys));
    const weir_series_sample sample =
        find(reading, "weir.client.requests.started",
             "server.address=fe80::1%eth1 server.port=80 url.scheme=http http.request.method=GET");
    assert_int_equal(sample.value, 2);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* What is over the limit is one more series, whose only attribute says so; what has a series keeps
 * it. */
static void series__over_the_limit_are_one(void **state)
{
    char host[32];
    bench b;

    (void)state;
    open_bench(&b, 3);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(host, sizeof(host), "h%d.example", i);
        opened(&b, host, WEIR_H2);
        answered(&b, host, "GET", 200);
    }
    answered(&b, "h0.example", "GET", 200);
    weir_metrics_reading *reading = read_bench(&b);
    const char *rest = "otel.metric.overflow=true";
    weir_series_sample sample = find(reading, "http.client.request.duration", rest);
    assert_true(sample.is_overflow);
    assert_int_equal(sample.attributes[0].type, WEIR_ATTRIBUTE_BOOLEAN);
    assert_int_equal(sample.attributes[0].number, 1);
    assert_int_equal(sample.count, 7);
    assert_int_equal(find(reading, "weir.client.requests.started", rest).value, 7);
    assert_int_equal(find(reading, "http.client.request.time_in_queue", rest).count, 14);
    assert_int_equal(find(reading, "http.client.open_connections", rest).value, 7);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 4);
    assert_int_equal(weir_series_count(reading, "http.client.open_connections"), 3 * 2 + 1);
    sample = find(reading, "weir.client.requests.started",
                  "server.address=h0.example server.port=8080 url.scheme=http "
                  "http.request.method=GET");
    assert_int_equal(sample.value, 2);
    assert_false(sample.is_overflow);
    weir_metrics_reading_free(reading);
    assert_int_equal(b.core.series->server_count, 3); /* none is kept that nobody points to */
    close_bench(&b);
}

/* Status codes are the servers' to choose; of one server, too, there are no more. */
static void series__a_server_cannot_make_more(void **state)
{
    bench b;

    (void)state;
    open_bench(&b, 50);
    for (int code = 200; code < 1000; code++) {
        answered(&b, "a.example", "GET", code);
    }
    weir_metrics_reading *reading = read_bench(&b);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 51);
    assert_int_equal(
        find(reading, "http.client.request.duration", "otel.metric.overflow=true").count, 750);
    assert_int_equal(weir_series_count(reading, "weir.client.requests.started"), 1);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* Nothing is told of the rest before anything is counted there. */
static void series__there_is_no_rest_without_need(void **state)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    bench b;

    (void)state;
    open_bench(&b, 3);
    weir_metrics_reading *reading = read_bench(&b);
    assert_false(weir_metrics_reading_at(reading, 0, &sample));
    weir_metrics_reading_free(reading);
    answered(&b, "a.example", "GET", 200);
    reading = read_bench(&b);
    for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
        assert_false(sample.is_overflow);
    }
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* Equal hashes say nothing: of thousands there are four. */
static void series__are_not_taken_for_each_other(void **state)
{
    const weir_metric_outcome outcome = WEIR_OUTCOME_SUCCEEDED;
    char text[256];
    bench b;

    (void)state;
    open_bench(&b, 5000);
    b.core.series->hash_bits = 3;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 60; i++) {
            (void)snprintf(text, sizeof(text), "h%d.example", i);
            for (int code = 200; code < 210; code++) {
                answered(&b, text, code % 2 == 0 ? "GET" : "PUT", code);
            }
            opened(&b, text, i % 2 == 0 ? WEIR_H1 : WEIR_H2);
        }
    }
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof(text), "h%d.example", i);
        closed(&b, text, i % 2 == 0 ? WEIR_H1 : WEIR_H2);
    }
    weir_metrics_reading *reading = read_bench(&b);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 600);
    assert_int_equal(weir_series_count(reading, "http.client.active_requests"), 120);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof(text),
                       "server.address=h%d.example server.port=8080 url.scheme=http "
                       "http.request.method=GET network.protocol.version=1.1 "
                       "http.response.status_code=204",
                       i);
        assert_int_equal(find(reading, "http.client.request.duration", text).count, 2);
        (void)snprintf(text, sizeof(text),
                       "server.address=h%d.example server.port=8080 url.scheme=http "
                       "network.protocol.version=%s",
                       i, i % 2 == 0 ? "1.1" : "2");
        assert_int_equal(find(reading, "weir.client.connections.opened", text).value, 2);
        assert_int_equal(find(reading, "weir.client.connections.closed", text).value, 1);
    }
    assert_int_equal(b.core.metrics.requests_ended[outcome], 1200);
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* A connection that found no memory for its series closes where it opened. */
static void series__a_connection_closes_where_it_opened(void **state)
{
    const char *conn = WHERE " network.protocol.version=1.1";
    const char *rest = "otel.metric.overflow=true";
    bench b;

    (void)state;
    open_bench(&b, 10);
    b.memory.fail_at = atomic_load(&b.memory.calls) + 1;
    opened(&b, "a.example", WEIR_H1);
    opened(&b, "a.example", WEIR_H1); /* there would be memory now */
    weir_metrics_reading *reading = read_bench(&b);
    assert_int_equal(weir_series_count(reading, "weir.client.connections.opened"), 1);
    assert_int_equal(find(reading, "http.client.open_connections", rest).value, 2);
    weir_metrics_reading_free(reading);
    closed(&b, "a.example", WEIR_H1);
    closed(&b, "a.example", WEIR_H1);
    opened(&b, "a.example", WEIR_H1); /* nobody is in the rest now */
    reading = read_bench(&b);
    assert_int_equal(find(reading, "weir.client.connections.closed", rest).value, 2);
    assert_int_equal(find(reading, "weir.client.connections.opened", conn).value, 1);
    weir_metrics_reading_free(reading);
    closed(&b, "a.example", WEIR_H1);
    weir_metrics_reading_free(read_bench(&b));
    close_bench(&b);
}

/* Memory for servers, and none for their series: there are no more of them for that. */
static void series__servers_without_series_are_few(void **state)
{
    char host[32];
    bench b;

    (void)state;
    open_bench(&b, 3);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(host, sizeof(host), "h%d.example", i);
        b.memory.fail_at = atomic_load(&b.memory.calls) + 2;
        (void)begin(&b, host, "GET");
    }
    b.memory.fail_at = 0;
    assert_int_equal(b.core.series->count[WEIR_SERIES_ASKED], 0);
    assert_int_equal(b.core.series->server_count, 6);
    weir_metrics_reading_free(read_bench(&b));
    close_bench(&b);
}

static void count_without_memory(weir_failalloc *memory, void *user)
{
    const weir_allocator *allocator = &memory->allocator;
    weir_series_account *account = weir_series_account_new(
        &(weir_series_options){.allocator = allocator, .seed = 7, .limit = 4});
    const weir_metrics_request request = {.protocol = WEIR_H1, .code = 200, .duration_ns = MS(1)};
    uint64_t ended = 0;
    uint64_t opened_in_all = 0;

    (void)user;
    if (account == NULL) {
        return;
    }
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 6; i++) {
            const char host[] = {(char)('a' + i), '\0'};
            const weir_server_key key = server(host, 80);
            weir_series *asked = weir_series_started(account, &key, WEIR_SPAN("GET"));
            weir_series_queued(account, asked, WEIR_H1, 0);
            weir_series_opened(account, &key, WEIR_H1);
            weir_series_ended(account, asked, &request);
        }
    }
    for (int i = 0; i < 6; i++) {
        const char host[] = {(char)('a' + i), '\0'};
        const weir_server_key key = server(host, 80);
        weir_series_closed(account, &key, WEIR_H1, 1);
        weir_series_closed(account, &key, WEIR_H1, 1);
    }
    weir_series_account_check(account);
    for (const weir_series *at = account->series[WEIR_SERIES_ENDED]; at != NULL; at = at->next) {
        ended += at->numbers.ended.duration.count;
    }
    for (const weir_series *at = account->series[WEIR_SERIES_CONNECTIONS]; at != NULL;
         at = at->next) {
        opened_in_all += at->numbers.connections.opened;
        assert_int_equal(at->numbers.connections.opened, at->numbers.connections.duration.count);
    }
    assert_int_equal(ended + account->rest[WEIR_SERIES_ENDED].numbers.ended.duration.count, 12);
    assert_int_equal(
        opened_in_all + account->rest[WEIR_SERIES_CONNECTIONS].numbers.connections.opened, 12);
    weir_series_account_free(account);
}

static void series__without_memory_nothing_is_lost(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(count_without_memory, NULL) > 10);
}

/* A core whose series find no memory is not made, and leaves nothing. */
static void make_and_read(weir_failalloc *memory, void *user)
{
    bench b;

    (void)user;
    memset(&b, 0, sizeof(b));
    b.memory = *memory;
    b.memory.allocator.user = memory;
    if (!try_open(&b, 4)) {
        return;
    }
    weir_metrics_reading *reading =
        weir_reading_new(&memory->allocator, weir_reading_octets(&b.core));
    if (reading != NULL) {
        assert_true(weir_reading_fill(reading, &b.core));
        weir_status status = WEIR_E_STATE;
        assert_ptr_equal(weir_reading_taken(reading, &status), reading);
        assert_int_equal(status, WEIR_OK);
    } else {
        weir_status status = WEIR_OK;
        assert_null(weir_reading_taken(NULL, &status));
        assert_int_equal(status, WEIR_E_NOMEM);
    }
    weir_metrics_reading_free(reading);
    weir_core_clear(&b.core);
}

static void series__a_core_without_memory_is_not_made(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(make_and_read, NULL) > 5);
}

/* What was made meanwhile needs more room than was had. */
static void series__a_reading_that_is_too_small_is_not_filled(void **state)
{
    bench b;

    (void)state;
    open_bench(&b, 10);
    answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading =
        weir_reading_new(&b.memory.allocator, weir_reading_octets(&b.core));
    answered(&b, "a.example", "GET", 201);
    assert_false(weir_reading_fill(reading, &b.core));
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

/* The strings are the reading's: what it was taken of may be gone. */
static void series__a_reading_outlives_its_core(void **state)
{
    bench b;

    (void)state;
    open_bench(&b, 10);
    answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading = read_bench(&b);
    weir_series_account_check(b.core.series);
    weir_core_clear(&b.core);
    const weir_series_sample sample = find(reading, "http.client.request.duration",
                                           WHERE " http.request.method=GET "
                                                 "network.protocol.version=1.1 "
                                                 "http.response.status_code=200");
    assert_int_equal(sample.count, 1);
    weir_metrics_reading_free(reading);
    weir_failalloc_finish(&b.memory);
}

static void series__shorter_samples_are_kept_to(void **state)
{
    struct {
        weir_series_sample sample;
        char beyond;
    } room = {.sample = {.size = offsetof(weir_series_sample, value), .value = 77}};
    bench b;

    (void)state;
    open_bench(&b, 10);
    answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading = read_bench(&b);
    assert_true(weir_metrics_reading_at(reading, 0, &room.sample));
    assert_string_equal(room.sample.name, "http.client.active_requests");
    assert_int_equal(room.sample.value, 77);
    assert_false(weir_metrics_reading_at(reading, SIZE_MAX, &room.sample));
    weir_metrics_reading_free(reading);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series__have_the_attributes_that_are_required),
        cmocka_unit_test(series__an_error_has_its_type),
        cmocka_unit_test(series__other_methods_are_one),
        cmocka_unit_test(series__know_the_methods_they_are_given),
        cmocka_unit_test(series__tell_servers_apart),
        cmocka_unit_test(series__over_the_limit_are_one),
        cmocka_unit_test(series__a_server_cannot_make_more),
        cmocka_unit_test(series__there_is_no_rest_without_need),
        cmocka_unit_test(series__are_not_taken_for_each_other),
        cmocka_unit_test(series__a_connection_closes_where_it_opened),
        cmocka_unit_test(series__servers_without_series_are_few),
        cmocka_unit_test(series__without_memory_nothing_is_lost),
        cmocka_unit_test(series__a_core_without_memory_is_not_made),
        cmocka_unit_test(series__a_reading_that_is_too_small_is_not_filled),
        cmocka_unit_test(series__a_reading_outlives_its_core),
        cmocka_unit_test(series__shorter_samples_are_kept_to),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
