/* SPDX-License-Identifier: MIT */
/*
 * What wolfSSL keeps for each thread, and nobody else gives back when the thread ends.
 *
 * Lives in a configuration. Thread rule: weir_tls_threads_note() may be called from any thread, the
 * others by the owner alone.
 */
#ifndef WEIR_ENGINE_TLS_THREAD_H
#define WEIR_ENGINE_TLS_THREAD_H

#include "engine/os_thread_end.h"

typedef struct weir_tls_threads {
    weir_os_thread_end end; /* not used by a wolfSSL that keeps nothing */
} weir_tls_threads;

void weir_tls_threads_init(weir_tls_threads *threads);
void weir_tls_threads_clear(weir_tls_threads *threads);

/* This thread has shaken hands: when it ends, what wolfSSL keeps for it is given back. */
void weir_tls_threads_note(const weir_tls_threads *threads);

#endif
