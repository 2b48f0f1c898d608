/* SPDX-License-Identifier: MIT */
/*
 * What a caller does wrong is refused with a status of its own before anything is sent, at the
 * place where it is wrong; or while the content is written, when it shows only then.
 */
#include "failures.h"
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct bad_url {
    weir_status status;
    const char *url;
    uint64_t offset; /* WEIR_UNKNOWN: none is told */
} bad_url;

static const bad_url bad_urls[] = {
    {WEIR_E_URL_SYNTAX, "127.0.0.1/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_SCHEME, "ftp://127.0.0.1/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_NON_ASCII, "http://127.0.0.1/\xc3\xa9", 17},
    {WEIR_E_URL_CONTROL, "http://127.0.0.1/a b", 18},
    {WEIR_E_URL_BACKSLASH, "http://127.0.0.1\\a", 16},
    {WEIR_E_URL_USERINFO, "http://a:b@127.0.0.1/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_HOST, "http:///", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_IPV4, "http://127.1/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_IPV6, "http://[::1::2]/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_PORT, "http://127.0.0.1:65536/", WEIR_UNKNOWN - 1},
    {WEIR_E_URL_PERCENT, "http://127.0.0.1/%2", 17},
    {WEIR_E_URL_CHARACTER, "http://127.0.0.1/<", 17},
};

/* Every refused request is told DONE once, leaves nothing, and does not disturb the next. */
static void urls_are_refused(weir_world *world)
{
    for (size_t i = 0; i < sizeof(bad_urls) / sizeof(bad_urls[0]); i++) {
        weir_ask ask = weir_world_ask(world, "/");
        ask.request.url = weir_span_of(bad_urls[i].url);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, bad_urls[i].status);
        assert_int_equal(fetched.ended, bad_urls[i].status);
        assert_int_equal(fetched.failure.phase, WEIR_PHASE_SUBMIT);
        assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
        if (bad_urls[i].offset < WEIR_UNKNOWN - 1) {
            assert_int_equal(fetched.failure.offset, bad_urls[i].offset);
        }
    }
    weir_ask ask = weir_world_ask(world, "/octets/1");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static void url_too_long(weir_world *world)
{
    const size_t octets = 65537;
    uint8_t *url = malloc(octets);
    weir_ask ask = weir_world_ask(world, "/");

    assert_non_null(url);
    memset(url, 'a', octets);
    memcpy(url, "http://127.0.0.1/", 17);
    ask.request.url = (weir_span){url, octets};
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_URL_TOO_LONG);
    free(url);
}

typedef struct bad_head {
    weir_status status;
    const char *method;
    const char *name;
    const char *value;
} bad_head;

static const bad_head bad_heads[] = {
    {WEIR_E_METHOD, "GE T", "x", "y"},
    {WEIR_E_FIELD_NAME, "GET", "a b", "y"},
    {WEIR_E_FIELD_VALUE, "GET", "x", "a\r\nb: c"},
    {WEIR_E_FIELD_FORBIDDEN, "GET", "Transfer-Encoding", "chunked"},
    {WEIR_E_FIELD_LENGTH, "GET", "Content-Length", "5"},
    {WEIR_E_FIELD_HOST, "GET", "Host", "elsewhere.test"},
    {WEIR_E_UNSUPPORTED, "CONNECT", "x", "y"},
};

static void heads_are_refused(weir_world *world)
{
    for (size_t i = 0; i < sizeof(bad_heads) / sizeof(bad_heads[0]); i++) {
        const weir_field field = {weir_span_of(bad_heads[i].name), weir_span_of(bad_heads[i].value),
                                  0};
        weir_ask ask = weir_world_ask(world, "/");
        ask.request.method = weir_span_of(bad_heads[i].method);
        ask.request.fields = &field;
        ask.request.field_count = 1;
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, bad_heads[i].status);
        assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    }
    weir_counts counts;
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, 0);
}

static void head_too_large(weir_world *world)
{
    const size_t octets = 4 << 20;
    uint8_t *value = malloc(octets);
    weir_ask ask = weir_world_ask(world, "/headers");

    assert_non_null(value);
    memset(value, 'v', octets);
    const weir_field field = {WEIR_SPAN("x"), {value, octets}, 0};
    ask.request.fields = &field;
    ask.request.field_count = 1;
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_HEAD_LARGE);
    free(value);
}

/* Refused with WEIR_E_INVALID, and the failure names the record. */
static void assert_names(weir_world *world, const weir_ask *ask, const char *record)
{
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, ask, &exchange), WEIR_E_INVALID);
    assert_non_null(exchange);
    const weir_failure failure = weir_exchange_failure(exchange);
    assert_int_equal(failure.status, WEIR_E_INVALID);
    assert_int_equal(failure.phase, WEIR_PHASE_SUBMIT);
    assert_non_null(failure.what);
    assert_non_null(strstr(failure.what, record));
    weir_world_drop(world, exchange);
}

static weir_status read_nothing(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    (void)to, (void)room, (void)offset, (void)user;
    *octets = 0;
    return WEIR_END;
}

/* Of a record that is none, nothing is called. */
static void tell_nobody(const weir_event *event, void *user)
{
    (void)event, (void)user;
    fail();
}

static void records_that_are_none(weir_world *world)
{
    const weir_ask good = weir_world_ask(world, "/sink");
    weir_source source = WEIR_SOURCE_INIT;
    weir_ask ask = good;

    ask.request.size = 0;
    assert_names(world, &ask, "weir_request");
    ask = good;
    ask.call.size = sizeof(size_t) - 1;
    ask.call.observer = NULL; /* nothing of it is read */
    assert_names(world, &ask, "weir_call");
    ask = good;
    ask.call.observer = &(weir_observer){.tell = tell_nobody};
    assert_names(world, &ask, "weir_observer has no size");
    ask.call.observer =
        &(weir_observer){.size = offsetof(weir_observer, tell), .tell = tell_nobody};
    assert_names(world, &ask, "weir_observer has no tell");
    ask.call.observer = &(weir_observer)WEIR_OBSERVER_INIT;
    assert_names(world, &ask, "weir_observer has no tell");
    ask = good;
    ask.request.body.kind = (weir_body_kind)77;
    assert_names(world, &ask, "body.kind");
    ask.request.body.kind = WEIR_BODY_SOURCE;
    assert_names(world, &ask, "no source");
    ask.request.body.source = &source;
    assert_names(world, &ask, "no read");
    source.read = read_nothing;
    source.size = 0;
    assert_names(world, &ask, "weir_source");
    source.size = sizeof(source);
    ask.request.method = WEIR_SPAN("POST");
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_OK);
}

/* The first number behind those that there are, one far off, and one below them. */
static void choices_that_are_none(weir_world *world)
{
    static const int beyond[] = {0, 90, -9};
    const weir_ask good = weir_world_ask(world, "/octets/1");

    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        weir_ask ask = good;
        ask.call.pin = (weir_protocol)(WEIR_H2 + 1 + beyond[i]);
        assert_names(world, &ask, "call.pin is none of weir_protocol");
        ask = good;
        ask.call.hint = (weir_hint)(WEIR_HINT_DUPLEX + 1 + beyond[i]);
        assert_names(world, &ask, "call.hint is none of weir_hint");
        ask = good;
        ask.call.replay = (weir_replay_policy)(WEIR_REPLAY_NEVER + 1 + beyond[i]);
        assert_names(world, &ask, "call.replay is none of weir_replay_policy");
    }
    assert_int_equal(weir_world_fetch(world, &good).ended, WEIR_END);
}

static const struct {
    const char *host;
    const char *said;
} no_hosts[] = {
    {"a b", "call.connect_to is no host"},
    {"a..test", "call.connect_to is no host"},
    {".", "call.connect_to is no host"},
    {"http://a.test/", "call.connect_to has a colon"},
    {"127.0.0.1:80", "call.connect_to has a colon"},
    {"b\xc3\xbc.test", "call.connect_to is no host"},
    {"user@a.test", "call.connect_to is no host"},
    {"a.test%eth0", "call.connect_to is no host"},
    {"127.1", "call.connect_to is no IPv4 address"},
    {"0x7f000001", "call.connect_to is no IPv4 address"},
    {"256.0.0.1", "call.connect_to is no IPv4 address"},
    {"[::1]", "call.connect_to has brackets"},
    {"::1::", "call.connect_to is no IPv6 address"},
    {"1:2:3", "call.connect_to is no IPv6 address"},
    {"fe80::1%", "call.connect_to has a zone"},
    {"fe80::1%a/b", "call.connect_to has a zone"},
    {"fe80::1%sixteen.octets..", "call.connect_to has a zone"},
};

/* Nothing is looked up and nothing dialled for what can be no host. */
static void hosts_that_are_none(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/1");
    char name[1000];

    for (size_t i = 0; i < WEIR_COUNT_OF(no_hosts); i++) {
        ask.call.connect_to = weir_span_of(no_hosts[i].host);
        assert_names(world, &ask, no_hosts[i].said);
    }
    ask.call.connect_to = (weir_span){(const uint8_t *)"a.test\0.test", 12};
    assert_names(world, &ask, "call.connect_to is no host");
    memset(name, 'a', sizeof(name));
    ask.call.connect_to = (weir_span){(const uint8_t *)name, sizeof(name)};
    assert_names(world, &ask, "call.connect_to is no host");
    ask.call.connect_to = WEIR_SPAN("");
    ask.call.connect_port = 1; /* nobody there: that the URL's was dialled would be no answer */
    assert_names(world, &ask, "call.connect_port is given without connect_to");
    ask.call.connect_port = 0;
    assert_int_equal(weir_world_counts(world).dials, 0);
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static void wrong_state(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_user *user = weir_world_user(world);
    weir_exchange *exchange = NULL;
    size_t octets = 0;
    uint8_t room[1];

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_user_write(user, exchange, WEIR_SPAN("x"), &octets), WEIR_E_STATE);
    assert_int_equal(weir_user_finish(user, exchange, NULL, 0), WEIR_E_STATE);
    assert_int_equal(weir_user_read(user, exchange, room, 0, &octets), WEIR_E_INVALID);
    weir_world_drop(world, exchange);
}

static void assert_is_ended(weir_world *world, weir_exchange *exchange)
{
    weir_user *user = weir_world_user(world);
    size_t taken = 1;

    assert_int_equal(weir_user_write(user, exchange, WEIR_SPAN("x"), &taken), WEIR_E_STATE);
    assert_int_equal(taken, 0);
    assert_int_equal(weir_user_finish(user, exchange, NULL, 0), WEIR_E_STATE);
}

/* It stays so when the answer has come, when it was read, and when the exchange was cancelled. */
static void stream_that_was_ended(weir_world *world)
{
    weir_user *user = weir_world_user(world);

    for (int cancelled = 0; cancelled < 2; cancelled++) {
        weir_ask ask = weir_world_ask(world, cancelled == 0 ? "/sink" : "/hang");
        weir_fetched fetched = {0};
        weir_exchange *exchange = NULL;
        size_t taken = 0;

        ask.request.method = WEIR_SPAN("POST");
        ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
        assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
        assert_int_equal(weir_user_write(user, exchange, WEIR_SPAN("abc"), &taken), WEIR_OK);
        assert_int_equal(weir_user_finish(user, exchange, NULL, 0), WEIR_OK);
        assert_is_ended(world, exchange);
        if (cancelled == 0) {
            assert_int_equal(weir_user_response(user, exchange), WEIR_OK);
            assert_is_ended(world, exchange);
        } else {
            weir_cancel(exchange);
            assert_int_equal(weir_user_response(user, exchange), WEIR_E_CANCELLED);
        }
        weir_world_drain(world, exchange, &fetched);
        assert_int_equal(fetched.ended, cancelled == 0 ? WEIR_END : WEIR_E_CANCELLED);
        assert_true(weir_exchange_is_done(exchange));
        assert_is_ended(world, exchange);
        weir_world_drop(world, exchange);
    }
}

static void trailers_that_may_not_be(weir_world *world)
{
    const weir_field fields[] = {{WEIR_SPAN("x-sum"), WEIR_SPAN("7"), 0},
                                 {WEIR_SPAN("content-length"), WEIR_SPAN("5"), 0}};
    weir_ask ask = weir_world_ask(world, "/sink");
    weir_upload upload = {.kind = WEIR_BODY_SPAN, .octets = 5};

    upload.trailers = fields;
    upload.trailer_count = 2;
    assert_int_equal(weir_upload_all(world, &ask, &upload).called, WEIR_E_TRAILER);
    ask = weir_world_ask(world, "/sink");
    upload = (weir_upload){.kind = WEIR_BODY_STREAM, .octets = 5};
    upload.trailers = fields;
    upload.trailer_count = 2;
    weir_uploading uploading;
    assert_int_equal(weir_upload_begin(world, &ask, &upload, &uploading), WEIR_OK);
    assert_int_equal(upload.wrote, WEIR_E_TRAILER);
    const weir_failure refusal = weir_exchange_failure(uploading.exchange);
    assert_int_equal(refusal.status, WEIR_E_TRAILER);
    assert_int_equal(refusal.offset, 1); /* the second field */
    assert_string_equal(refusal.what, "the field must be known before the content");
    assert_false(weir_exchange_is_done(uploading.exchange));
    /* The mistake cost nothing: the body can still be ended well. */
    assert_int_equal(weir_user_finish(weir_world_user(world), uploading.exchange, NULL, 0),
                     WEIR_OK);
    assert_int_equal(weir_exchange_failure(uploading.exchange).status, WEIR_OK);
    weir_fetched fetched = {0};
    weir_world_drain(world, uploading.exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_upload_end(world, &uploading);
}

/* A stream that was declared with 10 octets and is given fewer, then more. */
static void stream_of_another_length(weir_world *world)
{
    static const size_t given[] = {4, 20};
    static const weir_status statuses[] = {WEIR_E_BODY_SHORT, WEIR_E_BODY_LONG};

    for (size_t i = 0; i < 2; i++) {
        weir_ask ask = weir_world_ask(world, "/sink");
        weir_exchange *exchange = NULL;
        size_t taken = 0;
        uint8_t octets[20];
        weir_pattern_fill(octets, 0, sizeof(octets));
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = 10};
        assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
        weir_status status = weir_user_write(weir_world_user(world), exchange,
                                             (weir_span){octets, given[i]}, &taken);
        if (status == WEIR_OK) {
            status = weir_user_finish(weir_world_user(world), exchange, NULL, 0);
        }
        assert_int_equal(status, statuses[i]);
        weir_world_drop(world, exchange);
    }
}

typedef struct bad_source {
    weir_status says;
    size_t octets;
    uint64_t declared;
    weir_status status; /* what the exchange ends with */
} bad_source;

static const bad_source bad_sources[] = {
    {WEIR_E_BODY_SOURCE, 0, WEIR_UNKNOWN, WEIR_E_BODY_SOURCE},
    {WEIR_E_RESET, 0, WEIR_UNKNOWN, WEIR_E_BODY_SOURCE}, /* any failure it answers with */
    {WEIR_OK, 0, WEIR_UNKNOWN, WEIR_E_BODY_SOURCE},      /* OK without an octet is none */
    {WEIR_END, 4, 10, WEIR_E_BODY_SHORT},
    {WEIR_END, 20, 10, WEIR_E_BODY_LONG},
};

static weir_status read_badly(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    const bad_source *bad = user;

    (void)offset;
    assert_true(room >= bad->octets);
    memset(to, 'x', bad->octets);
    *octets = bad->octets;
    return bad->says;
}

static void sources_that_fail(weir_world *world)
{
    for (size_t i = 0; i < sizeof(bad_sources) / sizeof(bad_sources[0]); i++) {
        bad_source bad = bad_sources[i];
        const weir_source source = {sizeof(source), &bad, read_badly, NULL};
        weir_ask ask = weir_world_ask(world, "/sink");
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body =
            (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = bad.declared};
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, bad.status);
    }
    weir_ask ask = weir_world_ask(world, "/octets/1");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* Loops only: the loop goes before the exchange does. */
static void loop_is_closed(weir_world *world)
{
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_ask ask = weir_world_ask(world, "/octets/5");
    weir_exchange *done = NULL;
    weir_exchange *under_way = NULL;
    uint8_t room[8];
    size_t octets = 0;

    ask.call.observer = NULL;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &done), WEIR_OK);
    while (!weir_exchange_is_done(done)) {
        weir_loop_event events[4];
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        (void)weir_loop_turn(loop, events, 4);
    }
    ask = weir_world_ask(world, "/hang");
    ask.call.observer = NULL;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &under_way), WEIR_OK);
    weir_world_close(world);
    assert_int_equal(weir_exchange_code(done), 200);
    assert_int_equal(weir_read(done, room, sizeof(room), &octets), WEIR_OK);
    assert_int_equal(octets, 5);
    assert_int_equal(weir_read(done, room, sizeof(room), &octets), WEIR_END);
    assert_true(weir_exchange_is_done(under_way));
    assert_int_equal(weir_response(under_way), WEIR_E_CLOSED);
    weir_user_note(weir_exchange_failure(under_way).status);
    weir_cancel(under_way);
    weir_exchange_free(done);
    weir_exchange_free(under_way);
}

static const weir_behaviour behaviours[] = {
    {"a URL that is none is refused with what is wrong and where", urls_are_refused, 0, NULL},
    {"a URL that is too long is refused", url_too_long, 0, NULL},
    {"a head that may not be sent is refused before anything is", heads_are_refused, 0, NULL},
    {"a head that is too large is refused", head_too_large, 0, NULL},
    {"records that are none are refused", records_that_are_none, 0, NULL},
    {"choices that are none are refused", choices_that_are_none, 0, NULL},
    {"a connect_to that is no host is refused, and the failure says what it is",
     hosts_that_are_none, 0, NULL},
    {"what is not allowed in this state is refused and changes nothing", wrong_state, 0, NULL},
    {"a stream that was ended takes no more, whatever came of it", stream_that_was_ended, 0, NULL},
    {"trailers that may not be are refused", trailers_that_may_not_be, 0, NULL},
    {"a stream of another length than declared is refused", stream_of_another_length, 0, NULL},
    {"a source that fails ends its exchange alone", sources_that_fail, 0, NULL},
    {"exchanges outlive their loop and can be read", loop_is_closed, WEIR_ONLY_LOOP, NULL},
};

weir_failures weir_failures_of_callers(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
