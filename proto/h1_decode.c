/* SPDX-License-Identifier: MIT */
/*
 * Responses from octets.
 *
 * Every octet is looked at in its place, so the row it belongs to and the octet at which a response
 * fails depend on the octets alone and not on how they were split: a response fed octet by octet
 * has the same events, rows and failure as one fed whole.
 *
 * The chunked coding is read here and not by llhttp. Its extensions and padding need a limit that
 * counts octets, its lines are a row of their own, and between versions of llhttp the opinions
 * differ on white space and line ends in it. There are seven places in it, and all that is not
 * named is refused: a bare LF too, whatever limits.bare_lf says of heads.
 *
 * Invariants: left_octets is 0 outside COUNTED, CHUNK and a chunk line; a message is held only
 * while a section is under way or between the step that completes it and weir_h1_decode_take().
 */
#include "proto/h1_decode.h"

#include "proto/head_rules.h"
#include "proto/octet.h"

#include <string.h>

/* The largest number that can take one more hex digit and stay below 2^63. */
#define LARGEST_PREFIX (INT64_MAX >> 4)

static weir_h1_step next_head(weir_h1_decode *decode, weir_span octets);
static weir_conn_event_kind finish_head(weir_h1_decode *decode);
static weir_conn_event_kind finish_informational(weir_h1_decode *decode);
static void begin_content(weir_h1_decode *decode);
static weir_h1_step next_content(weir_h1_decode *decode, weir_span octets);
static void finish_content(weir_h1_decode *decode);
static weir_h1_step next_chunk_line(weir_h1_decode *decode, weir_span octets);
static void line_edge(weir_h1_decode *decode, uint8_t octet);
static void line_digit(weir_h1_decode *decode, uint8_t octet);
static void line_end(weir_h1_decode *decode, uint8_t octet);
static void expect(weir_h1_decode *decode, uint8_t octet, uint8_t wanted, weir_h1_chunk_line next);
static void finish_line(weir_h1_decode *decode);
static bool spend(weir_h1_decode *decode);
static weir_h1_step next_trailers(weir_h1_decode *decode, weir_span octets);
static void keep_allowed_trailers(weir_h1_decode *decode);
static void fail(weir_h1_decode *decode, weir_status status, const char *what);
static void adopt_failure(weir_h1_decode *decode);

static const char *const part_names[] = {
    [WEIR_H1_PART_HEAD] = "head",
    [WEIR_H1_PART_COUNTED] = "counted",
    [WEIR_H1_PART_CHUNK_LINE] = "chunk-line",
    [WEIR_H1_PART_UNTIL_CLOSE] = "until-close",
    [WEIR_H1_PART_CHUNK] = "chunk",
    [WEIR_H1_PART_TRAILERS] = "trailers",
    [WEIR_H1_PART_OVER] = "over",
};
_Static_assert(WEIR_COUNT_OF(part_names) == WEIR_H1_PART_COUNT, "every part has a name");

const char *weir_h1_part_name(weir_h1_part part)
{
    return (size_t)part < WEIR_COUNT_OF(part_names) ? part_names[part] : "unknown";
}

void weir_h1_decode_init(weir_h1_decode *decode, const weir_conn_limits *limits, weir_buf *inbox,
                         weir_h1_asked asked)
{
    memset(decode, 0, sizeof(*decode));
    weir_h1_section_init(&decode->section, inbox->bin->allocator, limits);
    decode->inbox = inbox;
    decode->asked = asked;
}

void weir_h1_decode_clear(weir_h1_decode *decode)
{
    weir_h1_section_clear(&decode->section);
}

weir_h1_step weir_h1_decode_next(weir_h1_decode *decode, weir_span octets)
{
    WEIR_ASSERT(octets.length > 0);
    WEIR_ASSERT(decode->status == WEIR_OK);
    decode->touched = true;
    switch (decode->part) {
    case WEIR_H1_PART_HEAD:
        return next_head(decode, octets);
    case WEIR_H1_PART_COUNTED:
    case WEIR_H1_PART_UNTIL_CLOSE:
    case WEIR_H1_PART_CHUNK:
        return next_content(decode, octets);
    case WEIR_H1_PART_CHUNK_LINE:
        return next_chunk_line(decode, octets);
    case WEIR_H1_PART_TRAILERS:
        return next_trailers(decode, octets);
    case WEIR_H1_PART_OVER:
    case WEIR_H1_PART_COUNT:
        break;
    }
    WEIR_ASSERT(false);
    return (weir_h1_step){.octets = 0};
}

weir_message *weir_h1_decode_take(weir_h1_decode *decode)
{
    return decode->section.message ? weir_h1_section_take(&decode->section) : NULL;
}

bool weir_h1_decode_end(weir_h1_decode *decode)
{
    if (decode->part == WEIR_H1_PART_UNTIL_CLOSE) {
        decode->part = WEIR_H1_PART_OVER;
    }
    return weir_h1_decode_is_over(decode);
}

bool weir_h1_decode_is_over(const weir_h1_decode *decode)
{
    return decode->part == WEIR_H1_PART_OVER;
}

uint64_t weir_h1_decode_offset(const weir_h1_decode *decode)
{
    bool in_section = decode->part == WEIR_H1_PART_HEAD || decode->part == WEIR_H1_PART_TRAILERS;
    return in_section && decode->section.octets > 0 ? decode->section.octets - 1 : WEIR_UNKNOWN;
}

void weir_h1_decode_check(const weir_h1_decode *decode)
{
    bool counts = decode->part == WEIR_H1_PART_COUNTED || decode->part == WEIR_H1_PART_CHUNK;
    if (decode->status == WEIR_OK) {
        WEIR_CHECK_ASSERT(!counts || decode->left_octets > 0);
        WEIR_CHECK_ASSERT(counts || decode->part == WEIR_H1_PART_CHUNK_LINE ||
                          decode->left_octets == 0);
        WEIR_CHECK_ASSERT(decode->section.octets <= decode->section.limits->head_octets);
        WEIR_CHECK_ASSERT(decode->section.fields <= decode->section.limits->fields);
        WEIR_CHECK_ASSERT(decode->informational <= decode->section.limits->informational);
        WEIR_CHECK_ASSERT(decode->chunk_octets <= decode->section.limits->chunk_octets);
    }
    WEIR_CHECK_ASSERT(decode->status != WEIR_OK || decode->section.status == WEIR_OK);
}

static weir_h1_step next_head(weir_h1_decode *decode, weir_span octets)
{
    weir_h1_step step = {.row = WEIR_ROW_HEAD};
    if (weir_h1_section_is_over(&decode->section)) {
        weir_h1_section_next_head(&decode->section); /* the last one was a 1xx */
    }
    step.octets = weir_h1_section_feed(&decode->section, octets);
    adopt_failure(decode);
    if (decode->status == WEIR_OK && weir_h1_section_is_over(&decode->section)) {
        step.kind = finish_head(decode);
    }
    return step;
}

static weir_conn_event_kind finish_head(weir_h1_decode *decode)
{
    weir_message *message = decode->section.message;
    unsigned minor = weir_h1_section_minor(&decode->section);
    weir_status status = weir_h1_framing_decide(&decode->framing, message, minor, decode->asked);
    if (status != WEIR_OK) {
        fail(decode, status, decode->framing.what);
        return WEIR_CONN_NOTHING;
    }
    if (message->code / 100 == 1) {
        return finish_informational(decode);
    }
    begin_content(decode);
    return WEIR_CONN_HEAD;
}

static weir_conn_event_kind finish_informational(weir_h1_decode *decode)
{
    const weir_conn_limits *limits = decode->section.limits;
    if (decode->section.message->code == 101) {
        fail(decode, WEIR_E_H1_UPGRADE, NULL);
        return WEIR_CONN_NOTHING;
    }
    decode->informational++;
    if (decode->informational > limits->informational) {
        fail(decode, WEIR_E_LIMIT_INFORMATIONAL, NULL);
        return WEIR_CONN_NOTHING;
    }
    if (decode->section.octets > limits->head_octets - decode->informational_octets) {
        fail(decode, WEIR_E_LIMIT_HEAD, "all 1xx heads together are over the octet limit");
        return WEIR_CONN_NOTHING;
    }
    decode->informational_octets += decode->section.octets;
    return WEIR_CONN_INFORMATIONAL;
}

static void begin_content(weir_h1_decode *decode)
{
    decode->left_octets = 0;
    switch (decode->framing.body.framing) {
    case WEIR_FRAMING_NONE:
        decode->part = WEIR_H1_PART_OVER;
        return;
    case WEIR_FRAMING_LENGTH:
        decode->left_octets = decode->framing.body.length_octets;
        decode->part = decode->left_octets > 0 ? WEIR_H1_PART_COUNTED : WEIR_H1_PART_OVER;
        return;
    case WEIR_FRAMING_CHUNKED:
        decode->part = WEIR_H1_PART_CHUNK_LINE;
        decode->line = WEIR_H1_CHUNK_FIRST_DIGIT;
        return;
    case WEIR_FRAMING_UNTIL_CLOSE:
        decode->part = WEIR_H1_PART_UNTIL_CLOSE;
        return;
    }
    WEIR_ASSERT(false);
}

static weir_h1_step next_content(weir_h1_decode *decode, weir_span octets)
{
    weir_h1_step step = {.row = WEIR_ROW_BODY, .kind = WEIR_CONN_BODY};
    step.octets = weir_min(octets.length, weir_buf_room(decode->inbox));
    bool counts = decode->part != WEIR_H1_PART_UNTIL_CLOSE;
    if (counts && step.octets > decode->left_octets) {
        step.octets = (size_t)decode->left_octets;
    }
    if (step.octets == 0) {
        return (weir_h1_step){.row = WEIR_ROW_BODY};
    }
    if (!weir_buf_append(decode->inbox, weir_span_head(octets, step.octets))) {
        fail(decode, WEIR_E_NOMEM, NULL);
        step.kind = WEIR_CONN_NOTHING;
        return step;
    }
    if (counts) {
        decode->left_octets -= step.octets;
        if (decode->left_octets == 0) {
            finish_content(decode);
        }
    }
    return step;
}

static void finish_content(weir_h1_decode *decode)
{
    if (decode->part == WEIR_H1_PART_COUNTED) {
        decode->part = WEIR_H1_PART_OVER;
        return;
    }
    decode->part = WEIR_H1_PART_CHUNK_LINE;
    decode->line = WEIR_H1_CHUNK_DATA_CR;
}

/* Framing between chunks: up to the end of the chunk line, which alone changes the part. */
static weir_h1_step next_chunk_line(weir_h1_decode *decode, weir_span octets)
{
    size_t i = 0;
    while (i < octets.length && decode->status == WEIR_OK &&
           decode->part == WEIR_H1_PART_CHUNK_LINE) {
        line_edge(decode, octets.at[i]);
        i++;
    }
    return (weir_h1_step){.octets = i, .row = WEIR_ROW_FRAMING};
}

static void line_edge(weir_h1_decode *decode, uint8_t octet)
{
    switch (decode->line) {
    case WEIR_H1_CHUNK_FIRST_DIGIT:
        if (!weir_octet_is(octet, WEIR_OCTET_HEX)) {
            fail(decode, WEIR_E_H1_CHUNK, "a chunk line does not begin with a hex digit");
            return;
        }
        decode->left_octets = weir_octet_hex(octet);
        decode->line = WEIR_H1_CHUNK_DIGITS;
        return;
    case WEIR_H1_CHUNK_DIGITS:
        line_digit(decode, octet);
        return;
    case WEIR_H1_CHUNK_SPACE:
        if (octet == ' ' || octet == '\t') {
            (void)spend(decode);
            return;
        }
        line_end(decode, octet);
        return;
    case WEIR_H1_CHUNK_EXTENSION:
        if (weir_octet_is(octet, WEIR_OCTET_VALUE)) {
            (void)spend(decode);
            return;
        }
        expect(decode, octet, '\r', WEIR_H1_CHUNK_LF);
        return;
    case WEIR_H1_CHUNK_LF:
        expect(decode, octet, '\n', WEIR_H1_CHUNK_FIRST_DIGIT);
        finish_line(decode);
        return;
    case WEIR_H1_CHUNK_DATA_CR:
        expect(decode, octet, '\r', WEIR_H1_CHUNK_DATA_LF);
        return;
    case WEIR_H1_CHUNK_DATA_LF:
        expect(decode, octet, '\n', WEIR_H1_CHUNK_FIRST_DIGIT);
        return;
    }
    WEIR_ASSERT(false);
}

static void line_digit(weir_h1_decode *decode, uint8_t octet)
{
    if (!weir_octet_is(octet, WEIR_OCTET_HEX)) {
        if (octet == ' ' || octet == '\t') {
            /* BWS, RFC 9112 s7.1.1; old servers pad their chunk lines with it. */
            decode->line = WEIR_H1_CHUNK_SPACE;
            (void)spend(decode);
            return;
        }
        line_end(decode, octet);
        return;
    }
    if (decode->left_octets > LARGEST_PREFIX) {
        fail(decode, WEIR_E_H1_CHUNK, "a chunk is not below 2^63 octets");
        return;
    }
    if (decode->left_octets > 0 || spend(decode)) { /* a digit behind zeros: one was padding */
        decode->left_octets = decode->left_octets << 4 | weir_octet_hex(octet);
    }
}

/* Behind the digits and the white space: an extension or the end of the line. */
static void line_end(weir_h1_decode *decode, uint8_t octet)
{
    if (octet == ';') {
        decode->line = WEIR_H1_CHUNK_EXTENSION;
        (void)spend(decode);
        return;
    }
    expect(decode, octet, '\r', WEIR_H1_CHUNK_LF);
}

static void expect(weir_h1_decode *decode, uint8_t octet, uint8_t wanted, weir_h1_chunk_line next)
{
    if (octet == wanted) {
        decode->line = next;
    } else {
        fail(decode, WEIR_E_H1_CHUNK, "the chunked coding lacks a CRLF where one must be");
    }
}

static void finish_line(weir_h1_decode *decode)
{
    if (decode->status != WEIR_OK) {
        return;
    }
    if (decode->left_octets > 0) {
        decode->part = WEIR_H1_PART_CHUNK;
        return;
    }
    decode->part = WEIR_H1_PART_TRAILERS;
    weir_h1_section_trailers(&decode->section);
}

/* One octet of a chunk line that carries nothing. False: it was one too many. */
static bool spend(weir_h1_decode *decode)
{
    decode->chunk_octets++;
    if (decode->chunk_octets > decode->section.limits->chunk_octets) {
        fail(decode, WEIR_E_LIMIT_CHUNK, NULL);
    }
    return decode->status == WEIR_OK;
}

static weir_h1_step next_trailers(weir_h1_decode *decode, weir_span octets)
{
    bool is_last = weir_h1_section_is_last_line(&decode->section, octets.at[0]);
    weir_h1_step step = {.row = is_last ? WEIR_ROW_FRAMING : WEIR_ROW_TRAILERS};
    step.octets = weir_h1_section_feed(&decode->section, octets);
    adopt_failure(decode);
    if (decode->status == WEIR_OK && weir_h1_section_is_over(&decode->section)) {
        keep_allowed_trailers(decode);
        decode->part = WEIR_H1_PART_OVER;
    }
    return step;
}

/*
 * RFC 9110 s6.5.1: a field that had to be known before the content is not to be believed behind it.
 * The list is closed up in place; its octets stay where they are.
 */
static void keep_allowed_trailers(weir_h1_decode *decode)
{
    weir_message *message = decode->section.message;
    if (!message) {
        return;
    }
    weir_fields *fields = &message->fields;
    size_t kept = 0;
    for (size_t i = 0; i < fields->count; i++) {
        if (weir_field_fits_trailers(fields->fields[i].name)) {
            fields->fields[kept] = fields->fields[i];
            kept++;
        } else {
            fields->octets -= fields->fields[i].name.length + fields->fields[i].value.length;
            decode->dropped_trailers++;
        }
    }
    fields->count = kept;
    weir_fields_check(fields);
    if (kept == 0) {
        weir_message_free(weir_h1_section_take(&decode->section));
    }
}

static void fail(weir_h1_decode *decode, weir_status status, const char *what)
{
    WEIR_ASSERT(status != WEIR_OK);
    if (decode->status == WEIR_OK) {
        decode->status = status;
        decode->what = what;
    }
}

static void adopt_failure(weir_h1_decode *decode)
{
    if (decode->section.status != WEIR_OK) {
        fail(decode, decode->section.status, decode->section.what);
    }
}
