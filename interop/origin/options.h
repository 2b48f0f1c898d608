/* SPDX-License-Identifier: MIT */
/* What the command line asks for; read once by main, constant afterwards. */
#ifndef ORIGIN_OPTIONS_H
#define ORIGIN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_CERTIFICATES = 16, OPTIONS_NO_PORT = -1 };

typedef struct options_certificate {
    char *host; /* NULL: the certificate for everyone else */
    char *cert;
    char *key;
} options_certificate;

typedef struct options {
    const char *bind;
    int port; /* 0: any free port; OPTIONS_NO_PORT: none */
    int tls_port;
    int mute_port;
    options_certificate certificates[OPTIONS_CERTIFICATES];
    size_t certificate_count;
    const char *log;
    const char *ready_file;
    int parent;       /* 0: only standard input says that whoever started it is gone */
    const char *alpn; /* "none" or a list with commas */
    bool alpn_ignore_mismatch;
    const char *tls_min;
    const char *tls_max;
    const char *ciphers; /* of TLS 1.2 and older */
    const char *groups;
    const char *client_ca;
    unsigned tickets;
    uint32_t max_streams;
    uint32_t window;
    uint32_t frame;
    uint32_t table;
    uint64_t idle_ms;
    uint64_t linger_ms;
    uint64_t max_requests; /* 0: no limit */
    int send_buffer;       /* SO_SNDBUF, 0: the kernel's */
} options;

/* Reads the arguments. On a mistake, or for --help, it prints and ends the program. */
void options_read(options *o, int count, char **words);
void options_clear(options *o);

#endif
