/* SPDX-License-Identifier: MIT */
/*
 * Making one TCP connection out of a host: which address to try when (Happy Eyeballs, RFC 8305), as
 * wants and deadlines. Pure: the driver resolves, opens sockets and tells what came of it.
 *
 *   RESOLVING -answer(A, AAAA)-> CONNECTING -attempt won-> CONNECTED
 *        \-no address-> FAILED        \-every attempt failed, no answer outstanding-> FAILED
 *
 * Invariants: at most WEIR_DIAL_ATTEMPTS are under way; an address is tried once; those that wait
 * stand behind those that were tried; the first to connect wins and the driver closes the others;
 * the failure told at the end is that of the first address tried unless all agree.
 */
#ifndef WEIR_ENGINE_DIAL_H
#define WEIR_ENGINE_DIAL_H

#include "engine/address.h"
#include "proto/clock.h"
#include "proto/list.h"
#include "weir/failure.h"
#include "weir/shared.h"

#define WEIR_DIAL_ADDRESSES        64 /* in all; more are ignored, and counted */
/* Of one family: an answer of thousands must not leave the other family without a place. */
#define WEIR_DIAL_FAMILY_ADDRESSES (WEIR_DIAL_ADDRESSES / 2)
#define WEIR_DIAL_ATTEMPTS         8 /* under way at once */

typedef enum weir_dial_state {
    WEIR_DIAL_RESOLVING = 0,
    WEIR_DIAL_CONNECTING,
    WEIR_DIAL_CONNECTED,
    WEIR_DIAL_FAILED
} weir_dial_state;

typedef enum weir_attempt_state {
    WEIR_ATTEMPT_WAITING = 0,
    WEIR_ATTEMPT_RUNNING,
    WEIR_ATTEMPT_WON,
    WEIR_ATTEMPT_LOST
} weir_attempt_state;

typedef struct weir_dial_address {
    weir_address address;
    weir_attempt_state state;
    int sys_errno; /* why it was lost */
    bool last;     /* behind those of which nothing bad is known */
    weir_time begun_ns;
    weir_time ended_ns;
    int fd; /* the driver's, -1: none */
    void *driver;
} weir_dial_address;

typedef struct weir_dial {
    weir_dial_state state;
    uint16_t port;
    bool awaiting[2]; /* an answer for IPv4, IPv6 is outstanding */
    weir_status answer_status[2];
    weir_dial_address addresses[WEIR_DIAL_ADDRESSES];
    size_t count;
    size_t running;
    /* addresses over the limit, known already, or of another family than was asked */
    size_t ignored;
    weir_time next_attempt_ns; /* RFC 8305 s5 */
    weir_time delay_until_ns;  /* RFC 8305 s3: A came first, AAAA gets this long */
    weir_time attempt_delay_ns;
    weir_time resolution_delay_ns;
    weir_time began_ns;
    weir_time resolved_ns; /* 0: not yet */
    size_t winner;
    weir_failure failure;
} weir_dial;

/* Begins with both answers outstanding. Delays: 250 ms and 50 ms when 0; never less than 10 ms
 * between attempts (RFC 8305 s5). */
void weir_dial_begin(weir_dial *dial, uint16_t port, weir_time attempt_delay_ns,
                     weir_time resolution_delay_ns, weir_time now_ns);
/* The resolver's answer for one family, once each; a later one is ignored. Addresses are copied and
 * interleaved (RFC 8305 s4); with a status other than WEIR_OK there are none. */
void weir_dial_answer(weir_dial *dial, const weir_answer *answer, weir_time now_ns);
/* Of the addresses that wait, those for which `failed_lately` is set, by their index, go behind all
 * others. Within the two groups families alternate, and a family keeps its order. */
void weir_dial_put_last(weir_dial *dial, const bool *failed_lately);
/* The next address to start now; false: none now. The driver opens a socket and says
 * weir_dial_attempt_ended() if that fails. */
bool weir_dial_next(weir_dial *dial, weir_time now_ns, size_t *index);
/* An attempt came to an end: sys_errno 0 means connected. */
void weir_dial_attempt_ended(weir_dial *dial, size_t index, int sys_errno, weir_time now_ns);
weir_time weir_dial_deadline(const weir_dial *dial, weir_why *why);
/* The status that an errno of connect(2) or socket(2) stands for. */
weir_status weir_dial_status(int sys_errno);

#endif
