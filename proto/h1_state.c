/* SPDX-License-Identifier: MIT */
/* The half machines of an HTTP/1.1 connection and its reuse rule: see h1_state.h. */
#include "proto/h1_state.h"

#include "proto/failure.h"

static weir_unfit reuse(const weir_h1 *h1);
static bool is_timeout(const weir_h1 *h1);

static const char timeout_line[] = "HTTP/1.x 408 "; /* x: 0 or 1 */

static const char *const sending_names[] = {
    [WEIR_H1_SENDING_IDLE] = "idle",           [WEIR_H1_SENDING_BODY] = "body",
    [WEIR_H1_SENDING_ENDED] = "ended",         [WEIR_H1_SENDING_ANSWERED] = "answered",
    [WEIR_H1_SENDING_ABANDONED] = "abandoned",
};
_Static_assert(WEIR_COUNT_OF(sending_names) == WEIR_H1_SENDING_COUNT, "every state has a name");

static const char *const receiving_names[] = {
    [WEIR_H1_RECEIVING_IDLE] = "idle",     [WEIR_H1_RECEIVING_HEAD] = "head",
    [WEIR_H1_RECEIVING_BODY] = "body",     [WEIR_H1_RECEIVING_ENDED] = "ended",
    [WEIR_H1_RECEIVING_CLOSED] = "closed",
};
_Static_assert(WEIR_COUNT_OF(receiving_names) == WEIR_H1_RECEIVING_COUNT, "every state has a name");

/* The edges that there are, as bits 1 << to. */
static const unsigned sending_edges[WEIR_H1_SENDING_COUNT] = {
    [WEIR_H1_SENDING_IDLE] = 1u << WEIR_H1_SENDING_BODY | 1u << WEIR_H1_SENDING_ENDED,
    [WEIR_H1_SENDING_BODY] = 1u << WEIR_H1_SENDING_ENDED | 1u << WEIR_H1_SENDING_ANSWERED |
                             1u << WEIR_H1_SENDING_ABANDONED,
    [WEIR_H1_SENDING_ENDED] = 1u << WEIR_H1_SENDING_IDLE | 1u << WEIR_H1_SENDING_ABANDONED,
    [WEIR_H1_SENDING_ANSWERED] = 1u << WEIR_H1_SENDING_IDLE | 1u << WEIR_H1_SENDING_ABANDONED,
};

static const unsigned receiving_edges[WEIR_H1_RECEIVING_COUNT] = {
    [WEIR_H1_RECEIVING_IDLE] = 1u << WEIR_H1_RECEIVING_HEAD,
    [WEIR_H1_RECEIVING_HEAD] = 1u << WEIR_H1_RECEIVING_BODY | 1u << WEIR_H1_RECEIVING_CLOSED,
    [WEIR_H1_RECEIVING_BODY] = 1u << WEIR_H1_RECEIVING_ENDED | 1u << WEIR_H1_RECEIVING_CLOSED,
    [WEIR_H1_RECEIVING_ENDED] = 1u << WEIR_H1_RECEIVING_IDLE | 1u << WEIR_H1_RECEIVING_CLOSED,
};

const char *weir_h1_sending_name(weir_h1_sending sending)
{
    return (size_t)sending < WEIR_COUNT_OF(sending_names) ? sending_names[sending] : "unknown";
}

const char *weir_h1_receiving_name(weir_h1_receiving receiving)
{
    return (size_t)receiving < WEIR_COUNT_OF(receiving_names) ? receiving_names[receiving]
                                                              : "unknown";
}

bool weir_h1_is_receiving(const weir_h1 *h1)
{
    return h1->receiving == WEIR_H1_RECEIVING_HEAD || h1->receiving == WEIR_H1_RECEIVING_BODY;
}

bool weir_h1_is_whole_request(const weir_h1 *h1)
{
    return h1->sending == WEIR_H1_SENDING_ENDED ||
           (h1->sending == WEIR_H1_SENDING_ANSWERED && weir_h1_encode_is_whole(&h1->open->encode));
}

bool weir_h1_is_complete(const weir_h1 *h1)
{
    return h1->receiving == WEIR_H1_RECEIVING_ENDED && weir_h1_is_whole_request(h1) &&
           h1->open->stream.owner.queued_octets == 0;
}

bool weir_h1_nothing_was_sent(const weir_h1_stream *open)
{
    return weir_tally_plain(&open->stream.owner.tally).sent == 0;
}

bool weir_h1_is_worth_its_rest(const weir_h1 *h1)
{
    return h1->receiving == WEIR_H1_RECEIVING_BODY && reuse(h1) == WEIR_FIT &&
           weir_h1_is_whole_request(h1) && h1->open->stream.owner.queued_octets == 0 &&
           h1->open->decode.part == WEIR_H1_PART_COUNTED &&
           h1->open->decode.left_octets <= WEIR_H1_REST_OCTETS;
}

void weir_h1_enter_sending(weir_h1 *h1, weir_h1_sending to)
{
    WEIR_ASSERT(sending_edges[h1->sending] & 1u << to);
    h1->sending = to;
}

void weir_h1_enter_receiving(weir_h1 *h1, weir_h1_receiving to)
{
    WEIR_ASSERT(receiving_edges[h1->receiving] & 1u << to);
    h1->receiving = to;
}

void weir_h1_abandon(weir_h1 *h1)
{
    if (h1->sending != WEIR_H1_SENDING_ABANDONED) {
        weir_h1_enter_sending(h1, WEIR_H1_SENDING_ABANDONED);
        weir_h1_enter_receiving(h1, WEIR_H1_RECEIVING_CLOSED);
        h1->conn.withholds = true;
    }
}

void weir_h1_fail(weir_h1 *h1, weir_failure failure)
{
    if (h1->conn.failed) {
        return;
    }
    if (weir_h1_is_receiving(h1)) {
        failure.phase = h1->receiving == WEIR_H1_RECEIVING_BODY ? WEIR_PHASE_BODY
                        : h1->sending == WEIR_H1_SENDING_BODY   ? WEIR_PHASE_SEND
                                                                : WEIR_PHASE_HEAD;
        failure.processed =
            weir_h1_nothing_was_sent(h1->open) ? WEIR_NOT_SENT : WEIR_MAYBE_PROCESSED;
        weir_stream_tell_failed(&h1->open->stream, &h1->conn.ready, &failure);
        weir_h1_abandon(h1);
    }
    weir_conn_fail(&h1->conn, &failure);
}

/* RFC 9110 s15.5.9: with 408 and no request outstanding the server says that it closes an idle
 * connection. It must come first, and of it only the beginning is looked at. */
void weir_h1_note_timeout(weir_h1 *h1, weir_span octets)
{
    const size_t all = sizeof(timeout_line) - 1;
    if (h1->has_left_over && h1->timeout_octets == 0) {
        return;
    }
    for (size_t i = 0; i < octets.length && h1->timeout_octets < all; i++) {
        const char wanted = timeout_line[h1->timeout_octets];
        const bool is_minor = wanted == 'x' && (octets.at[i] == '0' || octets.at[i] == '1');
        if (octets.at[i] != (uint8_t)wanted && !is_minor) {
            h1->timeout_octets = 0;
            return;
        }
        h1->timeout_octets++;
    }
}

/* Reading is paused for as long as there is no room for content. */
void weir_h1_note_unread(weir_h1 *h1)
{
    if (h1->open) {
        const bool is_unread =
            h1->receiving == WEIR_H1_RECEIVING_BODY && weir_buf_room(&h1->open->stream.inbox) == 0;
        weir_stopwatch_set(&h1->open->stream.unread, is_unread, h1->conn.ledger.now_ns);
    }
}

void weir_h1_publish(weir_h1 *h1)
{
    weir_h1_note_unread(h1);
    weir_facts facts = h1->conn.facts;
    if (facts.unfit == WEIR_FIT || (facts.unfit == WEIR_UNFIT_LEFT_OVER && is_timeout(h1))) {
        facts.unfit = reuse(h1);
    }
    facts.accepting = facts.unfit == WEIR_FIT;
    facts.reusable = facts.accepting;
    facts.capacity_streams = h1->rest_octets > 0 ? 0 : 1;
    if (h1->open &&
        (h1->receiving == WEIR_H1_RECEIVING_BODY || h1->receiving == WEIR_H1_RECEIVING_ENDED)) {
        facts.keep_alive_ns = h1->open->decode.framing.keep_alive_ns; /* of its final head */
    }
    weir_conn_set_facts(&h1->conn, facts);
}

/* May the connection carry a further exchange when this one is over, and if not, why not? */
static weir_unfit reuse(const weir_h1 *h1)
{
    if (h1->has_left_over) { /* before the failure that an octet nobody asked for may be */
        return is_timeout(h1) ? WEIR_UNFIT_ENDED : WEIR_UNFIT_LEFT_OVER;
    }
    if (h1->conn.failed) {
        /* That we wanted it no more is no failure of it. */
        return weir_conn_failure(&h1->conn).status == WEIR_E_CANCELLED ? WEIR_UNFIT_UNFINISHED
                                                                       : WEIR_UNFIT_FAILED;
    }
    if (h1->is_until_close) {
        return WEIR_UNFIT_UNTIL_CLOSE;
    }
    if (h1->has_ended) {
        return WEIR_UNFIT_ENDED;
    }
    if (h1->closes) {
        return WEIR_UNFIT_CLOSE;
    }
    if (h1->has_abandoned_rest || h1->sending == WEIR_H1_SENDING_ABANDONED ||
        (h1->receiving == WEIR_H1_RECEIVING_ENDED && !weir_h1_is_whole_request(h1))) {
        return WEIR_UNFIT_UNFINISHED;
    }
    return h1->is_shut_down ? WEIR_UNFIT_SHUTDOWN : WEIR_FIT;
}

static bool is_timeout(const weir_h1 *h1)
{
    return h1->timeout_octets == sizeof(timeout_line) - 1;
}
