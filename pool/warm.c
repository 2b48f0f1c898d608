/* SPDX-License-Identifier: MIT */
/*
 * Wishes for warm connections: an origin shall have connections for so many exchanges before
 * anybody asks for a place.
 *
 * A wish is no ticket: it gets no lease, stands in no queue for a place, and nothing is ever closed
 * to make room for it. The wishes of an origin are looked at one after the other, the first alone
 * takes part in decisions, and each may cause as many dials as it wants exchanges: a server that
 * accepts and hangs up is not dialled in a circle.
 */
#include "pool/warm.h"

#include "pool/place.h"

static void withdraw(weir_pool *pool, weir_warmth *wish);
static void end(weir_pool *pool, weir_warmth *wish, weir_reason reason,
                const weir_failure *failure);

weir_warmth *weir_warm_first(const weir_origin *origin)
{
    weir_list *first = origin->seldom->wishes.next;
    return first == &origin->seldom->wishes ? NULL : WEIR_CONTAINER_OF(first, weir_warmth, link);
}

void weir_warm_enter(weir_pool *pool, weir_origin *origin, weir_warmth *wish)
{
    wish->state = WEIR_WARMTH_WAITING;
    wish->origin = origin;
    weir_list_push_back(&origin->seldom->wishes, &wish->link);
    origin->wishes++;
    pool->wishes++;
}

bool weir_warm_dial(weir_pool *pool, weir_origin *origin)
{
    weir_warmth *wish = weir_warm_first(origin);
    WEIR_ASSERT(wish->dials_left > 0);
    weir_slot *slot = weir_slot_new(pool, origin, NULL);
    if (!slot) {
        const weir_failure failure = weir_place_failure(WEIR_E_NOMEM);
        end(pool, wish, WEIR_REASON_NO_MEMORY, &failure);
        return false;
    }
    weir_slot_set_wish(slot, wish);
    wish->dials_left--;
    return true;
}

void weir_warm_served(weir_pool *pool, weir_origin *origin, weir_reason reason)
{
    const weir_failure none = {.tls_alert = -1, .offset = WEIR_UNKNOWN};
    end(pool, weir_warm_first(origin), reason, &none);
}

void weir_warm_refuse_all(weir_pool *pool, weir_origin *origin, const weir_failure *failure)
{
    while (origin->wishes > 0) {
        weir_warm_refuse(pool, weir_warm_first(origin), failure);
    }
}

void weir_warm_refuse(weir_pool *pool, weir_warmth *wish, const weir_failure *failure)
{
    end(pool, wish, WEIR_REASON_FAILED, failure);
}

void weir_warm_move(weir_pool *pool, weir_origin *to, weir_warmth *wish)
{
    WEIR_ASSERT(wish->origin != to);
    withdraw(pool, wish);
    wish->dials_left = wish->exchanges;
    weir_warm_enter(pool, to, wish);
}

void weir_warm_leave(weir_pool *pool, weir_warmth *wish)
{
    weir_list_remove(&wish->told);
    if (wish->state == WEIR_WARMTH_WAITING) {
        withdraw(pool, wish);
    }
    wish->state = WEIR_WARMTH_IDLE;
}

static void end(weir_pool *pool, weir_warmth *wish, weir_reason reason, const weir_failure *failure)
{
    withdraw(pool, wish);
    wish->state = WEIR_WARMTH_ENDED;
    wish->reason = reason;
    wish->failure = *failure;
    weir_list_push_back(&pool->warmed, &wish->told);
}

/* Dials of it that nobody has begun are forgotten; the others go on, for whoever comes. */
static void withdraw(weir_pool *pool, weir_warmth *wish)
{
    weir_origin *origin = wish->origin;
    weir_list_remove(&wish->link);
    origin->wishes--;
    pool->wishes--;
    weir_list *at = origin->seldom->dials.next;
    while (at != &origin->seldom->dials) {
        weir_slot *slot = WEIR_CONTAINER_OF(at, weir_slot, available);
        at = at->next;
        if (weir_slot_wish(slot) == wish) {
            weir_slot_set_wish(slot, NULL);
            if (slot->order_kind == WEIR_ACTION_DIAL) {
                weir_slot_close(pool, slot, WEIR_REASON_NONE);
            }
        }
    }
    wish->origin = NULL;
}
