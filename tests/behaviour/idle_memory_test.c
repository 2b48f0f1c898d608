/* SPDX-License-Identifier: MIT */
/*
 * What an idle connection costs: octets asked of the allocator and not given back, for each of a
 * few dozen connections that have served an exchange and wait for the next, over both front ends.
 *
 *   clear HTTP/1.1   under 1 KiB
 *   HTTP/2           the two HPACK tables that were agreed on (RFC 7541 s4.1), and 4 KiB
 *   over TLS         wolfSSL's own state, which is not ours to count, and OVER_TLS_OCTETS
 *
 * The figures are of the second half of the connections: what is there once, a seat or the first
 * room of a heap, is not theirs. They are printed, and asserted, in every build; only those of a
 * build without assertions mean what a user pays.
 */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define HALF                 ((size_t)32)
#define CLEAR_H1_OCTETS      ((size_t)1024)
#define HPACK_TABLES_OCTETS  ((size_t)(2 * 4096))
#define H2_OCTETS            (HPACK_TABLES_OCTETS + 4096)
#define OVER_TLS_OCTETS      ((size_t)1024)

/* More than an inbox holds, so that as many calls at once are as many connections; then all are idle. */
static void open_and_rest(weir_world *world, size_t count)
{
    weir_exchange *open[2 * HALF] = {NULL};
    weir_ask ask = weir_world_ask(world, "/octets/400000");

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(weir_world_call(world, &ask, &open[i]), WEIR_OK);
    }
    for (size_t i = 0; i < count; i++) {
        weir_fetched fetched = {.ended = WEIR_OK};
        weir_world_drain(world, open[i], &fetched);
        assert_int_equal(fetched.ended, WEIR_END);
        weir_world_drop(world, open[i]);
    }
    weir_user_settle(world->user);
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_user_counts(world->user, &counts);
    assert_int_equal(counts.connections_idle, count);
}

static void idle_connection(weir_world *world)
{
    world->limits.connections_per_origin = 2 * HALF;
    world->limits.h2_connections = 2 * HALF;
    (void)weir_world_user(world);
    open_and_rest(world, HALF);
    const size_t half = atomic_load(&world->memory.live_octets);
    const size_t blocks = atomic_load(&world->memory.live);
    open_and_rest(world, 2 * HALF);
    const size_t octets = (atomic_load(&world->memory.live_octets) - half) / HALF;
    const size_t each = (atomic_load(&world->memory.live) - blocks) / HALF;
    const size_t limit = (world->way.protocol == WEIR_H2 ? H2_OCTETS : CLEAR_H1_OCTETS) +
                         (world->way.tls ? OVER_TLS_OCTETS : 0);
    char way[64];

    weir_way_text(world->way, way, sizeof(way));
    printf("# %s: an idle connection holds %zu octets in %zu blocks, of at most %zu\n", way, octets,
           each, limit - 1);
    assert_true(octets < limit);
}

static const weir_behaviour behaviours[] = {
    {"an idle connection holds little", idle_connection, 0, NULL},
};

int main(void)
{
    /* One stream on each connection, so that every call at once has one of its own. */
    static const char *const arguments[] = {"--max-streams", "1", NULL};

    return weir_world_run("idle_memory", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          arguments);
}
