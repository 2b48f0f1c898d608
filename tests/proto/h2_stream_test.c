/* SPDX-License-Identifier: MIT */
/*
 * The half machines of a stream, and its message rules called directly. Every rule is also a
 * document (tests/corpus/h2/message.txt, content.txt); here are the states between them.
 */
#include "proto/h2_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/failalloc.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_list ready;
    weir_head head;
    weir_h2_stream stream;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_list_init(&f->ready);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_h2_stream_clear(&f->stream);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static void begin(fixture *f, weir_framing framing)
{
    f->head.body.framing = framing;
    f->head.body.length_octets = 10;
    weir_h2_stream_init(&f->stream, &(weir_h2_stream_options){.bin = &f->bin,
                                                              .head = &f->head,
                                                              .inbox_octets = 1000,
                                                              .window_octets = 1000,
                                                              .send_window = 1000});
}

/* A section of one or two fields; name NULL: none. */
static weir_status receive(fixture *f, const char *status, const char *name, const char *value,
                           bool end_stream)
{
    weir_h2_section section;
    const char *what;
    weir_h2_section_options options = {.is_trailers = !status,
                                       .is_connect = f->head.is_connect,
                                       .octets = 1000,
                                       .informational_octets = 1000,
                                       .fields = 10};
    weir_h2_section_begin(&section, &f->failalloc.allocator, &options);
    if (status) {
        weir_field field = {.name = weir_span_of(":status"), .value = weir_span_of(status)};
        weir_h2_section_field(&section, &field);
    }
    if (name) {
        weir_field field = {.name = weir_span_of(name), .value = weir_span_of(value)};
        weir_h2_section_field(&section, &field);
    }
    weir_status result = weir_h2_section_end(&section);
    if (result == WEIR_OK) {
        weir_h2_section_place place = {&f->ready, end_stream, 2};
        result = weir_h2_stream_section(&f->stream, &section, &place, &what);
    }
    weir_h2_section_drop(&section);
    return result;
}

/* The next event, its message freed. */
static weir_conn_event_kind next(fixture *f)
{
    weir_conn_event event;
    weir_news_next(&f->ready, &event);
    weir_message_free(event.message);
    return event.kind;
}

static weir_status content(fixture *f, uint32_t octets)
{
    const char *what;
    return weir_h2_stream_content(&f->stream, octets, &what);
}

static void stream__of_a_request_without_content_is_closed_by_the_response(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    assert_false(weir_h2_stream_is_sending(&f->stream));
    assert_int_equal(weir_h2_stream_phase(&f->stream), WEIR_PHASE_HEAD);
    assert_int_equal(receive(f, "200", NULL, NULL, true), WEIR_OK);
    assert_true(weir_h2_stream_is_closed(&f->stream));
    assert_int_equal(next(f), WEIR_CONN_HEAD);
    assert_int_equal(next(f), WEIR_CONN_END);
    assert_int_equal(next(f), WEIR_CONN_NOTHING);
}

static void stream__is_half_closed_either_way(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_CHUNKED);
    assert_int_equal(weir_h2_stream_phase(&f->stream), WEIR_PHASE_SEND);
    assert_int_equal(receive(f, "200", NULL, NULL, true), WEIR_OK);
    assert_false(weir_h2_stream_is_receiving(&f->stream));
    assert_false(weir_h2_stream_is_closed(&f->stream));
    weir_h2_stream_sent_end(&f->stream);
    assert_true(weir_h2_stream_is_closed(&f->stream));
}

static void stream__a_reset_does_not_undo_what_had_ended(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_CHUNKED);
    assert_int_equal(receive(f, "200", NULL, NULL, true), WEIR_OK);
    weir_h2_stream_reset(&f->stream);
    assert_int_equal(f->stream.receiving, WEIR_H2_RECEIVE_ENDED);
    assert_int_equal(f->stream.sending, WEIR_H2_SEND_RESET);
    assert_true(weir_h2_stream_is_closed(&f->stream));
    weir_h2_stream_reset(&f->stream);
    assert_int_equal(f->stream.receiving, WEIR_H2_RECEIVE_ENDED);
}

static void stream__a_reset_ends_both_halves(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_CHUNKED);
    weir_h2_stream_reset(&f->stream);
    assert_int_equal(f->stream.receiving, WEIR_H2_RECEIVE_RESET);
    assert_int_equal(f->stream.sending, WEIR_H2_SEND_RESET);
}

static void stream__counts_content_down_to_its_length(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    assert_int_equal(content(f, 1), WEIR_E_H2_MESSAGE);
    assert_int_equal(receive(f, "200", "content-length", "10", false), WEIR_OK);
    assert_int_equal(content(f, 4), WEIR_OK);
    assert_int_equal(content(f, 7), WEIR_E_H2_LENGTH);
    assert_int_equal(weir_h2_stream_end(&f->stream, &f->ready), WEIR_E_H2_LENGTH);
    assert_int_equal(content(f, 6), WEIR_OK);
    assert_int_equal(content(f, 0), WEIR_OK);
    assert_int_equal(weir_h2_stream_end(&f->stream, &f->ready), WEIR_OK);
    assert_int_equal(weir_h2_stream_phase(&f->stream), WEIR_PHASE_BODY);
}

static void stream__without_a_length_takes_any_content(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    assert_int_equal(receive(f, "200", NULL, NULL, false), WEIR_OK);
    assert_int_equal(content(f, UINT32_MAX), WEIR_OK);
    assert_int_equal(content(f, UINT32_MAX), WEIR_OK);
    assert_int_equal(weir_h2_stream_end(&f->stream, &f->ready), WEIR_OK);
}

static void stream__of_head_takes_no_content_whatever_the_length(void **state)
{
    fixture *f = *state;
    f->head.is_head = true;
    begin(f, WEIR_FRAMING_NONE);
    assert_int_equal(receive(f, "200", "content-length", "10", false), WEIR_OK);
    assert_int_equal(content(f, 1), WEIR_E_H2_LENGTH);
    assert_int_equal(content(f, 0), WEIR_OK);
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_false(event.message->has_content);
    assert_int_equal(event.message->length_octets, 10);
    weir_message_free(event.message);
}

static void stream__takes_as_many_informational_responses_as_allowed(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    assert_int_equal(receive(f, "100", NULL, NULL, true), WEIR_E_H2_MESSAGE);
    assert_int_equal(receive(f, "100", "content-length", "3", false), WEIR_OK);
    assert_int_equal(receive(f, "103", "link", "x", false), WEIR_OK);
    assert_int_equal(receive(f, "103", NULL, NULL, false), WEIR_E_LIMIT_INFORMATIONAL);
    assert_int_equal(f->stream.receiving, WEIR_H2_RECEIVE_HEAD);
    /* Each field counts 32 more than its octets. */
    assert_int_equal(f->stream.informational_octets, 42 + 47 + 42 + 37);
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_int_equal(event.kind, WEIR_CONN_INFORMATIONAL);
    assert_true(event.message->length_octets == WEIR_UNKNOWN);
    weir_message_free(event.message);
}

static void stream__trailers_end_it_or_are_malformed(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    assert_int_equal(receive(f, "200", "content-length", "1", false), WEIR_OK);
    assert_int_equal(receive(f, NULL, "x", "y", false), WEIR_E_H2_MESSAGE);
    assert_int_equal(receive(f, NULL, "x", "y", true), WEIR_E_H2_LENGTH);
    assert_int_equal(content(f, 1), WEIR_OK);
    assert_int_equal(receive(f, NULL, "x", "y", true), WEIR_OK);
    assert_int_equal(next(f), WEIR_CONN_HEAD);
    assert_int_equal(next(f), WEIR_CONN_TRAILERS);
    assert_int_equal(next(f), WEIR_CONN_END);
}

static void stream__a_section_without_memory_is_a_failure_of_its_own(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    for (size_t k = 1; k <= 3; k++) {
        f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + k;
        assert_int_equal(receive(f, "200", "a", "b", false), WEIR_E_NOMEM);
        assert_int_equal(f->stream.receiving, WEIR_H2_RECEIVE_HEAD);
    }
}

static void stream__an_edge_that_does_not_exist_is_a_defect(void **state)
{
    fixture *f = *state;
    begin(f, WEIR_FRAMING_NONE);
    expect_assert_failure(weir_h2_stream_sent_end(&f->stream));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stream__of_a_request_without_content_is_closed_by_the_response),
        TEST(stream__is_half_closed_either_way),
        TEST(stream__a_reset_does_not_undo_what_had_ended),
        TEST(stream__a_reset_ends_both_halves),
        TEST(stream__counts_content_down_to_its_length),
        TEST(stream__without_a_length_takes_any_content),
        TEST(stream__of_head_takes_no_content_whatever_the_length),
        TEST(stream__takes_as_many_informational_responses_as_allowed),
        TEST(stream__trailers_end_it_or_are_malformed),
        TEST(stream__a_section_without_memory_is_a_failure_of_its_own),
        TEST(stream__an_edge_that_does_not_exist_is_a_defect),
    };
    return cmocka_run_group_tests_name("h2_stream", tests, NULL, NULL);
}
