/* SPDX-License-Identifier: MIT */
/* The virtual network: see net.h. */
#include "net.h"

#include <string.h>

#include "peer.h"

#define FIN_MARK       UINT64_MAX
#define SEGMENTS_LIMIT 12
#define STALL_LIMIT_NS (120 * WEIR_NS_PER_SECOND)

static void connect_done(sim_world *world, void *what, uint64_t sys_errno);
static void begin_connected(sim_socket *socket);
static void launch(sim_socket *socket, sim_wire *wire, size_t octets, sim_act *arrive);
static void arrive_up(sim_world *world, void *what, uint64_t octets);
static void arrive_down(sim_world *world, void *what, uint64_t octets);
static bool arrived(sim_wire *wire, uint64_t octets);
static weir_time after_octets(const sim_world *world, const sim_wire *wire);
static void reset_arrives(sim_world *world, void *what, uint64_t unused);
static void tell_peer_end(sim_socket *socket, bool reset);
static void space_again(sim_world *world, void *what, uint64_t unused);
static void wire_append(sim_world *world, sim_wire *wire, const uint8_t *at, size_t octets);
static size_t wire_take(sim_wire *wire, uint8_t *to, size_t room);
static void edge(sim_socket *socket, bool in, bool out, bool hangup);
static void edge_late(sim_world *world, void *what, uint64_t bits);
static void put_ready(sim_socket *socket, bool in, bool out, bool hangup);
static weir_time delay(sim_world *world);
static weir_io failed(int sys_errno);

void sim_net_open(sim_world *world)
{
    world->net = sim_room(world, sizeof(*world->net));
    weir_list_init(&world->net->ready);
}

void sim_net_calm(sim_world *world)
{
    for (size_t i = 0; i < world->net->count; i++) {
        sim_socket *socket = world->net->sockets[i];
        if (socket->state == SIM_SOCKET_CONNECTING) {
            /* A SYN that is sent again finds its way now. */
            sim_at(world, world->now_ns + WEIR_NS_PER_SECOND, connect_done, socket, 0);
        }
        if (socket->state != SIM_SOCKET_CONNECTED || socket->reset) {
            continue;
        }
        socket->up.last_ns = world->now_ns;
        socket->down.last_ns = world->now_ns;
        socket->up.stalled_until_ns = 0;
        socket->down.stalled_until_ns = 0;
        socket->up.arrived = socket->up.end;
        socket->down.arrived = socket->down.end;
        socket->down.end_arrived = socket->down.ended;
        edge(socket, true, true, socket->down.end_arrived);
        sim_peer_arrived(socket);
        sim_peer_calm(socket);
    }
}

/* -- the client's side -- */

weir_io sim_net_connect(sim_world *world, const weir_address *address, sim_socket **made)
{
    sim_net *net = world->net;
    sim_dice *dice = &world->for_net;

    *made = NULL;
    if (sim_fault(world, SIM_FAULT_CONNECT_DESCRIPTORS, dice)) {
        return failed(SIM_EMFILE);
    }
    if (sim_fault(world, SIM_FAULT_CONNECT_UNREACHABLE, dice)) {
        return failed(SIM_ENETUNREACH);
    }
    if (net->count == net->room) {
        sim_socket **grown = sim_room(world, (net->room * 2 + 16) * sizeof(sim_socket *));
        if (net->count > 0) {
            memcpy(grown, net->sockets, net->count * sizeof(sim_socket *));
        }
        net->sockets = grown;
        net->room = net->room * 2 + 16;
    }
    sim_socket *socket = sim_room(world, sizeof(*socket));
    weir_list_init(&socket->ready);
    socket->world = world;
    socket->fd = SIM_FD_FIRST + (int)net->count;
    socket->origin = address->octets[1];
    net->sockets[net->count++] = socket;
    net->open++;
    *made = socket;
    sim_trace(world, SIM_TRACE_CONNECT, (uint64_t)socket->fd, address->octets[3], 0);
    if (sim_fault(world, SIM_FAULT_CONNECT_HOLE, dice)) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    }
    if (sim_fault(world, SIM_FAULT_CONNECT_AT_ONCE, dice)) {
        begin_connected(socket);
        edge(socket, false, true, false);
        return (weir_io){WEIR_IO_OK, 0, 0};
    }
    const bool refused = sim_fault(world, SIM_FAULT_CONNECT_REFUSED, dice);
    sim_at(world, world->now_ns + 2 * delay(world), connect_done, socket,
           refused ? SIM_ECONNREFUSED : 0);
    return (weir_io){WEIR_IO_AGAIN, 0, 0};
}

weir_io sim_net_connect_result(const sim_socket *socket)
{
    switch (socket->state) {
    case SIM_SOCKET_CONNECTING:
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    case SIM_SOCKET_CONNECTED:
        return socket->reset ? failed(SIM_ECONNRESET) : (weir_io){WEIR_IO_OK, 0, 0};
    case SIM_SOCKET_LOST:
    case SIM_SOCKET_CLOSED:
        break;
    }
    return failed(socket->sys_errno);
}

weir_io sim_net_send(sim_socket *socket, const weir_span *spans, size_t count)
{
    sim_world *world = socket->world;
    sim_dice *dice = &world->for_net;
    const size_t queued = socket->up.end - socket->up.first;
    size_t room = world->plan.send_octets > queued ? world->plan.send_octets - queued : 0;
    size_t offered = 0;
    size_t taken = 0;

    SIM_MUST(world, socket->state == SIM_SOCKET_CONNECTED,
             "send on a socket that is not connected");
    if (socket->reset) {
        const bool first = !socket->reset_told;
        socket->reset_told = true;
        sim_trace(world, SIM_TRACE_IO_FAILED, (uint64_t)socket->fd,
                  first ? SIM_ECONNRESET : SIM_EPIPE, 0);
        return failed(first ? SIM_ECONNRESET : SIM_EPIPE);
    }
    for (size_t i = 0; i < count; i++) {
        offered += spans[i].length;
    }
    SIM_MUST(world, offered > 0, "a send of nothing");
    if (room > 0 && sim_fault(world, SIM_FAULT_SEND_FULL, dice)) {
        room = 0;
        sim_at(world, world->now_ns + delay(world), space_again, socket, 0);
    }
    if (room > 1 && offered > 1 && sim_fault(world, SIM_FAULT_SEND_PART, dice)) {
        room = 1 + sim_spread(dice, weir_min(room, offered) - 2 + 1);
    }
    for (size_t i = 0; i < count && taken < room; i++) {
        const size_t step = weir_min(spans[i].length, room - taken);
        wire_append(world, &socket->up, spans[i].at, step);
        taken += step;
    }
    sim_trace(world, SIM_TRACE_SENT, (uint64_t)socket->fd, taken, offered);
    if (taken == 0) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    }
    if (taken < offered) {
        sim_at(world, world->now_ns + delay(world), space_again, socket, 0);
    }
    launch(socket, &socket->up, taken, arrive_up);
    if (sim_fault(world, SIM_FAULT_RESET, dice)) {
        sim_at(world, world->now_ns + delay(world), reset_arrives, socket, 0);
    }
    return (weir_io){WEIR_IO_OK, 0, taken};
}

weir_io sim_net_recv(sim_socket *socket, uint8_t *to, size_t room)
{
    sim_world *world = socket->world;

    SIM_MUST(world, socket->state == SIM_SOCKET_CONNECTED,
             "recv on a socket that is not connected");
    SIM_MUST(world, room > 0, "a recv of nothing");
    if (room > 1 && sim_fault(world, SIM_FAULT_RECV_PART, &world->for_net)) {
        room = 1 + sim_spread(&world->for_net, room - 1);
    }
    const size_t octets = wire_take(&socket->down, to, room);
    if (octets > 0) {
        sim_trace(world, SIM_TRACE_RECEIVED, (uint64_t)socket->fd, octets, room);
        return (weir_io){WEIR_IO_OK, 0, octets};
    }
    if (socket->reset && !socket->reset_told) {
        socket->reset_told = true;
        sim_trace(world, SIM_TRACE_IO_FAILED, (uint64_t)socket->fd, SIM_ECONNRESET, 0);
        return failed(SIM_ECONNRESET);
    }
    if (socket->reset || socket->down.end_arrived) {
        socket->down.end_given = true;
        sim_trace(world, SIM_TRACE_IO_END, (uint64_t)socket->fd, 0, 0);
        return (weir_io){WEIR_IO_END, 0, 0};
    }
    return (weir_io){WEIR_IO_AGAIN, 0, 0};
}

void sim_net_close(sim_socket *socket)
{
    sim_world *world = socket->world;

    SIM_MUST(world, socket->state != SIM_SOCKET_CLOSED, "socket %d closed twice", socket->fd);
    sim_trace(world, SIM_TRACE_CLOSED, (uint64_t)socket->fd, socket->up.taken, socket->down.given);
    const bool was_connected = socket->state == SIM_SOCKET_CONNECTED;
    const bool unread = socket->down.end > socket->down.first;
    socket->state = SIM_SOCKET_CLOSED;
    weir_list_remove(&socket->ready);
    world->net->open--;
    if (!was_connected || socket->reset) {
        return;
    }
    if (unread) {
        /* Linux answers with a reset when octets were left unread. */
        tell_peer_end(socket, true);
        return;
    }
    socket->up.ended = true;
    sim_at(world,
           weir_time_add(socket->up.last_ns > world->now_ns ? socket->up.last_ns : world->now_ns,
                         delay(world)),
           arrive_up, socket, FIN_MARK);
}

void sim_net_take_ready(sim_world *world, weir_list *ready)
{
    weir_list_init(ready);
    weir_list_splice(ready, &world->net->ready);
}

void sim_net_ready_again(sim_socket *socket)
{
    put_ready(socket, true, false, false);
}

void sim_net_hurry(sim_socket *socket)
{
    if (socket->state == SIM_SOCKET_CONNECTED && !socket->reset) {
        socket->down.arrived = socket->down.end;
        socket->down.end_arrived = socket->down.ended;
    }
}

bool sim_net_is_readable(const sim_socket *socket)
{
    return socket->down.arrived > socket->down.first || (socket->reset && !socket->reset_told) ||
           (socket->down.end_arrived && !socket->down.end_given);
}

/* -- the peer's side -- */

weir_span sim_net_peer_take(sim_socket *socket)
{
    sim_wire *wire = &socket->up;
    const weir_span span = {wire->octets + wire->first, wire->arrived - wire->first};

    wire->first = wire->arrived;
    wire->given += span.length;
    if (span.length > 0) {
        sim_trace(socket->world, SIM_TRACE_PEER_GOT, (uint64_t)socket->fd, span.length, 0);
        edge(socket, false, true, false);
    }
    return span;
}

void sim_net_peer_send(sim_socket *socket, weir_span octets)
{
    sim_world *world = socket->world;

    if (octets.length == 0 || socket->peer_gone || socket->down.ended || socket->reset ||
        socket->state != SIM_SOCKET_CONNECTED) {
        return;
    }
    sim_trace(world, SIM_TRACE_PEER_SENT, (uint64_t)socket->fd, octets.length, 0);
    wire_append(world, &socket->down, octets.at, octets.length);
    launch(socket, &socket->down, octets.length, arrive_down);
    if (sim_fault(world, SIM_FAULT_RESET, &world->for_net)) {
        sim_at(world, world->now_ns + delay(world), reset_arrives, socket, 0);
    }
}

void sim_net_peer_end(sim_socket *socket, bool gone)
{
    sim_world *world = socket->world;

    socket->peer_gone = socket->peer_gone || gone;
    if (socket->down.ended || socket->state != SIM_SOCKET_CONNECTED) {
        return;
    }
    socket->down.ended = true;
    sim_trace(world, SIM_TRACE_PEER_END, (uint64_t)socket->fd, gone, 0);
    const weir_time at_ns =
        socket->down.last_ns > world->now_ns ? socket->down.last_ns : world->now_ns;
    sim_at(world, weir_time_add(at_ns, sim_below(&world->for_net, 2) * delay(world)), arrive_down,
           socket, FIN_MARK);
}

void sim_net_peer_reset(sim_socket *socket)
{
    sim_world *world = socket->world;

    if (socket->state != SIM_SOCKET_CONNECTED || socket->reset) {
        return;
    }
    socket->peer_gone = true;
    sim_trace(world, SIM_TRACE_PEER_RESET, (uint64_t)socket->fd, 0, 0);
    sim_at(world, world->now_ns + delay(world), reset_arrives, socket, 0);
}

bool sim_net_peer_has_ended(const sim_socket *socket)
{
    return socket->down.ended || socket->peer_gone;
}

weir_address sim_net_address(size_t origin, uint8_t family, uint8_t number)
{
    weir_address address;

    memset(&address, 0, sizeof(address));
    address.family = family;
    address.octets[0] = family == 4 ? 10 : 0xfd;
    address.octets[1] = (uint8_t)origin;
    address.octets[3] = number;
    return address;
}

/* -- what happens later -- */

static void connect_done(sim_world *world, void *what, uint64_t sys_errno)
{
    sim_socket *socket = what;

    if (socket->state != SIM_SOCKET_CONNECTING) {
        return;
    }
    sim_trace(world, SIM_TRACE_CONNECTED, (uint64_t)socket->fd, sys_errno, 0);
    if (sys_errno == 0) {
        begin_connected(socket);
    } else {
        socket->state = SIM_SOCKET_LOST;
        socket->sys_errno = (int)sys_errno;
    }
    edge(socket, sys_errno != 0, true, sys_errno != 0);
}

static void begin_connected(sim_socket *socket)
{
    socket->state = SIM_SOCKET_CONNECTED;
    sim_peer_connected(socket);
}

/* Octets set out, in one piece or several. */
static void launch(sim_socket *socket, sim_wire *wire, size_t octets, sim_act *arrive)
{
    sim_world *world = socket->world;
    const bool down = wire == &socket->down;
    size_t left = octets;

    if (sim_fault(world, down ? SIM_FAULT_STALL_DOWN : SIM_FAULT_STALL_UP, &world->for_net)) {
        wire->stalled_until_ns = world->now_ns + sim_spread(&world->for_net, STALL_LIMIT_NS);
    }
    for (int i = 0; left > 0; i++) {
        size_t step = left;
        if (left > 1 && i < SEGMENTS_LIMIT &&
            sim_fault(world, SIM_FAULT_SEGMENT, &world->for_net)) {
            step = 1 + sim_spread(&world->for_net, left - 1);
            step = weir_min(step, left);
        }
        const weir_time at_ns = world->now_ns + delay(world);
        wire->last_ns = at_ns > wire->last_ns ? at_ns : wire->last_ns;
        sim_at(world, wire->last_ns, arrive, socket, step);
        left -= step;
    }
}

static void arrive_up(sim_world *world, void *what, uint64_t octets)
{
    sim_socket *socket = what;

    if (socket->reset || socket->peer_told_end) {
        return;
    }
    if (world->now_ns < socket->up.stalled_until_ns && !world->calm) {
        sim_at(world, socket->up.stalled_until_ns, arrive_up, socket, octets);
        return;
    }
    if (socket->peer_gone && octets != FIN_MARK) {
        sim_at(world, world->now_ns + delay(world), reset_arrives, socket, 0);
        return;
    }
    if (octets == FIN_MARK) {
        if (socket->up.arrived < socket->up.end && !socket->peer_gone) {
            /* Octets that a stall held back go first. */
            sim_at(world, after_octets(world, &socket->up), arrive_up, socket, octets);
            return;
        }
        sim_peer_arrived(socket);
        tell_peer_end(socket, false);
        return;
    }
    if (arrived(&socket->up, octets)) {
        sim_peer_arrived(socket);
    }
}

static void arrive_down(sim_world *world, void *what, uint64_t octets)
{
    sim_socket *socket = what;

    if (socket->reset || socket->state != SIM_SOCKET_CONNECTED) {
        return;
    }
    if (world->now_ns < socket->down.stalled_until_ns && !world->calm) {
        sim_at(world, socket->down.stalled_until_ns, arrive_down, socket, octets);
        return;
    }
    if (octets == FIN_MARK) {
        if (socket->down.arrived < socket->down.end) {
            sim_at(world, after_octets(world, &socket->down), arrive_down, socket, octets);
            return;
        }
        if (!socket->down.end_arrived) {
            socket->down.end_arrived = true;
            edge(socket, true, false, true);
        }
        return;
    }
    if (arrived(&socket->down, octets)) {
        edge(socket, true, false, false);
    }
}

/* When to look again whether everything before an end has arrived. */
static weir_time after_octets(const sim_world *world, const sim_wire *wire)
{
    const weir_time later_ns =
        wire->stalled_until_ns > wire->last_ns ? wire->stalled_until_ns : wire->last_ns;

    return later_ns > world->now_ns ? later_ns : world->now_ns + WEIR_NS_PER_MS;
}

/* Did anything arrive that had not? */
static bool arrived(sim_wire *wire, uint64_t octets)
{
    const size_t before = wire->arrived;

    wire->arrived = weir_min(wire->end, wire->arrived + (size_t)octets);
    return wire->arrived > before;
}

static void reset_arrives(sim_world *world, void *what, uint64_t unused)
{
    sim_socket *socket = what;

    (void)unused;
    if (socket->reset || socket->state != SIM_SOCKET_CONNECTED) {
        return;
    }
    socket->reset = true;
    socket->peer_gone = true;
    socket->down.end = socket->down.arrived;
    if (sim_fault(world, SIM_FAULT_EAGER_RESET, &world->for_net)) {
        socket->down.first = socket->down.arrived;
    }
    tell_peer_end(socket, true);
    edge(socket, true, true, true);
}

static void tell_peer_end(sim_socket *socket, bool reset)
{
    if (socket->peer_told_end) {
        return;
    }
    socket->peer_told_end = true;
    sim_trace(socket->world, SIM_TRACE_PEER_SAW_END, (uint64_t)socket->fd, reset, 0);
    sim_peer_saw_end(socket, reset);
}

static void space_again(sim_world *world, void *what, uint64_t unused)
{
    sim_socket *socket = what;

    (void)world;
    (void)unused;
    if (socket->state == SIM_SOCKET_CONNECTED) {
        edge(socket, false, true, false);
    }
}

static void wire_append(sim_world *world, sim_wire *wire, const uint8_t *at, size_t octets)
{
    if (wire->first == wire->end) {
        wire->first = 0;
        wire->arrived = 0;
        wire->end = 0;
    }
    if (wire->room - wire->end < octets) {
        const size_t held = wire->end - wire->first;
        const size_t room = (held + octets) * 2 + 256;
        uint8_t *grown = sim_room(world, room);
        if (held > 0) {
            memcpy(grown, wire->octets + wire->first, held);
        }
        wire->octets = grown;
        wire->room = room;
        wire->arrived -= wire->first;
        wire->first = 0;
        wire->end = held;
    }
    memcpy(wire->octets + wire->end, at, octets);
    wire->end += octets;
    wire->taken += octets;
}

static size_t wire_take(sim_wire *wire, uint8_t *to, size_t room)
{
    const size_t octets = weir_min(room, wire->arrived - wire->first);

    if (octets > 0) {
        memcpy(to, wire->octets + wire->first, octets);
    }
    wire->first += octets;
    wire->given += octets;
    return octets;
}

/* -- readiness -- */

enum { EDGE_IN = 1, EDGE_OUT = 2, EDGE_HANGUP = 4 };

static void edge(sim_socket *socket, bool in, bool out, bool hangup)
{
    sim_world *world = socket->world;

    if (sim_fault(world, SIM_FAULT_SPURIOUS, &world->for_net)) {
        in = true;
        out = true;
    }
    if (sim_fault(world, SIM_FAULT_READY_LATE, &world->for_net)) {
        const uint64_t bits =
            (in ? EDGE_IN : 0U) | (out ? EDGE_OUT : 0U) | (hangup ? EDGE_HANGUP : 0U);
        socket->edges_late++;
        sim_at(world, world->now_ns + delay(world), edge_late, socket, bits);
        return;
    }
    put_ready(socket, in, out, hangup);
}

static void edge_late(sim_world *world, void *what, uint64_t bits)
{
    sim_socket *socket = what;

    (void)world;
    socket->edges_late--;
    put_ready(what, (bits & EDGE_IN) != 0, (bits & EDGE_OUT) != 0, (bits & EDGE_HANGUP) != 0);
}

static void put_ready(sim_socket *socket, bool in, bool out, bool hangup)
{
    if (socket->state == SIM_SOCKET_CLOSED) {
        return;
    }
    socket->edge_in = socket->edge_in || in;
    socket->edge_out = socket->edge_out || out;
    socket->edge_hangup = socket->edge_hangup || hangup;
    if (weir_list_is_empty(&socket->ready)) {
        weir_list_push_back(&socket->world->net->ready, &socket->ready);
    }
}

static weir_time delay(sim_world *world)
{
    sim_dice *dice = &world->for_net;
    const weir_time usual =
        world->plan.latency_ns > 0
            ? sim_between(dice, world->plan.latency_ns / 2, world->plan.latency_ns)
            : 0;

    if (sim_fault(world, SIM_FAULT_DELAY, dice)) {
        return usual + sim_spread(dice, 20 * WEIR_NS_PER_SECOND);
    }
    return usual;
}

static weir_io failed(int sys_errno)
{
    return (weir_io){WEIR_IO_FAILED, sys_errno, 0};
}
