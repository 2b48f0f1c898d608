/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous front end from inside.
 *
 *   loop.c         its face: births, calls, the order of a turn
 *   loop_io.c      its system calls
 *   loop_fork.c    the child of a fork: what is left of it there
 *   loop_upkeep.c  what a user does to a whole loop
 *
 * Ownership: the loop owns its turn, and with it ports, links and seats; exchanges are their users'
 * and outlive it (orphan.h). Thread rule: one thread, that of the user; only `cancelled` is filled
 * from others, under inbox_lock.
 */
#ifndef WEIR_ENGINE_LOOP_H
#define WEIR_ENGINE_LOOP_H

#include "engine/os.h"
#include "engine/resolve.h"
#include "engine/turn.h"
#include "weir/loop.h"

#define WEIR_LOOP_RECEIVE_OCTETS ((size_t)65536)

/* What a registered descriptor is for. */
typedef enum ready_kind { READY_DEAD = 0, READY_PORT, READY_ATTEMPT, READY_RESOLVER } ready_kind;

typedef struct ready_tag {
    ready_kind kind;
    int number; /* ATTEMPT: its index; RESOLVER: the descriptor */
    weir_port *port;
    weir_list place;
} ready_tag;

/* How many observed events one turn hands out as records. */
#define RECORDS 64

struct weir_loop {
    weir_turn turn;
    const weir_allocator *allocator;
    weir_fork_mark *mark; /* wiped in the child of a fork */
    const weir_resolver *resolver;
    weir_os_poller *poller;
    weir_channel *channel;
    uint8_t *receive;
    size_t turn_octets;
    size_t budget_octets;
    bool in_turn;
    bool observed_as_records;
    weir_observer record_observer; /* only says that somebody listens */
    weir_waiting_event *records;   /* of this turn */
    size_t record_count;
    weir_list resolver_tags;
    weir_list dead_tags;    /* freed when no batch of readiness can name them any more */
    weir_mutex inbox_lock;  /* guards `cancelled` */
    weir_list cancelled;    /* seats of exchanges that other threads cancelled */
    weir_exchange *telling; /* whose observer runs: freeing it waits */
    bool free_telling;
};

/* At each entry: one load, unless the process forked since the last one. WEIR_E_NOMEM,
 * WEIR_E_DESCRIPTORS: the child could not begin anew, and the next entry tries again; WEIR_E_STATE:
 * the fork was inside a turn. */
weir_status weir_loop_enter(weir_loop *loop);
/* The same for a loop that is only to be freed, and so needs nothing of its own: it cannot fail. */
void weir_loop_forget_parent(weir_loop *loop);
weir_channel *weir_loop_new_channel(weir_loop *loop, weir_status *status);
/* Now, for everything that happens until the next call of it. */
void weir_loop_moved(weir_loop *loop);
/* Reads on where the budget of the turn before left octets: the kernel does not tell of them twice.
 */
void weir_loop_backlog(weir_loop *loop);
/* What the kernel, the resolver and other threads have to say. */
void weir_loop_gather(weir_loop *loop);
/* Every touched port: receive, send, dial, close. */
void weir_loop_act(weir_loop *loop);
/* Changes of the resolver's descriptors. */
void weir_loop_watch_resolver(weir_loop *loop);
void weir_loop_close_port(weir_loop *loop, weir_port *port);
/* Tags that no readiness can name any more. */
void weir_loop_free_dead(weir_loop *loop);
/* The poller and the resolver's channel, with the tags of all that they watch: nothing is ready any
 * more. */
void weir_loop_free_poller(weir_loop *loop);

#endif
