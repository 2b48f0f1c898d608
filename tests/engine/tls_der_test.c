/* SPDX-License-Identifier: MIT */
/* DER as certificates have it: lengths of each form, and what is not whole or not the shortest. */
#include "engine/tls_der.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/span.h"

/* Reads one element of an exact copy, so that reading past the end is seen. */
static bool reads(const char *octets, size_t count, weir_der_element *element)
{
    static uint8_t *exact;

    free(exact);
    exact = malloc(count ? count : 1);
    assert_non_null(exact);
    memcpy(exact, octets, count);
    weir_der der = weir_der_of((weir_span){exact, count});
    bool read = weir_der_next(&der, element);
    if (read) {
        assert_int_equal(element->whole.length + der.left.length, count);
    } else {
        assert_int_equal(der.left.length, count);
    }
    if (count == 0) {
        free(exact);
        exact = NULL;
    }
    return read;
}

#define READS(text) reads(text, sizeof(text) - 1, &element)

static void der__reads_lengths_of_each_form(void **state)
{
    static char large[4 + 65536] = "\x04\x83\x01\x00";
    static char middle[3 + 200] = "\x04\x81\xc8";
    weir_der_element element;

    (void)state;
    assert_true(READS("\x05\x00"));
    assert_int_equal(element.value.length, 0);
    assert_true(READS("\x04\x02zy\x05\x00"));
    assert_int_equal(element.value.length, 2);
    assert_int_equal(element.tag, WEIR_DER_OCTET_STRING);
    assert_true(reads(middle, sizeof(middle), &element));
    assert_int_equal(element.value.length, 200);
    assert_false(reads(large, sizeof(large), &element)); /* one octet short */
    assert_false(reads("", 0, &element));
}

static void der__refuses_what_is_not_der(void **state)
{
    weir_der_element element;

    (void)state;
    assert_false(READS("\x05"));
    assert_false(READS("\x04\x03zy"));
    assert_false(READS("\x30\x80\x00\x00"));           /* indefinite */
    assert_false(READS("\x04\x81\x02zy"));             /* could be shorter */
    assert_false(READS("\x04\x82\x00\x02zy"));         /* could be shorter */
    assert_false(READS("\x04\x84\x00\x00\x00\x02zy")); /* too long a length */
    assert_false(READS("\x04\x81"));
    assert_false(READS("\x1f\x81\x01\x00")); /* a tag of several octets */
    assert_false(READS("\x04\xff"));
}

static void der__reads_numbers_and_truths(void **state)
{
    uint32_t number = 7;
    bool truth = false;

    (void)state;
    assert_true(weir_der_number(WEIR_SPAN("\x00"), &number));
    assert_int_equal(number, 0);
    assert_true(weir_der_number(WEIR_SPAN("\x01\x02\x03"), &number));
    assert_int_equal(number, 0x010203);
    assert_false(weir_der_number(WEIR_SPAN("\x80"), &number));
    assert_false(weir_der_number(WEIR_SPAN(""), &number));
    assert_false(weir_der_number(WEIR_SPAN("\x01\x02\x03\x04\x05"), &number));
    assert_true(weir_der_boolean(WEIR_SPAN("\xff"), &truth));
    assert_true(truth);
    assert_true(weir_der_boolean(WEIR_SPAN("\x00"), &truth));
    assert_false(truth);
    assert_false(weir_der_boolean(WEIR_SPAN("\x01"), &truth));
    assert_false(weir_der_boolean(WEIR_SPAN(""), &truth));
}

static void der__knows_what_is_optional(void **state)
{
    weir_der der = weir_der_of(WEIR_SPAN("\x02\x01\x05\x04\x09z"));
    weir_der_element element;
    bool there = true;

    (void)state;
    assert_true(weir_der_optional(&der, WEIR_DER_BOOLEAN, &element, &there));
    assert_false(there);
    assert_true(weir_der_optional(&der, WEIR_DER_INTEGER, &element, &there));
    assert_true(there);
    /* There, and broken. */
    assert_false(weir_der_optional(&der, WEIR_DER_OCTET_STRING, &element, &there));
    assert_false(weir_der_expect(&der, WEIR_DER_SEQUENCE, &element));
    assert_int_equal(der.left.length, 3);
}

static void der__a_sole_element_has_nothing_behind_it(void **state)
{
    weir_span value = {NULL, 0};

    (void)state;
    assert_true(weir_der_sole(WEIR_SPAN("\x04\x02zy"), WEIR_DER_OCTET_STRING, &value));
    assert_true(weir_span_equal(value, WEIR_SPAN("zy")));
    assert_true(weir_der_sole(WEIR_SPAN("\x30\x00"), WEIR_DER_SEQUENCE, &value));
    assert_int_equal(value.length, 0);
    assert_false(weir_der_sole(WEIR_SPAN("\x04\x02zyx"), WEIR_DER_OCTET_STRING, &value));
    assert_false(weir_der_sole(WEIR_SPAN("\x04\x02z"), WEIR_DER_OCTET_STRING, &value));
    assert_false(weir_der_sole(WEIR_SPAN("\x04\x02zy"), WEIR_DER_BIT_STRING, &value));
    assert_false(weir_der_sole((weir_span){NULL, 0}, WEIR_DER_SEQUENCE, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(der__reads_lengths_of_each_form),
        cmocka_unit_test(der__refuses_what_is_not_der),
        cmocka_unit_test(der__reads_numbers_and_truths),
        cmocka_unit_test(der__knows_what_is_optional),
        cmocka_unit_test(der__a_sole_element_has_nothing_behind_it),
    };
    return cmocka_run_group_tests_name("tls_der", tests, NULL, NULL);
}
