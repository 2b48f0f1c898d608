/* SPDX-License-Identifier: MIT */
/* Cases with a well-formed answer: bodies, trailers, echoes, statuses, time. */
#include "cases.h"

#include "pattern.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BIG_HEAD_LIMIT = 4 * 1024 * 1024,
    SUM_LIMIT = 64 * 1024 * 1024,
    EXT_LIMIT = 64 * 1024,
    MOST_EXTRA_FIELDS = 1000
};

static void sink_at_end(exchange *x);
static void trailers_echo_at_end(exchange *x);
static void json_fields(queue *out, const fields *f);
static uint64_t sum_of_pattern(uint64_t octets);

void case_octets(exchange *x, const ask *a)
{
    const uint64_t count = ask_number(a, "fields", 0);
    if (count > MOST_EXTRA_FIELDS) {
        plan_cannot(x, "more fields than this origin adds");
        return;
    }
    plan_pattern(x, a->number);
    for (uint64_t i = 0; i < count; i++) {
        char name[32] = "";
        (void)snprintf(name, sizeof name, "x-f-%" PRIu64, i);
        (void)fields_add(&x->plan.fields, name, "sixteen letters!");
    }
}

void case_chunked(exchange *x, const ask *a)
{
    uint64_t ext = ask_number(a, "ext", 0);
    plan_pattern(x, a->number);
    x->plan.framing = FRAMING_CHUNKED;
    x->plan.ext = ext < EXT_LIMIT ? ext : EXT_LIMIT;
}

void case_close(exchange *x, const ask *a)
{
    if (is_h2(x)) {
        plan_cannot(x, "HTTP/2 has no close-delimited body");
        return;
    }
    plan_pattern(x, a->number);
    x->plan.framing = FRAMING_CLOSE;
    x->plan.ending = ask_flag(a, "truncate") ? ENDING_ABRUPT : ENDING_FIN;
}

void case_trailers(exchange *x, const ask *a)
{
    case_chunked(x, a);
    (void)fields_add(&x->plan.fields, "trailer", "x-check, x-octets");
    fields_format(&x->plan.trailers, "x-check", "%016" PRIx64, sum_of_pattern(a->number));
    fields_format(&x->plan.trailers, "x-octets", "%" PRIu64, a->number);
}

void case_echo(exchange *x, const ask *a)
{
    const char *type = fields_find(&x->request, "content-type");
    const char *length = fields_find(&x->request, "content-length");
    x->plan.when = WHEN_HEAD;
    x->plan.body = BODY_ECHO;
    x->plan.framing = FRAMING_CHUNKED;
    if (type != NULL) {
        (void)fields_add(&x->plan.fields, "content-type", type);
    }
    if (length != NULL && !ask_flag(a, "chunked")) {
        x->plan.framing = FRAMING_LENGTH;
        x->plan.declared = strtoull(length, NULL, 10);
    }
}

void case_sink(exchange *x, const ask *a)
{
    (void)a;
    plan_text(x, 200, "application/json");
    x->plan.at_end = sink_at_end;
}

void case_trailers_echo(exchange *x, const ask *a)
{
    (void)a;
    plan_text(x, 200, "application/json");
    x->plan.framing = FRAMING_CHUNKED;
    x->plan.at_end = trailers_echo_at_end;
}

void case_headers(exchange *x, const ask *a)
{
    (void)a;
    plan_text(x, 200, "application/json");
    queue *out = &x->plan.text;
    const struct {
        const char *name;
        const char *value;
    } parts[] = {
        {"{\"protocol\":", x->conn->protocol->name},
        {",\"method\":", x->method},
        {",\"target\":", x->target},
        {",\"authority\":", x->authority},
        {",\"scheme\":", x->scheme},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].value != NULL) {
            queue_text(out, parts[i].name);
            json_string(out, parts[i].value, strlen(parts[i].value));
        }
    }
    queue_text(out, ",\"fields\":");
    json_fields(out, &x->request);
    queue_text(out, "}\n");
}

void case_status(exchange *x, const ask *a)
{
    int status = a->number >= 200 && a->number <= 999 ? (int)a->number : 400;
    if (status == 204 || status == 304) {
        x->plan.status = status;
        x->plan.framing = FRAMING_NONE;
        uint64_t length = ask_number(a, "length", UNDECLARED);
        if (length != UNDECLARED) {
            fields_format(&x->plan.fields, "content-length", "%" PRIu64, length);
        }
        return;
    }
    plan_text(x, status, "text/plain");
    if (status != 205) { /* RFC 9110 s15.3.6: no content */
        queue_format(&x->plan.text, "status %d\n", status);
    }
}

void case_hints(exchange *x, const ask *a)
{
    uint64_t count = ask_number(a, "n", 1);
    x->plan.hints = count < 10000 ? (unsigned)count : 10000;
    x->plan.hints_ms = ask_number(a, "ms", 0);
    plan_text(x, 200, "text/plain");
    queue_text(&x->plan.text, "hinted\n");
}

void case_delay(exchange *x, const ask *a)
{
    x->plan.delay_ms = a->number;
    plan_text(x, 200, "text/plain");
    queue_text(&x->plan.text, "delayed\n");
}

void case_drip(exchange *x, const ask *a)
{
    plan_pattern(x, a->number);
    x->plan.drip_ms = ask_number(a, "ms", 10);
    x->plan.drip_ms = x->plan.drip_ms == 0 ? 1 : x->plan.drip_ms;
}

void case_hang(exchange *x, const ask *a)
{
    (void)a;
    x->plan.when = WHEN_NEVER;
}

void case_big_head(exchange *x, const ask *a)
{
    uint64_t count = ask_number(a, "fields", 100);
    uint64_t octets = ask_number(a, "octets", 100);
    if (octets > BIG_HEAD_LIMIT || count > BIG_HEAD_LIMIT ||
        count * (octets + 16) > BIG_HEAD_LIMIT) {
        plan_cannot(x, "a head over 4 MiB");
        return;
    }
    plan_text(x, 200, "text/plain");
    char *value = must_alloc((size_t)octets + 1);
    memset(value, 'v', (size_t)octets);
    for (uint64_t i = 0; i < count; i++) {
        char name[32] = "";
        (void)snprintf(name, sizeof name, "x-big-%" PRIu64, i);
        (void)fields_add(&x->plan.fields, name, value);
    }
    free(value);
    queue_text(&x->plan.text, "big\n");
}

void case_upgrade(exchange *x, const ask *a)
{
    const char *wanted = fields_find(&x->request, "upgrade");
    if (is_h2(x)) {
        plan_cannot(x, "HTTP/2 has no 101 (RFC 9113 s8.6)");
    } else if (x->upgrade_asked && wanted != NULL) {
        x->plan = (plan){.status = 101,
                         .when = WHEN_HEAD,
                         .declared = UNDECLARED,
                         .framing = FRAMING_CLOSE,
                         .body = BODY_ECHO,
                         .tunnel = true,
                         .ending = ENDING_FIN};
        (void)fields_add(&x->plan.fields, "connection", "upgrade");
        (void)fields_add(&x->plan.fields, "upgrade", wanted);
    } else if (ask_flag(a, "force")) {
        x->plan.status = 101;
        x->plan.framing = FRAMING_NONE;
        (void)fields_add(&x->plan.fields, "connection", "upgrade");
        (void)fields_add(&x->plan.fields, "upgrade", "unasked");
    } else {
        plan_text(x, 426, "text/plain");
        (void)fields_add(&x->plan.fields, "upgrade", "echo");
        queue_text(&x->plan.text, "ask with Upgrade\n");
    }
}

static void sink_at_end(exchange *x)
{
    const char *coding = fields_find(&x->request, "transfer-encoding");
    queue *out = &x->plan.text;
    queue_format(out, "{\"octets\":%" PRIu64 ",\"sum\":\"%016" PRIx64 "\",\"trailers\":",
                 x->received_octets, x->received_sum);
    json_fields(out, &x->trailers);
    queue_text(out, ",\"transfer_encoding\":");
    if (coding == NULL) {
        queue_text(out, "null");
    } else {
        json_string(out, coding, strlen(coding));
    }
    queue_text(out, "}\n");
}

static void trailers_echo_at_end(exchange *x)
{
    sink_at_end(x);
    for (size_t i = 0; i < x->trailers.count; i++) {
        (void)fields_add(&x->plan.trailers, x->trailers.at[i].name, x->trailers.at[i].value);
    }
}

static void json_fields(queue *out, const fields *f)
{
    queue_text(out, "[");
    for (size_t i = 0; i < f->count; i++) {
        queue_text(out, i == 0 ? "[" : ",[");
        json_string(out, f->at[i].name, strlen(f->at[i].name));
        queue_text(out, ",");
        json_string(out, f->at[i].value, f->at[i].value_octets);
        queue_text(out, "]");
    }
    queue_text(out, "]");
}

static uint64_t sum_of_pattern(uint64_t octets)
{
    uint8_t part[4096];
    uint64_t sum = PATTERN_SUM_START;
    for (uint64_t at = 0; at < octets && octets <= SUM_LIMIT; at += sizeof part) {
        size_t count = octets - at < sizeof part ? (size_t)(octets - at) : sizeof part;
        pattern_fill(part, at, count);
        sum = pattern_sum(sum, part, count);
    }
    return sum;
}
