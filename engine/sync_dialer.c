/* SPDX-License-Identifier: MIT */
/*
 * The dials that a waiting thread runs: all at once, with one wait for all of them.
 *
 * The thread whose ticket or wish caused a dial runs it; a wish for warm connections may have many.
 * When a thread leaves before a dial is over (cancelled, out of time, or granted another connection
 * meanwhile) and others wait for it, it hands the dial to one of them; if nobody can take it, the
 * dial ends and the pool, told that its slot is gone, decides anew.
 */
#include "engine/sync.h"

#include "proto/alloc.h"
#include "proto/failure.h"

static weir_exchange *cause_of(const weir_action *action);
static void give(weir_line *line, weir_seat *seat);
static void begin(weir_line *line, weir_exchange *ex, weir_seat *seat);
static weir_dialing_outcome move(weir_line *line, weir_exchange *ex, weir_seat *seat);
static void back_to_queue(weir_client *client, weir_exchange *ex);
static bool is_given_up(weir_line *line);
static bool open_line(weir_client *client, weir_line *line, weir_time now_ns);
static void fail(weir_client *client, weir_line *line);
static void drop(weir_client *client, weir_line *line);
static void close_line(weir_client *client, weir_line *line, weir_reason reason, weir_time now_ns);
static bool hand_over(weir_client *client, weir_line *line, const weir_exchange *from);
static void give_to(weir_client *client, weir_line *line, weir_exchange *heir);
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but);

void weir_client_dial(weir_client *client, weir_action *action)
{
    weir_failure failure = weir_failure_bare(WEIR_OK);
    const weir_exchange *cause = cause_of(action);

    weir_line *line = weir_line_new(client, action->slot, cause, &failure.status);
    if (line == NULL) {
        weir_core_dial_failed(&client->core, action->slot, &failure, weir_now());
        weir_pool_gone(client->core.pool, action->slot, weir_now());
        return;
    }
    weir_seat *seat = atomic_load(&cause->sits);
    WEIR_ASSERT(seat != NULL); /* it is inside a call, or it would not wait */
    give(line, seat);
}

void weir_dialer_take(weir_client *client, weir_seat *seat)
{
    weir_mutex_lock(&client->core_lock);
    while (!weir_list_is_empty(&seat->dials)) {
        weir_list *first = seat->dials.next;
        weir_list_remove(first);
        weir_list_push_back(&seat->dialing, first);
    }
    weir_mutex_unlock(&client->core_lock);
}

bool weir_dialer_move(weir_client *client, weir_exchange *ex, weir_seat *seat)
{
    bool ended = false;

    for (weir_list *at = seat->dialing.next, *next = NULL; at != &seat->dialing; at = next) {
        weir_line *line = WEIR_CONTAINER_OF(at, weir_line_dial, place)->line;
        next = at->next; /* only this thread takes one out */
        const weir_dialing_outcome outcome = move(line, ex, seat);
        const bool told = line->dial->dialing != NULL && line->dial->dialing->exchange == ex;
        if (outcome == WEIR_DIALING_FAILED) {
            fail(client, line);
        } else if (outcome == WEIR_DIALING_READY) {
            if (!open_line(client, line, weir_now())) {
                drop(client, line);
            }
        } else if (is_given_up(line)) {
            drop(client, line);
        } else {
            continue;
        }
        ended = true;
        if (told) {
            back_to_queue(client, ex);
        }
    }
    return ended;
}

weir_status weir_dialer_wait(weir_client *client, weir_seat *seat, weir_time deadline_ns)
{
    const weir_time now_ns = weir_now();
    size_t room = 0;
    size_t count = 0;

    for (weir_list *at = seat->dialing.next; at != &seat->dialing; at = at->next) {
        room += WEIR_LINE_DIAL_POLLS;
    }
    weir_poll *polls = weir_seat_polls(seat, client->allocator, room);
    if (polls == NULL) {
        return WEIR_E_NOMEM;
    }
    for (weir_list *at = seat->dialing.next; at != &seat->dialing; at = at->next) {
        weir_line *line = WEIR_CONTAINER_OF(at, weir_line_dial, place)->line;
        count += weir_line_poll_dial(line, polls + count, now_ns, &deadline_ns);
    }
    const weir_status waited = weir_seat_poll(seat, polls, count, deadline_ns);
    if (waited != WEIR_OK) {
        return waited;
    }
    for (weir_list *at = seat->dialing.next; at != &seat->dialing; at = at->next) {
        const weir_line_dial *dial = WEIR_CONTAINER_OF(at, weir_line_dial, place);
        weir_line_dial_polled(dial->line, polls, weir_now());
        polls += dial->polls;
    }
    return WEIR_OK;
}

void weir_dialer_leave(weir_client *client, const weir_exchange *ex, weir_seat *seat)
{
    while (!weir_list_is_empty(&seat->dialing)) {
        weir_line *line = WEIR_CONTAINER_OF(seat->dialing.next, weir_line_dial, place)->line;
        if (line->dial->dialing != NULL) {
            weir_dialing_orphan(line->dial->dialing, weir_now());
        }
        if (!hand_over(client, line, ex)) {
            drop(client, line);
        }
    }
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

/* With the core's lock. */
static void give(weir_line *line, weir_seat *seat)
{
    weir_list_remove(&line->dial->place); /* who hands it over has it still */
    weir_list_push_back(&seat->dials, &line->dial->place);
    line->dial->dialer = seat;
    line->dial->begun = false;
    weir_client_wake_later(line->client, seat);
}

/* What was another's goes on for this exchange; of two, it is told of the later. */
static void begin(weir_line *line, weir_exchange *ex, weir_seat *seat)
{
    const weir_time now_ns = weir_now();

    for (weir_list *at = seat->dialing.next; at != &seat->dialing; at = at->next) {
        const weir_line_dial *other = WEIR_CONTAINER_OF(at, weir_line_dial, place);
        if (other->dialing != NULL && other->dialing->exchange == ex) {
            weir_dialing_orphan(other->dialing, now_ns);
        }
    }
    line->dial->begun = weir_line_begin_dial(line, ex, now_ns);
}

static weir_dialing_outcome move(weir_line *line, weir_exchange *ex, weir_seat *seat)
{
    if (!line->dial->begun) {
        begin(line, ex, seat);
    }
    return line->dial->begun ? weir_line_move_dial(line, seat->receive, weir_now())
                             : WEIR_DIALING_FAILED;
}

/* A dial is over, and the call that was told of it waits on: now the queue's limit runs. */
static void back_to_queue(weir_client *client, weir_exchange *ex)
{
    weir_mutex_lock(&client->core_lock);
    if (ex->state == WEIR_EXCHANGE_QUEUED && ex->ticket.state == WEIR_TICKET_WAITING) {
        weir_exchange_set_phase(ex, WEIR_PHASE_QUEUE, weir_now());
    }
    weir_mutex_unlock(&client->core_lock);
}

static bool is_given_up(weir_line *line)
{
    weir_mutex_lock(&line->client->core_lock);
    const bool given_up = line->dial->given_up;
    weir_mutex_unlock(&line->client->core_lock);
    return given_up;
}

/* The dial succeeded; false: the pool gave it up meanwhile, and it is to be closed. */
static bool open_line(weir_client *client, weir_line *line, weir_time now_ns)
{
    const weir_facts facts = weir_link_facts(line->link);

    weir_line_dial *dial = line->dial;

    weir_line_stop_dial(line);
    line->facts_version = facts.version;
    line->used_ns = now_ns;
    weir_bin_clear(&line->bin);
    (void)weir_os_set_blocking(line->fd, true);
    weir_mutex_lock(&client->core_lock);
    const bool open = !dial->given_up;
    weir_list_remove(&dial->place);
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

static void fail(weir_client *client, weir_line *line)
{
    weir_failure failure = weir_failure_bare(WEIR_E_NOMEM);
    const weir_time now_ns = weir_now();
    weir_slot *slot = line->slot;

    if (line->dial->dialing != NULL) {
        failure = line->dial->dialing->failure;
    }
    weir_link_abort(line->link, failure.status, now_ns);
    close_line(client, line, WEIR_REASON_FAILED, now_ns);
    weir_mutex_lock(&client->core_lock);
    weir_core_dial_failed(&client->core, slot, &failure, now_ns);
    weir_pool_gone(client->core.pool, slot, now_ns);
    weir_client_settle(client);
    weir_client_unlock(client);
}

/* Nobody waits for it any more, or the pool gave it up, which says why then. */
static void drop(weir_client *client, weir_line *line)
{
    const weir_time now_ns = weir_now();
    weir_slot *slot = line->slot;

    if (!weir_link_is_open(line->link)) {
        weir_link_abort(line->link, WEIR_E_CANCELLED, now_ns);
    }
    close_line(client, line, WEIR_REASON_UNAWAITED, now_ns);
    weir_mutex_lock(&client->core_lock);
    weir_pool_gone(client->core.pool, slot, now_ns);
    weir_client_settle(client);
    weir_client_unlock(client);
}

static void close_line(weir_client *client, weir_line *line, weir_reason reason, weir_time now_ns)
{
    weir_mutex_lock(&client->core_lock);
    if (!line->dial->given_up) {
        line->close_reason = reason;
    }
    weir_slot_set_user(line->slot, NULL);
    weir_list_remove(&line->dial->place);
    weir_mutex_unlock(&client->core_lock);
    weir_line_close(line, now_ns);
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
        if (ex != but && seat != NULL && ticket->dial == NULL) {
            return ex;
        }
    }
    return NULL;
}
