/* SPDX-License-Identifier: MIT */
/*
 * A link: [TLS] + conn, a socket-shaped pipe without a socket. The driver asks what it wants, does
 * it in whatever way it can, and tells it what it did.
 *
 *   NEW -connected-> HANDSHAKE (TLS only) -> OPEN -close-> CLOSING -flushed, failed, tick-> CLOSED
 *                         \                    \            /                            /
 *                          \--------------------\- TLS broken: its alert                /
 *                           \-------------------- failed, ended ------------------------/
 *
 * The one rule that makes all drivers equal: octets named by a want are pinned until the matching
 * did. A thread may drop the link's lock around a system call; more may be queued meanwhile,
 * nothing moves.
 *
 * Invariants (weir_link_check): the ledger's laws; what is sealed and was not sent whole is still in
 * the conn's queue; no conn before the protocol is known.
 *
 * Ownership: the link owns its TLS filter and conn; exchanges attach streams to the conn and close
 * them before the link is freed. Thread rule: none inside; in the blocking front end its lock
 * guards it and every exchange attached to it.
 */
#ifndef WEIR_ENGINE_LINK_H
#define WEIR_ENGINE_LINK_H

#include "engine/os.h"
#include "engine/tls.h"
#include "pool/pool.h"
#include "proto/conn.h"

typedef struct weir_want {
    weir_span out[2];  /* octets to send, pinned until weir_link_sent(); empty: nothing to send */
    size_t in_octets;  /* how many octets it will take now; 0: paused */
    weir_time wake_ns; /* call weir_link_tick() then; WEIR_NEVER if no timer runs */
    weir_why why;      /* which timer, for logs and tests */
} weir_want;

typedef enum weir_link_state {
    WEIR_LINK_NEW = 0,
    WEIR_LINK_HANDSHAKE,
    WEIR_LINK_OPEN,
    WEIR_LINK_CLOSING, /* saying goodbye, or the alert of a failure that is told already; nothing is
                          read any more */
    WEIR_LINK_CLOSED
} weir_link_state;

const char *weir_link_state_name(weir_link_state state);

/* Of its conn, whichever protocol it will speak; filled in (weir_conn_limits_fill()). */
typedef struct weir_link_limits {
    weir_conn_limits h1;
    weir_conn_limits h2;
} weir_link_limits;

typedef struct weir_link_options {
    const weir_allocator *allocator;
    weir_bin *bin;                  /* *kept*, with the allocator of above */
    const weir_origin_key *key;     /* *kept* while it reads; valid with the slot */
    weir_tls_config *tls;           /* NULL: clear */
    weir_tls_sessions *sessions;    /* NULL: none */
    const uint8_t *host_address;    /* for IP hosts: 4 or 16 octets */
    const weir_link_limits *limits; /* *kept* */
    uint64_t id;
} weir_link_options;

/* What there is to say of a link until its conn is there, which then says it. */
typedef struct weir_link_early {
    weir_protocol pin;
    const weir_link_limits *limits;
    weir_failure failure;
    weir_ledger ledger; /* the accounts of the handshake */
    weir_ledger_tls of_records;
} weir_link_early;

typedef struct weir_link {
    weir_link_state state : 8;
    bool is_sending; /* outside the lock, or in a ring: nobody knows yet what of it left */
    bool failed;    /* by the network, TLS or us, with a conn that was not over yet, and not by what
                    the peer said in it */
    bool left_over; /* octets that answer no request lie in it, below the conn, which has not seen
                       them */
    int error_taken; /* the first errno that the socket told; 0: none */
    uint64_t id;
    weir_bin *bin;          /* its allocator is the link's */
    weir_link_early *early; /* there is either this ... */
    weir_conn *conn;        /* ... or a conn: when it is known which protocol it speaks */
    weir_tls *tls;          /* NULL: clear */
    weir_stopwatch refused; /* the kernel takes no more for now of what is there to send */
    weir_time closing_until_ns;
    weir_time opened_ns; /* when its dial was over; 0: it was not */
    weir_slot *slot;     /* whose user is the front end's record of it */
    /* to the answer that its address came from (names.h); NULL: it came from none */
    struct weir_tie *tie;
    weir_os_watch watch;
} weir_link;

weir_link *weir_link_new(const weir_link_options *options, weir_status *status);
/* No stream may be open. NULL-safe. */
void weir_link_free(weir_link *link);

/* What it wants now. Seals records, hence not const; that may fail it, and then there are events to
 * deliver. */
void weir_link_want(weir_link *link, weir_want *want);
/* Its in_octets alone: nothing is sealed, so that what is read next may still keep a request from
 * being sent. */
size_t weir_link_room(const weir_link *link);

/* What the driver did. */
void weir_link_connected(weir_link *link, weir_time now_ns);
/*
 * For a driver that lets go of the link while it sends (a thread outside the lock, a ring): so many
 * octets of the want are in the operating system's hands until weir_link_sent(), or until this is
 * said with 0. Meanwhile no octet of theirs is "not sent".
 */
void weir_link_sending(weir_link *link, size_t octets);
void weir_link_sent(weir_link *link, size_t octets, weir_time now_ns);
/* The kernel took less than it was offered, which may be nothing: the rest waits for the socket
 * until weir_link_sent(). */
void weir_link_refused(weir_link *link, weir_time now_ns);
void weir_link_failed(weir_link *link, int sys_errno, weir_time now_ns);
/* send(2) failed, and what lies unread is read before weir_link_failed(): from now on an end of
 * input proves no FIN. */
void weir_link_error_taken(weir_link *link, int sys_errno);
/* Octets taken, which is all of them if no more than want.in_octets were offered. An empty span is
 * the end of input. */
size_t weir_link_received(weir_link *link, weir_span octets, weir_time now_ns);
void weir_link_tick(weir_link *link, weir_time now_ns);
/* The caller read from an inbox: plaintext that was held back may go on. */
void weir_link_resume(weir_link *link, weir_time now_ns);

/* Begins an orderly close: GOAWAY and close_notify where there are such, flushed until at most
 * closing_ns later. */
void weir_link_close(weir_link *link, weir_time closing_ns, weir_time now_ns);
/* Ends it with a failure of our own making (a deadline of the handshake, a cancelled dial); a
 * goodbye under way goes on. */
void weir_link_abort(weir_link *link, weir_status status, weir_time now_ns);

bool weir_link_is_open(const weir_link *link);
/* CLOSING or CLOSED: whatever happened on it was told. */
bool weir_link_is_closing(const weir_link *link);
/* Nothing more will happen on it: the driver closes the socket (and samples the kernel first). */
bool weir_link_is_over(const weir_link *link);
/* Why it ended, be it for itself or for its conn; status WEIR_OK: it lives, or ended in good order.
 */
weir_failure weir_link_failure(const weir_link *link);
/* Did it fail itself, by the network, by TLS or by us, and not only its conn by what the peer said
 * in it? */
bool weir_link_has_failed(const weir_link *link);
weir_facts weir_link_facts(const weir_link *link);
/*
 * Asked before a request is put on one that served others. (On a new one the rest of a ticket may
 * be under way.) False: it speaks HTTP/1.1, and octets lie in it that the conn has not seen, a TLS
 * record that is not whole, or one held back; they would be taken for an answer to the request.
 * From then on its facts say that octets are left over.
 */
bool weir_link_is_clean(weir_link *link);
/* More lies unread in the kernel than the driver will read before a request is put on it: then it
 * is not clean either. */
void weir_link_left_unread(weir_link *link);
weir_protocol weir_link_protocol(const weir_link *link);
weir_ledger *weir_link_ledger(weir_link *link);
/* Did any octet of the stream leave, in part of a record even, or may one still? Otherwise it is
 * provably not sent. */
bool weir_link_may_send_of(const weir_link *link, const weir_stream *stream);

/* The final account: settles the ledger and compares it with what the kernel says of fd (-1:
 * unavailable). Once, before close. */
void weir_link_account(weir_link *link, int fd, weir_account *account);

void weir_link_check(const weir_link *link);

#endif
