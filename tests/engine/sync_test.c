/* SPDX-License-Identifier: MIT */
/*
 * What only several threads of one blocking client can meet while they wait for a place: nobody
 * but they themselves sees time pass, runs a dial or ends one.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/peer.h"
#include "weir/weir.h"

typedef struct caller {
    weir_client *client;
    char url[64];
    weir_call call;
    weir_status status;
    pthread_t thread;
} caller;

static void *run(void *user)
{
    caller *self = user;
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;

    request.url = weir_span_of(self->url);
    self->status = weir_client_call(self->client, &request, &self->call, &exchange);
    weir_exchange_free(exchange);
    return NULL;
}

static void begin(caller *self, weir_client *client, const char *url)
{
    self->client = client;
    self->call.size = sizeof(self->call);
    (void)snprintf(self->url, sizeof(self->url), "%s", url);
    assert_int_equal(pthread_create(&self->thread, NULL, run, self), 0);
}

static void await_waiting(weir_client *client, uint64_t count)
{
    weir_counts counts = {.size = sizeof(counts)};

    for (weir_client_counts(client, &counts); counts.waiting != count;
         weir_client_counts(client, &counts)) {
        (void)sched_yield();
    }
}

static void url_of(char *url, size_t room, uint16_t port)
{
    (void)snprintf(url, room, "http://127.0.0.1:%u/", (unsigned)port);
}

/* The one place of the client is taken by a dial whose call leaves while another origin waits. */
static void sync__a_dial_is_given_up_for_another_origin(void **state)
{
    static const weir_peer_turn turns[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_FIN, 0}};
    static const weir_peer_turn *const scripts[] = {turns};
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    weir_full_port full;
    char url[64];
    caller leaver = {.call = {.token = weir_token_new(NULL)}};
    caller stayer = {.call = {0}};

    (void)state;
    limits.connections = 1;
    options.limits = &limits;
    weir_peer *peer = weir_peer_start(scripts, 1);
    weir_client *client = weir_client_new(&options, NULL);
    weir_full_port_open(&full);
    url_of(url, sizeof(url), full.port);
    begin(&leaver, client, url);
    await_waiting(client, 1);
    url_of(url, sizeof(url), weir_peer_port(peer));
    begin(&stayer, client, url);
    await_waiting(client, 2);
    weir_token_cancel(leaver.call.token);
    (void)pthread_join(leaver.thread, NULL);
    (void)pthread_join(stayer.thread, NULL);
    assert_int_equal(leaver.status, WEIR_E_CANCELLED);
    assert_int_equal(stayer.status, WEIR_OK);
    weir_client_free(client);
    weir_token_free(leaver.call.token);
    weir_full_port_close(&full);
    weir_peer_stop(peer);
}

typedef struct names {
    pthread_mutex_t lock;
    weir_lookup *first;
    size_t asked;
} names;

static void answer_failed(weir_lookup *lookup)
{
    weir_resolver_answer(lookup, 4, WEIR_E_DNS_FAILED, NULL, 0);
    weir_resolver_answer(lookup, 6, WEIR_E_DNS_FAILED, NULL, 0);
}

/* The first look-up is answered by the test, every other at once. */
static void names_start(weir_lookup *lookup, weir_span host, void *user)
{
    names *self = user;

    (void)host;
    (void)pthread_mutex_lock(&self->lock);
    const bool is_first = self->asked++ == 0;
    self->first = is_first ? lookup : self->first;
    (void)pthread_mutex_unlock(&self->lock);
    if (!is_first) {
        answer_failed(lookup);
    }
}

static void names_cancel(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

static weir_lookup *first_of(names *self)
{
    (void)pthread_mutex_lock(&self->lock);
    weir_lookup *first = self->first;
    (void)pthread_mutex_unlock(&self->lock);
    return first;
}

/* The thread that ran a dial leaves; who goes on with it had set narrower limits. It is its dial
 * from then on: they end it, and the call with it. */
static void sync__a_dial_keeps_the_limits_of_who_goes_on_with_it(void **state)
{
    names asked = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const weir_resolver resolver = {
        .size = sizeof(resolver), .user = &asked, .start = names_start, .cancel = names_cancel};
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    caller leaver = {.call = {.dns_ns = WEIR_NEVER, .token = weir_token_new(NULL)}};
    caller stayer = {.call = {.dns_ns = 50 * WEIR_NS_PER_MS,
                              .deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND}};

    (void)state;
    limits.connections_per_origin = 1;
    options.limits = &limits;
    options.resolver = &resolver;
    weir_client *client = weir_client_new(&options, NULL);
    begin(&leaver, client, "http://name.test/");
    await_waiting(client, 1);
    begin(&stayer, client, "http://name.test/");
    await_waiting(client, 2);
    weir_token_cancel(leaver.call.token);
    (void)pthread_join(leaver.thread, NULL);
    (void)pthread_join(stayer.thread, NULL);
    assert_int_equal(leaver.status, WEIR_E_CANCELLED);
    assert_int_equal(stayer.status, WEIR_E_DEADLINE_DNS);
    assert_int_equal(asked.asked, 1);
    weir_client_free(client);
    weir_token_free(leaver.call.token);
}

/* After a dial failed the pool pauses; whoever still waits must see the pause end. */
static void sync__who_waits_dials_again_after_the_pause(void **state)
{
    names known = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const weir_resolver resolver = {sizeof(resolver), &known, names_start, names_cancel};
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_client_options options = WEIR_CLIENT_OPTIONS_INIT;
    caller first = {.call = {0}};
    caller second = {.call = {.queue_ns = 60 * WEIR_NS_PER_SECOND}};

    (void)state;
    limits.connections_per_origin = 1;
    options.limits = &limits;
    options.resolver = &resolver;
    weir_client *client = weir_client_new(&options, NULL);
    begin(&first, client, "http://name.test/");
    while (first_of(&known) == NULL) {
        (void)sched_yield();
    }
    begin(&second, client, "http://name.test/");
    await_waiting(client, 2);
    answer_failed(first_of(&known));
    (void)pthread_join(first.thread, NULL);
    (void)pthread_join(second.thread, NULL);
    assert_int_equal(first.status, WEIR_E_DNS_FAILED);
    assert_int_equal(second.status, WEIR_E_DNS_FAILED);
    assert_int_equal(known.asked, 2);
    weir_client_free(client);
}

/* An answer to the first request, and then nothing more. */
static const weir_peer_turn head_alone[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", WEIR_PEER_HOLD, 0}};

static void sync__the_peer_is_not_blamed_for_time_between_calls(void **state)
{
    static const weir_peer_turn *const scripts[] = {head_alone};
    weir_peer *peer = weir_peer_start(scripts, 1);
    weir_client *client = weir_client_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchange = NULL;
    uint8_t octet = 0;
    size_t octets = 0;
    char url[64];

    (void)state;
    url_of(url, sizeof(url), weir_peer_port(peer));
    request.url = weir_span_of(url);
    call.idle_ns = 20 * WEIR_NS_PER_MS;
    assert_int_equal(weir_client_call(client, &request, &call, &exchange), WEIR_OK);
    const weir_time away_until_ns = weir_now() + 2 * call.idle_ns;
    while (weir_now() < away_until_ns) {
        (void)sched_yield();
    }
    const weir_time back_ns = weir_now();
    assert_int_equal(weir_read(exchange, &octet, 1, &octets), WEIR_E_DEADLINE_IDLE);
    assert_true(weir_now() - back_ns >= call.idle_ns);
    weir_exchange_free(exchange);
    weir_client_free(client);
    weir_peer_stop(peer);
}

/* The content reads like a second request, which is what the peer waits for. */
static void sync__content_is_sent_though_another_1xx_came(void **state)
{
    static const weir_peer_turn turns[] = {
        {"HTTP/1.1 103 Early Hints\r\n\r\n", WEIR_PEER_GO_ON, 0},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_FIN, 0}};
    static const weir_peer_turn *const scripts[] = {turns};
    weir_peer *peer = weir_peer_start(scripts, 1);
    weir_client *client = weir_client_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchange = NULL;
    char url[64];

    (void)state;
    url_of(url, sizeof(url), weir_peer_port(peer));
    request.url = weir_span_of(url);
    request.method = weir_span_of("PUT");
    request.body.kind = WEIR_BODY_SPAN;
    request.body.span = weir_span_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    call.expect_continue = true;
    call.continue_ns = 20 * WEIR_NS_PER_MS;
    call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
    assert_int_equal(weir_client_call(client, &request, &call, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_code(exchange), 200);
    weir_exchange_free(exchange);
    weir_client_free(client);
    weir_peer_stop(peer);
}

typedef struct asker {
    weir_peer *peer;
    bool sent;
} asker;

/* Gives one octet, and the end only when the peer has seen the request. */
static weir_status asker_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    asker *self = user;
    const weir_time give_up_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;

    (void)room;
    if (offset == 0) {
        *(char *)to = 'a';
        *octets = 1;
        return WEIR_OK;
    }
    while (weir_peer_requests(self->peer) == 0 && weir_now() < give_up_ns) {
        (void)sched_yield();
    }
    self->sent = weir_peer_requests(self->peer) > 0;
    return WEIR_END;
}

/* What is queued leaves before a source is asked, for it may wait for the answer to it. */
static void sync__a_source_may_wait_for_what_it_gave(void **state)
{
    static const weir_peer_turn turns[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_FIN, 0}};
    static const weir_peer_turn *const scripts[] = {turns};
    asker self = {.peer = weir_peer_start(scripts, 1)};
    const weir_source source = {sizeof(source), &self, asker_read, NULL};
    weir_client *client = weir_client_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;
    char url[64];

    (void)state;
    url_of(url, sizeof(url), weir_peer_port(self.peer));
    request.url = weir_span_of(url);
    request.method = weir_span_of("PUT");
    request.body.kind = WEIR_BODY_SOURCE;
    request.body.source = &source;
    request.body.length_octets = WEIR_UNKNOWN;
    assert_int_equal(weir_client_call(client, &request, NULL, &exchange), WEIR_OK);
    assert_true(self.sent);
    weir_exchange_free(exchange);
    weir_client_free(client);
    weir_peer_stop(self.peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync__a_dial_keeps_the_limits_of_who_goes_on_with_it),
        cmocka_unit_test(sync__a_dial_is_given_up_for_another_origin),
        cmocka_unit_test(sync__who_waits_dials_again_after_the_pause),
        cmocka_unit_test(sync__the_peer_is_not_blamed_for_time_between_calls),
        cmocka_unit_test(sync__content_is_sent_though_another_1xx_came),
        cmocka_unit_test(sync__a_source_may_wait_for_what_it_gave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
