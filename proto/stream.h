/* SPDX-License-Identifier: MIT */
/*
 * What a stream of either protocol has in common: its owner in the ledger, its inbox, and its news.
 *
 * News are the events of a stream that nobody has pulled yet, kept as bits and not as a queue: a
 * stream with news is linked once into its connection's ready list, so the number of waiting events
 * is bounded by construction and telling never allocates. weir_news_next() pulls them in the only
 * order that makes sense:
 *
 *   INFORMATIONAL* -> HEAD -> BODY -> TRAILERS -> END, with WRITABLE anywhere and FAILED last.
 *
 * Ownership: a message in an event is *taken* by whoever pulls it (weir_message_free).
 */
#ifndef WEIR_PROTO_STREAM_H
#define WEIR_PROTO_STREAM_H

#include "proto/buf.h"
#include "proto/clock.h"
#include "proto/fields.h"
#include "proto/ledger.h"
#include "weir/failure.h"

/* A received head or trailer section. */
typedef struct weir_message {
    struct weir_message *next; /* in a stream's list of 1xx */
    int code;                  /* the status code; 0 in trailers */
    weir_fields fields;
    weir_span reason; /* HTTP/1.1 only, held by fields; users should not need it (RFC 9112 s4) */
    uint64_t length_octets; /* of the content as the head declares it, WEIR_UNKNOWN: not declared */
    bool has_content;       /* false: HEAD, 204, 304, content-length 0, END_STREAM on the head */
} weir_message;

/* An empty message; NULL: no memory. The allocator is *kept*. */
weir_message *weir_message_new(const weir_allocator *allocator);
/* NULL-safe. */
void weir_message_free(weir_message *message);

typedef enum weir_conn_event_kind {
    WEIR_CONN_NOTHING = 0,
    WEIR_CONN_INFORMATIONAL, /* a 1xx other than 101; message taken */
    WEIR_CONN_HEAD,          /* the final head; message taken */
    WEIR_CONN_BODY,          /* the inbox has octets: weir_conn_read() */
    WEIR_CONN_TRAILERS,      /* message taken */
    WEIR_CONN_END,           /* the response is complete (its inbox may still hold octets) */
    WEIR_CONN_WRITABLE,      /* weir_conn_write() answered AGAIN before and would now take octets */
    WEIR_CONN_STOP,  /* the peer wants no more of our body; the response stands (RFC 9113 s8.1) */
    WEIR_CONN_FAILED /* the exchange failed: last */
} weir_conn_event_kind;

typedef struct weir_stream {
    weir_owner owner; /* owner.id is the stream's number */
    void *user;       /* the exchange */
    weir_list ready;  /* in the connection's ready list while news is not 0 */
    unsigned news;    /* bits 1 << weir_conn_event_kind */
    weir_message *informational_first;
    weir_message *informational_last;
    weir_message *head;
    weir_message *trailers;
    bool silent;          /* FAILED was told, or nothing shall be: further news are ignored */
    weir_failure failure; /* of FAILED and STOP; whoever tells STOP sets it before */
    weir_buf inbox;
    weir_stopwatch unread; /* the peer could send more if the inbox were read */
} weir_stream;

typedef struct weir_conn_event {
    weir_conn_event_kind kind;
    weir_stream *stream;
    weir_message *message; /* taken, for the kinds that have one */
    weir_failure failure;  /* for FAILED and STOP */
} weir_conn_event;

/* The owner is left to weir_ledger_open(). `user` and the bin are *kept*. */
void weir_stream_init(weir_stream *stream, void *user, weir_bin *bin, size_t inbox_limit_octets);
/* Frees what nobody pulled or read. Unlinks it from the ready list. */
void weir_stream_clear(weir_stream *stream);
/* Drops what nobody pulled and ignores all further news: the stream was cancelled. */
void weir_stream_hush(weir_stream *stream);

/* Adds news of a kind without a message and links the stream into `ready`. */
void weir_stream_tell(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind);
/* INFORMATIONAL, HEAD, TRAILERS. The message is *taken*; a silent stream frees it. */
void weir_stream_tell_message(weir_stream *stream, weir_list *ready, weir_conn_event_kind kind,
                              weir_message *message);
/*
 * Once: later failures of a stream that failed are ignored, and so are later news. END and what was
 * not pulled before it stay.
 */
void weir_stream_tell_failed(weir_stream *stream, weir_list *ready, const weir_failure *failure);

/*
 * Pulls the next event of a ready list; false: none. One event of one stream, which then goes to
 * the back of the list: a stream with much to tell does not starve the others.
 */
bool weir_news_next(weir_list *ready, weir_conn_event *event);
/* The same for one stream alone; false: it has no news. */
bool weir_stream_next_event(weir_stream *stream, weir_list *ready, weir_conn_event *event);

#endif
