/* SPDX-License-Identifier: MIT */
/*
 * A fork: the child has connections of its own, and the parent's peer hears nothing of it.
 *
 * That no octet left is the kernel's word: the parent goes on with its connections, and when they are closed its ledger and
 * the kernel's counters of them agree (world.h), as they would not if the child had sent or read anything there.
 *
 * In the child nothing is asserted with cmocka, which would go on with the tests there: it ends with 0, or with the number of the
 * line where something was wrong.
 */
#include "support/world.h"

#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT_OF(array)  (sizeof(array) / sizeof((array)[0]))
#define LONG_OCTETS      3000000
#define LONG_ANSWER      "/octets/3000000"
#define THREADS          4
#define FORKS            12
#define CHILD_SECONDS    20
/* A sanitizer's own allocator takes a lock that another thread may hold at the fork, and the child waits for it for ever. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATOR_FORKS  false
#else
#define ALLOCATOR_FORKS  true
#endif
#define MUST(truth)                                                                                                   \
    do {                                                                                                              \
        if (!(truth)) {                                                                                               \
            fprintf(stderr, "fork_test.c:%d: in the child: %s\n", __LINE__, #truth);                                  \
            _exit(1);                                                                                                 \
        }                                                                                                             \
    } while (0)

static weir_counts counts_of(weir_user *user)
{
    weir_counts counts = WEIR_COUNTS_INIT;
    weir_user_counts(user, &counts);
    return counts;
}

static weir_metrics metrics_of(weir_user *user)
{
    weir_metrics metrics = WEIR_METRICS_INIT;

    if (weir_user_loop(user) != NULL) {
        weir_loop_metrics(weir_user_loop(user), &metrics);
    } else {
        weir_client_metrics(weir_user_client(user), &metrics);
    }
    return metrics;
}

static void get(weir_world *world)
{
    const weir_ask ask = weir_world_ask(world, "/octets/10");
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_int_equal(fetched.code, 200);
}

/* True in the child. */
static bool fork_here(pid_t *child)
{
    (void)fflush(NULL);
    *child = fork();
    if (*child == 0) {
        (void)alarm(CHILD_SECONDS);
    }
    return *child == 0;
}

static bool ended_well(pid_t child)
{
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint64_t read_all(weir_user *user, weir_exchange *exchange, weir_status *status)
{
    uint8_t room[8192];
    size_t octets = 0;
    uint64_t all = 0;

    for (*status = weir_user_read(user, exchange, room, sizeof(room), &octets); *status == WEIR_OK;
         *status = weir_user_read(user, exchange, room, sizeof(room), &octets)) {
        all += octets;
    }
    return all;
}

/* How many sockets this process has open. */
static unsigned sockets(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    MUST(folder != NULL);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char to[64] = "";
        (void)!readlinkat(dirfd(folder), entry->d_name, to, sizeof(to) - 1);
        count += strncmp(to, "socket:", strlen("socket:")) == 0;
    }
    (void)closedir(folder);
    return count;
}

/* A call of the child's own. */
static void get_in_child(weir_world *world, weir_user *user)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;

    ask.call.observer = NULL;
    MUST(weir_user_call(user, &ask.request, &ask.call, &exchange) == WEIR_OK);
    MUST(weir_exchange_code(exchange) == 200);
    MUST(read_all(user, exchange, &status) == 10);
    MUST(status == WEIR_END);
    weir_user_drop(user, exchange);
}

static void the_child_dials_anew(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    pid_t child = 0;

    get(world);
    const weir_event *acquired = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0);
    const uint64_t conn = acquired->conn;
    const int fd = weir_user_loop(user) != NULL ? weir_loop_fd(weir_user_loop(user)) : -1;
    if (fork_here(&child)) {
        const weir_ask ask = weir_world_ask(world, "/octets/10");
        weir_exchange *exchange = NULL;
        weir_attempt attempt = WEIR_ATTEMPT_INIT;
        weir_status status = WEIR_OK;
        const unsigned before = sockets();
        MUST(counts_of(user).connections_idle == 0);
        MUST(sockets() == before - 1);
        MUST(fd < 0 || weir_loop_fd(weir_user_loop(user)) != fd);
        get_in_child(world, user);
        MUST(counts_of(user).connections_idle == 1);
        const weir_metrics metrics = metrics_of(user);
        MUST(metrics.requests_started == 1 && metrics.active_requests == 0);
        MUST(metrics.connections_opened == 1 && metrics.connections_closed == 0);
        const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
        MUST(closed != NULL && closed->conn == conn && strcmp(closed->why, "forked") == 0);
        MUST(weir_user_call(user, &ask.request, &ask.call, &exchange) == WEIR_OK);
        MUST(weir_exchange_attempt_at(exchange, 0, &attempt) && attempt.reused && attempt.conn > conn);
        (void)read_all(user, exchange, &status);
        weir_user_drop(user, exchange);
        weir_user_free(user);
        MUST(world->differed == 0);
        _exit(0);
    }
    assert_true(ended_well(child));
    get(world);
    assert_int_equal(counts_of(user).dials, 1);
    assert_int_equal(counts_of(user).reuses, 1);
}

static void the_child_frees_without_a_word(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    pid_t child = 0;

    get(world);
    if (fork_here(&child)) {
        const unsigned before = sockets();
        weir_user_free(user);
        MUST(sockets() == before - 1);
        weir_shared_release(world->shared);
        _exit(0);
    }
    assert_true(ended_well(child));
    get(world);
    assert_int_equal(counts_of(user).dials, 1);
}

static void what_was_under_way_is_the_parents(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_ask ask = weir_world_ask(world, LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    uint8_t room[1000];
    size_t octets = 0;
    pid_t child = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_user_read(user, exchange, room, sizeof(room), &octets), WEIR_OK);
    if (fork_here(&child)) {
        MUST(read_all(user, exchange, &status) < LONG_OCTETS);
        MUST(status == WEIR_E_CLOSED);
        const weir_failure failure = weir_exchange_failure(exchange);
        MUST(failure.status == WEIR_E_CLOSED && failure.what != NULL && strstr(failure.what, "fork") != NULL);
        MUST(weir_exchange_is_done(exchange));
        weir_cancel(exchange);
        weir_user_drop(user, exchange);
        get_in_child(world, user);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(ended_well(child));
    assert_int_equal(octets + read_all(user, exchange, &status), LONG_OCTETS);
    assert_int_equal(status, WEIR_END);
    weir_world_drop(world, exchange);
    get(world);
}

/* The child may also have nothing to say to it but goodbye. */
static void what_was_under_way_can_be_freed(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_ask ask = weir_world_ask(world, LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    pid_t child = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (fork_here(&child)) {
        weir_cancel(exchange);
        weir_user_drop(user, exchange);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(ended_well(child));
    assert_int_equal(read_all(user, exchange, &status), LONG_OCTETS);
    assert_int_equal(status, WEIR_END);
    weir_world_drop(world, exchange);
}

typedef struct busy_forks {
    weir_world *world;
    weir_user *user;
    atomic_uint ended; /* forks that ended well */
    atomic_uint calls;
    atomic_bool over;
} busy_forks;

static void call_or_fork(weir_user *user, size_t index, void *shared)
{
    busy_forks *all = shared;

    while (index > 0 && !atomic_load(&all->over)) {
        weir_ask ask = weir_world_ask(all->world, index % 2 == 0 ? "/octets/100000" : "/octets/10");
        weir_exchange *exchange = NULL;
        weir_status status = WEIR_OK;
        ask.call.observer = NULL;
        if (weir_user_call(user, &ask.request, &ask.call, &exchange) == WEIR_OK) {
            (void)read_all(user, exchange, &status);
            atomic_fetch_add(&all->calls, status == WEIR_END);
        }
        weir_user_drop(user, exchange);
    }
    for (unsigned i = 0; index == 0 && i < FORKS; i++) {
        const unsigned before = atomic_load(&all->calls);
        pid_t child = 0;
        while (atomic_load(&all->calls) < before + THREADS) {
            (void)sched_yield();
        }
        if (fork_here(&child)) {
            get_in_child(all->world, user);
            weir_user_free(user);
            _exit(0);
        }
        atomic_fetch_add(&all->ended, ended_well(child));
    }
    if (index == 0) {
        atomic_store(&all->over, true);
    }
}

/* Forked from in between: other threads hold what they hold. The bench's own locks are kept out of it: plain memory, no observer. */
static void threads_may_be_in_calls(weir_world *world)
{
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    options.tls = world->tls;
    weir_shared *shared = weir_shared_new(&options, &status);
    const weir_user_options user_options = {.kind = WEIR_USER_BLOCKING, .shared = shared};
    busy_forks all = {.world = world, .user = weir_user_new(&user_options, &status)};
    assert_int_equal(status, WEIR_OK);
    weir_user_together(all.user, THREADS + 1, call_or_fork, &all);
    assert_int_equal(atomic_load(&all.ended), FORKS);
    assert_int_equal(counts_of(all.user).ledger_differ, 0);
    uint64_t left = 0;
    assert_int_equal(weir_client_drain(weir_user_client(all.user), (weir_span){NULL, 0}, weir_now(), &left), WEIR_OK);
    const weir_counts counts = counts_of(all.user);
    assert_int_equal(counts.ledger_differ, 0);
    assert_true(counts.ledger_agree > 0);
    weir_user_free(all.user);
    weir_shared_release(shared);
}

static const weir_behaviour behaviours[] = {
    {"the child of a fork dials anew", the_child_dials_anew, 0, NULL},
    {"the child of a fork frees without a word", the_child_frees_without_a_word, 0, NULL},
    {"what was under way at a fork is the parent's", what_was_under_way_is_the_parents, 0, NULL},
    {"what was under way at a fork can be freed by the child", what_was_under_way_can_be_freed, 0, NULL},
    {"a fork while threads are in calls", threads_may_be_in_calls, WEIR_ONLY_BLOCKING, NULL}, /* the last: see main() */
};

int main(void)
{
    return weir_world_run("fork", behaviours, COUNT_OF(behaviours) - (ALLOCATOR_FORKS ? 0 : 1), NULL);
}
