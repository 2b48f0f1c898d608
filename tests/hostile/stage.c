/* SPDX-License-Identifier: MIT */
/* The stage of a scenario: see stage.h. */
#include "stage.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Before each block stands how long it is. */
#define BEFORE 16

static void *stage_alloc(size_t octets, void *user);
static void *stage_resize(void *at, size_t octets, void *user);
static void stage_release(void *at, void *user);
static void tell(const weir_event *event, void *user);
static bool fails(weir_stage *stage);
static size_t count_descriptors(void);

void weir_stage_open(weir_stage *stage, weir_user_kind kind)
{
    memset(stage, 0, sizeof(*stage));
    stage->descriptors = count_descriptors();
    stage->kind = kind;
    stage->allocator = (weir_allocator){
        .size = sizeof(weir_allocator),
        .user = stage,
        .alloc = stage_alloc,
        .resize = stage_resize,
        .release = stage_release,
    };
    stage->dice = 88172645463325252UL;
    stage->observer = (weir_observer){.size = sizeof(weir_observer), .user = stage, .tell = tell};
    stage->limits = (weir_pool_limits)WEIR_POOL_LIMITS_INIT;
    stage->options = (weir_user_options){
        .kind = kind,
        .allocator = &stage->allocator,
        .observer = &stage->observer,
        .limits = &stage->limits,
        .probe_after_ns = WEIR_PROBE_ALWAYS,
    };
}

void weir_stage_begin(weir_stage *stage, weir_hostile_play *play, void *user)
{
    weir_status status = WEIR_OK;

    stage->server = play != NULL ? weir_hostile_start(play, user) : NULL;
    stage->user = weir_user_new(&stage->options, &status);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(stage->user);
}

void weir_stage_close(weir_stage *stage)
{
    weir_counts counts = {.size = sizeof(counts)};

    atomic_store(&stage->fail_per_1000, 0);
    weir_user_settle(stage->user);
    weir_user_counts(stage->user, &counts);
    assert_int_equal(counts.leases, 0);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.connections_dialing, 0);
    assert_int_equal(counts.connections_active, 0);
    assert_int_equal(counts.ledger_differ, 0);
    weir_user_free(stage->user);
    if (stage->server != NULL) {
        weir_hostile_stop(stage->server);
    }
    assert_int_equal(stage->differed, 0);
    assert_int_equal(stage->dones, stage->begun);
    assert_int_equal(stage->live_blocks, 0);
    assert_int_equal(stage->live_octets, 0);
    assert_int_equal(count_descriptors(), stage->descriptors);
}

void weir_stage_ask(weir_stage *stage, weir_plea *plea, weir_protocol protocol, const char *path)
{
    plea->request = (weir_request)WEIR_REQUEST_INIT;
    plea->call = (weir_call)WEIR_CALL_INIT;
    (void)snprintf(plea->url, sizeof(plea->url), "http://127.0.0.1:%u%s",
                   weir_hostile_port(stage->server), path);
    plea->request.url = weir_span_of(plea->url);
    plea->call.pin = protocol;
    plea->call.attempts = 1;
    plea->call.observer = &stage->observer;
    plea->call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
}

weir_status weir_stage_call(weir_stage *stage, const weir_plea *plea, weir_exchange **exchange)
{
    const weir_status status = weir_user_call(stage->user, &plea->request, &plea->call, exchange);

    if (*exchange != NULL) {
        atomic_fetch_add(&stage->begun, plea->call.observer != NULL);
    } else if (status != WEIR_E_NOMEM) {
        fprintf(stderr, "stage: no exchange, and %s\n", weir_status_name(status));
        abort(); /* not an assertion of cmocka's: any thread comes here */
    }
    return status;
}

void weir_stage_drop(weir_stage *stage, weir_exchange *exchange)
{
    if (exchange != NULL && !weir_exchange_is_done(exchange)) {
        atomic_fetch_sub(&stage->begun, 1); /* of a freed exchange nothing more is told */
    }
    weir_user_drop(stage->user, exchange);
}

void weir_stage_drain(weir_stage *stage, weir_exchange *exchange, weir_outcome *outcome)
{
    char octets[4096];
    size_t got = 0;

    while (outcome->status == WEIR_OK) {
        outcome->status = weir_user_read(stage->user, exchange, octets, sizeof(octets), &got);
        for (size_t i = 0; i < got && outcome->octets + i < sizeof(outcome->text) - 1; i++) {
            outcome->text[outcome->octets + i] = octets[i];
        }
        outcome->octets += got;
    }
    outcome->code = weir_exchange_code(exchange);
    outcome->failure = weir_exchange_failure(exchange);
}

weir_outcome weir_stage_fetch(weir_stage *stage, const weir_plea *plea)
{
    weir_outcome outcome = {.octets = 0};
    weir_exchange *exchange = NULL;

    outcome.status = weir_stage_call(stage, plea, &exchange);
    if (exchange != NULL) {
        weir_stage_drain(stage, exchange, &outcome);
        weir_stage_drop(stage, exchange);
    }
    return outcome;
}

weir_outcome weir_stage_get(weir_stage *stage, weir_protocol protocol, const char *path)
{
    weir_plea plea;

    weir_stage_ask(stage, &plea, protocol, path);
    return weir_stage_fetch(stage, &plea);
}

size_t weir_stage_peak(weir_stage *stage)
{
    return atomic_load(&stage->peak_octets);
}

void weir_stage_both(void **state)
{
    const weir_scenario *scenario = *state;

    scenario->play(WEIR_USER_BLOCKING);
    scenario->play(WEIR_USER_LOOP);
}

static void *stage_alloc(size_t octets, void *user)
{
    weir_stage *stage = user;
    uint8_t *block = fails(stage) ? NULL : malloc(octets + BEFORE);

    if (block == NULL) {
        return NULL;
    }
    memcpy(block, &octets, sizeof(octets));
    const size_t live = atomic_fetch_add(&stage->live_octets, octets) + octets;
    size_t peak = atomic_load(&stage->peak_octets);
    while (live > peak && !atomic_compare_exchange_weak(&stage->peak_octets, &peak, live)) {
    }
    atomic_fetch_add(&stage->live_blocks, 1);
    return block + BEFORE;
}

/* Always moves, so that a pointer kept across it is found. */
static void *stage_resize(void *at, size_t octets, void *user)
{
    void *to = stage_alloc(octets, user);
    size_t old = 0;

    if (to != NULL && at != NULL) {
        memcpy(&old, (uint8_t *)at - BEFORE, sizeof(old));
        memcpy(to, at, old < octets ? old : octets);
        stage_release(at, user);
    }
    return to;
}

static void stage_release(void *at, void *user)
{
    weir_stage *stage = user;
    size_t octets = 0;

    if (at != NULL) {
        memcpy(&octets, (uint8_t *)at - BEFORE, sizeof(octets));
        atomic_fetch_sub(&stage->live_octets, octets);
        atomic_fetch_sub(&stage->live_blocks, 1);
        free((uint8_t *)at - BEFORE);
    }
}

static bool fails(weir_stage *stage)
{
    const unsigned per_1000 = atomic_load(&stage->fail_per_1000);

    if (per_1000 == 0) {
        return false;
    }
    uint64_t seed = atomic_fetch_add(&stage->dice, 0x9e3779b97f4a7c15UL) | 1;
    if (weir_hostile_dice(&seed) % 1000 >= per_1000) {
        return false;
    }
    atomic_fetch_add(&stage->failed, 1);
    return true;
}

static void tell(const weir_event *event, void *user)
{
    weir_stage *stage = user;

    if (event->kind == WEIR_EVENT_DONE) {
        atomic_fetch_add(&stage->dones, 1);
    }
    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED) {
        const weir_verdict *verdict = &event->account->verdict;
        atomic_fetch_add(&stage->closed, 1);
        atomic_fetch_add(&stage->agreed, verdict->agreement == WEIR_AGREE ? 1 : 0);
        if (verdict->agreement == WEIR_DIFFER) {
            print_error("ledger %" PRIu64 "/%" PRIu64 ", kernel %" PRIu64 "/%" PRIu64 "\n",
                        verdict->ledger.sent, verdict->ledger.received, verdict->kernel.sent,
                        verdict->kernel.received);
            atomic_fetch_add(&stage->differed, 1);
        }
    }
}

static size_t count_descriptors(void)
{
    DIR *all = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(all);
    while (readdir(all) != NULL) {
        count++;
    }
    (void)closedir(all);
    return count;
}
