/* SPDX-License-Identifier: MIT */
/* Comparing the four counts; judge.h says which must agree when. */
#include "judge.h"

#include "text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct log_line {
    uint16_t peer_port;
    weir_octets octets; /* as the client sees them */
    uint64_t order;
    char *ending;
    bool taken;
} log_line;

typedef struct log {
    log_line *at;
    size_t count;
    size_t room;
} log;

static void load_log(log *l, const char *path);
static log_line *find_line(log *l, uint16_t local_port);
static void take_line(connection *c, log_line *line);
static bool is_listed(const char *ports, uint16_t port);
static bool must_agree(const char *ending);
static void judge_lists(row *r, const connection *c, bool logged);
static void judge_ledger(row *r, const connection *c);
static void judge_origin(row *r, verdicts *v, const connection *c);
static bool same(weir_octets a, weir_octets b);
static void differ(row *r, const connection *c, const char *what, weir_octets a, const char *from,
                   weir_octets b);

void judge_origin_log(rows *r, verdicts *v, const char *who, const char *ports, const char *path)
{
    log l = {.at = NULL};
    load_log(&l, path);
    for (size_t i = 0; i < r->count; i++) {
        bool is_its = strcmp(r->at[i].server, who) == 0;
        for (size_t k = 0; k < r->at[i].connection_count && is_its; k++) {
            connection *c = &r->at[i].connections[k];
            if (c->has_witness && is_listed(ports, c->peer_port)) {
                take_line(c, find_line(&l, c->local_port));
            }
        }
    }
    for (size_t i = 0; i < l.count; i++) {
        if (!l.at[i].taken) {
            verdicts_add_problem(v, "%s has a connection from port %u that nobody else knows", path,
                                 l.at[i].peer_port);
        }
        free(l.at[i].ending);
    }
    free(l.at);
}

void judge_witness(const rows *r, size_t first, verdicts *v, const char *path)
{
    size_t in_rows = 0;
    size_t in_file = 0;
    bool all_ended = true;
    FILE *file = must_open(path, "r");
    while (next_line(file) != NULL) {
        in_file++;
    }
    fclose(file);
    for (size_t i = first; i < r->count; i++) {
        all_ended = all_ended && r->at[i].ended;
        for (size_t k = 0; k < r->at[i].connection_count; k++) {
            in_rows += r->at[i].connections[k].has_witness ? 1 : 0;
        }
    }
    if (all_ended && in_rows != in_file) {
        verdicts_add_problem(
            v, "%s has %zu connections, the rows have %zu: some closed outside of rows", path,
            in_file, in_rows);
    }
}

void judge_row(row *r, verdicts *v, bool logged)
{
    if (!r->ended) {
        row_add_problem(r, "the program died or hung in this row");
    }
    size_t before = r->problem_count;
    for (size_t i = 0; i < r->connection_count; i++) {
        const connection *c = &r->connections[i];
        judge_lists(r, c, logged);
        if (c->has_account) {
            judge_ledger(r, c);
        }
        if (c->has_origin) {
            judge_origin(r, v, c);
        }
        v->connections += connection_has(c, SOURCE_SELF) ? 1 : 0;
    }
    r->kernel_agrees = r->ended && r->problem_count == before;
    if (r->outcome != OUTCOME_UNREACHABLE || !r->kernel_agrees) {
        r->outcome = r->problem_count == 0 ? OUTCOME_PASSED : OUTCOME_FAILED;
    }
}

void verdicts_add_problem(verdicts *v, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    v->problem = must_grow(v->problem, v->problems, &v->problem_room, sizeof v->problem[0]);
    v->problem[v->problems++] = must_format(format, arguments);
    va_end(arguments);
}

void verdicts_clear(verdicts *v)
{
    free_texts(v->problem, v->problems);
    *v = (verdicts){.problem = NULL};
}

static void load_log(log *l, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *p[9];
        if (line[0] == '#') {
            continue;
        }
        if (cut(line, p, 9) != 9) {
            die("%s: a line without its nine columns", path);
        }
        l->at = must_grow(l->at, l->count, &l->room, sizeof l->at[0]);
        l->at[l->count++] = (log_line){
            .peer_port = (uint16_t)number_of(p[0]),
            .octets = {.sent = number_of(p[3]), .received = number_of(p[4])},
            .order = number_of(p[6]),
            .ending = must_copy(p[8]),
        };
    }
    fclose(file);
}

/* A port may have been used several times, one after the other: rows and the order of acceptance go
 * the same way. */
static log_line *find_line(log *l, uint16_t local_port)
{
    log_line *found = NULL;
    for (size_t i = 0; i < l->count; i++) {
        log_line *line = &l->at[i];
        if (line->peer_port == local_port && !line->taken &&
            (found == NULL || line->order < found->order)) {
            found = line;
        }
    }
    return found;
}

static void take_line(connection *c, log_line *line)
{
    if (line != NULL) {
        line->taken = true;
        c->has_origin = true;
        c->origin = line->octets;
        c->ending = must_copy(line->ending);
        c->sent_applies = must_agree(line->ending);
        c->received_applies =
            c->sent_applies && (c->saw_fin || line->octets.received == c->arrived);
    }
}

static bool is_listed(const char *ports, uint16_t port)
{
    for (const char *at = ports; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strtoul(at, NULL, 10) == port) {
            return true;
        }
    }
    return false;
}

static bool must_agree(const char *ending)
{
    return strcmp(ending, "fin") == 0 || strcmp(ending, "abrupt") == 0 ||
           strcmp(ending, "peer-fin") == 0;
}

static void judge_lists(row *r, const connection *c, bool logged)
{
    if (!c->has_account) {
        row_add_problem(r,
                        "the witness has a connection from port %u that the ledger does not have",
                        c->local_port);
    } else if (!c->has_witness && connection_has(c, SOURCE_SELF)) {
        row_add_problem(r,
                        "the ledger has a connection from port %u that the witness does not have",
                        c->local_port);
    } else if (c->has_witness && !connection_has(c, SOURCE_SELF)) {
        row_add_problem(
            r, "the self-check of the connection from port %u had no counters, the witness had",
            c->local_port);
    }
    if (logged && c->has_witness && !c->has_origin) {
        row_add_problem(r, "the origin has no connection from port %u", c->local_port);
    }
}

static void judge_ledger(row *r, const connection *c)
{
    if (!same(c->ledger, c->wire)) {
        differ(r, c, "rows", c->ledger, "the account's total", c->wire);
    }
    if (connection_has(c, SOURCE_SELF) && !same(c->ledger, c->self_kernel)) {
        differ(r, c, "ledger", c->ledger, "the self-check", c->self_kernel);
    }
    if (strcmp(c->agreement, "differ") == 0) {
        differ(r, c, "the self-check itself differs: ledger", c->self_ledger, "kernel",
               c->self_kernel);
    }
    if (c->has_witness && !same(c->ledger, c->witness)) {
        differ(r, c, "ledger", c->ledger, "the witness", c->witness);
    }
    if (!connection_has(c, SOURCE_SELF) && !same(c->ledger, (weir_octets){0, 0})) {
        differ(r, c, "ledger", c->ledger, "no connection at all", (weir_octets){0, 0});
    }
}

static void judge_origin(row *r, verdicts *v, const connection *c)
{
    /* Octets that arrived and were not read are the origin's to count and not the ledger's. */
    uint64_t unread = c->arrived - c->witness.received;
    weir_octets ours = {.sent = c->ledger.sent, .received = c->ledger.received + unread};
    bool sent = c->sent_applies ? c->origin.sent == ours.sent : c->origin.sent <= ours.sent;
    bool received = c->received_applies ? c->origin.received == ours.received
                                        : c->origin.received >= ours.received;
    if (!sent || !received) {
        differ(r, c, "ledger", ours, "the origin", c->origin);
    } else if (same(ours, c->origin)) {
        v->origin_equal++;
    } else {
        *(c->sent_applies ? &v->origin_on_way : &v->origin_forced) += 1;
    }
}

static bool same(weir_octets a, weir_octets b)
{
    return a.sent == b.sent && a.received == b.received;
}

static void differ(row *r, const connection *c, const char *what, weir_octets a, const char *from,
                   weir_octets b)
{
    row_add_problem(r,
                    "octets differ on port %u: %s %" PRIu64 " sent, %" PRIu64
                    " received; %s %" PRIu64 " sent, %" PRIu64 " received%s%s",
                    c->local_port, what, a.sent, a.received, from, b.sent, b.received,
                    c->ending != NULL ? "; the origin's word for the end: " : "",
                    c->ending != NULL ? c->ending : "");
}
