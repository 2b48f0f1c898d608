/* SPDX-License-Identifier: MIT */
/*
 * The face of a connection over stand-in machines: that it asks the machine of its protocol, moves
 * the plain counters by what passed at the face and by nothing else, keeps time from going back,
 * and in checking builds finds a machine that miscounts. The real machines have suites of their
 * own.
 */
#include "conn_stand_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/failure.h"
#include "support/failalloc.h"

typedef struct fixture {
    weir_failalloc failalloc;
    weir_bin bin;
    weir_conn *conn;
    machine *machine;
    weir_protocol protocol;
} fixture;

static weir_conn_options options_of(fixture *f)
{
    return (weir_conn_options){
        .protocol = f->protocol, .allocator = &f->failalloc.allocator, .bin = &f->bin};
}

static int setup(void **state, weir_protocol protocol)
{
    fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    weir_failalloc_init(&f->failalloc, 0);
    weir_bin_init(&f->bin, &f->failalloc.allocator, 0);
    f->protocol = protocol;
    weir_conn_options options = options_of(f);
    weir_status status = WEIR_E_INVALID;
    f->conn = weir_conn_new(&options, 100, &status);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(f->conn);
    f->machine = machine_of(f->conn);
    *state = f;
    return 0;
}

static int setup_h1(void **state)
{
    return setup(state, WEIR_H1);
}

static int setup_h2(void **state)
{
    return setup(state, WEIR_H2);
}

static int teardown(void **state)
{
    fixture *f = *state;
    weir_conn_free(f->conn);
    weir_bin_clear(&f->bin);
    weir_failalloc_finish(&f->failalloc);
    free(f);
    return 0;
}

/* The machine of this protocol was asked, and not the other. */
static void assert_asked(const fixture *f, const char *function)
{
    assert_memory_equal(f->machine->asked, f->protocol == WEIR_H2 ? "h2_" : "h1_", 3);
    assert_string_equal(f->machine->asked + 3, function);
    f->machine->asked = "nobody";
}

static weir_stream *open_one(fixture *f)
{
    weir_head head = {0};
    weir_stream *stream = NULL;
    assert_int_equal(weir_conn_open(f->conn, &head, f, 100, &stream), WEIR_OK);
    assert_non_null(stream);
    return stream;
}

static void close_one(fixture *f, weir_stream *stream)
{
    weir_tally tally;
    weir_conn_close(f->conn, stream, 100, &tally);
}

static void conn__asks_the_machine_of_its_protocol(void **state)
{
    fixture *f = *state;
    bool h2 = f->protocol == WEIR_H2;
    weir_stream *stream = open_one(f);
    assert_asked(f, "open");
    size_t taken = 99;
    assert_int_equal(
        weir_conn_write(f->conn, stream, (weir_body_part){WEIR_SPAN("abc"), false}, 100, &taken),
        WEIR_OK);
    assert_asked(f, "write");
    assert_int_equal(
        weir_conn_write(f->conn, stream, (weir_body_part){{NULL, 0}, true}, 100, &taken), WEIR_OK);
    assert_asked(f, "write end");
    assert_int_equal(weir_conn_write_trailers(f->conn, stream, NULL, 100), WEIR_E_STATE);
    assert_asked(f, "write_trailers");
    weir_conn_feed(f->conn, WEIR_SPAN("de"), 100);
    assert_asked(f, "feed");
    uint8_t to[4];
    assert_int_equal(weir_conn_readable(f->conn, stream), 2);
    assert_int_equal(weir_conn_read(f->conn, stream, to, sizeof(to), 100), 2);
    assert_asked(f, "read");
    assert_int_equal(weir_conn_room(f->conn), h2 ? 22 : 11);
    assert_asked(f, "room");
    weir_conn_sent(f->conn, 1, 100);
    assert_asked(f, "sent");
    weir_conn_cancel(f->conn, stream, 8, 100);
    assert_asked(f, "cancel");
    assert_int_equal(f->machine->h2_code, h2 ? 8 : 0);
    close_one(f, stream);
    assert_asked(f, "close");
    weir_why why = WEIR_WHY_IDLE;
    weir_time deadline = weir_conn_deadline(f->conn, &why);
    assert_true(deadline == (h2 ? 1234 : WEIR_NEVER));
    assert_int_equal(why, h2 ? WEIR_WHY_SETTINGS : WEIR_WHY_NONE);
    weir_conn_tick(f->conn, 100);
    assert_asked(f, "tick");
    weir_conn_shutdown(f->conn, 100);
    assert_asked(f, "shutdown");
    weir_failure failure = weir_failure_of(WEIR_E_RESET, NULL);
    weir_conn_end(f->conn, &failure, 100);
    assert_asked(f, "end");
    assert_int_equal(weir_conn_failure(f->conn).status, WEIR_E_RESET);
}

static void conn__received_plain_moves_by_what_the_machine_took(void **state)
{
    fixture *f = *state;
    weir_ledger *ledger = weir_conn_ledger(f->conn);
    assert_int_equal(weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100), 5);
    assert_int_equal(ledger->plain.received, 5);
    f->machine->takes = 2;
    assert_int_equal(weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100), 2);
    assert_int_equal(ledger->plain.received, 7);
    f->machine->takes = 0;
    assert_int_equal(weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100), 0);
    assert_int_equal(ledger->plain.received, 7);
    assert_int_equal(ledger->plain.sent, 0);
    assert_int_equal(ledger->wire.received, 0); /* the link's to move */
    assert_true(weir_ledger_plain_holds(ledger));
}

static void conn__sent_plain_moves_by_what_the_kernel_took(void **state)
{
    fixture *f = *state;
    weir_ledger *ledger = weir_conn_ledger(f->conn);
    weir_stream *stream = open_one(f);
    size_t taken = 0;
    weir_conn_write(f->conn, stream, (weir_body_part){WEIR_SPAN("hello"), false}, 100, &taken);
    assert_int_equal(ledger->plain.sent, 0);
    assert_memory_equal(weir_conn_pending(f->conn, 0).at, "hello", 5);
    assert_int_equal(weir_conn_pending(f->conn, 2).length, 3);
    weir_conn_sent(f->conn, 2, 100);
    assert_int_equal(ledger->plain.sent, 2);
    weir_conn_sent(f->conn, 0, 100);
    weir_tally tally;
    weir_conn_close(f->conn, stream, 100, &tally);
    assert_int_equal(tally.body.sent, 2);
    weir_conn_sent(f->conn, 3, 100);
    assert_int_equal(ledger->plain.sent, 5);
    assert_int_equal(ledger->plain.received, 0);
    assert_int_equal(weir_ledger_row(ledger, WEIR_ROW_LATE).sent, 3);
    assert_true(weir_ledger_plain_holds(ledger));
    expect_assert_failure(weir_conn_sent(f->conn, 1, 100));
}

static void conn__a_short_write_says_how_much_was_taken(void **state)
{
    fixture *f = *state;
    weir_stream *stream = open_one(f);
    size_t taken = 99;
    f->machine->takes = 3;
    assert_int_equal(
        weir_conn_write(f->conn, stream, (weir_body_part){WEIR_SPAN("hello"), true}, 100, &taken),
        WEIR_AGAIN);
    assert_int_equal(taken, 3);
    taken = 99;
    f->machine->takes = SIZE_MAX;
    f->failalloc.fail_at = 1;
    f->failalloc.and_after = true;
    weir_span much = {calloc(1, 20000), 20000};
    assert_int_equal(weir_conn_write(f->conn, stream, (weir_body_part){much, true}, 100, &taken),
                     WEIR_E_NOMEM);
    assert_int_equal(taken, 0);
    f->failalloc.fail_at = 0;
    free((void *)(uintptr_t)much.at);
    close_one(f, stream);
}

static void conn__counts_the_streams_that_are_open(void **state)
{
    fixture *f = *state;
    weir_head head = {0};
    weir_stream *second = NULL;
    assert_int_equal(weir_conn_open_streams(f->conn), 0);
    weir_stream *stream = open_one(f);
    assert_int_equal(weir_conn_open_streams(f->conn), 1);
    assert_int_equal(weir_conn_open(f->conn, &head, f, 100, &second), WEIR_E_NOT_ACCEPTING);
    assert_null(second);
    assert_int_equal(weir_conn_open_streams(f->conn), 1);
    expect_assert_failure(weir_conn_free(f->conn));
    close_one(f, stream);
    assert_int_equal(weir_conn_open_streams(f->conn), 0);
}

static void conn__time_never_goes_back(void **state)
{
    fixture *f = *state;
    weir_conn_feed(f->conn, WEIR_SPAN("x"), 200);
    assert_int_equal(f->machine->asked_ns, 200);
    weir_conn_feed(f->conn, WEIR_SPAN("x"), 150);
    assert_int_equal(f->machine->asked_ns, 200);
    assert_int_equal(f->conn->ledger.now_ns, 200);
    weir_conn_feed(f->conn, WEIR_SPAN("x"), 201);
    assert_int_equal(f->machine->asked_ns, 201);
    assert_int_equal(f->conn->ledger.now_ns, 201);
}

static void conn__events_are_pulled(void **state)
{
    fixture *f = *state;
    weir_conn_event event;
    assert_false(weir_conn_next_event(f->conn, &event));
    weir_stream *stream = open_one(f);
    weir_conn_feed(f->conn, WEIR_SPAN("x"), 100);
    weir_conn_feed(f->conn, WEIR_SPAN("y"), 100);
    assert_true(weir_conn_next_event(f->conn, &event));
    assert_int_equal(event.kind, WEIR_CONN_BODY);
    assert_ptr_equal(event.stream, stream);
    assert_ptr_equal(event.stream->user, f);
    assert_false(weir_conn_next_event(f->conn, &event));
    close_one(f, stream);
}

static void conn__the_version_of_the_facts_grows_with_each_change_and_only_then(void **state)
{
    fixture *f = *state;
    weir_facts facts = weir_conn_facts(f->conn);
    assert_int_equal(facts.version, 1);
    assert_int_equal(facts.protocol, f->protocol);
    assert_true(facts.accepting);
    assert_true(facts.reusable);
    assert_int_equal(facts.capacity_streams, f->protocol == WEIR_H2 ? 1000 : 1);
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 1);

    facts.capacity_streams = 7;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 2);
    facts.keep_alive_ns = 5;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 3);
    facts.accepting = false;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 4);
    facts.reusable = false;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 5);
    facts.unfit = WEIR_UNFIT_CLOSE;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 6);
    facts.version = 1;
    weir_conn_set_facts(f->conn, facts);
    assert_int_equal(weir_conn_facts(f->conn).version, 6);
}

static void conn__without_memory_there_is_none(void **state)
{
    fixture *f = *state;
    weir_conn_options options = options_of(f);
    weir_status status = WEIR_OK;
    f->failalloc.fail_at = atomic_load(&f->failalloc.calls) + 1;
    assert_null(weir_conn_new(&options, 100, &status));
    assert_int_equal(status, WEIR_E_NOMEM);
    weir_conn_free(NULL);
    options.protocol = WEIR_PROTOCOL_ANY;
    expect_assert_failure(weir_conn_new(&options, 100, &status));
}

/* Feeds a machine that charges so many octets too many; then makes it good again. */
static void expect_found(fixture *f, int astray)
{
    f->machine->astray = astray;
    if (WEIR_CHECKING) {
        expect_assert_failure(weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100));
    } else {
        weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100);
    }
    assert_false(weir_ledger_plain_holds(&f->conn->ledger));
    f->conn->ledger.unread.received -= (uint64_t)astray;
    f->machine->astray = 0;
}

/* The law at the face: a codec that charges one octet too many, or too few, is found. */
static void conn__a_machine_that_miscounts_is_found(void **state)
{
    fixture *f = *state;
    expect_found(f, 1);
    expect_found(f, -1);
    assert_int_equal(weir_conn_feed(f->conn, WEIR_SPAN("hello"), 100), 5);
    assert_true(weir_ledger_plain_holds(&f->conn->ledger));
    if (WEIR_CHECKING) {
        f->conn->open_streams = 1;
        expect_assert_failure(weir_conn_feed(f->conn, WEIR_SPAN("x"), 100));
        f->conn->open_streams = 0;
    }
}

static void limits__every_default_is_filled_in_and_nothing_given_is_changed(void **state)
{
    (void)state;
    weir_conn_limits none = {0};
    weir_conn_limits h1 = weir_conn_limits_fill(&none, WEIR_H1);
    weir_conn_limits h2 = weir_conn_limits_fill(&none, WEIR_H2);
    assert_int_equal(h1.head_octets, 65536);
    assert_int_equal(h1.fields, 256);
    assert_int_equal(h1.informational, 32);
    assert_int_equal(h1.chunk_octets, 16384);
    assert_int_equal(h1.out_octets, 65536);
    assert_int_equal(h1.inbox_octets, 65536);
    assert_int_equal(h2.inbox_octets, 262144);
    assert_int_equal(h2.conn_inbox_octets, 16777216);
    assert_int_equal(h2.streams, 1000);
    assert_int_equal(h2.unproductive_frames, 1000);
    assert_int_equal(h2.header_table_octets, 4096);
    assert_true(h2.settings_ns == 10 * WEIR_NS_PER_SECOND);
    assert_int_equal(h2.ping_ns, 0);
    assert_true(h2.ping_timeout_ns == 10 * WEIR_NS_PER_SECOND);
    assert_false(h1.bare_lf);
    assert_false(h2.ping_idle);
    assert_true(h2.stow_ns == WEIR_NS_PER_SECOND);
    assert_int_equal(h2.first_stream, 1);
    assert_int_equal(h1.bulk_octets, 262144);
    assert_int_equal(h2.bulk_octets, 4194304);
    assert_int_equal(h1.interactive_octets, 16384);
    assert_int_equal(h2.interactive_octets, 16384);

    weir_conn_limits given = {1,  2,  3,  4,    5,  6,    7,  8,  9, 10,
                              11, 12, 13, true, 15, true, 17, 18, 19};
    weir_conn_limits filled = weir_conn_limits_fill(&given, WEIR_H2);
    assert_int_equal(filled.head_octets, 1);
    assert_int_equal(filled.fields, 2);
    assert_int_equal(filled.informational, 3);
    assert_int_equal(filled.chunk_octets, 4);
    assert_int_equal(filled.out_octets, 5);
    assert_int_equal(filled.inbox_octets, 6);
    assert_int_equal(filled.conn_inbox_octets, 7);
    assert_int_equal(filled.streams, 8);
    assert_int_equal(filled.unproductive_frames, 9);
    assert_int_equal(filled.header_table_octets, 10);
    assert_int_equal(filled.settings_ns, 11);
    assert_int_equal(filled.ping_ns, 12);
    assert_int_equal(filled.ping_timeout_ns, 13);
    assert_true(filled.bare_lf);
    assert_int_equal(filled.first_stream, 15);
    assert_true(filled.ping_idle);
    assert_int_equal(filled.bulk_octets, 17);
    assert_int_equal(filled.interactive_octets, 18);
    assert_int_equal(filled.stow_ns, 19);
    given.bulk_octets = 0;
    given.interactive_octets = 0;
    assert_int_equal(weir_conn_limits_fill(&given, WEIR_H2).bulk_octets, 6);
    assert_int_equal(weir_conn_limits_fill(&given, WEIR_H2).interactive_octets, 5);
}

static void unfit__each_has_a_reason_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(weir_unfit_reason(WEIR_FIT), WEIR_REASON_NONE);
    for (weir_unfit unfit = WEIR_UNFIT_CLOSE; unfit <= WEIR_UNFIT_SHUTDOWN; unfit++) {
        assert_int_not_equal(weir_unfit_reason(unfit), WEIR_REASON_NONE);
        for (weir_unfit other = WEIR_UNFIT_CLOSE; other < unfit; other++) {
            assert_int_not_equal(weir_unfit_reason(unfit), weir_unfit_reason(other));
        }
    }
    assert_int_equal(weir_unfit_reason((weir_unfit)(WEIR_UNFIT_SHUTDOWN + 1)), WEIR_REASON_NONE);
}

#define BOTH(name)                                                                                 \
    {#name "(h1)", name, setup_h1, teardown, NULL},                                                \
    {                                                                                              \
#        name "(h2)", name, setup_h2, teardown, NULL                                               \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(conn__asks_the_machine_of_its_protocol),
        BOTH(conn__received_plain_moves_by_what_the_machine_took),
        BOTH(conn__sent_plain_moves_by_what_the_kernel_took),
        BOTH(conn__a_short_write_says_how_much_was_taken),
        BOTH(conn__counts_the_streams_that_are_open),
        BOTH(conn__time_never_goes_back),
        BOTH(conn__events_are_pulled),
        BOTH(conn__the_version_of_the_facts_grows_with_each_change_and_only_then),
        BOTH(conn__without_memory_there_is_none),
        BOTH(conn__a_machine_that_miscounts_is_found),
        cmocka_unit_test(limits__every_default_is_filled_in_and_nothing_given_is_changed),
        cmocka_unit_test(unfit__each_has_a_reason_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
