/* SPDX-License-Identifier: MIT */
/*
 * A wire between a client and a server that can go bad: it stops taking octets from the client,
 * spoils one on its way back, or carries nothing before several connections have come.
 *
 * Thread rule: played by a thread of its own; the modes are changed from any.
 */
#ifndef WEIR_TESTS_RELAY_H
#define WEIR_TESTS_RELAY_H

#include <stddef.h>
#include <stdint.h>

typedef enum weir_relay_mode {
    WEIR_RELAY_PASS = 0,
    WEIR_RELAY_STALL, /* takes nothing more from the client: its send buffer fills */
    WEIR_RELAY_SPOIL  /* flips the last octet of what the server sends next */
} weir_relay_mode;

typedef struct weir_relay weir_relay;

/* Listens on a free port; each connection to it leads to that port of 127.0.0.1. Aborts if it
 * cannot. */
weir_relay *weir_relay_start(uint16_t to_port);
uint16_t weir_relay_port(const weir_relay *relay);
/* The same at ::1, and on that port. NULL: there is no ::1 here, or the port is taken. */
weir_relay *weir_relay_start_v6(uint16_t to_port, uint16_t port);
void weir_relay_set(weir_relay *relay, weir_relay_mode mode);
/* Before the first connection: nothing is carried until `connections` have come, and then the first
 * `ended` of them are closed. */
void weir_relay_gather(weir_relay *relay, size_t connections, size_t ended);
/* Tells the server of each connection that there is that its client has ended: it ends, too, in its
 * own way, and the client sees that. */
void weir_relay_hang_up(weir_relay *relay);
/* How many connections came. */
size_t weir_relay_came(weir_relay *relay);
/* Waits until so many connections have ended: that their peers' ends came is in the kernel then. */
void weir_relay_await_ended(weir_relay *relay, size_t connections);
void weir_relay_stop(weir_relay *relay);

#endif
