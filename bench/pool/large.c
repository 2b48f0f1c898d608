/* SPDX-License-Identifier: MIT */
/*
 * A random one of very many origins once more, with large pages. How large pages are is settled
 * when a program begins, so a second one measures it (bench/run starts it with
 * GLIBC_TUNABLES=glibc.malloc.hugetlb=1) and leaves its figure in a file, from which the first
 * takes it into its table.
 */
#include "bench/pool/bench.h"

#include <stdlib.h>
#include <string.h>

static unsigned long large_kib(void);

bool bench_large_measure(const bench_run *run, const char *path)
{
    static bench_samples samples;
    const uint32_t origins = run->quick ? 100000 : 1000000;
    bed b;

    bed_open(&b, (bed_limits){.connections = origins, .connections_per_origin = 1, .tickets = 1});
    bed_origins(&b, origins);
    const bool is_so = large_kib() >= b.memory.octets / 1024 / 2;
    if (is_so) {
        bench_random_origins(&b, run, origins, &samples);
    }
    bed_close(&b);
    if (!is_so) {
        fprintf(stderr, "bench: less than half of the memory came in large pages\n");
        return false;
    }
    FILE *to = fopen(path, "w");
    if (to == NULL) {
        perror(path);
        return false;
    }
    fprintf(to, "%u %.2f %.2f %.2f\n", (unsigned)origins, bench_samples_at(&samples, 0.5),
            bench_samples_at(&samples, 0.1), bench_samples_at(&samples, 0.9));
    return fclose(to) == 0;
}

bool bench_large_add(const char *path)
{
    bench_figure figure = {.group = "Speed: origins",
                           .what = "... with large pages, a random one",
                           .of = "origins",
                           .unit = "ns"};
    FILE *from = fopen(path, "r");

    if (from == NULL) {
        return false;
    }
    const int read =
        fscanf(from, "%lf %lf %lf %lf", &figure.size, &figure.value, &figure.low, &figure.high);
    (void)fclose(from);
    if (read == 4) {
        bench_figures_add(&figure);
    }
    return read == 4;
}

/* What the kernel gave this process in large pages. */
static unsigned long large_kib(void)
{
    static const char name[] = "AnonHugePages:";
    char line[256];
    unsigned long kib = 0;
    FILE *from = fopen("/proc/self/smaps_rollup", "r");

    if (from == NULL) {
        return 0;
    }
    while (fgets(line, sizeof(line), from) != NULL) {
        if (strncmp(line, name, sizeof(name) - 1) == 0) {
            kib = strtoul(line + sizeof(name) - 1, NULL, 10);
        }
    }
    (void)fclose(from);
    return kib;
}
