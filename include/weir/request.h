/* SPDX-License-Identifier: MIT */
/*
 * What a caller asks for: the request, its body, and the options of the call.
 *
 * Ownership: everything in these records is *borrowed* by the call that takes them, copied as
 * needed, unless a comment says *keeps*. Zero-initialise with the INIT macros; 0 means the default.
 *
 * Refused with WEIR_E_INVALID are a record without its size (nothing else of it is read then, the
 * observer of a call included), such an observer or one without `tell`, a body of no kind, a SOURCE
 * without `read`, a `pin`, `hint` or `replay` that is none, a `connect_to` that is no host, a
 * `connect_port` without `connect_to`, and a method that the rest does not go with
 * (docs/requests.md); weir_exchange_failure() says in `what` which it was.
 */
#ifndef WEIR_REQUEST_H
#define WEIR_REQUEST_H

#include "weir/base.h"
#include "weir/failure.h"
#include "weir/observe.h"
#include "weir/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A body that the engine pulls. `read` copies up to `room` octets that begin `offset` octets into
 * the body to `to` and answers WEIR_OK with *octets > 0, WEIR_END at its end (then *octets may be >
 * 0 too), WEIR_AGAIN when it has none now (call weir_resume() when it has), or WEIR_E_BODY_SOURCE.
 * In a blocking call it waits itself: WEIR_AGAIN fails the call there, as WEIR_E_BODY_SOURCE does.
 * It is called on the thread of the call, with no lock held, and so is `rewind`: NULL says that the
 * body cannot be sent again; else it is called before a replay and answers false to refuse.
 */
typedef struct weir_source {
    size_t size; /* sizeof(weir_source) */
    void *user;
    weir_status (*read)(void *to, size_t room, uint64_t offset, size_t *octets, void *user);
    bool (*rewind)(void *user);
} weir_source;
#define WEIR_SOURCE_INIT WEIR_INIT(weir_source)

typedef enum weir_body_kind {
    WEIR_BODY_NONE = 0,
    WEIR_BODY_SPAN,   /* `span`, borrowed until the exchange is done; can be replayed */
    WEIR_BODY_SOURCE, /* `source`, kept until the exchange is done */
    WEIR_BODY_STREAM  /* the caller writes: weir_write() and weir_finish(); cannot be replayed */
} weir_body_kind;

typedef struct weir_body {
    weir_body_kind kind;
    weir_span span;
    const weir_source *source;
    uint64_t length_octets; /* SOURCE and STREAM: declared length, 0: none at all; WEIR_UNKNOWN:
                               chunked (HTTP/1.1) */
} weir_body;

/* A request: `url`, or scheme, host, port and path apart. */
typedef struct weir_request {
    size_t size;
    weir_span method; /* empty: GET */
    weir_span url;
    weir_span scheme; /* used when url is empty: "http" or "https" */
    weir_span host;
    uint16_t port;  /* 0: the scheme's */
    weir_span path; /* with query; empty: "/" */
    const weir_field *fields;
    size_t field_count;
    weir_body body;
    /* after a SPAN or SOURCE body; a STREAM gives them to weir_finish() */
    const weir_field *trailers;
    size_t trailer_count;
} weir_request;
#define WEIR_REQUEST_INIT WEIR_INIT(weir_request)

/*
 * What kind of exchange this is. It changes defaults and nothing that was given, and never what the
 * request says. What is queued is sent at once with every hint, in TLS records as large as what is
 * queued, up to 16,360 octets, but for INTERACTIVE.
 */
typedef enum weir_hint {
    WEIR_HINT_NONE = 0,
    WEIR_HINT_BULK, /* a large response: what lies unread may be more, 262144 octets on HTTP/1.1, 4
                       MiB on HTTP/2, whose stream opens with a window of that size, unless
                       inbox_octets was given */
    WEIR_HINT_INTERACTIVE, /* small and urgent: the first 16384 octets of the request go in TLS
                              records of at most 1350, shared with no other exchange, which the peer
                              can take as each packet comes; and no more than 16384 octets are
                              queued, so that what is written next does not lie behind 64 KiB */
    WEIR_HINT_EVENTS,      /* a response that trickles for ever: no idle limit unless given */
    WEIR_HINT_DUPLEX /* both directions at once: no first-octet limit unless given; the upload goes
                        on behind a final head of 300 or more, but not if that came in place of the
                        100 that was waited for (expect_continue) */
} weir_hint;

typedef enum weir_replay_policy {
    WEIR_REPLAY_DEFAULT =
        0, /* not_sent and refused_by_peer for any method; maybe_processed if idempotent */
    WEIR_REPLAY_SAFE, /* not_sent and refused_by_peer only */
    WEIR_REPLAY_NEVER
} weir_replay_policy;

/*
 * Cancels any number of calls, from any thread, once and for good. Never blocks on the network.
 * Reference-counted: every call that was given it holds it until it is done.
 */
typedef struct weir_token weir_token;
/* NULL: no memory. */
WEIR_API weir_token *weir_token_new(const weir_allocator *allocator /* NULL: malloc */);
/* Any thread, any number of times. Each call ends with WEIR_E_CANCELLED unless it is done already.
 */
WEIR_API void weir_token_cancel(weir_token *token);
/* Any thread. */
WEIR_API bool weir_token_is_cancelled(const weir_token *token);
/* Gives back the caller's reference; calls that hold the token go on. NULL-safe. Any thread. */
WEIR_API void weir_token_free(weir_token *token);

/*
 * The options of one call. Limits are spans of time within a phase, 0: the default, WEIR_NEVER:
 * none; each has a status of its own. `deadline_ns` is absolute (weir_now() + …) and bounds
 * everything, replays too.
 */
typedef struct weir_call {
    size_t size;
    weir_time deadline_ns;    /* absolute; 0: none. Past when the call begins, as a span is that was
                                 given by mistake: WEIR_E_DEADLINE_TOTAL in phase SUBMIT, nothing
                                 was sent, and the failure says so in `what` */
    weir_time queue_ns;       /* waiting for a place: 30 s */
    weir_time dns_ns;         /* 10 s */
    weir_time connect_ns;     /* all addresses together: 10 s */
    weir_time tls_ns;         /* the handshake: 10 s */
    weir_time write_ns;       /* no octet of the request was taken although there was one: 60 s */
    weir_time first_octet_ns; /* after the request was sent: 60 s */
    weir_time idle_ns;        /* between octets of the response: 60 s */
    weir_time continue_ns;    /* Expect: 100-continue: then the body is sent anyway: 1 s */
    weir_token *token;        /* held while the call lasts */
    weir_hint hint;
    weir_replay_policy replay;
    uint32_t attempts;    /* at most, the first included; 0: 8, and 3 of those that may have been
                             processed */
    weir_protocol pin;    /* only this protocol */
    bool expect_continue; /* send Expect: 100-continue and wait for it before the body (RFC 9110
                             s10.1.1). A final head in its place below 300 lets the body go; any
                             other says that it is not wanted, whatever the hint: weir_write()
                             answers WEIR_ANSWERED, and the response is read as any */
    const weir_observer *observer; /* kept until the exchange is freed */
    weir_tls_config *tls;          /* instead of the client's; held while the call lasts */
    /* dial this host instead; Host, SNI and certificate stay those of the URL. A name or an IPv4
     * address as a URL has them, or an IPv6 address without brackets, with its zone as the system
     * writes it: "fe80::1%eth0". In upper or lower case it is the same host (RFC 3986 s6.2.2.1) */
    weir_span connect_to;
    uint16_t connect_port; /* with connect_to, and not without it; 0: the URL's */
    /* keep which connections were passed over and why: weir_exchange_candidate_at() */
    bool explain;
} weir_call;
#define WEIR_CALL_INIT WEIR_INIT(weir_call)

/*
 * What makes these a pre-connect that is WEIR_E_INVALID (weir_client_preconnect(), which has no
 * exchange to leave a failure in, and weir_loop_preconnect()): a static sentence that names the
 * record and the member, in the words of a failure's `what`. NULL: nothing. Any thread.
 */
WEIR_API const char *weir_preconnect_flaw(const weir_request *request, const weir_call *call,
                                          uint32_t exchanges);

/* The clock that deadlines are told in: CLOCK_MONOTONIC in nanoseconds. */
WEIR_API weir_time weir_now(void);

#ifdef __cplusplus
}
#endif

#endif
