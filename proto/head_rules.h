/* SPDX-License-Identifier: MIT */
/*
 * What is known of methods and of field names: the tables behind head.h.
 *
 * Values; nothing is kept.
 */
#ifndef WEIR_PROTO_HEAD_RULES_H
#define WEIR_PROTO_HEAD_RULES_H

#include "proto/base.h"

/* What is done with a field of a request head. */
typedef enum weir_field_rule {
    WEIR_RULE_PASS = 0,
    WEIR_RULE_FORBIDDEN, /* of the connection (RFC 9110 s7.6.1): the engine's affair */
    WEIR_RULE_HOST,
    WEIR_RULE_LENGTH,
    WEIR_RULE_TE,
    WEIR_RULE_EXPECT,
    WEIR_RULE_SECRET,
    WEIR_RULE_COOKIE
} weir_field_rule;

typedef struct weir_method_facts {
    bool idempotent;       /* RFC 9110 s9.2.2 */
    bool expects_content;  /* its absence is told: "content-length: 0" (RFC 9110 s8.6) */
    bool takes_no_content; /* RFC 9110 s9.3.6, s9.3.8 */
} weir_method_facts;

/* Methods are compared with regard to case (RFC 9110 s9.1); of an unknown one nothing is assumed.
 */
weir_method_facts weir_method_facts_of(weir_span method);

/* Names are compared without regard to case (RFC 9110 s5.1). */
weir_field_rule weir_field_rule_of(weir_span name);
/* May a sender put it in a trailer section (RFC 9110 s6.5.1)? */
bool weir_field_fits_trailers(weir_span name);

#endif
