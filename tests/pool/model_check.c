/* SPDX-License-Identifier: MIT */
/*
 * The world's books against the pool's. They never look at the pool's own: for each ticket when it
 * asked and in what state the answers left it; for each connection what was told of it, who uses it
 * and whether it exists; for each origin how many exist.
 *
 * After each step, when all actions have been pulled:
 *   - no limit is exceeded: connections of an origin, of all, leases of a connection, tickets;
 *   - nobody waits while a connection that was told to have room has room, nor while nothing at all
 *     is under way for its origin and a place is free;
 *   - no connection is forgotten by either side, and the pool's counts are the world's.
 *
 * That a ticket is granted only when no earlier one waits is checked where it is granted.
 */
#include "model_world.h"

static void check_limits(const world *w);
static void check_links(const world *w);
static void check_left(const world *w);
static void check_counts(const world *w);
static void check_nobody_sleeps(world *w);

void model_check(world *w)
{
    weir_pool_check(w->pool);
    check_limits(w);
    check_links(w);
    check_left(w);
    check_counts(w);
    check_nobody_sleeps(w);
}

uint32_t model_users_of(const world *w, const weir_slot *slot)
{
    uint32_t users = 0;
    for (size_t i = 0; i < TICKETS; i++) {
        const weir_ticket *ticket = &w->callers[i].ticket;
        users += ticket->state == WEIR_TICKET_LEASED && ticket->slot == slot;
    }
    return users;
}

static size_t links_of(const world *w, size_t origin, link_state state)
{
    size_t links = 0;
    for (size_t i = 0; i < LINKS; i++) {
        links += w->links[i].state == state && w->links[i].origin == origin;
    }
    return links;
}

/* HTTP/2 connections that take exchanges, and dials of an origin that is known to speak it. */
static size_t live_h2(const world *w, size_t origin)
{
    size_t live = 0;
    for (size_t i = 0; i < LINKS; i++) {
        const model_link *at = &w->links[i];
        if (at->origin == origin && at->state == LINK_DIALING) {
            live += weir_slot_protocol_hint(at->slot) == WEIR_H2;
        } else if (at->origin == origin && at->state == LINK_OPEN) {
            live += at->slot->state == WEIR_SLOT_READY && at->facts.protocol == WEIR_H2;
        }
    }
    return live;
}

static size_t all_links(const world *w)
{
    size_t links = 0;
    for (size_t i = 0; i < LINKS; i++) {
        links += w->links[i].state != LINK_NONE;
    }
    return links;
}

static void check_limits(const world *w)
{
    MODEL_ASSERT(all_links(w) <= w->options.connections);
    uint32_t waiting = 0;
    uint32_t bounced = 0;
    for (size_t o = 0; o < ORIGINS; o++) {
        MODEL_ASSERT(links_of(w, o, LINK_DIALING) + links_of(w, o, LINK_OPEN) +
                         links_of(w, o, LINK_CLOSING) <=
                     w->options.connections_per_origin);
        MODEL_ASSERT(w->options.h2_connections == 0 || live_h2(w, o) <= w->options.h2_connections);
        uint32_t here = 0;
        for (size_t i = 0; i < TICKETS; i++) {
            const weir_ticket *ticket = &w->callers[i].ticket;
            const bool counts = ticket->state == WEIR_TICKET_WAITING && w->callers[i].origin == o;
            const bool let_in = ticket->bounces > 0 || w->callers[i].was_paused ||
                                w->callers[i].keeps_order; /* before */
            here += counts && !let_in;
            bounced += counts && let_in;
        }
        MODEL_ASSERT(here <= w->options.waiting_per_origin);
        waiting += here;
    }
    MODEL_ASSERT(waiting <= w->options.waiting);
    MODEL_ASSERT(waiting + bounced == weir_pool_count(w->pool).tickets_waiting);
}

/* What a drain was told of is counted until it is gone, and nothing is that is gone. */
static void check_left(const world *w)
{
    const weir_drain all = {0};
    size_t told = 0;
    for (size_t i = 0; i < LINKS; i++) {
        told += w->links[i].state != LINK_NONE && w->links[i].is_counted;
    }
    const uint64_t left = weir_pool_left(w->pool, &all);
    MODEL_ASSERT(left >= told);
    MODEL_ASSERT(left <= all_links(w));
}

/* Both sides know the same connections. */
static void check_links(const world *w)
{
    size_t slots = 0;
    for (weir_slot *at = weir_pool_next_slot(w->pool, NULL); at;
         at = weir_pool_next_slot(w->pool, at)) {
        slots++;
    }
    MODEL_ASSERT(slots == all_links(w));
    for (size_t i = 0; i < LINKS; i++) {
        const model_link *at = &w->links[i];
        MODEL_ASSERT(at->state == LINK_NONE ||
                     weir_slot_leases(at->slot) == model_users_of(w, at->slot));
    }
}

static void check_counts(const world *w)
{
    const weir_pool_counts counts = weir_pool_count(w->pool);
    MODEL_ASSERT(counts.requests == w->counts.requests);
    MODEL_ASSERT(counts.dials == w->counts.dials);
    MODEL_ASSERT(counts.dial_failures == w->counts.dial_failures);
    MODEL_ASSERT(counts.bounces == w->counts.bounces);
    MODEL_ASSERT(counts.slots_dialing + counts.slots_idle + counts.slots_leased +
                     counts.slots_draining ==
                 all_links(w));
}

/* By what was told: would this connection take one more? What the pool alone decides (it grew too
 * old, or yields to another origin) is asked of the slot. */
static bool has_room(const world *w, const model_link *at)
{
    return at->state == LINK_OPEN && at->facts.accepting && at->facts.reusable && !at->is_drained &&
           !at->is_refusing && at->slot->retired == WEIR_REASON_NONE &&
           model_users_of(w, at->slot) < at->facts.capacity_streams;
}

static void check_nobody_sleeps(world *w)
{
    for (size_t i = 0; i < TICKETS; i++) {
        const caller *c = &w->callers[i];
        if (c->ticket.state != WEIR_TICKET_WAITING || c->ticket.pause.entered) {
            continue;
        }
        for (size_t k = 0; k < LINKS; k++) {
            MODEL_ASSERT(w->links[k].origin != c->origin || !has_room(w, &w->links[k]));
        }
        const bool is_alone = links_of(w, c->origin, LINK_DIALING) +
                                  links_of(w, c->origin, LINK_OPEN) +
                                  links_of(w, c->origin, LINK_CLOSING) ==
                              0;
        const bool place_is_free = all_links(w) < w->options.connections;
        w->result->hungry += !place_is_free;
        /* Nothing is under way for it and a place is free: only a pause may be why. */
        MODEL_ASSERT(!is_alone || !place_is_free || c->ticket.origin->is_pausing);
    }
}
