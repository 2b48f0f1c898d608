/* SPDX-License-Identifier: MIT */
/*
 * The dials of a pre-connect go at the same time: their look-up, their attempts and their
 * handshakes. The wire carries nothing before all of them have come, so that one who dials one
 * after the other gets nowhere.
 *
 * pthread_mutex_lock() is wrapped by the linker: no hook may be called while this thread holds any
 * mutex.
 */
#include "support/mutexes.h"
#include "support/peer.h"
#include "support/relay.h"
#include "support/world.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DIALS = 6 };

typedef struct gathering {
    weir_relay *relay;
    weir_ask ask;
} gathering;

/* -- hooks that count -- */

typedef struct counting {
    size_t waits;
    size_t widest; /* descriptors of one wait, the seat's among them */
    size_t held;   /* hooks that were called with a mutex held */
    weir_lookup *lookup;
    size_t lookups;
} counting;

/* ::1 accepts nobody, 127.0.0.1 is the origin. */
static void answer(counting *all)
{
    const weir_address v6 = {.family = 6, .octets = {[15] = 1}, .ttl_seconds = 60};
    const weir_address v4 = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 60};
    weir_lookup *lookup = all->lookup;

    all->lookup = NULL;
    if (lookup != NULL) {
        weir_resolver_answer(lookup, 6, WEIR_OK, &v6, 1);
        weir_resolver_answer(lookup, 4, WEIR_OK, &v4, 1);
    }
}

static int wait_for(weir_poll *fds, size_t count, weir_time deadline_ns, void *user)
{
    counting *all = user;
    struct pollfd polls[64];
    const weir_time now_ns = weir_now();
    const weir_time left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    const weir_time ms = left_ns / WEIR_NS_PER_MS;

    all->waits++;
    all->held += weir_mutexes_held() != 0;
    all->widest = count > all->widest ? count : all->widest;
    answer(all);
    for (size_t i = 0; i < count && i < 64; i++) {
        polls[i] = (struct pollfd){.fd = fds[i].fd, .events = fds[i].events};
    }
    const int ready = poll(polls, count, ms < 10000 ? (int)ms + 1 : 10000);
    for (size_t i = 0; i < count && i < 64; i++) {
        fds[i].revents = polls[i].revents;
    }
    return ready;
}

/* Who pre-connects alone never parks: there is nobody who would wake it. */
static void park(void **parked, weir_time deadline_ns, void *user)
{
    (void)deadline_ns;
    ((counting *)user)->held += weir_mutexes_held() != 0;
    *parked = NULL;
}

static void wake(void **parked, void *user)
{
    (void)parked;
    ((counting *)user)->held += weir_mutexes_held() != 0;
}

static void begin_lookup(weir_lookup *lookup, weir_span host, void *user)
{
    counting *all = user;

    (void)host;
    all->lookup = lookup;
    all->lookups++;
}

static void end_lookup(weir_lookup *lookup, void *user)
{
    (void)lookup;
    ((counting *)user)->lookup = NULL;
}

/* -- */

/* One exchange on each connection. */
static weir_ask ask_for(weir_world *world, uint16_t port)
{
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    world->limits.streams_per_connection = 1;
    world->limits.h2_connections = 2 * DIALS;
    world->limits.connections_per_origin = 2 * DIALS;
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = port;
    return ask;
}

static void gather(weir_world *world, gathering *all, size_t connections, size_t ended)
{
    all->relay =
        weir_relay_start(world->way.tls ? world->origin->tls_port : world->origin->clear_port);
    weir_relay_gather(all->relay, connections, ended);
    all->ask = ask_for(world, weir_relay_port(all->relay));
}

static weir_status preconnect(weir_world *world, const weir_ask *ask, uint32_t exchanges)
{
    const weir_status status =
        weir_user_preconnect(weir_world_user(world), &ask->request, &ask->call, exchanges);

    world->begun++;
    return status;
}

/* One call on each of them, so that they are shown to work; its answer is longer than what a
 * connection takes of it unread. */
static void use_all(weir_world *world, const weir_ask *like, size_t connections)
{
    weir_exchange *held[DIALS] = {NULL};
    weir_ask ask = weir_world_ask(world, "/octets/3000000");
    const uint64_t dials = weir_world_counts(world).dials;

    ask.call.connect_to = like->call.connect_to;
    ask.call.connect_port = like->call.connect_port;
    for (size_t i = 0; i < connections; i++) {
        assert_int_equal(weir_world_call(world, &ask, &held[i]), WEIR_OK);
    }
    assert_int_equal(weir_world_counts(world).connections_active, connections);
    assert_int_equal(weir_world_counts(world).dials, dials);
    for (size_t i = 0; i < connections; i++) {
        weir_fetched fetched = {.called = WEIR_OK};
        weir_world_drain(world, held[i], &fetched);
        assert_int_equal(fetched.octets, 3000000);
        weir_world_drop(world, held[i]);
    }
}

/* What the peer's end looks like depends on whether it left the hello unread. */
static void assert_hung_up(weir_status status)
{
    if (status != WEIR_E_RESET && status != WEIR_E_TLS_CLOSED) {
        fail_msg("%s", weir_status_name(status));
    }
}

static void all_dials_go_at_once(weir_world *world)
{
    gathering all;

    gather(world, &all, DIALS, 0);
    assert_int_equal(preconnect(world, &all.ask, DIALS), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, DIALS);
    assert_int_equal(weir_world_counts(world).dials, DIALS);
    use_all(world, &all.ask, DIALS);
    weir_world_close(world);
    weir_relay_stop(all.relay);
}

/* It is told, and the others are there. */
static void one_that_fails_leaves_the_others(weir_world *world)
{
    gathering all;

    gather(world, &all, DIALS, 1);
    const weir_status status = preconnect(world, &all.ask, DIALS);
    assert_hung_up(status);
    while (weir_world_counts(world).connections_dialing > 0) {
        /* a loop says it at once, and its other dials go on */
        assert_int_equal(world->way.kind, WEIR_USER_LOOP);
        weir_loop_wait(weir_user_loop(world->user), WEIR_NEVER);
        weir_user_settle(world->user);
    }
    assert_int_equal(weir_world_counts(world).dial_failures, 1);
    assert_int_equal(weir_world_counts(world).connections_idle, DIALS - 1);
    use_all(world, &all.ask, DIALS - 1);
    weir_world_close(world);
    weir_relay_stop(all.relay);
}

/* One failed, another will never be done: the wish's own end is waited for and no longer. */
static void the_deadline_ends_those_that_are_left(weir_world *world)
{
    gathering all;

    gather(world, &all, DIALS, 1);
    weir_relay_set(all.relay, WEIR_RELAY_STALL);
    all.ask.call.deadline_ns = weir_now() + WEIR_NS_PER_SECOND / 5;
    const weir_status status = preconnect(world, &all.ask, DIALS);
    assert_hung_up(status);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_true(weir_now() >= all.ask.call.deadline_ns);
        assert_int_equal(weir_world_counts(world).connections_dialing, 0);
    }
    weir_world_close(world);
    weir_relay_stop(all.relay);
}

typedef struct canceller {
    weir_relay *relay;
    weir_token *token;
} canceller;

static void *cancel_when_all_came(void *user)
{
    const canceller *it = user;

    while (weir_relay_came(it->relay) < DIALS) {
        (void)poll(NULL, 0, 1);
    }
    weir_token_cancel(it->token);
    return NULL;
}

static void a_cancel_ends_all(weir_world *world)
{
    gathering all;
    pthread_t thread;

    gather(world, &all, DIALS + 1, 0);
    canceller it = {all.relay, weir_token_new(NULL)};
    all.ask.call.token = it.token;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_all_came, &it), 0);
    assert_int_equal(preconnect(world, &all.ask, DIALS), WEIR_E_CANCELLED);
    pthread_join(thread, NULL);
    weir_token_free(it.token);
    assert_int_equal(weir_world_counts(world).waiting, 0);
    if (world->way.kind == WEIR_USER_BLOCKING) {
        assert_int_equal(weir_world_counts(world).connections_dialing, 0); /* nobody would go on */
    }
    weir_world_close(world);
    weir_relay_stop(all.relay);
}

/* Through the hooks, one wait for all: a look-up that is answered late, for each dial an address
 * that accepts nobody and one beside it, and the handshakes. */
static void one_wait_for_all(weir_world *world)
{
    counting all = {0};
    weir_wait_hooks hooks = {sizeof(hooks), &all, wait_for, park, wake};
    weir_resolver resolver = {sizeof(resolver), &all, begin_lookup, end_lookup};
    weir_full_port blocked;
    gathering way;

    gather(world, &way, world->way.tls ? DIALS : 0, 0);
    const bool has_v6 = weir_full_port_open_v6(&blocked, weir_relay_port(way.relay));
    world->options.hooks = &hooks;
    world->options.resolver = &resolver;
    way.ask.call.connect_to = WEIR_SPAN("name.test");
    assert_int_equal(preconnect(world, &way.ask, DIALS), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, DIALS);
    assert_int_equal(all.lookups, 1);
    assert_int_equal(all.held, 0);
    assert_true(all.waits > 0);
    /* On a slow machine not all of them have their second attempt under way at the same time. */
    assert_true(all.widest > DIALS);
    use_all(world, &way.ask, DIALS);
    weir_world_close(world);
    weir_relay_stop(way.relay);
    if (has_v6) {
        weir_full_port_close(&blocked);
    }
}

/* -- a resolver that counts -- */

typedef struct asked {
    bool at_once;
    size_t starts;
    weir_lookup *lookup;
    pthread_t thread;
} asked;

static void say(weir_lookup *lookup)
{
    const weir_address v4 = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 60};

    weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
    weir_resolver_answer(lookup, 4, WEIR_OK, &v4, 1);
}

static void *say_later(void *user)
{
    say(((asked *)user)->lookup);
    return NULL;
}

/* Another question would find no thread for its answer: the wish would run into its deadline. */
static void start_counting(weir_lookup *lookup, weir_span host, void *user)
{
    asked *it = user;

    (void)host;
    it->starts++;
    if (it->at_once) {
        say(lookup);
    } else if (it->starts == 1) {
        it->lookup = lookup;
        (void)pthread_create(&it->thread, NULL, say_later, it);
    }
}

/* The thread of the only answer: with it no look-up is outstanding. */
static void end_counting(weir_lookup *lookup, void *user)
{
    asked *it = user;

    if (!it->at_once && lookup == it->lookup) {
        (void)pthread_join(it->thread, NULL);
        it->lookup = NULL;
    }
}

static void asks_once(weir_world *world, bool at_once)
{
    asked it = {.at_once = at_once};
    weir_resolver resolver = {sizeof(resolver), &it, start_counting, end_counting};
    weir_ask ask =
        ask_for(world, world->way.tls ? world->origin->tls_port : world->origin->clear_port);

    world->options.resolver = &resolver;
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.dns_ns = 5 * WEIR_NS_PER_SECOND;
    assert_int_equal(preconnect(world, &ask, DIALS), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, DIALS);
    assert_int_equal(it.starts, 1);
    weir_world_close(world);
    if (!at_once && it.lookup != NULL) {
        (void)pthread_join(it.thread, NULL);
    }
}

static void one_question_for_all(weir_world *world)
{
    asks_once(world, false);
}

static void one_question_for_all_answered_at_once(weir_world *world)
{
    asks_once(world, true);
}

/* More descriptors than a poll of one dial has room for. */
static void a_crowd_of_dials(weir_world *world)
{
    enum { CROWD = 120 };
    weir_ask ask = weir_world_ask(world, "/octets/10");

    world->limits.streams_per_connection = 1;
    world->limits.h2_connections = CROWD;
    world->limits.connections_per_origin = CROWD;
    assert_int_equal(preconnect(world, &ask, CROWD), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, CROWD);
}

/* The limits of `call` are those of each dial. */
static void each_dial_has_the_limits(weir_world *world)
{
    weir_full_port full;
    weir_ask ask = ask_for(world, world->origin->mute_port);

    ask.call.tls_ns = WEIR_NS_PER_SECOND / 20;
    ask.call.connect_ns = WEIR_NS_PER_SECOND / 20;
    if (world->way.tls) {
        assert_int_equal(preconnect(world, &ask, 3), WEIR_E_DEADLINE_TLS);
    }
    weir_full_port_open(&full);
    ask.call.connect_port = full.port;
    assert_int_equal(preconnect(world, &ask, 3), WEIR_E_DEADLINE_CONNECT);
    weir_world_close(world);
    weir_full_port_close(&full);
}

static const weir_behaviour behaviours[] = {
    {"all dials go at once", all_dials_go_at_once, WEIR_ONLY_TLS, NULL},
    {"one dial that fails leaves the others", one_that_fails_leaves_the_others, WEIR_ONLY_TLS,
     NULL},
    {"the deadline ends those that are left", the_deadline_ends_those_that_are_left, WEIR_ONLY_TLS,
     NULL},
    {"a cancel ends all", a_cancel_ends_all, WEIR_ONLY_TLS, NULL},
    {"one wait for all, through the hooks", one_wait_for_all, WEIR_ONLY_BLOCKING, NULL},
    {"one question for all dials", one_question_for_all, 0, NULL},
    {"one question for all dials, answered at once", one_question_for_all_answered_at_once, 0,
     NULL},
    {"a crowd of dials", a_crowd_of_dials, WEIR_ONLY_CLEAR, NULL},
    {"each dial has the limits of the call", each_dial_has_the_limits, 0, NULL},
};

int main(void)
{
    return weir_world_run("preconnect", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
