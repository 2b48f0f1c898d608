/* SPDX-License-Identifier: MIT */
/*
 * What the HTTP/1.1 and the HTTP/2 machines share and conn.c dispatches over: the first member of
 * both.
 *
 * Each machine implements the functions of conn.h under its own prefix (weir_h1_open, weir_h2_open,
 * ...) over its own type whose first member is weir_conn. conn.c chooses by the protocol of the
 * facts. Two implementations, so a switch and no vtable.
 *
 * Who does what:
 *   conn.c       the ledger's now_ns (which never goes back), open_streams (counted when the
 *                machine has opened, uncounted when it has closed), the plain counters (the pair
 *                of the rows that the codecs charge), next_event, pending and the checks
 *   the machine  everything else: weir_out_sent() when it is told of octets sent, rows received,
 *                undecided, facts, failure; for each stream weir_ledger_open(), then
 *                weir_out_disown() and weir_ledger_fold(), and its memory
 */
#ifndef WEIR_PROTO_CONN_COMMON_H
#define WEIR_PROTO_CONN_COMMON_H

#include "proto/conn.h"

struct weir_conn {
    weir_bin *bin; /* its allocator is the connection's */
    const weir_conn_limits *limits;
    weir_ledger ledger; /* its now_ns is the time of the call under way, or of the last one */
    weir_out *out;      /* the machine's; NULL: nothing is queued (HTTP/1.1 between exchanges) */
    weir_list ready;    /* streams with news */
    /* why it failed; NULL: it did not, or there was no memory to say why */
    weir_failure *failure;
    weir_facts facts;
    uint32_t open_streams; /* opened and not yet closed */
    bool failed;
    bool withholds; /* what is still queued shall not be sent: it stays, for a send under way */
};

/* Used by the machines' own new(): initialises the common part but for the ledger, which follows,
 * and then its time. */
void weir_conn_init(weir_conn *conn, const weir_conn_options *options);
/* Used by the machines' own free(). */
void weir_conn_clear(weir_conn *conn);
/* The limit of the inbox of a stream that opens. */
uint32_t weir_conn_inbox_octets(const weir_conn *conn, const weir_head *head);
/* How much a stream that opens may queue, and what its owner asks of the queue. */
uint32_t weir_conn_out_octets(const weir_conn *conn, const weir_head *head);
uint32_t weir_conn_small_octets(const weir_conn *conn, const weir_head *head);
/* It has failed, for good. The first failure stays; one that there is no memory for is told as
 * NOMEM. */
void weir_conn_fail(weir_conn *conn, const weir_failure *failure);
/* Changes the facts and their version, if anything in them differs. */
void weir_conn_set_facts(weir_conn *conn, weir_facts facts);

/* The h1 machine (proto/h1.c). Signatures as in conn.h. */
weir_conn *weir_h1_new(const weir_conn_options *options, weir_time now_ns);
void weir_h1_free(weir_conn *conn);
weir_status weir_h1_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **stream);
weir_status weir_h1_write(weir_conn *conn, weir_stream *stream, weir_body_part part, size_t *taken);
weir_status weir_h1_write_trailers(weir_conn *conn, weir_stream *stream,
                                   const weir_fields *trailers);
size_t weir_h1_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room);
void weir_h1_cancel(weir_conn *conn, weir_stream *stream);
void weir_h1_close(weir_conn *conn, weir_stream *stream, weir_tally *tally);
size_t weir_h1_feed(weir_conn *conn, weir_span octets);
size_t weir_h1_room(const weir_conn *conn);
void weir_h1_end(weir_conn *conn, const weir_failure *failure);
void weir_h1_sent(weir_conn *conn, size_t octets);
weir_time weir_h1_deadline(const weir_conn *conn, weir_why *why);
void weir_h1_tick(weir_conn *conn);
uint64_t weir_h1_rest(const weir_conn *conn);
void weir_h1_abandon_rest(weir_conn *conn);
void weir_h1_shutdown(weir_conn *conn);
void weir_h1_check(const weir_conn *conn);

/* The h2 machine (proto/h2_session.c). */
weir_conn *weir_h2_new(const weir_conn_options *options, weir_time now_ns);
void weir_h2_free(weir_conn *conn);
weir_status weir_h2_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **stream);
weir_status weir_h2_write(weir_conn *conn, weir_stream *stream, weir_body_part part, size_t *taken);
weir_status weir_h2_write_trailers(weir_conn *conn, weir_stream *stream,
                                   const weir_fields *trailers);
size_t weir_h2_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room);
void weir_h2_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code);
void weir_h2_close(weir_conn *conn, weir_stream *stream, weir_tally *tally);
size_t weir_h2_feed(weir_conn *conn, weir_span octets);
size_t weir_h2_room(const weir_conn *conn);
void weir_h2_end(weir_conn *conn, const weir_failure *failure);
void weir_h2_sent(weir_conn *conn, size_t octets);
/* All but unread_ns. */
weir_conn_stalls weir_h2_stalls(const weir_conn *conn, const weir_stream *stream, weir_time now_ns);
weir_time weir_h2_deadline(const weir_conn *conn, weir_why *why);
void weir_h2_tick(weir_conn *conn);
void weir_h2_shutdown(weir_conn *conn);
void weir_h2_check(const weir_conn *conn);

#endif
