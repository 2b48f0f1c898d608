/* SPDX-License-Identifier: MIT */
/*
 * The verify callback. wolfSSL calls it for the server's own certificate always (on success too:
 * that needs a build with WOLFSSL_ALWAYS_VERIFY_CB, which the configuration of weir tries), for
 * others on failure or always, by the build.
 *
 * Fail closed: the callback never turns a failure of wolfSSL into a success.
 */
#include "engine/tls_verify.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>

static int verify_certificate(int verified, WOLFSSL_X509_STORE_CTX *store);

bool weir_tls_verify_init(weir_tls_verify *verify, const weir_tls_filter_options *options)
{
    weir_span host = options->host;
    uint8_t *copy;

    memset(verify, 0, sizeof(*verify));
    verify->allocator = options->allocator;
    verify->kind = options->kind;
    if (options->kind != WEIR_HOST_NAME) {
        memcpy(verify->address, options->address, options->kind == WEIR_HOST_IPV4 ? 4 : 16);
        return true;
    }
    if (host.length > 0 && host.at[host.length - 1] == '.') {
        host.length--;
    }
    if (host.length == 0) {
        return true;
    }
    copy = weir_alloc(options->allocator, host.length);
    if (!copy) {
        return false;
    }
    memcpy(copy, host.at, host.length);
    verify->host = (weir_span){copy, host.length};
    return true;
}

void weir_tls_verify_clear(weir_tls_verify *verify)
{
    if (verify->host.at) {
        weir_release(verify->allocator, (void *)(uintptr_t)verify->host.at);
    }
}

void weir_tls_verify_attach(weir_tls_verify *verify, WOLFSSL *ssl)
{
    wolfSSL_SetCertCbCtx(ssl, verify);
    wolfSSL_set_verify(ssl, WOLFSSL_VERIFY_PEER, verify_certificate);
}

static int verify_certificate(int verified, WOLFSSL_X509_STORE_CTX *store)
{
    weir_tls_verify *verify = store->userCtx;

    if (!verified) {
        return 0;
    }
    if (store->error_depth == 0) {
        verify->done = true;
    }
    return 1;
}
