/* SPDX-License-Identifier: MIT */
/*
 * weir-origin: the server that weir is tested against, in a process of its own.
 *
 * It shares no code with weir, not even a header, so that its counts are a witness's and not an
 * accomplice's: nghttp2 and llhttp for the protocols, OpenSSL where weir has wolfSSL, its own
 * loop. Names here carry no prefix, because nothing links this program.
 *
 * It ends at the end of standard input or with the process that --parent names (the test that
 * started it is gone, however it went), at SIGTERM or at SIGINT, and logs the connections that are
 * still open.
 */
#include "cases.h"
#include "listener.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

typedef struct origin {
    options options;
    server server;
    listener clear;
    listener tls;
    listener mute;
    watch signals;
    watch input;
} origin;

static void open_all(origin *o);
static void watch_signals(origin *o);
static void watch_input(origin *o);
static void follow_parent(pid_t parent);
static void on_signal(void *user, uint32_t events);
static void on_input(void *user, uint32_t events);
static void say_ready(const origin *o);
static void raise_descriptors(void);

int main(int count, char **words)
{
    static origin o;
    options_read(&o.options, count, words);
    open_all(&o);
    say_ready(&o);
    loop_run(o.server.loop);
    listener_close(&o.clear);
    listener_close(&o.tls);
    listener_close(&o.mute);
    conn_close_all(&o.server);
    close(o.signals.fd);
    loop_free(o.server.loop);
    tls_context_free(o.server.tls);
    cases_clear();
    log_close();
    options_clear(&o.options);
    return 0;
}

static void open_all(origin *o)
{
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    log_open(o->options.log);
    o->server = (server){.loop = loop_new(), .options = &o->options};
    if (o->options.tls_port != OPTIONS_NO_PORT) {
        o->server.tls = tls_context_new(&o->options);
    }
    listener_open(&o->clear, &o->server, LISTENER_CLEAR, o->options.port);
    listener_open(&o->tls, &o->server, LISTENER_TLS, o->options.tls_port);
    listener_open(&o->mute, &o->server, LISTENER_MUTE, o->options.mute_port);
    watch_signals(o);
    watch_input(o);
    if (o->options.parent != 0) {
        follow_parent(o->options.parent);
    }
}

static void watch_signals(origin *o)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    o->signals = (watch){.fd = fd, .interest = EPOLLIN, .ready = on_signal, .user = o};
    if (fd < 0 || !loop_watch(o->server.loop, &o->signals)) {
        perror("weir-origin: signalfd");
        exit(71);
    }
}

/* A standard input that cannot be polled (/dev/null, a file) is no parent to outlive. */
static void watch_input(origin *o)
{
    o->input = (watch){.fd = STDIN_FILENO, .interest = EPOLLIN, .ready = on_input, .user = o};
    (void)loop_watch(o->server.loop, &o->input);
}

/* For a parent that holds no pipe, or whose other children hold it too: the signal comes however it
 * ends. If it ended before the kernel was asked for that, somebody else is the parent by now. */
static void follow_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
        perror("weir-origin: prctl");
        exit(71);
    }
    if (getppid() != parent) {
        fputs("weir-origin: the process of --parent is gone, or no parent of this one\n", stderr);
        exit(64);
    }
}

static void on_signal(void *user, uint32_t events)
{
    origin *o = user;
    (void)events;
    loop_stop(o->server.loop);
}

static void on_input(void *user, uint32_t events)
{
    origin *o = user;
    char dropped[256];
    (void)events;
    ssize_t count = read(STDIN_FILENO, dropped, sizeof dropped);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
        loop_stop(o->server.loop);
    }
}

static void say_ready(const origin *o)
{
    char line[96];
    (void)snprintf(line, sizeof line, "ready clear=%d tls=%d mute=%d\n", o->clear.port, o->tls.port,
                   o->mute.port);
    fputs(line, stdout);
    fflush(stdout);
    if (o->options.ready_file != NULL) {
        FILE *f = fopen(o->options.ready_file, "w");
        if (f == NULL || fputs(line, f) < 0 || fclose(f) != 0) {
            perror(o->options.ready_file);
            exit(73);
        }
    }
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}
