/* SPDX-License-Identifier: MIT */
/*
 * A response of the HTTP/1.1 peer as octets. Each octet is put into the row that the ledger should
 * have it in, by whoever writes it: this is the second book that the ledger is compared with.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "peer_h1.h"

static void put(sim_peer *peer, sim_script *script, uint64_t *row, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void put_octets(sim_peer *peer, sim_script *script, uint64_t *row, weir_span octets);
static void put_body(sim_peer *peer, sim_script *script, sim_request *request, uint64_t at,
                     uint64_t octets);
static void put_chunks(sim_peer *peer, sim_script *script, sim_request *request);
static void put_head(sim_peer *peer, sim_script *script, sim_request *request);
static void put_fields(sim_peer *peer, sim_script *script, uint64_t *row, const sim_field *fields,
                       size_t count);
static void put_malformed(sim_peer *peer, sim_script *script, sim_request *request);
static void put_too_much(sim_peer *peer, sim_script *script, sim_request *request);
static void cut(sim_peer *peer, sim_script *script);

typedef enum framing { FRAMING_NONE = 0, FRAMING_COUNTED, FRAMING_CHUNKED, FRAMING_CLOSE } framing;

static framing pick_framing(sim_peer *peer, const sim_request *request);
static const char *random_case(sim_peer *peer, const char *name, char *to);

void sim_script_write(sim_peer *peer, sim_request *request, sim_script *script)
{
    sim_world *world = peer->world;
    sim_dice *dice = &world->for_peers;
    sim_response *response = &request->response;

    for (size_t i = 0; i < response->informational_count; i++) {
        put(peer, script, &response->rows.head, "HTTP/1.1 %d \r\nx-hint: %zu\r\n\r\n",
            response->informational[i], i);
    }
    if (sim_fault(world, SIM_FAULT_H1_MALFORMED, dice)) {
        put_malformed(peer, script, request);
        script->cut = script->length;
        script->valid_end = script->length;
        script->closes = sim_below(dice, 2) == 0;
        return;
    }
    put_head(peer, script, request);
    script->cut = script->length;
    script->valid_end = script->length;
    if (sim_fault(world, SIM_FAULT_H1_SURPLUS, dice) && !script->closes) {
        uint64_t nobody = 0;
        peer->socket->poisoned = true;
        put(peer, script, &nobody, "%s",
            sim_below(dice, 2) == 0 ? "x" : "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        script->cut = script->length;
    }
    cut(peer, script);
}

void sim_script_continue(sim_peer *peer, sim_request *request, sim_script *script)
{
    put(peer, script, &request->response.rows.head, "HTTP/1.1 100 Continue\r\n\r\n");
    script->valid_end = script->length;
    script->cut = script->length;
}

/* Head and content of a response that is valid. */
static void put_head(sim_peer *peer, sim_script *script, sim_request *request)
{
    static const char *const reasons[] = {"OK", "", "Very Well", "\xc3\xa9"};
    sim_dice *dice = &peer->world->for_peers;
    sim_response *response = &request->response;
    uint64_t *row = &response->rows.head;
    char name[32];
    const framing how = pick_framing(peer, request);
    const bool old = how != FRAMING_CHUNKED && sim_below(dice, 12) == 0;
    const bool closes = sim_fault(peer->world, SIM_FAULT_H1_CLOSES, dice);

    put(peer, script, row, "HTTP/1.%d %d %s\r\n", old ? 0 : 1, response->code,
        reasons[sim_below(dice, WEIR_COUNT_OF(reasons))]);
    put(peer, script, row, "%s: %llu\r\n", random_case(peer, "x-serial", name),
        (unsigned long long)response->serial);
    put_fields(peer, script, row, response->fields, response->field_count);
    if (how == FRAMING_COUNTED) {
        put(peer, script, row, "%s:%s%llu\r\n", random_case(peer, "content-length", name),
            sim_below(dice, 2) ? " " : "", (unsigned long long)response->body_octets);
    }
    if (how == FRAMING_CHUNKED) {
        put(peer, script, row, "%s: chunked\r\n", random_case(peer, "transfer-encoding", name));
    }
    if (closes) {
        put(peer, script, row, "connection: close\r\n");
    }
    if (sim_below(dice, 6) == 0 && sim_peer_rest_most(peer) == 0) {
        script->keeps_ns = sim_between(dice, 1, 5) * WEIR_NS_PER_SECOND;
        put(peer, script, row, "keep-alive: timeout=%u\r\n",
            (unsigned)(script->keeps_ns / WEIR_NS_PER_SECOND));
    }
    put(peer, script, row, "\r\n");
    script->head_end = script->length;
    script->closes_content = how == FRAMING_CLOSE;
    script->closes = closes || how == FRAMING_CLOSE || old;
    request->is_last = script->closes;
    script->half_closes = script->closes && sim_fault(peer->world, SIM_FAULT_H1_HALF_CLOSE, dice);
    if (how == FRAMING_CHUNKED) {
        put_chunks(peer, script, request);
    } else {
        response->trailer_count = 0;
        put_body(peer, script, request, 0, how == FRAMING_NONE ? 0 : response->body_octets);
    }
}

static framing pick_framing(sim_peer *peer, const sim_request *request)
{
    const sim_response *response = &request->response;
    sim_dice *dice = &peer->world->for_peers;

    if (request->is_head_method || response->code == 204 || response->code == 304) {
        return FRAMING_NONE;
    }
    if (response->trailer_count > 0) {
        return FRAMING_CHUNKED;
    }
    return (framing)sim_between(dice, FRAMING_COUNTED,
                                sim_below(dice, 4) == 0 ? FRAMING_CLOSE : FRAMING_CHUNKED);
}

static void put_chunks(sim_peer *peer, sim_script *script, sim_request *request)
{
    sim_dice *dice = &peer->world->for_peers;
    sim_response *response = &request->response;
    uint64_t *row = &response->rows.framing;

    for (uint64_t at = 0; at < response->body_octets;) {
        const uint64_t left = response->body_octets - at;
        const uint64_t chunk = sim_below(dice, 2) == 0 ? left : 1 + sim_spread(dice, left - 1);
        put(peer, script, row, "%s%llx%s\r\n", sim_below(dice, 4) == 0 ? "0" : "",
            (unsigned long long)chunk, sim_below(dice, 4) == 0 ? ";a=\"b\"" : "");
        put_body(peer, script, request, at, chunk);
        put(peer, script, row, "\r\n");
        at += chunk;
    }
    put(peer, script, row, "0\r\n");
    put_fields(peer, script, &response->rows.trailers, response->trailers, response->trailer_count);
    put(peer, script, row, "\r\n");
}

static void put_fields(sim_peer *peer, sim_script *script, uint64_t *row, const sim_field *fields,
                       size_t count)
{
    char name[SIM_TEXT_OCTETS];

    for (size_t i = 0; i < count; i++) {
        put(peer, script, row, "%s: %s \r\n", random_case(peer, fields[i].name, name),
            fields[i].value);
    }
}

/* Every one of these must be refused, most of them before a head is told. */
static void put_malformed(sim_peer *peer, sim_script *script, sim_request *request)
{
    static const char *const heads[] = {
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "ICY 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: b\rc\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    };
    static const char *const chunks[] = {"zz\r\n", "fffffffffffffffff\r\n", "-1\r\n", "\r\n",
                                         "5 5\r\n"};
    sim_dice *dice = &peer->world->for_peers;
    sim_response *response = &request->response;
    uint64_t *row = &response->rows.head;

    response->valid = false;
    if (sim_below(dice, 4) == 0) {
        put_too_much(peer, script, request);
        return;
    }
    if (request->is_head_method || sim_below(dice, 2) == 0) {
        put(peer, script, row, "%s", heads[sim_below(dice, WEIR_COUNT_OF(heads))]);
        return;
    }
    response->code = 200;
    response->field_count = 0;
    response->body_octets += 8;
    put(peer, script, row,
        "HTTP/1.1 200 OK\r\nx-serial: %llu\r\ntransfer-encoding: chunked\r\n\r\n",
        (unsigned long long)response->serial);
    if (sim_below(dice, 2) == 0) {
        put(peer, script, row, "5\r\n");
        put_body(peer, script, request, 0, 8); /* three more than said */
        return;
    }
    put(peer, script, row, "%s", chunks[sim_below(dice, WEIR_COUNT_OF(chunks))]);
}

/* More than a client should bear. */
static void put_too_much(sim_peer *peer, sim_script *script, sim_request *request)
{
    uint64_t *row = &request->response.rows.head;
    const uint64_t kind = sim_below(&peer->world->for_peers, 3);

    if (kind == 0) {
        for (int i = 0; i < 40; i++) {
            put(peer, script, row, "HTTP/1.1 103 Early Hints\r\n\r\n");
        }
        return;
    }
    put(peer, script, row, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < (kind == 1 ? 300 : 200); i++) {
        put(peer, script, row, "x-a: %*s\r\n", kind == 1 ? 1 : 400, "a");
    }
    put(peer, script, row, "\r\n");
}

/* The peer ends or resets at any octet of it. */
static void cut(sim_peer *peer, sim_script *script)
{
    sim_world *world = peer->world;
    sim_dice *dice = &world->for_peers;
    const bool ends = sim_fault(world, SIM_FAULT_PEER_ENDS, dice);
    const bool resets = sim_fault(world, SIM_FAULT_PEER_RESETS, dice);

    if (!ends && !resets) {
        return;
    }
    /* Content that ends with the connection is cut by a reset alone: after a FIN it would be a
     * shorter response, and whole. */
    const bool undelimited = script->closes_content && !resets;
    script->cut = sim_below(dice, undelimited ? script->head_end : script->length + 1);
    script->resets = resets;
    script->closes = true;
    script->half_closes = false;
}

static const char *random_case(sim_peer *peer, const char *name, char *to)
{
    const uint64_t bits = sim_throw(&peer->world->for_peers);
    size_t i = 0;

    for (; name[i] != '\0'; i++) {
        const bool upper = name[i] >= 'a' && name[i] <= 'z' && (bits >> (i % 64) & 1) != 0;
        to[i] = upper ? (char)(name[i] - 'a' + 'A') : name[i];
    }
    to[i] = '\0';
    return to;
}

static void put_body(sim_peer *peer, sim_script *script, sim_request *request, uint64_t at,
                     uint64_t octets)
{
    uint8_t piece[1024];

    for (uint64_t done = 0; done < octets;) {
        const size_t step = weir_min(octets - done, sizeof(piece));
        sim_body_fill(request->response.serial, at + done, piece, step);
        put_octets(peer, script, &request->response.rows.body, (weir_span){piece, step});
        done += step;
    }
}

static void put(sim_peer *peer, sim_script *script, uint64_t *row, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    const int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    SIM_MUST(peer->world, length >= 0 && (size_t)length < sizeof(text),
             "the script of a response is too long");
    put_octets(peer, script, row, (weir_span){(const uint8_t *)text, (size_t)length});
}

static void put_octets(sim_peer *peer, sim_script *script, uint64_t *row, weir_span octets)
{
    if (script->room - script->length < octets.length) {
        const size_t room = (script->length + octets.length) * 2 + 512;
        uint8_t *grown = sim_room(peer->world, room);
        if (script->length > 0) {
            memcpy(grown, script->octets, script->length);
        }
        script->octets = grown;
        script->room = room;
    }
    if (octets.length > 0) {
        memcpy(script->octets + script->length, octets.at, octets.length);
    }
    script->length += octets.length;
    *row += octets.length;
}
