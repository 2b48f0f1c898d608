/* SPDX-License-Identifier: MIT */
/* Descriptors as bits: noted, struck out, found again in order. */
#include "engine/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/failalloc.h"

static void held__finds_what_is_noted_in_order(void **state)
{
    static const int fds[] = {0, 1, 63, 64, 4095, 4096, 70000, (1 << 20) - 1};
    weir_failalloc memory;
    weir_held held;

    (void)state;
    weir_failalloc_init(&memory, 0);
    weir_held_init(&held, &memory.allocator);
    assert_int_equal(weir_held_next(&held, 0), -1);
    for (size_t i = WEIR_COUNT_OF(fds); i-- > 0;) {
        weir_held_note(&held, fds[i]);
        weir_held_note(&held, fds[i]);
    }
    int fd = -1;
    for (size_t i = 0; i < WEIR_COUNT_OF(fds); i++) {
        fd = weir_held_next(&held, fd + 1);
        assert_int_equal(fd, fds[i]);
    }
    assert_int_equal(weir_held_next(&held, fd + 1), -1);
    weir_held_strike(&held, 64);
    weir_held_strike(&held, 65); /* was never noted */
    assert_int_equal(weir_held_next(&held, 64), 4095);
    weir_held_clear(&held);
    assert_int_equal(weir_held_next(&held, 0), -1);
    weir_failalloc_finish(&memory);
}

static void held__passes_over_what_is_none(void **state)
{
    weir_failalloc memory;
    weir_held held;

    (void)state;
    weir_failalloc_init(&memory, 1);
    weir_held_init(&held, &memory.allocator);
    weir_held_note(&held, -1);
    weir_held_note(&held, 1 << 20);
    weir_held_strike(&held, -1);
    weir_held_strike(&held, 1 << 20);
    weir_held_note(&held, 5); /* there is no memory for it */
    assert_int_equal(weir_held_next(&held, 0), -1);
    weir_held_note(&held, 5);
    assert_int_equal(weir_held_next(&held, 0), 5);
    weir_held_clear(&held);
    weir_failalloc_finish(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held__finds_what_is_noted_in_order),
        cmocka_unit_test(held__passes_over_what_is_none),
    };
    return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
