/* SPDX-License-Identifier: MIT */
/*
 * The simulator's driver: see driver.h, and engine/loop.c for the same with system calls. How it
 * dials is in driver_dial.c, how it sends in driver_send.c.
 */
#include "driver_common.h"

#include "check.h"
#include "client.h"
#include "measure.h"
#include "peer.h"

#define ROUNDS_LIMIT    64
#define IDLE_TURNS_MOST 5
#define CLOSE_ROUNDS    64

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
        .metrics_series = world->plan.metrics_series,
    };
    status = weir_turn_init(&driver->turn, &core);
    driver->is_open = status == WEIR_OK;
    if (driver->is_open && world->plan.stow_ns != 0) {
        driver->turn.core.limits.h2.stow_ns = world->plan.stow_ns;
    }
    if (driver->is_open && world->plan.first_stream != 0) {
        driver->turn.core.limits.h2.first_stream = world->plan.first_stream;
    }
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
    sim_driver_forget_lookups(turn);
    driver->counts = weir_pool_count(turn->core.pool);
    driver->metrics.size = sizeof(driver->metrics);
    weir_core_metrics(&turn->core, &driver->metrics);
    sim_measure_series(world);
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
    const sim_seat *at = port->driver;
    return at != NULL ? at->socket : NULL;
}

size_t sim_driver_in_flight(const weir_port *port)
{
    const sim_seat *at = port->driver;

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
        sim_driver_tell_sent(world, sending, false);
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
    sim_seat *at = socket->driver;
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
            sim_driver_attempt_ready(world, at);
        }
        /* Octets may have come with the connection. */
        if (at->is_attempt || at->port == NULL) {
            return;
        }
    }
    port->readable = port->readable || in;
    port->writable = port->writable || out;
    port->hangup = port->hangup || hangup;
    sim_driver_receive(world, port);
    weir_turn_touch(&world->driver->turn, port);
}

/* -- act -- */

static void act(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;

    sim_driver_look_names_up(world);
    for (weir_port *port = weir_turn_next_port(turn); port != NULL;
         port = weir_turn_next_port(turn)) {
        act_on(world, port);
    }
}

static void act_on(sim_world *world, weir_port *port)
{
    weir_turn *turn = &world->driver->turn;

    if (port->state == WEIR_PORT_DIALING && port->fd < 0) {
        sim_driver_dial(world, port);
        weir_turn_acted(turn, port);
        return;
    }
    if (port->fd >= 0) {
        sim_driver_receive(world, port);
        sim_driver_send_pending(world, port);
    }
    if (weir_turn_is_over(turn, port)) {
        close_port(world, port);
        return;
    }
    weir_turn_acted(turn, port);
}

void sim_driver_receive(sim_world *world, weir_port *port)
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
        sim_driver_receive(world, port);
    }
}

static void close_port(sim_world *world, weir_port *port)
{
    sim_driver *driver = world->driver;
    sim_seat *at = port->driver;
    weir_account account;

    if (at != NULL && at->sending != NULL) {
        weir_list_remove(&at->sending->place);
        sim_driver_tell_sent(world, at->sending, true);
    }
    if (port->dialing != NULL) {
        sim_driver_end_dial(port);
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
