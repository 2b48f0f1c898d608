/* SPDX-License-Identifier: MIT */
/*
 * Callers who do not read the headers: records that are too short or too long, URLs and fields that
 * would smuggle, bodies that lie, functions in the wrong order. Nothing of it reaches a server as
 * anything but one whole request.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Listens, and never says a word. */
static weir_hostile_end play_mute(int fd, size_t number, void *user)
{
    (void)fd;
    (void)number;
    (void)user;
    return WEIR_HOSTILE_SILENCE;
}

static void records_of_any_size(weir_user_kind kind)
{
    struct {
        weir_request request;
        uint8_t more[64];
    } longer;
    weir_stage stage;
    weir_plea plea;
    weir_exchange *exchange = NULL;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    weir_stage_ask(&stage, &plea, WEIR_H1, "/");
    for (size_t size = 0; size < sizeof(size_t); size++) {
        weir_plea bad = plea;
        bad.request.size = size;
        assert_int_equal(weir_stage_call(&stage, &bad, &exchange), WEIR_E_INVALID);
        weir_stage_drop(&stage, exchange);
        bad = plea;
        bad.call.size = size;
        bad.call.observer = NULL; /* it is not read */
        assert_int_equal(weir_stage_call(&stage, &bad, &exchange), WEIR_E_INVALID);
        weir_stage_drop(&stage, exchange);
    }
    plea.call.observer = NULL;
    /* All of an older header ends behind `body`. In memory that ends there too, so that a read
     * behind it is seen. */
    const size_t older_octets = offsetof(weir_request, trailers);
    void *older = malloc(older_octets);
    assert_non_null(older);
    memcpy(older, &plea.request, older_octets);
    memcpy(older, &older_octets, sizeof(older_octets)); /* its first member is its size */
    assert_int_equal(weir_user_call(stage.user, older, &plea.call, &exchange), WEIR_OK);
    weir_user_drop(stage.user, exchange);
    free(older);
    memset(&longer, 0xff, sizeof(longer));
    longer.request = plea.request;
    longer.request.size = sizeof(longer);
    assert_int_equal(weir_user_call(stage.user, &longer.request, &plea.call, &exchange), WEIR_OK);
    weir_user_drop(stage.user, exchange);
    longer.request.size = SIZE_MAX;
    assert_int_equal(weir_user_call(stage.user, &longer.request, NULL, &exchange), WEIR_OK);
    weir_user_drop(stage.user, exchange);
    weir_stage_close(&stage);
}

static void options_of_one_octet(void **state)
{
    weir_status status = WEIR_OK;
    weir_client_options client = {.size = 1};
    weir_loop_options loop = {.size = 1};
    weir_shared_options shared = {.size = 1};
    weir_tls_options tls = {.size = 1};

    (void)state;
    assert_null(weir_client_new(&client, &status));
    assert_int_equal(status, WEIR_E_INVALID);
    assert_null(weir_loop_new(&loop, &status));
    assert_int_equal(status, WEIR_E_INVALID);
    assert_null(weir_shared_new(&shared, &status));
    assert_int_equal(status, WEIR_E_INVALID);
    weir_failure failure;
    assert_null(weir_tls_config_new(&tls, NULL, &status, &failure));
    assert_int_equal(status, WEIR_E_INVALID);
    assert_non_null(failure.what);
    assert_non_null(strstr(failure.what, "weir_tls_options"));
    weir_client_free(NULL);
    weir_loop_free(NULL);
    weir_shared_release(NULL);
    weir_tls_config_release(NULL);
    weir_token_free(NULL);
    weir_exchange_free(NULL);
}

/* Also one that is over, and has nothing of the client any more. */
static void a_client_freed_before_an_exchange(void **state)
{
    weir_client *client = weir_client_new(NULL, NULL);
    const weir_request no_request = {.size = 0};
    weir_exchange *exchange = NULL;

    (void)state;
    assert_non_null(client);
    assert_int_equal(weir_client_call(client, &no_request, NULL, &exchange), WEIR_E_INVALID);
    assert_non_null(exchange);
    expect_assert_failure(weir_client_free(client));
    weir_exchange_free(exchange);
    weir_client_free(client);
}

#define SPAN(literal)                                                                              \
    {                                                                                              \
        (const uint8_t *)(literal), sizeof(literal) - 1                                            \
    }
static const weir_span bad_urls[] = {
    SPAN("h"),
    SPAN("http"),
    SPAN("http:"),
    SPAN("http:/"),
    SPAN("http://"),
    SPAN("http:///x"),
    SPAN("http://127.0.0.1:0/"),
    SPAN("http://127.0.0.1:65536/"),
    SPAN("http://127.0.0.1:99999999999999999999/"),
    SPAN("http://127.0.0.1:+80/"),
    SPAN("http://127.0.0.1: 80/"),
    SPAN("http://127.0.0.1:80a/"),
    SPAN("http://127.0.0.1:-1/"),
    SPAN("http://127.1/"),
    SPAN("http://0x7f.0.0.1/"),
    SPAN("http://2130706433/"),
    SPAN("http://0177.0.0.1/"),
    SPAN("http://127.0.0.1.1/"),
    SPAN("http://127.0.0.256/"),
    SPAN("http://user@127.0.0.1/"),
    SPAN("http://a:b@127.0.0.1/"),
    SPAN("http://@127.0.0.1/"),
    SPAN("http://127.0.0.1\\@evil/"),
    SPAN("http:\\\\127.0.0.1/"),
    SPAN("http://127.0.0.1/\\"),
    SPAN("http://127.0.0.1/ HTTP/1.1\r\nX: y"),
    SPAN("http://127.0.0.1/\r\n"),
    SPAN("http://127.0.0.1/\n"),
    SPAN("http://127.0.0.1/\0"),
    SPAN("http://127.0.0.1\0.evil/"),
    SPAN("http://127.0.0.1/\t"),
    SPAN("http://127.0.0.1/\x7f"),
    SPAN("http://127.0.0.1/\xc3\xa9"),
    SPAN("http://\xc3\xa9.test/"),
    SPAN("http://127.0.0.1/%"),
    SPAN("http://127.0.0.1/%4"),
    SPAN("http://127.0.0.1/%zz"),
    SPAN("http://127.0.0.1%2f@evil/"),
    SPAN("http://%31%32%37.0.0.1/"),
    SPAN("http://[::1/"),
    SPAN("http://::1/"),
    SPAN("http://[::1]x/"),
    SPAN("http://[::1]:/x:"),
    SPAN("http://[:::]/"),
    SPAN("http://[1:2:3:4:5:6:7:8:9]/"),
    SPAN("http://[127.0.0.1]/"),
    SPAN("http://[]/"),
    SPAN("http://a..b/"),
    SPAN("http://.a/"),
    SPAN("http://-/ "),
    SPAN("http://a b/"),
    SPAN("ftp://127.0.0.1/"),
    SPAN("file:///etc/passwd"),
    SPAN("javascript:alert(1)"),
    SPAN(" http://127.0.0.1/"),
    SPAN("ht tp://127.0.0.1/"),
    SPAN("//127.0.0.1/"),
    SPAN("127.0.0.1"),
    SPAN("/path"),
};

/* "http://[::1]:/x:" alone may be good: RFC 3986 allows an empty port. It goes nowhere here. */
static void urls_that_are_none(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        weir_plea plea;
        weir_stage_ask(&stage, &plea, WEIR_PROTOCOL_ANY, "/");
        /* On the heap and exact, so that AddressSanitizer sees a step too far. */
        uint8_t *copy = malloc(bad_urls[i].length);
        assert_non_null(copy);
        memcpy(copy, bad_urls[i].at, bad_urls[i].length);
        plea.request.url = (weir_span){copy, bad_urls[i].length};
        plea.call.connect_to = WEIR_SPAN("127.0.0.1");
        plea.call.connect_port = weir_hostile_port(stage.server);
        const weir_outcome outcome = weir_stage_fetch(&stage, &plea);
        free(copy);
        if (memchr(bad_urls[i].at, '[', bad_urls[i].length) != NULL && outcome.status == WEIR_END) {
            continue;
        }
        if (weir_status_phase(outcome.status) != WEIR_PHASE_SUBMIT) {
            fail_msg("URL %zu, %.*s: %s", i, (int)bad_urls[i].length, bad_urls[i].at,
                     weir_status_name(outcome.status));
        }
    }
    assert_in_range(weir_hostile_accepted(stage.server), 0, 1);
    weir_stage_close(&stage);
}

static const weir_field bad_fields[] = {
    {SPAN("a\r\nb"), SPAN("c"), 0},
    {SPAN("a"), SPAN("b\r\nEvil: yes"), 0},
    {SPAN("a"), SPAN("b\nEvil: yes"), 0},
    {SPAN("a"), SPAN("b\rc"), 0},
    {SPAN("a"), SPAN("b\0c"), 0},
    {SPAN("a\0"), SPAN("b"), 0},
    {SPAN(""), SPAN("b"), 0},
    {SPAN("a b"), SPAN("c"), 0},
    {SPAN("a:"), SPAN("c"), 0},
    {SPAN(":path"), SPAN("/"), 0},
    {SPAN("a\xff"), SPAN("c"), 0},
    {SPAN("Transfer-Encoding"), SPAN("chunked"), 0},
    {SPAN("Connection"), SPAN("close"), 0},
    {SPAN("Content-Length"), SPAN("3"), 0},
    {SPAN("Host"), SPAN("evil"), 0},
    {SPAN("Upgrade"), SPAN("h2c"), 0},
    {SPAN("a"), SPAN("b\x7f"), 0},
    {SPAN("Keep-Alive"), SPAN("1"), 0},
};

static void fields_that_would_smuggle(weir_user_kind kind)
{
    static const weir_span methods[] = {SPAN("G ET"), SPAN("GET\r\n"), SPAN("G\0T"),
                                        SPAN("GET /x HTTP/1.1\r\n")};
    static const weir_protocol protocols[] = {WEIR_H1, WEIR_H2};
    weir_stage stage;
    weir_plea plea;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    for (size_t i = 0; i < 2 * sizeof(bad_fields) / sizeof(bad_fields[0]); i++) {
        weir_stage_ask(&stage, &plea, protocols[i % 2], "/");
        plea.request.method = WEIR_SPAN("POST");
        plea.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = WEIR_SPAN("hello")};
        plea.request.fields = &bad_fields[i / 2];
        plea.request.field_count = 1;
        const weir_status status = weir_stage_fetch(&stage, &plea).status;
        if (weir_status_phase(status) != WEIR_PHASE_SUBMIT) {
            fail_msg("field %zu: %s", i / 2, weir_status_name(status));
        }
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        weir_stage_ask(&stage, &plea, WEIR_H1, "/");
        plea.request.method = methods[i];
        assert_int_equal(weir_stage_fetch(&stage, &plea).status, WEIR_E_METHOD);
    }
    assert_int_equal(weir_hostile_accepted(stage.server), 0);
    weir_stage_close(&stage);
}

/* A source that does what its user says. */
typedef struct liar {
    weir_status status;
    size_t octets; /* as if so many were given */
    unsigned calls;
} liar;

static weir_status lie(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    liar *l = user;

    (void)offset;
    l->calls++;
    memset(to, 'x', l->octets < room ? l->octets : room);
    *octets = l->octets;
    return l->status;
}

static void bodies_that_lie(weir_user_kind kind)
{
    static const struct {
        weir_status answers;
        size_t octets;
        uint64_t declared;
        weir_status ends;
    } cases[] = {
        {WEIR_END, 5, 10, WEIR_E_BODY_SHORT},
        {WEIR_END, 15, 10, WEIR_E_BODY_LONG},
        {WEIR_OK, 5, 12, WEIR_E_BODY_LONG},
        {WEIR_OK, 0, 10, WEIR_E_BODY_SOURCE},
        {WEIR_OK, SIZE_MAX, 10, WEIR_E_BODY_SOURCE},
        {WEIR_E_RESET, 1, 10, WEIR_E_BODY_SOURCE},
        {(weir_status)-999, 1, 10, WEIR_E_BODY_SOURCE},
        {WEIR_AGAIN, 0, 10, WEIR_E_DEADLINE_TOTAL},
        {(weir_status)77, 1, 10, WEIR_E_BODY_SOURCE},
        {WEIR_END, 0, 1, WEIR_E_BODY_SHORT},
    };
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_mute, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        liar l = {.status = cases[i].answers, .octets = cases[i].octets};
        const weir_source source = {.size = sizeof(source), .user = &l, .read = lie};
        weir_plea plea;
        weir_stage_ask(&stage, &plea, WEIR_H1, "/");
        plea.request.method = WEIR_SPAN("POST");
        plea.request.body = (weir_body){
            .kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = cases[i].declared};
        plea.call.deadline_ns = weir_now() + 300 * WEIR_NS_PER_MS;
        const weir_status status = weir_stage_fetch(&stage, &plea).status;
        /* A blocking call has nobody who could say weir_resume(). */
        const weir_status ends = kind == WEIR_USER_BLOCKING && cases[i].answers == WEIR_AGAIN
                                     ? WEIR_E_BODY_SOURCE
                                     : cases[i].ends;
        if (status != ends || l.calls > 10) {
            fail_msg("source %zu: %s after %u calls", i, weir_status_name(status), l.calls);
        }
    }
    weir_stage_close(&stage);
}

static void functions_in_any_order(weir_user_kind kind)
{
    static const weir_field trailer = {SPAN("t"), SPAN("v"), 0};
    weir_stage stage;
    weir_plea plea;
    weir_exchange *exchange = NULL;
    char octets[64];
    size_t got = 0;
    size_t taken = 0;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, weir_hostile_play_honest, NULL);
    weir_stage_ask(&stage, &plea, WEIR_H1, "/order");
    assert_int_equal(weir_stage_call(&stage, &plea, &exchange), WEIR_OK);
    assert_int_equal(weir_write(exchange, WEIR_SPAN("x"), &taken), WEIR_E_STATE);
    assert_int_equal(weir_finish(exchange, NULL, 0), WEIR_E_STATE);
    assert_int_equal(weir_read(exchange, NULL, 0, &got), WEIR_E_INVALID);
    weir_resume(exchange);
    while (weir_user_read(stage.user, exchange, octets, 1, &got) == WEIR_OK) {
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_read(exchange, octets, 1, &got), WEIR_END);
        weir_cancel(exchange);
        weir_resume(exchange);
        assert_int_equal(weir_response(exchange), WEIR_OK);
    }
    weir_stage_drop(&stage, exchange);

    weir_stage_ask(&stage, &plea, WEIR_H1, "/order");
    plea.request.method = WEIR_SPAN("POST");
    plea.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    plea.call.hint = WEIR_HINT_DUPLEX;
    assert_int_equal(weir_stage_call(&stage, &plea, &exchange), WEIR_OK);
    assert_int_equal(weir_user_finish(stage.user, exchange, &trailer, 1), WEIR_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(weir_finish(exchange, &trailer, 1), WEIR_E_STATE);
        assert_int_equal(weir_write(exchange, WEIR_SPAN("x"), &taken), WEIR_E_STATE);
        assert_int_equal(taken, 0);
    }
    weir_cancel(exchange);
    weir_cancel(exchange);
    weir_stage_drop(&stage, exchange);
    weir_stage_close(&stage);
}

static void streams_of_another_length(weir_user_kind kind)
{
    weir_stage stage;

    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_mute, NULL);
    for (int i = 0; i < 3; i++) {
        weir_plea plea;
        weir_exchange *exchange = NULL;
        size_t taken = 0;
        weir_stage_ask(&stage, &plea, WEIR_H1, "/");
        plea.request.method = WEIR_SPAN("PUT");
        plea.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = 4};
        assert_int_equal(weir_stage_call(&stage, &plea, &exchange), WEIR_OK);
        if (i == 0) {
            assert_int_equal(weir_user_write(stage.user, exchange, WEIR_SPAN("12345"), &taken),
                             WEIR_E_BODY_LONG);
        } else {
            assert_int_equal(weir_user_write(stage.user, exchange, WEIR_SPAN("123"), &taken),
                             WEIR_OK);
            assert_int_equal(weir_user_finish(stage.user, exchange, NULL, 0), WEIR_E_BODY_SHORT);
        }
        weir_stage_drop(&stage, exchange);
    }
    weir_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(records_of_any_size),
        cmocka_unit_test(options_of_one_octet),
        weir_stage_test(urls_that_are_none),
        weir_stage_test(fields_that_would_smuggle),
        weir_stage_test(bodies_that_lie),
        weir_stage_test(functions_in_any_order),
        weir_stage_test(streams_of_another_length),
        cmocka_unit_test(a_client_freed_before_an_exchange),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("callers", tests, NULL, NULL);
}
