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
#include "support/h2_document.h"

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

static void play(const weir_corpus_document *document, const weir_split *split)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_text log = {.at = NULL};
    weir_h2_playing playing = {document, &failalloc.allocator, split, NULL, false};
    weir_h2_document_play(&playing, &log);
    weir_failalloc_finish(&failalloc);
    char how[64] = "whole";
    if (split) {
        weir_split_describe(split, how, sizeof(how));
    }
    if (record && !split) {
        fprintf(record, "@@ %s\n%s", document->title, weir_text_string(&log));
    } else if (!record) {
        compare_log(document, &log, how);
    }
    weir_text_clear(&log);
}

static void every_split(void **state)
{
    const weir_corpus_document *document = *state;
    play(document, NULL);
    if (weir_h2_document_is_whole(document) || record) {
        return;
    }
    weir_split split;
    size_t octets = weir_h2_document_octets(document);
    for (weir_split_first(&split, octets); !weir_split_is_over(&split); weir_split_next(&split)) {
        play(document, &split);
    }
}

int main(void)
{
    const char *path = getenv("WEIR_CORPUS_RECORD");
    record = path ? fopen(path, "w") : NULL;
    weir_corpus_read(&corpus, "h2");
    struct CMUnitTest *tests = calloc(corpus.count, sizeof(*tests));
    for (size_t i = 0; tests && i < corpus.count; i++) {
        tests[i] = (struct CMUnitTest){.name = corpus.documents[i].title,
                                       .test_func = every_split,
                                       .initial_state = &corpus.documents[i]};
    }
    int failed = _cmocka_run_group_tests("h2_session", tests, corpus.count, NULL, NULL);
    free(tests);
    weir_corpus_clear(&corpus);
    if (record) {
        fclose(record);
    }
    return failed;
}
