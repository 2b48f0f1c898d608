/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous front end: submit, poll one descriptor, turn.
 *
 * Thread rule: one thread owns a loop; weir_cancel(), weir_token_cancel() and weir_loop_wake()
 * alone may be called from others. One loop per core, nothing shared but weir_shared, is how a
 * program scales over cores.
 *
 * Fork: between two turns; the child's next call makes a descriptor of its own, closes the parent's
 * connections there without an octet, and ends the exchanges that were under way with
 * WEIR_E_CLOSED. Ask for weir_loop_fd() again (docs/fork.md).
 *
 *     weir_loop_submit(loop, &request, NULL, user, &exchange);
 *     for (;;) {
 *         poll(&(struct pollfd){weir_loop_fd(loop), POLLIN, 0}, 1, -1);
 *         n = weir_loop_turn(loop, events, 64);
 *         ...
 *     }
 *
 * After a turn the descriptor is readable exactly if something is left: the array was full, a
 * deadline is due, the turn's budget was spent. No event is lost to a small array. (A deadline that
 * was moved later may make it readable once more, at its old time, for a turn that finds nothing.)
 */
#ifndef WEIR_LOOP_H
#define WEIR_LOOP_H

#include "weir/exchange.h"
#include "weir/metrics.h"
#include "weir/shared.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_loop weir_loop;

typedef enum weir_told {
    WEIR_TOLD_NOTHING = 0,
    WEIR_TOLD_INFORMATIONAL, /* a further 1xx can be read */
    WEIR_TOLD_HEAD,          /* the final head can be read */
    WEIR_TOLD_READABLE,      /* weir_read() will not answer AGAIN; told once until it does */
    WEIR_TOLD_WRITABLE,      /* likewise weir_write() */
    WEIR_TOLD_DONE, /* exactly once, last, also after cancel; the unread rest stays readable until
                       free */
    WEIR_TOLD_OBSERVED /* `observed`: an observer's event as a record (options.observed_as_records)
                        */
} weir_told;

typedef struct weir_loop_event {
    weir_told told;
    weir_status status;      /* of DONE */
    weir_exchange *exchange; /* NULL: an observed event of a connection */
    uint64_t id;
    void *user;
    const weir_event *observed; /* valid until the next turn */
} weir_loop_event;

typedef struct weir_loop_options {
    size_t size;
    const weir_allocator *allocator; /* kept; NULL: malloc */
    weir_shared *shared;             /* held; NULL: one of its own */
    const weir_observer *observer;   /* kept: events that belong to no call */
    const weir_resolver *resolver;   /* kept; NULL: c-ares */
    const weir_pool_limits *limits;  /* NULL: the defaults */
    uint32_t turn_octets;            /* received in one turn before it returns: 1 MiB */
    /* Events of calls without an observer, and without `observer` those of connections, come as
     * WEIR_TOLD_OBSERVED. Who wants to be told of the connections that are open at the end drains
     * (weir_loop_drain()) before weir_loop_free(), which tells nobody by records. */
    bool observed_as_records;
    /*
     * Counts by series, too (metrics.h): so many of each kind at most, and what is over it in one
     * more. 0: none, and it costs nothing; OpenTelemetry's SDKs have 2000.
     */
    uint32_t metrics_series;
    /* Methods that series know by name, separated by commas; others are "_OTHER". Copied. NULL: those
     * of RFC 9110 s9 and PATCH. */
    const char *metrics_methods;
} weir_loop_options;
#define WEIR_LOOP_OPTIONS_INIT WEIR_INIT(weir_loop_options)

/*
 * NULL options: the defaults. NULL and *status (may be NULL) says why: WEIR_E_NOMEM, WEIR_E_INVALID
 * (weir_loop_options_flaw() says what), WEIR_E_TLS_CONFIG, WEIR_E_DESCRIPTORS.
 */
WEIR_API weir_loop *weir_loop_new(const weir_loop_options *options, weir_status *status);
/* What makes these options WEIR_E_INVALID, as weir_client_options_flaw(). Any thread. */
WEIR_API const char *weir_loop_options_flaw(const weir_loop_options *options);
/*
 * Closes every connection. Exchanges that were not freed end with WEIR_E_CLOSED and outlive the
 * loop: they can be read as far as their response had come, and must be freed. NULL-safe. Not from
 * an observer.
 */
WEIR_API void weir_loop_free(weir_loop *loop);

/*
 * Begins a request; does no I/O. *exchange is set also when it was refused (its failure tells why),
 * and must be freed; NULL only with WEIR_E_NOMEM, WEIR_E_TLS_CONFIG (the default TLS settings
 * cannot be made) and, in the child of a fork, WEIR_E_DESCRIPTORS (it could not begin anew) or
 * WEIR_E_STATE (it was forked inside a turn). A refused request is told DONE too. `user` comes back
 * in the events.
 */
WEIR_API weir_status weir_loop_submit(weir_loop *loop, const weir_request *request,
                                      const weir_call *call, void *user, weir_exchange **exchange);

/* The one descriptor to poll for reading. It is the loop's: do not read or close it. In the child
 * of a fork it is another one: ask again (docs/fork.md). */
WEIR_API int weir_loop_fd(const weir_loop *loop);

/* Does what is due and fills up to `room` events; how many. Never blocks. What finds no room is
 * told by the next turn, for which the descriptor stays readable; with `room` 0 nothing is told. 0,
 * too, in the child of a fork that could not begin anew. From an observer it ends the program. */
WEIR_API size_t weir_loop_turn(weir_loop *loop, weir_loop_event *events, size_t room);

/* When the next turn is due by time alone, for those who cannot poll: WEIR_NEVER, or an absolute
 * time. */
WEIR_API weir_time weir_loop_deadline(const weir_loop *loop);

/* Makes the descriptor readable. Any thread. */
WEIR_API void weir_loop_wake(weir_loop *loop);

/* Waits in poll(2) until the descriptor is readable or the time has come: a convenience for
 * programs without a loop. */
WEIR_API void weir_loop_wait(weir_loop *loop, weir_time deadline_ns);

/*
 * Pre-connects, as weir_client_preconnect(), all dials at once. *exchange is a ticket for it: it
 * has no response, is told DONE with what weir_client_preconnect() would answer, may be cancelled,
 * and must be freed. The answers are those of weir_loop_submit(); and WEIR_E_INVALID and no ticket
 * if `exchanges` is 0.
 */
WEIR_API weir_status weir_loop_preconnect(weir_loop *loop, const weir_request *request,
                                          const weir_call *call, uint32_t exchanges, void *user,
                                          weir_exchange **exchange);

/*
 * Drains, as weir_client_drain(), but waits for nothing: the turns that follow close what is idle
 * and, as their exchanges end, the rest. WEIR_OK; WEIR_E_NOMEM, WEIR_E_URL_*; in the child of a
 * fork WEIR_E_DESCRIPTORS and WEIR_E_STATE, as weir_loop_submit(). An observer may call it.
 *
 * Its deadline is the program's: who has waited long enough sees what is left, and frees the
 * exchanges that hold it. weir_loop_draining() says how many of all the connections that a drain
 * found (for whatever reason: other TLS settings and another network are drains too) are not closed
 * yet: after a turn, 0 is the end of the drain.
 */
WEIR_API weir_status weir_loop_drain(weir_loop *loop, weir_span url);
WEIR_API uint64_t weir_loop_draining(const weir_loop *loop);

/* The network is another: as weir_client_network_changed(); the next turn closes what is idle. */
WEIR_API void weir_loop_network_changed(weir_loop *loop);

/* Fills counts->size octets of it (WEIR_COUNTS_INIT sets it). The loop's thread. */
WEIR_API void weir_loop_counts(const weir_loop *loop, weir_counts *counts);

/* Fills metrics->size octets of it (WEIR_METRICS_INIT sets it): everything as of one moment. The
 * loop's thread. */
WEIR_API void weir_loop_metrics(const weir_loop *loop, weir_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif
