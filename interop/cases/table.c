/* SPDX-License-Identifier: MIT */
/*
 * What a person reads: a line for each server and way, and in full every row that failed.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct line {
    size_t passed;
    size_t failed;
    size_t unreachable;
    size_t connections;
    uint64_t fresh;
    uint64_t reused;
    const row_acquired *acquired; /* the one that came most often */
    weir_octets octets[SOURCES];
    size_t counted[SOURCES]; /* connections that the source says something of */
} line;

static void print_line(const report *r, const char *who, way w);
static line sum_of(const report *r, const char *who, way w);
static bool is_on_way(const row *w, const char *who, way on);
static void print_source(const line *l, source s);
static void print_public(const row *w);
static void print_rows(const report *r);
static void print_row(const row *w);
static void print_connection(const connection *c);
static void print_octets(const connection *c, source s);
static void print_end(const report *r);

void table_print(const report *r)
{
    if (r->options->is_public) {
        for (size_t i = 0; i < r->rows.count; i++) {
            print_public(&r->rows.at[i]);
        }
        print_rows(r);
        print_end(r);
        return;
    }
    printf("\n%-9s %-8s %-5s %-8s %6s %6s %5s  %21s %21s %21s %21s  %s\n", "server", "protocol",
           "tls", "front", "passed", "failed", "conns", "ledger sent/received", "self-check",
           "witness", "origin", "connection_acquired(host, port, protocol)");
    for (size_t i = 0; i < r->server_count; i++) {
        const report_server *s = &r->servers[i];
        if (s->version == NULL) {
            printf("%-9s %s\n", s->name,
                   s->problem != NULL ? s->problem : "is not installed: skipped");
            continue;
        }
        for (size_t k = 0; k < WAYS; k++) {
            print_line(r, s->name, way_at(k));
        }
    }
    print_rows(r);
    print_end(r);
}

static void print_line(const report *r, const char *who, way w)
{
    line l = sum_of(r, who, w);
    if (l.passed + l.failed + l.unreachable == 0) {
        return;
    }
    printf("%-9s %-8s %-5s %-8s %6zu %6zu %5zu ", who, way_protocol(w), way_tls(w), way_front(w),
           l.passed, l.failed, l.connections);
    for (source s = SOURCE_LEDGER; s < SOURCES; s++) {
        print_source(&l, s);
    }
    if (l.acquired != NULL) {
        printf("  (%s, %u, %s) %" PRIu64 " new, %" PRIu64 " reused", l.acquired->host,
               l.acquired->port, l.acquired->protocol, l.fresh, l.reused);
    }
    printf("\n");
}

static line sum_of(const report *r, const char *who, way w)
{
    line l = {.acquired = NULL};
    for (size_t i = 0; i < r->rows.count; i++) {
        const row *at = &r->rows.at[i];
        if (!is_on_way(at, who, w)) {
            continue;
        }
        l.passed += at->outcome == OUTCOME_PASSED ? 1 : 0;
        l.failed += at->outcome == OUTCOME_FAILED ? 1 : 0;
        l.unreachable += at->outcome == OUTCOME_UNREACHABLE ? 1 : 0;
        for (size_t k = 0; k < at->acquired_count; k++) {
            const row_acquired *a = &at->acquired[k];
            l.fresh += a->fresh;
            l.reused += a->reused;
            if (l.acquired == NULL ||
                a->fresh + a->reused > l.acquired->fresh + l.acquired->reused) {
                l.acquired = a;
            }
        }
        for (size_t k = 0; k < at->connection_count; k++) {
            const connection *c = &at->connections[k];
            l.connections += connection_has(c, SOURCE_SELF) ? 1 : 0;
            for (source s = SOURCE_LEDGER; s < SOURCES; s++) {
                if (connection_has(c, s)) {
                    l.counted[s]++;
                    l.octets[s].sent += connection_octets(c, s).sent;
                    l.octets[s].received += connection_octets(c, s).received;
                }
            }
        }
    }
    return l;
}

static bool is_on_way(const row *w, const char *who, way on)
{
    return strcmp(w->server, who) == 0 && strcmp(w->protocol, way_protocol(on)) == 0 &&
           strcmp(w->tls, way_tls(on)) == 0 && strcmp(w->front, way_front(on)) == 0;
}

static void print_source(const line *l, source s)
{
    char text[64] = "-";
    if (l->counted[s] > 0) {
        (void)snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64, l->octets[s].sent,
                       l->octets[s].received);
    }
    if (s == SOURCE_ORIGIN && l->counted[s] > 0 && l->counted[s] < l->connections) {
        size_t length = strlen(text);
        (void)snprintf(text + length, sizeof text - length, " of %zu", l->counted[s]);
    }
    printf(" %21s", text);
}

static void print_public(const row *w)
{
    static const char *const words[] = {"FAILED", "passed", "unreachable"};
    printf("%-11s %-8s %-8s %-60s", words[w->outcome], w->protocol, w->front, w->name);
    for (size_t i = 0; i < w->connection_count; i++) {
        const connection *c = &w->connections[i];
        for (source s = SOURCE_LEDGER; s < SOURCE_ORIGIN; s++) {
            print_octets(c, s);
        }
    }
    printf("\n");
}

static void print_rows(const report *r)
{
    for (size_t i = 0; i < r->rows.count; i++) {
        if (r->options->all_rows || r->rows.at[i].outcome == OUTCOME_FAILED) {
            print_row(&r->rows.at[i]);
        }
    }
    for (size_t i = 0; i < r->verdicts.problems; i++) {
        printf("FAILED: %s\n", r->verdicts.problem[i]);
    }
}

static void print_row(const row *w)
{
    static const char *const words[] = {"FAILED", "passed", "unreachable"};
    printf("\n%s: %s %s %s %s %s (%" PRIu64 " ms)\n", words[w->outcome], w->server, w->name,
           w->protocol, w->tls, w->front, w->milliseconds);
    for (size_t i = 0; i < w->problem_count; i++) {
        printf("    %s\n", w->problems[i]);
    }
    for (size_t i = 0; i < w->acquired_count; i++) {
        const row_acquired *a = &w->acquired[i];
        printf("    connection_acquired(%s, %u, %s): %" PRIu64 " new, %" PRIu64 " reused\n",
               a->host, a->port, a->protocol, a->fresh, a->reused);
    }
    for (size_t i = 0; i < w->connection_count; i++) {
        print_connection(&w->connections[i]);
    }
}

static void print_connection(const connection *c)
{
    printf("    port %5u  ledger", c->local_port);
    print_octets(c, SOURCE_LEDGER);
    printf("  self-check");
    print_octets(c, SOURCE_SELF);
    printf("  witness");
    print_octets(c, SOURCE_WITNESS);
    printf("  origin");
    if (c->has_origin && !connection_has(c, SOURCE_ORIGIN)) {
        printf(" at least %" PRIu64 ", at most %" PRIu64 " (%s)", c->origin.sent,
               c->origin.received, c->ending);
    } else {
        print_octets(c, SOURCE_ORIGIN);
    }
    printf("\n");
}

static void print_octets(const connection *c, source s)
{
    weir_octets octets = connection_octets(c, s);
    if (connection_has(c, s)) {
        printf(" %" PRIu64 "/%" PRIu64, octets.sent, octets.received);
    } else {
        printf(" -");
    }
}

static void print_end(const report *r)
{
    size_t agreeing = 0;
    size_t ran = r->rows.count - r->unreachable;
    for (size_t i = 0; i < r->rows.count; i++) {
        const row *w = &r->rows.at[i];
        agreeing += w->outcome != OUTCOME_UNREACHABLE && w->kernel_agrees ? 1 : 0;
    }
    printf("\n%zu connections; ledger, self-check and witness agree in %zu of %zu rows.\n",
           r->verdicts.connections, agreeing, ran);
    const verdicts *v = &r->verdicts;
    if (v->origin_equal + v->origin_on_way + v->origin_forced > 0) {
        printf("The embedded origin counted %zu the same; of %zu it had more on the way when weir "
               "closed, and %zu "
               "were ended by force: within bounds.\n",
               v->origin_equal, v->origin_on_way, v->origin_forced);
    }
    if (r->unreachable > 0) {
        printf("%zu unreachable, which is neither.\n", r->unreachable);
    }
    printf("%zu passed, %zu failed, %zu skipped\n", r->passed, r->failed, r->skipped);
}
