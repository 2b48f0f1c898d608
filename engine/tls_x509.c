/* SPDX-License-Identifier: MIT */
/*
 * The certificate parser.
 *
 * Why there is one: the rules of tls_verify.c need names, key sizes, algorithms and constraints of
 * every certificate of a chain, and no public function of wolfSSL gives them on every build (its
 * X509 functions exist in builds with the OpenSSL layer only, its own decoder is not part of the
 * interface). The octets are those that wolfSSL has parsed and whose signatures it has checked;
 * this reader only has to be strict: what it does not understand is no certificate.
 */
#include "engine/tls_x509.h"

#include "proto/span.h"

typedef struct oid {
    uint8_t length;
    uint8_t octets[11];
} oid;

typedef struct signature_algorithm {
    oid id;
    weir_x509_strength strength;
} signature_algorithm;

/* ecdsa-with-*, 1.2.840.10045.4.*; *WithRSAEncryption, 1.2.840.113549.1.1.*; Ed25519 and
 * Ed448, 1.3.101.112 and 113. */
static const signature_algorithm signature_algorithms[] = {
    {{8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}}, WEIR_X509_SOUND},
    {{8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03}}, WEIR_X509_SOUND},
    {{8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04}}, WEIR_X509_SOUND},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}}, WEIR_X509_SOUND},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c}}, WEIR_X509_SOUND},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d}}, WEIR_X509_SOUND},
    {{3, {0x2b, 0x65, 0x70}}, WEIR_X509_SOUND},
    {{3, {0x2b, 0x65, 0x71}}, WEIR_X509_SOUND},
    {{7, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01}}, WEIR_X509_BROKEN},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x02}}, WEIR_X509_BROKEN},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04}}, WEIR_X509_BROKEN},
    {{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05}}, WEIR_X509_BROKEN},
};

static const oid rsa_pss = {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}};
static const oid rsa_key = {9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}};
static const oid ed25519 = {3, {0x2b, 0x65, 0x70}};
static const oid ed448 = {3, {0x2b, 0x65, 0x71}};
static const oid ec_key = {7, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01}};
/* SHA-256, SHA-384, SHA-512: 2.16.840.1.101.3.4.2.{1,2,3}. */
static const oid sha2[] = {{9, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}},
                           {9, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02}},
                           {9, {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03}}};

typedef struct curve {
    oid id;
    uint32_t bits;
} curve;

static const curve curves[] = {
    {{8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}}, 256}, /* P-256 */
    {{5, {0x2b, 0x81, 0x04, 0x00, 0x22}}, 384},                   /* P-384 */
    {{5, {0x2b, 0x81, 0x04, 0x00, 0x23}}, 521},                   /* P-521 */
};

/* id-kp-serverAuth and anyExtendedKeyUsage. */
static const oid for_servers = {8, {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01}};
static const oid for_any = {4, {0x55, 0x1d, 0x25, 0x00}};

/* The last octet of id-ce, 2.5.29. */
enum {
    CE_KEY_ID = 14,
    CE_KEY_USAGE = 15,
    CE_ALTERNATIVE_NAMES = 17,
    CE_BASIC_CONSTRAINTS = 19,
    CE_NAME_CONSTRAINTS = 30,
    CE_POLICIES = 32,
    CE_POLICY_MAPPINGS = 33,
    CE_ISSUER_KEY_ID = 35,
    CE_POLICY_CONSTRAINTS = 36,
    CE_EXTENDED_USAGE = 37,
    CE_INHIBIT_ANY_POLICY = 54
};

static bool is(weir_span value, const oid *id);
static bool parse_body(weir_span body, weir_span outer_algorithm, weir_x509 *x);
static bool parse_version(weir_der *der, weir_x509 *x);
static weir_x509_strength strength_of(weir_span algorithm);
static weir_x509_strength strength_of_pss(weir_der parameters);
static bool parse_key(weir_span info, weir_x509 *x);
static bool parse_rsa_key(weir_span bits, weir_x509 *x);
static void parse_curve(weir_der parameters, weir_x509 *x);
static bool parse_extensions(weir_der *der, weir_x509 *x);
static bool parse_extension(weir_der der, weir_x509 *x, uint64_t *seen);
static bool take_extension(unsigned which, bool critical, weir_span value, weir_x509 *x);
static bool take_basic_constraints(weir_span value, weir_x509 *x);
static bool take_key_usage(weir_span value, weir_x509 *x);
static bool take_extended_usage(weir_span value, weir_x509 *x);
static bool take_key_id(weir_span value, weir_x509 *x);
static bool take_issuer_key_id(weir_span value, weir_x509 *x);
static bool take_sequence(weir_span value, weir_span *contents, bool *there);

bool weir_x509_parse(weir_span der, weir_x509 *x)
{
    weir_span all;
    weir_der certificate;
    weir_der_element body;
    weir_der_element algorithm;
    weir_der_element signature;

    *x = (weir_x509){.whole = der, .version = 1};
    if (!weir_der_sole(der, WEIR_DER_SEQUENCE, &all)) {
        return false;
    }
    certificate = weir_der_of(all);
    if (!weir_der_expect(&certificate, WEIR_DER_SEQUENCE, &body) ||
        !weir_der_expect(&certificate, WEIR_DER_SEQUENCE, &algorithm) ||
        !weir_der_expect(&certificate, WEIR_DER_BIT_STRING, &signature) ||
        !weir_der_is_done(&certificate) || !parse_body(body.value, algorithm.whole, x)) {
        return false;
    }
    if (x->issuer_key_id.length == 0 && weir_x509_is_self_issued(x)) {
        x->issuer_key_id = x->key_id;
    }
    return true;
}

bool weir_x509_is_self_issued(const weir_x509 *certificate)
{
    return weir_span_equal(certificate->issuer, certificate->subject);
}

static bool is(weir_span value, const oid *id)
{
    return weir_span_equal(value, (weir_span){id->octets, id->length});
}

/* TBSCertificate (RFC 5280 s4.1.2). */
static bool parse_body(weir_span body, weir_span outer_algorithm, weir_x509 *x)
{
    weir_der der = weir_der_of(body);
    weir_der_element serial;
    weir_der_element algorithm;
    weir_der_element issuer;
    weir_der_element validity;
    weir_der_element subject;
    weir_der_element key;
    weir_der_element unique;
    bool there;

    if (!parse_version(&der, x) || !weir_der_expect(&der, WEIR_DER_INTEGER, &serial) ||
        !weir_der_expect(&der, WEIR_DER_SEQUENCE, &algorithm) ||
        !weir_der_expect(&der, WEIR_DER_SEQUENCE, &issuer) ||
        !weir_der_expect(&der, WEIR_DER_SEQUENCE, &validity) ||
        !weir_der_expect(&der, WEIR_DER_SEQUENCE, &subject) ||
        !weir_der_expect(&der, WEIR_DER_SEQUENCE, &key) ||
        !weir_der_optional(&der, WEIR_DER_CONTEXT + 1, &unique, &there) ||
        !weir_der_optional(&der, WEIR_DER_CONTEXT + 2, &unique, &there)) {
        return false;
    }
    /* RFC 5280 s4.1.1.2: the algorithm stands inside and outside of what is signed, the same. */
    if (!weir_span_equal(algorithm.whole, outer_algorithm)) {
        return false;
    }
    x->issuer = issuer.whole;
    x->subject = subject.whole;
    x->signature = strength_of(algorithm.value);
    return parse_key(key.value, x) && parse_extensions(&der, x);
}

static bool parse_version(weir_der *der, weir_x509 *x)
{
    weir_der_element wrapped;
    weir_span number;
    bool there;

    if (!weir_der_optional(der, WEIR_DER_CONTEXT_INSIDE + 0, &wrapped, &there)) {
        return false;
    }
    if (!there) {
        return true;
    }
    if (!weir_der_sole(wrapped.value, WEIR_DER_INTEGER, &number) ||
        !weir_der_number(number, &x->version) || x->version > 2) {
        return false;
    }
    x->version++;
    return true;
}

static weir_x509_strength strength_of(weir_span algorithm)
{
    weir_der der = weir_der_of(algorithm);
    weir_der_element id;

    if (!weir_der_expect(&der, WEIR_DER_OID, &id)) {
        return WEIR_X509_UNKNOWN;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(signature_algorithms); ++i) {
        if (is(id.value, &signature_algorithms[i].id)) {
            return signature_algorithms[i].strength;
        }
    }
    return is(id.value, &rsa_pss) ? strength_of_pss(der) : WEIR_X509_UNKNOWN;
}

/* RSASSA-PSS-params (RFC 4055 s3.1): without a hash algorithm it is SHA-1. */
static weir_x509_strength strength_of_pss(weir_der parameters)
{
    weir_der fields;
    weir_der hash;
    weir_der_element wrapped;
    weir_der_element id;
    bool there;

    if (!weir_der_enter(&parameters, WEIR_DER_SEQUENCE, &fields) ||
        !weir_der_optional(&fields, WEIR_DER_CONTEXT_INSIDE + 0, &wrapped, &there)) {
        return WEIR_X509_UNKNOWN;
    }
    if (!there) {
        return WEIR_X509_BROKEN;
    }
    fields = weir_der_of(wrapped.value);
    if (!weir_der_enter(&fields, WEIR_DER_SEQUENCE, &hash) ||
        !weir_der_expect(&hash, WEIR_DER_OID, &id)) {
        return WEIR_X509_UNKNOWN;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(sha2); ++i) {
        if (is(id.value, &sha2[i])) {
            return WEIR_X509_SOUND;
        }
    }
    return WEIR_X509_BROKEN;
}

/* SubjectPublicKeyInfo. */
static bool parse_key(weir_span info, weir_x509 *x)
{
    weir_der der = weir_der_of(info);
    weir_der algorithm;
    weir_der_element id;
    weir_der_element bits;
    weir_span key;

    if (!weir_der_enter(&der, WEIR_DER_SEQUENCE, &algorithm) ||
        !weir_der_expect(&algorithm, WEIR_DER_OID, &id) ||
        !weir_der_expect(&der, WEIR_DER_BIT_STRING, &bits) || !weir_der_is_done(&der) ||
        !weir_der_bits(bits.value, &key)) {
        return false;
    }
    if (is(id.value, &rsa_key) || is(id.value, &rsa_pss)) {
        return parse_rsa_key(key, x);
    }
    if (is(id.value, &ec_key)) {
        x->key = WEIR_X509_KEY_EC;
        x->point = key;
        parse_curve(algorithm, x);
    } else if (is(id.value, &ed25519) || is(id.value, &ed448)) {
        x->key = WEIR_X509_KEY_EDWARDS;
        x->key_bits = is(id.value, &ed25519) ? 256 : 456;
    }
    return true;
}

/* RSAPublicKey: the modulus is its first number. */
static bool parse_rsa_key(weir_span bits, weir_x509 *x)
{
    weir_der der = weir_der_of(bits);
    weir_der numbers;
    weir_der_element modulus;
    weir_span value;

    if (!weir_der_enter(&der, WEIR_DER_SEQUENCE, &numbers) ||
        !weir_der_expect(&numbers, WEIR_DER_INTEGER, &modulus)) {
        return false;
    }
    value = modulus.value;
    while (value.length > 0 && value.at[0] == 0) {
        value = weir_span_from(value, 1);
    }
    if (value.length == 0 || value.length > 65536) {
        return false;
    }
    x->key = WEIR_X509_KEY_RSA;
    x->key_bits = (uint32_t)value.length * 8;
    for (uint8_t top = value.at[0]; top < 0x80; top = (uint8_t)(top << 1)) {
        x->key_bits--;
    }
    return true;
}

/* A curve by its name (RFC 5480 s2.1.1): explicit parameters are not allowed, and leave key_bits 0.
 */
static void parse_curve(weir_der parameters, weir_x509 *x)
{
    weir_der_element name;

    if (!weir_der_expect(&parameters, WEIR_DER_OID, &name)) {
        return;
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(curves); ++i) {
        if (is(name.value, &curves[i].id)) {
            x->key_bits = curves[i].bits;
        }
    }
}

static bool parse_extensions(weir_der *der, weir_x509 *x)
{
    weir_der_element wrapped;
    weir_span inside;
    weir_der list;
    uint64_t seen = 0;
    bool there;

    if (!weir_der_optional(der, WEIR_DER_CONTEXT_INSIDE + 3, &wrapped, &there) ||
        !weir_der_is_done(der)) {
        return false;
    }
    if (!there) {
        return true;
    }
    if (x->version != 3 || !weir_der_sole(wrapped.value, WEIR_DER_SEQUENCE, &inside)) {
        return false;
    }
    list = weir_der_of(inside);
    while (!weir_der_is_done(&list)) {
        weir_der extension;
        if (!weir_der_enter(&list, WEIR_DER_SEQUENCE, &extension) ||
            !parse_extension(extension, x, &seen)) {
            return false;
        }
    }
    return true;
}

/* `seen`: those of id-ce that were there. One that comes twice is malformed (RFC 5280 s4.2). */
static bool parse_extension(weir_der der, weir_x509 *x, uint64_t *seen)
{
    weir_der_element id;
    weir_der_element flag;
    weir_der_element value;
    bool critical = false;
    bool there;
    unsigned which;

    if (!weir_der_expect(&der, WEIR_DER_OID, &id) ||
        !weir_der_optional(&der, WEIR_DER_BOOLEAN, &flag, &there) ||
        (there && !weir_der_boolean(flag.value, &critical)) ||
        !weir_der_expect(&der, WEIR_DER_OCTET_STRING, &value) || !weir_der_is_done(&der)) {
        return false;
    }
    if (id.value.length != 3 || id.value.at[0] != 0x55 || id.value.at[1] != 0x1d) {
        x->unknown_critical = x->unknown_critical || critical;
        return true;
    }
    which = id.value.at[2];
    if (which < 64) {
        if (*seen >> which & 1) {
            return false;
        }
        *seen |= UINT64_C(1) << which;
    }
    return take_extension(which, critical, value.value, x);
}

static bool take_extension(unsigned which, bool critical, weir_span value, weir_x509 *x)
{
    switch (which) {
    case CE_KEY_ID:
        return take_key_id(value, x);
    case CE_KEY_USAGE:
        return take_key_usage(value, x);
    case CE_ALTERNATIVE_NAMES:
        return take_sequence(value, &x->alternative_names, &x->has_alternative_names);
    case CE_BASIC_CONSTRAINTS:
        return take_basic_constraints(value, x);
    case CE_NAME_CONSTRAINTS:
        return take_sequence(value, &x->name_constraints, &x->has_name_constraints);
    case CE_ISSUER_KEY_ID:
        return take_issuer_key_id(value, x);
    case CE_EXTENDED_USAGE:
        return take_extended_usage(value, x);
    case CE_POLICIES:
    case CE_POLICY_MAPPINGS:
    case CE_POLICY_CONSTRAINTS:
    case CE_INHIBIT_ANY_POLICY:
        /* Nobody here asks for a policy (RFC 5280 s6.1.1 (c): any-policy), so none can be missed.
         */
        return true;
    default:
        x->unknown_critical = x->unknown_critical || critical;
        return true;
    }
}

static bool take_basic_constraints(weir_span value, weir_x509 *x)
{
    weir_span inside;
    weir_der fields;
    weir_der_element flag;
    weir_der_element length;
    bool there;

    if (!weir_der_sole(value, WEIR_DER_SEQUENCE, &inside)) {
        return false;
    }
    fields = weir_der_of(inside);
    if (!weir_der_optional(&fields, WEIR_DER_BOOLEAN, &flag, &there) ||
        (there && !weir_der_boolean(flag.value, &x->authority)) ||
        !weir_der_optional(&fields, WEIR_DER_INTEGER, &length, &x->has_path_length)) {
        return false;
    }
    return weir_der_is_done(&fields) &&
           (!x->has_path_length || weir_der_number(length.value, &x->path_length));
}

/* A BIT STRING whose trailing zero bits are left out: bit 0 is the highest bit of its first octet.
 */
static bool take_key_usage(weir_span value, weir_x509 *x)
{
    weir_span bits;

    if (!weir_der_sole(value, WEIR_DER_BIT_STRING, &bits) || bits.length < 1 || bits.length > 3 ||
        bits.at[0] > 7) {
        return false;
    }
    x->has_key_usage = true;
    for (unsigned i = 0; i < 8 * ((unsigned)bits.length - 1); ++i) {
        if (bits.at[1 + i / 8] >> (7 - i % 8) & 1) {
            x->key_usage |= 1u << i;
        }
    }
    return true;
}

static bool take_extended_usage(weir_span value, weir_x509 *x)
{
    weir_span inside;
    weir_der list;

    if (!weir_der_sole(value, WEIR_DER_SEQUENCE, &inside)) {
        return false;
    }
    list = weir_der_of(inside);
    x->has_extended_usage = true;
    while (!weir_der_is_done(&list)) {
        weir_der_element id;
        if (!weir_der_expect(&list, WEIR_DER_OID, &id)) {
            return false;
        }
        x->for_servers = x->for_servers || is(id.value, &for_servers);
        x->for_any = x->for_any || is(id.value, &for_any);
    }
    return true;
}

static bool take_key_id(weir_span value, weir_x509 *x)
{
    return weir_der_sole(value, WEIR_DER_OCTET_STRING, &x->key_id);
}

/* keyIdentifier [0]; issuer and serial number are not looked at. */
static bool take_issuer_key_id(weir_span value, weir_x509 *x)
{
    weir_span inside;
    weir_der fields;
    weir_der_element id;
    bool there;

    if (!weir_der_sole(value, WEIR_DER_SEQUENCE, &inside)) {
        return false;
    }
    fields = weir_der_of(inside);
    if (!weir_der_optional(&fields, WEIR_DER_CONTEXT + 0, &id, &there)) {
        return false;
    }
    if (there) {
        x->issuer_key_id = id.value;
    }
    return true;
}

static bool take_sequence(weir_span value, weir_span *contents, bool *there)
{
    *there = weir_der_sole(value, WEIR_DER_SEQUENCE, contents);
    return *there;
}
