/* SPDX-License-Identifier: MIT */
/* What is remembered of names: for how long, how much of it, and whose. */
#include "engine/shared.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"

#define SECOND  WEIR_NS_PER_SECOND
#define LIMIT   8
#define THREADS 4

typedef struct shared_bench {
    weir_failalloc memory;
    weir_shared *shared;
    weir_time now_ns;
} shared_bench;

static int setup(void **state)
{
    static shared_bench bench;
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_E_STATE;

    memset(&bench, 0, sizeof(bench));
    bench.now_ns = 100 * SECOND;
    weir_failalloc_init(&bench.memory, 0);
    options.allocator = &bench.memory.allocator;
    options.dns_answers = LIMIT;
    bench.shared = weir_shared_new(&options, &status);
    assert_non_null(bench.shared);
    assert_int_equal(status, WEIR_OK);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    shared_bench *bench = *state;

    weir_shared_release(bench->shared);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

static weir_span span_of(const char *text)
{
    return (weir_span){(const uint8_t *)text, strlen(text)};
}

/* An answer of the family of the first address. */
static void remember_all(shared_bench *bench, const char *host, const weir_address *addresses,
                         size_t count)
{
    const weir_answer answer = {
        .family = addresses[0].family, .addresses = addresses, .count = count};

    weir_shared_remember(bench->shared, span_of(host), &answer, bench->now_ns);
}

static void remember(shared_bench *bench, const char *host, uint8_t family, uint8_t octet,
                     uint32_t ttl_seconds)
{
    const weir_address address = {.family = family, .octets = {octet}, .ttl_seconds = ttl_seconds};

    remember_all(bench, host, &address, 1);
}

/* How many are known, -1: nothing; with one, its first octet is in *octet. */
static int recall(shared_bench *bench, const char *host, uint8_t family, uint8_t *octet)
{
    weir_remembered known = {.answer.family = family};

    if (!weir_shared_recall(bench->shared, span_of(host), &known, bench->now_ns)) {
        return -1;
    }
    assert_int_equal(known.answer.family, family);
    assert_int_equal(known.answer.status, known.answer.count > 0 ? WEIR_OK : WEIR_E_DNS_NOT_FOUND);
    if (known.answer.count > 0) {
        assert_int_equal(known.answer.addresses[0].family, family);
        *octet = known.answer.addresses[0].octets[0];
    }
    return (int)known.answer.count;
}

static void assert_known(shared_bench *bench, const char *host, uint8_t family, uint8_t wanted)
{
    uint8_t octet = 0;

    assert_int_equal(recall(bench, host, family, &octet), 1);
    assert_int_equal(octet, wanted);
}

static void assert_unknown(shared_bench *bench, const char *host, uint8_t family)
{
    uint8_t octet = 0;

    assert_int_equal(recall(bench, host, family, &octet), -1);
}

/* Remembered now, it is known until `lasts_ns` later and not then. */
static void assert_lasts(shared_bench *bench, const char *host, weir_time lasts_ns)
{
    const weir_time begun_ns = bench->now_ns;
    uint8_t octet = 0;

    bench->now_ns = begun_ns + lasts_ns - 1;
    assert_true(recall(bench, host, 4, &octet) >= 0);
    bench->now_ns = begun_ns + lasts_ns;
    assert_int_equal(recall(bench, host, 4, &octet), -1);
}

static void shared__remembers_an_answer_for_its_ttl(void **state)
{
    shared_bench *bench = *state;

    remember(bench, "a.test", 4, 7, 60);
    assert_known(bench, "a.test", 4, 7);
    assert_lasts(bench, "a.test", 60 * SECOND);
}

static void shared__bounds_the_ttl_from_both_sides(void **state)
{
    shared_bench *bench = *state;

    remember(bench, "never.test", 4, 1, 0);
    assert_lasts(bench, "never.test", 1 * SECOND);
    remember(bench, "ever.test", 4, 1, UINT32_MAX);
    assert_lasts(bench, "ever.test", 3600 * SECOND);
}

static void shared__lets_the_shortest_ttl_of_an_answer_count(void **state)
{
    shared_bench *bench = *state;
    const weir_address addresses[] = {{.family = 4, .octets = {1}, .ttl_seconds = 300},
                                      {.family = 4, .octets = {2}, .ttl_seconds = 5},
                                      {.family = 4, .octets = {3}, .ttl_seconds = 90}};

    remember_all(bench, "a.test", addresses, WEIR_COUNT_OF(addresses));
    assert_lasts(bench, "a.test", 5 * SECOND);
}

static void shared__forgets_every_answer_when_told(void **state)
{
    shared_bench *bench = *state;
    uint8_t octet = 0;

    remember(bench, "a.test", 4, 7, 60);
    remember(bench, "b.test", 6, 7, 60);
    weir_shared_forget_answers(bench->shared);
    assert_int_equal(recall(bench, "a.test", 4, &octet), -1);
    assert_int_equal(recall(bench, "b.test", 6, &octet), -1);
    remember(bench, "a.test", 4, 7, 60);
    assert_int_equal(recall(bench, "a.test", 4, &octet), 1);
}

/* What connections are held against stays for that, and counts for no dial. */
static void shared__forgets_what_is_held_all_the_same(void **state)
{
    shared_bench *bench = *state;
    const weir_address here = {.family = 4, .octets = {10, 0, 0, 9}};
    uint8_t octet = 0;

    weir_answers *held = weir_shared_hold(bench->shared, span_of("a.test"));
    assert_non_null(held);
    remember(bench, "a.test", 4, 7, 60);
    remember(bench, "a.test", 6, 8, 60);
    weir_shared_forget_answers(bench->shared);
    assert_int_equal(recall(bench, "a.test", 4, &octet), -1);
    assert_int_equal(recall(bench, "a.test", 6, &octet), -1);
    assert_true(weir_shared_has_left(bench->shared, held, &here));
    weir_shared_let_go(bench->shared, held);
}

/* One asks for a name that several hold; should nothing come of it, another does after a while. */
static void shared__lets_one_ask_at_a_time(void **state)
{
    shared_bench *bench = *state;

    weir_answers *held = weir_shared_hold(bench->shared, span_of("a.test"));
    assert_non_null(held);
    assert_true(weir_shared_claim(bench->shared, held, bench->now_ns));
    assert_false(weir_shared_claim(bench->shared, held, bench->now_ns + 29 * SECOND));
    assert_true(weir_shared_claim(bench->shared, held, bench->now_ns + 30 * SECOND));
    assert_false(weir_shared_claim(bench->shared, held, bench->now_ns + 31 * SECOND));
    weir_shared_unclaim(bench->shared, held);
    assert_true(weir_shared_claim(bench->shared, held, bench->now_ns + 31 * SECOND));
    weir_shared_unclaim(bench->shared, held);
    weir_shared_let_go(bench->shared, held);
}

static void remember_none(shared_bench *bench, const char *host, weir_status status,
                          const weir_address *beside)
{
    const weir_answer none = {
        .family = 4, .status = status, .addresses = beside, .count = beside != NULL};

    weir_shared_remember(bench->shared, span_of(host), &none, bench->now_ns);
}

static void shared__remembers_for_two_seconds_that_there_is_none(void **state)
{
    shared_bench *bench = *state;
    uint8_t octet = 0;

    remember_none(bench, "a.test", WEIR_OK, NULL);
    assert_int_equal(recall(bench, "a.test", 4, &octet), 0);
    assert_lasts(bench, "a.test", 2 * SECOND);
    remember_none(bench, "b.test", WEIR_E_DNS_NOT_FOUND, NULL);
    assert_int_equal(recall(bench, "b.test", 4, &octet), 0);
}

/* What a resolver of the caller's says beside it does not count. */
static void shared__takes_no_address_from_an_answer_that_there_is_none(void **state)
{
    shared_bench *bench = *state;
    const weir_address one = {.family = 4, .octets = {1}, .ttl_seconds = 60};
    uint8_t octet = 0;

    remember_none(bench, "a.test", WEIR_E_DNS_NOT_FOUND, &one);
    assert_int_equal(recall(bench, "a.test", 4, &octet), 0);
    assert_lasts(bench, "a.test", 2 * SECOND);
}

static void shared__does_not_remember_a_look_up_that_failed(void **state)
{
    static const weir_status statuses[] = {WEIR_E_DNS_FAILED, WEIR_E_DEADLINE_DNS, WEIR_E_NOMEM,
                                           WEIR_E_DESCRIPTORS};
    shared_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(statuses); i++) {
        remember_none(bench, "a.test", statuses[i], NULL);
        assert_unknown(bench, "a.test", 4);
    }
    remember(bench, "a.test", 4, 7, 60);
    remember_none(bench, "a.test", WEIR_E_DNS_FAILED, NULL);
    assert_known(bench, "a.test", 4, 7);
}

static void shared__keeps_families_and_names_apart(void **state)
{
    shared_bench *bench = *state;

    remember(bench, "a.test", 6, 1, 60);
    remember(bench, "b.test", 4, 2, 60);
    assert_unknown(bench, "a.test", 4);
    assert_unknown(bench, "b.test", 6);
    assert_unknown(bench, "a.tes", 6);
    assert_unknown(bench, "a.testx", 6);
    assert_unknown(bench, "", 6);
    remember(bench, "a.test", 4, 3, 60);
    assert_known(bench, "a.test", 6, 1);
    assert_known(bench, "a.test", 4, 3);
    assert_known(bench, "b.test", 4, 2);
}

/* So many that some names of both families meet in one bucket. */
static void shared__keeps_families_apart_within_a_bucket(void **state)
{
    shared_bench *bench = *state;
    char name[16];

    for (size_t i = 0; i < 4000; i++) {
        (void)snprintf(name, sizeof(name), "%zu.test", i);
        remember(bench, name, 6, 1, 60);
        assert_unknown(bench, name, 4);
    }
}

static void shared__replaces_an_answer_by_a_newer_one(void **state)
{
    shared_bench *bench = *state;

    remember(bench, "a.test", 4, 1, 60);
    const size_t live = atomic_load(&bench->memory.live);
    remember(bench, "a.test", 4, 2, 60);
    assert_known(bench, "a.test", 4, 2);
    assert_int_equal(atomic_load(&bench->memory.live), live);
}

static void shared__forgets_what_was_not_used_longest(void **state)
{
    shared_bench *bench = *state;
    char name[LIMIT][16];

    for (size_t i = 0; i < LIMIT; i++) {
        (void)snprintf(name[i], sizeof(name[i]), "%zu.test", i);
        remember(bench, name[i], 4, (uint8_t)i, 60);
    }
    assert_known(bench, name[0], 4, 0); /* a use */
    remember(bench, "new.test", 4, 99, 60);
    assert_unknown(bench, name[1], 4);
    assert_known(bench, name[0], 4, 0);
    for (size_t i = 2; i < LIMIT; i++) {
        assert_known(bench, name[i], 4, (uint8_t)i);
    }
    assert_known(bench, "new.test", 4, 99);
}

static void shared__stays_within_its_limit(void **state)
{
    shared_bench *bench = *state;
    char name[16];
    size_t live = 0;

    for (size_t i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "%04zu.test", i);
        remember(bench, name, i % 2 == 0 ? 4 : 6, 1, 60);
        if (i == LIMIT) {
            live = atomic_load(&bench->memory.live);
        }
    }
    assert_int_equal(atomic_load(&bench->memory.live), live);
}

static void shared__keeps_no_more_than_a_dial_can_try(void **state)
{
    static weir_address many[WEIR_DIAL_ADDRESSES + 40];
    weir_remembered known = {.answer.family = 4};
    shared_bench *bench = *state;

    for (size_t i = 0; i < WEIR_COUNT_OF(many); i++) {
        many[i] = (weir_address){.family = 4, .octets = {(uint8_t)(i + 1)}, .ttl_seconds = 60};
    }
    remember_all(bench, "a.test", many, WEIR_COUNT_OF(many));
    assert_true(weir_shared_recall(bench->shared, span_of("a.test"), &known, bench->now_ns));
    assert_int_equal(known.answer.count, WEIR_DIAL_ADDRESSES);
    for (size_t i = 0; i < known.answer.count; i++) {
        assert_int_equal(known.answer.addresses[i].octets[0], i + 1);
    }
}

static void shared__forgets_when_memory_is_short(void **state)
{
    shared_bench *bench = *state;

    bench->memory.fail_at = atomic_load(&bench->memory.calls) + 1;
    remember(bench, "a.test", 4, 1, 60);
    assert_unknown(bench, "a.test", 4);
    remember(bench, "a.test", 4, 1, 60);
    assert_known(bench, "a.test", 4, 1);
}

static void make_and_release(weir_failalloc *memory, void *user)
{
    weir_shared_options options = WEIR_SHARED_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    (void)user;
    options.allocator = &memory->allocator;
    weir_shared *shared = weir_shared_new(&options, &status);
    assert_int_equal(status, shared != NULL ? WEIR_OK : WEIR_E_NOMEM);
    if (shared != NULL) {
        assert_ptr_equal(weir_shared_acquire(shared), shared);
        weir_shared_release(shared);
        assert_non_null(weir_shared_sessions(shared));
    }
    weir_shared_release(shared);
}

static void shared__survives_failing_allocations(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(make_and_release, NULL) >= 2);
}

/* Everyone remembers and recalls the same few names; an answer is never half of one and half of
 * another. */
static void *use(void *user)
{
    static const char *const names[] = {"a.test", "b.test", "c.test"};
    shared_bench *bench = user;

    for (unsigned i = 0; i < 3000; i++) {
        const weir_span name = span_of(names[i % WEIR_COUNT_OF(names)]);
        const uint8_t octet = (uint8_t)i;
        const weir_address pair[] = {{.family = 4, .octets = {octet}, .ttl_seconds = 60},
                                     {.family = 4, .octets = {octet}, .ttl_seconds = 60}};
        const weir_answer answer = {.family = 4, .addresses = pair, .count = 2};
        weir_shared_remember(bench->shared, name, &answer, bench->now_ns);
        weir_remembered known = {.answer.family = 4};
        if (weir_shared_recall(bench->shared, name, &known, bench->now_ns) &&
            (known.answer.count != 2 ||
             known.addresses[0].octets[0] != known.addresses[1].octets[0])) {
            return bench;
        }
        weir_shared_release(weir_shared_acquire(bench->shared));
    }
    return NULL;
}

/* Each has a seed of its own: which hosts share a bucket cannot be known from outside. */
static void shared__buckets_cannot_be_known_from_outside(void **state)
{
    shared_bench *bench = *state;
    weir_shared *other = weir_shared_new(NULL, NULL);
    size_t same = 0;

    assert_non_null(other);
    for (size_t i = 0; i < 64; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "%zu.test", i);
        same += weir_shared_bucket(bench->shared, span_of(name)) ==
                weir_shared_bucket(other, span_of(name));
    }
    assert_true(same < 16);
    weir_shared_release(other);
}

static void shared__may_be_used_by_many_threads(void **state)
{
    pthread_t threads[THREADS];
    void *torn = NULL;

    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use, *state), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &torn);
        assert_null(torn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shared__remembers_an_answer_for_its_ttl, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__bounds_the_ttl_from_both_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__lets_the_shortest_ttl_of_an_answer_count, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shared__forgets_every_answer_when_told, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__forgets_what_is_held_all_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__lets_one_ask_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__remembers_for_two_seconds_that_there_is_none, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shared__keeps_families_and_names_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__keeps_families_apart_within_a_bucket, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shared__replaces_an_answer_by_a_newer_one, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__forgets_what_was_not_used_longest, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__stays_within_its_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__takes_no_address_from_an_answer_that_there_is_none,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(shared__does_not_remember_a_look_up_that_failed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shared__keeps_no_more_than_a_dial_can_try, setup, teardown),
        cmocka_unit_test_setup_teardown(shared__forgets_when_memory_is_short, setup, teardown),
        cmocka_unit_test(shared__survives_failing_allocations),
        cmocka_unit_test_setup_teardown(shared__buckets_cannot_be_known_from_outside, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(shared__may_be_used_by_many_threads, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
