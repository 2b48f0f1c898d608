/* SPDX-License-Identifier: MIT */
/*
 * Growing texts and their escapes.
 */
#include "support/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/octet.h"

static void make_room(weir_text *text, size_t octets);
static const char *unescape_one(weir_text *text, const char *at, const char **what);
static const char *unescape_repeat(weir_text *text, const char *at, const char **what);
static const char *closing_star(const char *at);

void weir_text_clear(weir_text *text)
{
    free(text->at);
    *text = (weir_text){.at = NULL};
}

void weir_text_reset(weir_text *text)
{
    text->length = 0;
    if (text->at) {
        text->at[0] = 0;
    }
}

void weir_text_append(weir_text *text, weir_span octets)
{
    make_room(text, octets.length);
    if (octets.length > 0) {
        memcpy(text->at + text->length, octets.at, octets.length);
    }
    text->length += octets.length;
    text->at[text->length] = 0;
}

void weir_text_printf(weir_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        abort();
    }
    make_room(text, (size_t)length);
    va_start(arguments, format);
    vsnprintf((char *)text->at + text->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->length += (size_t)length;
}

void weir_text_escape(weir_text *text, weir_span octets)
{
    for (size_t i = 0; i < octets.length; i++) {
        uint8_t octet = octets.at[i];
        if (octet == '\r') {
            weir_text_append(text, WEIR_SPAN("\\r"));
        } else if (octet == '\n') {
            weir_text_append(text, WEIR_SPAN("\\n"));
        } else if (octet == '\t') {
            weir_text_append(text, WEIR_SPAN("\\t"));
        } else if (octet == '\\') {
            weir_text_append(text, WEIR_SPAN("\\\\"));
        } else if (octet < 0x20 || octet > 0x7e) {
            weir_text_printf(text, "\\x%02x", octet);
        } else {
            weir_text_append(text, (weir_span){&octet, 1});
        }
    }
}

bool weir_text_unescape(weir_text *text, const char *escaped, const char **what)
{
    *what = NULL;
    make_room(text, 0);
    for (const char *at = escaped; *at && !*what;) {
        at = unescape_one(text, at, what);
    }
    text->at[text->length] = 0;
    return !*what;
}

weir_span weir_text_span(const weir_text *text)
{
    return (weir_span){text->at, text->length};
}

const char *weir_text_string(const weir_text *text)
{
    return text->at ? (const char *)text->at : "";
}

static void make_room(weir_text *text, size_t octets)
{
    if (text->at && text->room - text->length > octets) {
        return;
    }
    size_t room = 2 * (text->length + octets) + 64;
    uint8_t *at = realloc(text->at, room);
    if (!at) {
        abort();
    }
    text->at = at;
    text->room = room;
}

/* The octet or escape at `at`; where the next one is. */
static const char *unescape_one(weir_text *text, const char *at, const char **what)
{
    static const char letters[] = "rnt\\";
    static const char octets[] = "\r\n\t\\";
    if (*at != '\\') {
        weir_text_append(text, (weir_span){(const uint8_t *)at, 1});
        return at + 1;
    }
    const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
    if (letter) {
        weir_text_append(text, (weir_span){(const uint8_t *)octets + (letter - letters), 1});
        return at + 2;
    }
    if (at[1] == 'x' && weir_octet_is((uint8_t)at[2], WEIR_OCTET_HEX) &&
        weir_octet_is((uint8_t)at[3], WEIR_OCTET_HEX)) {
        uint8_t octet =
            (uint8_t)(weir_octet_hex((uint8_t)at[2]) << 4 | weir_octet_hex((uint8_t)at[3]));
        weir_text_append(text, (weir_span){&octet, 1});
        return at + 4;
    }
    if (at[1] == '{') {
        return unescape_repeat(text, at + 2, what);
    }
    *what = "an escape that is not one of \\r \\n \\t \\\\ \\xNN \\{TEXT*N}";
    return at;
}

static const char *unescape_repeat(weir_text *text, const char *at, const char **what)
{
    const char *star = closing_star(at);
    char *end = NULL;
    unsigned long times = star ? strtoul(star + 1, &end, 10) : 0;
    if (!star || *end != '}') {
        *what = "\\{TEXT*N} is not closed";
        return at;
    }
    size_t begin = text->length;
    while (at < star && !*what) {
        at = unescape_one(text, at, what);
    }
    size_t length = text->length - begin;
    text->length = begin;
    make_room(text, length * times);
    for (unsigned long i = 0; i < times; i++) {
        memmove(text->at + text->length, text->at + begin, length);
        text->length += length;
    }
    return end + 1;
}

/* The last "*" before the first "}". */
static const char *closing_star(const char *at)
{
    const char *star = NULL;
    for (; *at && *at != '}'; at++) {
        star = *at == '*' ? at : star;
    }
    return *at ? star : NULL;
}
