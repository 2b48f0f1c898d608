/* SPDX-License-Identifier: MIT */
/*
 * A race as rows of the interop suite, in the format of cases/record.h: a case is a pair of front
 * ends that ran the same plan, and each of their ways is a row with its connections, which the
 * report then judges like every other row's.
 */
#include "tally.h"

#include "../cases/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void claim(tally *t, size_t *owners);
static size_t stranger(const tally *t, const connection *seen);
static void write_row(FILE *to, const tally *t, size_t which, const size_t *owners);
static void write_connections(FILE *to, const tally *t, size_t which, const size_t *owners);
static void write_octets(FILE *to, weir_octets octets);
static size_t write_problems(FILE *to, const tally *t, const row *r);
static size_t problem(FILE *to, uint64_t count, const char *what);

int race_rows(const race_report *report)
{
    static tally t;
    tally_read(&t, report);
    FILE *to = must_open(report->rows, "a");
    size_t *owners = must_alloc((t.witnessed.count + 1) * sizeof *owners);
    claim(&t, owners);
    for (size_t i = 0; i < ROWS; i++) {
        if (row_is_played(&t, i)) {
            write_row(to, &t, i, owners);
        }
    }
    free(owners);
    return fclose(to) == 0 ? 0 : 1;
}

/* Each testimony goes to the row that has a connection from that port: a port that was used again
 * was closed before, so both lists have its connections in the same order. */
static void claim(tally *t, size_t *owners)
{
    for (size_t i = 0; i < t->witnessed.count; i++) {
        const connection *seen = &t->witnessed.at[i];
        connection *ours = NULL;
        for (size_t k = 0; k < t->ours.count && ours == NULL; k++) {
            connection *one = &t->ours.at[k];
            ours = one->port == seen->port && !one->has_witness ? one : NULL;
        }
        if (ours != NULL) {
            ours->has_witness = true;
        }
        owners[i] = ours != NULL ? ours->row : stranger(t, seen);
    }
}

/* The ledger does not know it: a row of that server's port fails. */
static size_t stranger(const tally *t, const connection *seen)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (t->rows[i].port == seen->peer_port) {
            return i;
        }
    }
    return 0;
}

static void write_row(FILE *to, const tally *t, size_t which, const size_t *owners)
{
    const row *r = &t->rows[which];
    const front *f = &t->fronts[which / RACE_WAYS];
    const bool is_h2 = which % 2 == 1;
    const bool is_order = strcmp(f->name, "order") == 0;
    const bool is_loop = is_order || strncmp(f->name, "loop", 4) == 0;
    fprintf(to, "row\tnginx\t%s\t%s\t%s\t%s\n",
            is_order                       ? "order"
            : strchr(f->name, '*') != NULL ? "race-unlearned"
                                           : "race",
            is_h2 ? "h2" : "http/1.1", which % RACE_WAYS >= 2 ? "tls" : "clear",
            is_loop ? "async" : "blocking");
    fprintf(to, "acquired\t127.0.0.1\t%u\t%s\t%" PRIu64 "\t%" PRIu64 "\n", r->port,
            weir_protocol_name(is_h2 ? WEIR_H2 : WEIR_H1), r->fresh, r->again);
    write_connections(to, t, which, owners);
    const size_t problems = write_problems(to, t, r);
    fprintf(to, "end\t%zu\t%" PRIu64 "\n", problems, f->took_ns / WEIR_NS_PER_MS);
}

static void write_connections(FILE *to, const tally *t, size_t which, const size_t *owners)
{
    static const char *const agreements[] = {"unavailable", "agree", "differ"};
    for (size_t i = 0; i < t->ours.count; i++) {
        const connection *c = &t->ours.at[i];
        if (c->row == which) {
            fprintf(to, "closed\t%" PRIu64 "\t%" PRIu32 "\t%s", c->conn, c->port,
                    weir_protocol_name(c->is_h2 ? WEIR_H2 : WEIR_H1));
            write_octets(to, c->sum);
            write_octets(to, c->wire);
            fprintf(to, "\t%s", agreements[c->agreement]);
            write_octets(to, c->octets);
            write_octets(to, c->kernel);
            write_octets(to, c->other);
            fputc('\n', to);
        }
    }
    for (size_t i = 0; i < t->witnessed.count; i++) {
        const connection *c = &t->witnessed.at[i];
        if (owners[i] == which) {
            fprintf(to, "witness\t%" PRIu32 "\t%" PRIu32, c->port, c->peer_port);
            write_octets(to, c->octets);
            fprintf(to, "\t%" PRIu64 "\t%d\t%s\n", c->arrived, c->saw_fin ? 1 : 0, c->state);
        }
    }
}

static void write_octets(FILE *to, weir_octets octets)
{
    fprintf(to, "\t%" PRIu64 "\t%" PRIu64, octets.sent, octets.received);
}

/* How many. */
static size_t write_problems(FILE *to, const tally *t, const row *r)
{
    size_t problems = problem(to, r->calls == 0 ? 1 : 0, "no call was made");
    problems += problem(to, r->wrong, "answers that were not the call's");
    problems += problem(to, r->failed, "calls failed that a client could save");
    problems += problem(to, r->twice, "POSTs were processed twice by nginx's log");
    problems += problem(to, r->missing, "answered calls are not in nginx's log");
    problems += problem(to, r->overtaken, "calls were served after one that asked later");
    for (size_t i = 0; i < t->reason_count && r->failed > 0; i++) {
        const reason *why = &t->reasons[i];
        if (why->is_failure && strcmp(why->front, r->front) == 0 &&
            strstr(why->word, race_way_name(r->way)) != NULL) {
            problems += problem(to, why->count, why->word);
        }
    }
    return problems;
}

static size_t problem(FILE *to, uint64_t count, const char *what)
{
    if (count > 0) {
        fprintf(to, "problem\t%" PRIu64 " %s\n", count, what);
    }
    return count > 0 ? 1 : 0;
}
