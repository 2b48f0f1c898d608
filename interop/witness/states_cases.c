/* SPDX-License-Identifier: MIT */
/*
 * The cases: each brings a connection into one state and leaves its own end open there. A step
 * that the other end must see is awaited by asking the socket until it says so, never by the clock.
 */
#include "states.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ESTABLISHED = 1, FIN_WAIT1 = 4, FIN_WAIT2 = 5, CLOSED = 7, CLOSE_WAIT = 8, LAST_ACK = 9 };
enum { CLOSING = 11, PATIENCE = 2000000, BLOCK = 65536 };

static char block[BLOCK];

/* --- steps ------------------------------------------------------------------------------------ */

static unsigned state_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    memset(&info, 0, sizeof info);
    check(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0, "TCP_INFO");
    return info.tcpi_state;
}

static int queued(int fd, unsigned long which)
{
    int count = 0;
    check(ioctl(fd, which, &count) == 0, "ioctl");
    return count;
}

static void await_state(int fd, unsigned state)
{
    for (int i = 0; i < PATIENCE && state_of(fd) != state; i++) {
    }
    check(state_of(fd) == state, "the state never came");
}

static void await_inq(int fd, int count)
{
    for (int i = 0; i < PATIENCE && queued(fd, SIOCINQ) != count; i++) {
    }
    check(queued(fd, SIOCINQ) == count, "the octets never came");
}

static void await_acked(int fd)
{
    for (int i = 0; i < PATIENCE && queued(fd, SIOCOUTQ) != 0; i++) {
    }
    check(queued(fd, SIOCOUTQ) == 0, "the acknowledgement never came");
}

void give(pair *p, size_t count)
{
    ssize_t result = send(p->ours, block, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    check(result > 0, "send");
    p->sent += (uint64_t)result;
}

/* Sends until neither kernel takes any more, asked often, so that octets are left unsent. */
static void give_too_much(pair *p)
{
    for (int refusals = 0; refusals < 2000;) {
        ssize_t result = send(p->ours, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (result < 0) {
            check(errno == EAGAIN, "send");
            refusals++;
        } else {
            p->sent += (uint64_t)result;
        }
    }
    check(queued(p->ours, SIOCOUTQ) > 0, "nothing is left unsent");
}

static void get(pair *p, size_t count)
{
    while (count > 0) {
        ssize_t result = recv(p->ours, block, count < BLOCK ? count : BLOCK, 0);
        check(result > 0, "recv");
        p->received += (uint64_t)result;
        count -= (size_t)result;
    }
}

static void they_send(pair *p, size_t count)
{
    check(send(p->theirs, block, count, MSG_NOSIGNAL) == (ssize_t)count, "their send");
}

static void they_reset(pair *p)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    check(setsockopt(p->theirs, SOL_SOCKET, SO_LINGER, &hard, sizeof hard) == 0, "SO_LINGER");
    close(p->theirs);
    p->theirs = -1;
    await_state(p->ours, CLOSED);
}

static void they_shut(pair *p)
{
    check(shutdown(p->theirs, SHUT_WR) == 0, "their shutdown");
}

static void we_shut(pair *p)
{
    check(shutdown(p->ours, SHUT_WR) == 0, "shutdown");
}

static void recv_fails(pair *p, int error)
{
    check(recv(p->ours, block, 1, MSG_DONTWAIT) < 0 && errno == error, "recv should have failed");
}

static void send_fails(pair *p, int error)
{
    ssize_t result = send(p->ours, block, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    check(result < 0 && errno == error, "send should have failed");
}

static void recv_ends(pair *p)
{
    check(recv(p->ours, block, 1, 0) == 0, "recv should have ended");
}

static void error_is(pair *p, int error)
{
    int got = 0;
    socklen_t length = sizeof got;
    check(getsockopt(p->ours, SOL_SOCKET, SO_ERROR, &got, &length) == 0 && got == error,
          "SO_ERROR");
}

/* --- cases: each leaves p->ours as it is to be closed ----------------------------------------- */

static void established(pair *p)
{
    give(p, 100);
    they_send(p, 50);
    await_inq(p->ours, 50);
    get(p, 50);
    await_acked(p->ours);
}

static void established_unread(pair *p)
{
    they_send(p, 50);
    await_inq(p->ours, 50);
    get(p, 20);
}

static void established_unsent(pair *p)
{
    give_too_much(p);
}

static void peeked(pair *p)
{
    they_send(p, 50);
    await_inq(p->ours, 50);
    check(recv(p->ours, block, 50, MSG_PEEK) == 50, "peek");
}

static void shut(pair *p)
{
    give(p, 100);
    we_shut(p);
    await_state(p->ours, FIN_WAIT2);
}

static void shut_unsent(pair *p)
{
    give_too_much(p);
    we_shut(p);
    await_state(p->ours, FIN_WAIT1);
}

static void fin_unread(pair *p)
{
    they_shut(p);
    await_state(p->ours, CLOSE_WAIT);
}

static void octets_and_fin_unread(pair *p)
{
    they_send(p, 50);
    they_shut(p);
    await_state(p->ours, CLOSE_WAIT);
    get(p, 20);
}

static void octets_read_fin_unread(pair *p)
{
    they_send(p, 50);
    they_shut(p);
    await_state(p->ours, CLOSE_WAIT);
    get(p, 50);
}

static void fin_read(pair *p)
{
    octets_read_fin_unread(p);
    recv_ends(p);
}

static void fin_read_unsent(pair *p)
{
    give_too_much(p);
    fin_read(p);
}

static void shut_then_fin_unread(pair *p)
{
    shut(p);
    they_shut(p);
    await_state(p->ours, CLOSED);
}

static void shut_then_octets_and_fin_unread(pair *p)
{
    shut(p);
    they_send(p, 50);
    they_shut(p);
    await_state(p->ours, CLOSED);
    get(p, 20);
}

static void shut_then_fin_read(pair *p)
{
    shut(p);
    they_send(p, 50);
    they_shut(p);
    await_state(p->ours, CLOSED);
    get(p, 50);
    recv_ends(p);
}

static void fin_then_shut(pair *p)
{
    fin_unread(p);
    give(p, 100);
    we_shut(p);
    await_state(p->ours, CLOSED);
}

static void fin_then_shut_unsent(pair *p)
{
    fin_unread(p);
    give_too_much(p);
    we_shut(p);
    await_state(p->ours, LAST_ACK);
}

static void closing(pair *p)
{
    give_too_much(p);
    we_shut(p);
    they_shut(p);
    await_state(p->ours, CLOSING);
}

static void reset(pair *p)
{
    give(p, 100);
    await_inq(p->theirs, 100);
    they_reset(p);
}

static void reset_told_by_recv(pair *p)
{
    reset(p);
    recv_fails(p, ECONNRESET);
}

static void reset_told_by_send(pair *p)
{
    reset(p);
    send_fails(p, ECONNRESET);
    send_fails(p, EPIPE);
}

static void reset_told_by_option(pair *p)
{
    reset(p);
    error_is(p, ECONNRESET);
}

static void reset_with_unread(pair *p)
{
    they_send(p, 50);
    await_inq(p->ours, 50);
    they_reset(p);
}

static void reset_with_unread_told_by_send(pair *p)
{
    reset_with_unread(p);
    send_fails(p, ECONNRESET);
    get(p, 20);
}

static void reset_after_reading(pair *p)
{
    reset_with_unread(p);
    get(p, 50);
    recv_fails(p, ECONNRESET);
    recv_ends(p);
}

static void reset_unsent(pair *p)
{
    give_too_much(p);
    they_reset(p);
}

static void shut_then_reset(pair *p)
{
    shut(p);
    they_reset(p);
}

static void shut_unsent_then_reset(pair *p)
{
    shut_unsent(p);
    they_reset(p);
}

static void shut_unsent_then_reset_told(pair *p)
{
    shut_unsent_then_reset(p);
    recv_fails(p, ECONNRESET);
}

static void fin_then_reset(pair *p)
{
    fin_unread(p);
    they_reset(p);
}

static void fin_read_then_reset(pair *p)
{
    fin_read(p);
    they_reset(p);
}

static void fin_then_reset_told_by_send(pair *p)
{
    fin_unread(p);
    they_reset(p);
    send_fails(p, EPIPE);
}

static void fin_then_reset_told_by_recv(pair *p)
{
    fin_unread(p);
    they_reset(p);
    recv_ends(p); /* not EPIPE: the FIN goes before the error */
}

static void sent_to_the_gone(pair *p)
{
    close(p->theirs);
    p->theirs = -1;
    await_state(p->ours, CLOSE_WAIT);
    give(p, 100);
    await_state(p->ours, CLOSED);
    send_fails(p, EPIPE);
}

static void octets_and_fin_then_reset(pair *p)
{
    they_send(p, 50);
    they_shut(p);
    await_state(p->ours, CLOSE_WAIT);
    they_reset(p);
    get(p, 20);
}

static void last_ack_then_reset(pair *p)
{
    fin_then_shut_unsent(p);
    they_reset(p);
}

static void last_ack_then_reset_told(pair *p)
{
    last_ack_then_reset(p);
    error_is(p, ECONNRESET);
}

static void closing_then_reset(pair *p)
{
    closing(p);
    they_reset(p);
}

static void closing_then_reset_told_by_option(pair *p)
{
    closing_then_reset(p);
    error_is(p, ECONNRESET);
}

static void shut_read_then_octets(pair *p)
{
    check(shutdown(p->ours, SHUT_RD) == 0, "shutdown");
    recv_ends(p);
    they_send(p, 50);
    await_inq(p->ours, 50);
    get(p, 20);
}

static void shut_read_then_fin(pair *p)
{
    check(shutdown(p->ours, SHUT_RD) == 0, "shutdown");
    recv_ends(p);
    they_shut(p);
    await_state(p->ours, CLOSE_WAIT);
}

static void shut_read_then_reset_told_by_send(pair *p)
{
    check(shutdown(p->ours, SHUT_RD) == 0, "shutdown");
    recv_ends(p);
    they_reset(p);
    send_fails(p, ECONNRESET);
}

static void shut_both_then_fin(pair *p)
{
    check(shutdown(p->ours, SHUT_RDWR) == 0, "shutdown");
    recv_ends(p);
    they_shut(p);
    await_state(p->ours, CLOSED);
}

static void urgent_inline(pair *p)
{
    int on = 1;
    check(setsockopt(p->ours, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0, "SO_OOBINLINE");
    they_send(p, 10);
    check(send(p->theirs, "!", 1, MSG_OOB) == 1, "urgent");
    they_send(p, 10);
    await_inq(p->ours, 21);
    get(p, 21);
}

static void urgent_inline_unread(pair *p)
{
    int on = 1;
    check(setsockopt(p->ours, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0, "SO_OOBINLINE");
    they_send(p, 10);
    check(send(p->theirs, "!", 1, MSG_OOB) == 1, "urgent");
    they_send(p, 10);
    await_inq(p->ours, 21);
}

static void large_both_ways(pair *p)
{
    for (int i = 0; i < 400; i++) {
        uint64_t got = 0;
        uint64_t before = p->sent;
        give(p, sizeof block);
        while (got < p->sent - before) {
            ssize_t result = recv(p->theirs, block, sizeof block, 0);
            check(result > 0, "their recv");
            got += (uint64_t)result;
        }
        they_send(p, 1000);
        get(p, 1000);
    }
    we_shut(p);
    await_state(p->ours, FIN_WAIT2);
}

#define CASE(name, fin)                                                                            \
    {                                                                                              \
#        name, name, fin                                                                           \
    }

const state_case states[] = {
    CASE(established, 0),
    CASE(established_unread, 0),
    CASE(established_unsent, 0),
    CASE(peeked, 0),
    CASE(shut, 0),
    CASE(shut_unsent, 0),
    CASE(fin_unread, 1),
    CASE(octets_and_fin_unread, 1),
    CASE(octets_read_fin_unread, 1),
    CASE(fin_read, 1),
    CASE(fin_read_unsent, 1),
    CASE(shut_then_fin_unread, 1),
    CASE(shut_then_octets_and_fin_unread, 1),
    CASE(shut_then_fin_read, 1),
    CASE(fin_then_shut, 1),
    CASE(fin_then_shut_unsent, 1),
    CASE(closing, 1),
    CASE(reset, 0),
    CASE(reset_told_by_recv, 0),
    CASE(reset_told_by_send, 0),
    CASE(reset_told_by_option, 0),
    CASE(reset_with_unread, 0),
    CASE(reset_with_unread_told_by_send, 0),
    CASE(reset_after_reading, 0),
    CASE(reset_unsent, 0),
    CASE(shut_then_reset, 0),
    CASE(shut_unsent_then_reset, 0),
    CASE(shut_unsent_then_reset_told, 0),
    CASE(fin_then_reset, 1),
    CASE(fin_read_then_reset, 1),
    CASE(fin_then_reset_told_by_send, 1),
    CASE(fin_then_reset_told_by_recv, 1),
    CASE(sent_to_the_gone, 1),
    CASE(octets_and_fin_then_reset, 1),
    CASE(last_ack_then_reset, 1),
    CASE(last_ack_then_reset_told, 1),
    CASE(closing_then_reset, 1),
    CASE(closing_then_reset_told_by_option, -1),
    CASE(shut_read_then_octets, 0),
    CASE(shut_read_then_fin, 1),
    CASE(shut_read_then_reset_told_by_send, 0),
    CASE(shut_both_then_fin, 1),
    CASE(urgent_inline, 0),
    CASE(urgent_inline_unread, 0),
    CASE(large_both_ways, 0),
};

const size_t state_count = sizeof states / sizeof states[0];
