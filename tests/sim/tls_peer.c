/* SPDX-License-Identifier: MIT */
/* A TLS server that is a toy, and not always a good one: see tls_peer.h. */
#include "tls_peer.h"

#include <string.h>

#include "client.h"

#define CERTIFICATE_OCTETS_MOST 6000
#define KEY_UPDATES_MOST        3000

static void take_record(sim_tls_peer *tls, uint8_t *record, size_t length);
static void take_hello(sim_tls_peer *tls, weir_span content);
static void answer_hello(sim_tls_peer *tls);
static void take_message(sim_tls_peer *tls, weir_span content);
static bool choose(sim_tls_peer *tls, uint8_t offer);
static void handshake_over(sim_tls_peer *tls);
static void say(sim_tls_peer *tls, uint8_t type, weir_span content);
static void say_clear(sim_tls_peer *tls, uint8_t type, weir_span content);
static void say_alert(sim_tls_peer *tls, uint8_t alert);
static void disturb(sim_tls_peer *tls);
static void give_up(sim_tls_peer *tls);

void sim_tls_peer_open(sim_peer *peer)
{
    sim_tls_peer *tls = sim_room(peer->world, sizeof(*tls));

    tls->peer = peer;
    peer->tls = tls;
}

void sim_tls_peer_calm(sim_tls_peer *tls)
{
    if (tls->silent) {
        tls->silent = false;
        answer_hello(tls);
    }
}

/* -- from the client -- */

void sim_tls_peer_got(sim_tls_peer *tls, weir_span octets)
{
    sim_world *world = tls->peer->world;
    size_t at = 0;

    if (tls->in_room - tls->in_octets < octets.length) {
        tls->in_room = (tls->in_octets + octets.length) * 2 + 256;
        uint8_t *grown = sim_room(world, tls->in_room);
        if (tls->in_octets > 0) {
            memcpy(grown, tls->in, tls->in_octets);
        }
        tls->in = grown;
    }
    memcpy(tls->in + tls->in_octets, octets.at, octets.length);
    tls->in_octets += octets.length;
    tls->got_octets += octets.length;
    while (tls->in_octets - at >= SIM_TLS_HEAD_OCTETS && tls->state != SIM_TLS_PEER_OVER) {
        uint8_t *record = tls->in + at;
        const size_t length = SIM_TLS_HEAD_OCTETS + ((size_t)record[3] << 8 | record[4]);
        if (tls->in_octets - at < length) {
            break;
        }
        take_record(tls, record, length);
        at += length;
    }
    memmove(tls->in, tls->in + at, tls->in_octets - at);
    tls->in_octets -= at;
}

static void take_record(sim_tls_peer *tls, uint8_t *record, size_t length)
{
    sim_world *world = tls->peer->world;
    uint8_t type = record[0];
    weir_span content = {record + SIM_TLS_HEAD_OCTETS, length - SIM_TLS_HEAD_OCTETS};

    SIM_MUST(world, record[1] == 3, "socket %d: a record that is none", tls->peer->socket->fd);
    if (tls->state == SIM_TLS_PEER_HELLO) {
        tls->got_handshake += length;
        SIM_MUST(world,
                 type == SIM_TLS_HANDSHAKE && content.length >= 18 &&
                     content.at[0] == SIM_TLS_CLIENT_HELLO,
                 "socket %d: no hello", tls->peer->socket->fd);
        take_hello(tls, content);
        return;
    }
    SIM_MUST(world, type == SIM_TLS_DATA, "socket %d: a record in the clear",
             tls->peer->socket->fd);
    SIM_MUST(world,
             sim_tls_open(&tls->from_client, record + SIM_TLS_HEAD_OCTETS, content.length, &type,
                          &content),
             "socket %d: a record that was not sealed so", tls->peer->socket->fd);
    if (tls->state == SIM_TLS_PEER_FINISHED) {
        tls->got_handshake += length;
    }
    if (type == SIM_TLS_HANDSHAKE) {
        take_message(tls, content);
    } else if (type == SIM_TLS_ALERT) {
        tls->state = SIM_TLS_PEER_OVER;
    } else {
        SIM_MUST(world, tls->state == SIM_TLS_PEER_OPEN,
                 "socket %d: data before the handshake is over", tls->peer->socket->fd);
        tls->got_plain += content.length;
        tls->peer->kind->got(tls->peer, content);
    }
}

static void take_hello(sim_tls_peer *tls, weir_span content)
{
    sim_world *world = tls->peer->world;
    sim_dice *dice = &world->for_peers;
    uint64_t client = 0;
    uint64_t ticket = 0;

    memcpy(&client, content.at + 2, sizeof(client));
    memcpy(&ticket, content.at + 10, sizeof(ticket));
    tls->resumed = ticket != 0;
    tls->state = SIM_TLS_PEER_FINISHED;
    tls->offer = content.at[1];
    tls->client = client;
    tls->silent = sim_fault(world, SIM_FAULT_TLS_SILENT, dice);
    if (tls->silent) {
        return;
    }
    if (sim_fault(world, SIM_FAULT_TLS_NOT, dice)) {
        static const char clear[] = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        sim_net_peer_send(tls->peer->socket, WEIR_SPAN(clear));
        give_up(tls);
        return;
    }
    if (sim_fault(world, SIM_FAULT_TLS_ALERT, dice)) {
        say_clear(tls, SIM_TLS_ALERT,
                  (weir_span){(const uint8_t[]){2, SIM_TLS_HANDSHAKE_FAILURE}, 2});
        give_up(tls);
        return;
    }
    answer_hello(tls);
}

/* The server's flight: cut short at any of its records, now and then. */
static void answer_hello(sim_tls_peer *tls)
{
    sim_world *world = tls->peer->world;
    sim_dice *dice = &world->for_peers;
    const uint64_t server = sim_throw(dice);
    uint8_t hello[60] = {SIM_TLS_SERVER_HELLO};
    static uint8_t certificate[CERTIFICATE_OCTETS_MOST];
    const uint8_t finished[33] = {SIM_TLS_FINISHED};

    if (!choose(tls, tls->offer)) {
        say_clear(tls, SIM_TLS_ALERT,
                  (weir_span){(const uint8_t[]){2, SIM_TLS_NO_APPLICATION_PROTOCOL}, 2});
        give_up(tls);
        return;
    }
    memcpy(hello + 1, &server, sizeof(server));
    tls->from_client = sim_tls_key_of(tls->client, server, true);
    tls->to_client = sim_tls_key_of(tls->client, server, false);
    say_clear(tls, SIM_TLS_HANDSHAKE, (weir_span){hello, sizeof(hello)});
    if (sim_fault(world, SIM_FAULT_TLS_ENDS, dice)) {
        give_up(tls);
        return;
    }
    const uint8_t extensions[] = {SIM_TLS_EXTENSIONS, tls->chosen, tls->resumed};
    say(tls, SIM_TLS_HANDSHAKE, (weir_span){extensions, sizeof(extensions)});
    if (!tls->resumed) {
        certificate[0] = SIM_TLS_CERTIFICATE;
        certificate[1] = sim_fault(world, SIM_FAULT_TLS_UNTRUSTED, dice);
        say(tls, SIM_TLS_HANDSHAKE,
            (weir_span){certificate, sim_between(dice, 500, sizeof(certificate))});
    }
    if (sim_fault(world, SIM_FAULT_TLS_ENDS, dice)) {
        give_up(tls);
        return;
    }
    say(tls, SIM_TLS_HANDSHAKE, (weir_span){finished, sizeof(finished)});
}

static bool choose(sim_tls_peer *tls, uint8_t offer)
{
    sim_world *world = tls->peer->world;
    sim_dice *dice = &world->for_peers;
    const bool h2 = world->plan.kinds[tls->peer->socket->origin] == SIM_ORIGIN_TLS_H2;
    const uint8_t known = h2 ? SIM_TLS_ALPN_H1 | SIM_TLS_ALPN_H2 : SIM_TLS_ALPN_H1;

    tls->chosen = (offer & known & SIM_TLS_ALPN_H2) != 0 ? SIM_TLS_ALPN_H2 : offer & known;
    if (tls->chosen == 0) {
        return false;
    }
    if ((offer & SIM_TLS_ALPN_H1) != 0 && sim_fault(world, SIM_FAULT_TLS_OTHER_ALPN, dice)) {
        tls->chosen = sim_below(dice, 2) == 0 ? SIM_TLS_ALPN_H1 : SIM_TLS_NO_ALPN;
    }
    return true;
}

static void take_message(sim_tls_peer *tls, weir_span content)
{
    sim_world *world = tls->peer->world;

    if (content.at[0] == SIM_TLS_FINISHED && tls->state == SIM_TLS_PEER_FINISHED) {
        handshake_over(tls);
        return;
    }
    SIM_MUST(world, content.at[0] == SIM_TLS_KEY_UPDATE && tls->state == SIM_TLS_PEER_OPEN,
             "socket %d: a message out of place", tls->peer->socket->fd);
    sim_tls_key_next(&tls->from_client);
}

static void handshake_over(sim_tls_peer *tls)
{
    sim_dice *dice = &tls->peer->world->for_peers;
    uint8_t ticket[200] = {SIM_TLS_TICKET};

    tls->state = SIM_TLS_PEER_OPEN;
    for (uint64_t left = sim_below(dice, 3); left > 0; left--) {
        const uint64_t number = sim_throw(dice) | 1;
        memcpy(ticket + 1, &number, sizeof(number));
        say(tls, SIM_TLS_HANDSHAKE, (weir_span){ticket, sizeof(ticket)});
    }
    tls->peer->kind = tls->chosen == SIM_TLS_ALPN_H2 ? &sim_peer_h2 : &sim_peer_h1;
    tls->peer->kind->connected(tls->peer);
}

/* -- to the client -- */

void sim_tls_peer_send(sim_tls_peer *tls, weir_span octets)
{
    sim_world *world = tls->peer->world;
    sim_dice *dice = &world->for_peers;

    while (octets.length > 0 && tls->state == SIM_TLS_PEER_OPEN) {
        size_t step = weir_min(octets.length, SIM_TLS_PLAIN_MOST);
        if (step > 1 && sim_fault(world, SIM_FAULT_TLS_SMALL, dice)) {
            step = 1 + weir_min(step - 1, sim_spread(dice, step - 1));
        }
        disturb(tls);
        if (tls->state != SIM_TLS_PEER_OPEN) {
            return;
        }
        say(tls, SIM_TLS_DATA, weir_span_head(octets, step));
        octets = weir_span_from(octets, step);
    }
}

bool sim_tls_peer_end(sim_tls_peer *tls)
{
    sim_world *world = tls->peer->world;
    const bool says = tls->state == SIM_TLS_PEER_OPEN &&
                      !sim_fault(world, SIM_FAULT_TLS_NO_NOTIFY, &world->for_peers);

    if (says) {
        say_alert(tls, SIM_TLS_CLOSE_NOTIFY);
    }
    tls->state = SIM_TLS_PEER_OVER;
    return says;
}

/* Records without content between those with it. */
static void disturb(sim_tls_peer *tls)
{
    sim_world *world = tls->peer->world;
    sim_dice *dice = &world->for_peers;
    uint64_t updates = sim_fault(world, SIM_FAULT_TLS_KEY_UPDATE, dice) ? 1 : 0;

    if (sim_fault(world, SIM_FAULT_TLS_EMPTY, dice)) {
        say(tls, SIM_TLS_DATA, (weir_span){NULL, 0});
    }
    if (sim_fault(world, SIM_FAULT_TLS_KEY_FLOOD, dice)) {
        updates = sim_between(dice, 100, KEY_UPDATES_MOST);
    }
    for (; updates > 0; updates--) {
        const uint8_t update[] = {SIM_TLS_KEY_UPDATE,
                                  (uint8_t)(updates > 1 || sim_below(dice, 2) == 0)};
        say(tls, SIM_TLS_HANDSHAKE, (weir_span){update, sizeof(update)});
        sim_tls_key_next(&tls->to_client);
    }
    tls->corrupt_next = sim_fault(world, SIM_FAULT_TLS_CORRUPT, dice);
}

static void say(sim_tls_peer *tls, uint8_t type, weir_span content)
{
    static uint8_t record[SIM_TLS_PLAIN_MOST + SIM_TLS_OVERHEAD_OCTETS];
    const size_t length = sim_tls_seal(&tls->to_client, record, type, content);

    if (tls->state == SIM_TLS_PEER_FINISHED) {
        tls->sent_handshake += length;
    }
    if (tls->corrupt_next) {
        tls->corrupt_next = false;
        record[SIM_TLS_HEAD_OCTETS +
               sim_below(&tls->peer->world->for_peers, length - SIM_TLS_HEAD_OCTETS)] ^= 0x40;
        tls->state = SIM_TLS_PEER_OVER;
    }
    sim_net_peer_send(tls->peer->socket, (weir_span){record, length});
}

static void say_clear(sim_tls_peer *tls, uint8_t type, weir_span content)
{
    uint8_t record[SIM_TLS_HEAD_OCTETS + 64];
    const size_t length = sim_tls_write(record, type, content);

    tls->sent_handshake += length;
    sim_net_peer_send(tls->peer->socket, (weir_span){record, length});
}

static void say_alert(sim_tls_peer *tls, uint8_t alert)
{
    say(tls, SIM_TLS_ALERT, (weir_span){(const uint8_t[]){1, alert}, 2});
}

static void give_up(sim_tls_peer *tls)
{
    tls->state = SIM_TLS_PEER_OVER;
    sim_net_peer_end(tls->peer->socket, true);
}
