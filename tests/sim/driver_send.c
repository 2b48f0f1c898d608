/* SPDX-License-Identifier: MIT */
/*
 * The simulator's driver sends: at once, or begun now and complete long after, as with io_uring.
 * Until then the octets stay where they are, which is checked.
 */
#include "driver_common.h"

static bool begin_send(sim_world *world, weir_port *port, const weir_want *want);
static void complete_send(sim_world *world, void *what, uint64_t unused);
static void send_failed(sim_world *world, weir_port *port, int sys_errno);
static uint64_t hash_of(const weir_span *spans, size_t count);

void sim_driver_send_pending(sim_world *world, weir_port *port)
{
    sim_seat *at = port->driver;
    weir_want want;

    for (weir_link_want(port->link, &want);
         port->writable && want.out[0].length > 0 && at->sending == NULL;
         weir_link_want(port->link, &want)) {
        if (begin_send(world, port, &want)) {
            return;
        }
        const weir_io io = sim_net_send(at->socket, want.out, want.out[1].length > 0 ? 2 : 1);
        if (io.kind == WEIR_IO_OK) {
            weir_turn_sent(&world->driver->turn, port, io.octets);
            port->writable = io.octets == want.out[0].length + want.out[1].length;
            if (!port->writable) {
                weir_link_refused(port->link, world->now_ns);
            }
            continue;
        }
        port->writable = false;
        weir_link_refused(port->link, world->now_ns);
        if (io.kind == WEIR_IO_FAILED) {
            send_failed(world, port, io.sys_errno);
            return;
        }
    }
}

void sim_driver_tell_sent(sim_world *world, sim_sending *sending, bool cancelled)
{
    weir_port *port = sending->port;
    sim_seat *at = port->driver;

    at->sending = NULL;
    sending->port = NULL;
    weir_link_sending(port->link, 0);
    SIM_MUST(world, hash_of(sending->spans, 2) == sending->hash,
             "octets of a send under way were changed");
    if (cancelled && sim_below(&world->for_driver, 2) == 0) {
        return;
    }
    const weir_io io =
        sim_net_send(at->socket, sending->spans, sending->spans[1].length > 0 ? 2 : 1);
    if (io.kind == WEIR_IO_OK) {
        weir_turn_sent(&world->driver->turn, port, io.octets);
        port->writable = io.octets == sending->spans[0].length + sending->spans[1].length;
    } else {
        port->writable = false;
    }
    if (!port->writable) {
        weir_link_refused(port->link, world->now_ns);
    }
    if (io.kind == WEIR_IO_FAILED && !cancelled) {
        send_failed(world, port, io.sys_errno);
    }
    weir_turn_touch(&world->driver->turn, port);
}

static bool begin_send(sim_world *world, weir_port *port, const weir_want *want)
{
    sim_seat *at = port->driver;

    if (!sim_fault(world, SIM_FAULT_SEND_IN_FLIGHT, &world->for_driver)) {
        return false;
    }
    sim_sending *sending = sim_room(world, sizeof(*sending));
    weir_list_init(&sending->place);
    sending->port = port;
    sending->spans[0] = want->out[0];
    sending->spans[1] = want->out[1];
    sending->hash = hash_of(sending->spans, 2);
    at->sending = sending;
    weir_link_sending(port->link, want->out[0].length + want->out[1].length);
    sim_at(world, world->now_ns + sim_spread(&world->for_driver, WEIR_NS_PER_SECOND), complete_send,
           sending, 0);
    return true;
}

static void complete_send(sim_world *world, void *what, uint64_t unused)
{
    sim_sending *sending = what;

    (void)unused;
    if (sending->port != NULL) {
        weir_list_push_back(&world->driver->sent, &sending->place);
    }
}

/* An answer may lie unread in the socket: it is read before the failure is believed. */
static void send_failed(sim_world *world, weir_port *port, int sys_errno)
{
    port->readable = true;
    port->hangup = true;
    sim_driver_receive(world, port);
    if (port->link->state != WEIR_LINK_CLOSED) {
        weir_turn_failed(&world->driver->turn, port, sys_errno);
    }
}

static uint64_t hash_of(const weir_span *spans, size_t count)
{
    uint64_t hash = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < spans[i].length; j++) {
            hash = (hash ^ spans[i].at[j]) * UINT64_C(0x100000001b3);
        }
    }
    return hash;
}
