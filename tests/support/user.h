/* SPDX-License-Identifier: MIT */
/*
 * How a program uses weir, behind one small interface: the blocking front end, or the asynchronous
 * one driven by its descriptor alone. A test is written once, as blocking code, and runs over both.
 *
 * Over the loop every wait is: poll the one descriptor, turn, until an event for *this* exchange is
 * told. Nothing is tried again without having been told so; a lost event is a test that hangs,
 * which the watchdog turns into a failure. The told events are held against their contract on the
 * way: DONE exactly once and last, READABLE and WRITABLE only after an AGAIN, 1xx before the head.
 * The array for events has one, two, three or 64 places in turn, so that a small array is met
 * everywhere.
 *
 * Ownership: an exchange that weir_user_call() gave is freed with weir_user_drop().
 */
#ifndef WEIR_TESTS_USER_H
#define WEIR_TESTS_USER_H

#include <weir/weir.h>

typedef enum weir_user_kind { WEIR_USER_BLOCKING = 0, WEIR_USER_LOOP } weir_user_kind;

typedef struct weir_user_options {
    weir_user_kind kind;
    const weir_allocator *allocator;
    weir_shared *shared;
    const weir_observer *observer;
    const weir_resolver *resolver;
    const weir_pool_limits *limits;
    const weir_wait_hooks *hooks; /* blocking only */
    weir_time probe_after_ns;     /* blocking only */
    uint32_t metrics_series;
    const char *metrics_methods;
} weir_user_options;

typedef struct weir_user weir_user;

weir_user *weir_user_new(const weir_user_options *options, weir_status *status);
/* Every exchange must have been dropped. */
void weir_user_free(weir_user *user);
const char *weir_user_kind_name(weir_user_kind kind);

/* As weir_client_call(): until the final head, or until a stream can be written. */
weir_status weir_user_call(weir_user *user, const weir_request *request, const weir_call *call,
                           weir_exchange **exchange);
/* As weir_client_preconnect(). */
weir_status weir_user_preconnect(weir_user *user, const weir_request *request,
                                 const weir_call *call, uint32_t exchanges);
weir_status weir_user_response(weir_user *user, weir_exchange *exchange);
weir_status weir_user_read(weir_user *user, weir_exchange *exchange, void *to, size_t room,
                           size_t *octets);
/* To the end; how that was. */
weir_status weir_user_read_on(weir_user *user, weir_exchange *exchange);
weir_status weir_user_write(weir_user *user, weir_exchange *exchange, weir_span octets,
                            size_t *taken);
weir_status weir_user_finish(weir_user *user, weir_exchange *exchange, const weir_field *trailers,
                             size_t count);
void weir_user_drop(weir_user *user, weir_exchange *exchange);
void weir_user_counts(weir_user *user, weir_counts *counts);
weir_metrics weir_user_metrics(weir_user *user);
/* As weir_client_metrics_reading(). */
weir_metrics_reading *weir_user_reading(weir_user *user, weir_status *status);
/* As weir_client_snapshot(). */
weir_snapshot *weir_user_snapshot(weir_user *user, weir_status *status);
/* As weir_client_drain() that waits for nothing. */
weir_status weir_user_drain(weir_user *user, weir_span url);

/* Only over the loop: waits until `wanted` is told for the exchange, or DONE. */
weir_told weir_user_await(weir_user *user, weir_exchange *exchange, weir_told wanted);
/* What is due is done: connections are read, timers expire. Blocking: weir_client_maintain(). */
void weir_user_settle(weir_user *user);
/* Until so many calls wait, and nothing is read for it by a client; a coroutine lets the others go
 * on. */
void weir_user_await_waiting(weir_user *user, uint64_t count);
/* The loop itself, the client itself; NULL in the other kind. */
weir_loop *weir_user_loop(weir_user *user);
weir_client *weir_user_client(weir_user *user);

/* Every status that a function of this header answered, or that was noted, since the program began.
 */
void weir_user_note(weir_status status);
bool weir_user_has_seen(weir_status status);

/*
 * Runs job(0) … job(count - 1) at the same time and waits for all: threads over the blocking front
 * end, coroutines of this thread over the loop. A job may not use cmocka's assertions: it leaves
 * its result in `shared` and the caller judges.
 */
typedef void weir_user_job(weir_user *user, size_t index, void *shared);
void weir_user_together(weir_user *user, size_t count, weir_user_job *job, void *shared);

#endif
