/* SPDX-License-Identifier: MIT */
/*
 * The learned horizon: as a value, and what the pool makes of it.
 */
#include "pool/horizon.h"

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const weir_time second = WEIR_NS_PER_SECOND;
static const weir_time ms = WEIR_NS_PER_MS;

/* Closes that have nothing to do with each other: each connection became idle after the one before
 * was closed. */
static void closes(weir_horizon *h, weir_time *now_ns, weir_time idle_ns)
{
    *now_ns += idle_ns;
    weir_horizon_closed(h, idle_ns, *now_ns);
}

static void horizon__believes_the_second_close(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
    closes(&h, &now, 60 * second);
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
    closes(&h, &now, 61 * second);
    assert_int_equal(weir_horizon_span(&h, now), 60 * second);
    /* A later one adds nothing, an earlier one does. */
    closes(&h, &now, 90 * second);
    assert_int_equal(weir_horizon_span(&h, now), 60 * second);
    closes(&h, &now, 60 * second);
    assert_int_equal(weir_horizon_span(&h, now), 59 * second);
}

static void horizon__keeps_half_of_a_short_time(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    closes(&h, &now, second);
    closes(&h, &now, second);
    assert_int_equal(weir_horizon_span(&h, now), second / 2);
}

static void horizon__is_not_moved_by_one_early_close(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    closes(&h, &now, 60 * second);
    closes(&h, &now, 60 * second);
    closes(&h, &now, 2 * second); /* a restart, say */
    assert_int_equal(weir_horizon_span(&h, now), 59 * second);
    closes(&h, &now, 2 * second);
    assert_int_equal(weir_horizon_span(&h, now), second);
}

static void horizon__counts_closes_of_one_moment_once(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    for (int i = 0; i < 6; i++) {
        weir_horizon_closed(&h, 30 * second - (weir_time)i * second, now + (weir_time)i * ms);
    }
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
    assert_int_equal(h.first_ns, 30 * second);
}

static void horizon__ignores_what_was_hardly_idle(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    closes(&h, &now, 9 * ms);
    closes(&h, &now, 9 * ms);
    assert_int_equal(h.first_ns, 0);
}

static void horizon__is_never_below_what_was_survived(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    weir_horizon_survived(&h, 1900 * ms);
    closes(&h, &now, 2 * second);
    closes(&h, &now, 2 * second);
    assert_int_equal(weir_horizon_span(&h, now), 1900 * ms);
    /* What contradicts it is set aside, twice. */
    closes(&h, &now, second);
    closes(&h, &now, second);
    assert_int_equal(weir_horizon_span(&h, now), 1900 * ms);
    assert_int_equal(h.doubts, 2);
    /* That it is survived again ends the doubt. */
    weir_horizon_survived(&h, second);
    assert_int_equal(h.doubts, 0);
    closes(&h, &now, second);
    closes(&h, &now, second);
    assert_int_equal(weir_horizon_span(&h, now), 1900 * ms);
    /* A third time in a row the server must have changed: all is learned anew. */
    closes(&h, &now, second);
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
    closes(&h, &now, second);
    assert_int_equal(weir_horizon_span(&h, now), second / 2);
}

static void horizon__drops_closes_that_were_survived_since(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    closes(&h, &now, 2 * second);
    closes(&h, &now, 60 * second);
    weir_horizon_survived(&h, 30 * second);
    assert_int_equal(h.first_ns, 60 * second);
    assert_int_equal(weir_horizon_span(&h, now), 59 * second);
    weir_horizon_survived(&h, 100 * second);
    assert_int_equal(h.first_ns, 0);
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
}

static void horizon__forgets_half_of_what_it_knew(void **state)
{
    (void)state;
    weir_horizon h = {0};
    weir_time now = 1000 * second;
    closes(&h, &now, 60 * second);
    closes(&h, &now, 60 * second);
    now += WEIR_HORIZON_FORGET_NS - 1;
    assert_int_equal(weir_horizon_span(&h, now), 59 * second);
    now += 1;
    assert_true(weir_horizon_span(&h, now) == WEIR_NEVER);
    /* One close is enough to know again, of a server that is patient now. */
    closes(&h, &now, 100 * second);
    assert_int_equal(weir_horizon_span(&h, now), 99 * second);
}

/* -- in the pool -- */

static void release(rig *r, char letter, bool answered)
{
    rig_ticket(r, letter)->answered = answered;
    rig_release(r, letter);
}

static weir_facts ended(rig *r)
{
    weir_facts facts = rig_facts(r, WEIR_H1, 1);
    facts.accepting = false;
    facts.reusable = false;
    facts.unfit = WEIR_UNFIT_ENDED;
    return facts;
}

/* The server closes a connection that has been idle for so long. */
static void closes_idle(rig *r, uint64_t id, weir_time idle_ns)
{
    rig_lease_h1(r, 'z', "one", id);
    release(r, 'z', true);
    r->now_ns += idle_ns;
    const weir_facts facts = ended(r);
    weir_pool_facts(r->pool, rig_slot(r, id), &facts, r->now_ns);
    assert_non_null(strstr(rig_actions(r), "peer_closed"));
    rig_gone(r, id);
}

static void horizon__closes_idle_connections_in_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    closes_idle(&r, 2, 10 * second);
    rig_lease_h1(&r, 'a', "one", 3);
    release(&r, 'a', true);
    rig_tick(&r, 9 * second - 1);
    assert_string_equal(rig_actions(&r), "");
    weir_why why;
    assert_int_equal(weir_pool_deadline(r.pool, &why), r.now_ns + 1);
    rig_tick(&r, 1);
    assert_string_equal(rig_actions(&r), "close 3 expired_horizon");
    assert_int_equal(weir_pool_count(r.pool).closed_idle, 1);
    /* And is passed over when no tick came. */
    rig_lease_h1(&r, 'a', "one", 4);
    release(&r, 'a', true);
    r.now_ns += 9 * second;
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "close 4 expired_horizon, dial 5 for b");
    rig_close(&r);
}

static void horizon__is_one_for_those_that_are_idle_already(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    rig_lease_h1(&r, 'a', "one", 2);
    rig_lease_h1(&r, 'b', "one", 3);
    release(&r, 'a', true);
    rig_tick(&r, 2 * second);
    release(&r, 'b', true);
    rig_tick(&r, 8 * second);
    const weir_facts facts = ended(&r);
    weir_pool_facts(r.pool, rig_slot(&r, 2), &facts, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r), "close 2 peer_closed");
    weir_why why;
    assert_int_equal(weir_pool_deadline(r.pool, &why), r.now_ns + second);
    rig_tick(&r, second);
    assert_string_equal(rig_actions(&r), "close 3 expired_horizon");
    rig_close(&r);
}

static void horizon__gives_way_to_what_the_server_says(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    closes_idle(&r, 2, 10 * second);
    rig_lease_h1(&r, 'a', "one", 3);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = 30 * second;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions_after(&r, 29 * second), "close 3 expired_keep_alive");
    rig_close(&r);
}

/* The blocking front end finds the end when it looks, with the lease in its hand. */
static void horizon__is_learned_from_a_bounce(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    for (uint64_t id = 1; id <= 3; id += 2) {
        rig_lease_h1(&r, 'a', "one", id);
        release(&r, 'a', true);
        r.now_ns += 20 * second;
        assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
        const weir_facts facts = ended(&r);
        weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
        rig_actions(&r);
        rig_gone(&r, id);
        rig_ready(&r, id + 1, WEIR_H1, 1);
        rig_actions(&r);
        weir_facts last = ended(&r);
        last.unfit = WEIR_UNFIT_CLOSE;
        weir_pool_release(r.pool, rig_ticket(&r, 'a'), &last, r.now_ns);
        rig_actions(&r);
        rig_gone(&r, id + 1);
    }
    rig_lease_h1(&r, 'a', "one", 5);
    release(&r, 'a', true);
    rig_tick(&r, 19 * second);
    assert_string_equal(rig_actions(&r), "close 5 expired_horizon");
    rig_close(&r);
}

/* A request that met the end is evidence too; one that was answered is evidence of the contrary. */
static void horizon__is_learned_from_reuse(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    rig_lease_h1(&r, 'a', "one", 2);
    release(&r, 'a', true);
    r.now_ns += 9900 * ms;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    release(&r, 'a', true);
    r.now_ns += 10 * second;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    const weir_facts facts = ended(&r);
    rig_ticket(&r, 'a')->answered = false;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "close 2 peer_closed");
    rig_gone(&r, 2);
    rig_lease_h1(&r, 'a', "one", 3);
    release(&r, 'a', true);
    assert_string_equal(rig_actions_after(&r, 9900 * ms), "close 3 expired_horizon");
    rig_close(&r);
}

/* A lease of which nothing was sent: cancelled at the last moment, say. */
static void give_back(rig *r, char letter)
{
    rig_ticket(r, letter)->unused = true;
    rig_release(r, letter);
}

/* The server knows nothing of a lease that was not used: its clock goes on. */
static void horizon__counts_from_the_last_use(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    closes_idle(&r, 2, 10 * second);
    rig_lease_h1(&r, 'a', "one", 3);
    release(&r, 'a', true);
    r.now_ns += 8 * second;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    r.now_ns += second / 2;
    give_back(&r, 'a');
    weir_why why;
    assert_int_equal(weir_pool_deadline(r.pool, &why), r.now_ns + second / 2);
    assert_string_equal(rig_actions_after(&r, second / 2), "close 3 expired_horizon");
    /* And is found too old by the next, if no tick came. */
    rig_gone(&r, 3);
    rig_lease_h1(&r, 'a', "one", 4);
    release(&r, 'a', true);
    r.now_ns += 8 * second;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    r.now_ns += 2 * second;
    give_back(&r, 'a');
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "close 4 expired_horizon, dial 5 for b");
    rig_close(&r);
}

/* ... for what the server says of itself, and for our own limit; a connection that was never used
 * rests since it was dialled. */
static void horizon__is_not_alone_in_counting_from_the_last_use(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 20 * second});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = 10 * second;
    weir_pool_release(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    r.now_ns += 5 * second;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    give_back(&r, 'a');
    assert_string_equal(rig_actions_after(&r, 4 * second), "close 1 expired_keep_alive");
    rig_lease_h1(&r, 'b', "two", 2);
    r.now_ns += 5 * second;
    give_back(&r, 'b');
    assert_string_equal(rig_actions_after(&r, 15 * second), "close 2 expired_idle");
    rig_close(&r);
}

/* HTTP/2: a lease that bounces off a peer that allows no stream for now, and one of two. */
static void horizon__counts_from_the_last_use_of_any(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 20 * second});
    rig_lease_h2(&r, "a", 2);
    rig_release(&r, 'a');
    r.now_ns += 5 * second;
    rig_ask_all(&r, "ab", "h2.one");
    r.now_ns += second;
    rig_ticket(&r, 'b')->answered = true;
    rig_release(&r, 'b'); /* used, 6 s after the first */
    r.now_ns += second;
    give_back(&r, 'a');
    r.now_ns += 5 * second;
    rig_ask_all(&r, "a", "h2.one");
    const weir_facts facts = rig_facts(&r, WEIR_H2, 0);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    rig_abandon(&r, 'a');
    weir_why why;
    assert_int_equal(weir_pool_deadline(r.pool, &why), r.now_ns + 14 * second);
    rig_tick(&r, 14 * second);
    assert_non_null(strstr(rig_actions(&r), "close 1 expired_idle"));
    rig_close(&r);
}

/* What was not used is no younger for it: neither in the line of those to be closed nor among the
 * elders of one that died. */
static void horizon__keeps_who_was_not_used_in_its_place(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 3});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_lease_h1(&r, 'c', "two", 3);
    release(&r, 'a', true);
    r.now_ns += second;
    release(&r, 'c', true);
    r.now_ns += second;
    rig_ask_all(&r, "d", "one"); /* the first connection: the second is in use */
    r.now_ns += second;
    release(&r, 'b', true);
    give_back(&r, 'd');
    rig_ask_all(&r, "e", "one");
    assert_ptr_equal(rig_ticket(&r, 'e')->slot, rig_slot(&r, 2)); /* the last that was used */
    rig_ask_all(&r, "f", "three");
    assert_string_equal(rig_actions(&r), "close 1 evicted");
    rig_close(&r);
}

/* Its place in line was given up, and its own time has come all the same. */
static void horizon__closes_who_lost_its_place_in_its_time(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.idle_ns = 20 * second});
    rig_lease_h1(&r, 'a', "one", 1);
    release(&r, 'a', true);
    r.now_ns += second;
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_OK);
    static const char *const others[] = {"b", "c", "d", "e", "f"};
    for (uint64_t i = 0; i < WEIR_COUNT_OF(others); i++) {
        rig_lease_h1(&r, others[i][0], others[i], i + 2);
        release(&r, others[i][0], true);
    }
    r.now_ns += second;
    give_back(&r, 'a');
    weir_why why;
    assert_int_equal(weir_pool_deadline(r.pool, &why), r.now_ns + 18 * second);
    assert_string_equal(rig_actions_after(&r, 18 * second), "close 1 expired_idle");
    rig_close(&r);
}

/* Whoever was given the next would meet the same end. One that was used since is no elder. */
static void horizon__is_met_by_the_elders_of_what_died(void **state)
{
    (void)state;
    rig r;
    weir_facts facts;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "one", 2);
    rig_lease_h1(&r, 'c', "one", 3);
    rig_lease_h1(&r, 'd', "one", 4);
    release(&r, 'a', true);
    r.now_ns += second;
    release(&r, 'b', true);
    r.now_ns += second;
    release(&r, 'c', true);
    r.now_ns += 10 * second;
    assert_int_equal(rig_ask(&r, 'e', "one"), WEIR_OK);
    assert_ptr_equal(rig_ticket(&r, 'e')->slot, rig_slot(&r, 3));
    release(&r, 'd', true);
    facts = ended(&r);
    facts.unfit = WEIR_UNFIT_FAILED; /* a reset */
    rig_ticket(&r, 'e')->answered = false;
    weir_pool_release(r.pool, rig_ticket(&r, 'e'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r),
                        "close 1 expired_horizon, close 2 expired_horizon, close 3 failed");
    assert_int_equal(rig_ask(&r, 'f', "one"), WEIR_OK);
    assert_ptr_equal(rig_ticket(&r, 'f')->slot, rig_slot(&r, 4));
    rig_close(&r);
}

/* What the origin showed is known after its connections are gone. */
static void horizon__outlives_the_connections(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    closes_idle(&r, 1, 10 * second);
    closes_idle(&r, 2, 10 * second);
    assert_int_equal(weir_pool_count(r.pool).origins, 1);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(horizon__believes_the_second_close),
        cmocka_unit_test(horizon__keeps_half_of_a_short_time),
        cmocka_unit_test(horizon__is_not_moved_by_one_early_close),
        cmocka_unit_test(horizon__counts_closes_of_one_moment_once),
        cmocka_unit_test(horizon__ignores_what_was_hardly_idle),
        cmocka_unit_test(horizon__is_never_below_what_was_survived),
        cmocka_unit_test(horizon__drops_closes_that_were_survived_since),
        cmocka_unit_test(horizon__forgets_half_of_what_it_knew),
        cmocka_unit_test(horizon__closes_idle_connections_in_time),
        cmocka_unit_test(horizon__is_one_for_those_that_are_idle_already),
        cmocka_unit_test(horizon__gives_way_to_what_the_server_says),
        cmocka_unit_test(horizon__is_learned_from_a_bounce),
        cmocka_unit_test(horizon__is_learned_from_reuse),
        cmocka_unit_test(horizon__counts_from_the_last_use),
        cmocka_unit_test(horizon__is_not_alone_in_counting_from_the_last_use),
        cmocka_unit_test(horizon__counts_from_the_last_use_of_any),
        cmocka_unit_test(horizon__keeps_who_was_not_used_in_its_place),
        cmocka_unit_test(horizon__closes_who_lost_its_place_in_its_time),
        cmocka_unit_test(horizon__is_met_by_the_elders_of_what_died),
        cmocka_unit_test(horizon__outlives_the_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
