/* SPDX-License-Identifier: MIT */
/*
 * TLS sessions that may be resumed: a bounded store, least recently remembered first out.
 *
 * A session is found only by the whole identity it was made for: the configuration (roots,
 * verification, our certificate), and of the origin the host, its kind, the port, the ALPN offer,
 * and the route (proxy). A session resumed under another identity would skip the verification of that identity
 * (CVE-2026-11703 is one of several).
 *
 * A session that is taken is gone (RFC 8446 appendix C.4: a ticket that is used twice links its
 * connections); a connection that gets new tickets puts them in. The store holds a reference to
 * each configuration that it has sessions of.
 *
 * Thread rule: every function but new and free may be called from any thread; the store locks.
 */
#ifndef WEIR_ENGINE_TLS_SESSION_H
#define WEIR_ENGINE_TLS_SESSION_H

#include "engine/tls.h"

struct WOLFSSL_SESSION;

/* Tickets of one identity that are kept: about what a browser's worth of parallel connections can
 * use. */
#define WEIR_TLS_SESSIONS_PER_IDENTITY 8

/* Whom a session is for. Both are *borrowed* by the functions below. */
typedef struct weir_tls_session_key {
    weir_tls_config *config;
    const weir_origin_key *origin;
} weir_tls_session_key;

/* NULL: no memory. The seed is that of the hash: names of hosts are chosen by strangers. */
weir_tls_sessions *weir_tls_sessions_new(const weir_allocator *allocator, size_t limit,
                                         uint64_t seed);
/* NULL-safe. */
void weir_tls_sessions_free(weir_tls_sessions *sessions);

/* The newest session of that identity, which is the caller's to free (wolfSSL_SESSION_free), or
 * NULL. */
struct WOLFSSL_SESSION *weir_tls_sessions_take(weir_tls_sessions *sessions,
                                               const weir_tls_session_key *key);
/* *Takes* the session. Without memory it is forgotten. */
void weir_tls_sessions_put(weir_tls_sessions *sessions, const weir_tls_session_key *key,
                           struct WOLFSSL_SESSION *session);

/* Forgets all of a configuration, and with them the references to it. */
void weir_tls_sessions_forget(weir_tls_sessions *sessions, const weir_tls_config *config);

/* In the child of a fork, before any other call: the lock is made new and every session forgotten.
 */
void weir_tls_sessions_forked(weir_tls_sessions *sessions);

size_t weir_tls_sessions_count(weir_tls_sessions *sessions);
/* For tests: which bucket those of a key are in. */
size_t weir_tls_sessions_bucket(const weir_tls_sessions *sessions, const weir_tls_session_key *key);

#endif
