/* SPDX-License-Identifier: MIT */
/*
 * What a hint changes, as the peer sees it: the windows that a stream opens with, and the records
 * in which a request body comes. The peer is a server of the test's own; over TLS that is OpenSSL,
 * which gives one record at a time.
 */
#include "support/scold_way.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define FRAME_HEAD_OCTETS 9
#define PREFACE_OCTETS    24
#define UPLOAD_OCTETS     60000

/* What the server saw. Guarded by weir_scold_await(). */
typedef struct seen {
    uint8_t octets[1 << 17];
    size_t count;
    size_t pieces[256]; /* what each read brought: over TLS a record */
    size_t piece_count;
    size_t wanted; /* the answer comes behind so many octets; 0: behind an upload */
    bool early;    /* the head of a refusal comes then, and the rest behind the upload */
    bool h2;
} seen;

static seen got;

/* Has all of UPLOAD_OCTETS come? */
static bool has_upload(const seen *s)
{
    const uint8_t *end = memmem(s->octets, s->count, "\r\n\r\n", 4);
    size_t at = PREFACE_OCTETS;

    if (!s->h2) {
        return end != NULL && s->count - (size_t)(end - s->octets) >= 4 + UPLOAD_OCTETS;
    }
    while (at + FRAME_HEAD_OCTETS <= s->count) {
        const uint8_t *head = s->octets + at;
        at += FRAME_HEAD_OCTETS + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
        if (head[3] == 0 && head[4] & 1) {
            return at <= s->count;
        }
    }
    return false;
}

/* The head, and what comes behind it when the upload is complete or broken off. */
static void answer_in_two(weir_scold_line *line, seen *s)
{
    static const char h1_head[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n";
    /* SETTINGS, its acknowledgement, :status 400 on stream 1; then DATA with END_STREAM */
    static const uint8_t h2_head[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1,
                                      0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x8c};
    static const uint8_t h2_rest[] = {0, 0, 2, 0, 1, 0, 0, 0, 1, 'o', 'k'};
    size_t step = 1;

    if (s->h2) {
        weir_scold_write(line, h2_head, sizeof(h2_head));
    } else {
        weir_scold_write(line, h1_head, sizeof(h1_head) - 1);
    }
    while (step > 0 && !has_upload(s)) {
        step = weir_scold_read(line, s->octets + s->count, sizeof(s->octets) - s->count);
        s->count += step;
    }
    if (step > 0 && s->h2) {
        weir_scold_write(line, h2_rest, sizeof(h2_rest));
    } else if (step > 0) {
        weir_scold_write(line, "ok", 2);
    }
}

static void read_then_answer(weir_scold_line *line, void *user)
{
    static const char h1_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    /* SETTINGS, its acknowledgement, :status 200 with END_STREAM on stream 1 */
    static const uint8_t h2_answer[] = {0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1,
                                        0, 0, 0, 0, 0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88};
    seen *s = user;
    size_t step = 1;

    while (step > 0 && (s->wanted > 0 ? s->count < s->wanted : !has_upload(s))) {
        step = weir_scold_read(line, s->octets + s->count, sizeof(s->octets) - s->count);
        s->count += step;
        if (s->piece_count < sizeof(s->pieces) / sizeof(s->pieces[0])) {
            s->pieces[s->piece_count++] = step;
        }
    }
    if (s->early) {
        answer_in_two(line, s);
    } else if (s->h2) {
        weir_scold_write(line, h2_answer, sizeof(h2_answer));
    } else {
        weir_scold_write(line, h1_answer, sizeof(h1_answer) - 1);
    }
}

/* A server that answers behind so many octets, and what is asked of it. */
static weir_scold *start(weir_world *world, size_t wanted, weir_ask *ask)
{
    got = (seen){.wanted = wanted, .h2 = world->way.protocol == WEIR_H2};
    weir_scold *server = weir_scold_way_start(world, read_then_answer, &got);
    *ask = weir_scold_way_ask(world, server);
    return server;
}

/* The increments that WINDOW_UPDATE frames of that stream carried. */
static uint32_t credit_of(const seen *s, uint32_t stream)
{
    uint32_t credit = 0;
    size_t at = PREFACE_OCTETS;

    while (at + FRAME_HEAD_OCTETS + 4 <= s->count) {
        const uint8_t *head = s->octets + at;
        const size_t length = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        const uint8_t *payload = head + FRAME_HEAD_OCTETS;
        if (head[3] == 8 && head[8] == stream) {
            credit += (uint32_t)payload[0] << 24 | (uint32_t)payload[1] << 16 |
                      (uint32_t)payload[2] << 8 | payload[3];
        }
        at += FRAME_HEAD_OCTETS + length;
    }
    return credit;
}

/* What the exchange's own frames cost, by its ledger. */
static uint64_t framing_sent(weir_world *world, weir_hint hint, uint32_t *credit)
{
    weir_ask ask;
    /* the preface, SETTINGS and WINDOW_UPDATE: 70 octets; the head follows in the same piece */
    weir_scold *server = start(world, 70 + FRAME_HEAD_OCTETS + 1, &ask);
    weir_exchange *exchange = NULL;
    weir_tally tally;

    ask.call.hint = hint;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    tally = weir_exchange_tally(exchange);
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
    *credit = credit_of(&got, 1);
    return tally.framing.sent;
}

static void bulk_opens_the_window(weir_world *world)
{
    uint32_t credit = 0;

    assert_int_equal(framing_sent(world, WEIR_HINT_NONE, &credit), FRAME_HEAD_OCTETS);
    assert_int_equal(credit, 0);
    assert_int_equal(framing_sent(world, WEIR_HINT_BULK, &credit), FRAME_HEAD_OCTETS + 13);
    assert_int_equal(credit, 4194304 - 16777);
}

static void bulk_keeps_what_was_given(weir_world *world)
{
    uint32_t credit = 0;

    world->limits.inbox_octets = 100000;
    assert_int_equal(framing_sent(world, WEIR_HINT_BULK, &credit), FRAME_HEAD_OCTETS);
    assert_int_equal(credit, 0);
}

/* An upload of UPLOAD_OCTETS; what the ledger says of it. */
static weir_tally upload(weir_world *world, weir_hint hint)
{
    static uint8_t content[UPLOAD_OCTETS];
    weir_ask ask;
    weir_scold *server = start(world, 0, &ask);
    weir_exchange *exchange = NULL;
    weir_tally tally;

    ask.request.method = WEIR_SPAN("POST");
    ask.request.body.kind = WEIR_BODY_SPAN;
    ask.request.body.span = (weir_span){content, UPLOAD_OCTETS};
    ask.call.hint = hint;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    tally = weir_exchange_tally(exchange);
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
    return tally;
}

/* RFC 8446 s5.1 lets a record be as long as 16,384 octets, and none can be read before its last. */
static void interactive_octets_go_in_small_records(weir_world *world)
{
    const weir_tally with = upload(world, WEIR_HINT_INTERACTIVE);
    size_t octets = 0;
    size_t i = 0;
    size_t longest = 0;

    for (; i < got.piece_count && octets < 16384; octets += got.pieces[i++]) {
        assert_true(got.pieces[i] <= 1350);
    }
    for (; i < got.piece_count; i++) {
        longest = longest > got.pieces[i] ? longest : got.pieces[i];
    }
    assert_true(octets >= 16384);
    assert_true(longest > 4096); /* what follows is a bulk transfer like any other */

    const weir_tally without = upload(world, WEIR_HINT_NONE);
    for (i = 0, longest = 0; i < got.piece_count; i++) {
        longest = longest > got.pieces[i] ? longest : got.pieces[i];
    }
    assert_true(longest > 8192);
    assert_true(got.piece_count < 12);
    assert_int_equal(with.body.sent, UPLOAD_OCTETS);
    assert_int_equal(without.body.sent, UPLOAD_OCTETS);
    assert_int_equal(with.head.sent, without.head.sent);
    /* Each record costs 22 octets, and what they cost is not hidden. */
    assert_true(with.tls.sent >= without.tls.sent + 5 * 22);
}

/* A server that refuses an upload before it has it, and the upload. */
static weir_scold *start_early(weir_world *world, weir_hint hint, weir_ask *ask)
{
    weir_scold *server = start(world, world->way.protocol == WEIR_H2 ? 80 : 40, ask);

    got.early = true;
    ask->request.method = WEIR_SPAN("POST");
    ask->request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = UPLOAD_OCTETS};
    ask->call.hint = hint;
    return server;
}

/* Half of an upload, the head of a refusal, and the status of writing the other half. */
static weir_status write_behind_refusal(weir_world *world, weir_hint hint, weir_fetched *fetched)
{
    static uint8_t content[UPLOAD_OCTETS];
    const size_t half = UPLOAD_OCTETS / 2;
    weir_ask ask;
    weir_scold *server = start_early(world, hint, &ask);
    weir_exchange *exchange = NULL;
    size_t taken = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_user *user = weir_world_user(world);
    assert_int_equal(weir_user_write(user, exchange, (weir_span){content, half}, &taken), WEIR_OK);
    assert_int_equal(weir_user_response(user, exchange), WEIR_OK);
    assert_int_equal(weir_exchange_code(exchange), 400);
    const weir_status status = weir_user_write(user, exchange, (weir_span){content, half}, &taken);
    if (status == WEIR_OK) {
        /* The length says that it is complete: the rest of the answer may be there already. */
        const weir_status finished = weir_user_finish(user, exchange, NULL, 0);
        assert_true(finished == WEIR_OK || finished == WEIR_ANSWERED);
        weir_world_drain(world, exchange, fetched);
    }
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
    return status;
}

static void duplex_goes_on_behind_a_refusal(weir_world *world)
{
    weir_fetched fetched = {0};

    assert_int_equal(write_behind_refusal(world, WEIR_HINT_NONE, &fetched), WEIR_ANSWERED);
    assert_int_equal(write_behind_refusal(world, WEIR_HINT_DUPLEX, &fetched), WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_string_equal(fetched.text, "ok");
}

/* The same head in place of the 100 that is waited for: the server was asked whether it wants the
 * content, and said no. Only the head is there, the response goes on. */
static void duplex_heeds_a_refusal_instead_of_100(weir_world *world)
{
    static uint8_t content[UPLOAD_OCTETS];
    weir_ask ask;
    weir_scold *server = start_early(world, WEIR_HINT_DUPLEX, &ask);
    weir_exchange *exchange = NULL;
    size_t taken = 0;

    ask.call.expect_continue = true;
    ask.call.continue_ns = WEIR_NEVER;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_user *user = weir_world_user(world);
    assert_int_equal(weir_user_response(user, exchange), WEIR_OK);
    assert_int_equal(weir_exchange_code(exchange), 400);
    assert_int_equal(weir_user_write(user, exchange, (weir_span){content, sizeof(content)}, &taken),
                     WEIR_ANSWERED);
    assert_int_equal(taken, 0);
    assert_int_equal(weir_user_finish(user, exchange, NULL, 0), WEIR_ANSWERED);
    assert_int_equal(weir_exchange_tally(exchange).body.sent, 0);
    weir_world_drop(world, exchange);
    (void)weir_scold_way_end(world, server, 1);
}

static const weir_behaviour behaviours[] = {
    {"in bulk a stream opens with a wide window", bulk_opens_the_window, WEIR_ONLY_H2, NULL},
    {"bulk changes no limit that was given", bulk_keeps_what_was_given, WEIR_ONLY_H2, NULL},
    {"interactive octets go in small records", interactive_octets_go_in_small_records,
     WEIR_ONLY_TLS, NULL},
    {"duplex goes on behind a refusal", duplex_goes_on_behind_a_refusal, 0, NULL},
    {"duplex heeds a refusal instead of 100", duplex_heeds_a_refusal_instead_of_100, 0, NULL},
};

int main(void)
{
    return weir_world_run("hints", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
