/* SPDX-License-Identifier: MIT */
/*
 * How old a slot may get: its lifetime, how long it may be idle, and what its rests tell of how long
 * its server lets connections be idle.
 *
 * Only deadlines that differ from slot to slot, a server's Keep-Alive and the lifetime, need the
 * agenda; so does the horizon that was learned of an origin. Leasing and releasing push them away
 * and never nearer, except where a hint gets shorter: the entry stays where it is and is looked at
 * when its old time comes, once for many exchanges.
 */
#include "pool/pool_common.h"

static weir_time rest_ends_at(const weir_pool *pool, const weir_slot *slot, weir_reason *reason);
static weir_time rest_due_at(const weir_pool *pool, const weir_slot *slot);
static bool was_closed_by_peer(const weir_slot *slot);
static bool died(const weir_slot *slot);
static void close_older(weir_pool *pool, const weir_slot *slot);
static void learn_of_close(weir_pool *pool, weir_slot *slot, weir_time idle_ns);

weir_reason weir_slot_expiry(const weir_pool *pool, const weir_slot *slot)
{
    if (pool->now_ns >= slot->ends_at_ns) {
        return slot->ends_for;
    }
    if (!slot->is_idle) {
        return WEIR_REASON_NONE;
    }
    weir_reason rested = WEIR_REASON_NONE;
    if (pool->now_ns >= rest_ends_at(pool, slot, &rested)) {
        return rested;
    }
    if (pool->now_ns >= weir_time_add(slot->idle_since_ns, pool->options.idle_ns)) {
        return WEIR_REASON_EXPIRED_IDLE;
    }
    return WEIR_REASON_NONE;
}

bool weir_slot_expire(weir_pool *pool, weir_slot *slot)
{
    const weir_reason reason = weir_slot_expiry(pool, slot);
    if (reason == WEIR_REASON_NONE) {
        return false;
    }
    if (slot->is_idle) {
        weir_slot_close(pool, slot, reason);
    } else {
        weir_slot_retire(pool, slot, reason);
    }
    return true;
}

void weir_slot_look_at(weir_pool *pool, weir_slot *slot)
{
    if (!weir_slot_expire(pool, slot)) {
        weir_slot_schedule(pool, slot);
    }
}

void weir_slot_schedule(weir_pool *pool, weir_slot *slot)
{
    const weir_time lifetime = slot->retired ? WEIR_NEVER : slot->ends_at_ns;
    const weir_time at = weir_time_earlier(lifetime, rest_due_at(pool, slot));
    if (at == WEIR_NEVER || (slot->due.entered && slot->due.at_ns <= at)) {
        return;
    }
    weir_agenda_enter(&pool->agenda, &slot->due, at,
                      at == lifetime ? WEIR_WHY_LIFETIME : WEIR_WHY_IDLE_CONNECTION);
}

void weir_slot_reschedule(weir_pool *pool, weir_origin *origin)
{
    if (weir_horizon_span(&origin->horizon, pool->now_ns) == WEIR_NEVER) {
        return;
    }
    for (weir_list *at = origin->seldom->slots.next; at != &origin->seldom->slots; at = at->next) {
        weir_slot *other = WEIR_SLOT_OF(at, sibling);
        if (other->is_idle) {
            weir_slot_schedule(pool, other);
        }
    }
}

void weir_slot_note_use(const weir_pool *pool, weir_slot *slot)
{
    /* Nothing came yet since it rested, and others have a lease still: when its rest began will say
     * who is older if it is found to have ended. */
    if (slot->leases == 1 || slot->rested_ns == 0) {
        slot->idle_since_ns = pool->now_ns;
    }
}

void weir_slot_note_rest(weir_pool *pool, weir_slot *slot, bool answered)
{
    const weir_time rested_ns = slot->rested_ns;
    if (rested_ns > 0 && !answered && died(slot)) {
        close_older(pool, slot);
    }
    if (rested_ns == 0 || (!answered && !was_closed_by_peer(slot))) {
        return;
    }
    slot->rested_ns = 0;
    if (answered) {
        weir_horizon_survived(&slot->origin->horizon, rested_ns);
    } else {
        learn_of_close(pool, slot, rested_ns);
    }
}

void weir_slot_note_end(weir_pool *pool, weir_slot *slot)
{
    if (was_closed_by_peer(slot)) {
        learn_of_close(pool, slot, weir_time_since(pool->now_ns, slot->idle_since_ns));
    }
}

void weir_slot_check_age(const weir_pool *pool, const weir_slot *slot)
{
    if (slot->is_idle) {
        const weir_time rest = rest_due_at(pool, slot);
        WEIR_ASSERT(rest == WEIR_NEVER || (slot->due.entered && slot->due.at_ns <= rest));
        WEIR_ASSERT(slot->idle_since_ns <= pool->now_ns);
    }
}

/* When an idle one should no longer be trusted to be open at the other end, and by whose word: what
 * the server says goes before what was learned of it. */
static weir_time rest_ends_at(const weir_pool *pool, const weir_slot *slot, weir_reason *reason)
{
    const weir_time said = slot->facts.keep_alive_ns;
    if (said > 0) {
        /* A server closes *about* when it says. */
        *reason = WEIR_REASON_EXPIRED_KEEP_ALIVE;
        return weir_time_add(slot->idle_since_ns, said - weir_horizon_margin(said));
    }
    *reason = WEIR_REASON_EXPIRED_HORIZON;
    return weir_time_add(slot->idle_since_ns,
                         weir_horizon_span(&slot->origin->horizon, pool->now_ns));
}

/* When it is to be looked at for having been idle, by a time of its own: the list of idle ones knows
 * of the time-out that is the same for all, but not when that ends for one that is displaced. */
static weir_time rest_due_at(const weir_pool *pool, const weir_slot *slot)
{
    if (!slot->is_idle) {
        return WEIR_NEVER;
    }
    weir_reason reason = WEIR_REASON_NONE;
    const weir_time ends_at = rest_ends_at(pool, slot, &reason);
    if (!slot->is_displaced) {
        return ends_at;
    }
    return weir_time_earlier(ends_at, weir_time_add(slot->idle_since_ns, pool->options.idle_ns));
}

/* GOAWAY is how an HTTP/2 server says that it closes what was idle for too long. */
static bool was_closed_by_peer(const weir_slot *slot)
{
    return slot->facts.unfit == WEIR_UNFIT_ENDED || slot->facts.unfit == WEIR_UNFIT_GOAWAY;
}

/* A reset is how the end is met by a request that was under way when it came. */
static bool died(const weir_slot *slot)
{
    return was_closed_by_peer(slot) || slot->facts.unfit == WEIR_UNFIT_FAILED;
}

/*
 * A connection ended when it was used after a rest. What was idle for as long or longer is no
 * better: whoever is given it next would meet the same, one attempt after the other, and a request
 * that cannot be sent again would fail.
 */
static void close_older(weir_pool *pool, const weir_slot *slot)
{
    weir_list *spare = &slot->origin->spare; /* the last used first */
    weir_list *before = NULL;
    for (weir_list *at = spare->prev; at != spare; at = before) {
        weir_slot *other = WEIR_CONTAINER_OF(at, weir_slot, available);
        before = at->prev;
        if (other->idle_since_ns > slot->idle_since_ns) {
            return;
        }
        weir_slot_close(pool, other, WEIR_REASON_EXPIRED_HORIZON);
    }
}

static void learn_of_close(weir_pool *pool, weir_slot *slot, weir_time idle_ns)
{
    weir_origin *origin = slot->origin;
    weir_horizon_closed(&origin->horizon, idle_ns, pool->now_ns);
    origin->has_news = true;
    weir_slot_reschedule(pool, origin);
}
