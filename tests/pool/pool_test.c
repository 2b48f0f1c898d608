/* SPDX-License-Identifier: MIT */
/*
 * The pool's face: leasing and dialling, ALPN, abandoning, ends, counts; and every allocation
 * failed once.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

static void pool__dials_for_the_first_and_reuses_for_the_second(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    assert_int_equal(rig_ask(&r, 'a', "one"), WEIR_AGAIN);
    assert_int_equal(rig_ticket(&r, 'a')->reason, WEIR_REASON_DIALING);
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    r.now_ns += 5 * WEIR_NS_PER_MS;
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    assert_false(rig_ticket(&r, 'a')->reused);
    assert_true(rig_ticket(&r, 'a')->waited_ns == 5 * WEIR_NS_PER_MS);
    rig_release(&r, 'a');
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_OK);
    assert_int_equal(rig_ticket(&r, 'b')->state, WEIR_TICKET_LEASED);
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_REUSED);
    assert_true(rig_ticket(&r, 'b')->reused);
    assert_true(rig_ticket(&r, 'b')->waited_ns == 0);
    assert_string_equal(rig_actions(&r), "");
    const weir_pool_counts counts = weir_pool_count(r.pool);
    assert_int_equal(counts.requests, 2);
    assert_int_equal(counts.reuses, 1);
    assert_int_equal(counts.dials, 1);
    assert_int_equal(counts.leases, 1);
    assert_int_equal(counts.slots_leased, 1);
    assert_int_equal(counts.slots_idle, 0);
    rig_close(&r);
}

static void pool__never_shares_between_origins(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "a", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    rig_release(&r, 'a');
    rig_ask_all(&r, "b", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    weir_origin_key key = rig_key("one");
    key.local = WEIR_SPAN("192.0.2.1");
    assert_int_equal(weir_pool_request(r.pool, &key, rig_ticket(&r, 'c'), r.now_ns), WEIR_AGAIN);
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    assert_true(weir_origin_key_equal(weir_slot_key(rig_slot(&r, 3)), &key));
    assert_int_equal(weir_pool_count(r.pool).origins, 3);
    rig_close(&r);
}

static void pool__leases_the_connection_used_last(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abc", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for b, dial 3 for c");
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    rig_ready(&r, 3, WEIR_H1, 1);
    rig_actions(&r);
    rig_release(&r, 'b');
    rig_release(&r, 'a');
    rig_release(&r, 'c');
    assert_int_equal(rig_ask(&r, 'd', "one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'd')->slot), 3);
    assert_int_equal(rig_ask(&r, 'e', "one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'e')->slot), 1);
    rig_close(&r);
}

static void pool__fills_a_shared_connection_before_an_idle_one(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abc", "h2.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_ready(&r, 1, WEIR_H2, 2);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, grant b 1 reused, dial 2 for c");
    rig_ready(&r, 2, WEIR_H2, 2);
    assert_string_equal(rig_actions(&r), "grant c 2 dialed");
    rig_release(&r, 'a');
    rig_release(&r, 'c'); /* 2 was used last, but 1 has company */
    assert_int_equal(rig_ask(&r, 'd', "h2.one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'd')->slot), 1);
    assert_int_equal(rig_ask(&r, 'e', "h2.one"), WEIR_OK);
    assert_int_equal(weir_slot_id(rig_ticket(&r, 'e')->slot), 2);
    rig_close(&r);
}

static void pool__sends_one_probe_while_alpn_is_unknown(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abcdefghij", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    assert_int_equal(rig_ticket(&r, 'a')->reason, WEIR_REASON_DIALING);
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_ALPN_UNKNOWN);
    assert_int_equal(rig_ticket(&r, 'j')->reason, WEIR_REASON_ALPN_UNKNOWN);
    assert_int_equal(weir_slot_protocol_hint(rig_slot(&r, 1)), WEIR_PROTOCOL_ANY);
    /* HTTP/1.1: all the others dial at once, up to the limit. */
    rig_ready(&r, 1, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, dial 2 for b, dial 3 for c, "
                                         "dial 4 for d, dial 5 for e, dial 6 for f");
    assert_int_equal(weir_slot_protocol_hint(rig_slot(&r, 2)), WEIR_H1);
    rig_close(&r);
}

static void pool__grants_all_that_fit_when_the_probe_says_h2(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "abcde", "tls.one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_ready(&r, 1, WEIR_H2, 3);
    /* Two are left, and a connection like this one takes three. */
    assert_string_equal(rig_actions(&r),
                        "grant a 1 dialed, grant b 1 reused, grant c 1 reused, dial 2 for d");
    assert_int_equal(rig_ticket(&r, 'd')->state, WEIR_TICKET_WAITING);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant d 1 reused");
    rig_close(&r);
}

static void pool__opens_one_connection_only_when_strict(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.h2_connections = 1});
    rig_ask_all(&r, "abc", "tls.one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H2, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed");
    rig_ask_all(&r, "d", "tls.one");
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(rig_ticket(&r, 'd')->reason, WEIR_REASON_AT_MAX_STREAMS);
    rig_tell(&r, 1, 3);
    assert_string_equal(rig_actions(&r), "grant b 1 reused, grant c 1 reused");
    /* A connection that is going away may be replaced (RFC 9113 s9.1). */
    rig_tell(&r, 1, 0);
    assert_string_equal(rig_actions(&r), "dial 2 for d");
    rig_close(&r);
}

static void pool__dials_as_many_as_tickets_wait_on_http1(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 3});
    rig_ask_all(&r, "abcde", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for b, dial 3 for c");
    assert_int_equal(rig_ticket(&r, 'd')->reason, WEIR_REASON_ORIGIN_LIMIT);
    rig_ready(&r, 2, WEIR_H1, 1);
    /* The first to ask gets the first to be ready. */
    assert_string_equal(rig_actions(&r), "grant a 2 dialed");
    assert_null(rig_ticket(&r, 'a')->dial);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 3, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant b 1 dialed, grant c 3 dialed");
    assert_int_equal(rig_ticket(&r, 'd')->reason, WEIR_REASON_BUSY);
    rig_release(&r, 'c');
    assert_string_equal(rig_actions(&r), "grant d 3 reused");
    rig_close(&r);
}

static void pool__keeps_a_dial_whose_ticket_was_served_otherwise(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    assert_true(weir_pool_is_awaited(r.pool, rig_slot(&r, 2)));
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    assert_false(weir_pool_is_awaited(r.pool, rig_slot(&r, 2)));
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_count(r.pool).slots_idle, 1);
    assert_int_equal(rig_ask(&r, 'c', "one"), WEIR_OK);
    assert_int_equal(rig_ticket(&r, 'c')->reason, WEIR_REASON_DIALED);
    rig_close(&r);
}

static void pool__forgets_a_dial_that_nobody_has_begun(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "ab", "tls.one");
    rig_abandon(&r, 'a');
    /* The probe was a's; b needs one of its own. */
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_abandon(&r, 'b');
    assert_string_equal(rig_actions(&r), "");
    assert_false(weir_pool_is_awaited(r.pool, rig_slot(&r, 2)));
    assert_int_equal(weir_pool_count(r.pool).dials, 1);
    rig_close(&r);
}

static void pool__dials_again_when_a_dial_was_given_up(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "ab", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a, dial 2 for b");
    rig_gone(&r, 1); /* no failure, so no pause */
    assert_string_equal(rig_actions(&r), "dial 3 for a");
    rig_abandon(&r, 'b');
    rig_gone(&r, 2);
    assert_string_equal(rig_actions(&r), "");
    assert_int_equal(weir_pool_count(r.pool).dial_failures, 0);
    rig_close(&r);
}

static void pool__tells_who_waits_in_order(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "cab", "tls.one");
    rig_actions(&r);
    const weir_slot *slot = rig_slot(&r, 1);
    weir_ticket *at = weir_pool_next_waiting(slot, NULL);
    for (const char *letter = "cab"; *letter; letter++) {
        assert_ptr_equal(at, rig_ticket(&r, *letter));
        at = weir_pool_next_waiting(slot, at);
    }
    assert_null(at);
    at = weir_pool_last_waiting(slot, NULL);
    for (const char *letter = "bac"; *letter; letter++) {
        assert_ptr_equal(at, rig_ticket(&r, *letter));
        at = weir_pool_last_waiting(slot, at);
    }
    assert_null(at);
    rig_close(&r);
}

static void pool__takes_back_what_was_not_pulled(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "ab", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_abandon(&r, 'a'); /* its grant is queued */
    assert_int_equal(rig_ticket(&r, 'a')->state, WEIR_TICKET_IDLE);
    assert_string_equal(rig_actions(&r), "grant b 1 dialed");
    rig_ask_all(&r, "d", "one");
    rig_release(&r, 'b');
    rig_abandon(&r, 'd'); /* granted a used connection, and never used it */
    rig_ask_all(&r, "c", "two");
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    rig_fail(&r, 2);
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_REFUSED);
    rig_abandon(&r, 'c');
    assert_int_equal(rig_ticket(&r, 'c')->state, WEIR_TICKET_IDLE);
    assert_string_equal(rig_actions(&r), "");
    rig_abandon(&r, 'c'); /* again: nothing */
    assert_int_equal(weir_pool_count(r.pool).reuses, 0);
    rig_close(&r);
}

static void pool__lets_a_connection_die_under_its_leases(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h2(&r, "ab", 10);
    weir_slot *slot = rig_ticket(&r, 'a')->slot;
    rig_gone(&r, 1);
    assert_null(weir_pool_next_slot(r.pool, NULL));
    assert_int_equal(weir_slot_leases(slot), 2);
    assert_int_equal(weir_pool_count(r.pool).leases, 2);
    assert_int_equal(weir_pool_count(r.pool).slots_leased, 0);
    rig_release(&r, 'b');
    assert_int_equal(weir_slot_leases(slot), 1);
    rig_release(&r, 'a'); /* frees it: AddressSanitizer watches */
    assert_int_equal(weir_pool_count(r.pool).leases, 0);
    rig_close(&r);
}

static void pool__shutdown_ends_everything_and_takes_no_more(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 2});
    rig_ask_all(&r, "abc", "one");
    rig_actions(&r);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_actions(&r);
    rig_lease_h1(&r, 'd', "two", 3);
    rig_release(&r, 'd');
    rig_ask_all(&r, "e", "three"); /* its dial is not pulled */
    weir_pool_shutdown(r.pool, r.now_ns);
    weir_pool_check(r.pool);
    assert_string_equal(rig_actions(&r),
                        "refuse b WEIR_E_CLOSED, refuse c WEIR_E_CLOSED, refuse e WEIR_E_CLOSED, "
                        "close 2 shutdown, close 3 shutdown");
    assert_int_equal(rig_ask(&r, 'z', "one"), WEIR_E_CLOSED);
    assert_int_equal(rig_ticket(&r, 'z')->state, WEIR_TICKET_IDLE);
    rig_ready(&r, 2, WEIR_H1, 1); /* it was on its way: the CLOSE stands */
    assert_string_equal(rig_actions(&r), "");
    rig_gone(&r, 2);
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 shutdown");
    rig_close(&r);
}

static void pool__refuses_a_bounce_after_shutdown(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    weir_pool_shutdown(r.pool, r.now_ns);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.accepting = false;
    weir_pool_bounce(r.pool, rig_ticket(&r, 'a'), &facts, r.now_ns);
    assert_string_equal(rig_actions(&r), "refuse a WEIR_E_CLOSED, close 1 shutdown");
    rig_close(&r);
}

static void pool__drain_closes_idle_ones_and_dials_anew(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 3});
    rig_ask_all(&r, "ab", "one");
    rig_ask_all(&r, "c", "two");
    rig_actions(&r);
    for (uint64_t id = 1; id <= 3; id++) {
        rig_ready(&r, id, WEIR_H1, 1);
    }
    rig_actions(&r);
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    const weir_origin_key one = rig_key("one");
    const weir_drain of_one = {.origin = &one};
    weir_pool_drain(r.pool, &of_one, r.now_ns);
    weir_pool_check(r.pool);
    assert_int_equal(weir_pool_left(r.pool, &of_one), 2);
    assert_string_equal(rig_actions(&r), "close 2 draining");
    rig_ask_all(&r, "d", "one");
    assert_string_equal(rig_actions(&r), "dial 4 for d");
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "close 1 draining");
    const weir_drain everything = {0};
    weir_pool_drain(r.pool, &everything, r.now_ns);
    weir_pool_check(r.pool);
    /* The dial that d waits for is as new as any. */
    assert_string_equal(rig_actions(&r), "close 3 draining");
    rig_close(&r);
}

static void pool__walks_its_slots_in_order_of_creation(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ask_all(&r, "ab", "one");
    rig_ask_all(&r, "c", "two");
    rig_actions(&r);
    rig_fail(&r, 2);
    int user = 0;
    uint64_t seen[2] = {0};
    size_t slots = 0;
    for (weir_slot *at = weir_pool_next_slot(r.pool, NULL); at;
         at = weir_pool_next_slot(r.pool, at)) {
        assert_null(weir_slot_user(at));
        weir_slot_set_user(at, &user);
        assert_ptr_equal(weir_slot_user(at), &user);
        assert_true(slots < 2);
        seen[slots++] = weir_slot_id(at);
    }
    assert_int_equal(slots, 2);
    assert_int_equal(seen[0], 1);
    assert_int_equal(seen[1], 3);
    rig_close(&r);
}

/* A script that touches every place that allocates: the pool, origins, the second slot of each, the
 * table's segments. */
static void script(weir_failalloc *memory, void *user)
{
    (void)user;
    weir_status status = WEIR_OK;
    weir_pool *pool = weir_pool_new(
        &(weir_pool_options){.allocator = &memory->allocator, .connections = 70, .seed = 3},
        &status);
    if (!pool) {
        assert_int_equal(status, WEIR_E_NOMEM);
        return;
    }
    weir_ticket tickets[80];
    memset(tickets, 0, sizeof tickets);
    weir_action action;
    uint64_t versions = 0;
    for (size_t i = 0; i < WEIR_COUNT_OF(tickets); i++) {
        /* Every third one is too long for the room in a record. */
        char host[61] = {0};
        memset(host, 'a' + (int)(i / 2 % 26), i / 2 % 3 == 0 ? 60 : 1 + i / 2 / 26);
        const weir_origin_key key = rig_key(host);
        status = weir_pool_request(pool, &key, &tickets[i], i);
        assert_true(status == WEIR_OK || status == WEIR_AGAIN || status == WEIR_E_NOMEM);
        assert_true((status == WEIR_E_NOMEM) == (tickets[i].state == WEIR_TICKET_IDLE));
        weir_pool_check(pool);
        while (i % 2 == 1 && weir_pool_next_action(pool, &action)) {
            if (action.kind == WEIR_ACTION_DIAL) {
                const weir_facts facts = {.version = ++versions,
                                          .protocol = WEIR_H1,
                                          .capacity_streams = 1,
                                          .accepting = true,
                                          .reusable = true};
                weir_pool_ready(pool, action.slot, &facts, i);
            } else if (action.kind == WEIR_ACTION_CLOSE) {
                weir_pool_gone(pool, action.slot, i);
            } else if (action.kind == WEIR_ACTION_GRANT) {
                weir_pool_release(pool, action.ticket, NULL, i);
            }
            weir_pool_check(pool);
        }
    }
    /* Whoever was let in has been served, or was refused because there was no memory. */
    for (size_t i = 0; i < WEIR_COUNT_OF(tickets); i++) {
        if (tickets[i].state == WEIR_TICKET_LEASED) {
            weir_pool_release(pool, &tickets[i], NULL, 50);
        }
        assert_true(
            tickets[i].state == WEIR_TICKET_IDLE ||
            (tickets[i].state == WEIR_TICKET_REFUSED && tickets[i].failure.status == WEIR_E_NOMEM));
    }
    weir_pool_shutdown(pool, 60);
    while (weir_pool_next_action(pool, &action)) {
        weir_pool_gone(pool, action.slot, 60);
    }
    weir_pool_free(pool);
}

static void pool__survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(weir_failalloc_every(script, NULL) > 30);
}

static void pool__waits_for_a_connection_when_there_is_no_memory_for_another(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    r.memory.fail_at = atomic_load(&r.memory.calls) + 1;
    r.memory.and_after = true;
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_AGAIN);
    /* The first slab has two records. */
    assert_int_equal(rig_ask(&r, 'c', "two"), WEIR_AGAIN);
    assert_int_equal(rig_ask(&r, 'd', "three"), WEIR_E_NOMEM);
    assert_string_equal(rig_actions(&r), "dial 2 for c");
    r.memory.fail_at = 0;
    rig_release(&r, 'a');
    assert_string_equal(rig_actions(&r), "grant b 1 reused");
    rig_close(&r);
}

/* One slot of an origin lies in its record: it costs no memory of its own, and is another
 * connection each time. */
static void pool__asks_for_no_memory_for_the_first_slot_of_an_origin(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    const size_t live = atomic_load(&r.memory.live) + 2; /* with the origin's record */
    rig_ask_all(&r, "a", "one");
    assert_string_equal(rig_actions(&r), "dial 1 for a");
    assert_int_equal(atomic_load(&r.memory.live), live);
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    assert_int_equal(atomic_load(&r.memory.live), live + 1);
    rig_ready(&r, 1, WEIR_H1, 1);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_string_equal(rig_actions(&r), "grant a 1 dialed, grant b 2 dialed");
    rig_gone(&r, 1); /* its lease is still there, and so is it */
    rig_ask_all(&r, "c", "one");
    assert_string_equal(rig_actions(&r), "dial 3 for c");
    assert_int_equal(atomic_load(&r.memory.live), live + 2);
    rig_release(&r, 'a');
    rig_ask_all(&r, "d", "one");
    assert_string_equal(rig_actions(&r), "dial 4 for d");
    assert_int_equal(atomic_load(&r.memory.live), live + 2);
    rig_close(&r);
}

/* The connection of the first slot is gone and its lease not released: there is no room, and
 * nothing to wait for. */
static void pool__refuses_when_there_is_no_memory_and_nothing_to_hope_for(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_lease_h1(&r, 'a', "one", 1);
    rig_gone(&r, 1);
    r.memory.fail_at = atomic_load(&r.memory.calls) + 1;
    assert_int_equal(rig_ask(&r, 'b', "one"), WEIR_E_NOMEM);
    r.memory.fail_at = 0;
    rig_release(&r, 'a');
    rig_ask_all(&r, "b", "one");
    assert_string_equal(rig_actions(&r), "dial 2 for b");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool__dials_for_the_first_and_reuses_for_the_second),
        cmocka_unit_test(pool__never_shares_between_origins),
        cmocka_unit_test(pool__leases_the_connection_used_last),
        cmocka_unit_test(pool__fills_a_shared_connection_before_an_idle_one),
        cmocka_unit_test(pool__sends_one_probe_while_alpn_is_unknown),
        cmocka_unit_test(pool__grants_all_that_fit_when_the_probe_says_h2),
        cmocka_unit_test(pool__opens_one_connection_only_when_strict),
        cmocka_unit_test(pool__dials_as_many_as_tickets_wait_on_http1),
        cmocka_unit_test(pool__keeps_a_dial_whose_ticket_was_served_otherwise),
        cmocka_unit_test(pool__forgets_a_dial_that_nobody_has_begun),
        cmocka_unit_test(pool__dials_again_when_a_dial_was_given_up),
        cmocka_unit_test(pool__tells_who_waits_in_order),
        cmocka_unit_test(pool__takes_back_what_was_not_pulled),
        cmocka_unit_test(pool__lets_a_connection_die_under_its_leases),
        cmocka_unit_test(pool__shutdown_ends_everything_and_takes_no_more),
        cmocka_unit_test(pool__refuses_a_bounce_after_shutdown),
        cmocka_unit_test(pool__drain_closes_idle_ones_and_dials_anew),
        cmocka_unit_test(pool__walks_its_slots_in_order_of_creation),
        cmocka_unit_test(pool__survives_every_failed_allocation),
        cmocka_unit_test(pool__waits_for_a_connection_when_there_is_no_memory_for_another),
        cmocka_unit_test(pool__asks_for_no_memory_for_the_first_slot_of_an_origin),
        cmocka_unit_test(pool__refuses_when_there_is_no_memory_and_nothing_to_hope_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
