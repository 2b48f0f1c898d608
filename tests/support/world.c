/* SPDX-License-Identifier: MIT */
/* A world per behaviour and way: see world.h. */
#include "support/world.h"

#include "support/series.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A behaviour takes milliseconds; this is for one that hangs. On a machine with other work the same
 * takes many seconds, and what waits has a watchdog of its own that says more (user.c: 60 s). */
#define ALARM_SECONDS 90
#define WAYS          8

typedef struct staged {
    const weir_behaviour *behaviour;
    weir_way way;
    char name[160];
} staged;

static weir_origin_process origin;
static weir_tls_config *tls;
static pthread_mutex_t events_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *running = "";

static bool is_for(const weir_behaviour *behaviour, weir_way way);
static void run_staged(void **state);
static void open_world(weir_world *world, weir_way way);
static void close_world(weir_world *world);
static void tell(const weir_event *event, void *user);
static void assert_series_are_right(const weir_world *world);
static bool is_told_well(const weir_event *event);
static void note_closed(weir_world *world, const weir_account *account);
static void too_late(int signal);
static void make_tls(void);

int weir_world_run(const char *suite, const weir_behaviour *behaviours, size_t count,
                   const char *const *arguments)
{
    struct CMUnitTest *tests = calloc(count * WAYS, sizeof(*tests));
    staged *all = calloc(count * WAYS, sizeof(*all));
    size_t used = 0;

    if (tests == NULL || all == NULL) {
        abort();
    }
    for (size_t i = 0; i < count; i++) {
        for (unsigned w = 0; w < WAYS; w++) {
            const weir_way way = {(w & 4) != 0 ? WEIR_USER_LOOP : WEIR_USER_BLOCKING,
                                  (w & 2) != 0 ? WEIR_H2 : WEIR_H1, (w & 1) != 0};
            char text[64];
            if (!is_for(&behaviours[i], way)) {
                continue;
            }
            staged *one = &all[used];
            one->behaviour = &behaviours[i];
            one->way = way;
            weir_way_text(way, text, sizeof(text));
            (void)snprintf(one->name, sizeof(one->name), "%s [%s]", behaviours[i].name, text);
            tests[used++] = (struct CMUnitTest){one->name, run_staged, NULL, NULL, one};
        }
    }
    weir_origin_process_start(&origin, arguments);
    make_tls();
    (void)signal(SIGALRM, too_late);
    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY")); /* "*413*loop*": to look at one */
    cmocka_set_skip_filter(getenv("WEIR_TESTS_SKIP"));
    const int failed = _cmocka_run_group_tests(suite, tests, used, NULL, NULL);
    weir_tls_config_release(tls);
    weir_origin_process_stop(&origin);
    free(tests);
    free(all);
    return failed;
}

void weir_world_skip(weir_world *world)
{
    close_world(world);
    (void)alarm(0);
    free(world);
    skip();
    abort(); /* cmocka's macro is not known not to return */
}

void weir_way_text(weir_way way, char *text, size_t room)
{
    (void)snprintf(text, room, "%s, %s, %s", weir_user_kind_name(way.kind),
                   weir_protocol_name(way.protocol), way.tls ? "TLS" : "clear");
}

weir_user *weir_world_user(weir_world *world)
{
    weir_status status = WEIR_OK;

    if (world->user == NULL) {
        const char *series = getenv("WEIR_TESTS_SERIES");
        if (series != NULL && world->options.metrics_series == 0) {
            world->options.metrics_series = (uint32_t)strtoul(series, NULL, 10);
        }
        world->user = weir_user_new(&world->options, &status);
        assert_int_equal(status, WEIR_OK);
        assert_non_null(world->user);
    }
    return world->user;
}

/* All series together are the totals. */
static void assert_series_are_right(const weir_world *world)
{
    if (world->options.metrics_series > 0) {
        weir_metrics_reading *reading = weir_user_reading(world->user, NULL);
        assert_non_null(reading);
        const char *wrong = weir_series_wrong(reading);
        weir_metrics_reading_free(reading);
        assert_string_equal(wrong != NULL ? wrong : "nothing", "nothing");
    }
}

void weir_world_close(weir_world *world)
{
    weir_counts counts;

    if (world->user == NULL) {
        return;
    }
    weir_user_counts(world->user, &counts);
    assert_int_equal(counts.leases, 0);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.ledger_differ, 0);
    assert_series_are_right(world);
    const uint64_t dials = counts.dials;
    const uint64_t failed = counts.dial_failures;
    weir_user_free(world->user);
    world->user = NULL;
    if (world->differed > 0) {
        fail_msg("the ledger counted %" PRIu64 "/%" PRIu64 ", the kernel %" PRIu64 "/%" PRIu64
                 " octets sent/received",
                 world->difference.ledger.sent, world->difference.ledger.received,
                 world->difference.kernel.sent, world->difference.kernel.received);
    }
    if (world->ill_told.kind != WEIR_EVENT_NONE) {
        fail_msg("%s was told with %s for the reason %s", weir_event_name(world->ill_told.kind),
                 world->ill_told.why, weir_reason_name(world->ill_told.reason));
    }
    /* A dial may fail before there is anything to close. */
    assert_in_range(world->closed, dials - failed, dials);
    assert_int_equal(world->dones, world->begun);
    world->closed = 0;
}

weir_span weir_world_url(const weir_world *world, const char *path)
{
    return weir_world_url_of(world, "127.0.0.1", path);
}

weir_span weir_world_url_of(const weir_world *world, const char *host, const char *path)
{
    static _Thread_local char urls[8][4096];
    static _Thread_local unsigned next;
    char *url = urls[next++ % 8];

    (void)snprintf(url, sizeof(urls[0]), "%s://%s:%u%s", world->way.tls ? "https" : "http", host,
                   world->way.tls ? world->origin->tls_port : world->origin->clear_port, path);
    return weir_span_of(url);
}

void weir_world_answer(weir_lookup *lookup)
{
    static const weir_address home = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 3600};

    weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
    weir_resolver_answer(lookup, 4, WEIR_OK, &home, 1);
}

weir_tls_config *weir_world_tls_settings(bool trusting)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    options.ca_file = weir_test_certificate(trusting ? "ca.pem" : "other-ca.pem");
    options.only_these_roots = true;
    weir_tls_config *config = weir_tls_config_new(&options, NULL, &status, NULL);
    assert_non_null(config);
    return config;
}

weir_ask weir_world_ask(weir_world *world, const char *path)
{
    weir_ask ask = {.request = WEIR_REQUEST_INIT, .call = WEIR_CALL_INIT};

    ask.request.url = weir_world_url(world, path);
    ask.call.pin = world->way.protocol;
    ask.call.observer = &world->observer;
    return ask;
}

weir_ask weir_world_ask_at(weir_world *world, const char *path, uint16_t port)
{
    weir_ask ask = weir_world_ask(world, path);

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = port;
    return ask;
}

weir_status weir_world_call(weir_world *world, const weir_ask *ask, weir_exchange **exchange)
{
    const weir_status status =
        weir_user_call(weir_world_user(world), &ask->request, &ask->call, exchange);

    if (*exchange != NULL && ask->call.observer == &world->observer) {
        (void)pthread_mutex_lock(&events_lock);
        world->begun++;
        (void)pthread_mutex_unlock(&events_lock);
    }
    return status;
}

weir_fetched weir_world_fetch(weir_world *world, const weir_ask *ask)
{
    weir_fetched fetched = {.is_pattern = true};
    weir_exchange *exchange = NULL;

    fetched.called = weir_world_call(world, ask, &exchange);
    fetched.ended = fetched.called;
    if (exchange != NULL) {
        weir_world_drain(world, exchange, &fetched);
        weir_world_drop(world, exchange);
    }
    return fetched;
}

void weir_world_drop(weir_world *world, weir_exchange *exchange)
{
    if (exchange != NULL && !weir_exchange_is_done(exchange)) {
        (void)pthread_mutex_lock(&events_lock);
        world->begun--;
        (void)pthread_mutex_unlock(&events_lock);
    }
    weir_user_drop(weir_world_user(world), exchange);
}

void weir_world_drain(weir_world *world, weir_exchange *exchange, weir_fetched *fetched)
{
    uint8_t room[16384];
    size_t octets = 0;
    weir_status status = WEIR_OK;

    fetched->is_pattern = true;
    while (status == WEIR_OK) {
        status = weir_user_read(weir_world_user(world), exchange, room, sizeof(room), &octets);
        for (size_t i = 0; i < octets; i++) {
            fetched->is_pattern =
                fetched->is_pattern && room[i] == weir_pattern_at(fetched->octets + i);
            if (fetched->octets + i < sizeof(fetched->text) - 1) {
                fetched->text[fetched->octets + i] = (char)room[i];
            }
        }
        fetched->octets += octets;
    }
    fetched->ended = status;
    fetched->code = weir_exchange_code(exchange);
    fetched->failure = weir_exchange_failure(exchange);
}

weir_exchange *weir_world_begin_long(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    return exchange;
}

void weir_world_end_long(weir_world *world, weir_exchange *exchange)
{
    weir_fetched fetched = {0};

    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, WEIR_LONG_OCTETS);
    assert_true(fetched.is_pattern);
    weir_world_drop(world, exchange);
}

weir_counts weir_world_counts(weir_world *world)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    weir_user_counts(weir_world_user(world), &counts);
    return counts;
}

uint8_t weir_pattern_at(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7);
}

void weir_pattern_fill(uint8_t *to, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = weir_pattern_at(first + i);
    }
}

void weir_pattern_sum(uint64_t octets, char text[17])
{
    uint64_t sum = UINT64_C(14695981039346656037);

    for (uint64_t i = 0; i < octets; i++) {
        sum = (sum ^ weir_pattern_at(i)) * UINT64_C(1099511628211);
    }
    (void)snprintf(text, 17, "%016" PRIx64, sum);
}

size_t weir_world_told(const weir_world *world, weir_event_kind kind)
{
    size_t count = 0;

    for (size_t i = 0; i < world->event_count; i++) {
        count += world->events[i].kind == kind ? 1 : 0;
    }
    return count;
}

size_t weir_world_told_why(const weir_world *world, weir_event_kind kind, const char *why)
{
    size_t count = 0;

    for (size_t i = 0; i < world->event_count; i++) {
        const weir_event *event = &world->events[i];
        count += event->kind == kind && strcmp(event->why, why) == 0 ? 1 : 0;
    }
    return count;
}

const weir_event *weir_world_event(const weir_world *world, weir_event_kind kind, size_t index)
{
    for (size_t i = 0; i < world->event_count; i++) {
        if (world->events[i].kind == kind && index-- == 0) {
            return &world->events[i];
        }
    }
    return NULL;
}

bool weir_tests_are_long(void)
{
    const char *word = getenv("WEIR_TESTS_LONG");

    return word != NULL && *word != '\0' && *word != '0';
}

static bool is_for(const weir_behaviour *behaviour, weir_way way)
{
    const unsigned only = behaviour->only;
    const bool protocol = (only & (WEIR_ONLY_H1 | WEIR_ONLY_H2)) == 0 ||
                          (only & (way.protocol == WEIR_H1 ? WEIR_ONLY_H1 : WEIR_ONLY_H2)) != 0;
    const bool cover = (only & (WEIR_ONLY_CLEAR | WEIR_ONLY_TLS)) == 0 ||
                       (only & (way.tls ? WEIR_ONLY_TLS : WEIR_ONLY_CLEAR)) != 0;
    const bool front =
        (only & (WEIR_ONLY_BLOCKING | WEIR_ONLY_LOOP)) == 0 ||
        (only & (way.kind == WEIR_USER_LOOP ? WEIR_ONLY_LOOP : WEIR_ONLY_BLOCKING)) != 0;

    return protocol && cover && front;
}

static void run_staged(void **state)
{
    const staged *one = *state;
    weir_world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    running = one->name;
    (void)alarm(ALARM_SECONDS);
    open_world(world, one->way);
    world->with = one->behaviour->with;
    one->behaviour->run(world);
    close_world(world);
    (void)alarm(0);
    free(world);
}

static void open_world(weir_world *world, weir_way way)
{
    weir_shared_options shared = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    world->way = way;
    world->origin = &origin;
    world->tls = tls;
    weir_failalloc_init(&world->memory, 0);
    shared.allocator = &world->memory.allocator;
    shared.tls = tls;
    world->shared = weir_shared_new(&shared, &status);
    assert_non_null(world->shared);
    world->observer = (weir_observer){sizeof(weir_observer), world, tell};
    world->limits = (weir_pool_limits)WEIR_POOL_LIMITS_INIT;
    world->options = (weir_user_options){
        .kind = way.kind,
        .allocator = &world->memory.allocator,
        .shared = world->shared,
        .observer = &world->observer,
        .limits = &world->limits,
    };
}

static void close_world(weir_world *world)
{
    weir_world_close(world);
    weir_shared_release(world->shared);
    weir_failalloc_finish(&world->memory);
}

/* Any thread that is inside a call of weir. */
static void tell(const weir_event *event, void *user)
{
    weir_world *world = user;

    (void)pthread_mutex_lock(&events_lock);
    if (world->event_count < WEIR_WORLD_EVENTS) {
        world->events[world->event_count] = *event;
        world->events[world->event_count++].account = NULL;
    }
    if (!is_told_well(event)) {
        world->ill_told = *event;
    }
    if (event->kind == WEIR_EVENT_DONE) {
        world->dones++;
    }
    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        /* An attempt that was connected and lost is one more than the dial's own. */
        note_closed(world, event->account);
        world->closed -= event->reason == WEIR_REASON_LOST_RACE ? 1 : 0;
    }
    (void)pthread_mutex_unlock(&events_lock);
}

/* A reason where there is one, and the text that goes with it; else none. */
static bool is_told_well(const weir_event *event)
{
    const bool is_word =
        event->why != NULL && strcmp(event->why, weir_reason_name(event->reason)) == 0;

    switch ((unsigned)event->kind) {
    case WEIR_EVENT_WAITING:
    case WEIR_EVENT_CONNECTION_ACQUIRED:
        return is_word && event->reason != WEIR_REASON_NONE;
    case WEIR_EVENT_RELEASED:
        return is_word;
    case WEIR_EVENT_CONNECTION_CLOSED:
        return event->reason != WEIR_REASON_NONE &&
               (is_word || (event->failure.status != WEIR_OK &&
                            strcmp(event->why, weir_status_name(event->failure.status)) == 0));
    default:
        return event->reason == WEIR_REASON_NONE;
    }
}

static void note_closed(weir_world *world, const weir_account *account)
{
    world->closed++;
    world->last_account = *account;
    switch (account->verdict.agreement) {
    case WEIR_AGREE:
        world->agreed++;
        break;
    case WEIR_UNAVAILABLE:
        world->unavailable++;
        break;
    case WEIR_DIFFER:
        world->differed++;
        world->difference = account->verdict;
        break;
    }
}

static void too_late(int signal)
{
    static const char text[] = "world: a behaviour hangs: ";

    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)!write(STDERR_FILENO, running, strlen(running));
    (void)!write(STDERR_FILENO, "\n", 1);
    abort();
}

static void make_tls(void)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_failure failure;
    weir_status status = WEIR_OK;

    options.ca_file = weir_test_certificate("ca.pem");
    options.only_these_roots = true;
    tls = weir_tls_config_new(&options, NULL, &status, &failure);
    if (tls == NULL) {
        fprintf(stderr, "world: no TLS configuration: %s\n", weir_status_name(status));
        abort();
    }
}
