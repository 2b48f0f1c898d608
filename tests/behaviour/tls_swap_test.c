/* SPDX-License-Identifier: MIT */
/*
 * Other TLS settings while calls wait for a place: who has no connection yet takes the new ones,
 * unless it waits for a dial that is in flight.
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

static const weir_behaviour behaviours[] = {
    {"who waits for a place takes the new settings", who_waits_takes_the_new_ones, WEIR_ONLY_TLS,
     NULL},
    {"who waits for a place is served with the new settings", who_waits_is_served_by_the_new_ones,
     WEIR_ONLY_TLS, NULL},
};

int main(void)
{
    return weir_world_run("tls_swap", behaviours, WEIR_COUNT_OF(behaviours), NULL);
}
