/* SPDX-License-Identifier: MIT */
/*
 * The snapshot of a pool: everything is in it, once, and it is a copy.
 */
#include "pool/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rig.h"
#include "weir/status.h"

static void drop(weir_snapshot *snapshot)
{
    weir_release(snapshot->allocator, snapshot);
}

static weir_snapshot *take(rig *r)
{
    weir_snapshot *snapshot = weir_pool_snapshot(r->pool, r->now_ns);
    assert_non_null(snapshot);
    weir_snapshot_seal(snapshot);
    return snapshot;
}

static void assert_host(const weir_snapshot_origin *origin, const char *host)
{
    assert_int_equal(origin->host.length, strlen(host));
    assert_memory_equal(origin->host.at, host, origin->host.length);
}

static void snapshot__of_nothing_is_empty_and_has_the_limits(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 9, .connections_per_origin = 3, .waiting = 50});
    weir_snapshot *s = take(&r);
    assert_int_equal(s->origin_count + s->line_count + s->seat_count, 0);
    assert_int_equal(s->pool.connections_limit, 9);
    assert_int_equal(s->pool.connections_per_origin_limit, 3);
    assert_int_equal(s->pool.h2_connections_limit, 3);
    assert_int_equal(s->pool.waiting_limit, 50);
    assert_int_equal(s->pool.waiting_per_origin_limit, 1024);
    assert_true(s->pool.lifetime_limit_ns == WEIR_NEVER);
    drop(s);
    rig_close(&r);
}

static void snapshot__says_who_holds_what_and_who_waits_where(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "abc", "one");
    rig_ask_all(&r, "de", "tls.two");
    rig_actions(&r);
    rig_tick(&r, 3 * WEIR_NS_PER_MS);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    rig_tick(&r, 4 * WEIR_NS_PER_MS);
    weir_snapshot *s = take(&r);
    assert_int_equal(s->origin_count, 2);
    assert_int_equal(s->line_count, 2);
    assert_int_equal(s->seat_count, 5);
    assert_host(&s->origins[0], "one");
    assert_false(s->origins[0].https);
    assert_int_equal(s->origins[0].waiting, 2);
    assert_int_equal(s->origins[0].waits_for, WEIR_REASON_BUSY);
    assert_host(&s->origins[1], "tls.two");
    assert_true(s->origins[1].https);
    assert_int_equal(s->origins[1].tls, rig_key("tls.two").tls);
    assert_int_equal(s->origins[1].protocol, WEIR_PROTOCOL_ANY);
    assert_int_equal(s->origins[1].waits_for, WEIR_REASON_ALPN_UNKNOWN);

    const weir_snapshot_connection *one = &s->lines[0].connection;
    assert_int_equal(one->conn, 1);
    assert_int_equal(one->state, WEIR_CONNECTION_ACTIVE);
    assert_int_equal(one->reason, WEIR_REASON_BUSY);
    assert_int_equal(one->used, 1);
    assert_int_equal(one->limit, 1);
    assert_int_equal(one->age_ns, 4 * WEIR_NS_PER_MS);
    assert_int_equal(one->idle_ns, 0);
    assert_true(one->last_read_ns == WEIR_UNKNOWN);
    const weir_snapshot_connection *two = &s->lines[1].connection;
    assert_int_equal(two->state, WEIR_CONNECTION_DIALING);
    assert_int_equal(two->origin, 1);
    assert_int_equal(two->age_ns, 7 * WEIR_NS_PER_MS);

    const weir_snapshot_call *a = &s->seats[0].call;
    assert_false(a->waiting);
    assert_int_equal(a->conn, 1);
    assert_int_equal(a->place, 0);
    assert_int_equal(a->reason, WEIR_REASON_DIALED);
    assert_int_equal(a->waited_ns, 3 * WEIR_NS_PER_MS);
    const weir_snapshot_call *c = &s->seats[2].call;
    assert_true(c->waiting);
    assert_int_equal(c->place, 2);
    assert_int_equal(c->conn, 0);
    assert_int_equal(c->reason, WEIR_REASON_BUSY);
    assert_int_equal(c->waited_ns, 7 * WEIR_NS_PER_MS);
    weir_waits waits;
    weir_wait_spread(s->seats[2].ns, &waits);
    assert_int_equal(waits.total_ns, 7 * WEIR_NS_PER_MS);
    assert_int_equal(waits.ns[WEIR_REASON_ORIGIN_LIMIT], 3 * WEIR_NS_PER_MS);
    assert_int_equal(waits.ns[WEIR_REASON_BUSY], 4 * WEIR_NS_PER_MS);
    const weir_snapshot_call *d = &s->seats[3].call;
    assert_int_equal(d->origin, 1);
    assert_int_equal(d->conn, 2);
    assert_int_equal(d->reason, WEIR_REASON_DIALING);
    assert_int_equal(s->seats[4].call.place, 2);
    assert_int_equal(s->lines[0].first_seat, 0);
    assert_int_equal(s->lines[0].seats, 1);
    drop(s);
    rig_close(&r);
}

static void snapshot__is_a_copy(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one.example", 1);
    weir_snapshot *s = take(&r);
    rig_tell(&r, 1, 0);
    rig_release(&r, 'a');
    rig_actions(&r);
    rig_gone(&r, 1);
    assert_int_equal(weir_pool_count(r.pool).origins, 0);
    assert_host(&s->origins[0], "one.example");
    assert_int_equal(s->lines[0].connection.used, 1);
    assert_null(s->lines[0].slot);
    assert_null(s->seats[0].ticket);
    drop(s);
    rig_close(&r);
}

static void snapshot__has_every_state_of_a_connection(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abcd", "one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_ready(&r, 3, WEIR_H1, 1);
    rig_ready(&r, 4, WEIR_H1, 1);
    rig_actions(&r);
    rig_tell(&r, 1, 0);   /* draining */
    rig_gone(&r, 2);      /* gone, and b has not given it back */
    rig_release(&r, 'c'); /* idle */
    rig_tell(&r, 4, 0);
    rig_release(&r, 'd'); /* closing */
    rig_ask_all(&r, "e", "two");
    rig_tick(&r, WEIR_NS_PER_MS);
    weir_snapshot *s = take(&r);
    assert_int_equal(s->line_count, 5);
    assert_int_equal(s->lines[0].connection.state, WEIR_CONNECTION_DRAINING);
    assert_int_equal(s->lines[0].connection.reason, WEIR_REASON_DRAINING_GOAWAY);
    assert_int_equal(s->lines[1].connection.state, WEIR_CONNECTION_IDLE);
    assert_int_equal(s->lines[1].connection.reason, WEIR_REASON_SPARE);
    assert_int_equal(s->lines[1].connection.idle_ns, WEIR_NS_PER_MS);
    assert_int_equal(s->lines[2].connection.state, WEIR_CONNECTION_CLOSING);
    assert_int_equal(s->lines[3].connection.state, WEIR_CONNECTION_DIALING);
    assert_int_equal(s->lines[4].connection.state, WEIR_CONNECTION_GONE);
    assert_int_equal(s->lines[4].connection.origin, 0);
    assert_int_equal(s->lines[4].seats, 1);
    assert_int_equal(s->seats[s->lines[4].first_seat].call.conn, 2);
    drop(s);
    rig_close(&r);
}

static void tell_left_over(rig *r, uint64_t id)
{
    weir_facts facts = rig_facts(r, WEIR_H1, 1);
    facts.accepting = false;
    facts.reusable = false;
    facts.unfit = WEIR_UNFIT_LEFT_OVER;
    weir_pool_facts(r->pool, rig_slot(r, id), &facts, r->now_ns);
    weir_pool_check(r->pool);
}

/* Each connection once, whatever it tells after that; and it is remembered when all are gone. */
static void snapshot__counts_octets_left_over_by_origin(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_lease_h1(&r, 'b', "two", 2);
    tell_left_over(&r, 1);
    tell_left_over(&r, 1);
    weir_snapshot *s = take(&r);
    assert_int_equal(s->origin_count, 2);
    assert_host(&s->origins[0], "one");
    assert_int_equal(s->origins[0].left_over, 1);
    assert_int_equal(s->origins[1].left_over, 0);
    drop(s);
    assert_int_equal(weir_pool_count(r.pool).left_over, 1);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 octets_left_over");
    rig_gone(&r, 1);
    rig_lease_h1(&r, 'c', "one", 3);
    s = take(&r);
    assert_host(&s->origins[0], "one");
    assert_int_equal(s->origins[0].left_over, 1);
    drop(s);
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    rig_close(&r);
}

static void snapshot__says_how_long_no_dial_is_made(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "a", "one");
    rig_actions(&r);
    rig_ask_all(&r, "b", "one");
    rig_fail(&r, 1);
    rig_actions(&r);
    weir_snapshot *s = take(&r);
    assert_int_equal(s->origins[0].failed_dials, 1);
    assert_in_range(s->origins[0].back_off_ns, 45 * WEIR_NS_PER_MS, 55 * WEIR_NS_PER_MS);
    assert_int_equal(s->origins[0].waits_for, WEIR_REASON_BACK_OFF);
    drop(s);
    rig_close(&r);
}

static void snapshot__has_those_that_are_given_a_pause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "a", 10);
    rig_ticket(&r, 'b')->refused = 2;
    rig_ask_all(&r, "b", "h2.one");
    rig_tick(&r, WEIR_NS_PER_MS);
    weir_snapshot *s = take(&r);
    assert_int_equal(s->seat_count, 2);
    assert_int_equal(s->pool.waiting, 1);
    assert_int_equal(s->origins[0].waiting, 1);
    assert_true(s->seats[1].call.waiting);
    assert_int_equal(s->seats[1].call.place, 0);
    assert_int_equal(s->seats[1].call.reason, WEIR_REASON_REFUSED_LATELY);
    weir_waits waits;
    weir_wait_spread(s->seats[1].ns, &waits);
    assert_int_equal(waits.ns[WEIR_REASON_REFUSED_LATELY], WEIR_NS_PER_MS);
    assert_int_equal(waits.total_ns, WEIR_NS_PER_MS);
    drop(s);
    rig_close(&r);
}

/* A proxy's name may hold credentials. */
static void snapshot__tells_that_there_is_a_proxy_and_not_which(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    weir_origin_key key = rig_key("one");
    key.proxy = weir_span_of("user:secret@proxy");
    key.address = weir_span_of("elsewhere");
    key.local = weir_span_of("eth0");
    assert_int_equal(weir_pool_request(r.pool, &key, rig_ticket(&r, 'a'), r.now_ns), WEIR_AGAIN);
    weir_snapshot *s = take(&r);
    assert_true(s->origins[0].over_proxy);
    assert_int_equal(s->origins[0].connect_to.length, 9);
    assert_memory_equal(s->origins[0].local.at, "eth0", 4);
    drop(s);
    rig_close(&r);
}

static void snapshot__without_memory_there_is_none(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "one");
    r.memory.fail_at = atomic_load(&r.memory.calls) + 1;
    assert_null(weir_pool_snapshot(r.pool, r.now_ns));
    r.memory.fail_at = 0;
    weir_pool_check(r.pool);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot__of_nothing_is_empty_and_has_the_limits),
        cmocka_unit_test(snapshot__says_who_holds_what_and_who_waits_where),
        cmocka_unit_test(snapshot__is_a_copy),
        cmocka_unit_test(snapshot__has_every_state_of_a_connection),
        cmocka_unit_test(snapshot__counts_octets_left_over_by_origin),
        cmocka_unit_test(snapshot__says_how_long_no_dial_is_made),
        cmocka_unit_test(snapshot__has_those_that_are_given_a_pause),
        cmocka_unit_test(snapshot__tells_that_there_is_a_proxy_and_not_which),
        cmocka_unit_test(snapshot__without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
