/* SPDX-License-Identifier: MIT */
/*
 * A program whose system calls are looked at (traced.sh). It is linked with an optimised weir
 * without sanitizers, as a user's is.
 *
 *   traced warm URL CALLS CA                 blocking HTTP/1.1 calls, back to back
 *   traced turns URL PROTOCOL ROUNDS BATCH   a loop: BATCH calls submitted in a row, ROUNDS times;
 *                                            says how many turns it took
 *   traced hang URL CA FRONT PROTOCOL MS     one call that waits for MS milliseconds; FRONT is
 *                                            blocking, threads (two on one connection) or loop
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/weir.h>

typedef struct waiter {
    weir_client *client;
    weir_request request;
    weir_call call;
    weir_status status;
} waiter;

static int warm(const char *url, long calls, const char *ca);
static bool fetch(weir_client *client, const weir_request *request);
static int turns(char **words);
static int hang(char **words);
static weir_status hang_threads(waiter *w, size_t count, weir_shared *shared);
static void *hang_blocking(void *at);
static weir_status hang_loop(const waiter *w, weir_shared *shared);
static weir_shared *trusting(const char *ca);

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "warm") == 0) {
        return warm(argv[2], strtol(argv[3], NULL, 10), argv[4]);
    }
    if (argc == 7 && strcmp(argv[1], "hang") == 0) {
        return hang(argv + 2);
    }
    if (argc == 6 && strcmp(argv[1], "turns") == 0) {
        return turns(argv + 2);
    }
    fprintf(stderr,
            "usage: traced warm URL CALLS CA | turns URL PROTOCOL ROUNDS BATCH | hang URL CA "
            "FRONT PROTOCOL MS\n");
    return 2;
}

static int warm(const char *url, long calls, const char *ca)
{
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    weir_request request = WEIR_REQUEST_INIT;
    weir_counts counts = {.size = sizeof(counts)};
    long answered = 0;

    options.probe_after_ns = 10 * WEIR_NS_PER_SECOND; /* strace is slow: no call is late by that */
    options.shared = trusting(ca);
    weir_client *client = weir_client_new(&options, NULL);
    weir_shared_release(options.shared);
    request.url = weir_span_of(url);
    for (long i = 0; i < calls; i++) {
        answered += fetch(client, &request) ? 1 : 0;
    }
    weir_client_counts(client, &counts);
    weir_client_free(client);
    return answered == calls && counts.dials == 1 ? 0 : 1;
}

static bool fetch(weir_client *client, const weir_request *request)
{
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchange = NULL;
    char room[256];
    size_t octets = 0;

    call.pin = WEIR_H1;
    weir_status status = weir_client_call(client, request, &call, &exchange);

    while (status == WEIR_OK) {
        status = weir_read(exchange, room, sizeof(room), &octets);
    }
    const bool complete = status == WEIR_END && weir_exchange_code(exchange) == 200;
    weir_exchange_free(exchange);
    return complete;
}

/* words: URL PROTOCOL ROUNDS BATCH */
static int turns(char **words)
{
    enum { BATCH_LIMIT = 64 };
    weir_loop *loop = weir_loop_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchanges[BATCH_LIMIT] = {NULL};
    const long rounds = strtol(words[2], NULL, 10);
    const size_t batch = strtoul(words[3], NULL, 10);
    unsigned long taken = 0;
    bool complete = batch <= BATCH_LIMIT;

    request.url = weir_span_of(words[0]);
    call.pin = strcmp(words[1], "h2") == 0 ? WEIR_H2 : WEIR_H1;
    for (long round = 0; round < rounds && complete; round++) {
        size_t done = 0;
        for (size_t i = 0; i < batch && complete; i++) {
            complete = weir_loop_submit(loop, &request, &call, NULL, &exchanges[i]) == WEIR_OK;
        }
        while (done < batch && complete) {
            weir_loop_event events[4 * BATCH_LIMIT];
            struct pollfd fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
            (void)poll(&fd, 1, -1);
            const size_t count = weir_loop_turn(loop, events, 4 * BATCH_LIMIT);
            taken++;
            for (size_t i = 0; i < count; i++) {
                done += events[i].told == WEIR_TOLD_DONE ? 1 : 0;
            }
        }
        for (size_t i = 0; i < batch; i++) {
            complete = complete && weir_exchange_code(exchanges[i]) == 200;
            weir_exchange_free(exchanges[i]);
            exchanges[i] = NULL;
        }
    }
    weir_loop_free(loop);
    printf("%lu\n", taken);
    return complete ? 0 : 1;
}

/* words: URL CA FRONT PROTOCOL MS */
static int hang(char **words)
{
    weir_shared *shared = trusting(words[1]);
    waiter w = {.request = WEIR_REQUEST_INIT, .call = WEIR_CALL_INIT};
    weir_status status;

    w.request.url = weir_span_of(words[0]);
    w.call.pin = strcmp(words[3], "h2") == 0 ? WEIR_H2 : WEIR_H1;
    w.call.deadline_ns = weir_now() + strtoull(words[4], NULL, 10) * WEIR_NS_PER_MS;
    if (strcmp(words[2], "loop") == 0) {
        status = hang_loop(&w, shared);
    } else {
        status = hang_threads(&w, strcmp(words[2], "threads") == 0 ? 2 : 1, shared);
    }
    weir_shared_release(shared);
    printf("%s\n", weir_status_name(status));
    return status == WEIR_E_DEADLINE_TOTAL ? 0 : 1;
}

/* The first of them runs on this thread. */
static weir_status hang_threads(waiter *w, size_t count, weir_shared *shared)
{
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    waiter other;
    pthread_t thread;

    options.shared = shared;
    w->client = weir_client_new(&options, NULL);
    other = *w;
    if (count > 1 && pthread_create(&thread, NULL, hang_blocking, &other) != 0) {
        abort();
    }
    (void)hang_blocking(w);
    if (count > 1) {
        (void)pthread_join(thread, NULL);
        w->status = other.status == w->status ? w->status : WEIR_E_STATE;
    }
    weir_client_free(w->client);
    return w->status;
}

static void *hang_blocking(void *at)
{
    waiter *w = at;
    weir_exchange *exchange = NULL;

    w->status = weir_client_call(w->client, &w->request, &w->call, &exchange);
    weir_exchange_free(exchange);
    return NULL;
}

static weir_status hang_loop(const waiter *w, weir_shared *shared)
{
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_E_STATE;

    options.shared = shared;
    weir_loop *loop = weir_loop_new(&options, NULL);
    if (weir_loop_submit(loop, &w->request, &w->call, NULL, &exchange) == WEIR_OK) {
        while (!weir_exchange_is_done(exchange)) {
            weir_loop_event events[8];
            struct pollfd fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
            (void)poll(&fd, 1, -1);
            (void)weir_loop_turn(loop, events, 8);
        }
        status = weir_exchange_failure(exchange).status;
    }
    weir_exchange_free(exchange);
    weir_loop_free(loop);
    return status;
}

static weir_shared *trusting(const char *ca)
{
    weir_tls_options tls = WEIR_TLS_OPTIONS_INIT;
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;

    tls.ca_file = ca;
    tls.only_these_roots = true;
    options.tls = weir_tls_config_new(&tls, NULL, NULL, NULL);
    weir_shared *shared = weir_shared_new(&options, NULL);
    weir_tls_config_release(options.tls);
    return shared;
}
