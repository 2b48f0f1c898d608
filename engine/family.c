/* SPDX-License-Identifier: MIT */
/* The table of metrics, and the boundaries of their histograms. See family.h. */
#include "engine/family.h"

#define MS(n) ((weir_time)(n)*WEIR_NS_PER_MS)

/* OpenTelemetry's advice for http.client.request.duration. */
const weir_time weir_family_requests_ns[WEIR_METRIC_BOUNDARIES] = {
    MS(5),   MS(10),  MS(25),   MS(50),   MS(75),   MS(100),  MS(250),
    MS(500), MS(750), MS(1000), MS(2500), MS(5000), MS(7500), MS(10000),
};
static const double request_s[WEIR_METRIC_BOUNDARIES] = {
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
};
/* ... and for http.client.connection.duration. */
const weir_time weir_family_connections_ns[WEIR_METRIC_BOUNDARIES] = {
    MS(10),   MS(20),   MS(50),    MS(100),   MS(200),   MS(500),    MS(1000),
    MS(2000), MS(5000), MS(10000), MS(30000), MS(60000), MS(120000), MS(300000),
};
static const double connection_s[WEIR_METRIC_BOUNDARIES] = {
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
};

#define AT(member) offsetof(weir_metrics, member)
#define IN(member) offsetof(weir_series_numbers, member)

static const weir_family families[] = {
    {"http.client.active_requests", "{request}", "requests that were begun and are not over",
     WEIR_METRIC_GAUGE, WEIR_OF_COUNTS, WEIR_AXIS_NONE, AT(active_requests), WEIR_SERIES_ASKED,
     IN(asked.active)},
    {"http.client.open_connections", "{connection}", "connections that are active or idle",
     WEIR_METRIC_GAUGE, WEIR_OF_COUNTS, WEIR_AXIS_STATE, AT(active_connections),
     WEIR_SERIES_CONNECTIONS, IN(connections.active)},
    {"weir.client.requests.started", "{request}", "requests that were begun", WEIR_METRIC_COUNTER,
     WEIR_OF_COUNTS, WEIR_AXIS_NONE, AT(requests_started), WEIR_SERIES_ASKED, IN(asked.started)},
    {"weir.client.requests.ended", "{request}", "requests that are over", WEIR_METRIC_COUNTER,
     WEIR_OF_COUNTS, WEIR_AXIS_OUTCOME, AT(requests_ended), WEIR_SERIES_ENDED,
     IN(ended.duration.count)},
    {"weir.client.requests.resent", "{attempt}",
     "attempts after the first, of requests that are over", WEIR_METRIC_COUNTER, WEIR_OF_COUNTS,
     WEIR_AXIS_NONE, AT(requests_resent), WEIR_SERIES_ENDED, IN(ended.resent)},
    {"weir.client.connections.opened", "{connection}", "connections that were established",
     WEIR_METRIC_COUNTER, WEIR_OF_COUNTS, WEIR_AXIS_NONE, AT(connections_opened),
     WEIR_SERIES_CONNECTIONS, IN(connections.opened)},
    {"weir.client.connections.closed", "{connection}", "established connections that were closed",
     WEIR_METRIC_COUNTER, WEIR_OF_COUNTS, WEIR_AXIS_NONE, AT(connections_closed),
     WEIR_SERIES_CONNECTIONS, IN(connections.duration.count)},
    {"http.client.request.duration", "s",
     "from the call until its final response head, or until it failed", WEIR_METRIC_HISTOGRAM,
     WEIR_OF_REQUESTS_NS, WEIR_AXIS_PROTOCOL_AND_OUTCOME, AT(request_duration), WEIR_SERIES_ENDED,
     IN(ended.duration)},
    {"http.client.request.time_in_queue", "s", "how long a request waited for a connection",
     WEIR_METRIC_HISTOGRAM, WEIR_OF_REQUESTS_NS, WEIR_AXIS_PROTOCOL, AT(time_in_queue),
     WEIR_SERIES_QUEUED, IN(queued)},
    {"http.client.connection.duration", "s", "how long an established connection was open",
     WEIR_METRIC_HISTOGRAM, WEIR_OF_CONNECTIONS_NS, WEIR_AXIS_PROTOCOL, AT(connection_duration),
     WEIR_SERIES_CONNECTIONS, IN(connections.duration)},
    {"http.client.request.body.size", "By", "content of a request that was sent, over all attempts",
     WEIR_METRIC_HISTOGRAM, WEIR_OF_SIZES, WEIR_AXIS_PROTOCOL, AT(request_body), WEIR_SERIES_ENDED,
     IN(ended.request_body)},
    {"http.client.response.body.size", "By", "content of a response that was received",
     WEIR_METRIC_HISTOGRAM, WEIR_OF_SIZES, WEIR_AXIS_PROTOCOL, AT(response_body), WEIR_SERIES_ENDED,
     IN(ended.response_body)},
    {"weir.client.request.size", "By",
     "head, content, trailers and framing that were sent, over all attempts", WEIR_METRIC_HISTOGRAM,
     WEIR_OF_SIZES, WEIR_AXIS_PROTOCOL, AT(request), WEIR_SERIES_ENDED, IN(ended.request)},
    {"weir.client.response.size", "By", "head, content, trailers and framing that were received",
     WEIR_METRIC_HISTOGRAM, WEIR_OF_SIZES, WEIR_AXIS_PROTOCOL, AT(response), WEIR_SERIES_ENDED,
     IN(ended.response)},
};

const weir_time *weir_request_boundaries_ns(void)
{
    return weir_family_requests_ns;
}

const weir_time *weir_connection_boundaries_ns(void)
{
    return weir_family_connections_ns;
}

const weir_family *weir_family_at(size_t i)
{
    return i < WEIR_COUNT_OF(families) ? &families[i] : NULL;
}

size_t weir_family_octets(const weir_family *family)
{
    return family->of == WEIR_OF_COUNTS  ? sizeof(uint64_t)
           : family->of == WEIR_OF_SIZES ? sizeof(weir_sizes)
                                         : sizeof(weir_durations);
}

void weir_family_fill(const weir_family *family, const uint8_t *at, size_t i,
                      weir_metric_sample *sample)
{
    sample->name = family->name;
    sample->unit = family->unit;
    sample->description = family->description;
    sample->kind = family->kind;
    if (family->of == WEIR_OF_COUNTS) {
        sample->value = ((const uint64_t *)(const void *)at)[i];
        return;
    }
    if (family->of == WEIR_OF_SIZES) {
        const weir_sizes *sizes = (const weir_sizes *)(const void *)at + i;
        sample->count = sizes->count;
        sample->sum = (double)sizes->sum_octets;
        return;
    }
    const weir_durations *durations = (const weir_durations *)(const void *)at + i;
    sample->count = durations->count;
    sample->sum = (double)durations->sum_ns / (double)WEIR_NS_PER_SECOND;
    sample->boundaries = family->of == WEIR_OF_REQUESTS_NS ? request_s : connection_s;
    sample->boundary_count = WEIR_METRIC_BOUNDARIES;
    sample->buckets = durations->buckets;
}
