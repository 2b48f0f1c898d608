/* SPDX-License-Identifier: MIT */
/* What the TLS suites stand on: see tls_bench.h. */
#include "support/tls_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

weir_pki weir_bench_root;
weir_pki weir_bench_leaf;
static char *root_pem;

int weir_bench_make_certificates(void **state)
{
    (void)state;
    weir_bench_root = weir_pki_make(&(weir_pki_recipe){.name = "weir test root",
                                                       .authority = true,
                                                       .key_usage = "critical,keyCertSign"},
                                    NULL);
    weir_bench_leaf = weir_pki_make(
        &(weir_pki_recipe){.name = "server", .san = "DNS:server.test,DNS:*.many.test,IP:127.0.0.1"},
        &weir_bench_root);
    root_pem = weir_pki_certificate_pem(&weir_bench_root);
    return 0;
}

int weir_bench_drop_certificates(void **state)
{
    (void)state;
    free(root_pem);
    weir_pki_free(&weir_bench_leaf);
    weir_pki_free(&weir_bench_root);
    return 0;
}

int weir_bench_set_up(void **state)
{
    weir_bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    weir_failalloc_init(&bench->memory, 0);
    weir_bin_init(&bench->bin, &bench->memory.allocator, 2);
    bench->name = "server.test";
    bench->port = 443;
    weir_bench_configure(bench, NULL);
    *state = bench;
    return 0;
}

int weir_bench_tear_down(void **state)
{
    weir_bench *bench = *state;

    weir_tls_pair_free(bench->pair);
    weir_tls_sessions_free(bench->sessions);
    weir_bin_clear(&bench->bin);
    weir_tls_config_release(bench->config);
    weir_failalloc_finish(&bench->memory);
    free(bench);
    return 0;
}

weir_tls_config *weir_bench_new_config(const weir_allocator *allocator, weir_bench_change *change)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_tls_config *config;
    weir_status status;

    options.ca_pem = weir_span_of(root_pem);
    options.only_these_roots = true;
    if (change) {
        change(&options);
    }
    config = weir_tls_config_new(&options, allocator, &status, NULL);
    assert_int_equal(status, WEIR_OK);
    assert_non_null(config);
    return config;
}

void weir_bench_configure(weir_bench *bench, weir_bench_change *change)
{
    weir_tls_config_release(bench->config);
    bench->config = weir_bench_new_config(&bench->memory.allocator, change);
}

weir_tls_server_options weir_bench_server(void)
{
    return (weir_tls_server_options){.leaf = &weir_bench_leaf, .protocols = "h2 http/1.1"};
}

weir_tls *weir_bench_filter(weir_bench *bench)
{
    weir_status status;
    const weir_tls_filter_options options = {.config = bench->config,
                                             .origin = &bench->origin,
                                             .bin = &bench->bin,
                                             .sessions = bench->sessions};
    bench->origin = (weir_origin_key){.kind = WEIR_HOST_NAME,
                                      .host = weir_span_of(bench->name),
                                      .port = bench->port,
                                      .pin = (uint8_t)bench->pin,
                                      .proxy = bench->route};
    weir_tls *tls = weir_tls_new(&options, &status);

    assert_int_equal(status, WEIR_OK);
    assert_non_null(tls);
    return tls;
}

weir_tls_pair *weir_bench_begin(weir_bench *bench, const weir_tls_server_options *server)
{
    weir_tls_pair_free(bench->pair);
    bench->pair = weir_tls_pair_new(weir_bench_filter(bench), weir_tls_server_new(server));
    return bench->pair;
}

weir_tls_pair *weir_bench_shake_hands(weir_bench *bench, const weir_tls_server_options *server)
{
    weir_tls_pair_run(weir_bench_begin(bench, server));
    return bench->pair;
}

void weir_assert_open(const weir_tls_pair *pair)
{
    if (weir_tls_state_of(pair->tls) == WEIR_TLS_FAILED) {
        weir_failure failure = weir_tls_failure(pair->tls);
        fail_msg("%s, alert %d, wolfSSL %d, %s", weir_status_name(failure.status),
                 failure.tls_alert, failure.tls_error, failure.what ? failure.what : "-");
    }
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_OPEN);
    assert_true(pair->server->open);
}

weir_failure weir_assert_failed(const weir_tls_pair *pair, weir_status status)
{
    weir_failure failure = weir_tls_failure(pair->tls);

    if (failure.status != status) {
        fail_msg("%s instead of %s, alert %d, wolfSSL %d, %s", weir_status_name(failure.status),
                 weir_status_name(status), failure.tls_alert, failure.tls_error,
                 failure.what ? failure.what : "-");
    }
    assert_int_equal(weir_tls_state_of(pair->tls), WEIR_TLS_FAILED);
    assert_false(weir_tls_can_seal(pair->tls));
    return failure;
}
