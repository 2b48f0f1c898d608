/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 connection.
 *
 * The encoder knows how to write, the decoder how to read; here is when, and what follows for the
 * connection. Each function that changes something ends in weir_h1_publish() (h1_state.h).
 *
 * Invariants: an exchange is open exactly while neither half is IDLE, until it is closed; octets
 * are charged in receive() and unread() and nowhere else.
 */
#include "proto/h1_state.h"

#include "proto/failure.h"

#include <string.h>

static weir_h1 *h1_of(weir_conn *conn);
static const weir_h1 *h1_of_const(const weir_conn *conn);
static weir_h1_stream *stream_new(weir_h1 *h1, const weir_head *head, void *user);
static void stream_free(weir_h1 *h1, weir_h1_stream *open);
static void forget_out(weir_h1 *h1);
static weir_status fits_length(const weir_h1_encode *encode, size_t octets, bool end);
static weir_status end_request(weir_h1 *h1, const weir_fields *trailers);
static weir_status no_memory(weir_h1 *h1);
static size_t receive(weir_h1 *h1, weir_span octets);
static size_t drop_rest(weir_h1 *h1, weir_span octets);
static size_t unread(weir_h1 *h1, weir_span octets);
static void tell(weir_h1 *h1, weir_conn_event_kind kind);
static void tell_head(weir_h1 *h1);
static void tell_end(weir_h1 *h1);
static void answered(weir_h1 *h1);
static void end_response(weir_h1 *h1, const weir_failure *end);
static bool is_orderly(weir_status status);

weir_conn *weir_h1_new(const weir_conn_options *options, weir_time now_ns)
{
    /* Over TLS the accounts of its records lie behind the connection. */
    const size_t tls_octets = options->over_tls ? sizeof(weir_ledger_tls) : 0;
    weir_h1 *h1 = weir_alloc_zeroed(options->allocator, sizeof(*h1) + tls_octets);
    if (!h1) {
        return NULL;
    }
    weir_conn_init(&h1->conn, options);
    weir_ledger_init_h1(&h1->conn.ledger, options->over_tls ? (weir_ledger_tls *)(h1 + 1) : NULL);
    h1->conn.ledger.now_ns = now_ns;
    return &h1->conn;
}

void weir_h1_free(weir_conn *conn)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(!h1->open);
    const weir_allocator *allocator = conn->bin->allocator;
    weir_conn_clear(conn);
    forget_out(h1);
    weir_release(allocator, h1);
}

weir_status weir_h1_open(weir_conn *conn, const weir_head *head, void *user, weir_stream **stream)
{
    weir_h1 *h1 = h1_of(conn);
    if (h1->open || !conn->facts.accepting || h1->rest_octets > 0) {
        return WEIR_E_NOT_ACCEPTING;
    }
    weir_h1_stream *open = stream_new(h1, head, user);
    if (!open) {
        return WEIR_E_NOMEM;
    }
    h1->open = open;
    weir_h1_enter_sending(h1, head->body.framing == WEIR_FRAMING_NONE ? WEIR_H1_SENDING_ENDED
                                                                      : WEIR_H1_SENDING_BODY);
    weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_HEAD);
    *stream = &open->stream;
    return WEIR_OK;
}

weir_status weir_h1_write(weir_conn *conn, weir_stream *stream, weir_body_part part, size_t *taken)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(stream == &h1->open->stream);
    if (h1->sending != WEIR_H1_SENDING_BODY) {
        return h1->sending == WEIR_H1_SENDING_ANSWERED ? WEIR_ANSWERED : WEIR_E_STATE;
    }
    weir_h1_encode *encode = &h1->open->encode;
    weir_status status = fits_length(encode, part.octets.length, part.end);
    if (status != WEIR_OK) {
        return status;
    }
    size_t step = weir_min(part.octets.length, weir_out_room(conn->out));
    if (step > 0 && !weir_h1_encode_body(encode, weir_span_head(part.octets, step))) {
        return no_memory(h1);
    }
    *taken = step;
    if (step < part.octets.length) {
        h1->open->awaits_room = true;
        return WEIR_AGAIN;
    }
    return part.end ? end_request(h1, NULL) : WEIR_OK;
}

weir_status weir_h1_write_trailers(weir_conn *conn, weir_stream *stream,
                                   const weir_fields *trailers)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(stream == &h1->open->stream);
    if (h1->sending != WEIR_H1_SENDING_BODY) {
        return h1->sending == WEIR_H1_SENDING_ANSWERED ? WEIR_ANSWERED : WEIR_E_STATE;
    }
    if (h1->open->encode.framing != WEIR_FRAMING_CHUNKED) {
        return WEIR_E_TRAILER; /* RFC 9112 s7.1.2: only the chunked coding has a place for them */
    }
    return end_request(h1, trailers);
}

size_t weir_h1_read(weir_conn *conn, weir_stream *stream, uint8_t *to, size_t room)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(stream == &h1->open->stream);
    const size_t octets = weir_buf_take(&stream->inbox, to, room);
    weir_h1_note_unread(h1);
    return octets;
}

void weir_h1_cancel(weir_conn *conn, weir_stream *stream)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(stream == &h1->open->stream);
    weir_stream_hush(stream);
    if (weir_h1_is_worth_its_rest(h1)) {
        h1->rest_octets = (uint32_t)h1->open->decode.left_octets;
        h1->rest_until_ns = weir_time_add(conn->ledger.now_ns, WEIR_H1_REST_NS);
        h1->open->is_given_up = true;
        weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_ENDED);
    } else if (!weir_h1_is_complete(h1)) {
        weir_h1_abandon(h1);
    }
    weir_h1_publish(h1);
}

void weir_h1_close(weir_conn *conn, weir_stream *stream, weir_tally *tally)
{
    weir_h1 *h1 = h1_of(conn);
    WEIR_ASSERT(stream == &h1->open->stream);
    if (weir_h1_is_complete(h1)) {
        weir_h1_enter_sending(h1, WEIR_H1_SENDING_IDLE);
        weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_IDLE);
    } else {
        weir_h1_abandon(h1);
    }
    weir_out_disown(conn->out, &stream->owner);
    *tally = stream->owner.tally;
    weir_h1_stream *open = h1->open;
    h1->open = NULL;
    stream_free(h1, open);
    weir_h1_publish(h1);
}

size_t weir_h1_feed(weir_conn *conn, weir_span octets)
{
    weir_h1 *h1 = h1_of(conn);
    size_t taken = 0;
    while (taken < octets.length) {
        size_t step = receive(h1, weir_span_from(octets, taken));
        if (step == 0) {
            break;
        }
        taken += step;
        weir_h1_publish(h1); /* here, so that the first reason is the same in every split */
    }
    return taken;
}

size_t weir_h1_room(const weir_conn *conn)
{
    const weir_h1 *h1 = h1_of_const(conn);
    switch (h1->receiving) {
    case WEIR_H1_RECEIVING_BODY:
        return weir_buf_room(&h1->open->stream.inbox);
    case WEIR_H1_RECEIVING_HEAD:
        /* Content may come right behind the head, and an inbox may be smaller than a chunk. */
        return weir_min(WEIR_CHUNK_OCTETS, weir_buf_room(&h1->open->stream.inbox));
    case WEIR_H1_RECEIVING_IDLE:
    case WEIR_H1_RECEIVING_ENDED:
    case WEIR_H1_RECEIVING_CLOSED:
    case WEIR_H1_RECEIVING_COUNT:
        break;
    }
    return WEIR_CHUNK_OCTETS;
}

void weir_h1_end(weir_conn *conn, const weir_failure *failure)
{
    weir_h1 *h1 = h1_of(conn);
    h1->has_ended = true;
    if (weir_h1_is_receiving(h1)) {
        end_response(h1, failure);
    } else if (!is_orderly(failure->status)) {
        weir_h1_fail(h1, *failure);
    }
    weir_h1_publish(h1);
}

void weir_h1_sent(weir_conn *conn, size_t octets)
{
    weir_h1 *h1 = h1_of(conn);
    weir_out_sent(conn->out, &conn->ledger, octets);
    /* Half the queue, or a writer would be woken for every octet that leaves. */
    if (h1->sending == WEIR_H1_SENDING_BODY && h1->open->awaits_room &&
        weir_out_octets(conn->out) <= conn->out->octets.limit_octets / 2) {
        h1->open->awaits_room = false;
        weir_stream_tell(&h1->open->stream, &conn->ready, WEIR_CONN_WRITABLE);
    }
}

uint64_t weir_h1_rest(const weir_conn *conn)
{
    return h1_of_const(conn)->rest_octets;
}

void weir_h1_abandon_rest(weir_conn *conn)
{
    weir_h1 *h1 = h1_of(conn);
    h1->has_abandoned_rest = h1->has_abandoned_rest || h1->rest_octets > 0;
    h1->rest_octets = 0;
    weir_h1_publish(h1);
}

weir_time weir_h1_deadline(const weir_conn *conn, weir_why *why)
{
    const weir_h1 *h1 = h1_of_const(conn);
    *why = h1->rest_octets > 0 ? WEIR_WHY_REST : WEIR_WHY_NONE;
    return h1->rest_octets > 0 ? h1->rest_until_ns : WEIR_NEVER;
}

void weir_h1_tick(weir_conn *conn)
{
    const weir_h1 *h1 = h1_of_const(conn);
    if (h1->rest_octets > 0 && conn->ledger.now_ns >= h1->rest_until_ns) {
        weir_h1_abandon_rest(conn);
    }
}

void weir_h1_shutdown(weir_conn *conn)
{
    weir_h1 *h1 = h1_of(conn);
    h1->is_shut_down = true;
    weir_h1_publish(h1);
}

void weir_h1_check(const weir_conn *conn)
{
    const weir_h1 *h1 = h1_of_const(conn);
    bool is_idle = h1->sending == WEIR_H1_SENDING_IDLE;
    bool is_over = h1->sending == WEIR_H1_SENDING_ABANDONED;
    WEIR_CHECK_ASSERT(is_idle == (h1->receiving == WEIR_H1_RECEIVING_IDLE));
    WEIR_CHECK_ASSERT(is_over == (h1->receiving == WEIR_H1_RECEIVING_CLOSED));
    WEIR_CHECK_ASSERT(is_over || is_idle == !h1->open);
    WEIR_CHECK_ASSERT(!is_over || !conn->facts.reusable);
    WEIR_CHECK_ASSERT(conn->facts.accepting == conn->facts.reusable);
    WEIR_CHECK_ASSERT(conn->facts.capacity_streams == (h1->rest_octets > 0 ? 0 : 1));
    WEIR_CHECK_ASSERT(h1->rest_octets == 0 || h1->receiving == WEIR_H1_RECEIVING_IDLE ||
                      h1->receiving == WEIR_H1_RECEIVING_ENDED);
    if (!h1->open) {
        WEIR_CHECK_ASSERT(!conn->out || is_over);
        return;
    }
    WEIR_CHECK_ASSERT(conn->out == &h1->open->out);
    const weir_buf *inbox = &h1->open->stream.inbox;
    WEIR_CHECK_ASSERT(inbox->octets <= inbox->limit_octets);
    weir_buf_check(inbox);
    weir_h1_decode_check(&h1->open->decode);
    bool is_response_over = weir_h1_decode_is_over(&h1->open->decode);
    bool is_given_up = is_response_over != (h1->receiving == WEIR_H1_RECEIVING_ENDED);
    WEIR_CHECK_ASSERT(is_over || !is_given_up || h1->open->is_given_up);
    WEIR_CHECK_ASSERT(!weir_h1_is_receiving(h1) || h1->open->decode.status == WEIR_OK);
}

static weir_h1 *h1_of(weir_conn *conn)
{
    WEIR_ASSERT(conn->facts.protocol == WEIR_H1);
    return WEIR_CONTAINER_OF(conn, weir_h1, conn);
}

static const weir_h1 *h1_of_const(const weir_conn *conn)
{
    WEIR_ASSERT(conn->facts.protocol == WEIR_H1);
    return WEIR_CONST_CONTAINER_OF(conn, weir_h1, conn);
}

/* With its head queued; NULL: no memory, and nothing has changed. */
static weir_h1_stream *stream_new(weir_h1 *h1, const weir_head *head, void *user)
{
    weir_conn *conn = &h1->conn;
    weir_h1_stream *open = weir_alloc_zeroed(conn->bin->allocator, sizeof(*open));
    if (!open) {
        return NULL;
    }
    WEIR_ASSERT(!conn->out);
    conn->out = &open->out;
    weir_out_init(conn->out, conn->bin, weir_conn_out_octets(conn, head));
    weir_stream_init(&open->stream, user, conn->bin, weir_conn_inbox_octets(conn, head));
    open->is_duplex = head->hint == WEIR_HINT_DUPLEX;
    weir_ledger_set_owners(&conn->ledger, &open->owners);
    h1->last_id++;
    weir_ledger_open(&conn->ledger, &open->stream.owner, h1->last_id);
    open->stream.owner.small_octets = weir_conn_small_octets(conn, head);
    weir_h1_asked asked = {.is_head = head->is_head, .is_connect = head->is_connect};
    weir_h1_decode_init(&open->decode, conn->limits, &open->stream.inbox, asked);
    weir_h1_encode_init(&open->encode, conn->out, &open->stream.owner);
    if (!weir_h1_encode_head(&open->encode, head)) {
        WEIR_ASSERT(weir_out_octets(&open->out) == 0);
        stream_free(h1, open);
        return NULL;
    }
    return open;
}

static void stream_free(weir_h1 *h1, weir_h1_stream *open)
{
    WEIR_ASSERT(h1->conn.out == &open->out);
    weir_ledger_fold(&h1->conn.ledger, &open->stream.owner);
    weir_ledger_set_owners(&h1->conn.ledger, NULL);
    weir_h1_decode_clear(&open->decode);
    weir_stream_clear(&open->stream);
    if (weir_out_octets(&open->out) == 0) {
        forget_out(h1);
    } else {
        WEIR_ASSERT(h1->conn.withholds); /* a send of it may be under way */
    }
}

/* The queue goes, and with it what is left of the exchange that it was of. */
static void forget_out(weir_h1 *h1)
{
    if (h1->conn.out) {
        weir_release(h1->conn.bin->allocator, WEIR_CONTAINER_OF(h1->conn.out, weir_h1_stream, out));
        h1->conn.out = NULL;
    }
}

static weir_status fits_length(const weir_h1_encode *encode, size_t octets, bool end)
{
    if (encode->framing != WEIR_FRAMING_LENGTH) {
        return WEIR_OK;
    }
    if (octets > encode->left_octets) {
        return WEIR_E_BODY_LONG;
    }
    return end && octets < encode->left_octets ? WEIR_E_BODY_SHORT : WEIR_OK;
}

static weir_status end_request(weir_h1 *h1, const weir_fields *trailers)
{
    if (!weir_h1_encode_end(&h1->open->encode, trailers)) {
        return no_memory(h1);
    }
    weir_h1_enter_sending(h1, WEIR_H1_SENDING_ENDED);
    return WEIR_OK;
}

static weir_status no_memory(weir_h1 *h1)
{
    weir_h1_fail(h1, weir_failure_of(WEIR_E_NOMEM, NULL));
    weir_h1_publish(h1);
    return WEIR_E_NOMEM;
}

/* A leading stretch of what the peer sent, of one row; how many. 0: the inbox is full. */
static size_t receive(weir_h1 *h1, weir_span octets)
{
    if (h1->rest_octets > 0) {
        return drop_rest(h1, octets);
    }
    if (!weir_h1_is_receiving(h1)) {
        return unread(h1, octets);
    }
    weir_h1_stream *open = h1->open;
    weir_h1_decode *decode = &open->decode;
    if (!decode->touched && weir_h1_nothing_was_sent(open)) {
        /* RFC 9112 s9.2: whatever it is, it is no answer to what nobody has read. */
        weir_h1_fail(h1, weir_failure_of(WEIR_E_H1_UNSOLICITED, NULL));
        return unread(h1, octets);
    }
    weir_h1_step step = weir_h1_decode_next(decode, octets);
    weir_ledger_charge(&h1->conn.ledger, &open->stream.owner, step.row, WEIR_RECEIVED, step.octets);
    if (decode->status == WEIR_OK) {
        tell(h1, step.kind);
    } else {
        weir_failure failure = weir_failure_of(decode->status, decode->what);
        failure.offset = weir_h1_decode_offset(decode);
        weir_h1_fail(h1, failure);
    }
    return step.octets;
}

/* Of a response that its caller gave up: nobody's, but expected, and behind it the connection is as
 * good as before. */
static size_t drop_rest(weir_h1 *h1, weir_span octets)
{
    const uint32_t step = (uint32_t)weir_min(h1->rest_octets, octets.length);

    weir_ledger_charge(&h1->conn.ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED,
                       step);
    h1->rest_octets -= step;
    return step;
}

static size_t unread(weir_h1 *h1, weir_span octets)
{
    weir_ledger_charge(&h1->conn.ledger, NULL, weir_row_of_conn(WEIR_ROW_UNREAD), WEIR_RECEIVED,
                       octets.length);
    weir_h1_note_timeout(h1, octets);
    h1->has_left_over = true;
    return octets.length;
}

static void tell(weir_h1 *h1, weir_conn_event_kind kind)
{
    weir_stream *stream = &h1->open->stream;
    weir_h1_decode *decode = &h1->open->decode;
    h1->closes = h1->closes || decode->framing.closes;
    if (kind == WEIR_CONN_INFORMATIONAL) {
        weir_stream_tell_message(stream, &h1->conn.ready, kind, weir_h1_decode_take(decode));
    } else if (kind == WEIR_CONN_HEAD) {
        tell_head(h1);
    } else if (kind == WEIR_CONN_BODY) {
        weir_stream_tell(stream, &h1->conn.ready, kind);
    }
    if (weir_h1_decode_is_over(decode)) {
        tell_end(h1);
    }
}

static void tell_head(weir_h1 *h1)
{
    weir_stream *stream = &h1->open->stream;
    const weir_h1_framing *framing = &h1->open->decode.framing;
    h1->is_until_close = framing->is_tunnel || framing->body.framing == WEIR_FRAMING_UNTIL_CLOSE;
    weir_message *head = weir_h1_decode_take(&h1->open->decode);
    const bool is_welcome = head->code < 300 || h1->open->is_duplex;
    weir_stream_tell_message(stream, &h1->conn.ready, WEIR_CONN_HEAD, head);
    weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_BODY);
    if (!is_welcome) {
        answered(h1);
    }
}

static void tell_end(weir_h1 *h1)
{
    weir_stream *stream = &h1->open->stream;
    weir_message *trailers = weir_h1_decode_take(&h1->open->decode);
    if (trailers) {
        weir_stream_tell_message(stream, &h1->conn.ready, WEIR_CONN_TRAILERS, trailers);
    }
    weir_stream_tell(stream, &h1->conn.ready, WEIR_CONN_END);
    weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_ENDED);
    answered(h1);
}

/* RFC 9112 s9.5: the rest is not wanted. A 2xx head alone does not say so: an echo answers as it
 * reads. */
static void answered(weir_h1 *h1)
{
    if (h1->sending != WEIR_H1_SENDING_BODY) {
        return;
    }
    weir_h1_enter_sending(h1, WEIR_H1_SENDING_ANSWERED);
    if (h1->open->awaits_room) {
        weir_stream_tell(&h1->open->stream, &h1->conn.ready, WEIR_CONN_WRITABLE);
    }
}

/* RFC 9112 s8: what the end of input means in the middle of a response. */
static void end_response(weir_h1 *h1, const weir_failure *end)
{
    weir_h1_decode *decode = &h1->open->decode;
    if (!is_orderly(end->status)) {
        weir_h1_fail(h1, *end);
    } else if (!decode->touched) {
        weir_h1_fail(h1, weir_failure_of(WEIR_E_CLOSED_EARLY, NULL));
    } else if (decode->part == WEIR_H1_PART_UNTIL_CLOSE && end->status != WEIR_OK) {
        weir_h1_fail(h1, weir_failure_of(WEIR_E_UNFRAMED, NULL));
    } else if (weir_h1_decode_end(decode)) {
        tell_end(h1);
    } else {
        weir_h1_fail(h1, weir_failure_of(WEIR_E_TRUNCATED, NULL));
    }
}

/* A FIN, with or without close_notify before it. */
static bool is_orderly(weir_status status)
{
    return status == WEIR_OK || status == WEIR_E_UNFRAMED;
}
