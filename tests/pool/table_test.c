/* SPDX-License-Identifier: MIT */
/*
 * The table of origins: it finds what is in it at every size on the way up and down, and pays for
 * one bucket at a time.
 */
#include "pool/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/failalloc.h"

enum { MANY = 5000, FEWEST = 1 << WEIR_TABLE_FIRST_BITS };

static uint64_t hash_of(size_t i)
{
    return (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)i << 7;
}

static bool is_in(const weir_table *table, const weir_table_entry *entry, uint64_t hash)
{
    const weir_table_entry *at = weir_table_find(table, hash, NULL);
    while (at && at != entry) {
        at = weir_table_find(table, hash, at);
    }
    return at != NULL && at->hash == hash;
}

static size_t distance(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

static void table__finds_everything_while_it_grows_and_shrinks(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_table table;
    assert_int_equal(weir_table_init(&table, &memory.allocator), WEIR_OK);
    weir_table_entry *entries = calloc(MANY, sizeof *entries);
    for (size_t i = 0; i < MANY; i++) {
        const size_t buckets = table.buckets;
        weir_table_enter(&table, &entries[i], hash_of(i));
        assert_true(distance(table.buckets, buckets) <= 1);
        assert_true(is_in(&table, &entries[i / 2], hash_of(i / 2)));
        assert_false(is_in(&table, &entries[i], hash_of(i) + 1));
        if (i % 97 == 0) {
            weir_table_check(&table);
        }
    }
    assert_true(table.buckets >= MANY / 3);
    assert_true(table.buckets <= MANY / 3 + 1);
    for (size_t i = 0; i < MANY; i++) {
        const size_t buckets = table.buckets;
        weir_table_leave(&table, &entries[i]);
        assert_true(distance(table.buckets, buckets) <= 2);
        assert_false(is_in(&table, &entries[i], hash_of(i)));
        assert_true(i + 1 == MANY || is_in(&table, &entries[MANY - 1], hash_of(MANY - 1)));
        if (i % 97 == 0) {
            weir_table_check(&table);
        }
    }
    assert_int_equal(table.buckets, FEWEST);
    free(entries);
    weir_table_clear(&table);
    weir_failalloc_finish(&memory);
}

static void table__keeps_entries_with_one_hash_apart(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_table table;
    assert_int_equal(weir_table_init(&table, &memory.allocator), WEIR_OK);
    weir_table_entry entries[100];
    for (size_t i = 0; i < 100; i++) {
        weir_table_enter(&table, &entries[i], 42);
    }
    for (size_t i = 0; i < 100; i++) {
        assert_true(is_in(&table, &entries[i], 42));
        weir_table_leave(&table, &entries[i]);
        assert_false(is_in(&table, &entries[i], 42));
    }
    weir_table_clear(&table);
    weir_failalloc_finish(&memory);
}

/* Different hashes, all of one bucket and some with the same eight bits: those beyond the line are
 * found too, and whichever leaves, the others stay. */
static void table__has_room_for_more_than_a_line_holds(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 0);
    weir_table table;
    assert_int_equal(weir_table_init(&table, &memory.allocator), WEIR_OK);
    enum { COUNT = 2 * WEIR_TABLE_BUCKET_ENTRIES + 1 };
    weir_table_entry entries[COUNT];
    uint64_t hashes[COUNT];
    for (size_t leaves = 0; leaves < COUNT; leaves++) {
        for (size_t i = 0; i < COUNT; i++) {
            hashes[i] = (uint64_t)(i % 3) << 56 | (uint64_t)i << 40 | 7;
            weir_table_enter(&table, &entries[i], hashes[i]);
            weir_table_check(&table);
        }
        weir_table_leave(&table, &entries[leaves]);
        weir_table_check(&table);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(is_in(&table, &entries[i], hashes[i]), i != leaves);
        }
        for (size_t i = 0; i < COUNT; i++) {
            if (i != leaves) {
                weir_table_leave(&table, &entries[i]);
            }
        }
        assert_int_equal(table.entries, 0);
        assert_null(weir_table_find(&table, hashes[0], NULL));
    }
    weir_table_clear(&table);
    weir_failalloc_finish(&memory);
}

static void table__stays_right_when_it_cannot_grow(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 2);
    memory.and_after = true;
    weir_table table;
    assert_int_equal(weir_table_init(&table, &memory.allocator), WEIR_OK);
    weir_table_entry *entries = calloc(MANY, sizeof *entries);
    for (size_t i = 0; i < MANY; i++) {
        weir_table_enter(&table, &entries[i], hash_of(i));
    }
    assert_int_equal(table.buckets, FEWEST);
    weir_table_check(&table);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(is_in(&table, &entries[i], hash_of(i)));
        weir_table_leave(&table, &entries[i]);
    }
    free(entries);
    weir_table_clear(&table);
    weir_failalloc_finish(&memory);
}

static void table__says_when_there_is_no_memory_at_all(void **state)
{
    (void)state;
    weir_failalloc memory;
    weir_failalloc_init(&memory, 1);
    weir_table table;
    assert_int_equal(weir_table_init(&table, &memory.allocator), WEIR_E_NOMEM);
    weir_failalloc_finish(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table__finds_everything_while_it_grows_and_shrinks),
        cmocka_unit_test(table__keeps_entries_with_one_hash_apart),
        cmocka_unit_test(table__has_room_for_more_than_a_line_holds),
        cmocka_unit_test(table__stays_right_when_it_cannot_grow),
        cmocka_unit_test(table__says_when_there_is_no_memory_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
