/* SPDX-License-Identifier: MIT */
/* Writing a row down; record.h has the format. */
#include "record.h"

#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROW_SECONDS = 120 };

static void write_acquired(FILE *to, const notes *n);
static void write_octets(FILE *to, weir_octets octets);
static void write_closed(FILE *to, const notes *n);
static void write_witnessed(record *r);
static void check_other(trial *t);

void record_open(record *r, const char *path)
{
    const char *witness = getenv("WEIR_WITNESS");
    if (witness == NULL) {
        die("WEIR_WITNESS is not set: nobody would testify");
    }
    fclose(must_open(witness, "a"));
    r->witness = must_open(witness, "r");
    r->rows = must_open(path, "a");
}

void record_close(record *r)
{
    fclose(r->rows);
    fclose(r->witness);
}

void record_server(record *r, const char *name, const char *version)
{
    fprintf(r->rows, "server\t%s\t%s\n", name, version != NULL ? version : "-");
}

void record_begin(record *r, const char *key)
{
    r->began_ns = weir_now();
    fprintf(r->rows, "row\t%s\n", key);
    fflush(r->rows);
    if (fseek(r->witness, 0, SEEK_END) != 0) {
        die("the witness's file cannot be read");
    }
    alarm(ROW_SECONDS); /* a row that hangs ends the program, and is found without its end */
}

void record_end(record *r, trial *t)
{
    alarm(0);
    write_acquired(r->rows, &t->notes);
    write_closed(r->rows, &t->notes);
    write_witnessed(r);
    check_other(t);
    for (size_t i = 0; i < t->problem_count && i < PROBLEMS; i++) {
        fprintf(r->rows, "problem\t%s\n", t->problems[i]);
    }
    fprintf(r->rows, "end\t%zu\t%" PRIu64 "\n", t->problem_count,
            (weir_now() - r->began_ns) / WEIR_NS_PER_MS);
    fflush(r->rows);
}

void record_unreachable(record *r, const char *key)
{
    fprintf(r->rows, "row\t%s\nunreachable\nend\t0\t0\n", key);
    fflush(r->rows);
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
static void write_witnessed(record *r)
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

/* `other` is for what has no row of its own: a case that causes such octets says so. */
static void check_other(trial *t)
{
    for (size_t i = 0; i < t->notes.closed_count; i++) {
        const weir_octets *other = &t->notes.closed[i].other;
        (void)trial_check(t, t->may_other || (other->sent == 0 && other->received == 0),
                          "the row `other` has %" PRIu64 " octets sent and %" PRIu64 " received",
                          other->sent, other->received);
    }
}
