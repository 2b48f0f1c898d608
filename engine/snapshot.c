/* SPDX-License-Identifier: MIT */
/* What a user reads of a snapshot, record by record; the text is snapshot_text.c's. */
#include "engine/snapshot.h"

#include "engine/os.h"
#include "engine/record.h"
#include "engine/text.h"

static const char *const state_names[] = {
    [WEIR_CONNECTION_DIALING] = "dialing", [WEIR_CONNECTION_IDLE] = "idle",
    [WEIR_CONNECTION_ACTIVE] = "active",   [WEIR_CONNECTION_DRAINING] = "draining",
    [WEIR_CONNECTION_CLOSING] = "closing", [WEIR_CONNECTION_GONE] = "gone",
};

const char *weir_connection_state_name(weir_connection_state state)
{
    return (size_t)state < WEIR_COUNT_OF(state_names) ? state_names[state] : "unknown";
}

weir_snapshot *weir_core_snapshot(const weir_core *core, weir_time now_ns)
{
    weir_snapshot *snapshot = weir_pool_snapshot(core->pool, now_ns);

    for (size_t i = 0; snapshot != NULL && i < snapshot->seat_count; i++) {
        snapshot->seats[i].call.exchange =
            WEIR_CONST_CONTAINER_OF(snapshot->seats[i].ticket, weir_exchange, ticket)->id;
    }
    return snapshot;
}

void weir_core_snapshot_link(const weir_core *core, weir_snapshot_line *line, const weir_link *link,
                             weir_time now_ns)
{
    weir_snapshot_connection *c = &line->connection;
    weir_text text = weir_text_begin(c->address, sizeof(c->address));
    const weir_origin_key *key = weir_slot_key(line->slot);
    const weir_span host = key->address.length > 0 ? key->address : key->host;
    weir_address address;

    c->answer_ns = weir_names_answer_left(&core->names, link, now_ns);
    if (link->tie != NULL) {
        address = weir_tie_address(link->tie);
        weir_text_add_address(&text, &address);
    } else if (link->opened_ns != 0 && weir_os_address_parse(host, &address)) {
        /* A numeric host is kept nowhere else: an idle connection is to be small. */
        if (key->address.length == 0 && key->zone.length > 0) {
            address.scope = weir_os_zone_index(key->zone);
        }
        weir_text_add_address(&text, &address);
    }
}

weir_snapshot *weir_snapshot_taken(weir_snapshot *snapshot, weir_status *status)
{
    if (snapshot == NULL) {
        return weir_snapshot_refused(WEIR_E_NOMEM, status);
    }
    if (status != NULL) {
        *status = WEIR_OK;
    }
    weir_snapshot_seal(snapshot);
    return snapshot;
}

weir_snapshot *weir_snapshot_refused(weir_status why, weir_status *status)
{
    if (status != NULL) {
        *status = why;
    }
    return NULL;
}

void weir_snapshot_free(weir_snapshot *snapshot)
{
    if (snapshot != NULL) {
        weir_release(snapshot->allocator, snapshot);
    }
}

void weir_snapshot_pool_of(const weir_snapshot *snapshot, weir_snapshot_pool *pool)
{
    (void)weir_record_write(pool, &snapshot->pool, sizeof(snapshot->pool));
}

size_t weir_snapshot_origin_count(const weir_snapshot *snapshot)
{
    return snapshot->origin_count;
}

bool weir_snapshot_origin_at(const weir_snapshot *snapshot, size_t i, weir_snapshot_origin *origin)
{
    if (i >= snapshot->origin_count) {
        return false;
    }
    return weir_record_write(origin, &snapshot->origins[i], sizeof(snapshot->origins[i]));
}

size_t weir_snapshot_connection_count(const weir_snapshot *snapshot)
{
    return snapshot->line_count;
}

bool weir_snapshot_connection_at(const weir_snapshot *snapshot, size_t i,
                                 weir_snapshot_connection *connection)
{
    if (i >= snapshot->line_count) {
        return false;
    }
    return weir_record_write(connection, &snapshot->lines[i].connection,
                             sizeof(snapshot->lines[i].connection));
}

size_t weir_snapshot_call_count(const weir_snapshot *snapshot)
{
    return snapshot->seat_count;
}

bool weir_snapshot_call_at(const weir_snapshot *snapshot, size_t i, weir_snapshot_call *call)
{
    if (i >= snapshot->seat_count) {
        return false;
    }
    return weir_record_write(call, &snapshot->seats[i].call, sizeof(snapshot->seats[i].call));
}

bool weir_snapshot_waits_at(const weir_snapshot *snapshot, size_t i, weir_waits *waits)
{
    if (i >= snapshot->seat_count) {
        return false;
    }
    weir_waits all;
    weir_wait_spread(snapshot->seats[i].ns, &all);
    all.bounces = snapshot->seats[i].bounces;
    return weir_record_write(waits, &all, sizeof(all));
}
