/* SPDX-License-Identifier: MIT */
/*
 * Octets that grow: what a test puts together, input or log.
 *
 * Always followed by a NUL that does not count, so that a text without one inside is a C string.
 * Memory that cannot be had ends the test program.
 */
#ifndef WEIR_TESTS_TEXT_H
#define WEIR_TESTS_TEXT_H

#include "proto/base.h"

typedef struct weir_text {
    uint8_t *at; /* NULL: empty, never written */
    size_t length;
    size_t room;
} weir_text;

void weir_text_clear(weir_text *text);
/* Keeps the memory. */
void weir_text_reset(weir_text *text);

void weir_text_append(weir_text *text, weir_span octets);
void weir_text_printf(weir_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Octets as a document writes them: \r \n \t \\ and \xNN for what is not printable ASCII. */
void weir_text_escape(weir_text *text, weir_span octets);
/* The reverse, and \{TEXT*N}: TEXT N times. False: what is wrong stands in *what. */
bool weir_text_unescape(weir_text *text, const char *escaped, const char **what);

weir_span weir_text_span(const weir_text *text);
/* "" for an empty text. */
const char *weir_text_string(const weir_text *text);

#endif
