/* SPDX-License-Identifier: MIT */
/* The invariants of all that there is at a moment: see check.h. */
#include "check.h"

#include <string.h>

#include "driver.h"
#include "engine/snapshot.h"
#include "measure.h"
#include "pool/slot.h"
#include "tls_peer.h"

#define NUMBER(call) ((unsigned long long)(call)->number)

static void check_ports(sim_world *world);
static void check_snapshot(sim_world *world);
static bool is_live_h2(const weir_port *port);
static void check_port(sim_world *world, weir_port *port);
static void check_progress(sim_world *world, weir_port *port, sim_socket *socket);
static void check_requests(sim_world *world, const weir_port *port);
static void check_leases(sim_world *world, const weir_port *port);
static void check_call(sim_world *world, const sim_call *call);
static void check_waits(sim_world *world, const sim_call *call);
static void check_handshake(sim_world *world, const weir_port *port, const weir_account *account,
                            const sim_tls_peer *tls);

void sim_check_turn(sim_world *world)
{
    sim_driver *driver = world->driver;

    weir_turn_check(&driver->turn);
    sim_measure_counters(world);
    check_ports(world);
    if (driver->turn.now_ns % 16 == 0) {
        check_snapshot(world);
        sim_measure_series(world);
    }
    for (size_t i = 0; i < world->client->count; i++) {
        const sim_call *call = &world->client->calls[i];
        if (call->exchange != NULL) {
            check_call(world, call);
            check_waits(world, call);
            sim_measure_waiting(&world->client->calls[i]);
        }
    }
}

/* -- connections -- */

/* Limits hold at every instant. */
static void check_ports(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;
    const weir_pool_limits *limits = &world->plan.limits;
    size_t all = 0;

    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        all++;
        size_t of_origin = 0;
        size_t live = 0;
        for (weir_list *other = turn->ports.next; other != &turn->ports; other = other->next) {
            const weir_port *its = WEIR_CONTAINER_OF(other, weir_port, place);
            if (weir_origin_key_equal(weir_slot_key(its->slot), weir_slot_key(port->slot))) {
                of_origin++;
                live += is_live_h2(its);
            }
        }
        SIM_MUST(world, of_origin <= limits->connections_per_origin,
                 "%zu connections to one origin, the limit is %u", of_origin,
                 limits->connections_per_origin);
        SIM_MUST(world, limits->h2_connections == 0 || live <= limits->h2_connections,
                 "%zu HTTP/2 connections to one origin, the limit is %u", live,
                 limits->h2_connections);
        check_port(world, port);
    }
    SIM_MUST(world, all <= limits->connections, "%zu connections, the limit is %u", all,
             limits->connections);
}

/* A connection that takes exchanges, or the dial of one: what drains may be replaced (RFC 9113
 * s9.1). */
static bool is_live_h2(const weir_port *port)
{
    const weir_slot *slot = port->slot;

    return slot->state == WEIR_SLOT_DIALING
               ? weir_slot_protocol_hint(slot) == WEIR_H2
               : slot->state == WEIR_SLOT_READY && weir_link_protocol(port->link) == WEIR_H2;
}

static void check_port(sim_world *world, weir_port *port)
{
    sim_socket *socket = sim_driver_socket(port);
    const weir_ledger *ledger = weir_link_ledger(port->link);

    if (ledger == NULL) {
        /* A clear link without a connection has moved nothing. */
        SIM_MUST(world, socket == NULL || (socket->up.taken == 0 && socket->down.given == 0),
                 "link %llu moved octets and has no ledger", (unsigned long long)port->link->id);
        return;
    }
    SIM_MUST(world, weir_ledger_holds(ledger), "link %llu: the ledger's laws do not hold",
             (unsigned long long)port->link->id);
    check_leases(world, port);
    check_requests(world, port);
    if (socket == NULL) {
        SIM_MUST(world, ledger->wire.sent == 0 && ledger->wire.received == 0,
                 "link %llu counts octets without a socket", (unsigned long long)port->link->id);
        return;
    }
    SIM_MUST(world, ledger->wire.sent == socket->up.taken,
             "link %llu: sent %llu by the ledger, %llu by the net",
             (unsigned long long)port->link->id, (unsigned long long)ledger->wire.sent,
             (unsigned long long)socket->up.taken);
    SIM_MUST(world, ledger->wire.received == socket->down.given,
             "link %llu: received %llu by the ledger, %llu by the net",
             (unsigned long long)port->link->id, (unsigned long long)ledger->wire.received,
             (unsigned long long)socket->down.given);
    check_progress(world, port, socket);
}

/* Nothing that could be done now is left to nobody. */
static void check_progress(sim_world *world, weir_port *port, sim_socket *socket)
{
    const bool will_be_looked_at = !weir_list_is_empty(&port->touched) ||
                                   !weir_list_is_empty(&socket->ready) || socket->edges_late > 0;
    weir_want want;

    weir_link_want(port->link, &want);
    if (sim_driver_in_flight(port) > 0 || will_be_looked_at) {
        return;
    }
    SIM_MUST(world, want.out[0].length == 0 || !port->writable,
             "link %llu: octets wait, and nobody sends them", (unsigned long long)port->link->id);
    SIM_MUST(world, want.in_octets == 0 || !port->readable,
             "link %llu: octets lie there, and nobody reads them",
             (unsigned long long)port->link->id);
    SIM_MUST(world,
             !sim_net_is_readable(socket) || port->readable ||
                 port->link->state >= WEIR_LINK_CLOSING,
             "link %llu: the net's readiness was lost", (unsigned long long)port->link->id);
    SIM_MUST(world,
             port->timer.place != 0 ? port->timer.at_ns <= want.wake_ns
                                    : want.wake_ns == WEIR_NEVER,
             "link %llu: its timer comes too late", (unsigned long long)port->link->id);
}

/* By the attempts of the calls: no connection carries more than it may. */
static void check_requests(sim_world *world, const weir_port *port)
{
    const uint32_t limit = world->plan.limits.requests_per_connection;
    size_t carried = 0;

    for (size_t i = 0; limit > 0 && i < world->client->count; i++) {
        const weir_exchange *ex = world->client->calls[i].exchange;
        for (size_t k = 0; ex != NULL && k < ex->attempt_count; k++) {
            carried += ex->attempts[k].conn == port->link->id;
        }
    }
    SIM_MUST(world, limit == 0 || carried <= limit,
             "link %llu carried %zu requests, the limit is %u", (unsigned long long)port->link->id,
             carried, limit);
}

/* What the pool recorded as leased is what the exchanges hold. */
static void check_leases(sim_world *world, const weir_port *port)
{
    size_t held = 0;

    for (size_t i = 0; i < world->client->count; i++) {
        const weir_exchange *ex = world->client->calls[i].exchange;
        held +=
            ex != NULL && ex->ticket.state == WEIR_TICKET_LEASED && ex->ticket.slot == port->slot;
    }
    SIM_MUST(world, weir_slot_leases(port->slot) == held,
             "slot %llu has %u leases, exchanges hold %zu",
             (unsigned long long)weir_slot_id(port->slot), weir_slot_leases(port->slot), held);
    if (port->link->conn != NULL && weir_link_protocol(port->link) == WEIR_H1) {
        SIM_MUST(world, held <= 1, "slot %llu is HTTP/1.1 and leased %zu times",
                 (unsigned long long)weir_slot_id(port->slot), held);
    }
}

/* -- exchanges -- */

/* An exchange is where it can stay, and its timer is armed. */
static void check_call(sim_world *world, const sim_call *call)
{
    const weir_turn *turn = &world->driver->turn;
    const weir_exchange *ex = call->exchange;
    weir_why why = WEIR_WHY_NONE;

    if (weir_turn_has_work(turn)) {
        return;
    }
    const weir_time deadline_ns = weir_exchange_deadline(ex, &why);
    switch (ex->state) {
    case WEIR_EXCHANGE_QUEUED:
        SIM_MUST(world,
                 call->warms > 0 ? ex->wish.state == WEIR_WARMTH_WAITING
                                 : ex->ticket.state == WEIR_TICKET_WAITING,
                 "call %llu is queued without a ticket", NUMBER(call));
        break;
    case WEIR_EXCHANGE_ATTACHED:
        SIM_MUST(world, !weir_exchange_is_over(ex), "call %llu is over and still attached",
                 NUMBER(call));
        break;
    case WEIR_EXCHANGE_DONE:
        SIM_MUST(world, ex->timer.place == 0, "call %llu is done and its timer runs", NUMBER(call));
        return;
    case WEIR_EXCHANGE_NEW:
    case WEIR_EXCHANGE_PLACED:
    case WEIR_EXCHANGE_ENDED:
        sim_violation(world, "call %llu stands still in state %d", NUMBER(call), (int)ex->state);
    }
    if (deadline_ns == WEIR_NEVER) {
        return;
    }
    SIM_MUST(
        world, ex->timer.place != 0 && ex->timer.at_ns <= deadline_ns,
        "call %llu: the timer (%d) for its deadline comes too late: armed %llu at %llu, not %llu",
        NUMBER(call), (int)why, (unsigned long long)ex->timer.place,
        (unsigned long long)ex->timer.at_ns, (unsigned long long)deadline_ns);
}

/* A snapshot says what the pool's counts say, and of each call what its ticket says. Its memory is
 * not the world's to refuse. */
static void check_snapshot(sim_world *world)
{
    const weir_turn *turn = &world->driver->turn;
    const weir_pool_counts counts = weir_pool_count(turn->core.pool);
    weir_snapshot *snapshot = weir_core_snapshot(&turn->core, turn->now_ns);
    uint64_t in[WEIR_CONNECTION_GONE + 1] = {0};
    uint64_t leases = 0;

    if (snapshot == NULL) {
        return; /* the world is short of memory */
    }
    for (size_t i = 0; i < snapshot->line_count; i++) {
        in[snapshot->lines[i].connection.state]++;
        leases += snapshot->lines[i].connection.used;
    }
    SIM_MUST(world, in[WEIR_CONNECTION_DIALING] == counts.slots_dialing,
             "a snapshot counts other dials");
    SIM_MUST(world, in[WEIR_CONNECTION_IDLE] == counts.slots_idle,
             "a snapshot counts other idle ones");
    SIM_MUST(world, in[WEIR_CONNECTION_ACTIVE] == counts.slots_leased,
             "a snapshot counts other leased ones");
    SIM_MUST(world,
             in[WEIR_CONNECTION_DRAINING] + in[WEIR_CONNECTION_CLOSING] == counts.slots_draining,
             "a snapshot counts other draining ones");
    SIM_MUST(world, leases == counts.leases, "a snapshot counts other leases");
    SIM_MUST(world, snapshot->seat_count == counts.leases + counts.tickets_waiting,
             "a snapshot counts other calls");
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        const weir_snapshot_call *call = &snapshot->seats[i].call;
        weir_waits waits = WEIR_WAITS_INIT;
        (void)weir_snapshot_waits_at(snapshot, i, &waits);
        SIM_MUST(world, waits.total_ns >= call->waited_ns, "a snapshot's waits do not add up");
        SIM_MUST(world,
                 call->waiting == (call->place > 0 || call->reason == WEIR_REASON_REFUSED_LATELY),
                 "a call waits at no place");
    }
    weir_snapshot_seal(snapshot);
    weir_snapshot_free(snapshot);
}

/* What it waited for adds up to how long it waited: never more than it lives, and while it waits up
 * to this moment. */
static void check_waits(sim_world *world, const sim_call *call)
{
    const weir_exchange *ex = call->exchange;
    const weir_ticket *ticket = &ex->ticket;
    const weir_time now_ns = world->driver->turn.now_ns;
    weir_waits waits;
    weir_time sum_ns = 0;

    weir_pool_waited(ticket, now_ns, &waits);
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        sum_ns += waits.ns[i];
    }
    SIM_MUST(world, sum_ns == waits.total_ns, "call %llu: its waits do not add up", NUMBER(call));
    SIM_MUST(world, sum_ns <= weir_time_since(now_ns, ex->submitted_ns),
             "call %llu waited for longer than it lives", NUMBER(call));
    for (size_t i = 0; i < weir_exchange_candidate_count(ex); i++) {
        weir_candidate candidate = WEIR_CANDIDATE_INIT;
        (void)weir_exchange_candidate_at(ex, i, &candidate);
        SIM_MUST(world, candidate.conn != 0 && candidate.reason != WEIR_REASON_NONE,
                 "call %llu does not know why it was not given connection %llu", NUMBER(call),
                 (unsigned long long)candidate.conn);
    }
    if (ex->attempt_count > 1 || ticket->order == 0) {
        return; /* several requests in one sum */
    }
    const weir_time waited_ns = ticket->state == WEIR_TICKET_WAITING
                                    ? weir_time_since(now_ns, ticket->since_ns)
                                    : ticket->waited_ns;
    SIM_MUST(world, ex->attempt_count == 1 || waits.total_ns >= waited_ns,
             "call %llu waited %llu ns, its reasons say %llu", NUMBER(call),
             (unsigned long long)waited_ns, (unsigned long long)waits.total_ns);
}

/* -- ends -- */

void sim_check_account(sim_world *world, const weir_port *port, const weir_account *account)
{
    const sim_socket *socket = sim_driver_socket(port);
    const weir_octets zero = {0, 0};
    weir_octets sum = weir_tally_plain(&account->exchanges);

    sim_trace(world, SIM_TRACE_ACCOUNT, port->link->id, account->wire.sent, account->wire.received);
    SIM_MUST(world, account->verdict.agreement != WEIR_DIFFER,
             "link %llu: the ledger says %llu, %llu and the net %llu, %llu",
             (unsigned long long)port->link->id, (unsigned long long)account->wire.sent,
             (unsigned long long)account->wire.received,
             (unsigned long long)account->verdict.kernel.sent,
             (unsigned long long)account->verdict.kernel.received);
    SIM_MUST(world, (account->verdict.agreement == WEIR_AGREE) == (socket != NULL),
             "link %llu: a verdict is missing", (unsigned long long)port->link->id);
    SIM_MUST(world,
             memcmp(&account->undecided, &zero, sizeof(zero)) == 0 &&
                 memcmp(&account->torn, &zero, sizeof(zero)) == 0,
             "link %llu: closed with octets undecided or torn", (unsigned long long)port->link->id);
    /* The first law once more, added up here. */
    for (size_t i = 0; i < WEIR_ROW_TLS_HANDSHAKE; i++) {
        sum.sent += account->rows[i].sent;
        sum.received += account->rows[i].received;
    }
    SIM_MUST(world, sum.sent == account->plain.sent && sum.received == account->plain.received,
             "link %llu: the rows of the account do not add up",
             (unsigned long long)port->link->id);
    if (socket != NULL && socket->peer != NULL && socket->peer->tls != NULL &&
        port->link->conn != NULL) {
        check_handshake(world, port, account, socket->peer->tls);
    }
    world->driver->links_agreed += account->verdict.agreement == WEIR_AGREE;
}

/* The handshake is over: the peer's count of its records is the account's. */
static void check_handshake(sim_world *world, const weir_port *port, const weir_account *account,
                            const sim_tls_peer *tls)
{
    const weir_octets *row = &account->rows[WEIR_ROW_TLS_HANDSHAKE];

    SIM_MUST(world, row->received == tls->sent_handshake,
             "link %llu: handshake received %llu, the peer says %llu",
             (unsigned long long)port->link->id, (unsigned long long)row->received,
             (unsigned long long)tls->sent_handshake);
    SIM_MUST(world, tls->state != SIM_TLS_PEER_OPEN || row->sent == tls->got_handshake,
             "link %llu: handshake sent %llu, the peer says %llu",
             (unsigned long long)port->link->id, (unsigned long long)row->sent,
             (unsigned long long)tls->got_handshake);
}

void sim_check_end(sim_world *world)
{
    const sim_driver *driver = world->driver;
    const sim_client *client = world->client;

    sim_measure_end(world);
    SIM_MUST(world, memcmp(&driver->closed_exchanges, &client->tally, sizeof(client->tally)) == 0,
             "the tallies of all exchanges are not those of all connections");
    SIM_MUST(world,
             driver->closes_told == driver->links_closed || world->faults[SIM_FAULT_NOMEM] > 0,
             "%llu connections were closed, %llu were told",
             (unsigned long long)driver->links_closed, (unsigned long long)driver->closes_told);
    SIM_MUST(world, world->net->open == 0, "%zu descriptors were not closed", world->net->open);
    SIM_MUST(world, world->memory.live == 0, "%llu blocks of %llu octets were not given back",
             (unsigned long long)world->memory.live, (unsigned long long)world->memory.live_octets);
    for (size_t i = 0; i < client->count; i++) {
        SIM_MUST(world, client->calls[i].state == SIM_CALL_FREED, "call %llu was lost",
                 NUMBER(&client->calls[i]));
    }
    for (size_t i = 0; i < world->net->count; i++) {
        const sim_socket *socket = world->net->sockets[i];
        const sim_peer *peer = socket->peer;
        if (peer != NULL) {
            const uint64_t got = peer->tls != NULL ? peer->tls->got_octets : peer->got_octets;
            SIM_MUST(world, peer->tls == NULL || peer->tls->got_plain == peer->got_octets,
                     "socket %d: plaintext got lost in the peer", socket->fd);
            SIM_MUST(world, got == socket->up.given,
                     "socket %d: its peer counts %llu octets of %llu", socket->fd,
                     (unsigned long long)got, (unsigned long long)socket->up.given);
        }
    }
}
