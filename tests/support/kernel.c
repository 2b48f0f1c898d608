/* SPDX-License-Identifier: MIT */
/*
 * See kernel.h. Who sleeps until a moment sleeps a little at a time, and looks at the clock between;
 * a leap waits until each has looked. A timerfd is armed anew.
 */
#include "support/kernel.h"
#include "support/must.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NEVER         UINT64_MAX
#define LITTLE_NS     UINT64_C(10000000)
#define TIMERS        64

/* A timerfd that was armed, and for when by the clock that leaps. */
typedef struct timer {
    int fd;
    struct itimerspec at;
} timer;

/* A thread that sleeps until a moment, and how often the clock had leapt when it last looked. */
typedef struct sleeper {
    uint64_t until_ns; /* by the clock that leaps; NEVER: until something happens */
    size_t looked;
} sleeper;

static void fall_asleep(sleeper *s, uint64_t until_ns);
static uint64_t look(sleeper *s);
static void wake_up(const sleeper *s);
static int doze(struct pollfd *fds, nfds_t count, uint64_t until_ns);
static uint64_t real_now(void);
static uint64_t now(void);
static uint64_t limit_of(int fd);
static int arm(const timer *one);
static uint64_t ns_of(const struct timespec *time);
static struct timespec time_of(uint64_t ns);

static const char *volatile broken;
static volatile int instead;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* What follows is guarded by it. */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static uint64_t ahead_ns; /* of the system's clock */
static timer timers[TIMERS];
static size_t timer_count;
static size_t leaps;
static size_t sleepers;
static size_t behind; /* of them, that have not looked since the last leap */

#define STAND_IN(name, type, fails, parameters, arguments, otherwise)                              \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        if (broken != NULL && strcmp(broken, #name) == 0) {                                        \
            errno = instead != 0 ? instead : (fails);                                              \
            return -1;                                                                             \
        }                                                                                          \
        return otherwise arguments;                                                                \
    }

static ssize_t recv_by_clock(int fd, void *to, size_t room, int flags);
static int ppoll_by_clock(struct pollfd *fds, nfds_t count, const struct timespec *left,
                          const sigset_t *mask);

STAND_IN(recv, ssize_t, EBADF, (int fd, void *to, size_t room, int flags), (fd, to, room, flags),
         recv_by_clock)
STAND_IN(ppoll, int, EINVAL,
         (struct pollfd * fds, nfds_t count, const struct timespec *left, const sigset_t *mask),
         (fds, count, left, mask), ppoll_by_clock)
STAND_IN(setsockopt, int, EBADF,
         (int fd, int level, int option, const void *value, socklen_t octets),
         (fd, level, option, value, octets), __real_setsockopt)
STAND_IN(eventfd, int, ENOSYS, (unsigned count, int flags), (count, flags), __real_eventfd)
STAND_IN(epoll_create1, int, EPERM, (int flags), (flags), __real_epoll_create1)
STAND_IN(epoll_ctl, int, EBADF, (int poller, int operation, int fd, struct epoll_event *event),
         (poller, operation, fd, event), __real_epoll_ctl)

int __real_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __real_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old);

int __real_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until);

void weir_kernel_break(const char *name, int sys_errno)
{
    instead = sys_errno;
    broken = name;
}

void weir_kernel_leap(uint64_t span_ns)
{
    (void)pthread_mutex_lock(&lock);
    ahead_ns += span_ns;
    leaps++;
    behind = sleepers;
    for (size_t i = 0; i < timer_count; i++) {
        (void)arm(&timers[i]); /* which may be closed by now */
    }
    while (behind > 0) {
        (void)pthread_cond_wait(&changed, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (clock != CLOCK_MONOTONIC) {
        return __real_clock_gettime(clock, time);
    }
    *time = time_of(now());
    return 0;
}

/* Only as weir uses it: once, at a moment. */
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *old)
{
    size_t i = 0;

    must(flags == TFD_TIMER_ABSTIME && old == NULL, "a timer that is not absolute");
    (void)pthread_mutex_lock(&lock);
    while (i < timer_count && timers[i].fd != fd) {
        i++;
    }
    must(i < TIMERS, "too many timers");
    timer_count += i == timer_count ? 1 : 0;
    timers[i] = (timer){fd, *at};
    const int result = arm(&timers[i]);
    (void)pthread_mutex_unlock(&lock);
    return result;
}

/* What blocks, blocks until the socket's time-out (SO_RCVTIMEO). */
static ssize_t recv_by_clock(int fd, void *to, size_t room, int flags)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    ssize_t result = __real_recv(fd, to, room, flags | MSG_DONTWAIT);

    if ((flags & MSG_DONTWAIT) != 0) {
        return result;
    }
    const uint64_t until_ns = limit_of(fd);
    while (result < 0 && errno == EAGAIN && doze(&readable, 1, until_ns) > 0) {
        result = __real_recv(fd, to, room, flags | MSG_DONTWAIT);
    }
    return result;
}

static int ppoll_by_clock(struct pollfd *fds, nfds_t count, const struct timespec *left,
                          const sigset_t *mask)
{
    must(mask == NULL, "a mask");
    return doze(fds, count, left != NULL ? now() + ns_of(left) : NEVER);
}

/* By the monotonic clock, as weir's conditions are. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex,
                                  const struct timespec *until)
{
    sleeper s;
    uint64_t left_ns = NEVER;
    int result = ETIMEDOUT;

    fall_asleep(&s, ns_of(until));
    while (result == ETIMEDOUT && (left_ns = look(&s)) > 0) {
        const struct timespec real = time_of(real_now() + left_ns);
        result = __real_pthread_cond_timedwait(condition, mutex, &real);
    }
    wake_up(&s);
    return result;
}

/* As poll(): how many are ready; 0 and EAGAIN: it is time. */
static int doze(struct pollfd *fds, nfds_t count, uint64_t until_ns)
{
    sleeper s;
    uint64_t left_ns = NEVER;
    int ready = 0;

    fall_asleep(&s, until_ns);
    while (ready == 0 && left_ns > 0) {
        left_ns = look(&s);
        const struct timespec left = time_of(left_ns);
        ready = __real_ppoll(fds, count, &left, NULL);
    }
    wake_up(&s);
    errno = ready == 0 ? EAGAIN : errno;
    return ready;
}

static void fall_asleep(sleeper *s, uint64_t until_ns)
{
    (void)pthread_mutex_lock(&lock);
    *s = (sleeper){until_ns, leaps};
    sleepers++;
    (void)pthread_mutex_unlock(&lock);
}

/* How long to sleep now; 0: the moment has come. */
static uint64_t look(sleeper *s)
{
    (void)pthread_mutex_lock(&lock);
    const uint64_t now_ns = real_now() + ahead_ns;
    const uint64_t left_ns = s->until_ns > now_ns ? s->until_ns - now_ns : 0;
    if (s->looked < leaps && left_ns > 0) {
        s->looked = leaps;
        behind--;
        (void)pthread_cond_broadcast(&changed);
    }
    (void)pthread_mutex_unlock(&lock);
    return left_ns < LITTLE_NS ? left_ns : LITTLE_NS;
}

static void wake_up(const sleeper *s)
{
    const int kept = errno;

    (void)pthread_mutex_lock(&lock);
    sleepers--;
    if (s->looked < leaps) {
        behind--;
        (void)pthread_cond_broadcast(&changed);
    }
    (void)pthread_mutex_unlock(&lock);
    errno = kept;
}

static uint64_t real_now(void)
{
    struct timespec time;

    must(__real_clock_gettime(CLOCK_MONOTONIC, &time) == 0, "clock_gettime");
    return ns_of(&time);
}

static uint64_t now(void)
{
    (void)pthread_mutex_lock(&lock);
    const uint64_t now_ns = real_now() + ahead_ns;
    (void)pthread_mutex_unlock(&lock);
    return now_ns;
}

/* When a receive that begins now gives up. */
static uint64_t limit_of(int fd)
{
    struct timeval span = {0};
    socklen_t octets = sizeof(span);

    if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &span, &octets) != 0 ||
        (span.tv_sec == 0 && span.tv_usec == 0)) {
        return NEVER;
    }
    return now() + (uint64_t)span.tv_sec * NS_PER_SECOND + (uint64_t)span.tv_usec * 1000;
}

static int arm(const timer *one)
{
    const uint64_t at_ns = ns_of(&one->at.it_value);
    const struct itimerspec at = {.it_value = time_of(at_ns > ahead_ns ? at_ns - ahead_ns
                                                      : at_ns > 0      ? 1
                                                                       : 0)};

    return __real_timerfd_settime(one->fd, TFD_TIMER_ABSTIME, &at, NULL);
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * NS_PER_SECOND + (uint64_t)time->tv_nsec;
}

static struct timespec time_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SECOND),
                             .tv_nsec = (long)(ns % NS_PER_SECOND)};
}
