/* SPDX-License-Identifier: MIT */
/*
 * A loop in the child of a fork.
 *
 * One thread owns a loop, so between two turns nothing of it is half done, and the child can take
 * it apart: exchanges end, the pool is emptied, memory is given back. Only the descriptors are the
 * parent's too: they are closed and nothing else. No octet leaves, no option is set, and nothing is
 * taken out of the parent's epoll instance by name, which would take it from the parent; the child
 * has one of its own.
 *
 * A loop whose thread was inside a turn while another thread forked cannot be taken apart: the
 * child must leave it alone.
 */
#include "engine/loop.h"

#define ROUNDS_LIMIT 64

static weir_status replace_descriptors(weir_loop *loop);
static void let_descriptors_go(weir_loop *loop);
static void begin_with_nothing(weir_loop *loop);
static void close_sockets(weir_loop *loop, weir_port *port);
static void end_exchanges(weir_loop *loop);
static void empty_pool(weir_loop *loop);
static void abandon(weir_loop *loop, weir_port *port);

weir_status weir_loop_enter(weir_loop *loop)
{
    if (weir_fork_mark_is_ours(loop->mark)) {
        return WEIR_OK;
    }
    if (loop->in_turn) {
        return WEIR_E_STATE;
    }
    if (!weir_fork_mark_claim(loop->mark)) {
        return WEIR_OK;
    }
    weir_shared_enter(loop->turn.core.shared);
    const weir_status status = replace_descriptors(loop);
    if (status == WEIR_OK) {
        begin_with_nothing(loop);
        weir_os_poller_signal(loop->poller); /* how the exchanges ended is there to be told */
    }
    weir_fork_mark_settle(loop->mark, status == WEIR_OK);
    return status;
}

void weir_loop_forget_parent(weir_loop *loop)
{
    let_descriptors_go(loop);
    loop->channel = NULL;
    loop->poller = NULL;
    begin_with_nothing(loop);
}

static void begin_with_nothing(weir_loop *loop)
{
    weir_names_forget(&loop->turn.core.names);
    loop->turn.now_ns = weir_now();
    end_exchanges(loop);
    empty_pool(loop);
    weir_core_count_anew(&loop->turn.core);
}

/* A poller and a resolver of the child's own first, so that without them nothing has changed yet.
 */
static weir_status replace_descriptors(weir_loop *loop)
{
    weir_status status = WEIR_OK;
    weir_os_poller *poller = weir_os_poller_new(loop->allocator, &status);
    weir_channel *channel = poller != NULL ? weir_loop_new_channel(loop, &status) : NULL;

    if (channel == NULL) {
        weir_os_poller_free(poller);
        return status;
    }
    let_descriptors_go(loop);
    loop->channel = channel;
    loop->poller = poller;
    return WEIR_OK;
}

static void let_descriptors_go(weir_loop *loop)
{
    for (weir_list *at = loop->turn.ports.next; at != &loop->turn.ports; at = at->next) {
        close_sockets(loop, WEIR_CONTAINER_OF(at, weir_port, place));
    }
    weir_loop_free_poller(loop);
    (void)weir_mutex_forked(&loop->inbox_lock); /* another thread may have held it, to cancel */
    weir_list_init(&loop->cancelled);
    for (weir_list *at = loop->turn.all.next; at != &loop->turn.all; at = at->next) {
        weir_list_init(&WEIR_CONTAINER_OF(at, weir_turn_seat, all)->kicked);
    }
}

static void close_sockets(weir_loop *loop, weir_port *port)
{
    if (port->lookup != NULL) {
        weir_channel_end(loop->channel, port->lookup);
        port->lookup = NULL;
    }
    for (size_t i = 0; port->dialing != NULL && i < port->dialing->dial.count; i++) {
        weir_dial_address *attempt = &port->dialing->dial.addresses[i];
        if (attempt->fd >= 0) {
            weir_os_close(attempt->fd);
            attempt->fd = -1;
            weir_list_push_back(&loop->dead_tags, &((ready_tag *)attempt->driver)->place);
            attempt->driver = NULL;
        }
    }
    if (port->fd >= 0) {
        weir_os_close(port->fd);
        port->fd = -1;
    }
    if (port->driver != NULL) {
        weir_list_push_back(&loop->dead_tags, &((ready_tag *)port->driver)->place);
        port->driver = NULL;
    }
    port->readable = false;
    port->writable = false;
}

static void end_exchanges(weir_loop *loop)
{
    const weir_failure failure = {
        .status = WEIR_E_CLOSED,
        .tls_alert = -1,
        .offset = WEIR_UNKNOWN,
        .what = WEIR_FORKED_WHAT,
    };

    for (weir_list *at = loop->turn.live.next; at != &loop->turn.live; at = at->next) {
        weir_exchange *ex = WEIR_CONTAINER_OF(at, weir_turn_seat, live)->exchange;
        ex->call.replay = WEIR_REPLAY_NEVER;
        weir_exchange_fail(ex, &failure, loop->turn.now_ns);
        weir_turn_touch_exchange(&loop->turn, ex);
    }
}

/* What the pool has done for those who leave is undone by the next drain: nothing is carried out in
 * between. */
static void empty_pool(weir_loop *loop)
{
    weir_turn *turn = &loop->turn;
    const weir_drain forked = {.reason = WEIR_REASON_FORKED};

    for (int round = 0; round < ROUNDS_LIMIT && !weir_list_is_empty(&turn->live); round++) {
        weir_pool_drain(turn->core.pool, &forked, turn->now_ns);
        weir_turn_decide(turn);
        (void)weir_turn_settle(turn);
    }
    while (!weir_list_is_empty(&turn->ports)) {
        weir_pool_drain(turn->core.pool, &forked, turn->now_ns);
        weir_turn_decide(turn);
        if (!weir_list_is_empty(&turn->ports)) {
            abandon(loop, WEIR_CONTAINER_OF(turn->ports.next, weir_port, place));
        }
    }
    weir_loop_free_dead(loop);
}

/* Its account is the parent's to give: what the kernel counted from here on is not what this
 * process moved. */
static void abandon(weir_loop *loop, weir_port *port)
{
    const weir_account account = {.size = sizeof(account), .verdict.agreement = WEIR_UNAVAILABLE};

    close_sockets(loop, port);
    port->close_reason = WEIR_REASON_FORKED;
    weir_turn_closed(&loop->turn, port, &account);
}
