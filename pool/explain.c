/* SPDX-License-Identifier: MIT */
/*
 * The candidates of a request: what weir_decide() and the origin's lists would make of each
 * connection, said one by one. It must agree with them, which tests/pool/explain_test.c and the
 * simulator hold against each other.
 */
#include "pool/explain.h"

#include <string.h>

#include "pool/pause.h"
#include "pool/wait.h"

typedef struct listing {
    weir_candidate *to;
    size_t room;
    size_t count; /* of all, those too for which there was no room */
} listing;

/* What a request would get now. */
typedef struct choice {
    const weir_slot *slot; /* NULL: none */
    size_t passed;         /* slots that those in front will have filled before */
    uint64_t ahead;        /* of those in front, who get a lease there too, or none */
} choice;

static choice choose(const weir_pool *pool, const weir_origin *origin, const weir_ticket *ticket);
static void choose_from(choice *c, const weir_pool *pool, const weir_list *list);
static uint64_t others_ahead(const weir_origin *origin, const weir_ticket *ticket);
static void add_origin(listing *l, const weir_pool *pool, const weir_origin *origin,
                       const weir_ticket *ticket);
static void add_passed(listing *l, const weir_pool *pool, const weir_slot *slot,
                       const choice *first);
static bool is_before(const weir_slot *slot, const weir_slot *other, const weir_list *list);
static void add_uses(listing *l, uint32_t uses);
static void add_slot(listing *l, const weir_pool *pool, const weir_slot *slot, weir_reason reason);
static void add_closed(listing *l, const weir_pool *pool, uint64_t hash);
static void add_strangers(listing *l, const weir_pool *pool, const weir_origin_key *key);
static weir_reason why_not_shared(const weir_origin_key *a, const weir_origin_key *b);
static bool same_octets(weir_span a, weir_span b);

size_t weir_pool_explain(weir_pool *pool, const weir_asker *asker, weir_time now_ns,
                         weir_candidate *to, size_t room)
{
    listing l = {to, room, 0};
    weir_pool_begin(pool, now_ns);
    const weir_origin *origin = weir_record_find(pool, asker->key);
    if (origin) {
        add_origin(&l, pool, origin, asker->ticket);
    }
    add_closed(&l, pool, weir_origin_key_hash(asker->key, pool->options.seed));
    add_strangers(&l, pool, asker->key);
    return l.count;
}

void weir_pool_explain_bounce(weir_pool *pool, const weir_origin_key *key, uint64_t conn,
                              weir_time now_ns, weir_candidate *candidate)
{
    weir_pool_begin(pool, now_ns);
    const weir_origin *origin = weir_record_find(pool, key);
    if (!origin) {
        return;
    }
    for (const weir_list *at = origin->seldom->slots.next; at != &origin->seldom->slots;
         at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, sibling);
        if (weir_slot_id(slot) == conn) {
            listing l = {candidate, 1, 0};
            const weir_reason reason = weir_explain_slot(pool, slot);
            add_slot(&l, pool, slot, reason == WEIR_REASON_SPARE ? WEIR_REASON_REFUSING : reason);
            return;
        }
    }
}

weir_reason weir_explain_slot(const weir_pool *pool, const weir_slot *slot)
{
    switch (slot->state) {
    case WEIR_SLOT_DIALING:
        return weir_record_protocol(slot->origin) == WEIR_PROTOCOL_ANY ? WEIR_REASON_ALPN_UNKNOWN
                                                                       : WEIR_REASON_DIALING;
    case WEIR_SLOT_CLOSING:
        return slot->order_reason;
    case WEIR_SLOT_DRAINING:
    case WEIR_SLOT_GONE:
        break;
    case WEIR_SLOT_READY: {
        const weir_reason expired = weir_slot_expiry(pool, slot);
        if (expired != WEIR_REASON_NONE) {
            return expired;
        }
        if (weir_slot_room(slot) > 0) {
            return WEIR_REASON_SPARE;
        }
        if (!slot->refusing) {
            return slot->facts.protocol == WEIR_H2 ? WEIR_REASON_AT_MAX_STREAMS : WEIR_REASON_BUSY;
        }
        break;
    }
    case WEIR_SLOT_STATES:
        WEIR_ASSERT(false);
    }
    return weir_slot_end_reason(slot);
}

void weir_explain_note_close(weir_pool *pool, const weir_slot *slot)
{
    const weir_reason ended = weir_slot_end_reason(slot);
    const weir_reason by_itself = ended == WEIR_REASON_NONE ? WEIR_REASON_FAILED : ended;

    pool->closed[pool->closes++ % WEIR_CLOSED_REMEMBERED] = (weir_closed){
        .origin_hash = slot->origin->entry.hash,
        .conn = weir_slot_id(slot),
        .at_ns = pool->now_ns,
        .since_ns = weir_const_slot_seldom_of(slot)->since_ns,
        .uses = weir_slot_uses(slot),
        .reason = slot->state == WEIR_SLOT_CLOSING ? slot->order_reason : by_itself,
        .protocol = slot->facts.protocol,
    };
}

/* A shared one before a spare one, the last used first, each as long as it has room: as grant()
 * does, which serves those in front before. */
static choice choose(const weir_pool *pool, const weir_origin *origin, const weir_ticket *ticket)
{
    choice c = {.ahead = others_ahead(origin, ticket)};
    choose_from(&c, pool, &origin->shared);
    choose_from(&c, pool, &origin->spare);
    return c;
}

static void choose_from(choice *c, const weir_pool *pool, const weir_list *list)
{
    for (const weir_list *at = list->next; at != list && !c->slot; at = at->next) {
        const weir_slot *slot = WEIR_CONST_CONTAINER_OF(at, weir_slot, available);
        const uint32_t room = weir_slot_room(slot);
        if (weir_slot_expiry(pool, slot) != WEIR_REASON_NONE) {
            continue;
        }
        if (c->ahead < room) {
            c->slot = slot;
        } else {
            c->ahead -= room;
            c->passed++;
        }
    }
}

/* Whoever gives room back and asks again in one step may stand behind others, who wait for just
 * that; who is given a pause behind all. */
static uint64_t others_ahead(const weir_origin *origin, const weir_ticket *ticket)
{
    uint64_t others = 0;
    if (!ticket) {
        return 0;
    }
    if (weir_pause_is_due(ticket)) {
        return UINT64_MAX;
    }
    for (const weir_list *at = origin->waiting.next; at != &origin->waiting && ticket->keeps_order;
         at = at->next) {
        others += WEIR_CONST_CONTAINER_OF(at, weir_ticket, link)->order < ticket->order;
    }
    return others;
}

static void add_origin(listing *l, const weir_pool *pool, const weir_origin *origin,
                       const weir_ticket *ticket)
{
    const choice first = choose(pool, origin, ticket);
    if (first.slot) {
        const bool is_used = weir_slot_uses(first.slot) + first.ahead > 0;
        add_slot(l, pool, first.slot, is_used ? WEIR_REASON_REUSED : WEIR_REASON_DIALED);
        add_uses(l, (uint32_t)first.ahead);
    }
    for (const weir_list *at = origin->seldom->slots.next; at != &origin->seldom->slots;
         at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, sibling);
        const weir_reason reason = weir_explain_slot(pool, slot);
        if (slot == first.slot) {
            continue;
        }
        if (reason != WEIR_REASON_SPARE || (first.slot && first.passed == 0)) {
            add_slot(l, pool, slot, reason);
        } else if (ticket && weir_pause_is_due(ticket)) {
            add_slot(l, pool, slot, WEIR_REASON_REFUSED_LATELY);
        } else {
            add_passed(l, pool, slot, &first);
        }
    }
}

/* What has room and comes before the choice is for those in front, who fill it. */
static void add_passed(listing *l, const weir_pool *pool, const weir_slot *slot,
                       const choice *first)
{
    const weir_origin *origin = slot->origin;
    if (first->slot && !is_before(slot, first->slot, &origin->shared) &&
        !is_before(slot, first->slot, &origin->spare)) {
        add_slot(l, pool, slot, WEIR_REASON_SPARE);
        return;
    }
    const uint32_t room = weir_slot_room(slot);
    add_slot(l, pool, slot,
             slot->facts.protocol == WEIR_H2 ? WEIR_REASON_AT_MAX_STREAMS : WEIR_REASON_BUSY);
    add_uses(l, room);
}

/* In this list, in which the other is before or not at all. */
static bool is_before(const weir_slot *slot, const weir_slot *other, const weir_list *list)
{
    for (const weir_list *at = list->next; at != list; at = at->next) {
        const weir_slot *found = WEIR_CONST_CONTAINER_OF(at, weir_slot, available);
        if (found == slot || found == other) {
            return found == slot;
        }
    }
    return false;
}

/* By those in front, of the candidate that was added last. */
static void add_uses(listing *l, uint32_t uses)
{
    if (uses > 0 && l->count <= l->room) {
        l->to[l->count - 1].used += uses;
        l->to[l->count - 1].uses += uses;
        l->to[l->count - 1].idle_ns = 0;
    }
}

static void add_slot(listing *l, const weir_pool *pool, const weir_slot *slot, weir_reason reason)
{
    if (l->count++ >= l->room) {
        return;
    }
    const bool dials = slot->state == WEIR_SLOT_DIALING;
    l->to[l->count - 1] = (weir_candidate){
        .size = sizeof(weir_candidate),
        .conn = weir_slot_id(slot),
        .reason = reason,
        .protocol = dials ? weir_record_protocol(slot->origin) : slot->facts.protocol,
        .used = slot->leases,
        .limit = dials ? 0 : slot->facts.capacity_streams,
        .uses = weir_slot_uses(slot),
        .age_ns = weir_time_since(pool->now_ns, weir_const_slot_seldom_of(slot)->since_ns),
        .idle_ns = slot->is_idle ? weir_time_since(pool->now_ns, slot->idle_since_ns) : 0,
    };
}

/* The last closed first. */
static void add_closed(listing *l, const weir_pool *pool, uint64_t hash)
{
    const uint64_t kept =
        pool->closes < WEIR_CLOSED_REMEMBERED ? pool->closes : WEIR_CLOSED_REMEMBERED;
    for (uint64_t i = 1; i <= kept; i++) {
        const weir_closed *closed = &pool->closed[(pool->closes - i) % WEIR_CLOSED_REMEMBERED];
        if (closed->origin_hash != hash || l->count++ >= l->room) {
            continue;
        }
        l->to[l->count - 1] = (weir_candidate){
            .size = sizeof(weir_candidate),
            .conn = closed->conn,
            .reason = closed->reason,
            .protocol = closed->protocol,
            .uses = closed->uses,
            .age_ns = weir_time_since(closed->at_ns, closed->since_ns),
            .closed = true,
            .closed_ns = weir_time_since(pool->now_ns, closed->at_ns),
        };
    }
}

/* Connections to the same scheme, host and port that another key keeps apart. */
static void add_strangers(listing *l, const weir_pool *pool, const weir_origin_key *key)
{
    for (const weir_list *at = pool->slots.next; at != &pool->slots; at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, link);
        const weir_reason reason = why_not_shared(key, &slot->origin->seldom->key);
        if (reason != WEIR_REASON_NONE) {
            add_slot(l, pool, slot, reason);
        }
    }
}

/* NONE: the same key, or a different place altogether. */
static weir_reason why_not_shared(const weir_origin_key *a, const weir_origin_key *b)
{
    if (a->port != b->port || a->https != b->https || !same_octets(a->host, b->host) ||
        weir_origin_key_equal(a, b)) {
        return WEIR_REASON_NONE;
    }
    if (a->tls != b->tls) {
        return WEIR_REASON_TLS_IDENTITY_DIFFERS;
    }
    return a->pin != b->pin ? WEIR_REASON_PROTOCOL_DIFFERS : WEIR_REASON_ROUTE_DIFFERS;
}

static bool same_octets(weir_span a, weir_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}
