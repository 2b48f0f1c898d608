/* SPDX-License-Identifier: MIT */
/*
 * One turn of a single-threaded driver: gather -> decide -> act -> tell. Everything of it but the
 * system calls, shared by the asynchronous front end (loop.c: epoll) and the simulator (tests/sim:
 * a virtual network).
 *
 *   gather   the driver tells what happened: weir_turn_received(), _failed(), _attempt_ended(),
 *            _answer(), _cancelled(), _due()
 *   decide   weir_turn_decide(): exchanges into the pool, the pool's actions, attaches, bodies and
 *            replays, until nothing is left
 *   act      weir_turn_next_port(): for each touched port the driver does what the link wants, or
 *            dials, or closes
 *   settle   weir_turn_settle(): attempts that are over leave their links; true: go round again
 *   tell     weir_turn_next_told(): what the user is told, in order
 *
 * A *port* is a driver's record of one connection from the pool's DIAL to its close: first a
 * dialing, then an open link.
 *
 * Invariants: a port is in `touched` if the driver may have something to do for it; an exchange is
 * in `news` if it has something to be looked at; after a turn both are empty unless the turn's
 * budget was spent.
 */
#ifndef WEIR_ENGINE_TURN_H
#define WEIR_ENGINE_TURN_H

#include "engine/dialing.h"
#include "engine/timers.h"
#include "weir/loop.h"

typedef enum weir_port_state {
    WEIR_PORT_DIALING = 0,
    WEIR_PORT_OPEN,
    /* The link says goodbye, or is over: the driver closes it when weir_link_is_over(). */
    WEIR_PORT_CLOSING
} weir_port_state;

typedef struct weir_port {
    weir_list place;   /* in turn.ports, if it is CLOSING before all that are not */
    weir_list touched; /* in turn.touched */
    weir_link *link;
    weir_slot *slot;
    weir_dialing *dialing; /* while DIALING */
    weir_timer timer;
    uint64_t facts_version; /* last told to the pool */
    weir_time received_ns;  /* when octets came last, 0: never */
    weir_reason close_reason : 8;
    weir_port_state state : 8;
    /* The driver's. */
    bool dial_begun : 1;
    bool readable : 1; /* the socket may have octets: it did not say EAGAIN yet */
    bool writable : 1;
    bool hangup : 1; /* the end or an error is on its way: read until it shows */
    int fd;
    weir_lookup *lookup;
    void *driver;
} weir_port;

typedef struct weir_turn {
    weir_core core;
    weir_timers timers;
    weir_bin bin; /* every link of the loop borrows from it */
    weir_list ports;
    weir_list touched;
    weir_list news; /* exchanges to look at */
    /* exchanges whose attempt is over: they leave their link after it was flushed */
    weir_list leaving;
    weir_list all;     /* exchanges that were not freed */
    weir_list live;    /* exchanges that are not DONE */
    weir_list telling; /* exchanges with something to tell */
    bool pool_moved;   /* outside a turn: it may have actions */
    weir_time now_ns;
} weir_turn;

/* The turn's record of an exchange (exchange->seat). */
typedef struct weir_turn_seat {
    weir_exchange *exchange;
    weir_list all;
    weir_list live;
    weir_list leaving;
    weir_list telling;
    weir_list kicked; /* in the front end's inbox of cancels */
    weir_port *dial;  /* the dial that its call caused, while it waits for it */
    bool done_told;
    bool read_armed; /* weir_read() answered AGAIN since READABLE was told */
    bool write_armed;
} weir_turn_seat;

weir_status weir_turn_init(weir_turn *turn, const weir_core_options *options);
void weir_turn_clear(weir_turn *turn);

/* Gather. */
weir_exchange *weir_turn_submit(weir_turn *turn, const weir_exchange_options *options,
                                const weir_request *request, const weir_call *call,
                                weir_status *status);
void weir_turn_cancelled(weir_turn *turn, weir_exchange *exchange);
/* Takes an exchange that is under way out of everything; it is DONE then, and nothing is told. */
void weir_turn_abandon(weir_turn *turn, weir_exchange *exchange);
/* The same, and the turn forgets it: the exchange is nobody's but its user's. */
void weir_turn_forget(weir_turn *turn, weir_exchange *exchange);
/* The same for one that is about to be freed, and frees it. */
void weir_turn_free_exchange(weir_turn *turn, weir_exchange *exchange);
void weir_turn_received(weir_turn *turn, weir_port *port, weir_span octets);
void weir_turn_sent(weir_turn *turn, weir_port *port, size_t octets);
void weir_turn_failed(weir_turn *turn, weir_port *port, int sys_errno);
void weir_turn_attempt_ended(weir_turn *turn, weir_port *port, size_t index, int sys_errno);
void weir_turn_answer(weir_turn *turn, weir_port *port, const weir_answer *answer);
/* The next name whose connections want a newer answer; the driver begins a look-up and says what
 * came of it, once for each family. NULL: none. */
weir_name *weir_turn_next_name(weir_turn *turn);
/* True: the look-up is over, the driver ends it, and the name may be gone. */
bool weir_turn_name_answer(weir_turn *turn, weir_name *name, const weir_answer *answer);
/* Events of the port's link go to their exchanges; a handshake may be over. */
void weir_turn_delivered(weir_turn *turn, weir_port *port);
/* Expires every timer that is due. */
void weir_turn_due(weir_turn *turn);

void weir_turn_decide(weir_turn *turn);
/* The next touched port, taken off the list; NULL: none. */
weir_port *weir_turn_next_port(weir_turn *turn);
/* The driver may have something to do for the port; the exchange has something to be looked at. */
void weir_turn_touch(weir_turn *turn, weir_port *port);
void weir_turn_touch_exchange(weir_turn *turn, weir_exchange *exchange);
/* To be asked when the driver has received and sent what it could: is it to close the port? A
 * goodbye that was tried is waited for, a second at most, and not while somebody waits for the
 * port's place in the limits. */
bool weir_turn_is_over(const weir_turn *turn, const weir_port *port);
/* The driver did all it could for the port: its timer is armed, its facts go to the pool. */
void weir_turn_acted(weir_turn *turn, weir_port *port);
/* The driver closed the port (account from weir_link_account): it is freed. */
void weir_turn_closed(weir_turn *turn, weir_port *port, const weir_account *account);
/* Attempts that are over leave; true: there is more to decide or to do. */
bool weir_turn_settle(weir_turn *turn);

/* Tell. */
bool weir_turn_next_told(weir_turn *turn, weir_loop_event *event);
bool weir_turn_has_told(const weir_turn *turn);
/* Something to decide or to act on. */
bool weir_turn_has_work(const weir_turn *turn);
weir_time weir_turn_deadline(const weir_turn *turn);

/* The user's side of an exchange. */
weir_status weir_turn_response(weir_turn *turn, weir_exchange *exchange);
weir_status weir_turn_read(weir_turn *turn, weir_exchange *exchange, uint8_t *to, size_t room,
                           size_t *octets);
weir_status weir_turn_write(weir_turn *turn, weir_exchange *exchange, weir_span octets,
                            size_t *taken);
weir_status weir_turn_finish(weir_turn *turn, weir_exchange *exchange, const weir_fields *trailers);
void weir_turn_resume(weir_turn *turn, weir_exchange *exchange);

void weir_turn_check(const weir_turn *turn);

#endif
