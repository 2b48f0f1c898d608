/* SPDX-License-Identifier: MIT */
/*
 * A reader of DER (X.690): elements one after the other, strictly.
 *
 * A value that *borrows* the octets it reads. Whatever is not DER (indefinite or padded lengths,
 * elements that go past the end, tags of more than one octet, which no certificate needs) ends the
 * reading.
 */
#ifndef WEIR_ENGINE_TLS_DER_H
#define WEIR_ENGINE_TLS_DER_H

#include "proto/base.h"

/* Tags that certificates are made of. */
enum {
    WEIR_DER_BOOLEAN = 0x01,
    WEIR_DER_INTEGER = 0x02,
    WEIR_DER_BIT_STRING = 0x03,
    WEIR_DER_OCTET_STRING = 0x04,
    WEIR_DER_OID = 0x06,
    WEIR_DER_UTC_TIME = 0x17,
    WEIR_DER_GENERALIZED_TIME = 0x18,
    WEIR_DER_SEQUENCE = 0x30,
    WEIR_DER_SET = 0x31,
    WEIR_DER_CONTEXT = 0x80,       /* + number: [number] IMPLICIT, primitive */
    WEIR_DER_CONTEXT_INSIDE = 0xa0 /* + number: constructed */
};

typedef struct weir_der {
    weir_span left;
} weir_der;

typedef struct weir_der_element {
    uint8_t tag;
    weir_span value;
    weir_span whole; /* with tag and length */
} weir_der_element;

static inline weir_der weir_der_of(weir_span octets)
{
    return (weir_der){octets};
}

static inline bool weir_der_is_done(const weir_der *der)
{
    return der->left.length == 0;
}

/* The next element, whatever it is. False: there is none, or it is not DER. */
bool weir_der_next(weir_der *der, weir_der_element *element);
/* The next element, which must have this tag; otherwise nothing is taken. */
bool weir_der_expect(weir_der *der, uint8_t tag, weir_der_element *element);
/* The same for an element that may be absent: false only if it is there and broken. */
bool weir_der_optional(weir_der *der, uint8_t tag, weir_der_element *element, bool *there);

/* An element that holds others. */
bool weir_der_enter(weir_der *der, uint8_t tag, weir_der *inside);
/* Octets that are one element of this tag and nothing else: its value. */
bool weir_der_sole(weir_span octets, uint8_t tag, weir_span *value);

/* A non-negative INTEGER or BOOLEAN that fits. */
bool weir_der_number(weir_span value, uint32_t *number);
bool weir_der_boolean(weir_span value, bool *truth);
/* A BIT STRING of whole octets, without the count of unused bits. */
bool weir_der_bits(weir_span value, weir_span *octets);

#endif
