/* SPDX-License-Identifier: MIT */
/* What the pool has counted, and what there is now. */
#include "pool/pool_common.h"

weir_pool_counts weir_pool_count(const weir_pool *pool)
{
    weir_pool_counts counts = pool->counts;
    counts.slots_dialing = pool->slots_in[WEIR_SLOT_DIALING];
    counts.slots_idle = pool->idle.slots;
    counts.slots_leased = pool->slots_in[WEIR_SLOT_READY] - pool->idle.slots;
    counts.slots_draining = pool->slots_in[WEIR_SLOT_DRAINING] + pool->slots_in[WEIR_SLOT_CLOSING];
    counts.tickets_waiting = (uint64_t)pool->tickets + pool->paused;
    return counts;
}

void weir_pool_count_anew(weir_pool *pool)
{
    pool->counts =
        (weir_pool_counts){.origins = pool->counts.origins, .leases = pool->counts.leases};
}
