/* SPDX-License-Identifier: MIT */
/*
 * The matrix: one behaviour, written once, run over {blocking, loop} x {HTTP/1.1, HTTP/2} x {clear,
 * TLS}, each time in a world of its own: a fresh client or loop, an allocator that knows what was
 * not given back, an observer that keeps what it was told, and the origin that all worlds of the
 * program share.
 *
 * When a behaviour has returned the world is taken apart and held against what is always true: no
 * lease and no waiting call is left, every exchange that began was told DONE exactly once, every
 * connection that was opened was told closed, the ledger agreed with the kernel on each of them,
 * all series of metrics together are the totals, if it counts any, and no octet of memory is left.
 *
 * WEIR_TESTS_SERIES=N in the environment: every world counts by series, N of each kind at most.
 */
#ifndef WEIR_TESTS_WORLD_H
#define WEIR_TESTS_WORLD_H

#include "proto/base.h"
#include "support/failalloc.h"
#include "support/origin_process.h"
#include "support/user.h"

typedef struct weir_way {
    weir_user_kind kind;
    weir_protocol protocol;
    bool tls;
} weir_way;

/* Bits of weir_behaviour.only: where it makes sense; 0: everywhere. */
enum {
    WEIR_ONLY_H1 = 1,
    WEIR_ONLY_H2 = 2,
    WEIR_ONLY_CLEAR = 4,
    WEIR_ONLY_TLS = 8,
    WEIR_ONLY_BLOCKING = 16,
    WEIR_ONLY_LOOP = 32
};

#define WEIR_WORLD_EVENTS 512

typedef struct weir_world {
    weir_way way;
    const void *with;
    const weir_origin_process *origin;
    weir_tls_config *tls; /* trusts the test CA alone */
    weir_failalloc memory;
    weir_shared *shared;
    weir_user_options options; /* may be changed until the first weir_world_user() */
    weir_pool_limits limits;
    weir_user *user;
    /* What the observer of calls and connections was told; guarded by a lock of its own. */
    weir_event events[WEIR_WORLD_EVENTS];
    size_t event_count;
    size_t closed; /* connections told closed */
    size_t agreed; /* ... whose ledger agreed with the kernel */
    size_t unavailable;
    size_t differed;
    weir_verdict difference;
    weir_account last_account;
    size_t dones;        /* DONE events of exchanges */
    size_t begun;        /* exchanges that weir_world_call() began */
    weir_event ill_told; /* the last whose reason and text do not go together; kind NONE: none */
    weir_observer observer;
} weir_world;

typedef void weir_behaviour_run(weir_world *world);

typedef struct weir_behaviour {
    const char *name; /* a sentence */
    weir_behaviour_run *run;
    unsigned only;
    const void *with; /* for behaviours that differ in a value: world->with */
} weir_behaviour;

/* Runs all of them over all ways; answers how many failed. `arguments` are more of weir-origin's.
 */
int weir_world_run(const char *suite, const weir_behaviour *behaviours, size_t count,
                   const char *const *arguments);

/* What this machine has no means for is not tested, and counted as skipped. Takes the world apart; a
 * behaviour gives back before what it took itself. */
_Noreturn void weir_world_skip(weir_world *world);

/* "blocking, HTTP/2, TLS" */
void weir_way_text(weir_way way, char *text, size_t room);

/* The client or loop of this world; made at the first call. */
weir_user *weir_world_user(weir_world *world);
/* Takes it apart before the end, with all the checks; the next weir_world_user() makes another. */
void weir_world_close(weir_world *world);

/* An absolute URL of the origin: path "/octets/10". Static storage per thread, until the next call.
 */
weir_span weir_world_url(const weir_world *world, const char *path);
/* The same with another host, a name of which the test's resolver knows where it is. */
weir_span weir_world_url_of(const weir_world *world, const char *host, const char *path);
/* That resolver's answer to any name: 127.0.0.1 and no IPv6 address, for longer than a test lasts. */
void weir_world_answer(weir_lookup *lookup);
/* Settings that trust the CA of the tests, or only somebody else. To be released. */
weir_tls_config *weir_world_tls_settings(bool trusting);

/* What a request looks like here: GET of the path, pinned to the world's protocol, observed. */
typedef struct weir_ask {
    weir_request request;
    weir_call call;
} weir_ask;
weir_ask weir_world_ask(weir_world *world, const char *path);
/* The same, while the server of that port on loopback stands in the origin's place. */
weir_ask weir_world_ask_at(weir_world *world, const char *path, uint16_t port);
weir_status weir_world_call(weir_world *world, const weir_ask *ask, weir_exchange **exchange);

/* Everything of an answer. */
typedef struct weir_fetched {
    weir_status called; /* of the call */
    weir_status ended;  /* of the last weir_read() */
    int code;
    uint64_t octets;
    bool is_pattern; /* every octet is that of the origin's pattern */
    char text[2048]; /* its beginning, NUL-terminated */
    weir_failure failure;
} weir_fetched;
/* Calls, reads to the end, drops. */
weir_fetched weir_world_fetch(weir_world *world, const weir_ask *ask);
/* Frees it; of one that is not done, DONE will not be told. */
void weir_world_drop(weir_world *world, weir_exchange *exchange);
/* Reads to the end; the exchange stays. */
void weir_world_drain(weir_world *world, weir_exchange *exchange, weir_fetched *fetched);

/* More than any window: a stream, and on HTTP/1.1 the connection, is in use until it is read. */
#define WEIR_LONG_ANSWER "/octets/3000000"
#define WEIR_LONG_OCTETS 3000000
/* A call for it, and its end: read as it should be, and dropped. */
weir_exchange *weir_world_begin_long(weir_world *world);
void weir_world_end_long(weir_world *world, weir_exchange *exchange);

weir_counts weir_world_counts(weir_world *world);

/* The origin's body pattern. */
uint8_t weir_pattern_at(uint64_t at);
void weir_pattern_fill(uint8_t *to, uint64_t first, size_t count);
/* FNV-1a of the first octets of the pattern, as 16 hex digits. */
void weir_pattern_sum(uint64_t octets, char text[17]);

/* How many events of that kind. Not for threads that run at the same time, nor are the next two. */
size_t weir_world_told(const weir_world *world, weir_event_kind kind);
/* How many of them with this word as their reason. */
size_t weir_world_told_why(const weir_world *world, weir_event_kind kind, const char *why);
/* The i-th of them; NULL: none. */
const weir_event *weir_world_event(const weir_world *world, weir_event_kind kind, size_t i);

/* WEIR_TESTS_LONG in the environment (tests/run --long): a thousand times what is ten times else. */
bool weir_tests_are_long(void);

#endif
