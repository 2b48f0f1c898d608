/* SPDX-License-Identifier: MIT */
/*
 * Order: more calls at once than the pool believes that one connection takes, and more of these
 * than the server does. Some are let out and refused, before or after the server was asked; the
 * others wait. All are to be served in the order in which they asked, which the server's log knows.
 */
#include "race.h"

#include "../cases/text.h"

#include <stdlib.h>

static void burst(race_front *front, weir_loop *loop, unsigned way);

void race_run_order(race_front *front)
{
    front->address = "127.0.0.2"; /* nginx_race.sh: there no connection ends after some requests */
    for (unsigned way = 1; way < RACE_WAYS; way += 2) { /* the two of HTTP/2 */
        weir_loop_options options = WEIR_LOOP_OPTIONS_INIT;
        weir_counts counts = WEIR_COUNTS_INIT;
        options.observer = &front->observer;
        options.limits = &front->limits;
        front->limits.h2_connections = 1;
        weir_loop *loop = weir_loop_new(&options, NULL);
        if (loop == NULL) {
            die("no loop");
        }
        burst(front, loop, way);
        weir_loop_counts(loop, &counts);
        race_add_counts(front, &counts);
        weir_loop_free(loop);
    }
}

static void burst(race_front *front, weir_loop *loop, unsigned way)
{
    race_run *runs = must_alloc(RACE_ORDER * sizeof *runs);
    size_t begun = 0;
    size_t over = 0;
    for (; begun < RACE_ORDER && race_prepare(front, &runs[begun], way, 1); begun++) {
        race_run *run = &runs[begun];
        weir_status status =
            weir_loop_submit(loop, &run->request, &run->options, run, &run->exchange);
        if (run->exchange == NULL) {
            race_end(run, status);
            over++;
        }
    }
    while (over < begun) {
        race_turn(loop, WEIR_NEVER, &over);
    }
    free(runs);
}
