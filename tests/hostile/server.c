/* SPDX-License-Identifier: MIT */
/* Servers without manners: see server.h. */
#include "server.h"
#include "support/listener.h"
#include "support/must.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS  8192
#define STACK_OCTETS ((size_t)256 << 10)

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

typedef struct connection {
    weir_hostile *server;
    pthread_t thread;
    size_t number;
    int fd; /* -1: closed */
} connection;

struct weir_hostile {
    weir_hostile_play *play;
    void *user;
    int listener;
    int stop;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    size_t count;
    connection all[CONNECTIONS];
};

static void *accept_all(void *user);
static void *play_one(void *user);
static void begin(weir_hostile *server, int fd);
static void end(connection *at, weir_hostile_end how);

weir_hostile *weir_hostile_start(weir_hostile_play *play, void *user)
{
    weir_hostile *server = calloc(1, sizeof(*server));

    must(server != NULL, "calloc");
    server->play = play;
    server->user = user;
    server->listener = weir_listener_open(&server->port, 512);
    server->stop = eventfd(0, EFD_CLOEXEC);
    must(server->stop >= 0, "eventfd");
    must(pthread_mutex_init(&server->lock, NULL) == 0, "mutex");
    must(pthread_create(&server->thread, NULL, accept_all, server) == 0, "thread");
    return server;
}

uint16_t weir_hostile_port(const weir_hostile *server)
{
    return server->port;
}

size_t weir_hostile_accepted(weir_hostile *server)
{
    (void)pthread_mutex_lock(&server->lock);
    const size_t count = server->count;
    (void)pthread_mutex_unlock(&server->lock);
    return count;
}

void weir_hostile_stop(weir_hostile *server)
{
    const uint64_t one = 1;

    must(write(server->stop, &one, sizeof(one)) == sizeof(one), "eventfd");
    (void)pthread_join(server->thread, NULL);
    (void)pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->count; i++) {
        if (server->all[i].fd >= 0) {
            (void)shutdown(server->all[i].fd, SHUT_RDWR);
        }
    }
    (void)pthread_mutex_unlock(&server->lock);
    for (size_t i = 0; i < server->count; i++) {
        (void)pthread_join(server->all[i].thread, NULL);
    }
    (void)close(server->listener);
    (void)close(server->stop);
    (void)pthread_mutex_destroy(&server->lock);
    free(server);
}

bool weir_hostile_send(int fd, const void *octets, size_t count)
{
    const uint8_t *at = octets;

    while (count > 0) {
        const ssize_t sent = send(fd, at, count, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        count -= (size_t)sent;
    }
    return true;
}

bool weir_hostile_say(int fd, const char *text)
{
    return weir_hostile_send(fd, text, strlen(text));
}

bool weir_hostile_receive(int fd, void *to, size_t count)
{
    return count == 0 || recv(fd, to, count, MSG_WAITALL) == (ssize_t)count;
}

bool weir_hostile_head(int fd, char *path, size_t room)
{
    static const char empty_line[] = "\r\n\r\n";
    size_t matched = 0;
    size_t spaces = 0;
    size_t used = 0;
    char c = 0;

    while (matched < 4) {
        if (recv(fd, &c, 1, 0) != 1) {
            return false;
        }
        matched = c == empty_line[matched] ? matched + 1 : c == '\r';
        if (c == ' ') {
            spaces++;
        } else if (spaces == 1 && used + 1 < room) {
            path[used++] = c;
        }
    }
    if (room > 0) {
        path[used] = '\0';
    }
    return true;
}

bool weir_hostile_say_path(int fd, const char *path)
{
    char answer[512];

    (void)snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
                   strlen(path), path);
    return weir_hostile_say(fd, answer);
}

bool weir_hostile_preface(int fd, const uint32_t (*settings)[2], size_t count)
{
    uint8_t payload[6 * 8];
    char preface[24];

    for (size_t i = 0; i < count; i++) {
        const uint16_t id = htons((uint16_t)settings[i][0]);
        const uint32_t value = htonl(settings[i][1]);
        memcpy(payload + 6 * i, &id, 2);
        memcpy(payload + 6 * i + 2, &value, 4);
    }
    return weir_hostile_receive(fd, preface, sizeof(preface)) &&
           weir_hostile_frame_send(fd, SETTINGS, 0, 0, payload, 6 * count);
}

bool weir_hostile_frame_read(int fd, weir_hostile_frame *frame)
{
    uint8_t head[9];
    uint8_t rest[4096];

    if (!weir_hostile_receive(fd, head, sizeof(head))) {
        return false;
    }
    frame->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    memcpy(&frame->stream, head + 5, 4);
    frame->stream = ntohl(frame->stream) & 0x7fffffff;
    const size_t kept =
        frame->length < sizeof(frame->payload) ? frame->length : sizeof(frame->payload);
    if (!weir_hostile_receive(fd, frame->payload, kept)) {
        return false;
    }
    for (size_t left = frame->length - kept; left > 0;) {
        const size_t step = left < sizeof(rest) ? left : sizeof(rest);
        if (!weir_hostile_receive(fd, rest, step)) {
            return false;
        }
        left -= step;
    }
    return true;
}

bool weir_hostile_frame_send(int fd, uint8_t type, uint8_t flags, uint32_t stream,
                             const void *payload, size_t count)
{
    uint8_t octets[9 + 16384];
    const uint32_t id = htonl(stream);

    must(count <= 16384, "frame");
    octets[0] = (uint8_t)(count >> 16);
    octets[1] = (uint8_t)(count >> 8);
    octets[2] = (uint8_t)count;
    octets[3] = type;
    octets[4] = flags;
    memcpy(octets + 5, &id, 4);
    if (count > 0) {
        memcpy(octets + 9, payload, count);
    }
    return weir_hostile_send(fd, octets, 9 + count);
}

uint32_t weir_hostile_request(int fd)
{
    weir_hostile_frame frame;

    while (weir_hostile_frame_read(fd, &frame)) {
        if (frame.type == HEADERS) {
            return frame.stream;
        }
        if (frame.type == SETTINGS && (frame.flags & ACK) == 0) {
            (void)weir_hostile_frame_send(fd, SETTINGS, ACK, 0, NULL, 0);
        }
        if (frame.type == PING && (frame.flags & ACK) == 0) {
            (void)weir_hostile_frame_send(fd, PING, ACK, 0, frame.payload, 8);
        }
    }
    return 0;
}

bool weir_hostile_answer(int fd, uint32_t stream, const char *content)
{
    return weir_hostile_frame_send(fd, HEADERS, END_HEADERS, stream, "\x88", 1) &&
           weir_hostile_frame_send(fd, DATA, END_STREAM, stream, content, strlen(content));
}

void weir_hostile_answer_streams(int fd)
{
    uint32_t stream = 0;

    if (weir_hostile_preface(fd, NULL, 0)) {
        while ((stream = weir_hostile_request(fd)) != 0) {
            (void)weir_hostile_answer(fd, stream, "from a stream");
        }
    }
}

weir_hostile_end weir_hostile_play_honest(int fd, size_t number, void *user)
{
    atomic_size_t *requests = user;
    char path[256];
    char answer[512];

    (void)number;
    while (weir_hostile_head(fd, path, sizeof(path))) {
        if (requests != NULL) {
            atomic_fetch_add(requests, 1);
        }
        (void)snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                       strlen(path));
        (void)weir_hostile_say(fd, answer);
        (void)weir_hostile_say(fd, path);
    }
    return WEIR_HOSTILE_FIN;
}

/* xorshift64*, its upper half. */
uint32_t weir_hostile_dice(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)(*seed * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static void *accept_all(void *user)
{
    weir_hostile *server = user;

    for (;;) {
        struct pollfd fds[2] = {{.fd = server->stop, .events = POLLIN},
                                {.fd = server->listener, .events = POLLIN}};
        must(poll(fds, 2, -1) > 0, "poll");
        if (fds[0].revents != 0) {
            return NULL;
        }
        const int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            begin(server, fd);
        }
    }
}

static void begin(weir_hostile *server, int fd)
{
    const int on = 1;
    pthread_attr_t small;

    must(server->count < CONNECTIONS, "too many connections");
    connection *at = &server->all[server->count];
    *at = (connection){.server = server, .number = server->count, .fd = fd};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    must(pthread_attr_init(&small) == 0, "attribute");
    must(pthread_attr_setstacksize(&small, STACK_OCTETS) == 0, "stack");
    /* Counted before it is played: who was answered may ask at once how many there are. */
    (void)pthread_mutex_lock(&server->lock);
    must(pthread_create(&at->thread, &small, play_one, at) == 0, "thread");
    server->count++;
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_attr_destroy(&small);
}

static void *play_one(void *user)
{
    connection *at = user;

    end(at, at->server->play(at->fd, at->number, at->server->user));
    return NULL;
}

static void end(connection *at, weir_hostile_end how)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    char octets[4096];

    if (how == WEIR_HOSTILE_HALF) {
        (void)shutdown(at->fd, SHUT_WR);
    }
    if (how == WEIR_HOSTILE_HALF || how == WEIR_HOSTILE_SILENCE) {
        while (recv(at->fd, octets, sizeof(octets), 0) > 0) {
        }
    }
    if (how == WEIR_HOSTILE_RESET) {
        (void)setsockopt(at->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    if (how == WEIR_HOSTILE_FIN) {
        /* A close with unread octets would be a reset. */
        (void)shutdown(at->fd, SHUT_WR);
        while (recv(at->fd, octets, sizeof(octets), 0) > 0) {
        }
    }
    (void)pthread_mutex_lock(&at->server->lock);
    (void)close(at->fd);
    at->fd = -1;
    (void)pthread_mutex_unlock(&at->server->lock);
}
