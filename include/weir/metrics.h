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
 * Thread rule: values.
 */
#ifndef WEIR_METRICS_H
#define WEIR_METRICS_H

#include "weir/base.h"

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

#ifdef __cplusplus
}
#endif

#endif
