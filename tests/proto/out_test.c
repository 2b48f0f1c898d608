/* SPDX-License-Identifier: MIT */
/*
 * The tagged send queue: what left is charged, to whom it belonged, and nothing else is.
 */
#include "proto/out.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define LIMIT ((size_t)65536)
#define PING  weir_row_of_conn(WEIR_ROW_PING)

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_out out;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner a;
    weir_owner b;
} fixture;

static uint8_t pattern[4096];

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 37 + i / 253);
    }
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_out_init(&f->out, &f->bin, LIMIT);
    weir_ledger_init(&f->ledger, false, &f->ledger_annex);
    weir_ledger_open(&f->ledger, &f->a, 1);
    weir_ledger_open(&f->ledger, &f->b, 3);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_out_check(&f->out);
    weir_out_clear(&f->out);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static bool add(fixture *f, weir_owner *owner, weir_row row, size_t length)
{
    return weir_out_append(&f->out, owner, row, (weir_span){pattern, length});
}

/* As the conn and the link do it, so that both laws can be asked. */
static void sent(fixture *f, size_t octets)
{
    weir_ledger_wire(&f->ledger, WEIR_SENT, octets);
    weir_ledger_plain(&f->ledger, WEIR_SENT, octets);
    weir_out_sent(&f->out, &f->ledger, octets);
    weir_out_check(&f->out);
    assert_true(weir_ledger_holds(&f->ledger));
}

static void out__what_is_queued_is_not_charged(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 100));
    assert_int_equal(weir_out_octets(&f->out), 100);
    assert_int_equal(weir_out_room(&f->out), LIMIT - 100);
    assert_int_equal(weir_out_pending(&f->out, 0).length, 100);
    assert_int_equal(f->a.tally.head.sent, 0);
    assert_int_equal(f->a.queued_octets, 100);
    assert_true(weir_ledger_holds(&f->ledger));
}

static void out__what_left_is_charged_to_its_owner_and_row(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_FRAMING, 9));
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 40));
    assert_true(add(f, NULL, PING, 17));
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 1000));
    assert_true(add(f, &f->b, WEIR_ROW_TRAILERS, 30));
    sent(f, 9 + 40 + 17 + 1000 + 30);
    assert_int_equal(f->a.tally.framing.sent, 9);
    assert_int_equal(f->a.tally.head.sent, 40);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_PING).sent, 17);
    assert_int_equal(f->b.tally.body.sent, 1000);
    assert_int_equal(f->b.tally.trailers.sent, 30);
    assert_int_equal(f->a.queued_octets, 0);
    assert_int_equal(f->b.queued_octets, 0);
}

static void out__a_short_write_charges_what_it_took(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 10));
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 10));
    sent(f, 4);
    assert_int_equal(f->a.tally.head.sent, 4);
    sent(f, 0);
    sent(f, 7);
    assert_int_equal(f->a.tally.head.sent, 10);
    assert_int_equal(f->a.tally.body.sent, 1);
    assert_int_equal(f->a.queued_octets, 9);
    assert_memory_equal(weir_out_pending(&f->out, 0).at, pattern + 1, 9);
    expect_assert_failure(weir_out_sent(&f->out, &f->ledger, 10));
}

static void out__neighbours_of_one_owner_and_row_are_one_run(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        assert_true(add(f, &f->a, WEIR_ROW_BODY, 50));
    }
    assert_int_equal(f->out.runs_count, 1);
    assert_true(add(f, &f->a, WEIR_ROW_FRAMING, 50));
    assert_true(add(f, &f->b, WEIR_ROW_FRAMING, 50));
    assert_true(add(f, &f->b, WEIR_ROW_FRAMING, 0));
    assert_int_equal(f->out.runs_count, 3);
    sent(f, 5100);
    assert_int_equal(f->a.tally.body.sent, 5000);
    assert_int_equal(f->b.tally.framing.sent, 50);
}

/* A run counts in 32 bits; a queue is not bounded by that. */
static void out__a_run_that_is_full_is_followed_by_another(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 10));
    f->out.runs[0].octets = UINT32_MAX - 5;
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 6));
    assert_int_equal(f->out.runs_count, 2);
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 1));
    assert_int_equal(f->out.runs_count, 2);
    f->out.runs[0].octets = 10;
}

static void out__an_empty_queue_holds_no_memory(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < 50; i++) {
        assert_true(add(f, &f->a, i % 2 ? WEIR_ROW_BODY : WEIR_ROW_FRAMING, 3));
    }
    assert_int_equal(f->out.runs_room, 64);
    assert_int_equal(atomic_load(&f->failalloc.live), 2); /* a chunk and the ring */
    sent(f, 149);
    assert_int_equal(atomic_load(&f->failalloc.live), 2);
    sent(f, 1);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    assert_int_equal(f->out.runs_room, WEIR_OUT_FEW_RUNS);
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 3));
}

static void out__a_few_runs_need_no_ring(void **state)
{
    fixture *f = *state;
    for (int round = 0; round < 10; round++) {
        assert_true(add(f, &f->a, WEIR_ROW_FRAMING, 9));
        assert_true(add(f, &f->a, WEIR_ROW_HEAD, 50));
        sent(f, 30);
        assert_true(add(f, &f->a, WEIR_ROW_FRAMING, 9));
        assert_true(add(f, &f->a, WEIR_ROW_BODY, 500));
        assert_int_equal(atomic_load(&f->failalloc.live), 1); /* the chunk */
        sent(f, 538);
    }
    assert_int_equal(f->a.tally.head.sent, 500);
}

static void out__a_ring_that_wrapped_keeps_its_order_when_it_grows(void **state)
{
    fixture *f = *state;
    size_t queued = 0;
    for (uint32_t i = 0; i < 100; i++) {
        /* Two in, one out: the ring grows while its first run is anywhere in it. */
        assert_true(add(f, NULL, weir_row_of_conn(i % 2 ? WEIR_ROW_SETTINGS : WEIR_ROW_PING), 2));
        assert_true(add(f, &f->a, WEIR_ROW_HEAD, 1));
        queued += 3;
        if (i % 2 == 1) {
            sent(f, 3);
            queued -= 3;
        }
    }
    assert_true(f->out.runs_room >= 128);
    sent(f, queued);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_SETTINGS).sent, 100);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_PING).sent, 100);
    assert_int_equal(f->a.tally.head.sent, 100);
}

static void out__octets_of_an_owner_that_left_are_late(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 10));
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 20));
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 40));
    assert_true(add(f, NULL, PING, 17));
    sent(f, 4);
    weir_out_disown(&f->out, &f->a);
    weir_out_check(&f->out);
    assert_int_equal(f->a.queued_octets, 0);
    assert_int_equal(f->b.queued_octets, 20);
    weir_ledger_fold(&f->ledger, &f->a);
    memset(&f->a, 0xa5, sizeof(f->a)); /* nobody may look at it again */
    sent(f, 83);
    assert_int_equal(f->ledger.closed.body.sent, 4);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_LATE).sent, 46);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_PING).sent, 17);
    assert_int_equal(f->b.tally.body.sent, 20);
}

static void out__disowning_who_has_nothing_queued_changes_nothing(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 20));
    weir_out_disown(&f->out, &f->a);
    assert_int_equal(f->out.runs_count, 1);
    assert_ptr_equal(f->out.runs[0].owner, &f->b);
}

static void out__clearing_charges_nothing(void **state)
{
    fixture *f = *state;
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(add(f, i % 2 ? &f->a : &f->b, WEIR_ROW_BODY, 20));
    }
    weir_out_clear(&f->out);
    assert_int_equal(weir_out_octets(&f->out), 0);
    assert_int_equal(f->a.queued_octets, 0);
    assert_int_equal(f->b.queued_octets, 0);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    assert_int_equal(f->a.tally.body.sent, 0);
}

static void out__a_row_needs_its_owner(void **state)
{
    fixture *f = *state;
    expect_assert_failure(add(f, NULL, WEIR_ROW_BODY, 1));
    expect_assert_failure(add(f, &f->a, PING, 1));
}

static void out__a_pending_span_stays_where_it_is_until_it_is_sent(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 100));
    weir_span pinned = weir_out_pending(&f->out, 0);
    for (uint32_t i = 0; i < 200; i++) {
        assert_true(add(f, i % 2 ? &f->a : &f->b, WEIR_ROW_BODY, 300));
    }
    assert_ptr_equal(weir_out_pending(&f->out, 0).at, pinned.at);
    assert_memory_equal(pinned.at, pattern, 100);
    assert_memory_equal(weir_out_pending(&f->out, 100).at, pattern, 300);
}

static void out__a_prepared_append_cannot_fail(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 1));
    assert_true(weir_out_prepare(&f->out, 40 * 1000, 40));
    f->failalloc.fail_at = 1;
    f->failalloc.and_after = true;
    for (uint32_t i = 0; i < 40; i++) {
        assert_true(add(f, &f->a, i % 2 ? WEIR_ROW_FRAMING : WEIR_ROW_HEAD, 1000));
    }
    assert_int_equal(weir_out_octets(&f->out), 40001);
    sent(f, 40001);
    assert_int_equal(f->a.tally.head.sent, 20000);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
}

static void out__what_was_prepared_and_not_used_is_given_back(void **state)
{
    fixture *f = *state;
    assert_true(weir_out_prepare(&f->out, 40 * 1000, 40));
    assert_int_equal(atomic_load(&f->failalloc.live), 4);
    assert_true(weir_out_prepare(&f->out, 0, 0));
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    /* The same when the ring cannot be had: three chunks were, and are not kept. */
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 4;
    assert_false(weir_out_prepare(&f->out, 40 * 1000, 40));
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
}

/* --- random use against a model that knows of each single octet whose it is --- */

/* The records of the whole queue, one after the other. */
static void assert_records(fixture *f, size_t most, const size_t *expected)
{
    size_t skip = 0;
    for (size_t i = 0; expected[i] > 0; i++) {
        weir_span record = weir_out_record(&f->out, skip, most);
        assert_int_equal(record.length, expected[i]);
        assert_ptr_equal(record.at, weir_out_pending(&f->out, skip).at);
        skip += record.length;
    }
    assert_int_equal(weir_out_record(&f->out, skip, most).length, 0);
}

static void out__a_record_holds_what_is_queued_unless_less_is_asked_for(void **state)
{
    fixture *f = *state;
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 100));
    assert_true(add(f, NULL, PING, 17));
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 3000));
    assert_records(f, 16384, (const size_t[]){3117, 0});
    assert_records(f, 1000, (const size_t[]){1000, 1000, 1000, 117, 0});
    sent(f, 3117);
}

static void out__small_records_are_cut_and_shared_with_nobody(void **state)
{
    fixture *f = *state;
    f->a.small_octets = 2000;
    f->b.small_octets = 1;
    assert_true(add(f, NULL, PING, 17));
    assert_true(add(f, &f->a, WEIR_ROW_HEAD, 100));
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 3000)); /* all of it, though it asked for 1,900 */
    assert_true(add(f, &f->b, WEIR_ROW_HEAD, 40));
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 500)); /* no more of what was asked for */
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 200));
    assert_int_equal(f->a.small_octets, 0);
    assert_records(f, 16384, (const size_t[]){17, 1350, 1350, 400, 40, 700, 0});
    assert_records(f, 1000, (const size_t[]){17, 1000, 1000, 1000, 100, 40, 700, 0});
    /* The queue is cut the same when a part of it has left. */
    sent(f, 17 + 60);
    assert_records(f, 16384, (const size_t[]){1350, 1350, 340, 40, 700, 0});
    sent(f, 3040 + 40 + 700);
    /* An octet that nobody marked is in nobody's way. */
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 3000));
    assert_records(f, 16384, (const size_t[]){3000, 0});
    sent(f, 3000);
}

static void out__small_records_end_with_the_queue_that_is_cleared(void **state)
{
    fixture *f = *state;
    f->a.small_octets = 5000;
    assert_true(add(f, &f->a, WEIR_ROW_BODY, 3000));
    weir_out_clear(&f->out);
    assert_true(add(f, &f->b, WEIR_ROW_BODY, 3000));
    assert_records(f, 16384, (const size_t[]){3000, 0});
    sent(f, 3000);
}

#define OWNERS       6
#define STEPS        30000
#define MODEL_OCTETS 200000

typedef struct tag {
    uint8_t owner; /* OWNERS: the connection */
    uint8_t row;
    uint8_t octet;
} tag;

typedef struct world {
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_out out;
    weir_owner owners[OWNERS];
    uint64_t expected[OWNERS][WEIR_OWNER_ROWS];
    uint64_t expected_conn[WEIR_CONN_ROWS];
    tag queue[MODEL_OCTETS];
    size_t head;
    size_t tail;
    uint32_t next_id;
} world;

static uint32_t below(uint32_t limit)
{
    return (uint32_t)rand() % limit;
}

static void random_append(world *w, weir_failalloc *failalloc)
{
    uint8_t who = (uint8_t)below(OWNERS + 1);
    uint32_t row = who < OWNERS ? below(WEIR_OWNER_ROWS) : below(WEIR_ROW_OTHER);
    uint32_t length = below(rand() % 4 ? 20 : 4000);
    if (w->tail + length > MODEL_OCTETS) {
        return;
    }
    if (who < OWNERS && rand() % 16 == 0) {
        w->owners[who].small_octets = below(6000);
    }
    /* Now and then there is no memory: then nothing may have changed. */
    failalloc->fail_at = rand() % 3 ? 0 : atomic_load(&failalloc->calls) + 1 + below(2);
    bool added = weir_out_append(&w->out, who < OWNERS ? &w->owners[who] : NULL,
                                 who < OWNERS ? (weir_row)row : weir_row_of_conn(row),
                                 (weir_span){pattern, length});
    failalloc->fail_at = 0;
    for (uint32_t i = 0; added && i < length; i++) {
        w->queue[w->tail++] = (tag){who, (uint8_t)row, pattern[i]};
    }
}

static void random_send(world *w)
{
    size_t octets = below((uint32_t)weir_min(w->tail - w->head, rand() % 4 ? 100 : 9000) + 1);
    for (size_t i = 0; i < octets; i++) {
        const tag *t = &w->queue[w->head + i];
        assert_int_equal(weir_out_pending(&w->out, i).at[0], t->octet);
        if (t->owner < OWNERS) {
            w->expected[t->owner][t->row]++;
        } else {
            w->expected_conn[t->row]++;
        }
    }
    w->head += octets;
    weir_ledger_plain(&w->ledger, WEIR_SENT, octets);
    weir_ledger_wire(&w->ledger, WEIR_SENT, octets);
    weir_out_sent(&w->out, &w->ledger, octets);
    if (w->head == w->tail) {
        w->head = 0;
        w->tail = 0;
    }
}

/* One exchange ends with octets of it queued, and another takes its place. */
static void random_disown(world *w)
{
    uint8_t who = (uint8_t)below(OWNERS);
    weir_out_disown(&w->out, &w->owners[who]);
    weir_ledger_fold(&w->ledger, &w->owners[who]);
    for (size_t i = w->head; i < w->tail; i++) {
        if (w->queue[i].owner == who) {
            w->queue[i].owner = OWNERS;
            w->queue[i].row = WEIR_ROW_LATE;
        }
    }
    memset(w->expected[who], 0, sizeof(w->expected[who]));
    weir_ledger_open(&w->ledger, &w->owners[who], w->next_id += 2);
}

static void assert_equal(const world *w)
{
    weir_out_check(&w->out);
    assert_true(weir_ledger_holds(&w->ledger));
    assert_int_equal(weir_out_octets(&w->out), w->tail - w->head);
    for (size_t i = 0; i < OWNERS; i++) {
        const weir_tally *tally = &w->owners[i].tally;
        assert_int_equal(tally->head.sent, w->expected[i][WEIR_ROW_HEAD]);
        assert_int_equal(tally->body.sent, w->expected[i][WEIR_ROW_BODY]);
        assert_int_equal(tally->trailers.sent, w->expected[i][WEIR_ROW_TRAILERS]);
        assert_int_equal(tally->framing.sent, w->expected[i][WEIR_ROW_FRAMING]);
    }
    for (size_t i = 0; i < WEIR_CONN_ROWS; i++) {
        assert_int_equal(weir_ledger_row(&w->ledger, (weir_conn_row)i).sent, w->expected_conn[i]);
    }
}

static void out__charges_every_octet_as_a_model_of_single_octets_does(void **state)
{
    fixture *f = *state;
    static world w;
    weir_ledger_init(&w.ledger, false, &w.ledger_annex);
    weir_out_init(&w.out, &f->bin, LIMIT);
    for (size_t i = 0; i < OWNERS; i++) {
        weir_ledger_open(&w.ledger, &w.owners[i], w.next_id += 2);
    }
    srand(3);
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = below(20);
        if (what < 11) {
            random_append(&w, &f->failalloc);
        } else if (what < 19) {
            random_send(&w);
        } else {
            random_disown(&w);
        }
        assert_equal(&w);
    }
    weir_out_clear(&w.out);
}

static void use_once(weir_failalloc *failalloc, void *user)
{
    (void)user;
    weir_bin bin;
    weir_out out;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    uint64_t queued = 0;
    weir_bin_init(&bin, &failalloc->allocator, 0);
    weir_out_init(&out, &bin, LIMIT);
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    for (uint32_t i = 0; i < 40; i++) {
        size_t length = i == 20 ? sizeof(pattern) : 500;
        weir_row row = i % 2 ? WEIR_ROW_BODY : WEIR_ROW_FRAMING;
        queued += weir_out_append(&out, &owner, row, (weir_span){pattern, length}) ? length : 0;
        weir_out_check(&out);
        assert_int_equal(weir_out_octets(&out), queued);
        assert_int_equal(owner.queued_octets, queued);
    }
    weir_ledger_plain(&ledger, WEIR_SENT, queued);
    weir_out_sent(&out, &ledger, (size_t)queued);
    assert_true(weir_ledger_plain_holds(&ledger));
    weir_bin_clear(&bin);
}

static void out__survives_the_failure_of_every_allocation(void **state)
{
    (void)state;
    /* Two chunks, and rings of 8, 16, 32 and 64 runs. */
    assert_int_equal(weir_failalloc_every(use_once, NULL), 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(out__what_is_queued_is_not_charged),
        TEST(out__what_left_is_charged_to_its_owner_and_row),
        TEST(out__a_short_write_charges_what_it_took),
        TEST(out__neighbours_of_one_owner_and_row_are_one_run),
        TEST(out__a_run_that_is_full_is_followed_by_another),
        TEST(out__an_empty_queue_holds_no_memory),
        TEST(out__a_record_holds_what_is_queued_unless_less_is_asked_for),
        TEST(out__small_records_are_cut_and_shared_with_nobody),
        TEST(out__small_records_end_with_the_queue_that_is_cleared),
        TEST(out__a_few_runs_need_no_ring),
        TEST(out__a_ring_that_wrapped_keeps_its_order_when_it_grows),
        TEST(out__octets_of_an_owner_that_left_are_late),
        TEST(out__disowning_who_has_nothing_queued_changes_nothing),
        TEST(out__clearing_charges_nothing),
        TEST(out__a_row_needs_its_owner),
        TEST(out__a_pending_span_stays_where_it_is_until_it_is_sent),
        TEST(out__charges_every_octet_as_a_model_of_single_octets_does),
        TEST(out__survives_the_failure_of_every_allocation),
        TEST(out__a_prepared_append_cannot_fail),
        TEST(out__what_was_prepared_and_not_used_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
