/* SPDX-License-Identifier: MIT */
/*
 * What comes out of the pool: its actions, first what tickets are to be told, then dials and
 * closes, then wishes that ended; and the time at which it has something to do by itself.
 */
#include "pool/pause.h"

static bool reap_one(weir_pool *pool);
static void look_at(weir_pool *pool, weir_agenda_entry *entry);

bool weir_pool_next_action(weir_pool *pool, weir_action *action)
{
    if (!weir_list_is_empty(&pool->told)) {
        weir_ticket *ticket = WEIR_CONTAINER_OF(pool->told.next, weir_ticket, granted);
        weir_list_remove(&ticket->granted);
        WEIR_ASSERT(ticket->state != WEIR_TICKET_IDLE);
        if (ticket->state == WEIR_TICKET_WAITING) {
            ticket->reason = weir_pool_waits_for(ticket); /* it may have changed more than once */
        }
        *action = (weir_action){
            .kind = ticket->state == WEIR_TICKET_LEASED    ? WEIR_ACTION_GRANT
                    : ticket->state == WEIR_TICKET_REFUSED ? WEIR_ACTION_REFUSE
                                                           : WEIR_ACTION_TELL,
            .ticket = ticket,
            .reason = ticket->reason,
        };
        return true;
    }
    if (!weir_list_is_empty(&pool->orders)) {
        weir_slot *slot = WEIR_CONTAINER_OF(pool->orders.next, weir_slot, queue);
        weir_list_remove(&slot->queue);
        *action = (weir_action){slot->order_kind, weir_slot_ticket(slot), slot, slot->order_reason,
                                weir_slot_wish(slot)};
        pool->counts.dials += slot->order_kind == WEIR_ACTION_DIAL;
        slot->order_kind = WEIR_ACTION_NONE;
        return true;
    }
    if (!weir_list_is_empty(&pool->warmed)) {
        weir_warmth *wish = WEIR_CONTAINER_OF(pool->warmed.next, weir_warmth, told);
        weir_list_remove(&wish->told);
        *action = (weir_action){.kind = WEIR_ACTION_WARMED, .reason = wish->reason, .wish = wish};
        return true;
    }
    *action = (weir_action){.kind = WEIR_ACTION_NONE};
    return false;
}

weir_time weir_pool_deadline(const weir_pool *pool, weir_why *why)
{
    weir_time at = WEIR_NEVER;
    *why = WEIR_WHY_NONE;
    const weir_idle_view idle = weir_idle_look(&pool->idle);
    if (idle.first) {
        at = weir_time_add(idle.since_ns, pool->options.idle_ns);
        *why = at == WEIR_NEVER ? WEIR_WHY_NONE : WEIR_WHY_IDLE_CONNECTION;
    }
    const weir_agenda_entry *first = pool->agenda.first;
    if (first && first->at_ns < at) {
        at = first->at_ns;
        *why = first->why;
    }
    return at;
}

void weir_pool_tick(weir_pool *pool, weir_time now_ns)
{
    weir_pool_begin(pool, now_ns);
    while (reap_one(pool)) {
        /* Each turn closes one, or puts its time-out into the agenda. */
    }
    while (pool->agenda.first && pool->agenda.first->at_ns <= pool->now_ns) {
        look_at(pool, pool->agenda.first);
    }
    weir_place_balance(pool, NULL);
    if (WEIR_CHECKING) {
        weir_pool_check_some(pool);
    }
}

/* False: nobody can have been idle for too long. */
static bool reap_one(weir_pool *pool)
{
    const weir_idle_view idle = weir_idle_look(&pool->idle);
    if (!idle.first || pool->now_ns < weir_time_add(idle.since_ns, pool->options.idle_ns)) {
        return false;
    }
    if (pool->now_ns >= weir_time_add(idle.first->idle_since_ns, pool->options.idle_ns)) {
        weir_slot_close(pool, idle.first, WEIR_REASON_EXPIRED_IDLE);
        weir_place_settle(pool, idle.first->origin);
    } else {
        weir_slot_schedule(pool, weir_idle_put_off(&pool->idle, pool->now_ns));
    }
    return true;
}

/* An entry's time has come, or the time that it had before its slot was used again. */
static void look_at(weir_pool *pool, weir_agenda_entry *entry)
{
    const weir_why why = entry->why;
    weir_agenda_leave(&pool->agenda, entry);
    if (why == WEIR_WHY_PAUSE) {
        weir_pause_end(pool, WEIR_CONTAINER_OF(entry, weir_ticket, pause));
        return;
    }
    if (why == WEIR_WHY_ATTEMPT_DELAY) {
        weir_origin *origin = WEIR_ORIGIN_OF(entry, retry);
        weir_record_unpause(pool, origin);
        weir_place_settle(pool, origin);
        weir_record_settle(pool, origin);
        return;
    }
    weir_slot *slot = WEIR_CONTAINER_OF(entry, weir_slot, due);
    weir_slot_look_at(pool, slot);
    weir_place_settle(pool, slot->origin);
}
