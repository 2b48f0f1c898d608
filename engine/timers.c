/* SPDX-License-Identifier: MIT */
/*
 * A binary heap. Its invariant: no timer is before its parent, and each knows its place, so moving
 * one costs a walk along one path. A timer with an equal deadline goes behind those armed before
 * it.
 */
#include "engine/timers.h"

static bool before(const weir_timer *a, const weir_timer *b);
static void put(weir_timers *timers, size_t place, weir_timer *timer);
static void up(weir_timers *timers, size_t place);
static void down(weir_timers *timers, size_t place);
static void remove_timer(weir_timers *timers, weir_timer *timer);

void weir_timers_init(weir_timers *timers, const weir_allocator *allocator)
{
    *timers = (weir_timers){.allocator = allocator};
}

void weir_timers_clear(weir_timers *timers)
{
    WEIR_ASSERT(timers->count == 0);
    if (timers->heap != NULL) {
        weir_release(timers->allocator, timers->heap);
    }
    timers->heap = NULL;
    timers->room = 0;
}

bool weir_timers_reserve(weir_timers *timers)
{
    if (timers->reserved == timers->room) {
        size_t room = timers->room == 0 ? 16 : timers->room * 2;
        weir_timer **grown =
            weir_resize(timers->allocator, timers->heap, room * sizeof(weir_timer *));
        if (grown == NULL) {
            return false;
        }
        timers->heap = grown;
        timers->room = room;
    }
    timers->reserved++;
    return true;
}

void weir_timers_unreserve(weir_timers *timers)
{
    WEIR_ASSERT(timers->reserved > timers->count); /* its timer is disarmed by now */
    timers->reserved--;
}

void weir_timers_set(weir_timers *timers, weir_timer *timer, weir_time at_ns)
{
    if (timer->place != 0 && timer->at_ns == at_ns) {
        return;
    }
    if (at_ns == WEIR_NEVER) {
        if (timer->place != 0) {
            remove_timer(timers, timer);
        }
        return;
    }
    if (timer->place == 0) {
        WEIR_ASSERT(timers->count < timers->reserved);
        timers->count++;
        put(timers, timers->count, timer);
    }
    timer->at_ns = at_ns;
    timer->order = timers->next_order++;
    up(timers, timer->place);
    down(timers, timer->place);
}

weir_time weir_timers_first(const weir_timers *timers)
{
    return timers->count > 0 ? timers->heap[0]->at_ns : WEIR_NEVER;
}

weir_timer *weir_timers_pop(weir_timers *timers, weir_time now_ns)
{
    if (timers->count == 0 || timers->heap[0]->at_ns > now_ns) {
        return NULL;
    }
    weir_timer *first = timers->heap[0];
    remove_timer(timers, first);
    return first;
}

void weir_timers_check(const weir_timers *timers)
{
    WEIR_CHECK_ASSERT(timers->count <= timers->reserved);
    for (size_t i = 1; i <= timers->count; i++) {
        WEIR_CHECK_ASSERT(timers->heap[i - 1]->place == i);
        WEIR_CHECK_ASSERT(i == 1 || !before(timers->heap[i - 1], timers->heap[i / 2 - 1]));
    }
}

static bool before(const weir_timer *a, const weir_timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(weir_timers *timers, size_t place, weir_timer *timer)
{
    timers->heap[place - 1] = timer;
    timer->place = (uint32_t)place;
}

static void up(weir_timers *timers, size_t place)
{
    weir_timer *timer = timers->heap[place - 1];

    while (place > 1 && before(timer, timers->heap[place / 2 - 1])) {
        put(timers, place, timers->heap[place / 2 - 1]);
        place /= 2;
    }
    put(timers, place, timer);
}

static void down(weir_timers *timers, size_t place)
{
    weir_timer *timer = timers->heap[place - 1];

    for (size_t child = place * 2; child <= timers->count; child = place * 2) {
        if (child < timers->count && before(timers->heap[child], timers->heap[child - 1])) {
            child++;
        }
        if (!before(timers->heap[child - 1], timer)) {
            break;
        }
        put(timers, place, timers->heap[child - 1]);
        place = child;
    }
    put(timers, place, timer);
}

static void remove_timer(weir_timers *timers, weir_timer *timer)
{
    size_t place = timer->place;
    weir_timer *last = timers->heap[timers->count - 1];

    WEIR_ASSERT(place > 0 && timers->heap[place - 1] == timer);
    timer->place = 0;
    timers->count--;
    if (last != timer) {
        put(timers, place, last);
        up(timers, place);
        down(timers, last->place);
    }
}
