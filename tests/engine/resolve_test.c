/* SPDX-License-Identifier: MIT */
/*
 * Look-ups: over c-ares against a name server on loopback that the test itself drives, and over a
 * caller's resolver that answers whenever and from wherever it likes.
 */
#include "engine/resolve.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "engine/held.h"
#include "engine/os.h"
#include "support/dns_server.h"
#include "support/failalloc.h"
#include "weir/request.h"

#define WAIT_NS    (10 * WEIR_NS_PER_SECOND)
#define POLL_LIMIT 32
#define TOLD_LIMIT 8

/* An answer, with its addresses copied. */
typedef struct resolve_told {
    void *user;
    uint8_t family;
    weir_status status;
    size_t count;
    weir_address addresses[WEIR_DIAL_ADDRESSES];
} resolve_told;

typedef struct resolve_bench {
    weir_failalloc memory;
    weir_dns_server server;
    weir_channel *channel;
    resolve_told told[TOLD_LIMIT];
    size_t count;
    weir_held held; /* of those tests that want it */
} resolve_bench;

static void open_channel(resolve_bench *bench, const weir_channel_options *with)
{
    weir_channel_options options = *with;
    weir_status status = WEIR_E_STATE;

    options.allocator = &bench->memory.allocator;
    bench->channel = weir_channel_new(&options, &status);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(bench->channel);
}

static int setup(void **state)
{
    static resolve_bench bench;

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    weir_dns_server_open(&bench.server);
    open_channel(&bench, &(weir_channel_options){.servers = bench.server.servers});
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    resolve_bench *bench = *state;

    weir_channel_free(bench->channel);
    weir_dns_server_close(&bench->server);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

static weir_lookup *start(resolve_bench *bench, const char *host, void *user)
{
    const weir_span span = {(const uint8_t *)host, strlen(host)};
    weir_lookup *lookup = weir_channel_start(bench->channel, span, user, weir_now());

    assert_non_null(lookup);
    return lookup;
}

static void take_answers(resolve_bench *bench)
{
    weir_answer answer;

    while (weir_channel_next_answer(bench->channel, &answer)) {
        assert_true(bench->count < TOLD_LIMIT);
        resolve_told *to = &bench->told[bench->count++];
        assert_true(answer.count <= WEIR_DIAL_ADDRESSES);
        *to = (resolve_told){.user = answer.user,
                             .family = answer.family,
                             .status = answer.status,
                             .count = answer.count};
        for (size_t i = 0; i < answer.count; i++) {
            to->addresses[i] = answer.addresses[i];
        }
    }
}

/* One round: whatever is ready on either side; false: nothing was, until the deadline. */
static bool step(resolve_bench *bench, weir_time until_ns)
{
    weir_poll ours[POLL_LIMIT];
    struct pollfd polls[POLL_LIMIT + WEIR_DNS_FDS];
    const size_t count = weir_channel_polls(bench->channel, ours, POLL_LIMIT);
    const weir_time now_ns = weir_now();
    const weir_time left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

    assert_true(count <= POLL_LIMIT);
    for (size_t i = 0; i < count; i++) {
        polls[i] = (struct pollfd){.fd = ours[i].fd, .events = ours[i].events};
    }
    const size_t all = count + weir_dns_server_polls(&bench->server, polls + count);
    if (poll(polls, all, (int)(left_ns / WEIR_NS_PER_MS)) <= 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (polls[i].revents != 0) {
            weir_channel_ready(bench->channel, ours[i].fd, (polls[i].revents & ~POLLOUT) != 0,
                               (polls[i].revents & POLLOUT) != 0, weir_now());
        }
    }
    weir_dns_server_serve(&bench->server);
    take_answers(bench);
    return true;
}

static void run_until_told(resolve_bench *bench, size_t count)
{
    const weir_time until_ns = weir_now() + WAIT_NS;

    take_answers(bench);
    while (bench->count < count) {
        assert_true(step(bench, until_ns));
    }
    assert_int_equal(bench->count, count);
}

static void run_until_held(resolve_bench *bench, size_t count)
{
    const weir_time until_ns = weir_now() + WAIT_NS;

    while (bench->server.held_count < count) {
        assert_true(step(bench, until_ns));
    }
}

/* Until neither side has anything to do. */
static void run_dry(resolve_bench *bench)
{
    while (step(bench, 0)) {
    }
}

static const resolve_told *told_of(const resolve_bench *bench, uint8_t family)
{
    for (size_t i = 0; i < bench->count; i++) {
        if (bench->told[i].family == family) {
            return &bench->told[i];
        }
    }
    fail_msg("no answer for IPv%d", family);
    return NULL;
}

static void assert_address(const resolve_told *told, size_t i, const char *text,
                           uint32_t ttl_seconds)
{
    char found[64];

    assert_int_equal(told->status, WEIR_OK);
    assert_true(i < told->count);
    weir_os_address_text(&told->addresses[i], found, sizeof(found));
    assert_string_equal(found, text);
    assert_int_equal(told->addresses[i].family, told->family);
    assert_int_equal(told->addresses[i].ttl_seconds, ttl_seconds);
}

static void assert_both_say(resolve_bench *bench, const char *host, weir_status status)
{
    bench->count = 0;
    weir_lookup *lookup = start(bench, host, NULL);
    run_until_told(bench, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(bench->told[i].status, status);
        assert_int_equal(bench->told[i].count, 0);
    }
    assert_int_equal(bench->told[0].family + bench->told[1].family, 10);
    weir_channel_end(bench->channel, lookup);
}

/* -- c-ares -- */

static void resolve__tells_both_families_with_their_ttl(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = start(bench, "both.test", bench);

    run_until_told(bench, 2);
    assert_int_equal(told_of(bench, 4)->count, 1);
    assert_address(told_of(bench, 4), 0, "192.0.2.1", 30);
    assert_int_equal(told_of(bench, 6)->count, 1);
    assert_address(told_of(bench, 6), 0, "2001:db8::1", 40);
    assert_ptr_equal(bench->told[0].user, bench);
    assert_int_equal(bench->server.questions, 2);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__tells_each_family_when_it_comes(void **state)
{
    resolve_bench *bench = *state;

    for (int round = 0; round < 2; round++) {
        bench->count = 0;
        bench->server.hold_a = round == 0;
        bench->server.hold_aaaa = round == 1;
        weir_lookup *lookup = start(bench, "both.test", NULL);
        run_until_told(bench, 1);
        run_until_held(bench, 1);
        assert_int_equal(bench->told[0].family, round == 0 ? 6 : 4);
        weir_dns_server_release(&bench->server);
        run_until_told(bench, 2);
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

    assert_both_say(bench, "none.test", WEIR_E_DNS_NOT_FOUND);
    assert_both_say(bench, "broken.test", WEIR_E_DNS_FAILED);
    assert_both_say(bench, "garbage.test", WEIR_E_DNS_FAILED);
    const size_t asked = bench->server.questions;
    char name[256] = "";
    name_one_too_long(name, sizeof(name));
    assert_both_say(bench, name, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(bench->server.questions, asked);
}

static void resolve__asks_for_the_longest_name(void **state)
{
    resolve_bench *bench = *state;
    char name[256] = "";

    name_one_too_long(name, sizeof(name));
    bench->server.hold_a = true;
    bench->server.hold_aaaa = true;
    weir_lookup *lookup = start(bench, name + 1, NULL);
    run_until_held(bench, 2);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__tells_that_a_family_has_no_address(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = start(bench, "v4.test", NULL);

    run_until_told(bench, 2);
    assert_int_equal(told_of(bench, 4)->status, WEIR_OK);
    assert_int_equal(told_of(bench, 6)->status, WEIR_E_DNS_NOT_FOUND);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__lets_aliases_bound_the_ttl(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = start(bench, "alias.test", NULL);

    run_until_told(bench, 2);
    assert_address(told_of(bench, 4), 0, "192.0.2.1", 10);
    assert_address(told_of(bench, 6), 0, "2001:db8::1", 10);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__bounds_an_answer_of_thousands(void **state)
{
    resolve_bench *bench = *state;
    weir_lookup *lookup = start(bench, "many.test", NULL);

    run_until_told(bench, 2);
    assert_int_equal(bench->server.over_tcp, 1);
    assert_int_equal(told_of(bench, 4)->count, WEIR_DIAL_ADDRESSES);
    assert_address(told_of(bench, 4), 0, "192.0.2.1", 30);
    assert_int_equal(told_of(bench, 6)->count, 1);
    weir_channel_end(bench->channel, lookup);
}

static void resolve__says_failed_when_no_server_is_there(void **state)
{
    resolve_bench *bench = *state;

    weir_dns_server_close(&bench->server);
    weir_lookup *lookup = start(bench, "both.test", NULL);
    const weir_time until_ns = weir_now() + WAIT_NS;
    weir_poll polls[POLL_LIMIT];
    take_answers(bench); /* a newer c-ares knows before anybody has polled */
    while (bench->count < 2) {
        const size_t count = weir_channel_polls(bench->channel, polls, POLL_LIMIT);
        assert_true(weir_os_poll(polls, count, until_ns) > 0);
        for (size_t i = 0; i < count; i++) {
            weir_channel_ready(bench->channel, polls[i].fd, polls[i].revents != 0, false,
                               weir_now());
        }
        take_answers(bench);
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
    weir_lookup *gone = start(bench, "both.test", NULL);
    run_until_held(bench, 2);
    weir_channel_end(bench->channel, gone);
    weir_dns_server_release(&bench->server);
    run_dry(bench);
    assert_int_equal(bench->count, 0);
    /* The late answers freed it, and the channel goes on. */
    assert_int_equal(atomic_load(&bench->memory.live), 1);
    weir_lookup *next = start(bench, "both.test", NULL);
    run_until_told(bench, 2);
    weir_channel_end(bench->channel, next);
}

static void resolve__tells_no_second_family_after_the_end(void **state)
{
    resolve_bench *bench = *state;

    bench->server.hold_a = true;
    weir_lookup *lookup = start(bench, "both.test", NULL);
    run_until_told(bench, 1);
    run_until_held(bench, 1);
    weir_channel_end(bench->channel, lookup);
    weir_dns_server_release(&bench->server);
    run_dry(bench);
    assert_int_equal(bench->count, 1);
}

static void resolve__frees_a_channel_with_look_ups_under_way(void **state)
{
    resolve_bench *bench = *state;

    (void)start(bench, "silent.test", NULL);
    weir_channel_end(bench->channel, start(bench, "silent.test", NULL));
    run_dry(bench);
    assert_int_equal(bench->server.questions, 4);
    /* teardown frees it and finds every block given back */
}

static void resolve__has_a_deadline_only_while_it_asks(void **state)
{
    resolve_bench *bench = *state;
    const weir_time now_ns = weir_now();

    assert_int_equal(weir_channel_deadline(bench->channel, now_ns), WEIR_NEVER);
    weir_lookup *lookup = start(bench, "both.test", NULL);
    const weir_time deadline_ns = weir_channel_deadline(bench->channel, now_ns);
    assert_true(deadline_ns >= now_ns && deadline_ns <= now_ns + 60 * WEIR_NS_PER_SECOND);
    weir_channel_ready(bench->channel, -1, false, false, now_ns); /* only time passed: no harm */
    run_until_told(bench, 2);
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
    weir_lookup *lookup = start(bench, "both.test", NULL);
    assert_true(weir_channel_next_watch(bench->channel, &watch));
    assert_int_equal(watch.events, POLLIN);
    assert_false(weir_channel_next_watch(bench->channel, &watch));
    assert_int_equal(weir_channel_polls(bench->channel, polls, 1), 1);
    assert_int_equal(polls[0].fd, watch.fd);
    run_until_told(bench, 2);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(weir_channel_polls(bench->channel, NULL, 0), 0); /* closed, hence forgotten */
}

static void resolve__keeps_look_ups_apart(void **state)
{
    resolve_bench *bench = *state;
    int first = 0;
    int second = 0;
    weir_lookup *one = start(bench, "both.test", &first);
    weir_lookup *two = start(bench, "none.test", &second);

    run_until_told(bench, 4);
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
    weir_lookup *lookup = start(bench, name, NULL);
    take_answers(bench);
    assert_address(told_of(bench, 4), 0, address, 0);
    run_dry(bench);
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
    weir_lookup *lookup = start(bench, "both.test", NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    /* Some versions of c-ares do without the system's files. */
    assert_int_equal(status, channel != NULL ? WEIR_OK : WEIR_E_DESCRIPTORS);
    weir_channel_free(channel);
    take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->told[0].status, WEIR_E_DESCRIPTORS);
    assert_int_equal(bench->told[1].status, WEIR_E_DESCRIPTORS);
    weir_channel_end(bench->channel, lookup);
    bench->count = 0;
    lookup = start(bench, "both.test", NULL);
    run_until_told(bench, 2);
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
        if (lookup != NULL) {
            weir_channel_end(channel, lookup);
        }
    }
    weir_channel_free(channel);
}

static void resolve__survives_failing_allocations(void **state)
{
    assert_int_equal(weir_failalloc_every(ask_with_failures, *state), 2);
}

/* -- a caller's resolver -- */

typedef struct resolve_hook {
    weir_resolver resolver;
    weir_lookup *lookup;
    char host[32];
    bool at_once;
    int starts;
    int cancels;
    atomic_int notified;
} resolve_hook;

static const weir_address v4_one = {.family = 4, .octets = {192, 0, 2, 1}, .ttl_seconds = 5};
static const weir_address v6_one = {.family = 6, .octets = {0x20, 1}, .ttl_seconds = 5};

static void hook_start(weir_lookup *lookup, weir_span host, void *user)
{
    resolve_hook *hook = user;

    hook->starts++;
    hook->lookup = lookup;
    assert_true(host.length < sizeof(hook->host));
    memcpy(hook->host, host.at, host.length);
    if (hook->at_once) {
        weir_resolver_answer(lookup, 4, WEIR_OK, &v4_one, 1);
        weir_resolver_answer(lookup, 6, WEIR_OK, &v6_one, 1);
    }
}

static void hook_cancel(weir_lookup *lookup, void *user)
{
    resolve_hook *hook = user;

    assert_ptr_equal(lookup, hook->lookup);
    hook->cancels++;
}

static void hook_notify(void *user)
{
    atomic_fetch_add(&((resolve_hook *)user)->notified, 1);
}

/* The channel of the bench is replaced by one over the hook. */
static void open_hook(resolve_bench *bench, resolve_hook *hook, bool with_notify)
{
    memset(hook, 0, sizeof(*hook));
    hook->resolver = (weir_resolver){
        .size = sizeof(weir_resolver), .user = hook, .start = hook_start, .cancel = hook_cancel};
    weir_channel_free(bench->channel);
    open_channel(bench, &(weir_channel_options){.resolver = &hook->resolver,
                                                .notify = with_notify ? hook_notify : NULL,
                                                .user = hook});
}

static void hook__may_answer_at_once(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    hook.at_once = true;
    hook.resolver.cancel = NULL; /* not needed then */
    weir_lookup *lookup = start(bench, "a.test", bench);
    assert_string_equal(hook.host, "a.test");
    take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->told[0].family, 6); /* what is tried first is told first */
    assert_address(told_of(bench, 4), 0, "192.0.2.1", 5);
    assert_int_equal(atomic_load(&hook.notified), 2);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 0);
}

static void hook__may_answer_one_family_later(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = start(bench, "a.test", NULL);
    take_answers(bench);
    assert_int_equal(bench->count, 0);
    weir_resolver_answer(hook.lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    take_answers(bench);
    assert_int_equal(bench->count, 1);
    weir_resolver_answer(hook.lookup, 6, WEIR_OK, &v6_one, 1); /* twice: the first stands */
    take_answers(bench);
    assert_int_equal(bench->count, 1);
    weir_resolver_answer(hook.lookup, 4, WEIR_OK, &v4_one, 1);
    take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(told_of(bench, 6)->status, WEIR_E_DNS_NOT_FOUND);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 0);
}

static void hook__is_cancelled_when_an_answer_is_missing(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = start(bench, "a.test", NULL);
    weir_resolver_answer(hook.lookup, 6, WEIR_OK, &v6_one, 1);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 1);
    take_answers(bench);
    assert_int_equal(bench->count, 0);
    (void)start(bench, "b.test", NULL);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(hook.cancels, 2);
}

static void hook__without_cancel_must_have_answered(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = start(bench, "a.test", NULL);
    expect_assert_failure(weir_resolver_answer(lookup, 5, WEIR_OK, NULL, 0));
    weir_resolver_answer(lookup, 4, WEIR_OK, NULL, 0);
    weir_resolver_answer(lookup, 6, WEIR_OK, NULL, 0);
    hook.resolver.cancel = NULL;
    weir_channel_end(bench->channel, lookup);
}

static void hook__statuses_that_are_no_failure_become_one(void **state)
{
    static const weir_status odd[] = {WEIR_AGAIN, WEIR_END, (weir_status)17};
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    for (size_t i = 0; i < WEIR_COUNT_OF(odd); i++) {
        bench->count = 0;
        weir_lookup *lookup = start(bench, "a.test", NULL);
        weir_resolver_answer(lookup, 6, odd[i], NULL, 0);
        weir_resolver_answer(lookup, 4, WEIR_E_DNS_NOT_FOUND, NULL, 0);
        take_answers(bench);
        assert_int_equal(told_of(bench, 6)->status, WEIR_E_DNS_FAILED);
        assert_int_equal(told_of(bench, 4)->status, WEIR_E_DNS_NOT_FOUND);
        weir_channel_end(bench->channel, lookup);
    }
}

static void hook__answers_are_bounded(void **state)
{
    static weir_address many[4000];
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = start(bench, "a.test", NULL);
    weir_resolver_answer(lookup, 6, WEIR_OK, many, WEIR_COUNT_OF(many));
    take_answers(bench);
    assert_int_equal(bench->told[0].count, WEIR_DIAL_ADDRESSES);
    weir_channel_end(bench->channel, lookup);
}

static void *answer_both(void *user)
{
    weir_lookup *lookup = user;

    weir_resolver_answer(lookup, 4, WEIR_OK, &v4_one, 1);
    weir_resolver_answer(lookup, 6, WEIR_OK, &v6_one, 1);
    return NULL;
}

/* A thread that polls is woken, takes both answers, and frees everything while the answerer
 * returns. */
static void hook__may_answer_from_another_thread(void **state)
{
    resolve_bench *bench = *state;

    for (int round = 0; round < 300; round++) {
        resolve_hook hook;
        pthread_t thread;
        weir_poll fd;

        bench->count = 0;
        open_hook(bench, &hook, false);
        weir_lookup *lookup = start(bench, "a.test", NULL);
        assert_int_equal(weir_channel_polls(bench->channel, &fd, 1), 1);
        assert_int_equal(pthread_create(&thread, NULL, answer_both, lookup), 0);
        while (bench->count < 2) {
            assert_int_equal(weir_os_poll(&fd, 1, weir_now() + WAIT_NS), 1);
            weir_channel_ready(bench->channel, fd.fd, true, false, weir_now());
            take_answers(bench);
        }
        weir_channel_end(bench->channel, lookup);
        weir_channel_free(bench->channel);
        bench->channel = NULL;
        pthread_join(thread, NULL);
        assert_int_equal(hook.cancels, 0);
    }
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
    open_channel(bench,
                 &(weir_channel_options){.servers = bench->server.servers, .held = &bench->held});
    assert_int_equal(assert_held_as_polled(bench), 0);
    weir_lookup *many = start(bench, "many.test", NULL); /* over UDP, then over TCP */
    assert_true(assert_held_as_polled(bench) > 0);
    while (bench->count < 2) {
        assert_true(step(bench, weir_now() + 10 * WEIR_NS_PER_SECOND));
        (void)assert_held_as_polled(bench);
        take_answers(bench);
    }
    assert_true(bench->server.over_tcp > 0);
    weir_channel_end(bench->channel, many);
    weir_lookup *silent = start(bench, "silent.test", NULL);
    assert_true(weir_held_next(&bench->held, 0) >= 0);
    weir_channel_end(bench->channel, silent);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(weir_held_next(&bench->held, 0), -1);

    const weir_resolver hook = {.size = sizeof(hook)};
    open_channel(bench, &(weir_channel_options){.resolver = &hook, .held = &bench->held});
    assert_int_equal(assert_held_as_polled(bench), 1); /* by which it says that it answered */
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(weir_held_next(&bench->held, 0), -1);
    weir_held_clear(&bench->held);
}

#define BENCHED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(resolve__tells_both_families_with_their_ttl),
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
        BENCHED(hook__may_answer_at_once),
        BENCHED(hook__may_answer_one_family_later),
        BENCHED(hook__is_cancelled_when_an_answer_is_missing),
        BENCHED(hook__without_cancel_must_have_answered),
        BENCHED(hook__statuses_that_are_no_failure_become_one),
        BENCHED(hook__answers_are_bounded),
        BENCHED(hook__may_answer_from_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
