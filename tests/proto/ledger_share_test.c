/* SPDX-License-Identifier: MIT */
/*
 * The split of a TLS record's overhead over those who have octets in it, held against a second
 * implementation of the rule that shares nothing with the first.
 */
#include "ledger_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OWNERS  24
#define RECORDS 20000

static void share__a_record_of_one_exchange_is_all_its_own(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_record(&ledger, &owner, (uint32_t[]){1}, 1, 22);
    assert_int_equal(owner.tally.tls.sent, 22);
    assert_int_equal(owner.tally.tls.received, 0);
    assert_int_equal(CONTROL(&ledger).sent, 0);
}

/* The worked example of docs/ledger.md. */
static void share__is_in_proportion_by_largest_remainder(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[3];
    weir_ledger_init(&ledger, true, &ledger_annex);
    for (uint32_t i = 0; i < 3; i++) {
        weir_ledger_open(&ledger, &owners[i], 2 * i + 1);
    }
    bench_record(&ledger, owners, (uint32_t[]){50, 300, 650}, 3, 22);
    assert_int_equal(owners[0].tally.tls.sent, 1);
    assert_int_equal(owners[1].tally.tls.sent, 7);
    assert_int_equal(owners[2].tally.tls.sent, 14);
}

static void share__a_tie_goes_to_the_lower_stream(void **state)
{
    (void)state;
    /* Charged in every order: the order of charging must not matter. */
    static const size_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                       {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t o = 0; o < WEIR_COUNT_OF(orders); o++) {
        weir_ledger ledger;
        weir_ledger_annex ledger_annex;
        weir_owner owners[3];
        weir_ledger_init(&ledger, true, &ledger_annex);
        for (uint32_t i = 0; i < 3; i++) {
            weir_ledger_open(&ledger, &owners[i], 2 * i + 1);
        }
        for (size_t i = 0; i < 3; i++) {
            bench_charge(&ledger, &owners[orders[o][i]], WEIR_ROW_BODY, WEIR_RECEIVED, 100);
        }
        weir_ledger_wire(&ledger, WEIR_RECEIVED, 22);
        weir_ledger_share(&ledger, WEIR_RECEIVED, 22);
        assert_int_equal(owners[0].tally.tls.received, 8);
        assert_int_equal(owners[1].tally.tls.received, 7);
        assert_int_equal(owners[2].tally.tls.received, 7);
        assert_true(weir_ledger_holds(&ledger));
    }
}

static void share__connection_frames_do_not_take_part(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_charge(&ledger, NULL, weir_row_of_conn(WEIR_ROW_SETTINGS), WEIR_SENT, 10000);
    bench_record(&ledger, &owner, (uint32_t[]){1}, 1, 22);
    assert_int_equal(owner.tally.tls.sent, 22);
}

static void share__a_record_of_connection_frames_alone_is_tls_control(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_charge(&ledger, NULL, weir_row_of_conn(WEIR_ROW_SETTINGS), WEIR_SENT, 45);
    weir_ledger_wire(&ledger, WEIR_SENT, 22);
    weir_ledger_share(&ledger, WEIR_SENT, 22);
    assert_int_equal(CONTROL(&ledger).sent, 22);
    assert_int_equal(owner.tally.tls.sent, 0);
    assert_true(weir_ledger_holds(&ledger));
}

static void share__the_record_ends_with_it(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[2];
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owners[0], 1);
    weir_ledger_open(&ledger, &owners[1], 3);
    bench_record(&ledger, &owners[0], (uint32_t[]){100}, 1, 22);
    bench_record(&ledger, &owners[1], (uint32_t[]){100}, 1, 22);
    assert_int_equal(owners[0].tally.tls.sent, 22);
    assert_int_equal(owners[1].tally.tls.sent, 22);
    /* No overhead ends a record as well. */
    bench_record(&ledger, &owners[0], (uint32_t[]){100}, 1, 0);
    bench_record(&ledger, &owners[1], (uint32_t[]){100}, 1, 5);
    assert_int_equal(owners[0].tally.tls.sent, 22);
    assert_int_equal(owners[1].tally.tls.sent, 27);
}

static void share__the_two_directions_are_apart(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[2];
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owners[0], 1);
    weir_ledger_open(&ledger, &owners[1], 3);
    bench_charge(&ledger, &owners[0], WEIR_ROW_BODY, WEIR_SENT, 10);
    bench_charge(&ledger, &owners[1], WEIR_ROW_BODY, WEIR_RECEIVED, 10);
    weir_ledger_share(&ledger, WEIR_RECEIVED, 29);
    assert_int_equal(owners[0].tally.tls.received, 0);
    assert_int_equal(owners[1].tally.tls.received, 29);
    weir_ledger_share(&ledger, WEIR_SENT, 22);
    assert_int_equal(owners[0].tally.tls.sent, 22);
    assert_int_equal(owners[1].tally.tls.sent, 0);
}

static void share__of_an_owner_folded_inside_the_record_is_tls_control(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[3];
    weir_ledger_init(&ledger, true, &ledger_annex);
    for (uint32_t i = 0; i < 3; i++) {
        weir_ledger_open(&ledger, &owners[i], 2 * i + 1);
        bench_charge(&ledger, &owners[i], WEIR_ROW_BODY, WEIR_SENT, 100);
    }
    weir_ledger_fold(&ledger, &owners[0]);
    assert_true(weir_ledger_holds(&ledger));
    weir_ledger_wire(&ledger, WEIR_SENT, 22);
    weir_ledger_share(&ledger, WEIR_SENT, 22);
    assert_true(weir_ledger_holds(&ledger));
    /* 22/3 each and one left over: the folded lose the tie, whatever their number was. */
    assert_int_equal(owners[0].tally.tls.sent, 0);
    assert_int_equal(owners[1].tally.tls.sent, 8);
    assert_int_equal(owners[2].tally.tls.sent, 7);
    assert_int_equal(CONTROL(&ledger).sent, 7);
    /* The next record knows nothing of it. */
    bench_record(&ledger, &owners[1], (uint32_t[]){1}, 1, 22);
    assert_int_equal(owners[1].tally.tls.sent, 30);
}

static void share__of_a_record_all_of_whose_owners_were_folded_is_tls_control(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[2];
    weir_ledger_init(&ledger, true, &ledger_annex);
    for (uint32_t i = 0; i < 2; i++) {
        weir_ledger_open(&ledger, &owners[i], 2 * i + 1);
        bench_charge(&ledger, &owners[i], WEIR_ROW_BODY, WEIR_SENT, 100);
    }
    weir_ledger_fold(&ledger, &owners[0]);
    weir_ledger_fold(&ledger, &owners[1]);
    weir_ledger_wire(&ledger, WEIR_SENT, 22);
    weir_ledger_share(&ledger, WEIR_SENT, 22);
    assert_int_equal(CONTROL(&ledger).sent, 22);
    assert_true(weir_ledger_holds(&ledger));
}

static void share__is_a_defect_on_a_clear_link(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_charge(&ledger, &owner, WEIR_ROW_BODY, WEIR_SENT, 100);
    assert_true(weir_list_is_empty(&owner.touched[WEIR_SENT]));
    expect_assert_failure(weir_ledger_share(&ledger, WEIR_SENT, 22));
    expect_assert_failure(weir_ledger_set_torn(&ledger, WEIR_SENT, 1));
}

/* -- the second implementation of the rule: sort by remainder and give to the first ones -- */

typedef struct part {
    uint64_t octets;
    uint64_t remainder;
    uint64_t given;
    uint32_t id;
} part;

static int by_remainder(const void *a, const void *b)
{
    const part *left = a;
    const part *right = b;
    if (left->remainder != right->remainder) {
        return left->remainder > right->remainder ? -1 : 1;
    }
    return left->id < right->id ? -1 : 1;
}

static void split(part *parts, size_t count, uint64_t overhead)
{
    uint64_t sum = 0;
    uint64_t given = 0;
    for (size_t i = 0; i < count; i++) {
        sum += parts[i].octets;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i].given = parts[i].octets * overhead / sum;
        parts[i].remainder = parts[i].octets * overhead - parts[i].given * sum;
        given += parts[i].given;
    }
    qsort(parts, count, sizeof(*parts), by_remainder);
    for (size_t i = 0; i < overhead - given; i++) {
        parts[i].given++;
    }
}

typedef struct world {
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[OWNERS];
    bool open[OWNERS];
    weir_tally expected[OWNERS]; /* of the owner that is open there */
    weir_tally folded;
    uint64_t control[WEIR_DIRECTIONS];
    uint64_t ping[WEIR_DIRECTIONS];
    uint64_t in_record[OWNERS];
    uint64_t folded_in_record;
    uint32_t next_id;
} world;

static uint64_t *side(weir_octets *counter, weir_direction direction)
{
    return direction == WEIR_SENT ? &counter->sent : &counter->received;
}

static uint32_t up_to(uint32_t limit)
{
    return (uint32_t)rand() % (limit + 1);
}

static void open_at(world *w, size_t i)
{
    /* Ids in no order of place, so that ties are not decided by place. */
    weir_ledger_open(&w->ledger, &w->owners[i], (w->next_id += 2) ^ 0x1f0);
    memset(&w->expected[i], 0, sizeof(w->expected[i]));
    w->open[i] = true;
}

static void fold_at(world *w, size_t i)
{
    weir_ledger_fold(&w->ledger, &w->owners[i]);
    assert_memory_equal(&w->owners[i].tally, &w->expected[i], sizeof(w->expected[i]));
    weir_tally_add(&w->folded, &w->expected[i]);
    w->open[i] = false;
    w->folded_in_record += w->in_record[i];
    w->in_record[i] = 0;
    /* Nobody may look at a folded owner again. */
    memset(&w->owners[i], 0xa5, sizeof(w->owners[i]));
}

static void charge_some(world *w, weir_direction direction)
{
    for (uint32_t n = up_to(12); n > 0; n--) {
        size_t i = up_to(OWNERS - 1);
        uint32_t octets = up_to(rand() % 2 ? 3 : 2000);
        if (rand() % 8 == 0) {
            bench_charge(&w->ledger, NULL, weir_row_of_conn(WEIR_ROW_PING), direction, octets);
            w->ping[direction] += octets;
            continue;
        }
        if (!w->open[i]) {
            open_at(w, i);
        }
        weir_octets *const rows[] = {&w->expected[i].head, &w->expected[i].body,
                                     &w->expected[i].trailers, &w->expected[i].framing};
        uint32_t row = up_to(WEIR_OWNER_ROWS - 1);
        bench_charge(&w->ledger, &w->owners[i], (weir_row)row, direction, octets);
        *side(rows[row], direction) += octets;
        w->in_record[i] += octets;
        if (rand() % 30 == 0) {
            fold_at(w, i);
        }
    }
}

static void end_record(world *w, weir_direction direction, uint64_t overhead)
{
    part parts[OWNERS + 1];
    size_t count = 0;
    for (size_t i = 0; i < OWNERS; i++) {
        if (w->in_record[i] > 0) {
            parts[count++] = (part){.octets = w->in_record[i], .id = w->owners[i].id};
        }
    }
    if (w->folded_in_record > 0) {
        parts[count++] = (part){.octets = w->folded_in_record, .id = UINT32_MAX};
    }
    if (count > 0) {
        split(parts, count, overhead);
    } else {
        w->control[direction] += overhead;
    }
    for (size_t p = 0; p < count; p++) {
        if (parts[p].id == UINT32_MAX) {
            w->control[direction] += parts[p].given;
        }
        for (size_t i = 0; i < OWNERS; i++) {
            if (w->open[i] && w->owners[i].id == parts[p].id) {
                *side(&w->expected[i].tls, direction) += parts[p].given;
            }
        }
    }
    weir_ledger_wire(&w->ledger, direction, overhead);
    weir_ledger_share(&w->ledger, direction, overhead);
    memset(w->in_record, 0, sizeof(w->in_record));
    w->folded_in_record = 0;
}

static void assert_equal(world *w)
{
    weir_ledger_check(&w->ledger);
    assert_true(weir_ledger_holds(&w->ledger));
    assert_memory_equal(&w->ledger.closed, &w->folded, sizeof(w->folded));
    for (weir_direction d = WEIR_SENT; d < WEIR_DIRECTIONS; d++) {
        assert_int_equal(*side(&CONTROL(&w->ledger), d), w->control[d]);
        assert_int_equal(*side(&w->ledger.frames->rows[WEIR_ROW_PING], d), w->ping[d]);
    }
    for (size_t i = 0; i < OWNERS; i++) {
        if (w->open[i]) {
            assert_memory_equal(&w->owners[i].tally, &w->expected[i], sizeof(w->expected[i]));
        }
    }
}

static void share__equals_the_rule_in_random_records_of_many_exchanges(void **state)
{
    (void)state;
    static world w;
    weir_ledger_init(&w.ledger, true, &w.ledger_annex);
    srand(20);
    for (size_t n = 0; n < RECORDS; n++) {
        weir_direction direction = rand() % 2 ? WEIR_SENT : WEIR_RECEIVED;
        charge_some(&w, direction);
        end_record(&w, direction, up_to(rand() % 10 ? 40 : 16384));
        assert_equal(&w);
    }
    for (size_t i = 0; i < OWNERS; i++) {
        if (w.open[i]) {
            fold_at(&w, i);
        }
    }
    assert_equal(&w);
    assert_true(weir_list_is_empty(&w.ledger.owners->touched[WEIR_SENT]));
    assert_true(weir_list_is_empty(&w.ledger.owners->touched[WEIR_RECEIVED]));
}

/* Products of 32-bit weights and overheads do not wrap. */
static void share__is_exact_with_the_largest_numbers(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[2];
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owners[0], 1);
    weir_ledger_open(&ledger, &owners[1], 3);
    bench_record(&ledger, owners, (uint32_t[]){UINT32_MAX - 1, 1}, 2, UINT32_MAX);
    assert_int_equal(owners[0].tally.tls.sent, UINT32_MAX - 1);
    assert_int_equal(owners[1].tally.tls.sent, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share__a_record_of_one_exchange_is_all_its_own),
        cmocka_unit_test(share__is_in_proportion_by_largest_remainder),
        cmocka_unit_test(share__a_tie_goes_to_the_lower_stream),
        cmocka_unit_test(share__connection_frames_do_not_take_part),
        cmocka_unit_test(share__a_record_of_connection_frames_alone_is_tls_control),
        cmocka_unit_test(share__the_record_ends_with_it),
        cmocka_unit_test(share__the_two_directions_are_apart),
        cmocka_unit_test(share__of_an_owner_folded_inside_the_record_is_tls_control),
        cmocka_unit_test(share__of_a_record_all_of_whose_owners_were_folded_is_tls_control),
        cmocka_unit_test(share__is_a_defect_on_a_clear_link),
        cmocka_unit_test(share__equals_the_rule_in_random_records_of_many_exchanges),
        cmocka_unit_test(share__is_exact_with_the_largest_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
