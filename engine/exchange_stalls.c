/* SPDX-License-Identifier: MIT */
/*
 * What holds an exchange up, and for how long (docs/stalls.md).
 *
 * Each half waits for one thing at a time. The response half waits for the caller to read, or for
 * the peer, which is no stall; the request half waits for a place, for the handshake of its own
 * dial, for a window, for the socket, or for the caller.
 *
 * Two kinds of clock. What changes where nobody of this exchange looks on (a window, another
 * thread's send) is timed where it changes: by the conn (weir_conn_stalls_of) and by the link
 * (`refused`). What only the exchange knows, whether it has something to send or could have, is one
 * word, derive()d from its state whenever something happened to it. settle() adds what passed since
 * the last such moment: what the stream's clocks advanced goes to the windows, and of the rest what
 * the link's advanced to the socket if octets waited, or all of it to the caller if there were
 * none. So no moment is counted twice.
 */
#include "engine/exchange.h"

static weir_awaited derive(const weir_exchange *ex);
static bool has_content(const weir_exchange *ex);

void weir_exchange_stalls_begin(weir_exchange *ex, weir_time now_ns)
{
    weir_stall_clock *clock = &ex->stalls;

    clock->since_ns = now_ns;
    clock->conn = weir_conn_stalls_of(ex->link->conn, ex->stream, now_ns);
    clock->refused_ns = weir_stopwatch_read(&ex->link->refused, now_ns);
    clock->awaited = derive(ex);
}

void weir_exchange_stalls_settle(weir_exchange *ex, weir_time now_ns)
{
    weir_stall_clock *clock = &ex->stalls;

    if (ex->stream == NULL) {
        return;
    }
    const weir_conn_stalls conn = weir_conn_stalls_of(ex->link->conn, ex->stream, now_ns);
    const weir_time refused_ns = weir_stopwatch_read(&ex->link->refused, now_ns);
    /* Threads read their clocks before they take the lock: none of these need be later than what
     * was seen before. */
    const weir_time stream_ns =
        weir_time_since(conn.stream_window_ns, clock->conn.stream_window_ns);
    const weir_time connection_ns =
        weir_time_since(conn.connection_window_ns, clock->conn.connection_window_ns);
    const weir_time rest_ns =
        weir_time_since(weir_time_since(now_ns, clock->since_ns), stream_ns + connection_ns);

    if (clock->awaited == WEIR_AWAITED_OUT) {
        clock->sum.stream_window_ns += stream_ns;
        clock->sum.connection_window_ns += connection_ns;
        clock->sum.socket_ns +=
            weir_time_earlier(rest_ns, weir_time_since(refused_ns, clock->refused_ns));
    } else if (clock->awaited == WEIR_AWAITED_CALLER) {
        clock->sum.caller_supplying_ns += rest_ns;
    }
    clock->sum.caller_reading_ns += weir_time_since(conn.unread_ns, clock->conn.unread_ns);
    clock->conn = conn;
    clock->refused_ns = refused_ns;
    clock->since_ns = now_ns > clock->since_ns ? now_ns : clock->since_ns;
    clock->awaited = derive(ex);
}

void weir_exchange_stalls_unread(weir_exchange *ex, weir_time now_ns)
{
    weir_stall_clock *clock = &ex->stalls;

    if (ex->stream == NULL) {
        return;
    }
    /* A clock of the conn that runs has counted it. */
    if (ex->stream->inbox.octets > 0 && !weir_stopwatch_runs(&ex->stream->unread) &&
        !weir_exchange_is_over(ex)) {
        clock->sum.caller_reading_ns += weir_time_since(now_ns, clock->since_ns);
    }
    weir_exchange_stalls_settle(ex, now_ns);
}

bool weir_exchange_awaits_caller(const weir_exchange *ex)
{
    return ex->stream != NULL &&
           (ex->stalls.awaited == WEIR_AWAITED_CALLER || weir_stopwatch_runs(&ex->stream->unread));
}

/* The whole of what the request half may wait for while it is ATTACHED. */
static weir_awaited derive(const weir_exchange *ex)
{
    if (ex->state != WEIR_EXCHANGE_ATTACHED || ex->failure.status != WEIR_OK ||
        ex->response_ended) {
        return WEIR_AWAITED_NOTHING;
    }
    if (ex->sending == WEIR_SENDING_STOPPED || weir_exchange_upload_is_unwanted(ex)) {
        return WEIR_AWAITED_NOTHING; /* what is queued still may be credit for the answer */
    }
    if (ex->stream->owner.queued_octets > 0) {
        return WEIR_AWAITED_OUT;
    }
    if (ex->sending != WEIR_SENDING_BODY) {
        return WEIR_AWAITED_NOTHING;
    }
    if (ex->write_blocked) {
        return WEIR_AWAITED_OUT;
    }
    return has_content(ex) ? WEIR_AWAITED_NOTHING : WEIR_AWAITED_CALLER;
}

/* Is there content to push that nobody has to be asked for? */
static bool has_content(const weir_exchange *ex)
{
    switch (ex->body.kind) {
    case WEIR_BODY_NONE:
    case WEIR_BODY_SPAN:
        return true;
    case WEIR_BODY_SOURCE:
        return ex->stage_first < ex->stage_end || ex->source_ended || ex->source_status != WEIR_OK;
    case WEIR_BODY_STREAM:
        return false;
    }
    return true;
}
