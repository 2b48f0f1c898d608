/* SPDX-License-Identifier: MIT */
/*
 * The deciding half of a turn. See turn.h for the order of a turn; what the user is told is in
 * turn_tell.c.
 *
 * Why attempts leave their links in a step of their own (settle, after act): a cancelled exchange
 * has queued a RST_STREAM, and the octets of it are the exchange's. Letting the link flush first
 * keeps them in its account instead of under LATE.
 */
#include "engine/turn.h"

#include <string.h>

#define CLOSING_NS (WEIR_NS_PER_SECOND)
#define BIN_KEEP   4 /* spare chunks count as memory that a slow reader holds */

static weir_exchange *of_news(weir_list *place);
static weir_exchange *of_ticket(weir_ticket *ticket);
static weir_turn_seat *seat_of(const weir_exchange *ex);
static void look_at(weir_turn *turn, weir_exchange *ex);
static void place(weir_turn *turn, weir_exchange *ex);
static void attach(weir_turn *turn, weir_exchange *ex);
static void push(weir_turn *turn, weir_exchange *ex);
static void leave(weir_turn *turn, weir_exchange *ex);
static void note(weir_turn *turn, weir_exchange *ex);
static void arm(weir_turn *turn, weir_exchange *ex);
static bool act_on_pool(weir_turn *turn);
static void dial(weir_turn *turn, weir_action *action);
static void dial_failed(weir_turn *turn, weir_port *port, const weir_failure *failure);
static void begin_close(weir_turn *turn, weir_port *port, weir_reason reason);
static void dialing_moved(weir_turn *turn, weir_port *port);
static void octets_moved(weir_turn *turn, const weir_port *port);
static void conclude(weir_turn *turn, weir_exchange *ex);
static void orphan(weir_turn *turn, weir_exchange *ex);
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but);
static weir_exchange *part(const weir_turn *turn, weir_port *port);
static void back_to_queue(weir_turn *turn, weir_exchange *ex);
static weir_port *port_of(const weir_slot *slot);
static void free_port(weir_turn *turn, weir_port *port);

weir_status weir_turn_init(weir_turn *turn, const weir_core_options *options)
{
    memset(turn, 0, sizeof(*turn));
    weir_list_init(&turn->ports);
    weir_list_init(&turn->touched);
    weir_list_init(&turn->news);
    weir_list_init(&turn->leaving);
    weir_list_init(&turn->all);
    weir_list_init(&turn->live);
    weir_list_init(&turn->telling);
    weir_timers_init(&turn->timers, options->allocator);
    weir_bin_init(&turn->bin, options->allocator, BIN_KEEP);
    return weir_core_init(&turn->core, options);
}

void weir_turn_clear(weir_turn *turn)
{
    WEIR_ASSERT(weir_list_is_empty(&turn->ports));
    WEIR_ASSERT(weir_list_is_empty(&turn->all));
    WEIR_ASSERT(weir_list_is_empty(&turn->live));
    weir_core_clear(&turn->core);
    weir_bin_clear(&turn->bin);
    weir_timers_clear(&turn->timers);
}

weir_exchange *weir_turn_submit(weir_turn *turn, const weir_exchange_options *options,
                                const weir_request *request, const weir_call *call,
                                weir_status *status)
{
    weir_turn_seat *seat = weir_alloc_zeroed(turn->core.allocator, sizeof(*seat));

    *status = WEIR_E_NOMEM;
    if (seat == NULL || !weir_timers_reserve(&turn->timers)) {
        weir_release(turn->core.allocator, seat);
        return NULL;
    }
    weir_exchange *ex = weir_exchange_new(options, request, call, status);
    if (ex == NULL) {
        weir_timers_unreserve(&turn->timers);
        weir_release(turn->core.allocator, seat);
        return NULL;
    }
    seat->exchange = ex;
    weir_list_init(&seat->all);
    weir_list_init(&seat->live);
    weir_list_init(&seat->leaving);
    weir_list_init(&seat->telling);
    weir_list_init(&seat->kicked);
    seat->read_armed = true;
    seat->write_armed = true;
    ex->seat = seat;
    weir_list_push_back(&turn->all, &seat->all);
    if (ex->state == WEIR_EXCHANGE_DONE) {
        note(turn, ex);
        return ex;
    }
    weir_core_started(&turn->core, ex); /* it may be cancelled before the first look at it */
    weir_list_push_back(&turn->live, &seat->live);
    weir_list_push_back(&turn->news, &ex->news_place);
    return ex;
}

void weir_turn_cancelled(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, turn->now_ns);
    if (weir_list_is_empty(&ex->news_place)) {
        weir_list_push_back(&turn->news, &ex->news_place);
    }
}

void weir_turn_abandon(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_seat *seat = seat_of(ex);

    if (ex->state != WEIR_EXCHANGE_DONE) {
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, turn->now_ns);
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            weir_turn_touch(turn, ex->link->driver);
            weir_exchange_detach(ex, turn->now_ns);
        }
        orphan(turn, ex);
        weir_core_leave(&turn->core, ex, turn->now_ns);
        turn->pool_moved = true;
        ex->state = WEIR_EXCHANGE_DONE;
        weir_core_concluded(&turn->core, ex, turn->now_ns);
    }
    ex->news = 0;
    weir_timers_set(&turn->timers, &ex->timer, WEIR_NEVER);
    weir_list_remove(&ex->news_place);
    weir_list_remove(&seat->live);
    weir_list_remove(&seat->leaving);
    weir_list_remove(&seat->telling);
}

void weir_turn_forget(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_abandon(turn, ex);
    weir_timers_unreserve(&turn->timers);
    weir_list_remove(&seat_of(ex)->all);
    weir_release(turn->core.allocator, seat_of(ex));
    ex->seat = NULL;
}

void weir_turn_free_exchange(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_forget(turn, ex);
    weir_exchange_destroy(ex);
}

void weir_turn_received(weir_turn *turn, weir_port *port, weir_span octets)
{
    size_t taken = weir_link_received(port->link, octets, turn->now_ns);

    WEIR_ASSERT(taken == octets.length);
    weir_turn_delivered(turn, port);
}

void weir_turn_sent(weir_turn *turn, weir_port *port, size_t octets)
{
    weir_link_sent(port->link, octets, turn->now_ns);
    weir_turn_delivered(turn, port);
}

void weir_turn_failed(weir_turn *turn, weir_port *port, int sys_errno)
{
    weir_link_failed(port->link, sys_errno, turn->now_ns);
    weir_turn_delivered(turn, port);
}

void weir_turn_attempt_ended(weir_turn *turn, weir_port *port, size_t index, int sys_errno)
{
    weir_dialing_attempt_ended(port->dialing, index, sys_errno, turn->now_ns);
    dialing_moved(turn, port);
}

void weir_turn_answer(weir_turn *turn, weir_port *port, uint8_t family, weir_status status,
                      const weir_address *addresses, size_t count)
{
    weir_dialing_answer(port->dialing, family, status, addresses, count, turn->now_ns);
    dialing_moved(turn, port);
}

weir_name *weir_turn_next_name(weir_turn *turn)
{
    return weir_names_next(&turn->core.names, turn->now_ns);
}

bool weir_turn_name_answer(weir_turn *turn, weir_name *name, uint8_t family, weir_status status,
                           const weir_address *addresses, size_t count)
{
    turn->pool_moved = true;
    return weir_names_answer(&turn->core.names, name, family, status, addresses, count,
                             turn->now_ns);
}

void weir_turn_due(weir_turn *turn)
{
    weir_why why = WEIR_WHY_NONE;

    weir_core_catch_up(&turn->core, turn->now_ns);
    for (weir_timer *timer = weir_timers_pop(&turn->timers, turn->now_ns); timer != NULL;
         timer = weir_timers_pop(&turn->timers, turn->now_ns)) {
        if (timer->is_port) {
            weir_port *port = WEIR_CONTAINER_OF(timer, weir_port, timer);
            if (port->state == WEIR_PORT_DIALING) {
                weir_dialing_expire(port->dialing, turn->now_ns);
                dialing_moved(turn, port);
            } else {
                weir_link_tick(port->link, turn->now_ns);
                weir_turn_delivered(turn, port);
            }
            continue;
        }
        weir_exchange *ex = WEIR_CONTAINER_OF(timer, weir_exchange, timer);
        weir_exchange_expire(ex, turn->now_ns);
        if (weir_list_is_empty(&ex->news_place)) {
            weir_list_push_back(&turn->news, &ex->news_place);
        }
    }
    if (weir_pool_deadline(turn->core.pool, &why) <= turn->now_ns) {
        weir_pool_tick(turn->core.pool, turn->now_ns);
    }
}

void weir_turn_decide(weir_turn *turn)
{
    bool more = true;

    turn->pool_moved = false;
    while (more) {
        more = false;
        while (!weir_list_is_empty(&turn->news)) {
            weir_exchange *ex = of_news(turn->news.next);
            weir_list_remove(&ex->news_place);
            look_at(turn, ex);
            more = true;
        }
        more = act_on_pool(turn) || more;
    }
}

weir_port *weir_turn_next_port(weir_turn *turn)
{
    if (weir_list_is_empty(&turn->touched)) {
        return NULL;
    }
    weir_port *port = WEIR_CONTAINER_OF(turn->touched.next, weir_port, touched);
    weir_list_remove(&port->touched);
    return port;
}

void weir_turn_touch(weir_turn *turn, weir_port *port)
{
    if (weir_list_is_empty(&port->touched)) {
        weir_list_push_back(&turn->touched, &port->touched);
    }
}

void weir_turn_acted(weir_turn *turn, weir_port *port)
{
    weir_want want;
    weir_why why = WEIR_WHY_NONE;

    if (port->state == WEIR_PORT_DIALING && port->dialing->phase != WEIR_PHASE_TLS) {
        weir_timers_set(&turn->timers, &port->timer, weir_dialing_deadline(port->dialing, &why));
        return;
    }
    weir_link_want(port->link, &want);
    weir_exchange_deliver(port->link, &turn->news, turn->now_ns); /* asking may have failed it */
    if (port->state == WEIR_PORT_DIALING) {
        want.wake_ns = weir_time_earlier(want.wake_ns, weir_dialing_deadline(port->dialing, &why));
    }
    weir_timers_set(&turn->timers, &port->timer, want.wake_ns);
    if (port->state == WEIR_PORT_OPEN) {
        const weir_facts facts = weir_link_facts(port->link);
        if (facts.version != port->facts_version) {
            port->facts_version = facts.version;
            weir_pool_facts(turn->core.pool, port->slot, &facts, turn->now_ns);
        }
        /* A lease that was granted and not used yet finds the port once more, and is bounced; then
         * the pool wants it closed. */
        if (weir_link_is_closing(port->link) && weir_slot_leases(port->slot) == 0 &&
            weir_conn_open_streams(port->link->conn) == 0) {
            begin_close(turn, port, WEIR_REASON_FAILED);
        }
    }
}

void weir_turn_closed(weir_turn *turn, weir_port *port, const weir_account *account)
{
    weir_core_closed(&turn->core, port->link, account, port->close_reason, turn->now_ns);
    if (port->slot != NULL) {
        weir_slot_set_user(port->slot, NULL);
        weir_core_remember(&turn->core, port->slot, weir_core_learn(port->slot));
        weir_pool_gone(turn->core.pool, port->slot, turn->now_ns);
    }
    free_port(turn, port);
}

bool weir_turn_settle(weir_turn *turn)
{
    const bool left = !weir_list_is_empty(&turn->leaving);

    while (!weir_list_is_empty(&turn->leaving)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(turn->leaving.next, weir_turn_seat, leaving);
        weir_list_remove(&seat->leaving);
        leave(turn, seat->exchange);
    }
    /* Closing and acting told the pool things: what it wants done for them is not left to the next
     * turn. */
    const bool acted = act_on_pool(turn);
    turn->pool_moved = false;
    return left || acted || !weir_list_is_empty(&turn->touched) || !weir_list_is_empty(&turn->news);
}

bool weir_turn_has_work(const weir_turn *turn)
{
    return !weir_list_is_empty(&turn->touched) || !weir_list_is_empty(&turn->news) ||
           !weir_list_is_empty(&turn->leaving) || turn->pool_moved;
}

weir_time weir_turn_deadline(const weir_turn *turn)
{
    weir_why why = WEIR_WHY_NONE;

    return weir_time_earlier(
        weir_time_earlier(weir_timers_first(&turn->timers), weir_names_deadline(&turn->core.names)),
        weir_pool_deadline(turn->core.pool, &why));
}

void weir_turn_resume(weir_turn *turn, weir_exchange *ex)
{
    ex->source_blocked = false;
    if (ex->state == WEIR_EXCHANGE_ATTACHED && weir_list_is_empty(&ex->news_place)) {
        weir_list_push_back(&turn->news, &ex->news_place);
    }
}

void weir_turn_check(const weir_turn *turn)
{
    weir_timers_check(&turn->timers);
    weir_pool_check(turn->core.pool);
    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        const weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        weir_link_check(port->link);
    }
}

/* -- exchanges -- */

static weir_exchange *of_news(weir_list *at)
{
    return WEIR_CONTAINER_OF(at, weir_exchange, news_place);
}

static weir_exchange *of_ticket(weir_ticket *ticket)
{
    return WEIR_CONTAINER_OF(ticket, weir_exchange, ticket);
}

static weir_turn_seat *seat_of(const weir_exchange *ex)
{
    return ex->seat;
}

/* Whatever happened to an exchange, this brings it forward as far as it goes now. */
static void look_at(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    if (atomic_load(&ex->cancel_wanted) && !weir_exchange_is_over(ex)) {
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, turn->now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_NEW && !weir_exchange_is_over(ex)) {
        place(turn, ex);
    }
    if (ex->state == WEIR_EXCHANGE_PLACED && !weir_exchange_is_over(ex)) {
        attach(turn, ex);
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_exchange_moved(ex, turn->now_ns);
        push(turn, ex);
    }
    if (weir_exchange_is_over(ex)) {
        weir_turn_seat *seat = seat_of(ex);
        if (weir_list_is_empty(&seat->leaving)) {
            weir_list_push_back(&turn->leaving, &seat->leaving);
        }
    }
    note(turn, ex);
    arm(turn, ex);
}

static void place(weir_turn *turn, weir_exchange *ex)
{
    weir_core_place(&turn->core, ex, turn->now_ns);
}

static void attach(weir_turn *turn, weir_exchange *ex)
{
    while (ex->state == WEIR_EXCHANGE_PLACED) {
        weir_port *port = port_of(ex->ticket.slot);
        weir_names_catch_up(&turn->core.names, port->link, turn->now_ns);
        const weir_status status = weir_exchange_attach(ex, port->link, turn->now_ns);
        weir_turn_touch(turn, port);
        if (status != WEIR_E_NOT_ACCEPTING) {
            return;
        }
        const weir_facts facts = weir_link_facts(port->link);
        weir_core_bounced(&turn->core, ex, &facts, turn->now_ns);
    }
}

static void push(weir_turn *turn, weir_exchange *ex)
{
    while (weir_exchange_has_body_to_push(ex) && weir_exchange_fill(ex)) {
        weir_exchange_push(ex, turn->now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_turn_touch(turn, ex->link->driver);
    }
}

/* The attempt is over: off the link, out of the pool, and either round again or done. */
static void leave(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_turn_touch(turn, ex->link->driver);
        weir_exchange_detach(ex, turn->now_ns);
    }
    orphan(turn, ex);
    weir_core_leave(&turn->core, ex, turn->now_ns);
    ex->state = WEIR_EXCHANGE_ENDED;
    conclude(turn, ex);
}

static void conclude(weir_turn *turn, weir_exchange *ex)
{
    if (weir_exchange_conclude(ex, turn->now_ns)) {
        ex->state = WEIR_EXCHANGE_NEW;
        weir_list_push_back(&turn->news, &ex->news_place);
        return;
    }
    weir_core_concluded(&turn->core, ex, turn->now_ns);
    weir_list_remove(&seat_of(ex)->live);
    weir_timers_set(&turn->timers, &ex->timer, WEIR_NEVER);
    note(turn, ex);
}

/* Is there something to tell? */
static void note(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_seat *seat = seat_of(ex);

    if ((ex->news != 0 || ex->events.count > 0) && weir_list_is_empty(&seat->telling)) {
        weir_list_push_back(&turn->telling, &seat->telling);
    }
}

static void arm(weir_turn *turn, weir_exchange *ex)
{
    weir_why why = WEIR_WHY_NONE;

    weir_timers_set(&turn->timers, &ex->timer, weir_exchange_deadline(ex, &why));
}

/* The call that caused a dial leaves, or has a place elsewhere; the dial goes on for the next that
 * waits, with the limits of that. */
static void orphan(weir_turn *turn, weir_exchange *ex)
{
    weir_port *port = seat_of(ex)->dial;

    if (port == NULL) {
        return;
    }
    (void)part(turn, port);
    weir_turn_touch(turn, port); /* its limits are others now */
    weir_exchange *heir = find_heir(port->slot, ex);
    if (heir != NULL) {
        weir_pool_adopt(turn->core.pool, port->slot, &heir->ticket, turn->now_ns);
        weir_dialing_adopt(port->dialing, heir, turn->now_ns);
        seat_of(heir)->dial = port;
        arm(turn, heir);
    }
}

/* The first that waits at the slot's origin and is not tied to a dial. */
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but)
{
    for (weir_ticket *ticket = weir_pool_next_waiting(slot, NULL); ticket != NULL;
         ticket = weir_pool_next_waiting(slot, ticket)) {
        weir_exchange *ex = of_ticket(ticket);
        if (ex != but && ex->state == WEIR_EXCHANGE_QUEUED && !weir_exchange_is_over(ex) &&
            ticket->dial == NULL && seat_of(ex)->dial == NULL) {
            return ex;
        }
    }
    return NULL;
}

/* A dial and the call that caused it know each other no longer; whose call it was, or NULL. */
static weir_exchange *part(const weir_turn *turn, weir_port *port)
{
    weir_exchange *ex = port->dialing != NULL ? port->dialing->exchange : NULL;

    if (ex != NULL) {
        weir_dialing_orphan(port->dialing, turn->now_ns);
        seat_of(ex)->dial = NULL;
    }
    return ex;
}

/* A dial is over, and the call that caused it waits on: somebody before it got the connection. Now
 * the queue's limit runs. */
static void back_to_queue(weir_turn *turn, weir_exchange *ex)
{
    if (ex != NULL && ex->state == WEIR_EXCHANGE_QUEUED &&
        ex->ticket.state == WEIR_TICKET_WAITING) {
        weir_exchange_queued(ex, turn->now_ns);
        note(turn, ex);
        arm(turn, ex);
    }
}

/* -- the pool's actions -- */

static bool act_on_pool(weir_turn *turn)
{
    weir_action action;
    bool any = false;

    while (weir_pool_next_action(turn->core.pool, &action)) {
        any = true;
        switch (action.kind) {
        case WEIR_ACTION_GRANT:
        case WEIR_ACTION_REFUSE: {
            weir_exchange *ex = of_ticket(action.ticket);
            orphan(turn, ex);
            weir_core_granted(&turn->core, ex, turn->now_ns);
            if (weir_list_is_empty(&ex->news_place)) {
                weir_list_push_back(&turn->news, &ex->news_place);
            }
            break;
        }
        case WEIR_ACTION_WARMED: {
            weir_exchange *ex = WEIR_CONTAINER_OF(action.wish, weir_exchange, wish);
            weir_core_granted(&turn->core, ex, turn->now_ns);
            if (weir_list_is_empty(&ex->news_place)) {
                weir_list_push_back(&turn->news, &ex->news_place);
            }
            break;
        }
        case WEIR_ACTION_TELL:
            weir_exchange_tell_waiting(of_ticket(action.ticket), turn->now_ns);
            note(turn, of_ticket(action.ticket));
            break;
        case WEIR_ACTION_DIAL:
            dial(turn, &action);
            break;
        case WEIR_ACTION_CLOSE:
            begin_close(turn, port_of(action.slot), action.reason);
            break;
        case WEIR_ACTION_NONE:
            break;
        }
    }
    return any;
}

static void dial(weir_turn *turn, weir_action *action)
{
    weir_exchange *cause = action->ticket != NULL ? of_ticket(action->ticket) : NULL;
    weir_exchange *limits =
        action->wish != NULL ? WEIR_CONTAINER_OF(action->wish, weir_exchange, wish) : cause;
    weir_failure failure = {.status = WEIR_E_NOMEM, .tls_alert = -1, .offset = WEIR_UNKNOWN};
    weir_port *port = weir_alloc_zeroed(turn->core.allocator, sizeof(*port));

    if (cause != NULL) {
        orphan(turn, cause); /* it has one of its own now */
    }
    if (port == NULL || !weir_timers_reserve(&turn->timers)) {
        weir_release(turn->core.allocator, port);
        weir_pool_dial_failed(turn->core.pool, action->slot, &failure, turn->now_ns);
        back_to_queue(turn, cause);
        return;
    }
    weir_list_init(&port->place);
    weir_list_init(&port->touched);
    port->fd = -1;
    port->slot = action->slot;
    port->timer.is_port = true;
    weir_list_push_back(&turn->ports, &port->place);
    port->link = weir_core_link(&turn->core, action->slot, &turn->bin, limits, &failure.status);
    if (port->link != NULL) {
        port->link->driver = port;
        port->dialing = weir_dialing_new(&turn->core, port->link, limits, turn->now_ns);
        failure.status = WEIR_E_NOMEM;
    }
    if (port->dialing == NULL) {
        port->slot = NULL;
        weir_pool_dial_failed(turn->core.pool, action->slot, &failure, turn->now_ns);
        back_to_queue(turn, cause);
        free_port(turn, port);
        return;
    }
    if (cause != NULL) {
        seat_of(cause)->dial = port;
    }
    weir_slot_set_user(action->slot, port);
    weir_turn_touch(turn, port);
    dialing_moved(turn, port);
}

static void dial_failed(weir_turn *turn, weir_port *port, const weir_failure *failure)
{
    weir_slot *slot = port->slot;
    const weir_failure copy = *failure;
    weir_exchange *cause = part(turn, port);

    weir_slot_set_user(slot, NULL);
    port->slot = NULL;
    port->state = WEIR_PORT_CLOSING;
    weir_link_abort(port->link, copy.status, turn->now_ns);
    weir_pool_dial_failed(turn->core.pool, slot, &copy, turn->now_ns);
    back_to_queue(turn, cause);
    weir_turn_touch(turn, port);
}

static void begin_close(weir_turn *turn, weir_port *port, weir_reason reason)
{
    if (port->state == WEIR_PORT_CLOSING || port->state == WEIR_PORT_CLOSED) {
        return;
    }
    back_to_queue(turn, part(turn, port));
    port->state = WEIR_PORT_CLOSING;
    port->close_reason = reason;
    weir_link_close(port->link, CLOSING_NS, turn->now_ns);
    weir_turn_touch(turn, port);
}

static void dialing_moved(weir_turn *turn, weir_port *port)
{
    weir_turn_touch(turn, port);
    if (port->state != WEIR_PORT_DIALING) {
        return;
    }
    if (port->dialing->exchange != NULL) {
        note(turn, port->dialing->exchange);
    }
    switch (weir_dialing_outcome_of(port->dialing, turn->now_ns)) {
    case WEIR_DIALING_GOING:
        return;
    case WEIR_DIALING_FAILED:
        dial_failed(turn, port, &port->dialing->failure);
        return;
    case WEIR_DIALING_READY: {
        const weir_facts facts = weir_link_facts(port->link);
        weir_exchange *cause = part(turn, port);
        port->state = WEIR_PORT_OPEN;
        port->facts_version = facts.version;
        weir_core_opened(&turn->core, port->link, &facts, turn->now_ns);
        weir_dialing_tie(port->dialing, &turn->core.names, turn->now_ns);
        weir_dialing_free(port->dialing);
        port->dialing = NULL;
        back_to_queue(turn, cause);
        return;
    }
    }
}

/* After anything moved on a link: events go to their exchanges, a handshake may be over. */
void weir_turn_delivered(weir_turn *turn, weir_port *port)
{
    weir_exchange_deliver(port->link, &turn->news, turn->now_ns);
    octets_moved(turn, port);
    weir_turn_touch(turn, port);
    dialing_moved(turn, port);
}

/* Which deadline runs depends on the octets that moved, of those too that are no event: a request
 * that left, half a head. */
static void octets_moved(weir_turn *turn, const weir_port *port)
{
    weir_ledger *ledger = port->link->conn != NULL ? weir_conn_ledger(port->link->conn) : NULL;
    weir_owner *owner = ledger != NULL ? weir_ledger_next_moved(ledger) : NULL;

    for (; owner != NULL; owner = weir_ledger_next_moved(ledger)) {
        weir_exchange *ex = WEIR_CONTAINER_OF(owner, weir_stream, owner)->user;
        weir_exchange_moved(ex, turn->now_ns);
        note(turn, ex);
        arm(turn, ex);
    }
}

static weir_port *port_of(const weir_slot *slot)
{
    return weir_slot_user(slot);
}

static void free_port(weir_turn *turn, weir_port *port)
{
    weir_timers_set(&turn->timers, &port->timer, WEIR_NEVER);
    weir_timers_unreserve(&turn->timers);
    weir_list_remove(&port->place);
    weir_list_remove(&port->touched);
    (void)part(turn, port);
    weir_dialing_free(port->dialing);
    weir_link_free(port->link);
    weir_release(turn->core.allocator, port);
}
