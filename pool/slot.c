/* SPDX-License-Identifier: MIT */
/*
 * Slots: the states, and the lists that a slot is in. How old one may get is in slot_age.c.
 *
 * A slot with room is in one of its origin's two lists, `shared` if it has leases and `spare` if
 * not, where the last used is first: a few connections stay warm and the others grow old and are
 * closed. An idle slot is in the pool's list too, about in the order in which they became idle; the
 * first is the one to evict, and since the idle time-out is the same for all it is also the first to
 * expire, so that reaping costs what it reaps and nothing else (idle.h).
 */
#include "pool/explain.h"
#include "pool/wait.h"

static weir_slot *room_for_slot(const weir_pool *pool, weir_origin *origin);
static void give_back(const weir_pool *pool, weir_slot *slot);
static weir_slot_state standing(const weir_slot *slot);
static bool ends_with_origin(const weir_slot *slot);
static bool is_replaced(const weir_pool *pool, const weir_slot *slot);
static bool is_unfit(const weir_slot *slot);
static void enter(weir_pool *pool, weir_slot *slot, weir_slot_state state);
static void begin_end(weir_pool *pool, weir_slot *slot, weir_reason reason);
static void relist(weir_pool *pool, weir_slot *slot);
static weir_list *place_in_spare(const weir_pool *pool, const weir_slot *slot);
static void relist_idle(weir_pool *pool, weir_slot *slot);
static void unlist(weir_pool *pool, weir_slot *slot);
static void order_action(weir_pool *pool, weir_slot *slot, weir_action_kind kind);

weir_slot_seldom *weir_slot_seldom_of(weir_slot *slot)
{
    weir_origin *origin = slot->origin;
    return slot == &origin->own ? &origin->seldom->own
                                : &WEIR_CONTAINER_OF(slot, weir_slot_apart, slot)->seldom;
}

const weir_slot_seldom *weir_const_slot_seldom_of(const weir_slot *slot)
{
    const weir_origin *origin = slot->origin;
    return slot == &origin->own ? &origin->seldom->own
                                : &WEIR_CONST_CONTAINER_OF(slot, weir_slot_apart, slot)->seldom;
}

weir_ticket *weir_slot_ticket(const weir_slot *slot)
{
    return slot->is_for_wish ? NULL : weir_const_slot_seldom_of(slot)->dialed_for.ticket;
}

weir_warmth *weir_slot_wish(const weir_slot *slot)
{
    return slot->is_for_wish ? weir_const_slot_seldom_of(slot)->dialed_for.wish : NULL;
}

void weir_slot_set_ticket(weir_slot *slot, weir_ticket *ticket)
{
    WEIR_ASSERT(!slot->is_for_wish);
    weir_slot_seldom_of(slot)->dialed_for.ticket = ticket;
}

void weir_slot_set_wish(weir_slot *slot, weir_warmth *wish)
{
    WEIR_ASSERT(!weir_slot_ticket(slot));
    slot->is_for_wish = wish;
    weir_slot_seldom_of(slot)->dialed_for.wish = wish;
}

weir_slot *weir_slot_new(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    weir_slot *slot = room_for_slot(pool, origin);
    if (!slot) {
        return NULL;
    }
    weir_slot_seldom *seldom = weir_slot_seldom_of(slot);
    seldom->id = ++pool->slot_ids;
    seldom->since_ns = pool->now_ns;
    seldom->order = ++pool->order;
    slot->ends_at_ns = WEIR_NEVER;
    weir_list *const nodes[] = {&slot->leased, &seldom->link, &seldom->sibling, &slot->available,
                                &slot->queue};
    for (size_t i = 0; i < WEIR_COUNT_OF(nodes); i++) {
        weir_list_init(nodes[i]);
    }
    weir_list_push_back(&pool->slots, &seldom->link);
    weir_list_push_back(&origin->seldom->slots, &seldom->sibling);
    pool->slots_in[WEIR_SLOT_DIALING]++;
    origin->slots_in[WEIR_SLOT_DIALING]++;
    pool->connections++;
    origin->connections++;
    WEIR_ASSERT(pool->connections <= pool->options.connections);
    WEIR_ASSERT(origin->connections <= pool->options.connections_per_origin);
    weir_list_push_back(&origin->seldom->dials, &slot->available);
    weir_slot_set_ticket(slot, ticket);
    if (ticket) {
        ticket->dial = slot;
    }
    order_action(pool, slot, WEIR_ACTION_DIAL);
    return slot;
}

uint32_t weir_slot_room(const weir_slot *slot)
{
    if (slot->state != WEIR_SLOT_READY || slot->refusing) {
        return 0;
    }
    const uint32_t capacity = slot->facts.capacity_streams;
    return capacity > slot->leases ? capacity - slot->leases : 0;
}

void weir_slot_lease(weir_pool *pool, weir_slot *slot, weir_ticket *ticket)
{
    WEIR_ASSERT(weir_slot_room(slot) > 0);

    ticket->state = WEIR_TICKET_LEASED;
    ticket->origin = slot->origin;
    ticket->slot = slot;
    ticket->reused = weir_slot_uses(slot) > 0;
    weir_list_push_back(&slot->leased, &ticket->link);
    ticket->answered = false;
    ticket->unused = false;
    if (slot->leases == 0) {
        slot->rested_ns = slot->served > 0 ? weir_time_since(pool->now_ns, slot->idle_since_ns) : 0;
    }
    slot->leases++;
    pool->counts.leases++;
    pool->counts.reuses += ticket->reused;
    if (weir_slot_uses(slot) >= pool->options.requests_per_connection && !slot->retired) {
        slot->retired = WEIR_REASON_EXPIRED_REQUESTS;
    }
    weir_slot_refresh(pool, slot);
}

void weir_slot_unlease(weir_pool *pool, weir_slot *slot, weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_LEASED);
    WEIR_ASSERT(ticket->slot == slot);
    WEIR_ASSERT(slot->leases > 0);
    weir_list_remove(&ticket->link);
    ticket->state = WEIR_TICKET_IDLE;
    ticket->slot = NULL;
    slot->leases--;
    pool->counts.leases--;
    if (slot->state != WEIR_SLOT_GONE) {
        weir_slot_refresh(pool, slot);
    } else if (slot->leases == 0) {
        slot->origin->seldom->ghosts--;
        weir_list_remove(&weir_slot_seldom_of(slot)->link);
        give_back(pool, slot);
    }
}

void weir_slot_take(weir_slot *slot, const weir_facts *facts)
{
    const uint32_t last = slot->origin->streams;

    slot->facts = *facts;
    if (facts->capacity_assumed && last > 0 && last < facts->capacity_streams) {
        slot->facts.capacity_streams = last;
    }
}

void weir_slot_tell(weir_pool *pool, weir_slot *slot, const weir_facts *facts)
{
    if (facts->version <= slot->facts.version) {
        return;
    }
    const weir_facts before = slot->facts;
    weir_slot_take(slot, facts);
    slot->refusing = false;
    weir_record_learn(slot->origin, facts);
    if (facts->unfit == WEIR_UNFIT_LEFT_OVER && before.unfit != WEIR_UNFIT_LEFT_OVER) {
        slot->origin->seldom->left_over++;
        pool->counts.left_over++;
    }
    if (slot->is_idle && slot->served > 0 && before.reusable) {
        weir_slot_note_end(pool, slot);
    }
}

void weir_slot_refresh(weir_pool *pool, weir_slot *slot)
{
    WEIR_ASSERT(slot->state != WEIR_SLOT_GONE);
    if (slot->state == WEIR_SLOT_CLOSING) {
        WEIR_ASSERT(slot->leases == 0);
        return;
    }
    weir_slot_state state = standing(slot);
    if (slot->state == WEIR_SLOT_DRAINING && state == WEIR_SLOT_READY && is_replaced(pool, slot)) {
        slot->retired = WEIR_REASON_ORIGIN_LIMIT; /* it might again, and is one too many */
        state = standing(slot);
    }
    if (state == WEIR_SLOT_CLOSING) {
        weir_slot_close(pool, slot, weir_slot_end_reason(slot));
        return;
    }
    enter(pool, slot, state);
    relist(pool, slot);
    weir_slot_schedule(pool, slot);
}

void weir_slot_retire(weir_pool *pool, weir_slot *slot, weir_reason reason)
{
    WEIR_ASSERT(slot->state == WEIR_SLOT_READY || slot->state == WEIR_SLOT_DRAINING);
    /* That it has had its last request may be taken back with the lease; no other reason is. */
    if (slot->retired == WEIR_REASON_NONE || slot->retired == WEIR_REASON_EXPIRED_REQUESTS) {
        slot->retired = reason;
    }
    weir_slot_refresh(pool, slot);
}

void weir_slot_close(weir_pool *pool, weir_slot *slot, weir_reason reason)
{
    WEIR_ASSERT(slot->leases == 0);
    WEIR_ASSERT(slot->state != WEIR_SLOT_CLOSING);
    if (slot->order_kind == WEIR_ACTION_DIAL) {
        weir_slot_bury(pool, slot);
        return;
    }
    if (is_unfit(slot) && slot->served == 0) {
        weir_record_failed(pool, slot->origin, weir_slot_seldom_of(slot)->order);
    }
    pool->counts.evictions += reason == WEIR_REASON_EVICTED;
    pool->counts.closed_idle += reason == WEIR_REASON_EXPIRED_IDLE ||
                                reason == WEIR_REASON_EXPIRED_KEEP_ALIVE ||
                                reason == WEIR_REASON_EXPIRED_HORIZON;
    begin_end(pool, slot, reason);
    order_action(pool, slot, WEIR_ACTION_CLOSE);
}

void weir_slot_fail(weir_pool *pool, weir_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR_SLOT_DIALING || slot->state == WEIR_SLOT_CLOSING);
    if (slot->state == WEIR_SLOT_DIALING) {
        begin_end(pool, slot, WEIR_REASON_FAILED);
    }
    weir_list_remove(&slot->queue);
    slot->order_kind = WEIR_ACTION_NONE;
}

void weir_slot_bury(weir_pool *pool, weir_slot *slot)
{
    weir_origin *origin = slot->origin;
    if (slot->facts.version > 0) {
        weir_explain_note_close(pool, slot);
    }
    enter(pool, slot, WEIR_SLOT_GONE);
    unlist(pool, slot);
    weir_list_remove(&slot->queue);
    slot->order_kind = WEIR_ACTION_NONE;
    weir_list_remove(&weir_slot_seldom_of(slot)->link);
    weir_list_remove(&weir_slot_seldom_of(slot)->sibling);
    pool->drained -= slot->drained;
    WEIR_ASSERT(pool->connections > 0);
    WEIR_ASSERT(origin->connections > 0);
    pool->connections--;
    origin->connections--;
    if (slot->leases > 0) {
        weir_list_push_back(&pool->ghosts, &weir_slot_seldom_of(slot)->link);
        origin->seldom->ghosts++;
        return;
    }
    give_back(pool, slot);
}

void weir_slot_detach_ticket(const weir_pool *pool, weir_slot *slot)
{
    weir_ticket *ticket = weir_slot_ticket(slot);
    if (!ticket) {
        return;
    }
    weir_slot_set_ticket(slot, NULL);
    ticket->dial = NULL;
    weir_wait_undialed(pool, ticket);
    weir_ticket *first = slot->origin->undialed;
    if (!first || ticket->order < first->order) {
        slot->origin->undialed = ticket;
    }
}

void weir_slot_set_user(weir_slot *slot, void *user)
{
    slot->user = user;
}

void *weir_slot_user(const weir_slot *slot)
{
    return slot->user;
}

uint64_t weir_slot_id(const weir_slot *slot)
{
    return weir_const_slot_seldom_of(slot)->id;
}

const weir_origin_key *weir_slot_key(const weir_slot *slot)
{
    return &slot->origin->seldom->key;
}

weir_reason weir_slot_end_reason(const weir_slot *slot)
{
    if (slot->retired != WEIR_REASON_NONE) {
        return slot->retired;
    }
    if (ends_with_origin(slot)) {
        return slot->origin->ends;
    }
    if (!slot->facts.accepting || !slot->facts.reusable) {
        const weir_reason reason = weir_unfit_reason(slot->facts.unfit);
        return reason != WEIR_REASON_NONE ? reason : WEIR_REASON_UNFIT;
    }
    return slot->refusing ? WEIR_REASON_REFUSING : WEIR_REASON_NONE;
}

weir_slot *weir_pool_next_dry(const weir_ticket *ticket, const weir_slot *after)
{
    if (ticket->state != WEIR_TICKET_LEASED &&
        (ticket->state != WEIR_TICKET_WAITING || ticket->pause.entered)) {
        return NULL;
    }
    const weir_origin *origin = ticket->origin;
    weir_list *at =
        after ? weir_const_slot_seldom_of(after)->sibling.next : origin->seldom->slots.next;
    if (weir_record_protocol(origin) != WEIR_H2) {
        return NULL;
    }
    for (; at != &origin->seldom->slots; at = at->next) {
        weir_slot *slot = WEIR_SLOT_OF(at, sibling);
        if (weir_slot_is_dry(slot)) {
            return slot;
        }
    }
    return NULL;
}

bool weir_slot_is_dry(const weir_slot *slot)
{
    return slot->state == WEIR_SLOT_READY && slot->facts.protocol == WEIR_H2 &&
           slot->facts.accepting && weir_slot_room(slot) == 0;
}

uint32_t weir_slot_leases(const weir_slot *slot)
{
    return slot->leases;
}

bool weir_slot_is_idle(const weir_slot *slot)
{
    return slot->is_idle;
}

weir_protocol weir_slot_protocol(const weir_slot *slot)
{
    return slot->facts.protocol;
}

weir_protocol weir_slot_protocol_hint(const weir_slot *slot)
{
    return weir_record_protocol(slot->origin);
}

/* Zeroed memory: the origin's own if it is free. */
static weir_slot *room_for_slot(const weir_pool *pool, weir_origin *origin)
{
    weir_slot *slot = &origin->own;
    if (slot->origin) {
        weir_slot_apart *apart = weir_alloc_zeroed(pool->allocator, sizeof *apart);
        if (!apart) {
            return NULL;
        }
        slot = &apart->slot;
    }
    slot->origin = origin;
    weir_slot_seldom_of(slot)->slot = slot;
    return slot;
}

static void give_back(const weir_pool *pool, weir_slot *slot)
{
    if (slot == &slot->origin->own) {
        *weir_slot_seldom_of(slot) = (weir_slot_seldom){.id = 0};
        *slot = (weir_slot){.origin = NULL};
    } else {
        weir_release(pool->allocator, WEIR_CONTAINER_OF(slot, weir_slot_apart, slot));
    }
}

/* What a connection that is no longer dialling is, by its facts, its leases and the pool's own
 * will. */
static weir_slot_state standing(const weir_slot *slot)
{
    const bool ends =
        slot->retired || ends_with_origin(slot) || !slot->facts.accepting || !slot->facts.reusable;
    if (slot->leases > 0) {
        return ends ? WEIR_SLOT_DRAINING : WEIR_SLOT_READY;
    }
    /* One that refuses without saying why, with no exchange to wait for, would refuse for ever. */
    return ends || slot->refusing ? WEIR_SLOT_CLOSING : WEIR_SLOT_READY;
}

/* Its origin will be asked no more, and whoever asked was served. */
static bool ends_with_origin(const weir_slot *slot)
{
    return slot->origin->ends != WEIR_REASON_NONE && !weir_record_is_asked(slot->origin);
}

/* Are there as many HTTP/2 connections of its origin as may be without it? */
static bool is_replaced(const weir_pool *pool, const weir_slot *slot)
{
    const uint32_t *in = slot->origin->slots_in;
    return slot->facts.protocol == WEIR_H2 &&
           in[WEIR_SLOT_DIALING] + in[WEIR_SLOT_READY] >= pool->options.h2_connections;
}

/* It ends by itself, and not because the pool will have it so. */
static bool is_unfit(const weir_slot *slot)
{
    return slot->facts.version > 0 && slot->retired == WEIR_REASON_NONE &&
           (!slot->facts.accepting || !slot->facts.reusable || slot->refusing);
}

/* The one place where a state changes, and the numbers with it. */
static void enter(weir_pool *pool, weir_slot *slot, weir_slot_state state)
{
    static const uint8_t edges[WEIR_SLOT_STATES] = {
        [WEIR_SLOT_DIALING] = 1 << WEIR_SLOT_READY | 1 << WEIR_SLOT_CLOSING | 1 << WEIR_SLOT_GONE,
        [WEIR_SLOT_READY] = 1 << WEIR_SLOT_DRAINING | 1 << WEIR_SLOT_CLOSING | 1 << WEIR_SLOT_GONE,
        [WEIR_SLOT_DRAINING] = 1 << WEIR_SLOT_READY | 1 << WEIR_SLOT_CLOSING | 1 << WEIR_SLOT_GONE,
        [WEIR_SLOT_CLOSING] = 1 << WEIR_SLOT_GONE,
    };
    const bool yields = state == WEIR_SLOT_DRAINING && slot->retired == WEIR_REASON_EVICTED;
    if (yields != slot->yields) {
        slot->yields = yields;
        pool->yielding += yields ? 1U : UINT32_MAX;
    }
    if (state == slot->state) {
        return;
    }
    WEIR_ASSERT(edges[slot->state] >> state & 1);
    if (slot->state == WEIR_SLOT_DIALING) {
        weir_slot_detach_ticket(pool, slot);
        weir_slot_set_wish(slot, NULL);
    }
    pool->slots_in[slot->state]--;
    slot->origin->slots_in[slot->state]--;
    slot->state = state;
    if (state != WEIR_SLOT_GONE) {
        pool->slots_in[state]++;
        slot->origin->slots_in[state]++;
    }
}

static void begin_end(weir_pool *pool, weir_slot *slot, weir_reason reason)
{
    enter(pool, slot, WEIR_SLOT_CLOSING);
    unlist(pool, slot);
    slot->order_reason = reason;
}

static void relist(weir_pool *pool, weir_slot *slot)
{
    weir_origin *origin = slot->origin;
    weir_list_remove(&slot->available);
    origin->available -= slot->is_available;
    slot->is_available = weir_slot_room(slot) > 0;
    if (slot->is_available) {
        weir_list_insert_after(slot->leases > 0 ? &origin->shared : place_in_spare(pool, slot),
                               &slot->available);
        origin->available++;
    }
    relist_idle(pool, slot);
}

/* Behind those that were used after it: none, if it was used just now. */
static weir_list *place_in_spare(const weir_pool *pool, const weir_slot *slot)
{
    weir_list *after = &slot->origin->spare;
    if (slot->idle_since_ns == pool->now_ns) {
        return after;
    }
    while (after->next != &slot->origin->spare &&
           WEIR_CONTAINER_OF(after->next, weir_slot, available)->idle_since_ns >
               slot->idle_since_ns) {
        after = after->next;
    }
    return after;
}

static void relist_idle(weir_pool *pool, weir_slot *slot)
{
    const bool is_idle = slot->state == WEIR_SLOT_READY && slot->leases == 0;
    if (is_idle == slot->is_idle) {
        return;
    }
    if (is_idle) {
        weir_idle_rest(&pool->idle, slot, pool->now_ns);
        slot->origin->idle++;
    } else {
        weir_idle_leave(&pool->idle, slot, pool->now_ns);
        slot->origin->idle--;
    }
}

/* CLOSING and GONE: out of all lists of the living. */
static void unlist(weir_pool *pool, weir_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR_SLOT_CLOSING || slot->state == WEIR_SLOT_GONE);
    relist(pool, slot);
    weir_idle_forget(&pool->idle, slot);
    weir_agenda_leave(&pool->agenda, &slot->due);
}

static void order_action(weir_pool *pool, weir_slot *slot, weir_action_kind kind)
{
    WEIR_ASSERT(slot->order_kind == WEIR_ACTION_NONE);
    WEIR_ASSERT(!slot->is_idle);
    slot->order_kind = kind;
    weir_list_push_back(&pool->orders, &slot->queue);
}

void weir_slot_check(const weir_pool *pool, const weir_slot *slot)
{
    const bool is_ready = slot->state == WEIR_SLOT_READY;
    uint32_t leases = 0;
    for (const weir_list *at = slot->leased.next; at != &slot->leased; at = at->next) {
        const weir_ticket *ticket = WEIR_CONST_CONTAINER_OF(at, weir_ticket, link);
        WEIR_ASSERT(ticket->state == WEIR_TICKET_LEASED);
        WEIR_ASSERT(ticket->slot == slot);
        leases++;
    }
    WEIR_ASSERT(leases == slot->leases);
    WEIR_ASSERT(slot->is_idle == (is_ready && leases == 0));
    WEIR_ASSERT(slot->is_available == (weir_slot_room(slot) > 0));
    WEIR_ASSERT(weir_list_is_empty(&slot->available) ==
                (!slot->is_available && slot->state != WEIR_SLOT_DIALING));
    const bool has_order = slot->order_kind != WEIR_ACTION_NONE;
    WEIR_ASSERT(!slot->is_idle || !has_order);
    WEIR_ASSERT(weir_list_is_empty(&slot->queue) == !(slot->is_listed || has_order));
    WEIR_ASSERT(!slot->is_idle || slot->is_listed);
    WEIR_ASSERT(!slot->is_listed || is_ready || slot->state == WEIR_SLOT_DRAINING);
    WEIR_ASSERT(slot->state != WEIR_SLOT_DRAINING || leases > 0);
    WEIR_ASSERT(slot->state != WEIR_SLOT_CLOSING || leases == 0);
    WEIR_ASSERT(slot->state == WEIR_SLOT_DIALING || !weir_slot_ticket(slot));
    WEIR_ASSERT(!weir_slot_ticket(slot) || weir_slot_ticket(slot)->dial == slot);
    weir_slot_check_age(pool, slot);
}
