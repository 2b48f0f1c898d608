/* SPDX-License-Identifier: MIT */
/*
 * An ordered list of fields with their octets in one arena.
 *
 * Ownership: copies names and values unless the field carries WEIR_KEEP. The octets never move: a
 * span read from weir_fields_at() is valid until weir_fields_clear(). Order and repeats are kept as
 * given (RFC 9110 s5.3). The one exception is the field that is being put together from pieces: its
 * spans are final when it has ended.
 *
 *   in pieces:  ENDED --append_name--> NAME --append_value--> VALUE --end--> ENDED
 *               VALUE --append_name--> NAME (of the next field: the last one has ended)
 *               NAME  --end--> ENDED        (its value is empty)
 */
#ifndef WEIR_PROTO_FIELDS_H
#define WEIR_PROTO_FIELDS_H

#include "proto/alloc.h"
#include "proto/span.h"

typedef struct weir_arena weir_arena; /* one piece of the arena; pieces are chained */

/* Where the last field is, when it comes in pieces. */
typedef enum weir_field_part {
    WEIR_FIELD_ENDED = 0,
    WEIR_FIELD_NAME,
    WEIR_FIELD_VALUE
} weir_field_part;

typedef struct weir_fields {
    const weir_allocator *allocator;
    weir_field *fields;
    size_t count;
    size_t room;
    weir_arena *arena;
    uint64_t octets; /* sum of name and value lengths */
    weir_field_part part;
} weir_fields;

void weir_fields_init(weir_fields *fields, const weir_allocator *allocator);
void weir_fields_clear(weir_fields *fields);

/* Octets of the list's own that live as long as it does; NULL: no memory. */
uint8_t *weir_fields_hold(weir_fields *fields, size_t octets);

/* Appends a copy; false: no memory, and nothing was appended. Ends a field that was in pieces. */
bool weir_fields_add(weir_fields *fields, weir_field field);

/*
 * A field that comes in pieces (llhttp spans): append to the name, then to the value, then end. The
 * first piece of a name begins the field, and it counts from then on. The pieces are put together
 * in the arena. An empty piece is a piece: append_value with an empty span says that the name is
 * complete. append_value needs a name before it. False: no memory, and this piece was not appended.
 */
bool weir_fields_append_name(weir_fields *fields, weir_span piece);
bool weir_fields_append_value(weir_fields *fields, weir_span piece);
/* The field is complete: trims white space around its value (RFC 9112 s5.1). Does nothing when no
 * field is open. */
void weir_fields_end(weir_fields *fields);

size_t weir_fields_count(const weir_fields *fields);
bool weir_fields_at(const weir_fields *fields, size_t i, weir_field *field);
/* The i-th field of that name, from 0; false when there is none. */
bool weir_fields_find(const weir_fields *fields, weir_span name, size_t i, weir_span *value);

void weir_fields_check(const weir_fields *fields);

#endif
