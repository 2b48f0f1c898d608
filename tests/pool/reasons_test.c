/* SPDX-License-Identifier: MIT */
/*
 * Every word that the pool can say: each reason of the table is produced by something that happens,
 * and the last test fails when one is not. What was said is noted wherever a user meets it: in
 * actions, in what a ticket waits for, in candidates.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "weir/status.h"

#define SECOND WEIR_NS_PER_SECOND

/* What no test here produces, and where it is. A reason that is produced after all must leave this
 * list. */
typedef struct excuse {
    weir_reason reason;
    const char *why;
} excuse;

static const excuse excuses[] = {
    {WEIR_REASON_LOST_RACE, "of attempts that never come to the pool: tests/behaviour/race_test.c"},
    {WEIR_REASON_UNAWAITED, "of dials that a thread ran: tests/behaviour/reasons_test.c"},
};

static bool said[WEIR_REASON_COUNT];

static void note(weir_reason reason)
{
    assert_in_range(reason, 0, WEIR_REASON_COUNT - 1);
    said[reason] = true;
}

/* Pulls all actions, and looks at all tickets; the last CLOSE's reason, NONE: there was none. */
static weir_reason pull(rig *r)
{
    weir_reason closed = WEIR_REASON_NONE;
    weir_action action;

    while (weir_pool_next_action(r->pool, &action)) {
        if (action.kind == WEIR_ACTION_CLOSE) {
            closed = action.reason;
        }
        note(action.reason);
    }
    for (size_t i = 0; i < RIG_TICKETS; i++) {
        if (r->tickets[i].state == WEIR_TICKET_WAITING) {
            note(weir_pool_waits_for(&r->tickets[i]));
        } else if (r->tickets[i].state == WEIR_TICKET_LEASED) {
            note(r->tickets[i].reason);
        }
    }
    weir_pool_check(r->pool);
    return closed;
}

static weir_reason waits_for(rig *r, char letter)
{
    (void)pull(r);
    return weir_pool_waits_for(rig_ticket(r, letter));
}

/* The i-th candidate of a request. */
static weir_reason candidate_of(rig *r, const weir_origin_key *key, size_t i)
{
    weir_candidate found[16];
    const size_t count =
        weir_pool_explain(r->pool, &(weir_asker){.key = key}, r->now_ns, found, 16);
    assert_in_range(i, 0, count - 1);
    note(found[i].reason);
    return found[i].reason;
}

static weir_reason candidate(rig *r, const char *name, size_t i)
{
    const weir_origin_key key = rig_key(name);
    return candidate_of(r, &key, i);
}

/* A connection that `letter` has. */
static void lease(rig *r, char letter, const char *name, uint64_t id, weir_protocol protocol,
                  uint32_t capacity)
{
    rig_ask_all(r, (const char[]){letter, '\0'}, name);
    (void)pull(r);
    rig_ready(r, id, protocol, capacity);
    (void)pull(r);
}

static void reasons__of_how_a_call_was_served(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    assert_int_equal(rig_ticket(&r, 'a')->reason, WEIR_REASON_DIALED);
    rig_release(&r, 'a');
    assert_int_equal(pull(&r), WEIR_REASON_NONE);
    rig_ask_all(&r, "b", "one");
    (void)pull(&r);
    assert_int_equal(rig_ticket(&r, 'b')->reason, WEIR_REASON_REUSED);
    rig_ask_all(&r, "c", "one");
    (void)pull(&r);
    rig_ready(&r, 2, WEIR_H1, 1);
    (void)pull(&r);
    rig_release(&r, 'b');
    rig_release(&r, 'c');
    assert_int_equal(candidate(&r, "one", 0), WEIR_REASON_REUSED);
    assert_int_equal(candidate(&r, "one", 1), WEIR_REASON_SPARE);
    note(WEIR_REASON_NONE); /* of the pull above: there was nothing to close */
    rig_close(&r);
}

static void reasons__of_a_wait_at_one_origin(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    rig_ask_all(&r, "ab", "tls.one");
    assert_int_equal(waits_for(&r, 'a'), WEIR_REASON_DIALING);
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_ALPN_UNKNOWN);
    rig_ask_all(&r, "cd", "one");
    assert_int_equal(waits_for(&r, 'd'), WEIR_REASON_ORIGIN_LIMIT);
    rig_ready(&r, 2, WEIR_H1, 1);
    assert_int_equal(waits_for(&r, 'd'), WEIR_REASON_BUSY);
    rig_ask_all(&r, "ef", "h2.one");
    (void)pull(&r);
    rig_ready(&r, 3, WEIR_H2, 1);
    assert_int_equal(waits_for(&r, 'f'), WEIR_REASON_AT_MAX_STREAMS);
    rig_tell(&r, 3, 0);
    assert_int_equal(waits_for(&r, 'f'), WEIR_REASON_CLOSING);
    rig_ask_all(&r, "g", "two");
    (void)pull(&r);
    rig_ask_all(&r, "h", "two");
    rig_fail(&r, 4);
    assert_int_equal(waits_for(&r, 'h'), WEIR_REASON_BACK_OFF);
    rig_close(&r);
}

static void reasons__of_a_wait_for_the_whole_pool(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    rig_ask_all(&r, "b", "two");
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_TOTAL_LIMIT);
    rig_ask_all(&r, "c", "three");
    assert_int_equal(waits_for(&r, 'c'), WEIR_REASON_TOTAL_LIMIT);
    rig_release(&r, 'a');
    assert_int_equal(pull(&r), WEIR_REASON_EVICTED);
    rig_close(&r);
}

/* Its own connection is gone and leaves a place, but another origin asked for the next one before:
 * that is what it waits for until the line has moved. */
static void reasons__of_a_wait_behind_others(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections = 1});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    rig_ask_all(&r, "b", "two");
    rig_ask_all(&r, "c", "one");
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_TOTAL_LIMIT);
    assert_int_equal(waits_for(&r, 'c'), WEIR_REASON_TOTAL_LIMIT);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.reusable = false;
    facts.accepting = false;
    facts.unfit = WEIR_UNFIT_CLOSE;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    rig_release(&r, 'a');
    assert_int_equal(pull(&r), WEIR_REASON_CONNECTION_CLOSE);
    rig_gone(&r, 1);
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_DIALING);
    assert_int_equal(waits_for(&r, 'c'), WEIR_REASON_BEHIND_OTHERS);
    rig_close(&r);
}

static void reasons__of_a_pause(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    rig_ticket(&r, 'a')->refused = 2; /* the peer refused the request twice, unprocessed */
    rig_ask_all(&r, "a", "h2.one");
    assert_int_equal(waits_for(&r, 'a'), WEIR_REASON_REFUSED_LATELY);
    rig_close(&r);
}

static void reasons__of_a_server_that_is_another(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    weir_pool_misdirected(r.pool, rig_ticket(&r, 'a'), r.now_ns);
    rig_release(&r, 'a');
    assert_int_equal(pull(&r), WEIR_REASON_MISDIRECTED);
    rig_close(&r);
}

static void reasons__of_a_wait_for_memory(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    r.memory.fail_at = atomic_load(&r.memory.calls) + 1;
    rig_ask_all(&r, "b", "one");
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_NO_MEMORY);
    r.memory.fail_at = 0;
    rig_close(&r);
}

static void reasons__of_a_connection_that_refuses(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "h2.one", 1, WEIR_H2, 5);
    rig_ask_all(&r, "b", "h2.one");
    (void)pull(&r);
    weir_pool_bounce(r.pool, rig_ticket(&r, 'b'), NULL, r.now_ns);
    assert_int_equal(candidate(&r, "h2.one", 0), WEIR_REASON_REFUSING);
    rig_close(&r);
}

/* What the connection itself said. */
static void reasons__of_facts(void **state)
{
    (void)state;
    static const struct {
        weir_unfit unfit;
        weir_reason reason;
    } cases[] = {
        {WEIR_FIT, WEIR_REASON_UNFIT},
        {WEIR_UNFIT_CLOSE, WEIR_REASON_CONNECTION_CLOSE},
        {WEIR_UNFIT_GOAWAY, WEIR_REASON_DRAINING_GOAWAY},
        {WEIR_UNFIT_LEFT_OVER, WEIR_REASON_OCTETS_LEFT_OVER},
        {WEIR_UNFIT_UNFINISHED, WEIR_REASON_UNFINISHED},
        {WEIR_UNFIT_UNTIL_CLOSE, WEIR_REASON_UNTIL_CLOSE},
        {WEIR_UNFIT_FAILED, WEIR_REASON_FAILED},
        {WEIR_UNFIT_ENDED, WEIR_REASON_PEER_CLOSED},
        {WEIR_UNFIT_IDS, WEIR_REASON_STREAM_IDS},
        {WEIR_UNFIT_SHUTDOWN, WEIR_REASON_SHUTDOWN},
    };
    for (size_t i = 0; i < WEIR_COUNT_OF(cases); i++) {
        rig r;
        rig_open(&r, (weir_pool_options){0});
        lease(&r, 'a', "one", 1, WEIR_H1, 1);
        weir_facts facts = rig_facts(&r, WEIR_H1, 1);
        facts.reusable = false;
        facts.accepting = false;
        facts.unfit = cases[i].unfit;
        weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
        assert_int_equal(candidate(&r, "one", 0), cases[i].reason); /* while it drains */
        rig_release(&r, 'a');
        assert_int_equal(pull(&r), cases[i].reason);
        assert_int_equal(candidate(&r, "one", 0), cases[i].reason); /* while it closes */
        rig_gone(&r, 1);
        assert_int_equal(candidate(&r, "one", 0), cases[i].reason); /* after it */
        rig_close(&r);
    }
}

/* The exchange on the only connection that the origin may have ran out of time. Nobody asked it to
 * drain: the connection is unfinished, and who waits for its place waits until it is closed. */
static void reasons__of_a_place_that_is_not_free_yet(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){.connections_per_origin = 1});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    rig_ask_all(&r, "b", "one");
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_BUSY);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.reusable = false;
    facts.accepting = false;
    facts.unfit = WEIR_UNFIT_UNFINISHED;
    weir_pool_facts(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_CLOSING);
    rig_release(&r, 'a');
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_CLOSING);
    assert_int_equal(candidate(&r, "one", 0), WEIR_REASON_UNFINISHED);
    rig_gone(&r, 1);
    assert_int_equal(waits_for(&r, 'b'), WEIR_REASON_DIALING);
    rig_close(&r);
}

static weir_reason end_after(weir_pool_options options, weir_time keep_alive_ns, weir_time wait_ns)
{
    rig r;
    rig_open(&r, options);
    rig_ask_all(&r, "a", "one");
    (void)pull(&r);
    weir_facts facts = rig_facts(&r, WEIR_H1, 1);
    facts.keep_alive_ns = keep_alive_ns;
    weir_pool_ready(r.pool, rig_slot(&r, 1), &facts, r.now_ns);
    (void)pull(&r);
    rig_release(&r, 'a');
    weir_reason reason = pull(&r);
    if (reason == WEIR_REASON_NONE) {
        rig_tick(&r, wait_ns);
        reason = pull(&r);
    }
    rig_close(&r);
    return reason;
}

static void reasons__of_age(void **state)
{
    (void)state;
    assert_int_equal(end_after((weir_pool_options){.idle_ns = SECOND}, 0, SECOND),
                     WEIR_REASON_EXPIRED_IDLE);
    assert_int_equal(end_after((weir_pool_options){0}, 5 * SECOND, 4 * SECOND),
                     WEIR_REASON_EXPIRED_KEEP_ALIVE);
    assert_int_equal(end_after((weir_pool_options){.lifetime_ns = SECOND}, 0, 2 * SECOND),
                     WEIR_REASON_EXPIRED_LIFETIME);
    assert_int_equal(end_after((weir_pool_options){.requests_per_connection = 1}, 0, 0),
                     WEIR_REASON_EXPIRED_REQUESTS);
}

/* Twice its server closed a connection that had been idle for ten seconds; the third is not kept
 * for so long. */
static void reasons__of_a_learned_horizon(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    for (uint64_t id = 1; id <= 2; id++) {
        lease(&r, 'a', "one", id, WEIR_H1, 1);
        rig_release(&r, 'a');
        rig_tick(&r, 10 * SECOND);
        weir_facts facts = rig_facts(&r, WEIR_H1, 1);
        facts.reusable = false;
        facts.accepting = false;
        facts.unfit = WEIR_UNFIT_ENDED;
        weir_pool_facts(r.pool, rig_slot(&r, id), &facts, r.now_ns);
        assert_int_equal(pull(&r), WEIR_REASON_PEER_CLOSED);
        rig_gone(&r, id);
    }
    lease(&r, 'a', "one", 3, WEIR_H1, 1);
    rig_release(&r, 'a');
    rig_tick(&r, 9 * SECOND);
    assert_int_equal(pull(&r), WEIR_REASON_EXPIRED_HORIZON);
    rig_close(&r);
}

/* The pool is told these by its owner, and says them of the connections that it closes for them. */
static void reasons__of_the_owner(void **state)
{
    (void)state;
    static const weir_reason drains[] = {WEIR_REASON_DRAINING, WEIR_REASON_TLS_REPLACED,
                                         WEIR_REASON_NETWORK_CHANGED, WEIR_REASON_FORKED};
    for (size_t i = 0; i < WEIR_COUNT_OF(drains); i++) {
        rig r;
        rig_open(&r, (weir_pool_options){0});
        lease(&r, 'a', "one", 1, WEIR_H1, 1);
        const weir_drain drain = {.reason = drains[i]};
        weir_pool_drain(r.pool, &drain, r.now_ns);
        assert_int_equal(candidate(&r, "one", 0), drains[i]);
        rig_release(&r, 'a');
        assert_int_equal(pull(&r), drains[i]);
        rig_close(&r);
    }
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "one", 1, WEIR_H1, 1);
    rig_release(&r, 'a');
    weir_pool_retire(r.pool, rig_slot(&r, 1), WEIR_REASON_ADDRESS_LEFT_DNS, 0, r.now_ns);
    assert_int_equal(pull(&r), WEIR_REASON_ADDRESS_LEFT_DNS);
    rig_close(&r);
}

static void reasons__of_what_may_not_be_shared(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, (weir_pool_options){0});
    lease(&r, 'a', "tls.one", 1, WEIR_H1, 1);
    weir_origin_key key = rig_key("tls.one");
    key.tls++;
    assert_int_equal(candidate_of(&r, &key, 0), WEIR_REASON_TLS_IDENTITY_DIFFERS);
    key = rig_key("tls.one");
    key.pin = WEIR_H1;
    assert_int_equal(candidate_of(&r, &key, 0), WEIR_REASON_PROTOCOL_DIFFERS);
    key = rig_key("tls.one");
    key.socket_path = weir_span_of("/run/one");
    assert_int_equal(candidate_of(&r, &key, 0), WEIR_REASON_ROUTE_DIFFERS);
    rig_close(&r);
}

static void reasons__of_the_table_are_words_and_sentences(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        const char *name = weir_reason_name((weir_reason)i);
        const char *sentence = weir_reason_sentence((weir_reason)i);
        assert_true(strlen(sentence) > 5);
        assert_true(sentence[strlen(sentence) - 1] != '.');
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(name, weir_reason_name((weir_reason)k));
            assert_string_not_equal(sentence, weir_reason_sentence((weir_reason)k));
        }
    }
    assert_string_equal(weir_reason_name(WEIR_REASON_COUNT), "unknown");
}

/* Runs last. */
static void reasons__of_the_table_were_all_produced(void **state)
{
    (void)state;
    size_t missing = 0;
    for (int i = 0; i < WEIR_REASON_COUNT; i++) {
        bool excused = false;
        for (size_t k = 0; k < WEIR_COUNT_OF(excuses); k++) {
            excused = excused || (int)excuses[k].reason == i;
        }
        if (said[i] == excused) {
            print_error("%s: %s\n", weir_reason_name((weir_reason)i),
                        excused ? "is excused and was produced" : "no test produced it");
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reasons__of_how_a_call_was_served),
        cmocka_unit_test(reasons__of_a_wait_at_one_origin),
        cmocka_unit_test(reasons__of_a_wait_for_the_whole_pool),
        cmocka_unit_test(reasons__of_a_wait_behind_others),
        cmocka_unit_test(reasons__of_a_pause),
        cmocka_unit_test(reasons__of_a_server_that_is_another),
        cmocka_unit_test(reasons__of_a_wait_for_memory),
        cmocka_unit_test(reasons__of_a_connection_that_refuses),
        cmocka_unit_test(reasons__of_facts),
        cmocka_unit_test(reasons__of_a_place_that_is_not_free_yet),
        cmocka_unit_test(reasons__of_age),
        cmocka_unit_test(reasons__of_a_learned_horizon),
        cmocka_unit_test(reasons__of_the_owner),
        cmocka_unit_test(reasons__of_what_may_not_be_shared),
        cmocka_unit_test(reasons__of_the_table_are_words_and_sentences),
        cmocka_unit_test(reasons__of_the_table_were_all_produced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
