/* SPDX-License-Identifier: MIT */
/*
 * Who agrees with whom. A connection has up to four counts of its octets:
 *
 *     ledger      the sum of the rows of its account, as weir told it
 *     self-check  the kernel's counters as weir read them before the close
 *     witness     the kernel's counters as witness.so read them
 *     origin      what the embedded origin sent and received
 *
 * All that apply must be equal, in both directions. What we sent must be what the origin received
 * if it read to our end. What the origin sent must be what we received if we saw its end; if we
 * closed before, octets may have been on the way to us, and if the connection was reset, octets may
 * have been lost (interop/origin/log.h lists the endings). Then neither side can have received more
 * than the other sent, and that is checked instead. A connection that one list has and another
 * lacks fails its row.
 */
#ifndef INTEROP_JUDGE_H
#define INTEROP_JUDGE_H

#include "rows.h"

typedef struct verdicts {
    size_t problems; /* that belong to no row */
    char **problem;
    size_t problem_room;
    size_t connections;
    size_t origin_equal;  /* connections of which the origin counted the same */
    size_t origin_on_way; /* ... more, because we closed while octets were on the way */
    size_t origin_forced; /* ... something else, because the connection was ended by force */
} verdicts;

/*
 * Reads the log of an origin that listens on these ports, and gives each of its lines to the
 * connection of the server's rows that it is about. `ports` is text, a comma between them.
 */
void judge_origin_log(rows *r, verdicts *v, const char *who, const char *ports, const char *path);
/* The witness must have testified in rows only: `path` has as many lines as the rows from `first`
 * on have. */
void judge_witness(const rows *r, size_t first, verdicts *v, const char *path);
/*
 * Compares what is there, and gives every row its outcome. An attempt to connect that was abandoned
 * and was connected by then has an account too. `logged`: the row's server is an origin that logs.
 */
void judge_row(row *r, verdicts *v, bool logged);
void verdicts_add_problem(verdicts *v, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void verdicts_clear(verdicts *v);

#endif
