/* SPDX-License-Identifier: MIT */
/*
 * The classes of octets that the grammars of HTTP and of URLs are made of, as one table.
 *
 * A class is a bit; an octet is looked up once whatever its class. Nothing here knows a locale.
 */
#ifndef WEIR_PROTO_OCTET_H
#define WEIR_PROTO_OCTET_H

#include "proto/base.h"

typedef enum weir_octet_class {
    WEIR_OCTET_TOKEN = 1,       /* tchar, RFC 9110 s5.6.2 */
    WEIR_OCTET_VALUE = 2,       /* SP, HTAB, VCHAR, obs-text: RFC 9110 s5.5 */
    WEIR_OCTET_LABEL = 4,       /* letters, digits, "-" and "_": a label of a host name */
    WEIR_OCTET_PATH = 8,        /* "/" and pchar without "%", RFC 3986 s3.3; a query has "?" too */
    WEIR_OCTET_UNRESERVED = 16, /* RFC 3986 s2.3 */
    WEIR_OCTET_SCHEME = 32,     /* after the first letter, RFC 3986 s3.1 */
    WEIR_OCTET_HEX = 64,
    WEIR_OCTET_DIGIT = 128
} weir_octet_class;

extern const uint8_t weir_octet_classes[256];

static inline bool weir_octet_is(uint8_t octet, weir_octet_class octet_class)
{
    return (weir_octet_classes[octet] & octet_class) != 0;
}

static inline bool weir_octet_is_upper(uint8_t octet)
{
    return octet >= 'A' && octet <= 'Z';
}

static inline uint8_t weir_octet_lower(uint8_t octet)
{
    return weir_octet_is_upper(octet) ? (uint8_t)(octet + ('a' - 'A')) : octet;
}

/* The value of an octet of class WEIR_OCTET_HEX. */
static inline uint8_t weir_octet_hex(uint8_t octet)
{
    return (uint8_t)(octet <= '9' ? octet - '0' : weir_octet_lower(octet) - 'a' + 10);
}

/* Does text[at] begin a percent triplet (RFC 3986 s2.1), and the octet that it stands for. */
bool weir_octet_is_triplet(weir_span text, size_t at);
uint8_t weir_octet_of_triplet(weir_span text, size_t at);

/* How many octets from the start are of that class. */
size_t weir_octet_run(weir_span span, weir_octet_class octet_class);

#endif
