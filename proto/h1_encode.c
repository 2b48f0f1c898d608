/* SPDX-License-Identifier: MIT */
/*
 * Requests to octets.
 *
 * A head is written into a small piece of stack and handed to the queue when that is full or the
 * head is over: a queue call for each of a hundred little pieces would cost more than the copy, and
 * an ordinary head becomes one append. The queue is made ready for the exact length before, so that
 * it takes all of it or was never asked. Head and small body lie in one chunk of the queue, one
 * piece for one system call.
 *
 * Nothing is checked here: weir_head_build() and weir_trailers_build() were the doors.
 */
#include "proto/h1_encode.h"

#include "proto/span.h"

#include <string.h>

#define SCRATCH_OCTETS     ((size_t)1024)
#define U64_DECIMAL_OCTETS 20 /* of 2^64 - 1 */
#define U64_HEX_OCTETS     16

#define CRLF      WEIR_SPAN("\r\n")
#define VERSION   WEIR_SPAN(" HTTP/1.1\r\n")
#define HOST      WEIR_SPAN("host: ")
#define LENGTH    WEIR_SPAN("content-length: ")
#define CHUNKED   WEIR_SPAN("transfer-encoding: chunked\r\n")
#define USES_TE   WEIR_SPAN("connection: TE\r\n")
#define LAST      WEIR_SPAN("0\r\n")
#define SEPARATOR WEIR_SPAN(": ")

/* Gathers small pieces of one row. With no queue it only counts. */
typedef struct writer {
    weir_out *out;
    weir_owner *owner;
    weir_row row;
    size_t octets; /* written in all */
    size_t used;
    uint8_t scratch[SCRATCH_OCTETS];
} writer;

typedef struct digits {
    uint8_t at[U64_DECIMAL_OCTETS];
} digits;

_Static_assert(U64_HEX_OCTETS <= U64_DECIMAL_OCTETS, "both fit the same digits");

static void write_head(writer *w, const weir_head *head);
static void write_framing_fields(writer *w, const weir_head *head);
static void write_fields(writer *w, const weir_fields *fields);
static void begin(writer *w, const weir_h1_encode *encode, weir_row row);
static void put(writer *w, weir_span octets);
static void flush(writer *w);
static size_t fields_octets(const weir_fields *fields);
static weir_span number(digits *place, uint64_t value, unsigned base);
static void queue(const weir_h1_encode *encode, weir_row row, weir_span octets);

void weir_h1_encode_init(weir_h1_encode *encode, weir_out *out, weir_owner *owner)
{
    *encode = (weir_h1_encode){.out = out, .owner = owner};
}

bool weir_h1_encode_head(weir_h1_encode *encode, const weir_head *head)
{
    writer w;
    begin(&w, encode, WEIR_ROW_HEAD);
    w.out = NULL;
    write_head(&w, head);
    size_t octets = w.octets;
    if (!weir_out_prepare(encode->out, octets, 1)) {
        return false;
    }
    begin(&w, encode, WEIR_ROW_HEAD);
    write_head(&w, head);
    flush(&w);
    WEIR_ASSERT(w.octets == octets);
    encode->framing = head->body.framing;
    encode->left_octets = head->body.length_octets;
    return true;
}

bool weir_h1_encode_body(weir_h1_encode *encode, weir_span octets)
{
    WEIR_ASSERT(octets.length > 0);
    if (encode->framing == WEIR_FRAMING_LENGTH) {
        WEIR_ASSERT(octets.length <= encode->left_octets);
        if (!weir_out_prepare(encode->out, octets.length, 1)) {
            return false;
        }
        queue(encode, WEIR_ROW_BODY, octets);
        encode->left_octets -= octets.length;
        return true;
    }
    WEIR_ASSERT(encode->framing == WEIR_FRAMING_CHUNKED);
    digits hex;
    weir_span length = number(&hex, octets.length, 16);
    if (!weir_out_prepare(encode->out, length.length + octets.length + 2 * CRLF.length, 3)) {
        return false;
    }
    queue(encode, WEIR_ROW_FRAMING, length);
    queue(encode, WEIR_ROW_FRAMING, CRLF);
    queue(encode, WEIR_ROW_BODY, octets);
    queue(encode, WEIR_ROW_FRAMING, CRLF);
    return true;
}

bool weir_h1_encode_end(weir_h1_encode *encode, const weir_fields *trailers)
{
    if (encode->framing == WEIR_FRAMING_LENGTH) {
        WEIR_ASSERT(encode->left_octets == 0);
        WEIR_ASSERT(!trailers);
        return true;
    }
    WEIR_ASSERT(encode->framing == WEIR_FRAMING_CHUNKED);
    size_t octets = trailers ? fields_octets(trailers) : 0;
    if (!weir_out_prepare(encode->out, LAST.length + octets + CRLF.length, 3)) {
        return false;
    }
    queue(encode, WEIR_ROW_FRAMING, LAST);
    if (trailers) {
        writer w;
        begin(&w, encode, WEIR_ROW_TRAILERS);
        write_fields(&w, trailers);
        flush(&w);
        WEIR_ASSERT(w.octets == octets);
    }
    queue(encode, WEIR_ROW_FRAMING, CRLF);
    return true;
}

bool weir_h1_encode_is_whole(const weir_h1_encode *encode)
{
    return encode->framing == WEIR_FRAMING_LENGTH && encode->left_octets == 0;
}

/* RFC 9112 s3.2: origin-form or "*" as the path has it; authority-form for CONNECT. */
static void write_head(writer *w, const weir_head *head)
{
    put(w, head->method);
    put(w, WEIR_SPAN(" "));
    put(w, head->is_connect ? head->authority : head->path);
    put(w, VERSION);
    put(w, HOST);
    put(w, head->authority);
    put(w, CRLF);
    write_fields(w, &head->fields);
    write_framing_fields(w, head);
    put(w, CRLF);
}

static void write_framing_fields(writer *w, const weir_head *head)
{
    weir_span te;
    if (weir_fields_find(&head->fields, WEIR_SPAN("te"), 0, &te)) {
        /* RFC 9110 s10.1.4: who sends TE says that it is hop by hop. */
        put(w, USES_TE);
    }
    if (head->body.framing == WEIR_FRAMING_CHUNKED) {
        put(w, CHUNKED);
    } else if (head->says_length) {
        digits decimal;
        put(w, LENGTH);
        put(w, number(&decimal, head->body.length_octets, 10));
        put(w, CRLF);
    }
}

static void write_fields(writer *w, const weir_fields *fields)
{
    weir_field field;
    for (size_t i = 0; weir_fields_at(fields, i, &field); i++) {
        put(w, field.name);
        put(w, SEPARATOR);
        put(w, field.value);
        put(w, CRLF);
    }
}

static void begin(writer *w, const weir_h1_encode *encode, weir_row row)
{
    w->out = encode->out;
    w->owner = encode->owner;
    w->row = row;
    w->octets = 0;
    w->used = 0;
}

static void put(writer *w, weir_span octets)
{
    w->octets += octets.length;
    while (w->out && octets.length > 0) {
        if (w->used == SCRATCH_OCTETS) {
            flush(w);
        }
        size_t step = weir_min(octets.length, SCRATCH_OCTETS - w->used);
        memcpy(w->scratch + w->used, octets.at, step);
        w->used += step;
        octets = weir_span_from(octets, step);
    }
}

static void flush(writer *w)
{
    bool queued = weir_out_append(w->out, w->owner, w->row, (weir_span){w->scratch, w->used});
    WEIR_ASSERT(queued);
    w->used = 0;
}

static size_t fields_octets(const weir_fields *fields)
{
    writer w;
    w.out = NULL;
    w.octets = 0;
    write_fields(&w, fields);
    return w.octets;
}

/* Written from the back; the span lies in `place`. */
static weir_span number(digits *place, uint64_t value, unsigned base)
{
    WEIR_ASSERT(base == 10 || base == 16);
    size_t first = sizeof(place->at);
    do {
        first--;
        place->at[first] = (uint8_t) "0123456789abcdef"[value % base];
        value /= base;
    } while (value > 0);
    return (weir_span){place->at + first, sizeof(place->at) - first};
}

/* The memory was got before: this cannot fail. */
static void queue(const weir_h1_encode *encode, weir_row row, weir_span octets)
{
    bool queued = weir_out_append(encode->out, encode->owner, row, octets);
    WEIR_ASSERT(queued);
}
