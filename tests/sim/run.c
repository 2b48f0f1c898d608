/* SPDX-License-Identifier: MIT */
/* One run: see run.h. */
#include "run.h"

#include <stdio.h>
#include <string.h>

#include "check.h"
#include "client.h"
#include "driver.h"
#include "net.h"
#include "oracle.h"
#include "rest.h"
#include "upkeep.h"

#define CALM_LIMIT_NS (1000 * WEIR_NS_PER_SECOND)
#define STEPS_LIMIT   2000000

static void print_violation(const sim_world *world, const sim_run_options *options);
static void play(sim_world *world);
static void step(sim_world *world);
static void stuck(sim_world *world);
static void calm(sim_world *world, void *what, uint64_t unused);
static void add_up(const sim_world *world, sim_totals *totals);

bool sim_run(uint64_t seed, const sim_run_options *options, sim_totals *totals)
{
    static sim_world world; /* one at a time; large */

    sim_world_open(&world, seed);
    world.verbose = options->verbose;
    world.plant = options->plant;
    sim_oracle_open(&world);
    world.planted_after = sim_spread(&world.for_driver, 60);
    const bool violated = setjmp(world.violated) != 0;
    if (!violated) {
        play(&world);
    } else {
        print_violation(&world, options);
        memcpy(totals->what, world.what, sizeof(totals->what));
        totals->violations++;
    }
    add_up(&world, totals);
    sim_world_close(&world);
    return !violated;
}

static void print_violation(const sim_world *world, const sim_run_options *options)
{
    if (options->quiet) {
        return;
    }
    if (!options->verbose) {
        sim_print_trace(world);
    }
    fprintf(stderr, "VIOLATION seed %llu: %s\n", (unsigned long long)world->seed, world->what);
}

static void play(sim_world *world)
{
    sim_trace(world, SIM_TRACE_OPENED, world->seed, world->plan.storm_calls, world->plan.origins);
    sim_net_open(world);
    if (!sim_driver_open(world)) {
        SIM_MUST(world, world->memory.live == 0, "memory was lost before anything began");
        return;
    }
    sim_client_open(world);
    sim_upkeep_open(world);
    sim_at(world, world->now_ns + world->plan.storm_ns, calm, NULL, 0);
    for (uint64_t steps = 0; !sim_client_is_finished(world); steps++) {
        SIM_MUST(world, steps < STEPS_LIMIT, "the run does not end");
        step(world);
    }
    sim_driver_close(world);
    /* What is on its way still arrives at the peers. */
    while (world->event_count > 0) {
        world->now_ns =
            sim_next_event(world) > world->now_ns ? sim_next_event(world) : world->now_ns;
        sim_world_step(world);
    }
    sim_check_end(world);
    sim_trace(world, SIM_TRACE_ENDED, world->driver->turns, world->events_run, world->net->count);
}

/* To the next thing that happens: some events that are due, then a turn if there is a reason for
 * one. */
static void step(sim_world *world)
{
    const weir_time wake_ns = sim_driver_wake(world);
    const weir_time event_ns = sim_next_event(world);
    const weir_time next_ns = wake_ns < event_ns ? wake_ns : event_ns;

    if (next_ns == WEIR_NEVER ||
        (world->calm && next_ns > world->plan.calm_at_ns + CALM_LIMIT_NS)) {
        stuck(world);
    }
    if (next_ns > world->now_ns) {
        world->now_ns = next_ns;
    }
    while (sim_next_event(world) <= world->now_ns) {
        sim_world_step(world);
        if (sim_below(&world->for_driver, 2) == 0) {
            break;
        }
    }
    if (sim_driver_wake(world) <= world->now_ns) {
        sim_driver_turn(world);
    }
}

/* Names a call that does not end. */
static void stuck(sim_world *world)
{
    for (size_t i = 0; i < world->client->count; i++) {
        const sim_call *call = &world->client->calls[i];
        const weir_exchange *ex = call->exchange;
        if (ex != NULL) {
            sim_violation(world, "call %llu is under way for ever: state %d, phase %s, ticket %d",
                          (unsigned long long)call->number, (int)ex->state,
                          weir_phase_name(ex->phase), (int)ex->ticket.state);
        }
    }
    sim_violation(world, "nothing happens any more, and not all calls were made");
}

static void calm(sim_world *world, void *what, uint64_t unused)
{
    (void)what;
    (void)unused;
    sim_trace(world, SIM_TRACE_CALM, 0, 0, 0);
    world->calm = true;
    world->plan.calm_at_ns = world->now_ns;
    sim_net_calm(world);
    sim_client_calm(world);
}

static void add_up(const sim_world *world, sim_totals *totals)
{
    totals->runs++;
    totals->hash = sim_mix(totals->hash ^ world->hash);
    totals->events += world->events_run;
    totals->allocations += world->memory.calls;
    totals->oracle.conns += world->oracle.conns;
    totals->oracle.frames += world->oracle.frames;
    totals->oracle.compared += world->oracle.compared;
    totals->oracle.cancels += world->oracle.cancels;
    totals->simulated_ns += world->now_ns - 1000 * WEIR_NS_PER_SECOND;
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        totals->faults[i] += world->faults[i];
    }
    if (world->driver != NULL) {
        totals->turns += world->driver->turns;
        totals->links += world->driver->links_closed;
        totals->links_agreed += world->driver->links_agreed;
        totals->reuses += world->driver->counts.reuses;
        totals->bounces += world->driver->counts.bounces;
        totals->evictions += world->driver->counts.evictions;
        totals->closed_idle += world->driver->counts.closed_idle;
        totals->unstowed += world->driver->unstowed;
        for (size_t i = 0; i < WEIR_REASON_COUNT; i++) {
            totals->reasons[i] += world->driver->reasons[i];
        }
    }
    if (world->net != NULL) {
        totals->sockets += world->net->count;
        for (size_t i = 0; i < world->net->count; i++) {
            totals->octets += world->net->sockets[i]->up.taken + world->net->sockets[i]->down.given;
        }
    }
    if (world->rest != NULL) {
        totals->horizons += sim_rest_is_known(world->rest);
        totals->rest_reuses += world->rest->reuses;
        totals->rests_passed += world->rest->passed;
    }
    if (world->client == NULL) {
        return;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(totals->statuses); i++) {
        totals->statuses[i] += world->client->statuses[i];
    }
    for (size_t i = 0; i < SIM_STALLS; i++) {
        totals->stalls_ns[i] += world->client->stalls_ns[i];
    }
    for (size_t i = 0; i < world->client->count; i++) {
        const sim_call *call = &world->client->calls[i];
        totals->calls++;
        totals->calm_calls += call->calm;
        totals->replays += call->attempts > 1 ? call->attempts - 1 : 0;
        totals->freed_early += call->done_ns == 0 && call->status == WEIR_OK;
    }
}
