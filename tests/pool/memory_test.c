/* SPDX-License-Identifier: MIT */
/*
 * What a pool tells others of an origin, and what it takes from them.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const weir_time second = WEIR_NS_PER_SECOND;

static void memory__tells_what_is_new_once(void **state)
{
    (void)state;
    rig r;
    weir_memory memory;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    weir_slot *slot = rig_slot(&r, 1);
    assert_true(weir_pool_is_blind(slot));
    assert_false(weir_pool_learned(slot, &memory));
    rig_ready(&r, 1, WEIR_H2, 20);
    assert_true(weir_pool_learned(slot, &memory));
    assert_int_equal(memory.protocol, WEIR_H2);
    assert_int_equal(memory.streams, 20);
    assert_false(weir_pool_learned(slot, &memory));
    rig_tell(&r, 1, 30);
    assert_true(weir_pool_learned(slot, &memory));
    assert_int_equal(memory.streams, 30);
    rig_close(&r);
}

/* No probe, and no herd behind it: the others dial with the first. */
static void memory__of_http1_spares_the_probe(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abc", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    const weir_memory memory = {.protocol = WEIR_H1};
    weir_pool_recall(r.pool, rig_slot(&r, 1), &memory, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "dial 2 for b, dial 3 for c");
    rig_close(&r);
}

static void memory__of_http2_says_how_many_dials(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abcde", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    const weir_memory memory = {.protocol = WEIR_H2, .streams = 2};
    weir_pool_recall(r.pool, rig_slot(&r, 1), &memory, r.now_ns);
    assert_string_equal(rig_actions(&r), "dial 2 for b, dial 3 for c");
    rig_close(&r);
}

/* What the pool saw itself is worth more. */
static void memory__does_not_replace_what_is_known(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "tls.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 20);
    const weir_memory memory = {.protocol = WEIR_H1, .streams = 2};
    weir_pool_recall(r.pool, rig_slot(&r, 1), &memory, r.now_ns);
    weir_memory known;
    assert_true(weir_pool_learned(rig_slot(&r, 1), &known));
    assert_int_equal(known.protocol, WEIR_H2);
    assert_int_equal(known.streams, 20);
    rig_close(&r);
}

static void memory__of_the_horizon_holds_at_once(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_release(&r, 'a');
    weir_memory memory = {.protocol = WEIR_H1};
    memory.horizon.first_ns = 10 * second;
    memory.horizon.second_ns = 10 * second;
    memory.horizon.seen_at_ns = r.now_ns;
    weir_pool_recall(r.pool, rig_slot(&r, 1), &memory, r.now_ns);
    weir_pool_check(r.pool);
    rig_tick(&r, 9 * second);
    assert_string_equal(rig_actions(&r), "close 1 expired_horizon");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory__tells_what_is_new_once),
        cmocka_unit_test(memory__of_http1_spares_the_probe),
        cmocka_unit_test(memory__of_http2_says_how_many_dials),
        cmocka_unit_test(memory__does_not_replace_what_is_known),
        cmocka_unit_test(memory__of_the_horizon_holds_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
