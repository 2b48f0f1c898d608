/* SPDX-License-Identifier: MIT */
/* The runner of rows; what a row is written as is record.h's. */
#include "run.h"

#include "record.h"
#include "text.h"
#include "trust.h"

#include <stdlib.h>
#include <string.h>

typedef struct runner {
    server server;
    capabilities can;
    trial_tls tls;
    record record;
    char **done; /* rows that a run before has begun */
    size_t done_count;
    size_t done_room;
} runner;

static void load_done(runner *r, const char *path);
static bool is_done(const runner *r, const char *key);
static bool is_wanted(const run_options *options, const char *name);
static void run_way(runner *r, const run_options *options, way w);
static size_t run_row(runner *r, const interop_case *c, way w, const char *key);

void run_rows(const run_options *options)
{
    runner r = {.done = NULL};
    capabilities_load(&r.can, options->capabilities_file);
    server_load(&r.server, options->server_file, &r.can);
    load_done(&r, options->rows_file);
    record_open(&r.record, options->rows_file);
    record_server(&r.record, r.server.name, r.server.version);
    r.tls.trusting = must_trust(r.server.ca);
    r.tls.doubting = must_trust(r.server.other_ca != NULL ? r.server.other_ca : r.server.ca);
    for (size_t i = 0; i < WAYS; i++) {
        run_way(&r, options, way_at(i));
    }
    weir_tls_config_release(r.tls.trusting);
    weir_tls_config_release(r.tls.doubting);
    record_close(&r.record);
    free_texts(r.done, r.done_count);
    server_clear(&r.server);
    capabilities_clear(&r.can);
}

static void load_done(runner *r, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line;
    while (file != NULL && (line = next_line(file)) != NULL) {
        if (strncmp(line, "row\t", 4) == 0) {
            r->done = must_grow(r->done, r->done_count, &r->done_room, sizeof r->done[0]);
            r->done[r->done_count++] = must_copy(line + 4);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

static bool is_done(const runner *r, const char *key)
{
    for (size_t i = 0; i < r->done_count; i++) {
        if (strcmp(r->done[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const run_options *options, const char *name)
{
    for (size_t i = 0; i < options->case_count; i++) {
        if (strcmp(options->cases[i], name) == 0) {
            return true;
        }
    }
    return options->case_count == 0;
}

static void run_way(runner *r, const run_options *options, way w)
{
    size_t ran = 0;
    size_t with_problems = 0;
    const interop_case *c;
    if (server_port(&r->server, w) == 0) {
        return;
    }
    for (size_t i = 0; (c = case_at(i)) != NULL; i++) {
        char key[256];
        (void)snprintf(key, sizeof key, "%s\t%s\t%s\t%s\t%s", r->server.name, c->name,
                       way_protocol(w), way_tls(w), way_front(w));
        if (c->run == NULL || !is_wanted(options, c->name) || is_done(r, key) ||
            case_refusal(c, &r->can, r->server.name, w) != NULL) {
            continue;
        }
        with_problems += run_row(r, c, w, key) > 0 ? 1 : 0;
        ran++;
    }
    if (ran > 0) {
        fprintf(stderr, "  %-9s %-8s %-5s %-8s %3zu rows", r->server.name, way_protocol(w),
                way_tls(w), way_front(w), ran);
        fprintf(stderr, with_problems > 0 ? ", %zu with problems\n" : "\n", with_problems);
    }
}

static size_t run_row(runner *r, const interop_case *c, way w, const char *key)
{
    trial t = {.server = &r->server, .way = w, .name = c->name, .tls = &r->tls};
    record_begin(&r->record, key);
    trial_open(&t);
    c->run(&t);
    trial_close(&t);
    record_end(&r->record, &t);
    notes_clear(&t.notes);
    return t.problem_count;
}
