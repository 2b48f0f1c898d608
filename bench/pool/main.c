/* SPDX-License-Identifier: MIT */
/*
 * weir-bench-pool: what the pool and an idle connection cost. bench/run starts it.
 *
 *   weir-bench-pool [--quick] [--json FILE] [--data FOLDER]
 *                   [--clear-port N --tls-port N --ca FILE]
 *
 * The status is 0 if everything was measured, whatever the figures are.
 */
#include "bench/pool/bench.h"

#include <stdlib.h>
#include <string.h>

int main(int count, char **words)
{
    bench_run run = {.samples = 1001};
    const char *json = NULL;
    const char *data = NULL;

    for (int i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : "";
        if (strcmp(words[i], "--quick") == 0) {
            run.quick = true;
            run.samples = 51;
            continue;
        }
        if (strcmp(words[i], "--json") == 0) {
            json = value;
        } else if (strcmp(words[i], "--data") == 0) {
            data = value;
        } else if (strcmp(words[i], "--clear-port") == 0) {
            run.clear_port = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i], "--tls-port") == 0) {
            run.tls_port = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i], "--ca") == 0) {
            run.ca = value;
        } else {
            fprintf(stderr, "weir-bench-pool: what is %s?\n", words[i]);
            return 2;
        }
        i++;
    }
    bench_speed(&run);
    bench_queue(&run);
    bench_memory(&run);
    if (run.clear_port != 0) {
        bench_connections(&run);
    }
    bench_figures_print(stdout);
    if (json != NULL && !bench_figures_write_json(json, "pool", run.quick)) {
        perror(json);
        return 1;
    }
    if (data != NULL && !bench_figures_write_data(data)) {
        perror(data);
        return 1;
    }
    if (run.quick) {
        printf("\nA quick run: it shows that everything can be measured, and its figures are not "
               "judged.\n");
    } else if (bench_figures_over() > 0) {
        printf("\n%zu over what they should be at most.\n", bench_figures_over());
    } else {
        printf("\nAll within what they should be at most.\n");
    }
    return 0;
}
