/* SPDX-License-Identifier: MIT */
/*
 * The life of one request: place, head, body, done; its deadlines; the replay rule. Shared by both
 * front ends and the simulator; it does no I/O and takes no lock.
 *
 *   NEW --weir_core_place--> QUEUED --granted--> PLACED --attach--> ATTACHED --detach--> ENDED
 *    \- refused -> DONE        |                  |- bounced -> QUEUED                    |
 *                              |                  \- the link died before -> ENDED        |
 *                              \- refused, expired -> ENDED                              |
 *   ENDED --conclude--> DONE, or QUEUED again for a replay  <----------------------------/
 *
 * Two half machines run while it is ATTACHED: `sending` (the request's content) and the response
 * half, which is the set of messages received so far plus `response_ended`.
 *
 * Who may touch what (blocking front end): the exchange's own thread everything, and nobody else
 * anything but `sits` and `cancel_wanted`, which are atomic. Who reads for others leaves their
 * events in their streams, under the lock of the link; each collects its own. While QUEUED its
 * ticket is guarded by the core's lock.
 */
#ifndef WEIR_ENGINE_EXCHANGE_H
#define WEIR_ENGINE_EXCHANGE_H

#include <stdatomic.h>

#include "engine/link.h"
#include "engine/observe.h"
#include "engine/timers.h"
#include "proto/head.h"
#include "weir/exchange.h"
#include "weir/why.h"

#define WEIR_ATTEMPTS_LIMIT 8
/* failure.what of exchanges that a fork cut off. */
#define WEIR_FORKED_WHAT    "the process forked: the connection is the parent's"
#define WEIR_STAGE_OCTETS   ((size_t)16384)

struct weir_seat;

typedef enum weir_exchange_state {
    WEIR_EXCHANGE_NEW = 0,
    WEIR_EXCHANGE_QUEUED,
    WEIR_EXCHANGE_PLACED,
    WEIR_EXCHANGE_ATTACHED,
    WEIR_EXCHANGE_ENDED,
    WEIR_EXCHANGE_DONE
} weir_exchange_state;

typedef enum weir_sending {
    WEIR_SENDING_NONE = 0, /* nothing, or not begun */
    WEIR_SENDING_CONTINUE, /* waiting for 100 (RFC 9110 s10.1.1) */
    WEIR_SENDING_BODY,
    WEIR_SENDING_ENDED,  /* all of it is queued */
    WEIR_SENDING_STOPPED /* answered early: the rest is not wanted */
} weir_sending;

/* What of it is in the core's counters. */
typedef enum weir_metered {
    WEIR_METERED_NOT = 0, /* refused for what it says, or not looked at yet */
    WEIR_METERED_STARTED,
    WEIR_METERED_ENDED
} weir_metered;

/* What the request half waits for, as far as the exchange itself can know. */
typedef enum weir_awaited {
    WEIR_AWAITED_NOTHING = 0, /* it is not there yet, over, or waits for the peer's 100 */
    WEIR_AWAITED_OUT,         /* content was not taken by the conn, or octets not by the kernel */
    WEIR_AWAITED_CALLER       /* content could go and there is none */
} weir_awaited;

/* Where the time of an exchange that is held up goes: exchange_stalls.c. */
typedef struct weir_stall_clock {
    weir_stalls sum;
    weir_awaited awaited;
    weir_time since_ns;    /* up to when `sum` is right */
    weir_conn_stalls conn; /* what the stream's clocks showed then */
    weir_time refused_ns;  /* ... and the link's */
} weir_stall_clock;

/* What a front end has not told its user yet. */
enum {
    WEIR_NEWS_INFORMATIONAL = 1,
    WEIR_NEWS_HEAD = 2,
    WEIR_NEWS_READABLE = 4,
    WEIR_NEWS_WRITABLE = 8,
    WEIR_NEWS_OVER = 16 /* the attempt is over: ended or failed */
};

/* What differs between the front ends; two implementations. */
/* The limits of a dial, unless a call says otherwise; also of one that no call owns. */
#define WEIR_DNS_DEFAULT_NS     (10 * WEIR_NS_PER_SECOND)
#define WEIR_CONNECT_DEFAULT_NS (10 * WEIR_NS_PER_SECOND)
#define WEIR_TLS_DEFAULT_NS     (10 * WEIR_NS_PER_SECOND)

typedef struct weir_front {
    weir_status (*response)(weir_exchange *exchange);
    weir_status (*read)(weir_exchange *exchange, uint8_t *to, size_t room, size_t *octets);
    weir_status (*write)(weir_exchange *exchange, weir_span octets, size_t *taken);
    weir_status (*finish)(weir_exchange *exchange, const weir_fields *trailers);
    void (*resume)(weir_exchange *exchange);
    void (*kick)(weir_exchange *exchange); /* cancel_wanted was set; any thread, never blocks */
    /*
     * The same for who holds a lock, where kick() may call a hook (NULL: it does not): what it
     * answers, unless that is NULL, must be given to rouse() once the lock was let go.
     */
    void *(*kick_quietly)(weir_exchange *exchange);
    void (*rouse)(void *sleeper);
    void (*leave)(weir_exchange *exchange); /* about to be freed: give everything back */
} weir_front;

struct weir_exchange {
    const weir_front *front;
    void *owner;                      /* the client or loop */
    void *seat;                       /* the loop's record of it */
    _Atomic(struct weir_seat *) sits; /* blocking: where its thread is, NULL outside of calls */
    const weir_allocator *allocator;
    uint64_t id;
    uint32_t generation; /* of its client: another says that the process forked since */
    void *user;
    weir_exchange_state state;

    /* What was asked. */
    weir_target target;
    weir_head request;
    weir_fields strings; /* holds copies of what is neither head nor body */
    weir_fields trailers_to_send;
    weir_body body;
    weir_source source;
    weir_call call; /* every default filled in */
    weir_span connect_to;
    weir_tls_config *tls; /* held; NULL on http */

    /* Where it is. */
    weir_ticket ticket;
    uint32_t warms; /* it is no request but a wish for connections that could carry so many; 0: a
                       request */
    weir_warmth wish;
    weir_link *link;
    weir_stream *stream;
    weir_list link_place; /* in its link's list of exchanges (the front end's) */

    /* The request half. */
    weir_sending sending;
    bool write_blocked;     /* weir_conn_write() answered AGAIN; WRITABLE follows */
    bool source_blocked;    /* the source answered AGAIN; weir_resume() follows */
    bool body_was_taken;    /* the conn took at least one octet of a STREAM: no replay */
    bool stream_was_ended;  /* weir_finish() of a STREAM was heeded; its own thread's alone */
    uint64_t body_octets;   /* of the body that the conn took in this attempt */
    uint64_t source_octets; /* read from the source in this attempt */
    uint8_t *stage;         /* octets read from the source, not yet taken */
    size_t stage_first;
    size_t stage_end;
    bool source_ended;
    weir_status source_status; /* why the source gives nothing: push fails the exchange with it */

    /* The response half. */
    weir_message *informational_first;
    weir_message *informational_last;
    size_t informational_count;
    weir_message *head;
    weir_message *trailers;
    bool response_ended;
    bool continue_came;
    weir_buf rest; /* unread content once detached */
    weir_bin rest_bin;

    /* The outcome. */
    weir_failure failure; /* of the attempt; at the end of the exchange */
    weir_failure refusal; /* of the last weir_finish(), which changed nothing else; OK: none */
    weir_attempt attempts[WEIR_ATTEMPTS_LIMIT];
    size_t attempt_count;
    bool attempted; /* an attempt began since it asked for a place; else there is none to replay */
    bool attempt_reused;
    bool kept_order;       /* a replay asked for its place in the order of the attempt before it */
    bool misdirected;      /* an attempt was answered 421, and another followed: once is enough */
    weir_facts last_facts; /* of its link, at detach: for the pool */
    weir_candidate *candidates; /* WEIR_CANDIDATES_LIMIT of them, or NULL: it does not ask */
    size_t candidate_count;     /* of all that there were */
    /* which addresses were tried for it; NULL: none, or no memory */
    struct weir_connects *connects;

    /* Times. */
    weir_time submitted_ns;
    weir_phase phase;
    weir_time phase_since_ns;
    weir_time phase_ns[WEIR_PHASE_COUNT];
    weir_time sent_ns;        /* last octet of the request that the kernel took */
    weir_time received_ns;    /* last octet of the response */
    weir_time first_octet_ns; /* 0: none yet */
    weir_time head_ns;
    weir_time continue_since_ns;
    weir_time away_until_ns; /* blocking: the caller was between two calls; the peer's time runs
                                from then */
    weir_stall_clock stalls;
    weir_metered metered;
    struct weir_series *series; /* STARTED: where, if the core counts by series (series.h) */

    /* Telling. */
    unsigned news;
    weir_events events;
    weir_octets told_plain;
    weir_octets told_tls;
    weir_reason waiting_told; /* what it waits for, as told since it was queued */
    bool waiting_later; /* ... and it waits for something else, which is told later; guarded by
                                 the core's lock, blocking */
    weir_time waiting_paid_ns; /* until then what was told of it is told too often */
    bool head_sent_told;
    bool request_sent_told;
    bool response_received_told; /* ... with its last octet */
    bool first_octet_told;
    bool head_told;
    bool telling; /* its observer runs: freeing it waits */
    bool free_wanted;
    /* while its observer runs in the middle of a wait: guards its ticket; else NULL */
    struct weir_mutex *pool_lock;

    atomic_bool cancel_wanted;
    weir_token *token;
    weir_list token_place; /* in the token's list; guarded by the token */
    weir_timer timer;      /* the loop's */
    /* in the front end's list of exchanges with news; blocking: its line's, guarded by its lock */
    weir_list news_place;
};

typedef struct weir_exchange_options {
    const weir_allocator *allocator;
    const weir_front *front;
    void *owner;
    void *user;
    uint64_t id;
    weir_tls_config *tls;          /* default for https */
    uint32_t warms;                /* see weir_exchange.warms */
    const weir_observer *observer; /* of a call that brings none; may be NULL */
    weir_time now_ns;
} weir_exchange_options;

/*
 * Checks and copies the request. NULL and *status for WEIR_E_NOMEM; a request or call that is
 * refused gives an exchange that is DONE with the failure.
 */
weir_exchange *weir_exchange_new(const weir_exchange_options *options, const weir_request *request,
                                 const weir_call *call, weir_status *status);
/* Frees the record; it must not be queued, placed or attached. */
void weir_exchange_destroy(weir_exchange *exchange);
/* The pool's key; its spans point into the exchange. */
weir_origin_key weir_exchange_key(const weir_exchange *exchange);

/* -- exchange_life.c -- */
/* Tells that it was submitted; and that it is done, if it was refused. */
void weir_exchange_submitted(weir_exchange *exchange, weir_time now_ns);
void weir_exchange_set_phase(weir_exchange *exchange, weir_phase phase, weir_time now_ns);
/* The ticket waits, or was granted (PLACED, tells CONNECTION_ACQUIRED at attach). */
void weir_exchange_queued(weir_exchange *exchange, weir_time now_ns);
/* Its ticket may wait for something else now: tells WAITING if so. */
void weir_exchange_tell_waiting(weir_exchange *exchange, weir_time now_ns);
/* Opens the stream. WEIR_OK: ATTACHED. WEIR_E_NOT_ACCEPTING: bounce it. Otherwise failed (ENDED).
 */
weir_status weir_exchange_attach(weir_exchange *exchange, weir_link *link, weir_time now_ns);
/* An event of its stream: records it and sets news. Takes the message. */
void weir_exchange_on_event(weir_exchange *exchange, weir_conn_event *event, weir_time now_ns);
/* Pulls the events of its own stream. */
void weir_exchange_collect(weir_exchange *exchange, weir_time now_ns);
/* Pulls all events of a link's conn into their exchanges; those with news are appended to `touched`
 * (news_place). */
void weir_exchange_deliver(weir_link *link, weir_list *touched, weir_time now_ns);
/* Octets moved: brings times, phase and octet events up to date. */
void weir_exchange_moved(weir_exchange *exchange, weir_time now_ns);
/* Nothing more of the response is taken before the caller reads. */
bool weir_exchange_is_full(const weir_exchange *exchange);
/* The attempt is over: the response is complete, or it failed. */
bool weir_exchange_is_over(const weir_exchange *exchange);
/* Fails the attempt under way (deadline, cancel, caller's mistake); attached: the stream is
 * cancelled. */
void weir_exchange_fail(weir_exchange *exchange, const weir_failure *failure, weir_time now_ns);
void weir_exchange_fail_with(weir_exchange *exchange, weir_status status, const char *what,
                             weir_time now_ns);
/* Takes the stream off the link and records the attempt. Afterwards the link may have octets to
 * send. */
void weir_exchange_detach(weir_exchange *exchange, weir_time now_ns);
/* ENDED: is the attempt to be followed by another? Asks a source to rewind: no lock may be held. */
bool weir_exchange_goes_again(weir_exchange *exchange);
/* ENDED, after the place was given back. `again`, as that answered: it is NEW, and must ask for a
 * place; else it is DONE. */
void weir_exchange_conclude(weir_exchange *exchange, bool again, weir_time now_ns);

/* -- exchange_deadlines.c -- */
/* The next of its deadlines. */
weir_time weir_exchange_deadline(const weir_exchange *exchange, weir_why *why);
/*
 * Others may move its octets while its thread waits, and then another limit runs, that may end
 * before the one that ran when the wait began: no such limit ends before this time.
 */
weir_time weir_exchange_look_again(const weir_exchange *exchange, weir_time now_ns);
/* A deadline passed: fails it with the status of that deadline, or sends the body that waited for
 * 100. */
void weir_exchange_expire(weir_exchange *exchange, weir_time now_ns);

/* -- exchange_replay.c -- */
/* May the attempt that failed be followed by another? Asks a source to rewind: no lock may be held.
 */
bool weir_exchange_may_replay(const weir_exchange *exchange);
/* Of any attempt so far. What failed last may have sent nothing; what an attempt before it sent was
 * sent all the same. */
bool weir_exchange_was_maybe_processed(const weir_exchange *exchange);
/* Is an answer with this code one to be asked for again elsewhere, and not shown? */
bool weir_exchange_is_misdirected(const weir_exchange *exchange, int code);

/* -- exchange_why.c -- */
/* How long its ticket waited for what, without the time under the present reason. */
void weir_exchange_waited(const weir_exchange *exchange, weir_waits *waits);

/* -- exchange_connects.c -- */
/* An address was tried for it. Without memory it is not kept. */
void weir_exchange_note_connect(weir_exchange *exchange, const weir_connect_attempt *attempt);

/* -- exchange_body.c -- */
/* Reads from a source into the stage; to be called without locks. True: the stage has something for
 * push, be it a failure. */
bool weir_exchange_fill(weir_exchange *exchange);
/* Moves the body on into the conn as far as it goes. */
void weir_exchange_push(weir_exchange *exchange, weir_time now_ns);
/* True if push would move something now (then a source needs fill first). */
bool weir_exchange_has_body_to_push(const weir_exchange *exchange);
weir_status weir_exchange_write(weir_exchange *exchange, weir_span octets, weir_time now_ns,
                                size_t *taken);
weir_status weir_exchange_finish(weir_exchange *exchange, const weir_fields *trailers,
                                 weir_time now_ns);
/* Of a request that takes no more content: what failed it, or WEIR_ANSWERED. */
weir_status weir_exchange_why_no_more(const weir_exchange *exchange);
/* Copies content out. WEIR_OK, WEIR_END, WEIR_AGAIN, or the failure. */
weir_status weir_exchange_read(weir_exchange *exchange, uint8_t *to, size_t room, weir_time now_ns,
                               size_t *octets);
/* Is the rest of its content not wanted, as far as the response says? ATTACHED. */
bool weir_exchange_upload_is_unwanted(const weir_exchange *exchange);

/* -- exchange_stalls.c -- */
/* ATTACHED: the clocks of its stream and link begin. */
void weir_exchange_stalls_begin(weir_exchange *exchange, weir_time now_ns);
/* ATTACHED, and something happened: the time since the last such moment goes to what held it up. */
void weir_exchange_stalls_settle(weir_exchange *exchange, weir_time now_ns);
/* The same in place of it, when nobody read the connection since the last such moment: unread
 * content waited for the caller. */
void weir_exchange_stalls_unread(weir_exchange *exchange, weir_time now_ns);
/* Is it the caller who holds it up? Then the time of the caller's next step matters. */
bool weir_exchange_awaits_caller(const weir_exchange *exchange);

/* -- token.c -- */
void weir_token_add(weir_token *token, weir_exchange *exchange);
void weir_token_remove(weir_token *token, weir_exchange *exchange);

#endif
