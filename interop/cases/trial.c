/* SPDX-License-Identifier: MIT */
/* Asking, running, checking; trial.h says what a trial is. */
#include "trial.h"

#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_uint_fast64_t ids;

static void make_url(trial *t, transfer *x, const char *host, uint16_t port, const char *path);
static void fill_in(char *to, size_t room, const char *path, uint64_t n);

void trial_open(trial *t)
{
    notes_init(&t->notes);
    t->face = face_open(t->way.front, t->tls->trusting, &t->notes.observer, NULL);
}

void trial_close(trial *t)
{
    face_close(t->face);
    t->face = NULL;
}

void trial_reopen(trial *t, weir_tls_config *tls, const weir_pool_limits *limits)
{
    face_close(t->face);
    t->face = face_open(t->way.front, tls, &t->notes.observer, limits);
}

void trial_renew(trial *t)
{
    t->face = face_renew(t->face);
}

void trial_ask(trial *t, transfer *x, const char *kind, uint64_t n)
{
    const char *path = trial_path(t, kind);
    char filled[256];
    if (path == NULL) {
        die("%s: %s has no path for %s", t->name, t->server->name, kind);
    }
    fill_in(filled, sizeof filled, path, n);
    make_url(t, x, "localhost", server_port(t->server, t->way), filled);
}

void trial_ask_path(trial *t, transfer *x, const char *format, ...)
{
    char path[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(path, sizeof path, format, arguments);
    va_end(arguments);
    make_url(t, x, "localhost", server_port(t->server, t->way), path);
}

void trial_ask_at(trial *t, transfer *x, const char *host, uint16_t port, const char *path)
{
    make_url(t, x, host, port, path);
}

const char *trial_path(const trial *t, const char *kind)
{
    const char *path = capability_of(t->server->can, t->server->name, kind, t->way.protocol);
    return path != NULL && path[0] == '/' ? path : NULL;
}

bool trial_cannot(const trial *t, const char *kind)
{
    const char *answer = capability_of(t->server->can, t->server->name, kind, t->way.protocol);
    return answer != NULL && answer[0] != '/';
}

void trial_run(trial *t, transfer *x)
{
    face_run(t->face, &x, 1);
}

void trial_run_all(trial *t, transfer *xs, size_t count)
{
    transfer **list = must_alloc(count * sizeof list[0]);
    for (size_t i = 0; i < count; i++) {
        list[i] = &xs[i];
    }
    face_run(t->face, list, count);
    free(list);
}

bool trial_run_text(trial *t, transfer *x, int code)
{
    x->is_text = true;
    trial_run(t, x);
    return trial_expect_text(t, x, code);
}

bool trial_check(trial *t, bool fact, const char *format, ...)
{
    if (!fact && t->problem_count < PROBLEMS) {
        char *text = t->problems[t->problem_count];
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(text, PROBLEM_OCTETS, format, arguments);
        va_end(arguments);
        for (; *text != '\0'; text++) { /* it becomes part of a line */
            *text = (unsigned char)*text < ' ' ? ' ' : *text;
        }
    }
    t->problem_count += fact ? 0 : 1;
    return fact;
}

bool trial_expect(trial *t, const transfer *x, int code, uint64_t octets)
{
    return trial_expect_text(t, x, code) &&
           trial_check(t, x->octets == octets,
                       "%" PRIu64 " octets of content came instead of %" PRIu64, x->octets,
                       octets) &&
           trial_check(t, x->wrong_at == WEIR_UNKNOWN,
                       "the content is wrong from octet %" PRIu64 " on", x->wrong_at) &&
           trial_check(t, x->tally.body.received >= octets,
                       "the tally has %" PRIu64 " octets of content", x->tally.body.received);
}

bool trial_expect_text(trial *t, const transfer *x, int code)
{
    return trial_expect_status(t, x, WEIR_OK) &&
           trial_check(t, x->code == code, "status code %d instead of %d", x->code, code);
}

bool trial_expect_status(trial *t, const transfer *x, weir_status status)
{
    (void)trial_check(t, !x->stuck, "the exchange did not end by itself");
    return trial_check(t, x->status == status,
                       "%s instead of %s (%s; errno %d, HTTP/2 code %d, TLS error %d, alert %d)",
                       weir_status_name(x->status), weir_status_name(status),
                       x->failure.what != NULL ? x->failure.what : weir_status_sentence(x->status),
                       x->failure.sys_errno, x->failure.has_h2_code ? (int)x->failure.h2_code : -1,
                       x->failure.tls_error,
                       x->failure.status != WEIR_OK ? x->failure.tls_alert : -1);
}

void trial_expect_alive(trial *t)
{
    transfer x;
    trial_ask(t, &x, "octets", 1000);
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
}

bool trial_expect_reused(trial *t, const transfer *x, bool reused)
{
    return trial_check(t, x->last.reused == reused,
                       "connection %" PRIu64
                       " was %s; attempt %zu, the first ended with %s, HTTP/2 code %d",
                       x->last.conn, x->last.reused ? "used before" : "not used before",
                       x->attempts, weir_status_name(x->first.failure.status),
                       x->first.failure.has_h2_code ? (int)x->first.failure.h2_code : -1);
}

static void make_url(trial *t, transfer *x, const char *host, uint16_t port, const char *path)
{
    transfer_init(x);
    bool is_ipv6 = strchr(host, ':') != NULL;
    int length = snprintf(x->url, sizeof x->url, "%s://%s%s%s:%u%s", t->way.tls ? "https" : "http",
                          is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, path);
    if (length < 0 || (size_t)length >= sizeof x->url) {
        die("%s: an URL of more than %zu octets", t->name, sizeof x->url - 1);
    }
    x->call.pin = t->way.protocol;
}

static void fill_in(char *to, size_t room, const char *path, uint64_t n)
{
    char number[32];
    char word[48];
    (void)snprintf(number, sizeof number, "%" PRIu64, n);
    (void)snprintf(word, sizeof word, "%d-%" PRIu64, getpid(), (uint64_t)atomic_fetch_add(&ids, 1));
    size_t at = 0;
    while (*path != '\0' && at + 1 < room) {
        const char *put = NULL;
        if (strncmp(path, "{n}", 3) == 0) {
            put = number;
            path += 3;
        } else if (strncmp(path, "{id}", 4) == 0) {
            put = word;
            path += 4;
        } else {
            to[at++] = *path++;
            continue;
        }
        while (*put != '\0' && at + 1 < room) {
            to[at++] = *put++;
        }
    }
    to[at] = '\0';
}
