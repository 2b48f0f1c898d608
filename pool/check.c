/* SPDX-License-Identifier: MIT */
/*
 * weir_pool_check(): every number of the pool counted anew, every list walked, and the two promises
 * that must hold whenever the pool is not inside a call: no ticket waits for what is there, and
 * nobody is hungry while a place is free.
 */
#include "pool/pause.h"

static void check_origins(const weir_pool *pool);
static void check_slots(const weir_pool *pool);
static void check_ghosts(const weir_pool *pool);
static void check_hungry(const weir_pool *pool);
static void check_actions(const weir_pool *pool);

void weir_pool_check_some(const weir_pool *pool)
{
    const uint64_t parts =
        pool->counts.origins + pool->connections + pool->tickets + pool->counts.leases;
    WEIR_ASSERT(pool->connections <= pool->options.connections);
    WEIR_ASSERT(pool->table.entries == pool->counts.origins);
    if (parts <= 64) {
        weir_pool_check(pool);
    }
}

void weir_pool_check(const weir_pool *pool)
{
    weir_agenda_check(&pool->agenda);
    weir_table_check(&pool->table);
    check_origins(pool);
    check_slots(pool);
    check_ghosts(pool);
    check_hungry(pool);
    check_actions(pool);
    weir_pause_check(pool);
    WEIR_ASSERT(pool->connections <= pool->options.connections);
}

static void check_origins(const weir_pool *pool)
{
    uint64_t origins = 0;
    uint32_t tickets = 0;
    uint32_t connections = 0;
    uint64_t unawaited_dials = 0;
    for (const weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        const weir_origin *origin = WEIR_CONST_ORIGIN_OF(at, link);
        WEIR_ASSERT(weir_record_find(pool, &origin->seldom->key) == origin);
        weir_record_check(pool, origin);
        weir_place_check(pool, origin);
        unawaited_dials += origin->unawaited_dials;
        origins++;
        tickets += origin->tickets;
        connections += origin->connections;
    }
    WEIR_ASSERT(origins == pool->counts.origins);
    WEIR_ASSERT(origins == pool->table.entries);
    WEIR_ASSERT(tickets == pool->tickets);
    WEIR_ASSERT(connections == pool->connections);
    WEIR_ASSERT(unawaited_dials == pool->unawaited_dials);
    uint32_t remembered = 0;
    for (const weir_list *at = pool->remembered.next; at != &pool->remembered; at = at->next) {
        const weir_origin *origin = WEIR_CONST_ORIGIN_OF(at, remembered);
        WEIR_ASSERT(origin->connections == 0);
        WEIR_ASSERT(origin->tickets == 0);
        remembered++;
    }
    WEIR_ASSERT(remembered == pool->remembered_origins);
    WEIR_ASSERT(remembered <= pool->options.origins_remembered);
}

static void check_slots(const weir_pool *pool)
{
    uint32_t slots_in[WEIR_SLOT_STATES] = {0};
    uint32_t idle = 0;
    uint32_t yielding = 0;
    uint32_t drained = 0;
    uint64_t id = 0;
    for (const weir_list *at = pool->slots.next; at != &pool->slots; at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, link);
        WEIR_ASSERT(weir_slot_id(slot) > id);
        id = weir_slot_id(slot);
        slots_in[slot->state]++;
        yielding += slot->yields;
        drained += slot->drained;
        idle += slot->is_idle;
    }
    for (int i = 0; i < WEIR_SLOT_STATES; i++) {
        WEIR_ASSERT(slots_in[i] == pool->slots_in[i]);
    }
    weir_idle_check(&pool->idle);
    WEIR_ASSERT(idle == pool->idle.slots);
    WEIR_ASSERT(yielding == pool->yielding);
    WEIR_ASSERT(drained == pool->drained);
}

static void check_ghosts(const weir_pool *pool)
{
    uint64_t leases = 0;
    for (const weir_list *at = pool->ghosts.next; at != &pool->ghosts; at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, link);
        WEIR_ASSERT(slot->state == WEIR_SLOT_GONE);
        WEIR_ASSERT(slot->leases > 0);
        WEIR_ASSERT(slot->origin->seldom->ghosts > 0);
        leases += slot->leases;
        weir_slot_check(pool, slot);
    }
    for (const weir_list *at = pool->slots.next; at != &pool->slots; at = at->next) {
        leases += WEIR_CONST_SLOT_OF(at, link)->leases;
    }
    WEIR_ASSERT(leases == pool->counts.leases);
}

static void check_hungry(const weir_pool *pool)
{
    uint64_t wanted = 0;
    for (const weir_list *at = pool->hungry.next; at != &pool->hungry; at = at->next) {
        const weir_origin *origin = WEIR_CONST_ORIGIN_OF(at, hungry);
        WEIR_ASSERT(origin->wanted > 0);
        WEIR_ASSERT(origin->tickets > 0);
        wanted += origin->wanted;
    }
    WEIR_ASSERT(wanted == pool->wanted);
    WEIR_ASSERT(weir_list_is_empty(&pool->unsettled));
    if (wanted > 0) {
        WEIR_ASSERT(pool->connections == pool->options.connections);
        WEIR_ASSERT(pool->idle.slots + pool->unawaited_dials == 0 ||
                    pool->slots_in[WEIR_SLOT_CLOSING] + pool->yielding >= wanted);
    }
}

static void check_actions(const weir_pool *pool)
{
    for (const weir_list *at = pool->told.next; at != &pool->told; at = at->next) {
        const weir_ticket *ticket = WEIR_CONST_CONTAINER_OF(at, weir_ticket, granted);
        WEIR_ASSERT(ticket->state != WEIR_TICKET_IDLE);
    }
    for (const weir_list *at = pool->orders.next; at != &pool->orders; at = at->next) {
        const weir_slot *slot = WEIR_CONST_CONTAINER_OF(at, weir_slot, queue);
        WEIR_ASSERT(slot->order_kind == WEIR_ACTION_DIAL || slot->order_kind == WEIR_ACTION_CLOSE);
        WEIR_ASSERT((slot->order_kind == WEIR_ACTION_DIAL) == (slot->state == WEIR_SLOT_DIALING));
    }
}
