/* SPDX-License-Identifier: MIT */
/* Rows against public servers; public.h has their list. */
#include "public.h"

#include "record.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (20 * WEIR_NS_PER_SECOND)

typedef struct entry {
    bool tls;
    char *host;
    uint16_t port;
    char *path;
    char *protocol;
    char *expected;
} entry;

typedef struct entries {
    entry *at;
    size_t count;
    size_t room;
} entries;

static void load(entries *e, const char *path);
static void take_url(entry *e, char *url);
static void clear(entries *e);
static char **load_lines(const char *path, size_t *count);
static bool is_reachable(char *const *lines, size_t count, const entry *e);
static void run_entry(record *r, const entry *e, front_kind front, bool reachable);
static bool is_expected(const char *expected, const transfer *x);

void public_run(const public_options *options)
{
    entries e = {.at = NULL};
    record r = {.rows = NULL};
    size_t lines = 0;
    char **reachable = load_lines(options->reachable_file, &lines);
    load(&e, options->list_file);
    record_open(&r, options->rows_file);
    record_server(&r, "public", NULL);
    for (size_t i = 0; i < e.count; i++) {
        run_entry(&r, &e.at[i], FRONT_BLOCKING, is_reachable(reachable, lines, &e.at[i]));
        run_entry(&r, &e.at[i], FRONT_ASYNC, is_reachable(reachable, lines, &e.at[i]));
    }
    record_close(&r);
    free_texts(reachable, lines);
    clear(&e);
}

static void load(entries *e, const char *path)
{
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        char *p[4];
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        if (cut(line, p, 4) < 3) {
            die("%s: a line without its three columns: %s", path, line);
        }
        e->at = must_grow(e->at, e->count, &e->room, sizeof e->at[0]);
        entry *new = &e->at[e->count++];
        *new = (entry){.protocol = must_copy(p[1]), .expected = must_copy(p[2])};
        take_url(new, p[0]);
    }
    fclose(file);
}

static void take_url(entry *e, char *url)
{
    char *host = strstr(url, "://");
    if (host == NULL) {
        die("%s is not an URL", url);
    }
    e->tls = strncmp(url, "https:", strlen("https:")) == 0;
    host += strlen("://");
    size_t length = strcspn(host, "/");
    e->path = must_copy(host[length] == '/' ? host + length : "/");
    host[length] = '\0';
    char *port = strchr(host, ':');
    e->port = e->tls ? 443 : 80;
    if (port != NULL) {
        *port++ = '\0';
        e->port = (uint16_t)number_of(port);
    }
    e->host = must_copy(host);
}

static void clear(entries *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->at[i].host);
        free(e->at[i].path);
        free(e->at[i].protocol);
        free(e->at[i].expected);
    }
    free(e->at);
}

static char **load_lines(const char *path, size_t *count)
{
    char **lines = NULL;
    size_t room = 0;
    FILE *file = must_open(path, "r");
    char *line;
    while ((line = next_line(file)) != NULL) {
        lines = must_grow(lines, *count, &room, sizeof lines[0]);
        lines[(*count)++] = must_copy(line);
    }
    fclose(file);
    return lines;
}

static bool is_reachable(char *const *lines, size_t count, const entry *e)
{
    char wanted[300];
    (void)snprintf(wanted, sizeof wanted, "%s %u", e->host, e->port);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(lines[i], wanted) == 0) {
            return true;
        }
    }
    return false;
}

static void run_entry(record *r, const entry *e, front_kind front, bool reachable)
{
    static const trial_tls system_roots = {NULL, NULL};
    static const server nobody = {.name = NULL};
    bool is_h1 = strcmp(e->protocol, "http/1.1") == 0;
    way w = {.protocol = is_h1 ? WEIR_H1 : WEIR_H2, .tls = e->tls, .front = front};
    trial t = {.server = &nobody, .way = w, .name = e->host, .tls = &system_roots};
    transfer x;
    char key[512];
    (void)snprintf(key, sizeof key, "public\t%s:%u%s\t%s\t%s\t%s", e->host, e->port, e->path,
                   e->protocol, way_tls(w), way_front(w));
    if (!reachable) {
        record_unreachable(r, key);
        return;
    }
    record_begin(r, key);
    trial_open(&t);
    trial_ask_at(&t, &x, e->host, e->port, e->path);
    if (strcmp(e->protocol, "any") == 0) {
        x.call.pin = WEIR_PROTOCOL_ANY;
    }
    x.call.deadline_ns = weir_now() + PATIENCE_NS;
    x.is_text = true;
    trial_run(&t, &x);
    (void)trial_check(&t, is_expected(e->expected, &x), "%s, status code %d, instead of %s (%s)",
                      weir_status_name(x.status), x.code, e->expected,
                      x.failure.what != NULL ? x.failure.what : "-");
    trial_close(&t);
    record_end(r, &t);
    notes_clear(&t.notes);
}

static bool is_expected(const char *expected, const transfer *x)
{
    char copy[256];
    char *rest = NULL;
    (void)snprintf(copy, sizeof copy, "%s", expected);
    for (char *word = strtok_r(copy, "|", &rest); word != NULL; word = strtok_r(NULL, "|", &rest)) {
        bool answered = x->status == WEIR_OK && x->code > 0;
        if (strcmp(word, weir_status_name(x->status)) == 0 ||
            (answered && strcmp(word, "answer") == 0) ||
            (answered && strtol(word, NULL, 10) == x->code)) {
            return true;
        }
    }
    return false;
}
