/* SPDX-License-Identifier: MIT */
/*
 * The pool's record of one connection: its state, its leases and the facts it was told.
 *
 *   DIALING -ready-> READY <-facts-> DRAINING -last release-> CLOSING -gone-> GONE
 *      |               \-idle too long, evicted, unfit, drain----^             ^
 *      \-given up, failed-> CLOSING                        every state: -gone-/
 *
 * READY takes exchanges; DRAINING has leases left and takes no more; CLOSING has a CLOSE action
 * (queued or pulled), or is a dial that failed, and waits for weir_pool_gone(). GONE is a slot that
 * only the releases of its last leases keep.
 *
 * Which of READY, DRAINING and CLOSING a connection is in is never decided at a call site:
 * weir_slot_refresh() derives it from three things, the facts, the number of leases, and whether
 * the pool itself retired it.
 *
 * Ownership: the pool's; one of an origin's lies in its record. Thread rule: the core's lock.
 */
#ifndef WEIR_POOL_SLOT_H
#define WEIR_POOL_SLOT_H

#include "pool/agenda.h"
#include "pool/pool.h"

typedef enum weir_slot_state {
    WEIR_SLOT_DIALING = 0,
    WEIR_SLOT_READY,
    WEIR_SLOT_DRAINING,
    WEIR_SLOT_CLOSING,
    WEIR_SLOT_GONE,
    WEIR_SLOT_STATES
} weir_slot_state;

/* What leasing and releasing look at (record.h says why the rest is apart, and in which order). */
struct weir_slot {
    /* from when on it takes no more: too old, or told to retire; WEIR_NEVER */
    weir_time ends_at_ns;
    weir_time rested_ns; /* how long it was idle before its first lease since; 0: that says nothing
                            any more */
    weir_time idle_since_ns; /* idle or not: when a lease of which something was sent ended last */
    uint64_t served;         /* leases that ended in a release */
    weir_facts facts;
    uint32_t leases;
    weir_slot_state state : 8;
    weir_action_kind order_kind : 8; /* DIAL or CLOSE while that action waits to be pulled */
    weir_reason order_reason : 8;
    weir_reason retired : 8;  /* the pool takes no more of it, and why; NONE: it does */
    weir_reason ends_for : 8; /* why it takes no more from ends_at_ns on */
    bool yields : 1;          /* it drains to make room for another origin */
    bool drained : 1;         /* some drain was told of it */
    bool is_for_wish : 1;     /* of a dial: for a wish, not for a ticket */
    bool refusing : 1;  /* it refused a lease under the facts that it told; until it tells others */
    bool is_listed : 1; /* it has a place among the pool's idle ones (idle.h), idle or leased */
    bool is_displaced : 1; /* it has been idle for longer than that says */
    bool is_available;     /* it has room, and is in one of the origin's two lists for that */
    bool is_idle;          /* READY without leases */
    uint32_t listed_at;    /* in which tick it got its place */
    weir_origin *origin;   /* NULL: it is the origin's own, and free */
    weir_list leased;      /* its tickets */
    weir_list queue;       /* the pool's idle ones, or its actions while it has an order */
    weir_list available;   /* the origin's `shared` or `spare` if it has room, or its `dials` */
    void *user;            /* the engine's, which looks there at each lease */
    weir_agenda_entry due;
};

/* ... and what they do not. */
typedef struct weir_slot_seldom {
    weir_slot *slot;
    weir_list link;    /* the pool's slots in order of creation; GONE: its ghosts */
    weir_list sibling; /* the origin's slots */
    /* while DIALING: whom it is dialled for; NULL when that left */
    union {
        weir_ticket *ticket;
        weir_warmth *wish; /* slot->is_for_wish */
    } dialed_for;
    weir_time since_ns; /* its dial was decided, or is over */
    uint64_t order;     /* of that decision, among the pool's tickets and dials */
    uint64_t id;
} weir_slot_seldom;

/* A slot that does not lie in its origin's record. */
typedef struct weir_slot_apart {
    weir_slot slot;
    weir_slot_seldom seldom;
} weir_slot_apart;

/* For lists that slots are in by `link` or `sibling`. */
#define WEIR_SLOT_OF(node, member) (WEIR_CONTAINER_OF(node, weir_slot_seldom, member)->slot)
#define WEIR_CONST_SLOT_OF(node, member)                                                           \
    ((const weir_slot *)WEIR_CONST_CONTAINER_OF(node, weir_slot_seldom, member)->slot)

/* Its other piece, of which it holds no address: it lies in the origin's other piece as the slot
 * lies in the origin, or beside it. */
weir_slot_seldom *weir_slot_seldom_of(weir_slot *slot);
const weir_slot_seldom *weir_const_slot_seldom_of(const weir_slot *slot);
/* Whom a dial is for: at most one of the two. */
weir_ticket *weir_slot_ticket(const weir_slot *slot);
weir_warmth *weir_slot_wish(const weir_slot *slot);
void weir_slot_set_ticket(weir_slot *slot, weir_ticket *ticket);
void weir_slot_set_wish(weir_slot *slot, weir_warmth *wish);

/* A new slot, DIALING, with its DIAL action queued; NULL: no memory. */
weir_slot *weir_slot_new(weir_pool *pool, weir_origin *origin, weir_ticket *ticket);

/* Why it takes no more exchanges; NONE: it does, as far as it has room. */
weir_reason weir_slot_end_reason(const weir_slot *slot);
/* How many more exchanges it takes now. */
uint32_t weir_slot_room(const weir_slot *slot);

/* Leases ever, those taken back not counted. */
static inline uint64_t weir_slot_uses(const weir_slot *slot)
{
    return slot->served + slot->leases;
}
void weir_slot_lease(weir_pool *pool, weir_slot *slot, weir_ticket *ticket);
/* Ends a lease. A GONE slot without leases left is freed. */
void weir_slot_unlease(weir_pool *pool, weir_slot *slot, weir_ticket *ticket);

/* Takes facts. A capacity that the peer did not tell is taken for no more than its origin told
 * last: what is above that would be refused, as often as a new connection is dialled. */
void weir_slot_take(weir_slot *slot, const weir_facts *facts);
/* ... if they are newer. */
void weir_slot_tell(weir_pool *pool, weir_slot *slot, const weir_facts *facts);
/* Derives the state anew, after anything that it depends on has changed, and puts the slot into the
 * lists it belongs to. */
void weir_slot_refresh(weir_pool *pool, weir_slot *slot);
/* The pool takes no more of it: refreshes too. */
void weir_slot_retire(weir_pool *pool, weir_slot *slot, weir_reason reason);
/* Closes an idle slot or gives up a dial. A dial whose action was not pulled yet is simply
 * forgotten, with the slot. */
void weir_slot_close(weir_pool *pool, weir_slot *slot, weir_reason reason);
/* A dial that failed, or was given up and failed then: it ends without being told to. */
void weir_slot_fail(weir_pool *pool, weir_slot *slot);
/* It is GONE: out of all counts; freed unless leases are left. */
void weir_slot_bury(weir_pool *pool, weir_slot *slot);

/* The dial is over, or another's: its ticket, if it still waits, is without one again. */
void weir_slot_detach_ticket(const weir_pool *pool, weir_slot *slot);

void weir_slot_check(const weir_pool *pool, const weir_slot *slot);

/* -- slot_age.c -- */
/* Why it is too old to be leased now; NONE: it is not. */
weir_reason weir_slot_expiry(const weir_pool *pool, const weir_slot *slot);
/* Closes it, or lets it drain, if it is too old now. True: it was. */
bool weir_slot_expire(weir_pool *pool, weir_slot *slot);
/* The same when its time may have changed or come; if it is not too old it is looked at in time. */
void weir_slot_look_at(weir_pool *pool, weir_slot *slot);
/* Makes sure that it is looked at no later than its next own deadline. */
void weir_slot_schedule(weir_pool *pool, weir_slot *slot);
/* The origin's horizon has changed: it is one for all that are idle already. */
void weir_slot_reschedule(weir_pool *pool, weir_origin *origin);
/* A lease of which something was sent ends now. */
void weir_slot_note_use(const weir_pool *pool, weir_slot *slot);
/* A lease that began after a rest is over, or refused: what that says of how long it may rest. */
void weir_slot_note_rest(weir_pool *pool, weir_slot *slot, bool answered);
/* It was idle, and is not reusable any more: what that says of it. */
void weir_slot_note_end(weir_pool *pool, weir_slot *slot);
void weir_slot_check_age(const weir_pool *pool, const weir_slot *slot);

#endif
