/* SPDX-License-Identifier: MIT */
/* What this machine or this client does not have: places in a queue, descriptors, memory. And the
 * call that its caller ends. */
#include "failures.h"
#include "support/kernel.h"
#include "support/stuck.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct two {
    weir_world *world;
    weir_stuck *stuck;
    weir_status ended[2];
    weir_failure failures[2];
} two;

static void one_of_two(weir_user *user, size_t index, void *shared)
{
    two *both = shared;
    weir_exchange *exchange = NULL;

    (void)user;
    both->ended[index] = weir_world_call(both->world, &both->stuck->ask, &exchange);
    both->failures[index] = weir_exchange_failure(exchange);
    weir_world_drop(both->world, exchange);
}

/* One may wait, and two would: one of them is refused at once. */
static void queue_is_full(weir_world *world)
{
    weir_stuck stuck;
    two both = {.world = world, .stuck = &stuck};

    world->limits.waiting_per_origin = 1;
    weir_stuck_prepare(world, &stuck, WEIR_PHASE_QUEUE);
    stuck.ask.call.queue_ns = 50 * WEIR_NS_PER_MS;
    weir_user_together(weir_world_user(world), 2, one_of_two, &both);
    const size_t full = both.ended[0] == WEIR_E_QUEUE_FULL ? 0 : 1;
    assert_int_equal(both.ended[full], WEIR_E_QUEUE_FULL);
    assert_int_equal(both.failures[full].phase, WEIR_PHASE_QUEUE);
    assert_int_equal(both.failures[full].processed, WEIR_NOT_SENT);
    assert_string_equal(both.failures[full].what,
                        "as many calls wait for this origin as waiting_per_origin allows");
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

static weir_status fetch_broken(weir_world *world, const char *name)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");

    weir_kernel_break(name, 0);
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    weir_kernel_break(NULL, 0);
    return fetched.called;
}

/* No weather, no peer, no limit: the call itself was not allowed or made no sense. */
static void system_call_fails(weir_world *world)
{
    const bool blocks = world->way.kind == WEIR_USER_BLOCKING;
    weir_ask ask = weir_world_ask(world, "/octets/10");

    (void)weir_world_user(world);
    assert_int_equal(fetch_broken(world, "recv"), WEIR_E_SYSTEM);
    assert_int_equal(fetch_broken(world, blocks ? "ppoll" : "epoll_ctl"), WEIR_E_SYSTEM);
    if (blocks) {
        weir_world_close(world);
        assert_int_equal(fetch_broken(world, "eventfd"), WEIR_E_SYSTEM);
    }
    if (blocks && world->way.protocol == WEIR_H1) {
        assert_int_equal(fetch_broken(world, NULL), WEIR_OK);
        /* The connection is there: it is armed for a shorter limit. */
        weir_kernel_break("setsockopt", 0);
        ask.call.first_octet_ns = 5 * WEIR_NS_PER_SECOND;
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        weir_kernel_break(NULL, 0);
        assert_int_equal(fetched.called, WEIR_E_SYSTEM);
    }
    ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* Weather: what a route gives that goes away under a connection. */
static void network_fails(weir_world *world)
{
    static const int errnos[] = {ENETDOWN, EHOSTUNREACH, ETIMEDOUT};

    for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
        weir_ask ask = weir_world_ask(world, "/octets/10");
        ask.call.replay = WEIR_REPLAY_NEVER;
        weir_kernel_break("recv", errnos[i]);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        weir_kernel_break(NULL, 0);
        assert_int_equal(fetched.called, WEIR_E_NETWORK);
        assert_int_equal(fetched.failure.sys_errno, errnos[i]);
        assert_int_equal(weir_status_blame(fetched.called), WEIR_BLAME_NETWORK);
    }
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static void loop_cannot_be_made(weir_world *world)
{
    static const char *const calls[] = {"epoll_create1", "eventfd", "epoll_ctl"};
    const weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;

    (void)world;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        weir_status status = WEIR_OK;
        weir_kernel_break(calls[i], 0);
        assert_null(weir_loop_new(&options, &status));
        weir_kernel_break(NULL, 0);
        assert_int_equal(status, WEIR_E_SYSTEM);
    }
}

static const weir_behaviour behaviours[] = {
    {"a queue that is full refuses at once", queue_is_full, 0, NULL},
    {"no descriptor ends a call with DESCRIPTORS", no_descriptors, 0, NULL},
    {"a system call that fails as it should not ends a call with SYSTEM", system_call_fails, 0,
     NULL},
    {"a network that goes away ends a call with NETWORK", network_fails, 0, NULL},
    {"without epoll there is no loop, and SYSTEM says so", loop_cannot_be_made,
     WEIR_ONLY_LOOP | WEIR_ONLY_H1 | WEIR_ONLY_CLEAR, NULL},
    {"no memory ends a call with NOMEM", no_memory, 0, NULL},
    {"a token that is cancelled cancels what begins", cancelled_before, 0, NULL},
};

weir_failures weir_failures_of_resources(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
