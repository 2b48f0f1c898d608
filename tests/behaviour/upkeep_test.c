/* SPDX-License-Identifier: MIT */
/*
 * What a user does to a whole client or loop: drain it, give it other TLS settings, tell it that
 * the network changed.
 *
 * In all of them idle connections are closed at once, busy ones end with their exchange, and
 * whoever asks meanwhile gets a new one; and each close says why.
 */
#include "support/world.h"

#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECOND WEIR_NS_PER_SECOND

static void get(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

/* As weir_client_drain(), over both. */
static weir_status drain(weir_world *world, weir_span url, weir_time span_ns, uint64_t *left)
{
    weir_user *user = weir_world_user(world);
    weir_loop *loop = weir_user_loop(user);
    const weir_time deadline_ns = weir_now() + span_ns;

    if (loop == NULL) {
        return weir_client_drain(weir_user_client(user), url, deadline_ns, left);
    }
    const weir_status status = weir_loop_drain(loop, url);
    weir_user_settle(user);
    *left = weir_loop_draining(loop);
    while (status == WEIR_OK && *left > 0 && weir_now() < deadline_ns) {
        weir_loop_wait(loop, deadline_ns);
        weir_user_settle(user);
        *left = weir_loop_draining(loop);
    }
    return status != WEIR_OK || *left == 0 ? status : WEIR_E_DEADLINE_TOTAL;
}

static void assert_closed_for(weir_world *world, size_t i, const char *why)
{
    const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, i);
    assert_non_null(closed);
    assert_string_equal(closed->why, why);
}

static void drain_closes_what_is_idle(weir_world *world)
{
    uint64_t left = 7;

    get(world);
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
    assert_int_equal(drain(world, (weir_span){NULL, 0}, 10 * SECOND, &left), WEIR_OK);
    assert_int_equal(left, 0);
    assert_int_equal(weir_world_counts(world).connections_idle, 0);
    assert_closed_for(world, 0, "draining");
    get(world);
    assert_int_equal(weir_world_counts(world).dials, 2);
}

static void drain_lets_the_busy_end(weir_world *world)
{
    weir_exchange *exchange = weir_world_begin_long(world);
    uint64_t left = 0;

    assert_int_equal(drain(world, (weir_span){NULL, 0}, 0, &left), WEIR_E_DEADLINE_TOTAL);
    assert_int_equal(left, 1);
    assert_int_equal(weir_world_counts(world).connections_draining, 1);
    get(world); /* not on that one */
    assert_int_equal(weir_world_counts(world).dials, 2);
    weir_world_end_long(world, exchange);
    assert_int_equal(drain(world, (weir_span){NULL, 0}, 10 * SECOND, &left), WEIR_OK);
    assert_int_equal(left, 0);
    const weir_counts counts = weir_world_counts(world);
    assert_int_equal(counts.connections_draining + counts.connections_idle, 0);
    assert_closed_for(world, 0, "draining");
    assert_closed_for(world, 1, "draining");
}

/*
 * A loop has no deadline for its drain: its user waits with one, is told by weir_loop_draining()
 * what is left then, and ends that itself or not at all.
 */
static void loop_drain_with_a_deadline(weir_world *world)
{
    weir_exchange *exchange = weir_world_begin_long(world);
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    const weir_time deadline_ns = weir_now() + 20 * WEIR_NS_PER_MS;
    weir_loop_event events[4];
    uint64_t left = 0;

    assert_int_equal(weir_loop_drain(loop, (weir_span){NULL, 0}), WEIR_OK);
    do {
        weir_loop_wait(loop, deadline_ns);
        (void)weir_loop_turn(loop, events, WEIR_COUNT_OF(events));
        left = weir_loop_draining(loop);
    } while (left > 0 && weir_now() < deadline_ns);
    assert_true(weir_now() >= deadline_ns);
    assert_int_equal(left, 1);
    assert_false(weir_exchange_is_done(exchange)); /* it was not cut off */
    weir_world_drop(world, exchange);              /* now it is */
    while (weir_loop_draining(loop) > 0) {
        weir_loop_wait(loop, WEIR_NEVER);
        (void)weir_loop_turn(loop, events, WEIR_COUNT_OF(events));
    }
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECTION_CLOSED), 1);
}

static void drain_meets_one_origin(weir_world *world)
{
    const weir_span mine = weir_world_url(world, "/whatever");
    const char *const others[] = {"http://127.0.0.1:1/", "https://127.0.0.1:1/",
                                  "http://other.test/"};
    uint64_t left = 7;

    get(world);
    for (size_t i = 0; i < WEIR_COUNT_OF(others); i++) {
        assert_int_equal(drain(world, weir_span_of(others[i]), 10 * SECOND, &left), WEIR_OK);
        assert_int_equal(left, 0);
        assert_int_equal(weir_world_counts(world).connections_idle, 1);
    }
    assert_int_equal(drain(world, mine, 10 * SECOND, &left), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, 0);
    assert_int_equal(drain(world, WEIR_SPAN("ftp://other.test/"), 0, &left), WEIR_E_URL_SCHEME);
}

typedef struct shared_drain {
    weir_world *world;
    weir_exchange *exchange;
    weir_status status;
    uint64_t left;
    uint64_t octets;
} shared_drain;

static void drain_or_read(weir_user *user, size_t index, void *shared)
{
    shared_drain *both = shared;
    uint8_t room[4096];
    size_t octets = 0;
    weir_counts counts = WEIR_COUNTS_INIT;

    if (index == 0) {
        both->status = weir_client_drain(weir_user_client(user), (weir_span){NULL, 0}, WEIR_NEVER,
                                         &both->left);
        return;
    }
    while (counts.connections_draining == 0) {
        (void)sched_yield();
        weir_user_counts(user, &counts);
    }
    while (weir_user_read(user, both->exchange, room, sizeof(room), &octets) == WEIR_OK) {
        both->octets += octets;
    }
}

/* The thread that drains sleeps until the thread that reads has come to the end. */
static void drain_is_woken_by_the_last_exchange(weir_world *world)
{
    shared_drain both = {.world = world,
                         .exchange = weir_world_begin_long(world),
                         .status = WEIR_E_STATE,
                         .left = 7};

    weir_user_together(weir_world_user(world), 2, drain_or_read, &both);
    assert_int_equal(both.status, WEIR_OK);
    assert_int_equal(both.left, 0);
    assert_int_equal(both.octets, 3000000);
    weir_world_drop(world, both.exchange);
}

/* -- TLS settings -- */

static void tls_swap_drains(weir_world *world)
{
    get(world);
    weir_exchange *exchange = weir_world_begin_long(world);
    const uint64_t dials = weir_world_counts(world).dials;
    weir_tls_config *config = weir_world_tls_settings(true);

    assert_int_equal(weir_shared_set_tls(world->shared, NULL), WEIR_E_INVALID);
    assert_int_equal(weir_shared_set_tls(world->shared, config), WEIR_OK);
    get(world);
    assert_int_equal(weir_world_counts(world).dials, dials + 1);
    weir_world_end_long(world, exchange);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
    assert_int_equal(weir_world_counts(world).connections_draining, 0);
    assert_closed_for(world, 0, "tls_replaced");
    /* The same again is nothing new. */
    assert_int_equal(weir_shared_set_tls(world->shared, config), WEIR_OK);
    weir_tls_config_release(config);
    get(world);
    assert_int_equal(weir_world_counts(world).dials, dials + 1);
}

/* Neither a connection nor a session of the old settings serves under the new ones: these do not
 * trust the origin. */
static void tls_swap_trusts_anew(weir_world *world)
{
    weir_tls_config *doubting = weir_world_tls_settings(false);

    get(world);
    assert_int_equal(weir_shared_set_tls(world->shared, doubting), WEIR_OK);
    weir_tls_config_release(doubting);
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.called, WEIR_E_TLS_UNTRUSTED);
    assert_int_equal(weir_shared_set_tls(world->shared, world->tls), WEIR_OK);
    get(world);
}

/* A call that was submitted and has no place yet goes out with the new ones. */
static void tls_swap_meets_who_has_no_place(weir_world *world)
{
    weir_loop *loop = weir_user_loop(weir_world_user(world));
    weir_tls_config *doubting = weir_world_tls_settings(false);
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_loop_event events[4];

    ask.call.observer = NULL;
    assert_int_equal(weir_loop_submit(loop, &ask.request, &ask.call, NULL, &exchange), WEIR_OK);
    assert_int_equal(weir_shared_set_tls(world->shared, doubting), WEIR_OK);
    weir_tls_config_release(doubting);
    while (!weir_exchange_is_done(exchange)) {
        weir_loop_wait(loop, weir_now() + 10 * SECOND);
        (void)weir_loop_turn(loop, events, 4);
    }
    assert_int_equal(weir_exchange_failure(exchange).status, WEIR_E_TLS_UNTRUSTED);
    weir_exchange_free(exchange);
    assert_int_equal(weir_shared_set_tls(world->shared, world->tls), WEIR_OK);
}

/* Idle connections of a client or loop that nobody calls go at the next maintenance or turn. */
static void tls_swap_is_seen_without_a_call(weir_world *world)
{
    weir_tls_config *config = weir_world_tls_settings(true);

    get(world);
    assert_int_equal(weir_shared_set_tls(world->shared, config), WEIR_OK);
    weir_tls_config_release(config);
    if (weir_user_loop(weir_world_user(world)) != NULL) {
        weir_loop_wake(weir_user_loop(weir_world_user(world)));
    }
    weir_user_settle(weir_world_user(world));
    assert_int_equal(weir_world_counts(world).connections_idle, 0);
    assert_closed_for(world, 0, "tls_replaced");
}

/* An exchange that was under way does not leave its connection behind. */
static void tls_swap_meets_the_end_of_an_exchange(weir_world *world)
{
    weir_exchange *exchange = weir_world_begin_long(world);
    weir_tls_config *config = weir_world_tls_settings(true);

    assert_int_equal(weir_shared_set_tls(world->shared, config), WEIR_OK);
    weir_tls_config_release(config);
    weir_world_end_long(world, exchange);
    if (weir_user_loop(weir_world_user(world)) != NULL) {
        weir_user_settle(weir_world_user(world));
    }
    assert_int_equal(weir_world_counts(world).connections_idle, 0);
    assert_closed_for(world, 0, "tls_replaced");
}

static void tls_swap_leaves_own_settings_alone(weir_world *world)
{
    weir_tls_config *own = weir_world_tls_settings(true);
    weir_tls_config *config = weir_world_tls_settings(true);
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.tls = own;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(weir_shared_set_tls(world->shared, config), WEIR_OK);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(weir_world_counts(world).dials, 1);
    assert_int_equal(weir_world_counts(world).reuses, 1);
    weir_tls_config_release(own);
    weir_tls_config_release(config);
}

static weir_status get_by(weir_world *world, weir_user *user)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    ask.call.observer = NULL;
    weir_status status = weir_user_call(user, &ask.request, &ask.call, &exchange);
    if (status == WEIR_OK) {
        status = weir_user_read_on(user, exchange);
    }
    weir_user_drop(user, exchange);
    return status;
}

static void assert_each_has_dialled(weir_user *const *users, uint64_t dials)
{
    for (size_t i = 0; i < 3; i++) {
        weir_counts counts = WEIR_COUNTS_INIT;
        weir_user_counts(users[i], &counts);
        assert_int_equal(counts.dials, dials);
        assert_int_equal(counts.connections_idle, 1);
    }
}

/* One call of it is enough, for two clients and a loop: none of them goes on with what the old
 * settings made. */
static void tls_swap_reaches_all(weir_world *world)
{
    static const weir_user_kind kinds[] = {WEIR_USER_BLOCKING, WEIR_USER_BLOCKING, WEIR_USER_LOOP};
    weir_user *users[WEIR_COUNT_OF(kinds)] = {NULL};
    weir_tls_config *trusting = weir_world_tls_settings(true);
    weir_tls_config *doubting = weir_world_tls_settings(false);
    weir_status status = WEIR_OK;

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        const weir_user_options options = {
            .kind = kinds[i], .allocator = &world->memory.allocator, .shared = world->shared};
        users[i] = weir_user_new(&options, &status);
        assert_int_equal(status, WEIR_OK);
        assert_int_equal(get_by(world, users[i]), WEIR_END);
    }
    assert_each_has_dialled(users, 1);
    assert_int_equal(weir_shared_set_tls(world->shared, trusting), WEIR_OK);
    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        assert_int_equal(get_by(world, users[i]), WEIR_END);
    }
    assert_each_has_dialled(users, 2);
    assert_int_equal(weir_shared_set_tls(world->shared, doubting), WEIR_OK);
    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        assert_int_equal(get_by(world, users[i]), WEIR_E_TLS_UNTRUSTED);
        weir_user_free(users[i]);
    }
    weir_tls_config_release(trusting);
    weir_tls_config_release(doubting);
}

/* The old settings are in memory of their own, so that it can be seen when they are gone: not
 * before the last that uses them. */
static void tls_swap_keeps_the_old_while_they_are_used(weir_world *world)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_failalloc memory;
    weir_status status = WEIR_OK;

    weir_failalloc_init(&memory, 0);
    options.ca_file = weir_test_certificate("ca.pem");
    options.only_these_roots = true;
    weir_tls_config *old = weir_tls_config_new(&options, &memory.allocator, &status, NULL);
    assert_non_null(old);
    assert_int_equal(weir_shared_set_tls(world->shared, old), WEIR_OK);
    weir_tls_config_release(old);
    get(world); /* a session, too */
    weir_exchange *exchange = weir_world_begin_long(world);
    assert_int_equal(weir_shared_set_tls(world->shared, world->tls), WEIR_OK);
    get(world);
    weir_user_settle(weir_world_user(world));
    assert_true(atomic_load(&memory.live) > 0); /* a connection is busy with them */
    weir_fetched fetched = {0};
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.octets, 3000000);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(weir_world_counts(world).connections_draining, 0);
    assert_true(atomic_load(&memory.live) > 0); /* an exchange has them still */
    weir_world_drop(world, exchange);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(atomic_load(&memory.live), 0);
}

/* -- pre-connect -- */

static void preconnect_warms(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_user *user = weir_world_user(world);
    const uint64_t wanted = world->way.protocol == WEIR_H1 ? 3 : 1;

    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 0), WEIR_E_INVALID);
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 3), WEIR_OK);
    world->begun++; /* it was told DONE, as a call is */
    assert_int_equal(weir_world_counts(world).connections_idle, wanted);
    assert_int_equal(weir_world_counts(world).leases, 0);
    /* They are there: nothing is dialled, neither for the same wish nor for a call. */
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 3), WEIR_OK);
    world->begun++;
    get(world);
    assert_int_equal(weir_world_counts(world).dials, wanted);
}

static void preconnect_says_what_failed(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_user *user = weir_world_user(world);

    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = 1;
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 2),
                     WEIR_E_CONNECT_REFUSED);
    world->begun++;
    ask.call.connect_port = world->origin->mute_port;
    ask.call.deadline_ns = weir_now() + WEIR_NS_PER_SECOND / 20;
    if (world->way.tls) {
        assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 2),
                         WEIR_E_DEADLINE_TOTAL);
        world->begun++;
    }
    weir_token *token = weir_token_new(NULL);
    ask.call.deadline_ns = 0;
    ask.call.token = token;
    weir_token_cancel(token);
    assert_int_equal(weir_user_preconnect(user, &ask.request, &ask.call, 2), WEIR_E_CANCELLED);
    world->begun++;
    weir_token_free(token);
    assert_int_equal(weir_world_counts(world).leases + weir_world_counts(world).waiting, 0);
}

static void preconnect_keeps_to_limits(weir_world *world)
{
    world->limits.connections_per_origin = 2;
    world->limits.streams_per_connection = 1;
    const weir_ask ask = weir_world_ask(world, "/octets/10");

    assert_int_equal(weir_user_preconnect(weir_world_user(world), &ask.request, &ask.call, 5),
                     WEIR_OK);
    world->begun++;
    assert_int_equal(weir_world_counts(world).connections_idle, 2);
}

/* -- the network -- */

static void network_change_drains(weir_world *world)
{
    weir_user *user = weir_world_user(world);

    get(world);
    weir_exchange *exchange = weir_world_begin_long(world);
    const uint64_t dials = weir_world_counts(world).dials;
    if (weir_user_loop(user) != NULL) {
        weir_loop_network_changed(weir_user_loop(user));
        weir_user_settle(user);
    } else {
        weir_client_network_changed(weir_user_client(user));
    }
    assert_int_equal(weir_world_counts(world).connections_idle, 0);
    assert_int_equal(weir_world_counts(world).connections_draining, 1);
    get(world);
    assert_int_equal(weir_world_counts(world).dials, dials + 1);
    weir_world_end_long(world, exchange); /* what was under way is not disturbed */
    weir_user_settle(user);
    assert_int_equal(weir_world_counts(world).connections_draining, 0);
    assert_closed_for(world, 0, "network_changed");
}

static void drain_all(weir_loop *loop)
{
    assert_int_equal(weir_loop_drain(loop, (weir_span){NULL, 0}), WEIR_OK);
}

/* Outside of a turn there is something to do afterwards: the loop's descriptor says so. */
static void upkeep_wants_a_turn(weir_world *world)
{
    static void (*const kinds[])(weir_loop * loop) = {drain_all, weir_loop_network_changed};

    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        get(world);
        weir_loop *loop = weir_user_loop(weir_world_user(world));
        struct pollfd fd = {.fd = weir_loop_fd(loop), .events = POLLIN};
        for (int turns = 0; turns < 100 && poll(&fd, 1, 1) > 0; turns++) {
            weir_user_settle(world->user);
        }
        kinds[i](loop);
        assert_int_equal(poll(&fd, 1, 0), 1);
        weir_user_settle(world->user);
        assert_int_equal(weir_world_counts(world).connections_idle, 0);
    }
}

typedef struct answers {
    unsigned asked;
} answers;

static void answer(weir_lookup *lookup, weir_span host, void *user)
{
    answers *all = user;

    (void)host;
    all->asked++;
    weir_world_answer(lookup);
}

static void get_by_name(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->way.tls ? world->origin->tls_port : world->origin->clear_port;
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

/* An answer that would count for an hour is of the other network. */
static void network_change_asks_anew(weir_world *world)
{
    answers all = {0};
    const weir_resolver resolver = {sizeof(resolver), &all, answer, NULL};
    uint64_t left = 0;

    world->options.resolver = &resolver;
    weir_user *user = weir_world_user(world);
    get_by_name(world);
    assert_int_equal(drain(world, (weir_span){NULL, 0}, 10 * SECOND, &left), WEIR_OK);
    get_by_name(world);
    assert_int_equal(all.asked, 1);
    if (weir_user_loop(user) != NULL) {
        weir_loop_network_changed(weir_user_loop(user));
        weir_user_settle(user);
    } else {
        weir_client_network_changed(weir_user_client(user));
    }
    get_by_name(world);
    assert_int_equal(all.asked, 2);
    assert_int_equal(weir_world_counts(world).dials, 3);
    weir_world_close(world); /* before the resolver is gone */
}

static const weir_behaviour behaviours[] = {
    {"a drain closes what is idle", drain_closes_what_is_idle, 0, NULL},
    {"a drain lets what is busy end", drain_lets_the_busy_end, 0, NULL},
    {"a loop's drain ends at its user's deadline, which is told what is left",
     loop_drain_with_a_deadline, WEIR_ONLY_LOOP, NULL},
    {"a drain of one origin meets no other", drain_meets_one_origin, 0, NULL},
    {"a drain is woken by the last exchange", drain_is_woken_by_the_last_exchange,
     WEIR_ONLY_BLOCKING, NULL},
    {"other TLS settings drain what the old ones made", tls_swap_drains, WEIR_ONLY_TLS, NULL},
    {"other TLS settings are verified anew", tls_swap_trusts_anew, WEIR_ONLY_TLS, NULL},
    {"other TLS settings meet a call that has no place", tls_swap_meets_who_has_no_place,
     WEIR_ONLY_TLS | WEIR_ONLY_LOOP, NULL},
    {"other TLS settings are seen without a call", tls_swap_is_seen_without_a_call, WEIR_ONLY_TLS,
     NULL},
    {"other TLS settings meet an exchange at its end", tls_swap_meets_the_end_of_an_exchange,
     WEIR_ONLY_TLS, NULL},
    {"other TLS settings leave calls with their own alone", tls_swap_leaves_own_settings_alone,
     WEIR_ONLY_TLS, NULL},
    {"other TLS settings reach all that share them", tls_swap_reaches_all,
     WEIR_ONLY_TLS | WEIR_ONLY_BLOCKING, NULL},
    {"old TLS settings stay while they are used, and no longer",
     tls_swap_keeps_the_old_while_they_are_used, WEIR_ONLY_TLS, NULL},
    {"pre-connect warms as many as are wanted", preconnect_warms, 0, NULL},
    {"pre-connect says what failed", preconnect_says_what_failed, 0, NULL},
    {"pre-connect keeps to the limits", preconnect_keeps_to_limits, 0, NULL},
    {"another network drains everything", network_change_drains, 0, NULL},
    {"a drain or another network wants a turn", upkeep_wants_a_turn, WEIR_ONLY_LOOP, NULL},
    {"another network asks for names anew", network_change_asks_anew, 0, NULL},
};

int main(void)
{
    return weir_world_run("upkeep", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
