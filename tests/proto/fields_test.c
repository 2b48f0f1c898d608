/* SPDX-License-Identifier: MIT */
/*
 * The list of fields: what goes in comes out, in order, at an address that stays; whole or in
 * pieces.
 */
#include "proto/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_fields fields;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_fields_init(&f->fields, &f->failalloc.allocator);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_fields_check(&f->fields);
    weir_fields_clear(&f->fields);
    assert_int_equal(weir_fields_count(&f->fields), 0);
    assert_int_equal(f->fields.octets, 0);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static weir_field field_of(const char *name, const char *value)
{
    return (weir_field){weir_span_of(name), weir_span_of(value), 0};
}

static void assert_span(weir_span span, const char *text)
{
    assert_int_equal(span.length, strlen(text));
    if (span.length > 0) {
        assert_memory_equal(span.at, text, span.length);
    }
}

static void assert_field(const weir_fields *fields, size_t i, const char *name, const char *value)
{
    weir_field field;
    assert_true(weir_fields_at(fields, i, &field));
    assert_span(field.name, name);
    assert_span(field.value, value);
}

static size_t calls(const fixture *f)
{
    return atomic_load(&f->failalloc.calls);
}

static void fields__holds_nothing_at_birth(void **state)
{
    fixture *f = *state;
    weir_field field;
    weir_span value;
    assert_int_equal(weir_fields_count(&f->fields), 0);
    assert_false(weir_fields_at(&f->fields, 0, &field));
    assert_false(weir_fields_find(&f->fields, WEIR_SPAN("a"), 0, &value));
    weir_fields_end(&f->fields);
    assert_int_equal(calls(f), 0);
}

static void fields__keeps_order_repeats_case_and_flags(void **state)
{
    fixture *f = *state;
    weir_field secret = field_of("Cookie", "b");
    secret.flags = WEIR_FIELD_SENSITIVE;
    assert_true(weir_fields_add(&f->fields, field_of("Set-Cookie", "a")));
    assert_true(weir_fields_add(&f->fields, secret));
    assert_true(weir_fields_add(&f->fields, field_of("set-cookie", "a")));
    assert_true(weir_fields_add(&f->fields, field_of("Empty", "")));
    assert_int_equal(weir_fields_count(&f->fields), 4);
    assert_field(&f->fields, 0, "Set-Cookie", "a");
    assert_field(&f->fields, 1, "Cookie", "b");
    assert_field(&f->fields, 2, "set-cookie", "a");
    assert_field(&f->fields, 3, "Empty", "");
    weir_field field;
    assert_true(weir_fields_at(&f->fields, 1, &field));
    assert_int_equal(field.flags, WEIR_FIELD_SENSITIVE);
    assert_false(weir_fields_at(&f->fields, 4, &field));
    assert_int_equal(f->fields.octets, 11 + 7 + 11 + 5);
}

static void fields__copies_what_it_is_given(void **state)
{
    fixture *f = *state;
    char name[] = "name";
    char value[] = "value";
    assert_true(weir_fields_add(&f->fields, field_of(name, value)));
    memset(name, 'x', 4);
    memset(value, 'x', 5);
    assert_field(&f->fields, 0, "name", "value");
}

static void fields__does_not_copy_what_is_kept(void **state)
{
    fixture *f = *state;
    static const char name[] = "name";
    static const char value[] = "value";
    weir_field kept = field_of(name, value);
    kept.flags = WEIR_KEEP;
    assert_true(weir_fields_add(&f->fields, kept));
    weir_field field;
    assert_true(weir_fields_at(&f->fields, 0, &field));
    assert_ptr_equal(field.name.at, name);
    assert_ptr_equal(field.value.at, value);
    assert_int_equal(calls(f), 1); /* the array */
}

static void fields__finds_the_ith_of_a_name_whatever_its_case(void **state)
{
    fixture *f = *state;
    weir_span value;
    assert_true(weir_fields_add(&f->fields, field_of("Via", "1")));
    assert_true(weir_fields_add(&f->fields, field_of("Vi", "x")));
    assert_true(weir_fields_add(&f->fields, field_of("vIA", "2")));
    assert_true(weir_fields_find(&f->fields, WEIR_SPAN("VIA"), 0, &value));
    assert_span(value, "1");
    assert_true(weir_fields_find(&f->fields, WEIR_SPAN("via"), 1, &value));
    assert_span(value, "2");
    assert_false(weir_fields_find(&f->fields, WEIR_SPAN("via"), 2, &value));
    assert_false(weir_fields_find(&f->fields, WEIR_SPAN("viaa"), 0, &value));
}

static void fields__a_typical_head_is_one_allocation_besides_the_array(void **state)
{
    fixture *f = *state;
    assert_non_null(weir_fields_hold(&f->fields, 40)); /* method, authority, path */
    for (int i = 0; i < 12; i++) {
        assert_true(
            weir_fields_add(&f->fields, field_of("accept-encoding",
                                                 "some fifty octets of a value, which is a lot")));
    }
    assert_int_equal(calls(f), 2);
    assert_true(atomic_load(&f->failalloc.live_octets) < 2048);
}

static void fields__octets_never_move(void **state)
{
    fixture *f = *state;
    const uint8_t *at[400];
    char value[100];
    for (size_t i = 0; i < 400; i++) {
        weir_field field;
        snprintf(value, sizeof(value), "%zu %0*zu", i, (int)(1 + i % 90), i);
        assert_true(weir_fields_add(&f->fields, field_of("name", value)));
        assert_true(weir_fields_at(&f->fields, i, &field));
        at[i] = field.value.at;
    }
    for (size_t i = 0; i < 400; i++) {
        weir_field field;
        snprintf(value, sizeof(value), "%zu %0*zu", i, (int)(1 + i % 90), i);
        assert_true(weir_fields_at(&f->fields, i, &field));
        assert_ptr_equal(field.value.at, at[i]);
        assert_field(&f->fields, i, "name", value);
    }
}

static void fields__pieces_of_the_arena_double_up_to_16_kib(void **state)
{
    fixture *f = *state;
    static const size_t expected[] = {1024, 2048, 4096, 8192, 16384, 16384, 16384};
    size_t before = 0;
    for (size_t i = 0; i < WEIR_COUNT_OF(expected); i++) {
        size_t have = calls(f);
        while (calls(f) == have) {
            assert_non_null(weir_fields_hold(&f->fields, 100));
        }
        size_t octets = atomic_load(&f->failalloc.live_octets);
        assert_int_equal(octets - before, expected[i]);
        before = octets;
    }
}

static void fields__a_piece_is_filled_to_its_last_octet(void **state)
{
    fixture *f = *state;
    size_t room = 1024 - 3 * sizeof(void *);
    uint8_t *first = weir_fields_hold(&f->fields, 1);
    uint8_t *rest = weir_fields_hold(&f->fields, room - 1);
    assert_ptr_equal(rest, first + 1);
    memset(rest, 'x', room - 1);
    assert_int_equal(calls(f), 1);
    assert_non_null(weir_fields_hold(&f->fields, 1));
    assert_int_equal(calls(f), 2);
}

static void fields__a_long_value_does_not_waste_a_nearly_empty_piece(void **state)
{
    fixture *f = *state;
    assert_non_null(weir_fields_hold(&f->fields, 10));
    assert_non_null(weir_fields_hold(&f->fields, 100000));
    assert_int_equal(calls(f), 2);
    for (int i = 0; i < 9; i++) {
        assert_non_null(weir_fields_hold(&f->fields, 100));
    }
    assert_int_equal(calls(f), 2);
    assert_non_null(weir_fields_hold(&f->fields, 0));
    assert_int_equal(calls(f), 2);
}

static void fields__an_impossible_length_is_no_memory(void **state)
{
    fixture *f = *state;
    assert_null(weir_fields_hold(&f->fields, SIZE_MAX));
    assert_null(weir_fields_hold(&f->fields, SIZE_MAX - 8));
    weir_field field = {{(const uint8_t *)"a", SIZE_MAX}, {(const uint8_t *)"b", 2}, 0};
    assert_false(weir_fields_add(&f->fields, field));
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("a")));
    assert_false(
        weir_fields_append_name(&f->fields, (weir_span){(const uint8_t *)"a", SIZE_MAX / 2}));
    assert_field(&f->fields, 0, "a", "");
}

/* Puts one field together with pieces of at most `step` octets. */
static void append_in_pieces(weir_fields *fields, const char *name, const char *value, size_t step)
{
    weir_span rest = weir_span_of(name);
    for (; rest.length > 0; rest = weir_span_from(rest, weir_min(step, rest.length))) {
        assert_true(weir_fields_append_name(fields, weir_span_head(rest, step)));
    }
    rest = weir_span_of(value);
    for (; rest.length > 0; rest = weir_span_from(rest, weir_min(step, rest.length))) {
        assert_true(weir_fields_append_value(fields, weir_span_head(rest, step)));
    }
}

static void fields__pieces_of_any_length_make_the_same_fields(void **state)
{
    fixture *f = *state;
    for (size_t step = 1; step < 20; step++) {
        append_in_pieces(&f->fields, "Content-Type", "text/plain; charset=utf-8", step);
        append_in_pieces(&f->fields, "Server", "x", step);
        weir_fields_end(&f->fields);
        assert_int_equal(weir_fields_count(&f->fields), 2);
        assert_field(&f->fields, 0, "Content-Type", "text/plain; charset=utf-8");
        assert_field(&f->fields, 1, "Server", "x");
        assert_int_equal(f->fields.octets, 12 + 25 + 6 + 1);
        weir_fields_clear(&f->fields);
    }
}

static void fields__a_field_in_pieces_ends_by_end_or_by_the_next_name(void **state)
{
    fixture *f = *state;
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("A")));
    weir_fields_end(&f->fields);
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("B")));
    assert_true(weir_fields_append_value(&f->fields, (weir_span){NULL, 0}));
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("C")));
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("c")));
    assert_true(weir_fields_append_value(&f->fields, WEIR_SPAN("1")));
    assert_true(weir_fields_add(&f->fields, field_of("D", "2")));
    assert_int_equal(weir_fields_count(&f->fields), 4);
    assert_field(&f->fields, 0, "A", "");
    assert_field(&f->fields, 1, "B", "");
    assert_field(&f->fields, 2, "Cc", "1");
    assert_field(&f->fields, 3, "D", "2");
}

static void fields__white_space_around_a_value_in_pieces_goes_at_its_end(void **state)
{
    fixture *f = *state;
    append_in_pieces(&f->fields, "A", " \t one two \t ", 1);
    weir_fields_end(&f->fields);
    append_in_pieces(&f->fields, "B", "  \t", 1);
    append_in_pieces(&f->fields, "C", " x ", 3);
    weir_fields_end(&f->fields);
    weir_fields_end(&f->fields);
    assert_field(&f->fields, 0, "A", "one two");
    assert_field(&f->fields, 1, "B", "");
    assert_field(&f->fields, 2, "C", "x");
    assert_int_equal(f->fields.octets, 1 + 7 + 1 + 0 + 1 + 1);
}

static void fields__a_value_without_a_name_is_a_defect(void **state)
{
    fixture *f = *state;
    expect_assert_failure(weir_fields_append_value(&f->fields, WEIR_SPAN("x")));
    assert_true(weir_fields_add(&f->fields, field_of("a", "b")));
    expect_assert_failure(weir_fields_append_value(&f->fields, WEIR_SPAN("x")));
}

static void
fields__a_long_value_octet_by_octet_costs_few_allocations_and_little_more_memory(void **state)
{
    fixture *f = *state;
    enum { OCTETS = 65536 };
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("long")));
    for (size_t i = 0; i < OCTETS; i++) {
        uint8_t octet = (uint8_t)('a' + i % 26);
        assert_true(weir_fields_append_value(&f->fields, (weir_span){&octet, 1}));
    }
    weir_fields_end(&f->fields);
    weir_field field;
    assert_true(weir_fields_at(&f->fields, 0, &field));
    assert_int_equal(field.value.length, OCTETS);
    for (size_t i = 0; i < OCTETS; i++) {
        assert_int_equal(field.value.at[i], 'a' + i % 26);
    }
    assert_true(calls(f) <= 12);
    assert_true(atomic_load(&f->failalloc.live_octets) < 5 * OCTETS);
}

static void fields__a_hold_in_the_middle_of_a_value_does_not_tear_it(void **state)
{
    fixture *f = *state;
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("na")));
    uint8_t *held = weir_fields_hold(&f->fields, 3);
    assert_non_null(held);
    memcpy(held, "XYZ", 3);
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("me")));
    assert_true(weir_fields_append_value(&f->fields, WEIR_SPAN("one")));
    assert_non_null(weir_fields_hold(&f->fields, 2000));
    assert_true(weir_fields_append_value(&f->fields, WEIR_SPAN("two")));
    assert_field(&f->fields, 0, "name", "onetwo");
    assert_memory_equal(held, "XYZ", 3);
}

static void fields__can_be_used_again_after_clear(void **state)
{
    fixture *f = *state;
    append_in_pieces(&f->fields, "open", "field", 2);
    weir_fields_clear(&f->fields);
    assert_int_equal(weir_fields_count(&f->fields), 0);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    assert_true(weir_fields_append_name(&f->fields, WEIR_SPAN("n")));
    assert_field(&f->fields, 0, "n", "");
}

/* Random use against an array of strings. */
static void fields__equals_a_plain_array_under_random_use(void **state)
{
    fixture *f = *state;
    static char names[300][64];
    static char values[300][4001];
    uint32_t seed = 7;
    for (size_t i = 0; i < 300; i++) {
        seed = seed * 1103515245 + 12345;
        size_t name = 1 + (seed >> 8) % 60;
        size_t value = (seed >> 16) % 7 == 0 ? (seed >> 4) % 4000 : (seed >> 4) % 40;
        memset(names[i], 'a' + (int)(i % 26), name);
        names[i][name] = '\0';
        memset(values[i], 'A' + (int)(i % 26), value);
        values[i][value] = '\0';
        if ((seed >> 12) % 3 == 0) {
            append_in_pieces(&f->fields, names[i], values[i], 1 + (seed >> 20) % 50);
            weir_fields_end(&f->fields);
        } else {
            assert_true(weir_fields_add(&f->fields, field_of(names[i], values[i])));
        }
    }
    for (size_t i = 0; i < 300; i++) {
        assert_field(&f->fields, i, names[i], values[i]);
    }
}

static void build_all(weir_failalloc *failalloc, void *user)
{
    weir_fields fields;
    (void)user;
    weir_fields_init(&fields, &failalloc->allocator);
    bool going = true;
    for (int i = 0; i < 40 && going; i++) {
        size_t count = weir_fields_count(&fields);
        uint64_t octets = fields.octets;
        going = weir_fields_add(&fields, field_of("some-name", "some value that is long enough"));
        if (!going) {
            assert_int_equal(weir_fields_count(&fields), count);
            assert_int_equal(fields.octets, octets);
        }
    }
    for (int i = 0; i < 3000 && going; i++) {
        going = weir_fields_append_name(&fields, WEIR_SPAN("n"));
    }
    for (int i = 0; i < 3000 && going; i++) {
        going = weir_fields_append_value(&fields, WEIR_SPAN("v"));
    }
    weir_fields_end(&fields);
    weir_fields_check(&fields);
    if (going) {
        assert_int_equal(weir_fields_count(&fields), 41);
        assert_int_equal(atomic_load(&failalloc->failures), 0);
    } else {
        assert_true(atomic_load(&failalloc->failures) > 0);
        assert_true(weir_fields_count(&fields) < 41 || fields.octets < 40 * 39 + 6000);
        for (size_t i = 0; i < weir_fields_count(&fields) && i < 40; i++) {
            assert_field(&fields, i, "some-name", "some value that is long enough");
        }
    }
    weir_fields_clear(&fields);
}

/* Only in pieces: the array grows at the beginning of a name. */
static void build_in_pieces(weir_failalloc *failalloc, void *user)
{
    weir_fields fields;
    (void)user;
    weir_fields_init(&fields, &failalloc->allocator);
    bool going = true;
    size_t begun = 0;
    for (; begun < 100 && going; begun++) {
        going = weir_fields_append_name(&fields, WEIR_SPAN("some-name")) &&
                weir_fields_append_name(&fields, WEIR_SPAN("-with-more")) &&
                weir_fields_append_value(&fields, WEIR_SPAN(" some")) &&
                weir_fields_append_value(&fields, WEIR_SPAN(" value "));
        weir_fields_check(&fields);
    }
    weir_fields_end(&fields);
    assert_int_equal(going, atomic_load(&failalloc->failures) == 0);
    size_t whole = going ? begun : begun - 1;
    assert_true(weir_fields_count(&fields) >= whole);
    assert_true(weir_fields_count(&fields) <= begun);
    for (size_t i = 0; i < whole; i++) {
        assert_field(&fields, i, "some-name-with-more", "some value");
    }
    weir_fields_clear(&fields);
}

static void fields__survive_the_failure_of_every_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(build_all, NULL) >= 6);
    assert_true(weir_failalloc_every(build_in_pieces, NULL) >= 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(fields__holds_nothing_at_birth),
        TEST(fields__keeps_order_repeats_case_and_flags),
        TEST(fields__copies_what_it_is_given),
        TEST(fields__does_not_copy_what_is_kept),
        TEST(fields__finds_the_ith_of_a_name_whatever_its_case),
        TEST(fields__a_typical_head_is_one_allocation_besides_the_array),
        TEST(fields__octets_never_move),
        TEST(fields__pieces_of_the_arena_double_up_to_16_kib),
        TEST(fields__a_piece_is_filled_to_its_last_octet),
        TEST(fields__a_long_value_does_not_waste_a_nearly_empty_piece),
        TEST(fields__an_impossible_length_is_no_memory),
        TEST(fields__pieces_of_any_length_make_the_same_fields),
        TEST(fields__a_field_in_pieces_ends_by_end_or_by_the_next_name),
        TEST(fields__white_space_around_a_value_in_pieces_goes_at_its_end),
        TEST(fields__a_value_without_a_name_is_a_defect),
        TEST(fields__a_long_value_octet_by_octet_costs_few_allocations_and_little_more_memory),
        TEST(fields__a_hold_in_the_middle_of_a_value_does_not_tear_it),
        TEST(fields__can_be_used_again_after_clear),
        TEST(fields__equals_a_plain_array_under_random_use),
        TEST(fields__survive_the_failure_of_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
