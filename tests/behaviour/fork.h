/* SPDX-License-Identifier: MIT */
/*
 * What the suite of forks stands on: a child that ends with 0 or says what was wrong, and the
 * origin's word for what it received on each of the parent's connections.
 *
 * In the child nothing is asserted with cmocka, which would go on with the tests there.
 */
#ifndef WEIR_TESTS_FORK_H
#define WEIR_TESTS_FORK_H

#include "support/origin_log.h"
#include "support/world.h"

#include <stdio.h>
#include <unistd.h>

/* In the child. */
#define MUST(truth)                                                                                \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            fprintf(stderr, "%s:%d: in the child: %s\n", __FILE__, __LINE__, #truth);              \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

#define WEIR_CLOSINGS 32

/* The parent's connections as they were closed. */
typedef struct weir_closings {
    weir_world *world;
    weir_observer observer;
    size_t count;
    unsigned ports[WEIR_CLOSINGS];
    uint64_t sent[WEIR_CLOSINGS];
} weir_closings;

/* Runs the behaviours against an origin that writes a log. */
int weir_fork_run(const char *suite, const weir_behaviour *behaviours, size_t count);
weir_origin_log *weir_fork_origin_log(void);

/* From now on: the world has no user yet. */
void weir_closings_begin(weir_closings *all, weir_world *world);
/* Closes the world; then the origin's count of what it received on each connection is the parent's
 * of what it sent. */
void weir_closings_agree(weir_closings *all);

/* True in the child, which does not live for long. */
bool weir_fork_here(pid_t *child);
bool weir_fork_ended_well(pid_t child);

/* A call, in the parent and in the child. */
void weir_fork_get(weir_world *world);
void weir_fork_get_in_child(weir_world *world, weir_user *user);
uint64_t weir_fork_read_all(weir_user *user, weir_exchange *exchange, weir_status *status);

weir_counts weir_fork_counts(weir_user *user);
/* How many descriptors this process has open: of a kind, as "/proc/self/fd" names it; sockets. */
unsigned weir_fork_opened(const char *kind);
unsigned weir_fork_sockets(void);

/* fork_memory.c */
weir_behaviour_run weir_fork_memory_fails, weir_fork_no_memory_to_free;

#endif
