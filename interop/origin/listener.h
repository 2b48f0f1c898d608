/* SPDX-License-Identifier: MIT */
/* A listening socket: accepts and hands each connection to conn_open(). */
#ifndef ORIGIN_LISTENER_H
#define ORIGIN_LISTENER_H

#include "conn.h"

typedef enum listener_kind { LISTENER_CLEAR, LISTENER_TLS, LISTENER_MUTE } listener_kind;

typedef struct listener {
    server *server;
    watch watch;
    timer pause; /* while the process has no descriptor left */
    listener_kind kind;
    int port; /* the one it got; 0: not listening */
} listener;

/* Ends the program when the address cannot be had. OPTIONS_NO_PORT: does nothing. */
void listener_open(listener *l, server *s, listener_kind kind, int port);
void listener_close(listener *l);

#endif
