/* SPDX-License-Identifier: MIT */
/*
 * The connection pool: facts in, actions out. It does no I/O, takes no lock, reads no clock and
 * never asks a connection anything: it records leases itself and knows of a connection only the
 * facts it was told.
 *
 *   ticket:  IDLE -request-> WAITING -(grant)-> LEASED -release-> IDLE
 *                               |  \-(refuse)-> REFUSED
 *                               \-abandon-> IDLE
 *   slot:    DIALING -ready-> READY (idle | leased k of n) -> DRAINING -> GONE
 *               \-dial_failed-> GONE    \-evict, idle time-out, unfit-> CLOSE action -gone-> GONE
 *
 * Ownership: tickets belong to the caller (they live in exchanges) and are linked here while
 * WAITING or LEASED; slots and origins belong to the pool. A slot is freed by weir_pool_gone() when
 * no lease is left, or by the release of its last lease after it. An origin without slots, tickets
 * and memory worth keeping is freed too.
 *
 * After any call the caller pulls weir_pool_next_action() until it answers false. Actions are the
 * only way in which the pool makes something happen; a place that it answered directly
 * (weir_pool_request) needs no action.
 *
 * FIFO: tickets of one origin are granted in the order of their requests; a bounced ticket goes
 * back to the front with its original time. Limits hold at every instant, between actions too: a
 * slot counts from the moment its DIAL is decided until GONE.
 */
#ifndef WEIR_POOL_POOL_H
#define WEIR_POOL_POOL_H

#include "pool/agenda.h"
#include "pool/horizon.h"
#include "pool/origin.h"
#include "proto/clock.h"
#include "proto/conn.h"
#include "proto/list.h"
#include "weir/why.h"

typedef struct weir_pool weir_pool;
typedef struct weir_origin weir_origin;
typedef struct weir_slot weir_slot;

typedef enum weir_ticket_state {
    WEIR_TICKET_IDLE = 0,
    WEIR_TICKET_WAITING,
    WEIR_TICKET_LEASED,
    WEIR_TICKET_REFUSED
} weir_ticket_state;

enum { WEIR_WAITS = 12 }; /* reasons that a ticket can wait for: wait.c lists them */

/* Whose clock the waiting of a ticket is measured with. */
typedef enum weir_clock {
    WEIR_CLOCK_NONE = 0, /* it does not wait, or only begins to */
    WEIR_CLOCK_ORIGIN,   /* its origin's */
    WEIR_CLOCK_DIAL,     /* its own: its dial is in flight */
    WEIR_CLOCK_PAUSE     /* its own: it is given a pause */
} weir_clock;

/* How long a ticket waited, over all of its requests. */
typedef struct weir_waited {
    weir_time ns[WEIR_WAITS];
    weir_time before_ns; /* the sum of them before the present request */
    weir_time since_ns;  /* on its present clock */
    uint64_t bounces;
} weir_waited;

/* A request's wish for a place. Zero-initialise once; all members are the pool's. */
typedef struct weir_ticket {
    weir_ticket_state state;
    weir_origin *origin;
    weir_slot *slot;     /* while LEASED */
    weir_slot *dial;     /* while WAITING: the dial that was started for it, or NULL */
    weir_list link;      /* the origin's queue, or the slot's leases */
    weir_list granted;   /* the pool's list of what tickets are to be told and was not pulled yet */
    weir_time since_ns;  /* of the first request; survives bounces */
    weir_time waited_ns; /* when granted: how long it waited in all */
    weir_reason reason;  /* what was told last: why it waits, or why it got this slot */
    weir_clock clock;
    bool has_waited; /* this request: `waited` knows of it */
    bool reused;     /* the slot served an exchange before */
    bool answered;   /* the caller's, before it releases: octets of an answer came */
    bool unused;     /* ... or nothing was sent: to the peer its connection rested all the time */
    uint32_t bounces;
    uint64_t bounced_version; /* a facts version bounces a ticket at most once */
    uint64_t bounced_slot;    /* ... of this connection: versions are each connection's own */
    uint64_t order;           /* of the first request, among all tickets and dials of the pool;
                                 survives bounces, and a release if it keeps it */
    weir_failure failure;     /* when REFUSED, or turned away: QUEUE_FULL */
    /* while WAITING outside the queue, because the peer refused it lately */
    weir_agenda_entry pause;
    weir_waited waited; /* a request leaves this and what follows as it is */
    /* the caller's: how often in a row the peer refused the request unprocessed */
    uint32_t refused;
    /* the caller's, before it releases: it asks again at once (see weir_pool_release()), and that
       request stands where the one before stood */
    bool keeps_order;
    /* the caller's, before it asks: of its key the TLS configuration is the one that all use; where
       that is replaced it goes along (see weir_pool_tls_replaced()) */
    bool follows;
} weir_ticket;

/* What is worth knowing of an origin before it is dialled: all that one pool may tell another. */
typedef struct weir_memory {
    weir_protocol protocol; /* spoken last; ANY: not known */
    uint32_t streams;       /* HTTP/2: the peer's limit; 0: not known */
    weir_horizon horizon;
} weir_memory;

typedef enum weir_warmth_state {
    WEIR_WARMTH_IDLE = 0,
    WEIR_WARMTH_WAITING,
    WEIR_WARMTH_ENDED
} weir_warmth_state;

/* A wish for warm connections. Zero-initialise and weir_warmth_init() once; all members are the
 * pool's. */
typedef struct weir_warmth {
    weir_warmth_state state;
    weir_origin *origin;
    weir_list link; /* the origin's wishes, in order */
    weir_list told; /* the pool's list of those that ended and were not pulled yet */
    uint32_t exchanges;
    uint32_t dials_left;
    bool follows;         /* the caller's, before it asks: as a ticket's */
    weir_reason reason;   /* ENDED with fewer: why; FAILED with failure.status OK: what was dialled
                             did not stay */
    weir_failure failure; /* ENDED: of a dial; or turned away: QUEUE_FULL */
} weir_warmth;

typedef struct weir_pool_options {
    const weir_allocator *allocator;
    uint64_t seed;                   /* of the hash and the jitter */
    uint32_t connections_per_origin; /* 0: 6 for HTTP/1.1 dialling at most; HTTP/2 opens a further
                                        one when full */
    uint32_t connections;            /* in all, 0: 1024 */
    uint32_t waiting_per_origin;     /* tickets, 0: 1024 */
    uint32_t waiting;                /* 0: 16384 */
    uint32_t h2_connections; /* HTTP/2 per origin: 0: as connections_per_origin; 1: strict (RFC 9113
                                s9.1) */
    weir_time idle_ns;       /* idle time-out, 0: 90 s, WEIR_NEVER: none */
    weir_time lifetime_ns;   /* 0: none */
    uint32_t streams_per_connection;  /* our own limit, below the peer's, 0: none */
    uint32_t requests_per_connection; /* leases of one connection, 0: no limit */
    uint64_t first_number;            /* connections are numbered after it */
    uint32_t origins_remembered; /* origins without slots that are remembered (protocol, streams):
                                    0: 1024 */
} weir_pool_options;

typedef enum weir_action_kind {
    WEIR_ACTION_NONE = 0,
    WEIR_ACTION_GRANT,  /* `ticket`, which was WAITING, is LEASED on ticket->slot */
    WEIR_ACTION_REFUSE, /* `ticket`, which was WAITING, is REFUSED with ticket->failure */
    WEIR_ACTION_TELL, /* `ticket`, which is WAITING, waits for another reason than it was told last:
                         `reason` */
    WEIR_ACTION_DIAL, /* dial a connection for `slot`; ends in weir_pool_ready(),
                         weir_pool_dial_failed() or weir_pool_gone() */
    WEIR_ACTION_CLOSE, /* close `slot`, which is idle or a dial that nobody waits for; ends in
                          weir_pool_gone() */
    WEIR_ACTION_WARMED /* `wish`, which was WAITING, is ENDED */
} weir_action_kind;

typedef struct weir_action {
    weir_action_kind kind;
    weir_ticket *ticket; /* GRANT, REFUSE, TELL; for DIAL the ticket that caused it */
    weir_slot *slot;     /* DIAL, CLOSE */
    weir_reason reason;  /* of a CLOSE, a GRANT, a TELL */
    weir_warmth *wish; /* WARMED; for DIAL, whose `ticket` is NULL then, the wish that caused it */
} weir_action;

weir_pool *weir_pool_new(const weir_pool_options *options, weir_status *status);
/* No slot may be left that is not GONE and no ticket linked. */
void weir_pool_free(weir_pool *pool);

/*
 * Asks for a place. WEIR_OK and ticket->state LEASED: use ticket->slot now. WEIR_AGAIN: WAITING, a
 * GRANT or REFUSE follows. WEIR_E_QUEUE_FULL, WEIR_E_NOMEM, WEIR_E_CLOSED: not linked; of a
 * full queue ticket->failure says which limit it was. The key is *borrowed*.
 */
weir_status weir_pool_request(weir_pool *pool, const weir_origin_key *key, weir_ticket *ticket,
                              weir_time now_ns);

/*
 * Wishes for connections that could carry so many exchanges at once, busy and idle ones counted:
 * HTTP/1.1 one each, HTTP/2 as many as such a connection is expected to take. Never closes anything
 * for it and never exceeds a limit: where a limit is in the way it ends with fewer, and says why.
 * WEIR_OK: they are there. WEIR_AGAIN: WAITING, WARMED follows. WEIR_E_QUEUE_FULL (as many wishes
 * as tickets may wait), WEIR_E_NOMEM, WEIR_E_CLOSED, or why it ended at once. The key is
 * *borrowed*.
 */
void weir_warmth_init(weir_warmth *wish);
weir_status weir_pool_warm(weir_pool *pool, const weir_origin_key *key, uint32_t exchanges,
                           weir_warmth *wish, weir_time now_ns);
/* Takes it back; dials that were begun go on. */
void weir_pool_cool(weir_pool *pool, weir_warmth *wish, weir_time now_ns);

/* Leaves the queue (WAITING), or takes back a grant or refusal that was not pulled yet. LEASED: as
 * release. IDLE: it was released to ask again, and does not; else nothing. */
void weir_pool_abandon(weir_pool *pool, weir_ticket *ticket, weir_time now_ns);

/*
 * The lease was refused by the connection (NOT_ACCEPTING): newer facts are told and the ticket goes
 * to the front of its queue with its original time. Afterwards it is LEASED on another slot (no
 * action tells of it), or WAITING or, after a shutdown, REFUSED (an action follows). Facts may be
 * NULL if the connection is gone.
 */
void weir_pool_bounce(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                      weir_time now_ns);

/*
 * The exchange is over. Facts, if not NULL, are told in the same step. A ticket with `keeps_order`
 * asks again before anything else is told to the pool: with weir_pool_request(), or it does not, with
 * weir_pool_abandon(). Until then nobody is granted the room that it gives back, or whoever waits
 * would slip in before it.
 */
void weir_pool_release(weir_pool *pool, weir_ticket *ticket, const weir_facts *facts,
                       weir_time now_ns);

/*
 * 421 came on this lease, which goes on: every connection that its origin has now drains, so that
 * whatever is asked for from here on gets one that was dialled after it. Dials in flight are new
 * enough.
 */
void weir_pool_misdirected(weir_pool *pool, const weir_ticket *ticket, weir_time now_ns);

/* A connection's newer facts (an older version is ignored). */
void weir_pool_facts(weir_pool *pool, weir_slot *slot, const weir_facts *facts, weir_time now_ns);

/*
 * A reason of the engine's why a connection should take no more: it drains at a random moment of
 * the next within_ns (0: now), so that many that have the same reason do not reconnect at once, and
 * until then is used as before. One that drains by itself, and might take more again, takes no more
 * then. It has no effect on a dial, nor on a connection that ends sooner anyway.
 */
void weir_pool_retire(weir_pool *pool, weir_slot *slot, weir_reason reason, weir_time within_ns,
                      weir_time now_ns);

/* The dial of a slot succeeded. */
void weir_pool_ready(weir_pool *pool, weir_slot *slot, const weir_facts *facts, weir_time now_ns);
/* It failed: refuses with this failure every ticket that has been waiting on this dial (asked
 * before it began and has no other dial or usable connection to hope for); later ones start a new
 * dial. Its socket may still say goodbye, so the slot counts until weir_pool_gone(), which
 * follows. */
void weir_pool_dial_failed(weir_pool *pool, weir_slot *slot, const weir_failure *failure,
                           weir_time now_ns);
/* The connection of a slot is closed for good (after CLOSE, or by itself). Leases that are left are
 * still to be released. A dial: it was given up, which is nobody's failure; whoever waits for it
 * gets another. */
void weir_pool_gone(weir_pool *pool, weir_slot *slot, weir_time now_ns);

/* Of a slot whose CLOSE was pulled, or whose dial failed: does anybody wait for its place? Then a
 * goodbye that cannot be sent is not worth the time. Asked anew when another is gone: that may have
 * been enough. */
bool weir_pool_is_missed(const weir_pool *pool, const weir_slot *slot);
/* Does any ticket wait at all, or a wish? */
bool weir_pool_is_asked(const weir_pool *pool);

/* Is nothing known of the origin of a slot, so that it is worth asking others? */
bool weir_pool_is_blind(const weir_slot *slot);
/* What others know of it: fills in what the pool does not know by itself. */
void weir_pool_recall(weir_pool *pool, weir_slot *slot, const weir_memory *memory,
                      weir_time now_ns);
/* True: there is something new of it since this was answered last, and *memory is all of it. */
bool weir_pool_learned(weir_slot *slot, weir_memory *memory);

/* Does any ticket wait for this dial? A dial that nobody waits for may be given up or finished. */
bool weir_pool_is_awaited(const weir_pool *pool, const weir_slot *slot);

/* Who would ask, and what for. A ticket that was released with `keeps_order`, or that was refused
 * lately, does not find what another does. */
typedef struct weir_asker {
    const weir_origin_key *key;
    const weir_ticket *ticket; /* NULL: one that never asked */
} weir_asker;

/*
 * What a request would find now: first the connection that it would get, if there is one; the others
 * of its origin; those of it that were closed lately; those to the same scheme, host and port that
 * it may not share. Fills up to `room` and answers how many there are. Linear in the pool's
 * connections, by contract.
 */
size_t weir_pool_explain(weir_pool *pool, const weir_asker *asker, weir_time now_ns,
                         weir_candidate *to, size_t room);
/* A connection refused the lease: why, as it stands after weir_pool_bounce(). Leaves *candidate
 * alone if it is gone. */
void weir_pool_explain_bounce(weir_pool *pool, const weir_origin_key *key, uint64_t conn,
                              weir_time now_ns, weir_candidate *candidate);

/*
 * What a ticket waits for now; NONE: it does not. This is so for every ticket, also those deep in a
 * queue, of which TELL says nothing: of each origin only the first without a dial is told when its
 * reason changes, so that a long queue costs nothing.
 */
weir_reason weir_pool_waits_for(const weir_ticket *ticket);
/* How long the ticket has waited for what until `now_ns` (0: without the time under the present
 * reason), all its requests together. O(1). */
void weir_pool_waited(const weir_ticket *ticket, weir_time now_ns, weir_waits *waits);

/*
 * The dial of a slot goes on for another ticket that waits at its origin without a dial: whose it
 * was has left, or lets the other run it. From now on this one waits for `dialing`, and is the
 * first to be refused if it fails. Nothing, if the dial was begun for a wish.
 */
void weir_pool_adopt(weir_pool *pool, weir_slot *slot, weir_ticket *ticket, weir_time now_ns);

/* The tickets that wait in the queue of a slot's origin, in order: the one after `after`, NULL: the
 * first. */
weir_ticket *weir_pool_next_waiting(const weir_slot *slot, const weir_ticket *after);
/* The same from the end: the one before `before`, NULL: the last. */
weir_ticket *weir_pool_last_waiting(const weir_slot *slot, const weir_ticket *before);

bool weir_pool_next_action(weir_pool *pool, weir_action *action);
weir_time weir_pool_deadline(const weir_pool *pool, weir_why *why);
void weir_pool_tick(weir_pool *pool, weir_time now_ns);

/* Refuses every waiting ticket (WEIR_E_CLOSED), closes idle slots and dials, takes no further
 * request. */
void weir_pool_shutdown(weir_pool *pool, weir_time now_ns);

/* -- drain.c: what is done to many connections at once; each call looks at all origins -- */
/* Which connections. All zero: every one. */
typedef struct weir_drain {
    const weir_origin_key *origin; /* to this scheme, host, zone and port, whatever else the key
                                      says; NULL: anywhere */
    uint64_t tls;                  /* made with this TLS configuration; 0: whichever */
    weir_reason reason;            /* NONE: DRAINING */
} weir_drain;
/*
 * Closes the idle ones now and lets the leased ones end after their last exchange; new requests
 * dial anew. Dials that somebody waits for are as new as what would replace them and go on; others
 * are given up.
 */
void weir_pool_drain(weir_pool *pool, const weir_drain *drain, weir_time now_ns);
/* How many connections that some drain was told of are not GONE yet. All of them: O(1); else it
 * looks at all slots. */
uint64_t weir_pool_left(const weir_pool *pool, const weir_drain *drain);
/*
 * Calls use the configuration `now` instead of `old` from here on: connections made with `old`
 * drain (TLS_REPLACED), and those whose dials are in flight do when the tickets that wait for them
 * are served. Tickets that follow and have no dial that was begun wait for a connection made with
 * `now` from here on, in the order of their requests; so does one that bounces later. So do wishes
 * that follow, each with all its dials to come again: what is being dialled for them would not be
 * kept. Without memory for their origin they are refused.
 */
void weir_pool_tls_replaced(weir_pool *pool, uint64_t old, uint64_t now, weir_time now_ns);
/* The tickets that follow, and wait for a connection made with this configuration: the one after
 * `after`, NULL: the first. It looks at all origins. */
weir_ticket *weir_pool_next_follower(const weir_pool *pool, uint64_t tls, const weir_ticket *after);
/* The same of wishes. */
weir_warmth *weir_pool_next_following_wish(const weir_pool *pool, uint64_t tls,
                                           const weir_warmth *after);
/* Forgets pauses after failed dials and all else that another network makes wrong, and drains
 * everything (NETWORK_CHANGED). */
void weir_pool_network_changed(weir_pool *pool, weir_time now_ns);

/* Of HTTP/2: it takes no exchange, and would if its peer allowed more streams, or some ended. */
bool weir_slot_is_dry(const weir_slot *slot);
/*
 * The next dry slot after `after` (NULL: the first) of the origin at which the ticket waits in the
 * queue, or has a lease. NULL: there is no other. O(slots of the origin); of an origin that does not
 * speak HTTP/2 O(1).
 */
weir_slot *weir_pool_next_dry(const weir_ticket *ticket, const weir_slot *after);

/* The engine's own pointer on a slot (its link). */
void weir_slot_set_user(weir_slot *slot, void *user);
void *weir_slot_user(const weir_slot *slot);
/* The connection's number for users too; never reused. */
uint64_t weir_slot_id(const weir_slot *slot);
/* A number for a connection that never came to be a slot. */
uint64_t weir_pool_take_number(weir_pool *pool);
const weir_origin_key *weir_slot_key(const weir_slot *slot); /* valid while the slot lives */
uint32_t weir_slot_leases(const weir_slot *slot);
/* One of the slots_idle of the counts? */
bool weir_slot_is_idle(const weir_slot *slot);
/* As its facts say; ANY: none came. */
weir_protocol weir_slot_protocol(const weir_slot *slot);
/* What this origin spoke last; ANY: not known. */
weir_protocol weir_slot_protocol_hint(const weir_slot *slot);

typedef struct weir_pool_counts {
    uint64_t origins;
    uint64_t slots_dialing;
    uint64_t slots_idle;
    uint64_t slots_leased;   /* with at least one lease */
    uint64_t slots_draining; /* take no more: with leases left, or closing */
    uint64_t leases;
    uint64_t tickets_waiting;
    uint64_t requests; /* ever */
    uint64_t reuses;
    uint64_t dials;
    uint64_t dial_failures;
    uint64_t bounces;
    uint64_t evictions;
    uint64_t closed_idle;
    uint64_t left_over; /* connections that had octets which answered no request */
    uint64_t refusals;
} weir_pool_counts;
weir_pool_counts weir_pool_count(const weir_pool *pool);
/* What only grows begins at 0 again: in the child of a fork. */
void weir_pool_count_anew(weir_pool *pool);

/* Every slot, for maintenance and the snapshot: the slot after `after` (NULL: the first) in
 * creation order. */
weir_slot *weir_pool_next_slot(const weir_pool *pool, const weir_slot *after);

/* Recounts everything and walks every list. */
void weir_pool_check(const weir_pool *pool);

#endif
