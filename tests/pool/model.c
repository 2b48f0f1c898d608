/* SPDX-License-Identifier: MIT */
/*
 * The random world: its choices and steps. Its books are in model_world.h, what they are compared
 * with in model_check.c.
 */
#include "model_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/status.h"

static uint64_t choose(world *w, uint64_t below);
static bool chance(world *w, unsigned percent);
static void check_age(const world *w, const model_link *place);
static void open_world(world *w);
static void one_step(world *w);
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
        one_step(w);
        /* Now and then actions wait, so that abandoning meets what was not pulled. */
        if (!chance(w, 10)) {
            pull(w, true);
            model_check(w);
        } else {
            one_step(w);
            pull(w, false);
            model_check(w);
        }
        result->steps++;
    }
    make_peace(w);
    close_world(w);
    free(w);
}

static uint64_t choose(world *w, uint64_t below)
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

static bool chance(world *w, unsigned percent)
{
    return choose(w, 100) < percent;
}

static weir_origin_key key_of(size_t origin)
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
        .seed = choose(w, 256),
        .connections_per_origin = (uint32_t)choose(w, 4) + 1,
        .connections = (uint32_t)choose(w, 7) + 1,
        .tickets_per_origin = (uint32_t)choose(w, 8) + 1,
        .tickets = (uint32_t)choose(w, 16) + 1,
        .h2_connections = (uint32_t)choose(w, 3),
        .idle_ns = chance(w, 50) ? 2 * WEIR_NS_PER_SECOND : WEIR_NEVER,
        .lifetime_ns = chance(w, 30) ? 5 * WEIR_NS_PER_SECOND : 0,
        .streams_per_connection = chance(w, 30) ? (uint32_t)choose(w, 3) + 1 : 0,
        .requests_per_connection = chance(w, 30) ? (uint32_t)choose(w, 5) + 1 : 0,
        .origins_remembered = (uint32_t)choose(w, 4) + 1,
    };
    for (size_t i = 0; i < ORIGINS; i++) {
        w->speaks[i] = i < 2 ? WEIR_H1 : i == 2 || chance(w, 50) ? WEIR_H2 : WEIR_H1;
    }
    for (size_t i = 0; i < WISHES; i++) {
        weir_warmth_init(&w->wishes[i]);
    }
    weir_status status;
    w->pool = weir_pool_new(&w->options, &status);
    MODEL_ASSERT(w->pool != NULL);
    if (chance(w, 15)) {
        w->memory.fail_at = 3 + (size_t)choose(w, 200);
        w->memory.and_after = chance(w, 50);
    }
}

/* What a server of this origin would make the connection say. */
static weir_facts draw_facts(world *w, size_t origin)
{
    const bool is_well = !w->faults || !chance(w, 12);
    const weir_protocol protocol = w->speaks[origin];
    weir_facts facts = {
        .version = ++w->versions,
        .protocol = protocol,
        .capacity_streams = protocol == WEIR_H1 ? 1 : (uint32_t)choose(w, 4) + !w->faults,
        .accepting = is_well,
        .reusable = is_well && (!w->faults || !chance(w, 5)),
    };
    const uint32_t ours = w->options.streams_per_connection;
    if (protocol == WEIR_H2 && ours > 0 && ours < facts.capacity_streams) {
        facts.capacity_streams = ours; /* a connection knows our own limit */
    }
    if (chance(w, 20)) {
        facts.keep_alive_ns = (choose(w, 3) + 1) * WEIR_NS_PER_SECOND;
    }
    return facts;
}

static model_link *link_of(world *w, const weir_slot *slot)
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
        const weir_origin_key mine = key_of(origin);
        if (weir_origin_key_equal(&mine, key)) {
            return origin;
        }
    }
}

/* A ticket of a kind, the first after a random place; NULL: none. */
static caller *pick_caller(world *w, weir_ticket_state state)
{
    const size_t from = (size_t)choose(w, TICKETS);
    for (size_t i = 0; i < TICKETS; i++) {
        caller *c = &w->callers[(from + i) % TICKETS];
        const bool is_ready = state != WEIR_TICKET_LEASED || c->is_pulled;
        if (c->ticket.state == state && is_ready) {
            return c;
        }
    }
    return NULL;
}

static model_link *pick_link(world *w, link_state state)
{
    const size_t from = (size_t)choose(w, LINKS);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[(from + i) % LINKS].state == state) {
            return &w->links[(from + i) % LINKS];
        }
    }
    return NULL;
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
static void note_grant(world *w, caller *c, bool in_order)
{
    c->is_pulled = true;
    w->result->grants++;
    model_link *place = link_of(w, c->ticket.slot);
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

static void step_request(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_IDLE);
    if (!c) {
        return;
    }
    c->origin = (size_t)choose(w, ORIGINS);
    c->is_pulled = false;
    c->ticket.refused = chance(w, 15) ? (uint32_t)choose(w, 4) : 0;
    c->ticket.keeps_order = chance(w, 15);
    if (c->was_paused || c->asked == 0) {
        c->ticket.keeps_order = false; /* the model does not know its order */
    }
    c->keeps_order = c->ticket.keeps_order && c->ticket.refused < 2;
    c->asked = c->keeps_order ? c->asked : ++w->asked;
    w->result->kept += c->keeps_order;
    c->was_paused = c->ticket.refused > 1;
    const weir_origin_key key = key_of(c->origin);
    weir_candidate first = {.reason = WEIR_REASON_NONE};
    (void)weir_pool_explain(w->pool, &key, w->now_ns, &first, 1);
    const weir_status status = weir_pool_request(w->pool, &key, &c->ticket, w->now_ns);
    const bool foretold = first.reason == WEIR_REASON_REUSED || first.reason == WEIR_REASON_DIALED;
    MODEL_ASSERT((foretold && !c->was_paused) == (status == WEIR_OK));
    MODEL_ASSERT(!c->was_paused || status != WEIR_AGAIN || c->ticket.pause.entered);
    w->result->paused += c->was_paused && status == WEIR_AGAIN;
    if (status == WEIR_OK) {
        MODEL_ASSERT(first.conn == weir_slot_id(c->ticket.slot));
        note_grant(w, c, true);
    }
    MODEL_ASSERT((status == WEIR_OK) == (c->ticket.state == WEIR_TICKET_LEASED));
    MODEL_ASSERT((status == WEIR_AGAIN) == (c->ticket.state == WEIR_TICKET_WAITING));
    if (status == WEIR_OK || status == WEIR_AGAIN) {
        w->counts.requests++;
        MODEL_ASSERT(status == WEIR_OK || c->ticket.reason != WEIR_REASON_NONE);
    } else if (status != WEIR_E_NOMEM) {
        MODEL_ASSERT(status == WEIR_E_QUEUE_FULL);
        MODEL_ASSERT(!c->keeps_order);
    } else {
        MODEL_ASSERT(atomic_load(&w->memory.failures) > 0);
    }
    c->asked = status == WEIR_OK || status == WEIR_AGAIN ? c->asked : 0;
}

static void step_abandon(world *w)
{
    caller *c = &w->callers[choose(w, TICKETS)];
    weir_pool_abandon(w->pool, &c->ticket, w->now_ns);
    MODEL_ASSERT(c->ticket.state == WEIR_TICKET_IDLE);
}

static void step_release(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c) {
        return;
    }
    model_link *place = link_of(w, c->ticket.slot);
    c->ticket.answered = chance(w, 80);
    if (place) {
        place->served++;
        place->rests_since_ns = model_users_of(w, place->slot) == 1 ? w->now_ns : 0;
    }
    if (place && place->state == LINK_OPEN && chance(w, 70)) {
        place->facts = draw_facts(w, place->origin);
        place->is_refusing = false;
        weir_pool_release(w->pool, &c->ticket, &place->facts, w->now_ns);
    } else {
        weir_pool_release(w->pool, &c->ticket, NULL, w->now_ns);
    }
    MODEL_ASSERT(c->ticket.state == WEIR_TICKET_IDLE);
}

/* The connection refuses a lease: it has changed its mind, and tells, or (rarely) tells nothing
 * that explains it. */
static void step_bounce(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c) {
        return;
    }
    model_link *place = link_of(w, c->ticket.slot);
    const uint32_t bounces = c->ticket.bounces;
    if (place && place->state == LINK_OPEN) {
        place->facts = draw_facts(w, place->origin);
        place->is_refusing = place->facts.capacity_streams >= model_users_of(w, place->slot);
        weir_pool_bounce(w->pool, &c->ticket, &place->facts, w->now_ns);
    } else if (!place) {
        weir_pool_bounce(w->pool, &c->ticket, NULL, w->now_ns);
    } else {
        return;
    }
    w->counts.bounces++;
    w->result->bounces++;
    c->is_pulled = false;
    if (c->ticket.state == WEIR_TICKET_LEASED) {
        note_grant(w, c, true);
    }
    MODEL_ASSERT(c->ticket.bounces == bounces + 1);
}

static void step_facts(world *w)
{
    model_link *at = pick_link(w, LINK_OPEN);
    if (!at) {
        return;
    }
    at->facts = draw_facts(w, at->origin);
    at->is_refusing = false;
    weir_pool_facts(w->pool, at->slot, &at->facts, w->now_ns);
}

static void end_link(world *w, model_link *at)
{
    weir_slot *slot = at->slot;
    at->state = LINK_NONE;
    weir_pool_gone(w->pool, slot, w->now_ns);
}

static void fail_link(world *w, model_link *at)
{
    const weir_failure failure = {
        .status = WEIR_E_CONNECT_REFUSED, .phase = WEIR_PHASE_CONNECT, .offset = WEIR_UNKNOWN};
    weir_slot *slot = at->slot;
    at->state = LINK_NONE;
    w->counts.dial_failures++;
    weir_pool_dial_failed(w->pool, slot, &failure, w->now_ns);
}

static void step_dial(world *w)
{
    model_link *at = pick_link(w, LINK_DIALING);
    if (!at) {
        return;
    }
    if (w->faults && chance(w, 30)) {
        fail_link(w, at);
        return;
    }
    if (w->faults && chance(w, 5)) {
        end_link(w, at); /* given up, as a thread that leaves does */
        return;
    }
    if (w->faults && at->origin >= 3 && chance(w, 10)) {
        w->speaks[at->origin] = chance(w, 50) ? WEIR_H1 : WEIR_H2; /* another server answers now */
    }
    at->facts = draw_facts(w, at->origin);
    at->state = LINK_OPEN;
    weir_pool_ready(w->pool, at->slot, &at->facts, w->now_ns);
}

static void step_closing(world *w)
{
    model_link *at = pick_link(w, LINK_CLOSING);
    if (!at) {
        return;
    }
    if (!at->was_open && chance(w, 30)) {
        fail_link(w, at); /* a dial that was given up may also end by itself */
    } else {
        end_link(w, at);
    }
}

static void step_time(world *w)
{
    weir_why why;
    const weir_time at = weir_pool_deadline(w->pool, &why);
    MODEL_ASSERT((at == WEIR_NEVER) == (why == WEIR_WHY_NONE));
    w->result->back_offs += why == WEIR_WHY_ATTEMPT_DELAY;
    if (at != WEIR_NEVER && chance(w, 60)) {
        w->now_ns = at > w->now_ns ? at : w->now_ns;
    } else {
        w->now_ns += choose(w, 200) * 7 * WEIR_NS_PER_MS;
    }
    if (chance(w, 80)) {
        weir_pool_tick(w->pool, w->now_ns);
    }
}

static void step_drain(world *w)
{
    const bool all = chance(w, 50);
    const size_t origin = (size_t)choose(w, ORIGINS);
    const weir_origin_key key = key_of(origin);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state == LINK_OPEN && (all || w->links[i].origin == origin)) {
            w->links[i].is_drained = true;
            w->links[i].is_counted = true;
        }
    }
    const weir_drain drain = {.origin = all ? NULL : &key};
    if (all && chance(w, 50)) {
        weir_pool_network_changed(w->pool, w->now_ns);
    } else {
        weir_pool_drain(w->pool, &drain, w->now_ns);
    }
}

static void step_retire(world *w)
{
    model_link *at = pick_link(w, LINK_OPEN);
    if (at) {
        weir_pool_retire(w->pool, at->slot, WEIR_REASON_ADDRESS_LEFT_DNS,
                         choose(w, 3) * 500 * WEIR_NS_PER_MS, w->now_ns);
    }
}

/* A 421 on a connection: all that its origin has are the wrong ones, and its dials are not. */
static void step_misdirected(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c || !link_of(w, c->ticket.slot)) {
        return;
    }
    weir_pool_misdirected(w->pool, &c->ticket, w->now_ns);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state == LINK_OPEN && w->links[i].origin == c->origin) {
            w->links[i].is_drained = true;
        }
    }
    w->result->misdirected++;
}

/* The server closes an idle connection, which is told before it is gone. */
static void step_idle_end(world *w)
{
    model_link *at = NULL;
    for (size_t i = 0; i < LINKS; i++) {
        model_link *one = &w->links[i];
        if (one->state == LINK_OPEN && one->served > 0 && model_users_of(w, one->slot) == 0) {
            at = one;
        }
    }
    if (!at) {
        return;
    }
    w->now_ns += (choose(w, 30) + 1) * 20 * WEIR_NS_PER_MS;
    at->facts = (weir_facts){
        .version = ++w->versions,
        .protocol = w->speaks[at->origin],
        .unfit = WEIR_UNFIT_ENDED,
    };
    weir_pool_facts(w->pool, at->slot, &at->facts, w->now_ns);
    w->result->horizons += weir_horizon_span(&at->slot->origin->horizon, w->now_ns) != WEIR_NEVER;
}

static void step_warm(world *w)
{
    weir_warmth *wish = &w->wishes[choose(w, WISHES)];
    const weir_origin_key key = key_of((size_t)choose(w, ORIGINS));
    if (wish->state != WEIR_WARMTH_IDLE) {
        weir_pool_cool(w->pool, wish, w->now_ns);
        MODEL_ASSERT(wish->state == WEIR_WARMTH_IDLE);
        return;
    }
    const weir_status status =
        weir_pool_warm(w->pool, &key, (uint32_t)choose(w, 5) + 1, wish, w->now_ns);
    MODEL_ASSERT((status == WEIR_AGAIN) == (wish->state == WEIR_WARMTH_WAITING));
    MODEL_ASSERT(status == WEIR_OK || status == WEIR_AGAIN || status == WEIR_E_QUEUE_FULL ||
                 status == WEIR_E_NOMEM);
    if (wish->state == WEIR_WARMTH_ENDED) {
        weir_pool_cool(w->pool, wish, w->now_ns);
    }
}

static void one_step(world *w)
{
    switch (choose(w, 37)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        step_request(w);
        break;
    case 8:
    case 9:
        step_abandon(w);
        break;
    case 10:
    case 11:
    case 12:
    case 13:
    case 14:
        step_release(w);
        break;
    case 15:
    case 16:
        step_bounce(w);
        break;
    case 17:
    case 18:
        step_facts(w);
        break;
    case 19:
    case 20:
    case 21:
    case 22:
    case 23:
        step_dial(w);
        break;
    case 24:
    case 25:
    case 26:
        step_closing(w);
        break;
    case 27: {
        model_link *at = pick_link(w, LINK_OPEN);
        if (at) {
            end_link(w, at); /* the connection died by itself */
        }
        break;
    }
    case 32:
        step_warm(w);
        break;
    case 33:
    case 35:
    case 36:
        step_idle_end(w);
        break;
    case 34:
        if (chance(w, 20)) {
            step_misdirected(w);
        }
        break;
    case 28:
        if (chance(w, 10)) {
            step_drain(w);
        } else if (chance(w, 30)) {
            step_retire(w);
        }
        break;
    default:
        step_time(w);
        break;
    }
}

static caller *caller_of(weir_ticket *ticket)
{
    return WEIR_CONTAINER_OF(ticket, caller, ticket);
}

static void new_link(world *w, weir_slot *slot)
{
    MODEL_ASSERT(link_of(w, slot) == NULL);
    model_link *at = pick_link(w, LINK_NONE);
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
            note_grant(w, caller_of(action.ticket), in_order);
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
            model_link *at = link_of(w, action.slot);
            MODEL_ASSERT(at != NULL);
            MODEL_ASSERT(at->state == LINK_OPEN || at->state == LINK_DIALING);
            MODEL_ASSERT(model_users_of(w, at->slot) == 0);
            at->was_open = at->state == LINK_OPEN;
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
            w->links[i].facts = draw_facts(w, w->links[i].origin);
            w->links[i].is_refusing = false;
            weir_pool_facts(w->pool, w->links[i].slot, &w->links[i].facts, w->now_ns);
        }
    }
    pull(w, false);
    model_check(w);
    for (int turn = 0; turn < 40 * TICKETS && !is_done(w); turn++) {
        step_release(w);
        pull(w, true);
        step_dial(w);
        pull(w, true);
        step_closing(w);
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
            end_link(w, &w->links[i]);
        }
    }
    model_check(w);
    MODEL_ASSERT(weir_pool_count(w->pool).origins <= w->options.origins_remembered);
    weir_pool_free(w->pool);
    MODEL_ASSERT(atomic_load(&w->memory.live) == 0);
}
