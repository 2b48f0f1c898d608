/* SPDX-License-Identifier: MIT */
/*
 * A channel of look-ups on a bench, for resolve*_test.c: a name server on loopback that answers
 * what the test tells it to, the answers that came, and the steps that bring them.
 */
#ifndef WEIR_TESTS_RESOLVE_BENCH_H
#define WEIR_TESTS_RESOLVE_BENCH_H

#include "engine/held.h"
#include "engine/resolve.h"
#include "support/dns_server.h"
#include "support/failalloc.h"

#define WAIT_NS       (10 * WEIR_NS_PER_SECOND)
#define POLL_LIMIT    32
#define TOLD_LIMIT    8
#define BENCHED(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

/* An answer, with its addresses copied. */
typedef struct resolve_told {
    void *user;
    uint8_t family;
    weir_status status;
    size_t count;
    weir_address addresses[WEIR_DIAL_ADDRESSES];
} resolve_told;

typedef struct resolve_bench {
    weir_failalloc memory;
    weir_dns_server server;
    weir_channel *channel;
    resolve_told told[TOLD_LIMIT];
    size_t count;
    weir_held held; /* of those tests that want it */
} resolve_bench;

void bench_open_channel(resolve_bench *bench, const weir_channel_options *with);
int bench_setup(void **state);
int bench_teardown(void **state);
weir_lookup *bench_start(resolve_bench *bench, const char *host, void *user);
void bench_take_answers(resolve_bench *bench);
/* One round: whatever is ready on either side; false: nothing was, until the deadline. */
bool bench_step(resolve_bench *bench, weir_time until_ns);
void bench_run_until_told(resolve_bench *bench, size_t count);
void bench_run_until_held(resolve_bench *bench, size_t count);
/* Until neither side has anything to do. */
void bench_run_dry(resolve_bench *bench);
const resolve_told *bench_told_of(const resolve_bench *bench, uint8_t family);
void bench_assert_address(const resolve_told *told, size_t i, const char *text,
                          uint32_t ttl_seconds);
void bench_assert_both_say(resolve_bench *bench, const char *host, weir_status status);

#endif
