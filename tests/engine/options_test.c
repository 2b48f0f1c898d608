/* SPDX-License-Identifier: MIT */
/*
 * Options that nothing is made of, and what is said of them: which record, which member, and what
 * is wrong with it. For everything that is made of options the same, from one list.
 */
#include "engine/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "engine/os.h"
#include "support/failalloc.h"

/* Options of each kind, and the records that they point to: all of them good. */
typedef struct options {
    weir_client_options client;
    weir_loop_options loop;
    weir_shared_options shared;
    weir_allocator allocator;
    weir_observer observer;
    weir_wait_hooks hooks;
    weir_resolver resolver;
    weir_pool_limits limits;
} options;

static int wait_for_nothing(weir_poll *fds, size_t count, weir_time deadline_ns, void *user)
{
    (void)fds;
    (void)count;
    (void)deadline_ns;
    (void)user;
    return 0;
}

static void park_nobody(void **parked, weir_time deadline_ns, void *user)
{
    (void)parked;
    (void)deadline_ns;
    (void)user;
}

static void wake_nobody(void **parked, void *user)
{
    (void)parked;
    (void)user;
}

static void tell_nobody(const weir_event *event, void *user)
{
    (void)event;
    (void)user;
}

static void never_found(weir_lookup *lookup, weir_span host, void *user)
{
    (void)host;
    (void)user;
    weir_resolver_answer(lookup, 4, WEIR_E_DNS_NOT_FOUND, NULL, 0);
    weir_resolver_answer(lookup, 6, WEIR_E_DNS_NOT_FOUND, NULL, 0);
}

static void fill(options *o)
{
    o->allocator = *weir_os_allocator();
    o->observer = (weir_observer){.size = sizeof(o->observer), .tell = tell_nobody};
    o->hooks = (weir_wait_hooks){.size = sizeof(o->hooks),
                                 .wait = wait_for_nothing,
                                 .park = park_nobody,
                                 .wake = wake_nobody};
    o->resolver = (weir_resolver){.size = sizeof(o->resolver), .start = never_found};
    o->limits = (weir_pool_limits){.size = sizeof(o->limits)};
    o->client = (weir_client_options){.size = sizeof(o->client),
                                      .allocator = &o->allocator,
                                      .observer = &o->observer,
                                      .hooks = &o->hooks,
                                      .resolver = &o->resolver,
                                      .limits = &o->limits};
    o->loop = (weir_loop_options){.size = sizeof(o->loop),
                                  .allocator = &o->allocator,
                                  .observer = &o->observer,
                                  .resolver = &o->resolver,
                                  .limits = &o->limits};
    o->shared = (weir_shared_options){.size = sizeof(o->shared), .allocator = &o->allocator};
}

static void assert_said(const char *said, const char *expected)
{
    if (expected == NULL) {
        assert_null(said);
        return;
    }
    assert_non_null(said);
    assert_string_equal(said, expected);
}

/* What is said, and what the attempt to make it comes to, are one thing; NULL: it is made. */
static void check_client(const weir_client_options *given, const char *expected)
{
    weir_status status = WEIR_E_STATE;

    assert_said(weir_client_options_flaw(given), expected);
    weir_client *client = weir_client_new(given, &status);
    assert_int_equal(status, expected != NULL ? WEIR_E_INVALID : WEIR_OK);
    assert_int_equal(client == NULL, expected != NULL);
    weir_client_free(client);
}

static void check_loop(const weir_loop_options *given, const char *expected)
{
    weir_status status = WEIR_E_STATE;

    assert_said(weir_loop_options_flaw(given), expected);
    weir_loop *loop = weir_loop_new(given, &status);
    assert_int_equal(status, expected != NULL ? WEIR_E_INVALID : WEIR_OK);
    assert_int_equal(loop == NULL, expected != NULL);
    weir_loop_free(loop);
}

static void check_shared(const weir_shared_options *given, const char *expected)
{
    weir_status status = WEIR_E_STATE;

    assert_said(weir_shared_options_flaw(given), expected);
    weir_shared *shared = weir_shared_new(given, &status);
    assert_int_equal(status, expected != NULL ? WEIR_E_INVALID : WEIR_OK);
    assert_int_equal(shared == NULL, expected != NULL);
    weir_shared_release(shared);
}

static void options__without_a_flaw_are_accepted(void **state)
{
    options o;

    (void)state;
    fill(&o);
    check_client(&o.client, NULL);
    check_loop(&o.loop, NULL);
    check_shared(&o.shared, NULL);
    check_client(NULL, NULL);
    check_loop(NULL, NULL);
    check_shared(NULL, NULL);
    assert_null(weir_client_options_flaw(&(weir_client_options)WEIR_CLIENT_OPTIONS_INIT));
    assert_null(weir_loop_options_flaw(&(weir_loop_options)WEIR_LOOP_OPTIONS_INIT));
    assert_null(weir_shared_options_flaw(&(weir_shared_options)WEIR_SHARED_OPTIONS_INIT));
}

/* Nothing else of them is read: what they point to is no memory. */
static void options__without_their_size_are_named(void **state)
{
    options o;

    (void)state;
    memset(&o, 0xff, sizeof(o));
    for (size_t size = 0; size < sizeof(size_t); size++) {
        o.client.size = size;
        o.loop.size = size;
        o.shared.size = size;
        check_client(&o.client,
                     "the weir_client_options have no size: WEIR_CLIENT_OPTIONS_INIT sets it");
        check_loop(&o.loop, "the weir_loop_options have no size: WEIR_LOOP_OPTIONS_INIT sets it");
        check_shared(&o.shared,
                     "the weir_shared_options have no size: WEIR_SHARED_OPTIONS_INIT sets it");
    }
}

/* Who has them: bits, as one record belongs to several. */
enum { CLIENT = 1, LOOP = 2, SHARED = 4 };

/* One word of the records that options point to is zeroed, and this is what is said of it. */
static const struct {
    const char *said;
    size_t offset;
    size_t octets;
    int who;
} flaws[] = {
#define OF(record, member, whose, text)                                                            \
    {                                                                                              \
        text, offsetof(options, record.member), sizeof(((options *)NULL)->record.member), whose    \
    }
    OF(allocator, size, CLIENT | LOOP | SHARED,
       "the weir_allocator has no size: WEIR_ALLOCATOR_INIT sets it"),
    OF(allocator, alloc, CLIENT | LOOP | SHARED, "the weir_allocator has no alloc"),
    OF(allocator, resize, CLIENT | LOOP | SHARED, "the weir_allocator has no resize"),
    OF(allocator, release, CLIENT | LOOP | SHARED, "the weir_allocator has no release"),
    OF(observer, size, CLIENT | LOOP, "the weir_observer has no size: WEIR_OBSERVER_INIT sets it"),
    OF(observer, tell, CLIENT | LOOP, "the weir_observer has no tell"),
    OF(hooks, size, CLIENT, "the weir_wait_hooks have no size: WEIR_WAIT_HOOKS_INIT sets it"),
    OF(hooks, wait, CLIENT, "the weir_wait_hooks have no wait"),
    OF(hooks, park, CLIENT, "the weir_wait_hooks have no park"),
    OF(hooks, wake, CLIENT, "the weir_wait_hooks have no wake"),
    OF(resolver, size, CLIENT | LOOP, "the weir_resolver has no size: WEIR_RESOLVER_INIT sets it"),
    OF(resolver, start, CLIENT | LOOP, "the weir_resolver has no start"),
    OF(limits, size, CLIENT | LOOP,
       "the weir_pool_limits have no size: WEIR_POOL_LIMITS_INIT sets it"),
#undef OF
};

static void options__name_the_record_and_the_member(void **state)
{
    (void)state;
    for (size_t i = 0; i < WEIR_COUNT_OF(flaws); i++) {
        options o;
        fill(&o);
        memset((uint8_t *)&o + flaws[i].offset, 0, flaws[i].octets);
        check_client(&o.client, (flaws[i].who & CLIENT) != 0 ? flaws[i].said : NULL);
        check_loop(&o.loop, (flaws[i].who & LOOP) != 0 ? flaws[i].said : NULL);
        check_shared(&o.shared, (flaws[i].who & SHARED) != 0 ? flaws[i].said : NULL);
    }
}

/* Records that end before a member, as an older header might have had them: it is missing. */
static void options__read_no_further_than_a_record_goes(void **state)
{
    options o;

    (void)state;
    fill(&o);
    o.allocator.size = offsetof(weir_allocator, release);
    check_client(&o.client, "the weir_allocator has no release");
    check_loop(&o.loop, "the weir_allocator has no release");
    check_shared(&o.shared, "the weir_allocator has no release");
    fill(&o);
    o.observer.size = offsetof(weir_observer, tell);
    check_client(&o.client, "the weir_observer has no tell");
    check_loop(&o.loop, "the weir_observer has no tell");
    fill(&o);
    o.resolver.size = offsetof(weir_resolver, start);
    check_client(&o.client, "the weir_resolver has no start");
    check_loop(&o.loop, "the weir_resolver has no start");
    fill(&o);
    o.hooks.size = offsetof(weir_wait_hooks, wake);
    check_client(&o.client, "the weir_wait_hooks have no wake");
    /* And options that end before `hooks` have none. */
    o.client.size = offsetof(weir_client_options, hooks);
    check_client(&o.client, NULL);
}

/* Nothing is lost when there is no memory for what is made of good options. */
static void make_all(weir_failalloc *memory, void *user)
{
    options o;
    weir_status status = WEIR_OK;

    (void)user;
    fill(&o);
    o.allocator = memory->allocator;
    weir_client *client = weir_client_new(&o.client, &status);
    assert_int_equal(status, client != NULL ? WEIR_OK : WEIR_E_NOMEM);
    weir_client_free(client);
    weir_loop *loop = weir_loop_new(&o.loop, &status);
    assert_int_equal(status, loop != NULL ? WEIR_OK : WEIR_E_NOMEM);
    weir_loop_free(loop);
    weir_shared *shared = weir_shared_new(&o.shared, NULL);
    weir_shared_release(shared);
}

static void options__come_to_nothing_without_memory(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(make_all, NULL) >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options__without_a_flaw_are_accepted),
        cmocka_unit_test(options__without_their_size_are_named),
        cmocka_unit_test(options__name_the_record_and_the_member),
        cmocka_unit_test(options__read_no_further_than_a_record_goes),
        cmocka_unit_test(options__come_to_nothing_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
