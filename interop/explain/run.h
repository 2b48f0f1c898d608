/* SPDX-License-Identifier: MIT */
/*
 * Performs the requests of the options, by either front end, one after another or all at once.
 */
#ifndef EXPLAIN_RUN_H
#define EXPLAIN_RUN_H

#include "options.h"
#include "story.h"

/* Fills one story for each URL and the book; false: the client could not be made (said on standard
 * error). */
bool run_all(const explain_options *options, explain_story *stories, explain_book *book);

#endif
