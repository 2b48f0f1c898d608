/* SPDX-License-Identifier: MIT */
/*
 * The one door for requests.
 *
 * Everything that a caller can get wrong in a head is found here, before a connection is chosen, so
 * that a refusal has cost nothing and the encoders of both protocols have nothing left to check.
 * The order of the checks is: the request as a whole, then field by field in the caller's order, so
 * that the first offence is the one that is told.
 *
 * Three decisions that the RFCs leave open.
 *   - Content in TRACE or CONNECT is WEIR_E_INVALID: method and body do not go together, no field
 *     is to blame.
 *   - A Host that names the default port of the scheme equals an authority without port (RFC 9110
 *     s4.2.3) and passes; it is dropped, like every Host, since the authority comes from the
 *     target alone.
 *   - A request to expect 100-continue is the caller's wish when it comes as a flag, and is
 *     forgotten when there is no content; as a field it is a statement, and one that RFC 9110
 *     s10.1.1 forbids without content.
 */
#include "proto/head.h"

#include "proto/failure.h"
#include "proto/head_rules.h"
#include "proto/octet.h"

#include <string.h>

#define LIMIT_OCTETS        ((size_t)65536)
/* A name of 253 octets and a final dot is the longest host. */
#define HOST_LIMIT_OCTETS   ((size_t)254)
/* Shorter ones could be guessed through the compression (RFC 7541 s7.1.3). */
#define SHORT_COOKIE_OCTETS ((size_t)20)

/* A section of fields that is being built. */
typedef struct builder {
    weir_fields *fields;
    weir_failure *failure;
    weir_phase phase;
    size_t left_octets;
    size_t index; /* of the field that is looked at, in the caller's array */
} builder;

/* What is known of a request while its fields are looked at. */
typedef struct request {
    weir_head *head;
    const weir_target *target;
    bool is_trace;
    bool has_host;
    bool expects; /* an Expect field was given */
} request;

static weir_status build_head(builder *b, request *q, const weir_head_parts *parts);
static weir_status read_method(const builder *b, request *q, weir_span method);
static weir_status check_together(const builder *b, const request *q);
static weir_status copy_start(builder *b, const request *q);
static weir_status add_field(builder *b, request *q, weir_field field);
static weir_status take_host(const builder *b, request *q, weir_span value);
static weir_status take_length(const builder *b, const request *q, weir_span value);
static weir_status take_expect(const builder *b, request *q, weir_span value);
static weir_status add_expect(builder *b, const request *q, bool wanted);
static weir_status add_trailer(builder *b, weir_field field);
static weir_status check_field(builder *b, weir_field *field);
static weir_status store(builder *b, weir_field field);
static uint8_t *copy_lower(uint8_t *to, weir_span *span);
static uint8_t *copy(uint8_t *to, weir_span *span);
static bool has_content(weir_body_framing body);
static bool is_authority(weir_span host, const weir_target *target);
static bool parse_length(weir_span text, uint64_t *length_octets);
static bool has_upper(weir_span span);
static bool charge(builder *b, size_t octets);
static weir_status refuse(const builder *b, weir_status status, const char *what);
static weir_status refuse_whole(const builder *b, weir_status status, const char *what);

weir_status weir_head_build(weir_head *head, const weir_head_parts *parts,
                            const weir_allocator *allocator, weir_failure *failure)
{
    *head = (weir_head){.https = parts->target->https, .body = parts->body, .hint = parts->hint};
    weir_fields_init(&head->fields, allocator);
    builder b = {
        .fields = &head->fields,
        .failure = failure,
        .phase = WEIR_PHASE_SUBMIT,
        .left_octets = parts->limit_octets ? parts->limit_octets : LIMIT_OCTETS,
    };
    request q = {.head = head, .target = parts->target};
    weir_status status = build_head(&b, &q, parts);
    if (status != WEIR_OK) {
        weir_head_clear(head);
    }
    return status;
}

void weir_head_clear(weir_head *head)
{
    const weir_allocator *allocator = head->fields.allocator;
    weir_fields_clear(&head->fields);
    *head = (weir_head){.https = false};
    weir_fields_init(&head->fields, allocator);
}

weir_status weir_trailers_build(weir_fields *trailers, const weir_field *fields, size_t count,
                                const weir_allocator *allocator, weir_failure *failure)
{
    weir_status status = WEIR_OK;
    weir_fields_init(trailers, allocator);
    builder b = {
        .fields = trailers,
        .failure = failure,
        .phase = WEIR_PHASE_SEND,
        .left_octets = LIMIT_OCTETS,
    };
    for (; b.index < count && status == WEIR_OK; b.index++) {
        status = add_trailer(&b, fields[b.index]);
    }
    if (status != WEIR_OK) {
        weir_fields_clear(trailers);
    }
    return status;
}

static weir_status build_head(builder *b, request *q, const weir_head_parts *parts)
{
    weir_status status = read_method(b, q, parts->method);
    if (status == WEIR_OK) {
        status = check_together(b, q);
    }
    if (status == WEIR_OK) {
        status = copy_start(b, q);
    }
    for (; b->index < parts->field_count && status == WEIR_OK; b->index++) {
        status = add_field(b, q, parts->fields[b->index]);
    }
    if (status == WEIR_OK) {
        status = add_expect(b, q, parts->expect_continue);
    }
    return status;
}

static weir_status read_method(const builder *b, request *q, weir_span method)
{
    weir_head *head = q->head;
    head->method = method.length > 0 ? method : WEIR_SPAN("GET");
    size_t run = weir_octet_run(head->method, WEIR_OCTET_TOKEN);
    if (run < head->method.length) {
        refuse_whole(b, WEIR_E_METHOD, NULL);
        b->failure->offset = run;
        return WEIR_E_METHOD;
    }
    bool is_none = head->body.framing == WEIR_FRAMING_NONE;
    weir_method_facts facts = weir_method_facts_of(head->method);
    head->idempotent = facts.idempotent;
    head->is_head = weir_span_equal(head->method, WEIR_SPAN("HEAD"));
    head->is_connect = weir_span_equal(head->method, WEIR_SPAN("CONNECT"));
    q->is_trace = weir_span_equal(head->method, WEIR_SPAN("TRACE"));
    head->says_length =
        head->body.framing == WEIR_FRAMING_LENGTH || (is_none && facts.expects_content);
    if (head->body.framing != WEIR_FRAMING_LENGTH) {
        head->body.length_octets = 0;
    }
    if (facts.takes_no_content && !is_none) {
        return refuse_whole(b, WEIR_E_INVALID, "TRACE and CONNECT have no content");
    }
    return WEIR_OK;
}

/* Do method, target and body make a request? */
static weir_status check_together(const builder *b, const request *q)
{
    const weir_head *head = q->head;
    if (head->body.framing == WEIR_FRAMING_UNTIL_CLOSE) {
        return refuse_whole(b, WEIR_E_INVALID, "a request does not end with its connection");
    }
    if (head->is_connect && !weir_span_equal(q->target->path, WEIR_SPAN("/"))) {
        return refuse_whole(b, WEIR_E_INVALID, "CONNECT has no path");
    }
    if (weir_span_equal(q->target->path, WEIR_SPAN("*")) &&
        !weir_span_equal(head->method, WEIR_SPAN("OPTIONS"))) {
        return refuse_whole(b, WEIR_E_INVALID, "only OPTIONS has the target *");
    }
    return WEIR_OK;
}

/* Copies method, authority and path together, as the first octets of the head's arena. */
static weir_status copy_start(builder *b, const request *q)
{
    weir_head *head = q->head;
    uint8_t host_port[HOST_LIMIT_OCTETS + 8];
    WEIR_ASSERT(q->target->host.length <= HOST_LIMIT_OCTETS);
    head->authority = q->target->authority;
    head->path = q->target->path;
    if (head->is_connect) {
        size_t length = weir_target_write_host_port(q->target, host_port);
        head->authority = (weir_span){host_port, length};
        head->path = (weir_span){NULL, 0};
    }
    if (!charge(b, head->method.length) || !charge(b, head->authority.length) ||
        !charge(b, head->path.length)) {
        return refuse_whole(b, WEIR_E_HEAD_LARGE, "method and target alone are over the limit");
    }
    uint8_t *at = weir_fields_hold(&head->fields, head->method.length + head->authority.length +
                                                      head->path.length);
    if (!at) {
        return refuse_whole(b, WEIR_E_NOMEM, NULL);
    }
    at = copy(at, &head->method);
    at = copy(at, &head->authority);
    copy(at, &head->path);
    return WEIR_OK;
}

static weir_status add_field(builder *b, request *q, weir_field field)
{
    weir_status status = check_field(b, &field);
    if (status != WEIR_OK) {
        return status;
    }
    switch (weir_field_rule_of(field.name)) {
    case WEIR_RULE_PASS:
        break;
    case WEIR_RULE_FORBIDDEN:
        return refuse(b, WEIR_E_FIELD_FORBIDDEN, "the field is about the connection");
    case WEIR_RULE_HOST:
        return take_host(b, q, field.value);
    case WEIR_RULE_LENGTH:
        return take_length(b, q, field.value);
    case WEIR_RULE_EXPECT:
        return take_expect(b, q, field.value);
    case WEIR_RULE_TE:
        if (!weir_span_equal_nocase(field.value, WEIR_SPAN("trailers"))) {
            return refuse(b, WEIR_E_FIELD_FORBIDDEN, "TE may say \"trailers\" only");
        }
        break;
    case WEIR_RULE_SECRET:
        field.flags |= WEIR_FIELD_SENSITIVE;
        break;
    case WEIR_RULE_COOKIE:
        if (q->is_trace || field.value.length < SHORT_COOKIE_OCTETS) {
            field.flags |= WEIR_FIELD_SENSITIVE;
        }
        break;
    }
    if (q->is_trace && (field.flags & WEIR_FIELD_SENSITIVE)) {
        return refuse(b, WEIR_E_FIELD_FORBIDDEN, "TRACE would echo a secret (RFC 9110 s9.3.8)");
    }
    return store(b, field);
}

static weir_status take_host(const builder *b, request *q, weir_span value)
{
    if (q->has_host) {
        return refuse(b, WEIR_E_FIELD_HOST, "Host is given twice");
    }
    if (!is_authority(value, q->target)) {
        return refuse(b, WEIR_E_FIELD_HOST, "Host is not the authority of the URL");
    }
    q->has_host = true;
    return WEIR_OK;
}

/* It is dropped: the encoder writes the length from the body. */
static weir_status take_length(const builder *b, const request *q, weir_span value)
{
    weir_head *head = q->head;
    uint64_t length_octets = 0;
    if (!parse_length(value, &length_octets)) {
        return refuse(b, WEIR_E_FIELD_LENGTH, "Content-Length is no number of octets");
    }
    if (head->body.framing != WEIR_FRAMING_LENGTH && head->body.framing != WEIR_FRAMING_NONE) {
        return refuse(b, WEIR_E_FIELD_LENGTH, "the body has no declared length");
    }
    if (length_octets != head->body.length_octets) {
        return refuse(b, WEIR_E_FIELD_LENGTH, "Content-Length is not the length of the body");
    }
    /* A tunnel has no content, so no length of it either (RFC 9110 s8.6). */
    head->says_length = !head->is_connect;
    return WEIR_OK;
}

static weir_status take_expect(const builder *b, request *q, weir_span value)
{
    if (!weir_span_equal_nocase(value, WEIR_SPAN("100-continue"))) {
        return refuse(b, WEIR_E_FIELD_FORBIDDEN, "Expect may say \"100-continue\" only");
    }
    if (!has_content(q->head->body)) {
        return refuse(b, WEIR_E_FIELD_FORBIDDEN, "Expect needs content (RFC 9110 s10.1.1)");
    }
    q->expects = true;
    return WEIR_OK;
}

static weir_status add_expect(builder *b, const request *q, bool wanted)
{
    static const char name[] = "expect";
    static const char value[] = "100-continue";
    q->head->expect_continue = q->expects || (wanted && has_content(q->head->body));
    if (!q->head->expect_continue) {
        return WEIR_OK;
    }
    /* Kept: both live as long as the program. */
    return store(b, (weir_field){WEIR_SPAN(name), WEIR_SPAN(value), WEIR_KEEP});
}

static weir_status add_trailer(builder *b, weir_field field)
{
    weir_status status = check_field(b, &field);
    if (status != WEIR_OK) {
        return status;
    }
    if (!weir_field_fits_trailers(field.name)) {
        return refuse(b, WEIR_E_TRAILER, "the field must be known before the content");
    }
    return store(b, field);
}

/* What holds for every field of either section; trims the value. */
static weir_status check_field(builder *b, weir_field *field)
{
    if (field->name.length == 0 ||
        weir_octet_run(field->name, WEIR_OCTET_TOKEN) < field->name.length) {
        return refuse(b, WEIR_E_FIELD_NAME, NULL);
    }
    if (weir_octet_run(field->value, WEIR_OCTET_VALUE) < field->value.length) {
        return refuse(b, WEIR_E_FIELD_VALUE, NULL);
    }
    field->value = weir_span_trim(field->value);
    if (!charge(b, field->name.length) || !charge(b, field->value.length)) {
        bool in_head = b->phase == WEIR_PHASE_SUBMIT;
        return refuse(b, in_head ? WEIR_E_HEAD_LARGE : WEIR_E_TRAILER, "too many octets");
    }
    return WEIR_OK;
}

/*
 * Puts the field into the list with its name in lower case. Of a field that is kept, only a name
 * that has to be changed is copied.
 */
static weir_status store(builder *b, weir_field field)
{
    bool is_kept = (field.flags & WEIR_KEEP) != 0;
    bool copies_name = !is_kept || has_upper(field.name);
    size_t octets = (copies_name ? field.name.length : 0) + (is_kept ? 0 : field.value.length);
    uint8_t *at = octets > 0 ? weir_fields_hold(b->fields, octets) : NULL;
    if (octets > 0 && !at) {
        return refuse_whole(b, WEIR_E_NOMEM, NULL);
    }
    if (copies_name) {
        WEIR_ASSERT(at != NULL); /* a name has octets */
        at = copy_lower(at, &field.name);
    }
    if (!is_kept) {
        copy(at, &field.value);
    }
    uint32_t flags = field.flags & (WEIR_FIELD_SENSITIVE | WEIR_KEEP);
    field.flags =
        WEIR_KEEP; /* for the list, which need not copy what stands in its arena already */
    if (!weir_fields_add(b->fields, field)) {
        return refuse_whole(b, WEIR_E_NOMEM, NULL);
    }
    b->fields->fields[b->fields->count - 1].flags = flags;
    return WEIR_OK;
}

/* Copies a span, which then is the copy; answers where the next may go. */
static uint8_t *copy(uint8_t *to, weir_span *span)
{
    if (span->length > 0) {
        memcpy(to, span->at, span->length);
    }
    span->at = to;
    return to + span->length;
}

static uint8_t *copy_lower(uint8_t *to, weir_span *span)
{
    for (size_t i = 0; i < span->length; i++) {
        to[i] = weir_octet_lower(span->at[i]);
    }
    span->at = to;
    return to + span->length;
}

static bool has_content(weir_body_framing body)
{
    return body.framing == WEIR_FRAMING_CHUNKED ||
           (body.framing == WEIR_FRAMING_LENGTH && body.length_octets > 0);
}

/* With or without the port, where it is the scheme's own. */
static bool is_authority(weir_span host, const weir_target *target)
{
    uint8_t host_port[HOST_LIMIT_OCTETS + 8];
    size_t length = weir_target_write_host_port(target, host_port);
    return weir_span_equal_nocase(host, target->authority) ||
           weir_span_equal_nocase(host, (weir_span){host_port, length});
}

/* 1*DIGIT (RFC 9110 s8.6), and it has to fit. */
static bool parse_length(weir_span text, uint64_t *length_octets)
{
    uint64_t value = 0;
    if (text.length == 0 || weir_octet_run(text, WEIR_OCTET_DIGIT) < text.length) {
        return false;
    }
    for (size_t i = 0; i < text.length; i++) {
        uint64_t digit = weir_octet_hex(text.at[i]);
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *length_octets = value;
    return true;
}

static bool has_upper(weir_span span)
{
    for (size_t i = 0; i < span.length; i++) {
        if (weir_octet_is_upper(span.at[i])) {
            return true;
        }
    }
    return false;
}

static bool charge(builder *b, size_t octets)
{
    if (octets > b->left_octets) {
        return false;
    }
    b->left_octets -= octets;
    return true;
}

/* The field that is looked at is to blame. */
static weir_status refuse(const builder *b, weir_status status, const char *what)
{
    refuse_whole(b, status, what);
    b->failure->offset = b->index;
    return status;
}

static weir_status refuse_whole(const builder *b, weir_status status, const char *what)
{
    *b->failure = weir_failure_of(status, what);
    b->failure->phase = b->phase;
    if (b->phase == WEIR_PHASE_SUBMIT) {
        b->failure->processed = WEIR_NOT_SENT;
    }
    return status;
}
