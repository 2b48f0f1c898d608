/* SPDX-License-Identifier: MIT */
/* Contents and trailers in both directions, answers without content, 1xx, and the wait for 100. */
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t lengths[] = {0, 1, 16384, 70001, 1500000};

static void assert_whole(const weir_fetched *fetched, uint64_t octets)
{
    assert_int_equal(fetched->called, WEIR_OK);
    assert_int_equal(fetched->ended, WEIR_END);
    assert_int_equal(fetched->code, 200);
    assert_int_equal(fetched->octets, octets);
    assert_true(fetched->is_pattern);
}

static void get_each_length(weir_world *world, const char *name)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(lengths); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/%s/%llu", name, (unsigned long long)lengths[i]);
        weir_ask ask = weir_world_ask(world, path);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_whole(&fetched, lengths[i]);
    }
}

static void counted_down(weir_world *world)
{
    get_each_length(world, "octets");
}

static void chunked_down(weir_world *world)
{
    get_each_length(world, "chunked");
}

static void small_pieces_down(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/chunked/3000?piece=50&ext=20");
    weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_whole(&fetched, 3000);
    ask = weir_world_ask(world, "/octets/3000?piece=7&pad=100");
    fetched = weir_world_fetch(world, &ask);
    assert_whole(&fetched, 3000);
}

static void until_close_down(weir_world *world)
{
    get_each_length(world, "close");
}

/* What the sink says of an upload. */
static void assert_sunk(const weir_fetched *fetched, uint64_t octets)
{
    char wanted[128];
    char sum[17];

    weir_pattern_sum(octets, sum);
    (void)snprintf(wanted, sizeof(wanted), "{\"octets\":%llu,\"sum\":\"%s\"",
                   (unsigned long long)octets, sum);
    assert_int_equal(fetched->called, WEIR_OK);
    assert_int_equal(fetched->ended, WEIR_END);
    assert_int_equal(fetched->code, 200);
    assert_memory_equal(fetched->text, wanted, strlen(wanted));
}

static void upload_each_length(weir_world *world, weir_body_kind kind, bool counted, size_t piece)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(lengths); i++) {
        weir_ask ask = weir_world_ask(world, "/sink");
        weir_upload upload = {
            .kind = kind, .octets = lengths[i], .counted = counted, .piece = piece};
        const weir_fetched fetched = weir_upload_all(world, &ask, &upload);
        assert_sunk(&fetched, lengths[i]);
        assert_int_equal(upload.wrote, WEIR_OK);
    }
}

static void span_up(weir_world *world)
{
    upload_each_length(world, WEIR_BODY_SPAN, true, 0);
}

static void counted_source_up(weir_world *world)
{
    upload_each_length(world, WEIR_BODY_SOURCE, true, 4000);
}

static void unknown_source_up(weir_world *world)
{
    upload_each_length(world, WEIR_BODY_SOURCE, false, 16384);
}

static void counted_stream_up(weir_world *world)
{
    upload_each_length(world, WEIR_BODY_STREAM, true, 16384);
}

static void unknown_stream_up(weir_world *world)
{
    upload_each_length(world, WEIR_BODY_STREAM, false, 100000);
}

static void one_octet_writes_up(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/sink");
    weir_upload upload = {.kind = WEIR_BODY_STREAM, .octets = 300, .piece = 1};
    const weir_fetched fetched = weir_upload_all(world, &ask, &upload);

    assert_sunk(&fetched, 300);
    assert_int_equal(upload.wrote, WEIR_OK);
}

/* The echo answers while it is written to: neither direction may wait for the end of the other. */
static void echo_both_ways(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/echo");
    weir_exchange *exchange = NULL;
    weir_user *user = weir_world_user(world);
    uint8_t octets[5000];
    uint8_t back[5000];

    weir_pattern_fill(octets, 0, sizeof(octets));
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_STREAM, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    for (int round = 0; round < 10; round++) {
        size_t taken = 0;
        size_t seen = 0;
        assert_int_equal(
            weir_user_write(user, exchange, (weir_span){octets, sizeof(octets)}, &taken), WEIR_OK);
        assert_int_equal(taken, sizeof(octets));
        while (seen < sizeof(octets)) {
            size_t got = 0;
            assert_int_equal(weir_user_read(user, exchange, back + seen, sizeof(back) - seen, &got),
                             WEIR_OK);
            seen += got;
        }
        assert_memory_equal(back, octets, sizeof(octets));
    }
    assert_int_equal(weir_user_finish(user, exchange, NULL, 0), WEIR_OK);
    size_t got = 0;
    assert_int_equal(weir_user_read(user, exchange, back, sizeof(back), &got), WEIR_END);
    weir_world_drop(world, exchange);
}

static void large_echo(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/echo");
    weir_upload upload = {.kind = WEIR_BODY_SPAN, .octets = 200000};
    const weir_fetched fetched = weir_upload_all(world, &ask, &upload);

    assert_whole(&fetched, 200000);
}

static void trailers_down(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/trailers/50000");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};
    weir_field field;
    char sum[17];

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    fetched.called = WEIR_OK;
    assert_whole(&fetched, 50000);
    weir_pattern_sum(50000, sum);
    assert_int_equal(weir_exchange_trailer_count(exchange), 2);
    assert_true(weir_exchange_trailer_at(exchange, 0, &field));
    assert_int_equal(field.value.length, 16);
    assert_memory_equal(field.value.at, sum, 16);
    assert_true(weir_exchange_trailer_at(exchange, 1, &field));
    assert_int_equal(field.value.length, 5);
    assert_memory_equal(field.value.at, "50000", 5);
    assert_false(weir_exchange_trailer_at(exchange, 2, &field));
    weir_world_drop(world, exchange);
}

static void trailers_both_ways(weir_world *world)
{
    const weir_field two_trailers[] = {
        {WEIR_SPAN("x-first"), WEIR_SPAN("one"), 0},
        {WEIR_SPAN("x-second"), WEIR_SPAN("two"), 0},
    };
    static const weir_body_kind kinds[] = {WEIR_BODY_SPAN, WEIR_BODY_SOURCE, WEIR_BODY_STREAM};

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        weir_ask ask = weir_world_ask(world, "/trailers-echo");
        weir_upload upload = {
            .kind = kinds[i], .octets = 20000, .trailers = two_trailers, .trailer_count = 2};
        weir_uploading uploading;
        weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};
        weir_field field;

        assert_int_equal(fetched.called, WEIR_OK);
        weir_world_drain(world, uploading.exchange, &fetched);
        assert_sunk(&fetched, 20000);
        assert_int_equal(weir_exchange_trailer_count(uploading.exchange), 2);
        for (size_t t = 0; t < 2; t++) {
            assert_true(weir_exchange_trailer_at(uploading.exchange, t, &field));
            assert_int_equal(field.name.length, two_trailers[t].name.length);
            assert_memory_equal(field.name.at, two_trailers[t].name.at, field.name.length);
            assert_int_equal(field.value.length, two_trailers[t].value.length);
            assert_memory_equal(field.value.at, two_trailers[t].value.at, field.value.length);
        }
        weir_upload_end(world, &uploading);
    }
}

static void informational(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/hints?n=3&ms=1");
    weir_exchange *exchange = NULL;
    weir_field field;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_code(exchange), 200);
    assert_int_equal(weir_exchange_informational_count(exchange), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(weir_exchange_informational_code(exchange, i), 103);
        assert_true(weir_exchange_informational_field_at(exchange, i, 0, &field));
    }
    assert_int_equal(weir_exchange_informational_code(exchange, 3), 0);
    weir_fetched fetched = {0};
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_world_drop(world, exchange);
}

static void no_content(weir_world *world)
{
    static const char *const paths[] = {"/status/204", "/status/304?length=1000", "/octets/0",
                                        "/status/204?length=0"};
    static const int codes[] = {204, 304, 200, 204};

    for (size_t i = 0; i < WEIR_COUNT_OF(paths); i++) {
        weir_ask ask = weir_world_ask(world, paths[i]);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.code, codes[i]);
        assert_int_equal(fetched.octets, 0);
    }
}

static void head_answers(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/12345");
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {0};

    ask.request.method = WEIR_SPAN("HEAD");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_length(exchange), 12345);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 0);
    weir_world_drop(world, exchange);
    ask = weir_world_ask(world, "/octets/5");
    fetched = weir_world_fetch(world, &ask);
    assert_whole(&fetched, 5);
}

/* An answer that says nothing of its length is told as such; the declared one is told before the
 * content. */
static void declared_length(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/777");
    weir_exchange *exchange = NULL;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_length(exchange), 777);
    weir_world_drop(world, exchange);
    ask = weir_world_ask(world, "/chunked/777");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_length(exchange), WEIR_UNKNOWN);
    weir_world_drop(world, exchange);
}

/* Sends 30,000 octets behind Expect: 100-continue to the path; how many of them the kernel took, is
 * the answer. */
static weir_fetched expect_as(weir_world *world, const char *path, weir_body_kind kind,
                              weir_hint hint, uint64_t *sent)
{
    weir_ask ask = weir_world_ask(world, path);
    weir_upload upload = {.kind = kind, .octets = 30000, .counted = true};
    weir_uploading uploading;

    ask.call.expect_continue = true;
    ask.call.hint = hint;
    ask.call.continue_ns = 30 * WEIR_NS_PER_MS;
    weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};
    assert_int_equal(fetched.called, WEIR_OK);
    weir_world_drain(world, uploading.exchange, &fetched);
    *sent = weir_exchange_tally(uploading.exchange).body.sent;
    weir_upload_end(world, &uploading);
    return fetched;
}

static weir_fetched expect(weir_world *world, const char *path, weir_body_kind kind, uint64_t *sent)
{
    return expect_as(world, path, kind, WEIR_HINT_NONE, sent);
}

static const weir_body_kind expecting[] = {WEIR_BODY_SPAN, WEIR_BODY_SOURCE, WEIR_BODY_STREAM};

static void assert_each_is_sunk(weir_world *world, const char *path)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(expecting); i++) {
        uint64_t sent = 0;
        const weir_fetched fetched = expect(world, path, expecting[i], &sent);
        assert_sunk(&fetched, 30000);
        assert_int_equal(sent, 30000);
    }
}

static void continue_answered(weir_world *world)
{
    assert_each_is_sunk(world, "/expect?answer=100");
}

static void continue_not_answered(weir_world *world)
{
    assert_each_is_sunk(world, "/expect?answer=none");
}

static void continue_refused(weir_world *world)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(expecting); i++) {
        uint64_t sent = 0;
        const weir_fetched fetched = expect(world, "/expect?answer=417", expecting[i], &sent);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.code, 417);
        assert_string_equal(fetched.text, "final\n");
        assert_int_equal(sent, 0);
    }
}

/* Who asks whether the content is wanted was told that it is not: the hint does not overrule that.
 * The connection, on which the server may wait for it, is not used again. */
static void continue_refused_in_duplex(weir_world *world)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(expecting); i++) {
        uint64_t sent = 0;
        const weir_fetched fetched =
            expect_as(world, "/expect?answer=417&keep=1", expecting[i], WEIR_HINT_DUPLEX, &sent);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.code, 417);
        assert_string_equal(fetched.text, "final\n");
        assert_int_equal(sent, 0);
    }
    const weir_ask ask = weir_world_ask(world, "/octets/5");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_whole(&fetched, 5);
}

static void continue_welcome_in_duplex(weir_world *world)
{
    uint64_t sent = 0;
    const weir_fetched fetched =
        expect_as(world, "/expect?answer=100", WEIR_BODY_STREAM, WEIR_HINT_DUPLEX, &sent);
    assert_sunk(&fetched, 30000);
    assert_int_equal(sent, 30000);
}

static void continue_final_instead(weir_world *world)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(expecting); i++) {
        uint64_t sent = 0;
        const weir_fetched fetched = expect(world, "/expect?answer=200", expecting[i], &sent);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(fetched.code, 200);
        assert_string_equal(fetched.text, "final\n");
    }
}

/* Answers one after the other are each whole: reuse does not mix them. */
static void many_in_a_row(weir_world *world)
{
    for (unsigned i = 0; i < 60; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/%s/%u", i % 2 == 0 ? "octets" : "chunked", i * 37);
        weir_ask ask = weir_world_ask(world, path);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_whole(&fetched, i * 37);
    }
    weir_counts counts;
    weir_user_counts(weir_world_user(world), &counts);
    assert_int_equal(counts.dials, 1);
    assert_int_equal(counts.reuses, 59);
}

/* A source that has nothing now says so, and is asked again when it is resumed: in the middle, at
 * its begin, at its end. */
typedef struct halting {
    uint64_t halts_at;
    bool halted;
    bool resumed;
} halting;

static weir_status read_halting(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    halting *h = user;
    const uint64_t total = 50000;

    if (offset >= h->halts_at && !h->resumed) {
        h->halted = true;
        return WEIR_AGAIN;
    }
    const uint64_t until = h->resumed || h->halts_at == 0 ? total : h->halts_at;
    *octets = until - offset < room ? (size_t)(until - offset) : room;
    weir_pattern_fill(to, offset, *octets);
    return offset + *octets == total && *octets == 0 ? WEIR_END
           : *octets == 0                            ? WEIR_AGAIN
                                                     : WEIR_OK;
}

static void source_resumed(weir_world *world)
{
    static const uint64_t places[] = {0, 1, 16384, 30000, 50000};

    for (size_t i = 0; i < WEIR_COUNT_OF(places); i++) {
        weir_loop *loop = weir_user_loop(weir_world_user(world));
        halting h = {.halts_at = places[i]};
        const weir_source source = {sizeof(source), &h, read_halting, NULL};
        weir_ask ask = weir_world_ask(world, "/sink");
        weir_exchange *exchange = NULL;
        weir_loop_event events[4];
        ask.call.observer = NULL;
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body =
            (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = WEIR_UNKNOWN};
        assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
        while (!weir_exchange_is_done(exchange)) {
            weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
            (void)weir_loop_turn(loop, events, 4);
            if (h.halted && !h.resumed) {
                h.resumed = true;
                weir_resume(exchange);
            }
        }
        assert_true(h.resumed);
        weir_fetched fetched = {.called = WEIR_OK};
        weir_world_drain(world, exchange, &fetched);
        assert_sunk(&fetched, 50000);
        weir_exchange_free(exchange);
    }
}

/* A blocking source waits inside its own read: AGAIN is a mistake there. */
static void blocking_source_halts(weir_world *world)
{
    halting h = {.halts_at = 10};
    const weir_source source = {sizeof(source), &h, read_halting, NULL};
    weir_ask ask = weir_world_ask(world, "/sink");

    ask.request.method = WEIR_SPAN("POST");
    ask.request.body =
        (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = WEIR_UNKNOWN};
    assert_int_equal(weir_world_fetch(world, &ask).called, WEIR_E_BODY_SOURCE);
}

static const weir_behaviour behaviours[] = {
    {"GET answers counted content of every length", counted_down, 0, NULL},
    {"GET answers content of unknown length", chunked_down, 0, NULL},
    {"content in small pieces, with extensions and padding, is whole", small_pieces_down, 0, NULL},
    {"content that ends with the connection is whole", until_close_down, WEIR_ONLY_H1, NULL},
    {"POST of a span of every length arrives", span_up, 0, NULL},
    {"POST of a counted source arrives", counted_source_up, 0, NULL},
    {"POST of a source of unknown length arrives", unknown_source_up, 0, NULL},
    {"POST of a counted stream arrives", counted_stream_up, 0, NULL},
    {"POST of a stream of unknown length arrives", unknown_stream_up, 0, NULL},
    {"a stream written octet by octet arrives", one_octet_writes_up, 0, NULL},
    {"an echo is written and read in turns", echo_both_ways, 0, NULL},
    {"a large span is echoed while it is sent", large_echo, 0, NULL},
    {"trailers of an answer are delivered", trailers_down, 0, NULL},
    {"trailers of a request arrive and come back", trailers_both_ways, 0, NULL},
    {"each 1xx is delivered before the final head", informational, 0, NULL},
    {"204, 304 and an empty 200 have no content", no_content, 0, NULL},
    {"HEAD has a length and no content", head_answers, 0, NULL},
    {"a declared length is told, an undeclared one is not", declared_length, 0, NULL},
    {"the content follows 100", continue_answered, 0, NULL},
    {"the content follows when 100 does not come in time", continue_not_answered, 0, NULL},
    {"417 keeps the content back", continue_refused, 0, NULL},
    {"417 keeps the content back, of a duplex call too", continue_refused_in_duplex, 0, NULL},
    {"the content of a duplex call follows 100", continue_welcome_in_duplex, 0, NULL},
    {"a final answer instead of 100 is read", continue_final_instead, 0, NULL},
    {"a source that halts is resumed", source_resumed, WEIR_ONLY_LOOP, NULL},
    {"a source that halts fails a blocking call", blocking_source_halts, WEIR_ONLY_BLOCKING, NULL},
    {"60 answers in a row use one connection", many_in_a_row, 0, NULL},
};

int main(void)
{
    return weir_world_run("transfer", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
