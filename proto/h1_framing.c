/* SPDX-License-Identifier: MIT */
/*
 * The rules of RFC 9112 s6.3 in their order, and those of s9.3.
 *
 * Where a recipient may choose between repair and refusal this one refuses: who accepts what the
 * next hop reads differently lets one message be taken for two. The one exception is a
 * Content-Length that says the same number several times, which real servers send and which leaves
 * no doubt (RFC 9110 s8.6).
 *
 * Both framing fields are checked even where the response has no content anyway (HEAD, 1xx, 204,
 * 304), but not in a 2xx to CONNECT, whose framing fields must be ignored (RFC 9112 s6.3).
 */
#include "proto/h1_framing.h"

#include "proto/octet.h"

#include <string.h>

/* What the fields say, gathered in one pass over them. */
typedef struct said {
    size_t codings; /* Transfer-Encoding fields */
    weir_span coding;
    size_t lengths; /* Content-Length fields */
    uint64_t length_octets;
    const char *length_fault; /* NULL: they say one number */
    bool close;
    bool keep_alive;
    weir_time keep_alive_ns;
} said;

static void gather(said *all, const weir_fields *fields);
static void add_length(said *all, weir_span value);
static void add_options(said *all, weir_span value);
static void add_keep_alive(said *all, weir_span value);
static bool timeout_of(weir_span element, weir_time *timeout_ns);
static weir_status check_coding(weir_h1_framing *framing, const said *all, unsigned minor);
static bool has_no_content(int code, weir_h1_asked asked);
static bool decimal(weir_span digits, uint64_t limit, uint64_t *value);

weir_status weir_h1_framing_decide(weir_h1_framing *framing, weir_message *message, unsigned minor,
                                   weir_h1_asked asked)
{
    said all = {.length_octets = WEIR_UNKNOWN};
    gather(&all, &message->fields);
    *framing = (weir_h1_framing){
        .closes = all.close || (minor == 0 && !all.keep_alive),
        .keep_alive_ns = all.keep_alive_ns,
    };
    message->has_content = false;
    if (asked.is_connect && message->code / 100 == 2) {
        framing->is_tunnel = true;
        return WEIR_OK;
    }

    weir_status status = check_coding(framing, &all, minor);
    if (status != WEIR_OK) {
        return status;
    }
    if (all.length_fault) {
        framing->what = all.length_fault;
        return WEIR_E_H1_LENGTH;
    }
    message->length_octets = all.length_octets;
    if (has_no_content(message->code, asked)) {
        return WEIR_OK;
    }

    message->has_content = all.length_octets != 0;
    if (all.codings > 0) {
        framing->body.framing = WEIR_FRAMING_CHUNKED;
    } else if (all.lengths > 0) {
        framing->body.framing = WEIR_FRAMING_LENGTH;
        framing->body.length_octets = all.length_octets;
    } else {
        framing->body.framing = WEIR_FRAMING_UNTIL_CLOSE;
    }
    return WEIR_OK;
}

static void gather(said *all, const weir_fields *fields)
{
    weir_field field;
    for (size_t i = 0; weir_fields_at(fields, i, &field); i++) {
        if (weir_span_equal_nocase(field.name, WEIR_SPAN("content-length"))) {
            add_length(all, field.value);
        } else if (weir_span_equal_nocase(field.name, WEIR_SPAN("transfer-encoding"))) {
            all->codings++;
            all->coding = field.value;
        } else if (weir_span_equal_nocase(field.name, WEIR_SPAN("connection"))) {
            add_options(all, field.value);
        } else if (weir_span_equal_nocase(field.name, WEIR_SPAN("keep-alive"))) {
            add_keep_alive(all, field.value);
        }
    }
}

/*
 * RFC 9110 s8.6: a list of equal numbers, in one field or several, is that number. An empty element
 * is not a number, so weir_span_next_element(), which skips those, will not do here.
 */
static void add_length(said *all, weir_span value)
{
    all->lengths++;
    for (;;) {
        const uint8_t *comma = value.length > 0 ? memchr(value.at, ',', value.length) : NULL;
        size_t length = comma ? (size_t)(comma - value.at) : value.length;
        uint64_t octets;
        if (!decimal(weir_span_trim(weir_span_head(value, length)), INT64_MAX, &octets)) {
            all->length_fault = "Content-Length is not a decimal number below 2^63";
            return;
        }
        if (all->length_octets != WEIR_UNKNOWN && all->length_octets != octets) {
            all->length_fault = "Content-Length says two numbers";
            return;
        }
        all->length_octets = octets;
        if (!comma) {
            return;
        }
        value = weir_span_from(value, length + 1);
    }
}

/* RFC 9110 s7.6.1. */
static void add_options(said *all, weir_span value)
{
    weir_span option;
    while (weir_span_next_element(&value, &option)) {
        all->close |= weir_span_equal_nocase(option, WEIR_SPAN("close"));
        all->keep_alive |= weir_span_equal_nocase(option, WEIR_SPAN("keep-alive"));
    }
}

/* Keep-Alive: timeout=5, max=100 (RFC 2068 s19.7.1.1: still what servers send). */
static void add_keep_alive(said *all, weir_span value)
{
    weir_span element;
    while (all->keep_alive_ns == 0 && weir_span_next_element(&value, &element)) {
        (void)timeout_of(element, &all->keep_alive_ns);
    }
}

/* "timeout=" and whole seconds. What cannot be read was not said: it is a hint and no framing. */
static bool timeout_of(weir_span element, weir_time *timeout_ns)
{
    weir_span name = WEIR_SPAN("timeout=");
    uint64_t seconds;
    if (!weir_span_equal_nocase(weir_span_head(element, name.length), name) ||
        !decimal(weir_span_from(element, name.length), UINT32_MAX, &seconds)) {
        return false;
    }
    /* 0 would read as "not said"; the shortest time there is means the same to a pool. */
    *timeout_ns = seconds > 0 ? seconds * WEIR_NS_PER_SECOND : 1;
    return true;
}

/* RFC 9112 s6.1: chunked is the one coding that this client decodes: nothing else may be there. */
static weir_status check_coding(weir_h1_framing *framing, const said *all, unsigned minor)
{
    if (all->codings == 0) {
        return WEIR_OK;
    }
    if (all->codings > 1 || !weir_span_equal_nocase(all->coding, WEIR_SPAN("chunked"))) {
        framing->what = "Transfer-Encoding is not exactly \"chunked\"";
    } else if (minor == 0) {
        framing->what = "Transfer-Encoding in an HTTP/1.0 response";
    } else if (all->lengths > 0) {
        framing->what = "Transfer-Encoding and Content-Length together";
    } else {
        return WEIR_OK;
    }
    return WEIR_E_H1_CODING;
}

/* RFC 9110 s6.4.1, RFC 9112 s6.3: whatever the fields say. */
static bool has_no_content(int code, weir_h1_asked asked)
{
    return asked.is_head || code / 100 == 1 || code == 204 || code == 304;
}

static bool decimal(weir_span digits, uint64_t limit, uint64_t *value)
{
    WEIR_ASSERT(digits.at || digits.length == 0);
    *value = 0;
    for (size_t i = 0; i < digits.length; i++) {
        if (!weir_octet_is(digits.at[i], WEIR_OCTET_DIGIT)) {
            return false;
        }
        uint64_t digit = (uint64_t)(digits.at[i] - '0');
        if (*value > (limit - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
    }
    return digits.length > 0;
}
