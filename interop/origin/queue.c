/* SPDX-License-Identifier: MIT */
/*
 * The octet queue. Octets live in block[start, end); consuming moves `start`, and appending first
 * closes the gap at the front before it asks for more memory, so a queue that is used as a pipe
 * stays as large as its fullest moment and no larger.
 */
#include "queue.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void make_room(queue *q, size_t count);

void queue_clear(queue *q)
{
    free(q->block);
    *q = (queue){0};
}

void queue_append(queue *q, const void *octets, size_t count)
{
    if (count == 0) {
        return;
    }
    memcpy(queue_reserve(q, count), octets, count);
    queue_commit(q, count);
}

void queue_text(queue *q, const char *text)
{
    queue_append(q, text, strlen(text));
}

void queue_format(queue *q, const char *format, ...)
{
    char line[1024];
    va_list list;
    va_start(list, format);
    int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    assert(length >= 0);
    assert((size_t)length < sizeof line);
    queue_append(q, line, (size_t)length);
}

uint8_t *queue_reserve(queue *q, size_t count)
{
    if (q->room - q->end < count) {
        make_room(q, count);
    }
    return q->block + q->end;
}

void queue_commit(queue *q, size_t count)
{
    assert(count <= q->room - q->end);
    q->end += count;
}

void queue_consume(queue *q, size_t count)
{
    assert(count <= queue_length(q));
    q->start += count;
    if (q->start == q->end) {
        queue_clear(q);
    }
}

size_t queue_length(const queue *q)
{
    return q->end - q->start;
}

const uint8_t *queue_head(const queue *q)
{
    return q->block == NULL ? NULL : q->block + q->start;
}

void *must_alloc(size_t octets)
{
    void *at = calloc(1, octets);
    if (at == NULL) {
        fputs("weir-origin: out of memory\n", stderr);
        exit(70);
    }
    return at;
}

char *must_copy(const void *octets, size_t count)
{
    char *copy = must_alloc(count + 1);
    if (count > 0) {
        memcpy(copy, octets, count);
    }
    return copy;
}

static void make_room(queue *q, size_t count)
{
    size_t length = queue_length(q);
    if (q->start > 0) {
        memmove(q->block, q->block + q->start, length);
        q->start = 0;
        q->end = length;
    }
    if (q->room - q->end >= count) {
        return;
    }
    size_t room = q->room < 2048 ? 4096 : q->room * 2;
    while (room - length < count) {
        room *= 2;
    }
    uint8_t *block = realloc(q->block, room);
    if (block == NULL) {
        fputs("weir-origin: out of memory\n", stderr);
        exit(70);
    }
    q->block = block;
    q->room = room;
}
