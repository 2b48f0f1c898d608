/* SPDX-License-Identifier: MIT */
/*
 * The two front ends behind one face. See user.h.
 *
 * A *wait* of the loop's side belongs to one exchange. It knows what was told and who waits:
 * outside of a coroutine the waiting is done by turning the loop here; inside, by yielding to
 * weir_user_together(), which turns for all.
 */
#include "support/user.h"

#include "support/coroutine.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No wait of any test is longer than this, sanitizers and a busy machine included. */
#define WATCHDOG_MS 60000
/* Numbers of statuses are above -STATUSES. */
#define STATUSES    256

static atomic_bool seen[STATUSES];

typedef struct wait {
    unsigned told; /* bits of what was told since it was last cleared */
    bool done;
    bool head;
    bool may_read; /* READABLE was told and not yet used up by an AGAIN */
    bool may_write;
    weir_coroutine *who; /* waits for an event, NULL: nobody */
    bool dropped;
} wait;

struct weir_user {
    weir_user_kind kind;
    weir_client *client;
    weir_loop *loop;
    unsigned turns;
    size_t waiting;         /* coroutines that are suspended */
    weir_coroutine **woken; /* ... and were told something; room for all of them */
    size_t woken_count;
};

typedef struct job_run {
    weir_user *user;
    size_t index;
    weir_user_job *job;
    void *shared;
} job_run;

static weir_status noted(weir_status status);
static weir_status call_loop(weir_user *user, const weir_request *request, const weir_call *call,
                             weir_exchange **exchange);
static void wait_told(weir_user *user, wait *w);
static void turn(weir_user *user);
static void judge(const weir_loop_event *event, wait *w);
static void wake(weir_user *user, wait *w);
static void together_threads(job_run *runs, size_t count);
static void together_coroutines(weir_user *user, job_run *runs, size_t count);
static void *run_thread(void *run);
static void run_coroutine(void *run);
static _Noreturn void broken(const char *what);

weir_user *weir_user_new(const weir_user_options *options, weir_status *status)
{
    weir_user *user = calloc(1, sizeof(*user));

    if (user == NULL) {
        abort();
    }
    user->kind = options->kind;
    if (options->kind == WEIR_USER_BLOCKING) {
        weir_client_options client = WEIR_CLIENT_OPTIONS_INIT;
        client.allocator = options->allocator;
        client.shared = options->shared;
        client.observer = options->observer;
        client.resolver = options->resolver;
        client.limits = options->limits;
        client.hooks = options->hooks;
        client.probe_after_ns = options->probe_after_ns;
        client.metrics_series = options->metrics_series;
        client.metrics_methods = options->metrics_methods;
        user->client = weir_client_new(&client, status);
    } else {
        weir_loop_options loop = WEIR_LOOP_OPTIONS_INIT;
        loop.allocator = options->allocator;
        loop.shared = options->shared;
        loop.observer = options->observer;
        loop.resolver = options->resolver;
        loop.limits = options->limits;
        loop.metrics_series = options->metrics_series;
        loop.metrics_methods = options->metrics_methods;
        user->loop = weir_loop_new(&loop, status);
    }
    if (user->client == NULL && user->loop == NULL) {
        free(user);
        return NULL;
    }
    return user;
}

void weir_user_free(weir_user *user)
{
    if (user != NULL) {
        weir_client_free(user->client);
        weir_loop_free(user->loop);
        free(user);
    }
}

const char *weir_user_kind_name(weir_user_kind kind)
{
    return kind == WEIR_USER_BLOCKING ? "blocking" : "loop";
}

weir_status weir_user_call(weir_user *user, const weir_request *request, const weir_call *call,
                           weir_exchange **exchange)
{
    return noted(user->client != NULL ? weir_client_call(user->client, request, call, exchange)
                                      : call_loop(user, request, call, exchange));
}

weir_status weir_user_preconnect(weir_user *user, const weir_request *request,
                                 const weir_call *call, uint32_t exchanges)
{
    if (user->client != NULL) {
        return noted(weir_client_preconnect(user->client, request, call, exchanges));
    }
    wait *w = calloc(1, sizeof(*w));
    weir_exchange *exchange = NULL;
    if (w == NULL) {
        abort();
    }
    weir_status status = weir_loop_preconnect(user->loop, request, call, exchanges, w, &exchange);
    if (exchange == NULL) {
        free(w);
        return noted(status);
    }
    while (!w->done) {
        wait_told(user, w);
    }
    status = weir_exchange_failure(exchange).status;
    weir_user_drop(user, exchange);
    return noted(status);
}

weir_status weir_user_response(weir_user *user, weir_exchange *exchange)
{
    weir_status status = weir_response(exchange);

    while (user->loop != NULL && status == WEIR_AGAIN) {
        wait_told(user, weir_exchange_user(exchange));
        status = weir_response(exchange);
    }
    return noted(status);
}

weir_status weir_user_read(weir_user *user, weir_exchange *exchange, void *to, size_t room,
                           size_t *octets)
{
    weir_status status = noted(weir_read(exchange, to, room, octets)); /* AGAIN is one too */

    while (user->loop != NULL && status == WEIR_AGAIN) {
        wait *w = weir_exchange_user(exchange);
        w->may_read = false;
        wait_told(user, w);
        status = weir_read(exchange, to, room, octets);
    }
    return noted(status);
}

weir_status weir_user_read_on(weir_user *user, weir_exchange *exchange)
{
    uint8_t room[4096];
    size_t octets = 0;
    weir_status status = WEIR_OK;

    while (status == WEIR_OK) {
        status = weir_user_read(user, exchange, room, sizeof(room), &octets);
    }
    return status;
}

weir_status weir_user_write(weir_user *user, weir_exchange *exchange, weir_span octets,
                            size_t *taken)
{
    size_t step = 0;
    weir_status status = noted(weir_write(exchange, octets, &step));

    *taken = step;
    while (user->loop != NULL && status == WEIR_AGAIN) {
        wait *w = weir_exchange_user(exchange);
        w->may_write = false;
        wait_told(user, w);
        const weir_span rest = {octets.at + *taken, octets.length - *taken};
        status = weir_write(exchange, rest, &step);
        *taken += step;
    }
    return noted(status);
}

weir_status weir_user_finish(weir_user *user, weir_exchange *exchange, const weir_field *trailers,
                             size_t count)
{
    weir_status status = weir_finish(exchange, trailers, count);

    while (user->loop != NULL && status == WEIR_AGAIN) {
        wait *w = weir_exchange_user(exchange);
        w->may_write = false;
        wait_told(user, w);
        status = weir_finish(exchange, trailers, count);
    }
    return noted(status);
}

void weir_user_drop(weir_user *user, weir_exchange *exchange)
{
    wait *w = exchange != NULL && user->loop != NULL ? weir_exchange_user(exchange) : NULL;

    weir_exchange_free(exchange);
    free(w);
}

void weir_user_counts(weir_user *user, weir_counts *counts)
{
    *counts = (weir_counts)WEIR_COUNTS_INIT;
    if (user->client != NULL) {
        weir_client_counts(user->client, counts);
    } else {
        weir_loop_counts(user->loop, counts);
    }
}

weir_metrics weir_user_metrics(weir_user *user)
{
    weir_metrics metrics = WEIR_METRICS_INIT;

    if (user->client != NULL) {
        weir_client_metrics(user->client, &metrics);
    } else {
        weir_loop_metrics(user->loop, &metrics);
    }
    return metrics;
}

weir_metrics_reading *weir_user_reading(weir_user *user, weir_status *status)
{
    return user->client != NULL ? weir_client_metrics_reading(user->client, status)
                                : weir_loop_metrics_reading(user->loop, status);
}

weir_snapshot *weir_user_snapshot(weir_user *user, weir_status *status)
{
    return user->client != NULL ? weir_client_snapshot(user->client, status)
                                : weir_loop_snapshot(user->loop, status);
}

weir_status weir_user_drain(weir_user *user, weir_span url)
{
    return user->client != NULL ? weir_client_drain(user->client, url, 0, NULL)
                                : weir_loop_drain(user->loop, url);
}

weir_told weir_user_await(weir_user *user, weir_exchange *exchange, weir_told wanted)
{
    wait *w = weir_exchange_user(exchange);

    while (!w->done && (w->told & 1u << wanted) == 0) {
        wait_told(user, w);
    }
    const bool came = (w->told & 1u << wanted) != 0;
    w->told &= ~(1u << wanted);
    return came ? wanted : WEIR_TOLD_DONE;
}

void weir_user_settle(weir_user *user)
{
    if (user->client != NULL) {
        (void)weir_client_maintain(user->client);
    } else {
        struct pollfd fd = {.fd = weir_loop_fd(user->loop), .events = POLLIN};
        while (poll(&fd, 1, 0) == 1) {
            turn(user);
        }
    }
}

void weir_user_await_waiting(weir_user *user, uint64_t count)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    for (weir_user_counts(user, &counts); counts.waiting != count;
         weir_user_counts(user, &counts)) {
        if (user->loop != NULL) {
            weir_user_settle(user);
        } else {
            (void)sched_yield();
        }
    }
}

weir_loop *weir_user_loop(weir_user *user)
{
    return user->loop;
}

weir_client *weir_user_client(weir_user *user)
{
    return user->client;
}

void weir_user_note(weir_status status)
{
    const int index = -(int)status;

    if (index < 0 || index >= STATUSES) {
        broken("a status that is none");
    }
    atomic_store(&seen[index], true);
}

bool weir_user_has_seen(weir_status status)
{
    return atomic_load(&seen[-(int)status]);
}

void weir_user_together(weir_user *user, size_t count, weir_user_job *job, void *shared)
{
    job_run *runs = calloc(count, sizeof(*runs));

    if (runs == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        runs[i] = (job_run){user, i, job, shared};
    }
    if (user->client != NULL) {
        together_threads(runs, count);
    } else {
        together_coroutines(user, runs, count);
    }
    free(runs);
}

static weir_status noted(weir_status status)
{
    weir_user_note(status);
    return status;
}

static weir_status call_loop(weir_user *user, const weir_request *request, const weir_call *call,
                             weir_exchange **exchange)
{
    wait *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        abort();
    }
    const weir_status status = weir_loop_submit(user->loop, request, call, w, exchange);
    if (*exchange == NULL) {
        free(w);
        return status;
    }
    if (request->body.kind == WEIR_BODY_STREAM) {
        const unsigned wanted = 1u << WEIR_TOLD_WRITABLE | 1u << WEIR_TOLD_HEAD;
        while (!w->done && (w->told & wanted) == 0) {
            wait_told(user, w);
        }
        return weir_exchange_code(*exchange) != 0 || !w->done
                   ? WEIR_OK
                   : weir_exchange_failure(*exchange).status;
    }
    while (!w->done && !w->head) {
        wait_told(user, w);
    }
    return weir_exchange_code(*exchange) != 0 ? WEIR_OK : weir_exchange_failure(*exchange).status;
}

/* Until something new is told about the exchange. */
static void wait_told(weir_user *user, wait *w)
{
    if (w->done) {
        broken("an exchange that is done answered AGAIN");
    }
    w->told = 0;
    if (weir_coroutine_current() != NULL) {
        w->who = weir_coroutine_current();
        user->waiting++;
        weir_coroutine_yield();
        return;
    }
    while (w->told == 0) {
        struct pollfd fd = {.fd = weir_loop_fd(user->loop), .events = POLLIN};
        if (poll(&fd, 1, WATCHDOG_MS) != 1) {
            broken("nothing is told and the descriptor stays quiet");
        }
        turn(user);
    }
}

static void turn(weir_user *user)
{
    static const size_t rooms[] = {1, 64, 2, 64, 3, 64};
    weir_loop_event events[64];
    const size_t room = rooms[user->turns++ % (sizeof(rooms) / sizeof(rooms[0]))];
    const size_t count = weir_loop_turn(user->loop, events, room);

    if (count > room) {
        broken("a turn filled more than the array");
    }
    for (size_t i = 0; i < count; i++) {
        judge(&events[i], events[i].user);
        wake(user, events[i].user); /* a coroutine may turn for the others, too */
    }
}

static void judge(const weir_loop_event *event, wait *w)
{
    if (event->told == WEIR_TOLD_NOTHING || event->exchange == NULL || w == NULL) {
        broken("an event of nothing, or of nobody");
    }
    if (w->done) {
        broken("an event after DONE");
    }
    switch (event->told) {
    case WEIR_TOLD_INFORMATIONAL:
        if (weir_exchange_informational_count(event->exchange) == 0) {
            broken("INFORMATIONAL without a 1xx");
        }
        break;
    case WEIR_TOLD_HEAD:
        if (w->head || weir_exchange_code(event->exchange) == 0) {
            broken("HEAD told twice, or without one");
        }
        w->head = true;
        break;
    case WEIR_TOLD_READABLE:
        if (w->may_read || !w->head) {
            broken("READABLE told again without an AGAIN, or before HEAD");
        }
        w->may_read = true;
        break;
    case WEIR_TOLD_WRITABLE:
        if (w->may_write) {
            broken("WRITABLE told again without an AGAIN");
        }
        w->may_write = true;
        break;
    case WEIR_TOLD_DONE:
        if (!weir_exchange_is_done(event->exchange) ||
            event->status != weir_exchange_failure(event->exchange).status) {
            broken("DONE of an exchange that is not, or with another status");
        }
        w->done = true;
        break;
    case WEIR_TOLD_NOTHING:
    case WEIR_TOLD_OBSERVED:
        return;
    }
    w->told |= 1u << event->told;
}

/* Who waits for it is resumed by together_coroutines(). */
static void wake(weir_user *user, wait *w)
{
    if (w->who != NULL) {
        user->woken[user->woken_count++] = w->who;
        w->who = NULL;
        user->waiting--;
    }
}

static void together_threads(job_run *runs, size_t count)
{
    pthread_t *threads = calloc(count, sizeof(*threads));

    if (threads == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, run_thread, &runs[i]) != 0) {
            broken("pthread_create");
        }
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    free(threads);
}

static void *run_thread(void *run)
{
    run_coroutine(run);
    return NULL;
}

static void run_coroutine(void *at)
{
    job_run *run = at;
    run->job(run->user, run->index, run->shared);
}

/* Events resume who waits for them; nobody else runs. */
static void together_coroutines(weir_user *user, job_run *runs, size_t count)
{
    weir_coroutine **all = calloc(count, sizeof(weir_coroutine *));
    static const size_t rooms[] = {64, 1, 7, 2};
    size_t over = 0;

    user->woken = calloc(count, sizeof(weir_coroutine *));
    user->woken_count = 0;
    if (all == NULL || user->woken == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        all[i] = weir_coroutine_new(run_coroutine, &runs[i]);
        weir_coroutine_resume(all[i]);
        over += weir_coroutine_is_over(all[i]) ? 1 : 0;
    }
    while (over < count) {
        weir_loop_event events[64];
        struct pollfd fd = {.fd = weir_loop_fd(user->loop), .events = POLLIN};
        if (user->woken_count == 0) {
            if (poll(&fd, 1, WATCHDOG_MS) != 1) {
                broken("jobs wait, nothing is told and the descriptor stays quiet");
            }
            const size_t told = weir_loop_turn(user->loop, events, rooms[user->turns++ % 4]);
            /* First all are judged: a job that runs may drop an exchange that a later event names.
             */
            for (size_t i = 0; i < told; i++) {
                judge(&events[i], events[i].user);
                wake(user, events[i].user);
            }
        }
        while (user->woken_count > 0) {
            weir_coroutine *next = user->woken[0];
            memmove(user->woken, user->woken + 1, --user->woken_count * sizeof(next));
            weir_coroutine_resume(next);
            over += weir_coroutine_is_over(next) ? 1 : 0;
        }
    }
    free(user->woken);
    user->woken = NULL;
    for (size_t i = 0; i < count; i++) {
        weir_coroutine_free(all[i]);
    }
    free(all);
}

static _Noreturn void broken(const char *what)
{
    fprintf(stderr, "user: %s\n", what);
    abort();
}
