/* SPDX-License-Identifier: MIT */
/* See cue.h. */
#include "cue.h"

#include <stddef.h>
#include <stdlib.h>

void weir_cue_open(weir_cue *cue)
{
    if (pthread_mutex_init(&cue->lock, NULL) != 0 || pthread_cond_init(&cue->changed, NULL) != 0) {
        abort();
    }
}

void weir_cue_close(weir_cue *cue)
{
    (void)pthread_cond_destroy(&cue->changed);
    (void)pthread_mutex_destroy(&cue->lock);
}

void weir_cue_lock(weir_cue *cue)
{
    (void)pthread_mutex_lock(&cue->lock);
}

void weir_cue_unlock(weir_cue *cue)
{
    (void)pthread_mutex_unlock(&cue->lock);
}

void weir_cue_give(weir_cue *cue, bool *fact)
{
    weir_cue_lock(cue);
    *fact = true;
    (void)pthread_cond_broadcast(&cue->changed);
    weir_cue_unlock(cue);
}

bool weir_cue_await(weir_cue *cue, const bool *fact, const bool *over)
{
    weir_cue_lock(cue);
    while (!*fact && (over == NULL || !*over)) {
        (void)pthread_cond_wait(&cue->changed, &cue->lock);
    }
    const bool is_fact = *fact;
    weir_cue_unlock(cue);
    return is_fact;
}

bool weir_cue_has(weir_cue *cue, const bool *fact)
{
    weir_cue_lock(cue);
    const bool is_fact = *fact;
    weir_cue_unlock(cue);
    return is_fact;
}
