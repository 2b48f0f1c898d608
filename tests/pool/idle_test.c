/* SPDX-License-Identifier: MIT */
/*
 * The list of idle ones, against an array that is searched: whatever was leased, released, given
 * back unused or closed, at whatever distance in time, nobody was idle for longer than the list says,
 * and who is to be closed first is at most two ticks from that, or exactly that if there are few.
 */
#include "pool/idle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { SLOTS = 40, FEW = WEIR_IDLE_LOOKED_AT, STEPS = 20000 };

/* So that a tick is 1,024 ns. */
#define TIME_OUT_NS ((weir_time)64 * 1024)

typedef struct bench {
    weir_idle idle;
    weir_slot slots[SLOTS];
    weir_time now_ns;
} bench;

static void begin(bench *b)
{
    weir_idle_init(&b->idle, TIME_OUT_NS);
    assert_int_equal(b->idle.shift, 10);
    b->now_ns = 1;
    for (size_t i = 0; i < SLOTS; i++) {
        b->slots[i] = (weir_slot){.leases = 0};
        weir_list_init(&b->slots[i].queue);
    }
}

static void give_back(bench *b, size_t number)
{
    weir_idle_rest(&b->idle, &b->slots[number], b->now_ns);
}

static void rest(bench *b, size_t number)
{
    b->slots[number].idle_since_ns = ++b->now_ns;
    give_back(b, number);
}

static void leave(bench *b, size_t number)
{
    weir_idle_leave(&b->idle, &b->slots[number], b->now_ns);
}

static void all_rest(bench *b)
{
    begin(b);
    for (size_t i = 0; i < SLOTS; i++) {
        rest(b, i);
    }
}

static weir_slot *first_of(const bench *b)
{
    return weir_idle_look(&b->idle).first;
}

static const weir_slot *longest_idle(const bench *b, bool displaced_too)
{
    const weir_slot *found = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        const weir_slot *slot = &b->slots[i];
        if (slot->is_idle && (displaced_too || !slot->is_displaced) &&
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

static void step(bench *b, uint32_t slots)
{
    const size_t number = random_of(slots);
    weir_slot *slot = &b->slots[number];
    b->now_ns += random_of(100) == 0 ? random_of(10 * 1024) : random_of(10);
    if (!slot->is_idle && slot->idle_since_ns > 0 && random_of(3) == 0) {
        give_back(b, number);
    } else if (!slot->is_idle) {
        rest(b, number);
    } else if (random_of(4) == 0) {
        weir_idle_forget(&b->idle, slot);
        assert_true(weir_list_is_empty(&slot->queue));
        assert_false(slot->is_listed);
    } else if (random_of(8) == 0) {
        slot = weir_idle_put_off(&b->idle, b->now_ns);
        assert_true(slot->is_displaced);
        assert_ptr_equal(b->idle.list.prev, &slot->queue);
    } else {
        leave(b, number);
    }
    weir_idle_check(&b->idle);
}

static void idle__says_since_when_nobody_was_idle_after_any_steps(void **state)
{
    (void)state;
    static bench b;
    uint32_t inexact = 0;
    begin(&b);
    for (int i = 0; i < STEPS; i++) {
        step(&b, SLOTS);
        const weir_idle_view view = weir_idle_look(&b.idle);
        const weir_slot *longest = longest_idle(&b, false);
        assert_int_equal(view.first == NULL, longest_idle(&b, true) == NULL);
        if (longest) {
            assert_true(view.since_ns <= longest->idle_since_ns);
            assert_true(view.first->idle_since_ns < longest->idle_since_ns + 2 * 1024 ||
                        view.first->is_displaced);
            inexact += view.first->idle_since_ns > longest->idle_since_ns;
        }
    }
    assert_true(inexact > 0);
}

static void idle__names_the_longest_idle_one_of_few(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (int i = 0; i < STEPS; i++) {
        step(&b, FEW);
        const weir_slot *first = first_of(&b);
        if (first == NULL || !first->is_displaced) {
            assert_ptr_equal(first, longest_idle(&b, false));
        }
    }
}

/* Only two are idle, and the one that has been so for longer is behind eight places: those of who is
 * leased count. */
static void idle__looks_at_who_is_leased_too(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    for (size_t i = 0; i <= FEW; i++) {
        rest(&b, i);
    }
    leave(&b, FEW - 1);
    rest(&b, FEW - 1);
    for (size_t i = 0; i < FEW - 1; i++) {
        leave(&b, i);
    }
    assert_int_equal(b.idle.slots, 2);
    assert_ptr_equal(longest_idle(&b, false), &b.slots[FEW]);
    assert_ptr_equal(first_of(&b), &b.slots[FEW - 1]);
    assert_true(weir_idle_look(&b.idle).since_ns <= b.slots[FEW].idle_since_ns);
    weir_idle_forget(&b.idle, &b.slots[0]);
    assert_ptr_equal(first_of(&b), &b.slots[FEW]);
    weir_idle_check(&b.idle);
}

static void idle__forgets_one_that_is_leased(void **state)
{
    (void)state;
    static bench b;
    all_rest(&b);
    leave(&b, 2);
    weir_idle_forget(&b.idle, &b.slots[2]);
    assert_true(weir_list_is_empty(&b.slots[2].queue));
    assert_int_equal(b.idle.slots, SLOTS - 1);
    weir_idle_check(&b.idle);
}

/* What the list is for: of very many, its neighbours are not touched. */
static void idle__keeps_a_lease_and_a_release_to_the_one_it_is_about(void **state)
{
    (void)state;
    static bench b;
    all_rest(&b);
    const weir_list before = b.slots[1].queue;
    const weir_list after = b.slots[3].queue;
    b.now_ns += 1023;
    leave(&b, 2);
    rest(&b, 2);
    assert_memory_equal(&before, &b.slots[1].queue, sizeof before);
    assert_memory_equal(&after, &b.slots[3].queue, sizeof after);
    b.now_ns += 1024;
    leave(&b, 2);
    rest(&b, 2);
    assert_ptr_equal(b.slots[1].queue.next, &b.slots[3].queue);
    assert_ptr_equal(b.idle.list.prev, &b.slots[2].queue);
    weir_idle_check(&b.idle);
}

static void idle__finds_who_is_given_back_in_its_place(void **state)
{
    (void)state;
    static bench b;
    all_rest(&b);
    const weir_list before = b.slots[1].queue;
    leave(&b, 2);
    b.now_ns += 10 * 1024;
    give_back(&b, 2);
    assert_memory_equal(&before, &b.slots[1].queue, sizeof before);
    assert_false(b.slots[2].is_displaced);
    leave(&b, 0);
    give_back(&b, 0);
    assert_false(b.slots[0].is_displaced);
    assert_ptr_equal(first_of(&b), &b.slots[0]);
    for (size_t i = 0; i < WEIR_IDLE_LOOKED_AT; i++) {
        assert_true(b.slots[0].is_listed);
        leave(&b, i); /* so many that the first loses its place */
    }
    assert_true(weir_list_is_empty(&b.slots[0].queue));
    assert_ptr_equal(first_of(&b), &b.slots[WEIR_IDLE_LOOKED_AT]);
    give_back(&b, 1);
    give_back(&b, 0);
    assert_true(b.slots[0].is_displaced);
    assert_ptr_equal(b.idle.list.prev, &b.slots[0].queue);
    assert_ptr_equal(first_of(&b), &b.slots[1]);
    leave(&b, 0);
    give_back(&b, 0);
    assert_true(b.slots[0].is_displaced);
    leave(&b, 0);
    rest(&b, 0);
    assert_false(b.slots[0].is_displaced);
    weir_idle_check(&b.idle);
}

/* One that several used at once: a use that ended meanwhile is newer than its place. */
static void idle__moves_one_that_was_used_before_it_is_given_back(void **state)
{
    (void)state;
    static bench b;
    all_rest(&b);
    leave(&b, 2);
    b.now_ns += 5 * 1024;
    b.slots[2].idle_since_ns = b.now_ns;
    b.now_ns += 5 * 1024;
    give_back(&b, 2);
    assert_ptr_equal(b.idle.list.prev, &b.slots[2].queue);
    assert_true(b.slots[2].is_displaced);
    weir_idle_check(&b.idle);
}

static void idle__has_no_first_when_all_are_leased(void **state)
{
    (void)state;
    static bench b;
    begin(&b);
    assert_null(first_of(&b));
    all_rest(&b);
    for (size_t i = 0; i < SLOTS; i++) {
        leave(&b, SLOTS - 1 - i);
    }
    assert_null(first_of(&b));
    assert_int_equal(b.idle.slots, 0);
    weir_idle_check(&b.idle);
}

/* At most a 64th of it, and a second. */
static void idle__has_ticks_for_any_time_out(void **state)
{
    (void)state;
    static const struct {
        weir_time time_out_ns;
        uint32_t shift;
    } cases[] = {{0, 0},
                 {64, 0},
                 {1000, 3},
                 {90 * WEIR_NS_PER_SECOND, 30},
                 {86400 * WEIR_NS_PER_SECOND, 30},
                 {WEIR_NEVER, 30}};
    static bench b;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        weir_idle_init(&b.idle, cases[i].time_out_ns);
        assert_int_equal(b.idle.shift, cases[i].shift);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle__says_since_when_nobody_was_idle_after_any_steps),
        cmocka_unit_test(idle__names_the_longest_idle_one_of_few),
        cmocka_unit_test(idle__looks_at_who_is_leased_too),
        cmocka_unit_test(idle__forgets_one_that_is_leased),
        cmocka_unit_test(idle__keeps_a_lease_and_a_release_to_the_one_it_is_about),
        cmocka_unit_test(idle__finds_who_is_given_back_in_its_place),
        cmocka_unit_test(idle__moves_one_that_was_used_before_it_is_given_back),
        cmocka_unit_test(idle__has_no_first_when_all_are_leased),
        cmocka_unit_test(idle__has_ticks_for_any_time_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
