/* SPDX-License-Identifier: MIT */
/*
 * Why a call waited, in numbers, for each reason of reason.h; and why it got none of the connections that there were.
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
 * How long a call waited for a place, over all of its attempts. The times add up to total_ns exactly, and total_ns is what
 * CONNECTION_ACQUIRED told as waited_ns, added up. Only reasons that a call can wait for are ever other than 0; `refusing` is the
 * time on connections that refused it at the last moment (bounces).
 */
typedef struct weir_waits {
    size_t size;
    weir_time total_ns;
    uint64_t bounces;
    weir_time ns[WEIR_REASON_COUNT]; /* by weir_reason; stays the last member: it grows with the reasons */
} weir_waits;
#define WEIR_WAITS_INIT WEIR_INIT(weir_waits)

/*
 * Fills waits->size octets of it (WEIR_WAITS_INIT sets it). Complete when the exchange has its connection or is done; while it
 * waits, the time under the present reason is left out (a snapshot has it: snapshot.h).
 */
WEIR_API void weir_exchange_waits(const weir_exchange *exchange, weir_waits *waits);

/* A connection that a call could have had, and why it did not have it. */
typedef struct weir_candidate {
    size_t size;
    uint64_t conn;        /* its number, as in events and attempts */
    weir_reason reason;   /* why it was passed over; of the one that was taken `reused` or `dialed` */
    weir_protocol protocol;
    uint32_t used;        /* exchanges on it */
    uint32_t limit;       /* how many it takes at most; 0: it is being dialled, or was closed */
    uint64_t uses;        /* exchanges that it ever had */
    weir_time age_ns;     /* since it was made, of a dial since it began; closed: how old it became */
    weir_time idle_ns;    /* without an exchange; 0: it has some */
    bool closed;          /* it was there until lately */
    weir_time closed_ns;  /* ... so long ago */
} weir_candidate;
#define WEIR_CANDIDATE_INIT WEIR_INIT(weir_candidate)

/*
 * The connections that a call with `explain` set (weir_call) found when it asked for a place, at its last attempt: the one that it
 * would get at once, if there was one, then those that were passed over, those of the same origin that were closed lately, and those
 * to the same scheme, host and port that it may not share. If the first refused it at the last moment, its reason says why. At
 * most WEIR_CANDIDATES_LIMIT are kept; weir_exchange_candidates_left_out() says how many were not. Without `explain`: none.
 */
#define WEIR_CANDIDATES_LIMIT 16
WEIR_API size_t weir_exchange_candidate_count(const weir_exchange *exchange);
/* Fills candidate->size octets of it (WEIR_CANDIDATE_INIT sets it). false: no such candidate. */
WEIR_API bool weir_exchange_candidate_at(const weir_exchange *exchange, size_t i, weir_candidate *candidate);
WEIR_API size_t weir_exchange_candidates_left_out(const weir_exchange *exchange);

/*
 * A line without its end, as in "connection 3: at_max_streams 100/100, HTTP/2, 12.004 s old". Writes at most `room` octets, always
 * with a NUL if room > 0, and answers the length of the whole without it, as snprintf(3) does.
 */
WEIR_API size_t weir_candidate_text(const weir_candidate *candidate, char *to, size_t room);

#ifdef __cplusplus
}
#endif

#endif
