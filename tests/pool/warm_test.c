/* SPDX-License-Identifier: MIT */
/* Wishes for warm connections: how many are dialled for them, what is in their way, and how they
 * end. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static weir_status wish_for(rig *r, weir_warmth *wish, const char *name, uint32_t exchanges)
{
    const weir_origin_key key = rig_key(name);
    *wish = (weir_warmth){0};
    weir_warmth_init(wish);
    const weir_status status = weir_pool_warm(r->pool, &key, exchanges, wish, r->now_ns);
    weir_pool_check(r->pool);
    return status;
}

static void cool(rig *r, weir_warmth *wish)
{
    weir_pool_cool(r->pool, wish, r->now_ns);
    weir_pool_check(r->pool);
}

static void warm__dials_one_for_each_exchange(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){0});
    assert_int_equal(wish_for(&r, &wish, "one", 3), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm, dial 2 to warm, dial 3 to warm");
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 3, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 3);
    assert_int_equal(weir_pool_count(r.pool).leases, 0);
    /* They are there now; and busy ones count. */
    rig_ask_all(&r, "a", "one");
    assert_int_equal(wish_for(&r, &wish, "one", 3), WEIR_OK);
    assert_int_equal(wish_for(&r, &wish, "one", 4), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 4 to warm");
    cool(&r, &wish);
    rig_close(&r);
}

static void warm__connections_die_of_age_as_all_do(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){.idle_ns = WEIR_NS_PER_SECOND});
    assert_int_equal(wish_for(&r, &wish, "one", 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    rig_tick(&r, 2 * WEIR_NS_PER_SECOND);
    assert_string_equal(rig_actions(&r), "close 1 expired_idle");
    rig_close(&r);
}

static void warm__probes_before_it_dials_on(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){0});
    assert_int_equal(wish_for(&r, &wish, "tls.h1", 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    /* One HTTP/2 connection counts for its streams. */
    assert_int_equal(wish_for(&r, &wish, "tls.h2", 15), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 3 to warm");
    rig_ready(&r, 3, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "dial 4 to warm");
    rig_ready(&r, 4, WEIR_H2, 10);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    rig_close(&r);
}

static void warm__neither_exceeds_nor_evicts(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){.connections = 2, .connections_per_origin = 2});
    rig_lease_h1(&r, 'a', "two", 1);
    rig_release(&r, 'a'); /* idle: a ticket of another origin would evict it */
    assert_int_equal(wish_for(&r, &wish, "one", 5), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed total_limit WEIR_OK");
    assert_int_equal(wish_for(&r, &wish, "three", 1), WEIR_OK);
    assert_int_equal(wish.reason, WEIR_REASON_TOTAL_LIMIT);
    rig_close(&r);
}

/* To be content with what is about to be gone would be to be content with nothing. */
static void warm__waits_for_the_places_of_what_closes(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    assert_int_equal(wish_for(&r, &wish, "one", 1), WEIR_AGAIN);
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    weir_pool_network_changed(r.pool, r.now_ns);
    assert_int_equal(wish_for(&r, &wish, "one", 1), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "close 1 network_changed");
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    rig_close(&r);
}

static void warm__ends_with_the_failure_of_a_dial(void **state)
{
    (void)state;
    rig r;
    weir_warmth wishes[2];
    rig_open(&r, (weir_pool_options){0});
    assert_int_equal(wish_for(&r, &wishes[0], "one", 2), WEIR_AGAIN);
    assert_int_equal(wish_for(&r, &wishes[1], "one", 3), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm, dial 2 to warm");
    rig_fail(&r, 1);
    assert_string_equal(
        rig_actions(&r),
        "warmed failed WEIR_E_CONNECT_REFUSED, warmed failed WEIR_E_CONNECT_REFUSED");
    /* A later one tries anew, without a pause. */
    assert_int_equal(wish_for(&r, &wishes[0], "one", 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 3 to warm");
    weir_pool_shutdown(r.pool, r.now_ns);
    assert_string_equal(rig_actions(&r),
                        "close 2 shutdown, close 3 shutdown, warmed failed WEIR_E_CLOSED");
    rig_close(&r);
}

/* A server that accepts and hangs up is not dialled in a circle. */
static void warm__dials_no_more_than_it_wants(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){0});
    assert_int_equal(wish_for(&r, &wish, "one", 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm, dial 2 to warm");
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed failed WEIR_OK");
    rig_close(&r);
}

static void warm__lets_tickets_have_what_is_ready(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    assert_int_equal(wish_for(&r, &wish, "one", 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 1 to warm, dial 2 to warm");
    rig_ask_all(&r, "a", "one"); /* a dial in flight will serve it */
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    /* Nobody wants it any more: the dial that was begun goes on. */
    cool(&r, &wish);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 1);
    rig_close(&r);
}

/* A place that another origin gives up is found when a dial of its own ends. */
static void warm__looks_again_when_a_dial_ends(void **state)
{
    (void)state;
    rig r;
    weir_warmth wish;
    rig_open(&r, (weir_pool_options){.connections = 2});
    rig_lease_h1(&r, 'a', "two", 1);
    assert_int_equal(wish_for(&r, &wish, "one", 2), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 2 to warm");
    rig_release(&r, 'a');
    rig_gone(&r, 1);
    assert_string_equal(rig_actions(&r), "");
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "dial 3 to warm");
    rig_ready(&r, 3, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "warmed none WEIR_OK");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm__dials_one_for_each_exchange),
        cmocka_unit_test(warm__connections_die_of_age_as_all_do),
        cmocka_unit_test(warm__probes_before_it_dials_on),
        cmocka_unit_test(warm__neither_exceeds_nor_evicts),
        cmocka_unit_test(warm__waits_for_the_places_of_what_closes),
        cmocka_unit_test(warm__ends_with_the_failure_of_a_dial),
        cmocka_unit_test(warm__dials_no_more_than_it_wants),
        cmocka_unit_test(warm__lets_tickets_have_what_is_ready),
        cmocka_unit_test(warm__looks_again_when_a_dial_ends),
    };
    return cmocka_run_group_tests_name("warm", tests, NULL, NULL);
}
