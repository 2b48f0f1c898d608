/* SPDX-License-Identifier: MIT */
/*
 * Where an assertion of any layer ends in the tests: inside cmocka's expect_assert_failure() it is
 * what the test asked for; anywhere else it aborts, on whatever thread it happened.
 */
#include "proto/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

_Noreturn void weir_assert_fail(const char *what, const char *file, int line)
{
    if (global_expecting_assert) {
        mock_assert(0, what, file, line);
    }
    fprintf(stderr, "assertion failed: %s (%s:%d)\n", what, file, line);
    abort();
}
