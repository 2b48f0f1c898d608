/* SPDX-License-Identifier: MIT */
/*
 * A server that closes an idle connection at the moment at which it is wanted again (RFC 9112
 * s9.3.1, s9.5; RFC 9110 s9.2.2). A GET gets its answer over a second connection. A POST does when
 * it is provable that nothing of it was sent; else it ends with a failure that says so, and no
 * server hears it twice.
 */
#include "cue.h"
#include "secure.h"
#include "wire.h"

#include "engine/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef enum moment {
    BEFORE_THE_LOOK, /* it lies in the client's kernel when the connection is leased */
    BEFORE_THE_SEND, /* it arrives between the look at the connection and the request */
    AFTER_THE_SEND   /* the server has heard the request */
} moment;

typedef enum ending {
    END_FIN,
    END_GOODBYE, /* over TLS close_notify before it */
    END_RESET,
    END_408 /* "Request Timeout", which is an answer to nothing, and FIN */
} ending;

typedef struct scene {
    weir_user_kind kind;
    bool is_tls;
    moment moment;
    ending ending;
    bool is_post;
    weir_cue cue;
    int client; /* the descriptor at the other end of the first connection */
    bool may_end;
    bool over;
    unsigned posts; /* heard */
    unsigned gets;
} scene;

static scene *armed; /* whose next send is preceded by the end of the connection */

/* Names that the linker's --wrap prescribes. */
weir_io __real_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);
weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait);

static void note(scene *s, const weir_heard *heard)
{
    weir_cue_lock(&s->cue);
    s->posts += strcmp(heard->method, "POST") == 0 ? 1 : 0;
    s->gets += strcmp(heard->method, "GET") == 0 ? 1 : 0;
    weir_cue_unlock(&s->cue);
}

/* The server ends the first connection, and our kernel knows. */
static void end_first(scene *s)
{
    weir_cue_lock(&s->cue);
    const int client = s->client;
    weir_cue_unlock(&s->cue);
    weir_cue_give(&s->cue, &s->may_end);
    weir_wire_await_end(client);
}

weir_io __wrap_weir_os_send(int fd, const weir_span *spans, size_t count, bool dont_wait)
{
    scene *s = armed;

    if (s != NULL && fd == s->client) {
        armed = NULL;
        end_first(s);
    }
    return __real_weir_os_send(fd, spans, count, dont_wait);
}

static weir_hostile_end leave(const scene *s, weir_wire *wire)
{
    uint8_t octets[256];

    switch (s->ending) {
    case END_FIN:
        return WEIR_HOSTILE_FIN;
    case END_GOODBYE:
        if (wire->tls != NULL) {
            weir_tls_server_close(wire->tls);
            (void)weir_hostile_send(wire->fd, octets,
                                    weir_tls_server_take(wire->tls, octets, sizeof(octets)));
        }
        return WEIR_HOSTILE_FIN;
    case END_RESET:
        return WEIR_HOSTILE_RESET;
    case END_408:
        weir_wire_pack(
            wire, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        (void)weir_wire_send_all(wire);
        return WEIR_HOSTILE_FIN;
    }
    return WEIR_HOSTILE_FIN;
}

/* The first connection answers once and ends as the scene says; the others answer. */
static weir_hostile_end play(int fd, size_t number, void *user)
{
    scene *s = user;
    weir_heard heard;
    weir_wire wire;
    weir_hostile_end end = WEIR_HOSTILE_FIN;

    if (number == 0) {
        weir_cue_lock(&s->cue);
        s->client = weir_wire_client(fd);
        weir_cue_unlock(&s->cue);
    }
    bool goes_on = weir_wire_open(&wire, fd, weir_secure_server(s->is_tls));
    for (unsigned served = 0; goes_on && weir_wire_hear(&wire, &heard); served++) {
        note(s, &heard);
        if (number == 0 && served == 1) {
            end = leave(s, &wire);
            break;
        }
        weir_wire_pack_answer(&wire, heard.path);
        (void)weir_wire_send_all(&wire);
        if (number == 0 && s->moment != AFTER_THE_SEND &&
            weir_cue_await(&s->cue, &s->may_end, &s->over)) {
            end = leave(s, &wire);
            break;
        }
        goes_on = !weir_cue_has(&s->cue, &s->over);
    }
    weir_wire_close(&wire);
    return end;
}

static void ask(weir_stage *stage, const scene *s, weir_plea *plea, const char *method,
                const char *path)
{
    weir_secure_ask(stage, plea, s->is_tls, path);
    plea->call.attempts = 3;
    plea->request.method = weir_span_of(method);
    if (strcmp(method, "POST") == 0) {
        plea->request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = weir_span_of("an order")};
    }
}

/* What of the second call is certain. */
static void judge(const scene *s, weir_exchange *exchange, weir_status status)
{
    const weir_failure failure = weir_exchange_failure(exchange);
    const size_t attempts = weir_exchange_attempt_count(exchange);
    const bool not_sent = s->moment == BEFORE_THE_SEND && s->ending == END_RESET;
    weir_attempt first = WEIR_ATTEMPT_INIT;

    assert_true(weir_exchange_attempt_at(exchange, 0, &first));
    if (s->moment == BEFORE_THE_LOOK) {
        assert_int_equal(status, WEIR_END);
        assert_int_equal(attempts, 1); /* a bounced lease is no attempt */
        assert_false(first.reused);
        assert_int_equal(s->is_post ? s->posts : s->gets, s->is_post ? 1 : 2);
        return;
    }
    assert_true(first.reused);
    assert_int_equal(first.failure.processed, not_sent ? WEIR_NOT_SENT : WEIR_MAYBE_PROCESSED);
    if (!s->is_post || not_sent) {
        assert_int_equal(status, WEIR_END);
        assert_int_equal(attempts, 2);
        return;
    }
    assert_int_equal(attempts, 1);
    assert_int_equal(failure.processed, WEIR_MAYBE_PROCESSED);
    assert_true(status == WEIR_E_CLOSED_EARLY || status == WEIR_E_RESET);
}

static void run(scene *s)
{
    weir_stage stage;
    weir_plea plea;
    weir_exchange *exchange = NULL;
    weir_outcome outcome = {.octets = 0};

    weir_cue_open(&s->cue);
    weir_stage_open(&stage, s->kind);
    weir_stage_begin(&stage, play, s);
    ask(&stage, s, &plea, "GET", "/first");
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_END);
    if (s->moment == BEFORE_THE_LOOK) {
        end_first(s);
    } else if (s->moment == BEFORE_THE_SEND) {
        armed = s;
    }
    ask(&stage, s, &plea, s->is_post ? "POST" : "GET", "/second");
    outcome.status = weir_stage_call(&stage, &plea, &exchange);
    weir_stage_drain(&stage, exchange, &outcome);
    assert_null(armed);
    judge(s, exchange, outcome.status);
    assert_string_equal(outcome.text, outcome.status == WEIR_END ? "/second" : "");
    weir_stage_drop(&stage, exchange);
    assert_int_equal(weir_hostile_accepted(stage.server), outcome.status == WEIR_END ? 2 : 1);
    weir_cue_give(&s->cue, &s->over);
    weir_stage_close(&stage);
    assert_in_range(s->posts, 0, 1); /* never twice */
    weir_cue_close(&s->cue);
}

/* Both front ends, clear and TLS, GET and POST. */
/* The state: when it ends, and how. */
static void run_all(void **state)
{
    const scene *end = *state;

    for (unsigned bits = 0; bits < 8; bits++) {
        scene s = {
            .kind = (bits & 1) != 0 ? WEIR_USER_LOOP : WEIR_USER_BLOCKING,
            .is_tls = (bits & 2) != 0,
            .is_post = (bits & 4) != 0,
            .moment = end->moment,
            .ending = end->ending,
        };
        run(&s);
    }
}

/* A new connection did not die of age: what happened on it may happen again (RFC 9112 s9.3.1). */
static weir_hostile_end play_deaf(int fd, size_t number, void *user)
{
    (void)number;
    (void)user;
    (void)weir_hostile_head(fd, NULL, 0);
    return WEIR_HOSTILE_FIN;
}

static void a_new_connection_is_not_tried_again(weir_user_kind kind)
{
    scene s = {.kind = kind};
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_deaf, NULL);
    ask(&stage, &s, &plea, "GET", "/");
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_E_CLOSED_EARLY);
    assert_int_equal(weir_hostile_accepted(stage.server), 1);
    weir_stage_close(&stage);
}

/* A server that ends connection after connection: with each GOAWAY it says that it processed
 * nothing. */
#define GOING_AWAY 5

static weir_hostile_end play_going_away(int fd, size_t number, void *user)
{
    static const uint8_t no_stream[8] = {0};

    (void)user;
    if (!weir_hostile_preface(fd, NULL, 0)) {
        return WEIR_HOSTILE_FIN;
    }
    const uint32_t stream = weir_hostile_request(fd);
    if (number < GOING_AWAY) {
        (void)weir_hostile_frame_send(fd, 7, 0, 0, no_stream, sizeof(no_stream));
        return WEIR_HOSTILE_FIN;
    }
    (void)weir_hostile_answer(fd, stream, "at last");
    return WEIR_HOSTILE_SILENCE;
}

static void what_was_not_processed_has_more_attempts(weir_user_kind kind)
{
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_going_away, NULL);
    weir_stage_ask(&stage, &plea, WEIR_H2, "/");
    plea.request.method = weir_span_of("POST");
    plea.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = weir_span_of("an order")};
    plea.call.attempts = 0;
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_int_equal(outcome.status, WEIR_END);
    assert_string_equal(outcome.text, "at last");
    assert_int_equal(weir_hostile_accepted(stage.server), GOING_AWAY + 1);
    weir_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a_fin_that_lies_there", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_LOOK, .ending = END_FIN}},
        {"a_goodbye_that_lies_there", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_LOOK, .ending = END_GOODBYE}},
        {"a_reset_that_lies_there", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_LOOK, .ending = END_RESET}},
        {"a_408_that_lies_there", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_LOOK, .ending = END_408}},
        {"a_fin_between_the_look_and_the_send", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_SEND, .ending = END_FIN}},
        {"a_goodbye_between_the_look_and_the_send", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_SEND, .ending = END_GOODBYE}},
        {"a_reset_between_the_look_and_the_send", run_all, NULL, NULL,
         &(scene){.moment = BEFORE_THE_SEND, .ending = END_RESET}},
        {"a_fin_when_the_request_was_heard", run_all, NULL, NULL,
         &(scene){.moment = AFTER_THE_SEND, .ending = END_FIN}},
        {"a_reset_when_the_request_was_heard", run_all, NULL, NULL,
         &(scene){.moment = AFTER_THE_SEND, .ending = END_RESET}},
        weir_stage_test(a_new_connection_is_not_tried_again),
        weir_stage_test(what_was_not_processed_has_more_attempts),
    };

    return weir_secure_run("stale", tests, sizeof(tests) / sizeof(tests[0]));
}
