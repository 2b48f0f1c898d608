/* SPDX-License-Identifier: MIT */
/*
 * Requests on the wire: what is written, in how many pieces, and to which row each octet goes.
 */
#include "proto/h1_encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/text.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_out out;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_h1_encode encode;
    weir_text sent;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_out_init(&f->out, &f->bin, 65536);
    weir_ledger_init(&f->ledger, false, &f->ledger_annex);
    weir_ledger_open(&f->ledger, &f->owner, 1);
    weir_h1_encode_init(&f->encode, &f->out, &f->owner);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    weir_text_clear(&f->sent);
    weir_out_clear(&f->out);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

typedef struct request {
    const char *method;
    const char *url;
    weir_field fields[4];
    size_t field_count;
    weir_body_framing body;
    bool expect_continue;
} request;

static bool encode(fixture *f, const request *r)
{
    uint8_t storage[1024];
    weir_target target;
    weir_head head;
    weir_failure failure;
    weir_head_parts parts = {
        .method = weir_span_of(r->method),
        .target = &target,
        .fields = r->fields,
        .field_count = r->field_count,
        .body = r->body,
        .expect_continue = r->expect_continue,
    };
    weir_failalloc heads;
    weir_failalloc_init(&heads, 0);
    assert_int_equal(
        weir_target_parse(&target, weir_span_of(r->url), storage, sizeof(storage), &failure),
        WEIR_OK);
    assert_int_equal(weir_head_build(&head, &parts, &heads.allocator, &failure), WEIR_OK);
    bool done = weir_h1_encode_head(&f->encode, &head);
    weir_head_clear(&head);
    weir_failalloc_finish(&heads);
    return done;
}

/* The kernel takes everything, `step` octets at a time. */
static void send_all(fixture *f, size_t step)
{
    weir_span pending;
    while ((pending = weir_out_pending(&f->out, 0)).length > 0) {
        size_t octets = weir_min(step, pending.length);
        weir_text_append(&f->sent, weir_span_head(pending, octets));
        weir_out_sent(&f->out, &f->ledger, octets);
    }
}

static void expect_head(fixture *f, const request *r, const char *expected)
{
    assert_true(encode(f, r));
    /* One piece, for one system call. */
    assert_int_equal(weir_out_pending(&f->out, 0).length, strlen(expected));
    send_all(f, SIZE_MAX);
    assert_string_equal(weir_text_string(&f->sent), expected);
    assert_int_equal(f->owner.tally.head.sent, strlen(expected));
    assert_int_equal(weir_tally_plain(&f->owner.tally).sent, strlen(expected));
}

/* RFC 9112 s3.2.1 */
static void h1_encode__writes_origin_form_and_host(void **state)
{
    const request r = {.method = "GET", .url = "http://Example.com/a/b?c=d#e"};
    expect_head(*state, &r, "GET /a/b?c=d HTTP/1.1\r\nhost: example.com\r\n\r\n");
}

/* RFC 9110 s7.2: the port where it is not the scheme's own */
static void h1_encode__writes_the_port_in_host(void **state)
{
    const request r = {.method = "GET", .url = "https://[2001:DB8::1]:8443"};
    expect_head(*state, &r, "GET / HTTP/1.1\r\nhost: [2001:db8::1]:8443\r\n\r\n");
}

/* RFC 9112 s3.2.3: with the port, always */
static void h1_encode__writes_authority_form_for_connect(void **state)
{
    const request r = {.method = "CONNECT", .url = "https://a/"};
    expect_head(*state, &r, "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n");
}

/* RFC 9112 s3.2.4 */
static void h1_encode__writes_asterisk_form_for_options(void **state)
{
    fixture *f = *state;
    const weir_head head = {
        .method = WEIR_SPAN("OPTIONS"), .authority = WEIR_SPAN("a"), .path = WEIR_SPAN("*")};
    assert_true(weir_h1_encode_head(&f->encode, &head));
    send_all(f, SIZE_MAX);
    assert_string_equal(weir_text_string(&f->sent), "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n");
}

static void h1_encode__keeps_fields_in_order_behind_host(void **state)
{
    const request r = {
        .method = "GET",
        .url = "http://a/",
        .fields = {{WEIR_SPAN("X"), WEIR_SPAN("1"), 0},
                   {WEIR_SPAN("Host"), WEIR_SPAN("a"), 0},
                   {WEIR_SPAN("x"), WEIR_SPAN(" 2 "), 0},
                   {WEIR_SPAN("Empty"), WEIR_SPAN(""), 0}},
        .field_count = 4,
    };
    expect_head(*state, &r, "GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\nx: 2\r\nempty: \r\n\r\n");
}

/* RFC 9110 s10.1.4 */
static void h1_encode__says_connection_te_beside_te(void **state)
{
    const request r = {
        .method = "GET",
        .url = "http://a/",
        .fields = {{WEIR_SPAN("TE"), WEIR_SPAN("trailers"), 0}},
        .field_count = 1,
    };
    expect_head(*state, &r, "GET / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: TE\r\n\r\n");
}

/* RFC 9110 s8.6 */
static void h1_encode__declares_the_length(void **state)
{
    const request r = {
        .method = "PUT",
        .url = "http://a/",
        .body = {WEIR_FRAMING_LENGTH, UINT64_C(1234567890123)},
        .expect_continue = true,
    };
    expect_head(*state, &r,
                "PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                "content-length: 1234567890123\r\n\r\n");
}

/* RFC 9110 s8.6: where content is expected its absence is said */
static void h1_encode__declares_no_content_of_post(void **state)
{
    const request r = {.method = "POST", .url = "http://a/"};
    expect_head(*state, &r, "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
}

static void h1_encode__declares_nothing_for_delete(void **state)
{
    const request r = {.method = "DELETE", .url = "http://a/"};
    expect_head(*state, &r, "DELETE / HTTP/1.1\r\nhost: a\r\n\r\n");
}

/* Longer than the encoder's scratch, by one octet and by far. */
static void h1_encode__writes_long_heads_whole(void **state)
{
    fixture *f = *state;
    static char value[9000];
    memset(value, 'v', sizeof(value) - 1);
    for (size_t length = 960; length < sizeof(value); length += length < 1040 ? 1 : 1500) {
        weir_text expected = {.at = NULL};
        weir_text_printf(&expected, "GET / HTTP/1.1\r\nhost: a\r\nx: %.*s\r\n\r\n", (int)length,
                         value);
        const request r = {
            .method = "GET",
            .url = "http://a/",
            .fields = {{WEIR_SPAN("x"), {(const uint8_t *)value, length}, 0}},
            .field_count = 1,
        };
        weir_text_reset(&f->sent);
        assert_true(encode(f, &r));
        assert_int_equal(weir_out_pending(&f->out, 0).length, expected.length);
        send_all(f, SIZE_MAX);
        assert_string_equal(weir_text_string(&f->sent), weir_text_string(&expected));
        weir_text_clear(&expected);
    }
}

static void h1_encode__puts_a_small_body_behind_its_head(void **state)
{
    fixture *f = *state;
    const request r = {.method = "POST", .url = "http://a/", .body = {WEIR_FRAMING_LENGTH, 5}};
    assert_true(encode(f, &r));
    assert_false(weir_h1_encode_is_whole(&f->encode));
    assert_true(weir_h1_encode_body(&f->encode, WEIR_SPAN("hello")));
    assert_true(weir_h1_encode_is_whole(&f->encode));
    assert_int_equal(weir_out_pending(&f->out, 0).length, weir_out_octets(&f->out));
    assert_true(weir_h1_encode_end(&f->encode, NULL));
    send_all(f, SIZE_MAX);
    assert_int_equal(f->owner.tally.head.sent, 47);
    assert_int_equal(f->owner.tally.body.sent, 5);
    assert_int_equal(f->owner.tally.framing.sent, 0);
}

/* Taken octet by octet, each goes to its own row at its own moment. */
static void h1_encode__tags_every_octet_of_a_chunked_request(void **state)
{
    static const char expected[] =
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        "b\r\nhello world\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n";
    static const struct {
        size_t octets;
        char row;
    } runs[] = {{56, 'h'}, {3, 'f'}, {11, 'b'}, {2 + 3, 'f'}, {10 + 6, 't'}, {2, 'f'}};
    fixture *f = *state;
    const request r = {.method = "POST", .url = "http://a/", .body = {WEIR_FRAMING_CHUNKED, 0}};
    const weir_field fields[] = {{WEIR_SPAN("X-Sum"), WEIR_SPAN("1"), 0},
                                 {WEIR_SPAN("y"), WEIR_SPAN("2"), 0}};
    weir_fields trailers;
    weir_failure failure;
    weir_failalloc other;
    weir_failalloc_init(&other, 0);
    assert_int_equal(weir_trailers_build(&trailers, fields, 2, &other.allocator, &failure),
                     WEIR_OK);
    assert_true(encode(f, &r));
    assert_true(weir_h1_encode_body(&f->encode, WEIR_SPAN("hello world")));
    assert_false(weir_h1_encode_is_whole(&f->encode));
    assert_true(weir_h1_encode_end(&f->encode, &trailers));
    weir_fields_clear(&trailers);
    weir_failalloc_finish(&other);

    size_t at = 0;
    for (size_t run = 0; run < WEIR_COUNT_OF(runs); run++) {
        for (size_t i = 0; i < runs[run].octets; i++, at++) {
            weir_tally before = f->owner.tally;
            assert_int_equal(weir_out_pending(&f->out, 0).at[0], expected[at]);
            weir_out_sent(&f->out, &f->ledger, 1);
            const weir_tally *after = &f->owner.tally;
            assert_int_equal(after->head.sent - before.head.sent, runs[run].row == 'h');
            assert_int_equal(after->body.sent - before.body.sent, runs[run].row == 'b');
            assert_int_equal(after->framing.sent - before.framing.sent, runs[run].row == 'f');
            assert_int_equal(after->trailers.sent - before.trailers.sent, runs[run].row == 't');
        }
    }
    assert_int_equal(at, strlen(expected));
    assert_int_equal(weir_out_octets(&f->out), 0);
}

/* RFC 9112 s7.1: the size in hexadecimal */
static void h1_encode__writes_the_size_of_each_chunk(void **state)
{
    static const struct {
        size_t octets;
        const char *line;
    } cases[] = {{1, "1\r\n"},    {15, "f\r\n"},      {16, "10\r\n"},
                 {255, "ff\r\n"}, {4096, "1000\r\n"}, {20000, "4e20\r\n"}};
    fixture *f = *state;
    const request r = {.method = "POST", .url = "http://a/", .body = {WEIR_FRAMING_CHUNKED, 0}};
    static uint8_t content[20000];
    assert_true(encode(f, &r));
    send_all(f, SIZE_MAX);
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        weir_text_reset(&f->sent);
        assert_true(weir_h1_encode_body(&f->encode, (weir_span){content, cases[i].octets}));
        send_all(f, SIZE_MAX);
        size_t line = strlen(cases[i].line);
        assert_int_equal(f->sent.length, line + cases[i].octets + 2);
        assert_memory_equal(f->sent.at, cases[i].line, line);
        assert_memory_equal(f->sent.at + f->sent.length - 2, "\r\n", 2);
    }
}

/* What a call cannot queue whole it does not begin. */
static void write_all(weir_failalloc *failalloc, void *user)
{
    (void)user;
    fixture f;
    memset(&f, 0, sizeof(f));
    weir_bin_init(&f.bin, &failalloc->allocator, 0);
    weir_out_init(&f.out, &f.bin, 1 << 20);
    weir_ledger_init(&f.ledger, false, &f.ledger_annex);
    weir_ledger_open(&f.ledger, &f.owner, 1);
    weir_h1_encode_init(&f.encode, &f.out, &f.owner);
    static uint8_t content[40000];
    const request r = {.method = "POST", .url = "http://a/", .body = {WEIR_FRAMING_CHUNKED, 0}};
    size_t octets[] = {0, 56, 56 + 6 + 40000 + 2, 56 + 6 + 40000 + 2 + 5};
    size_t done = 0;
    if (encode(&f, &r)) {
        done++;
        if (weir_h1_encode_body(&f.encode, (weir_span){content, sizeof(content)})) {
            done++;
            done += weir_h1_encode_end(&f.encode, NULL);
        }
    }
    assert_int_equal(weir_out_octets(&f.out), octets[done]);
    assert_true(done == 3 || atomic_load(&failalloc->failures) > 0);
    weir_out_check(&f.out);
    weir_out_clear(&f.out);
    weir_bin_clear(&f.bin);
}

static void h1_encode__queues_all_or_nothing_without_memory(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(write_all, NULL) >= 3);
}

static void h1_encode__refuses_content_beyond_the_length(void **state)
{
    fixture *f = *state;
    const request r = {.method = "POST", .url = "http://a/", .body = {WEIR_FRAMING_LENGTH, 2}};
    assert_true(encode(f, &r));
    expect_assert_failure(weir_h1_encode_body(&f->encode, WEIR_SPAN("abc")));
    expect_assert_failure(weir_h1_encode_body(&f->encode, WEIR_SPAN("")));
    expect_assert_failure(weir_h1_encode_end(&f->encode, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(h1_encode__writes_origin_form_and_host),
        TEST(h1_encode__writes_the_port_in_host),
        TEST(h1_encode__writes_authority_form_for_connect),
        TEST(h1_encode__writes_asterisk_form_for_options),
        TEST(h1_encode__keeps_fields_in_order_behind_host),
        TEST(h1_encode__says_connection_te_beside_te),
        TEST(h1_encode__declares_the_length),
        TEST(h1_encode__declares_no_content_of_post),
        TEST(h1_encode__declares_nothing_for_delete),
        TEST(h1_encode__writes_long_heads_whole),
        TEST(h1_encode__puts_a_small_body_behind_its_head),
        TEST(h1_encode__tags_every_octet_of_a_chunked_request),
        TEST(h1_encode__writes_the_size_of_each_chunk),
        TEST(h1_encode__queues_all_or_nothing_without_memory),
        TEST(h1_encode__refuses_content_beyond_the_length),
    };
    return cmocka_run_group_tests_name("h1_encode", tests, NULL, NULL);
}
