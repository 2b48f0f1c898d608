/* SPDX-License-Identifier: MIT */
/*
 * A world for the pool to be wrong in: an engine, servers and callers that choose at random, keep
 * their own books, and compare them with the pool's after every step.
 *
 * Every choice comes from one stream, of a seed or of a fuzzer's octets, so that a run repeats
 * exactly.
 */
#ifndef WEIR_TESTS_POOL_MODEL_H
#define WEIR_TESTS_POOL_MODEL_H

#include "proto/base.h"

typedef struct model_choices {
    uint64_t seed; /* used when `octets` is NULL */
    weir_span octets;
    bool from_octets; /* the run ends where the octets end */
} model_choices;

typedef struct model_result {
    unsigned long steps;
    unsigned long grants;
    unsigned long refusals;
    unsigned long bounces;
    unsigned long evictions;
    unsigned long back_offs; /* steps at which somebody waited for the end of a pause */
    unsigned long hungry;    /* ... for a place in the whole pool */
    unsigned long paused; /* requests that were given a pause, because the peer had refused them */
    unsigned long kept;   /* requests that kept the order of the one before */
    unsigned long misdirected;
    unsigned long horizons; /* closes after which the origin's horizon was known */
    unsigned long warmed;
} model_result;

/* Draws limits and faults, does so many steps, then ends all faults and sees to it that everybody
 * is served. */
void model_run(model_choices choices, unsigned long steps, model_result *result);

#endif
