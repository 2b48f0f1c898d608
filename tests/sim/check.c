/* SPDX-License-Identifier: MIT */
/* The invariants: see check.h. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "again.h"
#include "driver.h"
#include "engine/snapshot.h"
#include "measure.h"
#include "tls_peer.h"

#define IDLE_NS      (60 * WEIR_NS_PER_SECOND)
#define NUMBER(call) ((unsigned long long)(call)->number)

static void check_ports(sim_world *world);
static void check_snapshot(sim_world *world);
static void check_port(sim_world *world, weir_port *port);
static void check_progress(sim_world *world, weir_port *port, sim_socket *socket);
static void check_requests(sim_world *world, const weir_port *port);
static void check_leases(sim_world *world, const weir_port *port);
static void check_call(sim_world *world, const sim_call *call);
static void check_waits(sim_world *world, const sim_call *call);
static const sim_request *find_response(sim_call *call, uint64_t serial);
static uint64_t serial_of(const sim_call *call);
static const sim_socket *last_socket(const sim_call *call);
static void check_fields(sim_call *call, const sim_response *response);
static void check_status(sim_call *call);
static void check_times(sim_call *call);
static void check_processed(const sim_call *call);
static void check_success(sim_call *call);
static void check_warm(const sim_call *call);
static void check_rows(sim_call *call);
static void check_handshake(sim_world *world, const weir_port *port, const weir_account *account,
                            const sim_tls_peer *tls);
static bool same(weir_span span, const char *text);
static bool same_name(weir_span span, const char *text);

void sim_check_turn(sim_world *world)
{
    sim_driver *driver = world->driver;

    weir_turn_check(&driver->turn);
    sim_measure_counters(world);
    check_ports(world);
    if (driver->turn.now_ns % 16 == 0) {
        check_snapshot(world);
    }
    for (size_t i = 0; i < world->client->count; i++) {
        const sim_call *call = &world->client->calls[i];
        if (call->exchange != NULL) {
            check_call(world, call);
            check_waits(world, call);
        }
    }
}

/* -- connections -- */

/* Invariant 9: limits hold at every instant. */
static void check_ports(sim_world *world)
{
    weir_turn *turn = &world->driver->turn;
    const weir_pool_limits *limits = &world->plan.limits;
    size_t all = 0;

    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        all += port->slot != NULL;
        size_t of_origin = 0;
        for (weir_list *other = turn->ports.next; other != &turn->ports && port->slot != NULL;
             other = other->next) {
            const weir_port *its = WEIR_CONTAINER_OF(other, weir_port, place);
            of_origin += its->slot != NULL &&
                         weir_origin_key_equal(weir_slot_key(its->slot), weir_slot_key(port->slot));
        }
        SIM_MUST(world, of_origin <= limits->connections_per_origin,
                 "%zu connections to one origin, the limit is %u", of_origin,
                 limits->connections_per_origin);
        check_port(world, port);
    }
    SIM_MUST(world, all <= limits->connections, "%zu connections, the limit is %u", all,
             limits->connections);
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
    if (port->slot != NULL) {
        check_leases(world, port);
    }
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

void sim_check_informational(sim_call *call)
{
    const size_t count = weir_exchange_informational_count(call->exchange);

    SIM_MUST(call->world, count > call->informational_told,
             "call %llu is told of a 1xx that is not there", NUMBER(call));
    call->informational_told = count;
}

/* Invariant 5: the response of exactly this request. */
void sim_check_head(sim_call *call)
{
    sim_world *world = call->world;

    SIM_MUST(world, !call->head_told, "call %llu is told of two heads", NUMBER(call));
    call->head_told = true;
    SIM_MUST(world, weir_response(call->exchange) == WEIR_OK,
             "call %llu: a head was told and is not there", NUMBER(call));
    call->answered = find_response(call, serial_of(call));
    if (call->answered == NULL) {
        call->poisoned = last_socket(call)->poisoned;
        SIM_MUST(world, call->poisoned, "call %llu has the response of another", NUMBER(call));
        return;
    }
    const sim_response *response = &call->answered->response;
    if (response->code == SIM_MISDIRECTED) {
        sim_again_shown(call);
    }
    SIM_MUST(world, weir_exchange_code(call->exchange) == response->code,
             "call %llu: code %d in place of %d", NUMBER(call), weir_exchange_code(call->exchange),
             response->code);
    check_fields(call, response);
}

/* What the response says it is; 0: nothing. */
static uint64_t serial_of(const sim_call *call)
{
    uint64_t serial = 0;
    weir_span value;

    if (weir_exchange_field(call->exchange, "x-serial", 0, &value)) {
        for (size_t i = 0; i < value.length; i++) {
            serial = serial * 10 + (uint64_t)(value.at[i] - '0');
        }
    }
    return serial;
}

/* The socket of its last attempt. */
static const sim_socket *last_socket(const sim_call *call)
{
    const sim_net *net = call->world->net;
    weir_attempt attempt = {.size = sizeof(attempt)};

    (void)weir_exchange_attempt_at(call->exchange, weir_exchange_attempt_count(call->exchange) - 1,
                                   &attempt);
    for (size_t i = 0; i < net->count; i++) {
        if (net->sockets[i]->link == attempt.conn) {
            return net->sockets[i];
        }
    }
    sim_violation(call->world, "call %llu has an attempt on no connection", NUMBER(call));
}

static const sim_request *find_response(sim_call *call, uint64_t serial)
{
    for (const sim_request *request = call->requests; request != NULL; request = request->next) {
        if (request->response.serial == serial) {
            return request;
        }
    }
    return NULL;
}

static void check_fields(sim_call *call, const sim_response *response)
{
    sim_world *world = call->world;
    size_t found = 0;
    weir_field field;

    for (size_t i = 0; weir_exchange_field_at(call->exchange, i, &field); i++) {
        if (field.name.length < 3 || strncasecmp((const char *)field.name.at, "x-f", 3) != 0) {
            continue;
        }
        SIM_MUST(world, found < response->field_count, "call %llu: a field too many", NUMBER(call));
        SIM_MUST(world,
                 same_name(field.name, response->fields[found].name) &&
                     same(field.value, response->fields[found].value),
                 "call %llu: field %s is not what was sent", NUMBER(call),
                 response->fields[found].name);
        found++;
    }
    SIM_MUST(world, found == response->field_count, "call %llu: %zu fields of %zu", NUMBER(call),
             found, response->field_count);
}

void sim_check_read(sim_call *call, weir_status status, weir_span octets)
{
    sim_world *world = call->world;

    if (call->poisoned) {
        return; /* it reads the answer of another, as it must */
    }
    if (octets.length > 0) {
        SIM_MUST(world, status == WEIR_OK && call->answered != NULL,
                 "call %llu: octets before a head", NUMBER(call));
        const sim_response *response = &call->answered->response;
        const size_t wrong =
            sim_body_compare(response->serial, call->delivered, octets.at, octets.length);
        SIM_MUST(world, wrong == SIZE_MAX, "call %llu: octet %llu of its content is wrong",
                 NUMBER(call), (unsigned long long)(call->delivered + wrong));
        call->delivered += octets.length;
        SIM_MUST(world, call->delivered <= response->body_octets,
                 "call %llu: more content than was sent", NUMBER(call));
        return;
    }
    if (status == WEIR_AGAIN) {
        SIM_MUST(world, !weir_exchange_is_done(call->exchange), "call %llu is done and says AGAIN",
                 NUMBER(call));
        return;
    }
    const weir_failure failure = weir_exchange_failure(call->exchange);
    if (status == WEIR_END) {
        SIM_MUST(world, weir_exchange_is_done(call->exchange) && failure.status == WEIR_OK,
                 "call %llu says END before its end", NUMBER(call));
        if (call->warms > 0) {
            return; /* there was nothing to read */
        }
        SIM_MUST(world,
                 call->answered != NULL && call->delivered == call->answered->response.body_octets,
                 "call %llu says END after %llu octets", NUMBER(call),
                 (unsigned long long)call->delivered);
        return;
    }
    SIM_MUST(world, status < 0 && status == failure.status, "call %llu: weir_read() says %s",
             NUMBER(call), weir_status_name(status));
}

bool sim_check_is_full(const sim_call *call)
{
    const weir_exchange *ex = call->exchange;
    return ex->stream != NULL && weir_buf_room(&ex->stream->inbox) == 0;
}

void sim_check_done(sim_call *call)
{
    sim_world *world = call->world;
    const weir_failure failure = weir_exchange_failure(call->exchange);

    SIM_MUST(world, weir_exchange_is_done(call->exchange), "call %llu is told DONE and is not",
             NUMBER(call));
    SIM_MUST(world, failure.status == call->status, "call %llu is told %s and says %s",
             NUMBER(call), weir_status_name(call->status), weir_status_name(failure.status));
    SIM_MUST(world,
             call->status <= 0 && call->status != WEIR_AGAIN && call->status != WEIR_END &&
                 call->status != WEIR_ANSWERED && call->status != WEIR_E_NOT_ACCEPTING,
             "call %llu ended with %s", NUMBER(call), weir_status_name(call->status));
    SIM_MUST(world,
             weir_exchange_attempt_count(call->exchange) <=
                 (call->options.attempts != 0 ? call->options.attempts : WEIR_ATTEMPTS_LIMIT),
             "call %llu had too many attempts", NUMBER(call));
    check_times(call);
    check_status(call);
    check_processed(call);
    sim_again_done(call);
    if (call->warms > 0) {
        check_warm(call);
    } else if (call->status == WEIR_OK && !call->poisoned) {
        check_success(call);
    }
}

/* Invariant 14. A call whose deadline passes before its first turn, which may come late, ends in
 * the second, which may too. */
static void check_times(sim_call *call)
{
    sim_world *world = call->world;
    const weir_time deadline_ns = call->options.deadline_ns;

    if (deadline_ns == 0) {
        return;
    }
    SIM_MUST(world,
             world->now_ns <= deadline_ns + 2 * world->plan.tick_ns ||
                 call->submitted_ns >= deadline_ns,
             "call %llu ended %llu ns after its deadline", NUMBER(call),
             (unsigned long long)(world->now_ns - deadline_ns));
}

/* A status is told only where its cause was. */
static void check_status(sim_call *call)
{
    sim_world *world = call->world;
    static const weir_status never[] = {
        WEIR_E_SYSTEM, WEIR_E_STATE,     WEIR_E_INVALID,
        WEIR_E_CLOSED, WEIR_E_BODY_LONG, WEIR_E_BODY_SHORT,
    };
    const weir_status status = call->status;
    bool possible = !call->calm || status == WEIR_OK;

    for (size_t i = 0; i < WEIR_COUNT_OF(never); i++) {
        possible = possible && status != never[i];
    }
    if (status == WEIR_E_CANCELLED) {
        possible = call->cancelled;
    }
    if (status == WEIR_E_DEADLINE_TOTAL) {
        possible = call->options.deadline_ns != 0 && world->now_ns >= call->options.deadline_ns;
    }
    if (status == WEIR_E_NOMEM) {
        possible = world->faults[SIM_FAULT_NOMEM] > 0;
    }
    if (status == WEIR_E_DEADLINE_IDLE) {
        const weir_time limit_ns = call->options.idle_ns != 0 ? call->options.idle_ns : IDLE_NS;
        possible = world->now_ns >= weir_time_add(call->unblocked_ns, limit_ns);
    }
    if (status == WEIR_E_BODY_SOURCE) {
        possible = call->source_failed;
    }
    SIM_MUST(world, possible, "call %llu ended with %s for no reason", NUMBER(call),
             weir_status_name(call->status));
}

/* What was said to be unprocessed no peer has seen, or it refused it. Those that come later are
 * judged in peer.c. */
static void check_processed(const sim_call *call)
{
    if (call->status == WEIR_OK || call->processed == WEIR_MAYBE_PROCESSED) {
        return;
    }
    for (const sim_request *request = call->requests; request != NULL; request = request->next) {
        SIM_MUST(call->world, request->refused || request->misdirected_ns != 0,
                 "call %llu was not processed, it was said, and a peer has it", NUMBER(call));
    }
}

/* A wish has no attempt, no answer and no octets. */
static void check_warm(const sim_call *call)
{
    const weir_tally tally = weir_exchange_tally(call->exchange);
    const weir_octets plain = weir_tally_plain(&tally);

    SIM_MUST(call->world, weir_exchange_attempt_count(call->exchange) == 0 && !call->head_told,
             "call %llu is a wish and was answered", NUMBER(call));
    SIM_MUST(call->world, plain.sent == 0 && plain.received == 0,
             "call %llu is a wish and has octets", NUMBER(call));
    SIM_MUST(call->world, call->exchange->ticket.state == WEIR_TICKET_IDLE,
             "call %llu is a wish and has a ticket", NUMBER(call));
}

/* Invariant 6: truncated never equals complete. */
static void check_success(sim_call *call)
{
    sim_world *world = call->world;
    weir_field field;

    if (call->poisoned) {
        return;
    }
    SIM_MUST(world, call->head_told && call->answered != NULL, "call %llu succeeded without a head",
             NUMBER(call));
    const sim_response *response = &call->answered->response;
    SIM_MUST(world, response->valid, "call %llu took a malformed response for a good one",
             NUMBER(call));
    SIM_MUST(world, response->complete,
             "call %llu succeeded with a response that was not sent whole", NUMBER(call));
    SIM_MUST(world,
             weir_exchange_informational_count(call->exchange) >= response->informational_count,
             "call %llu misses a 1xx", NUMBER(call));
    SIM_MUST(world, weir_exchange_trailer_count(call->exchange) == response->trailer_count,
             "call %llu: %zu trailers of %zu", NUMBER(call),
             weir_exchange_trailer_count(call->exchange), response->trailer_count);
    for (size_t i = 0; weir_exchange_trailer_at(call->exchange, i, &field); i++) {
        SIM_MUST(world,
                 same_name(field.name, response->trailers[i].name) &&
                     same(field.value, response->trailers[i].value),
                 "call %llu: trailer %zu is not what was sent", NUMBER(call), i);
    }
    check_rows(call);
}

/* The peer's own count of this very exchange, row by row. */
static void check_rows(sim_call *call)
{
    sim_world *world = call->world;
    const sim_request *request = call->answered;
    const sim_rows *sent = &request->rows;
    const sim_rows *received = &request->response.rows;
    weir_attempt attempt = {.size = sizeof(attempt)};

    (void)weir_exchange_attempt_at(call->exchange, weir_exchange_attempt_count(call->exchange) - 1,
                                   &attempt);
    const weir_tally *tally = &attempt.tally;
    SIM_MUST(world, attempt.final && attempt.conn == request->socket->link,
             "call %llu: its last attempt is another", NUMBER(call));
    SIM_MUST(world, tally->head.sent == sent->head, "call %llu: head sent %llu, the peer says %llu",
             NUMBER(call), (unsigned long long)tally->head.sent, (unsigned long long)sent->head);
    SIM_MUST(world, tally->head.received == received->head,
             "call %llu: head received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->head.received, (unsigned long long)received->head);
    SIM_MUST(world, tally->body.received == received->body,
             "call %llu: body received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->body.received, (unsigned long long)received->body);
    SIM_MUST(world, tally->trailers.received == received->trailers,
             "call %llu: trailers received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->trailers.received, (unsigned long long)received->trailers);
    SIM_MUST(world, tally->framing.received == received->framing || request->stream != 0,
             "call %llu: framing received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->framing.received, (unsigned long long)received->framing);
    if (request->answered_early) {
        return; /* what still leaves of its body after the end is nobody's */
    }
    SIM_MUST(world, tally->body.sent == sent->body && tally->trailers.sent == sent->trailers,
             "call %llu: body and trailers sent %llu, %llu, the peer says %llu, %llu", NUMBER(call),
             (unsigned long long)tally->body.sent, (unsigned long long)tally->trailers.sent,
             (unsigned long long)sent->body, (unsigned long long)sent->trailers);
    SIM_MUST(world, tally->framing.sent == sent->framing || request->stream != 0,
             "call %llu: framing sent %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->framing.sent, (unsigned long long)sent->framing);
}

void sim_check_all_read(sim_call *call)
{
    if (call->status == WEIR_OK) {
        SIM_MUST(call->world, call->ended, "call %llu: all was read and there was no END",
                 NUMBER(call));
    }
}

static bool same(weir_span span, const char *text)
{
    return span.length == strlen(text) &&
           (span.length == 0 || memcmp(span.at, text, span.length) == 0);
}

/* HTTP/1.1 names come as they were sent. */
static bool same_name(weir_span span, const char *text)
{
    return span.length == strlen(text) &&
           strncasecmp((const char *)span.at, text, span.length) == 0;
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
