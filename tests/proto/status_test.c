/* SPDX-License-Identifier: MIT */
/*
 * The table of statuses: whole, well-formed, and the same as the page that users read.
 */
#include "weir/status.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *retry_name(weir_retry retry)
{
    switch (retry) {
    case WEIR_RETRY_NO:
        return "no";
    case WEIR_RETRY_IF_UNSENT:
        return "if unsent";
    case WEIR_RETRY_REFUSED:
        return "refused";
    case WEIR_RETRY_IDEMPOTENT:
        return "idempotent";
    }
    return "?";
}

static size_t count_statuses(void)
{
    size_t count = 0;
    weir_status status;
    while (weir_status_at(count, &status)) {
        count++;
    }
    return count;
}

static void status__the_table_is_walked_to_its_end(void **state)
{
    (void)state;
    weir_status status = WEIR_E_NOMEM;
    assert_true(weir_status_at(0, &status));
    assert_int_equal(status, WEIR_OK);
    size_t count = count_statuses();
    assert_true(count > 90);
    status = WEIR_E_NOMEM;
    assert_false(weir_status_at(count, &status));
    assert_false(weir_status_at(SIZE_MAX, &status));
    assert_int_equal(status, WEIR_E_NOMEM);
}

static void status__numbers_are_unique_and_negative(void **state)
{
    (void)state;
    weir_status a;
    weir_status b;
    for (size_t i = 0; weir_status_at(i, &a); i++) {
        assert_true(i == 0 ? a == 0 : a < 0);
        for (size_t k = 0; k < i && weir_status_at(k, &b); k++) {
            assert_int_not_equal(a, b);
        }
    }
}

static void status__names_and_sentences_are_unique_and_well_formed(void **state)
{
    (void)state;
    weir_status a;
    weir_status b;
    for (size_t i = 0; weir_status_at(i, &a); i++) {
        const char *name = weir_status_name(a);
        const char *sentence = weir_status_sentence(a);
        assert_int_equal(strncmp(name, "WEIR_", 5), 0);
        assert_true(strlen(sentence) > 5);
        assert_true(sentence[strlen(sentence) - 1] != '.');
        for (const char *c = name; *c; c++) {
            assert_true(isupper((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
        }
        for (size_t k = 0; k < i && weir_status_at(k, &b); k++) {
            assert_string_not_equal(name, weir_status_name(b));
            assert_string_not_equal(sentence, weir_status_sentence(b));
        }
    }
}

static void status__somebody_is_to_blame_for_every_failure_and_for_nothing_else(void **state)
{
    (void)state;
    weir_status status;
    for (size_t i = 0; weir_status_at(i, &status); i++) {
        bool is_failure = strncmp(weir_status_name(status), "WEIR_E_", 7) == 0;
        assert_int_equal(weir_status_blame(status) != WEIR_BLAME_NONE, is_failure);
        assert_true(weir_status_phase(status) < WEIR_PHASE_COUNT);
        if (weir_status_blame(status) == WEIR_BLAME_CALLER) {
            assert_int_equal(weir_status_retry(status), WEIR_RETRY_NO);
        }
        if (weir_status_phase(status) == WEIR_PHASE_SUBMIT) {
            assert_int_equal(weir_status_retry(status), WEIR_RETRY_NO);
        }
    }
}

static void status__some_rows_are_as_the_header_says(void **state)
{
    (void)state;
    assert_string_equal(weir_status_name(WEIR_E_RESET), "WEIR_E_RESET");
    assert_string_equal(weir_status_sentence(WEIR_E_RESET), "the connection was reset");
    assert_int_equal(weir_status_blame(WEIR_E_RESET), WEIR_BLAME_PEER);
    assert_int_equal(weir_status_retry(WEIR_E_RESET), WEIR_RETRY_IDEMPOTENT);
    assert_int_equal(weir_status_phase(WEIR_E_RESET), WEIR_PHASE_ANY);
    assert_int_equal(weir_status_retry(WEIR_E_REFUSED), WEIR_RETRY_REFUSED);
    assert_int_equal(weir_status_phase(WEIR_E_DEADLINE_TLS), WEIR_PHASE_TLS);
    assert_int_equal(WEIR_E_URL_SYNTAX, -20);
    assert_int_equal(WEIR_E_H2_CLOSED, -191);
}

static void status__a_number_of_no_status_is_unknown(void **state)
{
    (void)state;
    static const int numbers[] = {1, -4, -199, -1000000, 1000000};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        weir_status status = (weir_status)numbers[i];
        assert_string_equal(weir_status_name(status), "unknown");
        assert_true(strlen(weir_status_sentence(status)) > 0);
        assert_int_equal(weir_status_blame(status), WEIR_BLAME_LOCAL);
        assert_int_equal(weir_status_retry(status), WEIR_RETRY_NO);
        assert_int_equal(weir_status_phase(status), WEIR_PHASE_ANY);
    }
}

static void status__blames_and_phases_have_names_of_their_own(void **state)
{
    (void)state;
    for (int i = WEIR_BLAME_NONE; i <= WEIR_BLAME_RESOURCE; i++) {
        assert_string_not_equal(weir_blame_name((weir_blame)i), "unknown");
        for (int k = WEIR_BLAME_NONE; k < i; k++) {
            assert_string_not_equal(weir_blame_name((weir_blame)i), weir_blame_name((weir_blame)k));
        }
    }
    for (int i = WEIR_PHASE_ANY; i < WEIR_PHASE_COUNT; i++) {
        assert_string_not_equal(weir_phase_name((weir_phase)i), "unknown");
        for (int k = WEIR_PHASE_ANY; k < i; k++) {
            assert_string_not_equal(weir_phase_name((weir_phase)i), weir_phase_name((weir_phase)k));
        }
    }
    assert_string_equal(weir_blame_name((weir_blame)99), "unknown");
    assert_string_equal(weir_phase_name(WEIR_PHASE_COUNT), "unknown");
    assert_string_equal(weir_phase_name((weir_phase)-1), "unknown");
}

/* The page holds one row for each status, in order, and no other. It also keeps numbers from being
 * reused. */
static void status__the_page_of_statuses_says_the_same(void **state)
{
    (void)state;
    FILE *page = fopen(WEIR_TESTS_DIR "/../docs/statuses.md", "r");
    assert_non_null(page);
    char line[512];
    char expected[512];
    size_t rows = 0;
    while (fgets(line, sizeof(line), page)) {
        if (strncmp(line, "| `WEIR_", 8) != 0) {
            continue;
        }
        weir_status status;
        assert_true(weir_status_at(rows, &status));
        snprintf(expected, sizeof(expected), "| `%s` | %d | %s | %s | %s | %s |\n",
                 weir_status_name(status), (int)status, weir_blame_name(weir_status_blame(status)),
                 retry_name(weir_status_retry(status)), weir_phase_name(weir_status_phase(status)),
                 weir_status_sentence(status));
        assert_string_equal(line, expected);
        rows++;
    }
    fclose(page);
    assert_int_equal(rows, count_statuses());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status__the_table_is_walked_to_its_end),
        cmocka_unit_test(status__numbers_are_unique_and_negative),
        cmocka_unit_test(status__names_and_sentences_are_unique_and_well_formed),
        cmocka_unit_test(status__somebody_is_to_blame_for_every_failure_and_for_nothing_else),
        cmocka_unit_test(status__some_rows_are_as_the_header_says),
        cmocka_unit_test(status__a_number_of_no_status_is_unknown),
        cmocka_unit_test(status__blames_and_phases_have_names_of_their_own),
        cmocka_unit_test(status__the_page_of_statuses_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
