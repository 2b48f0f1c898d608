/* SPDX-License-Identifier: MIT */
/*
 * The octet accounts of one connection: tallies of open exchanges, the sum of closed ones, the rows
 * of the connection, and the conservation laws between them (docs/ledger.md).
 *
 * Invariants:
 *   plain == sum(open owners) + closed + rows above TLS + undecided
 *   wire  == plain + tls rows + torn
 *
 * The tls row of a tally is part of wire and not of plain. On a clear link every tls row and torn
 * are zero, so wire == plain. Within a call the boundaries move at different moments (a link moves
 * wire before the conn moves plain), so each law can be asked apart, where its boundary is at rest:
 * the conn asks weir_ledger_check_plain() when its calls begin and end, the link
 * weir_ledger_check() when its own do.
 *
 * weir_ledger_charge() and, for shares of overhead, weir_ledger_share() are the only functions that
 * move a row (weir_ledger_inherit() carries rows over that were moved so). No row is computed as a
 * difference. plain and wire are moved by other call sites than rows are (the conn's face and the
 * link), which is what makes the laws checks.
 *
 * TLS. Between two weir_ledger_share() calls of one direction the ledger remembers which owners
 * were charged how much: that is the content of one record. weir_ledger_share() splits the record's
 * overhead over them in proportion, whole numbers by largest remainder, ties to the lower stream; a
 * record that charged no owner goes to TLS_CONTROL. So does the share of an owner that was folded
 * after it was charged and before the share: its tally was final already. The folded owners of a
 * record count as one, which loses every tie.
 *
 * A connection has the accounts that it can move: the ledger itself is what a clear HTTP/1.1 one
 * has while it is idle, and that is most of the life of most connections. Records (TLS) and frames
 * (HTTP/2) have accounts of their own beside it, and the lists of open exchanges are there while
 * there can be one.
 *
 * Ownership: the owner lives in its stream; the ledger links it from open to fold. What lies beside
 * the ledger is *kept*, and lies in whatever holds the ledger or its exchange. None of them may move
 * in memory. Thread rule: none inside; the link's lock guards it.
 */
#ifndef WEIR_PROTO_LEDGER_H
#define WEIR_PROTO_LEDGER_H

#include "proto/list.h"
#include "weir/ledger.h"

typedef enum weir_direction {
    WEIR_SENT = 0,
    WEIR_RECEIVED = 1,
    WEIR_DIRECTIONS = 2
} weir_direction;

/* Every row of the ledger in one numbering: first those of an exchange, then of the connection. */
typedef enum weir_row {
    WEIR_ROW_HEAD = 0,
    WEIR_ROW_BODY,
    WEIR_ROW_TRAILERS,
    WEIR_ROW_FRAMING,
    WEIR_OWNER_ROWS,  /* the tls share of an owner is moved by weir_ledger_share() alone */
    WEIR_ROW_CONN = 8 /* WEIR_ROW_CONN + weir_conn_row */
} weir_row;

static inline weir_row weir_row_of_conn(weir_conn_row row)
{
    return (weir_row)((unsigned)WEIR_ROW_CONN + (unsigned)row);
}

/* An open exchange's place in the ledger. It lives in its stream; linked while it is open. */
typedef struct weir_owner {
    weir_list link; /* in ledger.owners->open */
    weir_tally tally;
    uint32_t id;                         /* the stream's number: breaks ties */
    uint32_t in_record[WEIR_DIRECTIONS]; /* octets charged since the last share */
    weir_list touched[WEIR_DIRECTIONS];  /* in ledger.owners->touched */
    uint64_t queued_octets;              /* octets in an out queue that name this owner */
    uint32_t small_octets; /* so many of those queued next go in small records: out.h */
    weir_time charged_ns[WEIR_DIRECTIONS]; /* when a row was last moved; 0: never */
    weir_list moved;                       /* in ledger.owners->moved */
} weir_owner;

/* The open exchanges. On HTTP/1.1 it comes and goes with the only one there is. */
typedef struct weir_ledger_owners {
    weir_list open;
    weir_list moved;                    /* those that were charged since somebody asked */
    weir_list touched[WEIR_DIRECTIONS]; /* those in the record under way */
} weir_ledger_owners;

/* What only a connection with records moves. */
typedef struct weir_ledger_tls {
    weir_octets handshake;
    weir_octets control;
    weir_octets torn;
    uint32_t folded_in_record[WEIR_DIRECTIONS]; /* of owners folded since the last share */
} weir_ledger_tls;

/* What only a connection with frames moves. */
typedef struct weir_ledger_frames {
    weir_octets rows[WEIR_ROW_OTHER + 1]; /* those from PREFACE to OTHER */
    weir_octets proxy;
    weir_octets undecided;
} weir_ledger_frames;

/* All that may lie beside a ledger, for who has it from birth to death. */
typedef struct weir_ledger_annex {
    weir_ledger_owners owners;
    weir_ledger_tls tls;
    weir_ledger_frames frames;
} weir_ledger_annex;

typedef struct weir_ledger {
    weir_ledger_owners *owners; /* NULL: no exchange is open */
    weir_ledger_tls *tls;       /* NULL: clear; else records are shared */
    weir_ledger_frames *frames; /* NULL: HTTP/1.1 */
    weir_time now_ns;           /* of the call under way, or of the last one */
    weir_tally closed;
    weir_octets late; /* the two rows that every connection has */
    weir_octets unread;
    weir_octets plain;
    weir_octets wire;
} weir_ledger;

/* HTTP/2: with all there is, initialised here; its `tls` is used if the connection is over TLS. */
void weir_ledger_init(weir_ledger *ledger, bool over_tls, weir_ledger_annex *annex);
/* HTTP/1.1, and a handshake that does not know yet: `tls`, initialised here, or NULL. */
void weir_ledger_init_h1(weir_ledger *ledger, weir_ledger_tls *tls);
/* ... and where its exchanges are listed, initialised here; NULL when none is open any more. */
void weir_ledger_set_owners(weir_ledger *ledger, weir_ledger_owners *owners);
/* Takes over what was counted before (a handshake); no owner was ever open in `from`. */
void weir_ledger_inherit(weir_ledger *ledger, const weir_ledger *from);

/* The open exchange after that one; NULL: the first, and none. */
const weir_owner *weir_ledger_next_open(const weir_ledger *ledger, const weir_owner *after);
/* Initialises the owner and links it. */
void weir_ledger_open(weir_ledger *ledger, weir_owner *owner, uint32_t id);
/*
 * Folds the owner's tally into `closed` and unlinks it; its octets later on go to the row LATE. It
 * must not be named in an out queue any more: weir_out_disown() comes first. The tally stays
 * readable and is final.
 */
void weir_ledger_fold(weir_ledger *ledger, weir_owner *owner);

/* Moves one row. `owner` is NULL for rows of the connection, and only for those. */
void weir_ledger_charge(weir_ledger *ledger, weir_owner *owner, weir_row row,
                        weir_direction direction, uint64_t octets);

/* A row of the connection; one that it cannot have is zero. */
weir_octets weir_ledger_row(const weir_ledger *ledger, weir_conn_row row);
weir_octets weir_ledger_undecided(const weir_ledger *ledger);
weir_octets weir_ledger_torn(const weir_ledger *ledger);

/* An open owner that was charged since it was last answered here, each once; NULL: none. */
weir_owner *weir_ledger_next_moved(weir_ledger *ledger);

/* Ends a TLS record whose plaintext was charged since the last share. Not for clear links. */
void weir_ledger_share(weir_ledger *ledger, weir_direction direction, uint64_t overhead_octets);

/* The counters that are moved at the boundaries. */
void weir_ledger_plain(weir_ledger *ledger, weir_direction direction, uint64_t octets);
void weir_ledger_wire(weir_ledger *ledger, weir_direction direction, uint64_t octets);
void weir_ledger_set_undecided(weir_ledger *ledger, weir_direction direction, uint64_t octets);
void weir_ledger_set_torn(weir_ledger *ledger, weir_direction direction, uint64_t octets);

/* At the death of a link: undecided moves to OTHER and torn to TLS_CONTROL, visibly. */
void weir_ledger_settle(weir_ledger *ledger);

/* Does the first law hold, the second, do both, each in both directions? Walks the open owners. */
bool weir_ledger_plain_holds(const weir_ledger *ledger);
bool weir_ledger_wire_holds(const weir_ledger *ledger);
bool weir_ledger_holds(const weir_ledger *ledger);
/* Asserts the first law and the marks of the records under way; the other, the second law too. */
void weir_ledger_check_plain(const weir_ledger *ledger);
void weir_ledger_check(const weir_ledger *ledger);

/*
 * A copy for users. The verdict is left unavailable; its ledger is the sum of every row and not the
 * counter of the wire, so that a charge that went wrong differs from the kernel in builds that do
 * not walk the laws.
 */
void weir_ledger_account(const weir_ledger *ledger, weir_account *account);

#endif
