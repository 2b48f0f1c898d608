/* SPDX-License-Identifier: MIT */
/*
 * Where an assertion of any layer ends in the library: one line on standard error, then abort.
 *
 * The pure layers only declare weir_assert_fail(). It lives here because printing and aborting are
 * not pure, and alone in its file so that tests can put their own in its place.
 */
#include "proto/base.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void weir_assert_fail(const char *what, const char *file, int line)
{
    fprintf(stderr,
            "weir: assertion failed: %s (%s:%d). This is a defect of weir or of the call.\n", what,
            file, line);
    abort();
}
