/* SPDX-License-Identifier: MIT */
/*
 * HTTP/2, the server's side, over an nghttp2 server session. Streams are independent: each
 * exchange's body is a data source that nghttp2 asks when its windows allow.
 */
#ifndef ORIGIN_H2_H
#define ORIGIN_H2_H

#include "conn.h"
#include "exchange.h"

#include <stdbool.h>
#include <stdint.h>

extern const protocol h2_protocol;

typedef struct h2_change {
    uint32_t max_streams; /* each UINT32_MAX: not sent */
    uint32_t window;
    uint32_t frame;
    uint32_t table;
} h2_change;

/* What cases do to a connection; each answers false when there is no HTTP/2. */
bool h2_goaway(conn *c, uint32_t last_stream, uint32_t code);
bool h2_ping(conn *c);
bool h2_settings(conn *c, h2_change change);
/* The receive window of a stream, or of the connection for stream 0. */
bool h2_window(conn *c, int32_t stream, uint32_t octets);
bool h2_reset(exchange *x, uint32_t code);

#endif
