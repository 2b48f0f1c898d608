/* SPDX-License-Identifier: MIT */
/*
 * The rule of what is sent again (docs/replay.md), case by case, on an exchange that no front end
 * has: what it knows of its last attempt is put there by the test. That real attempts are judged so
 * is shown in tests/behaviour/connection_test.c and by the simulator.
 */
#include "engine/exchange.h"
#include "support/failalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define NOW_NS      (5 * WEIR_NS_PER_SECOND)
#define DEADLINE_NS (9 * WEIR_NS_PER_SECOND)

typedef struct replay_case {
    const char *name;
    const char *method;
    weir_status status;
    weir_processed processed;
    weir_replay_policy policy;
    bool first; /* on a connection that was not reused */
    bool begun; /* an octet of the answer came */
    weir_body_kind body;
    bool taken;        /* of a stream or source: an octet of it */
    bool rewinds;      /* a source */
    uint32_t attempts; /* of the call */
    size_t maybe;      /* attempts, of which so many may have been processed, */
    size_t proven;     /* and so many not; the last is one of them */
    bool again;
} replay_case;

/* What differs from a GET that a reused connection left without an answer. */
#define MAYBE  .status = WEIR_E_RESET, .processed = WEIR_MAYBE_PROCESSED, .maybe = 1
#define PROVEN .status = WEIR_E_REFUSED, .processed = WEIR_REFUSED_BY_PEER, .proven = 1
#define UNSENT .status = WEIR_E_RESET, .processed = WEIR_NOT_SENT, .proven = 1

static const replay_case cases[] = {
    {"GET", "GET", MAYBE, .again = true},
    {"PUT", "PUT", MAYBE, .again = true},
    {"POST", "POST", MAYBE},
    {"GET, refused", "GET", PROVEN, .again = true},
    {"POST, refused", "POST", PROVEN, .again = true},
    {"POST, not sent", "POST", UNSENT, .again = true},
    {"on a new connection", "GET", MAYBE, .first = true},
    {"on a new connection, refused", "POST", PROVEN, .first = true, .again = true},
    {"on a new connection, not sent", "POST", UNSENT, .first = true, .again = true},
    {"its answer has begun", "GET", MAYBE, .begun = true},
    {"the cause is another", "GET", .status = WEIR_E_TRUNCATED, .processed = WEIR_MAYBE_PROCESSED,
     .maybe = 1},
    {"the cause is the call's", "GET", .status = WEIR_E_CANCELLED, .processed = WEIR_NOT_SENT,
     .proven = 1},
    {"safe", "GET", MAYBE, .policy = WEIR_REPLAY_SAFE},
    {"safe, refused", "POST", PROVEN, .policy = WEIR_REPLAY_SAFE, .again = true},
    {"safe, not sent", "POST", UNSENT, .policy = WEIR_REPLAY_SAFE, .again = true},
    {"never", "GET", MAYBE, .policy = WEIR_REPLAY_NEVER},
    {"never, refused", "GET", PROVEN, .policy = WEIR_REPLAY_NEVER},
    {"never, not sent", "GET", UNSENT, .policy = WEIR_REPLAY_NEVER},
    {"a span", "PUT", MAYBE, .body = WEIR_BODY_SPAN, .again = true},
    {"a source that was not read", "PUT", MAYBE, .body = WEIR_BODY_SOURCE, .again = true},
    {"a source that was read", "PUT", MAYBE, .body = WEIR_BODY_SOURCE, .taken = true},
    {"a source that rewinds", "PUT", MAYBE, .body = WEIR_BODY_SOURCE, .taken = true,
     .rewinds = true, .again = true},
    {"a stream that was not taken", "PUT", MAYBE, .body = WEIR_BODY_STREAM, .again = true},
    {"a stream that was taken", "PUT", MAYBE, .body = WEIR_BODY_STREAM, .taken = true},
    {"a stream that was taken, refused", "PUT", PROVEN, .body = WEIR_BODY_STREAM, .taken = true},
    {"the second that may have been", "GET", .status = WEIR_E_RESET,
     .processed = WEIR_MAYBE_PROCESSED, .maybe = 2, .again = true},
    {"the third that may have been", "GET", .status = WEIR_E_RESET,
     .processed = WEIR_MAYBE_PROCESSED, .maybe = 3},
    {"the third in all", "GET", .status = WEIR_E_RESET, .processed = WEIR_MAYBE_PROCESSED,
     .maybe = 2, .proven = 1, .again = true},
    {"the third that was not", "GET", .status = WEIR_E_REFUSED, .processed = WEIR_REFUSED_BY_PEER,
     .proven = 3, .again = true},
    {"the last that there is room for", "GET", .status = WEIR_E_REFUSED,
     .processed = WEIR_REFUSED_BY_PEER, .proven = WEIR_ATTEMPTS_LIMIT},
    {"as many as the call wants", "GET", .status = WEIR_E_REFUSED,
     .processed = WEIR_REFUSED_BY_PEER, .attempts = 2, .proven = 2},
    {"fewer than the call wants", "GET", .status = WEIR_E_RESET, .processed = WEIR_MAYBE_PROCESSED,
     .attempts = 4, .maybe = 3, .again = true},
};

static weir_status read_nothing(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    (void)to;
    (void)room;
    (void)offset;
    (void)user;
    *octets = 0;
    return WEIR_END;
}

static bool rewind_it(void *user)
{
    (void)user;
    return true;
}

static weir_exchange *begin(weir_failalloc *memory, const replay_case *of)
{
    const weir_source source = {
        .size = sizeof(source), .read = read_nothing, .rewind = of->rewinds ? rewind_it : NULL};
    const weir_exchange_options options = {.allocator = &memory->allocator, .now_ns = 1};
    weir_request request = WEIR_REQUEST_INIT;
    weir_call call = WEIR_CALL_INIT;
    weir_status status = WEIR_OK;

    request.method = weir_span_of(of->method);
    request.url = WEIR_SPAN("http://replay.test/");
    request.body = (weir_body){.kind = of->body, .length_octets = WEIR_UNKNOWN};
    if (of->body == WEIR_BODY_SPAN) {
        request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = WEIR_SPAN("content")};
    } else if (of->body == WEIR_BODY_SOURCE) {
        request.body.source = &source;
    } else if (of->body == WEIR_BODY_NONE) {
        request.body = (weir_body){.kind = WEIR_BODY_NONE};
    }
    call.deadline_ns = DEADLINE_NS;
    call.replay = of->policy;
    call.attempts = of->attempts;
    weir_exchange *ex = weir_exchange_new(&options, &request, &call, &status);
    assert_non_null(ex);
    assert_int_equal(ex->state, WEIR_EXCHANGE_NEW);
    return ex;
}

/* As it is when its last attempt has left its link. */
static void end_attempts(weir_exchange *ex, const replay_case *of)
{
    ex->state = WEIR_EXCHANGE_ENDED;
    ex->attempted = true;
    ex->attempt_reused = !of->first;
    ex->first_octet_ns = of->begun ? 3 : 0;
    ex->body_was_taken = of->body == WEIR_BODY_STREAM && of->taken;
    ex->source_octets = of->body == WEIR_BODY_SOURCE && of->taken ? 7 : 0;
    ex->failure = (weir_failure){.status = of->status, .processed = of->processed};
    for (size_t i = 0; i < of->maybe + of->proven; i++) {
        ex->attempts[i].failure = ex->failure;
        ex->attempts[i].failure.processed =
            i < of->maybe ? WEIR_MAYBE_PROCESSED : WEIR_REFUSED_BY_PEER;
    }
    ex->attempt_count = of->maybe + of->proven;
}

static void replay__is_as_the_table_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        const replay_case *of = &cases[i];
        weir_failalloc memory;
        weir_failalloc_init(&memory, 0);
        weir_exchange *ex = begin(&memory, of);
        end_attempts(ex, of);
        const bool again = weir_exchange_may_replay(ex);
        if (again != of->again) {
            fail_msg("%s: %s", of->name, again ? "sent again" : "not sent again");
        }
        weir_exchange_destroy(ex);
        weir_failalloc_finish(&memory);
    }
}

/* Time that an attempt took is not given back: the deadline is the call's, whatever it is for. */
static void replay__has_what_is_left_of_the_deadline(void **state)
{
    (void)state;
    const replay_case *of = &cases[0];
    weir_failalloc memory;
    weir_why why = WEIR_WHY_NONE;
    weir_failalloc_init(&memory, 0);
    weir_exchange *ex = begin(&memory, of);
    end_attempts(ex, of);
    assert_true(weir_exchange_goes_again(ex));
    weir_exchange_conclude(ex, true, NOW_NS);
    assert_int_equal(ex->state, WEIR_EXCHANGE_NEW);
    assert_int_equal(weir_exchange_deadline(ex, &why), DEADLINE_NS);
    assert_int_equal(why, WEIR_WHY_TOTAL);
    weir_exchange_queued(ex, NOW_NS);
    assert_true(weir_exchange_deadline(ex, &why) == DEADLINE_NS);
    weir_exchange_destroy(ex);
    weir_failalloc_finish(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay__is_as_the_table_says),
        cmocka_unit_test(replay__has_what_is_left_of_the_deadline),
    };
    return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
