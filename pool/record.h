/* SPDX-License-Identifier: MIT */
/*
 * The pool's record of one origin: its queue, its connections, and what is remembered of it.
 *
 *   made by the first request -> has slots or tickets -> bare -> remembered -> freed, the oldest
 *                                          ^                         |         of too many
 *                                          \------- request ---------/
 *
 * Ownership: the pool's, found by its key in the pool's table. The key's octets lie in the record
 * if they are not too many, and one of its slots: a slot keeps its origin, so it never outlives the
 * record.
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

/*
 * In the order of use: with a million origins each request finds another one, and pays for every
 * cache line of it that it touches, and most for each that says only where the next one is. So the
 * first of its slots lies in it, and what finding, leasing and releasing look at lies together,
 * from the second half of `own` to the end.
 */
struct weir_origin {
    weir_list link;      /* the pool's origins */
    weir_list hungry;    /* those that wait for a place in the whole pool's limit, in turn */
    weir_list unawaited; /* those that have dials and no tickets */
    weir_list paused;    /* tickets that wait outside the queue for now (pause.h) */
    weir_list slots;     /* until GONE */
    weir_list dials;     /* DIALING slots, the first begun first */
    /* the clock of those that wait without a dial: wait.h */
    weir_time waits_since_ns;
    weir_time waited_ns[WEIR_WAITS]; /* before that, under each reason */
    /* what is remembered, with what is below */
    uint64_t left_over;    /* connections that had octets which answered no request */
    uint64_t failed_order; /* of the last failure */
    weir_time failed_at_ns;
    weir_list remembered; /* the pool's bare ones, the oldest first */
    weir_slab *slab;      /* that the record is of */
    uint32_t ghosts;      /* slots GONE with leases left */
    uint8_t *octets;      /* of a key for which `room` is too small; else NULL */

    weir_slot own;        /* room for one of its slots; free while its id is 0 */
    weir_list spare;      /* READY slots without leases, with room, the last used first */
    weir_list shared;     /* READY slots with leases and room, the last used first */
    weir_list waiting;    /* tickets, in the order of their first request */
    weir_list wishes;     /* for warm connections, in order */
    weir_list unsettled;  /* those whose situation another's decision has changed */
    weir_horizon horizon; /* how long its server lets connections be idle */
    weir_agenda_entry retry;
    weir_ticket *undialed; /* the first waiting ticket for which no dial was started */
    weir_time retry_at_ns; /* no dial before */
    uint32_t tickets;      /* waiting */
    uint32_t available;    /* in `shared` and `spare` */
    uint32_t idle;         /* READY without leases, with room or without */
    uint32_t connections;  /* slots until GONE */
    uint32_t slots_in[WEIR_SLOT_STATES];
    uint32_t unawaited_dials; /* that nobody waits for, as counted in the pool's */
    uint32_t wanted;          /* dials that it waits for, while hungry */
    uint32_t streams;         /* HTTP/2: the peer's limit; 0: not known */
    uint32_t failures;        /* dials failed in a row, those begun together counted as one */
    weir_protocol protocol;   /* spoken last; ANY: not known */
    /* its connections are kept no longer than tickets wait, and why; NONE: they are */
    weir_reason ends;
    uint8_t waits_for;  /* index of the reason, of those that wait without a dial */
    bool has_news;      /* of what is remembered, that was not taken yet */
    bool out_of_memory; /* a dial would be worth while, but there is no memory for its slot */
    bool is_remembered; /* in the list of those */
    weir_table_entry entry;
    weir_origin_key key;
    uint8_t room[72]; /* for the key's octets */
};

/* What finding, leasing and releasing look at begins here, and goes on to the end. */
#define WEIR_RECORD_USED_FROM (offsetof(weir_origin, own) + offsetof(weir_slot, ends_at_ns))
_Static_assert(WEIR_RECORD_USED_FROM % WEIR_LINE_OCTETS == 0, "it begins where a line begins");
_Static_assert(sizeof(weir_origin) % WEIR_LINE_OCTETS == 0, "the next record does so too");

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

void weir_record_check(const weir_pool *pool, const weir_origin *origin);

#endif
