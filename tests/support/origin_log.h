/* SPDX-License-Identifier: MIT */
/*
 * What weir-origin says of each connection when it is gone: the octets that it received and sent
 * there, by its own count (interop/origin/log.h). The log is a FIFO, so that a test waits for a
 * line and never for a time.
 *
 * Thread rule: one thread. A child of a fork does not read it.
 */
#ifndef WEIR_TESTS_ORIGIN_LOG_H
#define WEIR_TESTS_ORIGIN_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct weir_origin_line {
    unsigned peer_port;
    uint64_t received_octets;
    uint64_t sent_octets;
    uint64_t order; /* connections are counted as they are accepted */
    bool resumed;
    char ending[16];
} weir_origin_line;

typedef struct weir_origin_log weir_origin_log;

/* Before the origin starts, with "--log" and the path. Aborts if it cannot. */
weir_origin_log *weir_origin_log_open(void);
const char *weir_origin_log_path(const weir_origin_log *log);
/* Forgets every line that there is: a port may be had again. */
void weir_origin_log_forget(weir_origin_log *log);
/* The connection that came from that port, the last one that did; waits for it. The other: by its
 * order. False: it did not come. */
bool weir_origin_log_of_port(weir_origin_log *log, unsigned peer_port, weir_origin_line *line);
bool weir_origin_log_of_order(weir_origin_log *log, uint64_t order, weir_origin_line *line);
void weir_origin_log_close(weir_origin_log *log);

#endif
