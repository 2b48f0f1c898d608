/* SPDX-License-Identifier: MIT */
/*
 * A queue of octets in chunks of one capacity, and the bin the chunks come from.
 *
 * Ownership: a buf owns its chunks while they hold octets and gives each back to its bin when it is
 * empty, so that an idle connection holds none. A bin keeps at most `keep` spare chunks; the rest
 * go back to the allocator. Neither is thread-safe: whoever owns the link owns its bin.
 *
 * A bin also lends a chunk whole, as memory for a record that is there only while something is
 * under way: an idle connection holds none of those either, and a busy one allocates none.
 *
 * Pinning: octets never move in memory between append and consume, so a span of weir_buf_peek()
 * stays valid while a system call uses it, whatever is appended meanwhile.
 *
 * The limit is the caller's to honour: it asks weir_buf_room() before it appends peer- or
 * user-driven octets. Control octets that must not be lost (acknowledgements) may go over; who
 * queues them has a limit of its own.
 */
#ifndef WEIR_PROTO_BUF_H
#define WEIR_PROTO_BUF_H

#include "proto/alloc.h"

/* One chunk with its header is a round 16 KiB. */
#define WEIR_CHUNK_OCTETS ((size_t)16384 - 3 * sizeof(void *))

/* ... and this is a chunk that is lent whole. */
#define WEIR_LOAN_OCTETS ((size_t)16384)

typedef struct weir_chunk weir_chunk;

typedef struct weir_bin {
    const weir_allocator *allocator;
    weir_chunk *spare;
    uint32_t spare_count;
    uint32_t keep;
} weir_bin;

typedef struct weir_buf {
    weir_bin *bin;
    weir_chunk *first;
    weir_chunk *last;
    size_t octets;
    size_t limit_octets;
} weir_buf;

/* The allocator is *kept*. Every buf of a bin must be cleared before the bin is. */
void weir_bin_init(weir_bin *bin, const weir_allocator *allocator, uint32_t keep);
void weir_bin_clear(weir_bin *bin);
/* Lends WEIR_LOAN_OCTETS, aligned for any object, with anything in them; NULL: no memory. */
void *weir_bin_lend(weir_bin *bin);
/* Takes back what this bin, or one of the same allocator, has lent. NULL-safe. */
void weir_bin_return(weir_bin *bin, void *loan);
/* Moves up to `count` spare chunks, never more than `to` may keep. Both share one allocator. */
void weir_bin_move(weir_bin *from, weir_bin *to, size_t count);

void weir_buf_init(weir_buf *buf, weir_bin *bin, size_t limit_octets);
/* Drops everything. The buf can be used again. */
void weir_buf_clear(weir_buf *buf);

/* Octets that may still be appended below the limit; 0 when at or over it. */
size_t weir_buf_room(const weir_buf *buf);

/* Copies the whole span to the end, or nothing. False: no memory. */
bool weir_buf_append(weir_buf *buf, weir_span octets);
/*
 * Gets the memory for appends of up to `octets` in all, which then cannot fail as long as nobody
 * else uses the bin. False: no memory, and nothing has changed. Asking for nothing gives back what
 * the bin then holds above what it keeps.
 */
bool weir_buf_prepare(weir_buf *buf, size_t octets);

/*
 * Contiguous free space at the end, at least one octet, for a writer that fills it itself; NULL: no
 * memory. weir_buf_commit() says how much of it was used (0 is allowed) and must be the next call
 * on this buf.
 */
uint8_t *weir_buf_reserve(weir_buf *buf, size_t *room);
void weir_buf_commit(weir_buf *buf, size_t octets);

/* The longest contiguous run that begins `skip` octets into the queue; empty when there is none. */
weir_span weir_buf_peek(const weir_buf *buf, size_t skip);

/* Drops the first `octets`. */
void weir_buf_consume(weir_buf *buf, size_t octets);

/* Copies up to `room` octets out and drops them; how many. */
size_t weir_buf_take(weir_buf *buf, uint8_t *to, size_t room);

/* Moves every octet of `from` into the empty `to`, without copying; `to` gives the chunks to its
 * own bin later. */
void weir_buf_move(weir_buf *to, weir_buf *from);

void weir_buf_check(const weir_buf *buf);

#endif
