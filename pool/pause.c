/* SPDX-License-Identifier: MIT */
/* See pause.h. The pauses are those of dials that failed: 50 ms, doubled up to 5 s, a tenth of
 * jitter. */
#include "pool/pause.h"

bool weir_pause_is_due(const weir_ticket *ticket)
{
    return ticket->refused > 1;
}

void weir_pause_begin(weir_pool *pool, weir_origin *origin, weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_IDLE);
    WEIR_ASSERT(!ticket->pause.entered);
    WEIR_ASSERT(weir_pause_is_due(ticket));
    const uint32_t doublings = ticket->refused - 2 < 16 ? ticket->refused - 2 : 16;
    const weir_time span_ns =
        weir_time_earlier(WEIR_BACK_OFF_FIRST_NS << doublings, WEIR_BACK_OFF_LAST_NS);
    ticket->state = WEIR_TICKET_WAITING;
    ticket->origin = origin;
    weir_list_push_back(&origin->seldom->paused, &ticket->link);
    pool->paused++;
    weir_agenda_enter(&pool->agenda, &ticket->pause,
                      weir_time_add(pool->now_ns, weir_pool_jitter(pool, span_ns)), WEIR_WHY_PAUSE);
}

void weir_pause_leave(weir_pool *pool, weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
    WEIR_ASSERT(pool->paused > 0);
    weir_wait_end(pool, ticket);
    weir_agenda_leave(&pool->agenda, &ticket->pause);
    weir_list_remove(&ticket->link);
    weir_list_remove(&ticket->granted);
    ticket->state = WEIR_TICKET_IDLE;
    pool->paused--;
}

void weir_pause_end(weir_pool *pool, weir_ticket *ticket)
{
    weir_origin *origin = ticket->origin;
    weir_pause_leave(pool, ticket);
    ticket->order = ++pool->order; /* it asks now */
    weir_place_enter(pool, origin, ticket);
    weir_place_settle(pool, origin);
    if (ticket->state == WEIR_TICKET_WAITING) {
        weir_wait_begin(pool, ticket);
    }
    weir_record_settle(pool, origin);
}

void weir_pause_check(const weir_pool *pool)
{
    uint32_t paused = 0;
    for (const weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        const weir_origin *origin = WEIR_CONST_ORIGIN_OF(at, link);
        for (const weir_list *in = origin->seldom->paused.next; in != &origin->seldom->paused;
             in = in->next) {
            const weir_ticket *ticket = WEIR_CONST_CONTAINER_OF(in, weir_ticket, link);
            WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
            WEIR_ASSERT(ticket->origin == origin);
            WEIR_ASSERT(ticket->pause.entered);
            paused++;
        }
    }
    WEIR_ASSERT(paused == pool->paused);
}
