/* SPDX-License-Identifier: MIT */
/*
 * What the TLS suites stand on: one authority, one good server, a configuration that trusts only
 * that authority, and a counting allocator.
 */
#ifndef WEIR_TESTS_TLS_BENCH_H
#define WEIR_TESTS_TLS_BENCH_H

#include "engine/tls_session.h"
#include "support/tls_pair.h"

/* For the whole program. */
extern weir_pki weir_bench_root;
extern weir_pki weir_bench_leaf; /* server.test, *.many.test, 127.0.0.1 */
int weir_bench_make_certificates(void **state);
int weir_bench_drop_certificates(void **state);

/* For one test. */
typedef struct weir_bench {
    weir_failalloc memory;
    weir_bin bin;
    weir_tls_config *config;
    weir_tls_sessions *sessions; /* NULL */
    weir_protocol pin;
    const char *name; /* "server.test" */
    uint16_t port;
    weir_span route;
    weir_origin_key origin; /* of the last filter */
    weir_tls_pair *pair;
} weir_bench;

int weir_bench_set_up(void **state);
int weir_bench_tear_down(void **state);

#define WEIR_LIVE(test)                                                                            \
    cmocka_unit_test_setup_teardown(test, weir_bench_set_up, weir_bench_tear_down)

/* Another configuration in the place of the first: `change` alters the options, which trust the
 * authority. */
typedef void weir_bench_change(weir_tls_options *options);
void weir_bench_configure(weir_bench *bench, weir_bench_change *change);
weir_tls_config *weir_bench_new_config(const weir_allocator *allocator, weir_bench_change *change);

/* A good server: h2 and http/1.1. */
weir_tls_server_options weir_bench_server(void);

/* A filter as the bench says; it must be made. */
weir_tls *weir_bench_filter(weir_bench *bench);
/* Both ends in place of the last pair, before any octet moved. */
weir_tls_pair *weir_bench_begin(weir_bench *bench, const weir_tls_server_options *server);
/* The same, and run until nothing moves. */
weir_tls_pair *weir_bench_shake_hands(weir_bench *bench, const weir_tls_server_options *server);

void weir_assert_open(const weir_tls_pair *pair);
/* FAILED with that status; what it says. */
weir_failure weir_assert_failed(const weir_tls_pair *pair, weir_status status);

#endif
