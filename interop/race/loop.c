/* SPDX-License-Identifier: MIT */
/* One weir_loop: what eight threads do, and bursts beyond every limit. */
#include "race.h"

#include "../cases/text.h"

#include <stdlib.h>

enum { BURST = 512 };

typedef struct looper {
    race_front *front;
    weir_loop *loop;
    uint64_t seed;
    race_run runs[BURST];
} looper;

static void open_loop(looper *l);
static void close_loop(looper *l);
static void together(looper *l, size_t count, bool all_ways);
static void pause_for(looper *l, weir_time pause_ns);

void race_run_loop(race_front *front)
{
    looper *l = must_alloc(sizeof *l);
    l->front = front;
    l->seed = 0x9e3779b97f4a7c15;
    for (size_t round = 1; round <= front->rounds; round++) {
        if (l->loop == NULL) {
            open_loop(l);
        }
        size_t full = RACE_FULL * RACE_THREADS;
        size_t end = front->call_count * round / front->rounds;
        size_t until = end > 3 * full ? end - 3 * full : 0;
        while (atomic_load(&front->next) < until) {
            size_t left = until - atomic_load(&front->next);
            size_t count = race_dice(&l->seed) % BURST + 1;
            together(l, count < left ? count : left, false);
        }
        together(l, full, true);
        together(l, full, true);
        pause_for(l, front->pause_ns);
        size_t first = atomic_load(&front->next);
        together(l, full, true);
        race_adapt(front, first, atomic_load(&front->next), round);
        race_progress(front, round);
        if (front->forgets || round == front->rounds) {
            close_loop(l);
        }
    }
    free(l);
}

static void open_loop(looper *l)
{
    weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
    options.observer = &l->front->observer;
    options.limits = &l->front->limits;
    l->loop = weir_loop_new(&options, NULL);
    if (l->loop == NULL) {
        die("no loop");
    }
}

static void close_loop(looper *l)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_loop_counts(l->loop, &counts);
    race_add_counts(l->front, &counts);
    weir_loop_free(l->loop);
    l->loop = NULL;
}

/* So many calls at once, until the last is over. */
static void together(looper *l, size_t count, bool all_ways)
{
    size_t begun = 0;
    size_t over = 0;
    for (; begun < count; begun++) {
        race_run *run = &l->runs[begun];
        uint32_t dice = race_dice(&l->seed);
        unsigned way = all_ways ? (unsigned)(begun % RACE_WAYS) : dice / 2 % RACE_WAYS;
        if (!race_prepare(l->front, run, way, dice)) {
            break;
        }
        weir_status status =
            weir_loop_submit(l->loop, &run->request, &run->options, run, &run->exchange);
        if (run->exchange == NULL) {
            race_end(run, status);
            over++;
        }
    }
    while (over < begun) {
        race_turn(l->loop, WEIR_NEVER, &over);
    }
}

/* Idle connections are read meanwhile. */
static void pause_for(looper *l, weir_time pause_ns)
{
    weir_time until_ns = weir_now() + pause_ns;
    size_t none = 0;
    while (weir_now() < until_ns) {
        race_turn(l->loop, until_ns, &none);
    }
}
