/* SPDX-License-Identifier: MIT */
/* What a turn tells, in which order, and what it does not tell any more. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/peer.h"
#include "weir/weir.h"

#define CALLS  80
#define ROOM   512
#define ROUNDS 100

static weir_exchange *submit(weir_loop *loop, const weir_call *call, void *user)
{
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;

    request.url = WEIR_SPAN("gopher://a/");
    assert_int_equal(weir_loop_submit(loop, &request, call, user, &exchange), WEIR_E_URL_SCHEME);
    assert_non_null(exchange);
    return exchange;
}

/* More records than one turn has: the rest comes with the next, and DONE behind all of them. */
static void loop__tells_every_record_before_done(void **state)
{
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_loop_event events[ROOM];
    weir_exchange *exchanges[CALLS];
    size_t records[CALLS] = {0};
    size_t at[CALLS];
    size_t dones = 0;

    (void)state;
    options.observed_as_records = true;
    weir_loop *loop = weir_loop_new(&options, NULL);
    assert_non_null(loop);
    for (size_t i = 0; i < CALLS; i++) {
        at[i] = i;
        exchanges[i] = submit(loop, NULL, &at[i]);
    }
    for (size_t count = ROOM; count > 0;) {
        count = weir_loop_turn(loop, events, ROOM);
        for (size_t i = 0; i < count; i++) {
            const size_t call = *(const size_t *)events[i].user;
            if (events[i].told == WEIR_TOLD_OBSERVED) {
                records[call]++;
            } else {
                assert_int_equal(events[i].told, WEIR_TOLD_DONE);
                assert_int_equal(records[call], 2); /* submitted, done */
                dones++;
            }
        }
    }
    assert_int_equal(dones, CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        weir_exchange_free(exchanges[i]);
    }
    weir_loop_free(loop);
}

static void free_at_first(const weir_event *event, void *user)
{
    size_t *told = user;

    if ((*told)++ == 0) {
        weir_exchange_free(event->exchange);
    }
}

static void loop__tells_nothing_of_what_its_observer_freed(void **state)
{
    size_t told = 0;
    const weir_observer observer = {sizeof(observer), &told, free_at_first};
    weir_call call = WEIR_CALL_INIT;
    weir_loop_event events[ROOM];
    weir_loop *loop = weir_loop_new(NULL, NULL);

    (void)state;
    call.observer = &observer;
    (void)submit(loop, &call, NULL);
    assert_int_equal(weir_loop_turn(loop, events, ROOM), 0);
    assert_int_equal(told, 1);
    weir_loop_free(loop);
}

static void client__tells_nothing_of_what_its_observer_freed(void **state)
{
    size_t told = 0;
    const weir_observer observer = {sizeof(observer), &told, free_at_first};
    weir_call call = WEIR_CALL_INIT;
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange *exchange = NULL;
    weir_client *client = weir_client_new(NULL, NULL);

    (void)state;
    call.observer = &observer;
    request.url = WEIR_SPAN("gopher://a/");
    assert_int_equal(weir_client_call(client, &request, &call, &exchange), WEIR_E_URL_SCHEME);
    assert_null(exchange);
    assert_int_equal(told, 1);
    weir_client_free(client);
}

static void loop__without_work_has_no_deadline(void **state)
{
    weir_loop *loop = weir_loop_new(NULL, NULL);

    (void)state;
    assert_true(weir_loop_deadline(loop) == WEIR_NEVER);
    weir_loop_free(loop);
}

/* A program that was built against a header with fewer counts. */
static void loop__fills_no_more_of_a_record_than_there_is(void **state)
{
    weir_counts counts;
    weir_loop *loop = weir_loop_new(NULL, NULL);

    (void)state;
    memset(&counts, 0xa5, sizeof(counts));
    const uint64_t untouched = counts.dials;
    counts.size = offsetof(weir_counts, dials);
    weir_loop_counts(loop, &counts);
    assert_int_equal(counts.size, offsetof(weir_counts, dials));
    assert_int_equal(counts.requests, 0);
    assert_true(counts.dials == untouched);
    assert_true(counts.ledger_differ == untouched);
    weir_loop_free(loop);
}

/* What the budget of a turn left unread is read by the next, though the kernel says nothing new. */
static void loop__reads_on_after_a_spent_budget(void **state)
{
    static const weir_peer_turn turns[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n"
         "..............................................................................."
         "..............................................................................."
         "..............................................................................."
         "...............................................................",
         WEIR_PEER_HOLD, 0}};
    static const weir_peer_turn *const scripts[] = {turns, turns};
    weir_peer *peer = weir_peer_start(scripts, 2);
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_loop_event events[8];
    weir_exchange *exchanges[2];
    size_t dones = 0;
    char url[64];

    (void)state;
    options.turn_octets = 16;
    weir_loop *loop = weir_loop_new(&options, NULL);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)weir_peer_port(peer));
    request.url = weir_span_of(url);
    call.deadline_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(weir_loop_submit(loop, &request, &call, NULL, &exchanges[i]), WEIR_OK);
    }
    while (dones < 2) {
        weir_loop_wait(loop, WEIR_NEVER);
        const size_t count = weir_loop_turn(loop, events, 8);
        for (size_t i = 0; i < count; i++) {
            if (events[i].told == WEIR_TOLD_DONE) {
                assert_int_equal(events[i].status, WEIR_OK);
                dones++;
            }
        }
    }
    for (size_t i = 0; i < 2; i++) {
        weir_exchange_free(exchanges[i]);
    }
    weir_loop_free(loop);
    weir_peer_stop(peer);
}

static void ask_nobody(weir_lookup *lookup, weir_span host, void *user)
{
    (void)lookup;
    (void)host;
    ++*(size_t *)user;
}

static void forget_nobody(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

/* The call that caused a dial leaves; the next that waits goes on with it, and had set narrower
 * limits. It is its dial from then on: they end it, and the call with it. */
static void loop__keeps_the_limits_of_who_goes_on_with_a_dial(void **state)
{
    size_t asked = 0;
    const weir_resolver resolver = {
        .size = sizeof(resolver), .user = &asked, .start = ask_nobody, .cancel = forget_nobody};
    weir_pool_limits limits = WEIR_POOL_LIMITS_INIT;
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_loop_event events[8];
    weir_exchange *exchanges[3];
    weir_status statuses[3];
    size_t dones = 0;

    (void)state;
    limits.connections_per_origin = 1;
    options.limits = &limits;
    options.resolver = &resolver;
    weir_loop *loop = weir_loop_new(&options, NULL);
    request.url = WEIR_SPAN("http://name.test/");
    for (size_t i = 0; i < 3; i++) {
        call.dns_ns = i == 2 ? 50 * WEIR_NS_PER_MS : WEIR_NEVER;
        call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
        assert_int_equal(weir_loop_submit(loop, &request, &call, &statuses[i], &exchanges[i]),
                         WEIR_OK);
        assert_int_equal(weir_loop_turn(loop, events, 8), 0);
    }
    assert_int_equal(weir_exchange_phase(exchanges[0]), WEIR_PHASE_DNS);
    assert_int_equal(weir_exchange_phase(exchanges[2]), WEIR_PHASE_QUEUE);
    weir_cancel(exchanges[0]);
    weir_exchange_free(exchanges[1]);
    while (dones < 2) {
        weir_loop_wait(loop, WEIR_NEVER);
        const size_t count = weir_loop_turn(loop, events, 8);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(events[i].told, WEIR_TOLD_DONE);
            *(weir_status *)events[i].user = events[i].status;
            dones++;
        }
    }
    assert_int_equal(statuses[0], WEIR_E_CANCELLED);
    assert_int_equal(statuses[2], WEIR_E_DEADLINE_DNS);
    assert_int_equal(asked, 1);
    weir_exchange_free(exchanges[0]);
    weir_exchange_free(exchanges[2]);
    weir_loop_free(loop);
}

static void note_last(const weir_event *event, void *user)
{
    size_t *lasts = user;

    *lasts += event->kind == WEIR_EVENT_RESPONSE_RECEIVED && event->last ? 1U : 0U;
}

/* Content that the close ends: no octet comes with its end. */
static void client__tells_the_last_of_a_response_that_the_close_ends(void **state)
{
    static const weir_peer_turn turns[] = {{"HTTP/1.1 200 OK\r\n\r\nto the end", WEIR_PEER_FIN, 0}};
    static const weir_peer_turn *const scripts[] = {turns};
    size_t lasts = 0;
    const weir_observer observer = {sizeof(observer), &lasts, note_last};
    weir_peer *peer = weir_peer_start(scripts, 1);
    weir_client *client = weir_client_new(NULL, NULL);
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    size_t octets = 0;
    uint8_t to[4];
    char url[64];

    (void)state;
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", (unsigned)weir_peer_port(peer));
    request.url = weir_span_of(url);
    call.observer = &observer;
    assert_int_equal(weir_client_call(client, &request, &call, &exchange), WEIR_OK);
    do {
        status = weir_read(exchange, to, sizeof(to), &octets);
    } while (status == WEIR_OK);
    assert_int_equal(status, WEIR_END);
    assert_int_equal(lasts, 1);
    weir_exchange_free(exchange);
    weir_client_free(client);
    weir_peer_stop(peer);
}

typedef struct canceller {
    weir_token *token;
    pthread_barrier_t barrier;
} canceller;

static void *cancel_all(void *user)
{
    canceller *c = user;

    (void)pthread_barrier_wait(&c->barrier);
    weir_token_cancel(c->token);
    return NULL;
}

/* A token that several loops share is cancelled when one of them is freed: its exchanges outlive it,
 * and are done. */
static void loop__may_be_freed_while_a_token_is_cancelled(void **state)
{
    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        weir_call call = WEIR_CALL_INIT;
        weir_exchange *exchanges[CALLS];
        canceller c = {.token = weir_token_new(NULL)};
        pthread_t thread;
        weir_loop *loop = weir_loop_new(NULL, NULL);

        assert_non_null(loop);
        call.token = c.token;
        for (size_t i = 0; i < CALLS; i++) {
            exchanges[i] = submit(loop, &call, NULL);
        }
        assert_int_equal(pthread_barrier_init(&c.barrier, NULL, 2), 0);
        assert_int_equal(pthread_create(&thread, NULL, cancel_all, &c), 0);
        (void)pthread_barrier_wait(&c.barrier);
        weir_loop_free(loop);
        (void)pthread_join(thread, NULL);
        for (size_t i = 0; i < CALLS; i++) {
            assert_true(weir_exchange_is_done(exchanges[i]));
            weir_exchange_free(exchanges[i]);
        }
        (void)pthread_barrier_destroy(&c.barrier);
        weir_token_free(c.token);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loop__tells_every_record_before_done),
        cmocka_unit_test(loop__tells_nothing_of_what_its_observer_freed),
        cmocka_unit_test(client__tells_nothing_of_what_its_observer_freed),
        cmocka_unit_test(loop__without_work_has_no_deadline),
        cmocka_unit_test(loop__fills_no_more_of_a_record_than_there_is),
        cmocka_unit_test(loop__reads_on_after_a_spent_budget),
        cmocka_unit_test(loop__keeps_the_limits_of_who_goes_on_with_a_dial),
        cmocka_unit_test(loop__may_be_freed_while_a_token_is_cancelled),
        cmocka_unit_test(client__tells_the_last_of_a_response_that_the_close_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
