/* SPDX-License-Identifier: MIT */
/* The queue of events that wait to be told: see observe.h. */
#include "engine/observe.h"

#include <string.h>

#define FIRST_ROOM ((size_t)8)

static const char *const names[] = {
    [WEIR_EVENT_NONE] = "none",
    [WEIR_EVENT_SUBMITTED] = "submitted",
    [WEIR_EVENT_WAITING] = "waiting",
    [WEIR_EVENT_DNS_STARTED] = "dns_started",
    [WEIR_EVENT_DNS_DONE] = "dns_done",
    [WEIR_EVENT_CONNECT_STARTED] = "connect_started",
    [WEIR_EVENT_CONNECT_DONE] = "connect_done",
    [WEIR_EVENT_TLS_STARTED] = "tls_started",
    [WEIR_EVENT_TLS_DONE] = "tls_done",
    [WEIR_EVENT_CONNECTION_ACQUIRED] = "connection_acquired",
    [WEIR_EVENT_HEAD_SENT] = "head_sent",
    [WEIR_EVENT_REQUEST_SENT] = "request_sent",
    [WEIR_EVENT_INFORMATIONAL] = "informational",
    [WEIR_EVENT_FIRST_OCTET] = "first_octet",
    [WEIR_EVENT_HEAD_RECEIVED] = "head_received",
    [WEIR_EVENT_RESPONSE_RECEIVED] = "response_received",
    [WEIR_EVENT_REPLAYED] = "replayed",
    [WEIR_EVENT_RELEASED] = "released",
    [WEIR_EVENT_DONE] = "done",
    [WEIR_EVENT_CONNECTION_CLOSED] = "connection_closed",
};
_Static_assert(WEIR_COUNT_OF(names) == WEIR_EVENT_COUNT, "every event has a name");

static const char *why_of(const weir_event *event);
static bool merge(weir_events *events, const weir_event *event);
static bool make_room(weir_events *events);
static void drop_oldest(weir_events *events);
static void give_back(weir_events *events);

const char *weir_event_name(weir_event_kind kind)
{
    return (size_t)kind < WEIR_COUNT_OF(names) ? names[kind] : "unknown";
}

void weir_events_init(weir_events *events, const weir_allocator *allocator,
                      const weir_observer *observer)
{
    memset(events, 0, sizeof(*events));
    events->allocator = allocator;
    events->observer = observer != NULL && observer->tell != NULL ? observer : NULL;
}

bool weir_events_reserve(weir_events *events)
{
    events->reserved = true;
    return events->observer == NULL || make_room(events);
}

void weir_events_clear(weir_events *events)
{
    if (events->waiting != NULL) {
        weir_release(events->allocator, events->waiting);
    }
    events->waiting = NULL;
    events->count = 0;
    events->told = 0;
    events->room = 0;
}

void weir_events_add(weir_events *events, const weir_event *event)
{
    if (events->observer == NULL || merge(events, event)) {
        return;
    }
    if (!make_room(events)) {
        events->dropped++;
        if (events->count == 0) {
            return;
        }
        drop_oldest(events);
    }
    weir_waiting_event *waiting = &events->waiting[events->count++];
    waiting->event = *event;
    waiting->event.size = sizeof(weir_event);
    waiting->event.why = why_of(event);
    waiting->address[0] = '\0';
    if (event->address != NULL) {
        size_t length = weir_min(strlen(event->address), sizeof(waiting->address) - 1);
        memcpy(waiting->address, event->address, length);
        waiting->address[length] = '\0';
    }
    if (event->account != NULL) {
        waiting->account = *event->account;
    }
}

bool weir_events_next(weir_events *events, weir_waiting_event *out)
{
    if (events->told == events->count) {
        return false;
    }
    *out = events->waiting[events->told++];
    out->event.address = out->event.address != NULL ? out->address : NULL;
    out->event.account = out->event.account != NULL ? &out->account : NULL;
    if (events->told == events->count) {
        give_back(events);
    }
    return true;
}

void weir_events_tell(weir_events *events)
{
    weir_waiting_event now;

    while (weir_events_next(events, &now)) {
        events->observer->tell(&now.event, events->observer->user);
    }
}

/* A text for each reason, and nothing for what has none. */
static const char *why_of(const weir_event *event)
{
    const bool has_reason =
        event->kind == WEIR_EVENT_WAITING || event->kind == WEIR_EVENT_CONNECTION_ACQUIRED ||
        event->kind == WEIR_EVENT_RELEASED || event->kind == WEIR_EVENT_CONNECTION_CLOSED;

    WEIR_ASSERT(has_reason || event->reason == WEIR_REASON_NONE);
    return has_reason && event->why == NULL ? weir_reason_name(event->reason) : event->why;
}

static bool is_octets(weir_event_kind kind)
{
    return kind == WEIR_EVENT_REQUEST_SENT || kind == WEIR_EVENT_RESPONSE_RECEIVED;
}

/* Octet events are totals so far: the newer one says it all. */
static bool merge(weir_events *events, const weir_event *event)
{
    if (!is_octets(event->kind) || events->count == events->told) {
        return false;
    }
    weir_event *last = &events->waiting[events->count - 1].event;
    if (last->kind != event->kind || last->exchange != event->exchange || last->last) {
        return false;
    }
    *last = *event;
    last->size = sizeof(weir_event);
    return true;
}

/* Progress goes first, then what is oldest: the end of an exchange is its newest event and is
 * always told. */
static void drop_oldest(weir_events *events)
{
    size_t victim = 0;

    WEIR_ASSERT(events->told == 0);
    for (size_t i = 0; i < events->count; i++) {
        const weir_event *event = &events->waiting[i].event;
        if (is_octets(event->kind) && !event->last) {
            victim = i;
            break;
        }
    }
    events->count--;
    memmove(events->waiting + victim, events->waiting + victim + 1,
            (events->count - victim) * sizeof(*events->waiting));
}

/*
 * All that was queued is told. Of a reserved queue the first places stay: with none of them, and no
 * memory for more, there would be no older event that could make room for the end.
 */
static void give_back(weir_events *events)
{
    weir_waiting_event *fewer = NULL;

    if (!events->reserved) {
        weir_events_clear(events);
        return;
    }
    events->told = 0;
    events->count = 0;
    if (events->room > FIRST_ROOM) {
        fewer = weir_resize(events->allocator, events->waiting, FIRST_ROOM * sizeof(*fewer));
    }
    if (fewer != NULL) {
        events->waiting = fewer;
        events->room = FIRST_ROOM;
    }
}

/* False: all places are taken and there will be no more. */
static bool make_room(weir_events *events)
{
    if (events->count < events->room) {
        return true;
    }
    if (events->told > 0) {
        memmove(events->waiting, events->waiting + events->told,
                (events->count - events->told) * sizeof(*events->waiting));
        events->count -= events->told;
        events->told = 0;
        return true;
    }
    if (events->room >= WEIR_EVENTS_LIMIT) {
        return false;
    }
    size_t room = events->room == 0 ? FIRST_ROOM : events->room * 2;
    weir_waiting_event *grown =
        weir_resize(events->allocator, events->waiting, room * sizeof(*events->waiting));
    if (grown == NULL) {
        return false;
    }
    events->waiting = grown;
    events->room = room;
    return true;
}
