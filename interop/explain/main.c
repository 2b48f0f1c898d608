/* SPDX-License-Identifier: MIT */
/*
 * weir-explain: requests URLs and explains where each octet and each microsecond went. The
 * explanation goes to standard error, bodies to standard output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "print.h"
#include "run.h"

static bool perform(const explain_options *options, explain_story *stories, bool *complete);

int main(int argc, char **argv)
{
    explain_options chosen;
    bool complete = false;
    bool performed = false;
    const options_outcome outcome = options_read(&chosen, argc, argv);

    if (outcome == OPTIONS_HELP) {
        options_help();
    } else if (outcome == OPTIONS_OK) {
        explain_story *stories = calloc(chosen.url_count, sizeof(*stories));
        performed = stories != NULL && perform(&chosen, stories, &complete);
        free(stories);
    }
    options_clear(&chosen);
    /* A body that was not written is as good as one that did not come. */
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fputs("weir-explain: standard output could not be written\n", stderr);
        complete = false;
    }
    if (outcome == OPTIONS_HELP) {
        return 0;
    }
    return !performed ? 2 : complete ? 0 : 1;
}

static bool perform(const explain_options *options, explain_story *stories, bool *complete)
{
    explain_book book;
    const size_t count = options->url_count;

    memset(&book, 0, sizeof(book));
    if (pthread_mutex_init(&book.lock, NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        stories[i].url = options->urls[i];
    }
    const bool performed = run_all(options, stories, &book);
    *complete = performed;
    for (size_t i = 0; i < count && performed; i++) {
        if (stories[i].body_length > 0) {
            (void)fwrite(stories[i].body, 1, stories[i].body_length, stdout);
        }
        if (options->parallel && options->write_out != NULL) {
            print_format(stdout, options->write_out, &stories[i]);
        }
        (void)fflush(stdout);
        *complete = *complete && stories[i].status == WEIR_OK;
        if (!options->json) {
            print_story(stderr, i + 1, &stories[i]);
        }
    }
    if (performed && options->json) {
        print_json(stderr, stories, count, &book);
    } else if (performed) {
        print_book(stderr, &book, stories, count);
    }
    for (size_t i = 0; i < count; i++) {
        story_clear(&stories[i]);
    }
    book_clear(&book);
    return performed;
}
