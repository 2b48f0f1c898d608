/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/2 connection: birth and death, the ways in which streams and the connection end, what
 * the pool is told, and the three timers.
 *
 * What ends a stream, in one place:
 *   END_STREAM both ways          closed; its user closes it when it has read everything
 *   a stream error we find        RST_STREAM, FAILED
 *   RST_STREAM from the peer      FAILED, or STOP when the response was complete (RFC 9113 s8.1)
 *   GOAWAY below its id           FAILED, refused: may be sent again elsewhere (RFC 9113 s6.8)
 *   a connection error            FAILED
 *   the end of input              FAILED, or STOP when the response was complete
 *   its user                      cancel: RST_STREAM, nothing told
 * A closed stream stays in the table until its user closes it; its frames are LATE from then on.
 */
#include "proto/h2_session.h"
#include "proto/failure.h"

/* With so many lengths of the queue in it no further request is taken. */
#define CHOKED_AT     2
/* With so many lengths of the queue in answers that the peer does not read, it is flooding. */
#define FLOODED_AT    4
/* The longest of them, a PING. */
#define ANSWER_OCTETS 17

static bool begin(weir_h2_session *session);
static weir_unfit unfit(const weir_h2_session *session);
static weir_failure failure_of(weir_h2_fault fault);
static weir_failure stream_failure(const weir_h2_stream *stream, weir_h2_fault fault);
static void lose_all(weir_h2_session *session, const weir_failure *failure);
static weir_failure end_failure(const weir_h2_session *session, const weir_failure *failure);
static weir_time ping_due_ns(const weir_h2_session *session);
static weir_time stow_due_ns(const weir_h2_session *session);
static void tick_ping(weir_h2_session *session);

weir_conn *weir_h2_new(const weir_conn_options *options, weir_time now_ns)
{
    weir_h2_session *session = weir_alloc_zeroed(options->allocator, sizeof(*session));
    if (!session) {
        return NULL;
    }
    weir_conn *conn = &session->conn;
    weir_conn_init(conn, options);
    weir_ledger_init(&conn->ledger, options->over_tls, &session->annex);
    conn->ledger.now_ns = now_ns;
    conn->out = &session->out;
    weir_out_init(conn->out, conn->bin,
                  conn->limits->out_octets < WEIR_H2_LEAST_OUT_OCTETS ? WEIR_H2_LEAST_OUT_OCTETS
                                                                      : conn->limits->out_octets);
    weir_h2_reader_init(&session->reader, &conn->ledger);
    weir_h2_table_init(&session->table, conn->bin->allocator);
    weir_list_init(&session->streams);
    weir_list_init(&session->hungry);
    weir_list_init(&session->fed);
    weir_list_init(&session->queued);
    weir_window_init(&session->window, WEIR_WINDOW_DEFAULT_OCTETS);
    weir_h2_budget_init(&session->budget, conn->limits->unproductive_frames, now_ns);
    session->peer = (weir_h2_peer){
        .streams = 100, /* until the peer says: RFC 9113 s6.5.2 recommends it not be less */
        .initial_window_octets = WEIR_WINDOW_DEFAULT_OCTETS,
        .max_frame_octets = WEIR_H2_MIN_FRAME_OCTETS,
    };
    session->send_window = (int32_t)WEIR_WINDOW_DEFAULT_OCTETS;
    session->next_id = conn->limits->first_stream;
    session->goaway_last_id = WEIR_H2_STREAM_ID_MASK;
    session->received_ns = now_ns;
    session->ping_sent_ns = WEIR_NEVER;
    session->coded_ns = now_ns;
    session->settings_due_ns = weir_time_add(now_ns, conn->limits->settings_ns);
    session->hpack = weir_h2_hpack_new(conn->bin->allocator);
    if (!session->hpack || !begin(session)) {
        weir_h2_free(conn);
        return NULL;
    }
    weir_h2_session_update_facts(session);
    return conn;
}

void weir_h2_free(weir_conn *conn)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    WEIR_ASSERT(weir_list_is_empty(&session->streams));
    weir_h2_section_drop(&session->block.section);
    weir_h2_hpack_free(session->hpack);
    weir_h2_table_clear(&session->table);
    const weir_allocator *allocator = conn->bin->allocator;
    weir_conn_clear(conn);
    weir_release(allocator, session);
}

void weir_h2_cancel(weir_conn *conn, weir_stream *base, uint32_t h2_code)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_h2_stream *stream = weir_h2_stream_of(base);
    weir_stream_hush(base);
    weir_buf_clear(&base->inbox);
    if (weir_h2_stream_is_closed(stream)) {
        return;
    }
    bool queued = weir_h2_queue_rst_stream(conn->out, &base->owner, h2_code);
    weir_h2_stream_reset(stream);
    weir_h2_session_settle(session, stream);
    if (!queued) {
        weir_h2_session_fail_nomem(session);
    }
}

void weir_h2_close(weir_conn *conn, weir_stream *base, weir_tally *tally)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_h2_stream *stream = weir_h2_stream_of(base);
    weir_h2_cancel(conn, base, WEIR_H2_CANCEL);
    weir_h2_reader_disown(&session->reader, &base->owner);
    WEIR_ASSERT(session->committed_octets >= stream->window.limit_octets);
    session->committed_octets -= stream->window.limit_octets;
    weir_h2_table_remove(&session->table, stream);
    weir_list_remove(&stream->all);
    session->coded_ns = conn->ledger.now_ns;
    weir_out_disown(conn->out, &base->owner);
    *tally = base->owner.tally;
    weir_ledger_fold(&conn->ledger, &base->owner);
    weir_h2_stream_clear(stream);
    weir_release(conn->bin->allocator, stream);
}

size_t weir_h2_feed(weir_conn *conn, weir_span octets)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_span rest = octets;
    session->received_ns = conn->ledger.now_ns;
    while (!weir_h2_session_has_failed(session)) {
        weir_span content = {NULL, 0};
        weir_h2_part_kind kind = weir_h2_reader_next(&session->reader, &rest, &content);
        if (kind == WEIR_H2_PART_NONE) {
            break;
        }
        weir_h2_receive_part(session, kind, content);
    }
    if (weir_h2_session_has_failed(session)) {
        weir_h2_reader_drain(&session->reader, rest);
    }
    weir_h2_session_update_facts(session);
    return octets.length;
}

size_t weir_h2_room(const weir_conn *conn)
{
    /* HTTP/2 is never paused (flow control is per stream), so this is what is handy to read. */
    (void)conn;
    return (size_t)1 << 20;
}

void weir_h2_end(weir_conn *conn, const weir_failure *failure)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    if (weir_h2_session_has_failed(session)) {
        return;
    }
    session->ended = true;
    const weir_failure end = end_failure(session, failure);
    weir_conn_fail(conn, &end);
    lose_all(session, &end);
    weir_h2_session_update_facts(session);
}

void weir_h2_sent(weir_conn *conn, size_t octets)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_out_sent(conn->out, &conn->ledger, octets);
    session->answer_octets -= session->answer_octets < octets ? session->answer_octets : octets;
    weir_h2_send_wake(session);
    weir_h2_session_update_facts(session);
}

weir_time weir_h2_deadline(const weir_conn *conn, weir_why *why)
{
    const weir_h2_session *session = weir_h2_session_of_const(conn);
    *why = WEIR_WHY_NONE;
    if (weir_h2_session_has_failed(session)) {
        return WEIR_NEVER;
    }
    weir_time due_ns = session->settings_due_ns;
    if (due_ns != WEIR_NEVER) {
        *why = WEIR_WHY_SETTINGS;
    }
    if (ping_due_ns(session) < due_ns) {
        due_ns = ping_due_ns(session);
        *why = WEIR_WHY_PING;
    }
    if (stow_due_ns(session) < due_ns) {
        due_ns = stow_due_ns(session);
        *why = WEIR_WHY_STOW;
    }
    return due_ns;
}

void weir_h2_tick(weir_conn *conn)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    if (weir_h2_session_has_failed(session)) {
        return;
    }
    if (conn->ledger.now_ns >= session->settings_due_ns) {
        /* RFC 9113 s6.5.3 */
        weir_h2_session_fail(session, (weir_h2_fault){.status = WEIR_E_H2_SETTINGS,
                                                      .code = WEIR_H2_SETTINGS_TIMEOUT});
    } else if (conn->ledger.now_ns >= ping_due_ns(session)) {
        tick_ping(session);
    }
    if (conn->ledger.now_ns >= stow_due_ns(session)) {
        /* Once: what cannot be put away now is not tried again and again. */
        session->coded_ns = WEIR_NEVER;
        weir_h2_hpack_stow(session->hpack);
    }
    weir_h2_session_update_facts(session);
}

void weir_h2_shutdown(weir_conn *conn)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    if (!session->shut_down && !weir_h2_session_has_failed(session)) {
        session->shut_down = true;
        if (!weir_h2_queue_goaway(conn->out, WEIR_H2_NO_ERROR)) {
            weir_h2_session_fail_nomem(session);
        }
    }
    weir_h2_session_update_facts(session);
}

void weir_h2_check(const weir_conn *conn)
{
    const weir_h2_session *session = weir_h2_session_of_const(conn);
    uint64_t committed = 0;
    size_t count = 0;
    size_t active = 0;
    size_t told = 0;
    for (const weir_list *at = session->streams.next; at != &session->streams; at = at->next) {
        const weir_h2_stream *stream = WEIR_CONST_CONTAINER_OF(at, weir_h2_stream, all);
        weir_h2_stream_check(stream);
        committed += stream->window.limit_octets;
        count++;
        active += stream->counted ? 1 : 0;
        told += stream->waits == WEIR_H2_WAITS_TOLD ? 1 : 0;
        WEIR_CHECK_ASSERT(stream->connection_mark_ns <=
                          weir_stopwatch_read(&session->no_window, conn->ledger.now_ns));
    }
    WEIR_CHECK_ASSERT(count == session->table.count);
    WEIR_CHECK_ASSERT(active == session->active);
    WEIR_CHECK_ASSERT(told == session->told);
    WEIR_CHECK_ASSERT(weir_stopwatch_runs(&session->no_window) == (session->send_window <= 0));
    WEIR_CHECK_ASSERT(committed == session->committed_octets);
    WEIR_CHECK_ASSERT(!session->block.stream || session->block.stream_id != 0);
    WEIR_CHECK_ASSERT(!session->frame_stream || !weir_h2_stream_is_closed(session->frame_stream));
    WEIR_CHECK_ASSERT(session->next_id % 2 == 1);
    weir_h2_table_check(&session->table);
    weir_h2_reader_check(&session->reader);
    weir_window_check(&session->window);
}

void weir_h2_session_fail(weir_h2_session *session, weir_h2_fault fault)
{
    weir_conn *conn = &session->conn;
    if (weir_h2_session_has_failed(session)) {
        return;
    }
    const weir_failure failure = failure_of(fault);
    weir_conn_fail(conn, &failure);
    /* Without memory the peer is not told; it sees the close. */
    (void)weir_h2_queue_goaway(conn->out, fault.code);
    lose_all(session, &failure);
    weir_h2_session_update_facts(session);
}

bool weir_h2_session_refuse(weir_h2_session *session, weir_status status, weir_h2_code code,
                            const char *what)
{
    weir_h2_session_fail(session, (weir_h2_fault){status, code, what});
    return false;
}

void weir_h2_session_fail_nomem(weir_h2_session *session)
{
    weir_h2_session_fail(session,
                         (weir_h2_fault){.status = WEIR_E_NOMEM, .code = WEIR_H2_INTERNAL_ERROR});
}

void weir_h2_session_fail_stream(weir_h2_session *session, weir_h2_stream *stream,
                                 weir_h2_fault fault)
{
    WEIR_ASSERT(!weir_h2_stream_is_closed(stream));
    weir_failure failure = stream_failure(stream, fault);
    bool queued =
        weir_h2_queue_rst_stream(session->conn.out, &stream->base.owner, (uint32_t)fault.code);
    weir_stream_tell_failed(&stream->base, &session->conn.ready, &failure);
    weir_h2_stream_reset(stream);
    weir_h2_session_settle(session, stream);
    weir_h2_session_answered(session, queued);
}

void weir_h2_session_lose_stream(weir_h2_session *session, weir_h2_stream *stream,
                                 const weir_failure *failure)
{
    weir_failure own = *failure;
    own.phase = weir_h2_stream_phase(stream);
    if (own.processed == WEIR_MAYBE_PROCESSED) {
        own.processed = weir_h2_session_processed(stream);
    }
    weir_stream_tell_failed(&stream->base, &session->conn.ready, &own);
    weir_h2_stream_reset(stream);
    weir_h2_session_settle(session, stream);
}

void weir_h2_session_note_unread(weir_h2_session *session, weir_h2_stream *stream)
{
    const bool is_unread = weir_h2_stream_is_receiving(stream) &&
                           stream->window.remaining_octets == 0 && stream->base.inbox.octets > 0;
    weir_stopwatch_set(&stream->base.unread, is_unread, session->conn.ledger.now_ns);
}

weir_conn_stalls weir_h2_stalls(const weir_conn *conn, const weir_stream *base, weir_time now_ns)
{
    const weir_h2_session *session = weir_h2_session_of_const(conn);
    const weir_h2_stream *stream = WEIR_CONST_CONTAINER_OF(base, weir_h2_stream, base);
    weir_conn_stalls stalls = {
        .stream_window_ns = weir_stopwatch_read(&stream->own_window, now_ns),
        .connection_window_ns = stream->connection_window_ns,
    };
    if (stream->waits == WEIR_H2_WAITS_SHARED) {
        stalls.connection_window_ns +=
            weir_stopwatch_read(&session->no_window, now_ns) - stream->connection_mark_ns;
    }
    return stalls;
}

void weir_h2_session_settle(weir_h2_session *session, weir_h2_stream *stream)
{
    weir_h2_session_note_unread(session, stream);
    if (!weir_h2_stream_is_sending(stream)) {
        weir_h2_send_forget(session, stream);
    } else if (stream->receiving == WEIR_H2_RECEIVE_ENDED) {
        weir_h2_send_answered(session, stream);
    }
    if (!weir_h2_stream_is_closed(stream) || !stream->counted) {
        return;
    }
    stream->counted = false;
    session->active--;
    if (!weir_h2_session_has_failed(session)) {
        /* After a connection error the frame under way stays what it was judged to be: how much of
         * it is parsed depends on the split, and the rows must not. */
        weir_h2_reader_disown(&session->reader, &stream->base.owner);
    }
    if (session->frame_stream == stream) {
        session->frame_stream = NULL;
    }
    if (session->block.stream == stream) {
        session->block.stream = NULL;
        session->block.account = weir_h2_account_of_conn(WEIR_ROW_LATE);
        weir_h2_section_drop(&session->block.section);
    }
    if (stream->receiving == WEIR_H2_RECEIVE_RESET) {
        session->late_octets += stream->window.remaining_octets;
    }
}

weir_processed weir_h2_session_processed(const weir_h2_stream *stream)
{
    /* A request begins with a frame header, which is framing. */
    return stream->base.owner.tally.framing.sent == 0 ? WEIR_NOT_SENT : WEIR_MAYBE_PROCESSED;
}

void weir_h2_session_update_facts(weir_h2_session *session)
{
    weir_conn *conn = &session->conn;
    size_t queued = weir_out_octets(conn->out);
    if (queued > (size_t)CHOKED_AT * conn->out->octets.limit_octets) {
        session->choked = true;
    } else if (queued <= conn->out->octets.limit_octets) {
        session->choked = false;
    }
    weir_facts facts = conn->facts;
    facts.protocol = WEIR_H2;
    facts.capacity_streams = weir_h2_session_capacity(session);
    facts.capacity_assumed = !session->preface_seen;
    facts.unfit = unfit(session);
    facts.reusable = facts.unfit == WEIR_FIT;
    facts.accepting = facts.reusable && !session->choked;
    weir_conn_set_facts(conn, facts);
}

uint32_t weir_h2_session_capacity(const weir_h2_session *session)
{
    uint32_t ours = session->conn.limits->streams;
    return session->peer.streams < ours ? session->peer.streams : ours;
}

void weir_h2_session_spend(weir_h2_session *session)
{
    if (!weir_h2_budget_spend(&session->budget, session->conn.ledger.now_ns)) {
        weir_h2_session_fail(session, (weir_h2_fault){.status = WEIR_E_LIMIT_FLOOD,
                                                      .code = WEIR_H2_ENHANCE_YOUR_CALM});
    }
}

void weir_h2_session_answered(weir_h2_session *session, bool queued)
{
    weir_conn *conn = &session->conn;
    if (!queued) {
        weir_h2_session_fail_nomem(session);
        return;
    }
    session->answer_octets += ANSWER_OCTETS;
    if (session->answer_octets > (uint64_t)FLOODED_AT * conn->out->octets.limit_octets) {
        weir_h2_session_fail(session,
                             (weir_h2_fault){.status = WEIR_E_LIMIT_FLOOD,
                                             .code = WEIR_H2_ENHANCE_YOUR_CALM,
                                             .what = "the peer reads none of our answers"});
    }
}

/* The client preface: SETTINGS, and the connection window at its full size. */
static bool begin(weir_h2_session *session)
{
    weir_conn *conn = &session->conn;
    if (!weir_h2_queue_preface(conn->out) || !weir_h2_settings_queue(session)) {
        return false;
    }
    uint32_t target = conn->limits->conn_inbox_octets;
    if (target > WEIR_WINDOW_MAX_OCTETS) {
        target = WEIR_WINDOW_MAX_OCTETS;
    }
    uint32_t increment = weir_window_raise(&session->window, target);
    return increment == 0 || weir_h2_queue_window_update(conn->out, NULL, increment);
}

static weir_unfit unfit(const weir_h2_session *session)
{
    if (session->ended) {
        /* A peer that said goodbye first has told why it closes. */
        return session->goaway_seen ? WEIR_UNFIT_GOAWAY : WEIR_UNFIT_ENDED;
    }
    if (weir_h2_session_has_failed(session) || !weir_h2_hpack_can_encode(session->hpack)) {
        return WEIR_UNFIT_FAILED;
    }
    if (session->goaway_seen) {
        return WEIR_UNFIT_GOAWAY;
    }
    if (session->shut_down) {
        return WEIR_UNFIT_SHUTDOWN;
    }
    return session->next_id > WEIR_H2_STREAM_ID_MASK ? WEIR_UNFIT_IDS : WEIR_FIT;
}

/* What we say of the connection. */
static weir_failure failure_of(weir_h2_fault fault)
{
    weir_failure failure = weir_failure_of(fault.status, fault.what);

    failure.h2_code = (uint32_t)fault.code;
    failure.has_h2_code = true;
    failure.local_h2_code = true;
    return failure;
}

static weir_failure stream_failure(const weir_h2_stream *stream, weir_h2_fault fault)
{
    weir_failure failure = failure_of(fault);

    failure.phase = weir_h2_stream_phase(stream);
    failure.processed = weir_h2_session_processed(stream);
    return failure;
}

/*
 * Every stream that is not closed loses its connection. At the end of input a response that is
 * complete stands, though its request is not (RFC 9113 s8.1): the peer wanted no more of it.
 */
static void lose_all(weir_h2_session *session, const weir_failure *failure)
{
    for (weir_list *at = session->streams.next; at != &session->streams; at = at->next) {
        weir_h2_stream *stream = WEIR_CONTAINER_OF(at, weir_h2_stream, all);
        if (weir_h2_stream_is_closed(stream)) {
            continue;
        }
        if (session->ended && stream->receiving == WEIR_H2_RECEIVE_ENDED) {
            stream->base.failure = *failure;
            stream->base.failure.phase = weir_h2_stream_phase(stream);
            weir_stream_tell(&stream->base, &session->conn.ready, WEIR_CONN_STOP);
            weir_h2_stream_reset(stream);
            weir_h2_session_settle(session, stream);
            continue;
        }
        weir_failure own = *failure;
        if (session->ended && own.status == WEIR_E_CLOSED_EARLY &&
            stream->receiving == WEIR_H2_RECEIVE_BODY) {
            own.status = WEIR_E_TRUNCATED;
        }
        weir_h2_session_lose_stream(session, stream, &own);
    }
}

/* What the end of input means for the connection. */
static weir_failure end_failure(const weir_h2_session *session, const weir_failure *failure)
{
    weir_failure end = *failure;
    bool is_orderly = failure->status == WEIR_OK || failure->status == WEIR_E_UNFRAMED;
    if (session->goaway_seen && session->goaway_code != WEIR_H2_NO_ERROR) {
        end.status = WEIR_E_H2_CLOSED;
        end.h2_code = session->goaway_code;
        end.has_h2_code = true;
    } else if (is_orderly) {
        /* Frames say where they end, so a missing close_notify adds nothing. */
        end.status = WEIR_E_CLOSED_EARLY;
    }
    end.phase = weir_status_phase(end.status);
    return end;
}

/* When a PING is due, or its answer; anything that is received proves as much as an answer. */
static void tick_ping(weir_h2_session *session)
{
    weir_conn *conn = &session->conn;
    if (session->ping_sent_ns != WEIR_NEVER) {
        weir_h2_session_fail(session,
                             (weir_h2_fault){.status = WEIR_E_H2_PING, .code = WEIR_H2_NO_ERROR});
        return;
    }
    uint8_t opaque[8] = {'w', 'e', 'i', 'r'};
    weir_h2_put32(opaque + 4, (uint32_t)++session->pings);
    session->ping_sent_ns = conn->ledger.now_ns;
    weir_h2_session_answered(session, weir_h2_queue_ping(conn->out, false, opaque));
}

static weir_time ping_due_ns(const weir_h2_session *session)
{
    const weir_conn_limits *limits = session->conn.limits;
    if (session->ping_sent_ns != WEIR_NEVER) {
        weir_time since_ns = session->received_ns > session->ping_sent_ns ? session->received_ns
                                                                          : session->ping_sent_ns;
        return weir_time_add(since_ns, limits->ping_timeout_ns);
    }
    if (limits->ping_ns == 0 || (session->active == 0 && !limits->ping_idle)) {
        return WEIR_NEVER;
    }
    return weir_time_add(session->received_ns, limits->ping_ns);
}

/* While a stream is open it is not asked: whoever waits for an answer is not woken for this. */
static weir_time stow_due_ns(const weir_h2_session *session)
{
    if (session->coded_ns == WEIR_NEVER || !weir_list_is_empty(&session->streams)) {
        return WEIR_NEVER;
    }
    return weir_time_add(session->coded_ns, session->conn.limits->stow_ns);
}
