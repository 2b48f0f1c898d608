/* SPDX-License-Identifier: MIT */
/*
 * Queues and the carrying out of decisions.
 *
 * An origin's queue is sorted by `order`, so a bounced ticket is in front of all that asked after
 * it, and "asked before this dial began" is always the front part of it.
 *
 * When the whole pool is full, an origin that would dial is *hungry*: it stands in a line with the
 * number of dials that it wants. Whoever is first in the line gets the next free place, one, and
 * goes to its end. As many connections are closed to make room as are wanted and not already on
 * their way out. Between calls of the pool this holds: somebody is hungry only if no place is free,
 * and an idle connection is left only if enough others are on their way out.
 */
#include "pool/pause.h"
#include "pool/warm.h"

/* How long a ticket waits for a place in the whole pool before a busy origin has to give one up. */
#define PATIENCE_NS WEIR_NS_PER_SECOND

/* Origins that have a part of a sum, which is the pool's. */
typedef struct line {
    weir_list *origins;
    uint64_t *sum;
} line;

static weir_situation gather(const weir_pool *pool, const weir_origin *origin);
static void grant(weir_pool *pool, weir_origin *origin);
static void lease_to(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);
static bool dial(weir_pool *pool, weir_origin *origin);
static void evict(weir_pool *pool);
static void wait_for(weir_pool *pool, weir_origin *origin, uint32_t wanted, weir_reason reason);
static void tell_reason(weir_pool *pool, weir_ticket *ticket, weir_reason reason);
static void want_places(weir_pool *pool, weir_origin *origin, uint32_t wanted);
static void stand_in(const line *those, weir_list *place, uint32_t *part, uint32_t amount);
static bool has_hope(const weir_origin *origin);
static weir_origin *next_to_settle(const weir_pool *pool);
static uint64_t evictable(const weir_pool *pool);
static uint32_t coming(const weir_pool *pool);
static weir_ticket *next_undialed(const weir_origin *origin, const weir_ticket *after);
static bool expire_first(weir_pool *pool, weir_list *list);
static weir_origin *first_hungry(const weir_pool *pool, const weir_origin *but);

static inline weir_ticket *ticket_at(weir_list *node)
{
    return WEIR_CONTAINER_OF(node, weir_ticket, link);
}

void weir_place_enter(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_IDLE);
    weir_list *after = origin->waiting.prev;
    if (after != &origin->waiting && ticket_at(after)->order > ticket->order) {
        /* It was let in before. Only tickets of which that is true too can be in front of it. */
        after = &origin->waiting;
        while (after->next != &origin->waiting && ticket_at(after->next)->order < ticket->order) {
            after = after->next;
        }
    }
    weir_list_insert_after(after, &ticket->link);
    ticket->state = WEIR_TICKET_WAITING;
    ticket->origin = origin;
    ticket->dial = NULL;
    ticket->reason = WEIR_REASON_NONE;
    origin->tickets++;
    pool->tickets++;
    if (!origin->undialed || ticket->order < origin->undialed->order) {
        origin->undialed = ticket;
    }
}

bool weir_place_take_at_once(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    if (weir_record_is_asked(origin) || origin->is_unsettled) {
        return false;
    }
    weir_place_pass_over(pool, origin);
    if (origin->available == 0) {
        return false;
    }
    lease_to(pool, origin, ticket);
    return true;
}

weir_origin *weir_place_of(weir_pool *pool, weir_origin *origin, const weir_ticket *ticket)
{
    if (!ticket->follows || origin->ends == WEIR_REASON_NONE) {
        return origin;
    }
    weir_origin_key key = origin->seldom->key;
    key.tls = pool->tls;
    return weir_record_get(pool, &key);
}

void weir_place_leave(weir_pool *pool, weir_ticket *ticket)
{
    weir_origin *origin = ticket->origin;
    WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
    if (ticket->pause.entered) {
        weir_pause_leave(pool, ticket);
        return;
    }
    WEIR_ASSERT(origin->tickets > 0);
    if (ticket->clock != WEIR_CLOCK_NONE) {
        weir_wait_end(pool, ticket);
    }
    weir_slot *slot = ticket->dial;
    ticket->dial = NULL;
    if (origin->undialed == ticket) {
        origin->undialed = next_undialed(origin, ticket);
    }
    weir_list_remove(&ticket->link);
    weir_list_remove(&ticket->granted); /* why it waited need not be told any more */
    ticket->state = WEIR_TICKET_IDLE;
    origin->tickets--;
    pool->tickets--;
    if (!slot) {
        return;
    }
    weir_slot_set_ticket(slot, NULL);
    if (slot->order_kind == WEIR_ACTION_DIAL) {
        /* Nobody has begun it yet. If others want it, that will be decided anew. */
        weir_slot_close(pool, slot, WEIR_REASON_NONE);
    }
}

weir_reason weir_place_settle(weir_pool *pool, weir_origin *origin)
{
    if (origin->is_unsettled) {
        weir_list_remove(&origin->seldom->unsettled);
        origin->is_unsettled = false;
    }
    origin->out_of_memory = false;
    for (;;) {
        if (weir_record_is_asked(origin)) {
            weir_place_pass_over(pool, origin);
        }
        weir_decision decision;
        uint32_t wanted = 0;
        if (!weir_decide_at_once(origin->tickets, origin->available, origin->wishes > 0,
                                 &decision)) {
            const weir_situation situation = gather(pool, origin);
            decision = weir_decide(&situation);
            wanted = weir_decide_dials(&situation);
        }
        switch (decision.kind) {
        case WEIR_DECIDE_LEASE:
            grant(pool, origin);
            break;
        case WEIR_DECIDE_DIAL:
            if (!dial(pool, origin)) {
                origin->out_of_memory = true;
                wait_for(pool, origin, 0, WEIR_REASON_NO_MEMORY);
                return WEIR_REASON_NO_MEMORY;
            }
            break;
        case WEIR_DECIDE_EVICT:
            evict(pool);
            break;
        case WEIR_DECIDE_WARM:
            (void)weir_warm_dial(pool, origin);
            break;
        case WEIR_DECIDE_WARMED:
            weir_warm_served(pool, origin, decision.reason);
            break;
        case WEIR_DECIDE_WAIT:
            wait_for(pool, origin, wanted, decision.reason);
            return decision.reason;
        }
    }
}

void weir_place_balance(weir_pool *pool, const weir_origin *current)
{
    weir_origin *origin = next_to_settle(pool);
    while (origin) {
        weir_place_settle(pool, origin);
        if (origin != current) {
            weir_record_settle(pool, origin);
        }
        origin = next_to_settle(pool);
    }
}

void weir_place_unsettle(weir_pool *pool, weir_origin *origin)
{
    if (!origin->is_unsettled) {
        weir_list_push_back(&pool->unsettled, &origin->seldom->unsettled);
        origin->is_unsettled = true;
    }
}

void weir_place_give_up_surplus(weir_pool *pool, weir_origin *origin)
{
    const uint32_t limit = pool->options.h2_connections;
    const uint32_t *in = origin->slots_in;
    if (weir_record_protocol(origin) != WEIR_H2) {
        return;
    }
    while (in[WEIR_SLOT_DIALING] > 0 && in[WEIR_SLOT_DIALING] + in[WEIR_SLOT_READY] > limit) {
        weir_list *last = origin->seldom->dials.prev;
        weir_slot_close(pool, WEIR_CONTAINER_OF(last, weir_slot, available),
                        WEIR_REASON_ORIGIN_LIMIT);
    }
    weir_place_note_unawaited(pool, origin);
}

void weir_place_note_unawaited(weir_pool *pool, weir_origin *origin)
{
    const uint32_t dials = weir_record_is_asked(origin) ? 0 : origin->slots_in[WEIR_SLOT_DIALING];
    if (dials != origin->unawaited_dials) {
        const line those = {&pool->unawaited, &pool->unawaited_dials};
        stand_in(&those, &origin->seldom->unawaited, &origin->unawaited_dials, dials);
    }
}

void weir_place_pass_over(weir_pool *pool, weir_origin *origin)
{
    while (expire_first(pool, &origin->shared) || expire_first(pool, &origin->spare)) {
        /* Each turn closes or retires one for good. */
    }
}

void weir_place_adopt(weir_pool *pool, weir_slot *slot, weir_ticket *ticket)
{
    weir_origin *origin = slot->origin;
    WEIR_ASSERT(ticket->dial == NULL);
    weir_slot_detach_ticket(pool, slot);
    if (origin->undialed == ticket) {
        origin->undialed = next_undialed(origin, ticket);
    }
    weir_slot_set_ticket(slot, ticket);
    ticket->dial = slot;
    weir_wait_dialed(pool, ticket);
}

void weir_place_refuse(weir_pool *pool, weir_ticket *ticket, const weir_failure *failure)
{
    weir_place_leave(pool, ticket);
    ticket->state = WEIR_TICKET_REFUSED;
    ticket->origin = NULL;
    ticket->failure = *failure;
    ticket->waited_ns = weir_time_since(pool->now_ns, ticket->since_ns);
    weir_wait_check_sum(ticket);
    weir_list_push_back(&pool->told, &ticket->granted);
    pool->counts.refusals++;
}

void weir_place_refuse_hopeless(weir_pool *pool, const weir_slot *failed,
                                const weir_failure *failure)
{
    weir_origin *origin = failed->origin;
    if (origin->slots_in[WEIR_SLOT_READY] > origin->idle) {
        return; /* a connection that works is busy: they may get it */
    }
    weir_situation others = gather(pool, origin);
    const uint64_t all = weir_decide_expected(&others);
    others.dialing--;
    uint64_t hopes = weir_decide_expected(&others);
    uint64_t refusals = others.dialing > 0 ? all - hopes : UINT64_MAX;
    if (weir_slot_ticket(failed) && origin->tickets > hopes) {
        weir_place_refuse(pool, weir_slot_ticket(failed), failure);
        refusals--;
    }
    const uint64_t dial_order = weir_const_slot_seldom_of(failed)->order;
    weir_list *at = origin->waiting.next;
    while (at != &origin->waiting && ticket_at(at)->order < dial_order && refusals > 0) {
        weir_ticket *ticket = ticket_at(at);
        at = at->next;
        if (hopes > 0) {
            hopes--;
        } else {
            weir_place_refuse(pool, ticket, failure);
            refusals--;
        }
    }
}

weir_failure weir_place_failure(weir_status status)
{
    return (weir_failure){
        .status = status,
        .phase = WEIR_PHASE_QUEUE,
        .processed = WEIR_NOT_SENT,
        .tls_alert = -1,
        .offset = WEIR_UNKNOWN,
    };
}

void weir_place_check(const weir_pool *pool, const weir_origin *origin)
{
    const weir_situation situation = gather(pool, origin);
    const weir_decision decision = weir_decide(&situation);
    if (!origin->out_of_memory && !origin->is_pausing) {
        /* A place that another origin gave up is no news of this one: a wish with dials in flight,
         * or that waits for what closes, looks when they end. */
        WEIR_ASSERT(
            decision.kind == WEIR_DECIDE_WAIT ||
            (decision.kind == WEIR_DECIDE_WARM && situation.dialing + situation.closing > 0));
        WEIR_ASSERT(origin->wanted == weir_decide_dials(&situation));
    }
    if (origin->undialed && !origin->out_of_memory && !origin->is_pausing &&
        decision.reason < WEIR_REASON_BEHIND_OTHERS && decision.reason != WEIR_REASON_TOTAL_LIMIT) {
        /* What hangs on others or on time changes without a call that is about this origin. */
        WEIR_ASSERT(weir_wait_reason(origin) == decision.reason);
    }
    WEIR_ASSERT(origin->is_pausing == (decision.reason == WEIR_REASON_BACK_OFF) ||
                pool->now_ns >= origin->retry_at_ns);
    WEIR_ASSERT(origin->unawaited_dials ==
                (weir_record_is_asked(origin) ? 0 : origin->slots_in[WEIR_SLOT_DIALING]));
}

bool weir_place_must_yield(const weir_pool *pool, const weir_slot *slot)
{
    const weir_origin *other = first_hungry(pool, slot->origin);
    if (!other || coming(pool) >= pool->wanted || slot->retired || other->tickets == 0) {
        return false;
    }
    const weir_ticket *first = ticket_at(other->waiting.next);
    return weir_time_since(pool->now_ns, first->since_ns) >= PATIENCE_NS;
}

bool weir_place_is_missed(const weir_pool *pool, const weir_slot *slot)
{
    WEIR_ASSERT(slot->state == WEIR_SLOT_CLOSING);
    if (pool->wanted > 0) {
        return true; /* whoever is first in the line gets it */
    }
    if (!weir_record_is_asked(slot->origin)) {
        return false;
    }
    weir_situation without = gather(pool, slot->origin);
    without.connections--;
    without.closing--;
    without.total--;
    const weir_decision decision = weir_decide(&without);
    return decision.kind == WEIR_DECIDE_DIAL || decision.kind == WEIR_DECIDE_WARM;
}

static weir_situation gather(const weir_pool *pool, const weir_origin *origin)
{
    const weir_pool_options *options = &pool->options;
    const weir_origin *first = first_hungry(pool, NULL);
    const weir_warmth *wish = weir_warm_first(origin);
    return (weir_situation){
        .protocol = weir_record_protocol(origin),
        .waiting = origin->tickets,
        .warm = wish ? wish->exchanges : 0,
        .warm_dials = wish ? wish->dials_left : 0,
        .available = origin->available,
        .dialing = origin->slots_in[WEIR_SLOT_DIALING],
        .ready = origin->slots_in[WEIR_SLOT_READY],
        .connections = origin->connections,
        .closing = origin->slots_in[WEIR_SLOT_CLOSING],
        .connections_limit = options->connections_per_origin,
        .h2_limit = options->h2_connections,
        .streams = weir_record_streams(pool, origin),
        .backing_off = pool->now_ns < origin->retry_at_ns,
        .total = pool->connections,
        .total_limit = options->connections,
        .idle = (uint32_t)evictable(pool),
        .coming = coming(pool),
        .wanted_by_others = pool->wanted - origin->wanted,
        .others_first = first && first != origin,
    };
}

/* To the first ticket. */
static void grant(weir_pool *pool, weir_origin *origin)
{
    weir_ticket *ticket = ticket_at(origin->waiting.next);
    weir_place_leave(pool, ticket);
    ticket->waited_ns = weir_time_since(pool->now_ns, ticket->since_ns);
    if (ticket->has_waited) {
        weir_wait_check_sum(ticket);
    }
    lease_to(pool, origin, ticket);
    weir_list_push_back(&pool->told, &ticket->granted);
}

/* The connection that was used last, a shared one if there is one. */
static void lease_to(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    weir_list *list = weir_list_is_empty(&origin->shared) ? &origin->spare : &origin->shared;
    weir_slot *slot = WEIR_CONTAINER_OF(list->next, weir_slot, available);
    ticket->reason = weir_slot_uses(slot) > 0 ? WEIR_REASON_REUSED : WEIR_REASON_DIALED;
    weir_slot_lease(pool, slot, ticket);
}

/* False: there is no memory for it, and whoever is left has something else to hope for. */
static bool dial(weir_pool *pool, weir_origin *origin)
{
    weir_ticket *ticket = origin->undialed;
    WEIR_ASSERT(ticket != NULL);
    if (weir_slot_new(pool, origin, ticket)) {
        origin->undialed = next_undialed(origin, ticket);
        weir_wait_dialed(pool, ticket);
        tell_reason(pool, ticket, WEIR_REASON_DIALING);
        want_places(pool, origin, 0); /* it has had its turn */
        return true;
    }
    if (has_hope(origin)) {
        return false;
    }
    const weir_failure failure = weir_place_failure(WEIR_E_NOMEM);
    weir_place_refuse(pool, ticket, &failure);
    return true;
}

/* The longest idle connection; when none is idle, a dial that nobody waits for. */
static void evict(weir_pool *pool)
{
    weir_slot *idle = weir_idle_look(&pool->idle).first;
    if (idle) {
        weir_slot_close(pool, idle, WEIR_REASON_EVICTED);
        if (idle->origin->tickets > 0) {
            weir_place_unsettle(pool, idle->origin);
        }
        return;
    }
    WEIR_ASSERT(pool->unawaited_dials > 0);
    weir_origin *origin = WEIR_ORIGIN_OF(pool->unawaited.next, unawaited);
    weir_slot *slot = WEIR_CONTAINER_OF(origin->seldom->dials.next, weir_slot, available);
    weir_slot_close(pool, slot, WEIR_REASON_EVICTED);
    weir_place_note_unawaited(pool, origin);
}

/* Nothing is left to do for an origin now. Notes what it waits for. */
static void wait_for(weir_pool *pool, weir_origin *origin, uint32_t wanted, weir_reason reason)
{
    want_places(pool, origin, wanted);
    weir_place_note_unawaited(pool, origin);
    if (origin->tickets == 0) {
        origin->retry_at_ns = 0; /* the next request is somebody's own decision: no pause */
    }
    if (reason == WEIR_REASON_BACK_OFF) {
        weir_record_pause(pool, origin);
    } else if (origin->is_pausing) {
        weir_record_unpause(pool, origin);
    }
    if (origin->undialed) {
        weir_wait_set_reason(pool, origin, reason);
        tell_reason(pool, origin->undialed, reason);
    }
}

/* It waits for something else than it was told last. */
static void tell_reason(weir_pool *pool, weir_ticket *ticket, weir_reason reason)
{
    if (ticket->reason == reason) {
        return;
    }
    ticket->reason = reason;
    if (weir_list_is_empty(&ticket->granted)) {
        weir_list_push_back(&pool->told, &ticket->granted);
    }
}

/* It waits for so many places in the whole pool's limit. */
static void want_places(weir_pool *pool, weir_origin *origin, uint32_t wanted)
{
    if (wanted != origin->wanted) {
        const line those = {&pool->hungry, &pool->wanted};
        stand_in(&those, &origin->seldom->hungry, &origin->wanted, wanted);
    }
}

/* An origin's part of the sum becomes another: with none it is not in the line, and at its end if it
 * is new there. */
static void stand_in(const line *those, weir_list *place, uint32_t *part, uint32_t amount)
{
    *those->sum += amount;
    *those->sum -= *part;
    *part = amount;
    if (amount == 0) {
        weir_list_remove(place);
    } else if (weir_list_is_empty(place)) {
        weir_list_push_back(those->origins, place);
    }
}

/* Something will happen to one of its connections, and its queue be looked at again. */
static bool has_hope(const weir_origin *origin)
{
    return origin->connections > 0;
}

/* Whoever's situation was changed by another's decision; else the first in the line, if there is a
 * place for it now. */
static weir_origin *next_to_settle(const weir_pool *pool)
{
    if (!weir_list_is_empty(&pool->unsettled)) {
        return WEIR_ORIGIN_OF(pool->unsettled.next, unsettled);
    }
    if (weir_list_is_empty(&pool->hungry)) {
        return NULL;
    }
    const bool is_free = pool->connections < pool->options.connections;
    const bool can_evict = evictable(pool) > 0 && coming(pool) < pool->wanted;
    return is_free || can_evict ? first_hungry(pool, NULL) : NULL;
}

static uint64_t evictable(const weir_pool *pool)
{
    return pool->idle.slots + pool->unawaited_dials;
}

/* Places that will be free soon without anybody doing more about it. */
static uint32_t coming(const weir_pool *pool)
{
    return pool->slots_in[WEIR_SLOT_CLOSING] + pool->yielding;
}

static weir_ticket *next_undialed(const weir_origin *origin, const weir_ticket *after)
{
    weir_list *at = after->link.next;
    while (at != &origin->waiting && ticket_at(at)->dial) {
        at = at->next;
    }
    return at == &origin->waiting ? NULL : ticket_at(at);
}

static bool expire_first(weir_pool *pool, weir_list *list)
{
    return !weir_list_is_empty(list) &&
           weir_slot_expire(pool, WEIR_CONTAINER_OF(list->next, weir_slot, available));
}

static weir_origin *first_hungry(const weir_pool *pool, const weir_origin *but)
{
    weir_list *at = pool->hungry.next;
    if (at != &pool->hungry && WEIR_ORIGIN_OF(at, hungry) == but) {
        at = at->next;
    }
    return at == &pool->hungry ? NULL : WEIR_ORIGIN_OF(at, hungry);
}
