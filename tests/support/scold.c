/* SPDX-License-Identifier: MIT */
/* See scold.h. */
#include "support/scold.h"
#include "support/listener.h"
#include "support/must.h"
#include "support/origin_process.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

struct weir_scold {
    weir_scold_options options;
    SSL_CTX *context;
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t over;
    size_t connections; /* that are over */
    weir_scold_heard heard;
    weir_scold_heard hearing; /* the thread's own */
};

static void make_context(weir_scold *server);
static void *serve(void *user);
static void serve_one(weir_scold *server, int fd);
static uint64_t reset(int fd);
static void hear(int write_p, int version, int content_type, const void *octets, size_t count,
                 SSL *ssl, void *user);
static void note_secret(const SSL *ssl, const char *line);
static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_octets,
                  const unsigned char *in, unsigned int in_octets, void *user);

size_t weir_scold_read(weir_scold_line *line, void *to, size_t room)
{
    if (line->ssl != NULL) {
        const int got = SSL_read(line->ssl, to, (int)room);
        return got > 0 ? (size_t)got : 0;
    }
    const ssize_t got = recv(line->fd, to, room, 0);
    return got > 0 ? (size_t)got : 0;
}

bool weir_scold_read_all(weir_scold_line *line, void *to, size_t octets)
{
    for (size_t at = 0; at < octets;) {
        const size_t got = weir_scold_read(line, (uint8_t *)to + at, octets - at);
        if (got == 0) {
            return false;
        }
        at += got;
    }
    return true;
}

void weir_scold_write(weir_scold_line *line, const void *octets, size_t count)
{
    if (line->ssl != NULL) {
        (void)SSL_write(line->ssl, octets, (int)count);
    } else {
        (void)!send(line->fd, octets, count,
                    MSG_NOSIGNAL); /* a blocking socket takes all or fails */
    }
}

weir_scold *weir_scold_start(const weir_scold_options *options)
{
    weir_scold *server = calloc(1, sizeof(*server));

    must(server != NULL, "calloc");
    server->options = *options;
    if (options->certificate != NULL) {
        make_context(server);
    }
    server->listener = weir_listener_open(&server->port, 16);
    must(pthread_mutex_init(&server->lock, NULL) == 0, "mutex");
    must(pthread_cond_init(&server->over, NULL) == 0, "condition");
    must(pthread_create(&server->thread, NULL, serve, server) == 0, "thread");
    return server;
}

uint16_t weir_scold_port(const weir_scold *server)
{
    return server->port;
}

weir_scold_heard weir_scold_await(weir_scold *server, size_t connections)
{
    weir_scold_heard heard;

    (void)pthread_mutex_lock(&server->lock);
    while (server->connections < connections) {
        (void)pthread_cond_wait(&server->over, &server->lock);
    }
    heard = server->heard;
    (void)pthread_mutex_unlock(&server->lock);
    return heard;
}

/* Every client must be gone. */
void weir_scold_stop(weir_scold *server)
{
    (void)shutdown(server->listener, SHUT_RDWR);
    (void)pthread_join(server->thread, NULL);
    (void)close(server->listener);
    (void)pthread_cond_destroy(&server->over);
    (void)pthread_mutex_destroy(&server->lock);
    SSL_CTX_free(server->context);
    free(server);
}

static void make_context(weir_scold *server)
{
    char key[128];

    (void)snprintf(key, sizeof(key), "%s", server->options.certificate);
    must(strlen(key) > 4, "the name of a certificate");
    memcpy(key + strlen(key) - 4, ".key", 4);
    server->context = SSL_CTX_new(TLS_server_method());
    must(server->context != NULL, "SSL_CTX_new");
    SSL_CTX_set_security_level(server->context, 0);
    must(SSL_CTX_use_certificate_chain_file(
             server->context, weir_test_certificate(server->options.certificate)) == 1,
         "certificate");
    must(SSL_CTX_use_PrivateKey_file(server->context, weir_test_certificate(key),
                                     SSL_FILETYPE_PEM) == 1,
         "key");
    if (server->options.version != 0) {
        must(SSL_CTX_set_min_proto_version(server->context, server->options.version) == 1 &&
                 SSL_CTX_set_max_proto_version(server->context, server->options.version) == 1,
             "version");
    }
    must(SSL_CTX_set_app_data(server->context, server) == 1, "SSL_CTX_set_app_data");
    SSL_CTX_set_keylog_callback(server->context, note_secret);
    SSL_CTX_set_alpn_select_cb(server->context, choose, server);
    SSL_CTX_set_msg_callback(server->context, hear);
    SSL_CTX_set_msg_callback_arg(server->context, server);
}

static void *serve(void *user)
{
    weir_scold *server = user;
    sigset_t pipe;

    /* OpenSSL writes as if nobody closed. Of this thread alone: the library has to do without. */
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    for (;;) {
        const int fd = accept(server->listener, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        /* What was said is in the client's kernel, and not kept back by Nagle. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(const int){1}, sizeof(int));
        serve_one(server, fd);
        (void)pthread_mutex_lock(&server->lock);
        server->heard = server->hearing;
        server->connections++;
        (void)pthread_cond_broadcast(&server->over);
        (void)pthread_mutex_unlock(&server->lock);
    }
}

static void serve_one(weir_scold *server, int fd)
{
    weir_scold_line line = {.server = server, .fd = fd};
    uint8_t room[4096];
    bool is_open = true;

    server->hearing = (weir_scold_heard){.alert = -1};
    if (server->context != NULL) {
        line.ssl = SSL_new(server->context);
        must(line.ssl != NULL && SSL_set_fd(line.ssl, fd) == 1, "SSL_new");
        is_open = SSL_accept(line.ssl) == 1;
    }
    if (is_open && server->options.play != NULL) {
        server->options.play(&line, server->options.user);
    }
    if (line.resets) {
        server->hearing.given = reset(fd);
        is_open = false;
    }
    for (size_t got = is_open ? weir_scold_read(&line, room, sizeof(room)) : 0; got > 0;
         got = weir_scold_read(&line, room, sizeof(room))) {
        weir_scold_heard *hearing = &server->hearing;
        for (size_t i = 0; i < got && hearing->octets + i < sizeof(hearing->first); i++) {
            hearing->first[hearing->octets + i] = room[i];
        }
        hearing->octets += got;
    }
    while (!line.resets && recv(fd, room, sizeof(room), 0) > 0) {
    }
    ERR_clear_error();
    SSL_free(line.ssl);
    (void)close(fd);
}

/* The close that follows resets. */
static uint64_t reset(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct tcp_info info;
    socklen_t octets = sizeof(info);
    int queued = 1;

    while (queued > 0) {
        must(ioctl(fd, SIOCOUTQ, &queued) == 0, "SIOCOUTQ");
        (void)sched_yield();
    }
    must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &octets) == 0, "TCP_INFO");
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) == 0, "SO_LINGER");
    return info.tcpi_bytes_acked; /* of one who accepted: without the SYN */
}

static void hear(int write_p, int version, int content_type, const void *octets, size_t count,
                 SSL *ssl, void *user)
{
    weir_scold *server = user;
    const uint8_t *at = octets;

    (void)version;
    (void)ssl;
    if (write_p == 0 && content_type == SSL3_RT_ALERT && count == 2 && server->hearing.alert < 0) {
        server->hearing.alert_level = at[0];
        server->hearing.alert = at[1];
    }
}

static void note_secret(const SSL *ssl, const char *line)
{
    weir_scold *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    char *secrets = server->hearing.secrets;
    const size_t used = strlen(secrets);

    (void)snprintf(secrets + used, sizeof(server->hearing.secrets) - used, "%s\n", line);
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_octets,
                  const unsigned char *in, unsigned int in_octets, void *user)
{
    const weir_scold *server = user;
    const size_t octets = strlen(server->options.protocol);

    (void)ssl;
    for (size_t at = 0; at < in_octets; at += in[at] + (size_t)1) {
        if (in[at] == octets && memcmp(in + at + 1, server->options.protocol, octets) == 0) {
            *out = in + at + 1;
            *out_octets = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}
