/* SPDX-License-Identifier: MIT */
/*
 * How long a connection lives, and what ends it between two calls.
 */
#include "support/relay.h"
#include "support/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void get(weir_world *world, const char *path)
{
    const weir_ask ask = weir_world_ask(world, path);
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

static size_t closed_for(const weir_world *world, const char *why)
{
    return weir_world_told_why(world, WEIR_EVENT_CONNECTION_CLOSED, why);
}

static void requests_are_limited(weir_world *world)
{
    world->limits.requests_per_connection = 3;
    for (int i = 0; i < 7; i++) {
        get(world, "/octets/10");
    }
    const weir_counts counts = weir_world_counts(world);
    assert_int_equal(counts.dials, 3);
    assert_int_equal(counts.reuses, 4);
    assert_int_equal(closed_for(world, "expired_requests"), 2);
}

/* Waits until no connection is idle any more, whoever closed it. */
static void await_no_idle(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_loop *loop = weir_user_loop(user);

    while (weir_world_counts(world).connections_idle > 0) {
        struct pollfd fd = {.fd = loop != NULL ? weir_loop_fd(loop) : -1, .events = POLLIN};
        (void)poll(&fd, 1, 5);
        weir_user_settle(user);
    }
}

/* CONNECTION_CLOSED of that connection; NULL: it is open. */
static const weir_event *close_of(const weir_world *world, uint64_t conn)
{
    const weir_event *event = NULL;

    for (size_t i = 0; (event = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, i)) != NULL;
         i++) {
        if (event->conn == conn) {
            break;
        }
    }
    return event;
}

/* Nobody is inside of the library meanwhile. */
static void let_pass(weir_time span_ns)
{
    const weir_time until_ns = weir_now() + span_ns;

    while (weir_now() <= until_ns) {
        (void)poll(NULL, 0, 1);
    }
}

/* How long a connection may live, by what limits it, and the word for it. */
typedef struct age {
    weir_time idle_ns;
    weir_time lifetime_ns;
    const char *path; /* the answer may say it */
    weir_time least_ns;
    const char *why;
} age;

/* "HTTP/1.1 200 OK", Keep-Alive: timeout=1, Content-Length: 0 */
#define KEEP_ALIVE_ONE_SECOND                                                                      \
    "/raw?then=keep&b64="                                                                          \
    "SFRUUC8xLjEgMjAwIE9LDQpLZWVwLUFsaXZlOiB0aW1lb3V0PTENCkNvbnRlbnQtTGVuZ3RoOiAwDQoNCg"

static const age idle_age = {
    .idle_ns = 40 * WEIR_NS_PER_MS,
    .path = "/octets/10",
    .least_ns = 40 * WEIR_NS_PER_MS,
    .why = "expired_idle",
};
/* Give or take a tenth. */
static const age life_age = {
    .lifetime_ns = 50 * WEIR_NS_PER_MS,
    .path = "/octets/10",
    .least_ns = 45 * WEIR_NS_PER_MS,
    .why = "expired_lifetime",
};
static const age said_age = {
    .path = KEEP_ALIVE_ONE_SECOND,
    .least_ns = WEIR_NS_PER_SECOND / 2,
    .why = "expired_keep_alive",
};

static void limit_age(weir_world *world, const age *of)
{
    world->limits.idle_ns = of->idle_ns;
    world->limits.lifetime_ns = of->lifetime_ns;
}

/* The loop closes it when it is time, the blocking client when it is maintained; not before. */
static void age_ends_what_is_idle(weir_world *world)
{
    const age *of = world->with;
    const weir_time began_ns = weir_now();

    limit_age(world, of);
    get(world, of->path);
    await_no_idle(world);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 1);
    assert_int_equal(closed_for(world, of->why), 1);
    const weir_event *closed = close_of(world, 1);
    assert_non_null(closed);
    assert_true(closed->at_ns >= began_ns + of->least_ns);
    get(world, "/octets/10");
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_int_equal(weir_world_counts(world).reuses, 0);
}

/* Nobody closed it in time: it is not used all the same. */
static void age_ends_reuse(weir_world *world)
{
    const age *of = world->with;

    limit_age(world, of);
    get(world, of->path);
    let_pass(of->least_ns + of->least_ns / 2);
    get(world, "/octets/10");
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_int_equal(weir_world_counts(world).reuses, 0);
    const weir_event *closed = close_of(world, 1);
    assert_non_null(closed);
    assert_string_equal(closed->why, of->why);
}

/* In use it is not closed, only given to nobody else: it ends with its exchange. */
static void lifetime_drains_what_is_in_use(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/octets/1000000");
    weir_exchange *holder = NULL;
    weir_fetched fetched = {0};

    limit_age(world, &life_age);
    assert_int_equal(weir_world_call(world, &ask, &holder), WEIR_OK);
    let_pass(2 * life_age.lifetime_ns);
    weir_user_settle(world->user);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 0);
    get(world, "/octets/10");
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_null(close_of(world, 1));
    weir_world_drain(world, holder, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_true(fetched.is_pattern);
    assert_int_equal(fetched.octets, 1000000);
    weir_world_drop(world, holder);
    weir_user_settle(world->user);
    assert_non_null(close_of(world, 1));
    assert_string_equal(close_of(world, 1)->why, life_age.why);
}

typedef struct many {
    weir_world *world;
    weir_status ended[12];
} many;

static void one_of_many(weir_user *user, size_t index, void *shared)
{
    many *all = shared;

    (void)user;
    /* Long enough for three handshakes on a busy machine: who is served before the one that was made
     * for it is done drops its own. */
    const weir_ask ask = weir_world_ask(all->world, "/delay/500");
    all->ended[index] = weir_world_fetch(all->world, &ask).ended;
}

/* The origin would take a hundred at once. */
static void streams_are_limited(weir_world *world)
{
    many all = {.world = world};

    world->limits.streams_per_connection = 4;
    world->limits.h2_connections = 3;
    weir_user_together(weir_world_user(world), 12, one_of_many, &all);
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
    }
    assert_int_equal(weir_world_counts(world).dials, 3);
}

/* Twice the server is seen to close what was idle; then we are the first. */
static void horizon_is_learned(weir_world *world)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(closed_for(world, "expired_horizon"), 0);
        get(world, "/close-after?ms=300");
        await_no_idle(world);
    }
    assert_int_equal(closed_for(world, "expired_horizon"), 1);
    assert_int_equal(weir_world_counts(world).dials, 3);
}

/* Reuse within the horizon goes on. */
static void horizon_allows_reuse(weir_world *world)
{
    for (int i = 0; i < 2; i++) {
        get(world, "/close-after?ms=100");
        await_no_idle(world);
    }
    for (int i = 0; i < 3; i++) {
        get(world, "/octets/10");
    }
    assert_int_equal(weir_world_counts(world).dials, 3);
}

static weir_time horizon_of(weir_world *world)
{
    weir_loop *loop = weir_user_loop(world->user);
    weir_snapshot *snapshot = loop != NULL
                                  ? weir_loop_snapshot(loop, NULL)
                                  : weir_client_snapshot(weir_user_client(world->user), NULL);
    weir_snapshot_origin origin = WEIR_SNAPSHOT_ORIGIN_INIT;

    assert_non_null(snapshot);
    assert_int_equal(weir_snapshot_origin_count(snapshot), 1);
    assert_true(weir_snapshot_origin_at(snapshot, 0, &origin));
    weir_snapshot_free(snapshot);
    return origin.horizon_ns;
}

/* An answer after a rest says how long the server bears at least: that it closed twice after less
 * has another cause. */
static void horizon_knows_what_was_survived(weir_world *world)
{
    get(world, "/octets/10");
    let_pass(500 * WEIR_NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        get(world, "/close-after?ms=50");
        await_no_idle(world);
    }
    assert_int_equal(closed_for(world, "peer_closed") + closed_for(world, "draining_goaway"), 2);
    assert_int_equal(weir_world_counts(world).reuses, 1);
    get(world, "/octets/10"); /* an origin without connections may be forgotten */
    assert_int_equal(horizon_of(world), WEIR_NEVER);
}

/* Those who share learn the horizon; another network is another way to the server, for them too. */
static void horizon_goes_with_the_network(weir_world *world)
{
    for (int i = 0; i < 2; i++) {
        get(world, "/close-after?ms=150");
        await_no_idle(world);
    }
    weir_world_close(world);
    get(world, "/octets/10");
    assert_true(horizon_of(world) != WEIR_NEVER);
    if (weir_user_loop(world->user) != NULL) {
        weir_loop_network_changed(weir_user_loop(world->user));
    } else {
        weir_client_network_changed(weir_user_client(world->user));
    }
    weir_world_close(world);
    get(world, "/octets/10");
    assert_int_equal(horizon_of(world), WEIR_NEVER);
}

/*
 * Nobody looks after the blocking client: what it learns is what the look finds that comes before a
 * connection is used again. How long each rested by then lies between two spans that the test
 * measures, and so does the horizon, half of the second shortest.
 */
static void the_look_teaches_the_horizon(weir_world *world)
{
    weir_relay *relay =
        weir_relay_start(world->way.tls ? world->origin->tls_port : world->origin->clear_port);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_time least_ns = 0;
    weir_time most_ns = 0;
    weir_time began_ns = 0;
    weir_time ended_ns = 0;

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = weir_relay_port(relay);
    for (size_t i = 0; i < 3; i++) {
        const weir_time again_ns = weir_now();
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        const weir_time now_ns = weir_now();
        assert_int_equal(fetched.ended, WEIR_END);
        if (i > 0 && again_ns - ended_ns > least_ns) {
            least_ns = again_ns - ended_ns;
        }
        if (i > 0 && now_ns - began_ns > most_ns) {
            most_ns = now_ns - began_ns;
        }
        began_ns = again_ns;
        ended_ns = now_ns;
        assert_int_equal(closed_for(world, "peer_closed") + closed_for(world, "draining_goaway"),
                         i);
        assert_true(i == 2 || horizon_of(world) == WEIR_NEVER);
        weir_relay_hang_up(relay);
        weir_relay_await_ended(relay, i + 1);
        let_pass(40 * WEIR_NS_PER_MS); /* that a horizon is more than nothing */
    }
    assert_in_range(horizon_of(world), least_ns / 2, most_ns / 2);
    /* What rested for longer is not looked at: it is closed. */
    while (weir_now() - ended_ns <= horizon_of(world)) {
        (void)poll(NULL, 0, 1);
    }
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(closed_for(world, "expired_horizon"), 1);
    /* No call met the end of a connection. */
    assert_int_equal(weir_world_counts(world).dials, 4);
    assert_int_equal(weir_world_counts(world).requests, 4);
    weir_world_close(world);
    weir_relay_stop(relay);
}

static void one_of_a_herd(weir_user *user, size_t index, void *shared)
{
    many *all = shared;

    (void)user;
    weir_ask ask = weir_world_ask(all->world, "/octets/10");
    ask.call.pin = WEIR_PROTOCOL_ANY;
    all->ended[index] = weir_world_fetch(all->world, &ask).ended;
}

/* Twelve calls at once to an origin of which nothing is known are one handshake. Another client or
 * loop that shares with the first knows what it learned, and has none of them wait for a probe. */
static void herd_is_one_handshake(weir_world *world)
{
    for (int i = 0; i < 2; i++) {
        many all = {.world = world};
        const size_t before = weir_world_told_why(world, WEIR_EVENT_WAITING, "alpn_unknown_wait");
        weir_user_together(weir_world_user(world), 12, one_of_a_herd, &all);
        for (size_t k = 0; k < 12; k++) {
            assert_int_equal(all.ended[k], WEIR_END);
        }
        assert_int_equal(weir_world_counts(world).dials, 1);
        /* A loop is told of all twelve before it dials, and asks what others know when it does. */
        if (i > 0 && world->way.kind == WEIR_USER_BLOCKING) {
            assert_int_equal(weir_world_told_why(world, WEIR_EVENT_WAITING, "alpn_unknown_wait"),
                             before);
        }
        weir_world_close(world);
    }
}

/* Since when the only connection has been idle; 0: it is not. */
static weir_time idle_since(weir_world *world)
{
    weir_snapshot_pool pool = WEIR_SNAPSHOT_POOL_INIT;
    weir_snapshot_connection connection = WEIR_SNAPSHOT_CONNECTION_INIT;
    weir_snapshot *snapshot = weir_user_snapshot(weir_world_user(world), NULL);

    assert_non_null(snapshot);
    (void)weir_snapshot_connection_at(snapshot, 0, &connection);
    weir_snapshot_pool_of(snapshot, &pool);
    weir_snapshot_free(snapshot);
    return connection.state == WEIR_CONNECTION_IDLE ? pool.taken_ns - connection.idle_ns : 0;
}

/* A call for which there is no memory, at the k-th time that it asks for some. True: it had a
 * connection, and nothing was sent. */
static bool is_unsent_for_want_of_memory(weir_world *world, const weir_ask *ask, size_t k)
{
    weir_user *user = weir_world_user(world);
    weir_failalloc *memory = &world->memory;
    weir_attempt attempt = WEIR_ATTEMPT_INIT;
    weir_exchange *exchange = NULL;

    memory->fail_at = atomic_load(&memory->calls) + k;
    (void)weir_user_call(user, &ask->request, &ask->call, &exchange);
    memory->fail_at = 0;
    if (exchange == NULL) {
        return false;
    }
    const bool is_unsent = weir_exchange_attempt_count(exchange) == 1 &&
                           weir_exchange_attempt_at(exchange, 0, &attempt) &&
                           attempt.failure.status == WEIR_E_NOMEM &&
                           attempt.failure.processed == WEIR_NOT_SENT;
    weir_user_drop(user, exchange);
    return is_unsent;
}

/* The server's clock of an idle connection goes on when a call had it and sent nothing. */
static void what_was_not_sent_is_no_use(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/0");
    size_t unsent = 0;

    ask.call.attempts = 1; /* or it would be sent after all */
    for (size_t k = 1; k < 30; k++) {
        get(world, "/octets/0");
        const weir_time before_ns = weir_now();
        if (!is_unsent_for_want_of_memory(world, &ask, k)) {
            continue;
        }
        const weir_time since_ns = idle_since(world);
        unsent += since_ns > 0;
        assert_true(since_ns <= before_ns);
    }
    assert_true(unsent > 0);
    world->begun = 0; /* without memory an event may be lost */
    world->dones = 0;
}

static const weir_behaviour behaviours[] = {
    {"a herd is one handshake, and is remembered by those who share", herd_is_one_handshake,
     WEIR_ONLY_TLS | WEIR_ONLY_H2, NULL},
    {"when a server closes what is idle is learned", horizon_is_learned, 0, NULL},
    {"the look before a reuse teaches when a server closes", the_look_teaches_the_horizon,
     WEIR_ONLY_BLOCKING, NULL},
    {"what is idle for less than was learned is used again", horizon_allows_reuse, 0, NULL},
    {"what was survived contradicts what would be learned", horizon_knows_what_was_survived, 0,
     NULL},
    {"what was learned of a server goes with the network", horizon_goes_with_the_network, 0, NULL},
    {"a connection serves no more requests than it may", requests_are_limited, 0, NULL},
    {"what is idle for too long is closed", age_ends_what_is_idle, 0, &idle_age},
    {"what was idle for too long is not used", age_ends_reuse, 0, &idle_age},
    {"an idle connection that is too old is closed", age_ends_what_is_idle, 0, &life_age},
    {"a connection that is too old is not used", age_ends_reuse, 0, &life_age},
    {"a connection that is too old ends with its exchange", lifetime_drains_what_is_in_use, 0,
     NULL},
    {"the server says how long a connection may be idle", age_ends_what_is_idle, WEIR_ONLY_H1,
     &said_age},
    {"the server said how long, and it is not used", age_ends_reuse, WEIR_ONLY_H1, &said_age},
    {"what was not sent is no use of a connection", what_was_not_sent_is_no_use, 0, NULL},
    {"streams at once are limited by us too", streams_are_limited, WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("lifetime", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
