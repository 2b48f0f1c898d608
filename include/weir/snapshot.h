/* SPDX-License-Identifier: MIT */
/*
 * A snapshot: everything that a client or loop holds at one moment, as records and as text. Every
 * origin, every connection with who holds it, every call that has a connection or waits for one,
 * with how long for what.
 *
 * Ownership: a snapshot is the caller's and a copy: it stays as it is, and may outlive the client
 * or loop. Spans and strings in its records are valid until weir_snapshot_free().
 *
 * Thread rule: a client's from any thread, a loop's on its own (an observer may). Afterwards a
 * value: any thread, one at a time.
 */
#ifndef WEIR_SNAPSHOT_H
#define WEIR_SNAPSHOT_H

#include "weir/status.h"
#include "weir/why.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_client weir_client;
typedef struct weir_loop weir_loop;
typedef struct weir_snapshot weir_snapshot;

/*
 * Takes one: O(origins + connections + calls) under the lock of the client's core, without I/O.
 * NULL and *status (may be NULL): WEIR_E_NOMEM; in the child of a fork that cannot begin anew also
 * WEIR_E_DESCRIPTORS and WEIR_E_STATE. The allocator is the client's or loop's, *kept* until the
 * snapshot is freed.
 */
WEIR_API weir_snapshot *weir_client_snapshot(weir_client *client, weir_status *status);
WEIR_API weir_snapshot *weir_loop_snapshot(weir_loop *loop, weir_status *status);
WEIR_API void weir_snapshot_free(weir_snapshot *snapshot); /* NULL-safe */

/* The pool: its limits, as they are in force, and how much there is of everything. UINT32_MAX and
 * WEIR_NEVER: no limit. */
typedef struct weir_snapshot_pool {
    size_t size;
    weir_time taken_ns;
    uint64_t origins;
    uint64_t connections;
    uint64_t waiting; /* calls */
    uint64_t leases;  /* calls that have a connection */
    uint32_t connections_limit;
    uint32_t connections_per_origin_limit;
    uint32_t h2_connections_limit; /* of an origin */
    uint32_t waiting_limit;
    uint32_t waiting_per_origin_limit;
    weir_time idle_limit_ns;
    weir_time lifetime_limit_ns;
} weir_snapshot_pool;
#define WEIR_SNAPSHOT_POOL_INIT WEIR_INIT(weir_snapshot_pool)
/* Fills pool->size octets of it. */
WEIR_API void weir_snapshot_pool_of(const weir_snapshot *snapshot, weir_snapshot_pool *pool);

/* What makes calls share, what is remembered of it, and what its calls wait for. */
typedef struct weir_snapshot_origin {
    size_t size;
    bool https;
    weir_span host;
    weir_span zone; /* of an IPv6 address */
    uint16_t port;
    weir_span connect_to;  /* empty: the host itself */
    uint16_t connect_port; /* 0: port */
    /* always empty, empty and false in this version: nobody can ask for a unix socket, a local
       address or a proxy yet */
    weir_span socket_path;
    weir_span local; /* bound to this address or interface */
    bool over_proxy;
    uint64_t tls;           /* number of its TLS settings; 0: clear */
    weir_protocol pin;      /* ANY: none */
    weir_protocol protocol; /* pinned, implied or spoken last; ANY: only a handshake will tell */
    uint32_t streams;       /* HTTP/2: what a connection took last; 0: not known */
    uint32_t failed_dials;  /* in a row */
    weir_time back_off_ns;  /* no dial for so long; 0: none is held back */
    weir_time horizon_ns; /* how long its server was seen to keep idle connections; WEIR_NEVER: not
                             known */
    uint64_t left_over;   /* connections that had octets which answered no request */
    uint32_t connections;
    uint32_t waiting;
    /* what the calls without a dial of their own wait for; NONE: there is none */
    weir_reason waits_for;
} weir_snapshot_origin;
#define WEIR_SNAPSHOT_ORIGIN_INIT WEIR_INIT(weir_snapshot_origin)
WEIR_API size_t weir_snapshot_origin_count(const weir_snapshot *snapshot);
/* Fills origin->size octets of it. false: no such origin. */
WEIR_API bool weir_snapshot_origin_at(const weir_snapshot *snapshot, size_t i,
                                      weir_snapshot_origin *origin);

typedef enum weir_connection_state {
    WEIR_CONNECTION_DIALING = 0,
    WEIR_CONNECTION_IDLE,
    WEIR_CONNECTION_ACTIVE,
    WEIR_CONNECTION_DRAINING, /* takes no more exchanges, and has some left */
    WEIR_CONNECTION_CLOSING,
    WEIR_CONNECTION_GONE /* closed; its exchanges have not given it back yet */
} weir_connection_state;
/* "dialing"; "unknown" for a number that is none. Never NULL, never freed. */
WEIR_API const char *weir_connection_state_name(weir_connection_state state);

typedef struct weir_snapshot_connection {
    size_t size;
    uint64_t conn; /* its number, as in events and attempts */
    size_t origin; /* index */
    weir_connection_state state;
    weir_reason reason; /* why it takes no exchange now; SPARE: it does */
    weir_protocol protocol;
    uint32_t used;          /* exchanges on it: the calls of this snapshot with its number */
    uint32_t limit;         /* how many it takes at most; 0: it is being dialled */
    uint64_t uses;          /* exchanges that it ever had */
    weir_time age_ns;       /* since it was made; of a dial: since it began */
    weir_time idle_ns;      /* without an exchange; 0: it has some */
    weir_time last_read_ns; /* since it was last read from (blocking), since octets came last
                               (loop); WEIR_UNKNOWN: never */
    char address[WEIR_CONNECT_ADDRESS_OCTETS]; /* that it is connected to, numeric; empty: not yet,
                                                  or not known for want of memory */
    weir_time answer_ns; /* for so long the DNS answer with that address counts; 0: it has run out;
                            WEIR_NEVER: it is tied to none */
} weir_snapshot_connection;
#define WEIR_SNAPSHOT_CONNECTION_INIT WEIR_INIT(weir_snapshot_connection)
WEIR_API size_t weir_snapshot_connection_count(const weir_snapshot *snapshot);
/* Fills connection->size octets of it. false: no such connection. */
WEIR_API bool weir_snapshot_connection_at(const weir_snapshot *snapshot, size_t i,
                                          weir_snapshot_connection *connection);

/* A call that has a connection, or waits for one: in the order of the origins, those that wait in
 * the order of the queue. */
typedef struct weir_snapshot_call {
    size_t size;
    uint64_t exchange; /* weir_exchange_id() */
    size_t origin;     /* index */
    uint64_t conn;     /* the one that it has, or that is being dialled for it; 0: none */
    bool waiting;
    uint32_t place; /* in its origin's queue, from 1; 0: in none (it has a connection, or is given a
                       pause) */
    weir_reason reason;  /* what it waits for; how it was served */
    weir_time waited_ns; /* at this attempt, until now */
    uint32_t bounces;    /* connections that refused it at the last moment */
} weir_snapshot_call;
#define WEIR_SNAPSHOT_CALL_INIT WEIR_INIT(weir_snapshot_call)
WEIR_API size_t weir_snapshot_call_count(const weir_snapshot *snapshot);
/* Fills call->size octets of it. false: no such call. */
WEIR_API bool weir_snapshot_call_at(const weir_snapshot *snapshot, size_t i,
                                    weir_snapshot_call *call);
/* How long the i-th call waited for what until the snapshot was taken, all attempts together: fills
 * waits->size octets of it. false: no such call. */
WEIR_API bool weir_snapshot_waits_at(const weir_snapshot *snapshot, size_t i, weir_waits *waits);

/*
 * All of it as lines of text, each with its end. Writes at most `room` octets, always with a NUL if
 * room > 0, and answers the length of the whole without it, as snprintf(3) does.
 */
WEIR_API size_t weir_snapshot_text(const weir_snapshot *snapshot, char *to, size_t room);

#ifdef __cplusplus
}
#endif

#endif
