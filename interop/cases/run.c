/* SPDX-License-Identifier: MIT */
/* The runner of rows; run.h has the format of its file. */
#include "run.h"

#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW_SECONDS = 120 };

typedef struct runner {
    server server;
    capabilities can;
    trial_tls tls;
    FILE *rows;
    FILE *witness;
    char **done; /* rows that a run before has begun */
    size_t done_count;
    size_t done_room;
} runner;

static void load_done(runner *r, const char *path);
static bool is_done(const runner *r, const char *key);
static bool is_wanted(const run_options *options, const char *name);
static void run_way(runner *r, const run_options *options, way w);
static size_t run_row(runner *r, const interop_case *c, way w, const char *key);
static void write_acquired(FILE *to, const notes *n);
static void write_closed(FILE *to, const notes *n);
static void write_witnessed(runner *r);
static weir_tls_config *trust(const char *ca);

void run_rows(const run_options *options)
{
    runner r = {.rows = NULL};
    const char *witness = getenv("WEIR_WITNESS");
    capabilities_load(&r.can, options->capabilities_file);
    server_load(&r.server, options->server_file, &r.can);
    if (witness == NULL) {
        die("WEIR_WITNESS is not set: nobody would testify");
    }
    fclose(must_open(witness, "a"));
    r.witness = must_open(witness, "r");
    load_done(&r, options->rows_file);
    r.rows = must_open(options->rows_file, "a");
    fprintf(r.rows, "server\t%s\t%s\n", r.server.name,
            r.server.version != NULL ? r.server.version : "-");
    r.tls.trusting = trust(r.server.ca);
    r.tls.doubting = trust(r.server.other_ca != NULL ? r.server.other_ca : r.server.ca);
    for (size_t i = 0; i < WAYS; i++) {
        run_way(&r, options, way_at(i));
    }
    weir_tls_config_release(r.tls.trusting);
    weir_tls_config_release(r.tls.doubting);
    fclose(r.rows);
    fclose(r.witness);
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
        if (!is_wanted(options, c->name) || is_done(r, key) ||
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
    weir_time began_ns = weir_now();
    fprintf(r->rows, "row\t%s\n", key);
    fflush(r->rows);
    if (fseek(r->witness, 0, SEEK_END) != 0) {
        die("the witness's file cannot be read");
    }
    alarm(ROW_SECONDS); /* a row that hangs ends the program, and is found without its end */
    trial_open(&t);
    c->run(&t);
    trial_close(&t);
    alarm(0);
    write_acquired(r->rows, &t.notes);
    write_closed(r->rows, &t.notes);
    write_witnessed(r);
    for (size_t i = 0; i < t.notes.closed_count; i++) {
        const weir_octets *other = &t.notes.closed[i].other;
        (void)trial_check(&t, t.may_other || (other->sent == 0 && other->received == 0),
                          "the row `other` has %" PRIu64 " octets sent and %" PRIu64 " received",
                          other->sent, other->received);
    }
    for (size_t i = 0; i < t.problem_count && i < PROBLEMS; i++) {
        fprintf(r->rows, "problem\t%s\n", t.problems[i]);
    }
    fprintf(r->rows, "end\t%zu\t%" PRIu64 "\n", t.problem_count,
            (weir_now() - began_ns) / WEIR_NS_PER_MS);
    fflush(r->rows);
    notes_clear(&t.notes);
    return t.problem_count;
}

static void write_acquired(FILE *to, const notes *n)
{
    for (size_t i = 0; i < n->acquired_count; i++) {
        const acquired *a = &n->acquired[i];
        fprintf(to, "acquired\t%s\t%u\t%s\t%" PRIu64 "\t%" PRIu64 "\n", a->host, a->port,
                weir_protocol_name(a->protocol), a->fresh, a->reused);
    }
}

static void write_octets(FILE *to, weir_octets octets)
{
    fprintf(to, "\t%" PRIu64 "\t%" PRIu64, octets.sent, octets.received);
}

static void write_closed(FILE *to, const notes *n)
{
    static const char *const agreements[] = {"unavailable", "agree", "differ"};
    for (size_t i = 0; i < n->closed_count; i++) {
        const closed *c = &n->closed[i];
        fprintf(to, "closed\t%" PRIu64 "\t%u\t%s", c->conn, c->local_port,
                weir_protocol_name(c->protocol));
        write_octets(to, c->rows);
        write_octets(to, c->wire);
        fprintf(to, "\t%s", agreements[c->verdict.agreement]);
        write_octets(to, c->verdict.ledger);
        write_octets(to, c->verdict.kernel);
        write_octets(to, c->other);
        fputc('\n', to);
    }
}

/* The lines that the witness has written since the row began. */
static void write_witnessed(runner *r)
{
    char *line;
    clearerr(r->witness);
    while ((line = next_line(r->witness)) != NULL) {
        char *p[14];
        if (cut(line, p, 14) != 14) {
            die("the witness wrote a line without its 14 columns");
        }
        /* What arrived is more than what was received if octets lay unread at the close. */
        uint64_t fin = strcmp(p[13], "1") == 0 ? 1 : 0;
        fprintf(r->rows, "witness\t%s\t%s\t%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%s\n", p[1], p[2],
                p[3], p[4], number_of(p[11]) - fin, fin, p[5]);
    }
}

static weir_tls_config *trust(const char *ca)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_failure failure;
    options.ca_file = ca;
    options.only_these_roots = true;
    weir_tls_config *config = weir_tls_config_new(&options, NULL, &status, &failure);
    if (config == NULL) {
        die("%s: %s", ca, weir_status_name(status));
    }
    return config;
}
