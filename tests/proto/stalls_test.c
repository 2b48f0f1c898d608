/* SPDX-License-Identifier: MIT */
/*
 * What holds a stream up, timed by a made-up clock: the two windows of HTTP/2, and the reader of
 * either protocol. At each moment at most one window is counted, and all of a wait is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "h1_rig.h"
#include "support/failalloc.h"
#include "support/h2_player.h"
#include "support/h2_wire.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_h2_player player;
    weir_h2_wire wire;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_h2_wire_init(&f->wire);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_h2_player_free(&f->player);
    weir_h2_wire_clear(&f->wire);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static void begin(fixture *f, const weir_conn_limits *limits)
{
    assert_true(weir_h2_player_init(&f->player, &f->failalloc.allocator, limits, NULL));
    weir_h2_player_settle(&f->player);
}

/* Frames as in the documents, at a time. */
static void says(fixture *f, weir_time at_ns, const char *key, const char *value)
{
    weir_corpus_document document = {.file = "here"};
    weir_corpus_step step = {.key = key, .value = value};
    f->player.now_ns = at_ns;
    assert_true(weir_h2_wire_step(&f->wire, &document, &step));
    weir_h2_player_feed(&f->player, weir_text_span(&f->wire.octets));
    weir_text_reset(&f->wire.octets);
}

static void opens(fixture *f, weir_framing framing)
{
    weir_h2_request request = {.method = "POST", .body = {framing, 0}};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
}

static void writes(fixture *f, weir_time at_ns, uint32_t id, size_t octets, size_t taken)
{
    static const uint8_t zeros[200000];
    size_t took = 0;
    f->player.now_ns = at_ns;
    (void)weir_h2_player_write(&f->player, id, (weir_span){zeros, octets}, false, &took);
    assert_int_equal(took, taken);
    weir_h2_player_settle(&f->player);
}

static void expect(fixture *f, uint32_t id, weir_time now_ns, weir_conn_stalls wanted)
{
    const weir_h2_played *played = weir_h2_player_find(&f->player, id);
    const weir_conn_stalls stalls = weir_conn_stalls_of(f->player.conn, played->stream, now_ns);
    assert_int_equal(stalls.stream_window_ns, wanted.stream_window_ns);
    assert_int_equal(stalls.connection_window_ns, wanted.connection_window_ns);
    assert_int_equal(stalls.unread_ns, wanted.unread_ns);
}

static void stalls__a_stream_that_is_let_write_has_none(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "");
    opens(f, WEIR_FRAMING_CHUNKED);
    writes(f, 10, 1, 1000, 1000);
    expect(f, 1, 50, (weir_conn_stalls){0, 0, 0});
}

static void stalls__the_window_of_the_stream_counts_from_the_refusal_to_the_update(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "INITIAL_WINDOW_SIZE=100");
    opens(f, WEIR_FRAMING_CHUNKED);
    writes(f, 10, 1, 100, 100);
    expect(f, 1, 20, (weir_conn_stalls){0, 0, 0}); /* nobody wanted more */
    writes(f, 30, 1, 50, 0);
    expect(f, 1, 45, (weir_conn_stalls){.stream_window_ns = 15});
    says(f, 60, "window", "1 1000");
    expect(f, 1, 100, (weir_conn_stalls){.stream_window_ns = 30});
    writes(f, 110, 1, 2000, 1000);
    says(f, 130, "settings", "INITIAL_WINDOW_SIZE=200");
    expect(f, 1, 200, (weir_conn_stalls){.stream_window_ns = 50});
}

static void stalls__the_window_of_the_connection_counts_for_each_that_waits_for_it(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "INITIAL_WINDOW_SIZE=1000000");
    opens(f, WEIR_FRAMING_CHUNKED);
    opens(f, WEIR_FRAMING_CHUNKED);
    writes(f, 10, 1, 60000, 60000);
    writes(f, 10, 1, 5535, 5535);
    writes(f, 20, 1, 1, 0);
    writes(f, 35, 3, 1, 0);
    expect(f, 1, 40, (weir_conn_stalls){.connection_window_ns = 20});
    expect(f, 3, 40, (weir_conn_stalls){.connection_window_ns = 5});
    says(f, 50, "window", "0 10");
    expect(f, 1, 90, (weir_conn_stalls){.connection_window_ns = 30});
    expect(f, 3, 90, (weir_conn_stalls){.connection_window_ns = 15});
}

/* From one window to the other: no event is told, and the time goes where it belongs. */
static void stalls__a_wait_passes_from_the_own_window_to_that_of_the_connection(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "");
    opens(f, WEIR_FRAMING_CHUNKED);
    writes(f, 10, 1, 60000, 60000);
    writes(f, 10, 1, 5535, 5535); /* both are used up */
    writes(f, 20, 1, 1, 0);
    expect(f, 1, 30, (weir_conn_stalls){.stream_window_ns = 10});
    says(f, 40, "window", "1 10");
    expect(f, 1, 45, (weir_conn_stalls){20, 5, 0});
    says(f, 60, "window", "0 10");
    expect(f, 1, 90, (weir_conn_stalls){20, 20, 0});
}

/* Room in the queue is no window. */
static void stalls__a_full_queue_is_nobodys_window(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "INITIAL_WINDOW_SIZE=1000000");
    says(f, 0, "window", "0 1000000");
    opens(f, WEIR_FRAMING_CHUNKED);
    f->player.stalled = true;
    static const uint8_t zeros[200000];
    size_t took = 0;
    (void)weir_h2_player_write(&f->player, 1, (weir_span){zeros, sizeof(zeros)}, false, &took);
    assert_true(took > 0 && took < sizeof(zeros));
    expect(f, 1, 100, (weir_conn_stalls){0, 0, 0});
}

static void stalls__an_answered_upload_waits_for_no_window(void **state)
{
    fixture *f = *state;
    begin(f, NULL);
    says(f, 0, "hello", "INITIAL_WINDOW_SIZE=0");
    opens(f, WEIR_FRAMING_CHUNKED);
    writes(f, 10, 1, 1, 0);
    says(f, 30, "headers", "1 END_HEADERS|END_STREAM :status=200");
    expect(f, 1, 90, (weir_conn_stalls){.stream_window_ns = 20});
}

static void stalls__an_http2_peer_waits_for_the_reader_when_the_window_is_used_up(void **state)
{
    fixture *f = *state;
    const weir_conn_limits limits = {.inbox_octets = 100, .conn_inbox_octets = 65535};
    begin(f, &limits);
    says(f, 0, "hello", "");
    opens(f, WEIR_FRAMING_NONE);
    f->player.played[0].held = true;
    says(f, 10, "headers", "1 END_HEADERS :status=200");
    says(f, 20, "data", "1 - \\{x*99}");
    expect(f, 1, 30, (weir_conn_stalls){0, 0, 0});
    says(f, 40, "data", "1 - x");
    expect(f, 1, 55, (weir_conn_stalls){.unread_ns = 15});
    f->player.now_ns = 60;
    weir_h2_player_read(&f->player, 1, 10); /* too little to give credit for */
    expect(f, 1, 70, (weir_conn_stalls){.unread_ns = 30});
    f->player.now_ns = 80;
    weir_h2_player_read(&f->player, 1, 90);
    expect(f, 1, 100, (weir_conn_stalls){.unread_ns = 40});
    says(f, 110, "data", "1 END_STREAM \\{x*100}");
    expect(f, 1, 200, (weir_conn_stalls){.unread_ns = 40}); /* it has said all */
}

static void feeds(weir_h1_rig *rig, weir_time at_ns, weir_span octets)
{
    const size_t taken = weir_conn_feed(rig->conn, octets, at_ns);
    weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_RECEIVED, taken);
    rig->fed_octets += taken;
    assert_int_equal(taken, octets.length);
}

static void stalls__an_http1_peer_waits_for_the_reader_when_the_inbox_is_full(void **state)
{
    weir_h1_rig rig;
    uint8_t to[8];

    (void)state;
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h1_rig_init(&rig, &failalloc.allocator);
    weir_h1_rig_step(&rig, "limit", "inbox_octets 4");
    weir_h1_rig_step(&rig, "request", "GET http://a/");
    weir_h1_rig_step(&rig, "stop-reading", "");
    feeds(&rig, 10, WEIR_SPAN("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"));
    feeds(&rig, 20, WEIR_SPAN("abc"));
    assert_int_equal(weir_conn_stalls_of(rig.conn, rig.stream, 30).unread_ns, 0);
    feeds(&rig, 40, WEIR_SPAN("d"));
    assert_int_equal(weir_conn_stalls_of(rig.conn, rig.stream, 55).unread_ns, 15);
    assert_int_equal(weir_conn_read(rig.conn, rig.stream, to, 1, 60), 1);
    assert_int_equal(weir_conn_stalls_of(rig.conn, rig.stream, 90).unread_ns, 20);
    assert_int_equal(weir_conn_read(rig.conn, rig.stream, to, 8, 90), 3);
    feeds(&rig, 100, WEIR_SPAN("efgh"));
    assert_int_equal(weir_conn_read(rig.conn, rig.stream, to, 8, 107), 4);
    feeds(&rig, 110, WEIR_SPAN("ijkl")); /* the last: it has said all */
    assert_int_equal(weir_conn_stalls_of(rig.conn, rig.stream, 200).unread_ns, 27);
    weir_h1_rig_pull(&rig);
    weir_h1_rig_finish(&rig);
    weir_failalloc_finish(&failalloc);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stalls__a_stream_that_is_let_write_has_none),
        TEST(stalls__the_window_of_the_stream_counts_from_the_refusal_to_the_update),
        TEST(stalls__the_window_of_the_connection_counts_for_each_that_waits_for_it),
        TEST(stalls__a_wait_passes_from_the_own_window_to_that_of_the_connection),
        TEST(stalls__a_full_queue_is_nobodys_window),
        TEST(stalls__an_answered_upload_waits_for_no_window),
        TEST(stalls__an_http2_peer_waits_for_the_reader_when_the_window_is_used_up),
        cmocka_unit_test(stalls__an_http1_peer_waits_for_the_reader_when_the_inbox_is_full),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
