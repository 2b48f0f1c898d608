/* SPDX-License-Identifier: MIT */
/*
 * Of a tick's number 32 bits are kept, of which differences in both directions are taken: they hold
 * for leases of up to seventy years, or sixteen million times the idle time-out.
 */
#include "pool/idle.h"

/* About a second. */
#define TICK_SHIFT 30

static uint32_t tick_of(const weir_idle *idle, weir_time at_ns);
static weir_time listed_at_ns(const weir_idle *idle, const weir_slot *slot);
static bool has_its_place(const weir_idle *idle, const weir_slot *slot);
static void put_last(weir_idle *idle, weir_slot *slot, weir_time now_ns);
static void take_out(weir_slot *slot);
static void drop_leased(weir_idle *idle);

static inline weir_slot *slot_at(weir_list *at)
{
    return WEIR_CONTAINER_OF(at, weir_slot, queue);
}

void weir_idle_init(weir_idle *idle, weir_time time_out_ns)
{
    *idle = (weir_idle){.shift = TICK_SHIFT};
    weir_list_init(&idle->list);
    while (idle->shift > 0 && time_out_ns >> 6 < (weir_time)1 << idle->shift) {
        idle->shift--;
    }
}

void weir_idle_rest(weir_idle *idle, weir_slot *slot, weir_time now_ns)
{
    WEIR_ASSERT(!slot->is_idle);
    slot->is_idle = true;
    idle->slots++;
    if (slot->is_listed && has_its_place(idle, slot)) {
        return;
    }
    if (slot->is_listed) {
        take_out(slot);
    }
    put_last(idle, slot, now_ns);
    slot->is_displaced = tick_of(idle, slot->idle_since_ns) != slot->listed_at;
    drop_leased(idle);
}

void weir_idle_leave(weir_idle *idle, weir_slot *slot, weir_time now_ns)
{
    WEIR_ASSERT(slot->is_idle);
    slot->is_idle = false;
    idle->slots--;
    const uint32_t age = tick_of(idle, now_ns) - slot->listed_at;
    if (age >= 2) { /* it will be moved: its neighbours come from memory meanwhile */
        __builtin_prefetch(slot->queue.next, 1);
        __builtin_prefetch(slot->queue.prev, 1);
    }
    drop_leased(idle);
}

void weir_idle_forget(weir_idle *idle, weir_slot *slot)
{
    idle->slots -= slot->is_idle;
    slot->is_idle = false;
    if (slot->is_listed) {
        take_out(slot);
        drop_leased(idle);
    }
}

weir_idle_view weir_idle_look(const weir_idle *idle)
{
    weir_idle_view view = {.since_ns = WEIR_NEVER};
    int looked_at = 0;
    for (weir_list *at = idle->list.next; at != &idle->list; at = at->next) {
        weir_slot *slot = slot_at(at);
        const weir_time listed_ns = listed_at_ns(idle, slot);
        if (view.first && view.first->idle_since_ns < listed_ns) {
            break;
        }
        if (looked_at++ == WEIR_IDLE_LOOKED_AT) {
            view.since_ns = weir_time_earlier(view.since_ns, listed_ns);
            break;
        }
        if (slot->is_idle && slot->idle_since_ns < view.since_ns) {
            view.first = slot;
            view.since_ns = slot->idle_since_ns;
        }
    }
    return view;
}

weir_slot *weir_idle_put_off(weir_idle *idle, weir_time now_ns)
{
    WEIR_ASSERT(idle->slots > 0);
    weir_slot *slot = slot_at(idle->list.next);
    take_out(slot);
    slot->is_displaced = true;
    put_last(idle, slot, now_ns);
    drop_leased(idle);
    return slot;
}

void weir_idle_check(const weir_idle *idle)
{
    weir_time listed_ns = 0;
    uint32_t leased = 0; /* before the first idle one */
    uint32_t slots = 0;
    for (const weir_list *at = idle->list.next; at != &idle->list; at = at->next) {
        const weir_slot *slot = WEIR_CONST_CONTAINER_OF(at, weir_slot, queue);
        WEIR_ASSERT(slot->is_listed);
        leased += !slot->is_idle && slots == 0;
        WEIR_ASSERT(slot->is_displaced || has_its_place(idle, slot) || !slot->is_idle);
        if (slot->is_idle && !slot->is_displaced) { /* a lease may outlast the 32 bits */
            WEIR_ASSERT(listed_at_ns(idle, slot) >= listed_ns);
            listed_ns = listed_at_ns(idle, slot);
        }
        slots += slot->is_idle;
    }
    WEIR_ASSERT(slots == idle->slots);
    WEIR_ASSERT(leased < WEIR_IDLE_LOOKED_AT);
}

static uint32_t tick_of(const weir_idle *idle, weir_time at_ns)
{
    return (uint32_t)(at_ns >> idle->shift);
}

/* When it got its place, at the earliest: in a tick near that in which it became idle, before or
 * after it. */
static weir_time listed_at_ns(const weir_idle *idle, const weir_slot *slot)
{
    const weir_time tick = slot->idle_since_ns >> idle->shift;
    const int32_t later = (int32_t)(slot->listed_at - (uint32_t)tick);
    return (tick + (weir_time)(int64_t)later) << idle->shift;
}

/* It is idle since its tick, or the one after it. */
static bool has_its_place(const weir_idle *idle, const weir_slot *slot)
{
    const uint32_t later = tick_of(idle, slot->idle_since_ns) - slot->listed_at;
    return !slot->is_displaced && later < 2;
}

static void put_last(weir_idle *idle, weir_slot *slot, weir_time now_ns)
{
    slot->is_listed = true;
    slot->listed_at = tick_of(idle, now_ns);
    weir_list_push_back(&idle->list, &slot->queue);
}

static void take_out(weir_slot *slot)
{
    slot->is_listed = false;
    weir_list_remove(&slot->queue);
}

/* From the front, until few enough are before the first idle one: each is taken out once for a lease,
 * and gets a place again when it rests. */
static void drop_leased(weir_idle *idle)
{
    int leased = 0;
    weir_list *at = idle->list.next;
    while (at != &idle->list && !slot_at(at)->is_idle) {
        at = at->next;
        if (++leased == WEIR_IDLE_LOOKED_AT) {
            take_out(slot_at(idle->list.next));
            leased--;
        }
    }
}
