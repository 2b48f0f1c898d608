/* SPDX-License-Identifier: MIT */
/*
 * Reads documents. A file is read whole and cut in place: keys and values point into it.
 */
#include "support/corpus.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_file(weir_corpus *corpus, const char *folder, const char *name);
static void keep_file(weir_corpus *corpus, char *text);
static char *whole_file(const char *path);
static void read_line(weir_corpus *corpus, const char *file, char *line, unsigned number);
static void begin_document(weir_corpus *corpus, const char *file, const char *title);
static void add_step(weir_corpus_document *document, char *line, unsigned number);
static void *more(void *at, size_t count, size_t octets);
static int is_text(const struct dirent *entry);

void weir_corpus_read(weir_corpus *corpus, const char *folder)
{
    *corpus = (weir_corpus){.documents = NULL};
    char path[512];
    snprintf(path, sizeof(path), "%s/corpus/%s", WEIR_TESTS_DIR, folder);
    struct dirent **entries;
    int count = scandir(path, &entries, is_text, alphasort);
    if (count <= 0) {
        fail_msg("no documents in %s", path);
    }
    for (int i = 0; i < count; i++) {
        read_file(corpus, path, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

void weir_corpus_clear(weir_corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->documents[i].title);
        free(corpus->documents[i].steps);
        weir_text_clear(&corpus->documents[i].log);
    }
    free(corpus->documents);
    for (size_t i = 0; i < corpus->file_count; i++) {
        free(corpus->files[i]);
    }
    free(corpus->files);
    *corpus = (weir_corpus){.documents = NULL};
}

void weir_corpus_value(const weir_corpus_document *document, const weir_corpus_step *step,
                       weir_text *octets)
{
    const char *what;
    if (!weir_text_unescape(octets, step->value, &what)) {
        fail_msg("%s:%u: %s", document->file, step->line, what);
    }
}

bool weir_corpus_word(const char **rest, char *word, size_t room)
{
    *rest += strspn(*rest, " ");
    size_t length = strcspn(*rest, " ");
    if (length == 0) {
        return false;
    }
    if (length >= room) {
        fail_msg("a word of more than %zu octets: %s", room - 1, *rest);
    }
    memcpy(word, *rest, length);
    word[length] = '\0';
    *rest += length;
    return true;
}

static void read_file(weir_corpus *corpus, const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    char *file = strdup(name);
    assert_non_null(file);
    keep_file(corpus, file);
    char *text = whole_file(path);
    keep_file(corpus, text);
    unsigned number = 1;
    for (char *line = text; line; number++) {
        char *end = strchr(line, '\n');
        if (end) {
            *end = '\0';
        }
        read_line(corpus, file, line, number);
        line = end ? end + 1 : NULL;
    }
}

static void keep_file(weir_corpus *corpus, char *text)
{
    corpus->files = more(corpus->files, corpus->file_count, sizeof(*corpus->files));
    corpus->files[corpus->file_count] = text;
    corpus->file_count++;
}

static char *whole_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    weir_text text = {.at = NULL};
    uint8_t piece[4096];
    size_t length;
    if (!file) {
        fail_msg("%s cannot be read", path);
    }
    while ((length = fread(piece, 1, sizeof(piece), file)) > 0) {
        weir_text_append(&text, (weir_span){piece, length});
    }
    fclose(file);
    weir_text_append(&text, (weir_span){NULL, 0});
    return (char *)text.at;
}

static void read_line(weir_corpus *corpus, const char *file, char *line, unsigned number)
{
    if (line[0] == '\0' || line[0] == '#') {
        return;
    }
    if (strncmp(line, "== ", 3) == 0) {
        begin_document(corpus, file, line + 3);
        return;
    }
    if (corpus->count == 0) {
        fail_msg("%s:%u: no document has begun", file, number);
    }
    weir_corpus_document *document = &corpus->documents[corpus->count - 1];
    if (strncmp(line, "> ", 2) == 0) {
        weir_text_printf(&document->log, "%s\n", line + 2);
    } else {
        add_step(document, line, number);
    }
}

static void begin_document(weir_corpus *corpus, const char *file, const char *title)
{
    weir_text text = {.at = NULL};
    weir_text_printf(&text, "%s: %s", file, title);
    corpus->documents = more(corpus->documents, corpus->count, sizeof(*corpus->documents));
    corpus->documents[corpus->count] =
        (weir_corpus_document){.title = (char *)text.at, .file = file};
    corpus->count++;
}

static void add_step(weir_corpus_document *document, char *line, unsigned number)
{
    char *space = strchr(line, ' ');
    if (space) {
        *space = '\0';
    }
    document->steps = more(document->steps, document->step_count, sizeof(*document->steps));
    document->steps[document->step_count] =
        (weir_corpus_step){.key = line, .value = space ? space + 1 : "", .line = number};
    document->step_count++;
}

/* Room for one more element; grows when the count is a power of two. */
static void *more(void *at, size_t count, size_t octets)
{
    if ((count & (count - 1)) != 0) {
        return at;
    }
    void *larger = realloc(at, (count > 0 ? 2 * count : 1) * octets);
    assert_non_null(larger);
    return larger;
}

static int is_text(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".txt") == 0;
}
