/* SPDX-License-Identifier: MIT */
/*
 * The secrets of each connection of a call, in a file: what it says is what the server says of its
 * side, label, client's random and secret, so that who has the file and the packets can read them.
 * The server is OpenSSL, which shares no code with the library under test.
 */
#include "engine/tls_keylog.h"
#include "support/scold_way.h"
#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_OCTETS 16384

/* Answers one request, which comes in one piece with what precedes it or behind it. */
static void answer(weir_scold_line *line, void *user)
{
    static const char h1[] = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    /* SETTINGS, its acknowledgement, :status 200, DATA with END_STREAM on stream 1, GOAWAY behind
     * it */
    static const uint8_t h2[] = {0,   0, 0, 4, 0, 0, 0, 0, 0,    0, 0, 0, 4, 1, 0, 0, 0, 0, 0,
                                 0,   1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 2, 0, 1, 0, 0, 0, 1, 'o',
                                 'k', 0, 0, 8, 7, 0, 0, 0, 0,    0, 0, 0, 0, 1, 0, 0, 0, 0};
    char room[4096];

    if (*(const bool *)user) {
        /* Behind the preface, SETTINGS and a WINDOW_UPDATE: the request. */
        for (size_t got = 0, step = 1; got < 70 + 9 + 1 && step > 0; got += step) {
            step = weir_scold_read(line, room, sizeof(room));
        }
        weir_scold_write(line, h2, sizeof(h2));
    } else if (weir_scold_read(line, room, sizeof(room)) > 0) {
        weir_scold_write(line, h1, sizeof(h1) - 1);
    }
}

static weir_tls_config *configure(const char *path)
{
    weir_tls_options options = WEIR_TLS_OPTIONS_INIT;
    weir_status status = WEIR_OK;

    options.ca_file = weir_test_certificate("ca.pem");
    options.only_these_roots = true;
    options.key_log_file = path;
    weir_tls_config *tls = weir_tls_config_new(&options, NULL, &status, NULL);
    assert_int_equal(status, weir_tls_keylog_is_available() ? WEIR_OK : WEIR_E_UNSUPPORTED);
    return tls;
}

static void read_log(const char *path, char text[TEXT_OCTETS])
{
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    text[fread(text, 1, TEXT_OCTETS - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* Every line of the server's is one of the file's; how many there are. EXPORTER_SECRET decrypts
 * nothing, and only some builds tell it. */
static size_t lines_agree(const char *text, const char *secrets)
{
    size_t lines = 0;

    for (const char *end = NULL; (end = strchr(secrets, '\n')) != NULL; secrets = end + 1) {
        char line[400];
        (void)snprintf(line, sizeof(line), "%.*s\n", (int)(end - secrets), secrets);
        if (strncmp(line, "EXPORTER", 8) == 0) {
            continue;
        }
        if (strstr(text, line) == NULL) {
            fail_msg("not logged: %.40s", line);
        }
        lines++;
    }
    return lines;
}

/* A file that is there already is added to, by one connection after the other. */
static void secrets_are_the_servers(weir_world *world)
{
    static const char before[] = "# what stood here before\n";
    const int version = *(const int *)world->with;
    const size_t each = version == TLS1_2_VERSION ? 1 : 4;
    const bool h2 = world->way.protocol == WEIR_H2;
    const weir_scold_options options = {
        .certificate = "good.pem",
        .protocol = h2 ? "h2" : "http/1.1",
        .version = version,
        .play = answer,
        .user = (void *)(uintptr_t)&h2,
    };
    char path[] = "/tmp/weir-key-log-XXXXXX";
    char text[TEXT_OCTETS];
    char known[TEXT_OCTETS];

    if (!weir_tls_keylog_is_available()) {
        assert_null(configure(path));
        weir_world_skip(world);
    }
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, before, sizeof(before) - 1), sizeof(before) - 1);
    (void)close(fd);
    weir_tls_config *tls = configure(path);
    weir_scold *server = weir_scold_start(&options);
    weir_ask ask = weir_scold_way_ask(world, server);
    ask.call.tls = tls;
    size_t octets = sizeof(before) - 1;
    for (size_t i = 1; i <= 2; i++) {
        const weir_fetched fetched = weir_world_fetch(world, &ask);
        assert_int_equal(fetched.ended, WEIR_END);
        weir_user_settle(world->user);
        const weir_scold_heard heard = weir_scold_await(server, i);
        memcpy(known, text, i > 1 ? octets : 0);
        read_log(path, text);
        /* What was there stays; the lines of this connection are behind it. */
        assert_memory_equal(text, i > 1 ? known : before, octets);
        assert_int_equal(lines_agree(text + octets, heard.secrets), each);
        octets = strlen(text);
    }
    weir_world_close(world);
    weir_scold_stop(server);
    weir_tls_config_release(tls);
    assert_int_equal(unlink(path), 0);
}

/* What cannot be written is lost, and nothing else. */
static void log_that_cannot_be_written(weir_world *world)
{
    weir_tls_config *tls = configure("/nowhere/to/be/found");
    weir_ask ask = weir_world_ask(world, "/octets/1000");

    if (tls == NULL) {
        weir_world_skip(world);
    }
    ask.call.tls = tls;
    const weir_fetched fetched = weir_world_fetch(world, &ask);
    assert_int_equal(fetched.ended, WEIR_END);
    assert_true(fetched.is_pattern);
    weir_tls_config_release(tls);
}

static const int tls_1_2 = TLS1_2_VERSION;
static const int tls_1_3 = TLS1_3_VERSION;

static const weir_behaviour behaviours[] = {
    {"TLS 1.2: the file has the server's secrets", secrets_are_the_servers, WEIR_ONLY_TLS,
     &tls_1_2},
    {"TLS 1.3: the file has the server's secrets", secrets_are_the_servers, WEIR_ONLY_TLS,
     &tls_1_3},
    {"a file that cannot be written ends no call", log_that_cannot_be_written, WEIR_ONLY_TLS, NULL},
};

int main(void)
{
    return weir_world_run("key_log", behaviours, sizeof(behaviours) / sizeof(behaviours[0]), NULL);
}
