/* SPDX-License-Identifier: MIT */
/* The report as JSON: every row with every number, and the counts. */
#include "report.h"

#include "text.h"

#include <inttypes.h>
#include <string.h>

static void write_servers(FILE *to, const report *r);
static void write_row(FILE *to, const row *w);
static void write_acquired(FILE *to, const row *w);
static void write_connection(FILE *to, const connection *c);
static void write_octets(FILE *to, const char *name, const connection *c, source s);
static void write_totals(FILE *to, const row *w);
static void write_string(FILE *to, const char *text);
static void write_member(FILE *to, const char *name, const char *text);

void json_write(const report *r, const char *path)
{
    FILE *to = must_open(path, "w");
    fprintf(to, "{\n\"weir\": ");
    write_string(to, weir_version());
    fprintf(to, ",\n\"passed\": %zu, \"failed\": %zu, \"skipped\": %zu, \"unreachable\": %zu,\n",
            r->passed, r->failed, r->skipped, r->unreachable);
    write_servers(to, r);
    fprintf(to, "\"problems\": [");
    for (size_t i = 0; i < r->verdicts.problems; i++) {
        fprintf(to, i > 0 ? ",\n  " : "\n  ");
        write_string(to, r->verdicts.problem[i]);
    }
    fprintf(to, "],\n\"rows\": [");
    for (size_t i = 0; i < r->rows.count; i++) {
        fprintf(to, i > 0 ? ",\n" : "\n");
        write_row(to, &r->rows.at[i]);
    }
    fprintf(to, "\n]\n}\n");
    if (fclose(to) != 0) {
        die("%s could not be written", path);
    }
}

static void write_servers(FILE *to, const report *r)
{
    fprintf(to, "\"servers\": [");
    for (size_t i = 0; i < r->server_count; i++) {
        fprintf(to, i > 0 ? ",\n  {" : "\n  {");
        write_member(to, "name", r->servers[i].name);
        if (r->servers[i].version != NULL) {
            fprintf(to, ", ");
            write_member(to, "version", r->servers[i].version);
        }
        fprintf(to, ", \"installed\": %s}", r->servers[i].version != NULL ? "true" : "false");
    }
    fprintf(to, "],\n");
}

static void write_row(FILE *to, const row *w)
{
    static const char *const words[] = {"failed", "passed", "unreachable"};
    fprintf(to, "  {");
    write_member(to, "server", w->server);
    fprintf(to, ", ");
    write_member(to, "case", w->name);
    fprintf(to, ", ");
    write_member(to, "protocol", w->protocol);
    fprintf(to, ", \"tls\": %s, ", strcmp(w->tls, "tls") == 0 ? "true" : "false");
    write_member(to, "front_end", w->front);
    fprintf(to, ", ");
    write_member(to, "outcome", words[w->outcome]);
    fprintf(to, ", \"kernel_agrees\": %s, \"milliseconds\": %" PRIu64,
            w->outcome == OUTCOME_UNREACHABLE ? "null"
            : w->kernel_agrees                ? "true"
                                              : "false",
            w->milliseconds);
    write_totals(to, w);
    fprintf(to, ",\n   \"problems\": [");
    for (size_t i = 0; i < w->problem_count; i++) {
        fprintf(to, i > 0 ? ", " : "");
        write_string(to, w->problems[i]);
    }
    fprintf(to, "],\n   \"connection_acquired\": [");
    write_acquired(to, w);
    fprintf(to, "],\n   \"connections\": [");
    for (size_t i = 0; i < w->connection_count; i++) {
        fprintf(to, i > 0 ? ",\n    " : "\n    ");
        write_connection(to, &w->connections[i]);
    }
    fprintf(to, "]}");
}

static void write_acquired(FILE *to, const row *w)
{
    for (size_t i = 0; i < w->acquired_count; i++) {
        const row_acquired *a = &w->acquired[i];
        fprintf(to, i > 0 ? ", {" : "{");
        write_member(to, "host", a->host);
        fprintf(to, ", \"port\": %u, ", a->port);
        write_member(to, "protocol", a->protocol);
        fprintf(to, ", \"new\": %" PRIu64 ", \"reused\": %" PRIu64 "}", a->fresh, a->reused);
    }
}

static void write_connection(FILE *to, const connection *c)
{
    fprintf(to, "{\"local_port\": %u, \"peer_port\": %u", c->local_port, c->peer_port);
    write_octets(to, "ledger", c, SOURCE_LEDGER);
    write_octets(to, "self_check", c, SOURCE_SELF);
    write_octets(to, "witness", c, SOURCE_WITNESS);
    write_octets(to, "origin", c, SOURCE_ORIGIN);
    fprintf(to, ", ");
    write_member(to, "verdict", c->has_account ? c->agreement : "missing");
    if (c->has_origin) {
        fprintf(to, ", ");
        write_member(to, "origin_ending", c->ending);
    }
    if (c->has_origin && !connection_has(c, SOURCE_ORIGIN)) {
        fprintf(to,
                ", \"origin_bounds\": {\"sent_at_least\": %" PRIu64
                ", \"received_at_most\": %" PRIu64 "}",
                c->origin.sent, c->origin.received);
    }
    fprintf(to, "}");
}

static void write_octets(FILE *to, const char *name, const connection *c, source s)
{
    weir_octets octets = connection_octets(c, s);
    if (connection_has(c, s)) {
        fprintf(to, ", \"%s\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 "}", name,
                octets.sent, octets.received);
    } else {
        fprintf(to, ", \"%s\": null", name);
    }
}

/* The sums over the row's connections; null where a source says nothing of any of them. */
static void write_totals(FILE *to, const row *w)
{
    static const char *const names[SOURCES] = {"ledger", "self_check", "witness", "origin"};
    for (source s = SOURCE_LEDGER; s < SOURCES; s++) {
        size_t counted = 0;
        weir_octets octets = {0, 0};
        for (size_t i = 0; i < w->connection_count; i++) {
            const connection *c = &w->connections[i];
            if (connection_has(c, s)) {
                octets.sent += connection_octets(c, s).sent;
                octets.received += connection_octets(c, s).received;
                counted++;
            }
        }
        if (counted > 0) {
            fprintf(to,
                    ", \"%s\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64
                    ", \"connections\": %zu}",
                    names[s], octets.sent, octets.received, counted);
        } else {
            fprintf(to, ", \"%s\": null", names[s]);
        }
    }
}

static void write_string(FILE *to, const char *text)
{
    fputc('"', to);
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\') {
            fprintf(to, "\\%c", c);
        } else if (c < 0x20 || c >= 0x7f) {
            fprintf(to, "\\u%04x", c);
        } else {
            fputc(c, to);
        }
    }
    fputc('"', to);
}

static void write_member(FILE *to, const char *name, const char *text)
{
    fprintf(to, "\"%s\": ", name);
    write_string(to, text);
}
