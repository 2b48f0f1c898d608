/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous front end: a turn (turn.h) with the system calls of epoll. One thread, one descriptor, no callback but the
 * observer's.
 *
 * Per turn and touched link: one recv as long as the socket gives full buffers, one send. Sockets are registered once,
 * edge-triggered; what is known of their readiness stays in the port until the kernel says EAGAIN.
 */
#include "engine/os.h"
#include "engine/resolve.h"
#include "engine/turn.h"
#include "weir/loop.h"

#include <string.h>

#define RECEIVE_OCTETS ((size_t)65536)
#define TURN_OCTETS ((size_t)1 << 20)
#define READY_BATCH 256
#define ROUNDS_LIMIT 64

/* What a registered descriptor is for. */
typedef enum ready_kind { READY_DEAD = 0, READY_PORT, READY_ATTEMPT, READY_RESOLVER } ready_kind;

typedef struct ready_tag {
    ready_kind kind;
    weir_port *port;
    size_t index; /* of an attempt */
    int fd;       /* of the resolver */
    weir_list place;
} ready_tag;

/* How many observed events one turn hands out as records. */
#define RECORDS 64

struct weir_loop {
    weir_turn turn;
    const weir_allocator *allocator;
    weir_os_poller *poller;
    weir_channel *channel;
    uint8_t *receive;
    size_t turn_octets;
    size_t budget_octets;
    bool in_turn;
    bool observed_as_records;
    weir_observer record_observer;  /* only says that somebody listens */
    weir_waiting_event *records;    /* of this turn */
    size_t record_count;
    weir_list resolver_tags;
    weir_list dead_tags;            /* freed when no batch of readiness can name them any more */
    weir_mutex inbox_lock;          /* guards `cancelled` */
    weir_list cancelled;            /* seats of exchanges that other threads cancelled */
    weir_exchange *telling;         /* whose observer runs: freeing it waits */
    bool free_telling;
};

static weir_status loop_response(weir_exchange *ex);
static weir_status loop_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets);
static weir_status loop_write(weir_exchange *ex, weir_span octets, size_t *taken);
static weir_status loop_finish(weir_exchange *ex, const weir_fields *trailers);
static void loop_resume(weir_exchange *ex);
static void loop_kick(weir_exchange *ex);
static void loop_leave(weir_exchange *ex);
static void answered(void *user);
static void moved(weir_loop *loop);
static void gather(weir_loop *loop);
static void gather_ready(weir_loop *loop, const weir_os_ready *ready);
static void gather_cancels(weir_loop *loop);
static void gather_answers(weir_loop *loop);
static void watch_resolver(weir_loop *loop);
static void act(weir_loop *loop);
static void act_on(weir_loop *loop, weir_port *port);
static void dial(weir_loop *loop, weir_port *port);
static void start_attempt(weir_loop *loop, weir_port *port, size_t index);
static void attempt_ready(weir_loop *loop, ready_tag *tag);
static void end_dial(weir_loop *loop, weir_port *port);
static void receive(weir_loop *loop, weir_port *port);
static void send_pending(weir_loop *loop, weir_port *port);
static void close_port(weir_loop *loop, weir_port *port);
static void send_failed(weir_loop *loop, weir_port *port, int sys_errno);
static void bury(weir_loop *loop, ready_tag *tag);
static void free_dead(weir_loop *loop);
static weir_status begin(weir_loop *loop, const weir_loop_options *options, weir_shared *shared);
static void never_told(const weir_event *event, void *user);
static size_t tell(weir_loop *loop, weir_loop_event *events, size_t room);
static size_t tell_observed(weir_loop *loop, weir_loop_event *events, size_t room);
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

weir_loop *weir_loop_new(const weir_loop_options *options, weir_status *status)
{
    static const weir_loop_options none = WEIR_LOOP_OPTIONS_INIT;
    weir_status ignored = WEIR_OK;

    options = options != NULL ? options : &none;
    status = status != NULL ? status : &ignored;
    if (options->size < sizeof(*options)) {
        *status = WEIR_E_INVALID;
        return NULL;
    }
    const weir_allocator *allocator = options->allocator != NULL ? options->allocator : weir_os_allocator();
    weir_loop *loop = weir_alloc_zeroed(allocator, sizeof(*loop));
    *status = WEIR_E_NOMEM;
    if (loop == NULL) {
        return NULL;
    }
    loop->allocator = allocator;
    loop->turn_octets = options->turn_octets != 0 ? options->turn_octets : TURN_OCTETS;
    loop->observed_as_records = options->observed_as_records;
    loop->record_observer = (weir_observer){.size = sizeof(weir_observer), .user = loop, .tell = never_told};
    weir_list_init(&loop->resolver_tags);
    weir_list_init(&loop->dead_tags);
    weir_list_init(&loop->cancelled);
    weir_shared *shared = options->shared != NULL ? weir_shared_acquire(options->shared)
                                                  : weir_shared_new(&(weir_shared_options){
                                                        .size = sizeof(weir_shared_options),
                                                        .allocator = allocator,
                                                    }, status);
    if (shared != NULL) {
        *status = begin(loop, options, shared);
        weir_shared_release(shared);
    }
    if (*status != WEIR_OK) {
        weir_loop_free(loop);
        return NULL;
    }
    return loop;
}

void weir_loop_free(weir_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    WEIR_ASSERT(!loop->in_turn);
    if (loop->turn.core.pool != NULL) {
        moved(loop);
        close_everything(loop);
        weir_events_tell(&loop->turn.core.events);
        weir_turn_clear(&loop->turn);
    }
    weir_channel_free(loop->channel);
    weir_os_poller_free(loop->poller);
    while (!weir_list_is_empty(&loop->resolver_tags)) {
        ready_tag *tag = WEIR_CONTAINER_OF(loop->resolver_tags.next, ready_tag, place);
        weir_list_remove(&tag->place);
        weir_release(loop->allocator, tag);
    }
    free_dead(loop);
    weir_mutex_clear(&loop->inbox_lock);
    weir_release(loop->allocator, loop->records);
    weir_release(loop->allocator, loop->receive);
    weir_release(loop->allocator, loop);
}

weir_status weir_loop_submit(weir_loop *loop, const weir_request *request, const weir_call *call, void *user,
                             weir_exchange **exchange)
{
    weir_exchange_options options = {
        .allocator = loop->allocator,
        .front = &front,
        .owner = loop,
        .user = user,
        .id = loop->turn.core.next_exchange++,
        .now_ns = weir_now(),
    };
    weir_status status = WEIR_OK;

    *exchange = NULL;
    if (weir_request_is_https(request) && (call == NULL || call->tls == NULL)) {
        options.tls = weir_shared_tls(loop->turn.core.shared, &status);
        if (options.tls == NULL) {
            return status;
        }
    }
    loop->turn.now_ns = options.now_ns;
    weir_exchange *ex = weir_turn_submit(&loop->turn, &options, request, call, &status);
    if (ex == NULL) {
        return status;
    }
    if (loop->observed_as_records && ex->call.observer == NULL) {
        ex->events.observer = &loop->record_observer;
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
    return weir_os_poller_fd(loop->poller);
}

size_t weir_loop_turn(weir_loop *loop, weir_loop_event *events, size_t room)
{
    WEIR_ASSERT(!loop->in_turn);
    loop->in_turn = true;
    loop->record_count = 0;
    loop->budget_octets = loop->turn_octets;
    moved(loop);
    gather(loop);
    weir_turn_due(&loop->turn);
    for (int round = 0; round < ROUNDS_LIMIT; round++) {
        weir_turn_decide(&loop->turn);
        act(loop);
        if (!weir_turn_settle(&loop->turn)) {
            break;
        }
    }
    free_dead(loop);
    const size_t count = tell(loop, events, room);
    set_wake(loop);
    loop->in_turn = false;
    return count;
}

weir_time weir_loop_deadline(const weir_loop *loop)
{
    return has_left(loop) ? 0 : weir_turn_deadline(&loop->turn);
}

void weir_loop_wake(weir_loop *loop)
{
    weir_os_poller_signal(loop->poller);
}

void weir_loop_wait(weir_loop *loop, weir_time deadline_ns)
{
    weir_poll poll = {.fd = weir_loop_fd(loop), .events = WEIR_POLL_IN};

    (void)weir_os_poll(&poll, 1, deadline_ns);
}

void weir_loop_counts(const weir_loop *loop, weir_counts *counts)
{
    weir_core_counts(&loop->turn.core, counts);
}

/* -- an exchange's user -- */

static weir_loop *loop_of(const weir_exchange *ex)
{
    return ex->owner;
}

/* The user changed something between turns: the next turn has work. */
static void wake_if_left(weir_loop *loop)
{
    if (!loop->in_turn && has_left(loop)) {
        weir_os_poller_signal(loop->poller);
    }
}

static weir_status loop_response(weir_exchange *ex)
{
    return weir_turn_response(&loop_of(ex)->turn, ex);
}

static weir_status loop_read(weir_exchange *ex, uint8_t *to, size_t room, size_t *octets)
{
    weir_loop *loop = loop_of(ex);
    const weir_status status = weir_turn_read(&loop->turn, ex, to, room, octets);

    wake_if_left(loop);
    return status;
}

static weir_status loop_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    weir_loop *loop = loop_of(ex);
    const weir_status status = weir_turn_write(&loop->turn, ex, octets, taken);

    wake_if_left(loop);
    return status;
}

static weir_status loop_finish(weir_exchange *ex, const weir_fields *trailers)
{
    weir_loop *loop = loop_of(ex);
    const weir_status status = weir_turn_finish(&loop->turn, ex, trailers);

    wake_if_left(loop);
    return status;
}

static void loop_resume(weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);

    weir_turn_resume(&loop->turn, ex);
    wake_if_left(loop);
}

/* Any thread: into the inbox, and the descriptor becomes readable. */
static void loop_kick(weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);
    weir_turn_seat *seat = ex->seat;

    weir_mutex_lock(&loop->inbox_lock);
    if (weir_list_is_empty(&seat->kicked)) {
        weir_list_push_back(&loop->cancelled, &seat->kicked);
    }
    weir_mutex_unlock(&loop->inbox_lock);
    weir_os_poller_signal(loop->poller);
}

static void loop_leave(weir_exchange *ex)
{
    weir_loop *loop = loop_of(ex);
    weir_turn_seat *seat = ex->seat;

    if (ex->call.token != NULL) {
        weir_token_remove(ex->call.token, ex);
        ex->call.token = NULL;
    }
    weir_mutex_lock(&loop->inbox_lock);
    weir_list_remove(&seat->kicked);
    weir_mutex_unlock(&loop->inbox_lock);
    if (loop->telling == ex) {
        loop->free_telling = true;
        return;
    }
    weir_turn_free_exchange(&loop->turn, ex);
    wake_if_left(loop);
}

/* -- birth and death -- */

static weir_status begin(weir_loop *loop, const weir_loop_options *options, weir_shared *shared)
{
    weir_core_options core = {
        .allocator = loop->allocator,
        .shared = shared,
        .observer = options->observer,
        .limits = options->limits,
    };
    const weir_channel_options channel = {
        .allocator = loop->allocator,
        .resolver = options->resolver,
        .notify = answered,
        .user = loop,
    };
    weir_status status = WEIR_OK;

    weir_os_random(&core.seed, sizeof(core.seed));
    if (!weir_mutex_init(&loop->inbox_lock)) {
        return WEIR_E_NOMEM;
    }
    loop->receive = weir_alloc(loop->allocator, RECEIVE_OCTETS);
    loop->records = options->observed_as_records
                        ? weir_alloc(loop->allocator, RECORDS * sizeof(weir_waiting_event))
                        : NULL;
    if (loop->receive == NULL || (options->observed_as_records && loop->records == NULL)) {
        return WEIR_E_NOMEM;
    }
    loop->poller = weir_os_poller_new(loop->allocator);
    if (loop->poller == NULL) {
        return WEIR_E_DESCRIPTORS;
    }
    status = weir_turn_init(&loop->turn, &core);
    if (status != WEIR_OK) {
        return status;
    }
    loop->channel = weir_channel_new(&channel, &status);
    return status;
}

/* Cancels what is under way without telling it, and closes every connection after one try at goodbye. */
static void close_everything(weir_loop *loop)
{
    while (!weir_list_is_empty(&loop->turn.live)) {
        weir_turn_seat *seat = WEIR_CONTAINER_OF(loop->turn.live.next, weir_turn_seat, live);
        weir_exchange_fail_with(seat->exchange, WEIR_E_CLOSED, NULL, loop->turn.now_ns);
        weir_turn_abandon(&loop->turn, seat->exchange);
    }
    weir_pool_shutdown(loop->turn.core.pool, loop->turn.now_ns);
    for (int round = 0; round < ROUNDS_LIMIT && !weir_list_is_empty(&loop->turn.ports); round++) {
        weir_turn_decide(&loop->turn);
        act(loop);
        (void)weir_turn_settle(&loop->turn);
    }
    while (!weir_list_is_empty(&loop->turn.ports)) {
        close_port(loop, WEIR_CONTAINER_OF(loop->turn.ports.next, weir_port, place));
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

/* -- gather -- */

static void moved(weir_loop *loop)
{
    loop->turn.now_ns = weir_now();
}

static void gather(weir_loop *loop)
{
    weir_os_ready ready[READY_BATCH];
    const size_t count = weir_os_poller_wait(loop->poller, ready, READY_BATCH);

    for (size_t i = 0; i < count; i++) {
        gather_ready(loop, &ready[i]);
    }
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
        weir_channel_ready(loop->channel, tag->fd, ready->readable, ready->writable, loop->turn.now_ns);
        return;
    case READY_ATTEMPT:
        if (ready->writable) {
            attempt_ready(loop, tag);
        }
        return;
    case READY_PORT:
        port->readable = port->readable || ready->readable;
        port->writable = port->writable || ready->writable;
        port->hangup = port->hangup || ready->hangup;
        receive(loop, port);
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
    weir_answer answer;

    while (weir_channel_next_answer(loop->channel, &answer)) {
        weir_port *port = answer.user;
        weir_turn_answer(&loop->turn, port, answer.family, answer.status, answer.addresses, answer.count);
    }
}

static void watch_resolver(weir_loop *loop)
{
    weir_poll watch;

    while (weir_channel_next_watch(loop->channel, &watch)) {
        ready_tag *tag = NULL;
        for (weir_list *at = loop->resolver_tags.next; at != &loop->resolver_tags && tag == NULL; at = at->next) {
            ready_tag *known = WEIR_CONTAINER_OF(at, ready_tag, place);
            tag = known->fd == watch.fd ? known : NULL;
        }
        if (tag == NULL) {
            tag = weir_alloc_zeroed(loop->allocator, sizeof(*tag));
            if (tag == NULL) {
                return; /* c-ares tries again after its time-out */
            }
            tag->kind = READY_RESOLVER;
            tag->fd = watch.fd;
            weir_list_init(&tag->place);
            weir_list_push_back(&loop->resolver_tags, &tag->place);
        }
        (void)weir_os_poller_watch(loop->poller, watch.fd, (watch.events & WEIR_POLL_IN) != 0,
                                   (watch.events & WEIR_POLL_OUT) != 0, tag);
    }
}

/* -- act -- */

static void act(weir_loop *loop)
{
    for (weir_port *port = weir_turn_next_port(&loop->turn); port != NULL;
         port = weir_turn_next_port(&loop->turn)) {
        act_on(loop, port);
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
        send_pending(loop, port);
    }
    if (port->state == WEIR_PORT_CLOSING && (port->fd < 0 || weir_link_is_over(port->link))) {
        close_port(loop, port);
        return;
    }
    weir_turn_acted(&loop->turn, port);
}

static void dial(weir_loop *loop, weir_port *port)
{
    size_t index = 0;

    if (!port->dial_begun) {
        port->dial_begun = true;
        if (weir_dialing_needs_lookup(port->dialing)) {
            port->lookup = weir_channel_start(loop->channel, weir_dialing_host(port->dialing), port, loop->turn.now_ns);
            if (port->lookup == NULL) {
                weir_turn_answer(&loop->turn, port, 4, WEIR_E_NOMEM, NULL, 0);
                weir_turn_answer(&loop->turn, port, 6, WEIR_E_NOMEM, NULL, 0);
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
        *tag = (ready_tag){.kind = READY_ATTEMPT, .port = port, .index = index, .fd = -1};
        weir_list_init(&tag->place);
        io = weir_os_connect(&attempt->address, port->dialing->port, &attempt->fd);
    }
    if (io.kind == WEIR_IO_FAILED || !weir_os_poller_add(loop->poller, attempt->fd, tag)) {
        if (attempt->fd >= 0) {
            weir_os_close(attempt->fd);
            attempt->fd = -1;
        }
        weir_release(loop->allocator, tag);
        weir_turn_attempt_ended(&loop->turn, port, index, io.sys_errno != 0 ? io.sys_errno : WEIR_OS_NOMEM);
        return;
    }
    attempt->driver = tag;
}

static void attempt_ready(weir_loop *loop, ready_tag *tag)
{
    weir_port *port = tag->port;
    const size_t index = tag->index;
    weir_dial_address *attempt = &port->dialing->dial.addresses[index];
    const weir_io io = weir_os_connect_result(attempt->fd);

    if (io.kind == WEIR_IO_FAILED) {
        weir_os_close(attempt->fd);
        attempt->fd = -1;
        attempt->driver = NULL;
        bury(loop, tag);
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
            weir_os_close(dialed->addresses[i].fd);
            dialed->addresses[i].fd = -1;
            bury(loop, dialed->addresses[i].driver);
            dialed->addresses[i].driver = NULL;
        }
    }
    if (port->lookup != NULL) {
        weir_channel_end(loop->channel, port->lookup);
        port->lookup = NULL;
    }
}

static void receive(weir_loop *loop, weir_port *port)
{
    weir_want want;

    while (port->readable && loop->budget_octets > 0) {
        weir_link_want(port->link, &want);
        if (want.in_octets == 0) {
            return;
        }
        const size_t room = weir_min(want.in_octets, weir_min(RECEIVE_OCTETS, loop->budget_octets));
        const weir_io io = weir_os_recv(port->fd, loop->receive, room, true);
        switch (io.kind) {
        case WEIR_IO_OK:
            loop->budget_octets -= io.octets;
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
            continue;
        }
        port->writable = false;
        if (io.kind == WEIR_IO_FAILED) {
            send_failed(loop, port, io.sys_errno);
            return;
        }
    }
}

/* An answer may lie unread in the socket behind EPIPE or a reset: it is read before the failure is believed. */
static void send_failed(weir_loop *loop, weir_port *port, int sys_errno)
{
    port->readable = true;
    port->hangup = true;
    receive(loop, port);
    if (port->link->state != WEIR_LINK_CLOSED) {
        weir_turn_failed(&loop->turn, port, sys_errno);
    }
}

static void close_port(weir_loop *loop, weir_port *port)
{
    weir_account account;

    if (port->dialing != NULL) {
        end_dial(loop, port);
    }
    weir_link_account(port->link, port->fd, &account);
    if (port->fd >= 0) {
        weir_os_close(port->fd);
        port->fd = -1;
    }
    if (port->driver != NULL) {
        bury(loop, port->driver);
    }
    weir_turn_closed(&loop->turn, port, &account);
}

/* Readiness gathered earlier may still name the tag. */
static void bury(weir_loop *loop, ready_tag *tag)
{
    tag->kind = READY_DEAD;
    tag->port = NULL;
    weir_list_push_back(&loop->dead_tags, &tag->place);
}

static void free_dead(weir_loop *loop)
{
    while (!weir_list_is_empty(&loop->dead_tags)) {
        ready_tag *tag = WEIR_CONTAINER_OF(loop->dead_tags.next, ready_tag, place);
        weir_list_remove(&tag->place);
        weir_release(loop->allocator, tag);
    }
}

/* -- tell -- */

static size_t tell(weir_loop *loop, weir_loop_event *events, size_t room)
{
    size_t count = tell_observed(loop, events, room);

    weir_events_tell(&loop->turn.core.events);
    while (count < room && weir_turn_next_told(&loop->turn, &events[count])) {
        count++;
    }
    return count;
}

/* Observers first: an exchange's events come before what they led to. */
static size_t tell_observed(weir_loop *loop, weir_loop_event *events, size_t room)
{
    size_t count = 0;

    for (weir_list *at = loop->turn.telling.next; at != &loop->turn.telling;) {
        weir_exchange *ex = WEIR_CONTAINER_OF(at, weir_turn_seat, telling)->exchange;
        if (ex->events.observer == &loop->record_observer) {
            while (count < room && loop->record_count < RECORDS &&
                   weir_events_next(&ex->events, &loop->records[loop->record_count])) {
                weir_waiting_event *record = &loop->records[loop->record_count++];
                record->event.address = record->event.address != NULL ? record->address : NULL;
                record->event.account = NULL;
                events[count++] = (weir_loop_event){
                    .told = WEIR_TOLD_OBSERVED,
                    .exchange = ex,
                    .id = ex->id,
                    .user = ex->user,
                    .observed = &record->event,
                };
            }
            at = at->next;
            continue;
        }
        loop->telling = ex;
        loop->free_telling = false;
        weir_events_tell(&ex->events);
        loop->telling = NULL;
        at = at->next;
        if (loop->free_telling) {
            weir_turn_free_exchange(&loop->turn, ex);
        }
    }
    return count;
}

static bool has_left(const weir_loop *loop)
{
    return weir_turn_has_work(&loop->turn) || weir_turn_has_told(&loop->turn);
}

/* After a turn the descriptor is readable exactly if something is left, or when the next deadline comes. */
static void set_wake(weir_loop *loop)
{
    weir_time at_ns = weir_turn_deadline(&loop->turn);

    watch_resolver(loop);
    at_ns = weir_time_earlier(at_ns, weir_channel_deadline(loop->channel, loop->turn.now_ns));
    weir_os_poller_set_timer(loop->poller, at_ns);
    if (has_left(loop) || loop->budget_octets == 0) {
        weir_os_poller_signal(loop->poller);
    }
}
