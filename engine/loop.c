/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous front end: a turn (turn.h) with the system calls of epoll. One thread, one
 * descriptor, no callback but the observer's.
 *
 * Per turn and touched link: one recv as long as the socket gives full buffers, one send. Sockets
 * are registered once, edge-triggered; what is known of their readiness stays in the port until the
 * kernel says EAGAIN.
 */
#include "engine/loop.h"

#include "engine/given.h"
#include "engine/options.h"
#include "engine/orphan.h"
#include "engine/reading.h"
#include "engine/snapshot.h"

#define TURN_OCTETS  ((size_t)1 << 20)
#define ROUNDS_LIMIT 64

static weir_status begin_exchange(weir_loop *loop, const weir_request *request,
                                  const weir_call *call, weir_exchange_options asked,
                                  weir_exchange **exchange);
static weir_status loop_response(weir_exchange *ex);
static weir_status loop_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets);
static weir_status loop_write(weir_exchange *ex, weir_span octets, size_t *taken);
static weir_status loop_finish(weir_exchange *ex, const weir_fields *trailers);
static void loop_resume(weir_exchange *ex);
static void loop_kick(weir_exchange *ex);
static void let_go(weir_loop *loop, weir_exchange *ex);
static void loop_leave(weir_exchange *ex);
static void answered(void *user);
static weir_status begin(weir_loop *loop, const weir_loop_options *options);
static weir_status begin_turn(weir_loop *loop, const weir_loop_options *options);
static void never_told(const weir_event *event, void *user);
static size_t tell(weir_loop *loop, weir_loop_event *events, size_t room);
static size_t tell_observed(weir_loop *loop, weir_loop_event *events, size_t room);
static size_t record(weir_loop *loop, weir_events *from, weir_exchange *ex, weir_loop_event *events,
                     size_t room);
static void set_wake(weir_loop *loop);
static bool has_left(const weir_loop *loop);
static void close_everything(weir_loop *loop);

static const weir_front front = {
    .response = loop_response,
    .read = loop_read,
    .write = loop_write,
    .finish = loop_finish,
    .resume = loop_resume,
    .kick = loop_kick,
    .leave = loop_leave,
};

weir_loop *weir_loop_new(const weir_loop_options *given, weir_status *status)
{
    weir_loop_options options;
    weir_loop *loop = NULL;
    weir_status why = WEIR_E_INVALID;

    if (weir_loop_options_read(&options, given) == NULL) {
        loop = weir_alloc_zeroed(options.allocator, sizeof(*loop));
        why = loop != NULL ? begin(loop, &options) : WEIR_E_NOMEM;
    }
    if (why != WEIR_OK) {
        weir_loop_free(loop);
        loop = NULL;
    }
    if (status != NULL) {
        *status = why;
    }
    return loop;
}

void weir_loop_free(weir_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    const weir_status entered = weir_loop_enter(loop);
    if (entered == WEIR_E_STATE) {
        return; /* forked in the middle of a turn: nothing of it can be trusted */
    }
    if (entered != WEIR_OK) {
        weir_loop_forget_parent(
            loop); /* what there is is the parent's still, and hears no goodbye */
    }
    WEIR_ASSERT(!loop->in_turn);
    if (loop->turn.core.pool != NULL) {
        weir_loop_moved(loop);
        close_everything(loop);
        weir_events_tell(&loop->turn.core.events);
        weir_turn_clear(&loop->turn);
    }
    weir_loop_free_poller(loop);
    weir_fork_mark_free(loop->mark);
    weir_mutex_clear(&loop->inbox_lock);
    weir_release(loop->allocator, loop->records);
    weir_release(loop->allocator, loop->receive);
    weir_release(loop->allocator, loop);
}

weir_status weir_loop_submit(weir_loop *loop, const weir_request *request, const weir_call *call,
                             void *user, weir_exchange **exchange)
{
    const weir_exchange_options options = {.user = user};

    return begin_exchange(loop, request, call, options, exchange);
}

weir_status weir_loop_preconnect(weir_loop *loop, const weir_request *request,
                                 const weir_call *call, uint32_t exchanges, void *user,
                                 weir_exchange **exchange)
{
    const weir_exchange_options options = {.user = user, .warms = exchanges};

    *exchange = NULL;
    return exchanges > 0 ? begin_exchange(loop, request, call, options, exchange) : WEIR_E_INVALID;
}

static weir_status begin_exchange(weir_loop *loop, const weir_request *request,
                                  const weir_call *call, weir_exchange_options asked,
                                  weir_exchange **exchange)
{
    weir_exchange_options options = {
        .allocator = loop->allocator,
        .front = &front,
        .owner = loop,
        .user = asked.user,
        .warms = asked.warms,
        .id = loop->turn.core.next_exchange++,
        .observer = loop->observed_as_records ? &loop->record_observer : NULL,
        .now_ns = weir_now(),
    };
    weir_status status = WEIR_OK;

    *exchange = NULL;
    status = weir_loop_enter(loop);
    if (status != WEIR_OK) {
        return status;
    }
    if (weir_request_is_https(request) && !weir_call_brings_tls(call)) {
        options.tls = weir_shared_tls(loop->turn.core.shared, &status);
        if (options.tls == NULL) {
            return status;
        }
    }
    loop->turn.now_ns = options.now_ns;
    weir_exchange *ex = weir_turn_submit(&loop->turn, &options, request, call, &status);
    weir_tls_config_release(options.tls);
    if (ex == NULL) {
        return status;
    }
    if (ex->call.token != NULL) {
        weir_token_add(ex->call.token, ex);
    }
    if (!loop->in_turn) {
        weir_os_poller_signal(loop->poller);
    }
    *exchange = ex;
    return status;
}

int weir_loop_fd(const weir_loop *loop)
{
    (void)weir_loop_enter((weir_loop *)(uintptr_t)loop); /* the child of a fork has another */
    return weir_os_poller_fd(loop->poller);
}

size_t weir_loop_turn(weir_loop *loop, weir_loop_event *events, size_t room)
{
    if (weir_loop_enter(loop) != WEIR_OK) {
        return 0;
    }
    WEIR_ASSERT(!loop->in_turn);
    const bool was_spent = loop->budget_octets == 0;

    loop->in_turn = true;
    loop->record_count = 0;
    loop->budget_octets = loop->turn_octets;
    weir_loop_moved(loop);
    if (was_spent) {
        weir_loop_backlog(loop);
    }
    weir_loop_gather(loop);
    weir_turn_due(&loop->turn);
    for (int round = 0; round < ROUNDS_LIMIT; round++) {
        weir_turn_decide(&loop->turn);
        weir_loop_act(loop);
        if (!weir_turn_settle(&loop->turn)) {
            break;
        }
    }
    weir_loop_free_dead(loop);
    const size_t count = tell(loop, events, room);
    set_wake(loop);
    loop->in_turn = false;
    return count;
}

weir_time weir_loop_deadline(const weir_loop *loop)
{
    (void)weir_loop_enter((weir_loop *)(uintptr_t)loop);
    if (has_left(loop) || loop->budget_octets == 0) {
        return 0;
    }
    return weir_time_earlier(weir_turn_deadline(&loop->turn),
                             weir_channel_deadline(loop->channel, loop->turn.now_ns));
}

void weir_loop_wake(weir_loop *loop)
{
    if (!weir_fork_mark_is_ours(loop->mark)) {
        return; /* the descriptor is the parent's; the loop's own thread is about to notice */
    }
    weir_os_poller_signal(loop->poller);
}

void weir_loop_wait(weir_loop *loop, weir_time deadline_ns)
{
    weir_poll poll = {.fd = weir_loop_fd(loop), .events = WEIR_POLL_IN};

    (void)weir_os_poll(&poll, 1, deadline_ns);
}

weir_snapshot *weir_loop_snapshot(weir_loop *loop, weir_status *status)
{
    const weir_time now_ns = weir_now();

    const weir_status entered = weir_loop_enter(loop);
    if (entered != WEIR_OK) {
        return weir_snapshot_refused(entered, status);
    }
    weir_snapshot *snapshot = weir_core_snapshot(&loop->turn.core, now_ns);

    for (size_t i = 0; snapshot != NULL && i < snapshot->line_count; i++) {
        const weir_port *port = weir_slot_user(snapshot->lines[i].slot);
        if (port != NULL) {
            weir_core_snapshot_link(&loop->turn.core, &snapshot->lines[i], port->link, now_ns);
        }
        if (port != NULL && port->received_ns != 0) {
            snapshot->lines[i].connection.last_read_ns = weir_time_since(now_ns, port->received_ns);
        }
    }
    return weir_snapshot_taken(snapshot, status);
}

void weir_loop_counts(const weir_loop *loop, weir_counts *counts)
{
    (void)weir_loop_enter((weir_loop *)(uintptr_t)loop);
    weir_core_counts(&loop->turn.core, counts);
}

void weir_loop_metrics(const weir_loop *loop, weir_metrics *metrics)
{
    (void)weir_loop_enter((weir_loop *)(uintptr_t)loop);
    weir_core_metrics(&loop->turn.core, metrics);
}

weir_metrics_reading *weir_loop_metrics_reading(weir_loop *loop, weir_status *status)
{
    const weir_status entered = weir_loop_enter(loop);
    if (entered != WEIR_OK) {
        return weir_reading_refused(entered, status);
    }
    const size_t octets = weir_reading_octets(&loop->turn.core);
    weir_metrics_reading *reading = weir_reading_new(loop->allocator, octets);
    if (reading != NULL) {
        const bool is_whole = weir_reading_fill(reading, &loop->turn.core);
        WEIR_ASSERT(is_whole);
    }
    return weir_reading_taken(reading, status);
}

/* -- an exchange's user -- */

static weir_loop *loop_of(const weir_exchange *ex)
{
    return ex->owner;
}

/* The same at an entry of the loop's own thread. */
static weir_loop *enter(const weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);

    (void)weir_loop_enter(loop);
    return loop;
}

/* The user changed something between turns: the next turn has work. */
static void wake_if_left(weir_loop *loop)
{
    if (!loop->in_turn && has_left(loop)) {
        weir_os_poller_signal(loop->poller);
    }
}

/* Who held the exchange up until now, the caller, goes on: when, decides what it is charged with.
 */
static void caller_acts(weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);

    if (!loop->in_turn && weir_exchange_awaits_caller(ex)) {
        weir_loop_moved(loop);
    }
}

static weir_status loop_response(weir_exchange *ex)
{
    return weir_turn_response(&enter(ex)->turn, ex);
}

static weir_status loop_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets)
{
    weir_loop *loop = enter(ex);
    caller_acts(ex);
    const weir_status status = weir_turn_read(&loop->turn, ex, to, room, octets);

    wake_if_left(loop);
    return status;
}

static weir_status loop_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    weir_loop *loop = enter(ex);
    caller_acts(ex);
    const weir_status status = weir_turn_write(&loop->turn, ex, octets, taken);

    wake_if_left(loop);
    return status;
}

static weir_status loop_finish(weir_exchange *ex, const weir_fields *trailers)
{
    weir_loop *loop = enter(ex);
    caller_acts(ex);
    const weir_status status = weir_turn_finish(&loop->turn, ex, trailers);

    wake_if_left(loop);
    return status;
}

static void loop_resume(weir_exchange *ex)
{
    weir_loop *loop = enter(ex);

    caller_acts(ex);
    weir_turn_resume(&loop->turn, ex);
    wake_if_left(loop);
}

/* Any thread: into the inbox, and the descriptor becomes readable. */
static void loop_kick(weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);
    weir_turn_seat *seat = ex->seat;

    if (!weir_fork_mark_is_ours(loop->mark)) {
        return; /* it ends by itself when the loop's own thread notices the fork */
    }
    weir_mutex_lock(&loop->inbox_lock);
    if (weir_list_is_empty(&seat->kicked)) {
        weir_list_push_back(&loop->cancelled, &seat->kicked);
    }
    weir_mutex_unlock(&loop->inbox_lock);
    weir_os_poller_signal(loop->poller);
}

/* No token will kick it any more, nor did one. */
static void let_go(weir_loop *loop, weir_exchange *ex)
{
    weir_turn_seat *seat = ex->seat;

    if (ex->token != NULL) {
        weir_token_remove(ex->token, ex);
    }
    weir_mutex_lock(&loop->inbox_lock);
    weir_list_remove(&seat->kicked);
    weir_mutex_unlock(&loop->inbox_lock);
}

static void loop_leave(weir_exchange *ex)
{
    weir_loop *loop = enter(ex);

    let_go(loop, ex);
    if (loop->telling == ex) {
        loop->free_telling = true;
        weir_events_clear(&ex->events); /* of a freed exchange nothing more is told */
        return;
    }
    weir_turn_free_exchange(&loop->turn, ex);
    wake_if_left(loop);
}

/* -- birth and death -- */

static weir_status begin(weir_loop *loop, const weir_loop_options *options)
{
    weir_status status = WEIR_OK;

    loop->allocator = options->allocator;
    loop->mark = weir_fork_mark_new();
    loop->turn_octets = options->turn_octets != 0 ? options->turn_octets : TURN_OCTETS;
    loop->budget_octets = loop->turn_octets;
    loop->observed_as_records = options->observed_as_records;
    loop->record_observer =
        (weir_observer){.size = sizeof(weir_observer), .user = loop, .tell = never_told};
    weir_list_init(&loop->resolver_tags);
    weir_list_init(&loop->dead_tags);
    weir_list_init(&loop->cancelled);
    if (!weir_mutex_init(&loop->inbox_lock)) {
        return WEIR_E_NOMEM;
    }
    loop->receive = weir_alloc(loop->allocator, WEIR_LOOP_RECEIVE_OCTETS);
    loop->records = options->observed_as_records
                        ? weir_alloc(loop->allocator, RECORDS * sizeof(weir_waiting_event))
                        : NULL;
    if (loop->receive == NULL || (options->observed_as_records && loop->records == NULL)) {
        return WEIR_E_NOMEM;
    }
    loop->poller = weir_os_poller_new(loop->allocator, &status);
    if (loop->poller == NULL) {
        return status;
    }
    status = begin_turn(loop, options);
    if (status == WEIR_OK) {
        loop->resolver = options->resolver;
        loop->channel = weir_loop_new_channel(loop, &status);
    }
    return status;
}

static weir_status begin_turn(weir_loop *loop, const weir_loop_options *options)
{
    weir_status status = WEIR_OK;
    weir_core_options core = {
        .allocator = loop->allocator,
        .shared = weir_shared_for(options->shared, loop->allocator, &status),
        .observer = options->observer,
        .limits = options->limits,
        .metrics_series = options->metrics_series,
        .metrics_methods = options->metrics_methods,
    };

    if (options->observed_as_records && (core.observer == NULL || core.observer->tell == NULL)) {
        core.observer = &loop->record_observer;
    }

    if (core.shared != NULL) {
        weir_os_random(&core.seed, sizeof(core.seed));
        status = weir_turn_init(&loop->turn, &core);
        weir_shared_release(core.shared);
    }
    return status;
}

weir_channel *weir_loop_new_channel(weir_loop *loop, weir_status *status)
{
    const weir_channel_options channel = {
        .allocator = loop->allocator,
        .resolver = loop->resolver,
        .notify = answered,
        .user = loop,
    };

    return weir_channel_new(&channel, status);
}

/* Cancels what is under way without telling it, and closes every connection after one try at
 * goodbye. */
static void close_everything(weir_loop *loop)
{
    while (!weir_list_is_empty(&loop->turn.all)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(loop->turn.all.next, weir_turn_seat, all);
        weir_exchange *ex = seat->exchange;
        let_go(loop, ex);
        weir_exchange_fail_with(ex, WEIR_E_CLOSED, NULL, loop->turn.now_ns);
        weir_turn_forget(&loop->turn, ex);
        weir_exchange_outlive(ex);
    }
    weir_pool_shutdown(loop->turn.core.pool, loop->turn.now_ns);
    for (int round = 0; round < ROUNDS_LIMIT && !weir_list_is_empty(&loop->turn.ports); round++) {
        weir_turn_decide(&loop->turn);
        weir_loop_act(loop);
        (void)weir_turn_settle(&loop->turn);
    }
    while (!weir_list_is_empty(&loop->turn.ports)) {
        weir_loop_close_port(loop, WEIR_CONTAINER_OF(loop->turn.ports.next, weir_port, place));
        weir_turn_decide(&loop->turn);
    }
}

static void never_told(const weir_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void answered(void *user)
{
    weir_loop *loop = user;
    weir_os_poller_signal(loop->poller);
}

/* -- tell -- */

static size_t tell(weir_loop *loop, weir_loop_event *events, size_t room)
{
    size_t count = tell_observed(loop, events, room);

    if (loop->turn.core.events.observer == &loop->record_observer) {
        count += record(loop, &loop->turn.core.events, NULL, events + count, room - count);
    } else {
        weir_events_tell(&loop->turn.core.events);
    }
    if (loop->observed_as_records && (count == room || loop->record_count == RECORDS)) {
        return count; /* some may be left, and what they led to is not told before them */
    }
    while (count < room && weir_turn_next_told(&loop->turn, &events[count])) {
        count++;
    }
    return count;
}

/*
 * Observers first: an exchange's events come before what they led to. An observer may free any
 * exchange, so each seat goes back to the list before its events are told, and nothing is
 * remembered across the call.
 */
static size_t tell_observed(weir_loop *loop, weir_loop_event *events, size_t room)
{
    size_t count = 0;
    weir_list seats;

    weir_list_init(&seats);
    weir_list_splice(&seats, &loop->turn.telling);
    while (!weir_list_is_empty(&seats)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(seats.next, weir_turn_seat, telling);
        weir_exchange *ex = seat->exchange;
        weir_list_remove(&seat->telling);
        weir_list_push_back(&loop->turn.telling, &seat->telling);
        if (ex->events.observer == &loop->record_observer) {
            count += record(loop, &ex->events, ex, events + count, room - count);
            continue;
        }
        loop->telling = ex;
        loop->free_telling = false;
        weir_events_tell(&ex->events);
        loop->telling = NULL;
        if (loop->free_telling) {
            weir_turn_free_exchange(&loop->turn, ex);
        }
    }
    return count;
}

/* Events of an exchange, or of connections (NULL), as records of this turn; what finds no room is
 * left for the next. */
static size_t record(weir_loop *loop, weir_events *from, weir_exchange *ex, weir_loop_event *events,
                     size_t room)
{
    size_t count = 0;

    while (count < room && loop->record_count < RECORDS &&
           weir_events_next(from, &loop->records[loop->record_count])) {
        events[count++] = (weir_loop_event){
            .told = WEIR_TOLD_OBSERVED,
            .exchange = ex,
            .id = ex != NULL ? ex->id : 0,
            .user = ex != NULL ? ex->user : NULL,
            .observed = &loop->records[loop->record_count++].event,
        };
    }
    return count;
}

static bool has_left(const weir_loop *loop)
{
    return weir_turn_has_work(&loop->turn) || weir_turn_has_told(&loop->turn) ||
           weir_events_are_waiting(&loop->turn.core.events);
}

/* After a turn the descriptor is readable exactly if something is left, or when the next deadline
 * comes. */
static void set_wake(weir_loop *loop)
{
    weir_time at_ns = weir_turn_deadline(&loop->turn);

    weir_loop_watch_resolver(loop);
    at_ns = weir_time_earlier(at_ns, weir_channel_deadline(loop->channel, loop->turn.now_ns));
    weir_os_poller_set_timer(loop->poller, at_ns);
    if (has_left(loop) || loop->budget_octets == 0) {
        weir_os_poller_signal(loop->poller);
    }
}
