/* SPDX-License-Identifier: MIT */
/*
 * Many calls at once, with tokens they share, cancelled from anywhere at any time, and memory that
 * fails by dice. Every call ends once, and when the storm is over the same client works.
 */
#include "cue.h"
#include "stage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define THREADS 16
#define CALLS   32 /* of each thread: 512 in all */
#define TOKENS  8

static const weir_protocol protocols[] = {WEIR_H1, WEIR_H2};

typedef struct crowd {
    weir_stage *stage;
    weir_cue cue;
    weir_token *tokens[TOKENS]; /* replaced when cancelled */
    atomic_size_t ends[3];      /* whole, cancelled, out of memory */
    atomic_size_t wrong;
    bool over;
    size_t moments; /* a call was begun, a request was heard, it was answered */
    size_t calls;
} crowd;

static void note_moment(crowd *c)
{
    weir_cue_lock(&c->cue);
    c->moments++;
    (void)pthread_cond_broadcast(&c->cue.changed);
    weir_cue_unlock(&c->cue);
}

/* Until so many more; false: the calls are over. */
static bool await_moments(crowd *c, size_t more)
{
    weir_cue_lock(&c->cue);
    const size_t until = c->moments + more;
    while (c->moments < until && !c->over) {
        (void)pthread_cond_wait(&c->cue.changed, &c->cue.lock);
    }
    const bool goes_on = !c->over;
    weir_cue_unlock(&c->cue);
    return goes_on;
}

/* Answers everybody; what the first octet is tells which protocol it is. */
static weir_hostile_end play_honest(int fd, size_t number, void *user)
{
    crowd *c = user;
    char first = 0;
    char path[128];
    uint32_t stream = 0;

    (void)number;
    if (recv(fd, &first, 1, MSG_PEEK) == 1 && first == 'P') {
        if (weir_hostile_preface(fd, NULL, 0)) {
            while ((stream = weir_hostile_request(fd)) != 0) {
                note_moment(c);
                (void)weir_hostile_answer(fd, stream, "from a stream");
                note_moment(c);
            }
        }
        return WEIR_HOSTILE_FIN;
    }
    while (weir_hostile_head(fd, path, sizeof(path))) {
        note_moment(c);
        (void)weir_hostile_say_path(fd, path);
        note_moment(c);
    }
    return WEIR_HOSTILE_FIN;
}

static weir_token *borrow_token(crowd *c, uint32_t which)
{
    weir_cue_lock(&c->cue);
    weir_token *token = c->tokens[which % TOKENS];
    weir_cue_unlock(&c->cue);
    return token;
}

static void judge(crowd *c, const weir_plea *plea, weir_protocol protocol,
                  const weir_outcome *outcome)
{
    const char *path = strrchr(plea->url, '/');

    if (outcome->status == WEIR_END) {
        atomic_fetch_add(&c->ends[0], 1);
        if (strcmp(outcome->text, protocol == WEIR_H1 ? path : "from a stream") != 0) {
            atomic_fetch_add(&c->wrong, 1);
        }
    } else if (outcome->status == WEIR_E_CANCELLED) {
        atomic_fetch_add(&c->ends[1], 1);
    } else if (outcome->status == WEIR_E_NOMEM) {
        atomic_fetch_add(&c->ends[2], 1);
    } else if (atomic_load(&c->stage->failed) == 0 ||
               weir_status_blame(outcome->status) == WEIR_BLAME_CALLER) {
        fprintf(stderr, "a call ended with %s\n", weir_status_name(outcome->status));
        atomic_fetch_add(&c->wrong, 1);
    }
}

static void many_calls(weir_user *user, size_t index, void *shared)
{
    crowd *c = shared;
    uint64_t seed = 7919 * (index + 1);

    (void)user;
    for (size_t i = 0; i < c->calls; i++) {
        weir_plea plea;
        char path[64];
        const weir_protocol protocol = protocols[weir_hostile_dice(&seed) % 2];
        (void)snprintf(path, sizeof(path), "/%zu-%zu", index, i);
        weir_stage_ask(c->stage, &plea, protocol, path);
        plea.call.attempts = 3;
        plea.call.token = borrow_token(c, weir_hostile_dice(&seed));
        note_moment(c);
        const weir_outcome outcome = weir_stage_fetch(c->stage, &plea);
        judge(c, &plea, protocol, &outcome);
    }
}

/* Cancels one token after another, each some moments after the last; each has a successor before.
 */
static void *cancel_all(void *user)
{
    crowd *c = user;
    weir_token *old[4096];
    size_t count = 0;
    uint64_t seed = 31;
    bool goes_on = true;

    while (goes_on && count < 4096) {
        weir_token *fresh = weir_token_new(NULL);
        weir_cue_lock(&c->cue);
        const uint32_t which = weir_hostile_dice(&seed) % TOKENS;
        old[count++] = c->tokens[which];
        c->tokens[which] = fresh;
        weir_cue_unlock(&c->cue);
        weir_token_cancel(old[count - 1]);
        goes_on = await_moments(c, 1 + weir_hostile_dice(&seed) % 8);
        weir_token_cancel(old[count - 1]);
    }
    /* Only now: a call may have borrowed one that was just replaced. */
    (void)weir_cue_await(&c->cue, &c->over, NULL);
    for (size_t i = 0; i < count; i++) {
        weir_token_free(old[i]);
    }
    return NULL;
}

static void gather(weir_user_kind kind, unsigned fail_per_1000, bool cancels)
{
    crowd c = {.calls = CALLS};
    weir_stage stage;
    pthread_t thread;

    c.stage = &stage;
    weir_cue_open(&c.cue);
    for (size_t i = 0; i < TOKENS; i++) {
        c.tokens[i] = weir_token_new(NULL);
    }
    weir_stage_open(&stage, kind);
    weir_stage_begin(&stage, play_honest, &c);
    atomic_store(&stage.fail_per_1000, fail_per_1000);
    if (cancels) {
        assert_int_equal(pthread_create(&thread, NULL, cancel_all, &c), 0);
    }
    weir_user_together(stage.user, THREADS, many_calls, &c);
    weir_cue_give(&c.cue, &c.over);
    if (cancels) {
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    atomic_store(&stage.fail_per_1000, 0);
    assert_int_equal(c.wrong, 0);
    assert_true(c.ends[0] > 0);
    assert_true(!cancels || c.ends[1] > 0);
    assert_true(fail_per_1000 == 0 || stage.failed > 0);
    for (size_t i = 0; i < 20; i++) {
        const weir_protocol protocol = protocols[i % 2];
        const weir_outcome outcome = weir_stage_get(&stage, protocol, "/after");
        if (outcome.status != WEIR_END) {
            fail_msg("afterwards: %s", weir_status_name(outcome.status));
        }
    }
    weir_stage_close(&stage);
    for (size_t i = 0; i < TOKENS; i++) {
        weir_token_free(c.tokens[i]);
    }
    weir_cue_close(&c.cue);
}

static void cancelled_at_random(void **state)
{
    (void)state;
    gather(WEIR_USER_BLOCKING, 0, true);
    gather(WEIR_USER_LOOP, 0, true);
}

static void memory_fails_at_random(void **state)
{
    (void)state;
    gather(WEIR_USER_BLOCKING, 10, false);
    gather(WEIR_USER_LOOP, 10, false);
}

static void both_at_random(void **state)
{
    (void)state;
    gather(WEIR_USER_BLOCKING, 30, true);
    gather(WEIR_USER_LOOP, 30, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled_at_random),
        cmocka_unit_test(memory_fails_at_random),
        cmocka_unit_test(both_at_random),
    };

    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return cmocka_run_group_tests_name("crowds", tests, NULL, NULL);
}
