/* SPDX-License-Identifier: MIT */
/*
 * The frame codec: what it reads at every split and where it charges it, and the octets of every
 * frame that it writes.
 */
#include "proto/h2_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/split.h"
#include "support/text.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_out out;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    weir_h2_reader reader;
} fixture;

static const weir_h2_account of_stream = {NULL, WEIR_ROW_BODY, WEIR_ROW_FRAMING};

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_out_init(&f->out, &f->bin, 65536);
    weir_ledger_init(&f->ledger, false, &f->ledger_annex);
    weir_ledger_open(&f->ledger, &f->owner, 5);
    weir_h2_reader_init(&f->reader, &f->ledger);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_h2_reader_check(&f->reader);
    weir_out_check(&f->out);
    weir_out_clear(&f->out);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

/* Reads a piece and writes down its parts; contents that come in pieces are joined. */
static void read_piece(fixture *f, weir_span piece, weir_text *log)
{
    while (true) {
        weir_span content = {NULL, 0};
        weir_h2_part_kind kind = weir_h2_reader_next(&f->reader, &piece, &content);
        if (kind == WEIR_H2_PART_NONE) {
            assert_int_equal(piece.length, 0);
            return;
        }
        if (kind == WEIR_H2_PART_HEAD) {
            weir_h2_frame_head head = f->reader.head;
            weir_text_printf(log, "[%u %u %u %u ", head.length, head.type, head.flags, head.stream);
            weir_h2_account account = of_stream;
            account.owner = &f->owner;
            weir_h2_reader_account(&f->reader, account);
        } else if (kind == WEIR_H2_PART_BEGIN) {
            weir_text_printf(log, "(%u) ", f->reader.content_left);
        } else if (kind == WEIR_H2_PART_CONTENT) {
            weir_text_append(log, content);
        } else if (kind == WEIR_H2_PART_END) {
            weir_text_append(log, WEIR_SPAN("]\n"));
        } else {
            weir_text_append(log, WEIR_SPAN("bad padding\n"));
            return;
        }
    }
}

static const char frames[] = "\0\0\5\0\0\0\0\0\1hello"            /* DATA */
                             "\0\0\10\0\11\200\0\0\1\2hello\0\0"  /* padded, reserved bit */
                             "\0\0\0\0\1\0\0\0\1"                 /* empty */
                             "\0\0\1\0\10\0\0\0\1\0"              /* padded with nothing */
                             "\0\0\10\1\44\0\0\0\3\0\0\0\0\20abc" /* HEADERS with priority */
                             "\0\0\11\1\54\0\0\0\3\1\0\0\0\0\20ab\0"
                             "\0\0\4\21\10\0\0\0\0\1abc"; /* unknown: its padding flag is none */

static const char frames_log[] = "[5 0 0 1 (5) hello]\n"
                                 "[8 0 9 1 (5) hello]\n"
                                 "[0 0 1 1 (0) ]\n"
                                 "[1 0 8 1 (0) ]\n"
                                 "[8 1 36 3 (3) abc]\n"
                                 "[9 1 44 3 (2) ab]\n"
                                 "[4 17 8 0 (4) \1abc]\n";

static void frame__reads_the_same_parts_and_charges_the_same_rows_at_every_split(void **state)
{
    fixture *f = *state;
    size_t length = sizeof(frames) - 1;
    weir_split split;
    for (weir_split_first(&split, length); !weir_split_is_over(&split); weir_split_next(&split)) {
        weir_text log = {.at = NULL};
        weir_tally before = f->owner.tally;
        for (size_t at = 0; at < length;) {
            size_t piece = weir_split_piece(&split, at);
            read_piece(f, (weir_span){(const uint8_t *)frames + at, piece}, &log);
            at += piece;
        }
        assert_string_equal(weir_text_string(&log), frames_log);
        assert_int_equal(f->owner.tally.body.received - before.body.received, 5 + 5 + 3 + 2 + 4);
        assert_int_equal(f->owner.tally.framing.received - before.framing.received,
                         length - 5 - 5 - 3 - 2 - 4);
        assert_int_equal(weir_ledger_undecided(&f->ledger).received, 0);
        weir_text_clear(&log);
    }
}

static void frame__an_incomplete_header_is_undecided(void **state)
{
    fixture *f = *state;
    weir_text log = {.at = NULL};
    for (size_t octets = 1; octets < WEIR_H2_FRAME_HEAD_OCTETS; octets++) {
        read_piece(f, (weir_span){(const uint8_t *)frames + octets - 1, 1}, &log);
        assert_int_equal(weir_ledger_undecided(&f->ledger).received, octets);
        assert_int_equal(f->owner.tally.framing.received, 0);
    }
    read_piece(f, (weir_span){(const uint8_t *)frames + 8, 1}, &log);
    assert_int_equal(weir_ledger_undecided(&f->ledger).received, 0);
    assert_int_equal(f->owner.tally.framing.received, 9);
    weir_text_clear(&log);
}

static void frame__padding_may_not_be_longer_than_what_is_left(void **state)
{
    fixture *f = *state;
    weir_text log = {.at = NULL};
    read_piece(f, WEIR_SPAN("\0\0\3\0\10\0\0\0\1\3ab"), &log);
    assert_string_equal(weir_text_string(&log), "[3 0 8 1 bad padding\n");
    weir_text_clear(&log);
}

static void frame__knows_when_it_is_too_short_for_its_flags(void **state)
{
    (void)state;
    const struct {
        uint32_t length;
        uint8_t type;
        uint8_t flags;
        bool is_short;
    } cases[] = {
        {0, WEIR_H2_DATA, 0, false},
        {0, WEIR_H2_DATA, WEIR_H2_FLAG_PADDED, true},
        {1, WEIR_H2_DATA, WEIR_H2_FLAG_PADDED, false},
        {0, WEIR_H2_DATA, WEIR_H2_FLAG_PRIORITY, false},
        {4, WEIR_H2_HEADERS, WEIR_H2_FLAG_PRIORITY, true},
        {5, WEIR_H2_HEADERS, WEIR_H2_FLAG_PRIORITY, false},
        {5, WEIR_H2_HEADERS, WEIR_H2_FLAG_PRIORITY | WEIR_H2_FLAG_PADDED, true},
        {6, WEIR_H2_HEADERS, WEIR_H2_FLAG_PRIORITY | WEIR_H2_FLAG_PADDED, false},
        {0, WEIR_H2_PING, 0xff, false},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        weir_h2_frame_head head = {
            .length = cases[i].length, .type = cases[i].type, .flags = cases[i].flags};
        assert_int_equal(weir_h2_frame_is_short(head), cases[i].is_short);
    }
}

static void frame__what_is_left_of_a_disowned_one_is_late(void **state)
{
    fixture *f = *state;
    weir_text log = {.at = NULL};
    read_piece(f, WEIR_SPAN("\0\0\5\0\0\0\0\0\1he"), &log);
    weir_h2_reader_disown(&f->reader, &f->owner);
    read_piece(f, WEIR_SPAN("llo"), &log);
    assert_int_equal(f->owner.tally.body.received, 2);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_LATE).received, 3);
    weir_text_clear(&log);
}

static void frame__what_nobody_parses_is_other_behind_the_content_under_way(void **state)
{
    fixture *f = *state;
    weir_text log = {.at = NULL};
    read_piece(f, WEIR_SPAN("\0\0\5\0\0\0\0\0\1he"), &log);
    weir_h2_reader_drain(&f->reader, WEIR_SPAN("l"));
    weir_h2_reader_drain(&f->reader, WEIR_SPAN("lo and more"));
    assert_int_equal(f->owner.tally.body.received, 5);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_OTHER).received, 9);
    weir_text_clear(&log);
}

static void frame__what_is_left_of_an_abandoned_one_is_other(void **state)
{
    fixture *f = *state;
    weir_text log = {.at = NULL};
    read_piece(f, WEIR_SPAN("\0\0\5\0\0\0\0\0\1"), &log);
    weir_h2_reader_abandon(&f->reader);
    weir_h2_reader_drain(&f->reader, WEIR_SPAN("hello"));
    assert_int_equal(f->owner.tally.body.received, 0);
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_OTHER).received, 5);
    weir_text_clear(&log);
}

/* Everything that is queued, sent. */
static void expect_sent(fixture *f, const char *octets, size_t length)
{
    weir_text sent = {.at = NULL};
    while (weir_out_octets(&f->out) > 0) {
        weir_span run = weir_out_pending(&f->out, 0);
        weir_text_append(&sent, run);
        weir_out_sent(&f->out, &f->ledger, run.length);
    }
    assert_int_equal(sent.length, length);
    assert_memory_equal(sent.at, octets, length);
    weir_text_clear(&sent);
}
#define EXPECT_SENT(f, literal) expect_sent(f, literal, sizeof(literal) - 1)

static void frame__writes_each_kind_and_tags_its_row(void **state)
{
    fixture *f = *state;
    weir_out *out = &f->out;
    const uint8_t opaque[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    assert_true(weir_h2_queue_preface(out));
    EXPECT_SENT(f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_PREFACE).sent, 24);

    assert_true(weir_h2_queue_ping(out, false, opaque));
    assert_true(weir_h2_queue_ping(out, true, opaque));
    EXPECT_SENT(f, "\0\0\10\6\0\0\0\0\0\1\2\3\4\5\6\7\10"
                   "\0\0\10\6\1\0\0\0\0\1\2\3\4\5\6\7\10");
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_PING).sent, 34);

    assert_true(weir_h2_queue_goaway(out, WEIR_H2_ENHANCE_YOUR_CALM));
    EXPECT_SENT(f, "\0\0\10\7\0\0\0\0\0\0\0\0\0\0\0\0\13");
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_GOAWAY).sent, 17);

    assert_true(weir_h2_queue_window_update(out, NULL, 0x01020304));
    EXPECT_SENT(f, "\0\0\4\10\0\0\0\0\0\1\2\3\4");
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_WINDOW).sent, 13);

    assert_true(weir_h2_queue_window_update(out, &f->owner, 9));
    assert_true(weir_h2_queue_rst_stream(out, &f->owner, WEIR_H2_CANCEL));
    EXPECT_SENT(f, "\0\0\4\10\0\0\0\0\5\0\0\0\11"
                   "\0\0\4\3\0\0\0\0\5\0\0\0\10");
    assert_int_equal(f->owner.tally.framing.sent, 26);

    const weir_h2_setting settings[] = {{2, 0}, {4, 0x01020304}};
    assert_true(weir_h2_queue_settings(out, settings, 2));
    assert_true(weir_h2_queue_settings_ack(out));
    EXPECT_SENT(f, "\0\0\14\4\0\0\0\0\0\0\2\0\0\0\0\0\4\1\2\3\4"
                   "\0\0\0\4\1\0\0\0\0");
    assert_int_equal(weir_ledger_row(&f->ledger, WEIR_ROW_SETTINGS).sent, 30);

    assert_true(weir_h2_queue_data(out, &f->owner, WEIR_SPAN("abc"), false));
    assert_true(weir_h2_queue_data(out, &f->owner, (weir_span){NULL, 0}, true));
    EXPECT_SENT(f, "\0\0\3\0\0\0\0\0\5abc"
                   "\0\0\0\0\1\0\0\0\5");
    assert_int_equal(f->owner.tally.body.sent, 3);
    assert_int_equal(f->owner.tally.framing.sent, 26 + 18);
}

static void queue_block(fixture *f, const char *octets, uint32_t max_frame_octets)
{
    weir_h2_block block = {.owner = &f->owner,
                           .row = WEIR_ROW_HEAD,
                           .octets = weir_span_of(octets),
                           .max_frame_octets = max_frame_octets,
                           .end_stream = true};
    size_t length = block.octets.length;
    assert_true(weir_out_prepare(&f->out, weir_h2_block_octets(length, max_frame_octets),
                                 weir_h2_block_runs(length, max_frame_octets)));
    weir_h2_queue_block(&f->out, &block);
    assert_int_equal(weir_out_octets(&f->out), weir_h2_block_octets(length, max_frame_octets));
}

static void frame__a_block_that_fits_is_one_frame(void **state)
{
    fixture *f = *state;
    queue_block(f, "abcd", 4);
    EXPECT_SENT(f, "\0\0\4\1\5\0\0\0\5abcd");
    assert_int_equal(f->owner.tally.head.sent, 4);
    queue_block(f, "", 4);
    EXPECT_SENT(f, "\0\0\0\1\5\0\0\0\5");
}

static void frame__a_longer_block_goes_on_in_continuations(void **state)
{
    fixture *f = *state;
    queue_block(f, "abcdefghi", 4);
    EXPECT_SENT(f, "\0\0\4\1\1\0\0\0\5abcd"
                   "\0\0\4\11\0\0\0\0\5efgh"
                   "\0\0\1\11\4\0\0\0\5i");
    assert_int_equal(f->owner.tally.head.sent, 9);
    assert_int_equal(f->owner.tally.framing.sent, 27);
}

static void queue_some(weir_failalloc *failalloc, void *user)
{
    (void)user;
    weir_bin bin;
    weir_out out;
    weir_ledger ledger;
    weir_ledger_annex ledger_annex;
    weir_owner owner;
    static const uint8_t content[30000];
    weir_bin_init(&bin, &failalloc->allocator, 0);
    weir_out_init(&out, &bin, 65536);
    weir_ledger_init(&ledger, false, &ledger_annex);
    weir_ledger_open(&ledger, &owner, 1);
    for (unsigned i = 0; i < 6; i++) {
        /* All of the frame or none of it. */
        size_t before = weir_out_octets(&out);
        bool queued = weir_h2_queue_data(&out, &owner, (weir_span){content, 9000}, false);
        assert_int_equal(weir_out_octets(&out) - before, queued ? 9009 : 0);
        before = weir_out_octets(&out);
        queued = weir_h2_queue_rst_stream(&out, &owner, 1);
        assert_int_equal(weir_out_octets(&out) - before, queued ? 13 : 0);
        weir_out_check(&out);
    }
    weir_out_clear(&out);
    weir_bin_clear(&bin);
}

static void frame__is_queued_whole_or_not_at_all(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(queue_some, NULL) > 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frame__reads_the_same_parts_and_charges_the_same_rows_at_every_split),
        TEST(frame__an_incomplete_header_is_undecided),
        TEST(frame__padding_may_not_be_longer_than_what_is_left),
        TEST(frame__knows_when_it_is_too_short_for_its_flags),
        TEST(frame__what_is_left_of_a_disowned_one_is_late),
        TEST(frame__what_nobody_parses_is_other_behind_the_content_under_way),
        TEST(frame__what_is_left_of_an_abandoned_one_is_other),
        TEST(frame__writes_each_kind_and_tags_its_row),
        TEST(frame__a_block_that_fits_is_one_frame),
        TEST(frame__a_longer_block_goes_on_in_continuations),
        TEST(frame__is_queued_whole_or_not_at_all),
    };
    return cmocka_run_group_tests_name("h2_frame", tests, NULL, NULL);
}
