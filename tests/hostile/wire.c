/* SPDX-License-Identifier: MIT */
/* One connection's server end, octet by octet: see wire.h. */
#include "wire.h"
#include "support/must.h"

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

static bool listen_more(weir_wire *wire);
static bool flush_tls(weir_wire *wire);
static uint16_t port_of(int fd, bool of_peer);

bool weir_wire_open(weir_wire *wire, int fd, const weir_tls_server_options *tls)
{
    memset(wire, 0, sizeof(*wire));
    wire->fd = fd;
    if (tls == NULL) {
        return true;
    }
    weir_tls_server_options options = *tls;
    options.tickets = 1; /* none: what comes after the handshake is what the test says */
    wire->tls = weir_tls_server_new(&options);
    while (!wire->tls->open) {
        if (!listen_more(wire)) {
            return false;
        }
    }
    return true;
}

void weir_wire_close(weir_wire *wire)
{
    weir_tls_server_free(wire->tls);
    wire->tls = NULL;
}

bool weir_wire_hear(weir_wire *wire, weir_heard *heard)
{
    static const char length_name[] = "content-length:";
    char *end = NULL;

    memset(heard, 0, sizeof(*heard));
    while ((end = memmem(wire->heard, wire->heard_octets, "\r\n\r\n", 4)) == NULL) {
        if (!listen_more(wire)) {
            return false;
        }
    }
    const size_t head = (size_t)(end - wire->heard) + 4;
    end[2] = '\0';
    must(sscanf(wire->heard, "%15s %127s", heard->method, heard->path) == 2, "request line");
    for (const char *line = strstr(wire->heard, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, length_name, sizeof(length_name) - 1) == 0) {
            heard->content_octets = strtoul(line + 2 + sizeof(length_name) - 1, NULL, 10);
        }
    }
    while (wire->heard_octets < head + heard->content_octets) {
        if (!listen_more(wire)) {
            return false;
        }
    }
    const size_t room = sizeof(heard->content) - 1;
    memcpy(heard->content, wire->heard + head,
           heard->content_octets < room ? heard->content_octets : room);
    wire->heard_octets -= head + heard->content_octets;
    memmove(wire->heard, wire->heard + head + heard->content_octets, wire->heard_octets);
    return true;
}

void weir_wire_pack(weir_wire *wire, const char *plain)
{
    const size_t octets = strlen(plain);
    uint8_t *to = wire->packed + wire->packed_octets;
    const size_t room = sizeof(wire->packed) - wire->packed_octets;

    if (wire->tls != NULL) {
        weir_tls_server_say(wire->tls, plain, octets);
        must(weir_tls_server_waiting(wire->tls) <= room, "room");
        wire->packed_octets += weir_tls_server_take(wire->tls, to, room);
        return;
    }
    must(octets <= room, "room");
    memcpy(to, plain, octets);
    wire->packed_octets += octets;
}

void weir_wire_pack_keys(weir_wire *wire)
{
    const size_t room = sizeof(wire->packed) - wire->packed_octets;

    weir_tls_server_update_keys(wire->tls, true);
    must(weir_tls_server_waiting(wire->tls) <= room, "room");
    wire->packed_octets +=
        weir_tls_server_take(wire->tls, wire->packed + wire->packed_octets, room);
}

void weir_wire_pack_answer(weir_wire *wire, const char *content)
{
    char answer[1024];

    (void)snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(content), content);
    weir_wire_pack(wire, answer);
}

bool weir_wire_send(weir_wire *wire, size_t octets)
{
    must(octets <= wire->packed_octets, "packed");
    if (!weir_hostile_send(wire->fd, wire->packed, octets)) {
        return false;
    }
    wire->packed_octets -= octets;
    memmove(wire->packed, wire->packed + octets, wire->packed_octets);
    return true;
}

bool weir_wire_send_all(weir_wire *wire)
{
    return weir_wire_send(wire, wire->packed_octets);
}

int weir_wire_client(int fd)
{
    const uint16_t theirs = port_of(fd, true);
    const uint16_t ours = port_of(fd, false);
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    const int end = limit.rlim_cur < 8192 ? (int)limit.rlim_cur : 8192;
    for (int at = 0; at < end; at++) {
        if (at != fd && port_of(at, false) == theirs && port_of(at, true) == ours) {
            return at;
        }
    }
    must(false, "the client's descriptor");
    return -1;
}

void weir_wire_await_octets(int client, size_t octets)
{
    int lie = 0;

    for (;;) {
        struct pollfd wait = {.fd = client, .events = POLLIN};
        must(poll(&wait, 1, 30000) == 1, "poll");
        must(ioctl(client, SIOCINQ, &lie) == 0, "SIOCINQ");
        if ((size_t)lie >= octets) {
            return;
        }
        (void)sched_yield();
    }
}

void weir_wire_await_end(int client)
{
    struct pollfd wait = {.fd = client, .events = POLLRDHUP};

    must(poll(&wait, 1, 30000) == 1, "poll");
}

/* What comes next, decrypted. */
static bool listen_more(weir_wire *wire)
{
    uint8_t octets[4096];
    const ssize_t got = recv(wire->fd, octets, sizeof(octets), 0);

    if (got <= 0) {
        return false;
    }
    const uint8_t *plain = octets;
    size_t count = (size_t)got;
    if (wire->tls != NULL) {
        weir_tls_server_feed(wire->tls, (weir_span){octets, (size_t)got});
        if (!flush_tls(wire) || wire->tls->failed || wire->tls->closed) {
            return false;
        }
        plain = (const uint8_t *)wire->tls->got;
        count = wire->tls->got_octets;
        wire->tls->got_octets = 0;
    }
    must(wire->heard_octets + count < sizeof(wire->heard), "room");
    memcpy(wire->heard + wire->heard_octets, plain, count);
    wire->heard_octets += count;
    wire->heard[wire->heard_octets] = '\0';
    return true;
}

static bool flush_tls(weir_wire *wire)
{
    uint8_t octets[4096];
    size_t count = 0;

    while ((count = weir_tls_server_take(wire->tls, octets, sizeof(octets))) > 0) {
        if (!weir_hostile_send(wire->fd, octets, count)) {
            return false;
        }
    }
    return true;
}

/* 0: not an IPv4 socket, or not connected. */
static uint16_t port_of(int fd, bool of_peer)
{
    struct sockaddr_in at = {.sin_family = 0};
    socklen_t octets = sizeof(at);
    const int result = of_peer ? getpeername(fd, (struct sockaddr *)&at, &octets)
                               : getsockname(fd, (struct sockaddr *)&at, &octets);

    return result == 0 && at.sin_family == AF_INET ? ntohs(at.sin_port) : 0;
}
