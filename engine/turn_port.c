/* SPDX-License-Identifier: MIT */
/*
 * The ports of a turn, from the pool's DIAL to the close, and which exchange a dial belongs to.
 *
 *   DIALING --ready--> OPEN --begin_close--> CLOSING --weir_turn_closed--> freed
 *      \- dial_failed, begin_close ------------^
 *
 * Invariants: a dial and the exchange that caused it know each other (dialing->exchange and
 * seat->dial), or neither does; a slot knows its port, and counts, until the port is freed: the
 * socket of a dial that failed may still have an alert to send.
 */
#include "engine/turn_common.h"
#include "proto/failure.h"

#define CLOSING_NS (WEIR_NS_PER_SECOND)

static void never_dialed(weir_turn *turn, weir_slot *slot, const weir_failure *failure);
static void dial_failed(weir_turn *turn, weir_port *port, const weir_failure *failure);
static void dialing_moved(weir_turn *turn, weir_port *port);
static void octets_moved(weir_turn *turn, const weir_port *port);
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but);
static weir_exchange *part(const weir_turn *turn, weir_port *port);
static void back_to_queue(weir_turn *turn, weir_exchange *ex);
static void begin_goodbye(weir_turn *turn, weir_port *port);
static void free_port(weir_turn *turn, weir_port *port);

void weir_turn_received(weir_turn *turn, weir_port *port, weir_span octets)
{
    size_t taken = weir_link_received(port->link, octets, turn->now_ns);

    port->received_ns = octets.length > 0 ? turn->now_ns : port->received_ns;
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

void weir_turn_answer(weir_turn *turn, weir_port *port, const weir_answer *answer)
{
    weir_dialing_answer(port->dialing, answer, turn->now_ns);
    dialing_moved(turn, port);
}

void weir_turn_delivered(weir_turn *turn, weir_port *port)
{
    weir_exchange_deliver(port->link, &turn->news, turn->now_ns);
    octets_moved(turn, port);
    weir_turn_touch(turn, port);
    dialing_moved(turn, port);
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

bool weir_turn_is_over(const weir_turn *turn, const weir_port *port)
{
    return port->state == WEIR_PORT_CLOSING && (port->fd < 0 || weir_link_is_over(port->link) ||
                                                weir_pool_is_missed(turn->core.pool, port->slot));
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
            /* One that is over is closed when the pool says so, who knows why. */
            weir_pool_facts(turn->core.pool, port->slot, &facts, turn->now_ns);
        }
    }
}

void weir_turn_closed(weir_turn *turn, weir_port *port, const weir_account *account)
{
    weir_core_closed(&turn->core, port->link, account, port->close_reason, turn->now_ns);
    weir_slot_set_user(port->slot, NULL);
    weir_core_remember(&turn->core, port->slot, weir_core_learn(port->slot));
    weir_pool_gone(turn->core.pool, port->slot, turn->now_ns);
    free_port(turn, port);
}

void weir_turn_dial(weir_turn *turn, weir_action *action)
{
    weir_exchange *cause = action->ticket != NULL ? weir_turn_exchange_of(action->ticket) : NULL;
    weir_exchange *limits =
        action->wish != NULL ? WEIR_CONTAINER_OF(action->wish, weir_exchange, wish) : cause;
    weir_failure failure = weir_failure_bare(WEIR_E_NOMEM);
    weir_port *port = weir_alloc_zeroed(turn->core.allocator, sizeof(*port));

    if (cause != NULL) {
        weir_turn_orphan(turn, cause); /* it has one of its own now */
    }
    if (port == NULL || !weir_timers_reserve(&turn->timers)) {
        weir_release(turn->core.allocator, port);
        never_dialed(turn, action->slot, &failure);
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
        port->dialing = weir_dialing_new(&turn->core, port->link, limits, turn->now_ns);
        failure.status = WEIR_E_NOMEM;
    }
    if (port->dialing == NULL) {
        free_port(turn, port);
        never_dialed(turn, action->slot, &failure);
        back_to_queue(turn, cause);
        return;
    }
    if (cause != NULL) {
        weir_turn_seat_of(cause)->dial = port;
    }
    weir_slot_set_user(action->slot, port);
    weir_turn_touch(turn, port);
    dialing_moved(turn, port);
}

void weir_turn_expire_port(weir_turn *turn, weir_port *port)
{
    if (port->state == WEIR_PORT_DIALING) {
        weir_dialing_expire(port->dialing, turn->now_ns);
        dialing_moved(turn, port);
    } else {
        weir_link_tick(port->link, turn->now_ns);
        weir_turn_delivered(turn, port);
    }
}

void weir_turn_begin_close(weir_turn *turn, weir_port *port, weir_reason reason)
{
    if (port->state == WEIR_PORT_CLOSING) {
        return;
    }
    back_to_queue(turn, part(turn, port));
    begin_goodbye(turn, port);
    port->close_reason = reason;
    weir_link_close(port->link, CLOSING_NS, turn->now_ns);
    weir_turn_touch(turn, port);
}

void weir_turn_orphan(weir_turn *turn, weir_exchange *ex)
{
    weir_port *port = weir_turn_seat_of(ex)->dial;

    if (port == NULL) {
        return;
    }
    (void)part(turn, port);
    weir_turn_touch(turn, port); /* its limits are others now */
    weir_exchange *heir = find_heir(port->slot, ex);
    if (heir != NULL) {
        weir_pool_adopt(turn->core.pool, port->slot, &heir->ticket, turn->now_ns);
        weir_dialing_adopt(port->dialing, heir, turn->now_ns);
        weir_turn_seat_of(heir)->dial = port;
        weir_turn_arm(turn, heir);
    }
}

/* There was no memory for it, so there is nothing to close. */
static void never_dialed(weir_turn *turn, weir_slot *slot, const weir_failure *failure)
{
    weir_core_dial_failed(&turn->core, slot, failure, turn->now_ns);
    weir_pool_gone(turn->core.pool, slot, turn->now_ns);
}

static void dial_failed(weir_turn *turn, weir_port *port, const weir_failure *failure)
{
    const weir_failure copy = *failure;
    weir_exchange *cause = part(turn, port);

    begin_goodbye(turn, port);
    port->close_reason = WEIR_REASON_FAILED;
    weir_link_abort(port->link, copy.status, turn->now_ns);
    weir_core_dial_failed(&turn->core, port->slot, &copy, turn->now_ns);
    back_to_queue(turn, cause);
    weir_turn_touch(turn, port);
}

static void dialing_moved(weir_turn *turn, weir_port *port)
{
    weir_turn_touch(turn, port);
    if (port->state != WEIR_PORT_DIALING) {
        return;
    }
    if (port->dialing->exchange != NULL) {
        weir_turn_note(turn, port->dialing->exchange);
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

/* Which deadline runs depends on the octets that moved, of those too that are no event: a request
 * that left, half a head. */
static void octets_moved(weir_turn *turn, const weir_port *port)
{
    weir_ledger *ledger = port->link->conn != NULL ? weir_conn_ledger(port->link->conn) : NULL;
    weir_owner *owner = ledger != NULL ? weir_ledger_next_moved(ledger) : NULL;

    for (; owner != NULL; owner = weir_ledger_next_moved(ledger)) {
        weir_exchange *ex = WEIR_CONTAINER_OF(owner, weir_stream, owner)->user;
        weir_exchange_moved(ex, turn->now_ns);
        weir_turn_note(turn, ex);
        weir_turn_arm(turn, ex);
    }
}

/* The first that waits at the slot's origin and is not tied to a dial. */
static weir_exchange *find_heir(const weir_slot *slot, const weir_exchange *but)
{
    for (weir_ticket *ticket = weir_pool_next_waiting(slot, NULL); ticket != NULL;
         ticket = weir_pool_next_waiting(slot, ticket)) {
        weir_exchange *ex = weir_turn_exchange_of(ticket);
        if (ex != but && ex->state == WEIR_EXCHANGE_QUEUED && !weir_exchange_is_over(ex) &&
            ticket->dial == NULL && weir_turn_seat_of(ex)->dial == NULL) {
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
        weir_turn_seat_of(ex)->dial = NULL;
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
        weir_turn_note(turn, ex);
        weir_turn_arm(turn, ex);
    }
}

static void begin_goodbye(weir_turn *turn, weir_port *port)
{
    port->state = WEIR_PORT_CLOSING;
    weir_list_remove(&port->place);
    weir_list_push_front(&turn->ports, &port->place);
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
