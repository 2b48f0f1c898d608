/* SPDX-License-Identifier: MIT */
/* Lines, tabs, and memory that is there. */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("weir-interop: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(64);
}

void *must_alloc(size_t octets)
{
    void *at = calloc(1, octets > 0 ? octets : 1);
    if (at == NULL) {
        die("out of memory");
    }
    return at;
}

void *must_grow(void *array, size_t count, size_t *room, size_t each)
{
    if (count < *room) {
        return array;
    }
    *room = *room == 0 ? 8 : *room * 2;
    void *grown = realloc(array, *room * each);
    if (grown == NULL) {
        die("out of memory");
    }
    memset((char *)grown + count * each, 0, (*room - count) * each);
    return grown;
}

char *must_copy(const char *text)
{
    size_t length = strlen(text);
    char *copy = must_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

char *must_format(const char *format, va_list arguments)
{
    char text[512];
    (void)vsnprintf(text, sizeof text, format, arguments);
    return must_copy(text);
}

void free_texts(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

FILE *must_open(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (file == NULL) {
        die("%s: %s", path, strerror(errno));
    }
    return file;
}

char *next_line(FILE *file)
{
    static char *line;
    static size_t room;
    ssize_t length = getline(&line, &room, file);
    if (length < 0) {
        return NULL;
    }
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        line[--length] = '\0';
    }
    return line;
}

size_t cut(char *line, char **pieces, size_t room)
{
    size_t count = 0;
    for (char *at = line; at != NULL && count < room;) {
        pieces[count++] = at;
        at = count < room ? strchr(at, '\t') : NULL;
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return count;
}

uint64_t number_of(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || *text < '0' || *text > '9' || *end != '\0') {
        die("%s is not a number", text);
    }
    return n;
}
