/* SPDX-License-Identifier: MIT */
/*
 * The door for requests: what passes, and each refusal.
 */
#include "proto/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/octet.h"
#include "support/failalloc.h"

#define NO_INDEX         WEIR_UNKNOWN
#define ONE(name, value) ((weir_field[]){{WEIR_SPAN(name), WEIR_SPAN(value), 0}})

typedef struct fixture {
    weir_failalloc failalloc;
    weir_target target;
    uint8_t storage[400];
    weir_head head;
    weir_head_parts parts;
    weir_failure failure;
} fixture;

static void aim(fixture *f, const char *url)
{
    assert_int_equal(weir_target_parse(&f->target, weir_span_of(url), f->storage,
                                       sizeof(f->storage), &f->failure),
                     WEIR_OK);
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    aim(f, "https://example.com/path?query");
    f->parts.target = &f->target;
    weir_fields_init(&f->head.fields, &f->failalloc.allocator);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_head_clear(&f->head);
    weir_head_clear(&f->head);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static void assert_span(weir_span span, const char *text)
{
    if (!weir_span_equal(span, weir_span_of(text))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)span.length, (const char *)span.at, text);
    }
}

static void assert_field(const weir_fields *fields, size_t i, const char *name, const char *value,
                         uint32_t flags)
{
    weir_field field;
    assert_true(weir_fields_at(fields, i, &field));
    assert_span(field.name, name);
    assert_span(field.value, value);
    assert_int_equal(field.flags, flags);
}

static weir_status build(fixture *f, const weir_field *fields, size_t count)
{
    weir_head_clear(&f->head);
    f->parts.fields = fields;
    f->parts.field_count = count;
    memset(&f->head, 0xa5, sizeof(f->head));
    return weir_head_build(&f->head, &f->parts, &f->failalloc.allocator, &f->failure);
}

static void assert_built(fixture *f, const weir_field *fields, size_t count)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    weir_status status = build(f, fields, count);
    if (status != WEIR_OK) {
        fail_msg("%s: %s", weir_status_name(status), f->failure.what ? f->failure.what : "");
    }
}

/* Refused, with nothing left, and index names the field. */
static void assert_refused(fixture *f, const weir_field *fields, size_t count, weir_status expected,
                           uint64_t index)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    weir_status status = build(f, fields, count);
    if (status != expected) {
        fail_msg("%s, expected %s", weir_status_name(status), weir_status_name(expected));
    }
    assert_int_equal(f->failure.status, expected);
    assert_int_equal(f->failure.phase, WEIR_PHASE_SUBMIT);
    assert_int_equal(f->failure.processed, WEIR_NOT_SENT);
    assert_int_equal(f->failure.tls_alert, -1);
    assert_int_equal(f->failure.offset, index);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    assert_int_equal(f->head.method.length, 0);
    assert_int_equal(f->head.path.length, 0);
    assert_false(f->head.https);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
}

static void refuse_one(fixture *f, weir_field field, weir_status expected)
{
    const weir_field fields[] = {{WEIR_SPAN("accept"), WEIR_SPAN("*/*"), 0}, field};
    assert_refused(f, fields, 2, expected, 1);
}

static void refuse_field(fixture *f, const char *name, const char *value, weir_status expected)
{
    refuse_one(f, (weir_field){weir_span_of(name), weir_span_of(value), 0}, expected);
}

static void head__is_a_get_without_fields_by_default(void **state)
{
    fixture *f = *state;
    assert_built(f, NULL, 0);
    assert_span(f->head.method, "GET");
    assert_span(f->head.authority, "example.com");
    assert_span(f->head.path, "/path?query");
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
    fixture *f = *state;
    aim(f, "http://[FE80::1%25eth0]:8080?q");
    assert_built(f, NULL, 0);
    assert_false(f->head.https);
    assert_span(f->head.authority, "[fe80::1]:8080");
    assert_span(f->head.path, "/?q");
}

static void head__owns_what_it_was_given(void **state)
{
    fixture *f = *state;
    char method[] = "PURGE";
    char name[] = "name";
    char value[] = "value";
    f->parts.method = weir_span_of(method);
    weir_field field = {weir_span_of(name), weir_span_of(value), 0};
    assert_built(f, &field, 1);
    memset(method, 'x', 5);
    memset(name, 'x', 4);
    memset(value, 'x', 5);
    memset(f->storage, 'x', sizeof(f->storage));
    assert_span(f->head.method, "PURGE");
    assert_span(f->head.authority, "example.com");
    assert_span(f->head.path, "/path?query");
    assert_field(&f->head.fields, 0, "name", "value", 0);
}

static void head__keeps_what_is_to_be_kept_and_copies_only_a_name_with_capitals(void **state)
{
    fixture *f = *state;
    static const char lower[] = "accept";
    static const char upper[] = "Accept";
    static const char value[] = "  text/html  ";
    const weir_field fields[] = {
        {weir_span_of(lower), weir_span_of(value), WEIR_KEEP},
        {weir_span_of(upper), weir_span_of(value), WEIR_KEEP | WEIR_FIELD_SENSITIVE},
    };
    weir_field field;
    assert_built(f, fields, 2);
    assert_field(&f->head.fields, 0, "accept", "text/html", WEIR_KEEP);
    assert_field(&f->head.fields, 1, "accept", "text/html", WEIR_KEEP | WEIR_FIELD_SENSITIVE);
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
    fixture *f = *state;
    uint8_t *name = malloc(2);
    uint8_t *value = malloc(2);
    assert_non_null(name);
    assert_non_null(value);
    memcpy(name, "ab", 2);
    memcpy(value, "  ", 2);
    weir_field field = {{name, 2}, {value, 2}, 0};
    assert_built(f, &field, 1);
    field.flags = WEIR_KEEP;
    assert_built(f, &field, 1);
    assert_field(&f->head.fields, 0, "ab", "", WEIR_KEEP);
    free(name);
    free(value);
}

static void head__lowers_names_and_keeps_order_repeats_and_values(void **state)
{
    fixture *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("X-B"), WEIR_SPAN("Two"), 0},
        {WEIR_SPAN("x-a"), WEIR_SPAN(""), 0},
        {WEIR_SPAN("X-b"), WEIR_SPAN("tWO"), 0},
    };
    assert_built(f, fields, 3);
    assert_int_equal(weir_fields_count(&f->head.fields), 3);
    assert_field(&f->head.fields, 0, "x-b", "Two", 0);
    assert_field(&f->head.fields, 1, "x-a", "", 0);
    assert_field(&f->head.fields, 2, "x-b", "tWO", 0);
}

static void head__a_typical_one_is_two_allocations(void **state)
{
    fixture *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("Accept"), WEIR_SPAN("application/json"), 0},
        {WEIR_SPAN("User-Agent"), WEIR_SPAN("some-sdk/1.2.3 (Linux x86_64)"), 0},
        {WEIR_SPAN("Authorization"), WEIR_SPAN("Bearer 0123456789abcdef0123456789abcdef"), 0},
        {WEIR_SPAN("Content-Type"), WEIR_SPAN("application/json; charset=utf-8"), 0},
        {WEIR_SPAN("X-Request-Id"), WEIR_SPAN("6a2f41a3-c54c-fce8-32d2-0324e1c32e22"), 0},
    };
    assert_built(f, fields, WEIR_COUNT_OF(fields));
    assert_int_equal(atomic_load(&f->failalloc.calls), 2);
}

/* --- the method --- */

static void head__the_method_is_a_token(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t method[] = {'A', (uint8_t)i, 'B'};
        f->parts.method = (weir_span){method, 3};
        if (weir_octet_is((uint8_t)i, WEIR_OCTET_TOKEN)) {
            assert_built(f, NULL, 0);
            assert_memory_equal(f->head.method.at, method, 3);
        } else {
            assert_refused(f, NULL, 0, WEIR_E_METHOD, 1);
        }
    }
    f->parts.method = WEIR_SPAN("GET / HTTP/1.1\r\nX: y");
    assert_refused(f, NULL, 0, WEIR_E_METHOD, 3);
}

static void head__methods_are_compared_with_regard_to_case(void **state)
{
    fixture *f = *state;
    f->parts.method = WEIR_SPAN("get");
    assert_built(f, NULL, 0);
    assert_span(f->head.method, "get");
    assert_false(f->head.idempotent);
    f->parts.method = WEIR_SPAN("Head");
    assert_built(f, NULL, 0);
    assert_false(f->head.is_head);
    f->parts.method = WEIR_SPAN("connect");
    assert_built(f, NULL, 0);
    assert_false(f->head.is_connect);
}

static void head__knows_idempotent_methods_and_those_that_expect_content(void **state)
{
    fixture *f = *state;
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
    aim(f, "https://example.com");
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        f->parts.method = weir_span_of(cases[i].method);
        f->parts.body = (weir_body_framing){WEIR_FRAMING_NONE, 77};
        assert_built(f, NULL, 0);
        assert_int_equal(f->head.idempotent, cases[i].idempotent);
        assert_int_equal(f->head.says_length, cases[i].says_zero);
        assert_int_equal(f->head.body.length_octets, 0);
        assert_int_equal(f->head.is_head, strcmp(cases[i].method, "HEAD") == 0);
        assert_int_equal(f->head.is_connect, strcmp(cases[i].method, "CONNECT") == 0);
    }
}

static void head__connect_has_no_path_and_always_a_port(void **state)
{
    fixture *f = *state;
    f->parts.method = WEIR_SPAN("CONNECT");
    static const char *const cases[][2] = {
        {"https://example.com", "example.com:443"},
        {"http://example.com/", "example.com:80"},
        {"https://example.com:8443", "example.com:8443"},
        {"https://[::1]", "[::1]:443"},
        {"http://1.2.3.4", "1.2.3.4:80"},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        aim(f, cases[i][0]);
        assert_built(f, NULL, 0);
        assert_true(f->head.is_connect);
        assert_span(f->head.authority, cases[i][1]);
        assert_int_equal(f->head.path.length, 0);
    }
    aim(f, "https://example.com/path");
    assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
    aim(f, "https://example.com?q");
    assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

static void head__the_longest_host_has_room(void **state)
{
    fixture *f = *state;
    char url[300] = "https://";
    for (int i = 0; i < 25; i++) {
        strcat(url, "abcdefghi.");
    }
    strcat(url, "abc.:65535");
    aim(f, url);
    f->parts.method = WEIR_SPAN("CONNECT");
    weir_field host = {WEIR_SPAN("Host"), weir_span_of(url + 8), 0};
    assert_built(f, &host, 1);
    assert_span(f->head.authority, url + 8);
    assert_int_equal(f->head.authority.length, 254 + 6);
}

static void head__connect_and_trace_have_no_content(void **state)
{
    fixture *f = *state;
    static const weir_body_framing bodies[] = {
        {WEIR_FRAMING_LENGTH, 5}, {WEIR_FRAMING_LENGTH, 0}, {WEIR_FRAMING_CHUNKED, 0}};
    aim(f, "https://example.com");
    for (size_t i = 0; i < WEIR_COUNT_OF(bodies); i++) {
        f->parts.body = bodies[i];
        f->parts.method = WEIR_SPAN("CONNECT");
        assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
        f->parts.method = WEIR_SPAN("TRACE");
        assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
        assert_string_equal(f->failure.what, "TRACE and CONNECT have no content");
    }
}

static void head__trace_sends_no_secret(void **state)
{
    fixture *f = *state;
    f->parts.method = WEIR_SPAN("TRACE");
    refuse_field(f, "Authorization", "Basic x", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "Proxy-Authorization", "Basic x", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "Cookie", "a-long-enough-cookie=1234567890", WEIR_E_FIELD_FORBIDDEN);
    refuse_one(f, (weir_field){WEIR_SPAN("x"), WEIR_SPAN("y"), WEIR_FIELD_SENSITIVE},
               WEIR_E_FIELD_FORBIDDEN);
    assert_built(f, ONE("Max-Forwards", "3"), 1);
}

static void head__only_options_has_the_target_star(void **state)
{
    fixture *f = *state;
    weir_target_parts star = {WEIR_SPAN("http"), WEIR_SPAN("a"), 0, WEIR_SPAN("*")};
    assert_int_equal(
        weir_target_compose(&f->target, &star, f->storage, sizeof(f->storage), &f->failure),
        WEIR_OK);
    f->parts.method = WEIR_SPAN("OPTIONS");
    assert_built(f, NULL, 0);
    assert_span(f->head.path, "*");
    f->parts.method = WEIR_SPAN("GET");
    assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
    f->parts.method = WEIR_SPAN("CONNECT");
    assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

static void head__a_request_does_not_end_with_its_connection(void **state)
{
    fixture *f = *state;
    f->parts.body.framing = WEIR_FRAMING_UNTIL_CLOSE;
    assert_refused(f, NULL, 0, WEIR_E_INVALID, NO_INDEX);
}

/* --- names and values --- */

static void head__a_name_is_a_token(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t name[] = {'a', (uint8_t)i, 'b'};
        weir_field field = {{name, 3}, WEIR_SPAN("v"), 0};
        if (weir_octet_is((uint8_t)i, WEIR_OCTET_TOKEN)) {
            assert_built(f, &field, 1);
        } else {
            refuse_one(f, field, WEIR_E_FIELD_NAME);
        }
    }
    refuse_field(f, "", "v", WEIR_E_FIELD_NAME);
    refuse_field(f, ":path", "/", WEIR_E_FIELD_NAME);
    refuse_field(f, ":", "/", WEIR_E_FIELD_NAME);
    refuse_field(f, "name ", "v", WEIR_E_FIELD_NAME);
    refuse_field(f, "name:", "v", WEIR_E_FIELD_NAME);
    refuse_field(f, "a\r\nb", "v", WEIR_E_FIELD_NAME);
    refuse_field(f, "\xc3\xa9", "v", WEIR_E_FIELD_NAME);
}

static void head__a_value_holds_no_control_octet_but_the_tab(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 256; i++) {
        uint8_t value[] = {'a', (uint8_t)i, 'b'};
        weir_field field = {WEIR_SPAN("n"), {value, 3}, 0};
        if (i == '\t' || (i >= ' ' && i != 0x7f)) {
            assert_built(f, &field, 1);
            weir_span found;
            assert_true(weir_fields_find(&f->head.fields, WEIR_SPAN("n"), 0, &found));
            assert_memory_equal(found.at, value, 3);
        } else {
            refuse_one(f, field, WEIR_E_FIELD_VALUE);
        }
    }
    refuse_field(f, "n", "v\r\nX: y", WEIR_E_FIELD_VALUE);
    refuse_field(f, "n", "v\n", WEIR_E_FIELD_VALUE);
    refuse_field(f, "n", "\rv", WEIR_E_FIELD_VALUE);
    refuse_field(f, "n", "v\r\n y", WEIR_E_FIELD_VALUE);
    refuse_one(f, (weir_field){WEIR_SPAN("n"), {(const uint8_t *)"v\0", 2}, 0}, WEIR_E_FIELD_VALUE);
}

static void head__white_space_around_a_value_is_trimmed(void **state)
{
    fixture *f = *state;
    assert_built(f, ONE("n", " \t a \t b\t "), 1);
    assert_field(&f->head.fields, 0, "n", "a \t b", 0);
    assert_built(f, ONE("n", " \t "), 1);
    assert_field(&f->head.fields, 0, "n", "", 0);
}

/* --- fields with rules --- */

static void head__fields_of_the_connection_are_refused(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {
        "connection",       "Connection",       "KEEP-ALIVE",        "Keep-Alive",
        "proxy-connection", "Proxy-Connection", "transfer-encoding", "Transfer-Encoding",
        "upgrade",          "Upgrade",          "http2-settings",    "HTTP2-Settings"};
    for (size_t i = 0; i < WEIR_COUNT_OF(names); i++) {
        refuse_field(f, names[i], "close", WEIR_E_FIELD_FORBIDDEN);
        refuse_field(f, names[i], "", WEIR_E_FIELD_FORBIDDEN);
        f->parts.body.framing = WEIR_FRAMING_CHUNKED;
        refuse_field(f, names[i], "chunked", WEIR_E_FIELD_FORBIDDEN);
        f->parts.body.framing = WEIR_FRAMING_NONE;
    }
}

static void head__names_that_only_look_forbidden_pass(void **state)
{
    fixture *f = *state;
    assert_built(f, ONE("Connection-", "x"), 1);
    assert_built(f, ONE("X-Transfer-Encoding", "x"), 1);
    assert_built(f, ONE("Upgrade-Insecure-Requests", "1"), 1);
    assert_built(f, ONE("Content-Lengths", "1"), 1);
    assert_built(f, ONE("hosts", "x"), 1);
    assert_built(f, ONE("Trailer", "x-sum"), 1);
    assert_field(&f->head.fields, 0, "trailer", "x-sum", 0);
}

static void head__te_may_say_trailers_only(void **state)
{
    fixture *f = *state;
    assert_built(f, ONE("TE", " Trailers"), 1);
    assert_field(&f->head.fields, 0, "te", "Trailers", 0);
    refuse_field(f, "TE", "gzip", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "te", "trailers, gzip", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "te", "trailers;q=1", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "te", "", WEIR_E_FIELD_FORBIDDEN);
}

static void head__a_host_equal_to_the_authority_is_dropped(void **state)
{
    fixture *f = *state;
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
        aim(f, cases[i][0]);
        weir_field host = {WEIR_SPAN("Host"), weir_span_of(cases[i][1]), 0};
        assert_built(f, &host, 1);
        assert_int_equal(weir_fields_count(&f->head.fields), 0);
    }
}

static void head__a_host_that_differs_from_the_authority_is_refused(void **state)
{
    fixture *f = *state;
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
        aim(f, cases[i][0]);
        refuse_field(f, "Host", cases[i][1], WEIR_E_FIELD_HOST);
    }
}

static void head__a_second_host_is_refused_even_if_it_is_the_same(void **state)
{
    fixture *f = *state;
    const weir_field fields[] = {
        {WEIR_SPAN("Host"), WEIR_SPAN("example.com"), 0},
        {WEIR_SPAN("a"), WEIR_SPAN("b"), 0},
        {WEIR_SPAN("hOST"), WEIR_SPAN("example.com"), 0},
    };
    assert_refused(f, fields, 3, WEIR_E_FIELD_HOST, 2);
    assert_string_equal(f->failure.what, "Host is given twice");
}

static void set_body(fixture *f, weir_framing framing, uint64_t length_octets)
{
    f->parts.body = (weir_body_framing){framing, length_octets};
}

static void head__a_content_length_equal_to_the_body_is_dropped(void **state)
{
    fixture *f = *state;
    set_body(f, WEIR_FRAMING_LENGTH, 5);
    assert_built(f, ONE("Content-Length", " 5 "), 1);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    assert_true(f->head.says_length);
    assert_int_equal(f->head.body.length_octets, 5);
    assert_built(f, ONE("content-length", "0000000000000000000000000000005"), 1);
    const weir_field twice[] = {{WEIR_SPAN("Content-Length"), WEIR_SPAN("5"), 0},
                                {WEIR_SPAN("content-length"), WEIR_SPAN("5"), 0}};
    assert_built(f, twice, 2);
    assert_int_equal(weir_fields_count(&f->head.fields), 0);
    set_body(f, WEIR_FRAMING_LENGTH, UINT64_MAX);
    assert_built(f, ONE("Content-Length", "18446744073709551615"), 1);
}

static void head__a_content_length_that_contradicts_the_body_is_refused(void **state)
{
    fixture *f = *state;
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
        refuse_field(f, "Content-Length", values[i], WEIR_E_FIELD_LENGTH);
    }
    const weir_field twice[] = {{WEIR_SPAN("content-length"), WEIR_SPAN("5"), 0},
                                {WEIR_SPAN("content-length"), WEIR_SPAN("6"), 0}};
    assert_refused(f, twice, 2, WEIR_E_FIELD_LENGTH, 1);
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    refuse_field(f, "Content-Length", "1", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_LENGTH, UINT64_MAX);
    refuse_field(f, "Content-Length", "18446744073709551616", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    refuse_field(f, "Content-Length", "", WEIR_E_FIELD_LENGTH);
    refuse_field(f, "Content-Length", "+0", WEIR_E_FIELD_LENGTH);
    refuse_field(f, "Content-Length", "18446744073709551616", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_CHUNKED, 0);
    refuse_field(f, "Content-Length", "0", WEIR_E_FIELD_LENGTH);
    set_body(f, WEIR_FRAMING_NONE, 5);
    refuse_field(f, "Content-Length", "5", WEIR_E_FIELD_LENGTH);
}

static void head__says_length_when_it_should_be_written(void **state)
{
    fixture *f = *state;
    set_body(f, WEIR_FRAMING_LENGTH, 0);
    assert_built(f, NULL, 0);
    assert_true(f->head.says_length);
    set_body(f, WEIR_FRAMING_CHUNKED, 9);
    f->parts.method = WEIR_SPAN("POST");
    assert_built(f, NULL, 0);
    assert_false(f->head.says_length);
    assert_int_equal(f->head.body.length_octets, 0);
    /* Said by the caller, though GET and DELETE lead nobody to expect content. */
    set_body(f, WEIR_FRAMING_NONE, 0);
    f->parts.method = WEIR_SPAN("DELETE");
    assert_built(f, ONE("Content-Length", "0"), 1);
    assert_true(f->head.says_length);
    aim(f, "https://example.com");
    f->parts.method = WEIR_SPAN("CONNECT");
    assert_built(f, ONE("Content-Length", "0"), 1);
    assert_false(f->head.says_length);
}

static void head__expect_is_a_field_once_by_flag_or_by_field(void **state)
{
    fixture *f = *state;
    const weir_field twice[] = {{WEIR_SPAN("EXPECT"), WEIR_SPAN("100-Continue"), 0},
                                {WEIR_SPAN("a"), WEIR_SPAN("b"), 0},
                                {WEIR_SPAN("expect"), WEIR_SPAN("100-continue"), 0}};
    set_body(f, WEIR_FRAMING_CHUNKED, 0);
    for (int flag = 0; flag < 2; flag++) {
        f->parts.expect_continue = flag;
        assert_built(f, twice, 3);
        assert_true(f->head.expect_continue);
        assert_int_equal(weir_fields_count(&f->head.fields), 2);
        assert_field(&f->head.fields, 1, "expect", "100-continue", WEIR_KEEP);
    }
    set_body(f, WEIR_FRAMING_LENGTH, 1);
    assert_built(f, NULL, 0);
    assert_true(f->head.expect_continue);
    assert_field(&f->head.fields, 0, "expect", "100-continue", WEIR_KEEP);
}

static void head__expect_without_content_is_no_wish_and_a_wrong_field(void **state)
{
    fixture *f = *state;
    f->parts.expect_continue = true;
    for (int i = 0; i < 2; i++) {
        set_body(f, i ? WEIR_FRAMING_LENGTH : WEIR_FRAMING_NONE, 0);
        assert_built(f, NULL, 0);
        assert_false(f->head.expect_continue);
        assert_int_equal(weir_fields_count(&f->head.fields), 0);
        refuse_field(f, "Expect", "100-continue", WEIR_E_FIELD_FORBIDDEN);
    }
    set_body(f, WEIR_FRAMING_LENGTH, 1);
    refuse_field(f, "Expect", "200-ok", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "Expect", "", WEIR_E_FIELD_FORBIDDEN);
    refuse_field(f, "Expect", "100-continue, x", WEIR_E_FIELD_FORBIDDEN);
}

static void head__secrets_are_marked(void **state)
{
    fixture *f = *state;
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
    assert_built(f, fields, WEIR_COUNT_OF(fields));
    assert_field(&f->head.fields, 0, "authorization", "Bearer x", WEIR_FIELD_SENSITIVE);
    assert_field(&f->head.fields, 1, "proxy-authorization", "Basic x", WEIR_FIELD_SENSITIVE);
    assert_field(&f->head.fields, 2, "cookie", "1234567890123456789", WEIR_FIELD_SENSITIVE);
    assert_field(&f->head.fields, 3, "cookie", "12345678901234567890", 0);
    assert_field(&f->head.fields, 4, "cookie", "1234567890123456789", WEIR_FIELD_SENSITIVE);
    assert_field(&f->head.fields, 5, "x-key", "k", WEIR_FIELD_SENSITIVE);
    assert_field(&f->head.fields, 6, "x-open", "o", 0);
    assert_field(&f->head.fields, 7, "x-odd", "o", 0);
}

/* --- the limit --- */

static void head__the_limit_counts_method_target_names_and_values(void **state)
{
    fixture *f = *state;
    const weir_field fields[] = {{WEIR_SPAN("name"), WEIR_SPAN(" value "), 0},
                                 {WEIR_SPAN("more"), WEIR_SPAN(""), 0}};
    size_t start = strlen("GET") + strlen("example.com") + strlen("/path?query");
    f->parts.limit_octets = start + 9 + 4;
    assert_built(f, fields, 2);
    f->parts.limit_octets--;
    assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, 1);
    f->parts.limit_octets = start + 8;
    assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, 0);
    f->parts.limit_octets = start;
    assert_built(f, fields, 0);
    f->parts.limit_octets = start - 1;
    assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, NO_INDEX);
    f->parts.limit_octets = 1;
    assert_refused(f, fields, 2, WEIR_E_HEAD_LARGE, NO_INDEX);
}

static void head__the_default_limit_is_65536_octets(void **state)
{
    fixture *f = *state;
    static uint8_t value[65536];
    memset(value, 'v', sizeof(value));
    size_t start = strlen("GET") + strlen("example.com") + strlen("/path?query");
    weir_field field = {WEIR_SPAN("n"), {value, sizeof(value) - start - 1}, 0};
    assert_built(f, &field, 1);
    field.value.length++;
    assert_refused(f, &field, 1, WEIR_E_HEAD_LARGE, 0);
}

static void head__the_first_offence_is_the_one_that_is_told(void **state)
{
    fixture *f = *state;
    const weir_field fields[] = {{WEIR_SPAN("a"), WEIR_SPAN("b\n"), 0},
                                 {WEIR_SPAN(""), WEIR_SPAN("b"), 0},
                                 {WEIR_SPAN("upgrade"), WEIR_SPAN("b"), 0}};
    assert_refused(f, fields, 3, WEIR_E_FIELD_VALUE, 0);
    assert_refused(f, fields + 1, 2, WEIR_E_FIELD_NAME, 0);
    f->parts.method = WEIR_SPAN(" ");
    assert_refused(f, fields, 3, WEIR_E_METHOD, 0);
}

/* --- trailers --- */

static weir_status build_trailers(fixture *f, const weir_field *fields, size_t count,
                                  weir_fields *trailers)
{
    f->failure = (weir_failure){.status = WEIR_OK};
    return weir_trailers_build(trailers, fields, count, &f->failalloc.allocator, &f->failure);
}

static void refuse_trailer(fixture *f, weir_field field, weir_status expected)
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
    fixture *f = *state;
    weir_fields trailers;
    const weir_field fields[] = {{WEIR_SPAN("Grpc-Status"), WEIR_SPAN(" 0 "), 0},
                                 {WEIR_SPAN("ETag"), WEIR_SPAN("\"x\""), WEIR_FIELD_SENSITIVE},
                                 {WEIR_SPAN("Digest"), WEIR_SPAN("y"), 0}};
    assert_int_equal(build_trailers(f, fields, 3, &trailers), WEIR_OK);
    assert_int_equal(weir_fields_count(&trailers), 3);
    assert_field(&trailers, 0, "grpc-status", "0", 0);
    assert_field(&trailers, 1, "etag", "\"x\"", WEIR_FIELD_SENSITIVE);
    assert_field(&trailers, 2, "digest", "y", 0);
    weir_fields_clear(&trailers);
    assert_int_equal(build_trailers(f, NULL, 0, &trailers), WEIR_OK);
    weir_fields_clear(&trailers);
}

static void trailers__with_bad_names_or_values_are_refused(void **state)
{
    fixture *f = *state;
    refuse_trailer(f, (weir_field){WEIR_SPAN(""), WEIR_SPAN("v"), 0}, WEIR_E_FIELD_NAME);
    refuse_trailer(f, (weir_field){WEIR_SPAN(":status"), WEIR_SPAN("v"), 0}, WEIR_E_FIELD_NAME);
    refuse_trailer(f, (weir_field){WEIR_SPAN("n"), WEIR_SPAN("v\r\nx: y"), 0}, WEIR_E_FIELD_VALUE);
}

static void trailers__that_come_too_late_are_refused(void **state)
{
    fixture *f = *state;
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
    fixture *f = *state;
    static uint8_t value[65536];
    weir_fields trailers;
    memset(value, 'v', sizeof(value));
    weir_field field = {WEIR_SPAN("n"), {value, sizeof(value) - 1}, 0};
    assert_int_equal(build_trailers(f, &field, 1, &trailers), WEIR_OK);
    weir_fields_clear(&trailers);
    field.value.length = sizeof(value) - 6;
    refuse_trailer(f, field, WEIR_E_TRAILER);
}

/* --- memory --- */

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
    fixture *f = *state;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(head__the_limit_counts_method_target_names_and_values),
        TEST(head__the_default_limit_is_65536_octets),
        TEST(head__the_first_offence_is_the_one_that_is_told),
        TEST(trailers__pass_checked_lowered_and_trimmed),
        TEST(trailers__with_bad_names_or_values_are_refused),
        TEST(trailers__that_come_too_late_are_refused),
        TEST(trailers__are_limited_to_65536_octets),
        TEST(head__survives_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
