/* SPDX-License-Identifier: MIT */
/*
 * The deciding half of a turn. See turn.h for the order of a turn; the ports are in turn_port.c,
 * what the user is told is in turn_tell.c.
 *
 * Why attempts leave their links in a step of their own (settle, after act): a cancelled exchange
 * has queued a RST_STREAM, and the octets of it are the exchange's. Letting the link flush first
 * keeps them in its account instead of under LATE.
 */
#include "engine/turn_common.h"

#include <string.h>

#define BIN_KEEP 4 /* spare chunks count as memory that a slow reader holds */

static void bring_forward(weir_turn *turn, weir_exchange *ex);
static void attach(weir_turn *turn, weir_exchange *ex);
static void push(weir_turn *turn, weir_exchange *ex);
static void leave(weir_turn *turn, weir_exchange *ex);
static bool act_on_pool(weir_turn *turn);
static void hurry_goodbyes(weir_turn *turn);

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
        weir_turn_note(turn, ex);
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
    weir_turn_touch_exchange(turn, ex);
}

void weir_turn_abandon(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_seat *seat = weir_turn_seat_of(ex);

    if (ex->state != WEIR_EXCHANGE_DONE) {
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, turn->now_ns);
        if (ex->state == WEIR_EXCHANGE_ATTACHED) {
            weir_turn_touch(turn, weir_turn_port_of(ex->link->slot));
            weir_exchange_detach(ex, turn->now_ns);
        }
        weir_turn_orphan(turn, ex);
        weir_core_catch_up(&turn->core, turn->now_ns); /* between two turns nobody else looks */
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
    weir_list_remove(&weir_turn_seat_of(ex)->all);
    weir_release(turn->core.allocator, weir_turn_seat_of(ex));
    ex->seat = NULL;
}

void weir_turn_free_exchange(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_forget(turn, ex);
    weir_exchange_destroy(ex);
}

weir_name *weir_turn_next_name(weir_turn *turn)
{
    return weir_names_next(&turn->core.names, turn->now_ns);
}

bool weir_turn_name_answer(weir_turn *turn, weir_name *name, const weir_answer *answer)
{
    turn->pool_moved = true;
    return weir_names_answer(&turn->core.names, name, answer, turn->now_ns);
}

void weir_turn_due(weir_turn *turn)
{
    weir_why why = WEIR_WHY_NONE;

    weir_core_catch_up(&turn->core, turn->now_ns);
    for (weir_timer *timer = weir_timers_pop(&turn->timers, turn->now_ns); timer != NULL;
         timer = weir_timers_pop(&turn->timers, turn->now_ns)) {
        if (timer->is_port) {
            weir_turn_expire_port(turn, WEIR_CONTAINER_OF(timer, weir_port, timer));
            continue;
        }
        weir_exchange *ex = WEIR_CONTAINER_OF(timer, weir_exchange, timer);
        weir_exchange_expire(ex, turn->now_ns);
        weir_turn_touch_exchange(turn, ex);
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
            weir_exchange *ex = WEIR_CONTAINER_OF(turn->news.next, weir_exchange, news_place);
            weir_list_remove(&ex->news_place);
            bring_forward(turn, ex);
            more = true;
        }
        more = act_on_pool(turn) || more;
    }
    hurry_goodbyes(turn);
}

void weir_turn_touch_exchange(weir_turn *turn, weir_exchange *ex)
{
    if (weir_list_is_empty(&ex->news_place)) {
        weir_list_push_back(&turn->news, &ex->news_place);
    }
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
    hurry_goodbyes(turn);
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
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_turn_touch_exchange(turn, ex);
    }
}

void weir_turn_check(const weir_turn *turn)
{
    weir_timers_check(&turn->timers);
    weir_pool_check(turn->core.pool);
    bool closing_so_far = true;
    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        const weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        WEIR_ASSERT(port->state != WEIR_PORT_CLOSING || closing_so_far);
        closing_so_far = port->state == WEIR_PORT_CLOSING;
        weir_link_check(port->link);
    }
}

void weir_turn_note(weir_turn *turn, weir_exchange *ex)
{
    weir_turn_seat *seat = weir_turn_seat_of(ex);

    if ((ex->news != 0 || ex->events.count > 0) && weir_list_is_empty(&seat->telling)) {
        weir_list_push_back(&turn->telling, &seat->telling);
    }
}

void weir_turn_arm(weir_turn *turn, weir_exchange *ex)
{
    weir_why why = WEIR_WHY_NONE;

    weir_timers_set(&turn->timers, &ex->timer, weir_exchange_deadline(ex, &why));
}

/* -- exchanges -- */

/* Whatever happened to an exchange, this brings it forward as far as it goes now. */
static void bring_forward(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    if (atomic_load(&ex->cancel_wanted) && !weir_exchange_is_over(ex)) {
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, turn->now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_NEW && !weir_exchange_is_over(ex)) {
        weir_core_place(&turn->core, ex, turn->now_ns);
    }
    if (ex->state == WEIR_EXCHANGE_PLACED && !weir_exchange_is_over(ex)) {
        attach(turn, ex);
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_exchange_moved(ex, turn->now_ns);
        push(turn, ex);
    }
    if (weir_exchange_is_over(ex)) {
        weir_turn_seat *seat = weir_turn_seat_of(ex);
        if (weir_list_is_empty(&seat->leaving)) {
            weir_list_push_back(&turn->leaving, &seat->leaving);
        }
    }
    weir_turn_note(turn, ex);
    weir_turn_arm(turn, ex);
}

static void attach(weir_turn *turn, weir_exchange *ex)
{
    while (ex->state == WEIR_EXCHANGE_PLACED) {
        weir_port *port = weir_turn_port_of(ex->ticket.slot);
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
        weir_turn_touch(turn, weir_turn_port_of(ex->link->slot));
    }
}

/* The attempt is over: off the link, out of the pool, and either round again or done. */
static void leave(weir_turn *turn, weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE) {
        return;
    }
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_turn_touch(turn, weir_turn_port_of(ex->link->slot));
        weir_exchange_detach(ex, turn->now_ns);
    }
    weir_turn_orphan(turn, ex);
    ex->state = WEIR_EXCHANGE_ENDED;
    if (weir_exchange_goes_again(ex)) {
        weir_core_again(&turn->core, ex, turn->now_ns);
        weir_turn_touch_exchange(turn, ex);
        return;
    }
    weir_core_leave(&turn->core, ex, turn->now_ns);
    weir_exchange_conclude(ex, false, turn->now_ns);
    weir_core_concluded(&turn->core, ex, turn->now_ns);
    weir_list_remove(&weir_turn_seat_of(ex)->live);
    weir_timers_set(&turn->timers, &ex->timer, WEIR_NEVER);
    weir_turn_note(turn, ex);
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
            weir_exchange *ex = weir_turn_exchange_of(action.ticket);
            weir_turn_orphan(turn, ex);
            weir_core_granted(&turn->core, ex, turn->now_ns);
            weir_turn_touch_exchange(turn, ex);
            break;
        }
        case WEIR_ACTION_WARMED: {
            weir_exchange *ex = WEIR_CONTAINER_OF(action.wish, weir_exchange, wish);
            weir_core_granted(&turn->core, ex, turn->now_ns);
            weir_turn_touch_exchange(turn, ex);
            break;
        }
        case WEIR_ACTION_TELL:
            weir_exchange_tell_waiting(weir_turn_exchange_of(action.ticket), turn->now_ns);
            weir_turn_note(turn, weir_turn_exchange_of(action.ticket));
            break;
        case WEIR_ACTION_DIAL:
            weir_turn_dial(turn, &action);
            break;
        case WEIR_ACTION_CLOSE:
            weir_turn_begin_close(turn, weir_turn_port_of(action.slot), action.reason);
            break;
        case WEIR_ACTION_NONE:
            break;
        }
    }
    return any;
}

/* Whoever came to wait may wait for the place of one that is still there. */
static void hurry_goodbyes(weir_turn *turn)
{
    if (!weir_pool_is_asked(turn->core.pool)) {
        return;
    }
    for (weir_list *at = turn->ports.next; at != &turn->ports; at = at->next) {
        weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        if (port->state != WEIR_PORT_CLOSING) {
            return; /* those that are come first */
        }
        if (weir_pool_is_missed(turn->core.pool, port->slot)) {
            weir_turn_touch(turn, port);
        }
    }
}
