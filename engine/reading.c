/* SPDX-License-Identifier: MIT */
/* Copies series out, and tells them one by one with their attributes. See reading.h. */
#include "engine/reading.h"

#include <string.h>

#include "engine/family.h"
#include "engine/record.h"
#include "engine/text.h"
#include "proto/alloc.h"

#define NUMBER_OCTETS 8 /* a uint16_t in decimal, and its NUL */

typedef struct copied_server {
    const char *host;
    bool https;
    uint16_t port;
    char port_text[NUMBER_OCTETS];
} copied_server;

typedef struct copied_series {
    const copied_server *server; /* NULL: the rest */
    const char *method;
    weir_series_key key;
    char code_text[NUMBER_OCTETS];
    weir_series_numbers numbers;
} copied_series;

/* Of one kind, the rest last, if anything is counted there. */
typedef struct copied_kind {
    copied_series *series;
    size_t count;
    size_t rest; /* 0 or 1 */
} copied_kind;

struct weir_metrics_reading {
    const weir_allocator *allocator;
    size_t octets; /* of the block */
    weir_metrics totals;
    copied_kind kinds[WEIR_SERIES_KINDS];
    copied_server *servers;
    size_t server_count;
};

static void look_at_connections(weir_core *core);
static void copy_kind(weir_metrics_reading *reading, const weir_series_account *account,
                      weir_series_kind kind, const char *methods);
static void copy_servers(weir_metrics_reading *reading, const weir_series_account *account,
                         char *text);
static void settle_connections(copied_series *series);
static bool is_counted(const weir_series *rest);
static void write_number(char *to, uint16_t number);
static size_t samples_of(const weir_metrics_reading *reading, const weir_family *family);
static void fill(weir_series_sample *sample, const weir_family *family, const copied_kind *kind,
                 size_t i);
static void add_attributes(weir_series_sample *sample, const copied_series *series);
static void add_word(weir_series_sample *sample, const char *name, const char *text);
static void add_number(weir_series_sample *sample, const char *name, const char *text,
                       uint16_t number);
static void add(weir_series_sample *sample, weir_series_attribute attribute);

size_t weir_reading_octets(const weir_core *core)
{
    const weir_series_account *account = core->series;
    size_t octets = sizeof(weir_metrics_reading);

    if (account != NULL) {
        for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
            octets += (account->count[kind] + 1) * sizeof(copied_series);
        }
        octets += account->server_count * (sizeof(copied_server) + 1) + account->host_octets;
        octets += account->method_octets;
    }
    return octets;
}

weir_metrics_reading *weir_reading_new(const weir_allocator *allocator, size_t octets)
{
    /* All of it is touched here, so that no page of it is had from the system under the lock. */
    weir_metrics_reading *reading = weir_alloc_zeroed(allocator, octets);

    if (reading != NULL) {
        reading->allocator = allocator;
        reading->octets = octets;
        reading->totals.size = sizeof(reading->totals);
    }
    return reading;
}

bool weir_reading_fill(weir_metrics_reading *reading, weir_core *core)
{
    const weir_series_account *account = core->series;

    if (weir_reading_octets(core) > reading->octets) {
        return false;
    }
    weir_core_metrics(core, &reading->totals);
    if (account == NULL) {
        return true;
    }
    look_at_connections(core);
    copied_series *series = (copied_series *)(void *)(reading + 1);
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        reading->kinds[kind].series = series;
        series += account->count[kind] + 1;
    }
    reading->servers = (copied_server *)(void *)series;
    reading->server_count = account->server_count;
    char *text = (char *)(reading->servers + account->server_count);
    memcpy(text, account->method_text, account->method_octets);
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        copy_kind(reading, account, (weir_series_kind)kind, text);
    }
    copy_servers(reading, account, text + account->method_octets);
    return true;
}

weir_metrics_reading *weir_reading_taken(weir_metrics_reading *reading, weir_status *status)
{
    if (reading == NULL) {
        return weir_reading_refused(WEIR_E_NOMEM, status);
    }
    if (status != NULL) {
        *status = WEIR_OK;
    }
    for (size_t i = 0; i < reading->server_count; i++) {
        write_number(reading->servers[i].port_text, reading->servers[i].port);
    }
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        copied_kind *of = &reading->kinds[kind];
        for (size_t i = 0; i < of->count; i++) {
            if (of->series[i].key.code != 0) {
                write_number(of->series[i].code_text, of->series[i].key.code);
            }
        }
    }
    return reading;
}

weir_metrics_reading *weir_reading_refused(weir_status why, weir_status *status)
{
    if (status != NULL) {
        *status = why;
    }
    return NULL;
}

void weir_metrics_reading_free(weir_metrics_reading *reading)
{
    if (reading != NULL) {
        weir_release(reading->allocator, reading);
    }
}

void weir_metrics_reading_totals(const weir_metrics_reading *reading, weir_metrics *metrics)
{
    (void)weir_record_write(metrics, &reading->totals, sizeof(reading->totals));
}

bool weir_metrics_reading_at(const weir_metrics_reading *reading, size_t i,
                             weir_series_sample *sample)
{
    weir_series_sample all = WEIR_SERIES_SAMPLE_INIT;
    const weir_family *family = NULL;

    for (size_t f = 0; (family = weir_family_at(f)) != NULL; f++) {
        const size_t count = samples_of(reading, family);
        if (i < count) {
            fill(&all, family, &reading->kinds[family->series], i);
            return weir_record_write(sample, &all, sizeof(all));
        }
        i -= count;
    }
    return false;
}

/* Who of each series is idle is the pool's to say. */
static void look_at_connections(weir_core *core)
{
    weir_series_account *account = core->series;
    weir_series *rest = &account->rest[WEIR_SERIES_CONNECTIONS];

    rest->numbers.connections.idle = 0;
    for (weir_series *at = account->series[WEIR_SERIES_CONNECTIONS]; at != NULL; at = at->next) {
        at->numbers.connections.idle = 0;
    }
    for (const weir_slot *slot = NULL; (slot = weir_pool_next_slot(core->pool, slot)) != NULL;) {
        if (weir_slot_is_idle(slot)) {
            const weir_server_key server = weir_server_key_of_origin(weir_slot_key(slot));
            weir_series_of_connection(account, &server, weir_slot_protocol(slot))
                ->numbers.connections.idle++;
        }
    }
}

static void copy_kind(weir_metrics_reading *reading, const weir_series_account *account,
                      weir_series_kind kind, const char *methods)
{
    copied_kind *to = &reading->kinds[kind];

    for (const weir_series *at = account->series[kind]; at != NULL; at = at->next) {
        const weir_span method = at->key.method < account->method_count
                                     ? account->methods[at->key.method]
                                     : (weir_span){NULL, 0};
        copied_series *series = &to->series[to->count++];
        series->server = &reading->servers[at->server->number];
        series->method = method.length > 0
                             ? methods + ((const char *)method.at - account->method_text)
                             : "_OTHER";
        series->key = at->key;
        series->numbers = at->numbers;
        settle_connections(series);
    }
    if (is_counted(&account->rest[kind])) {
        copied_series *series = &to->series[to->count];
        series->server = NULL;
        series->key = account->rest[kind].key;
        series->numbers = account->rest[kind].numbers;
        settle_connections(series);
        to->rest = 1;
    }
}

static void copy_servers(weir_metrics_reading *reading, const weir_series_account *account,
                         char *text)
{
    copied_server *to = reading->servers;

    for (const weir_server *at = account->servers; at != NULL; at = at->next) {
        to->host = text;
        to->https = at->https;
        to->port = at->port;
        memcpy(text, at->host, at->host_length);
        text[at->host_length] = '\0';
        text += at->host_length + 1;
        to++;
    }
}

static void settle_connections(copied_series *series)
{
    if (series->key.kind == WEIR_SERIES_CONNECTIONS) {
        weir_series_numbers *numbers = &series->numbers;
        const uint64_t open = numbers->connections.opened - numbers->connections.duration.count;
        numbers->connections.idle = weir_min(numbers->connections.idle, open);
        numbers->connections.active = open - numbers->connections.idle;
    }
}

static bool is_counted(const weir_series *rest)
{
    switch ((weir_series_kind)rest->key.kind) {
    case WEIR_SERIES_ASKED:
        return rest->numbers.asked.started > 0;
    case WEIR_SERIES_QUEUED:
        return rest->numbers.queued.count > 0;
    case WEIR_SERIES_ENDED:
        return rest->numbers.ended.duration.count > 0;
    case WEIR_SERIES_CONNECTIONS:
        return rest->numbers.connections.opened > 0;
    case WEIR_SERIES_KINDS:
        break;
    }
    return false;
}

static void write_number(char *to, uint16_t number)
{
    weir_text text = weir_text_begin(to, NUMBER_OCTETS);

    weir_text_add_number(&text, number);
}

/* By state two of each series, but one of the rest, which has no attributes to differ in. */
static size_t samples_of(const weir_metrics_reading *reading, const weir_family *family)
{
    const copied_kind *kind = &reading->kinds[family->series];
    const size_t states = family->axis == WEIR_AXIS_STATE ? 2 : 1;

    return kind->count * states + kind->rest;
}

static void fill(weir_series_sample *sample, const weir_family *family, const copied_kind *kind,
                 size_t i)
{
    weir_metric_sample numbers = WEIR_METRIC_SAMPLE_INIT;
    const bool by_state = family->axis == WEIR_AXIS_STATE;
    const size_t states = by_state ? 2 : 1;
    const copied_series *series = &kind->series[i / states];

    weir_family_fill(family, (const uint8_t *)&series->numbers + family->offset_in_series,
                     i % states, &numbers);
    sample->name = numbers.name;
    sample->unit = numbers.unit;
    sample->description = numbers.description;
    sample->kind = numbers.kind;
    sample->value = numbers.value;
    sample->count = numbers.count;
    sample->sum = numbers.sum;
    sample->boundaries = numbers.boundaries;
    sample->boundary_count = numbers.boundary_count;
    sample->buckets = numbers.buckets;
    sample->is_overflow = series->server == NULL;
    if (!sample->is_overflow) {
        add_attributes(sample, series);
        if (by_state) {
            add_word(sample, "http.connection.state", i % states == 0 ? "active" : "idle");
        }
        return;
    }
    add(sample, (weir_series_attribute){"otel.metric.overflow", "true", WEIR_ATTRIBUTE_BOOLEAN, 1});
    if (by_state) {
        sample->value = series->numbers.connections.active + series->numbers.connections.idle;
    }
}

/* What does not apply is left out, as OpenTelemetry has it. */
static void add_attributes(weir_series_sample *sample, const copied_series *series)
{
    const copied_server *server = series->server;
    const weir_series_key *key = &series->key;
    const char *error = NULL;

    add_word(sample, "server.address", server->host);
    add_number(sample, "server.port", server->port_text, server->port);
    add_word(sample, "url.scheme", server->https ? "https" : "http");
    if (key->kind != WEIR_SERIES_CONNECTIONS) {
        add_word(sample, "http.request.method", series->method);
    }
    if (key->protocol != WEIR_PROTOCOL_ANY) {
        add_word(sample, "network.protocol.version", key->protocol == WEIR_H1 ? "1.1" : "2");
    }
    if (key->code != 0) {
        add_number(sample, "http.response.status_code", series->code_text, key->code);
        error = key->code >= 400 ? series->code_text : NULL;
    }
    if (key->status != WEIR_OK) {
        error = weir_status_name((weir_status)key->status);
    }
    if (error != NULL) {
        add_word(sample, "error.type", error);
    }
}

static void add_word(weir_series_sample *sample, const char *name, const char *text)
{
    add(sample, (weir_series_attribute){name, text, WEIR_ATTRIBUTE_STRING, 0});
}

static void add_number(weir_series_sample *sample, const char *name, const char *text,
                       uint16_t number)
{
    add(sample, (weir_series_attribute){name, text, WEIR_ATTRIBUTE_INTEGER, number});
}

static void add(weir_series_sample *sample, weir_series_attribute attribute)
{
    WEIR_ASSERT(sample->attribute_count < WEIR_SERIES_ATTRIBUTES);
    sample->attributes[sample->attribute_count++] = attribute;
}
