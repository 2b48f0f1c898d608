/* SPDX-License-Identifier: MIT */
/* The figures of a run and their three printed forms: see figures.h. */
#include "bench/support/figures.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIGURES_LIMIT = 128, NUMBER_ROOM = 32 };

static bench_figure figures[FIGURES_LIMIT];
static size_t count;

static void print_one(FILE *to, const bench_figure *figure);
static bool is_over(const bench_figure *figure);
static const char *grouped(uint64_t number, char *room);

void bench_figures_add(const bench_figure *figure)
{
    if (count == FIGURES_LIMIT) {
        abort();
    }
    figures[count++] = *figure;
}

void bench_figures_add_samples(bench_figure figure, bench_samples *samples)
{
    figure.value = bench_samples_at(samples, 0.5);
    figure.low = bench_samples_at(samples, 0.1);
    figure.high = bench_samples_at(samples, 0.9);
    bench_figures_add(&figure);
}

void bench_figures_print(FILE *to)
{
    const char *group = "";

    for (size_t i = 0; i < count; i++) {
        if (strcmp(group, figures[i].group) != 0) {
            group = figures[i].group;
            fprintf(to, "\n%-58s %10s %-6s %15s %12s\n", group, "median", "", "10 % .. 90 %",
                    "at most");
        }
        print_one(to, &figures[i]);
    }
}

bool bench_figures_write_json(const char *path, const char *bench, bool quick)
{
    FILE *to = fopen(path, "w");

    if (to == NULL) {
        return false;
    }
    fprintf(to, "{\n  \"bench\": \"%s\",\n  \"quick\": %s,\n  \"over\": %zu,\n  \"figures\": [",
            bench, quick ? "true" : "false", bench_figures_over());
    for (size_t i = 0; i < count; i++) {
        const bench_figure *f = &figures[i];
        fprintf(to,
                "%s\n    {\"group\": \"%s\", \"what\": \"%s\", \"size\": %.0f, \"of\": \"%s\", "
                "\"unit\": \"%s\", ",
                i > 0 ? "," : "", f->group, f->what, f->size, f->of != NULL ? f->of : "", f->unit);
        fprintf(to, "\"value\": %.1f, \"low\": %.1f, \"high\": %.1f, ", f->value, f->low, f->high);
        if (f->limit > 0) {
            fprintf(to, "\"limit\": %.1f, \"ok\": %s}", f->limit, is_over(f) ? "false" : "true");
        } else {
            fprintf(to, "\"limit\": null, \"ok\": null}");
        }
    }
    fprintf(to, "\n  ]\n}\n");
    return fclose(to) == 0;
}

bool bench_figures_write_data(const char *folder)
{
    char path[4096];

    for (size_t i = 0; i < count; i++) {
        if (figures[i].series == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s.dat", folder, figures[i].series);
        FILE *to = fopen(path, "a");
        if (to == NULL) {
            return false;
        }
        fprintf(to, "%.0f %.2f %.2f %.2f\n", figures[i].size, figures[i].value, figures[i].low,
                figures[i].high);
        if (fclose(to) != 0) {
            return false;
        }
    }
    return true;
}

size_t bench_figures_over(void)
{
    size_t over = 0;

    for (size_t i = 0; i < count; i++) {
        over += is_over(&figures[i]);
    }
    return over;
}

static void print_one(FILE *to, const bench_figure *f)
{
    char size[NUMBER_ROOM];
    char value[NUMBER_ROOM];
    char limit[NUMBER_ROOM];
    char what[128];
    char spread[64] = "";

    if (f->size > 0) {
        (void)snprintf(what, sizeof(what), "%s, %s %s", f->what, grouped((uint64_t)f->size, size),
                       f->of);
    } else {
        (void)snprintf(what, sizeof(what), "%s", f->what);
    }
    if (f->low < f->high) {
        (void)snprintf(spread, sizeof(spread), "%.0f .. %.0f", f->low, f->high);
    }
    fprintf(to, "  %-56s %10s %-6s %15s", what, grouped((uint64_t)(f->value + 0.5), value), f->unit,
            spread);
    if (f->limit > 0) {
        fprintf(to, " %12s  %s", grouped((uint64_t)(f->limit + 0.5), limit),
                is_over(f) ? "OVER" : "ok");
    }
    fprintf(to, "\n");
}

static bool is_over(const bench_figure *figure)
{
    return figure->limit > 0 && figure->value > figure->limit;
}

/* 1,000,000 */
static const char *grouped(uint64_t number, char *room)
{
    char digits[NUMBER_ROOM];
    const int length = snprintf(digits, sizeof(digits), "%" PRIu64, number);
    size_t to = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            room[to++] = ',';
        }
        room[to++] = digits[i];
    }
    room[to] = '\0';
    return room;
}
