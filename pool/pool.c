/* SPDX-License-Identifier: MIT */
/*
 * The pool's face: each call notes what was told, settles the origin that it concerns, then
 * balances the whole.
 *
 * No call looks at more than the origin that it is about, the head of the line of hungry origins,
 * and what it closes or refuses: a million other origins cost nothing. The exceptions say "all" in
 * their contract: shutdown, drain(NULL), check.
 */
#include "pool/pause.h"
#include "pool/warm.h"

#include <string.h>

static weir_pool_options with_defaults(const weir_pool_options *options);
static void finish(weir_pool *pool, weir_origin *origin);
static void leave(weir_pool *pool, weir_origin *origin);
static weir_status admit(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);
static const char *full_limit(const weir_pool *pool, const weir_origin *origin);
static bool take_directly(weir_ticket *ticket);
static void end_lease(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts, bool served);
static void note_bounce(weir_slot *slot, weir_ticket *ticket);
static void fail_dial(weir_pool *pool, weir_slot *slot, const weir_failure *failure);

weir_pool *weir_pool_new(const weir_pool_options *options, weir_status *status)
{
    weir_pool *pool = weir_alloc_zeroed(options->allocator, sizeof *pool);
    *status = pool ? weir_table_init(&pool->table, options->allocator) : WEIR_E_NOMEM;
    if (*status != WEIR_OK) {
        weir_release(options->allocator, pool);
        return NULL;
    }
    pool->allocator = options->allocator;
    pool->options = with_defaults(options);
    pool->random = options->seed;
    pool->slot_ids = options->first_number;
    weir_list *const lists[] = {
        &pool->origins, &pool->warmed, &pool->remembered, &pool->hungry,    &pool->slots,
        &pool->ghosts,  &pool->told,   &pool->unawaited,  &pool->unsettled, &pool->orders};
    for (size_t i = 0; i < WEIR_COUNT_OF(lists); i++) {
        weir_list_init(lists[i]);
    }
    weir_idle_init(&pool->idle, pool->options.idle_ns);
    weir_slabs_init(&pool->records, options->allocator, sizeof(weir_origin));
    weir_slabs_init(&pool->seldoms, options->allocator, sizeof(weir_origin_seldom));
    return pool;
}

void weir_pool_free(weir_pool *pool)
{
    if (!pool) {
        return;
    }
    WEIR_ASSERT(pool->connections == 0);
    WEIR_ASSERT(weir_list_is_empty(&pool->ghosts));
    WEIR_ASSERT(pool->tickets == 0);
    WEIR_ASSERT(pool->paused == 0);
    while (!weir_list_is_empty(&pool->origins)) {
        weir_record_free(pool, WEIR_ORIGIN_OF(pool->origins.next, link));
    }
    weir_table_clear(&pool->table);
    weir_slabs_clear(&pool->records);
    weir_slabs_clear(&pool->seldoms);
    weir_release(pool->allocator, pool);
}

weir_status weir_pool_request(weir_pool *pool, const weir_origin_key *key, weir_ticket *ticket,
                              weir_time now_ns)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_IDLE ||
                (ticket->state == WEIR_TICKET_REFUSED && weir_list_is_empty(&ticket->granted)));
    weir_pool_begin(pool, now_ns);
    if (pool->is_shut) {
        return WEIR_E_CLOSED;
    }
    weir_origin *origin = weir_record_get(pool, key);
    if (!origin) {
        return WEIR_E_NOMEM;
    }
    const weir_status status = admit(pool, origin, ticket);
    leave(pool, origin);
    return status;
}

void weir_warmth_init(weir_warmth *wish)
{
    weir_list_init(&wish->link);
    weir_list_init(&wish->told);
}

weir_status weir_pool_warm(weir_pool *pool, const weir_origin_key *key, uint32_t exchanges,
                           weir_warmth *wish, weir_time now_ns)
{
    WEIR_ASSERT(wish->state != WEIR_WARMTH_WAITING);
    WEIR_ASSERT(exchanges > 0);
    weir_pool_begin(pool, now_ns);
    if (pool->is_shut) {
        return WEIR_E_CLOSED;
    }
    if (pool->wishes >= pool->options.waiting) {
        wish->failure = weir_place_failure(WEIR_E_QUEUE_FULL);
        wish->failure.what = "as many pre-connects are under way as calls may wait";
        return WEIR_E_QUEUE_FULL;
    }
    weir_origin *origin = weir_record_get(pool, key);
    if (!origin) {
        return WEIR_E_NOMEM;
    }
    wish->exchanges = exchanges;
    wish->dials_left = exchanges;
    weir_warm_enter(pool, origin, wish);
    weir_place_settle(pool, origin);
    weir_place_balance(pool, origin);
    weir_status status = WEIR_AGAIN;
    if (wish->state == WEIR_WARMTH_ENDED) {
        weir_list_remove(&wish->told); /* the caller learns it from this call */
        status = wish->failure.status;
    }
    leave(pool, origin);
    return status;
}

void weir_pool_cool(weir_pool *pool, weir_warmth *wish, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    weir_origin *origin = wish->origin;
    weir_warm_leave(pool, wish);
    if (origin) {
        finish(pool, origin);
    }
}

void weir_pool_abandon(weir_pool *pool, weir_ticket *ticket, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    weir_origin *origin = ticket->origin;
    switch (ticket->state) {
    case WEIR_TICKET_IDLE:
        if (ticket->keeps_order) {
            ticket->keeps_order = false;
            weir_place_balance(pool, NULL);
        }
        return;
    case WEIR_TICKET_REFUSED:
        take_directly(ticket);
        ticket->state = WEIR_TICKET_IDLE;
        return;
    case WEIR_TICKET_WAITING:
        weir_place_leave(pool, ticket);
        ticket->waited_ns = weir_time_since(pool->now_ns, ticket->since_ns);
        weir_wait_check_sum(ticket);
        break;
    case WEIR_TICKET_LEASED:
        /* A grant that was not pulled was never used. */
        end_lease(pool, ticket, NULL, !take_directly(ticket));
        break;
    }
    finish(pool, origin);
}

void weir_pool_bounce(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                      weir_time now_ns)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_LEASED);
    weir_pool_begin(pool, now_ns);
    weir_slot *slot = ticket->slot;
    weir_origin *origin = slot->origin;
    take_directly(ticket);
    if (facts) {
        weir_slot_tell(pool, slot, facts);
    }
    note_bounce(slot, ticket);
    weir_wait_bounced(pool, ticket);
    pool->counts.bounces++;
    end_lease(pool, ticket, NULL, false);
    weir_origin *to = pool->is_shut ? origin : weir_place_of(pool, origin, ticket);
    weir_place_enter(pool, to ? to : origin, ticket);
    if (pool->is_shut || !to) {
        const weir_failure failure =
            weir_place_failure(pool->is_shut ? WEIR_E_CLOSED : WEIR_E_NOMEM);
        weir_place_refuse(pool, ticket, &failure);
    } else if (to != origin) {
        weir_place_unsettle(pool, to);
    }
    weir_place_settle(pool, origin);
    weir_place_balance(pool, origin);
    if (ticket->state == WEIR_TICKET_LEASED) {
        take_directly(ticket);
    } else if (ticket->state == WEIR_TICKET_WAITING) {
        weir_wait_begin(pool, ticket);
    }
    leave(pool, origin);
}

void weir_pool_release(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                       weir_time now_ns)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_LEASED);
    weir_pool_begin(pool, now_ns);
    weir_origin *origin = ticket->origin;
    take_directly(ticket);
    end_lease(pool, ticket, facts, true);
    if (ticket->keeps_order) {
        weir_place_unsettle(pool,
                            origin); /* it is the first to be looked at, and in the queue then */
    } else {
        finish(pool, origin);
    }
}

void weir_pool_misdirected(weir_pool *pool, const weir_ticket *ticket, weir_time now_ns)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_LEASED);
    weir_pool_begin(pool, now_ns);
    weir_origin *origin = ticket->origin;
    weir_list *at = origin->seldom->slots.next;
    while (at != &origin->seldom->slots) {
        weir_slot *slot = WEIR_SLOT_OF(at, sibling);
        at = at->next;
        if (slot->state == WEIR_SLOT_READY || slot->state == WEIR_SLOT_DRAINING) {
            weir_slot_retire(pool, slot, WEIR_REASON_MISDIRECTED);
        }
    }
    finish(pool, origin);
}

void weir_pool_facts(weir_pool *pool, weir_slot *slot, const weir_facts *facts, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    if (slot->state != WEIR_SLOT_READY && slot->state != WEIR_SLOT_DRAINING) {
        return;
    }
    weir_origin *origin = slot->origin;
    weir_slot_tell(pool, slot, facts);
    weir_slot_refresh(pool, slot);
    finish(pool, origin);
}

void weir_pool_retire(weir_pool *pool, weir_slot *slot, weir_reason reason, weir_time within_ns,
                      weir_time now_ns)
{
    WEIR_ASSERT(reason != WEIR_REASON_NONE);
    weir_pool_begin(pool, now_ns);
    /* That it drains is not for ever: its facts may change, its last request may be taken back. */
    const bool is_told =
        slot->retired != WEIR_REASON_NONE && slot->retired != WEIR_REASON_EXPIRED_REQUESTS;
    if ((slot->state != WEIR_SLOT_READY && slot->state != WEIR_SLOT_DRAINING) || is_told) {
        return;
    }
    const weir_time later_ns = within_ns > 0 ? weir_pool_random(pool) % within_ns : 0;
    const weir_time at_ns = weir_time_add(pool->now_ns, later_ns);
    if (at_ns >= slot->ends_at_ns) {
        return;
    }
    weir_origin *origin = slot->origin;
    slot->ends_at_ns = at_ns;
    slot->ends_for = reason;
    weir_slot_look_at(pool, slot);
    finish(pool, origin);
}

void weir_pool_ready(weir_pool *pool, weir_slot *slot, const weir_facts *facts, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    WEIR_ASSERT(slot->order_kind != WEIR_ACTION_DIAL);
    if (slot->state == WEIR_SLOT_CLOSING) {
        return; /* given up in the meantime: the CLOSE stands */
    }
    WEIR_ASSERT(slot->state == WEIR_SLOT_DIALING);
    weir_origin *origin = slot->origin;
    weir_slot_take(slot, facts);
    weir_slot_seldom_of(slot)->since_ns = pool->now_ns;
    slot->idle_since_ns = pool->now_ns;
    weir_record_learn(origin, facts);
    origin->retry_at_ns = 0;
    if (pool->options.lifetime_ns > 0) {
        slot->ends_at_ns =
            weir_time_add(pool->now_ns, weir_pool_jitter(pool, pool->options.lifetime_ns));
        slot->ends_for = WEIR_REASON_EXPIRED_LIFETIME;
    }
    weir_slot_refresh(pool, slot);
    weir_place_give_up_surplus(pool, origin);
    finish(pool, origin);
}

void weir_pool_dial_failed(weir_pool *pool, weir_slot *slot, const weir_failure *failure,
                           weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    WEIR_ASSERT(slot->order_kind != WEIR_ACTION_DIAL);
    weir_origin *origin = slot->origin;
    pool->counts.dial_failures++;
    if (slot->state == WEIR_SLOT_DIALING) {
        fail_dial(pool, slot, failure);
    } else {
        weir_slot_fail(pool, slot); /* it was given up in the meantime */
    }
    finish(pool, origin);
}

void weir_pool_gone(weir_pool *pool, weir_slot *slot, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    WEIR_ASSERT(slot->order_kind != WEIR_ACTION_DIAL);
    WEIR_ASSERT(slot->state != WEIR_SLOT_GONE);
    weir_origin *origin = slot->origin;
    if (slot->state == WEIR_SLOT_READY && slot->served == 0 && slot->leases == 0) {
        weir_record_failed(pool, origin, weir_slot_seldom_of(slot)->order);
    }
    weir_slot_bury(pool, slot);
    finish(pool, origin);
}

bool weir_pool_is_missed(const weir_pool *pool, const weir_slot *slot)
{
    return slot->state == WEIR_SLOT_CLOSING && weir_place_is_missed(pool, slot);
}

bool weir_pool_is_asked(const weir_pool *pool)
{
    return pool->tickets > 0 || pool->wishes > 0;
}

bool weir_pool_is_blind(const weir_slot *slot)
{
    const weir_origin *origin = slot->origin;
    return weir_record_protocol(origin) == WEIR_PROTOCOL_ANY ||
           (weir_record_protocol(origin) == WEIR_H2 && origin->streams == 0) ||
           origin->horizon.first_ns == 0;
}

void weir_pool_recall(weir_pool *pool, weir_slot *slot, const weir_memory *memory, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    weir_origin *origin = slot->origin;
    if (origin->protocol == WEIR_PROTOCOL_ANY) {
        origin->protocol = memory->protocol;
    }
    if (origin->streams == 0) {
        origin->streams = memory->streams;
    }
    if (origin->horizon.first_ns == 0 && origin->horizon.survived_ns == 0) {
        origin->horizon = memory->horizon;
        weir_slot_reschedule(pool, origin);
    }
    finish(pool, origin);
}

bool weir_pool_learned(weir_slot *slot, weir_memory *memory)
{
    weir_origin *origin = slot->origin;
    const bool has_news = origin->has_news;
    origin->has_news = false;
    *memory = (weir_memory){origin->protocol, origin->streams, origin->horizon};
    return has_news;
}

bool weir_pool_is_awaited(const weir_pool *pool, const weir_slot *slot)
{
    (void)pool;
    return slot->state == WEIR_SLOT_DIALING && weir_record_is_asked(slot->origin);
}

void weir_pool_adopt(weir_pool *pool, weir_slot *slot, weir_ticket *ticket, weir_time now_ns)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
    WEIR_ASSERT(ticket->origin == slot->origin);
    weir_pool_begin(pool, now_ns);
    if (slot->state == WEIR_SLOT_DIALING && !weir_slot_wish(slot)) {
        weir_place_adopt(pool, slot, ticket);
    }
    if (WEIR_CHECKING) {
        weir_pool_check_some(pool);
    }
}

weir_ticket *weir_pool_next_waiting(const weir_slot *slot, const weir_ticket *after)
{
    weir_origin *origin = slot->origin;
    weir_list *next = after != NULL ? after->link.next : origin->waiting.next;

    return next == &origin->waiting ? NULL : WEIR_CONTAINER_OF(next, weir_ticket, link);
}

weir_ticket *weir_pool_last_waiting(const weir_slot *slot, const weir_ticket *before)
{
    weir_origin *origin = slot->origin;
    weir_list *last = before != NULL ? before->link.prev : origin->waiting.prev;

    return last == &origin->waiting ? NULL : WEIR_CONTAINER_OF(last, weir_ticket, link);
}

void weir_pool_shutdown(weir_pool *pool, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    pool->is_shut = true;
    const weir_failure failure = weir_place_failure(WEIR_E_CLOSED);
    weir_list *at = pool->origins.next;
    while (at != &pool->origins) {
        weir_origin *origin = WEIR_ORIGIN_OF(at, link);
        at = at->next;
        while (!weir_list_is_empty(&origin->seldom->paused)) {
            weir_place_refuse(
                pool, WEIR_CONTAINER_OF(origin->seldom->paused.next, weir_ticket, link), &failure);
        }
        while (!weir_list_is_empty(&origin->waiting)) {
            weir_place_refuse(pool, WEIR_CONTAINER_OF(origin->waiting.next, weir_ticket, link),
                              &failure);
        }
        weir_warm_refuse_all(pool, origin, &failure);
        weir_drain_origin(pool, origin, WEIR_REASON_SHUTDOWN);
        weir_place_settle(pool, origin);
        weir_record_settle(pool, origin);
    }
    if (WEIR_CHECKING) {
        weir_pool_check_some(pool);
    }
}

weir_slot *weir_pool_next_slot(const weir_pool *pool, const weir_slot *after)
{
    weir_list *next = after ? weir_const_slot_seldom_of(after)->link.next : pool->slots.next;
    return next == &pool->slots ? NULL : WEIR_SLOT_OF(next, link);
}

uint64_t weir_pool_take_number(weir_pool *pool)
{
    return ++pool->slot_ids;
}

uint64_t weir_pool_random(weir_pool *pool)
{
    uint64_t word = pool->random += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

weir_time weir_pool_jitter(weir_pool *pool, weir_time span_ns)
{
    const weir_time tenth = span_ns / 10;
    return weir_time_add(span_ns - tenth, weir_pool_random(pool) % (2 * tenth + 1));
}

static weir_pool_options with_defaults(const weir_pool_options *options)
{
    weir_pool_options o = *options;
    o.connections_per_origin = o.connections_per_origin ? o.connections_per_origin : 6;
    o.connections = o.connections ? o.connections : 1024;
    o.waiting_per_origin = o.waiting_per_origin ? o.waiting_per_origin : 1024;
    o.waiting = o.waiting ? o.waiting : 16384;
    o.h2_connections = o.h2_connections ? o.h2_connections : o.connections_per_origin;
    o.streams_per_connection = o.streams_per_connection ? o.streams_per_connection : UINT32_MAX;
    o.requests_per_connection = o.requests_per_connection ? o.requests_per_connection : UINT32_MAX;
    o.idle_ns = o.idle_ns ? o.idle_ns : 90 * WEIR_NS_PER_SECOND;
    o.origins_remembered = o.origins_remembered ? o.origins_remembered : 1024;
    return o;
}

static void finish(weir_pool *pool, weir_origin *origin)
{
    weir_place_settle(pool, origin);
    weir_place_balance(pool, origin);
    leave(pool, origin);
}

/* The last thing that a call does: the origin may be gone after it. */
static void leave(weir_pool *pool, weir_origin *origin)
{
    weir_record_settle(pool, origin);
    if (WEIR_CHECKING) {
        weir_pool_check_some(pool);
    }
}

static weir_status admit(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    const bool pauses = weir_pause_is_due(ticket);
    /* What ended its attempt was no fault of its own: those that asked after it stay behind it. */
    const uint64_t old_order = ticket->keeps_order && !pauses ? ticket->order : 0;
    ticket->keeps_order = false;
    const char *full = old_order == 0 ? full_limit(pool, origin) : NULL;
    if (full != NULL) {
        weir_place_pass_over(pool, origin);
        if (origin->available == 0 || pauses) {
            ticket->failure = weir_place_failure(WEIR_E_QUEUE_FULL);
            ticket->failure.what = full;
            weir_place_balance(pool, origin); /* it may have given back what others wait for */
            return WEIR_E_QUEUE_FULL;
        }
    }
    memset(ticket, 0, offsetof(weir_ticket, waited));
    ticket->order = old_order != 0 ? old_order : ++pool->order;
    ticket->since_ns = pool->now_ns;
    weir_list_init(&ticket->link);
    weir_list_init(&ticket->granted);
    if (pauses) {
        weir_pause_begin(pool, origin, ticket);
    } else if (weir_place_take_at_once(pool, origin, ticket)) {
        weir_place_balance(pool, origin); /* one that was too old may have been closed */
        pool->counts.requests++;
        return WEIR_OK;
    } else {
        weir_place_enter(pool, origin, ticket);
    }
    weir_place_settle(pool, origin);
    weir_place_balance(pool, origin);
    if (ticket->state == WEIR_TICKET_REFUSED) {
        take_directly(ticket);
        ticket->state = WEIR_TICKET_IDLE;
        pool->counts.refusals--;
        return ticket->failure.status;
    }
    pool->counts.requests++;
    if (ticket->state == WEIR_TICKET_LEASED) {
        take_directly(ticket);
        return WEIR_OK;
    }
    weir_wait_begin(pool, ticket);
    take_directly(ticket);
    ticket->reason = weir_pool_waits_for(ticket);
    return WEIR_AGAIN;
}

/* Tickets that were bounced, or keep their order, were let in and are never turned away: the queue
 * may be longer by as many. */
static const char *full_limit(const weir_pool *pool, const weir_origin *origin)
{
    if (origin->tickets >= pool->options.waiting_per_origin) {
        return "as many calls wait for this origin as waiting_per_origin allows";
    }
    return pool->tickets + pool->paused >= pool->options.waiting
               ? "as many calls wait, for all origins, as waiting allows"
               : NULL;
}

/* The caller learns it from this call, so no action is to tell it. True if one was waiting to. */
static bool take_directly(weir_ticket *ticket)
{
    const bool was_queued = !weir_list_is_empty(&ticket->granted);
    weir_list_remove(&ticket->granted);
    return was_queued;
}

/*
 * The slot refused under the facts that it told. If by these it had room nevertheless, it is not
 * asked again before it tells others; and never twice by the same ticket, which only a connection
 * that contradicts itself would make happen.
 */
static void note_bounce(weir_slot *slot, weir_ticket *ticket)
{
    const bool again = slot->state != WEIR_SLOT_GONE &&
                       ticket->bounced_slot == weir_slot_id(slot) &&
                       ticket->bounced_version == slot->facts.version;
    WEIR_CHECK_ASSERT(!again);
    slot->refusing = again || slot->facts.capacity_streams >= slot->leases;
    ticket->bounces++;
    ticket->bounced_slot = weir_slot_id(slot);
    ticket->bounced_version = slot->facts.version;
}

static void end_lease(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts, bool served)
{
    weir_slot *slot = ticket->slot;
    if (facts) {
        weir_slot_tell(pool, slot, facts);
    }
    weir_slot_note_rest(pool, slot, served && ticket->answered);
    if (served) {
        slot->served++;
        slot->origin->failures = 0;
    } else {
        pool->counts.reuses -= ticket->reused;
        if (slot->retired == WEIR_REASON_EXPIRED_REQUESTS) {
            slot->retired = WEIR_REASON_NONE; /* the last one that it may serve was not served */
        }
    }
    if (served && !ticket->unused) {
        weir_slot_note_use(pool, slot);
    }
    if (slot->state == WEIR_SLOT_READY && weir_place_must_yield(pool, slot)) {
        slot->retired = WEIR_REASON_EVICTED;
    }
    weir_slot_unlease(pool, slot, ticket);
}

static void fail_dial(weir_pool *pool, weir_slot *slot, const weir_failure *failure)
{
    weir_origin *origin = slot->origin;
    const uint64_t order = weir_slot_seldom_of(slot)->order;
    weir_place_refuse_hopeless(pool, slot, failure);
    weir_warm_refuse_all(pool, origin, failure);
    weir_slot_fail(pool, slot);
    weir_record_failed(pool, origin, order);
}
