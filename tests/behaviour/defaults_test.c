/* SPDX-License-Identifier: MIT */
/*
 * The limits of a call that gives none, and what a hint changes of them: docs/deadlines.md. They
 * last up to a minute; here a clock passes them by that leaps when the call waits, first to a
 * second before the limit and then to a second behind it.
 */
#include "support/asleep.h"
#include "support/kernel.h"
#include "support/stuck.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define SECONDS(count) ((count)*WEIR_NS_PER_SECOND)
#define HOUR_NS        SECONDS(3600)

typedef struct limit {
    weir_phase phase;
    weir_hint hint;
    weir_time given_ns; /* of the limit of this phase; 0: nothing is given */
    weir_time ns;
    weir_status status;
} limit;

typedef struct leaper {
    weir_stuck *stuck;
    weir_time ns;
    pthread_t thread;
} leaper;

static void leap_when_asleep(leaper *l, weir_time span_ns)
{
    weir_await_asleep(atomic_load(&l->stuck->thread), 3 * WEIR_NS_PER_MS);
    weir_kernel_leap(span_ns);
}

static void *leap_over(void *user)
{
    leaper *l = user;

    while (atomic_load(&l->stuck->thread) == 0) {
        (void)sched_yield();
    }
    leap_when_asleep(l, l->ns - SECONDS(1));
    leap_when_asleep(l, SECONDS(2));
    return NULL;
}

static void give(weir_call *call, weir_phase phase, weir_time ns)
{
    if (phase == WEIR_PHASE_HEAD) {
        call->first_octet_ns = ns;
    } else {
        call->idle_ns = ns;
    }
}

static void ends_behind(weir_world *world)
{
    const limit *which = world->with;
    weir_stuck stuck;
    leaper l = {.stuck = &stuck, .ns = which->ns};

    weir_stuck_prepare(world, &stuck, which->phase);
    stuck.ask.call.hint = which->hint;
    if (which->status == WEIR_E_DEADLINE_TOTAL) { /* no limit of its own */
        stuck.ask.call.deadline_ns = weir_now() + which->ns;
    }
    if (which->given_ns > 0) {
        give(&stuck.ask.call, which->phase, which->given_ns);
    }
    assert_int_equal(pthread_create(&l.thread, NULL, leap_over, &l), 0);
    const weir_status status = weir_stuck_go(world, &stuck);
    (void)pthread_join(l.thread, NULL);
    assert_int_equal(status, which->status);
    const weir_exchange *exchange = stuck.uploading.exchange;
    assert_int_equal(weir_exchange_failure(exchange).phase, which->phase);
    /* Less than a second is lost on the way to where it waits. */
    assert_in_range(weir_exchange_phase_ns(exchange, which->phase), which->ns - SECONDS(1) / 2,
                    which->ns + SECONDS(4));
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

static void *leap_over_the_wait_for_100(void *user)
{
    leaper *l = user;

    leap_when_asleep(l, l->ns - SECONDS(1) / 10);
    leap_when_asleep(l, SECONDS(1) / 5);
    leap_when_asleep(l, SECONDS(30)); /* it waits for its answer now, and may for ever */
    return NULL;
}

/* What is to be sent waits for 100 (RFC 9110 s10.1.1), which the origin does not say. */
static void is_sent_anyway_behind(weir_world *world)
{
    const limit *which = world->with;
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_upload upload = {.kind = WEIR_BODY_SPAN, .octets = 1000, .counted = true};
    weir_stuck here = {.phase = which->phase};
    leaper l = {.stuck = &here, .ns = which->ns};

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    ask = weir_world_ask(world, "/expect?answer=none");
    ask.call.expect_continue = true;
    ask.call.first_octet_ns = WEIR_NEVER;
    ask.call.idle_ns = WEIR_NEVER;
    atomic_store(&here.thread, (int)gettid());
    assert_int_equal(pthread_create(&l.thread, NULL, leap_over_the_wait_for_100, &l), 0);
    const weir_fetched fetched = weir_upload_all(world, &ask, &upload);
    (void)pthread_join(l.thread, NULL);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
    const weir_event *head = weir_world_event(world, WEIR_EVENT_HEAD_SENT, 1);
    const weir_event *request = weir_world_event(
        world, WEIR_EVENT_REQUEST_SENT, weir_world_told(world, WEIR_EVENT_REQUEST_SENT) - 1);
    assert_non_null(head);
    assert_non_null(request);
    assert_true(request->last);
    assert_in_range(request->at_ns - head->at_ns, which->ns - SECONDS(1) / 20,
                    which->ns + SECONDS(20));
}

/* Without a hint. */
#define PLAIN(phase, seconds, status)                                                              \
    ((const limit){phase, WEIR_HINT_NONE, 0, SECONDS(seconds), status})
#define HINTED(phase, hint, given_ns, ns, status) ((const limit){phase, hint, given_ns, ns, status})

static const weir_behaviour behaviours[] = {
    {"30 seconds for a place", ends_behind, 0, &PLAIN(WEIR_PHASE_QUEUE, 30, WEIR_E_DEADLINE_QUEUE)},
    {"10 seconds for a name", ends_behind, 0, &PLAIN(WEIR_PHASE_DNS, 10, WEIR_E_DEADLINE_DNS)},
    {"10 seconds for a connect", ends_behind, 0,
     &PLAIN(WEIR_PHASE_CONNECT, 10, WEIR_E_DEADLINE_CONNECT)},
    {"10 seconds for a handshake", ends_behind, WEIR_ONLY_TLS,
     &PLAIN(WEIR_PHASE_TLS, 10, WEIR_E_DEADLINE_TLS)},
    {"60 seconds for what is sent", ends_behind, 0,
     &PLAIN(WEIR_PHASE_SEND, 60, WEIR_E_DEADLINE_WRITE)},
    {"a second for 100, and then the content is sent", is_sent_anyway_behind, 0,
     &PLAIN(WEIR_PHASE_SEND, 1, WEIR_OK)},
    {"60 seconds for an answer", ends_behind, 0,
     &PLAIN(WEIR_PHASE_HEAD, 60, WEIR_E_DEADLINE_FIRST_OCTET)},
    {"60 seconds between two pieces of it", ends_behind, 0,
     &PLAIN(WEIR_PHASE_BODY, 60, WEIR_E_DEADLINE_IDLE)},
    {"events may be hours apart", ends_behind, 0,
     &HINTED(WEIR_PHASE_BODY, WEIR_HINT_EVENTS, 0, HOUR_NS, WEIR_E_DEADLINE_TOTAL)},
    {"events have the idle limit that was given", ends_behind, 0,
     &HINTED(WEIR_PHASE_BODY, WEIR_HINT_EVENTS, SECONDS(5), SECONDS(5), WEIR_E_DEADLINE_IDLE)},
    {"events are answered within 60 seconds", ends_behind, 0,
     &HINTED(WEIR_PHASE_HEAD, WEIR_HINT_EVENTS, 0, SECONDS(60), WEIR_E_DEADLINE_FIRST_OCTET)},
    {"who speaks in both directions may be answered hours later", ends_behind, 0,
     &HINTED(WEIR_PHASE_HEAD, WEIR_HINT_DUPLEX, 0, HOUR_NS, WEIR_E_DEADLINE_TOTAL)},
    {"... or within the limit that was given", ends_behind, 0,
     &HINTED(WEIR_PHASE_HEAD, WEIR_HINT_DUPLEX, SECONDS(5), SECONDS(5),
             WEIR_E_DEADLINE_FIRST_OCTET)},
    {"... and then has 60 seconds between two pieces", ends_behind, 0,
     &HINTED(WEIR_PHASE_BODY, WEIR_HINT_DUPLEX, 0, SECONDS(60), WEIR_E_DEADLINE_IDLE)},
};

int main(void)
{
    return weir_world_run("defaults", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
