/* SPDX-License-Identifier: MIT */
/*
 * A table, closed by default: an error that is not in it is "the peer broke the TLS protocol",
 * because by then something unexpected came from the peer, and every error ends the connection
 * anyway. A fatal alert of the peer goes before wolfSSL's own code, which only says that there was
 * one.
 */
#include "engine/tls_failure.h"

#include "engine/os.h"
#include "proto/base.h"

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

typedef struct meaning {
    int error;
    weir_status status;
    const char *what;
} meaning;

/*
 * Alert descriptions: first those that say more than that there was an alert (RFC 8446 s6.2, RFC
 * 7301 s3.2), then the names of the others, of earlier versions of TLS too (IANA, "TLS Alerts").
 * Not every build of wolfSSL has names for them.
 */
static const meaning alerts[] = {
    {70, WEIR_E_TLS_VERSION, "the server supports none of the TLS versions offered"},
    {71, WEIR_E_TLS_VERSION, "the server wants stronger cipher suites"},
    {120, WEIR_E_TLS_ALPN, NULL},
    {10, WEIR_E_TLS_ALERT, "the alert is unexpected_message"},
    {20, WEIR_E_TLS_ALERT, "the alert is bad_record_mac"},
    {21, WEIR_E_TLS_ALERT, "the alert is decryption_failed"},
    {22, WEIR_E_TLS_ALERT, "the alert is record_overflow"},
    {30, WEIR_E_TLS_ALERT, "the alert is decompression_failure"},
    {40, WEIR_E_TLS_ALERT, "the alert is handshake_failure"},
    {41, WEIR_E_TLS_ALERT, "the alert is no_certificate"},
    {42, WEIR_E_TLS_ALERT, "the alert is bad_certificate"},
    {43, WEIR_E_TLS_ALERT, "the alert is unsupported_certificate"},
    {44, WEIR_E_TLS_ALERT, "the alert is certificate_revoked"},
    {45, WEIR_E_TLS_ALERT, "the alert is certificate_expired"},
    {46, WEIR_E_TLS_ALERT, "the alert is certificate_unknown"},
    {47, WEIR_E_TLS_ALERT, "the alert is illegal_parameter"},
    {48, WEIR_E_TLS_ALERT, "the alert is unknown_ca"},
    {49, WEIR_E_TLS_ALERT, "the alert is access_denied"},
    {50, WEIR_E_TLS_ALERT, "the alert is decode_error"},
    {51, WEIR_E_TLS_ALERT, "the alert is decrypt_error"},
    {60, WEIR_E_TLS_ALERT, "the alert is export_restriction"},
    {80, WEIR_E_TLS_ALERT, "the alert is internal_error"},
    {86, WEIR_E_TLS_ALERT, "the alert is inappropriate_fallback"},
    {90, WEIR_E_TLS_ALERT, "the alert is user_canceled"},
    {100, WEIR_E_TLS_ALERT, "the alert is no_renegotiation"},
    {109, WEIR_E_TLS_ALERT, "the alert is missing_extension"},
    {110, WEIR_E_TLS_ALERT, "the alert is unsupported_extension"},
    {111, WEIR_E_TLS_ALERT, "the alert is certificate_unobtainable"},
    {112, WEIR_E_TLS_ALERT, "the alert is unrecognized_name"},
    {113, WEIR_E_TLS_ALERT, "the alert is bad_certificate_status_response"},
    {114, WEIR_E_TLS_ALERT, "the alert is bad_certificate_hash_value"},
    {115, WEIR_E_TLS_ALERT, "the alert is unknown_psk_identity"},
    {116, WEIR_E_TLS_ALERT, "the alert is certificate_required"},
};

static const meaning errors[] = {
    {MEMORY_E, WEIR_E_NOMEM, NULL},
    {MEMORY_ERROR, WEIR_E_NOMEM, NULL},
    {OPEN_RAN_E, WEIR_E_DESCRIPTORS, "wolfSSL could not have randomness"},
    {READ_RAN_E, WEIR_E_DESCRIPTORS, "wolfSSL could not have randomness"},
    {RNG_FAILURE_E, WEIR_E_DESCRIPTORS, "wolfSSL could not have randomness"},
    {VERSION_ERROR, WEIR_E_TLS_VERSION, "the server chose another TLS version"},
    {UNSUPPORTED_SUITE, WEIR_E_TLS_VERSION, "the server chose a cipher suite that was not offered"},
    {MATCH_SUITE_ERROR, WEIR_E_TLS_VERSION, "the server chose a cipher suite that was not offered"},
    {UNKNOWN_ALPN_PROTOCOL_NAME_E, WEIR_E_TLS_ALPN,
     "the server chose a protocol that was not offered"},
    {VERIFY_MAC_ERROR, WEIR_E_TLS_RECORD, NULL},
    {DECRYPT_ERROR, WEIR_E_TLS_RECORD, NULL},
    {AES_GCM_AUTH_E, WEIR_E_TLS_RECORD, NULL},
    {MAC_CMP_FAILED_E, WEIR_E_TLS_RECORD, NULL},
    {ASN_NO_SIGNER_E, WEIR_E_TLS_UNTRUSTED, NULL},
    {ASN_SELF_SIGNED_E, WEIR_E_TLS_UNTRUSTED, NULL},
    {ASN_SIG_CONFIRM_E, WEIR_E_TLS_UNTRUSTED, "a certificate is not signed by its issuer"},
    {ASN_BEFORE_DATE_E, WEIR_E_TLS_EXPIRED, "a certificate is not valid yet"},
    {ASN_AFTER_DATE_E, WEIR_E_TLS_EXPIRED, "a certificate is not valid any more"},
    {RSA_KEY_SIZE_E, WEIR_E_TLS_WEAK, "an RSA key is too short"},
    {ECC_KEY_SIZE_E, WEIR_E_TLS_WEAK, "an elliptic curve key is too short"},
    {DH_KEY_SIZE_E, WEIR_E_TLS_WEAK, NULL},
    {DOMAIN_NAME_MISMATCH, WEIR_E_TLS_IDENTITY, NULL},
    {IPADDR_MISMATCH, WEIR_E_TLS_IDENTITY, NULL},
    {NO_PEER_CERT, WEIR_E_TLS_CERTIFICATE, "the server sent no certificate"},
    {VERIFY_CERT_ERROR, WEIR_E_TLS_CERTIFICATE, NULL},
    {KEYUSE_SIGNATURE_E, WEIR_E_TLS_CERTIFICATE, "the key may not be used for signatures"},
    {KEYUSE_ENCIPHER_E, WEIR_E_TLS_CERTIFICATE, "the key may not be used so"},
    {KEYUSAGE_E, WEIR_E_TLS_CERTIFICATE, "an issuer's key may not sign certificates"},
    {EXTKEYUSE_AUTH_E, WEIR_E_TLS_CERTIFICATE, "the certificate is not for servers"},
    {MAX_CHAIN_ERROR, WEIR_E_TLS_CERTIFICATE, "the certificate chain is too long"},
    {NOT_CA_ERROR, WEIR_E_TLS_CERTIFICATE, "an issuer is not a certificate authority"},
    {ASN_NAME_INVALID_E, WEIR_E_TLS_CERTIFICATE,
     "a name lies outside the issuer's name constraints"},
    {ASN_PATHLEN_SIZE_E, WEIR_E_TLS_CERTIFICATE, "the chain is longer than an issuer allows"},
    {ASN_PATHLEN_INV_E, WEIR_E_TLS_CERTIFICATE, "the chain is longer than an issuer allows"},
    {ASN_CRIT_EXT_E, WEIR_E_TLS_CERTIFICATE, "a critical extension is not known"},
    {ASN_ALT_NAME_E, WEIR_E_TLS_CERTIFICATE, "a certificate has more names than wolfSSL takes"},
    {INVALID_PARAMETER, WEIR_E_TLS_PROTOCOL, "something has a value that wolfSSL does not take"},
    {SOCKET_PEER_CLOSED_E, WEIR_E_TLS_CLOSED, NULL},
};

static bool is_about_certificates(int error);
static const meaning *find(const meaning *table, size_t count, int error);

weir_failure weir_tls_failure_from(int error, int alert)
{
    weir_failure failure = {.status = WEIR_E_TLS_PROTOCOL,
                            .tls_alert = alert,
                            .tls_error = error,
                            .offset = WEIR_UNKNOWN};
    const meaning *found = alert >= 0 ? find(alerts, WEIR_COUNT_OF(alerts), alert)
                                      : find(errors, WEIR_COUNT_OF(errors), error);

    if (found) {
        failure.status = found->status;
        failure.what = found->what;
    } else if (alert >= 0) {
        failure.status = WEIR_E_TLS_ALERT;
    } else if (is_about_certificates(error)) {
        failure.status = WEIR_E_TLS_CERTIFICATE;
        failure.what = "a certificate is malformed, or of a kind that wolfSSL does not know";
    }
    /* Builds of wolfSSL differ in whether they open a descriptor for randomness in a handshake. */
    if (failure.status == WEIR_E_DESCRIPTORS && !weir_os_descriptors_ran_out()) {
        failure.status = WEIR_E_NOMEM;
    }
    return failure;
}

/* The codes of wolfSSL's parser of certificates lie side by side. */
static bool is_about_certificates(int error)
{
    _Static_assert(ASN_PARSE_E > ECC_CURVE_OID_E, "the codes grow downwards");
    return error <= ASN_PARSE_E && error >= ECC_CURVE_OID_E;
}

static const meaning *find(const meaning *table, size_t count, int error)
{
    for (size_t i = 0; i < count; ++i) {
        if (table[i].error == error) {
            return &table[i];
        }
    }
    return NULL;
}
