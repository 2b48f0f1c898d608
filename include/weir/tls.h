/* SPDX-License-Identifier: MIT */
/*
 * TLS settings: whom to trust, who we are, which versions. A configuration is made once from a
 * record of options and is immutable afterwards.
 *
 * Ownership: weir_tls_config_new() *borrows* the record and every string in them. The configuration
 * is reference counted: new() answers with one reference, each weir_tls_config_acquire() adds one,
 * each release() takes one away.
 *
 * Thread rule: a configuration may be used, acquired and released by any number of threads at once.
 */
#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include "weir/base.h"
#include "weir/failure.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_tls_version {
    WEIR_TLS_DEFAULT = 0, /* TLS 1.2 and TLS 1.3 */
    WEIR_TLS_1_2 = 0x0303,
    WEIR_TLS_1_3 = 0x0304
} weir_tls_version;

/* All zero is the default: the system's roots, everything verified, TLS 1.2 or newer. */
typedef struct weir_tls_options {
    size_t size;                  /* sizeof(weir_tls_options) */
    const char *ca_file;          /* PEM file of further roots */
    weir_span ca_pem;             /* PEM text of further roots */
    bool only_these_roots;        /* trust ca_file and ca_pem and not the system's roots */
    bool insecure;                /* DANGEROUS: accept every certificate of everybody */
    weir_tls_version oldest;      /* refuse what is older */
    const char *certificate_file; /* PEM: our certificate, then its chain, for servers that ask */
    weir_span certificate_pem;    /* the same as text */
    const char *key_file;         /* PEM: the private key of that certificate */
    weir_span key_pem;
    const char *key_log_file; /* append each connection's secrets (NSS format): for debugging; no
                                 TLS 1.2 session is resumed then */
} weir_tls_options;

#define WEIR_TLS_OPTIONS_INIT WEIR_INIT(weir_tls_options)

typedef struct weir_tls_config weir_tls_config;

/*
 * Makes a configuration. `options` may be NULL: the defaults. `allocator` is *kept*; NULL: malloc.
 * On failure the answer is NULL, and *status and *failure (each may be NULL) say why:
 *   WEIR_E_NOMEM        memory could not be had
 *   WEIR_E_INVALID      a certificate without its key, or a version that is not one
 *   WEIR_E_TLS_CONFIG   a file or PEM text cannot be read or used, or there is no root
 *   WEIR_E_UNSUPPORTED  key_log_file: the wolfSSL that is linked cannot do that
 */
WEIR_API weir_tls_config *weir_tls_config_new(const weir_tls_options *options,
                                              const weir_allocator *allocator, weir_status *status,
                                              weir_failure *failure);
/* One reference more; answers its argument, which is not NULL. Any thread. */
WEIR_API weir_tls_config *weir_tls_config_acquire(weir_tls_config *config);
/* One reference less; the last one frees it, and calls and connections that use it hold one each.
 * NULL does nothing. Any thread. */
WEIR_API void weir_tls_config_release(weir_tls_config *config);

#ifdef __cplusplus
}
#endif

#endif
