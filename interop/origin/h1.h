/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1, the server's side: llhttp reads requests, h1_send.c writes answers, one exchange at a
 * time. Pipelined requests wait in conn->in until the one before them is answered.
 */
#ifndef ORIGIN_H1_H
#define ORIGIN_H1_H

#include "conn.h"
#include "exchange.h"

#include <llhttp.h>

extern const protocol h1_protocol;

typedef struct h1 {
    llhttp_t parser;
    llhttp_settings_t settings;
    exchange *current;
    queue target;
    queue name;
    queue value;
    size_t head_octets;
    bool head_too_long;
    bool head_complete;
    bool head_sent;  /* of the answer */
    bool tunnel;     /* after a 101 nothing is parsed any more */
    bool peer_ended; /* answer what is complete, then end */
} h1;

/* Carries out the answer as far as there is room; true: wrote something. */
bool h1_send(conn *c, exchange *x);
void h1_send_interim(exchange *x, int status);
const char *h1_reason(int status);

#endif
