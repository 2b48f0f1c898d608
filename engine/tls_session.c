/* SPDX-License-Identifier: MIT */
/*
 * The session store: a hash table of fixed width for finding, one list through all entries for
 * forgetting.
 *
 *   buckets[hash] -> entry -> entry ...   newest first
 *   remembered    -> entry -> entry ...   oldest first
 *
 * Invariants: every entry is in both; `count` entries, at most `limit`; at most
 * WEIR_TLS_SESSIONS_PER_IDENTITY of one key.
 */
#include "engine/tls_session.h"

#include "engine/os.h"
#include "proto/list.h"
#include "proto/sip.h"
#include "proto/span.h"

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>

enum { BUCKETS = 256 };

typedef struct entry {
    weir_list in_bucket;
    weir_list in_order;
    weir_tls_config *config; /* acquired, so that its address stays its own */
    WOLFSSL_SESSION *session;
    weir_origin_key origin; /* its spans lie in `octets` */
    uint8_t octets[];
} entry;

struct weir_tls_sessions {
    const weir_allocator *allocator;
    weir_mutex lock;
    uint64_t seed;
    size_t limit;
    size_t count;
    weir_list remembered;
    weir_list buckets[BUCKETS];
};

static bool is_for(const entry *e, const weir_tls_session_key *key);
static entry *new_entry(weir_tls_sessions *sessions, const weir_tls_session_key *key,
                        WOLFSSL_SESSION *session);
static void make_room(weir_tls_sessions *sessions, weir_list *bucket,
                      const weir_tls_session_key *key);
static void forget(weir_tls_sessions *sessions, entry *e);

weir_tls_sessions *weir_tls_sessions_new(const weir_allocator *allocator, size_t limit,
                                         uint64_t seed)
{
    weir_tls_sessions *sessions = weir_alloc_zeroed(allocator, sizeof(*sessions));

    if (!sessions) {
        return NULL;
    }
    if (!weir_mutex_init(&sessions->lock)) {
        weir_release(allocator, sessions);
        return NULL;
    }
    sessions->allocator = allocator;
    sessions->seed = seed;
    sessions->limit = limit;
    weir_list_init(&sessions->remembered);
    for (size_t i = 0; i < BUCKETS; ++i) {
        weir_list_init(&sessions->buckets[i]);
    }
    return sessions;
}

void weir_tls_sessions_free(weir_tls_sessions *sessions)
{
    if (!sessions) {
        return;
    }
    while (!weir_list_is_empty(&sessions->remembered)) {
        forget(sessions, WEIR_CONTAINER_OF(sessions->remembered.next, entry, in_order));
    }
    WEIR_ASSERT(sessions->count == 0);
    weir_mutex_clear(&sessions->lock);
    weir_release(sessions->allocator, sessions);
}

WOLFSSL_SESSION *weir_tls_sessions_take(weir_tls_sessions *sessions,
                                        const weir_tls_session_key *key)
{
    weir_list *bucket = &sessions->buckets[weir_tls_sessions_bucket(sessions, key)];
    WOLFSSL_SESSION *session = NULL;

    weir_mutex_lock(&sessions->lock);
    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        entry *e = WEIR_CONTAINER_OF(at, entry, in_bucket);
        if (is_for(e, key)) {
            session = e->session;
            e->session = NULL;
            forget(sessions, e);
            break;
        }
    }
    weir_mutex_unlock(&sessions->lock);
    return session;
}

void weir_tls_sessions_put(weir_tls_sessions *sessions, const weir_tls_session_key *key,
                           WOLFSSL_SESSION *session)
{
    weir_list *bucket = &sessions->buckets[weir_tls_sessions_bucket(sessions, key)];
    entry *e = sessions->limit > 0 ? new_entry(sessions, key, session) : NULL;

    if (!e) {
        wolfSSL_SESSION_free(session);
        return;
    }
    weir_mutex_lock(&sessions->lock);
    make_room(sessions, bucket, key);
    weir_list_push_front(bucket, &e->in_bucket);
    weir_list_push_back(&sessions->remembered, &e->in_order);
    sessions->count++;
    weir_mutex_unlock(&sessions->lock);
}

void weir_tls_sessions_forget(weir_tls_sessions *sessions, const weir_tls_config *config)
{
    weir_mutex_lock(&sessions->lock);
    weir_list *at = sessions->remembered.next;
    while (at != &sessions->remembered) {
        entry *e = WEIR_CONTAINER_OF(at, entry, in_order);
        at = at->next;
        if (e->config == config) {
            forget(sessions, e);
        }
    }
    weir_mutex_unlock(&sessions->lock);
}

void weir_tls_sessions_forked(weir_tls_sessions *sessions)
{
    if (weir_mutex_forked(&sessions->lock)) {
        while (!weir_list_is_empty(&sessions->remembered)) {
            forget(sessions, WEIR_CONTAINER_OF(sessions->remembered.next, entry, in_order));
        }
    }
    /* Else another thread was in the middle of them: what it left half done is not touched. */
    weir_list_init(&sessions->remembered);
    for (size_t i = 0; i < BUCKETS; ++i) {
        weir_list_init(&sessions->buckets[i]);
    }
    sessions->count = 0;
}

size_t weir_tls_sessions_count(weir_tls_sessions *sessions)
{
    weir_mutex_lock(&sessions->lock);
    size_t count = sessions->count;
    weir_mutex_unlock(&sessions->lock);
    return count;
}

size_t weir_tls_sessions_bucket(const weir_tls_sessions *sessions, const weir_tls_session_key *key)
{
    weir_sip sip = weir_sip_seeded(sessions->seed);

    weir_sip_span(&sip, key->origin->host);
    weir_sip_word(&sip, key->origin->port);
    return weir_sip_end(sip) % BUCKETS;
}

static bool is_for(const entry *e, const weir_tls_session_key *key)
{
    const weir_origin_key *a = &e->origin;
    const weir_origin_key *b = key->origin;

    return e->config == key->config && a->kind == b->kind && a->port == b->port &&
           a->pin == b->pin && weir_span_equal(a->host, b->host) &&
           weir_span_equal(a->proxy, b->proxy);
}

static entry *new_entry(weir_tls_sessions *sessions, const weir_tls_session_key *key,
                        WOLFSSL_SESSION *session)
{
    entry *e =
        weir_alloc_zeroed(sessions->allocator, sizeof(*e) + weir_origin_key_octets(key->origin));

    if (!e) {
        return NULL;
    }
    weir_list_init(&e->in_bucket);
    weir_list_init(&e->in_order);
    e->config = weir_tls_config_acquire(key->config);
    e->session = session;
    weir_origin_key_copy(&e->origin, key->origin, e->octets);
    return e;
}

/* For one more of that key: the oldest of it goes if there are many, and the oldest of all if the
 * store is full. */
static void make_room(weir_tls_sessions *sessions, weir_list *bucket,
                      const weir_tls_session_key *key)
{
    entry *oldest = NULL;
    size_t same = 0;

    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        entry *e = WEIR_CONTAINER_OF(at, entry, in_bucket);
        if (is_for(e, key)) {
            oldest = e;
            same++;
        }
    }
    if (same < WEIR_TLS_SESSIONS_PER_IDENTITY) {
        oldest = NULL;
    }
    if (!oldest && sessions->count >= sessions->limit) {
        oldest = WEIR_CONTAINER_OF(sessions->remembered.next, entry, in_order);
    }
    if (oldest) {
        forget(sessions, oldest);
    }
}

/* The session goes before the configuration, which may be what keeps wolfSSL's global state alive.
 */
static void forget(weir_tls_sessions *sessions, entry *e)
{
    WEIR_ASSERT(sessions->count > 0);
    weir_list_remove(&e->in_bucket);
    weir_list_remove(&e->in_order);
    sessions->count--;
    if (e->session) {
        wolfSSL_SESSION_free(e->session);
    }
    weir_tls_config_release(e->config);
    weir_release(sessions->allocator, e);
}
