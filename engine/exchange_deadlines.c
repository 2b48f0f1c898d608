/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of an exchange (docs/deadlines.md). One is under way at a time beside the total
 * one, chosen by what the exchange waits for:
 *
 *   QUEUED without a dial of its own   queue_ns since it was queued (dialing.c limits a dial)
 *   waiting for 100                    continue_ns since the head was sent, then the body is sent
 *   request octets wait to be taken    write_ns since the kernel last took one
 *   request sent, nothing came         first_octet_ns since its last octet was taken
 *   response under way                 idle_ns since its last octet, while there is room for more
 *
 * Nothing runs while the caller is the one to act: an unwritten stream, an inbox that is full, and
 * in the blocking front end the time between two calls, when nobody would read what the peer sent.
 */
#include "engine/exchange.h"

static weir_time phase_deadline(const weir_exchange *ex, weir_why *why);
static weir_time sending_deadline(const weir_exchange *ex, weir_why *why);
static weir_time after(const weir_exchange *ex, weir_time since_ns, weir_time span_ns);
static weir_status status_of(weir_why why);

weir_time weir_exchange_deadline(const weir_exchange *ex, weir_why *why)
{
    weir_why inner = WEIR_WHY_NONE;
    weir_time at = WEIR_NEVER;

    *why = WEIR_WHY_NONE;
    if (ex->state == WEIR_EXCHANGE_DONE || weir_exchange_is_over(ex)) {
        return WEIR_NEVER;
    }
    at = phase_deadline(ex, &inner);
    if (ex->call.deadline_ns <= at) {
        *why = ex->call.deadline_ns == WEIR_NEVER ? WEIR_WHY_NONE : WEIR_WHY_TOTAL;
        return ex->call.deadline_ns;
    }
    *why = inner;
    return at;
}

weir_time weir_exchange_look_again(const weir_exchange *ex, weir_time now_ns)
{
    weir_time span_ns = weir_time_earlier(ex->call.first_octet_ns, ex->call.idle_ns);

    if (ex->phase != WEIR_PHASE_SEND && ex->received_ns != 0) {
        return WEIR_NEVER;
    }
    if (ex->sending == WEIR_SENDING_CONTINUE) {
        span_ns = weir_time_earlier(span_ns, ex->call.continue_ns);
    }
    return weir_time_add(now_ns, span_ns);
}

void weir_exchange_expire(weir_exchange *ex, weir_time now_ns)
{
    weir_why why = WEIR_WHY_NONE;

    weir_exchange_moved(ex, now_ns);
    if (weir_exchange_deadline(ex, &why) > now_ns) {
        return;
    }
    if (why == WEIR_WHY_CONTINUE) {
        ex->sending = WEIR_SENDING_BODY;
        ex->sent_ns = now_ns;
        ex->news |= WEIR_NEWS_WRITABLE;
        return;
    }
    weir_exchange_fail_with(ex, status_of(why), NULL, now_ns);
}

static weir_time phase_deadline(const weir_exchange *ex, weir_why *why)
{
    if (ex->state == WEIR_EXCHANGE_QUEUED && ex->ticket.dial == NULL) {
        *why = WEIR_WHY_QUEUE;
        return weir_time_add(ex->phase_since_ns, ex->call.queue_ns);
    }
    if (ex->state != WEIR_EXCHANGE_ATTACHED) {
        return WEIR_NEVER;
    }
    /* A 1xx that is not 100 does not release the content (RFC 9110 s10.1.1). */
    if (ex->phase == WEIR_PHASE_SEND &&
        (ex->received_ns == 0 || ex->sending == WEIR_SENDING_CONTINUE)) {
        return sending_deadline(ex, why);
    }
    if (ex->received_ns == 0) {
        *why = WEIR_WHY_FIRST_OCTET;
        return after(ex, ex->sent_ns, ex->call.first_octet_ns);
    }
    if (weir_exchange_is_full(ex)) {
        return WEIR_NEVER;
    }
    if (ex->sending == WEIR_SENDING_BODY ||
        (ex->phase == WEIR_PHASE_SEND && ex->stream->owner.queued_octets > 0)) {
        return sending_deadline(ex, why);
    }
    *why = WEIR_WHY_IDLE;
    return after(ex, ex->received_ns, ex->call.idle_ns);
}

static weir_time sending_deadline(const weir_exchange *ex, weir_why *why)
{
    const bool waits = ex->stream->owner.queued_octets > 0 || ex->write_blocked;

    if (!waits && ex->sending == WEIR_SENDING_CONTINUE) {
        *why = WEIR_WHY_CONTINUE;
        return after(ex, ex->sent_ns, ex->call.continue_ns);
    }
    if (!waits) {
        return WEIR_NEVER;
    }
    *why = WEIR_WHY_WRITE;
    return after(ex, ex->sent_ns, ex->call.write_ns);
}

static weir_time after(const weir_exchange *ex, weir_time since_ns, weir_time span_ns)
{
    return weir_time_add(since_ns > ex->away_until_ns ? since_ns : ex->away_until_ns, span_ns);
}

static weir_status status_of(weir_why why)
{
    static const weir_status statuses[WEIR_WHY_COUNT] = {
        [WEIR_WHY_QUEUE] = WEIR_E_DEADLINE_QUEUE,
        [WEIR_WHY_WRITE] = WEIR_E_DEADLINE_WRITE,
        [WEIR_WHY_FIRST_OCTET] = WEIR_E_DEADLINE_FIRST_OCTET,
        [WEIR_WHY_IDLE] = WEIR_E_DEADLINE_IDLE,
        [WEIR_WHY_TOTAL] = WEIR_E_DEADLINE_TOTAL,
    };
    WEIR_ASSERT(statuses[why] != WEIR_OK);
    return statuses[why];
}
