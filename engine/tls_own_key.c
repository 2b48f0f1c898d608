/* SPDX-License-Identifier: MIT */
/* See tls_own_key.h. The point is made from the private number: what stands beside it may lie. */
#include "engine/tls_own_key.h"

#include "engine/tls_x509.h"
#include "proto/alloc.h"
#include "proto/span.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#define POINT_LIMIT_OCTETS 256 /* of an uncompressed one: 133 on P-521 */

static weir_status compare(weir_span point, const uint8_t *der, size_t octets);
static void wipe(uint8_t *at, size_t octets);

weir_status weir_tls_compare_own_key(weir_span certificate_pem, weir_span key_pem,
                                     const weir_allocator *allocator)
{
    /* DER is shorter than its base64 text. */
    uint8_t *certificate = weir_alloc(allocator, certificate_pem.length);
    uint8_t *key = weir_alloc(allocator, key_pem.length);
    weir_status status = WEIR_E_NOMEM;
    weir_x509 x509;

    if (certificate != NULL && key != NULL) {
        const int octets =
            wolfSSL_CertPemToDer(certificate_pem.at, (int)certificate_pem.length, certificate,
                                 (int)certificate_pem.length, CERT_TYPE);
        status = octets == MEMORY_E ? WEIR_E_NOMEM : WEIR_OK;
        if (octets > 0 && weir_x509_parse((weir_span){certificate, (size_t)octets}, &x509) &&
            x509.key == WEIR_X509_KEY_EC) {
            const int key_octets =
                wc_KeyPemToDer(key_pem.at, (int)key_pem.length, key, (int)key_pem.length, NULL);
            status = key_octets == MEMORY_E ? WEIR_E_NOMEM
                     : key_octets > 0       ? compare(x509.point, key, (size_t)key_octets)
                                            : WEIR_OK;
        }
    }
    wipe(key, key != NULL ? key_pem.length : 0);
    weir_release(allocator, key);
    weir_release(allocator, certificate);
    return status;
}

static weir_status compare(weir_span point, const uint8_t *der, size_t octets)
{
    uint8_t made[POINT_LIMIT_OCTETS];
    word32 length = sizeof(made);
    word32 at = 0;
    ecc_key key;

    if (wc_ecc_init(&key) != 0) {
        return WEIR_E_NOMEM;
    }
    int result = wc_EccPrivateKeyDecode(der, &at, &key, (word32)octets);
    if (result == 0) {
        result = wc_ecc_make_pub(&key, NULL);
    }
    if (result == 0) {
        result = wc_ecc_export_x963(&key, made, &length);
    }
    wc_ecc_free(&key);
    if (result == MEMORY_E) {
        return WEIR_E_NOMEM;
    }
    /* RFC 5480 s2.2: a point that begins with 4 is not compressed. */
    if (result != 0 || point.length == 0 || point.at[0] != 4) {
        return WEIR_OK;
    }
    return weir_span_equal(point, (weir_span){made, length}) ? WEIR_OK : WEIR_E_TLS_CONFIG;
}

/* A private key leaves no trace in memory that is given back. */
static void wipe(uint8_t *at, size_t octets)
{
    volatile uint8_t *to = at;

    for (size_t i = 0; i < octets; i++) {
        to[i] = 0;
    }
}
