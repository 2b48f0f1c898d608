/* SPDX-License-Identifier: MIT */
/*
 * Something that is done when a thread ends.
 *
 * Thread rule: weir_os_thread_end_mark() may be called from any thread, the others by the owner
 * alone.
 */
#ifndef WEIR_ENGINE_OS_THREAD_END_H
#define WEIR_ENGINE_OS_THREAD_END_H

#include "proto/base.h"

typedef struct weir_os_thread_end {
    uint64_t key;
    bool watching;
} weir_os_thread_end;

/* `act` is called, with what the thread was marked with, at the end of each marked thread. Without
 * a key nothing is watched. */
void weir_os_thread_end_init(weir_os_thread_end *end, void (*act)(void *mark));
/* Threads that end later end without it. */
void weir_os_thread_end_clear(weir_os_thread_end *end);
/* Marks the calling thread, if it is not. `mark` is not NULL. */
void weir_os_thread_end_mark(const weir_os_thread_end *end, void *mark);

#endif
