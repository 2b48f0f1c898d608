/* SPDX-License-Identifier: MIT */
/*
 * A name server on loopback, UDP and TCP, that answers by the first label of the name. It has no
 * thread: the test polls its descriptors together with those of the resolver under test, so the
 * order of everything is the test's.
 *
 *   both     A 192.0.2.1 (TTL 30), AAAA 2001:db8::1 (TTL 40)
 *   v4       A 192.0.2.1, no AAAA
 *   none     NXDOMAIN             broken   SERVFAIL          garbage  an answer that breaks off
 *   alias    CNAME (TTL 10) to an A and an AAAA of TTL 300
 *   many     A: 4,000 of them, truncated over UDP, whole over TCP; one AAAA
 *   all else is not answered
 */
#ifndef WEIR_TESTS_DNS_SERVER_H
#define WEIR_TESTS_DNS_SERVER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define WEIR_DNS_HELD_LIMIT 8
#define WEIR_DNS_FDS        3

typedef struct weir_dns_query {
    struct sockaddr_storage from;
    socklen_t from_length;
    uint8_t octets[512];
    size_t length;
} weir_dns_query;

typedef struct weir_dns_server {
    int udp;
    int tcp;
    int conn;         /* one at a time, -1: none */
    char servers[32]; /* as weir_channel_options.servers takes it */
    bool hold_a;      /* such questions are kept until weir_dns_server_release() */
    bool hold_aaaa;
    weir_dns_query held[WEIR_DNS_HELD_LIMIT];
    size_t held_count;
    size_t questions;
    size_t over_tcp;
} weir_dns_server;

void weir_dns_server_open(weir_dns_server *server);
void weir_dns_server_close(weir_dns_server *server);
/* Fills up to WEIR_DNS_FDS; how many. */
size_t weir_dns_server_polls(const weir_dns_server *server, struct pollfd *polls);
/* Answers what has come, without waiting. */
void weir_dns_server_serve(weir_dns_server *server);
/* Answers what was held, and holds no more. */
void weir_dns_server_release(weir_dns_server *server);

#endif
