/* SPDX-License-Identifier: MIT */
/*
 * Counting, and telling what was counted: buckets and their edges, names and attributes, records
 * of other lengths.
 */
#include "engine/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS(n) ((weir_time)(n)*WEIR_NS_PER_MS)

static const char *attribute(const weir_metric_sample *sample, const char *name)
{
    for (size_t i = 0; i < sample->attribute_count; i++) {
        if (strcmp(sample->attributes[i].name, name) == 0) {
            return sample->attributes[i].value;
        }
    }
    return "";
}

/* The sample of that name with these attributes; "": without. */
static weir_metric_sample find(const weir_metrics *metrics, const char *name, const char *version,
                               const char *error)
{
    weir_metric_sample sample = WEIR_METRIC_SAMPLE_INIT;

    for (size_t i = 0; weir_metrics_at(metrics, i, &sample); i++) {
        if (strcmp(sample.name, name) == 0 &&
            strcmp(attribute(&sample, "network.protocol.version"), version) == 0 &&
            strcmp(attribute(&sample, "error.type"), error) == 0) {
            return sample;
        }
    }
    fail_msg("no %s{%s, %s}", name, version, error);
    return sample;
}

static void metrics__a_duration_is_in_the_bucket_that_it_does_not_exceed(void **state)
{
    weir_metrics metrics = WEIR_METRICS_INIT;

    (void)state;
    weir_metrics_queued(&metrics, WEIR_H1, 0);
    weir_metrics_queued(&metrics, WEIR_H1, MS(5)); /* a boundary belongs to what is below it */
    weir_metrics_queued(&metrics, WEIR_H1, MS(5) + 1);
    weir_metrics_queued(&metrics, WEIR_H1, MS(10000));
    weir_metrics_queued(&metrics, WEIR_H1, MS(10000) + 1);
    weir_metric_sample sample = find(&metrics, "http.client.request.time_in_queue", "1.1", "");
    assert_int_equal(sample.kind, WEIR_METRIC_HISTOGRAM);
    assert_int_equal(sample.count, 5);
    assert_int_equal(sample.boundary_count, 14);
    assert_int_equal(sample.buckets[0], 2);
    assert_int_equal(sample.buckets[1], 1);
    assert_int_equal(sample.buckets[13], 1);
    assert_int_equal(sample.buckets[14], 1);
    assert_true(sample.sum > 20.01 && sample.sum < 20.0100001);
    assert_string_equal(sample.unit, "s");
    assert_int_equal(find(&metrics, "http.client.request.time_in_queue", "2", "").count, 0);
}

/* Seconds for exporters and nanoseconds for counting say the same. */
static void metrics__boundaries_are_the_same_in_both_units(void **state)
{
    weir_metrics metrics = WEIR_METRICS_INIT;

    (void)state;
    const double *s = find(&metrics, "http.client.request.duration", "2", "").boundaries;
    for (size_t i = 0; i < WEIR_METRIC_BOUNDARIES; i++) {
        assert_int_equal(weir_request_boundaries_ns()[i], (weir_time)(s[i] * 1e9 + 0.5));
    }
    s = find(&metrics, "http.client.connection.duration", "2", "").boundaries;
    for (size_t i = 0; i < WEIR_METRIC_BOUNDARIES; i++) {
        assert_int_equal(weir_connection_boundaries_ns()[i], (weir_time)(s[i] * 1e9 + 0.5));
        assert_true(i == 0 || s[i] > s[i - 1]);
    }
}

static void metrics__a_request_is_counted_by_protocol_and_outcome(void **state)
{
    weir_metrics metrics = WEIR_METRICS_INIT;
    const weir_metrics_request good = {
        .protocol = WEIR_H2,
        .duration_ns = MS(30),
        .attempts = 3,
        .tally = {.head = {10, 20}, .body = {100, 200}, .framing = {1, 2}, .tls = {7, 7}},
    };
    const weir_metrics_request bad = {.outcome = WEIR_OUTCOME_FAILED, .duration_ns = MS(1)};

    (void)state;
    for (int i = 0; i < 3; i++) {
        weir_metrics_started(&metrics);
    }
    weir_metrics_ended(&metrics, &good);
    weir_metrics_ended(&metrics, &bad);
    assert_int_equal(find(&metrics, "http.client.active_requests", "", "").value, 1);
    assert_int_equal(find(&metrics, "weir.client.requests.started", "", "").value, 3);
    assert_int_equal(find(&metrics, "weir.client.requests.ended", "", "").value, 1);
    assert_int_equal(find(&metrics, "weir.client.requests.ended", "", "failed").value, 1);
    assert_int_equal(find(&metrics, "weir.client.requests.ended", "", "cancelled").value, 0);
    assert_int_equal(find(&metrics, "weir.client.requests.resent", "", "").value, 2);
    assert_int_equal(find(&metrics, "http.client.request.duration", "2", "").buckets[3], 1);
    assert_int_equal(find(&metrics, "http.client.request.duration", "", "failed").count, 1);
    assert_int_equal(find(&metrics, "http.client.request.duration", "2", "failed").count, 0);
    assert_true(find(&metrics, "http.client.request.body.size", "2", "").sum == 100);
    assert_true(find(&metrics, "http.client.response.body.size", "2", "").sum == 200);
    assert_true(find(&metrics, "weir.client.request.size", "2", "").sum == 111);
    assert_true(find(&metrics, "weir.client.response.size", "2", "").sum == 222);
    assert_null(find(&metrics, "weir.client.response.size", "2", "").boundaries);
}

static void metrics__a_connection_is_counted_when_it_opens_and_closes(void **state)
{
    weir_metrics metrics = WEIR_METRICS_INIT;

    (void)state;
    weir_metrics_opened(&metrics);
    weir_metrics_opened(&metrics);
    weir_metrics_closed(&metrics, WEIR_H1, MS(301000));
    assert_int_equal(find(&metrics, "weir.client.connections.opened", "", "").value, 2);
    assert_int_equal(find(&metrics, "weir.client.connections.closed", "", "").value, 1);
    assert_int_equal(find(&metrics, "http.client.connection.duration", "1.1", "").buckets[14], 1);
}

/* Every sample once, each with a name and a unit; those of a name are neighbours. */
static void metrics__all_are_told_once(void **state)
{
    weir_metrics metrics = WEIR_METRICS_INIT;
    weir_metric_sample before = WEIR_METRIC_SAMPLE_INIT;
    weir_metric_sample sample = WEIR_METRIC_SAMPLE_INIT;
    size_t names = 0;
    size_t count = 0;

    (void)state;
    metrics.active_connections = 3;
    metrics.idle_connections = 4;
    for (; weir_metrics_at(&metrics, count, &sample); count++) {
        assert_true(strlen(sample.name) > 5 && strlen(sample.unit) > 0);
        names += before.name == NULL || strcmp(before.name, sample.name) != 0;
        before = sample;
        if (strcmp(sample.name, "http.client.open_connections") == 0) {
            const bool idle = strcmp(attribute(&sample, "http.connection.state"), "idle") == 0;
            assert_int_equal(sample.value, idle ? 4 : 3);
        }
    }
    assert_int_equal(names, 14);
    assert_int_equal(count, 4 + 3 + 1 + 1 + 1 + 9 + 6 * 3);
    assert_false(weir_metrics_at(&metrics, SIZE_MAX, &sample));
}

/* A program that knows fewer metrics, or a shorter sample, gets those. */
static void metrics__shorter_records_are_kept_to(void **state)
{
    weir_metrics metrics = {.size = offsetof(weir_metrics, request_duration)};
    struct {
        weir_metric_sample sample;
        char beyond;
    } room = {.sample = {.size = offsetof(weir_metric_sample, value), .value = 77}};
    size_t count = 0;

    (void)state;
    for (; weir_metrics_at(&metrics, count, &room.sample); count++) {
        assert_int_equal(room.sample.size, offsetof(weir_metric_sample, value));
        assert_int_equal(room.sample.value, 77);
    }
    assert_int_equal(count, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics__a_duration_is_in_the_bucket_that_it_does_not_exceed),
        cmocka_unit_test(metrics__boundaries_are_the_same_in_both_units),
        cmocka_unit_test(metrics__a_request_is_counted_by_protocol_and_outcome),
        cmocka_unit_test(metrics__a_connection_is_counted_when_it_opens_and_closes),
        cmocka_unit_test(metrics__all_are_told_once),
        cmocka_unit_test(metrics__shorter_records_are_kept_to),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
