/* SPDX-License-Identifier: MIT */
#include "engine/tls.h"
#include "engine/tls_config.h"
#include "support/tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One authority and one good server for the whole program. */
static weir_pki root;
static weir_pki leaf;
static char *root_pem;

typedef struct bench {
    weir_failalloc memory;
    weir_bin bin;
    weir_tls_config *config;
    weir_protocol pin;
    weir_tls_pair *pair;
} bench;

static weir_tls_server_options good_server(void)
{
    return (weir_tls_server_options){.leaf = &leaf, .protocols = "h2 http/1.1"};
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof(*b));
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status;

    assert_non_null(b);
    weir_failalloc_init(&b->memory, 0);
    weir_bin_init(&b->bin, &b->memory.allocator, 2);
    options.ca_pem = weir_span_of(root_pem);
    options.only_these_roots = true;
    b->config = weir_tls_config_new(&options, &b->memory.allocator, &status, NULL);
    assert_non_null(b->config);
    assert_int_equal(status, WEIR_OK);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;

    weir_tls_pair_free(b->pair);
    weir_bin_clear(&b->bin);
    weir_tls_config_release(b->config);
    weir_failalloc_finish(&b->memory);
    free(b);
    return 0;
}

static weir_tls *new_filter(bench *b)
{
    weir_status status;
    const weir_tls_filter_options options = {.config = b->config,
                                             .kind = WEIR_HOST_NAME,
                                             .host = WEIR_SPAN("server.test"),
                                             .port = 443,
                                             .pin = b->pin,
                                             .allocator = &b->memory.allocator,
                                             .bin = &b->bin};
    weir_tls *tls = weir_tls_new(&options, &status);
    assert_non_null(tls);
    return tls;
}

static weir_tls_pair *shake_hands(bench *b, const weir_tls_server_options *options)
{
    weir_tls_pair_free(b->pair);
    b->pair = weir_tls_pair_new(new_filter(b), weir_tls_server_new(options));
    weir_tls_pair_run(b->pair);
    return b->pair;
}

static void assert_open(const weir_tls_pair *pair)
{
    if (weir_tls_state_of(pair->tls) == WEIR_TLS_FAILED) {
        weir_failure failure = weir_tls_failure(pair->tls);
        fail_msg("%s, alert %d, wolfSSL %d, %s", weir_status_name(failure.status),
                 failure.tls_alert, failure.tls_error, failure.what ? failure.what : "-");
    }
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_OPEN);
    assert_true(pair->server->open);
}

static void carry_both_ways(weir_tls_pair *pair)
{
    weir_tls_pair_write(pair, "GET / HTTP/1.1\r\n\r\n", 18);
    weir_tls_server_say(pair->server, "HTTP/1.1 200 OK\r\n\r\n", 19);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->got_octets, 19);
    assert_memory_equal(pair->got, "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_equal(pair->sent.plain, 18);
    assert_int_equal(pair->received.plain, 19);
    assert_int_equal(pair->sent.records[WEIR_TLS_DATA], 1);
    assert_int_equal(pair->received.records[WEIR_TLS_DATA], 1);
}

static void tls__carries_both_ways_over_1_3(void **state)
{
    weir_tls_server_options options = good_server();
    options.oldest = TLS1_3_VERSION;
    weir_tls_pair *pair = shake_hands(*state, &options);

    assert_open(pair);
    assert_string_equal(weir_tls_describe(pair->tls).version, "TLSv1.3");
    assert_string_equal(pair->server->server_name, "server.test");
    assert_int_equal(weir_tls_protocol(pair->tls), WEIR_H2);
    carry_both_ways(pair);
    /* 5 of header, 1 of content type, 16 of tag. */
    assert_int_equal(pair->sent.wire[WEIR_TLS_DATA], 18 + 22);
    assert_int_equal(pair->received.wire[WEIR_TLS_DATA], 19 + 22);
    /* Two tickets; they carry no plaintext. */
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 2);
    assert_int_equal(pair->sent.records[WEIR_TLS_CONTROL], 0);
}

static void tls__carries_both_ways_over_1_2(void **state)
{
    weir_tls_server_options options = good_server();
    options.newest = TLS1_2_VERSION;
    weir_tls_pair *pair = shake_hands(*state, &options);

    assert_open(pair);
    assert_string_equal(weir_tls_describe(pair->tls).version, "TLSv1.2");
    assert_int_equal(weir_tls_protocol(pair->tls), WEIR_H2);
    carry_both_ways(pair);
    assert_int_equal(pair->received.records[WEIR_TLS_CONTROL], 0);
}

static int make_certificates(void **state)
{
    (void)state;
    root = weir_pki_make(&(weir_pki_recipe){.name = "weir test root",
                                            .authority = true,
                                            .key_usage = "critical,keyCertSign"},
                         NULL);
    leaf = weir_pki_make(&(weir_pki_recipe){.name = "server", .san = "DNS:server.test"}, &root);
    root_pem = weir_pki_certificate_pem(&root);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    free(root_pem);
    weir_pki_free(&leaf);
    weir_pki_free(&root);
    return 0;
}

#define LIVE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(tls__carries_both_ways_over_1_3),
        LIVE(tls__carries_both_ways_over_1_2),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
