/* SPDX-License-Identifier: MIT */
/*
 * Text into a caller's buffer, as snprintf(3) would: what does not fit is counted and left out.
 *
 * A value that borrows the buffer; lengths are octets without the NUL.
 */
#ifndef WEIR_ENGINE_TEXT_H
#define WEIR_ENGINE_TEXT_H

#include "proto/base.h"
#include "weir/shared.h"

typedef struct weir_text {
    char *to;
    size_t room;
    size_t length; /* of the whole, without the NUL */
} weir_text;

/* `to` may be NULL if room is 0. Afterwards, and after each add, the text in it ends with a NUL. */
weir_text weir_text_begin(char *to, size_t room);
void weir_text_add(weir_text *text, const char *words);
/* Octets that are no printable ASCII become '?'. */
void weir_text_add_span(weir_text *text, weir_span span);
void weir_text_add_number(weir_text *text, uint64_t number);
/* Numeric, with its zone as a number. */
void weir_text_add_address(weir_text *text, const weir_address *address);
/* A span of time with three decimals: "0.500 us", "12.004 ms", "3.000 s". */
void weir_text_add_time(weir_text *text, weir_time span_ns);
/* Spaces up to a column, counted from `from`, a length that the text had; at least one. */
void weir_text_pad(weir_text *text, size_t from, size_t column);

#endif
