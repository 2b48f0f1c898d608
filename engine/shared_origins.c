/* SPDX-License-Identifier: MIT */
/* A chained hash table with a list in order of use: see shared_origins.h. */
#include "engine/shared_origins.h"

#include "engine/os.h"
#include "proto/alloc.h"

#define BUCKETS 256

typedef struct entry {
    weir_list bucket;
    weir_list used;
    uint64_t hash;
    weir_memory memory;
    weir_origin_key key;
    uint8_t octets[];
} entry;

struct weir_origins {
    const weir_allocator *allocator;
    weir_mutex lock;
    uint64_t seed;
    weir_list buckets[BUCKETS];
    weir_list used; /* least recently used first */
    size_t count;
    size_t limit;
};

static entry *find(weir_origins *origins, const weir_origin_key *key, uint64_t hash);
static entry *make(weir_origins *origins, const weir_origin_key *key, uint64_t hash);
static void forget(weir_origins *origins, entry *known);

weir_origins *weir_origins_new(const weir_allocator *allocator, size_t limit, uint64_t seed)
{
    weir_origins *origins = weir_alloc_zeroed(allocator, sizeof(*origins));

    if (origins == NULL || !weir_mutex_init(&origins->lock)) {
        weir_release(allocator, origins);
        return NULL;
    }
    origins->allocator = allocator;
    origins->limit = limit;
    origins->seed = seed;
    weir_list_init(&origins->used);
    for (size_t i = 0; i < BUCKETS; i++) {
        weir_list_init(&origins->buckets[i]);
    }
    return origins;
}

void weir_origins_free(weir_origins *origins)
{
    if (origins == NULL) {
        return;
    }
    while (!weir_list_is_empty(&origins->used)) {
        forget(origins, WEIR_CONTAINER_OF(origins->used.next, entry, used));
    }
    weir_mutex_clear(&origins->lock);
    weir_release(origins->allocator, origins);
}

bool weir_origins_recall(weir_origins *origins, const weir_origin_key *key, weir_memory *memory)
{
    const uint64_t hash = weir_origin_key_hash(key, origins->seed);

    weir_mutex_lock(&origins->lock);
    entry *known = find(origins, key, hash);
    if (known != NULL) {
        *memory = known->memory;
        weir_list_remove(&known->used);
        weir_list_push_back(&origins->used, &known->used);
    }
    weir_mutex_unlock(&origins->lock);
    return known != NULL;
}

void weir_origins_remember(weir_origins *origins, const weir_origin_key *key,
                           const weir_memory *memory)
{
    const uint64_t hash = weir_origin_key_hash(key, origins->seed);

    weir_mutex_lock(&origins->lock);
    entry *known = find(origins, key, hash);
    if (known == NULL) {
        known = make(origins, key, hash);
    }
    if (known != NULL) {
        known->memory = *memory;
        weir_list_remove(&known->used);
        weir_list_push_back(&origins->used, &known->used);
    }
    weir_mutex_unlock(&origins->lock);
}

void weir_origins_forget_horizons(weir_origins *origins)
{
    weir_mutex_lock(&origins->lock);
    for (weir_list *at = origins->used.next; at != &origins->used; at = at->next) {
        WEIR_CONTAINER_OF(at, entry, used)->memory.horizon = (weir_horizon){0};
    }
    weir_mutex_unlock(&origins->lock);
}

void weir_origins_forked(weir_origins *origins)
{
    if (!weir_mutex_forked(&origins->lock)) {
        weir_list_init(&origins->used);
        for (size_t i = 0; i < BUCKETS; i++) {
            weir_list_init(&origins->buckets[i]);
        }
        origins->count = 0;
    }
}

static entry *find(weir_origins *origins, const weir_origin_key *key, uint64_t hash)
{
    weir_list *bucket = &origins->buckets[hash % BUCKETS];

    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        entry *known = WEIR_CONTAINER_OF(at, entry, bucket);
        if (known->hash == hash && weir_origin_key_equal(&known->key, key)) {
            return known;
        }
    }
    return NULL;
}

static entry *make(weir_origins *origins, const weir_origin_key *key, uint64_t hash)
{
    entry *fresh =
        weir_alloc_zeroed(origins->allocator, sizeof(*fresh) + weir_origin_key_octets(key));

    if (fresh == NULL) {
        return NULL;
    }
    if (origins->count >= origins->limit) {
        forget(origins, WEIR_CONTAINER_OF(origins->used.next, entry, used));
    }
    weir_list_init(&fresh->bucket);
    weir_list_init(&fresh->used);
    fresh->hash = hash;
    weir_origin_key_copy(&fresh->key, key, fresh->octets);
    weir_list_push_back(&origins->buckets[hash % BUCKETS], &fresh->bucket);
    weir_list_push_back(&origins->used, &fresh->used);
    origins->count++;
    return fresh;
}

static void forget(weir_origins *origins, entry *known)
{
    WEIR_ASSERT(origins->count > 0);
    weir_list_remove(&known->bucket);
    weir_list_remove(&known->used);
    origins->count--;
    weir_release(origins->allocator, known);
}
