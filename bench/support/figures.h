/* SPDX-License-Identifier: MIT */
/*
 * What was measured: a list of figures, printed as a table that a person reads at a glance, as JSON
 * for a program, and as columns for a plot.
 */
#ifndef WEIR_BENCH_FIGURES_H
#define WEIR_BENCH_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "bench/support/sample.h"

typedef struct bench_figure {
    const char *group; /* a heading of the table, and a line of the plot */
    const char *what;
    const char *series; /* the line of the plot that it is a point of; NULL: none */
    double size;        /* its x there: how many of `of` there are; 0: none */
    const char *of;     /* "origins" */
    const char *unit;   /* "ns", "octets" */
    double value;
    double low; /* the tenth percentile; equal to the value: measured once, exact */
    double high;
    double limit; /* at most so much is the target; 0: there is none */
} bench_figure;

/* At most 128. `figure` is copied; its strings are *kept*. */
void bench_figures_add(const bench_figure *figure);
/* The same with value, low and high from the samples. */
void bench_figures_add_samples(bench_figure figure, bench_samples *samples);

void bench_figures_print(FILE *to);
bool bench_figures_write_json(const char *path, const char *bench, bool quick);
/* Columns "size value low high" in folder/<series>.dat. */
bool bench_figures_write_data(const char *folder);
/* How many are over their limit. */
size_t bench_figures_over(void);

#endif
