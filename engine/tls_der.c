/* SPDX-License-Identifier: MIT */
/*
 * The DER reader. Every length is checked against what is left before anything is looked at, so no
 * input makes it read past its end; nothing is allocated and nothing recurses.
 */
#include "engine/tls_der.h"

static bool read_length(weir_span *at, size_t *length);

bool weir_der_next(weir_der *der, weir_der_element *element)
{
    weir_span at = der->left;
    size_t length = 0;

    if (at.length < 2 || (at.at[0] & 0x1f) == 0x1f) {
        return false;
    }
    element->tag = at.at[0];
    at = weir_span_from(at, 1);
    if (!read_length(&at, &length) || length > at.length) {
        return false;
    }
    element->value = weir_span_head(at, length);
    element->whole = (weir_span){der->left.at, (size_t)(at.at - der->left.at) + length};
    der->left = weir_span_from(at, length);
    return true;
}

bool weir_der_expect(weir_der *der, uint8_t tag, weir_der_element *element)
{
    return der->left.length > 0 && der->left.at[0] == tag && weir_der_next(der, element);
}

bool weir_der_optional(weir_der *der, uint8_t tag, weir_der_element *element, bool *there)
{
    *there = der->left.length > 0 && der->left.at[0] == tag;
    return !*there || weir_der_next(der, element);
}

bool weir_der_enter(weir_der *der, uint8_t tag, weir_der *inside)
{
    weir_der_element element;

    if (!weir_der_expect(der, tag, &element)) {
        return false;
    }
    *inside = weir_der_of(element.value);
    return true;
}

bool weir_der_sole(weir_span octets, uint8_t tag, weir_span *value)
{
    weir_der der = weir_der_of(octets);
    weir_der_element element;

    if (!weir_der_expect(&der, tag, &element) || !weir_der_is_done(&der)) {
        return false;
    }
    *value = element.value;
    return true;
}

bool weir_der_number(weir_span value, uint32_t *number)
{
    uint32_t sum = 0;

    if (value.length == 0 || value.length > 4 || value.at[0] >= 0x80) {
        return false;
    }
    for (size_t i = 0; i < value.length; ++i) {
        sum = sum << 8 | value.at[i];
    }
    *number = sum;
    return true;
}

bool weir_der_boolean(weir_span value, bool *truth)
{
    if (value.length != 1 || (value.at[0] != 0 && value.at[0] != 0xff)) {
        return false;
    }
    *truth = value.at[0] != 0;
    return true;
}

bool weir_der_bits(weir_span value, weir_span *octets)
{
    if (value.length == 0 || value.at[0] != 0) {
        return false;
    }
    *octets = weir_span_from(value, 1);
    return true;
}

/* X.690 s10.1: the shortest form only. Nothing in a certificate needs more than three octets of
 * length. */
static bool read_length(weir_span *at, size_t *length)
{
    size_t count;

    if (at->length == 0) {
        return false;
    }
    *length = at->at[0];
    *at = weir_span_from(*at, 1);
    if (*length < 0x80) {
        return true;
    }
    count = *length & 0x7f;
    if (count == 0 || count > 3 || count > at->length || at->at[0] == 0) {
        return false;
    }
    *length = 0;
    for (size_t i = 0; i < count; ++i) {
        *length = *length << 8 | at->at[i];
    }
    *at = weir_span_from(*at, count);
    return *length >= 0x80;
}
