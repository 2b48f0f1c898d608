/* SPDX-License-Identifier: MIT */
/*
 * What a client or loop counts, with the names and meanings of OpenTelemetry's semantic conventions
 * where there are such; no SDK is needed. docs/metrics.md says of each when it begins and ends.
 *
 * Counted as it happens, read at any time: weir_client_metrics(), weir_loop_metrics(). Gauges go up
 * and down; everything else only grows, from the birth of the client or loop. Times are in
 * nanoseconds here, and in seconds, as OpenTelemetry has them, in weir_metric_sample (1 s is 1e9 ns
 * exactly).
 *
 * With options.metrics_series the same is counted by series, too: for each server, method, status
 * code, error and protocol apart, with the attributes that OpenTelemetry requires. A reading is a
 * copy of all series.
 *
 * Thread rule: values. A client's reading is taken from any thread, a loop's on its own; afterwards
 * it is a value.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include "weir/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_METRIC_PROTOCOLS                                                                      \
    3 /* indexed by weir_protocol; WEIR_PROTOCOL_ANY: none was spoken, there was no connection */
#define WEIR_METRIC_BOUNDARIES 14

typedef enum weir_metric_outcome {
    WEIR_OUTCOME_SUCCEEDED = 0, /* a complete response came, whatever its status code */
    WEIR_OUTCOME_FAILED,
    WEIR_OUTCOME_CANCELLED, /* WEIR_E_CANCELLED: by the caller, or freed while under way */
    WEIR_OUTCOMES
} weir_metric_outcome;

/* buckets[i]: how many were over boundary i-1 and not over boundary i; the last: over all
 * boundaries. */
typedef struct weir_durations {
    uint64_t count;
    weir_time sum_ns;
    uint64_t buckets[WEIR_METRIC_BOUNDARIES + 1];
} weir_durations;

typedef struct weir_sizes {
    uint64_t count;
    uint64_t sum_octets;
} weir_sizes;

typedef struct weir_metrics {
    size_t size;
    /* Gauges. */
    uint64_t active_requests; /* requests_started less requests_ended */
    /* connections_opened less connections_closed, less the idle ones */
    uint64_t active_connections;
    uint64_t idle_connections;
    /* Counters. */
    uint64_t requests_started;
    uint64_t requests_ended[WEIR_OUTCOMES];
    uint64_t requests_resent; /* attempts after the first, of requests that ended */
    uint64_t connections_opened;
    uint64_t connections_closed;
    /* Histograms. */
    weir_durations request_duration[WEIR_METRIC_PROTOCOLS][WEIR_OUTCOMES];
    weir_durations time_in_queue[WEIR_METRIC_PROTOCOLS];
    weir_durations connection_duration[WEIR_METRIC_PROTOCOLS];
    weir_sizes request_body[WEIR_METRIC_PROTOCOLS];
    weir_sizes response_body[WEIR_METRIC_PROTOCOLS];
    weir_sizes request[WEIR_METRIC_PROTOCOLS];
    weir_sizes response[WEIR_METRIC_PROTOCOLS];
} weir_metrics;
#define WEIR_METRICS_INIT WEIR_INIT(weir_metrics)

/* The WEIR_METRIC_BOUNDARIES boundaries that OpenTelemetry advises, in ns: of request_duration and
 * time_in_queue; of connection_duration. Static. */
WEIR_API const weir_time *weir_request_boundaries_ns(void);
WEIR_API const weir_time *weir_connection_boundaries_ns(void);

/* The same numbers one after another, as an exporter wants them. */
typedef enum weir_metric_kind {
    WEIR_METRIC_GAUGE = 0, /* OpenTelemetry: UpDownCounter */
    WEIR_METRIC_COUNTER,
    WEIR_METRIC_HISTOGRAM
} weir_metric_kind;

typedef struct weir_metric_attribute {
    const char *name;
    const char *value;
} weir_metric_attribute;

#define WEIR_METRIC_ATTRIBUTES 2

/* Strings and boundaries are static; `buckets` points into the metrics. */
typedef struct weir_metric_sample {
    size_t size;
    const char *name;        /* "http.client.request.duration" */
    const char *unit;        /* UCUM: "s", "By", "{request}" */
    const char *description; /* a sentence without a full stop */
    weir_metric_kind kind;
    weir_metric_attribute attributes[WEIR_METRIC_ATTRIBUTES];
    size_t attribute_count;
    uint64_t value;           /* GAUGE and COUNTER */
    uint64_t count;           /* HISTOGRAM */
    double sum;               /* ... in `unit` */
    const double *boundaries; /* ... in `unit`; NULL: count and sum alone are known */
    size_t boundary_count;
    const uint64_t *buckets; /* boundary_count + 1 of them */
} weir_metric_sample;
#define WEIR_METRIC_SAMPLE_INIT WEIR_INIT(weir_metric_sample)

/*
 * The i-th of them, from 0; fills sample->size octets of it. The order is always the same, samples
 * of one name are neighbours, and those that are 0 are told too. false: no such.
 */
WEIR_API bool weir_metrics_at(const weir_metrics *metrics, size_t i, weir_metric_sample *sample);

/* -- by series -- */

typedef struct weir_client weir_client;
typedef struct weir_loop weir_loop;
typedef struct weir_metrics_reading weir_metrics_reading;

/*
 * Takes a reading, everything as of one moment: O(series + connections) under the lock of the
 * client's core, without I/O; memory for it is had before. Without options.metrics_series there are
 * the totals alone. NULL and *status (may be NULL): WEIR_E_NOMEM; in the child of a fork that cannot
 * begin anew also WEIR_E_DESCRIPTORS and WEIR_E_STATE. The allocator is the client's or loop's,
 * *kept* until the reading is freed; the reading may outlive the client or loop.
 */
WEIR_API weir_metrics_reading *weir_client_metrics_reading(weir_client *client,
                                                           weir_status *status);
WEIR_API weir_metrics_reading *weir_loop_metrics_reading(weir_loop *loop, weir_status *status);
WEIR_API void weir_metrics_reading_free(weir_metrics_reading *reading); /* NULL-safe */

/* Fills metrics->size octets of the totals of the same moment. All series of a name, added up, are
 * the totals of that name. */
WEIR_API void weir_metrics_reading_totals(const weir_metrics_reading *reading,
                                          weir_metrics *metrics);

typedef enum weir_attribute_type {
    WEIR_ATTRIBUTE_STRING = 0,
    WEIR_ATTRIBUTE_INTEGER, /* server.port, http.response.status_code */
    WEIR_ATTRIBUTE_BOOLEAN  /* otel.metric.overflow */
} weir_attribute_type;

typedef struct weir_series_attribute {
    const char *name; /* static */
    const char *text; /* the value as text, of any type; valid until the reading is freed */
    weir_attribute_type type;
    uint64_t number; /* INTEGER; BOOLEAN: 1 */
} weir_series_attribute;

#define WEIR_SERIES_ATTRIBUTES 8

/* As weir_metric_sample; `buckets` points into the reading. */
typedef struct weir_series_sample {
    size_t size;
    const char *name;
    const char *unit;
    const char *description;
    weir_metric_kind kind;
    bool is_overflow; /* what is over the limit: its only attribute is otel.metric.overflow */
    uint64_t value;
    uint64_t count;
    double sum;
    const double *boundaries;
    size_t boundary_count;
    const uint64_t *buckets;
    size_t attribute_count;
    weir_series_attribute attributes[WEIR_SERIES_ATTRIBUTES];
} weir_series_sample;
#define WEIR_SERIES_SAMPLE_INIT WEIR_INIT(weir_series_sample)

/* The i-th sample, from 0; fills sample->size octets of it. Samples of one name are neighbours, and
 * of one series always in the same order. false: no such. */
WEIR_API bool weir_metrics_reading_at(const weir_metrics_reading *reading, size_t i,
                                      weir_series_sample *sample);

#ifdef __cplusplus
}
#endif

#endif
