/* SPDX-License-Identifier: MIT */
/*
 * The octet accounts: rows, folding, the two laws. The split of a record's overhead is in
 * ledger_share_test.c.
 */
#include "ledger_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void ledger__begins_with_zeroes_and_holds(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_account account;
    weir_ledger_init(&ledger, true, &ledger_annex);
    assert_true(weir_ledger_holds(&ledger));
    weir_ledger_account(&ledger, &account);
    assert_int_equal(account.size, sizeof(account));
    assert_int_equal(account.wire.sent + account.wire.received, 0);
    assert_int_equal(account.verdict.agreement, WEIR_UNAVAILABLE);
}

static void ledger__each_row_of_an_exchange_moves_its_own_counter(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_SENT, 1);
    bench_charge(&ledger, &owner, WEIR_ROW_BODY, WEIR_SENT, 10);
    bench_charge(&ledger, &owner, WEIR_ROW_TRAILERS, WEIR_SENT, 100);
    bench_charge(&ledger, &owner, WEIR_ROW_FRAMING, WEIR_SENT, 1000);
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_RECEIVED, 2);
    bench_charge(&ledger, &owner, WEIR_ROW_BODY, WEIR_RECEIVED, 20);
    bench_charge(&ledger, &owner, WEIR_ROW_TRAILERS, WEIR_RECEIVED, 200);
    bench_charge(&ledger, &owner, WEIR_ROW_FRAMING, WEIR_RECEIVED, 2000);
    weir_tally expected = {
        .head = {1, 2}, .body = {10, 20}, .trailers = {100, 200}, .framing = {1000, 2000}};
    assert_memory_equal(&owner.tally, &expected, sizeof(expected));
    assert_true(weir_ledger_holds(&ledger));
    weir_ledger_fold(&ledger, &owner);
}

static void ledger__each_row_of_the_connection_moves_its_own_counter(void **state)
{
    (void)state;
    for (weir_conn_row row = 0; row < WEIR_CONN_ROWS; row++) {
        bool is_tls = row == WEIR_ROW_TLS_HANDSHAKE || row == WEIR_ROW_TLS_CONTROL;
        weir_ledger ledger;
        weir_ledger_annex ledger_annex;
        weir_ledger_init(&ledger, true, &ledger_annex);
        weir_ledger_charge(&ledger, NULL, weir_row_of_conn(row), WEIR_SENT, 5);
        weir_ledger_charge(&ledger, NULL, weir_row_of_conn(row), WEIR_RECEIVED, 7);
        for (weir_conn_row other = 0; other < WEIR_CONN_ROWS; other++) {
            assert_int_equal(weir_ledger_row(&ledger, other).sent, other == row ? 5 : 0);
            assert_int_equal(weir_ledger_row(&ledger, other).received, other == row ? 7 : 0);
        }
        /* A row above TLS breaks the first law until plain moves too, a tls row the second. */
        assert_int_equal(weir_ledger_plain_holds(&ledger), is_tls);
        assert_int_equal(weir_ledger_wire_holds(&ledger), !is_tls);
        if (!is_tls) {
            weir_ledger_plain(&ledger, WEIR_SENT, 5);
            weir_ledger_plain(&ledger, WEIR_RECEIVED, 7);
        }
        weir_ledger_wire(&ledger, WEIR_SENT, 5);
        weir_ledger_wire(&ledger, WEIR_RECEIVED, 7);
        assert_true(weir_ledger_holds(&ledger));
    }
}

static void ledger__a_row_belongs_to_an_exchange_or_to_the_connection(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    expect_assert_failure(weir_ledger_charge(&ledger, NULL, WEIR_ROW_HEAD, WEIR_SENT, 1));
    expect_assert_failure(weir_ledger_charge(&ledger, NULL, WEIR_OWNER_ROWS, WEIR_SENT, 1));
    expect_assert_failure(
        weir_ledger_charge(&ledger, NULL, weir_row_of_conn(WEIR_CONN_ROWS), WEIR_SENT, 1));
    expect_assert_failure(
        weir_ledger_charge(&ledger, &owner, weir_row_of_conn(WEIR_ROW_PING), WEIR_SENT, 1));
    expect_assert_failure(weir_ledger_charge(&ledger, &owner, WEIR_OWNER_ROWS, WEIR_SENT, 1));
    weir_ledger_fold(&ledger, &owner);
    expect_assert_failure(weir_ledger_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_SENT, 1));
}

/* One octet too many or too few in any counter, in either direction, is seen. */
static void ledger__one_octet_astray_breaks_a_law(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_SENT, 100);
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_RECEIVED, 100);
    weir_octets *const above[] = {&owner.tally.head,
                                  &ledger.plain,
                                  &ledger.closed.body,
                                  &ledger.frames->rows[WEIR_ROW_PING],
                                  &ledger.frames->undecided,
                                  &ledger.late,
                                  &ledger.unread};
    for (size_t i = 0; i < WEIR_COUNT_OF(above); i++) {
        above[i]->sent++;
        assert_false(weir_ledger_plain_holds(&ledger));
        assert_false(weir_ledger_holds(&ledger));
        above[i]->sent--;
        above[i]->received++;
        assert_false(weir_ledger_plain_holds(&ledger));
        above[i]->received--;
        assert_true(weir_ledger_holds(&ledger));
    }
    weir_octets *const below[] = {&owner.tally.tls,       &ledger.wire,      &ledger.closed.tls,
                                  &ledger.tls->handshake, &CONTROL(&ledger), &ledger.tls->torn};
    for (size_t i = 0; i < WEIR_COUNT_OF(below); i++) {
        below[i]->sent++;
        assert_false(weir_ledger_wire_holds(&ledger));
        assert_true(weir_ledger_plain_holds(&ledger));
        below[i]->sent--;
        below[i]->received++;
        assert_false(weir_ledger_wire_holds(&ledger));
        assert_false(weir_ledger_holds(&ledger));
        below[i]->received--;
        assert_true(weir_ledger_holds(&ledger));
    }
}

static void ledger__folding_keeps_every_octet_and_the_final_tally(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owners[3];
    weir_account account;
    weir_ledger_init(&ledger, false, &ledger_annex);
    for (uint32_t i = 0; i < 3; i++) {
        weir_ledger_open(&ledger, &owners[i], 2 * i + 1);
        bench_charge(&ledger, &owners[i], WEIR_ROW_BODY, WEIR_RECEIVED, 10 + i);
    }
    weir_ledger_fold(&ledger, &owners[1]);
    assert_true(weir_ledger_holds(&ledger));
    assert_int_equal(owners[1].tally.body.received, 11);
    weir_ledger_account(&ledger, &account);
    assert_int_equal(account.exchanges.body.received, 33);
    weir_ledger_fold(&ledger, &owners[0]);
    weir_ledger_fold(&ledger, &owners[2]);
    assert_true(weir_ledger_holds(&ledger));
    assert_int_equal(ledger.closed.body.received, 33);
    assert_true(weir_ledger_next_open(&ledger, NULL) == NULL);
    expect_assert_failure(weir_ledger_fold(&ledger, &owners[2]));
}

static void ledger__an_owner_with_octets_queued_is_not_folded(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    owner.queued_octets = 1;
    expect_assert_failure(weir_ledger_fold(&ledger, &owner));
}

static void ledger__undecided_and_torn_belong_to_the_laws_and_are_settled_visibly(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_ledger_init(&ledger, true, &ledger_annex);
    weir_ledger_plain(&ledger, WEIR_RECEIVED, 8);
    weir_ledger_wire(&ledger, WEIR_RECEIVED, 8 + 100);
    weir_ledger_wire(&ledger, WEIR_SENT, 3);
    assert_false(weir_ledger_plain_holds(&ledger));
    weir_ledger_set_undecided(&ledger, WEIR_RECEIVED, 8);
    assert_true(weir_ledger_plain_holds(&ledger));
    assert_false(weir_ledger_wire_holds(&ledger));
    weir_ledger_set_torn(&ledger, WEIR_RECEIVED, 100);
    weir_ledger_set_torn(&ledger, WEIR_SENT, 3);
    assert_true(weir_ledger_holds(&ledger));
    for (int i = 0; i < 2; i++) { /* the second time there is nothing left to settle */
        weir_ledger_settle(&ledger);
        assert_true(weir_ledger_holds(&ledger));
        assert_int_equal(weir_ledger_row(&ledger, WEIR_ROW_OTHER).received, 8);
        assert_int_equal(CONTROL(&ledger).received, 100);
        assert_int_equal(CONTROL(&ledger).sent, 3);
        assert_int_equal(weir_ledger_undecided(&ledger).received, 0);
        assert_int_equal(weir_ledger_torn(&ledger).received, 0);
        assert_int_equal(weir_ledger_torn(&ledger).sent, 0);
    }
}

static void ledger__takes_over_what_was_counted_before(void **state)
{
    (void)state;
    weir_ledger handshake;
    weir_ledger_annex handshake_annex;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_ledger_init(&handshake, true, &handshake_annex);
    weir_ledger_charge(&handshake, NULL, weir_row_of_conn(WEIR_ROW_TLS_HANDSHAKE), WEIR_SENT, 517);
    weir_ledger_wire(&handshake, WEIR_SENT, 517);
    bench_charge(&handshake, NULL, weir_row_of_conn(WEIR_ROW_PROXY), WEIR_RECEIVED, 39);
    weir_ledger_wire(&handshake, WEIR_RECEIVED, 100);
    weir_ledger_set_torn(&handshake, WEIR_RECEIVED, 100);
    assert_true(weir_ledger_holds(&handshake));

    weir_ledger_init(&ledger, true, &ledger_annex);
    bench_charge(&ledger, NULL, weir_row_of_conn(WEIR_ROW_PROXY), WEIR_RECEIVED, 1);
    weir_ledger_inherit(&ledger, &handshake);
    assert_true(weir_ledger_holds(&ledger));
    assert_int_equal(ledger.wire.sent, 517);
    assert_int_equal(ledger.wire.received, 140);
    assert_int_equal(ledger.plain.received, 40);
    assert_int_equal(weir_ledger_row(&ledger, WEIR_ROW_TLS_HANDSHAKE).sent, 517);
    assert_int_equal(weir_ledger_row(&ledger, WEIR_ROW_PROXY).received, 40);
    assert_int_equal(weir_ledger_torn(&ledger).received, 100);
}

static void ledger__an_exchange_knows_when_it_was_last_charged(void **state)
{
    (void)state;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    ledger.now_ns = 50;
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_SENT, 1);
    ledger.now_ns = 70;
    bench_charge(&ledger, &owner, WEIR_ROW_HEAD, WEIR_SENT, 0);
    bench_charge(&ledger, NULL, weir_row_of_conn(WEIR_ROW_PING), WEIR_RECEIVED, 17);
    assert_int_equal(owner.charged_ns[WEIR_SENT], 50);
    assert_int_equal(owner.charged_ns[WEIR_RECEIVED], 0);
    bench_charge(&ledger, &owner, WEIR_ROW_BODY, WEIR_RECEIVED, 1);
    assert_int_equal(owner.charged_ns[WEIR_RECEIVED], 70);
    assert_int_equal(owner.charged_ns[WEIR_SENT], 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ledger__begins_with_zeroes_and_holds),
        cmocka_unit_test(ledger__each_row_of_an_exchange_moves_its_own_counter),
        cmocka_unit_test(ledger__each_row_of_the_connection_moves_its_own_counter),
        cmocka_unit_test(ledger__a_row_belongs_to_an_exchange_or_to_the_connection),
        cmocka_unit_test(ledger__one_octet_astray_breaks_a_law),
        cmocka_unit_test(ledger__folding_keeps_every_octet_and_the_final_tally),
        cmocka_unit_test(ledger__an_owner_with_octets_queued_is_not_folded),
        cmocka_unit_test(ledger__undecided_and_torn_belong_to_the_laws_and_are_settled_visibly),
        cmocka_unit_test(ledger__takes_over_what_was_counted_before),
        cmocka_unit_test(ledger__an_exchange_knows_when_it_was_last_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
