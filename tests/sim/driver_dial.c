/* SPDX-License-Identifier: MIT */
/*
 * The simulator's driver dials: look-ups that answer at a time of the dice's choosing, and attempts
 * on the virtual network.
 */
#include "driver_common.h"

#include "client.h"

/* A look-up under way: what a weir_lookup is here. */
struct weir_lookup {
    sim_world *world;
    weir_port *port; /* both NULL: ended */
    weir_name *name; /* of connections that are there */
    size_t origin;
    uint64_t number;
};

static weir_lookup *look_up(sim_world *world, weir_span host);
static weir_time lookup_time(sim_world *world);
static void answer(sim_world *world, void *what, uint64_t family);
static void start_attempt(sim_world *world, weir_port *port, size_t index);

void sim_driver_dial(sim_world *world, weir_port *port)
{
    size_t index = 0;

    if (!port->dial_begun) {
        port->dial_begun = true;
        if (weir_dialing_needs_lookup(port->dialing)) {
            port->lookup = look_up(world, weir_dialing_host(port->dialing));
            port->lookup->port = port;
        }
    }
    while (port->state == WEIR_PORT_DIALING && port->fd < 0 &&
           weir_dialing_next(port->dialing, world->now_ns, &index)) {
        start_attempt(world, port, index);
    }
}

void sim_driver_look_names_up(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;

    for (weir_name *name = weir_turn_next_name(turn); name != NULL;
         name = weir_turn_next_name(turn)) {
        name->lookup = look_up(world, (weir_span){name->host, name->host_length});
        name->lookup->name = name;
    }
}

void sim_driver_forget_lookups(weir_turn *turn)
{
    weir_list *looking = &turn->core.names.looking;

    for (weir_list *at = looking->next; at != looking; at = at->next) {
        WEIR_CONTAINER_OF(at, weir_name, looking)->lookup->name = NULL;
    }
}

void sim_driver_attempt_ready(sim_world *world, sim_seat *at)
{
    weir_port *port = at->port;
    weir_dial_address *attempt = &port->dialing->dial.addresses[at->index];
    const weir_io io = sim_net_connect_result(at->socket);

    if (io.kind == WEIR_IO_AGAIN) {
        return; /* readiness for nothing */
    }
    attempt->fd = -1;
    attempt->driver = NULL;
    if (io.kind == WEIR_IO_FAILED) {
        sim_net_close(at->socket);
        at->port = NULL;
        weir_turn_attempt_ended(&world->driver->turn, port, at->index, io.sys_errno);
        return;
    }
    at->is_attempt = false;
    at->socket->link = port->link->id;
    at->socket->tls = weir_slot_key(port->slot)->tls;
    port->fd = at->socket->fd;
    port->driver = at;
    port->writable = true;
    sim_driver_end_dial(port);
    weir_turn_attempt_ended(&world->driver->turn, port, at->index, 0);
}

void sim_driver_end_dial(weir_port *port)
{
    weir_dial *dialed = &port->dialing->dial;

    for (size_t i = 0; i < dialed->count; i++) {
        sim_seat *at = dialed->addresses[i].driver;
        if (at != NULL) {
            sim_net_close(at->socket);
            at->port = NULL;
            dialed->addresses[i].fd = -1;
            dialed->addresses[i].driver = NULL;
        }
    }
    if (port->lookup != NULL) {
        port->lookup->port = NULL;
        port->lookup = NULL;
    }
}

static weir_lookup *look_up(sim_world *world, weir_span host)
{
    weir_lookup *lookup = sim_room(world, sizeof(*lookup));

    lookup->world = world;
    lookup->port = NULL;
    lookup->name = NULL;
    lookup->origin = sim_client_origin_of(world, host);
    lookup->number = ++world->driver->next_lookup;
    sim_trace(world, SIM_TRACE_LOOKUP, lookup->number, lookup->origin, 0);
    const bool four_first = sim_below(&world->for_driver, 2) == 0;
    const weir_time first_ns = lookup_time(world);
    const weir_time second_ns = lookup_time(world);
    if (first_ns != WEIR_NEVER) {
        sim_at(world, world->now_ns + first_ns, answer, lookup, four_first ? 4 : 6);
    }
    if (second_ns != WEIR_NEVER) {
        sim_at(world, world->now_ns + second_ns, answer, lookup, four_first ? 6 : 4);
    }
    return lookup;
}

static weir_time lookup_time(sim_world *world)
{
    sim_dice *dice = &world->for_driver;

    if (sim_fault(world, SIM_FAULT_DNS_SILENT, dice)) {
        return WEIR_NEVER;
    }
    if (sim_fault(world, SIM_FAULT_DNS_SLOW, dice)) {
        return sim_spread(dice, 20 * WEIR_NS_PER_SECOND);
    }
    return sim_below(dice, 3) * WEIR_NS_PER_MS;
}

static void answer(sim_world *world, void *what, uint64_t family)
{
    weir_lookup *lookup = what;
    sim_dice *dice = &world->for_driver;
    weir_address addresses[6];
    size_t count = 0;
    weir_status status = WEIR_OK;

    if (lookup->port == NULL && lookup->name == NULL) {
        return;
    }
    if (sim_fault(world, SIM_FAULT_DNS_NONE, dice)) {
        status = WEIR_E_DNS_NOT_FOUND;
    } else if (sim_fault(world, SIM_FAULT_DNS_FAILED, dice)) {
        status = WEIR_E_DNS_FAILED;
    } else if (!sim_fault(world, SIM_FAULT_DNS_EMPTY, dice)) {
        count = sim_between(dice, 1, WEIR_COUNT_OF(addresses));
        for (size_t i = 0; i < count; i++) {
            addresses[i] =
                sim_net_address(lookup->origin, (uint8_t)family, (uint8_t)sim_below(dice, 4));
            addresses[i].ttl_seconds = (uint32_t)sim_below(dice, 100);
        }
    }
    sim_trace(world, SIM_TRACE_ANSWER, lookup->number, family, (uint64_t)(int64_t)status);
    world->driver->turn.now_ns = world->now_ns;
    const weir_answer answer = {
        .family = (uint8_t)family, .status = status, .addresses = addresses, .count = count};
    if (lookup->port != NULL) {
        weir_turn_answer(&world->driver->turn, lookup->port, &answer);
    } else if (weir_turn_name_answer(&world->driver->turn, lookup->name, &answer)) {
        lookup->name = NULL;
    }
}

static void start_attempt(sim_world *world, weir_port *port, size_t index)
{
    weir_dial_address *attempt = &port->dialing->dial.addresses[index];
    sim_socket *socket = NULL;
    const weir_io io = sim_net_connect(world, &attempt->address, &socket);

    if (io.kind == WEIR_IO_FAILED) {
        weir_turn_attempt_ended(&world->driver->turn, port, index, io.sys_errno);
        return;
    }
    sim_seat *at = sim_room(world, sizeof(*at));
    *at = (sim_seat){.port = port, .index = index, .is_attempt = true, .socket = socket};
    socket->driver = at;
    attempt->fd = socket->fd;
    attempt->driver = at;
}
