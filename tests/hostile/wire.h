/* SPDX-License-Identifier: MIT */
/*
 * The server's end of one HTTP/1.1 connection, clear or TLS, for tests in which it matters *when*
 * octets are where: what is said can be packed first and sent in pieces, and whoever sent it can
 * wait until the client's kernel has it, which is asked of the client's own descriptor (both ends
 * are of this process).
 *
 * Ownership: the descriptor stays the hostile server's.
 */
#ifndef WEIR_TESTS_HOSTILE_WIRE_H
#define WEIR_TESTS_HOSTILE_WIRE_H

#include "server.h"
#include "support/tls_server.h"

#define WEIR_WIRE_PACKED 4096

typedef struct weir_wire {
    int fd;
    weir_tls_server *tls; /* NULL: clear */
    char heard[8192];     /* plaintext that was not taken yet */
    size_t heard_octets;
    uint8_t packed[WEIR_WIRE_PACKED]; /* as it goes on the wire, not sent yet */
    size_t packed_octets;
} weir_wire;

typedef struct weir_heard {
    char method[16];
    char path[128];
    char content[256]; /* its beginning */
    size_t content_octets;
} weir_heard;

/* `tls` NULL: clear; else shakes hands, and sends no tickets. False: the client is gone. */
bool weir_wire_open(weir_wire *wire, int fd, const weir_tls_server_options *tls);
void weir_wire_close(weir_wire *wire);
/* A whole request with its counted content. False: the client is gone. */
bool weir_wire_hear(weir_wire *wire, weir_heard *heard);

/* Adds to what is packed; over TLS it is one record. */
void weir_wire_pack(weir_wire *wire, const char *plain);
/* Over TLS: a KeyUpdate that asks for one of the client's (RFC 8446 s4.6.3). */
void weir_wire_pack_keys(weir_wire *wire);
/* "HTTP/1.1 200 OK" with its length and content. */
void weir_wire_pack_answer(weir_wire *wire, const char *content);
/* Sends the first octets of what is packed, in one send. False: the client is gone. */
bool weir_wire_send(weir_wire *wire, size_t octets);
bool weir_wire_send_all(weir_wire *wire);

/* The descriptor at the other end, found by its port. */
int weir_wire_client(int fd);
/* Until so many octets lie unread in the client's kernel. */
void weir_wire_await_octets(int client, size_t octets);
/* Until the client's kernel knows of our FIN, or of a reset. */
void weir_wire_await_end(int client);

#endif
