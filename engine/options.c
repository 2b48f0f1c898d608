/* SPDX-License-Identifier: MIT */
/*
 * The options of what is made of them: see options.h. A sentence names the record and the member;
 * in which options it is the caller knows, for he asked.
 */
#include "engine/options.h"

#include "engine/os.h"
#include "engine/record.h"

static const char *allocator_flaw(const weir_allocator *given);
static const char *hooks_flaw(const weir_wait_hooks *given);
static const char *resolver_flaw(const weir_resolver *given);
static const char *limits_flaw(const weir_pool_limits *limits);
static const char *first_of(const char *const flaws[], size_t count);
static const weir_allocator *or_malloc(const weir_allocator *allocator);

const char *weir_client_options_flaw(const weir_client_options *options)
{
    weir_client_options copy;

    return weir_client_options_read(&copy, options);
}

const char *weir_loop_options_flaw(const weir_loop_options *options)
{
    weir_loop_options copy;

    return weir_loop_options_read(&copy, options);
}

const char *weir_shared_options_flaw(const weir_shared_options *options)
{
    weir_shared_options copy;

    return weir_shared_options_read(&copy, options);
}

const char *weir_client_options_read(weir_client_options *to, const weir_client_options *given)
{
    if (!weir_record_read(to, sizeof(*to), given)) {
        return "the weir_client_options have no size: WEIR_CLIENT_OPTIONS_INIT sets it";
    }
    const char *const flaws[] = {allocator_flaw(to->allocator), weir_observer_flaw(to->observer),
                                 hooks_flaw(to->hooks), resolver_flaw(to->resolver),
                                 limits_flaw(to->limits)};
    to->allocator = or_malloc(to->allocator);
    return first_of(flaws, WEIR_COUNT_OF(flaws));
}

const char *weir_loop_options_read(weir_loop_options *to, const weir_loop_options *given)
{
    if (!weir_record_read(to, sizeof(*to), given)) {
        return "the weir_loop_options have no size: WEIR_LOOP_OPTIONS_INIT sets it";
    }
    const char *const flaws[] = {allocator_flaw(to->allocator), weir_observer_flaw(to->observer),
                                 resolver_flaw(to->resolver), limits_flaw(to->limits)};
    to->allocator = or_malloc(to->allocator);
    return first_of(flaws, WEIR_COUNT_OF(flaws));
}

const char *weir_shared_options_read(weir_shared_options *to, const weir_shared_options *given)
{
    if (!weir_record_read(to, sizeof(*to), given)) {
        return "the weir_shared_options have no size: WEIR_SHARED_OPTIONS_INIT sets it";
    }
    const char *flaw = allocator_flaw(to->allocator);
    to->allocator = or_malloc(to->allocator);
    return flaw;
}

/* Of each record as much as there is: what lies behind its size is not read, and missing. */
const char *weir_observer_flaw(const weir_observer *given)
{
    weir_observer observer;

    if (given == NULL) {
        return NULL;
    }
    if (!weir_record_read(&observer, sizeof(observer), given)) {
        return "the weir_observer has no size: WEIR_OBSERVER_INIT sets it";
    }
    return observer.tell == NULL ? "the weir_observer has no tell" : NULL;
}

static const char *allocator_flaw(const weir_allocator *given)
{
    weir_allocator allocator;

    if (given == NULL) {
        return NULL;
    }
    if (!weir_record_read(&allocator, sizeof(allocator), given)) {
        return "the weir_allocator has no size: WEIR_ALLOCATOR_INIT sets it";
    }
    if (allocator.alloc == NULL) {
        return "the weir_allocator has no alloc";
    }
    if (allocator.resize == NULL) {
        return "the weir_allocator has no resize";
    }
    return allocator.release == NULL ? "the weir_allocator has no release" : NULL;
}

static const char *hooks_flaw(const weir_wait_hooks *given)
{
    weir_wait_hooks hooks;

    if (given == NULL) {
        return NULL;
    }
    if (!weir_record_read(&hooks, sizeof(hooks), given)) {
        return "the weir_wait_hooks have no size: WEIR_WAIT_HOOKS_INIT sets it";
    }
    if (hooks.wait == NULL) {
        return "the weir_wait_hooks have no wait";
    }
    if (hooks.park == NULL) {
        return "the weir_wait_hooks have no park";
    }
    return hooks.wake == NULL ? "the weir_wait_hooks have no wake" : NULL;
}

static const char *resolver_flaw(const weir_resolver *given)
{
    weir_resolver resolver;

    if (given == NULL) {
        return NULL;
    }
    if (!weir_record_read(&resolver, sizeof(resolver), given)) {
        return "the weir_resolver has no size: WEIR_RESOLVER_INIT sets it";
    }
    return resolver.start == NULL ? "the weir_resolver has no start" : NULL;
}

static const char *limits_flaw(const weir_pool_limits *limits)
{
    return weir_record_has_size(limits)
               ? NULL
               : "the weir_pool_limits have no size: WEIR_POOL_LIMITS_INIT sets it";
}

static const char *first_of(const char *const flaws[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (flaws[i] != NULL) {
            return flaws[i];
        }
    }
    return NULL;
}

static const weir_allocator *or_malloc(const weir_allocator *allocator)
{
    return allocator != NULL ? allocator : weir_os_allocator();
}
