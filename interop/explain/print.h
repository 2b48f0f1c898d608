/* SPDX-License-Identifier: MIT */
/*
 * The explanation, for people (print.c) and for programs (print_json.c).
 */
#ifndef EXPLAIN_PRINT_H
#define EXPLAIN_PRINT_H

#include <stdio.h>

#include "story.h"

void print_story(FILE *to, size_t number, const explain_story *story);
/* The snapshot, and each connection with its ledger. */
void print_book(FILE *to, const explain_book *book, const explain_story *stories, size_t count);
void print_json(FILE *to, const explain_story *stories, size_t count, const explain_book *book);
/* curl's --write-out. */
void print_format(FILE *to, const char *format, const explain_story *story);

#endif
