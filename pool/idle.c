/* SPDX-License-Identifier: MIT */
/*
 * Two orders that meet end to end: the list, and behind it the few that are late. Whoever becomes
 * late when there is no room puts the first of them in order, which is a move to the end of the list
 * if it is idle, and a removal if not.
 */
#include "pool/idle.h"

static uint32_t place_among_late(const weir_idle *idle, const weir_slot *slot);
static void drop(weir_idle *idle, uint32_t place);
static void make_late(weir_idle *idle, weir_slot *slot);
static void put_in_order(weir_idle *idle);
static void check_order(const weir_slot *slot, weir_time *since_ns);

void weir_idle_init(weir_idle *idle)
{
    *idle = (weir_idle){.lates = 0};
    weir_list_init(&idle->list);
}

void weir_idle_rest(weir_idle *idle, weir_slot *slot)
{
    WEIR_ASSERT(!slot->is_idle);
    slot->is_idle = true;
    slot->is_displaced = false;
    slot->is_stale = true;
    idle->slots++;
    make_late(idle, slot);
}

void weir_idle_leave(weir_idle *idle, weir_slot *slot)
{
    WEIR_ASSERT(slot->is_idle);
    slot->is_idle = false;
    idle->slots--;
    if (slot->is_late) {
        return;
    }
    __builtin_prefetch(slot->queue.next, 1);
    __builtin_prefetch(slot->queue.prev, 1);
    make_late(idle, slot);
}

void weir_idle_return(weir_idle *idle, weir_slot *slot)
{
    WEIR_ASSERT(!slot->is_idle);
    slot->is_idle = true;
    idle->slots++;
    if (!slot->is_late) { /* its place was given up meanwhile */
        slot->is_displaced = true;
        slot->is_stale = true;
        make_late(idle, slot);
    } else if (!slot->is_stale) {
        drop(idle, place_among_late(idle, slot));
    }
}

void weir_idle_forget(weir_idle *idle, weir_slot *slot)
{
    if (slot->is_idle) {
        slot->is_idle = false;
        idle->slots--;
        weir_list_remove(&slot->queue);
    }
    if (slot->is_late) {
        drop(idle, place_among_late(idle, slot));
        weir_list_remove(&slot->queue);
    }
}

weir_slot *weir_idle_first(const weir_idle *idle)
{
    if (idle->slots == 0) {
        return NULL;
    }
    for (weir_list *at = idle->list.next; at != &idle->list; at = at->next) {
        weir_slot *slot = WEIR_CONTAINER_OF(at, weir_slot, queue);
        if (!slot->is_late) {
            return slot;
        }
    }
    uint32_t place = 0;
    while (!idle->late[place]->is_idle) {
        place++;
        WEIR_ASSERT(place < idle->lates);
    }
    return idle->late[place];
}

void weir_idle_check(const weir_idle *idle)
{
    weir_time since_ns = 0;
    uint32_t slots = 0;
    uint32_t lates = 0;
    for (const weir_list *at = idle->list.next; at != &idle->list; at = at->next) {
        const weir_slot *slot = WEIR_CONST_CONTAINER_OF(at, weir_slot, queue);
        lates += slot->is_late;
        if (!slot->is_late) {
            WEIR_ASSERT(slot->is_idle);
            check_order(slot, &since_ns);
            slots++;
        }
    }
    WEIR_ASSERT(lates <= idle->lates);
    WEIR_ASSERT(idle->lates <= WEIR_IDLE_LATE);
    for (uint32_t i = 0; i < idle->lates; i++) {
        const weir_slot *slot = idle->late[i];
        WEIR_ASSERT(slot->is_late);
        if (slot->is_idle) {
            check_order(slot, &since_ns);
            slots++;
        }
    }
    WEIR_ASSERT(slots == idle->slots);
}

static uint32_t place_among_late(const weir_idle *idle, const weir_slot *slot)
{
    uint32_t place = 0;
    while (idle->late[place] != slot) {
        place++;
        WEIR_ASSERT(place < idle->lates);
    }
    return place;
}

static void drop(weir_idle *idle, uint32_t place)
{
    idle->late[place]->is_late = false;
    idle->lates--;
    for (; place < idle->lates; place++) {
        idle->late[place] = idle->late[place + 1];
    }
}

/* The last of them. */
static void make_late(weir_idle *idle, weir_slot *slot)
{
    if (slot->is_late) {
        if (idle->late[idle->lates - 1] == slot) {
            return;
        }
        drop(idle, place_among_late(idle, slot));
    } else if (idle->lates == WEIR_IDLE_LATE) {
        put_in_order(idle);
    }
    slot->is_late = true;
    idle->late[idle->lates++] = slot;
}

/* The first of those that are late. */
static void put_in_order(weir_idle *idle)
{
    weir_slot *slot = idle->late[0];
    drop(idle, 0);
    weir_list_remove(&slot->queue);
    if (slot->is_idle) {
        weir_list_push_back(&idle->list, &slot->queue);
        slot->is_stale = slot->is_displaced;
    }
}

static void check_order(const weir_slot *slot, weir_time *since_ns)
{
    if (!slot->is_displaced) {
        WEIR_ASSERT(slot->idle_since_ns >= *since_ns);
        *since_ns = slot->idle_since_ns;
    }
}
