/* SPDX-License-Identifier: MIT */
/* Which addresses were lost lately: for how long, how many, and without memory. */
#include "engine/shunned.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define PORT 443

typedef struct shunned_bench {
    weir_failalloc memory;
    weir_shunned shunned;
} shunned_bench;

static weir_address address(uint8_t family, unsigned n)
{
    return (weir_address){.family = family, .octets = {10, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

static void add(shunned_bench *bench, unsigned n, weir_time now_ns)
{
    const weir_address lost = address(4, n);

    weir_shunned_add(&bench->shunned, &bench->memory.allocator, &lost, PORT, now_ns);
}

static bool has(const shunned_bench *bench, unsigned n, weir_time now_ns)
{
    const weir_address asked = address(4, n);

    return weir_shunned_has(&bench->shunned, &asked, PORT, now_ns);
}

static int setup(void **state)
{
    static shunned_bench bench;

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    shunned_bench *bench = *state;

    weir_shunned_clear(&bench->shunned, &bench->memory.allocator);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

static void shunned__lasts_a_minute_from_the_last_loss(void **state)
{
    shunned_bench *bench = *state;

    add(bench, 1, 10);
    assert_true(has(bench, 1, 10));
    assert_true(has(bench, 1, 10 + WEIR_SHUNNED_NS - 1));
    assert_false(has(bench, 1, 10 + WEIR_SHUNNED_NS));
    add(bench, 1, 20);
    assert_true(has(bench, 1, 10 + WEIR_SHUNNED_NS));
    assert_false(has(bench, 1, 20 + WEIR_SHUNNED_NS));
    assert_int_equal(bench->shunned.count, 1);
}

static void shunned__tells_addresses_families_zones_and_ports_apart(void **state)
{
    shunned_bench *bench = *state;
    weir_address other = address(6, 1);

    add(bench, 1, 10);
    assert_false(has(bench, 2, 10));
    assert_false(weir_shunned_has(&bench->shunned, &other, PORT, 10));
    other = address(4, 1);
    assert_false(weir_shunned_has(&bench->shunned, &other, PORT + 1, 10));
    other.scope = 2;
    assert_false(weir_shunned_has(&bench->shunned, &other, PORT, 10));
}

static void shunned__forgets_what_answered(void **state)
{
    shunned_bench *bench = *state;
    const weir_address one = address(4, 1);

    add(bench, 1, 10);
    add(bench, 2, 10);
    weir_shunned_strike(&bench->shunned, &one, PORT);
    assert_false(has(bench, 1, 10));
    assert_true(has(bench, 2, 10));
    weir_shunned_forget(&bench->shunned);
    assert_false(has(bench, 2, 10));
}

static void shunned__lets_the_oldest_make_room(void **state)
{
    shunned_bench *bench = *state;

    for (unsigned n = 0; n < WEIR_SHUNNED_LIMIT + 10; n++) {
        add(bench, n, 10 + n);
    }
    assert_int_equal(bench->shunned.count, WEIR_SHUNNED_LIMIT);
    for (unsigned n = 0; n < WEIR_SHUNNED_LIMIT + 10; n++) {
        assert_int_equal(has(bench, n, 300), n >= 10);
    }
    assert_int_equal(bench->memory.calls, 1);
}

static void shunned__remembers_nothing_without_memory(void **state)
{
    shunned_bench *bench = *state;

    bench->memory.fail_at = 1;
    add(bench, 1, 10);
    assert_int_equal(bench->memory.failures, 1);
    assert_false(has(bench, 1, 10));
    add(bench, 1, 10);
    assert_true(has(bench, 1, 10));
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(shunned__lasts_a_minute_from_the_last_loss),
        BENCHED(shunned__tells_addresses_families_zones_and_ports_apart),
        BENCHED(shunned__forgets_what_answered),
        BENCHED(shunned__lets_the_oldest_make_room),
        BENCHED(shunned__remembers_nothing_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
