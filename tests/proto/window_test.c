/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of a receiving window, and its policy in every small situation.
 */
#include "proto/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void window__takes_no_more_than_it_announced(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 10);
    assert_true(weir_window_take(&window, 4));
    assert_false(weir_window_take(&window, 7));
    assert_int_equal(window.remaining_octets, 6);
    assert_int_equal(window.held_octets, 4);
    assert_true(weir_window_take(&window, 6));
    assert_true(weir_window_take(&window, 0));
    assert_false(weir_window_take(&window, 1));
}

static void window__gives_no_credit_for_what_is_held(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 100);
    assert_true(weir_window_take(&window, 100));
    assert_int_equal(weir_window_credit(&window, 100), 0);
    weir_window_release(&window, 49);
    assert_int_equal(weir_window_credit(&window, 100), 0);
    weir_window_release(&window, 1);
    assert_int_equal(weir_window_credit(&window, 100), 50);
    assert_int_equal(window.remaining_octets, 50);
}

static void window__gives_no_credit_before_half_is_used(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 100);
    assert_true(weir_window_take(&window, 49));
    weir_window_release(&window, 49);
    assert_int_equal(weir_window_credit(&window, 100), 0);
    assert_true(weir_window_take(&window, 1));
    weir_window_release(&window, 1);
    assert_int_equal(weir_window_credit(&window, 100), 50);
}

static void window__is_raised_with_the_first_credit(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 100);
    assert_int_equal(weir_window_credit(&window, 1000), 0);
    assert_true(weir_window_take(&window, 50));
    /* Though nothing was read: the window grows, and with it what may be held. */
    assert_int_equal(weir_window_credit(&window, 1000), 900);
    assert_int_equal(window.limit_octets, 1000);
    assert_int_equal(window.remaining_octets, 950);
    weir_window_check(&window);
}

static void window__never_shrinks(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 100);
    assert_true(weir_window_take(&window, 80));
    weir_window_release(&window, 80);
    assert_int_equal(weir_window_credit(&window, 10), 80);
    assert_int_equal(weir_window_raise(&window, 10), 0);
    assert_int_equal(window.limit_octets, 100);
}

static void window__is_raised_at_once_when_asked(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 65535);
    assert_int_equal(weir_window_raise(&window, 16777216), 16777216 - 65535);
    assert_int_equal(window.remaining_octets, 16777216);
    assert_int_equal(weir_window_raise(&window, WEIR_WINDOW_MAX_OCTETS),
                     WEIR_WINDOW_MAX_OCTETS - 16777216);
}

static void window__of_nothing_gives_nothing(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 0);
    assert_false(weir_window_take(&window, 1));
    assert_int_equal(weir_window_credit(&window, 0), 0);
}

/*
 * Every way to take and release in a window of 6 that may grow to 9, six steps deep: nothing is
 * taken beyond what was announced, nothing is lost, and who has taken half and has everything
 * released always gets credit: the peer can go on.
 */
static void walk(weir_window window, uint32_t announced, uint32_t taken, unsigned depth)
{
    weir_window_check(&window);
    assert_int_equal(announced - taken, window.remaining_octets);
    if (window.held_octets == 0 && window.remaining_octets == 0) {
        weir_window stuck = window;
        assert_true(weir_window_credit(&stuck, 9) > 0);
    }
    if (depth == 0) {
        return;
    }
    for (uint32_t octets = 0; octets <= 9; octets++) {
        weir_window next = window;
        if (weir_window_take(&next, octets)) {
            uint32_t given = weir_window_credit(&next, 9);
            walk(next, announced + given, taken + octets, depth - 1);
        }
        if (octets > 0 && octets <= window.held_octets) {
            next = window;
            weir_window_release(&next, octets);
            uint32_t given = weir_window_credit(&next, 9);
            walk(next, announced + given, taken, depth - 1);
        }
    }
}

static void window__keeps_its_books_in_every_order(void **state)
{
    (void)state;
    weir_window window;
    weir_window_init(&window, 6);
    walk(window, 6, 0, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window__takes_no_more_than_it_announced),
        cmocka_unit_test(window__gives_no_credit_for_what_is_held),
        cmocka_unit_test(window__gives_no_credit_before_half_is_used),
        cmocka_unit_test(window__is_raised_with_the_first_credit),
        cmocka_unit_test(window__never_shrinks),
        cmocka_unit_test(window__is_raised_at_once_when_asked),
        cmocka_unit_test(window__of_nothing_gives_nothing),
        cmocka_unit_test(window__keeps_its_books_in_every_order),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
