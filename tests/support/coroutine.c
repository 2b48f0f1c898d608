/* SPDX-License-Identifier: MIT */
/*
 * ucontext(3) with a stack of its own for each. AddressSanitizer keeps a shadow of the stack that
 * it must change with it, and ThreadSanitizer takes each stack for a thread ("fiber") of its own.
 */
#include "support/coroutine.h"

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#    define WITH_ASAN 1
#    include <sanitizer/common_interface_defs.h>
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define WITH_ASAN 1
#        include <sanitizer/common_interface_defs.h>
#    endif
#endif
#if defined(__SANITIZE_THREAD__)
#    define WITH_TSAN 1
#    include <sanitizer/tsan_interface.h>
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define WITH_TSAN 1
#        include <sanitizer/tsan_interface.h>
#    endif
#endif

#define STACK_OCTETS ((size_t)512 * 1024)

struct weir_coroutine {
    ucontext_t inside;
    ucontext_t outside;
    void (*run)(void *user);
    void *user;
    uint8_t *stack;
    bool over;
    weir_coroutine *resumer; /* the coroutine that resumed it, if any */
    const void *outer_stack; /* AddressSanitizer's */
    size_t outer_octets;
    void *fiber; /* ThreadSanitizer's */
    void *outer_fiber;
};

static _Thread_local weir_coroutine *current;

static void enter(unsigned high, unsigned low);
static void before_switch(weir_coroutine *coroutine, bool inwards, void **fake);
static void after_switch(weir_coroutine *coroutine, bool inside, void *fake);

weir_coroutine *weir_coroutine_new(void (*run)(void *user), void *user)
{
    weir_coroutine *coroutine = calloc(1, sizeof(*coroutine));
    if (coroutine == NULL) {
        abort();
    }
    coroutine->run = run;
    coroutine->user = user;
    coroutine->stack = malloc(STACK_OCTETS);
    if (coroutine->stack == NULL || getcontext(&coroutine->inside) != 0) {
        abort();
    }
    coroutine->inside.uc_stack.ss_sp = coroutine->stack;
    coroutine->inside.uc_stack.ss_size = STACK_OCTETS;
    coroutine->inside.uc_link = NULL;
    const uintptr_t at = (uintptr_t)coroutine;
    makecontext(&coroutine->inside, (void (*)(void))enter, 2, (unsigned)((uint64_t)at >> 32),
                (unsigned)at);
#ifdef WITH_TSAN
    coroutine->fiber = __tsan_create_fiber(0);
#endif
    return coroutine;
}

void weir_coroutine_resume(weir_coroutine *coroutine)
{
    void *fake = NULL;

    if (coroutine->over) {
        abort();
    }
    coroutine->resumer = current;
    current = coroutine;
    before_switch(coroutine, true, &fake);
    if (swapcontext(&coroutine->outside, &coroutine->inside) != 0) {
        abort();
    }
    after_switch(coroutine, false, fake);
    current = coroutine->resumer;
}

void weir_coroutine_yield(void)
{
    weir_coroutine *coroutine = current;
    void *fake = NULL;

    before_switch(coroutine, false, &fake);
    if (swapcontext(&coroutine->inside, &coroutine->outside) != 0) {
        abort();
    }
    after_switch(coroutine, true, fake);
}

weir_coroutine *weir_coroutine_current(void)
{
    return current;
}

bool weir_coroutine_is_over(const weir_coroutine *coroutine)
{
    return coroutine->over;
}

void weir_coroutine_free(weir_coroutine *coroutine)
{
    if (!coroutine->over) {
        abort();
    }
#ifdef WITH_TSAN
    __tsan_destroy_fiber(coroutine->fiber);
#endif
    free(coroutine->stack);
    free(coroutine);
}

/* makecontext() passes int arguments and nothing else. */
static void enter(unsigned high, unsigned low)
{
    weir_coroutine *coroutine = (weir_coroutine *)(uintptr_t)((uint64_t)high << 32 | low);

    after_switch(coroutine, true, NULL);
    coroutine->run(coroutine->user);
    coroutine->over = true;
    before_switch(coroutine, false, NULL);
    (void)setcontext(&coroutine->outside);
    abort();
}

/* `fake` NULL on the way out: the stack that is left will not be used again. */
static void before_switch(weir_coroutine *coroutine, bool inwards, void **fake)
{
#ifdef WITH_TSAN
    if (inwards) {
        coroutine->outer_fiber = __tsan_get_current_fiber();
    }
    __tsan_switch_to_fiber(inwards ? coroutine->fiber : coroutine->outer_fiber, 0);
#endif
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(
        fake, inwards ? (const void *)coroutine->stack : coroutine->outer_stack,
        inwards ? STACK_OCTETS : coroutine->outer_octets);
#endif
    (void)coroutine;
    (void)inwards;
    (void)fake;
}

static void after_switch(weir_coroutine *coroutine, bool inside, void *fake)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(fake, inside ? &coroutine->outer_stack : NULL,
                                    inside ? &coroutine->outer_octets : NULL);
#endif
    (void)coroutine;
    (void)inside;
    (void)fake;
}
