/* SPDX-License-Identifier: MIT */
/*
 * The list of idle ones, against an array that is searched: whatever was leased, released, released
 * in another order, or closed, the first is the longest idle one.
 */
#include "pool/idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SLOTS = 12, STEPS = 20000 };

typedef struct bench {
    weir_idle idle;
    weir_slot slots[SLOTS];
    weir_time now_ns;
} bench;

static void begin(bench *b)
{
    weir_idle_init(&b->idle);
    b->now_ns = 1;
    for (size_t i = 0; i < SLOTS; i++) {
        b->slots[i] = (weir_slot){.leases = 0};
        weir_list_init(&b->slots[i].queue);
    }
}

static void rest(bench *b, size_t number)
{
    b->slots[number].idle_since_ns = ++b->now_ns;
    weir_idle_rest(&b->idle, &b->slots[number]);
}

static void leave(bench *b, size_t number)
{
    weir_idle_leave(&b->idle, &b->slots[number]);
}

static void give_back(bench *b, size_t number)
{
    weir_idle_return(&b->idle, &b->slots[number]);
}

/* Of those that are where they belong. */
static const weir_slot *longest_idle(const bench *b)
{
    const weir_slot *found = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        const weir_slot *slot = &b->slots[i];
        if (slot->is_idle && !slot->is_displaced &&
            (found == NULL || slot->idle_since_ns < found->idle_since_ns)) {
            found = slot;
        }
    }
    return found;
}

static uint32_t random_of(uint32_t limit)
{
    static uint64_t state = 7;
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)((state >> 33) % limit);
}

static void idle__names_the_longest_idle_one_after_any_steps(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (int i = 0; i < STEPS; i++) {
        weir_slot *slot = &b.slots[random_of(SLOTS)];
        if (!slot->is_idle && slot->idle_since_ns > 0 && random_of(3) == 0) {
            give_back(&b, (size_t)(slot - b.slots));
        } else if (!slot->is_idle) {
            rest(&b, (size_t)(slot - b.slots));
        } else if (random_of(4) == 0) {
            weir_idle_forget(&b.idle, slot);
            assert_true(weir_list_is_empty(&slot->queue));
            assert_false(slot->is_late);
        } else {
            leave(&b, (size_t)(slot - b.slots));
        }
        weir_idle_check(&b.idle);
        const weir_slot *first = weir_idle_first(&b.idle);
        if (first == NULL || !first->is_displaced) {
            assert_ptr_equal(first, longest_idle(&b));
        }
    }
}

static void idle__forgets_one_that_is_leased(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (size_t i = 0; i < SLOTS; i++) {
        rest(&b, i);
    }
    leave(&b, 0);
    weir_idle_forget(&b.idle, &b.slots[0]);
    assert_true(weir_list_is_empty(&b.slots[0].queue));
    assert_ptr_equal(weir_idle_first(&b.idle), &b.slots[1]);
    assert_int_equal(b.idle.slots, SLOTS - 1);
    weir_idle_check(&b.idle);
}

static void idle__keeps_a_lease_and_a_release_to_the_one_it_is_about(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (size_t i = 0; i < SLOTS; i++) {
        rest(&b, i);
    }
    const weir_list before = b.slots[1].queue;
    const weir_list after = b.slots[3].queue;
    leave(&b, 2);
    rest(&b, 2);
    assert_memory_equal(&before, &b.slots[1].queue, sizeof before);
    assert_memory_equal(&after, &b.slots[3].queue, sizeof after);
    for (size_t i = 4; i < 4 + WEIR_IDLE_LATE; i++) {
        leave(&b, i);
        rest(&b, i);
    }
    assert_ptr_equal(b.slots[1].queue.next, &b.slots[3].queue);
    weir_idle_check(&b.idle);
}

/* One that is late already keeps its place as well, and whose place was given up gets the last. */
static void idle__finds_who_is_given_back_soon_in_its_place(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (size_t i = 0; i < SLOTS; i++) {
        rest(&b, i);
    }
    const weir_list before = b.slots[1].queue;
    const weir_list own = b.slots[2].queue;
    leave(&b, 2);
    leave(&b, 5);
    rest(&b, 5);
    give_back(&b, 2);
    leave(&b, 5);
    give_back(&b, 5);
    assert_memory_equal(&before, &b.slots[1].queue, sizeof before);
    assert_memory_equal(&own, &b.slots[2].queue, sizeof own);
    assert_false(b.slots[2].is_displaced);
    assert_false(b.slots[5].is_displaced);
    weir_idle_check(&b.idle);
    leave(&b, 0);
    for (size_t i = 6; i < 6 + WEIR_IDLE_LATE; i++) {
        leave(&b, i); /* so many that the first is out of the list */
    }
    assert_true(weir_list_is_empty(&b.slots[0].queue));
    assert_ptr_equal(weir_idle_first(&b.idle), &b.slots[1]);
    give_back(&b, 0);
    assert_true(b.slots[0].is_displaced);
    assert_ptr_equal(weir_idle_first(&b.idle), &b.slots[1]);
    weir_idle_check(&b.idle);
    leave(&b, 0);
    give_back(&b, 0);
    assert_true(b.slots[0].is_displaced);
    leave(&b, 0);
    rest(&b, 0);
    assert_false(b.slots[0].is_displaced);
    weir_idle_check(&b.idle);
}

static void idle__has_no_first_when_all_are_leased(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    assert_null(weir_idle_first(&b.idle));
    for (size_t i = 0; i < SLOTS; i++) {
        rest(&b, i);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        leave(&b, i);
    }
    assert_null(weir_idle_first(&b.idle));
    assert_int_equal(b.idle.slots, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle__names_the_longest_idle_one_after_any_steps),
        cmocka_unit_test(idle__forgets_one_that_is_leased),
        cmocka_unit_test(idle__keeps_a_lease_and_a_release_to_the_one_it_is_about),
        cmocka_unit_test(idle__finds_who_is_given_back_soon_in_its_place),
        cmocka_unit_test(idle__has_no_first_when_all_are_leased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
