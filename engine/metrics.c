/* SPDX-License-Identifier: MIT */
/*
 * Counting, and what is counted told one by one (docs/metrics.md).
 *
 * A family is one name with all of its attributes: an array in weir_metrics that is walked by
 * protocol, then by outcome. The table of families is all that weir_metrics_at() knows.
 */
#include "engine/metrics.h"

#include "engine/record.h"

#define MS(n) ((weir_time)(n)*WEIR_NS_PER_MS)

/* What the samples of a family differ in. */
typedef enum family_axis {
    AXIS_NONE = 0,
    AXIS_STATE,   /* http.connection.state */
    AXIS_OUTCOME, /* error.type */
    AXIS_PROTOCOL,
    AXIS_PROTOCOL_AND_OUTCOME
} family_axis;

typedef enum family_of { OF_COUNTS = 0, OF_REQUESTS_NS, OF_CONNECTIONS_NS, OF_SIZES } family_of;

typedef struct family {
    const char *name;
    const char *unit;
    const char *description;
    weir_metric_kind kind;
    family_of of;
    family_axis axis;
    size_t offset; /* of its array */
} family;

static void count_duration(weir_durations *durations, const weir_time *boundaries, weir_time ns);
static void count_size(weir_sizes *sizes, uint64_t octets);
static size_t samples_of(const family *from);
static size_t octets_of(const family *from);
static void fill(weir_metric_sample *sample, const family *from, const uint8_t *at, size_t i);
static void add_attribute(weir_metric_sample *sample, const char *name, const char *value);
static void add_attributes(weir_metric_sample *sample, family_axis axis, size_t i);

/* OpenTelemetry's advice for http.client.request.duration. */
static const weir_time request_ns[WEIR_METRIC_BOUNDARIES] = {
    MS(5),   MS(10),  MS(25),   MS(50),   MS(75),   MS(100),  MS(250),
    MS(500), MS(750), MS(1000), MS(2500), MS(5000), MS(7500), MS(10000),
};
static const double request_s[WEIR_METRIC_BOUNDARIES] = {
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
};
/* ... and for http.client.connection.duration. */
static const weir_time connection_ns[WEIR_METRIC_BOUNDARIES] = {
    MS(10),   MS(20),   MS(50),    MS(100),   MS(200),   MS(500),    MS(1000),
    MS(2000), MS(5000), MS(10000), MS(30000), MS(60000), MS(120000), MS(300000),
};
static const double connection_s[WEIR_METRIC_BOUNDARIES] = {
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
};

#define AT(member) offsetof(weir_metrics, member)

static const family families[] = {
    {"http.client.active_requests", "{request}", "requests that were begun and are not over",
     WEIR_METRIC_GAUGE, OF_COUNTS, AXIS_NONE, AT(active_requests)},
    {"http.client.open_connections", "{connection}", "connections that are active or idle",
     WEIR_METRIC_GAUGE, OF_COUNTS, AXIS_STATE, AT(active_connections)},
    {"weir.client.requests.started", "{request}", "requests that were begun", WEIR_METRIC_COUNTER,
     OF_COUNTS, AXIS_NONE, AT(requests_started)},
    {"weir.client.requests.ended", "{request}", "requests that are over", WEIR_METRIC_COUNTER,
     OF_COUNTS, AXIS_OUTCOME, AT(requests_ended)},
    {"weir.client.requests.resent", "{attempt}",
     "attempts after the first, of requests that are over", WEIR_METRIC_COUNTER, OF_COUNTS,
     AXIS_NONE, AT(requests_resent)},
    {"weir.client.connections.opened", "{connection}", "connections that were established",
     WEIR_METRIC_COUNTER, OF_COUNTS, AXIS_NONE, AT(connections_opened)},
    {"weir.client.connections.closed", "{connection}", "established connections that were closed",
     WEIR_METRIC_COUNTER, OF_COUNTS, AXIS_NONE, AT(connections_closed)},
    {"http.client.request.duration", "s",
     "from the call until its final response head, or until it failed", WEIR_METRIC_HISTOGRAM,
     OF_REQUESTS_NS, AXIS_PROTOCOL_AND_OUTCOME, AT(request_duration)},
    {"http.client.request.time_in_queue", "s", "how long a request waited for a connection",
     WEIR_METRIC_HISTOGRAM, OF_REQUESTS_NS, AXIS_PROTOCOL, AT(time_in_queue)},
    {"http.client.connection.duration", "s", "how long an established connection was open",
     WEIR_METRIC_HISTOGRAM, OF_CONNECTIONS_NS, AXIS_PROTOCOL, AT(connection_duration)},
    {"http.client.request.body.size", "By", "content of a request that was sent, over all attempts",
     WEIR_METRIC_HISTOGRAM, OF_SIZES, AXIS_PROTOCOL, AT(request_body)},
    {"http.client.response.body.size", "By", "content of a response that was received",
     WEIR_METRIC_HISTOGRAM, OF_SIZES, AXIS_PROTOCOL, AT(response_body)},
    {"weir.client.request.size", "By",
     "head, content, trailers and framing that were sent, over all attempts", WEIR_METRIC_HISTOGRAM,
     OF_SIZES, AXIS_PROTOCOL, AT(request)},
    {"weir.client.response.size", "By", "head, content, trailers and framing that were received",
     WEIR_METRIC_HISTOGRAM, OF_SIZES, AXIS_PROTOCOL, AT(response)},
};

const weir_time *weir_request_boundaries_ns(void)
{
    return request_ns;
}

const weir_time *weir_connection_boundaries_ns(void)
{
    return connection_ns;
}

void weir_metrics_started(weir_metrics *metrics)
{
    metrics->requests_started++;
    metrics->active_requests++;
}

void weir_metrics_queued(weir_metrics *metrics, weir_protocol protocol, weir_time waited_ns)
{
    count_duration(&metrics->time_in_queue[protocol], request_ns, waited_ns);
}

void weir_metrics_ended(weir_metrics *metrics, const weir_metrics_request *request)
{
    const weir_octets plain = weir_tally_plain(&request->tally);

    WEIR_ASSERT(metrics->active_requests > 0);
    metrics->active_requests--;
    metrics->requests_ended[request->outcome]++;
    metrics->requests_resent += request->attempts > 1 ? request->attempts - 1 : 0;
    count_duration(&metrics->request_duration[request->protocol][request->outcome], request_ns,
                   request->duration_ns);
    count_size(&metrics->request_body[request->protocol], request->tally.body.sent);
    count_size(&metrics->response_body[request->protocol], request->tally.body.received);
    count_size(&metrics->request[request->protocol], plain.sent);
    count_size(&metrics->response[request->protocol], plain.received);
}

void weir_metrics_opened(weir_metrics *metrics)
{
    metrics->connections_opened++;
}

void weir_metrics_closed(weir_metrics *metrics, weir_protocol protocol, weir_time lasted_ns)
{
    metrics->connections_closed++;
    count_duration(&metrics->connection_duration[protocol], connection_ns, lasted_ns);
}

bool weir_metrics_at(const weir_metrics *metrics, size_t i, weir_metric_sample *sample)
{
    weir_metric_sample all = WEIR_METRIC_SAMPLE_INIT;

    for (size_t f = 0; f < WEIR_COUNT_OF(families); f++) {
        const family *from = &families[f];
        const size_t count = samples_of(from);
        if (from->offset + octets_of(from) > metrics->size) {
            return false; /* of a program that does not know them */
        }
        if (i < count) {
            fill(&all, from, (const uint8_t *)metrics + from->offset, i);
            return weir_record_write(sample, &all, sizeof(all));
        }
        i -= count;
    }
    return false;
}

static void count_duration(weir_durations *durations, const weir_time *boundaries, weir_time ns)
{
    size_t bucket = 0;

    while (bucket < WEIR_METRIC_BOUNDARIES && ns > boundaries[bucket]) {
        bucket++;
    }
    durations->buckets[bucket]++;
    durations->count++;
    durations->sum_ns += ns;
}

static void count_size(weir_sizes *sizes, uint64_t octets)
{
    sizes->count++;
    sizes->sum_octets += octets;
}

static size_t samples_of(const family *from)
{
    switch (from->axis) {
    case AXIS_NONE:
        return 1;
    case AXIS_STATE:
        return 2;
    case AXIS_OUTCOME:
        return WEIR_OUTCOMES;
    case AXIS_PROTOCOL:
        return WEIR_METRIC_PROTOCOLS;
    case AXIS_PROTOCOL_AND_OUTCOME:
        return (size_t)WEIR_METRIC_PROTOCOLS * WEIR_OUTCOMES;
    }
    return 0;
}

static size_t octets_of(const family *from)
{
    const size_t each = from->of == OF_COUNTS  ? sizeof(uint64_t)
                        : from->of == OF_SIZES ? sizeof(weir_sizes)
                                               : sizeof(weir_durations);

    return samples_of(from) * each;
}

static void fill(weir_metric_sample *sample, const family *from, const uint8_t *at, size_t i)
{
    sample->name = from->name;
    sample->unit = from->unit;
    sample->description = from->description;
    sample->kind = from->kind;
    add_attributes(sample, from->axis, i);
    if (from->of == OF_COUNTS) {
        sample->value = ((const uint64_t *)(const void *)at)[i];
        return;
    }
    if (from->of == OF_SIZES) {
        const weir_sizes *sizes = (const weir_sizes *)(const void *)at + i;
        sample->count = sizes->count;
        sample->sum = (double)sizes->sum_octets;
        return;
    }
    const weir_durations *durations = (const weir_durations *)(const void *)at + i;
    sample->count = durations->count;
    sample->sum = (double)durations->sum_ns / (double)WEIR_NS_PER_SECOND;
    sample->boundaries = from->of == OF_REQUESTS_NS ? request_s : connection_s;
    sample->boundary_count = WEIR_METRIC_BOUNDARIES;
    sample->buckets = durations->buckets;
}

/* What does not apply is left out, as OpenTelemetry has it: no error.type says that there was no
 * error. */
static void add_attributes(weir_metric_sample *sample, family_axis axis, size_t i)
{
    static const char *const versions[WEIR_METRIC_PROTOCOLS] = {NULL, "1.1", "2"};
    static const char *const errors[WEIR_OUTCOMES] = {NULL, "failed", "cancelled"};

    switch (axis) {
    case AXIS_NONE:
        break;
    case AXIS_STATE:
        add_attribute(sample, "http.connection.state", i == 0 ? "active" : "idle");
        break;
    case AXIS_OUTCOME:
        add_attribute(sample, "error.type", errors[i]);
        break;
    case AXIS_PROTOCOL:
        add_attribute(sample, "network.protocol.version", versions[i]);
        break;
    case AXIS_PROTOCOL_AND_OUTCOME:
        add_attribute(sample, "network.protocol.version", versions[i / WEIR_OUTCOMES]);
        add_attribute(sample, "error.type", errors[i % WEIR_OUTCOMES]);
        break;
    }
}

static void add_attribute(weir_metric_sample *sample, const char *name, const char *value)
{
    if (value != NULL) {
        WEIR_ASSERT(sample->attribute_count < WEIR_METRIC_ATTRIBUTES);
        sample->attributes[sample->attribute_count++] = (weir_metric_attribute){name, value};
    }
}
