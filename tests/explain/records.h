/* SPDX-License-Identifier: MIT */
/*
 * A run as weir-explain keeps it: two exchanges and three connections. The first exchange met a
 * refused address, a refused stream and a window; the second lost its connection. No clock and no
 * socket had a part in it, so what is printed of it is always the same.
 */
#ifndef WEIR_TESTS_EXPLAIN_RECORDS_H
#define WEIR_TESTS_EXPLAIN_RECORDS_H

#include "story.h"

#define RECORDS_STORIES 2

typedef struct records {
    explain_story stories[RECORDS_STORIES];
    explain_book book;
} records;

void records_fill(records *all);
void records_clear(records *all);

#endif
