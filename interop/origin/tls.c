/* SPDX-License-Identifier: MIT */
/*
 * The TLS filter over OpenSSL's memory BIOs. Each call leaves both BIOs empty: what came in is
 * handed to OpenSSL whole and read until it wants more, what it made goes to the wire queue.
 *
 *     SHAKING --handshake done--> OPEN --close_notify--> PEER_CLOSED
 *        |                         |
 *        +------ any error --------+--> FAILED   (its alert, if any, is in the wire queue)
 */
#include "tls.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PLAIN_CHUNK = 16384, ALPN_LONGEST = 64 };

struct tls_context {
    SSL_CTX *first;
    SSL_CTX *by_name[OPTIONS_CERTIFICATES];
    const options *options;
    uint8_t alpn[ALPN_LONGEST];
    unsigned alpn_octets;
};

struct tls {
    SSL *ssl;
    BIO *in;
    BIO *out;
    tls_state state;
};

static SSL_CTX *new_ssl_ctx(tls_context *t, const options_certificate *certificate);
static void limit_versions(SSL_CTX *ctx, const options *o);
static int version_of(const char *word);
static void limit_groups(SSL_CTX *ctx, const options *o);
static void set_tickets(SSL_CTX *ctx, const options *o);
static void demand_client(SSL_CTX *ctx, const options *o);
static void encode_alpn(tls_context *t, const char *list);
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                       const unsigned char *in, unsigned in_length, void *user);
static int choose_certificate(SSL *ssl, int *alert, void *user);
static void fatal(const char *what) __attribute__((noreturn));
static void advance(tls *t, queue *plain);
static void read_plain(tls *t, queue *plain);
static void drain(tls *t, queue *wire);
static bool is_tls13(const tls *t);

tls_context *tls_context_new(const options *o)
{
    tls_context *t = must_alloc(sizeof *t);
    t->options = o;
    if (strcmp(o->alpn, "none") != 0) {
        encode_alpn(t, o->alpn);
    }
    t->first = new_ssl_ctx(t, &o->certificates[0]);
    for (size_t i = 1; i < o->certificate_count; i++) {
        t->by_name[i] = new_ssl_ctx(t, &o->certificates[i]);
    }
    return t;
}

void tls_context_free(tls_context *t)
{
    if (t == NULL) {
        return;
    }
    SSL_CTX_free(t->first);
    for (size_t i = 1; i < t->options->certificate_count; i++) {
        SSL_CTX_free(t->by_name[i]);
    }
    free(t);
}

tls *tls_new(tls_context *context)
{
    tls *t = must_alloc(sizeof *t);
    t->ssl = SSL_new(context->first);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (t->ssl == NULL || t->in == NULL || t->out == NULL) {
        fatal("no TLS connection");
    }
    BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(tls *t)
{
    if (t == NULL) {
        return;
    }
    SSL_free(t->ssl);
    free(t);
}

tls_state tls_receive(tls *t, const uint8_t *octets, size_t count, queue *plain, queue *wire)
{
    assert(count <= INT32_MAX);
    if (t->state == TLS_FAILED) {
        return t->state;
    }
    if (BIO_write(t->in, octets, (int)count) != (int)count) {
        fatal("memory BIO");
    }
    advance(t, plain);
    drain(t, wire);
    return t->state;
}

void tls_seal(tls *t, queue *plain, queue *wire)
{
    assert(t->state == TLS_OPEN || t->state == TLS_PEER_CLOSED);
    while (queue_length(plain) > 0) {
        size_t length = queue_length(plain);
        int piece = (int)(length < PLAIN_CHUNK ? length : PLAIN_CHUNK);
        ERR_clear_error();
        int taken = SSL_write(t->ssl, queue_head(plain), piece);
        if (taken <= 0) {
            t->state = TLS_FAILED;
            break;
        }
        queue_consume(plain, (size_t)taken);
    }
    drain(t, wire);
}

void tls_close_notify(tls *t, queue *wire)
{
    if (tls_is_open(t)) {
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
    }
    drain(t, wire);
}

bool tls_is_open(const tls *t)
{
    return t->state == TLS_OPEN || t->state == TLS_PEER_CLOSED;
}

bool tls_is_h2(const tls *t)
{
    const unsigned char *name;
    unsigned length;
    SSL_get0_alpn_selected(t->ssl, &name, &length);
    return length == 2 && memcmp(name, "h2", 2) == 0;
}

bool tls_is_resumed(const tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

bool tls_key_update(tls *t, bool ask_peer, queue *wire)
{
    if (!is_tls13(t)) {
        return false;
    }
    ERR_clear_error();
    int kind = ask_peer ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
    bool done = SSL_key_update(t->ssl, kind) == 1 && SSL_do_handshake(t->ssl) == 1;
    drain(t, wire);
    return done;
}

bool tls_send_ticket(tls *t, queue *wire)
{
    if (!is_tls13(t)) {
        return false;
    }
    ERR_clear_error();
    bool done = SSL_new_session_ticket(t->ssl) == 1 && SSL_do_handshake(t->ssl) == 1;
    drain(t, wire);
    return done;
}

bool tls_fatal_alert(tls *t, unsigned alert, queue *wire)
{
    /* A record longer than TLS allows makes record_overflow, one that does not decrypt
     * bad_record_mac, a handshake message out of place unexpected_message. */
    uint8_t record[5 + 64] = {23, 3, 3, 0, 64};
    if (!is_tls13(t)) {
        return false;
    }
    if (alert == SSL_AD_RECORD_OVERFLOW) {
        record[3] = 0x50;
    } else if (alert == SSL_AD_UNEXPECTED_MESSAGE) {
        record[0] = 22;
    } else if (alert != SSL_AD_BAD_RECORD_MAC) {
        return false;
    }
    uint8_t plain[16];
    ERR_clear_error();
    (void)BIO_write(t->in, record, (int)sizeof record);
    (void)SSL_read(t->ssl, plain, sizeof plain);
    t->state = TLS_FAILED;
    drain(t, wire);
    return true;
}

static SSL_CTX *new_ssl_ctx(tls_context *t, const options_certificate *certificate)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL) {
        fatal("no TLS context");
    }
    SSL_CTX_set_security_level(ctx, 0); /* the test certificates include weak ones */
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    limit_versions(ctx, t->options);
    set_tickets(ctx, t->options);
    demand_client(ctx, t->options);
    limit_groups(ctx, t->options);
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate->cert) != 1) {
        fatal(certificate->cert);
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, certificate->key, SSL_FILETYPE_PEM) != 1) {
        fatal(certificate->key);
    }
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, t);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, t);
    return ctx;
}

static void limit_versions(SSL_CTX *ctx, const options *o)
{
    SSL_CTX_set_min_proto_version(ctx, version_of(o->tls_min));
    SSL_CTX_set_max_proto_version(ctx, version_of(o->tls_max));
    if (o->ciphers != NULL && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1) {
        fatal(o->ciphers);
    }
}

static int version_of(const char *word)
{
    static const struct {
        const char *word;
        int version;
    } versions[] = {{"1.0", TLS1_VERSION},
                    {"1.1", TLS1_1_VERSION},
                    {"1.2", TLS1_2_VERSION},
                    {"1.3", TLS1_3_VERSION}};
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
        if (strcmp(word, versions[i].word) == 0) {
            return versions[i].version;
        }
    }
    fatal(word);
}

static void limit_groups(SSL_CTX *ctx, const options *o)
{
    if (o->groups == NULL) {
        return;
    }
    char *list = must_copy(o->groups, strlen(o->groups)); /* the macro drops const */
    if (SSL_CTX_set1_groups_list(ctx, list) != 1) {
        fatal(list);
    }
    free(list);
}

static void set_tickets(SSL_CTX *ctx, const options *o)
{
    static const unsigned char id[] = "weir-origin";
    SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
    SSL_CTX_set_num_tickets(ctx, o->tickets);
    if (o->tickets == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
}

static void demand_client(SSL_CTX *ctx, const options *o)
{
    if (o->client_ca == NULL) {
        return;
    }
    if (SSL_CTX_load_verify_locations(ctx, o->client_ca, NULL) != 1) {
        fatal(o->client_ca);
    }
    SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(o->client_ca));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void encode_alpn(tls_context *t, const char *list)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ",");
        if (length == 0 || length > 255 || t->alpn_octets + length + 1 > ALPN_LONGEST) {
            fatal("--alpn");
        }
        t->alpn[t->alpn_octets] = (uint8_t)length;
        memcpy(t->alpn + t->alpn_octets + 1, list, length);
        t->alpn_octets += (unsigned)length + 1;
        list += length + (list[length] == ',' ? 1 : 0);
    }
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                       const unsigned char *in, unsigned in_length, void *user)
{
    const tls_context *t = user;
    unsigned char *chosen;
    (void)ssl;
    if (t->alpn_octets == 0) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    int found = SSL_select_next_proto(&chosen, out_length, t->alpn, t->alpn_octets, in, in_length);
    if (found != OPENSSL_NPN_NEGOTIATED) {
        return t->options->alpn_ignore_mismatch ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, int *alert, void *user)
{
    const tls_context *t = user;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    unsigned wanted_alert;
    if (name == NULL) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    if (sscanf(name, "alert-%3u.", &wanted_alert) == 1) {
        *alert = (int)wanted_alert;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    for (size_t i = 1; i < t->options->certificate_count; i++) {
        if (strcasecmp(t->options->certificates[i].host, name) == 0) {
            SSL_set_SSL_CTX(ssl, t->by_name[i]);
        }
    }
    return SSL_TLSEXT_ERR_OK;
}

static void fatal(const char *what)
{
    fprintf(stderr, "weir-origin: %s: ", what);
    ERR_print_errors_fp(stderr);
    fputc('\n', stderr);
    exit(78);
}

static void advance(tls *t, queue *plain)
{
    ERR_clear_error();
    if (t->state == TLS_SHAKING) {
        int done = SSL_do_handshake(t->ssl);
        if (done == 1) {
            t->state = TLS_OPEN;
        } else if (SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ) {
            t->state = TLS_FAILED;
        }
    }
    if (t->state == TLS_OPEN) {
        read_plain(t, plain);
    }
}

static void read_plain(tls *t, queue *plain)
{
    for (;;) {
        ERR_clear_error();
        int count = SSL_read(t->ssl, queue_reserve(plain, PLAIN_CHUNK), PLAIN_CHUNK);
        if (count > 0) {
            queue_commit(plain, (size_t)count);
            continue;
        }
        int error = SSL_get_error(t->ssl, count);
        if (error == SSL_ERROR_ZERO_RETURN) {
            t->state = TLS_PEER_CLOSED;
        } else if (error != SSL_ERROR_WANT_READ) {
            t->state = TLS_FAILED;
        }
        break;
    }
    if (queue_length(plain) == 0) {
        queue_clear(plain); /* the reserved block is not kept by an idle connection */
    }
}

static void drain(tls *t, queue *wire)
{
    for (;;) {
        size_t pending = BIO_ctrl_pending(t->out);
        if (pending == 0) {
            return;
        }
        int count = BIO_read(t->out, queue_reserve(wire, pending), (int)pending);
        if (count <= 0) {
            return;
        }
        queue_commit(wire, (size_t)count);
    }
}

static bool is_tls13(const tls *t)
{
    return t->state == TLS_OPEN && SSL_version(t->ssl) == TLS1_3_VERSION;
}
