/* SPDX-License-Identifier: MIT */
/*
 * The pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986), without recursion: a heap made by a
 * hundred thousand entries in a row is a single level, and must not become a hundred thousand
 * frames of stack.
 *
 * Invariant: no entry is before the one above it. `first->previous` and `first->next` are NULL.
 */
#include "pool/agenda.h"

static weir_agenda_entry *meld(weir_agenda_entry *a, weir_agenda_entry *b);
static weir_agenda_entry *meld_level(weir_agenda_entry *level);
static void cut(weir_agenda_entry *entry);
static const weir_agenda_entry *walk_next(const weir_agenda_entry *entry);

void weir_agenda_enter(weir_agenda *agenda, weir_agenda_entry *entry, weir_time at_ns, weir_why why)
{
    weir_agenda_leave(agenda, entry);
    *entry = (weir_agenda_entry){.at_ns = at_ns, .why = why, .entered = true};
    agenda->first = meld(agenda->first, entry);
    agenda->entries++;
}

void weir_agenda_leave(weir_agenda *agenda, weir_agenda_entry *entry)
{
    if (!entry->entered) {
        return;
    }
    WEIR_ASSERT(agenda->entries > 0);
    weir_agenda_entry *below = meld_level(entry->child);
    if (entry == agenda->first) {
        agenda->first = below;
    } else {
        cut(entry);
        agenda->first = meld(agenda->first, below);
    }
    agenda->entries--;
    *entry = (weir_agenda_entry){.entered = false};
    WEIR_ASSERT((agenda->first == NULL) == (agenda->entries == 0));
}

void weir_agenda_check(const weir_agenda *agenda)
{
    size_t entries = 0;
    for (const weir_agenda_entry *at = agenda->first; at; at = walk_next(at)) {
        entries++;
        WEIR_ASSERT(at->entered);
        for (const weir_agenda_entry *below = at->child; below; below = below->next) {
            WEIR_ASSERT(below->at_ns >= at->at_ns);
            WEIR_ASSERT(below->previous->next == below || below->previous->child == below);
        }
    }
    WEIR_ASSERT(entries == agenda->entries);
}

/* The earlier of two heads; the other goes below it. On a tie the one that was there first wins. */
static weir_agenda_entry *meld(weir_agenda_entry *a, weir_agenda_entry *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    weir_agenda_entry *above = b->at_ns < a->at_ns ? b : a;
    weir_agenda_entry *below = above == a ? b : a;
    below->next = above->child;
    if (below->next) {
        below->next->previous = below;
    }
    below->previous = above;
    above->child = below;
    return above;
}

/* Makes one head of a level: pairs from left to right, then the pairs from right to left. */
static weir_agenda_entry *meld_level(weir_agenda_entry *level)
{
    weir_agenda_entry *pairs = NULL; /* a stack, linked by `next` */
    while (level) {
        weir_agenda_entry *a = level;
        weir_agenda_entry *b = a->next;
        level = b ? b->next : NULL;
        a->next = NULL;
        a->previous = NULL;
        if (b) {
            b->next = NULL;
            b->previous = NULL;
        }
        weir_agenda_entry *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    weir_agenda_entry *whole = NULL;
    while (pairs) {
        weir_agenda_entry *rest = pairs->next;
        pairs->next = NULL;
        whole = meld(pairs, whole);
        pairs = rest;
    }
    return whole;
}

/* Takes an entry with all that is below it out of its level. */
static void cut(weir_agenda_entry *entry)
{
    WEIR_ASSERT(entry->previous != NULL);
    if (entry->previous->child == entry) {
        entry->previous->child = entry->next;
    } else {
        entry->previous->next = entry->next;
    }
    if (entry->next) {
        entry->next->previous = entry->previous;
    }
    entry->next = NULL;
    entry->previous = NULL;
}

/* Depth first, without a stack: down, else to the right, else up until there is a right. */
static const weir_agenda_entry *walk_next(const weir_agenda_entry *entry)
{
    if (entry->child) {
        return entry->child;
    }
    while (entry && !entry->next) {
        while (entry->previous && entry->previous->child != entry) {
            entry = entry->previous;
        }
        entry = entry->previous;
    }
    return entry ? entry->next : NULL;
}
