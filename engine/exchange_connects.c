/* SPDX-License-Identifier: MIT */
/*
 * The addresses that were tried for an exchange. A record of its own, since most exchanges are
 * given a connection that is there and have none.
 */
#include "engine/exchange.h"

#include <string.h>

#include "engine/record.h"
#include "proto/alloc.h"

typedef struct weir_connects {
    size_t count; /* of all that there were */
    weir_connect_attempt kept[WEIR_CONNECT_ATTEMPTS_LIMIT];
} weir_connects;

void weir_exchange_note_connect(weir_exchange *ex, const weir_connect_attempt *attempt)
{
    WEIR_ASSERT(attempt->size == sizeof(*attempt));
    WEIR_ASSERT((attempt->won ? 1 : 0) + (attempt->unfinished ? 1 : 0) +
                    (attempt->sys_errno != 0 ? 1 : 0) ==
                1);
    if (ex->connects == NULL) {
        ex->connects = weir_alloc_zeroed(ex->allocator, sizeof(*ex->connects));
    }
    weir_connects *connects = ex->connects;
    if (connects == NULL) {
        return; /* the call goes on: it only cannot tell of it */
    }
    const size_t at = connects->count++;
    if (at < WEIR_CONNECT_ATTEMPTS_LIMIT) {
        connects->kept[at] = *attempt;
    } else if (attempt->won) {
        connects->kept[WEIR_CONNECT_ATTEMPTS_LIMIT - 1] = *attempt;
    }
}

size_t weir_exchange_connect_attempt_count(const weir_exchange *ex)
{
    return ex->connects != NULL ? weir_min(ex->connects->count, WEIR_CONNECT_ATTEMPTS_LIMIT) : 0;
}

bool weir_exchange_connect_attempt_at(const weir_exchange *ex, size_t i,
                                      weir_connect_attempt *attempt)
{
    if (i >= weir_exchange_connect_attempt_count(ex)) {
        return false;
    }
    return weir_record_write(attempt, &ex->connects->kept[i], sizeof(ex->connects->kept[i]));
}

size_t weir_exchange_connect_attempts_left_out(const weir_exchange *ex)
{
    return ex->connects != NULL ? ex->connects->count - weir_exchange_connect_attempt_count(ex) : 0;
}
