/* SPDX-License-Identifier: MIT */
/* OpenSSL as the other end: see tls_server.h. */
#include "support/tls_server.h"

#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(fact) ((fact) ? (void)0 : die(#fact, __LINE__))

_Noreturn static void die(const char *what, int line);
static SSL_CTX *make_context(const weir_tls_server_options *options);
static void go_on(weir_tls_server *server);
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *in, unsigned int in_length, void *user);
static void note_secret(const SSL *ssl, const char *line);
static int accept_certificate(int preverified, X509_STORE_CTX *store);

weir_tls_server *weir_tls_server_new(const weir_tls_server_options *options)
{
    weir_tls_server *server = calloc(1, sizeof(*server));

    MUST(server);
    server->options = *options;
    if (options->context) {
        SSL_CTX_up_ref(options->context);
    } else {
        server->options.context = make_context(options);
    }
    server->ssl = SSL_new(server->options.context);
    server->in = BIO_new(BIO_s_mem());
    server->out = BIO_new(BIO_s_mem());
    MUST(server->ssl && server->in && server->out);
    SSL_set_bio(server->ssl, server->in, server->out);
    SSL_set_app_data(server->ssl, (char *)server);
    SSL_set_accept_state(server->ssl);
    if (options->tickets > 0) {
        MUST(SSL_set_num_tickets(server->ssl, (size_t)options->tickets - 1));
    }
    return server;
}

void weir_tls_server_free(weir_tls_server *server)
{
    if (!server) {
        return;
    }
    SSL_free(server->ssl);
    SSL_CTX_free(server->options.context);
    free(server);
}

void weir_tls_server_feed(weir_tls_server *server, weir_span octets)
{
    if (octets.length > 0) {
        MUST(BIO_write(server->in, octets.at, (int)octets.length) == (int)octets.length);
    }
    go_on(server);
}

size_t weir_tls_server_take(weir_tls_server *server, uint8_t *to, size_t room)
{
    int got = room > 0 && BIO_pending(server->out) > 0 ? BIO_read(server->out, to, (int)room) : 0;
    return got > 0 ? (size_t)got : 0;
}

size_t weir_tls_server_waiting(weir_tls_server *server)
{
    return (size_t)BIO_pending(server->out);
}

void weir_tls_server_say(weir_tls_server *server, const void *plain, size_t octets)
{
    MUST(SSL_write(server->ssl, plain, (int)octets) == (int)octets);
}

void weir_tls_server_close(weir_tls_server *server)
{
    SSL_shutdown(server->ssl);
}

void weir_tls_server_update_keys(weir_tls_server *server, bool ask_client)
{
    MUST(SSL_key_update(server->ssl,
                        ask_client ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    MUST(SSL_do_handshake(server->ssl) == 1);
}

_Noreturn static void die(const char *what, int line)
{
    fprintf(stderr, "tls_server.c:%d: %s\n", line, what);
    ERR_print_errors_fp(stderr);
    abort();
}

static SSL_CTX *make_context(const weir_tls_server_options *options)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    MUST(context);
    SSL_CTX_set_security_level(context,
                               options->security_level > 0 ? options->security_level - 1 : 0);
    MUST(SSL_CTX_set_min_proto_version(context, options->oldest));
    MUST(SSL_CTX_set_max_proto_version(context, options->newest));
    MUST(SSL_CTX_use_certificate(context, options->leaf->certificate));
    MUST(SSL_CTX_use_PrivateKey(context, options->leaf->key));
    for (size_t i = 0; i < WEIR_COUNT_OF(options->chain) && options->chain[i]; ++i) {
        MUST(SSL_CTX_add1_chain_cert(context, options->chain[i]->certificate));
    }
    /* Exactly the chain that was given, nothing that OpenSSL finds. */
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    if (options->suites) {
        MUST(SSL_CTX_set_cipher_list(context, options->suites));
    }
    if (options->suites13) {
        MUST(SSL_CTX_set_ciphersuites(context, options->suites13));
    }
    if (options->groups) {
        MUST(SSL_CTX_set1_groups_list(context, options->groups));
    }
    if (options->fragment_octets > 0) {
        MUST(SSL_CTX_set_max_send_fragment(context, (size_t)options->fragment_octets));
    }
    if (options->asks_certificate) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           accept_certificate);
    }
    if (options->protocols || options->lie) {
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    }
    MUST(SSL_CTX_set_session_id_context(context, (const unsigned char *)"weir", 4));
    SSL_CTX_set_keylog_callback(context, note_secret);
    return context;
}

static void go_on(weir_tls_server *server)
{
    int result;

    ERR_clear_error();
    if (!server->open) {
        result = SSL_do_handshake(server->ssl);
        if (result != 1) {
            server->failed = SSL_get_error(server->ssl, result) != SSL_ERROR_WANT_READ;
            return;
        }
        server->open = true;
        const char *name = SSL_get_servername(server->ssl, TLSEXT_NAMETYPE_host_name);
        snprintf(server->server_name, sizeof(server->server_name), "%s", name ? name : "");
    }
    while (server->got_octets < sizeof(server->got) &&
           (result = SSL_read(server->ssl, server->got + server->got_octets,
                              (int)(sizeof(server->got) - server->got_octets))) > 0) {
        server->got_octets += (size_t)result;
    }
    if (SSL_get_shutdown(server->ssl) & SSL_RECEIVED_SHUTDOWN) {
        server->closed = true;
    } else if (SSL_get_error(server->ssl, result) != SSL_ERROR_WANT_READ) {
        server->failed = true;
    }
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
                           const unsigned char *in, unsigned int in_length, void *user)
{
    const weir_tls_server *server = (const weir_tls_server *)SSL_get_app_data(ssl);
    const char *at = server->options.protocols;

    (void)user;
    if (server->options.lie) {
        *out = (const unsigned char *)server->options.lie;
        *out_length = (unsigned char)strlen(server->options.lie);
        return SSL_TLSEXT_ERR_OK;
    }
    while (*at) {
        size_t length = strcspn(at, " ");
        for (unsigned int i = 0; i < in_length && i + in[i] < in_length; i += 1u + in[i]) {
            if (in[i] == length && memcmp(in + i + 1, at, length) == 0) {
                *out = in + i + 1;
                *out_length = in[i];
                return SSL_TLSEXT_ERR_OK;
            }
        }
        at += length + strspn(at + length, " ");
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static void note_secret(const SSL *ssl, const char *line)
{
    weir_tls_server *server = (weir_tls_server *)SSL_get_app_data(ssl);
    size_t room = sizeof(server->secrets) - server->secrets_octets;
    int wrote = snprintf(server->secrets + server->secrets_octets, room, "%s\n", line);

    /* Those of the handshake are wanted; a flood of KeyUpdates has no room. */
    if (wrote > 0 && (size_t)wrote < room) {
        server->secrets_octets += (size_t)wrote;
    }
}

static int accept_certificate(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    (void)store;
    return 1;
}
