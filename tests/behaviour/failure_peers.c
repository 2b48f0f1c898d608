/* SPDX-License-Identifier: MIT */
/*
 * What a peer does wrong ends the call with a status that says what it was, and with it no other:
 * the next call, over another connection if need be, is answered.
 *
 * The origin plays a script's octets for an answer (/raw), or does on one path what no server
 * should.
 */
#include "failures.h"
#include "support/asleep.h"
#include "support/kernel.h"
#include "support/peer.h"
#include "support/scold_way.h"
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Octets that the origin sends for an answer; on HTTP/2 our stream replaces stream 2^31-1 in frame
 * heads. */
typedef struct script {
    weir_status status;
    const char *then;
    const char *octets;
    size_t length;
} script;
#define OCTETS(literal) (literal), sizeof(literal) - 1
#define OURS            "\x7f\xff\xff\xff"

static const script h1_scripts[] = {
    {WEIR_E_H1_SYNTAX, "keep", OCTETS("HTTP/1.1 200 OK\r\nbad field\r\n\r\n")},
    {WEIR_E_H1_SYNTAX, "keep", OCTETS("HTTP/1.1 200 OK\nbare: lf\n\n")},
    {WEIR_E_H1_VERSION, "keep", OCTETS("HTTP/2.0 200 OK\r\n\r\n")},
    {WEIR_E_H1_LENGTH, "keep",
     OCTETS("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx")},
    {WEIR_E_H1_CODING, "keep",
     OCTETS("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")},
    {WEIR_E_H1_CHUNK, "keep",
     OCTETS("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")},
    {WEIR_E_TRUNCATED, "fin", OCTETS("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")},
    {WEIR_E_TRUNCATED, "fin", OCTETS("HTTP/1.1 200 OK\r\nContent-Le")},
    {WEIR_E_CLOSED_EARLY, "fin", OCTETS("")},
};

static const script h2_scripts[] = {
    {WEIR_E_H2_PROTOCOL, "keep", OCTETS("\0\0\1\0\0\0\0\0\0x")},
    {WEIR_E_H2_MESSAGE, "keep", OCTETS("\0\0\5\1\5" OURS "\0\1x\1y")},
    {WEIR_E_H2_COMPRESSION, "keep", OCTETS("\0\0\1\1\5" OURS "\x80")},
    {WEIR_E_H2_FLOW_CONTROL, "keep", OCTETS("\0\0\4\x8\0\0\0\0\0\x7f\xff\xff\xff")},
    {WEIR_E_H2_FRAME, "keep", OCTETS("\0\0\7\6\0\0\0\0\0abcdefg")},
    {WEIR_E_H2_CLOSED, "fin", OCTETS("\0\0\x8\7\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\2")},
    {WEIR_E_TRUNCATED, "fin", OCTETS("\0\0\1\1\4" OURS "\x88")},
    {WEIR_E_CLOSED_EARLY, "fin", OCTETS("")},
};

static void assert_works_again(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/100");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 100);
}

static void scripts(weir_world *world)
{
    const bool h1 = world->way.protocol == WEIR_H1;
    const script *all = h1 ? h1_scripts : h2_scripts;
    const size_t count =
        h1 ? sizeof(h1_scripts) / sizeof(script) : sizeof(h2_scripts) / sizeof(script);

    for (size_t i = 0; i < count; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/raw?stream=1&then=%s", all[i].then);
        weir_ask ask = weir_world_ask(world, path);
        ask.request.method = WEIR_SPAN("POST");
        ask.request.body = (weir_body){.kind = WEIR_BODY_SPAN,
                                       .span = {(const uint8_t *)all[i].octets, all[i].length}};
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        if (fetched.ended != all[i].status) {
            fail_msg("script %zu ended with %s, not %s", i, weir_status_name(fetched.ended),
                     weir_status_name(all[i].status));
        }
        assert_int_equal(fetched.failure.processed, WEIR_MAYBE_PROCESSED);
        assert_works_again(world);
    }
}

/* A path that goes wrong by itself. */
typedef struct bad_path {
    weir_status status;
    const char *path;
    bool tls_alone;
} bad_path;

static const bad_path h1_paths[] = {
    {WEIR_E_TRUNCATED, "/half/1000", false},
    {WEIR_E_TRUNCATED, "/half/1000?chunked=1", false},
    {WEIR_E_RESET, "/reset?after=500", false},
    {WEIR_E_RESET, "/reset", false},
    {WEIR_E_UNFRAMED, "/close/1000?truncate=1", true},
    {WEIR_E_H1_UPGRADE, "/upgrade?force=1", false},
    {WEIR_E_LIMIT_HEAD, "/big-head?fields=10&octets=10000", false},
    {WEIR_E_LIMIT_FIELDS, "/big-head?fields=2000&octets=1", false},
    {WEIR_E_LIMIT_INFORMATIONAL, "/hints?n=1000", false},
    {WEIR_E_LIMIT_CHUNK, "/chunked/50000?piece=1&ext=10", false},
};

static const bad_path h2_paths[] = {
    {WEIR_E_H2_LENGTH, "/half/1000", false},
    {WEIR_E_H2_RESET, "/reset?after=500&code=2", false},
    {WEIR_E_RESET, "/reset?after=500&tcp=1", false},
    {WEIR_E_H2_RESET, "/reset", false},
    {WEIR_E_RESET, "/reset?tcp=1", false},
    {WEIR_E_LIMIT_HEAD, "/big-head?fields=10&octets=10000", false},
    {WEIR_E_LIMIT_FIELDS, "/big-head?fields=2000&octets=1", false},
    {WEIR_E_LIMIT_INFORMATIONAL, "/hints?n=1000", false},
    {WEIR_E_LIMIT_FLOOD, "/ping?n=9000", false},
    {WEIR_E_REFUSED, "/refuse?times=1000&id=paths", false},
    {WEIR_E_H2_GOAWAY, "/goaway?last=0", false},
};

static void paths(weir_world *world)
{
    const bool h1 = world->way.protocol == WEIR_H1;
    const bad_path *all = h1 ? h1_paths : h2_paths;
    const size_t count =
        h1 ? sizeof(h1_paths) / sizeof(bad_path) : sizeof(h2_paths) / sizeof(bad_path);

    for (size_t i = 0; i < count; i++) {
        if (all[i].tls_alone && !world->way.tls) {
            continue;
        }
        weir_ask ask = weir_world_ask(world, all[i].path);
        ask.call.attempts = 1;
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        if (fetched.ended != all[i].status) {
            fail_msg("%s ended with %s, not %s", all[i].path, weir_status_name(fetched.ended),
                     weir_status_name(all[i].status));
        }
        assert_works_again(world);
    }
}

/* Of a content that is cut short what came is delivered, and then the failure, not before. */
static void prefix_is_delivered(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/half/200000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended,
                     world->way.protocol == WEIR_H1 ? WEIR_E_TRUNCATED : WEIR_E_H2_LENGTH);
    assert_int_equal(fetched.octets, 100000);
    assert_true(fetched.is_pattern);
}

/* What is told of a code: who said it, and which. */
static void codes_are_told(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/reset?after=1&code=11");
    weir_fetched fetched = weir_world_fetch(world, &ask);

    assert_int_equal(fetched.ended, WEIR_E_H2_RESET);
    assert_true(fetched.failure.has_h2_code);
    assert_false(fetched.failure.local_h2_code);
    assert_int_equal(fetched.failure.h2_code, 11);
    ask = weir_world_ask(world, "/reset?after=1&tcp=1");
    fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_E_RESET);
    assert_int_not_equal(fetched.failure.sys_errno, 0);
}

static weir_ask ask_of(weir_world *world, const weir_peer *peer)
{
    return weir_world_ask_at(world, "/", weir_peer_port(peer));
}

/* A server that speaks HTTP/1.1 to who knows that it speaks HTTP/2. */
static void other_protocol(weir_world *world)
{
    static const weir_peer_turn says[] = {
        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_HOLD, 1}};
    const weir_peer_turn *const all[] = {says, says, says};
    weir_peer *peer = weir_peer_start(all, 3);
    const weir_ask ask = ask_of(world, peer);

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_E_H2_PREFACE);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/*
 * A server that answers before it was asked. Who sent first cannot tell; who finds it before
 * nothing was sent, says so. Neither waits for more.
 */
static void answer_before_the_request(weir_world *world)
{
    static const weir_peer_turn says[] = {
        {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_HOLD, 1}};
    const weir_peer_turn *const all[] = {says, says, says, says, says, says};
    weir_peer *peer = weir_peer_start(all, 6);

    for (int i = 0; i < 6; i++) {
        weir_ask ask = ask_of(world, peer);
        ask.call.attempts = 1;
        ask.call.first_octet_ns = 5 * WEIR_NS_PER_SECOND;
        const weir_status ended = weir_world_fetch(world, &ask).ended;
        assert_true(ended == WEIR_END || ended == WEIR_E_H1_UNSOLICITED);
    }
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* The same where it is certain: the octets are there before the loop looks at its connection for
 * the first time. */
static void answer_before_the_loop(weir_world *world)
{
    static const weir_peer_turn says[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_HOLD, 1}};
    const weir_peer_turn *const all[] = {says};
    weir_peer *peer = weir_peer_start(all, 1);
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_ask ask = ask_of(world, peer);
    weir_exchange *exchange = NULL;
    weir_loop_event events[4];

    ask.call.attempts = 1;
    world->begun++;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
    assert_int_equal(weir_loop_turn(loop, events, 4), 0);
    weir_peer_await_said(peer, 1);
    while (!weir_exchange_is_done(exchange)) {
        weir_loop_wait(loop, weir_now() + 10 * WEIR_NS_PER_SECOND);
        (void)weir_loop_turn(loop, events, 4);
    }
    const weir_failure failure = weir_exchange_failure(exchange);
    weir_user_note(failure.status);
    assert_int_equal(failure.status, WEIR_E_H1_UNSOLICITED);
    assert_int_equal(failure.processed, WEIR_NOT_SENT);
    weir_exchange_free(exchange);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* Who writes on is told that the answer is there, and reads it. */
static void answer_before_the_end(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/early/413");
    weir_upload upload = {.kind = WEIR_BODY_STREAM, .octets = UINT64_C(1) << 30, .counted = true};
    weir_uploading uploading;
    weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(upload.wrote, WEIR_ANSWERED);
    weir_world_drain(world, uploading.exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 413);
    assert_string_equal(fetched.text, "early 413\n");
    weir_upload_end(world, &uploading);
    assert_works_again(world);
}

/* The limits are the client's, and both ways of saying the same stay within them. */
static void just_within_the_limits(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/big-head?fields=6&octets=10000");
    weir_exchange *exchange = NULL;
    weir_span value = {NULL, 0};
    weir_field field;
    size_t large = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_true(weir_exchange_field(exchange, "X-Big-5", 0, &value));
    assert_int_equal(value.length, 10000);
    const size_t count = weir_exchange_field_count(exchange);
    for (size_t i = 0; i < count; i++) {
        assert_true(weir_exchange_field_at(exchange, i, &field));
        large += field.value.length == 10000 ? 1 : 0;
    }
    assert_int_equal(large, 6);
    assert_false(weir_exchange_field_at(exchange, count, &field));
    weir_world_drop(world, exchange);
}

static void head_limit_is_kept(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/big-head?fields=10&octets=100");

    world->limits.head_octets = 512;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_E_LIMIT_HEAD);
    ask = weir_world_ask(world, "/octets/10");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* Takes what comes, and has nothing to say to it. When the client waits, time passes. */
static void never_acknowledge(weir_scold_line *line, void *user)
{
    static const uint8_t settings[] = {0, 0, 0, 4, 0, 0, 0, 0, 0};
    uint8_t room[4096];

    weir_scold_write(line, settings, sizeof(settings));
    /* The client's acknowledgement says that it is past its handshake. */
    for (size_t got = 0; memmem(room, got, "\0\0\0\4\1\0\0\0\0", 9) == NULL;) {
        const size_t step = weir_scold_read(line, room + got, sizeof(room) - got);
        if (step == 0) {
            return;
        }
        got += step;
    }
    weir_await_asleep(*(const pid_t *)user, 3 * WEIR_NS_PER_MS);
    weir_kernel_leap(9 * WEIR_NS_PER_SECOND);
    weir_await_asleep(*(const pid_t *)user, 3 * WEIR_NS_PER_MS);
    weir_kernel_leap(2 * WEIR_NS_PER_SECOND);
}

/* Ten seconds are what a server has. */
static void settings_are_not_acknowledged(weir_world *world)
{
    static const uint8_t goaway[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4};
    pid_t caller = gettid();
    weir_scold *server = weir_scold_way_start(world, never_acknowledge, &caller);
    weir_ask ask = weir_scold_way_ask(world, server);
    ask.call.attempts = 1;
    const weir_time began_ns = weir_now();
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_E_H2_SETTINGS);
    assert_int_equal(fetched.failure.processed, WEIR_MAYBE_PROCESSED);
    const weir_event *done = weir_world_event(world, WEIR_EVENT_DONE, 0);
    assert_in_range(done->at_ns - began_ns, 10 * WEIR_NS_PER_SECOND, 20 * WEIR_NS_PER_SECOND);
    const weir_scold_heard heard = weir_scold_way_end(world, server, 1);
    assert_int_equal(heard.octets, sizeof(goaway));
    assert_memory_equal(heard.first, goaway, sizeof(goaway)); /* SETTINGS_TIMEOUT */
}

/* A peer that went silent is found out sooner than by the call's own limits. */
static void ping_is_not_answered(weir_world *world)
{
    static const weir_peer_turn says[] = {{NULL, WEIR_PEER_HOLD, 1}};
    const weir_peer_turn *const all[] = {says};
    weir_peer *peer = weir_peer_start(all, 1);
    weir_ask ask = ask_of(world, peer);

    world->limits.ping_ns = 20 * WEIR_NS_PER_MS;
    world->limits.ping_timeout_ns = 20 * WEIR_NS_PER_MS;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_E_H2_PING);
    assert_int_equal(fetched.failure.processed, WEIR_MAYBE_PROCESSED);
    weir_world_close(world);
    assert_string_equal(weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0)->why,
                        "WEIR_E_H2_PING");
    weir_peer_stop(peer);
}

static weir_status give_one(void *to, size_t room, uint64_t offset, size_t *octets, void *user)
{
    (void)user;
    assert_true(room > 0);
    *octets = offset == 0 ? 1 : 0;
    memset(to, 'x', *octets);
    return WEIR_END;
}

static bool refuse_to_rewind(void *user)
{
    (void)user;
    return false;
}

/* Asked for elsewhere because it could be, until its source said no: the first answer is gone. */
static void misdirected_without_rewind(weir_world *world)
{
    const weir_source source = {sizeof(source), NULL, give_one, refuse_to_rewind};
    weir_ask ask = weir_world_ask(world, "/octets/1");

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    ask = weir_world_ask(world, "/status/421");
    ask.request.method = WEIR_SPAN("POST");
    ask.request.body = (weir_body){.kind = WEIR_BODY_SOURCE, .source = &source, .length_octets = 1};
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_E_MISDIRECTED);
    assert_int_equal(fetched.failure.processed, WEIR_REFUSED_BY_PEER);
    assert_int_equal(fetched.ended, WEIR_E_MISDIRECTED);
    assert_int_equal(fetched.octets, 0);
    assert_works_again(world);
}

static const weir_behaviour behaviours[] = {
    {"malformed answers end with what is wrong in them", scripts, 0, NULL},
    {"answers that go wrong end with how", paths, 0, NULL},
    {"of a content that is cut short what came is delivered", prefix_is_delivered, 0, NULL},
    {"codes and errno are told with the failure", codes_are_told, WEIR_ONLY_H2, NULL},
    {"a peer of another protocol is recognised", other_protocol, WEIR_ONLY_H2 | WEIR_ONLY_CLEAR,
     NULL},
    {"an answer before the request is not waited behind", answer_before_the_request,
     WEIR_ONLY_H1 | WEIR_ONLY_CLEAR, NULL},
    {"an answer that was there first is unsolicited", answer_before_the_loop,
     WEIR_ONLY_H1 | WEIR_ONLY_CLEAR | WEIR_ONLY_LOOP, NULL},
    {"an answer before the end of a stream is told to who writes", answer_before_the_end, 0, NULL},
    {"a large head within the limits is read", just_within_the_limits, 0, NULL},
    {"a smaller limit of heads is kept", head_limit_is_kept, 0, NULL},
    {"SETTINGS that are not acknowledged end the connection", settings_are_not_acknowledged,
     WEIR_ONLY_H2, NULL},
    {"421 and a source that does not rewind", misdirected_without_rewind, 0, NULL},
    {"PING that is not answered ends the connection", ping_is_not_answered,
     WEIR_ONLY_H2 | WEIR_ONLY_CLEAR, NULL},
};

weir_failures weir_failures_of_peers(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
