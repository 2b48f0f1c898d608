/* SPDX-License-Identifier: MIT */
/* See stopped_recv.h. */
#include "support/stopped_recv.h"

#include <semaphore.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#define PATIENCE_S 10

ssize_t __real_recv(int fd, void *to, size_t room, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t room, int flags);

static _Thread_local bool stops;
static _Thread_local bool was_let_go;
static sem_t is_there;
static sem_t may_go_on;

void weir_recv_stops_open(void)
{
    if (sem_init(&is_there, 0, 0) != 0 || sem_init(&may_go_on, 0, 0) != 0) {
        abort();
    }
}

void weir_recv_stops_close(void)
{
    (void)sem_destroy(&is_there);
    (void)sem_destroy(&may_go_on);
}

void weir_recv_stop_next(void)
{
    stops = true;
    was_let_go = false;
}

void weir_recv_stopped_await(void)
{
    (void)sem_wait(&is_there);
}

void weir_recv_let_go(void)
{
    (void)sem_post(&may_go_on);
}

bool weir_recv_was_let_go(void)
{
    return was_let_go;
}

ssize_t __wrap_recv(int fd, void *to, size_t room, int flags)
{
    if (stops) {
        struct timespec until;
        stops = false;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += PATIENCE_S;
        (void)sem_post(&is_there);
        was_let_go = sem_timedwait(&may_go_on, &until) == 0;
    }
    return __real_recv(fd, to, room, flags);
}
