/* SPDX-License-Identifier: MIT */
/* The queue of events: order, copies, merging, its bound, and observers that add events. */
#include "engine/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/failalloc.h"
#include "weir/snapshot.h"

#define TOLD_LIMIT (WEIR_EVENTS_LIMIT * 2)

typedef struct observe_bench {
    weir_failalloc memory;
    weir_observer observer;
    weir_events events;
    weir_event told[TOLD_LIMIT];
    size_t count;
    size_t to_add; /* by the observer itself */
} observe_bench;

/* An exchange is only compared, never looked into. */
static int exchange_a;
static int exchange_b;

static void tell(const weir_event *event, void *user)
{
    observe_bench *bench = user;

    assert_true(bench->count < TOLD_LIMIT);
    bench->told[bench->count++] = *event;
    if (bench->to_add > 0) {
        bench->to_add--;
        weir_events_add(&bench->events, &(weir_event){.kind = WEIR_EVENT_WAITING});
    }
}

static int setup(void **state)
{
    static observe_bench bench;

    memset(&bench, 0, sizeof(bench));
    weir_failalloc_init(&bench.memory, 0);
    bench.observer = (weir_observer){.size = sizeof(weir_observer), .user = &bench, .tell = tell};
    weir_events_init(&bench.events, &bench.memory.allocator, &bench.observer);
    *state = &bench;
    return 0;
}

static int teardown(void **state)
{
    observe_bench *bench = *state;

    weir_events_clear(&bench->events);
    weir_failalloc_finish(&bench->memory);
    return 0;
}

static void add(observe_bench *bench, weir_event_kind kind, weir_time at_ns)
{
    weir_events_add(&bench->events, &(weir_event){.kind = kind, .at_ns = at_ns});
}

static void add_octets(observe_bench *bench, weir_event_kind kind, int *exchange, uint64_t octets,
                       bool last)
{
    weir_events_add(&bench->events, &(weir_event){.kind = kind,
                                                  .exchange = (weir_exchange *)(void *)exchange,
                                                  .plain_octets = octets,
                                                  .last = last});
}

static void observe__allocates_nothing_without_an_observer(void **state)
{
    observe_bench *bench = *state;

    bench->observer.tell = NULL;
    weir_events_init(&bench->events, &bench->memory.allocator, &bench->observer);
    assert_false(weir_events_are_wanted(&bench->events));
    add(bench, WEIR_EVENT_DONE, 1);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, 0);
    assert_int_equal(atomic_load(&bench->memory.calls), 0);
}

static void observe__tells_in_order_with_the_time_it_happened(void **state)
{
    observe_bench *bench = *state;

    for (weir_time at_ns = 1; at_ns <= 20; at_ns++) {
        add(bench, WEIR_EVENT_INFORMATIONAL, at_ns);
    }
    assert_int_equal(bench->count, 0);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(bench->told[i].at_ns, i + 1);
        assert_int_equal(bench->told[i].size, sizeof(weir_event));
    }
}

static void observe__keeps_copies_of_address_and_account(void **state)
{
    observe_bench *bench = *state;
    weir_waiting_event out;
    char address[64] = "192.0.2.1";
    weir_account account = {.local_port = 4711};
    const weir_event event = {
        .kind = WEIR_EVENT_CONNECTION_CLOSED, .address = address, .account = &account};

    weir_events_add(&bench->events, &event);
    memset(address, 'x', sizeof(address) - 1);
    weir_events_add(&bench->events, &event); /* too long: cut, never past its room */
    account.local_port = 1;
    add(bench, WEIR_EVENT_DONE, 1);
    assert_true(weir_events_next(&bench->events, &out));
    assert_string_equal(out.event.address, "192.0.2.1");
    assert_ptr_equal(out.event.address, out.address);
    assert_int_equal(out.event.account->local_port, 4711);
    assert_true(weir_events_next(&bench->events, &out));
    assert_int_equal(strlen(out.event.address), WEIR_ADDRESS_TEXT_OCTETS - 1);
    assert_true(weir_events_next(&bench->events, &out));
    assert_null(out.event.address);
    assert_null(out.event.account);
    assert_false(weir_events_next(&bench->events, &out));
}

static void observe__merges_neighbours_that_count_octets(void **state)
{
    observe_bench *bench = *state;

    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 10, false);
    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 20, false);
    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 30, true);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, 1);
    assert_int_equal(bench->told[0].plain_octets, 30);
    assert_true(bench->told[0].last);
    assert_int_equal(bench->told[0].size, sizeof(weir_event));
}

static void observe__merges_nothing_else(void **state)
{
    observe_bench *bench = *state;

    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 1, false);
    add_octets(bench, WEIR_EVENT_RESPONSE_RECEIVED, &exchange_a, 2, false); /* another direction */
    add_octets(bench, WEIR_EVENT_RESPONSE_RECEIVED, &exchange_b, 3, false); /* another exchange */
    add(bench, WEIR_EVENT_WAITING, 4);
    add(bench, WEIR_EVENT_WAITING, 5);                                      /* no octets */
    add_octets(bench, WEIR_EVENT_RESPONSE_RECEIVED, &exchange_b, 6, true);  /* no neighbour */
    add_octets(bench, WEIR_EVENT_RESPONSE_RECEIVED, &exchange_b, 7, false); /* behind the last */
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, 7);
}

static void observe__does_not_merge_into_what_was_told(void **state)
{
    observe_bench *bench = *state;
    weir_waiting_event out;

    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 10, false);
    assert_true(weir_events_next(&bench->events, &out));
    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 20, false);
    assert_true(weir_events_next(&bench->events, &out));
    assert_int_equal(out.event.plain_octets, 20);
}

static void observe__is_bounded_and_never_loses_the_end(void **state)
{
    observe_bench *bench = *state;

    for (weir_time at_ns = 1; at_ns <= WEIR_EVENTS_LIMIT + 9; at_ns++) {
        add(bench, WEIR_EVENT_INFORMATIONAL, at_ns);
    }
    add(bench, WEIR_EVENT_DONE, 9999);
    assert_int_equal(bench->events.dropped, 10);
    assert_int_equal(bench->events.count, WEIR_EVENTS_LIMIT);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, WEIR_EVENTS_LIMIT);
    assert_int_equal(bench->told[0].at_ns, 11); /* the oldest made room */
    assert_int_equal(bench->told[WEIR_EVENTS_LIMIT - 1].kind, WEIR_EVENT_DONE);
}

static void observe__drops_progress_before_anything_else(void **state)
{
    observe_bench *bench = *state;

    add(bench, WEIR_EVENT_SUBMITTED, 1);
    add_octets(bench, WEIR_EVENT_REQUEST_SENT, &exchange_a, 7, true);
    add_octets(bench, WEIR_EVENT_RESPONSE_RECEIVED, &exchange_a, 8, false);
    for (weir_time at_ns = 4; at_ns <= WEIR_EVENTS_LIMIT; at_ns++) {
        add(bench, WEIR_EVENT_INFORMATIONAL, at_ns);
    }
    add(bench, WEIR_EVENT_DONE, 9999);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->events.dropped, 1);
    assert_int_equal(bench->told[0].kind, WEIR_EVENT_SUBMITTED);
    assert_int_equal(bench->told[1].kind, WEIR_EVENT_REQUEST_SENT);
    assert_int_equal(bench->told[2].kind, WEIR_EVENT_INFORMATIONAL);
    assert_int_equal(bench->told[2].at_ns, 4);
}

static void observe__keeps_order_when_told_and_added_in_turn(void **state)
{
    observe_bench *bench = *state;
    weir_waiting_event out;
    weir_time next_ns = 1;

    for (weir_time at_ns = 1; at_ns <= 3000; at_ns++) {
        add(bench, WEIR_EVENT_INFORMATIONAL, at_ns);
        /* Two of three are told at once: a third of the queue stays and grows. */
        if (at_ns % 3 != 0 && bench->events.count - bench->events.told > 5) {
            assert_true(weir_events_next(&bench->events, &out));
            assert_int_equal(out.event.at_ns, next_ns + bench->events.dropped);
            next_ns++;
        }
    }
    assert_true(bench->events.room <= WEIR_EVENTS_LIMIT);
}

static void observe__tells_what_an_observer_adds(void **state)
{
    observe_bench *bench = *state;

    bench->to_add = TOLD_LIMIT - 1;
    add(bench, WEIR_EVENT_SUBMITTED, 1);
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count, TOLD_LIMIT);
    assert_int_equal(bench->told[TOLD_LIMIT - 1].kind, WEIR_EVENT_WAITING);
    assert_int_equal(bench->events.dropped, 0);
    assert_int_equal(atomic_load(&bench->memory.live), 0);
}

static void fill_with_failures(weir_failalloc *memory, void *user)
{
    observe_bench *bench = user;

    bench->count = 0;
    weir_events_init(&bench->events, &memory->allocator, &bench->observer);
    for (weir_time at_ns = 1; at_ns <= 100; at_ns++) {
        add(bench, WEIR_EVENT_INFORMATIONAL, at_ns);
    }
    weir_events_tell(&bench->events);
    assert_int_equal(bench->count + bench->events.dropped, 100);
    if (bench->count > 0) {
        assert_int_equal(bench->told[bench->count - 1].at_ns, 100);
    }
}

static void observe__counts_what_memory_had_no_room_for(void **state)
{
    assert_true(weir_failalloc_every(fill_with_failures, *state) >= 4);
}

static void observe__names_every_event(void **state)
{
    (void)state;
    for (int kind = 0; kind < WEIR_EVENT_COUNT; kind++) {
        assert_non_null(weir_event_name((weir_event_kind)kind));
        assert_string_not_equal(weir_event_name((weir_event_kind)kind), "unknown");
    }
    assert_string_equal(weir_event_name(WEIR_EVENT_COUNT), "unknown");
}

static void observe__names_every_state_of_a_connection(void **state)
{
    (void)state;
    for (int at = 0; at <= WEIR_CONNECTION_GONE; at++) {
        assert_string_not_equal(weir_connection_state_name((weir_connection_state)at), "unknown");
    }
    assert_string_equal(
        weir_connection_state_name((weir_connection_state)(WEIR_CONNECTION_GONE + 1)), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(observe__allocates_nothing_without_an_observer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__tells_in_order_with_the_time_it_happened, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__keeps_copies_of_address_and_account, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__merges_neighbours_that_count_octets, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__merges_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(observe__does_not_merge_into_what_was_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__is_bounded_and_never_loses_the_end, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__drops_progress_before_anything_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__keeps_order_when_told_and_added_in_turn, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(observe__tells_what_an_observer_adds, setup, teardown),
        cmocka_unit_test_setup_teardown(observe__counts_what_memory_had_no_room_for, setup,
                                        teardown),
        cmocka_unit_test(observe__names_every_event),
        cmocka_unit_test(observe__names_every_state_of_a_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
