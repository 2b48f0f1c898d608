/* SPDX-License-Identifier: MIT */
/*
 * A server that takes no stream for a while (SETTINGS_MAX_CONCURRENT_STREAMS 0, RFC 9113 s6.5.2):
 * nobody has an exchange on the connection, calls wait for a stream, and the SETTINGS that allow
 * one come when nobody is left who would read for an exchange's sake. Those who wait must see them.
 */
#include "cue.h"
#include "engine/seat.h"
#include "stage.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CALLERS 3
#define CHIEF   CALLERS /* the job that gives the cues */

typedef struct drought {
    weir_stage *stage;
    weir_cue cue;
    bool busy;   /* the first call has its answer only when the others wait */
    bool lost;   /* the connection ends, and no stream comes */
    bool drains; /* the client closes it */
    bool others_wait;
    bool is_dry;       /* the first call is over: nobody has an exchange */
    weir_token *token; /* of one that waits; NULL: nobody leaves */
    size_t leaver;
    int without; /* so many times one of those who do not leave cannot wait */
    weir_status ended[CALLERS];
} drought;

/* The linker puts this in the place of the library's: so many times a thread cannot wait, for want
 * of a descriptor. */
static atomic_int without_descriptor;
static atomic_bool is_kept; /* by one who has */
static _Thread_local bool has_one;

weir_status __real_weir_seat_poll(weir_seat *seat, weir_poll *fds, size_t count,
                                  weir_time deadline_ns);
weir_status __wrap_weir_seat_poll(weir_seat *seat, weir_poll *fds, size_t count,
                                  weir_time deadline_ns);
weir_status __wrap_weir_seat_poll(weir_seat *seat, weir_poll *fds, size_t count,
                                  weir_time deadline_ns)
{
    if (!has_one && atomic_load(&without_descriptor) > 0 &&
        atomic_fetch_sub(&without_descriptor, 1) > 0) {
        return WEIR_E_DESCRIPTORS;
    }
    if (has_one) {
        atomic_store(&is_kept, true);
    }
    return __real_weir_seat_poll(seat, fds, count, deadline_ns);
}

static void allow(int fd, uint32_t streams)
{
    const uint8_t payload[6] = {0, 3, 0, 0, 0, (uint8_t)streams};

    (void)weir_hostile_frame_send(fd, 4, 0, 0, payload, sizeof(payload));
}

/* The first connection dries up behind its first answer; when the calls wait it has streams again,
 * or ends. Others are all right. */
static weir_hostile_end play(int fd, size_t number, void *user)
{
    drought *d = user;
    uint32_t stream = 0;

    if (!weir_hostile_preface(fd, NULL, 0)) {
        return WEIR_HOSTILE_RESET;
    }
    stream = weir_hostile_request(fd);
    if (number == 0) {
        allow(fd, 0);
        if (d->busy) {
            (void)weir_cue_await(&d->cue, &d->others_wait, NULL);
        }
        (void)weir_hostile_answer(fd, stream, "the first");
        (void)weir_cue_await(&d->cue, &d->is_dry, NULL);
        if (d->lost) {
            return WEIR_HOSTILE_FIN;
        }
        allow(fd, 1);
        stream = weir_hostile_request(fd);
    }
    for (; stream != 0; stream = weir_hostile_request(fd)) {
        (void)weir_hostile_answer(fd, stream, "at last");
    }
    return WEIR_HOSTILE_FIN;
}

static void await_fewer(weir_user *user, uint32_t count)
{
    weir_counts counts = WEIR_COUNTS_INIT;

    for (weir_user_counts(user, &counts); counts.waiting >= count;
         weir_user_counts(user, &counts)) {
        (void)sched_yield();
    }
}

static void one_of_them(weir_user *user, size_t index, void *shared)
{
    drought *d = shared;
    weir_plea plea;

    if (index == CHIEF) {
        weir_user_await_waiting(user, CALLERS);
        weir_cue_give(&d->cue, &d->others_wait);
        atomic_store(&without_descriptor, d->without);
        if (d->token != NULL) {
            weir_token_cancel(d->token);
            await_fewer(user, d->without >= CALLERS ? 1 : CALLERS);
        }
        if (d->drains) {
            (void)weir_client_drain(weir_user_client(user), (weir_span){NULL, 0}, WEIR_NEVER, NULL);
        }
        if (!d->busy) {
            weir_cue_give(&d->cue, &d->is_dry);
        }
        return;
    }
    has_one = index == d->leaver;
    while (d->without > 0 && !has_one && !atomic_load(&is_kept)) {
        (void)sched_yield();
    }
    weir_stage_ask(d->stage, &plea, WEIR_H2, "/");
    plea.call.token = index == d->leaver ? d->token : NULL;
    if (d->drains) {
        plea.call.observer = NULL; /* nobody is woken to tell why it waits */
    }
    d->ended[index] = weir_stage_fetch(d->stage, &plea).status;
}

static void first(drought *d)
{
    const weir_outcome outcome = weir_stage_get(d->stage, WEIR_H2, "/first");

    assert_int_equal(outcome.status, WEIR_END);
    assert_string_equal(outcome.text, "the first");
}

static void run(drought *d, weir_user_kind kind)
{
    weir_stage stage;

    d->stage = &stage;
    weir_cue_open(&d->cue);
    weir_stage_open(&stage, kind);
    stage.limits.h2_connections = 1;
    stage.limits.connections = d->drains ? 1 : 0; /* none is dialled before it is gone */
    weir_stage_begin(&stage, play, d);
    first(d);
    weir_user_together(stage.user, CALLERS + 1, one_of_them, d);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(d->ended[i],
                         i == d->leaver && d->token != NULL ? WEIR_E_CANCELLED : WEIR_END);
    }
    assert_int_equal(weir_hostile_accepted(stage.server), d->lost || d->drains ? 2 : 1);
    weir_stage_close(&stage);
    weir_cue_close(&d->cue);
}

static void streams_come_back(weir_user_kind kind)
{
    drought d = {.lost = false};
    run(&d, kind);
}

static void the_connection_ends(weir_user_kind kind)
{
    drought d = {.lost = true};
    run(&d, kind);
}

/* Whoever reads for the others may leave. A loop reads for nobody in particular. */
static void one_that_waits_is_cancelled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CALLERS; i++) {
        drought d = {.token = weir_token_new(NULL), .leaver = i};
        run(&d, WEIR_USER_BLOCKING);
        weir_token_free(d.token);
    }
}

/* The calls wait while an exchange is open, whose thread reads; it is the last to leave. */
static void one_of_a_busy_one(weir_user *user, size_t index, void *shared)
{
    drought *d = shared;

    if (index == CHIEF + 1) {
        weir_plea plea;
        weir_stage_ask(d->stage, &plea, WEIR_H2, "/first");
        weir_outcome outcome = weir_stage_fetch(d->stage, &plea);
        if (outcome.status != WEIR_END || strcmp(outcome.text, "the first") != 0) {
            abort();
        }
        weir_cue_give(&d->cue, &d->is_dry);
        return;
    }
    if (index != CHIEF) {
        weir_counts counts = WEIR_COUNTS_INIT;
        for (weir_user_counts(user, &counts); counts.leases == 0; weir_user_counts(user, &counts)) {
            (void)sched_yield(); /* until the first has its stream */
        }
    }
    one_of_them(user, index, shared);
}

static void the_last_exchange_leaves(void **state)
{
    drought d = {.busy = true};
    weir_stage stage;

    (void)state;
    d.stage = &stage;
    weir_cue_open(&d.cue);
    weir_stage_open(&stage, WEIR_USER_BLOCKING);
    stage.limits.h2_connections = 1;
    stage.limits.streams_per_connection = 1; /* the others wait from the beginning */
    weir_stage_begin(&stage, play, &d);
    weir_user_together(stage.user, CALLERS + 2, one_of_a_busy_one, &d);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(d.ended[i], WEIR_END);
    }
    weir_stage_close(&stage);
    weir_cue_close(&d.cue);
}

/* It is not kept open by who waits for a stream of it, though nothing comes there any more. */
static void the_connection_is_drained(void **state)
{
    drought d = {.drains = true};

    (void)state;
    run(&d, WEIR_USER_BLOCKING);
}

/*
 * Who read for the others is cancelled, and the next cannot wait for want of a descriptor: it says
 * so and goes, and another reads. If none can, each of them says so. Nobody waits for what nobody
 * reads.
 */
static void vigil_without_descriptor(int times, size_t served)
{
    drought d = {.token = weir_token_new(NULL), .leaver = 0, .without = times};
    weir_stage stage;
    size_t ends = 0;
    size_t refused = 0;

    d.stage = &stage;
    atomic_store(&is_kept, false);
    weir_cue_open(&d.cue);
    weir_stage_open(&stage, WEIR_USER_BLOCKING);
    stage.limits.h2_connections = 1;
    weir_stage_begin(&stage, play, &d);
    first(&d);
    weir_user_together(stage.user, CALLERS + 1, one_of_them, &d);
    atomic_store(&without_descriptor, 0);
    assert_int_equal(d.ended[0], WEIR_E_CANCELLED);
    for (size_t i = 1; i < CALLERS; i++) {
        ends += d.ended[i] == WEIR_END;
        refused += d.ended[i] == WEIR_E_DESCRIPTORS;
    }
    assert_int_equal(ends, served);
    assert_int_equal(refused, CALLERS - 1 - served);
    weir_stage_close(&stage);
    weir_cue_close(&d.cue);
    weir_token_free(d.token);
}

static void there_is_no_descriptor(void **state)
{
    (void)state;
    vigil_without_descriptor(1, 1);
    vigil_without_descriptor(1000, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        weir_stage_test(streams_come_back),
        weir_stage_test(the_connection_ends),
        cmocka_unit_test(one_that_waits_is_cancelled),
        cmocka_unit_test(the_last_exchange_leaves),
        cmocka_unit_test(the_connection_is_drained),
        cmocka_unit_test(there_is_no_descriptor),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("dry", tests, NULL, NULL);
}
