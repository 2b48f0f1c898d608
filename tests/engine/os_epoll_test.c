/* SPDX-License-Identifier: MIT */
/* The one descriptor: edges of sockets, levels of the resolver's descriptors, the timer, the
 * signal. */
#include "engine/os.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "weir/request.h"

typedef struct poller_bench {
    weir_failalloc memory;
    weir_os_poller *poller;
    int ours;
    int peer;
    int tag;
} poller_bench;

static int setup(void **state)
{
    static poller_bench bench;
    int pair[2];

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    weir_status status = WEIR_OK;
    bench.poller = weir_os_poller_new(&bench.memory.allocator, &status);
    assert_non_null(bench.poller);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    bench.ours = pair[0];
    bench.peer = pair[1];
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    poller_bench *bench = *state;

    weir_os_poller_free(bench->poller);
    weir_failalloc_finish(&bench->memory);
    (void)close(bench->ours);
    if (bench->peer >= 0) {
        (void)close(bench->peer);
    }
    return 0;
}

static bool is_readable(const poller_bench *bench, int wait_ms)
{
    struct pollfd fd = {.fd = weir_os_poller_fd(bench->poller), .events = POLLIN};

    return poll(&fd, 1, wait_ms) == 1;
}

static void assert_nothing_ready(poller_bench *bench)
{
    weir_os_ready ready[4];

    assert_false(is_readable(bench, 0));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, WEIR_COUNT_OF(ready)), 0);
}

static weir_os_ready one_ready(poller_bench *bench)
{
    weir_os_ready ready[4];

    assert_true(is_readable(bench, 0));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, WEIR_COUNT_OF(ready)), 1);
    return ready[0];
}

static void poller__tells_each_edge_of_a_socket_once(void **state)
{
    poller_bench *bench = *state;

    assert_nothing_ready(bench);
    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    weir_os_ready ready = one_ready(bench);
    assert_ptr_equal(ready.user, &bench->tag);
    assert_true(ready.writable);
    assert_false(ready.readable);
    assert_false(ready.hangup);
    assert_nothing_ready(bench); /* still writable, no new edge */
    assert_int_equal(send(bench->peer, "x", 1, 0), 1);
    ready = one_ready(bench);
    assert_true(ready.readable);
    assert_false(ready.hangup);
    assert_nothing_ready(bench); /* unread, no new edge */
    assert_int_equal(send(bench->peer, "y", 1, 0), 1);
    assert_true(one_ready(bench).readable);
}

static void poller__tells_a_hangup_as_readable(void **state)
{
    poller_bench *bench = *state;

    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    (void)one_ready(bench);
    assert_int_equal(shutdown(bench->peer, SHUT_WR), 0);
    weir_os_ready ready = one_ready(bench);
    assert_true(ready.readable);
    assert_true(ready.hangup);
    assert_int_equal(close(bench->peer), 0);
    bench->peer = -1;
    ready = one_ready(bench);
    assert_true(ready.readable);
    assert_true(ready.writable);
    assert_true(ready.hangup);
}

static void poller__forgets_what_was_removed_or_closed(void **state)
{
    poller_bench *bench = *state;

    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    assert_int_not_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    weir_os_poller_remove(bench->poller, bench->ours);
    assert_nothing_ready(bench);
    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    assert_int_equal(close(bench->ours), 0);
    assert_nothing_ready(bench);
    bench->ours = dup(bench->peer); /* the lowest number, hence the same */
    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    assert_int_not_equal(0, weir_os_poller_add(bench->poller, -1, &bench->tag));
}

static void poller__watches_levels_as_asked(void **state)
{
    poller_bench *bench = *state;
    char octet = 0;

    assert_true(weir_os_poller_watch(bench->poller, bench->ours, true, false, &bench->tag));
    assert_nothing_ready(bench);
    assert_int_equal(send(bench->peer, "x", 1, 0), 1);
    assert_true(one_ready(bench).readable);
    assert_true(one_ready(bench).readable); /* a level stays */
    assert_int_equal(recv(bench->ours, &octet, 1, 0), 1);
    assert_nothing_ready(bench);
    assert_true(weir_os_poller_watch(bench->poller, bench->ours, false, true, &bench->tag));
    const weir_os_ready ready = one_ready(bench);
    assert_true(ready.writable);
    assert_false(ready.readable);
    assert_true(weir_os_poller_watch(bench->poller, bench->ours, false, false, &bench->tag));
    assert_nothing_ready(bench);
    assert_true(weir_os_poller_watch(bench->poller, bench->ours, false, false, &bench->tag));
    assert_false(weir_os_poller_watch(bench->poller, -1, true, false, &bench->tag));
}

static void poller__is_readable_when_its_timer_is_due(void **state)
{
    poller_bench *bench = *state;
    weir_os_ready ready[1];

    weir_os_poller_set_timer(bench->poller, weir_now() + 3600 * WEIR_NS_PER_SECOND);
    assert_nothing_ready(bench);
    weir_os_poller_set_timer(bench->poller, weir_now() + WEIR_NS_PER_MS);
    assert_true(is_readable(bench, 5000));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 1), 0); /* consumed inside */
    assert_nothing_ready(bench);
    weir_os_poller_set_timer(bench->poller, 0); /* long ago, not "never" */
    assert_true(is_readable(bench, 5000));
}

static void poller__may_be_readable_before_a_deadline_that_moved_later(void **state)
{
    poller_bench *bench = *state;
    weir_os_ready ready[1];

    weir_os_poller_set_timer(bench->poller, weir_now() + WEIR_NS_PER_MS);
    weir_os_poller_set_timer(bench->poller, WEIR_NEVER);
    assert_true(is_readable(bench, 5000));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 1), 0);
    weir_os_poller_set_timer(bench->poller, WEIR_NEVER);
    assert_nothing_ready(bench); /* once, and not again */
    weir_os_poller_set_timer(bench->poller, weir_now() + 3600 * WEIR_NS_PER_SECOND);
    weir_os_poller_set_timer(bench->poller, weir_now() + WEIR_NS_PER_MS);
    assert_true(is_readable(bench, 5000)); /* an earlier one counts */
}

static void poller__keeps_a_due_timer_that_is_set_again(void **state)
{
    poller_bench *bench = *state;
    const weir_time at_ns = weir_now();
    weir_os_ready ready[1];

    weir_os_poller_set_timer(bench->poller, at_ns);
    assert_true(is_readable(bench, 5000));
    weir_os_poller_set_timer(bench->poller, at_ns);
    assert_true(is_readable(bench, 0));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 1), 0);
    assert_nothing_ready(bench);
    weir_os_poller_set_timer(bench->poller, at_ns); /* consumed: the same time is news again */
    assert_true(is_readable(bench, 5000));
}

static void poller__is_readable_when_signalled_until_the_next_wait(void **state)
{
    poller_bench *bench = *state;
    weir_os_ready ready[1];

    for (int round = 0; round < 3; round++) {
        weir_os_poller_signal(bench->poller);
        weir_os_poller_signal(bench->poller);
        assert_true(is_readable(bench, 0));
        assert_int_equal(weir_os_poller_wait(bench->poller, ready, 1), 0);
        assert_nothing_ready(bench);
    }
}

#define SIGNALS 20000

typedef struct announcements {
    weir_os_poller *poller;
    atomic_uint made;
} announcements;

static void *announce(void *user)
{
    announcements *news = user;

    for (unsigned i = 0; i < SIGNALS; i++) {
        atomic_fetch_add(&news->made, 1);
        weir_os_poller_signal(news->poller);
    }
    return NULL;
}

/* What was announced before a signal is seen by the wait that the signal causes: none is lost. */
static void poller__loses_no_signal_of_another_thread(void **state)
{
    poller_bench *bench = *state;
    announcements news = {.poller = bench->poller};
    weir_os_ready ready[1];
    pthread_t thread;
    unsigned seen = 0;

    assert_int_equal(pthread_create(&thread, NULL, announce, &news), 0);
    while (seen < SIGNALS) {
        assert_true(is_readable(bench, 5000));
        (void)weir_os_poller_wait(bench->poller, ready, 1);
        seen = atomic_load(&news.made);
    }
    pthread_join(thread, NULL);
    (void)weir_os_poller_wait(bench->poller, ready, 1);
    weir_os_poller_signal(bench->poller);
    assert_true(is_readable(bench, 0));
}

static void poller__fills_no_more_than_there_is_room(void **state)
{
    poller_bench *bench = *state;
    weir_os_ready ready[2];

    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->ours, &bench->tag));
    assert_int_equal(0, weir_os_poller_add(bench->poller, bench->peer, &bench->tag));
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 0), 0);
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 1), 1);
    assert_true(is_readable(bench, 0)); /* an edge that found no room waits */
    assert_int_equal(weir_os_poller_wait(bench->poller, ready, 2), 1);
    assert_nothing_ready(bench);
}

static void poller__needs_memory(void **state)
{
    weir_failalloc memory;

    (void)state;
    weir_failalloc_init(&memory, 1);
    weir_status status = WEIR_OK;
    assert_null(weir_os_poller_new(&memory.allocator, &status));
    assert_int_equal(status, WEIR_E_NOMEM);
    weir_failalloc_finish(&memory);
    weir_os_poller_free(NULL);
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(poller__tells_each_edge_of_a_socket_once),
        BENCHED(poller__tells_a_hangup_as_readable),
        BENCHED(poller__forgets_what_was_removed_or_closed),
        BENCHED(poller__watches_levels_as_asked),
        BENCHED(poller__is_readable_when_its_timer_is_due),
        BENCHED(poller__may_be_readable_before_a_deadline_that_moved_later),
        BENCHED(poller__keeps_a_due_timer_that_is_set_again),
        BENCHED(poller__is_readable_when_signalled_until_the_next_wait),
        BENCHED(poller__loses_no_signal_of_another_thread),
        BENCHED(poller__fills_no_more_than_there_is_room),
        cmocka_unit_test(poller__needs_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
