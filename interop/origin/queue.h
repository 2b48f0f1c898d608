/* SPDX-License-Identifier: MIT */
/*
 * An octet queue: appended at the tail, consumed at the head, one block of memory.
 *
 * The queue itself has no limit; every caller asks for its length before it appends, so the
 * limit stands where the decision is. An empty queue holds no memory. A failed allocation ends
 * the program: this is a test peer, and a test peer that limps on would lie.
 */
#ifndef ORIGIN_QUEUE_H
#define ORIGIN_QUEUE_H

#include <stddef.h>
#include <stdint.h>

typedef struct queue {
    uint8_t *block;
    size_t start;
    size_t end;
    size_t room;
} queue;

void queue_clear(queue *q);
void queue_append(queue *q, const void *octets, size_t count);
void queue_text(queue *q, const char *text);
void queue_format(queue *q, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Room for `count` octets at the tail; queue_commit() then says how many were really written. */
uint8_t *queue_reserve(queue *q, size_t count);
void queue_commit(queue *q, size_t count);
void queue_consume(queue *q, size_t count);
size_t queue_length(const queue *q);
const uint8_t *queue_head(const queue *q);

/* Allocation that cannot fail; it zeroes. */
void *must_alloc(size_t octets);
/* A copy with a NUL behind it. */
char *must_copy(const void *octets, size_t count);

#endif
