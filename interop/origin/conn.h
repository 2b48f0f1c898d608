/* SPDX-License-Identifier: MIT */
/*
 * One accepted connection: the socket, its counters, TLS when there is any, and the protocol that
 * speaks on it. All octets pass exactly one recv() and one send(), and these two count.
 *
 *            in (plain)                     plain        wire
 *     recv -> [tls] -> queue -> protocol -> queue -> [tls] -> queue -> send
 *
 *     OPEN --conn_end--> ENDING --all is sent--> LINGER --peer's end, or time--> GONE
 *       |                  |                       |
 *       +------------------+---- reset, error -----+--> GONE
 *
 * In LINGER we have shut down our side and read on, counting and dropping, so that the peer's last
 * octets are counted and our last octets are not destroyed by a reset.
 */
#ifndef ORIGIN_CONN_H
#define ORIGIN_CONN_H

#include "loop.h"
#include "options.h"
#include "queue.h"
#include "tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct conn conn;
typedef struct exchange exchange;

typedef struct server {
    loop *loop;
    const options *options;
    tls_context *tls;
    conn *conns;
    uint64_t accepted;
} server;

typedef enum conn_stage { CONN_OPEN, CONN_ENDING, CONN_LINGER, CONN_GONE } conn_stage;

/*
 * How we end a connection: FIN with close_notify, FIN without it, a reset, or close() at once,
 * which the kernel turns into a reset when octets of the peer are left unread.
 */
typedef enum ending { ENDING_NONE, ENDING_FIN, ENDING_ABRUPT, ENDING_RESET, ENDING_CLOSE } ending;

typedef enum deadline {
    DEADLINE_NONE,
    DEADLINE_IDLE,
    DEADLINE_CHOSEN, /* conn_end_later */
    DEADLINE_RAW,    /* conn_raw_later */
    DEADLINE_LINGER,
    DEADLINE_DRAINED /* a reset waits until the kernel has nothing left to send */
} deadline;

/* What a connection asks of HTTP/1.1 and of HTTP/2. */
typedef struct protocol {
    const char *name;
    void (*start)(conn *c);
    bool (*feed)(conn *c);    /* takes from c->in; true: took something */
    bool (*produce)(conn *c); /* conn_write while there is room; true: wrote something */
    void (*peer_ended)(conn *c);
    bool (*busy)(const conn *c);
    void (*interim)(exchange *x, int status);
    void (*answer)(exchange *x); /* the answer in x->plan is due */
    void (*resume)(exchange *x); /* a body that was waiting has more */
    void (*drop)(exchange *x);   /* no answer: REFUSED_STREAM, or the connection's end */
    void (*finish)(conn *c);     /* frees the session and its exchanges */
} protocol;

struct conn {
    server *server;
    conn *next;
    conn *previous;
    watch watch;
    timer timer;
    deadline deadline;
    conn_stage stage;
    ending ending;
    ending chosen_ending; /* for DEADLINE_CHOSEN */
    const char *told;     /* the log's word for the ending */
    tls *tls;
    const protocol *protocol;
    void *session;
    queue in;
    queue plain;
    queue wire;
    queue raw; /* octets past the protocol, written when it has nothing to say */
    ending raw_ending;
    bool raw_due;
    bool muted; /* accepts, reads, says nothing */
    bool peer_fin;
    bool blocked; /* send() answered EAGAIN */
    bool more;    /* stopped early to be fair to the others */
    bool settling;
    unsigned drain_polls;
    unsigned peer_port;
    uint64_t order;
    uint64_t received_octets;
    uint64_t sent_octets;
    uint64_t requests;
    uint64_t requests_when_idle;
};

/* Takes `fd`. */
void conn_open(server *s, int fd, unsigned peer_port, bool with_tls, bool muted);
/* Octets the protocol may still write before it has to wait. */
size_t conn_room(const conn *c);
void conn_write(conn *c, const void *octets, size_t count);
/* No more is produced; what was written goes out first. */
void conn_end(conn *c, ending how);
void conn_end_later(conn *c, uint64_t delay_ms, ending how);
/* Writes octets of no protocol once the protocol has nothing to send, then ends as asked. */
void conn_raw(conn *c, const void *octets, size_t count, ending then);
void conn_raw_later(conn *c, const void *octets, size_t count, uint64_t delay_ms);
/* To be called last by whatever ran outside the connection's own event: it may free `c`. */
void conn_settle(conn *c);
/* TLS acts of the cases; false: not over this connection. */
bool conn_key_update(conn *c, bool ask_peer);
bool conn_ticket(conn *c);
bool conn_alert(conn *c, unsigned alert);
/* Logs every connection that is still open, and frees it. */
void conn_close_all(server *s);

#endif
