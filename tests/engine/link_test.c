/* SPDX-License-Identifier: MIT */
/*
 * The link's final account on real sockets: octets that lay unread when the peer reset the
 * connection are taken from the kernel to learn whether a FIN came before, so they are in the
 * ledger, and both sides of the law have them.
 */
#include "engine/link.h"

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

#define UNREAD_OCTETS 1234

static const weir_address loopback = {.family = 4, .octets = {127, 0, 0, 1}};

/* Our end and the peer's, and a link that was told that it is connected. */
typedef struct ends {
    int fd;
    int peer;
    weir_tls_config *tls;
    weir_bin bin;
    weir_link_limits limits;
    weir_link *link;
} ends;

static void connect_both(ends *e)
{
    uint16_t port = 0;
    const int listener = weir_listener_open(&port, 1);
    struct pollfd writable = {.events = POLLOUT};

    assert_int_equal(weir_os_connect(&loopback, port, &e->fd).kind, WEIR_IO_AGAIN);
    e->peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(e->peer >= 0);
    writable.fd = e->fd;
    assert_int_equal(poll(&writable, 1, 5000), 1);
    assert_int_equal(weir_os_connect_result(e->fd).kind, WEIR_IO_OK);
    (void)close(listener);
}

static void open_ends(ends *e, bool over_tls)
{
    const weir_tls_options none = {.size = sizeof(none), .insecure = true};
    weir_status status = WEIR_OK;
    weir_failure failure;
    const weir_origin_key key = {
        .https = over_tls, .kind = WEIR_HOST_NAME, .host = WEIR_SPAN("a.test"), .pin = WEIR_H1};

    *e = (ends){.fd = -1, .peer = -1};
    e->limits.h1 = weir_conn_limits_fill(&(weir_conn_limits){0}, WEIR_H1);
    weir_bin_init(&e->bin, weir_os_allocator(), 2);
    if (over_tls) {
        e->tls = weir_tls_config_new(&none, NULL, &status, &failure);
        assert_non_null(e->tls);
    }
    const weir_link_options options = {
        .allocator = weir_os_allocator(),
        .key = &key,
        .tls = e->tls,
        .bin = &e->bin,
        .limits = &e->limits,
    };
    e->link = weir_link_new(&options, &status);
    assert_non_null(e->link);
    connect_both(e);
    weir_link_connected(e->link, weir_now());
}

static void close_ends(ends *e)
{
    weir_link_free(e->link);
    weir_bin_clear(&e->bin);
    weir_tls_config_release(e->tls);
    weir_os_close(e->fd);
}

static void peer_says_and_resets(ends *e, size_t octets, bool ends_first)
{
    static const uint8_t content[UNREAD_OCTETS];
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    struct tcp_info info = {.tcpi_state = 0};

    assert_int_equal(send(e->peer, content, octets, MSG_NOSIGNAL), (ssize_t)octets);
    if (ends_first) {
        assert_int_equal(shutdown(e->peer, SHUT_WR), 0);
    }
    assert_int_equal(setsockopt(e->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    assert_int_equal(close(e->peer), 0);
    while (info.tcpi_state != TCP_CLOSE) {
        socklen_t length = sizeof(info);
        assert_int_equal(getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
        (void)poll(NULL, 0, 0);
    }
}

static void assert_counted(bool over_tls, bool ends_first)
{
    const weir_conn_row row = over_tls ? WEIR_ROW_TLS_CONTROL : WEIR_ROW_UNREAD;
    weir_account account;
    ends e;

    open_ends(&e, over_tls);
    peer_says_and_resets(&e, UNREAD_OCTETS, ends_first);
    weir_link_account(e.link, e.fd, &account);
    assert_int_equal(account.verdict.agreement, WEIR_AGREE);
    assert_int_equal(account.wire.received, UNREAD_OCTETS);
    assert_int_equal(account.rows[row].received, UNREAD_OCTETS);
    assert_int_equal(account.plain.received, over_tls ? 0 : UNREAD_OCTETS);
    assert_int_equal(account.verdict.ledger.received, UNREAD_OCTETS);
    assert_int_equal(account.verdict.kernel.received, UNREAD_OCTETS);
    close_ends(&e);
}

static void link__counts_what_lay_unread_at_a_reset(void **state)
{
    (void)state;
    assert_counted(false, false);
    assert_counted(false, true);
}

static void link__counts_it_over_tls(void **state)
{
    (void)state;
    assert_counted(true, false);
    assert_counted(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link__counts_what_lay_unread_at_a_reset),
        cmocka_unit_test(link__counts_it_over_tls),
    };
    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
