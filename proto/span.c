/* SPDX-License-Identifier: MIT */
/*
 * Spans compared and cut. Nothing is copied.
 */
#include "proto/span.h"

#include "proto/octet.h"

#include <string.h>

static size_t element_length(weir_span rest);
static bool is_ows(uint8_t octet);

bool weir_span_equal(weir_span a, weir_span b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.at, b.at, a.length) == 0);
}

bool weir_span_equal_nocase(weir_span a, weir_span b)
{
    if (a.length != b.length) {
        return false;
    }
    for (size_t i = 0; i < a.length; i++) {
        if (weir_octet_lower(a.at[i]) != weir_octet_lower(b.at[i])) {
            return false;
        }
    }
    return true;
}

weir_span weir_span_trim(weir_span span)
{
    while (span.length > 0 && is_ows(span.at[0])) {
        span.at++;
        span.length--;
    }
    while (span.length > 0 && is_ows(span.at[span.length - 1])) {
        span.length--;
    }
    return span;
}

bool weir_span_next_element(weir_span *rest, weir_span *element)
{
    while (rest->length > 0) {
        size_t length = element_length(*rest);
        *element = weir_span_trim(weir_span_head(*rest, length));
        *rest = weir_span_from(*rest, weir_min(length + 1, rest->length));
        if (element->length > 0) {
            return true;
        }
    }
    return false;
}

/* Octets up to the comma that ends the first element, or all of them. */
static size_t element_length(weir_span rest)
{
    bool quoted = false;
    for (size_t i = 0; i < rest.length; i++) {
        uint8_t octet = rest.at[i];
        if (octet == '"') {
            quoted = !quoted;
        } else if (quoted && octet == '\\') {
            i++;
        } else if (!quoted && octet == ',') {
            return i;
        }
    }
    return rest.length;
}

static bool is_ows(uint8_t octet)
{
    return octet == ' ' || octet == '\t';
}
