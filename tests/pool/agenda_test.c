/* SPDX-License-Identifier: MIT */
/*
 * The agenda against the simplest thing that is right: an array that is searched.
 */
#include "pool/agenda.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ENTRIES = 64 };

static uint64_t step(uint64_t *seed)
{
    uint64_t word = *seed += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return word ^ word >> 27;
}

static weir_time earliest(const weir_agenda_entry *entries)
{
    weir_time at = WEIR_NEVER;
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].entered && entries[i].at_ns < at) {
            at = entries[i].at_ns;
        }
    }
    return at;
}

static void agenda__first_is_the_earliest_whatever_enters_and_leaves(void **state)
{
    (void)state;
    weir_agenda_entry entries[ENTRIES] = {0};
    weir_agenda agenda = {0};
    uint64_t seed = 1;
    for (int i = 0; i < 50000; i++) {
        weir_agenda_entry *entry = &entries[step(&seed) % ENTRIES];
        if (step(&seed) % 3 == 0) {
            weir_agenda_leave(&agenda, entry);
        } else {
            /* Few different times, so that many are equal. */
            weir_agenda_enter(&agenda, entry, step(&seed) % 16, WEIR_WHY_LIFETIME);
        }
        assert_true((agenda.first == NULL) == (earliest(entries) == WEIR_NEVER));
        assert_true(!agenda.first || agenda.first->at_ns == earliest(entries));
        if (i % 64 == 0) {
            weir_agenda_check(&agenda);
        }
    }
}

static void agenda__gives_equal_times_in_an_order_that_repeats(void **state)
{
    (void)state;
    size_t order[2][ENTRIES];
    for (int run = 0; run < 2; run++) {
        /* In memory of another address, in which nothing may depend on it. */
        weir_agenda_entry *entries = calloc(ENTRIES, sizeof *entries);
        weir_agenda agenda = {0};
        for (size_t i = 0; i < ENTRIES; i++) {
            weir_agenda_enter(&agenda, &entries[i * 37 % ENTRIES], i / 8, WEIR_WHY_LIFETIME);
        }
        for (size_t i = 0; i < ENTRIES; i++) {
            order[run][i] = (size_t)(agenda.first - entries);
            weir_agenda_leave(&agenda, agenda.first);
        }
        assert_null(agenda.first);
        free(entries);
    }
    assert_memory_equal(order[0], order[1], sizeof order[0]);
}

/* A heap made in one go is one level; an implementation that recurses over it would need a frame
 * for each. */
static void agenda__takes_a_hundred_thousand_out_in_order(void **state)
{
    (void)state;
    const size_t many = 100000;
    weir_agenda_entry *entries = calloc(many, sizeof *entries);
    weir_agenda agenda = {0};
    assert_non_null(entries);
    for (size_t i = 0; i < many; i++) {
        weir_agenda_enter(&agenda, &entries[i], i * 7919 % many, WEIR_WHY_IDLE_CONNECTION);
    }
    for (size_t i = 0; i < many; i++) {
        assert_true(agenda.first->at_ns == i);
        weir_agenda_leave(&agenda, agenda.first);
    }
    assert_null(agenda.first);
    free(entries);
}

static void agenda__moves_an_entry_that_enters_again(void **state)
{
    (void)state;
    weir_agenda_entry a = {0};
    weir_agenda_entry b = {0};
    weir_agenda agenda = {0};
    weir_agenda_enter(&agenda, &a, 5, WEIR_WHY_LIFETIME);
    weir_agenda_enter(&agenda, &b, 7, WEIR_WHY_LIFETIME);
    weir_agenda_enter(&agenda, &a, 9, WEIR_WHY_IDLE_CONNECTION);
    assert_ptr_equal(agenda.first, &b);
    assert_int_equal(agenda.entries, 2);
    assert_int_equal(a.why, WEIR_WHY_IDLE_CONNECTION);
    weir_agenda_leave(&agenda, &b);
    weir_agenda_leave(&agenda, &b);
    assert_ptr_equal(agenda.first, &a);
    weir_agenda_check(&agenda);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agenda__first_is_the_earliest_whatever_enters_and_leaves),
        cmocka_unit_test(agenda__gives_equal_times_in_an_order_that_repeats),
        cmocka_unit_test(agenda__takes_a_hundred_thousand_out_in_order),
        cmocka_unit_test(agenda__moves_an_entry_that_enters_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
