/* SPDX-License-Identifier: MIT */
/*
 * The engine's part of a snapshot: which exchange a ticket is. The front ends add when a connection
 * was last read.
 *
 * A snapshot owns copies and belongs to its user. Taking one is done with the core's lock.
 */
#ifndef WEIR_ENGINE_SNAPSHOT_H
#define WEIR_ENGINE_SNAPSHOT_H

#include "engine/core.h"
#include "pool/snapshot.h"

/* NULL: no memory. To be sealed before the core changes. */
weir_snapshot *weir_core_snapshot(const weir_core *core, weir_time now_ns);
/* Where a connection of it goes; its link is alive, and the core has not changed. */
void weir_core_snapshot_link(const weir_core *core, weir_snapshot_line *line, const weir_link *link,
                             weir_time now_ns);
/* Seals it; NULL: *status (may be NULL) is WEIR_E_NOMEM. */
weir_snapshot *weir_snapshot_taken(weir_snapshot *snapshot, weir_status *status);
/* None, and *status (may be NULL) says why. */
weir_snapshot *weir_snapshot_refused(weir_status why, weir_status *status);

#endif
