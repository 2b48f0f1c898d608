/* SPDX-License-Identifier: MIT */
/*
 * A peer that writes down what a ClientHello (RFC 8446 s4.1.2) drew at random, and hangs up.
 *
 * Thread rule: played by a thread of its own, which allocates nothing, so that the process may fork
 * meanwhile.
 */
#ifndef WEIR_TESTS_HELLOS_H
#define WEIR_TESTS_HELLOS_H

#include <stddef.h>
#include <stdint.h>

typedef struct weir_hellos weir_hellos;

/* Listens on a free port of 127.0.0.1. Aborts if it cannot. */
weir_hellos *weir_hellos_start(void);
uint16_t weir_hellos_port(const weir_hellos *hellos);
/* Waits until there are so many; the random field of the i-th, 32 octets, valid until it is
 * stopped. */
const uint8_t *weir_hellos_random(weir_hellos *hellos, size_t i);
size_t weir_hellos_count(weir_hellos *hellos);
void weir_hellos_stop(weir_hellos *hellos);

#endif
