/* SPDX-License-Identifier: MIT */
/*
 * Listening. When the process runs out of descriptors the listener rests for a moment instead of
 * spinning on a readiness that it cannot serve; the kernel's backlog keeps who waits.
 */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS = 64, REST_MS = 50 };

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static void ready(void *user, uint32_t events);
static void rested(void *user);
static socklen_t parse_address(const char *text, int port, address *out);
static unsigned port_of(const address *a);
static void fail(const char *what) __attribute__((noreturn));

void listener_open(listener *l, server *s, listener_kind kind, int port)
{
    address a;
    int on = 1;
    *l = (listener){.server = s, .kind = kind, .watch = {.fd = -1}};
    if (port == OPTIONS_NO_PORT) {
        return;
    }
    socklen_t length = parse_address(s->options->bind, port, &a);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fail("socket");
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &a.any, length) != 0 || listen(fd, BACKLOG) != 0) {
        fail(s->options->bind);
    }
    length = sizeof a;
    if (getsockname(fd, &a.any, &length) != 0) {
        fail("getsockname");
    }
    l->port = (int)port_of(&a);
    l->watch = (watch){.fd = fd, .interest = EPOLLIN, .ready = ready, .user = l};
    l->pause = (timer){.fire = rested, .user = l};
    if (!loop_watch(s->loop, &l->watch)) {
        fail("epoll_ctl");
    }
}

void listener_close(listener *l)
{
    if (l->watch.fd >= 0) {
        loop_timer_stop(l->server->loop, &l->pause);
        loop_unwatch(l->server->loop, &l->watch);
        close(l->watch.fd);
        l->watch.fd = -1;
    }
}

static void ready(void *user, uint32_t events)
{
    listener *l = user;
    (void)events;
    for (int i = 0; i < ACCEPTS; i++) {
        address a;
        socklen_t length = sizeof a;
        int on = 1;
        int fd = accept4(l->watch.fd, &a.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                loop_interest(l->server->loop, &l->watch, 0);
                loop_timer(l->server->loop, &l->pause, REST_MS);
            }
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (l->server->options->send_buffer > 0) {
            int octets = l->server->options->send_buffer;
            setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
        }
        conn_open(l->server, fd, port_of(&a), l->kind == LISTENER_TLS, l->kind == LISTENER_MUTE);
    }
}

static void rested(void *user)
{
    listener *l = user;
    loop_interest(l->server->loop, &l->watch, EPOLLIN);
}

static socklen_t parse_address(const char *text, int port, address *out)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons((uint16_t)port);
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        return sizeof out->v6;
    }
    fprintf(stderr, "weir-origin: %s is no address\n", text);
    exit(64);
}

static unsigned port_of(const address *a)
{
    return ntohs(a->any.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

static void fail(const char *what)
{
    fprintf(stderr, "weir-origin: %s: %s\n", what, strerror(errno));
    exit(71);
}
