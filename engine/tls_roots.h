/* SPDX-License-Identifier: MIT */
/*
 * The roots that a configuration trusts: what of each is needed to say "here a chain ends".
 *
 * wolfSSL has the roots too, and checks signatures with them; but its store also takes in the
 * intermediate certificates of every chain that was ever good, so being found there does not mean
 * being trusted by the user.
 *
 * Filled while a configuration is made, read-only afterwards. Thread rule: readers need no lock.
 */
#ifndef WEIR_ENGINE_TLS_ROOTS_H
#define WEIR_ENGINE_TLS_ROOTS_H

#include "engine/tls_x509.h"
#include "proto/alloc.h"

#define WEIR_TLS_DIGEST_OCTETS 32

typedef struct weir_tls_root {
    uint8_t digest[WEIR_TLS_DIGEST_OCTETS]; /* SHA-256 of the whole certificate */
    weir_span subject;
    weir_span key_id;
    weir_span name_constraints;
    bool has_name_constraints;
} weir_tls_root;

typedef struct weir_tls_roots {
    const weir_allocator *allocator;
    weir_tls_root **items;
    size_t count;
    size_t room;
} weir_tls_roots;

void weir_tls_roots_init(weir_tls_roots *roots, const weir_allocator *allocator);
void weir_tls_roots_clear(weir_tls_roots *roots);

/* Copies what is needed. False: no memory. */
bool weir_tls_roots_add(weir_tls_roots *roots, const weir_x509 *certificate);

/* The root that is this very certificate, or NULL. */
const weir_tls_root *weir_tls_roots_same(const weir_tls_roots *roots, const weir_x509 *certificate);
/* The next root, from *at on (0: the first), that may have issued it, by name and key identifier.
 */
const weir_tls_root *weir_tls_roots_issuer(const weir_tls_roots *roots,
                                           const weir_x509 *certificate, size_t *at);

#endif
