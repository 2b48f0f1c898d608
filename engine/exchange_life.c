/* SPDX-License-Identifier: MIT */
/*
 * The life of an exchange between its birth and its end: attempts, events, what is told of them.
 * Its deadlines are in exchange_deadlines.c, the replay rule in exchange_replay.c.
 */
#include "engine/exchange.h"
#include "proto/failure.h"

#include <string.h>

#define H2_CANCEL 8u

static void acquired(weir_exchange *ex, weir_time now_ns);
static void take_message(weir_exchange *ex, weir_conn_event *event, weir_time now_ns);
static void tell(weir_exchange *ex, weir_event *event, weir_time at_ns);
static void tell_octets(weir_exchange *ex, weir_time now_ns);
static void begin_attempt(weir_exchange *ex);
static weir_attempt *attempt_now(weir_exchange *ex);
static void forget_attempt(weir_exchange *ex);
static void finish(weir_exchange *ex, weir_time now_ns);

void weir_exchange_set_phase(weir_exchange *ex, weir_phase phase, weir_time now_ns)
{
    ex->phase_ns[ex->phase] += weir_time_since(now_ns, ex->phase_since_ns);
    ex->phase = phase;
    ex->phase_since_ns = now_ns;
}

void weir_exchange_queued(weir_exchange *ex, weir_time now_ns)
{
    if (ex->state != WEIR_EXCHANGE_QUEUED) {
        ex->waiting_told = WEIR_REASON_NONE;
    }
    ex->state = WEIR_EXCHANGE_QUEUED;
    if (ex->phase != WEIR_PHASE_QUEUE) {
        weir_exchange_set_phase(ex, WEIR_PHASE_QUEUE, now_ns);
    }
    weir_exchange_tell_waiting(ex, now_ns);
}

void weir_exchange_tell_waiting(weir_exchange *ex, weir_time now_ns)
{
    const weir_reason reason = weir_pool_waits_for(&ex->ticket);
    weir_event event = {.kind = WEIR_EVENT_WAITING, .reason = reason};

    if (ex->state == WEIR_EXCHANGE_QUEUED && reason != WEIR_REASON_NONE &&
        reason != ex->waiting_told) {
        ex->waiting_told = reason;
        tell(ex, &event, now_ns);
    }
}

void weir_exchange_submitted(weir_exchange *ex, weir_time now_ns)
{
    weir_event event = {.kind = WEIR_EVENT_SUBMITTED};

    if (ex->state == WEIR_EXCHANGE_DONE) {
        tell(ex, &event, now_ns);
        event.kind = WEIR_EVENT_DONE;
        event.failure = ex->failure;
    } else {
        event.host = ex->target.host;
        event.port = ex->target.port;
    }
    tell(ex, &event, now_ns);
}

weir_status weir_exchange_attach(weir_exchange *ex, weir_link *link, weir_time now_ns)
{
    WEIR_ASSERT(ex->stream == NULL);
    weir_status status = WEIR_E_NOT_ACCEPTING;

    if (weir_link_is_open(link) && (!ex->ticket.reused || weir_link_is_clean(link))) {
        status = weir_conn_open(link->conn, &ex->request, ex, now_ns, &ex->stream);
    }
    if (status == WEIR_E_NOT_ACCEPTING) {
        return status;
    }
    ex->link = link;
    begin_attempt(ex);
    if (status != WEIR_OK) {
        ex->link = NULL;
        ex->state = WEIR_EXCHANGE_ENDED;
        ex->failure.status = status;
        ex->failure.phase = WEIR_PHASE_SEND;
        ex->failure.processed = WEIR_NOT_SENT;
        return status;
    }
    ex->state = WEIR_EXCHANGE_ATTACHED;
    ex->sent_ns = now_ns;
    ex->received_ns = 0;
    ex->sending = ex->request.body.framing == WEIR_FRAMING_NONE ? WEIR_SENDING_ENDED
                  : ex->request.expect_continue                 ? WEIR_SENDING_CONTINUE
                                                                : WEIR_SENDING_BODY;
    ex->continue_since_ns = now_ns;
    if (ex->sending == WEIR_SENDING_BODY) {
        ex->news |= WEIR_NEWS_WRITABLE;
    }
    weir_exchange_set_phase(ex, WEIR_PHASE_SEND, now_ns);
    weir_exchange_stalls_begin(ex, now_ns);
    acquired(ex, now_ns);
    return WEIR_OK;
}

void weir_exchange_on_event(weir_exchange *ex, weir_conn_event *event, weir_time now_ns)
{
    switch (event->kind) {
    case WEIR_CONN_INFORMATIONAL:
    case WEIR_CONN_HEAD:
    case WEIR_CONN_TRAILERS:
        take_message(ex, event, now_ns);
        break;
    case WEIR_CONN_BODY:
        ex->news |= WEIR_NEWS_READABLE;
        break;
    case WEIR_CONN_END:
        ex->response_ended = true;
        ex->news |= WEIR_NEWS_OVER;
        break;
    case WEIR_CONN_WRITABLE:
        ex->write_blocked = false;
        ex->news |= WEIR_NEWS_WRITABLE;
        break;
    case WEIR_CONN_STOP:
        if (ex->sending != WEIR_SENDING_ENDED) {
            ex->sending = WEIR_SENDING_STOPPED;
        }
        ex->news |= WEIR_NEWS_WRITABLE;
        break;
    case WEIR_CONN_FAILED:
        if (ex->failure.status == WEIR_OK && !ex->response_ended) {
            ex->failure = event->failure;
            ex->failure.phase = ex->head != NULL ? WEIR_PHASE_BODY : ex->phase;
        }
        ex->news |= WEIR_NEWS_OVER;
        break;
    case WEIR_CONN_NOTHING:
        break;
    }
}

void weir_exchange_collect(weir_exchange *ex, weir_time now_ns)
{
    weir_conn_event event;

    while (ex->stream != NULL && weir_conn_next_event_of(ex->link->conn, ex->stream, &event)) {
        weir_exchange_on_event(ex, &event, now_ns);
    }
}

void weir_exchange_deliver(weir_link *link, weir_list *touched, weir_time now_ns)
{
    weir_conn_event event;

    if (link->conn == NULL) {
        return;
    }
    while (weir_conn_next_event(link->conn, &event)) {
        weir_exchange *ex = event.stream->user;
        weir_exchange_on_event(ex, &event, now_ns);
        if (weir_list_is_empty(&ex->news_place)) {
            weir_list_push_back(touched, &ex->news_place);
        }
    }
}

void weir_exchange_moved(weir_exchange *ex, weir_time now_ns)
{
    if (ex->stream == NULL) {
        return;
    }
    weir_exchange_stalls_settle(ex, now_ns);
    const weir_owner *owner = &ex->stream->owner;
    if (owner->charged_ns[WEIR_SENT] > ex->sent_ns) {
        ex->sent_ns = owner->charged_ns[WEIR_SENT];
    }
    if (owner->charged_ns[WEIR_RECEIVED] > ex->received_ns) {
        ex->received_ns = owner->charged_ns[WEIR_RECEIVED];
        if (ex->first_octet_ns == 0) {
            ex->first_octet_ns = ex->received_ns;
        }
    }
    const bool sent = (ex->sending == WEIR_SENDING_ENDED || ex->sending == WEIR_SENDING_STOPPED) &&
                      owner->queued_octets == 0;
    if (ex->phase == WEIR_PHASE_SEND && sent) {
        weir_exchange_set_phase(ex, WEIR_PHASE_HEAD,
                                ex->sent_ns > ex->phase_since_ns ? ex->sent_ns : now_ns);
    }
    if (ex->head != NULL &&
        (ex->phase == WEIR_PHASE_HEAD || (ex->phase == WEIR_PHASE_SEND && sent))) {
        weir_exchange_set_phase(ex, WEIR_PHASE_BODY, now_ns);
    }
    if (weir_events_are_wanted(&ex->events)) {
        tell_octets(ex, now_ns);
    }
}

bool weir_exchange_is_full(const weir_exchange *ex)
{
    return ex->stream != NULL && weir_conn_readable(ex->link->conn, ex->stream) > 0 &&
           weir_buf_room(&ex->stream->inbox) == 0;
}

bool weir_exchange_is_over(const weir_exchange *ex)
{
    return ex->failure.status != WEIR_OK || ex->response_ended;
}

void weir_exchange_fail(weir_exchange *ex, const weir_failure *failure, weir_time now_ns)
{
    if (ex->failure.status != WEIR_OK || ex->state == WEIR_EXCHANGE_DONE ||
        (ex->response_ended && ex->state == WEIR_EXCHANGE_ENDED)) {
        return;
    }
    ex->failure = *failure;
    ex->failure.phase = ex->phase;
    ex->failure.processed = WEIR_MAYBE_PROCESSED;
    if (ex->state == WEIR_EXCHANGE_ATTACHED) {
        weir_conn_cancel(ex->link->conn, ex->stream, H2_CANCEL, now_ns);
    } else {
        ex->failure.processed = WEIR_NOT_SENT;
    }
    ex->news |= WEIR_NEWS_OVER;
}

void weir_exchange_fail_with(weir_exchange *ex, weir_status status, const char *what,
                             weir_time now_ns)
{
    weir_failure failure = weir_failure_bare(status);

    failure.what = what;
    weir_exchange_fail(ex, &failure, now_ns);
}

void weir_exchange_detach(weir_exchange *ex, weir_time now_ns)
{
    WEIR_ASSERT(ex->state == WEIR_EXCHANGE_ATTACHED);
    weir_attempt *attempt = attempt_now(ex);

    weir_exchange_moved(ex, now_ns);
    if (ex->failure.status != WEIR_OK && ex->failure.processed != WEIR_REFUSED_BY_PEER) {
        /* A conn knows what was sent; only its link knows what still may be. */
        ex->failure.processed =
            weir_link_may_send_of(ex->link, ex->stream) ? WEIR_MAYBE_PROCESSED : WEIR_NOT_SENT;
    }
    weir_buf_move(&ex->rest, &ex->stream->inbox);
    if (ex->head == NULL) {
        weir_buf_clear(&ex->rest); /* content of an answer that was not given: of a 421, say */
    }
    weir_conn_close(ex->link->conn, ex->stream, now_ns, &attempt->tally);
    ex->ticket.answered = weir_tally_plain(&attempt->tally).received > 0;
    attempt->failure = ex->failure;
    attempt->final = true;
    if (weir_conn_rest(ex->link->conn) > 0) {
        weir_link_resume(ex->link, now_ns); /* what was held back for want of room is part of it */
    }
    ex->last_facts = weir_link_facts(ex->link);
    ex->stream = NULL;
    ex->link = NULL;
    ex->state = WEIR_EXCHANGE_ENDED;
    weir_event event = {
        .kind = WEIR_EVENT_RELEASED,
        .conn = attempt->conn,
        .protocol = attempt->protocol,
        .reused = attempt->reused,
        .tally = attempt->tally,
        .failure = ex->failure,
        .reason = weir_unfit_reason(ex->last_facts.unfit),
    };
    tell(ex, &event, now_ns);
}

bool weir_exchange_goes_again(weir_exchange *ex)
{
    WEIR_ASSERT(ex->state == WEIR_EXCHANGE_ENDED);
    if (ex->attempted) {
        attempt_now(ex)->failure = ex->failure;
        attempt_now(ex)->final = true;
    }
    return ex->failure.status != WEIR_OK && weir_exchange_may_replay(ex);
}

void weir_exchange_conclude(weir_exchange *ex, bool again, weir_time now_ns)
{
    WEIR_ASSERT(ex->state == WEIR_EXCHANGE_ENDED);
    if (again) {
        weir_event event = {.kind = WEIR_EVENT_REPLAYED, .failure = ex->failure};
        tell(ex, &event, now_ns);
        ex->misdirected = ex->misdirected || ex->failure.status == WEIR_E_MISDIRECTED;
        ex->ticket.refused = ex->failure.status == WEIR_E_REFUSED ? ex->ticket.refused + 1 : 0;
        forget_attempt(ex);
        ex->state = WEIR_EXCHANGE_NEW;
        return;
    }
    finish(ex, now_ns);
}

/* CONNECTION_ACQUIRED: what the pool knew, and what the connection is. */
static void acquired(weir_exchange *ex, weir_time now_ns)
{
    weir_event event = {
        .kind = WEIR_EVENT_CONNECTION_ACQUIRED,
        .conn = ex->link->id,
        .host = ex->target.host,
        .port = ex->target.port,
        .protocol = weir_link_protocol(ex->link),
        .reused = ex->ticket.reused,
        .waited_ns = ex->ticket.waited_ns,
        .reason = ex->ticket.reason,
    };
    tell(ex, &event, now_ns);
}

static void take_message(weir_exchange *ex, weir_conn_event *event, weir_time now_ns)
{
    weir_message *message = event->message;

    if (event->kind == WEIR_CONN_HEAD && weir_exchange_is_misdirected(ex, message->code)) {
        weir_message_free(message);
        weir_exchange_fail_with(ex, WEIR_E_MISDIRECTED, NULL, now_ns);
        ex->failure.processed = WEIR_REFUSED_BY_PEER;
        return;
    }
    if (event->kind == WEIR_CONN_HEAD) {
        ex->head = message;
        ex->head_ns = now_ns;
        ex->news |= WEIR_NEWS_HEAD;
        if (ex->sending == WEIR_SENDING_CONTINUE) {
            /* A final answer in place of 100: below 300 the body is wanted, else it is not. */
            ex->sending = message->code < 300 ? WEIR_SENDING_BODY : WEIR_SENDING_STOPPED;
        }
        ex->news |= WEIR_NEWS_WRITABLE;
        return;
    }
    if (event->kind == WEIR_CONN_TRAILERS) {
        ex->trailers = message;
        return;
    }
    if (message->code == 100 && ex->sending == WEIR_SENDING_CONTINUE) {
        ex->sending = WEIR_SENDING_BODY;
        ex->sent_ns = now_ns;
        ex->news |= WEIR_NEWS_WRITABLE;
    }
    weir_event told = {
        .kind = WEIR_EVENT_INFORMATIONAL,
        .conn = ex->link->id,
        .protocol = weir_link_protocol(ex->link),
        .code = message->code,
    };
    weir_exchange_moved(ex, now_ns); /* its first octet came before it */
    tell(ex, &told, now_ns);
    message->next = NULL;
    if (ex->informational_last != NULL) {
        ex->informational_last->next = message;
    } else {
        ex->informational_first = message;
    }
    ex->informational_last = message;
    ex->informational_count++;
    ex->news |= WEIR_NEWS_INFORMATIONAL;
}

static void tell(weir_exchange *ex, weir_event *event, weir_time at_ns)
{
    if (!weir_events_are_wanted(&ex->events)) {
        return;
    }
    event->exchange = ex;
    event->at_ns = at_ns;
    weir_events_add(&ex->events, event);
}

/* Octet events come from the tally, which moves when the kernel took or gave octets and at no other
 * time. */
static void tell_octets(weir_exchange *ex, weir_time now_ns)
{
    const weir_tally *tally = &ex->stream->owner.tally;
    const weir_octets plain = weir_tally_plain(tally);
    const bool sent_all = ex->sending == WEIR_SENDING_ENDED && ex->stream->owner.queued_octets == 0;
    weir_event event = {.conn = ex->link->id, .protocol = weir_link_protocol(ex->link)};

    if (!ex->head_sent_told && tally->head.sent > 0 &&
        (sent_all || tally->body.sent > 0 || ex->stream->owner.queued_octets == 0)) {
        ex->head_sent_told = true;
        event.kind = WEIR_EVENT_HEAD_SENT;
        tell(ex, &event, ex->sent_ns);
    }
    if (plain.sent != ex->told_plain.sent || tally->tls.sent != ex->told_tls.sent ||
        (sent_all && !ex->request_sent_told)) {
        event.kind = WEIR_EVENT_REQUEST_SENT;
        event.plain_octets = plain.sent;
        event.tls_octets = tally->tls.sent;
        event.last = sent_all;
        ex->request_sent_told = sent_all;
        tell(ex, &event, ex->sent_ns);
    }
    if (!ex->first_octet_told && ex->first_octet_ns != 0) {
        ex->first_octet_told = true;
        event.kind = WEIR_EVENT_FIRST_OCTET;
        tell(ex, &event, ex->first_octet_ns);
    }
    if (!ex->head_told && ex->head != NULL) {
        ex->head_told = true;
        event.kind = WEIR_EVENT_HEAD_RECEIVED;
        event.code = ex->head->code;
        tell(ex, &event, ex->head_ns);
    }
    if (plain.received != ex->told_plain.received || tally->tls.received != ex->told_tls.received ||
        (ex->response_ended && !ex->response_received_told)) {
        ex->response_received_told = ex->response_ended;
        event.kind = WEIR_EVENT_RESPONSE_RECEIVED;
        event.plain_octets = plain.received;
        event.tls_octets = tally->tls.received;
        event.last = ex->response_ended;
        tell(ex, &event, now_ns);
    }
    ex->told_plain = plain;
    ex->told_tls = tally->tls;
}

static void begin_attempt(weir_exchange *ex)
{
    WEIR_ASSERT(ex->attempt_count < WEIR_ATTEMPTS_LIMIT);
    weir_attempt *attempt = &ex->attempts[ex->attempt_count++];

    memset(attempt, 0, sizeof(*attempt));
    attempt->size = sizeof(*attempt);
    attempt->conn = ex->link->id;
    attempt->protocol = weir_link_protocol(ex->link);
    attempt->reused = ex->ticket.reused;
    attempt->failure = weir_failure_bare(WEIR_OK);
    ex->attempt_reused = ex->ticket.reused;
    ex->attempted = true;
}

static weir_attempt *attempt_now(weir_exchange *ex)
{
    WEIR_ASSERT(ex->attempt_count > 0);
    return &ex->attempts[ex->attempt_count - 1];
}

/* Back to how it was before the attempt; its account stays in attempts[]. */
static void forget_attempt(weir_exchange *ex)
{
    ex->failure = weir_failure_bare(WEIR_OK);
    ex->attempted = false;
    ex->sending = WEIR_SENDING_NONE;
    ex->write_blocked = false;
    ex->source_blocked = false;
    ex->body_octets = 0;
    ex->source_octets = 0;
    ex->source_ended = false;
    ex->source_status = WEIR_OK;
    ex->stage_first = 0;
    ex->stage_end = 0;
    ex->first_octet_ns = 0;
    ex->response_ended = false;
    ex->told_plain = (weir_octets){0, 0};
    ex->told_tls = (weir_octets){0, 0};
    ex->head_sent_told = false;
    ex->request_sent_told = false;
    ex->response_received_told = false;
    ex->first_octet_told = false;
    ex->head_told = false;
    ex->news &= ~(unsigned)WEIR_NEWS_OVER;
    weir_buf_clear(&ex->rest);
}

static void finish(weir_exchange *ex, weir_time now_ns)
{
    weir_event event = {.kind = WEIR_EVENT_DONE};

    if (ex->failure.status != WEIR_OK && weir_exchange_was_maybe_processed(ex)) {
        ex->failure.processed = WEIR_MAYBE_PROCESSED;
    }
    event.failure = ex->failure;
    event.code = weir_exchange_code(ex);
    event.tally = weir_exchange_tally(ex);
    weir_exchange_set_phase(ex, WEIR_PHASE_DONE, now_ns);
    ex->state = WEIR_EXCHANGE_DONE;
    ex->news |= WEIR_NEWS_OVER;
    if (ex->stage != NULL) {
        weir_release(ex->allocator, ex->stage);
        ex->stage = NULL;
    }
    tell(ex, &event, now_ns);
}
