/* SPDX-License-Identifier: MIT */
/*
 * What the linker puts in place of a few functions of the library (CMakeLists.txt: --wrap). Without
 * a plant each is the real one.
 *
 * weir_exchange_attach is no fault: octets may arrive between a lease and the opening of its stream
 * where another thread reads. The driver lets them.
 */
#include "plant.h"

#include <string.h>

#include "driver.h"

/* Names that the linker asks for. */
void __wrap_weir_pool_release(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                              weir_time now_ns);
void __real_weir_pool_release(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                              weir_time now_ns);
void __wrap_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets);
void __real_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets);
weir_status __wrap_weir_exchange_attach(weir_exchange *exchange, weir_link *link, weir_time now_ns);
weir_status __real_weir_exchange_attach(weir_exchange *exchange, weir_link *link, weir_time now_ns);
weir_time __wrap_weir_horizon_span(const weir_horizon *horizon, weir_time now_ns);
weir_time __real_weir_horizon_span(const weir_horizon *horizon, weir_time now_ns);
bool __wrap_weir_exchange_is_misdirected(const weir_exchange *exchange, int code);
bool __real_weir_exchange_is_misdirected(const weir_exchange *exchange, int code);
weir_pool *__wrap_weir_pool_new(const weir_pool_options *options, weir_status *status);
weir_pool *__real_weir_pool_new(const weir_pool_options *options, weir_status *status);

static bool happens(sim_plant plant);

static const char *const names[] = {"none",       "lost-release", "double-charge", "wrong-row",
                                    "no-horizon", "near-horizon", "elsewhere",     "more-h2"};
_Static_assert(WEIR_COUNT_OF(names) == SIM_PLANT_COUNT, "every plant has a name");

const char *sim_plant_name(sim_plant plant)
{
    return names[plant];
}

sim_plant sim_plant_of(const char *name)
{
    sim_plant plant = SIM_PLANT_LOST_RELEASE;

    while (plant < SIM_PLANT_COUNT && strcmp(names[plant], name) != 0) {
        plant++;
    }
    return plant;
}

/* Once in a run, at a time that the seed chose. */
static bool happens(sim_plant plant)
{
    sim_world *world = sim_current;

    return world->plant == plant && world->planted_after-- == 0;
}

void __wrap_weir_pool_release(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                              weir_time now_ns)
{
    if (happens(SIM_PLANT_LOST_RELEASE)) {
        /* As if the call had done it: only the pool does not know. */
        weir_list_remove(&ticket->link);
        ticket->state = WEIR_TICKET_IDLE;
        ticket->slot = NULL;
        return;
    }
    __real_weir_pool_release(pool, ticket, facts, now_ns);
}

void __wrap_weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                               weir_direction direction, uint64_t octets)
{
    if (octets > 0 && owner != NULL && happens(SIM_PLANT_DOUBLE_CHARGE)) {
        __real_weir_ledger_charge(ledger, owner, row, direction, octets);
    }
    if (octets > 0 && owner != NULL && happens(SIM_PLANT_WRONG_ROW)) {
        row = (weir_row)((row + 1) % WEIR_OWNER_ROWS);
    }
    __real_weir_ledger_charge(ledger, owner, row, direction, octets);
}

weir_status __wrap_weir_exchange_attach(weir_exchange *exchange, weir_link *link, weir_time now_ns)
{
    sim_driver_race(sim_current, weir_slot_user(link->slot));
    return __real_weir_exchange_attach(exchange, link, now_ns);
}

/* These are as the pool would be without the code that they take the place of: in the whole run. */
weir_time __wrap_weir_horizon_span(const weir_horizon *horizon, weir_time now_ns)
{
    const weir_time span_ns = __real_weir_horizon_span(horizon, now_ns);

    if (sim_current->plant == SIM_PLANT_NO_HORIZON) {
        return WEIR_NEVER;
    }
    if (sim_current->plant == SIM_PLANT_NEAR_HORIZON && span_ns != WEIR_NEVER) {
        return 1;
    }
    return span_ns;
}

bool __wrap_weir_exchange_is_misdirected(const weir_exchange *exchange, int code)
{
    if (sim_current->plant != SIM_PLANT_ELSEWHERE) {
        return __real_weir_exchange_is_misdirected(exchange, code);
    }
    weir_exchange forgetful = *exchange;
    forgetful.misdirected = false;
    return __real_weir_exchange_is_misdirected(&forgetful, code);
}

weir_pool *__wrap_weir_pool_new(const weir_pool_options *options, weir_status *status)
{
    weir_pool_options careless = *options;

    if (sim_current->plant == SIM_PLANT_MORE_H2) {
        careless.h2_connections = 0;
    }
    return __real_weir_pool_new(&careless, status);
}
