/* SPDX-License-Identifier: MIT */
/* The heap of deadlines: order, stability, moving, room; and a random world against a plain list.
 */
#include "engine/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define COUNT 100

typedef struct timer_bench {
    weir_failalloc memory;
    weir_timers timers;
    weir_timer timer[COUNT];
} timer_bench;

static int setup(void **state)
{
    static timer_bench bench;

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    weir_timers_init(&bench.timers, &bench.memory.allocator);
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(weir_timers_reserve(&bench.timers));
    }
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    timer_bench *bench = *state;

    for (size_t i = 0; i < COUNT; i++) {
        weir_timers_set(&bench->timers, &bench->timer[i], WEIR_NEVER);
    }
    weir_timers_clear(&bench->timers);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

static void arm(timer_bench *bench, size_t i, weir_time at_ns)
{
    weir_timers_set(&bench->timers, &bench->timer[i], at_ns);
    weir_timers_check(&bench->timers);
}

static void assert_pops(timer_bench *bench, weir_time now_ns, size_t i)
{
    assert_ptr_equal(weir_timers_pop(&bench->timers, now_ns), &bench->timer[i]);
    assert_int_equal(bench->timer[i].place, 0);
    weir_timers_check(&bench->timers);
}

static void timers__are_due_in_order_of_time(void **state)
{
    timer_bench *bench = *state;

    arm(bench, 0, 30);
    arm(bench, 1, 10);
    arm(bench, 2, 20);
    assert_int_equal(weir_timers_first(&bench->timers), 10);
    assert_null(weir_timers_pop(&bench->timers, 9));
    assert_pops(bench, 10, 1);
    assert_null(weir_timers_pop(&bench->timers, 19));
    assert_pops(bench, 100, 2);
    assert_pops(bench, 100, 0);
    assert_null(weir_timers_pop(&bench->timers, WEIR_NEVER));
    assert_int_equal(weir_timers_first(&bench->timers), WEIR_NEVER);
}

static void timers__of_one_time_are_due_as_they_were_armed(void **state)
{
    timer_bench *bench = *state;

    for (size_t i = 0; i < COUNT; i++) {
        arm(bench, (i * 37) % COUNT, 5);
    }
    for (size_t i = 0; i < COUNT; i++) {
        assert_pops(bench, 5, (i * 37) % COUNT);
    }
}

static void timers__keep_their_place_when_set_to_the_same_time(void **state)
{
    timer_bench *bench = *state;

    arm(bench, 0, 5);
    arm(bench, 1, 5);
    arm(bench, 0, 5);
    assert_pops(bench, 5, 0);
    arm(bench, 0, 6);
    arm(bench, 0, 5); /* moved away and back: behind */
    assert_pops(bench, 5, 1);
    assert_pops(bench, 5, 0);
}

static void timers__can_be_disarmed_anywhere(void **state)
{
    timer_bench *bench = *state;

    for (size_t out = 0; out < 7; out++) {
        for (size_t i = 0; i < 7; i++) {
            arm(bench, i, 10 - i);
        }
        arm(bench, out, WEIR_NEVER);
        arm(bench, out, WEIR_NEVER);
        for (size_t i = 7; i > 0; i--) {
            if (i - 1 != out) {
                assert_pops(bench, 10, i - 1);
            }
        }
        assert_null(weir_timers_pop(&bench->timers, 10));
    }
}

static void timers__need_reserved_room(void **state)
{
    timer_bench *bench = *state;
    weir_timer one = {0};

    weir_timers_unreserve(&bench->timers);
    for (size_t i = 0; i + 1 < COUNT; i++) {
        arm(bench, i, i);
    }
    expect_assert_failure(weir_timers_set(&bench->timers, &one, 1));
    expect_assert_failure(weir_timers_unreserve(&bench->timers));
    expect_assert_failure(weir_timers_clear(&bench->timers));
    assert_true(weir_timers_reserve(&bench->timers));
}

static void reserve_many(weir_failalloc *memory, void *user)
{
    weir_timers timers;
    size_t reserved = 0;

    (void)user;
    weir_timers_init(&timers, &memory->allocator);
    while (reserved < COUNT && weir_timers_reserve(&timers)) {
        reserved++;
    }
    assert_int_equal(timers.reserved, reserved);
    assert_true(timers.room >= reserved);
    weir_timers_clear(&timers);
}

static void timers__survive_failing_allocations(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(reserve_many, NULL) >= 3);
}

/* The model: the armed timer with the least time, and of those the one armed first. */
static size_t model_first(const timer_bench *bench, const weir_time *at_ns, const uint64_t *order)
{
    size_t first = COUNT;

    (void)bench;
    for (size_t i = 0; i < COUNT; i++) {
        if (at_ns[i] != WEIR_NEVER && (first == COUNT || at_ns[i] < at_ns[first] ||
                                       (at_ns[i] == at_ns[first] && order[i] < order[first]))) {
            first = i;
        }
    }
    return first;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void timers__agree_with_a_plain_list(void **state)
{
    timer_bench *bench = *state;
    weir_time at_ns[COUNT];
    uint64_t order[COUNT] = {0};
    uint64_t next_order = 0;
    uint64_t seed = 0x9e3779b97f4a7c15;
    weir_time now_ns = 0;
    size_t popped = 0;

    for (size_t i = 0; i < COUNT; i++) {
        at_ns[i] = WEIR_NEVER;
    }
    for (int step = 0; step < 50000; step++) {
        const uint64_t dice = next_random(&seed);
        const size_t i = (dice >> 8) % COUNT;
        if (dice % 8 < 5) {
            const weir_time to_ns = dice % 8 == 0 ? WEIR_NEVER : now_ns + (dice >> 20) % 50;
            order[i] = at_ns[i] != to_ns ? next_order++ : order[i];
            at_ns[i] = to_ns;
            arm(bench, i, to_ns);
            continue;
        }
        now_ns += dice % 8 == 5 ? 1 : 0;
        const size_t wanted = model_first(bench, at_ns, order);
        assert_int_equal(weir_timers_first(&bench->timers),
                         wanted < COUNT ? at_ns[wanted] : WEIR_NEVER);
        if (wanted < COUNT && at_ns[wanted] <= now_ns) {
            assert_pops(bench, now_ns, wanted);
            at_ns[wanted] = WEIR_NEVER;
            popped++;
        } else {
            assert_null(weir_timers_pop(&bench->timers, now_ns));
        }
    }
    assert_true(popped > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers__are_due_in_order_of_time, setup, teardown),
        cmocka_unit_test_setup_teardown(timers__of_one_time_are_due_as_they_were_armed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(timers__keep_their_place_when_set_to_the_same_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(timers__can_be_disarmed_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(timers__need_reserved_room, setup, teardown),
        cmocka_unit_test(timers__survive_failing_allocations),
        cmocka_unit_test_setup_teardown(timers__agree_with_a_plain_list, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
