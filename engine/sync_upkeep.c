/* SPDX-License-Identifier: MIT */
/*
 * What a user does to a whole blocking client. Whoever asks for it does the work: idle connections
 * are closed by the thread that drains, busy ones by the thread whose exchange ends last on them,
 * which wakes those who wait for the end of the drain.
 */
#include "engine/sync.h"
#include "engine/upkeep.h"

static void look_after(weir_line *line, weir_time *wake_ns, short *events);
static bool look_at_facts(weir_line *line, weir_facts *facts);
static uint64_t wait_for_the_rest(weir_client *client, const weir_drain *drain, weir_seat *seat,
                                  weir_time deadline_ns);
static weir_line *pin_next(weir_client *client, weir_line *after);

weir_time weir_client_maintain(weir_client *client)
{
    weir_why why = WEIR_WHY_NONE;

    if (weir_client_enter(client) != WEIR_OK) {
        return WEIR_NEVER; /* it has nothing */
    }
    weir_time next_ns = weir_client_look_names_up(client, weir_now());
    weir_mutex_lock(&client->core_lock);
    for (weir_line *line = pin_next(client, NULL), *next = NULL; line != NULL; line = next) {
        weir_time wake_ns = WEIR_NEVER;
        weir_facts facts;
        short events = 0;
        weir_client_unlock(client);
        const bool newer = weir_line_look_after(line, &facts, &wake_ns, &events);
        weir_mutex_lock(&client->core_lock);
        if (newer && !line->close_waits) {
            weir_pool_facts(client->core.pool, line->slot, &facts, weir_now());
        }
        next_ns = weir_time_earlier(next_ns, wake_ns);
        next = pin_next(client, line); /* before the one that it comes after may go */
        weir_line_unpin(line);
    }
    weir_core_catch_up(&client->core, weir_now());
    weir_pool_tick(client->core.pool, weir_now());
    weir_client_settle(client);
    next_ns = weir_time_earlier(next_ns, weir_pool_deadline(client->core.pool, &why));
    weir_client_unlock(client);
    weir_client_tell(client);
    return next_ns;
}

weir_status weir_client_drain(weir_client *client, weir_span url, weir_time deadline_ns,
                              uint64_t *left)
{
    weir_whereabouts where;
    weir_status status = weir_whereabouts_init(&where, url, client->allocator);

    if (left != NULL) {
        *left = 0;
    }
    if (status != WEIR_OK) {
        return status;
    }
    status = weir_client_enter(client);
    if (status != WEIR_OK) {
        weir_whereabouts_clear(&where);
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
    if (weir_client_enter(client) != WEIR_OK) {
        return; /* it has no connection */
    }
    weir_mutex_lock(&client->core_lock);
    weir_core_network_changed(&client->core, weir_now());
    weir_client_settle(client);
    weir_client_unlock(client);
    weir_client_tell(client);
}

bool weir_line_look_after(weir_line *line, weir_facts *facts, weir_time *wake_ns, short *events)
{
    weir_lock_take(&line->lock);
    look_after(line, wake_ns, events);
    return look_at_facts(line, facts);
}

void weir_line_keep(weir_line *line, weir_time since_ns, weir_sight *sight)
{
    weir_lock_take(&line->lock);
    sight->used = line->used_ns > since_ns;
    look_after(line, &sight->wake_ns, &sight->events);
    if (line->reading || line->writing) {
        sight->events = 0;
        sight->wake_ns = WEIR_NEVER;
    }
    line->watched = sight->events == 0;
    sight->newer = look_at_facts(line, &sight->facts);
}

/* With the line's lock, as long as nobody else reads or writes. */
static void look_after(weir_line *line, weir_time *wake_ns, short *events)
{
    uint8_t room[16384];
    weir_want want;

    const weir_time now_ns = weir_now();
    if (!line->reading && !line->writing) {
        weir_baton_probe(line, room, sizeof(room), now_ns);
        weir_link_tick(line->link, now_ns);
        weir_link_want(line->link, &want);
        if (want.out[0].length > 0 && line->link->state == WEIR_LINK_OPEN) {
            const weir_io io =
                weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
            if (io.kind == WEIR_IO_OK) {
                weir_link_sent(line->link, io.octets, now_ns);
            } else if (io.kind == WEIR_IO_FAILED) {
                weir_link_failed(line->link, io.sys_errno, now_ns);
            }
        }
        weir_line_deliver(line, NULL);
    }
    weir_link_want(line->link, &want);
    *wake_ns = want.wake_ns;
    const bool writes = want.out[0].length > 0 && line->link->state == WEIR_LINK_OPEN;
    *events = (short)((want.in_octets > 0 ? WEIR_POLL_IN : 0) | (writes ? WEIR_POLL_OUT : 0));
    weir_baton_give_back(line, NULL);
}

/* With the line's lock, which is let go. */
static bool look_at_facts(weir_line *line, weir_facts *facts)
{
    *facts = weir_link_facts(line->link);
    const bool newer = facts->version != line->facts_version;
    line->facts_version = facts->version;
    weir_line_unlock(line);
    return newer;
}

/* With the core's lock, which is let go while it waits. */
static uint64_t wait_for_the_rest(weir_client *client, const weir_drain *drain, weir_seat *seat,
                                  weir_time deadline_ns)
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

/* With the core's lock: the next open line that perhaps nobody reads, which is not closed before it
 * is unpinned. One without a lease; or one that speaks HTTP/2, where the calls that have one may all
 * be away, and others wait for what the peer says of the connection. */
static weir_line *pin_next(weir_client *client, weir_line *after)
{
    weir_list *at = after != NULL ? after->place.next : client->lines.next;

    for (; at != &client->lines; at = at->next) {
        weir_line *line = WEIR_CONTAINER_OF(at, weir_line, place);
        if (line->dial == NULL && line->slot != NULL && !line->close_waits &&
            (weir_slot_leases(line->slot) == 0 || weir_slot_protocol(line->slot) == WEIR_H2)) {
            line->pins++;
            return line;
        }
    }
    return NULL;
}
