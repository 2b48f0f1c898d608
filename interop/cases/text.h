/* SPDX-License-Identifier: MIT */
/*
 * Text that comes in lines and tabs: the files that the parts of the suite hand to each other. And
 * memory that is there or the program is not: a test program has nothing to do without it.
 */
#ifndef INTEROP_TEXT_H
#define INTEROP_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Ends the program with a sentence on standard error and the status of a usage or input error. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

void *must_alloc(size_t octets); /* zeroed */
/* Makes room for one more of `each` octets in an array that `*room` counts. */
void *must_grow(void *array, size_t count, size_t *room, size_t each);
char *must_copy(const char *text);
/* At most 511 octets of it. */
char *must_format(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* fopen() that answers or ends the program. */
/* Each of them, and the array. */
void free_texts(char **texts, size_t count);
FILE *must_open(const char *path, const char *mode);
/* The next line without its line end, in memory of its own that the next call reuses; NULL at the
 * end. */
char *next_line(FILE *file);
/* Cuts a line at its tabs; how many pieces there are. The pieces lie in the line. */
size_t cut(char *line, char **pieces, size_t room);

uint64_t number_of(const char *text); /* ends the program if it is none */

#endif
