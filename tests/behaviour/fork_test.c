/* SPDX-License-Identifier: MIT */
/*
 * A fork: the child has connections of its own, and the parent's peer hears nothing of it.
 *
 * That no octet left is the kernel's word: the parent goes on with its connections, and when they
 * are closed its ledger and the kernel's counters of them agree (world.h), as they would not if the
 * child had sent or read anything there. And it is the origin's: what it received on each of them,
 * by its own count, is what the parent's ledger says was sent.
 *
 * In the child nothing is asserted with cmocka, which would go on with the tests there: it ends
 * with 0, or with the number of the line where something was wrong.
 */
#include "support/hellos.h"
#include "support/origin_log.h"
#include "support/world.h"

#include <dirent.h>
#include <poll.h>
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

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define LONG_OCTETS     3000000
#define LONG_ANSWER     "/octets/3000000"
#define THREADS         4
#define FORKS           12
#define CHILD_SECONDS   20
#define CLOSINGS        32
#define NOTHING_FAILED  2
/* A sanitizer's own allocator takes a lock that another thread may hold at the fork, and the child
 * waits for it for ever. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define ALLOCATOR_FORKS false
#else
#    define ALLOCATOR_FORKS true
#endif
#define MUST(truth)                                                                                \
    do {                                                                                           \
        if (!(truth)) {                                                                            \
            fprintf(stderr, "fork_test.c:%d: in the child: %s\n", __LINE__, #truth);               \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static weir_origin_log *origin_log;

/* The parent's connections as they were closed. */
typedef struct closings {
    weir_world *world;
    size_t count;
    unsigned ports[CLOSINGS];
    uint64_t sent[CLOSINGS];
} closings;

static void note_closing(const weir_event *event, void *user)
{
    closings *all = user;

    if (event->kind == WEIR_EVENT_CONNECTION_CLOSED && event->account->local_port != 0 &&
        all->count < CLOSINGS) {
        all->ports[all->count] = event->account->local_port;
        all->sent[all->count++] = event->account->wire.sent;
    }
    all->world->observer.tell(event, all->world->observer.user);
}

/* Closes everything; then the origin's count of what it received on each connection is the parent's
 * of what it sent. */
static void assert_origin_agrees(weir_world *world, closings *all)
{
    weir_origin_line line;

    weir_world_close(world);
    assert_true(all->count > 0);
    for (size_t i = 0; i < all->count; i++) {
        assert_true(weir_origin_log_of_port(origin_log, all->ports[i], &line));
        assert_string_equal(line.ending, "peer-fin");
        assert_int_equal(line.received_octets, all->sent[i]);
    }
}

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
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
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

/* How many descriptors of a kind this process has open. */
static unsigned opened(const char *kind)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    MUST(folder != NULL);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char to[64] = "";
        (void)!readlinkat(dirfd(folder), entry->d_name, to, sizeof(to) - 1);
        count += strncmp(to, kind, strlen(kind)) == 0;
    }
    (void)closedir(folder);
    return count;
}

static unsigned sockets(void)
{
    return opened("socket:");
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
        MUST(weir_exchange_attempt_at(exchange, 0, &attempt) && attempt.reused &&
             attempt.conn > conn);
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
        MUST(failure.status == WEIR_E_CLOSED && failure.what != NULL &&
             strstr(failure.what, "fork") != NULL);
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

/* Whatever the child does, and it does more than anywhere else: the origin hears only the parent.
 */
static void the_origin_hears_only_the_parent(weir_world *world)
{
    closings all = {.world = world};
    const weir_observer observer = {sizeof(observer), &all, note_closing};
    weir_ask ask = weir_world_ask(world, LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    pid_t child = 0;

    weir_origin_log_forget(origin_log);
    world->options.observer = &observer;
    weir_user *user = weir_world_user(world);
    get(world);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    for (int frees = 0; frees < 2; frees++) {
        if (fork_here(&child)) {
            weir_cancel(exchange);
            weir_user_drop(user, exchange);
            if (frees == 0) {
                get_in_child(world, user);
                weir_user_settle(user);
            }
            weir_user_free(user);
            _exit(0);
        }
        assert_true(ended_well(child));
    }
    assert_int_equal(read_all(user, exchange, &status), LONG_OCTETS);
    weir_world_drop(world, exchange);
    get(world);
    assert_origin_agrees(world, &all);
}

/* In the child. Each way to enter says that there is no memory, or does its work; then all is well
 * again. */
static void live_without_memory(weir_world *world, weir_user *user, size_t fail_at)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;

    atomic_store(&world->memory.calls, 0);
    atomic_store(&world->memory.failures, 0);
    world->memory.fail_at = fail_at;
    (void)counts_of(user);
    const weir_metrics metrics = metrics_of(user);
    MUST(metrics.requests_started <= 1);
    ask.call.observer = NULL;
    status = weir_user_call(user, &ask.request, &ask.call, &exchange);
    MUST(status == WEIR_OK || status == WEIR_E_NOMEM);
    MUST(exchange != NULL || status == WEIR_E_NOMEM);
    if (status == WEIR_OK) {
        (void)read_all(user, exchange, &status);
        MUST(status == WEIR_END || status == WEIR_E_NOMEM);
    }
    weir_user_drop(user, exchange);
    world->memory.fail_at = 0;
    const bool failed = atomic_load(&world->memory.failures) > 0;
    get_in_child(world, user);
    weir_user_free(user);
    MUST(world->differed == 0);
    /* The parent's connection was looked at once, to forget it. */
    const uint64_t conn = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0)->conn;
    size_t closed = 0;
    for (size_t i = 0; i < world->event_count; i++) {
        closed +=
            world->events[i].kind == WEIR_EVENT_CONNECTION_CLOSED && world->events[i].conn == conn;
    }
    MUST(closed <= 1);
    _exit(failed ? 0 : NOTHING_FAILED);
}

/* The k-th allocation of the child fails, for each k; the first of them are those with which it
 * begins anew. */
static void memory_fails_in_the_child(weir_world *world)
{
    closings all = {.world = world};
    const weir_observer observer = {sizeof(observer), &all, note_closing};
    int status = 0;
    size_t fail_at = 0;

    weir_origin_log_forget(origin_log);
    world->options.observer = &observer;
    weir_user *user = weir_world_user(world);
    get(world);
    while (WEXITSTATUS(status) == 0) {
        pid_t child = 0;
        fail_at++;
        if (fork_here(&child)) {
            live_without_memory(world, user, fail_at);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) ||
            (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != NOTHING_FAILED)) {
            fail_msg("with allocation %zu failing the child ended with %#x", fail_at,
                     (unsigned)status);
        }
    }
    assert_true(fail_at > 5);
    get(world);
    assert_int_equal(counts_of(user).dials, 1);
    assert_origin_agrees(world, &all);
}

/* A client or loop that the child only frees needs no memory for it, and is as silent as with it.
 */
static void no_memory_to_free_with(weir_world *world)
{
    closings all = {.world = world};
    const weir_observer observer = {sizeof(observer), &all, note_closing};
    pid_t child = 0;

    weir_origin_log_forget(origin_log);
    world->options.observer = &observer;
    weir_user *user = weir_world_user(world);
    get(world);
    if (fork_here(&child)) {
        const unsigned before = sockets();
        atomic_store(&world->memory.calls, 0);
        world->memory.fail_at = 1;
        world->memory.and_after = true;
        weir_user_free(user);
        MUST(sockets() == before - 1);
        _exit(0);
    }
    assert_true(ended_well(child));
    get(world);
    assert_int_equal(counts_of(user).dials, 1);
    assert_origin_agrees(world, &all);
}

static void drain_all(weir_user *user)
{
    uint64_t left = 0;

    if (weir_user_loop(user) != NULL) {
        MUST(weir_loop_drain(weir_user_loop(user), (weir_span){NULL, 0}) == WEIR_OK);
        while (weir_loop_draining(weir_user_loop(user)) > 0) {
            weir_loop_wait(weir_user_loop(user), WEIR_NEVER);
            weir_user_settle(user);
        }
    } else {
        MUST(weir_client_drain(weir_user_client(user), (weir_span){NULL, 0}, WEIR_NEVER, &left) ==
             WEIR_OK);
    }
}

/* The parent resumes what it has; the child has nothing to resume. The origin says which connection
 * was which. */
static void sessions_stay_the_parents(weir_world *world)
{
    closings all = {.world = world};
    const weir_observer observer = {sizeof(observer), &all, note_closing};
    weir_origin_line lines[4] = {{0}};
    pid_t child = 0;

    weir_origin_log_forget(origin_log);
    world->options.observer = &observer;
    weir_user *user = weir_world_user(world);
    get(world);
    drain_all(user);
    get(world);
    if (fork_here(&child)) {
        get_in_child(world, user);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(ended_well(child));
    drain_all(user);
    get(world);
    weir_world_close(world);
    assert_int_equal(all.count, 3);
    assert_true(weir_origin_log_of_port(origin_log, all.ports[0], &lines[0]));
    for (size_t i = 1; i < COUNT_OF(lines); i++) {
        assert_true(weir_origin_log_of_order(origin_log, lines[0].order + i, &lines[i]));
    }
    assert_false(lines[0].resumed);
    assert_true(lines[1].resumed);
    assert_false(lines[2].resumed); /* the child's */
    assert_true(lines[3].resumed);
}

static void say_hello(weir_world *world, weir_user *user, uint16_t port, bool in_child)
{
    weir_ask ask = weir_world_ask(world, "/octets/10");
    weir_exchange *exchange = NULL;

    ask.call.observer = NULL;
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = port;
    const weir_status status = weir_user_call(user, &ask.request, &ask.call, &exchange);
    weir_user_drop(user, exchange);
    if (in_child) {
        MUST(status != WEIR_OK);
    } else {
        assert_int_not_equal(status, WEIR_OK);
    }
}

/* The random of a ClientHello is the first thing that a connection draws: none is the same before,
 * in, and after the child. */
static void random_numbers_do_not_repeat(weir_world *world)
{
    weir_hellos *hellos = weir_hellos_start();
    weir_user *user = weir_world_user(world);
    const uint16_t port = weir_hellos_port(hellos);
    pid_t child = 0;

    get(world);
    say_hello(world, user, port, false);
    for (size_t forks = 0; forks < 2; forks++) {
        if (fork_here(&child)) {
            say_hello(world, user, port, true);
            weir_user_free(user);
            _exit(0);
        }
        assert_true(ended_well(child));
    }
    say_hello(world, user, port, false);
    (void)weir_hellos_random(hellos, 3);
    const size_t count = weir_hellos_count(hellos);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(weir_hellos_random(hellos, i), weir_hellos_random(hellos, j),
                                    32);
        }
    }
    weir_hellos_stop(hellos);
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

/* Forked from in between: other threads hold what they hold. The bench's own locks are kept out of
 * it: plain memory, no observer. */
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
    assert_int_equal(
        weir_client_drain(weir_user_client(all.user), (weir_span){NULL, 0}, weir_now(), &left),
        WEIR_OK);
    const weir_counts counts = counts_of(all.user);
    assert_int_equal(counts.ledger_differ, 0);
    assert_true(counts.ledger_agree > 0);
    weir_user_free(all.user);
    weir_shared_release(shared);
}

/* Answers once, for a second, and then keeps everybody waiting. */
typedef struct slow_names {
    weir_resolver resolver;
    unsigned asked;
    unsigned cancelled;
} slow_names;

static void answer_once(weir_lookup *lookup, weir_span host, void *user)
{
    const weir_address here = {.family = 4, .octets = {127, 0, 0, 1}, .ttl_seconds = 1};
    slow_names *names = user;

    (void)host;
    if (names->asked++ == 0) {
        weir_resolver_answer(lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
        weir_resolver_answer(lookup, 4, WEIR_OK, &here, 1);
    }
}

static void give_up(weir_lookup *lookup, void *user)
{
    slow_names *names = user;

    (void)lookup;
    names->cancelled++;
}

/* A look-up has descriptors too: here the one by which the resolver says that it answered. */
static void a_look_up_is_the_parents(weir_world *world)
{
    slow_names names = {.asked = 0};
    char url[128];
    pid_t child = 0;

    names.resolver = (weir_resolver){sizeof(names.resolver), &names, answer_once, give_up};
    world->options.resolver = &names.resolver;
    weir_ask ask = weir_world_ask(world, "/octets/10");
    (void)snprintf(url, sizeof(url), "http://a.test:%u/octets/10",
                   (unsigned)world->origin->clear_port);
    ask.request.url = (weir_span){(const uint8_t *)url, strlen(url)};
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    weir_user *user = weir_world_user(world);
    while (names.asked < 2) {
        const weir_time next_ns = weir_client_maintain(weir_user_client(user));
        const weir_time now_ns = weir_now();
        (void)poll(NULL, 0,
                   next_ns > now_ns && names.asked < 2 ? (int)((next_ns - now_ns) / 1000000) + 1
                                                       : 0);
    }
    assert_true(opened("anon_inode:[eventfd]") > 0);
    if (fork_here(&child)) {
        (void)counts_of(user);
        MUST(opened("anon_inode:[eventfd]") == 0);
        MUST(sockets() == 0);
        MUST(names.cancelled == 0);
        _exit(0);
    }
    assert_true(ended_well(child));
    weir_world_close(world);
    assert_int_equal(names.cancelled, 1);
}

static const weir_behaviour behaviours[] = {
    {"the child of a fork dials anew", the_child_dials_anew, 0, NULL},
    {"the child of a fork frees without a word", the_child_frees_without_a_word, 0, NULL},
    {"what was under way at a fork is the parent's", what_was_under_way_is_the_parents, 0, NULL},
    {"what was under way at a fork can be freed by the child", what_was_under_way_can_be_freed, 0,
     NULL},
    {"the origin hears only the parent of a fork", the_origin_hears_only_the_parent, 0, NULL},
    {"memory fails in the child of a fork", memory_fails_in_the_child, 0, NULL},
    {"the child of a fork frees without memory", no_memory_to_free_with, 0, NULL},
    {"TLS sessions stay the parent's", sessions_stay_the_parents, WEIR_ONLY_TLS, NULL},
    {"random numbers do not repeat after a fork", random_numbers_do_not_repeat, WEIR_ONLY_TLS,
     NULL},
    {"a look-up under way at a fork is the parent's", a_look_up_is_the_parents,
     WEIR_ONLY_BLOCKING | WEIR_ONLY_CLEAR, NULL},
    {"a fork while threads are in calls", threads_may_be_in_calls, WEIR_ONLY_BLOCKING,
     NULL}, /* the last: see main() */
};

int main(void)
{
    origin_log = weir_origin_log_open();
    const char *const arguments[] = {"--log", weir_origin_log_path(origin_log), NULL};
    const int failed = weir_world_run("fork", behaviours,
                                      COUNT_OF(behaviours) - (ALLOCATOR_FORKS ? 0 : 1), arguments);
    weir_origin_log_close(origin_log);
    return failed;
}
