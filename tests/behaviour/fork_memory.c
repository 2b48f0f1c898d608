/* SPDX-License-Identifier: MIT */
/* The child of a fork without memory. */
#include "fork.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#define NOTHING_FAILED 2

static void live_without_memory(weir_world *world, weir_user *user, size_t fail_at);

/* The k-th allocation of the child fails, for each k; the first of them are those with which it
 * begins anew. */
void weir_fork_memory_fails(weir_world *world)
{
    weir_closings all;
    int status = 0;
    size_t fail_at = 0;

    weir_closings_begin(&all, world);
    weir_user *user = weir_world_user(world);
    weir_fork_get(world);
    while (WEXITSTATUS(status) == 0) {
        pid_t child = 0;
        fail_at++;
        if (weir_fork_here(&child)) {
            live_without_memory(world, user, fail_at);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) ||
            (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NOTHING_FAILED)) {
            fail_msg("with allocation %zu failing the child ended with %#x", fail_at,
                     (unsigned)status);
        }
    }
    assert_true(fail_at > 5);
    weir_fork_get(world);
    assert_int_equal(weir_fork_counts(user).dials, 1);
    weir_closings_agree(&all);
}

/* A client or loop that the child only frees needs no memory for it, and is as silent as with it.
 */
void weir_fork_no_memory_to_free(weir_world *world)
{
    weir_closings all;
    pid_t child = 0;

    weir_closings_begin(&all, world);
    weir_user *user = weir_world_user(world);
    weir_fork_get(world);
    if (weir_fork_here(&child)) {
        const unsigned before = weir_fork_sockets();
        atomic_store(&world->memory.calls, 0);
        world->memory.fail_at = 1;
        world->memory.and_after = true;
        weir_user_free(user);
        MUST(weir_fork_sockets() == before - 1);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_fork_get(world);
    assert_int_equal(weir_fork_counts(user).dials, 1);
    weir_closings_agree(&all);
}

/* In the child. Each way to enter says that there is no memory, or does its work; then all is well
 * again. */
static void live_without_memory(weir_world *world, weir_user *user, size_t fail_at)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;

    atomic_store(&world->memory.calls, 0);
    atomic_store(&world->memory.failures, 0);
    world->memory.fail_at = fail_at;
    (void)weir_fork_counts(user);
    const weir_metrics metrics = weir_user_metrics(user);
    MUST(metrics.requests_started <= 1);
    ask.call.observer = NULL;
    status = weir_user_call(user, &ask.request, &ask.call, &exchange);
    MUST(status == WEIR_OK || status == WEIR_E_NOMEM);
    MUST(exchange != NULL || status == WEIR_E_NOMEM);
    if (status == WEIR_OK) {
        (void)weir_fork_read_all(user, exchange, &status);
        MUST(status == WEIR_END || status == WEIR_E_NOMEM);
    }
    weir_user_drop(user, exchange);
    world->memory.fail_at = 0;
    const bool failed = atomic_load(&world->memory.failures) > 0;
    weir_fork_get_in_child(world, user);
    weir_user_free(user);
    MUST(world->differed == 0);
    /* The parent's connection was looked at once, to forget it. */
    const uint64_t conn = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0)->conn;
    size_t closed = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        closed +=
            world->events[i].kind == WEIR_EVENT_CONNECTION_CLOSED && world->events[i].conn == conn;
    }
    MUST(closed <= 1);
    _exit(failed ? 0 : NOTHING_FAILED);
}
