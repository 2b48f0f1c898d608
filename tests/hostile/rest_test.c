/* SPDX-License-Identifier: MIT */
/*
 * The rest of a response that its caller gave up, and what a server puts behind it: an answer that
 * nobody asked for, glued to the last octet of the rest, in its TLS record or in half of one. The
 * calls that follow get their own answers.
 */
#include "cue.h"
#include "secure.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BODY_OCTETS  2000
#define FIRST_OCTETS 100 /* of the body, with the head */

#define EVIL "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"

typedef enum behind {
    EVIL_GLUED, /* to the rest, in one record */
    EVIL_APART, /* in the same segment, in a record of its own */
    EVIL_TORN,  /* half of it; the other half is in front of the next answer */
    EVIL_408    /* first what a server says that closes */
} behind;

typedef enum moment {
    GIVEN_UP_FIRST, /* and then the rest comes */
    RESTED_FIRST    /* the rest lies in the client's kernel when its caller gives up */
} moment;

typedef struct scene {
    behind what;
    moment when;
    bool is_tls;
    weir_cue cue;
    int client;
    bool may_go_on;
    bool has_gone_on;
} scene;

static void pack_rest(const scene *s, weir_wire *wire)
{
    char rest[BODY_OCTETS + sizeof(EVIL) + 64];
    const size_t octets = BODY_OCTETS - FIRST_OCTETS;

    memset(rest, 'r', octets);
    rest[octets] = '\0';
    if (s->what == EVIL_APART) {
        weir_wire_pack(wire, rest);
        weir_wire_pack(wire, EVIL);
        return;
    }
    if (s->what == EVIL_408) {
        (void)strcat(rest, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    }
    (void)strcat(rest, EVIL);
    weir_wire_pack(wire, rest);
}

static bool play_first(scene *s, weir_wire *wire)
{
    char head[512];
    const int written =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", BODY_OCTETS);

    memset(head + written, 'f', FIRST_OCTETS);
    head[written + FIRST_OCTETS] = '\0';
    weir_wire_pack(wire, head);
    if (!weir_wire_send_all(wire)) {
        return false;
    }
    (void)weir_cue_await(&s->cue, &s->may_go_on, NULL);
    pack_rest(s, wire);
    const size_t octets =
        s->what == EVIL_TORN ? wire->packed_octets - strlen(EVIL) / 2 : wire->packed_octets;
    const bool sent = weir_wire_send(wire, octets);
    if (sent && s->when == RESTED_FIRST) {
        weir_wire_await_octets(s->client, octets);
    }
    weir_cue_give(&s->cue, &s->has_gone_on);
    return sent;
}

static weir_hostile_end play(int fd, size_t number, void *user)
{
    scene *s = user;
    weir_heard heard;
    weir_wire wire;

    if (number == 0) {
        s->client = weir_wire_client(fd);
    }
    bool goes_on = weir_wire_open(&wire, fd, weir_secure_server(s->is_tls));
    if (goes_on && number == 0 && weir_wire_hear(&wire, &heard)) {
        goes_on = play_first(s, &wire);
    }
    while (goes_on && weir_wire_hear(&wire, &heard)) {
        weir_wire_pack_answer(&wire, heard.path);
        goes_on = weir_wire_send_all(&wire);
    }
    weir_wire_close(&wire);
    return WEIR_HOSTILE_RESET;
}

static void ask(weir_stage *stage, const scene *s, weir_plea *plea, const char *path)
{
    weir_secure_ask(stage, plea, s->is_tls, path);
    plea->call.attempts = 3;
}

static void give_up(weir_stage *stage, scene *s)
{
    weir_exchange *exchange = NULL;
    weir_plea plea;
    char octets[64];
    size_t got = 0;

    ask(stage, s, &plea, "/given-up");
    assert_int_equal(weir_stage_call(stage, &plea, &exchange), WEIR_OK);
    assert_int_equal(weir_user_read(stage->user, exchange, octets, sizeof(octets), &got), WEIR_OK);
    if (s->when == RESTED_FIRST) {
        weir_cue_give(&s->cue, &s->may_go_on);
        (void)weir_cue_await(&s->cue, &s->has_gone_on, NULL);
        weir_stage_drop(stage, exchange);
        return;
    }
    weir_stage_drop(stage, exchange);
    weir_cue_give(&s->cue, &s->may_go_on);
    (void)weir_cue_await(&s->cue, &s->has_gone_on, NULL);
}

static void run(scene *s, weir_user_kind kind)
{
    weir_stage stage;
    weir_plea plea;

    weir_cue_open(&s->cue);
    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play, s);
    give_up(&stage, s);
    for (unsigned i = 0; i < 4; i++) {
        char path[32];
        (void)snprintf(path, sizeof(path), "/next-%u", i);
        ask(&stage, s, &plea, path);
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        assert_int_equal(outcome.status, WEIR_END);
        assert_string_equal(outcome.text, path);
    }
    assert_int_equal(weir_hostile_accepted(stage.server), 2);
    weir_stage_close(&stage);
    weir_cue_close(&s->cue);
}

/* The state: what lies behind. */
static void run_all(void **state)
{
    const behind what = *(const behind *)*state;

    for (unsigned bits = 0; bits < 8; bits++) {
        scene s = {
            .what = what,
            .is_tls = (bits & 2) != 0,
            .when = (bits & 4) != 0 ? RESTED_FIRST : GIVEN_UP_FIRST,
        };
        run(&s, (bits & 1) != 0 ? WEIR_USER_LOOP : WEIR_USER_BLOCKING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"an_answer_glued_to_the_rest", run_all, NULL, NULL, &(behind){EVIL_GLUED}},
        {"an_answer_in_the_next_record", run_all, NULL, NULL, &(behind){EVIL_APART}},
        {"half_an_answer", run_all, NULL, NULL, &(behind){EVIL_TORN}},
        {"a_408_and_an_answer", run_all, NULL, NULL, &(behind){EVIL_408}},
    };

    return weir_secure_run("rest", tests, sizeof(tests) / sizeof(tests[0]));
}
