/* SPDX-License-Identifier: MIT */
/*
 * The face of a connection's state machine, the same for both protocols: octets in, octets out,
 * events pulled, a deadline with its reason, facts and the ledger. Tests, fuzzers, the simulator
 * and both front ends use only this.
 *
 * Ownership: the conn owns its streams; a stream lives from weir_conn_open() to weir_conn_close()
 * and must be closed before weir_conn_free(). The allocator, the bin and the limits are *kept*.
 *
 * Thread rule: none inside; the link's lock guards it.
 *
 *   new -> [ open -> write* -> (end | trailers) ]* -> free
 *          feed, pending, sent, next_event, tick in any order
 *
 * A failed conn is sticky: it takes nothing, every open stream gets FAILED once, facts say not
 * accepting and not reusable. HTTP/2 may still have octets to send then (GOAWAY).
 *
 * Why two functions more than the design's thirteen: weir_conn_read() is where a window is given
 * back, and weir_conn_close() is the moment at which a tally becomes final; both must be visible to
 * the caller.
 */
#ifndef WEIR_PROTO_CONN_H
#define WEIR_PROTO_CONN_H

#include "proto/clock.h"
#include "proto/head.h"
#include "proto/out.h"
#include "proto/stream.h"
#include "weir/reason.h"

/* Limits on what the peer can make grow, and the sizes of what we offer. 0 means the default. */
typedef struct weir_conn_limits {
    /* of one response head, all 1xx and trailers of an exchange each: 65536 */
    uint32_t head_octets;
    uint32_t fields;        /* of one head: 256 */
    uint32_t informational; /* 1xx responses of one exchange: 32 */
    uint32_t chunk_octets;  /* HTTP/1.1: chunk lines' extensions and padding zeros of one response:
                               16384 */
    uint32_t out_octets;    /* queued for sending before weir_conn_write() answers AGAIN: 65536 */
    uint32_t inbox_octets;  /* of one stream: HTTP/1.1 inbox 65536, HTTP/2 stream window 262144 */
    uint32_t conn_inbox_octets; /* HTTP/2: all inboxes together: 16 MiB; new streams open with less
                                   when it is reached */
    uint32_t streams;           /* HTTP/2: of our own, below the peer's limit: 1000 */
    /* HTTP/2: frames without progress between two that make some: 1000 */
    uint32_t unproductive_frames;
    uint32_t header_table_octets; /* HPACK decoder table that we offer: 4096 */
    weir_time settings_ns;        /* HTTP/2: SETTINGS acknowledged within: 10 s */
    weir_time ping_ns; /* HTTP/2: PING when nothing was received for so long while streams are open,
                          0: never */
    weir_time ping_timeout_ns; /* ... answered within: 10 s */
    bool bare_lf;              /* HTTP/1.1: accept a bare LF as line end in heads (RFC 9112 s2.2) */
    uint32_t first_stream; /* HTTP/2: id of the first stream, odd; a test hook for ids that run out.
                              0: 1 */
    bool ping_idle;        /* ping_ns holds while no stream is open, too */
    uint32_t bulk_octets;  /* inbox_octets of a stream in bulk (WEIR_HINT_BULK): HTTP/1.1 262144,
                              HTTP/2 4 MiB; if inbox_octets is given: as that */
    uint32_t interactive_octets; /* of an interactive exchange (WEIR_HINT_INTERACTIVE): queued for
                                    sending before weir_conn_write() answers AGAIN, and the first
                                    that go in small TLS records: 16384; if out_octets is given: as
                                    that */
    weir_time stow_ns; /* HTTP/2: when no stream was open for so long, the header tables are put
                          away until they are used next: 1 s */
} weir_conn_limits;

typedef struct weir_conn_options {
    weir_protocol protocol; /* WEIR_H1 or WEIR_H2 */
    bool over_tls;
    const weir_allocator *allocator;
    weir_bin *bin;
    const weir_conn_limits *limits; /* *kept*, as weir_conn_limits_fill() made them for the
                                       protocol; NULL: the defaults */
} weir_conn_options;

/* Fills in every default of the limits for that protocol. */
weir_conn_limits weir_conn_limits_fill(const weir_conn_limits *limits, weir_protocol protocol);

typedef enum weir_unfit {
    WEIR_FIT = 0,
    WEIR_UNFIT_CLOSE, /* either side said Connection: close, or HTTP/1.0 */
    WEIR_UNFIT_GOAWAY,
    WEIR_UNFIT_LEFT_OVER,   /* octets came after the response, or with no request outstanding */
    WEIR_UNFIT_UNFINISHED,  /* an exchange ended before its request or response did */
    WEIR_UNFIT_UNTIL_CLOSE, /* the body was delimited by the close */
    WEIR_UNFIT_FAILED,
    WEIR_UNFIT_ENDED,   /* the peer closed */
    WEIR_UNFIT_IDS,     /* no stream id is left (RFC 9113 s5.1.1) */
    WEIR_UNFIT_SHUTDOWN /* we are closing it */
} weir_unfit;

/* The word that users are told of it; of WEIR_FIT, and of a number that is none, NONE. */
weir_reason weir_unfit_reason(weir_unfit unfit);

/* All that the pool is told of a connection, as a value with a version. */
typedef struct weir_facts {
    uint64_t version;          /* grows with every change */
    weir_time keep_alive_ns;   /* the server's Keep-Alive: timeout=, 0: not said */
    uint32_t capacity_streams; /* how many exchanges at once: 1 on HTTP/1.1; may be 0 or below what
                                  is open */
    weir_protocol protocol : 8;
    weir_unfit unfit : 8;      /* why it is not accepting, or not reusable */
    bool capacity_assumed : 1; /* HTTP/2: the peer's SETTINGS have not come, and nothing was said */
    bool accepting : 1;        /* takes a further exchange if capacity allows */
    bool reusable : 1;         /* worth keeping when the open exchanges are over */
} weir_facts;

typedef struct weir_conn weir_conn;

/* NULL and *status = WEIR_E_NOMEM when there is no memory. HTTP/2 queues its preface and SETTINGS
 * at once. */
weir_conn *weir_conn_new(const weir_conn_options *options, weir_time now_ns, weir_status *status);
/* Every stream must be closed. NULL-safe. */
void weir_conn_free(weir_conn *conn);

/*
 * Opens an exchange: encodes the whole head into the out queue. The head is *borrowed*. On
 * WEIR_E_NOT_ACCEPTING (a lease that was stale) and WEIR_E_NOMEM nothing is charged and *stream is
 * not set. A head with WEIR_FRAMING_NONE ends the request at once.
 */
weir_status weir_conn_open(weir_conn *conn, const weir_head *head, void *user, weir_time now_ns,
                           weir_stream **stream);

/*
 * Queues a part of the body: *taken says how many of its octets (copied; framing is added). Its
 * `end` ends the request if all were taken. WEIR_OK: all taken. WEIR_AGAIN: no room in the out queue or the windows now;
 * WRITABLE follows. WEIR_ANSWERED: the final response came and the rest is not wanted (*taken 0).
 * WEIR_E_BODY_LONG / _SHORT against the declared length: nothing is queued. WEIR_E_NOMEM.
 * WEIR_E_STATE after the end. An empty span with `end` ends the request.
 */
weir_status weir_conn_write(weir_conn *conn, weir_stream *stream, weir_body_part part,
                            weir_time now_ns, size_t *taken);
/* Ends the request with a trailer section (checked by weir_trailers_build; RFC 9112 s7.1.2, RFC
 * 9113 s8.1). */
weir_status weir_conn_write_trailers(weir_conn *conn, weir_stream *stream,
                                     const weir_fields *trailers, weir_time now_ns);

/* Copies received body octets out; 0: none now. Gives flow-control credit back. */
size_t weir_conn_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room,
                      weir_time now_ns);
/* Octets that weir_conn_read() would find. */
size_t weir_conn_readable(const weir_conn *conn, const weir_stream *stream);

/*
 * Gives the exchange up: HTTP/2 sends RST_STREAM with `h2_code` unless both sides have ended,
 * HTTP/1.1 makes the connection unfit unless the exchange is complete. No further event of the
 * stream is told. It must still be closed.
 */
void weir_conn_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code, weir_time now_ns);

/*
 * The stream's final account: *tally is what the exchange moved, which from now on never changes;
 * later octets of it go to LATE. Frees the stream. An exchange that is not complete is cancelled
 * first (CANCEL).
 */
void weir_conn_close(weir_conn *conn, weir_stream *stream, weir_time now_ns, weir_tally *tally);

/*
 * Octets from the peer, *borrowed*; how many were taken. Fewer than given: pull the events (or read
 * the inbox) and offer the rest again. A failed conn takes everything and charges it to UNREAD
 * (HTTP/1.1) or OTHER (HTTP/2).
 */
size_t weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns);
/* How many octets it will take now; 0: paused, do not read the socket. */
size_t weir_conn_room(const weir_conn *conn);
/*
 * The end of input. WEIR_OK: an orderly one (FIN on a clear link, close_notify under TLS);
 * WEIR_E_UNFRAMED: FIN without close_notify; anything else: the failure of the link, with errno or
 * alert in *failure.
 */
void weir_conn_end(weir_conn *conn, const weir_failure *failure, weir_time now_ns);

/* Octets to send that begin `skip` octets into the queue; they stay where they are until
 * weir_conn_sent(). */
weir_span weir_conn_pending(const weir_conn *conn, size_t skip);
/* As weir_conn_pending(), cut to what one TLS record should hold (out.h, "Small records"), at most
 * `most`. */
weir_span weir_conn_record(const weir_conn *conn, size_t skip, size_t most);
/* The kernel took `octets` more of the queue (for TLS: the whole record that carries them). */
void weir_conn_sent(weir_conn *conn, size_t octets, weir_time now_ns);

bool weir_conn_next_event(weir_conn *conn, weir_conn_event *event);
/* For drivers whose exchanges belong to different threads: the next event of one stream; false:
 * none. */
bool weir_conn_next_event_of(weir_conn *conn, weir_stream *stream, weir_conn_event *event);
/* The streams with events that nobody has pulled, one after another; NULL: the first, and no
 * further one. */
weir_stream *weir_conn_next_ready(weir_conn *conn, const weir_stream *after);

/*
 * For how long a stream was held up so far, by what only the conn can know; a wait under way counts
 * up to now_ns. At any moment at most one of the two windows is counted: the stream's own, if both
 * are used up.
 */
typedef struct weir_conn_stalls {
    weir_time stream_window_ns;     /* content was offered and the stream's window was used up */
    weir_time connection_window_ns; /* ... the connection's */
    weir_time unread_ns;            /* the peer may send nothing until weir_conn_read() */
} weir_conn_stalls;
weir_conn_stalls weir_conn_stalls_of(const weir_conn *conn, const weir_stream *stream,
                                     weir_time now_ns);

weir_time weir_conn_deadline(const weir_conn *conn, weir_why *why);
void weir_conn_tick(weir_conn *conn, weir_time now_ns);

/*
 * HTTP/1.1: octets of a response that was cancelled which are still to come and will be dropped.
 * Until then, or until its deadline makes the connection unfit, it has no capacity. Who does not
 * wait for them abandons them, which makes it unfit now.
 */
uint64_t weir_conn_rest(const weir_conn *conn);
void weir_conn_abandon_rest(weir_conn *conn, weir_time now_ns);

/* Says goodbye where the protocol has a word for it (GOAWAY); takes no further exchange. */
void weir_conn_shutdown(weir_conn *conn, weir_time now_ns);

weir_facts weir_conn_facts(const weir_conn *conn);
weir_failure weir_conn_failure(const weir_conn *conn); /* status WEIR_OK while it lives */
size_t weir_conn_open_streams(const weir_conn *conn);

/* The ledger; the link moves its wire counters and shares record overhead through it. */
weir_ledger *weir_conn_ledger(weir_conn *conn);

/* Every invariant of the conn and its parts. */
void weir_conn_check(const weir_conn *conn);

#endif
