/* SPDX-License-Identifier: MIT */
/*
 * The bench of os_socket_test.c and os_kernel_test.c; see socket_bench.h.
 */
#include "socket_bench.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/listener.h"
#include "weir/request.h"

const weir_address bench_loopback = {.family = 4, .octets = {127, 0, 0, 1}};

void bench_await(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
}

void bench_await_state(int fd, unsigned state)
{
    struct tcp_info info;

    for (weir_time until_ns = weir_now() + WAIT_MS * WEIR_NS_PER_MS;;) {
        socklen_t length = sizeof(info);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
        if (info.tcpi_state == state) {
            return;
        }
        assert_true(weir_now() < until_ns);
        (void)poll(NULL, 0, 0);
    }
}

void bench_connect_both(socket_bench *bench)
{
    assert_int_equal(weir_os_connect(&bench_loopback, bench->port, &bench->fd).kind, WEIR_IO_AGAIN);
    bench->peer = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(bench->peer >= 0);
    bench_await(bench->fd, POLLOUT);
    assert_int_equal(weir_os_connect_result(bench->fd).kind, WEIR_IO_OK);
}

int bench_setup(void **state)
{
    static socket_bench bench;

    memset(&bench, 0, sizeof(bench));
    bench.listener = weir_listener_open(&bench.port, 8);
    bench_connect_both(&bench);
    *state = &bench;
    return 0;
}

int bench_teardown(void **state)
{
    socket_bench *bench = *state;

    if (bench->peer >= 0) {
        (void)close(bench->peer);
    }
    if (bench->fd >= 0) {
        weir_os_close(bench->fd);
    }
    (void)close(bench->listener);
    return 0;
}

void bench_peer_sends(socket_bench *bench, size_t octets)
{
    static const uint8_t content[65536];

    assert_int_equal(send(bench->peer, content, octets, MSG_NOSIGNAL), (ssize_t)octets);
}
