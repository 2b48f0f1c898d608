/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/2 connection on a bench, for h2_send_test.c and h2_credit_test.c: a player that carries
 * its octets, and a server that decodes every frame it sends and remembers what they were.
 */
#ifndef WEIR_TESTS_H2_SEND_BENCH_H
#define WEIR_TESTS_H2_SEND_BENCH_H

#include "proto/h2_session.h"
#include "support/failalloc.h"
#include "support/h2_player.h"
#include "support/h2_wire.h"

#define CREDITS_MOST 64
#define TEST(name)   cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

typedef struct credit {
    uint32_t stream;
    uint32_t increment;
} credit;

/* The server: decodes every header block that comes and remembers the rest. */
typedef struct server {
    weir_failalloc memory;
    weir_h2_hpack *hpack;
    weir_text heads; /* of all requests, a line each */
    weir_text types; /* of all frames: "HEADERS 1 16384\n" */
    credit credits[CREDITS_MOST];
    size_t credit_count;
    size_t data_octets[16];
} server;

typedef struct h2_send_bench {
    weir_failalloc failalloc;
    weir_conn_limits limits;
    weir_h2_player player;
    weir_h2_wire wire;
    server server;
} h2_send_bench;

void bench_on_frame(weir_h2_player *player, weir_span frame, void *user);
int bench_setup(void **state);
void bench_begin(h2_send_bench *f);
void bench_server_clear(server *s);
int bench_teardown(void **state);
/* Frames as in the documents: "headers", "1 END_HEADERS :status=200". */
void bench_says(h2_send_bench *f, const char *key, const char *value);
void bench_open_request(h2_send_bench *f, const char *method, weir_framing framing);
void bench_write_zeros(h2_send_bench *f, uint32_t id, size_t octets, weir_status status,
                       size_t taken);
void bench_expect_credit(const h2_send_bench *f, size_t i, uint32_t stream, uint32_t increment);

#endif
