/* SPDX-License-Identifier: MIT */
/* The clocks that waiting is measured with: see wait.h. All sums are modulo 2^64 while a ticket is
 * on its origin's clock. */
#include "pool/wait.h"

/* Every reason that a ticket can wait for. */
static const weir_reason reasons[] = {
    WEIR_REASON_BUSY,          WEIR_REASON_AT_MAX_STREAMS, WEIR_REASON_ORIGIN_LIMIT,
    WEIR_REASON_TOTAL_LIMIT,   WEIR_REASON_ALPN_UNKNOWN,   WEIR_REASON_DIALING,
    WEIR_REASON_BEHIND_OTHERS, WEIR_REASON_BACK_OFF,       WEIR_REASON_REFUSED_LATELY,
    WEIR_REASON_NO_MEMORY,     WEIR_REASON_REFUSING,       WEIR_REASON_CLOSING,
};
_Static_assert(WEIR_COUNT_OF(reasons) == WEIR_WAITS,
               "each kind of waiting has a place in a ticket");

static uint8_t wait_index(weir_reason reason);
static void open_account(weir_ticket *ticket);
static void get_on(const weir_pool *pool, weir_ticket *ticket);
static void get_off(const weir_ticket *ticket, weir_time now_ns, weir_time ns[WEIR_WAITS]);
static weir_time sum_of(const weir_time ns[WEIR_WAITS]);

void weir_wait_begin(const weir_pool *pool, weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->state == WEIR_TICKET_WAITING);
    WEIR_ASSERT(ticket->clock == WEIR_CLOCK_NONE);
    open_account(ticket);
    get_on(pool, ticket);
}

void weir_wait_dialed(const weir_pool *pool, weir_ticket *ticket)
{
    if (ticket->clock != WEIR_CLOCK_NONE) {
        WEIR_ASSERT(ticket->clock == WEIR_CLOCK_ORIGIN);
        get_off(ticket, pool->now_ns, ticket->waited.ns);
        get_on(pool, ticket);
    }
}

void weir_wait_undialed(const weir_pool *pool, weir_ticket *ticket)
{
    if (ticket->clock != WEIR_CLOCK_NONE) {
        WEIR_ASSERT(ticket->clock == WEIR_CLOCK_DIAL);
        get_off(ticket, pool->now_ns, ticket->waited.ns);
        get_on(pool, ticket);
    }
}

void weir_wait_end(const weir_pool *pool, weir_ticket *ticket)
{
    if (ticket->clock != WEIR_CLOCK_NONE) {
        get_off(ticket, pool->now_ns, ticket->waited.ns);
        ticket->clock = WEIR_CLOCK_NONE;
    }
}

void weir_wait_bounced(const weir_pool *pool, weir_ticket *ticket)
{
    const weir_time leased_ns = weir_time_add(ticket->since_ns, ticket->waited_ns);

    WEIR_ASSERT(ticket->clock == WEIR_CLOCK_NONE);
    open_account(ticket);
    ticket->waited.bounces++;
    ticket->waited.ns[wait_index(WEIR_REASON_REFUSING)] += weir_time_since(pool->now_ns, leased_ns);
}

void weir_wait_check_sum(const weir_ticket *ticket)
{
    WEIR_ASSERT(ticket->clock == WEIR_CLOCK_NONE);
    if (ticket->has_waited) {
        WEIR_ASSERT(sum_of(ticket->waited.ns) - ticket->waited.before_ns == ticket->waited_ns);
    } else {
        WEIR_ASSERT(ticket->waited_ns == 0);
    }
}

void weir_wait_set_reason(const weir_pool *pool, weir_origin *origin, weir_reason reason)
{
    const uint8_t index = wait_index(reason);

    if (index != origin->waits_for) {
        origin->seldom->waited_ns[origin->waits_for] +=
            weir_time_since(pool->now_ns, origin->seldom->waits_since_ns);
        origin->waits_for = index;
        origin->seldom->waits_since_ns = pool->now_ns;
    }
}

weir_reason weir_wait_reason(const weir_origin *origin)
{
    return origin->undialed ? reasons[origin->waits_for] : WEIR_REASON_NONE;
}

weir_reason weir_pool_waits_for(const weir_ticket *ticket)
{
    if (ticket->state != WEIR_TICKET_WAITING) {
        return WEIR_REASON_NONE;
    }
    if (ticket->pause.entered) {
        return WEIR_REASON_REFUSED_LATELY;
    }
    return ticket->dial ? WEIR_REASON_DIALING : reasons[ticket->origin->waits_for];
}

void weir_pool_waited(const weir_ticket *ticket, weir_time now_ns, weir_waits *waits)
{
    weir_time ns[WEIR_WAITS];

    weir_wait_read(ticket, now_ns, ns);
    weir_wait_spread(ns, waits);
    waits->bounces = ticket->waited.bounces;
}

void weir_wait_read(const weir_ticket *ticket, weir_time now_ns, weir_time ns[WEIR_WAITS])
{
    for (size_t i = 0; i < WEIR_WAITS; i++) {
        ns[i] = ticket->waited.ns[i];
    }
    get_off(ticket, now_ns, ns);
}

void weir_wait_spread(const weir_time ns[WEIR_WAITS], weir_waits *waits)
{
    *waits = (weir_waits)WEIR_WAITS_INIT;
    for (size_t i = 0; i < WEIR_WAITS; i++) {
        waits->ns[reasons[i]] = ns[i];
        waits->total_ns += ns[i];
    }
}

/* A decision that waits for something else must get a place in the list above. */
static uint8_t wait_index(weir_reason reason)
{
    uint8_t index = 0;

    while (reasons[index] != reason) {
        index++;
        WEIR_ASSERT(index < WEIR_WAITS);
    }
    return index;
}

/* The first time that a request has to do with the clocks. */
static void open_account(weir_ticket *ticket)
{
    if (!ticket->has_waited) {
        ticket->has_waited = true;
        ticket->waited.before_ns = sum_of(ticket->waited.ns);
    }
}

static void get_on(const weir_pool *pool, weir_ticket *ticket)
{
    const weir_origin *origin = ticket->origin;

    ticket->waited.since_ns = pool->now_ns;
    if (ticket->dial || ticket->pause.entered) {
        ticket->clock = ticket->dial ? WEIR_CLOCK_DIAL : WEIR_CLOCK_PAUSE;
        return;
    }
    ticket->clock = WEIR_CLOCK_ORIGIN;
    for (size_t i = 0; i < WEIR_WAITS; i++) {
        ticket->waited.ns[i] -= origin->seldom->waited_ns[i];
    }
    ticket->waited.ns[origin->waits_for] -=
        weir_time_since(pool->now_ns, origin->seldom->waits_since_ns);
}

/* Adds what the clock that it is on shows at `now_ns` to `ns`: at a time before it got on, nothing. */
static void get_off(const weir_ticket *ticket, weir_time now_ns, weir_time ns[WEIR_WAITS])
{
    const weir_origin *origin = ticket->origin;

    switch (ticket->clock) {
    case WEIR_CLOCK_NONE:
        break;
    case WEIR_CLOCK_DIAL:
        ns[wait_index(WEIR_REASON_DIALING)] += weir_time_since(now_ns, ticket->waited.since_ns);
        break;
    case WEIR_CLOCK_PAUSE:
        ns[wait_index(WEIR_REASON_REFUSED_LATELY)] +=
            weir_time_since(now_ns, ticket->waited.since_ns);
        break;
    case WEIR_CLOCK_ORIGIN:
        for (size_t i = 0; i < WEIR_WAITS; i++) {
            ns[i] += origin->seldom->waited_ns[i];
        }
        ns[origin->waits_for] +=
            weir_time_since(now_ns > ticket->waited.since_ns ? now_ns : ticket->waited.since_ns,
                            origin->seldom->waits_since_ns);
        break;
    }
}

static weir_time sum_of(const weir_time ns[WEIR_WAITS])
{
    weir_time sum = 0;

    for (size_t i = 0; i < WEIR_WAITS; i++) {
        sum += ns[i];
    }
    return sum;
}
