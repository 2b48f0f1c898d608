/* SPDX-License-Identifier: MIT */
/* Certificates made to order: see pki.h. */
#include "support/pki.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(fact) ((fact) ? (void)0 : die(#fact, __LINE__))

_Noreturn static void die(const char *what, int line);
static EVP_PKEY *make_key(const char *kind);
static void set_names(X509 *certificate, const weir_pki_recipe *recipe, const weir_pki *issuer);
static void set_times(X509 *certificate, const weir_pki_recipe *recipe);
static void set_extensions(X509 *certificate, const weir_pki_recipe *recipe, X509 *issuer);
static void add(X509 *certificate, X509V3_CTX *context, int nid, const char *value);
static void add_hex(X509 *certificate, int nid, const char *hex);
static void add_unknown(X509 *certificate, const char *oid);
static char *text_of(BIO *bio);

weir_pki weir_pki_make(const weir_pki_recipe *recipe, const weir_pki *issuer)
{
    weir_pki pki = {X509_new(), NULL};
    const char *digest = recipe->digest ? recipe->digest : "SHA256";
    EVP_PKEY *signer;

    MUST(pki.certificate);
    if (recipe->key_from) {
        pki.key = recipe->key_from->key;
        EVP_PKEY_up_ref(pki.key);
    } else {
        pki.key = make_key(recipe->key ? recipe->key : "P-256");
    }
    signer = issuer ? issuer->key : pki.key;
    MUST(X509_set_version(pki.certificate, 2));
    set_names(pki.certificate, recipe, issuer);
    set_times(pki.certificate, recipe);
    MUST(X509_set_pubkey(pki.certificate, pki.key));
    set_extensions(pki.certificate, recipe, issuer ? issuer->certificate : pki.certificate);
    MUST(X509_sign(pki.certificate, signer,
                   EVP_PKEY_id(signer) == EVP_PKEY_ED25519 ? NULL : EVP_get_digestbyname(digest)));
    return pki;
}

void weir_pki_free(weir_pki *pki)
{
    X509_free(pki->certificate);
    EVP_PKEY_free(pki->key);
    *pki = (weir_pki){NULL, NULL};
}

char *weir_pki_certificate_pem(const weir_pki *pki)
{
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(bio && PEM_write_bio_X509(bio, pki->certificate));
    return text_of(bio);
}

char *weir_pki_key_pem(const weir_pki *pki)
{
    BIO *bio = BIO_new(BIO_s_mem());
    MUST(bio && PEM_write_bio_PrivateKey(bio, pki->key, NULL, NULL, 0, NULL, NULL));
    return text_of(bio);
}

_Noreturn static void die(const char *what, int line)
{
    fprintf(stderr, "pki.c:%d: %s\n", line, what);
    ERR_print_errors_fp(stderr);
    abort();
}

static EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key = NULL;

    if (strncmp(kind, "RSA-", 4) == 0) {
        key = EVP_RSA_gen((unsigned int)atoi(kind + 4));
    } else if (strcmp(kind, "Ed25519") == 0) {
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else {
        key = EVP_EC_gen(kind);
    }
    MUST(key);
    return key;
}

static void set_names(X509 *certificate, const weir_pki_recipe *recipe, const weir_pki *issuer)
{
    uint8_t serial[12];
    BIGNUM *number;
    X509_NAME *name = X509_NAME_new();

    MUST(RAND_bytes(serial, sizeof(serial)) == 1);
    serial[0] &= 0x7f;
    number = BN_bin2bn(serial, sizeof(serial), NULL);
    MUST(number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)));
    BN_free(number);
    MUST(name);
    if (recipe->name) {
        MUST(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                        (const unsigned char *)recipe->name, -1, -1, 0));
    }
    MUST(X509_set_subject_name(certificate, name));
    MUST(X509_set_issuer_name(certificate,
                              issuer ? X509_get_subject_name(issuer->certificate) : name));
    X509_NAME_free(name);
}

static void set_times(X509 *certificate, const weir_pki_recipe *recipe)
{
    const long day = 24L * 60 * 60;

    MUST(X509_gmtime_adj(X509_getm_notBefore(certificate), recipe->from_s ? recipe->from_s : -day));
    MUST(X509_gmtime_adj(X509_getm_notAfter(certificate), recipe->to_s ? recipe->to_s : 30 * day));
}

static void set_extensions(X509 *certificate, const weir_pki_recipe *recipe, X509 *issuer)
{
    X509V3_CTX context;
    char basic[64] = "critical,CA:FALSE";

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    if (recipe->authority && recipe->path_length > 0) {
        snprintf(basic, sizeof(basic), "critical,CA:TRUE,pathlen:%d", recipe->path_length - 1);
    } else if (recipe->authority) {
        snprintf(basic, sizeof(basic), "critical,CA:TRUE");
    }
    add(certificate, &context, NID_basic_constraints, recipe->no_basic ? NULL : basic);
    add(certificate, &context, NID_subject_key_identifier, "hash");
    add(certificate, &context, NID_authority_key_identifier,
        issuer != certificate ? "keyid" : NULL);
    add(certificate, &context, NID_key_usage, recipe->key_usage);
    add(certificate, &context, NID_ext_key_usage, recipe->extended_usage);
    add(certificate, &context, NID_name_constraints, recipe->name_constraints);
    add(certificate, &context, NID_subject_alt_name, recipe->san);
    if (recipe->san_hex) {
        add_hex(certificate, NID_subject_alt_name, recipe->san_hex);
    }
    if (recipe->extra_critical_oid) {
        add_unknown(certificate, recipe->extra_critical_oid);
    }
}

static void add(X509 *certificate, X509V3_CTX *context, int nid, const char *value)
{
    X509_EXTENSION *extension;

    if (!value) {
        return;
    }
    extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    MUST(extension);
    MUST(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static void add_hex(X509 *certificate, int nid, const char *hex)
{
    long length = 0;
    unsigned char *der = OPENSSL_hexstr2buf(hex, &length);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    MUST(der && value && ASN1_OCTET_STRING_set(value, der, (int)length));
    extension = X509_EXTENSION_create_by_NID(NULL, nid, 0, value);
    MUST(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    OPENSSL_free(der);
}

static void add_unknown(X509 *certificate, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    MUST(object && value && ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05", 2));
    extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
    MUST(extension && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

static char *text_of(BIO *bio)
{
    char *from = NULL;
    long length = BIO_get_mem_data(bio, &from);
    char *text = malloc((size_t)length + 1);

    MUST(text);
    memcpy(text, from, (size_t)length);
    text[length] = '\0';
    BIO_free(bio);
    return text;
}
