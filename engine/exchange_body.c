/* SPDX-License-Identifier: MIT */
/*
 * An exchange's content in both directions.
 *
 * An upload stops when the response is complete, when the peer says so (RST_STREAM with NO_ERROR,
 * RFC 9113 s8.1), or when a final head with a code of 300 or more is in and the call is not
 * WEIR_HINT_DUPLEX. A 2xx head alone does not stop it: a server may well answer while it reads (an
 * echo, a gRPC stream), and a client that then went silent would truncate what it was asked to
 * send. A head of 300 or more says that the content will not be used.
 */
#include "engine/exchange.h"

static weir_status take(weir_exchange *ex, weir_body_part part, weir_time now_ns, size_t *taken);
static void push_part(weir_exchange *ex, weir_body_part part, weir_time now_ns, size_t *taken);
static void request_ended(weir_exchange *ex, weir_time now_ns);
static weir_status may_send(weir_exchange *ex);
static void queued(weir_exchange *ex, weir_status status, weir_time now_ns);
static bool has_trailers(const weir_exchange *ex);

bool weir_exchange_fill(weir_exchange *ex)
{
    const size_t waiting = ex->stage_end - ex->stage_first;
    size_t octets = 0;

    if (ex->body.kind != WEIR_BODY_SOURCE || ex->sending != WEIR_SENDING_BODY) {
        return ex->body.kind == WEIR_BODY_SPAN;
    }
    if (waiting > 0 || ex->source_ended || ex->source_status != WEIR_OK) {
        return true;
    }
    if (ex->stage == NULL) {
        ex->stage = weir_alloc(ex->allocator, WEIR_STAGE_OCTETS);
        if (ex->stage == NULL) {
            ex->source_status = WEIR_E_NOMEM;
            return true;
        }
    }
    weir_status status =
        ex->source.read(ex->stage, WEIR_STAGE_OCTETS, ex->source_octets, &octets, ex->source.user);
    ex->source_blocked = status == WEIR_AGAIN;
    if (status == WEIR_AGAIN) {
        return false;
    }
    if ((status != WEIR_OK && status != WEIR_END) || octets > WEIR_STAGE_OCTETS ||
        (status == WEIR_OK && octets == 0)) {
        ex->source_status = WEIR_E_BODY_SOURCE;
        return true;
    }
    ex->source_ended = status == WEIR_END;
    ex->source_octets += octets;
    ex->stage_first = 0;
    ex->stage_end = octets;
    return true;
}

bool weir_exchange_has_body_to_push(const weir_exchange *ex)
{
    return ex->state == WEIR_EXCHANGE_ATTACHED && ex->sending == WEIR_SENDING_BODY &&
           !ex->write_blocked && !ex->source_blocked && ex->body.kind != WEIR_BODY_STREAM &&
           ex->failure.status == WEIR_OK;
}

void weir_exchange_push(weir_exchange *ex, weir_time now_ns)
{
    size_t taken = 0;

    if (!weir_exchange_has_body_to_push(ex)) {
        return;
    }
    if (weir_exchange_upload_is_unwanted(ex)) {
        ex->sending = WEIR_SENDING_STOPPED;
        return;
    }
    if (ex->body.kind == WEIR_BODY_SPAN) {
        weir_span rest = weir_span_from(ex->body.span, (size_t)ex->body_octets);
        push_part(ex, (weir_body_part){rest, true}, now_ns, &taken);
        weir_exchange_stalls_settle(ex, now_ns);
        return;
    }
    if (ex->source_status != WEIR_OK) {
        weir_exchange_fail_with(ex, ex->source_status, NULL, now_ns);
        return;
    }
    if (ex->stage_end == ex->stage_first && !ex->source_ended) {
        return;
    }
    weir_span staged = {ex->stage + ex->stage_first, ex->stage_end - ex->stage_first};
    push_part(ex, (weir_body_part){staged, ex->source_ended}, now_ns, &taken);
    ex->stage_first += taken;
    weir_exchange_stalls_settle(ex, now_ns);
}

weir_status weir_exchange_write(weir_exchange *ex, weir_span octets, weir_time now_ns,
                                size_t *taken)
{
    weir_status status = may_send(ex);

    if (status != WEIR_OK) {
        return status;
    }
    status = take(ex, (weir_body_part){octets, false}, now_ns, taken);
    ex->body_was_taken = ex->body_was_taken || *taken > 0;
    queued(ex, status, now_ns);
    weir_exchange_stalls_settle(ex, now_ns);
    return status == WEIR_AGAIN && *taken == octets.length ? WEIR_OK : status;
}

weir_status weir_exchange_finish(weir_exchange *ex, const weir_fields *trailers, weir_time now_ns)
{
    weir_status status = may_send(ex);
    size_t taken = 0;

    if (status != WEIR_OK) {
        return status;
    }
    if (trailers != NULL) {
        status = weir_conn_write_trailers(ex->link->conn, ex->stream, trailers, now_ns);
    } else {
        const weir_body_part end = {{NULL, 0}, true};
        status = weir_conn_write(ex->link->conn, ex->stream, end, now_ns, &taken);
    }
    if (status == WEIR_OK) {
        ex->body_was_taken = true; /* its end was, and nobody would say it again */
        ex->stream_was_ended = true;
        request_ended(ex, now_ns);
    } else {
        queued(ex, status, now_ns);
    }
    weir_exchange_stalls_settle(ex, now_ns);
    return status;
}

weir_status weir_exchange_why_no_more(const weir_exchange *ex)
{
    return ex->failure.status != WEIR_OK ? ex->failure.status : WEIR_ANSWERED;
}

weir_status weir_exchange_read(weir_exchange *ex, uint8_t *to, size_t room, weir_time now_ns,
                               size_t *octets)
{
    if (ex->state == WEIR_EXCHANGE_ATTACHED && ex->head != NULL) {
        const bool was_full = weir_buf_room(&ex->stream->inbox) == 0;
        *octets = weir_conn_read(ex->link->conn, ex->stream, to, room, now_ns);
        if (was_full && *octets > 0) {
            ex->received_ns = now_ns; /* until now the peer was not the one to act */
        }
        weir_link_resume(ex->link, now_ns);
        weir_exchange_stalls_settle(ex, now_ns);
    } else {
        *octets = weir_buf_take(&ex->rest, to, room);
    }
    if (*octets > 0) {
        return WEIR_OK;
    }
    if (ex->failure.status != WEIR_OK && ex->state == WEIR_EXCHANGE_DONE) {
        return ex->failure.status;
    }
    if (ex->response_ended && ex->state == WEIR_EXCHANGE_DONE) {
        return WEIR_END;
    }
    return WEIR_AGAIN;
}

bool weir_exchange_upload_is_unwanted(const weir_exchange *ex)
{
    if (ex->response_ended) {
        return true;
    }
    return ex->head != NULL && ex->head->code >= 300 && ex->call.hint != WEIR_HINT_DUPLEX;
}

/*
 * Hands content to the conn. The limit of writing runs from here if there was no octet to take until
 * now, however long ago the last was; what is queued behind others does not put it off.
 */
static weir_status take(weir_exchange *ex, weir_body_part part, weir_time now_ns, size_t *taken)
{
    const bool waits = ex->write_blocked || ex->stream->owner.queued_octets > 0;
    const weir_status status = weir_conn_write(ex->link->conn, ex->stream, part, now_ns, taken);

    ex->body_octets += *taken;
    if (!waits && (*taken > 0 || status == WEIR_AGAIN)) {
        ex->sent_ns = now_ns;
    }
    return status;
}

/* Hands a part to the conn; the end of the body goes with its last octets, or with the trailers. */
static void push_part(weir_exchange *ex, weir_body_part part, weir_time now_ns, size_t *taken)
{
    const weir_body_part content = {part.octets, part.end && !has_trailers(ex)};
    weir_status status = take(ex, content, now_ns, taken);

    if (status == WEIR_OK && part.end) {
        if (has_trailers(ex)) {
            status =
                weir_conn_write_trailers(ex->link->conn, ex->stream, &ex->trailers_to_send, now_ns);
        }
        if (status == WEIR_OK) {
            request_ended(ex, now_ns);
            return;
        }
    }
    queued(ex, status, now_ns);
}

static void request_ended(weir_exchange *ex, weir_time now_ns)
{
    ex->sending = WEIR_SENDING_ENDED;
    weir_exchange_moved(ex, now_ns);
}

/* May its caller send content now? WEIR_AGAIN: later; any other but WEIR_OK: no more. */
static weir_status may_send(weir_exchange *ex)
{
    if (ex->state == WEIR_EXCHANGE_DONE || ex->state == WEIR_EXCHANGE_ENDED) {
        return weir_exchange_why_no_more(ex);
    }
    if (ex->sending == WEIR_SENDING_ENDED) {
        return WEIR_E_STATE;
    }
    if (ex->sending == WEIR_SENDING_STOPPED ||
        (ex->stream != NULL && weir_exchange_upload_is_unwanted(ex))) {
        ex->sending = WEIR_SENDING_STOPPED;
        return WEIR_ANSWERED;
    }
    if (ex->state != WEIR_EXCHANGE_ATTACHED || ex->sending != WEIR_SENDING_BODY) {
        return WEIR_AGAIN;
    }
    return WEIR_OK;
}

/* What the conn's answer to a write means for the exchange. */
static void queued(weir_exchange *ex, weir_status status, weir_time now_ns)
{
    if (status == WEIR_AGAIN) {
        ex->write_blocked = true;
    } else if (status == WEIR_ANSWERED) {
        ex->sending = WEIR_SENDING_STOPPED;
    } else if (status != WEIR_OK) {
        weir_exchange_fail_with(ex, status, NULL, now_ns);
    }
}

static bool has_trailers(const weir_exchange *ex)
{
    return weir_fields_count(&ex->trailers_to_send) > 0;
}
