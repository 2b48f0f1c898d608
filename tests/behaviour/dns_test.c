/* SPDX-License-Identifier: MIT */
/*
 * Connections are tied to the answers that they came from: a name whose answer has run out is asked
 * for again while it has connections, and one whose address is not in the new answer drains.
 *
 * The resolver is the test's, its answers last for a second, and everything else waits for what it
 * waits for: the loop for its own deadline, the blocking front end for the time that
 * weir_client_maintain() answered.
 */
#include "support/world.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct names {
    weir_resolver resolver;
    weir_status status;
    uint32_t ttl_seconds;
    uint8_t last; /* octet of 127.0.0.0/8 */
    size_t asked;
    bool later; /* the test answers, with `lookup` */
    weir_lookup *lookup;
    weir_client *crossed; /* somebody else looks after it while it asks */
    weir_observer observer;
    char connected[8][48];
    size_t connects;
} names;

static void answer(const names *known, weir_lookup *lookup)
{
    const weir_address address = {
        .family = 4, .octets = {127, 0, 0, known->last}, .ttl_seconds = known->ttl_seconds};

    weir_resolver_answer(lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    weir_resolver_answer(lookup, 4, known->status, &address, known->status == WEIR_OK ? 1 : 0);
}

static void *maintain(void *user)
{
    (void)weir_client_maintain(user);
    return NULL;
}

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    names *known = user;
    pthread_t other;

    (void)host;
    known->asked++;
    if (known->crossed != NULL) {
        assert_int_equal(pthread_create(&other, NULL, maintain, known->crossed), 0);
        assert_int_equal(pthread_join(other, NULL), 0);
    }
    known->lookup = lookup;
    if (!known->later) {
        answer(known, lookup);
    }
}

static void end(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

static void note(const weir_event *event, void *user)
{
    names *known = user;

    if (event->kind == WEIR_EVENT_CONNECT_STARTED && known->connects < 8) {
        (void)snprintf(known->connected[known->connects++], sizeof(known->connected[0]), "%s",
                       event->address);
    }
}

static void begin(weir_world *world, names *known)
{
    *known = (names){.last = 1, .ttl_seconds = 1};
    known->observer = (weir_observer){.size = sizeof(weir_observer), .user = known, .tell = note};
    known->resolver = (weir_resolver){sizeof(weir_resolver), known, start, end};
    world->options.resolver = &known->resolver;
    world->limits.address_left_ns = 1; /* at once */
}

static weir_ask ask_for(weir_world *world, names *known, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);

    ask.request.url = weir_world_url_of(world, "a.test", path);
    ask.call.observer = &known->observer;
    return ask;
}

static void fetch(weir_world *world, names *known)
{
    const weir_ask ask = ask_for(world, known, "/octets/1000");
    const weir_fetched fetched = weir_world_fetch(world, &ask);

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 1000);
}

/* Until the name was asked for once more, and what that means was done. */
static void await_question(weir_world *world, const names *known)
{
    weir_user *user = weir_world_user(world);
    const size_t before = known->asked;

    while (known->asked == before) {
        if (weir_user_loop(user) != NULL) {
            weir_loop_wait(weir_user_loop(user), WEIR_NEVER);
            weir_user_settle(user);
        } else {
            const weir_time next_ns = weir_client_maintain(weir_user_client(user));
            const weir_time now_ns = weir_now();
            if (known->asked == before) {
                assert_true(next_ns < now_ns + 10 * WEIR_NS_PER_SECOND);
                (void)poll(NULL, 0, next_ns > now_ns ? (int)((next_ns - now_ns) / 1000000) + 1 : 0);
            }
        }
    }
    weir_user_settle(user);
}

static void assert_connected_to(const names *known, size_t count, const char *address)
{
    assert_int_equal(known->connects, count);
    assert_string_equal(known->connected[count - 1], address);
}

static size_t closed_by_dns(const weir_world *world)
{
    return weir_world_told_why(world, WEIR_EVENT_CONNECTION_CLOSED, "address_left_dns");
}

static void new_calls_go_to_the_new_address(weir_world *world)
{
    names known;

    begin(world, &known);
    fetch(world, &known);
    assert_connected_to(&known, 1, "127.0.0.1");
    known.last = 2;
    await_question(world, &known);
    assert_int_equal(closed_by_dns(world), 1);
    fetch(world, &known);
    assert_connected_to(&known, 2, "127.0.0.2");
    assert_int_equal(known.asked, 2); /* what was learned is remembered */
    weir_world_close(world);
}

static void a_call_under_way_ends_where_it_is(weir_world *world)
{
    weir_exchange *exchange = NULL;
    weir_fetched fetched = {.called = WEIR_OK};
    names known;

    begin(world, &known);
    const weir_ask ask = ask_for(world, &known, "/octets/3000000");
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    known.last = 2;
    await_question(world, &known);
    assert_int_equal(closed_by_dns(world), 0);
    fetch(world, &known);
    assert_connected_to(&known, 2, "127.0.0.2");
    weir_world_drain(world, exchange, &fetched);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 3000000);
    weir_world_drop(world, exchange);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(closed_by_dns(world), 1);
    weir_world_close(world);
}

/* With a failure, and when the name has no address left: nothing better is known. */
static void without_an_answer_all_stays(weir_world *world)
{
    const weir_status *status = world->with;
    names known;

    begin(world, &known);
    fetch(world, &known);
    known.status = *status;
    await_question(world, &known);
    fetch(world, &known);
    assert_connected_to(&known, 1, "127.0.0.1");
    assert_int_equal(closed_by_dns(world), 0);
    weir_world_close(world);
}

static void the_same_address_stays(weir_world *world)
{
    names known;

    begin(world, &known);
    fetch(world, &known);
    await_question(world, &known);
    const uint64_t blocks = atomic_load(&world->memory.live);
    await_question(world, &known); /* each time for as long as it counts */
    assert_true(atomic_load(&world->memory.live) <= blocks); /* nothing of a question is left */
    fetch(world, &known);
    assert_connected_to(&known, 1, "127.0.0.1");
    assert_int_equal(closed_by_dns(world), 0);
    weir_world_close(world);
}

/* Never: names are not asked for again. */
static void it_can_be_switched_off(weir_world *world)
{
    names known;
    weir_exchange *exchange = NULL;

    begin(world, &known);
    world->limits.address_left_ns = WEIR_NEVER;
    fetch(world, &known);
    /* In use, the connection has no deadline of its own that is near. */
    const weir_ask ask = ask_for(world, &known, WEIR_LONG_ANSWER);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (weir_user_loop(weir_world_user(world)) != NULL) {
        const weir_loop *loop = weir_user_loop(weir_world_user(world));
        assert_true(weir_loop_deadline(loop) > weir_now() + 10 * WEIR_NS_PER_SECOND);
    } else {
        assert_true(weir_client_maintain(weir_user_client(weir_world_user(world))) >
                    weir_now() + 10 * WEIR_NS_PER_SECOND);
    }
    weir_world_end_long(world, exchange);
    weir_world_close(world);
}

/* What one learns, the other that shares it applies at its next request, without asking. */
static void what_another_learned_is_applied(weir_world *world)
{
    weir_status status = WEIR_E_STATE;
    weir_exchange *exchange = NULL;
    names known;

    begin(world, &known);
    fetch(world, &known);
    known.last = 2;
    weir_user_options options = world->options;
    options.observer = NULL;
    options.limits = NULL;
    weir_user *other = weir_user_new(&options, &status);
    assert_non_null(other);
    /* The answer has run out by the time the other dials: it asks. */
    const weir_time until_ns = weir_now() + WEIR_NS_PER_SECOND;
    while (weir_now() < until_ns) {
        (void)poll(NULL, 0, 10);
    }
    weir_ask ask = ask_for(world, &known, "/octets/10");
    ask.call.observer = NULL;
    assert_int_equal(weir_user_call(other, &ask.request, &ask.call, &exchange), WEIR_OK);
    weir_user_drop(other, exchange);
    weir_user_free(other);
    assert_int_equal(known.asked, 2);
    fetch(world, &known); /* where it was, and that connection is over with it */
    assert_connected_to(&known, 1, "127.0.0.1");
    weir_user_settle(weir_world_user(world));
    assert_int_equal(closed_by_dns(world), 1);
    fetch(world, &known);
    assert_connected_to(&known, 2, "127.0.0.2");
    assert_int_equal(known.asked, 2);
    weir_world_close(world);
}

/* Also when no answer of its own has run out meanwhile. */
static void what_another_asked_anew_is_applied(weir_world *world)
{
    weir_status status = WEIR_E_STATE;
    weir_exchange *exchange = NULL;
    names known;

    begin(world, &known);
    known.ttl_seconds = 60;
    fetch(world, &known);
    known.last = 2;
    weir_user_options options = world->options;
    options.observer = NULL;
    options.limits = NULL;
    weir_user *other = weir_user_new(&options, &status);
    assert_non_null(other);
    if (weir_user_loop(other) != NULL) {
        weir_loop_network_changed(weir_user_loop(other));
    } else {
        weir_client_network_changed(weir_user_client(other));
    }
    weir_ask ask = ask_for(world, &known, "/octets/10");
    ask.call.observer = NULL;
    assert_int_equal(weir_user_call(other, &ask.request, &ask.call, &exchange), WEIR_OK);
    weir_user_drop(other, exchange);
    weir_user_free(other);
    assert_int_equal(known.asked, 2);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(closed_by_dns(world), 0); /* nobody looks before its next request */
    fetch(world, &known);
    assert_connected_to(&known, 1, "127.0.0.1");
    weir_user_settle(weir_world_user(world));
    assert_int_equal(closed_by_dns(world), 1);
    weir_world_close(world);
}

/* Until the answer has come its user is told to look again soon; two that do at the same time do not
 * get in each other's way. */
static void an_answer_that_comes_later(weir_world *world)
{
    weir_time next_ns = WEIR_NEVER;
    names known;

    begin(world, &known);
    fetch(world, &known);
    weir_client *client = weir_user_client(world->user);
    known.later = true;
    known.last = 2;
    known.crossed = client;
    for (next_ns = weir_client_maintain(client); known.asked == 1;
         next_ns = weir_client_maintain(client)) {
        const weir_time now_ns = weir_now();
        (void)poll(NULL, 0, next_ns > now_ns ? (int)((next_ns - now_ns) / 1000000) + 1 : 0);
    }
    assert_true(next_ns < weir_now() + WEIR_NS_PER_SECOND);
    known.crossed = NULL;
    assert_int_equal(closed_by_dns(world), 0);
    answer(&known, known.lookup);
    (void)weir_client_maintain(client);
    assert_int_equal(closed_by_dns(world), 1);
    assert_int_equal(known.asked, 2);
    weir_world_close(world);
}

static const weir_status failed = WEIR_E_DNS_FAILED;
static const weir_status gone = WEIR_E_DNS_NOT_FOUND;

static const weir_behaviour behaviours[] = {
    {"new calls go to the new address", new_calls_go_to_the_new_address, 0, NULL},
    {"a call under way ends where it is", a_call_under_way_ends_where_it_is, 0, NULL},
    {"a look-up that fails changes nothing", without_an_answer_all_stays, 0, &failed},
    {"a name that is gone changes nothing", without_an_answer_all_stays, WEIR_ONLY_CLEAR, &gone},
    {"the same address stays", the_same_address_stays, WEIR_ONLY_CLEAR, NULL},
    {"it can be switched off", it_can_be_switched_off, WEIR_ONLY_CLEAR, NULL},
    {"what another learned is applied", what_another_learned_is_applied, WEIR_ONLY_CLEAR, NULL},
    {"what another asked anew is applied", what_another_asked_anew_is_applied, WEIR_ONLY_CLEAR,
     NULL},
    {"an answer that comes later is taken", an_answer_that_comes_later,
     WEIR_ONLY_CLEAR | WEIR_ONLY_BLOCKING, NULL},
};

int main(void)
{
    const char *const arguments[] = {"--bind", "0.0.0.0", NULL};

    return weir_world_run("dns", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), arguments);
}
