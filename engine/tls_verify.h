/* SPDX-License-Identifier: MIT */
/*
 * Is the server who it should be? wolfSSL checks signatures and validity; this decides everything
 * else, the same on every build.
 *
 * One weir_tls_verify belongs to one handshake and lives no longer. Thread rule: none.
 */
#ifndef WEIR_ENGINE_TLS_VERIFY_H
#define WEIR_ENGINE_TLS_VERIFY_H

#include "engine/tls.h"
#include "engine/tls_identity.h"
#include "engine/tls_roots.h"

struct WOLFSSL;

/* A certificate chain longer or larger than this is refused unread. */
#define WEIR_TLS_CHAIN_LIMIT        10
#define WEIR_TLS_CHAIN_LIMIT_OCTETS 131072

typedef struct weir_tls_verdict {
    weir_status status; /* WEIR_OK or a WEIR_E_TLS_* */
    const char *what;
} weir_tls_verdict;

typedef struct weir_tls_verify {
    const weir_tls_roots *roots;
    weir_tls_identity identity; /* its host is the origin's */
    weir_tls_verdict verdict;
    bool refused; /* wolfSSL refused a certificate: nothing can change that */
    bool done;    /* the server's own certificate was looked at and is good */
} weir_tls_verify;

/* Copies the address; the origin and `roots` are *kept*. */
void weir_tls_verify_init(weir_tls_verify *verify, const weir_tls_filter_options *options,
                          const weir_tls_roots *roots);

/* wolfSSL will ask it about each certificate of that connection. */
void weir_tls_verify_attach(weir_tls_verify *verify, struct WOLFSSL *ssl);
/* ... and any more that it meets is refused. */
void weir_tls_verify_detach(struct WOLFSSL *ssl);

/*
 * The decision itself, without wolfSSL: `chain[0]` is the server's own certificate, the others come
 * in any order. Signatures and validity are not looked at.
 */
weir_tls_verdict weir_tls_verify_chain(const weir_span *chain, size_t count,
                                       const weir_tls_identity *identity,
                                       const weir_tls_roots *roots);

#endif
