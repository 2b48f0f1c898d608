/* SPDX-License-Identifier: MIT */
/*
 * The steps of the random world: what callers, servers and the engine do, one at a time. Each picks
 * whom it concerns by the world's choices, and does nothing if there is nobody.
 */
#include "model_world.h"

static bool knows_order(const caller *c);
static void request(world *w, caller *c);
static void ask_again(world *w, caller *c);

/* A ticket of a kind, the first after a random place; NULL: none. */
static caller *pick_caller(world *w, weir_ticket_state state)
{
    const size_t from = (size_t)model_choose(w, TICKETS);
    for (size_t i = 0; i < TICKETS; i++) {
        caller *c = &w->callers[(from + i) % TICKETS];
        const bool is_ready = state != WEIR_TICKET_LEASED || c->is_pulled;
        if (c->ticket.state == state && is_ready) {
            return c;
        }
    }
    return NULL;
}

model_link *model_pick_link(world *w, link_state state)
{
    const size_t from = (size_t)model_choose(w, LINKS);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[(from + i) % LINKS].state == state) {
            return &w->links[(from + i) % LINKS];
        }
    }
    return NULL;
}

static void step_request(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_IDLE);
    if (!c) {
        return;
    }
    c->origin = (size_t)model_choose(w, ORIGINS);
    c->ticket.refused = model_chance(w, 15) ? (uint32_t)model_choose(w, 4) : 0;
    c->ticket.keeps_order = model_chance(w, 15) && knows_order(c);
    request(w, c);
}

/* Does the model know the order of the request before? */
static bool knows_order(const caller *c)
{
    return !c->was_paused && c->asked != 0;
}

static void request(world *w, caller *c)
{
    c->is_pulled = false;
    c->keeps_order = c->ticket.keeps_order && c->ticket.refused < 2;
    c->asked = c->keeps_order ? c->asked : ++w->asked;
    w->result->kept += c->keeps_order;
    c->was_paused = c->ticket.refused > 1;
    const weir_origin_key key = model_key_of(c->origin);
    weir_candidate first = {.reason = WEIR_REASON_NONE};
    const weir_asker asker = {&key, &c->ticket};
    (void)weir_pool_explain(w->pool, &asker, w->now_ns, &first, 1);
    const bool foretold = first.reason == WEIR_REASON_REUSED || first.reason == WEIR_REASON_DIALED;
    const weir_status status = weir_pool_request(w->pool, &key, &c->ticket, w->now_ns);
    MODEL_ASSERT(foretold == (status == WEIR_OK));
    MODEL_ASSERT(!c->was_paused || status != WEIR_AGAIN || c->ticket.pause.entered);
    w->result->paused += c->was_paused && status == WEIR_AGAIN;
    if (status == WEIR_OK) {
        MODEL_ASSERT(first.conn == weir_slot_id(c->ticket.slot));
        MODEL_ASSERT((first.reason == WEIR_REASON_REUSED) == c->ticket.reused);
        model_note_grant(w, c, true);
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
    if (c->asked == 0) {
        weir_pool_abandon(w->pool, &c->ticket, w->now_ns); /* what it gave back is free */
    }
}

/* An exchange on a connection is over. */
static void note_end(world *w, const caller *c)
{
    model_link *place = model_link_of(w, c->ticket.slot);
    if (place) {
        place->served++;
    }
    if (place && !c->ticket.unused) {
        place->rests_since_ns = model_users_of(w, place->slot) == 1 ? w->now_ns : 0;
    }
}

static void step_abandon(world *w)
{
    caller *c = &w->callers[model_choose(w, TICKETS)];
    if (c->ticket.state == WEIR_TICKET_LEASED && c->is_pulled) {
        note_end(w, c);
    }
    weir_pool_abandon(w->pool, &c->ticket, w->now_ns);
    MODEL_ASSERT(c->ticket.state == WEIR_TICKET_IDLE);
}

void model_step_release(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c) {
        return;
    }
    model_link *place = model_link_of(w, c->ticket.slot);
    c->ticket.unused = model_chance(w, 10);
    c->ticket.answered = !c->ticket.unused && model_chance(w, 80);
    note_end(w, c);
    const bool again = knows_order(c) && model_chance(w, 15);
    c->ticket.keeps_order = again;
    if (place && place->state == LINK_OPEN && model_chance(w, 70)) {
        place->facts = model_draw_facts(w, place->origin);
        place->is_refusing = false;
        weir_pool_release(w->pool, &c->ticket, &place->facts, w->now_ns);
    } else {
        weir_pool_release(w->pool, &c->ticket, NULL, w->now_ns);
    }
    MODEL_ASSERT(c->ticket.state == WEIR_TICKET_IDLE);
    if (again) {
        ask_again(w, c);
    }
}

/* In the same step, for the same or for another place; or after all not. */
static void ask_again(world *w, caller *c)
{
    if (model_chance(w, 10)) {
        weir_pool_abandon(w->pool, &c->ticket, w->now_ns);
        return;
    }
    if (model_chance(w, 10)) {
        c->origin = (size_t)model_choose(w, ORIGINS);
    }
    c->ticket.refused = (uint32_t)model_choose(w, 2);
    request(w, c);
}

/* The connection refuses a lease: it has changed its mind, and tells, or (rarely) tells nothing
 * that explains it. */
static void step_bounce(world *w)
{
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c) {
        return;
    }
    model_link *place = model_link_of(w, c->ticket.slot);
    const uint32_t bounces = c->ticket.bounces;
    if (place && place->state == LINK_OPEN) {
        place->facts = model_draw_facts(w, place->origin);
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
        model_note_grant(w, c, true);
    }
    MODEL_ASSERT(c->ticket.bounces == bounces + 1);
}

static void step_facts(world *w)
{
    model_link *at = model_pick_link(w, LINK_OPEN);
    if (!at) {
        return;
    }
    at->facts = model_draw_facts(w, at->origin);
    at->is_refusing = false;
    weir_pool_facts(w->pool, at->slot, &at->facts, w->now_ns);
}

void model_end_link(world *w, model_link *at)
{
    weir_slot *slot = at->slot;
    at->state = LINK_NONE;
    weir_pool_gone(w->pool, slot, w->now_ns);
}

static void fail_link(world *w, model_link *at)
{
    const weir_failure failure = {
        .status = WEIR_E_CONNECT_REFUSED, .phase = WEIR_PHASE_CONNECT, .offset = WEIR_UNKNOWN};
    at->state = LINK_CLOSING;
    at->may_fail = false;
    w->counts.dial_failures++;
    weir_pool_dial_failed(w->pool, at->slot, &failure, w->now_ns);
    if (model_chance(w, 80)) {
        model_end_link(w, at); /* else its socket has something left to say */
    }
}

void model_step_dial(world *w)
{
    model_link *at = model_pick_link(w, LINK_DIALING);
    if (!at) {
        return;
    }
    if (w->faults && model_chance(w, 30)) {
        fail_link(w, at);
        return;
    }
    if (w->faults && model_chance(w, 5)) {
        model_end_link(w, at); /* given up, as a thread that leaves does */
        return;
    }
    if (w->faults && at->origin >= 3 && model_chance(w, 10)) {
        w->speaks[at->origin] =
            model_chance(w, 50) ? WEIR_H1 : WEIR_H2; /* another server answers now */
    }
    at->facts = model_draw_facts(w, at->origin);
    at->state = LINK_OPEN;
    weir_pool_ready(w->pool, at->slot, &at->facts, w->now_ns);
}

void model_step_closing(world *w)
{
    model_link *at = model_pick_link(w, LINK_CLOSING);
    if (!at) {
        return;
    }
    if (at->may_fail && model_chance(w, 30)) {
        fail_link(w, at); /* a dial that was given up may also end by itself */
    } else {
        model_end_link(w, at);
    }
}

static void step_time(world *w)
{
    weir_why why;
    const weir_time at = weir_pool_deadline(w->pool, &why);
    MODEL_ASSERT((at == WEIR_NEVER) == (why == WEIR_WHY_NONE));
    w->result->back_offs += why == WEIR_WHY_ATTEMPT_DELAY;
    if (at != WEIR_NEVER && model_chance(w, 60)) {
        w->now_ns = at > w->now_ns ? at : w->now_ns;
    } else {
        w->now_ns += model_choose(w, 200) * 7 * WEIR_NS_PER_MS;
    }
    if (model_chance(w, 80)) {
        weir_pool_tick(w->pool, w->now_ns);
    }
}

static void step_drain(world *w)
{
    const bool all = model_chance(w, 50);
    const size_t origin = (size_t)model_choose(w, ORIGINS);
    const weir_origin_key key = model_key_of(origin);
    for (size_t i = 0; i < LINKS; i++) {
        if (w->links[i].state == LINK_OPEN && (all || w->links[i].origin == origin)) {
            w->links[i].is_drained = true;
            w->links[i].is_counted = true;
        }
    }
    const weir_drain drain = {.origin = all ? NULL : &key};
    if (all && model_chance(w, 50)) {
        weir_pool_network_changed(w->pool, w->now_ns);
    } else {
        weir_pool_drain(w->pool, &drain, w->now_ns);
    }
}

static void step_retire(world *w)
{
    model_link *at = model_pick_link(w, LINK_OPEN);
    if (at) {
        weir_pool_retire(w->pool, at->slot, WEIR_REASON_ADDRESS_LEFT_DNS,
                         model_choose(w, 3) * 500 * WEIR_NS_PER_MS, w->now_ns);
    }
}

/* A 421 on a connection: all that its origin has are the wrong ones, and its dials are not. */
static void step_misdirected(world *w)
{
    if (!model_chance(w, 20)) {
        return;
    }
    caller *c = pick_caller(w, WEIR_TICKET_LEASED);
    if (!c || !model_link_of(w, c->ticket.slot)) {
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
    w->now_ns += (model_choose(w, 30) + 1) * 20 * WEIR_NS_PER_MS;
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
    weir_warmth *wish = &w->wishes[model_choose(w, WISHES)];
    const weir_origin_key key = model_key_of((size_t)model_choose(w, ORIGINS));
    if (wish->state != WEIR_WARMTH_IDLE) {
        weir_pool_cool(w->pool, wish, w->now_ns);
        MODEL_ASSERT(wish->state == WEIR_WARMTH_IDLE);
        return;
    }
    const weir_status status =
        weir_pool_warm(w->pool, &key, (uint32_t)model_choose(w, 5) + 1, wish, w->now_ns);
    MODEL_ASSERT((status == WEIR_AGAIN) == (wish->state == WEIR_WARMTH_WAITING));
    MODEL_ASSERT(status == WEIR_OK || status == WEIR_AGAIN || status == WEIR_E_QUEUE_FULL ||
                 status == WEIR_E_NOMEM);
    if (wish->state == WEIR_WARMTH_ENDED) {
        weir_pool_cool(w->pool, wish, w->now_ns);
    }
}

/* The connection died by itself. */
static void step_death(world *w)
{
    model_link *at = model_pick_link(w, LINK_OPEN);
    if (at) {
        model_end_link(w, at);
    }
}

static void step_rare(world *w)
{
    if (model_chance(w, 10)) {
        step_drain(w);
    } else if (model_chance(w, 30)) {
        step_retire(w);
    }
}

void model_step(world *w)
{
    /* A choice below this is that step; of one stream of choices always the same. */
    static const struct {
        unsigned below;
        void (*step)(world *w);
    } steps[] = {
        {8, step_request},        {10, step_abandon},  {15, model_step_release},
        {17, step_bounce},        {19, step_facts},    {24, model_step_dial},
        {27, model_step_closing}, {28, step_death},    {29, step_rare},
        {32, step_time},          {33, step_warm},     {34, step_idle_end},
        {35, step_misdirected},   {37, step_idle_end},
    };
    const uint64_t chosen = model_choose(w, steps[WEIR_COUNT_OF(steps) - 1].below);
    size_t i = 0;
    while (chosen >= steps[i].below) {
        i++;
    }
    steps[i].step(w);
}
