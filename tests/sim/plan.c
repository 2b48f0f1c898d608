/* SPDX-License-Identifier: MIT */
/* Drawing a plan from a seed: see plan.h. */
#include "plan.h"

#include <string.h>

#define MS            WEIR_NS_PER_MS
#define SECOND        WEIR_NS_PER_SECOND
#define REST_LEAST_NS (20 * MS)
#define REST_MOST_NS  (20 * SECOND)
#define LAST_STREAM   0x7fffffffU /* RFC 9113 s5.1.1 */
#define LATE_STREAMS  4
#define SWARM_RATE    280 /* per mille of the faults that a run knows at all */

static void draw_limits(weir_pool_limits *limits, sim_dice *dice);
static void draw_faults(sim_plan *plan, sim_dice *dice);
static void draw_memory(sim_plan *plan, sim_dice *dice);
static void draw_rests(sim_plan *plan, sim_dice *dice);
static void draw_misdirects(sim_plan *plan, sim_dice *dice);

static const char *const names[] = {
#define SIM_FAULT_X(name, words, most) [SIM_FAULT_##name] = words,
    SIM_FAULT_MAP(SIM_FAULT_X)
#undef SIM_FAULT_X
};

static const uint32_t most[] = {
#define SIM_FAULT_X(name, words, most) [SIM_FAULT_##name] = most,
    SIM_FAULT_MAP(SIM_FAULT_X)
#undef SIM_FAULT_X
};

const char *sim_fault_name(sim_fault_kind kind)
{
    return names[kind];
}

void sim_plan_draw(sim_plan *plan, uint64_t seed)
{
    sim_dice dice = sim_dice_of(seed, 1);

    memset(plan, 0, sizeof(*plan));
    plan->origins = sim_between(&dice, 1, SIM_ORIGINS_LIMIT);
    for (size_t i = 0; i < plan->origins; i++) {
        plan->kinds[i] = (sim_origin_kind)sim_below(&dice, SIM_ORIGIN_KINDS);
    }
    plan->numeric = sim_below(&dice, 4) == 0;
    plan->storm_calls = sim_between(&dice, 1, 10);
    plan->calm_calls = sim_between(&dice, 1, 3);
    plan->storm_ns = sim_below(&dice, 3) == 0 ? sim_between(&dice, 1, 200 * SECOND)
                                              : sim_between(&dice, 1, 500 * MS);
    plan->latency_ns = sim_spread(&dice, 50 * MS);
    plan->tick_ns = sim_spread(&dice, 5 * MS);
    plan->body_octets = sim_below(&dice, 8) == 0 ? 200000 : sim_below(&dice, 3) == 0 ? 20000 : 2000;
    plan->withholds_of_all = sim_below(&dice, 16) == 0;
    if (plan->withholds_of_all) {
        plan->body_octets = 400000;
    }
    /* No smaller than a thousandth of a body, or most of a run is one body in octets. */
    const uint64_t least = 1 + plan->body_octets / 1000;
    plan->receive_octets = sim_below(&dice, 3) == 0 ? least + sim_spread(&dice, 600) : 65536;
    plan->turn_octets = sim_below(&dice, 4) == 0 ? least + sim_spread(&dice, 4000) : 1 << 20;
    plan->send_octets = sim_below(&dice, 3) == 0 ? least + sim_spread(&dice, 4000) : 1 << 17;
    plan->told_room = sim_below(&dice, 3) == 0 ? sim_between(&dice, 1, 3) : 64;
    draw_limits(&plan->limits, &dice);
    plan->limits.inbox_octets += plan->limits.inbox_octets != 0 ? (uint32_t)least : 0;
    /* Calls of the calm must not be refused by a queue that is too short for them. */
    plan->calm_calls =
        weir_min(plan->calm_calls, weir_min(plan->limits.waiting_per_origin, plan->limits.waiting));
    draw_faults(plan, &dice);
    draw_memory(plan, &dice);
    plan->warms = sim_below(&dice, 3) == 0;
    dice = sim_dice_of(seed, 17);
    plan->stow_ns = sim_below(&dice, 2) == 0 ? 1 + sim_spread(&dice, SECOND) : 0;
    dice = sim_dice_of(seed, 23);
    plan->metrics_series = sim_below(&dice, 2) == 0 ? 1 + (uint32_t)sim_spread(&dice, 40) : 0;
    dice = sim_dice_of(seed, 15);
    switch (sim_below(&dice, 8)) {
    case 0:
    case 1:
        draw_rests(plan, &dice);
        break;
    case 2:
        draw_misdirects(plan, &dice);
        break;
    default:
        plan->first_stream = sim_below(&dice, 4) == 0
                                 ? LAST_STREAM - 2 * (uint32_t)sim_below(&dice, LATE_STREAMS)
                                 : 0;
        break;
    }
}

static void draw_limits(weir_pool_limits *limits, sim_dice *dice)
{
    *limits = (weir_pool_limits)WEIR_POOL_LIMITS_INIT;
    limits->connections_per_origin = (uint32_t)sim_between(dice, 1, 4);
    limits->connections = (uint32_t)sim_between(dice, 1, 6);
    limits->waiting_per_origin = (uint32_t)sim_between(dice, 1, 5);
    limits->waiting = (uint32_t)sim_between(dice, 2, 10);
    limits->h2_connections = (uint32_t)sim_between(dice, 0, 2);
    limits->address_left_ns = sim_below(dice, 2) == 0 ? 1 + sim_spread(dice, 5 * SECOND) : 0;
    limits->idle_ns = sim_below(dice, 2) == 0 ? 1 + sim_spread(dice, 60 * SECOND) : 0;
    limits->lifetime_ns = sim_below(dice, 3) == 0 ? 1 + sim_spread(dice, 60 * SECOND) : 0;
    limits->requests_per_connection =
        sim_below(dice, 3) == 0 ? (uint32_t)sim_between(dice, 1, 4) : 0;
    limits->streams_per_connection =
        sim_below(dice, 3) == 0 ? (uint32_t)sim_between(dice, 1, 4) : 0;
    limits->ping_ns = sim_below(dice, 3) == 0 ? SECOND + sim_spread(dice, 60 * SECOND) : 0;
    limits->ping_idle = sim_below(dice, 2) == 0;
    limits->inbox_octets = sim_below(dice, 3) == 0 ? 1 + (uint32_t)sim_spread(dice, 30000) : 0;
}

static void draw_faults(sim_plan *plan, sim_dice *dice)
{
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        const bool known = sim_chance(dice, SWARM_RATE);
        const bool often = sim_below(dice, 2) == 0;
        const uint32_t rate =
            (uint32_t)(often || most[i] == 0 ? most[i] : 1 + sim_spread(dice, most[i] - 1));
        plan->rates[i] = known ? rate : 0;
    }
}

/* One run in six has an allocation fail: one, or every so many from then on. */
static void draw_memory(sim_plan *plan, sim_dice *dice)
{
    const bool fails = sim_below(dice, 6) == 0;
    const uint64_t at = 1 + sim_spread(dice, 2000);
    const uint64_t every = sim_below(dice, 2) == 0 ? 0 : 1 + sim_spread(dice, 100);

    plan->fail_at = fails ? at : 0;
    plan->fail_every = fails ? every : 0;
}

/* Half of the runs with rests keep out what would close a connection before the server does. */
static void draw_rests(sim_plan *plan, sim_dice *dice)
{
    sim_rests *rests = &plan->rests;

    rests->origin = sim_below(dice, plan->origins);
    /* So long that what is left of it after the margin is more than the way there and back. */
    rests->most_ns =
        REST_LEAST_NS + 8 * plan->latency_ns +
        (sim_below(dice, 2) == 0 ? sim_spread(dice, REST_MOST_NS) : sim_below(dice, REST_MOST_NS));
    rests->steps = sim_between(dice, 8, SIM_STEPS_LIMIT);
    rests->numeric = sim_below(dice, 4) != 0;
    if (sim_below(dice, 2) == 0) {
        plan->limits.idle_ns = 0;
        plan->limits.lifetime_ns = 0;
        plan->limits.requests_per_connection = 0;
    }
}

static void draw_misdirects(sim_plan *plan, sim_dice *dice)
{
    plan->misdirects = (sim_misdirects){true, sim_below(dice, plan->origins)};
    plan->kinds[plan->misdirects.origin] =
        sim_below(dice, 2) == 0 ? SIM_ORIGIN_H2 : SIM_ORIGIN_TLS_H2;
    plan->calm_calls = weir_min(SIM_AT_ONCE_LIMIT,
                                weir_min(plan->limits.waiting_per_origin, plan->limits.waiting));
}
