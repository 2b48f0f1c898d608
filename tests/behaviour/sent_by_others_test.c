/* SPDX-License-Identifier: MIT */
/*
 * Requests that another thread sends while their own threads wait. One thread is held in its system
 * call to send; three others come with requests on the same HTTP/2 connection and fall asleep, the
 * first in poll(2), to read for all, the rest parked. Then the first goes on and sends what they
 * queued. From there on their limits are those of a request that was sent, and nobody wakes them
 * for that.
 */
#include "support/asleep.h"
#include "support/world.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_NS   (50 * WEIR_NS_PER_MS)
#define MOST_NS    (10 * WEIR_NS_PER_SECOND) /* of a busy machine */
#define TOTAL_NS   (20 * WEIR_NS_PER_SECOND)
#define PATIENCE_S 60

typedef struct waiter {
    weir_world *world;
    weir_ask ask;
    bool is_held; /* in its first send */
    _Atomic pid_t id;
    pthread_t thread;
    /* What came of it. */
    weir_fetched fetched;
    weir_time took_ns;
} waiter;

static _Thread_local bool stops;
static sem_t is_there;
static sem_t may_go_on;

ssize_t __real_send(int fd, const void *octets, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *octets, size_t length, int flags);

ssize_t __wrap_send(int fd, const void *octets, size_t length, int flags)
{
    if (stops) {
        stops = false;
        (void)sem_post(&is_there);
        while (sem_wait(&may_go_on) != 0) {
        }
    }
    return __real_send(fd, octets, length, flags);
}

static void *wait_for_answer(void *user)
{
    waiter *w = user;

    stops = w->is_held;
    atomic_store(&w->id, gettid());
    const weir_time begun_ns = weir_now();
    w->fetched = weir_world_fetch(w->world, &w->ask);
    w->took_ns = weir_now() - begun_ns;
    return NULL;
}

static bool is_there_in_time(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return sem_timedwait(&is_there, &until) == 0;
}

static weir_ask ask_without_limits(weir_world *world, const char *path)
{
    weir_ask ask = weir_world_ask(world, path);

    ask.call.write_ns = WEIR_NEVER;
    ask.call.first_octet_ns = WEIR_NEVER;
    ask.call.idle_ns = WEIR_NEVER;
    ask.call.deadline_ns = weir_now() + TOTAL_NS;
    return ask;
}

/* `held` is held in its send, the others come and sleep one after the other, and `held` goes on. */
static void begin(waiter *held, waiter *others, size_t count)
{
    held->is_held = true;
    assert_int_equal(pthread_create(&held->thread, NULL, wait_for_answer, held), 0);
    assert_true(is_there_in_time());
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_create(&others[i].thread, NULL, wait_for_answer, &others[i]), 0);
        while (atomic_load(&others[i].id) == 0) {
            (void)sched_yield();
        }
        weir_await_asleep(atomic_load(&others[i].id), 3 * WEIR_NS_PER_MS);
    }
    assert_int_equal(sem_post(&may_go_on), 0);
}

static void limits_run_for_what_others_sent(weir_world *world)
{
    weir_token *token = weir_token_new(NULL);
    waiter held = {.world = world};
    waiter others[3] = {{.world = world}, {.world = world}, {.world = world}};
    const weir_ask first = weir_world_ask(world, "/octets/10");

    (void)alarm(120);
    assert_int_equal(sem_init(&is_there, 0, 0), 0);
    assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
    assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
    char url[128] = "";
    held.ask = ask_without_limits(world, "/hang");
    assert_true(held.ask.request.url.length <
                sizeof(url)); /* it is one for each thread, until the next */
    memcpy(url, held.ask.request.url.at, held.ask.request.url.length);
    held.ask.request.url.at = (const uint8_t *)url;
    for (size_t i = 0; i < 3; i++) {
        others[i].ask = held.ask;
    }
    held.ask.call.token = token;
    others[0].ask.call.first_octet_ns = LIMIT_NS;
    others[1].ask.call.first_octet_ns = LIMIT_NS;
    others[2].ask.call.token = token;
    begin(&held, others, 3);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(others[i].thread, NULL), 0);
    }
    weir_token_cancel(token);
    assert_int_equal(pthread_join(held.thread, NULL), 0);
    assert_int_equal(pthread_join(others[2].thread, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(others[i].fetched.called, WEIR_E_DEADLINE_FIRST_OCTET);
        assert_int_equal(others[i].fetched.failure.phase, WEIR_PHASE_HEAD);
        assert_true(others[i].took_ns >= LIMIT_NS);
        assert_true(others[i].took_ns < MOST_NS);
    }
    assert_int_equal(held.fetched.called, WEIR_E_CANCELLED);
    assert_int_equal(others[2].fetched.called, WEIR_E_CANCELLED);
    assert_int_equal(others[2].fetched.failure.phase,
                     WEIR_PHASE_HEAD); /* though it slept since it was to send */
    weir_token_free(token);
    (void)sem_destroy(&is_there);
    (void)sem_destroy(&may_go_on);
}

static void content_follows_a_head_that_others_sent(weir_world *world)
{
    weir_token *token = weir_token_new(NULL);
    waiter held = {.world = world};
    waiter others[2] = {{.world = world}, {.world = world}};
    const weir_ask first = weir_world_ask(world, "/octets/10");
    char urls[2][128] = {"", ""};

    (void)alarm(120);
    assert_int_equal(sem_init(&is_there, 0, 0), 0);
    assert_int_equal(sem_init(&may_go_on, 0, 0), 0);
    assert_int_equal(weir_world_fetch(world, &first).ended, WEIR_END);
    for (size_t i = 0; i < 2; i++) {
        const weir_ask ask = ask_without_limits(world, i == 0 ? "/hang" : "/expect?answer=none");
        waiter *w = i == 0 ? &held : &others[0];
        w->ask = ask;
        assert_true(ask.request.url.length < sizeof(urls[i]));
        memcpy(urls[i], ask.request.url.at, ask.request.url.length);
        w->ask.request.url.at = (const uint8_t *)urls[i];
    }
    held.ask.call.token = token;
    others[0].ask.request.method = WEIR_SPAN("POST");
    others[0].ask.request.body = (weir_body){.kind = WEIR_BODY_SPAN, .span = WEIR_SPAN("content")};
    others[0].ask.call.expect_continue = true;
    others[0].ask.call.continue_ns = LIMIT_NS;
    others[1].ask = others[0].ask; /* one reads for all, the other is parked */
    begin(&held, others, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(others[i].thread, NULL), 0);
    }
    weir_token_cancel(token);
    assert_int_equal(pthread_join(held.thread, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(others[i].fetched.ended, WEIR_END);
        assert_int_equal(others[i].fetched.code, 200);
        assert_true(others[i].took_ns < MOST_NS);
    }
    weir_token_free(token);
    (void)sem_destroy(&is_there);
    (void)sem_destroy(&may_go_on);
}

static const weir_behaviour behaviours[] = {
    {"the limits of a request that another thread sent are in force",
     limits_run_for_what_others_sent, WEIR_ONLY_BLOCKING | WEIR_ONLY_H2, NULL},
    {"content follows a head that another thread sent", content_follows_a_head_that_others_sent,
     WEIR_ONLY_BLOCKING | WEIR_ONLY_H2, NULL},
};

int main(void)
{
    return weir_world_run("sent_by_others", behaviours, sizeof(behaviours) / sizeof(behaviours[0]),
                          NULL);
}
