/* SPDX-License-Identifier: MIT */
/*
 * A configuration: what is offered, whom to trust, who we are.
 *
 * Nothing of wolfSSL's defaults is relied on: suites, groups and versions are named here, because
 * the defaults of some builds include suites without encryption and versions without security. Each
 * configuration holds one reference to wolfSSL's process-wide state (wolfSSL_Init and
 * wolfSSL_Cleanup count). Its allocators and its logging belong to the host program and are never
 * set. Its own session cache is off: it would resume sessions by rules that are not ours
 * (tls_session.c).
 *
 * Roots go to two places, one by one: to wolfSSL for the signatures, and to our own list for "here
 * a chain ends". One that either does not understand, or that is out of date or weak, is left out:
 * trusting less is safe. A source that holds no usable root at all is an error.
 */
#include "engine/tls_config.h"

#include "engine/os.h"

#include "engine/os.h"
#include "engine/os_file.h"
#include "engine/record.h"
#include "engine/tls_keylog.h"
#include "engine/tls_own_key.h"
#include "engine/tls_thread.h"
#include "proto/alloc.h"
#include "proto/failure.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>
#include <wolfssl/version.h>

/* AEAD with ephemeral keys only (RFC 9113 s9.2.2 forbids the rest for HTTP/2; RFC 9325 s4.2). */
static const char suites[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
                             "TLS13-CHACHA20-POLY1305-SHA256:"
                             "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                             "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                             "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* Pinned: newer releases of wolfSSL offer post-quantum groups, in ClientHellos of two segments. */
static const int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};

/* RFC 9155: no SHA-1. Builds without the OpenSSL layer cannot be told, and offer none if they are
 * without TLS 1.1. */
#ifdef OPENSSL_EXTRA
static const char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ED25519:"
                                 "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
                                 "RSA+SHA256:RSA+SHA384:RSA+SHA512";
#endif

/* Where distributions keep their bundle of roots: Debian, Fedora, Alpine. */
static const char *const system_roots[] = {"/etc/ssl/certs/ca-certificates.crt",
                                           "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

enum { RSA_LEAST_BITS = 2048, EC_LEAST_BITS = 256 };
enum { FILE_LIMIT_OCTETS = 16 * 1024 * 1024 };

/*
 * wolfSSL_Init() and wolfSSL_Cleanup() count, but the first and the last call are not safe against
 * another one, and two threads may make their first configuration at once. Held for a millisecond
 * at most, and never while anything else is.
 */
static atomic_flag wolfssl_is_counting = ATOMIC_FLAG_INIT;

/* The last number given to a configuration. An address may be had again after a free; a number
 * never. */
static atomic_uint_fast64_t numbers;

struct weir_tls_config {
    const weir_allocator *allocator;
    atomic_uint references;
    uint64_t number;
    bool initialised; /* holds a reference to wolfSSL's global state */
    bool insecure;
    WOLFSSL_CTX *context;
    weir_tls_roots roots;
    weir_tls_threads threads;
    char *key_log;
};

typedef struct verdict {
    weir_status status;
    const char *what;
    int sys_errno;
} verdict;

static const verdict good = {WEIR_OK, NULL, 0};

/* One PEM text, from memory or from a file. */
typedef struct text {
    weir_span octets;
    uint8_t *owned;
} text;

static int count_alone(int (*count)(void));
static verdict set_up(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_offer(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_roots(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_system_roots(weir_tls_config *config);
static verdict set_up_certificate(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_key_log(weir_tls_config *config, const weir_tls_options *options);
static verdict add_roots(weir_tls_config *config, weir_span pem, const char *what);
static verdict add_root(weir_tls_config *config, weir_span pem, size_t *added);
static weir_span next_certificate(weir_span *pem);
static const uint8_t *find(weir_span octets, const char *what);
static verdict read_text(const weir_tls_config *config, const char *file, weir_span given, text *t,
                         const char *what);
static void drop_text(const weir_tls_config *config, text *t);
static verdict bad(const char *what);
static verdict no_memory(void);

weir_tls_config *weir_tls_config_new(const weir_tls_options *options,
                                     const weir_allocator *allocator, weir_status *status,
                                     weir_failure *failure)
{
    weir_tls_options copy;
    verdict result = no_memory();
    weir_tls_config *config = NULL;

    if (allocator == NULL) {
        allocator = weir_os_allocator();
    }
    if (!weir_record_read(&copy, sizeof(copy), options)) {
        result = (verdict){WEIR_E_INVALID,
                           "the weir_tls_options have no size: WEIR_TLS_OPTIONS_INIT sets it", 0};
    } else {
        config = weir_alloc_zeroed(allocator, sizeof(*config));
    }
    if (config) {
        config->allocator = allocator;
        config->insecure = copy.insecure;
        atomic_init(&config->references, 1);
        config->number = atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed) + 1;
        weir_tls_roots_init(&config->roots, allocator);
        weir_tls_threads_init(&config->threads);
        result = set_up(config, &copy);
    }
    if (result.status != WEIR_OK) {
        weir_tls_config_release(config);
        config = NULL;
    }
    if (status) {
        *status = result.status;
    }
    if (failure) {
        *failure = weir_failure_bare(result.status);
        failure->phase = WEIR_PHASE_SUBMIT;
        failure->processed = WEIR_NOT_SENT;
        failure->sys_errno = result.sys_errno;
        failure->what = result.what;
    }
    return config;
}

weir_tls_config *weir_tls_config_acquire(weir_tls_config *config)
{
    unsigned before = atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
    WEIR_ASSERT(before > 0);
    return config;
}

void weir_tls_config_release(weir_tls_config *config)
{
    if (!config) {
        return;
    }
    unsigned before = atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel);
    WEIR_ASSERT(before > 0);
    if (before > 1) {
        return;
    }
    wolfSSL_CTX_free(config->context);
    if (config->initialised) {
        (void)count_alone(wolfSSL_Cleanup);
    }
    weir_tls_threads_clear(&config->threads);
    weir_tls_roots_clear(&config->roots);
    weir_release(config->allocator, config->key_log);
    weir_release(config->allocator, config);
}

uint64_t weir_tls_config_number(const weir_tls_config *config)
{
    return config->number;
}

WOLFSSL_CTX *weir_tls_config_context(const weir_tls_config *config)
{
    return config->context;
}

const weir_tls_roots *weir_tls_config_roots(const weir_tls_config *config)
{
    return &config->roots;
}

bool weir_tls_config_is_insecure(const weir_tls_config *config)
{
    return config->insecure;
}

void weir_tls_config_note_thread(const weir_tls_config *config)
{
    weir_tls_threads_note(&config->threads);
}

const char *weir_tls_config_key_log(const weir_tls_config *config)
{
    return config->key_log;
}

static int count_alone(int (*count)(void))
{
    int result;

    while (atomic_flag_test_and_set_explicit(&wolfssl_is_counting, memory_order_acquire)) {
    }
    result = count();
    atomic_flag_clear_explicit(&wolfssl_is_counting, memory_order_release);
    return result;
}

static verdict set_up(weir_tls_config *config, const weir_tls_options *options)
{
    verdict result;

    if (count_alone(wolfSSL_Init) != WOLFSSL_SUCCESS) {
        return bad("wolfSSL could not be started");
    }
    config->initialised = true;
    config->context = wolfSSL_CTX_new(wolfSSLv23_client_method());
    if (!config->context) {
        return no_memory();
    }
    result = set_up_offer(config, options);
    if (result.status == WEIR_OK && !options->insecure) {
        result = set_up_roots(config, options);
    }
    if (result.status == WEIR_OK) {
        result = set_up_certificate(config, options);
    }
    return result.status == WEIR_OK ? set_up_key_log(config, options) : result;
}

static verdict set_up_offer(weir_tls_config *config, const weir_tls_options *options)
{
    WOLFSSL_CTX *context = config->context;
    int offer[WEIR_COUNT_OF(groups)];
    int oldest = options->oldest == WEIR_TLS_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;

    if (options->oldest != WEIR_TLS_DEFAULT && options->oldest != WEIR_TLS_1_2 &&
        options->oldest != WEIR_TLS_1_3) {
        return (verdict){WEIR_E_INVALID, "the oldest version is neither TLS 1.2 nor TLS 1.3", 0};
    }
    memcpy(offer, groups, sizeof(offer));
    if (wolfSSL_CTX_SetMinVersion(context, oldest) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(context, suites) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(context, offer, (int)WEIR_COUNT_OF(groups)) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinRsaKey_Sz(context, RSA_LEAST_BITS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_SetMinEccKey_Sz(context, EC_LEAST_BITS) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_UseSessionTicket(context) != WOLFSSL_SUCCESS) {
        return bad("this wolfSSL cannot offer what weir needs");
    }
#ifdef OPENSSL_EXTRA
    if (wolfSSL_CTX_set1_sigalgs_list(context, signatures) != WOLFSSL_SUCCESS) {
        return bad("the signature algorithms could not be set");
    }
#endif
    /* A resumed connection has new keys all the same (RFC 8446 s4.2.9). Older releases cannot be
     * told. */
#if LIBWOLFSSL_VERSION_HEX >= 0x05007000
    if (wolfSSL_CTX_only_dhe_psk(context) != 0) {
        return bad("resumption without new keys could not be forbidden");
    }
#endif
    (void)wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
    (void)wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_NO_INTERNAL);
    wolfSSL_CTX_set_verify(context, options->insecure ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER,
                           NULL);
    return good;
}

static verdict set_up_roots(weir_tls_config *config, const weir_tls_options *options)
{
    verdict result = good;
    text t;

    if (options->ca_file) {
        result = read_text(config, options->ca_file, (weir_span){NULL, 0}, &t,
                           "ca_file could not be read");
        if (result.status == WEIR_OK) {
            result = add_roots(config, t.octets, "ca_file holds no usable root");
            drop_text(config, &t);
        }
    }
    if (result.status == WEIR_OK && options->ca_pem.length > 0) {
        result = add_roots(config, options->ca_pem, "ca_pem holds no usable root");
    }
    if (result.status == WEIR_OK && !options->only_these_roots) {
        result = set_up_system_roots(config);
    }
    if (result.status == WEIR_OK && config->roots.count == 0) {
        result = bad("there is no root to trust");
    }
    return result;
}

static verdict set_up_system_roots(weir_tls_config *config)
{
    verdict result = bad("the system's roots could not be found");

    for (size_t i = 0; i < WEIR_COUNT_OF(system_roots); ++i) {
        text t;
        result = read_text(config, system_roots[i], (weir_span){NULL, 0}, &t,
                           "the system's roots could not be read");
        if (result.status == WEIR_OK) {
            result = add_roots(config, t.octets, "the system's bundle holds no usable root");
            drop_text(config, &t);
            return result;
        }
        if (result.sys_errno != ENOENT) {
            return result;
        }
    }
    return result;
}

static verdict set_up_certificate(weir_tls_config *config, const weir_tls_options *options)
{
    bool certificate = options->certificate_file || options->certificate_pem.length > 0;
    bool key = options->key_file || options->key_pem.length > 0;
    verdict result;
    text own;
    text t;

    if (certificate != key) {
        return (verdict){WEIR_E_INVALID, "a certificate needs its key, and a key its certificate",
                         0};
    }
    if (!certificate) {
        return good;
    }
    result = read_text(config, options->certificate_file, options->certificate_pem, &own,
                       "certificate_file could not be read");
    if (result.status != WEIR_OK) {
        return result;
    }
    if (wolfSSL_CTX_use_certificate_chain_buffer(config->context, own.octets.at,
                                                 (long)own.octets.length) != WOLFSSL_SUCCESS) {
        result = bad("our certificate could not be used");
        drop_text(config, &own);
        return result;
    }
    result =
        read_text(config, options->key_file, options->key_pem, &t, "key_file could not be read");
    if (result.status != WEIR_OK) {
        drop_text(config, &own);
        return result;
    }
    if (wolfSSL_CTX_use_PrivateKey_buffer(config->context, t.octets.at, (long)t.octets.length,
                                          WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
        result = bad("our key could not be used");
    } else if (wolfSSL_CTX_check_private_key(config->context) != WOLFSSL_SUCCESS) {
        result = bad("our key is not that of our certificate");
    } else {
        result.status = weir_tls_compare_own_key(own.octets, t.octets, config->allocator);
        result.what =
            result.status == WEIR_E_TLS_CONFIG ? "our key is not that of our certificate" : NULL;
    }
    drop_text(config, &own);
    drop_text(config, &t);
    return result;
}

static verdict set_up_key_log(weir_tls_config *config, const weir_tls_options *options)
{
    size_t octets;

    if (!options->key_log_file) {
        return good;
    }
    if (!weir_tls_keylog_is_available()) {
        return (verdict){WEIR_E_UNSUPPORTED, "this wolfSSL tells no secrets", 0};
    }
    octets = strlen(options->key_log_file) + 1;
    config->key_log = weir_alloc(config->allocator, octets);
    if (!config->key_log) {
        return no_memory();
    }
    memcpy(config->key_log, options->key_log_file, octets);
    return good;
}

static verdict add_roots(weir_tls_config *config, weir_span pem, const char *what)
{
    size_t added = 0;
    weir_span one;

    while ((one = next_certificate(&pem)).length > 0) {
        verdict result = add_root(config, one, &added);
        if (result.status != WEIR_OK) {
            return result;
        }
    }
    return added > 0 ? good : bad(what);
}

/* Only memory can make it fail; a root that cannot be used is passed over. */
static verdict add_root(weir_tls_config *config, weir_span pem, size_t *added)
{
    /* The DER is shorter than its base64 text. */
    uint8_t *der = weir_alloc(config->allocator, pem.length);
    verdict result = good;
    weir_x509 x509;
    int octets;

    if (!der) {
        return no_memory();
    }
    octets = wolfSSL_CertPemToDer(pem.at, (int)pem.length, der, (int)pem.length, CA_TYPE);
    if (octets > 0 && weir_x509_parse((weir_span){der, (size_t)octets}, &x509) &&
        wolfSSL_CTX_load_verify_buffer(config->context, der, octets, WOLFSSL_FILETYPE_ASN1) ==
            WOLFSSL_SUCCESS) {
        ++*added;
        if (!weir_tls_roots_add(&config->roots, &x509)) {
            result = no_memory();
        }
    }
    weir_release(config->allocator, der);
    return result;
}

/* The next "BEGIN CERTIFICATE" block, its marks included; empty: there is none. */
static weir_span next_certificate(weir_span *pem)
{
    static const char begin[] = "-----BEGIN CERTIFICATE-----";
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *from = find(*pem, begin);
    const uint8_t *to;

    if (!from) {
        return (weir_span){NULL, 0};
    }
    *pem = weir_span_from(*pem, (size_t)(from - pem->at));
    to = find(*pem, end);
    if (!to) {
        return (weir_span){NULL, 0};
    }
    *pem = weir_span_from(*pem, (size_t)(to - from) + sizeof(end) - 1);
    return (weir_span){from, (size_t)(to - from) + sizeof(end) - 1};
}

static const uint8_t *find(weir_span octets, const char *what)
{
    size_t length = strlen(what);

    while (octets.length >= length) {
        const uint8_t *at = memchr(octets.at, what[0], octets.length - length + 1);
        if (!at) {
            return NULL;
        }
        if (memcmp(at, what, length) == 0) {
            return at;
        }
        octets = weir_span_from(octets, (size_t)(at - octets.at) + 1);
    }
    return NULL;
}

static verdict read_text(const weir_tls_config *config, const char *file, weir_span given, text *t,
                         const char *what)
{
    size_t length = 0;
    int error;

    *t = (text){given, NULL};
    if (!file) {
        return good;
    }
    error = weir_os_file_read(file, FILE_LIMIT_OCTETS, config->allocator, &t->owned, &length);
    t->octets = (weir_span){t->owned, length};
    if (error == 0) {
        return good;
    }
    return (verdict){error == ENOMEM ? WEIR_E_NOMEM : WEIR_E_TLS_CONFIG, what, error};
}

/* It may hold a private key: it leaves no trace in memory that is given back. */
static void drop_text(const weir_tls_config *config, text *t)
{
    volatile uint8_t *at = t->owned;

    for (size_t i = 0; at && i < t->octets.length; ++i) {
        at[i] = 0;
    }
    weir_release(config->allocator, t->owned);
    t->owned = NULL;
}

static verdict bad(const char *what)
{
    return (verdict){WEIR_E_TLS_CONFIG, what, 0};
}

static verdict no_memory(void)
{
    return (verdict){WEIR_E_NOMEM, NULL, 0};
}
