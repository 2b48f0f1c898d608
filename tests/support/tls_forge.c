/* SPDX-License-Identifier: MIT */
/* TLS 1.3 records that no honest server sends: see tls_forge.h. */
#include "support/tls_forge.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expand_label(const uint8_t secret[32], const char *label, uint8_t *to, size_t count);
static void derive(weir_tls_forge *forge);
static uint8_t hex(char digit);

void weir_tls_forge_prepare(weir_tls_server_options *options)
{
    options->oldest = TLS1_3_VERSION;
    options->tickets = 1;
    options->suites13 = "TLS_AES_128_GCM_SHA256";
}

void weir_tls_forge_init(weir_tls_forge *forge, const weir_tls_server *server)
{
    static const char label[] = "SERVER_TRAFFIC_SECRET_0 ";
    const char *line = strstr(server->secrets, label);

    assert_non_null(line);
    line = strchr(line + sizeof(label) - 1, ' ') + 1;
    for (size_t i = 0; i < sizeof(forge->secret); ++i) {
        forge->secret[i] = (uint8_t)(hex(line[2 * i]) << 4 | hex(line[2 * i + 1]));
    }
    derive(forge);
}

void weir_tls_forge_update(weir_tls_forge *forge)
{
    uint8_t next[32];

    expand_label(forge->secret, "traffic upd", next, sizeof(next));
    memcpy(forge->secret, next, sizeof(next));
    derive(forge);
}

size_t weir_tls_forge_record(weir_tls_forge *forge, uint8_t type, weir_span content, size_t padding,
                             uint8_t *to, size_t room)
{
    size_t inner = content.length + 1 + padding;
    size_t body = inner + 16;
    uint8_t nonce[12];
    uint8_t *plain = calloc(1, inner);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int count = 0;

    assert_true(5 + body <= room);
    assert_non_null(plain);
    assert_non_null(cipher);
    if (content.length > 0) {
        memcpy(plain, content.at, content.length);
    }
    plain[content.length] = type;
    memcpy(to, (const uint8_t[]){23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, 5);
    memcpy(nonce, forge->iv, sizeof(nonce));
    for (size_t i = 0; i < 8; ++i) {
        nonce[4 + i] ^= (uint8_t)(forge->number >> (56 - 8 * i));
    }
    forge->number++;
    assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, forge->key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &count, to, 5), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, to + 5, &count, plain, (int)inner), 1);
    assert_int_equal(count, inner);
    assert_int_equal(EVP_EncryptFinal_ex(cipher, to + 5 + inner, &count), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, to + 5 + inner), 1);
    EVP_CIPHER_CTX_free(cipher);
    free(plain);
    return 5 + body;
}

void weir_tls_forge_send(weir_tls_forge *forge, weir_tls_pair *pair, uint8_t type,
                         weir_span content, size_t padding)
{
    uint8_t record[5 + WEIR_TLS_PLAIN_LIMIT_OCTETS + 512];
    size_t length = weir_tls_forge_record(forge, type, content, padding, record, sizeof(record));

    weir_tls_pair_inject(pair, record, length);
}

/* HKDF-Expand-Label (RFC 8446 s7.1) with an empty context, of at most one block of SHA-256. */
static void expand_label(const uint8_t secret[32], const char *label, uint8_t *to, size_t count)
{
    uint8_t message[64];
    uint8_t block[32];
    unsigned int length = 0;
    size_t at = 0;

    assert_true(count <= sizeof(block));
    message[at++] = 0;
    message[at++] = (uint8_t)count;
    message[at++] = (uint8_t)(6 + strlen(label));
    memcpy(message + at, "tls13 ", 6);
    memcpy(message + at + 6, label, strlen(label));
    at += 6 + strlen(label);
    message[at++] = 0;
    message[at++] = 1;
    assert_non_null(HMAC(EVP_sha256(), secret, 32, message, at, block, &length));
    memcpy(to, block, count);
}

static void derive(weir_tls_forge *forge)
{
    expand_label(forge->secret, "key", forge->key, sizeof(forge->key));
    expand_label(forge->secret, "iv", forge->iv, sizeof(forge->iv));
    forge->number = 0;
}

static uint8_t hex(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}
