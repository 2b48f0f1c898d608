/* SPDX-License-Identifier: MIT */
/*
 * The wolfSSL context of a configuration: what is offered and whom to trust.
 *
 * Nothing of the library's defaults is relied on: suites, groups and versions are named here,
 * because the defaults of some builds include suites without encryption and versions without
 * security. Each configuration holds one reference to wolfSSL's process-wide state (wolfSSL_Init
 * and wolfSSL_Cleanup count). Its allocators and its logging belong to the host program and are
 * never set.
 */
#include "engine/tls_config.h"

#include "proto/alloc.h"

#include <stdatomic.h>
#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>

/* AEAD with ephemeral keys only (RFC 9113 s9.2.2 forbids the rest for HTTP/2; RFC 9325 s4.2). */
static const char suites[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:"
                             "TLS13-CHACHA20-POLY1305-SHA256:"
                             "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                             "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                             "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/* Pinned: newer releases of wolfSSL offer post-quantum groups by default, in ClientHellos of two
 * segments. */
static const int groups[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};

/* Debian's bundle of roots; the one place where the roots of a system are looked for. */
static const char *const system_roots[] = {"/etc/ssl/certs/ca-certificates.crt",
                                           "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};

struct weir_tls_config {
    const weir_allocator *allocator;
    atomic_uint references;
    WOLFSSL_CTX *context;
    bool insecure;
};

typedef struct verdict {
    weir_status status;
    const char *what;
} verdict;

static verdict set_up(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_offer(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_roots(weir_tls_config *config, const weir_tls_options *options);
static verdict set_up_system_roots(weir_tls_config *config);
static verdict bad(const char *what);

weir_tls_config *weir_tls_config_new(const weir_tls_options *options,
                                     const weir_allocator *allocator, weir_status *status,
                                     weir_failure *failure)
{
    weir_tls_options copy = WEIR_TLS_OPTIONS_INIT;
    verdict result = {WEIR_E_NOMEM, NULL};
    weir_tls_config *config;

    if (options) {
        memcpy(&copy, options, weir_min(options->size, sizeof(copy)));
    }
    WEIR_ASSERT(allocator != NULL);
    config = weir_alloc_zeroed(allocator, sizeof(*config));
    if (config) {
        config->allocator = allocator;
        atomic_init(&config->references, 1);
        config->insecure = copy.insecure;
        result = wolfSSL_Init() == WOLFSSL_SUCCESS ? set_up(config, &copy)
                                                   : bad("wolfSSL did not start");
    }
    if (result.status != WEIR_OK) {
        weir_tls_config_release(config);
        config = NULL;
    }
    *status = result.status;
    if (failure) {
        *failure = (weir_failure){.status = result.status,
                                  .phase = WEIR_PHASE_SUBMIT,
                                  .tls_alert = -1,
                                  .offset = WEIR_UNKNOWN,
                                  .what = result.what};
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
    wolfSSL_Cleanup();
    weir_release(config->allocator, config);
}

WOLFSSL_CTX *weir_tls_config_context(const weir_tls_config *config)
{
    return config->context;
}

bool weir_tls_config_is_insecure(const weir_tls_config *config)
{
    return config->insecure;
}

static verdict set_up(weir_tls_config *config, const weir_tls_options *options)
{
    verdict result;

    config->context = wolfSSL_CTX_new(wolfSSLv23_client_method());
    if (!config->context) {
        return (verdict){WEIR_E_NOMEM, "wolfSSL could not make a context"};
    }
    result = set_up_offer(config, options);
    if (result.status == WEIR_OK && !options->insecure) {
        result = set_up_roots(config, options);
    }
    return result;
}

static verdict set_up_offer(weir_tls_config *config, const weir_tls_options *options)
{
    int offer[WEIR_COUNT_OF(groups)];
    int oldest = options->oldest == WEIR_TLS_1_3 ? WOLFSSL_TLSV1_3 : WOLFSSL_TLSV1_2;

    if (options->oldest != WEIR_TLS_DEFAULT && options->oldest != WEIR_TLS_1_2 &&
        options->oldest != WEIR_TLS_1_3) {
        return (verdict){WEIR_E_INVALID, "the oldest version is neither TLS 1.2 nor TLS 1.3"};
    }
    memcpy(offer, groups, sizeof(offer));
    if (wolfSSL_CTX_SetMinVersion(config->context, oldest) != WOLFSSL_SUCCESS) {
        return bad("the TLS versions could not be set");
    }
    if (wolfSSL_CTX_set_cipher_list(config->context, suites) != WOLFSSL_SUCCESS) {
        return bad("the cipher suites could not be set");
    }
    if (wolfSSL_CTX_set_groups(config->context, offer, (int)WEIR_COUNT_OF(groups)) !=
        WOLFSSL_SUCCESS) {
        return bad("the groups could not be set");
    }
    wolfSSL_CTX_set_verify(config->context,
                           options->insecure ? WOLFSSL_VERIFY_NONE : WOLFSSL_VERIFY_PEER, NULL);
    return (verdict){WEIR_OK, NULL};
}

static verdict set_up_roots(weir_tls_config *config, const weir_tls_options *options)
{
    if (options->ca_file && wolfSSL_CTX_load_verify_locations(config->context, options->ca_file,
                                                              NULL) != WOLFSSL_SUCCESS) {
        return bad("ca_file could not be used");
    }
    if (options->ca_pem.length > 0 &&
        wolfSSL_CTX_load_verify_buffer(config->context, options->ca_pem.at,
                                       (long)options->ca_pem.length,
                                       WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) {
        return bad("ca_pem could not be used");
    }
    return options->only_these_roots ? (verdict){WEIR_OK, NULL} : set_up_system_roots(config);
}

static verdict set_up_system_roots(weir_tls_config *config)
{
    for (size_t i = 0; i < WEIR_COUNT_OF(system_roots); ++i) {
        if (wolfSSL_CTX_load_verify_locations(config->context, system_roots[i], NULL) ==
            WOLFSSL_SUCCESS) {
            return (verdict){WEIR_OK, NULL};
        }
    }
    return bad("the system's roots could not be found");
}

static verdict bad(const char *what)
{
    return (verdict){WEIR_E_TLS_CONFIG, what};
}
