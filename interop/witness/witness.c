/* SPDX-License-Identifier: MIT */
/*
 * witness.so: preloaded into a program, it asks the kernel at each close of a TCP connection how
 * many octets went either way, and writes that down. It shares no code with weir and trusts
 * nothing weir says; weir's ledger is held against it.
 *
 *     LD_PRELOAD=witness.so WEIR_WITNESS=FILE program
 *
 * One TSV line per connection that the program opened with connect(), appended with one write():
 *
 *     pid local_port peer_port sent received state counted_sent counted_received
 *     acked outq fin_sent got inq fin_seen
 *
 * `sent` and `received` are application octets by the kernel's account:
 *
 *     sent     = tcpi_bytes_acked - 1 (our SYN) - fin_sent + SIOCOUTQ
 *     received = tcpi_bytes_received - fin_seen - SIOCINQ
 *
 * acked, outq, got and inq are these terms as they were read. fin_sent is 1 if a shutdown of our
 * sending side succeeded: the FIN takes a sequence number, and is in SIOCOUTQ until it is
 * acknowledged and in bytes_acked afterwards. fin_seen is 1 if the peer's FIN has arrived, read or
 * not. `state` is the kernel's at that moment. The counted columns are what the interposed calls
 * returned, a second opinion that does not see io_uring.
 *
 * How fin_seen is known. The state tells, except in CLOSE, where the kernel has forgotten by which
 * way it came. There the receive queue is emptied (SIOCINQ has been read by then, and no packet
 * can be caused any more) and recv() asked once more: Linux answers 0 for "a FIN came" before it
 * looks for an error, so 0 is a FIN and an error is none. This works while nobody has taken the
 * error out of the socket. So the first error that the program takes is judged when it passes: one
 * from recv() means no FIN, for the reason above; EPIPE before we shut down means a reset in
 * CLOSE_WAIT, so a FIN; ECONNRESET before we shut down means none. A shutdown notes the state it
 * found. What is left (a time-out that send() took, a reset in CLOSING that SO_ERROR took) is
 * printed as -1 and counts as 0.
 *
 * A duplicate made by fcntl() goes unnoticed: the first close() of the two testifies. A program
 * built with a sanitizer wants its runtime first: ASAN_OPTIONS=verify_asan_link_order=0, or the
 * runtime before this file in LD_PRELOAD.
 */
#include "witness.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/*
 * RTLD_NEXT. Its name, as dup3() and close_range(), needs _GNU_SOURCE, under which the C library
 * gives connect() and others a parameter type that ISO C cannot define a function with.
 */
static void *const next_object = (void *)(intptr_t)-1;
int dup3(int fd, int over, int flags);
int close_range(unsigned first, unsigned last, int flags);

static watched table[WATCHED];
static calls found;
static pthread_once_t find_once = PTHREAD_ONCE_INIT;

/* glibc's checked variants, which -D_FORTIFY_SOURCE calls instead. */
ssize_t __recv_chk(int fd, void *into, size_t count, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *into, size_t count, size_t room, int flags,
                       struct sockaddr *peer, socklen_t *length);
ssize_t __read_chk(int fd, void *into, size_t count, size_t room);

static void find_real(void);
static void begin(int fd, const struct sockaddr *peer);
static bool is_tcp(int fd);
static ssize_t note_sent(int fd, ssize_t result);
static ssize_t note_received(int fd, ssize_t result, size_t wanted, int flags);
static void note_error(watched *w, int error, bool from_recv);
static void copy_watch(int from, int to);
static size_t total(const struct iovec *pieces, size_t count);

__attribute__((destructor)) static void testify_for_the_rest(void)
{
    for (int fd = 0; fd < WATCHED; fd++) {
        testify(fd);
    }
}

/* --- the end and the beginning of a connection ------------------------------------------------ */

int connect(int fd, const struct sockaddr *peer, socklen_t length)
{
    if (peer != NULL && peer->sa_family == AF_UNSPEC) {
        testify(fd); /* this undoes a connection, and its counters */
    } else if (peer != NULL) {
        begin(fd, peer);
    }
    return real()->connect(fd, peer, length);
}

int close(int fd)
{
    testify(fd);
    return real()->close(fd);
}

int close_range(unsigned first, unsigned last, int flags)
{
    for (unsigned fd = first; fd <= last && fd < WATCHED && flags == 0; fd++) {
        testify((int)fd);
    }
    return real()->close_range(first, last, flags);
}

int dup(int fd)
{
    int copy = real()->dup(fd);
    copy_watch(fd, copy);
    return copy;
}

int dup2(int fd, int over)
{
    if (fd != over) {
        testify(over);
    }
    int copy = real()->dup2(fd, over);
    copy_watch(fd, copy);
    return copy;
}

int dup3(int fd, int over, int flags)
{
    if (fd != over) {
        testify(over);
    }
    int copy = real()->dup3(fd, over, flags);
    copy_watch(fd, copy);
    return copy;
}

int shutdown(int fd, int how)
{
    watched *w = watched_of(fd);
    if (w != NULL && in_close_wait(fd)) {
        atomic_store(&w->fin, FIN_CAME);
    }
    int result = real()->shutdown(fd, how);
    if (w != NULL && result == 0 && how != SHUT_RD) {
        atomic_store(&w->shut_write, true);
    }
    if (w != NULL && result == 0 && how != SHUT_WR) {
        atomic_store(&w->shut_read, true);
    }
    return result;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    int result = real()->getsockopt(fd, level, name, value, length);
    watched *w = watched_of(fd);
    int error;
    if (w != NULL && result == 0 && level == SOL_SOCKET && name == SO_ERROR &&
        *length >= sizeof error) {
        memcpy(&error, value, sizeof error);
        note_error(w, error, false);
    }
    return result;
}

/* --- the octets ------------------------------------------------------------------------------- */

ssize_t send(int fd, const void *from, size_t count, int flags)
{
    return note_sent(fd, real()->send(fd, from, count, flags));
}

ssize_t sendto(int fd, const void *from, size_t count, int flags, const struct sockaddr *peer,
               socklen_t length)
{
    return note_sent(fd, real()->sendto(fd, from, count, flags, peer, length));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return note_sent(fd, real()->sendmsg(fd, message, flags));
}

ssize_t write(int fd, const void *from, size_t count)
{
    return note_sent(fd, real()->write(fd, from, count));
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    return note_sent(fd, real()->writev(fd, pieces, count));
}

ssize_t recv(int fd, void *into, size_t count, int flags)
{
    return note_received(fd, real()->recv(fd, into, count, flags), count, flags);
}

ssize_t __recv_chk(int fd, void *into, size_t count, size_t room, int flags)
{
    (void)room;
    return recv(fd, into, count, flags);
}

ssize_t recvfrom(int fd, void *into, size_t count, int flags, struct sockaddr *peer,
                 socklen_t *length)
{
    return note_received(fd, real()->recvfrom(fd, into, count, flags, peer, length), count, flags);
}

ssize_t __recvfrom_chk(int fd, void *into, size_t count, size_t room, int flags,
                       struct sockaddr *peer, socklen_t *length)
{
    (void)room;
    return recvfrom(fd, into, count, flags, peer, length);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    size_t wanted = total(message->msg_iov, message->msg_iovlen);
    return note_received(fd, real()->recvmsg(fd, message, flags), wanted, flags);
}

ssize_t read(int fd, void *into, size_t count)
{
    return note_received(fd, real()->read(fd, into, count), count, 0);
}

ssize_t __read_chk(int fd, void *into, size_t count, size_t room)
{
    (void)room;
    return read(fd, into, count);
}

ssize_t readv(int fd, const struct iovec *pieces, int count)
{
    ssize_t result = real()->readv(fd, pieces, count);
    return note_received(fd, result, total(pieces, count > 0 ? (size_t)count : 0), 0);
}

/* --- what is noted on the way ----------------------------------------------------------------- */

const calls *real(void)
{
    pthread_once(&find_once, find_real);
    return &found;
}

static void find_real(void)
{
    const struct {
        void *into;
        const char *name;
    } names[] = {
        {&found.connect, "connect"},
        {&found.close, "close"},
        {&found.close_range, "close_range"},
        {&found.dup, "dup"},
        {&found.dup2, "dup2"},
        {&found.dup3, "dup3"},
        {&found.shutdown, "shutdown"},
        {&found.getsockopt, "getsockopt"},
        {&found.send, "send"},
        {&found.sendto, "sendto"},
        {&found.sendmsg, "sendmsg"},
        {&found.write, "write"},
        {&found.writev, "writev"},
        {&found.recv, "recv"},
        {&found.recvfrom, "recvfrom"},
        {&found.recvmsg, "recvmsg"},
        {&found.read, "read"},
        {&found.readv, "readv"},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *at = dlsym(next_object, names[i].name);
        memcpy(names[i].into, &at, sizeof at);
    }
}

/* A watched connection of this process; a child that only inherited the descriptor says nothing. */
watched *watched_of(int fd)
{
    if (fd < 0 || fd >= WATCHED) {
        return NULL;
    }
    int owner = atomic_load_explicit(&table[fd].owner, memory_order_acquire);
    return owner != 0 && owner == getpid() ? &table[fd] : NULL;
}

static void begin(int fd, const struct sockaddr *peer)
{
    int saved = errno;
    if (fd >= 0 && fd < WATCHED && is_tcp(fd)) {
        watched *w = &table[fd];
        atomic_store(&w->peer_port, port_in(peer));
        atomic_store(&w->shut_write, false);
        atomic_store(&w->shut_read, false);
        atomic_store(&w->error_taken, false);
        atomic_store(&w->fin, FIN_UNKNOWN);
        atomic_store(&w->sent, 0);
        atomic_store(&w->received, 0);
        atomic_store(&w->owner, getpid());
    }
    errno = saved;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return real()->getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           protocol == IPPROTO_TCP;
}

static ssize_t note_sent(int fd, ssize_t result)
{
    watched *w = watched_of(fd);
    if (w != NULL && result > 0) {
        atomic_fetch_add(&w->sent, (uint64_t)result);
    } else if (w != NULL && result < 0) {
        note_error(w, errno, false);
    }
    return result;
}

static ssize_t note_received(int fd, ssize_t result, size_t wanted, int flags)
{
    watched *w = watched_of(fd);
    if (w == NULL) {
        return result;
    }
    if (result > 0 && (flags & MSG_PEEK) == 0) {
        atomic_fetch_add(&w->received, (uint64_t)result);
    } else if (result < 0) {
        note_error(w, errno, true);
    } else if (result == 0 && wanted > 0 && !atomic_load(&w->shut_read) &&
               !atomic_load(&w->error_taken)) {
        atomic_store(&w->fin, FIN_CAME);
    }
    return result;
}

/* The first error to leave the socket says whether a FIN had come; later ones say nothing. */
static void note_error(watched *w, int error, bool from_recv)
{
    bool passing = error == 0 || error == EAGAIN || error == EINTR || error == EINPROGRESS ||
                   error == EALREADY || error == ENOTCONN || error == EMSGSIZE || error == ENOMEM ||
                   error == ENOBUFS || error == EFAULT || error == EINVAL;
    bool ours = error == EPIPE && atomic_load(&w->shut_write);
    if (passing || ours || atomic_exchange(&w->error_taken, true)) {
        return;
    }
    if (atomic_load(&w->fin) != FIN_UNKNOWN) {
        return;
    }
    if (error == EPIPE) {
        atomic_store(&w->fin, FIN_CAME);
    } else if (from_recv || (error == ECONNRESET && !atomic_load(&w->shut_write))) {
        atomic_store(&w->fin, FIN_NONE);
    }
}

static void copy_watch(int from, int to)
{
    const watched *w = watched_of(from);
    if (w == NULL || to < 0 || to >= WATCHED || to == from) {
        return;
    }
    watched *copy = &table[to];
    expect_duplicates();
    atomic_store(&copy->peer_port, atomic_load(&w->peer_port));
    atomic_store(&copy->shut_write, atomic_load(&w->shut_write));
    atomic_store(&copy->shut_read, atomic_load(&w->shut_read));
    atomic_store(&copy->error_taken, atomic_load(&w->error_taken));
    atomic_store(&copy->fin, atomic_load(&w->fin));
    atomic_store(&copy->sent, atomic_load(&w->sent));
    atomic_store(&copy->received, atomic_load(&w->received));
    atomic_store(&copy->owner, atomic_load(&w->owner));
}

unsigned port_in(const struct sockaddr *a)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (a->sa_family == AF_INET) {
        memcpy(&v4, a, sizeof v4);
        return ntohs(v4.sin_port);
    }
    if (a->sa_family == AF_INET6) {
        memcpy(&v6, a, sizeof v6);
        return ntohs(v6.sin6_port);
    }
    return 0;
}

static size_t total(const struct iovec *pieces, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += pieces[i].iov_len;
    }
    return sum;
}
