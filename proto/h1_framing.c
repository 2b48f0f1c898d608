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

static weir_status content_length(weir_h1_framing *framing, const weir_fields *fields,
                                  uint64_t *length_octets);
static bool one_length(weir_span value, uint64_t *length_octets);
static weir_status transfer_encoding(weir_h1_framing *framing, const weir_fields *fields,
                                     unsigned minor, bool *chunked);
static bool has_no_content(int code, weir_h1_asked asked);
static bool says(const weir_fields *fields, weir_span option);
static weir_time keep_alive(const weir_fields *fields);
static bool timeout_of(weir_span element, weir_time *timeout_ns);
static bool decimal(weir_span digits, uint64_t limit, uint64_t *value);

weir_status weir_h1_framing_decide(weir_h1_framing *framing, weir_message *message, unsigned minor,
                                   weir_h1_asked asked)
{
    const weir_fields *fields = &message->fields;
    *framing = (weir_h1_framing){
        .closes = says(fields, WEIR_SPAN("close")) ||
                  (minor == 0 && !says(fields, WEIR_SPAN("keep-alive"))),
        .keep_alive_ns = keep_alive(fields),
    };
    message->has_content = false;
    if (asked.is_connect && message->code / 100 == 2) {
        framing->is_tunnel = true;
        return WEIR_OK;
    }

    bool chunked = false;
    weir_status status = transfer_encoding(framing, fields, minor, &chunked);
    if (status == WEIR_OK) {
        status = content_length(framing, fields, &message->length_octets);
    }
    if (status != WEIR_OK || has_no_content(message->code, asked)) {
        return status;
    }

    framing->body.framing = chunked                                  ? WEIR_FRAMING_CHUNKED
                            : message->length_octets == WEIR_UNKNOWN ? WEIR_FRAMING_UNTIL_CLOSE
                                                                     : WEIR_FRAMING_LENGTH;
    if (framing->body.framing == WEIR_FRAMING_LENGTH) {
        framing->body.length_octets = message->length_octets;
    }
    message->has_content = message->length_octets != 0;
    return WEIR_OK;
}

/* RFC 9110 s8.6: a list of equal numbers, in one field or several, is that number. */
static weir_status content_length(weir_h1_framing *framing, const weir_fields *fields,
                                  uint64_t *length_octets)
{
    *length_octets = WEIR_UNKNOWN;
    weir_span value;
    for (size_t i = 0; weir_fields_find(fields, WEIR_SPAN("content-length"), i, &value); i++) {
        uint64_t length = WEIR_UNKNOWN;
        if (!one_length(value, &length)) {
            framing->what = "Content-Length is not one decimal number below 2^63";
            return WEIR_E_H1_LENGTH;
        }
        if (*length_octets != WEIR_UNKNOWN && *length_octets != length) {
            framing->what = "two Content-Length fields differ";
            return WEIR_E_H1_LENGTH;
        }
        *length_octets = length;
    }
    return WEIR_OK;
}

/* The elements of one value. An empty one is not a number: weir_span_next_element() would skip it.
 */
static bool one_length(weir_span value, uint64_t *length_octets)
{
    for (;;) {
        const uint8_t *comma = value.length > 0 ? memchr(value.at, ',', value.length) : NULL;
        weir_span element = value;
        if (comma) {
            element.length = (size_t)(comma - value.at);
        }
        uint64_t length;
        if (!decimal(weir_span_trim(element), INT64_MAX, &length) ||
            (*length_octets != WEIR_UNKNOWN && *length_octets != length)) {
            return false;
        }
        *length_octets = length;
        if (!comma) {
            return true;
        }
        value = weir_span_from(value, element.length + 1);
    }
}

/* RFC 9112 s6.1: chunked is the one coding that this client decodes, so nothing else may be there.
 */
static weir_status transfer_encoding(weir_h1_framing *framing, const weir_fields *fields,
                                     unsigned minor, bool *chunked)
{
    weir_span name = WEIR_SPAN("transfer-encoding");
    weir_span value;
    if (!weir_fields_find(fields, name, 0, &value)) {
        return WEIR_OK;
    }
    weir_span other;
    if (!weir_span_equal_nocase(value, WEIR_SPAN("chunked")) ||
        weir_fields_find(fields, name, 1, &other)) {
        framing->what = "Transfer-Encoding is not exactly \"chunked\"";
    } else if (minor == 0) {
        framing->what = "Transfer-Encoding in an HTTP/1.0 response";
    } else if (weir_fields_find(fields, WEIR_SPAN("content-length"), 0, &other)) {
        framing->what = "Transfer-Encoding and Content-Length together";
    } else {
        *chunked = true;
        return WEIR_OK;
    }
    return WEIR_E_H1_CODING;
}

/* RFC 9110 s6.4.1, RFC 9112 s6.3: whatever the fields say. */
static bool has_no_content(int code, weir_h1_asked asked)
{
    return asked.is_head || code / 100 == 1 || code == 204 || code == 304;
}

/* Is that option in a Connection field? (RFC 9110 s7.6.1) */
static bool says(const weir_fields *fields, weir_span option)
{
    weir_span rest;
    for (size_t i = 0; weir_fields_find(fields, WEIR_SPAN("connection"), i, &rest); i++) {
        weir_span element;
        while (weir_span_next_element(&rest, &element)) {
            if (weir_span_equal_nocase(element, option)) {
                return true;
            }
        }
    }
    return false;
}

/* Keep-Alive: timeout=5, max=100 (RFC 2068 s19.7.1.1: still what servers send). */
static weir_time keep_alive(const weir_fields *fields)
{
    weir_span rest;
    for (size_t i = 0; weir_fields_find(fields, WEIR_SPAN("keep-alive"), i, &rest); i++) {
        weir_span element;
        weir_time timeout_ns;
        while (weir_span_next_element(&rest, &element)) {
            if (timeout_of(element, &timeout_ns)) {
                return timeout_ns;
            }
        }
    }
    return 0;
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

static bool decimal(weir_span digits, uint64_t limit, uint64_t *value)
{
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
