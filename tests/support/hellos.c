/* SPDX-License-Identifier: MIT */
/* The first octets of each connection: see hellos.h. */
#include "support/hellos.h"
#include "support/listener.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLOS        64
/* A record's header, a handshake message's, and the version come before the random. */
#define RANDOM_AT     11
#define RANDOM_OCTETS 32

struct weir_hellos {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    uint8_t randoms[HELLOS][RANDOM_OCTETS];
    size_t count;
};

static void *play(void *user);

weir_hellos *weir_hellos_start(void)
{
    weir_hellos *hellos = calloc(1, sizeof(*hellos));

    if (hellos == NULL || pthread_mutex_init(&hellos->lock, NULL) != 0 ||
        pthread_cond_init(&hellos->more, NULL) != 0) {
        abort();
    }
    hellos->listener = weir_listener_open(&hellos->port, HELLOS);
    if (pthread_create(&hellos->thread, NULL, play, hellos) != 0) {
        abort();
    }
    return hellos;
}

uint16_t weir_hellos_port(const weir_hellos *hellos)
{
    return hellos->port;
}

const uint8_t *weir_hellos_random(weir_hellos *hellos, size_t i)
{
    (void)pthread_mutex_lock(&hellos->lock);
    while (hellos->count <= i) {
        (void)pthread_cond_wait(&hellos->more, &hellos->lock);
    }
    (void)pthread_mutex_unlock(&hellos->lock);
    return hellos->randoms[i];
}

size_t weir_hellos_count(weir_hellos *hellos)
{
    (void)pthread_mutex_lock(&hellos->lock);
    const size_t count = hellos->count;
    (void)pthread_mutex_unlock(&hellos->lock);
    return count;
}

void weir_hellos_stop(weir_hellos *hellos)
{
    (void)shutdown(hellos->listener, SHUT_RDWR);
    (void)pthread_join(hellos->thread, NULL);
    (void)close(hellos->listener);
    (void)pthread_cond_destroy(&hellos->more);
    (void)pthread_mutex_destroy(&hellos->lock);
    free(hellos);
}

static void *play(void *user)
{
    weir_hellos *hellos = user;

    for (;;) {
        uint8_t head[RANDOM_AT + RANDOM_OCTETS];
        const int fd = accept(hellos->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        const ssize_t got = recv(fd, head, sizeof(head), MSG_WAITALL);
        if (got == (ssize_t)sizeof(head)) {
            (void)pthread_mutex_lock(&hellos->lock);
            if (hellos->count < HELLOS) {
                memcpy(hellos->randoms[hellos->count++], head + RANDOM_AT, RANDOM_OCTETS);
            }
            (void)pthread_cond_broadcast(&hellos->more);
            (void)pthread_mutex_unlock(&hellos->lock);
        }
        (void)close(fd);
    }
}
