/* SPDX-License-Identifier: MIT */
/*
 * The open streams of a connection by their number: an open-addressing hash table.
 *
 * Our stream ids are odd and rise by two, so that half the id is a perfect hash as long as the open
 * ones lie close together, and linear probing is short when they do not. The table has memory only
 * while a stream is open: an idle connection holds none.
 *
 * Ownership: borrows the streams.
 */
#ifndef WEIR_PROTO_H2_TABLE_H
#define WEIR_PROTO_H2_TABLE_H

#include "proto/h2_stream.h"

typedef struct weir_h2_table {
    const weir_allocator *allocator;
    weir_h2_stream **places; /* `room` of them, a power of two; NULL: free */
    size_t room;
    size_t count;
} weir_h2_table;

void weir_h2_table_init(weir_h2_table *table, const weir_allocator *allocator);
void weir_h2_table_clear(weir_h2_table *table);

/* Room for one more, so that the next put cannot fail. False: no memory. */
bool weir_h2_table_prepare(weir_h2_table *table);
/* Gives back what prepare got, if the table is empty. */
void weir_h2_table_trim(weir_h2_table *table);

void weir_h2_table_put(weir_h2_table *table, weir_h2_stream *stream);
/* NULL: none of that number is open. */
weir_h2_stream *weir_h2_table_get(const weir_h2_table *table, uint32_t id);
/* Takes it out, and the memory away with the last one. */
void weir_h2_table_remove(weir_h2_table *table, const weir_h2_stream *stream);

void weir_h2_table_check(const weir_h2_table *table);

#endif
