/* SPDX-License-Identifier: MIT */
/*
 * What weir-explain prints of fixed records: word for word for people (expected.txt), and for
 * programs as JSON whose rows add up to what was on the wire.
 */
#include "print.h"
#include "records.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef void printer(FILE *to, const records *all);

/* Not inlined: gcc 12 would take what open_memstream() fills for a pointer to the variable. */
__attribute__((noinline)) static char *printed(printer *print, const records *all)
{
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);

    assert_non_null(to);
    print(to, all);
    assert_int_equal(fclose(to), 0);
    return text;
}

static void for_people(FILE *to, const records *all)
{
    for (size_t i = 0; i < RECORDS_STORIES; i++) {
        print_story(to, i + 1, &all->stories[i]);
    }
    print_book(to, &all->book, all->stories, RECORDS_STORIES);
}

static void for_programs(FILE *to, const records *all)
{
    print_json(to, all->stories, RECORDS_STORIES, &all->book);
}

/* Line by line, so that a failure shows the line. */
static void assert_same_text(const char *text, FILE *expected)
{
    char line[512];

    for (unsigned number = 1; fgets(line, sizeof(line), expected) != NULL; number++) {
        const size_t length = strlen(line);
        if (strncmp(text, line, length) != 0) {
            fail_msg("line %u is \"%.*s\" and ought to be \"%.*s\"", number,
                     (int)strcspn(text, "\n"), text, (int)strcspn(line, "\n"), line);
        }
        text += length;
    }
    assert_string_equal(text, "");
}

static void print__tells_time_line_ledger_and_snapshot(void **state)
{
    records all;

    (void)state;
    records_fill(&all);
    char *text = printed(for_people, &all);
    FILE *expected = fopen(WEIR_TESTS_DIR "/explain/expected.txt", "r");
    assert_non_null(expected);
    assert_same_text(text, expected);
    (void)fclose(expected);
    free(text);
    records_clear(&all);
}

/* The ledger's own word is not enough: what is printed beside the kernel's figure is the sum of
 * what is printed above it. */
static void print__says_differ_when_a_row_is_missing(void **state)
{
    records all;

    (void)state;
    records_fill(&all);
    all.book.connections[0].account.rows[WEIR_ROW_WINDOW].sent = 0;
    char *text = printed(for_people, &all);
    const char *ledger = strstr(text, "\nconnection 7 ");
    assert_non_null(ledger);
    const char *next = strstr(ledger, "\nconnection 8 ");
    const char *differ = strstr(ledger, "DIFFER");
    assert_non_null(differ);
    assert_true(differ < next);
    free(text);
    records_clear(&all);
}

static json_int_t number(const json_t *octets, const char *direction)
{
    const json_t *value = json_object_get(octets, direction);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

/* Of everything in the object, in one direction. */
static json_int_t sum(json_t *rows, const char *direction)
{
    const char *name = NULL;
    json_t *octets = NULL;
    json_int_t all = 0;

    assert_true(json_object_size(rows) > 0);
    json_object_foreach(rows, name, octets)
    {
        all += number(octets, direction);
    }
    return all;
}

static void assert_adds_up(const json_t *connection, const char *direction)
{
    const json_int_t rows = sum(json_object_get(connection, "rows"), direction) +
                            sum(json_object_get(connection, "exchanges"), direction) +
                            number(json_object_get(connection, "undecided"), direction) +
                            number(json_object_get(connection, "torn"), direction);

    assert_int_equal(rows, number(json_object_get(connection, "wire"), direction));
}

static json_t *parsed(const records *all)
{
    json_error_t error = {.line = 0};
    char *text = printed(for_programs, all);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (json == NULL) {
        fail_msg("line %d: %s", error.line, error.text);
    }
    free(text);
    return json;
}

static void print_json__is_json_whose_rows_add_up(void **state)
{
    static const char *const directions[] = {"sent", "received"};
    records all;

    (void)state;
    records_fill(&all);
    json_t *json = parsed(&all);
    const json_t *connections = json_object_get(json, "connections");
    assert_int_equal(json_array_size(connections), 3);
    for (size_t i = 0; i < 2 * json_array_size(connections); i++) {
        assert_adds_up(json_array_get(connections, i / 2), directions[i % 2]);
    }
    const json_t *exchange = json_array_get(json_object_get(json, "exchanges"), 0);
    assert_int_equal(json_array_size(json_object_get(exchange, "attempts")), 2);
    assert_int_equal(json_array_size(json_object_get(exchange, "events")),
                     all.stories[0].moment_count);
    /* What it waited for adds up too. */
    const char *reason = NULL;
    json_t *ns = NULL;
    json_int_t waited_ns = 0;
    json_object_foreach(json_object_get(exchange, "waited_ns"), reason, ns)
    {
        waited_ns += json_integer_value(ns);
    }
    assert_int_equal(waited_ns, all.stories[0].waits.total_ns);
    assert_string_equal(json_string_value(json_object_get(json, "snapshot")), all.book.snapshot);
    json_decref(json);
    records_clear(&all);
}

/* Of the attempts of the stories, nothing is on a connection that its ledger does not have. */
static void print_json__tallies_are_parts_of_the_ledger(void **state)
{
    records all;

    (void)state;
    records_fill(&all);
    json_t *json = parsed(&all);
    size_t i = 0;
    json_t *connection = NULL;
    json_array_foreach(json_object_get(json, "connections"), i, connection)
    {
        json_int_t tallies = 0;
        size_t j = 0;
        json_t *exchange = NULL;
        json_array_foreach(json_object_get(json, "exchanges"), j, exchange)
        {
            size_t k = 0;
            json_t *attempt = NULL;
            json_array_foreach(json_object_get(exchange, "attempts"), k, attempt)
            {
                if (json_equal(json_object_get(attempt, "connection"),
                               json_object_get(connection, "connection"))) {
                    tallies += sum(json_object_get(attempt, "tally"), "received");
                }
            }
        }
        assert_true(tallies <= sum(json_object_get(connection, "exchanges"), "received"));
    }
    json_decref(json);
    records_clear(&all);
}

/* Words that a server or a user chose do not end the text of the JSON. */
static void print_json__holds_any_url(void **state)
{
    records all;

    (void)state;
    records_fill(&all);
    all.stories[1].url = "http://192.0.2.2/\"},{\\\n";
    json_t *json = parsed(&all);
    const json_t *exchange = json_array_get(json_object_get(json, "exchanges"), 1);
    assert_string_equal(json_string_value(json_object_get(exchange, "url")), all.stories[1].url);
    json_decref(json);
    records_clear(&all);
}

static void write_out(FILE *to, const records *all)
{
    print_format(to,
                 "%{http_code} %{http_version} %{size_download} %{num_connects} %{time_total}\\n",
                 &all->stories[0]);
    print_format(to, "%{exitcode} 100% %{errormsg}", &all->stories[1]);
}

static void print_format__knows_words_of_curl(void **state)
{
    records all;

    (void)state;
    records_fill(&all);
    char *text = printed(write_out, &all);
    char expected[256];
    (void)snprintf(expected, sizeof(expected), "200 2 900 1 0.006123\n1 100%% %s",
                   weir_status_sentence(WEIR_E_CLOSED_EARLY));
    assert_string_equal(text, expected);
    free(text);
    records_clear(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print__tells_time_line_ledger_and_snapshot),
        cmocka_unit_test(print__says_differ_when_a_row_is_missing),
        cmocka_unit_test(print_json__is_json_whose_rows_add_up),
        cmocka_unit_test(print_json__tallies_are_parts_of_the_ledger),
        cmocka_unit_test(print_json__holds_any_url),
        cmocka_unit_test(print_format__knows_words_of_curl),
    };

    return cmocka_run_group_tests_name("print", tests, NULL, NULL);
}
