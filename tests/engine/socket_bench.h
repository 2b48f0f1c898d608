/* SPDX-License-Identifier: MIT */
/*
 * A connection over loopback on a bench, for os_*_test.c: our end is the engine's, the peer's a
 * plain socket. Nothing sleeps, what travels is waited for with poll.
 */
#ifndef WEIR_TESTS_SOCKET_BENCH_H
#define WEIR_TESTS_SOCKET_BENCH_H

#include "engine/os.h"

#define WAIT_MS       5000
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/* Our end, the peer's, and the ledger: what the system calls returned. */
typedef struct socket_bench {
    int listener;
    uint16_t port;
    int fd;
    int peer;
    weir_octets ledger;
    weir_os_watch watch;
} socket_bench;

extern const weir_address bench_loopback; /* 127.0.0.1 */

void bench_await(int fd, short events);
/* Until the kernel says that this state is reached; each look lets the other end run. */
void bench_await_state(int fd, unsigned state);
void bench_connect_both(socket_bench *bench);
int bench_setup(void **state);
int bench_teardown(void **state);
void bench_peer_sends(socket_bench *bench, size_t octets);

#endif
