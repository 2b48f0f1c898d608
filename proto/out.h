/* SPDX-License-Identifier: MIT */
/*
 * The octets a connection wants to send, each with the row of the ledger that it will be charged to
 * when the kernel has taken it.
 *
 * A buf holds the octets; beside it a queue of runs says of each stretch whose it is. Neighbours of
 * one owner and row merge, so a body costs one run. weir_out_sent() is the only way out and charges
 * exactly what left: "sent" never means "buffered".
 *
 * An owner that closes while octets of it are queued is disowned: those runs become LATE.
 *
 * Small records. An owner may ask, in `small_octets`, that its next octets travel in TLS records of
 * a segment's length, shared with nobody: a peer can take the first octets of a record only when it
 * has the last. Their runs are marked, and weir_out_record() cuts where they begin and end.
 *
 * The first few runs live in the out itself, so that an ordinary exchange allocates none; a larger
 * ring is allocated when they do not suffice and given back when the queue is empty. An out points
 * into itself: it may not be moved or copied.
 */
#ifndef WEIR_PROTO_OUT_H
#define WEIR_PROTO_OUT_H

#include "proto/buf.h"
#include "proto/ledger.h"

#define WEIR_OUT_FEW_RUNS            4
/* With the overhead of a record and the longest common headers it fits one packet of 1,500 octets,
 * and one of 1,428 in a tunnel. */
#define WEIR_OUT_SMALL_RECORD_OCTETS ((size_t)1350)

typedef struct weir_run {
    weir_owner *owner; /* NULL: a row of the connection */
    uint32_t octets;
    uint16_t row;  /* weir_row */
    bool is_small; /* for small records */
} weir_run;

typedef struct weir_out {
    weir_buf octets;
    weir_run *runs; /* a ring of capacity `runs_room` (a power of two): `few`, or allocated */
    size_t runs_room;
    size_t runs_first;
    size_t runs_count;
    size_t small_octets; /* in runs for small records */
    weir_run few[WEIR_OUT_FEW_RUNS];
} weir_out;

void weir_out_init(weir_out *out, weir_bin *bin, size_t limit_octets);
/* Forgets everything queued, charging nothing. */
void weir_out_clear(weir_out *out);

/* Octets that may still be queued below the limit; control octets may go over it (buf.h). */
size_t weir_out_room(const weir_out *out);
size_t weir_out_octets(const weir_out *out);

/* Queues the whole span or nothing. False: no memory. `owner` as in weir_ledger_charge(). */
bool weir_out_append(weir_out *out, weir_owner *owner, weir_row row, weir_span octets);
/*
 * Gets the memory for appends of up to `octets` in up to `runs` calls, which then cannot fail as
 * long as nobody else uses the bin. A frame, or a header block that the peer's decoder will need
 * (RFC 7541 s2.2), is queued whole or not at all. False: no memory, and nothing has changed. Asking
 * for nothing gives back what was got and not used.
 */
bool weir_out_prepare(weir_out *out, size_t octets, size_t runs);

/* The longest contiguous run that begins `skip` octets into the queue, pinned until it is sent. */
weir_span weir_out_pending(const weir_out *out, size_t skip);

/*
 * What a record that begins `skip` octets into the queue should hold: at most `most`, and less
 * where small records are asked for. As weir_out_pending(), of which it is the head.
 */
weir_span weir_out_record(const weir_out *out, size_t skip, size_t most);

/* The kernel took the first `octets`: charges each run, forgets it. */
void weir_out_sent(weir_out *out, weir_ledger *ledger, size_t octets);

/* The owner goes away: its queued octets become LATE. Call it before weir_ledger_fold(). */
void weir_out_disown(weir_out *out, weir_owner *owner);

void weir_out_check(const weir_out *out);

#endif
