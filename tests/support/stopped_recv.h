/* SPDX-License-Identifier: MIT */
/*
 * A thread that stops where weir is about to receive. The linker puts a recv() that does so in the
 * place of the system's: see weir_stop_recv() in tests/behaviour/CMakeLists.txt.
 *
 *   the one thread      weir_recv_stop_next, receives ........... weir_recv_was_let_go
 *   another             weir_recv_stopped_await, weir_recv_let_go
 */
#ifndef WEIR_TESTS_STOPPED_RECV_H
#define WEIR_TESTS_STOPPED_RECV_H

#include <stdbool.h>

void weir_recv_stops_open(void);
void weir_recv_stops_close(void);

/* The calling thread stops in its next recv(), before anything is received. */
void weir_recv_stop_next(void);
/* Until a thread has stopped. */
void weir_recv_stopped_await(void);
void weir_recv_let_go(void);
/* The calling thread stopped and was let go, and did not go on by itself after ten seconds. */
bool weir_recv_was_let_go(void);

#endif
