/* SPDX-License-Identifier: MIT */
/*
 * The decoder by itself: every octet in every place of a response, the rows of its steps, and what
 * it costs. What whole responses come to is in the documents of tests/corpus/h1.
 */
#include "proto/h1_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/octet.h"
#include "support/failalloc.h"
#include "support/text.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_buf inbox;
    weir_conn_limits limits;
    weir_h1_decode decode;
    weir_text rows; /* a letter for each octet taken */
} fixture;

static void begin(fixture *f)
{
    weir_h1_decode_init(&f->decode, &f->limits, &f->inbox, (weir_h1_asked){.is_head = false});
    weir_text_reset(&f->rows);
}

static void end(fixture *f)
{
    weir_h1_decode_clear(&f->decode);
    weir_buf_clear(&f->inbox);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 2);
    weir_buf_init(&f->inbox, &f->bin, 65536);
    f->limits = (weir_conn_limits){
        .head_octets = 8 << 20, .fields = 1 << 20, .informational = 32, .chunk_octets = 16384};
    begin(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    end(f);
    weir_text_clear(&f->rows);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

/* Feeds in pieces of `piece` octets until all is taken, the response is over or has failed. */
static size_t feed(fixture *f, weir_span octets, size_t piece)
{
    static const char letters[] = {[WEIR_ROW_HEAD] = 'h',
                                   [WEIR_ROW_BODY] = 'b',
                                   [WEIR_ROW_TRAILERS] = 't',
                                   [WEIR_ROW_FRAMING] = 'f'};
    size_t taken = 0;
    while (taken < octets.length && f->decode.status == WEIR_OK &&
           !weir_h1_decode_is_over(&f->decode)) {
        weir_span rest = weir_span_head(weir_span_from(octets, taken), piece);
        weir_h1_step step = weir_h1_decode_next(&f->decode, rest);
        weir_h1_decode_check(&f->decode);
        assert_true(step.octets > 0 || weir_buf_room(&f->inbox) == 0);
        weir_buf_consume(&f->inbox, f->inbox.octets);
        if (step.kind == WEIR_CONN_HEAD || step.kind == WEIR_CONN_INFORMATIONAL) {
            weir_message_free(weir_h1_decode_take(&f->decode));
        }
        for (size_t i = 0; f->rows.length < 4096 && i < step.octets; i++) {
            weir_text_append(&f->rows, (weir_span){(const uint8_t *)&letters[step.row], 1});
        }
        taken += step.octets;
    }
    return taken;
}

static weir_status status_of(fixture *f, weir_span octets)
{
    begin(f);
    feed(f, octets, SIZE_MAX);
    assert_false(f->decode.section.has_disagreed);
    weir_status status = f->decode.status;
    end(f);
    return status;
}

static void h1_decode__charges_each_octet_to_its_place(void **state)
{
    static const char response[] = "\r\nHTTP/1.1 103 x\r\n\r\n"
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "3;x\r\nabc\r\n01\r\nd\r\n0\r\nA: b\r\n\r\n";
    static const char tail[] = "fffffbbbffffffbfffffttttttff";
    fixture *f = *state;
    weir_span octets = WEIR_SPAN(response);
    for (size_t piece = 1; piece <= octets.length; piece++) {
        begin(f);
        assert_int_equal(feed(f, octets, piece), octets.length);
        assert_true(weir_h1_decode_is_over(&f->decode));
        size_t heads = octets.length - strlen(tail);
        assert_int_equal(strspn(weir_text_string(&f->rows), "h"), heads);
        assert_string_equal(weir_text_string(&f->rows) + heads, tail);
        end(f);
    }
}

/* All 256 octets in a place: those of the class pass, all others fail with that status. */
typedef struct place {
    const char *before;
    const char *after;
    weir_octet_class passes;
    const char *passes_too;
    weir_status refusal;
} place;

static bool passes(const place *p, uint8_t octet)
{
    return weir_octet_is(octet, p->passes) ||
           (octet != 0 && strchr(p->passes_too, (char)octet) != NULL);
}

/* What no head may hold at all is malformed before anything is made of its fields. */
static weir_status refusal(const place *p, uint8_t octet)
{
    bool in_value = p->refusal == WEIR_E_H1_LENGTH || p->refusal == WEIR_E_H1_CODING;
    bool is_malformed = (in_value && !weir_octet_is(octet, WEIR_OCTET_VALUE)) ||
                        (octet == '\n' && p->refusal == WEIR_E_H1_VERSION);
    return is_malformed ? WEIR_E_H1_SYNTAX : p->refusal;
}

static void h1_decode__lets_pass_in_each_place_what_belongs_there(void **state)
{
#define STATUS  "HTTP/1.1 200 OK\r\n"
#define LENGTH  "Content-Length: 0\r\n\r\n"
#define CHUNKED STATUS "Transfer-Encoding: chunked\r\n\r\n"
    static const place places[] = {
        {"HTTP/1.1 200 a", "b\r\n" LENGTH, WEIR_OCTET_VALUE, "", WEIR_E_H1_SYNTAX},
        {"HTTP/1.1 ", "00 OK\r\n" LENGTH, (weir_octet_class)0, "123456789", WEIR_E_H1_SYNTAX},
        {"HTTP/1.1 2", "0 OK\r\n" LENGTH, WEIR_OCTET_DIGIT, "", WEIR_E_H1_SYNTAX},
        {"HTTP/1.1 20", " OK\r\n" LENGTH, WEIR_OCTET_DIGIT, "", WEIR_E_H1_SYNTAX},
        {"HTTP/1.1 200", "OK\r\n" LENGTH, (weir_octet_class)0, " ", WEIR_E_H1_SYNTAX},
        {"HTTP/1.", " 200 OK\r\nConnection: keep-alive\r\n" LENGTH, (weir_octet_class)0, "01",
         WEIR_E_H1_VERSION},
        {"HTTP/", ".1 200 OK\r\n" LENGTH, (weir_octet_class)0, "1", WEIR_E_H1_VERSION},
        {"HTTP", "1.1 200 OK\r\n" LENGTH, (weir_octet_class)0, "/", WEIR_E_H1_SYNTAX},
        {"", "TTP/1.1 200 OK\r\n" LENGTH, (weir_octet_class)0, "H", WEIR_E_H1_SYNTAX},
        {STATUS, "a: b\r\n" LENGTH, WEIR_OCTET_TOKEN, "", WEIR_E_H1_SYNTAX},
        {STATUS "a", "a: b\r\n" LENGTH, WEIR_OCTET_TOKEN, ":", WEIR_E_H1_SYNTAX},
        {STATUS "a:", "b\r\n" LENGTH, WEIR_OCTET_VALUE, "", WEIR_E_H1_SYNTAX},
        {STATUS "a: b", "c\r\n" LENGTH, WEIR_OCTET_VALUE, "", WEIR_E_H1_SYNTAX},
        {STATUS "a: b\r", LENGTH, (weir_octet_class)0, "\n", WEIR_E_H1_SYNTAX},
        {STATUS "Content-Length: 0\r\n\r", "", (weir_octet_class)0, "\n", WEIR_E_H1_SYNTAX},
        {STATUS "Content-Length: ", "\r\n\r\n", WEIR_OCTET_DIGIT, "", WEIR_E_H1_LENGTH},
        {STATUS "Transfer-Encoding: ", "hunked\r\n\r\n0\r\n\r\n", (weir_octet_class)0, "cC",
         WEIR_E_H1_CODING},
        {CHUNKED, "\r\n", WEIR_OCTET_HEX, "", WEIR_E_H1_CHUNK},
        {CHUNKED "0;", "\r\n\r\n", WEIR_OCTET_VALUE, "", WEIR_E_H1_CHUNK},
        {CHUNKED "0", "\n\r\n", (weir_octet_class)0, "\r", WEIR_E_H1_CHUNK},
        {CHUNKED "0\r", "\r\n", (weir_octet_class)0, "\n", WEIR_E_H1_CHUNK},
        {CHUNKED "1\r\nx", "\n0\r\n\r\n", (weir_octet_class)0, "\r", WEIR_E_H1_CHUNK},
        {CHUNKED "1\r\nx\r", "0\r\n\r\n", (weir_octet_class)0, "\n", WEIR_E_H1_CHUNK},
        {CHUNKED "0\r\n", "a: b\r\n\r\n", WEIR_OCTET_TOKEN, "", WEIR_E_H1_CHUNK},
        {CHUNKED "0\r\na: b", "c\r\n\r\n", WEIR_OCTET_VALUE, "", WEIR_E_H1_CHUNK},
        {CHUNKED "0\r\n\r", "", (weir_octet_class)0, "\n", WEIR_E_H1_CHUNK},
    };
    fixture *f = *state;
    weir_text response = {.at = NULL};
    for (size_t i = 0; i < WEIR_COUNT_OF(places); i++) {
        const place *p = &places[i];
        for (unsigned octet = 0; octet < 256; octet++) {
            uint8_t value = (uint8_t)octet;
            weir_text_reset(&response);
            weir_text_append(&response, weir_span_of(p->before));
            weir_text_append(&response, (weir_span){&value, 1});
            weir_text_append(&response, weir_span_of(p->after));
            weir_status status = status_of(f, weir_text_span(&response));
            weir_status expected = passes(p, value) ? WEIR_OK : refusal(p, value);
            if (status != expected) {
                weir_text_reset(&response);
                weir_text_escape(&response, weir_span_of(p->before));
                fail_msg("octet %02x after %s: %s", octet, weir_text_string(&response),
                         weir_status_name(status));
            }
        }
    }
    weir_text_clear(&response);
}

static void h1_decode__keeps_the_reason_in_one_piece(void **state)
{
    fixture *f = *state;
    weir_text response = {.at = NULL};
    weir_text reason = {.at = NULL};
    for (size_t i = 0; i < 5000; i++) {
        weir_text_printf(&reason, "%c", (int)('a' + i % 26));
    }
    weir_text_printf(&response, "HTTP/1.1 200 %s\r\n", weir_text_string(&reason));
    for (size_t piece = 1; piece < 6000; piece = piece * 3 + 1) {
        begin(f);
        feed(f, weir_text_span(&response), piece);
        weir_span got = f->decode.section.message->reason;
        assert_int_equal(got.length, reason.length);
        assert_memory_equal(got.at, reason.at, reason.length);
        end(f);
    }
    weir_text_clear(&response);
    weir_text_clear(&reason);
}

/*
 * No octets are known that the scanner lets pass and llhttp does not: so llhttp is made to refuse,
 * in the second of two heads, and to see no end of it.
 */
static void h1_decode__fails_when_llhttp_refuses(void **state)
{
    fixture *f = *state;
    feed(f, WEIR_SPAN("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nCont"), SIZE_MAX);
    assert_int_equal(f->decode.status, WEIR_OK);
    f->decode.section.llhttp.error = HPE_USER;
    feed(f, WEIR_SPAN("ent-Length: 0\r\n"), SIZE_MAX);
    assert_int_equal(f->decode.status, WEIR_E_H1_SYNTAX);
    assert_true(f->decode.section.has_disagreed);
}

static void h1_decode__fails_when_llhttp_sees_no_end(void **state)
{
    fixture *f = *state;
    feed(f, WEIR_SPAN("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"), SIZE_MAX);
    assert_int_equal(f->decode.status, WEIR_OK);
    f->decode.section.llhttp.settings = NULL;
    feed(f, WEIR_SPAN("\r\n"), SIZE_MAX);
    assert_int_equal(f->decode.status, WEIR_E_H1_SYNTAX);
    assert_true(f->decode.section.has_disagreed);
}

static void h1_decode__names_its_places(void **state)
{
    (void)state;
    assert_string_equal(weir_h1_part_name(WEIR_H1_PART_CHUNK_LINE), "chunk-line");
    assert_string_equal(weir_h1_part_name(WEIR_H1_PART_COUNT), "unknown");
    assert_string_equal(weir_h1_line_name(WEIR_H1_LINE_SECTION_LF), "section-lf");
    assert_string_equal(weir_h1_line_name(WEIR_H1_LINE_COUNT), "unknown");
}

/* --- what hostile octets cost --- */

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * WEIR_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* A response of about `octets`, which `piece` then repeats to that length. */
typedef struct hostile {
    const char *before;
    const char *repeated;
    const char *after;
    size_t piece;     /* in which it is fed */
    bool many_fields; /* which a checking build walks for each one that is added */
} hostile;

static uint64_t cost_ns(fixture *f, const hostile *h, size_t octets)
{
    weir_text response = {.at = NULL};
    weir_text_append(&response, weir_span_of(h->before));
    while (response.length < octets) {
        weir_text_append(&response, weir_span_of(h->repeated));
    }
    weir_text_append(&response, weir_span_of(h->after));
    uint64_t least_ns = UINT64_MAX;
    for (int i = 0; i < 3; i++) {
        begin(f);
        uint64_t before_ns = cpu_ns();
        size_t taken = feed(f, weir_text_span(&response), h->piece);
        uint64_t spent_ns = cpu_ns() - before_ns;
        least_ns = spent_ns < least_ns ? spent_ns : least_ns;
        assert_int_equal(f->decode.status, WEIR_OK);
        assert_true(weir_h1_decode_is_over(&f->decode));
        assert_int_equal(taken, response.length);
        end(f);
    }
    weir_text_clear(&response);
    return least_ns;
}

/*
 * Four times the octets may take four times as long, and some: but not sixteen times. Times of the
 * processor, the least of three, with what a busy machine adds allowed for.
 */
static void h1_decode__costs_no_more_than_its_octets(void **state)
{
    static const hostile cases[] = {
        {CHUNKED, "1\r\nx\r\n", "0\r\n\r\n", SIZE_MAX, false},
        {CHUNKED, "1\r\nx\r\n", "0\r\n\r\n", 1, false},
        {"HTTP/1.1 200 ", "reason ", "\r\n" LENGTH, 1, false},
        {STATUS, "name", ": x\r\n" LENGTH, 1, false},
        {STATUS "x: ", "value ", "\r\n" LENGTH, 1, false},
        {STATUS, "x: y\r\n", LENGTH, SIZE_MAX, true},
        {STATUS, "Connection: y\r\n", LENGTH, SIZE_MAX, true},
        {STATUS "Connection: y", ",y", "\r\n" LENGTH, SIZE_MAX, false},
        {STATUS, "Content-Length: 0\r\n", LENGTH, SIZE_MAX, true},
        {CHUNKED "0\r\n", "host: y\r\n", "\r\n", SIZE_MAX, true},
    };
    const size_t large = 1 << 20;
    fixture *f = *state;
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        if (WEIR_CHECKING && cases[i].many_fields) {
            continue;
        }
        uint64_t small_ns = cost_ns(f, &cases[i], large / 4);
        uint64_t large_ns = cost_ns(f, &cases[i], large);
        if (large_ns > 10 * small_ns + 20 * WEIR_NS_PER_MS) {
            fail_msg("case %zu: %llu us for %zu octets, %llu us for a quarter of them", i,
                     (unsigned long long)large_ns / 1000, large,
                     (unsigned long long)small_ns / 1000);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(h1_decode__charges_each_octet_to_its_place),
        TEST(h1_decode__lets_pass_in_each_place_what_belongs_there),
        TEST(h1_decode__keeps_the_reason_in_one_piece),
        TEST(h1_decode__fails_when_llhttp_refuses),
        TEST(h1_decode__fails_when_llhttp_sees_no_end),
        TEST(h1_decode__names_its_places),
        TEST(h1_decode__costs_no_more_than_its_octets),
    };
    return cmocka_run_group_tests_name("h1_decode", tests, NULL, NULL);
}
