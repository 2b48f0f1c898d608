/* SPDX-License-Identifier: MIT */
/*
 * Sockets, addresses, poll and the signal, as the engine needs them of Linux.
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
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "weir/request.h"

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

    bench_peer_sends(bench, 1);
    bench_await(bench->fd, POLLIN);
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
    const weir_io io = weir_os_connect(&bench_loopback, bench->port, &fd);
    const int signal = weir_os_signal_new(NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(io.kind, WEIR_IO_FAILED);
    assert_int_equal(weir_os_connect_status(io.sys_errno), WEIR_E_DESCRIPTORS);
    assert_int_equal(fd, -1);
    assert_int_equal(signal, -1);
    assert_int_equal(weir_os_connect(&bench_loopback, bench->port, &fd).kind, WEIR_IO_AGAIN);
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
    bench_peer_sends(bench, 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
