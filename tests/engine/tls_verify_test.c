/* SPDX-License-Identifier: MIT */
/*
 * Certificates, good and bad: each one is shown in a live handshake, and its chain is given to
 * weir's own rules alone. Both answers are in the table: where wolfSSL refuses first, the rules
 * behind it are tested all the same.
 */
#include "engine/tls_config.h"
#include "engine/tls_verify.h"
#include "support/tls_pair.h"
#include "tls_verify_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static weir_pki roots[ROOTS];

typedef struct bench {
    weir_failalloc memory;
    weir_bin bin;
    weir_tls_config *config;
} bench;

/* Everything that one case needs. */
typedef struct show {
    weir_pki leaf;
    weir_pki chain[3];
    size_t count;
    weir_tls_server_options server;
} show;

/* The server's options point into `s`, so it stays where it is. */
static void make_show(show *s, const recipe_case *c)
{
    const weir_pki *issuer = &roots[c->root];
    size_t sent;

    *s = (show){.count = 0};
    while (s->count < 3 && c->chain[s->count].name) {
        s->chain[s->count] = weir_pki_make(&c->chain[s->count], issuer);
        issuer = &s->chain[s->count++];
    }
    s->leaf = weir_pki_make(&c->leaf, issuer);
    sent = s->count - (c->leave_out ? 1 : 0);
    for (size_t i = 0; i < sent; ++i) {
        s->server.chain[i] = &s->chain[0] + (c->reversed ? i : sent - 1 - i);
    }
    if (c->send_root) {
        s->server.chain[sent] = &roots[c->root];
    }
    s->server.leaf = &s->leaf;
    s->server.newest = c->tls;
}

static void drop_show(show *s)
{
    weir_pki_free(&s->leaf);
    for (size_t i = 0; i < s->count; ++i) {
        weir_pki_free(&s->chain[i]);
    }
}

static const host *host_of(const recipe_case *c)
{
    return c->host.name ? &c->host : &weir_server_test;
}

static weir_failure shake_hands(bench *b, const weir_tls_server_options *options, const host *h)
{
    weir_status status;
    const weir_origin_key origin = {
        .kind = (uint8_t)h->kind, .host = weir_span_of(h->name), .port = 443};
    const weir_tls_filter_options filter = {
        .config = b->config, .origin = &origin, .address = h->address, .bin = &b->bin};
    weir_tls *tls = weir_tls_new(&filter, &status);
    assert_non_null(tls);
    weir_tls_pair *pair = weir_tls_pair_new(tls, weir_tls_server_new(options));
    weir_tls_pair_run(pair);
    weir_failure failure = weir_tls_failure(tls);
    assert_true(weir_tls_state_of(tls) ==
                (failure.status == WEIR_OK ? WEIR_TLS_OPEN : WEIR_TLS_FAILED));
    assert_int_equal(weir_tls_can_seal(tls), failure.status == WEIR_OK);
    weir_tls_pair_free(pair);
    return failure;
}

static weir_tls_verdict judge(const bench *b, const show *s, const host *h)
{
    unsigned char *der[1 + WEIR_COUNT_OF(s->server.chain)] = {NULL};
    weir_span chain[1 + WEIR_COUNT_OF(s->server.chain)];
    weir_tls_identity identity = {.kind = h->kind, .host = weir_span_of(h->name)};
    size_t count = 0;

    if (identity.host.at[identity.host.length - 1] == '.') {
        identity.host.length--;
    }
    memcpy(identity.address, h->address, sizeof(identity.address));
    for (const weir_pki *at = s->server.leaf; at;
         at = count <= WEIR_COUNT_OF(s->server.chain) ? s->server.chain[count - 1] : NULL) {
        int octets = i2d_X509(at->certificate, &der[count]);
        assert_true(octets > 0);
        /* Exactly as long as it is, so that reading past its end is seen. */
        uint8_t *exact = malloc((size_t)octets);
        assert_non_null(exact);
        memcpy(exact, der[count], (size_t)octets);
        OPENSSL_free(der[count]);
        der[count] = exact;
        chain[count++] = (weir_span){exact, (size_t)octets};
    }
    weir_tls_verdict verdict =
        weir_tls_verify_chain(chain, count, &identity, weir_tls_config_roots(b->config));
    while (count > 0) {
        free(der[--count]);
    }
    return verdict;
}

static int set_up(void **state)
{
    bench *b = calloc(1, sizeof(*b));
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char pem[16384] = "Text before the first certificate is nobody's business.\n";
    weir_status status;

    assert_non_null(b);
    weir_failalloc_init(&b->memory, 0);
    weir_bin_init(&b->bin, &b->memory.allocator, 2);
    for (int i = 0; i < ROOT_STRANGE; ++i) {
        char *one = weir_pki_certificate_pem(&roots[i]);
        strncat(pem, one, sizeof(pem) - strlen(pem) - 1);
        free(one);
    }
    options.ca_pem = weir_span_of(pem);
    options.only_these_roots = true;
    b->config = weir_tls_config_new(&options, &b->memory.allocator, &status, NULL);
    assert_non_null(b->config);
    assert_int_equal(weir_tls_config_roots(b->config)->count, ROOT_STRANGE);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    bench *b = *state;

    weir_bin_clear(&b->bin);
    weir_tls_config_release(b->config);
    weir_failalloc_finish(&b->memory);
    free(b);
    return 0;
}

static void verify__each_certificate_is_judged_as_the_table_says(void **state)
{
    bench *b = *state;
    size_t wrong = 0;

    for (size_t i = 0; i < weir_verify_case_count; ++i) {
        const recipe_case *c = &weir_verify_cases[i];
        show s;
        make_show(&s, c);
        weir_tls_verdict ours = judge(b, &s, host_of(c));
        weir_failure live = shake_hands(b, &s.server, host_of(c));
        if (live.status != c->live || ours.status != c->ours) {
            print_error("%s: live %s (%s; wolfSSL %d, alert %d), ours %s (%s); expected %s, %s\n",
                        c->what, weir_status_name(live.status), live.what ? live.what : "-",
                        live.tls_error, live.tls_alert, weir_status_name(ours.status),
                        ours.what ? ours.what : "-", weir_status_name(c->live),
                        weir_status_name(c->ours));
            wrong++;
        }
        drop_show(&s);
    }
    assert_int_equal(wrong, 0);
}

/* wolfSSL remembers the intermediate of the first handshake; that does not make the second chain
 * whole. */
static void verify__a_gap_is_not_filled_from_memory(void **state)
{
    bench *b = *state;
    static const recipe_case c = {
        .leaf = {.name = "leaf", .san = "DNS:server.test"},
        .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign"}}};
    show s;

    make_show(&s, &c);
    assert_int_equal(shake_hands(b, &s.server, &weir_server_test).status, WEIR_OK);
    s.server.chain[0] = NULL;
    assert_int_equal(shake_hands(b, &s.server, &weir_server_test).status, WEIR_E_TLS_UNTRUSTED);
    drop_show(&s);
}

/* As people make them for tests: one certificate, an authority's, its own issuer, and put among the
 * roots. */
static void verify__a_certificate_among_the_roots_is_trusted_as_it_is(void **state)
{
    bench *b = *state;
    weir_pki own = weir_pki_make(
        &(weir_pki_recipe){.name = "own", .san = "DNS:server.test", .authority = true}, NULL);
    weir_pki other = weir_pki_make(
        &(weir_pki_recipe){.name = "own", .san = "DNS:server.test", .authority = true}, NULL);
    weir_tls_server_options server = {.leaf = &own};
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *pem = weir_pki_certificate_pem(&own);
    static const host elsewhere = {WEIR_HOST_NAME, "elsewhere.test", {0}};
    weir_status status;

    options.ca_pem = weir_span_of(pem);
    options.only_these_roots = true;
    weir_tls_config_release(b->config);
    b->config = weir_tls_config_new(&options, &b->memory.allocator, &status, NULL);
    assert_non_null(b->config);
    assert_int_equal(shake_hands(b, &server, &weir_server_test).status, WEIR_OK);
    assert_int_equal(shake_hands(b, &server, &elsewhere).status, WEIR_E_TLS_IDENTITY);
    /* The same name with another key is somebody else. */
    server.leaf = &other;
    assert_int_equal(shake_hands(b, &server, &weir_server_test).status, WEIR_E_TLS_UNTRUSTED);
    free(pem);
    weir_pki_free(&own);
    weir_pki_free(&other);
}

/* Neither wolfSSL nor anybody else can check its signature; ours only has to see that it is the
 * one. */
static void verify__a_server_certificate_can_be_a_root(void **state)
{
    bench *b = *state;
    weir_pki leaf = weir_pki_make(&(weir_pki_recipe){.name = "leaf", .san = "DNS:server.test"},
                                  &roots[ROOT_STRANGE]);
    weir_tls_roots own;
    weir_x509 x509;
    unsigned char *der = NULL;
    int octets = i2d_X509(leaf.certificate, &der);
    weir_span chain = {der, (size_t)octets};
    const weir_tls_identity identity = {.host = WEIR_SPAN("server.test")};

    weir_tls_roots_init(&own, &b->memory.allocator);
    assert_int_equal(weir_tls_verify_chain(&chain, 1, &identity, &own).status,
                     WEIR_E_TLS_UNTRUSTED);
    assert_true(weir_x509_parse(chain, &x509));
    assert_true(weir_tls_roots_add(&own, &x509));
    assert_int_equal(weir_tls_verify_chain(&chain, 1, &identity, &own).status, WEIR_OK);
    weir_tls_roots_clear(&own);
    OPENSSL_free(der);
    weir_pki_free(&leaf);
}

/* An intermediate that the user trusts needs no root above it. */
static void verify__an_intermediate_can_be_a_root(void **state)
{
    bench *b = *state;
    weir_pki middle = weir_pki_make(&(weir_pki_recipe){.name = "middle",
                                                       .authority = true,
                                                       .key_usage = "critical,keyCertSign"},
                                    &roots[ROOT_STRANGE]);
    weir_pki leaf =
        weir_pki_make(&(weir_pki_recipe){.name = "leaf", .san = "DNS:server.test"}, &middle);
    weir_tls_server_options server = {.leaf = &leaf};
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    char *pem = weir_pki_certificate_pem(&middle);
    weir_status status;

    options.ca_pem = weir_span_of(pem);
    options.only_these_roots = true;
    weir_tls_config_release(b->config);
    b->config = weir_tls_config_new(&options, &b->memory.allocator, &status, NULL);
    assert_non_null(b->config);
    assert_int_equal(shake_hands(b, &server, &weir_server_test).status, WEIR_OK);
    server.chain[0] = &middle;
    assert_int_equal(shake_hands(b, &server, &weir_server_test).status, WEIR_OK);
    free(pem);
    weir_pki_free(&leaf);
    weir_pki_free(&middle);
}

/* Servers send what they like: a stranger, the same twice, a root signed by another root. */
static void verify__certificates_that_lead_nowhere_do_no_harm(void **state)
{
    bench *b = *state;
    static const recipe_case c = {
        .leaf = {.name = "leaf", .san = "DNS:server.test"},
        .chain = {{.name = "i1", .authority = true, .key_usage = "critical,keyCertSign"}}};
    weir_pki crossed = weir_pki_make(
        &(weir_pki_recipe){.name = "root", .authority = true, .key_usage = "critical,keyCertSign"},
        &roots[ROOT_STRANGE]);
    show s;

    make_show(&s, &c);
    s.server.chain[1] = &crossed;
    assert_int_equal(shake_hands(b, &s.server, &weir_server_test).status, WEIR_OK);
    s.server.chain[1] = &roots[ROOT_STRANGE];
    assert_int_equal(shake_hands(b, &s.server, &weir_server_test).status, WEIR_OK);
    s.server.chain[1] = &s.chain[0];
    assert_int_equal(shake_hands(b, &s.server, &weir_server_test).status, WEIR_OK);
    drop_show(&s);
    weir_pki_free(&crossed);
}

/* Of two certificates of one authority the first is no good; the other way is found. */
static void verify__every_way_to_a_root_is_tried(void **state)
{
    bench *b = *state;
    weir_pki_recipe recipe = {
        .name = "i1", .authority = true, .key_usage = "critical,keyCertSign", .digest = "SHA1"};
    weir_pki weak = weir_pki_make(&recipe, &roots[ROOT]);
    weir_pki sound;
    show s = {.count = 0};

    recipe.digest = NULL;
    recipe.key_from = &weak;
    sound = weir_pki_make(&recipe, &roots[ROOT]);
    s.leaf = weir_pki_make(&(weir_pki_recipe){.name = "leaf", .san = "DNS:server.test"}, &weak);
    s.server.leaf = &s.leaf;
    s.server.chain[0] = &weak;
    assert_int_equal(judge(b, &s, &weir_server_test).status, WEIR_E_TLS_WEAK);
    s.server.chain[1] = &sound;
    assert_int_equal(judge(b, &s, &weir_server_test).status, WEIR_OK);
    weir_pki_free(&s.leaf);
    weir_pki_free(&weak);
    weir_pki_free(&sound);
}

static weir_span der_of(const weir_pki *pki)
{
    unsigned char *der = NULL;
    int octets = i2d_X509(pki->certificate, &der);

    assert_true(octets > 0);
    return (weir_span){der, (size_t)octets};
}

static void verify__a_chain_has_limits(void **state)
{
    bench *b = *state;
    weir_pki link[WEIR_TLS_CHAIN_LIMIT];
    weir_span chain[WEIR_TLS_CHAIN_LIMIT + 1];
    const weir_tls_identity identity = {.host = WEIR_SPAN("server.test")};
    const weir_tls_roots *trusted = weir_tls_config_roots(b->config);
    const weir_pki *issuer = &roots[ROOT];
    char name[24];

    for (size_t i = WEIR_TLS_CHAIN_LIMIT; i-- > 0;) {
        snprintf(name, sizeof(name), "i%zu", i);
        link[i] = weir_pki_make(
            &(weir_pki_recipe){.name = name, .san = "DNS:server.test", .authority = i > 0}, issuer);
        issuer = &link[i];
        chain[i] = der_of(&link[i]);
    }
    chain[WEIR_TLS_CHAIN_LIMIT] = chain[1];
    assert_int_equal(weir_tls_verify_chain(chain, WEIR_TLS_CHAIN_LIMIT, &identity, trusted).status,
                     WEIR_OK);
    assert_int_equal(
        weir_tls_verify_chain(chain, WEIR_TLS_CHAIN_LIMIT + 1, &identity, trusted).status,
        WEIR_E_TLS_CERTIFICATE);
    assert_int_equal(weir_tls_verify_chain(chain, 0, &identity, trusted).status,
                     WEIR_E_TLS_CERTIFICATE);
    for (size_t i = 0; i < WEIR_TLS_CHAIN_LIMIT; ++i) {
        OPENSSL_free((void *)(uintptr_t)chain[i].at);
        weir_pki_free(&link[i]);
    }
}

/* Clones of one authority, which issue each other: the search has a budget. */
static void verify__a_tangle_costs_little(void **state)
{
    bench *b = *state;
    weir_pki strange = weir_pki_make(&(weir_pki_recipe){.name = "tangle", .authority = true}, NULL);
    weir_pki leaf =
        weir_pki_make(&(weir_pki_recipe){.name = "leaf", .san = "DNS:server.test"}, &strange);
    weir_span chain[WEIR_TLS_CHAIN_LIMIT];
    const weir_tls_identity identity = {.host = WEIR_SPAN("server.test")};

    chain[0] = der_of(&leaf);
    chain[1] = der_of(&strange);
    for (size_t i = 2; i < WEIR_TLS_CHAIN_LIMIT; ++i) {
        chain[i] = chain[1];
    }
    /* Without a budget these are 9! ways. CPU time: nobody waits here. */
    clock_t before = clock();
    assert_int_equal(weir_tls_verify_chain(chain, WEIR_TLS_CHAIN_LIMIT, &identity,
                                           weir_tls_config_roots(b->config))
                         .status,
                     WEIR_E_TLS_UNTRUSTED);
    assert_true(clock() - before < CLOCKS_PER_SEC / 50);
    OPENSSL_free((void *)(uintptr_t)chain[0].at);
    OPENSSL_free((void *)(uintptr_t)chain[1].at);
    weir_pki_free(&leaf);
    weir_pki_free(&strange);
}

static void verify__a_thousand_names_cost_little(void **state)
{
    bench *b = *state;
    char *names = calloc(1000, 24);
    size_t at = 0;
    show s = {.count = 0};

    assert_non_null(names);
    for (int i = 0; i < 999; ++i) {
        at += (size_t)sprintf(names + at, "DNS:host-%04d.test,", i);
    }
    strcpy(names + at, "DNS:server.test");
    s.leaf = weir_pki_make(&(weir_pki_recipe){.name = "leaf", .san = names}, &roots[ROOT]);
    s.server.leaf = &s.leaf;
    assert_int_equal(judge(b, &s, &weir_server_test).status, WEIR_OK);
    /* Some releases of wolfSSL take 128 names and no more: that ends at once, and says so. */
    weir_status live = shake_hands(b, &s.server, &weir_server_test).status;
    if (live != WEIR_OK) {
        assert_int_equal(live, WEIR_E_TLS_CERTIFICATE);
    }
    weir_pki_free(&s.leaf);
    free(names);
}

/* Any octets: no read past the end, no endless loop, and what is cut short is no certificate. */
static void verify__a_broken_certificate_is_none(void **state)
{
    bench *b = *state;
    weir_pki leaf = weir_pki_make(
        &(weir_pki_recipe){.name = "leaf",
                           .san = "DNS:server.test,IP:127.0.0.1,email:a@b.test",
                           .authority = true,
                           .path_length = 2,
                           .key_usage = "critical,digitalSignature",
                           .extended_usage = "serverAuth",
                           .name_constraints = "critical,permitted;DNS:test,excluded;IP:10.0.0.0/"
                                               "255.0.0.0"},
        &roots[ROOT]);
    weir_span der = der_of(&leaf);
    const weir_tls_identity identity = {.host = WEIR_SPAN("server.test")};
    const weir_tls_roots *trusted = weir_tls_config_roots(b->config);

    for (size_t length = 0; length < der.length; ++length) {
        uint8_t *exact = malloc(length ? length : 1);
        weir_x509 x509;
        assert_non_null(exact);
        memcpy(exact, der.at, length);
        assert_false(weir_x509_parse((weir_span){exact, length}, &x509));
        free(exact);
    }
    uint8_t *exact = malloc(der.length);
    weir_x509 x509;
    assert_non_null(exact);
    /* The algorithm stands inside and outside of what is signed; here they differ. */
    static const uint8_t sha256[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    memcpy(exact, der.at, der.length);
    uint8_t *inside = memmem(exact, der.length, sha256, sizeof(sha256));
    assert_non_null(inside);
    assert_true(weir_x509_parse((weir_span){exact, der.length}, &x509));
    inside[7] = 3;
    assert_false(weir_x509_parse((weir_span){exact, der.length}, &x509));
    for (size_t i = 0; i < der.length; ++i) {
        for (unsigned change = 0; change < 4; ++change) {
            static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x10};
            memcpy(exact, der.at, der.length);
            exact[i] ^= changes[change];
            weir_span chain = {exact, der.length};
            (void)weir_tls_verify_chain(&chain, 1, &identity, trusted);
        }
    }
    free(exact);
    OPENSSL_free((void *)(uintptr_t)der.at);
    weir_pki_free(&leaf);
}

static int make_roots(void **state)
{
    (void)state;
    roots[ROOT] = weir_pki_make(&(weir_pki_recipe){.name = "root", .authority = true}, NULL);
    roots[ROOT_RSA] = weir_pki_make(
        &(weir_pki_recipe){.name = "rsa root", .authority = true, .key = "RSA-2048"}, NULL);
    roots[ROOT_CONSTRAINED] = weir_pki_make(
        &(weir_pki_recipe){.name = "constrained root",
                           .authority = true,
                           .name_constraints =
                               "critical,permitted;DNS:allowed.test,excluded;IP:0.0.0.0/0.0.0.0"},
        NULL);
    roots[ROOT_STRANGE] =
        weir_pki_make(&(weir_pki_recipe){.name = "strange root", .authority = true}, NULL);
    return 0;
}

static int drop_roots(void **state)
{
    (void)state;
    for (int i = 0; i < ROOTS; ++i) {
        weir_pki_free(&roots[i]);
    }
    return 0;
}

#define LIVE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE(verify__each_certificate_is_judged_as_the_table_says),
        LIVE(verify__a_gap_is_not_filled_from_memory),
        LIVE(verify__a_certificate_among_the_roots_is_trusted_as_it_is),
        LIVE(verify__a_server_certificate_can_be_a_root),
        LIVE(verify__an_intermediate_can_be_a_root),
        LIVE(verify__certificates_that_lead_nowhere_do_no_harm),
        LIVE(verify__every_way_to_a_root_is_tried),
        LIVE(verify__a_chain_has_limits),
        LIVE(verify__a_tangle_costs_little),
        LIVE(verify__a_thousand_names_cost_little),
        LIVE(verify__a_broken_certificate_is_none),
    };
    return cmocka_run_group_tests_name("tls_verify", tests, make_roots, drop_roots);
}
