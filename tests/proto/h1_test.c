/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 connection against the documents of tests/corpus/h1, each whole, octet by octet and
 * cut at every place: the log must be the same to the letter. Then each document again with each
 * allocation failing, and what no document can say: memory, numbers, versions of facts.
 *
 *   h1_test [TEXT]    only tests whose name has TEXT in it
 */
#include "proto/h1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h1_rig.h"

/* NULL when the log is the expected one; else both, to be freed. */
static char *run_split(const weir_corpus_document *document, const weir_split *split)
{
    weir_failalloc failalloc;
    weir_failalloc_init(&failalloc, 0);
    weir_h1_rig rig;
    weir_h1_rig_init(&rig, &failalloc.allocator);
    weir_h1_rig_run(&rig, document, split);
    const char *log = weir_text_string(&rig.log);
    const char *expected = weir_text_string(&document->log);
    weir_text difference = {.at = NULL};
    if (strcmp(log, expected) != 0) {
        char how[64];
        weir_split_describe(split, how, sizeof(how));
        weir_text_printf(&difference, "%s, %s:\n%s--- expected:\n%s", document->title, how, log,
                         expected);
    }
    weir_h1_rig_finish(&rig);
    weir_failalloc_finish(&failalloc);
    return (char *)difference.at;
}

static void run_document(void **state)
{
    const weir_corpus_document *document = *state;
    weir_split split;
    size_t length = weir_h1_rig_input_octets(document);
    for (weir_split_first(&split, length); !weir_split_is_over(&split); weir_split_next(&split)) {
        char *difference = run_split(document, &split);
        if (difference) {
            fail_msg("%s", difference);
        }
    }
}

/* --- each allocation fails, in each document --- */

static void run_without_memory(weir_failalloc *failalloc, void *user)
{
    const weir_corpus_document *document = user;
    weir_h1_rig rig;
    weir_h1_rig_init(&rig, &failalloc->allocator);
    weir_h1_rig_run(&rig, document, NULL);
    bool failed = atomic_load(&failalloc->failures) > 0;
    if (rig.conn && !rig.out_of_memory) {
        /* Nobody was told: then nothing may be missing. */
        assert_string_equal(weir_text_string(&rig.log), weir_text_string(&document->log));
    }
    if (!failed) {
        assert_false(rig.out_of_memory);
    }
    weir_h1_rig_finish(&rig);
}

static void h1__survives_every_failed_allocation(void **state)
{
    const weir_corpus *corpus = *state;
    size_t failed = 0;
    for (size_t i = 0; i < corpus->count; i++) {
        failed += weir_failalloc_every(run_without_memory, &corpus->documents[i]);
    }
    /* The connection, the exchange and its chunk, at the least. */
    assert_true(failed > 3 * corpus->count);
}

/* --- a connection on its own --- */

typedef struct bench {
    weir_failalloc failalloc;
    weir_h1_rig rig;
} bench;

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    weir_failalloc_init(&b->failalloc, 0);
    weir_h1_rig_init(&b->rig, &b->failalloc.allocator);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;
    weir_h1_rig_finish(&b->rig);
    weir_failalloc_finish(&b->failalloc);
    free(b);
    return 0;
}

static void exchange(weir_h1_rig *rig)
{
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "in",
                     "HTTP/1.1 200 OK\\r\\nServer: x\\r\\nContent-Length: 5\\r\\n\\r\\nhello");
    weir_h1_rig_step(rig, "close", "");
    assert_true(weir_conn_facts(rig->conn).reusable);
}

static void h1__holds_nothing_but_itself_when_idle(void **state)
{
    bench *b = *state;
    exchange(&b->rig);
    assert_int_equal(atomic_load(&b->failalloc.live), 1);
    assert_int_equal(atomic_load(&b->failalloc.live_octets), sizeof(weir_h1));
    assert_true(sizeof(weir_h1) < 1024);
}

static void h1__allocates_its_record_and_the_message_for_a_warm_exchange(void **state)
{
    bench *b = *state;
    b->rig.bin.keep = 2;
    exchange(&b->rig);
    size_t before = atomic_load(&b->failalloc.calls);
    exchange(&b->rig);
    /* The exchange's record; the message, its list and its arena. */
    assert_int_equal(atomic_load(&b->failalloc.calls) - before, 4);
}

static void h1__numbers_exchanges_from_one(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    for (uint32_t id = 1; id < 4; id++) {
        weir_h1_rig_step(rig, "request", "GET http://a/");
        assert_int_equal(rig->stream->owner.id, id);
        weir_h1_rig_step(rig, "in", "HTTP/1.1 204 x\\r\\n\\r\\n");
    }
}

static void h1__takes_one_exchange_at_a_time(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_head head = {.method = WEIR_SPAN("GET"), .authority = WEIR_SPAN("a")};
    weir_stream *other = NULL;
    assert_int_equal(weir_conn_open(rig->conn, &head, NULL, 0, &other), WEIR_E_NOT_ACCEPTING);
    assert_null(other);
    assert_int_equal(weir_conn_facts(rig->conn).capacity_streams, 1);
    assert_int_equal(weir_conn_open_streams(rig->conn), 1);
    assert_int_equal(weir_conn_pending(rig->conn, 0).length, 0);
}

static void h1__leaves_a_connection_as_it_was_when_a_request_finds_no_memory(void **state)
{
    bench *b = *state;
    exchange(&b->rig);
    for (size_t k = 1; k <= 2; k++) {
        weir_text_reset(&b->rig.log);
        b->failalloc.fail_at = atomic_load(&b->failalloc.calls) + k;
        weir_h1_rig_step(&b->rig, "request", "GET http://a/");
        assert_string_equal(weir_text_string(&b->rig.log), "refused E_NOMEM\n");
        assert_int_equal(weir_conn_pending(b->rig.conn, 0).length, 0);
        assert_true(weir_conn_facts(b->rig.conn).accepting);
    }
    exchange(&b->rig);
}

static void h1__changes_the_version_of_its_facts_with_them(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    exchange(rig);
    uint64_t version = weir_conn_facts(rig->conn).version;
    exchange(rig);
    assert_int_equal(weir_conn_facts(rig->conn).version, version);
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nKeep-Alive: timeout=3\\r\\n");
    assert_int_equal(weir_conn_facts(rig->conn).version, version);
    weir_h1_rig_step(rig, "in", "Content-Length: 0\\r\\n\\r\\n");
    assert_int_equal(weir_conn_facts(rig->conn).version, version + 1);
    weir_h1_rig_step(rig, "close", "");
    assert_int_equal(weir_conn_facts(rig->conn).version, version + 1);
    weir_h1_rig_step(rig, "in", "x");
    assert_int_equal(weir_conn_facts(rig->conn).version, version + 2);
    weir_h1_rig_step(rig, "end", "ok");
    assert_int_equal(weir_conn_facts(rig->conn).version, version + 2);
}

/* The pool is told as soon as it is known, not when the exchange is over. */
static void h1__tells_that_it_will_close_with_the_head(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n");
    assert_false(weir_conn_facts(rig->conn).reusable);
}

static void h1__tells_that_an_upload_cut_short_ends_it(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_h1_rig_step(rig, "request", "POST http://a/ length 10");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 413 x\\r\\nContent-Length: 2\\r\\n\\r\\n");
    assert_true(weir_conn_facts(rig->conn).reusable);
    weir_h1_rig_step(rig, "in", "no");
    assert_int_equal(weir_conn_facts(rig->conn).unfit, WEIR_UNFIT_UNFINISHED);
}

static void h1__has_room_for_what_its_inbox_has(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_h1_rig_step(rig, "limit", "inbox_octets 100");
    weir_h1_rig_step(rig, "request", "GET http://a/");
    /* Content may come behind the head in the same piece. */
    assert_int_equal(weir_conn_room(rig->conn), 100);
    weir_h1_rig_step(rig, "stop-reading", "");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nContent-Length: 200\\r\\n\\r\\n\\{x*30}");
    assert_int_equal(weir_conn_room(rig->conn), 70);
    weir_h1_rig_step(rig, "in", "\\{x*70}");
    assert_int_equal(weir_conn_room(rig->conn), 0);
    weir_h1_rig_step(rig, "read", "");
    assert_int_equal(weir_conn_room(rig->conn), 100);
}

static void h1__has_more_room_in_bulk(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    rig->hint = WEIR_HINT_BULK;
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "stop-reading", "");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nContent-Length: 900000\\r\\n\\r\\n");
    assert_int_equal(weir_conn_room(rig->conn), 262144);
    for (int i = 0; i < 5; i++) {
        weir_h1_rig_step(rig, "in", "\\{x*50000}");
    }
    assert_int_equal(weir_conn_room(rig->conn), 12144);
    assert_int_equal(weir_conn_readable(rig->conn, rig->stream), 250000);
}

static void h1__has_the_room_that_was_given_in_bulk_too(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    rig->hint = WEIR_HINT_BULK;
    weir_h1_rig_step(rig, "limit", "inbox_octets 100");
    weir_h1_rig_step(rig, "request", "GET http://a/");
    assert_int_equal(weir_conn_room(rig->conn), 100);
}

static void h1__queues_less_when_it_is_interactive(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    rig->hint = WEIR_HINT_INTERACTIVE;
    weir_h1_rig_step(rig, "hold", "");
    weir_h1_rig_step(rig, "request", "POST http://a/ length 20000");
    const size_t head_octets = weir_conn_pending(rig->conn, 0).length;
    weir_text_reset(&rig->log);
    weir_h1_rig_step(rig, "write", "\\{x*20000}");
    weir_text expected = {.at = NULL};
    weir_text_printf(&expected, "answer AGAIN %zu\n", 16384 - head_octets);
    assert_string_equal(weir_text_string(&rig->log), weir_text_string(&expected));
    weir_text_clear(&expected);
    /* Two records of a segment's length each, and then whatever fits. */
    assert_int_equal(weir_conn_record(rig->conn, 0, 16384).length, 1350);
    assert_int_equal(weir_conn_record(rig->conn, 1350, 16384).length, 1350);
    /* Half of it has to leave, and not one octet less. */
    weir_conn_event event;
    weir_conn_sent(rig->conn, 8191, 0);
    weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_SENT, 8191);
    assert_false(weir_conn_next_event(rig->conn, &event));
    weir_conn_sent(rig->conn, 1, 0);
    weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_SENT, 1);
    assert_true(weir_conn_next_event(rig->conn, &event));
    assert_int_equal(event.kind, WEIR_CONN_WRITABLE);
}

/* Nothing more goes to the inbox, but the end of input must be seen. */
static void h1__has_room_again_when_the_response_is_over(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_h1_rig_step(rig, "limit", "inbox_octets 4");
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "stop-reading", "");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nbody");
    assert_int_equal(weir_conn_readable(rig->conn, rig->stream), 4);
    assert_int_equal(weir_conn_room(rig->conn), WEIR_CHUNK_OCTETS);
}

static void h1__tells_nothing_more_of_what_was_cancelled(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_span response =
        WEIR_SPAN("HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe");
    weir_conn_event event;
    weir_h1_rig_step(rig, "request", "GET http://a/");
    rig->fed_octets = weir_conn_feed(rig->conn, response, 0);
    weir_ledger_wire(weir_conn_ledger(rig->conn), WEIR_RECEIVED, rig->fed_octets);
    weir_conn_cancel(rig->conn, rig->stream, 0, 0);
    assert_false(weir_conn_next_event(rig->conn, &event));
    weir_h1_rig_step(rig, "in", "llo");
    weir_h1_rig_step(rig, "end", "reset");
    assert_false(weir_conn_next_event(rig->conn, &event));
}

/* A GET whose response of that length was given up when the first octets of its content had come.
 */
static void give_up(weir_h1_rig *rig, const char *length, const char *first)
{
    char head[128];

    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\\r\\nContent-Length: %s\\r\\n\\r\\n%s",
                   length, first);
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "in", head);
    weir_h1_rig_step(rig, "cancel", "");
    weir_h1_rig_step(rig, "close", "");
}

static void assert_facts(const weir_h1_rig *rig, weir_unfit unfit, uint32_t capacity)
{
    const weir_facts facts = weir_conn_facts(rig->conn);

    assert_int_equal(facts.unfit, unfit);
    assert_int_equal(facts.accepting, unfit == WEIR_FIT);
    assert_int_equal(facts.capacity_streams, capacity);
}

static void h1__is_used_again_behind_the_rest_of_what_was_given_up(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_ledger *ledger = NULL;
    weir_account account;
    weir_why why = WEIR_WHY_NONE;

    give_up(rig, "10", "abc");
    assert_facts(rig, WEIR_FIT, 0);
    assert_int_equal(weir_conn_rest(rig->conn), 7);
    assert_true(weir_conn_deadline(rig->conn, &why) < WEIR_NEVER);
    assert_int_equal(why, WEIR_WHY_REST);
    weir_h1_rig_step(rig, "in", "defg");
    assert_facts(rig, WEIR_FIT, 0);
    weir_h1_rig_step(rig, "in", "hij");
    assert_facts(rig, WEIR_FIT, 1);
    assert_true(weir_conn_deadline(rig->conn, &why) == WEIR_NEVER);
    ledger = weir_conn_ledger(rig->conn);
    weir_ledger_account(ledger, &account);
    assert_int_equal(account.rows[WEIR_ROW_UNREAD].received, 7);
    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 204 No Content\\r\\n\\r\\n");
    weir_h1_rig_step(rig, "close", "");
    assert_facts(rig, WEIR_FIT, 1);
}

static void h1__opens_nothing_before_the_rest_has_come(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    give_up(rig, "10", "abc");
    weir_h1_rig_step(rig, "request", "GET http://a/");
    assert_null(rig->stream);
    assert_non_null(strstr((const char *)rig->log.at, "refused "));
    weir_h1_rig_step(rig, "in", "defghijXX"); /* and what comes behind it answers nothing */
    assert_facts(rig, WEIR_UNFIT_LEFT_OVER, 1);
}

static void h1__gives_up_a_rest_that_is_late(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;
    weir_why why = WEIR_WHY_NONE;

    give_up(rig, "10", "abc");
    const weir_time until_ns = weir_conn_deadline(rig->conn, &why);
    weir_conn_tick(rig->conn, until_ns - 1);
    assert_facts(rig, WEIR_FIT, 0);
    weir_conn_tick(rig->conn, until_ns);
    assert_facts(rig, WEIR_UNFIT_UNFINISHED, 1);
}

static void h1__does_not_wait_for_a_long_rest(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    give_up(rig, "65540", "abc");
    assert_int_equal(weir_conn_rest(rig->conn), 0);
    assert_facts(rig, WEIR_UNFIT_UNFINISHED, 1);
}

/* Behind the little that is left there would be no further exchange. */
static void h1__does_not_wait_for_a_rest_before_the_end(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    weir_h1_rig_step(rig, "request", "GET http://a/");
    weir_h1_rig_step(
        rig, "in", "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 9\\r\\n\\r\\nabc");
    weir_h1_rig_step(rig, "cancel", "");
    assert_int_equal(weir_conn_rest(rig->conn), 0);
    weir_h1_rig_step(rig, "close", "");
    assert_facts(rig, WEIR_UNFIT_CLOSE, 1);
}

static void h1__does_not_wait_for_a_rest_with_half_a_request_sent(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    weir_h1_rig_step(rig, "request", "POST http://a/ length 10");
    weir_h1_rig_step(rig, "write", "half");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nabc");
    weir_h1_rig_step(rig, "cancel", "");
    assert_int_equal(weir_conn_rest(rig->conn), 0);
    weir_h1_rig_step(rig, "close", "");
    assert_facts(rig, WEIR_UNFIT_UNFINISHED, 1);
}

static void h1__does_not_wait_for_a_rest_with_a_request_in_the_queue(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    weir_h1_rig_step(rig, "request", "POST http://a/ length 4");
    weir_h1_rig_step(rig, "hold", "");
    weir_h1_rig_step(rig, "finish", "four");
    weir_h1_rig_step(rig, "in", "HTTP/1.1 200 OK\\r\\nContent-Length: 9\\r\\n\\r\\nabc");
    weir_h1_rig_step(rig, "cancel", "");
    assert_int_equal(weir_conn_rest(rig->conn), 0);
    weir_h1_rig_step(rig, "close", "");
    assert_facts(rig, WEIR_UNFIT_UNFINISHED, 1);
}

static void h1__does_not_wait_for_a_rest_that_is_abandoned_or_cut_off(void **state)
{
    weir_h1_rig *rig = &((bench *)*state)->rig;

    give_up(rig, "65539", "abc");
    assert_int_equal(weir_conn_rest(rig->conn), 65536);
    weir_h1_rig_step(rig, "end", "ok");
    assert_facts(rig, WEIR_UNFIT_ENDED, 0);
    weir_conn_abandon_rest(rig->conn, 0);
    assert_facts(rig, WEIR_UNFIT_ENDED, 1);
}

static void h1__names_its_states(void **state)
{
    (void)state;
    assert_string_equal(weir_h1_sending_name(WEIR_H1_SENDING_ANSWERED), "answered");
    assert_string_equal(weir_h1_sending_name(WEIR_H1_SENDING_COUNT), "unknown");
    assert_string_equal(weir_h1_receiving_name(WEIR_H1_RECEIVING_CLOSED), "closed");
    assert_string_equal(weir_h1_receiving_name(WEIR_H1_RECEIVING_COUNT), "unknown");
}

#define ON_A_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(int argc, char **argv)
{
    weir_corpus corpus;
    weir_corpus_read(&corpus, "h1");
    const struct CMUnitTest own[] = {
        cmocka_unit_test_prestate(h1__survives_every_failed_allocation, &corpus),
        ON_A_BENCH(h1__holds_nothing_but_itself_when_idle),
        ON_A_BENCH(h1__allocates_its_record_and_the_message_for_a_warm_exchange),
        ON_A_BENCH(h1__numbers_exchanges_from_one),
        ON_A_BENCH(h1__takes_one_exchange_at_a_time),
        ON_A_BENCH(h1__leaves_a_connection_as_it_was_when_a_request_finds_no_memory),
        ON_A_BENCH(h1__changes_the_version_of_its_facts_with_them),
        ON_A_BENCH(h1__tells_that_it_will_close_with_the_head),
        ON_A_BENCH(h1__tells_that_an_upload_cut_short_ends_it),
        ON_A_BENCH(h1__has_room_for_what_its_inbox_has),
        ON_A_BENCH(h1__has_more_room_in_bulk),
        ON_A_BENCH(h1__has_the_room_that_was_given_in_bulk_too),
        ON_A_BENCH(h1__queues_less_when_it_is_interactive),
        ON_A_BENCH(h1__has_room_again_when_the_response_is_over),
        ON_A_BENCH(h1__tells_nothing_more_of_what_was_cancelled),
        ON_A_BENCH(h1__is_used_again_behind_the_rest_of_what_was_given_up),
        ON_A_BENCH(h1__opens_nothing_before_the_rest_has_come),
        ON_A_BENCH(h1__gives_up_a_rest_that_is_late),
        ON_A_BENCH(h1__does_not_wait_for_a_long_rest),
        ON_A_BENCH(h1__does_not_wait_for_a_rest_before_the_end),
        ON_A_BENCH(h1__does_not_wait_for_a_rest_with_half_a_request_sent),
        ON_A_BENCH(h1__does_not_wait_for_a_rest_with_a_request_in_the_queue),
        ON_A_BENCH(h1__does_not_wait_for_a_rest_that_is_abandoned_or_cut_off),
        cmocka_unit_test(h1__names_its_states),
    };
    struct CMUnitTest *tests = calloc(WEIR_COUNT_OF(own) + corpus.count, sizeof(*tests));
    size_t count = 0;
    for (size_t i = 0; i < WEIR_COUNT_OF(own) + corpus.count; i++) {
        struct CMUnitTest test = {.test_func = run_document};
        if (i < WEIR_COUNT_OF(own)) {
            test = own[i];
        } else {
            test.name = corpus.documents[i - WEIR_COUNT_OF(own)].title;
            test.initial_state = &corpus.documents[i - WEIR_COUNT_OF(own)];
        }
        if (argc < 2 || strstr(test.name, argv[1])) {
            tests[count++] = test;
        }
    }
    int failed = _cmocka_run_group_tests("h1", tests, count, NULL, NULL);
    free(tests);
    weir_corpus_clear(&corpus);
    return failed;
}
