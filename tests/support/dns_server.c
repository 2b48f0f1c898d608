/* SPDX-License-Identifier: MIT */
/* A name server for tests: see dns_server.h. RFC 1035 s4.1 is all the format it needs. */
#include "support/dns_server.h"
#include "support/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TYPE_A        1
#define TYPE_CNAME    5
#define TYPE_AAAA     28
#define HEADER_OCTETS 12
#define ANSWER_OCTETS 65535
#define MANY          4000

typedef struct dns_reply {
    uint8_t octets[ANSWER_OCTETS];
    size_t length;
    unsigned answers;
} dns_reply;

static void answer(weir_dns_server *server, const weir_dns_query *query, bool over_tcp);
static bool is_held(const weir_dns_server *server, const weir_dns_query *query);
static void serve_tcp(weir_dns_server *server);

void weir_dns_server_open(weir_dns_server *server)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(name);

    memset(server, 0, sizeof(*server));
    server->conn = -1;
    /* TCP and UDP on one port: a few tries, as the port that one of them got may be taken for the
     * other. */
    for (int i = 0; i < 50; i++) {
        name.sin_port = 0;
        server->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        server->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        must(bind(server->tcp, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
        must(getsockname(server->tcp, (struct sockaddr *)&name, &length) == 0, "getsockname");
        if (bind(server->udp, (struct sockaddr *)&name, sizeof(name)) == 0) {
            must(listen(server->tcp, 8) == 0, "listen");
            (void)snprintf(server->servers, sizeof(server->servers), "127.0.0.1:%u",
                           (unsigned)ntohs(name.sin_port));
            return;
        }
        weir_dns_server_close(server);
    }
    must(false, "no port for UDP and TCP");
}

void weir_dns_server_close(weir_dns_server *server)
{
    if (server->conn >= 0) {
        (void)close(server->conn);
    }
    (void)close(server->udp);
    (void)close(server->tcp);
    server->conn = -1;
}

size_t weir_dns_server_polls(const weir_dns_server *server, struct pollfd *polls)
{
    size_t count = 0;

    polls[count++] = (struct pollfd){.fd = server->udp, .events = POLLIN};
    polls[count++] = (struct pollfd){.fd = server->tcp, .events = POLLIN};
    if (server->conn >= 0) {
        polls[count++] = (struct pollfd){.fd = server->conn, .events = POLLIN};
    }
    return count;
}

void weir_dns_server_serve(weir_dns_server *server)
{
    for (;;) {
        weir_dns_query query = {.from_length = sizeof(query.from)};
        const ssize_t got = recvfrom(server->udp, query.octets, sizeof(query.octets), 0,
                                     (struct sockaddr *)&query.from, &query.from_length);
        if (got < HEADER_OCTETS + 5) {
            break;
        }
        query.length = (size_t)got;
        server->questions++;
        if (is_held(server, &query)) {
            must(server->held_count < WEIR_DNS_HELD_LIMIT, "too many held");
            server->held[server->held_count++] = query;
        } else {
            answer(server, &query, false);
        }
    }
    serve_tcp(server);
}

void weir_dns_server_release(weir_dns_server *server)
{
    server->hold_a = false;
    server->hold_aaaa = false;
    for (size_t i = 0; i < server->held_count; i++) {
        answer(server, &server->held[i], false);
    }
    server->held_count = 0;
}

/* The length of the question's name, its root label included. */
static size_t name_octets(const weir_dns_query *query)
{
    size_t at = HEADER_OCTETS;

    while (at < query->length && query->octets[at] != 0) {
        at += 1U + query->octets[at];
    }
    return at + 1 - HEADER_OCTETS;
}

static unsigned type_of(const weir_dns_query *query)
{
    const uint8_t *at = query->octets + HEADER_OCTETS + name_octets(query);

    return (unsigned)at[0] << 8 | at[1];
}

static bool is_for(const weir_dns_query *query, const char *label)
{
    const size_t length = strlen(label);

    return query->octets[HEADER_OCTETS] == length &&
           memcmp(query->octets + HEADER_OCTETS + 1, label, length) == 0;
}

static bool is_held(const weir_dns_server *server, const weir_dns_query *query)
{
    return (server->hold_a && type_of(query) == TYPE_A) ||
           (server->hold_aaaa && type_of(query) == TYPE_AAAA);
}

static void put(dns_reply *reply, const void *octets, size_t length)
{
    must(reply->length + length <= sizeof(reply->octets), "the reply is too long");
    memcpy(reply->octets + reply->length, octets, length);
    reply->length += length;
}

/* A record; `owner` is a pointer into the message (RFC 1035 s4.1.4). */
static void put_record(dns_reply *reply, size_t owner, unsigned type, uint32_t ttl)
{
    const uint8_t head[] = {(uint8_t)(0xc0 | owner >> 8),
                            (uint8_t)owner,
                            0,
                            (uint8_t)type,
                            0,
                            1,
                            (uint8_t)(ttl >> 24),
                            (uint8_t)(ttl >> 16),
                            (uint8_t)(ttl >> 8),
                            (uint8_t)ttl};

    put(reply, head, sizeof(head));
    reply->answers++;
}

static void put_address(dns_reply *reply, size_t owner, unsigned type, uint32_t ttl, unsigned n)
{
    const uint8_t v4[] = {0, 4, 192, 0, (uint8_t)(2 + (n >> 8)), (uint8_t)n};
    uint8_t v6[18] = {0, 16, 0x20, 0x01, 0x0d, 0xb8};

    v6[17] = (uint8_t)n;
    put_record(reply, owner, type, ttl);
    put(reply, type == TYPE_A ? v4 : v6, type == TYPE_A ? sizeof(v4) : sizeof(v6));
}

static void put_alias(dns_reply *reply, unsigned type)
{
    static const uint8_t target[] = {0, 7, 4, 'r', 'e', 'a', 'l', 0xc0, 0};
    const size_t owner = HEADER_OCTETS;

    put_record(reply, owner, TYPE_CNAME, 10);
    put(reply, target, sizeof(target));
    /* "real." and what follows the first label of the name that was asked */
    reply->octets[reply->length - 2] = 0xc0;
    reply->octets[reply->length - 1] = (uint8_t)(owner + 1 + reply->octets[owner]);
    put_address(reply, reply->length - sizeof(target) + 2, type, 300, 1);
}

static void put_answers(dns_reply *reply, const weir_dns_query *query, bool over_tcp)
{
    const unsigned type = type_of(query);
    uint8_t *flags = reply->octets + 2;

    if (is_for(query, "none")) {
        flags[1] |= 3;
    } else if (is_for(query, "broken")) {
        flags[1] |= 2;
    } else if (is_for(query, "alias")) {
        put_alias(reply, type);
    } else if (is_for(query, "many") && type == TYPE_A) {
        flags[0] |= over_tcp ? 0 : 2; /* TC */
        for (unsigned n = 1; n <= (over_tcp ? MANY : 1); n++) {
            put_address(reply, HEADER_OCTETS, type, 30, n);
        }
    } else if (!(is_for(query, "v4") && type == TYPE_AAAA)) {
        put_address(reply, HEADER_OCTETS, type, type == TYPE_A ? 30 : 40, 1);
    }
}

static void answer(weir_dns_server *server, const weir_dns_query *query, bool over_tcp)
{
    static const char *const known[] = {"both", "v4", "none", "broken", "garbage", "alias", "many"};
    static dns_reply reply;
    bool is_known = false;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        is_known = is_known || is_for(query, known[i]);
    }
    if (!is_known) {
        return;
    }
    memset(&reply, 0, sizeof(reply));
    put(&reply, query->octets, HEADER_OCTETS + name_octets(query) + 4);
    memset(reply.octets + 2, 0, HEADER_OCTETS - 2);
    reply.octets[2] = 0x81; /* a response, recursion desired */
    reply.octets[3] = 0x80; /* and available */
    reply.octets[5] = 1;    /* one question */
    put_answers(&reply, query, over_tcp);
    reply.octets[6] = (uint8_t)(reply.answers >> 8);
    reply.octets[7] = (uint8_t)reply.answers;
    if (is_for(query, "garbage")) {
        reply.length -= 3;
    }
    if (over_tcp) {
        const uint8_t length[] = {(uint8_t)(reply.length >> 8), (uint8_t)reply.length};
        must(send(server->conn, length, 2, MSG_NOSIGNAL | MSG_MORE) == 2, "send");
        must(send(server->conn, reply.octets, reply.length, MSG_NOSIGNAL) == (ssize_t)reply.length,
             "send");
    } else {
        (void)sendto(server->udp, reply.octets, reply.length, MSG_NOSIGNAL,
                     (const struct sockaddr *)&query->from, query->from_length);
    }
}

/* One connection at a time, and each question in one segment, as c-ares asks it. */
static void serve_tcp(weir_dns_server *server)
{
    uint8_t octets[514];

    if (server->conn < 0) {
        server->conn = accept4(server->tcp, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    }
    if (server->conn < 0) {
        return;
    }
    const ssize_t got = recv(server->conn, octets, sizeof(octets), 0);
    if (got > 2 + HEADER_OCTETS) {
        weir_dns_query query = {.length = (size_t)got - 2};
        memcpy(query.octets, octets + 2, query.length);
        server->over_tcp++;
        answer(server, &query, true);
    } else if (got >= 0 || errno != EAGAIN) {
        (void)close(server->conn);
        server->conn = -1;
    }
}
