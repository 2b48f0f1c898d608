/* SPDX-License-Identifier: MIT */
/*
 * The user of the library: calls that are submitted, read, written, cancelled and freed as the seed
 * says.
 *
 *   WAITING -submit-> UNDER_WAY -DONE told-> DONE -freed-> FREED
 *                        \------ freed early -------------/
 *
 * It keeps to the contract of include/weir/exchange.h and no more: it reads when it was told that
 * there is something to read, and not before; it may take its time.
 */
#ifndef WEIR_SIM_CLIENT_H
#define WEIR_SIM_CLIENT_H

#include "engine/turn.h"
#include "peer.h"
#include "watch.h"

typedef enum sim_call_state {
    SIM_CALL_WAITING = 0,
    SIM_CALL_UNDER_WAY,
    SIM_CALL_DONE,
    SIM_CALL_FREED
} sim_call_state;

typedef struct sim_call {
    sim_world *world;
    uint64_t number; /* from 1 */
    sim_call_state state;
    bool calm;     /* submitted after the storm: must succeed */
    bool rests;    /* ... and after a rest: see rest.h */
    uint64_t link; /* of its last attempt, when it is done and rests */
    size_t origin;
    uint32_t warms; /* it is no request but a wish for connections for so many; 0: a request */
    bool numeric;   /* its host is an address */
    const char *method;
    bool idempotent;
    bool reads_slowly;
    bool cancelled;
    weir_call options;
    weir_token *token;
    sim_watch watch;
    bool is_watched;
    weir_exchange *exchange;
    uint64_t id;

    /* The request's body. */
    weir_body_kind body_kind;
    uint64_t body_octets;
    bool body_declared;
    bool has_trailers;
    bool rewinds;
    bool source_failed;
    uint8_t *body; /* of a SPAN */
    weir_source source;
    uint64_t written;
    bool finished;
    bool writing;    /* an event will write */
    bool is_blocked; /* weir_write() or weir_finish() answered AGAIN, and WRITABLE was not told */
    weir_time blocked_since_ns;
    weir_time blocked_ns;

    /* The response. */
    bool reading; /* an event will read */
    bool head_told;
    weir_reason waits_for; /* seen last */
    bool poisoned; /* it took octets for its response that came unasked: HTTP/1.1 cannot tell */
    size_t informational_told;
    uint64_t delivered;
    const sim_request *answered; /* whose response this is */
    weir_time unblocked_ns;      /* when a full inbox was last read */
    bool ended;                  /* weir_read() answered END */

    size_t attempts; /* when it was freed */
    weir_status status;
    weir_processed processed; /* what was said about it at DONE */
    weir_time submitted_ns;
    weir_time done_ns;
    sim_request *requests; /* as the peers saw them */
    sim_rows tallied;      /* sent, over all attempts */
} sim_call;

typedef struct sim_client {
    sim_call calls[SIM_CALLS_LIMIT];
    size_t count;
    size_t freed;
    uint64_t next_serial;
    weir_tally tally; /* of every attempt of every exchange */
    uint64_t done;
    uint64_t statuses[256]; /* by -status */
    weir_time stalls_ns[7]; /* of calls that were told DONE */
} sim_client;

/* Plans the calls of the storm; those of the calm are added when it begins. */
void sim_client_open(sim_world *world);
void sim_client_calm(sim_world *world);
/* A call of the rests is made now. */
sim_call *sim_client_rest(sim_world *world);
bool sim_client_is_finished(const sim_world *world);

void sim_client_told(sim_world *world, const weir_loop_event *event);
/* An exchange is about to be freed: its account is read for the last time. */
void sim_client_leaves(sim_world *world, weir_exchange *exchange);

/* NULL: there is no such call. */
sim_call *sim_call_of(sim_world *world, uint64_t number);
uint64_t sim_client_next_serial(sim_world *world);
/* The origin of a host name. */
size_t sim_client_origin_of(sim_world *world, weir_span host);

#endif
