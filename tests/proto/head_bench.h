/* SPDX-License-Identifier: MIT */
/*
 * A request head on a bench, for head*_test.c: the parts of a GET of one target, an allocator that
 * counts, and what is to be true of a head that passed and of one that was refused.
 */
#ifndef WEIR_TESTS_HEAD_BENCH_H
#define WEIR_TESTS_HEAD_BENCH_H

#include "proto/head.h"
#include "support/failalloc.h"

#define NO_INDEX         WEIR_UNKNOWN
#define ONE(name, value) ((weir_field[]){{WEIR_SPAN(name), WEIR_SPAN(value), 0}})
#define TEST(name)       cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

typedef struct head_bench {
    weir_failalloc failalloc;
    weir_target target;
    uint8_t storage[400];
    weir_head head;
    weir_head_parts parts;
    weir_failure failure;
} head_bench;

void bench_aim(head_bench *f, const char *url);
int bench_setup(void **state);
int bench_teardown(void **state);
void bench_assert_span(weir_span span, const char *text);
void bench_assert_field(const weir_fields *fields, size_t i, const char *name, const char *value,
                        uint32_t flags);
void bench_assert_built(head_bench *f, const weir_field *fields, size_t count);
/* Refused, with nothing left, and index names the field. */
void bench_assert_refused(head_bench *f, const weir_field *fields, size_t count,
                          weir_status expected, uint64_t index);
void bench_refuse_one(head_bench *f, weir_field field, weir_status expected);
void bench_refuse_field(head_bench *f, const char *name, const char *value, weir_status expected);

#endif
