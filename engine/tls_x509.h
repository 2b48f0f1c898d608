/* SPDX-License-Identifier: MIT */
/*
 * What of a certificate (RFC 5280) weir's own rules look at.
 *
 * A value that *borrows* the certificate's octets. It says what the certificate says; whether that
 * is good is decided in tls_verify.c.
 */
#ifndef WEIR_ENGINE_TLS_X509_H
#define WEIR_ENGINE_TLS_X509_H

#include "engine/tls_der.h"

/* Bits of key_usage, as RFC 5280 s4.2.1.3 numbers them from the first. */
enum { WEIR_X509_DIGITAL_SIGNATURE = 1 << 0, WEIR_X509_KEY_CERT_SIGN = 1 << 5 };

/* How far a signature algorithm can be trusted today. */
typedef enum weir_x509_strength {
    WEIR_X509_UNKNOWN = 0, /* not one of those known here */
    WEIR_X509_BROKEN,      /* MD2, MD5, SHA-1 */
    WEIR_X509_SOUND
} weir_x509_strength;

typedef enum weir_x509_key {
    WEIR_X509_KEY_OTHER = 0,
    WEIR_X509_KEY_RSA,
    WEIR_X509_KEY_EC, /* on a curve that is named; key_bits 0: a curve not known here */
    WEIR_X509_KEY_EDWARDS
} weir_x509_key;

typedef struct weir_x509 {
    weir_span whole;
    weir_span issuer;  /* Name, with tag and length */
    weir_span subject; /* Name, with tag and length */
    weir_x509_strength signature;
    weir_x509_key key;
    uint32_t key_bits;
    weir_span point;  /* of an EC key */
    uint32_t version; /* 3: with extensions */
    bool authority;   /* basicConstraints cA */
    bool has_path_length;
    uint32_t path_length;
    bool has_key_usage;
    uint32_t key_usage;
    bool has_extended_usage;
    bool for_servers; /* id-kp-serverAuth is in it */
    bool for_any;     /* anyExtendedKeyUsage is in it */
    bool unknown_critical;
    weir_span alternative_names; /* GeneralNames, the contents; empty: none */
    bool has_alternative_names;
    weir_span name_constraints; /* NameConstraints, the contents; empty: none */
    bool has_name_constraints;
    weir_span key_id;        /* subjectKeyIdentifier */
    weir_span issuer_key_id; /* authorityKeyIdentifier, its keyIdentifier; only what signs itself
                                may leave it out (RFC 5280 s4.2.1.1), and is its own issuer then */
} weir_x509;

/* False: it is not a certificate, or not DER. */
bool weir_x509_parse(weir_span der, weir_x509 *certificate);

/* Does it name itself as its issuer? */
bool weir_x509_is_self_issued(const weir_x509 *certificate);

#endif
