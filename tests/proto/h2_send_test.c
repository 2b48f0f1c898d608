/* SPDX-License-Identifier: MIT */
/*
 * What an HTTP/2 connection sends, seen by a server that decodes it: the preface, heads in one
 * frame or several, windows, turns; and what it holds and says of itself meanwhile.
 */
#include "h2_send_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void send__begins_with_the_preface_its_settings_and_the_window(void **state)
{
    h2_send_bench *f = *state;
    weir_h2_player *player = &f->player;
    weir_conn_options options = {.protocol = WEIR_H2, .allocator = &f->failalloc.allocator};
    weir_status status;
    weir_bin_init(&player->bin, options.allocator, 0);
    options.bin = &player->bin;
    player->conn = weir_conn_new(&options, 0, &status);
    weir_span pending = weir_conn_pending(player->conn, 0);
    static const char expected[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                   "\0\0\30\4\0\0\0\0\0" /* SETTINGS */
                                   "\0\2\0\0\0\0"        /* ENABLE_PUSH 0 */
                                   "\0\6\0\1\0\0"        /* MAX_HEADER_LIST_SIZE 65536 */
                                   "\0\11\0\0\0\1"       /* NO_RFC7540_PRIORITIES 1 */
                                   "\0\4\0\0\101\211"    /* INITIAL_WINDOW_SIZE 16777 */
                                   "\0\0\4\10\0\0\0\0\0" /* WINDOW_UPDATE of the connection */
                                   "\0\377\0\1";         /* to 16 MiB */
    assert_int_equal(pending.length, sizeof(expected) - 1);
    assert_memory_equal(pending.at, expected, pending.length);
    assert_int_equal(weir_conn_facts(player->conn).capacity_streams, 100);
}

static void send__writes_the_head_as_the_request_says(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    weir_field secret = {.name = weir_span_of("authorization"),
                         .value = weir_span_of("Basic x"),
                         .flags = WEIR_FIELD_SENSITIVE};
    weir_h2_request request = {.method = "POST",
                               .body = {WEIR_FRAMING_LENGTH, 1234567890123},
                               .fields = &secret,
                               .field_count = 1};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    bench_open_request(f, "CONNECT", WEIR_FRAMING_NONE);
    bench_open_request(f, "DELETE", WEIR_FRAMING_NONE);
    assert_string_equal(weir_text_string(&f->server.heads),
                        ":method=POST :scheme=http :authority=a.test :path=/ "
                        "content-length=1234567890123 authorization=Basic x \n"
                        ":method=CONNECT :authority=a.test:80 \n"
                        ":method=DELETE :scheme=http :authority=a.test :path=/ \n");
}

static void send__a_head_longer_than_a_frame_goes_on_in_continuations(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    static char value[40000];
    memset(value, '~', sizeof(value)); /* thirteen bits in Huffman: it is sent as it is */
    weir_field field = {.name = weir_span_of("x-long"),
                        .value = {(const uint8_t *)value, sizeof(value)}};
    weir_h2_request request = {.method = "GET", .fields = &field, .field_count = 1};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    assert_non_null(strstr(weir_text_string(&f->server.types), "HEADERS 1 16384\n"
                                                               "CONTINUATION 1 16384\n"
                                                               "CONTINUATION 1 7"));
    assert_non_null(strstr(weir_text_string(&f->server.heads), ":path=/ x-long=~~~~"));
}

static void send__content_goes_in_frames_as_long_as_the_peer_allows(void **state)
{
    h2_send_bench *f = *state;
    f->limits.out_octets = 200000;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=100000 MAX_FRAME_SIZE=30000");
    bench_open_request(f, "POST", WEIR_FRAMING_CHUNKED);
    bench_write_zeros(f, 1, 65000, WEIR_OK, 65000);
    assert_non_null(
        strstr(weir_text_string(&f->server.types), "DATA 1 30000\nDATA 1 30000\nDATA 1 5000\n"));
}

/*
 * The users of the streams answer WRITABLE in the order in which it is told, each in portions of
 * its own, until there is no more room.
 */
static void answer_writable(h2_send_bench *f, const size_t *portions)
{
    static const uint8_t zeros[100000];
    weir_conn *conn = f->player.conn;
    weir_conn_event event;
    while (weir_conn_next_event(conn, &event)) {
        assert_int_equal(event.kind, WEIR_CONN_WRITABLE);
        weir_span content = {zeros, portions[event.stream->owner.id / 2]};
        size_t taken;
        while (weir_conn_write(conn, event.stream, (weir_body_part){content, false}, 0, &taken) ==
               WEIR_OK) {
        }
    }
}

static void begin_senders(h2_send_bench *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_open_request(f, "POST", WEIR_FRAMING_CHUNKED);
    }
    /* One takes all there is, and the others wait. */
    static const uint8_t zeros[100000];
    size_t taken;
    for (unsigned i = 0; i < count; i++) {
        weir_stream *stream = f->player.played[i].stream;
        weir_conn_write(f->player.conn, stream, (weir_body_part){{zeros, sizeof(zeros)}, false}, 0,
                        &taken);
    }
}

/* What the conn has to send leaves in portions. */
static void send_some(h2_send_bench *f, size_t octets)
{
    while (octets > 0) {
        weir_span run = weir_span_head(weir_conn_pending(f->player.conn, 0), octets);
        if (run.length == 0) {
            return;
        }
        weir_conn_sent(f->player.conn, run.length, 0);
        f->player.sent_octets += run.length;
        octets -= run.length;
    }
}

static uint64_t content_sent(const h2_send_bench *f, size_t i)
{
    return f->player.played[i].stream->owner.tally.body.sent;
}

static void send__senders_share_room_however_greedy_one_is(void **state)
{
    h2_send_bench *f = *state;
    f->limits.out_octets = 40000;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=100000000");
    bench_says(f, "window", "0 100000000");
    f->player.stalled = true;
    begin_senders(f, 3);
    const size_t portions[] = {100000, 50000, 3000};
    for (unsigned round = 0; round < 1000; round++) {
        /* Room in portions that divide nothing. */
        send_some(f, 7001);
        answer_writable(f, portions);
    }
    uint64_t greedy = content_sent(f, 0);
    uint64_t other = content_sent(f, 1);
    assert_true(greedy + other > 4000000);
    assert_true(greedy < other + other / 10);
    assert_true(other < greedy + greedy / 10);
    assert_true(content_sent(f, 2) > greedy - greedy / 10);
    assert_true(content_sent(f, 2) < greedy + greedy / 10);
}

static void send__a_window_of_the_connection_in_small_portions_goes_round(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=1000000");
    begin_senders(f, 5);
    const size_t portions[] = {100000, 5000, 5000, 2000, 1000};
    send_some(f, SIZE_MAX);
    uint64_t before[5];
    for (unsigned i = 0; i < 5; i++) {
        before[i] = content_sent(f, i);
    }
    f->player.stalled = true;
    for (unsigned round = 0; round < 500; round++) {
        weir_h2_wire_frame(&f->wire, (weir_h2_frame_head){.type = WEIR_H2_WINDOW_UPDATE},
                           WEIR_SPAN("\0\0\3\350"));
        weir_conn_feed(f->player.conn, weir_text_span(&f->wire.octets), 0);
        f->player.fed_octets += f->wire.octets.length;
        weir_text_reset(&f->wire.octets);
        answer_writable(f, portions);
        send_some(f, SIZE_MAX);
    }
    for (unsigned i = 0; i < 5; i++) {
        uint64_t share = content_sent(f, i) - before[i];
        assert_true(share >= 99000);
        assert_true(share <= 101000);
    }
}

static void send__who_has_had_its_turn_is_told_again_if_there_is_room(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=1000000");
    bench_says(f, "window", "0 1000000");
    f->player.stalled = true;
    begin_senders(f, 2);
    send_some(f, SIZE_MAX);
    weir_conn_event event;
    assert_true(weir_conn_next_event(f->player.conn, &event));
    static const uint8_t zeros[100000];
    size_t taken;
    assert_int_equal(weir_conn_write(f->player.conn, event.stream,
                                     (weir_body_part){{zeros, sizeof(zeros)}, false}, 0, &taken),
                     WEIR_AGAIN);
    assert_int_equal(taken, WEIR_H2_MIN_FRAME_OCTETS);
    /* The other was told too, and says nothing; the queue is three quarters empty. */
    weir_stream *first = event.stream;
    assert_true(weir_conn_next_event(f->player.conn, &event));
    assert_ptr_not_equal(event.stream, first);
    assert_true(weir_conn_next_event(f->player.conn, &event));
    assert_ptr_equal(event.stream, first);
    assert_int_equal(event.kind, WEIR_CONN_WRITABLE);
}

static void send__a_stream_without_window_does_not_hold_the_others_up(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=0");
    bench_open_request(f, "POST", WEIR_FRAMING_CHUNKED);
    bench_open_request(f, "POST", WEIR_FRAMING_CHUNKED);
    bench_write_zeros(f, 1, 10, WEIR_AGAIN, 0);
    bench_write_zeros(f, 3, 10, WEIR_AGAIN, 0);
    bench_says(f, "window", "3 100");
    assert_null(strstr(weir_text_string(&f->player.played[0].log), "writable"));
    assert_string_equal(weir_text_string(&f->player.played[1].log), "3 writable\n");
    bench_write_zeros(f, 3, 10, WEIR_OK, 10);
}

static weir_status offer(h2_send_bench *f, size_t i, size_t octets, size_t *taken)
{
    static const uint8_t zeros[100000];
    assert_true(octets <= sizeof(zeros));
    return weir_conn_write(f->player.conn, f->player.played[i].stream,
                           (weir_body_part){{zeros, octets}, false}, 0, taken);
}

static void open_interactive(h2_send_bench *f)
{
    weir_h2_request request = {
        .method = "POST", .body = {WEIR_FRAMING_CHUNKED, 0}, .hint = WEIR_HINT_INTERACTIVE};
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
}

/* It waits for what it has queued itself, while there is room for others. */
static void send__queues_less_of_an_interactive_stream(void **state)
{
    h2_send_bench *f = *state;
    weir_conn_event event;
    size_t taken;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=1000000");
    bench_says(f, "window", "0 1000000");
    f->player.stalled = true;
    open_interactive(f);
    const uint64_t head = f->player.played[0].stream->owner.queued_octets;
    assert_int_equal(offer(f, 0, 100000, &taken), WEIR_AGAIN);
    assert_int_equal(taken, 16384 - head - WEIR_H2_FRAME_HEAD_OCTETS);
    assert_int_equal(f->player.played[0].stream->owner.queued_octets, 16384);
    assert_false(weir_conn_next_event(f->player.conn, &event));
    /* It is in nobody's way: another gets all the room, and not just a turn. */
    bench_open_request(f, "POST", WEIR_FRAMING_CHUNKED);
    assert_int_equal(offer(f, 1, 40000, &taken), WEIR_OK);
    send_some(f, 8191);
    assert_false(weir_conn_next_event(f->player.conn, &event));
    send_some(f, 1);
    assert_true(weir_conn_next_event(f->player.conn, &event));
    assert_int_equal(event.kind, WEIR_CONN_WRITABLE);
    assert_ptr_equal(event.stream, f->player.played[0].stream);
    assert_int_equal(offer(f, 0, 8192 - WEIR_H2_FRAME_HEAD_OCTETS, &taken), WEIR_OK);
    assert_false(weir_conn_next_event(f->player.conn, &event));
}

static void send__an_interactive_stream_may_wait_for_what_all_share(void **state)
{
    h2_send_bench *f = *state;
    weir_conn_event event;
    size_t taken;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=1000000");
    f->player.stalled = true;
    open_interactive(f);
    /* The connection's window is 65,535. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(offer(f, 0, 16000, &taken), WEIR_OK);
        send_some(f, SIZE_MAX);
    }
    assert_int_equal(offer(f, 0, 16300, &taken), WEIR_OK);
    send_some(f, SIZE_MAX);
    assert_int_equal(offer(f, 0, 16000, &taken), WEIR_AGAIN);
    assert_int_equal(taken, 65535 - 3 * 16000 - 16300);
    send_some(f, SIZE_MAX);
    assert_false(weir_conn_next_event(f->player.conn, &event));
    bench_says(f, "window", "0 1000");
    assert_non_null(strstr(weir_text_string(&f->player.played[0].log), "1 writable\n"));
}

static void send__an_interactive_stream_that_was_answered_waits_no_more(void **state)
{
    h2_send_bench *f = *state;
    size_t taken;
    bench_begin(f);
    bench_says(f, "hello", "INITIAL_WINDOW_SIZE=1000000");
    bench_says(f, "window", "0 1000000");
    f->player.stalled = true;
    open_interactive(f);
    open_interactive(f);
    assert_int_equal(offer(f, 0, 100000, &taken), WEIR_AGAIN);
    assert_int_equal(offer(f, 1, 100000, &taken), WEIR_AGAIN);
    bench_says(f, "headers", "1 END_HEADERS|END_STREAM :status=413");
    bench_says(f, "rst", "3 CANCEL");
    assert_non_null(strstr(weir_text_string(&f->player.played[0].log), "1 writable\n"));
    assert_non_null(strstr(weir_text_string(&f->player.played[1].log), "3 failed"));
    assert_int_equal(offer(f, 0, 10, &taken), WEIR_ANSWERED);
    send_some(f, SIZE_MAX);
    weir_conn_check(f->player.conn);
}

static void send__a_request_that_is_not_accepted_leaves_the_encoder_as_it_was(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "MAX_CONCURRENT_STREAMS=0");
    weir_field field = {.name = weir_span_of("x-a"), .value = weir_span_of("some value")};
    weir_h2_request request = {.method = "GET", .fields = &field, .field_count = 1};
    uint64_t sent = f->player.sent_octets;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_E_NOT_ACCEPTING);
    }
    assert_int_equal(f->player.sent_octets, sent);
    bench_says(f, "settings", "MAX_CONCURRENT_STREAMS=1");
    assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
    /* The field is not in the table yet: its octets are there. */
    assert_int_equal(f->player.played[0].stream->owner.tally.head.sent, 22);
    assert_string_equal(weir_text_string(&f->server.heads),
                        ":method=GET :scheme=http :authority=a.test :path=/ x-a=some value \n");
}

static void requests_without_memory(weir_failalloc *failalloc, void *user)
{
    (void)user;
    server s = {.hpack = NULL};
    weir_failalloc_init(&s.memory, 0);
    s.hpack = weir_h2_hpack_new(&s.memory.allocator);
    weir_h2_watch watch = {.user = &s, .sent = bench_on_frame};
    weir_h2_player *player = calloc(1, sizeof(*player));
    assert_non_null(player);
    if (weir_h2_player_init(player, &failalloc->allocator, NULL, &watch)) {
        char value[100];
        for (unsigned i = 0; i < 6; i++) {
            snprintf(value, sizeof(value), "value %u", i / 2);
            weir_field field = {.name = weir_span_of("x-name"), .value = weir_span_of(value)};
            weir_h2_request request = {.method = "GET", .fields = &field, .field_count = 1};
            size_t before = s.heads.length;
            weir_status status = weir_h2_player_open(player, &request);
            /* What did not open was not sent, and what was sent can be decoded. */
            assert_true((status == WEIR_OK) == (s.heads.length > before));
            if (status == WEIR_OK) {
                assert_non_null(strstr(weir_text_string(&s.heads) + before, value));
            } else {
                assert_true(status == WEIR_E_NOMEM || status == WEIR_E_NOT_ACCEPTING);
            }
        }
    }
    weir_h2_player_free(player);
    free(player);
    bench_server_clear(&s);
}

static void send__what_was_sent_can_be_decoded_whichever_allocation_failed(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(requests_without_memory, NULL) > 20);
}

/* An answer that cannot be queued is owed for ever: the connection cannot go on. */
static void send__an_answer_that_cannot_be_queued_fails_the_connection(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    weir_bin_clear(&f->player.bin);
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 1;
    bench_says(f, "ping", "");
    assert_int_equal(weir_conn_failure(f->player.conn).status, WEIR_E_NOMEM);
    assert_int_equal(f->player.played[0].failure.status, WEIR_E_NOMEM);
    assert_false(weir_conn_facts(f->player.conn).reusable);
}

/*
 * The bound of the design: the tables of both sides plus 4 KiB. The two coders of nghttp2 with
 * empty tables are taken for the tables' fixed part: nghttp2 keeps their index in them. An entry
 * takes it about twice what RFC 7541 s4.1 counts, which is measured and not bounded by us.
 */
static void send__an_idle_connection_holds_its_tables_and_little_more(void **state)
{
    h2_send_bench *f = *state;
    weir_failalloc alone;
    weir_failalloc_init(&alone, 0);
    weir_h2_hpack *hpack = weir_h2_hpack_new(&alone.allocator);
    size_t coders = atomic_load(&alone.live_octets);
    weir_h2_hpack_free(hpack);
    bench_begin(f);
    bench_says(f, "hello", "");
    weir_bin_clear(&f->player.bin);
    size_t idle = atomic_load(&f->failalloc.live_octets);
    assert_true(idle - coders <= 4096);

    char text[256];
    for (unsigned i = 0; i < 200; i++) {
        weir_field fields[] = {
            {.name = weir_span_of("user-agent"), .value = weir_span_of("weir-test/1.0")},
            {.name = weir_span_of("accept"), .value = weir_span_of("*/*")},
        };
        weir_h2_request request = {.method = "GET", .fields = fields, .field_count = 2};
        assert_int_equal(weir_h2_player_open(&f->player, &request), WEIR_OK);
        uint32_t id = f->player.played[i].id;
        snprintf(text, sizeof(text),
                 "%u END_HEADERS :status=200 server=nginx/1.22.1 content-type=text/html "
                 "content-length=5 date=Sat,\\x2021\\x20Nov\\x202026\\x2008:00:%02u",
                 id, i);
        bench_says(f, "headers", text);
        snprintf(text, sizeof(text), "%u END_STREAM hello", id);
        bench_says(f, "data", text);
        weir_h2_player_close(&f->player, id);
    }
    weir_bin_clear(&f->player.bin);
    size_t used = atomic_load(&f->failalloc.live_octets);
    print_message("idle: %zu octets, %zu of them the coders; with a full decoder table: %zu\n",
                  idle, coders, used);
    assert_true(used - idle <= 3 * WEIR_H2_TABLE_OCTETS);
}

static void send__facts_have_a_new_version_only_when_they_change(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    weir_facts facts = weir_conn_facts(f->player.conn);
    assert_int_equal(facts.capacity_streams, 100);
    bench_says(f, "hello", "MAX_CONCURRENT_STREAMS=7");
    weir_facts next = weir_conn_facts(f->player.conn);
    assert_true(next.version > facts.version);
    assert_int_equal(next.capacity_streams, 7);
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    bench_says(f, "settings", "MAX_CONCURRENT_STREAMS=7");
    bench_says(f, "ping", "");
    assert_int_equal(weir_conn_facts(f->player.conn).version, next.version);
    bench_says(f, "goaway", "1 NO_ERROR");
    facts = weir_conn_facts(f->player.conn);
    assert_int_equal(facts.version, next.version + 1);
    assert_false(facts.accepting);
    assert_false(facts.reusable);
    assert_int_equal(facts.unfit, WEIR_UNFIT_GOAWAY);
}

static void send__a_peer_without_a_limit_has_ours(void **state)
{
    h2_send_bench *f = *state;
    bench_begin(f);
    bench_says(f, "hello", "");
    assert_int_equal(weir_conn_facts(f->player.conn).capacity_streams, 1000);
}

static void send__deadlines_say_which_timer_they_are(void **state)
{
    h2_send_bench *f = *state;
    f->limits.ping_ns = 5 * WEIR_NS_PER_SECOND;
    bench_begin(f);
    weir_why why;
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_STOW);
    weir_h2_player_tick(&f->player, WEIR_NS_PER_SECOND);
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), 10 * WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_SETTINGS);
    bench_says(f, "hello", "");
    assert_true(weir_conn_deadline(f->player.conn, &why) == WEIR_NEVER);
    assert_int_equal(why, WEIR_WHY_NONE);
    weir_h2_player_tick(&f->player, 100 * WEIR_NS_PER_SECOND);
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), 105 * WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_PING);
    weir_h2_player_tick(&f->player, 105 * WEIR_NS_PER_SECOND);
    assert_non_null(strstr(weir_text_string(&f->server.types), "PING 0 8\n"));
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), 115 * WEIR_NS_PER_SECOND);
    bench_says(f, "ping_ack", "weir\\x00\\x00\\x00\\x01");
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), 110 * WEIR_NS_PER_SECOND);
    weir_h2_player_close(&f->player, 1);
    assert_int_equal(weir_conn_deadline(f->player.conn, &why), 106 * WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_STOW);
}

/* Under TLS every record's overhead finds owners, also where they close in the middle of it. */
static void send__records_are_shared_by_what_they_carry(void **state)
{
    h2_send_bench *f = *state;
    weir_h2_player *player = &f->player;
    weir_conn_options options = {
        .protocol = WEIR_H2, .over_tls = true, .allocator = &f->failalloc.allocator};
    weir_status status;
    weir_bin_init(&player->bin, options.allocator, 0);
    options.bin = &player->bin;
    player->conn = weir_conn_new(&options, 0, &status);
    player->allocator = options.allocator;
    player->preface_left = true;
    weir_ledger *ledger = weir_conn_ledger(player->conn);
    weir_h2_player_settle(player);
    weir_ledger_share(ledger, WEIR_SENT, 22);
    assert_int_equal(weir_ledger_row(ledger, WEIR_ROW_TLS_CONTROL).sent, 22);
    bench_says(f, "hello", "");
    weir_ledger_share(ledger, WEIR_RECEIVED, 22);
    bench_open_request(f, "GET", WEIR_FRAMING_NONE);
    weir_ledger_share(ledger, WEIR_SENT, 22);
    assert_int_equal(player->played[0].stream->owner.tally.tls.sent, 22 - 0);
    bench_says(f, "headers", "1 END_HEADERS :status=200");
    weir_h2_player_close(player, 1);
    weir_ledger_share(ledger, WEIR_RECEIVED, 22);
    assert_int_equal(weir_ledger_row(ledger, WEIR_ROW_TLS_CONTROL).received, 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(send__begins_with_the_preface_its_settings_and_the_window),
        TEST(send__writes_the_head_as_the_request_says),
        TEST(send__a_head_longer_than_a_frame_goes_on_in_continuations),
        TEST(send__content_goes_in_frames_as_long_as_the_peer_allows),
        TEST(send__senders_share_room_however_greedy_one_is),
        TEST(send__a_window_of_the_connection_in_small_portions_goes_round),
        TEST(send__who_has_had_its_turn_is_told_again_if_there_is_room),
        TEST(send__a_stream_without_window_does_not_hold_the_others_up),
        TEST(send__queues_less_of_an_interactive_stream),
        TEST(send__an_interactive_stream_may_wait_for_what_all_share),
        TEST(send__an_interactive_stream_that_was_answered_waits_no_more),
        TEST(send__a_request_that_is_not_accepted_leaves_the_encoder_as_it_was),
        cmocka_unit_test(send__what_was_sent_can_be_decoded_whichever_allocation_failed),
        TEST(send__an_answer_that_cannot_be_queued_fails_the_connection),
        TEST(send__an_idle_connection_holds_its_tables_and_little_more),
        TEST(send__facts_have_a_new_version_only_when_they_change),
        TEST(send__a_peer_without_a_limit_has_ours),
        TEST(send__deadlines_say_which_timer_they_are),
        TEST(send__records_are_shared_by_what_they_carry),
    };
    return cmocka_run_group_tests_name("h2_send", tests, NULL, NULL);
}
