/* SPDX-License-Identifier: MIT */
/*
 * Cues between a scenario and its server's threads: facts of one scene, each false until somebody
 * gives it, and who waits for one waits for that and not for time to pass.
 */
#ifndef WEIR_TESTS_HOSTILE_CUE_H
#define WEIR_TESTS_HOSTILE_CUE_H

#include <pthread.h>
#include <stdbool.h>

typedef struct weir_cue {
    pthread_mutex_t lock; /* of the facts, and of whatever else the scene shares */
    pthread_cond_t changed;
} weir_cue;

void weir_cue_open(weir_cue *cue);
void weir_cue_close(weir_cue *cue);

void weir_cue_lock(weir_cue *cue);
void weir_cue_unlock(weir_cue *cue);

/* The fact is true from now on. */
void weir_cue_give(weir_cue *cue, bool *fact);
/* Until it is, or `over` is (NULL: it alone); answers whether it is. */
bool weir_cue_await(weir_cue *cue, const bool *fact, const bool *over);
bool weir_cue_has(weir_cue *cue, const bool *fact);

#endif
