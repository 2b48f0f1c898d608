/* SPDX-License-Identifier: MIT */
/* The steps of an exchange; transfer.h has the states. */
#include "transfer.h"

#include "text.h"

#include "../origin/pattern.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 65536, WRITE_PIECE = 50000 };
#define PATIENCE_NS (30 * WEIR_NS_PER_SECOND)

static weir_status source_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user);
static bool source_rewind(void *user);
static bool write_all(transfer *t);
static bool read_all(transfer *t);
static void take(transfer *t, const uint8_t *octets, size_t count);
static void note_head(transfer *t);
static void note_trailers(transfer *t);
static void copy_span(char *to, size_t room, weir_span from);

static uint8_t *block;
static pthread_once_t block_once = PTHREAD_ONCE_INIT;

void transfer_init(transfer *t)
{
    memset(t, 0, sizeof *t);
    t->call = (weir_call)WEIR_CALL_INIT;
    t->cancel_after_octets = WEIR_UNKNOWN;
    t->wrong_at = WEIR_UNKNOWN;
    t->declared = WEIR_UNKNOWN;
}

void transfer_prepare(transfer *t)
{
    t->began_ns = weir_now();
    t->request = (weir_request)WEIR_REQUEST_INIT;
    t->request.url = weir_span_of(t->url);
    t->request.method = weir_span_of(t->method);
    if (t->call.deadline_ns == 0) {
        t->call.deadline_ns = t->began_ns + PATIENCE_NS;
    }
    if (t->upload == UPLOAD_SPAN) {
        if (t->upload_octets > TRANSFER_BLOCK) {
            die("a span of more than %d octets", TRANSFER_BLOCK);
        }
        t->request.body.kind = WEIR_BODY_SPAN;
        t->request.body.span = (weir_span){pattern_block(), (size_t)t->upload_octets};
    } else if (t->upload != UPLOAD_NONE) {
        t->source = (weir_source){
            .size = sizeof t->source, .user = t, .read = source_read, .rewind = source_rewind};
        t->request.body.kind = t->upload == UPLOAD_SOURCE ? WEIR_BODY_SOURCE : WEIR_BODY_STREAM;
        t->request.body.source = &t->source;
        t->request.body.length_octets = t->upload_uncounted ? WEIR_UNKNOWN : t->upload_octets;
    }
    if (t->upload != UPLOAD_STREAM) {
        t->request.trailers = t->trailers;
        t->request.trailer_count = t->trailer_count;
    }
    t->stage = t->upload == UPLOAD_STREAM ? TRANSFER_WRITING : TRANSFER_READING;
}

void transfer_step(transfer *t, bool waits)
{
    if (t->stage == TRANSFER_WRITING && !write_all(t)) {
        return;
    }
    if (t->stage == TRANSFER_READING && (t->held || !read_all(t))) {
        return;
    }
    if (t->stage == TRANSFER_READ && (waits || t->told_done)) {
        transfer_end(t, t->status);
    }
}

void transfer_end(transfer *t, weir_status status)
{
    weir_exchange *exchange = t->exchange;
    t->status = status;
    t->stage = TRANSFER_OVER;
    t->took_ns = weir_now() - t->began_ns;
    if (exchange == NULL) {
        return;
    }
    note_head(t);
    note_trailers(t);
    t->failure = weir_exchange_failure(exchange);
    t->tally = weir_exchange_tally(exchange);
    t->attempts = weir_exchange_attempt_count(exchange);
    t->first = (weir_attempt){.size = sizeof t->first};
    t->last = (weir_attempt){.size = sizeof t->last};
    if (t->attempts > 0) {
        (void)weir_exchange_attempt_at(exchange, 0, &t->first);
        (void)weir_exchange_attempt_at(exchange, t->attempts - 1, &t->last);
    }
    weir_exchange_free(exchange);
    t->exchange = NULL;
}

static void fill_block(void)
{
    block = must_alloc(TRANSFER_BLOCK);
    pattern_fill(block, 0, TRANSFER_BLOCK);
}

const uint8_t *pattern_block(void)
{
    pthread_once(&block_once, fill_block);
    return block;
}

static weir_status source_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    const transfer *t = user;
    uint64_t left = t->upload_octets - offset;
    *octets = left < room ? (size_t)left : room;
    pattern_fill(to, offset, *octets);
    return *octets == left ? WEIR_END : WEIR_OK;
}

static bool source_rewind(void *user)
{
    (void)user;
    return true; /* the pattern is made from the offset */
}

/* true: go on with the answer. */
static bool write_all(transfer *t)
{
    weir_status status = WEIR_OK;
    while (t->written < t->upload_octets && status == WEIR_OK) {
        uint64_t left = t->upload_octets - t->written;
        size_t taken = 0;
        weir_span piece = {pattern_block() + t->written,
                           left < WRITE_PIECE ? (size_t)left : WRITE_PIECE};
        status = weir_write(t->exchange, piece, &taken);
        t->written += taken;
    }
    if (status == WEIR_OK) {
        status = weir_finish(t->exchange, t->trailers, t->trailer_count);
    }
    if (status == WEIR_AGAIN) {
        return false;
    }
    t->answered_early = status == WEIR_ANSWERED;
    t->stage = TRANSFER_READING;
    return true;
}

/* true: the answer has been read to its end, or to a failure. */
static bool read_all(transfer *t)
{
    uint8_t room[PIECE];
    for (;;) {
        size_t count = 0;
        weir_status status = WEIR_OK;
        if (t->dropped && weir_exchange_code(t->exchange) > 0) {
            transfer_end(t, WEIR_OK);
            return false;
        }
        status = t->dropped ? weir_response(t->exchange)
                            : weir_read(t->exchange, room, sizeof room, &count);
        if (status == WEIR_AGAIN) {
            return false;
        }
        take(t, room, count);
        if (status != WEIR_OK) {
            t->status = status == WEIR_END ? WEIR_OK : status;
            t->stage = TRANSFER_READ;
            return true;
        }
        if (t->octets >= t->cancel_after_octets) {
            weir_cancel(t->exchange);
        }
    }
}

static void take(transfer *t, const uint8_t *octets, size_t count)
{
    for (size_t i = 0; i < count && !t->is_text && t->wrong_at == WEIR_UNKNOWN; i++) {
        uint64_t at = t->octets + i;
        if (at >= TRANSFER_BLOCK || octets[i] != pattern_block()[at]) {
            t->wrong_at = at;
        }
    }
    size_t room = TRANSFER_TEXT - t->text_octets;
    size_t kept = count < room ? count : room;
    memcpy(t->text + t->text_octets, octets, kept);
    t->text_octets += kept;
    t->octets += count;
}

static void note_head(transfer *t)
{
    t->code = weir_exchange_code(t->exchange);
    t->declared = t->code > 0 ? weir_exchange_length(t->exchange) : WEIR_UNKNOWN;
    t->informational_count = weir_exchange_informational_count(t->exchange);
    for (size_t i = 0; i < t->informational_count && i < TRANSFER_FIELDS; i++) {
        t->informational[i] = weir_exchange_informational_code(t->exchange, i);
    }
}

static void note_trailers(transfer *t)
{
    t->received_trailer_count = weir_exchange_trailer_count(t->exchange);
    for (size_t i = 0; i < t->received_trailer_count && i < TRANSFER_FIELDS; i++) {
        weir_field field;
        if (weir_exchange_trailer_at(t->exchange, i, &field)) {
            transfer_field *to = &t->received_trailers[i];
            copy_span(to->name, sizeof to->name, field.name);
            copy_span(to->value, sizeof to->value, field.value);
        }
    }
}

static void copy_span(char *to, size_t room, weir_span from)
{
    size_t length = from.length < room ? from.length : room - 1;
    memcpy(to, from.at, length);
    to[length] = '\0';
}
