/* SPDX-License-Identifier: MIT */
/*
 * The log: one TSV line per closed connection, so that another program can hold its own count of
 * octets against this one.
 *
 *     peer_port tls protocol received sent requests order resumed ending
 *
 * `received` and `sent` are what recv() and send() returned, added up. `protocol` is h1, h2, or
 * none when the connection ended before its first request octet. `order` counts accepted
 * connections from 1. `resumed` is 1 for a resumed TLS session. `ending` says who ended it:
 *
 *     fin           we shut down first, then the peer
 *     abrupt        as fin, under TLS without close_notify
 *     peer-fin      the peer shut down first
 *     reset         we reset the connection on purpose
 *     closed        we closed at once, perhaps with octets unread
 *     peer-reset    recv() or send() told of a reset
 *     lingered      we shut down, and the peer did not within --linger-ms
 *     open          still open when the origin ended
 *
 * After reset, closed, peer-reset, lingered and open, octets may have been lost on the way: the two
 * sides need not agree.
 */
#ifndef ORIGIN_LOG_H
#define ORIGIN_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct log_line {
    unsigned peer_port;
    bool tls;
    const char *protocol;
    uint64_t received_octets;
    uint64_t sent_octets;
    uint64_t requests;
    uint64_t order;
    bool resumed;
    const char *ending;
} log_line;

/* NULL: nothing is logged. A file that cannot be opened ends the program. */
void log_open(const char *path);
void log_write(const log_line *line);
void log_close(void);

#endif
