/* SPDX-License-Identifier: MIT */
/*
 * What the two halves of the witness share: witness.c, which stands between the program and the C
 * library and notes what passes, and testimony.c, which asks the kernel when a connection ends.
 */
#ifndef WITNESS_H
#define WITNESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { WATCHED = 65536 };

typedef enum fin { FIN_UNKNOWN, FIN_NONE, FIN_CAME } fin;

typedef struct watched {
    atomic_int owner; /* the process that connected it, 0: not watched */
    atomic_uint peer_port;
    atomic_bool shut_write;
    atomic_bool shut_read;
    atomic_bool error_taken; /* the first error has left the socket; `fin` is all we shall know */
    atomic_int fin;
    atomic_uint_fast64_t sent;
    atomic_uint_fast64_t received;
} watched;

/* The C library's own functions. */
typedef struct calls {
    int (*connect)(int, const struct sockaddr *, socklen_t);
    int (*close)(int);
    int (*close_range)(unsigned, unsigned, int);
    int (*dup)(int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
    int (*shutdown)(int, int);
    int (*getsockopt)(int, int, int, void *, socklen_t *);
    ssize_t (*send)(int, const void *, size_t, int);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*recv)(int, void *, size_t, int);
    ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*readv)(int, const struct iovec *, int);
} calls;

#pragma GCC visibility push(hidden)

const calls *real(void);
/* A watched connection of this process, or NULL; a child that inherited one is told NULL. */
watched *watched_of(int fd);
/* `fd` is about to be closed: if it is the last of a watched connection, writes its line. */
void testify(int fd);
/* TCP_INFO's state says CLOSE_WAIT now. */
bool in_close_wait(int fd);
unsigned port_in(const struct sockaddr *a);
/* A dup was made, so that one connection may have several descriptors. */
void expect_duplicates(void);

#pragma GCC visibility pop

#endif
