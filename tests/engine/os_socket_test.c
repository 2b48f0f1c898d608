/* SPDX-License-Identifier: MIT */
/*
 * The kernel's law (docs/ledger.md): in every state in which a connection can be closed, what
 * TCP_INFO says equals what send and recv returned. The other end is a plain socket on loopback;
 * nothing sleeps, what travels is waited for with poll.
 */
#include "engine/os.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "weir/request.h"

#define WAIT_MS 5000

/* Our end, the peer's, and the ledger: what the system calls returned. */
typedef struct socket_bench {
    int listener;
    uint16_t port;
    int fd;
    int peer;
    weir_octets ledger;
    weir_os_watch watch;
} socket_bench;

static const weir_address loopback = {.family = 4, .octets = {127, 0, 0, 1}};

static int listen_on(int backlog, uint16_t *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(name);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
    *port = ntohs(name.sin_port);
    return fd;
}

static void await(int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
}

/* Until the kernel says that this state is reached; each look lets the other end run. */
static void await_state(int fd, unsigned state)
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

static void connect_both(socket_bench *bench)
{
    assert_int_equal(weir_os_connect(&loopback, bench->port, &bench->fd).kind, WEIR_IO_AGAIN);
    bench->peer = accept4(bench->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(bench->peer >= 0);
    await(bench->fd, POLLOUT);
    assert_int_equal(weir_os_connect_result(bench->fd).kind, WEIR_IO_OK);
}

static int setup(void **state)
{
    static socket_bench bench;

    memset(&bench, 0, sizeof(bench));
    bench.listener = listen_on(8, &bench.port);
    connect_both(&bench);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
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

/* -- what our side does, written down as the engine does -- */

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
        await(bench->fd, POLLIN);
        const weir_io io = we_receive(bench, octets);
        assert_int_equal(io.kind, WEIR_IO_OK);
        octets -= io.octets;
    }
}

/* -- what the peer does -- */

static void peer_sends(socket_bench *bench, size_t octets)
{
    static const uint8_t content[65536];

    assert_int_equal(send(bench->peer, content, octets, MSG_NOSIGNAL), (ssize_t)octets);
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

/* -- the states -- */

static void kernel__agrees_on_an_open_connection(void **state)
{
    socket_bench *bench = *state;

    assert_kernel_agrees(bench);
    assert_int_equal(we_send(bench, 1000).octets, 1000);
    peer_reads(bench, 1000);
    peer_sends(bench, 500);
    we_read(bench, 300);
    await_unread(bench, 200);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_the_peer_ended_and_all_was_read(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 100);
    peer_sends(bench, 200);
    peer_ends(bench);
    we_read(bench, 200);
    await(bench->fd, POLLIN);
    assert_int_equal(we_receive(bench, 1).kind, WEIR_IO_END);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_the_peer_ended_and_nothing_was_read(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 100);
    peer_sends(bench, 200);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_reset_behind_what_was_read(void **state)
{
    socket_bench *bench = *state;

    peer_sends(bench, 200);
    we_read(bench, 200);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(we_receive(bench, 1).sys_errno, ECONNRESET);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_reset_that_nobody_saw(void **state)
{
    socket_bench *bench = *state;

    peer_sends(bench, 200);
    we_read(bench, 50);
    await_unread(bench, 150);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
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

    peer_sends(bench, 200);
    we_read(bench, 200);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
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

    peer_sends(bench, 200);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
    assert_int_equal(bench->ledger.received, 200);
    assert_true(bench->watch.fin_seen);
}

static void kernel__agrees_when_an_end_and_a_reset_came_as_epipe(void **state)
{
    socket_bench *bench = *state;

    peer_sends(bench, 200);
    we_read(bench, 120);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
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
    await(bench->peer, POLLIN);
    peer_sends(bench, 200);
    we_read(bench, 200);
    assert_int_equal(close(bench->peer),
                     0); /* unread octets: the kernel resets instead of ending */
    bench->peer = -1;
    await_state(bench->fd, TCP_CLOSE);
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
    await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_cancel_shut_reading(void **state)
{
    socket_bench *bench = *state;
    uint8_t octet = 0;

    peer_sends(bench, 100);
    we_read(bench, 40);
    await_unread(bench, 60);
    weir_os_shutdown_read(bench->fd);
    /* What came before is still there; behind it our own shutdown reads as an end, which is no FIN.
     */
    we_read(bench, 60);
    assert_int_equal(weir_os_recv(bench->fd, &octet, 1, true).kind, WEIR_IO_END);
    assert_kernel_agrees(bench);
    peer_sends(bench, 500);
    await_unread(bench, 500);
    assert_kernel_agrees(bench);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_a_cancel_and_then_a_reset(void **state)
{
    socket_bench *bench = *state;

    peer_sends(bench, 100);
    await_unread(bench, 100);
    weir_os_shutdown_read(bench->fd);
    peer_resets(bench);
    await_state(bench->fd, TCP_CLOSE);
    assert_kernel_agrees(bench);
}

static void kernel__agrees_after_we_shut_writing(void **state)
{
    socket_bench *bench = *state;

    (void)we_send(bench, 10);
    assert_int_equal(shutdown(bench->fd, SHUT_WR), 0);
    bench->watch.shut_write = true;
    await_state(bench->fd, TCP_FIN_WAIT2);
    assert_kernel_agrees(bench);
    peer_sends(bench, 30);
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

    (void)close(listen_on(1, &port)); /* nobody listens there now */
    const weir_io io = weir_os_connect(&loopback, port, &fd);
    assert_int_equal(io.kind, WEIR_IO_AGAIN);
    await(fd, POLLOUT);
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
    const int full = listen_on(0, &port); /* SYNs beyond the backlog are not answered */

    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        assert_int_equal(weir_os_connect(&loopback, port, &fds[i]).kind, WEIR_IO_AGAIN);
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
    const int full = listen_on(0, &port);

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        assert_int_equal(weir_os_connect(&loopback, port, &fds[i]).kind, WEIR_IO_AGAIN);
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

    peer_sends(bench, 1000);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    const struct linger reset = {.l_onoff = 1};
    assert_int_equal(setsockopt(bench->peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
    (void)close(bench->peer);
    bench->peer = -1;
    await_state(bench->fd, TCP_CLOSE);
    assert_int_equal(getsockopt(bench->fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    assert_int_equal(error, EPIPE);
    assert_true(weir_os_attempt_octets(bench->fd, error, &kernel));
    assert_int_equal(kernel.sent, 0);
    assert_int_equal(kernel.received, 0);
}

static void attempt__that_was_refused_was_none(void **state)
{
    weir_octets kernel = {1, 1};
    uint16_t port = 0;
    int fd = -1;

    (void)state;
    (void)close(listen_on(1, &port));
    (void)weir_os_connect(&loopback, port, &fd);
    await(fd, POLLOUT);
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

    peer_sends(bench, 10);
    assert_int_equal(send(bench->peer, "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
    peer_sends(bench, 10);
    we_read(bench, 21);
    assert_kernel_agrees(bench);
    peer_ends(bench);
    await_state(bench->fd, TCP_CLOSE_WAIT);
    assert_kernel_agrees(bench);
}

/* -- the rest of the file -- */

static void socket__is_born_as_the_engine_needs_it(void **state)
{
    socket_bench *bench = *state;
    int value = 0;
    socklen_t length = sizeof(value);

    assert_true(fcntl(bench->fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(bench->fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(getsockopt(bench->fd, IPPROTO_TCP, TCP_NODELAY, &value, &length), 0);
    assert_true(value != 0);
    assert_int_equal(getsockopt(bench->fd, SOL_SOCKET, SO_OOBINLINE, &value, &length), 0);
    assert_true(value != 0);
    assert_true(weir_os_set_blocking(bench->fd, true));
    assert_false(fcntl(bench->fd, F_GETFL) & O_NONBLOCK);
    assert_true(weir_os_set_blocking(bench->fd, false));
    assert_true(fcntl(bench->fd, F_GETFL) & O_NONBLOCK);
    assert_false(weir_os_set_blocking(-1, true));
}

static void socket__sends_two_spans_with_one_call(void **state)
{
    socket_bench *bench = *state;
    const weir_span spans[] = {WEIR_SPAN("hello, "), WEIR_SPAN("world")};
    char content[16] = "";

    assert_int_equal(weir_os_send(bench->fd, spans, 2, true).octets, 12);
    assert_int_equal(recv(bench->peer, content, sizeof(content), 0), 12);
    assert_memory_equal(content, "hello, world", 12);
}

static void socket__takes_no_room_for_no_end(void **state)
{
    socket_bench *bench = *state;
    uint8_t octet = 0;

    peer_sends(bench, 1);
    await(bench->fd, POLLIN);
    assert_int_equal(weir_os_recv(bench->fd, &octet, 0, true).kind, WEIR_IO_AGAIN);
    assert_int_equal(weir_os_recv(bench->fd, &octet, 1, true).kind, WEIR_IO_OK);
    assert_int_equal(weir_os_recv(bench->fd, &octet, 1, true).kind, WEIR_IO_AGAIN);
}

static void socket__that_met_itself_is_refused(void **state)
{
    socket_bench *bench = *state;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(name);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)bench;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &length), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, length), 0);
    assert_int_equal(weir_os_connect_result(fd).sys_errno, ECONNREFUSED);
    weir_os_close(fd);
}

static void socket__receive_timeout_is_never_cut_to_nothing(void **state)
{
    socket_bench *bench = *state;
    struct timeval value;
    socklen_t length = sizeof(value);

    assert_true(weir_os_set_receive_timeout(bench->fd, 1));
    assert_int_equal(getsockopt(bench->fd, SOL_SOCKET, SO_RCVTIMEO, &value, &length), 0);
    assert_true(value.tv_sec > 0 || value.tv_usec > 0);
    assert_true(weir_os_set_receive_timeout(bench->fd, WEIR_NS_PER_SECOND - 1));
    assert_true(weir_os_set_receive_timeout(bench->fd, WEIR_NEVER));
    assert_true(weir_os_set_receive_timeout(bench->fd, 0));
    assert_int_equal(getsockopt(bench->fd, SOL_SOCKET, SO_RCVTIMEO, &value, &length), 0);
    assert_int_equal(value.tv_sec, 0);
    assert_int_equal(value.tv_usec, 0);
}

static void socket__fails_without_descriptors_and_works_again(void **state)
{
    socket_bench *bench = *state;
    struct rlimit before;
    struct rlimit none;
    int fd = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const weir_io io = weir_os_connect(&loopback, bench->port, &fd);
    const int signal = weir_os_signal_new(NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(io.kind, WEIR_IO_FAILED);
    assert_int_equal(weir_os_connect_status(io.sys_errno), WEIR_E_DESCRIPTORS);
    assert_int_equal(fd, -1);
    assert_int_equal(signal, -1);
    assert_int_equal(weir_os_connect(&loopback, bench->port, &fd).kind, WEIR_IO_AGAIN);
    weir_os_close(fd);
}

static void address__is_parsed_and_written(void **state)
{
    static const char *const good[] = {"127.0.0.1", "255.255.255.255", "::1", "2001:db8::ff"};
    static const char *const bad[] = {"",         "localhost",  "127.1",
                                      "1.2.3.4.", "1.2.3.4%lo", "0x7f.0.0.1",
                                      "::1::",    "[::1]",      "1:2:3:4:5:6:7:8:9"};
    char text[64];
    weir_address address;

    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(good); i++) {
        const weir_span span = {(const uint8_t *)good[i], strlen(good[i])};
        assert_true(weir_os_address_parse(span, &address));
        assert_int_equal(address.family, strchr(good[i], ':') != NULL ? 6 : 4);
        weir_os_address_text(&address, text, sizeof(text));
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(bad); i++) {
        const weir_span span = {(const uint8_t *)bad[i], strlen(bad[i])};
        assert_false(weir_os_address_parse(span, &address));
    }
    assert_false(weir_os_address_parse(WEIR_SPAN("127.0.0.1\0.evil.test"), &address));
}

static void address__knows_interfaces_by_name_and_number(void **state)
{
    weir_address address;
    const uint32_t lo = weir_os_zone_index(WEIR_SPAN("lo"));

    (void)state;
    assert_true(lo > 0);
    assert_int_equal(weir_os_zone_index(WEIR_SPAN("7")), 7);
    assert_int_equal(weir_os_zone_index(WEIR_SPAN("7x")), 0);
    assert_int_equal(weir_os_zone_index(WEIR_SPAN("-1")), 0);
    assert_int_equal(weir_os_zone_index(WEIR_SPAN("99999999999999")), 0);
    assert_int_equal(weir_os_zone_index(WEIR_SPAN("")), 0);
    assert_true(weir_os_address_parse(WEIR_SPAN("fe80::1%lo"), &address));
    assert_int_equal(address.scope, lo);
}

static void poll__ends_at_its_deadline_and_tells_what_is_ready(void **state)
{
    socket_bench *bench = *state;
    weir_poll fds[] = {{.fd = bench->fd, .events = WEIR_POLL_IN},
                       {.fd = bench->peer, .events = WEIR_POLL_IN}};

    assert_int_equal(weir_os_poll(fds, 2, 0), 0);
    assert_int_equal(weir_os_poll(fds, 2, weir_now() + 1000), 0);
    peer_sends(bench, 1);
    assert_int_equal(weir_os_poll(fds, 2, WEIR_NEVER), 1);
    assert_int_equal(fds[0].revents, WEIR_POLL_IN);
    assert_int_equal(fds[1].revents, 0);
}

static void signal__is_level_until_cleared(void **state)
{
    weir_poll fd = {.fd = weir_os_signal_new(NULL), .events = WEIR_POLL_IN};

    (void)state;
    assert_int_equal(weir_os_poll(&fd, 1, 0), 0);
    weir_os_signal_raise(fd.fd);
    weir_os_signal_raise(fd.fd);
    assert_int_equal(weir_os_poll(&fd, 1, 0), 1);
    assert_int_equal(weir_os_poll(&fd, 1, 0), 1);
    weir_os_signal_clear(fd.fd);
    assert_int_equal(weir_os_poll(&fd, 1, 0), 0);
    weir_os_signal_clear(fd.fd);
    weir_os_close(fd.fd);
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

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
        BENCHED(attempt__that_was_refused_was_none),
        BENCHED(kernel__says_nothing_of_a_unix_socket),
        BENCHED(kernel__counts_urgent_octets_in_line),
        BENCHED(socket__is_born_as_the_engine_needs_it),
        BENCHED(socket__sends_two_spans_with_one_call),
        BENCHED(socket__takes_no_room_for_no_end),
        BENCHED(socket__that_met_itself_is_refused),
        BENCHED(socket__receive_timeout_is_never_cut_to_nothing),
        BENCHED(socket__fails_without_descriptors_and_works_again),
        cmocka_unit_test(address__is_parsed_and_written),
        cmocka_unit_test(address__knows_interfaces_by_name_and_number),
        BENCHED(poll__ends_at_its_deadline_and_tells_what_is_ready),
        cmocka_unit_test(signal__is_level_until_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
