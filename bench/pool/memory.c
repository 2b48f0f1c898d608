/* SPDX-License-Identifier: MIT */
/* Octets that the pool asks the allocator for. */
#include "bench/pool/bench.h"

#include <stdlib.h>

static double idle_octets(uint32_t origins, uint32_t slots_each);
static void add(const char *what, double size, const char *of, double octets);

void bench_memory(const bench_run *run)
{
    const uint32_t many = run->quick ? 1000 : 1000000;
    const uint32_t some = run->quick ? 100 : 10000;
    const double one_each = idle_octets(many, 1) / many;
    const double slot = (idle_octets(1, some + 1) - idle_octets(1, 1)) / some;

    add("of a slot", some, "slots", slot);
    add("of an origin, its key and its place in the table", many, "origins", one_each - slot);
    add("of a ticket, which lies in its exchange", 0, NULL, (double)sizeof(weir_ticket));
    add("of a pool that is empty", 0, NULL, idle_octets(0, 0));
}

static double idle_octets(uint32_t origins, uint32_t slots_each)
{
    weir_ticket *tickets = calloc((size_t)slots_each + 1, sizeof *tickets);
    bed b;

    bed_must(tickets != NULL, "there is memory for tickets");
    bed_open(&b, (bed_limits){.connections = origins * slots_each + 1,
                              .connections_per_origin = slots_each,
                              .tickets = slots_each});
    if (slots_each > 1) {
        bed_slots(&b, tickets, slots_each, 0);
    } else {
        bed_origins(&b, origins);
    }
    const double octets = (double)b.memory.octets;
    bed_close(&b);
    free(tickets);
    return octets;
}

static void add(const char *what, double size, const char *of, double octets)
{
    const bench_figure figure = {.group = "Memory: the pool",
                                 .what = what,
                                 .size = size,
                                 .of = of,
                                 .unit = "octets",
                                 .value = octets,
                                 .low = octets,
                                 .high = octets};

    bench_figures_add(&figure);
}
