/* SPDX-License-Identifier: MIT */
/*
 * What has to go well for a test to mean anything.
 */
#include "support/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void weir_must(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, strerror(errno));
        abort();
    }
}
