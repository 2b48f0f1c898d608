/* SPDX-License-Identifier: MIT */
/*
 * A key of thread-specific data whose destructor is what is to be done.
 */
#include "engine/os_thread_end.h"

#include <pthread.h>

_Static_assert(sizeof(pthread_key_t) <= sizeof(((weir_os_thread_end *)0)->key), "a key fits");

void weir_os_thread_end_init(weir_os_thread_end *end, void (*act)(void *mark))
{
    pthread_key_t key;

    end->watching = pthread_key_create(&key, act) == 0;
    end->key = end->watching ? (uint64_t)key : 0;
}

void weir_os_thread_end_clear(weir_os_thread_end *end)
{
    if (end->watching) {
        (void)pthread_key_delete((pthread_key_t)end->key);
        end->watching = false;
    }
}

void weir_os_thread_end_mark(const weir_os_thread_end *end, void *mark)
{
    if (end->watching && !pthread_getspecific((pthread_key_t)end->key)) {
        (void)pthread_setspecific((pthread_key_t)end->key, mark);
    }
}
