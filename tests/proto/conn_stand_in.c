/* SPDX-License-Identifier: MIT */
/*
 * Each function says which it is and does the little that a machine must do, as conn_common.h asks.
 */
#include "conn_stand_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

machine *machine_of(const weir_conn *conn)
{
    return WEIR_CONTAINER_OF((uintptr_t)conn, machine, conn);
}

static void ask(const weir_conn *conn, const char *h1, const char *h2)
{
    machine *m = machine_of(conn);
    m->asked = conn->facts.protocol == WEIR_H2 ? h2 : h1;
    m->asked_ns = conn->ledger.now_ns;
}

static weir_conn *stand_in_new(const weir_conn_options *options, weir_time now_ns)
{
    machine *m = weir_alloc_zeroed(options->allocator, sizeof(*m));
    if (!m) {
        return NULL;
    }
    weir_conn_init(&m->conn, options);
    weir_ledger_init(&m->conn.ledger, options->over_tls, &m->annex);
    m->conn.ledger.now_ns = now_ns;
    m->conn.out = &m->out;
    weir_out_init(&m->out, options->bin, m->conn.limits->out_octets);
    m->takes = SIZE_MAX;
    return &m->conn;
}

static void stand_in_free(weir_conn *conn)
{
    const weir_allocator *allocator = conn->bin->allocator;
    weir_conn_clear(conn);
    weir_release(allocator, machine_of(conn));
}

static weir_status stand_in_open(weir_conn *conn, void *user, weir_stream **stream)
{
    machine *m = machine_of(conn);
    if (conn->open_streams > 0) {
        return WEIR_E_NOT_ACCEPTING;
    }
    weir_stream_init(&m->stream, user, conn->bin, conn->limits->inbox_octets);
    weir_ledger_open(&conn->ledger, &m->stream.owner, 1);
    *stream = &m->stream;
    return WEIR_OK;
}

static weir_status stand_in_write(weir_conn *conn, weir_stream *stream, weir_span octets,
                                  size_t *taken)
{
    size_t length = weir_min(octets.length, machine_of(conn)->takes);
    if (!weir_out_append(conn->out, &stream->owner, WEIR_ROW_BODY,
                         weir_span_head(octets, length))) {
        return WEIR_E_NOMEM;
    }
    *taken = length;
    return length == octets.length ? WEIR_OK : WEIR_AGAIN;
}

static size_t stand_in_feed(weir_conn *conn, weir_span octets)
{
    machine *m = machine_of(conn);
    size_t taken = weir_min(octets.length, m->takes);
    weir_ledger_charge(&conn->ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED,
                       taken + (size_t)m->astray);
    if (conn->open_streams > 0) {
        assert_true(weir_buf_append(&m->stream.inbox, weir_span_head(octets, taken)));
        weir_stream_tell(&m->stream, &conn->ready, WEIR_CONN_BODY);
    }
    return taken;
}

static void stand_in_close(weir_conn *conn, weir_stream *stream, weir_tally *tally)
{
    weir_out_disown(conn->out, &stream->owner);
    weir_ledger_fold(&conn->ledger, &stream->owner);
    *tally = stream->owner.tally;
    weir_stream_clear(stream);
}

static void stand_in_end(weir_conn *conn, const weir_failure *failure, weir_unfit unfit)
{
    weir_facts facts = conn->facts;
    facts.accepting = false;
    facts.reusable = false;
    facts.unfit = unfit;
    weir_conn_set_facts(conn, facts);
    if (failure) {
        weir_conn_fail(conn, failure);
    }
}

weir_conn *weir_h1_new(const weir_conn_options *options, weir_time now_ns)
{
    assert_int_equal(options->protocol, WEIR_H1);
    return stand_in_new(options, now_ns);
}

weir_conn *weir_h2_new(const weir_conn_options *options, weir_time now_ns)
{
    assert_int_equal(options->protocol, WEIR_H2);
    return stand_in_new(options, now_ns);
}

void weir_h1_free(weir_conn *conn)
{
    assert_int_equal(conn->facts.protocol, WEIR_H1);
    stand_in_free(conn);
}

void weir_h2_free(weir_conn *conn)
{
    assert_int_equal(conn->facts.protocol, WEIR_H2);
    stand_in_free(conn);
}

weir_status weir_h1_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **stream)
{
    (void)head;
    ask(conn, "h1_open", "wrong");
    return stand_in_open(conn, user, stream);
}

weir_status weir_h2_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **stream)
{
    (void)head;
    ask(conn, "wrong", "h2_open");
    return stand_in_open(conn, user, stream);
}

weir_status weir_h1_write(weir_conn *conn, weir_stream *stream, weir_body_part part, size_t *taken)
{
    ask(conn, part.end ? "h1_write end" : "h1_write", "wrong");
    return stand_in_write(conn, stream, part.octets, taken);
}

weir_status weir_h2_write(weir_conn *conn, weir_stream *stream, weir_body_part part, size_t *taken)
{
    ask(conn, "wrong", part.end ? "h2_write end" : "h2_write");
    return stand_in_write(conn, stream, part.octets, taken);
}

weir_status weir_h1_write_trailers(weir_conn *conn, weir_stream *stream,
                                   const weir_fields *trailers)
{
    (void)stream;
    (void)trailers;
    ask(conn, "h1_write_trailers", "wrong");
    return WEIR_E_STATE;
}

weir_status weir_h2_write_trailers(weir_conn *conn, weir_stream *stream,
                                   const weir_fields *trailers)
{
    (void)stream;
    (void)trailers;
    ask(conn, "wrong", "h2_write_trailers");
    return WEIR_E_STATE;
}

size_t weir_h1_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room)
{
    ask(conn, "h1_read", "wrong");
    return weir_buf_take(&stream->inbox, to, room);
}

size_t weir_h2_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room)
{
    ask(conn, "wrong", "h2_read");
    return weir_buf_take(&stream->inbox, to, room);
}

void weir_h1_cancel(weir_conn *conn, weir_stream *stream)
{
    ask(conn, "h1_cancel", "wrong");
    weir_stream_hush(stream);
}

void weir_h2_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code)
{
    ask(conn, "wrong", "h2_cancel");
    machine_of(conn)->h2_code = h2_code;
    weir_stream_hush(stream);
}

void weir_h1_close(weir_conn *conn, weir_stream *stream, weir_tally *tally)
{
    ask(conn, "h1_close", "wrong");
    stand_in_close(conn, stream, tally);
}

void weir_h2_close(weir_conn *conn, weir_stream *stream, weir_tally *tally)
{
    ask(conn, "wrong", "h2_close");
    stand_in_close(conn, stream, tally);
}

size_t weir_h1_feed(weir_conn *conn, weir_span octets)
{
    ask(conn, "h1_feed", "wrong");
    return stand_in_feed(conn, octets);
}

size_t weir_h2_feed(weir_conn *conn, weir_span octets)
{
    ask(conn, "wrong", "h2_feed");
    return stand_in_feed(conn, octets);
}

size_t weir_h1_room(const weir_conn *conn)
{
    ask(conn, "h1_room", "wrong");
    return 11;
}

size_t weir_h2_room(const weir_conn *conn)
{
    ask(conn, "wrong", "h2_room");
    return 22;
}

void weir_h1_end(weir_conn *conn, const weir_failure *failure)
{
    ask(conn, "h1_end", "wrong");
    stand_in_end(conn, failure, WEIR_UNFIT_ENDED);
}

void weir_h2_end(weir_conn *conn, const weir_failure *failure)
{
    ask(conn, "wrong", "h2_end");
    stand_in_end(conn, failure, WEIR_UNFIT_ENDED);
}

void weir_h1_sent(weir_conn *conn, size_t octets)
{
    ask(conn, "h1_sent", "wrong");
    weir_out_sent(conn->out, &conn->ledger, octets);
}

weir_conn_stalls weir_h2_stalls(const weir_conn *conn, const weir_stream *stream, weir_time now_ns)
{
    (void)conn;
    (void)stream;
    (void)now_ns;
    return (weir_conn_stalls){0, 0, 0};
}

void weir_h2_sent(weir_conn *conn, size_t octets)
{
    ask(conn, "wrong", "h2_sent");
    weir_out_sent(conn->out, &conn->ledger, octets);
}

weir_time weir_h2_deadline(const weir_conn *conn, weir_why *why)
{
    ask(conn, "wrong", "h2_deadline");
    *why = WEIR_WHY_SETTINGS;
    return 1234;
}

void weir_h2_tick(weir_conn *conn)
{
    ask(conn, "wrong", "h2_tick");
}

weir_time weir_h1_deadline(const weir_conn *conn, weir_why *why)
{
    ask(conn, "h1_deadline", "wrong");
    *why = WEIR_WHY_NONE;
    return WEIR_NEVER;
}

void weir_h1_tick(weir_conn *conn)
{
    ask(conn, "h1_tick", "wrong");
}

uint64_t weir_h1_rest(const weir_conn *conn)
{
    ask(conn, "h1_rest", "wrong");
    return 0;
}

void weir_h1_abandon_rest(weir_conn *conn)
{
    ask(conn, "h1_abandon_rest", "wrong");
}

void weir_h1_shutdown(weir_conn *conn)
{
    ask(conn, "h1_shutdown", "wrong");
    stand_in_end(conn, NULL, WEIR_UNFIT_SHUTDOWN);
}

void weir_h2_shutdown(weir_conn *conn)
{
    ask(conn, "wrong", "h2_shutdown");
    stand_in_end(conn, NULL, WEIR_UNFIT_SHUTDOWN);
}

void weir_h1_check(const weir_conn *conn)
{
    assert_int_equal(conn->facts.protocol, WEIR_H1);
}

void weir_h2_check(const weir_conn *conn)
{
    assert_int_equal(conn->facts.protocol, WEIR_H2);
}
