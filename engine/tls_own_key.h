/* SPDX-License-Identifier: MIT */
/*
 * Does our private key belong to our certificate? wolfSSL is asked, and where it does not look, the
 * two are compared here: before 5.6 it takes any elliptic curve key for that of any elliptic curve
 * certificate.
 */
#ifndef WEIR_ENGINE_TLS_OWN_KEY_H
#define WEIR_ENGINE_TLS_OWN_KEY_H

#include "proto/base.h"
#include "weir/status.h"

/*
 * Both are PEM, and wolfSSL has taken them. WEIR_E_TLS_CONFIG: the key is another's. WEIR_OK: it is
 * not of an elliptic curve, or what there is cannot be compared, or it is the certificate's.
 * WEIR_E_NOMEM.
 */
weir_status weir_tls_compare_own_key(weir_span certificate_pem, weir_span key_pem,
                                     const weir_allocator *allocator);

#endif
