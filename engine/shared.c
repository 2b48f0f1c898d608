/* SPDX-License-Identifier: MIT */
/*
 * What clients and loops share. The DNS cache is a chained hash table with a list in order of use;
 * an answer lives as long as its shortest TTL, within bounds, and what was not used longest makes
 * room.
 */
#include "engine/shared.h"

#include <stdatomic.h>
#include <string.h>

#include "engine/os.h"
#include "engine/record.h"
#include "engine/tls_config.h"
#include "engine/tls_session.h"
#include "proto/alloc.h"
#include "proto/list.h"

#define BUCKETS              256
#define ANSWERS_DEFAULT      1024
#define SESSIONS_DEFAULT     1024
#define ORIGINS_DEFAULT      1024
#define TTL_LEAST_SECONDS    1
#define TTL_MOST_SECONDS     3600
#define TTL_NEGATIVE_SECONDS 2

typedef struct remembered {
    weir_list bucket;
    weir_list used;
    weir_time until_ns;
    uint8_t family;
    size_t count;
    weir_address *addresses; /* behind the host */
    size_t host_length;
    uint8_t host[];
} remembered;

struct weir_shared {
    const weir_allocator *allocator;
    atomic_uint references;
    weir_fork_mark *mark;
    weir_mutex lock;
    weir_tls_config *tls;
    atomic_uint_fast64_t tls_number; /* of `tls`, for those who only look whether it is another */
    weir_tls_sessions *sessions;
    weir_origins *origins;
    weir_list buckets[BUCKETS];
    weir_list used; /* least recently used first */
    size_t count;
    size_t limit;
};

static void lock(weir_shared *shared);
static void set_tls(weir_shared *shared, weir_tls_config *config);
static weir_list *bucket_of(weir_shared *shared, weir_span host, uint8_t family);
static remembered *find(weir_shared *shared, weir_span host, uint8_t family);
static void forget(weir_shared *shared, remembered *entry);
static weir_time lifetime_of(const weir_address *addresses, size_t count);

weir_shared *weir_shared_new(const weir_shared_options *given, weir_status *status)
{
    weir_shared_options copy;
    const weir_shared_options *options = &copy;
    weir_status ignored = WEIR_OK;

    status = status != NULL ? status : &ignored;
    if (!weir_record_read(&copy, sizeof(copy), given)) {
        *status = WEIR_E_INVALID;
        return NULL;
    }
    const weir_allocator *allocator =
        options->allocator != NULL ? options->allocator : weir_os_allocator();
    weir_shared *shared = weir_alloc_zeroed(allocator, sizeof(*shared));
    *status = WEIR_E_NOMEM;
    if (shared == NULL) {
        return NULL;
    }
    shared->allocator = allocator;
    atomic_init(&shared->references, 1);
    shared->limit = options->dns_answers != 0 ? options->dns_answers : ANSWERS_DEFAULT;
    weir_list_init(&shared->used);
    for (size_t i = 0; i < BUCKETS; i++) {
        weir_list_init(&shared->buckets[i]);
    }
    const size_t sessions = options->tls_sessions != 0 ? options->tls_sessions : SESSIONS_DEFAULT;
    shared->sessions = weir_tls_sessions_new(allocator, sessions);
    shared->origins =
        weir_origins_new(allocator, options->origins != 0 ? options->origins : ORIGINS_DEFAULT);
    if (shared->sessions == NULL || shared->origins == NULL || !weir_mutex_init(&shared->lock)) {
        weir_tls_sessions_free(shared->sessions);
        weir_origins_free(shared->origins);
        weir_release(allocator, shared);
        return NULL;
    }
    shared->mark = weir_fork_mark_new();
    if (options->tls != NULL) {
        set_tls(shared, weir_tls_config_acquire(options->tls));
    }
    *status = WEIR_OK;
    return shared;
}

weir_shared *weir_shared_acquire(weir_shared *shared)
{
    atomic_fetch_add(&shared->references, 1);
    return shared;
}

void weir_shared_release(weir_shared *shared)
{
    if (shared == NULL || atomic_fetch_sub(&shared->references, 1) != 1) {
        return;
    }
    weir_shared_enter(shared);
    weir_fork_mark_free(shared->mark);
    while (!weir_list_is_empty(&shared->used)) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, remembered, used));
    }
    weir_origins_free(shared->origins);
    weir_tls_sessions_free(shared->sessions);
    weir_tls_config_release(shared->tls);
    weir_mutex_clear(&shared->lock);
    weir_release(shared->allocator, shared);
}

weir_tls_config *weir_shared_tls(weir_shared *shared, weir_status *status)
{
    weir_failure failure;

    *status = WEIR_OK;
    lock(shared);
    if (shared->tls == NULL) {
        set_tls(shared, weir_tls_config_new(NULL, shared->allocator, status, &failure));
    }
    weir_tls_config *tls = shared->tls != NULL ? weir_tls_config_acquire(shared->tls) : NULL;
    weir_mutex_unlock(&shared->lock);
    return tls;
}

uint64_t weir_shared_tls_number(const weir_shared *shared)
{
    return atomic_load_explicit(&shared->tls_number, memory_order_acquire);
}

weir_status weir_shared_set_tls(weir_shared *shared, weir_tls_config *config)
{
    if (config == NULL) {
        return WEIR_E_INVALID;
    }
    lock(shared);
    weir_tls_config *old = shared->tls;
    set_tls(shared, weir_tls_config_acquire(config));
    weir_mutex_unlock(&shared->lock);
    if (old != NULL && old != config) {
        weir_tls_sessions_forget(shared->sessions, old);
    }
    weir_tls_config_release(old);
    return WEIR_OK;
}

weir_origins *weir_shared_origins(weir_shared *shared)
{
    return shared->origins;
}

weir_tls_sessions *weir_shared_sessions(weir_shared *shared)
{
    return shared->sessions;
}

int weir_shared_recall(weir_shared *shared, weir_span host, uint8_t family, weir_time now_ns,
                       weir_address *addresses, size_t room)
{
    int count = -1;

    lock(shared);
    remembered *entry = find(shared, host, family);
    if (entry != NULL && entry->until_ns <= now_ns) {
        forget(shared, entry);
        entry = NULL;
    }
    if (entry != NULL) {
        count = (int)weir_min(entry->count, room);
        if (count > 0) {
            memcpy(addresses, entry->addresses, (size_t)count * sizeof(*addresses));
        }
        weir_list_remove(&entry->used);
        weir_list_push_back(&shared->used, &entry->used);
    }
    weir_mutex_unlock(&shared->lock);
    return count;
}

void weir_shared_remember(weir_shared *shared, weir_span host, uint8_t family, weir_time now_ns,
                          const weir_address *addresses, size_t count)
{
    const size_t kept = weir_min(count, WEIR_DIAL_ADDRESSES);
    const size_t align = _Alignof(weir_address);
    const size_t at = (sizeof(remembered) + host.length + align - 1) / align * align;
    remembered *entry = weir_alloc_zeroed(shared->allocator, at + kept * sizeof(*addresses));

    if (entry == NULL) {
        return; /* forgetting is always allowed */
    }
    weir_list_init(&entry->bucket);
    weir_list_init(&entry->used);
    entry->family = family;
    entry->count = kept;
    entry->addresses = (weir_address *)(void *)((uint8_t *)entry + at);
    entry->host_length = host.length;
    entry->until_ns = weir_time_add(now_ns, lifetime_of(addresses, kept));
    memcpy(entry->host, host.at, host.length);
    if (kept > 0) {
        memcpy(entry->addresses, addresses, kept * sizeof(*addresses));
    }
    lock(shared);
    remembered *old = find(shared, host, family);
    if (old != NULL) {
        forget(shared, old);
    }
    while (shared->count >= shared->limit) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, remembered, used));
    }
    weir_list_push_back(bucket_of(shared, host, family), &entry->bucket);
    weir_list_push_back(&shared->used, &entry->used);
    shared->count++;
    weir_mutex_unlock(&shared->lock);
}

void weir_shared_forget_answers(weir_shared *shared)
{
    lock(shared);
    while (!weir_list_is_empty(&shared->used)) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, remembered, used));
    }
    weir_mutex_unlock(&shared->lock);
}

void weir_shared_enter(weir_shared *shared)
{
    if (weir_fork_mark_is_ours(shared->mark) || !weir_fork_mark_claim(shared->mark)) {
        return;
    }
    if (!weir_mutex_try_lock(&shared->lock)) {
        /* Another thread was in the middle of the answers, and in this process it never comes out: they are left as they are. */
        weir_list_init(&shared->used);
        for (size_t i = 0; i < BUCKETS; i++) {
            weir_list_init(&shared->buckets[i]);
        }
        shared->count = 0;
    }
    (void)weir_mutex_init(&shared->lock);
    weir_tls_sessions_forked(shared->sessions);
    weir_origins_forked(shared->origins);
    weir_fork_mark_settle(shared->mark, true);
}

static void lock(weir_shared *shared)
{
    weir_shared_enter(shared);
    weir_mutex_lock(&shared->lock);
}

/* With the lock, or before anybody else knows it. */
static void set_tls(weir_shared *shared, weir_tls_config *config)
{
    shared->tls = config;
    atomic_store_explicit(&shared->tls_number, config != NULL ? weir_tls_config_number(config) : 0,
                          memory_order_release);
}

static weir_list *bucket_of(weir_shared *shared, weir_span host, uint8_t family)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ family;

    for (size_t i = 0; i < host.length; i++) {
        hash = (hash ^ host.at[i]) * UINT64_C(0x100000001b3);
    }
    return &shared->buckets[(hash >> 32) % BUCKETS];
}

static remembered *find(weir_shared *shared, weir_span host, uint8_t family)
{
    weir_list *bucket = bucket_of(shared, host, family);

    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        remembered *entry = WEIR_CONTAINER_OF(at, remembered, bucket);
        if (entry->family == family && entry->host_length == host.length &&
            memcmp(entry->host, host.at, host.length) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void forget(weir_shared *shared, remembered *entry)
{
    weir_list_remove(&entry->bucket);
    weir_list_remove(&entry->used);
    shared->count--;
    weir_release(shared->allocator, entry);
}

/*
 * A TTL of 0 lasts a second all the same: calls that come together share one look-up, and
 * getaddrinfo users know no TTL.
 */
static weir_time lifetime_of(const weir_address *addresses, size_t count)
{
    uint32_t seconds = count == 0 ? TTL_NEGATIVE_SECONDS : TTL_MOST_SECONDS;

    for (size_t i = 0; i < count; i++) {
        if (addresses[i].ttl_seconds < seconds) {
            seconds = addresses[i].ttl_seconds;
        }
    }
    if (seconds < TTL_LEAST_SECONDS) {
        seconds = TTL_LEAST_SECONDS;
    }
    return seconds * WEIR_NS_PER_SECOND;
}
