/* SPDX-License-Identifier: MIT */
/*
 * The blocking front end from inside: the client, its lines, and who may touch what.
 *
 * A *line* is the client's record of one connection from the pool's DIAL to its close: a dialing,
 * then an open link with its socket and its baton.
 *
 * Locks, never nested but for the leaves:
 *   client->core_lock   the pool, tickets of waiting exchanges, the lists of seats and lines
 *   line->lock          the link, every exchange attached to it, the baton
 *   seat->lock          how one thread waits (a leaf: may be taken under any other)
 *   those of weir_shared when a dial begins or has succeeded, and when a connection is gone
 *                       (leaves: nothing blocks under them)
 *
 * Facts leave a line by value. weir_client_maintain(), and who keeps a vigil, pin lines of which they
 * have no lease, so that they are not closed while they look after them with their own lock alone; a
 * thread that is given one meanwhile waits for that lock, and for nothing that blocks.
 *
 * The baton (docs/baton.md): who holds the line's lock, has octets pending and sees no writer,
 * writes; who lacks its answer and sees no reader, reads for all, with its own deadline; everyone
 * else parks with its own. On leaving: write what is pending, then, if nobody reads and someone
 * waits, wake one; and if nobody is inside any more and those who wait for a stream watch the line,
 * call one of them.
 */
#ifndef WEIR_ENGINE_SYNC_H
#define WEIR_ENGINE_SYNC_H

#include "engine/dialing.h"
#include "engine/resolve.h"
#include "engine/seat.h"
#include "weir/client.h"

struct weir_client {
    const weir_allocator *allocator;
    weir_fork_mark *mark; /* wiped in the child of a fork */
    uint32_t generation;  /* grows when that is noticed: exchanges of another are the parent's */
    weir_held held;       /* every descriptor of lines, dials, look-ups and seats */
    weir_mutex core_lock;
    weir_core core;
    weir_list free_seats;
    weir_list seats;
    weir_list queued;   /* seats that wait for a place, who looked at the pool last is the last */
    weir_list drainers; /* seats that wait for connections to be gone */
    weir_list lines;
    weir_list wakes; /* seats to wake once the core's lock is let go: no hook is called under it */
    weir_time called_ns; /* when one of the queued was last called to keep a line, or began to */
    weir_time call_ns;   /* when one is to be called for each line that is `left`; WEIR_NEVER */
    weir_wait_hooks hooks_copy;
    const weir_wait_hooks *hooks;
    const weir_resolver *resolver;
    /* a thread is in weir_client_look_names_up(); guarded by the core's lock */
    bool looks_names_up;
    weir_channel *names_channel; /* these two are that thread's */
    size_t name_lookups;
    weir_time probe_after_ns;
    atomic_uint_fast64_t next_exchange;
    atomic_uint exchanges; /* not freed yet; those of a parent not until they are asked for */
};

/* What a line has until it is open. The first four are guarded by the core's lock, the others are
 * of the thread that runs the dial. */
typedef struct weir_line_dial {
    struct weir_line *line;
    weir_list place;   /* in the dials of the seat that is to run it, then in its dialing ones */
    weir_seat *dialer; /* to whom the dial was given */
    bool given_up;     /* the pool wants its place while it is dialled */
    bool begun;        /* by who has it now */
    weir_dialing *dialing; /* from its begin until the line is open */
    weir_channel *channel;
    weir_lookup *lookup;
    size_t polls; /* descriptors that it waits for; the first are the look-up's */
    size_t resolver_polls;
} weir_line_dial;

#define WEIR_LINE_DIAL_POLLS 32

typedef struct weir_line {
    weir_list place;      /* in client->lines; guarded by the core's lock */
    weir_line_dial *dial; /* NULL: it is open, others may use it; guarded by the core's lock */
    weir_client *client;
    weir_slot *slot;
    weir_link *link;
    weir_bin bin; /* the link's, filled from the seat of who is inside: an idle line has no chunk */
    weir_seat *reader; /* who holds the baton */
    weir_list waiting; /* seats parked here */
    /* exchanges whose threads are woken once the lock is let go: no hook is called under it */
    weir_list wakes;
    uint64_t facts_version;    /* last told to the pool */
    uint64_t unlooked_octets;  /* written since it was last read: an answer may be there already */
    weir_time used_ns;         /* when it was last read or released */
    _Atomic weir_time read_ns; /* when somebody read from it last, 0: never; a snapshot looks
                                  without the line's lock */
    weir_time armed_ns;        /* SO_RCVTIMEO, 0: none */
    int fd;
    weir_lock lock;
    uint32_t for_sent; /* who is inside and waits until octets of its own were sent */
    uint32_t pins; /* threads that look after it without a lease: it is not closed; guarded by the
                      core's lock, as the next three, which share no octet with what the line's lock
                      guards */
    weir_reason close_reason : 8;
    bool close_waits : 1; /* ... until they are done */
    bool kept : 1;        /* one of them polls it, and waits for a stream of it (sync_vigil.c) */
    bool left : 1;        /* nobody does, but one of those who wait is to be called to later */
    int16_t
        write_errno;  /* a send failed while another thread reads: what that is told comes first */
    bool reading : 1; /* someone holds the baton */
    bool writing : 1;
    bool unwritable : 1;  /* the kernel took no more; the reader polls for writing too */
    bool fired_early : 1; /* SO_RCVTIMEO ended a wait before its deadline: arm it anew */
    bool watched : 1; /* someone waits for a stream and left it to who is inside: who is the last
                             to leave calls one of those who wait (sync_vigil.c) */
} weir_line;

/* What a thread waits for. */
typedef enum weir_need {
    WEIR_NEED_HEAD,
    WEIR_NEED_READABLE,
    WEIR_NEED_WRITABLE,
    WEIR_NEED_SENT /* the kernel has taken every octet that is queued of it */
} weir_need;

/* -- sync.c -- */
/* Pulls the pool's actions; called with the core's lock, which is let go and taken again. Runs no
 * I/O under it. */
void weir_client_settle(weir_client *client);
/* With the core's lock, which may be let go and taken again: the line may be closed after it. */
void weir_line_unpin(weir_line *line);
/* With the core's lock. */
void weir_client_wake_later(weir_client *client, weir_seat *seat);
/* With the core's lock: all of them look again. */
void weir_client_wake_queued(weir_client *client);
/* Lets go of the core's lock, then wakes whom the holder found to be woken; and one of those who
 * wait for a place, if the pool has something to do before any of them would look. */
void weir_client_unlock(weir_client *client);

/* A seat for as long as a thread is inside; `exchange` is what may be cancelled there, or NULL.
 * NULL: no memory. */
weir_seat *weir_client_take_seat(weir_client *client, weir_exchange *exchange);
void weir_client_give_seat(weir_client *client, weir_seat *seat);
/* Events of connections, told with no lock held. */
void weir_client_tell(weir_client *client);

/* -- sync_fork.c -- */
/* At each entry: one load, unless the process forked since the last one. WEIR_E_NOMEM: the child
 * could not begin anew. */
weir_status weir_client_enter(weir_client *client);
/* In the child: closes the parent's descriptors and forgets all that is the parent's. */
void weir_client_forget_parent(weir_client *client);
/* Nobody waits, and no connection is there: of a client that is new, or new to this process. */
void weir_client_empty_lists(weir_client *client);
/* An exchange of another generation: it ends. */
void weir_client_cut_off(weir_client *client, weir_exchange *exchange);

/* -- sync_place.c: from submitted to attached -- */
/* With the core's lock: NEW, it asks for a place; or ENDED, and it asks `again`. */
void weir_client_ask(weir_client *client, weir_exchange *exchange, bool again);
/* Brings the exchange to ATTACHED or ENDED. No lock held. */
void weir_client_place(weir_client *client, weir_exchange *exchange, weir_seat *seat);

/* -- sync_call.c -- */
/* Is there something that happened to it and was not told, and may it be told now? */
bool weir_client_has_to_tell(const weir_exchange *exchange);
/* What happened to it so far, by its own thread in the middle of a call. No lock held; it may be
 * cancelled afterwards, or freed, which ends its call as a cancellation does. */
void weir_client_tell_waiting(weir_client *client, weir_exchange *exchange);

/* -- sync_upkeep.c -- */
/* Of a pinned line: reads and writes what there is, without waiting. Somebody may be given it
 * meanwhile: then it is theirs. True: *facts are newer. *wake_ns: when to look again; *events: or
 * when one of these comes (WEIR_POLL_IN, WEIR_POLL_OUT). */
bool weir_line_look_after(weir_line *line, weir_facts *facts, weir_time *wake_ns, short *events);
/* The same for who keeps a vigil. */
typedef struct weir_sight {
    weir_facts facts;
    bool newer;   /* ... than those that were told */
    bool used;    /* others read or wrote it since it was looked at last */
    short events; /* 0: it is read and written by who is inside, who calls when they leave */
    weir_time wake_ns;
} weir_sight;
void weir_line_keep(weir_line *line, weir_time since_ns, weir_sight *sight);

/* -- sync_vigil.c: connections that nobody reads for an exchange's sake -- */
/* QUEUED, no lock held. Waits until the deadline, a wake-up or octets on them. False: there is none
 * to watch, and it did not wait; *deadline_ns: when to look again. *waited not WEIR_OK: it could not
 * wait, and must leave. */
bool weir_client_keep_vigil(weir_client *client, const weir_exchange *exchange, weir_seat *seat,
                            weir_time *deadline_ns, weir_status *waited);
/* With the core's lock: what this thread kept, or was called to keep, is another's from here on. It
 * is not among the queued any more, or has dials to run. */
void weir_client_pass_vigil_on(weir_client *client, const weir_exchange *exchange, weir_seat *seat);
/* With the core's lock: one of those who wait for a stream of it looks after the slot's line, if it
 * is dry and nobody does. */
void weir_client_call_keeper(weir_client *client, weir_slot *slot);
/* With the line's lock, by who leaves, when the baton was passed: true, once: it is watched and
 * nobody is inside any more. A keeper is to be called. */
bool weir_line_is_left(weir_line *line);
/* No lock held; by who has a lease. If one was called lately, another is later. */
void weir_line_call_keeper(weir_line *line);
/* With the core's lock: it is later now. */
void weir_client_call_keepers(weir_client *client, weir_time now_ns);

/* -- sync_dialer.c: the dials that a waiting thread runs -- */
/* With the core's lock: a line for a slot to be dialled, given to the thread that it is for. */
void weir_client_dial(weir_client *client, weir_action *action);
/* No lock held, nor in the rest of them. What was given to this thread is in seat->dialing. */
void weir_dialer_take(weir_client *client, weir_seat *seat);
/* Moves all of them as far as they go. True: one came to its end, and the pool knows. */
bool weir_dialer_move(weir_client *client, weir_exchange *exchange, weir_seat *seat);
/* One wait for all of them; not WEIR_OK: it could not wait. */
weir_status weir_dialer_wait(weir_client *client, weir_seat *seat, weir_time deadline_ns);
/* Hands each to another thread that waits for it, or ends it. */
void weir_dialer_leave(weir_client *client, const weir_exchange *exchange, weir_seat *seat);

/* -- sync_dial.c: one dial, without waiting, on the thread that runs it -- */
/* Begins it, or goes on for this exchange with what another thread began. False: no memory. */
bool weir_line_begin_dial(weir_line *line, weir_exchange *exchange, weir_time now_ns);
/* `room`: WEIR_SEAT_RECEIVE_OCTETS. */
weir_dialing_outcome weir_line_move_dial(weir_line *line, uint8_t *room, weir_time now_ns);
/* The descriptors that it waits for, at most WEIR_LINE_DIAL_POLLS, and until when. */
size_t weir_line_poll_dial(weir_line *line, weir_poll *polls, weir_time now_ns,
                           weir_time *deadline_ns);
/* ... when they were polled. */
void weir_line_dial_polled(weir_line *line, const weir_poll *polls, weir_time now_ns);
/* Closes the attempts that did not win, and ends the look-up. */
void weir_line_stop_dial(weir_line *line);

/* -- sync_line.c -- */
/* With the core's lock: a line for a slot that is to be dialled. NULL: *status says why not. */
weir_line *weir_line_new(weir_client *client, weir_slot *slot, const weir_exchange *cause,
                         weir_status *status);
/* Lets go of the line's lock, then wakes whom the holder found to be woken. */
void weir_line_unlock(weir_line *line);
/* With the line's lock: its thread is woken when that is let go. */
void weir_line_wake_later(weir_line *line, weir_exchange *exchange);
/* With the line's lock, after octets moved. Events stay in their streams: whoever has some to
 * collect, or waited for no more than that its octets are sent, is woken when it is let go, but not
 * `self`. */
void weir_line_deliver(weir_line *line, const weir_exchange *self);
/* Says goodbye, samples the kernel, closes, frees. No lock held; nobody else may know the line. */
void weir_line_close(weir_line *line, weir_time now_ns);

/* -- sync_names.c -- */
/* Begins look-ups of names whose answers have run out and takes answers that have come, without
 * waiting. No lock held. When to be called again. */
weir_time weir_client_look_names_up(weir_client *client, weir_time now_ns);

/* -- baton.c -- */
/*
 * Moves the exchange until it has what it needs, or its attempt is over. No lock held. False: it
 * does not have it, and nothing may move before the caller reads.
 */
bool weir_baton_drive(weir_line *line, weir_exchange *exchange, weir_seat *seat, weir_need need);
/* Takes the exchange off its line: what is pending is written first. No lock held. True: see
 * weir_line_is_left(), for when its lease was given back. */
bool weir_baton_leave(weir_line *line, weir_exchange *exchange);
/* With the line's lock: what its bin holds goes to the seat (which may be NULL), if no exchange is
 * on it any more. */
void weir_baton_give_back(weir_line *line, weir_seat *seat);
/* A look at a connection before it is used again, or for maintenance; with the line's lock. */
void weir_baton_probe(weir_line *line, uint8_t *room, size_t octets, weir_time now_ns);

#endif
