/* SPDX-License-Identifier: MIT */
/*
 * weir-interop: plays the cases of the interop suite against a server, over weir's public interface
 * and nothing else, and judges what came of it. interop/run is how a person uses it.
 */
#include "public.h"
#include "report.h"
#include "run.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct arguments {
    int count;
    char **words;
    int at;
} arguments;

static const char usage[] =
    "usage: weir-interop run --server FILE --capabilities FILE --rows FILE [--case NAME]...\n"
    "       weir-interop report --servers FILE --capabilities FILE [--expected FILE] [--case "
    "NAME]...\n"
    "                           [--json FILE] [--all-rows]\n"
    "       weir-interop public --list FILE --reachable FILE --rows FILE\n"
    "       weir-interop expected --capabilities FILE\n"
    "       weir-interop cases\n";

static int run(arguments *a);
static int report_command(arguments *a);
static int public_command(arguments *a);
static int expected(arguments *a);
static int list(void);
static const char *value(arguments *a);

int main(int count, char **words)
{
    arguments a = {.count = count, .words = words, .at = 2};
    const char *command = count > 1 ? words[1] : "";
    signal(SIGPIPE, SIG_IGN);
    if (strcmp(command, "run") == 0) {
        return run(&a);
    }
    if (strcmp(command, "report") == 0) {
        return report_command(&a);
    }
    if (strcmp(command, "public") == 0) {
        return public_command(&a);
    }
    if (strcmp(command, "expected") == 0) {
        return expected(&a);
    }
    if (strcmp(command, "cases") == 0) {
        return list();
    }
    fputs(usage, stderr);
    return 64;
}

static int run(arguments *a)
{
    run_options o = {.server_file = NULL};
    for (; a->at < a->count; a->at++) {
        const char *word = a->words[a->at];
        if (strcmp(word, "--server") == 0) {
            o.server_file = value(a);
        } else if (strcmp(word, "--capabilities") == 0) {
            o.capabilities_file = value(a);
        } else if (strcmp(word, "--rows") == 0) {
            o.rows_file = value(a);
        } else if (strcmp(word, "--case") == 0 &&
                   o.case_count < sizeof o.cases / sizeof o.cases[0]) {
            o.cases[o.case_count++] = value(a);
        } else {
            die("%s is not understood", word);
        }
    }
    if (o.server_file == NULL || o.capabilities_file == NULL || o.rows_file == NULL) {
        die("run needs --server, --capabilities and --rows");
    }
    run_rows(&o);
    return 0;
}

static int report_command(arguments *a)
{
    report_options o = {.servers_file = NULL};
    for (; a->at < a->count; a->at++) {
        const char *word = a->words[a->at];
        if (strcmp(word, "--servers") == 0) {
            o.servers_file = value(a);
        } else if (strcmp(word, "--capabilities") == 0) {
            o.capabilities_file = value(a);
        } else if (strcmp(word, "--expected") == 0) {
            o.expected_file = value(a);
        } else if (strcmp(word, "--json") == 0) {
            o.json_file = value(a);
        } else if (strcmp(word, "--all-rows") == 0) {
            o.all_rows = true;
        } else if (strcmp(word, "--public") == 0) {
            o.is_public = true;
        } else if (strcmp(word, "--case") == 0 &&
                   o.case_count < sizeof o.cases / sizeof o.cases[0]) {
            o.cases[o.case_count++] = value(a);
        } else {
            die("%s is not understood", word);
        }
    }
    if (o.servers_file == NULL || o.capabilities_file == NULL) {
        die("report needs --servers and --capabilities");
    }
    return report_make(&o);
}

static int public_command(arguments *a)
{
    public_options o = {.list_file = NULL};
    for (; a->at < a->count; a->at++) {
        const char *word = a->words[a->at];
        if (strcmp(word, "--list") == 0) {
            o.list_file = value(a);
        } else if (strcmp(word, "--reachable") == 0) {
            o.reachable_file = value(a);
        } else if (strcmp(word, "--rows") == 0) {
            o.rows_file = value(a);
        } else {
            die("%s is not understood", word);
        }
    }
    if (o.list_file == NULL || o.reachable_file == NULL || o.rows_file == NULL) {
        die("public needs --list, --reachable and --rows");
    }
    public_run(&o);
    return 0;
}

static int expected(arguments *a)
{
    if (a->at >= a->count || strcmp(a->words[a->at], "--capabilities") != 0) {
        die("expected needs --capabilities");
    }
    expected_print(value(a));
    return 0;
}

static int list(void)
{
    const interop_case *c;
    for (size_t i = 0; (c = case_at(i)) != NULL; i++) {
        printf("%-22s %s\n", c->name, c->about);
    }
    return 0;
}

static const char *value(arguments *a)
{
    if (a->at + 1 >= a->count) {
        die("%s needs a value", a->words[a->at]);
    }
    return a->words[++a->at];
}
