/* SPDX-License-Identifier: MIT */
/* The copy that a snapshot is: counted first, then one block, then filled. See snapshot.h. */
#include "pool/snapshot.h"

#include <string.h>

#include "pool/explain.h"

typedef struct filling {
    const weir_pool *pool;
    weir_snapshot *to;
    weir_time now_ns;
    size_t origins;
    size_t lines;
    size_t seats;
    uint8_t *octets; /* the next free ones */
} filling;

static weir_snapshot *new_block(const weir_pool *pool, filling *f);
static size_t octets_of(const weir_origin_key *key);
static void fill_pool(const filling *f);
static void fill_origin(filling *f, const weir_origin *origin);
static void fill_ghosts(filling *f);
static void fill_line(filling *f, const weir_slot *slot, size_t origin);
static void fill_seat(filling *f, const weir_ticket *ticket, size_t origin, uint32_t place);
static weir_span keep(filling *f, weir_span span);
static size_t index_of(const weir_pool *pool, const weir_origin *origin);
static weir_connection_state state_of(const weir_slot *slot);
static size_t length_of(const weir_list *list);

weir_snapshot *weir_pool_snapshot(const weir_pool *pool, weir_time now_ns)
{
    filling f = {.pool = pool, .now_ns = now_ns > pool->now_ns ? now_ns : pool->now_ns};
    if (!new_block(pool, &f)) {
        return NULL;
    }
    fill_pool(&f);
    for (const weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        fill_origin(&f, WEIR_CONST_ORIGIN_OF(at, link));
    }
    fill_ghosts(&f);
    WEIR_ASSERT(f.origins == f.to->origin_count);
    WEIR_ASSERT(f.lines == f.to->line_count);
    WEIR_ASSERT(f.seats == f.to->seat_count);
    return f.to;
}

void weir_snapshot_seal(weir_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->line_count; i++) {
        snapshot->lines[i].slot = NULL;
    }
    for (size_t i = 0; i < snapshot->seat_count; i++) {
        snapshot->seats[i].ticket = NULL;
    }
}

static weir_snapshot *new_block(const weir_pool *pool, filling *f)
{
    const size_t origins = (size_t)pool->counts.origins;
    const size_t lines = pool->connections + length_of(&pool->ghosts);
    const size_t seats = (size_t)pool->counts.leases + pool->tickets + pool->paused;
    size_t octets = 0;
    for (const weir_list *at = pool->origins.next; at != &pool->origins; at = at->next) {
        octets += octets_of(&WEIR_CONST_ORIGIN_OF(at, link)->seldom->key);
    }
    weir_snapshot *to = weir_alloc(pool->allocator, sizeof *to + origins * sizeof *to->origins +
                                                        lines * sizeof *to->lines +
                                                        seats * sizeof *to->seats + octets);
    if (!to) {
        return NULL;
    }
    *to = (weir_snapshot){
        .allocator = pool->allocator,
        .origins = (weir_snapshot_origin *)(void *)(to + 1),
        .origin_count = origins,
        .line_count = lines,
        .seat_count = seats,
    };
    to->lines = (weir_snapshot_line *)(void *)(to->origins + origins);
    to->seats = (weir_snapshot_seat *)(void *)(to->lines + lines);
    f->octets = (uint8_t *)(to->seats + seats);
    f->to = to;
    return to;
}

/* Not those of the proxy, which may hold credentials. */
static size_t octets_of(const weir_origin_key *key)
{
    return key->host.length + key->zone.length + key->address.length + key->socket_path.length +
           key->local.length;
}

static void fill_pool(const filling *f)
{
    const weir_pool_options *options = &f->pool->options;
    f->to->pool = (weir_snapshot_pool){
        .size = sizeof(weir_snapshot_pool),
        .taken_ns = f->now_ns,
        .origins = f->pool->counts.origins,
        .connections = f->pool->connections,
        .waiting = (uint64_t)f->pool->tickets + f->pool->paused,
        .leases = f->pool->counts.leases,
        .connections_limit = options->connections,
        .connections_per_origin_limit = options->connections_per_origin,
        .h2_connections_limit = options->h2_connections,
        .waiting_limit = options->waiting,
        .waiting_per_origin_limit = options->waiting_per_origin,
        .idle_limit_ns = options->idle_ns,
        .lifetime_limit_ns = options->lifetime_ns ? options->lifetime_ns : WEIR_NEVER,
    };
}

static void fill_origin(filling *f, const weir_origin *origin)
{
    const weir_origin_key *key = &origin->seldom->key;
    const size_t index = f->origins++;
    f->to->origins[index] = (weir_snapshot_origin){
        .size = sizeof(weir_snapshot_origin),
        .https = key->https,
        .host = keep(f, key->host),
        .zone = keep(f, key->zone),
        .port = key->port,
        .connect_to = keep(f, key->address),
        .connect_port = key->address_port,
        .socket_path = keep(f, key->socket_path),
        .local = keep(f, key->local),
        .over_proxy = key->proxy.length > 0,
        .tls = key->tls,
        .pin = (weir_protocol)key->pin,
        .protocol = weir_record_protocol(origin),
        .streams = origin->streams,
        .failed_dials = origin->failures,
        .back_off_ns = weir_time_since(origin->retry_at_ns, f->now_ns),
        .horizon_ns = weir_horizon_span(&origin->horizon, f->now_ns),
        .left_over = origin->seldom->left_over,
        .connections = origin->connections,
        .waiting = origin->tickets,
        .waits_for = weir_wait_reason(origin),
    };
    for (const weir_list *at = origin->seldom->slots.next; at != &origin->seldom->slots;
         at = at->next) {
        fill_line(f, WEIR_CONST_SLOT_OF(at, sibling), index);
    }
    uint32_t place = 0;
    for (const weir_list *at = origin->waiting.next; at != &origin->waiting; at = at->next) {
        fill_seat(f, WEIR_CONST_CONTAINER_OF(at, weir_ticket, link), index, ++place);
    }
    for (const weir_list *at = origin->seldom->paused.next; at != &origin->seldom->paused;
         at = at->next) {
        fill_seat(f, WEIR_CONST_CONTAINER_OF(at, weir_ticket, link), index, 0);
        f->to->origins[index].waiting++;
    }
}

/* Closed connections that their exchanges have not given back yet: there are few, and not for long.
 */
static void fill_ghosts(filling *f)
{
    for (const weir_list *at = f->pool->ghosts.next; at != &f->pool->ghosts; at = at->next) {
        const weir_slot *slot = WEIR_CONST_SLOT_OF(at, link);
        fill_line(f, slot, index_of(f->pool, slot->origin));
    }
}

/* A connection and who holds it. */
static void fill_line(filling *f, const weir_slot *slot, size_t origin)
{
    const bool dials = slot->state == WEIR_SLOT_DIALING;
    f->to->lines[f->lines++] = (weir_snapshot_line){
        .slot = slot,
        .first_seat = f->seats,
        .seats = slot->leases,
        .connection =
            {
                .size = sizeof(weir_snapshot_connection),
                .conn = weir_slot_id(slot),
                .origin = origin,
                .state = state_of(slot),
                .reason = weir_explain_slot(f->pool, slot),
                .protocol = dials ? weir_record_protocol(slot->origin) : slot->facts.protocol,
                .used = slot->leases,
                .limit = dials ? 0 : slot->facts.capacity_streams,
                .uses = weir_slot_uses(slot),
                .age_ns = weir_time_since(f->now_ns, weir_const_slot_seldom_of(slot)->since_ns),
                .idle_ns = slot->is_idle ? weir_time_since(f->now_ns, slot->idle_since_ns) : 0,
                .last_read_ns = WEIR_UNKNOWN,
                .answer_ns = WEIR_NEVER,
            },
    };
    for (const weir_list *at = slot->leased.next; at != &slot->leased; at = at->next) {
        fill_seat(f, WEIR_CONST_CONTAINER_OF(at, weir_ticket, link), origin, 0);
    }
}

static void fill_seat(filling *f, const weir_ticket *ticket, size_t origin, uint32_t place)
{
    const bool waits = ticket->state == WEIR_TICKET_WAITING;
    const weir_slot *slot = waits ? ticket->dial : ticket->slot;
    weir_snapshot_seat *seat = &f->to->seats[f->seats++];
    seat->ticket = ticket;
    seat->call = (weir_snapshot_call){
        .size = sizeof(weir_snapshot_call),
        .origin = origin,
        .conn = slot ? weir_slot_id(slot) : 0,
        .waiting = waits,
        .place = place,
        .reason = waits ? weir_pool_waits_for(ticket) : ticket->reason,
        .waited_ns = waits ? weir_time_since(f->now_ns, ticket->since_ns) : ticket->waited_ns,
        .bounces = ticket->bounces,
    };
    seat->bounces = ticket->waited.bounces;
    weir_wait_read(ticket, f->now_ns, seat->ns);
}

static weir_span keep(filling *f, weir_span span)
{
    if (span.length == 0) {
        return (weir_span){NULL, 0};
    }
    uint8_t *at = f->octets;
    memcpy(at, span.at, span.length);
    f->octets += span.length;
    return (weir_span){at, span.length};
}

static size_t index_of(const weir_pool *pool, const weir_origin *origin)
{
    size_t index = 0;
    for (const weir_list *at = pool->origins.next; at != &origin->seldom->link; at = at->next) {
        index++;
    }
    return index;
}

static weir_connection_state state_of(const weir_slot *slot)
{
    switch (slot->state) {
    case WEIR_SLOT_DIALING:
        return WEIR_CONNECTION_DIALING;
    case WEIR_SLOT_READY:
        return slot->leases > 0 ? WEIR_CONNECTION_ACTIVE : WEIR_CONNECTION_IDLE;
    case WEIR_SLOT_DRAINING:
        return WEIR_CONNECTION_DRAINING;
    case WEIR_SLOT_CLOSING:
        return WEIR_CONNECTION_CLOSING;
    case WEIR_SLOT_GONE:
    case WEIR_SLOT_STATES:
        break;
    }
    return WEIR_CONNECTION_GONE;
}

static size_t length_of(const weir_list *list)
{
    size_t length = 0;
    for (const weir_list *at = list->next; at != list; at = at->next) {
        length++;
    }
    return length;
}
