/* SPDX-License-Identifier: MIT */
/* Resumption: for the same identity only, and each ticket once. */
#include "support/tls_bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Servers that know each other's tickets: one SSL_CTX for all of them. */
static weir_tls_server_options same_server(weir_bench *bench, int version)
{
    weir_tls_server_options options = weir_bench_server();

    options.oldest = version;
    options.newest = version;
    bench->sessions = weir_tls_sessions_new(&bench->memory.allocator, 16, 1);
    assert_non_null(bench->sessions);
    /* The first handshake makes it; this one only keeps it alive. */
    weir_tls_server *first = weir_tls_server_new(&options);
    options.context = first->options.context;
    SSL_CTX_up_ref(options.context);
    weir_tls_server_free(first);
    return options;
}

static bool resumes(weir_bench *bench, const weir_tls_server_options *options)
{
    weir_tls_pair *pair = weir_bench_shake_hands(bench, options);
    bool resumed;

    weir_assert_open(pair);
    resumed = weir_tls_describe(pair->tls).resumed;
    assert_int_equal(SSL_session_reused(pair->server->ssl), resumed);
    weir_tls_pair_write(pair, "ping", 4);
    weir_tls_server_say(pair->server, "pong", 4);
    weir_tls_pair_run(pair);
    assert_int_equal(pair->got_octets, 4);
    return resumed;
}

static void session__is_resumed_for_the_same_identity(void **state)
{
    weir_bench *bench = *state;

    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options options = same_server(bench, version);
        assert_false(resumes(bench, &options));
        size_t full = bench->pair->received.wire[WEIR_TLS_HANDSHAKE];
        assert_true(resumes(bench, &options));
        /* No certificate came. */
        assert_true(bench->pair->received.wire[WEIR_TLS_HANDSHAKE] < full - 300);
        assert_true(resumes(bench, &options));
        assert_int_equal(weir_tls_protocol(bench->pair->tls), WEIR_H2);
        weir_tls_sessions_free(bench->sessions);
        bench->sessions = NULL;
        SSL_CTX_free(options.context);
    }
}

static void session__is_not_resumed_for_another_identity(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);

    bench->name = "a.many.test";
    assert_false(resumes(bench, &options));
    bench->name = "b.many.test";
    assert_false(resumes(bench, &options));
    bench->port = 444;
    assert_false(resumes(bench, &options));
    bench->pin = WEIR_H2;
    assert_false(resumes(bench, &options));
    bench->route = WEIR_SPAN("proxy.test:3128");
    assert_false(resumes(bench, &options));
    bench->route = WEIR_SPAN("other.test:3128");
    assert_false(resumes(bench, &options));
    weir_bench_configure(bench, NULL);
    assert_false(resumes(bench, &options));
    /* None of them took from another: each is there still. */
    assert_true(resumes(bench, &options));
    SSL_CTX_free(options.context);
}

static void session__does_not_hide_a_wrong_certificate(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);

    assert_false(resumes(bench, &options));
    /* The same port of the same server, another name: its certificate is not for it. */
    bench->name = "other.test";
    weir_bench_shake_hands(bench, &options);
    weir_assert_failed(bench->pair, WEIR_E_TLS_IDENTITY);
    SSL_CTX_free(options.context);
}

static void session__is_used_once(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);

    assert_false(resumes(bench, &options));
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 2);
    options.tickets = 1; /* none */
    assert_true(resumes(bench, &options));
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 1);
    assert_true(resumes(bench, &options));
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 0);
    assert_false(resumes(bench, &options));
    SSL_CTX_free(options.context);
}

static void session__that_the_server_forgot_costs_a_full_handshake(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);
    weir_tls_server_options other = weir_bench_server();

    assert_false(resumes(bench, &options));
    assert_false(resumes(bench, &other));
    SSL_CTX_free(options.context);
}

static void session__of_a_failed_handshake_is_not_remembered(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_2_VERSION);

    bench->name = "other.test";
    weir_bench_shake_hands(bench, &options);
    weir_assert_failed(bench->pair, WEIR_E_TLS_IDENTITY);
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 0);
    SSL_CTX_free(options.context);
}

static void session__store_is_bounded(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);
    char name[] = "a.many.test";

    options.tickets = 1 + 12;
    bench->name = name;
    assert_false(resumes(bench, &options));
    assert_int_equal(weir_tls_sessions_count(bench->sessions), WEIR_TLS_SESSIONS_PER_IDENTITY);
    for (char c = 'b'; c < 'f'; ++c) {
        name[0] = c;
        assert_false(resumes(bench, &options));
        assert_true(weir_tls_sessions_count(bench->sessions) <= 16);
    }
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 16);
    /* The newest are there, the oldest are gone. */
    options.tickets = 1;
    assert_true(resumes(bench, &options));
    name[0] = 'a';
    assert_false(resumes(bench, &options));
    SSL_CTX_free(options.context);
}

/* Configurations live on while sessions of theirs do, and not longer. */
static void session__holds_its_configuration(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);

    assert_false(resumes(bench, &options));
    weir_bench_configure(bench, NULL);
    assert_false(resumes(bench, &options));
    assert_int_equal(weir_tls_sessions_count(bench->sessions), 4);
    SSL_CTX_free(options.context);
}

static void remember_with_little_memory(weir_failalloc *memory, void *user)
{
    weir_bench *bench = user;
    weir_tls_sessions *store = weir_tls_sessions_new(&memory->allocator, 4, 1);
    weir_tls_server_options options = weir_bench_server();

    if (!store) {
        return;
    }
    bench->sessions = store;
    weir_assert_open(weir_bench_shake_hands(bench, &options));
    assert_true(weir_tls_sessions_count(store) <= 2);
    weir_tls_pair_free(bench->pair);
    bench->pair = NULL;
    weir_tls_sessions_free(store);
    bench->sessions = NULL;
}

static void session__store_survives_the_loss_of_each_allocation(void **state)
{
    assert_true(weir_failalloc_every(remember_with_little_memory, *state) >= 3);
}

/* Hosts that a stranger found to share a bucket in one process are spread in another. */
static void session__hosts_that_share_a_bucket_do_not_under_another_seed(void **state)
{
    weir_bench *bench = *state;
    weir_tls_sessions *one = weir_tls_sessions_new(&bench->memory.allocator, 16, 1);
    weir_tls_sessions *other = weir_tls_sessions_new(&bench->memory.allocator, 16, 2);
    const weir_origin_key first = {.host = WEIR_SPAN("0.test"), .port = 443};
    const weir_tls_session_key wanted = {bench->config, &first};
    size_t sharing = 0;
    size_t still = 0;

    for (unsigned i = 1; sharing < 16; ++i) {
        char host[32];
        (void)snprintf(host, sizeof(host), "%u.test", i);
        const weir_origin_key origin = {.host = weir_span_of(host), .port = 443};
        const weir_tls_session_key key = {bench->config, &origin};
        if (weir_tls_sessions_bucket(one, &key) == weir_tls_sessions_bucket(one, &wanted)) {
            sharing++;
            still +=
                weir_tls_sessions_bucket(other, &key) == weir_tls_sessions_bucket(other, &wanted);
        }
    }
    assert_true(still < 4);
    weir_tls_sessions_free(one);
    weir_tls_sessions_free(other);
}

/* What threads share: the configuration with its store of certificates, the sessions, and wolfSSL's
 * global state. */
typedef struct worker {
    pthread_t thread;
    weir_bench *bench;
    weir_bench own; /* a copy of it, with a bin and a pair of its own */
    SSL_CTX *context;
    unsigned resumed;
    bool good;
} worker;

static void *work(void *user)
{
    worker *w = user;
    weir_tls_server_options options = weir_bench_server();

    w->good = true;
    options.context = w->context;
    for (int i = 0; i < 12 && w->good; ++i) {
        weir_bin_init(&w->own.bin, &w->own.memory.allocator, 1);
        w->own.config = i % 4 == 3 ? weir_bench_new_config(&w->bench->memory.allocator, NULL)
                                   : weir_tls_config_acquire(w->bench->config);
        w->own.pair = weir_tls_pair_new(weir_bench_filter(&w->own), weir_tls_server_new(&options));
        weir_tls_pair_run(w->own.pair);
        w->good = weir_tls_state_of(w->own.pair->tls) == WEIR_TLS_OPEN;
        w->resumed += weir_tls_describe(w->own.pair->tls).resumed ? 1 : 0;
        weir_tls_pair_free(w->own.pair);
        weir_bin_clear(&w->own.bin);
        weir_tls_config_release(w->own.config);
    }
    return NULL;
}

static void session__store_and_configuration_are_shared_by_threads(void **state)
{
    weir_bench *bench = *state;
    weir_tls_server_options options = same_server(bench, TLS1_3_VERSION);
    worker workers[4];
    unsigned resumed = 0;

    for (size_t i = 0; i < WEIR_COUNT_OF(workers); ++i) {
        workers[i] = (worker){.bench = bench, .own = *bench, .context = options.context};
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(workers); ++i) {
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < WEIR_COUNT_OF(workers); ++i) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].good);
        resumed += workers[i].resumed;
    }
    /* Nine of twelve share a configuration; the first of each thread may find no ticket yet. */
    assert_true(resumed >= 4 * 8 - 4);
    SSL_CTX_free(options.context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEIR_LIVE(session__is_resumed_for_the_same_identity),
        WEIR_LIVE(session__is_not_resumed_for_another_identity),
        WEIR_LIVE(session__does_not_hide_a_wrong_certificate),
        WEIR_LIVE(session__is_used_once),
        WEIR_LIVE(session__that_the_server_forgot_costs_a_full_handshake),
        WEIR_LIVE(session__of_a_failed_handshake_is_not_remembered),
        WEIR_LIVE(session__store_is_bounded),
        WEIR_LIVE(session__holds_its_configuration),
        WEIR_LIVE(session__store_and_configuration_are_shared_by_threads),
        WEIR_LIVE(session__store_survives_the_loss_of_each_allocation),
        WEIR_LIVE(session__hosts_that_share_a_bucket_do_not_under_another_seed),
    };
    return cmocka_run_group_tests_name("tls_session", tests, weir_bench_make_certificates,
                                       weir_bench_drop_certificates);
}
