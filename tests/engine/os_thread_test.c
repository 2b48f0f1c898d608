/* SPDX-License-Identifier: MIT */
/*
 * What threads meet at: the lock of one word shuts others out and loses no wake-up, a wait ends at
 * its deadline, and of the threads of a forked child one alone begins anew.
 */
#include "engine/os.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, ROUNDS = 20000, AWAITED = 2 };

typedef struct shared {
    weir_lock lock;
    uint64_t rounds; /* guarded by it, and no atomic on purpose */
    atomic_int inside;
    atomic_int most; /* ever inside at once */
} shared;

static void *work(void *user)
{
    shared *s = user;
    for (int i = 0; i < ROUNDS; i++) {
        weir_lock_take(&s->lock);
        const int inside = atomic_fetch_add(&s->inside, 1) + 1;
        if (inside > atomic_load(&s->most)) {
            atomic_store(&s->most, inside);
        }
        if (i % 64 == 0) {
            weir_os_yield(); /* so that others come and wait, on one processor too */
        }
        s->rounds++;
        atomic_fetch_sub(&s->inside, 1);
        weir_lock_release(&s->lock);
    }
    return NULL;
}

static void os_thread__the_lock_lets_one_in_at_a_time(void **state)
{
    (void)state;
    shared s = {.rounds = 0};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &s), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(s.rounds, THREADS * ROUNDS);
    assert_int_equal(atomic_load(&s.most), 1);
    assert_int_equal(atomic_load(&s.lock.word), 0);
}

static void *take_once(void *user)
{
    shared *s = user;
    weir_lock_take(&s->lock);
    s->rounds++;
    weir_lock_release(&s->lock);
    return NULL;
}

/* Each release finds two that wait or are about to: whoever is woken wakes the other. */
static void os_thread__a_release_wakes_who_waits(void **state)
{
    (void)state;
    shared s = {.rounds = 0};
    for (uint64_t i = 1; i <= 200; i++) {
        pthread_t waiting[2];
        weir_lock_take(&s.lock);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(pthread_create(&waiting[k], NULL, take_once, &s), 0);
        }
        while (atomic_load(&s.lock.word) != AWAITED) {
            weir_os_yield();
        }
        assert_int_equal(s.rounds, 2 * (i - 1));
        weir_lock_release(&s.lock);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(pthread_join(waiting[k], NULL), 0);
        }
        assert_int_equal(s.rounds, 2 * i);
    }
}

static void os_thread__a_wait_ends_at_its_deadline(void **state)
{
    (void)state;
    weir_mutex mutex;
    weir_condition condition;
    assert_true(weir_mutex_init(&mutex));
    assert_true(weir_condition_init(&condition));
    weir_mutex_lock(&mutex);
    weir_condition_wait(&condition, &mutex, 1);
    const weir_time deadline_ns = weir_now() + WEIR_NS_PER_MS;
    while (weir_now() < deadline_ns) {
        weir_condition_wait(&condition, &mutex, deadline_ns);
    }
    weir_mutex_unlock(&mutex);
    weir_condition_clear(&condition);
    weir_mutex_clear(&mutex);
}

typedef struct heirs {
    weir_fork_mark *mark;
    atomic_int here;
    atomic_int claimed;
    atomic_int settled_first; /* those that came back and found it settled */
    bool is_begun;            /* by the one that claimed it; no atomic on purpose */
} heirs;

static void *inherit(void *user)
{
    heirs *h = user;
    atomic_fetch_add(&h->here, 1);
    while (atomic_load(&h->here) < THREADS) {
        weir_os_yield();
    }
    if (!weir_fork_mark_is_ours(h->mark) && weir_fork_mark_claim(h->mark)) {
        atomic_fetch_add(&h->claimed, 1);
        for (int i = 0; i < 100; i++) {
            weir_os_yield(); /* the others come and must wait for it */
        }
        h->is_begun = true;
        weir_fork_mark_settle(h->mark, true);
    }
    if (weir_fork_mark_is_ours(h->mark) && h->is_begun) {
        atomic_fetch_add(&h->settled_first, 1);
    }
    return NULL;
}

/* The child's part, whose status is its result: no assertion of cmocka's may run there. */
static int be_child(weir_fork_mark *mark)
{
    heirs h = {.mark = mark};
    pthread_t threads[THREADS];
    if (weir_fork_mark_is_ours(mark)) {
        return 1;
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, inherit, &h) != 0) {
            return 2;
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    const bool all = atomic_load(&h.settled_first) == THREADS;
    return atomic_load(&h.claimed) == 1 && all ? 0 : 3;
}

static void os_thread__of_a_child_one_thread_begins_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int status = -1;
        weir_fork_mark *mark = weir_fork_mark_new();
        assert_non_null(mark);
        assert_true(weir_fork_mark_is_ours(mark));
        const pid_t child = fork();
        assert_int_not_equal(child, -1);
        if (child == 0) {
            _exit(be_child(mark));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        assert_true(weir_fork_mark_is_ours(mark));
        weir_fork_mark_free(mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(os_thread__the_lock_lets_one_in_at_a_time),
        cmocka_unit_test(os_thread__a_release_wakes_who_waits),
        cmocka_unit_test(os_thread__a_wait_ends_at_its_deadline),
        cmocka_unit_test(os_thread__of_a_child_one_thread_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
