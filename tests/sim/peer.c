/* SPDX-License-Identifier: MIT */
/* What the peers have in common: see peer.h. */
#include "peer.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "tls_peer.h"

static void plan_fields(sim_peer *peer, sim_field *fields, size_t count, const char *prefix);
static bool is_tls(sim_origin_kind kind);
static void rest_ends(sim_world *world, void *what, uint64_t requests);
static uint8_t body_octet(uint64_t number, uint64_t offset);

void sim_peer_connected(sim_socket *socket)
{
    sim_world *world = socket->world;
    sim_peer *peer = sim_room(world, sizeof(*peer));

    peer->world = world;
    peer->socket = socket;
    socket->peer = peer;
    SIM_MUST(world, socket->origin < world->plan.origins, "a connection to no origin");
    if (is_tls(world->plan.kinds[socket->origin])) {
        sim_tls_peer_open(peer);
        return;
    }
    peer->kind = world->plan.kinds[socket->origin] == SIM_ORIGIN_H2 ? &sim_peer_h2 : &sim_peer_h1;
    peer->kind->connected(peer);
}

static bool is_tls(sim_origin_kind kind)
{
    return kind == SIM_ORIGIN_TLS_H1 || kind == SIM_ORIGIN_TLS_H2;
}

void sim_peer_arrived(sim_socket *socket)
{
    sim_peer *peer = socket->peer;

    if (peer->over) {
        return;
    }
    const weir_span octets = sim_net_peer_take(socket);
    if (octets.length > 0 && peer->tls != NULL) {
        sim_tls_peer_got(peer->tls, octets);
    } else if (octets.length > 0) {
        peer->kind->got(peer, octets);
    }
}

void sim_peer_saw_end(sim_socket *socket, bool reset)
{
    sim_peer *peer = socket->peer;

    if (!peer->over) {
        peer->over = true;
        if (peer->kind != NULL) {
            peer->kind->saw_end(peer, reset);
        } else if (!reset) {
            sim_net_peer_end(socket, true);
        }
    }
}

void sim_peer_calm(sim_socket *socket)
{
    sim_peer *peer = socket->peer;

    if (peer != NULL && !peer->over && peer->tls != NULL) {
        sim_tls_peer_calm(peer->tls);
    }
    if (peer != NULL && !peer->over && peer->kind != NULL) {
        peer->kind->calm(peer);
    }
}

void sim_peer_meddle(sim_socket *socket)
{
    sim_peer *peer = socket->peer;

    if (peer != NULL && !peer->over && peer->kind != NULL) {
        peer->kind->meddle(peer);
    }
}

void sim_peer_send(sim_peer *peer, weir_span octets)
{
    peer->sent_octets += octets.length;
    if (peer->tls != NULL) {
        sim_tls_peer_send(peer->tls, octets);
    } else {
        sim_net_peer_send(peer->socket, octets);
    }
}

bool sim_peer_end(sim_peer *peer, bool gone)
{
    if (!sim_net_peer_has_ended(peer->socket)) {
        peer->said_octets = peer->socket->down.taken;
    }
    const bool orderly = peer->tls == NULL || sim_tls_peer_end(peer->tls);

    sim_net_peer_end(peer->socket, gone);
    return orderly;
}

void sim_peer_reset(sim_peer *peer)
{
    peer->over = true;
    sim_net_peer_reset(peer->socket);
}

sim_request *sim_peer_request(sim_peer *peer, uint64_t call, uint32_t stream)
{
    sim_world *world = peer->world;
    sim_call *known = sim_call_of(world, call);
    sim_request *request = sim_room(world, sizeof(*request));
    uint64_t before = 0;

    SIM_MUST(world, known != NULL, "a request of call %llu, which was never made",
             (unsigned long long)call);
    SIM_MUST(world, known->warms == 0, "call %llu is a wish, and reached a peer",
             (unsigned long long)call);
    SIM_MUST(world, known->origin == peer->socket->origin,
             "call %llu reached origin %zu instead of %zu", (unsigned long long)call,
             peer->socket->origin, known->origin);
    SIM_MUST(world,
             known->done_ns == 0 || known->status == WEIR_OK || known->processed != WEIR_NOT_SENT,
             "call %llu was not sent, it was said, and reached a peer", (unsigned long long)call);
    request->call = call;
    request->socket = peer->socket;
    request->stream = stream;
    request->order = ++peer->requests;
    request->arrived_ns = world->now_ns;
    peer->asked_ns = peer->requests == 1 ? world->now_ns : peer->asked_ns;
    sim_request **end = &known->requests;
    for (; *end != NULL; end = &(*end)->next) {
        before += !(*end)->refused && (*end)->misdirected_ns == 0;
    }
    *end = request;
    sim_trace(world, SIM_TRACE_REQUEST, (uint64_t)peer->socket->fd, call, before);
    SIM_MUST(world, before == 0 || known->idempotent,
             "call %llu is not idempotent and reached a peer twice", (unsigned long long)call);
    SIM_MUST(world, before == 0 || known->options.replay == WEIR_REPLAY_DEFAULT,
             "call %llu was sent again against its replay policy", (unsigned long long)call);
    return request;
}

void sim_peer_plan_response(sim_peer *peer, sim_request *request)
{
    static const int codes[] = {200, 200, 200, 201, 204, 304, 404, 413, 500, 302};
    static const int informational[] = {102, 103, 199};
    sim_world *world = peer->world;
    sim_dice *dice = &world->for_peers;
    sim_response *response = &request->response;

    response->serial = sim_client_next_serial(world);
    response->code = codes[sim_below(dice, WEIR_COUNT_OF(codes))];
    response->valid = true;
    const sim_misdirects *misdirects = &world->plan.misdirects;
    const bool often = misdirects->happens && peer->socket->origin == misdirects->origin;
    if (sim_fault(world, SIM_FAULT_MISDIRECTS, dice) || (often && sim_below(dice, 2) == 0)) {
        response->code = SIM_MISDIRECTED;
    }
    if (sim_below(dice, 6) == 0) {
        response->informational_count = sim_between(dice, 1, 3);
        for (size_t i = 0; i < response->informational_count; i++) {
            response->informational[i] =
                informational[sim_below(dice, WEIR_COUNT_OF(informational))];
        }
    }
    response->field_count = sim_below(dice, SIM_FIELDS_LIMIT);
    plan_fields(peer, response->fields, response->field_count, "x-f");
    if (sim_below(dice, 5) == 0) {
        response->trailer_count = sim_between(dice, 1, WEIR_COUNT_OF(response->trailers));
        plan_fields(peer, response->trailers, response->trailer_count, "x-t");
    }
    const bool has_body =
        !request->is_head_method && response->code != 204 && response->code != 304;
    response->body_octets =
        has_body && sim_below(dice, 6) != 0 ? sim_spread(dice, world->plan.body_octets) : 0;
    if (!has_body) {
        response->trailer_count = 0;
    }
    sim_trace(world, SIM_TRACE_RESPONSE, (uint64_t)peer->socket->fd, response->serial,
              (uint64_t)response->code);
}

weir_time sim_peer_rest_most(const sim_peer *peer)
{
    const sim_rests *rests = &peer->world->plan.rests;

    return peer->socket->origin == rests->origin ? rests->most_ns : 0;
}

void sim_peer_rests(sim_peer *peer)
{
    sim_world *world = peer->world;
    const weir_time most_ns = sim_peer_rest_most(peer);

    if (most_ns != 0 && !peer->over) {
        peer->rests_since_ns = world->now_ns;
        sim_at(world, world->now_ns + most_ns, rest_ends, peer, peer->requests);
    }
}

static void rest_ends(sim_world *world, void *what, uint64_t requests)
{
    sim_peer *peer = what;

    const bool is_due = peer->requests == requests &&
                        world->now_ns - peer->rests_since_ns == sim_peer_rest_most(peer);
    /* The client may have closed it, and the peer not know. */
    const bool is_open = peer->socket->state == SIM_SOCKET_CONNECTED;

    if (!peer->over && is_due && peer->kind->rest_ends(peer) && is_open) {
        peer->rest_ended_ns = world->now_ns;
    }
}

weir_time sim_peer_pause(sim_peer *peer)
{
    sim_world *world = peer->world;

    if (sim_fault(world, SIM_FAULT_PEER_THINKS, &world->for_peers)) {
        return sim_spread(&world->for_peers, 30 * WEIR_NS_PER_SECOND);
    }
    return 0;
}

void sim_body_fill(uint64_t number, uint64_t offset, uint8_t *to, size_t octets)
{
    for (size_t i = 0; i < octets; i++) {
        to[i] = body_octet(number, offset + i);
    }
}

size_t sim_body_compare(uint64_t number, uint64_t offset, const uint8_t *at, size_t octets)
{
    for (size_t i = 0; i < octets; i++) {
        if (at[i] != body_octet(number, offset + i)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void plan_fields(sim_peer *peer, sim_field *fields, size_t count, const char *prefix)
{
    sim_dice *dice = &peer->world->for_peers;

    for (size_t i = 0; i < count; i++) {
        const unsigned number = (unsigned)sim_below(dice, 4);
        (void)snprintf(fields[i].name, sizeof(fields[i].name), "%s%u", prefix, number);
        /* Some values repeat, so that HPACK has something to remember. */
        const size_t length = sim_below(dice, 2) == 0 ? 3 : sim_below(dice, SIM_TEXT_OCTETS);
        for (size_t j = 0; j < length; j++) {
            fields[i].value[j] =
                length == 3 ? (char)('a' + number) : (char)('!' + sim_below(dice, 94));
        }
        fields[i].value[length] = '\0';
    }
}

static uint8_t body_octet(uint64_t number, uint64_t offset)
{
    return (uint8_t)(sim_mix(number * UINT64_C(0x100000001b3) + offset / 8) >> (offset % 8 * 8));
}
