/* SPDX-License-Identifier: MIT */
/*
 * The pool's record of one origin: its queue, its connections, and what is remembered of it.
 *
 *   made by the first request -> has slots or tickets -> bare -> remembered -> freed, the oldest
 *                                          ^                         |         of too many
 *                                          \------- request ---------/
 *
 * Ownership: the pool's, found by its key in the pool's table. It lies in two pieces, what is often
 * looked at and what is not, and in them the key's octets, if they are not too many, and one of its
 * slots: a slot keeps its origin, so it never outlives the record.
 */
#ifndef WEIR_POOL_RECORD_H
#define WEIR_POOL_RECORD_H

#include "pool/agenda.h"
#include "pool/horizon.h"
#include "pool/slab.h"
#include "pool/slot.h"
#include "pool/table.h"

/* What an HTTP/2 connection is expected to take before it has said so (RFC 9113 s6.5.2 recommends
 * no less). */
#define WEIR_STREAMS_EXPECTED   100
/* The first pause after a failed dial, the longest, and how long a failure is remembered. */
#define WEIR_BACK_OFF_FIRST_NS  (50 * WEIR_NS_PER_MS)
#define WEIR_BACK_OFF_LAST_NS   (5 * WEIR_NS_PER_SECOND)
#define WEIR_BACK_OFF_FORGET_NS (2 * WEIR_BACK_OFF_LAST_NS)

typedef struct weir_origin_seldom weir_origin_seldom;

/*
 * What finding, leasing and releasing look at, with the first of its slots. With a million origins
 * each request finds another one, of which nothing is in a cache, and pays for every line that it
 * touches, and also for how far apart they lie: so these are as few octets as may be, and what is
 * seldom looked at lies elsewhere. The lines come about in the order in which they are asked for:
 * so what each request looks at is in front, and at the end what only some do, or the table does.
 */
struct weir_origin {
    uint64_t words[WEIR_ORIGIN_WORDS]; /* the key's first: looked at first, so on the first line */
    weir_list spare;       /* READY slots without leases, with room, the last used first */
    weir_list shared;      /* READY slots with leases and room, the last used first */
    weir_list waiting;     /* tickets, in the order of their first request */
    weir_ticket *undialed; /* the first waiting ticket for which no dial was started */
    weir_time retry_at_ns; /* no dial before */
    uint32_t tickets;      /* waiting */
    uint32_t available;    /* in `shared` and `spare` */
    uint32_t idle;         /* READY without leases, with room or without */
    uint32_t connections;  /* slots until GONE */
    uint32_t slots_in[WEIR_SLOT_STATES];
    uint32_t unawaited_dials;   /* that nobody waits for, as counted in the pool's */
    uint32_t wanted;            /* dials that it waits for, while hungry */
    uint32_t wishes;            /* for warm connections, waiting */
    uint32_t failures;          /* dials failed in a row, those begun together counted as one */
    uint32_t streams;           /* HTTP/2: the peer's limit; 0: not known */
    weir_protocol protocol : 8; /* spoken last; ANY: not known */
    /* its connections are kept no longer than tickets wait, and why; NONE: they are */
    weir_reason ends : 8;
    uint8_t waits_for;  /* index of the reason, of those that wait without a dial */
    bool has_news;      /* of what is remembered, that was not taken yet */
    bool out_of_memory; /* a dial would be worth while, but there is no memory for its slot */
    bool is_remembered; /* in the lists of those */
    bool is_unsettled;
    bool is_pausing;      /* `retry` is in the agenda */
    weir_horizon horizon; /* how long its server lets connections be idle */
    weir_slot own;        /* room for one of its slots; free while its origin is NULL */
    weir_origin_seldom *seldom;
    weir_table_entry entry;
};

struct weir_origin_seldom {
    weir_origin *origin;
    weir_list link;       /* the pool's origins */
    weir_list hungry;     /* those that wait for a place in the whole pool's limit, in turn */
    weir_list unawaited;  /* those that have dials and no tickets */
    weir_list unsettled;  /* those whose situation another's decision has changed */
    weir_list remembered; /* the bare ones, the oldest first */
    weir_list paused;     /* tickets that wait outside the queue for now (pause.h) */
    weir_list wishes;     /* for warm connections, in order */
    weir_list slots;      /* until GONE */
    weir_list dials;      /* DIALING slots, the first begun first */
    weir_agenda_entry retry;
    /* the clock of those that wait without a dial: wait.h */
    weir_time waits_since_ns;
    weir_time waited_ns[WEIR_WAITS]; /* before that, under each reason */
    /* what is remembered, with what is above */
    uint64_t left_over;    /* connections that had octets which answered no request */
    uint64_t failed_order; /* of the last failure */
    weir_time failed_at_ns;
    uint32_t ghosts; /* slots GONE with leases left */
    weir_slot_seldom own;
    weir_slab *slab; /* that this is of, and that the origin is of */
    weir_slab *origin_slab;
    weir_origin_key key;
    uint8_t *octets;  /* of a key for which `room` is too small; else NULL */
    uint8_t room[72]; /* for the key's octets */
};

/* For lists that origins are in by `link`, `hungry`, `unawaited`, `unsettled` or `remembered`. */
#define WEIR_ORIGIN_OF(node, member) (WEIR_CONTAINER_OF(node, weir_origin_seldom, member)->origin)
#define WEIR_CONST_ORIGIN_OF(node, member)                                                         \
    ((const weir_origin *)WEIR_CONST_CONTAINER_OF(node, weir_origin_seldom, member)->origin)

/* The origin of a key, made if it is not there; NULL: no memory. */
weir_origin *weir_record_get(weir_pool *pool, const weir_origin_key *key);
weir_origin *weir_record_find(const weir_pool *pool, const weir_origin_key *key);
/* Does any ticket or wish wait here? */
bool weir_record_is_asked(const weir_origin *origin);
/* After a call: remembers an origin that has become bare, or frees it. */
void weir_record_settle(weir_pool *pool, weir_origin *origin);
/* Frees a bare one. */
void weir_record_free(weir_pool *pool, weir_origin *origin);

/* Pinned, implied by the scheme, or learned; ANY: only a handshake will tell. */
weir_protocol weir_record_protocol(const weir_origin *origin);
/* How many exchanges a further HTTP/2 connection is expected to take; at least 1. */
uint32_t weir_record_streams(const weir_pool *pool, const weir_origin *origin);
/* Remembers what a connection said of itself. */
void weir_record_learn(weir_origin *origin, const weir_facts *facts);
/* A dial begun at `order` came to nothing. */
void weir_record_failed(weir_pool *pool, weir_origin *origin, uint64_t order);

/* No dial before retry_at_ns, when the origin is looked at again; and no pause any more. */
void weir_record_pause(weir_pool *pool, weir_origin *origin);
void weir_record_unpause(weir_pool *pool, weir_origin *origin);

void weir_record_check(const weir_pool *pool, const weir_origin *origin);

#endif
