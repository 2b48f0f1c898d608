/* SPDX-License-Identifier: MIT */
/*
 * Certificates made to order, good ones and bad ones, by OpenSSL.
 *
 * A failure inside aborts the program: a test without its certificates is no test.
 */
#ifndef WEIR_TESTS_PKI_H
#define WEIR_TESTS_PKI_H

#include "proto/base.h"

#include <openssl/x509.h>

typedef struct weir_pki weir_pki;
struct weir_pki {
    X509 *certificate;
    EVP_PKEY *key;
};

/* All zero: a good leaf for nobody, P-256, SHA-256, valid from yesterday to next month. */
typedef struct weir_pki_recipe {
    const char *name;    /* common name of the subject; NULL: none */
    const char *san;     /* "DNS:a.test,IP:127.0.0.1" as openssl.cnf has it; NULL: none */
    const char *san_hex; /* or the DER of the extension, in hex */
    const char *key;     /* "P-256", "P-384", "P-224", "RSA-2048", "RSA-1024", "Ed25519" */
    const char *digest;  /* "SHA256", "SHA1", "MD5" */
    long from_s;         /* validity, seconds from now; 0: one day ago */
    long to_s;           /* 0: 30 days from now */
    bool authority;
    bool no_basic;   /* leave basicConstraints out */
    int path_length; /* of an authority, +1; 0: none */
    const char *key_usage;
    const char *extended_usage;
    const char *name_constraints;
    const char *extra_critical_oid; /* an extension that nobody knows */
    const weir_pki *key_from;       /* the key of another certificate; NULL: a new one */
} weir_pki_recipe;

/* `issuer` NULL: signed by itself. */
weir_pki weir_pki_make(const weir_pki_recipe *recipe, const weir_pki *issuer);
void weir_pki_free(weir_pki *pki);

/* PEM text, NUL-terminated, to be freed with free(). */
char *weir_pki_certificate_pem(const weir_pki *pki);
char *weir_pki_key_pem(const weir_pki *pki);

#endif
