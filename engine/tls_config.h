/* SPDX-License-Identifier: MIT */
/*
 * What the TLS filter reads of a configuration (include/weir/tls.h has its life).
 *
 * Immutable after creation, so nothing here is locked.
 */
#ifndef WEIR_ENGINE_TLS_CONFIG_H
#define WEIR_ENGINE_TLS_CONFIG_H

#include "engine/tls_roots.h"
#include "proto/base.h"
#include "weir/tls.h"

struct WOLFSSL_CTX;

/*
 * Its number: never 0, and never another's in this process, whereas an address may be had again
 * after a free. The pool's key holds it, so that no connection is ever taken for one of a later
 * configuration.
 */
uint64_t weir_tls_config_number(const weir_tls_config *config);

/* The wolfSSL context: suites, groups, versions, roots, our certificate. */
struct WOLFSSL_CTX *weir_tls_config_context(const weir_tls_config *config);

/* The same roots, for our own verification. */
const weir_tls_roots *weir_tls_config_roots(const weir_tls_config *config);

/* Is nothing verified? */
bool weir_tls_config_is_insecure(const weir_tls_config *config);

/* The calling thread has shaken hands (engine/tls_thread.h). */
void weir_tls_config_note_thread(const weir_tls_config *config);

/* Where the secrets of connections go; NULL: nowhere. */
const char *weir_tls_config_key_log(const weir_tls_config *config);

#endif
