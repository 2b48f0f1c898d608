/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 connection on a bench: carries out the steps of a document through conn.h alone and
 * writes down all that happens, as the documents' logs have it.
 *
 * Steps
 *   limit NAME N          before the first request: a member of weir_conn_limits
 *   tls                   ... the connection is over TLS
 *   show-out              from now on what is sent is logged
 *   hold                  what is queued from now on is not sent until "sent"
 *   sent                  the kernel takes all that is queued
 *   request METHOD URL [length N | chunked]
 *                         closes the exchange before it, opens the next
 *   write TEXT, finish TEXT   request content; finish ends the request with it
 *   trailers              ends a chunked request with "x-sum: 1"
 *   in TEXT               octets from the peer; neighbours are one input
 *   stop-reading, read    the inbox is left alone; it is emptied again
 *   end ok|unframed|reset the end of input
 *   cancel, close, shutdown
 *
 * Log
 *   refused STATUS                      the request was not opened
 *   answer STATUS TAKEN                 of write, finish, trailers
 *   out TEXT                            what was sent
 *   informational CODE | head CODE [length=N] [no-content] [reason=TEXT]
 *   | NAME: VALUE                       its fields, and those of "trailers"
 *   body TEXT                           neighbours joined; "body N octets HASH" when long
 *   trailers, end, writable
 *   failed STATUS PHASE PROCESSED [offset=N] [errno=N]
 *   tally ROW=N ...                     received, at the close of an exchange
 *   left N                              octets offered that were not taken
 *   open                                the document ended with neither end nor failure
 *   unread N, dropped N                 at the end: octets without an exchange; trailers refused
 *   facts REASON [keep-alive=SECONDS]
 */
#ifndef WEIR_TESTS_H1_RIG_H
#define WEIR_TESTS_H1_RIG_H

#include "proto/h1.h"
#include "support/corpus.h"
#include "support/failalloc.h"
#include "support/split.h"

typedef struct weir_h1_rig {
    weir_allocator *allocator; /* of the connection; heads are built with another one */
    weir_bin bin;
    weir_conn_limits limits; /* as a document sets them; filled in when the connection is made */
    weir_conn_options options;
    weir_conn *conn; /* NULL: no memory for it */
    weir_stream *stream;
    const weir_split *split; /* how input is cut; NULL: whole */
    size_t split_at;         /* octets of input so far, as the split counts */
    size_t fed_octets;       /* that the connection took */
    weir_tally tally;        /* of all closed exchanges */
    weir_hint hint;          /* of requests */
    bool is_held;
    bool shows_out;
    bool reads_not;
    bool has_outcome;   /* of the open exchange */
    bool out_of_memory; /* a call or an exchange ended in WEIR_E_NOMEM */
    uint32_t dropped;
    weir_text body;
    weir_text log;
} weir_h1_rig;

void weir_h1_rig_init(weir_h1_rig *rig, weir_allocator *allocator);
/* Closes, checks that every octet is in a row, frees. */
void weir_h1_rig_finish(weir_h1_rig *rig);

/* Octets of all "in" steps of a document: the length of its splits. */
size_t weir_h1_rig_input_octets(const weir_corpus_document *document);
void weir_h1_rig_run(weir_h1_rig *rig, const weir_corpus_document *document,
                     const weir_split *split);

/* One step at a time, for tests without a document. */
void weir_h1_rig_step(weir_h1_rig *rig, const char *key, const char *value);
void weir_h1_rig_feed(weir_h1_rig *rig, weir_span octets);
/* Pulls and logs all events. */
void weir_h1_rig_pull(weir_h1_rig *rig);

#endif
