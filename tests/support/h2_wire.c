/* SPDX-License-Identifier: MIT */
/*
 * Puts frames together from words.
 */
#include "support/h2_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#define WORD_ROOM   200000
#define MOST_FIELDS 300

/* A frame that is being put together. */
typedef struct draft {
    const weir_corpus_document *document;
    const weir_corpus_step *step;
    const char *rest;
    weir_h2_frame_head head;
    weir_text payload;
    unsigned padding;
    bool is_padded;
    bool brings_padding;
    uint8_t field_flags;
    nghttp2_nv fields[MOST_FIELDS];
    size_t field_count;
} draft;

typedef struct name_of {
    unsigned number;
    const char *name;
} name_of;

static const name_of types[] = {
    {WEIR_H2_DATA, "DATA"},
    {WEIR_H2_HEADERS, "HEADERS"},
    {WEIR_H2_PRIORITY, "PRIORITY"},
    {WEIR_H2_RST_STREAM, "RST_STREAM"},
    {WEIR_H2_SETTINGS, "SETTINGS"},
    {WEIR_H2_PUSH_PROMISE, "PUSH_PROMISE"},
    {WEIR_H2_PING, "PING"},
    {WEIR_H2_GOAWAY, "GOAWAY"},
    {WEIR_H2_WINDOW_UPDATE, "WINDOW_UPDATE"},
    {WEIR_H2_CONTINUATION, "CONTINUATION"},
};

static const name_of codes[] = {
    {0x0, "NO_ERROR"},
    {0x1, "PROTOCOL_ERROR"},
    {0x2, "INTERNAL_ERROR"},
    {0x3, "FLOW_CONTROL_ERROR"},
    {0x4, "SETTINGS_TIMEOUT"},
    {0x5, "STREAM_CLOSED"},
    {0x6, "FRAME_SIZE_ERROR"},
    {0x7, "REFUSED_STREAM"},
    {0x8, "CANCEL"},
    {0x9, "COMPRESSION_ERROR"},
    {0xa, "CONNECT_ERROR"},
    {0xb, "ENHANCE_YOUR_CALM"},
    {0xc, "INADEQUATE_SECURITY"},
    {0xd, "HTTP_1_1_REQUIRED"},
};

static const name_of settings[] = {
    {1, "HEADER_TABLE_SIZE"},       {2, "ENABLE_PUSH"},           {3, "MAX_CONCURRENT_STREAMS"},
    {4, "INITIAL_WINDOW_SIZE"},     {5, "MAX_FRAME_SIZE"},        {6, "MAX_HEADER_LIST_SIZE"},
    {8, "ENABLE_CONNECT_PROTOCOL"}, {9, "NO_RFC7540_PRIORITIES"},
};

static const name_of flags[] = {
    {WEIR_H2_FLAG_END_STREAM, "END_STREAM"},
    {WEIR_H2_FLAG_END_HEADERS, "END_HEADERS"},
    {WEIR_H2_FLAG_PADDED, "PADDED"},
    {WEIR_H2_FLAG_PRIORITY, "PRIORITY"},
    {WEIR_H2_FLAG_ACK, "ACK"},
};

static bool known_step(weir_h2_wire *wire, draft *d);
static bool frame_step(weir_h2_wire *wire, draft *d);
static void wrong(const draft *d, const char *what);
static bool word(draft *d, char *text, size_t room);
static uint32_t number(draft *d);
static uint32_t number_of(const draft *d, const char *text, const name_of *names, size_t count);
static void flags_word(draft *d);
static void stream_and_flags(draft *d);
static void words_to_payload(draft *d);
static void fields_or_options(weir_h2_wire *wire, draft *d);
static void option(weir_h2_wire *wire, draft *d, const char *text);
static void hex(draft *d, const char *text);
static void add_field(draft *d, const char *text);
static void encode_fields(weir_h2_wire *wire, draft *d);
static void take_block(weir_h2_wire *wire, draft *d, size_t octets);
static void setting(draft *d, const char *text);
static void put16(weir_text *text, unsigned value);
static void put32(weir_text *text, uint32_t value);
static void finish(weir_h2_wire *wire, draft *d);
static void repeat(weir_h2_wire *wire, const draft *d);
static void draft_clear(draft *d);
static const char *name_in(const name_of *names, size_t count, unsigned number);

void weir_h2_wire_init(weir_h2_wire *wire)
{
    *wire = (weir_h2_wire){.deflater = NULL};
    assert_int_equal(nghttp2_hd_deflate_new(&wire->deflater, 4096), 0);
}

void weir_h2_wire_clear(weir_h2_wire *wire)
{
    nghttp2_hd_deflate_del(wire->deflater);
    weir_text_clear(&wire->octets);
    weir_text_clear(&wire->block);
}

void weir_h2_wire_frame(weir_h2_wire *wire, weir_h2_frame_head head, weir_span payload)
{
    uint8_t octets[WEIR_H2_FRAME_HEAD_OCTETS];
    head.length = (uint32_t)payload.length;
    weir_h2_put_head(octets, head);
    weir_text_append(&wire->octets, (weir_span){octets, sizeof(octets)});
    weir_text_append(&wire->octets, payload);
}

void weir_h2_wire_encode(weir_h2_wire *wire, const weir_field *fields, size_t count)
{
    nghttp2_nv nva[MOST_FIELDS];
    assert_true(count <= MOST_FIELDS);
    for (size_t i = 0; i < count; i++) {
        nva[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)fields[i].name.at,
                              (uint8_t *)(uintptr_t)fields[i].value.at, fields[i].name.length,
                              fields[i].value.length, NGHTTP2_NV_FLAG_NONE};
    }
    size_t room = nghttp2_hd_deflate_bound(wire->deflater, nva, count);
    uint8_t *at = malloc(room);
    assert_non_null(at);
    ssize_t length = nghttp2_hd_deflate_hd(wire->deflater, at, room, nva, count);
    assert_true(length >= 0);
    weir_text_append(&wire->block, (weir_span){at, (size_t)length});
    free(at);
}

bool weir_h2_wire_step(weir_h2_wire *wire, const weir_corpus_document *document,
                       const weir_corpus_step *step)
{
    draft *d = calloc(1, sizeof(*d));
    assert_non_null(d);
    d->document = document;
    d->step = step;
    d->rest = step->value;
    bool known = true;
    if (strcmp(step->key, "repeat") == 0) {
        repeat(wire, d);
    } else {
        known = known_step(wire, d);
    }
    draft_clear(d);
    return known;
}

const char *weir_h2_code_name(uint32_t code)
{
    return name_in(codes, WEIR_COUNT_OF(codes), code);
}

const char *weir_h2_type_name(uint8_t type)
{
    return name_in(types, WEIR_COUNT_OF(types), type);
}

void weir_h2_flags_text(uint8_t type, uint8_t bits, char *text, size_t room)
{
    text[0] = '\0';
    for (size_t i = 0; i < WEIR_COUNT_OF(flags); i++) {
        bool is_ack = strcmp(flags[i].name, "ACK") == 0;
        bool has_ack = type == WEIR_H2_SETTINGS || type == WEIR_H2_PING;
        if (bits & flags[i].number && is_ack == has_ack) {
            size_t length = strlen(text);
            snprintf(text + length, room - length, "%s%s", length ? "|" : "", flags[i].name);
        }
    }
    if (!text[0]) {
        snprintf(text, room, "-");
    }
}

static bool known_step(weir_h2_wire *wire, draft *d)
{
    const char *key = d->step->key;

    if (strcmp(key, "block") == 0) {
        fields_or_options(wire, d);
        encode_fields(wire, d);
        return true;
    }
    if (strcmp(key, "octets") == 0) {
        weir_corpus_value(d->document, d->step, &wire->octets);
        return true;
    }
    if (!frame_step(wire, d)) {
        return false;
    }
    finish(wire, d);
    if (strcmp(key, "hello") == 0) {
        weir_h2_wire_frame(
            wire, (weir_h2_frame_head){.type = WEIR_H2_SETTINGS, .flags = WEIR_H2_FLAG_ACK},
            (weir_span){NULL, 0});
    }
    return true;
}

/* The head and payload of the frame that the step names; false: it names none. */
static bool frame_step(weir_h2_wire *wire, draft *d)
{
    const char *key = d->step->key;
    char text[64];
    if (strcmp(key, "settings") == 0 || strcmp(key, "hello") == 0) {
        static char name[WORD_ROOM];
        d->head.type = WEIR_H2_SETTINGS;
        while (word(d, name, sizeof(name))) {
            setting(d, name);
        }
    } else if (strcmp(key, "settings_ack") == 0) {
        d->head = (weir_h2_frame_head){.type = WEIR_H2_SETTINGS, .flags = WEIR_H2_FLAG_ACK};
    } else if (strcmp(key, "headers") == 0 || strcmp(key, "continuation") == 0) {
        d->head.type = key[0] == 'h' ? WEIR_H2_HEADERS : WEIR_H2_CONTINUATION;
        stream_and_flags(d);
        fields_or_options(wire, d);
    } else if (strcmp(key, "data") == 0) {
        d->head.type = WEIR_H2_DATA;
        stream_and_flags(d);
        words_to_payload(d);
    } else if (strcmp(key, "rst") == 0) {
        d->head.type = WEIR_H2_RST_STREAM;
        d->head.stream = number(d);
        assert_true(word(d, text, sizeof(text)));
        put32(&d->payload, number_of(d, text, codes, WEIR_COUNT_OF(codes)));
    } else if (strcmp(key, "ping") == 0 || strcmp(key, "ping_ack") == 0) {
        d->head.type = WEIR_H2_PING;
        d->head.flags = key[4] ? WEIR_H2_FLAG_ACK : 0;
        words_to_payload(d);
        if (d->payload.length == 0) {
            weir_text_append(&d->payload, WEIR_SPAN("12345678"));
        }
    } else if (strcmp(key, "goaway") == 0) {
        d->head.type = WEIR_H2_GOAWAY;
        put32(&d->payload, number(d));
        assert_true(word(d, text, sizeof(text)));
        put32(&d->payload, number_of(d, text, codes, WEIR_COUNT_OF(codes)));
        words_to_payload(d);
    } else if (strcmp(key, "window") == 0) {
        d->head.type = WEIR_H2_WINDOW_UPDATE;
        d->head.stream = number(d);
        put32(&d->payload, number(d));
    } else if (strcmp(key, "priority") == 0) {
        d->head.type = WEIR_H2_PRIORITY;
        d->head.stream = number(d);
        weir_text_append(&d->payload, WEIR_SPAN("\0\0\0\0\020"));
    } else if (strcmp(key, "push") == 0) {
        d->head.type = WEIR_H2_PUSH_PROMISE;
        d->head.flags = WEIR_H2_FLAG_END_HEADERS;
        d->head.stream = number(d);
        weir_text_append(&d->payload, WEIR_SPAN("\0\0\0\2\x82"));
    } else if (strcmp(key, "frame") == 0) {
        d->head.type = (uint8_t)number(d);
        d->head.flags = (uint8_t)number(d);
        d->head.stream = number(d);
        words_to_payload(d);
    } else {
        return false;
    }
    return true;
}

static void wrong(const draft *d, const char *what)
{
    fail_msg("%s:%u: %s", d->document->file, d->step->line, what);
}

static bool word(draft *d, char *text, size_t room)
{
    return weir_corpus_word(&d->rest, text, room);
}

static uint32_t number(draft *d)
{
    char text[64];
    if (!word(d, text, sizeof(text))) {
        wrong(d, "a number is missing");
    }
    return (uint32_t)strtoul(text, NULL, 0);
}

static uint32_t number_of(const draft *d, const char *text, const name_of *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].name, text) == 0) {
            return names[i].number;
        }
    }
    if (text[0] < '0' || text[0] > '9') {
        wrong(d, text);
    }
    return (uint32_t)strtoul(text, NULL, 0);
}

static void flags_word(draft *d)
{
    char text[128];
    if (!word(d, text, sizeof(text))) {
        wrong(d, "flags are missing");
    }
    if (strcmp(text, "-") == 0) {
        return;
    }
    char *save = NULL;
    for (char *name = strtok_r(text, "|", &save); name; name = strtok_r(NULL, "|", &save)) {
        d->head.flags |= (uint8_t)number_of(d, name, flags, WEIR_COUNT_OF(flags));
    }
}

static void stream_and_flags(draft *d)
{
    d->head.stream = number(d);
    flags_word(d);
}

/* Content words without options; two words are two pieces of it. */
static void words_to_payload(draft *d)
{
    static char text[WORD_ROOM];
    while (word(d, text, sizeof(text))) {
        if (text[0] == '+') {
            option(NULL, d, text);
            continue;
        }
        const char *what;
        if (!weir_text_unescape(&d->payload, text, &what)) {
            wrong(d, what);
        }
    }
}

static void fields_or_options(weir_h2_wire *wire, draft *d)
{
    static char text[WORD_ROOM];
    while (word(d, text, sizeof(text))) {
        if (text[0] == '+') {
            option(wire, d, text);
        } else {
            add_field(d, text);
        }
    }
    if (d->field_count > 0 && strcmp(d->step->key, "block") != 0) {
        encode_fields(wire, d);
        take_block(wire, d, wire->block.length - wire->block_taken);
    }
}

static void option(weir_h2_wire *wire, draft *d, const char *text)
{
    const char *value = strchr(text, '=');
    value = value ? value + 1 : "";
    if (strncmp(text, "+padlength=", 11) == 0) {
        d->is_padded = true;
        d->padding = (unsigned)strtoul(value, NULL, 0);
    } else if (strncmp(text, "+pad=", 5) == 0) {
        d->is_padded = true;
        d->brings_padding = true;
        d->padding = (unsigned)strtoul(value, NULL, 0);
    } else if (strcmp(text, "+priority") == 0) {
        d->head.flags |= WEIR_H2_FLAG_PRIORITY;
        weir_text_append(&d->payload, WEIR_SPAN("\0\0\0\0\020"));
    } else if (strncmp(text, "+take=", 6) == 0) {
        take_block(wire, d, (size_t)strtoul(value, NULL, 0));
    } else if (strcmp(text, "+rest") == 0) {
        take_block(wire, d, wire->block.length - wire->block_taken);
    } else if (strncmp(text, "+hex=", 5) == 0) {
        hex(d, value);
    } else if (strcmp(text, "+never") == 0) {
        d->field_flags = NGHTTP2_NV_FLAG_NO_INDEX;
    } else {
        wrong(d, text);
    }
}

static void hex(draft *d, const char *text)
{
    for (; text[0] && text[1]; text += 2) {
        char pair[3] = {text[0], text[1], '\0'};
        uint8_t octet = (uint8_t)strtoul(pair, NULL, 16);
        weir_text_append(&d->payload, (weir_span){&octet, 1});
    }
}

/* name=value; the name may begin with "=" only if it is escaped. */
static void add_field(draft *d, const char *text)
{
    const char *equals = strchr(text, '=');
    if (!equals || d->field_count == MOST_FIELDS) {
        wrong(d, text);
        return;
    }
    char *name = strndup(text, (size_t)(equals - text));
    weir_text parts[2] = {{.at = NULL}, {.at = NULL}};
    const char *what;
    if (!weir_text_unescape(&parts[0], name, &what) ||
        !weir_text_unescape(&parts[1], equals + 1, &what)) {
        wrong(d, what);
    }
    free(name);
    for (size_t i = 0; i < 2; i++) {
        weir_text_append(&parts[i], (weir_span){NULL, 0});
    }
    d->fields[d->field_count++] =
        (nghttp2_nv){parts[0].at, parts[1].at, parts[0].length, parts[1].length, d->field_flags};
}

static void encode_fields(weir_h2_wire *wire, draft *d)
{
    size_t room = nghttp2_hd_deflate_bound(wire->deflater, d->fields, d->field_count);
    uint8_t *at = malloc(room);
    ssize_t length = nghttp2_hd_deflate_hd(wire->deflater, at, room, d->fields, d->field_count);
    assert_true(length >= 0);
    weir_text_append(&wire->block, (weir_span){at, (size_t)length});
    free(at);
}

static void take_block(weir_h2_wire *wire, draft *d, size_t octets)
{
    size_t left = wire->block.length - wire->block_taken;
    octets = weir_min(octets, left);
    if (octets > 0) {
        weir_text_append(&d->payload, (weir_span){wire->block.at + wire->block_taken, octets});
        wire->block_taken += octets;
    }
    if (wire->block_taken == wire->block.length) {
        weir_text_reset(&wire->block);
        wire->block_taken = 0;
    }
}

static void setting(draft *d, const char *text)
{
    char name[64];
    const char *equals = strchr(text, '=');
    if (!equals || (size_t)(equals - text) >= sizeof(name)) {
        wrong(d, text);
        return;
    }
    memcpy(name, text, (size_t)(equals - text));
    name[equals - text] = '\0';
    put16(&d->payload, number_of(d, name, settings, WEIR_COUNT_OF(settings)));
    put32(&d->payload, (uint32_t)strtoul(equals + 1, NULL, 0));
}

static void put16(weir_text *text, unsigned value)
{
    uint8_t octets[2] = {(uint8_t)(value >> 8), (uint8_t)value};
    weir_text_append(text, (weir_span){octets, sizeof(octets)});
}

static void put32(weir_text *text, uint32_t value)
{
    uint8_t octets[4];
    weir_h2_put32(octets, value);
    weir_text_append(text, (weir_span){octets, sizeof(octets)});
}

static void finish(weir_h2_wire *wire, draft *d)
{
    weir_text whole = {.at = NULL};
    if (d->is_padded) {
        uint8_t length = (uint8_t)d->padding;
        d->head.flags |= WEIR_H2_FLAG_PADDED;
        weir_text_append(&whole, (weir_span){&length, 1});
    }
    weir_text_append(&whole, weir_text_span(&d->payload));
    for (unsigned i = 0; d->brings_padding && i < d->padding; i++) {
        weir_text_append(&whole, WEIR_SPAN("\0"));
    }
    weir_h2_wire_frame(wire, d->head, weir_text_span(&whole));
    weir_text_clear(&whole);
}

/* The rest of the value is a step of its own. */
static void repeat(weir_h2_wire *wire, const draft *d)
{
    const char *rest = d->step->value;
    char count[32];
    char key[32];
    assert_true(weir_corpus_word(&rest, count, sizeof(count)));
    assert_true(weir_corpus_word(&rest, key, sizeof(key)));
    rest += rest[0] == ' ';
    weir_corpus_step step = {.key = key, .value = rest, .line = d->step->line};
    for (unsigned long i = strtoul(count, NULL, 0); i > 0; i--) {
        if (!weir_h2_wire_step(wire, d->document, &step)) {
            wrong(d, key);
        }
    }
}

static void draft_clear(draft *d)
{
    for (size_t i = 0; i < d->field_count; i++) {
        free(d->fields[i].name);
        free(d->fields[i].value);
    }
    weir_text_clear(&d->payload);
    free(d);
}

static const char *name_in(const name_of *names, size_t count, unsigned number)
{
    static char text[16];
    for (size_t i = 0; i < count; i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    snprintf(text, sizeof(text), "0x%x", number);
    return text;
}
