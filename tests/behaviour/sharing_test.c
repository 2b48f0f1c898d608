/* SPDX-License-Identifier: MIT */
/*
 * What shapes a connection makes it another's: two calls that differ in one thing of that kind use
 * two connections, two that agree in all of it share one, whatever else they differ in. It is the
 * user's side of the pool's key (pool/origin.h).
 *
 * Every call goes to the same server, or to a relay that leads there, so that sharing would work.
 */
#include "support/relay.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* How a call differs from the usual one: zero, nothing. */
typedef struct difference {
    const char *host; /* of the URL */
    uint16_t port;    /* of the URL */
    const char *connect_to;
    bool over_relay; /* connect_port */
    bool same_port;  /* of the URL and connect_port */
    bool no_connect_port;
    bool pins_nothing;
    bool own_tls;   /* settings of its own, made of the same options */
    bool given_tls; /* the client's own settings, given with the call */
    const char *path;
    const char *method;
    bool other_limits;
} difference;

typedef struct pair {
    difference one;
    difference other;
    bool shared;
} pair;

static uint16_t good_port(const weir_world *world)
{
    return world->way.tls ? world->origin->tls_port : world->origin->clear_port;
}

static weir_tls_config *same_settings(void)
{
    const weir_tls_options options = {.size = sizeof(options),
                                      .ca_file = weir_test_certificate("ca.pem"),
                                      .only_these_roots = true};
    weir_tls_config *tls = weir_tls_config_new(&options, NULL, NULL, NULL);

    assert_non_null(tls);
    return tls;
}

static void call(weir_world *world, const difference *how, const weir_relay *relay)
{
    static char url[128];
    weir_ask ask = weir_world_ask(world, "");
    weir_tls_config *tls = how->own_tls && world->way.tls ? same_settings() : NULL;

    (void)snprintf(url, sizeof(url), "%s://%s:%u%s", world->way.tls ? "https" : "http",
                   how->host != NULL ? how->host : "localhost",
                   (unsigned)(how->port != 0   ? how->port
                              : how->same_port ? good_port(world)
                                               : 80),
                   how->path != NULL ? how->path : "/octets/10");
    ask.request.url = weir_span_of(url);
    ask.request.method = weir_span_of(how->method != NULL ? how->method : "GET");
    ask.call.connect_to = weir_span_of(how->connect_to != NULL ? how->connect_to : "127.0.0.1");
    ask.call.connect_port = how->over_relay        ? weir_relay_port(relay)
                            : how->no_connect_port ? 0
                                                   : good_port(world);
    ask.call.tls = how->given_tls ? world->tls : tls;
    if (how->pins_nothing) {
        ask.call.pin = WEIR_PROTOCOL_ANY;
    }
    if (how->other_limits) {
        ask.call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
        ask.call.connect_ns = 5 * WEIR_NS_PER_SECOND;
        ask.call.tls_ns = 5 * WEIR_NS_PER_SECOND;
        ask.call.hint = WEIR_HINT_BULK;
        ask.call.replay = WEIR_REPLAY_NEVER;
        ask.call.attempts = 1;
    }
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_tls_config_release(tls);
}

/* In both orders: neither is given what the other has left. */
static void two_calls(weir_world *world)
{
    const pair *of = world->with;
    weir_relay *relay = weir_relay_start(good_port(world));

    for (size_t turn = 0; turn < 2; turn++) {
        const difference *first = turn == 0 ? &of->one : &of->other;
        const difference *second = turn == 0 ? &of->other : &of->one;
        call(world, first, relay);
        assert_int_equal(weir_world_counts(world).dials, 1);
        call(world, second, relay);
        assert_int_equal(weir_world_counts(world).dials, of->shared ? 1 : 2);
        assert_int_equal(weir_world_counts(world).reuses, of->shared ? 1 : 0);
        weir_world_close(world);
    }
    weir_relay_stop(relay);
}

/* A call that asks for TLS is never given what is there in the clear: it fails instead. */
static void tls_is_never_clear(weir_world *world)
{
    static char url[64];
    weir_ask ask = weir_world_ask(world, "/octets/10");

    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/octets/10",
                   (unsigned)world->origin->clear_port);
    ask.request.url = weir_span_of(url);
    weir_exchange *exchange = NULL;
    assert_int_not_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_failure(exchange).phase, WEIR_PHASE_TLS);
    assert_int_equal(weir_exchange_failure(exchange).processed, WEIR_NOT_SENT);
    weir_world_drop(world, exchange);
    assert_int_equal(weir_world_counts(world).reuses, 0);
}

/* The zone of an IPv6 address, in two spellings and none: the interface is the same one. */
static void zones_do_not_share(weir_world *world)
{
    static const char *const hosts[] = {"[::1]", "[::1%25lo]", "[::1%251]"};
    const uint16_t port = good_port(world);
    weir_relay *relay = weir_relay_start_v6(port, port);

    if (relay == NULL) {
        weir_world_skip(world);
    }
    for (size_t i = 0; i < 2 * WEIR_COUNT_OF(hosts); i++) {
        weir_ask ask = weir_world_ask(world, "");
        ask.request.url = weir_world_url_of(world, hosts[i % WEIR_COUNT_OF(hosts)], "/octets/10");
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.called, WEIR_OK);
        assert_int_equal(fetched.ended, WEIR_END);
        assert_int_equal(weir_world_counts(world).dials,
                         i < WEIR_COUNT_OF(hosts) ? i + 1 : WEIR_COUNT_OF(hosts));
    }
    assert_int_equal(weir_world_counts(world).reuses, WEIR_COUNT_OF(hosts));
    weir_world_close(world);
    weir_relay_stop(relay);
}

static const pair same = {.shared = true};
static const pair path = {.other = {.path = "/octets/20", .method = "HEAD"}, .shared = true};
static const pair limits = {.other = {.other_limits = true}, .shared = true};
static const pair letters = {
    .one = {.host = "a.test"}, .other = {.host = "A.Test"}, .shared = true};
static const pair hosts = {.one = {.host = "a.test"}, .other = {.host = "b.test"}};
static const pair number = {.one = {.host = "localhost"}, .other = {.host = "127.0.0.1"}};
static const pair ports = {.other = {.port = 81}};
static const pair addresses = {.other = {.connect_to = "localhost"}};
static const pair address_letters = {
    .one = {.connect_to = "localhost"}, .other = {.connect_to = "LocalHost"}, .shared = true};
static const pair address_ports = {.other = {.over_relay = true}};
static const pair same_ports = {.one = {.same_port = true},
                                .other = {.same_port = true, .no_connect_port = true},
                                .shared = true};
static const pair pins = {.other = {.pins_nothing = true}};
static const pair given = {.other = {.given_tls = true}, .shared = true};
static const pair settings = {.other = {.own_tls = true}};

static const weir_behaviour behaviours[] = {
    {"two that agree share", two_calls, 0, &same},
    {"another method and path share", two_calls, 0, &path},
    {"other limits, hint and replay policy share", two_calls, 0, &limits},
    {"a host in other letters shares", two_calls, 0, &letters},
    {"another host does not share", two_calls, 0, &hosts},
    {"a number is not the name", two_calls, 0, &number},
    {"another port does not share", two_calls, 0, &ports},
    {"another connect_to does not share", two_calls, 0, &addresses},
    {"a connect_to in other letters shares", two_calls, 0, &address_letters},
    {"another connect_port does not share", two_calls, 0, &address_ports},
    {"a connect_port that is the URL's shares with none", two_calls, 0, &same_ports},
    {"another protocol pin does not share", two_calls, 0, &pins},
    {"other TLS settings do not share", two_calls, WEIR_ONLY_TLS, &settings},
    {"the client's TLS settings, given with the call, share", two_calls, WEIR_ONLY_TLS, &given},
    {"https never shares with http", tls_is_never_clear, WEIR_ONLY_CLEAR, NULL},
    {"another zone does not share", zones_do_not_share, 0, NULL},
};

int main(void)
{
    return weir_world_run("sharing", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
