/* SPDX-License-Identifier: MIT */
/*
 * Why a call waited, in numbers, for each reason of reason.h; why it got none of the connections
 * that there were; and which addresses were tried for it, with what came of each.
 *
 * Thread rule: as the exchange's (exchange.h).
 */
#ifndef WEIR_WHY_H
#define WEIR_WHY_H

#include "weir/reason.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_exchange weir_exchange;

/*
 * How long a call waited for a place, over all of its attempts. The times add up to total_ns
 * exactly, and total_ns is what CONNECTION_ACQUIRED told as waited_ns, added up. Only reasons that
 * a call can wait for are ever other than 0; `refusing` is the time on connections that refused it
 * at the last moment (bounces).
 */
typedef struct weir_waits {
    size_t size;
    weir_time total_ns;
    uint64_t bounces;
    weir_time ns[WEIR_REASON_COUNT]; /* by weir_reason; stays the last member: it grows with the
                                        reasons */
} weir_waits;
#define WEIR_WAITS_INIT WEIR_INIT(weir_waits)

/*
 * Fills waits->size octets of it (WEIR_WAITS_INIT sets it). Complete when the exchange has its
 * connection or is done; while it waits, the time under the present reason is left out (a snapshot
 * has it: snapshot.h).
 */
WEIR_API void weir_exchange_waits(const weir_exchange *exchange, weir_waits *waits);

/* A connection that a call could have had, and why it did not have it. */
typedef struct weir_candidate {
    size_t size;
    uint64_t conn;      /* its number, as in events and attempts */
    weir_reason reason; /* why it was passed over; of the one that was taken `reused` or `dialed` */
    weir_protocol protocol;
    uint32_t used;     /* exchanges on it */
    uint32_t limit;    /* how many it takes at most; 0: it is being dialled, or was closed */
    uint64_t uses;     /* exchanges that it ever had */
    weir_time age_ns;  /* since it was made, of a dial since it began; closed: how old it became */
    weir_time idle_ns; /* without an exchange; 0: it has some */
    bool closed;       /* it was there until lately */
    weir_time closed_ns; /* ... so long ago */
} weir_candidate;
#define WEIR_CANDIDATE_INIT WEIR_INIT(weir_candidate)

/*
 * The connections that a call with `explain` set (weir_call) found when it asked for a place, at
 * its last attempt: the one that it would get at once, if there was one, then those that were
 * passed over, those of the same origin that were closed lately, and those to the same scheme, host
 * and port that it may not share. If the first refused it at the last moment, its reason says why.
 * At most WEIR_CANDIDATES_LIMIT are kept; weir_exchange_candidates_left_out() says how many were
 * not. Without `explain`: none.
 */
#define WEIR_CANDIDATES_LIMIT 16
WEIR_API size_t weir_exchange_candidate_count(const weir_exchange *exchange);
/* Fills candidate->size octets of it (WEIR_CANDIDATE_INIT sets it). false: no such candidate. */
WEIR_API bool weir_exchange_candidate_at(const weir_exchange *exchange, size_t i,
                                         weir_candidate *candidate);
WEIR_API size_t weir_exchange_candidates_left_out(const weir_exchange *exchange);

/*
 * A line without its end, as in "connection 3: at_max_streams 100/100, HTTP/2, 12.004 s old".
 * Writes at most `room` octets, always with a NUL if room > 0, and answers the length of the whole
 * without it, as snprintf(3) does.
 */
WEIR_API size_t weir_candidate_text(const weir_candidate *candidate, char *to, size_t room);

/*
 * One address that a dial tried to connect to, and what came of it. Of `won`, `unfinished` and
 * sys_errno, one says so: an attempt won, or was given up, or was lost with an errno.
 */
#define WEIR_CONNECT_ADDRESS_OCTETS 64
typedef struct weir_connect_attempt {
    size_t size;
    uint64_t conn; /* the number of the connection that was dialled: the attempts of one dial have
                      the same */
    char address[WEIR_CONNECT_ADDRESS_OCTETS]; /* numeric, ends with NUL: "192.0.2.1",
                                                  "2001:db8::1", "fe80::1%2" */
    uint16_t port;
    uint8_t family;  /* 4, 6 */
    bool won;        /* it became the connection */
    bool unfinished; /* given up: another won, the limit of the dial ran out, or the call left it */
    int sys_errno;   /* why it was lost; 0: it was not */
    weir_time began_ns;
    weir_time took_ns; /* until it was connected, lost or given up */
} weir_connect_attempt;
#define WEIR_CONNECT_ATTEMPT_INIT WEIR_INIT(weir_connect_attempt)

/*
 * What was tried for a call, in the order in which it began (RFC 8305 s5): by the dial that it
 * caused, and by one that it took over from another call, which then has those from before too. A
 * dial's attempts are there once it is connected, has failed, or is left, and stay after DONE. At
 * most WEIR_CONNECT_ATTEMPTS_LIMIT are kept, and among them always the last that won; when memory
 * is short, none. A call that got a connection which was there has none, nor has one whose name
 * gave no address.
 */
#define WEIR_CONNECT_ATTEMPTS_LIMIT 16
WEIR_API size_t weir_exchange_connect_attempt_count(const weir_exchange *exchange);
/* Fills attempt->size octets of it (WEIR_CONNECT_ATTEMPT_INIT sets it). false: no such attempt. */
WEIR_API bool weir_exchange_connect_attempt_at(const weir_exchange *exchange, size_t i,
                                               weir_connect_attempt *attempt);
WEIR_API size_t weir_exchange_connect_attempts_left_out(const weir_exchange *exchange);

#ifdef __cplusplus
}
#endif

#endif
