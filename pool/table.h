/* SPDX-License-Identifier: MIT */
/*
 * A hash table that grows by one bucket at a time (linear hashing, Litwin 1980), so that no single
 * call ever pays for the whole: with a million origins, the one more costs what the first cost.
 *
 * A bucket is one cache line. It names its entries with eight bits of the hash of each, so that the
 * right one is found without a look at the others, which with very many entries would be a wait for
 * memory each. Those that find no room in it are linked through the entries, which takes no memory
 * either.
 *
 * Buckets live in segments, each as large as all before it together; a segment never moves and is
 * never copied. When memory for a further segment cannot be had the buckets get fuller and all
 * stays correct, so entering cannot fail.
 *
 * Ownership: entries are intrusive and belong to the caller. The hash is the caller's too, and
 * should be seeded: names of hosts are chosen by strangers.
 */
#ifndef WEIR_POOL_TABLE_H
#define WEIR_POOL_TABLE_H

#include "proto/alloc.h"
#include "weir/status.h"

typedef struct weir_table_entry {
    struct weir_table_entry *next; /* among those of its bucket that found no room there */
    uint64_t hash;
} weir_table_entry;

enum {
    WEIR_TABLE_FIRST_BITS = 2, /* 4 buckets to start with */
    WEIR_TABLE_SEGMENTS = 40,
    WEIR_TABLE_BUCKET_ENTRIES = 6,
    WEIR_LINE_OCTETS = 64 /* a cache line, and where one begins */
};

typedef struct weir_table_bucket {
    weir_table_entry *entries[WEIR_TABLE_BUCKET_ENTRIES]; /* those that there are come first */
    weir_table_entry *more;                               /* linked; only if there is no room */
    uint64_t tags; /* eight bits for each of them, from the lowest up; 0: it is not there */
} weir_table_bucket;

typedef struct weir_table {
    const weir_allocator *allocator;
    void *segments[WEIR_TABLE_SEGMENTS]; /* as allocated: the first bucket is where a line begins */
    size_t buckets;
    size_t entries;
} weir_table;

/* WEIR_OK or WEIR_E_NOMEM. The allocator is *kept*. */
weir_status weir_table_init(weir_table *table, const weir_allocator *allocator);
/* Every entry must be out. */
void weir_table_clear(weir_table *table);

void weir_table_enter(weir_table *table, weir_table_entry *entry, uint64_t hash);
void weir_table_leave(weir_table *table, weir_table_entry *entry);

/* The first entry (`after` NULL) that may have this hash, and the next one after another; NULL:
 * none. No entry was looked at for it: whether it has this hash, the caller sees. */
weir_table_entry *weir_table_find(const weir_table *table, uint64_t hash,
                                  const weir_table_entry *after);

/* Every entry is in the bucket where it is looked for, and the number is right. */
void weir_table_check(const weir_table *table);

#endif
