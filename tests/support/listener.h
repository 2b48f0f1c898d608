/* SPDX-License-Identifier: MIT */
/*
 * A port on loopback for whoever stands in for a server.
 */
#ifndef WEIR_TESTS_LISTENER_H
#define WEIR_TESTS_LISTENER_H

#include <stdint.h>

/* A blocking TCP socket that listens on 127.0.0.1, at a port that was free; the caller's to close.
 * Aborts if there is none. */
int weir_listener_open(uint16_t *port, int backlog);

#endif
