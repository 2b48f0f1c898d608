/* SPDX-License-Identifier: MIT */
/*
 * The functions of the public value types.
 */
#include "proto/base.h"
#include "weir/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void span__of_a_text_ends_before_its_nul(void **state)
{
    (void)state;
    const char *text = "weir";
    weir_span span = weir_span_of(text);
    assert_ptr_equal(span.at, text);
    assert_int_equal(span.length, 4);
    assert_int_equal(weir_span_of("").length, 0);
    assert_null(weir_span_of(NULL).at);
    assert_int_equal(weir_span_of(NULL).length, 0);
}

static void protocol__has_the_name_that_users_know(void **state)
{
    (void)state;
    assert_string_equal(weir_protocol_name(WEIR_H1), "HTTP/1.1");
    assert_string_equal(weir_protocol_name(WEIR_H2), "HTTP/2");
    assert_string_equal(weir_protocol_name(WEIR_PROTOCOL_ANY), "any");
    assert_string_equal(weir_protocol_name((weir_protocol)7), "unknown");
}

static void version__is_the_one_that_the_build_names(void **state)
{
    (void)state;
    assert_string_equal(weir_version(), WEIR_PROJECT_VERSION);
}

static void conn_row__has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_CONN_ROWS; i++) {
        assert_string_not_equal(weir_conn_row_name((weir_conn_row)i), "unknown");
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(weir_conn_row_name((weir_conn_row)i),
                                    weir_conn_row_name((weir_conn_row)k));
        }
    }
    assert_string_equal(weir_conn_row_name(WEIR_ROW_TLS_CONTROL), "tls_control");
    assert_string_equal(weir_conn_row_name(WEIR_CONN_ROWS), "unknown");
    assert_string_equal(weir_conn_row_name((weir_conn_row)-1), "unknown");
}

/* A tally in which every row has a bit of its own. */
static const weir_tally distinct = {
    .head = {1, 32},
    .body = {2, 64},
    .trailers = {4, 128},
    .framing = {8, 256},
    .tls = {16, 512},
};

static void assert_octets(weir_octets octets, uint64_t sent, uint64_t received)
{
    assert_int_equal(octets.sent, sent);
    assert_int_equal(octets.received, received);
}

static void tally__plain_is_every_row_but_tls_and_wire_is_every_row(void **state)
{
    (void)state;
    assert_octets(weir_tally_plain(&distinct), 15, 32 + 64 + 128 + 256);
    assert_octets(weir_tally_wire(&distinct), 31, 32 + 64 + 128 + 256 + 512);
}

static void tally__adds_row_by_row(void **state)
{
    (void)state;
    weir_tally to = {.head = {100, 0}, .tls = {0, 1000}};
    weir_tally_add(&to, &distinct);
    weir_tally_add(&to, &distinct);
    assert_octets(to.head, 102, 64);
    assert_octets(to.body, 4, 128);
    assert_octets(to.trailers, 8, 256);
    assert_octets(to.framing, 16, 512);
    assert_octets(to.tls, 32, 2024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span__of_a_text_ends_before_its_nul),
        cmocka_unit_test(protocol__has_the_name_that_users_know),
        cmocka_unit_test(version__is_the_one_that_the_build_names),
        cmocka_unit_test(conn_row__has_a_name_of_its_own),
        cmocka_unit_test(tally__plain_is_every_row_but_tls_and_wire_is_every_row),
        cmocka_unit_test(tally__adds_row_by_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
