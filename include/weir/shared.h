/* SPDX-License-Identifier: MIT */
/*
 * What clients and loops may share: TLS settings and sessions, DNS answers, what is remembered of
 * origins. And the records that both front ends take: pool limits, the resolver.
 *
 * Thread rule: weir_shared is locked inside and off the warm path. Reference-counted.
 */
#ifndef WEIR_SHARED_H
#define WEIR_SHARED_H

#include "weir/base.h"
#include "weir/failure.h"
#include "weir/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_shared weir_shared;

typedef struct weir_shared_options {
    size_t size;
    const weir_allocator *allocator; /* kept; NULL: malloc */
    weir_tls_config *tls;            /* held; NULL: the system's roots and the defaults of tls.h */
    uint32_t tls_sessions;           /* remembered: 1024 */
    uint32_t dns_answers;            /* names whose answers are remembered: 1024 */
    uint32_t origins;                /* remembered (protocol, stream limit, idle horizon): 1024 */
} weir_shared_options;
#define WEIR_SHARED_OPTIONS_INIT WEIR_INIT(weir_shared_options)

/*
 * What clients and loops may have in common: TLS settings and sessions, DNS answers, what was
 * learned of origins (docs/shared.md). Any thread; reference-counted, with one reference for the
 * caller. NULL options: the defaults. NULL and *status (may be NULL): WEIR_E_NOMEM, WEIR_E_INVALID
 * (weir_shared_options_flaw() says what).
 */
WEIR_API weir_shared *weir_shared_new(const weir_shared_options *options, weir_status *status);
/* What makes these options WEIR_E_INVALID, as weir_client_options_flaw(). Any thread. */
WEIR_API const char *weir_shared_options_flaw(const weir_shared_options *options);
/* One reference more; answers its argument, which is not NULL. */
WEIR_API weir_shared *weir_shared_acquire(weir_shared *shared);
/* NULL-safe. */
WEIR_API void weir_shared_release(weir_shared *shared);

/*
 * From here on calls use `tls` (held), unless they bring settings of their own (weir_call.tls).
 * Connections that were made with the old settings drain, in each client and loop that shares this:
 * when it is next entered, by a call, a turn or weir_client_maintain(); idle ones are closed then.
 * An attempt that has begun goes on as it began; one that has no connection yet, or that is begun
 * anew, takes the new settings, unless it waits for a dial that is in flight already. Sessions of
 * the old settings are forgotten, and none of them is ever resumed with others. The old settings
 * stay referenced until the last connection, exchange and session of them is gone. A call that
 * brings the old settings itself shares, as always, with calls that got them here, and so loses its
 * idle connections with theirs.
 *
 * WEIR_OK; WEIR_E_INVALID: tls is NULL. Any thread.
 */
WEIR_API weir_status weir_shared_set_tls(weir_shared *shared, weir_tls_config *tls);

/* 0 means the default. */
typedef struct weir_pool_limits {
    size_t size;
    uint32_t connections_per_origin; /* 6 */
    uint32_t connections;            /* 1024 */
    uint32_t waiting_per_origin;     /* 1024 */
    uint32_t waiting;                /* 16384 */
    uint32_t h2_connections; /* HTTP/2 per origin: as connections_per_origin; 1: strict (RFC 9113
                                s9.1) */
    weir_time idle_ns;       /* 90 s */
    weir_time lifetime_ns;   /* none */
    uint32_t head_octets;    /* of a response head: 65536 */
    uint32_t inbox_octets; /* unread content of one exchange: 65536, HTTP/2 stream window 262144 */
    bool bare_lf;          /* accept bare LF in HTTP/1.1 heads (RFC 9112 s2.2) */
    bool ping_idle;        /* ping_ns holds for connections without a call too */
    /* HTTP/2: open at once, our own limit below the peer's: 1000 */
    uint32_t streams_per_connection;
    uint32_t requests_per_connection; /* that one connection serves before it is closed: no limit */
    weir_time ping_ns; /* HTTP/2: PING when nothing came for so long while a call is open: never */
    weir_time ping_timeout_ns; /* ... and nothing came after it: the connection fails,
                                  WEIR_E_H2_PING: 10 s */
    /* when DNS has a connection's address no longer it ends within so long: 10 s; WEIR_NEVER: it
       stays, and names are not asked for again */
    weir_time address_left_ns;
} weir_pool_limits;
#define WEIR_POOL_LIMITS_INIT WEIR_INIT(weir_pool_limits)

/* Numbers of the pool at one moment. Whoever asks says with `size` how much of it there is:
 * WEIR_COUNTS_INIT. In the child of a fork what only grows begins at 0. */
typedef struct weir_counts {
    size_t size;
    uint64_t connections_dialing;
    uint64_t connections_idle;
    uint64_t connections_active;
    uint64_t connections_draining;
    uint64_t waiting;
    uint64_t leases;
    uint64_t requests; /* ever */
    uint64_t reuses;
    uint64_t dials;
    uint64_t dial_failures;
    uint64_t bounces;
    uint64_t ledger_agree;  /* connections closed whose ledger agreed with the kernel */
    uint64_t ledger_differ; /* stays 0: anything else is a defect of weir */
    uint64_t ledger_unavailable;
    uint64_t left_over; /* connections closed for octets that answered no request (RFC 9112 s9.2) */
} weir_counts;
#define WEIR_COUNTS_INIT WEIR_INIT(weir_counts)

/* A numeric address as a resolver gives it. */
typedef struct weir_address {
    uint8_t family;     /* 4 or 6 */
    uint8_t octets[16]; /* network order; IPv4 in the first four */
    uint32_t scope;     /* IPv6 zone index, 0: none */
    uint32_t ttl_seconds;
} weir_address;

/*
 * Replaces c-ares whole. `start` begins a look-up of `host` and may call weir_resolver_answer() at
 * once or later, from any thread, exactly once per family asked (4 and 6), unless `cancel` was
 * called with the same look-up before: when cancel returns, no answer to it may be under way or
 * come any more. `cancel` is called on the thread of the call or loop, with no lock held, and not
 * when both answers came; it may be NULL if start always gives both before it returns: what it did
 * not give by then counts as WEIR_E_DNS_FAILED, and may not be given any more. `host` is
 * borrowed until start returns. A status other than WEIR_OK says why there is no address:
 * WEIR_E_DNS_NOT_FOUND or WEIR_E_DNS_FAILED. Addresses of another family than the one answered are
 * ignored.
 */
typedef struct weir_lookup weir_lookup;
typedef struct weir_resolver {
    size_t size;
    void *user;
    void (*start)(weir_lookup *lookup, weir_span host, void *user);
    void (*cancel)(weir_lookup *lookup, void *user);
} weir_resolver;
#define WEIR_RESOLVER_INIT WEIR_INIT(weir_resolver)
/*
 * The answer for one family, 4 or 6 (anything else ends the program). The addresses are borrowed
 * until it returns. A status that is none of a failure is taken for WEIR_E_DNS_FAILED. Any thread.
 */
WEIR_API void weir_resolver_answer(weir_lookup *lookup, uint8_t family, weir_status status,
                                   const weir_address *addresses, size_t count);

#ifdef __cplusplus
}
#endif

#endif
