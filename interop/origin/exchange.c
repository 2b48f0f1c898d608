/* SPDX-License-Identifier: MIT */
/*
 * The life of an exchange. Nothing here knows which protocol speaks: it calls conn->protocol.
 *
 * One timer serves, because its uses follow one another: before a 100, before the answer, after
 * the 103s, between the octets of a drip. `pause` says which one runs.
 */
#include "exchange.h"

#include "cases.h"
#include "pattern.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void fired(void *user);
static void start_wait(exchange *x, wait_for why, uint64_t delay_ms);
static void stop_waiting(exchange *x);
static void due(exchange *x);
static void say_hints(exchange *x);
static void answer(exchange *x);
static body_piece read_pattern(exchange *x, uint8_t *out, size_t room);
static body_piece read_text(exchange *x, uint8_t *out, size_t room);
static body_piece read_echo(exchange *x, uint8_t *out, size_t room);

exchange *exchange_new(conn *c, int32_t stream)
{
    exchange *x = must_alloc(sizeof *x);
    x->conn = c;
    x->stream = stream;
    x->keep_alive = true;
    x->received_sum = PATTERN_SUM_START;
    x->timer = (timer){.fire = fired, .user = x};
    return x;
}

void exchange_free(exchange *x)
{
    if (x == NULL) {
        return;
    }
    stop_waiting(x);
    free(x->method);
    free(x->target);
    free(x->authority);
    free(x->scheme);
    fields_clear(&x->request);
    fields_clear(&x->trailers);
    fields_clear(&x->plan.fields);
    fields_clear(&x->plan.trailers);
    queue_clear(&x->plan.text);
    queue_clear(&x->echo);
    queue_clear(&x->kept);
    free(x);
}

void exchange_head_complete(exchange *x)
{
    assert(x->phase == PHASE_HEAD);
    uint64_t most = x->conn->server->options->max_requests;
    x->phase = PHASE_WAITING;
    if (x->method == NULL || x->target == NULL) { /* CONNECT has no path */
        x->method = x->method == NULL ? must_copy("", 0) : x->method;
        x->target = x->target == NULL ? must_copy("", 0) : x->target;
    }
    x->conn->requests++;
    const char *expect = fields_find(&x->request, "expect");
    x->expects = expect != NULL && strcasecmp(expect, "100-continue") == 0;
    x->plan = (plan){.status = 200, .declared = UNDECLARED, .framing = FRAMING_LENGTH};
    cases_choose(x);
    if (most > 0 && x->conn->requests >= most) {
        x->plan.say_close = true;
    }
    bool reads_body = x->plan.when == WHEN_ENDED || x->plan.body == BODY_ECHO;
    if (x->expects && reads_body && x->plan.expectation == EXPECT_AUTO) {
        start_wait(x, PAUSE_CONTINUE, x->plan.continue_ms);
    }
    if (x->plan.when == WHEN_HEAD) {
        due(x);
    }
}

void exchange_body(exchange *x, const uint8_t *octets, size_t count)
{
    x->received_octets += count;
    x->received_sum = pattern_sum(x->received_sum, octets, count);
    if (x->plan.keep_body && queue_length(&x->kept) + count <= KEPT_LIMIT) {
        queue_append(&x->kept, octets, count);
    }
    if (x->plan.body == BODY_ECHO && x->phase != PHASE_SENT) {
        queue_append(&x->echo, octets, count);
        if (x->phase == PHASE_ANSWERING) {
            x->conn->protocol->resume(x);
        }
    }
}

void exchange_ended(exchange *x)
{
    assert(!x->ended);
    x->ended = true;
    if (x->pause == PAUSE_CONTINUE) {
        stop_waiting(x);
    }
    if (x->plan.at_end != NULL) {
        x->plan.at_end(x);
    }
    if (x->plan.when == WHEN_ENDED && x->phase == PHASE_WAITING) {
        due(x);
    } else if (x->plan.body == BODY_ECHO && x->phase == PHASE_ANSWERING) {
        x->conn->protocol->resume(x);
    }
}

body_piece exchange_read(exchange *x, uint8_t *out, size_t room)
{
    switch (x->plan.body) {
    case BODY_PATTERN:
        return read_pattern(x, out, room);
    case BODY_TEXT:
        return read_text(x, out, room);
    case BODY_ECHO:
        return read_echo(x, out, room);
    case BODY_NONE:
        break;
    }
    return (body_piece){0, true};
}

void exchange_sent(exchange *x)
{
    assert(x->phase == PHASE_ANSWERING);
    stop_waiting(x);
    x->phase = PHASE_SENT;
    queue_clear(&x->echo);
    if (x->plan.after != NULL) {
        x->plan.after(x);
    }
}

bool exchange_has_body(const exchange *x)
{
    return x->plan.framing != FRAMING_NONE && strcmp(x->method, "HEAD") != 0;
}

bool fields_add(fields *f, const char *name, const char *value)
{
    return fields_add_octets(f, name, strlen(name), value, strlen(value));
}

bool fields_add_octets(fields *f, const void *name, size_t name_octets, const void *value,
                       size_t value_octets)
{
    if (f->count == f->room) {
        f->room = f->room == 0 ? 8 : f->room * 2;
        f->at = realloc(f->at, f->room * sizeof f->at[0]);
        if (f->at == NULL) {
            exit(70);
        }
    }
    char *block = must_alloc(name_octets + value_octets + 2);
    memcpy(block, name, name_octets);
    if (value_octets > 0) {
        memcpy(block + name_octets + 1, value, value_octets);
    }
    f->at[f->count++] = (field){block, block + name_octets + 1, value_octets};
    f->octets += name_octets + value_octets;
    return f->count <= FIELDS_LIMIT && f->octets <= FIELDS_OCTETS_LIMIT;
}

void fields_format(fields *f, const char *name, const char *format, ...)
{
    char value[512];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(value, sizeof value, format, list);
    va_end(list);
    assert(length >= 0);
    (void)fields_add(f, name, value);
}

const char *fields_find(const fields *f, const char *name)
{
    for (size_t i = 0; i < f->count; i++) {
        if (strcasecmp(f->at[i].name, name) == 0) {
            return f->at[i].value;
        }
    }
    return NULL;
}

void fields_clear(fields *f)
{
    for (size_t i = 0; i < f->count; i++) {
        free(f->at[i].name);
    }
    free(f->at);
    *f = (fields){0};
}

static void fired(void *user)
{
    exchange *x = user;
    conn *c = x->conn;
    wait_for why = x->pause;
    x->pause = PAUSE_NONE;
    switch (why) {
    case PAUSE_NONE:
        break;
    case PAUSE_CONTINUE:
        x->continued = true;
        c->protocol->interim(x, 100);
        break;
    case PAUSE_DELAY:
        x->plan.delay_ms = 0;
        due(x);
        break;
    case PAUSE_HINTS:
        answer(x);
        break;
    case PAUSE_DRIP:
        x->drip_due++;
        c->protocol->resume(x);
        break;
    }
    conn_settle(c);
}

static void start_wait(exchange *x, wait_for why, uint64_t delay_ms)
{
    x->pause = why;
    if (delay_ms == 0 && why == PAUSE_CONTINUE) {
        x->pause = PAUSE_NONE;
        x->continued = true;
        x->conn->protocol->interim(x, 100);
        return;
    }
    loop_timer(x->conn->server->loop, &x->timer, delay_ms);
}

static void stop_waiting(exchange *x)
{
    x->pause = PAUSE_NONE;
    loop_timer_stop(x->conn->server->loop, &x->timer);
}

static void due(exchange *x)
{
    if (x->plan.delay_ms > 0) {
        start_wait(x, PAUSE_DELAY, x->plan.delay_ms);
        return;
    }
    if (x->plan.before != NULL) {
        x->plan.before(x);
    }
    if (x->plan.when != WHEN_NEVER) {
        say_hints(x);
    }
}

static void say_hints(exchange *x)
{
    for (unsigned i = 0; i < x->plan.hints; i++) {
        x->conn->protocol->interim(x, 103);
    }
    if (x->plan.hints_ms > 0) {
        start_wait(x, PAUSE_HINTS, x->plan.hints_ms);
    } else {
        answer(x);
    }
}

static void answer(exchange *x)
{
    assert(x->phase == PHASE_WAITING);
    x->phase = PHASE_ANSWERING;
    if (x->plan.body == BODY_TEXT && x->plan.declared == UNDECLARED) {
        x->plan.declared = queue_length(&x->plan.text);
    }
    x->conn->protocol->answer(x);
}

static body_piece read_pattern(exchange *x, uint8_t *out, size_t room)
{
    uint64_t left = x->plan.octets - x->body_at;
    if (x->plan.drip_ms > 0 && x->body_at > 0) {
        uint64_t allowed = x->drip_due > 0 ? 1 : 0;
        x->drip_due -= allowed;
        room = allowed < room ? (size_t)allowed : room;
    } else if (x->plan.drip_ms > 0) {
        room = 1;
    }
    size_t count = left < room ? (size_t)left : room;
    pattern_fill(out, x->body_at, count);
    x->body_at += count;
    bool last = x->body_at == x->plan.octets;
    if (x->plan.drip_ms > 0 && !last && x->pause == PAUSE_NONE) {
        start_wait(x, PAUSE_DRIP, x->plan.drip_ms);
    }
    return (body_piece){count, last};
}

static body_piece read_text(exchange *x, uint8_t *out, size_t room)
{
    size_t left = queue_length(&x->plan.text) - (size_t)x->body_at;
    size_t count = left < room ? left : room;
    if (count > 0) {
        memcpy(out, queue_head(&x->plan.text) + x->body_at, count);
    }
    x->body_at += count;
    return (body_piece){count, count == left};
}

static body_piece read_echo(exchange *x, uint8_t *out, size_t room)
{
    size_t length = queue_length(&x->echo);
    size_t count = length < room ? length : room;
    if (count > 0) {
        memcpy(out, queue_head(&x->echo), count);
        queue_consume(&x->echo, count);
    }
    x->body_at += count;
    return (body_piece){count, x->ended && queue_length(&x->echo) == 0};
}
