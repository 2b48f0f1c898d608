/* SPDX-License-Identifier: MIT */
/*
 * Coroutines on one thread, for tests that write blocking code over an asynchronous front end, or
 * green threads over the blocking one. Sanitizers are told of every change of stack.
 *
 *   new -> (resume -> yield)* -> over -> free
 *
 * Thread rule: a coroutine is resumed by the thread that made it.
 */
#ifndef WEIR_TESTS_COROUTINE_H
#define WEIR_TESTS_COROUTINE_H

#include <stdbool.h>

typedef struct weir_coroutine weir_coroutine;

/* Aborts the program when memory is short: a test cannot go on without it. */
weir_coroutine *weir_coroutine_new(void (*run)(void *user), void *user);
/* Runs it until it yields or is over. From outside of it. */
void weir_coroutine_resume(weir_coroutine *coroutine);
/* Back to who resumed the one that runs. */
void weir_coroutine_yield(void);
/* The one that runs on this thread; NULL: none. */
weir_coroutine *weir_coroutine_current(void);
bool weir_coroutine_is_over(const weir_coroutine *coroutine);
/* Only when it is over. */
void weir_coroutine_free(weir_coroutine *coroutine);

#endif
