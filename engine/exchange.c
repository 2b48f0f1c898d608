/* SPDX-License-Identifier: MIT */
/*
 * An exchange's birth and death, and what its user may ask of it. Its life between the two is in
 * exchange_life.c, its body in exchange_body.c.
 *
 * Everything that a caller gave is checked and copied here, before anything is done: what is
 * refused was never sent.
 */
#include "engine/exchange.h"
#include "proto/failure.h"

#include <string.h>

#include "engine/given.h"
#include "engine/record.h"
#include "engine/tls_config.h"
#include "proto/octet.h"

#define SECONDS(n)             ((weir_time)(n)*WEIR_NS_PER_SECOND)
/* What a call that does not say otherwise may wait for, and how long (docs/deadlines.md). */
#define QUEUE_DEFAULT_NS       SECONDS(30)
#define WRITE_DEFAULT_NS       SECONDS(60)
#define FIRST_OCTET_DEFAULT_NS SECONDS(60)
#define IDLE_DEFAULT_NS        SECONDS(60)
#define CONTINUE_DEFAULT_NS    SECONDS(1)
/* What a target of parts may have between them: "://", brackets, a colon and the port. */
#define TARGET_MARKS_OCTETS    16
/* Strings a target may need beside the URL itself: see weir_target_parse(). */
#define TARGET_EXTRA_OCTETS    32

static weir_status refuse_record(weir_exchange *ex, const char *why);
static weir_status ask(weir_exchange *ex, const weir_request *request,
                       const weir_exchange_options *options);
static weir_status ask_target(weir_exchange *ex, const weir_request *request);
static weir_status ask_body(weir_exchange *ex, const weir_request *request,
                            weir_body_framing *framing);
static weir_status ask_trailers(weir_exchange *ex, const weir_field *trailers, size_t count);
static void fill_call(weir_call *to, const weir_call *from);
static weir_time or_default(weir_time given, weir_time fallback);
static bool copy_host(weir_exchange *ex, weir_span *host);
static const weir_message *informational_at(const weir_exchange *ex, size_t i);
static bool is_open_stream(const weir_exchange *ex);

weir_exchange *weir_exchange_new(const weir_exchange_options *options, const weir_request *given,
                                 const weir_call *call, weir_status *status)
{
    weir_request copy;
    const weir_request *request = &copy;
    weir_call call_copy;
    const weir_given asked = {given, call, options->warms > 0};
    const char *mistake = weir_given_read(&asked, &copy, &call_copy);

    weir_exchange *ex = weir_alloc_zeroed(options->allocator, sizeof(*ex));
    if (ex == NULL) {
        *status = WEIR_E_NOMEM;
        return NULL;
    }
    ex->allocator = options->allocator;
    ex->front = options->front;
    ex->owner = options->owner;
    ex->user = options->user;
    ex->id = options->id;
    ex->submitted_ns = options->now_ns;
    ex->phase = WEIR_PHASE_SUBMIT;
    ex->phase_since_ns = options->now_ns;
    ex->failure = weir_failure_bare(WEIR_OK);
    ex->refusal = ex->failure;
    fill_call(&ex->call, &call_copy);
    weir_fields_init(&ex->strings, ex->allocator);
    weir_fields_init(&ex->trailers_to_send, ex->allocator);
    weir_fields_init(&ex->request.fields, ex->allocator);
    weir_bin_init(&ex->rest_bin, ex->allocator, 0);
    weir_buf_init(&ex->rest, &ex->rest_bin, SIZE_MAX);
    weir_events_init(&ex->events, ex->allocator,
                     ex->call.observer != NULL ? ex->call.observer : options->observer);
    weir_list_init(&ex->link_place);
    weir_list_init(&ex->token_place);
    weir_list_init(&ex->news_place);
    weir_list_init(&ex->ticket.link);
    weir_list_init(&ex->ticket.granted);
    weir_warmth_init(&ex->wish);
    ex->warms = options->warms;
    if (ex->call.explain) {
        ex->candidates = weir_alloc(ex->allocator, WEIR_CANDIDATES_LIMIT * sizeof(*ex->candidates));
    }
    const bool has_memory =
        weir_events_reserve(&ex->events) && (!ex->call.explain || ex->candidates != NULL);
    *status = !has_memory       ? WEIR_E_NOMEM
              : mistake != NULL ? refuse_record(ex, mistake)
                                : ask(ex, request, options);
    if (*status == WEIR_E_NOMEM) {
        weir_exchange_destroy(ex);
        return NULL;
    }
    if (*status != WEIR_OK) {
        ex->failure.status = *status;
        ex->failure.phase = WEIR_PHASE_SUBMIT;
        ex->failure.processed = WEIR_NOT_SENT;
        ex->state = WEIR_EXCHANGE_DONE;
        ex->phase = WEIR_PHASE_DONE;
        ex->news = WEIR_NEWS_OVER;
    }
    weir_exchange_submitted(ex, options->now_ns);
    return ex;
}

void weir_exchange_destroy(weir_exchange *ex)
{
    if (ex == NULL) {
        return;
    }
    WEIR_ASSERT(ex->stream == NULL);
    WEIR_ASSERT(ex->ticket.state != WEIR_TICKET_WAITING && ex->ticket.state != WEIR_TICKET_LEASED);
    while (ex->informational_first != NULL) {
        weir_message *next = ex->informational_first->next;
        weir_message_free(ex->informational_first);
        ex->informational_first = next;
    }
    weir_message_free(ex->head);
    weir_message_free(ex->trailers);
    weir_buf_clear(&ex->rest);
    weir_bin_clear(&ex->rest_bin);
    weir_head_clear(&ex->request);
    weir_fields_clear(&ex->trailers_to_send);
    weir_fields_clear(&ex->strings);
    weir_events_clear(&ex->events);
    if (ex->stage != NULL) {
        weir_release(ex->allocator, ex->stage);
    }
    weir_release(ex->allocator, ex->candidates);
    weir_release(ex->allocator, ex->connects);
    weir_tls_config_release(ex->tls);
    weir_release(ex->allocator, ex);
}

weir_origin_key weir_exchange_key(const weir_exchange *ex)
{
    weir_origin_key key;

    memset(&key, 0, sizeof(key));
    key.host = ex->target.host;
    key.zone = ex->target.zone;
    key.port = ex->target.port;
    key.address = ex->connect_to;
    /* 0 says the URL's, and so does that itself: one place, one key. */
    key.address_port = ex->call.connect_port != ex->target.port ? ex->call.connect_port : 0;
    key.tls = ex->tls != NULL ? weir_tls_config_number(ex->tls) : 0;
    key.https = ex->target.https;
    key.kind = (uint8_t)ex->target.kind;
    key.pin = (uint8_t)ex->call.pin;
    return key;
}

static weir_status refuse_record(weir_exchange *ex, const char *why)
{
    ex->failure.what = why;
    return WEIR_E_INVALID;
}

/* Checks and copies everything; the first thing wrong is the answer. */
static weir_status ask(weir_exchange *ex, const weir_request *request,
                       const weir_exchange_options *options)
{
    weir_body_framing framing = {WEIR_FRAMING_NONE, 0};
    weir_status status = ask_target(ex, request);

    if (status == WEIR_OK) {
        status = ask_body(ex, request, &framing);
    }
    if (status == WEIR_OK) {
        const weir_head_parts parts = {
            .method = request->method,
            .target = &ex->target,
            .fields = request->fields,
            .field_count = request->field_count,
            .body = framing,
            .expect_continue = ex->call.expect_continue,
            .hint = ex->call.hint,
        };
        status = weir_head_build(&ex->request, &parts, ex->allocator, &ex->failure);
    }
    if (status == WEIR_OK && request->trailer_count > 0) {
        status = framing.framing == WEIR_FRAMING_CHUNKED
                     ? weir_trailers_build(&ex->trailers_to_send, request->trailers,
                                           request->trailer_count, ex->allocator, &ex->failure)
                     : WEIR_E_TRAILER;
    }
    if (status == WEIR_OK && ex->call.connect_to.length > 0) {
        ex->connect_to = ex->call.connect_to;
        status = copy_host(ex, &ex->connect_to) ? WEIR_OK : WEIR_E_NOMEM;
    }
    if (status == WEIR_OK && ex->target.https) {
        weir_tls_config *tls = ex->call.tls != NULL ? ex->call.tls : options->tls;
        ex->tls = weir_tls_config_acquire(tls);
        ex->ticket.follows = ex->call.tls == NULL;
        ex->wish.follows = ex->ticket.follows;
    }
    if (status == WEIR_OK && ex->request.is_connect) {
        status = WEIR_E_UNSUPPORTED;
    }
    return status;
}

static weir_status ask_target(weir_exchange *ex, const weir_request *request)
{
    const weir_target_parts parts = {
        .scheme = request->scheme,
        .host = request->host,
        .port = request->port,
        .path = request->path,
    };
    const bool whole = request->url.length > 0;
    const size_t octets =
        whole ? request->url.length
              : parts.scheme.length + parts.host.length + parts.path.length + TARGET_MARKS_OCTETS;

    if (octets > WEIR_URL_LIMIT_OCTETS) {
        return WEIR_E_URL_TOO_LONG;
    }
    const size_t room = octets + TARGET_EXTRA_OCTETS;
    uint8_t *storage = weir_fields_hold(&ex->strings, room);
    if (storage == NULL) {
        return WEIR_E_NOMEM;
    }
    if (whole) {
        return weir_target_parse(&ex->target, request->url, storage, room, &ex->failure);
    }
    return weir_target_compose(&ex->target, &parts, storage, room, &ex->failure);
}

static weir_status ask_body(weir_exchange *ex, const weir_request *request,
                            weir_body_framing *framing)
{
    ex->body = request->body;
    switch (ex->body.kind) {
    case WEIR_BODY_NONE:
        return WEIR_OK;
    case WEIR_BODY_SPAN:
        *framing = (weir_body_framing){WEIR_FRAMING_LENGTH, ex->body.span.length};
        if (request->trailer_count > 0) {
            framing->framing = WEIR_FRAMING_CHUNKED;
        }
        return WEIR_OK;
    case WEIR_BODY_SOURCE:
        (void)weir_record_read(&ex->source, sizeof(ex->source), ex->body.source);
        break;
    case WEIR_BODY_STREAM:
        break;
    }
    *framing = ex->body.length_octets == WEIR_UNKNOWN
                   ? (weir_body_framing){WEIR_FRAMING_CHUNKED, 0}
                   : (weir_body_framing){WEIR_FRAMING_LENGTH, ex->body.length_octets};
    return WEIR_OK;
}

/* What is refused stays to be asked for, and the exchange goes on as if it had not been said. */
static weir_status ask_trailers(weir_exchange *ex, const weir_field *trailers, size_t count)
{
    weir_status status = WEIR_E_TRAILER;

    ex->refusal = weir_failure_bare(WEIR_OK);
    ex->refusal.what = "only a body without a declared length can have trailers";
    if (ex->request.body.framing == WEIR_FRAMING_CHUNKED) {
        weir_fields_clear(&ex->trailers_to_send);
        status = weir_trailers_build(&ex->trailers_to_send, trailers, count, ex->allocator,
                                     &ex->refusal);
    }
    ex->refusal.status = status;
    ex->refusal.phase = ex->phase;
    return status;
}

static void fill_call(weir_call *to, const weir_call *from)
{
    weir_time first_octet = FIRST_OCTET_DEFAULT_NS;
    weir_time idle = IDLE_DEFAULT_NS;

    *to = *from;
    if (to->hint == WEIR_HINT_EVENTS) {
        idle = WEIR_NEVER;
    }
    if (to->hint == WEIR_HINT_DUPLEX) {
        first_octet = WEIR_NEVER;
    }
    to->deadline_ns = or_default(to->deadline_ns, WEIR_NEVER);
    to->queue_ns = or_default(to->queue_ns, QUEUE_DEFAULT_NS);
    to->dns_ns = or_default(to->dns_ns, WEIR_DNS_DEFAULT_NS);
    to->connect_ns = or_default(to->connect_ns, WEIR_CONNECT_DEFAULT_NS);
    to->tls_ns = or_default(to->tls_ns, WEIR_TLS_DEFAULT_NS);
    to->write_ns = or_default(to->write_ns, WRITE_DEFAULT_NS);
    to->first_octet_ns = or_default(to->first_octet_ns, first_octet);
    to->idle_ns = or_default(to->idle_ns, idle);
    to->continue_ns = or_default(to->continue_ns, CONTINUE_DEFAULT_NS);
    if (to->attempts > WEIR_ATTEMPTS_LIMIT) {
        to->attempts = WEIR_ATTEMPTS_LIMIT;
    }
}

static weir_time or_default(weir_time given, weir_time fallback)
{
    return given != 0 ? given : fallback;
}

/* Hosts are compared without regard to case (RFC 3986 s6.2.2.1), the names of interfaces are not. */
static bool copy_host(weir_exchange *ex, weir_span *host)
{
    uint8_t *copy = weir_fields_hold(&ex->strings, host->length);

    if (copy == NULL) {
        return false;
    }
    memcpy(copy, host->at, host->length);
    for (size_t i = 0; i < host->length && copy[i] != '%'; i++) {
        copy[i] = weir_octet_lower(copy[i]);
    }
    host->at = copy;
    return true;
}

/* -- what users ask -- */

int weir_exchange_code(const weir_exchange *ex)
{
    return ex->head != NULL ? ex->head->code : 0;
}

size_t weir_exchange_field_count(const weir_exchange *ex)
{
    return ex->head != NULL ? weir_fields_count(&ex->head->fields) : 0;
}

bool weir_exchange_field_at(const weir_exchange *ex, size_t i, weir_field *field)
{
    return ex->head != NULL && weir_fields_at(&ex->head->fields, i, field);
}

bool weir_exchange_field(const weir_exchange *ex, const char *name, size_t i, weir_span *value)
{
    return ex->head != NULL && weir_fields_find(&ex->head->fields, weir_span_of(name), i, value);
}

size_t weir_exchange_trailer_count(const weir_exchange *ex)
{
    return ex->trailers != NULL ? weir_fields_count(&ex->trailers->fields) : 0;
}

bool weir_exchange_trailer_at(const weir_exchange *ex, size_t i, weir_field *field)
{
    return ex->trailers != NULL && weir_fields_at(&ex->trailers->fields, i, field);
}

size_t weir_exchange_informational_count(const weir_exchange *ex)
{
    return ex->informational_count;
}

int weir_exchange_informational_code(const weir_exchange *ex, size_t i)
{
    const weir_message *message = informational_at(ex, i);
    return message != NULL ? message->code : 0;
}

bool weir_exchange_informational_field_at(const weir_exchange *ex, size_t i, size_t j,
                                          weir_field *field)
{
    const weir_message *message = informational_at(ex, i);
    return message != NULL && weir_fields_at(&message->fields, j, field);
}

uint64_t weir_exchange_length(const weir_exchange *ex)
{
    return ex->head != NULL ? ex->head->length_octets : WEIR_UNKNOWN;
}

bool weir_exchange_is_done(const weir_exchange *ex)
{
    return ex->state == WEIR_EXCHANGE_DONE;
}

weir_failure weir_exchange_failure(const weir_exchange *ex)
{
    const bool is_refused = ex->failure.status == WEIR_OK && ex->state != WEIR_EXCHANGE_DONE;

    return is_refused ? ex->refusal : ex->failure;
}

weir_phase weir_exchange_phase(const weir_exchange *ex)
{
    return ex->phase;
}

weir_time weir_exchange_phase_ns(const weir_exchange *ex, weir_phase phase)
{
    return (unsigned)phase < WEIR_PHASE_COUNT ? ex->phase_ns[phase] : 0;
}

void *weir_exchange_user(const weir_exchange *ex)
{
    return ex->user;
}

uint64_t weir_exchange_id(const weir_exchange *ex)
{
    return ex->id;
}

size_t weir_exchange_attempt_count(const weir_exchange *ex)
{
    return ex->attempt_count;
}

bool weir_exchange_attempt_at(const weir_exchange *ex, size_t i, weir_attempt *attempt)
{
    if (i >= ex->attempt_count) {
        return false;
    }
    return weir_record_write(attempt, &ex->attempts[i], sizeof(ex->attempts[i]));
}

weir_tally weir_exchange_tally(const weir_exchange *ex)
{
    weir_tally sum;

    memset(&sum, 0, sizeof(sum));
    for (size_t i = 0; i < ex->attempt_count; i++) {
        weir_tally_add(&sum, &ex->attempts[i].tally);
    }
    return sum;
}

void weir_exchange_stalls(const weir_exchange *ex, weir_stalls *stalls)
{
    weir_stalls all = ex->stalls.sum;
    weir_waits waits;

    weir_exchange_waited(ex, &waits);
    all.max_streams_ns = waits.ns[WEIR_REASON_AT_MAX_STREAMS];
    all.tls_ns = ex->phase_ns[WEIR_PHASE_TLS];
    (void)weir_record_write(stalls, &all, sizeof(all));
}

weir_status weir_response(weir_exchange *ex)
{
    return ex->front->response(ex);
}

weir_status weir_read(weir_exchange *ex, void *to, size_t room, size_t *octets)
{
    *octets = 0;
    if (room == 0 || to == NULL) {
        return WEIR_E_INVALID;
    }
    return ex->front->read(ex, to, room, octets);
}

weir_status weir_write(weir_exchange *ex, weir_span octets, size_t *taken)
{
    *taken = 0;
    if (!is_open_stream(ex)) {
        return WEIR_E_STATE;
    }
    return ex->front->write(ex, octets, taken);
}

weir_status weir_finish(weir_exchange *ex, const weir_field *trailers, size_t count)
{
    if (!is_open_stream(ex)) {
        return WEIR_E_STATE;
    }
    ex->refusal.status = WEIR_OK;
    if (count > 0) {
        const weir_status status = ask_trailers(ex, trailers, count);
        if (status != WEIR_OK) {
            return status;
        }
    }
    return ex->front->finish(ex, count > 0 ? &ex->trailers_to_send : NULL);
}

void weir_resume(weir_exchange *ex)
{
    ex->front->resume(ex);
}

void weir_cancel(weir_exchange *ex)
{
    if (!atomic_exchange(&ex->cancel_wanted, true)) {
        ex->front->kick(ex);
    }
}

void weir_exchange_free(weir_exchange *ex)
{
    if (ex == NULL) {
        return;
    }
    ex->front->leave(ex);
}

static const weir_message *informational_at(const weir_exchange *ex, size_t i)
{
    const weir_message *message = ex->informational_first;

    for (; message != NULL && i > 0; i--) {
        message = message->next;
    }
    return message;
}

/* Whatever became of it since: a caller who goes on writing behind its end is wrong, be it answered
 * or failed. */
static bool is_open_stream(const weir_exchange *ex)
{
    return ex->body.kind == WEIR_BODY_STREAM && !ex->stream_was_ended;
}
