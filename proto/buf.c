/* SPDX-License-Identifier: MIT */
/*
 * The chunk queue. A chunk is filled from its front to its end once and emptied from its front to
 * its end once; it is never compacted, because a system call may hold a span of it.
 *
 *   first                                last
 *   [ gone | octets ] -> [ octets ] -> [ octets | free ]
 *          begin                              end
 *
 * Invariants, checked by weir_buf_check(): no chunk of a buf is empty (except between reserve and
 * commit); every chunk but the last is full to its end; buf.octets is the sum over the chunks.
 */
#include "proto/buf.h"

#include <string.h>

struct weir_chunk {
    weir_chunk *next;
    size_t begin;
    size_t end;
    uint8_t octets[WEIR_CHUNK_OCTETS];
};
_Static_assert(sizeof(weir_chunk) == WEIR_LOAN_OCTETS, "a chunk is a round number of pages");

static weir_chunk *bin_take(weir_bin *bin);
static void bin_give(weir_bin *bin, weir_chunk *chunk);
static void bin_push(weir_bin *bin, weir_chunk *chunk);
static void bin_trim(weir_bin *bin);
static weir_chunk *bin_take_chain(weir_bin *bin, size_t count);
static size_t free_octets(const weir_buf *buf);
static void link_last(weir_buf *buf, weir_chunk *chunk);
static void drop_first(weir_buf *buf);
static void fill_last(weir_buf *buf, weir_span *octets);

void weir_bin_init(weir_bin *bin, const weir_allocator *allocator, uint32_t keep)
{
    *bin = (weir_bin){.allocator = allocator, .keep = keep};
}

void weir_bin_clear(weir_bin *bin)
{
    while (bin->spare) {
        weir_chunk *chunk = bin->spare;
        bin->spare = chunk->next;
        bin->spare_count--;
        weir_release(bin->allocator, chunk);
    }
    WEIR_ASSERT(bin->spare_count == 0);
}

void *weir_bin_lend(weir_bin *bin)
{
    return bin_take(bin);
}

void weir_bin_return(weir_bin *bin, void *loan)
{
    if (loan) {
        bin_give(bin, loan);
    }
}

void weir_bin_move(weir_bin *from, weir_bin *to, size_t count)
{
    WEIR_ASSERT(from->allocator == to->allocator);
    while (count > 0 && from->spare && to->spare_count < to->keep) {
        bin_give(to, bin_take(from));
        count--;
    }
}

void weir_buf_init(weir_buf *buf, weir_bin *bin, size_t limit_octets)
{
    *buf = (weir_buf){.bin = bin, .limit_octets = limit_octets};
}

void weir_buf_clear(weir_buf *buf)
{
    while (buf->first) {
        drop_first(buf);
    }
    buf->octets = 0;
}

size_t weir_buf_room(const weir_buf *buf)
{
    return buf->octets < buf->limit_octets ? buf->limit_octets - buf->octets : 0;
}

bool weir_buf_append(weir_buf *buf, weir_span octets)
{
    size_t space = free_octets(buf);
    if (octets.length > space) {
        size_t missing = octets.length - space;
        weir_chunk *chain = bin_take_chain(buf->bin, (missing - 1) / WEIR_CHUNK_OCTETS + 1);
        if (!chain) {
            return false;
        }
        fill_last(buf, &octets);
        while (chain) {
            weir_chunk *chunk = chain;
            chain = chunk->next;
            link_last(buf, chunk);
            fill_last(buf, &octets);
        }
    } else {
        fill_last(buf, &octets);
    }
    WEIR_ASSERT(octets.length == 0);
    return true;
}

bool weir_buf_prepare(weir_buf *buf, size_t octets)
{
    weir_bin *bin = buf->bin;
    if (octets == 0) {
        bin_trim(bin);
        return true;
    }
    size_t space = free_octets(buf);
    if (octets <= space) {
        return true;
    }
    size_t needed = (octets - space - 1) / WEIR_CHUNK_OCTETS + 1;
    if (needed <= bin->spare_count) {
        return true;
    }
    weir_chunk *chain = bin_take_chain(bin, needed);
    if (!chain) {
        return false;
    }
    /* More spare chunks than the bin keeps, but only until the appends that follow at once. */
    while (chain) {
        weir_chunk *chunk = chain;
        chain = chunk->next;
        bin_push(bin, chunk);
    }
    return true;
}

uint8_t *weir_buf_reserve(weir_buf *buf, size_t *room)
{
    if (free_octets(buf) == 0) {
        weir_chunk *chunk = bin_take(buf->bin);
        if (!chunk) {
            return NULL;
        }
        link_last(buf, chunk);
    }
    *room = free_octets(buf);
    WEIR_ASSERT(*room > 0);
    return buf->last->octets + buf->last->end;
}

void weir_buf_commit(weir_buf *buf, size_t octets)
{
    WEIR_ASSERT(buf->last != NULL);
    WEIR_ASSERT(octets <= free_octets(buf));
    buf->last->end += octets;
    buf->octets += octets;
    if (buf->last->end > 0) {
        return;
    }
    /* The reserved chunk was not used: it is the last one, and its predecessor must be found. */
    weir_chunk *unused = buf->last;
    weir_chunk *before = NULL;
    for (weir_chunk *at = buf->first; at != unused; at = at->next) {
        before = at;
    }
    buf->last = before;
    if (before) {
        before->next = NULL;
    } else {
        buf->first = NULL;
    }
    bin_give(buf->bin, unused);
}

weir_span weir_buf_peek(const weir_buf *buf, size_t skip)
{
    for (const weir_chunk *chunk = buf->first; chunk; chunk = chunk->next) {
        size_t held = chunk->end - chunk->begin;
        if (skip < held) {
            return (weir_span){chunk->octets + chunk->begin + skip, held - skip};
        }
        skip -= held;
    }
    return (weir_span){NULL, 0};
}

void weir_buf_consume(weir_buf *buf, size_t octets)
{
    WEIR_ASSERT(octets <= buf->octets);
    buf->octets -= octets;
    while (octets > 0) {
        weir_chunk *chunk = buf->first;
        size_t step = weir_min(octets, chunk->end - chunk->begin);
        chunk->begin += step;
        octets -= step;
        if (chunk->begin == chunk->end) {
            drop_first(buf);
        }
    }
}

size_t weir_buf_take(weir_buf *buf, uint8_t *to, size_t room)
{
    size_t taken = 0;
    while (taken < room && buf->octets > 0) {
        weir_span run = weir_span_head(weir_buf_peek(buf, 0), room - taken);
        memcpy(to + taken, run.at, run.length);
        weir_buf_consume(buf, run.length);
        taken += run.length;
    }
    return taken;
}

void weir_buf_move(weir_buf *to, weir_buf *from)
{
    WEIR_ASSERT(to->octets == 0);
    WEIR_ASSERT(to->bin->allocator == from->bin->allocator);
    weir_buf_clear(to);
    to->first = from->first;
    to->last = from->last;
    to->octets = from->octets;
    from->first = NULL;
    from->last = NULL;
    from->octets = 0;
}

void weir_buf_check(const weir_buf *buf)
{
    size_t octets = 0;
    for (const weir_chunk *chunk = buf->first; chunk; chunk = chunk->next) {
        WEIR_CHECK_ASSERT(chunk->begin < chunk->end);
        WEIR_CHECK_ASSERT(chunk->end <= WEIR_CHUNK_OCTETS);
        WEIR_CHECK_ASSERT(chunk->next || chunk == buf->last);
        WEIR_CHECK_ASSERT(!chunk->next || chunk->end == WEIR_CHUNK_OCTETS);
        octets += chunk->end - chunk->begin;
    }
    WEIR_CHECK_ASSERT(octets == buf->octets);
    WEIR_CHECK_ASSERT((buf->first == NULL) == (buf->last == NULL));
}

/* An empty chunk, spare or new; NULL: no memory. */
static weir_chunk *bin_take(weir_bin *bin)
{
    weir_chunk *chunk = bin->spare;
    if (chunk) {
        bin->spare = chunk->next;
        bin->spare_count--;
    } else {
        chunk = weir_alloc(bin->allocator, sizeof(*chunk));
        if (!chunk) {
            return NULL;
        }
    }
    /* The octets themselves are not zeroed: 16 KiB for a head of 200 would be felt. */
    chunk->next = NULL;
    chunk->begin = 0;
    chunk->end = 0;
    return chunk;
}

static void bin_give(weir_bin *bin, weir_chunk *chunk)
{
    if (bin->spare_count >= bin->keep) {
        weir_release(bin->allocator, chunk);
        return;
    }
    bin_push(bin, chunk);
}

static void bin_push(weir_bin *bin, weir_chunk *chunk)
{
    chunk->next = bin->spare;
    bin->spare = chunk;
    bin->spare_count++;
}

/* Back to what the bin keeps. */
static void bin_trim(weir_bin *bin)
{
    while (bin->spare_count > bin->keep) {
        weir_release(bin->allocator, bin_take(bin));
    }
}

/* `count` chunks or none, so that an append that fails has changed nothing. */
static weir_chunk *bin_take_chain(weir_bin *bin, size_t count)
{
    weir_chunk *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        weir_chunk *chunk = bin_take(bin);
        if (!chunk) {
            while (chain) {
                chunk = chain;
                chain = chunk->next;
                bin_give(bin, chunk);
            }
            return NULL;
        }
        chunk->next = chain;
        chain = chunk;
    }
    return chain;
}

static size_t free_octets(const weir_buf *buf)
{
    return buf->last ? WEIR_CHUNK_OCTETS - buf->last->end : 0;
}

static void link_last(weir_buf *buf, weir_chunk *chunk)
{
    chunk->next = NULL;
    if (buf->last) {
        buf->last->next = chunk;
    } else {
        buf->first = chunk;
    }
    buf->last = chunk;
}

static void drop_first(weir_buf *buf)
{
    weir_chunk *chunk = buf->first;
    buf->first = chunk->next;
    if (!buf->first) {
        buf->last = NULL;
    }
    bin_give(buf->bin, chunk);
}

/* Copies as much as the last chunk has space for and moves the span past it. */
static void fill_last(weir_buf *buf, weir_span *octets)
{
    size_t step = weir_min(octets->length, free_octets(buf));
    if (step == 0) {
        return;
    }
    memcpy(buf->last->octets + buf->last->end, octets->at, step);
    buf->last->end += step;
    buf->octets += step;
    *octets = weir_span_from(*octets, step);
}
