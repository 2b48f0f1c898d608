/* SPDX-License-Identifier: MIT */
/*
 * Comparing and cutting spans.
 *
 * Values in, values out; a span that is answered points into the one that was given.
 */
#ifndef WEIR_PROTO_SPAN_H
#define WEIR_PROTO_SPAN_H

#include "proto/base.h"

bool weir_span_equal(weir_span a, weir_span b);
/* Without regard to the case of ASCII letters. */
bool weir_span_equal_nocase(weir_span a, weir_span b);

/* Without the spaces and tabs around it (OWS, RFC 9110 s5.6.3). */
weir_span weir_span_trim(weir_span span);

/*
 * The next element of a #list (RFC 9110 s5.6.1), trimmed; false at the end. `rest` moves on. Empty
 * elements are skipped (s5.6.1.2); a comma inside a quoted string does not separate (s5.6.4).
 */
bool weir_span_next_element(weir_span *rest, weir_span *element);

#endif
