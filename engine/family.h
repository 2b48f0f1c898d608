/* SPDX-License-Identifier: MIT */
/*
 * The families of metrics: one name, with its unit and what it means, and where its numbers lie in
 * the totals of a client or loop (weir_metrics) and in a series of theirs (series.h). One table is
 * all that is known of them, so that totals and series are told in the same words.
 *
 * Thread rule: values; the table is static.
 */
#ifndef WEIR_ENGINE_FAMILY_H
#define WEIR_ENGINE_FAMILY_H

#include "engine/metrics.h"
#include "engine/series.h"

/* What the totals of a family differ in. */
typedef enum weir_family_axis {
    WEIR_AXIS_NONE = 0,
    WEIR_AXIS_STATE,   /* http.connection.state */
    WEIR_AXIS_OUTCOME, /* error.type */
    WEIR_AXIS_PROTOCOL,
    WEIR_AXIS_PROTOCOL_AND_OUTCOME
} weir_family_axis;

typedef enum weir_family_of {
    WEIR_OF_COUNTS = 0,
    WEIR_OF_REQUESTS_NS,
    WEIR_OF_CONNECTIONS_NS,
    WEIR_OF_SIZES
} weir_family_of;

typedef struct weir_family {
    const char *name;
    const char *unit;
    const char *description;
    weir_metric_kind kind;
    weir_family_of of;
    weir_family_axis axis;
    size_t offset;           /* of its array in weir_metrics, walked by protocol, then outcome */
    weir_series_kind series; /* by which series it is told */
    size_t offset_in_series; /* ... and where in their numbers; by state: an array, too */
} weir_family;

/* The i-th, in the order in which they are told; NULL: no such. */
const weir_family *weir_family_at(size_t i);
/* How much room one of its numbers takes. */
size_t weir_family_octets(const weir_family *family);
/* Name, unit and the i-th of the numbers that begin at `at`; no attributes. */
void weir_family_fill(const weir_family *family, const uint8_t *at, size_t i,
                      weir_metric_sample *sample);

/* The boundaries of both kinds of durations. */
extern const weir_time weir_family_requests_ns[WEIR_METRIC_BOUNDARIES];
extern const weir_time weir_family_connections_ns[WEIR_METRIC_BOUNDARIES];

/* Counting is inline: each call counts half a dozen of these. */
static inline void weir_count_duration(weir_durations *durations, const weir_time *boundaries,
                                       weir_time ns)
{
    size_t bucket = 0;

    while (bucket < WEIR_METRIC_BOUNDARIES && ns > boundaries[bucket]) {
        bucket++;
    }
    durations->buckets[bucket]++;
    durations->count++;
    durations->sum_ns += ns;
}

static inline void weir_count_octets(weir_sizes *sizes, uint64_t octets)
{
    sizes->count++;
    sizes->sum_octets += octets;
}

#endif
