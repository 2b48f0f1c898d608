/* SPDX-License-Identifier: MIT */
/*
 * The credit that an HTTP/2 connection gives its peer (RFC 9113 s5.2): when a window is opened, in
 * bulk and otherwise, when it is given back, and that all inboxes together stay within their limit.
 */
#include "h2_send_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void open_in_bulk(h2_send_bench *f, const char *method)
{
    weir_h2_request request = {.method = method, .hint = WEIR_HINT_BULK};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
}

static void send__opens_the_window_at_once_in_bulk(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    weir_text_reset(&f->server.types);
    open_in_bulk(f, "GET");
    bench_expect_credit(f, 1, 1, 4194304 - 16777);
    assert_non_null(strstr(weir_text_string(&f->server.types), "WINDOW_UPDATE 1 4\n"));
    assert_int_equal(strncmp(weir_text_string(&f->server.types), "HEADERS 1", 9), 0);
    f->player.played[0].held = true;
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    for (int i = 0; i < 17; i++) {
        bench_says(f, "data", "1 - \\{x*16384}");
    }
    /* More than an ordinary window: it is allowed, kept, and not given back before it is read. */
    assert_int_equal(weir_conn_readable(f->player.conn, f->player.played[0].stream), 17 * 16384);
    for (size_t i = 2; i < f->server.credit_count; i++) {
        assert_int_equal(f->server.credits[i].stream, 0);
    }
}

static void send__leaves_half_of_the_memory_to_those_that_are_not_in_bulk(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    open_in_bulk(f, "GET");
    open_in_bulk(f, "GET");
    open_in_bulk(f, "GET");
    bench_expect_credit(f, 2, 3, 4194304 - 16777);
    bench_expect_credit(f, 3, 5, 262144 - 16777);
    weir_h2_player_close(&f->player, 1);
    open_in_bulk(f, "GET");
    bench_expect_credit(f, 4, 7, 262144 - 16777); /* 3 and 5 hold more than the half still */
    weir_h2_player_close(&f->player, 5);
    weir_h2_player_close(&f->player, 7);
    open_in_bulk(f, "GET");
    bench_expect_credit(f, 5, 9, 4194304 - 16777);
}

static void send__opens_no_window_in_bulk_over_a_limit_that_was_given(void **state)
{
    h2_send_bench *f = *state;
    f->limits.inbox_octets = 10000;
    bench_begin(f);
    bench_says(f, "hello", "");
    open_in_bulk(f, "GET");
    assert_int_equal(f->server.credit_count, 1);
}

static void send__opens_no_window_in_bulk_for_head(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    open_in_bulk(f, "HEAD");
    assert_int_equal(f->server.credit_count, 1);
}

static void send__raises_the_window_for_a_response_that_is_longer(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    bench_expect_credit(f, 0, 0, 16777216 - 65535);
    assert_int_equal(f->server.credit_count, 1);
    bench_says(f, "headers", "1 END_HEADERS :status=200 content-length=16777");
    assert_int_equal(f->server.credit_count, 1);
    bench_says(f, "headers", "3 END_HEADERS :status=200 content-length=16778");
    bench_expect_credit(f, 1, 3, 262144 - 16777);
}

static void send__raises_the_window_when_half_of_it_is_used_if_the_length_is_not_known(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    f->player.played[0].held = true;
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    bench_says(f, "data", "1 - \\{x*8388}");
    assert_int_equal(f->server.credit_count, 1);
    bench_says(f, "data", "1 - y");
    /* Nothing was read: the window grows by what it is larger. */
    bench_expect_credit(f, 1, 1, 262144 - 16777);
}

static void send__gives_credit_of_a_stream_when_it_is_read(void **state)
{
    h2_send_bench *f = *state;
    f->limits.inbox_octets = 10000;
    bench_begin(f);
    bench_says(f, "hello", "");
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    f->player.played[0].held = true;
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    bench_says(f, "data", "1 - \\{x*9000}");
    assert_int_equal(f->server.credit_count, 1);
    weir_h2_player_read(&f->player, 1, 4999);
    assert_int_equal(f->server.credit_count, 1);
    weir_h2_player_read(&f->player, 1, 1);
    bench_expect_credit(f, 1, 1, 5000);
    bench_says(f, "data", "1 END_STREAM -");
    weir_h2_player_read(&f->player, 1, 10000);
    assert_int_equal(f->server.credit_count, 2);
}

static void send__gives_credit_of_padding_at_once(void **state)
{
    h2_send_bench *f = *state;
    f->limits.inbox_octets = 500;
    bench_begin(f);
    bench_says(f, "hello", "");
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    f->player.played[0].held = true;
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    bench_says(f, "data", "1 - +pad=255 x");
    bench_expect_credit(f, 1, 1, 256);
}

static void send__gives_credit_of_the_connection_on_receipt(void **state)
{
    h2_send_bench *f = *state;
    f->limits.conn_inbox_octets = 65535;
    f->limits.inbox_octets = 16384;
    f->limits.streams = 4;
    bench_begin(f);
    bench_says(f, "hello", "");
    for (unsigned i = 0; i < 3; i++) {
        bench_open_request(f, "GET", WEIR_FRAMING_NONE);
        f->player.played[i].held = true;
    }
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    bench_says(f, "headers", "3 END_HEADERS :status=200");
    assert_int_equal(f->server.credit_count, 0);
    bench_says(f, "data", "1 - \\{x*16383}");
    bench_says(f, "data", "3 - \\{x*16383}");
    assert_int_equal(f->server.credit_count, 0);
    weir_h2_player_close(&f->player, 5);
    bench_says(f, "data", "5 - late");
    /* Read by nobody, and of a stream that is gone. */
    bench_expect_credit(f, 0, 0, 16383 + 16383 + 4);
}

static void send__does_not_announce_more_than_all_inboxes_may_hold(void **state)
{
    h2_send_bench *f = *state;
    f->limits.conn_inbox_octets = 600000;
    f->limits.streams = 60;
    bench_begin(f);
    bench_says(f, "hello", "");
    for (unsigned i = 0; i < 4; i++) {
        bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    }
    bench_says(f, "headers", "1 END_HEADERS :status=200 content-length=1000000");
    bench_says(f, "headers", "3 END_HEADERS :status=200 content-length=1000000");
    size_t before = f->server.credit_count;
    bench_says(f, "headers", "5 END_HEADERS :status=200 content-length=1000000");
    /* 2 x 262144 + 10000 of the fourth + a third full one would be over 600000. */
    assert_int_equal(f->server.credit_count, before);
    weir_h2_player_close(&f->player, 1);
    bench_says(f, "headers", "7 END_HEADERS :status=200 content-length=1000000");
    assert_int_equal(f->server.credit_count, before + 1);
    assert_int_equal(f->server.credits[before].stream, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(send__opens_the_window_at_once_in_bulk),
        TEST(send__leaves_half_of_the_memory_to_those_that_are_not_in_bulk),
        TEST(send__opens_no_window_in_bulk_over_a_limit_that_was_given),
        TEST(send__opens_no_window_in_bulk_for_head),
        TEST(send__raises_the_window_for_a_response_that_is_longer),
        TEST(send__raises_the_window_when_half_of_it_is_used_if_the_length_is_not_known),
        TEST(send__gives_credit_of_a_stream_when_it_is_read),
        TEST(send__gives_credit_of_padding_at_once),
        TEST(send__gives_credit_of_the_connection_on_receipt),
        TEST(send__does_not_announce_more_than_all_inboxes_may_hold),
    };
    return cmocka_run_group_tests_name("h2_credit", tests, NULL, NULL);
}
