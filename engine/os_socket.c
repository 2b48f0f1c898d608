/* SPDX-License-Identifier: MIT */
/*
 * Sockets. Every function is one or a few system calls and a translation of their errors; what they
 * mean is decided elsewhere.
 *
 * The kernel's own count (weir_os_kernel_octets) is read here and compared nowhere near here: it
 * never feeds a row of the ledger.
 */
#define _GNU_SOURCE
#include "engine/os.h"

#include "engine/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define SAMPLES_LIMIT 100

/* States of linux/tcp.h's tcpi_state, which uapi does not name. */
enum {
    STATE_ESTABLISHED = 1,
    STATE_SYN_SENT = 2,
    STATE_TIME_WAIT = 6,
    STATE_CLOSE = 7,
    STATE_CLOSE_WAIT = 8,
    STATE_LAST_ACK = 9,
    STATE_CLOSING = 11
};

_Static_assert(WEIR_POLL_IN == POLLIN && WEIR_POLL_OUT == POLLOUT && WEIR_OS_NOMEM == ENOMEM,
               "the numbers of os.h are the system's");
_Static_assert(sizeof(weir_poll) == sizeof(struct pollfd) &&
                   offsetof(weir_poll, fd) == offsetof(struct pollfd, fd) &&
                   offsetof(weir_poll, events) == offsetof(struct pollfd, events) &&
                   offsetof(weir_poll, revents) == offsetof(struct pollfd, revents),
               "a weir_poll is a pollfd");

typedef struct kernel_sample {
    struct tcp_info info;
    int in_queue;
    int out_queue;
} kernel_sample;

static bool is_misuse(int sys_errno);
static weir_io failed(int sys_errno);
static weir_io from_result(ssize_t result);
static bool is_connected_to_itself(int fd);
static uint32_t number_of(const char *text);
static socklen_t to_sockaddr(const weir_address *address, uint16_t port,
                             struct sockaddr_storage *storage);
static bool settled_sample(int fd, kernel_sample *at);
static bool sample(int fd, kernel_sample *at);
static bool same_counts(const struct tcp_info *a, const struct tcp_info *b);
static bool peer_finished(const struct tcp_info *info, const weir_os_watch *watch);
static void drain_to_fin(int fd, weir_os_watch *watch);

weir_io weir_os_connect(const weir_address *address, uint16_t port, int *fd)
{
    struct sockaddr_storage storage;
    const int one = 1;
    const socklen_t length = to_sockaddr(address, port, &storage);

    *fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) {
        return failed(errno);
    }
    /* Urgent data stays in the stream, so that no octet can pass by the count. */
    (void)setsockopt(*fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
    (void)setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(*fd, (const struct sockaddr *)&storage, length) == 0) {
        return (weir_io){WEIR_IO_OK, 0, 0};
    }
    if (errno == EINPROGRESS || errno == EINTR) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    }
    const weir_io io = failed(errno);
    weir_os_close(*fd);
    *fd = -1;
    return io;
}

weir_io weir_os_connect_result(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
        return failed(errno);
    }
    if (error == 0 && is_connected_to_itself(fd)) {
        error = ECONNREFUSED;
    }
    return error == 0 ? (weir_io){WEIR_IO_OK, 0, 0} : failed(error);
}

bool weir_os_set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return false;
    }
    flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) == 0;
}

bool weir_os_set_receive_timeout(int fd, weir_time timeout_ns)
{
    struct timeval timeout = {
        .tv_sec = (time_t)(timeout_ns / WEIR_NS_PER_SECOND),
        .tv_usec = (suseconds_t)((timeout_ns % WEIR_NS_PER_SECOND + 999) / 1000),
    };

    if (timeout.tv_usec >= 1000000) {
        timeout.tv_sec++;
        timeout.tv_usec = 0;
    }
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0;
}

weir_io weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait)
{
    const int flags = MSG_NOSIGNAL | (dont_wait ? MSG_DONTWAIT : 0);
    struct iovec vectors[2];
    ssize_t result = -1;

    WEIR_ASSERT(count >= 1 && count <= WEIR_COUNT_OF(vectors));
    do {
        if (count == 1 || spans[1].length == 0) {
            result = send(fd, spans[0].at, spans[0].length, flags);
        } else {
            struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
            for (size_t i = 0; i < count; i++) {
                vectors[i].iov_base = (void *)(uintptr_t)spans[i].at;
                vectors[i].iov_len = spans[i].length;
            }
            result = sendmsg(fd, &message, flags);
        }
    } while (result < 0 && errno == EINTR);
    return from_result(result);
}

weir_io weir_os_recv(int fd, uint8_t *to, size_t room, bool dont_wait)
{
    ssize_t result = -1;

    if (room == 0) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0}; /* recv would answer 0, which reads as an end */
    }
    do {
        result = recv(fd, to, room, dont_wait ? MSG_DONTWAIT : 0);
    } while (result < 0 && errno == EINTR);
    if (result == 0) {
        return (weir_io){WEIR_IO_END, 0, 0};
    }
    return from_result(result);
}

void weir_os_shutdown_read(int fd)
{
    (void)shutdown(fd, SHUT_RD);
}

void weir_os_close(int fd)
{
    /* Linux closes the descriptor even when it answers EINTR. */
    (void)close(fd);
}

void weir_os_address_text(const weir_address *address, char *text, size_t room)
{
    const int family = address->family == 4 ? AF_INET : AF_INET6;

    if (inet_ntop(family, address->octets, text, (socklen_t)room) == NULL && room > 0) {
        text[0] = '\0';
    }
}

bool weir_os_address_parse(weir_span text, weir_address *address)
{
    char copy[INET6_ADDRSTRLEN + 1];
    const uint8_t *percent = memchr(text.at, '%', text.length);
    const size_t length = percent != NULL ? (size_t)(percent - text.at) : text.length;

    memset(address, 0, sizeof(*address));
    if (length == 0 || length >= sizeof(copy) || memchr(text.at, '\0', length) != NULL) {
        return false;
    }
    memcpy(copy, text.at, length);
    copy[length] = '\0';
    if (percent == NULL && inet_pton(AF_INET, copy, address->octets) == 1) {
        address->family = 4;
        return true;
    }
    if (inet_pton(AF_INET6, copy, address->octets) != 1) {
        return false;
    }
    address->family = 6;
    if (percent != NULL) {
        address->scope = weir_os_zone_index(weir_span_from(text, length + 1));
    }
    return true;
}

uint32_t weir_os_zone_index(weir_span zone)
{
    char name[IF_NAMESIZE];

    if (zone.length == 0 || zone.length >= sizeof(name)) {
        return 0;
    }
    memcpy(name, zone.at, zone.length);
    name[zone.length] = '\0';
    const unsigned index = if_nametoindex(name);
    return index != 0 ? index : number_of(name);
}

uint16_t weir_os_local_port(int fd)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof(storage);

    memset(&storage, 0, sizeof(storage));
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0) {
        return 0;
    }
    if (storage.ss_family == AF_INET) {
        return ntohs(((struct sockaddr_in *)(void *)&storage)->sin_port);
    }
    if (storage.ss_family == AF_INET6) {
        return ntohs(((struct sockaddr_in6 *)(void *)&storage)->sin6_port);
    }
    return 0;
}

bool weir_os_kernel_octets(int fd, weir_os_watch *watch, weir_octets *octets)
{
    kernel_sample at;

    if (!settled_sample(fd, &at)) {
        return false;
    }
    if (at.info.tcpi_state == STATE_CLOSE && !watch->fin_seen && !watch->failed) {
        drain_to_fin(fd, watch);
        if (!settled_sample(fd, &at)) {
            return false;
        }
    }
    octets->sent =
        at.info.tcpi_bytes_acked - 1 - (watch->shut_write ? 1U : 0U) + (unsigned)at.out_queue;
    octets->received = at.info.tcpi_bytes_received - (peer_finished(&at.info, watch) ? 1U : 0U) -
                       (unsigned)at.in_queue;
    return true;
}

bool weir_os_attempt_octets(int fd, int sys_errno, weir_octets *octets)
{
    weir_os_watch watch = {
        .fin_seen = weir_os_says_fin(sys_errno),
        /* ECONNREFUSED also stands for a connection to itself, where no error was consumed. */
        .failed = sys_errno != 0 && sys_errno != ECONNREFUSED,
    };

    /* In SYN_SENT this ends the attempt, and once connected it sends a FIN (inet_shutdown() of
     * Linux): either way no handshake is completed between the sample and the close. */
    watch.shut_write = shutdown(fd, SHUT_WR) == 0;
    if (!weir_os_kernel_octets(fd, &watch, octets)) {
        return false;
    }
    octets->received -= watch.drained_octets; /* to look behind them, and for nobody */
    return true;
}

bool weir_os_says_fin(int sys_errno)
{
    return sys_errno == EPIPE;
}

weir_status weir_os_failure_status(int sys_errno)
{
    switch (sys_errno) {
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return WEIR_E_RESET;
    case ENOMEM:
    case ENOBUFS:
        return WEIR_E_NOMEM;
    default:
        return is_misuse(sys_errno) ? WEIR_E_SYSTEM : WEIR_E_NETWORK;
    }
}

weir_status weir_os_connect_status(int sys_errno)
{
    switch (sys_errno) {
    case ECONNREFUSED:
        return WEIR_E_CONNECT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ETIMEDOUT:
    case EAFNOSUPPORT:
        return WEIR_E_CONNECT_UNREACHABLE;
    case EMFILE:
    case ENFILE:
    case EADDRNOTAVAIL:
        return WEIR_E_DESCRIPTORS;
    case ENOMEM:
    case ENOBUFS:
        return WEIR_E_NOMEM;
    default:
        return is_misuse(sys_errno) ? WEIR_E_SYSTEM : WEIR_E_CONNECT_FAILED;
    }
}

weir_status weir_os_descriptor_status(int sys_errno)
{
    switch (sys_errno) {
    case EMFILE:
    case ENFILE:
        return WEIR_E_DESCRIPTORS;
    case ENOMEM:
    case ENOSPC: /* epoll's limit of watches */
        return WEIR_E_NOMEM;
    default:
        return WEIR_E_SYSTEM;
    }
}

int weir_os_poll(weir_poll *fds, size_t count, weir_time deadline_ns)
{
    /* The same record, asserted below: however many there are, nothing is copied. */
    struct pollfd *polls = (struct pollfd *)(void *)fds;
    int ready = 0;

    do {
        struct timespec left;
        struct timespec *wait = NULL;
        if (deadline_ns != WEIR_NEVER) {
            const weir_time now_ns = weir_now();
            const weir_time rest_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
            left.tv_sec = (time_t)(rest_ns / WEIR_NS_PER_SECOND);
            left.tv_nsec = (long)(rest_ns % WEIR_NS_PER_SECOND);
            wait = &left;
        }
        ready = ppoll(polls, (nfds_t)count, wait, NULL);
    } while (ready < 0 && errno == EINTR);
    for (size_t i = 0; i < count && ready <= 0; i++) {
        fds[i].revents = 0;
    }
    return ready;
}

int weir_os_signal_new(weir_status *status)
{
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0 && status != NULL) {
        *status = weir_os_descriptor_status(errno);
    }
    return fd;
}

void weir_os_signal_raise(int fd)
{
    const uint64_t one = 1;
    const ssize_t result = write(fd, &one, sizeof(one));
    (void)result; /* EAGAIN: it is raised already */
}

void weir_os_signal_clear(int fd)
{
    uint64_t count = 0;
    const ssize_t result = read(fd, &count, sizeof(count));
    (void)result; /* EAGAIN: it was not raised */
}

bool weir_os_descriptors_ran_out(void)
{
    const int fd = weir_os_signal_new(NULL);

    if (fd >= 0) {
        weir_os_close(fd);
    }
    return fd < 0 && (errno == EMFILE || errno == ENFILE);
}

/* What the kernel says of a call that makes no sense: the descriptor was closed under us, a filter
 * of system calls is in the way. */
static bool is_misuse(int sys_errno)
{
    return sys_errno == EBADF || sys_errno == ENOTSOCK || sys_errno == EFAULT ||
           sys_errno == ENOSYS || sys_errno == EEXIST || sys_errno == EOPNOTSUPP;
}

static weir_io failed(int sys_errno)
{
    return (weir_io){WEIR_IO_FAILED, sys_errno, 0};
}

/*
 * TCP's simultaneous open: a connect to a local port where nobody listens meets itself when the
 * kernel happened to choose the same port for our end. Our request would come back as the response.
 */
static bool is_connected_to_itself(int fd)
{
    struct sockaddr_storage ours;
    struct sockaddr_storage theirs;
    socklen_t our_length = sizeof(ours);
    socklen_t their_length = sizeof(theirs);

    memset(&ours, 0, sizeof(ours));
    memset(&theirs, 0, sizeof(theirs));
    return getsockname(fd, (struct sockaddr *)&ours, &our_length) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &their_length) == 0 &&
           our_length == their_length && memcmp(&ours, &theirs, our_length) == 0;
}

static weir_io from_result(ssize_t result)
{
    if (result >= 0) {
        return (weir_io){WEIR_IO_OK, 0, (size_t)result};
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return (weir_io){WEIR_IO_AGAIN, 0, 0};
    }
    return failed(errno);
}

/* Digits only, as in "%2"; 0: it is none. */
static uint32_t number_of(const char *text)
{
    char *end = NULL;

    if (*text < '0' || *text > '9') {
        return 0;
    }
    const unsigned long number = strtoul(text, &end, 10);
    return *end == '\0' && number <= UINT32_MAX ? (uint32_t)number : 0;
}

static socklen_t to_sockaddr(const weir_address *address, uint16_t port,
                             struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof(*storage));
    if (address->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, address->octets, WEIR_IPV4_OCTETS);
        return sizeof(*in);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_scope_id = address->scope;
    memcpy(&in6->sin6_addr, address->octets, WEIR_IPV6_OCTETS);
    return sizeof(*in6);
}

/* Counters move while they are read: until nothing moved between. False: unavailable. */
static bool settled_sample(int fd, kernel_sample *at)
{
    struct tcp_info before;

    if (!sample(fd, at)) {
        return false;
    }
    for (int i = 0; i < SAMPLES_LIMIT; i++) {
        before = at->info;
        if (!sample(fd, at)) {
            return false;
        }
        if (same_counts(&before, &at->info)) {
            break;
        }
    }
    /* A connection that was never established has acknowledged nothing, not even our SYN. */
    return at->info.tcpi_bytes_acked != 0;
}

static bool sample(int fd, kernel_sample *at)
{
    socklen_t length = sizeof(at->info);

    memset(at, 0, sizeof(*at));
    if (ioctl(fd, SIOCINQ, &at->in_queue) != 0 || ioctl(fd, SIOCOUTQ, &at->out_queue) != 0) {
        return false;
    }
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &at->info, &length) != 0) {
        return false;
    }
    return length >= offsetof(struct tcp_info, tcpi_bytes_received) +
                         sizeof(at->info.tcpi_bytes_received) &&
           at->info.tcpi_state != STATE_SYN_SENT;
}

static bool same_counts(const struct tcp_info *a, const struct tcp_info *b)
{
    return a->tcpi_bytes_acked == b->tcpi_bytes_acked &&
           a->tcpi_bytes_received == b->tcpi_bytes_received && a->tcpi_state == b->tcpi_state;
}

/* The kernel counts a FIN among the octets received. */
static bool peer_finished(const struct tcp_info *info, const weir_os_watch *watch)
{
    return watch->fin_seen || info->tcpi_state == STATE_CLOSE_WAIT ||
           info->tcpi_state == STATE_LAST_ACK || info->tcpi_state == STATE_CLOSING ||
           info->tcpi_state == STATE_TIME_WAIT;
}

/*
 * CLOSE has forgotten whether a FIN came before the reset: what recv says behind the last octet
 * tells it, 0 for a FIN, as long as no error was consumed before. The octets are taken from the
 * kernel by it, and the ledger is told.
 */
static void drain_to_fin(int fd, weir_os_watch *watch)
{
    uint8_t room[4096];
    ssize_t result = 0;

    do {
        result = recv(fd, room, sizeof(room), MSG_DONTWAIT);
        watch->drained_octets += result > 0 ? (uint32_t)result : 0;
    } while (result > 0 || (result < 0 && errno == EINTR));
    watch->fin_seen = result == 0;
    watch->failed = result < 0;
}
