/* SPDX-License-Identifier: MIT */
/*
 * Counting by series: the attributes of each metric, which requests and connections are counted
 * together, and readings: a series' record and the words in it.
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

static void series__have_the_attributes_that_are_required(void **state)
{
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    bench_opened(&b, "a.example", WEIR_H1);
    bench_answered(&b, "a.example", "GET", 200);
    (void)bench_begin(&b, "a.example", "POST");
    weir_metrics_reading *reading = bench_read(&b);
    const char *get = WHERE " http.request.method=GET";
    const char *queue = WHERE " http.request.method=GET network.protocol.version=1.1";
    const char *ok = WHERE " http.request.method=GET network.protocol.version=1.1 "
                           "http.response.status_code=200";
    const char *conn = WHERE " network.protocol.version=1.1";
    assert_int_equal(bench_find(reading, "http.client.active_requests", get).value, 0);
    assert_int_equal(
        bench_find(reading, "http.client.active_requests", WHERE " http.request.method=POST").value,
        1);
    assert_int_equal(bench_find(reading, "weir.client.requests.started", get).value, 1);
    assert_int_equal(bench_find(reading, "http.client.request.time_in_queue", queue).count, 2);
    assert_int_equal(bench_find(reading, "weir.client.requests.ended", ok).value, 1);
    assert_int_equal(bench_find(reading, "weir.client.requests.resent", ok).value, 1);
    weir_series_sample sample = bench_find(reading, "http.client.request.duration", ok);
    assert_int_equal(sample.count, 1);
    assert_int_equal(sample.buckets[0], 1);
    assert_int_equal(sample.boundary_count, 14);
    assert_string_equal(sample.unit, "s");
    assert_int_equal(sample.attributes[1].type, WEIR_ATTRIBUTE_INTEGER);
    assert_int_equal(sample.attributes[1].number, 8080);
    assert_int_equal(sample.attributes[5].type, WEIR_ATTRIBUTE_INTEGER);
    assert_int_equal(sample.attributes[5].number, 200);
    assert_int_equal(sample.attributes[0].type, WEIR_ATTRIBUTE_STRING);
    assert_true(bench_find(reading, "http.client.request.body.size", ok).sum == 100);
    assert_true(bench_find(reading, "http.client.response.body.size", ok).sum == 200);
    assert_true(bench_find(reading, "weir.client.request.size", ok).sum == 110);
    assert_true(bench_find(reading, "weir.client.response.size", ok).sum == 220);
    assert_int_equal(bench_find(reading, "weir.client.connections.opened", conn).value, 1);
    assert_int_equal(bench_find(reading, "weir.client.connections.closed", conn).value, 0);
    assert_int_equal(bench_find(reading, "http.client.connection.duration", conn).count, 0);
    assert_int_equal(bench_find(reading, "http.client.open_connections",
                                WHERE " network.protocol.version=1.1 http.connection.state=active")
                         .value,
                     1);
    assert_int_equal(bench_find(reading, "http.client.open_connections",
                                WHERE " network.protocol.version=1.1 http.connection.state=idle")
                         .value,
                     0);
    weir_metrics_reading_free(reading);
    bench_close(&b);
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
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    bench_answered(&b, "a.example", "GET", 399);
    bench_answered(&b, "a.example", "GET", 400);
    bench_answered(&b, "a.example", "GET", 500);
    bench_end(&b, bench_begin(&b, "a.example", "GET"), &none);
    bench_end(&b, bench_begin(&b, "a.example", "GET"), &cut);
    weir_metrics_reading *reading = bench_read(&b);
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
        assert_int_equal(bench_find(reading, "http.client.request.duration", text).count, 1);
    }
    assert_int_equal(weir_series_count(reading, "http.client.request.duration"), 5);
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* Methods are told by name only if they are known, exactly as they are written. */
static void series__other_methods_are_one(void **state)
{
    const char *const known[] = {"GET",     "HEAD",    "POST",  "PUT",  "DELETE",
                                 "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    series_bench b;

    (void)state;
    bench_open(&b, 20);
    for (size_t i = 0; i < WEIR_COUNT_OF(known); i++) {
        char text[128];
        (void)bench_begin(&b, "a.example", known[i]);
        weir_metrics_reading *reading = bench_read(&b);
        (void)snprintf(text, sizeof(text), "%s http.request.method=%s", WHERE, known[i]);
        assert_int_equal(bench_find(reading, "weir.client.requests.started", text).value, 1);
        weir_metrics_reading_free(reading);
    }
    (void)bench_begin(&b, "a.example", "get");
    (void)bench_begin(&b, "a.example", "GETS");
    (void)bench_begin(&b, "a.example", "PROPFIND");
    weir_metrics_reading *reading = bench_read(&b);
    assert_int_equal(
        bench_find(reading, "weir.client.requests.started", WHERE " http.request.method=_OTHER")
            .value,
        3);
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

static void series__know_the_methods_they_are_given(void **state)
{
    series_bench b;

    (void)state;
    memset(&b, 0, sizeof(b));
    weir_failalloc_init(&b.memory, 0);
    b.methods = ",GET, PROPFIND\t,,MKCOL";
    assert_true(bench_try(&b, 10));
    (void)bench_begin(&b, "a.example", "PROPFIND");
    (void)bench_begin(&b, "a.example", "MKCOL");
    (void)bench_begin(&b, "a.example", "POST");
    (void)bench_begin(&b, "a.example", "");
    weir_metrics_reading *reading = bench_read(&b);
    const char *name = "weir.client.requests.started";
    assert_int_equal(bench_find(reading, name, WHERE " http.request.method=PROPFIND").value, 1);
    assert_int_equal(bench_find(reading, name, WHERE " http.request.method=MKCOL").value, 1);
    assert_int_equal(bench_find(reading, name, WHERE " http.request.method=_OTHER").value, 2);
    weir_metrics_reading_free(reading);
    /* Another account, of a process that was forked, knows the same. */
    weir_series_account *anew = weir_series_account_anew(b.core.series, 2);
    assert_non_null(anew);
    assert_int_equal(anew->method_count, 3);
    assert_int_equal(anew->limit, 10);
    assert_int_equal(anew->count[WEIR_SERIES_ASKED], 0);
    assert_string_equal((const char *)anew->methods[2].at, "MKCOL");
    weir_series_account_free(anew);
    bench_close(&b);
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
    series_bench b;

    (void)state;
    bench_open(&b, 20);
    b.core.series->hash_bits = 0; /* it is not the hash alone that tells them apart */
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < WEIR_COUNT_OF(keys); i++) {
            weir_metrics_started(&b.core.metrics);
            (void)weir_series_started(b.core.series, &keys[i], WEIR_SPAN("GET"));
        }
    }
    weir_metrics_reading *reading = bench_read(&b);
    assert_int_equal(weir_series_count(reading, "weir.client.requests.started"),
                     WEIR_COUNT_OF(keys));
    const weir_series_sample sample = bench_find(
        reading, "weir.client.requests.started",
        "server.address=fe80::1%eth1 server.port=80 url.scheme=http http.request.method=GET");
    assert_int_equal(sample.value, 2);
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* What was made meanwhile needs more room than was had. */
static void series__a_reading_that_is_too_small_is_not_filled(void **state)
{
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    bench_answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading =
        weir_reading_new(&b.memory.allocator, weir_reading_octets(&b.core));
    bench_answered(&b, "a.example", "GET", 201);
    assert_false(weir_reading_fill(reading, &b.core));
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

/* The strings are the reading's: what it was taken of may be gone. */
static void series__a_reading_outlives_its_core(void **state)
{
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    bench_answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading = bench_read(&b);
    weir_series_account_check(b.core.series);
    weir_core_clear(&b.core);
    const weir_series_sample sample = bench_find(reading, "http.client.request.duration",
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
    series_bench b;

    (void)state;
    bench_open(&b, 10);
    bench_answered(&b, "a.example", "GET", 200);
    weir_metrics_reading *reading = bench_read(&b);
    assert_true(weir_metrics_reading_at(reading, 0, &room.sample));
    assert_string_equal(room.sample.name, "http.client.active_requests");
    assert_int_equal(room.sample.value, 77);
    assert_false(weir_metrics_reading_at(reading, SIZE_MAX, &room.sample));
    weir_metrics_reading_free(reading);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series__have_the_attributes_that_are_required),
        cmocka_unit_test(series__an_error_has_its_type),
        cmocka_unit_test(series__other_methods_are_one),
        cmocka_unit_test(series__know_the_methods_they_are_given),
        cmocka_unit_test(series__tell_servers_apart),
        cmocka_unit_test(series__a_reading_that_is_too_small_is_not_filled),
        cmocka_unit_test(series__a_reading_outlives_its_core),
        cmocka_unit_test(series__shorter_samples_are_kept_to),
    };
    return cmocka_run_group_tests_name("series", tests, NULL, NULL);
}
