/* SPDX-License-Identifier: MIT */
/* What this machine or this client does not have: places in a queue, descriptors, memory. And the
 * call that its caller ends. */
#include "failures.h"
#include "support/stuck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct two {
    weir_world *world;
    weir_stuck *stuck;
    weir_status ended[2];
} two;

static void one_of_two(weir_user *user, size_t index, void *shared)
{
    two *both = shared;
    weir_exchange *exchange = NULL;

    (void)user;
    both->ended[index] = weir_world_call(both->world, &both->stuck->ask, &exchange);
    weir_world_drop(both->world, exchange);
}

/* One may wait, and two would: one of them is refused at once. */
static void queue_is_full(weir_world *world)
{
    weir_stuck stuck;
    two both = {world, &stuck, {WEIR_OK, WEIR_OK}};

    world->limits.waiting_per_origin = 1;
    weir_stuck_prepare(world, &stuck, WEIR_PHASE_QUEUE);
    stuck.ask.call.queue_ns = 50 * WEIR_NS_PER_MS;
    weir_user_together(weir_world_user(world), 2, one_of_two, &both);
    const size_t full = both.ended[0] == WEIR_E_QUEUE_FULL ? 0 : 1;
    assert_int_equal(both.ended[full], WEIR_E_QUEUE_FULL);
    assert_int_equal(both.ended[1 - full], WEIR_E_DEADLINE_QUEUE);
    weir_stuck_end(world, &stuck);
}

static void no_descriptors(weir_world *world)
{
    struct rlimit before;

    (void)weir_world_user(world);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = dup(STDERR_FILENO); /* the lowest that is free */
    (void)close(next);
    const struct rlimit none = {(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(fetched.called, WEIR_E_DESCRIPTORS);
    assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* The first allocation of a call that fails; each of them in turn is memory_test.c's. */
static void no_memory(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    (void)weir_world_user(world);
    world->memory.fail_at = atomic_load(&world->memory.calls) + 1;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_NOMEM);
    assert_null(exchange);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* A token that was cancelled before cancels at once; it lives as long as the last call that was
 * given it. */
static void cancelled_before(weir_world *world)
{
    weir_token *token = weir_token_new(NULL);
    weir_ask ask = weir_world_ask(world, "/octets/10");

    assert_non_null(token);
    ask.call.token = token;
    weir_exchange *exchange = NULL;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_token_cancel(token);
    assert_true(weir_token_is_cancelled(token));
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_E_CANCELLED);
    assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    weir_token_free(token);
    weir_world_drop(world, exchange);
}

static const weir_behaviour behaviours[] = {
    {"a queue that is full refuses at once", queue_is_full, 0, NULL},
    {"no descriptor ends a call with DESCRIPTORS", no_descriptors, 0, NULL},
    {"no memory ends a call with NOMEM", no_memory, 0, NULL},
    {"a token that is cancelled cancels what begins", cancelled_before, 0, NULL},
};

weir_failures weir_failures_of_resources(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
