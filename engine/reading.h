/* SPDX-License-Identifier: MIT */
/*
 * A reading: a copy of all series of a core with the totals of the same moment, one block of
 * memory. It is had before the core's lock is taken, which is held for the copying alone; what the
 * samples are made of is put together when they are asked for.
 *
 * Ownership: the caller's; it points to nothing of the core. Thread rule: to fill it, the core's
 * lock; then a value.
 */
#ifndef WEIR_ENGINE_READING_H
#define WEIR_ENGINE_READING_H

#include "engine/core.h"

/* What a reading of this moment needs. */
size_t weir_reading_octets(const weir_core *core);
/* One with so much room; NULL: no memory. */
weir_metrics_reading *weir_reading_new(const weir_allocator *allocator, size_t octets);
/* false: it needs more room than it has, and nothing was done. */
bool weir_reading_fill(weir_metrics_reading *reading, weir_core *core);
/* What weir_client_metrics_reading() answers; NULL: for want of memory. */
weir_metrics_reading *weir_reading_taken(weir_metrics_reading *reading, weir_status *status);
weir_metrics_reading *weir_reading_refused(weir_status why, weir_status *status);

#endif
