/* SPDX-License-Identifier: MIT */
/*
 * The event loop: one epoll descriptor, one heap of timers, one thread.
 *
 * A watch or a timer is embedded in its owner and calls the owner back; it may be removed at any
 * time outside its own callback's tail. Events are level-triggered. An owner may free itself in
 * its callback: a descriptor appears at most once in a batch, and timers run apart from events.
 */
#ifndef ORIGIN_LOOP_H
#define ORIGIN_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct loop loop;

typedef struct watch {
    int fd;
    uint32_t interest;
    void (*ready)(void *user, uint32_t events);
    void *user;
} watch;

typedef struct timer {
    uint64_t at_ns;
    size_t place; /* its index in the heap plus one; 0: not running */
    void (*fire)(void *user);
    void *user;
} timer;

loop *loop_new(void);
/* false: the descriptor cannot be polled (a regular file). */
bool loop_watch(loop *l, watch *w);
void loop_interest(loop *l, watch *w, uint32_t interest);
void loop_unwatch(loop *l, watch *w);
void loop_timer(loop *l, timer *t, uint64_t delay_ms);
void loop_timer_stop(loop *l, timer *t);
void loop_run(loop *l);
void loop_stop(loop *l);
void loop_free(loop *l);

#endif
