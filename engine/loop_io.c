/* SPDX-License-Identifier: MIT */
/*
 * The system calls of the loop: what is gathered before a decision and done after it.
 *
 * A descriptor is registered once, edge-triggered, with a tag that says what it is for; a winner
 * keeps the tag of its attempt, so that becoming a connection costs no system call. A tag is
 * buried, not freed, until the batch of readiness that may name it is over.
 *
 * What is known of a socket's readiness stays in its port until the kernel says EAGAIN, or gives or
 * takes less than it was offered. After a hang-up was seen a short read proves nothing: the end
 * must still be read.
 */
#include "engine/loop.h"

#include <string.h>

#define READY_BATCH 256

/* What is said of both families when no look-up could be begun. */
static const weir_answer no_memory[] = {{.family = 4, .status = WEIR_E_NOMEM},
                                        {.family = 6, .status = WEIR_E_NOMEM}};

static void gather_ready(weir_loop *loop, const weir_os_ready *ready);
static void gather_cancels(weir_loop *loop);
static void gather_answers(weir_loop *loop);
static void look_names_up(weir_loop *loop);
static void take_name_answer(weir_loop *loop, const weir_lookup_answer *came);
static void act_on(weir_loop *loop, weir_port *port);
static void dial(weir_loop *loop, weir_port *port);
static void start_attempt(weir_loop *loop, weir_port *port, size_t index);
static void attempt_ready(weir_loop *loop, ready_tag *tag);
static void end_dial(weir_loop *loop, weir_port *port);
static void close_attempt(weir_loop *loop, weir_dial_address *attempt, int sys_errno);
static void look_first(weir_loop *loop, weir_port *port);
static void receive(weir_loop *loop, weir_port *port);
static void send_pending(weir_loop *loop, weir_port *port);
static void send_failed(weir_loop *loop, weir_port *port, int sys_errno);
static void close_watched(weir_loop *loop, int fd);
static void bury(weir_loop *loop, ready_tag *tag);
static void free_tags(weir_loop *loop, weir_list *tags);

/* -- gather -- */

void weir_loop_moved(weir_loop *loop)
{
    loop->turn.now_ns = weir_now();
}

void weir_loop_backlog(weir_loop *loop)
{
    weir_list *next = NULL;

    for (weir_list *at = loop->turn.ports.next; at != &loop->turn.ports && loop->budget_octets > 0;
         at = next) {
        weir_port *port = WEIR_CONTAINER_OF(at, weir_port, place);
        next = at->next;
        receive(loop, port);
    }
}

void weir_loop_gather(weir_loop *loop)
{
    weir_os_ready ready[READY_BATCH];
    size_t count = 0;

    /* All there are: a connection that was not looked at must not be leased, for octets that nobody
     * asked for may lie on it. */
    do {
        count = weir_os_poller_wait(loop->poller, ready, READY_BATCH);
        for (size_t i = 0; i < count; i++) {
            gather_ready(loop, &ready[i]);
        }
    } while (count == READY_BATCH);
    gather_cancels(loop);
    weir_channel_ready(loop->channel, -1, false, false, loop->turn.now_ns);
    gather_answers(loop);
}

static void gather_ready(weir_loop *loop, const weir_os_ready *ready)
{
    ready_tag *tag = ready->user;
    weir_port *port = tag->port;

    switch (tag->kind) {
    case READY_DEAD:
        return;
    case READY_RESOLVER:
        weir_channel_ready(loop->channel, tag->number, ready->readable, ready->writable,
                           loop->turn.now_ns);
        return;
    case READY_ATTEMPT:
        if (ready->writable) {
            attempt_ready(loop, tag);
        }
        if (tag->kind == READY_PORT) {
            /* A peer that speaks first: its octets came with the connection, and no further edge
             * tells of them. */
            port->readable = ready->readable;
            port->hangup = ready->hangup;
        }
        return;
    case READY_PORT:
        port->readable = port->readable || ready->readable;
        port->writable = port->writable || ready->writable;
        port->hangup = port->hangup || ready->hangup;
        receive(loop, port);
        look_first(loop, port);
        weir_turn_touch(&loop->turn, port);
        return;
    }
}

static void gather_cancels(weir_loop *loop)
{
    weir_list cancelled;

    weir_list_init(&cancelled);
    weir_mutex_lock(&loop->inbox_lock);
    weir_list_splice(&cancelled, &loop->cancelled);
    while (!weir_list_is_empty(&cancelled)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(cancelled.next, weir_turn_seat, kicked);
        weir_list_remove(&seat->kicked);
        weir_turn_cancelled(&loop->turn, seat->exchange);
    }
    weir_mutex_unlock(&loop->inbox_lock);
}

static void gather_answers(weir_loop *loop)
{
    weir_lookup_answer came;

    while (weir_channel_next_answer(loop->channel, &came)) {
        weir_port *port = came.user;
        if (port == NULL) {
            take_name_answer(loop, &came);
        } else {
            weir_turn_answer(&loop->turn, port, &came.answer);
        }
    }
}

void weir_loop_watch_resolver(weir_loop *loop)
{
    weir_poll watch;

    while (weir_channel_next_watch(loop->channel, &watch)) {
        ready_tag *tag = NULL;
        for (weir_list *at = loop->resolver_tags.next; at != &loop->resolver_tags && tag == NULL;
             at = at->next) {
            ready_tag *known = WEIR_CONTAINER_OF(at, ready_tag, place);
            tag = known->number == watch.fd ? known : NULL;
        }
        if (tag == NULL) {
            tag = weir_alloc_zeroed(loop->allocator, sizeof(*tag));
            if (tag == NULL) {
                return; /* c-ares tries again after its time-out */
            }
            tag->kind = READY_RESOLVER;
            tag->number = watch.fd;
            weir_list_init(&tag->place);
            weir_list_push_back(&loop->resolver_tags, &tag->place);
        }
        (void)weir_os_poller_watch(loop->poller, watch.fd, (watch.events & WEIR_POLL_IN) != 0,
                                   (watch.events & WEIR_POLL_OUT) != 0, tag);
    }
}

/* -- act -- */

void weir_loop_act(weir_loop *loop)
{
    look_names_up(loop);
    for (weir_port *port = weir_turn_next_port(&loop->turn); port != NULL;
         port = weir_turn_next_port(&loop->turn)) {
        act_on(loop, port);
    }
}

/* Names that connections came from, whose answers have run out. */
static void look_names_up(weir_loop *loop)
{
    weir_turn *turn = &loop->turn;
    bool any = false;

    for (weir_name *name = weir_turn_next_name(turn); name != NULL;
         name = weir_turn_next_name(turn)) {
        any = true;
        name->lookup = weir_channel_start(loop->channel, (weir_span){name->host, name->host_length},
                                          NULL, turn->now_ns);
        if (name->lookup == NULL) {
            for (size_t i = 0; i < WEIR_COUNT_OF(no_memory); i++) {
                (void)weir_turn_name_answer(turn, name, &no_memory[i]);
            }
        }
    }
    if (any) {
        gather_answers(loop);
    }
}

static void take_name_answer(weir_loop *loop, const weir_lookup_answer *came)
{
    weir_name *name = weir_names_of(&loop->turn.core.names, came->lookup);

    if (weir_turn_name_answer(&loop->turn, name, &came->answer)) {
        weir_channel_end(loop->channel, came->lookup);
    }
}

static void act_on(weir_loop *loop, weir_port *port)
{
    if (port->state == WEIR_PORT_DIALING && port->fd < 0) {
        dial(loop, port);
        weir_turn_acted(&loop->turn, port);
        return;
    }
    if (port->fd >= 0) {
        receive(loop, port);
        look_first(loop, port);
        send_pending(loop, port);
    }
    if (weir_turn_is_over(&loop->turn, port)) {
        weir_loop_close_port(loop, port);
        return;
    }
    weir_turn_acted(&loop->turn, port);
}

static void dial(weir_loop *loop, weir_port *port)
{
    size_t index = 0;

    if (!port->dial_begun) {
        port->dial_begun = true;
        if (weir_dialing_still_needs_lookup(port->dialing, loop->turn.now_ns)) {
            port->lookup = weir_channel_start(loop->channel, weir_dialing_host(port->dialing), port,
                                              loop->turn.now_ns);
            if (port->lookup == NULL) {
                for (size_t i = 0; i < WEIR_COUNT_OF(no_memory); i++) {
                    weir_turn_answer(&loop->turn, port, &no_memory[i]);
                }
            }
            gather_answers(loop);
        }
    }
    while (port->state == WEIR_PORT_DIALING && port->fd < 0 &&
           weir_dialing_next(port->dialing, loop->turn.now_ns, &index)) {
        start_attempt(loop, port, index);
    }
}

static void start_attempt(weir_loop *loop, weir_port *port, size_t index)
{
    weir_dial_address *attempt = &port->dialing->dial.addresses[index];
    ready_tag *tag = weir_alloc_zeroed(loop->allocator, sizeof(*tag));
    weir_io io = {WEIR_IO_FAILED, 0, 0};

    if (tag != NULL) {
        *tag = (ready_tag){.kind = READY_ATTEMPT, .port = port, .number = (int)index};
        weir_list_init(&tag->place);
        io = weir_os_connect(&attempt->address, port->dialing->port, &attempt->fd);
    }
    if (io.kind != WEIR_IO_FAILED) {
        const int sys_errno = weir_os_poller_add(loop->poller, attempt->fd, tag);
        io = sys_errno != 0 ? (weir_io){WEIR_IO_FAILED, sys_errno, 0} : io;
    }
    if (io.kind == WEIR_IO_FAILED) {
        if (attempt->fd >= 0) {
            close_attempt(loop, attempt, 0);
        }
        weir_release(loop->allocator, tag);
        weir_turn_attempt_ended(&loop->turn, port, index,
                                io.sys_errno != 0 ? io.sys_errno : WEIR_OS_NOMEM);
        return;
    }
    attempt->driver = tag;
}

static void attempt_ready(weir_loop *loop, ready_tag *tag)
{
    weir_port *port = tag->port;
    const size_t index = (size_t)tag->number;
    weir_dial_address *attempt = &port->dialing->dial.addresses[index];
    const weir_io io = weir_os_connect_result(attempt->fd);

    if (io.kind == WEIR_IO_FAILED) {
        close_attempt(loop, attempt, io.sys_errno);
        weir_turn_attempt_ended(&loop->turn, port, index, io.sys_errno);
        return;
    }
    port->fd = attempt->fd;
    port->driver = tag;
    port->writable = true;
    attempt->fd = -1;
    attempt->driver = NULL;
    tag->kind = READY_PORT;
    end_dial(loop, port);
    weir_turn_attempt_ended(&loop->turn, port, index, 0);
}

/* Closes the attempts that did not win and the look-up. */
static void end_dial(weir_loop *loop, weir_port *port)
{
    weir_dial *dialed = &port->dialing->dial;

    for (size_t i = 0; i < dialed->count; i++) {
        if (dialed->addresses[i].fd >= 0) {
            close_attempt(loop, &dialed->addresses[i], 0);
        }
    }
    if (port->lookup != NULL) {
        weir_channel_end(loop->channel, port->lookup);
        port->lookup = NULL;
    }
}

/* It may have been connected by the time it is closed: then it was a connection, with an account of
 * its own. */
static void close_attempt(weir_loop *loop, weir_dial_address *attempt, int sys_errno)
{
    weir_octets kernel;

    if (weir_os_attempt_octets(attempt->fd, sys_errno, &kernel)) {
        weir_core_attempt_closed(&loop->turn.core, &kernel, weir_os_local_port(attempt->fd),
                                 loop->turn.now_ns);
    }
    close_watched(loop, attempt->fd);
    attempt->fd = -1;
    if (attempt->driver != NULL) {
        bury(loop, attempt->driver);
        attempt->driver = NULL;
    }
}

/*
 * What is known to lie unread on an HTTP/1.1 connection is read before a request is put on it or
 * goes out, though the turn's budget be spent: once a request is out nothing tells it from an
 * answer. Before that the conn takes no octet of it for one.
 */
static void look_first(weir_loop *loop, weir_port *port)
{
    const weir_conn *conn = port->link->conn;

    if (!port->readable || loop->budget_octets > 0 || conn == NULL ||
        weir_link_protocol(port->link) != WEIR_H1) {
        return;
    }
    if (weir_conn_open_streams(conn) == 0 || weir_conn_pending(conn, 0).length > 0) {
        loop->budget_octets = WEIR_LOOP_RECEIVE_OCTETS;
        receive(loop, port);
        loop->budget_octets = 0;
    }
}

static void receive(weir_loop *loop, weir_port *port)
{
    while (port->readable && loop->budget_octets > 0) {
        const size_t wanted = weir_link_room(port->link);
        if (wanted == 0) {
            return;
        }
        const size_t room =
            weir_min(wanted, weir_min(WEIR_LOOP_RECEIVE_OCTETS, loop->budget_octets));
        const weir_io io = weir_os_recv(port->fd, loop->receive, room, true);
        switch (io.kind) {
        case WEIR_IO_OK:
            loop->budget_octets -= io.octets;
            if (loop->budget_octets == 0 && port->state != WEIR_PORT_CLOSING) {
                /* Who took the last of it is the last to be asked in the next turn. */
                weir_list_remove(&port->place);
                weir_list_push_back(&loop->turn.ports, &port->place);
            }
            weir_turn_received(&loop->turn, port, (weir_span){loop->receive, io.octets});
            if (io.octets < room && !port->hangup) {
                port->readable = false;
            }
            break;
        case WEIR_IO_AGAIN:
            port->readable = false;
            return;
        case WEIR_IO_END:
            port->readable = false;
            weir_turn_received(&loop->turn, port, (weir_span){NULL, 0});
            return;
        case WEIR_IO_FAILED:
            port->readable = false;
            weir_turn_failed(&loop->turn, port, io.sys_errno);
            return;
        }
    }
}

static void send_pending(weir_loop *loop, weir_port *port)
{
    weir_want want;

    for (weir_link_want(port->link, &want); port->writable && want.out[0].length > 0;
         weir_link_want(port->link, &want)) {
        const weir_io io = weir_os_send(port->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
        if (io.kind == WEIR_IO_OK) {
            weir_turn_sent(&loop->turn, port, io.octets);
            port->writable = io.octets == want.out[0].length + want.out[1].length;
            if (!port->writable) {
                weir_link_refused(port->link, loop->turn.now_ns);
            }
            continue;
        }
        port->writable = false;
        weir_link_refused(port->link, loop->turn.now_ns);
        if (io.kind == WEIR_IO_FAILED) {
            send_failed(loop, port, io.sys_errno);
            return;
        }
    }
}

/* An answer may lie unread in the socket behind EPIPE or a reset: it is read before the failure is
 * believed. */
static void send_failed(weir_loop *loop, weir_port *port, int sys_errno)
{
    weir_link_error_taken(port->link, sys_errno);
    port->readable = true;
    port->hangup = true;
    receive(loop, port);
    /* Still readable: paused, or the budget is spent. Then what lies unread is followed by the end
     * that says it again. */
    if (port->link->state != WEIR_LINK_CLOSED && !port->readable) {
        weir_turn_failed(&loop->turn, port, sys_errno);
    }
}

void weir_loop_close_port(weir_loop *loop, weir_port *port)
{
    weir_account account;

    if (port->dialing != NULL) {
        end_dial(loop, port);
    }
    weir_link_account(port->link, port->fd, &account);
    if (port->fd >= 0) {
        account.local_port = weir_os_local_port(port->fd);
        close_watched(loop, port->fd);
        port->fd = -1;
    }
    if (port->driver != NULL) {
        bury(loop, port->driver);
    }
    weir_turn_closed(&loop->turn, port, &account);
}

/* Taken out by name: the close alone does not do it while a child of fork() holds the socket, and
 * its tag is freed. */
static void close_watched(weir_loop *loop, int fd)
{
    weir_os_poller_remove(loop->poller, fd);
    weir_os_close(fd);
}

/* Readiness gathered earlier may still name the tag. */
static void bury(weir_loop *loop, ready_tag *tag)
{
    tag->kind = READY_DEAD;
    tag->port = NULL;
    weir_list_push_back(&loop->dead_tags, &tag->place);
}

void weir_loop_free_dead(weir_loop *loop)
{
    free_tags(loop, &loop->dead_tags);
}

void weir_loop_free_poller(weir_loop *loop)
{
    weir_channel_free(loop->channel);
    weir_os_poller_free(loop->poller);
    free_tags(loop, &loop->resolver_tags);
    free_tags(loop, &loop->dead_tags);
}

static void free_tags(weir_loop *loop, weir_list *tags)
{
    while (!weir_list_is_empty(tags)) {
        ready_tag *tag = WEIR_CONTAINER_OF(tags->next, ready_tag, place);
        weir_list_remove(&tag->place);
        weir_release(loop->allocator, tag);
    }
}
