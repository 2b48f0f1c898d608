/* SPDX-License-Identifier: MIT */
/*
 * Events that wait to be told: queued while state changes, told afterwards, in order, with no lock
 * held.
 *
 * Bounded: repeated octet events (REQUEST_SENT, RESPONSE_RECEIVED) of one exchange merge while they
 * are neighbours. Past WEIR_EVENTS_LIMIT waiting events, or when memory is short, the oldest octet
 * event that is not the last of its kind makes room, or else the oldest event; `dropped` counts
 * them. Nothing is allocated without an observer.
 */
#ifndef WEIR_ENGINE_OBSERVE_H
#define WEIR_ENGINE_OBSERVE_H

#include "proto/alloc.h"
#include "weir/observe.h"

#define WEIR_EVENTS_LIMIT        256
#define WEIR_ADDRESS_TEXT_OCTETS 48

typedef struct weir_waiting_event {
    weir_event event;
    char address[WEIR_ADDRESS_TEXT_OCTETS];
    weir_account account;
} weir_waiting_event;

typedef struct weir_events {
    const weir_allocator *allocator;
    const weir_observer *observer; /* NULL: nobody listens, nothing is queued */
    weir_waiting_event *waiting;
    size_t count;
    size_t told; /* index of the next to tell */
    size_t room;
    uint64_t dropped;
    bool reserved; /* the first places are not given back */
} weir_events;

void weir_events_init(weir_events *events, const weir_allocator *allocator,
                      const weir_observer *observer);
/* Takes the memory for a few events, which stay until clear: from then on the newest event is
 * always told. False: no memory. */
bool weir_events_reserve(weir_events *events);
void weir_events_clear(weir_events *events);
static inline bool weir_events_are_wanted(const weir_events *events)
{
    return events->observer != NULL;
}
static inline bool weir_events_are_waiting(const weir_events *events)
{
    return events->told < events->count;
}
/* Queues a copy; event->address and event->account are copied too. Spans must stay valid until it
 * is told. */
void weir_events_add(weir_events *events, const weir_event *event);
/* Takes the next one off the queue; false: none. `out` owns its address and account. */
bool weir_events_next(weir_events *events, weir_waiting_event *out);
/* Tells everything that waits, also what is added meanwhile. No lock may be held. */
void weir_events_tell(weir_events *events);

#endif
