/* SPDX-License-Identifier: MIT */
/*
 * Where a thread of the blocking client sits: a cancellation that comes late, when another exchange
 * sits there already, is none of that one's business.
 */
#include "engine/seat.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "engine/exchange.h"
#include "support/failalloc.h"

typedef struct bench {
    weir_failalloc memory;
    weir_held held;
    weir_seat *seat;
    int pair[2];
    weir_io io;
    weir_exchange mine;
    weir_exchange other;
} bench;

static void open_bench(bench *b)
{
    weir_failalloc_init(&b->memory, 0);
    weir_held_init(&b->held, &b->memory.allocator);
    b->seat = weir_seat_new(&b->memory.allocator, NULL, &b->held);
    assert_non_null(b->seat);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b->pair), 0);
    weir_seat_take(b->seat, &b->mine);
}

static void close_bench(bench *b)
{
    weir_seat_leave(b->seat);
    weir_seat_free(b->seat, &b->memory.allocator);
    weir_held_clear(&b->held);
    (void)close(b->pair[0]);
    (void)close(b->pair[1]);
    weir_failalloc_finish(&b->memory);
}

static void *receive(void *at)
{
    bench *b = at;

    b->io = weir_seat_receive(b->seat, b->pair[0], 1);
    return NULL;
}

static void await_receiving(bench *b)
{
    for (bool receives = false; !receives;) {
        weir_mutex_lock(&b->seat->lock);
        receives = b->seat->state == WEIR_SEAT_RECEIVING;
        weir_mutex_unlock(&b->seat->lock);
        (void)sched_yield();
    }
}

/* Its thread waits in a recv; somebody kicks, and then an octet comes. */
static void receive_while_kicked(bench *b, const weir_exchange *kicked)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, receive, b), 0);
    await_receiving(b);
    weir_seat_kick(b->seat, kicked);
    (void)send(b->pair[1], "x", 1, MSG_NOSIGNAL);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void seat__a_late_kick_ends_no_receive_of_another(void **state)
{
    static bench b;

    (void)state;
    open_bench(&b);
    receive_while_kicked(&b, &b.other);
    assert_int_equal(b.io.kind, WEIR_IO_OK);
    assert_int_equal(b.io.octets, 1);
    assert_false(b.seat->shut);
    close_bench(&b);
}

static void seat__a_kick_ends_the_receive_of_who_sits_there(void **state)
{
    static bench b;

    (void)state;
    open_bench(&b);
    receive_while_kicked(&b, &b.mine);
    assert_true(b.seat->shut);
    close_bench(&b);
}

/* It sits there next: the kick was for the one before, and is not remembered for it. */
static void seat__a_kick_is_not_remembered_for_another(void **state)
{
    static bench b;

    (void)state;
    open_bench(&b);
    weir_seat_kick(b.seat, &b.other);
    assert_false(b.seat->woken);
    weir_seat_kick(b.seat, &b.mine);
    assert_true(b.seat->woken);
    weir_seat_park(b.seat, WEIR_NEVER); /* does not sleep */
    weir_seat_kick(b.seat, &b.mine);
    weir_seat_leave(b.seat);
    weir_seat_take(b.seat, &b.other);
    assert_false(b.seat->woken);
    close_bench(&b);
}

/* It was kicked on its way into a wait: it looks what for before it takes anything. */
static void seat__a_kick_before_a_receive_or_a_poll_ends_it(void **state)
{
    static bench b;
    weir_poll fds[2];

    (void)state;
    open_bench(&b);
    (void)send(b.pair[1], "x", 1, MSG_NOSIGNAL);
    weir_seat_kick(b.seat, &b.mine);
    (void)receive(&b);
    assert_int_equal(b.io.kind, WEIR_IO_AGAIN);
    assert_false(b.seat->shut); /* it was in no recv */
    (void)receive(&b);
    assert_int_equal(b.io.kind, WEIR_IO_OK);
    weir_seat_kick(b.seat, &b.mine);
    fds[0] = (weir_poll){.fd = b.pair[0], .events = WEIR_POLL_IN};
    assert_int_equal(weir_seat_poll(b.seat, fds, 1, WEIR_NEVER), WEIR_OK);
    assert_int_equal(fds[0].revents, 0);
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seat__a_late_kick_ends_no_receive_of_another),
        cmocka_unit_test(seat__a_kick_ends_the_receive_of_who_sits_there),
        cmocka_unit_test(seat__a_kick_is_not_remembered_for_another),
        cmocka_unit_test(seat__a_kick_before_a_receive_or_a_poll_ends_it),
    };

    return cmocka_run_group_tests_name("seat", tests, NULL, NULL);
}
