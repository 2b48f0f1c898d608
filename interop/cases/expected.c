/* SPDX-License-Identifier: MIT */
/*
 * What must run. interop/expected.tsv lists every server x case x protocol x TLS x front end as
 * `run` or `cannot: why`; it is held against the rows that ran and against what follows from the
 * table of cases. So a row can vanish neither by a mistake in the table, nor by a server that has
 * lost something, nor silently.
 */
#include "report.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_OCTETS = 256 };

typedef struct entry {
    char *key;
    char *verdict;
} entry;

typedef struct entries {
    entry *at;
    size_t count;
    size_t room;
} entries;

static void load(entries *e, const char *path);
static void clear(entries *e);
static const entry *find(const entries *e, const char *key);
static int by_key(const void *a, const void *b);
static void check_rows(report *r, const entries *expected, entries *ran);
static void check_list(report *r, const entries *expected, const entries *ran);
static void check_plan(report *r, const entries *expected);
static void check_planned(report *r, const entries *expected, const char *at, const interop_case *c,
                          way w);
static bool is_asked(const report *r, const char *key);
static void make_key(char *key, const char *who, const char *name, way w);
static void make_verdict(char *verdict, const interop_case *c, const capabilities *can,
                         const char *who, way w);
static size_t server_names(const capabilities *can, const char **names, size_t room);

void expected_check(report *r)
{
    entries expected = {.at = NULL};
    entries ran = {.at = NULL};
    load(&expected, r->options->expected_file);
    check_rows(r, &expected, &ran);
    check_list(r, &expected, &ran);
    check_plan(r, &expected);
    clear(&expected);
    clear(&ran);
}

void expected_print(const char *capabilities_file)
{
    capabilities can = {.at = NULL};
    const char *names[32];
    const interop_case *c;
    capabilities_load(&can, capabilities_file);
    size_t count = server_names(&can, names, sizeof names / sizeof names[0]);
    puts("#server\tcase\tprotocol\ttls\tfront_end\tverdict");
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; (c = case_at(i)) != NULL; i++) {
            for (size_t k = 0; k < WAYS; k++) {
                char key[KEY_OCTETS];
                char verdict[KEY_OCTETS];
                make_key(key, names[s], c->name, way_at(k));
                make_verdict(verdict, c, &can, names[s], way_at(k));
                printf("%s\t%s\n", key, verdict);
            }
        }
    }
    capabilities_clear(&can);
}

static void load(entries *e, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *at = line;
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        for (int tabs = 0; tabs < 5; tabs++) {
            at = at == NULL ? NULL : strchr(at + (tabs > 0 ? 1 : 0), '\t');
        }
        if (at == NULL) {
            die("%s: a line without its six columns: %s", path, line);
        }
        *at++ = '\0';
        e->at = must_grow(e->at, e->count, &e->room, sizeof e->at[0]);
        e->at[e->count++] = (entry){.key = must_copy(line), .verdict = must_copy(at)};
    }
    fclose(file);
    qsort(e->at, e->count, sizeof e->at[0], by_key);
}

static void clear(entries *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->at[i].key);
        free(e->at[i].verdict);
    }
    free(e->at);
}

static const entry *find(const entries *e, const char *key)
{
    entry wanted = {.key = must_copy(key)};
    const entry *found =
        e->count > 0 ? bsearch(&wanted, e->at, e->count, sizeof e->at[0], by_key) : NULL;
    free(wanted.key);
    return found;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

/* Every row that ran is expected to. */
static void check_rows(report *r, const entries *expected, entries *ran)
{
    for (size_t i = 0; i < r->rows.count; i++) {
        row *w = &r->rows.at[i];
        char key[KEY_OCTETS];
        (void)snprintf(key, sizeof key, "%s\t%s\t%s\t%s\t%s", w->server, w->name, w->protocol,
                       w->tls, w->front);
        const entry *e = find(expected, key);
        if (e == NULL || strcmp(e->verdict, "run") != 0) {
            row_add_problem(w, "expected.tsv says of this row: %s",
                            e == NULL ? "nothing" : e->verdict);
            w->outcome = OUTCOME_FAILED;
        }
        ran->at = must_grow(ran->at, ran->count, &ran->room, sizeof ran->at[0]);
        ran->at[ran->count++] = (entry){.key = must_copy(key), .verdict = NULL};
    }
    if (ran->count > 0) {
        qsort(ran->at, ran->count, sizeof ran->at[0], by_key);
    }
}

/* Every row that is expected ran. */
static void check_list(report *r, const entries *expected, const entries *ran)
{
    for (size_t i = 0; i < expected->count; i++) {
        const entry *e = &expected->at[i];
        if (strcmp(e->verdict, "run") == 0 && is_asked(r, e->key) && find(ran, e->key) == NULL) {
            verdicts_add_problem(&r->verdicts, "a row that must run did not: %s", e->key);
        }
    }
}

/* Every row there could be is in the list, with the reason that the tables have. */
static void check_plan(report *r, const entries *expected)
{
    const char *names[32];
    const interop_case *c;
    size_t planned = 0;
    size_t count = server_names(&r->can, names, sizeof names / sizeof names[0]);
    for (size_t s = 0; s < count; s++) {
        for (size_t i = 0; (c = case_at(i)) != NULL; i++) {
            for (size_t k = 0; k < WAYS; k++, planned++) {
                check_planned(r, expected, names[s], c, way_at(k));
            }
        }
    }
    if (planned != expected->count) {
        verdicts_add_problem(&r->verdicts, "expected.tsv has %zu rows, the tables have %zu",
                             expected->count, planned);
    }
}

/* What is listed of one case at one server is what the tables say. */
static void check_planned(report *r, const entries *expected, const char *at, const interop_case *c,
                          way w)
{
    char key[KEY_OCTETS];
    char verdict[KEY_OCTETS];

    make_key(key, at, c->name, w);
    make_verdict(verdict, c, &r->can, at, w);
    const entry *e = find(expected, key);
    if (e == NULL || strcmp(e->verdict, verdict) != 0) {
        verdicts_add_problem(&r->verdicts, "expected.tsv: %s is \"%s\", but by the tables \"%s\"",
                             key, e == NULL ? "not listed" : e->verdict, verdict);
    }
}

/* The key's server runs here, and its case was not left out on the command line. */
static bool is_asked(const report *r, const char *key)
{
    size_t length = strcspn(key, "\t");
    const char *name = key + length + 1;
    bool is_server = false;
    bool is_case = r->options->case_count == 0;
    for (size_t i = 0; i < r->server_count; i++) {
        const report_server *s = &r->servers[i];
        is_server = is_server || (s->version != NULL && strlen(s->name) == length &&
                                  strncmp(s->name, key, length) == 0);
    }
    for (size_t i = 0; i < r->options->case_count; i++) {
        size_t octets = strlen(r->options->cases[i]);
        is_case = is_case || (strcspn(name, "\t") == octets &&
                              strncmp(name, r->options->cases[i], octets) == 0);
    }
    return is_server && is_case;
}

static void make_key(char *key, const char *who, const char *name, way w)
{
    (void)snprintf(key, KEY_OCTETS, "%s\t%s\t%s\t%s\t%s", who, name, way_protocol(w), way_tls(w),
                   way_front(w));
}

static void make_verdict(char *verdict, const interop_case *c, const capabilities *can,
                         const char *who, way w)
{
    const char *why = case_refusal(c, can, who, w);
    (void)snprintf(verdict, KEY_OCTETS, "%s%s",
                   why == NULL ? "run" : "cannot: ", why == NULL ? "" : why);
}

static size_t server_names(const capabilities *can, const char **names, size_t room)
{
    size_t count = 0;
    for (size_t i = 0; i < can->count; i++) {
        bool known = false;
        for (size_t k = 0; k < count; k++) {
            known = known || strcmp(names[k], can->at[i].server) == 0;
        }
        if (!known && count < room) {
            names[count++] = can->at[i].server;
        }
    }
    return count;
}
