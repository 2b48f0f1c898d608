/* SPDX-License-Identifier: MIT */
/*
 * What is remembered of origins for others: bounded, by the whole key, and forgotten in order of
 * use.
 */
#include "engine/shared_origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define LIMIT 4

static weir_origin_key key_of(const char *host, weir_protocol pin)
{
    return (weir_origin_key){
        .host = weir_span_of(host), .port = 443, .https = 1, .tls = 1, .pin = (uint8_t)pin};
}

static void remember(weir_origins *origins, const char *host, uint32_t streams)
{
    const weir_origin_key key = key_of(host, WEIR_PROTOCOL_ANY);
    const weir_memory memory = {.protocol = WEIR_H2, .streams = streams};
    weir_origins_remember(origins, &key, &memory);
}

/* 0: nothing is known. */
static uint32_t recall(weir_origins *origins, const char *host)
{
    const weir_origin_key key = key_of(host, WEIR_PROTOCOL_ANY);
    weir_memory memory;
    return weir_origins_recall(origins, &key, &memory) ? memory.streams : 0;
}

static void origins__are_known_by_the_whole_key(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_origins *origins = weir_origins_new(&memory.allocator, LIMIT, 1);
    char name[] = "a.test";
    remember(origins, name, 7);
    name[0] = 'b'; /* it was copied */
    assert_int_equal(recall(origins, "a.test"), 7);
    assert_int_equal(recall(origins, "b.test"), 0);
    const weir_origin_key pinned = key_of("a.test", WEIR_H1);
    weir_memory found;
    assert_false(weir_origins_recall(origins, &pinned, &found));
    remember(origins, "a.test", 8);
    assert_int_equal(recall(origins, "a.test"), 8);
    weir_origins_free(origins);
    weir_failalloc_finish(&memory);
}

static void origins__not_used_for_longest_make_room(void **state)
{
    (void)state;
    static const char *const hosts[] = {"a", "b", "c", "d"};
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_origins *origins = weir_origins_new(&memory.allocator, LIMIT, 1);
    for (uint32_t i = 0; i < LIMIT; i++) {
        remember(origins, hosts[i], i + 1);
    }
    assert_int_equal(recall(origins, "a"), 1);
    remember(origins, "e", 5);
    assert_int_equal(recall(origins, "b"), 0);
    assert_int_equal(recall(origins, "a"), 1);
    assert_int_equal(recall(origins, "e"), 5);
    weir_origins_free(origins);
    weir_failalloc_finish(&memory);
}

static void origins__survive_without_memory(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_origins *origins = weir_origins_new(&memory.allocator, LIMIT, 1);
    memory.fail_at = 2;
    memory.and_after = true;
    remember(origins, "a", 1);
    assert_int_equal(recall(origins, "a"), 0);
    weir_origins_free(origins);
    weir_failalloc_finish(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins__are_known_by_the_whole_key),
        cmocka_unit_test(origins__not_used_for_longest_make_room),
        cmocka_unit_test(origins__survive_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
