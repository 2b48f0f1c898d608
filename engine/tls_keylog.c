/* SPDX-License-Identifier: MIT */
/*
 * One line for each secret: a label, the client's random, the secret. A line that cannot be written
 * is lost: nothing that only helps debugging may end a connection.
 */
#include "engine/tls_keylog.h"

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/ssl.h>

#ifdef HAVE_SECRET_CALLBACK

#    include "engine/os_file.h"

#    include <string.h>
#    include <wolfssl/version.h>

enum {
    RANDOM_OCTETS = 32,
    SECRET_LIMIT_OCTETS = 64,
    LABEL_LIMIT_OCTETS = 40,
    LINE_LIMIT_OCTETS = LABEL_LIMIT_OCTETS + 2 * RANDOM_OCTETS + 2 * SECRET_LIMIT_OCTETS + 3
};

static int write_tls13(WOLFSSL *ssl, int id, const unsigned char *secret, int count, void *user);
static void write_line(WOLFSSL *ssl, const char *label, const unsigned char *secret, size_t count,
                       const char *path);
static size_t put_text(char *to, const char *text);
static size_t put_hex(char *to, const unsigned char *octets, size_t count);
#    if LIBWOLFSSL_VERSION_HEX >= 0x05007000
static int write_tls12(WOLFSSL *ssl, void *secret, int count, void *user);
#    endif

bool weir_tls_keylog_is_available(void)
{
    return true;
}

void weir_tls_keylog_attach(WOLFSSL *ssl, const char *path)
{
    void *user = (void *)(uintptr_t)path;

    (void)wolfSSL_set_tls13_secret_cb(ssl, write_tls13, user);
    /* Older releases tell the secret of TLS 1.2 to nobody. */
#    if LIBWOLFSSL_VERSION_HEX >= 0x05007000
    (void)wolfSSL_set_secret_cb(ssl, write_tls12, user);
#    endif
}

static int write_tls13(WOLFSSL *ssl, int id, const unsigned char *secret, int count, void *user)
{
    static const struct {
        int id;
        const char *label;
    } labels[] = {
        {CLIENT_HANDSHAKE_TRAFFIC_SECRET, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"},
        {SERVER_HANDSHAKE_TRAFFIC_SECRET, "SERVER_HANDSHAKE_TRAFFIC_SECRET"},
        {CLIENT_TRAFFIC_SECRET, "CLIENT_TRAFFIC_SECRET_0"},
        {SERVER_TRAFFIC_SECRET, "SERVER_TRAFFIC_SECRET_0"},
        {EXPORTER_SECRET, "EXPORTER_SECRET"},
    };

    for (size_t i = 0; i < WEIR_COUNT_OF(labels); ++i) {
        if (labels[i].id == id && count > 0) {
            write_line(ssl, labels[i].label, secret, (size_t)count, user);
        }
    }
    return 0;
}

#    if LIBWOLFSSL_VERSION_HEX >= 0x05007000
static int write_tls12(WOLFSSL *ssl, void *secret, int count, void *user)
{
    if (count > 0) {
        write_line(ssl, "CLIENT_RANDOM", secret, (size_t)count, user);
    }
    return 0;
}
#    endif

static void write_line(WOLFSSL *ssl, const char *label, const unsigned char *secret, size_t count,
                       const char *path)
{
    unsigned char random[RANDOM_OCTETS];
    char line[LINE_LIMIT_OCTETS];
    size_t length;

    if (count > SECRET_LIMIT_OCTETS ||
        wolfSSL_get_client_random(ssl, random, sizeof(random)) != sizeof(random)) {
        return;
    }
    length = put_text(line, label);
    length += put_text(line + length, " ");
    length += put_hex(line + length, random, sizeof(random));
    length += put_text(line + length, " ");
    length += put_hex(line + length, secret, count);
    length += put_text(line + length, "\n");
    WEIR_ASSERT(length <= sizeof(line));
    (void)weir_os_file_append(path, (weir_span){(const uint8_t *)line, length});
}

static size_t put_text(char *to, const char *text)
{
    size_t length = strlen(text);

    WEIR_ASSERT(length <= LABEL_LIMIT_OCTETS);
    memcpy(to, text, length);
    return length;
}

static size_t put_hex(char *to, const unsigned char *octets, size_t count)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; ++i) {
        to[2 * i] = digits[octets[i] >> 4];
        to[2 * i + 1] = digits[octets[i] & 15];
    }
    return 2 * count;
}

#else

bool weir_tls_keylog_is_available(void)
{
    return false;
}

void weir_tls_keylog_attach(WOLFSSL *ssl, const char *path)
{
    (void)ssl;
    (void)path;
}

#endif
