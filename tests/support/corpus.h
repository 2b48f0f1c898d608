/* SPDX-License-Identifier: MIT */
/*
 * Documents of tests/corpus: what is done to a codec, line by line, and the log it must give.
 *
 *   # a comment: the clause that the case is about
 *   == the title of a document
 *   key value              a step; what keys there are is the affair of the suite
 *   > line                 a line of the expected log
 *
 * A key ends at the first space; the value is all behind it and may have escapes (text.h). Empty
 * lines mean nothing. The order of steps is kept, and so is that of log lines.
 *
 * A corpus owns everything in it. A folder or document that cannot be read fails the test.
 */
#ifndef WEIR_TESTS_CORPUS_H
#define WEIR_TESTS_CORPUS_H

#include "proto/base.h"
#include "support/text.h"

typedef struct weir_corpus_step {
    const char *key;
    const char *value; /* escapes as written */
    unsigned line;     /* in the file */
} weir_corpus_step;

typedef struct weir_corpus_document {
    char *title; /* "file: title" */
    const char *file;
    weir_corpus_step *steps;
    size_t step_count;
    weir_text log; /* the expected one, each line with its "\n" */
} weir_corpus_document;

typedef struct weir_corpus {
    weir_corpus_document *documents;
    size_t count;
    char **files; /* names and contents */
    size_t file_count;
} weir_corpus;

/* Every *.txt of a folder below tests/corpus, in the order of their names. */
void weir_corpus_read(weir_corpus *corpus, const char *folder);
void weir_corpus_clear(weir_corpus *corpus);

/* Appends the step's value without its escapes. */
void weir_corpus_value(const weir_corpus_document *document, const weir_corpus_step *step,
                       weir_text *octets);

/*
 * A step's value as words: the next one is copied to `word`; false at the end. `rest` begins as the
 * value and moves on.
 */
bool weir_corpus_word(const char **rest, char *word, size_t room);

#endif
