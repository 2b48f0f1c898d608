/* SPDX-License-Identifier: MIT */
/*
 * The chunk queue against a flat model, its pinning promise, and its bin.
 */
#include "proto/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define LIMIT ((size_t)65536)

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_buf buf;
} fixture;

static uint8_t pattern[4 * 16384];

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 31 + i / 251);
    }
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_buf_init(&f->buf, &f->bin, LIMIT);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_buf_check(&f->buf);
    weir_buf_clear(&f->buf);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static weir_span some(size_t from, size_t length)
{
    assert_true(from + length <= sizeof(pattern));
    return (weir_span){pattern + from, length};
}

static size_t live(const fixture *f)
{
    return atomic_load(&f->failalloc.live);
}

static void buf__is_empty_and_holds_nothing_at_birth(void **state)
{
    fixture *f = *state;
    assert_int_equal(weir_buf_room(&f->buf), LIMIT);
    assert_int_equal(weir_buf_peek(&f->buf, 0).length, 0);
    assert_true(weir_buf_append(&f->buf, (weir_span){NULL, 0}));
    assert_int_equal(live(f), 0);
}

static void buf__gives_back_what_was_appended(void **state)
{
    fixture *f = *state;
    uint8_t out[16];
    assert_true(weir_buf_append(&f->buf, WEIR_SPAN("hello, ")));
    assert_true(weir_buf_append(&f->buf, WEIR_SPAN("weir")));
    assert_int_equal(f->buf.octets, 11);
    assert_int_equal(weir_buf_take(&f->buf, out, sizeof(out)), 11);
    assert_memory_equal(out, "hello, weir", 11);
    assert_int_equal(f->buf.octets, 0);
}

static void buf__gives_every_chunk_back_when_it_is_empty(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, 3 * WEIR_CHUNK_OCTETS)));
    assert_int_equal(live(f), 3);
    weir_buf_consume(&f->buf, WEIR_CHUNK_OCTETS - 1);
    assert_int_equal(live(f), 3);
    weir_buf_consume(&f->buf, 1);
    assert_int_equal(live(f), 2);
    weir_buf_consume(&f->buf, 2 * WEIR_CHUNK_OCTETS);
    assert_int_equal(live(f), 0);
}

static void buf__exactly_one_chunk_costs_one_chunk(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, WEIR_CHUNK_OCTETS)));
    assert_int_equal(live(f), 1);
    assert_true(weir_buf_append(&f->buf, some(0, 1)));
    assert_int_equal(live(f), 2);
}

static void buf__peeks_from_any_place_across_chunks(void **state)
{
    fixture *f = *state;
    size_t length = 2 * WEIR_CHUNK_OCTETS + 100;
    assert_true(weir_buf_append(&f->buf, some(0, length)));
    weir_buf_consume(&f->buf, 7);
    for (size_t skip = 0; skip < length - 7; skip += 97) {
        weir_span run = weir_buf_peek(&f->buf, skip);
        assert_true(run.length > 0);
        assert_memory_equal(run.at, pattern + 7 + skip, run.length);
    }
    /* Where one chunk ends the next one begins. */
    assert_int_equal(weir_buf_peek(&f->buf, WEIR_CHUNK_OCTETS - 7).length, WEIR_CHUNK_OCTETS);
    assert_int_equal(weir_buf_peek(&f->buf, WEIR_CHUNK_OCTETS - 8).length, 1);
    assert_int_equal(weir_buf_peek(&f->buf, length - 8).length, 1);
    assert_int_equal(weir_buf_peek(&f->buf, length - 7).length, 0);
    assert_int_equal(weir_buf_peek(&f->buf, length + 1000).length, 0);
}

static void buf__a_peeked_span_stays_where_it_is_while_more_is_appended(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, 100)));
    weir_buf_consume(&f->buf, 40);
    weir_span pinned = weir_buf_peek(&f->buf, 0);
    assert_int_equal(pinned.length, 60);
    for (size_t i = 0; i < 40; i++) {
        assert_true(weir_buf_append(&f->buf, some(100 + i * 1000, 1000)));
    }
    assert_ptr_equal(weir_buf_peek(&f->buf, 0).at, pinned.at);
    assert_memory_equal(pinned.at, pattern + 40, 60);
    /* What is left of it stays too while its front is consumed. */
    weir_buf_consume(&f->buf, 10);
    assert_ptr_equal(weir_buf_peek(&f->buf, 0).at, pinned.at + 10);
}

static void buf__a_reserved_place_counts_when_it_is_committed(void **state)
{
    fixture *f = *state;
    size_t room = 0;
    uint8_t *to = weir_buf_reserve(&f->buf, &room);
    assert_non_null(to);
    assert_int_equal(room, WEIR_CHUNK_OCTETS);
    assert_int_equal(f->buf.octets, 0);
    memcpy(to, "abc", 3);
    weir_buf_commit(&f->buf, 3);
    assert_int_equal(f->buf.octets, 3);
    to = weir_buf_reserve(&f->buf, &room);
    assert_int_equal(room, WEIR_CHUNK_OCTETS - 3);
    memset(to, 'd', room);
    weir_buf_commit(&f->buf, room);
    weir_buf_check(&f->buf);
    assert_int_equal(live(f), 1);
    assert_memory_equal(weir_buf_peek(&f->buf, 0).at, "abcd", 4);
}

static void buf__a_reserved_place_that_is_not_used_is_given_back(void **state)
{
    fixture *f = *state;
    size_t room = 0;
    assert_non_null(weir_buf_reserve(&f->buf, &room));
    weir_buf_commit(&f->buf, 0);
    assert_int_equal(live(f), 0);
    /* The same behind chunks that are full. */
    assert_true(weir_buf_append(&f->buf, some(0, 2 * WEIR_CHUNK_OCTETS)));
    assert_non_null(weir_buf_reserve(&f->buf, &room));
    assert_int_equal(live(f), 3);
    weir_buf_commit(&f->buf, 0);
    assert_int_equal(live(f), 2);
    weir_buf_check(&f->buf);
    assert_true(weir_buf_append(&f->buf, some(0, 1)));
    assert_int_equal(f->buf.octets, 2 * WEIR_CHUNK_OCTETS + 1);
}

static void buf__room_counts_down_to_zero_and_not_below(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, LIMIT - 1)));
    assert_int_equal(weir_buf_room(&f->buf), 1);
    assert_true(weir_buf_append(&f->buf, some(0, 1)));
    assert_int_equal(weir_buf_room(&f->buf), 0);
    assert_true(weir_buf_append(&f->buf, some(0, 100)));
    assert_int_equal(weir_buf_room(&f->buf), 0);
    weir_buf_consume(&f->buf, 150);
    assert_int_equal(weir_buf_room(&f->buf), 50);
}

static void buf__consuming_more_than_there_is_is_a_defect(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, 10)));
    expect_assert_failure(weir_buf_consume(&f->buf, 11));
}

static void buf__appends_the_whole_span_or_nothing(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->buf, some(0, 100)));
    /* The span needs three more chunks; the second of them cannot be had. */
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 2;
    assert_false(weir_buf_append(&f->buf, some(100, 3 * WEIR_CHUNK_OCTETS)));
    weir_buf_check(&f->buf);
    assert_int_equal(f->buf.octets, 100);
    assert_int_equal(live(f), 1);
    assert_memory_equal(weir_buf_peek(&f->buf, 0).at, pattern, 100);
    assert_true(weir_buf_append(&f->buf, some(100, 3 * WEIR_CHUNK_OCTETS)));
    assert_int_equal(f->buf.octets, 100 + 3 * WEIR_CHUNK_OCTETS);
}

static void buf__a_failed_reserve_changes_nothing(void **state)
{
    fixture *f = *state;
    size_t room = 77;
    f->failalloc.fail_at = 1;
    assert_null(weir_buf_reserve(&f->buf, &room));
    assert_int_equal(f->buf.octets, 0);
    weir_buf_check(&f->buf);
}

static void buf__a_prepared_append_cannot_fail(void **state)
{
    fixture *f = *state;
    f->bin.keep = 1;
    assert_true(weir_buf_append(&f->buf, some(0, 100)));
    assert_true(weir_buf_prepare(&f->buf, 3 * WEIR_CHUNK_OCTETS));
    f->failalloc.fail_at = 1;
    f->failalloc.and_after = true;
    for (size_t i = 0; i < 3; i++) {
        assert_true(weir_buf_append(&f->buf, some(0, WEIR_CHUNK_OCTETS)));
    }
    assert_int_equal(f->buf.octets, 100 + 3 * WEIR_CHUNK_OCTETS);
    assert_false(weir_buf_prepare(&f->buf, WEIR_CHUNK_OCTETS));
    assert_int_equal(f->bin.spare_count, 0);
}

static void buf__what_was_prepared_and_not_used_is_given_back(void **state)
{
    fixture *f = *state;
    f->bin.keep = 1;
    assert_true(weir_buf_prepare(&f->buf, 3 * WEIR_CHUNK_OCTETS + 1));
    assert_int_equal(live(f), 4);
    assert_true(weir_buf_prepare(&f->buf, 0));
    assert_int_equal(live(f), 1);
    assert_int_equal(f->bin.spare_count, 1);
}

/* Every operation at random, held against a flat array. */
static void buf__equals_a_flat_queue_under_random_use(void **state)
{
    fixture *f = *state;
    static uint8_t model[1 << 20];
    static uint8_t out[sizeof(pattern)];
    size_t head = 0;
    size_t tail = 0;
    srand(7);
    while (tail < sizeof(model) - sizeof(pattern)) {
        size_t from = (size_t)rand() % (sizeof(pattern) / 2);
        size_t length = (size_t)rand() % ((rand() & 1) ? 64 : sizeof(pattern) / 2);
        size_t room = 0;
        switch (rand() % 4) {
        case 0:
            assert_true(weir_buf_append(&f->buf, some(from, length)));
            memcpy(model + tail, pattern + from, length);
            tail += length;
            break;
        case 1: {
            uint8_t *to = weir_buf_reserve(&f->buf, &room);
            assert_non_null(to);
            length = weir_min(room, length);
            memcpy(to, pattern + from, length);
            weir_buf_commit(&f->buf, length);
            memcpy(model + tail, pattern + from, length);
            tail += length;
            break;
        }
        case 2:
            length = weir_min(length, tail - head);
            weir_buf_consume(&f->buf, length);
            head += length;
            break;
        default:
            length = weir_buf_take(&f->buf, out, length);
            assert_memory_equal(out, model + head, length);
            head += length;
        }
        weir_buf_check(&f->buf);
        assert_int_equal(f->buf.octets, tail - head);
        assert_true(head == tail || weir_buf_peek(&f->buf, 0).at[0] == model[head]);
        assert_true(head < tail || live(f) == 0);
    }
}

static void bin__keeps_no_more_spare_chunks_than_it_may(void **state)
{
    fixture *f = *state;
    f->bin.keep = 2;
    assert_true(weir_buf_append(&f->buf, some(0, 3 * WEIR_CHUNK_OCTETS)));
    weir_buf_clear(&f->buf);
    assert_int_equal(f->bin.spare_count, 2);
    assert_int_equal(live(f), 2);
    /* A spare chunk is used before the allocator is asked. */
    size_t calls = atomic_load(&f->failalloc.calls);
    assert_true(weir_buf_append(&f->buf, some(0, 2 * WEIR_CHUNK_OCTETS)));
    assert_int_equal(atomic_load(&f->failalloc.calls), calls);
    assert_int_equal(f->bin.spare_count, 0);
}

static void bin__lends_what_was_given_back(void **state)
{
    fixture *f = *state;
    weir_bin bin;

    weir_bin_init(&bin, &f->failalloc.allocator, 1);
    uint8_t *loan = weir_bin_lend(&bin);
    assert_non_null(loan);
    memset(loan, 0xa5, WEIR_LOAN_OCTETS); /* all of it is the borrower's */
    assert_int_equal(live(f), 1);
    weir_bin_return(&bin, loan);
    weir_bin_return(&bin, NULL);
    assert_int_equal(bin.spare_count, 1);
    const size_t calls = atomic_load(&f->failalloc.calls);
    loan = weir_bin_lend(&bin);
    assert_int_equal(atomic_load(&f->failalloc.calls), calls);
    weir_bin_return(&bin, loan);
    weir_bin_clear(&bin);
    assert_int_equal(live(f), 0);
}

static void bin__moves_spare_chunks_up_to_what_the_other_may_keep(void **state)
{
    fixture *f = *state;
    weir_bin other;
    weir_bin_init(&other, &f->failalloc.allocator, 2);
    f->bin.keep = 4;
    assert_true(weir_buf_append(&f->buf, some(0, 4 * WEIR_CHUNK_OCTETS)));
    weir_buf_clear(&f->buf);
    weir_bin_move(&f->bin, &other, 1);
    assert_int_equal(other.spare_count, 1);
    assert_int_equal(f->bin.spare_count, 3);
    weir_bin_move(&f->bin, &other, 100);
    assert_int_equal(other.spare_count, 2);
    assert_int_equal(f->bin.spare_count, 2);
    weir_bin_move(&other, &f->bin, 100);
    assert_int_equal(other.spare_count, 0);
    assert_int_equal(f->bin.spare_count, 4);
    weir_bin_clear(&other);
}

static void use_once(weir_failalloc *failalloc, void *user)
{
    (void)user;
    weir_bin bin;
    weir_buf buf;
    size_t room = 0;
    weir_bin_init(&bin, &failalloc->allocator, 1);
    weir_buf_init(&buf, &bin, LIMIT);
    size_t expected = 0;
    expected += weir_buf_append(&buf, some(0, 10)) ? 10 : 0;
    expected += weir_buf_append(&buf, some(0, 2 * WEIR_CHUNK_OCTETS)) ? 2 * WEIR_CHUNK_OCTETS : 0;
    if (weir_buf_reserve(&buf, &room)) {
        weir_buf_commit(&buf, 1);
        expected += 1;
    }
    weir_buf_check(&buf);
    assert_int_equal(buf.octets, expected);
    weir_buf_clear(&buf);
    weir_bin_clear(&bin);
}

static void buf__survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    assert_int_equal(weir_failalloc_every(use_once, NULL), 3);
}

static void alloc__zeroes_and_answers_null_when_there_is_none(void **state)
{
    fixture *f = *state;
    static const uint8_t zeroes[64];
    void *at = weir_alloc_zeroed(&f->failalloc.allocator, sizeof(zeroes));
    assert_memory_equal(at, zeroes, sizeof(zeroes));
    weir_release(&f->failalloc.allocator, at);
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 1;
    assert_null(weir_alloc_zeroed(&f->failalloc.allocator, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(buf__is_empty_and_holds_nothing_at_birth),
        TEST(buf__gives_back_what_was_appended),
        TEST(buf__gives_every_chunk_back_when_it_is_empty),
        TEST(buf__exactly_one_chunk_costs_one_chunk),
        TEST(buf__peeks_from_any_place_across_chunks),
        TEST(buf__a_peeked_span_stays_where_it_is_while_more_is_appended),
        TEST(buf__a_reserved_place_counts_when_it_is_committed),
        TEST(buf__a_reserved_place_that_is_not_used_is_given_back),
        TEST(buf__room_counts_down_to_zero_and_not_below),
        TEST(buf__consuming_more_than_there_is_is_a_defect),
        TEST(buf__appends_the_whole_span_or_nothing),
        TEST(buf__a_failed_reserve_changes_nothing),
        TEST(buf__equals_a_flat_queue_under_random_use),
        TEST(bin__keeps_no_more_spare_chunks_than_it_may),
        TEST(bin__lends_what_was_given_back),
        TEST(bin__moves_spare_chunks_up_to_what_the_other_may_keep),
        TEST(buf__survives_the_failure_of_every_allocation),
        TEST(alloc__zeroes_and_answers_null_when_there_is_none),
        TEST(buf__a_prepared_append_cannot_fail),
        TEST(buf__what_was_prepared_and_not_used_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
