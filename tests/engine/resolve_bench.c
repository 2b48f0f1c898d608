/* SPDX-License-Identifier: MIT */
/*
 * The bench of resolve*_test.c; see resolve_bench.h.
 */
#include "resolve_bench.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/os.h"
#include "weir/request.h"

void bench_open_channel(resolve_bench *bench, const weir_channel_options *with)
{
    weir_channel_options options = *with;
    weir_status status = WEIR_E_STATE;

    options.allocator = &bench->memory.allocator;
    bench->channel = weir_channel_new(&options, &status);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(bench->channel);
}

int bench_setup(void **state)
{
    static resolve_bench bench;

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    weir_dns_server_open(&bench.server);
    bench_open_channel(&bench, &(weir_channel_options){.servers = bench.server.servers});
    *state = &bench;
    return 0;
}

int bench_teardown(void **state)
{
    resolve_bench *bench = *state;

    weir_channel_free(bench->channel);
    weir_dns_server_close(&bench->server);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

weir_lookup *bench_start(resolve_bench *bench, const char *host, void *user)
{
    const weir_span span = {(const uint8_t *)host, strlen(host)};
    weir_lookup *lookup = weir_channel_start(bench->channel, span, user, weir_now());

    assert_non_null(lookup);
    return lookup;
}

void bench_take_answers(resolve_bench *bench)
{
    weir_lookup_answer came;

    while (weir_channel_next_answer(bench->channel, &came)) {
        assert_true(bench->count < TOLD_LIMIT);
        resolve_told *to = &bench->told[bench->count++];
        assert_true(came.answer.count <= WEIR_DIAL_ADDRESSES);
        *to = (resolve_told){.user = came.user,
                             .family = came.answer.family,
                             .status = came.answer.status,
                             .count = came.answer.count};
        for (size_t i = 0; i < came.answer.count; i++) {
            to->addresses[i] = came.answer.addresses[i];
        }
    }
}

bool bench_step(resolve_bench *bench, weir_time until_ns)
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
    bench_take_answers(bench);
    return true;
}

void bench_run_until_told(resolve_bench *bench, size_t count)
{
    const weir_time until_ns = weir_now() + WAIT_NS;

    bench_take_answers(bench);
    while (bench->count < count) {
        assert_true(bench_step(bench, until_ns));
    }
    assert_int_equal(bench->count, count);
}

void bench_run_until_held(resolve_bench *bench, size_t count)
{
    const weir_time until_ns = weir_now() + WAIT_NS;

    while (bench->server.held_count < count) {
        assert_true(bench_step(bench, until_ns));
    }
}

void bench_run_dry(resolve_bench *bench)
{
    while (bench_step(bench, 0)) {
    }
}

const resolve_told *bench_told_of(const resolve_bench *bench, uint8_t family)
{
    for (size_t i = 0; i < bench->count; i++) {
        if (bench->told[i].family == family) {
            return &bench->told[i];
        }
    }
    fail_msg("no answer for IPv%d", family);
    return NULL;
}

void bench_assert_address(const resolve_told *told, size_t i, const char *text,
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

void bench_assert_both_say(resolve_bench *bench, const char *host, weir_status status)
{
    bench->count = 0;
    weir_lookup *lookup = bench_start(bench, host, NULL);
    bench_run_until_told(bench, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(bench->told[i].status, status);
        assert_int_equal(bench->told[i].count, 0);
    }
    assert_int_equal(bench->told[0].family + bench->told[1].family, 10);
    weir_channel_end(bench->channel, lookup);
}
