/* SPDX-License-Identifier: MIT */
/*
 * A hundred thousand random steps through the pool, in many small worlds with limits of their own.
 * A failure names the seed; WEIR_MODEL_SEED runs that one alone, WEIR_MODEL_WORLDS more of them.
 */
#include "model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void run_seed(uint64_t seed, model_result *result)
{
    /* An assertion aborts the program: what was printed last is the seed. */
    print_message("seed %llu\n", (unsigned long long)seed);
    fflush(NULL);
    model_run((model_choices){.seed = seed}, 300, result);
}

static void model__finds_nothing_wrong_in_any_world(void **state)
{
    (void)state;
    const char *one = getenv("WEIR_MODEL_SEED");
    const char *worlds = getenv("WEIR_MODEL_WORLDS");
    const uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    const uint64_t many = one ? 1 : worlds ? strtoull(worlds, NULL, 10) : 400;
    model_result result = {0};
    for (uint64_t seed = first; seed < first + many; seed++) {
        run_seed(seed, &result);
    }
    print_message(
        "steps %lu, grants %lu, refusals %lu, bounces %lu, evictions %lu, pauses %lu, "
        "waits for a place %lu, given a pause %lu, misdirected %lu, horizons %lu, warmed %lu\n",
        result.steps, result.grants, result.refusals, result.bounces, result.evictions,
        result.back_offs, result.hungry, result.paused, result.misdirected, result.horizons,
        result.warmed);
    /* The worlds are worth something only if everything happens in them. */
    if (many >= 400) {
        assert_true(result.steps >= 100000);
        assert_true(result.grants > 10000);
        assert_true(result.refusals > 1000);
        assert_true(result.bounces > 1000);
        assert_true(result.evictions > 1000);
        assert_true(result.back_offs > 1000);
        assert_true(result.hungry > 1000);
        assert_true(result.paused > 100);
        assert_true(result.kept > 100);
        assert_true(result.misdirected > 100);
        assert_true(result.horizons > 50);
        assert_true(result.warmed > 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model__finds_nothing_wrong_in_any_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
