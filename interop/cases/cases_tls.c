/* SPDX-License-Identifier: MIT */
/* Cases of TLS: whom we trust, what is agreed on, what is remembered. */
#include "cases.h"

#include <inttypes.h>
#include <string.h>

static void try_certificate(trial *t, const companion *c);
static bool is_certificate(const companion *c);
static weir_status status_for(const char *expected);
static void expect_unsent(trial *t, const transfer *x);

void case_certificates_accepted(trial *t)
{
    for (size_t i = 0; i < t->server->companion_count; i++) {
        const companion *c = &t->server->companions[i];
        if (is_certificate(c) && strcmp(c->expected, "ok") == 0) {
            try_certificate(t, c);
        }
    }
}

void case_certificates_refused(trial *t)
{
    size_t tried = 0;
    for (size_t i = 0; i < t->server->companion_count; i++) {
        const companion *c = &t->server->companions[i];
        if (is_certificate(c) && strcmp(c->expected, "ok") != 0) {
            try_certificate(t, c);
            tried++;
        }
    }
    (void)trial_check(t, tried >= 15, "the index has %zu bad certificates", tried);
}

void case_untrusted_ca(trial *t)
{
    transfer x;
    trial_reopen(t, t->tls->doubting, NULL);
    trial_ask(t, &x, "octets", 1000);
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_TLS_UNTRUSTED);
    expect_unsent(t, &x);
}

void case_wrong_name(trial *t)
{
    transfer x;
    trial_ask_at(t, &x, "elsewhere.test", server_port(t->server, t->way), "/");
    x.call.connect_to = WEIR_SPAN("127.0.0.1");
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_TLS_IDENTITY);
    expect_unsent(t, &x);
}

void case_alpn_chosen(trial *t)
{
    transfer x;
    trial_ask(t, &x, "octets", 1000);
    x.call.pin = WEIR_PROTOCOL_ANY;
    trial_run(t, &x);
    (void)trial_expect(t, &x, 200, 1000);
    (void)trial_check(t, x.last.protocol == WEIR_H2, "%s was spoken",
                      weir_protocol_name(x.last.protocol));
}

void case_alpn_fallback(trial *t)
{
    static const char *const roles[] = {"alpn-http/1.1", "alpn-none"};
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const companion *c = server_companion(t->server, roles[i]);
        transfer x;
        if (!trial_check(t, c != NULL, "there is no %s", roles[i])) {
            return;
        }
        trial_ask_at(t, &x, c->host, c->port, "/octets/1000");
        x.call.pin = WEIR_PROTOCOL_ANY;
        trial_run(t, &x);
        (void)trial_expect(t, &x, 200, 1000);
        (void)trial_check(t, x.last.protocol == WEIR_H1, "%s was spoken",
                          weir_protocol_name(x.last.protocol));
    }
}

void case_alpn_no_overlap(trial *t)
{
    const char *role = t->way.protocol == WEIR_H2 ? "alpn-http/1.1" : "alpn-h2";
    const companion *c = server_companion(t->server, role);
    transfer x;
    if (!trial_check(t, c != NULL, "there is no %s", role)) {
        return;
    }
    trial_ask_at(t, &x, c->host, c->port, "/octets/1000");
    trial_run(t, &x);
    (void)trial_expect_status(t, &x, WEIR_E_TLS_ALPN);
    expect_unsent(t, &x);
}

/* Resumed, the server sends no certificate: its handshake is shorter by more than half. */
void case_resumption(trial *t)
{
    trial_expect_alive(t);
    trial_renew(t);
    trial_expect_alive(t);
    trial_renew(t);
    if (!trial_check(t, t->notes.closed_count == 2, "%zu connections were closed",
                     t->notes.closed_count)) {
        return;
    }
    uint64_t first = t->notes.closed[0].handshake.received;
    uint64_t second = t->notes.closed[1].handshake.received;
    (void)trial_check(t, second < first / 2,
                      "the handshakes took %" PRIu64 " and %" PRIu64 " octets", first, second);
}

void case_key_update(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/key-update?n=3");
    (void)trial_run_text(t, &x, 200);
    trial_expect_alive(t);
}

void case_tickets(trial *t)
{
    transfer x;
    trial_ask_path(t, &x, "/tickets?n=4");
    (void)trial_run_text(t, &x, 200);
    trial_expect_alive(t);
}

static void try_certificate(trial *t, const companion *c)
{
    transfer x;
    weir_status status = status_for(c->expected);
    if (strcmp(c->role, "certificate-chain-alternative") == 0) {
        /* Good, and wolfSSL refuses it at its expired intermediate without looking at the other. */
        status = WEIR_E_TLS_EXPIRED;
    }
    trial_ask_at(t, &x, c->host, c->port, "/octets/1000");
    x.call.connect_to = WEIR_SPAN("127.0.0.1");
    trial_run(t, &x);
    (void)trial_check(t, x.status == status, "%s: %s (%s) instead of %s", c->role,
                      weir_status_name(x.status), x.failure.what != NULL ? x.failure.what : "-",
                      weir_status_name(status));
    if (status == WEIR_OK) {
        (void)trial_expect(t, &x, 200, 1000);
    } else {
        expect_unsent(t, &x);
    }
}

static bool is_certificate(const companion *c)
{
    return strncmp(c->role, "certificate-", strlen("certificate-")) == 0;
}

/* The words of interop/certs. */
static weir_status status_for(const char *expected)
{
    static const struct {
        const char *word;
        weir_status status;
    } words[] = {
        {"ok", WEIR_OK},
        {"wrong_host", WEIR_E_TLS_IDENTITY},
        {"expired", WEIR_E_TLS_EXPIRED},
        {"not_yet_valid", WEIR_E_TLS_EXPIRED},
        {"unknown_issuer", WEIR_E_TLS_UNTRUSTED},
        {"self_signed", WEIR_E_TLS_UNTRUSTED},
        {"weak_key", WEIR_E_TLS_WEAK},
        {"weak_signature", WEIR_E_TLS_WEAK},
        {"ca_as_leaf", WEIR_E_TLS_CERTIFICATE},
        {"name_constraint", WEIR_E_TLS_CERTIFICATE},
        {"wrong_purpose", WEIR_E_TLS_CERTIFICATE},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, expected) == 0) {
            return words[i].status;
        }
    }
    return WEIR_E_INVALID;
}

/* Nothing of the request has left: there was nobody to trust with it. */
static void expect_unsent(trial *t, const transfer *x)
{
    (void)trial_check(t, weir_tally_plain(&x->tally).sent == 0,
                      "%" PRIu64 " octets of the request were sent",
                      weir_tally_plain(&x->tally).sent);
    (void)trial_check(t, x->failure.processed == WEIR_NOT_SENT,
                      "the request is not said to be unsent");
}
