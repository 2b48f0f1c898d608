/* SPDX-License-Identifier: MIT */
/*
 * The calls of the blocking front end, and what the user of an exchange does.
 *
 * A call goes: place (sync_place.c), drive (baton.c), leave; and round again if the attempt may be
 * replayed. For as long as its thread is inside it has a seat, where a cancellation finds it.
 */
#include "engine/sync.h"

#include "engine/given.h"
#include "proto/alloc.h"

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
static void destroy(weir_client *client, weir_exchange *ex);
static weir_status sit(weir_client *client, weir_exchange *ex, weir_seat **seat);
static void stand(weir_client *client, weir_exchange *ex, weir_seat *seat);
static weir_status end_call(weir_client *client, weir_exchange *ex, weir_seat *seat,
                            weir_status status);
static bool run(weir_client *client, weir_exchange *ex, weir_seat *seat, weir_need need);
static bool await_writable(weir_client *client, weir_exchange *ex, weir_seat *seat,
                           weir_status *status);
static void end_attempt(weir_client *client, weir_exchange *ex);
static weir_client *client_of(weir_exchange *ex);
static bool is_of_parent(const weir_exchange *ex);
static weir_line *line_of(const weir_exchange *ex);
static void tell_events(weir_exchange *ex);
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
    if (ex != NULL) {
        ex->generation = client->generation;
        atomic_fetch_add(&client->exchanges, 1);
    }
    if (ex == NULL || ex->state == WEIR_EXCHANGE_DONE) {
        *exchange = ex == NULL || tell(ex) ? NULL : ex;
        return status;
    }
    weir_seat *seat = NULL;
    status = sit(client, ex, &seat);
    if (status != WEIR_OK) {
        destroy(client, ex);
        return status;
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

static weir_status sync_response(weir_exchange *ex)
{
    weir_client *client = client_of(ex);

    if (ex->head != NULL) {
        return WEIR_OK;
    }
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status;
    }
    weir_seat *seat = NULL;
    const weir_status sat = sit(client, ex, &seat);
    if (sat != WEIR_OK) {
        return sat;
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
    const weir_status sat = sit(client, ex, &seat);
    if (sat != WEIR_OK) {
        return sat;
    }
    while (status == WEIR_AGAIN) {
        (void)run(client, ex, seat, WEIR_NEED_READABLE);
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            weir_line *line = line_of(ex);
            weir_lock_take(&line->lock);
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
        return weir_exchange_why_no_more(ex);
    }
    weir_seat *seat = NULL;
    const weir_status sat = sit(client, ex, &seat);
    if (sat != WEIR_OK) {
        return sat;
    }
    while (*taken < octets.length && (status == WEIR_OK || status == WEIR_AGAIN)) {
        size_t now = 0;
        if (!await_writable(client, ex, seat, &status)) {
            return end_call(client, ex, seat, status);
        }
        weir_line *line = line_of(ex);
        weir_lock_take(&line->lock);
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
        return weir_exchange_why_no_more(ex);
    }
    weir_seat *seat = NULL;
    const weir_status sat = sit(client, ex, &seat);
    if (sat != WEIR_OK) {
        return sat;
    }
    while (status == WEIR_AGAIN) {
        if (!await_writable(client, ex, seat, &status)) {
            return end_call(client, ex, seat, status);
        }
        weir_line *line = line_of(ex);
        weir_lock_take(&line->lock);
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

    if (ex->token != NULL) { /* it was never given to one that was refused */
        weir_token_remove(ex->token, ex);
    }
    if (ex->telling) {
        ex->free_wanted = true;
        weir_events_clear(&ex->events); /* of a freed exchange nothing more is told */
        weir_cancel(ex);                /* the call that it waits in ends */
        return;
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_line *line = line_of(ex);
        weir_lock_take(&line->lock);
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, weir_now());
        weir_line_unlock(line);
        ex->call.replay = WEIR_REPLAY_NEVER;
        end_attempt(client, ex);
    }
    destroy(client, ex);
    weir_client_tell(client);
}

static void destroy(weir_client *client, weir_exchange *ex)
{
    weir_exchange_destroy(ex);
    atomic_fetch_sub(&client->exchanges, 1);
}

/* A seat for the length of a call. WEIR_E_STATE: its thread is in a call of it already, whose
 * observer asks. */
static weir_status sit(weir_client *client, weir_exchange *ex, weir_seat **seat)
{
    if (atomic_load(&ex->sits) != NULL) {
        return WEIR_E_STATE;
    }
    *seat = weir_client_take_seat(client, ex);
    if (*seat == NULL) {
        return WEIR_E_NOMEM;
    }
    ex->away_until_ns = weir_now();
    atomic_store(&ex->sits, *seat);
    return WEIR_OK;
}

static void stand(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    atomic_store(&ex->sits, NULL);
    weir_client_give_seat(client, seat);
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
        if (ex->state != WEIR_EXCHANGE_ATTACHED && ex->state != WEIR_EXCHANGE_ENDED) {
            weir_client_place(client, ex, seat);
        }
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            const bool has = weir_baton_drive(line_of(ex), ex, seat, need);
            if (!weir_exchange_is_over(ex)) {
                return has;
            }
        }
        end_attempt(client, ex);
    }
    return true;
}

/* Waits until its stream may take content. False: it will not, or not within this call; *status
 * says why. */
static bool await_writable(weir_client *client, weir_exchange *ex, weir_seat *seat,
                           weir_status *status)
{
    if (!run(client, ex, seat, WEIR_NEED_WRITABLE)) {
        *status = WEIR_AGAIN;
        return false;
    }
    if (ex->state != WEIR_EXCHANGE_ATTACHED) {
        *status = weir_exchange_why_no_more(ex);
        return false;
    }
    return true;
}

/*
 * DONE; or it has asked for another place by then. In one step with giving the old one back: those
 * who asked after it find it in front of them.
 */
static void end_attempt(weir_client *client, weir_exchange *ex)
{
    weir_slot *slot = ex->ticket.state == WEIR_TICKET_LEASED ? ex->ticket.slot : NULL;
    bool is_left = false;

    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        is_left = weir_baton_leave(line_of(ex), ex);
    }
    const bool again = weir_exchange_goes_again(ex);
    weir_mutex_lock(&client->core_lock);
    const uint32_t leases = slot != NULL ? weir_slot_leases(slot) : 0;
    weir_core_catch_up(&client->core, weir_now());
    if (again) {
        weir_client_ask(client, ex, true);
    } else {
        weir_core_leave(&client->core, ex, weir_now());
        weir_exchange_conclude(ex, false, weir_now());
    }
    if (!again && weir_core_must_conclude(ex)) {
        weir_core_concluded(&client->core, ex, weir_now());
    }
    /* Its stream may be nobody's now, for the peer allows fewer. Who was given it instead sees to it
     * that somebody reads. */
    if (is_left && weir_slot_leases(slot) < leases) {
        weir_client_call_keeper(client, slot);
    }
    weir_client_settle(client);
    weir_client_unlock(client);
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
    return weir_slot_user(ex->link->slot);
}

bool weir_client_has_to_tell(const weir_exchange *ex)
{
    return weir_events_are_wanted(&ex->events) && weir_events_are_waiting(&ex->events) &&
           !ex->telling && !ex->free_wanted;
}

void weir_client_tell_waiting(weir_client *client, weir_exchange *ex)
{
    ex->pool_lock = &client->core_lock;
    tell_events(ex);
    ex->pool_lock = NULL;
}

/* On its own thread, with no lock held. What its observer does may bring it here once more: the
 * first goes on telling. */
static void tell_events(weir_exchange *ex)
{
    if (weir_events_are_wanted(&ex->events) && !ex->telling && !ex->free_wanted) {
        ex->telling = true;
        weir_events_tell(&ex->events);
        ex->telling = false;
    }
}

/* Everything that happened to it and was not told while it waited. True: its observer freed it. */
static bool tell(weir_exchange *ex)
{
    weir_client *client = client_of(ex);

    tell_events(ex);
    const bool freed = ex->free_wanted && !ex->telling;
    if (freed) {
        sync_leave(ex);
    }
    weir_client_tell(client);
    return freed;
}
