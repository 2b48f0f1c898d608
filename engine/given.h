/* SPDX-License-Identifier: MIT */
/*
 * What a caller gives for an exchange or for connections: its records are read here, and what is
 * wrong with them is said here once, for those who read them and for those who ask.
 *
 * Values: a record is borrowed until return; what its pointers point to is as request.h says.
 */
#ifndef WEIR_ENGINE_GIVEN_H
#define WEIR_ENGINE_GIVEN_H

#include "weir/request.h"

typedef struct weir_given {
    const weir_request *request;
    const weir_call *call;
    bool warms; /* for connections alone: no method and no body is looked at */
} weir_given;

/* What cannot be read counts as empty. What makes it WEIR_E_INVALID, for `what` of a failure; NULL:
 * nothing. */
const char *weir_given_read(const weir_given *given, weir_request *request, weir_call *call);

/* Will the request need a TLS configuration? (Before it is parsed: a scheme that is no http or
 * https is no.) */
bool weir_request_is_https(const weir_request *request);
bool weir_call_brings_tls(const weir_call *call);

#endif
