/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing. With `buckets` between a power of two L and 2 L, a hash lives in bucket hash mod
 * 2 L if there is such a bucket, else in hash mod L. Making bucket n = `buckets` moves to it those
 * entries of bucket n - L that belong there; giving it up puts them back. Either touches two
 * chains.
 *
 * Growth at more than one entry to two buckets, for every entry that is passed over on the way to
 * the right one is a cache line from anywhere; shrinking below one to eight, so that a table that
 * goes up and down around one size does neither.
 */
#include "pool/table.h"

static size_t power_below(size_t buckets);
static size_t segment_start(size_t segment);
static size_t segment_of(size_t bucket);
static size_t bucket_of(const weir_table *table, uint64_t hash);
static weir_table_entry **bucket_at(const weir_table *table, size_t bucket);
static bool segment_open(weir_table *table, size_t bucket);
static void grow(weir_table *table);
static void shrink(weir_table *table);

weir_status weir_table_init(weir_table *table, const weir_allocator *allocator)
{
    const size_t buckets = (size_t)1 << WEIR_TABLE_FIRST_BITS;
    *table = (weir_table){.allocator = allocator};
    table->segments[0] = weir_alloc_zeroed(allocator, buckets * sizeof(weir_table_entry *));
    if (!table->segments[0]) {
        return WEIR_E_NOMEM;
    }
    table->buckets = buckets;
    return WEIR_OK;
}

void weir_table_clear(weir_table *table)
{
    WEIR_ASSERT(table->entries == 0);
    for (size_t i = 0; i < WEIR_TABLE_SEGMENTS; i++) {
        weir_release(table->allocator, table->segments[i]);
        table->segments[i] = NULL;
    }
    table->buckets = 0;
}

void weir_table_enter(weir_table *table, weir_table_entry *entry, uint64_t hash)
{
    weir_table_entry **bucket = bucket_at(table, bucket_of(table, hash));
    *entry = (weir_table_entry){.next = *bucket, .hash = hash};
    *bucket = entry;
    table->entries++;
    for (int i = 0; i < 2 && table->entries > table->buckets / 2; i++) {
        grow(table);
    }
}

void weir_table_leave(weir_table *table, weir_table_entry *entry)
{
    weir_table_entry **at = bucket_at(table, bucket_of(table, entry->hash));
    while (*at != entry) {
        WEIR_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = entry->next;
    entry->next = NULL;
    table->entries--;
    /* At eight buckets to an entry, eight have to go when one entry goes. */
    for (int i = 0; i < 8 && table->entries < table->buckets / 8; i++) {
        shrink(table);
    }
}

weir_table_entry *weir_table_find(const weir_table *table, uint64_t hash)
{
    weir_table_entry *entry = *bucket_at(table, bucket_of(table, hash));
    while (entry && entry->hash != hash) {
        entry = entry->next;
    }
    return entry;
}

weir_table_entry *weir_table_find_next(const weir_table_entry *entry)
{
    weir_table_entry *next = entry->next;
    while (next && next->hash != entry->hash) {
        next = next->next;
    }
    return next;
}

void weir_table_check(const weir_table *table)
{
    size_t entries = 0;
    for (size_t bucket = 0; bucket < table->buckets; bucket++) {
        for (const weir_table_entry *at = *bucket_at(table, bucket); at; at = at->next) {
            WEIR_ASSERT(bucket_of(table, at->hash) == bucket);
            entries++;
        }
    }
    WEIR_ASSERT(entries == table->entries);
}

/* The largest power of two that is not above. */
static size_t power_below(size_t buckets)
{
    WEIR_ASSERT(buckets > 0);
    return (size_t)1 << (63 - __builtin_clzll((unsigned long long)buckets));
}

/* The first bucket of a segment: 0, 32, 64, 128, ... */
static size_t segment_start(size_t segment)
{
    return segment == 0 ? 0 : (size_t)1 << (segment + WEIR_TABLE_FIRST_BITS - 1);
}

static size_t segment_of(size_t bucket)
{
    if (bucket >> WEIR_TABLE_FIRST_BITS == 0) {
        return 0;
    }
    return (size_t)(63 - __builtin_clzll((unsigned long long)bucket)) + 1 - WEIR_TABLE_FIRST_BITS;
}

static size_t bucket_of(const weir_table *table, uint64_t hash)
{
    const size_t low = power_below(table->buckets);
    const size_t bucket = (size_t)hash & (2 * low - 1);
    return bucket < table->buckets ? bucket : bucket & (low - 1);
}

static weir_table_entry **bucket_at(const weir_table *table, size_t bucket)
{
    const size_t segment = segment_of(bucket);
    return &table->segments[segment][bucket - segment_start(segment)];
}

/* Makes sure that the segment of a bucket is there. Its buckets are set one by one, as they come
 * into use. */
static bool segment_open(weir_table *table, size_t bucket)
{
    const size_t segment = segment_of(bucket);
    if (segment >= WEIR_TABLE_SEGMENTS) {
        return false;
    }
    if (!table->segments[segment]) {
        const size_t buckets = segment_start(segment);
        table->segments[segment] =
            weir_alloc(table->allocator, buckets * sizeof(weir_table_entry *));
    }
    return table->segments[segment] != NULL;
}

static void grow(weir_table *table)
{
    const size_t made = table->buckets;
    if (!segment_open(table, made)) {
        return;
    }
    weir_table_entry **from = bucket_at(table, made - power_below(made));
    weir_table_entry **to = bucket_at(table, made);
    *to = NULL;
    table->buckets++;
    while (*from) {
        weir_table_entry *entry = *from;
        if (bucket_of(table, entry->hash) == made) {
            *from = entry->next;
            entry->next = *to;
            *to = entry;
        } else {
            from = &entry->next;
        }
    }
}

static void shrink(weir_table *table)
{
    const size_t gone = table->buckets - 1;
    if (gone < (size_t)1 << WEIR_TABLE_FIRST_BITS) {
        return;
    }
    weir_table_entry **end = bucket_at(table, gone - power_below(gone));
    while (*end) {
        end = &(*end)->next;
    }
    *end = *bucket_at(table, gone);
    table->buckets--;
    if (gone == power_below(gone)) {
        weir_release(table->allocator, table->segments[segment_of(gone)]);
        table->segments[segment_of(gone)] = NULL;
    }
}
