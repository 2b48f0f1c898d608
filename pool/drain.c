/* SPDX-License-Identifier: MIT */
/*
 * What is done to many connections at once: drain, another TLS configuration, another network.
 *
 * All of it looks at every origin, and says so in its contract. An origin that was touched is put
 * into the list of those to be settled, and settled only when all were looked at: settling one may
 * forget another.
 *
 * A drain takes connections as they are. A dial in flight is none yet, so that nothing has to be
 * retired for it; but where the origin itself will be asked no more (TLS_REPLACED) what comes of
 * its dials must not stay either: the origin *ends*, and its connections are kept as long as
 * tickets wait for them (weir_slot_refresh()).
 */
#include "pool/pause.h"
#include "pool/warm.h"
#include "proto/span.h"

static void move_followers(weir_pool *pool, weir_origin *origin);
static void move(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);
static weir_ticket *next_follower(weir_list *list, weir_list *at);
static bool is_being_dialed(const weir_ticket *ticket);
static void move_wishes(weir_pool *pool, weir_origin *origin);
static weir_warmth *next_following_wish(weir_list *list, weir_list *at);
static void settle_touched(weir_pool *pool);
static void touch(weir_pool *pool, weir_origin *origin);
static bool is_meant(const weir_drain *drain, const weir_origin *origin);

void weir_pool_drain(weir_pool *pool, const weir_drain *drain, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    for (weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        weir_origin *origin = WEIR_ORIGIN_OF(at, link);
        if (is_meant(drain, origin)) {
            weir_drain_origin(pool, origin, drain->reason ? drain->reason : WEIR_REASON_DRAINING);
            touch(pool, origin);
        }
    }
    settle_touched(pool);
}

uint64_t weir_pool_left(const weir_pool *pool, const weir_drain *drain)
{
    if (!drain->origin && drain->tls == 0) {
        return pool->drained;
    }
    uint64_t left = 0;
    for (const weir_list *at = pool->slots.next; at != &pool->slots; at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, link);
        left += slot->drained && is_meant(drain, slot->origin);
    }
    return left;
}

void weir_pool_tls_replaced(weir_pool *pool, uint64_t old, uint64_t now, weir_time now_ns)
{
    WEIR_ASSERT(old != now);
    weir_pool_begin(pool, now_ns);
    pool->tls = now;
    for (weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        weir_origin *origin = WEIR_ORIGIN_OF(at, link);
        if (origin->seldom->key.tls == now) {
            origin->ends = WEIR_REASON_NONE; /* it was replaced once, and is back */
        } else if (origin->seldom->key.tls == old && old != 0) {
            origin->ends = WEIR_REASON_TLS_REPLACED;
            move_followers(pool, origin);
            move_wishes(pool, origin);
            weir_drain_origin(pool, origin, WEIR_REASON_TLS_REPLACED);
            touch(pool, origin);
        }
    }
    settle_touched(pool);
}

weir_ticket *weir_pool_next_follower(const weir_pool *pool, uint64_t tls, const weir_ticket *after)
{
    weir_list *from = pool->origins.next;
    weir_ticket *next = NULL;

    if (after) {
        weir_origin_seldom *seldom = after->origin->seldom;
        next = next_follower(after->pause.entered ? &seldom->paused : &after->origin->waiting,
                             after->link.next);
        if (!next && !after->pause.entered) {
            next = next_follower(&seldom->paused, seldom->paused.next);
        }
        from = seldom->link.next;
    }
    for (weir_list *at = from; at != &pool->origins && !next; at = at->next) {
        const weir_origin *origin = WEIR_ORIGIN_OF(at, link);
        if (origin->seldom->key.tls == tls) {
            weir_list *paused = &origin->seldom->paused;
            next = next_follower(&WEIR_ORIGIN_OF(at, link)->waiting, origin->waiting.next);
            next = next ? next : next_follower(paused, paused->next);
        }
    }
    return next;
}

weir_warmth *weir_pool_next_following_wish(const weir_pool *pool, uint64_t tls,
                                           const weir_warmth *after)
{
    weir_list *from = pool->origins.next;
    weir_warmth *next = NULL;

    if (after) {
        weir_origin_seldom *seldom = after->origin->seldom;
        next = next_following_wish(&seldom->wishes, after->link.next);
        from = seldom->link.next;
    }
    for (weir_list *at = from; at != &pool->origins && !next; at = at->next) {
        weir_origin_seldom *seldom = WEIR_ORIGIN_OF(at, link)->seldom;
        if (seldom->key.tls == tls) {
            next = next_following_wish(&seldom->wishes, seldom->wishes.next);
        }
    }
    return next;
}

void weir_pool_network_changed(weir_pool *pool, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    for (weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        weir_origin *origin = WEIR_ORIGIN_OF(at, link);
        origin->failures = 0;
        origin->retry_at_ns = 0;
        origin->horizon =
            (weir_horizon){0}; /* whoever forgot idle connections stood between us and the server */
        weir_drain_origin(pool, origin, WEIR_REASON_NETWORK_CHANGED);
        touch(pool, origin);
    }
    settle_touched(pool);
}

void weir_drain_origin(weir_pool *pool, weir_origin *origin, weir_reason reason)
{
    weir_list *at = origin->seldom->slots.next;
    while (at != &origin->seldom->slots) {
        weir_slot *slot = WEIR_SLOT_OF(at, sibling);
        at = at->next;
        if (slot->state == WEIR_SLOT_DIALING && weir_pool_is_awaited(pool, slot)) {
            continue;
        }
        pool->drained += !slot->drained;
        slot->drained = true;
        if (slot->state == WEIR_SLOT_READY || slot->state == WEIR_SLOT_DRAINING) {
            weir_slot_retire(pool, slot, reason);
        } else if (slot->state == WEIR_SLOT_DIALING) {
            weir_slot_close(pool, slot, reason);
        }
    }
    weir_place_note_unawaited(pool, origin);
}

/* From an origin that ends to the one that takes its place; who is being dialled for stays. */
static void move_followers(weir_pool *pool, weir_origin *origin)
{
    weir_list *const lists[] = {&origin->waiting, &origin->seldom->paused};

    for (size_t i = 0; i < WEIR_COUNT_OF(lists); i++) {
        weir_ticket *ticket = next_follower(lists[i], lists[i]->next);
        while (ticket) {
            weir_ticket *next = next_follower(lists[i], ticket->link.next);
            if (!is_being_dialed(ticket)) {
                move(pool, origin, ticket);
            }
            ticket = next;
        }
    }
}

static void move(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    weir_origin *to = weir_place_of(pool, origin, ticket);
    if (!to) {
        const weir_failure failure = weir_place_failure(WEIR_E_NOMEM);
        weir_place_refuse(pool, ticket, &failure);
        return;
    }
    if (ticket->pause.entered) { /* in no queue */
        weir_list_remove(&ticket->link);
        weir_list_push_back(&to->seldom->paused, &ticket->link);
        ticket->origin = to;
        return;
    }
    weir_place_leave(pool, ticket);
    weir_place_enter(pool, to, ticket);
    weir_wait_begin(pool, ticket);
    weir_place_unsettle(pool, to);
}

static weir_ticket *next_follower(weir_list *list, weir_list *at)
{
    while (at != list && !WEIR_CONTAINER_OF(at, weir_ticket, link)->follows) {
        at = at->next;
    }
    return at == list ? NULL : WEIR_CONTAINER_OF(at, weir_ticket, link);
}

/* Not only decided: begun. */
static bool is_being_dialed(const weir_ticket *ticket)
{
    return ticket->dial && ticket->dial->order_kind != WEIR_ACTION_DIAL;
}

/* All that follow: what their dials bring would be closed as soon as it is there. */
static void move_wishes(weir_pool *pool, weir_origin *origin)
{
    weir_list *wishes = &origin->seldom->wishes;
    weir_warmth *wish = next_following_wish(wishes, wishes->next);
    weir_origin_key key = origin->seldom->key;

    key.tls = pool->tls;
    while (wish) {
        weir_warmth *next = next_following_wish(wishes, wish->link.next);
        weir_origin *to = weir_record_get(pool, &key);
        if (to) {
            weir_warm_move(pool, to, wish);
            weir_place_unsettle(pool, to);
        } else {
            const weir_failure failure = weir_place_failure(WEIR_E_NOMEM);
            weir_warm_refuse(pool, wish, &failure);
        }
        wish = next;
    }
}

static weir_warmth *next_following_wish(weir_list *list, weir_list *at)
{
    while (at != list && !WEIR_CONTAINER_OF(at, weir_warmth, link)->follows) {
        at = at->next;
    }
    return at == list ? NULL : WEIR_CONTAINER_OF(at, weir_warmth, link);
}

static void touch(weir_pool *pool, weir_origin *origin)
{
    if (!origin->is_remembered) {
        weir_place_unsettle(pool, origin);
    }
}

static void settle_touched(weir_pool *pool)
{
    weir_place_balance(pool, NULL);
    if (WEIR_CHECKING) {
        weir_pool_check_some(pool);
    }
}

static bool is_meant(const weir_drain *drain, const weir_origin *origin)
{
    const weir_origin_key *key = &origin->seldom->key;
    const weir_origin_key *wanted = drain->origin;

    if (drain->tls != 0 && key->tls != drain->tls) {
        return false;
    }
    return !wanted ||
           (key->https == wanted->https && key->port == wanted->port &&
            weir_span_equal(key->host, wanted->host) && weir_span_equal(key->zone, wanted->zone));
}
