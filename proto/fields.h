/* SPDX-License-Identifier: MIT */
/*
 * An ordered list of fields with their octets in one arena.
 *
 * Ownership: copies names and values unless the field carries WEIR_KEEP. The octets never move: a span read from
 * weir_fields_at() is valid until weir_fields_clear(). Order and repeats are kept as given (RFC 9110 s5.3).
 */
#ifndef WEIR_PROTO_FIELDS_H
#define WEIR_PROTO_FIELDS_H

#include "proto/alloc.h"

typedef struct weir_arena weir_arena; /* one piece of the arena; pieces are chained */

typedef struct weir_fields {
    const weir_allocator *allocator;
    weir_field *fields;
    size_t count;
    size_t room;
    weir_arena *arena;
    uint64_t octets; /* sum of name and value lengths */
} weir_fields;

void weir_fields_init(weir_fields *fields, const weir_allocator *allocator);
void weir_fields_clear(weir_fields *fields);

/* Octets of the list's own that live as long as it does; NULL: no memory. */
uint8_t *weir_fields_hold(weir_fields *fields, size_t octets);

/* Appends a copy; false: no memory, and nothing was appended. */
bool weir_fields_add(weir_fields *fields, weir_field field);

/*
 * A field that comes in pieces (llhttp spans): begin, then append to the name, then to the value, then end. The pieces
 * are put together in the arena. False: no memory.
 */
bool weir_fields_append_name(weir_fields *fields, weir_span piece);
bool weir_fields_append_value(weir_fields *fields, weir_span piece);

size_t weir_fields_count(const weir_fields *fields);
bool weir_fields_at(const weir_fields *fields, size_t i, weir_field *field);
/* The i-th field of that name, from 0; false when there is none. */
bool weir_fields_find(const weir_fields *fields, weir_span name, size_t i, weir_span *value);

/* ASCII case-insensitive comparison of whole spans, and tokens of a comma list (RFC 9110 s5.6.1). */
bool weir_span_equal(weir_span a, weir_span b);
bool weir_span_equal_nocase(weir_span a, weir_span b);
/* The next element of a #list, trimmed; false at the end. `rest` moves on. */
bool weir_span_next_element(weir_span *rest, weir_span *element);

#endif
