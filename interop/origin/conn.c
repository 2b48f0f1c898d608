/* SPDX-License-Identifier: MIT */
/*
 * The connection. Every entry (an event, a timer, a protocol's wake) does its part and then calls
 * conn_settle(), which moves octets along the queues of conn.h until nothing moves, acts on a
 * pending end, and only then may free the connection.
 *
 * Limits: the protocol is asked for output only while less than OUT_LIMIT waits, and the socket is
 * read only while less than IN_LIMIT waits for the protocol and less than OUT_LIMIT for the
 * socket. A peer that sends without reading is therefore stopped by its own window.
 */
#include "conn.h"

#include "h1.h"
#include "h2.h"
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUT_LIMIT = 128 * 1024,
    IN_LIMIT = 64 * 1024,
    RECV_CHUNK = 64 * 1024,
    ROUNDS = 32, /* turns of one connection before the others get theirs */
    DRAIN_POLLS = 2000
};

static const char h2_preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void ready(void *user, uint32_t events);
static void fired(void *user);
static void receive(conn *c);
static void take(conn *c, const uint8_t *octets, size_t count);
static void peer_ended(conn *c);
static bool move(conn *c);
static bool feed(conn *c);
static void choose_protocol(conn *c);
static bool produce(conn *c);
static bool write_raw(conn *c);
static void seal(conn *c);
static bool flush(conn *c);
static void act_on_end(conn *c);
static void reset_when_drained(conn *c);
static void die(conn *c, const char *told);
static void set_interest(conn *c);
static void set_idle(conn *c);
static void set_deadline(conn *c, deadline why, uint64_t delay_ms);
static void log_and_free(conn *c);

void conn_open(server *s, int fd, unsigned peer_port, bool with_tls, bool muted)
{
    conn *c = must_alloc(sizeof *c);
    *c = (conn){
        .server = s,
        .next = s->conns,
        .watch = {.fd = fd, .interest = EPOLLIN, .ready = ready, .user = c},
        .timer = {.fire = fired, .user = c},
        .muted = muted,
        .peer_port = peer_port,
        .order = ++s->accepted,
        .tls = with_tls ? tls_new(s->tls) : NULL,
    };
    if (s->conns != NULL) {
        s->conns->previous = c;
    }
    s->conns = c;
    if (!loop_watch(s->loop, &c->watch)) {
        abort();
    }
    set_idle(c);
}

size_t conn_room(const conn *c)
{
    size_t waiting = queue_length(&c->plain) + queue_length(&c->wire);
    return waiting < OUT_LIMIT && c->stage == CONN_OPEN ? OUT_LIMIT - waiting : 0;
}

void conn_write(conn *c, const void *octets, size_t count)
{
    queue_append(c->tls != NULL ? &c->plain : &c->wire, octets, count);
}

void conn_end(conn *c, ending how)
{
    if (c->stage != CONN_OPEN) {
        return;
    }
    c->stage = CONN_ENDING;
    c->ending = how;
    set_deadline(c, DEADLINE_LINGER, c->server->options->idle_ms);
}

void conn_end_later(conn *c, uint64_t delay_ms, ending how)
{
    if (c->stage == CONN_OPEN) {
        c->chosen_ending = how;
        set_deadline(c, DEADLINE_CHOSEN, delay_ms);
    }
}

void conn_raw(conn *c, const void *octets, size_t count, ending then)
{
    queue_append(&c->raw, octets, count);
    c->raw_ending = then;
    c->raw_due = true;
}

void conn_raw_later(conn *c, const void *octets, size_t count, uint64_t delay_ms)
{
    queue_append(&c->raw, octets, count);
    c->raw_ending = ENDING_NONE;
    set_deadline(c, DEADLINE_RAW, delay_ms);
}

void conn_settle(conn *c)
{
    if (c->settling) {
        return;
    }
    c->settling = true;
    c->more = true;
    for (int round = 0; round < ROUNDS && c->more; round++) {
        c->more = move(c);
    }
    if (c->stage == CONN_ENDING && queue_length(&c->wire) == 0) {
        act_on_end(c);
    }
    c->settling = false;
    if (c->stage == CONN_GONE) {
        log_and_free(c);
        return;
    }
    set_idle(c);
    set_interest(c);
}

bool conn_key_update(conn *c, bool ask_peer)
{
    seal(c);
    return c->tls != NULL && tls_key_update(c->tls, ask_peer, &c->wire);
}

bool conn_ticket(conn *c)
{
    seal(c);
    return c->tls != NULL && tls_send_ticket(c->tls, &c->wire);
}

bool conn_alert(conn *c, unsigned alert)
{
    seal(c);
    if (c->tls == NULL || !tls_fatal_alert(c->tls, alert, &c->wire)) {
        return false;
    }
    conn_end(c, ENDING_ABRUPT);
    return true;
}

void conn_close_all(server *s)
{
    while (s->conns != NULL) {
        conn *c = s->conns;
        c->told = c->told == NULL ? "open" : c->told;
        log_and_free(c);
    }
}

static void ready(void *user, uint32_t events)
{
    conn *c = user;
    if ((events & EPOLLOUT) != 0) {
        c->blocked = false;
    }
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(c);
    }
    conn_settle(c);
}

static void fired(void *user)
{
    conn *c = user;
    deadline why = c->deadline;
    c->deadline = DEADLINE_NONE;
    switch (why) {
    case DEADLINE_NONE:
        break;
    case DEADLINE_IDLE:
        conn_end(c, ENDING_FIN);
        break;
    case DEADLINE_CHOSEN:
        conn_end(c, c->chosen_ending);
        break;
    case DEADLINE_RAW:
        c->raw_due = true;
        break;
    case DEADLINE_LINGER:
        die(c, "lingered");
        break;
    case DEADLINE_DRAINED:
        reset_when_drained(c);
        break;
    }
    conn_settle(c);
}

static void receive(conn *c)
{
    static uint8_t chunk[RECV_CHUNK];
    ssize_t count = recv(c->watch.fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (count > 0) {
        c->received_octets += (uint64_t)count;
        take(c, chunk, (size_t)count);
    } else if (count == 0) {
        peer_ended(c);
    } else if (errno != EAGAIN && errno != EINTR) {
        die(c, "peer-reset");
    }
}

static void take(conn *c, const uint8_t *octets, size_t count)
{
    if (c->stage != CONN_OPEN || c->muted) {
        return;
    }
    if (c->tls == NULL) {
        queue_append(&c->in, octets, count);
        return;
    }
    tls_state state = tls_receive(c->tls, octets, count, &c->in, &c->wire);
    if (state == TLS_FAILED) {
        conn_end(c, ENDING_ABRUPT);
    }
    if (state == TLS_PEER_CLOSED) {
        c->told = "peer-fin";
        (void)feed(c);
        if (c->protocol == NULL) {
            conn_end(c, ENDING_FIN);
        } else {
            c->protocol->peer_ended(c);
        }
    }
}

static void peer_ended(conn *c)
{
    c->peer_fin = true;
    if (c->told == NULL && c->stage != CONN_LINGER) {
        c->told = "peer-fin";
    }
    if (c->stage == CONN_LINGER) {
        die(c, c->told);
    } else if (c->stage == CONN_OPEN && c->protocol != NULL) {
        (void)feed(c);
        c->protocol->peer_ended(c);
    } else {
        conn_end(c, ENDING_FIN);
    }
}

/* One round over the queues; true: something moved and it is worth another. */
static bool move(conn *c)
{
    bool moved = false;
    if (c->stage == CONN_OPEN) {
        moved = feed(c);
    }
    if (conn_room(c) > 0) {
        moved = produce(c) || moved;
    }
    seal(c);
    return flush(c) || moved;
}

static bool feed(conn *c)
{
    if (queue_length(&c->in) == 0 && c->protocol == NULL) {
        return false;
    }
    if (c->protocol == NULL) {
        choose_protocol(c);
    }
    return c->protocol != NULL && c->stage == CONN_OPEN && c->protocol->feed(c);
}

/* ALPN decides, or else the octets do: both protocols are welcome on every port. */
static void choose_protocol(conn *c)
{
    size_t length = queue_length(&c->in);
    size_t known = length < sizeof h2_preface - 1 ? length : sizeof h2_preface - 1;
    bool preface = memcmp(queue_head(&c->in), h2_preface, known) == 0;
    if (c->tls != NULL && tls_is_h2(c->tls)) {
        c->protocol = &h2_protocol;
    } else if (!preface) {
        c->protocol = &h1_protocol;
    } else if (known == sizeof h2_preface - 1) {
        c->protocol = &h2_protocol;
    } else {
        return;
    }
    c->protocol->start(c);
}

static bool produce(conn *c)
{
    if (c->protocol == NULL) {
        return false;
    }
    return c->protocol->produce(c) || write_raw(c);
}

static bool write_raw(conn *c)
{
    if (!c->raw_due || conn_room(c) == 0) {
        return false;
    }
    c->raw_due = false;
    conn_write(c, queue_head(&c->raw), queue_length(&c->raw));
    queue_clear(&c->raw);
    if (c->raw_ending != ENDING_NONE) {
        conn_end(c, c->raw_ending);
    }
    return true;
}

static void seal(conn *c)
{
    if (c->tls != NULL && queue_length(&c->plain) > 0 && tls_is_open(c->tls)) {
        tls_seal(c->tls, &c->plain, &c->wire);
    }
}

static bool flush(conn *c)
{
    bool moved = false;
    while (!c->blocked && queue_length(&c->wire) > 0 && c->stage <= CONN_ENDING) {
        ssize_t count = send(c->watch.fd, queue_head(&c->wire), queue_length(&c->wire),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count >= 0) {
            c->sent_octets += (uint64_t)count;
            queue_consume(&c->wire, (size_t)count);
            moved = true;
        } else if (errno == EAGAIN || errno == EINTR) {
            c->blocked = errno == EAGAIN;
        } else {
            die(c, "peer-reset");
        }
    }
    return moved;
}

/*
 * All that was written has gone to the kernel: now the end itself. A peer that ended first gets no
 * close_notify back: it has often closed its socket by then, the octets would be answered with a
 * reset, and our count would hold what nobody received.
 */
static void act_on_end(conn *c)
{
    if (c->ending == ENDING_RESET) {
        reset_when_drained(c);
        return;
    }
    if (c->ending == ENDING_CLOSE) {
        die(c, "closed");
        return;
    }
    if (c->ending == ENDING_FIN && c->tls != NULL && c->told == NULL) {
        tls_close_notify(c->tls, &c->wire);
        c->ending = ENDING_NONE; /* close_notify is said once */
        (void)flush(c);
        if (c->stage != CONN_ENDING || queue_length(&c->wire) > 0) {
            return;
        }
    }
    if (c->told == NULL) {
        c->told = c->ending == ENDING_ABRUPT && c->tls != NULL ? "abrupt" : "fin";
    }
    shutdown(c->watch.fd, SHUT_WR);
    c->stage = CONN_LINGER;
    set_deadline(c, DEADLINE_LINGER, c->server->options->linger_ms);
    if (c->peer_fin) {
        die(c, c->told);
    }
}

/*
 * A reset throws away what the kernel has not sent, and the cases promise that the octets before
 * it arrive: so it waits, for a bounded time, until the peer's kernel has acknowledged them. What
 * has arrived from the peer is read first, to be counted.
 */
static void reset_when_drained(conn *c)
{
    static uint8_t chunk[RECV_CHUNK];
    int unsent = 0;
    if (ioctl(c->watch.fd, SIOCOUTQ, &unsent) == 0 && unsent > 0 &&
        c->drain_polls++ < DRAIN_POLLS) {
        set_deadline(c, DEADLINE_DRAINED, 1);
        return;
    }
    ssize_t count;
    while ((count = recv(c->watch.fd, chunk, sizeof chunk, MSG_DONTWAIT)) > 0) {
        c->received_octets += (uint64_t)count;
    }
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(c->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    die(c, "reset");
}

static void die(conn *c, const char *told)
{
    c->told = told;
    c->stage = CONN_GONE;
}

static void set_interest(conn *c)
{
    uint32_t interest = 0;
    bool full = queue_length(&c->in) >= IN_LIMIT || queue_length(&c->wire) >= OUT_LIMIT;
    if (!c->peer_fin && (c->stage != CONN_OPEN || !full)) {
        interest |= EPOLLIN;
    }
    if (queue_length(&c->wire) > 0 || c->more) {
        interest |= EPOLLOUT;
    }
    loop_interest(c->server->loop, &c->watch, interest);
}

static void set_idle(conn *c)
{
    bool busy = c->protocol != NULL && c->protocol->busy(c);
    if (c->stage != CONN_OPEN || c->deadline == DEADLINE_CHOSEN || c->deadline == DEADLINE_RAW) {
        return;
    }
    if (busy) {
        set_deadline(c, DEADLINE_NONE, 0);
    } else if (c->deadline == DEADLINE_NONE || c->requests != c->requests_when_idle) {
        c->requests_when_idle = c->requests;
        set_deadline(c, DEADLINE_IDLE, c->server->options->idle_ms);
    }
}

static void set_deadline(conn *c, deadline why, uint64_t delay_ms)
{
    c->deadline = why;
    if (why == DEADLINE_NONE) {
        loop_timer_stop(c->server->loop, &c->timer);
    } else {
        loop_timer(c->server->loop, &c->timer, delay_ms);
    }
}

static void log_and_free(conn *c)
{
    log_write(&(log_line){
        .peer_port = c->peer_port,
        .tls = c->tls != NULL,
        .protocol = c->protocol == NULL ? "none" : c->protocol->name,
        .received_octets = c->received_octets,
        .sent_octets = c->sent_octets,
        .requests = c->requests,
        .order = c->order,
        .resumed = c->tls != NULL && tls_is_resumed(c->tls),
        .ending = c->told,
    });
    if (c->protocol != NULL) {
        c->protocol->finish(c);
    }
    set_deadline(c, DEADLINE_NONE, 0);
    loop_unwatch(c->server->loop, &c->watch);
    close(c->watch.fd);
    tls_free(c->tls);
    queue_clear(&c->in);
    queue_clear(&c->plain);
    queue_clear(&c->wire);
    queue_clear(&c->raw);
    if (c->next != NULL) {
        c->next->previous = c->previous;
    }
    *(c->previous != NULL ? &c->previous->next : &c->server->conns) = c->next;
    free(c);
}
