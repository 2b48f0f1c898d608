/* SPDX-License-Identifier: MIT */
/*
 * What both front ends and the simulator share: the pool, numbers, limits, and the way of an
 * exchange into the pool and out of it.
 *
 * Thread rule: none inside. In the blocking front end the core's lock guards it; it is never held
 * together with a link's lock: facts leave a link by value (exchange->last_facts).
 */
#ifndef WEIR_ENGINE_CORE_H
#define WEIR_ENGINE_CORE_H

#include "engine/exchange.h"
#include "engine/metrics.h"
#include "engine/names.h"
#include "engine/series.h"
#include "engine/shared.h"

typedef struct weir_core_options {
    const weir_allocator *allocator;
    weir_shared *shared;            /* held */
    const weir_observer *observer;  /* of connections; may be NULL */
    const weir_pool_limits *limits; /* may be NULL; else they have their size */
    uint64_t seed;
    uint32_t metrics_series;     /* 0: none */
    const char *metrics_methods; /* NULL: the default */
} weir_core_options;

typedef struct weir_core {
    const weir_allocator *allocator;
    weir_shared *shared;
    weir_pool *pool;
    weir_pool_options pool_options;
    weir_link_limits limits; /* every link points to them */
    weir_names names;        /* that the connections came from */
    weir_events events;      /* of connections without a call */
    uint64_t next_exchange;
    uint64_t tls_number;         /* of the default TLS configuration that this core's calls use */
    uint64_t verdicts[3];        /* by weir_agreement */
    weir_metrics metrics;        /* but for the gauges of connections */
    weir_series_account *series; /* NULL: nothing is counted by series */
} weir_core;

weir_status weir_core_init(weir_core *core, const weir_core_options *options);
/* In the child of a fork: another pool, empty, with a seed of its own; the old one, which another
 * thread may have been inside of, is left as it is. Connection numbers go on. WEIR_E_NOMEM: there
 * is still the old one. */
weir_status weir_core_begin_anew(weir_core *core, uint64_t seed);
/* In the child, which kept the pool: what the parent counted is the parent's to say. */
void weir_core_count_anew(weir_core *core);
/* No slot may be left. */
void weir_core_clear(weir_core *core);

/*
 * At each entry: has the default TLS configuration been replaced since the last one? Then what was
 * made with the old one drains. One comparison if not.
 */
void weir_core_catch_up(weir_core *core, weir_time now_ns);
/* Forgets what another network makes wrong, and drains everything. */
void weir_core_network_changed(weir_core *core, weir_time now_ns);

/* Counts it among the requests that were begun, once; weir_core_place() does. */
void weir_core_started(weir_core *core, weir_exchange *exchange);
/*
 * Asks the pool for a place, with the default TLS configuration of this moment if the call brought
 * none. Afterwards the exchange is PLACED (its ticket is LEASED), QUEUED, or ENDED with its
 * failure.
 */
void weir_core_place(weir_core *core, weir_exchange *exchange, weir_time now_ns);
/* The pool granted or refused a ticket that waited: PLACED or ENDED. */
void weir_core_granted(weir_core *core, weir_exchange *exchange, weir_time now_ns);
/* The connection refused the lease; `facts` are its newer ones. QUEUED, PLACED again, or ENDED. */
void weir_core_bounced(weir_core *core, weir_exchange *exchange, const weir_facts *facts,
                       weir_time now_ns);
/* Gives back whatever it holds in the pool: a lease (with exchange->last_facts), a place in the
 * queue. */
void weir_core_leave(weir_core *core, weir_exchange *exchange, weir_time now_ns);
/*
 * ENDED, and weir_exchange_goes_again(): gives back its lease and asks for another place in the same
 * step, so that nobody who waits slips in between, the first time in front of all that asked after
 * it. Afterwards as after weir_core_place().
 */
void weir_core_again(weir_core *core, weir_exchange *exchange, weir_time now_ns);
/*
 * It is over for good, and no success: a success was counted when it left, so that the blocking
 * front end need not take the core's lock once more. Is there something to count?
 */
bool weir_core_must_conclude(const weir_exchange *exchange);
void weir_core_concluded(weir_core *core, weir_exchange *exchange, weir_time now_ns);

/* A link for a slot that is to be dialled. The slot's user pointer is the driver's. */
weir_link *weir_core_link(weir_core *core, weir_slot *slot, weir_bin *bin,
                          const weir_exchange *exchange, weir_status *status);
/* A dial succeeded: the pool is told of its link. A wish that it was for may have other TLS
 * settings by now: then it is closed. */
void weir_core_opened(weir_core *core, weir_link *link, const weir_facts *facts, weir_time now_ns);
/* It failed, and not because the pool gave it up. */
void weir_core_dial_failed(weir_core *core, weir_slot *slot, const weir_failure *failure,
                           weir_time now_ns);
/*
 * What was learned of a slot's origin goes to those who share: when it is opened (by
 * weir_core_opened), and before it is gone. In two steps, so that only the first needs the core's
 * lock.
 */
typedef struct weir_lesson {
    bool is_new;
    weir_memory memory;
} weir_lesson;
weir_lesson weir_core_learn(weir_slot *slot);
void weir_core_remember(weir_core *core, const weir_slot *slot, weir_lesson lesson);
/* A connection is closed: counts its verdict and tells CONNECTION_CLOSED, with why: the status that
 * it failed with, or the reason. */
void weir_core_closed(weir_core *core, weir_link *link, const weir_account *account,
                      weir_reason reason, weir_time now_ns);
/*
 * The socket of an attempt to connect is closed, which no link was made of although it was
 * connected: another won, or its dial was over. It moved no octet; a number, an account and a
 * verdict of its own say so.
 */
void weir_core_attempt_closed(weir_core *core, const weir_octets *kernel, uint16_t local_port,
                              weir_time now_ns);

void weir_core_counts(const weir_core *core, weir_counts *counts);
void weir_core_metrics(const weir_core *core, weir_metrics *metrics);

/* -- exchange_why.c: for a call that asks -- */
/* Notes which connections there are for it, before it asks for a place. */
void weir_core_explain(weir_core *core, weir_exchange *exchange, weir_time now_ns);
/* ... and why this one refused it. */
void weir_core_explain_bounce(weir_core *core, weir_exchange *exchange, uint64_t conn,
                              weir_time now_ns);

#endif
