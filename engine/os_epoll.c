/* SPDX-License-Identifier: MIT */
/*
 * One descriptor that holds everything a loop waits for: an epoll instance with the sockets
 * (edge-triggered, registered once), one timerfd and one eventfd. A foreign event loop polls it and
 * needs to know nothing else.
 */
#define _GNU_SOURCE
#include "engine/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "proto/alloc.h"

#define BATCH 256

struct weir_os_poller {
    const weir_allocator *allocator;
    int epoll;
    int timer;
    int signal;
    weir_time timer_ns;
    atomic_bool signalled;
};

static int add(weir_os_poller *poller, int fd, uint32_t events, void *user);
static bool take(weir_os_poller *poller, const struct epoll_event *event, weir_os_ready *ready);
static void drain(int fd);

weir_os_poller *weir_os_poller_new(const weir_allocator *allocator, weir_status *status)
{
    weir_os_poller *poller = weir_alloc_zeroed(allocator, sizeof(*poller));

    *status = WEIR_E_NOMEM;
    if (poller == NULL) {
        return NULL;
    }
    poller->allocator = allocator;
    poller->timer_ns = WEIR_NEVER;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    poller->signal = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (poller->epoll < 0 || poller->timer < 0 || poller->signal < 0 ||
        add(poller, poller->timer, EPOLLIN, &poller->timer) != 0 ||
        add(poller, poller->signal, EPOLLIN, &poller->signal) != 0) {
        *status = weir_os_descriptor_status(errno);
        weir_os_poller_free(poller);
        return NULL;
    }
    *status = WEIR_OK;
    return poller;
}

void weir_os_poller_free(weir_os_poller *poller)
{
    if (poller == NULL) {
        return;
    }
    const int fds[] = {poller->epoll, poller->timer, poller->signal};
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    weir_release(poller->allocator, poller);
}

int weir_os_poller_fd(const weir_os_poller *poller)
{
    return poller->epoll;
}

int weir_os_poller_add(weir_os_poller *poller, int fd, void *user)
{
    return add(poller, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, user);
}

bool weir_os_poller_watch(weir_os_poller *poller, int fd, bool readable, bool writable, void *user)
{
    struct epoll_event event = {.events = (readable ? (uint32_t)EPOLLIN : 0) |
                                          (writable ? (uint32_t)EPOLLOUT : 0)};

    event.data.ptr = user;
    if (!readable && !writable) {
        weir_os_poller_remove(poller, fd);
        return true;
    }
    if (epoll_ctl(poller->epoll, EPOLL_CTL_MOD, fd, &event) == 0) {
        return true;
    }
    return errno == ENOENT && epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void weir_os_poller_remove(weir_os_poller *poller, int fd)
{
    (void)epoll_ctl(poller->epoll, EPOLL_CTL_DEL, fd, NULL);
}

size_t weir_os_poller_wait(weir_os_poller *poller, weir_os_ready *ready, size_t room)
{
    struct epoll_event events[BATCH];
    size_t filled = 0;
    int asked = 0;
    int count = 0;

    do {
        asked = (int)weir_min(room - filled, BATCH);
        do {
            count = epoll_wait(poller->epoll, events, asked, 0);
        } while (count < 0 && errno == EINTR);
        for (int i = 0; i < count; i++) {
            filled += take(poller, &events[i], &ready[filled]) ? 1 : 0;
        }
    } while (count == asked && filled < room);
    return filled;
}

/*
 * A deadline that moves later leaves the timer where it is: nearly every exchange moves its own,
 * and a system call for each would be one in four of a warm turn. The price is one turn in vain at
 * the old time, which then arms the new one.
 */
void weir_os_poller_set_timer(weir_os_poller *poller, weir_time at_ns)
{
    struct itimerspec timer;

    if (at_ns >= poller->timer_ns) {
        return;
    }
    memset(&timer, 0, sizeof(timer));
    timer.it_value.tv_sec = (time_t)(at_ns / WEIR_NS_PER_SECOND);
    timer.it_value.tv_nsec = (long)(at_ns % WEIR_NS_PER_SECOND);
    if (at_ns == 0) {
        timer.it_value.tv_nsec = 1; /* zero would disarm it */
    }
    (void)timerfd_settime(poller->timer, TFD_TIMER_ABSTIME, &timer, NULL);
    poller->timer_ns = at_ns;
}

void weir_os_poller_signal(weir_os_poller *poller)
{
    if (!atomic_exchange(&poller->signalled, true)) {
        weir_os_signal_raise(poller->signal);
    }
}

/* 0, or the errno. */
static int add(weir_os_poller *poller, int fd, uint32_t events, void *user)
{
    struct epoll_event event = {.events = events};

    event.data.ptr = user;
    return epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

/* False: it was one of the poller's own descriptors. */
static bool take(weir_os_poller *poller, const struct epoll_event *event, weir_os_ready *ready)
{
    const uint32_t what = event->events;

    if (event->data.ptr == &poller->timer) {
        drain(poller->timer);
        poller->timer_ns = WEIR_NEVER;
        return false;
    }
    if (event->data.ptr == &poller->signal) {
        /* In this order: a signal between the two is dropped, but what it announces was stored
         * before this wait ends. The other way round the mark could stay up over a cleared
         * descriptor, and silence every later signal. */
        drain(poller->signal);
        atomic_store(&poller->signalled, false);
        return false;
    }
    *ready = (weir_os_ready){
        .user = event->data.ptr,
        .readable = (what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
        .writable = (what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
        .hangup = (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
    };
    return true;
}

static void drain(int fd)
{
    uint64_t count = 0;
    const ssize_t result = read(fd, &count, sizeof(count));
    (void)result;
}
