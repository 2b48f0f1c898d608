/* SPDX-License-Identifier: MIT */
/*
 * An agenda: deadlines in order, as an intrusive pairing heap.
 *
 * Why a heap of nodes and not of an array: entering and leaving allocates nothing, so neither can
 * fail, and no growth ever copies the whole. Entering is O(1); taking the first out or any other is
 * O(log n) amortised.
 *
 * What is entered here is rare (see docs/pool.md): the pool moves an entry only when its deadline
 * comes *nearer*. An entry whose true deadline has moved away stays as it is and is looked at once,
 * when its old time comes.
 *
 * Ownership: entries belong to the slots and origins that hold them. Equal deadlines come out in an
 * order that depends only on the calls made before, never on addresses.
 */
#ifndef WEIR_POOL_AGENDA_H
#define WEIR_POOL_AGENDA_H

#include "proto/base.h"
#include "proto/clock.h"

/* Zero-initialise: not entered. */
typedef struct weir_agenda_entry {
    struct weir_agenda_entry *child; /* the first one below */
    struct weir_agenda_entry *next;  /* the next one on the same level */
    /* the one before on the same level; of the first one: the one above */
    struct weir_agenda_entry *previous;
    weir_time at_ns;
    weir_why why;
    bool entered;
} weir_agenda_entry;

typedef struct weir_agenda {
    weir_agenda_entry *first;
    size_t entries;
} weir_agenda;

/* Enters it, or moves it if it is entered. */
void weir_agenda_enter(weir_agenda *agenda, weir_agenda_entry *entry, weir_time at_ns,
                       weir_why why);
/* Takes it out; one that is not entered stays out. */
void weir_agenda_leave(weir_agenda *agenda, weir_agenda_entry *entry);

/* Walks every entry (for tests and checks): each is at or after the one above it, and the number is
 * right. */
void weir_agenda_check(const weir_agenda *agenda);

#endif
