/* SPDX-License-Identifier: MIT */
/*
 * Every way a call can end but well: each status of the table is produced through the public
 * interface, over every way where it makes sense, and the last test fails when one is not.
 */
#include "failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARTS 3

int main(void)
{
    const weir_failures parts[PARTS] = {
        weir_failures_of_callers(),
        weir_failures_of_deadlines(),
        weir_failures_of_peers(),
    };
    size_t count = 0;

    for (size_t i = 0; i < PARTS; i++) {
        count += parts[i].count;
    }
    weir_behaviour *all = calloc(count, sizeof(*all));
    if (all == NULL) {
        abort();
    }
    size_t used = 0;
    for (size_t i = 0; i < PARTS; i++) {
        memcpy(all + used, parts[i].behaviours, parts[i].count * sizeof(*all));
        used += parts[i].count;
    }
    const int failed = weir_world_run("failure", all, count, NULL);
    free(all);
    return failed;
}
