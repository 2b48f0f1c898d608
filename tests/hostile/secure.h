/* SPDX-License-Identifier: MIT */
/*
 * TLS for the suites whose server is held octet by octet (wire.h): one authority and one server
 * context for the whole program, calls that trust them, and the main() that makes and drops both.
 */
#ifndef WEIR_TESTS_HOSTILE_SECURE_H
#define WEIR_TESTS_HOSTILE_SECURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "stage.h"
#include "support/tls_server.h"

/* Runs the tests, those of WEIR_TESTS_ONLY; answers how many failed. */
int weir_secure_run(const char *suite, const struct CMUnitTest *tests, size_t count);

/* What weir_wire_open() takes: NULL for a clear connection. */
const weir_tls_server_options *weir_secure_server(bool is_tls);

/* weir_stage_ask() of an HTTP/1.1 call, https if it is to be TLS. */
void weir_secure_ask(weir_stage *stage, weir_plea *plea, bool is_tls, const char *path);

#endif
