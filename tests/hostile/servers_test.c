/* SPDX-License-Identifier: MIT */
/*
 * Servers that break off, babble, drip, answer too early or too often. Whatever they do, the call
 * ends with a failure that blames them, or with the whole content and nothing but it.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MUTANTS 400
#define BABBLES 200

/* A conversation of the server's side that is complete, and what the client makes of all of it. */
typedef struct recording {
    weir_protocol protocol;
    const char *octets;
    size_t length;
    const char *content;
} recording;
#define OCTETS(literal) (literal), sizeof(literal) - 1

static const recording recordings[] = {
    {WEIR_H1,
     OCTETS("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"
            "Content-Length: 5\r\nX: y\r\n\r\nhello"),
     "hello"},
    {WEIR_H1,
     OCTETS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n"
            "2\r\nlo\r\n0\r\nT: v\r\n\r\n"),
     "hello"},
    {WEIR_H2,
     OCTETS("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"
            "\0\0\0\4\1\0\0\0\0"
            "\0\0\5\1\0\0\0\0\1\x88\0\1x\1"
            "\0\0\1\x9\4\0\0\0\1y"
            "\0\0\5\0\x8\0\0\0\1\1hel\0"
            "\0\0\x8\6\0\0\0\0\0abcdefgh"
            "\0\0\2\0\0\0\0\0\1lo"
            "\0\0\5\1\5\0\0\0\1\0\1t\1v"),
     "hello"},
};
#define RECORDINGS (sizeof(recordings) / sizeof(recordings[0]))

/* What the next connection does with its recording. */
typedef struct cut {
    const recording *of;
    atomic_size_t octets;
    atomic_int end;
} cut;

static bool hear_request(int fd, weir_protocol protocol)
{
    weir_hostile_frame frame = {.type = 0};
    char preface[24];

    if (protocol == WEIR_H1) {
        return weir_hostile_head(fd, NULL, 0);
    }
    if (!weir_hostile_receive(fd, preface, sizeof(preface))) {
        return false;
    }
    while (frame.type != 1) {
        if (!weir_hostile_frame_read(fd, &frame)) {
            return false;
        }
    }
    return true;
}

static weir_hostile_end play_cut(int fd, size_t number, void *user)
{
    cut *c = user;
    const size_t octets = atomic_load(&c->octets);
    const int end = atomic_load(&c->end);

    (void)number;
    if (!hear_request(fd, c->of->protocol)) {
        return WEIR_HOSTILE_RESET;
    }
    (void)weir_hostile_send(fd, c->of->octets, octets);
    return (weir_hostile_end)end;
}

/* Only all of it is all. */
static void assert_cut(const recording *of, size_t octets, weir_hostile_end end,
                       const weir_outcome *outcome)
{
    const bool whole = octets == of->length;
    const weir_blame blame = weir_status_blame(outcome->status);

    if (outcome->status == WEIR_END) {
        assert_true(whole);
        assert_string_equal(outcome->text, of->content);
        return;
    }
    if (whole && end != WEIR_HOSTILE_RESET) {
        fail_msg("all %zu octets, end %d: %s", octets, (int)end, weir_status_name(outcome->status));
    }
    if (blame != WEIR_BLAME_PEER && blame != WEIR_BLAME_NETWORK) {
        fail_msg("%zu octets, end %d: %s", octets, (int)end, weir_status_name(outcome->status));
    }
    if (end == WEIR_HOSTILE_SILENCE) {
        assert_int_equal(outcome->status, WEIR_E_DEADLINE_TOTAL);
    }
    assert_memory_equal(outcome->text, of->content, outcome->octets);
}

/* On a stage of its own: a connection of HTTP/2 outlives a call that came too late. */
static void cut_once(weir_user_kind kind, const recording *of, size_t octets, weir_hostile_end end)
{
    cut c = {.of = of, .octets = octets, .end = end};
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_cut, &c);
    weir_stage_ask(&stage, &plea, of->protocol, "/");
    if (end == WEIR_HOSTILE_SILENCE && octets < of->length) {
        plea.call.deadline_ns = weir_now() + 5 * WEIR_NS_PER_MS;
    }
    const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
    assert_cut(of, octets, end, &outcome);
    weir_stage_close(&stage);
}

/* Every prefix of every recording, followed by FIN, RST and silence. */
static void answers_that_are_cut_off(weir_user_kind kind)
{
    for (size_t r = 0; r < RECORDINGS; r++) {
        for (size_t octets = 0; octets <= recordings[r].length; octets++) {
            cut_once(kind, &recordings[r], octets, WEIR_HOSTILE_FIN);
            cut_once(kind, &recordings[r], octets, WEIR_HOSTILE_RESET);
            cut_once(kind, &recordings[r], octets, WEIR_HOSTILE_SILENCE);
        }
    }
}

static weir_hostile_end play_drip(int fd, size_t number, void *user)
{
    const recording *of = user;

    (void)number;
    if (!hear_request(fd, of->protocol)) {
        return WEIR_HOSTILE_RESET;
    }
    for (size_t i = 0; i < of->length && weir_hostile_send(fd, of->octets + i, 1); i++) {
    }
    return WEIR_HOSTILE_SILENCE;
}

static void answers_that_come_octet_by_octet(weir_user_kind kind)
{
    for (size_t r = 0; r < RECORDINGS; r++) {
        recording of = recordings[r];
        weir_stage stage;
        weir_stage_open(&stage, kind);
        weir_stage_begin(&stage, play_drip, &of);
        const weir_outcome outcome = weir_stage_get(&stage, of.protocol, "/");
        assert_int_equal(outcome.status, WEIR_END);
        assert_string_equal(outcome.text, of.content);
        weir_stage_close(&stage);
    }
}

/* The recording with a few octets changed, decided by the connection's number. */
static weir_hostile_end play_mutant(int fd, size_t number, void *user)
{
    const recording *of = user;
    uint64_t seed = 0x9e3779b97f4a7c15 * (number + 1);
    char octets[512];

    memcpy(octets, of->octets, of->length);
    for (uint32_t i = weir_hostile_dice(&seed) % 3 + 1; i > 0; i--) {
        octets[weir_hostile_dice(&seed) % of->length] = (char)weir_hostile_dice(&seed);
    }
    if (!hear_request(fd, of->protocol)) {
        return WEIR_HOSTILE_RESET;
    }
    (void)weir_hostile_send(fd, octets, of->length);
    return number % 2 == 0 ? WEIR_HOSTILE_FIN : WEIR_HOSTILE_RESET;
}

static void assert_blames_the_peer(const weir_outcome *outcome, size_t number)
{
    const weir_blame blame = weir_status_blame(outcome->status);

    if (outcome->status != WEIR_END && blame != WEIR_BLAME_PEER && blame != WEIR_BLAME_NETWORK) {
        fail_msg("connection %zu: %s", number, weir_status_name(outcome->status));
    }
}

static void answers_with_changed_octets(weir_user_kind kind)
{
    for (size_t r = 0; r < RECORDINGS; r++) {
        recording of = recordings[r];
        weir_stage stage;
        size_t failures = 0;
        weir_stage_open(&stage, kind);
        weir_stage_begin(&stage, play_mutant, &of);
        for (size_t i = 0; i < MUTANTS; i++) {
            const weir_outcome outcome = weir_stage_get(&stage, of.protocol, "/");
            assert_blames_the_peer(&outcome, i);
            failures += outcome.status != WEIR_END ? 1 : 0;
        }
        assert_true(failures > MUTANTS / 10);
        weir_stage_close(&stage);
    }
}

static weir_hostile_end play_babble(int fd, size_t number, void *user)
{
    uint64_t seed = 0x9e3779b97f4a7c15 * (number + 1);
    uint8_t octets[2048];
    const size_t count = weir_hostile_dice(&seed) % sizeof(octets);

    (void)user;
    for (size_t i = 0; i < count; i++) {
        octets[i] = (uint8_t)weir_hostile_dice(&seed);
    }
    if (number % 4 >= 2 && recv(fd, octets, 1, MSG_PEEK) != 1) {
        return WEIR_HOSTILE_RESET;
    }
    (void)weir_hostile_send(fd, octets, count);
    return number % 2 == 0 ? WEIR_HOSTILE_FIN : WEIR_HOSTILE_RESET;
}

static void random_octets_for_an_answer(weir_user_kind kind)
{
    static const weir_protocol protocols[] = {WEIR_H1, WEIR_H2, WEIR_PROTOCOL_ANY};

    for (size_t p = 0; p < 3; p++) {
        weir_stage stage;
        weir_stage_open(&stage, kind);
        weir_stage_begin(&stage, play_babble, NULL);
        for (size_t i = 0; i < BABBLES; i++) {
            const weir_outcome outcome = weir_stage_get(&stage, protocols[p], "/");
            assert_int_not_equal(outcome.status, WEIR_END);
            assert_blames_the_peer(&outcome, i);
        }
        weir_stage_close(&stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(answers_that_are_cut_off),
        weir_stage_test(answers_that_come_octet_by_octet),
        weir_stage_test(answers_with_changed_octets),
        weir_stage_test(random_octets_for_an_answer),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
