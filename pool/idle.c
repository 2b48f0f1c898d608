/* SPDX-License-Identifier: MIT */
/*
 * Two orders that meet end to end: the list, and behind it the few that are late. Whoever becomes
 * late when there is no room puts the first of them in order, which is a move to the end of the list
 * if it is idle, and a removal if not. Who is given back unused belongs where it was: it is still
 * there if that was soon, else those that became idle since its last use are passed, from the end.
 */
#include "pool/idle.h"

static uint32_t place_of(const weir_idle *idle, const weir_slot *slot);
static void drop(weir_idle *idle, uint32_t place);
static void make_late(weir_idle *idle, weir_slot *slot);
static void put_in_order(weir_idle *idle);
static bool is_in_place(const weir_idle *idle, const weir_slot *slot);

static inline const weir_slot *slot_at(const weir_list *node)
{
    return WEIR_CONST_CONTAINER_OF(node, weir_slot, queue);
}

void weir_idle_init(weir_idle *idle)
{
    *idle = (weir_idle){.lates = 0};
    weir_list_init(&idle->list);
}

void weir_idle_rest(weir_idle *idle, weir_slot *slot)
{
    WEIR_ASSERT(!slot->is_idle);
    slot->is_idle = true;
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
    if (slot->is_late) {
        drop(idle, place_of(idle, slot));
    }
    if (is_in_place(idle, slot)) {
        return; /* it is back before its place was given up */
    }
    weir_list_remove(&slot->queue);
    while (idle->lates > 0) {
        put_in_order(idle);
    }
    weir_list *at = idle->list.prev;
    while (at != &idle->list && slot_at(at)->idle_since_ns > slot->idle_since_ns) {
        at = at->prev;
    }
    weir_list_insert_after(at, &slot->queue);
}

void weir_idle_forget(weir_idle *idle, weir_slot *slot)
{
    if (slot->is_idle) {
        slot->is_idle = false;
        idle->slots--;
        weir_list_remove(&slot->queue);
    }
    if (slot->is_late) {
        drop(idle, place_of(idle, slot));
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
            WEIR_ASSERT(slot->idle_since_ns >= since_ns);
            since_ns = slot->idle_since_ns;
            slots++;
        }
    }
    WEIR_ASSERT(lates <= idle->lates);
    WEIR_ASSERT(idle->lates <= WEIR_IDLE_LATE);
    for (uint32_t i = 0; i < idle->lates; i++) {
        const weir_slot *slot = idle->late[i];
        WEIR_ASSERT(slot->is_late);
        if (slot->is_idle) {
            WEIR_ASSERT(slot->idle_since_ns >= since_ns);
            since_ns = slot->idle_since_ns;
            slots++;
        }
    }
    WEIR_ASSERT(slots == idle->slots);
}

static uint32_t place_of(const weir_idle *idle, const weir_slot *slot)
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
        drop(idle, place_of(idle, slot));
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
    }
}

/* Is it in the list, and in order there? Not late itself. */
static bool is_in_place(const weir_idle *idle, const weir_slot *slot)
{
    if (weir_list_is_empty(&slot->queue)) {
        return false;
    }
    for (uint32_t i = 0; i < idle->lates; i++) {
        const weir_slot *other = idle->late[i];
        if (other->is_idle && other->idle_since_ns < slot->idle_since_ns) {
            return false;
        }
    }
    const weir_list *before = slot->queue.prev;
    const weir_list *after = slot->queue.next;
    while (before != &idle->list && slot_at(before)->is_late) {
        before = before->prev;
    }
    while (after != &idle->list && slot_at(after)->is_late) {
        after = after->next;
    }
    return (before == &idle->list || slot_at(before)->idle_since_ns <= slot->idle_since_ns) &&
           (after == &idle->list || slot->idle_since_ns <= slot_at(after)->idle_since_ns);
}
