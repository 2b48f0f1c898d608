/* SPDX-License-Identifier: MIT */
/* The states that the witness is tried in: states_cases.c makes them, states.c judges. */
#ifndef WITNESS_STATES_H
#define WITNESS_STATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pair {
    int ours;
    int theirs;
    uint64_t sent;
    uint64_t received;
} pair;

typedef struct state_case {
    const char *name;
    void (*prepare)(pair *p);
    int fin_seen; /* -1: the witness cannot know, and its figure may be one off */
} state_case;

extern const state_case states[];
extern const size_t state_count;

/* Ends the program when a fact that a case stands on is not one. */
void check(bool fact, const char *what);
/* Sends `count` octets from our end and counts what was taken. */
void give(pair *p, size_t count);

#endif
