/* SPDX-License-Identifier: MIT */
/* TLS settings: what is taken, what is refused and why. */
#include "engine/tls_config.h"
#include "engine/tls_keylog.h"
#include "support/tls_bench.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A file that is there for one test. */
static void write_file(char path[32], const char *text)
{
    strcpy(path, "/tmp/weir-tls-XXXXXX");
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static weir_failure refused(weir_bench *bench, const weir_tls_options *options)
{
    weir_status status = WEIR_OK;
    weir_failure failure;

    assert_null(weir_tls_config_new(options, &bench->memory.allocator, &status, &failure));
    assert_int_equal(failure.status, status);
    return failure;
}

static weir_tls_config *taken(weir_bench *bench, const weir_tls_options *options)
{
    weir_status status = WEIR_E_STATE;
    weir_tls_config *config = weir_tls_config_new(options, &bench->memory.allocator, &status, NULL);

    assert_int_equal(status, WEIR_OK);
    assert_non_null(config);
    return config;
}

static void config__trusts_the_system_by_default(void **state)
{
    weir_bench *bench = *state;

    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) != 0) {
        skip();
    }
    weir_tls_config *config = taken(bench, NULL);
    assert_true(weir_tls_config_roots(config)->count > 50);
    weir_tls_config_release(config);
}

static void config__reads_roots_from_a_file(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_tls_server_options server = weir_bench_server();
    char *pem = weir_pki_certificate_pem(&weir_bench_root);
    char path[32];

    write_file(path, pem);
    options.ca_file = path;
    options.only_these_roots = true;
    weir_tls_config_release(bench->config);
    bench->config = taken(bench, &options);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(weir_tls_config_roots(bench->config)->count, 1);
    weir_assert_open(weir_bench_shake_hands(bench, &server));
    free(pem);
}

static void config__passes_over_what_is_no_root(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *pem = weir_pki_certificate_pem(&weir_bench_root);
    char text[8192];

    snprintf(text, sizeof(text),
             "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
             "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"
             "# text\r\n%s-----BEGIN CERTIFICATE-----\nnever ended\n",
             pem);
    options.ca_pem = weir_span_of(text);
    options.only_these_roots = true;
    weir_tls_config *config = taken(bench, &options);
    assert_int_equal(weir_tls_config_roots(config)->count, 1);
    weir_tls_config_release(config);
    free(pem);
}

static void config__says_what_is_wrong_with_its_files(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_failure failure;
    char path[32];

    options.only_these_roots = true;
    assert_string_equal(refused(bench, &options).what, "there is no root to trust");
    options.ca_file = "/nowhere/at/all.pem";
    failure = refused(bench, &options);
    assert_int_equal(failure.status, WEIR_E_TLS_CONFIG);
    assert_int_equal(failure.sys_errno, ENOENT);
    options.ca_file = "/tmp";
    assert_int_equal(refused(bench, &options).status, WEIR_E_TLS_CONFIG);
    write_file(path, "no certificate here\n");
    options.ca_file = path;
    assert_string_equal(refused(bench, &options).what, "ca_file holds no usable root");
    assert_int_equal(unlink(path), 0);
    write_file(path, "");
    assert_string_equal(refused(bench, &options).what, "ca_file holds no usable root");
    assert_int_equal(unlink(path), 0);
    options.ca_file = NULL;
    options.ca_pem = WEIR_SPAN("-----BEGIN CERTIFICATE-----");
    assert_string_equal(refused(bench, &options).what, "ca_pem holds no usable root");
}

static void config__wants_a_certificate_and_its_key(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *root_pem = weir_pki_certificate_pem(&weir_bench_root);
    char *certificate = weir_pki_certificate_pem(&weir_bench_leaf);
    char *key = weir_pki_key_pem(&weir_bench_leaf);
    weir_pki other = weir_pki_make(&(weir_pki_recipe){.name = "other", .key = "RSA-2048"}, NULL);
    char *other_key = weir_pki_key_pem(&other);

    options.ca_pem = weir_span_of(root_pem);
    options.only_these_roots = true;
    options.certificate_pem = weir_span_of(certificate);
    assert_int_equal(refused(bench, &options).status, WEIR_E_INVALID);
    options.key_pem = weir_span_of(other_key);
    assert_int_equal(refused(bench, &options).status, WEIR_E_TLS_CONFIG);
    options.key_pem = WEIR_SPAN("nothing");
    assert_int_equal(refused(bench, &options).status, WEIR_E_TLS_CONFIG);
    options.key_pem = weir_span_of(key);
    weir_tls_config_release(taken(bench, &options));
    options.certificate_pem = (weir_span){NULL, 0};
    assert_int_equal(refused(bench, &options).status, WEIR_E_INVALID);
    options.certificate_file = "/nowhere";
    assert_int_equal(refused(bench, &options).status, WEIR_E_TLS_CONFIG);
    free(root_pem);
    free(certificate);
    free(key);
    free(other_key);
    weir_pki_free(&other);
}

/* One that signs what nobody can verify would be found out by the first server that asks for it. */
static void config__wants_the_key_of_its_certificate(void **state)
{
    static const char *const kinds[] = {"P-256", "P-384", "RSA-2048"};
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *root_pem = weir_pki_certificate_pem(&weir_bench_root);

    options.ca_pem = weir_span_of(root_pem);
    options.only_these_roots = true;
    for (size_t i = 0; i < WEIR_COUNT_OF(kinds); i++) {
        weir_pki own = weir_pki_make(&(weir_pki_recipe){.name = "own", .key = kinds[i]}, NULL);
        char *certificate = weir_pki_certificate_pem(&own);
        char *key = weir_pki_key_pem(&own);
        options.certificate_pem = weir_span_of(certificate);
        options.key_pem = weir_span_of(key);
        weir_tls_config_release(taken(bench, &options));
        free(key);
        weir_pki_free(&own);
        for (size_t j = 0; j < WEIR_COUNT_OF(kinds); j++) {
            weir_pki other = weir_pki_make(&(weir_pki_recipe){.name = "o", .key = kinds[j]}, NULL);
            key = weir_pki_key_pem(&other);
            options.key_pem = weir_span_of(key);
            const weir_failure failure = refused(bench, &options);
            assert_int_equal(failure.status, WEIR_E_TLS_CONFIG);
            assert_string_equal(failure.what, "our key is not that of our certificate");
            free(key);
            weir_pki_free(&other);
        }
        free(certificate);
    }
    free(root_pem);
}

static void config__refuses_versions_that_are_none(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;

    options.oldest = (weir_tls_version)0x0301;
    options.insecure = true;
    assert_int_equal(refused(bench, &options).status, WEIR_E_INVALID);
}

static void config__reads_no_further_than_the_record_it_was_given(void **state)
{
    weir_bench *bench = *state;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;

    options.insecure = true;
    options.key_log_file = "/nowhere";
    options.size = offsetof(weir_tls_options, key_log_file);
    weir_tls_config *config = taken(bench, &options);
    assert_null(weir_tls_config_key_log(config));
    weir_tls_config_release(config);
}

static void insecurely(weir_tls_options *options)
{
    options->insecure = true;
    options->ca_pem = (weir_span){NULL, 0};
}

static void config__that_is_insecure_takes_anybody(void **state)
{
    weir_bench *bench = *state;
    weir_pki anybody =
        weir_pki_make(&(weir_pki_recipe){.name = "anybody", .key = "RSA-1024"}, NULL);
    weir_tls_server_options server = weir_bench_server();

    server.leaf = &anybody;
    weir_bench_shake_hands(bench, &server);
    weir_assert_failed(bench->pair, WEIR_E_TLS_UNTRUSTED);
    weir_bench_configure(bench, insecurely);
    weir_assert_open(weir_bench_shake_hands(bench, &server));
    weir_pki_free(&anybody);
}

static char log_path[32];

static void with_key_log(weir_tls_options *options)
{
    options->key_log_file = log_path;
}

/* What the file says is what the server says, line by line. */
static void config__logs_the_keys_where_wolfssl_tells_them(void **state)
{
    weir_bench *bench = *state;
    char text[4096] = "";

    if (!weir_tls_keylog_is_available()) {
        weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
        options.insecure = true;
        options.key_log_file = "/tmp/weir-never-written";
        assert_int_equal(refused(bench, &options).status, WEIR_E_UNSUPPORTED);
        return;
    }
    write_file(log_path, "");
    weir_bench_configure(bench, with_key_log);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; ++version) {
        weir_tls_server_options server = weir_bench_server();
        server.oldest = version;
        server.newest = version;
        weir_tls_pair *pair = weir_bench_shake_hands(bench, &server);
        weir_assert_open(pair);
        FILE *file = fopen(log_path, "r");
        assert_non_null(file);
        text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
        fclose(file);
        size_t lines = 0;
        for (char *line = strtok(pair->server->secrets, "\n"); line; line = strtok(NULL, "\n")) {
            /* What exporters are made of is told by some builds only, and by none that has no
             * exporters. */
            if (strncmp(line, "EXPORTER", 8) != 0 && !strstr(text, line)) {
                fail_msg("not logged: %.40s", line);
            }
            lines++;
        }
        assert_int_equal(lines, version == TLS1_2_VERSION ? 1 : 5);
    }
    assert_int_equal(unlink(log_path), 0);
}

static void make_with_little_memory(weir_failalloc *memory, void *user)
{
    const weir_tls_options *options = user;
    weir_status status;
    weir_failure failure;
    weir_tls_config *config = weir_tls_config_new(options, &memory->allocator, &status, &failure);

    assert_int_equal(config == NULL, status != WEIR_OK);
    if (!config) {
        assert_int_equal(status, WEIR_E_NOMEM);
    }
    weir_tls_config_release(config);
}

static void config__survives_the_loss_of_each_allocation(void **state)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *root_pem = weir_pki_certificate_pem(&weir_bench_root);
    char *certificate = weir_pki_certificate_pem(&weir_bench_leaf);
    char *key = weir_pki_key_pem(&weir_bench_leaf);
    char path[32];

    (void)state;
    write_file(path, root_pem);
    options.ca_file = path;
    options.ca_pem = weir_span_of(root_pem);
    options.only_these_roots = true;
    options.certificate_pem = weir_span_of(certificate);
    options.key_pem = weir_span_of(key);
    assert_true(weir_failalloc_every(make_with_little_memory, &options) >= 6);
    assert_int_equal(unlink(path), 0);
    free(root_pem);
    free(certificate);
    free(key);
}

/* Memory whose first block is always had at the same address. */
typedef struct one_address {
    weir_allocator allocator;
    bool taken;
    _Alignas(64) uint8_t block[65536];
} one_address;

static void *block_alloc(size_t octets, void *user)
{
    one_address *memory = user;

    if (memory->taken || octets > sizeof(memory->block)) {
        return malloc(octets);
    }
    memory->taken = true;
    return memory->block;
}

static void block_release(void *at, void *user)
{
    one_address *memory = user;

    if (at == memory->block) {
        memory->taken = false;
    } else {
        free(at);
    }
}

static void *block_resize(void *at, size_t octets, void *user)
{
    one_address *memory = user;

    assert_ptr_not_equal(at, memory->block);
    return at == NULL ? block_alloc(octets, user) : realloc(at, octets);
}

static void config__at_an_address_that_was_freed_has_another_number(void **state)
{
    static one_address memory;
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    uint64_t last = 0;

    (void)state;
    memory.allocator =
        (weir_allocator){sizeof(weir_allocator), &memory, block_alloc, block_resize, block_release};
    options.insecure = true;
    options.only_these_roots = true;
    for (int i = 0; i < 3; i++) {
        weir_tls_config *config = weir_tls_config_new(&options, &memory.allocator, NULL, NULL);
        assert_ptr_equal(config, memory.block);
        assert_true(weir_tls_config_number(config) > last);
        last = weir_tls_config_number(config);
        weir_tls_config_release(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WEIR_LIVE(config__trusts_the_system_by_default),
        WEIR_LIVE(config__reads_roots_from_a_file),
        WEIR_LIVE(config__passes_over_what_is_no_root),
        WEIR_LIVE(config__says_what_is_wrong_with_its_files),
        WEIR_LIVE(config__wants_a_certificate_and_its_key),
        WEIR_LIVE(config__wants_the_key_of_its_certificate),
        WEIR_LIVE(config__refuses_versions_that_are_none),
        WEIR_LIVE(config__reads_no_further_than_the_record_it_was_given),
        WEIR_LIVE(config__that_is_insecure_takes_anybody),
        WEIR_LIVE(config__logs_the_keys_where_wolfssl_tells_them),
        WEIR_LIVE(config__at_an_address_that_was_freed_has_another_number),
        WEIR_LIVE(config__survives_the_loss_of_each_allocation),
    };
    return cmocka_run_group_tests_name("tls_config", tests, weir_bench_make_certificates,
                                       weir_bench_drop_certificates);
}
