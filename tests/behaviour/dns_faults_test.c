/* SPDX-License-Identifier: MIT */
/*
 * What a resolver may answer that helps nobody, and addresses behind which nobody is: a call ends
 * with the right status or finds the address that lives, and the next call is unharmed.
 *
 * The resolver is the test's: it says what a server would, through the door that c-ares uses too.
 * What c-ares makes of packets is engine/resolve's.
 */
#include "support/kernel.h"
#include "support/peer.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 4000

typedef struct names {
    weir_resolver resolver;
    weir_status v6_status;
    weir_address v6[2];
    size_t v6_count;
    weir_status v4_status;
    weir_address v4[MANY];
    size_t v4_count;
    bool is_late; /* answers only while it is told that nobody wants to know any more */
    size_t asked;
    size_t octets; /* of the name that was asked for last */
    size_t cancels;
} names;

static void give(weir_lookup *lookup, const names *known)
{
    weir_resolver_answer(lookup, 6, known->v6_status, known->v6, known->v6_count);
    weir_resolver_answer(lookup, 4, known->v4_status, known->v4, known->v4_count);
}

static void start(weir_lookup *lookup, weir_span host, void *user)
{
    names *known = user;

    known->asked++;
    known->octets = host.length;
    if (!known->is_late) {
        give(lookup, known);
    }
}

static void cancel(weir_lookup *lookup, void *user)
{
    names *known = user;

    known->cancels++;
    give(lookup, known);
}

static weir_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (weir_address){.family = 4, .octets = {a, b, c, d}};
}

static weir_address v6_loopback(void)
{
    return (weir_address){.family = 6, .octets = {[15] = 1}};
}

static names *begin(weir_world *world)
{
    static names known;

    known = (names){.v4_count = 0};
    known.resolver = (weir_resolver){sizeof(known.resolver), &known, start, cancel};
    world->options.resolver = &known.resolver;
    return &known;
}

static uint16_t good_port(const weir_world *world)
{
    return world->way.tls ? world->origin->tls_port : world->origin->clear_port;
}

static weir_ask ask_to(weir_world *world, weir_span connect_to)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.connect_to = connect_to;
    ask.call.connect_port = good_port(world);
    return ask;
}

static void assert_fetches(weir_world *world, const weir_ask *ask)
{
    const weir_fetched fetched = weir_world_fetch(world, ask);

    assert_int_equal(fetched.called, WEIR_OK);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.octets, 10);
}

static void assert_ends(weir_world *world, const weir_ask *ask, weir_status status)
{
    const weir_fetched fetched = weir_world_fetch(world, ask);

    assert_int_equal(fetched.called, status);
    assert_int_equal(fetched.failure.phase, WEIR_PHASE_DNS);
    assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
}

typedef struct fault {
    weir_status answered; /* in both families */
    weir_status ended;
} fault;

static void an_answer_without_addresses(weir_world *world)
{
    const fault *shown = world->with;
    names *known = begin(world);
    const weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));

    known->v4_status = shown->answered;
    known->v6_status = shown->answered;
    assert_ends(world, &ask, shown->ended);
    /* Another name is unharmed. */
    known->v4_status = WEIR_OK;
    known->v4[known->v4_count++] = v4(127, 0, 0, 1);
    const weir_ask other = ask_to(world, WEIR_SPAN("other.test"));
    assert_fetches(world, &other);
    assert_int_equal(known->asked, 2);
    weir_world_close(world);
}

/* The limit of the look-up ends it; what the resolver says while it is told so is nobody's. */
static void an_answer_after_the_call_left(weir_world *world)
{
    names *known = begin(world);
    weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));

    known->is_late = true;
    known->v4[known->v4_count++] = v4(127, 0, 0, 1);
    ask.call.dns_ns = 20 * WEIR_NS_PER_MS;
    assert_ends(world, &ask, WEIR_E_DEADLINE_DNS);
    weir_user_settle(weir_world_user(world));
    assert_int_equal(known->cancels, 1);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECT_STARTED), 0);
    known->is_late = false;
    assert_fetches(world, &ask);
    assert_int_equal(known->asked, 2); /* it was not remembered either */
    weir_world_close(world);
}

/* Of which the i-th lives, and behind the others is nobody. */
static void thousands_of_addresses(weir_world *world)
{
    const size_t *lives = world->with;
    names *known = begin(world);
    const weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));
    weir_exchange *exchange = NULL;

    for (size_t i = 0; i < MANY; i++) {
        known->v4[i] = v4(127, 1, (uint8_t)(i / 250), (uint8_t)(1 + i % 250));
    }
    known->v4[*lives] = v4(127, 0, 0, 1);
    known->v4_count = MANY;
    const weir_status status = weir_world_call(world, &ask, &exchange);
    const size_t tried = weir_exchange_connect_attempt_count(exchange) +
                         weir_exchange_connect_attempts_left_out(exchange);
    if (*lives < 32) {
        assert_int_equal(status, WEIR_OK);
        assert_int_equal(tried, *lives + 1);
    } else {
        assert_int_equal(status, WEIR_E_CONNECT_REFUSED);
        assert_int_equal(tried, 32);
    }
    weir_world_drop(world, exchange);
    weir_world_close(world);
}

static void one_address_many_times(weir_world *world)
{
    names *known = begin(world);
    const weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));
    weir_exchange *exchange = NULL;

    for (size_t i = 0; i < 10; i++) {
        known->v4[known->v4_count++] = v4(127, 1, 1, 1); /* nobody's */
    }
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_CONNECT_REFUSED);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 1);
    weir_world_drop(world, exchange);
    weir_world_close(world);
}

static void dead_ipv6_and_live_ipv4(weir_world *world)
{
    names *known = begin(world);
    const weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));
    weir_connect_attempt attempt = WEIR_CONNECT_ATTEMPT_INIT;
    weir_exchange *exchange = NULL;
    weir_full_port hole;

    if (!weir_full_port_open_v6(&hole, good_port(world))) {
        weir_world_skip(world);
    }
    known->v6[known->v6_count++] = v6_loopback();
    known->v4[known->v4_count++] = v4(127, 0, 0, 1);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_exchange_connect_attempt_count(exchange), 2);
    assert_true(weir_exchange_connect_attempt_at(exchange, 0, &attempt));
    assert_int_equal(attempt.family, 6);
    assert_true(attempt.unfinished);
    const weir_time began_ns = attempt.began_ns;
    assert_true(weir_exchange_connect_attempt_at(exchange, 1, &attempt));
    assert_int_equal(attempt.family, 4);
    assert_true(attempt.won);
    /* RFC 8305 s5: after the delay of 250 ms, and for the rest as soon as the machine gets to it.
     */
    assert_true(attempt.began_ns - began_ns >= 250 * WEIR_NS_PER_MS);
    assert_true(attempt.began_ns - began_ns < 2 * WEIR_NS_PER_SECOND);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_full_port_close(&hole);
}

/* The resolver is asked for a name of 253 octets and the final dot, the longest there is (RFC 1035
 * s2.3.4), and for none that is longer. */
static void the_longest_name(weir_world *world)
{
    static uint8_t name[254];
    names *known = begin(world);

    memset(name, 'a', sizeof(name));
    for (size_t i = 50; i < sizeof(name); i += 51) {
        name[i] = '.';
    }
    const weir_ask longer = ask_to(world, (weir_span){name, sizeof(name)});
    assert_int_equal(weir_world_fetch(world, &longer).called, WEIR_E_INVALID);
    name[sizeof(name) - 1] = '.';
    known->v4[known->v4_count++] = v4(127, 0, 0, 1);
    const weir_ask longest = ask_to(world, (weir_span){name, sizeof(name)});
    assert_fetches(world, &longest);
    assert_int_equal(known->octets, sizeof(name));
    assert_int_equal(known->asked, 1);
    weir_world_close(world);
}

/* The last attempt found no address and sent nothing, but the first may have been acted on: the
 * status is the last one's, `processed` is of all of them. */
static void an_attempt_after_one_that_was_sent(weir_world *world)
{
    static const weir_peer_turn dies[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_GO_ON, 0},
        {NULL, WEIR_PEER_FIN, 0}};
    static const weir_peer_turn *const scripts[] = {dies};
    weir_peer *peer = weir_peer_start(scripts, 1);
    names *known = begin(world);
    weir_ask ask = ask_to(world, WEIR_SPAN("name.test"));
    weir_attempt attempt = WEIR_ATTEMPT_INIT;
    weir_exchange *exchange = NULL;

    ask.call.connect_port = weir_peer_port(peer);
    known->v4[known->v4_count++] = v4(127, 0, 0, 1);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    weir_kernel_leap(2 * WEIR_NS_PER_SECOND); /* the answer has run out */
    known->v4_count = 0;
    known->v4_status = WEIR_E_DNS_NOT_FOUND;
    known->v6_status = WEIR_E_DNS_NOT_FOUND;
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(weir_exchange_failure(exchange).status, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(weir_exchange_failure(exchange).processed, WEIR_MAYBE_PROCESSED);
    assert_true(weir_exchange_attempt_at(exchange, 0, &attempt));
    assert_int_equal(attempt.failure.status, WEIR_E_CLOSED_EARLY);
    assert_int_equal(attempt.failure.processed, WEIR_MAYBE_PROCESSED);
    weir_world_drop(world, exchange);
    weir_world_close(world);
    weir_peer_stop(peer);
}

static const fault absent = {WEIR_E_DNS_NOT_FOUND, WEIR_E_DNS_NOT_FOUND};
static const fault broken = {WEIR_E_DNS_FAILED, WEIR_E_DNS_FAILED};
static const fault silent = {WEIR_E_DEADLINE_DNS, WEIR_E_DEADLINE_DNS};
static const fault empty = {WEIR_OK, WEIR_E_DNS_NOT_FOUND};
static const size_t early = 20;
static const size_t too_late = MANY - 1;

static const weir_behaviour behaviours[] = {
    {"a name that does not exist", an_answer_without_addresses, 0, &absent},
    {"a server that fails", an_answer_without_addresses, 0, &broken},
    {"a server that the resolver got no answer from", an_answer_without_addresses, 0, &silent},
    {"an answer with no address in it", an_answer_without_addresses, 0, &empty},
    {"an answer after the call left", an_answer_after_the_call_left, 0, NULL},
    {"thousands of addresses, of which an early one lives", thousands_of_addresses, 0, &early},
    {"thousands of addresses, of which the last one lives", thousands_of_addresses, 0, &too_late},
    {"one address many times", one_address_many_times, 0, NULL},
    {"dead IPv6 and live IPv4", dead_ipv6_and_live_ipv4, 0, NULL},
    {"an attempt that finds no address, after one that was sent",
     an_attempt_after_one_that_was_sent, WEIR_ONLY_H1 | WEIR_ONLY_CLEAR, NULL},
    {"the longest name, and one that is longer", the_longest_name, 0, NULL},
};

int main(void)
{
    return weir_world_run("dns_faults", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
