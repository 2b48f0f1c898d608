/* SPDX-License-Identifier: MIT */
/*
 * Other TLS settings while calls wait for a place: who has no connection yet takes the new ones,
 * unless it waits for a dial that is in flight; and a pre-connect, whatever is in flight for it.
 */
#include "support/pki.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { WAITING = 2, SWAPPER = WAITING };

typedef struct swap {
    weir_world *world;
    weir_exchange *holder;
    weir_tls_config *to;
    weir_status ended[WAITING];
} swap;

static void wait_and_swap(weir_user *user, size_t index, void *shared)
{
    swap *s = shared;

    if (index == SWAPPER) {
        weir_user_await_waiting(user, WAITING);
        (void)weir_shared_set_tls(s->world->shared, s->to);
        weir_world_drop(s->world, s->holder);
        return;
    }
    const weir_ask ask = weir_world_ask(s->world, "/octets/10");
    s->ended[index] = weir_world_fetch(s->world, &ask).called;
}

/* They wait for the only place, and no dial is in flight. */
static void run(weir_world *world, bool trusting, weir_status wanted)
{
    swap s = {.world = world, .to = weir_world_tls_settings(trusting)};

    world->limits.connections_per_origin = 1;
    world->limits.h2_connections = 1;
    world->limits.streams_per_connection = 1;
    s.holder = weir_world_begin_long(world);
    weir_user_together(weir_world_user(world), WAITING + 1, wait_and_swap, &s);
    for (size_t i = 0; i < WAITING; i++) {
        assert_int_equal(s.ended[i], wanted);
    }
    weir_tls_config_release(s.to);
}

static void who_waits_takes_the_new_ones(weir_world *world)
{
    run(world, false, WEIR_E_TLS_UNTRUSTED);
}

static void who_waits_is_served_by_the_new_ones(weir_world *world)
{
    run(world, true, WEIR_OK);
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_int_equal(weir_world_counts(world).waiting, 0);
}

/* -- a pre-connect: they are replaced while its name is looked up -- */

typedef struct warming {
    weir_world *world;
    weir_tls_config *to;
    size_t lookups;
} warming;

static void swap_and_answer(weir_lookup *lookup, weir_span host, void *user)
{
    warming *w = user;

    (void)host;
    if (w->lookups++ == 0) {
        (void)weir_shared_set_tls(w->world->shared, w->to);
    }
    weir_world_answer(lookup);
}

static weir_ask ask_for(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");

    ask.call.connect_to = WEIR_SPAN("name.test");
    ask.call.connect_port = world->origin->tls_port;
    return ask;
}

static weir_status warm_while_swapped(weir_world *world, bool trusting)
{
    warming w = {.world = world, .to = weir_world_tls_settings(trusting)};
    const weir_resolver resolver = {sizeof(resolver), &w, swap_and_answer, NULL};
    weir_ask ask = ask_for(world);

    ask.call.observer = NULL;
    world->options.resolver = &resolver;
    const weir_status status =
        weir_user_preconnect(weir_world_user(world), &ask.request, &ask.call, 1);
    weir_tls_config_release(w.to);
    return status;
}

static void what_is_warm_has_the_new_ones(weir_world *world)
{
    assert_int_equal(warm_while_swapped(world, true), WEIR_OK);
    const weir_ask ask = ask_for(world);
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
    assert_int_equal(weir_world_counts(world).dials, 2);
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
    assert_int_equal(weir_world_told_why(world, WEIR_EVENT_CONNECTION_CLOSED, "tls_replaced"), 1);
}

static void a_wish_fails_by_the_new_ones(weir_world *world)
{
    assert_int_equal(warm_while_swapped(world, false), WEIR_E_TLS_UNTRUSTED);
}

static void a_wish_does_not_fail_by_the_old_ones(weir_world *world)
{
    weir_tls_config *old = weir_world_tls_settings(false);

    (void)weir_shared_set_tls(world->shared, old);
    weir_tls_config_release(old);
    assert_int_equal(warm_while_swapped(world, true), WEIR_OK);
    assert_int_equal(weir_world_counts(world).connections_idle, 1);
}

static const weir_behaviour behaviours[] = {
    {"who waits for a place takes the new settings", who_waits_takes_the_new_ones, WEIR_ONLY_TLS,
     NULL},
    {"who waits for a place is served with the new settings", who_waits_is_served_by_the_new_ones,
     WEIR_ONLY_TLS, NULL},
    {"a pre-connect makes what the new settings can use", what_is_warm_has_the_new_ones,
     WEIR_ONLY_TLS, NULL},
    {"a pre-connect fails by the new settings", a_wish_fails_by_the_new_ones, WEIR_ONLY_TLS, NULL},
    {"a pre-connect does not fail by the old settings", a_wish_does_not_fail_by_the_old_ones,
     WEIR_ONLY_TLS, NULL},
};

int main(void)
{
    return weir_world_run("tls_swap", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
