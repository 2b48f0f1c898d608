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
#include "fork.h"
#include "support/hellos.h"
#include "support/series.h"

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

#define THREADS 4
#define FORKS   300 /* few of them meet a thread that holds something */
/* A sanitizer's own allocator takes a lock that another thread may hold at the fork, and the child
 * waits for it for ever: fork_plain.sh runs this without one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define ALLOCATOR_FORKS false
#else
#    define ALLOCATOR_FORKS true
#endif
static void the_child_dials_anew(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    pid_t child = 0;

    weir_fork_get(world);
    const weir_event *acquired = weir_world_event(world, WEIR_EVENT_CONNECTION_ACQUIRED, 0);
    const uint64_t conn = acquired->conn;
    const int fd = weir_user_loop(user) != NULL ? weir_loop_fd(weir_user_loop(user)) : -1;
    if (weir_fork_here(&child)) {
        const weir_ask ask = weir_world_ask(world, "/octets/10");
        weir_exchange *exchange = NULL;
        weir_attempt attempt = WEIR_ATTEMPT_INIT;
        weir_status status = WEIR_OK;
        const unsigned before = weir_fork_sockets();
        MUST(weir_fork_counts(user).connections_idle == 0);
        MUST(weir_fork_sockets() == before - 1);
        MUST(fd < 0 || weir_loop_fd(weir_user_loop(user)) != fd);
        weir_fork_get_in_child(world, user);
        MUST(weir_fork_counts(user).connections_idle == 1);
        const weir_metrics metrics = weir_user_metrics(user);
        MUST(metrics.requests_started == 1 && metrics.active_requests == 0);
        MUST(metrics.connections_opened == 1 && metrics.connections_closed == 0);
        const weir_event *closed = weir_world_event(world, WEIR_EVENT_CONNECTION_CLOSED, 0);
        MUST(closed != NULL && closed->conn == conn && strcmp(closed->why, "forked") == 0);
        MUST(weir_user_call(user, &ask.request, &ask.call, &exchange) == WEIR_OK);
        MUST(weir_exchange_attempt_at(exchange, 0, &attempt) && attempt.reused &&
             attempt.conn > conn);
        (void)weir_fork_read_all(user, exchange, &status);
        weir_user_drop(user, exchange);
        weir_user_free(user);
        MUST(world->differed == 0);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_fork_get(world);
    assert_int_equal(weir_fork_counts(user).dials, 1);
    assert_int_equal(weir_fork_counts(user).reuses, 1);
}

/* What the parent's pool and ledgers have come to is the parent's to say. */
static void the_child_counts_anew(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    pid_t child = 0;

    weir_fork_get(world);
    weir_fork_get(world);
    weir_ask last = weir_world_ask(world, "/last");
    assert_int_equal(weir_world_fetch(world, &last).ended, WEIR_END);
    weir_user_settle(user);
    weir_fork_get(world);
    const weir_counts before = weir_fork_counts(user);
    assert_int_equal(before.requests, 4);
    assert_int_equal(before.ledger_agree, 1);
    if (weir_fork_here(&child)) {
        const weir_counts none = {.size = sizeof(none)};
        weir_counts counts = weir_fork_counts(user);
        MUST(memcmp(&counts, &none, sizeof(none)) == 0);
        weir_fork_get_in_child(world, user);
        counts = weir_fork_counts(user);
        MUST(counts.requests == 1 && counts.dials == 1 && counts.reuses == 0);
        MUST(counts.connections_idle == 1 && counts.leases == 0);
        MUST(counts.ledger_agree == 0 && counts.ledger_unavailable == 0);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    const weir_counts after = weir_fork_counts(user);
    assert_memory_equal(&after, &before, sizeof(after));
}

static void the_child_counts_anew_by_series(weir_world *world)
{
    pid_t child = 0;

    world->options.metrics_series = 100;
    weir_user *user = weir_world_user(world);
    weir_fork_get(world);
    if (weir_fork_here(&child)) {
        weir_series_sample sample = WEIR_SERIES_SAMPLE_INIT;
        weir_metrics_reading *reading = weir_user_reading(user, NULL);
        MUST(reading != NULL && weir_series_wrong(reading) == NULL);
        MUST(!weir_metrics_reading_at(reading, 0, &sample));
        weir_metrics_reading_free(reading);
        weir_fork_get_in_child(world, user);
        reading = weir_user_reading(user, NULL);
        MUST(reading != NULL && weir_series_wrong(reading) == NULL);
        MUST(weir_metrics_reading_at(reading, 0, &sample) && sample.attributes[3].name != NULL);
        MUST(weir_series_count(reading, "http.client.request.duration") == 1);
        weir_metrics_reading_free(reading);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_fork_get(world);
    weir_metrics_reading *reading = weir_user_reading(user, NULL);
    assert_null(weir_series_wrong(reading));
    assert_int_equal(weir_series_count(reading, "weir.client.connections.opened"), 1);
    weir_metrics_reading_free(reading);
}

static void the_child_frees_without_a_word(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    pid_t child = 0;

    weir_fork_get(world);
    if (weir_fork_here(&child)) {
        const unsigned before = weir_fork_sockets();
        weir_user_free(user);
        MUST(weir_fork_sockets() == before - 1);
        weir_shared_release(world->shared);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_fork_get(world);
    assert_int_equal(weir_fork_counts(user).dials, 1);
}

static void what_was_under_way_is_the_parents(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    uint8_t room[1000];
    size_t octets = 0;
    pid_t child = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    assert_int_equal(weir_user_read(user, exchange, room, sizeof(room), &octets), WEIR_OK);
    if (weir_fork_here(&child)) {
        MUST(weir_fork_read_all(user, exchange, &status) < WEIR_LONG_OCTETS);
        MUST(status == WEIR_E_CLOSED);
        const weir_failure failure = weir_exchange_failure(exchange);
        MUST(failure.status == WEIR_E_CLOSED && failure.what != NULL &&
             strstr(failure.what, "fork") != NULL);
        MUST(weir_exchange_is_done(exchange));
        weir_cancel(exchange);
        weir_user_drop(user, exchange);
        weir_fork_get_in_child(world, user);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    assert_int_equal(octets + weir_fork_read_all(user, exchange, &status), WEIR_LONG_OCTETS);
    assert_int_equal(status, WEIR_END);
    weir_world_drop(world, exchange);
    weir_fork_get(world);
}

/* Whoever polls a loop's descriptor in the child learns that there is something to be told. */
static void the_childs_descriptor_becomes_readable(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;
    pid_t child = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (weir_fork_here(&child)) {
        weir_loop *loop = weir_user_loop(user);
        struct pollfd polled = {.fd = weir_loop_fd(loop), .events = POLLIN};
        weir_loop_event event;
        MUST(poll(&polled, 1, 5000) == 1);
        MUST(weir_loop_turn(loop, &event, 1) == 1);
        MUST(event.told == WEIR_TOLD_DONE && event.exchange == exchange);
        MUST(event.status == WEIR_E_CLOSED);
        weir_user_drop(user, exchange);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_world_drop(world, exchange);
}

/* The child may also have nothing to say to it but goodbye. */
static void what_was_under_way_can_be_freed(weir_world *world)
{
    weir_user *user = weir_world_user(world);
    weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    pid_t child = 0;

    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    if (weir_fork_here(&child)) {
        weir_cancel(exchange);
        weir_user_drop(user, exchange);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    assert_int_equal(weir_fork_read_all(user, exchange, &status), WEIR_LONG_OCTETS);
    assert_int_equal(status, WEIR_END);
    weir_world_drop(world, exchange);
}

/* Whatever the child does, and it does more than anywhere else: the origin hears only the parent.
 */
static void the_origin_hears_only_the_parent(weir_world *world)
{
    weir_closings all;
    weir_ask ask = weir_world_ask(world, WEIR_LONG_ANSWER);
    weir_exchange *exchange = NULL;
    weir_status status = WEIR_OK;
    pid_t child = 0;

    weir_closings_begin(&all, world);
    weir_user *user = weir_world_user(world);
    weir_fork_get(world);
    assert_int_equal(weir_world_call(world, &ask, &exchange), WEIR_OK);
    for (int frees = 0; frees < 2; frees++) {
        if (weir_fork_here(&child)) {
            weir_cancel(exchange);
            weir_user_drop(user, exchange);
            if (frees == 0) {
                weir_fork_get_in_child(world, user);
                weir_user_settle(user);
            }
            weir_user_free(user);
            _exit(0);
        }
        assert_true(weir_fork_ended_well(child));
    }
    assert_int_equal(weir_fork_read_all(user, exchange, &status), WEIR_LONG_OCTETS);
    weir_world_drop(world, exchange);
    weir_fork_get(world);
    weir_closings_agree(&all);
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
    weir_closings all;
    weir_origin_line lines[4] = {{0}};
    pid_t child = 0;

    weir_closings_begin(&all, world);
    weir_user *user = weir_world_user(world);
    weir_fork_get(world);
    drain_all(user);
    weir_fork_get(world);
    if (weir_fork_here(&child)) {
        weir_fork_get_in_child(world, user);
        weir_user_free(user);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    drain_all(user);
    weir_fork_get(world);
    weir_world_close(world);
    assert_int_equal(all.count, 3);
    assert_true(weir_origin_log_of_port(weir_fork_origin_log(), all.ports[0], &lines[0]));
    for (size_t i = 1; i < WEIR_COUNT_OF(lines); i++) {
        assert_true(
            weir_origin_log_of_order(weir_fork_origin_log(), lines[0].order + i, &lines[i]));
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

    weir_fork_get(world);
    say_hello(world, user, port, false);
    for (size_t forks = 0; forks < 2; forks++) {
        if (weir_fork_here(&child)) {
            say_hello(world, user, port, true);
            weir_user_free(user);
            _exit(0);
        }
        assert_true(weir_fork_ended_well(child));
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
            (void)weir_fork_read_all(user, exchange, &status);
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
        if (weir_fork_here(&child)) {
            weir_fork_get_in_child(all->world, user);
            weir_user_free(user);
            _exit(0);
        }
        atomic_fetch_add(&all->ended, weir_fork_ended_well(child));
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
    assert_int_equal(weir_fork_counts(all.user).ledger_differ, 0);
    uint64_t left = 0;
    assert_int_equal(
        weir_client_drain(weir_user_client(all.user), (weir_span){NULL, 0}, weir_now(), &left),
        WEIR_OK);
    const weir_counts counts = weir_fork_counts(all.user);
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
    assert_true(weir_fork_opened("anon_inode:[eventfd]") > 0);
    if (weir_fork_here(&child)) {
        (void)weir_fork_counts(user);
        MUST(weir_fork_opened("anon_inode:[eventfd]") == 0);
        MUST(weir_fork_sockets() == 0);
        MUST(names.cancelled == 0);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    /* It is not gone on with, whatever the child asks for first. */
    if (weir_fork_here(&child)) {
        MUST(weir_client_maintain(weir_user_client(user)) == WEIR_NEVER);
        MUST(weir_fork_opened("anon_inode:[eventfd]") == 0);
        MUST(weir_fork_sockets() == 0);
        MUST(names.asked == 2);
        MUST(names.cancelled == 0);
        _exit(0);
    }
    assert_true(weir_fork_ended_well(child));
    weir_world_close(world);
    assert_int_equal(names.cancelled, 1);
}

static const weir_behaviour behaviours[] = {
    {"the child of a fork dials anew", the_child_dials_anew, 0, NULL},
    {"the child of a fork counts anew", the_child_counts_anew, 0, NULL},
    {"the child of a fork counts anew by series", the_child_counts_anew_by_series, 0, NULL},
    {"the child of a fork frees without a word", the_child_frees_without_a_word, 0, NULL},
    {"what was under way at a fork is the parent's", what_was_under_way_is_the_parents, 0, NULL},
    {"a loop's descriptor is readable in the child of a fork",
     the_childs_descriptor_becomes_readable, WEIR_ONLY_LOOP, NULL},
    {"what was under way at a fork can be freed by the child", what_was_under_way_can_be_freed, 0,
     NULL},
    {"the origin hears only the parent of a fork", the_origin_hears_only_the_parent, 0, NULL},
    {"memory fails in the child of a fork", weir_fork_memory_fails, 0, NULL},
    {"the child of a fork frees without memory", weir_fork_no_memory_to_free, 0, NULL},
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
    return weir_fork_run("fork", behaviours, WEIR_COUNT_OF(behaviours) - (ALLOCATOR_FORKS ? 0 : 1));
}
