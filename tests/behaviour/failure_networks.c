/* SPDX-License-Identifier: MIT */
/* Names that are not resolved and addresses that are not reached; what is tried, in which order,
 * and what is told of it. */
#include "failures.h"
#include "support/peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* What a scripted resolver answers to every name, at once. */
typedef struct names {
    weir_status v4_status;
    weir_address v4[4];
    size_t v4_count;
    weir_status v6_status;
    weir_address v6[2];
    size_t v6_count;
    size_t asked;
} names;

static void answer(weir_lookup *lookup, weir_span host, void *user)
{
    names *known = user;

    (void)host;
    known->asked++;
    weir_resolver_answer(lookup, 6, known->v6_status, known->v6, known->v6_count);
    weir_resolver_answer(lookup, 4, known->v4_status, known->v4, known->v4_count);
}

static void nothing_to_cancel(weir_lookup *lookup, void *user)
{
    (void)lookup;
    (void)user;
}

static weir_address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (weir_address){.family = 4, .octets = {a, b, c, d}, .ttl_seconds = 60};
}

/* GET of the origin's path, at an address that `known` gives. */
static weir_fetched fetch_through(weir_world *world, names *known, uint16_t port)
{
    weir_resolver resolver = {sizeof(resolver), known, answer, nothing_to_cancel};
    weir_ask ask = weir_world_ask(world, "/octets/10");

    world->options.resolver = &resolver;
    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = port;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    weir_world_close(world);
    world->options.resolver = NULL;
    return fetched;
}

static uint16_t good_port(const weir_world *world)
{
    return world->way.tls ? world->origin->tls_port : world->origin->clear_port;
}

static void name_not_found(weir_world *world)
{
    names known = {.v4_status = WEIR_E_DNS_NOT_FOUND, .v6_status = WEIR_E_DNS_NOT_FOUND};
    const weir_fetched fetched = fetch_through(world, &known, good_port(world));

    assert_int_equal(fetched.called, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(fetched.failure.phase, WEIR_PHASE_DNS);
    assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
}

/* One family does not exist, of the other nobody knows: that is no absence. */
static void servers_failed(weir_world *world)
{
    names known = {.v4_status = WEIR_E_DNS_FAILED, .v6_status = WEIR_E_DNS_NOT_FOUND};
    const weir_fetched fetched = fetch_through(world, &known, good_port(world));

    assert_int_equal(fetched.called, WEIR_E_DNS_FAILED);
}

static void refused(weir_world *world)
{
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};
    const weir_fetched fetched = fetch_through(world, &known, weir_free_port());

    assert_int_equal(fetched.called, WEIR_E_CONNECT_REFUSED);
    assert_int_equal(fetched.failure.phase, WEIR_PHASE_CONNECT);
    assert_int_not_equal(fetched.failure.sys_errno, 0);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECT_STARTED), 1);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECT_DONE), 1);
}

/* TCP to the broadcast address is refused by the kernel itself: no octet leaves this machine. */
static void unreachable(weir_world *world)
{
    names known = {.v4 = {v4(255, 255, 255, 255)}, .v4_count = 1};
    const weir_fetched fetched = fetch_through(world, &known, good_port(world));

    assert_int_equal(fetched.called, WEIR_E_CONNECT_UNREACHABLE);
}

static void different_failures(weir_world *world)
{
    names known = {.v4 = {v4(255, 255, 255, 255), v4(127, 0, 0, 1)}, .v4_count = 2};
    const weir_fetched fetched = fetch_through(world, &known, weir_free_port());

    assert_int_equal(fetched.called, WEIR_E_CONNECT_FAILED);
    assert_int_equal(weir_world_told(world, WEIR_EVENT_CONNECT_DONE), 2);
}

/* Addresses that fail are passed over; the one that answers wins, and it is told which. */
static void next_address_wins(weir_world *world)
{
    names known = {.v4 = {v4(255, 255, 255, 255), v4(127, 0, 0, 1)}, .v4_count = 2};
    known.v6[0] = (weir_address){.family = 6, .octets = {[15] = 1}, .ttl_seconds = 60};
    known.v6_count = 1;
    const weir_fetched fetched = fetch_through(world, &known, good_port(world));

    /* The origin listens on 127.0.0.1 alone: ::1 refuses. */
    assert_int_equal(fetched.ended, WEIR_END);
    const size_t tried = weir_world_told(world, WEIR_EVENT_CONNECT_DONE);
    assert_int_equal(tried, 3);
    const weir_event *last = weir_world_event(world, WEIR_EVENT_CONNECT_DONE, tried - 1);
    assert_int_equal(last->failure.status, WEIR_OK);
}

/* An answer is remembered for its time: the second call asks nobody. */
static void names_are_remembered(weir_world *world)
{
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch_through(world, &known, good_port(world)).ended, WEIR_END);
    }
    assert_int_equal(known.asked, 1);
}

/* Without an answer that says how long it holds, it holds for this once. */
static void names_without_time_are_not(weir_world *world)
{
    names known = {.v4 = {v4(127, 0, 0, 1)}, .v4_count = 1};

    known.v4[0].ttl_seconds = 0;
    known.v6_status = WEIR_E_DNS_FAILED;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch_through(world, &known, good_port(world)).ended, WEIR_END);
    }
    assert_int_equal(known.asked, 2);
}

static const weir_behaviour behaviours[] = {
    {"a name that does not exist ends with DNS_NOT_FOUND", name_not_found, 0, NULL},
    {"name servers that fail end it with DNS_FAILED", servers_failed, 0, NULL},
    {"a port without a listener ends it with CONNECT_REFUSED", refused, 0, NULL},
    {"an address without a way ends it with CONNECT_UNREACHABLE", unreachable, 0, NULL},
    {"addresses that fail in different ways end it with CONNECT_FAILED", different_failures, 0,
     NULL},
    {"addresses that fail are passed over", next_address_wins, 0, NULL},
    {"names are remembered for their time", names_are_remembered, 0, NULL},
    {"names without a time are asked for again", names_without_time_are_not, 0, NULL},
};

weir_failures weir_failures_of_networks(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
