/* SPDX-License-Identifier: MIT */
/*
 * The blocking front end: a thread-safe client without an event loop and without threads of its
 * own.
 *
 * Thread rule: any number of threads call into one client at once; an exchange belongs to one
 * thread at a time. Several calls share an HTTP/2 connection: whichever waits reads for all
 * (docs/baton.md).
 *
 * Fork: the child's calls find an empty pool; the parent's connections are closed there without an
 * octet, and exchanges that were under way end with WEIR_E_CLOSED (docs/fork.md, also for what
 * cannot be done).
 *
 * System calls: a warm HTTP/1.1 call is one send and one recv.
 */
#ifndef WEIR_CLIENT_H
#define WEIR_CLIENT_H

#include "weir/exchange.h"
#include "weir/metrics.h"
#include "weir/shared.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_client weir_client;

/*
 * Replaces every blocking point, so that a green-thread runtime can run the client cooperatively.
 * No lock is held across a hook, and every call uses MSG_DONTWAIT then. wait: until one of the n
 * descriptors is ready as in poll(2) (fills revents), or deadline_ns passed: how many are ready.
 * park: until woken or the deadline passed; `*parked` is for the hooks and NULL at first; wake gets
 * the same place. wake may come before park, which then returns at once: `*parked` is NULL still,
 * and wake leaves a mark there. It may come late, too, from another thread, when park has returned
 * for its deadline: what wake finds must then be harmless to wake.
 */
typedef struct weir_poll {
    int fd;
    short events; /* POLLIN, POLLOUT */
    short revents;
} weir_poll;
typedef struct weir_wait_hooks {
    size_t size;
    void *user;
    int (*wait)(weir_poll *fds, size_t count, weir_time deadline_ns, void *user);
    void (*park)(void **parked, weir_time deadline_ns, void *user);
    void (*wake)(void **parked, void *user);
} weir_wait_hooks;
#define WEIR_WAIT_HOOKS_INIT WEIR_INIT(weir_wait_hooks)

typedef struct weir_client_options {
    size_t size;
    const weir_allocator *allocator; /* kept; NULL: malloc */
    weir_shared *shared;             /* held; NULL: one of its own */
    const weir_observer *observer;   /* kept: events that belong to no call; NULL: none */
    const weir_wait_hooks *hooks;    /* kept; NULL: the operating system */
    const weir_resolver *resolver;   /* kept; NULL: c-ares */
    const weir_pool_limits *limits;  /* NULL: the defaults */
    weir_time probe_after_ns; /* reuse after a longer pause begins with a look at the socket: 1 ms;
                                 WEIR_PROBE_ALWAYS: always, WEIR_NEVER: never */
    /*
     * Counts by series, too (metrics.h): so many of each kind at most, and what is over it in one
     * more. 0: none, and it costs nothing; OpenTelemetry's SDKs have 2000.
     */
    uint32_t metrics_series;
    /* Methods that series know by name, separated by commas; others are "_OTHER". Copied. NULL: those
     * of RFC 9110 s9 and PATCH. */
    const char *metrics_methods;
} weir_client_options;
#define WEIR_CLIENT_OPTIONS_INIT WEIR_INIT(weir_client_options)
#define WEIR_PROBE_ALWAYS        ((weir_time)1)

/* NULL options: the defaults. NULL and *status (may be NULL) says why: WEIR_E_NOMEM, WEIR_E_INVALID
 * (weir_client_options_flaw() says what), WEIR_E_TLS_CONFIG, WEIR_E_DESCRIPTORS. */
WEIR_API weir_client *weir_client_new(const weir_client_options *options, weir_status *status);
/*
 * What makes these options WEIR_E_INVALID: a static sentence, for a person, that names the record,
 * which may be one that they point to, and its member; NULL: nothing does. A record without its
 * size, a hook that is missing, a resolver without `start`, an allocator without one of its three
 * functions. Any thread.
 */
WEIR_API const char *weir_client_options_flaw(const weir_client_options *options);
/* Closes the connections. Every exchange must be freed before, and no thread be inside: one that is
 * left ends the program. NULL-safe. Not from an observer. */
WEIR_API void weir_client_free(weir_client *client);

/*
 * Performs a request up to its final response head; with a WEIR_BODY_STREAM only until it can be
 * written. *exchange is set also when the call failed, so that its failure, attempts and tallies
 * can be read, and must be freed; it is NULL only with WEIR_E_NOMEM and WEIR_E_TLS_CONFIG (the
 * default TLS settings cannot be made), and if its observer freed it. `call` NULL: the defaults.
 * Every status of the table may come back. WEIR_E_INVALID: a record or what goes with it is no such
 * thing (request.h); the failure says which.
 */
WEIR_API weir_status weir_client_call(weir_client *client, const weir_request *request,
                                      const weir_call *call, weir_exchange **exchange);

/*
 * What nobody does while no call is inside: reads HTTP/2 connections, idle or with exchanges whose
 * callers are away (PING and SETTINGS answered, a death noticed), closes what has been idle too
 * long, and makes HTTP/2 connections that are idle for a second smaller (docs/http2.md, "At rest").
 * Calls that wait for a stream of a connection see to its being read themselves. Any thread; does
 * not block.
 * Returns when it should be called again for what it knows of, WEIR_NEVER: for nothing. A peer's
 * PING comes unannounced: who wants it answered soon calls more often.
 */
WEIR_API weir_time weir_client_maintain(weir_client *client);

/*
 * Pre-connects: brings an origin to connections that could carry `exchanges` at once, without
 * sending a request. Busy and idle ones count: HTTP/1.1 one each, HTTP/2 as many as its peer allows
 * streams (100 before that is known); where ALPN decides, one is made first and shows what is
 * needed. Of `request` only the URL or its parts matter, of `call` what shapes the connection (tls,
 * pin, connect_to), its limits for each dial (dns_ns, connect_ns, tls_ns) and for the whole
 * (queue_ns, deadline_ns), token and observer.
 *
 * Waits until they are there. This thread dials them all at once, with one wait for all of them, as
 * a loop does (weir_loop_preconnect()). When one dial fails, that is what the call answers; the
 * others go on until they are done or the limits for the whole end them. So do those that are under
 * way when others have made enough of them: the call is WEIR_OK then, and a dial that is ended by
 * the limits or the token is closed as a connection of its own, with its account, told `shutdown`.
 * Nothing is closed for them, no limit is exceeded: where one is in the way it is content with what there is
 * (weir_client_counts()). What nobody uses is closed as any idle connection. WEIR_OK;
 * WEIR_E_INVALID (weir_preconnect_flaw() says why); WEIR_E_CLOSED_EARLY: what was made did not stay; or why a dial,
 * or the waiting, failed: any status of a call that sent nothing. Any thread.
 */
WEIR_API weir_status weir_client_preconnect(weir_client *client, const weir_request *request,
                                            const weir_call *call, uint32_t exchanges);

/*
 * Drains: idle connections are closed now, busy ones take no further exchange and are closed after
 * their last, and new calls dial anew. `url`: those to its scheme, host and port, whatever TLS
 * settings, protocol pin or connect_to they were made with; its path does not matter. Empty: all.
 * Waits until none of them is left or deadline_ns (absolute) has passed; 0 does not wait. *left
 * (may be NULL) says how many are: those that this or an earlier drain found and that are not
 * closed yet. A dial in flight is no connection yet, and stays if somebody waits for it. An
 * exchange that is not read to its end or freed holds its connection for ever: a thread that has
 * one itself must not wait with WEIR_NEVER.
 *
 * WEIR_OK: none is left. WEIR_E_DEADLINE_TOTAL: *left are, and go on draining. WEIR_E_NOMEM,
 * WEIR_E_URL_*: nothing was done, and *left is 0. Any thread; with wait hooks it parks.
 */
WEIR_API weir_status weir_client_drain(weir_client *client, weir_span url, weir_time deadline_ns,
                                       uint64_t *left);

/*
 * The network is another: DNS answers and learned idle times (the weir_shared's too) and pauses
 * after failed dials are forgotten, idle connections are closed now, and busy ones, which may still
 * work, take no further exchange. What is under way goes on under its own deadlines. Each other
 * client and loop of the weir_shared is told by a call of its own: until then it keeps its
 * connections and pauses. Any thread; does not wait.
 */
WEIR_API void weir_client_network_changed(weir_client *client);

/* Fills counts->size octets of it (WEIR_COUNTS_INIT sets it): the pool's counts now. Any thread. */
WEIR_API void weir_client_counts(weir_client *client, weir_counts *counts);

/* Fills metrics->size octets of it (WEIR_METRICS_INIT sets it): everything as of one moment. Any
 * thread. */
WEIR_API void weir_client_metrics(weir_client *client, weir_metrics *metrics);

#ifdef __cplusplus
}
#endif

#endif
