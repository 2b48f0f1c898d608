/* SPDX-License-Identifier: MIT */
/*
 * Verification. Two judges, and both have to say yes:
 *
 *   wolfSSL, natively: that each certificate is signed by an issuer in its store and is valid now;
 *   this file, on the DER that the server sent: that the chain leads from the server's certificate
 *   to a root that the user trusts, that each certificate on the way may issue what it issued, that
 *   nothing on it is weak, and that the first one names the host.
 *
 * The path is looked for among the certificates of this handshake only. wolfSSL's store remembers
 * intermediates of earlier handshakes, so to it a chain with a gap may be good or not, by what was
 * met before; to us it never is.
 *
 * Servers send certificates that lead nowhere, twice, or out of order, and roots signed again by
 * other roots. So all ways are tried, within a budget; the answer, if there is none, is what was
 * wrong with the first way.
 *
 * The callback never turns a failure of wolfSSL into a success. wolfSSL calls it for the server's
 * own certificate always, on success too (a build without WOLFSSL_ALWAYS_VERIFY_CB is refused when
 * weir is configured), and last.
 */
#include "engine/tls_verify.h"

#include "proto/span.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

enum { RSA_LEAST_BITS = 2048, EC_LEAST_BITS = 256 };
/* Certificates looked at in one search: a chain of clones of one name must not cost more than this.
 */
enum { SEARCH_BUDGET = 64 };

/* A build with OpenSSL's numbers tells of dates with these (X509_V_ERR_*), by its release. */
enum {
    X509_NOT_YET_VALID = 9,
    X509_HAS_EXPIRED = 10,
    X509_BAD_NOT_BEFORE = 13,
    X509_BAD_NOT_AFTER = 14
};

typedef struct search {
    weir_x509 certificates[WEIR_TLS_CHAIN_LIMIT];
    bool parsed[WEIR_TLS_CHAIN_LIMIT];
    bool used[WEIR_TLS_CHAIN_LIMIT];
    size_t count;
    size_t path[WEIR_TLS_CHAIN_LIMIT]; /* indices, from the server's certificate up */
    unsigned budget;
    const weir_tls_roots *roots;
    weir_tls_verdict first; /* what was wrong first */
} search;

static int verify_certificate(int verified, WOLFSSL_X509_STORE_CTX *store);
static void explain(weir_tls_verify *verify, const WOLFSSL_X509_STORE_CTX *store);
static weir_tls_verdict judge_store(const weir_tls_verify *verify,
                                    const WOLFSSL_X509_STORE_CTX *store);
static weir_tls_verdict judge_leaf(const weir_x509 *leaf, const weir_tls_identity *identity,
                                   bool is_root);
static weir_tls_verdict judge_issuer(const search *s, const weir_x509 *issuer, size_t depth);
static weir_tls_verdict judge_strength(const weir_x509 *certificate, bool is_root);
static bool constraints_allow(const search *s, weir_span constraints, size_t depth);
static bool may_have_issued(const weir_x509 *issuer, const weir_x509 *certificate);
static bool reaches_root(search *s, size_t depth);
static bool ends_at_root(search *s, size_t depth);
static bool note(search *s, weir_tls_verdict verdict);
static weir_tls_verdict bad(weir_status status, const char *what);

static const weir_tls_verdict good = {WEIR_OK, NULL};

void weir_tls_verify_init(weir_tls_verify *verify, const weir_tls_filter_options *options,
                          const weir_tls_roots *roots)
{
    const weir_host_kind kind = (weir_host_kind)options->origin->kind;
    weir_span host = options->origin->host;

    *verify = (weir_tls_verify){.roots = roots, .identity = {.kind = kind}};
    if (kind != WEIR_HOST_NAME) {
        memcpy(verify->identity.address, options->address, kind == WEIR_HOST_IPV4 ? 4 : 16);
        return;
    }
    if (host.length > 0 && host.at[host.length - 1] == '.') {
        host.length--;
    }
    verify->identity.host = host;
}

void weir_tls_verify_attach(weir_tls_verify *verify, WOLFSSL *ssl)
{
    wolfSSL_SetCertCbCtx(ssl, verify);
    wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER, verify_certificate);
}

void weir_tls_verify_detach(WOLFSSL *ssl)
{
    wolfSSL_SetCertCbCtx(ssl, NULL);
}

weir_tls_verdict weir_tls_verify_chain(const weir_span *chain, size_t count,
                                       const weir_tls_identity *identity,
                                       const weir_tls_roots *roots)
{
    search s = {.count = count, .budget = SEARCH_BUDGET, .roots = roots};
    size_t octets = 0;

    if (count == 0) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the server sent no certificate");
    }
    for (size_t i = 0; i < count; ++i) {
        octets += chain[i].length;
    }
    if (count > WEIR_TLS_CHAIN_LIMIT || octets > WEIR_TLS_CHAIN_LIMIT_OCTETS) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the certificate chain is too long");
    }
    for (size_t i = 0; i < count; ++i) {
        s.parsed[i] = weir_x509_parse(chain[i], &s.certificates[i]);
    }
    if (!s.parsed[0]) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the server's certificate is malformed");
    }
    s.used[0] = true;
    if (!reaches_root(&s, 0)) {
        return s.first.status != WEIR_OK
                   ? s.first
                   : bad(WEIR_E_TLS_UNTRUSTED, "the certificates do not lead to a trusted root");
    }
    return judge_leaf(&s.certificates[0], identity,
                      weir_tls_roots_same(roots, &s.certificates[0]) != NULL);
}

static int verify_certificate(int verified, WOLFSSL_X509_STORE_CTX *store)
{
    weir_tls_verify *verify = store->userCtx;

    if (!verify) {
        return 0; /* a certificate after the handshake: nobody asked for one */
    }
    if (!verified || verify->refused) {
        verify->refused = true;
        explain(verify, store);
        return 0;
    }
    if (store->error_depth != 0) {
        return 1; /* an intermediate: judged with the whole chain */
    }
    verify->verdict = judge_store(verify, store);
    verify->done = verify->verdict.status == WEIR_OK;
    return verify->done ? 1 : 0;
}

/*
 * wolfSSL has refused a certificate. What it says of the reason depends on the build (one with the
 * OpenSSL layer goes on to the next certificate and reports the last reason), so ours goes first if
 * we have one, and the first date that it met goes before whatever it says in the end.
 */
static void explain(weir_tls_verify *verify, const WOLFSSL_X509_STORE_CTX *store)
{
    if (verify->verdict.status != WEIR_OK) {
        return;
    }
    verify->verdict = judge_store(verify, store);
    if (verify->verdict.status != WEIR_OK) {
        return;
    }
    switch (store->error) {
    case ASN_BEFORE_DATE_E:
    case X509_NOT_YET_VALID:
    case X509_BAD_NOT_BEFORE:
        verify->verdict = bad(WEIR_E_TLS_EXPIRED, "a certificate is not valid yet");
        break;
    case ASN_AFTER_DATE_E:
    case X509_HAS_EXPIRED:
    case X509_BAD_NOT_AFTER:
        verify->verdict = bad(WEIR_E_TLS_EXPIRED, "a certificate is not valid any more");
        break;
    default:
        break;
    }
}

static weir_tls_verdict judge_store(const weir_tls_verify *verify,
                                    const WOLFSSL_X509_STORE_CTX *store)
{
    weir_span chain[WEIR_TLS_CHAIN_LIMIT];

    if (store->totalCerts < 1 || store->totalCerts > WEIR_TLS_CHAIN_LIMIT || !store->certs) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the certificate chain is too long");
    }
    for (int i = 0; i < store->totalCerts; ++i) {
        chain[i] = (weir_span){store->certs[i].buffer, store->certs[i].length};
    }
    return weir_tls_verify_chain(chain, (size_t)store->totalCerts, &verify->identity,
                                 verify->roots);
}

/* A certificate that the user put among the roots is trusted as it is, also if it is an authority's
 * own. */
static weir_tls_verdict judge_leaf(const weir_x509 *leaf, const weir_tls_identity *identity,
                                   bool is_root)
{
    weir_tls_verdict strength = judge_strength(leaf, is_root);

    if (!weir_tls_identity_is_named(identity, leaf)) {
        return bad(WEIR_E_TLS_IDENTITY, leaf->has_alternative_names
                                            ? "none of the certificate's names is that host"
                                            : "the certificate has no subjectAltName");
    }
    if (leaf->authority && !is_root) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the certificate is an authority's, not a server's");
    }
    if (leaf->has_extended_usage && !leaf->for_servers) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the certificate is not for servers");
    }
    if (leaf->has_key_usage && !(leaf->key_usage & WEIR_X509_DIGITAL_SIGNATURE)) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the certificate's key may not sign a handshake");
    }
    if (leaf->unknown_critical) {
        return bad(WEIR_E_TLS_CERTIFICATE, "a critical extension is not known");
    }
    return strength;
}

/* RFC 5280 s6.1.4 (h) to (o), for the certificate at that depth of the path; depth 1 issued the
 * server's. */
static weir_tls_verdict judge_issuer(const search *s, const weir_x509 *issuer, size_t depth)
{
    size_t below = 0;

    for (size_t i = 1; i < depth; ++i) {
        below += weir_x509_is_self_issued(&s->certificates[s->path[i]]) ? 0 : 1;
    }
    if (issuer->version != 3 || !issuer->authority) {
        return bad(WEIR_E_TLS_CERTIFICATE, "an issuer is not a certificate authority");
    }
    if (issuer->has_key_usage && !(issuer->key_usage & WEIR_X509_KEY_CERT_SIGN)) {
        return bad(WEIR_E_TLS_CERTIFICATE, "an issuer's key may not sign certificates");
    }
    if (issuer->has_extended_usage && !issuer->for_servers && !issuer->for_any) {
        return bad(WEIR_E_TLS_CERTIFICATE, "an issuer is not for servers");
    }
    if (issuer->has_path_length && below > issuer->path_length) {
        return bad(WEIR_E_TLS_CERTIFICATE, "the chain is longer than an issuer allows");
    }
    if (issuer->unknown_critical) {
        return bad(WEIR_E_TLS_CERTIFICATE, "a critical extension is not known");
    }
    if (issuer->has_name_constraints && !constraints_allow(s, issuer->name_constraints, depth)) {
        return bad(WEIR_E_TLS_CERTIFICATE, "a name lies outside the issuer's name constraints");
    }
    return judge_strength(issuer, weir_tls_roots_same(s->roots, issuer) != NULL);
}

static weir_tls_verdict judge_strength(const weir_x509 *certificate, bool is_root)
{
    /* A root is trusted for being known, not for its signature. */
    if (certificate->signature != WEIR_X509_SOUND && !is_root) {
        return bad(WEIR_E_TLS_WEAK, "a certificate is signed with a broken or unknown algorithm");
    }
    switch (certificate->key) {
    case WEIR_X509_KEY_RSA:
        return certificate->key_bits >= RSA_LEAST_BITS
                   ? good
                   : bad(WEIR_E_TLS_WEAK, "an RSA key is shorter than 2048 bits");
    case WEIR_X509_KEY_EC:
        return certificate->key_bits >= EC_LEAST_BITS
                   ? good
                   : bad(WEIR_E_TLS_WEAK, "a key is not on P-256, P-384 or P-521");
    case WEIR_X509_KEY_EDWARDS:
        return good;
    case WEIR_X509_KEY_OTHER:
    default:
        return bad(WEIR_E_TLS_WEAK, "a key is of an unknown kind");
    }
}

/* For every certificate below `depth`; one that is self-issued and not the server's is exempt (RFC
 * 5280 s6.1.3 (b)). */
static bool constraints_allow(const search *s, weir_span constraints, size_t depth)
{
    for (size_t i = 0; i < depth; ++i) {
        const weir_x509 *certificate = &s->certificates[s->path[i]];
        if (i > 0 && weir_x509_is_self_issued(certificate)) {
            continue;
        }
        if (!weir_tls_identity_is_allowed(constraints, certificate)) {
            return false;
        }
    }
    return true;
}

static bool may_have_issued(const weir_x509 *issuer, const weir_x509 *certificate)
{
    bool ids = issuer->key_id.length > 0 && certificate->issuer_key_id.length > 0;

    return weir_span_equal(issuer->subject, certificate->issuer) &&
           (!ids || weir_span_equal(issuer->key_id, certificate->issuer_key_id));
}

/* Goes on from path[depth], which is good so far. Recursion is as deep as a chain may be long. */
static bool reaches_root(search *s, size_t depth)
{
    const weir_x509 *certificate = &s->certificates[s->path[depth]];

    if (ends_at_root(s, depth)) {
        return true;
    }
    for (size_t i = 1; i < s->count && depth + 1 < s->count; ++i) {
        const weir_x509 *issuer = &s->certificates[i];
        if (s->used[i] || !s->parsed[i] || !may_have_issued(issuer, certificate)) {
            continue;
        }
        if (s->budget == 0) {
            return false;
        }
        s->budget--;
        s->path[depth + 1] = i;
        if (!note(s, judge_issuer(s, issuer, depth + 1))) {
            continue;
        }
        s->used[i] = true;
        if (reaches_root(s, depth + 1)) {
            return true;
        }
        s->used[i] = false;
    }
    return false;
}

/* Is it a root itself, or issued by one whose constraints hold? */
static bool ends_at_root(search *s, size_t depth)
{
    const weir_x509 *certificate = &s->certificates[s->path[depth]];
    const weir_tls_root *root;
    size_t at = 0;

    if (weir_tls_roots_same(s->roots, certificate)) {
        return true;
    }
    while ((root = weir_tls_roots_issuer(s->roots, certificate, &at)) != NULL) {
        if (!root->has_name_constraints ||
            constraints_allow(s, root->name_constraints, depth + 1)) {
            return true;
        }
        (void)note(s, bad(WEIR_E_TLS_CERTIFICATE, "a name lies outside a root's name constraints"));
    }
    return false;
}

/* Keeps the first thing that was wrong. Was it nothing? */
static bool note(search *s, weir_tls_verdict verdict)
{
    if (verdict.status != WEIR_OK && s->first.status == WEIR_OK) {
        s->first = verdict;
    }
    return verdict.status == WEIR_OK;
}

static weir_tls_verdict bad(weir_status status, const char *what)
{
    return (weir_tls_verdict){status, what};
}
