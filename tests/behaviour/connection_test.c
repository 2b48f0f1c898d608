/* SPDX-License-Identifier: MIT */
/*
 * What becomes of connections between and under calls: reuse, orderly ends, and which calls are
 * sent again when one is lost.
 *
 * Whether a request is sent again is decided from what left the socket: nothing did, or the peer
 * says that it did nothing with it: any method; it may have been acted on: only what is idempotent,
 * and only on a connection that was used before.
 */
#include "support/peer.h"
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define OK_RESPONSE    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define CLOSE_RESPONSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

static const weir_peer_turn answer_forever[] = {{OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                                {OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                                {OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                                {OK_RESPONSE, WEIR_PEER_HOLD, 0}};

static void assert_fetched(const weir_fetched *fetched, int code)
{
    assert_int_equal(fetched->called, WEIR_OK);
    assert_int_equal(fetched->ended, WEIR_END);
    assert_int_equal(fetched->code, code);
}

static weir_fetched get(weir_world *world, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);
    return weir_world_fetch(world, &ask);
}

/* -- reuse and orderly ends -- */

static void is_reused(weir_world *world)
{
    for (int i = 0; i < 5; i++) {
        const weir_fetched fetched = get(world, "/octets/10");
        assert_fetched(&fetched, 200);
    }
    const weir_counts counts = weir_world_counts(world);
    assert_int_equal(counts.dials, 1);
    assert_int_equal(counts.reuses, 4);
    assert_int_equal(counts.connections_idle, 1);
    const weir_event *first = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0);
    const weir_event *second = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 1);
    assert_non_null(first);
    assert_non_null(second);
    assert_false(first->reused);
    assert_true(second->reused);
    assert_int_equal(first->conn, second->conn);
    assert_int_equal(first->protocol, world->way.protocol);
    assert_int_equal(first->host.length, strlen("127.0.0.1"));
    assert_memory_equal(first->host.at, "127.0.0.1", first->host.length);
    assert_int_equal(first->port,
                     world->way.tls ? world->origin->tls_port : world->origin->clear_port);
}

static void last_is_not_reused(weir_world *world)
{
    for (int i = 0; i < 3; i++) {
        const weir_fetched fetched = get(world, "/last");
        assert_fetched(&fetched, 200);
    }
    const weir_counts counts = weir_world_counts(world);
    assert_int_equal(counts.dials, 3);
    assert_int_equal(counts.reuses, 0);
}

/* What an exchange did not read must not meet the next one. */
static void unread_is_not_mixed(weir_world *world)
{
    for (int i = 0; i < 4; i++) {
        weir_ask ask = weir_world_ask(world, "/octets/300000");
        weir_exchange *exchange = NULL;
        assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
        weir_world_drop(world, exchange);
        ask = weir_world_ask(world, "/octets/1000");
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_fetched(&fetched, 200);
        assert_int_equal(fetched.octets, 1000);
        assert_true(fetched.is_pattern);
    }
    if (world->way.protocol == WEIR_H2) {
        assert_int_equal(weir_world_counts(world).dials, 1);
    }
}

/* DATA behind the end of its stream: the stream is gone, the connection goes on. */
static void late_frames_are_late(weir_world *world)
{
    weir_fetched fetched = get(world, "/surplus?octets=20");
    assert_fetched(&fetched, 200);
    fetched = get(world, "/octets/1000");
    assert_fetched(&fetched, 200);
    assert_true(fetched.is_pattern);
}

/* More calls at once than one connection carries: HTTP/1.1 opens more, HTTP/2 shares one. */
typedef struct many {
    weir_world *world;
    weir_status ended[32];
    bool whole[32];
} many;

static void one_of_many(weir_user *user, size_t index, void *shared)
{
    many *all = shared;
    char path[64];

    (void)user;
    (void)snprintf(path, sizeof(path), "/octets/%zu", 20000 + index);
    weir_ask ask = weir_world_ask(all->world, path);
    const weir_fetched fetched = weir_world_fetch(all->world, &ask);
    all->ended[index] = fetched.ended;
    all->whole[index] = fetched.is_pattern && fetched.octets == 20000 + index;
}

static void many_at_once(weir_world *world)
{
    many all = {.world = world};

    world->limits.connections_per_origin = 4;
    world->limits.h2_connections = 1;
    weir_user_together(weir_world_user(world), 32, one_of_many, &all);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
        assert_true(all.whole[i]);
    }
    const weir_counts counts = weir_world_counts(world);
    assert_in_range(counts.dials, 1, world->way.protocol == WEIR_H2 ? 1 : 32);
    assert_int_equal(counts.requests, 32);
}

/* -- sent again, or not -- */

static weir_span peer_url(const weir_peer *peer)
{
    static char url[64];

    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", weir_peer_port(peer));
    return weir_span_of(url);
}

/* The connection's end reaches the client between two calls, or meets its second request: never
 * before the first is over. */
static weir_ask peer_ask(weir_world *world, const weir_peer *peer, const char *method)
{
    weir_ask ask = weir_world_ask(world, "/");

    ask.request.url = peer_url(peer);
    ask.request.method = weir_span_of(method);
    return ask;
}

static void assert_attempts(weir_world *world, const weir_ask *ask, size_t attempts)
{
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.called = weir_world_call(world, ask, &exchange)};
    weir_tally sum = {.head = {0, 0}};

    assert_int_equal(fetched.called, WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_string_equal(fetched.text, "ok");
    assert_int_equal(weir_exchange_attempt_count(exchange), attempts);
    for (size_t i = 0; i < attempts; i++) {
        weir_attempt attempt = {.size = sizeof(attempt)};
        assert_true(weir_exchange_attempt_at(exchange, i, &attempt));
        assert_true(attempt.final);
        assert_int_equal(attempt.failure.status == WEIR_OK, i + 1 == attempts);
        weir_tally_add(&sum, &attempt.tally);
    }
    const weir_tally whole = weir_exchange_tally(exchange);
    assert_memory_equal(&sum, &whole, sizeof(sum));
    weir_world_drop(world, exchange);
}

/* The server ends an idle connection; its FIN is there before the next call begins. */
static void idle_end_is_noticed(weir_world *world)
{
    static const weir_peer_turn once[] = {{OK_RESPONSE, WEIR_PEER_FIN, 0}};
    const weir_peer_turn *const scripts[] = {once, once, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    world->options.probe_after_ns = WEIR_PROBE_ALWAYS;
    for (size_t i = 0; i < 3; i++) {
        const weir_ask ask = peer_ask(world, peer, "POST");
        assert_attempts(world, &ask, 1);
        if (i < 2) {
            weir_peer_await_ended(peer, i + 1);
        }
    }
    assert_int_equal(weir_peer_requests(peer), 3);
    assert_int_equal(weir_world_counts(world).dials, 3);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* An old connection takes the request and dies without an answer: it may have been acted on. */
static void replays_idempotent_on_old(weir_world *world, const weir_peer_turn *dying)
{
    const weir_peer_turn *const scripts[] = {dying, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    weir_ask ask = peer_ask(world, peer, "GET");
    assert_attempts(world, &ask, 1);
    assert_attempts(world, &ask, 2);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 1);
    assert_int_equal(weir_peer_requests(peer), 3);
    weir_world_close(world);
    weir_peer_stop(peer);
}

static const weir_peer_turn dies_by_fin[] = {{OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                             {NULL, WEIR_PEER_FIN, 0}};
static const weir_peer_turn dies_by_reset[] = {{OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                               {NULL, WEIR_PEER_RESET, 0}};

static void get_is_replayed_after_fin(weir_world *world)
{
    replays_idempotent_on_old(world, dies_by_fin);
}

static void get_is_replayed_after_reset(weir_world *world)
{
    replays_idempotent_on_old(world, dies_by_reset);
}

/* The same with what is not idempotent: it fails, and says that it may have been processed. */
static void post_is_not_replayed(weir_world *world)
{
    const weir_peer_turn *const scripts[] = {dies_by_fin, dies_by_reset, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));
    const weir_status expected[] = {WEIR_E_CLOSED_EARLY, WEIR_E_RESET};

    for (size_t i = 0; i < 2; i++) {
        weir_ask ask = peer_ask(world, peer, "POST");
        assert_attempts(world, &ask, 1);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, expected[i]);
        assert_int_equal(fetched.ended, expected[i]);
        assert_int_equal(fetched.failure.processed, WEIR_MAYBE_PROCESSED);
    }
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 0);
    assert_int_equal(weir_peer_requests(peer), 4);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* A new connection that dies so did not die of age: another would most likely do the same. */
static void new_is_not_replayed(weir_world *world)
{
    static const weir_peer_turn dead[] = {{NULL, WEIR_PEER_FIN, 0}};
    const weir_peer_turn *const scripts[] = {dead, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    const weir_ask ask = peer_ask(world, peer, "GET");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_E_CLOSED_EARLY);
    assert_int_equal(weir_peer_requests(peer), 1);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* Once an octet of the answer came, it was acted on: GET too is not sent again. */
static void begun_answer_is_not_replayed(weir_world *world)
{
    static const weir_peer_turn ends[] = {{OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                          {"HTTP/1.1 200", WEIR_PEER_FIN, 0}};
    static const weir_peer_turn resets[] = {{OK_RESPONSE, WEIR_PEER_GO_ON, 0},
                                            {"HTTP/1.1 200", WEIR_PEER_RESET, 0}};
    const weir_peer_turn *const scripts[] = {ends, resets, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));
    const weir_status expected[] = {WEIR_E_TRUNCATED, WEIR_E_RESET};

    for (size_t i = 0; i < WEIR_COUNT_OF(expected); i++) {
        weir_ask ask = peer_ask(world, peer, "GET");
        assert_attempts(world, &ask, 1);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, expected[i]);
    }
    assert_int_equal(weir_peer_requests(peer), 4);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* The policy forbids what may have been processed, then everything. */
static void policy_is_kept(weir_world *world)
{
    static const weir_replay_policy policies[] = {WEIR_REPLAY_SAFE, WEIR_REPLAY_NEVER};
    const weir_peer_turn *const scripts[] = {dies_by_fin, dies_by_fin, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    for (size_t i = 0; i < WEIR_COUNT_OF(policies); i++) {
        weir_ask ask = peer_ask(world, peer, "GET");
        ask.call.replay = policies[i];
        assert_attempts(world, &ask, 1);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, WEIR_E_CLOSED_EARLY);
    }
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* At most as many attempts as the call allows, however often a connection dies. */
static void attempts_are_bounded(weir_world *world)
{
    char path[96];
    (void)snprintf(path, sizeof(path), "/refuse?times=100&id=bound-%d-%d-%d", world->way.kind,
                   world->way.protocol, world->way.tls);
    weir_ask ask = weir_world_ask(world, path);
    weir_exchange *exchange = NULL;

    ask.call.attempts = 4;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_REFUSED);
    assert_int_equal(weir_exchange_attempt_count(exchange), 4);
    assert_int_equal(weir_exchange_failure(exchange).processed, WEIR_REFUSED_BY_PEER);
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 3);
}

/* REFUSED_STREAM says that nothing was done: POST with its body is sent again, on the same
 * connection. */
static void refused_stream_is_replayed(weir_world *world)
{
    static const weir_body_kind kinds[] = {WEIR_BODY_SPAN, WEIR_BODY_SOURCE};

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        char path[96];
        (void)snprintf(path, sizeof(path), "/refuse?times=2&id=again-%zu-%d-%d", i, world->way.kind,
                       world->way.tls);
        weir_ask ask = weir_world_ask(world, path);
        weir_upload upload = {.kind = kinds[i], .octets = 5000, .counted = true};
        weir_uploading uploading;
        weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};
        assert_int_equal(fetched.called, WEIR_OK);
        weir_world_drain(world, uploading.exchange, &fetched);
        assert_fetched(&fetched, 200);
        assert_string_equal(fetched.text, "accepted\n");
        assert_int_equal(weir_exchange_attempt_count(uploading.exchange), 3);
        weir_upload_end(world, &uploading);
    }
    assert_int_equal(weir_world_counts(world).dials, 1);
}

/* 421 on a connection that served others: asked again, once, on one that was dialled for it; the
 * answer that is shown is the last (RFC 9110 s15.5.20). */
static void misdirected_is_sent_elsewhere(weir_world *world)
{
    static const weir_body_kind kinds[] = {WEIR_BODY_SPAN, WEIR_BODY_SOURCE};

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        char path[96];
        (void)snprintf(path, sizeof(path), "/misdirect?id=else-%zu-%d-%d-%d", i, world->way.kind,
                       world->way.protocol, world->way.tls);
        const weir_fetched first = get(world, "/octets/1");
        assert_fetched(&first, 200);
        weir_ask ask = weir_world_ask(world, path);
        weir_upload upload = {.kind = kinds[i], .octets = 5000, .counted = true};
        weir_uploading uploading;
        weir_fetched fetched = {.called = weir_upload_begin(world, &ask, &upload, &uploading)};
        assert_int_equal(fetched.called, WEIR_OK);
        weir_world_drain(world, uploading.exchange, &fetched);
        assert_fetched(&fetched, 200);
        assert_string_equal(fetched.text, "accepted\n");
        assert_int_equal(weir_exchange_attempt_count(uploading.exchange), 2);
        weir_attempt attempt = {.size = sizeof(attempt)};
        assert_true(weir_exchange_attempt_at(uploading.exchange, 0, &attempt));
        assert_int_equal(attempt.failure.status, WEIR_E_MISDIRECTED);
        assert_int_equal(attempt.failure.processed, WEIR_REFUSED_BY_PEER);
        assert_true(attempt.tally.head.received > 0);
        assert_true(weir_exchange_attempt_at(uploading.exchange, 1, &attempt));
        assert_false(attempt.reused);
        weir_upload_end(world, &uploading);
    }
    assert_int_equal(weir_world_counts(world).dials, 3);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 2);
}

/* On a new connection, a second time, or where it may not be asked again, 421 is an answer like
 * others. */
static void misdirected_is_an_answer(weir_world *world)
{
    weir_fetched fetched = get(world, "/status/421");
    assert_fetched(&fetched, 421);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 0);
    fetched = get(world, "/status/421");
    assert_fetched(&fetched, 421);
    assert_string_equal(fetched.text, "status 421\n");
    assert_int_equal(weir_world_told(world, WEIR_EVENT_REPLAYED), 1);
    assert_int_equal(weir_world_counts(world).dials, 2);
    weir_ask ask = weir_world_ask(world, "/status/421");
    ask.call.replay = WEIR_REPLAY_NEVER;
    fetched = weir_world_fetch(world, &ask);
    assert_fetched(&fetched, 421);
    ask = weir_world_ask(world, "/status/421");
    ask.call.attempts = 1;
    fetched = weir_world_fetch(world, &ask);
    assert_fetched(&fetched, 421);
    assert_int_equal(weir_world_counts(world).dials, 2);
}

/* GOAWAY below a stream says the same; the connection is left, the answer comes over another. */
static void goaway_below_is_replayed(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/goaway?last=1");
    weir_exchange *exchange = NULL;

    const weir_fetched first = get(world, "/octets/1");
    assert_fetched(&first, 200);
    ask.request.method = WEIR_SPAN("POST");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_fetched fetched = {0};
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(weir_exchange_attempt_count(exchange), 2);
    weir_attempt attempt = {.size = sizeof(attempt)};
    assert_true(weir_exchange_attempt_at(exchange, 0, &attempt));
    assert_int_equal(attempt.failure.status, WEIR_E_H2_GOAWAY);
    assert_int_equal(attempt.failure.processed, WEIR_REFUSED_BY_PEER);
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_counts(world).dials, 2);
}

static void goaway_after_answer(weir_world *world)
{
    for (int i = 0; i < 3; i++) {
        const weir_fetched fetched = get(world, i % 2 == 0 ? "/goaway" : "/goaway?before=1");
        assert_fetched(&fetched, 200);
    }
    assert_int_equal(weir_world_counts(world).dials, 3);
}

/* The server's end of an idle connection, over every protocol; whatever the client knew of it, the
 * next call is answered. */
static void idle_end_is_survived(weir_world *world)
{
    static const char *const paths[] = {"/close-after?ms=1", "/close-after?ms=1&rst=1"};

    for (size_t i = 0; i < WEIR_COUNT_OF(paths); i++) {
        const weir_fetched first = get(world, paths[i]);
        assert_fetched(&first, 200);
        weir_user_settle(weir_world_user(world));
        const weir_fetched second = get(world, "/octets/10");
        assert_fetched(&second, 200);
    }
}

/* A client that does not look before it writes meets the reset in send(2): nothing left, so a POST
 * too is sent again. */
static void unsent_post_is_replayed(weir_world *world)
{
    static const weir_peer_turn reset_after[] = {{OK_RESPONSE, WEIR_PEER_RESET, 0}};
    const weir_peer_turn *const scripts[] = {reset_after, answer_forever};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    world->options.probe_after_ns = WEIR_NEVER;
    weir_ask ask = peer_ask(world, peer, "POST");
    assert_attempts(world, &ask, 1);
    weir_peer_await_ended(peer, 1);
    weir_exchange *exchange = NULL;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_attempt attempt = {.size = sizeof(attempt)};
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(weir_exchange_attempt_count(exchange), 2);
        assert_true(weir_exchange_attempt_at(exchange, 0, &attempt));
        assert_int_equal(attempt.failure.processed, WEIR_NOT_SENT);
        assert_int_equal(attempt.tally.head.sent, 0);
    }
    weir_world_drop(world, exchange);
    assert_int_equal(weir_peer_requests(peer), 2);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* A response that is complete although the connection says that it ends is a success, and the last
 * on it. */
static void connection_close_is_kept(weir_world *world)
{
    static const weir_peer_turn closing[] = {{CLOSE_RESPONSE, WEIR_PEER_HOLD, 0}};
    const weir_peer_turn *const scripts[] = {closing, closing};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    for (int i = 0; i < 2; i++) {
        const weir_ask ask = peer_ask(world, peer, "GET");
        assert_attempts(world, &ask, 1);
    }
    assert_int_equal(weir_world_counts(world).dials, 2);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* Octets behind a whole answer are nobody's: the connection that has them carries no other call. */
static void surplus_makes_unfit(weir_world *world)
{
    static const weir_peer_turn chatty[] = {{OK_RESPONSE "HTTP/1.1 200 OK\r\n", WEIR_PEER_HOLD, 0}};
    static const weir_peer_turn rude[] = {{OK_RESPONSE "HTTP/1.1 200 OK\r\n", WEIR_PEER_RESET, 0}};
    const weir_peer_turn *const scripts[] = {chatty, rude, chatty};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));

    for (int i = 0; i < 3; i++) {
        const weir_ask ask = peer_ask(world, peer, "GET");
        assert_attempts(world, &ask, 1);
    }
    assert_int_equal(weir_world_counts(world).dials, 3);
    assert_int_equal(weir_world_counts(world).left_over, 3);
    weir_world_close(world);
    for (size_t i = 0; i < 3; i++) { /* whatever else befell it */
        assert_string_equal(weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, i)->why,
                            "octets_left_over");
    }
    assert_int_equal(world->last_account.rows[WEIR_ROW_UNREAD].received,
                     strlen("HTTP/1.1 200 OK\r\n"));
    weir_peer_stop(peer);
}

/* Nobody is hurt by it, and it is told as what it is. */
static void idle_end_is_told(weir_world *world)
{
    static const weir_peer_turn answers_and_ends[] = {{OK_RESPONSE, WEIR_PEER_FIN, 0}};
    const weir_peer_turn *const scripts[] = {answers_and_ends};
    weir_peer *peer = weir_peer_start(scripts, WEIR_COUNT_OF(scripts));
    const weir_ask ask = peer_ask(world, peer, "GET");
    const weir_fetched fetched = weir_world_fetch(world, &ask);

    assert_fetched(&fetched, 200);
    weir_peer_await_ended(peer, 1);
    for (weir_time until_ns = weir_now() + 10 * WEIR_NS_PER_SECOND;
         weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED) == 0 && weir_now() < until_ns;) {
        weir_user_settle(world->user);
    }
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 1);
    const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
    assert_string_equal(closed->why, "peer_closed");
    assert_int_equal(closed->failure.status, WEIR_OK);
    weir_world_close(world);
    weir_peer_stop(peer);
}

#define H1_CLEAR (WEIR_ONLY_H1 | WEIR_ONLY_CLEAR)

static const weir_behaviour behaviours[] = {
    {"a connection is used again", is_reused, 0, NULL},
    {"a connection whose server said last is not", last_is_not_reused, 0, NULL},
    {"Connection: close ends it after a whole answer", connection_close_is_kept, H1_CLEAR, NULL},
    {"what was not read does not meet the next call", unread_is_not_mixed, 0, NULL},
    {"octets after an answer make a connection unfit", surplus_makes_unfit, H1_CLEAR, NULL},
    {"frames behind the end of a stream disturb nobody", late_frames_are_late, WEIR_ONLY_H2, NULL},
    {"32 calls at once are all answered", many_at_once, 0, NULL},
    {"the end of an idle connection is noticed before POST is sent", idle_end_is_noticed, H1_CLEAR,
     NULL},
    {"the end of an idle connection is survived", idle_end_is_survived, 0, NULL},
    {"the end of an idle connection is told as the peer's", idle_end_is_told, H1_CLEAR, NULL},
    {"GET is sent again when an old connection ends without an answer", get_is_replayed_after_fin,
     H1_CLEAR, NULL},
    {"GET is sent again when an old connection is reset", get_is_replayed_after_reset, H1_CLEAR,
     NULL},
    {"POST that may have been processed is not sent again", post_is_not_replayed, H1_CLEAR, NULL},
    {"POST of which nothing left is sent again", unsent_post_is_replayed, H1_CLEAR, NULL},
    {"a new connection that ends without an answer is not tried again", new_is_not_replayed,
     H1_CLEAR, NULL},
    {"an answer that has begun is not asked for again", begun_answer_is_not_replayed, H1_CLEAR,
     NULL},
    {"the replay policy is kept", policy_is_kept, H1_CLEAR, NULL},
    {"attempts are bounded", attempts_are_bounded, WEIR_ONLY_H2, NULL},
    {"REFUSED_STREAM is sent again, body and all", refused_stream_is_replayed, WEIR_ONLY_H2, NULL},
    {"421 on a used connection is sent again over a new one", misdirected_is_sent_elsewhere, 0,
     NULL},
    {"421 is an answer where it is not sent again", misdirected_is_an_answer, 0, NULL},
    {"GOAWAY below a stream is sent again over another connection", goaway_below_is_replayed,
     WEIR_ONLY_H2, NULL},
    {"GOAWAY at the answer ends the connection after it", goaway_after_answer, WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("connection", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
