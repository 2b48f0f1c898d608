/* SPDX-License-Identifier: MIT */
/*
 * From submitted to attached in the blocking front end: the pool and the queue. Who waits runs the
 * dials that were given to it (sync_dialer.c).
 */
#include "engine/sync.h"

/* A wait that is told of changes wakes its thread for each: so many at once, and then no more than
 * one in so long. */
#define TOLD_AT_ONCE  16
#define TOLD_EVERY_NS (10 * WEIR_NS_PER_MS)

static void wait_for_place(weir_client *client, weir_exchange *ex, weir_seat *seat);
static bool has_to_tell(const weir_exchange *ex);
static void step_aside(weir_client *client, const weir_exchange *ex, weir_seat *seat);
static void attach(weir_client *client, weir_exchange *ex, weir_seat *seat);
static bool has_left(weir_client *client, weir_exchange *ex, weir_time now_ns,
                     weir_time *deadline_ns);
static weir_time note_reason(weir_exchange *ex, weir_time now_ns);
static bool stays(const weir_exchange *ex, weir_time now_ns, weir_time *deadline_ns);
static void refuse(weir_client *client, weir_exchange *ex, weir_status status, weir_time now_ns);

void weir_client_place(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    if (ex->state == WEIR_EXCHANGE_NEW) {
        weir_mutex_lock(&client->core_lock);
        weir_client_ask(client, ex, false);
        weir_client_settle(client);
        weir_client_unlock(client);
    }
    while (ex->state != WEIR_EXCHANGE_ATTACHED && ex->state != WEIR_EXCHANGE_ENDED) {
        wait_for_place(client, ex, seat);
        if (ex->state == WEIR_EXCHANGE_PLACED) {
            attach(client, ex, seat);
        }
    }
}

void weir_client_ask(weir_client *client, weir_exchange *ex, bool again)
{
    const weir_time now_ns = weir_now();
    weir_why why = WEIR_WHY_NONE;

    if (weir_pool_deadline(client->core.pool, &why) <= now_ns) {
        weir_pool_tick(client->core.pool, now_ns);
    }
    if (again) {
        weir_core_again(&client->core, ex, now_ns);
    } else {
        weir_core_place(&client->core, ex, now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_PLACED) {
        const weir_line *line = weir_slot_user(ex->ticket.slot);
        weir_names_catch_up(&client->core.names, line->link, now_ns);
    }
}

/*
 * QUEUED: runs the dials that were given to this thread, else reads what nobody reads, else parks.
 * Before it sleeps its observer is told what happened: who looks at a call that waits sees why. A
 * wake-up that comes meanwhile is remembered by the seat.
 */
static void wait_for_place(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    weir_status waited = WEIR_OK;

    for (;;) {
        const weir_time now_ns = weir_now();
        weir_time deadline_ns = WEIR_NEVER;

        /* In this order: who no longer waits is given no more dials. */
        const bool left = has_left(client, ex, now_ns, &deadline_ns);
        weir_dialer_take(client, seat);
        if (left && (weir_list_is_empty(&seat->dialing) || waited != WEIR_OK ||
                     !stays(ex, now_ns, &deadline_ns))) {
            weir_dialer_leave(client, ex, seat);
            return;
        }
        if (weir_dialer_move(client, ex, seat)) {
            continue; /* one came to its end */
        }
        if (has_to_tell(ex)) {
            step_aside(client, ex, seat);
            weir_client_tell_waiting(client, ex);
            continue; /* much may have come in the meantime */
        }
        if (weir_list_is_empty(&seat->dialing)) {
            if (!weir_client_keep_vigil(client, ex, seat, &deadline_ns, &waited)) {
                weir_seat_park(seat, deadline_ns);
            }
            if (waited != WEIR_OK) {
                refuse(client, ex, waited, now_ns);
            }
            continue;
        }
        waited = weir_dialer_wait(client, seat, deadline_ns);
        if (waited != WEIR_OK) {
            refuse(client, ex, waited, now_ns);
        }
    }
}

/* Not if it waits inside its own observer, which is told the rest afterwards. */
static bool has_to_tell(const weir_exchange *ex)
{
    return weir_events_are_waiting(&ex->events) && !ex->telling && !ex->free_wanted;
}

/* Nobody hangs on how long an observer takes: others keep the pool's time meanwhile, and the vigil. */
static void step_aside(weir_client *client, const weir_exchange *ex, weir_seat *seat)
{
    weir_mutex_lock(&client->core_lock);
    weir_list_remove(&seat->place);
    weir_client_pass_vigil_on(client, ex, seat);
    weir_client_unlock(client);
}

/* PLACED: a look at the connection if it was idle for long, then the stream; a lease that was stale
 * goes back. */
static void attach(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    weir_line *line = weir_slot_user(ex->ticket.slot);
    weir_time now_ns = weir_now();

    /* A clock that is read twice may tell the same nanosecond: "always" does not depend on it. */
    const bool always = client->probe_after_ns == WEIR_PROBE_ALWAYS;

    weir_lock_take(&line->lock);
    if (ex->ticket.reused && !line->reading &&
        (always || weir_time_since(now_ns, line->used_ns) >= client->probe_after_ns)) {
        weir_baton_probe(line, seat->receive, WEIR_SEAT_RECEIVE_OCTETS, now_ns);
    }
    weir_bin_move(&seat->bin, &line->bin, WEIR_SEAT_CHUNKS);
    const weir_status status = weir_exchange_attach(ex, line->link, now_ns);
    if (status != WEIR_OK) {
        weir_baton_give_back(line, seat);
    }
    line->watched = line->watched || seat->fills;
    const bool is_left = status != WEIR_OK && weir_line_is_left(line);
    const weir_facts facts = weir_link_facts(line->link);
    if (status == WEIR_E_NOT_ACCEPTING) {
        line->facts_version = facts.version;
    }
    weir_line_unlock(line);
    if (status == WEIR_OK) {
        return;
    }
    weir_slot *slot = ex->ticket.slot;
    weir_mutex_lock(&client->core_lock);
    if (status == WEIR_E_NOT_ACCEPTING) {
        weir_core_bounced(&client->core, ex, &facts, now_ns);
    }
    if (is_left) {
        weir_client_call_keeper(client, slot); /* this one may be gone before it looks there */
    }
    weir_client_settle(client);
    weir_client_unlock(client);
}

/*
 * Has the exchange no more reason to wait: granted, refused, cancelled, out of time? What the pool
 * says to its ticket is taken over here, by its own thread: whoever settles the pool only wakes it.
 * *deadline_ns: when to ask again.
 */
static bool has_left(weir_client *client, weir_exchange *ex, weir_time now_ns,
                     weir_time *deadline_ns)
{
    weir_seat *seat = atomic_load(&ex->sits);
    weir_time look_ns = WEIR_NEVER;
    weir_why why = WEIR_WHY_NONE;

    weir_mutex_lock(&client->core_lock);
    if (weir_pool_deadline(client->core.pool, &why) <= now_ns) {
        weir_pool_tick(
            client->core.pool,
            now_ns); /* a pause after a failed dial is over: nobody else may be awake to see it */
        weir_client_settle(client);
    }
    weir_client_call_keepers(client, now_ns);
    if (ex->state == WEIR_EXCHANGE_QUEUED) {
        weir_core_granted(&client->core, ex, now_ns);
        look_ns = note_reason(ex, now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_QUEUED && !weir_exchange_is_over(ex)) {
        if (atomic_load(&ex->cancel_wanted)) {
            weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, now_ns);
        } else if (weir_exchange_deadline(ex, &why) <= now_ns) {
            weir_exchange_expire(ex, now_ns);
        }
    }
    if (ex->state == WEIR_EXCHANGE_QUEUED && weir_exchange_is_over(ex)) {
        weir_list_remove(&seat->place);
        weir_client_pass_vigil_on(client, ex, seat); /* as long as it is known where it waited */
        weir_core_leave(&client->core, ex, now_ns);
        ex->state = WEIR_EXCHANGE_ENDED;
        weir_client_settle(client);
    }
    const bool left = ex->state != WEIR_EXCHANGE_QUEUED;
    weir_list_remove(&seat->place);
    seat->fills = ex->state == WEIR_EXCHANGE_PLACED && weir_slot_is_dry(ex->ticket.slot) &&
                  weir_pool_next_waiting(ex->ticket.slot, NULL) != NULL;
    if (left || !weir_list_is_empty(&seat->dials) || !weir_list_is_empty(&seat->dialing)) {
        weir_client_pass_vigil_on(client, ex, seat); /* it has something else to wait for */
    }
    *deadline_ns = WEIR_NEVER;
    if (!left) {
        weir_list_push_back(&client->queued, &seat->place);
        *deadline_ns = weir_time_earlier(weir_exchange_deadline(ex, &why),
                                         weir_pool_deadline(client->core.pool, &why));
        *deadline_ns = weir_time_earlier(*deadline_ns, client->call_ns);
        *deadline_ns = weir_time_earlier(*deadline_ns, look_ns);
        seat->looks_at_ns = *deadline_ns;
    }
    weir_client_unlock(client);
    return left;
}

/*
 * What it waits for now, if that is not what was told last. After many changes in a short time it is
 * told later, and then what it waits for by then. When to look again; nobody wakes its thread for it
 * in between.
 */
static weir_time note_reason(weir_exchange *ex, weir_time now_ns)
{
    const weir_reason reason = weir_pool_waits_for(&ex->ticket);
    const weir_time ahead_ns = (TOLD_AT_ONCE - 1) * TOLD_EVERY_NS;

    ex->waiting_later = false;
    if (!weir_events_are_wanted(&ex->events) || ex->state != WEIR_EXCHANGE_QUEUED ||
        reason == WEIR_REASON_NONE || reason == ex->waiting_told) {
        return WEIR_NEVER;
    }
    if (weir_time_since(ex->waiting_paid_ns, now_ns) > ahead_ns) {
        ex->waiting_later = true;
        return weir_time_since(ex->waiting_paid_ns, ahead_ns);
    }
    weir_exchange_tell_waiting(ex, now_ns);
    ex->waiting_paid_ns =
        weir_time_add(ex->waiting_paid_ns > now_ns ? ex->waiting_paid_ns : now_ns, TOLD_EVERY_NS);
    return WEIR_NEVER;
}

/*
 * A wish of which one dial failed, or that is content with what others dialled, knows its answer, and
 * its own dials go on: they are no worse for it. Its own limits and its token still end them.
 */
static bool stays(const weir_exchange *ex, weir_time now_ns, weir_time *deadline_ns)
{
    if (ex->warms == 0 || atomic_load(&ex->cancel_wanted)) {
        return false;
    }
    *deadline_ns = weir_time_earlier(ex->call.deadline_ns,
                                     weir_time_add(ex->phase_since_ns, ex->call.queue_ns));
    return now_ns < *deadline_ns;
}

/* Its thread cannot wait. Unless it need not any more: what came meanwhile is taken first. */
static void refuse(weir_client *client, weir_exchange *ex, weir_status status, weir_time now_ns)
{
    weir_mutex_lock(&client->core_lock);
    weir_core_granted(&client->core, ex, now_ns);
    if (ex->state == WEIR_EXCHANGE_QUEUED) {
        weir_exchange_fail_with(ex, status, NULL, now_ns);
    }
    weir_mutex_unlock(&client->core_lock);
}
