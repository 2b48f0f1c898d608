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
    const weir_tls_filter_options filter = {.config = b->config,
                                            .kind = h->kind,
                                            .host = weir_span_of(h->name),
                                            .address = h->address,
                                            .port = 443,
                                            .allocator = &b->memory.allocator,
                                            .bin = &b->bin};
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
    };
    return cmocka_run_group_tests_name("tls_verify", tests, make_roots, drop_roots);
}
