/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing. With `buckets` between a power of two L and 2 L, a hash lives in bucket hash mod
 * 2 L if there is such a bucket, else in hash mod L. Making bucket n = `buckets` moves to it those
 * entries of bucket n - L that belong there; giving it up puts them back. Either touches two
 * buckets.
 *
 * Growth at more than three entries to a bucket, which has room for six: of random hashes, every
 * sixtieth entry finds no room when all buckets were split equally often, and every twenty-fifth
 * halfway to that. Shrinking below one to a bucket, so that a table that goes up and down around
 * one size does neither.
 */
#include "pool/table.h"

_Static_assert(sizeof(weir_table_bucket) == WEIR_LINE_OCTETS, "a bucket is a cache line");

static size_t power_below(size_t buckets);
static size_t segment_start(size_t segment);
static size_t segment_buckets(size_t segment);
static size_t segment_of(size_t bucket);
static size_t number_of(const weir_table *table, uint64_t hash);
static weir_table_bucket *bucket_at(const weir_table *table, size_t number);
static bool segment_open(weir_table *table, size_t segment);
static size_t place_of(const weir_table_bucket *bucket, const weir_table_entry *entry);
static void put(weir_table_bucket *bucket, weir_table_entry *entry);
static weir_table_entry *take_more(weir_table_bucket *bucket);
static void put_all(weir_table *table, weir_table_bucket *from);
static void grow(weir_table *table);
static void shrink(weir_table *table);

/* Of the bits that name no bucket as long as there are fewer than 2^56; never 0. */
static inline uint64_t tag_of(uint64_t hash)
{
    const uint64_t tag = hash >> 56;
    return tag > 0 ? tag : 1;
}

static inline uint64_t tag_at(const weir_table_bucket *bucket, size_t place)
{
    return bucket->tags >> (8 * place) & 0xff;
}

static inline void set_tag(weir_table_bucket *bucket, size_t place, uint64_t tag)
{
    bucket->tags &= ~(UINT64_C(0xff) << (8 * place));
    bucket->tags |= tag << (8 * place);
}

/* 0x80 in the eight bits of each place from `first` on that has this tag: a difference in the lower
 * seven bits carries into the eighth, and one in the eighth is there already. Without a branch,
 * for which place it is cannot be predicted. */
static inline uint64_t places_with(const weir_table_bucket *bucket, uint64_t tag, size_t first)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    const uint64_t differs = bucket->tags ^ tag * UINT64_C(0x0101010101010101);
    const uint64_t found = ~(((differs & low) + low) | differs) & ~low;
    return first < 8 ? found >> (8 * first) << (8 * first) : 0;
}

weir_status weir_table_init(weir_table *table, const weir_allocator *allocator)
{
    *table = (weir_table){.allocator = allocator};
    if (!segment_open(table, 0)) {
        return WEIR_E_NOMEM;
    }
    table->buckets = segment_buckets(0);
    for (size_t i = 0; i < table->buckets; i++) {
        *bucket_at(table, i) = (weir_table_bucket){.more = NULL};
    }
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
    entry->hash = hash;
    put(bucket_at(table, number_of(table, hash)), entry);
    table->entries++;
    /* One would do, if growing had never failed. */
    for (int i = 0; i < 2 && table->entries > 3 * table->buckets; i++) {
        grow(table);
    }
}

void weir_table_leave(weir_table *table, weir_table_entry *entry)
{
    weir_table_bucket *bucket = bucket_at(table, number_of(table, entry->hash));
    const size_t place = place_of(bucket, entry);
    if (place < WEIR_TABLE_BUCKET_ENTRIES) {
        size_t last = WEIR_TABLE_BUCKET_ENTRIES - 1;
        while (!bucket->entries[last]) {
            last--;
        }
        bucket->entries[place] = bucket->entries[last];
        set_tag(bucket, place, tag_at(bucket, last));
        bucket->entries[last] = NULL;
        set_tag(bucket, last, 0);
        if (bucket->more) {
            put(bucket, take_more(bucket));
        }
    } else {
        weir_table_entry **at = &bucket->more;
        while (*at != entry) {
            WEIR_ASSERT(*at != NULL);
            at = &(*at)->next;
        }
        *at = entry->next;
    }
    entry->next = NULL;
    table->entries--;
    for (int i = 0; i < 2 && table->entries < table->buckets; i++) {
        shrink(table);
    }
}

weir_table_entry *weir_table_find(const weir_table *table, uint64_t hash,
                                  const weir_table_entry *after)
{
    const weir_table_bucket *bucket = bucket_at(table, number_of(table, hash));
    const size_t first = after ? place_of(bucket, after) + 1 : 0;
    const uint64_t found = places_with(bucket, tag_of(hash), first);
    if (found != 0) {
        return bucket->entries[__builtin_ctzll((unsigned long long)found) / 8];
    }
    return first > WEIR_TABLE_BUCKET_ENTRIES ? after->next : bucket->more;
}

void weir_table_check(const weir_table *table)
{
    size_t entries = 0;
    for (size_t number = 0; number < table->buckets; number++) {
        const weir_table_bucket *bucket = bucket_at(table, number);
        bool is_full = true;
        for (size_t i = 0; i < WEIR_TABLE_BUCKET_ENTRIES; i++) {
            const weir_table_entry *entry = bucket->entries[i];
            WEIR_ASSERT(is_full || !entry);
            is_full = entry != NULL;
            if (entry) {
                WEIR_ASSERT(number_of(table, entry->hash) == number);
                entries++;
            }
            WEIR_ASSERT(tag_at(bucket, i) == (entry ? tag_of(entry->hash) : 0));
        }
        WEIR_ASSERT(is_full || !bucket->more);
        for (const weir_table_entry *at = bucket->more; at; at = at->next) {
            WEIR_ASSERT(number_of(table, at->hash) == number);
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

/* The first bucket of a segment: 0, 4, 8, 16, ... */
static size_t segment_start(size_t segment)
{
    return segment == 0 ? 0 : (size_t)1 << (segment + WEIR_TABLE_FIRST_BITS - 1);
}

static size_t segment_buckets(size_t segment)
{
    return segment == 0 ? (size_t)1 << WEIR_TABLE_FIRST_BITS : segment_start(segment);
}

static size_t segment_of(size_t bucket)
{
    if (bucket >> WEIR_TABLE_FIRST_BITS == 0) {
        return 0;
    }
    return (size_t)(63 - __builtin_clzll((unsigned long long)bucket)) + 1 - WEIR_TABLE_FIRST_BITS;
}

static size_t number_of(const weir_table *table, uint64_t hash)
{
    const size_t low = power_below(table->buckets);
    const size_t number = (size_t)hash & (2 * low - 1);
    return number < table->buckets ? number : number & (low - 1);
}

static weir_table_bucket *bucket_at(const weir_table *table, size_t number)
{
    const size_t segment = segment_of(number);
    const uintptr_t at = (uintptr_t)table->segments[segment] + WEIR_LINE_OCTETS - 1;
    weir_table_bucket *first = (weir_table_bucket *)(at - at % WEIR_LINE_OCTETS);
    return first + (number - segment_start(segment));
}

/* Makes sure that a segment is there. Its buckets are set one by one, as they come into use. */
static bool segment_open(weir_table *table, size_t segment)
{
    if (segment >= WEIR_TABLE_SEGMENTS) {
        return false;
    }
    if (!table->segments[segment]) {
        const size_t octets = (segment_buckets(segment) + 1) * sizeof(weir_table_bucket);
        table->segments[segment] = weir_alloc(table->allocator, octets);
    }
    return table->segments[segment] != NULL;
}

/* WEIR_TABLE_BUCKET_ENTRIES: not in the line. */
static size_t place_of(const weir_table_bucket *bucket, const weir_table_entry *entry)
{
    size_t i = 0;
    while (i < WEIR_TABLE_BUCKET_ENTRIES && bucket->entries[i] != entry) {
        i++;
    }
    return i;
}

static void put(weir_table_bucket *bucket, weir_table_entry *entry)
{
    for (size_t i = 0; i < WEIR_TABLE_BUCKET_ENTRIES; i++) {
        if (!bucket->entries[i]) {
            bucket->entries[i] = entry;
            set_tag(bucket, i, tag_of(entry->hash));
            entry->next = NULL;
            return;
        }
    }
    entry->next = bucket->more;
    bucket->more = entry;
}

static weir_table_entry *take_more(weir_table_bucket *bucket)
{
    weir_table_entry *entry = bucket->more;
    bucket->more = entry->next;
    return entry;
}

/* Puts everything that was in a bucket where it belongs now. */
static void put_all(weir_table *table, weir_table_bucket *from)
{
    weir_table_bucket old = *from;
    *from = (weir_table_bucket){.more = NULL};
    for (size_t i = 0; i < WEIR_TABLE_BUCKET_ENTRIES && old.entries[i]; i++) {
        put(bucket_at(table, number_of(table, old.entries[i]->hash)), old.entries[i]);
    }
    while (old.more) {
        weir_table_entry *entry = take_more(&old);
        put(bucket_at(table, number_of(table, entry->hash)), entry);
    }
}

static void grow(weir_table *table)
{
    const size_t made = table->buckets;
    if (!segment_open(table, segment_of(made))) {
        return;
    }
    *bucket_at(table, made) = (weir_table_bucket){.more = NULL};
    table->buckets++;
    put_all(table, bucket_at(table, made - power_below(made)));
}

static void shrink(weir_table *table)
{
    const size_t gone = table->buckets - 1;
    if (gone < segment_buckets(0)) {
        return;
    }
    table->buckets--;
    put_all(table, bucket_at(table, gone));
    if (gone == power_below(gone)) {
        weir_release(table->allocator, table->segments[segment_of(gone)]);
        table->segments[segment_of(gone)] = NULL;
    }
}
