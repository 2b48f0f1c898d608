/* SPDX-License-Identifier: MIT */
/* See asleep.h, and proc(5): the state in status, and voluntary_ctxt_switches, which counts sleeps.
 */
#include "support/asleep.h"

#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

static bool look(pid_t thread, uint64_t *sleeps);

void weir_await_asleep(pid_t thread, uint64_t apart_ns)
{
    for (;;) {
        uint64_t first = 0;
        uint64_t second = 0;
        const bool slept = look(thread, &first);
        const weir_time until_ns = weir_now() + apart_ns;
        while (weir_now() < until_ns) {
            (void)sched_yield();
        }
        if (slept && look(thread, &second) && first == second) {
            return;
        }
    }
}

uint64_t weir_sleeps_of(pid_t thread)
{
    uint64_t sleeps = 0;

    (void)look(thread, &sleeps);
    return sleeps;
}

static bool look(pid_t thread, uint64_t *sleeps)
{
    char path[64];
    char line[256];
    bool asleep = false;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)thread);
    FILE *status = fopen(path, "re");
    if (status == NULL) {
        abort();
    }
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "State:", 6) == 0) {
            asleep = strchr(line + 6, 'S') != NULL;
        }
        (void)sscanf(line, "voluntary_ctxt_switches: %" SCNu64, sleeps);
    }
    (void)fclose(status);
    return asleep;
}
