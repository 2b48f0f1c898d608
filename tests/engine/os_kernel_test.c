/* SPDX-License-Identifier: MIT */
/*
 * The kernel's law (docs/ledger.md): in every state in which a connection can be closed, what
 * TCP_INFO says equals what send and recv returned. The other end is a plain socket on loopback.
 */
#include "socket_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/listener.h"
#include "weir/request.h"

static weir_io we_send(socket_bench *bench, size_t octets)
{
    static const uint8_t content[65536];
    const weir_span span = {content, octets};
    const weir_io io = weir_os_send(bench->fd, &span, 1, true);

    assert_true(octets <= sizeof(content));
    if (io.kind == WEIR_IO_OK) {
        bench->ledger.sent += io.octets;
    } else if (io.kind == WEIR_IO_FAILED) {
        bench->watch.fin_seen =
            bench->watch.fin_seen || (!bench->watch.failed && weir_os_says_fin(io.sys_errno));
        bench->watch.failed = true;
    }
    return io;
}

static weir_io we_receive(socket_bench *bench, size_t room)
{
    uint8_t content[4096];
    const weir_io io = weir_os_recv(bench->fd, content, room, true);

    assert_true(room <= sizeof(content));
    if (io.kind == WEIR_IO_OK) {
        bench->ledger.received += io.octets;
    } else if (io.kind == WEIR_IO_END) {
        bench->watch.fin_seen = bench->watch.fin_seen || !bench->watch.failed;
    } else if (io.kind == WEIR_IO_FAILED) {
        bench->watch.failed = true;
    }
    return io;
}

static void we_read(socket_bench *bench, size_t octets)
{
    while (octets > 0) {
        bench_await(bench->fd, POLLIN);
        const weir_io io = we_receive(bench, octets);
        assert_int_equal(io.kind, WEIR_IO_OK);
        octets -= io.octets;
    }
}

static void peer_reads(socket_bench *bench, size_t octets)
{
    uint8_t content[4096];

    while (octets > 0) {
        const ssize_t got = recv(bench->peer, content, octets < 4096 ? octets : 4096, 0);
        assert_true(got > 0);
        octets -= (size_t)got;
    }
}

static void peer_ends(socket_bench *bench)
{
    assert_int_equal(shutdown(bench->peer, SHUT_WR), 0);
}

static void peer_resets(socket_bench *bench)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    assert_int_equal(setsockopt(bench->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    assert_int_equal(close(bench->peer), 0);
    bench->peer = -1;
}

static void await_unread(socket_bench *bench, int octets)
{
    int in_queue = 0;

    for (weir_time until_ns = weir_now() + WAIT_MS * WEIR_NS_PER_MS; in_queue != octets;) {
        assert_int_equal(ioctl(bench->fd, FIONREAD, &in_queue), 0);
        assert_true(weir_now() < until_ns);
    }
}

static void assert_kernel_agrees(socket_bench *bench)
{
    weir_octets kernel = {0, 0};

    assert_true(weir_os_kernel_octets(bench->fd, &bench->watch, &kernel));
    bench->ledger.received += bench->watch.drained_octets;
    bench->watch.drained_octets = 0;
    assert_int_equal(kernel.sent, bench->ledger.sent);
    assert_int_equal(kernel.received, bench->ledger.received);
}

static void kernel__agrees_on_an_open_connection(void **state)
{
    socket_bench *bench = *state;

    assert_kernel_agrees(bench);
    assert_int_equal(we_send(bench, 1000).octets, 1000);
    peer_reads(bench, 1000);
    bench_peer_sends(bench, 500);
    we_read(bench, 300);
    await_unread(bench, 200);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_the_peer_ended_and_all_was_read(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 100);
    bench_peer_sends(bench, 200);
    peer_ends(bench);
    we_read(bench, 200);
    bench_await(bench->fd, POLLIN);
    assert_int_equal(we_receive(bench, 1).kind, WEIR_IO_END);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_the_peer_ended_and_nothing_was_read(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 100);
    bench_peer_sends(bench, 200);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_reset_behind_what_was_read(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 200);
    we_read(bench, 200);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(we_receive(bench, 1).sys_errno, ECONNRESET);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_reset_that_nobody_saw(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 200);
    we_read(bench, 50);
    await_unread(bench, 150);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
    /* To look for a FIN was to take what lay before it: all of it was received, and nothing lies
     * there now. */
    assert_int_equal(bench->ledger.received, 200);
    assert_true(bench->watch.failed);
    await_unread(bench, 0);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_when_sending_met_the_reset(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 200);
    we_read(bench, 200);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(we_send(bench, 10).sys_errno, ECONNRESET);
    /* What recv says behind the error is no FIN, and a second EPIPE is none either. */
    assert_int_equal(we_receive(bench, 1).kind, WEIR_IO_END);
    assert_int_equal(we_send(bench, 10).sys_errno, EPIPE);
    assert_false(bench->watch.fin_seen);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_an_end_and_then_a_reset(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 200);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
    assert_int_equal(bench->ledger.received, 200);
    assert_true(bench->watch.fin_seen);
}

static void kernel__agrees_when_an_end_and_a_reset_came_as_epipe(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 200);
    we_read(bench, 120);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(we_send(bench, 10).sys_errno, EPIPE);
    assert_true(bench->watch.fin_seen);
    assert_kernel_agrees(bench);
    /* The engine reads what lies unread before it believes the failure. */
    we_read(bench, 80);
    assert_int_equal(we_receive(bench, 1).kind, WEIR_IO_END);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_when_a_close_with_unread_octets_resets(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 1000);
    bench_await(bench->peer, POLLIN);
    bench_peer_sends(bench, 200);
    we_read(bench, 200);
    assert_int_equal(close(bench->peer),
                     0); /* unread octets: the kernel resets instead of ending */
    bench->peer = -1;
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_while_octets_are_unsent(void **state)
{
    socket_bench *bench = *state;
    int queued = 0;

    while (we_send(bench, 65536).kind == WEIR_IO_OK) {
    }
    assert_int_equal(ioctl(bench->fd, TIOCOUTQ, &queued), 0);
    assert_true(queued > 0);
    assert_kernel_agrees(bench);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_cancel_shut_reading(void **state)
{
    socket_bench *bench = *state;
    uint8_t octet = 0;

    bench_peer_sends(bench, 100);
    we_read(bench, 40);
    await_unread(bench, 60);
    weir_os_shutdown_read(bench->fd);
    /* What came before is still there; behind it our own shutdown reads as an end, which is no FIN.
     */
    we_read(bench, 60);
    assert_int_equal(weir_os_recv(bench->fd, &octet, 1, true).kind, WEIR_IO_END);
    assert_kernel_agrees(bench);
    bench_peer_sends(bench, 500);
    await_unread(bench, 500);
    assert_kernel_agrees(bench);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_cancel_and_then_a_reset(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 100);
    await_unread(bench, 100);
    weir_os_shutdown_read(bench->fd);
    peer_resets(bench);
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_we_shut_writing(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 10);
    assert_int_equal(shutdown(bench->fd, SHUT_WR), 0);
    bench->watch.shut_write = true;
    bench_await_state(bench->fd, TCP_FIN_WAIT2);
    assert_kernel_agrees(bench);
    bench_peer_sends(bench, 30);
    we_read(bench, 30);
    assert_kernel_agrees(bench);
}

static void kernel__says_nothing_of_a_socket_never_connected(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_false(weir_os_kernel_octets(fd, &bench->watch, &kernel));
    (void)close(fd);
    assert_false(weir_os_kernel_octets(-1, &bench->watch, &kernel));
}

static void kernel__says_nothing_of_a_refused_connection(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};
    uint16_t port = 0;
    int fd = -1;

    (void)close(weir_listener_open(&port, 1)); /* nobody listens there now */
    const weir_io io = weir_os_connect(&bench_loopback, port, &fd);
    assert_int_equal(io.kind, WEIR_IO_AGAIN);
    bench_await(fd, POLLOUT);
    assert_false(weir_os_kernel_octets(fd, &bench->watch, &kernel));
    assert_int_equal(weir_os_connect_result(fd).sys_errno, ECONNREFUSED);
    assert_false(weir_os_kernel_octets(fd, &bench->watch, &kernel));
    weir_os_close(fd);
}

static void kernel__says_nothing_while_connecting(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};
    uint16_t port = 0;
    int fds[8];
    size_t stuck = 0;
    const int full = weir_listener_open(&port, 0); /* SYNs beyond the backlog are not answered */

    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        assert_int_equal(weir_os_connect(&bench_loopback, port, &fds[i]).kind, WEIR_IO_AGAIN);
        struct pollfd poll_fd = {.fd = fds[i], .events = POLLOUT};
        if (poll(&poll_fd, 1, 0) == 0) {
            assert_false(weir_os_kernel_octets(fds[i], &bench->watch, &kernel));
            stuck++;
        }
    }
    assert_true(stuck > 0);
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        weir_os_close(fds[i]);
    }
    (void)close(full);
}

static int state_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_state;
}

/* An attempt that is given up either was a connection, or cannot become one any more. */
static void attempt__is_a_connection_or_never_will_be(void **state)
{
    uint16_t port = 0;
    weir_octets kernel = {1, 1};
    int fds[8];
    size_t connected = 0;
    size_t stuck = 0;
    const int full = weir_listener_open(&port, 0);

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        assert_int_equal(weir_os_connect(&bench_loopback, port, &fds[i]).kind, WEIR_IO_AGAIN);
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        struct pollfd poll_fd = {.fd = fds[i], .events = POLLOUT};
        const bool is_up = poll(&poll_fd, 1, 0) == 1;
        assert_int_equal(weir_os_attempt_octets(fds[i], 0, &kernel), is_up);
        connected += is_up ? 1U : 0U;
        if (is_up) {
            assert_int_equal(kernel.sent, 0);
            assert_int_equal(kernel.received, 0);
        } else {
            assert_int_equal(state_of(fds[i]), TCP_CLOSE);
            stuck++;
        }
        weir_os_close(fds[i]);
    }
    assert_true(connected > 0);
    assert_true(stuck > 0);
    (void)close(full);
}

/* The peer spoke first, ended, or went away before anybody looked: nothing was moved by us. */
static void attempt__moved_nothing_whatever_the_peer_did(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};
    int error = 0;
    socklen_t length = sizeof(error);

    bench_peer_sends(bench, 1000);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(bench->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    (void)close(bench->peer);
    bench->peer = -1;
    bench_await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(getsockopt(bench->fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    assert_int_equal(error, EPIPE);
    assert_true(weir_os_attempt_octets(bench->fd, error, &kernel));
    assert_int_equal(kernel.sent, 0);
    assert_int_equal(kernel.received, 0);
}

/* Our own FIN is the last of it, and with its acknowledgement the socket is closed: what lay unread
 * is taken to find the FIN behind it, and was moved by nobody. */
static void attempt__moved_nothing_though_the_peer_spoke_and_ended(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};

    bench_peer_sends(bench, 1000);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_true(weir_os_attempt_octets(bench->fd, 0, &kernel));
    assert_int_equal(kernel.sent, 0);
    assert_int_equal(kernel.received, 0);
}

static void attempt__that_was_refused_was_none(void **state)
{
    weir_octets kernel = {1, 1};
    uint16_t port = 0;
    int fd = -1;

    (void)state;
    (void)close(weir_listener_open(&port, 1));
    (void)weir_os_connect(&bench_loopback, port, &fd);
    bench_await(fd, POLLOUT);
    const weir_io io = weir_os_connect_result(fd);
    assert_int_equal(io.sys_errno, ECONNREFUSED);
    assert_false(weir_os_attempt_octets(fd, io.sys_errno, &kernel));
    weir_os_close(fd);
}

static void kernel__says_nothing_of_a_unix_socket(void **state)
{
    socket_bench *bench = *state;
    weir_octets kernel = {1, 1};
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_false(weir_os_kernel_octets(pair[0], &bench->watch, &kernel));
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void kernel__counts_urgent_octets_in_line(void **state)
{
    socket_bench *bench = *state;

    bench_peer_sends(bench, 10);
    assert_int_equal(send(bench->peer, "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    bench_peer_sends(bench, 10);
    we_read(bench, 21);
    assert_kernel_agrees(bench);
    peer_ends(bench);
    bench_await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(kernel__agrees_on_an_open_connection),
        BENCHED(kernel__agrees_after_the_peer_ended_and_all_was_read),
        BENCHED(kernel__agrees_after_the_peer_ended_and_nothing_was_read),
        BENCHED(kernel__agrees_after_a_reset_behind_what_was_read),
        BENCHED(kernel__agrees_after_a_reset_that_nobody_saw),
        BENCHED(kernel__agrees_when_sending_met_the_reset),
        BENCHED(kernel__agrees_after_an_end_and_then_a_reset),
        BENCHED(kernel__agrees_when_an_end_and_a_reset_came_as_epipe),
        BENCHED(kernel__agrees_when_a_close_with_unread_octets_resets),
        BENCHED(kernel__agrees_while_octets_are_unsent),
        BENCHED(kernel__agrees_after_a_cancel_shut_reading),
        BENCHED(kernel__agrees_after_a_cancel_and_then_a_reset),
        BENCHED(kernel__agrees_after_we_shut_writing),
        BENCHED(kernel__says_nothing_of_a_socket_never_connected),
        BENCHED(kernel__says_nothing_of_a_refused_connection),
        BENCHED(kernel__says_nothing_while_connecting),
        BENCHED(attempt__is_a_connection_or_never_will_be),
        BENCHED(attempt__moved_nothing_whatever_the_peer_did),
        BENCHED(attempt__moved_nothing_though_the_peer_spoke_and_ended),
        BENCHED(attempt__that_was_refused_was_none),
        BENCHED(kernel__says_nothing_of_a_unix_socket),
        BENCHED(kernel__counts_urgent_octets_in_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
