/* SPDX-License-Identifier: MIT */
/*
 * What has to go well for a test to mean anything, on a thread that is none of cmocka's too.
 */
#ifndef WEIR_TESTS_MUST_H
#define WEIR_TESTS_MUST_H

#include <stdbool.h>

/* Aborts with a line that says what did not, where, and errno's sentence. */
#define must(ok, what) weir_must(ok, what, __FILE__, __LINE__)
void weir_must(bool ok, const char *what, const char *file, int line);

#endif
