/* SPDX-License-Identifier: MIT */
/* Gathering what the servers' runs wrote, and the order of judging it; report.h says what comes
 * out. */
#include "report.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

static void load_servers(report *r);
static void load_rows(report *r);
static void load_logs(report *r, const report_server *s);
static const report_server *server_of(const report *r, const char *name);
static void count_outcomes(report *r);
static void clear(report *r);

int report_make(const report_options *options)
{
    report r = {.options = options};
    capabilities_load(&r.can, options->capabilities_file);
    load_servers(&r);
    load_rows(&r);
    for (size_t i = 0; i < r.server_count; i++) {
        if (r.servers[i].version != NULL) {
            load_logs(&r, &r.servers[i]);
        }
    }
    for (size_t i = 0; i < r.rows.count; i++) {
        const report_server *s = server_of(&r, r.rows.at[i].server);
        judge_row(&r.rows.at[i], &r.verdicts, s != NULL && s->logged);
    }
    if (options->expected_file != NULL) {
        expected_check(&r);
    }
    count_outcomes(&r);
    table_print(&r);
    if (options->json_file != NULL) {
        json_write(&r, options->json_file);
    }
    const int status = r.failed == 0 ? 0 : 1;
    clear(&r);
    return status;
}

static void load_servers(report *r)
{
    FILE *file = must_open(r->options->servers_file, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *p[5];
        size_t count = cut(line, p, 5);
        bool ran = count == 5;
        if (!ran && !(count >= 2 && strcmp(p[1], "-") == 0)) {
            die("%s: a line without its five columns", r->options->servers_file);
        }
        r->servers = must_grow(r->servers, r->server_count, &r->server_room, sizeof r->servers[0]);
        report_server *s = &r->servers[r->server_count++];
        *s = (report_server){.name = must_copy(p[0])};
        if (ran) {
            s->version = must_copy(p[1]);
            s->rows_file = must_copy(p[2]);
            s->witness_file = must_copy(p[3]);
            s->server_file = must_copy(p[4]);
        } else if (count == 3) {
            s->problem = must_copy(p[2]);
            verdicts_add_problem(&r->verdicts, "%s %s", s->name, s->problem);
        } else {
            r->skipped++;
        }
    }
    fclose(file);
}

static void load_rows(report *r)
{
    for (size_t i = 0; i < r->server_count; i++) {
        size_t first = r->rows.count;
        if (r->servers[i].version != NULL) {
            rows_load(&r->rows, r->servers[i].rows_file);
            judge_witness(&r->rows, first, &r->verdicts, r->servers[i].witness_file);
        }
    }
}

/* log=PORTS FILE lines of the server's file. */
static void load_logs(report *r, const report_server *s)
{
    FILE *file = must_open(s->server_file, "r");
    char *line;
    char *logs[64];
    size_t count = 0;
    while ((line = next_line(file)) != NULL) {
        if (strncmp(line, "log=", 4) == 0 && count < sizeof logs / sizeof logs[0]) {
            logs[count++] = must_copy(line + 4);
        }
    }
    fclose(file);
    for (size_t i = 0; i < count; i++) {
        char *path = strchr(logs[i], ' ');
        if (path == NULL) {
            die("%s: a log without its port and file", s->server_file);
        }
        *path++ = '\0';
        judge_origin_log(&r->rows, &r->verdicts, s->name, logs[i], path);
        free(logs[i]);
    }
    for (size_t i = 0; i < r->server_count; i++) {
        if (&r->servers[i] == s) {
            r->servers[i].logged = count > 0;
        }
    }
}

static const report_server *server_of(const report *r, const char *name)
{
    for (size_t i = 0; i < r->server_count; i++) {
        if (strcmp(r->servers[i].name, name) == 0) {
            return &r->servers[i];
        }
    }
    return NULL;
}

static void count_outcomes(report *r)
{
    for (size_t i = 0; i < r->rows.count; i++) {
        switch (r->rows.at[i].outcome) {
        case OUTCOME_PASSED:
            r->passed++;
            break;
        case OUTCOME_FAILED:
            r->failed++;
            break;
        case OUTCOME_UNREACHABLE:
            r->unreachable++;
            break;
        }
    }
    r->failed += r->verdicts.problems;
}

static void clear(report *r)
{
    for (size_t i = 0; i < r->server_count; i++) {
        report_server *s = &r->servers[i];
        free(s->name);
        free(s->version);
        free(s->problem);
        free(s->rows_file);
        free(s->witness_file);
        free(s->server_file);
    }
    free(r->servers);
    rows_clear(&r->rows);
    verdicts_clear(&r->verdicts);
    capabilities_clear(&r->can);
}
