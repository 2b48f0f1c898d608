/* SPDX-License-Identifier: MIT */
/*
 * What a user does to a whole blocking client. Whoever asks for it does the work: idle connections are closed by the thread
 * that drains, busy ones by the thread whose exchange ends last on them, which wakes those who wait for the end of the drain.
 */
#include "engine/sync.h"
#include "engine/upkeep.h"

static uint64_t wait_for_the_rest(weir_client *client, const weir_drain *drain, weir_seat *seat, weir_time deadline_ns);

weir_status weir_client_drain(weir_client *client, weir_span url, weir_time deadline_ns, uint64_t *left)
{
    weir_whereabouts where;
    weir_status status = weir_whereabouts_init(&where, url, client->allocator);

    if (left != NULL) {
        *left = 0;
    }
    if (status != WEIR_OK) {
        return status;
    }
    weir_seat *seat = weir_client_take_seat(client, NULL);
    if (seat == NULL) {
        weir_whereabouts_clear(&where);
        return WEIR_E_NOMEM;
    }
    weir_mutex_lock(&client->core_lock);
    weir_pool_drain(client->core.pool, &where.drain, weir_now());
    weir_client_settle(client);
    const uint64_t count = wait_for_the_rest(client, &where.drain, seat, deadline_ns);
    weir_client_unlock(client);
    weir_client_give_seat(client, seat);
    weir_whereabouts_clear(&where);
    weir_client_tell(client);
    if (left != NULL) {
        *left = count;
    }
    return count == 0 ? WEIR_OK : WEIR_E_DEADLINE_TOTAL;
}

void weir_client_network_changed(weir_client *client)
{
    weir_mutex_lock(&client->core_lock);
    weir_core_network_changed(&client->core, weir_now());
    weir_client_wake_queued(client); /* pauses are over */
    weir_client_settle(client);
    weir_client_unlock(client);
    weir_client_tell(client);
}

/* With the core's lock, which is let go while it waits. */
static uint64_t wait_for_the_rest(weir_client *client, const weir_drain *drain, weir_seat *seat, weir_time deadline_ns)
{
    for (;;) {
        const uint64_t left = weir_pool_left(client->core.pool, drain);
        if (left == 0 || weir_now() >= deadline_ns) {
            return left;
        }
        weir_list_push_back(&client->drainers, &seat->place);
        weir_client_unlock(client);
        weir_seat_park(seat, deadline_ns);
        weir_mutex_lock(&client->core_lock);
        weir_list_remove(&seat->place);
    }
}
