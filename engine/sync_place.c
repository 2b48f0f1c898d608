/* SPDX-License-Identifier: MIT */
/*
 * From submitted to attached in the blocking front end: the pool, the queue, and the dial that a
 * waiting thread runs itself.
 *
 * The thread whose ticket caused a dial runs it. When it leaves before the dial is over (cancelled,
 * out of time, or granted another connection meanwhile) and others wait for it, it hands the dial
 * to one of them; if nobody can take it, the dial ends and the pool, told that its slot is gone,
 * decides anew.
 */
#include "engine/sync.h"

#include "proto/alloc.h"

#define POLLS_LIMIT 32
#define CLOSING_NS  (WEIR_NS_PER_SECOND)

typedef enum dial_end { DIAL_READY, DIAL_FAILED, DIAL_LEFT } dial_end;

static weir_exchange *cause_of(const weir_action *action);
static weir_line *new_line(weir_client *client, weir_action *action, weir_status *status);
static void give(weir_line *line, weir_seat *seat);
static weir_line *take_dial(weir_client *client, weir_seat *seat);
static void wait_for_place(weir_client *client, weir_exchange *ex, weir_seat *seat);
static void attach(weir_client *client, weir_exchange *ex, weir_seat *seat);
static void run_dial(weir_client *client, weir_line *line, weir_exchange *ex, weir_seat *seat);
static bool begin_dial(weir_line *line, weir_exchange *ex, weir_status *status);
static dial_end drive_dial(weir_line *line, weir_exchange *ex, weir_seat *seat);
static bool begin_lookup(weir_line *line, weir_time now_ns);
static void take_answers(weir_line *line, weir_time now_ns);
static void start_attempts(weir_line *line, weir_time now_ns);
static void wait_on_dial(weir_line *line, weir_exchange *ex, weir_seat *seat, weir_time now_ns,
                         weir_time deadline_ns);
static void attempts_ready(weir_line *line, const weir_poll *polls, size_t count, weir_time now_ns);
static void shake_hands(weir_line *line, uint8_t *room, weir_time now_ns);
static void end_dial(weir_line *line);
static void close_attempt(weir_line *line, size_t index, int sys_errno);
static bool open_line(weir_client *client, weir_line *line, weir_time now_ns);
static bool hand_over(weir_client *client, weir_line *line, const weir_exchange *from);
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but);
static void give_to(weir_client *client, weir_line *line, weir_exchange *heir);
static bool has_left(weir_client *client, weir_exchange *ex, weir_time now_ns,
                     weir_time *deadline_ns);
static void refuse(weir_client *client, weir_exchange *ex, weir_status status, weir_time now_ns);

void weir_client_place(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    const weir_time now_ns = weir_now();
    weir_why why = WEIR_WHY_NONE;

    weir_mutex_lock(&client->core_lock);
    if (weir_pool_deadline(client->core.pool, &why) <= now_ns) {
        weir_pool_tick(client->core.pool, now_ns);
    }
    weir_core_place(&client->core, ex, now_ns);
    if (ex->state == WEIR_EXCHANGE_PLACED) {
        const weir_line *line = weir_slot_user(ex->ticket.slot);
        weir_names_catch_up(&client->core.names, line->link, now_ns);
    }
    weir_client_settle(client);
    weir_client_unlock(client);
    while (ex->state != WEIR_EXCHANGE_ATTACHED && ex->state != WEIR_EXCHANGE_ENDED) {
        wait_for_place(client, ex, seat);
        if (ex->state == WEIR_EXCHANGE_PLACED) {
            attach(client, ex, seat);
        }
    }
}

void weir_client_dial(weir_client *client, weir_action *action)
{
    weir_failure failure = {.tls_alert = -1, .offset = WEIR_UNKNOWN};

    weir_line *line = new_line(client, action, &failure.status);
    if (line == NULL) {
        weir_pool_dial_failed(client->core.pool, action->slot, &failure, weir_now());
        weir_client_wake_queued(client);
        return;
    }
    weir_exchange *cause = cause_of(action);
    weir_seat *seat = atomic_load(&cause->sits);
    WEIR_ASSERT(seat != NULL); /* it is inside a call, or its ticket would not wait */
    if (seat->is_dialing || !weir_list_is_empty(&seat->dials)) {
        /* It has another's dial already: this one begins sooner with somebody else, if there is
         * one. */
        weir_exchange *other = find_heir(line->slot, cause);
        if (other != NULL) {
            give_to(client, line, other);
            return;
        }
    }
    give(line, seat);
}

void weir_line_close(weir_line *line, weir_time now_ns)
{
    weir_client *client = line->client;
    weir_account account;
    weir_want want;

    end_dial(line);
    weir_link_close(line->link, CLOSING_NS, now_ns);
    if (line->fd >= 0) {
        /* One try at goodbye; a peer that does not read is not waited for. */
        weir_link_want(line->link, &want);
        if (want.out[0].length > 0) {
            const weir_io io =
                weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
            if (io.kind == WEIR_IO_OK) {
                weir_link_sent(line->link, io.octets, now_ns);
            } else if (io.kind == WEIR_IO_FAILED) {
                weir_link_error_taken(line->link,
                                      io.sys_errno); /* recv says 0 behind it, and that is no FIN */
            }
        }
    }
    weir_link_account(line->link, line->fd, &account);
    if (line->fd >= 0) {
        account.local_port = weir_os_local_port(line->fd);
        weir_held_strike(&client->held, line->fd);
        weir_os_close(line->fd);
    }
    weir_mutex_lock(&client->core_lock);
    weir_core_closed(&client->core, line->link, &account, line->close_reason, now_ns);
    weir_list_remove(&line->place);
    weir_mutex_unlock(&client->core_lock);
    if (line->dial != NULL) {
        weir_dialing_free(line->dial->dialing);
        weir_release(client->allocator, line->dial);
    }
    weir_link_free(line->link);
    weir_bin_clear(&line->bin);
    weir_mutex_clear(&line->lock);
    weir_release(client->allocator, line);
}

/* Whose ticket or wish a dial is for: it waits, or the dial would not have been ordered. */
static weir_exchange *cause_of(const weir_action *action)
{
    if (action->ticket != NULL) {
        WEIR_ASSERT(action->ticket->state == WEIR_TICKET_WAITING);
        return WEIR_CONTAINER_OF(action->ticket, weir_exchange, ticket);
    }
    WEIR_ASSERT(action->wish != NULL && action->wish->state == WEIR_WARMTH_WAITING);
    return WEIR_CONTAINER_OF(action->wish, weir_exchange, wish);
}

static weir_line *new_line(weir_client *client, weir_action *action, weir_status *status)
{
    const weir_exchange *cause = cause_of(action);
    weir_line *line = weir_alloc_zeroed(client->allocator, sizeof(*line));
    weir_line_dial *dial = weir_alloc_zeroed(client->allocator, sizeof(*dial));

    *status = WEIR_E_NOMEM;
    if (line == NULL || dial == NULL || !weir_mutex_init(&line->lock)) {
        weir_release(client->allocator, dial);
        weir_release(client->allocator, line);
        return NULL;
    }
    line->dial = dial;
    dial->line = line;
    line->client = client;
    line->slot = action->slot;
    line->fd = -1;
    weir_list_init(&line->place);
    weir_list_init(&dial->given);
    weir_list_init(&line->waiting);
    weir_list_init(&line->wakes);
    weir_bin_init(&line->bin, client->allocator, WEIR_SEAT_CHUNKS);
    line->link = weir_core_link(&client->core, action->slot, &line->bin, cause, status);
    if (line->link == NULL) {
        weir_mutex_clear(&line->lock);
        weir_release(client->allocator, dial);
        weir_release(client->allocator, line);
        return NULL;
    }
    line->link->driver = line;
    weir_list_push_back(&client->lines, &line->place);
    weir_slot_set_user(action->slot, line);
    return line;
}

/* With the core's lock. */
static void give(weir_line *line, weir_seat *seat)
{
    weir_list_push_back(&seat->dials, &line->dial->given);
    line->dial->dialer = seat;
    weir_client_wake_later(line->client, seat);
}

static weir_line *take_dial(weir_client *client, weir_seat *seat)
{
    weir_line *line = NULL;

    weir_mutex_lock(&client->core_lock);
    if (!weir_list_is_empty(&seat->dials)) {
        line = WEIR_CONTAINER_OF(seat->dials.next, weir_line_dial, given)->line;
        weir_list_remove(&line->dial->given);
    }
    seat->is_dialing = line != NULL;
    weir_mutex_unlock(&client->core_lock);
    return line;
}

/* QUEUED: runs a dial that was given to this thread, else parks. */
static void wait_for_place(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    for (;;) {
        weir_time deadline_ns = WEIR_NEVER;

        /* In this order: who no longer waits is given no more dials. */
        const bool left = has_left(client, ex, weir_now(), &deadline_ns);
        weir_line *line = take_dial(client, seat);
        if (line != NULL) {
            run_dial(client, line, ex, seat);
            continue;
        }
        if (left) {
            return;
        }
        weir_seat_park(seat, deadline_ns);
    }
}

/* PLACED: a look at the connection if it was idle for long, then the stream; a lease that was stale
 * goes back. */
static void attach(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    weir_line *line = weir_slot_user(ex->ticket.slot);
    weir_time now_ns = weir_now();

    /* A clock that is read twice may tell the same nanosecond: "always" does not depend on it. */
    const bool always = client->probe_after_ns == WEIR_PROBE_ALWAYS;

    weir_mutex_lock(&line->lock);
    if (ex->ticket.reused && !line->reading &&
        (always || weir_time_since(now_ns, line->used_ns) >= client->probe_after_ns)) {
        weir_baton_probe(line, seat->receive, WEIR_SEAT_RECEIVE_OCTETS, now_ns);
    }
    weir_bin_move(&seat->bin, &line->bin, WEIR_SEAT_CHUNKS);
    const weir_status status = weir_exchange_attach(ex, line->link, now_ns);
    if (status != WEIR_OK) {
        weir_baton_give_back(line, seat);
    }
    const weir_facts facts = weir_link_facts(line->link);
    if (status == WEIR_E_NOT_ACCEPTING) {
        line->facts_version = facts.version;
    }
    weir_line_unlock(line);
    if (status != WEIR_E_NOT_ACCEPTING) {
        return;
    }
    weir_mutex_lock(&client->core_lock);
    weir_core_bounced(&client->core, ex, &facts, now_ns);
    weir_client_settle(client);
    weir_client_unlock(client);
}

static void run_dial(weir_client *client, weir_line *line, weir_exchange *ex, weir_seat *seat)
{
    weir_failure failure = {.tls_alert = -1, .offset = WEIR_UNKNOWN};
    weir_time deadline_ns = WEIR_NEVER;
    weir_slot *slot = line->slot;
    dial_end end = DIAL_LEFT;

    if (!has_left(client, ex, weir_now(), &deadline_ns)) {
        end = begin_dial(line, ex, &failure.status) ? drive_dial(line, ex, seat) : DIAL_FAILED;
    }
    const weir_time now_ns = weir_now();
    if (end == DIAL_LEFT) {
        if (line->dial->dialing != NULL) {
            weir_dialing_orphan(line->dial->dialing, now_ns);
        }
        if (hand_over(client, line, ex)) {
            return;
        }
    }
    if (line->dial->dialing != NULL) {
        failure = line->dial->dialing->failure;
    }
    if (end == DIAL_READY && open_line(client, line, now_ns)) {
        return;
    }
    line->close_reason = WEIR_REASON_SHUTDOWN;
    if (end != DIAL_READY) {
        weir_link_abort(line->link, end == DIAL_FAILED ? failure.status : WEIR_E_CANCELLED, now_ns);
    }
    weir_mutex_lock(&client->core_lock);
    weir_slot_set_user(slot, NULL);
    weir_mutex_unlock(&client->core_lock);
    weir_line_close(line, now_ns);
    weir_mutex_lock(&client->core_lock);
    seat->is_dialing = false;
    if (end == DIAL_FAILED) {
        weir_pool_dial_failed(client->core.pool, slot, &failure, now_ns);
        weir_client_wake_queued(client);
    } else {
        weir_pool_gone(client->core.pool, slot, now_ns);
    }
    weir_client_settle(client);
    weir_client_unlock(client);
}

/* The dial succeeded; false: the pool gave it up meanwhile, and it is to be closed. */
static bool open_line(weir_client *client, weir_line *line, weir_time now_ns)
{
    const weir_facts facts = weir_link_facts(line->link);

    weir_line_dial *dial = line->dial;

    end_dial(line);
    line->facts_version = facts.version;
    line->used_ns = now_ns;
    weir_bin_clear(&line->bin);
    (void)weir_os_set_blocking(line->fd, true);
    weir_mutex_lock(&client->core_lock);
    const bool open = !dial->given_up;
    dial->dialer->is_dialing = false;
    if (open) {
        line->dial = NULL;
        weir_core_opened(&client->core, line->link, &facts, now_ns);
        weir_dialing_tie(dial->dialing, &client->core.names, now_ns);
    }
    weir_dialing_free(dial->dialing);
    dial->dialing = NULL;
    if (open) {
        weir_client_settle(client); /* the line may be gone after it */
    }
    weir_client_unlock(client);
    if (open) {
        weir_release(client->allocator, dial);
    }
    return open;
}

/* On the thread that runs the dial: the dialing writes into its exchange. False: *status says why
 * not. */
static bool begin_dial(weir_line *line, weir_exchange *ex, weir_status *status)
{
    weir_client *client = line->client;
    const weir_channel_options channel = {
        .allocator = client->allocator, .resolver = client->resolver, .held = &client->held};

    if (line->dial->dialing != NULL) {
        weir_dialing_adopt(line->dial->dialing, ex, weir_now()); /* another thread began it */
        return true;
    }
    *status = WEIR_E_NOMEM;
    line->dial->dialing = weir_dialing_new(&client->core, line->link, ex, weir_now());
    if (line->dial->dialing != NULL && ex->warms > 0) {
        const weir_time now_ns = weir_now();
        weir_dialing_orphan(
            line->dial->dialing,
            now_ns); /* a wish has several: it is told of none, and of the end of all */
        weir_exchange_set_phase(ex, WEIR_PHASE_QUEUE, now_ns);
    }
    if (line->dial->dialing != NULL && weir_dialing_needs_lookup(line->dial->dialing)) {
        line->dial->channel = weir_channel_new(&channel, status);
        if (line->dial->channel == NULL) {
            weir_dialing_free(line->dial->dialing);
            line->dial->dialing = NULL;
        }
    }
    return line->dial->dialing != NULL;
}

static dial_end drive_dial(weir_line *line, weir_exchange *ex, weir_seat *seat)
{
    weir_dialing *dialing = line->dial->dialing;
    weir_time deadline_ns = WEIR_NEVER;
    weir_why why = WEIR_WHY_NONE;

    for (;;) {
        weir_time now_ns = weir_now();
        if (weir_dialing_deadline(dialing, &why) <= now_ns) {
            weir_dialing_expire(dialing, now_ns);
        }
        if (!begin_lookup(line, now_ns)) {
            weir_dialing_answer(dialing, 4, WEIR_E_NOMEM, NULL, 0, now_ns);
            weir_dialing_answer(dialing, 6, WEIR_E_NOMEM, NULL, 0, now_ns);
        }
        take_answers(line, now_ns);
        start_attempts(line, now_ns);
        if (line->fd >= 0) {
            shake_hands(line, seat->receive, now_ns);
            now_ns = weir_now(); /* verifying a chain takes its time */
        }
        switch (weir_dialing_outcome_of(dialing, now_ns)) {
        case WEIR_DIALING_READY:
            return DIAL_READY;
        case WEIR_DIALING_FAILED:
            return DIAL_FAILED;
        case WEIR_DIALING_GOING:
            break;
        }
        if (has_left(line->client, ex, now_ns, &deadline_ns)) {
            return DIAL_LEFT;
        }
        wait_on_dial(line, ex, seat, now_ns, deadline_ns);
    }
}

static bool begin_lookup(weir_line *line, weir_time now_ns)
{
    if (line->dial->lookup != NULL || !weir_dialing_needs_lookup(line->dial->dialing)) {
        return true;
    }
    line->dial->lookup = weir_channel_start(line->dial->channel,
                                            weir_dialing_host(line->dial->dialing), line, now_ns);
    return line->dial->lookup != NULL;
}

static void take_answers(weir_line *line, weir_time now_ns)
{
    weir_answer answer;

    if (line->dial->channel == NULL) {
        return;
    }
    weir_channel_ready(line->dial->channel, -1, false, false, now_ns);
    while (weir_channel_next_answer(line->dial->channel, &answer)) {
        weir_dialing_answer(line->dial->dialing, answer.family, answer.status, answer.addresses,
                            answer.count, now_ns);
    }
}

static void start_attempts(weir_line *line, weir_time now_ns)
{
    size_t index = 0;

    while (line->fd < 0 && weir_dialing_next(line->dial->dialing, now_ns, &index)) {
        weir_dial_address *attempt = &line->dial->dialing->dial.addresses[index];
        const weir_io io =
            weir_os_connect(&attempt->address, line->dial->dialing->port, &attempt->fd);
        weir_held_note(&line->client->held, attempt->fd);
        if (io.kind == WEIR_IO_FAILED) {
            weir_dialing_attempt_ended(line->dial->dialing, index, io.sys_errno, now_ns);
        }
    }
}

/* One poll over the resolver, every attempt or the connected socket, and the seat. */
static void wait_on_dial(weir_line *line, weir_exchange *ex, weir_seat *seat, weir_time now_ns,
                         weir_time deadline_ns)
{
    weir_dialing *dialing = line->dial->dialing;
    weir_poll polls[POLLS_LIMIT + 1];
    weir_want want;
    weir_why why = WEIR_WHY_NONE;
    size_t resolver = 0;

    deadline_ns = weir_time_earlier(deadline_ns, weir_dialing_deadline(dialing, &why));
    if (line->dial->channel != NULL) {
        resolver = weir_min(weir_channel_polls(line->dial->channel, polls, POLLS_LIMIT / 2),
                            POLLS_LIMIT / 2);
        deadline_ns =
            weir_time_earlier(deadline_ns, weir_channel_deadline(line->dial->channel, now_ns));
    }
    size_t count = resolver;
    if (line->fd >= 0) {
        weir_link_want(line->link, &want);
        polls[count++] = (weir_poll){
            .fd = line->fd,
            .events = (short)(WEIR_POLL_IN | (want.out[0].length > 0 ? WEIR_POLL_OUT : 0)),
        };
    }
    for (size_t i = 0; i < dialing->dial.count && count < POLLS_LIMIT; i++) {
        if (dialing->dial.addresses[i].fd >= 0) {
            polls[count++] =
                (weir_poll){.fd = dialing->dial.addresses[i].fd, .events = WEIR_POLL_OUT};
        }
    }
    const weir_status waited = weir_seat_poll(seat, polls, count, deadline_ns);
    if (waited != WEIR_OK) {
        refuse(line->client, ex, waited, now_ns);
        return;
    }
    now_ns = weir_now();
    for (size_t i = 0; i < resolver; i++) {
        if (polls[i].revents != 0) {
            weir_channel_ready(line->dial->channel, polls[i].fd,
                               (polls[i].revents & WEIR_POLL_IN) != 0,
                               (polls[i].revents & WEIR_POLL_OUT) != 0, now_ns);
        }
    }
    if (line->fd < 0) {
        attempts_ready(line, polls + resolver, count - resolver, now_ns);
    }
}

static void attempts_ready(weir_line *line, const weir_poll *polls, size_t count, weir_time now_ns)
{
    weir_dial *dial = &line->dial->dialing->dial;

    for (size_t i = 0; i < count; i++) {
        size_t index = 0;
        while (index < dial->count && dial->addresses[index].fd != polls[i].fd) {
            index++;
        }
        if (polls[i].revents == 0 || index == dial->count || line->fd >= 0) {
            continue;
        }
        const int fd = dial->addresses[index].fd;
        const weir_io io = weir_os_connect_result(fd);
        if (io.kind == WEIR_IO_OK) {
            dial->addresses[index].fd = -1;
            line->fd = fd;
            end_dial(line);
        } else {
            close_attempt(line, index, io.sys_errno);
        }
        weir_dialing_attempt_ended(line->dial->dialing, index, io.sys_errno, now_ns);
    }
}

/* The TLS handshake: what the link wants, without waiting. */
static void shake_hands(weir_line *line, uint8_t *room, weir_time now_ns)
{
    weir_want want;
    bool moved = true;

    while (moved && line->link->state == WEIR_LINK_HANDSHAKE) {
        moved = false;
        weir_link_want(line->link, &want);
        if (want.out[0].length > 0) {
            const weir_io sent =
                weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
            if (sent.kind == WEIR_IO_OK) {
                weir_link_sent(line->link, sent.octets, now_ns);
                moved = true;
            } else if (sent.kind == WEIR_IO_FAILED) {
                weir_link_failed(line->link, sent.sys_errno, now_ns);
                return;
            }
        }
        const weir_io got =
            weir_os_recv(line->fd, room, weir_min(want.in_octets, WEIR_SEAT_RECEIVE_OCTETS), true);
        if (got.kind == WEIR_IO_OK) {
            (void)weir_link_received(line->link, (weir_span){room, got.octets}, now_ns);
            moved = true;
        } else if (got.kind == WEIR_IO_END) {
            (void)weir_link_received(line->link, (weir_span){NULL, 0}, now_ns);
        } else if (got.kind == WEIR_IO_FAILED) {
            weir_link_failed(line->link, got.sys_errno, now_ns);
        }
    }
}

/* Closes the attempts that did not win, and ends the look-up. */
static void end_dial(weir_line *line)
{
    if (line->dial == NULL || line->dial->dialing == NULL) {
        return;
    }
    weir_dial *dial = &line->dial->dialing->dial;
    for (size_t i = 0; i < dial->count; i++) {
        if (dial->addresses[i].fd >= 0) {
            close_attempt(line, i, 0);
        }
    }
    if (line->dial->lookup != NULL) {
        weir_channel_end(line->dial->channel, line->dial->lookup);
        line->dial->lookup = NULL;
    }
    weir_channel_free(line->dial->channel);
    line->dial->channel = NULL;
}

/* It may have been connected by the time it is closed: then it was a connection, with an account of
 * its own. */
static void close_attempt(weir_line *line, size_t index, int sys_errno)
{
    weir_client *client = line->client;
    weir_dial_address *attempt = &line->dial->dialing->dial.addresses[index];
    weir_octets kernel;

    const bool connected = weir_os_attempt_octets(attempt->fd, sys_errno, &kernel);
    const uint16_t local_port = connected ? weir_os_local_port(attempt->fd) : 0;
    weir_held_strike(&client->held, attempt->fd);
    weir_os_close(attempt->fd);
    attempt->fd = -1;
    if (connected) {
        weir_mutex_lock(&client->core_lock);
        weir_core_attempt_closed(&client->core, &kernel, local_port, weir_now());
        weir_mutex_unlock(&client->core_lock);
    }
}

/* Gives the dial to another thread that waits for it; false: nobody can take it. */
static bool hand_over(weir_client *client, weir_line *line, const weir_exchange *from)
{
    weir_mutex_lock(&client->core_lock);
    weir_exchange *heir = line->dial->given_up ? NULL : find_heir(line->slot, from);
    if (heir != NULL) {
        give_to(client, line, heir);
    }
    weir_client_unlock(client);
    return heir != NULL;
}

/* With the core's lock: its thread runs the dial, and what its ticket waits for is that. */
static void give_to(weir_client *client, weir_line *line, weir_exchange *heir)
{
    weir_pool_adopt(client->core.pool, line->slot, &heir->ticket, weir_now());
    give(line, atomic_load(&heir->sits));
}

/* With the core's lock: a call that waits for a place at the slot's origin, whose thread neither
 * dials nor is about to. */
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but)
{
    for (weir_ticket *ticket = weir_pool_next_waiting(slot, NULL); ticket != NULL;
         ticket = weir_pool_next_waiting(slot, ticket)) {
        weir_exchange *ex = WEIR_CONTAINER_OF(ticket, weir_exchange, ticket);
        weir_seat *seat = atomic_load(&ex->sits);
        if (ex != but && seat != NULL && ticket->dial == NULL && !seat->is_dialing &&
            weir_list_is_empty(&seat->dials)) {
            return ex;
        }
    }
    return NULL;
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
    weir_why why = WEIR_WHY_NONE;

    weir_mutex_lock(&client->core_lock);
    if (weir_pool_deadline(client->core.pool, &why) <= now_ns) {
        weir_pool_tick(
            client->core.pool,
            now_ns); /* a pause after a failed dial is over: nobody else may be awake to see it */
        weir_client_settle(client);
    }
    if (ex->state == WEIR_EXCHANGE_QUEUED) {
        weir_core_granted(&client->core, ex, now_ns);
        weir_exchange_tell_waiting(ex, now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_QUEUED && !weir_exchange_is_over(ex)) {
        if (atomic_load(&ex->cancel_wanted)) {
            weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, now_ns);
        } else if (weir_exchange_deadline(ex, &why) <= now_ns) {
            weir_exchange_expire(ex, now_ns);
        }
    }
    if (ex->state == WEIR_EXCHANGE_QUEUED && weir_exchange_is_over(ex)) {
        weir_core_leave(&client->core, ex, now_ns);
        ex->state = WEIR_EXCHANGE_ENDED;
        weir_client_settle(client);
    }
    const bool left = ex->state != WEIR_EXCHANGE_QUEUED;
    weir_list_remove(&seat->place);
    *deadline_ns = WEIR_NEVER;
    if (!left) {
        weir_list_push_back(&client->queued, &seat->place);
        *deadline_ns = weir_time_earlier(weir_exchange_deadline(ex, &why),
                                         weir_pool_deadline(client->core.pool, &why));
    }
    weir_client_unlock(client);
    return left;
}

static void refuse(weir_client *client, weir_exchange *ex, weir_status status, weir_time now_ns)
{
    weir_mutex_lock(&client->core_lock);
    weir_exchange_fail_with(ex, status, NULL, now_ns);
    weir_mutex_unlock(&client->core_lock);
}
