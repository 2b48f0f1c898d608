/* SPDX-License-Identifier: MIT */
/*
 * A server as the cases see it: its ports, what it can be asked for, and, for the embedded origin,
 * its companions: further origins of one trait each (a bad certificate, no ALPN).
 *
 * interop/servers/capabilities.tsv says for each server what answers a kind of question, or why
 * nothing does; the ports come from a file of `key=value` lines as `interop/servers/start` prints
 * them. interop/run adds:
 *
 *     log=PORTS FILE                   where the origin on those ports logs its connections
 *     companion=ROLE PORT HOST TEXT    an origin with a trait; a certificate's TEXT is what the
 *                                      index expects
 *     other_ca=FILE                    a CA that signed nothing here
 */
#ifndef INTEROP_SERVER_H
#define INTEROP_SERVER_H

#include "way.h"

typedef struct capability {
    char *server;
    char *kind;
    char *answers[2]; /* HTTP/1.1, HTTP/2: a path, or "cannot: why" */
} capability;

typedef struct capabilities {
    capability *at;
    size_t count;
    size_t room;
} capabilities;

typedef struct companion {
    char *role;
    uint16_t port;
    char *host;
    char *expected;
} companion;

typedef struct server {
    char *name;
    char *version;
    char *ca;
    char *other_ca;
    uint16_t clear_h1;
    uint16_t clear_h2;
    uint16_t tls;
    uint16_t mute;
    companion *companions;
    size_t companion_count;
    size_t companion_room;
    const capabilities *can;
} server;

void capabilities_load(capabilities *c, const char *path);
void capabilities_clear(capabilities *c);
/* The answer of a server to a kind: a path or "cannot: why"; NULL: the file does not say. */
const char *capability_of(const capabilities *c, const char *who, const char *kind,
                          weir_protocol protocol);

void server_load(server *s, const char *path, const capabilities *can);
void server_clear(server *s);
/* 0: not served. */
uint16_t server_port(const server *s, way w);
/* NULL: there is none of that role. */
const companion *server_companion(const server *s, const char *role);

#endif
