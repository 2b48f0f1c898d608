/* SPDX-License-Identifier: MIT */
/* Running transfers on weir_client and on weir_loop. */
#include "face.h"

#include "text.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { EVENTS = 64 };
#define STUCK_NS (45 * WEIR_NS_PER_SECOND) /* longer than any transfer's own deadline */

struct face {
    front_kind front;
    const weir_observer *observer;
    weir_shared *shared;
    weir_client *client;
    weir_loop *loop;
};

typedef struct job {
    face *face;
    transfer *transfer;
    pthread_t thread;
} job;

static void open_front(face *f, const weir_pool_limits *limits);
static void start(face *f, transfer *t);
static void *run_blocking(void *user);
static void run_threads(face *f, transfer *const *transfers, size_t count);
static void pump(face *f, transfer *const *transfers, size_t count, bool to_the_head);
static void turn(face *f, weir_time until_ns);
static bool all_are_over(transfer *const *transfers, size_t count, bool to_the_head);
static void *cancel_later(void *user);
static pthread_t spawn(void *(*run)(void *), void *user);

face *face_open(front_kind front, weir_tls_config *tls, const weir_observer *observer,
                const weir_pool_limits *limits)
{
    face *f = must_alloc(sizeof *f);
    weir_status status = WEIR_OK;
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    options.tls = tls;
    f->front = front;
    f->observer = observer;
    f->shared = weir_shared_new(&options, &status);
    if (f->shared == NULL) {
        die("nothing to share: %s", weir_status_name(status));
    }
    open_front(f, limits);
    return f;
}

face *face_renew(face *f)
{
    weir_client_free(f->client);
    weir_loop_free(f->loop);
    f->client = NULL;
    f->loop = NULL;
    open_front(f, NULL);
    return f;
}

void face_close(face *f)
{
    weir_client_free(f->client);
    weir_loop_free(f->loop);
    weir_shared_release(f->shared);
    free(f);
}

void face_pause(face *f, weir_time pause_ns)
{
    weir_time until_ns = weir_now() + pause_ns;
    struct timespec pause = {.tv_nsec = (long)pause_ns};
    while (f->front == FRONT_ASYNC && weir_now() < until_ns) {
        turn(f, until_ns);
    }
    while (f->front == FRONT_BLOCKING && nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

void face_begin(face *f, transfer *t)
{
    t->held = true;
    start(f, t);
    if (f->front == FRONT_ASYNC) {
        pump(f, &t, 1, true);
    }
}

void face_run(face *f, transfer *const *transfers, size_t count)
{
    pthread_t canceller = 0;
    for (size_t i = 0; i < count; i++) {
        transfer *t = transfers[i];
        t->held = false;
        if (t->cancel_after_ns > 0) {
            t->call.token = weir_token_new(NULL);
            canceller = spawn(cancel_later, t);
        }
    }
    if (f->front == FRONT_ASYNC) {
        for (size_t i = 0; i < count; i++) {
            start(f, transfers[i]);
            transfer_step(transfers[i], false);
        }
        pump(f, transfers, count, false);
    } else {
        run_threads(f, transfers, count);
    }
    if (canceller != 0) {
        pthread_join(canceller, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        weir_token_free(transfers[i]->call.token);
        transfers[i]->call.token = NULL;
    }
}

static void open_front(face *f, const weir_pool_limits *limits)
{
    weir_status status = WEIR_OK;
    if (f->front == FRONT_BLOCKING) {
        weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
        options.shared = f->shared;
        options.observer = f->observer;
        options.limits = limits;
        f->client = weir_client_new(&options, &status);
    } else {
        weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
        options.shared = f->shared;
        options.observer = f->observer;
        options.limits = limits;
        f->loop = weir_loop_new(&options, &status);
    }
    if (f->client == NULL && f->loop == NULL) {
        die("no front end: %s", weir_status_name(status));
    }
}

/* Submits what has not begun. */
static void start(face *f, transfer *t)
{
    weir_status status = WEIR_OK;
    if (t->exchange != NULL || t->stage == TRANSFER_OVER) {
        return;
    }
    transfer_prepare(t);
    t->call.observer = f->observer;
    if (f->front == FRONT_BLOCKING) {
        status = weir_client_call(f->client, &t->request, &t->call, &t->exchange);
    } else {
        status = weir_loop_submit(f->loop, &t->request, &t->call, t, &t->exchange);
    }
    if (t->exchange == NULL) {
        transfer_end(t, status);
    }
}

static void *run_blocking(void *user)
{
    job *j = user;
    start(j->face, j->transfer);
    if (j->transfer->stage != TRANSFER_OVER) {
        transfer_step(j->transfer, true);
    }
    if (j->transfer->stage != TRANSFER_OVER) { /* a blocking call answered WEIR_AGAIN */
        j->transfer->stuck = true;
        transfer_end(j->transfer, WEIR_AGAIN);
    }
    return NULL;
}

static void run_threads(face *f, transfer *const *transfers, size_t count)
{
    if (count == 1) {
        run_blocking(&(job){.face = f, .transfer = transfers[0]});
        return;
    }
    job *jobs = must_alloc(count * sizeof jobs[0]);
    for (size_t i = 0; i < count; i++) {
        jobs[i] = (job){.face = f, .transfer = transfers[i]};
        jobs[i].thread = spawn(run_blocking, &jobs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
    free(jobs);
}

static void pump(face *f, transfer *const *transfers, size_t count, bool to_the_head)
{
    weir_time until_ns = weir_now() + STUCK_NS;
    while (!all_are_over(transfers, count, to_the_head) && weir_now() < until_ns) {
        turn(f, until_ns);
    }
    for (size_t i = 0; i < count && !to_the_head; i++) {
        if (transfers[i]->stage != TRANSFER_OVER) {
            transfers[i]->stuck = true;
            transfer_end(transfers[i], WEIR_AGAIN);
        }
    }
}

static void turn(face *f, weir_time until_ns)
{
    weir_loop_event events[EVENTS];
    weir_loop_wait(f->loop, until_ns);
    size_t count = weir_loop_turn(f->loop, events, EVENTS);
    for (size_t i = 0; i < count; i++) {
        transfer *t = events[i].user;
        /* Freed in a step before, its events may still lie in the array. */
        if (t != NULL && t->stage != TRANSFER_OVER) {
            t->told_done = t->told_done || events[i].told == WEIR_TOLD_DONE;
            transfer_step(t, false);
        }
    }
}

static bool all_are_over(transfer *const *transfers, size_t count, bool to_the_head)
{
    for (size_t i = 0; i < count; i++) {
        const transfer *t = transfers[i];
        bool has_head = to_the_head && t->exchange != NULL &&
                        (weir_exchange_code(t->exchange) > 0 || t->told_done);
        if (t->stage != TRANSFER_OVER && !has_head) {
            return false;
        }
    }
    return true;
}

static void *cancel_later(void *user)
{
    transfer *t = user;
    struct timespec pause = {.tv_nsec = (long)t->cancel_after_ns};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
    weir_token_cancel(t->call.token);
    return NULL;
}

static pthread_t spawn(void *(*run)(void *), void *user)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, user) != 0) {
        die("a thread could not be had");
    }
    return thread;
}
