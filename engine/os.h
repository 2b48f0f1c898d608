/* SPDX-License-Identifier: MIT */
/*
 * The operating system, as the front ends need it: sockets, the clock, threads, randomness.
 * Implemented by the os_*.c files, the only ones that include system headers. Nothing here knows
 * HTTP.
 *
 * Every descriptor is CLOEXEC. Nothing raises SIGPIPE. EINTR is handled inside.
 */
#ifndef WEIR_ENGINE_OS_H
#define WEIR_ENGINE_OS_H

#include <stdatomic.h>

#include "proto/base.h"
#include "weir/client.h"
#include "weir/ledger.h"
#include "weir/shared.h"

/* -- os_clock.c -- (weir_now() of request.h is there too) */
void weir_os_random(void *to, size_t octets);
/* The malloc allocator, which asks the kernel for large pages for what is as large as one. */
const weir_allocator *weir_os_allocator(void);

/* -- os_socket.c -- */
typedef enum weir_io_kind {
    WEIR_IO_OK = 0, /* octets > 0 */
    WEIR_IO_AGAIN,
    WEIR_IO_END,   /* recv: FIN */
    WEIR_IO_FAILED /* sys_errno */
} weir_io_kind;
typedef struct weir_io {
    weir_io_kind kind;
    int sys_errno;
    size_t octets;
} weir_io;

/* Opens a socket (non-blocking, SO_OOBINLINE, TCP_NODELAY) and begins to connect: OK: connected at
 * once; AGAIN: under way. *fd -1 on failure. */
weir_io weir_os_connect(const weir_address *address, uint16_t port, int *fd);
/* After it became writable: OK or FAILED. */
weir_io weir_os_connect_result(int fd);
/* O_NONBLOCK off or on. */
bool weir_os_set_blocking(int fd, bool blocking);
/* SO_RCVTIMEO; 0: none. */
bool weir_os_set_receive_timeout(int fd, weir_time timeout_ns);
/* One send(2) (one span) or sendmsg(2) (two). MSG_NOSIGNAL; MSG_DONTWAIT if asked. */
weir_io weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io weir_os_recv(int fd, uint8_t *to, size_t room, bool dont_wait);
void weir_os_shutdown_read(int fd);
void weir_os_close(int fd);
/* "127.0.0.1" or "::1" of an address, NUL-terminated, at most 46 octets. */
void weir_os_address_text(const weir_address *address, char *text, size_t room);
/* A numeric address with an optional %zone; false: it is a name. */
bool weir_os_address_parse(weir_span text, weir_address *address);
/* Index of a network interface, by name or number; 0: none. */
uint32_t weir_os_zone_index(weir_span zone);
/* Local port of a socket, 0: none. */
uint16_t weir_os_local_port(int fd);

/*
 * What the kernel says that a connected TCP socket moved, by the laws of docs/ledger.md: samples
 * TCP_INFO, SIOCINQ, SIOCOUTQ, TCP_INFO until both agree. To be called right before the close: in
 * the state CLOSE it takes what lies unread, to learn whether a FIN came before the reset, and
 * counts it as received; the caller has to. False: unavailable, and nothing was taken.
 */
typedef struct weir_os_watch {
    bool fin_seen; /* recv answered 0 and we had not shut down reading, or EPIPE before we shut down
                      writing */
    bool shut_write;
    bool failed; /* an error was consumed: the socket tells no more whether a FIN came before it */
    uint32_t drained_octets; /* out: taken from the kernel on the way to what lies behind them */
} weir_os_watch;
bool weir_os_kernel_octets(int fd, weir_os_watch *watch, weir_octets *octets);

/*
 * An attempt to connect is given up (0), or failed with an errno of weir_os_connect_result(). From
 * now on it cannot become a connection behind our back. True: it had become one, and this is what
 * it moved. The caller closes it.
 */
bool weir_os_attempt_octets(int fd, int sys_errno, weir_octets *octets);

/* Does this errno of send(2) say that the peer's FIN came, while we had not shut down writing? */
bool weir_os_says_fin(int sys_errno);
/* The status that an errno of send(2) or recv(2) on a connected socket stands for. */
weir_status weir_os_failure_status(int sys_errno);
/* ... and of socket(2) or connect(2). */
weir_status weir_os_connect_status(int sys_errno);

/* POLLIN, POLLOUT and ENOMEM for files that include no system header; os_socket.c asserts that they
 * are. */
#define WEIR_POLL_IN  1
#define WEIR_POLL_OUT 4
#define WEIR_OS_NOMEM 12

/* ... and of the making of a descriptor, and of watching one. */
weir_status weir_os_descriptor_status(int sys_errno);

/* poll(2) until a deadline; how many are ready, 0: the deadline passed, -1: it cannot wait (more
 * descriptors than RLIMIT_NOFILE). */
int weir_os_poll(weir_poll *fds, size_t count, weir_time deadline_ns);

/* An eventfd that other threads make readable. -1: *status says why not; NULL: nobody asks. */
int weir_os_signal_new(weir_status *status);
void weir_os_signal_raise(int fd);
void weir_os_signal_clear(int fd);
/* For libraries that do not say why they failed: can no descriptor be had now? */
bool weir_os_descriptors_ran_out(void);

/* -- os_epoll.c: one descriptor that holds sockets, a timer and a signal -- */
typedef struct weir_os_ready {
    void *user;
    bool readable;
    bool writable;
    bool hangup; /* the peer ended, or an error: read until it shows */
} weir_os_ready;
typedef struct weir_os_poller weir_os_poller;
/* NULL: *status is WEIR_E_NOMEM, WEIR_E_DESCRIPTORS or WEIR_E_SYSTEM. */
weir_os_poller *weir_os_poller_new(const weir_allocator *allocator, weir_status *status);
void weir_os_poller_free(weir_os_poller *poller);
int weir_os_poller_fd(const weir_os_poller *poller);
/* Edge-triggered, both directions, once per socket. 0, or the errno. */
int weir_os_poller_add(weir_os_poller *poller, int fd, void *user);
/* Level-triggered, for descriptors of the resolver: readable and writable as asked; both false:
 * remove. */
bool weir_os_poller_watch(weir_os_poller *poller, int fd, bool readable, bool writable, void *user);
void weir_os_poller_remove(weir_os_poller *poller, int fd);
/* What is ready, without waiting; the signal and the timer are consumed inside. */
size_t weir_os_poller_wait(weir_os_poller *poller, weir_os_ready *ready, size_t room);
/* The descriptor becomes readable no later than at this time; a later one than before makes no
 * system call. */
void weir_os_poller_set_timer(weir_os_poller *poller, weir_time at_ns);
/* Makes it readable now, from any thread, until the next wait. */
void weir_os_poller_signal(weir_os_poller *poller);

/* -- os_thread.c -- */
typedef struct weir_mutex {
    _Alignas(16) unsigned char room[48]; /* no more than glibc's, wherever it runs */
} weir_mutex;
typedef struct weir_condition {
    _Alignas(16) unsigned char room[64];
} weir_condition;
/* A lock of one word, because each connection has one: a mutex of POSIX is ten times as large. For
 * short work; no condition can be waited for with it. Zero-initialise: free. */
typedef struct weir_lock {
    atomic_uint word;
} weir_lock;
void weir_lock_take(weir_lock *lock);
void weir_lock_release(weir_lock *lock);
/* Lets other threads run. */
void weir_os_yield(void);
bool weir_mutex_init(weir_mutex *mutex);
/* In the child of a fork, before another thread can know it: free from here on. False: a thread
 * that is only in the parent held it, and what it guards may be half done. */
bool weir_mutex_forked(weir_mutex *mutex);
void weir_mutex_clear(weir_mutex *mutex);
void weir_mutex_lock(weir_mutex *mutex);
void weir_mutex_unlock(weir_mutex *mutex);
bool weir_condition_init(weir_condition *condition); /* CLOCK_MONOTONIC */
void weir_condition_clear(weir_condition *condition);
void weir_condition_wait(weir_condition *condition, weir_mutex *mutex, weir_time deadline_ns);
void weir_condition_signal(weir_condition *condition);
/* A page that is zero after fork (MADV_WIPEONFORK): reads as `true` in the process that made it.
 * NULL: not available. */
typedef struct weir_fork_mark weir_fork_mark;
weir_fork_mark *weir_fork_mark_new(void);
void weir_fork_mark_free(weir_fork_mark *mark);
bool weir_fork_mark_is_ours(const weir_fork_mark *mark);
/* In a child, where it is not ours: true to one thread, which must begin anew and then settle;
 * others wait for it. */
bool weir_fork_mark_claim(weir_fork_mark *mark);
/* It is ours now; or not, and the next who comes tries again. */
void weir_fork_mark_settle(weir_fork_mark *mark, bool ours);

#endif
