/* SPDX-License-Identifier: MIT */
/*
 * How much of the memory came in large pages, and what a random one of very many origins costs
 * where there are none: in a child, for pages that a process has once are as they are.
 */
#include "bench/pool/bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void measure_in_child(const bench_run *run, uint32_t origins, int to);
static double large_octets(void);
static bool read_whole(int from, void *to, size_t octets);

void bench_pages_share(const bed *b, uint32_t origins)
{
    bench_figures_add(&(bench_figure){.group = "Speed: origins",
                                      .what = "... of the memory in large pages",
                                      .size = origins,
                                      .of = "origins",
                                      .unit = "%",
                                      .value = 100 * large_octets() / (double)b->memory.octets,
                                      .low = 100 * large_octets() / (double)b->memory.octets,
                                      .high = 100 * large_octets() / (double)b->memory.octets});
}

void bench_small_pages(const bench_run *run, uint32_t origins)
{
    static bench_samples samples;
    int ends[2];

    bed_must(pipe(ends) == 0, "there is a pipe");
    const pid_t child = fork();
    bed_must(child >= 0, "there is a child");
    if (child == 0) {
        measure_in_child(run, origins, ends[1]);
        _exit(0);
    }
    (void)close(ends[1]);
    const bool is_whole = read_whole(ends[0], &samples, sizeof samples);
    (void)close(ends[0]);
    (void)waitpid(child, NULL, 0);
    bed_must(is_whole, "the child measured it");
    bench_figures_add_samples((bench_figure){.group = "Speed: origins",
                                             .what = "... with small pages, a random one",
                                             .size = origins,
                                             .of = "origins",
                                             .unit = "ns"},
                              &samples);
}

static void measure_in_child(const bench_run *run, uint32_t origins, int to)
{
    static bench_samples samples;
    bed b;

    bed_must(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "large pages can be refused");
    bed_open(&b, (bed_limits){.connections = origins, .connections_per_origin = 1, .tickets = 1});
    bed_origins(&b, origins);
    bench_random_origins(&b, run, origins, &samples);
    bed_must(write(to, &samples, sizeof samples) == sizeof samples, "the pipe takes it");
}

/* What the kernel gave this process in large pages. */
static double large_octets(void)
{
    static const char name[] = "AnonHugePages:";
    char line[256];
    double octets = 0;
    FILE *from = fopen("/proc/self/smaps_rollup", "r");

    if (from == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, from) != NULL) {
        if (strncmp(line, name, sizeof name - 1) == 0) {
            octets = 1024.0 * (double)strtoul(line + sizeof name - 1, NULL, 10);
        }
    }
    (void)fclose(from);
    return octets;
}

static bool read_whole(int from, void *to, size_t octets)
{
    char *at = to;

    while (octets > 0) {
        const ssize_t got = read(from, at, octets);
        if (got <= 0) {
            return false;
        }
        at += got;
        octets -= (size_t)got;
    }
    return true;
}
