/* SPDX-License-Identifier: MIT */
/* The simulator's driver: see driver.h, and engine/loop.c for the same with system calls. */
#include "driver.h"

#include <string.h>

#include "check.h"
#include "client.h"
#include "peer.h"

#define ROUNDS_LIMIT    64
#define IDLE_TURNS_MOST 5
#define CLOSE_ROUNDS    64

/* A look-up under way: what a weir_lookup is here. */
struct weir_lookup {
    sim_world *world;
    weir_port *port; /* both NULL: ended */
    weir_name *name; /* of connections that are there */
    size_t origin;
    uint64_t number;
};

/* A send that was begun and is not complete. The octets are the library's and must not move. */
typedef struct sim_sending {
    weir_list place; /* in driver.sent when complete */
    weir_port *port;
    weir_span spans[2];
    uint64_t hash;
} sim_sending;

/* What a port or an attempt has of ours. */
typedef struct seat {
    weir_port *port;
    size_t index; /* of an attempt */
    bool is_attempt;
    sim_socket *socket;
    sim_sending *sending;
} seat;

static weir_status front_response(weir_exchange *ex);
static weir_status front_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets);
static weir_status front_write(weir_exchange *ex, weir_span octets, size_t *taken);
static weir_status front_finish(weir_exchange *ex, const weir_fields *trailers);
static void front_resume(weir_exchange *ex);
static void front_kick(weir_exchange *ex);
static void front_leave(weir_exchange *ex);
static void check_busy(sim_world *world);
static void gather(sim_world *world);
static void gather_ready(sim_world *world, sim_socket *socket);
static void act(sim_world *world);
static void act_on(sim_world *world, weir_port *port);
static void dial(sim_world *world, weir_port *port);
static void look_names_up(sim_world *world);
static weir_lookup *look_up(sim_world *world, weir_span host);
static void forget_lookups(weir_turn *turn);
static void answer(sim_world *world, void *what, uint64_t family);
static weir_time lookup_time(sim_world *world);
static void start_attempt(sim_world *world, weir_port *port, size_t index);
static void attempt_ready(sim_world *world, seat *at);
static void end_dial(weir_port *port);
static void receive(sim_world *world, weir_port *port);
static void send_pending(sim_world *world, weir_port *port);
static bool begin_send(sim_world *world, weir_port *port, const weir_want *want);
static void complete_send(sim_world *world, void *what, uint64_t unused);
static void tell_sent(sim_world *world, sim_sending *sending, bool cancelled);
static void send_failed(sim_world *world, weir_port *port, int sys_errno);
static uint64_t hash_of(const weir_span *spans, size_t count);
static void close_port(sim_world *world, weir_port *port);
static void tell(sim_world *world);

const weir_front sim_driver_front = {
    .response = front_response,
    .read = front_read,
    .write = front_write,
    .finish = front_finish,
    .resume = front_resume,
    .kick = front_kick,
    .leave = front_leave,
};

bool sim_driver_open(sim_world *world)
{
    sim_driver *driver = sim_room(world, sizeof(*driver));
    weir_status status = WEIR_OK;

    world->driver = driver;
    driver->turn_at_ns = WEIR_NEVER;
    driver->receive = sim_room(world, world->plan.receive_octets);
    weir_list_init(&driver->cancelled);
    weir_list_init(&driver->sent);
    const weir_shared_options shared = {
        .size = sizeof(shared),
        .allocator = &world->memory.allocator,
    };
    sim_watch_connections(world, &driver->observer);
    driver->shared = weir_shared_new(&shared, &status);
    if (driver->shared == NULL) {
        return false;
    }
    const weir_core_options core = {
        .allocator = &world->memory.allocator,
        .shared = driver->shared,
        .observer = &driver->observer,
        .limits = &world->plan.limits,
        .seed = world->seed,
    };
    status = weir_turn_init(&driver->turn, &core);
    driver->is_open = status == WEIR_OK;
    if (!driver->is_open) {
        weir_shared_release(driver->shared);
        SIM_MUST(world, status == WEIR_E_NOMEM, "a turn cannot begin: %s",
                 weir_status_name(status));
    }
    return driver->is_open;
}

void sim_driver_close(sim_world *world)
{
    sim_driver *driver = world->driver;
    weir_turn *turn = &driver->turn;

    turn->now_ns = world->now_ns;
    weir_pool_shutdown(turn->core.pool, turn->now_ns);
    driver->budget_octets = UINT64_MAX;
    for (int round = 0; round < CLOSE_ROUNDS && !weir_list_is_empty(&turn->ports); round++) {
        weir_turn_decide(turn);
        act(world);
        (void)weir_turn_settle(turn);
    }
    while (!weir_list_is_empty(&turn->ports)) {
        close_port(world, WEIR_CONTAINER_OF(turn->ports.next, weir_port, place));
        weir_turn_decide(turn);
    }
    weir_events_tell(&turn->core.events);
    forget_lookups(turn);
    driver->counts = weir_pool_count(turn->core.pool);
    driver->metrics.size = sizeof(driver->metrics);
    weir_core_metrics(&turn->core, &driver->metrics);
    weir_turn_clear(turn);
    weir_shared_release(driver->shared);
    driver->is_open = false;
}

weir_time sim_driver_wake(sim_world *world)
{
    sim_driver *driver = world->driver;
    const weir_turn *turn = &driver->turn;
    const bool reason = weir_turn_has_work(turn) || weir_turn_has_told(turn) ||
                        !weir_list_is_empty(&world->net->ready) ||
                        !weir_list_is_empty(&driver->cancelled) ||
                        !weir_list_is_empty(&driver->sent);
    const weir_time deadline_ns = weir_turn_deadline(turn);
    const weir_time at_ns = reason                        ? world->now_ns
                            : deadline_ns > world->now_ns ? deadline_ns
                                                          : world->now_ns;

    if (at_ns == WEIR_NEVER) {
        return driver->turn_at_ns;
    }
    if (driver->turn_at_ns == WEIR_NEVER || (driver->turn_at_ns > at_ns && at_ns > world->now_ns)) {
        return at_ns;
    }
    return driver->turn_at_ns;
}

void sim_driver_turn(sim_world *world)
{
    sim_driver *driver = world->driver;
    weir_turn *turn = &driver->turn;

    if (driver->turn_at_ns == WEIR_NEVER &&
        sim_fault(world, SIM_FAULT_TURN_LATE, &world->for_driver)) {
        driver->turn_at_ns = world->now_ns + sim_spread(&world->for_driver, world->plan.tick_ns);
        return;
    }
    if (driver->turn_at_ns != WEIR_NEVER && driver->turn_at_ns > world->now_ns) {
        return;
    }
    driver->turn_at_ns = WEIR_NEVER;
    check_busy(world);
    sim_trace(world, SIM_TRACE_TURN, ++driver->turns, 0, 0);
    driver->in_turn = true;
    driver->budget_octets = world->plan.turn_octets;
    turn->now_ns = world->now_ns;
    gather(world);
    weir_turn_due(turn);
    int round = 0;
    for (; round < ROUNDS_LIMIT; round++) {
        weir_turn_decide(turn);
        act(world);
        if (!weir_turn_settle(turn)) {
            break;
        }
    }
    SIM_MUST(world, round < ROUNDS_LIMIT, "a turn does not come to rest");
    tell(world);
    driver->in_turn = false;
    sim_check_turn(world);
}

/* Turns in which nothing happens are a busy loop. Time passing, an event, octets and things told
 * are something. */
static void check_busy(sim_world *world)
{
    sim_driver *driver = world->driver;
    const uint64_t happened = world->events_run + world->line_count - driver->turns + world->now_ns;

    driver->idle_turns = happened == driver->happened ? driver->idle_turns + 1 : 0;
    driver->happened = happened;
    SIM_MUST(world, driver->idle_turns < IDLE_TURNS_MOST,
             "a busy loop: %u turns, and nothing happens", driver->idle_turns);
}

sim_socket *sim_driver_socket(const weir_port *port)
{
    const seat *at = port->driver;
    return at != NULL ? at->socket : NULL;
}

size_t sim_driver_in_flight(const weir_port *port)
{
    const seat *at = port->driver;

    return at != NULL && at->sending != NULL
               ? at->sending->spans[0].length + at->sending->spans[1].length
               : 0;
}

/* -- an exchange's user -- */

static sim_world *world_of(const weir_exchange *ex)
{
    return ex->owner;
}

static weir_turn *turn_of(const weir_exchange *ex)
{
    sim_world *world = world_of(ex);
    world->driver->turn.now_ns = world->now_ns;
    return &world->driver->turn;
}

static weir_status front_response(weir_exchange *ex)
{
    return weir_turn_response(turn_of(ex), ex);
}

static weir_status front_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets)
{
    return weir_turn_read(turn_of(ex), ex, to, room, octets);
}

static weir_status front_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    return weir_turn_write(turn_of(ex), ex, octets, taken);
}

static weir_status front_finish(weir_exchange *ex, const weir_fields *trailers)
{
    return weir_turn_finish(turn_of(ex), ex, trailers);
}

static void front_resume(weir_exchange *ex)
{
    weir_turn_resume(turn_of(ex), ex);
}

static void front_kick(weir_exchange *ex)
{
    sim_driver *driver = world_of(ex)->driver;
    weir_turn_seat *its = ex->seat;

    if (weir_list_is_empty(&its->kicked)) {
        weir_list_push_back(&driver->cancelled, &its->kicked);
    }
}

static void front_leave(weir_exchange *ex)
{
    weir_turn_seat *its = ex->seat;

    if (ex->call.token != NULL) {
        weir_token_remove(ex->call.token, ex);
        ex->call.token = NULL;
    }
    weir_list_remove(&its->kicked);
    weir_turn_abandon(turn_of(ex), ex);
    sim_client_leaves(world_of(ex), ex);
    weir_turn_free_exchange(turn_of(ex), ex);
}

/* -- gather -- */

static void gather(sim_world *world)
{
    sim_driver *driver = world->driver;
    weir_list ready;

    while (!weir_list_is_empty(&driver->sent)) {
        sim_sending *sending = WEIR_CONTAINER_OF(driver->sent.next, sim_sending, place);
        weir_list_remove(&sending->place);
        tell_sent(world, sending, false);
    }
    sim_net_take_ready(world, &ready);
    while (!weir_list_is_empty(&ready)) {
        sim_socket *socket = WEIR_CONTAINER_OF(ready.next, sim_socket, ready);
        weir_list_remove(&socket->ready);
        gather_ready(world, socket);
    }
    while (!weir_list_is_empty(&driver->cancelled)) {
        weir_turn_seat *its = WEIR_CONTAINER_OF(driver->cancelled.next, weir_turn_seat, kicked);
        weir_list_remove(&its->kicked);
        weir_turn_cancelled(&driver->turn, its->exchange);
    }
}

static void gather_ready(sim_world *world, sim_socket *socket)
{
    seat *at = socket->driver;
    /* As epoll: whatever the event was about, all that is ready now is told. */
    const bool in = socket->edge_in || sim_net_is_readable(socket);
    const bool out = socket->edge_out || socket->state != SIM_SOCKET_CONNECTING;
    const bool hangup = socket->edge_hangup;

    socket->edge_in = false;
    socket->edge_out = false;
    socket->edge_hangup = false;
    if (at == NULL || at->port == NULL) {
        return;
    }
    weir_port *port = at->port;
    if (at->is_attempt) {
        if (out) {
            attempt_ready(world, at);
        }
        /* Octets may have come with the connection. */
        if (at->is_attempt || at->port == NULL) {
            return;
        }
    }
    port->readable = port->readable || in;
    port->writable = port->writable || out;
    port->hangup = port->hangup || hangup;
    receive(world, port);
    weir_turn_touch(&world->driver->turn, port);
}

/* -- act -- */

static void act(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;

    look_names_up(world);
    for (weir_port *port = weir_turn_next_port(turn); port != NULL;
         port = weir_turn_next_port(turn)) {
        act_on(world, port);
    }
}

static void act_on(sim_world *world, weir_port *port)
{
    weir_turn *turn = &world->driver->turn;

    if (port->state == WEIR_PORT_DIALING && port->fd < 0) {
        dial(world, port);
        weir_turn_acted(turn, port);
        return;
    }
    if (port->fd >= 0) {
        receive(world, port);
        send_pending(world, port);
    }
    if (port->state == WEIR_PORT_CLOSING && (port->fd < 0 || weir_link_is_over(port->link))) {
        close_port(world, port);
        return;
    }
    weir_turn_acted(turn, port);
}

static void dial(sim_world *world, weir_port *port)
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

/* Names that connections came from, whose answers have run out. */
static void look_names_up(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;

    for (weir_name *name = weir_turn_next_name(turn); name != NULL;
         name = weir_turn_next_name(turn)) {
        name->lookup = look_up(world, (weir_span){name->host, name->host_length});
        name->lookup->name = name;
    }
}

/* The names end; answers may be on their way. */
static void forget_lookups(weir_turn *turn)
{
    weir_list *looking = &turn->core.names.looking;

    for (weir_list *at = looking->next; at != looking; at = at->next) {
        WEIR_CONTAINER_OF(at, weir_name, looking)->lookup->name = NULL;
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
    if (lookup->port != NULL) {
        weir_turn_answer(&world->driver->turn, lookup->port, (uint8_t)family, status, addresses,
                         count);
    } else if (weir_turn_name_answer(&world->driver->turn, lookup->name, (uint8_t)family, status,
                                     addresses, count)) {
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
    seat *at = sim_room(world, sizeof(*at));
    *at = (seat){.port = port, .index = index, .is_attempt = true, .socket = socket};
    socket->driver = at;
    attempt->fd = socket->fd;
    attempt->driver = at;
}

static void attempt_ready(sim_world *world, seat *at)
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
    at->socket->tls = port->slot != NULL ? weir_slot_key(port->slot)->tls : 0;
    port->fd = at->socket->fd;
    port->driver = at;
    port->writable = true;
    end_dial(port);
    weir_turn_attempt_ended(&world->driver->turn, port, at->index, 0);
}

/* Closes the attempts that did not win and the look-up. */
static void end_dial(weir_port *port)
{
    weir_dial *dialed = &port->dialing->dial;

    for (size_t i = 0; i < dialed->count; i++) {
        seat *at = dialed->addresses[i].driver;
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

static void receive(sim_world *world, weir_port *port)
{
    sim_driver *driver = world->driver;
    sim_socket *socket = sim_driver_socket(port);
    weir_want want;

    while (port->readable && driver->budget_octets > 0) {
        weir_link_want(port->link, &want);
        if (want.in_octets == 0) {
            return;
        }
        const size_t room =
            weir_min(want.in_octets, weir_min(world->plan.receive_octets, driver->budget_octets));
        const weir_io io = sim_net_recv(socket, driver->receive, room);
        switch (io.kind) {
        case WEIR_IO_OK:
            driver->budget_octets -= io.octets;
            weir_turn_received(&driver->turn, port, (weir_span){driver->receive, io.octets});
            break;
        case WEIR_IO_AGAIN:
            port->readable = false;
            return;
        case WEIR_IO_END:
            port->readable = false;
            weir_turn_received(&driver->turn, port, (weir_span){NULL, 0});
            return;
        case WEIR_IO_FAILED:
            port->readable = false;
            weir_turn_failed(&driver->turn, port, io.sys_errno);
            return;
        }
    }
    if (port->readable) {
        /* The budget is spent: on with it in the next turn. */
        sim_net_ready_again(socket);
    }
}

void sim_driver_race(sim_world *world, weir_port *port)
{
    sim_socket *socket = sim_driver_socket(port);

    if (socket != NULL && sim_fault(world, SIM_FAULT_FACTS_RACE, &world->for_driver)) {
        sim_peer_meddle(socket);
        sim_net_hurry(socket);
        port->readable = true;
        receive(world, port);
    }
}

/* -- sending -- */

static void send_pending(sim_world *world, weir_port *port)
{
    seat *at = port->driver;
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

static bool begin_send(sim_world *world, weir_port *port, const weir_want *want)
{
    seat *at = port->driver;

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

/* The operating system says what came of it. One that is cancelled may have been taken in part all
 * the same. */
static void tell_sent(sim_world *world, sim_sending *sending, bool cancelled)
{
    weir_port *port = sending->port;
    seat *at = port->driver;

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

/* An answer may lie unread in the socket: it is read before the failure is believed. */
static void send_failed(sim_world *world, weir_port *port, int sys_errno)
{
    port->readable = true;
    port->hangup = true;
    receive(world, port);
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

static void close_port(sim_world *world, weir_port *port)
{
    sim_driver *driver = world->driver;
    seat *at = port->driver;
    weir_account account;

    if (at != NULL && at->sending != NULL) {
        weir_list_remove(&at->sending->place);
        tell_sent(world, at->sending, true);
    }
    if (port->dialing != NULL) {
        end_dial(port);
    }
    weir_link_account(port->link, port->fd, &account);
    sim_check_account(world, port, &account);
    driver->links_closed++;
    weir_tally_add(&driver->closed_exchanges, &account.exchanges);
    if (at != NULL) {
        sim_net_close(at->socket);
        at->port = NULL;
    }
    weir_turn_closed(&driver->turn, port, &account);
}

/* -- tell -- */

static void tell(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;
    weir_loop_event events[64];
    size_t count = 0;

    weir_events_tell(&turn->core.events);
    for (weir_list *at = turn->telling.next; at != &turn->telling; at = at->next) {
        weir_events_tell(&WEIR_CONTAINER_OF(at, weir_turn_seat, telling)->exchange->events);
    }
    while (count < weir_min(world->plan.told_room, WEIR_COUNT_OF(events)) &&
           weir_turn_next_told(turn, &events[count])) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        sim_client_told(world, &events[i]);
    }
}
