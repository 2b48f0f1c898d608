/* SPDX-License-Identifier: MIT */
/*
 * Comparing, trimming and taking lists apart.
 */
#include "proto/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void span__equal_compares_octets(void **state)
{
    (void)state;
    assert_true(weir_span_equal(WEIR_SPAN("abc"), WEIR_SPAN("abc")));
    assert_false(weir_span_equal(WEIR_SPAN("abc"), WEIR_SPAN("abC")));
    assert_false(weir_span_equal(WEIR_SPAN("abc"), WEIR_SPAN("ab")));
    assert_true(weir_span_equal(WEIR_SPAN(""), (weir_span){NULL, 0}));
}

static void span__equal_nocase_knows_ascii_letters_only(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            uint8_t left = (uint8_t)a;
            uint8_t right = (uint8_t)b;
            bool letters = ((a | 32) >= 'a' && (a | 32) <= 'z' && a < 128);
            bool expected = a == b || (letters && (a ^ b) == 32);
            assert_int_equal(weir_span_equal_nocase((weir_span){&left, 1}, (weir_span){&right, 1}),
                             expected);
        }
    }
    assert_false(weir_span_equal_nocase(WEIR_SPAN("ab"), WEIR_SPAN("abc")));
    assert_true(weir_span_equal_nocase((weir_span){NULL, 0}, WEIR_SPAN("")));
}

static void assert_trimmed(const char *text, const char *expected)
{
    weir_span span = weir_span_trim(weir_span_of(text));
    assert_true(weir_span_equal(span, weir_span_of(expected)));
}

static void span__trim_takes_spaces_and_tabs_from_both_ends(void **state)
{
    (void)state;
    assert_trimmed("", "");
    assert_trimmed(" \t ", "");
    assert_trimmed("a", "a");
    assert_trimmed(" \ta b\t ", "a b");
    assert_trimmed("\r\n", "\r\n");
    assert_trimmed("\va\f", "\va\f");
}

/* `expected` are the elements, each followed by a bar. */
static void assert_elements(const char *list, const char *expected)
{
    weir_span rest = weir_span_of(list);
    weir_span element;
    char found[256] = "";
    while (weir_span_next_element(&rest, &element)) {
        strncat(found, (const char *)element.at, element.length);
        strcat(found, "|");
    }
    assert_string_equal(found, expected);
    assert_false(weir_span_next_element(&rest, &element));
}

static void span__a_list_is_taken_apart_at_its_commas(void **state)
{
    (void)state;
    assert_elements("", "");
    assert_elements("close", "close|");
    assert_elements("a,b", "a|b|");
    assert_elements(" a\t, b ; c=d ,e", "a|b ; c=d|e|");
}

static void span__empty_elements_are_skipped(void **state)
{
    (void)state;
    assert_elements(",", "");
    assert_elements(" , ,\t,", "");
    assert_elements(",a, ,b,,", "a|b|");
}

static void span__a_quoted_comma_does_not_separate(void **state)
{
    (void)state;
    assert_elements("timeout=\"1,2\",max", "timeout=\"1,2\"|max|");
    assert_elements("a=\"x\\\",y\",b", "a=\"x\\\",y\"|b|");
    assert_elements("a=\"never, ends", "a=\"never, ends|");
    assert_elements("a=\"\\", "a=\"\\|");
    assert_elements("a\\,b", "a\\|b|");
}

/* Blocks of exactly the length, so that AddressSanitizer sees an octet too many. */
static void span__nothing_is_read_behind_a_span(void **state)
{
    (void)state;
    static const char *const texts[] = {" ", "\t\t", "a", "\"a", "a\\", "\"\\", " a ", "a,"};
    assert_int_equal(weir_span_trim((weir_span){NULL, 0}).length, 0);
    for (size_t i = 0; i < WEIR_COUNT_OF(texts); i++) {
        weir_span text = weir_span_of(texts[i]);
        uint8_t *exact = malloc(text.length);
        assert_non_null(exact);
        memcpy(exact, text.at, text.length);
        weir_span rest = {exact, text.length};
        weir_span element;
        size_t count = 0;
        assert_true(weir_span_trim(rest).length <= text.length);
        while (weir_span_next_element(&rest, &element)) {
            count++;
        }
        assert_int_equal(rest.length, 0);
        assert_int_equal(count, i < 2 ? 0 : 1);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span__equal_compares_octets),
        cmocka_unit_test(span__equal_nocase_knows_ascii_letters_only),
        cmocka_unit_test(span__trim_takes_spaces_and_tabs_from_both_ends),
        cmocka_unit_test(span__a_list_is_taken_apart_at_its_commas),
        cmocka_unit_test(span__empty_elements_are_skipped),
        cmocka_unit_test(span__a_quoted_comma_does_not_separate),
        cmocka_unit_test(span__nothing_is_read_behind_a_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
