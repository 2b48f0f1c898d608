/* SPDX-License-Identifier: MIT */
/* What a core has counted: its own numbers and those of its pool, as users see them. */
#include "engine/core.h"

#include <string.h>

#include "engine/record.h"
#include "engine/series.h"

void weir_core_counts(const weir_core *core, weir_counts *counts)
{
    const weir_pool_counts pool = weir_pool_count(core->pool);
    weir_counts all = WEIR_COUNTS_INIT;

    all.connections_dialing = pool.slots_dialing;
    all.connections_idle = pool.slots_idle;
    all.connections_active = pool.slots_leased;
    all.connections_draining = pool.slots_draining;
    all.waiting = pool.tickets_waiting;
    all.leases = pool.leases;
    all.requests = pool.requests;
    all.reuses = pool.reuses;
    all.dials = pool.dials;
    all.dial_failures = pool.dial_failures;
    all.bounces = pool.bounces;
    all.ledger_agree = core->verdicts[WEIR_AGREE];
    all.ledger_differ = core->verdicts[WEIR_DIFFER];
    all.ledger_unavailable = core->verdicts[WEIR_UNAVAILABLE];
    all.left_over = pool.left_over;
    (void)weir_record_write(counts, &all, sizeof(all));
}

void weir_core_metrics(const weir_core *core, weir_metrics *metrics)
{
    weir_metrics all = core->metrics;
    const uint64_t open = all.connections_opened - all.connections_closed;

    all.size = sizeof(all);
    all.idle_connections = weir_min(weir_pool_count(core->pool).slots_idle, open);
    all.active_connections = open - all.idle_connections;
    (void)weir_record_write(metrics, &all, sizeof(all));
}

void weir_core_count_anew(weir_core *core)
{
    weir_pool_count_anew(core->pool);
    memset(core->verdicts, 0, sizeof(core->verdicts));
    memset(&core->metrics, 0, sizeof(core->metrics));
    if (core->series != NULL) {
        weir_series_account_forget(core->series);
    }
}
