/* SPDX-License-Identifier: MIT */
/*
 * Mutexes and conditions of POSIX, inside records whose room the headers know; the lock of one word;
 * and the mark that a fork wipes.
 *
 *   LOCK_FREE --take--> LOCK_TAKEN --another takes--> LOCK_AWAITED
 *       ^-------release------/                             /
 *       ^-------release, which wakes one who waits--------/
 *
 * Who had to wait takes it as AWAITED, for it cannot know whether it was the only one: at worst the
 * release then wakes nobody. Neither makes a system call unless two threads meet.
 */
#define _GNU_SOURCE
#include "engine/os.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(weir_mutex), "a mutex fits");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(weir_condition), "a condition fits");

enum { LOCK_FREE = 0, LOCK_TAKEN, LOCK_AWAITED };
_Static_assert(sizeof(atomic_uint) == 4, "the kernel waits on a word of 32 bits");

enum { MARK_WIPED = 0, MARK_OURS, MARK_CLAIMED };

struct weir_fork_mark {
    atomic_uchar state;
};

static void wait_for(weir_lock *lock);
static pthread_mutex_t *mutex_of(weir_mutex *mutex);
static pthread_cond_t *condition_of(weir_condition *condition);

void weir_os_yield(void)
{
    (void)sched_yield();
}

void weir_lock_take(weir_lock *lock)
{
    unsigned word = LOCK_FREE;

    if (!atomic_compare_exchange_strong_explicit(&lock->word, &word, LOCK_TAKEN,
                                                 memory_order_acquire, memory_order_relaxed)) {
        wait_for(lock);
    }
}

void weir_lock_release(weir_lock *lock)
{
    const unsigned word = atomic_exchange_explicit(&lock->word, LOCK_FREE, memory_order_release);

    WEIR_ASSERT(word != LOCK_FREE);
    if (word == LOCK_AWAITED) {
        (void)syscall(SYS_futex, &lock->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

bool weir_mutex_init(weir_mutex *mutex)
{
    return pthread_mutex_init(mutex_of(mutex), NULL) == 0;
}

bool weir_mutex_forked(weir_mutex *mutex)
{
    if (pthread_mutex_trylock(mutex_of(mutex)) == 0) {
        return pthread_mutex_unlock(mutex_of(mutex)) == 0;
    }
    (void)pthread_mutex_init(mutex_of(mutex), NULL);
    return false;
}

void weir_mutex_clear(weir_mutex *mutex)
{
    (void)pthread_mutex_destroy(mutex_of(mutex));
}

void weir_mutex_lock(weir_mutex *mutex)
{
    const int result = pthread_mutex_lock(mutex_of(mutex));
    WEIR_ASSERT(result == 0);
}

void weir_mutex_unlock(weir_mutex *mutex)
{
    const int result = pthread_mutex_unlock(mutex_of(mutex));
    WEIR_ASSERT(result == 0);
}

bool weir_condition_init(weir_condition *condition)
{
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0) {
        return false;
    }
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    const int result = pthread_cond_init(condition_of(condition), &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return result == 0;
}

void weir_condition_clear(weir_condition *condition)
{
    (void)pthread_cond_destroy(condition_of(condition));
}

void weir_condition_wait(weir_condition *condition, weir_mutex *mutex, weir_time deadline_ns)
{
    if (deadline_ns == WEIR_NEVER) {
        (void)pthread_cond_wait(condition_of(condition), mutex_of(mutex));
        return;
    }
    const struct timespec until = {
        .tv_sec = (time_t)(deadline_ns / WEIR_NS_PER_SECOND),
        .tv_nsec = (long)(deadline_ns % WEIR_NS_PER_SECOND),
    };
    (void)pthread_cond_timedwait(condition_of(condition), mutex_of(mutex), &until);
}

void weir_condition_signal(weir_condition *condition)
{
    (void)pthread_cond_signal(condition_of(condition));
}

weir_fork_mark *weir_fork_mark_new(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED) {
        return NULL;
    }
    if (madvise(at, page, MADV_WIPEONFORK) != 0) {
        (void)munmap(at, page);
        return NULL;
    }
    weir_fork_mark *mark = at;
    atomic_init(&mark->state, MARK_OURS);
    return mark;
}

void weir_fork_mark_free(weir_fork_mark *mark)
{
    if (mark != NULL) {
        (void)munmap(mark, (size_t)sysconf(_SC_PAGESIZE));
    }
}

bool weir_fork_mark_is_ours(const weir_fork_mark *mark)
{
    return mark == NULL || atomic_load_explicit(&mark->state, memory_order_acquire) == MARK_OURS;
}

bool weir_fork_mark_claim(weir_fork_mark *mark)
{
    for (;;) {
        unsigned char state = MARK_WIPED;
        if (atomic_compare_exchange_strong(&mark->state, &state, MARK_CLAIMED)) {
            return true;
        }
        if (state == MARK_OURS) {
            return false;
        }
        weir_os_yield();
    }
}

void weir_fork_mark_settle(weir_fork_mark *mark, bool ours)
{
    atomic_store_explicit(&mark->state, ours ? MARK_OURS : MARK_WIPED, memory_order_release);
}

static void wait_for(weir_lock *lock)
{
    while (atomic_exchange_explicit(&lock->word, LOCK_AWAITED, memory_order_acquire) != LOCK_FREE) {
        /* Comes back at once if it is not AWAITED any more; whatever else wakes it, it looks. */
        (void)syscall(SYS_futex, &lock->word, FUTEX_WAIT_PRIVATE, LOCK_AWAITED, NULL, NULL, 0);
    }
}

static pthread_mutex_t *mutex_of(weir_mutex *mutex)
{
    return (pthread_mutex_t *)(void *)mutex->room;
}

static pthread_cond_t *condition_of(weir_condition *condition)
{
    return (pthread_cond_t *)(void *)condition->room;
}
