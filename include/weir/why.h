/* SPDX-License-Identifier: MIT */
/*
 * Why a call waited, in numbers: for each reason of reason.h, how long.
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

#ifdef __cplusplus
}
#endif

#endif
