/* SPDX-License-Identifier: MIT */
/*
 * Requests, and whose turn it is to send.
 *
 * A header block is encoded only when the memory to queue it is there: what the encoder has put
 * into its table, the peer must learn (RFC 7541 s2.2). Should the encoder itself run out of memory,
 * it is lost: the connection takes no further request and the exchanges on it go on.
 *
 * Whose turn. A sender that was blocked by something that all share (the connection's window, room
 * in the queue) waits in one of two lists: `hungry` if it got nothing the last time, `fed` if it
 * got something. They are told in that order. Who writes while others wait gets one frame's worth.
 * So senders that answer WRITABLE in the order in which it is told go round, however greedy one of
 * them is and in whatever portions room appears. Nothing is reserved for one that was told: it may
 * have nothing to send.
 * They are told only when half of the queue is free, because a frame per few octets of room is
 * waste. A sender that its own stream's window blocks is in no list: nothing is shared that it
 * could take. One that may queue less than there is room for (it is interactive) and has done so
 * waits in `queued` until half of that is sent; there are as many of those as fit the queue.
 *
 * What blocks is timed where it changes: a wait for the stream's own window by a stopwatch of the
 * stream; a wait for what is shared by what the connection's stopwatch (no window is left) advances
 * during it. Who waits for room in the queue alone waits for the socket, which is the link's to
 * time.
 */
#include "proto/h2_session.h"

#include <string.h>

/* What one sender gets while others wait. */
#define TURN_OCTETS        WEIR_H2_MIN_FRAME_OCTETS
/* With less room than this for a longer rest, no frame is begun. */
#define LEAST_FRAME_OCTETS ((size_t)256)
/* Header blocks up to this length are encoded on the stack. */
#define FEW_OCTETS         2048

#define LENGTH_DIGITS 20
#define MOST_LEAD     5

static bool may_open(const weir_h2_session *session);
static size_t lead_of(const weir_head *head, uint8_t *digits, weir_field *lead);
static weir_field field_of(const char *name, weir_span value);
static weir_span decimal(uint64_t value, uint8_t *digits);
static weir_h2_stream *make_stream(weir_h2_session *session, const weir_head *head, void *user);
static void enrol(weir_h2_session *session, weir_h2_stream *stream, const weir_head *head);
static weir_status encode(weir_h2_session *session, const weir_h2_section_fields *section,
                          weir_h2_block *block, uint8_t **heap, uint8_t *few);
static weir_status check_write(const weir_h2_stream *stream, weir_span octets, bool end);
static size_t portion(const weir_h2_session *session, const weir_h2_stream *stream, size_t rest,
                      size_t allowance);
static weir_status send_data(weir_h2_session *session, weir_h2_stream *stream, weir_span content,
                             bool end);
static size_t allowance_of(const weir_h2_session *session, const weir_h2_stream *stream);
static void wait_for(weir_h2_session *session, weir_h2_stream *stream, weir_h2_waiting waits);
static void block_sender(weir_h2_session *session, weir_h2_stream *stream);
static uint32_t queue_octets_of(const weir_h2_session *session, const weir_head *head);
static size_t own_room(const weir_h2_stream *stream);
static bool has_queued_enough(const weir_h2_stream *stream);
static bool others_wait(const weir_h2_session *session);
static void tell_writable(weir_h2_session *session, weir_list *list);
static void tell(weir_h2_session *session, weir_h2_stream *stream);
static void open_window(weir_h2_session *session, weir_h2_stream *stream);
static bool is_bulk(const weir_h2_session *session, const weir_h2_stream *stream);
static uint32_t target_window(const weir_h2_session *session, const weir_h2_stream *stream);
static void announce(weir_h2_session *session, weir_h2_stream *stream, uint32_t limit_before,
                     uint32_t increment);

weir_status weir_h2_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **base)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    if (!may_open(session)) {
        return WEIR_E_NOT_ACCEPTING;
    }
    uint8_t digits[LENGTH_DIGITS];
    weir_field lead[MOST_LEAD];
    weir_h2_section_fields section = {lead, lead_of(head, digits, lead), &head->fields};
    weir_h2_stream *stream = make_stream(session, head, user);
    if (!stream) {
        return WEIR_E_NOMEM;
    }

    uint8_t few[FEW_OCTETS];
    uint8_t *heap = NULL;
    weir_h2_block block = {.owner = &stream->base.owner,
                           .row = WEIR_ROW_HEAD,
                           .max_frame_octets = session->peer.max_frame_octets,
                           .end_stream = !weir_h2_stream_is_sending(stream)};
    weir_status status = encode(session, &section, &block, &heap, few);
    if (status == WEIR_OK) {
        enrol(session, stream, head);
        weir_h2_queue_block(conn->out, &block);
        open_window(session, stream);
        *base = &stream->base;
    } else {
        weir_h2_table_trim(&session->table);
        weir_h2_stream_clear(stream);
        weir_release(conn->bin->allocator, stream);
    }
    weir_release(conn->bin->allocator, heap);
    weir_h2_session_update_facts(session);
    return status;
}

weir_status weir_h2_write(weir_conn *conn, weir_stream *base, weir_body_part part, size_t *taken)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_h2_stream *stream = weir_h2_stream_of(base);
    weir_status status = check_write(stream, part.octets, part.end);
    if (status != WEIR_OK) {
        return status;
    }
    weir_h2_send_forget(session, stream);
    size_t allowance = allowance_of(session, stream);
    weir_span rest = part.octets;
    while (status == WEIR_OK && (rest.length > 0 || part.end)) {
        size_t step = portion(session, stream, rest.length, allowance);
        if (step == 0 && rest.length > 0) {
            block_sender(session, stream);
            weir_h2_send_wake(session);
            return WEIR_AGAIN;
        }
        bool last = step == rest.length;
        status = send_data(session, stream, weir_span_head(rest, step), part.end && last);
        if (status == WEIR_OK) {
            rest = weir_span_from(rest, step);
            allowance -= step;
            stream->turn_octets += step;
            *taken += step;
            if (last) {
                break;
            }
        }
    }
    return status;
}

weir_status weir_h2_write_trailers(weir_conn *conn, weir_stream *base, const weir_fields *trailers)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_h2_stream *stream = weir_h2_stream_of(base);
    weir_status status = check_write(stream, (weir_span){NULL, 0}, true);
    if (status != WEIR_OK || weir_fields_count(trailers) == 0) {
        return status == WEIR_OK ? send_data(session, stream, (weir_span){NULL, 0}, true) : status;
    }
    if (!weir_h2_hpack_can_encode(session->hpack)) {
        return WEIR_E_NOMEM;
    }
    uint8_t few[FEW_OCTETS];
    uint8_t *heap = NULL;
    weir_h2_section_fields section = {NULL, 0, trailers};
    weir_h2_block block = {.owner = &base->owner,
                           .row = WEIR_ROW_TRAILERS,
                           .max_frame_octets = session->peer.max_frame_octets,
                           .end_stream = true};
    status = encode(session, &section, &block, &heap, few);
    if (status == WEIR_OK) {
        weir_h2_queue_block(conn->out, &block);
        weir_h2_stream_sent_end(stream);
        weir_h2_session_settle(session, stream);
    }
    weir_release(conn->bin->allocator, heap);
    weir_h2_session_update_facts(session);
    return status;
}

size_t weir_h2_read(weir_conn *conn, weir_stream *base, uint8_t *to, size_t room)
{
    weir_h2_session *session = weir_h2_session_of(conn);
    weir_h2_stream *stream = weir_h2_stream_of(base);
    size_t octets = weir_buf_take(&base->inbox, to, room);
    weir_window_release(&stream->window, (uint32_t)octets);
    if (octets > 0 && weir_h2_stream_is_receiving(stream)) {
        weir_h2_send_credit(session, stream);
        weir_h2_session_update_facts(session);
    }
    weir_h2_session_note_unread(session, stream);
    return octets;
}

void weir_h2_send_credit(weir_h2_session *session, weir_h2_stream *stream)
{
    uint32_t before = stream->window.limit_octets;
    uint32_t increment = weir_window_credit(&stream->window, target_window(session, stream));
    announce(session, stream, before, increment);
}

void weir_h2_send_raise(weir_h2_session *session, weir_h2_stream *stream)
{
    bool is_long = stream->content_left != WEIR_UNKNOWN &&
                   stream->content_left > stream->window.remaining_octets;
    if (!is_long || !weir_h2_stream_is_receiving(stream)) {
        return;
    }
    uint32_t before = stream->window.limit_octets;
    uint32_t increment = weir_window_raise(&stream->window, target_window(session, stream));
    announce(session, stream, before, increment);
}

void weir_h2_send_unblock(weir_h2_session *session, weir_h2_stream *stream)
{
    if (stream->waits == WEIR_H2_WAITS_OWN_WINDOW && stream->send_window > 0) {
        wait_for(session, stream, WEIR_H2_WAITS_SHARED);
        weir_list_push_back(&session->hungry, &stream->waiting);
    }
}

void weir_h2_send_window(weir_h2_session *session, int64_t octets)
{
    session->send_window = (int32_t)(session->send_window + octets);
    weir_stopwatch_set(&session->no_window, session->send_window <= 0, session->conn.ledger.now_ns);
}

void weir_h2_send_wake(weir_h2_session *session)
{
    size_t queued = weir_out_octets(session->conn.out);
    if (session->send_window > 0 && queued <= session->conn.out->octets.limit_octets / 2) {
        tell_writable(session, &session->hungry);
        tell_writable(session, &session->fed);
    }
    for (weir_list *at = session->queued.next, *next; at != &session->queued; at = next) {
        weir_h2_stream *stream = WEIR_CONTAINER_OF(at, weir_h2_stream, waiting);
        next = at->next;
        if (!has_queued_enough(stream)) {
            tell(session, stream);
        }
    }
}

void weir_h2_send_answered(weir_h2_session *session, weir_h2_stream *stream)
{
    if (stream->waits != WEIR_H2_WAITS_NOT && stream->waits != WEIR_H2_WAITS_TOLD) {
        weir_h2_send_forget(session, stream);
        weir_stream_tell(&stream->base, &session->conn.ready, WEIR_CONN_WRITABLE);
    }
}

void weir_h2_send_forget(weir_h2_session *session, weir_h2_stream *stream)
{
    if (stream->waits == WEIR_H2_WAITS_TOLD) {
        session->told--;
    }
    wait_for(session, stream, WEIR_H2_WAITS_NOT);
    weir_list_remove(&stream->waiting);
}

static bool may_open(const weir_h2_session *session)
{
    return session->conn.facts.accepting && session->active < weir_h2_session_capacity(session);
}

/* RFC 9113 s8.3.1; for CONNECT s8.5. */
static size_t lead_of(const weir_head *head, uint8_t *digits, weir_field *lead)
{
    size_t count = 0;
    lead[count++] = field_of(":method", head->method);
    if (!head->is_connect) {
        lead[count++] = field_of(":scheme", weir_span_of(head->https ? "https" : "http"));
    }
    lead[count++] = field_of(":authority", head->authority);
    if (!head->is_connect) {
        lead[count++] = field_of(":path", head->path);
    }
    if (head->says_length) {
        lead[count++] = field_of("content-length", decimal(head->body.length_octets, digits));
    }
    WEIR_ASSERT(count <= MOST_LEAD);
    return count;
}

static weir_field field_of(const char *name, weir_span value)
{
    return (weir_field){.name = weir_span_of(name), .value = value};
}

static weir_span decimal(uint64_t value, uint8_t *digits)
{
    uint8_t *at = digits + LENGTH_DIGITS;
    do {
        *--at = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return (weir_span){at, (size_t)(digits + LENGTH_DIGITS - at)};
}

/* A stream and a place for it, in nothing yet. NULL: no memory. */
static weir_h2_stream *make_stream(weir_h2_session *session, const weir_head *head, void *user)
{
    weir_conn *conn = &session->conn;
    weir_h2_stream *stream = weir_alloc_zeroed(conn->bin->allocator, sizeof(*stream));
    if (!stream) {
        return NULL;
    }
    if (!weir_h2_table_prepare(&session->table)) {
        weir_release(conn->bin->allocator, stream);
        return NULL;
    }
    weir_h2_stream_init(stream, &(weir_h2_stream_options){
                                    .user = user,
                                    .bin = conn->bin,
                                    .head = head,
                                    .inbox_octets = weir_conn_inbox_octets(conn, head),
                                    .window_octets = session->initial_window,
                                    .send_window = (int32_t)session->peer.initial_window_octets,
                                    .queue_octets = queue_octets_of(session, head),
                                });
    return stream;
}

/* From here on the stream exists for the peer and for the ledger. */
static void enrol(weir_h2_session *session, weir_h2_stream *stream, const weir_head *head)
{
    weir_ledger_open(&session->conn.ledger, &stream->base.owner, session->next_id);
    stream->base.owner.small_octets = weir_conn_small_octets(&session->conn, head);
    weir_h2_table_put(&session->table, stream);
    weir_list_push_back(&session->streams, &stream->all);
    if (session->active == 0) {
        /* The peer had no reason to say anything until now. */
        session->received_ns = session->conn.ledger.now_ns;
    }
    stream->counted = true;
    session->active++;
    session->next_id += 2;
    session->committed_octets += stream->window.limit_octets;
    weir_h2_budget_give_back(&session->budget, WEIR_H2_BACK_FOR_STREAM);
}

/*
 * Encodes a section so that queueing it cannot fail. The octets are in `few` or in *heap, which the
 * caller releases.
 */
static weir_status encode(weir_h2_session *session, const weir_h2_section_fields *section,
                          weir_h2_block *block, uint8_t **heap, uint8_t *few)
{
    weir_conn *conn = &session->conn;
    size_t bound = weir_h2_hpack_bound(section);
    uint8_t *to = few;
    if (bound > FEW_OCTETS) {
        *heap = weir_alloc(conn->bin->allocator, bound);
        to = *heap;
    }
    if (!to || !weir_out_prepare(conn->out, weir_h2_block_octets(bound, block->max_frame_octets),
                                 weir_h2_block_runs(bound, block->max_frame_octets))) {
        return WEIR_E_NOMEM;
    }
    size_t length = 0;
    session->coded_ns = conn->ledger.now_ns;
    weir_status status = weir_h2_hpack_encode(session->hpack, section, to, &length);
    if (status != WEIR_OK) {
        (void)weir_out_prepare(conn->out, 0, 0);
        return status;
    }
    block->octets = (weir_span){to, length};
    return WEIR_OK;
}

static weir_status check_write(const weir_h2_stream *stream, weir_span octets, bool end)
{
    if (stream->base.news & 1u << WEIR_CONN_FAILED || stream->base.failure.status != WEIR_OK) {
        return stream->receiving == WEIR_H2_RECEIVE_ENDED ? WEIR_ANSWERED
                                                          : stream->base.failure.status;
    }
    if (!weir_h2_stream_is_sending(stream)) {
        return WEIR_E_STATE;
    }
    if (stream->receiving == WEIR_H2_RECEIVE_ENDED) {
        return WEIR_ANSWERED;
    }
    if (stream->send_left != WEIR_UNKNOWN && octets.length > stream->send_left) {
        return WEIR_E_BODY_LONG;
    }
    if (stream->send_left != WEIR_UNKNOWN && end && octets.length < stream->send_left) {
        return WEIR_E_BODY_SHORT;
    }
    return WEIR_OK;
}

/* How much of `rest` the next DATA frame may carry; 0: nothing now. */
static size_t portion(const weir_h2_session *session, const weir_h2_stream *stream, size_t rest,
                      size_t allowance)
{
    size_t room = weir_min(weir_out_room(session->conn.out), own_room(stream));
    size_t limit = weir_min(session->conn.out->octets.limit_octets, stream->queue_octets);
    size_t least = weir_min(LEAST_FRAME_OCTETS, limit / 4);
    if (session->send_window <= 0 || stream->send_window <= 0 ||
        room < WEIR_H2_FRAME_HEAD_OCTETS + weir_min(rest, least)) {
        return 0;
    }
    size_t step = weir_min(rest, weir_min(allowance, room - WEIR_H2_FRAME_HEAD_OCTETS));
    step = weir_min(step, session->peer.max_frame_octets);
    step = weir_min(step, (size_t)session->send_window);
    return weir_min(step, (size_t)stream->send_window);
}

static weir_status send_data(weir_h2_session *session, weir_h2_stream *stream, weir_span content,
                             bool end)
{
    if (!weir_h2_queue_data(session->conn.out, &stream->base.owner, content, end)) {
        return WEIR_E_NOMEM;
    }
    weir_h2_send_window(session, -(int64_t)content.length);
    stream->send_window -= (int32_t)content.length;
    if (stream->send_left != WEIR_UNKNOWN) {
        stream->send_left -= content.length;
    }
    weir_h2_budget_give_back(&session->budget, WEIR_H2_BACK_FOR_DATA);
    if (end) {
        weir_h2_stream_sent_end(stream);
        weir_h2_session_settle(session, stream);
    }
    return WEIR_OK;
}

/* Its turn's worth, in however many calls, while others wait. */
static size_t allowance_of(const weir_h2_session *session, const weir_h2_stream *stream)
{
    if (!others_wait(session)) {
        return SIZE_MAX;
    }
    return stream->turn_octets < TURN_OCTETS ? TURN_OCTETS - (size_t)stream->turn_octets : 0;
}

/* The only place where `waits` changes, so that each wait is timed to its own account. */
static void wait_for(weir_h2_session *session, weir_h2_stream *stream, weir_h2_waiting waits)
{
    const weir_time now_ns = session->conn.ledger.now_ns;
    const weir_time no_window_ns = weir_stopwatch_read(&session->no_window, now_ns);
    if (stream->waits == WEIR_H2_WAITS_SHARED) {
        stream->connection_window_ns += no_window_ns - stream->connection_mark_ns;
    }
    stream->connection_mark_ns = no_window_ns;
    weir_stopwatch_set(&stream->own_window, waits == WEIR_H2_WAITS_OWN_WINDOW, now_ns);
    stream->waits = waits;
}

static void block_sender(weir_h2_session *session, weir_h2_stream *stream)
{
    bool got_some = stream->turn_octets > 0;
    if (stream->send_window <= 0) {
        wait_for(session, stream, WEIR_H2_WAITS_OWN_WINDOW);
        return;
    }
    if (has_queued_enough(stream) && own_room(stream) < weir_out_room(session->conn.out)) {
        wait_for(session, stream, WEIR_H2_WAITS_OWN_QUEUE);
        weir_list_push_back(&session->queued, &stream->waiting);
        return;
    }
    wait_for(session, stream, WEIR_H2_WAITS_SHARED);
    weir_list_push_back(got_some ? &session->fed : &session->hungry, &stream->waiting);
}

static uint32_t queue_octets_of(const weir_h2_session *session, const weir_head *head)
{
    const uint32_t octets = weir_conn_out_octets(&session->conn, head);
    if (octets >= session->conn.limits->out_octets) {
        return UINT32_MAX;
    }
    return octets < WEIR_H2_LEAST_OUT_OCTETS ? WEIR_H2_LEAST_OUT_OCTETS : octets;
}

static size_t own_room(const weir_h2_stream *stream)
{
    const uint64_t queued = stream->base.owner.queued_octets;
    return queued < stream->queue_octets ? (size_t)(stream->queue_octets - queued) : 0;
}

/* Else it has room for a frame, as far as its own share of the queue goes. */
static bool has_queued_enough(const weir_h2_stream *stream)
{
    return stream->base.owner.queued_octets > stream->queue_octets / 2;
}

static bool others_wait(const weir_h2_session *session)
{
    return session->told > 0 || !weir_list_is_empty(&session->hungry) ||
           !weir_list_is_empty(&session->fed);
}

static void tell_writable(weir_h2_session *session, weir_list *list)
{
    while (!weir_list_is_empty(list)) {
        tell(session, WEIR_CONTAINER_OF(list->next, weir_h2_stream, waiting));
    }
}

static void tell(weir_h2_session *session, weir_h2_stream *stream)
{
    weir_list_remove(&stream->waiting);
    wait_for(session, stream, WEIR_H2_WAITS_TOLD);
    stream->turn_octets = 0;
    session->told++;
    weir_stream_tell(&stream->base, &session->conn.ready, WEIR_CONN_WRITABLE);
}

/*
 * Who said that much will come does not wait until half of the first window was used. Without
 * memory for the frame that window stays, and is raised like any other.
 */
static void open_window(weir_h2_session *session, weir_h2_stream *stream)
{
    if (stream->is_head || !is_bulk(session, stream)) {
        return;
    }
    uint32_t limit = stream->window.limit_octets;
    uint32_t target = target_window(session, stream);
    if (target > limit &&
        weir_h2_queue_window_update(session->conn.out, &stream->base.owner, target - limit)) {
        uint32_t increment = weir_window_raise(&stream->window, target);
        WEIR_ASSERT(increment == target - limit);
        session->committed_octets += increment;
    }
}

static bool is_bulk(const weir_h2_session *session, const weir_h2_stream *stream)
{
    return stream->base.inbox.limit_octets > session->conn.limits->inbox_octets;
}

/*
 * The full window, if the memory for all inboxes allows it now. In bulk that is more, but only
 * while all windows together stay below half of that memory: the other half is for those that did
 * not ask.
 */
static uint32_t target_window(const weir_h2_session *session, const weir_h2_stream *stream)
{
    const weir_conn_limits *limits = session->conn.limits;
    uint32_t limit = stream->window.limit_octets;
    uint32_t full = limits->inbox_octets < WEIR_WINDOW_MAX_OCTETS ? limits->inbox_octets
                                                                  : WEIR_WINDOW_MAX_OCTETS;
    uint64_t others = session->committed_octets - limit;
    if (is_bulk(session, stream) && stream->base.inbox.limit_octets <= WEIR_WINDOW_MAX_OCTETS &&
        others + stream->base.inbox.limit_octets <= limits->conn_inbox_octets / 2) {
        return (uint32_t)stream->base.inbox.limit_octets;
    }
    return others + full <= limits->conn_inbox_octets ? full : limit;
}

static void announce(weir_h2_session *session, weir_h2_stream *stream, uint32_t limit_before,
                     uint32_t increment)
{
    session->committed_octets += stream->window.limit_octets - limit_before;
    if (increment > 0) {
        weir_h2_session_answered(session, weir_h2_queue_window_update(
                                              session->conn.out, &stream->base.owner, increment));
    }
}
