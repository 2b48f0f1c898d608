/* SPDX-License-Identifier: MIT */
/* The filter with a well-behaved server: records, accounts, protocols, closing, memory. */
#include "engine/tls_config.h"
#include "support/tls_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void carry_both_ways(weir_tls_pair *pair)
{
    size_t got = pair->got_octets;

    weir_tls_pair_write(pair, "GET / HTTP/1.1\r\n\r\n", 18);
    weir_tls_server_say(pair->server, "HTTP/1.1 200 OK\r\n\r\n", 19);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->got_octets, got + 19);
    assert_memory_equal(pair->got + got, "HTTP/1.1 200 OK\r\n\r\n", 19);
}

static weir_tls_server_options server_of(int version)
{
    weir_tls_server_options options = weir_bench_server();
    options.oldest = version;
    options.newest = version;
    return options;
}

static void tls__carries_both_ways_over_1_3(void **state)
{
    weir_tls_server_options options = server_of(TLS1_3_VERSION);
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
    weir_tls_facts facts = weir_tls_describe(pair->tls);

    weir_assert_open(pair);
    assert_string_equal(facts.version, "TLSv1.3");
    assert_string_equal(facts.group, "X25519");
    assert_non_null(strstr(facts.suite, "AES"));
    assert_false(facts.resumed);
    assert_string_equal(pair->server->server_name, "server.test");
    assert_int_equal(weir_tls_protocol(pair->tls), WEIR_H2);
    carry_both_ways(pair);
    assert_int_equal(pair->sent.plain, 18);
    assert_int_equal(pair->received.plain, 19);
    /* 5 of header, 1 of content type, 16 of tag. */
    assert_int_equal(pair->sent.wire[WEIR_TLS_DATA], 18 + 22);
    assert_int_equal(pair->received.wire[WEIR_TLS_DATA], 19 + 22);
    /* Two tickets: they carry no plaintext. */
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 2);
    assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], 0);
}

static void tls__carries_both_ways_over_1_2(void **state)
{
    weir_tls_server_options options = server_of(TLS1_2_VERSION);
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    weir_assert_open(pair);
    assert_string_equal(weir_tls_describe(pair->tls).version, "TLSv1.2");
    assert_int_equal(weir_tls_protocol(pair->tls), WEIR_H2);
    carry_both_ways(pair);
    /* 5 of header, 8 of nonce, 16 of tag. */
    assert_int_equal(pair->sent.wire[WEIR_TLS_DATA], 18 + 29);
    assert_int_equal(pair->received.wire[WEIR_TLS_DATA], 19 + 29);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 0);
}

static void tls__carries_each_suite(void **state)
{
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305"};

    for (size_t i = 0; i < WEIR_COUNT_OF(suites); ++i) {
        weir_tls_server_options options = server_of(TLS1_2_VERSION);
        options.suites = suites[i];
        weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
        weir_assert_open(pair);
        carry_both_ways(pair);
    }
}

static void tls__retries_the_hello_for_another_group(void **state)
{
    weir_tls_server_options options = server_of(TLS1_3_VERSION);
    options.groups = "P-384";
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    weir_assert_open(pair);
    assert_string_equal(weir_tls_describe(pair->tls).group, "SECP384R1");
    carry_both_ways(pair);
}

/* The exact offer: nothing that a default of wolfSSL adds. */
static int look_at_hello(SSL *ssl, int *alert, void *user)
{
    char *text = user;
    const unsigned char *octets;
    size_t length;

    (void)alert;
    length = SSL_client_hello_get0_ciphers(ssl, &octets);
    text += sprintf(text, "suites");
    for (size_t i = 0; i + 1 < length; i += 2) {
        text += sprintf(text, " %02x%02x", octets[i], octets[i + 1]);
    }
    text += sprintf(text, "; groups");
    assert_true(SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &octets, &length));
    for (size_t i = 2; i + 1 < length; i += 2) {
        text += sprintf(text, " %02x%02x", octets[i], octets[i + 1]);
    }
    text += sprintf(text, "; versions");
    assert_true(SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &octets, &length));
    for (size_t i = 1; i + 1 < length; i += 2) {
        text += sprintf(text, " %02x%02x", octets[i], octets[i + 1]);
    }
    text += sprintf(text, "; weak signatures");
    assert_true(SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_signature_algorithms, &octets, &length));
    for (size_t i = 2; i + 1 < length; i += 2) {
        if (octets[i] < 3) { /* of SHA-1 or MD5 */
            text += sprintf(text, " %02x%02x", octets[i], octets[i + 1]);
        }
    }
    assert_int_equal(SSL_client_hello_get0_compression_methods(ssl, &octets), 1);
    assert_int_equal(octets[0], 0);
    assert_false(SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_early_data, &octets, &length));
    return SSL_CLIENT_HELLO_SUCCESS;
}

static void tls__offers_what_is_listed_and_nothing_else(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_begin(*state, &options);
    char text[1024] = "";

    SSL_CTX_set_client_hello_cb(pair->server->options.context, look_at_hello, text);
    weir_tls_pair_run(pair);
    weir_assert_open(pair);
    /* 00ff: no renegotiation of the insecure kind (RFC 5746 s3.3). */
    char *scsv = strstr(text, " 00ff");
    if (scsv) {
        memmove(scsv, scsv + 5, strlen(scsv + 5) + 1);
    }
    assert_string_equal(text, "suites 1301 1302 1303 c02b c02f c02c c030 cca9 cca8; "
                              "groups 001d 0017 0018; versions 0304 0303; weak signatures");
}

static void tls__names_no_address(void **state)
{
    weir_bench *bench = *state;
    static const uint8_t address[4] = {127, 0, 0, 1};
    weir_tls_server_options server = weir_bench_server();
    weir_status status;
    bench->origin = (weir_origin_key){.kind = WEIR_HOST_IPV4, .host = WEIR_SPAN("127.0.0.1")};
    const weir_tls_filter_options options = {
        .config = bench->config, .origin = &bench->origin, .address = address, .bin = &bench->bin};

    bench->pair = weir_tls_pair_new(weir_tls_new(&options, &status), weir_tls_server_new(&server));
    weir_tls_pair_run(bench->pair);
    weir_assert_open(bench->pair);
    assert_string_equal(bench->pair->server->server_name, "");
}

static void tls__names_a_host_without_its_final_dot(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();

    bench->name = "server.test.";
    weir_assert_open(weir_bench_shake_hands(bench, &options));
    assert_string_equal(bench->pair->server->server_name, "server.test");
}

typedef struct protocol_case {
    weir_protocol pin;
    const char *server;
    weir_protocol chosen;
} protocol_case;

static void tls__agrees_on_a_protocol(void **state)
{
    static const protocol_case cases[] = {
        {WEIR_PROTOCOL_ANY, "h2 http/1.1", WEIR_H2}, {WEIR_PROTOCOL_ANY, "http/1.1", WEIR_H1},
        {WEIR_PROTOCOL_ANY, "http/1.1 h2", WEIR_H1}, {WEIR_PROTOCOL_ANY, NULL, WEIR_PROTOCOL_ANY},
        {WEIR_H1, "h2 http/1.1", WEIR_H1},           {WEIR_H2, "http/1.1 h2", WEIR_H2},
        {WEIR_H2, NULL, WEIR_PROTOCOL_ANY},
    };
    weir_bench *bench = *state;

    for (size_t i = 0; i < 2 * WEIR_COUNT_OF(cases); ++i) {
        const protocol_case *c = &cases[i / 2];
        weir_tls_server_options options = server_of(i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
        options.protocols = c->server;
        bench->pin = c->pin;
        weir_assert_open(weir_bench_shake_hands(bench, &options));
        assert_int_equal(weir_tls_protocol(bench->pair->tls), c->chosen);
    }
}

static void tls__refuses_a_server_without_a_common_protocol(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();

    options.protocols = "http/1.1";
    bench->pin = WEIR_H2;
    weir_bench_shake_hands(bench, &options);
    assert_int_equal(weir_assert_failed(bench->pair, WEIR_E_TLS_ALPN).tls_alert, 120);
}

static void tls__refuses_a_protocol_that_was_not_offered(void **state)
{
    weir_bench *bench = *state;

    for (int i = 0; i < 2; ++i) {
        weir_tls_server_options options = server_of(i ? TLS1_2_VERSION : TLS1_3_VERSION);
        options.lie = i ? "h2" : "spdy/3";
        bench->pin = i ? WEIR_H1 : WEIR_PROTOCOL_ANY;
        weir_bench_shake_hands(bench, &options);
        assert_int_equal(weir_assert_failed(bench->pair, WEIR_E_TLS_ALPN).tls_alert, -1);
    }
}

static void tls__is_the_same_however_the_octets_are_cut(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        for (size_t piece = 1; piece < 40; ++piece) {
            weir_tls_server_options options = server_of(version);
            weir_tls_pair *pair = weir_bench_begin(bench, &options);
            pair->in_piece = piece;
            pair->out_piece = 40 - piece;
            weir_tls_pair_run(pair);
            weir_assert_open(pair);
            carry_both_ways(pair);
            assert_int_equal(pair->sent.plain, 18);
            assert_int_equal(pair->received.plain, 19);
            assert_int_equal(weir_tls_torn_received(pair->tls), 0);
            assert_int_equal(weir_tls_torn_sent(pair->tls), 0);
        }
    }
}

static void tls__takes_a_handshake_in_small_records(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = server_of(version);
        options.fragment_octets = 512;
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
        weir_assert_open(pair);
        assert_true(pair->received.records[WEIR_TLS_HANDSHAKE] > 4);
        carry_both_ways(pair);
    }
}

static void tls__tells_several_records_of_one_feed_apart(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    weir_tls_server_say(pair->server, "one", 3);
    weir_tls_server_update_keys(pair->server, false);
    weir_tls_server_say(pair->server, "two", 3);
    weir_tls_server_say(pair->server, "three", 5);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->received.records[WEIR_TLS_DATA], 3);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 2 + 1);
    assert_int_equal(pair->received.plain, 11);
    assert_memory_equal(pair->got, "onetwothree", 11);
}

/* The plaintext of a record is the caller's until the next feed, whether or not it said that it was
 * done. */
static void tls__lends_plaintext_until_the_next_feed(void **state)
{
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS];
    static uint8_t octets[4 * WEIR_TLS_SEALED_LIMIT_OCTETS];
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
    const weir_span said[] = {WEIR_SPAN("one"), {plain, sizeof(plain)}, WEIR_SPAN("three")};
    size_t at = 0;

    memset(plain, 'x', sizeof(plain));
    for (size_t i = 0; i < WEIR_COUNT_OF(said); ++i) {
        weir_tls_server_say(pair->server, said[i].at, said[i].length);
    }
    size_t length = weir_tls_server_take(pair->server, octets, sizeof(octets));
    for (size_t i = 0; i < WEIR_COUNT_OF(said); ++i) {
        weir_tls_record record;
        at += weir_tls_feed(pair->tls, (weir_span){octets + at, length - at}, &record);
        assert_int_equal(record.plain.length, said[i].length);
        assert_memory_equal(record.plain.at, said[i].at, said[i].length);
    }
    assert_int_equal(at, length);
}

static void tls__carries_records_of_every_size(void **state)
{
    static const size_t sizes[] = {1, 2, 16359, 16360, 16361, 16383, 16384};
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS];
    weir_bench *bench = *state;

    for (size_t i = 0; i < sizeof(plain); ++i) {
        plain[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = server_of(version);
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
        for (size_t i = 0; i < WEIR_COUNT_OF(sizes); ++i) {
            size_t got = pair->got_octets;
            weir_tls_pair_write(pair, plain, sizes[i]);
            weir_tls_server_say(pair->server, plain, sizes[i]);
            weir_tls_pair_run(pair);
            assert_int_equal(pair->got_octets, got + sizes[i]);
            assert_memory_equal(pair->got + got, plain, sizes[i]);
        }
        assert_int_equal(pair->sent.records[WEIR_TLS_DATA], WEIR_COUNT_OF(sizes));
        assert_int_equal(pair->received.records[WEIR_TLS_DATA], WEIR_COUNT_OF(sizes));
    }
}

static void tls__seals_nothing_into_no_record(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    assert_int_equal(weir_tls_seal(pair->tls, (weir_span){NULL, 0}), WEIR_OK);
    assert_int_equal(weir_tls_pending_octets(pair->tls), 0);
}

static void tls__seals_until_the_queue_is_full(void **state)
{
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS];
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);
    size_t sealed = 0;

    while (weir_tls_can_seal(pair->tls)) {
        assert_int_equal(weir_tls_seal(pair->tls, (weir_span){plain, sizeof(plain)}), WEIR_OK);
        sealed++;
        assert_true(weir_tls_pending_octets(pair->tls) <= WEIR_TLS_OUT_LIMIT_OCTETS);
    }
    assert_int_equal(sealed, 4);
    assert_false(weir_tls_wants_pause(pair->tls));
    weir_tls_pair_run(pair);
    assert_int_equal(pair->server->got_octets, 4 * sizeof(plain));
    assert_true(weir_tls_can_seal(pair->tls));
}

static void tls__keeps_many_small_records_apart(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    for (int i = 0; i < 300; ++i) {
        assert_true(weir_tls_can_seal(pair->tls));
        assert_int_equal(weir_tls_seal(pair->tls, WEIR_SPAN("x")), WEIR_OK);
    }
    pair->out_piece = 17;
    weir_tls_pair_run(pair);
    assert_int_equal(pair->sent.records[WEIR_TLS_DATA], 300);
    assert_int_equal(pair->sent.wire[WEIR_TLS_DATA], 300 * 23);
    assert_int_equal(pair->server->got_octets, 300);
}

static void tls__answers_key_updates(void **state)
{
    weir_tls_server_options options = server_of(TLS1_3_VERSION);
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    weir_tls_server_update_keys(pair->server, true);
    weir_tls_pair_run(pair);
    weir_assert_open(pair);
    assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], 1);
    carry_both_ways(pair);
    weir_tls_server_update_keys(pair->server, false);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], 1);
    carry_both_ways(pair);
}

static void tls__says_goodbye_once(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = server_of(version);
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
        weir_tls_close(pair->tls);
        weir_tls_close(pair->tls);
        assert_false(weir_tls_can_seal(pair->tls));
        weir_tls_pair_run(pair);
        assert_true(pair->server->closed);
        assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], 1);
        assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_OPEN);
    }
}

static void tls__hears_goodbye(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = server_of(version);
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &options);
        weir_tls_record record;
        weir_tls_server_say(pair->server, "last", 4);
        weir_tls_server_close(pair->server);
        weir_tls_pair_run(pair);
        assert_int_equal(pair->got_octets, 4);
        assert_int_equal(pair->received.records[WEIR_TLS_CLOSE_NOTIFY], 1);
        assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_CLOSED);
        assert_false(weir_tls_can_seal(pair->tls));
        assert_int_equal(weir_tls_feed(pair->tls, WEIR_SPAN("more"), &record), 0);
        assert_int_equal(record.kind, WEIR_TLS_NOTHING);
        weir_tls_end(pair->tls);
        assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_CLOSED);
        weir_tls_close(pair->tls);
        weir_tls_pair_send(pair);
        assert_true(pair->server->closed);
    }
}

static void tls__is_not_over_at_the_end_of_the_transport(void **state)
{
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_shake_hands(*state, &options);

    /* No close_notify: the link calls that truncated. */
    weir_tls_end(pair->tls);
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_OPEN);
}

static void tls__fails_at_the_end_of_the_transport_in_the_handshake(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();
    weir_tls_pair *pair = weir_bench_begin(bench, &options);

    weir_tls_pair_send(pair);
    weir_tls_end(pair->tls);
    weir_assert_failed(pair, WEIR_E_TLS_CLOSED);
}

static void show_certificate(weir_tls_options *options)
{
    static char *certificate;
    static char *key;

    free(certificate);
    free(key);
    certificate = weir_pki_certificate_pem(&weir_bench_leaf);
    key = weir_pki_key_pem(&weir_bench_leaf);
    options->certificate_pem = weir_span_of(certificate);
    options->key_pem = weir_span_of(key);
}

static void tls__shows_its_certificate(void **state)
{
    weir_bench *bench = *state;

    weir_bench_configure(bench, show_certificate);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = server_of(version);
        options.asks_certificate = true;
        weir_assert_open(weir_bench_shake_hands(bench, &options));
        X509 *shown = SSL_get1_peer_certificate(bench->pair->server->ssl);
        assert_non_null(shown);
        assert_int_equal(X509_cmp(shown, weir_bench_leaf.certificate), 0);
        X509_free(shown);
        carry_both_ways(bench->pair);
    }
}

/* The record of the handshake is gone too. */
static void tls__holds_no_buffer_and_no_handshake_when_it_is_idle(void **state)
{
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS];
    weir_bench *bench = *state;
    weir_tls_server_options options = weir_bench_server();
    weir_tls *tls = weir_bench_filter(bench);
    size_t live;

    weir_bin_clear(&bench->bin);
    live = bench->memory.live;
    bench->pair = weir_tls_pair_new(tls, weir_tls_server_new(&options));
    bench->pair->in_piece = 1000;
    weir_tls_pair_run(bench->pair);
    weir_tls_pair_write(bench->pair, plain, sizeof(plain));
    weir_tls_server_say(bench->pair->server, plain, sizeof(plain));
    weir_tls_pair_run(bench->pair);
    assert_int_equal(bench->pair->got_octets, sizeof(plain));
    assert_true(bench->bin.spare_count > 0);
    weir_bin_clear(&bench->bin);
    assert_int_equal(bench->memory.live, live - 1);
}

/* A whole connection with small and large records, in pieces. Whatever happens, it is told, and
 * nothing is left. */
static void live_with_little_memory(weir_failalloc *memory, void *user)
{
    static uint8_t plain[WEIR_TLS_PLAIN_LIMIT_OCTETS];
    weir_bench *bench = user;
    weir_tls_server_options server = weir_bench_server();
    weir_status status;
    weir_bin bin;

    weir_bin_init(&bin, &memory->allocator, 0);
    const weir_origin_key origin = {.kind = WEIR_HOST_NAME, .host = WEIR_SPAN("server.test")};
    const weir_tls_filter_options options = {
        .config = bench->config, .origin = &origin, .bin = &bin};
    weir_tls *tls = weir_tls_new(&options, &status);
    if (!tls) {
        assert_int_equal(status, WEIR_E_NOMEM);
        weir_bin_clear(&bin);
        return;
    }
    weir_tls_pair *pair = weir_tls_pair_new(tls, weir_tls_server_new(&server));
    pair->in_piece = 700;
    pair->out_piece = 900;
    weir_tls_pair_run(pair);
    for (int i = 0; i < 6 && weir_tls_can_seal(tls); ++i) {
        (void)weir_tls_seal(tls, (weir_span){plain, i == 0 ? sizeof(plain) : 1});
    }
    if (pair->server->open) {
        weir_tls_server_say(pair->server, plain, sizeof(plain));
        weir_tls_server_update_keys(pair->server, true);
        weir_tls_server_say(pair->server, plain, 1);
    }
    weir_tls_pair_run(pair);
    weir_tls_close(tls);
    weir_tls_pair_send(pair);
    if (weir_tls_state_of(tls) == WEIR_TLS_FAILED) {
        assert_int_equal(weir_tls_failure(tls).status, WEIR_E_NOMEM);
        assert_true(memory->failures > 0);
    } else {
        assert_int_equal(pair->got_octets, sizeof(plain) + 1);
        assert_int_equal(pair->server->got_octets, sizeof(plain) + 5);
    }
    weir_tls_pair_free(pair);
    weir_bin_clear(&bin);
}

static void tls__survives_the_loss_of_each_allocation(void **state)
{
    assert_true(weir_failalloc_every(live_with_little_memory, *state) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEIR_LIVE(tls__carries_both_ways_over_1_3),
        WEIR_LIVE(tls__carries_both_ways_over_1_2),
        WEIR_LIVE(tls__carries_each_suite),
        WEIR_LIVE(tls__retries_the_hello_for_another_group),
        WEIR_LIVE(tls__offers_what_is_listed_and_nothing_else),
        WEIR_LIVE(tls__names_no_address),
        WEIR_LIVE(tls__names_a_host_without_its_final_dot),
        WEIR_LIVE(tls__agrees_on_a_protocol),
        WEIR_LIVE(tls__refuses_a_server_without_a_common_protocol),
        WEIR_LIVE(tls__refuses_a_protocol_that_was_not_offered),
        WEIR_LIVE(tls__is_the_same_however_the_octets_are_cut),
        WEIR_LIVE(tls__takes_a_handshake_in_small_records),
        WEIR_LIVE(tls__tells_several_records_of_one_feed_apart),
        WEIR_LIVE(tls__lends_plaintext_until_the_next_feed),
        WEIR_LIVE(tls__carries_records_of_every_size),
        WEIR_LIVE(tls__seals_nothing_into_no_record),
        WEIR_LIVE(tls__seals_until_the_queue_is_full),
        WEIR_LIVE(tls__keeps_many_small_records_apart),
        WEIR_LIVE(tls__answers_key_updates),
        WEIR_LIVE(tls__says_goodbye_once),
        WEIR_LIVE(tls__hears_goodbye),
        WEIR_LIVE(tls__is_not_over_at_the_end_of_the_transport),
        WEIR_LIVE(tls__fails_at_the_end_of_the_transport_in_the_handshake),
        WEIR_LIVE(tls__shows_its_certificate),
        WEIR_LIVE(tls__holds_no_buffer_and_no_handshake_when_it_is_idle),
        WEIR_LIVE(tls__survives_the_loss_of_each_allocation),
    };
    return cmocka_run_group_tests_name("tls", tests, weir_bench_make_certificates,
                                       weir_bench_drop_certificates);
}
