/* SPDX-License-Identifier: MIT */
/*
 * Why a TLS connection is not made, or not believed any more: each reason with a status of its own,
 * over live handshakes. What is judged in a certificate has its own suite
 * (tests/engine/tls_verify_test.c); here one of each kind is met end to end.
 */
#include "failures.h"
#include "support/peer.h"
#include "support/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct bad_certificate {
    weir_status status;
    const char *host; /* the origin presents this certificate to who asks for that name */
} bad_certificate;

static const bad_certificate bad_certificates[] = {
    {WEIR_E_TLS_UNTRUSTED, "unknown-ca.wild.test"},
    {WEIR_E_TLS_UNTRUSTED, "self-signed.wild.test"},
    {WEIR_E_TLS_EXPIRED, "expired.wild.test"},
    {WEIR_E_TLS_WEAK, "rsa-1024.wild.test"},
    {WEIR_E_TLS_CERTIFICATE, "no-server-auth.wild.test"},
    {WEIR_E_TLS_IDENTITY, "wrong-host.wild.test"},
};

/* The call goes to the origin whatever the host. */
static weir_ask ask_for(weir_world *world, const char *host)
{
    static _Thread_local char url[256];
    weir_ask ask = weir_world_ask(world, "/octets/10");

    (void)snprintf(url, sizeof(url), "https://%s/octets/10", host);
    ask.request.url = weir_span_of(url);
    ask.call.connect_to = WEIR_SPAN("127.0.0.1");
    ask.call.connect_port = world->origin->tls_port;
    return ask;
}

static void certificates_are_refused(weir_world *world)
{
    for (size_t i = 0; i < sizeof(bad_certificates) / sizeof(bad_certificates[0]); i++) {
        const weir_ask ask = ask_for(world, bad_certificates[i].host);
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        if (fetched.called != bad_certificates[i].status) {
            fail_msg("%s: %s, not %s", bad_certificates[i].host, weir_status_name(fetched.called),
                     weir_status_name(bad_certificates[i].status));
        }
        assert_int_equal(fetched.failure.phase, WEIR_PHASE_TLS);
        assert_int_equal(fetched.failure.processed, WEIR_NOT_SENT);
    }
    const weir_ask ask = ask_for(world, "good.wild.test");
    assert_int_equal(weir_world_fetch(world, &ask).ended, WEIR_END);
}

static weir_fetched fetch_from(weir_world *world, uint16_t port)
{
    weir_ask ask = ask_for(world, "localhost");

    ask.call.connect_port = port;
    return weir_world_fetch(world, &ask);
}

/* An origin with other options, for one call. */
static weir_fetched fetch_from_other(weir_world *world, const char *const *options)
{
    weir_origin_process other;

    weir_origin_process_start(&other, options);
    const weir_fetched fetched = fetch_from(world, other.tls_port);
    weir_world_close(world);
    weir_origin_process_stop(&other);
    return fetched;
}

static void no_common_protocol(weir_world *world)
{
    const char *const h1[] = {"--alpn", "http/1.1", NULL};
    const char *const h2[] = {"--alpn", "h2", NULL};
    const weir_fetched fetched = fetch_from_other(world, world->way.protocol == WEIR_H1 ? h2 : h1);

    assert_int_equal(fetched.called, WEIR_E_TLS_ALPN);
}

static void no_common_version(weir_world *world)
{
    static const char *const options[] = {"--tls-min", "1.0", "--tls-max", "1.1", NULL};

    assert_int_equal(fetch_from_other(world, options).called, WEIR_E_TLS_VERSION);
}

/* The server wants to know who we are. TLS 1.3 tells after its handshake: as an alert in place of
 * an answer. */
static void certificate_wanted(weir_world *world)
{
    char ca[512];
    (void)snprintf(ca, sizeof(ca), "%s", weir_test_certificate("ca.pem"));
    const char *const old[] = {"--client-ca", ca, "--tls-max", "1.2", NULL};
    const char *const now[] = {"--client-ca", ca, NULL};

    weir_fetched fetched = fetch_from_other(world, old);
    assert_int_equal(fetched.called, WEIR_E_TLS_ALERT);
    assert_true(fetched.failure.tls_alert >= 0);
    fetched = fetch_from_other(world, now);
    assert_int_equal(fetched.called, WEIR_E_TLS_ALERT);
    assert_int_equal(fetched.failure.tls_alert, 116); /* certificate_required, RFC 8446 s6.2 */
}

static void no_tls_at_all(weir_world *world)
{
    static const weir_peer_turn says[] = {
        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", WEIR_PEER_HOLD, 1}};
    static const weir_peer_turn goes[] = {{NULL, WEIR_PEER_FIN, 1}};
    const weir_peer_turn *const all[] = {says, goes};
    weir_peer *peer = weir_peer_start(all, 2);

    assert_int_equal(fetch_from(world, weir_peer_port(peer)).called, WEIR_E_TLS_PROTOCOL);
    assert_int_equal(fetch_from(world, weir_peer_port(peer)).called, WEIR_E_TLS_CLOSED);
    weir_world_close(world);
    weir_peer_stop(peer);
}

/* One octet of the answer is not as it was sent. */
static void spoilt_record(weir_world *world)
{
    weir_relay *relay = weir_relay_start(world->origin->tls_port);

    assert_int_equal(fetch_from(world, weir_relay_port(relay)).ended, WEIR_END);
    weir_relay_set(relay, WEIR_RELAY_SPOIL);
    const weir_fetched fetched = fetch_from(world, weir_relay_port(relay));
    assert_int_equal(fetched.called, WEIR_E_TLS_RECORD);
    assert_int_equal(fetched.failure.processed, WEIR_MAYBE_PROCESSED);
    weir_relay_set(relay, WEIR_RELAY_PASS);
    assert_int_equal(fetch_from(world, weir_relay_port(relay)).ended, WEIR_END);
    weir_world_close(world);
    weir_relay_stop(relay);
}

/* Settings that cannot be used are refused when they are made. */
static void settings_are_refused(weir_world *world)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;
    weir_failure failure;

    (void)world;
    options.ca_file = "/nonexistent/ca.pem";
    assert_null(weir_tls_config_new(&options, NULL, &status, &failure));
    assert_int_equal(status, WEIR_E_TLS_CONFIG);
    weir_user_note(status);
}

static const weir_behaviour behaviours[] = {
    {"a certificate that may not be believed is refused for its reason", certificates_are_refused,
     WEIR_ONLY_TLS, NULL},
    {"a server without our protocol ends it with TLS_ALPN", no_common_protocol, WEIR_ONLY_TLS,
     NULL},
    {"a server of old versions alone ends it with TLS_VERSION", no_common_version, WEIR_ONLY_TLS,
     NULL},
    {"a server that wants our certificate ends it with its alert", certificate_wanted,
     WEIR_ONLY_TLS, NULL},
    {"a server without TLS ends it with TLS_PROTOCOL or TLS_CLOSED", no_tls_at_all, WEIR_ONLY_TLS,
     NULL},
    {"a spoilt record ends it with TLS_RECORD", spoilt_record, WEIR_ONLY_TLS, NULL},
    {"TLS settings that cannot be used are refused", settings_are_refused,
     WEIR_ONLY_TLS | WEIR_ONLY_H1 | WEIR_ONLY_BLOCKING, NULL},
};

weir_failures weir_failures_of_tls(void)
{
    return (weir_failures){behaviours, sizeof(behaviours) / sizeof(behaviours[0])};
}
