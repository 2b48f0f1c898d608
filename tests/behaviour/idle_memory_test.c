/* SPDX-License-Identifier: MIT */
/*
 * What an idle connection costs: octets asked of the allocator and not given back, for each of a
 * few dozen connections that have served an exchange and wait for the next, over both front ends.
 *
 *   HTTP/1.1         under 1 KiB, over TLS too: wolfSSL's own state is not ours to count, all else is
 *   clear HTTP/1.1   less than that by what TLS may cost
 *   HTTP/2           the two HPACK tables that were agreed on (RFC 7541 s4.1), and 4 KiB
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

#define HALF                ((size_t)32)
#define H1_OCTETS           ((size_t)1024)
#define HPACK_TABLES_OCTETS ((size_t)(2 * 4096))
#define H2_OCTETS           (HPACK_TABLES_OCTETS + 4096)
#define OVER_TLS_OCTETS     ((size_t)176) /* filter, accounts of records */

/* Buffers are on loan from the client or loop, which keeps a few spare ones, and counted apart:
 * what is of their size is not an idle connection's own. One that held a buffer would hold it in
 * every block count: at most as many large blocks may be added as a loop keeps spare. */
#define BUFFER_OCTETS ((size_t)16384)
#define BUFFERS_SPARE ((size_t)8)

typedef struct counted {
    weir_allocator allocator;
    const weir_allocator *under;
    size_t octets; /* in small blocks */
    size_t blocks;
    size_t buffers;
} counted;

typedef struct header {
    _Alignas(16) size_t octets;
} header;

static void count(counted *c, size_t octets, size_t one)
{
    const bool is_buffer = octets >= BUFFER_OCTETS;

    c->buffers += is_buffer ? one : 0;
    c->blocks += is_buffer ? 0 : one;
    c->octets += is_buffer ? 0 : one * octets;
}

static void *counted_resize(void *at, size_t octets, void *user)
{
    counted *c = user;
    header *block = at != NULL ? (header *)at - 1 : NULL;
    const size_t before = block != NULL ? block->octets : 0;

    block = c->under->resize(block, sizeof(*block) + octets, c->under->user);
    if (block == NULL) {
        return NULL;
    }
    if (at != NULL) {
        count(c, before, SIZE_MAX);
    }
    block->octets = octets;
    count(c, octets, 1);
    return block + 1;
}

static void *counted_alloc(size_t octets, void *user)
{
    return counted_resize(NULL, octets, user);
}

static void counted_release(void *at, void *user)
{
    counted *c = user;

    if (at != NULL) {
        header *block = (header *)at - 1;
        count(c, block->octets, SIZE_MAX);
        c->under->release(block, c->under->user);
    }
}

/* More than an inbox holds, so that as many calls at once are as many connections; then all are
 * idle. */
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
    static counted c;

    c = (counted){.allocator = {.size = sizeof(c.allocator),
                                .user = &c,
                                .alloc = counted_alloc,
                                .resize = counted_resize,
                                .release = counted_release},
                  .under = &world->memory.allocator};
    world->options.allocator = &c.allocator;
    world->limits.connections_per_origin = 2 * HALF;
    world->limits.h2_connections = 2 * HALF;
    (void)weir_world_user(world);
    open_and_rest(world, HALF);
    const counted half = c;
    open_and_rest(world, 2 * HALF);
    const size_t octets = (c.octets - half.octets) / HALF;
    const size_t limit = world->way.protocol == WEIR_H2 ? H2_OCTETS
                         : world->way.tls               ? H1_OCTETS
                                                        : H1_OCTETS - OVER_TLS_OCTETS;
    char way[64];

    weir_way_text(world->way, way, sizeof(way));
    printf("# %s: an idle connection holds %zu octets in %zu blocks, of at most %zu; %zu spare "
           "buffers\n",
           way, octets, (c.blocks - half.blocks) / HALF, limit - 1, c.buffers);
    assert_true(octets < limit);
    assert_true(c.buffers <= half.buffers + BUFFERS_SPARE);
    weir_world_close(world);
    world->options.allocator = &world->memory.allocator;
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
