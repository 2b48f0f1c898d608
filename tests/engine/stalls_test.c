/* SPDX-License-Identifier: MIT */
/*
 * Where the time of an exchange goes that is held up: one exchange on one link, no socket, a
 * made-up clock, both protocols.
 */
#include "engine/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "support/h2_wire.h"

typedef struct fixture {
    weir_failalloc memory;
    weir_h2_wire wire;
    weir_bin bin;
    weir_link_limits limits;
    weir_link *link;
    weir_exchange *ex;
    weir_status source_says;
    size_t source_octets;
    uint64_t source_length;
} fixture;

static const weir_front front = {.response = NULL};

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->memory, 0);
    weir_h2_wire_init(&f->wire);
    weir_bin_init(&f->bin, &f->memory.allocator, 0);
    const weir_conn_limits limits = {.inbox_octets = 100, .conn_inbox_octets = 65535};
    f->limits.h1 = weir_conn_limits_fill(&limits, WEIR_H1);
    f->limits.h2 = weir_conn_limits_fill(&limits, WEIR_H2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    if (f->ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_exchange_detach(f->ex, 1000000);
    }
    weir_exchange_destroy(f->ex);
    weir_link_free(f->link);
    weir_bin_clear(&f->bin);
    weir_h2_wire_clear(&f->wire);
    weir_failalloc_finish(&f->memory);
    free(f);
    return 0;
}

static void connect_at(fixture *f, weir_protocol protocol, weir_time now_ns)
{
    const weir_origin_key key = {.host = WEIR_SPAN("a"), .port = 80, .pin = (uint8_t)protocol};
    const weir_link_options options = {
        .allocator = &f->memory.allocator,
        .bin = &f->bin,
        .key = &key,
        .limits = &f->limits,
    };
    weir_status status = WEIR_OK;
    weir_link_free(f->link);
    f->link = weir_link_new(&options, &status);
    assert_non_null(f->link);
    weir_link_connected(f->link, now_ns);
}

static weir_status source_read(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    fixture *f = user;
    (void)to;
    *octets = weir_min(f->source_octets, room);
    return offset + *octets == f->source_length ? WEIR_END : f->source_says;
}

/* Attached at that time. */
static void begin(fixture *f, weir_protocol protocol, weir_body_kind kind, weir_time now_ns)
{
    const weir_source source = {.size = sizeof(source), .user = f, .read = source_read};
    weir_request request = WEIR_REQUEST_INIT;
    weir_exchange_options options = {
        .allocator = &f->memory.allocator, .front = &front, .now_ns = now_ns};
    weir_status status = WEIR_OK;

    request.url = WEIR_SPAN("http://a/");
    request.body.kind = kind;
    request.body.length_octets = WEIR_UNKNOWN;
    request.body.source = &source;
    f->ex = weir_exchange_new(&options, &request, NULL, &status);
    assert_non_null(f->ex);
    connect_at(f, protocol, now_ns);
    assert_int_equal(weir_exchange_attach(f->ex, f->link, now_ns), WEIR_OK);
}

/* The kernel takes so much, at most. Less than all: it takes no more for now. */
static void kernel_takes(fixture *f, size_t most, weir_time now_ns)
{
    weir_want want;
    for (weir_link_want(f->link, &want); want.out[0].length > 0; weir_link_want(f->link, &want)) {
        const size_t octets = weir_min(most, want.out[0].length);
        if (octets > 0) {
            weir_link_sent(f->link, octets, now_ns);
        }
        most -= octets;
        if (most == 0 && (octets == 0 || octets < want.out[0].length)) {
            weir_link_refused(f->link, now_ns);
            break;
        }
    }
    weir_exchange_collect(f->ex, now_ns);
    weir_exchange_moved(f->ex, now_ns);
}

static void receives(fixture *f, weir_span octets, weir_time now_ns)
{
    assert_int_equal(weir_link_received(f->link, octets, now_ns), octets.length);
    weir_exchange_collect(f->ex, now_ns);
    weir_exchange_moved(f->ex, now_ns);
}

static void says(fixture *f, weir_time now_ns, const char *key, const char *value)
{
    weir_corpus_document document = {.file = "here"};
    weir_corpus_step step = {.key = key, .value = value};
    assert_true(weir_h2_wire_step(&f->wire, &document, &step));
    receives(f, weir_text_span(&f->wire.octets), now_ns);
    weir_text_reset(&f->wire.octets);
}

static weir_status writes(fixture *f, size_t octets, weir_time now_ns)
{
    static const uint8_t zeros[200000];
    size_t taken = 0;
    return weir_exchange_write(f->ex, (weir_span){zeros, octets}, now_ns, &taken);
}

static void reads(fixture *f, size_t octets, weir_time now_ns)
{
    uint8_t to[1000];
    size_t got = 0;
    assert_int_equal(weir_exchange_read(f->ex, to, octets, now_ns, &got), WEIR_OK);
    assert_int_equal(got, octets);
}

static void expect(fixture *f, weir_stalls wanted)
{
    weir_stalls stalls = WEIR_STALLS_INIT;
    weir_exchange_stalls(f->ex, &stalls);
    assert_int_equal(stalls.stream_window_ns, wanted.stream_window_ns);
    assert_int_equal(stalls.connection_window_ns, wanted.connection_window_ns);
    assert_int_equal(stalls.max_streams_ns, wanted.max_streams_ns);
    assert_int_equal(stalls.socket_ns, wanted.socket_ns);
    assert_int_equal(stalls.tls_ns, wanted.tls_ns);
    assert_int_equal(stalls.caller_reading_ns, wanted.caller_reading_ns);
    assert_int_equal(stalls.caller_supplying_ns, wanted.caller_supplying_ns);
}

/* Whatever passes between queueing and a kernel that takes all at once is no stall. */
static void stalls__a_call_that_nothing_holds_up_has_none(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, SIZE_MAX, 130);
    receives(f, WEIR_SPAN("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"), 200);
    expect(f, (weir_stalls){.size = 0});
    weir_exchange_detach(f->ex, 300);
    expect(f, (weir_stalls){.size = 0});
}

static void stalls__the_socket_counts_from_its_refusal_until_it_takes_more(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, 10, 110);
    weir_exchange_moved(f->ex, 150);
    expect(f, (weir_stalls){.socket_ns = 40});
    kernel_takes(f, SIZE_MAX, 170);
    weir_exchange_moved(f->ex, 300);
    expect(f, (weir_stalls){.socket_ns = 60});
}

/* Octets that were queued and not offered yet wait for us, and not for the socket. */
static void stalls__a_socket_that_takes_again_is_not_blamed(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_STREAM, 100);
    kernel_takes(f, 10, 110);
    kernel_takes(f, SIZE_MAX, 170);
    assert_int_equal(writes(f, 10, 180), WEIR_OK);
    weir_exchange_moved(f->ex, 300);
    expect(f, (weir_stalls){.socket_ns = 60, .caller_supplying_ns = 10});
}

static void stalls__a_socket_that_is_full_of_others_octets_is_none_of_ours(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, SIZE_MAX, 110);
    weir_link_refused(f->link, 120); /* what it refuses is nothing of this exchange */
    weir_exchange_moved(f->ex, 300);
    expect(f, (weir_stalls){.socket_ns = 0});
}

static void supplies(fixture *f, weir_protocol protocol)
{
    begin(f, protocol, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 110);
    if (protocol == WEIR_H2) {
        says(f, 120, "hello", "");
        kernel_takes(f, SIZE_MAX, 120);
    }
    weir_exchange_moved(f->ex, 150);
    expect(f, (weir_stalls){.caller_supplying_ns = 40});
    assert_int_equal(writes(f, 10, 160), WEIR_OK);
    expect(f, (weir_stalls){.caller_supplying_ns = 50});
    kernel_takes(f, SIZE_MAX, 165); /* and from then on there is none again */
    assert_int_equal(weir_exchange_finish(f->ex, NULL, 180), WEIR_OK);
    expect(f, (weir_stalls){.caller_supplying_ns = 65});
    kernel_takes(f, SIZE_MAX, 185);
    weir_exchange_moved(f->ex, 500);
    expect(f, (weir_stalls){.caller_supplying_ns = 65});
}

static void stalls__a_caller_who_writes_nothing_counts_over_http1(void **state)
{
    supplies(*state, WEIR_H1);
}

static void stalls__a_caller_who_writes_nothing_counts_over_http2(void **state)
{
    supplies(*state, WEIR_H2);
}

static void stalls__a_source_without_octets_counts_until_it_has_some(void **state)
{
    fixture *f = *state;
    f->source_says = WEIR_AGAIN;
    f->source_length = 10;
    begin(f, WEIR_H1, WEIR_BODY_SOURCE, 100);
    kernel_takes(f, SIZE_MAX, 110);
    assert_false(weir_exchange_fill(f->ex));
    weir_exchange_moved(f->ex, 150);
    expect(f, (weir_stalls){.caller_supplying_ns = 40});
    f->source_says = WEIR_OK;
    f->source_octets = 10;
    f->ex->source_blocked = false;
    assert_true(weir_exchange_fill(f->ex));
    weir_exchange_push(f->ex, 170);
    kernel_takes(f, SIZE_MAX, 175);
    weir_exchange_moved(f->ex, 500);
    expect(f, (weir_stalls){.caller_supplying_ns = 60});
}

static void stalls__each_window_has_its_own_time(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H2, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "INITIAL_WINDOW_SIZE=10");
    assert_int_equal(writes(f, 30000, 100), WEIR_AGAIN);
    kernel_takes(f, SIZE_MAX, 110);
    says(f, 130, "window", "1 1000000");
    assert_int_equal(writes(f, 30000, 130), WEIR_OK);
    assert_int_equal(writes(f, 30000, 130), WEIR_OK);
    kernel_takes(f, SIZE_MAX, 130);
    assert_int_equal(writes(f, 30000, 140), WEIR_AGAIN);
    kernel_takes(f, SIZE_MAX, 145);
    weir_exchange_moved(f->ex, 160);
    expect(f, (weir_stalls){
                  .stream_window_ns = 30, .connection_window_ns = 20, .caller_supplying_ns = 10});
    says(f, 200, "window", "0 1000000");
    expect(f, (weir_stalls){
                  .stream_window_ns = 30, .connection_window_ns = 60, .caller_supplying_ns = 10});
}

/* What is not wanted any more waits for nothing. */
static void stalls__an_upload_that_was_answered_is_not_held_up(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H2, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "INITIAL_WINDOW_SIZE=0");
    assert_int_equal(writes(f, 10, 110), WEIR_AGAIN);
    kernel_takes(f, SIZE_MAX, 110);
    says(f, 150, "headers", "1 END_HEADERS :status=413");
    says(f, 200, "data", "1 - no");
    weir_exchange_moved(f->ex, 400);
    expect(f, (weir_stalls){.stream_window_ns = 40, .caller_supplying_ns = 10});
}

/* The limit of writing begins when there is something to write, and not with what was sent before a
 * pause of the caller's. */
static void stalls__the_limit_of_writing_does_not_run_while_the_caller_pauses(void **state)
{
    fixture *f = *state;
    const weir_time hour_ns = 3600 * WEIR_NS_PER_SECOND;
    const weir_time limit_ns = 60 * WEIR_NS_PER_SECOND;
    weir_why why = WEIR_WHY_NONE;
    begin(f, WEIR_H2, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "INITIAL_WINDOW_SIZE=1000");
    assert_int_equal(writes(f, 1000, 100), WEIR_OK);
    kernel_takes(f, SIZE_MAX, 100);
    assert_true(weir_exchange_deadline(f->ex, &why) == WEIR_NEVER);
    assert_int_equal(writes(f, 10, hour_ns), WEIR_AGAIN);
    assert_true(weir_exchange_deadline(f->ex, &why) == hour_ns + limit_ns);
    assert_int_equal(why, WEIR_WHY_WRITE);
    /* To try again takes nothing back. */
    assert_int_equal(writes(f, 10, hour_ns + 1000), WEIR_AGAIN);
    assert_true(weir_exchange_deadline(f->ex, &why) == hour_ns + limit_ns);
}

/* The same for a source that had nothing for an hour. */
/* A caller who writes on, an octet at a time, does not hide that the kernel takes none. */
static void stalls__the_limit_of_writing_is_not_put_off_by_writing(void **state)
{
    fixture *f = *state;
    weir_why why = WEIR_WHY_NONE;

    begin(f, WEIR_H1, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 110);
    assert_int_equal(writes(f, 10, 200), WEIR_OK);
    kernel_takes(f, 0, 210);
    assert_int_equal(weir_exchange_deadline(f->ex, &why), 200 + 60 * WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_WRITE);
    assert_int_equal(writes(f, 10, 900), WEIR_OK);
    assert_int_equal(weir_exchange_deadline(f->ex, &why), 200 + 60 * WEIR_NS_PER_SECOND);
    kernel_takes(f, 1, 1000);
    assert_int_equal(weir_exchange_deadline(f->ex, &why), 1000 + 60 * WEIR_NS_PER_SECOND);
    kernel_takes(f, SIZE_MAX, 1100);
    assert_int_equal(weir_exchange_deadline(f->ex, &why), WEIR_NEVER);
}

static void stalls__the_limit_of_writing_does_not_run_while_a_source_has_nothing(void **state)
{
    fixture *f = *state;
    const weir_time hour_ns = 3600 * WEIR_NS_PER_SECOND;
    weir_why why = WEIR_WHY_NONE;
    f->source_octets = 0;
    f->source_length = UINT64_MAX;
    f->source_says = WEIR_AGAIN;
    begin(f, WEIR_H2, WEIR_BODY_SOURCE, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "INITIAL_WINDOW_SIZE=0");
    kernel_takes(f, SIZE_MAX, 100);
    assert_false(weir_exchange_fill(f->ex));
    f->source_octets = 10;
    f->source_says = WEIR_OK;
    f->ex->source_blocked = false;
    assert_true(weir_exchange_fill(f->ex));
    weir_exchange_push(f->ex, hour_ns);
    assert_true(weir_exchange_deadline(f->ex, &why) == hour_ns + 60 * WEIR_NS_PER_SECOND);
    assert_int_equal(why, WEIR_WHY_WRITE);
}

/* The socket is not blamed for what a window keeps back. */
static void stalls__a_window_comes_before_the_socket(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H2, WEIR_BODY_STREAM, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "INITIAL_WINDOW_SIZE=1000");
    kernel_takes(f, SIZE_MAX, 100);
    assert_int_equal(writes(f, 2000, 100), WEIR_AGAIN);
    kernel_takes(f, 100, 100);
    says(f, 150, "window", "1 1");
    expect(f, (weir_stalls){.stream_window_ns = 50});
    weir_exchange_moved(f->ex, 170);
    expect(f, (weir_stalls){.stream_window_ns = 50, .socket_ns = 20});
}

static void stalls__an_unread_response_counts_over_http1(void **state)
{
    fixture *f = *state;
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n";
    static const char body[100];
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, SIZE_MAX, 100);
    receives(f, WEIR_SPAN(head), 110);
    receives(f, (weir_span){(const uint8_t *)body, 100}, 120);
    reads(f, 50, 175);
    expect(f, (weir_stalls){.caller_reading_ns = 55});
    receives(f, (weir_span){(const uint8_t *)body, 50}, 180); /* full again, and it is all */
    weir_exchange_moved(f->ex, 400);
    expect(f, (weir_stalls){.caller_reading_ns = 55});
}

static void stalls__an_unread_response_counts_over_http2(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H2, WEIR_BODY_NONE, 100);
    kernel_takes(f, SIZE_MAX, 100);
    says(f, 100, "hello", "");
    says(f, 110, "headers", "1 END_HEADERS :status=200");
    says(f, 120, "data", "1 - \\{x*100}");
    reads(f, 100, 175);
    expect(f, (weir_stalls){.caller_reading_ns = 55});
    weir_exchange_moved(f->ex, 400);
    expect(f, (weir_stalls){.caller_reading_ns = 55});
}

/* A second attempt begins with the clocks of its own stream and link, and goes on with the sum. */
static void stalls__attempts_are_added_up(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, 0, 110);
    weir_link_failed(f->link, 104, 150);
    weir_exchange_collect(f->ex, 150);
    weir_exchange_detach(f->ex, 150);
    expect(f, (weir_stalls){.socket_ns = 40});
    assert_true(weir_exchange_goes_again(f->ex)); /* nothing was sent */
    weir_exchange_conclude(f->ex, true, 150);
    connect_at(f, WEIR_H1, 160);
    assert_int_equal(weir_exchange_attach(f->ex, f->link, 200), WEIR_OK);
    kernel_takes(f, 0, 210);
    kernel_takes(f, SIZE_MAX, 215);
    expect(f, (weir_stalls){.socket_ns = 45});
}

static void stalls__a_handshake_of_its_own_counts(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    weir_exchange_set_phase(f->ex, WEIR_PHASE_TLS, 110);
    weir_exchange_set_phase(f->ex, WEIR_PHASE_SEND, 140);
    expect(f, (weir_stalls){.tls_ns = 30});
}

/* A program that knows fewer stalls gets those. */
static void stalls__a_shorter_record_is_filled_as_far_as_it_goes(void **state)
{
    fixture *f = *state;
    weir_stalls stalls = {.size = offsetof(weir_stalls, socket_ns), .socket_ns = 77};
    begin(f, WEIR_H1, WEIR_BODY_NONE, 100);
    kernel_takes(f, 0, 110);
    weir_exchange_moved(f->ex, 150);
    weir_exchange_stalls(f->ex, &stalls);
    assert_int_equal(stalls.size, offsetof(weir_stalls, socket_ns));
    assert_int_equal(stalls.socket_ns, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stalls__a_call_that_nothing_holds_up_has_none),
        TEST(stalls__the_socket_counts_from_its_refusal_until_it_takes_more),
        TEST(stalls__a_socket_that_takes_again_is_not_blamed),
        TEST(stalls__a_socket_that_is_full_of_others_octets_is_none_of_ours),
        TEST(stalls__a_caller_who_writes_nothing_counts_over_http1),
        TEST(stalls__a_caller_who_writes_nothing_counts_over_http2),
        TEST(stalls__a_source_without_octets_counts_until_it_has_some),
        TEST(stalls__each_window_has_its_own_time),
        TEST(stalls__the_limit_of_writing_does_not_run_while_the_caller_pauses),
        TEST(stalls__the_limit_of_writing_is_not_put_off_by_writing),
        TEST(stalls__the_limit_of_writing_does_not_run_while_a_source_has_nothing),
        TEST(stalls__an_upload_that_was_answered_is_not_held_up),
        TEST(stalls__a_window_comes_before_the_socket),
        TEST(stalls__an_unread_response_counts_over_http1),
        TEST(stalls__an_unread_response_counts_over_http2),
        TEST(stalls__attempts_are_added_up),
        TEST(stalls__a_handshake_of_its_own_counts),
        TEST(stalls__a_shorter_record_is_filled_as_far_as_it_goes),
    };
    return cmocka_run_group_tests_name("stalls", tests, NULL, NULL);
}
