/* SPDX-License-Identifier: MIT */
/* A token cancels what holds it, once, from any thread, in whatever order it and they go away. */
#include "engine/exchange.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define THREADS  4
#define ROUNDS   200
#define SLEEPERS 100 /* more than are roused in one go */

/* Counts how often an exchange was kicked; the rest of the record stays zero. */
static void kick(weir_exchange *exchange)
{
    atomic_fetch_add((atomic_int *)exchange->user, 1);
}

static const weir_front front = {.kick = kick};

static weir_exchange *new_exchange(atomic_int *kicks)
{
    weir_exchange *exchange = calloc(1, sizeof(*exchange));

    exchange->front = &front;
    exchange->user = kicks;
    weir_list_init(&exchange->token_place);
    return exchange;
}

static void token__cancels_every_call_that_holds_it(void **state)
{
    weir_token *token = weir_token_new(NULL);
    atomic_int kicks = 0;
    weir_exchange *in[3];
    weir_exchange *out = new_exchange(&kicks);

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(in); i++) {
        in[i] = new_exchange(&kicks);
        weir_token_add(token, in[i]);
        assert_ptr_equal(in[i]->token, token);
    }
    weir_token_add(token, out);
    weir_token_remove(token, out);
    assert_null(out->token);
    assert_false(weir_token_is_cancelled(token));
    weir_token_cancel(token);
    assert_true(weir_token_is_cancelled(token));
    assert_int_equal(atomic_load(&kicks), WEIR_COUNT_OF(in));
    assert_false(atomic_load(&out->cancel_wanted));
    weir_token_cancel(token);
    assert_int_equal(atomic_load(&kicks), WEIR_COUNT_OF(in)); /* each once */
    for (size_t i = 0; i < WEIR_COUNT_OF(in); i++) {
        assert_true(atomic_load(&in[i]->cancel_wanted));
        weir_token_remove(token, in[i]);
        free(in[i]);
    }
    free(out);
    weir_token_free(token);
}

static void token__cancels_a_call_that_comes_later(void **state)
{
    weir_token *token = weir_token_new(NULL);
    atomic_int kicks = 0;
    weir_exchange *late = new_exchange(&kicks);

    (void)state;
    weir_token_cancel(token);
    weir_token_add(token, late);
    assert_true(atomic_load(&late->cancel_wanted));
    assert_int_equal(atomic_load(&kicks), 1);
    weir_token_remove(token, late);
    weir_token_free(token);
    free(late);
}

static void token__lives_while_a_call_holds_it(void **state)
{
    weir_failalloc memory;
    atomic_int kicks = 0;
    weir_exchange *one = new_exchange(&kicks);
    weir_exchange *two = new_exchange(&kicks);

    (void)state;
    weir_failalloc_init(&memory, 0);
    weir_token *token = weir_token_new(&memory.allocator);
    weir_token_add(token, one);
    weir_token_add(token, two);
    weir_token_free(token); /* the caller's own */
    weir_token_remove(token, one);
    assert_int_equal(atomic_load(&memory.live), 1);
    weir_token_remove(token, two);
    weir_failalloc_finish(&memory);
    weir_token_free(NULL);
    free(one);
    free(two);
}

static void token__needs_memory(void **state)
{
    weir_failalloc memory;

    (void)state;
    weir_failalloc_init(&memory, 1);
    assert_null(weir_token_new(&memory.allocator));
    weir_failalloc_finish(&memory);
}

/* Who sleeps in a wait hook is roused with the token's lock let go. */
static void *kick_quietly(weir_exchange *exchange)
{
    return exchange->user;
}

static void rouse(void *at)
{
    atomic_fetch_add((atomic_int *)at, 1);
}

static const weir_front sleepy_front = {.kick_quietly = kick_quietly, .rouse = rouse};

static void token__rouses_however_many_sleep(void **state)
{
    weir_token *token = weir_token_new(NULL);
    atomic_int roused[SLEEPERS] = {0};
    weir_exchange *in[SLEEPERS];

    (void)state;
    for (size_t i = 0; i < SLEEPERS; i++) {
        in[i] = new_exchange(&roused[i]);
        in[i]->front = &sleepy_front;
        weir_token_add(token, in[i]);
    }
    weir_token_cancel(token);
    weir_token_cancel(token);
    for (size_t i = 0; i < SLEEPERS; i++) {
        assert_int_equal(atomic_load(&roused[i]), 1); /* each once */
        assert_true(atomic_load(&in[i]->cancel_wanted));
        weir_token_remove(token, in[i]);
        free(in[i]);
    }
    weir_token_free(token);
}

typedef struct token_race {
    weir_token *token;
    pthread_barrier_t barrier;
    atomic_int kicks;
    atomic_int cancelled;
} token_race;

static void *come_and_go(void *user)
{
    token_race *race = user;

    pthread_barrier_wait(&race->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        weir_exchange *exchange = new_exchange(&race->kicks);
        weir_token_add(race->token, exchange);
        const bool seen = weir_token_is_cancelled(race->token);
        weir_token_remove(race->token, exchange);
        /* Whoever holds a cancelled token is cancelled before it can let go of it. */
        if (seen && !atomic_load(&exchange->cancel_wanted)) {
            abort();
        }
        atomic_fetch_add(&race->cancelled, atomic_load(&exchange->cancel_wanted) ? 1 : 0);
        free(exchange);
    }
    return NULL;
}

static void *cancel(void *user)
{
    token_race *race = user;

    pthread_barrier_wait(&race->barrier);
    for (int i = 0; i < ROUNDS; i++) {
        weir_token_cancel(race->token);
    }
    return NULL;
}

static void token__may_be_cancelled_while_calls_come_and_go(void **state)
{
    token_race race = {.token = weir_token_new(NULL)};
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(pthread_barrier_init(&race.barrier, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i == 0 ? cancel : come_and_go, &race),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&race.barrier);
    assert_true(weir_token_is_cancelled(race.token));
    assert_int_equal(atomic_load(&race.kicks), atomic_load(&race.cancelled));
    weir_token_free(race.token);
}

/* The last reference may go on any thread, right behind another's. */
static void *let_go(void *user)
{
    token_race *race = user;

    pthread_barrier_wait(&race->barrier);
    weir_token_free(race->token);
    return NULL;
}

static void token__is_freed_once_whoever_is_last(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        weir_failalloc memory;
        token_race race;
        pthread_t thread;

        weir_failalloc_init(&memory, 0);
        memset(&race, 0, sizeof(race));
        race.token = weir_token_new(&memory.allocator);
        weir_exchange *exchange = new_exchange(&race.kicks);
        weir_token_add(race.token, exchange);
        assert_int_equal(pthread_barrier_init(&race.barrier, NULL, 2), 0);
        assert_int_equal(pthread_create(&thread, NULL, let_go, &race), 0);
        pthread_barrier_wait(&race.barrier);
        weir_token_remove(race.token, exchange);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&race.barrier);
        weir_failalloc_finish(&memory);
        free(exchange);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token__cancels_every_call_that_holds_it),
        cmocka_unit_test(token__cancels_a_call_that_comes_later),
        cmocka_unit_test(token__lives_while_a_call_holds_it),
        cmocka_unit_test(token__rouses_however_many_sleep),
        cmocka_unit_test(token__needs_memory),
        cmocka_unit_test(token__may_be_cancelled_while_calls_come_and_go),
        cmocka_unit_test(token__is_freed_once_whoever_is_last),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
