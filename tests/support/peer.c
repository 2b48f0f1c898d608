/* SPDX-License-Identifier: MIT */
/* Scripted peers: see peer.h. */
#include "support/peer.h"
#include "support/listener.h"
#include "support/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 64

struct weir_peer {
    const weir_peer_turn *const *scripts;
    size_t count;
    int listener;
    int stop;
    uint16_t port;
    pthread_t thread;
    atomic_size_t requests;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ended;
    size_t said;
};

/* One connection with its place in its script. */
typedef struct talk {
    int fd;
    const weir_peer_turn *turn; /* NULL: held */
    bool said_goodbye; /* what still comes is read and thrown away, so that our FIN is no reset */
    unsigned matched;  /* of "\r\n\r\n" */
} talk;

static void *play(void *user);
static void begin_talk(weir_peer *peer, talk *talks, size_t *count);
static bool hear(weir_peer *peer, talk *t);
static bool act(weir_peer *peer, talk *t);
static void reset(const talk *t);
static void note_end(weir_peer *peer);
static void fill(weir_full_port *full, const struct sockaddr *at, socklen_t octets);

weir_peer *weir_peer_start(const weir_peer_turn *const *scripts, size_t count)
{
    weir_peer *peer = calloc(1, sizeof(*peer));

    must(peer != NULL, "calloc");
    peer->scripts = scripts;
    peer->count = count;
    peer->listener = weir_listener_open(&peer->port, 64);
    peer->stop = eventfd(0, EFD_CLOEXEC);
    must(pthread_mutex_init(&peer->lock, NULL) == 0, "mutex");
    must(pthread_cond_init(&peer->changed, NULL) == 0, "condition");
    must(pthread_create(&peer->thread, NULL, play, peer) == 0, "thread");
    return peer;
}

uint16_t weir_peer_port(const weir_peer *peer)
{
    return peer->port;
}

size_t weir_peer_requests(weir_peer *peer)
{
    return atomic_load(&peer->requests);
}

void weir_peer_await_ended(weir_peer *peer, size_t count)
{
    (void)pthread_mutex_lock(&peer->lock);
    while (peer->ended < count) {
        (void)pthread_cond_wait(&peer->changed, &peer->lock);
    }
    (void)pthread_mutex_unlock(&peer->lock);
}

void weir_peer_await_said(weir_peer *peer, size_t count)
{
    (void)pthread_mutex_lock(&peer->lock);
    while (peer->said < count) {
        (void)pthread_cond_wait(&peer->changed, &peer->lock);
    }
    (void)pthread_mutex_unlock(&peer->lock);
}

void weir_peer_stop(weir_peer *peer)
{
    const uint64_t one = 1;

    must(write(peer->stop, &one, sizeof(one)) == sizeof(one), "eventfd");
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->listener);
    (void)close(peer->stop);
    (void)pthread_cond_destroy(&peer->changed);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
}

/*
 * A queue of length 0 holds one connection. Further ones are answered by nobody: the kernel drops
 * their SYN, and two of ours that hang there prove it.
 */
void weir_full_port_open(weir_full_port *full)
{
    struct sockaddr_in at = {.sin_family = AF_INET};

    full->listener = weir_listener_open(&full->port, 0);
    at.sin_port = htons(full->port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fill(full, (struct sockaddr *)&at, sizeof(at));
}

bool weir_full_port_open_v6(weir_full_port *full, uint16_t port)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    at.sin6_addr = in6addr_loopback;
    full->port = port;
    full->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (full->listener < 0) {
        return false;
    }
    if (bind(full->listener, (struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(full->listener, 0) != 0) {
        (void)close(full->listener);
        return false;
    }
    fill(full, (struct sockaddr *)&at, sizeof(at));
    return true;
}

void weir_full_port_close(weir_full_port *full)
{
    for (size_t i = 0; i < sizeof(full->fillers) / sizeof(full->fillers[0]); i++) {
        (void)close(full->fillers[i]);
    }
    (void)close(full->listener);
}

static void fill(weir_full_port *full, const struct sockaddr *at, socklen_t octets)
{
    const size_t fillers = sizeof(full->fillers) / sizeof(full->fillers[0]);

    for (size_t i = 0; i < fillers; i++) {
        full->fillers[i] = socket(at->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        must(full->fillers[i] >= 0, "socket");
        (void)connect(full->fillers[i], at, octets);
        struct pollfd wait = {.fd = full->fillers[i], .events = POLLOUT};
        (void)poll(&wait, 1, i == fillers - 1 ? 20 : 0);
        must(i < fillers - 1 || wait.revents == 0, "the queue does not fill");
    }
}

uint16_t weir_free_port(void)
{
    uint16_t port = 0;

    (void)close(weir_listener_open(&port, 1));
    return port;
}

static void *play(void *user)
{
    weir_peer *peer = user;
    talk talks[CONNECTIONS];
    size_t count = 0;

    for (;;) {
        struct pollfd fds[CONNECTIONS + 2];
        fds[0] = (struct pollfd){.fd = peer->stop, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = count < CONNECTIONS ? peer->listener : -1, .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            fds[i + 2] =
                (struct pollfd){.fd = talks[i].turn != NULL ? talks[i].fd : -1, .events = POLLIN};
        }
        must(poll(fds, count + 2, -1) > 0, "poll");
        if (fds[0].revents != 0) {
            break;
        }
        for (size_t i = count; i > 0; i--) {
            if (fds[i + 1].revents != 0 && !hear(peer, &talks[i - 1])) {
                talks[i - 1] = talks[--count];
            }
        }
        if (fds[1].revents != 0) {
            begin_talk(peer, talks, &count);
        }
    }
    for (size_t i = 0; i < count; i++) {
        (void)close(talks[i].fd);
    }
    return NULL;
}

static void begin_talk(weir_peer *peer, talk *talks, size_t *count)
{
    static const weir_peer_turn goodbye = {NULL, WEIR_PEER_FIN, 1};
    const size_t number = peer->count > 0 ? peer->count-- : 0;
    talk *t = &talks[(*count)++];

    *t = (talk){.fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC), .turn = &goodbye};
    must(t->fd >= 0, "accept");
    if (number > 0) {
        t->turn = *peer->scripts++;
    }
    if (!t->turn->at_once) {
        return;
    }
    if (!act(peer, t)) {
        (*count)--;
    }
    (void)pthread_mutex_lock(&peer->lock);
    peer->said++;
    (void)pthread_cond_broadcast(&peer->changed);
    (void)pthread_mutex_unlock(&peer->lock);
}

/* False: the connection is over. */
static bool hear(weir_peer *peer, talk *t)
{
    static const char end[] = "\r\n\r\n";
    char octets[4096];
    const ssize_t got = recv(t->fd, octets, sizeof(octets), 0);

    if (got <= 0) {
        (void)close(t->fd);
        return false;
    }
    for (ssize_t i = 0; i < got && t->turn != NULL && !t->said_goodbye; i++) {
        t->matched = octets[i] == end[t->matched] ? t->matched + 1 : octets[i] == '\r';
        if (t->matched == 4) {
            t->matched = 0;
            atomic_fetch_add(&peer->requests, 1);
            if (!act(peer, t)) {
                return false;
            }
        }
    }
    return true;
}

static bool act(weir_peer *peer, talk *t)
{
    for (;;) {
        const weir_peer_turn *turn = t->turn;
        if (turn->answer != NULL) {
            const size_t octets = strlen(turn->answer);
            (void)!send(t->fd, turn->answer, octets, MSG_NOSIGNAL);
        }
        t->turn = turn + 1;
        switch (turn->then) {
        case WEIR_PEER_GO_ON:
            if (!t->turn->at_once) {
                return true;
            }
            continue;
        case WEIR_PEER_HOLD:
            t->turn = NULL;
            return true;
        case WEIR_PEER_FIN:
            (void)shutdown(t->fd, SHUT_WR);
            t->said_goodbye = true;
            note_end(peer);
            return true;
        case WEIR_PEER_RESET:
            reset(t);
            note_end(peer);
            return false;
        }
    }
}

static void reset(const talk *t)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    (void)close(t->fd);
}

static void note_end(weir_peer *peer)
{
    (void)pthread_mutex_lock(&peer->lock);
    peer->ended++;
    (void)pthread_cond_broadcast(&peer->changed);
    (void)pthread_mutex_unlock(&peer->lock);
}
