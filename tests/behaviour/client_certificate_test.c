/* SPDX-License-Identifier: MIT */
/*
 * An origin that demands a certificate of its clients: who has one is answered, with the key from a
 * file or from memory; who has none, is told so by an alert.
 *
 * TLS 1.3 lets a client send before the server has judged its certificate (RFC 8446 s4.4.2.4), so
 * the alert may come to a request that is on its way.
 */
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define PATH_OCTETS 4096
#define PEM_OCTETS  8192

#define CERTIFICATE_REQUIRED 116 /* RFC 8446 s6.2 */

static weir_tls_config *configure(weir_tls_options options)
{
    weir_failure failure;
    weir_status status = WEIR_OK;

    options.ca_file = weir_test_certificate("ca.pem");
    options.only_these_roots = true;
    weir_tls_config *tls = weir_tls_config_new(&options, NULL, &status, &failure);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(tls);
    return tls;
}

static weir_fetched fetch(weir_world *world, weir_tls_options options)
{
    weir_tls_config *tls = configure(options);
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    ask.call.tls = tls;
    ask.call.deadline_ns = weir_now() + 20 * WEIR_NS_PER_SECOND;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    weir_tls_config_release(tls);
    return fetched;
}

static void assert_answered(const weir_fetched *fetched)
{
    assert_int_equal(fetched->ended, WEIR_END);
    assert_int_equal(fetched->code, 200);
    assert_true(fetched->is_pattern);
}

static void from_files(weir_world *world)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char certificate[PATH_OCTETS];
    char key[PATH_OCTETS];

    (void)snprintf(certificate, sizeof(certificate), "%s", weir_test_certificate("client.pem"));
    (void)snprintf(key, sizeof(key), "%s", weir_test_certificate("client.key"));
    options.certificate_file = certificate;
    options.key_file = key;
    const weir_fetched fetched = fetch(world, options);
    assert_answered(&fetched);
}

static weir_span read_pem(const char *name, char text[PEM_OCTETS])
{
    FILE *file = fopen(weir_test_certificate(name), "r");

    assert_non_null(file);
    const size_t octets = fread(text, 1, PEM_OCTETS, file);
    assert_in_range(octets, 1, PEM_OCTETS - 1);
    assert_int_equal(fclose(file), 0);
    return (weir_span){(const uint8_t *)text, octets};
}

static void from_memory(weir_world *world)
{
    char certificate[PEM_OCTETS];
    char key[PEM_OCTETS];
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;

    options.certificate_pem = read_pem("client.pem", certificate);
    options.key_pem = read_pem("client.key", key);
    const weir_fetched fetched = fetch(world, options);
    assert_answered(&fetched);
}

static void assert_refused(const weir_fetched *fetched, int alert)
{
    assert_int_equal(fetched->called, WEIR_E_TLS_ALERT);
    assert_int_equal(fetched->failure.tls_alert, alert);
    assert_int_equal(fetched->code, 0);
}

static void without_one(weir_world *world)
{
    const weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    const weir_fetched fetched = fetch(world, options);

    assert_refused(&fetched, CERTIFICATE_REQUIRED);
}

static const weir_behaviour behaviours[] = {
    {"a client with a certificate from files is answered", from_files, WEIR_ONLY_TLS, NULL},
    {"a client with a certificate from memory is answered", from_memory, WEIR_ONLY_TLS, NULL},
    {"a client without a certificate is refused by an alert", without_one, WEIR_ONLY_TLS, NULL},
};

int main(void)
{
    const char *const arguments[] = {"--client-ca", weir_test_certificate("ca.pem"), NULL};

    return weir_world_run("client_certificate", behaviours,
                          sizeof(behaviours) / sizeof(behaviours[0]), arguments);
}
