/* SPDX-License-Identifier: MIT */
/*
 * A seat: what a thread needs while it is inside a call of the blocking front end. A receive
 * buffer, and one place where it can be woken, however it waits.
 *
 *   AWAY -> RUNNING -> { PARKED | POLLING | RECEIVING } -> RUNNING -> AWAY
 *
 * Waking is remembered: weir_seat_wake() before the wait makes the wait return at once, so that a
 * waiter may let go of every lock before it waits, and no lock is ever held across a wait hook.
 *
 * RECEIVING is the one waiting recv of an exclusive HTTP/1.1 connection; it can only be ended by
 * shutdown(2), which is done under the seat's lock while the descriptor is registered there, so
 * that a recycled descriptor is never hit.
 *
 * Ownership: seats belong to the client and are freed with it, never before: whoever remembers one
 * may wake it late, which does no harm.
 */
#ifndef WEIR_ENGINE_SEAT_H
#define WEIR_ENGINE_SEAT_H

#include "engine/exchange.h"
#include "engine/held.h"
#include "engine/os.h"
#include "proto/buf.h"

#define WEIR_SEAT_RECEIVE_OCTETS ((size_t)65536)
/* What an exchange needs at once: its request's octets, the same sealed or its response's, and over
 * TLS the records under way. */
#define WEIR_SEAT_CHUNKS         3

typedef enum weir_seat_state {
    WEIR_SEAT_AWAY = 0,
    WEIR_SEAT_RUNNING,
    WEIR_SEAT_PARKED,
    WEIR_SEAT_POLLING,
    WEIR_SEAT_RECEIVING
} weir_seat_state;

struct weir_line;

typedef struct weir_seat {
    weir_list all;
    weir_list place; /* in the client's free seats or its queued ones, or a line's waiting ones */
    weir_list to_rouse; /* in the client's list of seats that are woken when the core is let go */
    weir_mutex lock;    /* guards state, exchange, woken, fd */
    weir_condition condition;
    weir_seat_state state;
    weir_exchange *exchange; /* who sits here */
    bool woken;
    bool for_sent; /* it waits until its octets were sent; guarded by the lock of the line */
    bool shut;     /* a cancel has shut the descriptor for reading */
    int fd;        /* while RECEIVING */
    int signal;    /* eventfd for POLLING; -1: made at the first poll */
    /* while it waits for a place: when it will look at the pool; guarded by the core's lock */
    weir_time looks_at_ns;
    /* while it waits for a place: it keeps lines, or looks whether it can; it was called to look;
     * guarded by the core's lock */
    bool keeps;
    bool called;
    weir_time looked_ns; /* ... at the lines that it keeps, last; its own */
    bool fills;          /* it was given the last stream that there was, and others wait; its own */
    void *parked;        /* the wait hooks' */
    atomic_uint rousing; /* threads that are about to call the wake hook */
    weir_list dials;     /* given to this thread and not begun; guarded by the core's lock */
    /* that it runs; others only look whether there is one, with the core's lock */
    weir_list dialing;
    weir_poll *polls; /* what it waits for while it dials */
    size_t polls_room;
    uint8_t *receive;
    weir_bin bin; /* lent to the line that its exchange is on; only of who sits here */
    const weir_wait_hooks *hooks;
    weir_held *held;
} weir_seat;

/* Its descriptor is noted in `held`, which is *kept*. */
weir_seat *weir_seat_new(const weir_allocator *allocator, const weir_wait_hooks *hooks,
                         weir_held *held);
void weir_seat_free(weir_seat *seat, const weir_allocator *allocator);
void weir_seat_take(weir_seat *seat, weir_exchange *exchange);
void weir_seat_leave(weir_seat *seat);

/* Waits until woken or the deadline. */
void weir_seat_park(weir_seat *seat, weir_time deadline_ns);
/* Room for so many descriptors and the seat's own, until the next call; NULL: no memory. */
weir_poll *weir_seat_polls(weir_seat *seat, const weir_allocator *allocator, size_t count);
/* poll(2) that can be woken; `fds` must have room for one more. WEIR_E_DESCRIPTORS, _NOMEM,
 * _SYSTEM: it could not wait. */
weir_status weir_seat_poll(weir_seat *seat, weir_poll *fds, size_t count, weir_time deadline_ns);
/* One waiting recv. END with seat->shut set is not a FIN. */
weir_io weir_seat_receive(weir_seat *seat, int fd, size_t room);
/* Any thread. */
void weir_seat_wake(weir_seat *seat);
/* Any thread: wakes the exchange if it still sits here, in every way that it may wait. */
void weir_seat_kick(weir_seat *seat, const weir_exchange *exchange);
/* The same without the hook. True: weir_seat_rouse() must follow, with no lock held; until then the
 * seat is not freed. */
bool weir_seat_kick_quietly(weir_seat *seat, const weir_exchange *exchange);
void weir_seat_rouse(weir_seat *seat);

#endif
