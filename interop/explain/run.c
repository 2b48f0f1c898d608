/* SPDX-License-Identifier: MIT */
/*
 * Both front ends on the same requests. One after another the body goes to standard output as it
 * comes; all at once each body is kept, so that bodies are not mixed.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "print.h"

#define ROOM   65536
#define EVENTS 64

typedef struct explain_work {
    const explain_options *options;
    explain_story *story;
    explain_book *book;
    weir_client *client;
    weir_observer observer;
    weir_request request;
    weir_call call;
    weir_exchange *exchange;
    bool keep;
    uint8_t *room;
} explain_work;

static weir_shared *make_shared(const explain_options *options);
static void prepare(explain_work *work, const explain_options *options, explain_story *story,
                    bool keep);
static void route_to(const explain_options *options, const char *url, weir_call *call);
static bool run_blocking(const explain_options *options, explain_story *stories, explain_book *book,
                         weir_shared *shared);
static bool run_async(const explain_options *options, explain_story *stories, explain_book *book,
                      weir_shared *shared);
static void *perform(void *user);
static weir_status drain(explain_work *work);
static void end(explain_work *own, weir_status status);
static void turn_until(weir_loop *loop, size_t *left);
static bool failed(const char *what, weir_status status);

bool run_all(const explain_options *options, explain_story *stories, explain_book *book)
{
    weir_shared *shared = make_shared(options);

    if (shared == NULL) {
        return false;
    }
    const bool made = options->async ? run_async(options, stories, book, shared)
                                     : run_blocking(options, stories, book, shared);
    weir_shared_release(shared);
    return made;
}

static weir_shared *make_shared(const explain_options *options)
{
    weir_tls_options tls_options = WEIR_TLS_OPTIONS_INIT;
    weir_shared_options shared_options = WEIR_SHARED_OPTIONS_INIT;
    weir_failure failure;
    weir_status status = WEIR_OK;

    if (options->ca_file != NULL || options->insecure) {
        tls_options.ca_file = options->ca_file;
        tls_options.only_these_roots = options->ca_file != NULL;
        tls_options.insecure = options->insecure;
        shared_options.tls = weir_tls_config_new(&tls_options, NULL, &status, &failure);
        if (shared_options.tls == NULL) {
            (void)fprintf(stderr, "weir-explain: --cacert %s: %s\n",
                          options->ca_file != NULL ? options->ca_file : "",
                          failure.sys_errno != 0 ? strerror(failure.sys_errno)
                          : failure.what != NULL ? failure.what
                                                 : weir_status_sentence(status));
            return NULL;
        }
    }
    weir_shared *shared = weir_shared_new(&shared_options, &status);
    weir_tls_config_release(shared_options.tls);
    if (shared == NULL) {
        (void)failed("weir_shared_new", status);
    }
    return shared;
}

static void prepare(explain_work *work, const explain_options *options, explain_story *story,
                    bool keep)
{
    static const weir_request request = WEIR_REQUEST_INIT;
    static const weir_call call = WEIR_CALL_INIT;

    memset(work, 0, sizeof(*work));
    work->options = options;
    work->story = story;
    work->keep = keep;
    work->observer = (weir_observer){sizeof(weir_observer), story, story_observe};
    work->request = request;
    work->request.url = weir_span_of(story->url);
    work->request.method = weir_span_of(options->method != NULL ? options->method
                                        : options->head         ? "HEAD"
                                        : options->has_body     ? "POST"
                                                                : "GET");
    work->request.fields = options->fields;
    work->request.field_count = options->field_count;
    if (options->has_body) {
        work->request.body.kind = WEIR_BODY_SPAN;
        work->request.body.span = (weir_span){options->body, options->body_octets};
    }
    work->call = call;
    work->call.explain = true;
    work->call.observer = &work->observer;
    work->call.pin = options->pin;
    work->call.dns_ns = options->connect_timeout_ns;
    work->call.connect_ns = options->connect_timeout_ns;
    work->call.tls_ns = options->connect_timeout_ns;
    route_to(options, story->url, &work->call);
    work->room = malloc(ROOM);
    if (work->room == NULL) {
        exit(2);
    }
}

/* The first route whose host and port the URL names. */
static void route_to(const explain_options *options, const char *url, weir_call *call)
{
    const char *host = strstr(url, "://");

    if (host == NULL) {
        return;
    }
    host += 3;
    const bool quoted = host[0] == '[';
    host += quoted ? 1 : 0;
    const size_t length = strcspn(host, quoted ? "]/?#" : ":/?#");
    const char *after = host + length + (quoted && host[length] == ']' ? 1 : 0);
    const unsigned long port = *after == ':'                       ? strtoul(after + 1, NULL, 10)
                               : strncasecmp(url, "https", 5) == 0 ? 443
                                                                   : 80;
    for (size_t i = 0; i < options->route_count; i++) {
        const explain_route *entry = &options->routes[i];
        const bool same = entry->host.length == 0 ||
                          (entry->host.length == length &&
                           strncasecmp((const char *)entry->host.at, host, length) == 0);
        if (same && (entry->port == 0 || entry->port == port)) {
            call->connect_to = entry->to_host.length > 0
                                   ? entry->to_host
                                   : (weir_span){(const uint8_t *)host, length};
            call->connect_port = entry->to_port;
            return;
        }
    }
}

static bool run_blocking(const explain_options *options, explain_story *stories, explain_book *book,
                         weir_shared *shared)
{
    const weir_observer observer = {sizeof(observer), book, book_observe};
    weir_client_options client_options = WEIR_CLIENT_OPTIONS_INIT;
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_status status = WEIR_OK;
    explain_work works[EXPLAIN_URLS];
    pthread_t threads[EXPLAIN_URLS];
    size_t started = 0;

    limits.connections_per_origin = options->connections;
    client_options.limits = &limits;
    client_options.shared = shared;
    client_options.observer = &observer;
    weir_client *client = weir_client_new(&client_options, &status);
    if (client == NULL) {
        return failed("weir_client_new", status);
    }
    for (size_t i = 0; i < options->url_count; i++) {
        prepare(&works[i], options, &stories[i], options->parallel);
        works[i].client = client;
        works[i].book = book;
        if (!options->parallel) {
            (void)perform(&works[i]);
        } else if (pthread_create(&threads[started], NULL, perform, &works[i]) == 0) {
            started++;
        } else {
            (void)perform(&works[i]);
        }
    }
    for (size_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    weir_client_free(client);
    return true;
}

static void *perform(void *user)
{
    explain_work *own = user;

    own->story->began_ns = weir_now();
    if (own->options->max_time_ns != 0) {
        own->call.deadline_ns = own->story->began_ns + own->options->max_time_ns;
    }
    weir_status status = weir_client_call(own->client, &own->request, &own->call, &own->exchange);
    if (own->exchange != NULL && status == WEIR_OK) {
        if (own->options->snapshot) {
            book_snapshot(own->book, weir_client_snapshot(own->client, NULL));
        }
        status = drain(own);
    }
    end(own, status == WEIR_END ? WEIR_OK : status);
    return NULL;
}

/* What --write-out says of one of several stands between their bodies. */
static void end(explain_work *own, weir_status status)
{
    story_end(own->story, own->exchange, status);
    weir_exchange_free(own->exchange);
    free(own->room);
    if (!own->keep && own->options->write_out != NULL) {
        print_format(stdout, own->options->write_out, own->story);
    }
}

/* Reads what there is; END, AGAIN, or the failure. */
static weir_status drain(explain_work *own)
{
    size_t octets = 0;
    weir_status status = WEIR_OK;

    while ((status = weir_read(own->exchange, own->room, ROOM, &octets)) == WEIR_OK) {
        if (own->keep) {
            story_keep_body(own->story, own->room, octets);
        } else {
            (void)fwrite(own->room, 1, octets, stdout);
        }
    }
    return status;
}

static bool run_async(const explain_options *options, explain_story *stories, explain_book *book,
                      weir_shared *shared)
{
    const weir_observer observer = {sizeof(observer), book, book_observe};
    weir_loop_options loop_options = WEIR_LOOP_OPTIONS_INIT;
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_status status = WEIR_OK;
    explain_work works[EXPLAIN_URLS];
    size_t left = 0;

    limits.connections_per_origin = options->connections;
    loop_options.limits = &limits;
    loop_options.shared = shared;
    loop_options.observer = &observer;
    weir_loop *loop = weir_loop_new(&loop_options, &status);
    if (loop == NULL) {
        return failed("weir_loop_new", status);
    }
    for (size_t i = 0; i < options->url_count; i++) {
        prepare(&works[i], options, &stories[i], options->parallel);
        works[i].book = book;
        stories[i].began_ns = weir_now();
        if (options->max_time_ns != 0) {
            works[i].call.deadline_ns = stories[i].began_ns + options->max_time_ns;
        }
        status = weir_loop_submit(loop, &works[i].request, &works[i].call, &works[i],
                                  &works[i].exchange);
        if (works[i].exchange == NULL) {
            end(&works[i], status);
        } else {
            left++;
        }
        if (!options->parallel) {
            turn_until(loop, &left);
        }
    }
    turn_until(loop, &left);
    weir_loop_free(loop);
    return true;
}

static void turn_until(weir_loop *loop, size_t *left)
{
    weir_loop_event events[EVENTS];

    while (*left > 0) {
        weir_loop_wait(loop, WEIR_NEVER);
        const size_t count = weir_loop_turn(loop, events, EVENTS);
        for (size_t i = 0; i < count; i++) {
            explain_work *own = events[i].user;
            if (events[i].told == WEIR_TOLD_HEAD && own->options->snapshot) {
                book_snapshot(own->book, weir_loop_snapshot(loop, NULL));
            }
            if (events[i].told != WEIR_TOLD_READABLE && events[i].told != WEIR_TOLD_DONE) {
                continue;
            }
            const weir_status status = drain(own);
            if (events[i].told == WEIR_TOLD_DONE) {
                end(own, status == WEIR_END ? WEIR_OK : events[i].status);
                (*left)--;
            }
        }
    }
}

static bool failed(const char *what, weir_status status)
{
    (void)fprintf(stderr, "weir-explain: %s: %s\n", what, weir_status_sentence(status));
    return false;
}
