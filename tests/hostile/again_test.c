/* SPDX-License-Identifier: MIT */
/*
 * Servers that have requests sent again: 421, REFUSED_STREAM and GOAWAY, to everybody and for ever,
 * by many callers at once. Each call ends, is heard no more often than its attempts allow, and
 * makes no more connections than that; a POST that a server may have processed is heard once.
 */
#include "secure.h"
#include "wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CALLERS 8
#define CALLS   12 /* of each */
#define HEARD   ((size_t)CALLERS * CALLS)

typedef enum trick {
    MISDIRECTED_WHEN_USED, /* 421 to all but the first on a connection */
    MISDIRECTED_ALWAYS,
    MISDIRECTED_THEN_GONE, /* 421, and the connection on which it is sent again ends without answer
                            */
    REFUSED_ALWAYS,
    GONE_BEFORE /* GOAWAY that names no stream, for each stream */
} trick;

typedef struct farce {
    trick how;
    weir_protocol protocol;
    bool is_tls;
    weir_stage *stage;
    atomic_uint heard[HEARD]; /* HTTP/1.1: requests by number */
    atomic_size_t streams;
    atomic_size_t codes[2];  /* calls that ended with 200, with 421 */
    atomic_size_t failed[2]; /* provably unprocessed, maybe processed */
    atomic_size_t wrong;
} farce;

/* -- the server -- */

/* Its content is an answer by itself, and one more lies behind it. */
static const char misdirected[] = "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 42\r\n\r\n"
                                  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
                                  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL";

static weir_hostile_end play_h1(farce *f, int fd, size_t number)
{
    weir_heard heard;
    weir_wire wire;
    bool goes_on = weir_wire_open(&wire, fd, weir_secure_server(f->is_tls));

    for (unsigned i = 0; goes_on && weir_wire_hear(&wire, &heard); i++) {
        const size_t which = strtoul(heard.path + 1, NULL, 10) % HEARD;
        const bool is_again = atomic_fetch_add(&f->heard[which], 1) > 0;
        if (f->how == MISDIRECTED_ALWAYS || i > 0) {
            weir_wire_pack(&wire, misdirected);
        } else if (f->how == MISDIRECTED_THEN_GONE && is_again) {
            break;
        } else {
            weir_wire_pack_answer(&wire, heard.path);
        }
        goes_on = weir_wire_send_all(&wire);
    }
    (void)number;
    weir_wire_close(&wire);
    return WEIR_HOSTILE_FIN;
}

/* ":status: 421", a literal without indexing of the eighth name. */
static bool say_421(int fd, uint32_t stream)
{
    return weir_hostile_frame_send(fd, 1, 4 | 1, stream,
                                   "\x08\x03"
                                   "421",
                                   5);
}

static bool answer_stream(farce *f, int fd, uint32_t stream, unsigned i)
{
    static const uint8_t goaway[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t refused[4] = {0, 0, 0, 7};

    atomic_fetch_add(&f->streams, 1);
    switch (f->how) {
    case MISDIRECTED_WHEN_USED:
        return i == 0 ? weir_hostile_answer(fd, stream, "from a stream") : say_421(fd, stream);
    case MISDIRECTED_THEN_GONE:
    case MISDIRECTED_ALWAYS:
        return say_421(fd, stream);
    case REFUSED_ALWAYS:
        return weir_hostile_frame_send(fd, 3, 0, stream, refused, sizeof(refused));
    case GONE_BEFORE:
        return weir_hostile_frame_send(fd, 7, 0, 0, goaway, sizeof(goaway)) && false;
    }
    return false;
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    farce *f = user;
    uint32_t stream = 0;

    if (f->protocol == WEIR_H1) {
        return play_h1(f, fd, number);
    }
    if (weir_hostile_preface(fd, NULL, 0)) {
        for (unsigned i = 0; (stream = weir_hostile_request(fd)) != 0; i++) {
            if (!answer_stream(f, fd, stream, i)) {
                break;
            }
        }
    }
    return WEIR_HOSTILE_FIN;
}

/* -- the callers -- */

static void note_end(farce *f, const weir_outcome *outcome, const char *path)
{
    const bool is_whole = outcome->status == WEIR_END;

    if (is_whole && outcome->code == 421) {
        atomic_fetch_add(&f->codes[1], 1);
    } else if (is_whole && outcome->code == 200) {
        atomic_fetch_add(&f->codes[0], 1);
        const char *wanted = f->protocol == WEIR_H1 ? path : "from a stream";
        atomic_fetch_add(&f->wrong, strcmp(outcome->text, wanted) != 0 ? 1 : 0);
    } else {
        atomic_fetch_add(&f->failed[outcome->failure.processed == WEIR_MAYBE_PROCESSED ? 1 : 0], 1);
    }
}

static void call_all(weir_user *user, size_t index, void *shared)
{
    farce *f = shared;
    weir_stage *stage = f->stage;

    (void)user;
    for (size_t i = 0; i < CALLS; i++) {
        weir_exchange *exchange = NULL;
        weir_plea plea;
        char path[64];
        weir_outcome outcome = {.octets = 0};
        (void)snprintf(path, sizeof(path), "/%zu", index * CALLS + i);
        if (f->protocol == WEIR_H1) {
            weir_secure_ask(stage, &plea, f->is_tls, path);
        } else {
            weir_stage_ask(stage, &plea, WEIR_H2, path);
        }
        plea.call.attempts = 3;
        plea.request.method = WEIR_SPAN("POST");
        plea.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = WEIR_SPAN("an order")};
        outcome.status = weir_stage_call(stage, &plea, &exchange);
        weir_stage_drain(stage, exchange, &outcome);
        note_end(f, &outcome, path);
        weir_stage_drop(stage, exchange);
    }
}

/* Over the loop a dial goes on when nobody waits for it any more. */
static void await_dials(weir_user *user)
{
    const weir_time until_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;
    weir_counts counts = WEIR_COUNTS_INIT;

    for (weir_user_counts(user, &counts);
         counts.connections_dialing > 0 && weir_user_loop(user) != NULL && weir_now() < until_ns;
         weir_user_counts(user, &counts)) {
        weir_loop_wait(weir_user_loop(user), until_ns);
        weir_user_settle(user);
    }
}

static void act(farce *f, weir_user_kind kind)
{
    weir_stage stage;

    f->stage = &stage;
    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play, f);
    weir_user_together(stage.user, CALLERS, call_all, f);
    assert_int_equal(f->wrong, 0);
    assert_int_equal(f->codes[0] + f->codes[1] + f->failed[0] + f->failed[1], HEARD);
    size_t most = 0;
    for (size_t i = 0; i < HEARD; i++) {
        most = f->heard[i] > most ? f->heard[i] : most;
    }
    switch (f->how) {
    case MISDIRECTED_WHEN_USED:
        assert_int_equal(f->failed[0] + f->failed[1], 0);
        assert_in_range(most, 0, 2);
        assert_in_range(f->streams, 0, 2 * HEARD);
        break;
    case MISDIRECTED_ALWAYS:
        assert_int_equal(f->codes[1], HEARD);
        assert_in_range(most, 0, 2);
        break;
    case MISDIRECTED_THEN_GONE: /* what came of the second attempt is not known, and there is no
                                   third */
        assert_int_equal(f->failed[0], 0);
        assert_in_range(most, 0, 2);
        break;
    case REFUSED_ALWAYS:
    case GONE_BEFORE:
        assert_int_equal(f->failed[1], 0); /* the server's word is a proof */
        assert_int_equal(f->failed[0], HEARD);
        break;
    }
    assert_in_range(weir_hostile_accepted(stage.server), 1, 3 * HEARD);
    await_dials(stage.user);
    weir_stage_close(&stage);
}

/* The state: the trick. */
static void act_everywhere(void **state)
{
    const trick how = *(const trick *)*state;
    const bool only_h2 = how == REFUSED_ALWAYS || how == GONE_BEFORE;

    for (unsigned i = 0; i < 2; i++) {
        const weir_user_kind kind = i == 0 ? WEIR_USER_BLOCKING : WEIR_USER_LOOP;
        farce clear = {.how = how, .protocol = WEIR_H1};
        farce tls = {.how = how, .protocol = WEIR_H1, .is_tls = true};
        farce streams = {.how = how, .protocol = WEIR_H2};
        if (!only_h2) {
            act(&clear, kind);
            act(&tls, kind);
        }
        if (how != MISDIRECTED_THEN_GONE) {
            act(&streams, kind);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"misdirected_when_used", act_everywhere, NULL, NULL, &(trick){MISDIRECTED_WHEN_USED}},
        {"misdirected_always", act_everywhere, NULL, NULL, &(trick){MISDIRECTED_ALWAYS}},
        {"misdirected_and_then_gone", act_everywhere, NULL, NULL, &(trick){MISDIRECTED_THEN_GONE}},
        {"refused_always", act_everywhere, NULL, NULL, &(trick){REFUSED_ALWAYS}},
        {"gone_before_it_began", act_everywhere, NULL, NULL, &(trick){GONE_BEFORE}},
    };

    return weir_secure_run("again", tests, sizeof(tests) / sizeof(tests[0]));
}
