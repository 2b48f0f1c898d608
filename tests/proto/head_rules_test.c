/* SPDX-License-Identifier: MIT */
/*
 * Fields of a request head that have rules of their own (RFC 9110): those of the connection, TE,
 * Host, Content-Length, Expect, secrets; and trailers.
 */
#include "head_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proto/octet.h"

static void head__fields_of_the_connection_are_refused(void **state)
{
    head_bench *f = *state;
    static const char *const names[] = {
        "connection",       "Connection",       "KEEP-ALIVE",        "Keep-Alive",
        "proxy-connection", "Proxy-Connection", "transfer-encoding", "Transfer-Encoding",
        "upgrade",          "Upgrade",          "http2-settings",    "HTTP2-Settings"};
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        bench_refuse_field(f, names[i], "close", WEIR_E_FIELD_FORBIDDEN);
        bench_refuse_field(f, names[i], "", WEIR_E_FIELD_FORBIDDEN);
        f->parts.body.framing = WEIR_FRAMING_CHUNKED;
        bench_refuse_field(f, names[i], "chunked", WEIR_E_FIELD_FORBIDDEN);
        f->parts.body.framing = WEIR_FRAMING_NONE;
    }
}

static void head__names_that_only_look_forbidden_pass(void **state)
{
    head_bench *f = *state;
    bench_assert_built(f, ONE("Connection-", "x"), 1);
    bench_assert_built(f, ONE("X-Transfer-Encoding", "x"), 1);
    bench_assert_built(f, ONE("Upgrade-Insecure-Requests", "1"), 1);
    bench_assert_built(f, ONE("Content-Lengths", "1"), 1);
    bench_assert_built(f, ONE("hosts", "x"), 1);
    bench_assert_built(f, ONE("Trailer", "x-sum"), 1);
    bench_assert_field(&f->head.fields, 0, "trailer", "x-sum", 0);
}

static void head__te_may_say_trailers_only(void **state)
{
    head_bench *f = *state;
    bench_assert_built(f, ONE("TE", " Trailers"), 1);
    bench_assert_field(&f->head.fields, 0, "te", "Trailers", 0);
    bench_refuse_field(f, "TE", "gzip", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "te", "trailers, gzip", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "te", "trailers;q=1", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "te", "", WEIR_E_FIELD_FORBIDDEN);
}

static void head__a_host_equal_to_the_authority_is_dropped(void **state)
{
    head_bench *f = *state;
    static const char *const cases[][2] = {
        {"https://example.com/", "example.com"},
        {"https://example.com/", "EXAMPLE.com"},
        {"https://example.com/", " example.com\t"},
        {"https://example.com/", "example.com:443"},
        {"https://example.com:443/", "example.com"},
        {"http://example.com/", "example.com:80"},
        {"https://example.com:8443/", "example.com:8443"},
        {"http://[::A]/", "[::a]"},
        {"http://[::A]/", "[::a]:80"},
        {"http://[fe80::1%25eth0]/", "[fe80::1]"},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        bench_aim(f, cases[i][0]);
        weir_field host = {WEIR_SPAN("Host"), weir_span_of(cases[i][1]), 0};
        bench_assert_built(f, &host, 1);
        assert_int_equal(weir_fields_count(&f->head.fields), 0);
    }
}

static void head__a_host_that_differs_from_the_authority_is_refused(void **state)
{
    head_bench *f = *state;
    static const char *const cases[][2] = {
        {"https://example.com/", ""},
        {"https://example.com/", "example.org"},
        {"https://example.com/", "example.com."},
        {"https://example.com/", "example.com:"},
        {"https://example.com/", "example.com:80"},
        {"https://example.com/", "example.com:8443"},
        {"https://example.com:8443/", "example.com"},
        {"https://example.com:8443/", "example.com:8443:443"},
        {"https://example.com/", "example.com, example.com"},
        {"https://example.com/", "user@example.com"},
        {"http://[::1]/", "::1"},
        {"http://[fe80::1%25eth0]/", "[fe80::1%25eth0]"},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        bench_aim(f, cases[i][0]);
        bench_refuse_field(f, "Host", cases[i][1], WEIR_E_FIELD_HOST);
    }
}

static void head__a_second_host_is_refused_even_if_it_is_the_same(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("Host"), WEIR_SPAN("example.com"), 0},
        {WEIR_SPAN("a"), WEIR_SPAN("b"), 0},
        {WEIR_SPAN("hOST"), WEIR_SPAN("example.com"), 0},
    };
    bench_assert_refused(f, fields, 3, WEIR_E_FIELD_HOST, 2);
    assert_string_equal(f->failure.what, "Host is given twice");
}

static void set_body(head_bench *f, weir_framing framing, uint64_t length_octets)
{
    f->parts.body = (weir_body_framing){framing, length_octets};
}

static void head__a_content_length_equal_to_the_body_is_dropped(void **state)
{
    head_bench *f = *state;
    set_body(f, WEIR_FRAMING_LENGTH, 5);
    bench_assert_built(f, ONE("Content-Length", " 5 "), 1);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    assert_true(f->head.says_length);
    assert_int_equal(f->head.body.length_octets, 5);
    bench_assert_built(f, ONE("content-length", "0000000000000000000000000000005"), 1);
    const weir_field twice[] = {{WEIR_SPAN("Content-Length"), WEIR_SPAN("5"), 0},
                                {WEIR_SPAN("content-length"), WEIR_SPAN("5"), 0}};
    bench_assert_built(f, twice, 2);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    set_body(f, WEIR_FRAMING_LENGTH, UINT64_MAX);
    bench_assert_built(f, ONE("Content-Length", "18446744073709551615"), 1);
}

static void head__a_content_length_that_contradicts_the_body_is_refused(void **state)
{
    head_bench *f = *state;
    static const char *const values[] = {"4",
                                         "6",
                                         "",
                                         "-5",
                                         "+5",
                                         "0x5",
                                         "5.0",
                                         "5, 5",
                                         "5 5",
                                         "five",
                                         "5a",
                                         "55555555555555555555",
                                         "18446744073709551621" /* 5 modulo 2^64 */};
    set_body(f, WEIR_FRAMING_LENGTH, 5);
    for (size_t i = 0; i < WEIR_COUNT_OF(values); i++) {
        bench_refuse_field(f, "Content-Length", values[i], WEIR_E_FIELD_LENGTH);
    }
    const weir_field twice[] = {{WEIR_SPAN("content-length"), WEIR_SPAN("5"), 0},
                                {WEIR_SPAN("content-length"), WEIR_SPAN("6"), 0}};
    bench_assert_refused(f, twice, 2, WEIR_E_FIELD_LENGTH, 1);
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    bench_refuse_field(f, "Content-Length", "1", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_LENGTH, UINT64_MAX);
    bench_refuse_field(f, "Content-Length", "18446744073709551616", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    bench_refuse_field(f, "Content-Length", "", WEIR_E_FIELD_LENGTH);
    bench_refuse_field(f, "Content-Length", "+0", WEIR_E_FIELD_LENGTH);
    bench_refuse_field(f, "Content-Length", "18446744073709551616", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_CHUNKED, 0);
    bench_refuse_field(f, "Content-Length", "0", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_NONE, 5);
    bench_refuse_field(f, "Content-Length", "5", WEIR_E_FIELD_LENGTH);
}

static void head__says_length_when_it_should_be_written(void **state)
{
    head_bench *f = *state;
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    bench_assert_built(f, NULL, 0);
    assert_true(f->head.says_length);
    set_body(f, WEIR_FRAMING_CHUNKED, 9);
    f->parts.method = WEIR_SPAN("POST");
    bench_assert_built(f, NULL, 0);
    assert_false(f->head.says_length);
    assert_int_equal(f->head.body.length_octets, 0);
    /* Said by the caller, though GET and DELETE lead nobody to expect content. */
    set_body(f, WEIR_FRAMING_NONE, 0);
    f->parts.method = WEIR_SPAN("DELETE");
    bench_assert_built(f, ONE("Content-Length", "0"), 1);
    assert_true(f->head.says_length);
    bench_aim(f, "https://example.com");
    f->parts.method = WEIR_SPAN("CONNECT");
    bench_assert_built(f, ONE("Content-Length", "0"), 1);
    assert_false(f->head.says_length);
}

static void head__expect_is_a_field_once_by_flag_or_by_field(void **state)
{
    head_bench *f = *state;
    const weir_field twice[] = {{WEIR_SPAN("EXPECT"), WEIR_SPAN("100-Continue"), 0},
                                {WEIR_SPAN("a"), WEIR_SPAN("b"), 0},
                                {WEIR_SPAN("expect"), WEIR_SPAN("100-continue"), 0}};
    set_body(f, WEIR_FRAMING_CHUNKED, 0);
    for (int flag = 0; flag < 2; flag++) {
        f->parts.expect_continue = flag;
        bench_assert_built(f, twice, 3);
        assert_true(f->head.expect_continue);
        assert_int_equal(weir_fields_count(&f->head.fields), 2);
        bench_assert_field(&f->head.fields, 1, "expect", "100-continue", WEIR_KEEP);
    }
    set_body(f, WEIR_FRAMING_LENGTH, 1);
    bench_assert_built(f, NULL, 0);
    assert_true(f->head.expect_continue);
    bench_assert_field(&f->head.fields, 0, "expect", "100-continue", WEIR_KEEP);
}

static void head__expect_without_content_is_no_wish_and_a_wrong_field(void **state)
{
    head_bench *f = *state;
    f->parts.expect_continue = true;
    for (int i = 0; i < 2; i++) {
        set_body(f, i ? WEIR_FRAMING_LENGTH : WEIR_FRAMING_NONE, 0);
        bench_assert_built(f, NULL, 0);
        assert_false(f->head.expect_continue);
        assert_int_equal(weir_fields_count(&f->head.fields), 0);
        bench_refuse_field(f, "Expect", "100-continue", WEIR_E_FIELD_FORBIDDEN);
    }
    set_body(f, WEIR_FRAMING_LENGTH, 1);
    bench_refuse_field(f, "Expect", "200-ok", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "Expect", "", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "Expect", "100-continue, x", WEIR_E_FIELD_FORBIDDEN);
}

static void head__secrets_are_marked(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("Authorization"), WEIR_SPAN("Bearer x"), 0},
        {WEIR_SPAN("proxy-authorization"), WEIR_SPAN("Basic x"), 0},
        {WEIR_SPAN("Cookie"), WEIR_SPAN("1234567890123456789"), 0},
        {WEIR_SPAN("Cookie"), WEIR_SPAN("12345678901234567890"), 0},
        {WEIR_SPAN("Cookie"), WEIR_SPAN(" 1234567890123456789 "), 0},
        {WEIR_SPAN("x-key"), WEIR_SPAN("k"), WEIR_FIELD_SENSITIVE},
        {WEIR_SPAN("x-open"), WEIR_SPAN("o"), 0},
        {WEIR_SPAN("x-odd"), WEIR_SPAN("o"), 0xfffffffc},
    };
    bench_assert_built(f, fields, WEIR_COUNT_OF(fields));
    bench_assert_field(&f->head.fields, 0, "authorization", "Bearer x", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&f->head.fields, 1, "proxy-authorization", "Basic x", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&f->head.fields, 2, "cookie", "1234567890123456789", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&f->head.fields, 3, "cookie", "12345678901234567890", 0);
    bench_assert_field(&f->head.fields, 4, "cookie", "1234567890123456789", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&f->head.fields, 5, "x-key", "k", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&f->head.fields, 6, "x-open", "o", 0);
    bench_assert_field(&f->head.fields, 7, "x-odd", "o", 0);
}

static weir_status build_trailers(head_bench *f, const weir_field *fields, size_t count,
                                  weir_fields *trailers)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    return weir_trailers_build(trailers, fields, count, &f->failalloc.allocator, &f->failure);
}

static void refuse_trailer(head_bench *f, weir_field field, weir_status expected)
{
    const weir_field fields[] = {{WEIR_SPAN("x-sum"), WEIR_SPAN("1"), 0}, field};
    weir_fields trailers;
    weir_status status = build_trailers(f, fields, 2, &trailers);
    if (status != expected) {
        fail_msg("%.*s: %s, expected %s", (int)field.name.length, (const char *)field.name.at,
                 weir_status_name(status), weir_status_name(expected));
    }
    assert_int_equal(f->failure.status, expected);
    assert_int_equal(f->failure.phase, WEIR_PHASE_SEND);
    assert_int_equal(f->failure.offset, 1);
    assert_int_equal(weir_fields_count(&trailers), 0);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
}

static void trailers__pass_checked_lowered_and_trimmed(void **state)
{
    head_bench *f = *state;
    weir_fields trailers;
    const weir_field fields[] = {{WEIR_SPAN("Grpc-Status"), WEIR_SPAN(" 0 "), 0},
                                 {WEIR_SPAN("ETag"), WEIR_SPAN("\"x\""), WEIR_FIELD_SENSITIVE},
                                 {WEIR_SPAN("Digest"), WEIR_SPAN("y"), 0}};
    assert_int_equal(build_trailers(f, fields, 3, &trailers), WEIR_OK);
    assert_int_equal(weir_fields_count(&trailers), 3);
    bench_assert_field(&trailers, 0, "grpc-status", "0", 0);
    bench_assert_field(&trailers, 1, "etag", "\"x\"", WEIR_FIELD_SENSITIVE);
    bench_assert_field(&trailers, 2, "digest", "y", 0);
    weir_fields_clear(&trailers);
    assert_int_equal(build_trailers(f, NULL, 0, &trailers), WEIR_OK);
    weir_fields_clear(&trailers);
}

static void trailers__with_bad_names_or_values_are_refused(void **state)
{
    head_bench *f = *state;
    refuse_trailer(f, (weir_field){WEIR_SPAN(""), WEIR_SPAN("v"), 0}, WEIR_E_FIELD_NAME);
    refuse_trailer(f, (weir_field){WEIR_SPAN(":status"), WEIR_SPAN("v"), 0}, WEIR_E_FIELD_NAME);
    refuse_trailer(f, (weir_field){WEIR_SPAN("n"), WEIR_SPAN("v\r\nx: y"), 0}, WEIR_E_FIELD_VALUE);
}

static void trailers__that_come_too_late_are_refused(void **state)
{
    head_bench *f = *state;
    static const char *const names[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Connection",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "HTTP2-Settings",
                                        "TE",
                                        "Content-Length",
                                        "Trailer",
                                        "Host",
                                        "Max-Forwards",
                                        "Expect",
                                        "Cache-Control",
                                        "Pragma",
                                        "Range",
                                        "If-Match",
                                        "If-None-Match",
                                        "If-Modified-Since",
                                        "If-Unmodified-Since",
                                        "If-Range",
                                        "Authorization",
                                        "Proxy-Authorization",
                                        "Cookie",
                                        "Set-Cookie",
                                        "WWW-Authenticate",
                                        "Proxy-Authenticate",
                                        "Content-Encoding",
                                        "Content-Type",
                                        "Content-Range"};
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        weir_field field = {weir_span_of(names[i]), WEIR_SPAN("trailers"), 0};
        refuse_trailer(f, field, WEIR_E_TRAILER);
    }
}

static void trailers__are_limited_to_65536_octets(void **state)
{
    head_bench *f = *state;
    static uint8_t value[65536];
    weir_fields trailers;
    memset(value, 'v', sizeof(value));
    weir_field field = {WEIR_SPAN("n"), {value, sizeof(value) - 1}, 0};
    assert_int_equal(build_trailers(f, &field, 1, &trailers), WEIR_OK);
    weir_fields_clear(&trailers);
    field.value.length = sizeof(value) - 6;
    refuse_trailer(f, field, WEIR_E_TRAILER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(head__fields_of_the_connection_are_refused),
        TEST(head__names_that_only_look_forbidden_pass),
        TEST(head__te_may_say_trailers_only),
        TEST(head__a_host_equal_to_the_authority_is_dropped),
        TEST(head__a_host_that_differs_from_the_authority_is_refused),
        TEST(head__a_second_host_is_refused_even_if_it_is_the_same),
        TEST(head__a_content_length_equal_to_the_body_is_dropped),
        TEST(head__a_content_length_that_contradicts_the_body_is_refused),
        TEST(head__says_length_when_it_should_be_written),
        TEST(head__expect_is_a_field_once_by_flag_or_by_field),
        TEST(head__expect_without_content_is_no_wish_and_a_wrong_field),
        TEST(head__secrets_are_marked),
        TEST(trailers__pass_checked_lowered_and_trimmed),
        TEST(trailers__with_bad_names_or_values_are_refused),
        TEST(trailers__that_come_too_late_are_refused),
        TEST(trailers__are_limited_to_65536_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
