/* SPDX-License-Identifier: MIT */
/*
 * Look-ups over c-ares, against a name server on loopback that the test itself drives.
 */
#include "resolve_bench.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "engine/os.h"
#include "weir/request.h"

static void resolve__tells_both_families_with_their_ttl(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = bench_start(bench, "both.test", bench);

    bench_run_until_told(bench, 2);
    assert_int_equal(bench_told_of(bench, 4)->count, 1);
    bench_assert_address(bench_told_of(bench, 4), 0, "192.0.2.1", 30);
    assert_int_equal(bench_told_of(bench, 6)->count, 1);
    bench_assert_address(bench_told_of(bench, 6), 0, "2001:db8::1", 40);
    assert_ptr_equal(bench->told[0].user, bench);
    assert_int_equal(bench->server.questions, 2);
    weir_channel_end(bench->channel, lookup);
}

/* The answers outlive who asked; c-ares calls back when nobody waits any more. */
static void resolve__asks_once_for_one_name(void **state)
{
    resolve_bench *bench = *state;

    bench->server.hold_a = true;
    weir_lookup *first = bench_start(bench, "both.test", NULL);
    bench_run_until_told(bench, 1);
    bench_run_until_held(bench, 1);
    weir_lookup *second = bench_start(bench, "both.test", bench);
    weir_channel_end(bench->channel, first);
    bench_run_until_told(bench, 2);
    assert_int_equal(bench->told[1].family, 6);
    assert_ptr_equal(bench->told[1].user, bench);
    weir_dns_server_release(&bench->server);
    bench_run_until_told(bench, 3);
    bench_assert_address(&bench->told[2], 0, "192.0.2.1", 30);
    assert_int_equal(bench->server.questions, 2);
    weir_channel_end(bench->channel, second);
    bench->server.hold_a = true;
    first = bench_start(bench, "both.test", NULL);
    second = bench_start(bench, "both.test", NULL);
    bench_run_until_held(bench, 1);
    weir_channel_end(bench->channel, second);
    weir_channel_end(bench->channel, first);
    assert_int_equal(bench->server.questions, 4);
}

static void resolve__tells_each_family_when_it_comes(void **state)
{
    resolve_bench *bench = *state;

    for (int round = 0; round < 2; round++) {
        bench->count = 0;
        bench->server.hold_a = round == 0;
        bench->server.hold_aaaa = round == 1;
        weir_lookup *lookup = bench_start(bench, "both.test", NULL);
        bench_run_until_told(bench, 1);
        bench_run_until_held(bench, 1);
        assert_int_equal(bench->told[0].family, round == 0 ? 6 : 4);
        weir_dns_server_release(&bench->server);
        bench_run_until_told(bench, 2);
        assert_int_equal(bench->told[1].family, round == 0 ? 4 : 6);
        weir_channel_end(bench->channel, lookup);
    }
}

/* Labels of 50 and a final dot: 255 octets, which is one more than goes into a question. */
static void name_one_too_long(char *name, size_t room)
{
    for (size_t i = 0; i < room - 1; i++) {
        name[i] = i % 51 == 50 ? '.' : 'a';
    }
}

static void resolve__tells_what_a_failure_was(void **state)
{
    resolve_bench *bench = *state;

    bench_assert_both_say(bench, "none.test", WEIR_E_DNS_NOT_FOUND);
    bench_assert_both_say(bench, "broken.test", WEIR_E_DNS_FAILED);
    bench_assert_both_say(bench, "garbage.test", WEIR_E_DNS_FAILED);
    const size_t asked = bench->server.questions;
    char name[256] = "";
    name_one_too_long(name, sizeof(name));
    bench_assert_both_say(bench, name, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(bench->server.questions, asked);
}

static void resolve__asks_for_the_longest_name(void **state)
{
    resolve_bench *bench = *state;
    char name[256] = "";

    name_one_too_long(name, sizeof(name));
    bench->server.hold_a = true;
    bench->server.hold_aaaa = true;
    weir_lookup *lookup = bench_start(bench, name + 1, NULL);
    bench_run_until_held(bench, 2);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__tells_that_a_family_has_no_address(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = bench_start(bench, "v4.test", NULL);

    bench_run_until_told(bench, 2);
    assert_int_equal(bench_told_of(bench, 4)->status, WEIR_OK);
    assert_int_equal(bench_told_of(bench, 6)->status, WEIR_E_DNS_NOT_FOUND);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__lets_aliases_bound_the_ttl(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = bench_start(bench, "alias.test", NULL);

    bench_run_until_told(bench, 2);
    bench_assert_address(bench_told_of(bench, 4), 0, "192.0.2.1", 10);
    bench_assert_address(bench_told_of(bench, 6), 0, "2001:db8::1", 10);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__bounds_an_answer_of_thousands(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = bench_start(bench, "many.test", NULL);

    bench_run_until_told(bench, 2);
    assert_int_equal(bench->server.over_tcp, 1);
    assert_int_equal(bench_told_of(bench, 4)->count, WEIR_DIAL_ADDRESSES);
    bench_assert_address(bench_told_of(bench, 4), 0, "192.0.2.1", 30);
    assert_int_equal(bench_told_of(bench, 6)->count, 1);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__says_failed_when_no_server_is_there(void **state)
{
    resolve_bench *bench = *state;

    weir_dns_server_close(&bench->server);
    weir_lookup *lookup = bench_start(bench, "both.test", NULL);
    const weir_time until_ns = weir_now() + WAIT_NS;
    weir_poll polls[POLL_LIMIT];
    bench_take_answers(bench); /* a newer c-ares knows before anybody has polled */
    while (bench->count < 2) {
        const size_t count = weir_channel_polls(bench->channel, polls, POLL_LIMIT);
        assert_true(weir_os_poll(polls, count, until_ns) > 0);
        for (size_t i = 0; i < count; i++) {
            weir_channel_ready(bench->channel, polls[i].fd, polls[i].revents != 0, false,
                               weir_now());
        }
        bench_take_answers(bench);
    }
    assert_int_equal(bench->told[0].status, WEIR_E_DNS_FAILED);
    assert_int_equal(bench->told[1].status, WEIR_E_DNS_FAILED);
    weir_channel_end(bench->channel, lookup);
    weir_dns_server_open(&bench->server);
}

static void resolve__tells_nothing_after_the_end(void **state)
{
    resolve_bench *bench = *state;

    bench->server.hold_a = true;
    bench->server.hold_aaaa = true;
    weir_lookup *gone = bench_start(bench, "both.test", NULL);
    bench_run_until_held(bench, 2);
    weir_channel_end(bench->channel, gone);
    weir_dns_server_release(&bench->server);
    bench_run_dry(bench);
    assert_int_equal(bench->count, 0);
    /* The late answers freed it, and the channel goes on. */
    assert_int_equal(atomic_load(&bench->memory.live), 1);
    weir_lookup *next = bench_start(bench, "both.test", NULL);
    bench_run_until_told(bench, 2);
    weir_channel_end(bench->channel, next);
}

static void resolve__tells_no_second_family_after_the_end(void **state)
{
    resolve_bench *bench = *state;

    bench->server.hold_a = true;
    weir_lookup *lookup = bench_start(bench, "both.test", NULL);
    bench_run_until_told(bench, 1);
    bench_run_until_held(bench, 1);
    weir_channel_end(bench->channel, lookup);
    weir_dns_server_release(&bench->server);
    bench_run_dry(bench);
    assert_int_equal(bench->count, 1);
}

static void resolve__frees_a_channel_with_look_ups_under_way(void **state)
{
    resolve_bench *bench = *state;

    (void)bench_start(bench, "silent.test", NULL);
    (void)bench_start(bench, "silent.test", NULL);
    weir_channel_end(bench->channel, bench_start(bench, "quiet.test", NULL));
    bench_run_dry(bench);
    assert_int_equal(bench->server.questions, 4);
    /* teardown frees it and finds every block given back */
}

static void resolve__has_a_deadline_only_while_it_asks(void **state)
{
    resolve_bench *bench = *state;
    const weir_time now_ns = weir_now();

    assert_int_equal(weir_channel_deadline(bench->channel, now_ns), WEIR_NEVER);
    weir_lookup *lookup = bench_start(bench, "both.test", NULL);
    const weir_time deadline_ns = weir_channel_deadline(bench->channel, now_ns);
    assert_true(deadline_ns >= now_ns && deadline_ns <= now_ns + 60 * WEIR_NS_PER_SECOND);
    weir_channel_ready(bench->channel, -1, false, false, now_ns); /* only time passed: no harm */
    bench_run_until_told(bench, 2);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(weir_channel_deadline(bench->channel, now_ns), WEIR_NEVER);
}

static void resolve__names_its_descriptors_once_to_an_epoll_driver(void **state)
{
    resolve_bench *bench = *state;
    weir_poll watch = {0};
    weir_poll polls[1];

    assert_false(weir_channel_next_watch(bench->channel, &watch));
    assert_int_equal(weir_channel_polls(bench->channel, NULL, 0), 0);
    weir_lookup *lookup = bench_start(bench, "both.test", NULL);
    assert_true(weir_channel_next_watch(bench->channel, &watch));
    assert_int_equal(watch.events, POLLIN);
    assert_false(weir_channel_next_watch(bench->channel, &watch));
    assert_int_equal(weir_channel_polls(bench->channel, polls, 1), 1);
    assert_int_equal(polls[0].fd, watch.fd);
    bench_run_until_told(bench, 2);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(weir_channel_polls(bench->channel, NULL, 0), 0); /* closed, hence forgotten */
}

static void resolve__keeps_look_ups_apart(void **state)
{
    resolve_bench *bench = *state;
    int first = 0;
    int second = 0;
    weir_lookup *one = bench_start(bench, "both.test", &first);
    weir_lookup *two = bench_start(bench, "none.test", &second);

    bench_run_until_told(bench, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(bench->told[i].user == &first || bench->told[i].user == &second);
        assert_int_equal(bench->told[i].status,
                         bench->told[i].user == &first ? WEIR_OK : WEIR_E_DNS_NOT_FOUND);
    }
    weir_channel_end(bench->channel, two);
    weir_channel_end(bench->channel, one);
}

/* A name that the system's hosts file knows with IPv4 addresses only; false: it has none. */
static bool find_in_hosts(char *name, size_t room, char *address)
{
    FILE *file = fopen("/etc/hosts", "r");
    char line[512];
    bool found = false;

    assert_true(room >= 256);
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        weir_address parsed;
        found = sscanf(line, "%63s %255s", address, name) == 2 && address[0] != '#' &&
                strstr(name, "localhost") == NULL && strchr(name, '#') == NULL &&
                weir_os_address_parse((weir_span){(const uint8_t *)address, strlen(address)},
                                      &parsed) &&
                parsed.family == 4;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static void resolve__names_of_the_hosts_file_never_reach_a_server(void **state)
{
    resolve_bench *bench = *state;
    char name[256];
    char address[64];

    if (!find_in_hosts(name, sizeof(name), address)) {
        skip();
    }
    weir_lookup *lookup = bench_start(bench, name, NULL);
    bench_take_answers(bench);
    bench_assert_address(bench_told_of(bench, 4), 0, address, 0);
    bench_run_dry(bench);
    assert_int_equal(bench->server.questions, 0);
    assert_int_equal(bench->count, 2);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__says_so_when_descriptors_ran_out(void **state)
{
    resolve_bench *bench = *state;
    const weir_channel_options options = {.allocator = &bench->memory.allocator};
    struct rlimit before;
    struct rlimit none;
    weir_status status = WEIR_OK;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    weir_channel *channel = weir_channel_new(&options, &status);
    weir_lookup *lookup = bench_start(bench, "both.test", NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    /* Some versions of c-ares do without the system's files. */
    assert_int_equal(status, channel != NULL ? WEIR_OK : WEIR_E_DESCRIPTORS);
    weir_channel_free(channel);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->told[0].status, WEIR_E_DESCRIPTORS);
    assert_int_equal(bench->told[1].status, WEIR_E_DESCRIPTORS);
    weir_channel_end(bench->channel, lookup);
    bench->count = 0;
    lookup = bench_start(bench, "both.test", NULL);
    bench_run_until_told(bench, 2);
    assert_int_equal(bench->told[0].status, WEIR_OK);
    weir_channel_end(bench->channel, lookup);
}

static void ask_with_failures(weir_failalloc *memory, void *user)
{
    resolve_bench *bench = user;
    const weir_channel_options options = {.allocator = &memory->allocator,
                                          .servers = bench->server.servers};
    weir_status status = WEIR_OK;
    weir_channel *channel = weir_channel_new(&options, &status);

    assert_int_equal(status, channel != NULL ? WEIR_OK : WEIR_E_NOMEM);
    if (channel != NULL) {
        weir_lookup *lookup =
            weir_channel_start(channel, WEIR_SPAN("silent.test"), NULL, weir_now());
        (void)weir_channel_start(channel, WEIR_SPAN("silent.test"), NULL, weir_now());
        if (lookup != NULL) {
            weir_channel_end(channel, lookup);
        }
    }
    weir_channel_free(channel);
}

static void resolve__survives_failing_allocations(void **state)
{
    assert_int_equal(weir_failalloc_every(ask_with_failures, *state), 4);
}

/* As many as the channel has to be polled, whatever comes of it. */
static size_t assert_held_as_polled(resolve_bench *bench)
{
    weir_poll polls[POLL_LIMIT];
    const size_t count = weir_channel_polls(bench->channel, polls, POLL_LIMIT);
    size_t noted = 0;

    for (int fd = weir_held_next(&bench->held, 0); fd >= 0;
         fd = weir_held_next(&bench->held, fd + 1)) {
        bool known = false;
        for (size_t i = 0; i < count; i++) {
            known = known || polls[i].fd == fd;
        }
        assert_true(known);
        noted++;
    }
    assert_int_equal(noted, count);
    return noted;
}

/* So that the child of a fork can close them. */
static void resolve__notes_its_descriptors_while_they_are_open(void **state)
{
    resolve_bench *bench = *state;

    weir_channel_free(bench->channel);
    weir_held_init(&bench->held, &bench->memory.allocator);
    bench_open_channel(
        bench, &(weir_channel_options){.servers = bench->server.servers, .held = &bench->held});
    assert_int_equal(assert_held_as_polled(bench), 0);
    weir_lookup *many = bench_start(bench, "many.test", NULL); /* over UDP, then over TCP */
    assert_true(assert_held_as_polled(bench) > 0);
    while (bench->count < 2) {
        assert_true(bench_step(bench, weir_now() + 10 * WEIR_NS_PER_SECOND));
        (void)assert_held_as_polled(bench);
        bench_take_answers(bench);
    }
    assert_true(bench->server.over_tcp > 0);
    weir_channel_end(bench->channel, many);
    weir_lookup *silent = bench_start(bench, "silent.test", NULL);
    assert_true(weir_held_next(&bench->held, 0) >= 0);
    weir_channel_end(bench->channel, silent);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(weir_held_next(&bench->held, 0), -1);

    const weir_resolver hook = {.size = sizeof(hook)};
    bench_open_channel(bench, &(weir_channel_options){.resolver = &hook, .held = &bench->held});
    assert_int_equal(assert_held_as_polled(bench), 1); /* by which it says that it answered */
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(weir_held_next(&bench->held, 0), -1);
    weir_held_clear(&bench->held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(resolve__tells_both_families_with_their_ttl),
        BENCHED(resolve__asks_once_for_one_name),
        BENCHED(resolve__tells_each_family_when_it_comes),
        BENCHED(resolve__tells_what_a_failure_was),
        BENCHED(resolve__asks_for_the_longest_name),
        BENCHED(resolve__tells_that_a_family_has_no_address),
        BENCHED(resolve__lets_aliases_bound_the_ttl),
        BENCHED(resolve__bounds_an_answer_of_thousands),
        BENCHED(resolve__says_failed_when_no_server_is_there),
        BENCHED(resolve__tells_nothing_after_the_end),
        BENCHED(resolve__tells_no_second_family_after_the_end),
        BENCHED(resolve__frees_a_channel_with_look_ups_under_way),
        BENCHED(resolve__has_a_deadline_only_while_it_asks),
        BENCHED(resolve__names_its_descriptors_once_to_an_epoll_driver),
        BENCHED(resolve__keeps_look_ups_apart),
        BENCHED(resolve__names_of_the_hosts_file_never_reach_a_server),
        BENCHED(resolve__says_so_when_descriptors_ran_out),
        BENCHED(resolve__survives_failing_allocations),
        BENCHED(resolve__notes_its_descriptors_while_they_are_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
