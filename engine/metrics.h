/* SPDX-License-Identifier: MIT */
/*
 * The counters of a core, and the four moments at which they move. The gauges of connections are
 * filled in when they are read.
 *
 * Thread rule: none inside; the core's.
 */
#ifndef WEIR_ENGINE_METRICS_H
#define WEIR_ENGINE_METRICS_H

#include "weir/exchange.h"
#include "weir/metrics.h"

/* Of a request that ended. */
typedef struct weir_metrics_request {
    weir_metric_outcome outcome;
    weir_status status;     /* WEIR_OK: it succeeded */
    int code;               /* of its response; 0: none came */
    weir_protocol protocol; /* of its last attempt */
    weir_time duration_ns;
    size_t attempts;
    weir_tally tally; /* over all attempts */
} weir_metrics_request;

void weir_metrics_started(weir_metrics *metrics);
void weir_metrics_queued(weir_metrics *metrics, weir_protocol protocol, weir_time waited_ns);
void weir_metrics_ended(weir_metrics *metrics, const weir_metrics_request *request);
void weir_metrics_opened(weir_metrics *metrics);
void weir_metrics_closed(weir_metrics *metrics, weir_protocol protocol, weir_time lasted_ns);

#endif
