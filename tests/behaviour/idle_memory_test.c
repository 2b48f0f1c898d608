/* SPDX-License-Identifier: MIT */
/*
 * What an idle connection costs: octets asked of the allocator and not given back, for each of a
 * few dozen connections that have served an exchange and wait for the next, over both front ends, to
 * an address and to a name that a resolver answered, which ties each connection to that answer.
 *
 *   HTTP/1.1         under 1 KiB, over TLS too: wolfSSL's own state is not ours to count, all else is
 *   clear HTTP/1.1   to an address: less than that by what TLS may cost; to a name: more by the tie
 *   HTTP/2           the two HPACK tables that were agreed on (RFC 7541 s4.1), and 4 KiB
 *
 * And the same where both HPACK tables are full of short fields, which cost nghttp2 several times
 * what they count: a second after the last exchange the tables are put away (docs/http2.md), by the
 * loop itself, in a client by weir_client_maintain(); and then both sides still understand each
 * other.
 *
 * The figures are of the second half of the connections: what is there once, a seat or the first
 * room of a heap, is not theirs. They are printed, and asserted, in every build; only those of a
 * build without assertions mean what a user pays.
 */
#include "support/world.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HALF                ((size_t)32)
#define FEW                 ((size_t)4)
#define H1_OCTETS           ((size_t)1024)
#define HPACK_TABLES_OCTETS ((size_t)(2 * 4096))
#define H2_OCTETS           (HPACK_TABLES_OCTETS + 4096)
#define OVER_TLS_OCTETS     ((size_t)176) /* filter, accounts of records */
#define TIE_OCTETS          ((size_t)56)

/* Buffers are on loan from the client or loop, which keeps a few spare ones, and counted apart:
 * what is of their size is not an idle connection's own. One that held a buffer would hold it in
 * every block count: at most as many large blocks may be added as a loop keeps spare. */
#define BUFFER_OCTETS ((size_t)16384)
#define BUFFERS_SPARE ((size_t)8)

/* Short ones, more than a table holds. */
#define FIELDS ((size_t)100)

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

static void add_fields(weir_request *request)
{
    static weir_field fields[FIELDS];
    static char names[FIELDS][16];

    for (size_t i = 0; i < FIELDS; i++) {
        (void)snprintf(names[i], sizeof(names[0]), "x-f-%zu", i);
        fields[i] =
            (weir_field){.name = weir_span_of(names[i]), .value = weir_span_of("sixteen letters!")};
    }
    request->fields = fields;
    request->field_count = FIELDS;
}

/* The response has the fields that its path asks for, in their order. */
static void must_have_fields(const weir_exchange *exchange)
{
    weir_span value = {NULL, 0};
    char name[16];

    for (size_t i = 0; i < FIELDS; i++) {
        (void)snprintf(name, sizeof(name), "x-f-%zu", i);
        assert_true(weir_exchange_field(exchange, name, 0, &value));
        assert_int_equal(value.length, strlen("sixteen letters!"));
        assert_memory_equal(value.at, "sixteen letters!", value.length);
    }
}

/* More than an inbox holds, so that as many calls at once are as many connections; then all are
 * idle. How many octets the smallest head took. */
static uint64_t open_and_rest(weir_world *world, size_t count, bool full)
{
    const char *path = full ? "/octets/400000?fields=100" : "/octets/400000";
    weir_exchange *open[2 * HALF] = {NULL};
    weir_ask ask = weir_world_ask(world, path);
    uint64_t least = UINT64_MAX;

    if (world->with != NULL) {
        ask.request.url = weir_world_url_of(world, world->with, path);
    }
    if (full) {
        add_fields(&ask.request);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(weir_world_call(world, &ask, &open[i]), WEIR_OK);
    }
    for (size_t i = 0; i < count; i++) {
        weir_fetched fetched = {.ended = WEIR_OK};
        weir_world_drain(world, open[i], &fetched);
        assert_int_equal(fetched.ended, WEIR_END);
        if (full) {
            must_have_fields(open[i]);
        }
        const uint64_t head_octets = weir_exchange_tally(open[i]).head.sent;
        least = head_octets < least ? head_octets : least;
        weir_world_drop(world, open[i]);
    }
    if (world->way.protocol == WEIR_H2 || world->way.kind == WEIR_USER_LOOP) {
        weir_user_settle(world->user); /* of HTTP/1.1 nobody needs to look after an idle one */
    }
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_user_counts(world->user, &counts);
    assert_int_equal(counts.connections_idle, count);
    return least;
}

static void begin_counting(weir_world *world, counted *c)
{
    *c = (counted){.allocator = {.size = sizeof(c->allocator),
                                 .user = c,
                                 .alloc = counted_alloc,
                                 .resize = counted_resize,
                                 .release = counted_release},
                   .under = &world->memory.allocator};
    world->options.allocator = &c->allocator;
    world->limits.connections_per_origin = 2 * HALF;
    world->limits.h2_connections = 2 * HALF;
    (void)weir_world_user(world);
}

/* One address, which counts for as long as the test lasts. */
static void know(weir_lookup *lookup, weir_span host, void *user)
{
    (void)host;
    (void)user;
    weir_world_answer(lookup);
}

static size_t limit_octets(const weir_world *world)
{
    const size_t tie_octets = world->with != NULL ? TIE_OCTETS : 0;

    if (world->way.protocol == WEIR_H2) {
        return H2_OCTETS;
    }
    return world->way.tls ? H1_OCTETS : H1_OCTETS - OVER_TLS_OCTETS + tie_octets;
}

/* To the address of the origin, or to the name that the behaviour comes with. */
static void idle_connection(weir_world *world)
{
    static const weir_resolver resolver = {.size = sizeof(resolver), .start = know};
    static counted c;

    world->options.resolver = world->with != NULL ? &resolver : NULL;
    begin_counting(world, &c);
    (void)open_and_rest(world, HALF, false);
    const counted half = c;
    (void)open_and_rest(world, 2 * HALF, false);
    /* Where HTTP/2 connections came to rest meanwhile, all may hold less than half of them did. */
    const size_t octets = c.octets > half.octets ? (c.octets - half.octets) / HALF : 0;
    const size_t limit = limit_octets(world);
    char way[64];

    weir_way_text(world->way, way, sizeof(way));
    printf("# %s: an idle connection%s holds %zu octets in %zu blocks, of at most %zu; %zu spare "
           "buffers\n",
           way, world->with != NULL ? " to a name" : "", octets, (c.blocks - half.blocks) / HALF,
           limit - 1, c.buffers);
    assert_true(octets < limit);
    assert_true(c.buffers <= half.buffers + BUFFERS_SPARE);
    weir_world_close(world);
    world->options.allocator = &world->memory.allocator;
}

/* What the user does while nothing happens: whatever is due is done when it is. */
static void rest(weir_world *world, weir_time until_ns)
{
    weir_client *client = weir_user_client(world->user);
    weir_loop *loop = weir_user_loop(world->user);

    while (weir_now() < until_ns) {
        const weir_time due_ns =
            client != NULL ? weir_client_maintain(client) : weir_loop_deadline(loop);
        const weir_time next_ns = due_ns < until_ns ? due_ns : until_ns;
        const weir_time now_ns = weir_now();
        if (next_ns > now_ns) {
            (void)poll(NULL, 0, (int)((next_ns - now_ns) / WEIR_NS_PER_MS) + 1);
        }
        weir_user_settle(world->user);
    }
}

/* The request as the origin read it, in JSON. */
static void must_be_understood(weir_world *world)
{
    weir_ask ask = weir_world_ask(world, "/headers");
    weir_exchange *exchange = NULL;
    static char text[65536];
    size_t length = 0;
    size_t octets = 0;
    size_t fields = 0;

    add_fields(&ask.request);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    while (weir_user_read(world->user, exchange, text + length, sizeof(text) - 1 - length,
                          &octets) == WEIR_OK) {
        length += octets;
    }
    text[length] = '\0';
    weir_world_drop(world, exchange);
    for (const char *at = strstr(text, "sixteen letters!"); at != NULL;
         at = strstr(at + 1, "sixteen letters!")) {
        fields++;
    }
    assert_int_equal(fields, FIELDS);
}

/* What connections with full tables hold, a few of them: on a busy machine those that were used first
 * may be at rest already, then once more. */
static size_t not_yet_at_rest(weir_world *world, const counted *c, size_t base_octets)
{
    size_t octets = 0;

    for (int tries = 0; tries < 20 && octets < H2_OCTETS; tries++) {
        (void)open_and_rest(world, FEW, true);
        octets = (c->octets - base_octets) / FEW;
    }
    return octets;
}

static void full_tables(weir_world *world)
{
    static counted c;
    char way[64];

    begin_counting(world, &c);
    const size_t base_octets = c.octets;
    (void)open_and_rest(world, FEW, true);
    const size_t before = not_yet_at_rest(world, &c, base_octets);
    (void)open_and_rest(world, 2 * HALF, true);
    const uint64_t head_octets = open_and_rest(world, 2 * HALF, true);
    rest(world, weir_now() + WEIR_NS_PER_SECOND);
    weir_way_text(world->way, way, sizeof(way));
    printf("# %s: with full header tables an idle connection holds %zu octets, and %zu at rest, of "
           "at most %zu\n",
           way, before, c.octets / (2 * HALF), H2_OCTETS - 1);
    assert_true(before >= H2_OCTETS);
    assert_true(c.octets < 2 * HALF * H2_OCTETS);
    must_be_understood(world);
    /* The same octets for the same head: the encoder has its table, and the origin's is the same. */
    assert_int_equal(open_and_rest(world, 2 * HALF, true), head_octets);
    must_be_understood(world);
    weir_world_close(world);
    assert_int_equal(world->differed, 0);
    world->options.allocator = &world->memory.allocator;
}

static const weir_behaviour behaviours[] = {
    {"an idle connection holds little", idle_connection, 0, NULL},
    {"an idle connection to a name holds little", idle_connection, 0, "a.test"},
    {"full header tables take no more than is counted once they rest", full_tables, WEIR_ONLY_H2,
     NULL},
};

int main(void)
{
    /* One stream on each connection, so that every call at once has one of its own. */
    static const char *const arguments[] = {"--max-streams", "1", NULL};

    return weir_world_run("idle_memory", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          arguments);
}
