/* SPDX-License-Identifier: MIT */
/*
 * What a program that has an event loop of its own does with weir, whatever loop that is: a timer
 * of that loop submits ten requests at a time, and events are handled. The glue between the two is
 * in the test of each loop, between two markers, and is counted.
 */
#ifndef WEIR_TESTS_EMBED_H
#define WEIR_TESTS_EMBED_H

#include "support/world.h"

#define WEIR_EMBED_EXCHANGES  100
#define WEIR_EMBED_GLUE_LINES 15 /* fewer than that */

typedef struct weir_embed {
    weir_world *world;
    weir_loop *loop;
    size_t submitted;
    size_t done;
    size_t whole;
    size_t ticks;
} weir_embed;

void weir_embed_open(weir_embed *embed, weir_world *world);
/* The foreign loop's timer: submits ten, as long as there are any. */
void weir_embed_tick(weir_embed *embed);
/* One event of weir. */
void weir_embed_told(weir_embed *embed, const weir_loop_event *event);
bool weir_embed_is_over(const weir_embed *embed);
/* Judges; prints the figures. */
void weir_embed_close(weir_embed *embed, const char *file);

#endif
