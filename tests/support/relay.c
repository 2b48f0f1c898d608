/* SPDX-License-Identifier: MIT */
/* See relay.h. Small buffers, so that a stalled client notices soon. */
#include "support/relay.h"
#include "support/must.h"

#include <arpa/inet.h>
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

#define PAIRS  32
#define BUFFER 16384

struct weir_relay {
    int listener;
    int wake;
    uint16_t port;
    uint16_t to_port;
    atomic_int mode;
    atomic_size_t gathers;
    atomic_size_t ends;
    atomic_size_t came;
    pthread_mutex_t lock; /* of the two below */
    pthread_cond_t told;
    size_t ended;
    atomic_bool hangs_up;
    atomic_bool stop;
    pthread_t thread;
};

typedef struct pair {
    int client;
    int server;
} pair;

static weir_relay *start(const struct sockaddr *at, socklen_t octets, uint16_t to_port);
static void *play(void *user);
static void add(weir_relay *relay, pair *pairs, size_t *count);
static void end_first(weir_relay *relay, pair *pairs, size_t *count);
static void end(weir_relay *relay, const pair *p);
static bool carry(int from, int to, bool spoil);

weir_relay *weir_relay_start(uint16_t to_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t octets = sizeof(at);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    weir_relay *relay = start((struct sockaddr *)&at, sizeof(at), to_port);
    must(relay != NULL, "bind");
    must(getsockname(relay->listener, (struct sockaddr *)&at, &octets) == 0, "getsockname");
    relay->port = ntohs(at.sin_port);
    return relay;
}

weir_relay *weir_relay_start_v6(uint16_t to_port, uint16_t port)
{
    const struct sockaddr_in6 at = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    weir_relay *relay = start((const struct sockaddr *)&at, sizeof(at), to_port);

    if (relay != NULL) {
        relay->port = port;
    }
    return relay;
}

uint16_t weir_relay_port(const weir_relay *relay)
{
    return relay->port;
}

void weir_relay_set(weir_relay *relay, weir_relay_mode mode)
{
    const uint64_t one = 1;

    atomic_store(&relay->mode, (int)mode);
    (void)!write(relay->wake, &one, sizeof(one));
}

void weir_relay_gather(weir_relay *relay, size_t connections, size_t ended)
{
    atomic_store(&relay->gathers, connections);
    atomic_store(&relay->ends, ended);
}

void weir_relay_hang_up(weir_relay *relay)
{
    const uint64_t one = 1;

    atomic_store(&relay->hangs_up, true);
    (void)!write(relay->wake, &one, sizeof(one));
}

size_t weir_relay_came(weir_relay *relay)
{
    return atomic_load(&relay->came);
}

void weir_relay_await_ended(weir_relay *relay, size_t connections)
{
    (void)pthread_mutex_lock(&relay->lock);
    while (relay->ended < connections) {
        (void)pthread_cond_wait(&relay->told, &relay->lock);
    }
    (void)pthread_mutex_unlock(&relay->lock);
}

void weir_relay_stop(weir_relay *relay)
{
    const uint64_t one = 1;

    atomic_store(&relay->stop, true);
    (void)!write(relay->wake, &one, sizeof(one));
    (void)pthread_join(relay->thread, NULL);
    (void)close(relay->listener);
    (void)close(relay->wake);
    (void)pthread_cond_destroy(&relay->told);
    (void)pthread_mutex_destroy(&relay->lock);
    free(relay);
}

/* NULL: it cannot be bound there. */
static weir_relay *start(const struct sockaddr *at, socklen_t octets, uint16_t to_port)
{
    const int small = BUFFER;
    const int one = 1;
    weir_relay *relay = calloc(1, sizeof(*relay));

    must(relay != NULL, "calloc");
    relay->to_port = to_port;
    relay->listener = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Connections of a relay that was here before may linger. */
    (void)setsockopt(relay->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (relay->listener < 0 || bind(relay->listener, at, octets) != 0) {
        (void)close(relay->listener);
        free(relay);
        return NULL;
    }
    (void)setsockopt(relay->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    must(listen(relay->listener, 64) == 0, "listen");
    relay->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must(pthread_mutex_init(&relay->lock, NULL) == 0, "mutex");
    must(pthread_cond_init(&relay->told, NULL) == 0, "condition");
    must(pthread_create(&relay->thread, NULL, play, relay) == 0, "thread");
    return relay;
}

static void *play(void *user)
{
    weir_relay *relay = user;
    pair pairs[PAIRS];
    size_t count = 0;

    while (!atomic_load(&relay->stop)) {
        struct pollfd fds[2 + 2 * PAIRS];
        const bool stalls = atomic_load(&relay->mode) == WEIR_RELAY_STALL;
        const bool waits = atomic_load(&relay->came) < atomic_load(&relay->gathers);
        fds[0] = (struct pollfd){.fd = relay->wake, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = count < PAIRS ? relay->listener : -1, .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            fds[2 + 2 * i] =
                (struct pollfd){.fd = stalls || waits ? -1 : pairs[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = pairs[i].server, .events = POLLIN};
        }
        must(poll(fds, 2 + 2 * count, -1) > 0, "poll");
        for (size_t i = count; i > 0; i--) {
            const bool spoils = atomic_load(&relay->mode) == WEIR_RELAY_SPOIL;
            pair *p = &pairs[i - 1];
            const bool goes_on =
                (fds[2 * i].revents == 0 || carry(p->client, p->server, false)) &&
                (fds[1 + 2 * i].revents == 0 || carry(p->server, p->client, spoils));
            if (!goes_on) {
                end(relay, p);
                *p = pairs[--count];
            }
        }
        if (fds[1].revents != 0) {
            add(relay, pairs, &count);
            end_first(relay, pairs, &count);
        }
        uint64_t times;
        (void)!read(relay->wake, &times, sizeof(times));
        /* Behind the read: what is told later wakes it anew. */
        const bool hangs_up = atomic_exchange(&relay->hangs_up, false);
        for (size_t i = 0; i < count && hangs_up; i++) {
            (void)shutdown(pairs[i].server, SHUT_WR);
        }
    }
    for (size_t i = 0; i < count; i++) {
        (void)close(pairs[i].client);
        (void)close(pairs[i].server);
    }
    return NULL;
}

static void add(weir_relay *relay, pair *pairs, size_t *count)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    pair *p = &pairs[*count];

    to.sin_port = htons(relay->to_port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->client = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC);
    p->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(p->client >= 0 && p->server >= 0, "accept");
    must(connect(p->server, (struct sockaddr *)&to, sizeof(to)) == 0, "connect");
    (*count)++;
    atomic_fetch_add(&relay->came, 1);
}

/* When all have come that are gathered. */
static void end_first(weir_relay *relay, pair *pairs, size_t *count)
{
    while (atomic_load(&relay->came) == atomic_load(&relay->gathers) &&
           atomic_load(&relay->ends) > 0) {
        end(relay, &pairs[0]);
        pairs[0] = pairs[--*count];
        atomic_fetch_sub(&relay->ends, 1);
    }
}

static void end(weir_relay *relay, const pair *p)
{
    (void)close(p->client);
    (void)close(p->server);
    (void)pthread_mutex_lock(&relay->lock);
    relay->ended++;
    (void)pthread_cond_broadcast(&relay->told);
    (void)pthread_mutex_unlock(&relay->lock);
}

/* One read and as many writes as it takes; false: one side has ended. */
static bool carry(int from, int to, bool spoil)
{
    uint8_t octets[BUFFER];
    const ssize_t got = recv(from, octets, sizeof(octets), MSG_DONTWAIT);

    if (got <= 0) {
        return false;
    }
    if (spoil) {
        octets[got - 1] ^= 1;
    }
    for (ssize_t at = 0; at < got;) {
        const ssize_t sent = send(to, octets + at, (size_t)(got - at), MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
    }
    return true;
}
