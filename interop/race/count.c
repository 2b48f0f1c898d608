/* SPDX-License-Identifier: MIT */
/*
 * Counts: what the client wrote down of every call and connection, what the server's log says it
 * processed, and what the witness saw of the kernel's counters. A row passes if no answer was
 * wrong, no call failed that could have been saved, no POST was processed twice, every answered
 * call is in the log, and every ledger agreed.
 */
#include "race.h"

#include "../cases/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { FRONTS = 4, ROWS = FRONTS * RACE_WAYS, REASONS = 64 };

typedef struct row {
    const char *front;
    unsigned way;
    uint64_t calls;
    uint64_t reused;
    uint64_t replays[3];
    uint64_t wrong;
    uint64_t failed;                /* though RFC 9110 and 9113 let a client avoid it */
    uint64_t unavoidable;           /* a POST that may have been processed */
    uint64_t unavoidable_processed; /* ... and was, by the server's log */
    uint64_t twice;                 /* POSTs that the server processed more than once */
    uint64_t gets_twice;
    uint64_t missing; /* answered, and not in the server's log */
    uint64_t connections;
    uint64_t differ;
} row;

typedef struct front {
    char *name;
    uint64_t dials;
    uint64_t reuses;
    uint64_t bounces;
    uint64_t differ;
    uint64_t took_ns;
} front;

typedef struct connection {
    uint32_t port;
    uint64_t sent;
    uint64_t received;
} connection;

typedef struct connections {
    connection *at;
    size_t count;
    size_t room;
} connections;

typedef struct reason {
    char *front;
    char *word;
    uint64_t count;
    bool is_failure; /* of a call; else why connections were closed */
} reason;

typedef struct tally {
    front fronts[FRONTS];
    size_t front_count;
    row rows[ROWS];
    uint32_t *logged; /* by id: lines of the server's log */
    size_t ids;
    connections ours;
    connections witnessed;
    reason reasons[REASONS];
    size_t reason_count;
} tally;

static void read_log(tally *t, const char *path);
static void read_records(tally *t, const char *path);
static void take_call(tally *t, char **words);
static void take_connection(tally *t, char **words);
static void read_witness(tally *t, const char *path);
static row *row_of(tally *t, const char *name, unsigned way);
static void add_reason(tally *t, const char *name, const char *word, bool is_failure);
static void add(connections *to, connection one);
static size_t differences(tally *t);
static int by_value(const void *a, const void *b);
static bool passes(const row *r);
static void print(tally *t, size_t unmatched);
static void print_reasons(const tally *t, bool failures);
static void print_json(const tally *t, const char *path, size_t unmatched);

int race_count(const race_report *report)
{
    static tally t;
    size_t failed = 0;
    read_log(&t, report->log);
    read_records(&t, report->records);
    read_witness(&t, report->witness);
    size_t unmatched = differences(&t);
    print(&t, unmatched);
    if (report->json != NULL) {
        print_json(&t, report->json, unmatched);
    }
    for (size_t i = 0; i < ROWS; i++) {
        failed += passes(&t.rows[i]) ? 0 : 1;
    }
    failed += unmatched > 0 ? 1 : 0; /* the witness is a row of its own */
    printf("%zu passed, %zu failed, 0 skipped\n", ROWS + 1 - failed, failed);
    return failed == 0 ? 0 : 1;
}

static void read_log(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *words[5];
        if (cut(line, words, 5) != 5) {
            die("%s: a line without its columns", path);
        }
        size_t id = strcmp(words[1], "-") == 0 ? 0 : number_of(words[1]);
        while (id >= t->ids) {
            size_t room = t->ids;
            t->logged = must_grow(t->logged, t->ids, &room, sizeof t->logged[0]);
            t->ids = room;
        }
        t->logged[id]++;
    }
    fclose(file);
}

static void read_records(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *words[12];
        size_t count = cut(line, words, 12);
        if (count == 12 && strcmp(words[0], "call") == 0) {
            take_call(t, words);
        } else if (count == 8 && strcmp(words[0], "conn") == 0) {
            take_connection(t, words);
        } else if (count == 7 && strcmp(words[0], "front") == 0) {
            for (size_t i = 0; i < t->front_count; i++) {
                front *f = &t->fronts[i];
                if (strcmp(f->name, words[1]) == 0) {
                    f->dials = number_of(words[2]);
                    f->reuses = number_of(words[3]);
                    f->bounces = number_of(words[4]);
                    f->differ = number_of(words[5]);
                    f->took_ns = number_of(words[6]);
                }
            }
        } else {
            die("%s: a line that is not understood", path);
        }
    }
    fclose(file);
}

static void take_call(tally *t, char **words)
{
    row *r = row_of(t, words[1], (unsigned)number_of(words[2]));
    size_t id = number_of(words[3]);
    bool is_post = words[4][0] == '1';
    bool is_answered = strcmp(words[7], weir_status_name(WEIR_OK)) == 0;
    uint32_t logged = id < t->ids ? t->logged[id] : 0;
    r->calls++;
    r->wrong += words[5][0] == '1' ? 1 : 0;
    r->reused += words[6][0] == '1' ? 1 : 0;
    for (size_t i = 0; i < 3; i++) { /* not sent, refused, maybe processed */
        r->replays[i] += number_of(words[9 + i]);
    }
    r->twice += is_post && logged > 1 ? 1 : 0;
    r->gets_twice += !is_post && logged > 1 ? 1 : 0;
    r->missing += is_answered && logged == 0 ? 1 : 0;
    if (is_answered) {
        return;
    }
    bool is_death = strcmp(words[7], weir_status_name(WEIR_E_RESET)) == 0 ||
                    strcmp(words[7], weir_status_name(WEIR_E_CLOSED_EARLY)) == 0 ||
                    strcmp(words[7], weir_status_name(WEIR_E_NETWORK)) == 0;
    bool is_unavoidable = is_post && is_death && number_of(words[8]) == WEIR_MAYBE_PROCESSED;
    r->failed += is_unavoidable ? 0 : 1;
    r->unavoidable += is_unavoidable ? 1 : 0;
    r->unavoidable_processed += is_unavoidable && logged > 0 ? 1 : 0;
    char word[96];
    (void)snprintf(word, sizeof word, "%s %s %s", is_post ? "POST" : "GET", race_way_name(r->way),
                   words[7]);
    add_reason(t, words[1], word, true);
}

static void take_connection(tally *t, char **words)
{
    row *r = row_of(t, words[1], (unsigned)number_of(words[2]));
    bool differs = number_of(words[6]) == WEIR_DIFFER;
    bool was_connected = number_of(words[6]) != WEIR_UNAVAILABLE; /* else its dial was given up */
    connection one = {.port = (uint32_t)number_of(words[3]),
                      .sent = number_of(words[4]),
                      .received = number_of(words[5])};
    if (was_connected) {
        r->connections++;
        r->differ += differs ? 1 : 0;
        add(&t->ours, one);
    }
    add_reason(t, words[1], words[7], false);
}

static void read_witness(tally *t, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *words[5];
        if (cut(line, words, 5) == 5) {
            char *end = strchr(words[4], '\t');
            if (end != NULL) {
                *end = '\0';
            }
            connection one = {.port = (uint32_t)number_of(words[1]),
                              .sent = number_of(words[3]),
                              .received = number_of(words[4])};
            add(&t->witnessed, one);
        }
    }
    fclose(file);
}

static row *row_of(tally *t, const char *name, unsigned way)
{
    size_t i = 0;
    while (i < t->front_count && strcmp(t->fronts[i].name, name) != 0) {
        i++;
    }
    if (way >= RACE_WAYS || i >= FRONTS) {
        die("a record of no front end or way: %s", name);
    }
    if (i == t->front_count) {
        t->fronts[t->front_count++].name = must_copy(name);
    }
    row *r = &t->rows[i * RACE_WAYS + way];
    r->front = t->fronts[i].name;
    r->way = way;
    return r;
}

static void add_reason(tally *t, const char *name, const char *word, bool is_failure)
{
    for (size_t i = 0; i < t->reason_count; i++) {
        reason *r = &t->reasons[i];
        if (r->is_failure == is_failure && strcmp(r->word, word) == 0 &&
            strcmp(r->front, name) == 0) {
            r->count++;
            return;
        }
    }
    if (t->reason_count < REASONS) {
        t->reasons[t->reason_count++] = (reason){must_copy(name), must_copy(word), 1, is_failure};
    }
}

static void add(connections *to, connection one)
{
    to->at = must_grow(to->at, to->count, &to->room, sizeof to->at[0]);
    to->at[to->count++] = one;
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
                   c->port, order < 0 ? "the ledger" : "the witness", c->sent, c->received);
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
    if (x->sent != y->sent) {
        return x->sent < y->sent ? -1 : 1;
    }
    return x->received == y->received ? 0 : x->received < y->received ? -1 : 1;
}

static bool passes(const row *r)
{
    return r->calls > 0 && r->wrong == 0 && r->failed == 0 && r->twice == 0 && r->missing == 0 &&
           r->differ == 0;
}

static void print(tally *t, size_t unmatched)
{
    printf("%-25s %7s %7s %7s | replayed %6s %7s %6s | %5s %6s %6s %6s | %s\n", "", "calls",
           "conns", "reused", "unsent", "refused", "maybe", "wrong", "failed", "unavo.", "twice",
           "ledgers");
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &t->rows[i];
        printf("%-9s %-15s %7" PRIu64 " %7" PRIu64 " %7" PRIu64 " |          %6" PRIu64 " %7" PRIu64
               " %6" PRIu64 " | %5" PRIu64 " %6" PRIu64 " %6" PRIu64 " %6" PRIu64 " | %" PRIu64
               " agree, %" PRIu64 " differ%s\n",
               r->front != NULL ? r->front : "-", race_way_name(r->way), r->calls, r->connections,
               r->reused, r->replays[0], r->replays[1], r->replays[2], r->wrong, r->failed,
               r->unavoidable, r->twice, r->connections - r->differ, r->differ,
               passes(r) ? "" : "  FAILED");
        if (r->missing > 0) {
            printf("          %" PRIu64 " answered calls are not in the server's log\n",
                   r->missing);
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
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &t->rows[i];
        fprintf(to,
                "%s\n  {\"front\": \"%s\", \"way\": \"%s\", \"passed\": %s, \"calls\": %" PRIu64
                ", \"connections\": %" PRIu64 ", \"reused\": %" PRIu64
                ", \"replayed_not_sent\": %" PRIu64 ", \"replayed_refused\": %" PRIu64
                ", \"replayed_maybe_processed\": %" PRIu64 ", \"wrong\": %" PRIu64
                ", \"failed\": %" PRIu64 ", \"unavoidable\": %" PRIu64
                ", \"unavoidable_processed\": %" PRIu64 ", \"posts_processed_twice\": %" PRIu64
                ", \"gets_processed_twice\": %" PRIu64 ", \"not_in_log\": %" PRIu64
                ", \"ledger_differ\": %" PRIu64 "}",
                i > 0 ? "," : "", r->front != NULL ? r->front : "", race_way_name(r->way),
                passes(r) ? "true" : "false", r->calls, r->connections, r->reused, r->replays[0],
                r->replays[1], r->replays[2], r->wrong, r->failed, r->unavoidable,
                r->unavoidable_processed, r->twice, r->gets_twice, r->missing, r->differ);
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
