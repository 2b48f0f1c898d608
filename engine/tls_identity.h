/* SPDX-License-Identifier: MIT */
/*
 * Whose certificate is it? The rules of RFC 9525, and the name constraints of RFC 5280 s4.2.1.10.
 *
 * Pure functions over values.
 */
#ifndef WEIR_ENGINE_TLS_IDENTITY_H
#define WEIR_ENGINE_TLS_IDENTITY_H

#include "engine/tls_x509.h"
#include "proto/target.h"

/* Whom we want to talk to. */
typedef struct weir_tls_identity {
    weir_host_kind kind;
    weir_span host;      /* HOST_NAME: without its final dot */
    uint8_t address[16]; /* the IP kinds: the first 4, or all */
} weir_tls_identity;

/*
 * Does one of the certificate's subjectAltNames name it? A DNS name equals a dNSName without regard
 * to case, or is matched by one whose first label is "*" (which stands for exactly one label, and
 * is followed by at least two). An address equals an iPAddress, octet by octet. The common name is
 * never looked at.
 */
bool weir_tls_identity_is_named(const weir_tls_identity *identity, const weir_x509 *certificate);

/*
 * Do the constraints (the contents of a NameConstraints) allow every name of the certificate? False
 * also for whatever cannot be evaluated: malformed ones, and forms of names other than dNSName,
 * iPAddress and directoryName when the certificate holds a name of that form.
 */
bool weir_tls_identity_is_allowed(weir_span constraints, const weir_x509 *certificate);

#endif
