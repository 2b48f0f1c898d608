/* SPDX-License-Identifier: MIT */
/*
 * Counting, and what is counted told one by one (docs/metrics.md).
 *
 * The numbers of a family are an array in weir_metrics that is walked by protocol, then by outcome.
 * The table of families is all that weir_metrics_at() knows.
 */
#include "engine/metrics.h"

#include "engine/family.h"
#include "engine/record.h"

static size_t samples_of(const weir_family *from);
static void add_attribute(weir_metric_sample *sample, const char *name, const char *value);
static void add_attributes(weir_metric_sample *sample, weir_family_axis axis, size_t i);

void weir_metrics_started(weir_metrics *metrics)
{
    metrics->requests_started++;
    metrics->active_requests++;
}

void weir_metrics_queued(weir_metrics *metrics, weir_protocol protocol, weir_time waited_ns)
{
    weir_count_duration(&metrics->time_in_queue[protocol], weir_family_requests_ns, waited_ns);
}

void weir_metrics_ended(weir_metrics *metrics, const weir_metrics_request *request)
{
    const weir_octets plain = weir_tally_plain(&request->tally);

    WEIR_ASSERT(metrics->active_requests > 0);
    metrics->active_requests--;
    metrics->requests_ended[request->outcome]++;
    metrics->requests_resent += request->attempts > 1 ? request->attempts - 1 : 0;
    weir_count_duration(&metrics->request_duration[request->protocol][request->outcome],
                        weir_family_requests_ns, request->duration_ns);
    weir_count_octets(&metrics->request_body[request->protocol], request->tally.body.sent);
    weir_count_octets(&metrics->response_body[request->protocol], request->tally.body.received);
    weir_count_octets(&metrics->request[request->protocol], plain.sent);
    weir_count_octets(&metrics->response[request->protocol], plain.received);
}

void weir_metrics_opened(weir_metrics *metrics)
{
    metrics->connections_opened++;
}

void weir_metrics_closed(weir_metrics *metrics, weir_protocol protocol, weir_time lasted_ns)
{
    metrics->connections_closed++;
    weir_count_duration(&metrics->connection_duration[protocol], weir_family_connections_ns,
                        lasted_ns);
}

bool weir_metrics_at(const weir_metrics *metrics, size_t i, weir_metric_sample *sample)
{
    weir_metric_sample all = WEIR_METRIC_SAMPLE_INIT;
    const weir_family *from = NULL;

    for (size_t f = 0; (from = weir_family_at(f)) != NULL; f++) {
        const size_t count = samples_of(from);
        if (from->offset + count * weir_family_octets(from) > metrics->size) {
            return false; /* of a program that does not know them */
        }
        if (i < count) {
            weir_family_fill(from, (const uint8_t *)metrics + from->offset, i, &all);
            add_attributes(&all, from->axis, i);
            return weir_record_write(sample, &all, sizeof(all));
        }
        i -= count;
    }
    return false;
}

static size_t samples_of(const weir_family *from)
{
    switch (from->axis) {
    case WEIR_AXIS_NONE:
        return 1;
    case WEIR_AXIS_STATE:
        return 2;
    case WEIR_AXIS_OUTCOME:
        return WEIR_OUTCOMES;
    case WEIR_AXIS_PROTOCOL:
        return WEIR_METRIC_PROTOCOLS;
    case WEIR_AXIS_PROTOCOL_AND_OUTCOME:
        return (size_t)WEIR_METRIC_PROTOCOLS * WEIR_OUTCOMES;
    }
    return 0;
}

/* What does not apply is left out, as OpenTelemetry has it: no error.type says that there was no
 * error. */
static void add_attributes(weir_metric_sample *sample, weir_family_axis axis, size_t i)
{
    static const char *const versions[WEIR_METRIC_PROTOCOLS] = {NULL, "1.1", "2"};
    static const char *const errors[WEIR_OUTCOMES] = {NULL, "failed", "cancelled"};

    switch (axis) {
    case WEIR_AXIS_NONE:
        break;
    case WEIR_AXIS_STATE:
        add_attribute(sample, "http.connection.state", i == 0 ? "active" : "idle");
        break;
    case WEIR_AXIS_OUTCOME:
        add_attribute(sample, "error.type", errors[i]);
        break;
    case WEIR_AXIS_PROTOCOL:
        add_attribute(sample, "network.protocol.version", versions[i]);
        break;
    case WEIR_AXIS_PROTOCOL_AND_OUTCOME:
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
