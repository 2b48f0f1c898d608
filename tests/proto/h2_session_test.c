/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 connection: every document of tests/corpus/h2 in every split.
 */
#include "proto/h2_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/h2_difference.h"
#include "support/h2_document.h"
#include "support/h2_oracle.h"

/* Longer documents are about floods and need no memory for most of their octets. */
#define MOST_OCTETS_WITHOUT_MEMORY 1000

static weir_corpus corpus;

/* Where it is set, the logs are written there instead of being compared: to be read by a person. */
static FILE *record;

static void compare_log(const weir_corpus_document *document, const weir_text *log, const char *how)
{
    if (strcmp(weir_text_string(log), weir_text_string(&document->log)) != 0) {
        fail_msg("%s, %s:\n--- expected\n%s--- got\n%s", document->title, how,
                 weir_text_string(&document->log), weir_text_string(log));
    }
}

static void play(const weir_corpus_document *document, const weir_split *split, bool stows)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_text log = {.at = NULL};
    weir_h2_playing playing = {document, &failalloc.allocator, split, NULL, false, stows};
    weir_h2_document_play(&playing, &log);
    weir_failalloc_finish(&failalloc);
    char how[64] = "whole";
    const bool writes = record && !split && !stows;
    if (split) {
        weir_split_describe(split, how, sizeof(how));
    }
    if (writes) {
        fprintf(record, "@@ %s\n%s", document->title, weir_text_string(&log));
    } else if (!record) {
        compare_log(document, &log, how);
    }
    weir_text_clear(&log);
}

static void every_split(void **state)
{
    const weir_corpus_document *document = *state;
    play(document, NULL, false);
    if (weir_h2_document_is_whole(document) || record) {
        return;
    }
    weir_split split;
    size_t octets = weir_h2_document_octets(document);
    for (weir_split_first(&split, octets); !weir_split_is_over(&split); weir_split_next(&split)) {
        play(document, &split, false);
    }
}

/* The coders are put away after every step, and whenever half a step was received. */
static void is_the_same_when_put_away(void **state)
{
    const weir_corpus_document *document = *state;
    play(document, NULL, true);
    if (weir_h2_document_is_whole(document)) {
        return;
    }
    weir_split split;
    weir_split_first(&split, weir_h2_document_octets(document));
    weir_split_next(&split); /* octet by octet */
    play(document, &split, true);
}

/* The oracle agrees, or differs in the one way that the document says. */
static void agrees_with_the_oracle(void **state)
{
    const weir_corpus_document *document = *state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_conn_limits limits = weir_h2_document_limits(document);
    weir_h2_oracle *oracle = weir_h2_oracle_new(&limits);
    weir_h2_watch watch = weir_h2_oracle_watch(oracle);
    weir_text log = {.at = NULL};
    weir_h2_playing playing = {document, &failalloc.allocator, NULL, &watch, true, false};
    weir_h2_document_play(&playing, &log);
    const char *found = weir_h2_oracle_difference(oracle);
    if (weir_h2_oracle_report(oracle)[0]) {
        fail_msg("%s: %s", document->title, weir_h2_oracle_report(oracle));
    }
    if (!weir_h2_document_differs(document, found)) {
        fail_msg("%s: found to differ %s", document->title, found ? found : "not at all");
    }
    weir_text_clear(&log);
    weir_h2_oracle_free(oracle);
}

static void play_without_memory(weir_failalloc *failalloc, void *user)
{
    weir_text log = {.at = NULL};
    weir_h2_playing playing = {user, &failalloc->allocator, NULL, NULL, false, false};
    weir_h2_document_play(&playing, &log);
    weir_text_clear(&log);
}

static void stow_without_memory(weir_failalloc *failalloc, void *user)
{
    weir_text log = {.at = NULL};
    weir_h2_playing playing = {user, &failalloc->allocator, NULL, NULL, false, true};
    weir_h2_document_play(&playing, &log);
    weir_text_clear(&log);
}

/* Whichever allocation fails: the laws hold, each exchange ends once, nothing leaks. */
static void survives_every_failed_allocation(void **state)
{
    weir_corpus_document *document = *state;
    if (weir_h2_document_octets(document) < MOST_OCTETS_WITHOUT_MEMORY) {
        assert_true(weir_failalloc_every(play_without_memory, document) > 0);
        assert_true(weir_failalloc_every(stow_without_memory, document) > 0);
    }
}

/* No allowed difference without a document that shows it and a line that explains it. */
static void every_difference_is_shown_and_explained(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof(path), "%s/corpus/h2/DIFFERENCES.md", WEIR_TESTS_DIR);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    static char text[16384];
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    const char *name;
    const char *clause;
    for (size_t i = 0; weir_h2_difference_at(i, &name, &clause); i++) {
        bool shown = false;
        for (size_t d = 0; d < corpus.count; d++) {
            shown = shown || weir_h2_document_differs(&corpus.documents[d], name);
        }
        char cell[80];
        snprintf(cell, sizeof(cell), "| `%s` |", name);
        const char *line = strstr(text, cell);
        if (!shown || !line || !strstr(line, clause)) {
            fail_msg("%s is not shown by a document or not explained by %s", name, clause);
        }
    }
}

/* What is done with each document. */
static const struct {
    const char *prefix;
    CMUnitTestFunction test;
} each[] = {
    {"", every_split},
    {"put away: ", is_the_same_when_put_away},
    {"oracle: ", agrees_with_the_oracle},
    {"without memory: ", survives_every_failed_allocation},
};
#define EACH WEIR_COUNT_OF(each)

int main(void)
{
    const char *path = getenv("WEIR_CORPUS_RECORD");
    record = path ? fopen(path, "w") : NULL;
    weir_corpus_read(&corpus, "h2");
    size_t count = EACH * corpus.count + 1;
    struct CMUnitTest *tests = calloc(count, sizeof(*tests));
    char(*names)[160] = calloc(count, sizeof(*names));
    for (size_t i = 0; tests && names && i < EACH * corpus.count; i++) {
        weir_corpus_document *document = &corpus.documents[i / EACH];
        snprintf(names[i], sizeof(names[i]), "%s%s", each[i % EACH].prefix, document->title);
        tests[i] = (struct CMUnitTest){
            .name = names[i], .test_func = each[i % EACH].test, .initial_state = document};
    }
    if (tests) {
        tests[count - 1] =
            (struct CMUnitTest)cmocka_unit_test(every_difference_is_shown_and_explained);
    }
    int failed = _cmocka_run_group_tests("h2_session", tests, count, NULL, NULL);
    free(names);
    free(tests);
    weir_corpus_clear(&corpus);
    if (record) {
        fclose(record);
    }
    return failed;
}
