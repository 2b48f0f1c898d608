/* SPDX-License-Identifier: MIT */
/* Drains, TLS swaps and changes of the network at random: see upkeep.h. */
#include "upkeep.h"

#include <stdio.h>

#include "driver.h"
#include "engine/upkeep.h"

#define MOST 4

static void act(sim_world *world, void *what, uint64_t number);
static void drain(sim_world *world, bool one);
static void swap_tls(sim_world *world);

void sim_upkeep_open(sim_world *world)
{
    if (sim_below(&world->for_upkeep, 3) != 0) {
        return;
    }
    const uint64_t count = 1 + sim_below(&world->for_upkeep, MOST);
    for (uint64_t i = 0; i < count; i++) {
        sim_at(world, world->now_ns + sim_below(&world->for_upkeep, world->plan.storm_ns + 1), act,
               NULL, i);
    }
}

static void act(sim_world *world, void *what, uint64_t number)
{
    weir_turn *turn = &world->driver->turn;
    const uint64_t kind = sim_below(&world->for_upkeep, 4);

    (void)what;
    sim_trace(world, SIM_TRACE_UPKEEP, number, kind, 0);
    switch (kind) {
    case 0:
        weir_core_network_changed(&turn->core, world->now_ns);
        break;
    case 1:
        swap_tls(world);
        break;
    default:
        drain(world, kind == 2);
        break;
    }
    turn->pool_moved = true;
}

static void drain(sim_world *world, bool one)
{
    weir_whereabouts where;
    char url[64] = "";
    const uint64_t origin = sim_below(&world->for_upkeep, world->plan.origins);
    const bool tls = world->plan.kinds[origin] >= SIM_ORIGIN_TLS_H1;

    if (one) {
        (void)snprintf(url, sizeof(url), "http%s://o%llu.sim/", tls ? "s" : "",
                       (unsigned long long)origin);
    }
    /* Without memory nothing is done, which is for the user to see. */
    if (weir_whereabouts_init(&where, weir_span_of(url), &world->memory.allocator) == WEIR_OK) {
        weir_pool_drain(world->driver->turn.core.pool, &where.drain, world->now_ns);
        weir_whereabouts_clear(&where);
    }
}

static void swap_tls(sim_world *world)
{
    weir_status status = WEIR_OK;
    weir_failure failure;
    weir_tls_config *config =
        weir_tls_config_new(NULL, &world->memory.allocator, &status, &failure);

    if (config != NULL) {
        (void)weir_shared_set_tls(world->driver->shared, config);
        weir_tls_config_release(config);
    }
}
