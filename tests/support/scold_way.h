/* SPDX-License-Identifier: MIT */
/*
 * A scold in the place of a world's origin, spoken to in the world's way: clear or TLS, HTTP/1.1 or
 * HTTP/2.
 */
#ifndef WEIR_TESTS_SCOLD_WAY_H
#define WEIR_TESTS_SCOLD_WAY_H

#include "support/scold.h"
#include "support/world.h"

/* Aborts if it cannot start. Keeps `user`. */
weir_scold *weir_scold_way_start(const weir_world *world, weir_scold_play *play, void *user);
/* GET of its "/" by the name that its certificate is for; ends after 20 seconds at the latest. */
weir_ask weir_scold_way_ask(weir_world *world, const weir_scold *server);
/* Closes the world, waits until that many connections are over, and stops the server. */
weir_scold_heard weir_scold_way_end(weir_world *world, weir_scold *server, size_t connections);

#endif
