/* SPDX-License-Identifier: MIT */
/*
 * Deadlines saturate; every timer has a name of its own.
 */
#include "proto/clock.h"

#include "proto/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void clock__adding_saturates_at_never(void **state)
{
    (void)state;
    assert_int_equal(weir_time_add(5, 7), 12);
    assert_int_equal(weir_time_add(0, 0), 0);
    assert_true(weir_time_add(WEIR_NEVER, 1) == WEIR_NEVER);
    assert_true(weir_time_add(1, WEIR_NEVER) == WEIR_NEVER);
    assert_true(weir_time_add(WEIR_NEVER, WEIR_NEVER) == WEIR_NEVER);
    assert_true(weir_time_add(WEIR_NEVER - 1, 1) == WEIR_NEVER);
    assert_true(weir_time_add(WEIR_NEVER - 2, 1) == WEIR_NEVER - 1);
    assert_true(weir_time_add(WEIR_NEVER, 0) == WEIR_NEVER);
}

static void clock__time_since_the_future_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(weir_time_since(12, 5), 7);
    assert_int_equal(weir_time_since(5, 5), 0);
    assert_int_equal(weir_time_since(5, 12), 0);
}

static void clock__the_earlier_of_two_is_the_smaller(void **state)
{
    (void)state;
    assert_int_equal(weir_time_earlier(5, 12), 5);
    assert_int_equal(weir_time_earlier(12, 5), 5);
    assert_int_equal(weir_time_earlier(WEIR_NEVER, 5), 5);
}

static void clock__every_timer_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (weir_why why = WEIR_WHY_NONE; why < WEIR_WHY_COUNT; why++) {
        assert_non_null(weir_why_name(why));
        assert_string_not_equal(weir_why_name(why), "unknown");
        for (weir_why other = WEIR_WHY_NONE; other < why; other++) {
            assert_string_not_equal(weir_why_name(why), weir_why_name(other));
        }
    }
    assert_string_equal(weir_why_name(WEIR_WHY_IDLE_CONNECTION), "idle-connection");
    assert_string_equal(weir_why_name(WEIR_WHY_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock__adding_saturates_at_never),
        cmocka_unit_test(clock__time_since_the_future_is_nothing),
        cmocka_unit_test(clock__the_earlier_of_two_is_the_smaller),
        cmocka_unit_test(clock__every_timer_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
