/* SPDX-License-Identifier: MIT */
/*
 * Eight threads on one client and one HTTP/2 TLS connection. Each call has a deadline and a length
 * of its own, so that an answer that went to the wrong call is seen by its length and its content.
 *
 * After every few calls they wait for each other. Whoever comes to the last calls of a burst finds
 * nobody who goes on to read: a thread that was forgotten stays forgotten, until its deadline.
 *
 * Short: 800 calls. Long: 10,000.
 */
#include "support/world.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS      8
#define BURST        5
#define LONG_SECONDS 1800 /* ThreadSanitizer on a busy machine */

/* What one thread saw. It is judged when all have ended. */
typedef struct seen {
    weir_world *world;
    pthread_barrier_t *rendezvous;
    size_t calls;
    size_t answered;
    size_t elsewhere; /* not on the first connection, or not at the first attempt */
    weir_tally tally;
    weir_status status; /* of the first call that was not answered as it must be */
    uint64_t wanted;
    uint64_t got;
} seen;

static uint64_t length_of(size_t thread, size_t call)
{
    return (thread * 7919 + call * 104729) % 40000;
}

static void call_once(seen *mine, size_t thread, size_t call)
{
    char path[64];
    weir_exchange *exchange = NULL;
    weir_attempt attempt = {.size = sizeof(attempt)};
    const uint64_t length = length_of(thread, call);

    (void)snprintf(path, sizeof(path), "/octets/%" PRIu64, length);
    weir_ask ask = weir_world_ask(mine->world, path);
    ask.call.deadline_ns = weir_now() + (30 + (thread + call) % 30) * WEIR_NS_PER_SECOND;
    weir_fetched fetched = {.called = weir_world_call(mine->world, &ask, &exchange)};
    fetched.ended = fetched.called;
    if (exchange == NULL) {
        mine->status = fetched.called;
        return;
    }
    weir_world_drain(mine->world, exchange, &fetched);
    if (fetched.ended == WEIR_END && fetched.code == 200 && fetched.octets == length &&
        fetched.is_pattern) {
        mine->answered++;
    } else if (mine->status == WEIR_OK) {
        mine->status = fetched.ended;
        mine->wanted = length;
        mine->got = fetched.octets;
    }
    if (weir_exchange_attempt_count(exchange) != 1 ||
        !weir_exchange_attempt_at(exchange, 0, &attempt) || attempt.conn != 1 || !attempt.final) {
        mine->elsewhere++;
    }
    const weir_tally tally = weir_exchange_tally(exchange);
    weir_tally_add(&mine->tally, &tally);
    weir_world_drop(mine->world, exchange);
}

static void call_many(weir_user *user, size_t index, void *shared)
{
    seen *mine = (seen *)shared + index;

    (void)user;
    for (size_t i = 0; i < mine->calls; i++) {
        if (i % BURST == 0) {
            (void)pthread_barrier_wait(mine->rendezvous);
        }
        call_once(mine, index, i);
    }
}

static void all_are_answered(weir_world *world)
{
    const size_t calls = weir_tests_are_long() ? 10000 : 800;
    seen all[THREADS];
    pthread_barrier_t rendezvous;
    size_t answered = 0;
    weir_tally sum = {0};
    weir_counts counts;

    (void)alarm(weir_tests_are_long() ? LONG_SECONDS : 120);
    assert_int_equal(pthread_barrier_init(&rendezvous, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        all[i] = (seen){.world = world, .rendezvous = &rendezvous, .calls = calls / THREADS};
    }
    const weir_time begun_ns = weir_now();
    weir_user_together(weir_world_user(world), THREADS, call_many, all);
    const weir_time took_ns = weir_now() - begun_ns;
    (void)pthread_barrier_destroy(&rendezvous);
    for (size_t i = 0; i < THREADS; i++) {
        if (all[i].answered != all[i].calls) {
            fail_msg("thread %zu: %zu of %zu answered; %s, %" PRIu64 " octets of %" PRIu64, i,
                     all[i].answered, all[i].calls, weir_status_name(all[i].status), all[i].got,
                     all[i].wanted);
        }
        assert_int_equal(all[i].elsewhere, 0);
        answered += all[i].answered;
        weir_tally_add(&sum, &all[i].tally);
    }
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, 1);
    assert_int_equal(counts.requests, calls);
    weir_world_close(world);
    assert_int_equal(world->agreed, 1);
    /* What the calls were told they moved is what their connection says that all of them moved. */
    assert_memory_equal(&sum, &world->last_account.exchanges, sizeof(sum));
    print_message(
        "# %zu calls of %d threads answered on 1 connection in %" PRIu64 " ms; ledger %" PRIu64
        "/%" PRIu64 ", kernel %" PRIu64 "/%" PRIu64 " octets sent/received\n",
        answered, THREADS, took_ns / WEIR_NS_PER_MS, world->last_account.verdict.ledger.sent,
        world->last_account.verdict.ledger.received, world->last_account.verdict.kernel.sent,
        world->last_account.verdict.kernel.received);
}

int main(void)
{
    static const weir_behaviour behaviours[] = {
        {.name = "eight threads share one connection and all are answered",
         .run = all_are_answered,
         .only = WEIR_ONLY_BLOCKING | WEIR_ONLY_H2},
    };
    return weir_world_run("threads_h2", behaviours, 1, NULL);
}
