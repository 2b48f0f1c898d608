/* SPDX-License-Identifier: MIT */
/* The plan of a call: see call_plan.h. */
#include "call_plan.h"

static void plan_pin(sim_world *world, sim_call *call);
static void plan_route(sim_call *call);
static void plan_body(sim_world *world, sim_call *call);
static void plan_limits(sim_world *world, sim_call *call);

void sim_call_plan(sim_world *world, sim_call *call)
{
    static const struct {
        const char *name;
        bool idempotent;
        bool content;
    } methods[] = {
        {"GET", true, false},     {"GET", true, false},  {"GET", true, false},
        {"HEAD", true, false},    {"PUT", true, true},   {"DELETE", true, false},
        {"OPTIONS", true, false}, {"POST", false, true}, {"POST", false, true},
        {"PATCH", false, true},
    };
    sim_dice *dice = &world->for_calls;
    const bool any = !call->calm || call->rests;
    const size_t pick = any ? sim_below(dice, WEIR_COUNT_OF(methods)) : sim_below(dice, 4);

    call->world = world;
    call->method = methods[pick].name;
    call->idempotent = methods[pick].idempotent;
    call->origin = sim_below(dice, world->plan.origins);
    if (call->rests) {
        call->origin = world->plan.rests.origin;
    } else if (call->calm && world->plan.misdirects.happens) {
        call->origin = world->plan.misdirects.origin;
    }
    call->numeric =
        call->rests ? world->plan.rests.numeric : world->plan.numeric && sim_below(dice, 2) == 0;
    call->options = (weir_call)WEIR_CALL_INIT;
    call->options.explain = sim_below(dice, 4) == 0;
    call->options.pin =
        world->plan.kinds[call->origin] == SIM_ORIGIN_H2 ? WEIR_H2 : WEIR_PROTOCOL_ANY;
    if (call->calm) {
        call->options.attempts = WEIR_ATTEMPTS_LIMIT;
        call->options.queue_ns =
            WEIR_NEVER; /* behind a body that trickles through a small window */
        if (call->rests && methods[pick].content) {
            plan_body(world, call);
        }
        return;
    }
    call->warms =
        world->plan.warms && sim_below(dice, 4) == 0 ? (uint32_t)sim_between(dice, 1, 4) : 0;
    call->options.hint = (weir_hint)sim_below(dice, WEIR_HINT_DUPLEX + 1);
    plan_pin(world, call);
    plan_route(call);
    call->is_watched = sim_below(dice, 3) == 0;
    if (call->is_watched) {
        sim_watch_open(&call->watch, call);
        call->options.observer = &call->watch.observer;
    }
    call->options.replay = (weir_replay_policy)(sim_below(dice, 2) == 0 ? 0 : sim_below(dice, 3));
    call->options.attempts = (uint32_t)sim_below(dice, WEIR_ATTEMPTS_LIMIT + 1);
    if (methods[pick].content && call->warms == 0) {
        plan_body(world, call);
    }
    plan_limits(world, call);
}

/* Some calls ask for a protocol, and sometimes for one that the server does not speak. */
static void plan_pin(sim_world *world, sim_call *call)
{
    const sim_origin_kind kind = world->plan.kinds[call->origin];
    sim_dice *dice = &world->for_calls;

    if (kind == SIM_ORIGIN_TLS_H2 && sim_below(dice, 4) == 0) {
        call->options.pin = sim_below(dice, 2) == 0 ? WEIR_H1 : WEIR_H2;
    }
    if (kind == SIM_ORIGIN_TLS_H1 && sim_below(dice, 8) == 0) {
        call->options.pin = sim_below(dice, 2) == 0 ? WEIR_H1 : WEIR_H2;
    }
}

/* Some name their host and say where it is: to the pool that is another origin. */
static void plan_route(sim_call *call)
{
    static const char *const addresses[SIM_ORIGINS_LIMIT] = {"10.0.0.1", "10.1.0.1", "10.2.0.1"};

    if (call->number % 8 == 7) {
        call->options.connect_to = weir_span_of(addresses[call->origin]);
    }
}

static void plan_body(sim_world *world, sim_call *call)
{
    sim_dice *dice = &world->for_calls;

    /* After a rest what is refused, which has other causes than the rest, must go again. */
    call->body_kind =
        call->rests ? WEIR_BODY_SPAN : (weir_body_kind)sim_below(dice, WEIR_BODY_STREAM + 1);
    if (call->body_kind == WEIR_BODY_NONE) {
        return;
    }
    call->body_octets = sim_below(dice, 8) == 0 ? 0 : sim_spread(dice, world->plan.body_octets);
    call->body_declared = sim_below(dice, 2) == 0;
    call->has_trailers =
        sim_below(dice, 4) == 0 && (call->body_kind == WEIR_BODY_SPAN || !call->body_declared);
    call->rewinds = sim_below(dice, 2) == 0;
    call->options.expect_continue = sim_below(dice, 5) == 0;
    if (call->body_kind == WEIR_BODY_SPAN) {
        call->body = sim_room(world, call->body_octets + 1);
        sim_body_fill(SIM_BODY_OF_CALL | call->number, 0, call->body, call->body_octets);
    }
}

static void plan_limits(sim_world *world, sim_call *call)
{
    sim_dice *dice = &world->for_calls;
    weir_time *limits[] = {
        &call->options.queue_ns, &call->options.dns_ns,      &call->options.connect_ns,
        &call->options.tls_ns,   &call->options.write_ns,    &call->options.first_octet_ns,
        &call->options.idle_ns,  &call->options.continue_ns,
    };

    for (size_t i = 0; i < WEIR_COUNT_OF(limits); i++) {
        if (sim_fault(world, SIM_FAULT_DEADLINE, dice)) {
            *limits[i] = 1 + sim_spread(dice, 60 * WEIR_NS_PER_SECOND);
        }
    }
}
