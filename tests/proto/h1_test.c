/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 connection against the documents of tests/corpus/h1, each whole, octet by octet and
 * cut at every place: the log must be the same to the letter.
 */
#include "proto/h1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h1_rig.h"

/* NULL when the log is the expected one; else both, to be freed. */
static char *run_split(const weir_corpus_document *document, const weir_split *split)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h1_rig rig;
    weir_h1_rig_init(&rig, &failalloc.allocator);
    weir_h1_rig_run(&rig, document, split);
    const char *log = weir_text_string(&rig.log);
    const char *expected = weir_text_string(&document->log);
    weir_text difference = {.at = NULL};
    if (strcmp(log, expected) != 0) {
        char how[64];
        weir_split_describe(split, how, sizeof(how));
        weir_text_printf(&difference, "%s, %s:\n%s--- expected:\n%s", document->title, how, log,
                         expected);
    }
    weir_h1_rig_finish(&rig);
    weir_failalloc_finish(&failalloc);
    return (char *)difference.at;
}

static void run_document(void **state)
{
    const weir_corpus_document *document = *state;
    weir_split split;
    size_t length = weir_h1_rig_input_octets(document);
    for (weir_split_first(&split, length); !weir_split_is_over(&split); weir_split_next(&split)) {
        char *difference = run_split(document, &split);
        if (difference) {
            fail_msg("%s", difference);
        }
    }
}

int main(int argc, char **argv)
{
    weir_corpus corpus;
    weir_corpus_read(&corpus, "h1");
    struct CMUnitTest *tests = calloc(corpus.count, sizeof(*tests));
    size_t count = 0;
    for (size_t i = 0; i < corpus.count; i++) {
        if (argc < 2 || strstr(corpus.documents[i].title, argv[1])) {
            tests[count++] = (struct CMUnitTest){
                .name = corpus.documents[i].title,
                .test_func = run_document,
                .initial_state = &corpus.documents[i],
            };
        }
    }
    int failed = _cmocka_run_group_tests("h1", tests, count, NULL, NULL);
    free(tests);
    weir_corpus_clear(&corpus);
    return failed;
}
