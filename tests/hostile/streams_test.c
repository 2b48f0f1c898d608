/* SPDX-License-Identifier: MIT */
/*
 * Servers that play with windows, limits and goodbyes, that stop listening, or that are gone before
 * anything began, with many calls under way.
 */
#include "cue.h"
#include "stage.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define CALLS       100
#define BODY_OCTETS 200000
#define GONE        1000

static uint8_t body[BODY_OCTETS];

static void ask_upload(weir_stage *stage, weir_plea *plea, weir_protocol protocol)
{
    weir_stage_ask(stage, plea, protocol, "/upload");
    plea->request.method = WEIR_SPAN("POST");
    plea->request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = {body, sizeof(body)}};
}

/* The window is never opened. */
static weir_hostile_end play_no_window(int fd, size_t number, void *user)
{
    static const uint32_t settings[1][2] = {{4, 0}};
    weir_hostile_frame frame;

    (void)number;
    (void)user;
    if (weir_hostile_preface(fd, settings, 1)) {
        while (weir_hostile_frame_read(fd, &frame)) {
            if (frame.type == 4 && (frame.flags & 1) == 0) {
                (void)weir_hostile_frame_send(fd, 4, 1, 0, NULL, 0);
            }
        }
    }
    return WEIR_HOSTILE_RESET;
}

static void a_window_that_stays_shut(weir_user_kind kind)
{
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_no_window, NULL);
    ask_upload(&stage, &plea, WEIR_H2);
    plea.call.write_ns = 100 * WEIR_NS_PER_MS;
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_E_DEADLINE_WRITE);
    weir_stage_close(&stage);
}

/* One frame that breaks the rules of windows, once the request is there. */
typedef struct breach {
    uint8_t type;
    uint32_t stream;
    const char *payload;
    size_t length;
} breach;

static const breach breaches[] = {
    {8, 0, "\x7f\xff\xff\xff", 4}, {8, 1, "\x7f\xff\xff\xff", 4}, {8, 0, "\0\0\0\0", 4},
    {8, 1, "\0\0\0\0", 4},         {4, 0, "\0\4\x80\0\0\0", 6},   {4, 0, "\0\4\x7f\xff\xff\xff", 6},
    {8, 3, "\0\0\0\1", 4},         {4, 0, "\0\5\0\0\0\1", 6},     {5, 1, "\0\0\0\2\x82", 5},
    {3, 0, "\0\0\0\0", 4},         {3, 1, "\0\0\0", 3},           {0, 0, "a", 1},
};

static weir_hostile_end play_breach(int fd, size_t number, void *user)
{
    const breach *b = user;
    weir_hostile_frame frame;

    (void)number;
    if (weir_hostile_preface(fd, NULL, 0) && weir_hostile_request(fd) == 1) {
        if (b->type == 4) {
            (void)weir_hostile_frame_send(fd, 8, 0, 1, "\0\x10\0\0", 4);
        }
        /* Twice: what was sent until now made room for one. */
        (void)weir_hostile_frame_send(fd, b->type, 0, b->stream, b->payload, b->length);
        (void)weir_hostile_frame_send(fd, b->type, 0, b->stream, b->payload, b->length);
        while (weir_hostile_frame_read(fd, &frame)) {
        }
    }
    return WEIR_HOSTILE_FIN;
}

static void windows_that_break_the_rules(weir_user_kind kind)
{
    for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
        breach b = breaches[i];
        weir_stage stage;
        weir_plea plea;
        weir_stage_open(&stage, kind);
        weir_stage_begin(&stage, play_breach, &b);
        ask_upload(&stage, &plea, WEIR_H2);
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        if (weir_status_blame(outcome.status) != WEIR_BLAME_PEER ||
            outcome.status == WEIR_E_DEADLINE_WRITE || !outcome.failure.has_h2_code) {
            fail_msg("breach %zu: %s", i, weir_status_name(outcome.status));
        }
        weir_stage_close(&stage);
    }
}

/*
 * INITIAL_WINDOW_SIZE falls while octets are under way, so that the stream's window is negative;
 * then the debt is paid in small coin. What comes is never more than what was granted.
 */
typedef struct lender {
    uint64_t received;
    bool shrunk;
    bool overdrawn;
} lender;

static weir_hostile_end play_lender(int fd, size_t number, void *user)
{
    lender *l = user;
    weir_hostile_frame frame = {.type = 4};
    uint64_t granted = 65535;
    unsigned acks = 0;

    (void)number;
    if (!weir_hostile_preface(fd, NULL, 0) ||
        !weir_hostile_frame_send(fd, 8, 0, 0, "\0\x7f\0\0", 4)) {
        return WEIR_HOSTILE_RESET;
    }
    while ((frame.type != 0 || (frame.flags & 1) == 0) && weir_hostile_frame_read(fd, &frame)) {
        if (frame.type == 0) {
            l->received += frame.length;
            l->overdrawn = l->overdrawn || l->received > granted;
        }
        if (frame.type == 4 && (frame.flags & 1) == 0) {
            (void)weir_hostile_frame_send(fd, 4, 1, 0, NULL, 0);
        }
        if (l->received == 65535 && !l->shrunk) {
            l->shrunk = weir_hostile_frame_send(fd, 4, 0, 0, "\0\4\0\0\0\1", 6); /* -65534 */
        }
        if (frame.type == 4 && (frame.flags & 1) != 0 && ++acks == 2) {
            (void)weir_hostile_frame_send(fd, 8, 0, 1, "\0\0\xff\xfe", 4); /* 0 */
        }
        if (acks == 2 && frame.type != 8) {
            (void)weir_hostile_frame_send(fd, 8, 0, 1, "\0\0\x27\x10", 4);
            granted += 10000;
        }
    }
    (void)weir_hostile_answer(fd, 1, "thanks");
    return WEIR_HOSTILE_SILENCE;
}

static void windows_below_zero(weir_user_kind kind)
{
    lender l = {.received = 0};
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_lender, &l);
    ask_upload(&stage, &plea, WEIR_H2);
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_int_equal(outcome.status, WEIR_END);
    assert_string_equal(outcome.text, "thanks");
    weir_stage_close(&stage);
    assert_int_equal(l.received, BODY_OCTETS);
    assert_true(l.shrunk);
    assert_false(l.overdrawn);
}

/*
 * Content beyond the window that we gave. The loop reads the socket whoever reads the content; a
 * blocking caller sees no breach, for as he reads he gives.
 */
static weir_hostile_end play_overrun(int fd, size_t number, void *user)
{
    static const uint8_t content[16384];

    (void)number;
    (void)user;
    if (weir_hostile_preface(fd, NULL, 0) && weir_hostile_request(fd) == 1 &&
        weir_hostile_frame_send(fd, 1, 4, 1, "\x88", 1)) {
        for (int i = 0; i < 64; i++) {
            (void)weir_hostile_frame_send(fd, 0, 0, 1, content, sizeof(content));
        }
    }
    return WEIR_HOSTILE_SILENCE;
}

static void content_beyond_our_window(void **state)
{
    weir_stage stage;
    weir_plea plea;
    weir_exchange *exchange = NULL;
    char octets[1024];
    size_t got = 0;
    weir_status status = WEIR_OK;

    (void)state;
    weir_stage_open(&stage, WEIR_USER_LOOP);
    weir_stage_begin(&stage, play_overrun, NULL);
    weir_stage_ask(&stage, &plea, WEIR_H2, "/");
    assert_int_equal(weir_stage_call(&stage, &plea, &exchange), WEIR_OK);
    (void)weir_user_await(stage.user, exchange, WEIR_TOLD_DONE);
    while (status == WEIR_OK) {
        status = weir_user_read(stage.user, exchange, octets, sizeof(octets), &got);
    }
    assert_int_equal(status, WEIR_E_H2_FLOW_CONTROL);
    assert_in_range(weir_stage_peak(&stage), 1, (size_t)2 << 20);
    weir_stage_drop(&stage, exchange);
    weir_stage_close(&stage);
}

/* -- many calls at once -- */

typedef struct crowd {
    weir_stage *stage;
    weir_protocol protocol;
    uint32_t attempts;
    weir_time first_octet_ns; /* 0: as long as the call may take */
    weir_outcome outcomes[CALLS];
} crowd;

static void one_of_many(weir_user *user, size_t index, void *shared)
{
    crowd *c = shared;
    weir_plea plea;

    (void)user;
    weir_stage_ask(c->stage, &plea, c->protocol, "/");
    plea.call.attempts = c->attempts;
    plea.call.first_octet_ns = c->first_octet_ns;
    c->outcomes[index] = weir_stage_fetch(c->stage, &plea);
}

/* Every 10th request on a connection is the last straw. */
static weir_hostile_end play_storm(int fd, size_t number, void *user)
{
    static const uint32_t settings[1][2] = {{3, 100}};
    atomic_bool *calm = user;
    uint32_t stream = 0;

    if (!weir_hostile_preface(fd, settings, 1)) {
        return WEIR_HOSTILE_RESET;
    }
    for (unsigned count = 1; (stream = weir_hostile_request(fd)) != 0; count++) {
        if (atomic_load(calm) || number >= 20) {
            (void)weir_hostile_answer(fd, stream, "late");
            continue;
        }
        if (count % 10 != 0) {
            continue;
        }
        for (uint32_t i = 1; i <= stream; i += 2) {
            (void)weir_hostile_frame_send(fd, 3, 0, i, i % 4 == 1 ? "\0\0\0\7" : "\0\0\0\2", 4);
        }
        if (number % 3 != 0) {
            (void)weir_hostile_frame_send(fd, 7, 0, 0, "\0\0\0\3\0\0\0\0", 8);
            return number % 3 == 1 ? WEIR_HOSTILE_RESET : WEIR_HOSTILE_FIN;
        }
    }
    return WEIR_HOSTILE_RESET;
}

static void resets_and_goodbyes_of_many(weir_user_kind kind)
{
    crowd *c = calloc(1, sizeof(*c));
    atomic_bool calm = false;
    weir_stage stage;
    weir_plea plea;

    assert_non_null(c);
    *c = (crowd){
        .stage = &stage,
        .protocol = WEIR_H2,
        .attempts = 10,
        .first_octet_ns = WEIR_NS_PER_SECOND, /* a storm leaves some unanswered */
    };
    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_storm, &calm);
    weir_user_together(stage.user, CALLS, one_of_many, c);
    for (size_t i = 0; i < CALLS; i++) {
        const weir_status status = c->outcomes[i].status;
        if (status != WEIR_END && weir_status_blame(status) != WEIR_BLAME_PEER) {
            fail_msg("call %zu: %s", i, weir_status_name(status));
        }
    }
    atomic_store(&calm, true);
    weir_stage_ask(&stage, &plea, WEIR_H2, "/after");
    plea.call.attempts = 10;
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_END);
    weir_stage_close(&stage);
    free(c);
}

/* The streams that the client opens until it has answered a PING, and so has read all that was sent
 * before it. They are not answered: the blocking client reads as long as it has an exchange. */
static size_t await_pong(int fd, uint32_t *streams)
{
    weir_hostile_frame frame;
    size_t count = 0;

    (void)weir_hostile_frame_send(fd, 6, 0, 0, "sluice!!", 8);
    while (weir_hostile_frame_read(fd, &frame) && !(frame.type == 6 && (frame.flags & 1) != 0)) {
        if (frame.type == 1 && count < CALLS) {
            streams[count++] = frame.stream;
        }
    }
    return count;
}

/* So many streams from now on; then those are answered that were held up. */
static void open_sluice(int fd, const char *settings, const uint32_t *streams, size_t count)
{
    (void)weir_hostile_frame_send(fd, 4, 0, 0, settings, 6);
    for (size_t i = 0; i < count; i++) {
        (void)weir_hostile_answer(fd, streams[i], "late");
    }
}

/* No streams at all, and the client knows; then a few; then none; then enough. */
static weir_hostile_end play_sluice(int fd, size_t number, void *user)
{
    static const uint32_t settings[1][2] = {{3, 0}};
    uint32_t held[CALLS + 1];
    uint32_t stream = 0;

    (void)number;
    (void)user;
    if (!weir_hostile_preface(fd, settings, 1)) {
        return WEIR_HOSTILE_RESET;
    }
    held[0] = weir_hostile_request(fd);
    open_sluice(fd, "\0\3\0\0\0\3", held, 1 + await_pong(fd, held + 1));
    for (unsigned count = 1; (stream = weir_hostile_request(fd)) != 0; count++) {
        if (count != 50) {
            (void)weir_hostile_answer(fd, stream, "late");
            continue;
        }
        held[0] = stream;
        (void)weir_hostile_frame_send(fd, 4, 0, 0, "\0\3\0\0\0\0", 6);
        open_sluice(fd, "\0\3\0\0\0\x64", held, 1 + await_pong(fd, held + 1));
    }
    return WEIR_HOSTILE_RESET;
}

static void no_streams_and_then_some(weir_user_kind kind)
{
    crowd *c = calloc(1, sizeof(*c));
    weir_stage stage;

    assert_non_null(c);
    *c = (crowd){.stage = &stage, .protocol = WEIR_H2, .attempts = 10};
    weir_stage_open(&stage, kind);
    stage.limits.h2_connections = 1;
    weir_stage_begin(&stage, play_sluice, NULL);
    weir_user_together(stage.user, CALLS, one_of_many, c);
    for (size_t i = 0; i < CALLS; i++) {
        if (c->outcomes[i].status != WEIR_END) {
            fail_msg("call %zu: %s", i, weir_status_name(c->outcomes[i].status));
        }
    }
    weir_stage_close(&stage);
    free(c);
}

/* -- those who are gone, deaf, or half there -- */

static weir_hostile_end play_gone(int fd, size_t number, void *user)
{
    (void)fd;
    (void)user;
    return number % 2 == 0 ? WEIR_HOSTILE_FIN : WEIR_HOSTILE_RESET;
}

static void accepted_and_closed_at_once(weir_user_kind kind)
{
    static const weir_protocol protocols[] = {WEIR_H1, WEIR_H2};
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_gone, NULL);
    for (size_t i = 0; i < GONE; i++) {
        const weir_outcome outcome = weir_stage_get(&stage, protocols[i / 2 % 2], "/");
        /* A reset may come before connect() is seen to have ended. */
        const bool before =
            outcome.status == WEIR_E_CONNECT_FAILED && outcome.failure.sys_errno == ECONNRESET;
        if (outcome.status != WEIR_E_CLOSED_EARLY && outcome.status != WEIR_E_RESET && !before) {
            fail_msg("connection %zu: %s", i, weir_status_name(outcome.status));
        }
    }
    weir_stage_close(&stage);
}

/* Wants TLS, and gets the beginning of a handshake that leads nowhere. */
static weir_hostile_end play_handshake(int fd, size_t number, void *user)
{
    static const char *const answers[] = {"", "\x16", "\x16\x03\x03\x40\x00",
                                          "\x15\x03\x03\x00\x02\x02\x28",
                                          "HTTP/1.1 400 Bad Request\r\n\r\n"};
    static const size_t lengths[] = {0, 1, 5, 7, 28};
    uint8_t hello[5];
    uint64_t seed = number + 1;

    (void)user;
    if (recv(fd, hello, sizeof(hello), 0) <= 0) {
        return WEIR_HOSTILE_RESET;
    }
    if (number % 6 < 5) {
        (void)weir_hostile_send(fd, answers[number % 6], lengths[number % 6]);
    } else {
        uint8_t record[517] = {0x16, 3, 3, 2, 0};
        for (size_t i = 5; i < sizeof(record); i++) {
            record[i] = (uint8_t)weir_hostile_dice(&seed);
        }
        (void)weir_hostile_send(fd, record, sizeof(record));
    }
    return number / 6 % 2 == 0 ? WEIR_HOSTILE_RESET : WEIR_HOSTILE_FIN;
}

static void handshakes_that_lead_nowhere(weir_user_kind kind)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_stage stage;

    options.insecure = true;
    weir_stage_open(&stage, kind);
    weir_tls_config *tls = weir_tls_config_new(&options, NULL, &status, NULL);
    assert_int_equal(status, WEIR_OK);
    weir_stage_begin(&stage, play_handshake, NULL);
    for (size_t i = 0; i < 120; i++) {
        weir_plea plea;
        weir_stage_ask(&stage, &plea, WEIR_PROTOCOL_ANY, "/");
        (void)snprintf(plea.url, sizeof(plea.url), "https://127.0.0.1:%u/",
                       weir_hostile_port(stage.server));
        plea.request.url = weir_span_of(plea.url);
        plea.call.tls = tls;
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        if (weir_status_blame(outcome.status) != WEIR_BLAME_PEER ||
            outcome.failure.processed != WEIR_NOT_SENT) {
            fail_msg("handshake %zu: %s", i, weir_status_name(outcome.status));
        }
    }
    weir_tls_config_release(tls);
    weir_stage_close(&stage);
}

typedef struct deafness {
    weir_cue cue;
    bool over;
} deafness;

static weir_hostile_end play_deaf(int fd, size_t number, void *user)
{
    deafness *d = user;

    (void)fd;
    (void)number;
    (void)weir_cue_await(&d->cue, &d->over, NULL);
    return WEIR_HOSTILE_RESET;
}

static void an_upload_that_is_never_read(weir_user_kind kind)
{
    const size_t octets = (size_t)16 << 20;
    uint8_t *much = calloc(1, octets);
    deafness d = {.over = false};
    weir_stage stage;
    weir_plea plea;

    assert_non_null(much);
    weir_cue_open(&d.cue);
    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_deaf, &d);
    ask_upload(&stage, &plea, WEIR_H1);
    plea.request.body.span = (weir_span){much, octets};
    plea.call.write_ns = 100 * WEIR_NS_PER_MS;
    assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_E_DEADLINE_WRITE);
    assert_in_range(weir_stage_peak(&stage), 1, (size_t)2 << 20);
    weir_cue_give(&d.cue, &d.over);
    weir_stage_close(&stage);
    weir_cue_close(&d.cue);
    free(much);
}

/* Answers, says goodbye, and goes on listening. */
static weir_hostile_end play_half(int fd, size_t number, void *user)
{
    (void)user;
    if (!weir_hostile_head(fd, NULL, 0)) {
        return WEIR_HOSTILE_RESET;
    }
    (void)weir_hostile_say(fd, number % 2 == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalf"
                                               : "HTTP/1.0 200 OK\r\n\r\nhalf");
    return WEIR_HOSTILE_HALF;
}

static void answers_from_the_half_gone(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_half, NULL);
    for (size_t i = 0; i < 200; i++) {
        weir_plea plea;
        weir_stage_ask(&stage, &plea, WEIR_H1, "/");
        plea.call.attempts = 3; /* the FIN may come behind the probe */
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        assert_int_equal(outcome.status, WEIR_END);
        assert_string_equal(outcome.text, "half");
    }
    weir_stage_close(&stage);
}

/* RFC 9113 s5.4.2, s7: whoever gives an answer up says so of its stream, and the connection is as
 * good as before. *user: the code. */
static weir_hostile_end play_given_up(int fd, size_t number, void *user)
{
    atomic_uint *code = user;
    weir_hostile_frame frame = {.type = 0};

    (void)number;
    if (!weir_hostile_preface(fd, NULL, 0)) {
        return WEIR_HOSTILE_FIN;
    }
    const uint32_t stream = weir_hostile_request(fd);
    (void)weir_hostile_frame_send(fd, 1, 4, stream, "\x88", 1);
    while (frame.type != 3 || frame.stream != stream) {
        if (!weir_hostile_frame_read(fd, &frame)) {
            return WEIR_HOSTILE_FIN;
        }
    }
    atomic_store(code, frame.length == 4 && frame.payload[0] == 0 ? frame.payload[3] : 0U);
    (void)weir_hostile_answer(fd, weir_hostile_request(fd), "the next");
    return WEIR_HOSTILE_SILENCE;
}

static void an_answer_that_is_given_up(weir_user_kind kind)
{
    atomic_uint code = 0;
    weir_stage stage;
    weir_plea plea;
    weir_exchange *exchange = NULL;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_given_up, &code);
    weir_stage_ask(&stage, &plea, WEIR_H2, "/");
    assert_int_equal(weir_stage_call(&stage, &plea, &exchange), WEIR_OK);
    weir_stage_drop(&stage, exchange);
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_int_equal(outcome.status, WEIR_END);
    assert_string_equal(outcome.text, "the next");
    assert_int_equal(atomic_load(&code), 8); /* CANCEL */
    assert_int_equal(weir_hostile_accepted(stage.server), 1);
    weir_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(a_window_that_stays_shut),
        weir_stage_test(windows_that_break_the_rules),
        weir_stage_test(windows_below_zero),
        cmocka_unit_test(content_beyond_our_window),
        weir_stage_test(resets_and_goodbyes_of_many),
        weir_stage_test(no_streams_and_then_some),
        weir_stage_test(accepted_and_closed_at_once),
        weir_stage_test(handshakes_that_lead_nowhere),
        weir_stage_test(an_upload_that_is_never_read),
        weir_stage_test(answers_from_the_half_gone),
        weir_stage_test(an_answer_that_is_given_up),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
