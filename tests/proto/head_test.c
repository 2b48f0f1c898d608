/* SPDX-License-Identifier: MIT */
/*
 * The door for requests: methods, names and values, limits, memory; what passes, and each refusal.
 * Fields that have rules of their own are in head_rules_test.c.
 */
#include "head_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/octet.h"

static void head__is_a_get_without_fields_by_default(void **state)
{
    head_bench *f = *state;
    bench_assert_built(f, NULL, 0);
    bench_assert_span(f->head.method, "GET");
    bench_assert_span(f->head.authority, "example.com");
    bench_assert_span(f->head.path, "/path?query");
    assert_true(f->head.https);
    assert_true(f->head.idempotent);
    assert_false(f->head.is_head);
    assert_false(f->head.is_connect);
    assert_false(f->head.says_length);
    assert_false(f->head.expect_continue);
    assert_int_equal(f->head.body.framing, WEIR_FRAMING_NONE);
    /* What the caller did not say is not said: no User-Agent, no Accept. */
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
}

static void head__takes_scheme_authority_and_path_from_the_target_alone(void **state)
{
    head_bench *f = *state;
    bench_aim(f, "http://[FE80::1%25eth0]:8080?q");
    bench_assert_built(f, NULL, 0);
    assert_false(f->head.https);
    bench_assert_span(f->head.authority, "[fe80::1]:8080");
    bench_assert_span(f->head.path, "/?q");
}

static void head__owns_what_it_was_given(void **state)
{
    head_bench *f = *state;
    char method[] = "PURGE";
    char name[] = "name";
    char value[] = "value";
    f->parts.method = weir_span_of(method);
    weir_field field = {weir_span_of(name), weir_span_of(value), 0};
    bench_assert_built(f, &field, 1);
    memset(method, 'x', 5);
    memset(name, 'x', 4);
    memset(value, 'x', 5);
    memset(f->storage, 'x', sizeof(f->storage));
    bench_assert_span(f->head.method, "PURGE");
    bench_assert_span(f->head.authority, "example.com");
    bench_assert_span(f->head.path, "/path?query");
    bench_assert_field(&f->head.fields, 0, "name", "value", 0);
}

static void head__keeps_what_is_to_be_kept_and_copies_only_a_name_with_capitals(void **state)
{
    head_bench *f = *state;
    static const char lower[] = "accept";
    static const char upper[] = "Accept";
    static const char value[] = "  text/html  ";
    const weir_field fields[] = {
        {weir_span_of(lower), weir_span_of(value), WEIR_KEEP},
        {weir_span_of(upper), weir_span_of(value), WEIR_KEEP | WEIR_FIELD_SENSITIVE},
    };
    weir_field field;
    bench_assert_built(f, fields, 2);
    bench_assert_field(&f->head.fields, 0, "accept", "text/html", WEIR_KEEP);
    bench_assert_field(&f->head.fields, 1, "accept", "text/html", WEIR_KEEP | WEIR_FIELD_SENSITIVE);
    assert_true(weir_fields_at(&f->head.fields, 0, &field));
    assert_ptr_equal(field.name.at, lower);
    assert_ptr_equal(field.value.at, value + 2);
    assert_true(weir_fields_at(&f->head.fields, 1, &field));
    assert_ptr_not_equal(field.name.at, upper);
    assert_ptr_equal(field.value.at, value + 2);
}

/* Blocks of exactly the length, so that AddressSanitizer sees an octet too many. */
static void head__nothing_is_read_behind_a_field(void **state)
{
    head_bench *f = *state;
    uint8_t *name = malloc(2);
    uint8_t *value = malloc(2);
    assert_non_null(name);
    assert_non_null(value);
    memcpy(name, "ab", 2);
    memcpy(value, "  ", 2);
    weir_field field = {{name, 2}, {value, 2}, 0};
    bench_assert_built(f, &field, 1);
    field.flags = WEIR_KEEP;
    bench_assert_built(f, &field, 1);
    bench_assert_field(&f->head.fields, 0, "ab", "", WEIR_KEEP);
    free(name);
    free(value);
}

static void head__lowers_names_and_keeps_order_repeats_and_values(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("X-B"), WEIR_SPAN("Two"), 0},
        {WEIR_SPAN("x-a"), WEIR_SPAN(""), 0},
        {WEIR_SPAN("X-b"), WEIR_SPAN("tWO"), 0},
    };
    bench_assert_built(f, fields, 3);
    assert_int_equal(weir_fields_count(&f->head.fields), 3);
    bench_assert_field(&f->head.fields, 0, "x-b", "Two", 0);
    bench_assert_field(&f->head.fields, 1, "x-a", "", 0);
    bench_assert_field(&f->head.fields, 2, "x-b", "tWO", 0);
}

static void head__a_typical_one_is_two_allocations(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("Accept"), WEIR_SPAN("application/json"), 0},
        {WEIR_SPAN("User-Agent"), WEIR_SPAN("some-sdk/1.2.3 (Linux x86_64)"), 0},
        {WEIR_SPAN("Authorization"), WEIR_SPAN("Bearer 0123456789abcdef0123456789abcdef"), 0},
        {WEIR_SPAN("Content-Type"), WEIR_SPAN("application/json; charset=utf-8"), 0},
        {WEIR_SPAN("X-Request-Id"), WEIR_SPAN("6a2f41a3-c54c-fce8-32d2-0324e1c32e22"), 0},
    };
    bench_assert_built(f, fields, WEIR_COUNT_OF(fields));
    assert_int_equal(atomic_load(&f->failalloc.calls), 2);
}

static void head__the_method_is_a_token(void **state)
{
    head_bench *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t method[] = {'A', (uint8_t)i, 'B'};
        f->parts.method = (weir_span){method, 3};
        if (weir_octet_is((uint8_t)i, WEIR_OCTET_TOKEN)) {
            bench_assert_built(f, NULL, 0);
            assert_memory_equal(f->head.method.at, method, 3);
        } else {
            bench_assert_refused(f, NULL, 0, WEIR_E_METHOD, 1);
        }
    }
    f->parts.method = WEIR_SPAN("GET / HTTP/1.1\r\nX: y");
    bench_assert_refused(f, NULL, 0, WEIR_E_METHOD, 3);
}

static void head__methods_are_compared_with_regard_to_case(void **state)
{
    head_bench *f = *state;
    f->parts.method = WEIR_SPAN("get");
    bench_assert_built(f, NULL, 0);
    bench_assert_span(f->head.method, "get");
    assert_false(f->head.idempotent);
    f->parts.method = WEIR_SPAN("Head");
    bench_assert_built(f, NULL, 0);
    assert_false(f->head.is_head);
    f->parts.method = WEIR_SPAN("connect");
    bench_assert_built(f, NULL, 0);
    assert_false(f->head.is_connect);
}

static void head__knows_idempotent_methods_and_those_that_expect_content(void **state)
{
    head_bench *f = *state;
    static const struct {
        const char *method;
        bool idempotent;
        bool says_zero;
    } cases[] = {
        {"GET", true, false},      {"HEAD", true, false},  {"OPTIONS", true, false},
        {"TRACE", true, false},    {"PUT", true, true},    {"DELETE", true, false},
        {"POST", false, true},     {"PATCH", false, true}, {"PROPFIND", false, false},
        {"CONNECT", false, false},
    };
    bench_aim(f, "https://example.com");
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        f->parts.method = weir_span_of(cases[i].method);
        f->parts.body = (weir_body_framing){WEIR_FRAMING_NONE, 77};
        bench_assert_built(f, NULL, 0);
        assert_int_equal(f->head.idempotent, cases[i].idempotent);
        assert_int_equal(f->head.says_length, cases[i].says_zero);
        assert_int_equal(f->head.body.length_octets, 0);
        assert_int_equal(f->head.is_head, strcmp(cases[i].method, "HEAD") == 0);
        assert_int_equal(f->head.is_connect, strcmp(cases[i].method, "CONNECT") == 0);
    }
}

static void head__connect_has_no_path_and_always_a_port(void **state)
{
    head_bench *f = *state;
    f->parts.method = WEIR_SPAN("CONNECT");
    static const char *const cases[][2] = {
        {"https://example.com", "example.com:443"},
        {"http://example.com/", "example.com:80"},
        {"https://example.com:8443", "example.com:8443"},
        {"https://[::1]", "[::1]:443"},
        {"http://1.2.3.4", "1.2.3.4:80"},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        bench_aim(f, cases[i][0]);
        bench_assert_built(f, NULL, 0);
        assert_true(f->head.is_connect);
        bench_assert_span(f->head.authority, cases[i][1]);
        assert_int_equal(f->head.path.length, 0);
    }
    bench_aim(f, "https://example.com/path");
    bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
    bench_aim(f, "https://example.com?q");
    bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

static void head__the_longest_host_has_room(void **state)
{
    head_bench *f = *state;
    char url[300] = "https://";
    for (int i = 0; i < 25; i++) {
        strcat(url, "abcdefghi.");
    }
    strcat(url, "abc.:65535");
    bench_aim(f, url);
    f->parts.method = WEIR_SPAN("CONNECT");
    weir_field host = {WEIR_SPAN("Host"), weir_span_of(url + 8), 0};
    bench_assert_built(f, &host, 1);
    bench_assert_span(f->head.authority, url + 8);
    assert_int_equal(f->head.authority.length, 254 + 6);
}

static void head__connect_and_trace_have_no_content(void **state)
{
    head_bench *f = *state;
    static const weir_body_framing bodies[] = {
        {WEIR_FRAMING_LENGTH, 5}, {WEIR_FRAMING_LENGTH, 0}, {WEIR_FRAMING_CHUNKED, 0}};
    bench_aim(f, "https://example.com");
    for (size_t i = 0; i < WEIR_COUNT_OF(bodies); i++) {
        f->parts.body = bodies[i];
        f->parts.method = WEIR_SPAN("CONNECT");
        bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
        f->parts.method = WEIR_SPAN("TRACE");
        bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
        assert_string_equal(f->failure.what, "TRACE and CONNECT have no content");
    }
}

static void head__trace_sends_no_secret(void **state)
{
    head_bench *f = *state;
    f->parts.method = WEIR_SPAN("TRACE");
    bench_refuse_field(f, "Authorization", "Basic x", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "Proxy-Authorization", "Basic x", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_field(f, "Cookie", "a-long-enough-cookie=1234567890", WEIR_E_FIELD_FORBIDDEN);
    bench_refuse_one(f, (weir_field){WEIR_SPAN("x"), WEIR_SPAN("y"), WEIR_FIELD_SENSITIVE},
                     WEIR_E_FIELD_FORBIDDEN);
    bench_assert_built(f, ONE("Max-Forwards", "3"), 1);
}

static void head__only_options_has_the_target_star(void **state)
{
    head_bench *f = *state;
    weir_target_parts star = {WEIR_SPAN("http"), WEIR_SPAN("a"), 0, WEIR_SPAN("*")};
    assert_int_equal(
        weir_target_compose(&f->target, &star, f->storage, sizeof(f->storage), &f->failure),
        WEIR_OK);
    f->parts.method = WEIR_SPAN("OPTIONS");
    bench_assert_built(f, NULL, 0);
    bench_assert_span(f->head.path, "*");
    f->parts.method = WEIR_SPAN("GET");
    bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
    f->parts.method = WEIR_SPAN("CONNECT");
    bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

static void head__a_request_does_not_end_with_its_connection(void **state)
{
    head_bench *f = *state;
    f->parts.body.framing = WEIR_FRAMING_UNTIL_CLOSE;
    bench_assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

static void head__a_name_is_a_token(void **state)
{
    head_bench *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t name[] = {'a', (uint8_t)i, 'b'};
        weir_field field = {{name, 3}, WEIR_SPAN("v"), 0};
        if (weir_octet_is((uint8_t)i, WEIR_OCTET_TOKEN)) {
            bench_assert_built(f, &field, 1);
        } else {
            bench_refuse_one(f, field, WEIR_E_FIELD_NAME);
        }
    }
    bench_refuse_field(f, "", "v", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, ":path", "/", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, ":", "/", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, "name ", "v", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, "name:", "v", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, "a\r\nb", "v", WEIR_E_FIELD_NAME);
    bench_refuse_field(f, "\xc3\xa9", "v", WEIR_E_FIELD_NAME);
}

static void head__a_value_holds_no_control_octet_but_the_tab(void **state)
{
    head_bench *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t value[] = {'a', (uint8_t)i, 'b'};
        weir_field field = {WEIR_SPAN("n"), {value, 3}, 0};
        if (i == '\t' || (i >= ' ' && i != 0x7f)) {
            bench_assert_built(f, &field, 1);
            weir_span found;
            assert_true(weir_fields_find(&f->head.fields, WEIR_SPAN("n"), 0, &found));
            assert_memory_equal(found.at, value, 3);
        } else {
            bench_refuse_one(f, field, WEIR_E_FIELD_VALUE);
        }
    }
    bench_refuse_field(f, "n", "v\r\nX: y", WEIR_E_FIELD_VALUE);
    bench_refuse_field(f, "n", "v\n", WEIR_E_FIELD_VALUE);
    bench_refuse_field(f, "n", "\rv", WEIR_E_FIELD_VALUE);
    bench_refuse_field(f, "n", "v\r\n y", WEIR_E_FIELD_VALUE);
    bench_refuse_one(f, (weir_field){WEIR_SPAN("n"), {(const uint8_t *)"v\0", 2}, 0},
                     WEIR_E_FIELD_VALUE);
}

static void head__white_space_around_a_value_is_trimmed(void **state)
{
    head_bench *f = *state;
    bench_assert_built(f, ONE("n", " \t a \t b\t "), 1);
    bench_assert_field(&f->head.fields, 0, "n", "a \t b", 0);
    bench_assert_built(f, ONE("n", " \t "), 1);
    bench_assert_field(&f->head.fields, 0, "n", "", 0);
}

static void head__the_limit_counts_method_target_names_and_values(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {{WEIR_SPAN("name"), WEIR_SPAN(" value "), 0},
                                 {WEIR_SPAN("more"), WEIR_SPAN(""), 0}};
    size_t start = strlen("GET") + strlen("example.com") + strlen("/path?query");
    f->parts.limit_octets = start + 9 + 4;
    bench_assert_built(f, fields, 2);
    f->parts.limit_octets--;
    bench_assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, 1);
    f->parts.limit_octets = start + 8;
    bench_assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, 0);
    f->parts.limit_octets = start;
    bench_assert_built(f, fields, 0);
    f->parts.limit_octets = start - 1;
    bench_assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, NO_INDEX);
    f->parts.limit_octets = 1;
    bench_assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, NO_INDEX);
}

static void head__the_default_limit_is_65536_octets(void **state)
{
    head_bench *f = *state;
    static uint8_t value[65536];
    memset(value, 'v', sizeof(value));
    size_t start = strlen("GET") + strlen("example.com") + strlen("/path?query");
    weir_field field = {WEIR_SPAN("n"), {value, sizeof(value) - start - 1}, 0};
    bench_assert_built(f, &field, 1);
    field.value.length++;
    bench_assert_refused(f, &field, 1, WEIR_E_HEAD_LARGE, 0);
}

static void head__the_first_offence_is_the_one_that_is_told(void **state)
{
    head_bench *f = *state;
    const weir_field fields[] = {{WEIR_SPAN("a"), WEIR_SPAN("b\n"), 0},
                                 {WEIR_SPAN(""), WEIR_SPAN("b"), 0},
                                 {WEIR_SPAN("upgrade"), WEIR_SPAN("b"), 0}};
    bench_assert_refused(f, fields, 3, WEIR_E_FIELD_VALUE, 0);
    bench_assert_refused(f, fields + 1, 2, WEIR_E_FIELD_NAME, 0);
    f->parts.method = WEIR_SPAN(" ");
    bench_assert_refused(f, fields, 3, WEIR_E_METHOD, 0);
}

typedef struct big_request {
    weir_target target;
    weir_field fields[60];
    char names[60][16];
} big_request;

static void build_big(weir_failalloc *failalloc, void *user)
{
    const big_request *r = user;
    weir_head head;
    weir_failure failure = {.status = WEIR_OK};
    weir_head_parts parts = {
        .method = WEIR_SPAN("POST"),
        .target = &r->target,
        .fields = r->fields,
        .field_count = WEIR_COUNT_OF(r->fields),
        .body = {WEIR_FRAMING_CHUNKED, 0},
        .expect_continue = true,
    };
    weir_status status = weir_head_build(&head, &parts, &failalloc->allocator, &failure);
    if (atomic_load(&failalloc->failures) == 0) {
        assert_int_equal(status, WEIR_OK);
        assert_int_equal(weir_fields_count(&head.fields), 61);
    } else {
        assert_int_equal(status, WEIR_E_NOMEM);
        assert_int_equal(failure.status, WEIR_E_NOMEM);
        assert_int_equal(failure.processed, WEIR_NOT_SENT);
        assert_int_equal(failure.phase, WEIR_PHASE_SUBMIT);
        assert_int_equal(weir_fields_count(&head.fields), 0);
        assert_int_equal(atomic_load(&failalloc->live), 0);
    }
    weir_head_clear(&head);
}

static void build_big_trailers(weir_failalloc *failalloc, void *user)
{
    const big_request *r = user;
    weir_fields trailers;
    weir_failure failure = {.status = WEIR_OK};
    weir_status status = weir_trailers_build(&trailers, r->fields, WEIR_COUNT_OF(r->fields),
                                             &failalloc->allocator, &failure);
    assert_int_equal(status, atomic_load(&failalloc->failures) ? WEIR_E_NOMEM : WEIR_OK);
    assert_int_equal(weir_fields_count(&trailers), status ? 0 : WEIR_COUNT_OF(r->fields));
    weir_fields_clear(&trailers);
}

static void head__survives_the_failure_of_every_allocation(void **state)
{
    head_bench *f = *state;
    big_request *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->target = f->target;
    for (size_t i = 0; i < WEIR_COUNT_OF(r->fields); i++) {
        snprintf(r->names[i], sizeof(r->names[i]), "X-Name-%zu", i);
        r->fields[i] = (weir_field){weir_span_of(r->names[i]),
                                    WEIR_SPAN("a value that takes its place in the arena"),
                                    i % 3 == 0 ? WEIR_KEEP : 0};
    }
    assert_true(weir_failalloc_every(build_big, r) >= 5);
    assert_true(weir_failalloc_every(build_big_trailers, r) >= 5);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(head__is_a_get_without_fields_by_default),
        TEST(head__takes_scheme_authority_and_path_from_the_target_alone),
        TEST(head__owns_what_it_was_given),
        TEST(head__keeps_what_is_to_be_kept_and_copies_only_a_name_with_capitals),
        TEST(head__nothing_is_read_behind_a_field),
        TEST(head__lowers_names_and_keeps_order_repeats_and_values),
        TEST(head__a_typical_one_is_two_allocations),
        TEST(head__the_method_is_a_token),
        TEST(head__methods_are_compared_with_regard_to_case),
        TEST(head__knows_idempotent_methods_and_those_that_expect_content),
        TEST(head__connect_has_no_path_and_always_a_port),
        TEST(head__the_longest_host_has_room),
        TEST(head__connect_and_trace_have_no_content),
        TEST(head__trace_sends_no_secret),
        TEST(head__only_options_has_the_target_star),
        TEST(head__a_request_does_not_end_with_its_connection),
        TEST(head__a_name_is_a_token),
        TEST(head__a_value_holds_no_control_octet_but_the_tab),
        TEST(head__white_space_around_a_value_is_trimmed),
        TEST(head__the_limit_counts_method_target_names_and_values),
        TEST(head__the_default_limit_is_65536_octets),
        TEST(head__the_first_offence_is_the_one_that_is_told),
        TEST(head__survives_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
