/* SPDX-License-Identifier: MIT */
/* The bench of the tests of series: see series_bench.h. */
#include "series_bench.h"

#include "support/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

bool bench_try(series_bench *b, uint32_t limit)
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

void bench_open(series_bench *b, uint32_t limit)
{
    memset(b, 0, sizeof(*b));
    weir_failalloc_init(&b->memory, 0);
    assert_true(bench_try(b, limit));
}

void bench_close(series_bench *b)
{
    weir_series_account_check(b->core.series);
    weir_core_clear(&b->core);
    weir_failalloc_finish(&b->memory);
}

weir_server_key bench_server(const char *host, uint16_t port)
{
    return (weir_server_key){.port = port, .host = weir_span_of(host)};
}

/* As core.c does: totals and series at the same moment. */
weir_series *bench_begin(series_bench *b, const char *host, const char *method)
{
    const weir_server_key key = bench_server(host, 8080);

    weir_metrics_started(&b->core.metrics);
    return weir_series_started(b->core.series, &key, weir_span_of(method));
}

void bench_queued(series_bench *b, const weir_series *asked, weir_protocol protocol, weir_time ns)
{
    weir_metrics_queued(&b->core.metrics, protocol, ns);
    weir_series_queued(b->core.series, asked, protocol, ns);
}

void bench_end(series_bench *b, weir_series *asked, const weir_metrics_request *request)
{
    weir_metrics_ended(&b->core.metrics, request);
    weir_series_ended(b->core.series, asked, request);
}

void bench_answered(series_bench *b, const char *host, const char *method, int code)
{
    const weir_metrics_request request = {
        .protocol = WEIR_H1,
        .code = code,
        .duration_ns = MS(3),
        .attempts = 2,
        .tally = {.head = {10, 20}, .body = {100, 200}},
    };
    weir_series *asked = bench_begin(b, host, method);

    bench_queued(b, asked, WEIR_H1, MS(1));
    bench_queued(b, asked, WEIR_H1, MS(2));
    bench_end(b, asked, &request);
}

void bench_opened(series_bench *b, const char *host, weir_protocol protocol)
{
    const weir_server_key key = bench_server(host, 8080);

    weir_metrics_opened(&b->core.metrics);
    weir_series_opened(b->core.series, &key, protocol);
}

void bench_closed(series_bench *b, const char *host, weir_protocol protocol)
{
    const weir_server_key key = bench_server(host, 8080);

    weir_metrics_closed(&b->core.metrics, protocol, MS(7));
    weir_series_closed(b->core.series, &key, protocol, MS(7));
}

weir_metrics_reading *bench_read(series_bench *b)
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

weir_series_sample bench_find(const weir_metrics_reading *reading, const char *name,
                              const char *attributes)
{
    weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;

    if (!weir_series_find(reading, name, attributes, &sample)) {
        fail_msg("no %s{%s}", name, attributes);
    }
    return sample;
}
