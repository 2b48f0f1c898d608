/* SPDX-License-Identifier: MIT */
/*
 * What clients and loops share. The DNS cache is a chained hash table of names with a list in order
 * of use; the answer of a family lives as long as its shortest TTL, within bounds, and what was not
 * used longest makes room.
 *
 * A name that connections came from is *held*: it stays, with what its last answer said, also when
 * that has run out, so that the next answer can be compared with. Its version grows with every
 * answer and is read without the lock: whoever holds it sees by a comparison that somebody learned
 * something.
 */
#include "engine/shared.h"

#include <stdatomic.h>
#include <string.h>

#include "engine/address.h"
#include "engine/options.h"
#include "engine/os.h"
#include "engine/tls_config.h"
#include "engine/tls_session.h"
#include "proto/alloc.h"
#include "proto/list.h"
#include "proto/sip.h"

#define BUCKETS              256
#define ANSWERS_DEFAULT      1024
#define SESSIONS_DEFAULT     1024
#define ORIGINS_DEFAULT      1024
#define TTL_LEAST_SECONDS    1
#define TTL_MOST_SECONDS     3600
#define TTL_NEGATIVE_SECONDS 2

/* How long a look-up that was begun keeps others from asking the same, should it never end. */
#define CLAIM_NS (30 * WEIR_NS_PER_SECOND)

typedef struct family_answer {
    bool known;
    weir_time until_ns;
    size_t count;
    weir_address *addresses; /* NULL: none */
} family_answer;

struct weir_answers {
    weir_list bucket;
    weir_list used; /* unless it is held */
    size_t holders;
    atomic_uint_fast64_t version;
    weir_time claimed_until_ns;
    family_answer families[2]; /* IPv4, IPv6 */
    size_t host_length;
    uint8_t host[];
};

struct weir_shared {
    const weir_allocator *allocator;
    atomic_uint references;
    weir_fork_mark *mark;
    weir_mutex lock;
    weir_tls_config *tls;
    atomic_uint_fast64_t tls_number; /* of `tls`, for those who only look whether it is another */
    weir_tls_sessions *sessions;
    weir_origins *origins;
    uint64_t seed; /* of every hash here */
    weir_list buckets[BUCKETS];
    weir_list used; /* least recently used first */
    size_t count;
    size_t limit;
    weir_shunned shunned;
};

static bool begin(weir_shared *shared, const weir_shared_options *options);
static void lock(weir_shared *shared);
static void let_all_go(weir_shared *shared);
static void set_tls(weir_shared *shared, weir_tls_config *config);
static weir_answers *find(weir_shared *shared, weir_span host);
static weir_answers *get(weir_shared *shared, weir_span host);
static void put_back(weir_shared *shared, weir_answers *answers);
static void forget(weir_shared *shared, weir_answers *answers);
static void forget_family(weir_shared *shared, family_answer *family);
static family_answer *family_of(weir_answers *answers, uint8_t family);
static weir_time lifetime_of(const weir_address *addresses, size_t count);

weir_shared *weir_shared_new(const weir_shared_options *given, weir_status *status)
{
    weir_shared_options options;
    weir_shared *shared = NULL;
    weir_status why = WEIR_E_INVALID;

    if (weir_shared_options_read(&options, given) == NULL) {
        shared = weir_alloc_zeroed(options.allocator, sizeof(*shared));
        why = shared != NULL && begin(shared, &options) ? WEIR_OK : WEIR_E_NOMEM;
    }
    if (why != WEIR_OK && shared != NULL) {
        weir_tls_sessions_free(shared->sessions);
        weir_origins_free(shared->origins);
        weir_release(options.allocator, shared);
        shared = NULL;
    }
    if (status != NULL) {
        *status = why;
    }
    return shared;
}

weir_shared *weir_shared_for(weir_shared *given, const weir_allocator *allocator,
                             weir_status *status)
{
    const weir_shared_options options = {.size = sizeof(options), .allocator = allocator};

    *status = WEIR_OK;
    return given != NULL ? weir_shared_acquire(given) : weir_shared_new(&options, status);
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
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, weir_answers, used));
    }
    weir_shunned_clear(&shared->shunned, shared->allocator);
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

bool weir_shared_recall(weir_shared *shared, weir_span host, weir_remembered *known,
                        weir_time now_ns)
{
    lock(shared);
    weir_answers *answers = find(shared, host);
    family_answer *of = answers != NULL ? family_of(answers, known->answer.family) : NULL;
    const bool counts = of != NULL && of->known && of->until_ns > now_ns;
    if (counts) {
        known->answer.status = of->count > 0 ? WEIR_OK : WEIR_E_DNS_NOT_FOUND;
        known->answer.addresses = known->addresses;
        known->answer.count = of->count;
        if (of->count > 0) {
            memcpy(known->addresses, of->addresses, of->count * sizeof(known->addresses[0]));
        }
    } else if (of != NULL && answers->holders == 0) {
        forget_family(shared, of);
    }
    if (answers != NULL) {
        put_back(shared, answers);
    }
    weir_mutex_unlock(&shared->lock);
    return counts;
}

void weir_shared_remember(weir_shared *shared, weir_span host, const weir_answer *answer,
                          weir_time now_ns)
{
    const size_t kept =
        answer->status == WEIR_OK ? weir_min(answer->count, WEIR_DIAL_ADDRESSES) : 0;

    if (answer->status != WEIR_OK && answer->status != WEIR_E_DNS_NOT_FOUND) {
        return;
    }
    weir_address *copy = kept > 0 ? weir_alloc(shared->allocator, kept * sizeof(*copy)) : NULL;
    if (kept > 0 && copy == NULL) {
        return; /* forgetting is always allowed */
    }
    if (kept > 0) {
        memcpy(copy, answer->addresses, kept * sizeof(*copy));
    }
    lock(shared);
    weir_answers *answers = get(shared, host);
    if (answers == NULL) {
        weir_release(shared->allocator, copy);
    } else {
        family_answer *of = family_of(answers, answer->family);
        forget_family(shared, of);
        *of = (family_answer){
            .known = true,
            .until_ns = weir_time_add(now_ns, lifetime_of(copy, kept)),
            .count = kept,
            .addresses = copy,
        };
        atomic_fetch_add(&answers->version, 1);
        put_back(shared, answers);
    }
    weir_mutex_unlock(&shared->lock);
}

size_t weir_shared_bucket(const weir_shared *shared, weir_span host)
{
    return weir_sip_hash(host, shared->seed) % BUCKETS;
}

void weir_shared_forget_answers(weir_shared *shared)
{
    lock(shared);
    while (!weir_list_is_empty(&shared->used)) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, weir_answers, used));
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        /* Those that are held stay to be compared with, but count no longer. */
        for (weir_list *at = shared->buckets[i].next; at != &shared->buckets[i]; at = at->next) {
            weir_answers *answers = WEIR_CONTAINER_OF(at, weir_answers, bucket);
            answers->families[0].until_ns = 0;
            answers->families[1].until_ns = 0;
        }
    }
    weir_shunned_forget(&shared->shunned);
    weir_mutex_unlock(&shared->lock);
}

bool weir_shared_failed_lately(weir_shared *shared, const weir_dial *dial, weir_time now_ns,
                               bool failed[WEIR_DIAL_ADDRESSES])
{
    bool any = false;

    lock(shared);
    for (size_t i = 0; i < dial->count; i++) {
        failed[i] =
            weir_shunned_has(&shared->shunned, &dial->addresses[i].address, dial->port, now_ns);
        any = any || failed[i];
    }
    weir_mutex_unlock(&shared->lock);
    return any;
}

void weir_shared_note_loss(weir_shared *shared, const weir_address *address, uint16_t port,
                           weir_time now_ns)
{
    lock(shared);
    weir_shunned_add(&shared->shunned, shared->allocator, address, port, now_ns);
    weir_mutex_unlock(&shared->lock);
}

void weir_shared_note_success(weir_shared *shared, const weir_address *address, uint16_t port)
{
    lock(shared);
    weir_shunned_strike(&shared->shunned, address, port);
    weir_mutex_unlock(&shared->lock);
}

weir_answers *weir_shared_hold(weir_shared *shared, weir_span host)
{
    lock(shared);
    weir_answers *answers = get(shared, host);
    if (answers != NULL && answers->holders++ == 0) {
        weir_list_remove(&answers->used);
        shared->count--;
    }
    weir_mutex_unlock(&shared->lock);
    return answers;
}

void weir_shared_let_go(weir_shared *shared, weir_answers *answers)
{
    lock(shared);
    WEIR_ASSERT(answers->holders > 0);
    if (--answers->holders == 0) {
        shared->count++;
        put_back(shared, answers);
    }
    weir_mutex_unlock(&shared->lock);
}

uint64_t weir_answers_version(const weir_answers *answers)
{
    return atomic_load_explicit(&answers->version, memory_order_acquire);
}

weir_time weir_shared_until(weir_shared *shared, weir_answers *answers, uint8_t family)
{
    lock(shared);
    const weir_time until_ns = family_of(answers, family)->until_ns;
    weir_mutex_unlock(&shared->lock);
    return until_ns;
}

bool weir_shared_has_left(weir_shared *shared, weir_answers *answers, const weir_address *address)
{
    lock(shared);
    const family_answer *of = family_of(answers, address->family);
    bool left = of->known && of->count < WEIR_DIAL_ADDRESSES &&
                answers->families[0].count + answers->families[1].count > 0;
    for (size_t i = 0; i < of->count && left; i++) {
        left = !weir_address_equal(&of->addresses[i], address);
    }
    weir_mutex_unlock(&shared->lock);
    return left;
}

bool weir_shared_claim(weir_shared *shared, weir_answers *answers, weir_time now_ns)
{
    lock(shared);
    const bool is_free = answers->claimed_until_ns <= now_ns;
    if (is_free) {
        answers->claimed_until_ns = weir_time_add(now_ns, CLAIM_NS);
    }
    weir_mutex_unlock(&shared->lock);
    return is_free;
}

void weir_shared_unclaim(weir_shared *shared, weir_answers *answers)
{
    lock(shared);
    answers->claimed_until_ns = 0;
    weir_mutex_unlock(&shared->lock);
}

void weir_shared_enter(weir_shared *shared)
{
    if (weir_fork_mark_is_ours(shared->mark) || !weir_fork_mark_claim(shared->mark)) {
        return;
    }
    if (!weir_mutex_forked(&shared->lock)) {
        /* Another thread was in the middle of the answers, and in this process it never comes out:
         * they are left as they are. */
        weir_list_init(&shared->used);
        for (size_t i = 0; i < BUCKETS; i++) {
            weir_list_init(&shared->buckets[i]);
        }
        shared->count = 0;
        weir_shunned_forget(&shared->shunned);
    } else {
        let_all_go(shared);
    }
    weir_tls_sessions_forked(shared->sessions);
    weir_origins_forked(shared->origins);
    weir_fork_mark_settle(shared->mark, true);
}

/* False: no memory. */
static bool begin(weir_shared *shared, const weir_shared_options *options)
{
    const size_t sessions = options->tls_sessions != 0 ? options->tls_sessions : SESSIONS_DEFAULT;
    const size_t origins = options->origins != 0 ? options->origins : ORIGINS_DEFAULT;

    shared->allocator = options->allocator;
    atomic_init(&shared->references, 1);
    weir_os_random(&shared->seed, sizeof(shared->seed));
    shared->limit = options->dns_answers != 0 ? options->dns_answers : ANSWERS_DEFAULT;
    weir_list_init(&shared->used);
    for (size_t i = 0; i < BUCKETS; i++) {
        weir_list_init(&shared->buckets[i]);
    }
    shared->sessions = weir_tls_sessions_new(shared->allocator, sessions, shared->seed);
    shared->origins = weir_origins_new(shared->allocator, origins, shared->seed);
    if (shared->sessions == NULL || shared->origins == NULL || !weir_mutex_init(&shared->lock)) {
        return false;
    }
    shared->mark = weir_fork_mark_new();
    if (options->tls != NULL) {
        set_tls(shared, weir_tls_config_acquire(options->tls));
    }
    return true;
}

/* Those that held answers were the parent's: in this process they forget them without a word. */
static void let_all_go(weir_shared *shared)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        for (weir_list *at = shared->buckets[i].next; at != &shared->buckets[i]; at = at->next) {
            weir_answers *answers = WEIR_CONTAINER_OF(at, weir_answers, bucket);
            answers->claimed_until_ns = 0;
            if (answers->holders > 0) {
                answers->holders = 0;
                weir_list_push_back(&shared->used, &answers->used);
                shared->count++;
            }
        }
    }
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

static weir_answers *find(weir_shared *shared, weir_span host)
{
    weir_list *bucket = &shared->buckets[weir_shared_bucket(shared, host)];

    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        weir_answers *answers = WEIR_CONTAINER_OF(at, weir_answers, bucket);
        if (answers->host_length == host.length &&
            memcmp(answers->host, host.at, host.length) == 0) {
            return answers;
        }
    }
    return NULL;
}

/* Made if it is not there; NULL: no memory. */
static weir_answers *get(weir_shared *shared, weir_span host)
{
    weir_answers *answers = find(shared, host);

    if (answers != NULL) {
        return answers;
    }
    answers = weir_alloc_zeroed(shared->allocator, sizeof(*answers) + host.length);
    if (answers == NULL) {
        return NULL;
    }
    weir_list_init(&answers->bucket);
    weir_list_init(&answers->used);
    atomic_init(&answers->version, 0);
    answers->host_length = host.length;
    memcpy(answers->host, host.at, host.length);
    while (shared->count >= shared->limit) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, weir_answers, used));
    }
    weir_list_push_back(&shared->buckets[weir_shared_bucket(shared, host)], &answers->bucket);
    weir_list_push_back(&shared->used, &answers->used);
    shared->count++;
    return answers;
}

/* After a use: the last to make room, if there is anything to remember of it. */
static void put_back(weir_shared *shared, weir_answers *answers)
{
    if (answers->holders > 0) {
        return;
    }
    weir_list_remove(&answers->used);
    weir_list_push_back(&shared->used, &answers->used);
    if (!answers->families[0].known && !answers->families[1].known) {
        forget(shared, answers);
    }
    while (shared->count > shared->limit) {
        forget(shared, WEIR_CONTAINER_OF(shared->used.next, weir_answers, used));
    }
}

static void forget(weir_shared *shared, weir_answers *answers)
{
    WEIR_ASSERT(answers->holders == 0);
    weir_list_remove(&answers->bucket);
    weir_list_remove(&answers->used);
    shared->count--;
    forget_family(shared, &answers->families[0]);
    forget_family(shared, &answers->families[1]);
    weir_release(shared->allocator, answers);
}

static void forget_family(weir_shared *shared, family_answer *family)
{
    weir_release(shared->allocator, family->addresses);
    *family = (family_answer){.known = false};
}

static family_answer *family_of(weir_answers *answers, uint8_t family)
{
    return &answers->families[weir_family_index(family)];
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
