/* SPDX-License-Identifier: MIT */
/*
 * The baton: several threads on one connection without an I/O thread.
 *
 * Every system call runs with the line unlocked, on octets that are pinned until the matching did.
 * A thread that finds nothing to write and somebody else reading parks on its own seat with its own
 * deadline.
 *
 * Both halves of the rule on leaving are needed. Without the write a request could lie queued with
 * nobody awake to send it; without the wake the others could wait for an answer that nobody reads.
 * An exhaustive model finds a stuck state within 13 steps without either (docs/baton.md).
 *
 * An exclusive HTTP/1.1 call with nothing left to send waits in one recv: that is what makes a warm
 * call two system calls. Its time-out is armed once per connection (SO_RCVTIMEO), a little short of
 * the limit, so that later calls with the same limit need not arm it again; waking early is
 * harmless, waking late would break a promise.
 */
#include "engine/sync.h"

#define REST_OCTETS  4096 /* room on the stack for what is read and dropped, or told */
/* What an upload writes before it looks whether it was answered: the kernel may take all of it
 * without ever saying EAGAIN. */
#define LOOK_OCTETS  131072
/* What one look reads at most: who looks has a deadline, and a peer may send as fast as it is read.
 */
#define PROBE_OCTETS ((size_t)1 << 20)

static void drop_rest(weir_line *line, weir_time now_ns);
static bool is_done_for(const weir_link *link);
static bool satisfied(const weir_exchange *ex, weir_need need);
static bool is_for_sending(weir_need need);
static bool advance(weir_line *line, weir_exchange *ex, weir_time now_ns);
static bool ended_by_asking(weir_line *line, weir_exchange *ex, weir_time now_ns);
static bool fill_source(weir_line *line, weir_exchange *ex, weir_time *now_ns);
static bool tell_first(weir_line *line, weir_exchange *ex, weir_time *now_ns);
static void tick(weir_line *line, weir_exchange *ex, weir_seat *seat, weir_time now_ns);
static void write_step(weir_line *line, weir_time *now_ns);
static void write_failed(weir_line *line, int sys_errno, weir_time now_ns);
static void read_step(weir_line *line, weir_exchange *ex, weir_seat *seat, const weir_want *want,
                      weir_time deadline_ns, weir_time *now_ns);
static weir_io read_exclusive(weir_line *line, weir_exchange *ex, weir_seat *seat,
                              const weir_want *want, weir_time deadline_ns, weir_time now_ns);
static weir_status read_polling(weir_seat *seat, const weir_want *want, weir_poll *fds,
                                weir_time deadline_ns, weir_io *io);
static bool is_ambiguous(const weir_line *line, weir_io io);
static void take_write_error(weir_line *line, weir_io io);
static void take(weir_line *line, const weir_seat *seat, weir_io io, weir_time now_ns);
static void park(weir_line *line, weir_seat *seat, weir_time deadline_ns, weir_time *now_ns);
static bool tell_facts(weir_line *line, weir_time now_ns);
static void pass_baton(weir_line *line);
static void let_go(weir_line *line);
static void go_out(weir_line *line, const weir_exchange *ex, weir_time now_ns);
static bool must_arm(const weir_line *line, weir_time left_ns);
static void flush(weir_line *line, weir_time *now_ns);

bool weir_baton_drive(weir_line *line, weir_exchange *ex, weir_seat *seat, weir_need need)
{
    weir_time now_ns = weir_now();
    bool tried = false;
    bool has = true;

    weir_lock_take(&line->lock);
    if (line->used_ns <= ex->stalls.since_ns) {
        weir_exchange_stalls_unread(
            ex, now_ns); /* between two calls nobody reads, unless another call is inside */
    }
    seat->for_sent = need == WEIR_NEED_SENT;
    for (;;) {
        weir_want want;
        weir_why why = WEIR_WHY_NONE;

        if (!advance(line, ex, now_ns)) {
            if (!fill_source(line, ex, &now_ns)) {
                weir_exchange_fail_with(ex, WEIR_E_BODY_SOURCE,
                                        "the source answered AGAIN in a blocking call", now_ns);
            }
            continue;
        }
        if (weir_exchange_is_over(ex) || satisfied(ex, need)) {
            break;
        }
        const weir_time own_ns = weir_exchange_deadline(ex, &why);
        if (own_ns <= now_ns) {
            weir_exchange_expire(ex, now_ns);
            continue;
        }
        if (tell_facts(line, now_ns)) {
            continue;
        }
        weir_link_want(line->link, &want);
        if (ended_by_asking(line, ex, now_ns)) {
            continue;
        }
        if (want.wake_ns <= now_ns) {
            tick(line, ex, seat, now_ns);
            continue;
        }
        const weir_time deadline_ns = weir_time_earlier(own_ns, want.wake_ns);
        if (line->unlooked_octets >= LOOK_OCTETS && !line->reading) {
            weir_baton_probe(line, seat->receive, WEIR_SEAT_RECEIVE_OCTETS, now_ns);
        } else if (want.out[0].length > 0 && !line->writing && !line->unwritable) {
            write_step(line, &now_ns);
        } else if (is_for_sending(need) && weir_exchange_is_full(ex)) {
            /* The peer may be waiting for us to take what it said: the caller is the one to act,
             * and no deadline runs. */
            if (tried || line->writing || want.out[0].length == 0) {
                has = false;
                break;
            }
            tried = true;
            write_step(line, &now_ns);
        } else if (tell_first(line, ex, &now_ns)) {
            continue;
        } else if (!line->reading && (want.in_octets > 0 || line->unwritable)) {
            read_step(line, ex, seat, &want, deadline_ns, &now_ns);
        } else {
            park(line, seat, weir_time_earlier(deadline_ns, weir_exchange_look_again(ex, now_ns)),
                 &now_ns);
        }
    }
    flush(line, &now_ns);
    go_out(line, ex, now_ns);
    return has;
}

bool weir_baton_leave(weir_line *line, weir_exchange *ex)
{
    weir_time now_ns = weir_now();

    weir_lock_take(&line->lock);
    /* What the exchange queued last (RST_STREAM) leaves while it is still its own. */
    flush(line, &now_ns);
    weir_exchange_detach(ex, now_ns);
    weir_list_remove(&ex->news_place); /* whatever it was to be woken for */
    drop_rest(line, now_ns);
    flush(line, &now_ns);
    ex->last_facts = weir_link_facts(line->link);
    line->facts_version = ex->last_facts.version;
    line->used_ns = now_ns;
    weir_baton_give_back(line, atomic_load(&ex->sits));
    pass_baton(line);
    const bool is_left = weir_line_is_left(line);
    weir_line_unlock(line);
    return is_left;
}

void weir_baton_give_back(weir_line *line, weir_seat *seat)
{
    if (line->link->conn != NULL && weir_conn_open_streams(line->link->conn) > 0) {
        return;
    }
    if (seat != NULL) {
        weir_bin_move(&line->bin, &seat->bin, WEIR_SEAT_CHUNKS);
    }
    weir_bin_clear(&line->bin);
}

void weir_baton_probe(weir_line *line, uint8_t *room, size_t octets, weir_time now_ns)
{
    size_t left = PROBE_OCTETS;
    weir_want want;

    if (line->reading) {
        return;
    }
    for (weir_link_want(line->link, &want); want.in_octets > 0 && !is_done_for(line->link);
         weir_link_want(line->link, &want)) {
        if (left == 0) {
            weir_link_left_unread(line->link);
            break;
        }
        const weir_io io =
            weir_os_recv(line->fd, room, weir_min(weir_min(octets, left), want.in_octets), true);
        if (io.kind == WEIR_IO_AGAIN || is_ambiguous(line, io)) {
            break;
        }
        if (io.kind == WEIR_IO_OK) {
            left -= io.octets;
            (void)weir_link_received(line->link, (weir_span){room, io.octets}, now_ns);
        } else if (io.kind == WEIR_IO_END) {
            (void)weir_link_received(line->link, (weir_span){NULL, 0}, now_ns);
        } else {
            weir_link_failed(line->link, io.sys_errno, now_ns);
        }
        weir_line_deliver(line, NULL);
    }
    line->used_ns = now_ns;
    atomic_store_explicit(&line->read_ns, now_ns, memory_order_relaxed);
    line->unlooked_octets = 0;
}

/* Of a response that was given up: what is there is read, and nobody will be inside to wait for
 * more. */
static void drop_rest(weir_line *line, weir_time now_ns)
{
    uint8_t room[REST_OCTETS];
    weir_conn *conn = line->link->conn;

    if (weir_conn_rest(conn) > 0) {
        weir_baton_probe(line, room, sizeof(room), now_ns);
    }
    if (weir_conn_rest(conn) > 0) {
        weir_conn_abandon_rest(conn, now_ns);
    }
}

/* Nobody is on it and nobody will be: what else the peer sends is not worth a system call. */
static bool is_done_for(const weir_link *link)
{
    return link->conn != NULL && weir_conn_open_streams(link->conn) == 0 &&
           !weir_link_facts(link).reusable;
}

static bool satisfied(const weir_exchange *ex, weir_need need)
{
    switch (need) {
    case WEIR_NEED_HEAD:
        return ex->head != NULL;
    case WEIR_NEED_READABLE:
        return ex->head != NULL && weir_conn_readable(ex->link->conn, ex->stream) > 0;
    case WEIR_NEED_WRITABLE:
        return ex->sending == WEIR_SENDING_STOPPED || ex->sending == WEIR_SENDING_ENDED ||
               (ex->sending == WEIR_SENDING_BODY && !ex->write_blocked);
    case WEIR_NEED_SENT:
        return ex->stream->owner.queued_octets == 0;
    }
    return true;
}

static bool is_for_sending(weir_need need)
{
    return need == WEIR_NEED_WRITABLE || need == WEIR_NEED_SENT;
}

/* Brings the exchange up to date; false: its source must be read, without the lock. */
static bool advance(weir_line *line, weir_exchange *ex, weir_time now_ns)
{
    (void)line;
    weir_exchange_collect(ex, now_ns);
    weir_exchange_moved(ex, now_ns); /* first: a failure says in which phase it happened */
    if (atomic_load(&ex->cancel_wanted) && !weir_exchange_is_over(ex)) {
        weir_exchange_fail_with(ex, WEIR_E_CANCELLED, NULL, now_ns);
    }
    while (!weir_exchange_is_over(ex) && weir_exchange_has_body_to_push(ex)) {
        if (ex->body.kind == WEIR_BODY_SOURCE && ex->stage_first == ex->stage_end &&
            !ex->source_ended && ex->source_status == WEIR_OK) {
            return false;
        }
        weir_exchange_push(ex, now_ns);
    }
    return true;
}

/* What a link is asked for may be what fails it: is the exchange over by that? */
static bool ended_by_asking(weir_line *line, weir_exchange *ex, weir_time now_ns)
{
    if (!weir_link_is_closing(line->link)) {
        return false;
    }
    weir_line_deliver(line, ex);
    weir_exchange_collect(ex, now_ns);
    return weir_exchange_is_over(ex);
}

/*
 * Sources are the caller's code: called on the caller's thread, with no lock. They may wait as long
 * as they like, for an answer to what they gave before even: to go there is to leave.
 */
static bool fill_source(weir_line *line, weir_exchange *ex, weir_time *now_ns)
{
    flush(line, now_ns);
    weir_exchange_collect(ex, *now_ns);
    if (weir_exchange_is_over(ex) || !weir_exchange_has_body_to_push(ex)) {
        return true;
    }
    let_go(line);
    bool filled = weir_exchange_fill(ex);
    weir_lock_take(&line->lock);
    *now_ns = weir_now();
    return filled || weir_exchange_is_over(ex);
}

/*
 * It is about to wait: its observer is told first what happened, so that who looks at a call that
 * hangs sees how far it came. Observers are the caller's code too: to go there is to leave. False:
 * there is nothing to tell. True: the lock was let go.
 */
static bool tell_first(weir_line *line, weir_exchange *ex, weir_time *now_ns)
{
    if (!weir_client_has_to_tell(ex)) {
        return false;
    }
    let_go(line);
    weir_client_tell_waiting(line->client, ex);
    weir_lock_take(&line->lock);
    *now_ns = weir_now();
    return true;
}

/* Something of the link's is overdue. Nobody may have read for a while: an answer that came in time
 * is found first. */
static void tick(weir_line *line, weir_exchange *ex, weir_seat *seat, weir_time now_ns)
{
    if (!line->reading && line->used_ns != now_ns) {
        weir_baton_probe(line, seat->receive, WEIR_SEAT_RECEIVE_OCTETS, now_ns);
        return;
    }
    weir_link_tick(line->link, now_ns);
    weir_line_deliver(line, ex);
}

static void write_step(weir_line *line, weir_time *now_ns)
{
    weir_want want;

    weir_link_want(line->link, &want);
    line->writing = true;
    weir_line_unlock(line);
    const weir_io io = weir_os_send(line->fd, want.out, want.out[1].length > 0 ? 2 : 1, true);
    weir_lock_take(&line->lock);
    *now_ns = weir_now();
    line->writing = false;
    if (io.kind == WEIR_IO_OK) {
        line->unwritable = false;
        line->unlooked_octets += io.octets;
        weir_link_sent(line->link, io.octets, *now_ns);
        weir_line_deliver(line, NULL);
    } else if (io.kind == WEIR_IO_AGAIN) {
        line->unwritable = true;
        weir_link_refused(line->link, *now_ns);
        if (line->reader != NULL) {
            weir_line_wake_later(line,
                                 line->reader->exchange); /* it must poll for writing as well */
        }
    } else {
        write_failed(line, io.sys_errno, *now_ns);
    }
}

/*
 * An answer may lie unread in the socket behind EPIPE or a reset: it is read before the failure is
 * believed. If nobody makes room for it now, whoever reads later meets the end behind it.
 */
static void write_failed(weir_line *line, int sys_errno, weir_time now_ns)
{
    uint8_t room[REST_OCTETS];
    weir_want want;

    if (line->reading) {
        line->write_errno = (int16_t)sys_errno;
        line->unwritable = true; /* the reader will meet the failure after what lies before it */
        return;
    }
    weir_link_error_taken(line->link, sys_errno);
    weir_baton_probe(line, room, sizeof(room), now_ns);
    if (weir_link_is_closing(line->link)) {
        return;
    }
    weir_link_want(line->link, &want);
    if (want.in_octets == 0 && line->link->state == WEIR_LINK_OPEN) {
        line->unwritable = true;
        return;
    }
    weir_link_failed(line->link, sys_errno, now_ns);
    weir_line_deliver(line, NULL);
}

static void read_step(weir_line *line, weir_exchange *ex, weir_seat *seat, const weir_want *want,
                      weir_time deadline_ns, weir_time *now_ns)
{
    const bool exclusive = weir_link_protocol(line->link) == WEIR_H1 && want->out[0].length == 0 &&
                           !line->unwritable && line->client->hooks == NULL;
    weir_poll fds[2] = {{.fd = line->fd}};
    weir_io io;

    line->reading = true;
    line->reader = seat;
    line->for_sent += seat->for_sent;
    if (exclusive) {
        io = read_exclusive(line, ex, seat, want, deadline_ns, *now_ns);
    } else {
        deadline_ns = weir_time_earlier(deadline_ns, weir_exchange_look_again(ex, *now_ns));
        fds[0].events = (short)((want->in_octets > 0 ? WEIR_POLL_IN : 0) |
                                (line->unwritable ? WEIR_POLL_OUT : 0));
        weir_line_unlock(line);
        const weir_status polled = read_polling(seat, want, fds, deadline_ns, &io);
        weir_lock_take(&line->lock);
        if (polled != WEIR_OK) {
            weir_exchange_fail_with(ex, polled, NULL,
                                    *now_ns); /* the connection is as good as before */
        }
    }
    *now_ns = weir_now();
    line->reading = false;
    line->reader = NULL;
    line->for_sent -= seat->for_sent;
    if ((fds[0].revents & ~WEIR_POLL_IN) != 0) {
        line->unwritable = false;
    }
    take(line, seat, io, *now_ns);
    weir_line_deliver(line, ex);
}

static weir_io read_exclusive(weir_line *line, weir_exchange *ex, weir_seat *seat,
                              const weir_want *want, weir_time deadline_ns, weir_time now_ns)
{
    const weir_time left_ns = deadline_ns == WEIR_NEVER ? WEIR_NEVER : deadline_ns - now_ns;

    if (must_arm(line, left_ns)) {
        line->armed_ns = left_ns == WEIR_NEVER ? 0 : left_ns - left_ns / 64;
        line->fired_early = false;
        if (!weir_os_set_receive_timeout(line->fd, line->armed_ns)) {
            line->armed_ns = 0; /* to wait without it could be to wait for ever */
            weir_exchange_fail_with(ex, WEIR_E_SYSTEM, "setsockopt(SO_RCVTIMEO) failed", now_ns);
            return (weir_io){WEIR_IO_AGAIN, 0, 0};
        }
    }
    weir_line_unlock(line);
    const weir_io io = weir_seat_receive(seat, line->fd, want->in_octets);
    weir_lock_take(&line->lock);
    line->fired_early = io.kind == WEIR_IO_AGAIN;
    return io;
}

static bool must_arm(const weir_line *line, weir_time left_ns)
{
    if (left_ns == WEIR_NEVER) {
        return line->armed_ns != 0;
    }
    return line->armed_ns == 0 || line->armed_ns > left_ns || line->fired_early;
}

/* Without the lock: looks at nothing of the line. Not OK: the thread could not wait. */
static weir_status read_polling(weir_seat *seat, const weir_want *want, weir_poll *fds,
                                weir_time deadline_ns, weir_io *io)
{
    const weir_status status = weir_seat_poll(seat, fds, 1, deadline_ns);

    *io = (weir_io){WEIR_IO_AGAIN, 0, 0};
    if (status != WEIR_OK) {
        return status;
    }
    if ((fds[0].revents & ~WEIR_POLL_OUT) != 0 && want->in_octets > 0) {
        *io = weir_os_recv(fds[0].fd, seat->receive,
                           weir_min(want->in_octets, WEIR_SEAT_RECEIVE_OCTETS), true);
    }
    return WEIR_OK;
}

/*
 * The kernel tells an error to one system call, and to every other that it is over: 0, as it says
 * of a FIN. While another thread is inside a send that may have been told, 0 proves nothing, and is
 * asked for again.
 */
static bool is_ambiguous(const weir_line *line, weir_io io)
{
    return io.kind == WEIR_IO_END && line->writing;
}

/* Likewise of EPIPE, which says "over" and FIN: what the reader was told at the same time, if it was
 * told an error, goes first. */
static void take_write_error(weir_line *line, weir_io io)
{
    if (line->write_errno != 0 && io.kind != WEIR_IO_FAILED) {
        weir_link_error_taken(line->link, line->write_errno);
    }
    line->write_errno = 0;
}

static void take(weir_line *line, const weir_seat *seat, weir_io io, weir_time now_ns)
{
    take_write_error(line, io);
    line->used_ns = now_ns;
    atomic_store_explicit(&line->read_ns, now_ns, memory_order_relaxed);
    line->unlooked_octets = 0;
    switch (io.kind) {
    case WEIR_IO_OK:
        (void)weir_link_received(line->link, (weir_span){seat->receive, io.octets}, now_ns);
        break;
    case WEIR_IO_AGAIN:
        break;
    case WEIR_IO_END:
        if (!seat->shut && !is_ambiguous(line, io)) {
            (void)weir_link_received(line->link, (weir_span){NULL, 0}, now_ns);
        }
        break;
    case WEIR_IO_FAILED:
        weir_link_failed(line->link, io.sys_errno, now_ns);
        break;
    }
    if (seat->shut) {
        /* Our own SHUT_RD, which is no FIN. It may have come behind the last octet: nobody can use
         * the connection after it. */
        weir_link_abort(line->link, WEIR_E_CANCELLED, now_ns);
    }
}

static void park(weir_line *line, weir_seat *seat, weir_time deadline_ns, weir_time *now_ns)
{
    weir_list_push_back(&line->waiting, &seat->place);
    line->for_sent += seat->for_sent;
    weir_line_unlock(line);
    weir_seat_park(seat, deadline_ns);
    weir_lock_take(&line->lock);
    weir_list_remove(&seat->place);
    line->for_sent -= seat->for_sent;
    *now_ns = weir_now();
}

/* Newer facts are the pool's business: told without the line's lock. True: the lock was let go. */
static bool tell_facts(weir_line *line, weir_time now_ns)
{
    const weir_facts facts = weir_link_facts(line->link);
    weir_client *client = line->client;

    if (facts.version == line->facts_version) {
        return false;
    }
    line->facts_version = facts.version;
    weir_line_unlock(line);
    weir_mutex_lock(&client->core_lock);
    weir_pool_facts(client->core.pool, line->slot, &facts, now_ns);
    weir_client_settle(client);
    weir_client_unlock(client);
    weir_lock_take(&line->lock);
    return true;
}

/* On leaving: what is pending was written; if nobody reads and someone waits, one of them is woken
 * to read. */
static void pass_baton(weir_line *line)
{
    if (!line->reading && !weir_list_is_empty(&line->waiting)) {
        weir_line_wake_later(line,
                             WEIR_CONTAINER_OF(line->waiting.next, weir_seat, place)->exchange);
    }
}

/* ... by a thread whose exchange goes on without it: its caller may stay away for long. */
static void let_go(weir_line *line)
{
    pass_baton(line);
    const bool is_left = weir_line_is_left(line);
    weir_line_unlock(line);
    if (is_left) {
        weir_line_call_keeper(line);
    }
}

/* To the caller, who may stay away, while others wait for a stream. */
static void go_out(weir_line *line, const weir_exchange *ex, weir_time now_ns)
{
    if (!weir_exchange_is_over(ex)) {
        (void)tell_facts(line, now_ns);
    }
    if (!weir_exchange_is_over(ex)) {
        let_go(line);
    } else {
        pass_baton(line); /* what else there is to do for others follows in weir_baton_leave() */
        weir_line_unlock(line);
    }
}

/* Writes what is pending while the kernel takes it; what it does not take is left to the reader, or
 * to the next who comes. */
static void flush(weir_line *line, weir_time *now_ns)
{
    weir_want want;

    for (weir_link_want(line->link, &want);
         want.out[0].length > 0 && !line->writing && !line->unwritable;
         weir_link_want(line->link, &want)) {
        write_step(line, now_ns);
    }
}
