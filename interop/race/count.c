/* SPDX-License-Identifier: MIT */
/*
 * Counts: what the client wrote down of every call and connection, what the server's log says it
 * processed, and what the witness saw of the kernel's counters. A row passes if no answer was
 * wrong, no call failed that could have been saved, no POST was processed twice, every answered
 * call is in the log, and every ledger agreed.
 */
#include "tally.h"

#include "../cases/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static size_t differences(tally *t);
static int by_value(const void *a, const void *b);
static void print(tally *t, size_t unmatched);
static void print_reasons(const tally *t, bool failures);
static void print_json(const tally *t, const char *path, size_t unmatched);

int race_count(const race_report *report)
{
    static tally t;
    size_t failed = 0;
    tally_read(&t, report);
    size_t unmatched = differences(&t);
    print(&t, unmatched);
    if (report->json != NULL) {
        print_json(&t, report->json, unmatched);
    }
    size_t rows = 1; /* the witness is a row of its own */
    for (size_t i = 0; i < ROWS; i++) {
        rows += row_is_played(&t, i) ? 1 : 0;
        failed += row_is_played(&t, i) && !row_passes(&t.rows[i]) ? 1 : 0;
    }
    failed += unmatched > 0 ? 1 : 0;
    printf("%zu passed, %zu failed, 0 skipped\n", rows - failed, failed);
    return failed == 0 ? 0 : 1;
}

/* Connections that only one of the two lists has: with other octets they are in neither's. */
static size_t differences(tally *t)
{
    connections *a = &t->ours;
    connections *b = &t->witnessed;
    size_t i = 0;
    size_t j = 0;
    size_t unmatched = 0;
    qsort(a->at, a->count, sizeof a->at[0], by_value);
    qsort(b->at, b->count, sizeof b->at[0], by_value);
    while (i < a->count || j < b->count) {
        int order = i == a->count ? 1 : j == b->count ? -1 : by_value(&a->at[i], &b->at[j]);
        if (order != 0 && unmatched < 10) {
            const connection *c = order < 0 ? &a->at[i] : &b->at[j];
            printf("port %" PRIu32 ": only %s has %" PRIu64 " octets sent, %" PRIu64 " received\n",
                   c->port, order < 0 ? "the ledger" : "the witness", c->octets.sent,
                   c->octets.received);
        }
        unmatched += order != 0 ? 1 : 0;
        i += order <= 0 ? 1 : 0;
        j += order >= 0 ? 1 : 0;
    }
    return unmatched;
}

static int by_value(const void *a, const void *b)
{
    const connection *x = a;
    const connection *y = b;
    if (x->port != y->port) {
        return x->port < y->port ? -1 : 1;
    }
    if (x->octets.sent != y->octets.sent) {
        return x->octets.sent < y->octets.sent ? -1 : 1;
    }
    return x->octets.received == y->octets.received  ? 0
           : x->octets.received < y->octets.received ? -1
                                                     : 1;
}

static void print(tally *t, size_t unmatched)
{
    printf("%-25s %7s %7s %7s | replayed %6s %7s %6s | %5s %6s %6s %6s | %s\n", "", "calls",
           "conns", "reused", "unsent", "refused", "maybe", "wrong", "failed", "unavo.", "twice",
           "ledgers");
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &t->rows[i];
        if (!row_is_played(t, i)) {
            continue;
        }
        printf("%-9s %-15s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " |          %6" PRIu64 " %7" PRIu64
               " %6" PRIu64 " | %5" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " | %" PRIu64
               " agree, %" PRIu64 " differ%s\n",
               r->front != NULL ? r->front : "-", race_way_name(r->way), r->calls, r->connections,
               r->reused, r->replays[0], r->replays[1], r->replays[2], r->wrong, r->failed,
               r->unavoidable, r->twice, r->connections - r->differ, r->differ,
               row_passes(r) ? "" : "  FAILED");
        if (r->missing > 0) {
            printf("          %" PRIu64 " answered calls are not in the server's log\n",
                   r->missing);
        }
        if (r->overtaken > 0) {
            printf("          %" PRIu64 " calls were served after one that asked later\n",
                   r->overtaken);
        }
    }
    for (size_t i = 0; i < t->front_count; i++) {
        const front *f = &t->fronts[i];
        uint64_t gets_twice = 0;
        uint64_t unavoidable = 0;
        uint64_t processed = 0;
        for (size_t w = 0; w < RACE_WAYS; w++) {
            gets_twice += t->rows[i * RACE_WAYS + w].gets_twice;
            unavoidable += t->rows[i * RACE_WAYS + w].unavoidable;
            processed += t->rows[i * RACE_WAYS + w].unavoidable_processed;
        }
        printf("%s: %.1f s; %" PRIu64 " dials, %" PRIu64 " leases bounced; %" PRIu64
               " GETs were processed twice; of %" PRIu64
               " POSTs that failed unavoidably the server processed %" PRIu64 "\n",
               f->name, (double)f->took_ns / 1e9, f->dials, f->bounces, gets_twice, unavoidable,
               processed);
    }
    printf("* with a new client or loop for each round, which has not learned when the server "
           "closes\n");
    print_reasons(t, false);
    print_reasons(t, true);
    printf("witness: %zu connections, of which %zu do not agree%s\n", t->witnessed.count, unmatched,
           unmatched > 0 ? "  FAILED" : "");
}

static void print_reasons(const tally *t, bool failures)
{
    for (size_t f = 0; f < t->front_count; f++) {
        bool any = false;
        for (size_t i = 0; i < t->reason_count; i++) {
            const reason *r = &t->reasons[i];
            if (r->is_failure == failures && strcmp(r->front, t->fronts[f].name) == 0) {
                printf("%s%s %" PRIu64,
                       any        ? ", "
                       : failures ? "calls that failed"
                                  : "connections closed",
                       any ? "" : "", r->count);
                printf(" %s", r->word);
                any = true;
            }
        }
        if (any) {
            printf(" (%s)\n", t->fronts[f].name);
        }
    }
}

static void print_json(const tally *t, const char *path, size_t unmatched)
{
    FILE *to = must_open(path, "w");
    fprintf(to, "{\"rows\": [");
    const char *before = "";
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &t->rows[i];
        if (!row_is_played(t, i)) {
            continue;
        }
        fprintf(to,
                "%s\n  {\"front\": \"%s\", \"way\": \"%s\", \"passed\": %s, \"calls\": %" PRIu64
                ", \"connections\": %" PRIu64 ", \"reused\": %" PRIu64
                ", \"replayed_not_sent\": %" PRIu64 ", \"replayed_refused\": %" PRIu64
                ", \"replayed_maybe_processed\": %" PRIu64 ", \"wrong\": %" PRIu64
                ", \"failed\": %" PRIu64 ", \"unavoidable\": %" PRIu64
                ", \"unavoidable_processed\": %" PRIu64 ", \"posts_processed_twice\": %" PRIu64
                ", \"gets_processed_twice\": %" PRIu64 ", \"not_in_log\": %" PRIu64
                ", \"ledger_differ\": %" PRIu64 ", \"overtaken\": %" PRIu64 "}",
                before, r->front != NULL ? r->front : "", race_way_name(r->way),
                row_passes(r) ? "true" : "false", r->calls, r->connections, r->reused,
                r->replays[0], r->replays[1], r->replays[2], r->wrong, r->failed, r->unavoidable,
                r->unavoidable_processed, r->twice, r->gets_twice, r->missing, r->differ,
                r->overtaken);
        before = ",";
    }
    fprintf(to, "\n], \"fronts\": [");
    for (size_t i = 0; i < t->front_count; i++) {
        const front *f = &t->fronts[i];
        fprintf(to,
                "%s\n  {\"front\": \"%s\", \"dials\": %" PRIu64 ", \"reuses\": %" PRIu64
                ", \"bounces\": %" PRIu64 ", \"seconds\": %.3f}",
                i > 0 ? "," : "", f->name, f->dials, f->reuses, f->bounces,
                (double)f->took_ns / 1e9);
    }
    fprintf(to, "\n], \"witnessed\": %zu, \"witness_differs\": %zu}\n", t->witnessed.count,
            unmatched);
    if (fclose(to) != 0) {
        die("%s could not be written", path);
    }
}
