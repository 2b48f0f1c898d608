/* SPDX-License-Identifier: MIT */
/*
 * The budget of frames without progress.
 */
#include "proto/h2_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static unsigned spend_all(weir_h2_budget *budget, weir_time now_ns)
{
    unsigned frames = 0;
    while (weir_h2_budget_spend(budget, now_ns)) {
        frames++;
    }
    return frames;
}

static void budget__allows_its_limit_and_no_more(void **state)
{
    (void)state;
    weir_h2_budget budget;
    weir_h2_budget_init(&budget, 5, 1000);
    assert_int_equal(spend_all(&budget, 1000), 5);
    assert_false(weir_h2_budget_spend(&budget, 1000));
}

static void budget__progress_gives_back_but_never_more_than_was_spent(void **state)
{
    (void)state;
    weir_h2_budget budget;
    weir_h2_budget_init(&budget, 5, 0);
    assert_int_equal(spend_all(&budget, 0), 5);
    weir_h2_budget_give_back(&budget, 2);
    assert_int_equal(spend_all(&budget, 0), 2);
    weir_h2_budget_give_back(&budget, 1000);
    assert_int_equal(spend_all(&budget, 0), 5);
}

static void budget__time_gives_back_all_of_it_in_a_minute(void **state)
{
    (void)state;
    weir_h2_budget budget;
    weir_time start_ns = 77 * WEIR_NS_PER_SECOND;
    weir_h2_budget_init(&budget, 60, start_ns);
    assert_int_equal(spend_all(&budget, start_ns), 60);
    assert_int_equal(spend_all(&budget, start_ns + 999 * WEIR_NS_PER_MS), 0);
    assert_int_equal(spend_all(&budget, start_ns + 1000 * WEIR_NS_PER_MS), 1);
    assert_int_equal(spend_all(&budget, start_ns + 3500 * WEIR_NS_PER_MS), 2);
    assert_int_equal(spend_all(&budget, start_ns + 4000 * WEIR_NS_PER_MS), 1);
    assert_int_equal(spend_all(&budget, start_ns + 3600 * WEIR_NS_PER_SECOND), 60);
}

static void budget__time_that_was_not_needed_is_not_saved_up(void **state)
{
    (void)state;
    weir_h2_budget budget;
    weir_h2_budget_init(&budget, 60, 0);
    assert_int_equal(spend_all(&budget, 600 * WEIR_NS_PER_SECOND), 60);
    assert_int_equal(spend_all(&budget, 601 * WEIR_NS_PER_SECOND), 1);
}

static void budget__of_more_frames_than_nanoseconds_still_leaks(void **state)
{
    (void)state;
    weir_h2_budget budget;
    weir_h2_budget_init(&budget, UINT32_MAX, 0);
    assert_true(weir_h2_budget_spend(&budget, 0));
    assert_true(weir_h2_budget_spend(&budget, 60 * WEIR_NS_PER_SECOND));
    assert_int_equal(budget.spent, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget__allows_its_limit_and_no_more),
        cmocka_unit_test(budget__progress_gives_back_but_never_more_than_was_spent),
        cmocka_unit_test(budget__time_gives_back_all_of_it_in_a_minute),
        cmocka_unit_test(budget__time_that_was_not_needed_is_not_saved_up),
        cmocka_unit_test(budget__of_more_frames_than_nanoseconds_still_leaks),
    };
    return cmocka_run_group_tests_name("h2_budget", tests, NULL, NULL);
}
