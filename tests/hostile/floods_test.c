/* SPDX-License-Identifier: MIT */
/*
 * Servers that never stop sending. Each flood ends with the status that names it, within a bound of
 * memory, and before the call's deadline, which would be another status.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All that a client with one call may hold, whatever comes: the limits of shared.h. */
#define MEMORY_OCTETS ((size_t)512 << 10)

typedef struct flood {
    const char *name;
    weir_protocol protocol;
    const char *first; /* once, then `again` for ever */
    size_t first_length;
    const char *again;
    size_t again_length;
    weir_status statuses[3]; /* one of them */
} flood;
#define OCTETS(literal) (literal), sizeof(literal) - 1
#define CHUNKED         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define H2_HEAD         "\0\0\1\1\4\0\0\0\1\x88"

static const flood floods[] = {
    {"1xx", WEIR_H1, OCTETS(""), OCTETS("HTTP/1.1 102 On\r\n\r\n"), {WEIR_E_LIMIT_INFORMATIONAL}},
    {"large 1xx",
     WEIR_H1,
     OCTETS(""),
     OCTETS("HTTP/1.1 103 H\r\nLink: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"),
     {WEIR_E_LIMIT_INFORMATIONAL, WEIR_E_LIMIT_HEAD}},
    {"one field", WEIR_H1, OCTETS("HTTP/1.1 200 OK\r\nA: "), OCTETS("a"), {WEIR_E_LIMIT_HEAD}},
    {"one name", WEIR_H1, OCTETS("HTTP/1.1 200 OK\r\n"), OCTETS("a"), {WEIR_E_LIMIT_HEAD}},
    {"fields",
     WEIR_H1,
     OCTETS("HTTP/1.1 200 OK\r\n"),
     OCTETS("a: b\r\n"),
     {WEIR_E_LIMIT_FIELDS, WEIR_E_LIMIT_HEAD}},
    {"reason", WEIR_H1, OCTETS("HTTP/1.1 200 "), OCTETS("a"), {WEIR_E_LIMIT_HEAD}},
    {"empty lines",
     WEIR_H1,
     OCTETS(""),
     OCTETS("\r\n"),
     {WEIR_E_LIMIT_HEAD, WEIR_E_H1_SYNTAX, WEIR_E_LIMIT_FLOOD}},
    {"folded lines",
     WEIR_H1,
     OCTETS("HTTP/1.1 200 OK\r\nA: b\r\n"),
     OCTETS(" c\r\n"),
     {WEIR_E_LIMIT_HEAD, WEIR_E_H1_SYNTAX}},
    {"chunk extension", WEIR_H1, OCTETS(CHUNKED "1;"), OCTETS("a"), {WEIR_E_LIMIT_CHUNK}},
    {"chunk extensions",
     WEIR_H1,
     OCTETS(CHUNKED),
     OCTETS("1;aaaa=b\r\nx\r\n"),
     {WEIR_E_LIMIT_CHUNK}},
    {"zeros of a chunk size",
     WEIR_H1,
     OCTETS(CHUNKED),
     OCTETS("0"),
     {WEIR_E_LIMIT_CHUNK, WEIR_E_H1_CHUNK}},
    {"trailers",
     WEIR_H1,
     OCTETS(CHUNKED "0\r\n"),
     OCTETS("a: b\r\n"),
     {WEIR_E_LIMIT_FIELDS, WEIR_E_LIMIT_HEAD}},
    {"one trailer", WEIR_H1, OCTETS(CHUNKED "0\r\na: "), OCTETS("b"), {WEIR_E_LIMIT_HEAD}},
    {"1xx",
     WEIR_H2,
     OCTETS(""),
     OCTETS("\0\0\5\1\4\0\0\0\1\x08\x03\x31\x30\x33"),
     {WEIR_E_LIMIT_INFORMATIONAL}},
    {"CONTINUATION",
     WEIR_H2,
     OCTETS("\0\0\1\1\0\0\0\0\1\x88"),
     OCTETS("\0\0\5\x9\0\0\0\0\1\0\1x\1y"),
     {WEIR_E_LIMIT_HEAD, WEIR_E_LIMIT_FIELDS, WEIR_E_LIMIT_FLOOD}},
    {"empty CONTINUATION",
     WEIR_H2,
     OCTETS("\0\0\1\1\0\0\0\0\1\x88"),
     OCTETS("\0\0\0\x9\0\0\0\0\1"),
     {WEIR_E_LIMIT_HEAD, WEIR_E_LIMIT_FLOOD}},
    {"indexed fields",
     WEIR_H2,
     OCTETS("\0\0\1\1\0\0\0\0\1\x88"),
     OCTETS("\0\0\x8\x9\0\0\0\0\1\x90\x90\x90\x90\x90\x90\x90\x90"),
     {WEIR_E_LIMIT_HEAD, WEIR_E_LIMIT_FIELDS, WEIR_E_LIMIT_FLOOD}},
    {"empty DATA", WEIR_H2, OCTETS(H2_HEAD), OCTETS("\0\0\0\0\0\0\0\0\1"), {WEIR_E_LIMIT_FLOOD}},
    {"DATA of padding",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\3\0\x8\0\0\0\1\2\0\0"),
     {WEIR_E_LIMIT_FLOOD}},
    {"SETTINGS", WEIR_H2, OCTETS(H2_HEAD), OCTETS("\0\0\0\4\0\0\0\0\0"), {WEIR_E_LIMIT_FLOOD}},
    {"acknowledgements",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\0\4\1\0\0\0\0"),
     {WEIR_E_LIMIT_FLOOD, WEIR_E_H2_PROTOCOL}},
    {"PING", WEIR_H2, OCTETS(H2_HEAD), OCTETS("\0\0\x8\6\0\0\0\0\0abcdefgh"), {WEIR_E_LIMIT_FLOOD}},
    {"answers to no PING",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\x8\6\1\0\0\0\0abcdefgh"),
     {WEIR_E_LIMIT_FLOOD, WEIR_E_H2_PROTOCOL}},
    {"PRIORITY",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\5\2\0\0\0\0\1\0\0\0\0\1"),
     {WEIR_E_LIMIT_FLOOD}},
    {"unknown frames",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\1\x4f\0\0\0\0\0a"),
     {WEIR_E_LIMIT_FLOOD}},
    {"unknown frames of the stream",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\1\x4f\0\0\0\0\1a"),
     {WEIR_E_LIMIT_FLOOD}},
    {"WINDOW_UPDATE",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\4\x8\0\0\0\0\0\0\0\0\1"),
     {WEIR_E_LIMIT_FLOOD}},
    {"WINDOW_UPDATE of the stream",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\4\x8\0\0\0\0\1\0\0\0\1"),
     {WEIR_E_LIMIT_FLOOD}},
    {"GOAWAY",
     WEIR_H2,
     OCTETS(H2_HEAD),
     OCTETS("\0\0\x8\7\0\0\0\0\0\0\0\0\1\0\0\0\0"),
     {WEIR_E_LIMIT_FLOOD}},
};
#define FLOODS (sizeof(floods) / sizeof(floods[0]))

/* The server does not read what it makes the client say. */
static weir_hostile_end play_flood(int fd, size_t number, void *user)
{
    const flood *f = user;
    char many[16384];
    size_t used = 0;

    (void)number;
    if (f->protocol == WEIR_H1
            ? !weir_hostile_head(fd, NULL, 0)
            : !weir_hostile_preface(fd, NULL, 0) || weir_hostile_request(fd) != 1) {
        return WEIR_HOSTILE_RESET;
    }
    for (; used + f->again_length <= sizeof(many); used += f->again_length) {
        memcpy(many + used, f->again, f->again_length);
    }
    if (weir_hostile_send(fd, f->first, f->first_length)) {
        while (weir_hostile_send(fd, many, used)) {
        }
    }
    return WEIR_HOSTILE_RESET;
}

static void drown(weir_user_kind kind)
{
    size_t wrong = 0;

    for (size_t i = 0; i < FLOODS; i++) {
        flood f = floods[i];
        weir_stage stage;
        weir_stage_open(&stage, kind);
        weir_stage_begin(&stage, play_flood, &f);
        const weir_time before_ns = weir_now();
        const weir_outcome outcome = weir_stage_get(&stage, f.protocol, "/");
        const weir_time took_ns = weir_now() - before_ns;
        bool named = false;
        for (size_t s = 0; s < 3; s++) {
            named = named || (f.statuses[s] != WEIR_OK && outcome.status == f.statuses[s]);
        }
        if (!named || weir_stage_peak(&stage) > MEMORY_OCTETS) {
            print_error("%s, %s: %s, %zu octets of memory, %llu ms\n",
                        weir_protocol_name(f.protocol), f.name, weir_status_name(outcome.status),
                        weir_stage_peak(&stage), (unsigned long long)(took_ns / WEIR_NS_PER_MS));
            wrong++;
        }
        weir_stage_close(&stage);
    }
    assert_int_equal(wrong, 0);
}

static void floods_end_with_their_name_blocking(void **state)
{
    (void)state;
    drown(WEIR_USER_BLOCKING);
}

static void floods_end_with_their_name_loop(void **state)
{
    (void)state;
    drown(WEIR_USER_LOOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floods_end_with_their_name_blocking),
        cmocka_unit_test(floods_end_with_their_name_loop),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("floods", tests, NULL, NULL);
}
