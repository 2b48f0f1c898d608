/* SPDX-License-Identifier: MIT */
/*
 * Each limit of a call ends it with the status of its own, in the phase it is for, not before its
 * time; and the call's deadline does so in every phase. Afterwards the client works.
 */
#include "failures.h"
#include "support/stuck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LIMIT_NS (40 * WEIR_NS_PER_MS)

typedef struct limit {
    weir_phase phase;
    weir_status status;
} limit;

static const limit queue = {WEIR_PHASE_QUEUE, WEIR_E_DEADLINE_QUEUE};
static const limit dns = {WEIR_PHASE_DNS, WEIR_E_DEADLINE_DNS};
static const limit connecting = {WEIR_PHASE_CONNECT, WEIR_E_DEADLINE_CONNECT};
static const limit handshake = {WEIR_PHASE_TLS, WEIR_E_DEADLINE_TLS};
static const limit sending = {WEIR_PHASE_SEND, WEIR_E_DEADLINE_WRITE};
static const limit first_octet = {WEIR_PHASE_HEAD, WEIR_E_DEADLINE_FIRST_OCTET};
static const limit idle = {WEIR_PHASE_BODY, WEIR_E_DEADLINE_IDLE};

static void set_limit(weir_call *call, weir_phase phase)
{
    switch (phase) {
    case WEIR_PHASE_QUEUE:
        call->queue_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_DNS:
        call->dns_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_CONNECT:
        call->connect_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_TLS:
        call->tls_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_SEND:
        call->write_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_HEAD:
        call->first_octet_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_BODY:
        call->idle_ns = LIMIT_NS;
        break;
    case WEIR_PHASE_ANY:
    case WEIR_PHASE_SUBMIT:
    case WEIR_PHASE_DONE:
    case WEIR_PHASE_COUNT:
        break;
    }
}

static void assert_ends(weir_world *world, weir_stuck *stuck, weir_status status,
                        weir_time not_before_ns)
{
    assert_int_equal(weir_stuck_go(world, stuck), status);
    const weir_time now_ns = weir_now();
    assert_true(now_ns >= not_before_ns);
    assert_true(now_ns < not_before_ns + 5 * WEIR_NS_PER_SECOND);
    const weir_failure failure = weir_exchange_failure(stuck->uploading.exchange);
    assert_int_equal(failure.status, status);
    assert_int_equal(failure.phase, stuck->phase);
    assert_null(failure.what); /* the status says it all: no deadline was past from the start */
    assert_int_equal(failure.processed,
                     stuck->phase < WEIR_PHASE_SEND ? WEIR_NOT_SENT : WEIR_MAYBE_PROCESSED);
}

static void limit_of_its_own(weir_world *world)
{
    const limit *which = world->with;
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, which->phase);
    set_limit(&stuck.ask.call, which->phase);
    assert_ends(world, &stuck, which->status, weir_now() + LIMIT_NS);
    assert_true(weir_exchange_phase_ns(stuck.uploading.exchange, which->phase) >= LIMIT_NS);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

static void deadline_of_all(weir_world *world)
{
    const limit *which = world->with;
    weir_stuck stuck;

    weir_stuck_prepare(world, &stuck, which->phase);
    stuck.ask.call.deadline_ns = weir_now() + LIMIT_NS;
    assert_ends(world, &stuck, WEIR_E_DEADLINE_TOTAL, stuck.ask.call.deadline_ns);
    weir_stuck_drop(world, &stuck);
    weir_stuck_end(world, &stuck);
}

/* A deadline that has passed when the call begins: nothing is sent. */
static void deadline_before_the_call(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    for (int i = 0; i < 2; i++) {
        ask.call.deadline_ns = i == 0 ? 1 : weir_now();
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, WEIR_E_DEADLINE_TOTAL);
        assert_int_equal(fetched.failure.phase, WEIR_PHASE_SUBMIT);
        assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
        assert_non_null(fetched.failure.what);
        assert_string_equal(
            fetched.failure.what,
            "call.deadline_ns is a time of weir_now(), and was past when the call began");
    }
}

/* A content that comes slowly but steadily is in time, however long it takes as a whole. */
static void slow_but_steady(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/drip/12?ms=10");

    ask.call.idle_ns = 100 * WEIR_NS_PER_MS;
    ask.call.first_octet_ns = 100 * WEIR_NS_PER_MS;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 12);
}

static const weir_behaviour behaviours[] = {
    {"a call that waits for a place ends with DEADLINE_QUEUE", limit_of_its_own, 0, &queue},
    {"a name that is not resolved ends with DEADLINE_DNS", limit_of_its_own, 0, &dns},
    {"a connect without an answer ends with DEADLINE_CONNECT", limit_of_its_own, 0, &connecting},
    {"a handshake without an answer ends with DEADLINE_TLS", limit_of_its_own, WEIR_ONLY_TLS,
     &handshake},
    {"a request that nobody takes ends with DEADLINE_WRITE", limit_of_its_own, 0, &sending},
    {"a request that nobody answers ends with DEADLINE_FIRST_OCTET", limit_of_its_own, 0,
     &first_octet},
    {"an answer that stops ends with DEADLINE_IDLE", limit_of_its_own, 0, &idle},
    {"the deadline ends a call that waits for a place", deadline_of_all, 0, &queue},
    {"the deadline ends a call whose name is not resolved", deadline_of_all, 0, &dns},
    {"the deadline ends a call that connects", deadline_of_all, 0, &connecting},
    {"the deadline ends a call in its handshake", deadline_of_all, WEIR_ONLY_TLS, &handshake},
    {"the deadline ends a call that nobody takes", deadline_of_all, 0, &sending},
    {"the deadline ends a call that nobody answers", deadline_of_all, 0, &first_octet},
    {"the deadline ends an answer that stops", deadline_of_all, 0, &idle},
    {"a deadline that has passed sends nothing", deadline_before_the_call, 0, NULL},
    {"a slow and steady answer is in time", slow_but_steady, 0, NULL},
};

weir_failures weir_failures_of_deadlines(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
