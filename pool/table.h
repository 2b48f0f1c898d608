/* SPDX-License-Identifier: MIT */
/*
 * A hash table that grows by one bucket at a time (linear hashing, Litwin 1980), so that no single
 * call ever pays for the whole: with a million origins, the one more costs what the first cost.
 *
 * Buckets live in segments, each as large as all before it together; a segment never moves and is
 * never copied. When memory for a further segment cannot be had the chains get longer and all stays
 * correct, so entering cannot fail.
 *
 * Ownership: entries are intrusive and belong to the caller. The hash is the caller's too, and
 * should be seeded: names of hosts are chosen by strangers.
 */
#ifndef WEIR_POOL_TABLE_H
#define WEIR_POOL_TABLE_H

#include "proto/alloc.h"
#include "weir/status.h"

typedef struct weir_table_entry {
    struct weir_table_entry *next;
    uint64_t hash;
} weir_table_entry;

enum {
    WEIR_TABLE_FIRST_BITS = 5, /* 32 buckets to start with */
    WEIR_TABLE_SEGMENTS = 40
};

typedef struct weir_table {
    const weir_allocator *allocator;
    weir_table_entry **segments[WEIR_TABLE_SEGMENTS];
    size_t buckets;
    size_t entries;
} weir_table;

/* WEIR_OK or WEIR_E_NOMEM. The allocator is *kept*. */
weir_status weir_table_init(weir_table *table, const weir_allocator *allocator);
/* Every entry must be out. */
void weir_table_clear(weir_table *table);

void weir_table_enter(weir_table *table, weir_table_entry *entry, uint64_t hash);
void weir_table_leave(weir_table *table, weir_table_entry *entry);

/* The first entry with this hash, and the next one after it; NULL: none. */
weir_table_entry *weir_table_find(const weir_table *table, uint64_t hash);
weir_table_entry *weir_table_find_next(const weir_table_entry *entry);

/* Every entry is in the bucket where it is looked for, and the number is right. */
void weir_table_check(const weir_table *table);

#endif
