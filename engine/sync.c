/* SPDX-License-Identifier: MIT */
/*
 * The blocking front end: its birth and death, what all its calls share, and what the pool wants
 * done. No event loop and no thread of its own: who waits does the work (sync_call.c).
 */
#include "engine/sync.h"

#include <string.h>

#include "engine/options.h"
#include "engine/reading.h"
#include "engine/record.h"
#include "engine/snapshot.h"
#include "proto/alloc.h"

#define PROBE_AFTER_NS (WEIR_NS_PER_MS)
#define WAKES          32

static weir_status begin(weir_client *client, const weir_client_options *options);
static void keep_the_time(weir_client *client);
static void close_everything(weir_client *client);
static void close_line(weir_client *client, const weir_action *action);
static void close_unpinned(weir_client *client, weir_line *line);

weir_client *weir_client_new(const weir_client_options *given, weir_status *status)
{
    weir_client_options options;
    weir_client *client = NULL;
    weir_status why = WEIR_E_INVALID;

    if (weir_client_options_read(&options, given) == NULL) {
        client = weir_alloc_zeroed(options.allocator, sizeof(*client));
        why = client != NULL ? begin(client, &options) : WEIR_E_NOMEM;
    }
    if (why != WEIR_OK) {
        weir_client_free(client);
        client = NULL;
    }
    if (status != NULL) {
        *status = why;
    }
    return client;
}

void weir_client_free(weir_client *client)
{
    if (client == NULL) {
        return;
    }
    if (!weir_fork_mark_is_ours(client->mark)) {
        weir_client_forget_parent(client);
        client->core.pool = NULL;   /* the parent's */
        client->core.series = NULL; /* another thread may have been in the middle of them */
    } else if (client->core.pool != NULL) {
        const bool every_exchange_was_freed = atomic_load(&client->exchanges) == 0;
        WEIR_ASSERT(every_exchange_was_freed);
        close_everything(client);
    }
    if (client->core.shared != NULL) {
        weir_events_tell(&client->core.events);
        weir_core_clear(&client->core);
    }
    weir_channel_free(client->names_channel);
    while (!weir_list_is_empty(&client->seats)) {
        weir_seat *seat = WEIR_CONTAINER_OF(client->seats.next, weir_seat, all);
        weir_list_remove(&seat->all);
        weir_list_remove(&seat->place);
        weir_seat_free(seat, client->allocator);
    }
    weir_held_clear(&client->held);
    weir_fork_mark_free(client->mark);
    weir_mutex_clear(&client->core_lock);
    weir_release(client->allocator, client);
}

void weir_client_counts(weir_client *client, weir_counts *counts)
{
    (void)weir_client_enter(client); /* without memory the old numbers are still there */
    weir_mutex_lock(&client->core_lock);
    weir_core_counts(&client->core, counts);
    weir_mutex_unlock(&client->core_lock);
}

void weir_client_metrics(weir_client *client, weir_metrics *metrics)
{
    (void)weir_client_enter(client);
    weir_mutex_lock(&client->core_lock);
    weir_core_metrics(&client->core, metrics);
    weir_mutex_unlock(&client->core_lock);
}

/* Room is had without the lock, for so many series as there were and some more; should there be yet
 * more by then, once more. */
weir_metrics_reading *weir_client_metrics_reading(weir_client *client, weir_status *status)
{
    weir_metrics_reading *reading = NULL;
    bool is_whole = false;

    const weir_status entered = weir_client_enter(client);
    if (entered != WEIR_OK) {
        return weir_reading_refused(entered, status);
    }
    weir_mutex_lock(&client->core_lock);
    while (!is_whole) {
        const size_t octets = weir_reading_octets(&client->core);
        weir_mutex_unlock(&client->core_lock);
        weir_metrics_reading_free(reading);
        reading = weir_reading_new(client->allocator, octets + octets / 8);
        weir_mutex_lock(&client->core_lock);
        is_whole = reading == NULL || weir_reading_fill(reading, &client->core);
    }
    weir_mutex_unlock(&client->core_lock);
    return weir_reading_taken(reading, status);
}

weir_snapshot *weir_client_snapshot(weir_client *client, weir_status *status)
{
    const weir_time now_ns = weir_now();

    const weir_status entered = weir_client_enter(client);
    if (entered != WEIR_OK) {
        return weir_snapshot_refused(entered, status);
    }
    weir_mutex_lock(&client->core_lock);
    weir_snapshot *snapshot = weir_core_snapshot(&client->core, now_ns);
    for (size_t i = 0; snapshot != NULL && i < snapshot->line_count; i++) {
        const weir_line *line = weir_slot_user(snapshot->lines[i].slot);
        const weir_time read_ns =
            line != NULL ? atomic_load_explicit(&line->read_ns, memory_order_relaxed) : 0;
        if (line != NULL) {
            weir_core_snapshot_link(&client->core, &snapshot->lines[i], line->link, now_ns);
        }
        if (read_ns != 0) {
            snapshot->lines[i].connection.last_read_ns = weir_time_since(now_ns, read_ns);
        }
    }
    weir_mutex_unlock(&client->core_lock);
    return weir_snapshot_taken(snapshot, status);
}

void weir_client_settle(weir_client *client)
{
    weir_action action;

    while (weir_pool_next_action(client->core.pool, &action)) {
        switch (action.kind) {
        case WEIR_ACTION_GRANT:
        case WEIR_ACTION_REFUSE: {
            /* Its own thread takes it over: the exchange is nobody else's. */
            weir_exchange *ex = WEIR_CONTAINER_OF(action.ticket, weir_exchange, ticket);
            weir_seat *seat = atomic_load(&ex->sits);
            if (seat != NULL) {
                weir_client_wake_later(client, seat);
            }
            break;
        }
        case WEIR_ACTION_WARMED: {
            weir_seat *seat =
                atomic_load(&WEIR_CONTAINER_OF(action.wish, weir_exchange, wish)->sits);
            if (seat != NULL) {
                weir_client_wake_later(client, seat);
            }
            break;
        }
        case WEIR_ACTION_TELL: {
            /* Its own thread looks what it is and tells it (weir_client_place): woken only for an
             * observer, and not if it is going to look anyway. */
            weir_exchange *ex = WEIR_CONTAINER_OF(action.ticket, weir_exchange, ticket);
            weir_seat *seat = atomic_load(&ex->sits);
            if (seat != NULL && weir_events_are_wanted(&ex->events) && !ex->waiting_later) {
                weir_client_wake_later(client, seat);
            }
            break;
        }
        case WEIR_ACTION_DIAL:
            weir_client_dial(client, &action);
            break;
        case WEIR_ACTION_CLOSE:
            close_line(client, &action);
            break;
        case WEIR_ACTION_NONE:
            break;
        }
    }
    for (weir_list *at = client->drainers.next; at != &client->drainers; at = at->next) {
        weir_client_wake_later(client, WEIR_CONTAINER_OF(at, weir_seat, place));
    }
}

void weir_line_unpin(weir_line *line)
{
    WEIR_ASSERT(line->pins > 0);
    line->pins--;
    if (line->pins == 0 && line->close_waits) {
        close_unpinned(line->client, line);
    }
}

void weir_client_wake_later(weir_client *client, weir_seat *seat)
{
    if (weir_list_is_empty(&seat->to_rouse)) {
        weir_list_push_back(&client->wakes, &seat->to_rouse);
    }
}

void weir_client_wake_queued(weir_client *client)
{
    for (weir_list *at = client->queued.next; at != &client->queued; at = at->next) {
        weir_client_wake_later(client, WEIR_CONTAINER_OF(at, weir_seat, place));
    }
}

void weir_client_unlock(weir_client *client)
{
    weir_seat *seats[WAKES];

    keep_the_time(client);
    for (;;) {
        size_t count = 0;
        while (count < WAKES && !weir_list_is_empty(&client->wakes)) {
            seats[count] = WEIR_CONTAINER_OF(client->wakes.next, weir_seat, to_rouse);
            weir_list_remove(&seats[count]->to_rouse);
            count++;
        }
        const bool more = !weir_list_is_empty(&client->wakes);
        weir_mutex_unlock(&client->core_lock);
        for (size_t i = 0; i < count; i++) {
            weir_seat_wake(seats[i]);
        }
        if (!more) {
            return;
        }
        weir_mutex_lock(&client->core_lock);
    }
}

/*
 * No thread but those that wait for a place may be there when the pool's next deadline comes, or
 * keepers are to be called, and each of them sleeps until the time that there was when it fell
 * asleep. Who looked last knows most: if it would come too late it is woken, and looks again.
 */
static void keep_the_time(weir_client *client)
{
    weir_why why = WEIR_WHY_NONE;

    if (weir_list_is_empty(&client->queued)) {
        return;
    }
    weir_seat *last = WEIR_CONTAINER_OF(client->queued.prev, weir_seat, place);
    const weir_time next_ns =
        weir_time_earlier(weir_pool_deadline(client->core.pool, &why), client->call_ns);
    if (next_ns < last->looks_at_ns) {
        weir_client_wake_later(client, last);
    }
}

/* -- birth and death -- */

static weir_status begin(weir_client *client, const weir_client_options *options)
{
    weir_status status = WEIR_OK;

    client->allocator = options->allocator;
    client->mark = weir_fork_mark_new();
    weir_held_init(&client->held, client->allocator);
    weir_client_empty_lists(client);
    if (!weir_mutex_init(&client->core_lock)) {
        return WEIR_E_NOMEM;
    }
    atomic_init(&client->next_exchange, 1);
    client->resolver = options->resolver;
    client->probe_after_ns =
        options->probe_after_ns != 0 ? options->probe_after_ns : PROBE_AFTER_NS;
    if (options->hooks != NULL) {
        (void)weir_record_read(&client->hooks_copy, sizeof(client->hooks_copy), options->hooks);
        client->hooks = &client->hooks_copy;
    }
    weir_core_options core = {
        .allocator = client->allocator,
        .shared = weir_shared_for(options->shared, client->allocator, &status),
        .observer = options->observer,
        .limits = options->limits,
        .metrics_series = options->metrics_series,
        .metrics_methods = options->metrics_methods,
    };
    if (core.shared != NULL) {
        weir_os_random(&core.seed, sizeof(core.seed));
        status = weir_core_init(&client->core, &core);
        weir_shared_release(core.shared);
    }
    return status;
}

static void close_everything(weir_client *client)
{
    const weir_time now_ns = weir_now();

    weir_mutex_lock(&client->core_lock);
    weir_pool_shutdown(client->core.pool, now_ns);
    weir_client_settle(client);
    WEIR_ASSERT(weir_list_is_empty(&client->lines));
    weir_client_unlock(client);
}

/* -- seats, lines, events -- */

weir_seat *weir_client_take_seat(weir_client *client, weir_exchange *ex)
{
    weir_seat *seat = NULL;

    weir_mutex_lock(&client->core_lock);
    if (!weir_list_is_empty(&client->free_seats)) {
        seat = WEIR_CONTAINER_OF(client->free_seats.next, weir_seat, place);
        weir_list_remove(&seat->place);
    }
    weir_mutex_unlock(&client->core_lock);
    if (seat == NULL) {
        seat = weir_seat_new(client->allocator, client->hooks, &client->held);
        if (seat == NULL) {
            return NULL;
        }
        weir_mutex_lock(&client->core_lock);
        weir_list_push_back(&client->seats, &seat->all);
        weir_mutex_unlock(&client->core_lock);
    }
    weir_seat_take(seat, ex);
    return seat;
}

void weir_client_give_seat(weir_client *client, weir_seat *seat)
{
    weir_seat_leave(seat);
    weir_mutex_lock(&client->core_lock);
    WEIR_ASSERT(weir_list_is_empty(&seat->dials));
    WEIR_ASSERT(weir_list_is_empty(&seat->dialing));
    weir_list_push_front(&client->free_seats, &seat->place);
    weir_mutex_unlock(&client->core_lock);
}

/* Closing is I/O: done with the core unlocked. The slot keeps its place in the limits until it is
 * gone. */
static void close_line(weir_client *client, const weir_action *action)
{
    weir_line *line = weir_slot_user(action->slot);

    if (line == NULL) {
        return; /* a dial that was given up, and who ran it is closing it already */
    }
    if (line->dial != NULL) {
        /* Nobody waits for it any more and another origin needs its place, or it is one too many:
         * who runs the dial ends it. */
        line->dial->given_up = true;
        line->close_reason = action->reason;
        weir_client_wake_later(client, line->dial->dialer);
        return;
    }
    line->close_reason = action->reason;
    line->close_waits = true;
    if (line->pins == 0) {
        close_unpinned(client, line);
    } else if (line->kept) {
        weir_client_wake_queued(client); /* who keeps it waits for its octets, and for long */
    }
}

static void close_unpinned(weir_client *client, weir_line *line)
{
    weir_slot *slot = line->slot;
    const weir_lesson lesson = weir_core_learn(slot);

    weir_slot_set_user(slot, NULL);
    line->slot = NULL;
    weir_client_unlock(client);
    /* The slot, and with it the origin's key, stays until the pool is told that it is gone. */
    weir_core_remember(&client->core, slot, lesson);
    weir_line_close(line, weir_now());
    weir_mutex_lock(&client->core_lock);
    weir_pool_gone(client->core.pool, slot, weir_now());
}

void weir_client_tell(weir_client *client)
{
    weir_waiting_event out;

    if (!weir_events_are_wanted(&client->core.events)) {
        return;
    }
    for (;;) {
        weir_mutex_lock(&client->core_lock);
        const bool has = weir_events_next(&client->core.events, &out);
        weir_mutex_unlock(&client->core_lock);
        if (!has) {
            return;
        }
        client->core.events.observer->tell(&out.event, client->core.events.observer->user);
    }
}
