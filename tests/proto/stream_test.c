/* SPDX-License-Identifier: MIT */
/*
 * News: pulled in the one order that makes sense, collapsed, fair between streams, and silent after
 * a failure or a cancel. Every message is freed by somebody (the fixture's allocator counts).
 */
#include "proto/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/failure.h"
#include "support/failalloc.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_list ready;
    weir_stream a;
    weir_stream b;
    weir_stream c;
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    weir_list_init(&f->ready);
    weir_stream_init(&f->a, f, &f->bin, 1000);
    weir_stream_init(&f->b, f, &f->bin, 1000);
    weir_stream_init(&f->c, f, &f->bin, 1000);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_stream_clear(&f->a);
    weir_stream_clear(&f->b);
    weir_stream_clear(&f->c);
    assert_true(weir_list_is_empty(&f->ready));
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

static void tell(fixture *f, weir_stream *stream, weir_conn_event_kind kind)
{
    weir_stream_tell(stream, &f->ready, kind);
}

static void tell_message(fixture *f, weir_stream *stream, weir_conn_event_kind kind, int code)
{
    weir_message *message = weir_message_new(&f->failalloc.allocator);
    assert_non_null(message);
    message->code = code;
    assert_true(weir_fields_add(
        &message->fields, (weir_field){.name = WEIR_SPAN("server"), .value = WEIR_SPAN("test")}));
    weir_stream_tell_message(stream, &f->ready, kind, message);
}

static void tell_failed(fixture *f, weir_stream *stream, weir_status status)
{
    weir_failure failure = weir_failure_of(status, NULL);
    weir_stream_tell_failed(stream, &f->ready, &failure);
}

/* Pulls one event, which must be this one; code 0: without a message, or that of trailers. */
static void expect_next(fixture *f, const weir_stream *stream, weir_conn_event_kind kind, int code)
{
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_ptr_equal(event.stream, stream);
    assert_int_equal(event.kind, kind);
    bool carries =
        kind == WEIR_CONN_INFORMATIONAL || kind == WEIR_CONN_HEAD || kind == WEIR_CONN_TRAILERS;
    assert_int_equal(event.message != NULL, carries);
    if (event.message) {
        assert_int_equal(event.message->code, code);
        assert_null(event.message->next);
    }
    weir_message_free(event.message);
}

static void expect_nothing(fixture *f)
{
    weir_conn_event event;
    assert_false(weir_news_next(&f->ready, &event));
    assert_int_equal(event.kind, WEIR_CONN_NOTHING);
    assert_null(event.stream);
}

static void message__begins_empty_and_undeclared(void **state)
{
    fixture *f = *state;
    weir_message *message = weir_message_new(&f->failalloc.allocator);
    assert_true(message->length_octets == WEIR_UNKNOWN);
    assert_int_equal(message->code, 0);
    assert_int_equal(weir_fields_count(&message->fields), 0);
    weir_message_free(message);
    weir_message_free(NULL);
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 1;
    assert_null(weir_message_new(&f->failalloc.allocator));
}

static void news__there_are_none_at_birth(void **state)
{
    fixture *f = *state;
    expect_nothing(f);
    assert_ptr_equal(f->a.user, f);
    assert_int_equal(f->a.failure.status, WEIR_OK);
}

static void news__come_in_the_order_of_a_response_whatever_the_order_of_telling(void **state)
{
    fixture *f = *state;
    tell_failed(f, &f->b, WEIR_E_RESET); /* another stream's, out of the way */
    expect_next(f, &f->b, WEIR_CONN_FAILED, 0);

    tell(f, &f->a, WEIR_CONN_WRITABLE);
    tell(f, &f->a, WEIR_CONN_END);
    tell_message(f, &f->a, WEIR_CONN_TRAILERS, 0);
    tell(f, &f->a, WEIR_CONN_BODY);
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200);
    tell_message(f, &f->a, WEIR_CONN_INFORMATIONAL, 100);
    tell_message(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    expect_next(f, &f->a, WEIR_CONN_INFORMATIONAL, 100);
    expect_next(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    expect_next(f, &f->a, WEIR_CONN_HEAD, 200);
    expect_next(f, &f->a, WEIR_CONN_BODY, 0);
    expect_next(f, &f->a, WEIR_CONN_TRAILERS, 0);
    expect_next(f, &f->a, WEIR_CONN_END, 0);
    expect_next(f, &f->a, WEIR_CONN_WRITABLE, 0);
    expect_nothing(f);
}

static void news__of_the_body_are_told_once_however_often_it_grew(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        tell(f, &f->a, WEIR_CONN_BODY);
    }
    expect_next(f, &f->a, WEIR_CONN_BODY, 0);
    expect_nothing(f);
    tell(f, &f->a, WEIR_CONN_BODY);
    expect_next(f, &f->a, WEIR_CONN_BODY, 0);
}

static void news__a_failure_is_last_and_keeps_what_came_before_it(void **state)
{
    fixture *f = *state;
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200);
    tell(f, &f->a, WEIR_CONN_WRITABLE);
    tell_failed(f, &f->a, WEIR_E_TRUNCATED);
    expect_next(f, &f->a, WEIR_CONN_HEAD, 200);
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_int_equal(event.kind, WEIR_CONN_FAILED);
    assert_int_equal(event.failure.status, WEIR_E_TRUNCATED);
    expect_nothing(f);
}

static void news__an_end_that_was_not_pulled_stays_before_the_failure(void **state)
{
    fixture *f = *state;
    tell(f, &f->a, WEIR_CONN_END);
    tell_failed(f, &f->a, WEIR_E_RESET);
    expect_next(f, &f->a, WEIR_CONN_END, 0);
    expect_next(f, &f->a, WEIR_CONN_FAILED, 0);
}

static void news__a_stream_fails_once_and_is_silent_afterwards(void **state)
{
    fixture *f = *state;
    tell_failed(f, &f->a, WEIR_E_REFUSED);
    tell_failed(f, &f->a, WEIR_E_RESET);
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_int_equal(event.failure.status, WEIR_E_REFUSED);
    tell_failed(f, &f->a, WEIR_E_RESET);
    tell(f, &f->a, WEIR_CONN_BODY);
    tell(f, &f->a, WEIR_CONN_END);
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200); /* freed by the stream */
    expect_nothing(f);
}

static void news__a_stop_says_why_and_a_head_does_not(void **state)
{
    fixture *f = *state;
    f->a.failure = weir_failure_of(WEIR_E_H2_RESET, "no more, thank you");
    tell_message(f, &f->a, WEIR_CONN_HEAD, 413);
    tell(f, &f->a, WEIR_CONN_STOP);
    weir_conn_event event;
    assert_true(weir_news_next(&f->ready, &event));
    assert_int_equal(event.kind, WEIR_CONN_HEAD);
    assert_int_equal(event.failure.status, WEIR_OK);
    weir_message_free(event.message);
    assert_true(weir_news_next(&f->ready, &event));
    assert_int_equal(event.kind, WEIR_CONN_STOP);
    assert_int_equal(event.failure.status, WEIR_E_H2_RESET);
    /* A stream that was stopped can still fail. */
    tell_failed(f, &f->a, WEIR_E_RESET);
    expect_next(f, &f->a, WEIR_CONN_FAILED, 0);
}

static void news__no_stream_starves_another(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        tell_message(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    }
    tell_message(f, &f->b, WEIR_CONN_HEAD, 200);
    tell(f, &f->b, WEIR_CONN_BODY);
    tell(f, &f->c, WEIR_CONN_BODY);
    expect_next(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    expect_next(f, &f->b, WEIR_CONN_HEAD, 200);
    expect_next(f, &f->c, WEIR_CONN_BODY, 0);
    expect_next(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    expect_next(f, &f->b, WEIR_CONN_BODY, 0);
    /* Whoever has news again goes to the back. */
    tell(f, &f->c, WEIR_CONN_BODY);
    expect_next(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    expect_next(f, &f->c, WEIR_CONN_BODY, 0);
    expect_nothing(f);
}

static void news__a_hushed_stream_says_nothing_and_frees_what_it_held(void **state)
{
    fixture *f = *state;
    tell_message(f, &f->a, WEIR_CONN_INFORMATIONAL, 100);
    tell_message(f, &f->a, WEIR_CONN_INFORMATIONAL, 103);
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200);
    tell_message(f, &f->a, WEIR_CONN_TRAILERS, 0);
    tell(f, &f->b, WEIR_CONN_BODY);
    weir_stream_hush(&f->a);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    tell(f, &f->a, WEIR_CONN_WRITABLE);
    tell_failed(f, &f->a, WEIR_E_RESET);
    expect_next(f, &f->b, WEIR_CONN_BODY, 0);
    expect_nothing(f);
}

static void stream__clearing_frees_news_and_inbox_and_unlinks(void **state)
{
    fixture *f = *state;
    assert_true(weir_buf_append(&f->a.inbox, WEIR_SPAN("never read")));
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200);
    tell_message(f, &f->a, WEIR_CONN_TRAILERS, 0);
    tell_failed(f, &f->a, WEIR_E_RESET);
    weir_stream_clear(&f->a);
    assert_int_equal(atomic_load(&f->failalloc.live), 0);
    expect_nothing(f);
}

static void news__a_kind_with_a_message_needs_one_and_comes_once(void **state)
{
    fixture *f = *state;
    expect_assert_failure(tell(f, &f->a, WEIR_CONN_HEAD));
    expect_assert_failure(tell(f, &f->a, WEIR_CONN_FAILED));
    expect_assert_failure(tell(f, &f->a, WEIR_CONN_NOTHING));
    expect_assert_failure(tell_failed(f, &f->a, WEIR_OK));
    tell_message(f, &f->a, WEIR_CONN_HEAD, 200);
    weir_message *second = weir_message_new(&f->failalloc.allocator);
    expect_assert_failure(weir_stream_tell_message(&f->a, &f->ready, WEIR_CONN_HEAD, second));
    weir_message_free(second);
}

/*
 * Random telling and pulling: per stream, what is pulled is what was told, nothing is invented and
 * nothing lost, and the ready list holds exactly the streams with news.
 */
static void news__equal_a_model_under_random_use(void **state)
{
    fixture *f = *state;
    weir_stream *const streams[] = {&f->a, &f->b, &f->c};
    bool told[3][WEIR_CONN_FAILED + 1] = {{false}};
    int waiting[3] = {0}; /* 1xx */
    int next_code[3] = {0};
    int pulled_code[3] = {0};
    static const weir_conn_event_kind plain[] = {WEIR_CONN_BODY, WEIR_CONN_END, WEIR_CONN_WRITABLE,
                                                 WEIR_CONN_STOP};
    srand(11);
    for (int step = 0; step < 20000; step++) {
        int i = rand() % 3;
        int what = rand() % 8;
        if (what < 2) {
            weir_conn_event_kind kind = plain[rand() % 4];
            tell(f, streams[i], kind);
            told[i][kind] = true;
        } else if (what == 2) {
            tell_message(f, streams[i], WEIR_CONN_INFORMATIONAL, next_code[i]++);
            waiting[i]++;
        } else if (what == 3) {
            weir_conn_event_kind kind = rand() % 2 ? WEIR_CONN_HEAD : WEIR_CONN_TRAILERS;
            if (!told[i][kind]) {
                tell_message(f, streams[i], kind, 200);
                told[i][kind] = true;
            }
        } else {
            weir_conn_event event;
            if (!weir_news_next(&f->ready, &event)) {
                continue;
            }
            i = event.stream == &f->a ? 0 : event.stream == &f->b ? 1 : 2;
            if (event.kind == WEIR_CONN_INFORMATIONAL) {
                assert_true(waiting[i]-- > 0);
                assert_int_equal(event.message->code, pulled_code[i]++);
            } else {
                assert_int_equal(waiting[i], 0);
                assert_true(told[i][event.kind]);
                told[i][event.kind] = false;
                for (int lower = 0; lower < (int)event.kind; lower++) {
                    assert_false(told[i][lower]);
                }
            }
            weir_message_free(event.message);
        }
        for (i = 0; i < 3; i++) {
            bool any = waiting[i] > 0;
            for (int kind = 0; kind <= WEIR_CONN_FAILED; kind++) {
                any = any || told[i][kind];
            }
            assert_int_equal(any, streams[i]->news != 0);
            assert_int_equal(any, !weir_list_is_empty(&streams[i]->ready));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message__begins_empty_and_undeclared),
        TEST(news__there_are_none_at_birth),
        TEST(news__come_in_the_order_of_a_response_whatever_the_order_of_telling),
        TEST(news__of_the_body_are_told_once_however_often_it_grew),
        TEST(news__a_failure_is_last_and_keeps_what_came_before_it),
        TEST(news__an_end_that_was_not_pulled_stays_before_the_failure),
        TEST(news__a_stream_fails_once_and_is_silent_afterwards),
        TEST(news__a_stop_says_why_and_a_head_does_not),
        TEST(news__no_stream_starves_another),
        TEST(news__a_hushed_stream_says_nothing_and_frees_what_it_held),
        TEST(stream__clearing_frees_news_and_inbox_and_unlinks),
        TEST(news__a_kind_with_a_message_needs_one_and_comes_once),
        TEST(news__equal_a_model_under_random_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
