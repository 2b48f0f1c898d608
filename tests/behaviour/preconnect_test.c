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
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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

/* What is said of it, and what the attempt comes to, are one thing; NULL: it is made. */
static void assert_flaw(weir_world *world, const weir_ask *ask, uint32_t exchanges,
                        const char *said)
{
    weir_user *user = weir_world_user(world);
    const char *flaw = weir_preconnect_flaw(&ask->request, &ask->call, exchanges);
    const weir_status status = weir_user_preconnect(user, &ask->request, &ask->call, exchanges);

    if (said == NULL) {
        assert_null(flaw);
        assert_int_equal(status, WEIR_OK);
    } else {
        assert_non_null(flaw);
        assert_non_null(strstr(flaw, said));
        assert_int_equal(status, WEIR_E_INVALID);
    }
}

static void what_makes_it_invalid_is_said(weir_world *world)
{
    weir_ask good = weir_world_ask(world, "/octets/1");
    weir_ask ask = good;

    good.call.observer = NULL; /* some are refused before they are begun, and told nobody */
    ask.call.observer = NULL;
    assert_flaw(world, &good, 0, "exchanges is 0");
    ask.request.size = 0;
    assert_flaw(world, &ask, 1, "the weir_request has no size");
    ask = good;
    ask.call.size = 0;
    assert_flaw(world, &ask, 1, "the weir_call has no size");
    ask = good;
    ask.call.pin = (weir_protocol)77;
    assert_flaw(world, &ask, 1, "call.pin");
    ask = good;
    ask.call.connect_to = WEIR_SPAN("[::1]");
    assert_flaw(world, &ask, 1, "call.connect_to has brackets");
    ask = good;
    ask.call.connect_port = 80;
    assert_flaw(world, &ask, 1, "call.connect_port is given without connect_to");
    ask = good;
    ask.request.body.kind = (weir_body_kind)77; /* that is not looked at */
    assert_flaw(world, &ask, 1, NULL);
    assert_non_null(strstr(weir_preconnect_flaw(NULL, NULL, 1), "no weir_request"));
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

/* -- a wish that is content before its dials are done -- */

enum { WISHED = 2, CALLS = 2 * WISHED, WISH = CALLS, ANSWERER, CROWDERS };
/* One of the wish, for both of its dials, and one of each call that dials. */
enum { QUESTIONS = 1 + CALLS - WISHED };

typedef enum content_end { ALL_ARE_MADE, TOKEN_ENDS_THEM, DEADLINE_ENDS_THEM } content_end;

typedef struct content {
    weir_world *world;
    const weir_ask *ask;
    content_end end;
    weir_token *token;
    atomic_size_t starts;
    weir_lookup *_Atomic held[QUESTIONS]; /* the first is the wish's */
    atomic_size_t heads;
    atomic_size_t served;
    weir_status ended[CROWDERS];
} content;

static void start_holding(weir_lookup *lookup, weir_span host, void *user)
{
    content *all = user;
    const size_t index = atomic_load(&all->starts); /* one after the other: see await_question() */

    (void)host;
    if (index < QUESTIONS) {
        atomic_store(&all->held[index], lookup);
    }
    atomic_fetch_add(&all->starts, 1);
}

static void end_holding(weir_lookup *lookup, void *user)
{
    content *all = user;

    if (lookup == atomic_load(&all->held[0])) {
        atomic_store(&all->held[0], NULL); /* dropped, before the wish was told to end */
    }
}

static void await_questions(const content *all, size_t count)
{
    while (atomic_load(&all->starts) < count) {
        (void)sched_yield();
    }
}

/* Those that dial come one after the other, so that each finds its place in held[]. */
static void enter_the_queue(const content *all, weir_user *user, size_t index)
{
    await_questions(all, index < WISHED ? 1 : index - WISHED + 1);
    weir_user_await_waiting(user, index);
}

static void answer_the_crowd(content *all, weir_user *user)
{
    await_questions(all, QUESTIONS);
    weir_user_await_waiting(user, CALLS);
    for (size_t i = 1; i < QUESTIONS; i++) {
        weir_world_answer(atomic_load(&all->held[i]));
    }
    while (atomic_load(&all->served) < CALLS) {
        (void)sched_yield();
    }
    weir_lookup *of_wish = atomic_load(&all->held[0]);
    if (all->end == ALL_ARE_MADE && of_wish != NULL) {
        weir_world_answer(of_wish);
    } else if (all->end == TOKEN_ENDS_THEM) {
        weir_token_cancel(all->token);
    }
}

/* The first that are served keep their connections until there are as many as were wished for. */
static weir_status call_in_the_crowd(content *all, const weir_ask *ask)
{
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.called = weir_world_call(all->world, ask, &exchange)};

    fetched.ended = fetched.called;
    if (fetched.called == WEIR_OK) {
        atomic_fetch_add(&all->heads, 1);
        while (atomic_load(&all->heads) < WISHED) {
            (void)sched_yield();
        }
        weir_world_drain(all->world, exchange, &fetched);
    }
    weir_world_drop(all->world, exchange);
    return fetched.ended;
}

static void one_of_the_crowd(weir_user *user, size_t index, void *shared)
{
    content *all = shared;
    weir_ask ask = *all->ask;

    if (index == WISH) {
        ask.call.token = all->token;
        ask.call.deadline_ns =
            all->end == DEADLINE_ENDS_THEM ? weir_now() + 3 * WEIR_NS_PER_SECOND : 0;
        all->ended[index] = weir_user_preconnect(user, &ask.request, &ask.call, WISHED);
    } else if (index == ANSWERER) {
        answer_the_crowd(all, user);
    } else {
        enter_the_queue(all, user, index);
        all->ended[index] = call_in_the_crowd(all, &ask);
        atomic_fetch_add(&all->served, 1);
    }
}

/*
 * The dials of the wish wait for their name. Four calls come: two of them wait for those dials, the
 * others dial. Then there are as many connections as were wished for, and the wish's own dials go
 * on until they are done, or until it is told to end.
 */
static void content_before_its_dials(weir_world *world)
{
    content all = {
        .world = world, .end = *(const content_end *)world->with, .token = weir_token_new(NULL)};
    weir_resolver resolver = {sizeof(resolver), &all, start_holding, end_holding};
    weir_ask ask =
        ask_for(world, world->way.tls ? world->origin->tls_port : world->origin->clear_port);

    world->options.resolver = &resolver;
    ask.request.url = weir_world_url(world, WEIR_LONG_ANSWER);
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.dns_ns = 30 * WEIR_NS_PER_SECOND;
    all.ask = &ask;
    weir_user_together(weir_world_user(world), CROWDERS, one_of_the_crowd, &all);
    world->begun++; /* the wish */
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(all.ended[i], WEIR_END);
    }
    assert_int_equal(all.ended[WISH], WEIR_OK);
    const weir_counts counts = weir_world_counts(world);
    assert_int_equal(counts.dials, CALLS);
    assert_int_equal(counts.dial_failures, 0);
    assert_int_equal(counts.connections_idle, all.end == ALL_ARE_MADE ? CALLS : CALLS - WISHED);
    assert_int_equal(counts.connections_dialing, 0);
    weir_world_close(world);
    weir_token_free(all.token);
}

static const content_end ends[] = {ALL_ARE_MADE, TOKEN_ENDS_THEM, DEADLINE_ENDS_THEM};

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

/* Those that close for it still have their places when the next are wished for. */
static void again_after_the_network_changed(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    world->limits.connections_per_origin = 1;
    assert_int_equal(preconnect(world, &ask, 1), WEIR_OK);
    if (weir_user_loop(world->user) != NULL) {
        weir_loop_network_changed(weir_user_loop(world->user));
    } else {
        weir_client_network_changed(weir_user_client(world->user));
    }
    assert_int_equal(preconnect(world, &ask, 1), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
    assert_int_equal(weir_world_counts(world).dials, 2);
}

static const weir_behaviour behaviours[] = {
    {"what makes one invalid is said", what_makes_it_invalid_is_said, 0, NULL},
    {"all dials go at once", all_dials_go_at_once, WEIR_ONLY_TLS, NULL},
    {"one dial that fails leaves the others", one_that_fails_leaves_the_others, WEIR_ONLY_TLS,
     NULL},
    {"the deadline ends those that are left", the_deadline_ends_those_that_are_left, WEIR_ONLY_TLS,
     NULL},
    {"a cancel ends all", a_cancel_ends_all, WEIR_ONLY_TLS, NULL},
    {"one wait for all, through the hooks", one_wait_for_all, WEIR_ONLY_BLOCKING, NULL},
    {"a wish that others made content goes on", content_before_its_dials, WEIR_ONLY_BLOCKING,
     &ends[0]},
    {"... until it is cancelled", content_before_its_dials, WEIR_ONLY_BLOCKING, &ends[1]},
    /* The calls must be over by then, which handshakes may not be on a slow machine. */
    {"... or its deadline passes", content_before_its_dials, WEIR_ONLY_BLOCKING | WEIR_ONLY_CLEAR,
     &ends[2]},
    {"a crowd of dials", a_crowd_of_dials, WEIR_ONLY_CLEAR, NULL},
    {"each dial has the limits of the call", each_dial_has_the_limits, 0, NULL},
    {"again after the network changed", again_after_the_network_changed, 0, NULL},
};

int main(void)
{
    return weir_world_run("preconnect", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
