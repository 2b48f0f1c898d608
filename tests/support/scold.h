/* SPDX-License-Identifier: MIT */
/*
 * A server over real sockets that remembers how it was scolded: the TLS alert that a client sent
 * before it closed. In the clear, or OpenSSL, which shares no code with the library under test. It
 * can break off, too, and knows how much the client's kernel had by then.
 *
 * Connections are served one after the other on a thread of its own: handshake, the script, then
 * everything that the client still sends, until it closes.
 */
#ifndef WEIR_TESTS_SCOLD_H
#define WEIR_TESTS_SCOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

typedef struct weir_scold weir_scold;

/* One connection, while it is served. */
typedef struct weir_scold_line {
    weir_scold *server;
    int fd;
    SSL *ssl;    /* NULL: clear */
    bool resets; /* set by the script: reset behind it, once the client's kernel has all that was
                    said */
} weir_scold_line;

/* How many octets came, at most `room`; 0: the client is gone. */
size_t weir_scold_read(weir_scold_line *line, void *to, size_t room);
/* False: the client was gone before so many had come. */
bool weir_scold_read_all(weir_scold_line *line, void *to, size_t octets);
void weir_scold_write(weir_scold_line *line, const void *octets, size_t count);

/* After the handshake; NULL: nothing is done. */
typedef void weir_scold_play(weir_scold_line *line, void *user);

typedef struct weir_scold_options {
    const char *certificate; /* "good.pem", with its key in "good.key"; NULL: clear */
    const char *protocol;    /* ALPN */
    int version;             /* TLS1_2_VERSION, alone; 0: any */
    weir_scold_play *play;
    void *user;
} weir_scold_options;

/* What was heard on the last connection that is over. */
typedef struct weir_scold_heard {
    int alert_level; /* 2: fatal */
    int alert;       /* the first; -1: none */
    size_t octets;   /* plaintext that came after the script */
    uint64_t given;  /* `resets`: octets on the wire that the client's kernel acknowledged */
    uint8_t first[4096];
    char secrets[2048]; /* the server's own of its TLS, in lines of the NSS format */
} weir_scold_heard;

/* Aborts if it cannot start. */
weir_scold *weir_scold_start(const weir_scold_options *options);
uint16_t weir_scold_port(const weir_scold *server);
/* Waits until that many connections are over. */
weir_scold_heard weir_scold_await(weir_scold *server, size_t connections);
void weir_scold_stop(weir_scold *server);

#endif
