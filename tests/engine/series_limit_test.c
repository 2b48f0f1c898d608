/* SPDX-License-Identifier: MIT */
/*
 * How many series there may be: the limit and what is over it, hashes that collide, no memory; and
 * all series together are always the totals.
 */
#include "series_bench.h"

#include "support/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define WHERE "server.address=a.example server.port=8080 url.scheme=http"

/* What is over the limit is one more series, whose only attribute says so; what has a series keeps
 * it. */
static void series__over_the_limit_are_one(void **state)
{
    char host[32];
    series_bench b;

    (void)state;
    bench_open(&b, 3);
    for (int i = 0; i < 10; i++) {
        (void)snprintf(host, sizeof(host), "h%d.example", i);
        bench_opened(&b, host, WEIR_H2);
        bench_answered(&b, host, "GET", 200);
    }
    bench_answered(&b, "h0.example", "GET", 200);
    weir_metrics_reading *reading = bench_read(&b);
    const char *rest = "otel.metric.overflow=true";
    weir_series_sample sample = bench_find(reading, "http.client.request.duration", rest);
    assert_true(sample.is_overflow);
    assert_int_equal(sample.attributes[0].type, WEIR_ATTRIBUTE_BOOLEAN);
    assert_int_equal(sample.attributes[0].number, 1);
    assert_int_equal(sample.count, 7);
    assert_int_equal(bench_find(reading, "weir.client.requests.started", rest).value, 7);
    assert_int_equal(bench_find(reading, "http.client.request.time_in_queue", rest).count, 14);
    assert_int_equal(bench_find(reading, "http.client.open_connections", rest).value, 7);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 4);
    assert_int_equal(weir_series_count(reading, "http.client.open_connections"), 3 * 2 + 1);
    sample = bench_find(reading, "weir.client.requests.started",
                        "server.address=h0.example server.port=8080 url.scheme=http "
                        "http.request.method=GET");
    assert_int_equal(sample.value, 2);
    assert_false(sample.is_overflow);
    weir_metrics_reading_free(reading);
    assert_int_equal(b.core.series->server_count, 3); /* none is kept that nobody points to */
    bench_close(&b);
}

/* Status codes are the servers' to choose; of one server, too, there are no more. */
static void series__a_server_cannot_make_more(void **state)
{
    series_bench b;

    (void)state;
    bench_open(&b, 50);
    for (int code = 200; code < 1000; code++) {
        bench_answered(&b, "a.example", "GET", code);
    }
    weir_metrics_reading *reading = bench_read(&b);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 51);
    assert_int_equal(
        bench_find(reading, "http.client.request.duration", "otel.metric.overflow=true").count,
        750);
    assert_int_equal(weir_series_count(reading, "weir.client.requests.started"), 1);
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* Nothing is told of the rest before anything is counted there. */
static void series__there_is_no_rest_without_need(void **state)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
    series_bench b;

    (void)state;
    bench_open(&b, 3);
    weir_metrics_reading *reading = bench_read(&b);
    assert_false(weir_metrics_reading_at(reading, 0, &sample));
    weir_metrics_reading_free(reading);
    bench_answered(&b, "a.example", "GET", 200);
    reading = bench_read(&b);
    for (size_t i = 0; weir_metrics_reading_at(reading, i, &sample); i++) {
        assert_false(sample.is_overflow);
    }
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* Equal hashes say nothing: of thousands there are four. */
static void series__are_not_taken_for_each_other(void **state)
{
    const weir_metric_outcome outcome = WEIR_OUTCOME_SUCCEEDED;
    char text[256];
    series_bench b;

    (void)state;
    bench_open(&b, 5000);
    b.core.series->hash_bits = 3;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 60; i++) {
            (void)snprintf(text, sizeof(text), "h%d.example", i);
            for (int code = 200; code < 210; code++) {
                bench_answered(&b, text, code % 2 == 0 ? "GET" : "PUT", code);
            }
            bench_opened(&b, text, i % 2 == 0 ? WEIR_H1 : WEIR_H2);
        }
    }
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof(text), "h%d.example", i);
        bench_closed(&b, text, i % 2 == 0 ? WEIR_H1 : WEIR_H2);
    }
    weir_metrics_reading *reading = bench_read(&b);
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 600);
    assert_int_equal(weir_series_count(reading, "http.client.active_requests"), 120);
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof(text),
                       "server.address=h%d.example server.port=8080 url.scheme=http "
                       "http.request.method=GET network.protocol.version=1.1 "
                       "http.response.status_code=204",
                       i);
        assert_int_equal(bench_find(reading, "http.client.request.duration", text).count, 2);
        (void)snprintf(text, sizeof(text),
                       "server.address=h%d.example server.port=8080 url.scheme=http "
                       "network.protocol.version=%s",
                       i, i % 2 == 0 ? "1.1" : "2");
        assert_int_equal(bench_find(reading, "weir.client.connections.opened", text).value, 2);
        assert_int_equal(bench_find(reading, "weir.client.connections.closed", text).value, 1);
    }
    assert_int_equal(b.core.metrics.requests_ended[outcome], 1200);
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* A connection that found no memory for its series closes where it opened. */
static void series__a_connection_closes_where_it_opened(void **state)
{
    const char *conn = WHERE " network.protocol.version=1.1";
    const char *rest = "otel.metric.overflow=true";
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    b.memory.fail_at = atomic_load(&b.memory.calls) + 1;
    bench_opened(&b, "a.example", WEIR_H1);
    bench_opened(&b, "a.example", WEIR_H1); /* there would be memory now */
    weir_metrics_reading *reading = bench_read(&b);
    assert_int_equal(weir_series_count(reading, "weir.client.connections.opened"), 1);
    assert_int_equal(bench_find(reading, "http.client.open_connections", rest).value, 2);
    weir_metrics_reading_free(reading);
    bench_closed(&b, "a.example", WEIR_H1);
    bench_closed(&b, "a.example", WEIR_H1);
    bench_opened(&b, "a.example", WEIR_H1); /* nobody is in the rest now */
    reading = bench_read(&b);
    assert_int_equal(bench_find(reading, "weir.client.connections.closed", rest).value, 2);
    assert_int_equal(bench_find(reading, "weir.client.connections.opened", conn).value, 1);
    weir_metrics_reading_free(reading);
    bench_closed(&b, "a.example", WEIR_H1);
    weir_metrics_reading_free(bench_read(&b));
    bench_close(&b);
}

/* Memory for servers, and none for their series: there are no more of them for that. */
static void series__servers_without_series_are_few(void **state)
{
    char host[32];
    series_bench b;

    (void)state;
    bench_open(&b, 3);
    for (int i = 0; i < 50; i++) {
        (void)snprintf(host, sizeof(host), "h%d.example", i);
        b.memory.fail_at = atomic_load(&b.memory.calls) + 2;
        (void)bench_begin(&b, host, "GET");
    }
    b.memory.fail_at = 0;
    assert_int_equal(b.core.series->count[WEIR_SERIES_ASKED], 0);
    assert_int_equal(b.core.series->server_count, 6);
    weir_metrics_reading_free(bench_read(&b));
    bench_close(&b);
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
            const weir_server_key key = bench_server(host, 80);
            weir_series *asked = weir_series_started(account, &key, WEIR_SPAN("GET"));
            weir_series_queued(account, asked, WEIR_H1, 0);
            weir_series_opened(account, &key, WEIR_H1);
            weir_series_ended(account, asked, &request);
        }
    }
    for (int i = 0; i < 6; i++) {
        const char host[] = {(char)('a' + i), '\0'};
        const weir_server_key key = bench_server(host, 80);
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
    series_bench b;

    (void)user;
    memset(&b, 0, sizeof(b));
    b.memory = *memory;
    b.memory.allocator.user = memory;
    if (!bench_try(&b, 4)) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series__over_the_limit_are_one),
        cmocka_unit_test(series__a_server_cannot_make_more),
        cmocka_unit_test(series__there_is_no_rest_without_need),
        cmocka_unit_test(series__are_not_taken_for_each_other),
        cmocka_unit_test(series__a_connection_closes_where_it_opened),
        cmocka_unit_test(series__servers_without_series_are_few),
        cmocka_unit_test(series__without_memory_nothing_is_lost),
        cmocka_unit_test(series__a_core_without_memory_is_not_made),
    };
    return cmocka_run_group_tests_name("series_limit", tests, NULL, NULL);
}
