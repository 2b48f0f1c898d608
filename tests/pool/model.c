/* SPDX-License-Identifier: MIT */
/*
 * The random world: its choices, what the pool says to it, and its end in peace. Its steps are in
 * model_step.c, its books in model_world.h, what they are compared with in model_check.c.
 */
#include "model_world.h"

#include <stdlib.h>
#include <string.h>

#include "weir/status.h"

static void check_age(const world *w, const model_link *place);
static void open_world(world *w);
static void pull(world *w, bool in_order);
static void make_peace(world *w);
static void close_world(world *w);

void model_run(model_choices choices, unsigned long steps, model_result *result)
{
    world *w = calloc(1, sizeof *w);
    MODEL_ASSERT(w != NULL);
    w->choices = choices;
    w->result = result;
    open_world(w);
    for (unsigned long i = 0; i < steps && !w->is_over; i++) {
        model_step(w);
        /* Now and then actions wait, so that abandoning meets what was not pulled. */
        if (!model_chance(w, 10)) {
            pull(w, true);
            model_check(w);
        } else {
            model_step(w);
            pull(w, false);
            model_check(w);
        }
        result->steps++;
    }
    make_peace(w);
    close_world(w);
    free(w);
}

uint64_t model_choose(world *w, uint64_t below)
{
    if (!w->choices.from_octets) {
        uint64_t word = w->choices.seed += UINT64_C(0x9e3779b97f4a7c15);
        word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
        return (word ^ word >> 31) % below;
    }
    if (w->choices.octets.length == 0) {
        w->is_over = true;
        return 0;
    }
    const uint8_t octet = w->choices.octets.at[0];
    w->choices.octets = weir_span_from(w->choices.octets, 1);
    return octet % below;
}

bool model_chance(world *w, unsigned percent)
{
    return model_choose(w, 100) < percent;
}

weir_origin_key model_key_of(size_t origin)
{
    static const char *const names[ORIGINS] = {"a.test", "b.test", "c.test",
                                               "d.test", "e.test", "f.test"};
    /* Two clear HTTP/1.1, one clear HTTP/2, three over TLS that speak what they like. */
    return (weir_origin_key){
        .host = weir_span_of(names[origin]),
        .port = 1,
        .https = origin >= 3,
        .tls = origin >= 3,
        .pin = origin == 2 ? WEIR_H2 : WEIR_PROTOCOL_ANY,
    };
}

static void open_world(world *w)
{
    weir_failalloc_init(&w->memory, 0);
    w->faults = true;
    w->now_ns = WEIR_NS_PER_SECOND;
    w->options = (weir_pool_options){
        .allocator = &w->memory.allocator,
        .seed = model_choose(w, 256),
        .connections_per_origin = (uint32_t)model_choose(w, 4) + 1,
        .connections = (uint32_t)model_choose(w, 7) + 1,
        .waiting_per_origin = (uint32_t)model_choose(w, 8) + 1,
        .waiting = (uint32_t)model_choose(w, 16) + 1,
        .h2_connections = (uint32_t)model_choose(w, 3),
        .idle_ns = model_chance(w, 50) ? 2 * WEIR_NS_PER_SECOND : WEIR_NEVER,
        .lifetime_ns = model_chance(w, 30) ? 5 * WEIR_NS_PER_SECOND : 0,
        .streams_per_connection = model_chance(w, 30) ? (uint32_t)model_choose(w, 3) + 1 : 0,
        .requests_per_connection = model_chance(w, 30) ? (uint32_t)model_choose(w, 5) + 1 : 0,
        .origins_remembered = (uint32_t)model_choose(w, 4) + 1,
    };
    for (size_t i = 0; i < ORIGINS; i++) {
        w->speaks[i] = i < 2 ? WEIR_H1 : i == 2 || model_chance(w, 50) ? WEIR_H2 : WEIR_H1;
    }
    for (size_t i = 0; i < WISHES; i++) {
        weir_warmth_init(&w->wishes[i]);
    }
    weir_status status;
    w->pool = weir_pool_new(&w->options, &status);
    MODEL_ASSERT(w->pool != NULL);
    if (model_chance(w, 15)) {
        w->memory.fail_at = 3 + (size_t)model_choose(w, 200);
        w->memory.and_after = model_chance(w, 50);
    }
}

/* What a server of this origin would make the connection say. */
weir_facts model_draw_facts(world *w, size_t origin)
{
    const bool is_well = !w->faults || !model_chance(w, 12);
    const weir_protocol protocol = w->speaks[origin];
    weir_facts facts = {
        .version = ++w->versions,
        .protocol = protocol,
        .capacity_streams = protocol == WEIR_H1 ? 1 : (uint32_t)model_choose(w, 4) + !w->faults,
        .accepting = is_well,
        .reusable = is_well && (!w->faults || !model_chance(w, 5)),
    };
    const uint32_t ours = w->options.streams_per_connection;
    if (protocol == WEIR_H2 && ours > 0 && ours < facts.capacity_streams) {
        facts.capacity_streams = ours; /* a connection knows our own limit */
    }
    if (model_chance(w, 20)) {
        facts.keep_alive_ns = (model_choose(w, 3) + 1) * WEIR_NS_PER_SECOND;
    }
    return facts;
}

model_link *model_link_of(world *w, const weir_slot *slot)
{
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state != LINK_NONE && w->links[i].slot == slot) {
            return &w->links[i];
        }
    }
    return NULL;
}

static size_t origin_of(const weir_slot *slot)
{
    size_t origin = 0;
    const weir_origin_key *key = weir_slot_key(slot);
    for (;; origin++) {
        MODEL_ASSERT(origin < ORIGINS);
        const weir_origin_key mine = model_key_of(origin);
        if (weir_origin_key_equal(&mine, key)) {
            return origin;
        }
    }
}

/* Neither more exchanges than one connection may have, nor one after a rest that this server was
 * seen to end. */
static void check_age(const world *w, const model_link *place)
{
    const uint32_t users = model_users_of(w, place->slot);
    const uint32_t most = w->options.requests_per_connection;
    MODEL_ASSERT(most == 0 || place->served + users <= most);
    if (users == 1 && place->rests_since_ns > 0 && place->facts.keep_alive_ns == 0) {
        const weir_horizon *horizon = &place->slot->origin->horizon;
        MODEL_ASSERT(weir_time_since(w->now_ns, place->rests_since_ns) <
                     weir_horizon_span(horizon, w->now_ns));
    }
}

/* A ticket got a place: it must have been its turn, and the place must be one. */
void model_note_grant(world *w, caller *c, bool in_order)
{
    c->is_pulled = true;
    w->result->grants++;
    model_link *place = model_link_of(w, c->ticket.slot);
    if (!in_order) {
        return;
    }
    MODEL_ASSERT(place != NULL);
    MODEL_ASSERT(place->state == LINK_OPEN);
    MODEL_ASSERT(place->origin == c->origin);
    MODEL_ASSERT(place->facts.accepting);
    MODEL_ASSERT(!place->is_drained);
    MODEL_ASSERT(model_users_of(w, place->slot) <= place->facts.capacity_streams);
    check_age(w, place);
    if (c->was_paused) {
        return; /* it has asked anew since */
    }
    for (size_t i = 0; i < TICKETS; i++) {
        const caller *other = &w->callers[i];
        MODEL_ASSERT(other->ticket.state != WEIR_TICKET_WAITING || other->origin != c->origin ||
                     other->asked > c->asked || other->was_paused);
    }
}

static caller *caller_of(weir_ticket *ticket)
{
    return WEIR_CONTAINER_OF(ticket, caller, ticket);
}

static void new_link(world *w, weir_slot *slot)
{
    MODEL_ASSERT(model_link_of(w, slot) == NULL);
    model_link *at = model_pick_link(w, LINK_NONE);
    MODEL_ASSERT(at != NULL);
    *at = (model_link){.state = LINK_DIALING, .slot = slot, .origin = origin_of(slot)};
    w->counts.dials++;
}

static void pull(world *w, bool in_order)
{
    weir_action action;
    while (weir_pool_next_action(w->pool, &action)) {
        switch (action.kind) {
        case WEIR_ACTION_GRANT:
            MODEL_ASSERT(action.ticket->state == WEIR_TICKET_LEASED);
            model_note_grant(w, caller_of(action.ticket), in_order);
            break;
        case WEIR_ACTION_REFUSE:
            MODEL_ASSERT(action.ticket->state == WEIR_TICKET_REFUSED);
            MODEL_ASSERT(action.ticket->failure.status == WEIR_E_CONNECT_REFUSED ||
                         action.ticket->failure.status == WEIR_E_NOMEM ||
                         action.ticket->failure.status == WEIR_E_CLOSED);
            w->result->refusals++;
            weir_pool_abandon(w->pool, action.ticket, w->now_ns);
            MODEL_ASSERT(action.ticket->state == WEIR_TICKET_IDLE);
            break;
        case WEIR_ACTION_WARMED:
            MODEL_ASSERT(action.wish->state == WEIR_WARMTH_ENDED);
            MODEL_ASSERT(action.wish->failure.status == WEIR_OK ||
                         action.wish->reason != WEIR_REASON_NONE);
            weir_pool_cool(w->pool, action.wish, w->now_ns);
            w->result->warmed++;
            break;
        case WEIR_ACTION_TELL:
            MODEL_ASSERT(action.ticket->state == WEIR_TICKET_WAITING);
            MODEL_ASSERT(action.reason == weir_pool_waits_for(action.ticket));
            break;
        case WEIR_ACTION_DIAL:
            MODEL_ASSERT((action.ticket != NULL) != (action.wish != NULL));
            MODEL_ASSERT(!action.ticket || action.ticket->state == WEIR_TICKET_WAITING);
            MODEL_ASSERT(!action.ticket || action.ticket->dial == action.slot);
            MODEL_ASSERT(!action.wish || action.wish->state == WEIR_WARMTH_WAITING);
            new_link(w, action.slot);
            break;
        case WEIR_ACTION_CLOSE: {
            model_link *at = model_link_of(w, action.slot);
            MODEL_ASSERT(at != NULL);
            MODEL_ASSERT(at->state == LINK_OPEN || at->state == LINK_DIALING);
            MODEL_ASSERT(model_users_of(w, at->slot) == 0);
            at->may_fail = at->state == LINK_DIALING;
            at->state = LINK_CLOSING;
            w->result->evictions += action.reason == WEIR_REASON_EVICTED;
            break;
        }
        case WEIR_ACTION_NONE:
            MODEL_ASSERT(false);
            break;
        }
    }
}

static bool is_done(const world *w)
{
    for (size_t i = 0; i < WISHES; i++) {
        if (w->wishes[i].state == WEIR_WARMTH_WAITING) {
            return false;
        }
    }
    const weir_pool_counts counts = weir_pool_count(w->pool);
    return counts.tickets_waiting == 0 && counts.leases == 0;
}

/* No faults from here on: in bounded steps nobody waits any more. */
static void make_peace(world *w)
{
    w->faults = false;
    w->memory.fail_at = 0;
    w->choices.from_octets = false;
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state == LINK_OPEN) {
            w->links[i].facts = model_draw_facts(w, w->links[i].origin);
            w->links[i].is_refusing = false;
            weir_pool_facts(w->pool, w->links[i].slot, &w->links[i].facts, w->now_ns);
        }
    }
    pull(w, false);
    model_check(w);
    for (int turn = 0; turn < 40 * TICKETS && !is_done(w); turn++) {
        model_step_release(w);
        pull(w, true);
        model_step_dial(w);
        pull(w, true);
        model_step_closing(w);
        pull(w, true);
        model_check(w);
        weir_why why;
        const weir_time at = weir_pool_deadline(w->pool, &why);
        if (at != WEIR_NEVER && at > w->now_ns) {
            w->now_ns = at;
        }
        weir_pool_tick(w->pool, w->now_ns);
        pull(w, true);
        model_check(w);
    }
    MODEL_ASSERT(is_done(w));
}

static void close_world(world *w)
{
    weir_pool_shutdown(w->pool, w->now_ns);
    pull(w, true);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state != LINK_NONE) {
            MODEL_ASSERT(w->links[i].state == LINK_CLOSING);
            model_end_link(w, &w->links[i]);
        }
    }
    model_check(w);
    MODEL_ASSERT(weir_pool_count(w->pool).origins <= w->options.origins_remembered);
    weir_pool_free(w->pool);
    MODEL_ASSERT(atomic_load(&w->memory.live) == 0);
}
