/* SPDX-License-Identifier: MIT */
/*
 * Origins: found, made, remembered, forgotten; and the pause after dials that failed.
 *
 * The pause is for dials that the pool makes by itself, for tickets that are left when a dial
 * fails. When none is left there is no pause: the next request is somebody's own decision and dials
 * at once. Failures double the pause from 50 ms to 5 s; dials that were in flight together count as
 * one. A connection that served an exchange ends the series, a handshake alone does not: a server
 * that accepts and hangs up would be dialled without pause otherwise.
 */
#include "pool/pool_common.h"

#include <string.h>

static weir_origin *record_new(weir_pool *pool, const weir_origin_key *key,
                               const weir_origin_sought *sought);
static weir_origin_seldom *seldom_new(weir_pool *pool, const weir_origin_key *key);
static weir_origin *record_find(const weir_pool *pool, const weir_origin_key *key,
                                const weir_origin_sought *sought);
static bool has_key(const weir_origin *origin, const weir_origin_key *key,
                    const weir_origin_sought *sought);
static bool is_worth_remembering(const weir_pool *pool, const weir_origin *origin);
static void take_back(weir_pool *pool, weir_origin *origin);

static inline weir_origin *of_entry(weir_table_entry *entry)
{
    return WEIR_CONTAINER_OF(entry, weir_origin, entry);
}

/* What will be looked at is asked of the memory at once: with very many origins nothing of this one
 * is in a cache, and each line would be waited for in its turn. */
static inline void expect_use(const weir_origin *origin)
{
    const char *record = (const char *)origin;
    for (size_t at = 0; at < sizeof *origin; at += WEIR_LINE_OCTETS) {
        __builtin_prefetch(record + at, 1);
    }
}

weir_origin *weir_record_get(weir_pool *pool, const weir_origin_key *key)
{
    weir_origin_sought sought;
    weir_origin_seek(&sought, key, pool->options.seed);
    weir_origin *origin = record_find(pool, key, &sought);
    if (!origin) {
        return record_new(pool, key, &sought);
    }
    if (origin->is_remembered) {
        take_back(pool, origin);
    }
    return origin;
}

weir_origin *weir_record_find(const weir_pool *pool, const weir_origin_key *key)
{
    weir_origin_sought sought;
    weir_origin_seek(&sought, key, pool->options.seed);
    return record_find(pool, key, &sought);
}

bool weir_record_is_asked(const weir_origin *origin)
{
    return origin->tickets > 0 || origin->wishes > 0;
}

void weir_record_settle(weir_pool *pool, weir_origin *origin)
{
    if (weir_record_is_asked(origin) || origin->connections > 0 || origin->seldom->ghosts > 0 ||
        !weir_list_is_empty(&origin->seldom->paused) || origin->is_remembered) {
        return;
    }
    WEIR_ASSERT(weir_list_is_empty(&origin->seldom->hungry));
    origin->ends = WEIR_REASON_NONE;
    if (!is_worth_remembering(pool, origin)) {
        weir_record_free(pool, origin);
        return;
    }
    weir_list_push_back(&pool->remembered, &origin->seldom->remembered);
    origin->is_remembered = true;
    pool->remembered_origins++;
    if (pool->remembered_origins > pool->options.origins_remembered) {
        weir_record_free(pool, WEIR_ORIGIN_OF(pool->remembered.next, remembered));
    }
}

void weir_record_free(weir_pool *pool, weir_origin *origin)
{
    WEIR_ASSERT(origin->tickets == 0);
    WEIR_ASSERT(weir_list_is_empty(&origin->seldom->paused));
    WEIR_ASSERT(origin->connections == 0);
    WEIR_ASSERT(origin->seldom->ghosts == 0);
    WEIR_ASSERT(origin->wishes == 0);
    WEIR_ASSERT(!origin->is_unsettled);
    if (origin->is_remembered) {
        take_back(pool, origin);
    }
    weir_origin_seldom *seldom = origin->seldom;
    weir_agenda_leave(&pool->agenda, &seldom->retry);
    weir_table_leave(&pool->table, &origin->entry);
    weir_list_remove(&seldom->link);
    pool->counts.origins--;
    weir_release(pool->allocator, seldom->octets);
    weir_slabs_give(&pool->records, seldom->origin_slab, origin);
    weir_slabs_give(&pool->seldoms, seldom->slab, seldom);
}

weir_protocol weir_record_protocol(const weir_origin *origin)
{
    if (origin->seldom->key.pin != WEIR_PROTOCOL_ANY) {
        return (weir_protocol)origin->seldom->key.pin;
    }
    return origin->seldom->key.https ? origin->protocol : WEIR_H1;
}

uint32_t weir_record_streams(const weir_pool *pool, const weir_origin *origin)
{
    const weir_pool_options *options = &pool->options;
    uint32_t streams = origin->streams ? origin->streams : WEIR_STREAMS_EXPECTED;
    streams = streams < options->streams_per_connection ? streams : options->streams_per_connection;
    return streams < options->requests_per_connection ? streams : options->requests_per_connection;
}

void weir_record_learn(weir_origin *origin, const weir_facts *facts)
{
    if (facts->protocol != WEIR_PROTOCOL_ANY && facts->protocol != origin->protocol) {
        origin->protocol = facts->protocol;
        origin->has_news = true;
    }
    const bool is_told = facts->protocol == WEIR_H2 && !facts->capacity_assumed;
    if (is_told && facts->accepting && facts->capacity_streams > 0 &&
        facts->capacity_streams != origin->streams) {
        origin->streams = facts->capacity_streams;
        origin->has_news = true;
    }
}

void weir_record_failed(weir_pool *pool, weir_origin *origin, uint64_t order)
{
    if (order > origin->seldom->failed_order || origin->failures == 0) {
        if (weir_time_since(pool->now_ns, origin->seldom->failed_at_ns) > WEIR_BACK_OFF_FORGET_NS) {
            origin->failures = 0;
        }
        origin->failures += origin->failures < 16;
        origin->seldom->failed_order = pool->order;
    }
    origin->seldom->failed_at_ns = pool->now_ns;
    weir_time pause_ns = WEIR_BACK_OFF_FIRST_NS << (origin->failures - 1);
    pause_ns = weir_time_earlier(pause_ns, WEIR_BACK_OFF_LAST_NS);
    const weir_time at = weir_time_add(pool->now_ns, weir_pool_jitter(pool, pause_ns));
    if (origin->retry_at_ns < at) {
        origin->retry_at_ns = at;
    }
}

void weir_record_pause(weir_pool *pool, weir_origin *origin)
{
    weir_agenda_entry *retry = &origin->seldom->retry;
    if (!retry->entered || retry->at_ns != origin->retry_at_ns) {
        weir_agenda_enter(&pool->agenda, retry, origin->retry_at_ns, WEIR_WHY_ATTEMPT_DELAY);
    }
    origin->is_pausing = true;
}

void weir_record_unpause(weir_pool *pool, weir_origin *origin)
{
    weir_agenda_leave(&pool->agenda, &origin->seldom->retry);
    origin->is_pausing = false;
}

static weir_origin *record_find(const weir_pool *pool, const weir_origin_key *key,
                                const weir_origin_sought *sought)
{
    weir_table_entry *entry = weir_table_find(&pool->table, sought->hash, NULL);
    while (entry) {
        weir_origin *origin = of_entry(entry);
        expect_use(origin);
        if (has_key(origin, key, sought)) {
            return origin;
        }
        entry = weir_table_find(&pool->table, sought->hash, entry);
    }
    return NULL;
}

/* The key itself need seldom be looked at: names of hosts are short. */
static bool has_key(const weir_origin *origin, const weir_origin_key *key,
                    const weir_origin_sought *sought)
{
    return memcmp(origin->words, sought->words, sizeof origin->words) == 0 &&
           (sought->is_whole || weir_origin_key_equal(&origin->seldom->key, key));
}

static weir_origin *record_new(weir_pool *pool, const weir_origin_key *key,
                               const weir_origin_sought *sought)
{
    weir_slab *slab = NULL;
    weir_origin *origin = weir_slabs_take(&pool->records, &slab);
    if (!origin) {
        return NULL;
    }
    weir_origin_seldom *seldom = seldom_new(pool, key);
    if (!seldom) {
        weir_slabs_give(&pool->records, slab, origin);
        return NULL;
    }
    seldom->origin = origin;
    seldom->origin_slab = slab;
    origin->seldom = seldom;
    weir_list_init(&origin->spare);
    weir_list_init(&origin->shared);
    weir_list_init(&origin->waiting);
    memcpy(origin->words, sought->words, sizeof origin->words);
    weir_table_enter(&pool->table, &origin->entry, sought->hash);
    weir_list_push_back(&pool->origins, &seldom->link);
    pool->counts.origins++;
    return origin;
}

static weir_origin_seldom *seldom_new(weir_pool *pool, const weir_origin_key *key)
{
    const size_t octets = weir_origin_key_octets(key);
    weir_slab *slab = NULL;
    weir_origin_seldom *seldom = weir_slabs_take(&pool->seldoms, &slab);
    if (!seldom) {
        return NULL;
    }
    if (octets > sizeof seldom->room) {
        seldom->octets = weir_alloc(pool->allocator, octets);
        if (!seldom->octets) {
            weir_slabs_give(&pool->seldoms, slab, seldom);
            return NULL;
        }
    }
    seldom->slab = slab;
    weir_list *const nodes[] = {&seldom->link,      &seldom->hungry,     &seldom->unawaited,
                                &seldom->unsettled, &seldom->remembered, &seldom->paused,
                                &seldom->wishes,    &seldom->slots,      &seldom->dials};
    for (size_t i = 0; i < WEIR_COUNT_OF(nodes); i++) {
        weir_list_init(nodes[i]);
    }
    weir_origin_key_copy(&seldom->key, key, seldom->octets ? seldom->octets : seldom->room);
    return seldom;
}

static bool is_worth_remembering(const weir_pool *pool, const weir_origin *origin)
{
    if (pool->is_shut) {
        return false;
    }
    const bool handshake_decides =
        origin->seldom->key.https && origin->seldom->key.pin == WEIR_PROTOCOL_ANY;
    return origin->failures > 0 || origin->streams > 0 || origin->horizon.first_ns > 0 ||
           origin->seldom->left_over > 0 ||
           (handshake_decides && origin->protocol != WEIR_PROTOCOL_ANY);
}

/* Out of the list of those that are only remembered. */
static void take_back(weir_pool *pool, weir_origin *origin)
{
    weir_list_remove(&origin->seldom->remembered);
    origin->is_remembered = false;
    pool->remembered_origins--;
}

void weir_record_check(const weir_pool *pool, const weir_origin *origin)
{
    uint32_t tickets = 0;
    uint64_t order = 0;
    const weir_ticket *undialed = NULL;
    for (const weir_list *at = origin->waiting.next; at != &origin->waiting; at = at->next) {
        const weir_ticket *ticket = WEIR_CONST_CONTAINER_OF(at, weir_ticket, link);
        WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
        WEIR_ASSERT(ticket->origin == origin);
        WEIR_ASSERT(ticket->order > order);
        WEIR_ASSERT(!ticket->dial || weir_slot_ticket(ticket->dial) == ticket);
        WEIR_ASSERT(ticket->clock == (ticket->dial ? WEIR_CLOCK_DIAL : WEIR_CLOCK_ORIGIN));
        order = ticket->order;
        undialed = undialed || ticket->dial ? undialed : ticket;
        tickets++;
    }
    WEIR_ASSERT(tickets == origin->tickets);
    WEIR_ASSERT(undialed == origin->undialed);
    uint32_t slots_in[WEIR_SLOT_STATES] = {0};
    uint32_t idle = 0;
    uint32_t available = 0;
    for (const weir_list *at = origin->seldom->slots.next; at != &origin->seldom->slots;
         at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, sibling);
        WEIR_ASSERT(slot->origin == origin);
        slots_in[slot->state]++;
        idle += slot->is_idle;
        available += weir_slot_room(slot) > 0;
        weir_slot_check(pool, slot);
    }
    uint32_t connections = 0;
    for (int i = 0; i < WEIR_SLOT_STATES; i++) {
        WEIR_ASSERT(slots_in[i] == origin->slots_in[i]);
        connections += slots_in[i];
    }
    WEIR_ASSERT(slots_in[WEIR_SLOT_GONE] == 0);
    WEIR_ASSERT(connections == origin->connections);
    WEIR_ASSERT(connections <= pool->options.connections_per_origin);
    WEIR_ASSERT(idle == origin->idle);
    WEIR_ASSERT(available == origin->available);
    WEIR_ASSERT((origin->wishes > 0) == !weir_list_is_empty(&origin->seldom->wishes));
    WEIR_ASSERT(origin->is_unsettled == !weir_list_is_empty(&origin->seldom->unsettled));
    WEIR_ASSERT(origin->is_pausing == origin->seldom->retry.entered);
    WEIR_ASSERT((origin->wanted > 0) == !weir_list_is_empty(&origin->seldom->hungry));
    /* No ticket sleeps while a connection has room for it. */
    WEIR_ASSERT(tickets == 0 || available == 0);
}
