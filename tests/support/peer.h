/* SPDX-License-Identifier: MIT */
/*
 * Peers that do what no server does: HTTP/1.1 in the clear, one script for each connection, played
 * by a thread of their own; and two listening sockets without a program behind them.
 *
 * A script is a list of turns. A turn waits for a whole request head (content is not looked at),
 * answers with octets, and does what `then` says. A connection past the last script is closed at
 * once.
 */
#ifndef WEIR_TESTS_PEER_H
#define WEIR_TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum weir_peer_then {
    WEIR_PEER_GO_ON = 0, /* the next turn */
    WEIR_PEER_FIN,
    WEIR_PEER_RESET,
    WEIR_PEER_HOLD /* neither reads nor writes until the peer is stopped */
} weir_peer_then;

typedef struct weir_peer_turn {
    const char *answer; /* NULL: none */
    weir_peer_then then;
    unsigned at_once; /* 1: does not wait for a request */
} weir_peer_turn;

typedef struct weir_peer weir_peer;

/* scripts[i] are the turns of the i-th connection, up to the first that does not go on; *kept*.
 * Aborts if it cannot start. */
weir_peer *weir_peer_start(const weir_peer_turn *const *scripts, size_t count);
uint16_t weir_peer_port(const weir_peer *peer);
/* Request heads that came, on all connections. */
size_t weir_peer_requests(weir_peer *peer);
/* Waits until that many connections were ended by the script; the kernel has then sent what there
 * was to send. */
void weir_peer_await_ended(weir_peer *peer, size_t count);
/* Waits until that many connections were told what their script says at once: it is in the client's
 * socket then. */
void weir_peer_await_said(weir_peer *peer, size_t count);
void weir_peer_stop(weir_peer *peer);

/* A socket that listens with a queue that is full: a connect to it stays under way. */
typedef struct weir_full_port {
    int listener;
    int fillers[8];
    uint16_t port;
} weir_full_port;
void weir_full_port_open(weir_full_port *full);
/* The same at ::1, with that port. False: there is no ::1 here, or the port is taken. */
bool weir_full_port_open_v6(weir_full_port *full, uint16_t port);
void weir_full_port_close(weir_full_port *full);

/* A port on which nobody listens. */
uint16_t weir_free_port(void);

#endif
