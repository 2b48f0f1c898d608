/* SPDX-License-Identifier: MIT */
/* Reading rows; record.h has the format. */
#include "rows.h"

#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 16 };

static void clear_row(row *r);
static row *begin_row(rows *r, char **p);
static void add_acquired(row *r, char **p);
static void add_account(row *r, char **p);
static void add_witness(row *r, char **p);
static connection *new_connection(row *r);
static weir_octets octets_at(char **p);

void rows_load(rows *r, const char *path)
{
    FILE *file = must_open(path, "r");
    row *now = NULL;
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *p[COLUMNS];
        size_t count = cut(line, p, COLUMNS);
        if (strcmp(p[0], "row") == 0 && count == 6) {
            now = begin_row(r, p);
        } else if (strcmp(p[0], "server") == 0) {
            now = NULL;
        } else if (now == NULL) {
            die("%s: a line that belongs to no row: %s", path, p[0]);
        } else if (strcmp(p[0], "acquired") == 0 && count == 6) {
            add_acquired(now, p);
        } else if (strcmp(p[0], "closed") == 0 && count == 15) {
            add_account(now, p);
        } else if (strcmp(p[0], "witness") == 0 && count == 8) {
            add_witness(now, p);
        } else if (strcmp(p[0], "problem") == 0 && count >= 2) {
            row_add_problem(now, "%s", p[1]);
        } else if (strcmp(p[0], "unreachable") == 0) {
            now->outcome = OUTCOME_UNREACHABLE;
        } else if (strcmp(p[0], "end") == 0 && count == 3) {
            now->ended = true;
            now->milliseconds = number_of(p[2]);
        } else {
            die("%s: a line that is not understood: %s", path, p[0]);
        }
    }
    fclose(file);
}

void rows_clear(rows *r)
{
    for (size_t i = 0; i < r->count; i++) {
        clear_row(&r->at[i]);
    }
    free(r->at);
    *r = (rows){.at = NULL};
}

void row_add_problem(row *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    r->problems = must_grow(r->problems, r->problem_count, &r->problem_room, sizeof r->problems[0]);
    r->problems[r->problem_count++] = must_format(format, arguments);
    va_end(arguments);
}

weir_octets connection_octets(const connection *c, source s)
{
    const weir_octets by_source[SOURCES] = {c->ledger, c->self_kernel, c->witness, c->origin};
    return by_source[s];
}

bool connection_has(const connection *c, source s)
{
    const bool by_source[SOURCES] = {
        c->has_account,
        c->has_account && strcmp(c->agreement, "unavailable") != 0,
        c->has_witness,
        c->has_origin && c->sent_applies && c->received_applies,
    };
    return by_source[s];
}

static void clear_row(row *r)
{
    for (size_t i = 0; i < r->acquired_count; i++) {
        free(r->acquired[i].host);
        free(r->acquired[i].protocol);
    }
    free(r->acquired);
    for (size_t i = 0; i < r->connection_count; i++) {
        free(r->connections[i].protocol);
        free(r->connections[i].agreement);
        free(r->connections[i].state);
        free(r->connections[i].ending);
    }
    free(r->connections);
    free_texts(r->problems, r->problem_count);
    free(r->server);
    free(r->name);
    free(r->protocol);
    free(r->tls);
    free(r->front);
}

static row *begin_row(rows *r, char **p)
{
    r->at = must_grow(r->at, r->count, &r->room, sizeof r->at[0]);
    row *new = &r->at[r->count++];
    *new = (row){
        .server = must_copy(p[1]),
        .name = must_copy(p[2]),
        .protocol = must_copy(p[3]),
        .tls = must_copy(p[4]),
        .front = must_copy(p[5]),
    };
    return new;
}

static void add_acquired(row *r, char **p)
{
    r->acquired =
        must_grow(r->acquired, r->acquired_count, &r->acquired_room, sizeof r->acquired[0]);
    r->acquired[r->acquired_count++] = (row_acquired){
        .host = must_copy(p[1]),
        .port = (uint16_t)number_of(p[2]),
        .protocol = must_copy(p[3]),
        .fresh = number_of(p[4]),
        .reused = number_of(p[5]),
    };
}

static void add_account(row *r, char **p)
{
    connection *c = new_connection(r);
    c->has_account = true;
    c->conn = number_of(p[1]);
    c->local_port = (uint16_t)number_of(p[2]);
    c->protocol = must_copy(p[3]);
    c->ledger = octets_at(p + 4);
    c->wire = octets_at(p + 6);
    c->agreement = must_copy(p[8]);
    c->self_ledger = octets_at(p + 9);
    c->self_kernel = octets_at(p + 11);
}

/* To the account of the same local port, or, if there is none, to a connection that the ledger does
 * not know. */
static void add_witness(row *r, char **p)
{
    uint16_t local_port = (uint16_t)number_of(p[1]);
    connection *c = NULL;
    for (size_t i = 0; i < r->connection_count && c == NULL; i++) {
        if (r->connections[i].local_port == local_port && !r->connections[i].has_witness) {
            c = &r->connections[i];
        }
    }
    if (c == NULL) {
        c = new_connection(r);
        c->local_port = local_port;
    }
    c->has_witness = true;
    c->peer_port = (uint16_t)number_of(p[2]);
    c->witness = octets_at(p + 3);
    c->arrived = number_of(p[5]);
    c->saw_fin = number_of(p[6]) != 0;
    c->state = must_copy(p[7]);
}

static connection *new_connection(row *r)
{
    r->connections = must_grow(r->connections, r->connection_count, &r->connection_room,
                               sizeof r->connections[0]);
    return &r->connections[r->connection_count++];
}

static weir_octets octets_at(char **p)
{
    return (weir_octets){.sent = number_of(p[0]), .received = number_of(p[1])};
}
