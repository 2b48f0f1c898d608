/* SPDX-License-Identifier: MIT */
/*
 * What happened, in order, with the time at which it happened: one record type for every event.
 *
 * Thread rule: the events of an exchange are told on the thread of its own call (blocking) or
 * inside weir_loop_turn(), before the call returns, with no lock held. A blocking call tells
 * what there is before it waits, for a place as for its peer, and so shows what a call that hangs
 * waits for; the rest is told when it returns. Events of a connection that belongs to
 * no call are told to the observer of the client or loop, on the thread that caused them. An
 * observer may submit, cancel, read and free any exchange, but not call weir_loop_turn() nor free
 * the loop or client. While a blocking call of its own exchange waits, that cannot be read or
 * written (WEIR_E_STATE); to free it ends the call (WEIR_E_CANCELLED); and what is waited for there
 * must not need this thread, which runs the dials of its call: a call to an origin of which no
 * connection is there may wait for those.
 *
 * Bounded: while an exchange's events wait to be told, repeated octet events merge into one.
 */
#ifndef WEIR_OBSERVE_H
#define WEIR_OBSERVE_H

#include "weir/failure.h"
#include "weir/ledger.h"
#include "weir/reason.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_exchange weir_exchange;

typedef enum weir_event_kind {
    WEIR_EVENT_NONE = 0,
    WEIR_EVENT_SUBMITTED,
    WEIR_EVENT_WAITING, /* no place yet: reason; again when the call waits for something else. Not
                           each change is told, but always what it waits for now (docs/pool.md) */
    WEIR_EVENT_DNS_STARTED,
    WEIR_EVENT_DNS_DONE,        /* count addresses; failure; once for IPv6 and once for IPv4 */
    WEIR_EVENT_CONNECT_STARTED, /* one address: `address` */
    WEIR_EVENT_CONNECT_DONE,    /* `address`, failure.sys_errno */
    WEIR_EVENT_TLS_STARTED,
    WEIR_EVENT_TLS_DONE,            /* protocol, `why` names the version of TLS; failure */
    WEIR_EVENT_CONNECTION_ACQUIRED, /* host, port, protocol, reused, waited_ns, reason */
    WEIR_EVENT_HEAD_SENT,           /* the kernel took the whole request head */
    WEIR_EVENT_REQUEST_SENT,  /* octets of the request so far: plain, tls; `last` when all of it.
                                 HTTP/2: what its stream sends behind it (WINDOW_UPDATE, RST_STREAM)
                                 is told once more, with `last` */
    WEIR_EVENT_INFORMATIONAL, /* a 1xx: code */
    WEIR_EVENT_FIRST_OCTET,   /* of the response */
    WEIR_EVENT_HEAD_RECEIVED, /* final: code */
    WEIR_EVENT_RESPONSE_RECEIVED, /* octets of the response so far: plain, tls; `last` when all of
                                     it */
    WEIR_EVENT_REPLAYED,          /* the attempt ended with `failure` and another begins */
    WEIR_EVENT_RELEASED,          /* the place was given back; tally of the attempt; reason: why the
                                     connection takes no more, or NONE */
    WEIR_EVENT_DONE,              /* failure.status WEIR_OK or why it failed */
    WEIR_EVENT_CONNECTION_CLOSED, /* account with its verdict; reason; failure */
    WEIR_EVENT_COUNT
} weir_event_kind;

/* "connection_acquired"; "unknown" for a number that is none. Never NULL, never freed. */
WEIR_API const char *weir_event_name(weir_event_kind kind);

/* Spans and pointers are valid until the observer returns. */
typedef struct weir_event {
    size_t size;
    weir_event_kind kind;
    weir_time at_ns;
    weir_exchange *exchange; /* NULL: an event of a connection without a call */
    uint64_t conn;           /* number of the connection, from 1, never reused; 0: none */
    weir_span host;
    uint16_t port;
    weir_protocol protocol;
    bool reused;
    bool last;
    int code;
    uint32_t count;
    weir_time waited_ns;
    const char *why;     /* static: the word of `reason`; of a connection that failed the name of
                            the status; see TLS_DONE; else NULL */
    const char *address; /* numeric, or NULL */
    uint64_t plain_octets;
    uint64_t tls_octets;
    weir_failure failure;
    weir_tally tally;
    const weir_account *account; /* CONNECTION_CLOSED */
    weir_reason reason; /* WAITING, CONNECTION_ACQUIRED, RELEASED, CONNECTION_CLOSED; else NONE */
} weir_event;

typedef void weir_observe(const weir_event *event, void *user);

typedef struct weir_observer {
    size_t size;
    void *user;
    weir_observe *tell; /* WEIR_E_INVALID without it */
} weir_observer;
#define WEIR_OBSERVER_INIT WEIR_INIT(weir_observer)

#ifdef __cplusplus
}
#endif

#endif
