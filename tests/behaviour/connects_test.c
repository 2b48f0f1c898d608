/* SPDX-License-Identifier: MIT */
/*
 * Which addresses were tried for a call, and what came of each: read from the exchange when it is
 * done. The resolver is the test's.
 */
#include "support/peer.h"
#include "support/relay.h"
#include "support/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct names {
    weir_resolver resolver;
    weir_address v6[4];
    size_t v6_count;
    weir_address v4[4];
    size_t v4_count;
} names;

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    const names *known = user;

    (void)host;
    weir_resolver_answer(lookup, 6, WEIR_OK, known->v6, known->v6_count);
    weir_resolver_answer(lookup, 4, WEIR_OK, known->v4, known->v4_count);
}

static weir_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (weir_address){.family = 4, .octets = {a, b, c, d}, .ttl_seconds = 60};
}

static void add_v6_loopback(names *known)
{
    known->v6[known->v6_count++] =
        (weir_address){.family = 6, .octets = {[15] = 1}, .ttl_seconds = 60};
}

static void begin(weir_world *world, names *known)
{
    known->resolver = (weir_resolver){.size = sizeof(weir_resolver), .user = known, .start = start};
    world->options.resolver = &known->resolver;
}

static uint16_t good_port(const weir_world *world)
{
    return world->way.tls ? world->origin->tls_port : world->origin->clear_port;
}

static weir_ask ask_at(weir_world *world, uint16_t port)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = port;
    return ask;
}

static weir_connect_attempt attempt_at(const weir_exchange *exchange, size_t i)
{
    weir_connect_attempt attempt = WEIR_CONNECT_ATTEMPT_INIT;

    assert_true(weir_exchange_connect_attempt_at(exchange, i, &attempt));
    assert_int_equal(attempt.size, sizeof(attempt));
    return attempt;
}

/* The origin listens on 127.0.0.1 alone: ::1 refuses, and the broadcast address is no one's. */
static void those_that_failed_and_the_one_that_won(weir_world *world)
{
    names known = {.v4 = {v4(255, 255, 255, 255), v4(127, 0, 0, 1)}, .v4_count = 2};
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.called = WEIR_OK};
    size_t won = 0;

    add_v6_loopback(&known);
    begin(world, &known);
    const weir_ask ask = ask_at(world, good_port(world));
    const weir_time before_ns = weir_now();
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_true(weir_exchange_is_done(exchange));

    weir_attempt on = WEIR_ATTEMPT_INIT;
    assert_true(weir_exchange_attempt_at(exchange, 0, &on));
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 3);
    assert_int_equal(weir_exchange_connect_attempts_left_out(exchange), 0);
    for (size_t i = 0; i < 3; i++) {
        const weir_connect_attempt attempt = attempt_at(exchange, i);
        assert_int_equal(attempt.port, good_port(world));
        assert_int_equal(attempt.conn, on.conn);
        assert_false(attempt.unfinished);
        assert_true(attempt.began_ns >= before_ns);
        assert_true(attempt.began_ns + attempt.took_ns <= weir_now());
        won += attempt.won ? 1 : 0;
    }
    assert_int_equal(won, 1);
    assert_string_equal(attempt_at(exchange, 0).address, "::1");
    assert_int_equal(attempt_at(exchange, 0).family, 6);
    assert_int_not_equal(attempt_at(exchange, 0).sys_errno, 0);
    assert_string_equal(attempt_at(exchange, 1).address, "255.255.255.255");
    assert_int_not_equal(attempt_at(exchange, 1).sys_errno, 0);
    assert_string_equal(attempt_at(exchange, 2).address, "127.0.0.1");
    assert_true(attempt_at(exchange, 2).won);
    assert_int_equal(attempt_at(exchange, 2).sys_errno, 0);
    weir_world_drop(world, exchange);

    /* The next call is given the connection: nothing is tried for it. */
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 0);
    weir_connect_attempt none = WEIR_CONNECT_ATTEMPT_INIT;
    assert_false(weir_exchange_connect_attempt_at(exchange, 0, &none));
    weir_world_drop(world, exchange);
    weir_world_close(world);
}

static void all_of_a_dial_that_failed(weir_world *world)
{
    names known = {.v4 = {v4(255, 255, 255, 255), v4(127, 0, 0, 1)}, .v4_count = 2};
    weir_exchange *exchange = NULL;

    begin(world, &known);
    const weir_ask ask = ask_at(world, weir_free_port());
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_CONNECT_FAILED);
    assert_non_null(exchange);
    assert_true(weir_exchange_is_done(exchange));
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 2);
    assert_string_equal(attempt_at(exchange, 0).address, "255.255.255.255");
    assert_int_equal(attempt_at(exchange, 0).sys_errno, weir_exchange_failure(exchange).sys_errno);
    assert_string_equal(attempt_at(exchange, 1).address, "127.0.0.1");
    assert_int_equal(attempt_at(exchange, 1).sys_errno, ECONNREFUSED);
    assert_false(attempt_at(exchange, 1).won);
    weir_world_drop(world, exchange);
    weir_world_close(world);
}

static void one_that_was_under_way_at_the_limit(weir_world *world)
{
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};
    weir_exchange *exchange = NULL;
    weir_full_port full;

    begin(world, &known);
    weir_full_port_open(&full);
    weir_ask ask = ask_at(world, full.port);
    ask.call.connect_ns = 30 * WEIR_NS_PER_MS;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DEADLINE_CONNECT);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 1);
    const weir_connect_attempt attempt = attempt_at(exchange, 0);
    assert_true(attempt.unfinished);
    assert_false(attempt.won);
    assert_int_equal(attempt.sys_errno, 0);
    assert_true(attempt.took_ns >= 30 * WEIR_NS_PER_MS);
    weir_world_drop(world, exchange);
    weir_full_port_close(&full);
    weir_world_close(world);
}

/* The first call finds ::1 dead; the second, on a connection of its own, does not try it any more.
 */
static void what_failed_lately_is_tried_last(weir_world *world)
{
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.called = WEIR_OK};

    add_v6_loopback(&known);
    begin(world, &known);
    weir_ask ask = ask_at(world, good_port(world));
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 2);
    assert_string_equal(attempt_at(exchange, 0).address, "::1");
    weir_world_drop(world, exchange);

    ask.call.connect_to = WEIR_SPAN("same.test"); /* another origin of the pool */
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 1);
    assert_string_equal(attempt_at(exchange, 0).address, "127.0.0.1");
    weir_world_drop(world, exchange);
    weir_world_close(world);
}

/* The only connection, as a snapshot has it, and its line of text. */
static weir_snapshot_connection connection_of(weir_world *world, char *text, size_t room)
{
    weir_user *user = weir_world_user(world);
    weir_snapshot_connection connection = WEIR_SNAPSHOT_CONNECTION_INIT;
    weir_snapshot *snapshot = weir_user_snapshot(user, NULL);

    assert_non_null(snapshot);
    assert_int_equal(weir_snapshot_connection_count(snapshot), 1);
    assert_true(weir_snapshot_connection_at(snapshot, 0, &connection));
    (void)weir_snapshot_text(snapshot, text, room);
    weir_snapshot_free(snapshot);
    return connection;
}

typedef struct goal {
    const char *host;
    const char *connect_to;
    bool tied;
    weir_time leave_ns;
} goal;

static void a_snapshot_says_where_it_goes(weir_world *world)
{
    const goal *to = world->with;
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};
    char url[64];
    char text[4096];

    begin(world, &known);
    world->limits.address_left_ns = to->leave_ns;
    weir_ask ask = weir_world_ask(world, "/octets/10");
    (void)snprintf(url, sizeof(url), "http://%s:%u/octets/10", to->host,
                   (unsigned)good_port(world));
    ask.request.url = (weir_span){(const uint8_t *)url, strlen(url)};
    if (to->connect_to != NULL) {
        ask.call.connect_to = (weir_span){(const uint8_t *)to->connect_to, strlen(to->connect_to)};
    }
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    const weir_snapshot_connection connection = connection_of(world, text, sizeof(text));
    assert_string_equal(connection.address, "127.0.0.1");
    assert_non_null(strstr(text, ", to 127.0.0.1, "));
    assert_int_equal(connection.state, WEIR_CONNECTION_IDLE);
    assert_string_equal(weir_connection_state_name(connection.state), "idle");
    assert_non_null(strstr(text, "connection 1  idle"));
    if (to->tied) {
        assert_true(connection.answer_ns > 0);
        assert_true(connection.answer_ns <= 60 * WEIR_NS_PER_SECOND);
        assert_non_null(strstr(text, ", answer counts for "));
    } else {
        assert_int_equal(connection.answer_ns, WEIR_NEVER);
        assert_null(strstr(text, "answer"));
    }
    weir_world_close(world);
}

/* IPv6 comes first (RFC 8305 s4), but for an address that failed lately: then the dead IPv4 one is
 * tried before it. */
static void dead_ipv4_and_live_ipv6(weir_world *world)
{
    names known = {.v6_count = 0};
    weir_exchange *exchange = NULL;
    weir_full_port full;

    begin(world, &known);
    weir_full_port_open(&full); /* 127.0.0.1 accepts nobody there */
    weir_ask ask = ask_at(world, full.port);
    add_v6_loopback(&known);
    assert_int_not_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 1);
    assert_int_not_equal(attempt_at(exchange, 0).sys_errno, 0);
    weir_world_drop(world, exchange);

    weir_relay *relay = weir_relay_start_v6(good_port(world), full.port);
    if (relay == NULL) {
        weir_world_close(world);
        weir_full_port_close(&full);
        weir_world_skip(world);
    }
    known.v4[known.v4_count++] = v4(127, 0, 0, 1);
    ask.call.connect_to = WEIR_SPAN("another.test");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 2);
    assert_string_equal(attempt_at(exchange, 0).address, "127.0.0.1");
    assert_true(attempt_at(exchange, 0).unfinished);
    assert_false(attempt_at(exchange, 0).won);
    assert_string_equal(attempt_at(exchange, 1).address, "::1");
    assert_int_equal(attempt_at(exchange, 1).family, 6);
    assert_true(attempt_at(exchange, 1).won);
    weir_world_drop(world, exchange);

    ask.call.connect_to = WEIR_SPAN("third.test");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 1);
    assert_string_equal(attempt_at(exchange, 0).address, "::1");
    assert_true(attempt_at(exchange, 0).won);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_relay_stop(relay);
    weir_full_port_close(&full);
}

static const goal by_name = {"name.test", NULL, true, 0};
static const goal by_name_untied = {"name.test", NULL, false, WEIR_NEVER};
static const goal by_number = {"127.0.0.1", NULL, false, 0};
static const goal by_localhost = {"localhost", NULL, false, 0};
static const goal elsewhere = {"far.test", "name.test", false, 0};
static const goal elsewhere_by_number = {"far.test", "127.0.0.1", false, 0};

static const weir_behaviour behaviours[] = {
    {"those that failed and the one that won are told", those_that_failed_and_the_one_that_won, 0,
     NULL},
    {"all of a dial that failed are told", all_of_a_dial_that_failed, 0, NULL},
    {"one that was under way at the limit is told", one_that_was_under_way_at_the_limit, 0, NULL},
    {"a snapshot says where a name goes", a_snapshot_says_where_it_goes, WEIR_ONLY_CLEAR, &by_name},
    {"a snapshot says where a name goes that is not tied", a_snapshot_says_where_it_goes,
     WEIR_ONLY_CLEAR, &by_name_untied},
    {"a snapshot says where a number goes", a_snapshot_says_where_it_goes, WEIR_ONLY_CLEAR,
     &by_number},
    {"a snapshot says where localhost goes", a_snapshot_says_where_it_goes, WEIR_ONLY_CLEAR,
     &by_localhost},
    {"a snapshot says where connect_to goes", a_snapshot_says_where_it_goes, WEIR_ONLY_CLEAR,
     &elsewhere},
    {"a snapshot says where a numeric connect_to goes", a_snapshot_says_where_it_goes,
     WEIR_ONLY_CLEAR, &elsewhere_by_number},
    {"dead IPv4 and live IPv6", dead_ipv4_and_live_ipv6, 0, NULL},
    {"what failed lately is tried last", what_failed_lately_is_tried_last, 0, NULL},
};

int main(void)
{
    return weir_world_run("connects", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
