/* SPDX-License-Identifier: MIT */
/*
 * The command line: one table of options, each with the member it fills. A member is a number with
 * its limit, a word, a flag or a certificate; adding an option is adding a line.
 */
#include "options.h"

#include "queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { KIND_WORD, KIND_INT, KIND_U32, KIND_U64, KIND_FLAG, KIND_CERTIFICATE } kind;

typedef struct option {
    const char *name;
    const char *value; /* what the help calls it */
    const char *help;
    kind kind;
    size_t offset;
    uint64_t limit;
} option;

#define MEMBER(m) offsetof(options, m)

static const option table[] = {
    {"--bind", "ADDR", "address to listen on, IPv4 or IPv6 (127.0.0.1)", KIND_WORD, MEMBER(bind),
     0},
    {"--port", "N", "clear port, 0 for any free one", KIND_INT, MEMBER(port), 65535},
    {"--tls-port", "N", "TLS port, 0 for any free one", KIND_INT, MEMBER(tls_port), 65535},
    {"--mute-port", "N", "port that accepts, reads and never writes", KIND_INT, MEMBER(mute_port),
     65535},
    {"--cert", "FILE", "certificate chain, PEM", KIND_CERTIFICATE, 0, 0},
    {"--key", "FILE", "its private key, PEM", KIND_CERTIFICATE, 1, 0},
    {"--sni", "HOST=CERT,KEY", "certificate for one SNI name (repeatable)", KIND_CERTIFICATE, 2, 0},
    {"--log", "FILE", "append one TSV line per closed connection", KIND_WORD, MEMBER(log), 0},
    {"--ready-file", "FILE", "write the ready line there too", KIND_WORD, MEMBER(ready_file), 0},
    {"--parent", "PID", "end with that process, which started this one", KIND_INT, MEMBER(parent),
     INT32_MAX},
    {"--alpn", "LIST", "h2,http/1.1 | http/1.1 | h2 | none", KIND_WORD, MEMBER(alpn), 0},
    {"--alpn-ignore", NULL, "go on without ALPN when nothing overlaps", KIND_FLAG,
     MEMBER(alpn_ignore_mismatch), 0},
    {"--tls-min", "V", "1.0 to 1.3 (1.2)", KIND_WORD, MEMBER(tls_min), 0},
    {"--tls-max", "V", "1.0 to 1.3 (1.3)", KIND_WORD, MEMBER(tls_max), 0},
    {"--ciphers", "LIST", "TLS 1.2 and older, OpenSSL's names, weak ones too", KIND_WORD,
     MEMBER(ciphers), 0},
    {"--groups", "LIST", "key exchange groups, OpenSSL's names", KIND_WORD, MEMBER(groups), 0},
    {"--client-ca", "FILE", "demand a client certificate from this CA", KIND_WORD,
     MEMBER(client_ca), 0},
    {"--tickets", "N", "session tickets after a handshake, 0: no resumption (2)", KIND_U32,
     MEMBER(tickets), 16},
    {"--max-streams", "N", "SETTINGS_MAX_CONCURRENT_STREAMS (100)", KIND_U32, MEMBER(max_streams),
     UINT32_MAX},
    {"--window", "N", "SETTINGS_INITIAL_WINDOW_SIZE (65535)", KIND_U32, MEMBER(window), INT32_MAX},
    {"--frame", "N", "SETTINGS_MAX_FRAME_SIZE (16384)", KIND_U32, MEMBER(frame), 16777215},
    {"--table", "N", "SETTINGS_HEADER_TABLE_SIZE (4096)", KIND_U32, MEMBER(table), 1048576},
    {"--idle-ms", "N", "close a connection idle for so long (60000)", KIND_U64, MEMBER(idle_ms),
     UINT64_MAX},
    {"--linger-ms", "N", "read on for so long after our end (5000)", KIND_U64, MEMBER(linger_ms),
     UINT64_MAX},
    {"--max-requests", "N", "requests per connection, 0: no limit", KIND_U64, MEMBER(max_requests),
     UINT64_MAX},
    {"--send-buffer", "N", "SO_SNDBUF of each connection", KIND_INT, MEMBER(send_buffer),
     INT32_MAX},
};

static void help(void);
static const option *find(const char *name);
static void store(options *o, const option *found, char *value);
static void store_certificate(options *o, const option *found, char *value);
static uint64_t number(const option *found, const char *value);
static void mistake(const char *what, const char *word) __attribute__((noreturn));
static void check(const options *o);

void options_read(options *o, int count, char **words)
{
    *o = (options){
        .bind = "127.0.0.1",
        .port = OPTIONS_NO_PORT,
        .tls_port = OPTIONS_NO_PORT,
        .mute_port = OPTIONS_NO_PORT,
        .alpn = "h2,http/1.1",
        .tls_min = "1.2",
        .tls_max = "1.3",
        .tickets = 2,
        .max_streams = 100,
        .window = 65535,
        .frame = 16384,
        .table = 4096,
        .idle_ms = 60000,
        .linger_ms = 5000,
        .certificate_count = 1, /* the first is --cert and --key */
    };
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--help") == 0) {
            help();
            exit(0);
        }
        const option *found = find(words[i]);
        if (found->kind != KIND_FLAG && i + 1 == count) {
            mistake("needs a value", words[i]);
        }
        store(o, found, found->kind == KIND_FLAG ? NULL : words[++i]);
    }
    check(o);
}

void options_clear(options *o)
{
    for (size_t i = 1; i < o->certificate_count; i++) {
        free(o->certificates[i].host);
    }
}

static void help(void)
{
    puts("usage: weir-origin --port N | --tls-port N --cert FILE --key FILE | --mute-port N "
         "[option...]\n\n"
         "An HTTP/1.1 and HTTP/2 test origin that counts every octet.\n");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        printf("  %-14s %-14s %s\n", table[i].name, table[i].value == NULL ? "" : table[i].value,
               table[i].help);
    }
    puts(
        "\nPrints `ready clear=PORT tls=PORT mute=PORT` (0: none) and serves until standard input\n"
        "ends, SIGTERM or SIGINT. /octets/1000 is a path that it answers; interop/origin/cases.c\n"
        "lists all, most of which misbehave. Exit status 64 if an option is wrong.");
}

static const option *find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    mistake("is not an option", name);
}

static void store(options *o, const option *found, char *value)
{
    void *member = (char *)o + found->offset;
    switch (found->kind) {
    case KIND_WORD:
        *(const char **)member = value;
        break;
    case KIND_INT:
        *(int *)member = (int)number(found, value);
        break;
    case KIND_U32:
        *(uint32_t *)member = (uint32_t)number(found, value);
        break;
    case KIND_U64:
        *(uint64_t *)member = number(found, value);
        break;
    case KIND_FLAG:
        *(bool *)member = true;
        break;
    case KIND_CERTIFICATE:
        store_certificate(o, found, value);
        break;
    }
}

static void store_certificate(options *o, const option *found, char *value)
{
    if (found->offset == 0) {
        o->certificates[0].cert = value;
        return;
    }
    if (found->offset == 1) {
        o->certificates[0].key = value;
        return;
    }
    char *copy = must_copy(value, strlen(value));
    char *cert = strchr(copy, '=');
    char *key = cert == NULL ? NULL : strchr(cert, ',');
    if (key == NULL || o->certificate_count == OPTIONS_CERTIFICATES) {
        mistake("wants HOST=CERT,KEY, at most 15 times", value);
    }
    *cert = '\0';
    *key = '\0';
    o->certificates[o->certificate_count++] = (options_certificate){copy, cert + 1, key + 1};
}

static uint64_t number(const option *found, const char *value)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 10);
    if (errno != 0 || *value < '0' || *value > '9' || *end != '\0' || n > found->limit) {
        mistake("is not a number within the limit", value);
    }
    return n;
}

static void check(const options *o)
{
    if (o->port == OPTIONS_NO_PORT && o->tls_port == OPTIONS_NO_PORT &&
        o->mute_port == OPTIONS_NO_PORT) {
        mistake("is missing, and so are --tls-port and --mute-port: one is needed; see --help",
                "--port");
    }
    if (o->tls_port != OPTIONS_NO_PORT &&
        (o->certificates[0].cert == NULL || o->certificates[0].key == NULL)) {
        mistake("needs --cert and --key", "--tls-port");
    }
    if (o->frame < 16384) {
        mistake("is at least 16384 (RFC 9113 s6.5.2)", "--frame");
    }
}

static void mistake(const char *what, const char *word)
{
    fprintf(stderr, "weir-origin: %s %s\n", word, what);
    exit(64);
}
