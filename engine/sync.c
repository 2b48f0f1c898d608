/* SPDX-License-Identifier: MIT */
/*
 * The blocking front end: its calls, its birth and death. No event loop and no thread of its own:
 * who waits does the work.
 *
 * A call goes: place (sync_place.c), drive (baton.c), leave; and round again if the attempt may be
 * replayed.
 */
#include "engine/sync.h"

#include <string.h>

#include "engine/record.h"
#include "engine/snapshot.h"
#include "proto/alloc.h"

#define PROBE_AFTER_NS (WEIR_NS_PER_MS)
#define WAKES          32

static weir_status perform(weir_client *client, const weir_request *request, const weir_call *call,
                           uint32_t warms, weir_exchange **exchange);
static weir_status sync_response(weir_exchange *ex);
static weir_status sync_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets);
static weir_status sync_write(weir_exchange *ex, weir_span octets, size_t *taken);
static weir_status sync_finish(weir_exchange *ex, const weir_fields *trailers);
static void sync_resume(weir_exchange *ex);
static void sync_kick(weir_exchange *ex);
static void *sync_kick_quietly(weir_exchange *ex);
static void sync_rouse(void *seat);
static void sync_leave(weir_exchange *ex);
static weir_status begin(weir_client *client, const weir_client_options *options,
                         weir_shared *shared);
static void close_everything(weir_client *client);
static weir_seat *sit(weir_client *client, weir_exchange *ex);
static void stand(weir_client *client, weir_exchange *ex, weir_seat *seat);
static weir_status end_call(weir_client *client, weir_exchange *ex, weir_seat *seat,
                            weir_status status);
static bool run(weir_client *client, weir_exchange *ex, weir_seat *seat, weir_need need);
static bool end_attempt(weir_client *client, weir_exchange *ex);
static void close_line(weir_client *client, const weir_action *action);
static void close_unpinned(weir_client *client, weir_line *line);
static weir_client *client_of(weir_exchange *ex);
static bool is_of_parent(const weir_exchange *ex);
static weir_line *line_of(const weir_exchange *ex);
static bool tell(weir_exchange *ex);

static const weir_front front = {
    .response = sync_response,
    .read = sync_read,
    .write = sync_write,
    .finish = sync_finish,
    .resume = sync_resume,
    .kick = sync_kick,
    .kick_quietly = sync_kick_quietly,
    .rouse = sync_rouse,
    .leave = sync_leave,
};

weir_client *weir_client_new(const weir_client_options *given, weir_status *status)
{
    weir_client_options copy;
    const weir_client_options *options = &copy;
    weir_status ignored = WEIR_OK;

    status = status != NULL ? status : &ignored;
    if (!weir_record_read(&copy, sizeof(copy), given)) {
        *status = WEIR_E_INVALID;
        return NULL;
    }
    const weir_allocator *allocator =
        options->allocator != NULL ? options->allocator : weir_os_allocator();
    weir_client *client = weir_alloc_zeroed(allocator, sizeof(*client));
    *status = WEIR_E_NOMEM;
    if (client == NULL) {
        return NULL;
    }
    client->allocator = allocator;
    client->mark = weir_fork_mark_new();
    weir_held_init(&client->held, allocator);
    weir_list_init(&client->free_seats);
    weir_list_init(&client->seats);
    weir_list_init(&client->queued);
    weir_list_init(&client->drainers);
    weir_list_init(&client->lines);
    weir_list_init(&client->wakes);
    const weir_shared_options shared_options = {.size = sizeof(shared_options),
                                                .allocator = allocator};
    weir_shared *shared = options->shared != NULL ? weir_shared_acquire(options->shared)
                                                  : weir_shared_new(&shared_options, status);
    if (shared != NULL) {
        *status = begin(client, options, shared);
        weir_shared_release(shared);
    }
    if (*status != WEIR_OK) {
        weir_client_free(client);
        return NULL;
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
        client->core.pool = NULL; /* the parent's */
    } else if (client->core.pool != NULL) {
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

weir_status weir_client_call(weir_client *client, const weir_request *request,
                             const weir_call *call, weir_exchange **exchange)
{
    return perform(client, request, call, 0, exchange);
}

weir_status weir_client_preconnect(weir_client *client, const weir_request *request,
                                   const weir_call *call, uint32_t exchanges)
{
    weir_exchange *ex = NULL;

    if (exchanges == 0) {
        return WEIR_E_INVALID;
    }
    const weir_status status = perform(client, request, call, exchanges, &ex);
    weir_exchange_free(ex);
    return status;
}

/* A call; or, if it `warms`, the wish for connections without one. */
static weir_status perform(weir_client *client, const weir_request *request, const weir_call *call,
                           uint32_t warms, weir_exchange **exchange)
{
    weir_exchange_options options = {
        .allocator = client->allocator,
        .front = &front,
        .owner = client,
        .warms = warms,
        .now_ns = weir_now(),
    };
    weir_status status = WEIR_OK;

    *exchange = NULL;
    status = weir_client_enter(client);
    if (status != WEIR_OK) {
        return status;
    }
    if (weir_request_is_https(request) && !weir_call_brings_tls(call)) {
        options.tls = weir_shared_tls(client->core.shared, &status);
        if (options.tls == NULL) {
            return status;
        }
    }
    options.id = atomic_fetch_add(&client->next_exchange, 1);
    weir_exchange *ex = weir_exchange_new(&options, request, call, &status);
    weir_tls_config_release(options.tls);
    if (ex == NULL || ex->state == WEIR_EXCHANGE_DONE) {
        *exchange = ex == NULL || tell(ex) ? NULL : ex;
        return status;
    }
    ex->generation = client->generation;
    weir_seat *seat = sit(client, ex);
    if (seat == NULL) {
        weir_exchange_destroy(ex);
        return WEIR_E_NOMEM;
    }
    if (ex->call.token != NULL) {
        weir_token_add(ex->call.token, ex);
    }
    *exchange = ex;
    const bool writes = ex->body.kind == WEIR_BODY_STREAM;
    (void)run(client, ex, seat, writes ? WEIR_NEED_WRITABLE : WEIR_NEED_HEAD);
    if (writes && ex->state == WEIR_EXCHANGE_ATTACHED) {
        (void)run(client, ex, seat, WEIR_NEED_SENT);
    }
    /* What the call answers does not hang on how much came with the head: a failure behind it is
     * weir_read()'s. */
    status = ex->head != NULL ? WEIR_OK : ex->failure.status;
    stand(client, ex, seat);
    if (tell(ex)) {
        *exchange = NULL;
    }
    return status;
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
            /* Its own thread looks for it when it wakes (weir_client_place): woken only for an
             * observer. */
            weir_exchange *ex = WEIR_CONTAINER_OF(action.ticket, weir_exchange, ticket);
            weir_seat *seat = atomic_load(&ex->sits);
            if (seat != NULL && weir_events_are_wanted(&ex->events)) {
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

/* -- an exchange's user -- */

static weir_status sync_response(weir_exchange *ex)
{
    weir_client *client = client_of(ex);

    if (ex->head != NULL) {
        return WEIR_OK;
    }
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status;
    }
    weir_seat *seat = sit(client, ex);
    if (seat == NULL) {
        return WEIR_E_NOMEM;
    }
    (void)run(client, ex, seat, WEIR_NEED_HEAD);
    return end_call(client, ex, seat, ex->head != NULL ? WEIR_OK : ex->failure.status);
}

static weir_status sync_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets)
{
    weir_client *client = client_of(ex);
    weir_seat *seat = NULL;
    weir_status status = WEIR_AGAIN;

    if (ex->state == WEIR_EXCHANGE_DONE) {
        return weir_exchange_read(ex, to, room, weir_now(), octets);
    }
    seat = sit(client, ex);
    if (seat == NULL) {
        return WEIR_E_NOMEM;
    }
    while (status == WEIR_AGAIN) {
        (void)run(client, ex, seat, WEIR_NEED_READABLE);
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            weir_line *line = line_of(ex);
            weir_mutex_lock(&line->lock);
            status = weir_exchange_read(ex, to, room, weir_now(), octets);
            weir_line_deliver(line, ex); /* what was held back may have come on */
            weir_line_unlock(line);
        } else {
            status = weir_exchange_read(ex, to, room, weir_now(), octets);
        }
    }
    return end_call(client, ex, seat, status);
}

static weir_status sync_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    weir_client *client = client_of(ex);
    weir_status status = WEIR_OK;

    if (ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
    }
    weir_seat *seat = sit(client, ex);
    if (seat == NULL) {
        return WEIR_E_NOMEM;
    }
    while (*taken < octets.length && (status == WEIR_OK || status == WEIR_AGAIN)) {
        size_t now = 0;
        if (!run(client, ex, seat, WEIR_NEED_WRITABLE)) {
            return end_call(client, ex, seat, WEIR_AGAIN);
        }
        if (ex->state != WEIR_EXCHANGE_ATTACHED) {
            status = ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
            break;
        }
        weir_line *line = line_of(ex);
        weir_mutex_lock(&line->lock);
        status = weir_exchange_write(ex, weir_span_from(octets, *taken), weir_now(), &now);
        weir_line_unlock(line);
        *taken += now;
    }
    if (status == WEIR_OK || status == WEIR_AGAIN) {
        (void)run(client, ex, seat, WEIR_NEED_SENT);
        status = ex->failure.status;
    }
    return end_call(client, ex, seat, status);
}

static weir_status sync_finish(weir_exchange *ex, const weir_fields *trailers)
{
    weir_client *client = client_of(ex);
    weir_status status = WEIR_AGAIN;

    if (ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
    }
    weir_seat *seat = sit(client, ex);
    if (seat == NULL) {
        return WEIR_E_NOMEM;
    }
    while (status == WEIR_AGAIN) {
        if (!run(client, ex, seat, WEIR_NEED_WRITABLE)) {
            return end_call(client, ex, seat, WEIR_AGAIN);
        }
        if (ex->state != WEIR_EXCHANGE_ATTACHED) {
            status = ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
            break;
        }
        weir_line *line = line_of(ex);
        weir_mutex_lock(&line->lock);
        status = weir_exchange_finish(ex, trailers, weir_now());
        weir_line_unlock(line);
    }
    if (status == WEIR_OK) {
        (void)run(client, ex, seat, WEIR_NEED_SENT);
        status = ex->failure.status;
    }
    return end_call(client, ex, seat, status);
}

static void sync_resume(weir_exchange *ex)
{
    (void)ex; /* a source of a blocking call waits inside its own read */
}

static void sync_kick(weir_exchange *ex)
{
    weir_seat *seat = is_of_parent(ex) ? NULL : atomic_load(&ex->sits);

    if (seat != NULL) {
        weir_seat_kick(seat, ex);
    }
}

static void *sync_kick_quietly(weir_exchange *ex)
{
    weir_seat *seat = is_of_parent(ex) ? NULL : atomic_load(&ex->sits);

    return seat != NULL && weir_seat_kick_quietly(seat, ex) ? seat : NULL;
}

static void sync_rouse(void *seat)
{
    weir_seat_rouse(seat);
}

static void sync_leave(weir_exchange *ex)
{
    weir_client *client = client_of(ex);

    if (ex->call.token != NULL) {
        weir_token_remove(ex->call.token, ex);
        ex->call.token = NULL;
    }
    if (ex->telling) {
        ex->free_wanted = true;
        weir_events_clear(&ex->events); /* of a freed exchange nothing more is told */
        return;
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_line *line = line_of(ex);
        weir_mutex_lock(&line->lock);
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, weir_now());
        weir_line_unlock(line);
        ex->call.replay = WEIR_REPLAY_NEVER;
        (void)end_attempt(client, ex);
    }
    weir_exchange_destroy(ex);
    weir_client_tell(client);
}

/* -- birth and death -- */

static weir_status begin(weir_client *client, const weir_client_options *options,
                         weir_shared *shared)
{
    weir_core_options core = {
        .allocator = client->allocator,
        .shared = shared,
        .observer = options->observer,
        .limits = options->limits,
    };

    if (!weir_mutex_init(&client->core_lock)) {
        return WEIR_E_NOMEM;
    }
    atomic_init(&client->next_exchange, 1);
    client->resolver = options->resolver;
    client->probe_after_ns =
        options->probe_after_ns != 0 ? options->probe_after_ns : PROBE_AFTER_NS;
    if (options->hooks != NULL) {
        weir_wait_hooks *hooks = &client->hooks_copy;
        if (!weir_record_read(hooks, sizeof(*hooks), options->hooks) || hooks->wait == NULL ||
            hooks->park == NULL || hooks->wake == NULL) {
            return WEIR_E_INVALID;
        }
        client->hooks = &client->hooks_copy;
    }
    weir_os_random(&core.seed, sizeof(core.seed));
    return weir_core_init(&client->core, &core);
}

static void close_everything(weir_client *client)
{
    const weir_time now_ns = weir_now();

    weir_mutex_lock(&client->core_lock);
    weir_pool_shutdown(client->core.pool, now_ns);
    weir_client_settle(client);
    WEIR_ASSERT(weir_list_is_empty(&client->lines)); /* every exchange was freed before */
    weir_client_unlock(client);
}

/* -- calls -- */

/* A seat for the length of a call. */
static weir_seat *sit(weir_client *client, weir_exchange *ex)
{
    weir_seat *seat = weir_client_take_seat(client, ex);

    if (seat != NULL) {
        ex->away_until_ns = weir_now();
        atomic_store(&ex->sits, seat);
    }
    return seat;
}

static void stand(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    atomic_store(&ex->sits, NULL);
    weir_client_give_seat(client, seat);
}

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

static weir_status end_call(weir_client *client, weir_exchange *ex, weir_seat *seat,
                            weir_status status)
{
    stand(client, ex, seat);
    (void)tell(ex);
    return status;
}

/* Places, drives, and when the attempt is over takes it off and perhaps goes round again. False:
 * the caller must read first. */
static bool run(weir_client *client, weir_exchange *ex, weir_seat *seat, weir_need need)
{
    while (ex->state != WEIR_EXCHANGE_DONE) {
        if (ex->state == WEIR_EXCHANGE_NEW) {
            weir_client_place(client, ex, seat);
        }
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            const bool has = weir_baton_drive(line_of(ex), ex, seat, need);
            if (!weir_exchange_is_over(ex)) {
                return has;
            }
        }
        if (!end_attempt(client, ex)) {
            return true;
        }
    }
    return true;
}

/* True: another attempt begins. */
static bool end_attempt(weir_client *client, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_baton_leave(line_of(ex), ex);
    }
    weir_mutex_lock(&client->core_lock);
    weir_core_catch_up(&client->core, weir_now());
    weir_core_leave(&client->core, ex, weir_now());
    weir_client_settle(client);
    weir_client_unlock(client);
    if (!weir_exchange_conclude(ex, weir_now())) {
        if (weir_core_must_conclude(ex)) {
            weir_mutex_lock(&client->core_lock);
            weir_core_concluded(&client->core, ex, weir_now());
            weir_client_unlock(client);
        }
        return false;
    }
    ex->state = WEIR_EXCHANGE_NEW;
    return true;
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
        /* Nobody waits for it any more and another origin needs its place: who runs the dial ends
         * it. */
        line->dial->given_up = true;
        weir_client_wake_later(client, line->dial->dialer);
        return;
    }
    line->close_reason = action->reason;
    line->close_unfit = action->unfit;
    line->close_waits = true;
    if (line->pins == 0) {
        close_unpinned(client, line);
    }
}

static void close_unpinned(weir_client *client, weir_line *line)
{
    weir_slot *slot = line->slot;
    const bool unfit = line->close_unfit;

    const weir_lesson lesson = weir_core_learn(slot);

    weir_slot_set_user(slot, NULL);
    line->slot = NULL;
    weir_client_unlock(client);
    /* The slot, and with it the origin's key, stays until the pool is told that it is gone. */
    weir_core_remember(&client->core, slot, lesson);
    weir_line_close(line, weir_now());
    weir_mutex_lock(&client->core_lock);
    weir_pool_gone(client->core.pool, slot, weir_now());
    if (unfit) {
        weir_client_wake_queued(client);
    }
}

/* At each entry of an exchange: one of the parent's ends here. */
static weir_client *client_of(weir_exchange *ex)
{
    weir_client *client = ex->owner;

    (void)weir_client_enter(client);
    if (ex->generation != client->generation) {
        weir_client_cut_off(client, ex);
    }
    return client;
}

/* A kick may come from any thread, and finds nobody in the child of a fork: whoever sat there is in
 * the parent. */
static bool is_of_parent(const weir_exchange *ex)
{
    const weir_client *client = ex->owner;

    return !weir_fork_mark_is_ours(client->mark) || ex->generation != client->generation;
}

static weir_line *line_of(const weir_exchange *ex)
{
    return ex->link->driver;
}

/* Everything that happened to it, on its own thread, with no lock held. True: its observer freed
 * it. */
static bool tell(weir_exchange *ex)
{
    weir_client *client = client_of(ex);
    bool freed = false;

    if (weir_events_are_wanted(&ex->events)) {
        ex->telling = true;
        weir_events_tell(&ex->events);
        ex->telling = false;
        freed = ex->free_wanted;
        if (freed) {
            sync_leave(ex);
        }
    }
    weir_client_tell(client);
    return freed;
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
