/* SPDX-License-Identifier: MIT */
/*
 * Memory that cannot be had: the k-th allocation fails, for every k from the first to the last of a
 * whole call, and then that one and all later ones. Each call ends with success or with NOMEM,
 * nothing leaks, no lease is left, and when there is memory again the same client works.
 *
 * And memory that is had: an idle client does not grow from call to call, and how often a warm
 * exchange asks for some is a number, the one that docs/http1.md and docs/http2.md name.
 */
#include "support/upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* What is asked for while memory is short. */
typedef struct errand {
    const char *path;
    weir_body_kind kind; /* NONE: GET */
    uint64_t octets;
    size_t trailers;
    uint32_t warms; /* pre-connects for so many first */
} errand;

static const errand get = {"/octets/40000", WEIR_BODY_NONE, 0, 0, 0};
static const errand get_with_everything = {"/trailers/3000?ext=3", WEIR_BODY_NONE, 0, 0, 0};
static const errand post_span = {"/echo", WEIR_BODY_SPAN, 40000, 0, 0};
static const errand post_source = {"/trailers-echo", WEIR_BODY_SOURCE, 40000, 2, 0};
static const errand preconnect = {.path = "/octets/10", .warms = 3};
static const errand post_stream = {"/trailers-echo", WEIR_BODY_STREAM, 40000, 2, 0};

static bool is_fine(weir_status status)
{
    return status == WEIR_OK || status == WEIR_END || status == WEIR_E_NOMEM;
}

/* One call, whatever becomes of it; the worst status that it met. */
static weir_status run_errand(weir_world *world, const errand *what)
{
    const weir_field trailers[] = {{WEIR_SPAN("x-a"), WEIR_SPAN("1"), 0},
                                   {WEIR_SPAN("x-b"), WEIR_SPAN("2"), 0}};
    weir_ask ask = weir_world_ask(world, what->path);
    ask.call.explain = true;
    weir_upload upload = {.kind = what->kind,
                          .octets = what->octets,
                          .trailers = what->trailers > 0 ? trailers : NULL,
                          .trailer_count = what->trailers};

    if (what->warms > 0) {
        const weir_status warmed =
            weir_user_preconnect(weir_world_user(world), &ask.request, &ask.call, what->warms);
        if (warmed != WEIR_OK) {
            return warmed;
        }
    }
    if (what->kind == WEIR_BODY_NONE) {
        return weir_world_fetch(world, &ask).ended;
    }
    weir_uploading uploading;
    weir_fetched fetched = {.ended = weir_upload_begin(world, &ask, &upload, &uploading)};
    if (fetched.ended == WEIR_OK && upload.wrote != WEIR_OK && upload.wrote != WEIR_ANSWERED) {
        fetched.ended = upload.wrote; /* the stream was not ended: nobody would answer it */
    } else if (uploading.exchange != NULL) {
        weir_world_drain(world, uploading.exchange, &fetched);
    }
    weir_upload_end(world, &uploading);
    return fetched.ended;
}

/* A client of its own, that has this memory. */
static void call_with(weir_failalloc *memory, void *at)
{
    weir_world *world = at;
    weir_shared_options shared = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    shared.allocator = &memory->allocator;
    shared.tls = world->tls;
    world->options.allocator = &memory->allocator;
    world->options.shared = weir_shared_new(&shared, &status);
    assert_true(world->options.shared != NULL || status == WEIR_E_NOMEM);
    if (world->options.shared == NULL) {
        return;
    }
    world->user = weir_user_new(&world->options, &status);
    assert_true(world->user != NULL || status == WEIR_E_NOMEM);
    if (world->user != NULL) {
        status = run_errand(world, world->with);
        if (!is_fine(status)) {
            fail_msg("allocation %zu%s failed and the call ended with %s", memory->fail_at,
                     memory->and_after ? " and all after it" : "", weir_status_name(status));
        }
        if (!memory->and_after) {
            const bool failed = atomic_load(&memory->failures) > 0;
            status = run_errand(world, world->with);
            assert_true(status == WEIR_END || (!failed && status == WEIR_E_NOMEM));
        }
        weir_counts counts = WEIR_COUNTS_INIT;
        weir_user_counts(world->user, &counts);
        assert_int_equal(counts.leases, 0);
        assert_int_equal(counts.waiting, 0);
        assert_int_equal(counts.ledger_differ, 0);
        weir_user_free(world->user);
        world->user = NULL;
    }
    weir_shared_release(world->options.shared);
}

static void every_allocation(weir_world *world)
{
    const errand *what = world->with;

    if (what->warms > 0) {
        world->limits.streams_per_connection = 1; /* as many connections as are wanted */
    }
    const size_t failed = weir_failalloc_every(call_with, world);

    /* What was told of calls and connections is not counted here: without memory an event may be
     * lost. */
    world->begun = 0;
    world->dones = 0;
    world->closed = 0;
    assert_int_equal(world->differed, 0);
    assert_true(failed > 10);
    world->options.shared = world->shared;
    world->options.allocator = &world->memory.allocator;
}

/* After the first calls the same blocks are used again and again. Small ones: how many octets wait
 * at once is not ours to say. */
static void no_growth(weir_world *world)
{
    static const errand small = {"/trailers/10", WEIR_BODY_NONE, 0, 0, 0};
    static const errand little = {"/sink", WEIR_BODY_SPAN, 10, 0, 0};
    size_t live = 0;

    for (int i = 0; i < 100; i++) {
        assert_int_equal(run_errand(world, i % 2 == 0 ? &small : &little), WEIR_END);
        if (i == 19) {
            live = atomic_load(&world->memory.live_octets);
        }
    }
    assert_true(atomic_load(&world->memory.live_octets) <= live);
}

/* What one warm exchange asks for: the exchange; its target, its head and, if it has fields, their
 * list; its stream; the response, its list of fields and their arena. */
static size_t allocations_of(const weir_world *world, size_t fields)
{
    size_t count = 1 + 2 + (fields > 0 ? 1 : 0) + 1 + 3;

    count += world->way.kind == WEIR_USER_LOOP ? 1 : 0; /* its place in the loop */
    /* the table of streams, the encoder's list of buffers, and the value of a field that is in no
     * table: content-length */
    count += world->way.protocol == WEIR_H2 ? 3 : 0;
    return count;
}

/* The most that one of a hundred warm exchanges asked for, and the least. */
static void count_allocations(weir_world *world, const weir_ask *ask, size_t *least, size_t *most)
{
    *least = SIZE_MAX;
    *most = 0;
    for (int i = 0; i < 120; i++) {
        const size_t before = atomic_load(&world->memory.calls);
        assert_int_equal(weir_world_fetch(world, ask).ended, WEIR_END);
        const size_t count = atomic_load(&world->memory.calls) - before;
        if (i >= 20) {
            *least = count < *least ? count : *least;
            *most = count > *most ? count : *most;
        }
    }
}

static void counted(weir_world *world)
{
    const weir_field field = {WEIR_SPAN("x-a"), WEIR_SPAN("1"), 0};
    size_t least = 0;
    size_t most = 0;
    weir_ask ask = weir_world_ask(world, "/octets/0");

    ask.call.observer = NULL;
    count_allocations(world, &ask, &least, &most);
    assert_int_equal(least, allocations_of(world, 0));
    assert_int_equal(most, allocations_of(world, 0));

    ask.request.fields = &field;
    ask.request.field_count = 1;
    count_allocations(world, &ask, &least, &most);
    assert_int_equal(least, allocations_of(world, 1));
    assert_int_equal(most, allocations_of(world, 1));

    /* The octets of a body that was complete before it was read are the exchange's own. */
    ask.request.field_count = 0;
    ask.request.url = weir_world_url(world, "/octets/1000");
    count_allocations(world, &ask, &least, &most);
    assert_true(least >= allocations_of(world, 0));
    assert_true(most <= allocations_of(world, 0) + 1);
}

static const weir_behaviour behaviours[] = {
    {"GET survives every failed allocation", every_allocation, 0, &get},
    {"GET with trailers survives every failed allocation", every_allocation, 0,
     &get_with_everything},
    {"POST of a span survives every failed allocation", every_allocation, 0, &post_span},
    {"POST of a source with trailers survives every failed allocation", every_allocation, 0,
     &post_source},
    {"POST of a stream with trailers survives every failed allocation", every_allocation, 0,
     &post_stream},
    {"a pre-connect survives every failed allocation", every_allocation, 0, &preconnect},
    {"a client does not grow from call to call", no_growth, 0, NULL},
    {"a warm exchange allocates as often as the docs say", counted, 0, NULL},
};

int main(void)
{
    return weir_world_run("memory", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
