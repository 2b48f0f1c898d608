/* SPDX-License-Identifier: MIT */
/*
 * The face of a connection: chooses the machine, moves the plain counters, checks the laws.
 *
 * The plain counters are moved here, from what was given and taken at the face; the rows are
 * charged by the codecs, deep inside, from what they saw. Nothing passes between the two but the
 * octets themselves, so that their equality is a fact about the codecs and not about this file.
 *
 * Every function that changes anything is enter, dispatch, leave. enter and leave walk all
 * invariants in checking builds and cost nothing in others.
 */
#include "proto/conn_common.h"

#include "proto/failure.h"

static void enter(weir_conn *conn, weir_time now_ns);
static void leave(const weir_conn *conn);
static bool is_h2(const weir_conn *conn);

weir_reason weir_unfit_reason(weir_unfit unfit)
{
    static const weir_reason reasons[] = {
        [WEIR_FIT] = WEIR_REASON_NONE,
        [WEIR_UNFIT_CLOSE] = WEIR_REASON_CONNECTION_CLOSE,
        [WEIR_UNFIT_GOAWAY] = WEIR_REASON_DRAINING_GOAWAY,
        [WEIR_UNFIT_LEFT_OVER] = WEIR_REASON_OCTETS_LEFT_OVER,
        [WEIR_UNFIT_UNFINISHED] = WEIR_REASON_UNFINISHED,
        [WEIR_UNFIT_UNTIL_CLOSE] = WEIR_REASON_UNTIL_CLOSE,
        [WEIR_UNFIT_FAILED] = WEIR_REASON_FAILED,
        [WEIR_UNFIT_ENDED] = WEIR_REASON_PEER_CLOSED,
        [WEIR_UNFIT_IDS] = WEIR_REASON_STREAM_IDS,
        [WEIR_UNFIT_SHUTDOWN] = WEIR_REASON_SHUTDOWN,
    };
    _Static_assert(WEIR_COUNT_OF(reasons) == WEIR_UNFIT_SHUTDOWN + 1, "each has its word");
    return (size_t)unfit < WEIR_COUNT_OF(reasons) ? reasons[unfit] : WEIR_REASON_NONE;
}

weir_conn *weir_conn_new(const weir_conn_options *options, weir_time now_ns, weir_status *status)
{
    WEIR_ASSERT(options->protocol == WEIR_H1 || options->protocol == WEIR_H2);
    weir_conn *conn =
        options->protocol == WEIR_H2 ? weir_h2_new(options, now_ns) : weir_h1_new(options, now_ns);
    *status = conn ? WEIR_OK : WEIR_E_NOMEM;
    if (conn) {
        leave(conn);
    }
    return conn;
}

void weir_conn_free(weir_conn *conn)
{
    if (!conn) {
        return;
    }
    enter(conn, conn->ledger.now_ns);
    WEIR_ASSERT(conn->open_streams == 0);
    if (is_h2(conn)) {
        weir_h2_free(conn);
    } else {
        weir_h1_free(conn);
    }
}

weir_status weir_conn_open(weir_conn *conn, const weir_head *head, void *user, weir_time now_ns,
                           weir_stream **stream)
{
    enter(conn, now_ns);
    weir_status status = is_h2(conn) ? weir_h2_open(conn, head, user, stream)
                                     : weir_h1_open(conn, head, user, stream);
    if (status == WEIR_OK) {
        conn->open_streams++;
        WEIR_ASSERT((*stream)->user == user);
    }
    leave(conn);
    return status;
}

weir_status weir_conn_write(weir_conn *conn, weir_stream *stream, weir_body_part part,
                            weir_time now_ns, size_t *taken)
{
    enter(conn, now_ns);
    *taken = 0;
    weir_status status = is_h2(conn) ? weir_h2_write(conn, stream, part, taken)
                                     : weir_h1_write(conn, stream, part, taken);
    WEIR_ASSERT(*taken <= part.octets.length);
    WEIR_ASSERT(status != WEIR_OK || *taken == part.octets.length);
    leave(conn);
    return status;
}

weir_status weir_conn_write_trailers(weir_conn *conn, weir_stream *stream,
                                     const weir_fields *trailers, weir_time now_ns)
{
    enter(conn, now_ns);
    weir_status status = is_h2(conn) ? weir_h2_write_trailers(conn, stream, trailers)
                                     : weir_h1_write_trailers(conn, stream, trailers);
    leave(conn);
    return status;
}

size_t weir_conn_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room,
                      weir_time now_ns)
{
    enter(conn, now_ns);
    size_t octets =
        is_h2(conn) ? weir_h2_read(conn, stream, to, room) : weir_h1_read(conn, stream, to, room);
    WEIR_ASSERT(octets <= room);
    leave(conn);
    return octets;
}

size_t weir_conn_readable(const weir_conn *conn, const weir_stream *stream)
{
    (void)conn;
    return stream->inbox.octets;
}

void weir_conn_cancel(weir_conn *conn, weir_stream *stream, uint32_t h2_code, weir_time now_ns)
{
    enter(conn, now_ns);
    if (is_h2(conn)) {
        weir_h2_cancel(conn, stream, h2_code);
    } else {
        weir_h1_cancel(conn, stream);
    }
    /* No further event is told of a stream that its user gave up. */
    WEIR_ASSERT(stream->news == 0);
    leave(conn);
}

void weir_conn_close(weir_conn *conn, weir_stream *stream, weir_time now_ns, weir_tally *tally)
{
    enter(conn, now_ns);
    WEIR_ASSERT(conn->open_streams > 0);
    if (is_h2(conn)) {
        weir_h2_close(conn, stream, tally);
    } else {
        weir_h1_close(conn, stream, tally);
    }
    conn->open_streams--;
    leave(conn);
}

size_t weir_conn_feed(weir_conn *conn, weir_span octets, weir_time now_ns)
{
    enter(conn, now_ns);
    size_t taken = is_h2(conn) ? weir_h2_feed(conn, octets) : weir_h1_feed(conn, octets);
    WEIR_ASSERT(taken <= octets.length);
    weir_ledger_plain(&conn->ledger, WEIR_RECEIVED, taken);
    leave(conn);
    return taken;
}

size_t weir_conn_room(const weir_conn *conn)
{
    return is_h2(conn) ? weir_h2_room(conn) : weir_h1_room(conn);
}

void weir_conn_end(weir_conn *conn, const weir_failure *failure, weir_time now_ns)
{
    enter(conn, now_ns);
    if (is_h2(conn)) {
        weir_h2_end(conn, failure);
    } else {
        weir_h1_end(conn, failure);
    }
    leave(conn);
}

weir_span weir_conn_pending(const weir_conn *conn, size_t skip)
{
    return conn->withholds || !conn->out ? (weir_span){NULL, 0} : weir_out_pending(conn->out, skip);
}

weir_span weir_conn_record(const weir_conn *conn, size_t skip, size_t most)
{
    return conn->withholds || !conn->out ? (weir_span){NULL, 0}
                                         : weir_out_record(conn->out, skip, most);
}

void weir_conn_sent(weir_conn *conn, size_t octets, weir_time now_ns)
{
    enter(conn, now_ns);
    WEIR_ASSERT(conn->out != NULL);
    WEIR_ASSERT(octets <= weir_out_octets(conn->out));
    weir_ledger_plain(&conn->ledger, WEIR_SENT, octets);
    if (is_h2(conn)) {
        weir_h2_sent(conn, octets);
    } else {
        weir_h1_sent(conn, octets);
    }
    leave(conn);
}

bool weir_conn_next_event(weir_conn *conn, weir_conn_event *event)
{
    return weir_news_next(&conn->ready, event);
}

bool weir_conn_next_event_of(weir_conn *conn, weir_stream *stream, weir_conn_event *event)
{
    return weir_stream_next_event(stream, &conn->ready, event);
}

weir_stream *weir_conn_next_ready(weir_conn *conn, const weir_stream *after)
{
    weir_list *next = after ? after->ready.next : conn->ready.next;
    return next == &conn->ready ? NULL : WEIR_CONTAINER_OF(next, weir_stream, ready);
}

weir_conn_stalls weir_conn_stalls_of(const weir_conn *conn, const weir_stream *stream,
                                     weir_time now_ns)
{
    /* HTTP/1.1 has no windows. */
    weir_conn_stalls stalls = {0, 0, 0};

    if (is_h2(conn)) {
        stalls = weir_h2_stalls(conn, stream, now_ns);
    }
    stalls.unread_ns = weir_stopwatch_read(&stream->unread, now_ns);
    return stalls;
}

weir_time weir_conn_deadline(const weir_conn *conn, weir_why *why)
{
    return is_h2(conn) ? weir_h2_deadline(conn, why) : weir_h1_deadline(conn, why);
}

void weir_conn_tick(weir_conn *conn, weir_time now_ns)
{
    enter(conn, now_ns);
    if (is_h2(conn)) {
        weir_h2_tick(conn);
    } else {
        weir_h1_tick(conn);
    }
    leave(conn);
}

uint64_t weir_conn_rest(const weir_conn *conn)
{
    return is_h2(conn) ? 0 : weir_h1_rest(conn);
}

void weir_conn_abandon_rest(weir_conn *conn, weir_time now_ns)
{
    enter(conn, now_ns);
    if (!is_h2(conn)) {
        weir_h1_abandon_rest(conn);
    }
    leave(conn);
}

void weir_conn_shutdown(weir_conn *conn, weir_time now_ns)
{
    enter(conn, now_ns);
    if (is_h2(conn)) {
        weir_h2_shutdown(conn);
    } else {
        weir_h1_shutdown(conn);
    }
    WEIR_ASSERT(!conn->facts.accepting);
    leave(conn);
}

weir_facts weir_conn_facts(const weir_conn *conn)
{
    return conn->facts;
}

weir_failure weir_conn_failure(const weir_conn *conn)
{
    if (conn->failure) {
        return *conn->failure;
    }
    return weir_failure_of(conn->failed ? WEIR_E_NOMEM : WEIR_OK, NULL);
}

size_t weir_conn_open_streams(const weir_conn *conn)
{
    return conn->open_streams;
}

weir_ledger *weir_conn_ledger(weir_conn *conn)
{
    return &conn->ledger;
}

void weir_conn_check(const weir_conn *conn)
{
    size_t owners = 0;
    for (const weir_owner *at = weir_ledger_next_open(&conn->ledger, NULL); at;
         at = weir_ledger_next_open(&conn->ledger, at)) {
        owners++;
    }
    WEIR_CHECK_ASSERT(owners == conn->open_streams);
    for (const weir_list *at = conn->ready.next; at != &conn->ready; at = at->next) {
        WEIR_CHECK_ASSERT(WEIR_CONST_CONTAINER_OF(at, weir_stream, ready)->news != 0);
    }
    WEIR_CHECK_ASSERT(conn->failed || !conn->failure);
    WEIR_CHECK_ASSERT(!conn->failed || !conn->facts.accepting);
    WEIR_CHECK_ASSERT(!conn->failed || !conn->facts.reusable);
    WEIR_CHECK_ASSERT((conn->facts.unfit == WEIR_FIT) == conn->facts.reusable);
    if (conn->out) {
        weir_out_check(conn->out);
    }
    weir_ledger_check_plain(&conn->ledger);
    if (is_h2(conn)) {
        weir_h2_check(conn);
    } else {
        weir_h1_check(conn);
    }
}

/*
 * Threads of one link read the clock before they take its lock and so may come in the wrong order:
 * a time that lies before the last one is the last one.
 */
static void enter(weir_conn *conn, weir_time now_ns)
{
    if (now_ns > conn->ledger.now_ns) {
        conn->ledger.now_ns = now_ns;
    }
    if (WEIR_CHECKING) {
        weir_conn_check(conn);
    }
}

static void leave(const weir_conn *conn)
{
    if (WEIR_CHECKING) {
        weir_conn_check(conn);
    }
}

static bool is_h2(const weir_conn *conn)
{
    return conn->facts.protocol == WEIR_H2;
}
