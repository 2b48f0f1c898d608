/* SPDX-License-Identifier: MIT */
/*
 * Look-ups over a caller's resolver, which answers whenever and from wherever it likes.
 */
#include "resolve_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/os.h"
#include "weir/request.h"

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
    bench_open_channel(bench, &(weir_channel_options){.resolver = &hook->resolver,
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
    weir_lookup *lookup = bench_start(bench, "a.test", bench);
    assert_string_equal(hook.host, "a.test");
    bench_take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench->told[0].family, 6); /* what is tried first is told first */
    bench_assert_address(bench_told_of(bench, 4), 0, "192.0.2.1", 5);
    assert_int_equal(atomic_load(&hook.notified), 2);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 0);
}

static void hook__may_answer_one_family_later(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = bench_start(bench, "a.test", NULL);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 0);
    weir_resolver_answer(hook.lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 1);
    weir_resolver_answer(hook.lookup, 6, WEIR_OK, &v6_one, 1); /* twice: the first stands */
    bench_take_answers(bench);
    assert_int_equal(bench->count, 1);
    weir_resolver_answer(hook.lookup, 4, WEIR_OK, &v4_one, 1);
    weir_resolver_answer(hook.lookup, 4, WEIR_E_DNS_FAILED, NULL, 0); /* before it is taken, too */
    bench_take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench_told_of(bench, 6)->status, WEIR_E_DNS_NOT_FOUND);
    assert_int_equal(bench_told_of(bench, 4)->status, WEIR_OK);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 0);
}

static void hook__is_cancelled_when_an_answer_is_missing(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = bench_start(bench, "a.test", NULL);
    weir_resolver_answer(hook.lookup, 6, WEIR_OK, &v6_one, 1);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 1);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 0);
    (void)bench_start(bench, "b.test", NULL);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(hook.cancels, 2);
}

/* Nobody could be told that they are not wanted any more: what is missing is taken for failed. */
static void hook__without_cancel_has_failed_when_an_answer_is_missing(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    hook.resolver.cancel = NULL;
    weir_channel_free(bench->channel);
    bench_open_channel(
        bench,
        &(weir_channel_options){.resolver = &hook.resolver, .notify = hook_notify, .user = &hook});
    weir_lookup *lookup = bench_start(bench, "a.test", NULL);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 2);
    assert_int_equal(bench_told_of(bench, 4)->status, WEIR_E_DNS_FAILED);
    assert_int_equal(bench_told_of(bench, 6)->status, WEIR_E_DNS_FAILED);
    weir_resolver_answer(hook.lookup, 4, WEIR_OK, &v4_one, 1); /* the first stands */
    bench_take_answers(bench);
    assert_int_equal(bench->count, 2);
    weir_channel_end(bench->channel, lookup);
}

/* As a program of a header without `cancel` has it: nothing is read behind the record's end. */
static void hook__may_be_a_record_that_ends_before_cancel(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;
    const size_t octets = offsetof(weir_resolver, cancel);
    void *record = malloc(octets); /* of no type: it is less than a weir_resolver */

    assert_non_null(record);
    open_hook(bench, &hook, true);
    hook.resolver.size = octets;
    memcpy(record, &hook.resolver, octets);
    weir_channel_free(bench->channel);
    bench_open_channel(
        bench, &(weir_channel_options){.resolver = record, .notify = hook_notify, .user = &hook});
    weir_lookup *lookup = bench_start(bench, "a.test", NULL);
    expect_assert_failure(weir_resolver_answer(lookup, 5, WEIR_OK, NULL, 0));
    weir_channel_end(bench->channel, lookup);
    hook.at_once = true;
    lookup = bench_start(bench, "a.test", NULL);
    weir_channel_end(bench->channel, lookup);
    assert_int_equal(hook.cancels, 0);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    free(record);
}

static void hook__statuses_that_are_no_failure_become_one(void **state)
{
    static const weir_status odd[] = {WEIR_AGAIN, WEIR_END, (weir_status)17};
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    for (size_t i = 0; i < WEIR_COUNT_OF(odd); i++) {
        bench->count = 0;
        weir_lookup *lookup = bench_start(bench, "a.test", NULL);
        weir_resolver_answer(lookup, 6, odd[i], NULL, 0);
        weir_resolver_answer(lookup, 4, WEIR_E_DNS_NOT_FOUND, NULL, 0);
        bench_take_answers(bench);
        assert_int_equal(bench_told_of(bench, 6)->status, WEIR_E_DNS_FAILED);
        assert_int_equal(bench_told_of(bench, 4)->status, WEIR_E_DNS_NOT_FOUND);
        weir_channel_end(bench->channel, lookup);
    }
}

static void hook__answers_are_bounded(void **state)
{
    static weir_address many[4000];
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *lookup = bench_start(bench, "a.test", NULL);
    weir_resolver_answer(lookup, 6, WEIR_OK, many, WEIR_COUNT_OF(many));
    bench_take_answers(bench);
    assert_int_equal(bench->told[0].count, WEIR_DIAL_ADDRESSES);
    weir_channel_end(bench->channel, lookup);
}

/* One question, whoever of them ends first; what came before the second began is told to it too. */
static void hook__is_asked_once_for_one_name(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *first = bench_start(bench, "a.test", &hook);
    weir_resolver_answer(hook.lookup, 6, WEIR_OK, &v6_one, 1);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 1);
    weir_lookup *second = bench_start(bench, "a.test", bench);
    weir_lookup *third = bench_start(bench, "a.test", NULL);
    assert_int_equal(hook.starts, 1);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 3);
    weir_channel_end(bench->channel, first);
    weir_channel_end(bench->channel, third);
    assert_int_equal(hook.cancels, 0);
    weir_resolver_answer(hook.lookup, 4, WEIR_OK, &v4_one, 1);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 4);
    assert_ptr_equal(bench->told[3].user, bench);
    bench_assert_address(&bench->told[3], 0, "192.0.2.1", 5);
    (void)bench_start(bench, "a.test", NULL); /* all came: it is asked for anew */
    assert_int_equal(hook.starts, 2);
    weir_channel_end(bench->channel, second);
    assert_int_equal(hook.cancels, 0);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(hook.cancels, 1);
}

/* An answer may come from another thread between two look-ups of one turn. */
static void hook__is_not_asked_again_before_its_answers_are_taken(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    hook.at_once = true;
    (void)bench_start(bench, "a.test", NULL);
    (void)bench_start(bench, "a.test", NULL);
    assert_int_equal(hook.starts, 1);
    bench_take_answers(bench);
    assert_int_equal(bench->count, 4);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(hook.cancels, 0);
}

static void hook__is_cancelled_when_nobody_waits_for_it(void **state)
{
    resolve_bench *bench = *state;
    resolve_hook hook;

    open_hook(bench, &hook, true);
    weir_lookup *first = bench_start(bench, "a.test", NULL);
    weir_lookup *second = bench_start(bench, "a.test", NULL);
    weir_channel_end(bench->channel, first);
    assert_int_equal(hook.cancels, 0);
    weir_channel_end(bench->channel, second);
    assert_int_equal(hook.cancels, 1);
    (void)bench_start(bench, "a.test", NULL);
    (void)bench_start(bench, "a.test", NULL);
    assert_int_equal(hook.starts, 2);
    weir_channel_free(bench->channel);
    bench->channel = NULL;
    assert_int_equal(hook.cancels, 2);
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
        weir_lookup *lookup = bench_start(bench, "a.test", NULL);
        assert_int_equal(weir_channel_polls(bench->channel, &fd, 1), 1);
        assert_int_equal(pthread_create(&thread, NULL, answer_both, lookup), 0);
        while (bench->count < 2) {
            assert_int_equal(weir_os_poll(&fd, 1, weir_now() + WAIT_NS), 1);
            weir_channel_ready(bench->channel, fd.fd, true, false, weir_now());
            bench_take_answers(bench);
        }
        weir_channel_end(bench->channel, lookup);
        weir_channel_free(bench->channel);
        bench->channel = NULL;
        pthread_join(thread, NULL);
        assert_int_equal(hook.cancels, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCHED(hook__may_answer_at_once),
        BENCHED(hook__may_answer_one_family_later),
        BENCHED(hook__is_cancelled_when_an_answer_is_missing),
        BENCHED(hook__without_cancel_has_failed_when_an_answer_is_missing),
        BENCHED(hook__is_asked_once_for_one_name),
        BENCHED(hook__is_not_asked_again_before_its_answers_are_taken),
        BENCHED(hook__is_cancelled_when_nobody_waits_for_it),
        BENCHED(hook__may_be_a_record_that_ends_before_cancel),
        BENCHED(hook__statuses_that_are_no_failure_become_one),
        BENCHED(hook__answers_are_bounded),
        BENCHED(hook__may_answer_from_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
