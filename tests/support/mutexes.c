/* SPDX-License-Identifier: MIT */
/*
 * Mutexes that are counted: see mutexes.h.
 */
#include "support/mutexes.h"

#include <pthread.h>

#include "engine/os.h"

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
void __real_weir_lock_take(weir_lock *lock);
void __real_weir_lock_release(weir_lock *lock);
void __wrap_weir_lock_take(weir_lock *lock);
void __wrap_weir_lock_release(weir_lock *lock);

static _Thread_local int held;
static _Thread_local int most_held;

static void count_one(void)
{
    held++;
    most_held = held > most_held ? held : most_held;
}

int weir_mutexes_held(void)
{
    return held;
}

int weir_mutexes_most_held(void)
{
    return most_held;
}

void weir_mutexes_forget(void)
{
    most_held = 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    count_one();
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    held--;
    return __real_pthread_mutex_unlock(mutex);
}

void __wrap_weir_lock_take(weir_lock *lock)
{
    count_one();
    __real_weir_lock_take(lock);
}

void __wrap_weir_lock_release(weir_lock *lock)
{
    held--;
    __real_weir_lock_release(lock);
}
