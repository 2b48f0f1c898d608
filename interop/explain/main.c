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

int main(int argc, char **argv)
{
    explain_options chosen;
    explain_book book;
    bool complete = true;

    switch (options_read(&chosen, argc, argv)) {
    case OPTIONS_HELP:
        options_help();
        return 0;
    case OPTIONS_WRONG:
        options_clear(&chosen);
        return 2;
    case OPTIONS_OK:
        break;
    }
    explain_story *stories = calloc(chosen.url_count, sizeof(*stories));
    memset(&book, 0, sizeof(book));
    if (stories == NULL || pthread_mutex_init(&book.lock, NULL) != 0) {
        return 2;
    }
    for (size_t i = 0; i < chosen.url_count; i++) {
        stories[i].url = chosen.urls[i];
    }
    if (!run_all(&chosen, stories, &book)) {
        return 2;
    }
    for (size_t i = 0; i < chosen.url_count; i++) {
        if (stories[i].body_length > 0) {
            (void)fwrite(stories[i].body, 1, stories[i].body_length, stdout);
        }
        (void)fflush(stdout);
        complete = complete && stories[i].status == WEIR_OK;
        if (!chosen.json) {
            print_story(stderr, i + 1, &stories[i]);
        }
        if (chosen.write_out != NULL) {
            print_format(stdout, chosen.write_out, &stories[i]);
        }
    }
    if (chosen.json) {
        print_json(stderr, stories, chosen.url_count, &book);
    } else {
        print_book(stderr, &book, stories, chosen.url_count);
    }
    for (size_t i = 0; i < chosen.url_count; i++) {
        story_clear(&stories[i]);
    }
    free(stories);
    book_clear(&book);
    options_clear(&chosen);
    return complete ? 0 : 1;
}
