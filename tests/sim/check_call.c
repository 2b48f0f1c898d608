/* SPDX-License-Identifier: MIT */
/* What must hold of the answers that a call gets: see check_call.h. */
#include "check_call.h"

#include <string.h>

#include "again.h"
#include "driver.h"

#define IDLE_NS      (60 * WEIR_NS_PER_SECOND)
#define NUMBER(call) ((unsigned long long)(call)->number)

static const sim_request *find_response(sim_call *call, uint64_t serial);
static uint64_t serial_of(const sim_call *call);
static const sim_socket *last_socket(const sim_call *call);
static void check_fields(sim_call *call, const sim_response *response);
static void check_status(sim_call *call);
static void check_times(sim_call *call);
static void check_processed(const sim_call *call);
static void check_success(sim_call *call);
static void check_warm(const sim_call *call);
static void check_rows(sim_call *call);
static bool same(weir_span span, const char *text);
static bool same_name(weir_span span, const char *text);

void sim_check_call_informational(sim_call *call)
{
    const size_t count = weir_exchange_informational_count(call->exchange);

    SIM_MUST(call->world, count > call->informational_told,
             "call %llu is told of a 1xx that is not there", NUMBER(call));
    call->informational_told = count;
}

/* The response of exactly this request. */
void sim_check_call_head(sim_call *call)
{
    sim_world *world = call->world;

    SIM_MUST(world, !call->head_told, "call %llu is told of two heads", NUMBER(call));
    call->head_told = true;
    SIM_MUST(world, weir_response(call->exchange) == WEIR_OK,
             "call %llu: a head was told and is not there", NUMBER(call));
    call->answered = find_response(call, serial_of(call));
    if (call->answered == NULL) {
        call->poisoned = last_socket(call)->poisoned;
        SIM_MUST(world, call->poisoned, "call %llu has the response of another", NUMBER(call));
        return;
    }
    const sim_response *response = &call->answered->response;
    if (response->code == SIM_MISDIRECTED) {
        sim_again_shown(call);
    }
    SIM_MUST(world, weir_exchange_code(call->exchange) == response->code,
             "call %llu: code %d in place of %d", NUMBER(call), weir_exchange_code(call->exchange),
             response->code);
    check_fields(call, response);
}

/* What the response says it is; 0: nothing. */
static uint64_t serial_of(const sim_call *call)
{
    uint64_t serial = 0;
    weir_span value;

    if (weir_exchange_field(call->exchange, "x-serial", 0, &value)) {
        for (size_t i = 0; i < value.length; i++) {
            serial = serial * 10 + (uint64_t)(value.at[i] - '0');
        }
    }
    return serial;
}

/* The socket of its last attempt. */
static const sim_socket *last_socket(const sim_call *call)
{
    const sim_net *net = call->world->net;
    weir_attempt attempt = {.size = sizeof(attempt)};

    (void)weir_exchange_attempt_at(call->exchange, weir_exchange_attempt_count(call->exchange) - 1,
                                   &attempt);
    for (size_t i = 0; i < net->count; i++) {
        if (net->sockets[i]->link == attempt.conn) {
            return net->sockets[i];
        }
    }
    sim_violation(call->world, "call %llu has an attempt on no connection", NUMBER(call));
}

/* What has no serial, or 0, nobody planned: a request that waits for its response has none either.
 */
static const sim_request *find_response(sim_call *call, uint64_t serial)
{
    for (const sim_request *request = call->requests; request != NULL; request = request->next) {
        if (serial != 0 && request->response.serial == serial) {
            return request;
        }
    }
    return NULL;
}

static void check_fields(sim_call *call, const sim_response *response)
{
    sim_world *world = call->world;
    size_t found = 0;
    weir_field field;

    for (size_t i = 0; weir_exchange_field_at(call->exchange, i, &field); i++) {
        if (field.name.length < 3 || strncasecmp((const char *)field.name.at, "x-f", 3) != 0) {
            continue;
        }
        SIM_MUST(world, found < response->field_count, "call %llu: a field too many", NUMBER(call));
        SIM_MUST(world,
                 same_name(field.name, response->fields[found].name) &&
                     same(field.value, response->fields[found].value),
                 "call %llu: field %s is not what was sent", NUMBER(call),
                 response->fields[found].name);
        found++;
    }
    SIM_MUST(world, found == response->field_count, "call %llu: %zu fields of %zu", NUMBER(call),
             found, response->field_count);
}

void sim_check_call_read(sim_call *call, weir_status status, weir_span octets)
{
    sim_world *world = call->world;

    if (call->poisoned) {
        return; /* it reads the answer of another, as it must */
    }
    if (octets.length > 0) {
        SIM_MUST(world, status == WEIR_OK && call->answered != NULL,
                 "call %llu: octets before a head", NUMBER(call));
        const sim_response *response = &call->answered->response;
        const size_t wrong =
            sim_body_compare(response->serial, call->delivered, octets.at, octets.length);
        SIM_MUST(world, wrong == SIZE_MAX, "call %llu: octet %llu of its content is wrong",
                 NUMBER(call), (unsigned long long)(call->delivered + wrong));
        call->delivered += octets.length;
        SIM_MUST(world, call->delivered <= response->body_octets,
                 "call %llu: more content than was sent", NUMBER(call));
        return;
    }
    if (status == WEIR_AGAIN) {
        SIM_MUST(world, !weir_exchange_is_done(call->exchange), "call %llu is done and says AGAIN",
                 NUMBER(call));
        return;
    }
    const weir_failure failure = weir_exchange_failure(call->exchange);
    if (status == WEIR_END) {
        SIM_MUST(world, weir_exchange_is_done(call->exchange) && failure.status == WEIR_OK,
                 "call %llu says END before its end", NUMBER(call));
        if (call->warms > 0) {
            return; /* there was nothing to read */
        }
        SIM_MUST(world,
                 call->answered != NULL && call->delivered == call->answered->response.body_octets,
                 "call %llu says END after %llu octets", NUMBER(call),
                 (unsigned long long)call->delivered);
        return;
    }
    SIM_MUST(world, status < 0 && status == failure.status, "call %llu: weir_read() says %s",
             NUMBER(call), weir_status_name(status));
}

bool sim_check_call_is_full(const sim_call *call)
{
    const weir_exchange *ex = call->exchange;
    return ex->stream != NULL && weir_buf_room(&ex->stream->inbox) == 0;
}

void sim_check_call_done(sim_call *call)
{
    sim_world *world = call->world;
    const weir_failure failure = weir_exchange_failure(call->exchange);

    SIM_MUST(world, weir_exchange_is_done(call->exchange), "call %llu is told DONE and is not",
             NUMBER(call));
    SIM_MUST(world, failure.status == call->status, "call %llu is told %s and says %s",
             NUMBER(call), weir_status_name(call->status), weir_status_name(failure.status));
    SIM_MUST(world,
             call->status <= 0 && call->status != WEIR_AGAIN && call->status != WEIR_END &&
                 call->status != WEIR_ANSWERED && call->status != WEIR_E_NOT_ACCEPTING,
             "call %llu ended with %s", NUMBER(call), weir_status_name(call->status));
    SIM_MUST(world,
             weir_exchange_attempt_count(call->exchange) <=
                 (call->options.attempts != 0 ? call->options.attempts : WEIR_ATTEMPTS_LIMIT),
             "call %llu had too many attempts", NUMBER(call));
    check_times(call);
    check_status(call);
    check_processed(call);
    sim_again_done(call);
    if (call->warms > 0) {
        check_warm(call);
    } else if (call->status == WEIR_OK && !call->poisoned) {
        check_success(call);
    }
}

/* A call whose deadline passes before its first turn, which may come late, ends in the second,
 * which may too. */
static void check_times(sim_call *call)
{
    sim_world *world = call->world;
    const weir_time deadline_ns = call->options.deadline_ns;

    if (deadline_ns == 0) {
        return;
    }
    SIM_MUST(world,
             world->now_ns <= deadline_ns + 2 * world->plan.tick_ns ||
                 call->submitted_ns >= deadline_ns,
             "call %llu ended %llu ns after its deadline", NUMBER(call),
             (unsigned long long)(world->now_ns - deadline_ns));
}

/* A status is told only where its cause was. */
static void check_status(sim_call *call)
{
    sim_world *world = call->world;
    static const weir_status never[] = {
        WEIR_E_SYSTEM, WEIR_E_STATE,     WEIR_E_INVALID,
        WEIR_E_CLOSED, WEIR_E_BODY_LONG, WEIR_E_BODY_SHORT,
    };
    const weir_status status = call->status;
    bool possible = !call->calm || status == WEIR_OK;

    for (size_t i = 0; i < WEIR_COUNT_OF(never); i++) {
        possible = possible && status != never[i];
    }
    if (status == WEIR_E_CANCELLED) {
        possible = call->cancelled;
    }
    if (status == WEIR_E_DEADLINE_TOTAL) {
        possible = call->options.deadline_ns != 0 && world->now_ns >= call->options.deadline_ns;
    }
    if (status == WEIR_E_NOMEM) {
        possible = world->faults[SIM_FAULT_NOMEM] > 0;
    }
    if (status == WEIR_E_DEADLINE_IDLE) {
        const weir_time limit_ns = call->options.idle_ns != 0 ? call->options.idle_ns : IDLE_NS;
        possible = world->now_ns >= weir_time_add(call->unblocked_ns, limit_ns);
    }
    if (status == WEIR_E_BODY_SOURCE) {
        possible = call->source_failed;
    }
    SIM_MUST(world, possible, "call %llu ended with %s for no reason", NUMBER(call),
             weir_status_name(call->status));
}

/* What was said to be unprocessed no peer has seen, or it refused it. Those that come later are
 * judged in peer.c. */
static void check_processed(const sim_call *call)
{
    if (call->status == WEIR_OK || call->processed == WEIR_MAYBE_PROCESSED) {
        return;
    }
    for (const sim_request *request = call->requests; request != NULL; request = request->next) {
        SIM_MUST(call->world, request->refused || request->misdirected_ns != 0,
                 "call %llu was not processed, it was said, and a peer has it", NUMBER(call));
    }
}

/* A wish has no attempt, no answer and no octets. */
static void check_warm(const sim_call *call)
{
    const weir_tally tally = weir_exchange_tally(call->exchange);
    const weir_octets plain = weir_tally_plain(&tally);

    SIM_MUST(call->world, weir_exchange_attempt_count(call->exchange) == 0 && !call->head_told,
             "call %llu is a wish and was answered", NUMBER(call));
    SIM_MUST(call->world, plain.sent == 0 && plain.received == 0,
             "call %llu is a wish and has octets", NUMBER(call));
    SIM_MUST(call->world, call->exchange->ticket.state == WEIR_TICKET_IDLE,
             "call %llu is a wish and has a ticket", NUMBER(call));
}

/* Truncated never equals complete. */
static void check_success(sim_call *call)
{
    sim_world *world = call->world;
    weir_field field;

    if (call->poisoned) {
        return;
    }
    SIM_MUST(world, call->head_told && call->answered != NULL, "call %llu succeeded without a head",
             NUMBER(call));
    const sim_response *response = &call->answered->response;
    SIM_MUST(world, response->valid, "call %llu took a malformed response for a good one",
             NUMBER(call));
    SIM_MUST(world, response->complete,
             "call %llu succeeded with a response that was not sent whole", NUMBER(call));
    SIM_MUST(world,
             weir_exchange_informational_count(call->exchange) >= response->informational_count,
             "call %llu misses a 1xx", NUMBER(call));
    SIM_MUST(world, weir_exchange_trailer_count(call->exchange) == response->trailer_count,
             "call %llu: %zu trailers of %zu", NUMBER(call),
             weir_exchange_trailer_count(call->exchange), response->trailer_count);
    for (size_t i = 0; weir_exchange_trailer_at(call->exchange, i, &field); i++) {
        SIM_MUST(world,
                 same_name(field.name, response->trailers[i].name) &&
                     same(field.value, response->trailers[i].value),
                 "call %llu: trailer %zu is not what was sent", NUMBER(call), i);
    }
    check_rows(call);
}

/* The peer's own count of this very exchange, row by row. */
static void check_rows(sim_call *call)
{
    sim_world *world = call->world;
    const sim_request *request = call->answered;
    const sim_rows *sent = &request->rows;
    const sim_rows *received = &request->response.rows;
    weir_attempt attempt = {.size = sizeof(attempt)};

    (void)weir_exchange_attempt_at(call->exchange, weir_exchange_attempt_count(call->exchange) - 1,
                                   &attempt);
    const weir_tally *tally = &attempt.tally;
    SIM_MUST(world, attempt.final && attempt.conn == request->socket->link,
             "call %llu: its last attempt is another", NUMBER(call));
    SIM_MUST(world, tally->head.sent == sent->head, "call %llu: head sent %llu, the peer says %llu",
             NUMBER(call), (unsigned long long)tally->head.sent, (unsigned long long)sent->head);
    SIM_MUST(world, tally->head.received == received->head,
             "call %llu: head received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->head.received, (unsigned long long)received->head);
    SIM_MUST(world, tally->body.received == received->body,
             "call %llu: body received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->body.received, (unsigned long long)received->body);
    SIM_MUST(world, tally->trailers.received == received->trailers,
             "call %llu: trailers received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->trailers.received, (unsigned long long)received->trailers);
    SIM_MUST(world, tally->framing.received == received->framing || request->stream != 0,
             "call %llu: framing received %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->framing.received, (unsigned long long)received->framing);
    if (request->answered_early) {
        return; /* what still leaves of its body after the end is nobody's */
    }
    SIM_MUST(world, tally->body.sent == sent->body && tally->trailers.sent == sent->trailers,
             "call %llu: body and trailers sent %llu, %llu, the peer says %llu, %llu", NUMBER(call),
             (unsigned long long)tally->body.sent, (unsigned long long)tally->trailers.sent,
             (unsigned long long)sent->body, (unsigned long long)sent->trailers);
    SIM_MUST(world, tally->framing.sent == sent->framing || request->stream != 0,
             "call %llu: framing sent %llu, the peer says %llu", NUMBER(call),
             (unsigned long long)tally->framing.sent, (unsigned long long)sent->framing);
}

void sim_check_call_all_read(sim_call *call)
{
    if (call->status == WEIR_OK) {
        SIM_MUST(call->world, call->ended, "call %llu: all was read and there was no END",
                 NUMBER(call));
    }
}

static bool same(weir_span span, const char *text)
{
    return span.length == strlen(text) &&
           (span.length == 0 || memcmp(span.at, text, span.length) == 0);
}

/* HTTP/1.1 names come as they were sent. */
static bool same_name(weir_span span, const char *text)
{
    return span.length == strlen(text) &&
           strncasecmp((const char *)span.at, text, span.length) == 0;
}
