/* SPDX-License-Identifier: MIT */
/*
 * The table of octet classes against the grammars, written out as in the RFCs.
 */
#include "proto/octet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ALPHA      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGIT      "0123456789"
#define UNRESERVED ALPHA DIGIT "-._~"
#define SUB_DELIMS "!$&'()*+,;="

/* The class holds exactly the octets of `text`, and those from 0x80 on if `high`. */
static void assert_class(weir_octet_class octet_class, const char *text, bool high)
{
    for (int i = 0; i < 256; i++) {
        bool expected = i >= 0x80 ? high : (i > 0 && strchr(text, i) != NULL);
        if (weir_octet_is((uint8_t)i, octet_class) != expected) {
            fail_msg("octet 0x%02x in class %d: expected %d", (unsigned)i, octet_class, expected);
        }
    }
}

static void octet__tokens_are_those_of_rfc_9110_s5_6_2(void **state)
{
    (void)state;
    assert_class(WEIR_OCTET_TOKEN, "!#$%&'*+-.^_`|~" DIGIT ALPHA, false);
}

static void octet__values_are_those_of_rfc_9110_s5_5(void **state)
{
    (void)state;
    char text[128] = "\t";
    for (char c = ' '; c <= '~'; c++) {
        text[strlen(text)] = c;
    }
    assert_class(WEIR_OCTET_VALUE, text, true);
}

static void octet__parts_of_a_url_are_those_of_rfc_3986(void **state)
{
    (void)state;
    assert_class(WEIR_OCTET_UNRESERVED, UNRESERVED, false);
    assert_class(WEIR_OCTET_PATH, UNRESERVED SUB_DELIMS ":@/", false);
    assert_class(WEIR_OCTET_SCHEME, ALPHA DIGIT "+-.", false);
    assert_class(WEIR_OCTET_LABEL, ALPHA DIGIT "-_", false);
    assert_class(WEIR_OCTET_HEX, DIGIT "ABCDEFabcdef", false);
    assert_class(WEIR_OCTET_DIGIT, DIGIT, false);
}

static void octet__lower_and_hex_know_ascii(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        bool upper = i >= 'A' && i <= 'Z';
        assert_int_equal(weir_octet_is_upper((uint8_t)i), upper);
        assert_int_equal(weir_octet_lower((uint8_t)i), upper ? i + 32 : i);
    }
    for (uint8_t i = 0; i < 16; i++) {
        assert_int_equal(weir_octet_hex((uint8_t) "0123456789abcdef"[i]), i);
        assert_int_equal(weir_octet_hex((uint8_t) "0123456789ABCDEF"[i]), i);
    }
}

static void octet__triplets_are_a_percent_sign_and_two_hex_digits(void **state)
{
    (void)state;
    weir_span text = WEIR_SPAN("a%2f%G1%1G%C3%4");
    assert_false(weir_octet_is_triplet(text, 0));
    assert_true(weir_octet_is_triplet(text, 1));
    assert_int_equal(weir_octet_of_triplet(text, 1), '/');
    assert_false(weir_octet_is_triplet(text, 4));
    assert_false(weir_octet_is_triplet(text, 7));
    assert_true(weir_octet_is_triplet(text, 10));
    assert_int_equal(weir_octet_of_triplet(text, 10), 0xc3);
    assert_false(weir_octet_is_triplet(text, 13));
    assert_false(weir_octet_is_triplet(text, 14));
}

static void octet__a_run_ends_where_the_class_does(void **state)
{
    (void)state;
    assert_int_equal(weir_octet_run(WEIR_SPAN("12a4"), WEIR_OCTET_DIGIT), 2);
    assert_int_equal(weir_octet_run(WEIR_SPAN("1234"), WEIR_OCTET_DIGIT), 4);
    assert_int_equal(weir_octet_run(WEIR_SPAN("x"), WEIR_OCTET_DIGIT), 0);
    assert_int_equal(weir_octet_run((weir_span){NULL, 0}, WEIR_OCTET_DIGIT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octet__tokens_are_those_of_rfc_9110_s5_6_2),
        cmocka_unit_test(octet__values_are_those_of_rfc_9110_s5_5),
        cmocka_unit_test(octet__parts_of_a_url_are_those_of_rfc_3986),
        cmocka_unit_test(octet__lower_and_hex_know_ascii),
        cmocka_unit_test(octet__triplets_are_a_percent_sign_and_two_hex_digits),
        cmocka_unit_test(octet__a_run_ends_where_the_class_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
